//! Whatever can sign.

use crate::{Certificate, KeyError, PublicKey};

/// Where the private key lives. SP 800-204D 5.1.1 asks for a secure key: evidence names the custody, so that a
/// policy can ask for more than a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Custody {
    /// A key file without a passphrase.
    PlainFile,
    /// A key file that a passphrase opens.
    EncryptedFile,
    /// A PKCS#11 token; the key never leaves it.
    Token,
    /// An external command.
    External,
}

impl Custody {
    /// The name in evidence.
    pub fn name(self) -> &'static str {
        match self {
            Self::PlainFile => "plain-file",
            Self::EncryptedFile => "encrypted-file",
            Self::Token => "token",
            Self::External => "external-command",
        }
    }
}

/// Something that signs messages with one key.
pub trait Signer {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// Where the private half lives.
    fn custody(&self) -> Custody;

    /// The certificate for the key and its intermediates, leaf first; none for a plain key.
    fn certificates(&self) -> &[Certificate] {
        &[]
    }

    /// Signs a message; the result satisfies [`PublicKey::verify`].
    ///
    /// # Errors
    /// The token or command failed, or gave a signature that does not verify.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// A signer with a certificate for its key.
pub struct CertifiedSigner {
    signer: Box<dyn Signer + Send>,
    chain: Vec<Certificate>,
}

impl CertifiedSigner {
    /// Joins a signer and a chain, leaf first.
    ///
    /// # Errors
    /// The chain is empty, or its leaf is of another key.
    pub fn new(signer: Box<dyn Signer + Send>, chain: Vec<Certificate>) -> Result<Self, KeyError> {
        let leaf = chain.first().ok_or_else(|| KeyError::untrusted("the chain is empty"))?;
        if leaf.public_key()?.id() != signer.public_key().id() {
            return Err(KeyError::untrusted("the first certificate is of another key than the signer's"));
        }
        Ok(Self { signer, chain })
    }
}

impl Signer for CertifiedSigner {
    fn public_key(&self) -> &PublicKey {
        self.signer.public_key()
    }

    fn custody(&self) -> Custody {
        self.signer.custody()
    }

    fn certificates(&self) -> &[Certificate] {
        &self.chain
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.signer.sign(message)
    }
}
