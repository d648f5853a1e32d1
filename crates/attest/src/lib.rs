//! Statements and their envelopes: DSSE 1.0.2, in-toto Statement v1, the predicates that provost makes and reads, and
//! Sigstore bundles v0.3 with a proof that the envelope is in a log.
//!
//! [`verify_envelope`] is the only way to a [`Verified`] statement, and only that reaches a policy. Everything here is
//! a pure function: no file, no clock, no network.

mod bundle;
mod classic;
mod dsse;
mod entry;
mod error;
mod filelist;
mod json;
pub mod predicate;
mod statement;
mod verified;

pub use bundle::{Bundle, LoggedProof};
pub use classic::{ClassicLink, in_toto_key_id};
pub use dsse::{Envelope, EnvelopeSignature, IN_TOTO_PAYLOAD, pae};
pub use entry::LogEntry;
pub use error::AttestError;
pub use filelist::{FileList, FileListProof};
pub use json::parse_strict;
pub use statement::{ResourceDescriptor, STATEMENT_V1, Statement};
pub use verified::{SignerIdentity, TrustedSigner, Verified, verify_envelope, verify_payload, verify_with_ssh};

/// Limits on foreign bytes. Each is tested.
pub struct Limits;

impl Limits {
    /// One envelope or bundle, in bytes.
    pub const ENVELOPE: usize = 64 * 1024 * 1024;
    /// Signatures of one envelope that are looked at.
    pub const SIGNATURES: usize = 32;
    /// Subjects of one statement.
    pub const SUBJECTS: usize = 100_000;
    /// Log entries of one bundle.
    pub const LOG_ENTRIES: usize = 32;
    /// Nesting of JSON. serde_json's own limit.
    pub const DEPTH: usize = 128;
    /// Files whose entries stay inside a predicate; longer lists keep only their Merkle root there.
    pub const INLINE_FILES: usize = 500;
}
