//! What checks and policies ask of an image: who it runs as, what it opens, what in it is dangerous, what it is built on.

use provost_formats::layer::Kind;
use provost_formats::oci::{Config, Reference};
use provost_model::{Digest, Timestamp, sha256};

use crate::image::Image;
use crate::tree::{Node, Tree};

/// Chain ids: one for each layer, a digest of it and all below (image-spec, config.md, layer ChainID). Two images with the
/// same chain id have the same layers up to there.
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            Some(below) => sha256(format!("sha256:{below} sha256:{diff_id}").as_bytes()),
            None => *diff_id,
        };
        chain.push(next);
    }
    chain
}

/// 1980-01-01: builds that leave times out write this one, or 1970's first second.
const EPOCH_OF_TAR: i64 = 315_532_800;

/// Whom a container runs as when nobody says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsAs {
    /// Root: no user is set, or root by number or name.
    Root,
    /// Another user.
    Other,
    /// A name that the image's `etc/passwd` does not know.
    Unknown,
}

/// Whom an image runs as: its `User` held against `etc/passwd` of its merged view, where that is at hand.
pub fn runs_as(config: &Config, passwd: Option<&[u8]>) -> RunsAs {
    let user = config.runtime.user.split(':').next().unwrap_or_default();
    if user.is_empty() {
        return RunsAs::Root;
    }
    // A name of digits is a number, unless a user has that very name.
    let by_name = passwd.and_then(|passwd| {
        passwd.split(|&b| b == b'\n').find_map(|line| {
            let mut fields = line.split(|&b| b == b':');
            (fields.next() == Some(user.as_bytes())).then(|| fields.nth(1).map(is_zero))
        })
    });
    match by_name.flatten() {
        Some(true) => RunsAs::Root,
        Some(false) => RunsAs::Other,
        None if is_zero(user.as_bytes()) || user == "root" => RunsAs::Root,
        None if user.bytes().all(|b| b.is_ascii_digit()) => RunsAs::Other,
        None => RunsAs::Unknown,
    }
}

fn is_zero(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(|&b| b == b'0')
}

/// A port that an image says it listens on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// The first, and for a range the last.
    pub numbers: (u16, u16),
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// The ports of a configuration; those that are no ports are left out.
pub fn ports(config: &Config) -> Vec<Port> {
    let port = |text: &String| {
        let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let known = ["tcp", "udp", "sctp"].into_iter().find(|known| known.eq_ignore_ascii_case(protocol))?;
        Some(Port { numbers: (first.parse().ok()?, last.parse().ok()?), protocol: known.to_owned() })
    };
    let mut ports: Vec<Port> = config.runtime.exposed_ports.iter().filter_map(port).collect();
    ports.sort();
    ports
}

/// Names of variables that say that their values are secret. The values are not looked at.
pub fn secret_variables(config: &Config) -> Vec<&str> {
    let name = |variable: &'_ String| variable.split('=').next().map(str::len).unwrap_or_default();
    let of = |variable: &'_ String| {
        let value = variable.get(name(variable) + 1..).unwrap_or_default();
        // A path names a file that holds the secret; that is the good way.
        !value.is_empty() && !value.starts_with('/') && says_secret(&variable[..name(variable)])
    };
    config.runtime.env.iter().filter(|variable| of(variable)).map(|variable| &variable[..name(variable)]).collect()
}

fn says_secret(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "PWD",
        "SECRET",
        "TOKEN",
        "APIKEY",
        "CREDENTIAL",
        "CREDENTIALS",
        "SECRETS",
        "PASS",
    ];
    const PAIRS: &[(&str, &str)] = &[
        ("API", "KEY"),
        ("PRIVATE", "KEY"),
        ("ACCESS", "KEY"),
        ("SECRET", "KEY"),
        ("ENCRYPTION", "KEY"),
        ("AUTH", "KEY"),
    ];
    let upper = name.to_ascii_uppercase();
    if matches!(upper.as_str(), "PWD" | "OLDPWD") || upper.ends_with("_FILE") || upper.ends_with("_PATH") {
        return false;
    }
    let words: Vec<&str> = upper.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.iter().any(|word| WORDS.contains(word) || word.ends_with("PASSWORD"))
        || words.windows(2).any(|pair| PAIRS.contains(&(pair[0], pair[1])))
}

/// Why a path of the merged file system deserves a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Danger {
    /// A file that runs as its owner, whoever starts it.
    Setuid,
    /// A file that runs with its group, whoever starts it.
    Setgid,
    /// A file with capabilities.
    Capabilities,
    /// A file that anyone may write.
    WritableFile,
    /// A directory that anyone may write, and in which anyone may remove what others put there: no sticky bit.
    WritableDirectory,
    /// A device node.
    Device,
}

/// Every path of the merged file system that deserves a look, in the order of paths.
pub fn dangers(tree: &Tree) -> impl Iterator<Item = (&[u8], &Node, Danger)> {
    tree.iter().flat_map(|(path, node)| dangers_of(node).map(move |danger| (path, node, danger)))
}

fn dangers_of(node: &Node) -> impl Iterator<Item = Danger> {
    let mode = |bits: u32| node.mode & bits != 0;
    let is_file = node.kind == Kind::File;
    let is_directory = node.kind == Kind::Directory;
    let is_device = matches!(node.kind, Kind::Character | Kind::Block);
    [
        (Danger::Setuid, is_file && mode(0o4000)),
        // Without execution for the group the bit means something else: mandatory locks.
        (Danger::Setgid, is_file && mode(0o2000) && mode(0o010)),
        (Danger::Capabilities, is_file && node.capabilities),
        (Danger::WritableFile, is_file && mode(0o002)),
        (Danger::WritableDirectory, is_directory && mode(0o002) && !mode(0o1000)),
        (Danger::Device, is_device),
    ]
    .into_iter()
    .filter_map(|(danger, is)| is.then_some(danger))
}

/// The image that this one says it is built on (image-spec, annotations.md, `org.opencontainers.image.base.*`). A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseClaim {
    /// Its name, when it is one.
    pub name: Option<Reference>,
    /// Digest of its manifest.
    pub digest: Option<Digest>,
}

impl Image {
    /// The chain ids of the layers, as the configuration says them; they are right once a walk gave no error.
    pub fn chain_ids(&self) -> Vec<Digest> {
        self.config.as_ref().map(|config| chain_ids(&config.diff_ids)).unwrap_or_default()
    }

    /// How many of the lowest layers are those of a known image: `known` tells for a chain id what image ends there. The
    /// largest such image counts; nothing that the image says of itself does.
    pub fn base<T>(&self, known: impl Fn(&Digest) -> Option<T>) -> Option<(usize, T)> {
        let chain = self.chain_ids();
        chain.iter().enumerate().rev().find_map(|(n, id)| known(id).map(|image| (n + 1, image)))
    }

    /// What it says it is built on.
    pub fn base_claim(&self) -> Option<BaseClaim> {
        let of = |key: &str| {
            let annotation = self.manifest.as_ref().and_then(|manifest| manifest.annotations.get(key));
            annotation.or_else(|| self.config.as_ref()?.runtime.labels.get(key))
        };
        let name = of("org.opencontainers.image.base.name").and_then(|name| name.parse().ok());
        let digest = of("org.opencontainers.image.base.digest").and_then(|digest| digest.parse().ok());
        (name.is_some() || digest.is_some()).then_some(BaseClaim { name, digest })
    }

    /// When each of its layers was made, as its history says: whoever made the image wrote that, and reproducible builds write
    /// times of their choice. Times before 1980 are such.
    pub fn layer_times(&self) -> Vec<Option<Timestamp>> {
        let history = self.config.iter().flat_map(|config| &config.history).filter(|step| !step.empty_layer);
        let mut times: Vec<_> = history.map(|step| step.created.filter(|time| time.seconds() > EPOCH_OF_TAR)).collect();
        // Where history and layers do not fit one another, nothing can be told.
        let layers = self.chain_ids().len();
        if times.len() != layers {
            times = vec![None; layers];
        }
        times
    }

    /// The commands of its history, the oldest first. They may hold the values of build arguments.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        let history = self.config.iter().flat_map(|config| &config.history);
        history.map(|step| step.created_by.as_str()).filter(|command| !command.is_empty())
    }
}
