//! The caller's side: starts the supervisor's process, tells it what to run, hands signals on, takes the report.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use serde::{Deserialize, Serialize};

use super::supervisor::{Message, live, receive, send};
use super::{Clock, Plan, Ready, Report};
use crate::TraceError;
use crate::signals::{BlockedSignals, hand_on};

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Live {
    /// Processes so far.
    pub processes: usize,
    /// Of them still running.
    pub running: usize,
    /// Different files so far.
    pub files: usize,
    /// Network events so far.
    pub connections: usize,
    /// Violations so far.
    pub violations: usize,
}

/// The supervisor's process, waiting for its plan.
pub struct Watcher {
    pid: Pid,
    channel: UnixStream,
    done: bool,
}

impl Watcher {
    /// Forks it. Call this before keys are read and threads are started: the new process keeps what is in memory now.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn start(signals: &BlockedSignals, clock: Clock) -> Result<Self, TraceError> {
        let (ours, theirs) = UnixStream::pair().map_err(|source| TraceError::Kernel { call: "socketpair", source })?;
        // SAFETY: the caller has one thread, as is asked above; where it has more, the child uses only the allocator,
        // which glibc keeps usable after fork. It never returns into the caller.
        match unsafe { fork() }.map_err(|e| TraceError::kernel("fork", e))? {
            ForkResult::Child => {
                drop(ours);
                live(theirs, signals, clock);
                // SAFETY: `_exit` ends the process at once, without running anything of the parent's.
                unsafe { nix::libc::_exit(0) }
            }
            ForkResult::Parent { child } => Ok(Self { pid: child, channel: ours, done: false }),
        }
    }

    fn gone() -> TraceError {
        TraceError::Supervisor(
            "the supervisor's process ended before it could report: the run is without evidence".into(),
        )
    }

    fn heard(&mut self) -> Result<Message, TraceError> {
        match receive(&mut self.channel) {
            Ok(Message::Failed { what, errno: Some(errno), .. }) if what == "executing the command" => {
                Err(TraceError::Start { command: String::new(), source: std::io::Error::from_raw_os_error(errno) })
            }
            Ok(Message::Failed { what, errno, confinement }) => {
                let errno = errno.map_or(String::new(), |errno| format!(": {}", Errno::from_raw(errno).desc()));
                let what = format!("{what}{errno}");
                Err(if confinement { TraceError::Said(what) } else { TraceError::Supervisor(what) })
            }
            Ok(message) => Ok(message),
            Err(_) => Err(Self::gone()),
        }
    }

    /// Finds out how the command can be confined and watched here.
    ///
    /// # Errors
    /// What the plan requires cannot be had.
    pub fn prepare(&mut self, plan: &Plan) -> Result<Ready, TraceError> {
        send(&mut self.channel, &Message::Plan(Box::new(plan.clone()))).map_err(|_| Self::gone())?;
        match self.heard()? {
            Message::Ready(ready) => Ok(ready),
            _ => Err(Self::gone()),
        }
    }

    /// Runs the command. `live` is called while it runs, if it is given.
    ///
    /// # Errors
    /// The command cannot be started, or the supervisor's process died; then the command is dead too.
    pub fn run(mut self, signals: &BlockedSignals, live: Option<&dyn Fn(Live)>) -> Result<Report, TraceError> {
        send(&mut self.channel, &Message::Go { live: live.is_some() }).map_err(|_| Self::gone())?;
        let descriptor = signals.descriptor()?;
        loop {
            let mut ready = [
                PollFd::new(descriptor.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.channel.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(TraceError::kernel("poll", errno)),
            }
            let said = ready[1].revents().is_some_and(|events| !events.is_empty());
            while let Ok(Some(info)) = descriptor.read_signal() {
                hand_on(&info, self.pid);
            }
            if !said {
                continue;
            }
            match self.heard()? {
                Message::Live(now) => {
                    if let Some(live) = live {
                        live(now);
                    }
                }
                Message::Done(report) => {
                    self.done = true;
                    return Ok(*report);
                }
                _ => return Err(Self::gone()),
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if !self.done {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
        while matches!(waitpid(self.pid, None), Err(Errno::EINTR)) {}
    }
}
