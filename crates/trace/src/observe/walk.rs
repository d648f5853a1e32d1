//! Walking a path by hand, component by component, for paths that lead through `/proc`: there `self` and the links in
//! `fd`, `cwd`, `root` and `exe` mean whoever follows them, and that must be the observed process.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use provost_model::Permission;

use super::notify::{Notifier, c_string};
use super::sys;
use super::tracee::{Proc, read_link_at};

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
                    _ => self.refuse_strangers(tgid, &here, &name, &todo)?,
                }
            }
            let follow = !(last && flags & libc::O_NOFOLLOW != 0);
            let text = if follow { read_link_at(here.as_fd(), &component) } else { None };
            match text {
                Some(target) => {
                    links += 1;
                    if links > LINKS {
                        return Err(Errno::ELOOP);
                    }
                    let child = sys::stat_at(Some(here.as_fd()), &component, libc::AT_SYMLINK_NOFOLLOW)?;
                    let magic = in_proc && stat.st_ino != 1 && self.proc_devices.contains(&child.st_dev);
                    if magic && is_magic(self, &here) {
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
                None if last => return sys::open_at(Some(here.as_fd()), &component, flags, mode, 0),
                None => here = sys::open_at(Some(here.as_fd()), &component, directory, 0, 0)?,
            }
        }
        sys::open_at(Some(here.as_fd()), c".", flags & !libc::O_CREAT, 0, 0)
    }

    /// The number of a process or thread in the `/proc` that is held.
    fn number_in(&self, held: &OwnedFd, tgid: i32, id: i32) -> i32 {
        let ours = sys::stat(self.proc.fd()).map(|stat| stat.st_dev).ok();
        let theirs = sys::stat(held.as_fd()).map(|stat| stat.st_dev).ok();
        if ours == theirs {
            return id;
        }
        if id == tgid {
            return self.tracked.get(&tgid).map_or(id, |tracked| tracked.inner_tgid);
        }
        self.proc.status(id).map_or(id, |status| status.inner_pid)
    }

    /// Files of processes outside the run that hold memory, secrets or descriptors are not opened for it.
    fn refuse_strangers(&mut self, tgid: i32, held: &OwnedFd, name: &[u8], rest: &[Vec<u8>]) -> Result<(), Errno> {
        let Some(pid) = std::str::from_utf8(name).ok().and_then(|text| text.parse::<i32>().ok()) else {
            return Ok(());
        };
        // With process ids of its own the command can only name its own processes, and the first of them, which
        // is ours.
        let ours = sys::stat(self.proc.fd()).map(|stat| stat.st_dev).ok();
        let theirs = sys::stat(held.as_fd()).map(|stat| stat.st_dev).ok();
        let known = if ours == theirs {
            self.tracked.contains_key(&pid)
                || self.proc.status(pid).is_some_and(|status| {
                    self.tracked.contains_key(&status.tgid) || self.tracked.contains_key(&status.parent)
                })
        } else {
            pid != 1
        };
        let wanted = rest.last();
        if known || wanted.is_none_or(|wanted| HARMLESS.contains(&wanted.as_slice())) {
            return Ok(());
        }
        let wanted = wanted.map(|w| String::from_utf8_lossy(w).into_owned()).unwrap_or_default();
        // `ps` looks at these of every process, the first of the run's own ids among them.
        if ours != theirs && matches!(wanted.as_str(), "environ" | "ctty" | "wchan") {
            return Err(Errno::EACCES);
        }
        let what = format!("/proc/{pid}/{wanted} of a process outside the run");
        self.violation(tgid, "memory", what, Permission::Refused);
        Err(Errno::EACCES)
    }
}

impl Notifier {
    /// The same for a file that the kernel opened: the errno when it may not be had.
    pub(crate) fn refuse_strangers_file(&mut self, tgid: i32, name: &[u8]) -> Option<Errno> {
        let rest = name.strip_prefix(b"/proc/")?;
        let (number, wanted) = rest.split_at(rest.iter().position(|b| *b == b'/')?);
        let pid = std::str::from_utf8(number).ok()?.parse::<i32>().ok()?;
        let wanted = &wanted[1..];
        let own = self.own_processes
            || self.tracked.contains_key(&pid)
            || self.proc.status(pid).is_some_and(|s| self.tracked.contains_key(&s.tgid));
        if own || HARMLESS.contains(&wanted) {
            return None;
        }
        let what = format!("/proc/{pid}/{} of a process outside the run", String::from_utf8_lossy(wanted));
        self.violation(tgid, "memory", what, Permission::Refused);
        Some(Errno::EACCES)
    }
}

/// What of another process may be looked at.
const HARMLESS: &[&[u8]] = &[b"stat", b"statm", b"status", b"comm", b"cmdline", b"task"];

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
