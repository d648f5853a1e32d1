//! Dependencies, wired: what is read, what is known against it, what counts, output.

pub(crate) mod bom;
mod findings;
pub(crate) mod image;
mod image_age;
pub(crate) mod list;
mod observed;
mod output;
pub(crate) mod recheck;
pub(crate) mod requirements;
pub(crate) mod review;
pub(crate) mod sbom;
mod statement;
mod supply;
mod text;
mod vex;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use globset::GlobSet;
use provost_attest::ResourceDescriptor;
use provost_attest::predicate::ImageFacts;
use provost_deps::{Assessment, Collected, Database, Directory, Fault, Flaw, Issue, Kind, Reach, Severity, collect};
use provost_model::{Finding, Package, Timestamp};
use provost_scan::{Baseline, Coverage, Judgement, State, Suppressions, judge};

use crate::commands::Context;
use crate::commands::db;
use crate::commands::deps::{Counting, Deny, DepsArgs, Judging};
use crate::exit::Exit;
use crate::{clock, input, scan as scanning};
pub(crate) use vex::Vex;

/// An issue and what follows from it.
pub(crate) struct Row {
    pub issue: Issue,
    pub finding: Finding,
    pub state: State,
    /// Why it does not fail the scan, where it does not.
    pub tolerated: Option<String>,
    /// What a VEX statement says of it.
    pub vex: Option<Vex>,
    /// How near the package is to what runs.
    pub reach: Reach,
}

impl Row {
    /// True when it fails the scan.
    pub(crate) fn counts(&self) -> bool {
        self.tolerated.is_none() && self.state == State::New
    }
}

/// A scan that is done.
pub(crate) struct Done {
    /// What was scanned, in words.
    pub target: String,
    pub collected: Collected,
    pub assessment: Assessment,
    pub rows: Vec<Row>,
    /// Findings beside packages, for images: secrets, and what is dangerous about the image itself.
    pub others: Vec<Other>,
    pub image: Option<ImageFacts>,
    pub remarks: Vec<String>,
    pub began: Timestamp,
    pub elapsed: Duration,
    pub database: Database,
    /// Ecosystems whose data is older than permitted, with their age in days.
    pub too_old: Vec<(String, i64)>,
    /// What was asked beside advisories.
    pub asked: supply::Asked,
    /// What was found of that.
    pub found: supply::Found,
}

/// A finding that is not about a package.
pub(crate) struct Other {
    pub finding: Finding,
    pub state: State,
    pub counts: bool,
}

impl Done {
    /// True when everything was read and judged.
    pub(crate) fn is_complete(&self) -> bool {
        !self.collected.sources.is_empty()
            && self.collected.coverage.is_complete()
            && self.assessment.undecided.is_empty()
            && self.assessment.declared.is_empty()
    }

    /// True when something fails the scan.
    pub(crate) fn is_denied(&self) -> bool {
        self.rows.iter().any(Row::counts) || self.others.iter().any(|other| other.counts && other.state == State::New)
    }
}

/// What is known before anything is judged.
pub(crate) struct Known {
    pub database: Database,
    pub baseline: Option<Baseline>,
    pub suppressions: Suppressions,
    pub vex: vex::Statements,
    pub asked: supply::Asked,
    /// What paths of sources are relative to, where they lie on this disk.
    pub root: Option<PathBuf>,
}

impl Known {
    /// `base` is the commit that a change of the repository at `root` is based on.
    pub(crate) fn load(judging: &Judging, base: Option<&str>, root: &Path, context: &Context) -> Result<Self> {
        let baseline = scanning::baseline(judging.baseline.as_deref())?;
        let suppressions = scanning::marks::named(judging.suppressions.as_deref(), base, root)?;
        let database = judging.which.open(context)?;
        Ok(Self {
            database,
            baseline,
            suppressions,
            vex: vex::Statements::load(&judging.vex, judging.product.as_deref())?,
            asked: supply::Asked::of(judging, root, context)?,
            root: None,
        })
    }
}

/// The histories of the repositories that packages come from, as far as they are on this disk.
///
/// # Errors
/// A clone that was named is none.
pub(crate) fn histories(
    named: &[PathBuf],
    root: Option<&Path>,
    collected: &[&Collected],
) -> Result<provost_deps::Histories> {
    let mut histories = provost_deps::Histories::default();
    for directory in named {
        histories.add(directory).map_err(|why| anyhow::anyhow!("--git-history {}: {why}", directory.display()))?;
    }
    let Some(root) = root else { return Ok(histories) };
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let sources = collected.iter().flat_map(|one| &one.sources);
    for directory in provost_deps::likely_histories(root, cargo.as_deref(), sources) {
        // One that cannot be opened tells nothing; what needs it says so.
        let _ = histories.add(&directory);
    }
    Ok(histories)
}

/// Scans for dependencies that should not be there.
pub(crate) fn scan(args: &DepsArgs, context: &Context) -> Result<Exit> {
    let (began, begun) = (clock::now(), Instant::now());
    let root = args.paths.first().map_or(Path::new("."), |path| path.as_path());
    let mut known = Known::load(&args.judging, args.base.as_deref(), root, context)?;
    known.root = Some(PathBuf::from("."));
    let subjects = if args.judging.attest { statement::subjects(args)? } else { Vec::new() };
    let (target, mut collected) = gather_paths(&args.paths, &args.exclude)?;
    if let Some(run) = &args.observed {
        let reads = observed::reads(run, context)?;
        let seen = observed::weigh(&mut collected, &reads, root);
        known.asked.observed = Some((reads.invocation, seen));
    }
    let done = judge_all(&args.judging, known, target, collected, began, begun)?;
    finish(&args.judging, &done, &subjects, context)
}

/// Judges what was collected.
pub(crate) fn judge_all(
    judging: &Judging,
    known: Known,
    target: String,
    collected: Collected,
    began: Timestamp,
    begun: Instant,
) -> Result<Done> {
    let mut done = judge_known(&judging.counting, known, target, collected, began, begun)?;
    done.too_old = too_old(judging, &done.database, &done.assessment);
    Ok(done)
}

/// The same, whatever the age of the data.
pub(crate) fn judge_known(
    counting: &Counting,
    known: Known,
    target: String,
    collected: Collected,
    began: Timestamp,
    begun: Instant,
) -> Result<Done> {
    let Known { database, baseline, suppressions, vex, asked, root } = known;
    let history = histories(&counting.git_history, root.as_deref(), &[&collected])?;
    let mut assessment = provost_deps::assess(&collected, &database, &history)?;
    let found = supply::look(&asked, &collected, &database, &mut assessment.issues)?;
    let marks = (baseline.as_ref(), &suppressions, &vex);
    let (rows, remarks) = rows(counting, &collected, &assessment, marks, &asked, &found);
    Ok(Done {
        target,
        collected,
        assessment,
        rows,
        others: Vec::new(),
        image: None,
        remarks,
        began,
        elapsed: begun.elapsed(),
        database,
        too_old: Vec::new(),
        asked,
        found,
    })
}

/// Writes what was asked for.
pub(crate) fn finish(
    judging: &Judging,
    done: &Done,
    subjects: &[ResourceDescriptor],
    context: &Context,
) -> Result<Exit> {
    if let Some(path) = &judging.write_baseline {
        let counting = done.rows.iter().filter(|row| row.tolerated.is_none()).map(|row| &row.finding);
        let others = done.others.iter().filter(|other| other.counts).map(|other| &other.finding);
        let text = Baseline::of(counting.chain(others), None).to_json()?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &judging.sbom {
        let text =
            bom::write(&bom::of(&done.target, &done.collected, done.image.as_ref(), done.began), bom::form_of(path))?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    output::write(judging, done)?;
    if judging.attest {
        statement::attest(done, subjects, context)?;
    }
    Ok(exit(judging, done))
}

fn exit(judging: &Judging, done: &Done) -> Exit {
    if judging.write_baseline.is_none() && done.is_denied() {
        Exit::Denied
    } else if !done.too_old.is_empty() || !(judging.allow_partial || done.is_complete() && done.found.is_complete()) {
        Exit::Undecided
    } else {
        Exit::Pass
    }
}

fn too_old(judging: &Judging, database: &Database, assessment: &Assessment) -> Vec<(String, i64)> {
    let Some(limit) = judging.max_age else { return Vec::new() };
    let now = clock::now();
    let info = database.info();
    let ages = assessment.ecosystems.keys().filter_map(|name| {
        let age = db::age(now, info.ecosystems.get(name)?.as_of);
        (age > i64::try_from(limit).unwrap_or(i64::MAX)).then(|| (name.clone(), age))
    });
    ages.collect()
}

/// Reads what was asked for; returns its name, and what came of it.
pub(crate) fn gather_paths(paths: &[PathBuf], exclude: &[String]) -> Result<(String, Collected)> {
    let exclude = scanning::globs(exclude)?;
    let here = PathBuf::from(".");
    let paths = if paths.is_empty() { vec![here] } else { paths.to_vec() };
    let mut all = Collected::default();
    for path in &paths {
        let mut found = of_path(path, &exclude)?;
        let prefix = path.display().to_string();
        let is_directory = path.is_dir();
        let coverage = &mut found.coverage;
        if is_directory && prefix != "." {
            let lists = [&mut coverage.skips, &mut coverage.failures, &mut coverage.parts];
            for gap in lists.into_iter().flatten() {
                gap.place = format!("{}/{}", prefix.trim_end_matches('/'), gap.place);
            }
        }
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
        return single(path);
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

/// A file that is no lockfile: a program that tells what it was made from, or an SBOM.
fn single(path: &Path) -> Result<Collected> {
    let shown = path.display().to_string();
    let mut found = Collected::default();
    if !std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        bail!("{shown} is neither a file nor a directory");
    }
    let mut file = std::fs::File::open(path).with_context(|| format!("cannot read {shown}"))?;
    if let Some(source) = provost_deps::of_binary(&shown, &mut file, &mut found.coverage) {
        found.sources.push(source);
        return Ok(found);
    }
    if provost_formats::lock::jar::is_jar(&shown) {
        found.sources.extend(provost_deps::of_java_archive(&shown, &mut file, &mut found.coverage));
        return Ok(found);
    }
    let bytes = input::read(path, provost_formats::sbom::MAXIMUM_BYTES as u64)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii_start();
    if matches!(text.first(), Some(b'{' | b'<')) || bytes.starts_with(b"SPDXVersion") {
        let bom = provost_formats::sbom::read(&bytes).with_context(|| format!("{shown} cannot be used"))?;
        found.coverage.scanned += 1;
        let source = bom::source(&shown, &bom);
        provost_deps::note_problems(&shown, &source.inventory, &mut found.coverage);
        found.sources.push(source);
        for problem in bom.problems.iter().take(100) {
            found.coverage.part(shown.clone(), problem);
        }
        return Ok(found);
    }
    if found.coverage.is_complete() {
        bail!(
            "{shown} is no lockfile or manifest that is known (`provost deps formats` lists them), no SBOM, and no program \
             that tells what it was made from"
        );
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

/// Every issue with its finding, held against what is known; most severe first within a source.
fn rows(
    counting: &Counting,
    collected: &Collected,
    assessment: &Assessment,
    (baseline, suppressions, vex): (Option<&Baseline>, &Suppressions, &vex::Statements),
    asked: &supply::Asked,
    found: &supply::Found,
) -> (Vec<Row>, Vec<String>) {
    let findings = assessment.issues.iter().map(|issue| findings::of(collected, issue)).collect();
    let Judgement { findings, remarks, .. } = judge(findings, baseline, suppressions, &clock::now());
    let mut rows: Vec<Row> = findings
        .into_iter()
        .zip(&assessment.issues)
        .map(|(judged, issue)| {
            let package = &collected.sources[issue.source].inventory.packages[issue.package];
            let vex = vex.of(package, &issue.fault);
            let unlinked = issue.linked == Some(false);
            let reach = match issue.linked {
                Some(true) => Reach::Linked,
                _ => found.reaches[issue.source][issue.package],
            };
            let tolerated = match &vex {
                None if unlinked && !counting.all_linked => {
                    Some("the program does not hold the vulnerable functions (--all-linked makes it count)".to_owned())
                }
                Some(Vex { status, why }) if status.clears() => Some(if why.is_empty() {
                    format!("VEX: {}", status.name())
                } else {
                    format!("VEX: {}, {why}", status.name())
                }),
                _ => far(asked, reach, &issue.fault)
                    .or_else(|| of_origin(counting, &asked.registries, &issue.fault))
                    .or_else(|| tolerated(counting, package, &issue.fault)),
            };
            let mut finding = judged.finding;
            if tolerated.is_some() {
                finding.level = provost_model::Level::Note;
            }
            Row { issue: issue.clone(), finding, state: judged.state, tolerated, vex, reach }
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
        Fault::Lock { flaw: Flaw::OtherPackage { .. } } => (true, false, false, Severity::High),
        _ => (false, false, false, Severity::None),
    }
}

/// Why a vulnerability does not count for a package that is so far from what runs, if it does not.
fn far(asked: &supply::Asked, reach: Reach, fault: &Fault) -> Option<String> {
    let Fault::Advisory(one) = fault else { return None };
    let (_, limit) = asked.limits.iter().filter(|(grade, _)| *grade == reach).max_by_key(|(_, limit)| *limit)?;
    let severity = one.rating.severity;
    let may_be = one.kind == Kind::Vulnerability && one.exploited.is_none() && severity != Severity::Unknown;
    (may_be && severity < *limit).then(|| format!("below --fail-on-reach {}={}", reach.name(), limit.name()))
}

/// Why a package of a host that was not expected does not count, if it does not: where nobody named hosts.
pub(crate) fn of_origin(counting: &Counting, registries: &[String], fault: &Fault) -> Option<String> {
    let Fault::Lock { flaw: Flaw::ForeignHost { .. } } = fault else { return None };
    let denied = counting.deny.iter().any(|deny| matches!(deny, Deny::Lock | Deny::All));
    (registries.is_empty() && !denied).then(|| "lock: --deny lock or --registry HOST makes it count".to_owned())
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
        Fault::NotAsLocked { .. } | Fault::NotLocked { .. } => informs(Deny::Drift, "drift"),
        Fault::Lock { flaw } => match flaw {
            Flaw::OtherPackage { .. } | Flaw::Unprotected { .. } | Flaw::ForeignHost { .. } => None,
            _ => informs(Deny::Lock, "lock"),
        },
        // Only found where they were asked for.
        Fault::Licence { .. } | Fault::Young { .. } => None,
    }
}
