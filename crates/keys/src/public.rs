//! Public keys.

use std::fmt;

use ed25519_dalek::pkcs8::{DecodePublicKey as _, EncodePublicKey as _, spki::der::pem::LineEnding};
use p256::ecdsa::signature::Verifier as _;
use provost_model::{Digest, sha256};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{KeyError, Limits};

/// The signature algorithms in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// ECDSA over NIST P-256 with SHA-256; signatures are DER (FIPS 186-5, SEC 1).
    EcdsaP256,
    /// Ed25519 (RFC 8032); signatures are 64 bytes.
    Ed25519,
}

impl KeyAlgorithm {
    /// The name for people: `ecdsa-p256` or `ed25519`.
    pub fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::Ed25519 => "ed25519",
        }
    }

    /// Sigstore's `PublicKeyDetails` name (protobuf-specs, `sigstore_common.proto`).
    pub fn sigstore_name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "PKIX_ECDSA_P256_SHA_256",
            Self::Ed25519 => "PKIX_ED25519",
        }
    }
}

/// A key's identity: SHA-256 of its SubjectPublicKeyInfo in DER. Equal keys have equal ids whatever their file says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Digest);

impl KeyId {
    /// Of the bytes that are a key's only encoding.
    pub(crate) fn of_blob(blob: &[u8]) -> Self {
        Self(sha256(blob))
    }

    /// The digest behind it.
    pub fn digest(&self) -> Digest {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.0)
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Inner {
    P256(Box<p256::ecdsa::VerifyingKey>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

/// A public key that is a valid point of its curve.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    inner: Inner,
    der: Vec<u8>,
}

impl PublicKey {
    pub(crate) fn from_p256(key: p256::ecdsa::VerifyingKey) -> Result<Self, KeyError> {
        let der = key.to_public_key_der().map_err(|e| KeyError::malformed("P-256 public key", e))?.into_vec();
        Ok(Self { inner: Inner::P256(Box::new(key)), der })
    }

    pub(crate) fn from_ed25519(key: ed25519_dalek::VerifyingKey) -> Result<Self, KeyError> {
        if key.is_weak() {
            return Err(KeyError::malformed("Ed25519 public key", "it is a point of small order"));
        }
        let der = key.to_public_key_der().map_err(|e| KeyError::malformed("Ed25519 public key", e))?.into_vec();
        Ok(Self { inner: Inner::Ed25519(Box::new(key)), der })
    }

    /// From the 32 bytes of an Ed25519 key, as signed notes carry it.
    ///
    /// # Errors
    /// Not 32 bytes, not a point, or a point of small order.
    pub fn from_ed25519_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let array: [u8; 32] =
            bytes.try_into().map_err(|_| KeyError::malformed("Ed25519 public key", "expected 32 bytes"))?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&array)
            .map_err(|e| KeyError::malformed("Ed25519 public key", e))?;
        Self::from_ed25519(key)
    }

    /// From a DER SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
    ///
    /// # Errors
    /// Not DER, another algorithm, or not a point of the curve.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if der.len() > Limits::KEY_FILE {
            return Err(KeyError::TooLarge { what: "the public key", limit: Limits::KEY_FILE as u64 });
        }
        let spki = pkcs8::spki::SubjectPublicKeyInfoRef::try_from(der)
            .map_err(|e| KeyError::malformed("public key (SubjectPublicKeyInfo)", e))?;
        let oid = spki.algorithm.oid.to_string();
        match oid.as_str() {
            "1.2.840.10045.2.1" => {
                let key = p256::ecdsa::VerifyingKey::from_public_key_der(der).map_err(|e| {
                    match spki.algorithm.parameters_oid() {
                        Ok(curve) if curve.to_string() != "1.2.840.10045.3.1.7" => {
                            KeyError::UnsupportedAlgorithm { algorithm: format!("ECDSA over curve {curve}") }
                        }
                        _ => KeyError::malformed("P-256 public key", e),
                    }
                })?;
                Self::from_p256(key)
            }
            "1.3.101.112" => {
                let key = ed25519_dalek::VerifyingKey::from_public_key_der(der)
                    .map_err(|e| KeyError::malformed("Ed25519 public key", e))?;
                Self::from_ed25519(key)
            }
            _ => Err(KeyError::UnsupportedAlgorithm { algorithm: oid }),
        }
    }

    /// From a PEM `PUBLIC KEY` block.
    ///
    /// # Errors
    /// As [`PublicKey::from_der`], or no such block.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        if text.len() > Limits::KEY_FILE {
            return Err(KeyError::TooLarge { what: "the public key file", limit: Limits::KEY_FILE as u64 });
        }
        let (label, document) = pkcs8::Document::from_pem(text.trim())
            .map_err(|e| KeyError::malformed("PEM public key (`-----BEGIN PUBLIC KEY-----`)", e))?;
        if label != "PUBLIC KEY" {
            return Err(KeyError::malformed("PEM public key", format!("the file holds a `{label}`")));
        }
        Self::from_der(document.as_bytes())
    }

    /// The DER SubjectPublicKeyInfo.
    pub fn to_der(&self) -> &[u8] {
        &self.der
    }

    /// The PEM `PUBLIC KEY` block, ending in a newline.
    pub fn to_pem(&self) -> String {
        let result = match &self.inner {
            Inner::P256(key) => key.to_public_key_pem(LineEnding::LF),
            Inner::Ed25519(key) => key.to_public_key_pem(LineEnding::LF),
        };
        result.unwrap_or_default()
    }

    /// SHA-256 of the DER form.
    pub fn id(&self) -> KeyId {
        KeyId(sha256(&self.der))
    }

    /// Which algorithm.
    pub fn algorithm(&self) -> KeyAlgorithm {
        match &self.inner {
            Inner::P256(_) => KeyAlgorithm::EcdsaP256,
            Inner::Ed25519(_) => KeyAlgorithm::Ed25519,
        }
    }

    /// The 32 raw bytes of an Ed25519 key; `None` for other keys.
    pub fn ed25519_bytes(&self) -> Option<[u8; 32]> {
        match &self.inner {
            Inner::P256(_) => None,
            Inner::Ed25519(key) => Some(key.to_bytes()),
        }
    }

    /// Verifies a signature over a message: DER for ECDSA, 64 bytes for Ed25519 (strict: RFC 8032 with canonical
    /// encodings only).
    ///
    /// # Errors
    /// [`KeyError::BadSignature`] in every case but a match.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let bad = || KeyError::BadSignature { key: self.id().to_string() };
        if signature.len() > Limits::SIGNATURE {
            return Err(bad());
        }
        match &self.inner {
            Inner::P256(key) => {
                let signature = p256::ecdsa::Signature::from_der(signature).map_err(|_| bad())?;
                key.verify(message, &signature).map_err(|_| bad())
            }
            Inner::Ed25519(key) => {
                let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| bad())?;
                key.verify_strict(message, &signature).map_err(|_| bad())
            }
        }
    }

    /// Takes a signature as tokens and services give it (DER or `r ‖ s` for ECDSA) and returns the form of
    /// [`PublicKey::verify`].
    ///
    /// # Errors
    /// [`KeyError::BadSignature`] if it is neither.
    pub fn normalise_signature(&self, signature: &[u8]) -> Result<Vec<u8>, KeyError> {
        let bad = || KeyError::BadSignature { key: self.id().to_string() };
        match &self.inner {
            Inner::Ed25519(_) => (signature.len() == 64).then(|| signature.to_vec()).ok_or_else(bad),
            Inner::P256(_) => {
                if let Ok(der) = p256::ecdsa::Signature::from_der(signature) {
                    return Ok(der.to_der().as_bytes().to_vec());
                }
                let raw = p256::ecdsa::Signature::from_slice(signature).map_err(|_| bad())?;
                Ok(raw.to_der().as_bytes().to_vec())
            }
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm().name(), self.id())
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_pem())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_pem(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
