//! Whatever can sign.

use crate::{KeyError, PublicKey};

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

    /// Signs a message; the result satisfies [`PublicKey::verify`].
    ///
    /// # Errors
    /// The token or command failed, or gave a signature that does not verify.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}
