//! Executions: the program that the kernel runs, and what led to it.

use std::os::fd::{AsFd as _, OwnedFd};

use nix::libc;
use provost_model::{Digest, Execution, FileName, Permission, Use};

use super::super::execute::{HEAD, INTERPRETERS, elf_loader, interpreter_of, read_from};
use super::super::notify::c_string;
use super::super::sys;
use super::collect::Collector;
use super::files::joined;
use super::layout::Event;

impl Collector {
    pub(super) fn executed(&mut self, event: &Event) {
        let process = self.id_of(event.process);
        let mut path = event.walked(0).unwrap_or_default();
        let nameless = event.file.links == 0;
        if nameless {
            path.extend_from_slice(b" (deleted)");
        }
        let mut digest = None;
        if !nameless && let Some(place) = self.record.file(&path, Use::Executed, process) {
            digest = self.digest(event, &path, place, "exe");
        }
        let directory = event.walked(1).unwrap_or_default();
        let named = event.text(2).map(|text| joined(Some(directory.clone()), text)).unwrap_or_default();
        let script = self.script(event, &named, &path);
        self.loader(event, &path, nameless);
        let mut arguments: Vec<String> =
            event.bytes(3).split(|b| *b == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        let cut = event.length(3) < event.other.cast_unsigned() as usize;
        // Each ends with a zero, the last one too.
        if !cut || arguments.last().is_some_and(String::is_empty) {
            arguments.pop();
        }
        let mut kept = 0;
        let whole = arguments.len();
        arguments.retain(|text| {
            kept += text.len() + 1;
            kept <= self.record.limits.arguments
        });
        let cut = cut || arguments.len() < whole;
        self.judge_program(process, &path, digest);
        self.record.executed(
            process,
            Execution {
                path: FileName::from_bytes(&path),
                digest,
                script: script.as_ref().map(|(path, _)| FileName::from_bytes(path)),
                script_digest: script.and_then(|(_, digest)| digest),
                arguments,
                arguments_cut: cut,
                directory: FileName::from_bytes(&directory),
                at: self.record.now(),
            },
        );
    }

    /// The script, when the file that was named is one; its interpreters are recorded as well. It is found by the name
    /// that the kernel was given.
    fn script(&mut self, event: &Event, named: &[u8], program: &[u8]) -> Option<(Vec<u8>, Option<Digest>)> {
        if named.starts_with(b"/dev/fd/") {
            return None;
        }
        let process = self.id_of(event.process);
        let (mut name, mut first) = (named.to_vec(), None);
        for _ in 0..INTERPRETERS {
            let (path, fd, head) = self.look_at(&name)?;
            if path == program {
                break;
            }
            let interpreter = interpreter_of(&head)?;
            let digest = self.use_as_program(&path, &fd, process);
            first.get_or_insert((path, digest));
            name = joined(event.walked(1), &interpreter);
        }
        first
    }

    /// The loader that an ELF program asks for: the kernel opens it itself.
    fn loader(&mut self, event: &Event, program: &[u8], nameless: bool) {
        let process = self.id_of(event.process);
        let inode = event.file.inode;
        if nameless {
            return;
        }
        if let Some((path, digest, size)) = self.companions.get(&inode) {
            let (digest, size) = (*digest, *size);
            let place = self.record.file(path, Use::Executed, process);
            if let (Some(place), Some(digest)) = (place, digest) {
                self.record.saw(place, digest, size);
            }
            return;
        }
        let Some((path, fd, head)) = self.look_at(program) else { return };
        if path != program {
            return;
        }
        let Some(loader) = elf_loader(&fd, &head) else { return };
        let Some((path, fd, _)) = self.look_at(&joined(event.walked(1), &loader)) else { return };
        let digest = self.use_as_program(&path, &fd, process);
        let size = sys::stat(fd.as_fd()).map_or(0, |stat| stat.st_size as u64);
        self.companions.insert(inode, (path, digest, size));
    }

    /// A regular file by name: its path as the kernel resolves it now, and its first bytes.
    fn look_at(&self, name: &[u8]) -> Option<(Vec<u8>, OwnedFd, Vec<u8>)> {
        let name = c_string(name).ok()?;
        let regular = |stat: &libc::stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG;
        if !sys::stat_at(None, &name, 0).is_ok_and(|stat| regular(&stat)) {
            return None;
        }
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
        let fd = sys::open_at(None, &name, flags, 0, 0x02).ok()?;
        if !sys::stat(fd.as_fd()).is_ok_and(|stat| regular(&stat)) {
            return None;
        }
        let path = self.proc.path_of(fd.as_fd())?;
        let head = read_from(&fd, 0, HEAD);
        Some((path, fd, head))
    }

    fn use_as_program(&mut self, path: &[u8], fd: &OwnedFd, process: u32) -> Option<Digest> {
        let place = self.record.file(path, Use::Executed, process)?;
        let stat = sys::stat(fd.as_fd()).ok()?;
        if self.digests { self.record.content(fd.as_fd(), &stat, place, process) } else { None }
    }

    fn judge_program(&mut self, process: u32, path: &[u8], digest: Option<Digest>) {
        if !self.digests {
            return;
        }
        if let Some(why) = self.rules.program(path, digest.as_ref(), &self.record) {
            let what = format!("{}: {why}", String::from_utf8_lossy(path));
            self.record.violation("tool", process, what, Permission::Allowed);
        }
    }
}
