//! Idle processors are made to look for work.
//!
//! An answer wakes its caller on the processor of whoever answers (`SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`). That is what
//! makes a call cheap, and what gathers the callers of all processors on one: while one of them is answered another one
//! asks, sleeps, and is woken beside the first. Their old processor is idle then, and takes work from another one only at
//! its next tick, milliseconds later, or when something that ran on it goes to sleep. So something does: a thread for
//! each processor, bound to it, that is woken for a moment when two callers were answered on the same one.
//!
//! With two short compiles at a time on two processors they were idle 17 to 18 % of the time without, 16 % with it (bare:
//! 11 %), for 10 ms of 25 s of CPU time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, park};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

/// One waking in this time at most: idle time was shorter so than with wakings as often as there was a pair, presumably
/// since the kernel gives no work to a processor whose mean idle time is short.
const PAUSE: Duration = Duration::from_millis(1);

/// Threads at most. (More than two processors were not measured.)
const THREADS: usize = 32;

/// The threads that are woken; they end with it.
pub(crate) struct Balancer {
    threads: Vec<(usize, JoinHandle<()>)>,
    over: Arc<AtomicBool>,
    /// The thread that is woken next.
    next: usize,
    pairs: Pairs,
}

/// Which answers go to two callers on one processor.
#[derive(Default)]
struct Pairs {
    /// The thread that was answered last.
    caller: Option<u32>,
    /// Where the first answer to it was given.
    processor: Option<usize>,
    /// The last time that a pair was told.
    told: Option<Instant>,
}

impl Pairs {
    /// Whether to wake another processor than `processor` after an answer to the thread `caller` at `now`.
    fn is_due(
        &mut self,
        caller: u32,
        processor: impl FnOnce() -> Option<usize>,
        now: impl FnOnce() -> Instant,
    ) -> bool {
        if self.caller.replace(caller) == Some(caller) {
            return false;
        }
        let processor = processor();
        let before = std::mem::replace(&mut self.processor, processor);
        if processor.is_none() || before != processor {
            return false;
        }
        let now = now();
        if self.told.is_some_and(|told| now.duration_since(told) < PAUSE) {
            return false;
        }
        self.told = Some(now);
        true
    }
}

impl Balancer {
    /// A thread for each processor that this process may use; none where it may use but one, or where threads cannot be
    /// had or bound: then idle processors wait for their ticks.
    pub(crate) fn new() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let permitted = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
        let processors: Vec<usize> =
            (0..CpuSet::count()).filter(|at| permitted.is_set(*at).unwrap_or(false)).take(THREADS).collect();
        let processors = if processors.len() < 2 { Vec::new() } else { processors };
        let threads = processors.into_iter().filter_map(|processor| {
            let over = Arc::clone(&over);
            let thread = std::thread::Builder::new()
                .name(format!("balancer-{processor}"))
                .spawn(move || {
                    let mut this = CpuSet::new();
                    if this.set(processor).and_then(|()| sched_setaffinity(Pid::from_raw(0), &this)).is_err() {
                        return;
                    }
                    while !over.load(Ordering::SeqCst) {
                        park();
                    }
                })
                .ok()?;
            Some((processor, thread))
        });
        Self { threads: threads.collect(), over, next: 0, pairs: Pairs::default() }
    }

    /// Has an idle processor look for work, if the answer just given to the thread `caller` may have left one.
    pub(crate) fn answered(&mut self, caller: u32) {
        if self.threads.is_empty() || !self.pairs.is_due(caller, || sched_getcpu().ok(), Instant::now) {
            return;
        }
        let here = self.pairs.processor;
        for _ in 0..self.threads.len() {
            self.next = (self.next + 1) % self.threads.len();
            let (processor, thread) = &self.threads[self.next];
            if Some(*processor) != here {
                return thread.thread().unpark();
            }
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        for (_, thread) in self.threads.drain(..) {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_callers_on_one_processor_are_told_once_in_a_while() {
        let mut pairs = Pairs::default();
        let begun = Instant::now();
        let mut due = |caller, processor, micros| {
            pairs.is_due(caller, || Some(processor), || begun + Duration::from_micros(micros))
        };
        assert!(!due(1, 0, 0), "one caller");
        assert!(!due(1, 0, 1), "the same caller");
        assert!(due(2, 0, 2), "another on the same processor");
        assert!(!due(2, 0, 3000), "the same caller");
        assert!(!due(1, 0, 900), "too soon");
        assert!(due(2, 0, 1100), "later");
        assert!(!due(1, 1, 3000), "on another processor");
        assert!(!due(2, 0, 6000), "on another processor");
        assert!(due(3, 0, 9000), "on the same again");
    }

    #[test]
    fn each_thread_is_bound_to_a_processor_and_ends() {
        let permitted = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let number = (0..CpuSet::count()).filter(|at| permitted.is_set(*at).unwrap()).count().min(THREADS);
        let balancer = Balancer::new();
        assert_eq!(balancer.threads.len(), if number < 2 { 0 } else { number });
        // (processor, where its thread may run), by what the kernel says of the thread of that name.
        let bound = || -> Vec<(String, String)> {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap();
            let of = |task: std::fs::DirEntry| {
                let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
                let processor = name.trim().strip_prefix("balancer-")?.to_owned();
                let status = std::fs::read_to_string(task.path().join("status")).ok()?;
                let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
                Some((processor, list.trim().to_owned()))
            };
            tasks.flatten().filter_map(of).collect()
        };
        let settled = |wanted: usize| {
            for _ in 0..2000 {
                let now = bound();
                if now.len() == wanted && now.iter().all(|(processor, list)| processor == list) {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            false
        };
        assert!(settled(balancer.threads.len()), "{:?}", bound());
        drop(balancer);
        assert!(settled(0), "{:?}", bound());
    }
}
