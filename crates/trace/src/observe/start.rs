//! The start of the command: what its process does between fork and exec, and the first process of its own ids.

use std::ffi::{CString, c_char};
use std::os::fd::{AsFd as _, IntoRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

use super::ObserverLimits;
use super::filter::{Receiver, program};
use super::sys;
use crate::confine::Confinement;

/// What is started.
pub(crate) struct Launch {
    pub(crate) arguments: Vec<CString>,
    pub(crate) environment: Vec<CString>,
    pub(crate) directory: CString,
    pub(crate) mask: SigSet,
    pub(crate) limits: ObserverLimits,
    /// A network namespace of its own.
    pub(crate) own_network: bool,
    /// Sockets for the forwarder in it.
    pub(crate) forwarder: bool,
    /// Where there is no network namespace: no internet sockets at all.
    pub(crate) no_internet: bool,
    /// Who gets the calls.
    pub(crate) receiver: Receiver,
    /// The guard prevents.
    pub(crate) prevents: bool,
}

/// What the child says before it executes the command.
pub(crate) const HELLO: u8 = b'H';
/// It could not go on: the step and the errno follow.
pub(crate) const FAILED: u8 = b'E';

/// Numbers of descriptors in the child: the listener, and the forwarder's sockets (or -1).
pub(crate) const NUMBERS: usize = 6;

/// The steps that can fail, as the child names them by number.
pub(crate) const STEPS: &[&str] = &[
    "preparing the network namespace",
    "entering the working directory",
    "confining itself",
    "setting its limits",
    "installing the filter",
    "executing the command",
    "mounting /proc",
    "starting the first process",
];

/// The pipes between the supervisor and the child.
pub(crate) struct Pipes {
    pub(crate) says: OwnedFd,
    pub(crate) hears: OwnedFd,
}

/// Never returns: becomes the command.
pub(crate) fn become_command(launch: &Launch, confinement: &Confinement, pipes: &Pipes) -> ! {
    let (step, errno) = match prepare(launch, confinement) {
        Err(failed) => failed,
        Ok(numbers) => {
            let mut message = [0_u8; 1 + 4 * NUMBERS];
            message[0] = HELLO;
            for (at, number) in numbers.iter().enumerate() {
                message[1 + at * 4..5 + at * 4].copy_from_slice(&number.to_le_bytes());
            }
            let mut go = [0];
            let said = nix::unistd::write(&pipes.says, &message);
            let heard = nix::unistd::read(&pipes.hears, &mut go);
            if said != Ok(message.len()) || heard != Ok(1) {
                // The supervisor is gone.
                exit_now(126);
            }
            let _ = launch.mask.thread_swap_mask(SigmaskHow::SIG_SETMASK);
            // Rust programs ignore it; what they start should not.
            // SAFETY: the default disposition runs no code of ours.
            let _ = unsafe { nix::sys::signal::signal(Signal::SIGPIPE, nix::sys::signal::SigHandler::SigDfl) };
            (5, execute(launch))
        }
    };
    let mut message = [0_u8; 6];
    message[0] = FAILED;
    message[1] = step;
    message[2..].copy_from_slice(&(errno as i32).to_le_bytes());
    let _ = nix::unistd::write(&pipes.says, &message);
    exit_now(127)
}

fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` ends the process at once, without running anything of the parent's.
    unsafe { libc::_exit(code) }
}

fn prepare(launch: &Launch, confinement: &Confinement) -> Result<[i32; NUMBERS], (u8, Errno)> {
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    let mut numbers = [-1; NUMBERS];
    if launch.own_network {
        own_network(launch.forwarder, &mut numbers).map_err(|e| (0, e))?;
    }
    nix::unistd::chdir(launch.directory.as_c_str()).map_err(|e| (1, e))?;
    confinement.restrict().map_err(|e| (2, e))?;
    nix::sys::prctl::set_no_new_privs().map_err(|e| (2, e))?;
    set_limits(&launch.limits).map_err(|e| (3, e))?;
    // The supervisor has to look into this process; it holds no secret.
    nix::sys::prctl::set_dumpable(true).map_err(|e| (2, e))?;
    // Whatever descriptors the caller left open are not the command's.
    // SAFETY: the call takes numbers.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    let io = |e: std::io::Error| (4, e.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw));
    if launch.no_internet {
        sys::install_filter(&super::filter::no_internet()).map_err(io)?;
    }
    match launch.receiver {
        Receiver::Notify => {
            numbers[0] = sys::install_filter_with_listener(&program(Receiver::Notify)).map_err(io)?;
        }
        Receiver::Trace => sys::install_filter(&program(Receiver::Trace)).map_err(io)?,
        Receiver::Nobody => sys::install_filter(&super::filter::refusals(launch.prevents)).map_err(io)?,
    }
    Ok(numbers)
}

fn execute(launch: &Launch) -> Errno {
    let pointers = |list: &[CString]| {
        let mut out: Vec<*const c_char> = list.iter().map(|text| text.as_ptr()).collect();
        out.push(std::ptr::null());
        out
    };
    let (arguments, environment) = (pointers(&launch.arguments), pointers(&launch.environment));
    let Some(program) = launch.arguments.first() else { return Errno::EINVAL };
    // SAFETY: both lists end with a null pointer, and they and their texts live until exec replaces the process.
    unsafe { libc::execvpe(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    Errno::last()
}

fn set_limits(limits: &ObserverLimits) -> Result<(), Errno> {
    use nix::sys::resource::{Resource, setrlimit};
    if limits.memory > 0 {
        setrlimit(Resource::RLIMIT_AS, limits.memory, limits.memory)?;
    }
    if limits.open_files > 0 {
        setrlimit(Resource::RLIMIT_NOFILE, limits.open_files, limits.open_files)?;
    }
    Ok(())
}

/// A network of its own, with loopback up; and the forwarder's sockets in it.
fn own_network(forwarder: bool, numbers: &mut [i32; NUMBERS]) -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    loopback_up()?;
    if !forwarder {
        return Ok(());
    }
    let errno = |e: std::io::Error| e.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    let stream = std::net::TcpListener::bind("127.0.0.1:0").map_err(errno)?;
    let port = stream.local_addr().map_err(errno)?.port();
    numbers[1] = stream.into_raw_fd();
    // Without IPv6 there is nothing to forward over it.
    if let Ok(six) = std::net::TcpListener::bind(("::1", port)) {
        numbers[2] = six.into_raw_fd();
    }
    numbers[3] = std::net::UdpSocket::bind("127.0.0.1:53").map_err(errno)?.into_raw_fd();
    numbers[4] = std::net::TcpListener::bind("127.0.0.1:53").map_err(errno)?.into_raw_fd();
    numbers[5] = i32::from(port);
    Ok(())
}

fn loopback_up() -> Result<(), Errno> {
    // SAFETY: numbers only.
    let socket = Errno::result(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the structure is plain bytes.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as c_char;
    request.ifr_name[1] = b'o' as c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: the kernel reads our own live structure.
    let done = unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &raw const request) };
    let result = Errno::result(done).map(drop);
    // SAFETY: the descriptor is ours, and used nowhere else.
    unsafe { libc::close(socket) };
    result
}

/// The first process of the run's own process ids: starts the command, collects orphans, tells how the command ended.
/// Never returns.
pub(crate) fn first_process(launch: &Launch, confinement: &Confinement, pipes: Pipes, ended: OwnedFd) -> ! {
    let fail = |step: u8, errno: Errno, pipes: &Pipes| -> ! {
        let mut message = [0_u8; 6];
        message[0] = FAILED;
        message[1] = step;
        message[2..].copy_from_slice(&(errno as i32).to_le_bytes());
        let _ = nix::unistd::write(&pipes.says, &message);
        exit_now(127)
    };
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    if let Err(errno) = crate::confine::mount_proc() {
        fail(6, errno, &pipes);
    }
    // SAFETY: there is one thread; the child goes on in `become_command`, which never returns.
    let command = match unsafe { fork() } {
        Ok(ForkResult::Child) => become_command(launch, confinement, &pipes),
        Ok(ForkResult::Parent { child }) => child,
        Err(errno) => fail(7, errno, &pipes),
    };
    drop(pipes);
    loop {
        let mut status = 0;
        // SAFETY: the status is our own live integer.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        if pid == command.as_raw() {
            let _ = nix::unistd::write(&ended, &status.to_le_bytes());
        }
        if pid < 0 && Errno::last() == Errno::ECHILD {
            // Nothing is left but us; the supervisor ends us.
            nix::unistd::pause();
        }
    }
}

/// The wait status of a child that has ended; `None` while it runs. One that somebody else collected was killed.
pub(crate) fn wait_status(pid: Pid) -> Option<i32> {
    let mut status = 0;
    // SAFETY: the status is our own live integer.
    let done = unsafe { libc::waitpid(pid.as_raw(), &raw mut status, libc::WNOHANG) };
    match done {
        done if done == pid.as_raw() => Some(status),
        done if done < 0 && Errno::last() == Errno::ECHILD => Some(libc::SIGKILL),
        _ => None,
    }
}

/// Collects a child that was killed.
pub(crate) fn collect(pid: Pid) {
    while matches!(waitpid(pid, None), Err(Errno::EINTR)) {}
}

/// Reads what the child says; `None` when it is gone.
pub(crate) fn hear(pipe: &OwnedFd, buffer: &mut [u8]) -> Option<usize> {
    loop {
        match nix::unistd::read(pipe.as_fd(), buffer) {
            Ok(0) => return None,
            Ok(n) => return Some(n),
            Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}
