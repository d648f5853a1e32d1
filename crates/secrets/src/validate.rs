//! Checks of structure: what has to be true of a credential that a provider issued.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, GeneralPurpose as Base64};
use sha2::{Digest as _, Sha256};

use crate::der;

/// A check of structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validator {
    /// CRC-32 in the last six base62 digits (GitHub; npm).
    Crc62,
    /// CRC-32 in eight hexadecimal digits after the last underscore (Grafana).
    CrcHex,
    /// GitLab's routable tokens.
    GitlabRoutable,
    /// JSON Web Token (RFC 7519).
    Jwt,
    /// A private key in one of its armours.
    PrivateKey,
    /// AWS access key id: base32 of an account number.
    AwsAccessKeyId,
    /// PyPI's macaroons.
    PypiMacaroon,
    /// base64 of a JSON object.
    Base64Json,
    /// base58 with a double SHA-256 checksum.
    Base58Check,
    /// bech32 (BIP 173) or bech32m (BIP 350).
    Bech32,
    /// Stellar's keys: base32 with CRC-16/XMODEM.
    StellarStrkey,
    /// Luhn's digit.
    Luhn,
    /// A random UUID (RFC 9562, version 4).
    Uuid,
    /// base64 or base64url of so many bytes.
    Decoded(usize),
}

/// What a check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The structure proves it.
    Verified(&'static str),
    /// The structure fits and proves little.
    Fits,
    /// It is not one.
    Refused,
    /// It has the form, and cannot be in force: why.
    Doubted(&'static str),
}

impl FromStr for Validator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "github-crc32" | "npm-crc32" => Self::Crc62,
            "grafana-crc32" => Self::CrcHex,
            "gitlab-routable" => Self::GitlabRoutable,
            "jwt" => Self::Jwt,
            "private-key" => Self::PrivateKey,
            "aws-access-key-id" => Self::AwsAccessKeyId,
            "pypi-macaroon" => Self::PypiMacaroon,
            "base64-json" => Self::Base64Json,
            "base58check" => Self::Base58Check,
            "bech32" => Self::Bech32,
            "stellar-strkey" => Self::StellarStrkey,
            "luhn" => Self::Luhn,
            "uuid" => Self::Uuid,
            _ => match text.strip_prefix("decoded-").and_then(|n| n.parse().ok()) {
                Some(n) if (1..=4096).contains(&n) => Self::Decoded(n),
                _ => return Err(format!("validator `{text}` is not known")),
            },
        })
    }
}

impl Validator {
    /// True for checksums that text made up by people does not have.
    pub(crate) fn is_checksum(self) -> bool {
        matches!(
            self,
            Self::Crc62 | Self::CrcHex | Self::GitlabRoutable | Self::Base58Check | Self::Bech32 | Self::StellarStrkey
        )
    }

    /// Checks a secret.
    pub(crate) fn check(self, secret: &[u8]) -> Verdict {
        let verified = |yes: bool, why: &'static str| if yes { Verdict::Verified(why) } else { Verdict::Refused };
        match self {
            Self::Crc62 => verified(crc62(secret).is_some(), "its checksum is right (CRC-32)"),
            Self::CrcHex => verified(crc_hex(secret).is_some(), "its checksum is right (CRC-32)"),
            Self::GitlabRoutable => verified(gitlab(secret).is_some(), "its checksum and fields are right"),
            Self::Jwt => jwt(secret),
            Self::PrivateKey => private_key(secret),
            Self::AwsAccessKeyId => verified(aws(secret).is_some(), "its account number decodes"),
            Self::PypiMacaroon => verified(pypi(secret).is_some(), "it is a macaroon of PyPI"),
            Self::Base64Json => verified(json_object(secret), "it decodes to a JSON object"),
            Self::Base58Check => verified(base58_check(secret).is_some(), "its checksum is right (SHA-256)"),
            Self::Bech32 => verified(bech32(secret).is_some(), "its checksum is right (bech32)"),
            Self::StellarStrkey => verified(strkey(secret).is_some(), "its checksum is right (CRC-16)"),
            Self::Luhn => {
                if luhn(secret) {
                    Verdict::Fits
                } else {
                    Verdict::Refused
                }
            }
            Self::Uuid => {
                if uuid(secret) {
                    Verdict::Fits
                } else {
                    Verdict::Refused
                }
            }
            Self::Decoded(n) => {
                if decode(secret).is_some_and(|bytes| bytes.len() == n) {
                    Verdict::Fits
                } else {
                    Verdict::Refused
                }
            }
        }
    }
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: Base64 = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const URL: Base64 = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// base64 or base64url, with or without padding.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let engine = if text.iter().any(|b| matches!(b, b'-' | b'_')) { &URL } else { &STANDARD };
    engine.decode(text).ok()
}

fn base62(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |value, b| {
        let digit = match b {
            b'0'..=b'9' => b - b'0',
            b'A'..=b'Z' => b - b'A' + 10,
            b'a'..=b'z' => b - b'a' + 36,
            _ => return None,
        };
        value.checked_mul(62)?.checked_add(u64::from(digit))
    })
}

fn crc62(secret: &[u8]) -> Option<()> {
    let underscore = secret.iter().position(|&b| b == b'_')?;
    let body = &secret[underscore + 1..];
    let (random, check) = body.split_at_checked(body.len().checked_sub(6)?)?;
    (base62(check)? == u64::from(crc32fast::hash(random))).then_some(())
}

fn crc_hex(secret: &[u8]) -> Option<()> {
    let underscore = secret.iter().rposition(|&b| b == b'_')?;
    let check = std::str::from_utf8(&secret[underscore + 1..]).ok()?;
    let claimed = (check.len() == 8).then(|| u32::from_str_radix(check, 16).ok())??;
    // Of all before the underscore, its four bytes little endian (Grafana, `pkg/components/satokengen`).
    (claimed.swap_bytes() == crc32fast::hash(&secret[..underscore])).then_some(())
}

/// `<prefix>-<payload>.<2 digits: length of payload in base 36>.<…>` and the last seven digits of base 36 are the
/// CRC-32 of all before them (GitLab, "routable tokens").
fn gitlab(secret: &[u8]) -> Option<()> {
    let (before, check) = secret.split_at_checked(secret.len().checked_sub(7)?)?;
    let check = u64::from_str_radix(std::str::from_utf8(check).ok()?, 36).ok()?;
    if check != u64::from(crc32fast::hash(before)) {
        return None;
    }
    let (before, length) = before.split_at_checked(before.len().checked_sub(2)?)?;
    let length = usize::from_str_radix(std::str::from_utf8(length).ok()?, 36).ok()?;
    let payload = before.split(|&b| b == b'.').next()?;
    let payload = &payload[payload.iter().position(|&b| b == b'-')? + 1..];
    (payload.len() == length && before.ends_with(b".")).then(|| decode(payload)).flatten().map(|_| ())
}

fn is_object(bytes: &[u8]) -> Option<serde_json::Map<String, serde_json::Value>> {
    match serde_json::from_slice(bytes) {
        Ok(serde_json::Value::Object(object)) => Some(object),
        _ => None,
    }
}

fn json_object(secret: &[u8]) -> bool {
    decode(secret).is_some_and(|bytes| is_object(&bytes).is_some())
}

fn jwt(secret: &[u8]) -> Verdict {
    let mut parts = secret.split(|&b| b == b'.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Verdict::Refused;
    };
    let Some(header) = decode(header).and_then(|bytes| is_object(&bytes)) else { return Verdict::Refused };
    let Some(algorithm) = header.get("alg").and_then(|value| value.as_str()) else { return Verdict::Refused };
    if decode(payload).and_then(|bytes| is_object(&bytes)).is_none() && !header.contains_key("enc") {
        return Verdict::Refused;
    }
    if signature.is_empty() || algorithm.eq_ignore_ascii_case("none") {
        return Verdict::Doubted("it is not signed");
    }
    Verdict::Verified("header and payload decode")
}

/// The value of a base32 digit (RFC 4648, section 6).
fn base32(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'2'..=b'7' => Some(digit - b'2' + 26),
        _ => None,
    }
}

/// Base32 of the six bytes after the prefix, without the highest bit, shifted by seven: the account.
fn aws(secret: &[u8]) -> Option<()> {
    let body = secret.get(4..)?;
    if secret.len() != 20 {
        return None;
    }
    let mut value: u128 = 0;
    for b in body {
        let digit = base32(*b)?;
        value = value << 5 | u128::from(digit);
    }
    let first_six = (value >> 32) as u64;
    let account = (first_six & 0x7fff_ffff_ff80) >> 7;
    // Keys issued before 2019 hold no account; they begin with I or J.
    let old = matches!(body[0], b'I' | b'J');
    (old || account < 1_000_000_000_000).then_some(())
}

/// Version 2 of libmacaroons: 0x02, then field 1 (location) with its length.
fn pypi(secret: &[u8]) -> Option<()> {
    let body = secret.strip_prefix(b"pypi-")?;
    let bytes = decode(body)?;
    let [2, 1, length, rest @ ..] = bytes.as_slice() else { return None };
    let location = rest.get(..usize::from(*length))?;
    matches!(location, b"pypi.org" | b"test.pypi.org").then_some(())
}

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

fn base58(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > 200 {
        return None;
    }
    let mut bytes: Vec<u8> = Vec::new(); // least significant first
    for c in text {
        let mut carry = BASE58.iter().position(|d| d == c)? as u32;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push(carry as u8);
            carry >>= 8;
        }
    }
    bytes.extend(text.iter().take_while(|&&b| b == b'1').map(|_| 0));
    bytes.reverse();
    Some(bytes)
}

fn base58_check(secret: &[u8]) -> Option<()> {
    let bytes = base58(secret)?;
    let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    (Sha256::digest(Sha256::digest(body))[..4] == *check).then_some(())
}

fn bech32(secret: &[u8]) -> Option<()> {
    const DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let lower = secret.to_ascii_lowercase();
    if secret.len() > 1023 || (lower != secret && secret.to_ascii_uppercase() != secret) {
        return None;
    }
    let one = lower.iter().rposition(|&b| b == b'1')?;
    let (human, data) = (&lower[..one], &lower[one + 1..]);
    if human.is_empty() || data.len() < 6 {
        return None;
    }
    let mut sum: u32 = 1;
    let mut step = |value: u32| {
        let top = sum >> 25;
        sum = (sum & 0x1ff_ffff) << 5 ^ value;
        for (i, generator) in [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3].iter().enumerate() {
            if top >> i & 1 == 1 {
                sum ^= generator;
            }
        }
    };
    human.iter().for_each(|b| step(u32::from(b >> 5)));
    step(0);
    human.iter().for_each(|b| step(u32::from(b & 31)));
    for b in data {
        step(DIGITS.iter().position(|d| d == b)? as u32);
    }
    matches!(sum, 1 | 0x2bc8_30a3).then_some(())
}

fn strkey(secret: &[u8]) -> Option<()> {
    let mut bits: u64 = 0;
    let mut count = 0;
    let mut bytes = Vec::new();
    for b in secret {
        let digit = base32(*b)?;
        bits = bits << 5 | u64::from(digit);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(2)?)?;
    let mut crc: u16 = 0;
    for byte in body {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
        }
    }
    (crc.to_le_bytes() == *check).then_some(())
}

fn luhn(secret: &[u8]) -> bool {
    let digits: Vec<u8> = secret.iter().filter(|b| b.is_ascii_digit()).map(|b| b - b'0').collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &d)| {
            u32::from(if i % 2 == 0 {
                d
            } else if d > 4 {
                d * 2 - 9
            } else {
                d * 2
            })
        })
        .sum();
    digits.len() >= 12 && sum.is_multiple_of(10)
}

fn uuid(secret: &[u8]) -> bool {
    secret.len() == 36
        && secret.iter().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => *b == b'-',
            14 => *b == b'4',
            19 => matches!(b.to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b'),
            _ => b.is_ascii_hexdigit(),
        })
}

/// The text between the armour's lines, cleaned of what carries it: line ends in all spellings, comment and quote
/// marks, indentation.
fn armoured(secret: &[u8]) -> Option<(String, Vec<u8>, bool)> {
    let begin = memchr::memmem::find(secret, b"-----BEGIN ")? + 11;
    let end_of_label = begin + memchr::memmem::find(&secret[begin..], b"-----")?;
    let label = String::from_utf8_lossy(&secret[begin..end_of_label]).into_owned();
    let body = &secret[end_of_label + 5..];
    let end = memchr::memmem::find(body, b"-----END").unwrap_or(body.len());
    let mut text = body[..end].to_vec();
    // Escaped line ends, possibly escaped again.
    for escape in [&br"\\\\n"[..], br"\\n", br"\n", br"\\r", br"\r", br"\t", b"&#10;", b"&#xA;", b"%0A", b"%0a"] {
        while let Some(at) = memchr::memmem::find(&text, escape) {
            text.splice(at..at + escape.len(), [b'\n']);
        }
    }
    let encrypted = memchr::memmem::find(&text, b"ENCRYPTED").is_some();
    let mut clean = Vec::with_capacity(text.len());
    for line in text.split(|&b| b == b'\n') {
        if memchr::memmem::find(line, b": ").is_some() {
            continue; // Proc-Type, DEK-Info, Version, Comment
        }
        if line.trim_ascii_start().first() == Some(&b'=') && label.starts_with("PGP") {
            break;
        }
        clean.extend(line.iter().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')));
    }
    Some((label, clean, encrypted))
}

fn private_key(secret: &[u8]) -> Verdict {
    let Some((label, text, encrypted)) = armoured(secret) else { return Verdict::Fits };
    let Some(bytes) = decode(&text) else { return Verdict::Doubted("its body is no base64") };
    if bytes.len() < 32 {
        return Verdict::Doubted("its body is cut");
    }
    // OpenSSH's own form is what it is under any label, and some programs write another.
    let parses = if label.starts_with("OPENSSH") || bytes.starts_with(b"openssh-key-v1\0") {
        bytes.starts_with(b"openssh-key-v1\0")
    } else if label.starts_with("PGP") {
        // A packet of tag 5, secret key (RFC 9580, 4.2).
        matches!(bytes[0], 0x94..=0x97 | 0xc5)
    } else if label.starts_with("SSH2") {
        bytes.starts_with(&[0x3f, 0x6f, 0xf9, 0xeb])
    } else if encrypted {
        bytes.len().is_multiple_of(8)
    } else {
        der::is_private_key(&bytes)
    };
    match (parses, encrypted || label.contains("ENCRYPTED")) {
        (true, true) => Verdict::Verified("it parses as an encrypted key"),
        (true, false) => Verdict::Verified("it parses as a key"),
        (false, _) => Verdict::Doubted("it does not parse as a key"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_checksum() {
        let random = b"0123456789abcdefghijABCDEFGHIJ";
        let mut crc = u64::from(crc32fast::hash(random));
        let mut digits = [b'0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(crc % 62) as usize];
            crc /= 62;
        }
        let token = [b"ghp_".as_slice(), random, &digits].concat();
        assert!(matches!(Validator::Crc62.check(&token), Verdict::Verified(_)));
        let mut wrong = token;
        wrong[10] ^= 1;
        assert_eq!(Validator::Crc62.check(&wrong), Verdict::Refused);
    }

    #[test]
    fn published_vectors() {
        // BIP 173 and BIP 350, test vectors.
        for valid in ["A12UEL5L", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", "A1LQFN3A"] {
            assert!(matches!(Validator::Bech32.check(valid.as_bytes()), Verdict::Verified(_)), "{valid}");
        }
        assert_eq!(Validator::Bech32.check(b"A12UEL5l"), Verdict::Refused);
        // The address of the genesis block.
        let address = b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
        assert!(matches!(Validator::Base58Check.check(address), Verdict::Verified(_)));
        assert_eq!(Validator::Base58Check.check(b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"), Verdict::Refused);
        // SEP-23's example of an account.
        let account = b"GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ";
        assert!(matches!(Validator::StellarStrkey.check(account), Verdict::Verified(_)));
        assert_eq!(Validator::Luhn.check(b"4242424242424242"), Verdict::Fits);
        assert_eq!(Validator::Luhn.check(b"4242424242424243"), Verdict::Refused);
    }

    #[test]
    fn tokens_of_json() {
        let part = |text: &str| URL.encode(text).trim_end_matches('=').to_owned();
        let token = format!("{}.{}.c2ln", part(r#"{"alg":"HS256"}"#), part(r#"{"sub":"1"}"#));
        assert!(matches!(Validator::Jwt.check(token.as_bytes()), Verdict::Verified(_)));
        let unsigned = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(r#"{"sub":"1"}"#));
        assert!(matches!(Validator::Jwt.check(unsigned.as_bytes()), Verdict::Doubted(_)));
        assert_eq!(Validator::Jwt.check(b"aaaa.bbbb.cccc"), Verdict::Refused);
    }
}
