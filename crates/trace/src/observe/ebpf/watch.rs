//! The programs at work on one run: a thread empties the ring, another makes records of what was in it.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use provost_model::{BackEnd, Coverage, Observation};

use super::super::eyes::Finished;
use super::super::guard::{NetworkRule, Rules};
use super::super::record::Record;
use super::super::tracee::Proc;
use super::super::{Live, Remembered};
use super::collect::Collector;
use super::interests;
use super::layout::{
    CALLS, COMPAT_CALLS, DESCRIPTORS_GONE, Event, LOST, NOT_FOLLOWED, OPENS, OPENS_FAILED, PATH_ONLY, PATHS_CUT,
    REPEATED, RING_SUBMISSIONS, SENT, TEXTS_UNREADABLE,
};
use super::load::Loaded;

/// Bytes of events that may wait for being recorded. Beyond that they stay in the ring, and what finds no room there is
/// counted as lost.
const WAITING: usize = 256 << 20;
/// How long events gather in the ring before they are taken out.
const GATHERING: std::time::Duration = std::time::Duration::from_millis(1);
/// How long the end of the run waits for events that were not recorded yet.
const SETTLING: std::time::Duration = std::time::Duration::from_secs(5);

/// The programs, attached and tried out, with nobody to follow yet.
pub(crate) struct Programs(Loaded);

impl Programs {
    /// Loads, attaches and tries the programs.
    pub(crate) fn attach(hidden_may_be_tried: bool) -> Result<Self, String> {
        Loaded::attach(std::process::id(), hidden_may_be_tried).map(Self)
    }
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<VecDeque<Event>>,
    filled: Condvar,
    bytes: AtomicUsize,
    /// The run is over: what is there is taken, and no more is waited for.
    stop: AtomicBool,
    /// Nothing more will come.
    closed: AtomicBool,
    unreadable: AtomicUsize,
}

/// The run, watched.
pub(crate) struct Watch {
    queue: Arc<Queue>,
    /// The ring, to see whether there is something in it.
    ring: OwnedFd,
    collector: Arc<Mutex<Collector>>,
    reader: JoinHandle<Emptied>,
    recorder: JoinHandle<()>,
}

struct Emptied {
    counters: [u64; super::layout::COUNTERS],
    misses: Option<u64>,
    received: u64,
    without: Vec<String>,
}

/// What a watch begins with.
pub(crate) struct Beginning {
    pub(crate) programs: Programs,
    pub(crate) record: Record,
    pub(crate) proc: Proc,
    pub(crate) rules: Rules,
    pub(crate) own_processes: bool,
    /// Digests are wanted.
    pub(crate) digests: bool,
    /// The process that will be the command, before it is.
    pub(crate) command: i32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Follows the command's process from now on.
    pub(crate) fn start(beginning: Beginning) -> Result<Self, String> {
        let Beginning { programs: Programs(mut loaded), record, proc, rules, own_processes, digests, command } =
            beginning;
        let mut collector = Collector::new(record, proc, rules, own_processes, digests);
        collector.repeats = loaded.take_repeats();
        collector.begin(command);
        loaded.follow(command.cast_unsigned())?;
        let ring = loaded.descriptor().try_clone_to_owned().map_err(|e| format!("the ring of events: {e}"))?;
        let queue = Arc::new(Queue::default());
        let collector = Arc::new(Mutex::new(collector));
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let filling = Arc::clone(&queue);
        let reader = thread("ring").spawn(move || read(loaded, &filling)).map_err(|e| e.to_string())?;
        let (taking, recording) = (Arc::clone(&queue), Arc::clone(&collector));
        let recorder = thread("recorder").spawn(move || record_all(&taking, &recording)).map_err(|e| e.to_string())?;
        Ok(Self { queue, ring, collector, reader, recorder })
    }

    /// Processes of the run that are still there. Events that wait, in the ring or behind it, are recorded first, as far as
    /// that takes no longer than some seconds.
    pub(crate) fn living(&self) -> Vec<i32> {
        let begun = std::time::Instant::now();
        // What is in the ring now is out of it soon; what comes for ever is not waited for.
        let in_ring = || begun.elapsed() < 20 * GATHERING && super::load::has_events(self.ring.as_fd(), 0);
        let waiting = || in_ring() || self.queue.bytes.load(Ordering::SeqCst) > 0;
        while waiting() && begun.elapsed() < SETTLING {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        lock(&self.collector).living()
    }

    pub(crate) fn flooded(&self, count: usize) {
        lock(&self.collector).flooded(count);
    }

    pub(crate) fn live(&self) -> Live {
        lock(&self.collector).record.live()
    }

    /// The end: everything that is still in the ring is recorded first.
    pub(crate) fn finish(self, layers: Vec<String>, left_running: u32, changed_before: i64) -> Finished {
        self.queue.stop.store(true, Ordering::SeqCst);
        let emptied = self.reader.join().ok();
        self.queue.closed.store(true, Ordering::SeqCst);
        self.queue.filled.notify_all();
        let recorded = self.recorder.join().is_ok();
        let mut collector = lock(&self.collector);
        let remember = collector.record.to_remember(changed_before, 50_000);
        let (mut observation, products) = observation(&mut collector, emptied.as_ref(), layers, left_running);
        if !recorded {
            observation.coverage.incomplete.push("recording the events ended early".into());
        }
        let unreadable = self.queue.unreadable.load(Ordering::SeqCst) as u64;
        observation.coverage.events_lost += unreadable;
        Finished { observation, remember, products }
    }
}

fn read(mut loaded: Loaded, queue: &Queue) -> Emptied {
    let mut batch = Vec::new();
    let mut misses = None;
    let mut stopping = false;
    loop {
        if queue.bytes.load(Ordering::Relaxed) > WAITING {
            std::thread::sleep(std::time::Duration::from_millis(2));
            continue;
        }
        if !stopping && queue.stop.load(Ordering::SeqCst) {
            stopping = true;
            misses = loaded.misses();
            // From here on nothing is written to the ring any more.
            loaded.detach();
        }
        let count = loaded.drain(&mut |record| match Event::parse(record) {
            Some(event) => {
                // It waits already when it leaves the ring.
                queue.bytes.fetch_add(event.size(), Ordering::SeqCst);
                batch.push(event);
            }
            None => drop(queue.unreadable.fetch_add(1, Ordering::Relaxed)),
        });
        if !batch.is_empty() {
            lock(&queue.waiting).extend(batch.drain(..));
            queue.filled.notify_one();
        }
        if count == 0 {
            if stopping {
                break;
            }
            if loaded.wait(20) {
                // Each event by itself would wake two threads: what comes in the next moment is taken with it.
                std::thread::sleep(GATHERING);
            }
        }
    }
    Emptied {
        counters: loaded.counters(),
        misses,
        received: loaded.received,
        without: std::mem::take(&mut loaded.without),
    }
}

fn record_all(queue: &Queue, collector: &Mutex<Collector>) {
    loop {
        let mut events = {
            let mut waiting = lock(&queue.waiting);
            while waiting.is_empty() {
                if queue.closed.load(Ordering::SeqCst) {
                    return;
                }
                let timeout = std::time::Duration::from_millis(100);
                waiting = queue.filled.wait_timeout(waiting, timeout).unwrap_or_else(PoisonError::into_inner).0;
            }
            std::mem::take(&mut *waiting)
        };
        while !events.is_empty() {
            let mut collector = lock(collector);
            for event in events.drain(..events.len().min(64)) {
                let size = event.size();
                collector.take(event);
                queue.bytes.fetch_sub(size, Ordering::Relaxed);
            }
        }
    }
}

fn observation(
    collector: &mut Collector,
    emptied: Option<&Emptied>,
    layers: Vec<String>,
    left_running: u32,
) -> (Observation, Vec<Remembered>) {
    let digests = collector.digests;
    if !digests {
        collector.record.limits.hashed_size = 0;
    }
    let mut incomplete = std::mem::take(&mut collector.record.incomplete);
    let mut lost = collector.record.lost;
    let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
    let mut not_seen = not_seen(collector);
    match emptied {
        None => incomplete.push("the ring could not be read to its end".into()),
        Some(emptied) => {
            let value = |which: u32| emptied.counters[which as usize];
            lost += value(LOST) + value(SENT).saturating_sub(emptied.received) + value(NOT_FOLLOWED);
            let mut say = |count: u64, what: &str| {
                if count > 0 {
                    incomplete.push(format!("{count} {what}"));
                }
            };
            say(value(LOST), "events found no room in the ring");
            say(value(SENT).saturating_sub(emptied.received), "events were written and not read");
            say(value(NOT_FOLLOWED), "processes could not be followed");
            say(value(PATHS_CUT), "paths were too deep to be walked to their beginning");
            say(value(TEXTS_UNREADABLE), "texts in the memory of processes could not be read");
            say(value(DESCRIPTORS_GONE), "descriptors were closed before they could be looked at");
            say(value(RING_SUBMISSIONS), "requests went through io_uring, and are not known");
            match emptied.misses {
                Some(misses) => {
                    lost += misses;
                    say(misses, "events came while their program was at work already");
                }
                None => {
                    incomplete.push("it is not known whether programs were missed: the kernel does not tell".into())
                }
            }
            not_seen.extend(emptied.without.iter().cloned());
            for (name, which) in [
                ("calls", CALLS),
                ("opens", OPENS),
                ("opensFailed", OPENS_FAILED),
                ("repeatedOpens", REPEATED),
                ("pathOnlyOpens", PATH_ONLY),
                ("compatCalls", COMPAT_CALLS),
                ("ringSubmissions", RING_SUBMISSIONS),
                ("pathsCut", PATHS_CUT),
                ("textsUnreadable", TEXTS_UNREADABLE),
                ("descriptorsGone", DESCRIPTORS_GONE),
                ("notFollowed", NOT_FOLLOWED),
                ("eventsSent", SENT),
                ("eventsLost", LOST),
            ] {
                numbers.insert(name.into(), value(which));
            }
            numbers.insert("eventsReceived".into(), emptied.received);
            numbers.insert("recursionMisses".into(), emptied.misses.unwrap_or(0));
        }
    }
    if left_running > 0 {
        incomplete.push(format!("{left_running} processes were still running at the end, and were ended"));
    }
    let record = &mut collector.record;
    let (files, products) = record.finish_files(lost == 0 && incomplete.is_empty());
    for (name, value) in [
        ("executions", record.counters.executions),
        ("hashedFiles", record.counters.hashed_files),
        ("hashedBytes", record.counters.hashed_bytes),
        ("refused", record.counters.refused),
        ("rememberedDigests", record.counters.remembered),
    ] {
        numbers.insert(name.into(), value);
    }
    let (observed, refused) = interests::names();
    let observation = Observation {
        back_end: BackEnd::Ebpf,
        processes: std::mem::take(&mut record.processes),
        files,
        network: std::mem::take(&mut record.network),
        names: std::mem::take(&mut record.questions),
        violations: std::mem::take(&mut record.violations),
        coverage: Coverage {
            not_used: Vec::new(),
            observed,
            refused,
            not_seen,
            delegated: std::mem::take(&mut record.delegated),
            layers,
            counters: numbers,
            events_lost: lost,
            incomplete,
            compared: None,
        },
    };
    (observation, products)
}

fn not_seen(collector: &Collector) -> Vec<String> {
    let mut sentences: Vec<String> = [
        "looking at names, kinds, sizes and times of files (stat, access, readlink, getdents)",
        "time of use of a mapping: a file counts from its opening on",
        "peers of accepted connections",
        "the names of files whose opening failed: they are counted",
        "another descriptor that a second thread puts in the place of a new one before the call has returned",
        "renamed, linked, made and removed files, modes and sizes: their names are the caller's own text as it was when the call had returned, resolved afterwards",
        "scripts: they are found by the name that the kernel was given, not by its file",
    ]
    .map(str::to_owned)
    .to_vec();
    if collector.digests {
        sentences.push(
            "the content of files at the moment of their use: digests are taken right after it, and a file that changed in between says so"
                .into(),
        );
    }
    if collector.record.counters.remembered > 0 {
        sentences.push(format!(
            "changes of {} files that left device, inode, size and times as they were: their digests are from earlier runs",
            collector.record.counters.remembered
        ));
    }
    if matches!(collector.rules.guard.network, NetworkRule::Host) {
        sentences.push("what travels in connections".into());
    }
    if !collector.daemons.is_empty() {
        sentences.push(format!(
            "what {} did themselves; of the processes that they made from then on everything was recorded, others' work among it",
            provost_model::count(collector.daemons.len() as u64, "daemon", "daemons")
        ));
    }
    sentences
}
