//! Reports: JSON, SARIF, GitHub.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use provost_formats::sarif;
use provost_model::{Finding, Level, printable};
use provost_scan::State;
use serde_json::{Value, json};

use super::{Done, findings, text};
use crate::commands::deps::Judging;
use crate::commands::scan::Format;

/// Writes the report where it was asked for, and the summary for people to standard error.
pub(crate) fn write(args: &Judging, done: &Done) -> Result<()> {
    let report = match args.format {
        Format::Text => text::report(done),
        Format::Json => format!("{:#}\n", json(done)),
        Format::Sarif => format!("{:#}\n", sarif_log(done)),
        Format::Github => github(done),
        Format::Gitlab => bail!("--format gitlab is for secrets: take sarif or json"),
    };
    put(args.output.as_deref(), &report)?;
    if !args.quiet {
        anstream::eprint!("{}", text::summary(done, args.max_age));
    }
    Ok(())
}

/// Writes a text to a file, without colours, or to standard output.
pub(crate) fn put(path: Option<&std::path::Path>, report: &str) -> Result<()> {
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

fn json(done: &Done) -> Value {
    let packages = |index: usize| &done.collected.sources[index].inventory.packages;
    let issues: Vec<Value> = done
        .rows
        .iter()
        .map(|row| {
            let package = &packages(row.issue.source)[row.issue.package];
            let path: Vec<String> =
                row.issue.path.iter().map(|index| findings::name_of(&packages(row.issue.source)[*index])).collect();
            json!({
                "rule": row.finding.rule,
                "level": row.finding.level,
                "source": row.finding.file,
                "line": package.line,
                "package": {
                    "ecosystem": package.ecosystem,
                    "name": package.name,
                    "version": package.version,
                    "purl": package.purl().to_string(),
                    "scopes": package.scopes,
                    "direct": package.direct,
                },
                "path": path,
                "issue": row.issue.fault,
                "help": row.finding.help,
                "fingerprint": row.finding.fingerprint,
                "state": row.state.name(),
                "counts": row.counts(),
                "tolerated": row.tolerated,
                "linked": row.issue.linked,
                "vex": row.vex.as_ref().map(|vex| json!({"status": vex.status.name(), "why": vex.why})),
            })
        })
        .collect();
    let undecided: Vec<Value> = done
        .assessment
        .undecided
        .iter()
        .map(|one| {
            let source = &done.collected.sources[one.source];
            let package = &source.inventory.packages[one.package];
            json!({"source": source.path, "package": package.name, "version": package.version, "why": one.why})
        })
        .collect();
    let sources: Vec<Value> = done
        .collected
        .sources
        .iter()
        .map(|source| {
            json!({
                "path": source.path,
                "reader": source.reader,
                "kind": source.inventory.kind,
                "packages": source.inventory.packages.len(),
                "completeness": source.inventory.completeness,
                "managedBy": source.managed,
            })
        })
        .collect();
    let others: Vec<Value> = done
        .others
        .iter()
        .map(|other| {
            json!({
                "rule": other.finding.rule,
                "level": other.finding.level,
                "message": other.finding.message,
                "path": other.finding.file,
                "within": other.finding.within,
                "line": other.finding.span.map(|span| span.line),
                "why": other.finding.why,
                "help": other.finding.help,
                "fingerprint": other.finding.fingerprint,
                "state": other.state.name(),
                "counts": other.counts,
            })
        })
        .collect();
    json!({
        "tool": {"name": "provost", "version": env!("CARGO_PKG_VERSION")},
        "target": done.target,
        "complete": done.is_complete(),
        "sources": sources,
        "judged": done.assessment.judged,
        "issues": issues,
        "findings": others,
        "image": done.image,
        "notJudged": undecided,
        "coverage": done.collected.coverage,
        "remarks": done.remarks,
        "database": {
            "digest": done.database.info().digest,
            "created": done.database.info().created,
            "ecosystems": done.assessment.ecosystems.keys().filter_map(|name| {
                Some((name.clone(), done.database.info().ecosystems.get(name)?.clone()))
            }).collect::<std::collections::BTreeMap<_, _>>(),
            "tooOld": done.too_old,
        },
    })
}

fn sarif_log(done: &Done) -> Value {
    let others = done.others.iter().map(|other| (&other.finding, &other.state));
    let states: Vec<(&Finding, &State)> =
        done.rows.iter().map(|row| (&row.finding, &row.state)).chain(others).collect();
    let all: Vec<Finding> = states.iter().map(|(finding, _)| (*finding).clone()).collect();
    let used: std::collections::BTreeSet<&str> = all.iter().map(|finding| finding.rule.as_str()).collect();
    let rules: Vec<_> = findings::RULES.iter().copied().filter(|rule| used.contains(rule.id)).collect();
    let directory = std::env::current_dir().unwrap_or_default();
    let mut log = sarif::log(env!("CARGO_PKG_VERSION"), &rules, &all, &directory.to_string_lossy());
    for (index, result) in log["runs"][0]["results"].as_array_mut().into_iter().flatten().enumerate() {
        match states[index].1 {
            State::New => result["baselineState"] = "new".into(),
            State::Known => result["baselineState"] = "unchanged".into(),
            State::Suppressed(reason) => {
                result["suppressions"] = json!([{"kind": "external", "justification": reason}]);
            }
        }
        if let Some(provost_deps::Fault::Advisory(one)) = done.rows.get(index).map(|row| &row.issue.fault) {
            result["properties"] = json!({"ids": one.ids().collect::<Vec<_>>()});
            if let Some(score) = one.rating.score {
                result["properties"]["security-severity"] = format!("{score:.1}").into();
            }
        }
    }
    let coverage = &done.collected.coverage;
    let gaps = coverage.failures.iter().chain(&coverage.parts).map(|gap| format!("{}: {}", gap.place, gap.why));
    let undecided = done.assessment.undecided.iter().map(|one| {
        let source = &done.collected.sources[one.source];
        format!("{}: {}: not judged: {}", source.path, source.inventory.packages[one.package].name, one.why)
    });
    let notes: Vec<Value> =
        gaps.chain(undecided).map(|text| json!({"level": "warning", "message": {"text": text}})).collect();
    log["runs"][0]["invocations"] =
        json!([{"executionSuccessful": done.is_complete(), "toolExecutionNotifications": notes}]);
    log
}

/// Workflow commands: one annotation an issue that counts.
fn github(done: &Done) -> String {
    let value = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| value(text).replace(':', "%3A").replace(',', "%2C");
    let mut out = String::new();
    let rows = done.rows.iter().filter(|row| row.counts()).map(|row| &row.finding);
    let others =
        done.others.iter().filter(|other| other.counts && other.state == State::New).map(|other| &other.finding);
    for finding in rows.chain(others) {
        let command = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "notice",
        };
        let line = finding.span.map(|span| format!(",line={}", span.line)).unwrap_or_default();
        let file = property(&printable(finding.file.as_deref().unwrap_or_default()));
        let help = finding.help.as_deref().unwrap_or_default();
        let message = value(&printable(&format!("{}; {help}", finding.message)));
        out.push_str(&format!("::{command} file={file}{line},title={}::{message}\n", property(&finding.rule)));
    }
    out
}
