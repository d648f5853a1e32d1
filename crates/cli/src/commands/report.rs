//! `provost report`: a self-contained HTML page over the log, and beside it one for each run.
//!
//! Everything on them is drawn from verified entries of the log, and each cell links to the entry that supports it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use askama::Template;
use clap::Args;
use provost_attest::predicate::{self, Artifacts, Environment, Materials, Process};
use provost_attest::{Statement, Verified};
use provost_evidence::Store;
use provost_model::{Ending, RequirementState, RuleState, Verdict, count, human_bytes, printable};
use provost_policy::{Evidence, Facts, evaluate, requirement_states};

use crate::clock;
use crate::commands::Context;
use crate::exit::Exit;
use crate::home::Project;
use crate::judge::{self, Anchors};
use crate::page::{self, Around, RunPage};

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Where to write the page; what each run did goes into a directory beside it, `report.runs` for `report.html`.
    #[arg(short, long, default_value = "report.html", value_name = "FILE")]
    output: PathBuf,
    /// How many of the newest runs are shown.
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// The store (default: the project's).
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    style: &'static str,
    style_source: String,
    project: String,
    made: String,
    origin: String,
    size: u64,
    root: String,
    policy: String,
    policy_digest: String,
    policy_note: String,
    runs: Vec<RunCard>,
    groups: Vec<Group>,
    tally: Vec<Tally>,
    entries: Vec<EntryRow>,
    refused: Vec<String>,
}

struct RunCard {
    step: String,
    id: String,
    passed: bool,
    outcome: &'static str,
    command: String,
    ended: String,
    started: String,
    duration: String,
    source: String,
    materials: String,
    isolation: String,
    isolated: bool,
    watched: &'static str,
    watched_class: &'static str,
    numbers: String,
    /// What it did against the guard, and what is suspicious.
    against: String,
    /// The run's own page, from this one.
    page: Option<String>,
    platform: String,
    signer: String,
    statements: Vec<Link>,
    artifacts: Vec<ArtifactRow>,
    more: usize,
    rules: Vec<RuleRow>,
}

struct Link {
    text: String,
    entry: String,
}

struct ArtifactRow {
    name: String,
    size: String,
    digest: String,
}

struct RuleRow {
    id: String,
    class: &'static str,
    word: &'static str,
    reason: String,
    entries: Vec<Link>,
}

struct Group {
    section: String,
    rows: Vec<RequirementRow>,
}

struct RequirementRow {
    id: String,
    strength: &'static str,
    text: String,
    class: &'static str,
    word: &'static str,
    reasons: Vec<String>,
    entries: Vec<Link>,
}

struct Tally {
    class: &'static str,
    word: &'static str,
    number: usize,
}

struct EntryRow {
    index: u64,
    kind: String,
    step: String,
    envelope: String,
    signer: String,
    payload: String,
}

/// Writes the page.
///
/// # Errors
/// The store cannot be read, no trusted policy, or it cannot be written.
pub fn run(args: &ReportArgs, context: &Context) -> Result<Exit> {
    let project = Project::find(Path::new("."))?;
    let store = judge::open_store(&context.home, &args.store.clone().unwrap_or_else(|| project.store(&context.home)))?;
    // Into a pipe or a device goes one page alone.
    let beside = !args.output.metadata().is_ok_and(|there| !there.is_file());
    let folder = beside.then(|| args.output.with_extension("runs"));
    let page = draw(&project, &store, context, args, folder.as_deref())?;
    let html = page.render().context("the page could not be drawn")?;
    std::fs::write(&args.output, html).with_context(|| format!("cannot write {}", args.output.display()))?;
    anstream::eprintln!("wrote {} ({})", args.output.display(), count(page.runs.len() as u64, "run", "runs"));
    let pages = page.runs.iter().filter(|run| run.page.is_some()).count();
    if let Some(folder) = folder.filter(|_| pages > 0) {
        anstream::eprintln!("wrote {} ({})", folder.display(), count(pages as u64, "page of a run", "pages of runs"));
    }
    Ok(Exit::Pass)
}

fn draw(project: &Project, store: &Store, context: &Context, args: &ReportArgs, folder: Option<&Path>) -> Result<Page> {
    let checkpoint = store.checkpoint()?;
    let state = checkpoint.unverified().clone();
    let now = clock::now();
    let path = project.signed_policy(&context.home);
    let anchors = Anchors::load(Some(&context.home), &[], &[])?;
    let trusted = judge::read_policy(&path, &anchors, &[])?;
    let policy = &trusted.policy;

    // The newest runs, by invocation.
    let rows = store.records(0, u64::MAX)?;
    let mut invocations: Vec<String> = Vec::new();
    for row in rows.iter().rev() {
        if let Some(invocation) = row.invocation.as_ref().filter(|i| !invocations.contains(i)) {
            invocations.push(invocation.clone());
        }
    }
    invocations.truncate(args.runs);

    let (mut runs, mut verdicts, mut refused, mut entries) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut all: Vec<(String, Verified<Statement>)> = Vec::new();
    let mut cards = Vec::new();
    for invocation in &invocations {
        let mut statements: Vec<(u64, Verified<Statement>)> = Vec::new();
        for row in rows.iter().filter(|row| row.invocation.as_ref() == Some(invocation)) {
            let bundle = store.bundle(row.index, &checkpoint)?;
            match bundle.verify(&judge::signers_of(policy, bundle.envelope()), &policy.log_keys(), &policy.witnesses) {
                Ok(verified) => statements.push((row.index, verified)),
                Err(error) => refused.push(format!("entry {}: {error}", row.index)),
            }
        }
        let Some(step) = rows.iter().find(|r| r.invocation.as_ref() == Some(invocation)).and_then(|r| r.step.clone())
        else {
            continue;
        };
        all.extend(statements.iter().map(|(_, s)| (step.clone(), s.clone())));
        cards.push((step, invocation, statements));
    }
    for (step, invocation, statements) in cards {
        let facts = Facts {
            artifact: None,
            only_step: Some(step.clone()),
            now,
            policy_signers: trusted.signers.clone(),
            pending: Vec::new(),
            builder: None,
            before_logging: false,
        };
        // This run, and the runs of the steps whose products it takes.
        let from = policy.steps.iter().find(|s| s.name == step).map_or(&[][..], |s| s.materials_from.as_slice());
        let earlier = all.iter().filter(|(of, _)| from.contains(of)).map(|(_, s)| s.clone());
        let own = statements.iter().map(|(_, s)| s.clone());
        let evidence = Evidence { statements: own.chain(earlier).collect(), ..Evidence::default() };
        let verdict = evaluate(policy, &evidence, &facts);
        entries.extend(statements.iter().map(|(index, s)| entry_row(*index, &step, s)));
        let mut card = card(&step, invocation, &statements, &verdict);
        let around = Around {
            project: &project.config.project_name,
            step: &step,
            id: &card.id,
            passed: card.passed,
            made: now,
            guard: &project.config.guard.for_step(&step),
            report: &format!("../{}", encoded(args.output.file_name())),
        };
        match page::draw(&statements, store, &around) {
            Ok(drawn) => {
                if let Some(folder) = folder {
                    let name = format!("{}.html", card.id);
                    std::fs::create_dir_all(folder)
                        .and_then(|()| std::fs::write(folder.join(&name), &drawn.html))
                        .with_context(|| format!("cannot write {}", folder.join(&name).display()))?;
                    card.page = Some(format!("{}/{name}", encoded(folder.file_name())));
                }
                card.show(&drawn);
            }
            Err(error) => refused.push(format!("run {}: no page of it: {error:#}", card.id)),
        }
        runs.push(card);
        verdicts.push(verdict);
    }
    let gate = crate::gate::requirements::verdict(store, policy, now)?;
    if let Some((_, list)) = &gate {
        entries.extend(list.iter().map(|(index, statement)| entry_row(*index, "gate", statement)));
    }
    let captured = crate::deps::requirements::verdict(store, policy, now)?;
    if let Some((_, list)) = &captured {
        entries.extend(list.iter().map(|(index, statement)| entry_row(*index, "", statement)));
    }
    entries.sort_by_key(|e| std::cmp::Reverse(e.index));
    // The newest run of each step says how things stand; older ones are history.
    let mut current: Vec<Verdict> = Vec::new();
    let mut seen = Vec::new();
    for (run, verdict) in runs.iter().zip(verdicts) {
        if !seen.contains(&run.step) {
            seen.push(run.step.clone());
            current.push(verdict);
        }
    }
    current.extend(gate.map(|(verdict, _)| verdict));
    current.extend(captured.map(|(verdict, _)| verdict));
    let link = |digest: &provost_model::Digest| Link {
        text: entries
            .iter()
            .find(|e| e.envelope == digest.to_hex())
            .map_or_else(|| digest.short(), |e| format!("{} #{}", e.kind, e.index)),
        entry: digest.to_hex(),
    };
    let (mut groups, mut tally): (Vec<Group>, Vec<Tally>) = (Vec::new(), Vec::new());
    for report in requirement_states(&current) {
        let (class, word) = state_words(report.state);
        match tally.iter_mut().find(|t| t.word == word) {
            Some(t) => t.number += 1,
            None => tally.push(Tally { class, word, number: 1 }),
        }
        let row = RequirementRow {
            id: report.requirement.id.into(),
            strength: report.requirement.strength.word(),
            text: report.requirement.text.into(),
            class,
            word,
            reasons: report.reasons.iter().map(|r| printable(r)).collect(),
            entries: report.statements.iter().map(&link).collect(),
        };
        match groups.last_mut().filter(|g| g.section == report.requirement.section) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { section: report.requirement.section.into(), rows: vec![row] }),
        }
    }
    tally.sort_by_key(|t| ["ok", "bad", "none", "na", "later"].iter().position(|c| *c == t.class));
    Ok(Page {
        style: page::STYLE,
        style_source: page::policy_source(page::STYLE),
        project: printable(&project.config.project_name),
        made: now.to_string(),
        origin: printable(&state.origin),
        size: state.size,
        root: state.root.to_hex(),
        policy: printable(&policy.name),
        policy_digest: policy.digest.to_hex(),
        policy_note: format!(
            "serial {}, signed by {}, valid until {}",
            policy.serial,
            trusted.signers.join(", "),
            policy.expires
        ),
        runs,
        groups,
        tally,
        entries,
        refused: refused.iter().map(|r| printable(r)).collect(),
    })
}

/// A file's name as a part of a relative URL.
fn encoded(name: Option<&OsStr>) -> String {
    let mut out = String::new();
    for &byte in name.unwrap_or_default().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

impl RunCard {
    /// Takes over what the run's own page says.
    fn show(&mut self, drawn: &RunPage) {
        (self.watched, self.watched_class) = (drawn.word, drawn.class);
        self.numbers.clone_from(&drawn.numbers);
        let mut against = Vec::new();
        if drawn.violations > 0 {
            let refused = if drawn.refused > 0 { format!(", {} refused", drawn.refused) } else { String::new() };
            against.push(format!("{}{refused}", count(drawn.violations as u64, "violation", "violations")));
        }
        if drawn.findings > 0 {
            against.push(count(drawn.findings as u64, "finding", "findings"));
        }
        self.against = against.join(" · ");
    }
}

fn state_words(state: RequirementState) -> (&'static str, &'static str) {
    match state {
        RequirementState::Satisfied => ("ok", "satisfied"),
        RequirementState::NotSatisfied => ("bad", "not satisfied"),
        RequirementState::NoEvidence => ("none", "no evidence"),
        RequirementState::NotApplicable => ("na", "not applicable"),
        RequirementState::NotImplemented => ("later", "not judged"),
    }
}

fn rule_words(state: RuleState) -> (&'static str, &'static str) {
    match state {
        RuleState::Satisfied => ("ok", "satisfied"),
        RuleState::NotSatisfied => ("bad", "not satisfied"),
        RuleState::NoEvidence => ("none", "no evidence"),
        RuleState::NotApplicable => ("na", "not applicable"),
    }
}

fn entry_row(index: u64, step: &str, statement: &Verified<Statement>) -> EntryRow {
    let value = statement.value();
    EntryRow {
        index,
        kind: printable(predicate::short_name(&value.predicate_type)),
        step: printable(step),
        envelope: statement.envelope().to_hex(),
        signer: statement.signers().keys().map(|k| k.digest().short()).collect::<Vec<_>>().join(", "),
        payload: printable_lines(&serde_json::to_string_pretty(&value.predicate).unwrap_or_default()),
    }
}

fn printable_lines(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().take(400).map(printable).collect();
    if text.lines().count() > 400 {
        lines.push("… (cut; whole with `provost log show --entry`)".into());
    }
    lines.join("\n")
}

fn card(step: &str, invocation: &str, statements: &[(u64, Verified<Statement>)], verdict: &Verdict) -> RunCard {
    let of = |kind: &str| statements.iter().map(|(_, s)| s.value()).find(|s| s.predicate_type == kind);
    let process: Option<Process> = of(predicate::PROCESS).and_then(|s| s.predicate_as(predicate::PROCESS).ok());
    let environment: Option<Environment> =
        of(predicate::ENVIRONMENT).and_then(|s| s.predicate_as(predicate::ENVIRONMENT).ok());
    let materials: Option<Materials> = of(predicate::MATERIALS).and_then(|s| s.predicate_as(predicate::MATERIALS).ok());
    let artifacts: Option<Artifacts> = of(predicate::ARTIFACTS).and_then(|s| s.predicate_as(predicate::ARTIFACTS).ok());
    let command = process.as_ref().and_then(|p| p.command());
    let fact =
        |name: &str| environment.as_ref().and_then(|e| e.fact(name)).map(|(v, _)| printable(v)).unwrap_or_default();
    let isolated = environment.as_ref().and_then(Environment::keys_unreachable) == Some(true);
    let passed = verdict.outcome == provost_model::Outcome::Passed;
    let listed = artifacts.as_ref().and_then(|a| a.files.entries.as_ref()).map_or(&[][..], Vec::as_slice);
    RunCard {
        step: printable(step),
        // It names a file.
        id: invocation
            .rsplit(':')
            .next()
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(12)
            .collect(),
        passed,
        outcome: if passed { "passed" } else { "failed" },
        command: command.map(|c| printable(&c.arguments.join(" "))).unwrap_or_default(),
        ended: command.map_or_else(
            || "unknown".into(),
            |c| match c.ending {
                None => "not seen".into(),
                Some(Ending::Exited(status)) => format!("exit {status}"),
                Some(Ending::Signalled(number)) => format!("signal {number}"),
                Some(Ending::TimedOut) => "time limit".into(),
            },
        ),
        started: command.map(|c| c.started_on.to_string()).unwrap_or_default(),
        duration: command
            .map(|c| format!("{:.1} s", (c.finished_on.milliseconds() - c.started_on.milliseconds()) as f64 / 1000.0))
            .unwrap_or_default(),
        source: materials.as_ref().and_then(|m| m.git.as_ref()).map_or_else(
            || "no git repository".into(),
            |git| {
                let commit = git.source.digest.get("gitCommit").map_or("no commit", |c| c.get(..12).unwrap_or(c));
                let state = match git.dirty {
                    Some(true) => "with local changes",
                    Some(false) => "clean",
                    None => "state not known",
                };
                printable(&format!("{} {commit}, {state}", git.source.uri.as_deref().unwrap_or_default()))
            },
        ),
        materials: materials
            .as_ref()
            .map(|m| format!("{}, {}", count(m.files.count, "file", "files"), human_bytes(m.files.bytes)))
            .unwrap_or_default(),
        isolation: fact("isolation"),
        isolated,
        watched: "no evidence",
        watched_class: "none",
        numbers: String::new(),
        against: String::new(),
        page: None,
        platform: [
            fact("operating-system"),
            fact("kernel"),
            fact("architecture"),
            format!("CI: {}", fact("ci-system")),
        ]
        .join(" · "),
        signer: statements
            .first()
            .map(|(_, s)| s.signers().keys().map(|k| k.digest().short()).collect::<Vec<_>>().join(", "))
            .unwrap_or_default(),
        statements: statements
            .iter()
            .map(|(index, s)| Link {
                text: format!("{} #{index}", predicate::short_name(&s.value().predicate_type)),
                entry: s.envelope().to_hex(),
            })
            .collect(),
        more: artifacts
            .as_ref()
            .map_or(0, |a| usize::try_from(a.files.count).unwrap_or(0))
            .saturating_sub(listed.len().min(15)),
        artifacts: listed
            .iter()
            .take(15)
            .map(|e| ArtifactRow {
                name: printable(&e.name.text),
                size: human_bytes(e.size),
                digest: e.digest.map(|d| d.to_hex()).unwrap_or_default(),
            })
            .collect(),
        rules: verdict
            .rules
            .iter()
            .map(|rule| {
                let (class, word) = rule_words(rule.state);
                RuleRow {
                    id: printable(&rule.rule),
                    class,
                    word,
                    reason: printable(&rule.reason),
                    entries: rule.statements.iter().map(|d| Link { text: d.short(), entry: d.to_hex() }).collect(),
                }
            })
            .collect(),
    }
}
