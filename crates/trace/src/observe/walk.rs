//! Walking a path by hand, component by component, for paths that lead through `/proc`: there `self` and the links in
//! `fd`, `cwd`, `root` and `exe` mean whoever follows them, and that must be the observed process.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use provost_model::Permission;

use super::notify::{Notifier, c_string};
use super::sys;
use super::tracee::Proc;

/// As the kernel: more links than this are a loop.
const LINKS: usize = 40;

/// File systems that the kernel makes up.
pub(crate) const MADE_UP: &[&str] =
    &["proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "bpf", "configfs", "efivarfs"];

/// The devices of all mounted file systems of these types, as the supervisor's mounts are now.
pub(crate) fn devices_of(proc: &Proc, types: &[&str]) -> Vec<u64> {
    let mut devices: Vec<u64> = sys::stat(proc.fd()).map(|stat| stat.st_dev).into_iter().collect();
    let Ok(fd) = sys::open_at(Some(proc.fd()), c"self/mountinfo", libc::O_RDONLY | libc::O_CLOEXEC, 0, 0) else {
        return devices;
    };
    let mut text = String::new();
    let _ = std::io::Read::read_to_string(&mut std::fs::File::from(fd), &mut text);
    for line in text.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        if !after.split(' ').next().is_some_and(|kind| types.contains(&kind)) {
            continue;
        }
        let number = before.split(' ').nth(2).and_then(|n| n.split_once(':'));
        if let Some((Ok(major), Ok(minor))) = number.map(|(a, b)| (a.parse::<u32>(), b.parse::<u32>())) {
            devices.push(libc::makedev(major, minor));
        }
    }
    devices.sort_unstable();
    devices.dedup();
    devices
}

impl Notifier {
    /// Opens a path as the observed process would, through `/proc`.
    pub(crate) fn walk_open(
        &mut self,
        tid: i32,
        tgid: i32,
        base: Option<BorrowedFd<'_>>,
        path: &[u8],
        flags: i32,
        mode: u32,
    ) -> Result<OwnedFd, Errno> {
        let directory = libc::O_PATH | libc::O_CLOEXEC | libc::O_NOFOLLOW;
        let mut todo: Vec<Vec<u8>> = Vec::new();
        push_components(&mut todo, path);
        let mut here = match base {
            Some(base) if path.first() != Some(&b'/') => sys::open_at(Some(base), c".", directory, 0, 0)?,
            _ => sys::open_at(None, c"/", directory, 0, 0)?,
        };
        let mut links = 0;
        while let Some(name) = todo.pop() {
            let last = todo.is_empty();
            let stat = sys::stat(here.as_fd())?;
            let in_proc = self.proc_devices.contains(&stat.st_dev);
            let mut component = c_string(&name)?;
            if in_proc && stat.st_ino == 1 {
                // The root of a /proc.
                match name.as_slice() {
                    b"self" => component = c_string(self.number_in(&here, tgid, tgid).to_string().as_bytes())?,
                    b"thread-self" => {
                        todo.push(self.number_in(&here, tgid, tid).to_string().into_bytes());
                        todo.push(b"task".to_vec());
                        component = c_string(self.number_in(&here, tgid, tgid).to_string().as_bytes())?;
                        let next = sys::open_at(Some(here.as_fd()), &component, directory, 0, 0)?;
                        here = next;
                        continue;
                    }
                    _ => {}
                }
            }
            let follow = !(last && flags & libc::O_NOFOLLOW != 0);
            let text = if follow { sys::read_link_at(here.as_fd(), &component) } else { None };
            match text {
                Some(target) => {
                    links += 1;
                    if links > LINKS {
                        return Err(Errno::ELOOP);
                    }
                    let child = sys::stat_at(Some(here.as_fd()), &component, libc::AT_SYMLINK_NOFOLLOW)?;
                    let magic = in_proc && stat.st_ino != 1 && self.proc_devices.contains(&child.st_dev);
                    if magic && is_magic(self, &here) {
                        // A door of another process leads to what only it may see.
                        self.refuse_strangers(tgid, here.as_fd(), Some(&name))?;
                        // The link of the observed process itself: following it means that process's file.
                        if last {
                            return sys::open_at(Some(here.as_fd()), &component, flags, mode, 0);
                        }
                        here = sys::open_at(Some(here.as_fd()), &component, libc::O_PATH | libc::O_CLOEXEC, 0, 0)?;
                        continue;
                    }
                    if target.first() == Some(&b'/') {
                        here = sys::open_at(None, c"/", directory, 0, 0)?;
                    }
                    push_components(&mut todo, &target);
                    if todo.is_empty() {
                        return sys::open_at(Some(here.as_fd()), c".", flags & !libc::O_CREAT, 0, 0);
                    }
                }
                None if last => {
                    return match sys::open_at(Some(here.as_fd()), &component, flags, mode, 0) {
                        Ok(fd) => self.refuse_strangers(tgid, fd.as_fd(), None).map(|()| fd),
                        Err(errno) => {
                            // What the kernel refuses us too was still wanted.
                            if matches!(errno, Errno::EACCES | Errno::EPERM) {
                                self.refuse_strangers(tgid, here.as_fd(), Some(&name))?;
                            }
                            Err(errno)
                        }
                    };
                }
                None => here = sys::open_at(Some(here.as_fd()), &component, directory, 0, 0)?,
            }
        }
        let fd = sys::open_at(Some(here.as_fd()), c".", flags & !libc::O_CREAT, 0, 0)?;
        self.refuse_strangers(tgid, fd.as_fd(), None)?;
        Ok(fd)
    }

    /// The number of a process or thread in the `/proc` that is held.
    fn number_in(&self, held: &OwnedFd, tgid: i32, id: i32) -> i32 {
        let ours = sys::stat(self.proc.fd()).map(|stat| stat.st_dev).ok();
        let theirs = sys::stat(held.as_fd()).map(|stat| stat.st_dev).ok();
        if ours == theirs {
            return id;
        }
        self.proc.status(id).map_or(id, |status| if id == tgid { status.inner_tgid } else { status.inner_pid })
    }

    /// Files of processes outside the run that hold memory, secrets or descriptors are not opened for it: judged by what
    /// was opened, however it was reached. `within` is a name in the directory that is held.
    pub(crate) fn refuse_strangers(
        &mut self,
        tgid: i32,
        held: BorrowedFd<'_>,
        within: Option<&[u8]>,
    ) -> Result<(), Errno> {
        let stat = sys::stat(held)?;
        if !self.proc_devices.contains(&stat.st_dev) {
            return Ok(());
        }
        let Some(mut name) = self.proc.path_of(held) else { return Err(Errno::EACCES) };
        if let Some(within) = within {
            name.push(b'/');
            name.extend_from_slice(within);
        }
        let ours = sys::stat(self.proc.fd()).is_ok_and(|proc| proc.st_dev == stat.st_dev);
        match self.stranger_behind(&name, ours) {
            None => Ok(()),
            Some(what) => {
                // `ps` looks at these of every process, the first of the run's own ids among them.
                if !ours && ["environ", "ctty", "wchan"].iter().any(|file| what.ends_with(file)) {
                    return Err(Errno::EACCES);
                }
                self.violation(tgid, "memory", what, Permission::Refused);
                Err(Errno::EACCES)
            }
        }
    }

    /// What a path in `/proc` tells of a process outside the run; `None` when that is harmless. `ours`: the numbers are
    /// those of the supervisor's own `/proc`.
    fn stranger_behind(&self, name: &[u8], ours: bool) -> Option<String> {
        let text = String::from_utf8_lossy(name).into_owned();
        // Wherever it is mounted: the first part that is a number is the process.
        let mut parts = text.split('/').skip_while(|part| part.parse::<i32>().is_err());
        let pid = parts.next()?.parse::<i32>().ok()?;
        let known = if ours {
            self.tracked.contains_key(&pid)
                || self.threads.contains_key(&pid)
                || self.proc.status(pid).is_some_and(|status| {
                    self.tracked.contains_key(&status.tgid) || self.tracked.contains_key(&status.parent)
                })
        } else {
            // With process ids of its own the command can only name its own processes, and the first of them, which
            // is ours.
            pid != 1
        };
        let mut rest: Vec<&str> = parts.collect();
        if rest.first() == Some(&"task") {
            // A thread's files are its process's.
            rest.drain(..rest.len().min(2));
        }
        let harmless = match rest.as_slice() {
            [] => true,
            [one] => HARMLESS.contains(one),
            _ => false,
        };
        (!known && !harmless).then(|| format!("/proc/{pid}/{} of a process outside the run", rest.join("/")))
    }

    /// The same for a path that the kernel was asked to open: the errno when it may not be had.
    pub(crate) fn refuse_strangers_file(&mut self, tgid: i32, name: &[u8]) -> Option<Errno> {
        if !name.starts_with(b"/proc/") {
            return None;
        }
        let what = self.stranger_behind(name, !self.own_processes)?;
        self.violation(tgid, "memory", what, Permission::Refused);
        Some(Errno::EACCES)
    }
}

/// What of another process may be looked at.
const HARMLESS: &[&str] = &["stat", "statm", "status", "comm", "cmdline"];

fn push_components(todo: &mut Vec<Vec<u8>>, path: &[u8]) {
    todo.extend(path.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".").rev().map(<[u8]>::to_vec));
}

/// True in a directory whose links are no texts but doors: `/proc/PID`, `/proc/PID/fd`, `…/ns`, `…/map_files`.
fn is_magic(notifier: &Notifier, here: &OwnedFd) -> bool {
    let Some(path) = notifier.proc.path_of(here.as_fd()) else { return false };
    let mut parts = path.rsplit(|b| *b == b'/');
    let last = parts.next().unwrap_or_default();
    let number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    number(last) || matches!(last, b"fd" | b"ns" | b"map_files")
}
