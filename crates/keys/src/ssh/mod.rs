//! OpenSSH's keys and signatures: what people sign commits, tags and approvals with.
//!
//! Public keys are held to one encoding each (canonical numbers, no trailing bytes, points that are on their curve), so
//! that one key cannot pass for two persons. Signatures are SSHSIG (OpenSSH's `PROTOCOL.sshsig`): bound to a namespace,
//! over SHA-256 or SHA-512 of the message.

mod allowed;
mod keygen;
mod private;
mod public;
mod signature;
mod signer;
#[cfg(test)]
mod tests;
mod wire;

pub use allowed::{AllowedSigner, AllowedSigners};
pub use public::{SshAlgorithm, SshPublicKey};
pub use signature::SshSignature;
pub use signer::SshSigner;

/// Limits on SSH's keys and signatures.
pub struct SshLimits;

impl SshLimits {
    /// A public key in its binary form, in bytes. RSA with 8192 bits needs 1,060.
    pub const KEY: usize = 4 * 1024;
    /// A line with a public key, in bytes.
    pub const LINE: usize = 8 * 1024;
    /// A signature in its binary form, in bytes: a key, a signature and two names.
    pub const SIGNATURE: usize = 16 * 1024;
    /// A signature's armour, in bytes.
    pub const ARMOUR: usize = 32 * 1024;
    /// A namespace, in bytes.
    pub const NAMESPACE: usize = 256;
    /// The least size of an RSA modulus, in bits (NIST SP 800-131A).
    pub const RSA_LEAST: usize = 2048;
    /// The greatest size of an RSA modulus, in bits.
    pub const RSA_MOST: usize = 8192;
    /// bcrypt rounds of an encrypted private key; `ssh-keygen` takes 16 to 24 unless told otherwise.
    pub const BCRYPT_ROUNDS: u32 = 2_000;
    /// A file of allowed signers, in bytes.
    pub const ALLOWED_SIGNERS: usize = 4 * 1024 * 1024;
    /// Patterns in one list of a file of allowed signers.
    pub const PATTERNS: usize = 256;
}
