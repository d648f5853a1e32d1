//! The configuration, `provost.toml`. Everything has a default: a run needs none.

use std::path::PathBuf;

use anyhow::{Result, bail};
use provost_trace::ConfinementWish;
use serde::Deserialize;

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of the project, for people.
    pub project_name: String,
    /// Id of the project: names its keys and store in the user's directory.
    pub project_id: String,
    /// Store, when not in the default place.
    pub store_path: Option<PathBuf>,
    /// Who signs evidence.
    pub signer: SignerChoice,
    /// Certificate chain of the signer's key, when functionaries are known by certificates.
    pub certificate: Option<PathBuf>,
    /// The builder's id in provenance: which deployment this is.
    pub builder_id: String,
    /// The verifier's id in verification summaries.
    pub verifier_id: String,
    /// Materials to take; all when empty.
    pub materials_include: Vec<String>,
    /// Materials to leave out.
    pub materials_exclude: Vec<String>,
    /// Products to take; all when empty.
    pub artifacts_include: Vec<String>,
    /// Products to leave out.
    pub artifacts_exclude: Vec<String>,
    /// Products that get an evidence file beside them.
    pub publish: Vec<String>,
    /// How the command is confined.
    pub isolation: ConfinementWish,
    /// Who watches it.
    pub observe: crate::watch::Observe,
    /// What it may do.
    pub guard: crate::guard::GuardConfig,
}

/// Who signs evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerChoice {
    /// The key file in the user's directory.
    Default,
    /// A key file.
    File(PathBuf),
    /// An external command, with the file of its public key.
    Command {
        /// Program and arguments.
        command: Vec<String>,
        /// Public key file.
        public_key: PathBuf,
    },
    /// A PKCS#11 token.
    Pkcs11 {
        /// The module's shared library.
        module: PathBuf,
        /// The token's label.
        token: String,
        /// The key's label.
        key: String,
    },
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    project: RawProject,
    store: RawStore,
    signer: RawSigner,
    builder: RawBuilder,
    materials: RawFiles,
    artifacts: RawArtifacts,
    run: RawRun,
    guard: crate::guard::GuardConfig,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawProject {
    name: Option<String>,
    id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawStore {
    path: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct RawSigner {
    certificate: Option<PathBuf>,
    file: Option<PathBuf>,
    command: Option<Vec<String>>,
    public_key: Option<PathBuf>,
    pkcs11_module: Option<PathBuf>,
    pkcs11_token: Option<String>,
    pkcs11_key: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct RawBuilder {
    id: Option<String>,
    verifier_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawFiles {
    include: Vec<String>,
    exclude: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawArtifacts {
    include: Vec<String>,
    exclude: Vec<String>,
    publish: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawRun {
    isolation: Option<String>,
    observe: Option<crate::watch::Observe>,
}

/// What is never a material or product: version control's own files, and evidence itself.
pub const ALWAYS_EXCLUDED: &[&str] = &[".git", ".hg", ".svn", ".jj", "*.provost.jsonl"];

impl Default for Config {
    fn default() -> Self {
        Self {
            project_name: "default".into(),
            project_id: "default".into(),
            store_path: None,
            signer: SignerChoice::Default,
            certificate: None,
            builder_id: "urn:provost:builder:unconfigured".into(),
            verifier_id: "urn:provost:verifier:unconfigured".into(),
            materials_include: Vec::new(),
            materials_exclude: Vec::new(),
            artifacts_include: Vec::new(),
            artifacts_exclude: Vec::new(),
            publish: Vec::new(),
            isolation: ConfinementWish::BestEffort,
            observe: crate::watch::Observe::Auto,
            guard: crate::guard::GuardConfig::default(),
        }
    }
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// Line and column of what cannot be used, and what to do.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > 1024 * 1024 {
            bail!("it is larger than 1 MiB");
        }
        let raw: Raw = toml::from_str(text)?;
        let default = Self::default();
        let project_id = raw.project.id.unwrap_or(default.project_id);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if project_id.is_empty() || project_id.len() > 64 || !project_id.chars().all(plain) {
            bail!("[project] id: `{project_id}` must be 1 to 64 letters, digits, `-` or `_`: it names a directory");
        }
        let certificate = raw.signer.certificate.clone();
        let signer = match raw.signer {
            RawSigner { command: Some(command), public_key: Some(public_key), file: None, .. }
                if !command.is_empty() =>
            {
                SignerChoice::Command { command, public_key }
            }
            RawSigner { file: Some(file), command: None, pkcs11_module: None, .. } => SignerChoice::File(file),
            RawSigner {
                pkcs11_module: Some(module),
                pkcs11_token: Some(token),
                pkcs11_key: Some(key),
                file: None,
                command: None,
                ..
            } => SignerChoice::Pkcs11 { module, token, key },
            RawSigner { file: None, command: None, pkcs11_module: None, .. } => SignerChoice::Default,
            _ => bail!(
                "[signer]: give one of `file`; `command` with `public-key`; `pkcs11-module` with `pkcs11-token` and `pkcs11-key`"
            ),
        };
        let isolation = match raw.run.isolation.as_deref() {
            None | Some("best-effort") => ConfinementWish::BestEffort,
            Some("required") => ConfinementWish::Required,
            Some("off") => ConfinementWish::Off,
            Some(other) => bail!("[run] isolation: `{other}` is none of required, best-effort, off"),
        };
        raw.guard.check().map_err(|e| anyhow::anyhow!("[guard] {e:#}"))?;
        let uri = |what: &str, value: Option<String>, default: String| match value {
            Some(value) if !value.contains(':') || value.contains(char::is_whitespace) => {
                bail!("[builder] {what}: `{value}` is not a URI")
            }
            Some(value) => Ok(value),
            None => Ok(default),
        };
        Ok(Self {
            project_name: raw.project.name.unwrap_or(default.project_name),
            project_id,
            store_path: raw.store.path,
            signer,
            certificate,
            builder_id: uri("id", raw.builder.id, default.builder_id)?,
            verifier_id: uri("verifier-id", raw.builder.verifier_id, default.verifier_id)?,
            materials_include: raw.materials.include,
            materials_exclude: raw.materials.exclude,
            artifacts_include: raw.artifacts.include,
            artifacts_exclude: raw.artifacts.exclude,
            publish: raw.artifacts.publish,
            isolation,
            observe: raw.run.observe.unwrap_or(crate::watch::Observe::Auto),
            guard: raw.guard,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("[projct]\nname = 'x'", "projct"),
            ("[project]\nid = '../../etc'", "letters"),
            ("[run]\nisolation = 'maybe'", "best-effort"),
            ("[builder]\nid = 'not a uri'", "URI"),
            ("[signer]\ncommand = ['x']", "public-key"),
            ("[materials]\ninclude = 'src'", "line 2"),
        ] {
            let message = format!("{:#}", Config::parse(text).expect_err(text));
            assert!(message.contains(part), "{text}: {message}");
        }
        assert_eq!(Config::parse("").expect("empty is fine").project_id, "default");
    }
}
