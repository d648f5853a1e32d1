//! The kernel calls of the observer that no crate wraps: seccomp notification, other processes' memory and
//! descriptors. Each returns owned values or an errno; nothing above this file needs `unsafe` for them.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;

/// `SECCOMP_IOCTL_NOTIF_*` (linux/seccomp.h).
const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
const ID_VALID: libc::c_ulong = 0x4008_2102;
const ADD_FD: libc::c_ulong = 0x4018_2103;
const SET_FLAGS: libc::c_ulong = 0x4008_2104;
/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`.
const SYNC_WAKE_UP: libc::c_ulong = 1;
/// `SECCOMP_ADDFD_FLAG_SEND`.
const ADD_FD_AND_SEND: u32 = 2;
const FILTER_NEW_LISTENER: libc::c_ulong = 1 << 3;
/// After a notification was received only fatal signals interrupt the caller: nothing is done twice.
const FILTER_WAIT_KILLABLE: libc::c_ulong = 1 << 5;
const CONTINUE: u32 = 1;

/// A system call that many callers wait for, without the C library around it. What the supervisor touches between two
/// calls of the build is what the build then misses in its cache: each page of code and data counts.
///
/// # Safety
/// As [`call`].
#[inline(always)]
unsafe fn bare(number: libc::c_long, arguments: [usize; 6]) -> Result<isize, Errno> {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel's calling convention; what it does with the arguments is the caller's promise.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a as isize => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    if result < 0 { Err(Errno::from_raw(-result as i32)) } else { Ok(result) }
}

/// `ioctl` on an address.
///
/// # Safety
/// What the address points to must live through the call and be of the layout that the request expects.
#[inline(always)]
unsafe fn control(fd: RawFd, request: libc::c_ulong, argument: usize) -> Result<isize, Errno> {
    // SAFETY: as the caller promises.
    unsafe { bare(libc::SYS_ioctl, [fd as usize, request as usize, argument, 0, 0, 0]) }
}

/// One notification.
pub(crate) type Notification = libc::seccomp_notif;

/// An empty notification, as the kernel wants it.
pub(crate) fn empty_notification() -> Notification {
    // SAFETY: the structure is plain integers; all zero is what the kernel demands before receiving.
    unsafe { std::mem::zeroed() }
}

/// Installs a filter in the calling thread and returns its listener. Needs `no_new_privs`.
pub(crate) fn install_filter_with_listener(program: &[libc::sock_filter]) -> io::Result<RawFd> {
    let mut last = 0;
    for flags in [FILTER_NEW_LISTENER | FILTER_WAIT_KILLABLE, FILTER_NEW_LISTENER] {
        last = set_filter(program, flags);
        if last >= 0 {
            return Ok(last as RawFd);
        }
        if Errno::last() != Errno::EINVAL {
            break;
        }
    }
    debug_assert!(last < 0);
    Err(io::Error::last_os_error())
}

/// Installs a filter without a listener.
pub(crate) fn install_filter(program: &[libc::sock_filter]) -> io::Result<()> {
    if set_filter(program, 0) < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn set_filter(program: &[libc::sock_filter], flags: libc::c_ulong) -> libc::c_long {
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the program, which lives until the call returns.
    unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) }
}

/// Answers of other threads for the one that traces.
#[derive(Default)]
pub(crate) struct Mailbox {
    letters: std::sync::Mutex<Vec<(u64, Result<i64, Errno>)>>,
    /// The tracing thread, as pthread_self(3) gives it.
    tracer: std::sync::atomic::AtomicU64,
}

impl Mailbox {
    /// The calling thread is the one that traces.
    pub(crate) fn is_mine(&self) {
        let me = nix::sys::pthread::pthread_self();
        self.tracer.store(me, std::sync::atomic::Ordering::SeqCst);
    }

    /// All letters.
    pub(crate) fn take(&self) -> Vec<(u64, Result<i64, Errno>)> {
        std::mem::take(&mut *self.letters.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn put(&self, id: u64, result: Result<i64, Errno>) {
        let letters = || self.letters.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        letters().push((id, result));
        let tracer = self.tracer.load(std::sync::atomic::Ordering::SeqCst);
        // It waits for its next event, and an interruption makes it look. One that comes between its look and its wait
        // is lost: so it is sent until the letter was taken.
        for _ in 0..50_000 {
            let _ = nix::sys::pthread::pthread_kill(tracer, nix::sys::signal::Signal::SIGURG);
            if !letters().iter().any(|(letter, _)| *letter == id) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
    }
}

/// Who answers calls: the listener of a filter, or the tracer.
pub(crate) enum Listener {
    Filter(OwnedFd),
    Tracer(std::sync::Arc<Mailbox>),
}

impl Listener {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        // Where the kernel has no such flag, the wake-up is only slower.
        // SAFETY: the request takes a number, no memory.
        let _ = unsafe { libc::ioctl(fd.as_raw_fd(), SET_FLAGS, SYNC_WAKE_UP) };
        Self::Filter(fd)
    }

    fn filter(&self) -> Result<&OwnedFd, Errno> {
        match self {
            Self::Filter(fd) => Ok(fd),
            Self::Tracer(_) => Err(Errno::ENOSYS),
        }
    }

    /// True when descriptors can be handed over.
    pub(crate) fn hands_over(&self) -> bool {
        matches!(self, Self::Filter(_))
    }

    /// Waits for the next notification. `EINTR` when a signal came, `ENOENT` when its sender was killed.
    pub(crate) fn receive(&self, into: &mut Notification) -> Result<(), Errno> {
        *into = empty_notification();
        let fd = self.filter()?.as_raw_fd();
        // SAFETY: the kernel fills the structure, which is of its layout (size checked by the request number).
        unsafe { control(fd, RECEIVE, &raw mut *into as usize) }.map(drop)
    }

    fn respond(&self, id: u64, value: i64, error: i32, flags: u32) -> Result<(), Errno> {
        let response = libc::seccomp_notif_resp { id, val: value, error, flags };
        let fd = self.filter()?.as_raw_fd();
        // SAFETY: the kernel reads the structure only.
        unsafe { control(fd, SEND, &raw const response as usize) }.map(drop)
    }

    /// Answers with a result of ours.
    pub(crate) fn answer(&self, id: u64, result: Result<i64, Errno>) -> Result<(), Errno> {
        if let Self::Tracer(mailbox) = self {
            mailbox.put(id, result);
            return Ok(());
        }
        match result {
            Ok(value) => self.respond(id, value, 0, 0),
            Err(errno) => self.respond(id, 0, -(errno as i32), 0),
        }
    }

    /// Lets the kernel do the call.
    pub(crate) fn go_on(&self, id: u64) -> Result<(), Errno> {
        self.respond(id, 0, 0, CONTINUE)
    }

    /// True while the caller waits: what was read of its memory until now was its own.
    pub(crate) fn is_valid(&self, id: u64) -> bool {
        // A traced thread stays stopped until we let it go on.
        let Ok(fd) = self.filter() else { return true };
        // SAFETY: the kernel reads the number only.
        unsafe { libc::ioctl(fd.as_raw_fd(), ID_VALID, &raw const id) == 0 }
    }

    fn add(&self, id: u64, fd: BorrowedFd<'_>, close_on_exec: bool, flags: u32) -> Result<i64, Errno> {
        let request = libc::seccomp_notif_addfd {
            id,
            flags,
            srcfd: fd.as_raw_fd() as u32,
            newfd: 0,
            newfd_flags: if close_on_exec { libc::O_CLOEXEC as u32 } else { 0 },
        };
        let fd = self.filter()?.as_raw_fd();
        // SAFETY: the kernel reads the structure only.
        unsafe { control(fd, ADD_FD, &raw const request as usize) }.map(|number| number as i64)
    }

    /// Gives the caller a descriptor and answers with its number, in one step.
    pub(crate) fn give(&self, id: u64, fd: BorrowedFd<'_>, close_on_exec: bool) -> Result<(), Errno> {
        self.add(id, fd, close_on_exec, ADD_FD_AND_SEND).map(drop)
    }

    /// Gives the caller a descriptor, closes ours, and only then answers: nobody else holds the file any more when
    /// the caller goes on (a file that is open for writing cannot be executed).
    pub(crate) fn give_alone(&self, id: u64, fd: OwnedFd, close_on_exec: bool) -> Result<(), Errno> {
        use std::os::fd::AsFd as _;
        let number = self.add(id, fd.as_fd(), close_on_exec, 0)?;
        drop(fd);
        self.answer(id, Ok(number))
    }
}

/// Reads another process's memory; fewer bytes than asked for when the rest is not mapped.
pub(crate) fn read_memory(pid: i32, address: u64, into: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the room is our own live buffer.
    unsafe { read_to(pid, address, into.as_mut_ptr(), into.len()) }
}

/// Reads at most `most` bytes of another process's memory to the end of `into`, without clearing the room first: what lies
/// in the cache belongs to the build.
pub(crate) fn append_memory(pid: i32, address: u64, into: &mut Vec<u8>, most: usize) -> Result<usize, Errno> {
    into.reserve(most);
    let room = into.spare_capacity_mut();
    // SAFETY: there is room of our own for `most` bytes at least.
    let done = unsafe { read_to(pid, address, room.as_mut_ptr().cast(), most) }?;
    // SAFETY: the kernel has written so many bytes there.
    unsafe { into.set_len(into.len() + done) };
    Ok(done)
}

/// # Safety
/// There must be room for `length` bytes at `room`, and nobody else may use it.
unsafe fn read_to(pid: i32, address: u64, room: *mut u8, length: usize) -> Result<usize, Errno> {
    let local = libc::iovec { iov_base: room.cast(), iov_len: length };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: length };
    let (local, remote) = (&raw const local as usize, &raw const remote as usize);
    // SAFETY: the local vector is room that the caller gives; the remote address is only a number to us.
    unsafe { bare(libc::SYS_process_vm_readv, [pid as usize, local, 1, remote, 1, 0]) }.map(isize::cast_unsigned)
}

/// The longest path that the kernel takes, with its end, in bytes.
pub(crate) const PATH_MAX: usize = 4096;

/// The text of a symbolic link.
pub(crate) fn read_link_at(base: BorrowedFd<'_>, name: &std::ffi::CStr) -> Option<Vec<u8>> {
    let mut buffer = [std::mem::MaybeUninit::<u8>::uninit(); PATH_MAX];
    // SAFETY: the kernel writes at most the buffer's length into our own live buffer; the name lives through the call.
    let done = unsafe { libc::readlinkat(base.as_raw_fd(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    let written = buffer.get(..usize::try_from(done).ok()?)?;
    // SAFETY: the kernel has written these bytes.
    Some(written.iter().map(|byte| unsafe { byte.assume_init() }).collect())
}

/// A descriptor for a process.
pub(crate) fn open_pidfd(pid: i32) -> Result<OwnedFd, Errno> {
    pidfd_open(pid, 0)
}

/// A descriptor for a thread (PIDFD_THREAD, from Linux 6.9 on).
pub(crate) fn open_thread(tid: i32) -> Result<OwnedFd, Errno> {
    pidfd_open(tid, libc::O_EXCL)
}

fn pidfd_open(pid: i32, flags: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes two numbers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) })?;
    // SAFETY: the descriptor is new, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// A copy of another process's descriptor.
pub(crate) fn copy_descriptor(pidfd: BorrowedFd<'_>, number: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes three numbers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) })?;
    // SAFETY: the descriptor is new, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// `struct pidfd_info` up to what Linux 6.15 knows (linux/pidfd.h).
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
    coredump: u32,
    spare: u32,
}

/// `_IOWR(0xFF, 11, struct pidfd_info)` with its first published size of 64 bytes; larger ones work alike.
const PIDFD_GET_INFO: libc::c_ulong = 0xc000_ff0b | ((size_of::<PidfdInfo>() as libc::c_ulong) << 16);
const INFO_PID: u64 = 1;
const INFO_CREDENTIALS: u64 = 1 << 1;
const INFO_EXIT: u64 = 1 << 3;

/// What the kernel tells of a process; `None` where it does not tell what was asked for.
fn info(pidfd: BorrowedFd<'_>, wanted: u64) -> Option<PidfdInfo> {
    let mut info = PidfdInfo { mask: wanted, ..PidfdInfo::default() };
    // SAFETY: the kernel writes at most the size that the request number names, which is the structure's own.
    let done = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
    (done == 0 && info.mask & wanted != 0).then_some(info)
}

/// The wait status of a process that has ended, from its descriptor; `None` where the kernel does not tell.
pub(crate) fn exit_status(pidfd: BorrowedFd<'_>) -> Option<i32> {
    info(pidfd, INFO_EXIT).map(|info| info.exit_code)
}

/// Id and parent of a living process, from its descriptor, as our own process namespace names them; `None` where the
/// kernel does not tell (before 6.13).
pub(crate) fn kin(pidfd: BorrowedFd<'_>) -> Option<(i32, i32)> {
    let info = info(pidfd, INFO_PID).filter(|info| info.tgid > 0 && info.ppid > 0)?;
    Some((info.tgid.cast_signed(), info.ppid.cast_signed()))
}

/// Real, effective, saved and file system user and group of a process's first thread; `None` where the kernel does not
/// tell.
pub(crate) fn users_and_groups(pidfd: BorrowedFd<'_>) -> Option<[u32; 8]> {
    info(pidfd, INFO_CREDENTIALS).map(|info| info.ids)
}

/// The flags of `open` (linux/fcntl.h, VALID_OPEN_FLAGS).
pub(crate) const VALID_OPEN_FLAGS: i32 = libc::O_ACCMODE
    | libc::O_CREAT
    | libc::O_EXCL
    | libc::O_NOCTTY
    | libc::O_TRUNC
    | libc::O_APPEND
    | libc::O_NONBLOCK
    | libc::O_SYNC
    | libc::O_ASYNC
    | libc::O_DIRECT
    | libc::O_LARGEFILE
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW
    | libc::O_NOATIME
    | libc::O_CLOEXEC
    | libc::O_PATH
    | libc::O_TMPFILE;

/// Opens a file as `openat2` does.
pub(crate) fn open_at(
    base: Option<BorrowedFd<'_>>,
    path: &std::ffi::CStr,
    flags: i32,
    mode: u32,
    resolve: u64,
) -> Result<OwnedFd, Errno> {
    #[repr(C)]
    struct How {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    // `open` ignores what it does not know, `openat2` does not.
    let flags = flags & VALID_OPEN_FLAGS;
    let mode = if flags & (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) == 0 { 0 } else { mode };
    let how = How { flags: u64::from(flags as u32), mode: u64::from(mode), resolve };
    let base = base.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd());
    // SAFETY: the path and the structure live through the call, which only reads them.
    let fd = unsafe {
        let how = &raw const how as usize;
        bare(libc::SYS_openat2, [base as usize, path.as_ptr() as usize, how, size_of::<How>(), 0, 0])
    }?;
    // SAFETY: the descriptor is new, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Gives the calling thread (and those that it starts) a working directory of its own.
pub(crate) fn own_directory(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS)?;
    nix::unistd::fchdir(fd)
}

/// Whether nobody can write the file behind a descriptor that only reads: a read lease (fcntl(2)) is given just then.
/// `None` where leases cannot be had.
pub(crate) fn nobody_writes(fd: BorrowedFd<'_>) -> Option<bool> {
    // SAFETY: the descriptor is live; the call takes numbers.
    match Errno::result(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) }) {
        Ok(_) => {
            // SAFETY: as above.
            let _ = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
            Some(true)
        }
        Err(Errno::EAGAIN) => Some(false),
        Err(_) => None,
    }
}

/// What `fstat` says.
pub(crate) fn stat(fd: BorrowedFd<'_>) -> Result<libc::stat, Errno> {
    // SAFETY: the structure is plain integers.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills our own live structure.
    Errno::result(unsafe { libc::fstat(fd.as_raw_fd(), &raw mut stat) })?;
    Ok(stat)
}

/// What `fstatat` says; of the link itself with `AT_SYMLINK_NOFOLLOW`.
pub(crate) fn stat_at(base: Option<BorrowedFd<'_>>, path: &std::ffi::CStr, flags: i32) -> Result<libc::stat, Errno> {
    // SAFETY: the structure is plain integers.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    let base = base.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd());
    // SAFETY: the path lives through the call; the kernel fills our own live structure.
    Errno::result(unsafe { libc::fstatat(base, path.as_ptr(), &raw mut stat, flags) })?;
    Ok(stat)
}

/// A plain system call on numbers and addresses of our own live memory.
///
/// # Safety
/// What the numbers point to must live through the call and be of the layout that the call expects.
pub(crate) unsafe fn call(number: libc::c_long, arguments: [usize; 6]) -> Result<i64, Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: as the caller promises.
    Errno::result(unsafe { libc::syscall(number, a, b, c, d, e, f) })
}
