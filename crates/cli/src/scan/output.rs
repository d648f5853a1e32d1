//! Reports: JSON, SARIF, GitLab, GitHub.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use provost_formats::sarif::RuleText;
use provost_formats::{gitlab, sarif};
use provost_model::{Finding, Level, printable};
use provost_scan::{Coverage, State};
use provost_secrets::Secrets;
use serde_json::{Value, json};

use super::{Done, text};
use crate::commands::scan::{Format, SecretsArgs};

/// Writes the report where it was asked for, and the summary for people to standard error.
pub(crate) fn write(args: &SecretsArgs, secrets: &Secrets, done: &Done) -> Result<()> {
    let report = match args.format {
        Format::Text => text::report(done),
        Format::Json => format!("{:#}\n", json(args, done)),
        Format::Sarif => format!("{:#}\n", sarif_log(secrets, done)),
        Format::Gitlab => {
            let findings: Vec<&Finding> = done.judgement.new_ones().collect();
            format!(
                "{:#}\n",
                gitlab::secret_detection(env!("CARGO_PKG_VERSION"), &findings, done.coverage.is_complete())
            )
        }
        Format::Github => github(done),
    };
    put(args.output.as_deref(), &report)?;
    if !args.quiet {
        anstream::eprint!("{}", text::summary(done));
    }
    Ok(())
}

/// Writes a report to a file, without colours, or to standard output.
pub(crate) fn put(path: Option<&Path>, report: &str) -> Result<()> {
    match path {
        Some(path) => {
            let plain = anstream::adapter::strip_str(report).to_string();
            std::fs::write(path, plain).with_context(|| format!("cannot write {}", path.display()))?;
        }
        None => {
            let mut out = anstream::stdout().lock();
            // A reader that has seen enough is no failure.
            match out.write_all(report.as_bytes()).and_then(|()| out.flush()) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

fn json(args: &SecretsArgs, done: &Done) -> Value {
    let findings: Vec<Value> = done
        .judgement
        .findings
        .iter()
        .map(|judged| {
            let finding = &judged.finding;
            let mut value = json!({
                "rule": finding.rule,
                "level": finding.level,
                "confidence": finding.confidence,
                "message": finding.message,
                "path": finding.file,
                "why": finding.why,
                "help": finding.help,
                "fingerprint": finding.fingerprint,
                "excerpt": finding.excerpt.as_ref().map(|excerpt| &excerpt.text),
            });
            if let Some(span) = finding.span {
                value["line"] = span.line.into();
                value["column"] = span.column.into();
                value["endLine"] = span.end_line.into();
                value["endColumn"] = span.end_column.into();
                value["offset"] = span.offset.into();
                value["length"] = span.length.into();
            }
            if !finding.within.is_empty() {
                value["within"] = json!(finding.within);
            }
            if let Some(commit) = &finding.commit {
                value["commit"] = json!(commit);
            }
            value["state"] = judged.state.name().into();
            if let State::Suppressed(reason) = &judged.state {
                value["reason"] = json!(reason);
            }
            value
        })
        .collect();
    json!({
        "version": 1,
        "tool": {"name": "provost", "version": env!("CARGO_PKG_VERSION")},
        "rules": {"count": done.rule_count, "sha256": done.rules, "confidence": format!("{:?}", args.confidence).to_lowercase()},
        "target": done.target,
        "complete": done.coverage.is_complete(),
        "coverage": done.coverage,
        "remarks": done.judgement.remarks,
        "findings": findings,
    })
}

fn sarif_log(secrets: &Secrets, done: &Done) -> Value {
    let findings: Vec<(&Finding, &State)> =
        done.judgement.findings.iter().map(|judged| (&judged.finding, &judged.state)).collect();
    let coverage = &done.coverage;
    sarif(&secrets.descriptions(), &findings, coverage.is_complete(), gaps(coverage))
}

/// What could not be scanned, or in part only, for reports.
pub(crate) fn gaps(coverage: &Coverage) -> impl Iterator<Item = String> {
    coverage.failures.iter().chain(&coverage.parts).map(|gap| format!("{}: {}", gap.place, gap.why))
}

/// A SARIF log of findings with how they stand, the rules that they are by, and what was not looked at.
pub(crate) fn sarif(
    rules: &[RuleText<'_>],
    findings: &[(&Finding, &State)],
    complete: bool,
    gaps: impl Iterator<Item = String>,
) -> Value {
    let all: Vec<Finding> = findings.iter().map(|(finding, _)| (*finding).clone()).collect();
    let used: std::collections::BTreeSet<&str> = all.iter().map(|f| f.rule.as_str()).collect();
    let rules: Vec<_> = rules.iter().copied().filter(|rule| used.contains(rule.id)).collect();
    let directory = std::env::current_dir().unwrap_or_default();
    let mut log = sarif::log(env!("CARGO_PKG_VERSION"), &rules, &all, &directory.to_string_lossy());
    for ((_, state), result) in findings.iter().zip(log["runs"][0]["results"].as_array_mut().into_iter().flatten()) {
        match state {
            State::New => result["baselineState"] = "new".into(),
            State::Known => result["baselineState"] = "unchanged".into(),
            State::Suppressed(reason) => {
                result["suppressions"] = json!([{"kind": "external", "justification": reason}]);
            }
        }
    }
    let notes: Vec<Value> = gaps.map(|text| json!({"level": "warning", "message": {"text": text}})).collect();
    log["runs"][0]["invocations"] = json!([{"executionSuccessful": complete, "toolExecutionNotifications": notes}]);
    log
}

/// Workflow commands: one annotation a finding.
fn github(done: &Done) -> String {
    let mut out = String::new();
    for finding in done.judgement.new_ones() {
        let mut place = String::new();
        if let Some(span) = finding.span.filter(|_| finding.within.is_empty()) {
            let _ = write!(place, ",line={},endLine={},col={}", span.line, span.end_line, span.column);
        }
        out.push_str(&annotation(finding, &place, &format!("{}: {}", finding.message, finding.why.join("; "))));
    }
    out
}

/// One annotation of GitHub Actions; `place` is what follows the file.
pub(crate) fn annotation(finding: &Finding, place: &str, message: &str) -> String {
    let value = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| value(text).replace(':', "%3A").replace(',', "%2C");
    let command = match finding.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "notice",
    };
    let file = property(&printable(finding.file.as_deref().unwrap_or_default()));
    let rule = property(&finding.rule);
    format!("::{command} file={file}{place},title={rule}::{}\n", value(&printable(message)))
}
