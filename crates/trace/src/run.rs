//! Running one command under the supervisor's eyes.

use std::ffi::OsString;
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use provost_model::{Ending, Timestamp};

use crate::TraceError;
use crate::confine::Confinement;
use crate::signals::{BlockedSignals, hand_on};

/// What is to be run.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Where.
    pub directory: PathBuf,
    /// Variables that the command must not inherit.
    pub without: Vec<OsString>,
    /// End it after this time; `None` for never.
    pub time_limit: Option<Duration>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunOutcome {
    /// Process id of the command.
    pub process_id: u32,
    /// Start.
    pub started: Timestamp,
    /// End.
    pub finished: Timestamp,
    /// How it ended.
    pub ending: Ending,
    /// Descendants that were still running.
    pub left_running: u32,
}

/// Runs the command and waits for its end. Standard streams, terminal and process group are the caller's own; signals
/// from a terminal reach the command directly, others are handed on. Orphans of the command become our children, so
/// that those still running at the end are counted.
///
/// # Errors
/// The command cannot be started, or the kernel refuses a call of the supervisor.
pub fn run(
    request: &RunRequest,
    confinement: &Arc<Confinement>,
    signals: &BlockedSignals,
    clock: &dyn Fn() -> Timestamp,
) -> Result<RunOutcome, TraceError> {
    let Some((program, arguments)) = request.command.split_first() else {
        return Err(TraceError::Start {
            command: String::new(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "no command was given"),
        });
    };
    nix::sys::prctl::set_child_subreaper(true).map_err(|e| TraceError::kernel("prctl(PR_SET_CHILD_SUBREAPER)", e))?;
    let descriptor = signals.descriptor()?;
    let mask = signals.before();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&request.directory);
    for name in &request.without {
        command.env_remove(name);
    }
    let started = clock();
    let begun = Instant::now();
    let mut child = spawn(&mut command, confinement, mask)
        .map_err(|source| TraceError::Start { command: program.to_string_lossy().into_owned(), source })?;
    let pid = Pid::from_raw(child.id().cast_signed());
    let ended = pidfd(pid)?;
    let mut timed_out = false;
    let ending = loop {
        let left = request.time_limit.map(|limit| limit.saturating_sub(begun.elapsed()));
        let wait = match left {
            None => PollTimeout::NONE,
            Some(left) => PollTimeout::try_from(left.min(Duration::from_secs(3600)).as_millis().max(1) as i32)
                .unwrap_or(PollTimeout::MAX),
        };
        let mut ready =
            [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN), PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, wait) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(errno) => {
                end_all(&mut child);
                return Err(TraceError::kernel("poll", errno));
            }
        }
        while let Ok(Some(info)) = descriptor.read_signal() {
            hand_on(&info, pid);
        }
        if let Some(status) = child.try_wait().map_err(|source| TraceError::Kernel { call: "wait", source })? {
            let ended = status.code().map_or_else(|| Ending::Signalled(status.signal().unwrap_or(0)), Ending::Exited);
            break if timed_out { Ending::TimedOut } else { ended };
        }
        if let Some(limit) = request.time_limit {
            if begun.elapsed() >= limit + Duration::from_secs(10) {
                end_all(&mut child);
            } else if begun.elapsed() >= limit && !timed_out {
                timed_out = true;
                let _ = kill(pid, Signal::SIGTERM);
            }
        }
    };
    let finished = clock();
    if timed_out {
        for descendant in descendants() {
            end_descendant(descendant);
        }
    }
    Ok(RunOutcome { process_id: child.id(), started, finished, ending, left_running: reap_orphans() })
}

fn spawn(command: &mut Command, confinement: &Arc<Confinement>, mask: SigSet) -> std::io::Result<Child> {
    let confinement = Arc::clone(confinement);
    // SAFETY: between fork and exec the child only confines itself (system calls on prepared data) and restores the
    // signal mask; glibc keeps its allocator usable after fork, should a call allocate.
    unsafe {
        command.pre_exec(move || {
            confinement.apply()?;
            mask.thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
            Ok(())
        });
    }
    command.spawn()
}

/// A descriptor that becomes readable when the process ends.
fn pidfd(pid: Pid) -> Result<OwnedFd, TraceError> {
    // SAFETY: pidfd_open takes two numbers and gives a new descriptor or an error.
    let fd = nix::Error::result(unsafe { nix::libc::syscall(nix::libc::SYS_pidfd_open, pid.as_raw(), 0) })
        .map_err(|e| TraceError::kernel("pidfd_open", e))?;
    // SAFETY: the descriptor is new, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) })
}

/// Ends the command and everything below it.
fn end_all(child: &mut Child) {
    for descendant in descendants() {
        end_descendant(descendant);
    }
    let _ = child.kill();
}

/// Collects orphans that have ended; counts those that have not.
fn reap_orphans() -> u32 {
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            // The kernel says that there is one, whatever /proc shows of it.
            Ok(WaitStatus::StillAlive) => return u32::try_from(descendants().len()).unwrap_or(u32::MAX).max(1),
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => return 0,
        }
    }
}

/// Ends a process below this one. Its number may have gone to a stranger since it was looked up: what is ended is what a
/// descriptor holds, and only after it was seen once more to be below.
pub(crate) fn end_descendant(process: Pid) {
    let Ok(held) = pidfd(process) else { return };
    let mut at = process.as_raw();
    for _ in 0..1000 {
        match parent_of(at) {
            Some(parent) if parent == std::process::id().cast_signed() => {
                send_kill(held.as_fd());
                return;
            }
            Some(parent) if parent > 1 => at = parent,
            _ => return,
        }
    }
}

/// SIGKILL to the process that a descriptor holds; nothing happens when it has ended.
pub(crate) fn send_kill(process: std::os::fd::BorrowedFd<'_>) {
    use std::os::fd::AsRawFd as _;
    let none = std::ptr::null::<nix::libc::siginfo_t>();
    // SAFETY: without a siginfo the call reads no memory.
    let _ = unsafe {
        nix::libc::syscall(nix::libc::SYS_pidfd_send_signal, process.as_raw_fd(), nix::libc::SIGKILL, none, 0)
    };
}

fn parent_of(process: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// All processes below this one, as `/proc` shows them.
pub(crate) fn descendants() -> Vec<Pid> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in parentheses may hold anything: the fields begin after the last one.
        let Some((_, fields)) = stat.rsplit_once(')') else { continue };
        let mut fields = fields.split_whitespace();
        let state = fields.next();
        let parent = fields.next().and_then(|field| field.parse::<i32>().ok());
        if let (Some(parent), false) = (parent, state == Some("Z")) {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![std::process::id().cast_signed()];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(
            parents
                .iter()
                .filter(|(pid, of)| *of == parent && !found.contains(pid))
                .map(|(pid, _)| *pid)
                .collect::<Vec<_>>(),
        );
        at += 1;
    }
    found.into_iter().skip(1).map(Pid::from_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_is_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        end_descendant(Pid::from_raw(child.id().cast_signed()));
        assert_eq!(child.wait().expect("ends").signal(), Some(9));
        // Its parent is gone: it is somebody else's now.
        let output = Command::new("sh").args(["-c", "sleep 60 >/dev/null 2>&1 & echo $!"]).output().expect("sh");
        let stranger = Pid::from_raw(String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number"));
        end_descendant(stranger);
        assert!(kill(stranger, Signal::SIGTERM).is_ok(), "it is still there");
    }
}
