//! OpenPGP (RFC 9580, and RFC 4880's keys): signatures of commits and tags by keys that a policy names. With the feature
//! `openpgp`; without it a key is refused when the policy is read, and signatures are of a kind that is not verified.
//!
//! Nothing of a web of trust takes part: a policy names the keys. Of a key only what signs data counts, as its own
//! signatures over itself say: the primary key or subkeys that have signed back. Revoked keys, SHA-1, SHA-224, DSA and RSA
//! below 2048 bits do not count; expiry is judged as of the time that the caller gives, never as of a time that the
//! signature claims.

#[cfg(not(feature = "openpgp"))]
mod absent;
#[cfg(feature = "openpgp")]
mod present;

#[cfg(not(feature = "openpgp"))]
use absent as inner;
#[cfg(feature = "openpgp")]
use present as inner;

#[cfg(all(test, feature = "openpgp"))]
mod tests;

use provost_model::Timestamp;

use crate::KeyError;

/// Limits on OpenPGP's keys and signatures.
pub struct OpenPgpLimits;

impl OpenPgpLimits {
    /// A key's armour, in bytes: keys with many certifications by others are large; `gpg --export-options
    /// export-minimal` leaves them out.
    pub const KEY: usize = 256 * 1024;
    /// A signature's armour, in bytes.
    pub const SIGNATURE: usize = 32 * 1024;
    /// Subkeys, user ids and signatures of a key, each.
    pub const PARTS: usize = 1_000;
    /// The least size of an RSA modulus, in bits (NIST SP 800-131A).
    pub const RSA_LEAST: u16 = 2048;
}

/// A key: a certificate with at least one key that signs data.
#[derive(Clone)]
pub struct OpenPgpKey(inner::Key);

impl OpenPgpKey {
    /// Whether this build verifies OpenPGP.
    pub const AVAILABLE: bool = cfg!(feature = "openpgp");

    /// Reads one key from its armour (`-----BEGIN PGP PUBLIC KEY BLOCK-----`, RFC 9580 section 6).
    ///
    /// # Errors
    /// It is none or more than one, is revoked, is bound by nothing that counts, or signs nothing; always, where OpenPGP is
    /// not built in.
    pub fn parse(armour: &str) -> Result<Self, KeyError> {
        inner::Key::parse(armour).map(Self)
    }

    /// Fingerprint of the primary key, in capital hexadecimal digits as `gpg` prints it.
    pub fn fingerprint(&self) -> &str {
        self.0.fingerprint()
    }
}

impl PartialEq for OpenPgpKey {
    /// The same primary key, whatever else the certificate holds.
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl Eq for OpenPgpKey {}

impl std::fmt::Debug for OpenPgpKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OpenPgpKey").field(&self.fingerprint()).finish()
    }
}

/// A detached signature over data (type 0x00, RFC 9580 section 5.2.1).
#[derive(Clone)]
pub struct OpenPgpSignature(inner::Signature);

impl OpenPgpSignature {
    /// Reads one signature from its armour (`-----BEGIN PGP SIGNATURE-----`).
    ///
    /// # Errors
    /// It is none or more than one, of another type, over too weak a digest, or holds a critical part that is not known;
    /// always, where OpenPGP is not built in.
    pub fn parse(armour: &[u8]) -> Result<Self, KeyError> {
        inner::Signature::parse(armour).map(Self)
    }

    /// Which key it says that it is by: a fingerprint, or a key id. A claim, until verified.
    pub fn issuer(&self) -> String {
        self.0.issuer()
    }

    /// Whether it names this key, or a signing subkey of it.
    pub fn names(&self, key: &OpenPgpKey) -> bool {
        self.0.names(&key.0)
    }

    /// Verifies it: made by this key or a signing subkey of it over this data, neither key nor signature expired at `at`,
    /// not made before the key or more than a day after `at`.
    ///
    /// # Errors
    /// It is not.
    pub fn verify(&self, key: &OpenPgpKey, data: &[u8], at: Timestamp) -> Result<(), KeyError> {
        self.0.verify(&key.0, data, at)
    }
}

impl std::fmt::Debug for OpenPgpSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OpenPgpSignature").field(&self.issuer()).finish()
    }
}

fn malformed(expected: &'static str, why: impl Into<String>) -> KeyError {
    KeyError::Malformed { expected, why: why.into() }
}
