//! Keys, signatures and who stands behind them.
//!
//! What provost signs: ECDSA P-256 with SHA-256 (the default: every KMS, HSM and Sigstore client can do it) and
//! Ed25519. Private keys come from PKCS#8 (plain or encrypted), SEC 1, cosign's encrypted key files, a PKCS#11 token
//! (feature `pkcs11`) or an external command. What people sign (commits, tags, approvals) is SSHSIG: [`ssh`]; commits
//! and tags may bear X.509 ([`cms`]) or OpenPGP signatures ([`openpgp`]). No other crate names a signature crate.

mod cert;
pub mod cms;
mod cosign;
mod error;
mod external;
pub mod openpgp;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod private;
mod public;
mod signer;
pub mod ssh;

pub use cert::{Certificate, CertificateIdentity, SubjectName, VerifiedChain, verify_chain};
pub use error::KeyError;
pub use external::ExternalSigner;
#[cfg(feature = "pkcs11")]
pub use pkcs11::Pkcs11Signer;
pub use private::{Passphrase, PrivateKey};
pub use public::{KeyAlgorithm, KeyId, PublicKey};
pub use signer::{CertifiedSigner, Custody, Signer};

/// Limits on foreign key material. Each is tested.
pub struct Limits;

impl Limits {
    /// A PEM or JSON key file, in bytes.
    pub const KEY_FILE: usize = 64 * 1024;
    /// A signature, in bytes.
    pub const SIGNATURE: usize = 1024;
    /// scrypt's memory for one key file, in bytes (128 · N · r): 256 MiB.
    pub const SCRYPT_MEMORY: u64 = 256 * 1024 * 1024;
    /// scrypt's parallelism.
    pub const SCRYPT_PARALLEL: u64 = 16;
    /// PBKDF2 rounds.
    pub const PBKDF2_ROUNDS: u64 = 10_000_000;
    /// Certificates in one chain.
    pub const CHAIN: usize = 8;
    /// Certificates among which a chain is looked for, where a message brings its own.
    pub const POOL: usize = 32;
}
