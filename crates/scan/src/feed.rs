//! From sources to checks: reading in pieces, opening containers, keeping count.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use globset::GlobSet;
use provost_formats::archive::{self, ArchiveError, Kind, ReadSeek, SNIFF, Source};
use provost_model::Finding;
use rayon::prelude::*;

use crate::check::{Check, Piece, Place};
use crate::coverage::Coverage;
use crate::limits::Limits;
use crate::walk;

/// What ends within so many bytes of a piece's end is left to the next piece.
const MARGIN: usize = 8 << 10;

/// How far a scan has come; may be read while it runs.
#[derive(Debug, Default)]
pub struct Tally {
    /// Files to scan, once they are listed.
    pub files: AtomicU64,
    /// Files scanned.
    pub done: AtomicU64,
    /// Bytes that checks have seen.
    pub bytes: AtomicU64,
    /// Findings so far.
    pub findings: AtomicU64,
}

/// What a scan found, in order of place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The findings.
    pub findings: Vec<Finding>,
    /// What was and was not scanned.
    pub coverage: Coverage,
}

/// A scan under way.
pub struct Scanner<'a> {
    checks: &'a [&'a dyn Check],
    limits: Limits,
    exclude: GlobSet,
    list_inputs: bool,
    tally: &'a Tally,
    deadline: Option<Instant>,
    full: AtomicBool,
    result: Mutex<(Vec<Finding>, Coverage)>,
}

/// What one file gave.
struct Feed<'s, 'a> {
    scanner: &'s Scanner<'a>,
    findings: Vec<Finding>,
    coverage: Coverage,
    /// What may come out of all containers, whatever is nested in what.
    budget: Rc<Budget>,
    /// That it ran out has been said.
    said: bool,
}

impl<'a> Scanner<'a> {
    /// A scan with these checks. `exclude` names what to leave out, `list_inputs` keeps the name of each input.
    pub fn new(
        checks: &'a [&'a dyn Check],
        limits: Limits,
        exclude: GlobSet,
        list_inputs: bool,
        tally: &'a Tally,
    ) -> Self {
        let deadline = limits.time.and_then(|time| Instant::now().checked_add(time));
        let full = AtomicBool::new(false);
        Self { checks, limits, exclude, list_inputs, tally, deadline, full, result: Mutex::default() }
    }

    /// Scans the files below a directory, on all processors.
    pub fn tree(&self, root: &Path) {
        let mut coverage = Coverage::default();
        let files = walk::files(root, &self.exclude, &self.limits, &mut coverage);
        self.tally.files.fetch_add(files.len() as u64, Ordering::Relaxed);
        self.keep(Vec::new(), coverage);
        files.par_iter().for_each(|path| {
            let place = Place::file(path.to_string_lossy());
            self.file(&root.join(path), place);
        });
    }

    /// Scans one file. Links are not followed.
    pub fn file(&self, path: &Path, place: Place) {
        let mut feed = self.feed();
        let flags = (nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK).bits();
        let opened = File::options().read(true).custom_flags(flags).open(path);
        match opened.and_then(|file| Ok((file.metadata()?, file))) {
            Ok((metadata, mut file)) if metadata.is_file() => {
                let limit = self.limits.file;
                if metadata.len() > limit {
                    feed.coverage.part(place.to_string(), &format!("only its first {limit} bytes"));
                }
                feed.budget.size.set(metadata.len().min(limit));
                feed.content(&place, &mut Origin::File(&mut file), 0);
            }
            Ok(_) => feed.coverage.skip(place.to_string(), "not a regular file"),
            Err(error) => feed.coverage.fail(place.to_string(), &error.to_string()),
        }
        self.done(feed, &place);
    }

    /// Scans what a reader gives.
    pub fn stream(&self, place: &Place, reader: &mut dyn Read) {
        let mut feed = self.feed();
        let mut measured = Measured { reader, budget: Rc::clone(&feed.budget) };
        feed.content(place, &mut Origin::Stream(&mut measured), 0);
        self.done(feed, place);
    }

    /// Scans bytes in memory.
    pub fn bytes(&self, place: &Place, bytes: &[u8]) {
        let mut feed = self.feed();
        feed.budget.size.set(bytes.len() as u64);
        feed.content(place, &mut Origin::Bytes(bytes), 0);
        self.done(feed, place);
    }

    /// Notes what the caller could not hand over.
    pub fn note(&self, note: impl FnOnce(&mut Coverage)) {
        let mut coverage = Coverage::default();
        note(&mut coverage);
        self.keep(Vec::new(), coverage);
    }

    /// True when the time is over, or too much was found: what is not begun yet is not worth beginning.
    pub fn is_over(&self) -> bool {
        self.full.load(Ordering::Relaxed) || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The result, in order.
    pub fn finish(self) -> Report {
        let (mut findings, mut coverage) = self.result.into_inner().unwrap_or_else(|e| e.into_inner());
        findings.sort_by(|a, b| order(a).cmp(&order(b)));
        if findings.len() > self.limits.findings {
            findings.truncate(self.limits.findings);
        }
        coverage.sort();
        Report { findings, coverage }
    }

    fn feed(&self) -> Feed<'_, 'a> {
        let mut coverage = Coverage::default();
        if self.list_inputs {
            coverage.inputs = Some(Vec::new());
        }
        Feed { scanner: self, findings: Vec::new(), coverage, budget: Rc::new(Budget::new(&self.limits)), said: false }
    }

    fn done(&self, mut feed: Feed<'_, 'a>, place: &Place) {
        let limit = self.limits.findings_of_file;
        let mut findings = deduplicated(std::mem::take(&mut feed.findings));
        if findings.len() > limit {
            findings.truncate(limit);
            feed.coverage.part(place.to_string(), &format!("more than {limit} findings: the rest is left out"));
        }
        self.tally.done.fetch_add(1, Ordering::Relaxed);
        self.tally.findings.fetch_add(findings.len() as u64, Ordering::Relaxed);
        self.keep(findings, feed.coverage);
    }

    fn keep(&self, findings: Vec<Finding>, coverage: Coverage) {
        let mut result = self.result.lock().unwrap_or_else(|e| e.into_inner());
        result.0.extend(findings);
        result.1.add(coverage);
        if result.0.len() > self.limits.findings && !self.full.swap(true, Ordering::Relaxed) {
            let limit = self.limits.findings;
            result.1.part("the whole".to_owned(), &format!("more than {limit} findings: the scan was ended"));
        }
    }
}

/// What decides the order of findings.
fn order(finding: &Finding) -> (&Option<String>, &Vec<String>, u64, &str, &Option<String>, &provost_model::Digest) {
    let offset = finding.span.map_or(0, |span| span.offset);
    (&finding.file, &finding.within, offset, &finding.rule, &finding.commit, &finding.fingerprint)
}

/// Each finding once: pieces overlap.
fn deduplicated(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| order(a).cmp(&order(b)));
    findings.dedup_by(|a, b| order(a) == order(b));
    findings
}

/// Where the bytes of one input come from.
enum Origin<'r> {
    File(&'r mut File),
    Stream(&'r mut dyn Read),
    Bytes(&'r [u8]),
}

impl Feed<'_, '_> {
    fn content(&mut self, place: &Place, origin: &mut Origin<'_>, depth: usize) {
        if depth == 0 {
            self.coverage.scanned += 1;
        } else {
            self.coverage.members += 1;
        }
        if let Some(inputs) = &mut self.coverage.inputs {
            inputs.push(place.to_string());
        }
        if self.scanner.is_over() {
            self.coverage.part(place.to_string(), "not scanned: the scan's time or room for findings was used up");
            return;
        }
        let limits = &self.scanner.limits;
        let begin = self.findings.len();
        if let Origin::Bytes(bytes) = origin {
            let bytes: &[u8] = bytes;
            self.container(place, bytes, None, Some(&mut Cursor::new(bytes)), true, depth);
            return self.own_bytes(place, bytes, &mut std::io::empty(), begin);
        }
        let mut first = Vec::new();
        let whole = {
            let reader: &mut dyn Read = match origin {
                Origin::File(file) => *file,
                Origin::Stream(reader) => *reader,
                Origin::Bytes(_) => &mut std::io::empty(),
            };
            match fill(reader, &mut first, limits.piece) {
                Ok(whole) => whole,
                Err(error) => {
                    self.coverage.fail(place.to_string(), &error.to_string());
                    true
                }
            }
        };
        match origin {
            _ if whole => {
                self.container(place, &first, None, Some(&mut Cursor::new(&first)), true, depth);
                self.own_bytes(place, &first, &mut std::io::empty(), begin);
            }
            Origin::File(file) => {
                let tail_is_zip = archive::sniff(&first).is_none() && ends_like_zip(file);
                let head: &[u8] = if tail_is_zip { b"PK\x05\x06" } else { &first };
                self.container(place, head, None, Some(&mut **file), false, depth);
                if let Err(error) = std::io::Seek::seek(file, std::io::SeekFrom::Start(first.len() as u64)) {
                    self.coverage.fail(place.to_string(), &error.to_string());
                    return;
                }
                let rest = limits.file.saturating_sub(first.len() as u64);
                self.own_bytes(place, &first, &mut Read::take(&mut **file, rest), begin);
            }
            Origin::Stream(reader) => {
                // What streams cannot be read twice: a container's own bytes are then not looked at.
                match archive::sniff(&first) {
                    Some(kind) if kind.needs_seek() => {
                        let mut all = first;
                        let room = limits.in_memory.saturating_sub(all.len());
                        let complete = fill(*reader, &mut all, room).unwrap_or(false);
                        if complete {
                            self.container(place, &all, None, Some(&mut Cursor::new(&all)), true, depth);
                        } else {
                            let why =
                                format!("a {} of more than {} bytes within another", kind.name(), limits.in_memory);
                            self.coverage.part(place.to_string(), &why);
                        }
                        self.own_bytes(place, &all, *reader, begin);
                    }
                    Some(_) => {
                        let mut chained = Cursor::new(&first).chain(&mut **reader);
                        self.container(place, &first, Some(&mut chained), None, false, depth);
                    }
                    None => self.pieces(place, &first, *reader),
                }
            }
            Origin::Bytes(_) => {}
        }
    }

    /// Opens a container if this is one.
    fn container(
        &mut self,
        place: &Place,
        head: &[u8],
        stream: Option<&mut dyn Read>,
        seek: Option<&mut dyn ReadSeek>,
        whole: bool,
        depth: usize,
    ) {
        let by_head = archive::sniff(&head[..head.len().min(SNIFF)]);
        // A ZIP is told by its end: anything may stand before it.
        let by_tail = || (whole && archive::ends_like_zip(head)).then_some(Kind::Zip);
        let Some(kind) = by_head.or_else(by_tail) else {
            if let Some(format) = archive::unread(head) {
                self.coverage
                    .part(place.to_string(), &format!("{format} is not opened; its bytes were scanned as they are"));
            }
            return;
        };
        if depth >= self.scanner.limits.depth {
            let why = format!("containers within one another beyond depth {}", self.scanner.limits.depth);
            return self.coverage.part(place.to_string(), &why);
        }
        let source = match (stream, seek) {
            (_, Some(seek)) => {
                if !whole && seek.rewind().is_err() {
                    return self.coverage.fail(place.to_string(), "it cannot be read from its beginning");
                }
                Source::Seek(seek)
            }
            (Some(stream), None) => Source::Stream(stream),
            (None, None) => return,
        };
        let limit = self.scanner.limits.members;
        let mut parts: Vec<(String, String)> = Vec::new();
        let result = archive::members(kind, source, limit, &mut |member, content| {
            if self.scanner.is_over() {
                return ControlFlow::Break(());
            }
            let inner = place.member(&name_of(place, kind, &member.name));
            match content {
                _ if member.special.is_some() => {
                    let what = member.special.as_deref().unwrap_or_default();
                    self.coverage.skip(inner.to_string(), &format!("a {what}"));
                }
                Ok(content) => {
                    let mut counted = Counted { reader: content, budget: Rc::clone(&self.budget), error: None };
                    self.content(&inner, &mut Origin::Stream(&mut counted), depth + 1);
                    if let Some(error) = counted.error {
                        parts.push((inner.to_string(), error));
                    }
                    if self.budget.room() == 0 {
                        return ControlFlow::Break(());
                    }
                }
                Err(error) => self.coverage.fail(inner.to_string(), &error.to_string()),
            }
            ControlFlow::Continue(())
        });
        for (place, why) in parts {
            self.coverage.part(place, &why);
        }
        match result {
            Err(error @ ArchiveError::Entries { .. }) => self.coverage.part(place.to_string(), &error.to_string()),
            Err(error) => {
                self.coverage.part(place.to_string(), &format!("{error}; its bytes were scanned as they are"))
            }
            Ok(()) => {}
        }
        if self.budget.room() == 0 && !self.said {
            self.said = true;
            let why = format!("more than {} bytes come out of it: the rest was not scanned", self.budget.out.get());
            self.coverage.part(place.to_string(), &why);
        }
    }

    /// A container's own bytes: what was found in its members already (they may be stored as they are) is not said again.
    fn own_bytes(&mut self, place: &Place, first: &[u8], rest: &mut dyn Read, members: usize) {
        let begin = self.findings.len();
        self.pieces(place, first, rest);
        let found: HashSet<_> = self.findings[members..begin].iter().map(|f| f.fingerprint).collect();
        let own = self.findings.split_off(begin);
        self.findings.extend(own.into_iter().filter(|f| !found.contains(&f.fingerprint)));
    }

    /// Hands the bytes to the checks, in pieces that overlap.
    fn pieces(&mut self, place: &Place, first: &[u8], rest: &mut dyn Read) {
        let limits = &self.scanner.limits;
        // A check looks at what stands around a find: what ends close to the edge of a piece is left to the next.
        let margin = MARGIN.min(limits.overlap / 2);
        let mut piece = Piece { place, bytes: first, offset: 0, line: 1, seen: 0, decided: first.len(), last: false };
        let mut next = Vec::new();
        // Is there more?
        let mut ended = read_more(rest, &mut next, limits.piece, &mut self.coverage, place);
        piece.last = next.is_empty() && ended;
        if !piece.last {
            piece.decided = first.len().saturating_sub(margin);
        }
        self.hand(&piece, first.len());
        if piece.last {
            return;
        }
        let mut buffer = first[first.len().saturating_sub(limits.overlap)..].to_vec();
        let mut offset = (first.len() - buffer.len()) as u64;
        let mut line = 1 + newlines(&first[..first.len() - buffer.len()]);
        loop {
            if self.scanner.is_over() {
                let why = format!("only its first {} bytes: the scan's time was over", offset);
                return self.coverage.part(place.to_string(), &why);
            }
            let seen = buffer.len();
            let new = next.len();
            buffer.append(&mut next);
            if !ended {
                ended = read_more(rest, &mut next, limits.piece, &mut self.coverage, place);
            }
            let last = next.is_empty() && ended;
            let decided = if last { buffer.len() } else { buffer.len().saturating_sub(margin) };
            let seen = seen.saturating_sub(margin);
            self.hand(&Piece { place, bytes: &buffer, offset, line, seen, decided, last }, new);
            if last {
                return;
            }
            if self.findings.len() > limits.findings_of_file.saturating_mul(2) {
                let why = format!("only its first {} bytes: it holds too many findings", offset + buffer.len() as u64);
                return self.coverage.part(place.to_string(), &why);
            }
            let gone = buffer.len().saturating_sub(limits.overlap);
            line += newlines(&buffer[..gone]);
            offset += gone as u64;
            buffer.drain(..gone);
        }
    }

    fn hand(&mut self, piece: &Piece<'_>, new: usize) {
        let new = new as u64;
        self.coverage.bytes += new;
        self.scanner.tally.bytes.fetch_add(new, Ordering::Relaxed);
        for check in self.scanner.checks {
            if !check.wants(piece.place) {
                continue;
            }
            let before = self.findings.len();
            if let Some(why) = check.check(piece, &mut self.findings) {
                self.coverage.part(piece.place.to_string(), why);
            }
            for finding in &mut self.findings[before..] {
                finding.file = Some(piece.place.path.clone());
                let decodings = std::mem::take(&mut finding.within);
                finding.within = piece.place.within.iter().cloned().chain(decodings).collect();
                finding.commit.clone_from(&piece.place.commit);
            }
        }
    }
}

/// The name of what a compressed file holds: its own without the ending.
fn name_of(place: &Place, kind: Kind, name: &str) -> String {
    if !kind.is_single() {
        return name.to_owned();
    }
    let own = place.innermost().rsplit('/').next().unwrap_or_default();
    let stem = own.rsplit_once('.').map_or("", |(stem, _)| stem);
    match own.rsplit_once('.').map(|(_, ending)| ending) {
        Some("tgz" | "tbz" | "tbz2" | "txz" | "tzst") => format!("{stem}.tar"),
        Some("gz" | "bz2" | "xz" | "zst") if !stem.is_empty() => stem.to_owned(),
        _ => name.to_owned(),
    }
}

/// The same of a file that is not in memory.
fn ends_like_zip(file: &mut File) -> bool {
    use std::io::{Seek, SeekFrom};
    let mut tail = Vec::new();
    let length = file.seek(SeekFrom::End(0)).unwrap_or(0);
    let from = length.saturating_sub(archive::ZIP_END as u64);
    let read = file
        .seek(SeekFrom::Start(from))
        .and_then(|_| Read::take(&mut *file, archive::ZIP_END as u64).read_to_end(&mut tail));
    read.is_ok() && archive::ends_like_zip(&tail)
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Reads until `room` more bytes are there or the end; true at the end.
fn fill(reader: &mut dyn Read, into: &mut Vec<u8>, room: usize) -> std::io::Result<bool> {
    let before = into.len();
    Read::take(&mut *reader, room as u64).read_to_end(into)?;
    Ok(into.len() - before < room)
}

fn read_more(reader: &mut dyn Read, into: &mut Vec<u8>, room: usize, coverage: &mut Coverage, place: &Place) -> bool {
    match fill(reader, into, room) {
        Ok(ended) => ended,
        Err(error) => {
            coverage.part(place.to_string(), &format!("it could not be read to its end: {error}"));
            true
        }
    }
}

/// What may come out of the containers of one file, held against the size of the file itself: a few bytes that become
/// gigabytes are there to keep a scanner busy.
struct Budget {
    unpacked: u64,
    ratio: u64,
    ratio_from: u64,
    /// Bytes of the file; of a stream, those that were read.
    size: Cell<u64>,
    /// Bytes that came out.
    out: Cell<u64>,
}

impl Budget {
    fn new(limits: &Limits) -> Self {
        let Limits { unpacked, ratio, ratio_from, .. } = *limits;
        Self { unpacked, ratio, ratio_from, size: Cell::new(0), out: Cell::new(0) }
    }

    fn room(&self) -> u64 {
        let by_size = self.size.get().saturating_mul(self.ratio).max(self.ratio_from);
        self.unpacked.min(by_size).saturating_sub(self.out.get())
    }
}

/// Counts the bytes of a stream that is a file.
struct Measured<'r> {
    reader: &'r mut dyn Read,
    budget: Rc<Budget>,
}

impl Read for Measured<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.budget.size.set(self.budget.size.get() + read as u64);
        Ok(read)
    }
}

/// Counts what comes out of a container, and ends it when too much does. An error ends it too and is kept: what came
/// before it is scanned.
struct Counted<'r> {
    reader: &'r mut dyn Read,
    budget: Rc<Budget>,
    error: Option<String>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.budget.room();
        if self.error.is_some() || left == 0 {
            return Ok(0);
        }
        let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match self.reader.read(&mut buffer[..room]) {
            Ok(n) => {
                self.budget.out.set(self.budget.out.get() + n as u64);
                Ok(n)
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.error = Some(format!("it could not be read to its end: {error}"));
                Ok(0)
            }
        }
    }
}
