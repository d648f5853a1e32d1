//! Files: opened ones by the kernel's own path, changed names by the caller's text, digests as soon as the event is here.

use std::os::fd::{AsFd as _, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use provost_model::Use;

use super::super::notify::c_string;
use super::super::open::without_dots;
use super::super::sys;
use super::collect::{Collector, Seen};
use super::layout::{Event, FMODE_CREATED, FMODE_READ, FMODE_WRITE, FileState, GONE};

/// RESOLVE_NO_MAGICLINKS, and also RESOLVE_NO_SYMLINKS: a path of the kernel's own has no links left.
const NO_MAGIC: u64 = 0x02;
const NO_LINKS: u64 = 0x04;

impl Collector {
    pub(super) fn opened(&mut self, event: &Event) {
        let flags = event.arguments[6] as i32;
        let process = self.id_of(event.process);
        let cuts = flags & libc::O_TRUNC != 0;
        if event.result < 0 {
            let writes = flags & (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) != 0;
            return self.attempted(event, if writes { Use::Written } else { Use::Read });
        }
        if event.flags & GONE != 0 {
            // Another thread closed the descriptor meanwhile: what is left is the name that was asked for.
            let writes = flags & (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) != 0;
            let kind = if writes { Use::Written } else { Use::Read };
            if let Some(name) = self.name(event, 0, true)
                && let Some(place) = self.record.file(&name, kind, process)
            {
                self.record.problem(
                    place,
                    "its descriptor was closed before it could be looked at: the path is as it was asked for",
                );
            }
            return;
        }
        let file = event.file;
        let (reads, writes) = (file.opened & FMODE_READ != 0, file.opened & FMODE_WRITE != 0);
        let (directory, regular) =
            (file.mode & libc::S_IFMT == libc::S_IFDIR, file.mode & libc::S_IFMT == libc::S_IFREG);
        // Pipes, files in memory and removed ones have no name.
        if !directory && !event.has_name(0) || regular && file.links == 0 {
            return;
        }
        let Some(path) = event.walked(0) else { return };
        let kind = if directory {
            Use::Listed
        } else if file.opened & FMODE_CREATED != 0 {
            Use::Created
        } else if writes || cuts {
            Use::Written
        } else {
            Use::Read
        };
        self.judge_path(event, &path, kind);
        let Some(place) = self.record.file(&path, kind, process) else { return };
        if reads && writes {
            self.record.used(place, Use::Read, process);
        }
        if !regular || self.made_up.contains(&file.inode.0) {
            return;
        }
        if reads && (!writes || file.size > 0) {
            let descriptor = format!("fd/{}", event.result);
            let digest = self.digest(event, &path, place, &descriptor);
            if let Some(digest) = digest
                && self.rules.is_denied(&digest)
            {
                let what = format!("opening {}, whose content is denied", String::from_utf8_lossy(&path));
                self.violation(event, "tool", what);
            } else if kind == Use::Read && (digest.is_some() || !self.digests) {
                self.repeats_from_now_on(event, &path);
            }
        }
        if writes || cuts {
            self.seen.remove(&file.inode);
            if self.repeated.contains(&file.inode) {
                self.record.problem(place, "it was read several times before it was opened for writing: whether one of its readers still used it is not known");
            }
            self.record.writes(file.inode, process);
        }
    }

    /// Reading this file again by the same name, unchanged, tells nothing new: tool chains and headers are opened
    /// thousands of times. Not for what the run wrote, nor for what the policy minds.
    fn repeats_from_now_on(&mut self, event: &Event, path: &[u8]) {
        // The grain of its times is coarser than a moment.
        if event.file.changed.0 < self.began - 2
            && self.rules.path(path, Use::Read).is_none()
            && let Some(repeats) = &mut self.repeats
        {
            repeats.add(event.repeat());
            self.repeated.insert(event.file.inode);
        }
    }

    /// What the guard's mounts and domains refused was still tried.
    fn attempted(&mut self, event: &Event, kind: Use) {
        let error = Errno::from_raw(-event.result as i32);
        let refused = error == Errno::EROFS || self.rules.prevents();
        let Some(text) = event.text(0).filter(|_| refused) else { return };
        let name = without_dots(&joined(event.walked(1), text));
        if let Some((rule, what)) = self.rules.path(&name, kind) {
            self.violation(event, rule, what);
        }
    }

    /// The digest of a file that was opened or executed, taken now: what became of it meanwhile is said.
    pub(super) fn digest(
        &mut self,
        event: &Event,
        path: &[u8],
        place: u32,
        link: &str,
    ) -> Option<provost_model::Digest> {
        let state = event.file;
        if !self.digests {
            return None;
        }
        if let Some(seen) = self.seen.get(&state.inode)
            && seen.changed == state.changed
            && seen.size == state.size
        {
            let digest = seen.digest?;
            self.record.saw(place, digest, state.size);
            return Some(digest);
        }
        let Some((fd, stat)) = self.find(event.process, path, &state, link) else {
            self.record.problem(place, "it was not to be found any more when its digest was to be taken");
            return None;
        };
        self.find_writers((stat.st_dev, stat.st_ino));
        let process = self.id_of(event.process);
        let digest = self.record.content(fd.as_fd(), &stat, place, process);
        let after = sys::stat(fd.as_fd()).ok()?;
        let same = |stat: &libc::stat| (stat.st_ctime, stat.st_ctime_nsec) == state.changed;
        if same(&stat) && same(&after) && after.st_size as u64 == state.size {
            let seen = Seen { changed: state.changed, size: state.size, digest };
            self.seen.insert(state.inode, seen);
        } else {
            self.record.problem(place, "it was changed after it was used, before its digest was taken");
        }
        digest
    }

    /// The file of an event: by its path, or through the process while it holds it.
    fn find(&mut self, process: i32, path: &[u8], state: &FileState, link: &str) -> Option<(OwnedFd, libc::stat)> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
        // Never anything but a regular file: opening a device can have effects.
        let regular = |stat: &libc::stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG;
        let name = c_string(path).ok()?;
        if sys::stat_at(None, &name, libc::AT_SYMLINK_NOFOLLOW).is_ok_and(|stat| regular(&stat))
            && let Ok(fd) = sys::open_at(None, &name, flags, 0, NO_MAGIC | NO_LINKS)
            && let Ok(stat) = sys::stat(fd.as_fd())
            && regular(&stat)
            && self.is_same(&fd, &stat, state.inode)
        {
            return Some((fd, stat));
        }
        if !self.proc.stat_link(process, link).is_ok_and(|stat| regular(&stat)) {
            return None;
        }
        let fd = self.proc.open_link(process, link, flags).ok()?;
        let stat = sys::stat(fd.as_fd()).ok()?;
        (regular(&stat) && self.is_same(&fd, &stat, state.inode)).then_some((fd, stat))
    }

    /// True when a descriptor is for this inode. `stat` names files of stacked file systems by other numbers than the
    /// kernel's own; `fdinfo` does not.
    fn is_same(&mut self, fd: &OwnedFd, stat: &libc::stat, inode: (u64, u64)) -> bool {
        if (stat.st_dev, stat.st_ino) == inode {
            return true;
        }
        use std::os::fd::AsRawFd as _;
        let Some(text) = self.text(&format!("self/fdinfo/{}", fd.as_raw_fd())) else { return false };
        let field =
            |name: &str| -> Option<u64> { text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok() };
        let (Some(number), Some(mount)) = (field("ino:"), field("mnt_id:")) else { return false };
        if number != inode.1 {
            return false;
        }
        if !self.mounts.contains_key(&mount) {
            self.mounts = self.devices_of_mounts();
        }
        self.mounts.get(&mount) == Some(&inode.0)
    }

    fn text(&self, name: &str) -> Option<String> {
        let name = c_string(name.as_bytes()).ok()?;
        let fd = sys::open_at(Some(self.proc.fd()), &name, libc::O_RDONLY | libc::O_CLOEXEC, 0, 0).ok()?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::fs::File::from(fd), &mut text).ok()?;
        Some(text)
    }

    fn devices_of_mounts(&self) -> std::collections::HashMap<u64, u64> {
        let text = self.text("self/mountinfo").unwrap_or_default();
        text.lines()
            .filter_map(|line| {
                let mut fields = line.split(' ');
                let mount = fields.next()?.parse().ok()?;
                let (major, minor) = fields.nth(1)?.split_once(':')?;
                Some((mount, libc::makedev(major.parse().ok()?, minor.parse().ok()?)))
            })
            .collect()
    }

    /// Which processes can still write a file that the run has written.
    fn find_writers(&mut self, inode: (u64, u64)) {
        let possible = self.record.possible_writers(inode);
        if possible.is_empty() {
            return;
        }
        let holds = |id: &u32| {
            let process = self.record.processes.get(*id as usize);
            process.is_some_and(|process| self.proc.holds(process.pid.cast_signed(), inode, false))
        };
        let holders: Vec<u32> = possible.into_iter().filter(holds).collect();
        self.record.keep_writers(inode, holders, false);
    }

    /// Calls that change names, modes and sizes.
    pub(super) fn changed(&mut self, event: &Event, call: &str) {
        if event.result < 0 {
            return self.attempted(event, Use::Written);
        }
        let process = self.id_of(event.process);
        match call {
            "rename" | "renameat" | "renameat2" => {
                let (Some(from), Some(to)) = (self.name(event, 0, false), self.name(event, 1, false)) else { return };
                self.judge_path(event, &from, Use::Renamed);
                self.judge_path(event, &to, Use::Created);
                self.record.file(&from, Use::Renamed, process);
                self.record.file(&to, Use::Created, process);
                self.record.renamed(&from, &to);
            }
            "link" | "linkat" => self.note(event, 1, false, Use::Created),
            "symlink" | "symlinkat" | "mkdir" | "mkdirat" | "mknod" | "mknodat" => {
                self.note(event, 0, false, Use::Created);
            }
            "unlink" | "unlinkat" | "rmdir" => self.note(event, 0, false, Use::Deleted),
            "truncate" => self.note(event, 0, true, Use::Written),
            "lchown" => self.note(event, 0, false, Use::Changed),
            "chmod" | "chown" | "fchmodat" => self.note(event, 0, true, Use::Changed),
            "fchownat" | "fchmodat2" => {
                let flags = event.number_at(if call == "fchownat" { 4 } else { 3 });
                self.note(event, 0, flags & libc::AT_SYMLINK_NOFOLLOW == 0, Use::Changed);
            }
            "fchmod" | "fchown" if event.has_name(0) && event.file.links > 0 => {
                if let Some(path) = event.walked(0) {
                    self.judge_path(event, &path, Use::Changed);
                    self.record.file(&path, Use::Changed, process);
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, event: &Event, which: usize, follow: bool, kind: Use) {
        let Some(name) = self.name(event, which, follow) else { return };
        self.judge_path(event, &name, kind);
        let process = self.id_of(event.process);
        let place = self.record.file(&name, kind, process);
        if kind == Use::Written
            && place.is_some()
            && let Ok(name) = c_string(&name)
            && let Ok(stat) = sys::stat_at(None, &name, libc::AT_SYMLINK_NOFOLLOW)
        {
            self.seen.remove(&(stat.st_dev, stat.st_ino));
            self.record.writes((stat.st_dev, stat.st_ino), process);
        }
    }

    /// The path that a text of the caller's means: its directory as it is resolved now, and the last name as it was
    /// written. With `follow` the last name is resolved as well.
    pub(super) fn name(&self, event: &Event, which: usize, follow: bool) -> Option<Vec<u8>> {
        let text = event.text(which * 2)?;
        self.resolve(
            &joined(event.has_name(which * 2 + 1).then(|| event.walked(which * 2 + 1)).flatten(), text),
            follow,
        )
    }

    /// As [`Self::name`], of a whole path.
    pub(super) fn resolve(&self, path: &[u8], follow: bool) -> Option<Vec<u8>> {
        let opened = |path: &[u8]| {
            let flags = libc::O_PATH | libc::O_CLOEXEC;
            let fd = sys::open_at(None, &c_string(path).ok()?, flags, 0, NO_MAGIC).ok()?;
            self.proc.path_of(fd.as_fd())
        };
        if follow && let Some(path) = opened(path) {
            return Some(path);
        }
        let end = path.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
        let start = path[..end].iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
        let last = &path[start..end];
        if last.is_empty() || last == b"." || last == b".." {
            return Some(without_dots(path));
        }
        // The directory may be gone by now: then the text has to do.
        let Some(mut parent) = opened(&path[..start]) else { return Some(without_dots(path)) };
        if parent.last() != Some(&b'/') {
            parent.push(b'/');
        }
        parent.extend_from_slice(last);
        Some(parent)
    }
}

/// A text, and the directory that it begins at.
pub(super) fn joined(base: Option<Vec<u8>>, text: &[u8]) -> Vec<u8> {
    match base {
        Some(mut base) if text.first() != Some(&b'/') => {
            if !text.is_empty() {
                base.push(b'/');
                base.extend_from_slice(text);
            }
            base
        }
        _ => text.to_vec(),
    }
}
