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
use super::tracee::{read_exact, read_path_into};

/// Links that lead into another process's hands (`/proc/self/fd/3`) mean the supervisor's when the supervisor follows
/// them: they are walked by hand instead.
const NO_MAGIC: u64 = 0x02; // RESOLVE_NO_MAGICLINKS

const ACCESS: i32 = libc::O_ACCMODE;

/// A call to open a file that the kernel does itself.
pub(crate) struct Opening {
    wanted: Wanted,
    base: Option<Arc<Place>>,
    path: CString,
    created: bool,
}

/// One call to open a file.
#[derive(Clone)]
struct Wanted {
    id: u64,
    tid: i32,
    tgid: i32,
    process: u32,
    flags: i32,
    mode: u32,
    resolve: u64,
}

/// Paths that were not there when they were last opened. A compiler looks for a header in every directory of its list,
/// each time it runs. No more than a guess: what is there now is looked at, so it does not matter who has which place.
pub(crate) struct Missed(Vec<u32>);

impl Missed {
    const PLACES: usize = 8192;

    pub(crate) fn new() -> Self {
        Self(vec![0; Self::PLACES])
    }

    fn mark(base: Option<&[u8]>, path: &CStr) -> u64 {
        let mut mark = 0_u64;
        for text in [base.unwrap_or_default(), path.to_bytes()] {
            for piece in text.chunks(8) {
                let mut word = [0_u8; 8];
                word[..piece.len()].copy_from_slice(piece);
                mark = (mark.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95);
            }
        }
        (mark ^ mark >> 32) | 1 << 63
    }

    fn likely(&self, mark: u64) -> bool {
        self.0[mark as usize % Self::PLACES] == (mark >> 32) as u32
    }

    fn add(&mut self, mark: u64) {
        self.0[mark as usize % Self::PLACES] = (mark >> 32) as u32;
    }
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
        if !(24..=4096).contains(&size) {
            return Reply::Done(Err(if size < 24 { Errno::EINVAL } else { Errno::E2BIG }));
        }
        let Ok(how) = read_exact(tid, how, size as usize) else { return Reply::Done(Err(Errno::EFAULT)) };
        if how[24..].iter().any(|byte| *byte != 0) {
            return Reply::Done(Err(Errno::E2BIG));
        }
        let word = |at: usize| {
            let mut bytes = [0_u8; 8];
            bytes.copy_from_slice(&how[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let (Ok(flags), Ok(mode)) = (u32::try_from(word(0)), u32::try_from(word(8))) else {
            return Reply::Done(Err(Errno::EINVAL));
        };
        let flags = flags.cast_signed();
        let makes = flags & libc::O_CREAT != 0 || flags & libc::O_TMPFILE == libc::O_TMPFILE;
        if flags & !sys::VALID_OPEN_FLAGS != 0 || mode & !0o7777 != 0 || mode != 0 && !makes {
            return Reply::Done(Err(Errno::EINVAL));
        }
        if flags & libc::O_PATH != 0 {
            // Left to the kernel it would be read once more from memory that may have changed, and a descriptor that
            // only names cannot be handed over. Programs fall back to `openat`, whose flags are in a register.
            return Reply::Done(Err(Errno::ENOSYS));
        }
        self.open(n, tid, tgid, dirfd, path, flags, mode, word(16))
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
        let path = match read_path_into(std::mem::take(&mut self.room), tid, path) {
            Ok(path) => path,
            Err(errno) => return self.failed(errno),
        };
        let reply = self.open_path(n, tid, tgid, dirfd, &path, flags, mode, resolve);
        self.room = path.into_room();
        reply
    }

    #[allow(clippy::too_many_arguments)]
    fn open_path(
        &mut self,
        n: &Notification,
        tid: i32,
        tgid: i32,
        dirfd: i32,
        path: &CStr,
        flags: i32,
        mode: u32,
        resolve: u64,
    ) -> Reply {
        if path.is_empty() {
            return self.failed(Errno::ENOENT);
        }
        let (process, foreign) = self.tracked.get(&tgid).map_or((0, true), |tracked| (tracked.id, tracked.foreign));
        if foreign || flags & libc::O_PATH != 0 {
            return self.left_to_kernel(tid, tgid, dirfd, path, flags);
        }
        if path.to_bytes() == b"/dev/tty" {
            return self.open_terminal(tid, flags);
        }
        let base = if path.to_bytes()[0] == b'/' && resolve & 0x18 == 0 {
            None
        } else {
            match self.base(tid, tgid, dirfd) {
                Ok(base) => Some(base),
                Err(errno) => return self.failed(errno),
            }
        };
        let wanted = Wanted { id: n.id, tid, tgid, process, flags, mode, resolve };
        if !self.listener.hands_over() {
            let at = base.as_ref().map(|place| place.fd.as_fd());
            let created = flags & libc::O_CREAT != 0 && sys::stat_at(at, path, 0).is_err();
            // Three of four look for a file where it is not: that needs no second stop.
            if flags & libc::O_CREAT == 0 && resolve == 0 && !may_lead_to_proc(path.to_bytes()) {
                let look = libc::O_PATH | libc::O_CLOEXEC | flags & libc::O_NOFOLLOW;
                if let Err(errno @ (Errno::ENOENT | Errno::ENOTDIR)) = sys::open_at(at, path, look, 0, NO_MAGIC) {
                    let base_path = base.as_ref().map(|place| place.path.as_slice());
                    self.note_attempt(tgid, base_path, path.to_bytes(), errno, flags & ACCESS != libc::O_RDONLY);
                    return self.failed(errno);
                }
            }
            return Reply::LookAfter(Opening { wanted, base, path: path.into(), created });
        }
        self.open_here(&wanted, base.as_ref(), path)
    }

    /// What the kernel opened, looked at through the caller's own descriptor while it is stopped. The errno when the
    /// caller may not have it.
    pub(crate) fn opened(&mut self, tid: i32, result: i64, opening: &Opening) -> Option<Errno> {
        let Opening { wanted, base, path, created } = opening;
        let writes = wanted.flags & (ACCESS | libc::O_CREAT | libc::O_TRUNC) != 0;
        if result < 0 {
            let errno = Errno::from_raw(i32::try_from(-result).unwrap_or(libc::EIO));
            self.record.counters.opens_failed += 1;
            let base_path = base.as_ref().map(|b| b.path.as_slice());
            let name = self.past_own_links(wanted, base_path, path.to_bytes());
            self.note_attempt(wanted.tgid, None, &name, errno, writes);
            if matches!(errno, Errno::EROFS | Errno::EACCES) {
                let _ = self.refuse_strangers_file(wanted.tgid, &name);
                let name = super::notify::c_string(&name).ok();
                self.note_link_target(wanted.tgid, None, None, name.as_deref(), errno, writes);
            }
            return None;
        }
        let link = format!("fd/{result}");
        let Ok(mut stat) = self.proc.stat_link(tid, &link) else {
            self.record.counters.unreadable += 1;
            return Some(Errno::EACCES);
        };
        let regular = stat.st_mode & libc::S_IFMT == libc::S_IFREG;
        // A second description of the same file, so that the caller's position stays where it is.
        let readable = if regular {
            self.proc.open_link(tid, &link, libc::O_RDONLY | libc::O_NONBLOCK)
        } else {
            Err(Errno::EACCES)
        };
        let fd = match readable.or_else(|_| self.proc.open_link(tid, &link, libc::O_PATH)) {
            Ok(fd) => fd,
            Err(_) => {
                self.record.counters.unreadable += 1;
                return Some(Errno::EACCES);
            }
        };
        if let Ok(now) = sys::stat(fd.as_fd()) {
            stat = now;
        }
        self.record.counters.opens += 1;
        let refusal = |reply: Reply| match reply {
            Reply::Done(Err(errno)) => errno,
            _ => Errno::EACCES,
        };
        let kind = use_of(wanted.flags, &stat, *created);
        if let Some(refused) = self.refuse_kernel(wanted.tgid, fd.as_fd(), &stat, kind >= Use::Written) {
            return Some(refusal(refused));
        }
        if self.proc_devices.contains(&stat.st_dev)
            && let Some(name) = self.proc.path_of(fd.as_fd())
            && let Some(errno) = self.refuse_strangers_file(wanted.tgid, &name)
        {
            return Some(errno);
        }
        let inode = (stat.st_dev, stat.st_ino);
        // Links of `/proc` mean the caller's own: no path is remembered for them.
        let place = if may_lead_to_proc(path.to_bytes()) {
            let name = self.proc.path_of(fd.as_fd()).filter(|name| name.first() == Some(&b'/') && stat.st_nlink > 0);
            name.and_then(|name| {
                self.judge_path(&name, kind, wanted.tgid);
                self.record.file(&name, kind, wanted.process)
            })
        } else {
            self.resolve(base.as_ref(), path, fd.as_fd(), inode, &stat, wanted, *created)
        };
        self.judge_alias(inode, kind, wanted.tgid);
        self.look(wanted, place, fd.as_fd(), &stat).map(refusal)
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
        let missed =
            (!makes && wanted.resolve == 0).then(|| Missed::mark(base.map(|place| place.path.as_slice()), path));
        let likely = missed.is_some_and(|mark| self.missed.likely(mark)) && !may_lead_to_proc(path.to_bytes());
        let nofollow = if flags & libc::O_NOFOLLOW == 0 { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
        let existed = makes && sys::stat_at(at, path, 0).is_ok();
        // Looking costs less than opening, where nothing is there.
        let opened = if likely && sys::stat_at(at, path, nofollow).is_err_and(|errno| errno == Errno::ENOENT) {
            Err(Errno::ENOENT)
        } else {
            sys::open_at(at, path, flags, mode, resolve)
        };
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
                if let Some(mark) = missed.filter(|_| errno == Errno::ENOENT) {
                    self.missed.add(mark);
                }
                let base_path = base.map(|place| place.path.as_slice());
                self.note_attempt(wanted.tgid, base_path, path.to_bytes(), errno, writes || makes);
                if matches!(errno, Errno::EROFS | Errno::EACCES) {
                    let base_path = base.map(|place| place.path.clone());
                    self.note_link_target(wanted.tgid, at, base_path.as_deref(), Some(path), errno, writes || makes);
                }
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
        if makes && !existed {
            self.record.is_new(inode);
        }
        let place = self.resolve(base, path, fd.as_fd(), inode, &stat, wanted, makes && !existed);
        if let Some(refused) = self.refuse_kernel(wanted.tgid, fd.as_fd(), &stat, writes) {
            return refused;
        }
        self.judge_alias(inode, use_of(wanted.flags, &stat, false), wanted.tgid);
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
    fn find_writers(&mut self, fd: BorrowedFd<'_>, inode: (u64, u64)) {
        if !self.record.was_written(inode) {
            return;
        }
        // The kernel knows best: a read lease is to be had only while nobody can write the file, by whatever descriptor.
        let lease = sys::nobody_writes(fd);
        if lease == Some(true) {
            return self.record.keep_writers(inode, Vec::new(), false);
        }
        self.note_ends();
        let possible = self.record.possible_writers(inode);
        let holds = |id: &u32| {
            let process = self.record.processes.get(*id as usize);
            process.is_some_and(|process| self.proc.holds(process.pid.cast_signed(), inode, false))
        };
        let holders: Vec<u32> = possible.into_iter().filter(holds).collect();
        let held = lease == Some(false) && holders.is_empty();
        self.record.keep_writers(inode, holders, held);
    }

    /// A process can write a file from now on: whoever read it before and still holds it may see other bytes than those
    /// of its digest.
    pub(crate) fn writes(&mut self, inode: (u64, u64), place: u32, process: u32) {
        if self.record.was_read(inode, process) {
            self.note_ends();
        }
        let possible = self.record.possible_readers(inode, process);
        let in_use = possible.iter().any(|id| {
            let reader = self.record.processes.get(*id as usize);
            reader.is_some_and(|reader| self.proc.holds(reader.pid.cast_signed(), inode, true))
        });
        if in_use {
            self.record.problem(place, "it was opened for writing while another process of the run was using it");
        }
        self.record.writes(inode, process);
    }

    /// Digest and records of what was opened. Gives a reply where it is refused.
    fn look(&mut self, wanted: &Wanted, place: Option<u32>, fd: BorrowedFd<'_>, stat: &libc::stat) -> Option<Reply> {
        let Some(place) = place else {
            // It has no name yet, and may get one by a link.
            if stat.st_mode & libc::S_IFMT == libc::S_IFREG && wanted.flags & ACCESS != libc::O_RDONLY {
                self.record.writes((stat.st_dev, stat.st_ino), wanted.process);
            }
            return None;
        };
        if wanted.flags & ACCESS == libc::O_RDWR {
            self.record.used(place, Use::Read, wanted.process);
        }
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG || self.made_up.contains(&stat.st_dev) {
            return None;
        }
        let access = wanted.flags & ACCESS;
        if access == libc::O_RDONLY || access == libc::O_RDWR && stat.st_size > 0 {
            self.find_writers(fd, (stat.st_dev, stat.st_ino));
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
            self.writes((stat.st_dev, stat.st_ino), place, wanted.process);
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
            // Not its inode, which another directory gets once it is removed.
            key.extend(&base.path);
            key.push(0);
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
        for at in 0..self.moved.len() {
            let (to, from) = &self.moved[at];
            if let Some(rest) = name.strip_prefix(to.as_slice()).filter(|rest| rest.first() == Some(&b'/')) {
                let before = [from.as_slice(), rest].concat();
                if let Some((rule, what)) = self.rules.path(&before, kind) {
                    self.violation(tgid, rule, what, Permission::Allowed);
                }
            }
        }
    }

    /// What the guard's mounts and domains refused was still tried: that is recorded, by the path as it was asked for.
    pub(crate) fn note_attempt(&mut self, tgid: i32, base: Option<&[u8]>, path: &[u8], errno: Errno, writes: bool) {
        // Without a guard that prevents only a mount refuses.
        if errno != Errno::EROFS && !self.rules.prevents() {
            return;
        }
        let refused = match errno {
            Errno::EROFS => true,
            Errno::EACCES | Errno::EPERM | Errno::EXDEV | Errno::EBUSY => true,
            // Hidden credentials are simply not there. Their names begin with a dot or lie in few places: everything
            // else that is not found, three calls of four, is passed over quickly.
            Errno::ENOENT => {
                !writes
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
        if writes && errno == Errno::EROFS && is_kernel_setting(&name) {
            let what = format!("opening {}", String::from_utf8_lossy(&name));
            return self.violation(tgid, "kernel", what, Permission::Refused);
        }
        if let Some((rule, what)) = self.rules.path(&name, kind) {
            self.violation(tgid, rule, what, Permission::Refused);
        }
    }

    /// What a link that could not be opened leads to: that was wanted, and not the link.
    fn note_link_target(
        &mut self,
        tgid: i32,
        at: Option<BorrowedFd<'_>>,
        base: Option<&[u8]>,
        path: Option<&CStr>,
        errno: Errno,
        writes: bool,
    ) {
        let Some(path) = path else { return };
        let Some(target) = sys::read_link_at(at.unwrap_or(self.proc.fd()), path) else { return };
        let folder = path.to_bytes().iter().rposition(|b| *b == b'/').map_or(0, |end| end + 1);
        let name = match target.first() {
            Some(b'/') => target,
            _ => [&path.to_bytes()[..folder], target.as_slice()].concat(),
        };
        self.note_attempt(tgid, base, &name, errno, writes);
    }

    /// A path through `/proc` or a device that stands for one of the caller's own descriptors.
    fn open_by_walk(&mut self, wanted: &Wanted, base: Option<&Arc<Place>>, path: &CStr) -> Reply {
        let flags = wanted.flags | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
        let mode = wanted.mode & !self.umask(wanted.tid, wanted.tgid) & 0o7777;
        let fd = match self.walk_open(wanted.tid, wanted.tgid, base.map(|b| b.fd.as_fd()), path.to_bytes(), flags, mode)
        {
            Ok(fd) => fd,
            Err(errno) => {
                let writes = wanted.flags & (ACCESS | libc::O_CREAT | libc::O_TRUNC) != 0;
                let name = self.past_own_links(wanted, base.map(|b| b.path.as_slice()), path.to_bytes());
                self.note_attempt(wanted.tgid, None, &name, errno, writes);
                return self.failed(errno);
            }
        };
        let Ok(stat) = sys::stat(fd.as_fd()) else { return self.failed(Errno::EACCES) };
        if let Some(name) = self.proc.path_of(fd.as_fd())
            && name.first() == Some(&b'/')
            && (stat.st_nlink > 0 || self.proc_devices.contains(&stat.st_dev))
        {
            let kind = use_of(wanted.flags, &stat, false);
            if let Some(refused) = self.refuse_kernel(wanted.tgid, fd.as_fd(), &stat, kind >= Use::Written) {
                return refused;
            }
            self.judge_path(&name, kind, wanted.tgid);
            self.judge_alias((stat.st_dev, stat.st_ino), kind, wanted.tgid);
            let place = self.record.file(&name, kind, wanted.process);
            if let Some(refused) = self.look(wanted, place, fd.as_fd(), &stat) {
                return refused;
            }
        }
        self.hand_over(wanted, fd, false)
    }

    /// A path through the caller's own links in `/proc`, without them, for a look at what was wanted.
    fn past_own_links(&self, wanted: &Wanted, base: Option<&[u8]>, path: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(path).into_owned();
        let own = [format!("/proc/{}/", wanted.tgid), "/proc/self/".into(), "/proc/thread-self/".into()];
        let Some(rest) = own.iter().find_map(|start| text.strip_prefix(start.as_str())) else {
            if path.first() == Some(&b'/') {
                return path.to_vec();
            }
            return [base.unwrap_or_default(), b"/", path].concat();
        };
        let (link, after) = match rest.strip_prefix("fd/") {
            Some(numbered) => {
                let (number, after) = numbered.split_once('/').unwrap_or((numbered, ""));
                (format!("fd/{number}"), after)
            }
            None => {
                let (link, after) = rest.split_once('/').unwrap_or((rest, ""));
                (link.to_owned(), after)
            }
        };
        match self.proc.read_link(wanted.tid, &link) {
            Some(target) => [target.as_slice(), b"/", after.as_bytes()].concat(),
            None => path.to_vec(),
        }
    }

    /// What changes the kernel itself, or is the disk below all files, is opened by no command that is confined: it
    /// would lead past everything else. Gives a reply where it is refused.
    fn refuse_kernel(&mut self, tgid: i32, fd: BorrowedFd<'_>, stat: &libc::stat, writes: bool) -> Option<Reply> {
        if !self.confined {
            return None;
        }
        let kind = stat.st_mode & libc::S_IFMT;
        let setting = writes && kind == libc::S_IFREG && self.made_up.contains(&stat.st_dev);
        if kind != libc::S_IFBLK && kind != libc::S_IFCHR && !setting {
            return None;
        }
        let name = self.proc.path_of(fd)?;
        let refused =
            if setting { is_kernel_setting(&name) } else { kind == libc::S_IFBLK || self.devices.contains(&name) };
        if !refused {
            return None;
        }
        let what = format!("opening {}", String::from_utf8_lossy(&name));
        self.violation(tgid, "kernel", what, Permission::Refused);
        Some(self.failed(Errno::EACCES))
    }

    /// A file that got a second name in this run is still what it was by its first.
    fn judge_alias(&mut self, inode: (u64, u64), kind: Use, tgid: i32) {
        if self.aliases.is_empty() {
            return;
        }
        if let Some(name) = self.aliases.get(&inode).cloned() {
            self.judge_path(&name, kind, tgid);
        }
    }

    /// Waits for the other end of a named pipe (or for a lease to be given up) on a thread of its own. `held` is the
    /// pipe, opened without waiting: its other side must not notice that, and may come and go before we wait for it.
    fn open_later(
        &mut self,
        wanted: &Wanted,
        base: Option<&Arc<Place>>,
        path: &CStr,
        mode: u32,
        held: Option<OwnedFd>,
    ) -> Reply {
        let (listener, shared) = (Arc::clone(&self.listener), self.shared.clone());
        let (wanted, base, path) = (wanted.clone(), base.cloned(), CString::from(path));
        let proc = self.proc.fd().try_clone_to_owned();
        let started = std::thread::Builder::new().stack_size(128 * 1024).spawn(move || {
            let flags = wanted.flags | libc::O_CLOEXEC | libc::O_NOCTTY;
            let opened = match (held, proc) {
                (Some(held), Ok(proc)) => {
                    wait_for_partner(held, &Arc::new(proc), flags, || listener.is_valid(wanted.id))
                }
                (Some(_), Err(_)) => Err(Errno::EMFILE),
                (None, _) => {
                    let at = base.as_ref().map(|place| place.fd.as_fd());
                    sys::open_at(at, &path, flags, mode, wanted.resolve | NO_MAGIC)
                }
            };
            let Some(shared) = shared.upgrade() else { return };
            let mut notifier = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // The path may lead to something else by now: what was opened is looked at like any other.
            let looked = opened.and_then(|fd| {
                let stat = sys::stat(fd.as_fd())?;
                let inode = (stat.st_dev, stat.st_ino);
                let writes = wanted.flags & ACCESS != libc::O_RDONLY;
                let place = notifier.resolve(base.as_ref(), &path, fd.as_fd(), inode, &stat, &wanted, false);
                notifier.judge_alias(inode, use_of(wanted.flags, &stat, false), wanted.tgid);
                let refused = notifier.refuse_kernel(wanted.tgid, fd.as_fd(), &stat, writes);
                match refused.or_else(|| notifier.look(&wanted, place, fd.as_fd(), &stat)) {
                    Some(_) => Err(Errno::EACCES),
                    None => Ok(fd),
                }
            });
            match looked {
                Ok(fd) => {
                    notifier.record.counters.opens += 1;
                    drop(notifier);
                    let _ = listener.give_alone(wanted.id, fd, wanted.flags & libc::O_CLOEXEC != 0);
                }
                Err(errno) => {
                    drop(notifier);
                    let _ = listener.answer(wanted.id, Err(errno));
                }
            }
        });
        match started {
            Ok(_) => Reply::Later,
            Err(_) => self.failed(Errno::EAGAIN),
        }
    }

    /// The controlling terminal: it is ours too, as long as the process is in our session.
    fn open_terminal(&mut self, tid: i32, flags: i32) -> Reply {
        let session = |pid: i32| nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid))).ok();
        if session(tid).is_none() || session(tid) != session(0) {
            return self.failed(Errno::ENXIO);
        }
        if !self.listener.hands_over() {
            return Reply::GoOn;
        }
        match sys::open_at(None, c"/dev/tty", flags | libc::O_CLOEXEC | libc::O_NOCTTY, 0, 0) {
            Ok(fd) => {
                self.record.counters.opens += 1;
                Reply::Give { fd, close_on_exec: flags & libc::O_CLOEXEC != 0, alone: true }
            }
            Err(errno) => self.failed(errno),
        }
    }

    /// The kernel opens it: what is recorded is the path as the process wrote it.
    fn left_to_kernel(&mut self, tid: i32, tgid: i32, dirfd: i32, path: &CStr, flags: i32) -> Reply {
        if flags & libc::O_PATH == 0 {
            self.record.counters.continued += 1;
            self.record.counters.foreign += 1;
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

/// Files whose content is the kernel's own state, not that of one process: `/proc/sys`, `/sys`, control groups.
fn is_kernel_setting(name: &[u8]) -> bool {
    match name.strip_prefix(b"/proc/") {
        Some(rest) => rest.first().is_none_or(|b| !b.is_ascii_digit()) && !rest.starts_with(b"self/"),
        None => name.starts_with(b"/sys/"),
    }
}

/// Opens the pipe that is held once more, waiting for its other side; or gives the held one, when the other side was
/// there in between (a writer that has ended again leaves its bytes, or a hang-up).
fn wait_for_partner(
    held: OwnedFd,
    proc: &Arc<OwnedFd>,
    flags: i32,
    is_wanted: impl Fn() -> bool,
) -> Result<OwnedFd, Errno> {
    use nix::poll::{PollFd, PollFlags, poll};
    let (says, hears) = std::sync::mpsc::channel();
    let name = CString::new(format!("self/fd/{}", held.as_raw_fd())).map_err(|_| Errno::EINVAL)?;
    let (again, through) = (name.clone(), Arc::clone(proc));
    let opener = std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
        let flags = flags & !(libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW);
        let _ = says.send(sys::open_at(Some(through.as_fd()), &again, flags, 0, 0));
    });
    if opener.is_err() {
        return Err(Errno::EAGAIN);
    }
    // Whoever opens both sides wakes the other thread.
    let wake = || {
        let flags = libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC;
        drop(sys::open_at(Some(proc.as_fd()), &name, flags, 0, 0));
        drop(hears.recv());
    };
    loop {
        match hears.recv_timeout(std::time::Duration::from_millis(10)) {
            Ok(opened) => return opened,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Err(Errno::EIO),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
        }
        if !is_wanted() {
            // Its caller was killed: nobody waits at this end any more.
            wake();
            return Err(Errno::EINTR);
        }
        let mut ready = [PollFd::new(held.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, 0_u16).is_ok_and(|count| count > 0) {
            wake();
            // SAFETY: the descriptor is ours and live; the call sets its status flags and reads no memory.
            let _ = unsafe { libc::fcntl(held.as_raw_fd(), libc::F_SETFL, flags & !libc::O_NONBLOCK) };
            return Ok(held);
        }
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
pub(super) fn may_lead_to_proc(path: &[u8]) -> bool {
    let names = [*b"proc", *b"mtab", *b"self"].map(u32::from_le_bytes);
    let named = |window: &[u8]| window.try_into().is_ok_and(|four| names.contains(&u32::from_le_bytes(four)));
    path.starts_with(b"/dev/") || path.windows(4).any(named)
}
