//! OpenSSH public keys.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use aws_lc_rs::signature as aws;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::SshLimits;
use super::wire::{Reader, fixed_pair, put_string};
use crate::{KeyAlgorithm, KeyError, KeyId, PublicKey};

const KEY: &str = "SSH public key";

/// The kinds of keys that may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SshAlgorithm {
    /// `ssh-ed25519` (RFC 8709).
    Ed25519,
    /// `ecdsa-sha2-nistp256` (RFC 5656).
    EcdsaP256,
    /// `ecdsa-sha2-nistp384`.
    EcdsaP384,
    /// `ecdsa-sha2-nistp521`.
    EcdsaP521,
    /// `ssh-rsa` (RFC 4253); signs with SHA-256 or SHA-512 alone (RFC 8332).
    Rsa,
    /// `sk-ssh-ed25519@openssh.com`: a FIDO security key (OpenSSH's `PROTOCOL.u2f`).
    SkEd25519,
    /// `sk-ecdsa-sha2-nistp256@openssh.com`: a FIDO security key.
    SkEcdsaP256,
}

impl SshAlgorithm {
    /// All, in the order of their names in this enum.
    pub const ALL: [Self; 7] = [
        Self::Ed25519,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::Rsa,
        Self::SkEd25519,
        Self::SkEcdsaP256,
    ];

    /// OpenSSH's name, as a public key's line begins.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
            Self::EcdsaP521 => "ecdsa-sha2-nistp521",
            Self::Rsa => "ssh-rsa",
            Self::SkEd25519 => "sk-ssh-ed25519@openssh.com",
            Self::SkEcdsaP256 => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    /// True where the private key is in a security key.
    pub fn is_security_key(self) -> bool {
        matches!(self, Self::SkEd25519 | Self::SkEcdsaP256)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

#[derive(Clone)]
enum Inner {
    /// Ed25519 or P-256; of a security key with its application.
    Ours { key: PublicKey, application: Option<String> },
    /// A point of P-384 or P-521, uncompressed.
    Point(Vec<u8>),
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
}

/// An OpenSSH public key that is sound: a point of its curve, an RSA modulus of at least 2048 bits. Two are equal when
/// their keys are, whatever their comments say.
#[derive(Clone)]
pub struct SshPublicKey {
    algorithm: SshAlgorithm,
    inner: Inner,
    blob: Vec<u8>,
    comment: String,
}

impl SshPublicKey {
    /// From a line as in `id_ed25519.pub`: algorithm, base64, and a comment if there is one.
    ///
    /// # Errors
    /// Another algorithm, a certificate, options before the key, a weak key, or an encoding that is not the only one.
    pub fn parse(line: &str) -> Result<Self, KeyError> {
        let refuse = |why: String| Err(KeyError::malformed(KEY, why));
        let line = line.trim();
        if line.len() > SshLimits::LINE {
            return Err(KeyError::TooLarge { what: "the SSH public key", limit: SshLimits::LINE as u64 });
        }
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return refuse("it holds a line break or another control character; give one key on one line".into());
        }
        if line.starts_with("-----BEGIN") {
            return refuse("it is a PEM block; give the line of the `.pub` file".into());
        }
        let (name, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let rest = rest.trim_start();
        let (data, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        check_name(name).map_err(|why| KeyError::malformed(KEY, why))?;
        if data.is_empty() {
            return refuse(format!("nothing follows `{name}`"));
        }
        let blob = STANDARD.decode(data).map_err(|e| KeyError::malformed(KEY, format!("its base64 is wrong: {e}")))?;
        let mut key = Self::from_blob(&blob)?;
        if key.algorithm.name() != name {
            return refuse(format!("the line says {name}, the key itself {}", key.algorithm.name()));
        }
        key.comment = comment.trim().to_owned();
        Ok(key)
    }

    /// From the binary form, as it is in signatures and in a line's base64.
    ///
    /// # Errors
    /// As [`SshPublicKey::parse`].
    pub fn from_blob(blob: &[u8]) -> Result<Self, KeyError> {
        if blob.len() > SshLimits::KEY {
            return Err(KeyError::TooLarge { what: "the SSH public key", limit: SshLimits::KEY as u64 });
        }
        let (algorithm, inner) = read(blob).map_err(|why| KeyError::malformed(KEY, why))?;
        Ok(Self { algorithm, inner, blob: blob.to_vec(), comment: String::new() })
    }

    /// The SSH form of one of our own keys.
    ///
    /// # Errors
    /// None for a key that [`PublicKey`] took.
    pub fn from_public_key(key: &PublicKey) -> Result<Self, KeyError> {
        let mut blob = Vec::new();
        match key.algorithm() {
            KeyAlgorithm::Ed25519 => {
                put_string(&mut blob, SshAlgorithm::Ed25519.name().as_bytes());
                put_string(&mut blob, &key.ed25519_bytes().unwrap_or_default());
            }
            KeyAlgorithm::EcdsaP256 => {
                put_string(&mut blob, SshAlgorithm::EcdsaP256.name().as_bytes());
                put_string(&mut blob, b"nistp256");
                // A SubjectPublicKeyInfo ends in the uncompressed point.
                let der = key.to_der();
                put_string(&mut blob, &der[der.len().saturating_sub(65)..]);
            }
        }
        Self::from_blob(&blob)
    }

    /// Which kind.
    pub fn algorithm(&self) -> SshAlgorithm {
        self.algorithm
    }

    /// The binary form.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The comment of its line; may be empty. Nobody vouches for it.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The same key with another comment. Control characters, and what is over 1,024 characters, are left out.
    #[must_use]
    pub fn with_comment(mut self, comment: &str) -> Self {
        self.comment = comment.trim().chars().filter(|c| !c.is_control()).take(1024).collect();
        self
    }

    /// The key's identity: SHA-256 of the blob, which is what the fingerprint prints. It differs from the [`KeyId`] of the
    /// same key in PKIX form, since a signature of one form is none of the other.
    pub fn id(&self) -> KeyId {
        KeyId::of_blob(&self.blob)
    }

    /// `SHA256:` and unpadded base64 of the binary form's SHA-256, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }

    /// The line of a `.pub` file, without a line break.
    pub fn to_line(&self) -> String {
        let mut line = format!("{} {}", self.algorithm.name(), STANDARD.encode(&self.blob));
        if !self.comment.is_empty() {
            line.push(' ');
            line.push_str(&self.comment);
        }
        line
    }

    /// The key as our own kind, where it is plain Ed25519 or P-256. A security key's is not given: it signs other bytes.
    pub fn as_public_key(&self) -> Option<PublicKey> {
        match &self.inner {
            Inner::Ours { key, application: None } => Some(key.clone()),
            _ => None,
        }
    }

    /// Verifies a signature in SSH's form (RFC 4253, section 6.6: algorithm and bytes) over a message.
    pub(super) fn verify_wire(&self, signature: &[u8], message: &[u8]) -> Result<(), KeyError> {
        let mut reader = Reader::new(signature);
        let malformed = |why: String| KeyError::malformed("SSH signature", why);
        let name = reader.text("the signature's algorithm").map_err(malformed)?;
        let bytes = reader.string("the signature").map_err(malformed)?;
        let bad = || KeyError::BadSignature { key: self.fingerprint() };
        if self.algorithm == SshAlgorithm::Rsa {
            reader.end("the signature").map_err(malformed)?;
            return self.verify_rsa(name, bytes, message);
        }
        if name != self.algorithm.name() {
            return Err(malformed(format!("a {} key cannot sign as {name:?}", self.algorithm.name())));
        }
        let security_key = self.algorithm.is_security_key();
        let state = if security_key { Some((reader.byte("the flags"), reader.u32("the counter"))) } else { None };
        reader.end("the signature").map_err(malformed)?;
        match &self.inner {
            Inner::Ours { key, application } => {
                let signed = match (application, state) {
                    (Some(application), Some((flags, counter))) => {
                        let flags = flags.map_err(malformed)?;
                        if flags & USER_PRESENT == 0 {
                            return Err(malformed("nobody touched the security key (user presence is not set)".into()));
                        }
                        let counter = counter.map_err(malformed)?;
                        let mut signed = Sha256::digest(application.as_bytes()).to_vec();
                        signed.push(flags);
                        signed.extend_from_slice(&counter.to_be_bytes());
                        signed.extend_from_slice(&Sha256::digest(message));
                        signed
                    }
                    _ => message.to_vec(),
                };
                match key.algorithm() {
                    KeyAlgorithm::Ed25519 => key.verify(&signed, bytes).map_err(|_| bad()),
                    KeyAlgorithm::EcdsaP256 => {
                        let pair = fixed_pair(bytes, 32).map_err(malformed)?;
                        let der = key.normalise_signature(&pair).map_err(|_| bad())?;
                        key.verify(&signed, &der).map_err(|_| bad())
                    }
                }
            }
            Inner::Point(point) => {
                let (curve, width) = curve(self.algorithm);
                let pair = fixed_pair(bytes, width).map_err(malformed)?;
                aws::UnparsedPublicKey::new(curve, point).verify(message, &pair).map_err(|_| bad())
            }
            Inner::Rsa { .. } => Err(bad()),
        }
    }

    fn verify_rsa(&self, name: &str, signature: &[u8], message: &[u8]) -> Result<(), KeyError> {
        let bad = || KeyError::BadSignature { key: self.fingerprint() };
        let parameters = match name {
            "rsa-sha2-256" => &aws::RSA_PKCS1_2048_8192_SHA256,
            "rsa-sha2-512" => &aws::RSA_PKCS1_2048_8192_SHA512,
            _ => {
                let why = format!("an RSA key may sign as rsa-sha2-256 or rsa-sha2-512, not as {name:?}");
                return Err(KeyError::malformed("SSH signature", why));
            }
        };
        let Inner::Rsa { modulus, exponent } = &self.inner else { return Err(bad()) };
        // OpenSSH writes leading zeros, others leave them out.
        let zeros = modulus.len().checked_sub(signature.len()).ok_or_else(bad)?;
        let padded = [&vec![0; zeros], signature].concat();
        aws::RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, &padded).map_err(|_| bad())
    }
}

/// The authenticator's flag "user present" (WebAuthn, section 6.1).
const USER_PRESENT: u8 = 1;

fn check_name(name: &str) -> Result<(), String> {
    if SshAlgorithm::from_name(name).is_some() {
        return Ok(());
    }
    if name.contains("-cert-v0") {
        return Err(format!("`{name}` is a certificate: certificates are not supported, give the key itself"));
    }
    let known = SshAlgorithm::ALL.map(SshAlgorithm::name).join(", ");
    // An algorithm's name is printable and has no quotes or equals signs; options have.
    if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.@_".contains(&b)) {
        return Err(format!("it begins with no algorithm (no options may stand before it); known are {known}"));
    }
    Err(format!("the algorithm {name} is not supported; use one of {known}"))
}

fn read(blob: &[u8]) -> Result<(SshAlgorithm, Inner), String> {
    let mut reader = Reader::new(blob);
    let name = reader.text("the algorithm")?;
    check_name(name)?;
    let algorithm = SshAlgorithm::from_name(name).ok_or("the algorithm is not supported")?;
    let inner = match algorithm {
        SshAlgorithm::Ed25519 => Inner::Ours { key: ed25519(reader.string("the key")?)?, application: None },
        SshAlgorithm::SkEd25519 => {
            let key = ed25519(reader.string("the key")?)?;
            Inner::Ours { key, application: Some(application(&mut reader)?) }
        }
        SshAlgorithm::EcdsaP256 => Inner::Ours { key: p256(&mut reader)?, application: None },
        SshAlgorithm::SkEcdsaP256 => {
            let key = p256(&mut reader)?;
            Inner::Ours { key, application: Some(application(&mut reader)?) }
        }
        SshAlgorithm::EcdsaP384 => Inner::Point(point(&mut reader, "nistp384", algorithm)?),
        SshAlgorithm::EcdsaP521 => Inner::Point(point(&mut reader, "nistp521", algorithm)?),
        SshAlgorithm::Rsa => rsa(&mut reader)?,
    };
    reader.end("the key")?;
    Ok((algorithm, inner))
}

fn ed25519(bytes: &[u8]) -> Result<PublicKey, String> {
    // p = 2^255 - 19; a coordinate from p on is a second encoding of a small one (RFC 8032, section 5.1.3).
    if bytes.len() == 32 && bytes[0] >= 0xed && bytes[1..31].iter().all(|b| *b == 0xff) && bytes[31] & 0x7f == 0x7f {
        return Err("the Ed25519 point is not in its only encoding".into());
    }
    PublicKey::from_ed25519_bytes(bytes).map_err(|e| e.to_string())
}

fn p256(reader: &mut Reader<'_>) -> Result<PublicKey, String> {
    let point = sec1_point(reader, "nistp256", 32)?;
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| "it is no point of P-256")?;
    PublicKey::from_p256(key).map_err(|e| e.to_string())
}

fn point(reader: &mut Reader<'_>, curve_name: &str, algorithm: SshAlgorithm) -> Result<Vec<u8>, String> {
    let (curve, width) = curve(algorithm);
    let point = sec1_point(reader, curve_name, width)?;
    aws::ParsedPublicKey::new(curve, point).map_err(|_| format!("it is no point of {curve_name}"))?;
    Ok(point.to_vec())
}

fn sec1_point<'a>(reader: &mut Reader<'a>, curve: &str, width: usize) -> Result<&'a [u8], String> {
    let named = reader.string("the curve")?;
    if named != curve.as_bytes() {
        return Err(format!("the curve is {:?}, not {curve}", String::from_utf8_lossy(named)));
    }
    match reader.string("the point")? {
        point @ [4, tail @ ..] if tail.len() == 2 * width => Ok(point),
        _ => Err(format!("the point is not an uncompressed one of {curve}")),
    }
}

fn curve(algorithm: SshAlgorithm) -> (&'static aws::EcdsaVerificationAlgorithm, usize) {
    match algorithm {
        SshAlgorithm::EcdsaP384 => (&aws::ECDSA_P384_SHA384_FIXED, 48),
        _ => (&aws::ECDSA_P521_SHA512_FIXED, 66),
    }
}

/// What the security key binds its key to. Others than `ssh:` are open to web pages, which could ask for signatures.
fn application(reader: &mut Reader<'_>) -> Result<String, String> {
    let text = reader.text("the application")?;
    if !text.starts_with("ssh:") || text.contains(char::is_control) {
        return Err(format!("the security key's application is {text:?}; it has to begin with `ssh:`"));
    }
    Ok(text.to_owned())
}

fn rsa(reader: &mut Reader<'_>) -> Result<Inner, String> {
    let exponent = reader.positive("the RSA exponent")?;
    let modulus = reader.positive("the RSA modulus")?;
    let bits = |number: &[u8]| number.len() * 8 - number.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let size = bits(modulus);
    if !(SshLimits::RSA_LEAST..=SshLimits::RSA_MOST).contains(&size) {
        let (least, most) = (SshLimits::RSA_LEAST, SshLimits::RSA_MOST);
        return Err(format!("the RSA key has {size} bits; from {least} to {most} are allowed"));
    }
    if modulus.last().is_none_or(|byte| byte & 1 == 0) {
        return Err("the RSA modulus is even".into());
    }
    // FIPS 186-5, section 5.1 (a): an odd exponent above 2^16. Above 33 bits verifying is slow for no gain.
    if !(17..=33).contains(&bits(exponent)) || exponent.last().is_none_or(|byte| byte & 1 == 0) {
        return Err("the RSA exponent is not an odd number between 2^16 and 2^33".into());
    }
    Ok(Inner::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
}

impl FromStr for SshPublicKey {
    type Err = KeyError;

    fn from_str(line: &str) -> Result<Self, KeyError> {
        Self::parse(line)
    }
}

impl fmt::Display for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_line())
    }
}

impl fmt::Debug for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshPublicKey({} {})", self.algorithm.name(), self.fingerprint())
    }
}

impl PartialEq for SshPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl Eq for SshPublicKey {}

impl PartialOrd for SshPublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SshPublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.blob.cmp(&other.blob)
    }
}

impl Hash for SshPublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.blob.hash(state);
    }
}

impl Serialize for SshPublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_line())
    }
}

impl<'de> Deserialize<'de> for SshPublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
