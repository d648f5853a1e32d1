//! Looking into an observed process: its memory, its descriptors and directories, what `/proc` says of it.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

use super::sys;

/// The most that is read of a text in `/proc`, in bytes.
const LONGEST_TEXT: usize = 1 << 20;

/// `/proc` as the supervisor sees it, held by descriptor: the command may have another one.
pub(crate) struct Proc(OwnedFd);

/// What `/proc/PID/status` says.
#[derive(Debug, Default, Clone)]
pub(crate) struct Status {
    pub(crate) tgid: i32,
    pub(crate) parent: i32,
    pub(crate) umask: u32,
    /// The process's ids in its own and all outer process namespaces, the supervisor's first.
    pub(crate) inner_tgid: i32,
    pub(crate) inner_pid: i32,
}

impl Proc {
    pub(crate) fn open() -> Result<Self, Errno> {
        sys::open_at(None, c"/proc", libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC, 0, 0).map(Self)
    }

    /// The same `/proc` once more, whatever is mounted over it now.
    pub(crate) fn open_again(other: &Self) -> Result<Self, Errno> {
        other.0.try_clone().map(Self).map_err(|e| e.raw_os_error().map_or(Errno::EMFILE, Errno::from_raw))
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn text(&self, name: &str) -> Option<String> {
        let name = CString::new(name).ok()?;
        let fd = sys::open_at(Some(self.fd()), &name, libc::O_RDONLY | libc::O_CLOEXEC, 0, 0).ok()?;
        let mut text = Vec::with_capacity(2048);
        std::io::Read::read_to_end(&mut std::io::Read::take(std::fs::File::from(fd), LONGEST_TEXT as u64), &mut text)
            .ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    pub(crate) fn status(&self, pid: i32) -> Option<Status> {
        let text = self.text(&format!("{pid}/status"))?;
        let mut status = Status::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            let last = || value.split_whitespace().next_back().and_then(|v| v.parse().ok()).unwrap_or(0);
            match name {
                "Umask" => status.umask = u32::from_str_radix(value, 8).unwrap_or(0o077),
                "Tgid" => status.tgid = value.parse().unwrap_or(0),
                "PPid" => status.parent = value.parse().unwrap_or(0),
                "NStgid" => status.inner_tgid = last(),
                "NSpid" => status.inner_pid = last(),
                // Nothing that is wanted comes after it.
                "NSsid" | "VmPeak" => break,
                _ => {}
            }
        }
        (status.tgid > 0).then_some(status)
    }

    /// User, group, supplementary groups and effective capabilities of a thread, in one text.
    pub(crate) fn credentials(&self, pid: i32) -> Option<String> {
        let text = self.text(&format!("{pid}/status"))?;
        let wanted = ["Uid:", "Gid:", "Groups:", "CapEff:"];
        Some(
            text.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name))).collect::<Vec<_>>().join("\n"),
        )
    }

    /// The threads of a process.
    fn tasks(&self, tgid: i32) -> Vec<i32> {
        let Ok(name) = CString::new(format!("{tgid}/task")) else { return Vec::new() };
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let Ok(tasks) = sys::open_at(Some(self.fd()), &name, flags, 0, 0) else { return Vec::new() };
        let Ok(mut tasks) = nix::dir::Dir::from_fd(tasks) else { return Vec::new() };
        tasks.iter().flatten().filter_map(|task| task.file_name().to_str().ok()?.parse().ok()).collect()
    }

    /// The living children of all threads of a process.
    pub(crate) fn children(&self, tgid: i32) -> Vec<i32> {
        // The directory has one link for each thread, and two of its own: most processes have one, named like they are.
        let alone = self.stat_link(tgid, "task").is_ok_and(|stat| stat.st_nlink == 3);
        let tasks = if alone { vec![tgid] } else { self.tasks(tgid) };
        tasks.into_iter().flat_map(|task| self.children_of(tgid, task)).collect()
    }

    /// The living children of one thread of a process: those that it made, and those of threads that ended before it.
    pub(crate) fn children_of(&self, tgid: i32, tid: i32) -> Vec<i32> {
        let text = self.text(&format!("{tgid}/task/{tid}/children")).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// The process that a descriptor of `pidfd_open` stands for.
    pub(crate) fn pid_of(&self, pid: i32, fd: i32) -> Option<i32> {
        let text = self.text(&format!("{pid}/fdinfo/{fd}"))?;
        text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
    }

    /// True when a process holds a file by a descriptor or by a shared mapping (by any mapping, with `reading`), and when
    /// that cannot be told.
    pub(crate) fn holds(&self, pid: i32, inode: (u64, u64), reading: bool) -> bool {
        // A thread may have descriptors of its own.
        for task in self.tasks(pid) {
            let Ok(name) = CString::new(format!("{pid}/task/{task}/fd")) else { return true };
            let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
            let fd = match sys::open_at(Some(self.fd()), &name, flags, 0, 0) {
                Ok(fd) => fd,
                Err(Errno::ENOENT) => continue,
                Err(_) => return true,
            };
            let Ok(copy) = fd.try_clone() else { return true };
            let Ok(mut entries) = nix::dir::Dir::from_fd(fd) else { return true };
            for entry in entries.iter() {
                let Ok(entry) = entry else { return true };
                if let Ok(stat) = sys::stat_at(Some(copy.as_fd()), entry.file_name(), 0)
                    && (stat.st_dev, stat.st_ino) == inode
                {
                    return true;
                }
            }
        }
        let Some(maps) = self.text(&format!("{pid}/maps")) else { return true };
        if maps.len() >= LONGEST_TEXT {
            return true;
        }
        let number = inode.1.to_string();
        maps.lines().any(|line| {
            let mut fields = line.split_ascii_whitespace();
            let counts = fields.nth(1).is_some_and(|mode| reading || mode.ends_with('s'));
            counts && fields.nth(2) == Some(number.as_str())
        })
    }

    /// What a link of a process leads to: `cwd`, `root`, `exe`, `fd/3`.
    pub(crate) fn open_link(&self, pid: i32, link: &str, flags: i32) -> Result<OwnedFd, Errno> {
        let name = CString::new(format!("{pid}/{link}")).map_err(|_| Errno::EINVAL)?;
        sys::open_at(Some(self.fd()), &name, flags | libc::O_CLOEXEC, 0, 0)
    }

    pub(crate) fn stat_link(&self, pid: i32, link: &str) -> Result<libc::stat, Errno> {
        let name = CString::new(format!("{pid}/{link}")).map_err(|_| Errno::EINVAL)?;
        sys::stat_at(Some(self.fd()), &name, 0)
    }

    /// The text of a link of a process.
    pub(crate) fn read_link(&self, pid: i32, link: &str) -> Option<Vec<u8>> {
        let name = CString::new(format!("{pid}/{link}")).ok()?;
        sys::read_link_at(self.fd(), &name)
    }

    /// The path of one of the supervisor's own descriptors, as the kernel resolved it.
    pub(crate) fn path_of(&self, fd: BorrowedFd<'_>) -> Option<Vec<u8>> {
        let mut name = *b"self/fd/0000000000\0";
        let mut number = fd.as_raw_fd();
        let mut digits = [0_u8; 10];
        let mut count = 0;
        loop {
            digits[count] = b'0' + (number % 10) as u8;
            count += 1;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        for (at, digit) in digits[..count].iter().rev().enumerate() {
            name[8 + at] = *digit;
        }
        name[8 + count] = 0;
        let name = CStr::from_bytes_until_nul(&name).ok()?;
        sys::read_link_at(self.fd(), name)
    }
}

/// A path from a process's memory, with its zero byte.
pub(crate) struct PathText(Vec<u8>);

impl std::ops::Deref for PathText {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        CStr::from_bytes_with_nul(&self.0).unwrap_or_default()
    }
}

impl PathText {
    /// Its room, for the next.
    pub(crate) fn into_room(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a path from a process's memory. `EFAULT` and `ENAMETOOLONG` as the kernel would say them.
pub(crate) fn read_path(pid: i32, address: u64) -> Result<PathText, Errno> {
    read_path_into(Vec::new(), pid, address)
}

/// As [`read_path`], into room that is there already.
pub(crate) fn read_path_into(mut room: Vec<u8>, pid: i32, address: u64) -> Result<PathText, Errno> {
    room.clear();
    if !append_text(&mut room, pid, address, sys::PATH_MAX)? {
        return Err(Errno::ENAMETOOLONG);
    }
    room.push(0);
    Ok(PathText(room))
}

/// Reads a text that ends with a zero byte, at most `limit` bytes of it, and whether that was all.
pub(crate) fn read_text(pid: i32, address: u64, limit: usize) -> Result<(Vec<u8>, bool), Errno> {
    let mut bytes = Vec::new();
    let whole = append_text(&mut bytes, pid, address, limit)?;
    Ok((bytes, whole))
}

fn append_text(bytes: &mut Vec<u8>, pid: i32, address: u64, limit: usize) -> Result<bool, Errno> {
    const PAGE: u64 = 4096;
    let mut at = address;
    while bytes.len() < limit {
        let seen = bytes.len();
        let to_page_end = (PAGE - at % PAGE) as usize;
        // Most texts are short: a second call costs less than copying a page each time.
        let wanted = to_page_end.min(limit - seen).min(if seen == 0 { 256 } else { PAGE as usize });
        let got = sys::append_memory(pid, at, bytes, wanted)?;
        if got == 0 {
            return Err(Errno::EFAULT);
        }
        if let Some(end) = bytes[seen..].iter().position(|b| *b == 0) {
            bytes.truncate(seen + end);
            return Ok(true);
        }
        at = at.checked_add(got as u64).ok_or(Errno::EFAULT)?;
    }
    Ok(false)
}

/// Reads a number of eight bytes.
pub(crate) fn read_word(pid: i32, address: u64) -> Result<u64, Errno> {
    let mut bytes = [0_u8; 8];
    if sys::read_memory(pid, address, &mut bytes)? == bytes.len() {
        Ok(u64::from_le_bytes(bytes))
    } else {
        Err(Errno::EFAULT)
    }
}

/// Reads exactly so many bytes.
pub(crate) fn read_exact(pid: i32, address: u64, length: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; length];
    if sys::read_memory(pid, address, &mut bytes)? == length { Ok(bytes) } else { Err(Errno::EFAULT) }
}

/// A piece of another process's memory that was read at once, at most to the end of a page: what lies beside it is
/// wanted next.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    const PAGE: u64 = 4096;
    /// The most that is read at once, in bytes: most command lines are shorter.
    const LONGEST: u64 = 1024;

    /// The bytes from an address on that are in the window; read anew where there are fewer than `wanted`.
    fn from(&mut self, pid: i32, address: u64, wanted: usize) -> Result<&[u8], Errno> {
        let inside = address.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        if inside.is_none_or(|at| self.bytes.len().saturating_sub(at) < wanted) {
            let length = (Self::PAGE - address % Self::PAGE).min(Self::LONGEST) as usize;
            self.bytes.clear();
            sys::append_memory(pid, address, &mut self.bytes, length)?;
            self.start = address;
        }
        let at = usize::try_from(address - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(at..).unwrap_or_default())
    }
}

/// The arguments of an execution: at most `limit` bytes of text in all, and whether that was all.
pub(crate) fn read_arguments(pid: i32, address: u64, limit: usize) -> (Vec<Vec<u8>>, bool) {
    let mut arguments = Vec::new();
    let mut left = limit;
    let mut at = address;
    if address == 0 {
        return (arguments, true);
    }
    let (mut pointers, mut texts) = (Window::default(), Window::default());
    loop {
        let pointer = match pointers.from(pid, at, 8).map(|bytes| bytes.get(..8).and_then(|b| b.try_into().ok())) {
            Ok(Some(bytes)) => u64::from_le_bytes(bytes),
            // It lies across the end of a page.
            Ok(None) => match read_word(pid, at) {
                Ok(pointer) => pointer,
                Err(_) => break,
            },
            Err(_) => break,
        };
        if pointer == 0 {
            return (arguments, true);
        }
        if left == 0 {
            break;
        }
        let short = texts.from(pid, pointer, 1).ok().and_then(|bytes| {
            let end = bytes.iter().position(|b| *b == 0)?;
            (end <= left).then(|| bytes[..end].to_vec())
        });
        // One that goes beyond the page, or the limit, is read by itself.
        let read = short.map_or_else(|| read_text(pid, pointer, left), |text| Ok((text, true)));
        match read {
            Ok((text, whole)) => {
                left = left.saturating_sub(text.len() + 1);
                arguments.push(text);
                if !whole {
                    break;
                }
            }
            Err(_) => break,
        }
        at = at.wrapping_add(8);
    }
    (arguments, false)
}
