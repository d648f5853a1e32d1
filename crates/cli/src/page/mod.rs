//! The page of one run: what was seen of it, drawn from verified statements.

mod data;
mod recover;
mod words;

use std::path::Path;

use anyhow::{Context as _, Result};
use askama::Template;
use base64::Engine as _;
use provost_attest::predicate::{self, Process};
use provost_attest::{Statement, Verified};
use provost_evidence::Store;
use provost_model::{Finding, Level, Observation, Origin, Permission, Timestamp, Use, count, printable, sha256};

use crate::guard::GuardConfig;
use crate::learn::Needs;
use crate::observed::origin_name;
use words::{Said, Standing};

/// The style sheet of all pages.
pub(crate) const STYLE: &str = include_str!("../../templates/page.css");
const SCRIPT: &str = include_str!("../../templates/run.js");

/// Rows of violations and findings that are drawn without the script.
const MOST_STATIC: usize = 500;
/// Lines of the learned guard that are shown.
const MOST_LINES: usize = 400;

/// A source of the Content-Security-Policy that allows just this text.
pub(crate) fn policy_source(text: &str) -> String {
    format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(sha256(text.as_bytes()).as_bytes()))
}

/// What the report says of a run itself, and its page.
pub(crate) struct RunPage {
    /// `no evidence`, or how complete it is.
    pub(crate) word: &'static str,
    pub(crate) class: &'static str,
    /// How many processes, files and connections; empty when nobody watched.
    pub(crate) numbers: String,
    pub(crate) violations: usize,
    pub(crate) refused: usize,
    pub(crate) findings: usize,
    pub(crate) html: String,
}

/// What is known of the run beside its process statement.
pub(crate) struct Around<'a> {
    pub(crate) project: &'a str,
    pub(crate) step: &'a str,
    pub(crate) id: &'a str,
    pub(crate) passed: bool,
    pub(crate) made: Timestamp,
    pub(crate) guard: &'a GuardConfig,
    /// From the page to the report.
    pub(crate) report: &'a str,
}

#[derive(Template)]
#[template(path = "run.html")]
struct Page<'a> {
    project: String,
    step: String,
    id: &'a str,
    report: &'a str,
    passed: bool,
    made: String,
    command: String,
    directory: String,
    ended: String,
    started: String,
    duration: String,
    standing_class: &'static str,
    standing: &'static str,
    watched: bool,
    numbers: &'a str,
    /// The entry that supports what is drawn: everything here is in the process statement.
    entry: String,
    entry_index: u64,
    statements: Vec<StatementRow>,
    violations: Vec<ViolationRow>,
    violations_note: String,
    findings: Vec<FindingRow>,
    findings_note: String,
    notes: Vec<FindingRow>,
    said: Vec<Said>,
    missing: Option<String>,
    over: String,
    learned: String,
    learned_note: String,
    differences: Vec<(bool, String)>,
    in_force: String,
    has_guard: bool,
    style: &'a str,
    style_source: String,
    script: &'a str,
    script_source: String,
    data: String,
    uses: [&'static str; 7],
    counts: Vec<CountRow>,
    has_network: bool,
}

/// Files of one origin: how many for each use.
struct CountRow {
    name: &'static str,
    uses: [usize; 7],
    all: usize,
}

struct StatementRow {
    kind: String,
    index: u64,
    envelope: String,
    signer: String,
}

struct ViolationRow {
    refused: bool,
    kind: String,
    what: String,
    who: String,
    process: u32,
    at: String,
    times: u64,
}

struct FindingRow {
    class: &'static str,
    level: &'static str,
    rule: String,
    message: String,
    process: Option<u32>,
}

/// Draws the page of a run. `statements` are the verified statements of that run with their places in the log.
///
/// # Errors
/// The run has no readable process statement, or the page cannot be drawn.
pub(crate) fn draw(statements: &[(u64, Verified<Statement>)], store: &Store, around: &Around<'_>) -> Result<RunPage> {
    let (index, statement) = statements
        .iter()
        .find(|(_, s)| s.value().predicate_type == predicate::PROCESS)
        .context("there is no verified process statement of this run")?;
    let process: Process = statement.value().predicate_as(predicate::PROCESS)?;
    let recovered = recover::recover(&process, store);
    let observation = &recovered.observation;
    let standing = Standing::of(&process);
    let watched = standing != Standing::NoEvidence;
    let command = process.command().context("the process statement names no command")?;
    let (start, end) = (command.started_on, command.finished_on);
    let directory = command.working_directory.as_str();
    let numbers = if watched {
        // The first few alone are no count.
        let number = |of: usize, one, many| count(of as u64, one, many);
        let shown = format!(
            "{}, {}, {}",
            number(observation.processes.len(), "process", "processes"),
            number(observation.files.len(), "file", "files"),
            number(observation.network.len(), "network event", "network events"),
        );
        if recovered.missing.is_some() { format!("{shown} of more") } else { shown }
    } else {
        String::new()
    };
    let needs = if watched { Needs::of(observation, Path::new(directory)) } else { Needs::default() };
    let (learned, learned_note) = learned(&needs, around.step, watched);
    let violations: Vec<ViolationRow> =
        observation.violations.iter().take(MOST_STATIC).map(|v| violation_row(observation, v, start)).collect();
    let total = process.guard.violation_count.max(observation.violations.len());
    let findings = &process.guard.findings;
    let mut serious: Vec<&Finding> = findings.iter().filter(|finding| finding.level > Level::Note).collect();
    serious.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let notes: Vec<&Finding> = findings.iter().filter(|finding| finding.level == Level::Note).collect();
    let page = Page {
        project: printable(around.project),
        step: printable(around.step),
        id: around.id,
        report: around.report,
        passed: around.passed,
        made: around.made.to_string(),
        command: printable(&command.arguments.join(" ")),
        directory: printable(directory),
        ended: command.ending.map_or_else(|| "its end was not seen".into(), |ending| ending.to_string()),
        started: start.to_string(),
        duration: seconds(end.milliseconds() - start.milliseconds()),
        standing_class: standing.class(),
        standing: standing.word(),
        watched,
        numbers: &numbers,
        entry: statement.envelope().to_hex(),
        entry_index: *index,
        statements: statements.iter().map(|(index, s)| statement_row(*index, s)).collect(),
        violations_note: note(total, violations.len(), "violation", "violations"),
        violations,
        findings_note: note(serious.len(), serious.len().min(MOST_STATIC), "finding", "findings"),
        findings: serious.into_iter().take(MOST_STATIC).map(finding_row).collect(),
        notes: notes.into_iter().take(MOST_STATIC).map(finding_row).collect(),
        said: words::completeness(&process, observation, recovered.missing.as_deref()),
        missing: recovered.missing.as_deref().map(printable),
        over: over(observation),
        learned,
        learned_note,
        differences: if watched {
            let lines = needs.differences(around.guard);
            lines
                .iter()
                .take(MOST_LINES)
                .map(|line| (line.starts_with('+'), printable(line.get(2..).unwrap_or(line))))
                .collect()
        } else {
            Vec::new()
        },
        in_force: in_force(around.guard),
        has_guard: *around.guard != GuardConfig::default(),
        style: STYLE,
        style_source: policy_source(STYLE),
        script: SCRIPT,
        script_source: policy_source(SCRIPT),
        data: data::json(observation, directory, start, end),
        uses: ["read", "executed", "changed", "written", "created", "renamed", "deleted"],
        counts: counts(observation),
        has_network: !(observation.network.is_empty() && observation.names.is_empty()),
    };
    Ok(RunPage {
        word: standing.word(),
        class: standing.class(),
        violations: total,
        refused: observation.violations.iter().filter(|v| v.permission == Permission::Refused).count(),
        findings: findings.iter().filter(|f| f.level > Level::Note).count(),
        html: page.render().context("the page of a run could not be drawn")?,
        numbers,
    })
}

/// A duration for people.
fn seconds(milliseconds: i64) -> String {
    if milliseconds < 1000 { format!("{milliseconds} ms") } else { format!("{:.1} s", milliseconds as f64 / 1000.0) }
}

fn note(all: usize, shown: usize, singular: &str, plural: &str) -> String {
    if all > shown {
        format!("The first {shown} of {}.", count(all as u64, singular, plural))
    } else {
        count(all as u64, singular, plural)
    }
}

/// What the page leaves out, where there is too much.
fn over(observation: &Observation) -> String {
    let left = |all: usize| all.saturating_sub(data::MOST_ROWS) as u64;
    let (processes, files) = (left(observation.processes.len()), left(observation.files.len()));
    let network = left(observation.network.len()) + left(observation.names.len());
    if processes + files + network == 0 {
        return String::new();
    }
    format!(
        "Too much for a page: {}, {} and {} are in the observation alone (`provost run --observation`).",
        count(processes, "process", "processes"),
        count(files, "file", "files"),
        count(network, "network event", "network events"),
    )
}

fn counts(observation: &Observation) -> Vec<CountRow> {
    const USES: [Use; 7] =
        [Use::Read, Use::Executed, Use::Changed, Use::Written, Use::Created, Use::Renamed, Use::Deleted];
    data::ORIGINS
        .iter()
        .map(|origin| {
            let mut row = CountRow { name: origin_name(*origin), uses: [0; 7], all: 0 };
            for file in observation.files.iter().filter(|file| file.origin.unwrap_or(Origin::Other) == *origin) {
                row.all += 1;
                for (number, kind) in row.uses.iter_mut().zip(USES) {
                    *number += usize::from(file.uses.contains(&kind));
                }
            }
            row
        })
        .filter(|row| row.all > 0)
        .collect()
}

fn statement_row(index: u64, statement: &Verified<Statement>) -> StatementRow {
    StatementRow {
        kind: printable(predicate::short_name(&statement.value().predicate_type)),
        index,
        envelope: statement.envelope().to_hex(),
        signer: statement.signers().keys().map(|key| key.digest().short()).collect::<Vec<_>>().join(", "),
    }
}

fn violation_row(observation: &Observation, violation: &provost_model::Violation, start: Timestamp) -> ViolationRow {
    let who = observation.processes.get(violation.process as usize).and_then(|process| process.programs.last());
    ViolationRow {
        refused: violation.permission == Permission::Refused,
        kind: printable(&violation.kind),
        what: printable(&violation.what),
        who: who.map_or_else(|| "a process".into(), |program| printable(&program.path.text)),
        process: violation.process,
        at: format!("+{}", seconds((violation.at.milliseconds() - start.milliseconds()).max(0))),
        times: violation.count,
    }
}

fn finding_row(finding: &Finding) -> FindingRow {
    let (class, level) = match finding.level {
        Level::Error => ("bad", "error"),
        Level::Warning => ("none", "warning"),
        Level::Note => ("na", "note"),
    };
    FindingRow {
        class,
        level,
        rule: printable(&finding.rule),
        message: printable(&finding.message),
        process: finding.process,
    }
}

/// The tightest guard under which the run would have passed, and what is to be said of it.
fn learned(needs: &Needs, step: &str, watched: bool) -> (String, String) {
    if !watched {
        return (String::new(), String::new());
    }
    let section = needs.section(step);
    let lines: Vec<String> = section.lines().take(MOST_LINES).map(printable).collect();
    let left = section.lines().count().saturating_sub(lines.len());
    let note = if left > 0 {
        format!("{} more; `provost run --learn` writes all of it.", count(left as u64, "line", "lines"))
    } else {
        String::new()
    };
    (lines.join("\n"), note)
}

fn in_force(guard: &GuardConfig) -> String {
    if *guard == GuardConfig::default() {
        return "There is no guard for this step in provost.toml: everything is let through and recorded.".into();
    }
    let limited =
        [(guard.outputs.is_some(), "outputs"), (guard.network.is_some(), "network"), (guard.tools.is_some(), "tools")];
    let limited: Vec<&str> = limited.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    let what = if limited.is_empty() { "neither outputs, network nor tools".into() } else { limited.join(", ") };
    format!("The guard for this step in provost.toml now: mode {}, limits {what}.", guard.mode_name())
}
