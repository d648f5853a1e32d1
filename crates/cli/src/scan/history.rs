//! Git: all objects, a range, what is staged.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Result, bail};
use globset::GlobSet;
use provost_model::{Digest, Finding, Span, count};
use provost_repo::history::{self, Location, Object, Seen};
use provost_scan::{Check, Coverage, Limits, Place, Report, Scanner, Tally};

use crate::commands::scan::SecretsArgs;

/// Bytes of objects that are looked at in one history. A pack of some kilobytes can hold as many.
const BUDGET: u64 = 1 << 40;

/// What a history is scanned with.
pub(crate) struct Gather<'a> {
    checks: &'a [&'a dyn Check],
    limits: Limits,
    list_inputs: bool,
    tally: &'a Tally,
    /// The end of the time that the whole may take.
    deadline: Option<Instant>,
    /// Bytes of objects that may still be looked at.
    budget: AtomicU64,
    over: AtomicBool,
    /// The same secret by the same rule in files of the same name is kept once, with where it was: a file has many
    /// versions.
    kept: Mutex<(HashMap<Key, Kept>, Coverage)>,
}

type Key = (String, Digest, String, Vec<String>);

/// Where in time, which object, where in it.
type Version = (usize, Box<str>, Option<Span>);

struct Kept {
    finding: Finding,
    /// Objects or paths, and where in them; the first in order stands first.
    places: Vec<(Box<str>, Option<Span>)>,
}

impl<'a> Gather<'a> {
    pub(crate) fn new(checks: &'a [&'a dyn Check], limits: Limits, list_inputs: bool, tally: &'a Tally) -> Self {
        let deadline = limits.time.and_then(|time| Instant::now().checked_add(time));
        let (budget, over) = (AtomicU64::new(BUDGET), AtomicBool::new(false));
        Self { checks, limits, list_inputs, tally, deadline, budget, over, kept: Mutex::default() }
    }

    /// Scans one object; `place` is what its findings are kept under.
    fn scan(&self, object: Object<'_>, place: &str, path: &str) {
        let mut limits = self.limits.clone();
        limits.time = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let bytes = object.bytes.len() as u64;
        let spent = self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        if spent.is_err() || limits.time.is_some_and(|left| left.is_zero()) {
            if !self.over.swap(true, Ordering::Relaxed) {
                let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                let why = "not all of it was scanned: the time, or the bytes that a history may have, were used up";
                kept.1.part("the history".to_owned(), why);
            }
            return;
        }
        let scanner = Scanner::new(self.checks, limits, GlobSet::empty(), self.list_inputs, self.tally);
        let place_of = Place { path: path.to_owned(), within: Vec::new(), commit: object.commit.map(str::to_owned) };
        scanner.bytes(&place_of, object.bytes);
        let report = scanner.finish();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for finding in report.findings {
            let key = (finding.rule.clone(), finding.fingerprint, path.to_owned(), finding.within.clone());
            let here = (Box::from(place), finding.span);
            match kept.0.get_mut(&key) {
                None => {
                    kept.0.insert(key, Kept { finding, places: vec![here] });
                }
                Some(one) => {
                    one.places.push(here);
                    let last = one.places.len() - 1;
                    if one.places[last] < one.places[0] {
                        one.places.swap(0, last);
                        one.finding = finding;
                    }
                }
            }
        }
        kept.1.add(report.coverage);
    }

    fn note(&self, seen: &Seen) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (what, why) in &seen.failures {
            kept.1.fail(what.clone(), why);
        }
        if seen.shallow {
            kept.1.part("the history".to_owned(), "the clone is shallow: older commits are not here");
        }
    }

    /// The findings, each once for each path that it is in, at its first version there.
    fn report(self, locate: impl FnOnce(&HashSet<String>) -> Result<BTreeMap<String, Location>>) -> Result<Report> {
        let (kept, mut coverage) = self.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        let ids = kept.values().flat_map(|one| &one.places).map(|(place, _)| place.to_string()).collect();
        let locations = locate(&ids)?;
        let mut findings = Vec::new();
        for one in kept.into_values() {
            // Path to its versions.
            let mut paths: BTreeMap<String, Vec<Version>> = BTreeMap::new();
            for (place, span) in one.places {
                match locations.get(place.as_ref()) {
                    Some(location) => {
                        paths.entry(location.path.clone()).or_default().push((location.order, place, span));
                    }
                    None => {
                        let path = one.finding.file.clone().unwrap_or_default();
                        paths.entry(path).or_default().push((usize::MAX, place, span));
                    }
                }
            }
            for (path, mut versions) in paths {
                versions.sort();
                let (order, place, span) = versions[0].clone();
                let mut finding = one.finding.clone();
                finding.span = span;
                if let Some(location) = locations.get(place.as_ref()) {
                    finding.commit = Some(location.commit.clone());
                } else if order == usize::MAX && finding.commit.is_none() {
                    finding
                        .why
                        .push(format!("object {place}: no branch or tag reaches it, but who knows its id gets it"));
                }
                finding.file = Some(path);
                if versions.len() > 1 {
                    finding.why.push(format!("{} versions of the file have it", versions.len()));
                }
                findings.push(finding);
            }
        }
        findings.sort_by(|a, b| order(a).cmp(&order(b)));
        coverage.sort();
        Ok(Report { findings, coverage })
    }
}

fn order(finding: &Finding) -> (&Option<String>, Option<Span>, &str, &Digest, &Option<String>) {
    (&finding.file, finding.span, &finding.rule, &finding.fingerprint, &finding.commit)
}

/// Scans the repository that `directory` is in.
pub(crate) fn scan(args: &SecretsArgs, directory: &Path, gather: Gather<'_>) -> Result<(String, Report)> {
    let shown = directory.display();
    let range = args.range.as_deref().unwrap_or_default();
    let since = args.since.as_deref().map(day).transpose()?;
    let nowhere = |_: &HashSet<String>| Ok(BTreeMap::new());
    if args.staged {
        let index = std::env::var_os("GIT_INDEX_FILE").filter(|v| !v.is_empty()).map(std::path::PathBuf::from);
        let seen =
            history::staged(directory, index.as_deref(), &|object| gather.scan(object, object.name, object.name))?;
        gather.note(&seen);
        return Ok((format!("what is staged in {shown}"), gather.report(nowhere)?));
    }
    if !range.is_empty() || since.is_some() {
        let seen = history::introduced(directory, range, since, &|object| {
            gather.scan(object, object.commit.unwrap_or_default(), object.name);
        })?;
        gather.note(&seen);
        let since = args.since.as_ref().map(|day| format!(" since {day}")).unwrap_or_default();
        return Ok((format!("the commits {range}{since} of {shown}"), gather.report(nowhere)?));
    }
    let seen = history::objects(directory, None, &provost_secrets::strictness, &|object| {
        gather.scan(object, object.id, object.name)
    })?;
    gather.note(&seen);
    let objects = count(seen.blobs, "file version", "file versions");
    let messages = count(seen.messages, "commit or tag message", "commit and tag messages");
    let report = gather.report(|ids| Ok(history::locate(directory, ids)?))?;
    Ok((format!("the history of {shown} ({objects}, {messages})"), report))
}

/// Scans the objects in an object directory alone: what a push brought.
pub(crate) fn quarantine(directory: &Path, objects: &Path, gather: Gather<'_>) -> Result<Report> {
    let seen = history::objects(directory, Some(objects), &provost_secrets::strictness, &|object| {
        gather.scan(object, object.id, object.name)
    })?;
    gather.note(&seen);
    gather.report(|_| Ok(BTreeMap::new()))
}

/// Midnight of a day, UTC, in seconds since 1970.
fn day(text: &str) -> Result<i64> {
    match format!("{text}T00:00:00Z").parse::<provost_model::Timestamp>() {
        Ok(time) => Ok(time.seconds()),
        Err(_) => bail!("--since {text}: a day is expected, YYYY-MM-DD"),
    }
}
