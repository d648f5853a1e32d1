//! What a run may do: the guard as it is configured, and the rules that the supervisor asks.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::PathBuf;

use provost_model::{Digest, Permission, Use};
use serde::{Deserialize, Serialize};

use super::record::Record;

/// Whether what is not allowed is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is recorded and let through.
    #[default]
    Detect,
    /// It is refused, and the step fails.
    Prevent,
}

/// What a run may do. All paths are absolute and without links.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Guard {
    /// Whether what is not allowed is refused.
    pub mode: Mode,
    /// The source tree, when only `outputs` in it may be written.
    pub source: Option<PathBuf>,
    /// What may be written in the source tree.
    pub outputs: Vec<PathBuf>,
    /// Those of them that were not there, and are now only because they are outputs.
    pub made: Vec<PathBuf>,
    /// Files and directories that hold credentials: hidden in `prevent`, reported when they are opened in `detect`.
    pub credentials: Vec<PathBuf>,
    /// The run gets temporary directories of its own.
    pub private_temporary: bool,
    /// Variables that the command inherits; all but the supervisor's own when absent.
    pub environment: Option<Vec<String>>,
    /// Where it may connect.
    pub network: NetworkRule,
    /// What it may execute.
    pub tools: ToolRule,
}

/// Where a run may connect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkRule {
    /// Wherever the host may: connections are recorded only.
    #[default]
    Host,
    /// Nowhere but its own loopback.
    None,
    /// To these; names are resolved by the supervisor.
    Allow(Vec<Endpoint>),
}

/// One place on the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// A name, `*.` before it for all names below it; or an address.
    pub host: String,
    /// Port; any when absent.
    pub port: Option<u16>,
    /// Only programs at this path.
    pub by: Option<String>,
    /// What is spoken there need not be TLS or HTTP for this name.
    pub any_protocol: bool,
    /// It may lead to private, link-local and loopback addresses.
    pub private: bool,
}

impl Endpoint {
    /// From `host`, `host:port`, `address:port` or `[address]:port`.
    ///
    /// # Errors
    /// What cannot be read, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err(format!("`{text}`: a socket file is named by its whole path"));
            }
            return Ok(Self { host: text.to_owned(), port: None, by: None, any_protocol: true, private: true });
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(|| format!("`{text}`: `]` is missing"))?;
            (host, rest.strip_prefix(':'))
        } else {
            match text.rsplit_once(':') {
                Some((host, port)) if !host.contains(':') => (host, Some(port)),
                _ => (text, None),
            }
        };
        let port = match port {
            None | Some("*") => None,
            Some(port) => Some(port.parse().map_err(|_| format!("`{text}`: `{port}` is no port"))?),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let name = host.strip_prefix("*.").unwrap_or(&host);
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if host.parse::<IpAddr>().is_err() && (name.is_empty() || !name.bytes().all(plain) || name.contains("..")) {
            return Err(format!(
                "`{text}`: `{host}` is neither a name nor an address; `*` may stand for the first part only"
            ));
        }
        // An address that is written down is meant, private or not.
        let private = host.parse::<IpAddr>().is_ok();
        Ok(Self { host, port, by: None, any_protocol: false, private })
    }

    /// True when this is a rule about names.
    pub fn is_name(&self) -> bool {
        !self.host.starts_with("unix:") && self.host.parse::<IpAddr>().is_err()
    }

    /// True when the name is this one, or below it.
    pub fn covers_name(&self, name: &str) -> bool {
        match self.host.strip_prefix("*.") {
            Some(above) => name.strip_suffix(above).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            None => self.host == name,
        }
    }
}

/// What a run may execute.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToolRule {
    /// Only these; everything when empty.
    pub allow: Vec<Digest>,
    /// Never these: neither executed nor opened.
    pub deny: Vec<Digest>,
    /// What the run built itself may be executed too.
    pub built: bool,
}

/// The guard, ready to be asked.
pub(crate) struct Rules {
    pub(crate) guard: Guard,
    allow: HashSet<Digest>,
    deny: HashSet<Digest>,
    source: Option<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
    credentials: Vec<Vec<u8>>,
}

impl Rules {
    pub(crate) fn new(guard: Guard) -> Self {
        Self {
            allow: guard.tools.allow.iter().copied().collect(),
            deny: guard.tools.deny.iter().copied().collect(),
            source: guard.source.as_deref().map(plain),
            outputs: guard.outputs.iter().map(|path| plain(path)).collect(),
            credentials: guard.credentials.iter().map(|path| plain(path)).collect(),
            guard,
        }
    }

    pub(crate) fn prevents(&self) -> bool {
        self.guard.mode == Mode::Prevent
    }

    pub(crate) fn refused_in_prevent(&self) -> Permission {
        if self.prevents() { Permission::Refused } else { Permission::Allowed }
    }

    pub(crate) fn judges_tools(&self) -> bool {
        !self.allow.is_empty() || !self.deny.is_empty()
    }

    /// True when a socket file is named in the network list, as `unix:/path`.
    pub(crate) fn allows_socket(&self, path: &str) -> bool {
        let NetworkRule::Allow(rules) = &self.guard.network else { return false };
        rules.iter().any(|rule| rule.host.strip_prefix("unix:") == Some(path))
    }

    pub(crate) fn is_denied(&self, digest: &Digest) -> bool {
        self.deny.contains(digest)
    }

    /// Why a program may not be executed.
    pub(crate) fn program(&self, path: &[u8], digest: Option<&Digest>, record: &Record) -> Option<&'static str> {
        let Some(digest) = digest else {
            return self
                .judges_tools()
                .then_some("its content could not be read, so it is not known which program it is");
        };
        if self.deny.contains(digest) {
            return Some("its content is denied");
        }
        if self.allow.is_empty() || self.allow.contains(digest) {
            return None;
        }
        if self.guard.tools.built && record.was_built(path) {
            return None;
        }
        Some("its content is not among those that may be executed")
    }

    /// What a path means to the policy: the kind of violation and its words.
    pub(crate) fn path(&self, name: &[u8], kind: Use) -> Option<(&'static str, String)> {
        use std::os::unix::ffi::OsStrExt as _;
        let text = || String::from_utf8_lossy(name).into_owned();
        let tidied;
        let name = if is_plain(name) {
            name
        } else {
            tidied = plain(std::path::Path::new(std::ffi::OsStr::from_bytes(name)));
            tidied.as_slice()
        };
        if kind >= Use::Changed
            && let Some(source) = &self.source
            && lies_in(name, source)
            && !self.outputs.iter().any(|output| lies_in(name, output))
        {
            return Some(("source-write", text()));
        }
        // Having it is no secret, its content is.
        if kind != Use::Listed && self.credentials.iter().any(|secret| lies_in(name, secret)) {
            return Some(("credential", text()));
        }
        None
    }
}

/// True for a path that [`plain`] would leave as it is.
fn is_plain(name: &[u8]) -> bool {
    let has = |part: &[u8]| name.windows(part.len()).any(|there| there == part);
    !has(b"//") && !has(b"/./") && !name.ends_with(b"/") && !name.ends_with(b"/.")
}

/// A path as the kernel writes it: without `.`, double slashes and one at its end.
fn plain(path: &std::path::Path) -> Vec<u8> {
    let tidied: std::path::PathBuf = path.components().collect();
    tidied.into_os_string().into_encoded_bytes()
}

/// True for a path and everything below it; both as the kernel writes them.
fn lies_in(name: &[u8], folder: &[u8]) -> bool {
    let below = |rest: &[u8]| rest.is_empty() || rest[0] == b'/' || folder == b"/";
    name.strip_prefix(folder).is_some_and(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_by_their_components() {
        let rules = Rules::new(Guard {
            source: Some("/src/./project/".into()),
            outputs: vec!["/src/project/target".into()],
            credentials: vec!["/home/u/.ssh".into(), "/home/u/.netrc".into()],
            ..Guard::default()
        });
        let read = |name: &str| rules.path(name.as_bytes(), Use::Read).map(|found| found.0);
        let written = |name: &str| rules.path(name.as_bytes(), Use::Written).map(|found| found.0);
        for secret in ["/home/u/.ssh", "/home/u/.ssh/id", "/home/u//.ssh/./id", "/home/./u/.netrc", "/home/u/.ssh/"] {
            assert_eq!(read(secret), Some("credential"), "{secret}");
        }
        for other in ["/home/u/.sshd", "/home/u/.netrc2", "/home/u", "/home/u/x.ssh", "home/u/.ssh"] {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(rules.path(b"/home/u/.ssh", Use::Listed), None);
        assert_eq!(written("/src/project/main.c"), Some("source-write"));
        assert_eq!(written("/src//project/a"), Some("source-write"));
        assert_eq!(written("/src/project/target/a"), None);
        assert_eq!(written("/src/project2/a"), None);
        assert_eq!(read("/src/project/main.c"), None);
        let root = Rules::new(Guard { credentials: vec!["/".into()], ..Guard::default() });
        assert!(root.path(b"/etc/passwd", Use::Read).is_some());
    }

    #[test]
    fn endpoints_are_read() {
        let read = |text: &str| Endpoint::parse(text).map(|e| (e.host, e.port));
        assert_eq!(read("crates.io:443"), Ok(("crates.io".into(), Some(443))));
        assert_eq!(read("*.Crates.IO."), Ok(("*.crates.io".into(), None)));
        assert_eq!(read("[::1]:80"), Ok(("::1".into(), Some(80))));
        assert_eq!(read("10.0.0.5:5432"), Ok(("10.0.0.5".into(), Some(5432))));
        assert!(read("*").is_err() && read("a..b").is_err() && read("a:70000").is_err() && read("a*b.c").is_err());
    }

    #[test]
    fn a_star_covers_names_below_and_nothing_else() {
        let star = Endpoint::parse("*.crates.io").expect("parses");
        assert!(star.covers_name("static.crates.io") && star.covers_name("a.b.crates.io"));
        assert!(
            !star.covers_name("crates.io") && !star.covers_name("evilcrates.io") && !star.covers_name(".crates.io")
        );
    }
}
