//! cosign's encrypted private keys: JSON with scrypt and NaCl secretbox around a PKCS#8 document, as
//! go-securesystemslib's `encrypted` package writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::private::Passphrase;
use crate::{KeyError, Limits};

#[derive(Deserialize)]
struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Scrypt,
    salt: String,
}

#[derive(Deserialize)]
struct Scrypt {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

const WHAT: &str = "cosign private key";

/// Opens the JSON inside a cosign key file; the result is a PKCS#8 document.
pub(crate) fn open(json: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let sealed: Sealed = serde_json::from_slice(json).map_err(|e| KeyError::malformed(WHAT, e))?;
    if sealed.kdf.name != "scrypt" || sealed.cipher.name != "nacl/secretbox" {
        return Err(KeyError::malformed(
            WHAT,
            format!("{} with {} is not supported", sealed.kdf.name, sealed.cipher.name),
        ));
    }
    let decode = |text: &str| STANDARD.decode(text).map_err(|e| KeyError::malformed(WHAT, e));
    let (salt, nonce, ciphertext) =
        (decode(&sealed.kdf.salt)?, decode(&sealed.cipher.nonce)?, decode(&sealed.ciphertext)?);
    let nonce: [u8; 24] = nonce.try_into().map_err(|_| KeyError::malformed(WHAT, "the nonce is not 24 bytes"))?;
    let Scrypt { n, r, p } = sealed.kdf.params;
    let (log_n, r, p) = check_scrypt(n, r, p)?;
    let parameters = scrypt::Params::new(log_n, r, p).map_err(|e| KeyError::malformed(WHAT, e))?;
    let mut key = Zeroizing::new([0_u8; 32]);
    scrypt::scrypt(passphrase.as_bytes(), &salt, &parameters, key.as_mut())
        .map_err(|e| KeyError::malformed(WHAT, e))?;
    XSalsa20Poly1305::new(Key::from_slice(key.as_ref()))
        .decrypt(Nonce::from_slice(&nonce), ciphertext.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| KeyError::WrongPassphrase)
}

/// Holds scrypt's parameters against the limits; gives them back as the library wants them.
pub(crate) fn check_scrypt(n: u64, r: u64, p: u64) -> Result<(u8, u32, u32), KeyError> {
    if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
        return Err(KeyError::malformed("scrypt parameters", format!("N={n}, r={r}, p={p}")));
    }
    let memory = n.checked_mul(r).and_then(|x| x.checked_mul(128));
    if memory.is_none_or(|bytes| bytes > Limits::SCRYPT_MEMORY) {
        return Err(KeyError::TooLarge { what: "the key file's scrypt memory", limit: Limits::SCRYPT_MEMORY });
    }
    if p > Limits::SCRYPT_PARALLEL {
        return Err(KeyError::TooLarge { what: "the key file's scrypt parallelism", limit: Limits::SCRYPT_PARALLEL });
    }
    let log_n = u8::try_from(n.trailing_zeros()).unwrap_or(u8::MAX);
    Ok((log_n, u32::try_from(r).unwrap_or(u32::MAX), u32::try_from(p).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyAlgorithm, PrivateKey, Signer as _};

    /// Writes a file as cosign does, with its parameters N=65536, r=8, p=1 or others.
    fn seal(key: &PrivateKey, passphrase: &str, n: u64) -> String {
        let pem = key.to_pem(None).expect("pem");
        let (_, document) = pkcs8::SecretDocument::from_pem(&pem).expect("der");
        let (salt, nonce) = ([7_u8; 32], [9_u8; 24]);
        let log_n = u8::try_from(n.trailing_zeros()).expect("small");
        let mut derived = [0; 32];
        scrypt::scrypt(
            passphrase.as_bytes(),
            &salt,
            &scrypt::Params::new(log_n.min(16), 8, 1).expect("ok"),
            &mut derived,
        )
        .expect("derived");
        let ciphertext = XSalsa20Poly1305::new(Key::from_slice(&derived))
            .encrypt(Nonce::from_slice(&nonce), document.as_bytes())
            .expect("sealed");
        let json = serde_json::json!({
            "kdf": {"name": "scrypt", "params": {"N": n, "r": 8, "p": 1}, "salt": STANDARD.encode(salt)},
            "cipher": {"name": "nacl/secretbox", "nonce": STANDARD.encode(nonce)},
            "ciphertext": STANDARD.encode(ciphertext),
        });
        let body = STANDARD.encode(json.to_string());
        let lines: Vec<&str> = body.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).expect("ascii")).collect();
        format!(
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n{}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
            lines.join("\n")
        )
    }

    #[test]
    fn opens_what_cosign_seals() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key");
        let file = seal(&key, "secret", 65_536);
        let opened = PrivateKey::from_pem(&file, Some(&Passphrase::new("secret".into()))).expect("opens");
        assert_eq!(opened.public_key(), key.public_key());
        let wrong = PrivateKey::from_pem(&file, Some(&Passphrase::new("other".into())));
        assert!(matches!(wrong, Err(KeyError::WrongPassphrase)));
        assert!(matches!(PrivateKey::from_pem(&file, None), Err(KeyError::PassphraseNeeded)));
    }

    #[test]
    fn hostile_work_factor_is_refused_before_work() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key");
        let file = seal(&key, "secret", 1 << 40);
        let refused = PrivateKey::from_pem(&file, Some(&Passphrase::new("secret".into())));
        assert!(matches!(refused, Err(KeyError::TooLarge { .. })), "{refused:?}");
        assert!(check_scrypt(u64::MAX, u64::MAX, 1).is_err());
        assert!(check_scrypt(16, 8, 1000).is_err());
        assert!(check_scrypt(0, 8, 1).is_err());
    }
}
