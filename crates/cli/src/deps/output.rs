//! Reports: JSON, SARIF, GitHub.

use anyhow::{Result, bail};
use provost_model::Finding;
use provost_scan::State;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Value, json};

use super::{Done, findings, text};
use crate::commands::deps::Judging;
use crate::commands::scan::Format;
use crate::scan::output;

/// Writes the report where it was asked for, and the summary for people to standard error.
pub(crate) fn write(args: &Judging, done: &Done) -> Result<()> {
    let report = match args.format {
        Format::Text => text::report(done),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&Report(done))?),
        Format::Sarif => format!("{:#}\n", sarif_log(done)),
        Format::Github => github(done),
        Format::Gitlab => bail!("--format gitlab is for secrets: take sarif or json"),
    };
    output::put(args.output.as_deref(), &report)?;
    if !args.quiet {
        anstream::eprint!("{}", text::summary(done, args.max_age));
    }
    Ok(())
}

/// The report as JSON. Issues may be very many: each is made when it is written, and not all of them are held as values.
struct Report<'d>(&'d Done);

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rest = rest(self.0);
        let rest = rest.as_object().into_iter().flatten();
        // In the order of their names, as the rest is.
        let (before, after): (Vec<_>, Vec<_>) = rest.partition(|(name, _)| name.as_str() < "issues");
        let mut map = serializer.serialize_map(Some(before.len() + after.len() + 1))?;
        for (name, value) in before {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("issues", &Issues(self.0))?;
        for (name, value) in after {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

struct Issues<'d>(&'d Done);

impl Serialize for Issues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let done = self.0;
        let packages = |index: usize| &done.collected.sources[index].inventory.packages;
        serializer.collect_seq(done.rows.iter().map(|row| {
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
                "reach": row.reach,
                "vex": row.vex.as_ref().map(|vex| json!({"status": vex.status.name(), "why": vex.why})),
            })
        }))
    }
}

/// All but the issues.
fn rest(done: &Done) -> Value {
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
        "findings": others,
        "image": done.image,
        "notJudged": undecided,
        "coverage": done.collected.coverage,
        "installedAgainstLocked": done.found.compared,
        "licenceNotKnown": names(done, &done.found.unlicensed),
        "ages": done.found.ages.as_ref().map(|ages| json!({
            "at": ages.at,
            "minimumDays": ages.days,
            "known": ages.known,
            "notKnown": names(done, &ages.unknown),
        })),
        "observed": done.asked.observed.as_ref().map(|(run, seen)| json!({
            "run": run,
            "read": seen.read.len(),
            "notListed": seen.not_listed.keys().map(ToString::to_string).collect::<Vec<_>>(),
        })),
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

/// Packages by their package URL and source.
fn names(done: &Done, list: &[(usize, usize)]) -> Vec<Value> {
    let one = |(source, package): &(usize, usize)| {
        let source = &done.collected.sources[*source];
        json!({"source": source.path, "purl": source.inventory.packages[*package].purl().to_string()})
    };
    list.iter().map(one).collect()
}

fn sarif_log(done: &Done) -> Value {
    let others = done.others.iter().map(|other| (&other.finding, &other.state));
    let all: Vec<(&Finding, &State)> = done.rows.iter().map(|row| (&row.finding, &row.state)).chain(others).collect();
    let undecided = done.assessment.undecided.iter().map(|one| {
        let source = &done.collected.sources[one.source];
        format!("{}: {}: not judged: {}", source.path, source.inventory.packages[one.package].name, one.why)
    });
    let gaps = output::gaps(&done.collected.coverage).chain(undecided);
    let open = |list: &[(usize, usize)], why: &str| -> Vec<String> {
        let package = |(source, package): &(usize, usize)| {
            let source = &done.collected.sources[*source];
            format!("{}: {}: {why}", source.path, findings::name_of(&source.inventory.packages[*package]))
        };
        list.iter().map(package).collect()
    };
    let unlicensed = open(&done.found.unlicensed, "its licence is not known");
    let ageless = done.found.ages.as_ref().map(|ages| open(&ages.unknown, "its age is not known")).unwrap_or_default();
    let gaps = gaps.chain(unlicensed).chain(ageless);
    let mut log = output::sarif(findings::RULES, &all, done.is_complete() && done.found.is_complete(), gaps);
    for (row, result) in done.rows.iter().zip(log["runs"][0]["results"].as_array_mut().into_iter().flatten()) {
        result["properties"] = json!({"reach": row.reach});
        if let provost_deps::Fault::Advisory(one) = &row.issue.fault {
            result["properties"]["ids"] = one.ids().collect::<Vec<_>>().into();
            if let Some(score) = one.rating.score {
                result["properties"]["security-severity"] = format!("{score:.1}").into();
            }
        }
    }
    log
}

/// Workflow commands: one annotation an issue that counts.
fn github(done: &Done) -> String {
    let rows = done.rows.iter().filter(|row| row.counts()).map(|row| &row.finding);
    let others =
        done.others.iter().filter(|other| other.counts && other.state == State::New).map(|other| &other.finding);
    let one = |finding: &Finding| {
        let line = finding.span.map(|span| format!(",line={}", span.line)).unwrap_or_default();
        let help = finding.help.as_deref().unwrap_or_default();
        output::annotation(finding, &line, &format!("{}; {help}", finding.message))
    };
    rows.chain(others).map(one).collect()
}
