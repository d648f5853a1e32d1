//! Signals: what a terminal sends reaches the command directly, what others send to us is handed on.

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, pthread_sigmask, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use crate::TraceError;

/// Signals that a supervisor must not die of while its command runs. SIGTSTP and SIGCONT keep their usual meaning, so
/// that job control works.
const HANDED_ON: &[Signal] = &[
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGWINCH,
];

/// Signals blocked in this thread and those it starts later. Make it before any other thread exists.
pub struct BlockedSignals {
    mask: SigSet,
    before: SigSet,
}

impl BlockedSignals {
    /// Blocks them.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn block() -> Result<Self, TraceError> {
        let mut mask = SigSet::empty();
        for signal in HANDED_ON {
            mask.add(*signal);
        }
        mask.add(Signal::SIGCHLD);
        // Inherited as "ignored", it would make the kernel throw the command's status away.
        // SAFETY: the default disposition runs no code of ours.
        let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
        let before = mask.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(|e| TraceError::kernel("sigprocmask", e))?;
        Ok(Self { mask, before })
    }

    pub(crate) fn descriptor(&self) -> Result<SignalFd, TraceError> {
        SignalFd::with_flags(&self.mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(|e| TraceError::kernel("signalfd", e))
    }

    /// The mask before, for the command.
    pub(crate) fn before(&self) -> SigSet {
        self.before
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        let _ = self.before.thread_swap_mask(SigmaskHow::SIG_SETMASK);
    }
}

/// Hands a signal on, unless the terminal's driver sent it: then the whole foreground group has it already.
pub(crate) fn hand_on(info: &nix::libc::signalfd_siginfo, child: Pid) {
    const FROM_KERNEL: i32 = 0x80; // SI_KERNEL
    let Ok(signal) = Signal::try_from(info.ssi_signo.cast_signed()) else { return };
    if signal != Signal::SIGCHLD && info.ssi_code != FROM_KERNEL {
        let _ = kill(child, signal);
    }
}

/// Ends this process by the signal that ended the command, so that whoever waits for us sees the same. Returns only
/// if the signal does not end processes.
pub fn end_like(number: i32) {
    let Ok(number) = Signal::try_from(number) else { return };
    // Our own core would hold keys; the command has left its own, if it did.
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    // SAFETY: no handler is installed here; the default disposition runs no code of ours.
    let _ = unsafe { signal(number, SigHandler::SigDfl) };
    let mut mask = SigSet::empty();
    mask.add(number);
    let _ = pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&mask), None);
    let _ = nix::sys::signal::raise(number);
}
