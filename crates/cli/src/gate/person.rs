//! The person at the keyboard: their key, and signing with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use provost_attest::{Envelope, EnvelopeSignature, IN_TOTO_PAYLOAD, Statement, pae};
use provost_gate::APPROVAL_NAMESPACE;
use provost_keys::ssh::SshSigner;
use provost_keys::{KeyError, Passphrase, PrivateKey, Signer as _};
use provost_policy::{Access, Person, PersonKey};

enum Key {
    /// Signs SSHSIG.
    Ssh(Box<SshSigner>),
    /// Signs as everything else of provost does.
    Plain(Box<PrivateKey>),
}

/// Someone whom the policy names, with the key that proves it.
pub(crate) struct Signer<'p> {
    key: Key,
    /// Who.
    pub(crate) person: &'p Person,
    /// The key's fingerprint.
    pub(crate) fingerprint: String,
}

impl<'p> Signer<'p> {
    /// Opens a key, and finds whose it is.
    ///
    /// # Errors
    /// It cannot be used, or is of nobody whom the policy names.
    pub(crate) fn open(access: &'p Access, file: Option<&Path>, directory: &Path) -> Result<Self> {
        let file = match file {
            Some(file) => file.to_path_buf(),
            None => default_key(directory)?,
        };
        let text = crate::input::read_text(&file)?;
        // A key of PKIX form that the policy names in that form signs raw.
        if text.contains("PRIVATE KEY-----") && !text.contains("OPENSSH") {
            let key = unlocked(&file, |passphrase| PrivateKey::from_pem(&text, passphrase))?;
            let id = key.public_key().id();
            let is = |own: &PersonKey| matches!(own, PersonKey::Plain(own) if own.id() == id);
            if let Some(person) = access.persons.iter().find(|person| person.keys.iter().any(is)) {
                return Ok(Self { key: Key::Plain(Box::new(key)), person, fingerprint: id.to_string() });
            }
        }
        let signer = unlocked(&file, |passphrase| SshSigner::open(&file, passphrase))?;
        let fingerprint = signer.public_key().fingerprint();
        let Some(person) = access.by_ssh_key(signer.public_key()) else {
            bail!(
                "the key {fingerprint} ({}) is of nobody whom the policy names: give another with --key, or have the policy's signers add it to your `[[person]]`",
                file.display()
            );
        };
        Ok(Self { key: Key::Ssh(Box::new(signer)), person, fingerprint })
    }

    /// Signs a statement.
    ///
    /// # Errors
    /// The key, its agent or its token did not sign.
    pub(crate) fn sign(&self, statement: &Statement) -> Result<Envelope> {
        match &self.key {
            Key::Plain(key) => Ok(statement.sign(key.as_ref())?),
            Key::Ssh(signer) => {
                let payload = statement.to_bytes()?;
                let signature = signer.sign(APPROVAL_NAMESPACE, &pae(IN_TOTO_PAYLOAD, &payload))?;
                let signature = EnvelopeSignature {
                    key_id: Some(self.fingerprint.clone()),
                    signature: signature.to_bytes().to_vec(),
                    chain: Vec::new(),
                };
                Ok(Envelope::from_signature(IN_TOTO_PAYLOAD, payload, signature))
            }
        }
    }
}

/// Opens something that a passphrase may protect: from the environment, else asked for on a terminal.
fn unlocked<T>(file: &Path, open: impl Fn(Option<&Passphrase>) -> Result<T, KeyError>) -> Result<T> {
    let given = std::env::var("PROVOST_KEY_PASSPHRASE").ok().map(Passphrase::new);
    let opened = match open(given.as_ref()) {
        Err(KeyError::PassphraseNeeded) if std::io::IsTerminal::is_terminal(&std::io::stdin()) => {
            let question = format!("Passphrase of {}: ", file.display());
            let typed = rpassword::prompt_password(question).context("no passphrase was given")?;
            open(Some(&Passphrase::new(typed)))
        }
        other => other,
    };
    opened.with_context(|| format!("the key {}", file.display()))
}

/// What git signs with, where it signs with SSH; else the usual file.
fn default_key(directory: &Path) -> Result<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    if git_config(directory, "gpg.format").as_deref() == Some("ssh")
        && let Some(key) = git_config(directory, "user.signingKey")
    {
        if key.starts_with("key::") || key.starts_with("ssh-") {
            bail!("git's user.signingKey is a key itself and no file: give the file with --key");
        }
        let path = match key.strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None => PathBuf::from(key),
        };
        return Ok(path);
    }
    let usual = home.join(".ssh/id_ed25519");
    if usual.exists() {
        return Ok(usual);
    }
    bail!(
        "which key is yours? Give --key FILE, or tell git: `git config gpg.format ssh; git config user.signingKey FILE`"
    )
}

/// A setting of the user's git.
fn git_config(directory: &Path, name: &str) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(directory).args(["config", "--get", name]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim_end().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}
