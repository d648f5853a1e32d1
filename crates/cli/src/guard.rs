//! The guard as `provost.toml` has it, for each step, and what it comes to on this machine.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use provost_model::Digest;
use provost_trace::observe::{Endpoint, Guard, Mode, NetworkRule, ObserverLimits, ToolRule};
use serde::Deserialize;

/// `[guard]`, or `[guard.step.NAME]`: what is absent there comes from `[guard]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GuardConfig {
    /// `detect` or `prevent`.
    pub mode: Option<Mode>,
    /// Directories in the tree that may be written; when given, the rest of the tree may only be read.
    pub outputs: Option<Vec<PathBuf>>,
    /// `host`, `none`, or a list of places.
    pub network: Option<NetworkConfig>,
    /// Name servers instead of the host's.
    pub resolvers: Option<Vec<std::net::SocketAddr>>,
    /// Variables that the command inherits; `*` may end a name.
    pub environment: Option<Vec<String>>,
    /// More files and directories that hold credentials; `~/` is the home directory.
    pub credentials: Option<Vec<String>>,
    /// Credentials that the step needs.
    pub allow_credentials: Option<Vec<String>>,
    /// Temporary directories of its own (default: in `prevent`).
    pub private_temporary: Option<bool>,
    /// Programs.
    pub tools: Option<ToolsConfig>,
    /// Limits.
    pub limits: Option<LimitsConfig>,
    /// Caches that are kept between runs.
    pub cache: Option<Vec<CacheConfig>>,
    /// By step.
    pub step: BTreeMap<String, GuardConfig>,
}

/// Where a step may connect.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum NetworkConfig {
    /// `host` or `none`.
    Word(String),
    /// Places.
    Places(Vec<PlaceConfig>),
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum PlaceConfig {
    /// `name:port`.
    Text(String),
    /// With conditions.
    Table(PlaceTable),
}

/// One place, with conditions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PlaceTable {
    /// `name:port`.
    pub to: String,
    /// Only the program at this path.
    pub by: Option<String>,
    /// `any` where something else than TLS or HTTP is spoken.
    pub protocol: Option<String>,
    /// It may have a private address.
    #[serde(default)]
    pub private: bool,
}

/// Which programs may be executed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ToolsConfig {
    /// Only these, by SHA-256.
    pub allow: Vec<String>,
    /// Never these, by SHA-256.
    pub deny: Vec<String>,
    /// What the run built may be executed (default: yes).
    pub built: Option<bool>,
}

/// Limits of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LimitsConfig {
    /// Processes at once.
    pub processes: Option<usize>,
    /// Memory of one process, in MiB.
    pub memory: Option<u64>,
    /// Open files of one process.
    pub open_files: Option<u64>,
    /// Different files, in the record.
    pub files: Option<usize>,
}

/// A cache that is kept between runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// Where.
    pub path: String,
    /// Under which key it was restored.
    pub key: String,
}

/// What usually holds credentials, below the home directory.
pub const CREDENTIALS: &[&str] = &[
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".config/gcloud",
    ".config/gh",
    ".config/hub",
    ".config/git/credentials",
    ".config/containers/auth.json",
    ".config/op",
    ".docker/config.json",
    ".kube",
    ".netrc",
    ".npmrc",
    ".yarnrc.yml",
    ".pypirc",
    ".config/pip/pip.conf",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".m2/settings.xml",
    ".m2/settings-security.xml",
    ".gradle/gradle.properties",
    ".nuget/NuGet/NuGet.Config",
    ".composer/auth.json",
    ".git-credentials",
    ".terraform.d/credentials.tfrc.json",
    ".terraformrc",
    ".vault-token",
    ".password-store",
    ".local/share/keyrings",
    ".bash_history",
    ".zsh_history",
];

/// Token files of CI systems and clusters.
const MACHINE_CREDENTIALS: &[&str] = &[
    "/var/run/secrets",
    "/run/secrets",
    "/etc/kubernetes/admin.conf",
    "/etc/rancher/k3s/k3s.yaml",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/ssh/ssh_host_rsa_key",
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ed25519_key",
];

/// Variables that name files with credentials.
const CREDENTIAL_VARIABLES: &[&str] = &[
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AZURE_FEDERATED_TOKEN_FILE",
    "KUBECONFIG",
    "NETRC",
    "NPM_CONFIG_USERCONFIG",
    "GIT_ASKPASS",
    "DOCKER_CONFIG",
];

/// Variables that a step inherits in `prevent` when it names none: what tools need to find one another.
const ENVIRONMENT: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TMPDIR",
    "CI",
    "SOURCE_DATE_EPOCH",
    "CC",
    "CXX",
    "CPP",
    "LD",
    "AR",
    "AS",
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "MAKEFLAGS",
    "PKG_CONFIG_PATH",
    "JAVA_HOME",
    "MAVEN_OPTS",
    "GRADLE_OPTS",
    "GOPATH",
    "GOROOT",
    "GOFLAGS",
    "GOMODCACHE",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_*",
    "CARGO_INCREMENTAL",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "RUSTFLAGS",
    "NODE_OPTIONS",
    "NODE_ENV",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "DEBIAN_FRONTEND",
];

/// Variables that a sandboxed run inherits: what programs need to find one another, and to be read.
const SANDBOX_ENVIRONMENT: &[&str] =
    &["PATH", "HOME", "PWD", "TERM", "NO_COLOR", "LANG", "LANGUAGE", "LC_*", "TZ", "CI", "SOURCE_DATE_EPOCH"];

/// What else a sandboxed run does not read below the home directory.
const SANDBOX_CREDENTIALS: &[&str] =
    &[".config", ".local/share", ".gitconfig", ".mozilla", ".thunderbird", ".bashrc", ".profile", ".zshrc", ".netrc"];

impl GuardConfig {
    /// Reads and checks what can be checked without a machine.
    ///
    /// # Errors
    /// What cannot be used, and why.
    pub fn check(&self) -> Result<()> {
        self.places()?;
        self.tools()?;
        for output in self.outputs.iter().flatten() {
            if output.is_absolute() || output.components().any(|c| c == Component::ParentDir) {
                bail!("outputs: `{}` must be a directory in the tree", output.display());
            }
        }
        for (name, step) in &self.step {
            if !step.step.is_empty() {
                bail!("step.{name}: a step has no steps");
            }
            step.check().with_context(|| format!("step.{name}"))?;
        }
        Ok(())
    }

    /// The guard of one step.
    #[must_use]
    pub fn for_step(&self, step: &str) -> Self {
        let Some(own) = self.step.get(step) else { return Self { step: BTreeMap::new(), ..self.clone() } };
        let (own, all) = (own.clone(), self.clone());
        Self {
            mode: own.mode.or(all.mode),
            outputs: own.outputs.or(all.outputs),
            network: own.network.or(all.network),
            resolvers: own.resolvers.or(all.resolvers),
            environment: own.environment.or(all.environment),
            credentials: own.credentials.or(all.credentials),
            allow_credentials: own.allow_credentials.or(all.allow_credentials),
            private_temporary: own.private_temporary.or(all.private_temporary),
            tools: own.tools.or(all.tools),
            limits: own.limits.or(all.limits),
            cache: own.cache.or(all.cache),
            step: BTreeMap::new(),
        }
    }

    /// For what nobody has looked at yet: no network, no credentials, a handful of variables, temporary directories of its
    /// own, and nothing that a file in the tree could change about that.
    pub fn sandbox() -> Self {
        let names = |list: &[&str]| Some(list.iter().map(|name| (*name).to_owned()).collect());
        Self {
            mode: Some(Mode::Prevent),
            network: Some(NetworkConfig::Word("none".into())),
            environment: names(SANDBOX_ENVIRONMENT),
            credentials: names(SANDBOX_CREDENTIALS),
            private_temporary: Some(true),
            ..Self::default()
        }
    }

    /// For a run that is to show what it needs: nothing is refused, and every connection has a name.
    pub fn learns(&mut self) {
        self.mode = Some(Mode::Detect);
        self.tools = None;
        if self.network.as_ref().is_none_or(|network| matches!(network, NetworkConfig::Word(_))) {
            self.network = Some(NetworkConfig::Places(Vec::new()));
        }
    }

    /// Declared caches: where they lie (below the home directory with `~/`, else below the tree), and their keys.
    pub fn caches(&self, directory: &Path) -> Vec<(PathBuf, String)> {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let place = |text: &str| text.strip_prefix("~/").map_or_else(|| directory.join(text), |rest| home.join(rest));
        self.cache.iter().flatten().map(|cache| (place(&cache.path), cache.key.clone())).collect()
    }

    /// `prevent` or `detect`.
    pub fn mode_name(&self) -> &'static str {
        match self.mode.unwrap_or_default() {
            Mode::Detect => "detect",
            Mode::Prevent => "prevent",
        }
    }

    fn places(&self) -> Result<NetworkRule> {
        Ok(match &self.network {
            None => NetworkRule::Host,
            Some(NetworkConfig::Word(word)) => match word.as_str() {
                "host" => NetworkRule::Host,
                "none" => NetworkRule::None,
                other => bail!("network: `{other}` is none of \"host\", \"none\", or a list of places"),
            },
            Some(NetworkConfig::Places(places)) => NetworkRule::Allow(
                places
                    .iter()
                    .map(|place| match place {
                        PlaceConfig::Text(text) => Endpoint::parse(text).map_err(anyhow::Error::msg),
                        PlaceConfig::Table(table) => {
                            let mut endpoint = Endpoint::parse(&table.to).map_err(anyhow::Error::msg)?;
                            endpoint.by.clone_from(&table.by);
                            endpoint.any_protocol = match table.protocol.as_deref() {
                                None => false,
                                Some("any") => true,
                                Some(other) => bail!("`{}`: protocol `{other}`: only \"any\" can be said", table.to),
                            };
                            endpoint.private |= table.private;
                            Ok(endpoint)
                        }
                    })
                    .collect::<Result<_>>()
                    .context("network")?,
            ),
        })
    }

    fn tools(&self) -> Result<ToolRule> {
        let Some(tools) = &self.tools else { return Ok(ToolRule::default()) };
        let read = |list: &[String]| -> Result<Vec<Digest>> {
            list.iter()
                .map(|text| text.trim_start_matches("sha256:").parse().with_context(|| format!("tools: `{text}`")))
                .collect()
        };
        Ok(ToolRule { allow: read(&tools.allow)?, deny: read(&tools.deny)?, built: tools.built.unwrap_or(true) })
    }

    /// What it comes to for a tree on this machine. Outputs that are not there yet are made.
    ///
    /// # Errors
    /// A place that cannot be used.
    pub fn resolve(&self, directory: &Path) -> Result<Guard> {
        let mode = self.mode.unwrap_or_default();
        let prevents = mode == Mode::Prevent;
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let expand = |text: &str| match text.strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None if text.starts_with('/') => PathBuf::from(text),
            None => home.join(text),
        };
        let mut credentials: Vec<PathBuf> = CREDENTIALS.iter().map(|name| home.join(name)).collect();
        credentials.extend(MACHINE_CREDENTIALS.iter().map(PathBuf::from));
        credentials.extend(CREDENTIAL_VARIABLES.iter().filter_map(std::env::var_os).map(PathBuf::from));
        credentials.extend(self.credentials.iter().flatten().map(|text| expand(text)));
        let needed: Vec<PathBuf> = self.allow_credentials.iter().flatten().map(|text| expand(text)).collect();
        credentials.retain(|path| path.is_absolute() && !needed.iter().any(|needed| path.starts_with(needed)));
        // As the kernel will name them.
        let mut resolved: Vec<PathBuf> = credentials.iter().filter_map(|path| path.canonicalize().ok()).collect();
        resolved.extend(credentials);
        resolved.retain(|path| !directory.starts_with(path));
        resolved.sort();
        resolved.dedup();
        let (mut outputs, mut made) = (Vec::new(), Vec::new());
        for output in self.outputs.iter().flatten() {
            let path = directory.join(output);
            if prevents && !path.exists() {
                std::fs::create_dir_all(&path).with_context(|| format!("cannot make the output {}", path.display()))?;
                made.push(path.canonicalize()?);
            }
            let path = if path.exists() { path.canonicalize()? } else { path };
            if !path.starts_with(directory) {
                bail!("the output {} leads out of the tree", output.display());
            }
            outputs.push(path);
        }
        Ok(Guard {
            mode,
            // The tree itself as an output: all of it may be written.
            source: (self.outputs.is_some() && !outputs.iter().any(|output| output == directory))
                .then(|| directory.to_path_buf()),
            outputs,
            made,
            credentials: resolved,
            private_temporary: self.private_temporary.unwrap_or(prevents),
            environment: match (&self.environment, prevents) {
                (Some(list), _) => Some(list.clone()),
                (None, true) => Some(ENVIRONMENT.iter().map(|name| (*name).to_owned()).collect()),
                (None, false) => None,
            },
            network: self.places()?,
            tools: self.tools()?,
        })
    }

    /// The limits.
    pub fn limits(&self) -> ObserverLimits {
        let mut limits = ObserverLimits::default();
        if let Some(own) = &self.limits {
            limits.processes = own.processes.unwrap_or(limits.processes);
            limits.memory = own.memory.unwrap_or(0).saturating_mul(1 << 20);
            limits.open_files = own.open_files.unwrap_or(0);
            limits.files = own.files.unwrap_or(limits.files);
        }
        limits
    }
}
