//! What `init` makes, and what a run without any configuration makes for itself: keys, policy, store, trust.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use provost_attest::Envelope;
use provost_evidence::{NewRecord, Store};
use provost_keys::{PublicKey, Signer};
use provost_policy::{POLICY_PAYLOAD, Policy};

use crate::clock;
use crate::home::{Home, Project};
use crate::judge;
use crate::pin;
use crate::signing::{self, Role};

/// How to set up.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The strict policy instead of the permissive one.
    pub strict: bool,
    /// Encrypt the private keys.
    pub encrypt: bool,
    /// Name of the first step.
    pub step: String,
}

/// What was made, and what was there and left alone.
#[derive(Debug, Default)]
pub struct Made {
    /// New files.
    pub new: Vec<PathBuf>,
    /// Files that were there.
    pub kept: Vec<PathBuf>,
}

/// Makes whatever is missing; never overwrites.
///
/// # Errors
/// Something cannot be written, or what is there cannot be used.
pub fn set_up(home: &Home, project: &Project, wish: &Wish) -> Result<Made> {
    let mut made = Made::default();
    pin::check(home, project)?;
    let folder = project.folder(home);
    let keys = home.keys(&project.config.project_id);
    let mut public = Vec::new();
    for role in [Role::Policy, Role::Builder, Role::Log] {
        let path = keys.join(format!("{}.key", role.name()));
        let given = |name: &str| std::env::var_os(name).is_some();
        let outside = match role {
            Role::Builder => project.config.signer != crate::config::SignerChoice::Default || given("PROVOST_KEY"),
            Role::Log => given("PROVOST_LOG_KEY"),
            Role::Policy => false,
        };
        let key: Box<dyn Signer + Send> = if outside {
            signing::load(role, home, project)?
        } else if path.exists() {
            made.kept.push(path.clone());
            signing::load(role, home, project)?
        } else {
            made.new.push(path.clone());
            Box::new(signing::generate(&path, role.algorithm(), wish.encrypt)?)
        };
        write_new(
            &folder.join("keys").join(format!("{}.pub", role.name())),
            key.public_key().to_pem().as_bytes(),
            &mut made,
        )?;
        public.push(key);
    }
    let [policy_key, builder, log_key] = public.as_slice() else { unreachable!("three roles") };
    let root = project.store(home);
    let store = if root.join("format").exists() {
        made.kept.push(root.clone());
        judge::open_store(home, &root)?
    } else {
        made.new.push(root.clone());
        // The same log key in a new, empty store is the old log rolled back to nothing.
        let origin = format!("provost.local/{}", project.config.project_id);
        let fresh = Store::create(&root, &origin, log_key.as_ref())?;
        judge::remember_store(home, &fresh)
            .context("this log key has signed a log before: its store is gone, not new")?;
        fresh
    };
    let source = project.policy_source(home);
    // Each step of the default project has a policy of its own, under a name of its own.
    let name = match &project.root {
        Some(_) => project.config.project_name.clone(),
        None => format!("{}/{}", project.config.project_name, project.default_step),
    };
    let text = template(wish, &name, builder.public_key(), &store.log_key().to_string());
    write_new(&source, text.as_bytes(), &mut made)?;
    let signed = project.signed_policy(home);
    if signed.exists() {
        made.kept.push(signed);
    } else if !made.new.contains(&source) {
        // Whoever wrote that text, nobody has approved it: a signature must be asked for.
        bail!(
            "{} is there and {} is not: review the text, then sign it with `provost policy sign`",
            source.display(),
            signed.display()
        );
    } else {
        sign_policy(&source, &signed, policy_key.as_ref(), Some((&store, log_key.as_ref())))?;
        made.new.push(signed);
    }
    let trusted = home.trust().join(format!("{}.pem", policy_key.public_key().id()));
    if !trusted.exists() {
        signing::write_private(&trusted, policy_key.public_key().to_pem().as_bytes())?;
        made.new.push(trusted);
    }
    Ok(made)
}

/// Checks a policy's text, signs it, writes the envelope, and appends it to the log.
///
/// # Errors
/// The policy is not valid, or something cannot be written.
pub fn sign_policy(
    source: &Path,
    signed: &Path,
    key: &dyn Signer,
    log: Option<(&Store, &dyn Signer)>,
) -> Result<Policy> {
    let text = crate::input::read_text(source)?;
    let policy = Policy::parse(&text).with_context(|| source.display().to_string())?;
    if let Some(before) = signed_before(signed)
        && before.name == policy.name
        && before.digest != policy.digest
        && policy.serial <= before.serial
    {
        bail!(
            "the policy was changed and its serial is {}: count it up from {}, or nobody can tell old from new",
            policy.serial,
            before.serial
        );
    }
    let envelope = Envelope::sign(POLICY_PAYLOAD, text.into_bytes(), key)?;
    if let Some((store, log_key)) = log {
        let record = NewRecord { envelope: envelope.clone(), key: key.public_key().clone() };
        store.append(&[record], log_key).context("the policy could not be put into the log")?;
    }
    let temporary = signed.with_extension("new");
    std::fs::write(&temporary, format!("{}\n", envelope.to_json()))
        .and_then(|()| std::fs::rename(&temporary, signed))
        .with_context(|| format!("cannot write {}", signed.display()))?;
    Ok(policy)
}

/// The policy that was signed last, by whomever: for comparing serials only.
pub fn signed_before(signed: &Path) -> Option<Policy> {
    let envelope = Envelope::parse(&crate::input::read(signed, crate::input::SMALL).ok()?).ok()?;
    Policy::parse(std::str::from_utf8(envelope.unverified_payload()).ok()?).ok()
}

fn template(wish: &Wish, name: &str, builder: &PublicKey, log: &str) -> String {
    let text =
        if wish.strict { include_str!("../policies/strict.toml") } else { include_str!("../policies/permissive.toml") };
    let expires = clock::now().plus_days(365);
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    text.replace("{{name}}", &quoted(name))
        .replace("{{expires}}", &provost_model::Timestamp::from_seconds(expires.seconds()).to_string())
        .replace("{{builder}}", &builder.to_pem())
        .replace("{{log}}", log)
        .replace("{{step}}", &quoted(if wish.step.is_empty() { "build" } else { &wish.step }))
}

/// Writes a new file; leaves one that is there alone.
///
/// # Errors
/// It cannot be written.
pub fn write_new(path: &Path, bytes: &[u8], made: &mut Made) -> Result<()> {
    use std::io::Write as _;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    match std::fs::OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => {
            file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))?;
            made.new.push(path.to_path_buf());
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            made.kept.push(path.to_path_buf());
            Ok(())
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}
