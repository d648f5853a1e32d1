//! The keys of a project: who signs evidence, the log and the policy.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use provost_keys::{
    Certificate, CertifiedSigner, ExternalSigner, KeyAlgorithm, Passphrase, PrivateKey, PublicKey, Signer,
};

use crate::config::SignerChoice;
use crate::home::{Home, Project};

/// Variables that hold secrets of ours: the wrapped command never inherits them.
pub const SECRET_VARIABLES: &[&str] = &[
    "PROVOST_KEY",
    "PROVOST_LOG_KEY",
    "PROVOST_KEY_PASSPHRASE",
    "PROVOST_PKCS11_PIN",
    "COSIGN_PASSWORD",
    "COSIGN_PRIVATE_KEY",
    "PROVOST_HOME",
    "PROVOST_STORE",
];

/// The role of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Signs evidence.
    Builder,
    /// Signs checkpoints.
    Log,
    /// Signs the policy.
    Policy,
}

impl Role {
    /// The name of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Builder => "builder",
            Self::Log => "log",
            Self::Policy => "policy",
        }
    }

    /// The algorithm of new keys: notes of a log are Ed25519, everything else is what a KMS can do.
    pub fn algorithm(self) -> KeyAlgorithm {
        match self {
            Self::Log => KeyAlgorithm::Ed25519,
            Self::Builder | Self::Policy => KeyAlgorithm::EcdsaP256,
        }
    }
}

/// The passphrase from the environment, or asked for on a terminal.
fn passphrase() -> Option<Passphrase> {
    ["PROVOST_KEY_PASSPHRASE", "COSIGN_PASSWORD"].iter().find_map(|name| std::env::var(name).ok()).map(Passphrase::new)
}

fn read_key(path: &Path) -> Result<PrivateKey> {
    let text = crate::input::read_text(path)?;
    let mode = std::fs::metadata(path).map(|m| m.permissions().mode() & 0o777).unwrap_or(0);
    if mode & 0o077 != 0 {
        bail!("the key {} can be read by others (mode {mode:o}): run `chmod 600 {}`", path.display(), path.display());
    }
    parse_key(&text).with_context(|| format!("the key {}", path.display()))
}

fn parse_key(text: &str) -> Result<PrivateKey> {
    match PrivateKey::from_pem(text, passphrase().as_ref()) {
        Err(provost_keys::KeyError::PassphraseNeeded) if std::io::IsTerminal::is_terminal(&std::io::stdin()) => {
            let given = rpassword::prompt_password("Passphrase of the key: ").context("no passphrase was given")?;
            Ok(PrivateKey::from_pem(text, Some(&Passphrase::new(given)))?)
        }
        other => Ok(other?),
    }
}

/// The signer of a role: from the environment, the configuration, or the user's directory.
///
/// # Errors
/// It cannot be read or used; the message says what to set.
pub fn load(role: Role, home: &Home, project: &Project) -> Result<Box<dyn Signer + Send>> {
    let signer = load_key(role, home, project)?;
    match project.config.certificate.as_ref().filter(|_| role == Role::Builder) {
        None => Ok(signer),
        Some(path) => {
            let path = project.root.as_deref().unwrap_or(Path::new("/")).join(path);
            let text = crate::input::read_text(&path)?;
            let chain = Certificate::chain_from_pem(&text).with_context(|| path.display().to_string())?;
            Ok(Box::new(CertifiedSigner::new(signer, chain)?))
        }
    }
}

/// The signer of a key file.
///
/// # Errors
/// It cannot be read or used, or others can read it.
pub fn of_file(path: &Path) -> Result<Box<dyn Signer + Send>> {
    Ok(Box::new(read_key(path)?))
}

fn load_key(role: Role, home: &Home, project: &Project) -> Result<Box<dyn Signer + Send>> {
    let variable = match role {
        Role::Builder => Some("PROVOST_KEY"),
        Role::Log => Some("PROVOST_LOG_KEY"),
        Role::Policy => None,
    };
    if let Some(value) = variable.and_then(|name| std::env::var(name).ok()).filter(|v| !v.is_empty()) {
        let key = if value.contains("-----BEGIN") { parse_key(&value)? } else { read_key(Path::new(&value))? };
        return Ok(Box::new(key));
    }
    let default = home.keys(&project.config.project_id).join(format!("{}.key", role.name()));
    if role != Role::Builder {
        return Ok(Box::new(read_key(&default)?));
    }
    // The tree may be anybody's: what signs, and which program is started for it, is not its to choose.
    if project.config.signer != SignerChoice::Default && crate::pin::accepted(home, project)?.is_none() {
        bail!(
            "provost.toml names what signs (`[signer]`), and nobody accepted that here: review it, then `provost trust config`"
        );
    }
    let root = project.root.as_deref().unwrap_or(Path::new("/"));
    Ok(match &project.config.signer {
        SignerChoice::Default => Box::new(read_key(&default)?),
        SignerChoice::File(path) => Box::new(read_key(&root.join(path))?),
        SignerChoice::Command { command, public_key } => {
            Box::new(ExternalSigner::new(command.clone(), read_public(&root.join(public_key))?)?)
        }
        #[cfg(feature = "pkcs11")]
        SignerChoice::Pkcs11 { module, token, key } => {
            let pin = std::env::var("PROVOST_PKCS11_PIN").context("set PROVOST_PKCS11_PIN to the token's PIN")?;
            Box::new(provost_keys::Pkcs11Signer::open(module, token, key, &Passphrase::new(pin))?)
        }
        #[cfg(not(feature = "pkcs11"))]
        SignerChoice::Pkcs11 { .. } => bail!("this provost was built without the feature `pkcs11`"),
    })
}

/// Reads a public key file.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read_public(path: &Path) -> Result<PublicKey> {
    let text = crate::input::read_text(path)?;
    PublicKey::from_pem(&text).with_context(|| format!("the public key {}", path.display()))
}

/// Makes a new key file, for the owner alone; never overwrites.
///
/// # Errors
/// There is one already, or it cannot be written.
pub fn generate(path: &Path, algorithm: KeyAlgorithm, encrypt: bool) -> Result<PrivateKey> {
    let key = PrivateKey::generate(algorithm)?;
    let passphrase = if encrypt {
        match passphrase() {
            Some(passphrase) => Some(passphrase),
            None => Some(Passphrase::new(
                rpassword::prompt_password("New passphrase for the key: ")
                    .context("an encrypted key needs a passphrase: set PROVOST_KEY_PASSPHRASE")?,
            )),
        }
    } else {
        None
    };
    write_private(path, key.to_pem(passphrase.as_ref())?.as_bytes())?;
    Ok(key)
}

/// Writes a new file for the owner alone.
///
/// # Errors
/// There is one already, or it cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .with_context(|| format!("cannot make {}", parent.display()))?;
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(|| format!("cannot write {}", path.display()))
}
