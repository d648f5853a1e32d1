//! CMS signatures (RFC 5652) and RFC 3161 timestamps: `gpg.format=x509` as gpgsm makes it, and proofs of time.
//!
//! Only what is needed is taken: one signer, signed attributes always, SHA-256, SHA-384 or SHA-512, and ECDSA, RSA
//! (PKCS #1 v1.5, 2048 to 8192 bits) or Ed25519. The certificate has to lead to a configured root.

mod attributes;
mod ber;
mod certificate;
mod oid;
mod signed;
#[cfg(test)]
mod tests;
mod timestamp;

pub use signed::{CmsSignature, CmsSigner};
pub use timestamp::{TimestampToken, VerifiedTime};

/// Limits on CMS messages.
pub struct CmsLimits;

impl CmsLimits {
    /// A signature or token, in bytes.
    pub const MESSAGE: usize = 256 * 1024;
    /// Certificates in it.
    pub const CERTIFICATES: usize = 16;
    /// Signed attributes.
    pub const ATTRIBUTES: usize = 32;
    /// Depth of nested values of indefinite length.
    pub const DEPTH: usize = 16;
}
