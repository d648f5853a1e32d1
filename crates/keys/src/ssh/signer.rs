//! Making SSHSIG signatures.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::private::{self, OpenKey, Opened};
use super::{SshPublicKey, SshSignature, keygen};
use crate::signer::{Custody, Signer};
use crate::{KeyError, Limits, Passphrase, PrivateKey};

enum Source {
    Process(Box<OpenKey>),
    Keygen(PathBuf),
}

/// Something that makes SSHSIG signatures with one key.
pub struct SshSigner {
    source: Source,
    public: SshPublicKey,
    custody: Custody,
}

impl SshSigner {
    /// A signer for a key file. OpenSSH's private keys (Ed25519, ECDSA, RSA; plain or with a passphrase) and our own
    /// PEM files sign in this process; a public key file and a security key's file sign through `ssh-keygen`, which
    /// asks the agent or the security key.
    ///
    /// # Errors
    /// The file cannot be read, others may read a private key, it is no key, or its passphrase is missing or wrong.
    pub fn open(file: &Path, passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        let text = read(file)?;
        if !text.contains("PRIVATE KEY-----") {
            let public = SshPublicKey::parse(&text)?;
            return Ok(Self { source: Source::Keygen(file.to_owned()), public, custody: Custody::External });
        }
        check_permissions(file)?;
        if !private::is_openssh(&text) {
            return Self::from_signer(Box::new(PrivateKey::from_pem(&text, passphrase)?));
        }
        Ok(match private::open(&text, passphrase)? {
            Opened::Key(key, public, custody) => Self { source: Source::Process(key), public, custody },
            Opened::SecurityKey(public) => {
                Self { source: Source::Keygen(file.to_owned()), public, custody: Custody::External }
            }
        })
    }

    /// A signer for a key that provost uses elsewhere: a file, a token, a command.
    ///
    /// # Errors
    /// None for a key that [`PublicKey`](crate::PublicKey) took.
    pub fn from_signer(signer: Box<dyn Signer + Send>) -> Result<Self, KeyError> {
        let public = SshPublicKey::from_public_key(signer.public_key())?;
        let custody = signer.custody();
        Ok(Self { source: Source::Process(Box::new(OpenKey::Ours(signer))), public, custody })
    }

    /// The public half.
    pub fn public_key(&self) -> &SshPublicKey {
        &self.public
    }

    /// Where the private half lives; agents and security keys are [`Custody::External`].
    pub fn custody(&self) -> Custody {
        self.custody
    }

    /// Signs a message in a namespace. The signature is verified before it is returned.
    ///
    /// # Errors
    /// The namespace is empty or too long, or the signer failed or gave a signature that does not verify.
    pub fn sign(&self, namespace: &str, message: &[u8]) -> Result<SshSignature, KeyError> {
        let to_sign = SshSignature::to_sign(namespace, message)?;
        let signature = match &self.source {
            Source::Keygen(file) => keygen::sign(file, namespace, message)?,
            Source::Process(key) => {
                let signature = key.sign(self.public.algorithm(), &to_sign)?;
                SshSignature::assemble(&self.public, namespace, &signature)?
            }
        };
        signature.verify(&self.public, namespace, message)?;
        Ok(signature)
    }
}

impl fmt::Debug for SshSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshSigner(of {:?}, {})", self.public, self.custody.name())
    }
}

fn read(file: &Path) -> Result<Zeroizing<String>, KeyError> {
    use std::io::Read as _;
    let unreadable = |e: std::io::Error| KeyError::Unreadable { path: file.display().to_string(), why: e.to_string() };
    let mut text = Zeroizing::new(String::new());
    let limit = Limits::KEY_FILE as u64;
    std::fs::File::open(file).map_err(unreadable)?.take(limit + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() > Limits::KEY_FILE {
        return Err(KeyError::TooLarge { what: "the key file", limit });
    }
    Ok(text)
}

#[cfg(unix)]
fn check_permissions(file: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::MetadataExt as _;
    let path = || file.display().to_string();
    let metadata = std::fs::metadata(file).map_err(|e| KeyError::Unreadable { path: path(), why: e.to_string() })?;
    if metadata.mode() & 0o077 != 0 { Err(KeyError::OpenToOthers { path: path() }) } else { Ok(()) }
}

#[cfg(not(unix))]
fn check_permissions(_: &Path) -> Result<(), KeyError> {
    Ok(())
}
