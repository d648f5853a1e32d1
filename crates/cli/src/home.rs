//! Where things are: the configuration of a repository, and the user's own directory with keys, store and memory.
//!
//! Keys and store lie outside the repository, in one directory that the wrapped command is kept from.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use nix::fcntl::Flock;
use provost_evidence::{CheckpointMemory, lock};

use crate::config::Config;

/// The name of the configuration file at the repository's root.
pub const CONFIG_FILE: &str = "provost.toml";
/// The folder beside it with the policy and the public keys.
pub const FOLDER: &str = ".provost";

/// The user's own directory: `PROVOST_HOME`, else `$XDG_DATA_HOME/provost`, else `~/.local/share/provost`.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

impl Home {
    /// Finds it.
    ///
    /// # Errors
    /// No variable tells where it is.
    pub fn find() -> Result<Self> {
        let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let path = variable("PROVOST_HOME")
            .or_else(|| variable("XDG_DATA_HOME").map(|p| p.join("provost")))
            .or_else(|| variable("HOME").map(|p| p.join(".local/share/provost")));
        match path {
            Some(path) => {
                Ok(Self(std::path::absolute(&path).with_context(|| format!("cannot use {}", path.display()))?))
            }
            None => {
                bail!("neither PROVOST_HOME nor HOME is set: set PROVOST_HOME to a directory for keys and evidence")
            }
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Private keys of a project.
    pub fn keys(&self, project: &str) -> PathBuf {
        self.0.join("keys").join(project)
    }

    /// The default store of a project.
    pub fn store(&self, project: &str) -> PathBuf {
        self.0.join("stores").join(project)
    }

    /// Policy keys that the user trusts.
    pub fn trust(&self) -> PathBuf {
        self.0.join("trust")
    }

    /// Keys whose packs count.
    pub fn pack_signers(&self) -> PathBuf {
        self.trust().join("packs")
    }

    /// Checkpoints and policy serials that were seen.
    pub fn memory(&self) -> CheckpointMemory {
        CheckpointMemory::new(self.memory_path())
    }

    /// Where they are.
    pub fn memory_path(&self) -> PathBuf {
        self.0.join("memory")
    }

    /// Has the memory of policies, packs and repositories for this process alone, until it is dropped: what was seen is
    /// looked at and written in one go, so that of two processes at once neither takes back what the other remembers. To
    /// be held for moments, and not twice. (Checkpoints have locks of their own: [`CheckpointMemory::accept`].)
    /// `None` where nothing can be written, and so nothing is remembered.
    pub fn lock_memory(&self) -> Option<Flock<std::fs::File>> {
        let folder = self.memory_path();
        std::fs::create_dir_all(&folder).ok()?;
        lock(&folder.join("lock")).ok()
    }

    /// The settings of a project that were accepted.
    pub fn pin(&self, project: &str) -> PathBuf {
        self.0.join("pins").join(format!("{project}.json"))
    }

    /// What the last passing run of a step did.
    pub fn baseline(&self, project: &str, step: &str) -> PathBuf {
        // A step's name may hold anything that a file's name may not.
        let step = provost_model::sha256(step.as_bytes()).to_hex();
        self.0.join("memory/behaviour").join(project).join(format!("{}.json", &step[..16]))
    }

    /// Digests of files outside any tree that were hashed before.
    pub fn digest_cache(&self) -> PathBuf {
        self.0.join("cache/digests.json")
    }

    /// Digests of tools that were hashed before.
    pub fn tool_cache(&self) -> PathBuf {
        self.0.join("cache/tools.json")
    }
}

/// A repository with a configuration, or the user's default project where there is none.
#[derive(Debug, Clone)]
pub struct Project {
    /// The directory of `provost.toml`; `None` for the default project.
    pub root: Option<PathBuf>,
    /// The configuration.
    pub config: Config,
    /// The step that the default project's policy is of; each step has one there.
    pub default_step: String,
}

impl Project {
    /// Looks for `provost.toml` in a directory and above it.
    ///
    /// # Errors
    /// There is one and it cannot be used.
    pub fn find(from: &Path) -> Result<Self> {
        let from = std::path::absolute(from).context("the working directory cannot be found")?;
        for directory in from.ancestors() {
            let path = directory.join(CONFIG_FILE);
            match std::fs::metadata(&path).and_then(|_| crate::input::read_text(&path).map_err(std::io::Error::other)) {
                Ok(text) => {
                    let config = Config::parse(&text).with_context(|| format!("{} cannot be used", path.display()))?;
                    return Ok(Self { root: Some(directory.to_path_buf()), config, default_step: String::new() });
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
            }
        }
        Ok(Self { root: None, config: Config::default(), default_step: "build".into() })
    }

    /// The folder with the policy and public keys.
    pub fn folder(&self, home: &Home) -> PathBuf {
        self.root
            .as_ref()
            .map_or_else(|| home.path().join("default").join(&self.default_step), |root| root.join(FOLDER))
    }

    /// The policy's text.
    pub fn policy_source(&self, home: &Home) -> PathBuf {
        self.folder(home).join("policy.toml")
    }

    /// The signed policy.
    pub fn signed_policy(&self, home: &Home) -> PathBuf {
        self.folder(home).join("policy.dsse.json")
    }

    /// The evidence store: `PROVOST_STORE`, the configuration, or the default place.
    pub fn store(&self, home: &Home) -> PathBuf {
        if let Some(path) = std::env::var_os("PROVOST_STORE").filter(|p| !p.is_empty()) {
            return PathBuf::from(path);
        }
        match &self.config.store_path {
            Some(path) => self.root.as_deref().unwrap_or(Path::new("/")).join(path),
            None => home.store(&self.config.project_id),
        }
    }
}
