//! Opening files for the observed processes: the supervisor opens, looks, digests, and hands the descriptor over. What
//! was judged is what is used, whatever happens to the path meanwhile.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::libc;
use provost_model::{Permission, Use};

use super::notify::{Notifier, Place, Reply, Resolved};
use super::sys::{self, Notification};
use super::tracee::{read_exact, read_path};

/// Links that lead into another process's hands (`/proc/self/fd/3`) mean the supervisor's when the supervisor follows
/// them: they are walked by hand instead.
const NO_MAGIC: u64 = 0x02; // RESOLVE_NO_MAGICLINKS

const ACCESS: i32 = libc::O_ACCMODE;

/// One call to open a file.
struct Wanted {
    id: u64,
    tid: i32,
    tgid: i32,
    process: u32,
    flags: i32,
    mode: u32,
    resolve: u64,
}

impl Notifier {
    /// `openat2`: its structure, then as any other.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn open_how(
        &mut self,
        n: &Notification,
        tid: i32,
        tgid: i32,
        dirfd: i32,
        path: u64,
        how: u64,
        size: u64,
    ) -> Reply {
        if size != 24 {
            // An unknown, later form: programs fall back to `openat`.
            return Reply::Done(Err(Errno::ENOSYS));
        }
        let Ok(how) = read_exact(tid, how, 24) else { return Reply::Done(Err(Errno::EFAULT)) };
        let word = |at: usize| {
            let mut bytes = [0_u8; 8];
            bytes.copy_from_slice(&how[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let (Ok(flags), Ok(mode)) = (u32::try_from(word(0)), u32::try_from(word(8))) else {
            return Reply::Done(Err(Errno::EINVAL));
        };
        self.open(n, tid, tgid, dirfd, path, flags.cast_signed(), mode, word(16))
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn open(
        &mut self,
        n: &Notification,
        tid: i32,
        tgid: i32,
        dirfd: i32,
        path: u64,
        flags: i32,
        mode: u32,
        resolve: u64,
    ) -> Reply {
        let path = match read_path(tid, path) {
            Ok(path) => path,
            Err(errno) => return self.failed(errno),
        };
        if path.is_empty() {
            return self.failed(Errno::ENOENT);
        }
        let process = self.id_of(tgid);
        if self.is_foreign(tgid) || flags & libc::O_PATH != 0 || path.as_bytes() == b"/dev/tty" {
            return self.left_to_kernel(tid, tgid, dirfd, &path, flags);
        }
        let base = if path.as_bytes()[0] == b'/' && resolve & 0x18 == 0 {
            None
        } else {
            match self.base(tid, tgid, dirfd) {
                Ok(base) => Some(base),
                Err(errno) => return self.failed(errno),
            }
        };
        let wanted = Wanted { id: n.id, tid, tgid, process, flags, mode, resolve };
        self.open_here(&wanted, base.as_ref(), &path)
    }

    fn open_here(&mut self, wanted: &Wanted, base: Option<&Arc<Place>>, path: &CStr) -> Reply {
        let makes = wanted.flags & (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) != 0;
        let writes = wanted.flags & ACCESS != libc::O_RDONLY || wanted.flags & libc::O_TRUNC != 0;
        if (makes || writes) && !self.listener.is_valid(wanted.id) {
            return Reply::Later;
        }
        let mode = if makes { wanted.mode & !self.umask(wanted.tid, wanted.tgid) & 0o7777 } else { 0 };
        // Never wait here: a named pipe without its other end is opened on a thread of its own.
        let flags = wanted.flags | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
        let resolve = wanted.resolve | NO_MAGIC;
        let at = base.map(|place| place.fd.as_fd());
        let existed = makes && sys::stat_at(at, path, 0).is_ok();
        let opened = sys::open_at(at, path, flags, mode, resolve);
        let fd = match opened {
            Ok(fd) => fd,
            Err(Errno::ELOOP) if wanted.resolve == 0 => return self.open_by_walk(wanted, base, path),
            Err(Errno::ENOENT | Errno::EACCES | Errno::ENOTDIR)
                if wanted.resolve == 0 && may_lead_to_proc(path.to_bytes()) =>
            {
                return self.open_by_walk(wanted, base, path);
            }
            // No reader is there yet, or a lease is held: waiting is the caller's wish.
            Err(Errno::ENXIO | Errno::EAGAIN) if wanted.flags & libc::O_NONBLOCK == 0 => {
                return self.open_later(wanted, base, path, mode, None);
            }
            Err(errno) => {
                self.note_attempt(
                    wanted.tgid,
                    base.map(|place| place.path.as_slice()),
                    path.to_bytes(),
                    errno,
                    writes || makes,
                );
                return self.failed(errno);
            }
        };
        let stat = match sys::stat(fd.as_fd()) {
            Ok(stat) => stat,
            Err(errno) => return self.failed(errno),
        };
        if self.proc_devices.contains(&stat.st_dev) {
            drop(fd);
            return self.open_by_walk(wanted, base, path);
        }
        let kind = stat.st_mode & libc::S_IFMT;
        if kind == libc::S_IFIFO && wanted.flags & libc::O_NONBLOCK == 0 && wanted.flags & ACCESS != libc::O_RDWR {
            return self.open_later(wanted, base, path, mode, Some(fd));
        }
        let inode = (stat.st_dev, stat.st_ino);
        let place = self.resolve(base, path, fd.as_fd(), inode, &stat, wanted, makes && !existed);
        if let Some(refused) = self.look(wanted, place, fd.as_fd(), &stat) {
            return refused;
        }
        self.hand_over(wanted, fd, kind == libc::S_IFREG && !writes)
    }

    fn hand_over(&mut self, wanted: &Wanted, fd: OwnedFd, plain: bool) -> Reply {
        self.record.counters.opens += 1;
        if wanted.flags & libc::O_NONBLOCK == 0 {
            let flags = wanted.flags & !(libc::O_CREAT | libc::O_EXCL | libc::O_TRUNC | libc::O_CLOEXEC);
            // SAFETY: the descriptor is ours and live; the call sets its status flags and reads no memory.
            let _ = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags & !libc::O_NONBLOCK) };
        }
        Reply::Give { fd, close_on_exec: wanted.flags & libc::O_CLOEXEC != 0, alone: !plain }
    }

    /// Which processes can still write a file that the run has written: those that hold a descriptor for it, or a shared
    /// mapping of it.
    fn find_writers(&mut self, inode: (u64, u64)) {
        let possible = self.record.possible_writers(inode);
        if possible.is_empty() {
            return;
        }
        let holds = |id: &u32| {
            let process = self.record.processes.get(*id as usize);
            process.is_some_and(|process| self.proc.holds(process.pid.cast_signed(), inode))
        };
        let holders: Vec<u32> = possible.into_iter().filter(holds).collect();
        self.record.keep_writers(inode, holders);
    }

    /// Digest and records of what was opened. Gives a reply where it is refused.
    fn look(&mut self, wanted: &Wanted, place: Option<u32>, fd: BorrowedFd<'_>, stat: &libc::stat) -> Option<Reply> {
        let place = place?;
        if wanted.flags & ACCESS == libc::O_RDWR {
            self.record.used(place, Use::Read, wanted.process);
        }
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG || self.made_up.contains(&stat.st_dev) {
            return None;
        }
        let access = wanted.flags & ACCESS;
        if access == libc::O_RDONLY || access == libc::O_RDWR && stat.st_size > 0 {
            self.find_writers((stat.st_dev, stat.st_ino));
            let digest = self.record.content(fd, stat, place, wanted.process);
            if let Some(digest) = digest
                && self.rules.is_denied(&digest)
            {
                let path = self.proc.path_of(fd).unwrap_or_default();
                let what = format!("opening {}, whose content is denied", String::from_utf8_lossy(&path));
                let permission = self.rules.refused_in_prevent();
                self.violation(wanted.tgid, "tool", what, permission);
                if permission == Permission::Refused {
                    return Some(self.failed(Errno::EACCES));
                }
            }
        }
        if access != libc::O_RDONLY || wanted.flags & libc::O_TRUNC != 0 {
            self.record.writes((stat.st_dev, stat.st_ino), place, wanted.process);
        }
        None
    }

    /// The place of the file in the record, by the path as the kernel resolved it.
    #[allow(clippy::too_many_arguments)]
    fn resolve(
        &mut self,
        base: Option<&Arc<Place>>,
        path: &CStr,
        fd: BorrowedFd<'_>,
        inode: (u64, u64),
        stat: &libc::stat,
        wanted: &Wanted,
        created: bool,
    ) -> Option<u32> {
        let kind = use_of(wanted.flags, stat, created);
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        if let Some(base) = base {
            key.extend(base.inode.0.to_le_bytes());
            key.extend(base.inode.1.to_le_bytes());
        }
        key.extend(path.to_bytes());
        let known = self.resolved.get(key.as_slice()).copied();
        let place = match known {
            Some(known) if known.inode == inode => {
                if kind >= Use::Written
                    && let Some(name) = self.proc.path_of(fd)
                {
                    self.judge_path(&name, kind, wanted.tgid);
                }
                self.record.used(known.place, kind, wanted.process);
                Some(known.place)
            }
            _ => {
                let name = self.proc.path_of(fd);
                // A file without a name (O_TMPFILE, or removed meanwhile) is in no list of names.
                let place = match name {
                    Some(name) if stat.st_nlink > 0 || stat.st_mode & libc::S_IFMT != libc::S_IFREG => {
                        self.judge_path(&name, kind, wanted.tgid);
                        self.record.file(&name, kind, wanted.process)
                    }
                    _ => None,
                };
                if let Some(place) = place
                    && self.resolved.len() < self.record.limits.files
                {
                    self.resolved.insert(key.as_slice().into(), Resolved { place, inode });
                }
                place
            }
        };
        self.key = key;
        place
    }

    /// What the policy says of a path that is touched for the first time in this way.
    pub(crate) fn judge_path(&mut self, name: &[u8], kind: Use, tgid: i32) {
        if let Some((rule, what)) = self.rules.path(name, kind) {
            self.violation(tgid, rule, what, Permission::Allowed);
        }
    }

    /// What the guard's mounts and domains refused was still tried: that is recorded, by the path as it was asked for.
    pub(crate) fn note_attempt(&mut self, tgid: i32, base: Option<&[u8]>, path: &[u8], errno: Errno, writes: bool) {
        let refused = match errno {
            Errno::EROFS => true,
            Errno::EACCES | Errno::EPERM | Errno::EXDEV => self.rules.prevents(),
            // Hidden credentials are simply not there. Their names begin with a dot or lie in few places: everything
            // else that is not found, three calls of four, is passed over quickly.
            Errno::ENOENT => {
                !writes
                    && self.rules.prevents()
                    && (path.windows(2).any(|pair| pair == b"/.")
                        || path.first() == Some(&b'.')
                        || [&b"/etc/"[..], b"/run/", b"/var/run/"].iter().any(|start| path.starts_with(start)))
            }
            _ => false,
        };
        if !refused {
            return;
        }
        let mut name = Vec::new();
        if path.first() != Some(&b'/') {
            name.extend_from_slice(base.unwrap_or_default());
            name.push(b'/');
        }
        name.extend_from_slice(path);
        let name = without_dots(&name);
        let kind = if writes { Use::Written } else { Use::Read };
        if let Some((rule, what)) = self.rules.path(&name, kind) {
            self.violation(tgid, rule, what, Permission::Refused);
        }
    }

    /// A path through `/proc` or a device that stands for one of the caller's own descriptors.
    fn open_by_walk(&mut self, wanted: &Wanted, base: Option<&Arc<Place>>, path: &CStr) -> Reply {
        let flags = wanted.flags | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
        let mode = wanted.mode & !self.umask(wanted.tid, wanted.tgid) & 0o7777;
        let fd = match self.walk_open(wanted.tid, wanted.tgid, base.map(|b| b.fd.as_fd()), path.to_bytes(), flags, mode)
        {
            Ok(fd) => fd,
            Err(errno) => return self.failed(errno),
        };
        let Ok(stat) = sys::stat(fd.as_fd()) else { return self.failed(Errno::EACCES) };
        if let Some(name) = self.proc.path_of(fd.as_fd())
            && name.first() == Some(&b'/')
            && (stat.st_nlink > 0 || self.proc_devices.contains(&stat.st_dev))
        {
            let kind = use_of(wanted.flags, &stat, false);
            let place = self.record.file(&name, kind, wanted.process);
            if let Some(refused) = self.look(wanted, place, fd.as_fd(), &stat) {
                return refused;
            }
        }
        self.hand_over(wanted, fd, false)
    }

    /// Waits for the other end of a named pipe on a thread of its own. `held` keeps the pipe's other side from
    /// noticing that it was opened before.
    fn open_later(
        &mut self,
        wanted: &Wanted,
        base: Option<&Arc<Place>>,
        path: &CStr,
        mode: u32,
        held: Option<OwnedFd>,
    ) -> Reply {
        let (listener, shared) = (Arc::clone(&self.listener), self.shared.clone());
        let (id, flags, resolve) = (wanted.id, wanted.flags, wanted.resolve | NO_MAGIC);
        let (process, base, path) = (wanted.process, base.cloned(), CString::from(path));
        let started = std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
            let at = base.as_ref().map(|place| place.fd.as_fd());
            let opened = sys::open_at(at, &path, flags | libc::O_CLOEXEC | libc::O_NOCTTY, mode, resolve);
            drop(held);
            match opened {
                Ok(fd) => {
                    if let Some(shared) = shared.upgrade() {
                        let mut notifier = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        notifier.record.counters.opens += 1;
                        if let Some(name) = notifier.proc.path_of(fd.as_fd()) {
                            let kind = if flags & ACCESS == libc::O_RDONLY { Use::Read } else { Use::Written };
                            notifier.record.file(&name, kind, process);
                        }
                    }
                    let _ = listener.give_alone(id, fd, flags & libc::O_CLOEXEC != 0);
                }
                Err(errno) => drop(listener.answer(id, Err(errno))),
            }
        });
        match started {
            Ok(_) => Reply::Later,
            Err(_) => self.failed(Errno::EAGAIN),
        }
    }

    /// The kernel opens it: what is recorded is the path as the process wrote it.
    fn left_to_kernel(&mut self, tid: i32, tgid: i32, dirfd: i32, path: &CStr, flags: i32) -> Reply {
        if flags & libc::O_PATH == 0 && path.to_bytes() != b"/dev/tty" {
            self.record.counters.continued += 1;
            let process = self.id_of(tgid);
            let mut name = Vec::new();
            if path.to_bytes().first() != Some(&b'/')
                && let Ok(base) = self.base(tid, tgid, dirfd)
            {
                name.extend_from_slice(&base.path);
                name.push(b'/');
            }
            name.extend_from_slice(path.to_bytes());
            let kind = if flags & (ACCESS | libc::O_CREAT | libc::O_TRUNC) == 0 { Use::Read } else { Use::Written };
            let there = super::notify::c_string(&name).is_ok_and(|name| sys::stat_at(None, &name, 0).is_ok());
            if there || kind == Use::Written {
                self.judge_path(&name, kind, tgid);
                if let Some(place) = self.record.file(&name, kind, process) {
                    self.record
                        .problem(place, "opened with another user, root or namespace: the path is as it was asked for");
                }
            }
        }
        Reply::GoOn
    }

    fn failed(&mut self, errno: Errno) -> Reply {
        self.record.counters.opens_failed += 1;
        Reply::Done(Err(errno))
    }
}

/// The path without `.` and `..`, as text: links in it are not looked at.
pub(crate) fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for part in parts {
        out.push(b'/');
        out.extend_from_slice(part);
    }
    out
}

/// The use that an open is.
fn use_of(flags: i32, stat: &libc::stat, created: bool) -> Use {
    if stat.st_mode & libc::S_IFMT == libc::S_IFDIR {
        Use::Listed
    } else if created {
        Use::Created
    } else if flags & ACCESS != libc::O_RDONLY || flags & libc::O_TRUNC != 0 {
        Use::Written
    } else {
        Use::Read
    }
}

/// Paths that may pass through `/proc` without naming it: `/dev/fd`, `/dev/stdin`, `/etc/mtab`.
fn may_lead_to_proc(path: &[u8]) -> bool {
    path.starts_with(b"/dev/") || path.windows(4).any(|w| w == b"proc" || w == b"mtab" || w == b"self")
}
