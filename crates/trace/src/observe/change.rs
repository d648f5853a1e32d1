//! Calls that change names, modes and sizes: done by the supervisor on the directory that it resolved itself.

use std::ffi::CString;
use std::os::fd::{AsFd as _, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use provost_model::{Permission, Use};

use super::notify::{Notifier, Reply, c_string, raw};
use super::sys::{self, Notification};
use super::tracee::read_path;

/// A name in a directory that is held.
struct Spot {
    parent: OwnedFd,
    name: CString,
    /// The resolved path.
    path: Vec<u8>,
}

impl Spot {
    /// How what lies there is; `flags` as for `linkat`.
    fn stat(&self, flags: i32) -> Result<libc::stat, Errno> {
        let nofollow = if flags & libc::AT_SYMLINK_FOLLOW == 0 { libc::AT_SYMLINK_NOFOLLOW } else { 0 };
        sys::stat_at(Some(self.parent.as_fd()), &self.name, nofollow)
    }
}

impl Notifier {
    #[allow(clippy::too_many_lines)]
    pub(crate) fn change(&mut self, n: &Notification, tid: i32, tgid: i32, name: &str, a: [u64; 6]) -> Reply {
        const HERE: i32 = libc::AT_FDCWD;
        let int = |at: usize| a[at] as i32;
        if self.is_foreign(tgid) {
            self.record.counters.continued += 1;
            self.record.counters.foreign += 1;
            return Reply::GoOn;
        }
        let process = self.id_of(tgid);
        self.last_paths.clear();
        let result = match name {
            "rename" => self.rename(n, tid, tgid, (HERE, a[0]), (HERE, a[1]), 0),
            "renameat" => self.rename(n, tid, tgid, (int(0), a[1]), (int(2), a[3]), 0),
            "renameat2" => self.rename(n, tid, tgid, (int(0), a[1]), (int(2), a[3]), a[4]),
            "link" => self.link(n, tid, tgid, (HERE, a[0]), (HERE, a[1]), 0),
            "linkat" => self.link(n, tid, tgid, (int(0), a[1]), (int(2), a[3]), int(4)),
            "symlink" => self.symlink(n, tid, tgid, a[0], (HERE, a[1])),
            "symlinkat" => self.symlink(n, tid, tgid, a[0], (int(1), a[2])),
            "unlink" => self.remove(n, tid, tgid, (HERE, a[0]), 0),
            "unlinkat" => self.remove(n, tid, tgid, (int(0), a[1]), int(2)),
            "rmdir" => self.remove(n, tid, tgid, (HERE, a[0]), libc::AT_REMOVEDIR),
            "mkdir" => self.make(n, tid, tgid, (HERE, a[0]), libc::S_IFDIR, a[1] as u32),
            "mkdirat" => self.make(n, tid, tgid, (int(0), a[1]), libc::S_IFDIR, a[2] as u32),
            "mknod" => self.make(n, tid, tgid, (HERE, a[0]), a[1] as u32 & libc::S_IFMT, a[1] as u32),
            "mknodat" => self.make(n, tid, tgid, (int(0), a[1]), a[2] as u32 & libc::S_IFMT, a[2] as u32),
            "truncate" => self.truncate(n, tid, tgid, a[0], a[1].cast_signed()),
            "chmod" => self.attribute(n, tid, tgid, (HERE, a[0]), 0, Attribute::Mode(a[1] as u32)),
            "fchmodat" => self.attribute(n, tid, tgid, (int(0), a[1]), 0, Attribute::Mode(a[2] as u32)),
            "fchmodat2" => self.attribute(n, tid, tgid, (int(0), a[1]), int(3), Attribute::Mode(a[2] as u32)),
            "chown" => self.attribute(n, tid, tgid, (HERE, a[0]), 0, Attribute::Owner(a[1] as u32, a[2] as u32)),
            "lchown" => {
                let flags = libc::AT_SYMLINK_NOFOLLOW;
                self.attribute(n, tid, tgid, (HERE, a[0]), flags, Attribute::Owner(a[1] as u32, a[2] as u32))
            }
            "fchownat" => {
                let owner = Attribute::Owner(a[2] as u32, a[3] as u32);
                self.attribute(n, tid, tgid, (int(0), a[1]), int(4), owner)
            }
            "fchmod" | "fchown" => {
                let shown = self.proc.read_link(tid, &format!("fd/{}", int(0)));
                let copied = || self.proc.path_of(self.borrow(tgid, int(0)).ok()?.as_fd());
                if let Some(path) = shown.or_else(copied)
                    && path.first() == Some(&b'/')
                {
                    self.record.file(&path, Use::Changed, process);
                }
                return Reply::GoOn;
            }
            _ => return Reply::GoOn,
        };
        match result {
            Ok(Some(value)) => Reply::Done(Ok(value)),
            // The kernel does it after all: a form that the supervisor cannot do for another process.
            Ok(None) => {
                self.record.counters.continued += 1;
                Reply::GoOn
            }
            Err(errno) => {
                for path in std::mem::take(&mut self.last_paths) {
                    match errno {
                        Errno::EROFS | Errno::EACCES | Errno::EPERM | Errno::EXDEV | Errno::EBUSY => {
                            self.note_attempt(tgid, None, &path, errno, true);
                            self.note_attempt(tgid, None, &path, Errno::ENOENT, false);
                        }
                        Errno::ENOENT => self.note_attempt(tgid, None, &path, errno, false),
                        _ => {}
                    }
                }
                Reply::Done(Err(errno))
            }
        }
    }

    /// Resolves the directory of a path, and gives the last name as it was written.
    fn spot(&mut self, tid: i32, tgid: i32, (dirfd, address): (i32, u64)) -> Result<Option<Spot>, Errno> {
        let path = read_path(tid, address)?;
        let bytes = path.to_bytes();
        if bytes.is_empty() {
            return Err(Errno::ENOENT);
        }
        let end = bytes.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
        let start = bytes[..end].iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
        let (folder, last) = (&bytes[..start], &bytes[start..]);
        if end == 0 || matches!(&bytes[start..end], b"." | b"..") {
            return Ok(None);
        }
        let base = if bytes[0] == b'/' { None } else { Some(self.base(tid, tgid, dirfd)?) };
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let at = base.as_ref().map(|place| place.fd.as_fd());
        let folder = if folder.is_empty() { c".".to_owned() } else { c_string(folder)? };
        let parent = match sys::open_at(at, &folder, flags, 0, 0x02) {
            Ok(fd) if self.proc_devices.contains(&sys::stat(fd.as_fd())?.st_dev) => {
                self.walk_open(tid, tgid, at, folder.to_bytes(), flags, 0)?
            }
            Err(Errno::ELOOP) => self.walk_open(tid, tgid, at, folder.to_bytes(), flags, 0)?,
            other => other?,
        };
        let mut resolved = match (&base, folder.to_bytes()) {
            (Some(base), b".") => base.path.clone(),
            _ => self.proc.path_of(parent.as_fd()).ok_or(Errno::ENOENT)?,
        };
        if resolved.last() != Some(&b'/') {
            resolved.push(b'/');
        }
        resolved.extend_from_slice(&bytes[start..end]);
        self.last_paths.push(resolved.clone());
        Ok(Some(Spot { parent, name: c_string(last)?, path: resolved }))
    }

    fn alive(&self, n: &Notification) -> Result<(), Errno> {
        if self.listener.is_valid(n.id) { Ok(()) } else { Err(Errno::ESRCH) }
    }

    fn rename(
        &mut self,
        n: &Notification,
        tid: i32,
        tgid: i32,
        from: (i32, u64),
        to: (i32, u64),
        flags: u64,
    ) -> Result<Option<i64>, Errno> {
        let (Some(from), Some(to)) = (self.spot(tid, tgid, from)?, self.spot(tid, tgid, to)?) else { return Ok(None) };
        self.alive(n)?;
        self.refuse_moved_socket(tgid, &from)?;
        let arguments = [
            raw(from.parent.as_fd()),
            from.name.as_ptr() as usize,
            raw(to.parent.as_fd()),
            to.name.as_ptr() as usize,
            flags as usize,
            0,
        ];
        let before = from.stat(0).ok();
        // SAFETY: both names are our own and live through the call.
        let value = unsafe { sys::call(libc::SYS_renameat2, arguments) }?;
        let moved = to.stat(0).ok();
        self.record.relabelled(before.as_ref(), moved.as_ref());
        self.judge_moved(tgid, &from.path, &to.path);
        if flags & u64::from(libc::RENAME_EXCHANGE) != 0 {
            // Exchanged: the other one was moved too.
            self.judge_moved(tgid, &to.path, &from.path);
        }
        let process = self.id_of(tgid);
        self.judge_path(&from.path, Use::Renamed, tgid);
        self.judge_path(&to.path, Use::Created, tgid);
        self.record.file(&from.path, Use::Renamed, process);
        self.record.file(&to.path, Use::Created, process);
        self.record.renamed(&from.path, &to.path);
        let leads = |stat: libc::stat| matches!(stat.st_mode & libc::S_IFMT, libc::S_IFDIR | libc::S_IFLNK);
        if moved.is_some_and(leads) || flags & u64::from(libc::RENAME_EXCHANGE) != 0 {
            // Everything below has another path now.
            self.resolved.clear();
            self.tracked.values_mut().for_each(|tracked| tracked.cwd = None);
        }
        Ok(Some(value))
    }

    fn link(
        &mut self,
        n: &Notification,
        tid: i32,
        tgid: i32,
        from: (i32, u64),
        to: (i32, u64),
        flags: i32,
    ) -> Result<Option<i64>, Errno> {
        if flags & libc::AT_EMPTY_PATH != 0 && read_path(tid, from.1)?.is_empty() {
            let Some(to) = self.spot(tid, tgid, to)? else { return Ok(None) };
            return self.link_descriptor(n, tgid, from.0, &to).map(Some);
        }
        let (Some(from), Some(to)) = (self.spot(tid, tgid, from)?, self.spot(tid, tgid, to)?) else { return Ok(None) };
        self.alive(n)?;
        self.refuse_moved_socket(tgid, &from)?;
        let arguments = [
            raw(from.parent.as_fd()),
            from.name.as_ptr() as usize,
            raw(to.parent.as_fd()),
            to.name.as_ptr() as usize,
            flags as usize,
            0,
        ];
        let before = from.stat(flags).ok();
        // SAFETY: both names are our own and live through the call.
        let value = unsafe { sys::call(libc::SYS_linkat, arguments) }?;
        let linked = to.stat(0).ok();
        self.record.relabelled(before.as_ref(), linked.as_ref());
        self.judge_path(&to.path, Use::Created, tgid);
        self.judge_path(&from.path, Use::Read, tgid);
        // From here on the file may be changed by a name that no rule knows.
        if self.rules.path(&from.path, Use::Written).is_some()
            && let Some(stat) = linked
        {
            self.aliases.insert((stat.st_dev, stat.st_ino), from.path.clone());
        }
        let process = self.id_of(tgid);
        self.record.file(&to.path, Use::Created, process);
        Ok(Some(value))
    }

    /// Gives the file behind a descriptor a name. The kernel would not do it for the caller: it wants the descriptor to have
    /// been opened by whoever links it, and that was the supervisor.
    fn link_descriptor(&mut self, n: &Notification, tgid: i32, fd: i32, to: &Spot) -> Result<i64, Errno> {
        let file = self.borrow(tgid, fd)?;
        self.alive(n)?;
        let through = c_string(format!("self/fd/{}", raw(file.as_fd())).as_bytes())?;
        let arguments = [
            raw(self.proc.fd()),
            through.as_ptr() as usize,
            raw(to.parent.as_fd()),
            to.name.as_ptr() as usize,
            libc::AT_SYMLINK_FOLLOW as usize,
            0,
        ];
        // SAFETY: both names are our own and live through the call.
        let value = unsafe { sys::call(libc::SYS_linkat, arguments) }?;
        self.judge_path(&to.path, Use::Created, tgid);
        let process = self.id_of(tgid);
        self.record.file(&to.path, Use::Created, process);
        Ok(value)
    }

    /// A socket file of another program would get a name that is the run's own.
    fn refuse_moved_socket(&mut self, tgid: i32, from: &Spot) -> Result<(), Errno> {
        if matches!(self.rules.guard.network, super::guard::NetworkRule::Host) || self.own_sockets.contains(&from.path)
        {
            return Ok(());
        }
        if from.stat(0)?.st_mode & libc::S_IFMT != libc::S_IFSOCK {
            return Ok(());
        }
        let what = format!("another name for the socket {}", String::from_utf8_lossy(&from.path));
        self.violation(tgid, "network", what, Permission::Refused);
        Err(Errno::EPERM)
    }

    /// A directory above the sources or above credentials was moved: they have other names now, and are what they were.
    fn judge_moved(&mut self, tgid: i32, from: &[u8], to: &[u8]) {
        use std::os::unix::ffi::OsStrExt as _;
        let path = |bytes: &[u8]| std::path::PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
        let from_path = path(from);
        let guard = &self.rules.guard;
        let source = guard.source.iter().any(|source| source.starts_with(&from_path));
        let to_path = path(to);
        let credential = guard.credentials.iter().any(|secret| {
            secret.strip_prefix(&from_path).is_ok_and(|rest| to_path.join(rest).symlink_metadata().is_ok())
        });
        for (is, kind) in [(source, "source-write"), (credential, "credential")] {
            if is {
                let what = format!("{} was moved to {}", from_path.display(), to_path.display());
                self.violation(tgid, kind, what, Permission::Allowed);
            }
        }
        if source || credential {
            self.moved.push((to.to_vec(), from.to_vec()));
        }
    }

    fn symlink(
        &mut self,
        n: &Notification,
        tid: i32,
        tgid: i32,
        target: u64,
        at: (i32, u64),
    ) -> Result<Option<i64>, Errno> {
        let target = read_path(tid, target)?;
        let Some(spot) = self.spot(tid, tgid, at)? else { return Ok(None) };
        self.alive(n)?;
        let arguments = [target.as_ptr() as usize, raw(spot.parent.as_fd()), spot.name.as_ptr() as usize, 0, 0, 0];
        // SAFETY: target and name are our own and live through the call.
        let value = unsafe { sys::call(libc::SYS_symlinkat, arguments) }?;
        // A path that was seen before may lead elsewhere now, to another name of the same file.
        self.resolved.clear();
        self.judge_path(&spot.path, Use::Created, tgid);
        let process = self.id_of(tgid);
        self.record.file(&spot.path, Use::Created, process);
        Ok(Some(value))
    }

    fn remove(
        &mut self,
        n: &Notification,
        tid: i32,
        tgid: i32,
        at: (i32, u64),
        flags: i32,
    ) -> Result<Option<i64>, Errno> {
        let Some(spot) = self.spot(tid, tgid, at)? else { return Ok(None) };
        self.alive(n)?;
        let arguments = [raw(spot.parent.as_fd()), spot.name.as_ptr() as usize, flags as usize, 0, 0, 0];
        // SAFETY: the name is our own and lives through the call.
        let value = match unsafe { sys::call(libc::SYS_unlinkat, arguments) } {
            Err(Errno::EBUSY | Errno::EROFS | Errno::EACCES)
                if flags & libc::AT_REMOVEDIR != 0 && self.is_emptied_output(&spot) =>
            {
                0
            }
            other => other?,
        };
        self.judge_path(&spot.path, Use::Deleted, tgid);
        let process = self.id_of(tgid);
        self.record.file(&spot.path, Use::Deleted, process);
        Ok(Some(value))
    }

    /// An output is a mount, and cannot be removed: a run that removes it empties it, and may make it again.
    fn is_emptied_output(&mut self, spot: &Spot) -> bool {
        use std::os::unix::ffi::OsStrExt as _;
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(&spot.path));
        if !self.rules.prevents() || !self.rules.guard.outputs.iter().any(|output| output == path) {
            return false;
        }
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let Ok(fd) = sys::open_at(Some(spot.parent.as_fd()), &spot.name, flags, 0, 0) else { return false };
        let Ok(mut entries) = nix::dir::Dir::from_fd(fd) else { return false };
        let empty = entries.iter().flatten().all(|entry| matches!(entry.file_name().to_bytes(), b"." | b".."));
        if empty {
            self.standing.insert(spot.path.clone());
        }
        empty
    }

    fn make(
        &mut self,
        n: &Notification,
        tid: i32,
        tgid: i32,
        at: (i32, u64),
        kind: u32,
        mode: u32,
    ) -> Result<Option<i64>, Errno> {
        let Some(spot) = self.spot(tid, tgid, at)? else { return Ok(None) };
        self.alive(n)?;
        let mode = mode & 0o7777 & !self.umask(tid, tgid);
        let value = match kind {
            libc::S_IFDIR => {
                let arguments = [raw(spot.parent.as_fd()), spot.name.as_ptr() as usize, mode as usize, 0, 0, 0];
                // SAFETY: the name is our own and lives through the call.
                match unsafe { sys::call(libc::SYS_mkdirat, arguments) } {
                    Err(Errno::EEXIST | Errno::EROFS | Errno::EACCES) if self.standing.remove(&spot.path) => 0,
                    other => other?,
                }
            }
            libc::S_IFREG | 0 | libc::S_IFIFO | libc::S_IFSOCK => {
                let mode = (mode | kind) as usize;
                let arguments = [raw(spot.parent.as_fd()), spot.name.as_ptr() as usize, mode, 0, 0, 0];
                // SAFETY: the name is our own and lives through the call.
                unsafe { sys::call(libc::SYS_mknodat, arguments) }?
            }
            _ => {
                let what = format!("making the device {}", String::from_utf8_lossy(&spot.path));
                self.violation(tgid, "kernel", what, Permission::Refused);
                return Err(Errno::EPERM);
            }
        };
        self.judge_path(&spot.path, Use::Created, tgid);
        let process = self.id_of(tgid);
        self.record.file(&spot.path, Use::Created, process);
        Ok(Some(value))
    }

    /// Opens what a path leads to, links followed, without reading or changing it.
    fn target(&mut self, tid: i32, tgid: i32, at: (i32, u64), follow: bool) -> Result<Option<OwnedFd>, Errno> {
        let path = read_path(tid, at.1)?;
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let base = if path.to_bytes()[0] == b'/' { None } else { Some(self.base(tid, tgid, at.0)?) };
        let base = base.as_ref().map(|place| place.fd.as_fd());
        let flags = libc::O_PATH | libc::O_CLOEXEC | if follow { 0 } else { libc::O_NOFOLLOW };
        match sys::open_at(base, &path, flags, 0, 0x02) {
            Ok(fd) if self.proc_devices.contains(&sys::stat(fd.as_fd())?.st_dev) => Ok(None),
            Ok(fd) => {
                self.last_paths.extend(self.proc.path_of(fd.as_fd()));
                Ok(Some(fd))
            }
            Err(Errno::ELOOP) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn truncate(
        &mut self,
        n: &Notification,
        tid: i32,
        tgid: i32,
        path: u64,
        length: i64,
    ) -> Result<Option<i64>, Errno> {
        let Some(target) = self.target(tid, tgid, (libc::AT_FDCWD, path), true)? else { return Ok(None) };
        self.alive(n)?;
        let stat = sys::stat(target.as_fd())?;
        let Some(name) = self.proc.path_of(target.as_fd()) else { return Ok(None) };
        let through = c_string(format!("self/fd/{}", raw(target.as_fd())).as_bytes())?;
        let flags = libc::O_WRONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = sys::open_at(Some(self.proc.fd()), &through, flags, 0, 0)?;
        // SAFETY: numbers only; the descriptor is ours and live.
        unsafe { sys::call(libc::SYS_ftruncate, [raw(file.as_fd()), length as usize, 0, 0, 0, 0]) }?;
        self.judge_path(&name, Use::Written, tgid);
        let process = self.id_of(tgid);
        if let Some(place) = self.record.file(&name, Use::Written, process) {
            self.writes((stat.st_dev, stat.st_ino), place, process);
        }
        Ok(Some(0))
    }

    fn attribute(
        &mut self,
        n: &Notification,
        tid: i32,
        tgid: i32,
        at: (i32, u64),
        flags: i32,
        attribute: Attribute,
    ) -> Result<Option<i64>, Errno> {
        if flags & libc::AT_EMPTY_PATH != 0 {
            return Ok(None);
        }
        let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
        let Some(target) = self.target(tid, tgid, at, follow)? else { return Ok(None) };
        self.alive(n)?;
        let Some(name) = self.proc.path_of(target.as_fd()) else { return Ok(None) };
        let before = sys::stat(target.as_fd()).ok();
        let empty = c"";
        let value = match attribute {
            Attribute::Owner(user, group) => {
                let arguments = [
                    raw(target.as_fd()),
                    empty.as_ptr() as usize,
                    user as usize,
                    group as usize,
                    libc::AT_EMPTY_PATH as usize,
                    0,
                ];
                // SAFETY: the empty name lives as long as the program.
                unsafe { sys::call(libc::SYS_fchownat, arguments) }?
            }
            Attribute::Mode(mode) => {
                let through = c_string(format!("self/fd/{}", raw(target.as_fd())).as_bytes())?;
                let arguments = [raw(self.proc.fd()), through.as_ptr() as usize, (mode & 0o7777) as usize, 0, 0, 0];
                // SAFETY: the name is our own and lives through the call.
                unsafe { sys::call(libc::SYS_fchmodat, arguments) }?
            }
        };
        self.record.relabelled(before.as_ref(), sys::stat(target.as_fd()).ok().as_ref());
        self.judge_path(&name, Use::Changed, tgid);
        let process = self.id_of(tgid);
        self.record.file(&name, Use::Changed, process);
        Ok(Some(value))
    }
}

#[derive(Clone, Copy)]
enum Attribute {
    Mode(u32),
    Owner(u32, u32),
}
