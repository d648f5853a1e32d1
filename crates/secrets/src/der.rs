//! As much of DER (X.690) as tells a private key from other bytes.

/// One element: its tag, its content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if !(1..=3).contains(&count) {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(count)?;
        (digits.iter().fold(0, |value, d| value << 8 | usize::from(*d)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// True for PKCS #1 and SEC 1 keys, DSA keys, PKCS #8 (RFC 5958) and encrypted PKCS #8.
pub(crate) fn is_private_key(bytes: &[u8]) -> bool {
    let Some((SEQUENCE, content, _)) = element(bytes) else { return false };
    let Some((first, value, rest)) = element(content) else { return false };
    match first {
        INTEGER if value.len() <= 2 => match element(rest) {
            // PKCS #8: an algorithm, then the key.
            Some((SEQUENCE, algorithm, rest)) => {
                matches!(element(algorithm), Some((OBJECT, _, _))) && matches!(element(rest), Some((OCTETS, _, _)))
            }
            // SEC 1: the key's octets.
            Some((OCTETS, key, _)) => key.len() >= 16,
            // PKCS #1 and DSA: integers.
            Some((INTEGER, modulus, rest)) => {
                modulus.len() >= 32
                    && std::iter::successors(element(rest), |(_, _, rest)| element(rest))
                        .filter(|(tag, _, _)| *tag == INTEGER)
                        .count()
                        >= 4
            }
            _ => false,
        },
        // EncryptedPrivateKeyInfo: an algorithm, then octets.
        SEQUENCE => matches!(element(value), Some((OBJECT, _, _))) && matches!(element(rest), Some((OCTETS, _, _))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_keys() {
        // RFC 8410, 10.3: an Ed25519 key in PKCS #8.
        let mut key = vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22];
        key.extend([0x04, 0x20]);
        key.extend([7; 32]);
        assert!(is_private_key(&key));
        assert!(!is_private_key(&key[..20]));
        assert!(!is_private_key(b"0\x80"));
        assert!(!is_private_key(&[]));
    }
}
