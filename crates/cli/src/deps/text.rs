//! Findings about dependencies for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use provost_deps::{Fault, Kind, Severity};
use provost_model::{Completeness, Finding, Level, count, printable};
use provost_scan::State;

use super::{Done, Row, findings};
use crate::commands::db;
use crate::{clock, render};

/// Gaps that are named; the rest is counted.
const GAPS: usize = 5;

/// What there is, source by source; the most severe of a source last, so that it stands nearest to the prompt.
pub(crate) fn report(done: &Done) -> String {
    let mut out = String::new();
    for (index, source) in done.collected.sources.iter().enumerate() {
        let rows: Vec<&Row> =
            done.rows.iter().filter(|row| row.issue.source == index && row.state == State::New).collect();
        if rows.is_empty() {
            continue;
        }
        let packages = count(source.inventory.packages.len() as u64, "package", "packages");
        let _ = writeln!(
            out,
            "{} {}",
            render::bold(&printable(&source.path)),
            render::dim(&format!(
                "{}, {packages}{}",
                source.inventory.kind,
                completeness(source.inventory.completeness)
            ))
        );
        out.push_str(&in_short(rows.iter().filter(|row| is_many(row)).copied()));
        for row in rows.iter().filter(|row| !is_many(row)).rev() {
            out.push_str(&one(done, row));
        }
        out.push('\n');
    }
    let new = |counts: bool| {
        done.others
            .iter()
            .filter(move |other| other.state == State::New && other.counts == counts)
            .map(|other| &other.finding)
    };
    out.push_str(&noted(new(false)));
    let mut counting: Vec<&Finding> = new(true).collect();
    crate::scan::most_serious_first(&mut counting);
    for finding in counting.iter().rev() {
        out.push_str(&crate::scan::text::one(finding));
    }
    out
}

/// Notes of which a lock or a tree can have hundreds, all alike.
fn is_many(row: &Row) -> bool {
    let alike = matches!(row.issue.fault, Fault::Lock { .. } | Fault::NotAsLocked { .. } | Fault::NotLocked { .. });
    alike && !row.counts()
}

/// Such notes, a few of each rule.
fn in_short<'d>(rows: impl Iterator<Item = &'d Row>) -> String {
    let mut by_rule: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_rule.entry(&row.finding.rule).or_default().push(row);
    }
    let mut out = String::new();
    for (rule, found) in by_rule {
        for row in found.iter().take(3) {
            let rule = render::dim(&format!("[{rule}]"));
            let _ = writeln!(out, "  {} {} {rule}", severity(row), printable(&row.finding.message));
        }
        if found.len() > 3 {
            let more = format!("… and {} more [{rule}]", found.len() - 3);
            let _ = writeln!(out, "  {} {}", severity(found[0]), render::dim(&more));
        }
    }
    out
}

/// Findings about an image that do not count, a few of each rule.
fn noted<'d>(findings: impl Iterator<Item = &'d Finding>) -> String {
    let mut by_rule: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_rule.entry(&finding.rule).or_default().push(finding);
    }
    let mut out = String::new();
    if !by_rule.is_empty() {
        let _ = writeln!(out, "{}", render::bold("About the image"));
    }
    for (rule, found) in by_rule {
        let level = match found[0].level {
            Level::Error => render::error("error  "),
            Level::Warning => render::warning("warning"),
            Level::Note => render::dim("note   "),
        };
        for finding in found.iter().take(3) {
            let _ = writeln!(out, "  {level} {} {}", printable(&finding.message), render::dim(&format!("[{rule}]")));
        }
        if found.len() > 3 {
            let _ = writeln!(out, "  {level} {}", render::dim(&format!("… and {} more [{rule}]", found.len() - 3)));
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn completeness(how: Completeness) -> &'static str {
    match how {
        Completeness::Graph => "",
        Completeness::List => ", without what needs what",
        Completeness::Declared => ", declared, not resolved",
    }
}

/// How severe, in one word that is as wide as its column.
fn severity(row: &Row) -> String {
    let Fault::Advisory(one) = &row.issue.fault else {
        let word = match &row.issue.fault {
            Fault::Lock { .. } => "lock",
            Fault::NotAsLocked { .. } | Fault::NotLocked { .. } => "drift",
            Fault::Licence { .. } => "licence",
            Fault::Young { .. } => "young",
            _ => "note",
        };
        let text = format!("{word:<12}");
        return if row.counts() { render::error(&text) } else { render::dim(&text) };
    };
    let text = format!("{:<12}", one.weight());
    match (one.kind, one.rating.severity) {
        (Kind::Malicious, _) | (Kind::Vulnerability, Severity::Critical | Severity::High) => render::error(&text),
        (Kind::Vulnerability, Severity::Medium | Severity::Unknown) => render::warning(&text),
        _ => render::dim(&text),
    }
}

fn one(done: &Done, row: &Row) -> String {
    let mut out = String::new();
    let source = &done.collected.sources[row.issue.source];
    let package = &source.inventory.packages[row.issue.package];
    let fixed = match &row.issue.fault {
        Fault::Advisory(one) => match (&one.fixed, one.kind) {
            (Some(fixed), _) => format!(" → {fixed}"),
            (None, Kind::Vulnerability) => " → no fix known".to_owned(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let name = render::bold(&printable(&findings::name_of(package)));
    let ids = match &row.issue.fault {
        Fault::Advisory(one) => {
            let cve = one.ids().skip(1).find(|id| id.starts_with("CVE-"));
            one.id.clone() + &cve.map(|cve| format!(" {cve}")).unwrap_or_default()
        }
        Fault::Deprecated { .. } => "deprecated".to_owned(),
        Fault::Yanked => "yanked".to_owned(),
        other => findings::rule_of(other).to_owned(),
    };
    let _ = writeln!(out, "  {} {name}{}  {}", severity(row), printable(&fixed), printable(&ids));
    let margin = " ".repeat(15);
    let summary = match &row.issue.fault {
        Fault::Advisory(one) => one.summary.clone(),
        Fault::Deprecated { text } => text.clone(),
        other => findings::said_of(other, findings::is_read(source)),
    };
    if !summary.is_empty() {
        let _ = writeln!(out, "{margin}{}", printable(&summary));
    }
    if let Fault::Advisory(one) = &row.issue.fault {
        let mut extra = findings::reasons(one);
        if one.rating.severity != Severity::Unknown {
            extra.remove(0);
        }
        if !extra.is_empty() {
            let text = extra.join("; ");
            let exploited = one.exploited.is_some();
            let text = if exploited { render::error(&printable(&text)) } else { render::dim(&printable(&text)) };
            let _ = writeln!(out, "{margin}{text}");
        }
    }
    if let Some(path) = findings::path_of(&done.collected, &row.issue) {
        let _ = writeln!(out, "{margin}{} {}", render::dim("by:"), printable(&path));
    }
    if let Some(help) = &row.finding.help {
        let _ = writeln!(out, "{margin}{} {}", render::dim("do:"), printable(help));
    }
    let mut last = format!("id: {}", &row.finding.fingerprint.to_hex()[..16]);
    let _ = write!(last, " · {}", findings::reach_text(row.reach));
    if package.scopes.is_development_only() {
        last.push_str(" · for development only");
    }
    if let Some(why) = &row.tolerated {
        let _ = write!(last, " · does not fail the scan ({why})");
    }
    let _ = writeln!(out, "{margin}{}", render::dim(&last));
    out
}

/// The end: what was found, what was judged and what was not.
pub(crate) fn summary(done: &Done, max_age: Option<u64>) -> String {
    let mut out = String::new();
    let counting: Vec<&Row> = done.rows.iter().filter(|row| row.counts()).collect();
    let mut by_severity: BTreeMap<std::cmp::Reverse<Severity>, u64> = BTreeMap::new();
    let (mut malicious, mut others) = (0, 0);
    for row in &counting {
        match &row.issue.fault {
            Fault::Advisory(one) if one.kind == Kind::Malicious => malicious += 1,
            Fault::Advisory(one) if one.kind == Kind::Vulnerability => {
                *by_severity.entry(std::cmp::Reverse(one.rating.severity)).or_default() += 1;
            }
            _ => others += 1,
        }
    }
    let mut found = if counting.is_empty() {
        if done.is_complete() {
            "nothing is known against them".to_owned()
        } else {
            "nothing found in what was judged".to_owned()
        }
    } else {
        let mut parts: Vec<String> =
            by_severity.iter().map(|(severity, n)| format!("{n} {}", severity.0.name())).collect();
        if others > 0 {
            parts.push(format!("{others} of other kinds"));
        }
        if malicious > 0 {
            parts.insert(0, format!("{malicious} malicious"));
        }
        render::error(&format!("{} found", count(counting.len() as u64, "issue", "issues")))
            + &format!(": {}", parts.join(", "))
    };
    let of = |wanted: &dyn Fn(&Row) -> bool| done.rows.iter().filter(|row| wanted(row)).count();
    let others = done.others.iter().filter(|other| other.counts && other.state == State::New).count() as u64;
    if others > 0 {
        let secrets =
            done.others.iter().filter(|o| o.counts && o.state == State::New && !o.finding.rule.starts_with("image-"));
        let secrets = secrets.count() as u64;
        if secrets > 0 {
            let _ = write!(found, "; {}", render::error(&count(secrets, "secret", "secrets")));
        }
        if others > secrets {
            let _ = write!(found, "; {} about the image", render::error(&count(others - secrets, "issue", "issues")));
        }
    }
    for (number, word) in [
        (of(&|row| row.state == State::New && row.tolerated.is_some()), "noted"),
        (of(&|row| row.state == State::Known), "known from the baseline"),
        (of(&|row| matches!(row.state, State::Suppressed(_))), "suppressed"),
    ] {
        if number > 0 {
            let _ = write!(found, "; {number} {word}");
        }
    }
    let packages = done.collected.packages() as u64;
    let _ = writeln!(
        out,
        "{} in {} of {}: {found}",
        count(packages, "package", "packages"),
        count(done.collected.sources.len() as u64, "source", "sources"),
        printable(&done.target)
    );
    let info = done.database.info();
    let now = clock::now();
    let ages: Vec<String> = done
        .assessment
        .ecosystems
        .keys()
        .filter_map(|name| {
            Some(format!(
                "{name} {}",
                count(db::age(now, info.ecosystems.get(name)?.as_of).unsigned_abs(), "day", "days")
            ))
        })
        .collect();
    let age = if ages.is_empty() { String::new() } else { format!("; age of the data: {}", ages.join(", ")) };
    let _ = writeln!(
        out,
        "{}",
        render::dim(&format!(
            "judged {} by {} in {:.2} s{age}",
            done.assessment.judged,
            count(info.advisories, "advisory", "advisories"),
            done.elapsed.as_secs_f64()
        ))
    );
    for (name, age) in &done.too_old {
        let limit = max_age.unwrap_or_default();
        let _ =
            writeln!(out, "{} the data of {name} is {age} days old, {limit} are permitted", render::error("too old:"));
    }
    gaps(&mut out, done);
    beside(&mut out, done);
    for remark in &done.remarks {
        let _ = writeln!(out, "{} {}", render::warning("note:"), printable(remark));
    }
    out
}

/// What was compared, and what had to stay open beside advisories.
fn beside(out: &mut String, done: &Done) {
    for one in done.found.compared.iter().take(GAPS) {
        let mut text =
            format!("{} in {} held against {}", count(one.installed as u64, "package", "packages"), one.tree, one.lock);
        if one.missing > 0 {
            let _ = write!(text, "; {} locked and not installed", one.missing);
        }
        if one.bundled > 0 {
            let _ = write!(text, "; {} that others brought within themselves", one.bundled);
        }
        let _ = writeln!(out, "{}", render::dim(&printable(&text)));
    }
    if let Some((run, seen)) = &done.asked.observed {
        let text = format!(
            "run {}: {} of the packages were read, {} that nothing names",
            run.rsplit(':').next().unwrap_or(run),
            seen.read.len(),
            seen.not_listed.len()
        );
        let _ = writeln!(out, "{}", render::dim(&printable(&text)));
    }
    let mut open = |list: &[(usize, usize)], word: &str, why: &str| {
        let Some((source, package)) = list.first() else { return };
        let first = &done.collected.sources[*source].inventory.packages[*package].name;
        let example = if list.len() == 1 { first.clone() } else { format!("{first}, …") };
        let number = count(list.len() as u64, "package", "packages");
        let _ = writeln!(out, "{} {number} ({}): {why}", render::warning(word), printable(&example));
    };
    open(&done.found.unlicensed, "licence not known:", "none is stated, and only some are permitted");
    let Some(ages) = &done.found.ages else { return };
    open(&ages.unknown, "age not known:", "nothing says when it was published (`provost db import --releases`)");
    let text = format!(
        "{} of known age, counted to {}; younger than {} counts",
        count(ages.known, "package", "packages"),
        ages.at,
        count(ages.days.unsigned_abs(), "day", "days")
    );
    let _ = writeln!(out, "{}", render::dim(&text));
}

/// What was not judged for one reason.
#[derive(Default)]
struct NotJudged {
    /// Source and package.
    packages: BTreeSet<(usize, usize)>,
    /// Advisories of which that is said.
    advisories: u64,
}

/// What was not judged, by reason: it is not free of anything.
fn gaps(out: &mut String, done: &Done) {
    if done.collected.sources.is_empty() {
        let _ = writeln!(out, "{} nothing was found that tells of packages", render::warning("not complete:"));
    }
    let managed = done.collected.sources.iter().filter(|source| source.managed.is_some());
    let managed: usize = managed.map(|source| source.inventory.packages.len()).sum();
    if managed > 0 {
        let text = format!(
            "{} came with packages of the distribution, and are judged by its advisories for those",
            count(managed as u64, "package", "packages")
        );
        let _ = writeln!(out, "{}", render::dim(&text));
    }
    if done.assessment.images > 0 {
        let images = count(done.assessment.images as u64, "container image is", "container images are");
        let _ = writeln!(out, "{}", render::dim(&format!("{images} named: `provost scan image` says what is in them")));
    }
    let left_out = done.collected.coverage.skips.iter().filter(|gap| gap.why == "excluded by request").count();
    if left_out > 0 {
        let _ = writeln!(out, "{}", render::dim(&format!("{left_out} left out by --exclude")));
    }
    let coverage = &done.collected.coverage;
    for (number, list, word) in [
        (coverage.failed, &coverage.failures, "could not be read"),
        (coverage.partial, &coverage.parts, "could not be read"),
    ] {
        if number == 0 {
            continue;
        }
        let what = if std::ptr::eq(list, &coverage.failures) { ("file", "files") } else { ("entry", "entries") };
        let _ = writeln!(out, "{} {} {word}:", render::warning("not complete:"), count(number, what.0, what.1));
        for gap in list.iter().take(GAPS) {
            let _ = writeln!(out, "  {}: {}", printable(&gap.place), printable(&gap.why));
        }
        if number > GAPS as u64 {
            let _ = writeln!(out, "  {}", render::dim("… the JSON report lists all"));
        }
    }
    // By reason: the packages, and how many advisories it is said of.
    let mut reasons: BTreeMap<&str, NotJudged> = BTreeMap::new();
    for one in &done.assessment.undecided {
        let (advisories, why) = match one.why.split_once(": ") {
            Some((id, why)) if id.contains('-') && !id.contains(' ') => (1, why),
            _ if one.why.starts_with("only declared") => (0, "only declared, not resolved to a version"),
            _ => (0, one.why.as_str()),
        };
        let known = reasons.entry(why).or_default();
        known.packages.insert((one.source, one.package));
        known.advisories += advisories;
    }
    for (why, NotJudged { packages, advisories }) in reasons.iter().take(20) {
        let name = |(source, package): &(usize, usize)| {
            done.collected.sources[*source].inventory.packages[*package].name.as_str()
        };
        let first = packages.first().map(name).unwrap_or_default();
        let example = if packages.len() == 1 { first.to_owned() } else { format!("{first}, …") };
        let by = match advisories {
            0 => String::new(),
            number => format!(", {}", count(*number, "advisory", "advisories")),
        };
        let _ = writeln!(
            out,
            "{} {} ({}){by}: {}",
            render::warning("not judged:"),
            count(packages.len() as u64, "package", "packages"),
            printable(&example),
            printable(why)
        );
    }
    for index in done.assessment.declared.iter().take(GAPS) {
        let source = &done.collected.sources[*index];
        let _ = writeln!(
            out,
            "{} {}: it says only what was asked for; what that brings is not known without a lockfile",
            render::warning("not complete:"),
            printable(&source.path)
        );
    }
    if done.assessment.declared.len() > GAPS {
        let _ = writeln!(out, "  {}", render::dim(&format!("… and {} more", done.assessment.declared.len() - GAPS)));
    }
}
