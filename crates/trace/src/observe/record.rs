//! What was seen, while it is being collected: files by resolved path, contents by inode, processes by place.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use nix::errno::Errno;
use nix::libc;
use provost_model::{
    Digest, Ending, Execution, FileName, Hasher, NameQuestion, NetworkEvent, ObservedFile, ObservedProcess, Permission,
    Timestamp, Use, Violation,
};

use super::{Clock, ObserverLimits, Remembered};

/// Device and inode.
pub(crate) type Inode = (u64, u64);

/// The uses of a file, as bits in the order of [`Use`].
const USES: [Use; 8] =
    [Use::Listed, Use::Read, Use::Executed, Use::Changed, Use::Written, Use::Created, Use::Renamed, Use::Deleted];

fn bit(kind: Use) -> u16 {
    1 << (kind as u16)
}

#[derive(Debug)]
struct FileRecord {
    uses: u16,
    first_use: Use,
    first_on: Timestamp,
    first_by: u32,
    written_by: Vec<u32>,
    digests: Vec<Digest>,
    size: u64,
    problem: Option<String>,
}

/// What must be unchanged of a file for its digest to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(stat: &libc::stat) -> Self {
        Self {
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    fn remembered(self, inode: Inode, digest: Digest) -> Remembered {
        Remembered { inode, size: self.size, modified: self.modified, changed: self.changed, digest }
    }

    /// True when the file's times are older than their grain now.
    fn is_settled(&self) -> bool {
        let nanoseconds = |(seconds, rest): (i64, i64)| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        crate::snapshot::is_settled(nanoseconds(self.modified).max(nanoseconds(self.changed)))
    }
}

#[derive(Debug, Default)]
struct Content {
    /// The digest, and the stamp that it belongs to.
    known: Option<(Stamp, Option<Digest>)>,
    /// The file was older than the grain of its times when that digest was taken: an unchanged stamp means unchanged
    /// content.
    settled: bool,
    /// It was taken in an earlier run, and not used yet in this one.
    earlier: bool,
    /// It was used in this run.
    used: bool,
    /// Processes that opened it for writing in this run.
    writers: Vec<u32>,
    /// Somebody can write it by a descriptor that no process shows: one in a queue, or handed on.
    held: bool,
    /// Whoever read it, once it was read: a later writer makes their digest uncertain while they live.
    readers: Vec<u32>,
}

/// Calls for the second thread while the first is busy for long.
#[derive(Default)]
pub(crate) struct Relief(std::sync::Mutex<bool>, std::sync::Condvar, std::sync::atomic::AtomicBool);

impl Relief {
    pub(crate) fn wanted(&self, wanted: bool) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = wanted;
        if wanted {
            self.1.notify_all();
        }
    }

    /// The end: nobody waits any more, even if the first is still hashing and says afterwards that it is done.
    pub(crate) fn over(&self) {
        self.2.store(true, std::sync::atomic::Ordering::SeqCst);
        self.wanted(true);
    }

    pub(crate) fn wait(&self) {
        let mut wanted = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while !*wanted && !self.2.load(std::sync::atomic::Ordering::SeqCst) {
            wanted = self.1.wait(wanted).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

/// Bytes that are read at once.
const BUFFER: usize = 256 * 1024;

/// A file of this size takes a while to hash.
const LONG: u64 = 256 * 1024;

/// Everything collected so far.
pub(crate) struct Record {
    pub(crate) clock: Clock,
    pub(crate) limits: ObserverLimits,
    pub(crate) processes: Vec<ObservedProcess>,
    files: Vec<FileRecord>,
    names: HashMap<Box<[u8]>, u32>,
    contents: HashMap<Inode, Content>,
    pub(crate) network: Vec<NetworkEvent>,
    pub(crate) questions: Vec<NameQuestion>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) counters: Counters,
    pub(crate) lost: u64,
    pub(crate) incomplete: Vec<String>,
    pub(crate) delegated: Vec<String>,
    pub(crate) relief: Option<std::sync::Arc<Relief>>,
    /// When what is being recorded happened; now, when absent.
    pub(crate) moment: Option<Timestamp>,
    alive: Vec<u32>,
    buffer: Vec<u8>,
    /// Files that the run wrote, as they were when all was over.
    products: Vec<Remembered>,
}

/// Numbers that are signed with the observation.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) calls: u64,
    pub(crate) opens: u64,
    pub(crate) opens_failed: u64,
    pub(crate) continued: u64,
    /// Of these: opened or changed by a process with another user, root or namespaces.
    pub(crate) foreign: u64,
    pub(crate) unreadable: u64,
    pub(crate) orphans: u64,
    pub(crate) executions: u64,
    pub(crate) hashed_files: u64,
    pub(crate) hashed_bytes: u64,
    pub(crate) refused: u64,
    pub(crate) remembered: u64,
}

impl Record {
    pub(crate) fn new(clock: Clock, limits: ObserverLimits) -> Self {
        Self {
            clock,
            limits,
            processes: Vec::new(),
            files: Vec::new(),
            names: HashMap::new(),
            contents: HashMap::new(),
            network: Vec::new(),
            questions: Vec::new(),
            violations: Vec::new(),
            counters: Counters::default(),
            lost: 0,
            incomplete: Vec::new(),
            delegated: Vec::new(),
            relief: None,
            moment: None,
            alive: Vec::new(),
            buffer: vec![0; BUFFER],
            products: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.moment.unwrap_or_else(self.clock)
    }

    /// The place of a file in the list; `None` once the list is full, and then an event is lost.
    pub(crate) fn file(&mut self, path: &[u8], kind: Use, process: u32) -> Option<u32> {
        if let Some(place) = self.names.get(path) {
            let place = *place;
            self.used(place, kind, process);
            return Some(place);
        }
        if self.files.len() >= self.limits.files {
            self.lost += 1;
            return None;
        }
        let place = self.files.len() as u32;
        self.files.push(FileRecord {
            uses: bit(kind),
            first_use: kind,
            first_on: self.now(),
            first_by: process,
            written_by: if kind >= Use::Written { vec![process] } else { Vec::new() },
            digests: Vec::new(),
            size: 0,
            problem: None,
        });
        self.names.insert(path.into(), place);
        Some(place)
    }

    /// Notes another use of a file.
    pub(crate) fn used(&mut self, place: u32, kind: Use, process: u32) {
        let Some(file) = self.files.get_mut(place as usize) else { return };
        file.uses |= bit(kind);
        if kind >= Use::Written && file.written_by.len() < 16 && !file.written_by.contains(&process) {
            file.written_by.push(process);
        }
    }

    /// Notes why a digest may not be that of the bytes that were used.
    pub(crate) fn problem(&mut self, place: u32, why: &str) {
        if let Some(file) = self.files.get_mut(place as usize) {
            file.problem.get_or_insert_with(|| why.to_owned());
        }
    }

    /// The digest of a file that is about to be read, of the very descriptor that the reader gets. Taken once for
    /// each content: again when the file's times changed, or somebody may be writing it.
    pub(crate) fn content(
        &mut self,
        fd: BorrowedFd<'_>,
        stat: &libc::stat,
        place: u32,
        process: u32,
    ) -> Option<Digest> {
        let (digest, problem) = self.digest(fd, stat, process);
        if let Some(problem) = problem {
            self.problem(place, problem);
        }
        if let Some(digest) = digest {
            self.saw(place, digest, stat.st_size as u64);
        }
        digest
    }

    /// As [`Self::content`], for a file that has no place in the list yet; and why the digest may not hold.
    pub(crate) fn digest(
        &mut self,
        fd: BorrowedFd<'_>,
        stat: &libc::stat,
        process: u32,
    ) -> (Option<Digest>, Option<&'static str>) {
        let inode = (stat.st_dev, stat.st_ino);
        let stamp = Stamp::of(stat);
        let mut living = Vec::new();
        if let Some(content) = self.contents.get_mut(&inode)
            && let Some((known, digest)) = content.known
            && known == stamp
        {
            content.used = true;
            if std::mem::take(&mut content.earlier) {
                self.counters.remembered += 1;
            }
            if content.readers.len() < 64 && !content.readers.contains(&process) {
                content.readers.push(process);
            }
            return (digest, None);
        }
        if let Some(content) = self.contents.get(&inode) {
            living = content.writers.iter().copied().filter(|writer| self.may_hold(*writer)).collect();
        }
        let held = self.contents.get(&inode).is_some_and(|content| content.held);
        let shared = held || living.iter().any(|writer| *writer != process);
        let settled = stamp.is_settled();
        let digest = self.hash(fd, stat.st_size as u64);
        let content = self.contents.entry(inode).or_default();
        content.settled = settled;
        // While somebody can write it, the next reader's digest is taken anew, whatever the file's times say.
        content.known = (living.is_empty() && !held).then_some((stamp, digest));
        content.earlier = false;
        content.used = true;
        content.writers = living;
        if content.readers.len() < 64 && !content.readers.contains(&process) {
            content.readers.push(process);
        }
        let problem = match digest {
            None => Some("its content could not be read for a digest"),
            Some(_) if shared => Some("another process of the run had it open for writing while it was used"),
            Some(_) => None,
        };
        (digest, problem)
    }

    /// True for a file that was opened for writing in this run, and may be so still.
    pub(crate) fn was_written(&self, inode: Inode) -> bool {
        self.contents.get(&inode).is_some_and(|content| content.held || !content.writers.is_empty())
    }

    /// Living processes that opened a file for writing in this run, or descend from one that did.
    pub(crate) fn possible_writers(&self, inode: Inode) -> Vec<u32> {
        let Some(content) = self.contents.get(&inode).filter(|content| !content.writers.is_empty()) else {
            return Vec::new();
        };
        self.alive.iter().copied().filter(|process| self.descends(*process, &content.writers)).collect()
    }

    /// Those of them that really hold it still; `held` where somebody does whom no process shows.
    pub(crate) fn keep_writers(&mut self, inode: Inode, writers: Vec<u32>, held: bool) {
        if let Some(content) = self.contents.get_mut(&inode) {
            content.writers = writers;
            content.held = held;
        }
    }

    /// Notes the content of a file that was used.
    pub(crate) fn saw(&mut self, place: u32, digest: Digest, size: u64) {
        let Some(file) = self.files.get_mut(place as usize) else { return };
        file.size = size;
        if !file.digests.contains(&digest) && file.digests.len() < 64 {
            file.digests.push(digest);
        }
    }

    /// Takes digests over from earlier runs.
    pub(crate) fn remember(&mut self, remembered: &[Remembered]) {
        for known in remembered {
            let stamp = Stamp { size: known.size, modified: known.modified, changed: known.changed };
            let content = Content { known: Some((stamp, Some(known.digest))), earlier: true, ..Content::default() };
            self.contents.insert(known.inode, content);
        }
    }

    /// Digests for later runs. A file that changed a moment ago may change again within the grain of its times.
    pub(crate) fn to_remember(&self, before: i64, most: usize) -> Vec<Remembered> {
        let fit = self.contents.iter().filter_map(|(inode, content)| {
            let (stamp, Some(digest)) = content.known? else { return None };
            let old = stamp.changed.0 < before && stamp.modified.0 < before;
            (old && content.writers.is_empty() && content.used).then(|| stamp.remembered(*inode, digest))
        });
        fit.take(most).collect()
    }

    /// True when the run made the file or wrote it.
    pub(crate) fn was_built(&self, path: &[u8]) -> bool {
        let place = self.names.get(path).and_then(|place| self.files.get(*place as usize));
        place.is_some_and(|file| file.uses & (bit(Use::Written) | bit(Use::Created)) != 0)
    }

    /// Notes that a process can write a file from now on.
    pub(crate) fn writes(&mut self, inode: Inode, process: u32) {
        let content = self.contents.entry(inode).or_default();
        content.known = None;
        content.readers.clear();
        if !content.writers.contains(&process) && content.writers.len() < 64 {
            content.writers.push(process);
        }
    }

    /// The supervisor gave a file another name, mode or owner, and saw it right before and right after. That changes one
    /// of its times and nothing of its content: a digest that held before holds after.
    pub(crate) fn relabelled(&mut self, before: Option<&libc::stat>, after: Option<&libc::stat>) {
        let (Some(before), Some(after)) = (before, after) else { return };
        let inode = (after.st_dev, after.st_ino);
        let (old, new) = (Stamp::of(before), Stamp::of(after));
        if (before.st_dev, before.st_ino) == inode
            && (old.size, old.modified) == (new.size, new.modified)
            && let Some(content) = self.contents.get_mut(&inode)
            && let Some((stamp, _)) = &mut content.known
            && *stamp == old
        {
            *stamp = new;
        }
    }

    /// A file was made: whatever had its number before is gone.
    pub(crate) fn is_new(&mut self, inode: Inode) {
        self.contents.remove(&inode);
    }

    fn other_readers(&self, inode: Inode, process: u32) -> impl Iterator<Item = u32> {
        let readers = self.contents.get(&inode).map_or(&[][..], |content| &content.readers);
        readers.iter().copied().filter(move |reader| *reader != process)
    }

    /// True for a file that another process read in this run, and may use still.
    pub(crate) fn was_read(&self, inode: Inode, process: u32) -> bool {
        self.other_readers(inode, process).next().is_some()
    }

    /// Other living processes that read a file in this run, or descend from one that did.
    pub(crate) fn possible_readers(&self, inode: Inode, process: u32) -> Vec<u32> {
        let others: Vec<u32> = self.other_readers(inode, process).collect();
        if others.is_empty() {
            return others;
        }
        let alive = self.alive.iter().copied();
        alive.filter(|alive| *alive != process && self.descends(*alive, &others)).collect()
    }

    /// True while the process, or one that descends from it, is there: descriptors are inherited.
    fn may_hold(&self, process: u32) -> bool {
        self.alive.iter().any(|alive| self.descends(*alive, &[process]))
    }

    /// True when a process is one of these, or descends from one.
    fn descends(&self, process: u32, from: &[u32]) -> bool {
        let mut at = Some(process);
        for _ in 0..64 {
            match at {
                Some(id) if from.contains(&id) => return true,
                Some(id) => at = self.processes.get(id as usize).and_then(|p| p.parent),
                None => return false,
            }
        }
        true
    }

    fn hash(&mut self, fd: BorrowedFd<'_>, size: u64) -> Option<Digest> {
        if size > self.limits.hashed_size {
            return None;
        }
        let relief = if size > LONG { self.relief.clone() } else { None };
        if let Some(relief) = &relief {
            relief.wanted(true);
        }
        let digest = self.hash_all(fd, size);
        if let Some(relief) = &relief {
            relief.wanted(false);
        }
        digest
    }

    fn hash_all(&mut self, fd: BorrowedFd<'_>, size: u64) -> Option<Digest> {
        let (digest, bytes) = hash_through(fd, size, self.limits.hashed_size, &mut self.buffer)?;
        self.counters.hashed_files += 1;
        self.counters.hashed_bytes += bytes;
        Some(digest)
    }

    /// A new process.
    pub(crate) fn process(&mut self, pid: u32, parent: Option<u32>, started: Timestamp) -> u32 {
        let id = self.processes.len() as u32;
        self.processes.push(ObservedProcess {
            id,
            pid,
            parent,
            programs: Vec::new(),
            started_on: started,
            finished_on: None,
            ending: None,
            delegated_by: None,
        });
        self.alive.push(id);
        id
    }

    /// A program that a process executed.
    pub(crate) fn executed(&mut self, process: u32, execution: Execution) {
        self.counters.executions += 1;
        if let Some(known) = self.processes.get_mut(process as usize)
            && known.programs.len() < self.limits.programs
        {
            known.programs.push(execution);
        } else {
            self.lost += 1;
        }
    }

    /// The end of a process.
    pub(crate) fn ended(&mut self, process: u32, ending: Option<Ending>) {
        let now = self.now();
        self.alive.retain(|alive| *alive != process);
        let Some(known) = self.processes.get_mut(process as usize) else { return };
        known.finished_on.get_or_insert(now);
        if ending.is_some() {
            known.ending = ending;
        }
    }

    /// How things stand.
    pub(crate) fn live(&self) -> super::Live {
        super::Live {
            processes: self.processes.len(),
            running: self.alive.len(),
            files: self.files.len(),
            connections: self.network.len(),
            violations: self.violations.len(),
        }
    }

    /// A network event, folded with the same one of the same process.
    pub(crate) fn network(&mut self, event: NetworkEvent) {
        let same = self.network.iter_mut().rev().take(64).find(|known| {
            known.process == event.process
                && known.kind == event.kind
                && known.address == event.address
                && known.port == event.port
                && known.protocol == event.protocol
                && known.permission == event.permission
                && known.error == event.error
        });
        if let Some(known) = same {
            known.count += 1;
        } else if self.network.len() < self.limits.network {
            if let Some(service) = &event.delegated_to
                && event.permission == Permission::Allowed
                && event.error.is_none()
                && !self.delegated.contains(service)
            {
                self.delegated.push(service.clone());
            }
            self.network.push(event);
        } else {
            self.lost += 1;
        }
    }

    /// What a connection really asked for.
    pub(crate) fn asked(&mut self, process: u32, name: &str, port: u16, server: Option<String>) {
        let event =
            self.network.iter_mut().rev().find(|event| {
                event.process == process && event.port == Some(port) && event.name.as_deref() == Some(name)
            });
        if let Some(event) = event {
            event.asked_for = server;
        }
    }

    /// A name that was asked for.
    pub(crate) fn question(&mut self, question: NameQuestion) {
        if self.questions.len() < self.limits.network {
            self.questions.push(question);
        } else {
            self.lost += 1;
        }
    }

    /// A violation, folded with the same one of the same process.
    pub(crate) fn violation(&mut self, kind: &str, process: u32, what: String, permission: Permission) {
        if permission == Permission::Refused {
            self.counters.refused += 1;
        }
        if let Some(known) = self
            .violations
            .iter_mut()
            .find(|v| v.process == process && v.kind == kind && v.what == what && v.permission == permission)
        {
            known.count += 1;
        } else if self.violations.len() < self.limits.violations {
            let at = self.now();
            self.violations.push(Violation { kind: kind.to_owned(), process, at, what, permission, count: 1 });
        } else {
            self.lost += 1;
        }
    }

    /// A file has another name now. When a directory was moved the files below it have others too: their old names
    /// are forgotten, so that they are resolved anew.
    pub(crate) fn renamed(&mut self, from: &[u8], to: &[u8]) {
        let (Some(from), Some(to)) = (self.names.get(from), self.names.get(to)) else { return };
        let (Some(old), Some(new)) = (self.files.get(*from as usize), self.files.get(*to as usize)) else { return };
        let mut writers = old.written_by.clone();
        writers.extend(new.written_by.iter().filter(|w| !old.written_by.contains(w)));
        writers.truncate(16);
        let to = *to as usize;
        self.files[to].written_by = writers;
    }

    /// The files in the end, ordered by name: those that the run wrote are read once more. And the digests of these, for
    /// whoever looks at them next. `complete`: the back end missed nothing that it knows of.
    pub(crate) fn finish_files(&mut self, complete: bool) -> (Vec<ObservedFile>, Vec<Remembered>) {
        // Nothing was lost, and nobody but the run's own processes, each of whose openings was seen, is known to have
        // written.
        let every_write_seen = complete && self.lost == 0 && self.incomplete.is_empty() && self.delegated.is_empty();
        let mut names: Vec<(Box<[u8]>, u32)> = self.names.drain().collect();
        names.sort_unstable();
        let wrote = bit(Use::Written) | bit(Use::Created);
        let written: Vec<(&[u8], u32)> = names
            .iter()
            .filter(|(_, place)| self.files.get(*place as usize).is_some_and(|file| file.uses & wrote != 0))
            .map(|(path, place)| (&**path, *place))
            .collect();
        let mut last = self.last_contents(&written, every_write_seen);
        let mut out = Vec::with_capacity(names.len());
        for (path, place) in names {
            let last = last.remove(&place);
            let Some(file) = self.files.get_mut(place as usize) else { continue };
            if let Some(last) = last {
                file.size = last.size as u64;
            }
            out.push(ObservedFile {
                name: FileName::from_bytes(&path),
                uses: USES.iter().copied().filter(|kind| file.uses & bit(*kind) != 0).collect(),
                first_use: file.first_use,
                first_on: file.first_on,
                first_by: file.first_by,
                written_by: std::mem::take(&mut file.written_by),
                digests: std::mem::take(&mut file.digests),
                final_digest: last.map(|last| last.digest),
                size: file.size,
                origin: None,
                problem: file.problem.take(),
            });
        }
        (out, std::mem::take(&mut self.products))
    }

    /// Digests and sizes of regular files as they are now, by their places; what is no regular file is left out. Nobody
    /// of the run is there any more, so all processors hash.
    ///
    /// A digest of a file that had changed a moment before may be that of other bytes with the same times. It cannot be
    /// when every write was seen: a digest is kept only of a file that nobody could write, until somebody opens it for
    /// writing again.
    fn last_contents(&mut self, written: &[(&[u8], u32)], every_write_seen: bool) -> HashMap<u32, Remembered> {
        let mut last = HashMap::new();
        let mut unknown = Vec::new();
        // A file with several names is read once: the places of the others.
        let mut others: HashMap<Inode, Vec<u32>> = HashMap::new();
        for (path, place) in written {
            let Some(path) = std::ffi::CString::new(*path).ok() else { continue };
            let Ok(stat) = super::sys::stat_at(None, &path, libc::AT_SYMLINK_NOFOLLOW) else { continue };
            if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
                continue;
            }
            let inode = (stat.st_dev, stat.st_ino);
            match self.contents.get(&inode) {
                Some(Content { known: Some((stamp, Some(digest))), settled, .. }) if *stamp == Stamp::of(&stat) => {
                    let known = stamp.remembered(inode, *digest);
                    self.products.extend((*settled || every_write_seen).then_some(known));
                    last.insert(*place, known);
                }
                _ => match others.entry(inode) {
                    Entry::Occupied(mut others) => others.get_mut().push(*place),
                    Entry::Vacant(first) => {
                        first.insert(Vec::new());
                        unknown.push((path, *place));
                    }
                },
            }
        }
        for (place, known, settled) in read_all(&unknown, self.limits.hashed_size) {
            if let Some(content) = self.contents.get_mut(&known.inode) {
                let stamp = Stamp { size: known.size, modified: known.modified, changed: known.changed };
                content.writers.clear();
                content.settled = settled;
                content.known = Some((stamp, Some(known.digest)));
            }
            self.counters.hashed_files += 1;
            self.counters.hashed_bytes += known.size as u64;
            self.products.extend((settled || every_write_seen).then_some(known));
            let others = others.remove(&known.inode).unwrap_or_default();
            last.extend(others.into_iter().chain([place]).map(|place| (place, known)));
        }
        last
    }
}

/// Reads files, on all processors: place, digest with stamp, and whether the stamp can be relied on.
fn read_all(files: &[(std::ffi::CString, u32)], most: u64) -> Vec<(u32, Remembered, bool)> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let next = AtomicUsize::new(0);
    let work = || {
        let mut buffer = vec![0; BUFFER];
        let mut done = Vec::new();
        while let Some((path, place)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some((known, settled)) = read_one(path, most, &mut buffer) {
                done.push((*place, known, settled));
            }
        }
        done
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8).min(files.len() / 8);
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..threads.saturating_sub(1)).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        done.extend(others.into_iter().filter_map(|other| other.join().ok()).flatten());
        done
    })
}

fn read_one(path: &std::ffi::CStr, most: u64, buffer: &mut [u8]) -> Option<(Remembered, bool)> {
    use std::os::fd::AsFd as _;
    // A named pipe opened this way does not wait, and a link is not followed.
    let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY;
    let fd = super::sys::open_at(None, path, flags, 0, 0).ok()?;
    let stat = super::sys::stat(fd.as_fd()).ok()?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
        return None;
    }
    let stamp = Stamp::of(&stat);
    let settled = stamp.is_settled();
    let (digest, _) = hash_through(fd.as_fd(), stat.st_size as u64, most, buffer)?;
    Some((stamp.remembered((stat.st_dev, stat.st_ino), digest), settled))
}

/// Digest and size of what a descriptor shows, read by offset; `None` over `most` bytes, or when it cannot be read.
fn hash_through(fd: BorrowedFd<'_>, size: u64, most: u64, buffer: &mut [u8]) -> Option<(Digest, u64)> {
    if size > most {
        return None;
    }
    let mut hasher = Hasher::new();
    let mut at: u64 = 0;
    loop {
        let wanted = buffer.len();
        // SAFETY: the kernel writes at most `wanted` bytes into our own live buffer; the offset is a number.
        let done = unsafe { libc::pread(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), wanted, i64::try_from(at).ok()?) };
        match Errno::result(done) {
            Ok(0) => break,
            Ok(n) => {
                let n = n as usize;
                hasher.update(&buffer[..n]);
                at += n as u64;
                if at > most {
                    return None;
                }
                // The end is known: one call less for every small file.
                if n < wanted && at >= size {
                    break;
                }
            }
            Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
    Some((hasher.finish(), at))
}
