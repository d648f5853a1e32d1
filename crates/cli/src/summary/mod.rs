//! What CI systems show of a run: a job summary, annotations, a section of the job's log, a code quality report.
//!
//! Everything in it that the build chose (names, arguments, hosts) is made harmless by the format's own module.

mod gate;
mod github;
mod gitlab;
mod markdown;
mod step_file;

use std::io::Write as _;
use std::path::Path;

use provost_model::{BackEnd, Digest, Finding, Observation, Outcome, RunRecord, Verdict, Violation, count, printable};

use crate::{clock, render};
pub(crate) use gitlab::code_quality;
use step_file::StepFile;

/// Which means of showing there are here.
pub(crate) struct Platform {
    /// GitHub's job summary (also Gitea's and Forgejo's).
    step_file: Option<StepFile>,
    /// Workflow commands are understood.
    annotates: bool,
    /// Sections of the job's log are understood; the name that this one has.
    section: Option<String>,
}

/// What a run came to.
pub(crate) struct Told<'a> {
    pub(crate) step: &'a str,
    pub(crate) record: &'a RunRecord,
    pub(crate) verdict: &'a Verdict,
    pub(crate) findings: &'a [Finding],
    /// `prevent` or `detect`.
    pub(crate) guard_mode: &'a str,
    /// Kind, envelope and place in the log of each statement.
    pub(crate) statements: &'a [(String, Digest, u64)],
    pub(crate) signer: &'a str,
}

impl Platform {
    /// Looks where we are, before the command runs: what it does to the files afterwards leads nowhere else. `get` looks
    /// up variables.
    pub(crate) fn find(get: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let is = |name: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let file = get("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
        let step_file = file.and_then(|path| match StepFile::open(Path::new(&path)) {
            Ok(file) => Some(file),
            Err(error) => {
                warn(&format!("no job summary: cannot use {}: {error}", Path::new(&path).display()));
                None
            }
        });
        let section = is("GITLAB_CI").then(|| clock::random_id(8).ok()).flatten().map(|id| format!("provost_{id}"));
        Self { step_file, annotates: is("GITHUB_ACTIONS"), section }
    }

    /// Opens the section that the summary on the terminal stands in. The command has ended.
    pub(crate) fn open_section(&self, told: &Told<'_>) {
        if let Some(name) = &self.section {
            let calm = told.verdict.outcome == Outcome::Passed
                && told.record.observation.violations.is_empty()
                && serious(told.findings).next().is_none();
            put(&gitlab::open(name, clock::now().seconds(), &headline(told), calm));
        }
    }

    /// Closes it.
    pub(crate) fn close_section(&self) {
        if let Some(name) = &self.section {
            put(&gitlab::close(name, clock::now().seconds()));
        }
    }

    /// Annotations of violations and findings.
    pub(crate) fn annotate(&self, told: &Told<'_>, directory: &Path) {
        if self.annotates {
            put(&github::annotations(told, &directory.to_string_lossy()));
        }
    }

    /// The job summary. That it cannot be written is no reason to fail a step whose evidence is kept.
    pub(crate) fn write(&mut self, told: &Told<'_>) {
        let text = markdown::summary(told);
        self.append(&text);
    }

    /// There is no evidence: said where people look, and never nothing.
    pub(crate) fn no_evidence(&mut self, step: &str, why: &str, quiet: bool) {
        self.append(&markdown::no_evidence(step, why));
        if self.annotates && !quiet {
            put(&github::no_evidence(step, why));
        }
    }

    /// The gate's answer.
    pub(crate) fn gate(&mut self, case: &crate::gate::case::Case, heard: &crate::gate::Heard) {
        self.append(&gate::summary(case, heard));
        if let Some(name) = &self.section {
            put(&gate::section(name, clock::now().seconds(), heard));
        }
        if self.annotates {
            put(&gate::annotations(heard));
        }
    }

    /// The gate has none.
    pub(crate) fn gate_undecided(&mut self, why: &str) {
        self.append(&gate::undecided(why));
        if self.annotates {
            put(&github::command("error", None, "provost gate: could not decide", why));
        }
    }

    fn append(&mut self, text: &str) {
        if let Some(file) = self.step_file.take()
            && let Err(error) = file.append(text)
        {
            warn(&format!("the job summary is not whole: {error}"));
        }
    }
}

/// Verdict and what went against it, in one line.
fn headline(told: &Told<'_>) -> String {
    let mut line = format!("provost: {}: {}", told.step, word(told.verdict.outcome));
    let (violations, findings) = (told.record.observation.violations.len(), serious(told.findings).count());
    if violations > 0 {
        line += &format!(", {}", count(violations as u64, "violation", "violations"));
    }
    if findings > 0 {
        line += &format!(", {}", count(findings as u64, "finding", "findings"));
    }
    if told.record.observation.back_end == BackEnd::None {
        line += ", nobody watched";
    }
    line
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "PASSED",
        Outcome::Failed => "FAILED",
    }
}

fn serious(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|finding| finding.level > provost_model::Level::Note)
}

/// The program that is behind a violation.
fn program<'a>(observation: &'a Observation, violation: &Violation) -> Option<&'a str> {
    let process = observation.processes.get(violation.process as usize)?;
    process.programs.last().map(|program| program.path.text.as_str())
}

/// A path below a directory as relative, any other as it is.
fn relative<'a>(path: &'a str, directory: &str) -> &'a str {
    path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path)
}

fn warn(text: &str) {
    anstream::eprintln!("{} {}", render::warning("warning:"), printable(text));
}

/// To standard error as it is: markers of a platform are no colours. A closed standard error undoes no run.
fn put(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use provost_model::{
        Coverage, Ending, Execution, FileEntry, FileKind, FileName, FileSet, Isolation, Level, ObservedProcess,
        Permission, Timestamp, sha256,
    };

    use super::*;

    /// A run of a build that tries to write the summary itself.
    pub(super) fn hostile() -> (RunRecord, Verdict, Vec<Finding>) {
        let at = Timestamp::from_seconds(1_800_000_000);
        let name = |text: &str| FileName { text: text.into(), percent_encoded: false };
        let evil = "a|b`c`</code><img src=x onerror=alert(1)>\n## PASSED\r\n::error::x\u{202e}[y](javascript:z) @user";
        let observation = Observation {
            back_end: BackEnd::Notify,
            processes: vec![ObservedProcess {
                id: 0,
                pid: 7,
                parent: None,
                programs: vec![Execution {
                    path: name("/usr/bin/evil|name"),
                    digest: None,
                    script: None,
                    script_digest: None,
                    arguments: vec!["evil".into()],
                    arguments_cut: false,
                    directory: name("/w"),
                    at,
                }],
                started_on: at,
                finished_on: Some(at),
                delegated_by: None,
                ending: Some(Ending::Exited(0)),
            }],
            files: Vec::new(),
            network: Vec::new(),
            names: Vec::new(),
            violations: vec![Violation {
                kind: "network".into(),
                process: 0,
                at,
                what: format!("tcp {evil}"),
                permission: Permission::Refused,
                count: 3,
            }],
            coverage: Coverage { delegated: vec!["docker".into()], ..Coverage::default() },
        };
        let record = RunRecord {
            command: vec!["sh".into(), "-c".into(), "x | `y`".into()],
            directory: "/w".into(),
            process_id: 7,
            collected_from: at,
            started: at,
            finished: at.plus_milliseconds(1500),
            ending: Ending::Exited(0),
            left_running: 0,
            isolation: Isolation::default(),
            materials: FileSet::default(),
            products: FileSet {
                entries: vec![FileEntry {
                    name: name("out/x|y"),
                    kind: FileKind::File,
                    size: 12,
                    digest: Some(sha256(b"x")),
                    executable: false,
                    target: None,
                    problem: None,
                }],
                not_listed: Vec::new(),
            },
            deleted: Vec::new(),
            observation,
        };
        let verdict = Verdict {
            outcome: Outcome::Failed,
            subjects: Vec::new(),
            policy: "p".into(),
            policy_digest: sha256(b"p"),
            judged_at: at,
            rules: Vec::new(),
        };
        let findings = vec![
            Finding::new("source-changed-by-build", Level::Error, format!("{evil} was changed"), &["x"])
                .in_file("/w/src/a,b:c\n%.c"),
            Finding::new("unexplained-input", Level::Note, "n".into(), &["y"]).in_file("/etc/x"),
        ];
        (record, verdict, findings)
    }

    pub(super) fn told<'a>(record: &'a RunRecord, verdict: &'a Verdict, findings: &'a [Finding]) -> Told<'a> {
        Told { step: "bu|ld", record, verdict, findings, guard_mode: "prevent", statements: &[], signer: "ab12…" }
    }
}
