//! A directory held by descriptor: whatever the command does to its path, what we read and write stays in it.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

/// A directory held by descriptor.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory.
    ///
    /// # Errors
    /// It cannot be opened, or is none.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let fd = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_DIRECTORY.bits() | OFlag::O_CLOEXEC.bits())
            .open(path)?
            .into();
        Ok(Self { fd, path: path.to_path_buf() })
    }

    /// A path that leads here through the descriptor, for as long as this lives.
    pub fn through(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.fd.as_raw_fd()))
    }

    /// True while its path still leads to it.
    pub fn is_in_place(&self) -> bool {
        let here = self.through().metadata().map(|m| (m.dev(), m.ino()));
        let there = self.path.symlink_metadata().map(|m| (m.dev(), m.ino()));
        matches!((here, there), (Ok(here), Ok(there)) if here == there)
    }

    /// Writes a file below it anew: beneath it and through no link, and never into what lies there already.
    ///
    /// # Errors
    /// A link on the way, or it cannot be written.
    pub fn write_new(&self, relative: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let name = relative.file_name().ok_or_else(|| std::io::Error::other("no file name"))?;
        let folder = relative.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let how = OpenHow::new()
            .flags(OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let folder = openat2(self.fd.as_fd(), folder, how)?;
        match unlinkat(&folder, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(nix::Error::ENOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file: File = openat(&folder, name, flags, Mode::from_bits_truncate(0o644))?.into();
        file.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_nowhere() {
        let folder = tempfile::tempdir().expect("folder");
        let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
        std::fs::create_dir_all(&root).expect("folder");
        std::fs::create_dir_all(&outside).expect("folder");
        std::fs::write(outside.join("key"), "key").expect("file");
        let held = Directory::open(&root).expect("opens");
        std::os::unix::fs::symlink(outside.join("key"), root.join("file")).expect("link");
        std::os::unix::fs::symlink(&outside, root.join("folder")).expect("link");
        held.write_new(Path::new("file"), b"new").expect("the link itself is replaced");
        assert_eq!(std::fs::read(outside.join("key")).expect("file"), b"key");
        assert!(held.write_new(Path::new("folder/key"), b"new").is_err());
        assert!(held.write_new(Path::new("../outside/key"), b"new").is_err());
        // The whole directory is replaced by a link.
        assert!(held.is_in_place());
        std::fs::rename(&root, folder.path().join("moved")).expect("moved");
        std::os::unix::fs::symlink(&outside, &root).expect("link");
        assert!(!held.is_in_place());
        held.write_new(Path::new("late"), b"x").expect("written");
        assert!(folder.path().join("moved/late").exists() && !outside.join("late").exists());
    }
}
