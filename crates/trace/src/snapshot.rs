//! The file tree at one moment: every selected file with its digest, and honest words where there is none.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use provost_model::{Digest, FileEntry, FileKind, FileName, FileSet, Hasher, sha256};
use rayon::prelude::*;

use crate::observe::Remembered;
use crate::{Limits, TraceError};

/// A file's timestamps are only as fine as the kernel's clock tick. One that changed this shortly before it was read
/// may change again without showing it, so it is read again instead of trusted.
const TICK: i128 = 50_000_000;

/// Which files of a tree take part: gitignore-style globs, relative to the tree's root.
#[derive(Debug)]
pub struct Selection {
    include: Option<Gitignore>,
    exclude: Gitignore,
    globs: Vec<String>,
}

impl Selection {
    /// Takes all files that match an `include` glob (all, when there is none) and no `exclude` glob.
    ///
    /// # Errors
    /// A glob that cannot be read.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, TraceError> {
        let build = |globs: &[String]| {
            // The matcher is rooted at `/`: paths are handed to it relative to the tree.
            let mut builder = GitignoreBuilder::new("");
            for glob in globs {
                builder
                    .add_line(None, glob)
                    .map_err(|e| TraceError::Glob { glob: glob.clone(), why: e.to_string() })?;
            }
            builder.build().map_err(|e| TraceError::Glob { glob: globs.join(" "), why: e.to_string() })
        };
        let mut globs = include.to_vec();
        globs.extend(exclude.iter().map(|glob| format!("!{glob}")));
        let include = if include.is_empty() { None } else { Some(build(include)?) };
        Ok(Self { include, exclude: build(exclude)?, globs })
    }

    /// The globs, excluded ones with a `!` before them.
    pub fn globs(&self) -> &[String] {
        &self.globs
    }

    fn excludes(&self, path: &Path, is_dir: bool) -> bool {
        self.exclude.matched(path, is_dir).is_ignore()
    }

    /// True when the file takes part.
    pub fn takes(&self, path: &Path) -> bool {
        !self.exclude.matched_path_or_any_parents(path, false).is_ignore()
            && self.include.as_ref().is_none_or(|i| i.matched_path_or_any_parents(path, false).is_ignore())
    }
}

/// What tells a file from another, and a content from a later one, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    mode: u32,
    modified: i128,
    changed: i128,
}

impl Identity {
    /// What a write changes: a new inode, size or modification time.
    fn written(&self) -> (u64, u64, u64, i128) {
        (self.device, self.inode, self.size, self.modified)
    }

    /// The digest that the observer took of the file as it is.
    fn find(&self, observed: &HashMap<(u64, u64), &Remembered>, metadata: &Metadata) -> Option<Digest> {
        let known = observed.get(&(self.device, self.inode))?;
        let same = metadata.is_file()
            && i64::try_from(self.size) == Ok(known.size)
            && (metadata.mtime(), metadata.mtime_nsec()) == known.modified
            && (metadata.ctime(), metadata.ctime_nsec()) == known.changed;
        same.then_some(known.digest)
    }

    fn of(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mode: metadata.mode(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[derive(Debug, Clone)]
struct Seen {
    entry: FileEntry,
    identity: Identity,
    /// True when an unchanged identity later means unchanged content.
    settled: bool,
    /// False when the file's content was not asked for.
    hashed: bool,
}

/// The tree at one moment.
#[derive(Debug)]
pub struct Snapshot {
    files: BTreeMap<Vec<u8>, Seen>,
    not_listed: Vec<String>,
}

impl Snapshot {
    /// Records the tree: all files of `selection`, hashing those that `hashed` takes. A file whose identity (device,
    /// inode, size, mode, modification and change time) is that of `earlier` is not read again, nor one whose digest the
    /// observer took (`observed`) and that has not changed since. `progress` is told the files and bytes done so far.
    ///
    /// # Errors
    /// The root cannot be opened, or the tree is over [`Limits::FILES`]. Anything smaller is stated in the entries.
    pub fn take(
        root: &Path,
        selection: &Selection,
        hashed: &Selection,
        earlier: Option<&Self>,
        observed: &[Remembered],
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self, TraceError> {
        let observed: HashMap<(u64, u64), &Remembered> = observed.iter().map(|known| (known.inode, known)).collect();
        let failed = |source| TraceError::Io { action: "open the directory", path: root.to_path_buf(), source };
        let directory: OwnedFd = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_DIRECTORY.bits() | OFlag::O_CLOEXEC.bits())
            .open(root)
            .map_err(failed)?
            .into();
        let mut walk = Walk { selection, found: Vec::new(), not_listed: Vec::new() };
        walk.directory(root, Path::new(""), 0)?;
        let (files, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let seen: Vec<(Vec<u8>, Option<Seen>)> = walk
            .found
            .into_par_iter()
            .with_min_len(32)
            .map(|(path, metadata)| {
                let name = path.as_os_str().as_bytes().to_vec();
                let identity = Identity::of(&metadata);
                let known = earlier.and_then(|e| e.files.get(&name)).filter(|k| k.settled && k.identity == identity);
                let seen = match known {
                    Some(known) => Some(known.clone()),
                    None if metadata.is_file() && !hashed.takes(&path) => Some(unread(&path, identity)),
                    None if let Some(known) = identity.find(&observed, &metadata) => {
                        Some(read_before(&path, identity, known))
                    }
                    None => look(&directory, root, &path, &metadata),
                };
                let done = files.fetch_add(1, Ordering::Relaxed) + 1;
                let size = bytes.fetch_add(metadata.size(), Ordering::Relaxed) + metadata.size();
                if done.is_multiple_of(256) {
                    progress(done, size);
                }
                (name, seen)
            })
            .collect();
        let files = seen.into_iter().filter_map(|(name, seen)| Some((name, seen?))).collect();
        walk.not_listed.sort();
        Ok(Self { files, not_listed: walk.not_listed })
    }

    /// The files that a selection takes, as a list for evidence.
    pub fn to_set(&self, selection: &Selection) -> FileSet {
        let entries = self
            .files
            .iter()
            .filter(|(name, _)| selection.takes(&path_of(name)))
            .map(|(_, seen)| seen.entry.clone())
            .collect();
        FileSet { entries, not_listed: self.not_listed.clone() }
    }

    /// What is new or has other content in `later`, and the names of what is gone.
    pub fn changes(&self, later: &Self, selection: &Selection) -> (FileSet, Vec<FileName>) {
        let differs = |name: &Vec<u8>, seen: &Seen| match self.files.get(name) {
            None => true,
            // A file that was written again is made by this run, also when its content came out the same.
            Some(before) => {
                before.entry != seen.entry && before.hashed || before.identity.written() != seen.identity.written()
            }
        };
        let entries = later
            .files
            .iter()
            .filter(|(name, seen)| differs(name, seen) && selection.takes(&path_of(name)))
            .map(|(_, seen)| seen.entry.clone())
            .collect();
        let deleted = self
            .files
            .iter()
            .filter(|(name, _)| !later.files.contains_key(*name))
            .map(|(_, seen)| seen.entry.name.clone())
            .collect();
        (FileSet { entries, not_listed: later.not_listed.clone() }, deleted)
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// True when there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()))
}

struct Walk<'a> {
    selection: &'a Selection,
    found: Vec<(PathBuf, Metadata)>,
    not_listed: Vec<String>,
}

impl Walk<'_> {
    fn directory(&mut self, root: &Path, relative: &Path, depth: usize) -> Result<(), TraceError> {
        let shown = || FileName::from_bytes(relative.as_os_str().as_bytes()).text;
        if depth > Limits::DEPTH {
            self.not_listed.push(format!("{}: nested deeper than {}", shown(), Limits::DEPTH));
            return Ok(());
        }
        let entries = match std::fs::read_dir(root.join(relative)) {
            Ok(entries) => entries,
            Err(source) if depth == 0 => {
                return Err(TraceError::Io { action: "list", path: root.to_path_buf(), source });
            }
            Err(error) => {
                self.not_listed.push(format!("{}: {error}", shown()));
                return Ok(());
            }
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.not_listed.push(format!("{}: {error}", shown()));
                    break;
                }
            };
            let path = relative.join(entry.file_name());
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if self.selection.excludes(&path, is_dir) {
                continue;
            }
            if is_dir {
                self.directory(root, &path, depth + 1)?;
            } else if self.selection.takes(&path) {
                // A file that is gone between listing and looking was not there.
                let Ok(metadata) = entry.metadata() else { continue };
                self.found.push((path, metadata));
                if self.found.len() > Limits::FILES {
                    return Err(TraceError::TooLarge(format!(
                        "the tree {} has more than {} files: exclude some with `[materials] exclude`",
                        root.display(),
                        Limits::FILES
                    )));
                }
            }
        }
        Ok(())
    }
}

/// A file whose content nobody asked for: only its identity is kept, to see later whether it was touched.
fn unread(path: &Path, identity: Identity) -> Seen {
    let entry = FileEntry {
        name: FileName::from_bytes(path.as_os_str().as_bytes()),
        kind: FileKind::File,
        size: identity.size,
        digest: None,
        executable: identity.mode & 0o111 != 0,
        target: None,
        problem: Some("not hashed: the selection leaves it out".into()),
    };
    Seen { entry, identity, settled: true, hashed: false }
}

/// A file whose digest is known.
fn read_before(path: &Path, identity: Identity, digest: Digest) -> Seen {
    let entry = FileEntry {
        name: FileName::from_bytes(path.as_os_str().as_bytes()),
        kind: FileKind::File,
        size: identity.size,
        digest: Some(digest),
        executable: identity.mode & 0o111 != 0,
        target: None,
        problem: None,
    };
    Seen { entry, identity, settled: true, hashed: true }
}

/// Looks at one file; `None` when it is gone.
fn look(directory: &OwnedFd, root: &Path, path: &Path, metadata: &Metadata) -> Option<Seen> {
    let mut entry = FileEntry {
        name: FileName::from_bytes(path.as_os_str().as_bytes()),
        kind: FileKind::File,
        size: 0,
        digest: None,
        executable: false,
        target: None,
        problem: None,
    };
    let kind = metadata.file_type();
    let mut identity = Identity::of(metadata);
    let mut settled = true;
    if kind.is_symlink() {
        entry.kind = FileKind::Symlink;
        match std::fs::read_link(root.join(path)) {
            Ok(target) => {
                let bytes = target.as_os_str().as_bytes();
                entry.digest = Some(sha256(bytes));
                entry.target = Some(FileName::from_bytes(bytes));
                if leaves_tree(path, &target) {
                    entry.problem = Some("the link leads out of the tree; what it leads to is not recorded".into());
                }
            }
            Err(error) => entry.problem = Some(format!("the link cannot be read: {error}")),
        }
    } else if kind.is_file() {
        entry.executable = metadata.permissions().mode() & 0o111 != 0;
        match read_stable(directory, path) {
            Ok(Read { digest, identity: found, problem, settled: is_settled }) => {
                entry.size = found.size;
                entry.digest = digest;
                entry.problem = problem;
                identity = found;
                settled = is_settled;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                entry.size = metadata.size();
                entry.problem = Some(format!("it cannot be read: {error}"));
            }
        }
    } else {
        entry.kind = if kind.is_socket() {
            FileKind::Socket
        } else if kind.is_fifo() {
            FileKind::Fifo
        } else {
            FileKind::Device
        };
        entry.problem = Some("not a regular file: it was not opened".into());
    }
    Some(Seen { entry, identity, settled, hashed: true })
}

/// True when a link at `path` leads out of the tree, judged by its text alone.
fn leaves_tree(path: &Path, target: &Path) -> bool {
    if target.is_absolute() {
        return true;
    }
    let mut depth = path.parent().map_or(0, |p| p.components().count());
    for part in target.components() {
        match part {
            std::path::Component::ParentDir => {
                if depth == 0 {
                    return true;
                }
                depth -= 1;
            }
            std::path::Component::Normal(_) => depth += 1,
            _ => {}
        }
    }
    false
}

struct Read {
    digest: Option<Digest>,
    identity: Identity,
    problem: Option<String>,
    settled: bool,
}

/// Hashes a file through one descriptor, and again if it changed meanwhile.
fn read_stable(directory: &OwnedFd, path: &Path) -> std::io::Result<Read> {
    for attempt in 1..=Limits::ATTEMPTS {
        // Beneath the root and through no link, whatever was swapped since the listing; a pipe does not block us.
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let mut file: File = openat2(directory.as_fd(), path, how)?.into();
        let before = file.metadata()?;
        let identity = Identity::of(&before);
        let opened = now();
        if !before.is_file() {
            let problem = Some("it was replaced by something that is no regular file".to_owned());
            return Ok(Read { digest: None, identity, problem, settled: false });
        }
        if before.size() > Limits::FILE {
            let problem = Some(format!("not hashed: larger than {} bytes", Limits::FILE));
            return Ok(Read { digest: None, identity, problem, settled: false });
        }
        let digest = hash(&mut file, before.size())?;
        let settled = identity.changed.max(identity.modified) + TICK < opened;
        if Identity::of(&file.metadata()?) == identity {
            return Ok(Read { digest: Some(digest), identity, problem: None, settled });
        }
        if attempt == Limits::ATTEMPTS {
            let problem = Some("it changed while it was read; the digest is of what was read".to_owned());
            return Ok(Read { digest: Some(digest), identity, problem, settled: false });
        }
    }
    Err(std::io::Error::other("not reached"))
}

/// SHA-256 of a file by path, following links: for tools and artifacts that a person names.
///
/// # Errors
/// It cannot be opened or read, or it is no regular file.
pub fn hash_file(path: &Path) -> std::io::Result<(Digest, u64)> {
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits() | OFlag::O_NOCTTY.bits())
        .open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(std::io::Error::new(std::io::ErrorKind::IsADirectory, "it is a directory"));
    }
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    Ok((hash(&mut file, metadata.size())?, metadata.size()))
}

fn hash(file: &mut File, size: u64) -> std::io::Result<Digest> {
    let mut hasher = Hasher::new();
    // Small files are read in one call; one byte more than expected shows the end without another call.
    let capacity = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1).clamp(512, 256 * 1024);
    let mut buffer = vec![0; capacity];
    loop {
        let got = match file.read(&mut buffer) {
            Ok(got) => got,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..got]);
        if got == 0 || (got < buffer.len() && got as u64 == size) {
            return Ok(hasher.finish());
        }
    }
}

/// True when times are older than their grain now, nanoseconds since 1970.
pub(crate) fn is_settled(latest: i128) -> bool {
    latest + TICK < now()
}

fn now() -> i128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| i128::try_from(d.as_nanos()).unwrap_or(0))
}
