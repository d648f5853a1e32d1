//! The second back end that needs no privilege: selective ptrace, where notification is not to be had.
//!
//! The same filter sends the same calls to a tracer instead of a listener. What can be done on our own copy of the
//! arguments is done by us, and the call itself is skipped. A file cannot be handed over: the kernel opens it, and the
//! caller is stopped again when the call returns. Then the file is looked at and digested through the caller's own
//! descriptor, before its first byte is read; a descriptor that may not be is closed before the caller goes on.

use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::notify::{Notifier, Reply};
use super::open::Opening;
use super::sys::{self, Mailbox};

/// What a stopped thread waits for.
enum Waiting {
    /// The return of a call that opens a file.
    Opened(Opening),
    /// The end of a call of ours, made in its place: what it then goes on with.
    Closed { registers: libc::user_regs_struct, entered: bool },
}

/// The tracing thread's state.
struct Tracer {
    notifier: Arc<Mutex<Notifier>>,
    mailbox: Arc<Mailbox>,
    command: i32,
    /// Where the end of the command is told; once.
    ended: Option<OwnedFd>,
    waiting: HashMap<i32, Waiting>,
    /// Calls that are answered later.
    unanswered: HashMap<u64, i32>,
    next: u64,
}

const OPTIONS: ptrace::Options = ptrace::Options::PTRACE_O_TRACESECCOMP
    .union(ptrace::Options::PTRACE_O_TRACEFORK)
    .union(ptrace::Options::PTRACE_O_TRACEVFORK)
    .union(ptrace::Options::PTRACE_O_TRACECLONE)
    .union(ptrace::Options::PTRACE_O_TRACEEXEC)
    .union(ptrace::Options::PTRACE_O_TRACESYSGOOD)
    .union(ptrace::Options::PTRACE_O_EXITKILL);

/// Starts the thread that traces; it holds the command when this returns. (All of ptrace is the business of one
/// thread, which must be the one that attached.)
pub(crate) fn start(
    notifier: &Arc<Mutex<Notifier>>,
    mailbox: &Arc<Mailbox>,
    command: Pid,
    ended: OwnedFd,
    stop: &Arc<AtomicBool>,
) -> Result<std::thread::JoinHandle<()>, String> {
    let (says, hears) = mpsc::channel();
    let (notifier, mailbox, stop) = (Arc::clone(notifier), Arc::clone(mailbox), Arc::clone(stop));
    let thread = std::thread::Builder::new().name("tracer".into()).spawn(move || {
        mailbox.is_mine();
        let proc = notifier.lock().unwrap_or_else(PoisonError::into_inner).proc.fd().try_clone_to_owned();
        let _ = proc.map(|proc| sys::own_directory(proc.as_fd()));
        let seized = ptrace::seize(command, OPTIONS);
        let failed = seized.is_err();
        let _ = says.send(seized);
        if failed {
            return;
        }
        let tracer = Tracer {
            notifier,
            mailbox,
            command: command.as_raw(),
            ended: Some(ended),
            waiting: HashMap::new(),
            unanswered: HashMap::new(),
            next: 1,
        };
        tracer.run(&stop);
    });
    let thread = thread.map_err(|e| format!("no thread for the tracer: {e}"))?;
    match hears.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(errno)) => Err(format!("ptrace(PTRACE_SEIZE): {}", errno.desc())),
        Err(_) => Err("the tracer ended".into()),
    }
}

/// The next event of any process that is ours. Nobody else in this process may wait.
fn wait() -> Result<(i32, i32), Errno> {
    let mut status = 0;
    // SAFETY: the status is our own live integer.
    let pid = Errno::result(unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) })?;
    Ok((pid, status))
}

/// Goes on to the next event (`PTRACE_CONT`), or to the end of the call at hand (`PTRACE_SYSCALL`).
fn go_on(tid: i32, to_the_end_of_the_call: bool, signal: i32) {
    let request = if to_the_end_of_the_call { libc::PTRACE_SYSCALL } else { libc::PTRACE_CONT };
    // A thread that was killed meanwhile needs nothing.
    // SAFETY: the request takes numbers only.
    let _ = unsafe { libc::ptrace(request, tid, 0, signal) };
}

impl Tracer {
    fn run(mut self, stop: &AtomicBool) {
        loop {
            for (id, result) in self.mailbox.take() {
                if let Some(tid) = self.unanswered.remove(&id) {
                    self.skip(tid, result);
                }
            }
            match wait() {
                Ok((pid, status)) => self.event(pid, status),
                Err(Errno::EINTR) => {}
                Err(_) if stop.load(Ordering::SeqCst) => return,
                // Nobody is left; the main thread will say so in a moment.
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(1)),
            }
            if stop.load(Ordering::SeqCst) && self.ended.is_none() {
                return;
            }
        }
    }

    fn event(&mut self, tid: i32, status: i32) {
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            self.waiting.remove(&tid);
            self.unanswered.retain(|_, waits| *waits != tid);
            if tid == self.command
                && let Some(pipe) = self.ended.take()
            {
                let _ = nix::unistd::write(&pipe, &status.to_le_bytes());
            }
            return;
        }
        if !libc::WIFSTOPPED(status) {
            return;
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            libc::PTRACE_EVENT_SECCOMP => self.call(tid),
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                if let Ok(child) = ptrace::getevent(Pid::from_raw(tid)) {
                    self.lock().appears(child as i32);
                }
                go_on(tid, false, 0);
            }
            libc::PTRACE_EVENT_EXEC => {
                // Other threads are gone, and this one is the first now.
                self.waiting.remove(&tid);
                self.lock().has_executed(tid);
                go_on(tid, false, 0);
            }
            libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => go_on(tid, false, 0),
            // Stopped by a signal that stops: it stays so until SIGCONT.
            libc::PTRACE_EVENT_STOP => {
                // SAFETY: the request takes numbers only.
                let _ = unsafe { libc::ptrace(libc::PTRACE_LISTEN, tid, 0, 0) };
            }
            _ if signal == libc::SIGTRAP | 0x80 => self.returned(tid),
            _ => go_on(tid, false, signal),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Notifier> {
        self.notifier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call that is looked at.
    fn call(&mut self, tid: i32) {
        let Ok(info) = ptrace::syscall_info(Pid::from_raw(tid)) else { return go_on(tid, false, 0) };
        let mut notification = sys::empty_notification();
        // SAFETY: at a stop of the filter the kernel fills this part of the union, all of which is numbers.
        let seccomp = unsafe { info.u.seccomp };
        notification.id = self.next;
        self.next += 1;
        notification.pid = tid.cast_unsigned();
        notification.data.nr = seccomp.nr as i32;
        notification.data.arch = info.arch;
        notification.data.args = seccomp.args;
        let reply = self.lock().handle(&notification);
        match reply {
            Reply::GoOn => go_on(tid, false, 0),
            Reply::Done(result) => self.skip(tid, result),
            Reply::Later => {
                self.unanswered.insert(notification.id, tid);
            }
            Reply::LookAfter(opening) => {
                self.waiting.insert(tid, Waiting::Opened(opening));
                go_on(tid, true, 0);
            }
            Reply::With { argument, value } => {
                self.change_argument(tid, argument, value);
                go_on(tid, false, 0);
            }
            // Nothing can be handed over here.
            Reply::Give { .. } => self.skip(tid, Err(Errno::ENOSYS)),
        }
    }

    /// The call is not made: this is its result.
    fn skip(&mut self, tid: i32, result: Result<i64, Errno>) {
        if let Ok(mut registers) = ptrace::getregs(Pid::from_raw(tid)) {
            registers.orig_rax = u64::MAX;
            registers.rax = match result {
                Ok(value) => value as u64,
                Err(errno) => -i64::from(errno as i32) as u64,
            };
            if ptrace::setregs(Pid::from_raw(tid), registers).is_err() {
                // It is gone; were it not, it must not make the call.
                let _ = kill(Pid::from_raw(tid), Signal::SIGKILL);
            }
        }
        go_on(tid, false, 0);
    }

    fn change_argument(&mut self, tid: i32, argument: usize, value: u64) {
        let done = ptrace::getregs(Pid::from_raw(tid)).and_then(|mut registers| {
            match argument {
                0 => registers.rdi = value,
                1 => registers.rsi = value,
                2 => registers.rdx = value,
                _ => return Err(Errno::EINVAL),
            }
            ptrace::setregs(Pid::from_raw(tid), registers)
        });
        if done.is_err() {
            let _ = kill(Pid::from_raw(tid), Signal::SIGKILL);
        }
    }

    /// A call that was waited for returns.
    fn returned(&mut self, tid: i32) {
        let thread = Pid::from_raw(tid);
        let Ok(registers) = ptrace::getregs(thread) else { return go_on(tid, false, 0) };
        match self.waiting.remove(&tid) {
            Some(Waiting::Opened(opening)) => {
                let result = registers.rax.cast_signed();
                let refused = self.lock().opened(tid, result, &opening);
                let Some(errno) = refused else { return go_on(tid, false, 0) };
                // The same instruction once more, as close(2) on what must not be had.
                let mut closing = registers;
                closing.rip -= 2;
                closing.rax = libc::SYS_close as u64;
                closing.orig_rax = u64::MAX;
                closing.rdi = registers.rax;
                let mut after = registers;
                after.rax = -i64::from(errno as i32) as u64;
                if ptrace::setregs(thread, closing).is_err() {
                    let _ = kill(thread, Signal::SIGKILL);
                }
                self.waiting.insert(tid, Waiting::Closed { registers: after, entered: false });
                go_on(tid, true, 0);
            }
            Some(Waiting::Closed { registers: after, entered: false }) => {
                self.waiting.insert(tid, Waiting::Closed { registers: after, entered: true });
                go_on(tid, true, 0);
            }
            Some(Waiting::Closed { registers: after, entered: true }) => {
                if ptrace::setregs(thread, after).is_err() {
                    let _ = kill(thread, Signal::SIGKILL);
                }
                go_on(tid, false, 0);
            }
            None => go_on(tid, false, 0),
        }
    }
}
