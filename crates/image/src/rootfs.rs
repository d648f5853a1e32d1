//! A directory that is a root file system: read beneath it, through no link, and on its file system alone.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, major, minor};
use provost_formats::layer::{Header, Kind};

use crate::error::Error;
use crate::limits::Limits;
use crate::name::join;
use crate::problem::{Problems, What, shown};

/// What is done with each entry, as if it were one of a tar file.
pub(crate) type Visit<'v> = dyn FnMut(Header, Option<&mut dyn Read>) -> ControlFlow<()> + 'v;

/// Walks a directory, in the order of names.
pub(crate) fn walk(root: &Path, limits: &Limits, problems: &mut Problems, visit: &mut Visit<'_>) -> Result<(), Error> {
    let failed = |error: nix::Error| Error::Read {
        what: shown(root.as_os_str().as_encoded_bytes()),
        source: io::Error::from(error),
    };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = nix::fcntl::open(root, flags, Mode::empty()).map_err(failed)?;
    let device = fstat(&directory).map_err(failed)?.st_dev;
    let mut walk = Walk { limits, problems, visit, device, names: HashMap::new() };
    let _ = walk.directory(directory, b"", 0);
    Ok(())
}

struct Walk<'w, 'v> {
    limits: &'w Limits,
    problems: &'w mut Problems,
    visit: &'w mut Visit<'v>,
    device: u64,
    /// Files with several names: the first.
    names: HashMap<u64, Vec<u8>>,
}

impl Walk<'_, '_> {
    fn directory(&mut self, directory: OwnedFd, path: &[u8], depth: usize) -> ControlFlow<()> {
        let gap = |walk: &mut Self, path: &[u8], error: nix::Error| {
            walk.problems.add(What::Gap, None, Some(path), format!("it cannot be read: {}", error.desc()));
            ControlFlow::Continue(())
        };
        if depth > self.limits.depth {
            self.problems.add(What::Gap, None, Some(path), "directories within one another beyond the limit");
            return ControlFlow::Continue(());
        }
        let mut listing = match directory.try_clone().map_err(|_| nix::Error::EMFILE).and_then(Dir::from_fd) {
            Ok(listing) => listing,
            Err(error) => return gap(self, path, error),
        };
        let mut names = Vec::new();
        for entry in listing.iter() {
            match entry {
                Ok(_) if names.len() > self.limits.entries => {
                    let why = format!("a directory of more than {} entries", self.limits.entries);
                    self.problems.add(What::Gap, None, Some(path), why);
                    break;
                }
                Ok(entry) => names.push(entry.file_name().to_owned()),
                Err(error) => {
                    let _ = gap(self, path, error);
                    break;
                }
            }
        }
        drop(listing);
        names.retain(|name| !matches!(name.to_bytes(), b"." | b".."));
        names.sort();
        for name in names {
            let path = join(path, name.to_bytes());
            let stat = match fstatat(&directory, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(error) => {
                    let _ = gap(self, &path, error);
                    continue;
                }
            };
            if stat.st_dev != self.device {
                self.problems.add(What::Gap, None, Some(&path), "another file system is mounted there: not read");
                continue;
            }
            let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
            let mut header = header(&path, &stat);
            match kind {
                SFlag::S_IFDIR => {
                    header.kind = Kind::Directory;
                    (self.visit)(header, None)?;
                    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                    match openat(&directory, name.as_c_str(), flags, Mode::empty()) {
                        Ok(next) => self.directory(next, &path, depth + 1)?,
                        Err(error) => {
                            let _ = gap(self, &path, error);
                        }
                    }
                }
                SFlag::S_IFLNK => match readlinkat(&directory, name.as_c_str()) {
                    Ok(target) => {
                        header.kind = Kind::Symlink;
                        header.link = target.as_bytes().to_vec();
                        (self.visit)(header, None)?;
                    }
                    Err(error) => {
                        let _ = gap(self, &path, error);
                    }
                },
                SFlag::S_IFREG => {
                    if stat.st_nlink > 1 {
                        if let Some(first) = self.names.get(&stat.st_ino) {
                            header.kind = Kind::HardLink;
                            header.link.clone_from(first);
                            (self.visit)(header, None)?;
                            continue;
                        }
                        self.names.insert(stat.st_ino, path.clone());
                    }
                    header.size = u64::try_from(stat.st_size).unwrap_or_default();
                    match open(directory.as_fd(), &name, &stat) {
                        Ok(file) => (self.visit)(header, Some(&mut file.take(stat.st_size.unsigned_abs())))?,
                        Err(error) => {
                            self.problems.add(What::Gap, None, Some(&path), format!("it cannot be read: {error}"));
                        }
                    }
                }
                other => {
                    header.kind = match other {
                        SFlag::S_IFCHR => Kind::Character,
                        SFlag::S_IFBLK => Kind::Block,
                        SFlag::S_IFIFO => Kind::Fifo,
                        _ => continue, // A socket: nothing can be read of it, and no image holds one.
                    };
                    (self.visit)(header, None)?;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// Opens a file, and makes sure that it is the one that was looked at.
fn open(directory: std::os::fd::BorrowedFd<'_>, name: &std::ffi::CStr, seen: &FileStat) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    if (stat.st_dev, stat.st_ino, stat.st_mode) != (seen.st_dev, seen.st_ino, seen.st_mode) {
        return Err(io::Error::other("it changed while it was read"));
    }
    Ok(File::from(file))
}

fn header(path: &[u8], stat: &FileStat) -> Header {
    let wide = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Header {
        name: path.to_vec(),
        link: Vec::new(),
        kind: Kind::File,
        flag: b'0',
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid.into(),
        gid: stat.st_gid.into(),
        modified: stat.st_mtime,
        size: 0,
        claimed: 0,
        device: (wide(major(stat.st_rdev)), wide(minor(stat.st_rdev))),
        capabilities: false,
        after_end: false,
        odd: Vec::new(),
    }
}
