//! Dependencies, wired: what is read, what is known against it, what counts, output.

mod findings;
pub(crate) mod list;
mod output;
pub(crate) mod review;
mod text;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use globset::{Glob, GlobSet, GlobSetBuilder};
use provost_deps::{Assessment, Collected, Database, Directory, Fault, Issue, Kind, Severity, collect};
use provost_model::{Finding, Package};
use provost_scan::{Baseline, Coverage, Judgement, State, Suppressions, judge};

use crate::commands::Context;
use crate::commands::db;
use crate::commands::deps::{Counting, Deny, DepsArgs};
use crate::exit::Exit;
use crate::{clock, input};

/// An issue and what follows from it.
pub(crate) struct Row {
    pub issue: Issue,
    pub finding: Finding,
    pub state: State,
    /// Why it does not fail the scan, where it does not.
    pub tolerated: Option<String>,
}

impl Row {
    /// True when it fails the scan.
    pub(crate) fn counts(&self) -> bool {
        self.tolerated.is_none() && self.state == State::New
    }
}

/// A scan that is done.
pub(crate) struct Done {
    pub target: String,
    pub collected: Collected,
    pub assessment: Assessment,
    pub rows: Vec<Row>,
    pub remarks: Vec<String>,
    pub elapsed: Duration,
    pub database: Database,
    /// Ecosystems whose data is older than permitted, with their age in days.
    pub too_old: Vec<(String, i64)>,
}

impl Done {
    /// True when everything was read and judged.
    pub(crate) fn is_complete(&self) -> bool {
        self.collected.coverage.is_complete()
            && self.assessment.undecided.is_empty()
            && self.assessment.declared.is_empty()
    }
}

/// Scans for dependencies that should not be there.
pub(crate) fn scan(args: &DepsArgs, context: &Context) -> Result<Exit> {
    let begun = Instant::now();
    let database = args.which.open(context)?;
    let baseline = match &args.baseline {
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Some(Baseline::parse(&bytes).with_context(|| format!("{} cannot be used", path.display()))?)
        }
        None => None,
    };
    let suppressions = suppressions(args)?;
    let (target, collected) = gather_paths(&args.paths, &args.exclude)?;
    let assessment = provost_deps::assess(&collected, &database)?;
    let (rows, remarks) = rows(&args.counting, &collected, &assessment, baseline.as_ref(), &suppressions);
    let too_old = too_old(args, &database, &assessment);
    let done = Done { target, collected, assessment, rows, remarks, elapsed: begun.elapsed(), database, too_old };
    if let Some(path) = &args.write_baseline {
        let counting = done.rows.iter().filter(|row| row.tolerated.is_none()).map(|row| &row.finding);
        let text = Baseline::of(counting, None).to_json()?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    output::write(args, &done)?;
    Ok(exit(args, &done))
}

fn exit(args: &DepsArgs, done: &Done) -> Exit {
    if args.write_baseline.is_none() && done.rows.iter().any(Row::counts) {
        Exit::Denied
    } else if !done.too_old.is_empty() || (!done.is_complete() && !args.allow_partial) {
        Exit::Undecided
    } else {
        Exit::Pass
    }
}

fn too_old(args: &DepsArgs, database: &Database, assessment: &Assessment) -> Vec<(String, i64)> {
    let Some(limit) = args.max_age else { return Vec::new() };
    let now = clock::now();
    let info = database.info();
    let ages = assessment.ecosystems.keys().filter_map(|name| {
        let age = db::age(now, info.ecosystems.get(name)?.as_of);
        (age > i64::try_from(limit).unwrap_or(i64::MAX)).then(|| (name.clone(), age))
    });
    ages.collect()
}

/// Suppressions that were named, and those of the base.
fn suppressions(args: &DepsArgs) -> Result<Suppressions> {
    const FILE: &str = ".provost/suppressions.toml";
    let mut all = Suppressions::default();
    if let Some(path) = &args.suppressions {
        let parsed = Suppressions::parse(&input::read_text(path)?, &path.display().to_string());
        all.0.extend(parsed.with_context(|| format!("{} cannot be used", path.display()))?.0);
    }
    let root = args.paths.first().map_or(Path::new("."), |path| path.as_path());
    if let Some(base) = &args.base
        && let Some(bytes) = provost_repo::history::file_at(root, base, FILE)?
    {
        let source = format!("{FILE} at {base}");
        let parsed = Suppressions::parse(&String::from_utf8_lossy(&bytes), &source);
        all.0.extend(parsed.with_context(|| format!("{source} cannot be used"))?.0);
    }
    Ok(all)
}

/// Reads what was asked for; returns its name, and what came of it.
pub(crate) fn gather_paths(paths: &[PathBuf], exclude: &[String]) -> Result<(String, Collected)> {
    let exclude = globs(exclude)?;
    let here = PathBuf::from(".");
    let paths = if paths.is_empty() { vec![here] } else { paths.to_vec() };
    let mut all = Collected::default();
    for path in &paths {
        let found = of_path(path, &exclude)?;
        let prefix = path.display().to_string();
        let is_directory = path.is_dir();
        for mut source in found.sources {
            if is_directory && prefix != "." {
                source.path = format!("{}/{}", prefix.trim_end_matches('/'), source.path);
            }
            all.sources.push(source);
        }
        all.coverage.add(found.coverage);
    }
    let shown = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
    Ok((shown, all))
}

fn of_path(path: &Path, exclude: &GlobSet) -> Result<Collected> {
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if metadata.is_dir() {
        let mut coverage = Coverage::default();
        let directory = Directory::new(path, exclude, &mut coverage);
        return Ok(collect(&directory, coverage));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if provost_formats::lock::reader_of(&name).is_none() {
        bail!("{} is no lockfile or manifest that is known (`provost deps formats` lists them)", path.display());
    }
    // The files beside it may tell more about it; only it is asked for.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let files = OneOf { directory: directory.to_owned(), list: vec![name] };
    let mut found = collect(&files, Coverage::default());
    for source in &mut found.sources {
        source.path = path.display().to_string();
    }
    Ok(found)
}

/// One file of a directory, with what lies beside it at hand.
struct OneOf {
    directory: PathBuf,
    list: Vec<String>,
}

impl provost_deps::Files for OneOf {
    fn list(&self) -> &[String] {
        &self.list
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        // What the caller named may be a link; what lies beside it may not lead elsewhere.
        let full = self.directory.join(path);
        let named = self.list.iter().any(|name| name == path);
        let metadata = if named { std::fs::metadata(&full) } else { std::fs::symlink_metadata(&full) };
        if !metadata.map_err(|error| error.to_string())?.is_file() {
            return Err("not a regular file".to_owned());
        }
        input::read(&full, provost_formats::lock::MAXIMUM_BYTES as u64).map_err(|error| format!("{error:#}"))
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet> {
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        builder.add(Glob::new(pattern).with_context(|| format!("--exclude {pattern}"))?);
    }
    Ok(builder.build()?)
}

/// Every issue with its finding, held against what is known; most severe first within a source.
fn rows(
    counting: &Counting,
    collected: &Collected,
    assessment: &Assessment,
    baseline: Option<&Baseline>,
    suppressions: &Suppressions,
) -> (Vec<Row>, Vec<String>) {
    let findings = assessment.issues.iter().map(|issue| findings::of(collected, issue)).collect();
    let Judgement { findings, remarks, .. } = judge(findings, baseline, suppressions, &clock::now());
    let mut rows: Vec<Row> = findings
        .into_iter()
        .zip(&assessment.issues)
        .map(|(judged, issue)| {
            let package = &collected.sources[issue.source].inventory.packages[issue.package];
            let tolerated = tolerated(counting, package, &issue.fault);
            let mut finding = judged.finding;
            if tolerated.is_some() {
                finding.level = provost_model::Level::Note;
            }
            Row { issue: issue.clone(), finding, state: judged.state, tolerated }
        })
        .collect();
    rows.sort_by_key(|row| (row.issue.source, std::cmp::Reverse(weight(&row.issue.fault)), row.issue.package));
    (rows, remarks)
}

/// How much a fault weighs in the order of a report.
pub(crate) fn weight(fault: &Fault) -> (bool, bool, bool, Severity) {
    match fault {
        Fault::Advisory(one) => {
            (one.kind == Kind::Malicious, one.exploited.is_some(), one.kind == Kind::Vulnerability, one.rating.severity)
        }
        _ => (false, false, false, Severity::None),
    }
}

/// Why an issue does not fail the scan, if it does not.
fn tolerated(counting: &Counting, package: &Package, fault: &Fault) -> Option<String> {
    let denied = |what: Deny| counting.deny.contains(&what) || counting.deny.contains(&Deny::All);
    let informs = |what: Deny, name: &str| (!denied(what)).then(|| format!("{name}: --deny {name} makes it count"));
    match fault {
        Fault::Advisory(one) => match one.kind {
            Kind::Malicious => None,
            Kind::Unmaintained => informs(Deny::Unmaintained, "unmaintained"),
            Kind::Unsound => informs(Deny::Unsound, "unsound"),
            Kind::Notice => informs(Deny::Notice, "notice"),
            Kind::Vulnerability => {
                if one.exploited.is_some() {
                    return None;
                }
                // Of unknown severity means of any.
                let severity = one.rating.severity;
                if severity != Severity::Unknown && severity < counting.fail_on {
                    return Some(format!("below --fail-on {}", counting.fail_on.name()));
                }
                if counting.ignore_unfixed && one.fixed.is_none() {
                    return Some("no fixed version is known (--ignore-unfixed)".to_owned());
                }
                if counting.production && package.scopes.is_development_only() {
                    return Some("needed for development only (--production)".to_owned());
                }
                None
            }
        },
        Fault::Deprecated { .. } => informs(Deny::Deprecated, "deprecated"),
        Fault::Yanked => informs(Deny::Yanked, "yanked"),
    }
}
