//! Facts about where a step runs: measured by us where that can be, self-declared otherwise.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use provost_model::{Digest, EnvironmentFact, FactSource, Tool};
use serde::{Deserialize, Serialize};

/// Tools of common tool chains: those that are on the `PATH` are recorded by digest.
const TOOLS: &[&str] = &[
    "ar", "as", "bash", "cargo", "cc", "clang", "cmake", "dotnet", "g++", "gcc", "git", "go", "gradle", "java",
    "javac", "ld", "make", "meson", "mvn", "ninja", "node", "npm", "perl", "php", "pip", "pip3", "pnpm", "python3",
    "ruby", "rustc", "sh", "yarn",
];

fn measured(name: &str, value: impl Into<String>, basis: &str) -> EnvironmentFact {
    EnvironmentFact { name: name.into(), value: value.into(), source: FactSource::Measured, basis: basis.into() }
}

/// All facts but the CI system's.
pub fn facts() -> Vec<EnvironmentFact> {
    let mut facts = Vec::new();
    let os = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        os.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(|v| v.trim_matches('"').to_owned())
    };
    facts.push(measured(
        "operating-system",
        field("PRETTY_NAME").unwrap_or_else(|| "unknown".into()),
        "/etc/os-release",
    ));
    if let Ok(uname) = nix::sys::utsname::uname() {
        facts.push(measured(
            "kernel",
            format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
            "uname(2)",
        ));
        facts.push(measured("architecture", uname.machine().to_string_lossy(), "uname(2)"));
        facts.push(measured("host", uname.nodename().to_string_lossy(), "uname(2)"));
    }
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |u| u.name);
    facts.push(measured("user", user, "getuid(2)"));
    facts.push(measured("user-id", uid.to_string(), "getuid(2)"));
    let (container, basis) = container();
    facts.push(measured("container", container, basis));
    facts.push(measured("machine", machine(), "/sys/class/dmi/id, /proc/cpuinfo"));
    facts.push(measured("provost-version", env!("CARGO_PKG_VERSION"), "built in"));
    facts
}

fn container() -> (&'static str, &'static str) {
    if Path::new("/.dockerenv").exists() {
        return ("docker", "/.dockerenv");
    }
    if Path::new("/run/.containerenv").exists() {
        return ("podman", "/run/.containerenv");
    }
    if Path::new("/var/run/secrets/kubernetes.io").exists() {
        return ("kubernetes", "/var/run/secrets/kubernetes.io");
    }
    let cgroup = std::fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    for (word, name) in [("kubepods", "kubernetes"), ("docker", "docker"), ("lxc", "lxc"), ("libpod", "podman")] {
        if cgroup.contains(word) {
            return (name, "/proc/1/cgroup");
        }
    }
    ("none found", "/.dockerenv, /run/.containerenv, /proc/1/cgroup")
}

fn machine() -> String {
    let product = std::fs::read_to_string("/sys/class/dmi/id/product_name").unwrap_or_default();
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // One flag of the processor says whether a hypervisor runs below.
    let is_virtual =
        cpu.lines().find(|l| l.starts_with("flags")).is_some_and(|l| l.split_whitespace().any(|f| f == "hypervisor"));
    match (is_virtual, product.trim()) {
        (true, "") => "virtual machine".into(),
        (true, product) => format!("virtual machine ({product})"),
        (false, "") => "unknown".into(),
        (false, product) => product.to_owned(),
    }
}

/// The file that a command's name leads to on a `PATH`, as `execvp` looks for it.
pub fn find_program(name: &std::ffi::OsStr, path: &std::ffi::OsStr, directory: &Path) -> Option<PathBuf> {
    let runs = |p: &Path| p.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if name.as_bytes().contains(&b'/') {
        return Some(directory.join(name)).filter(|p| runs(p));
    }
    std::env::split_paths(path).map(|d| directory.join(d).join(name)).find(|p| runs(p))
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
struct Remembered {
    identity: [i128; 6],
    sha256: Digest,
}

/// Digests of tools, remembered between runs: hashing a tool chain of hundreds of megabytes at every step would cost
/// more than the step. The memory lies where the wrapped command cannot reach it.
pub struct ToolCache {
    path: PathBuf,
    known: BTreeMap<String, Remembered>,
    changed: bool,
}

impl ToolCache {
    /// Opens the memory; a damaged one is an empty one.
    pub fn open(path: PathBuf) -> Self {
        let known = std::fs::read(&path).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
        Self { path, known, changed: false }
    }

    /// A tool by its file.
    pub fn tool(&mut self, name: &str, path: &Path) -> Option<Tool> {
        let path = path.canonicalize().ok()?;
        let metadata = path.metadata().ok()?;
        let shown = path.to_string_lossy().into_owned();
        let identity = [
            metadata.dev().into(),
            metadata.ino().into(),
            metadata.size().into(),
            metadata.mode().into(),
            i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
            i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec()),
        ];
        if let Some(known) = self.known.get(&shown).filter(|k| k.identity == identity) {
            return Some(Tool { name: name.into(), path: shown, sha256: known.sha256, remembered: true });
        }
        let (sha256, _) = provost_trace::hash_file(&path).ok()?;
        // A file that was changed within the last second could change again without showing it.
        let age = std::time::SystemTime::now().duration_since(metadata.modified().ok()?).unwrap_or_default();
        if age.as_secs() >= 1 {
            self.known.insert(shown.clone(), Remembered { identity, sha256 });
            self.changed = true;
        }
        Some(Tool { name: name.into(), path: shown, sha256, remembered: false })
    }

    /// Every known tool on a `PATH`.
    pub fn on_path(&mut self, path: &std::ffi::OsStr, directory: &Path) -> Vec<Tool> {
        TOOLS
            .iter()
            .filter_map(|name| {
                let file = find_program(name.as_ref(), path, directory)?;
                self.tool(name, &file)
            })
            .collect()
    }

    /// Keeps what is new. A memory that cannot be written is no failure: it only saves time.
    pub fn save(&self) {
        if !self.changed {
            return;
        }
        let Some(parent) = self.path.parent() else { return };
        let _ = std::fs::create_dir_all(parent);
        let temporary = self.path.with_extension(format!("{}", std::process::id()));
        let bytes = serde_json::to_vec(&self.known).unwrap_or_default();
        if std::fs::write(&temporary, bytes).is_ok() {
            let _ = std::fs::rename(&temporary, &self.path);
        }
    }
}

/// The interpreter that a script names in its first line.
pub fn interpreter(path: &Path) -> Option<PathBuf> {
    use std::io::Read as _;
    let mut start = [0; 256];
    let got = std::fs::File::open(path).ok()?.read(&mut start).ok()?;
    let line = start[..got].split(|b| *b == b'\n').next()?.strip_prefix(b"#!")?;
    let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
    let first = words.next()?;
    if first.ends_with("/env") {
        let name = words.find(|w| !w.starts_with('-') && !w.contains('='))?;
        return find_program(name.as_ref(), &std::env::var_os("PATH")?, Path::new("/"));
    }
    Some(PathBuf::from(first))
}

/// The lockfiles that are known by name, with their ecosystem.
pub const LOCKFILES: &[(&str, &str)] = &[
    ("Cargo.lock", "cargo"),
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
    ("yarn.lock", "yarn"),
    ("pnpm-lock.yaml", "pnpm"),
    ("bun.lock", "bun"),
    ("poetry.lock", "poetry"),
    ("uv.lock", "uv"),
    ("pdm.lock", "pdm"),
    ("Pipfile.lock", "pipenv"),
    ("requirements.txt", "pip"),
    ("go.sum", "go"),
    ("gradle.lockfile", "gradle"),
    ("Gemfile.lock", "bundler"),
    ("composer.lock", "composer"),
    ("packages.lock.json", "nuget"),
    ("Package.resolved", "swift"),
    ("pubspec.lock", "pub"),
    ("mix.lock", "mix"),
    ("conan.lock", "conan"),
    ("flake.lock", "nix"),
];
