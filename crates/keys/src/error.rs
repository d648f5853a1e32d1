//! What can go wrong with keys.

/// What can go wrong with keys, signatures and certificates. No variant holds key material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is no key that we can read.
    #[error("not a {expected}: {why}")]
    Malformed {
        /// What was looked for.
        expected: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A key of another kind than we use.
    #[error("the key's algorithm {algorithm} is not supported: use ECDSA P-256 or Ed25519")]
    UnsupportedAlgorithm {
        /// Name or object identifier.
        algorithm: String,
    },
    /// The key file is encrypted and no passphrase was given.
    #[error("the private key is encrypted: set PROVOST_KEY_PASSPHRASE (or COSIGN_PASSWORD for cosign's files)")]
    PassphraseNeeded,
    /// The passphrase does not open the key file.
    #[error("the passphrase does not open the private key")]
    WrongPassphrase,
    /// A limit was reached.
    #[error("{what} is over the limit of {limit}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The signature does not fit the message and the key.
    #[error("the signature does not match the key {key}")]
    BadSignature {
        /// Key id.
        key: String,
    },
    /// The signature names another key than the one that was asked for.
    #[error("the signature is by the key {found}, not by {expected}")]
    OtherKey {
        /// Fingerprint of the key that was asked for.
        expected: String,
        /// Fingerprint of the key that the signature names.
        found: String,
    },
    /// The signature was made for another purpose.
    #[error("the signature is for {found:?}, not for {expected:?}: one made for one purpose counts for no other")]
    OtherNamespace {
        /// The namespace that was asked for.
        expected: String,
        /// The namespace that the signature names.
        found: String,
    },
    /// No line of the allowed signers lets this key sign.
    #[error("{principal} may not sign with the key {key}: {why}")]
    NotAllowed {
        /// Who.
        principal: String,
        /// The key's fingerprint.
        key: String,
        /// Why no line allows it.
        why: String,
    },
    /// A file could not be read.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        why: String,
    },
    /// Others than the owner may read a private key.
    #[error("other users may read the private key {path}: run `chmod 600` on it")]
    OpenToOthers {
        /// The file.
        path: String,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    NoRandomness(String),
    /// An external signer or token did not do its work.
    #[error("the signer `{signer}` failed: {why}")]
    SignerFailed {
        /// Command or token.
        signer: String,
        /// What happened.
        why: String,
    },
    /// A certificate chain that does not hold.
    #[error("the certificate is not trusted: {why}")]
    UntrustedCertificate {
        /// What is wrong.
        why: String,
    },
}

impl KeyError {
    pub(crate) fn malformed(expected: &'static str, why: impl ToString) -> Self {
        Self::Malformed { expected, why: why.to_string() }
    }

    pub(crate) fn untrusted(why: impl Into<String>) -> Self {
        Self::UntrustedCertificate { why: why.into() }
    }
}
