//! Private keys in files.

use std::fmt;

use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use p256::ecdsa::signature::Signer as _;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, der::pem::LineEnding};
use zeroize::{Zeroize as _, Zeroizing};

use crate::signer::{Custody, Signer};
use crate::{KeyAlgorithm, KeyError, Limits, PublicKey, cosign};

/// A passphrase; wiped when dropped and never shown.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes the text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

enum Inner {
    P256(Box<p256::ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

/// A private key in memory; wiped when dropped and never shown.
pub struct PrivateKey {
    inner: Inner,
    public: PublicKey,
    custody: Custody,
}

impl PrivateKey {
    /// Makes a new key from the operating system's randomness.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0_u8; 32]);
        loop {
            getrandom::fill(seed.as_mut()).map_err(|e| KeyError::NoRandomness(e.to_string()))?;
            match algorithm {
                KeyAlgorithm::Ed25519 => {
                    let key = ed25519_dalek::SigningKey::from_bytes(&seed);
                    return Self::from_inner(Inner::Ed25519(Box::new(key)), Custody::PlainFile);
                }
                // A candidate outside 1..n is thrown away and drawn again (FIPS 186-5, A.2.2).
                KeyAlgorithm::EcdsaP256 => {
                    if let Ok(key) = p256::ecdsa::SigningKey::from_slice(seed.as_ref()) {
                        return Self::from_inner(Inner::P256(Box::new(key)), Custody::PlainFile);
                    }
                }
            }
        }
    }

    fn from_inner(inner: Inner, custody: Custody) -> Result<Self, KeyError> {
        let public = match &inner {
            Inner::P256(key) => PublicKey::from_p256(*key.verifying_key())?,
            Inner::Ed25519(key) => PublicKey::from_ed25519(key.verifying_key())?,
        };
        Ok(Self { inner, public, custody })
    }

    pub(crate) fn from_ed25519_seed(seed: &[u8; 32], custody: Custody) -> Result<Self, KeyError> {
        Self::from_inner(Inner::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(seed))), custody)
    }

    pub(crate) fn from_p256_scalar(scalar: &[u8], custody: Custody) -> Result<Self, KeyError> {
        let key = p256::ecdsa::SigningKey::from_slice(scalar)
            .map_err(|_| KeyError::malformed("P-256 private key", "the number is out of range"))?;
        Self::from_inner(Inner::P256(Box::new(key)), custody)
    }

    /// Reads a PEM private key: PKCS#8 (RFC 5958) plain or encrypted (PBES2), SEC 1 `EC PRIVATE KEY`, or cosign's
    /// `ENCRYPTED SIGSTORE PRIVATE KEY` / `ENCRYPTED COSIGN PRIVATE KEY`.
    ///
    /// # Errors
    /// Not such a file, another algorithm, or a missing or wrong passphrase.
    pub fn from_pem(text: &str, passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        if text.len() > Limits::KEY_FILE {
            return Err(KeyError::TooLarge { what: "the private key file", limit: Limits::KEY_FILE as u64 });
        }
        let (label, document) = pkcs8::der::pem::decode_vec(text.trim().as_bytes())
            .map_err(|e| KeyError::malformed("PEM private key", e))?;
        let document = Zeroizing::new(document);
        match label {
            "PRIVATE KEY" => Self::from_pkcs8(&document, Custody::PlainFile),
            "ENCRYPTED PRIVATE KEY" => {
                let passphrase = passphrase.ok_or(KeyError::PassphraseNeeded)?;
                let info = EncryptedPrivateKeyInfoRef::try_from(document.as_slice())
                    .map_err(|e| KeyError::malformed("encrypted PKCS#8 private key", e))?;
                check_work(&info)?;
                let opened = info.decrypt(passphrase.as_bytes()).map_err(|_| KeyError::WrongPassphrase)?;
                Self::from_pkcs8(opened.as_bytes(), Custody::EncryptedFile)
            }
            "EC PRIVATE KEY" => {
                let key = p256::SecretKey::from_sec1_der(&document)
                    .map_err(|e| KeyError::malformed("P-256 private key (SEC 1)", e))?;
                Self::from_inner(Inner::P256(Box::new(key.into())), Custody::PlainFile)
            }
            "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
                let passphrase = passphrase.ok_or(KeyError::PassphraseNeeded)?;
                let opened = cosign::open(&document, passphrase)?;
                Self::from_pkcs8(&opened, Custody::EncryptedFile)
            }
            other => Err(KeyError::malformed(
                "PEM private key",
                format!("the file holds a `{other}`; PKCS#8, SEC 1 and cosign's keys can be read"),
            )),
        }
    }

    fn from_pkcs8(der: &[u8], custody: Custody) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|e| KeyError::malformed("PKCS#8 private key", e))?;
        let oid = info.algorithm.oid.to_string();
        let inner = match oid.as_str() {
            "1.2.840.10045.2.1" => Inner::P256(Box::new(
                p256::ecdsa::SigningKey::from_pkcs8_der(der)
                    .map_err(|e| KeyError::malformed("P-256 private key", e))?,
            )),
            "1.3.101.112" => Inner::Ed25519(Box::new(
                ed25519_dalek::SigningKey::from_pkcs8_der(der)
                    .map_err(|e| KeyError::malformed("Ed25519 private key", e))?,
            )),
            _ => return Err(KeyError::UnsupportedAlgorithm { algorithm: oid }),
        };
        Self::from_inner(inner, custody)
    }

    /// Writes PKCS#8 PEM: plain, or encrypted with scrypt and AES-256 where a passphrase is given.
    ///
    /// # Errors
    /// Encryption failed.
    pub fn to_pem(&self, passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, KeyError> {
        let failed = |e: &dyn fmt::Display| KeyError::malformed("private key", e);
        let document = match &self.inner {
            Inner::P256(key) => key.to_pkcs8_der(),
            Inner::Ed25519(key) => key.to_pkcs8_der(),
        }
        .map_err(|e| failed(&e))?;
        match passphrase {
            None => document.to_pem("PRIVATE KEY", LineEnding::LF).map_err(|e| failed(&e)),
            Some(passphrase) => PrivateKeyInfoRef::try_from(document.as_bytes())
                .map_err(|e| failed(&e))?
                .encrypt(passphrase.as_bytes())
                .map_err(|e| failed(&e))?
                .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
                .map_err(|e| failed(&e)),
        }
    }
}

/// Refuses a key file whose key derivation would take the machine's memory or time.
fn check_work(info: &EncryptedPrivateKeyInfoRef<'_>) -> Result<(), KeyError> {
    let Some(parameters) = info.encryption_algorithm.pbes2() else {
        return Err(KeyError::malformed("encrypted PKCS#8 private key", "only PBES2 is supported"));
    };
    if let Some(scrypt) = parameters.kdf.scrypt() {
        cosign::check_scrypt(scrypt.cost_parameter, scrypt.block_size.into(), scrypt.parallelization.into())?;
    }
    if let Some(pbkdf2) = parameters.kdf.pbkdf2()
        && u64::from(pbkdf2.iteration_count) > Limits::PBKDF2_ROUNDS
    {
        return Err(KeyError::TooLarge { what: "the key file's PBKDF2 round count", limit: Limits::PBKDF2_ROUNDS });
    }
    Ok(())
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn custody(&self) -> Custody {
        self.custody
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.inner {
            Inner::P256(key) => {
                // Deterministic (RFC 6979): no randomness to get wrong.
                let signature: p256::ecdsa::Signature = key.sign(message);
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Inner::Ed25519(key) => Ok(key.sign(message).to_bytes().to_vec()),
        }
    }
}

impl Drop for Passphrase {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {:?})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> [PrivateKey; 2] {
        [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519].map(|a| PrivateKey::generate(a).expect("a key"))
    }

    #[test]
    fn signs_and_verifies() {
        for key in both() {
            let signature = key.sign(b"message").expect("signed");
            key.public_key().verify(b"message", &signature).expect("verifies");
            assert!(key.public_key().verify(b"messagf", &signature).is_err());
            for bit in 0..signature.len() * 8 {
                let mut broken = signature.clone();
                broken[bit / 8] ^= 1 << (bit % 8);
                assert!(key.public_key().verify(b"message", &broken).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn files_round_trip() {
        let passphrase = Passphrase::new("correct horse".into());
        for key in both() {
            let plain = key.to_pem(None).expect("pem");
            let again = PrivateKey::from_pem(&plain, None).expect("plain");
            assert_eq!(again.public_key(), key.public_key());
            assert_eq!(again.custody(), Custody::PlainFile);
            let sealed = key.to_pem(Some(&passphrase)).expect("pem");
            assert!(matches!(PrivateKey::from_pem(&sealed, None), Err(KeyError::PassphraseNeeded)));
            let wrong = Passphrase::new("wrong".into());
            assert!(matches!(PrivateKey::from_pem(&sealed, Some(&wrong)), Err(KeyError::WrongPassphrase)));
            let again = PrivateKey::from_pem(&sealed, Some(&passphrase)).expect("sealed");
            assert_eq!(again.public_key(), key.public_key());
            assert_eq!(again.custody(), Custody::EncryptedFile);
            let public = PublicKey::from_pem(&key.public_key().to_pem()).expect("public");
            assert_eq!(public.id(), key.public_key().id());
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key");
        let shown = format!("{key:?} {:?}", Passphrase::new("hunter2".into()));
        assert!(!shown.contains("hunter2"));
        assert!(shown.len() < 200);
    }

    #[test]
    fn wrong_files_are_named() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key");
        let message = PrivateKey::from_pem(&key.public_key().to_pem(), None).expect_err("public").to_string();
        assert!(message.contains("PUBLIC KEY"), "{message}");
        let message = PublicKey::from_pem(&key.to_pem(None).expect("pem")).expect_err("private").to_string();
        assert!(message.contains("PRIVATE KEY"), "{message}");
        assert!(PrivateKey::from_pem(&"x".repeat(Limits::KEY_FILE + 1), None).is_err());
        assert!(PublicKey::from_pem("").is_err());
    }
}
