//! Executions: judged by content before, and once more by the kernel's own file afterwards, since a path can be
//! swapped between our look at it and the kernel's.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use provost_model::{Digest, Execution, FileName, Permission, Use};

use super::notify::{Notifier, Reply, c_string};
use super::open::may_lead_to_proc;
use super::record::{Inode, Stamp};
use super::sys;
use super::tracee::{read_arguments, read_path};

/// How deep scripts may be the interpreters of scripts (linux/binfmts.h: four rewrites).
pub(crate) const INTERPRETERS: usize = 4;

/// What is read of a program at once: a script's first line, or an ELF file's header, table and loader, in bytes.
pub(crate) const HEAD: usize = 1024;

/// An execution that was let through and whose outcome is not known yet.
pub(crate) struct Pending {
    /// The thread that asked for it.
    thread: i32,
    /// The file that was judged, and its state then; `None` where it could not be looked at.
    expected: Option<(Inode, Stamp)>,
    before: Inode,
    /// The kernel will say ENOEXEC: neither a program nor a script.
    unlikely: bool,
    execution: Execution,
    files: Vec<Used>,
}

/// A program file, opened.
struct Program {
    fd: OwnedFd,
    inode: Inode,
    stamp: Stamp,
    file: Used,
    head: Vec<u8>,
}

/// A file that an execution uses: the program, a script, its interpreter, a loader.
#[derive(Clone)]
struct Used {
    path: Vec<u8>,
    digest: Option<Digest>,
    size: u64,
}

impl Notifier {
    pub(crate) fn execute(&mut self, tid: i32, tgid: i32, dirfd: i32, path: u64, arguments: u64, flags: i32) -> Reply {
        let path = match read_path(tid, path) {
            Ok(path) => path,
            Err(errno) => return Reply::Done(Err(errno)),
        };
        let program = if path.is_empty() {
            if flags & libc::AT_EMPTY_PATH == 0 {
                return Reply::Done(Err(Errno::ENOENT));
            }
            let link = format!("fd/{dirfd}");
            // It may be executed without being read: then its content has no digest.
            let fd = self
                .proc
                .open_link(tid, &link, libc::O_RDONLY | libc::O_NONBLOCK)
                .or_else(|_| self.proc.open_link(tid, &link, libc::O_PATH));
            fd.and_then(|fd| self.program_behind(tgid, fd))
        } else {
            self.find_program(tid, tgid, dirfd, path.to_bytes())
        };
        // Shells try each directory of PATH: nothing is there, nothing is run.
        if matches!(program, Err(Errno::ENOENT | Errno::ENOTDIR)) && !self.is_foreign(tgid) {
            return Reply::Done(Err(Errno::ENOENT));
        }
        let (arguments, whole) = read_arguments(tid, arguments, self.record.limits.arguments);
        let first = match program {
            Ok(program) => program,
            Err(errno) => return self.execute_unseen(tid, tgid, path.to_bytes(), arguments, whole, errno),
        };
        let directory = self.base(tid, tgid, libc::AT_FDCWD).map(|place| place.path.clone()).unwrap_or_default();
        let mut files = vec![first.file.clone()];
        let mut script = None;
        let mut runs = first;
        for _ in 0..INTERPRETERS {
            let Some(interpreter) = interpreter_of(&runs.head) else { break };
            let Ok(next) = self.find_program(tid, tgid, libc::AT_FDCWD, &interpreter) else { break };
            script.get_or_insert_with(|| runs.file.clone());
            files.push(next.file.clone());
            runs = next;
        }
        let unlikely = !runs.head.starts_with(b"\x7fELF");
        if let Some(errno) = self.judge_program(tgid, &files, &runs, script.is_some()) {
            return Reply::Done(Err(errno));
        }
        // The kernel opens an ELF file's loader itself.
        if let Some(loader) = elf_loader(&runs.fd, &runs.head)
            && let Ok(loader) = self.find_program(tid, tgid, libc::AT_FDCWD, &loader)
        {
            files.push(loader.file);
        }
        let arguments: Vec<String> = arguments.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
        let execution = Execution {
            path: FileName::from_bytes(&runs.file.path),
            digest: runs.file.digest,
            script: script.as_ref().map(|script| FileName::from_bytes(&script.path)),
            script_digest: script.and_then(|script| script.digest),
            arguments,
            arguments_cut: !whole,
            directory: FileName::from_bytes(&directory),
            at: self.record.now(),
        };
        let expected = Some((runs.inode, runs.stamp));
        self.expect(tgid, Pending { thread: tid, expected, before: (0, 0), unlikely, execution, files });
        Reply::GoOn
    }

    fn expect(&mut self, tgid: i32, mut pending: Pending) {
        if let Some(tracked) = self.tracked.get_mut(&tgid) {
            pending.before = tracked.exe;
            tracked.pending.retain(|other| other.thread != pending.thread);
            tracked.pending.push(pending);
        }
    }

    /// A program that could not be looked at: a lease is held on it, or it is out of our reach. Where programs are judged
    /// it is not executed; elsewhere what runs then is looked at afterwards.
    fn execute_unseen(
        &mut self,
        tid: i32,
        tgid: i32,
        path: &[u8],
        arguments: Vec<Vec<u8>>,
        whole: bool,
        errno: Errno,
    ) -> Reply {
        if self.rules.judges_tools() {
            let what = format!("{}: it could not be looked at ({})", String::from_utf8_lossy(path), errno.desc());
            let permission = self.rules.refused_in_prevent();
            self.violation(tgid, "tool", what, permission);
            if permission == Permission::Refused {
                return Reply::Done(Err(if errno == Errno::EAGAIN { Errno::EACCES } else { errno }));
            }
        }
        let directory = self.base(tid, tgid, libc::AT_FDCWD).map(|place| place.path.clone()).unwrap_or_default();
        let execution = Execution {
            path: FileName::from_bytes(path),
            digest: None,
            script: None,
            script_digest: None,
            arguments: arguments.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect(),
            arguments_cut: !whole,
            directory: FileName::from_bytes(&directory),
            at: self.record.now(),
        };
        let pending =
            Pending { thread: tid, expected: None, before: (0, 0), unlikely: false, execution, files: Vec::new() };
        self.expect(tgid, pending);
        Reply::GoOn
    }

    /// The next call of a thread tells whether its execution worked, and what really runs now.
    pub(crate) fn settle(&mut self, tgid: i32, tid: i32) {
        let Some(tracked) = self.tracked.get_mut(&tgid) else { return };
        if tracked.pending.is_empty() {
            return;
        }
        let Ok(stat) = self.proc.stat_link(tid, "exe") else { return };
        let now = (stat.st_dev, stat.st_ino);
        let process = tracked.id;
        // Another thread's call says nothing of an execution that is still under way: only that the program is another
        // one, or that the thread that asked for it is gone, which an execution makes of all but one.
        let fits = |p: &Pending| p.expected.is_some_and(|(inode, _)| inode == now);
        let changed = tracked.pending.iter().any(|p| p.before != now);
        let own = tracked.pending.iter().position(|p| p.thread == tid);
        let gone = |p: &Pending| self.proc.stat_link(tgid, &format!("task/{}", p.thread)).is_err();
        let at = if changed {
            tracked.pending.iter().position(fits).or(own).or(Some(0))
        } else {
            own.or_else(|| tracked.pending.iter().position(|p| fits(p) && gone(p)))
        };
        let Some(at) = at else { return };
        let pending = tracked.pending.swap_remove(at);
        let Pending { expected, before, unlikely, mut execution, mut files, .. } = pending;
        if now == before && (expected.is_none_or(|(inode, _)| inode != now) || unlikely) {
            // It failed: the program before goes on.
            return;
        }
        tracked.pending.clear();
        tracked.exe = now;
        tracked.resolvers.clear();
        self.only_thread(tgid, tid);
        if process == 0 && self.record.processes.first().is_some_and(|first| first.programs.is_empty()) {
            // What the run begins with: in a user namespace of its own the process before had every capability.
            let pidfd = self.tracked.get(&tgid).and_then(|tracked| tracked.pidfd.as_ref());
            self.initial = self.rights_of(tgid, pidfd);
        }
        // The same file, and not touched since it was judged.
        let as_judged = expected.is_some_and(|(inode, stamp)| inode == now && stamp == Stamp::of(&stat));
        if !as_judged {
            let fd = self.proc.open_link(tid, "exe", libc::O_RDONLY);
            if let Ok(program) = fd.and_then(|fd| self.program_behind(tgid, fd)) {
                let same =
                    program.file.digest.is_some() && program.file.digest == execution.digest && !files.is_empty();
                if !same {
                    self.judge_exchanged(tgid, expected.is_some(), &program, &execution);
                    execution.path = FileName::from_bytes(&program.file.path);
                    execution.digest = program.file.digest;
                    files = vec![program.file.clone()];
                }
            }
        }
        self.note_executed(process, execution, files);
    }

    /// Another program runs than the one that was judged, or one that could not be.
    fn judge_exchanged(&mut self, tgid: i32, was_judged: bool, runs: &Program, execution: &Execution) {
        let why = self.rules.program(&runs.file.path, runs.file.digest.as_ref(), &self.record);
        if !was_judged && why.is_none() {
            return;
        }
        let path = String::from_utf8_lossy(&runs.file.path).into_owned();
        let what = match (was_judged, why) {
            (true, _) => {
                format!("the program was exchanged while it was judged: {path} runs instead of {}", execution.path.text)
            }
            (false, why) => format!("{path}: {}", why.unwrap_or_default()),
        };
        let permission = self.rules.refused_in_prevent();
        self.violation(tgid, "tool", what, permission);
        if permission == Permission::Refused {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(tgid), nix::sys::signal::Signal::SIGKILL);
        }
    }

    /// A process ended before it made another call: the execution that it asked for may have worked, and is recorded as it
    /// was judged. (Had it failed, the program before would have made a call to end.)
    pub(crate) fn settle_ended(&mut self, process: u32, pending: Pending) {
        self.note_executed(process, pending.execution, pending.files);
    }

    fn note_executed(&mut self, process: u32, execution: Execution, files: Vec<Used>) {
        for file in files {
            if let Some(place) = self.record.file(&file.path, Use::Executed, process)
                && let Some(digest) = file.digest
            {
                self.record.saw(place, digest, file.size);
            }
        }
        self.record.executed(process, execution);
    }

    /// Opens a program and takes its digest.
    fn find_program(&mut self, tid: i32, tgid: i32, dirfd: i32, path: &[u8]) -> Result<Program, Errno> {
        let base = if path.first() == Some(&b'/') { None } else { Some(self.base(tid, tgid, dirfd)?) };
        let at = base.as_ref().map(|place| place.fd.as_fd());
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
        let name = c_string(path)?;
        let fd = match sys::open_at(at, &name, flags, 0, 0x02) {
            Ok(fd) => {
                let stat = sys::stat(fd.as_fd())?;
                if !self.proc_devices.contains(&stat.st_dev) {
                    return self.program(tgid, fd, &stat);
                }
                self.walk_open(tid, tgid, at, path, flags, 0)?
            }
            Err(Errno::ELOOP) => self.walk_open(tid, tgid, at, path, flags, 0)?,
            Err(Errno::ENOENT) if may_lead_to_proc(path) => self.walk_open(tid, tgid, at, path, flags, 0)?,
            // It may be executed without being read: then its content has no digest.
            Err(Errno::EACCES) => sys::open_at(at, &name, libc::O_PATH | libc::O_CLOEXEC, 0, 0x02)?,
            other => other?,
        };
        self.program_behind(tgid, fd)
    }

    fn program_behind(&mut self, tgid: i32, fd: OwnedFd) -> Result<Program, Errno> {
        let stat = sys::stat(fd.as_fd())?;
        self.program(tgid, fd, &stat)
    }

    fn program(&mut self, tgid: i32, fd: OwnedFd, stat: &libc::stat) -> Result<Program, Errno> {
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
            return Err(Errno::EACCES);
        }
        let process = self.id_of(tgid);
        let path = self.proc.path_of(fd.as_fd()).ok_or(Errno::ENOENT)?;
        let head = read_from(&fd, 0, HEAD);
        if self.record.was_written((stat.st_dev, stat.st_ino)) {
            self.note_ends();
        }
        let (digest, _) = self.record.digest(fd.as_fd(), stat, process);
        let size = stat.st_size as u64;
        Ok(Program {
            inode: (stat.st_dev, stat.st_ino),
            stamp: Stamp::of(stat),
            fd,
            file: Used { path, digest, size },
            head,
        })
    }

    /// What the policy says of a program; the errno when it is refused.
    fn judge_program(&mut self, tgid: i32, files: &[Used], runs: &Program, is_script: bool) -> Option<Errno> {
        let mut refused = None;
        for file in files {
            if let Some(why) = self.rules.program(&file.path, file.digest.as_ref(), &self.record) {
                let permission = self.rules.refused_in_prevent();
                self.violation(tgid, "tool", format!("{}: {why}", String::from_utf8_lossy(&file.path)), permission);
                if permission == Permission::Refused {
                    refused = Some(Errno::EACCES);
                }
            }
        }
        // A loader that is called by name runs any file as a program.
        if self.rules.judges_tools() && !is_script && is_loader(&runs.file.path) {
            let permission = self.rules.refused_in_prevent();
            let what = format!("{}: a loader called by name runs any file", String::from_utf8_lossy(&runs.file.path));
            self.violation(tgid, "tool", what, permission);
            if permission == Permission::Refused {
                refused = Some(Errno::EACCES);
            }
        }
        refused
    }

    /// `memfd_create`: a program without a file. Where tools are judged it can never be executed.
    pub(crate) fn make_memory_file(&mut self, flags: u64) -> Reply {
        const NO_EXECUTION: u32 = 0x8; // MFD_NOEXEC_SEAL
        if !self.rules.judges_tools() || !self.rules.prevents() || flags as u32 & NO_EXECUTION != 0 {
            return Reply::GoOn;
        }
        let flags = flags as u32 & !0x10 | NO_EXECUTION; // without MFD_EXEC
        if !self.listener.hands_over() {
            return Reply::With { argument: 1, value: u64::from(flags) };
        }
        // SAFETY: the name is a constant; the other argument is a number.
        match unsafe { sys::call(libc::SYS_memfd_create, [c"provost".as_ptr() as usize, flags as usize, 0, 0, 0, 0]) } {
            Ok(fd) => {
                use std::os::fd::FromRawFd as _;
                // SAFETY: the descriptor is new, and nobody else has it.
                let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
                Reply::Give { fd, close_on_exec: flags & 1 != 0, alone: true }
            }
            Err(errno) => Reply::Done(Err(errno)),
        }
    }
}

/// The interpreter that a script's first line names, as the kernel reads it (binfmt_script): from the first 256 bytes.
pub(crate) fn interpreter_of(head: &[u8]) -> Option<Vec<u8>> {
    let line = head[..head.len().min(256)].strip_prefix(b"#!")?;
    let line = line.split(|b| *b == b'\n').next()?;
    let start = line.iter().position(|b| *b != b' ' && *b != b'\t')?;
    let line = &line[start..];
    let end = line.iter().position(|b| matches!(b, b' ' | b'\t' | 0)).unwrap_or(line.len());
    (end > 0).then(|| line[..end].to_vec())
}

/// At most `length` bytes of a file from an offset on; fewer at its end, none where it cannot be read.
pub(crate) fn read_from(fd: &OwnedFd, at: i64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    // SAFETY: the kernel writes at most the buffer's length into our own live buffer.
    let got = unsafe { libc::pread(fd.as_raw_fd(), bytes.as_mut_ptr().cast(), length, at) };
    bytes.truncate(usize::try_from(got).unwrap_or(0));
    bytes
}

/// The loader that an ELF file asks for (PT_INTERP); 64-bit little-endian files only, like the machines we run on. `head` is
/// the file's beginning, where all of it usually is.
pub(crate) fn elf_loader(fd: &OwnedFd, head: &[u8]) -> Option<Vec<u8>> {
    let read = |at: u64, length: usize| -> Option<Vec<u8>> {
        let from = usize::try_from(at).ok()?;
        if let Some(there) = head.get(from..from.checked_add(length)?) {
            return Some(there.to_vec());
        }
        let bytes = read_from(fd, i64::try_from(at).ok()?, length);
        (bytes.len() == length).then_some(bytes)
    };
    let header = read(0, 64)?;
    if header[..6] != *b"\x7fELF\x02\x01" {
        return None;
    }
    let word = |bytes: &[u8], at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let half = |bytes: &[u8], at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let (table, size, count) = (word(&header, 32)?, half(&header, 54)?, half(&header, 56)?);
    if size < 56 {
        return None;
    }
    for at in 0..u64::from(count.min(128)) {
        let entry = read(table.checked_add(at * u64::from(size))?, 56)?;
        if entry[..4] == 3_u32.to_le_bytes() {
            let length = usize::try_from(word(&entry, 32)?).ok()?.min(4096);
            let mut text = read(word(&entry, 8)?, length)?;
            text.truncate(text.iter().position(|b| *b == 0)?);
            return Some(text);
        }
    }
    None
}

/// True for the dynamic loaders of the C libraries, by their usual names.
pub(crate) fn is_loader(path: &[u8]) -> bool {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    name.starts_with(b"ld-linux") || name.starts_with(b"ld-musl") || name.starts_with(b"ld.so") || is_versioned(name)
}

/// `ld-2.31.so`
fn is_versioned(name: &[u8]) -> bool {
    name.starts_with(b"ld-") && name.ends_with(b".so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_read_as_the_kernel_reads_them() {
        let read = |text: &str| interpreter_of(text.as_bytes()).map(|i| String::from_utf8(i).expect("UTF-8"));
        assert_eq!(read("#!/bin/sh\n").as_deref(), Some("/bin/sh"));
        assert_eq!(read("#! \t/usr/bin/env python3 -x\n").as_deref(), Some("/usr/bin/env"));
        assert_eq!(read("#!/bin/sh").as_deref(), Some("/bin/sh"));
        assert_eq!(read("#!\n/bin/sh"), None);
        assert_eq!(read("echo"), None);
        let long = format!("#!/{}\n", "a".repeat(400));
        assert_eq!(read(&long).map(|name| name.len()), Some(254), "cut where the kernel cuts");
    }

    #[test]
    fn the_loader_of_a_real_program() {
        let file = std::fs::File::open("/bin/sh").expect("sh");
        let file = OwnedFd::from(file);
        let head = read_from(&file, 0, HEAD);
        let loader = elf_loader(&file, &head).expect("a loader");
        assert_eq!(elf_loader(&file, &[]), Some(loader.clone()), "without its beginning at hand");
        assert!(is_loader(&loader), "{}", String::from_utf8_lossy(&loader));
        assert!(!is_loader(b"/usr/bin/ld"));
    }
}
