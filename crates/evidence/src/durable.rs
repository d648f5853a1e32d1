//! Files that are there whole or not at all, also after a power cut.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{Flock, FlockArg};

use crate::{EvidenceError, Limits, fault};

/// Makes a directory and its parents, for the owner alone.
pub(crate) fn make_dir(path: &Path) -> Result<(), EvidenceError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| EvidenceError::io("make the directory", path, e))
}

/// Has the lock at `path` (flock(2)) for this process alone, as soon as nobody else holds it; the file is made if need be.
/// Whoever holds it and asks for it again waits for ever.
///
/// # Errors
/// The file cannot be opened or locked.
pub fn lock(path: &Path) -> Result<Flock<File>, EvidenceError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| EvidenceError::io("open the lock", path, e))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| EvidenceError::io("lock", path, std::io::Error::from(errno)))
}

/// Writes files below a root: each to a temporary file, synced, renamed into place; then every directory touched is
/// synced once. The caller orders calls so that what commits comes last.
pub(crate) struct Writer<'a> {
    root: &'a Path,
    directories: Vec<PathBuf>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(root: &'a Path) -> Self {
        Self { root, directories: Vec::new() }
    }

    pub(crate) fn write(&mut self, relative: &str, bytes: &[u8]) -> Result<(), EvidenceError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let path = self.root.join(relative);
        let parent = path.parent().unwrap_or(self.root).to_path_buf();
        if !parent.is_dir() {
            make_dir(&parent)?;
            // A new directory's own name must be durable as well.
            let mut above = parent.parent();
            while let Some(directory) = above.filter(|d| d.starts_with(self.root)) {
                self.touch(directory.to_path_buf());
                above = directory.parent();
            }
        }
        let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
        let temporary = self.root.join("tmp").join(format!("{}.{unique}", std::process::id()));
        let result = self.write_and_rename(&temporary, &path, bytes);
        if result.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        result?;
        self.touch(parent);
        Ok(())
    }

    fn write_and_rename(&self, temporary: &Path, path: &Path, bytes: &[u8]) -> Result<(), EvidenceError> {
        let failed = |e| EvidenceError::io("write", path, e);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary).map_err(failed)?;
        fault::point("temporary file made");
        let half = bytes.len() / 2;
        file.write_all(&bytes[..half]).map_err(failed)?;
        fault::point("half written");
        file.write_all(&bytes[half..]).map_err(failed)?;
        fault::point("written");
        file.sync_all().map_err(failed)?;
        fault::point("synced");
        std::fs::rename(temporary, path).map_err(failed)?;
        fault::point("renamed");
        Ok(())
    }

    fn touch(&mut self, directory: PathBuf) {
        if !self.directories.contains(&directory) {
            self.directories.push(directory);
        }
    }

    /// Syncs every directory that was touched.
    pub(crate) fn sync(&mut self) -> Result<(), EvidenceError> {
        for directory in self.directories.drain(..) {
            File::open(&directory)
                .and_then(|d| d.sync_all())
                .map_err(|e| EvidenceError::io("sync the directory", &directory, e))?;
            fault::point("directory synced");
        }
        Ok(())
    }
}

/// Reads a whole file, within the limit.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, EvidenceError> {
    let failed = |e| EvidenceError::io("read", path, e);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let got = file.take(Limits::FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if got as u64 > Limits::FILE {
        return Err(EvidenceError::TooLarge(format!("{} is over {} bytes", path.display(), Limits::FILE)));
    }
    Ok(bytes)
}

/// As [`read`], `None` where there is no such file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, EvidenceError> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(EvidenceError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
