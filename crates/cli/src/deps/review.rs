//! `deps diff`: what a change does to the dependencies, for whoever reviews it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use provost_deps::{
    Age, At, Change, Collected, Fault, Files, Flaw, Issue, Signal, age_of, changes, collect, flaws, package_at,
    path_to, signals,
};
use provost_model::{Package, count, printable};
use provost_repo::{TreeFiles, merge_base};
use provost_scan::Coverage;
use serde_json::{Value, json};

use super::{findings, of_origin, supply, tolerated, weight};
use crate::commands::Context;
use crate::commands::deps::{DiffArgs, DiffFormat};
use crate::exit::Exit;
use crate::render;
use crate::scan::output::put;

/// A commit's files.
struct Commit(TreeFiles);

impl Files for Commit {
    fn list(&self) -> &[String] {
        self.0.paths()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.read(path, provost_formats::lock::MAXIMUM_BYTES)
    }

    fn gitlink(&self, path: &str) -> Option<String> {
        self.0.gitlink(path)
    }
}

fn read(directory: &std::path::Path, commit: &str) -> Result<(String, Collected)> {
    let files = TreeFiles::at(directory, commit)?;
    let mut coverage = Coverage::default();
    for (path, why) in &files.failures {
        coverage.fail(path.clone(), why);
    }
    let id = files.commit.clone();
    Ok((id, collect(&Commit(files), coverage)))
}

/// One change, and what is to be said of it.
struct Line {
    change: Change,
    signals: Vec<Signal>,
    /// Issues that it brings: the state before has none of them for this package.
    brings: Vec<Issue>,
    /// How many issues it takes away.
    mends: usize,
}

struct Review {
    range: String,
    base: String,
    head: String,
    before: Collected,
    after: Collected,
    lines: Vec<Line>,
    undecided: BTreeMap<String, BTreeSet<String>>,
}

/// Runs the command.
pub(crate) fn run(args: &DiffArgs, context: &Context) -> Result<Exit> {
    let (a, b, common) = match args.range.split_once("...") {
        Some((a, b)) => (a, b, true),
        None => {
            let (a, b) = args.range.split_once("..").with_context(|| {
                format!("`{}` is no range: A..B compares two commits, A...B what B brings since it left A", args.range)
            })?;
            (a, b, false)
        }
    };
    let or_head = |name: &str| if name.is_empty() { "HEAD".to_owned() } else { name.to_owned() };
    let (a, b) = (or_head(a), or_head(b));
    let a = if common { merge_base(&args.path, &a, &b)? } else { a };
    let (base, before) = read(&args.path, &a)?;
    let (head, after) = read(&args.path, &b)?;
    let mut review =
        Review { range: args.range.clone(), base, head, lines: Vec::new(), undecided: BTreeMap::new(), before, after };
    let mut all = changes(&review.before, &review.after);
    let flawed = new_flaws(args, &review, &mut all);
    let min_age = supply::min_age(&args.supply)?;
    let database = if args.no_advisories && min_age.is_none() { None } else { Some(args.which.open(context)?) };
    let (old, new) = match &database {
        Some(database) if !args.no_advisories => {
            let history =
                super::histories(&args.counting.git_history, Some(&args.path), &[&review.before, &review.after])?;
            let old = provost_deps::assess(&review.before, database, &history)?;
            let new = provost_deps::assess(&review.after, database, &history)?;
            (Some(old), Some(new))
        }
        _ => (None, None),
    };
    for change in all {
        let at = match &change {
            Change::Added { at, .. } | Change::Version { at, .. } | Change::Content { at, .. } => Some(*at),
            Change::Removed { .. } => None,
        };
        let earlier = match &change {
            Change::Version { before, .. } | Change::Content { before, .. } | Change::Removed { before } => {
                Some(*before)
            }
            Change::Added { .. } => None,
        };
        let ids_before: BTreeSet<String> = match (&old, earlier) {
            (Some(old), Some(at)) => old
                .issues
                .iter()
                .filter(|i| (i.source, i.package) == (at.source, at.package))
                .map(|issue| issue.fault.id().to_owned())
                .collect(),
            _ => BTreeSet::new(),
        };
        let issues: Vec<&Issue> = match (&new, at) {
            (Some(new), Some(at)) => {
                new.issues.iter().filter(|i| (i.source, i.package) == (at.source, at.package)).collect()
            }
            _ => Vec::new(),
        };
        let ids_after: BTreeSet<String> = issues.iter().map(|issue| issue.fault.id().to_owned()).collect();
        let mut brings: Vec<Issue> =
            issues.into_iter().filter(|issue| !ids_before.contains(issue.fault.id())).cloned().collect();
        brings.extend(flawed.iter().filter(|i| at.is_some_and(|at| is_at(i, at))).cloned());
        if let (Some((days, until)), Some(database), Some(at)) = (min_age, &database, at) {
            let package = package_at(&review.after, at);
            // A version that was there before is no younger for having another digest.
            let known = matches!(change, Change::Content { .. });
            if let Some(fault) = supply::young(package, database, days, until)?.filter(|_| !known) {
                let path = path_to(&review.after.sources[at.source].inventory, at.package);
                brings.push(Issue { source: at.source, package: at.package, fault, linked: None, path });
            } else if matches!(age_of(package, database)?, Age::Unknown) && !known {
                let why = "nothing says when it was published (`provost db import --releases`)".to_owned();
                review.undecided.entry(why).or_default().insert(findings::name_of(package));
            }
        }
        brings.sort_by_key(|issue| std::cmp::Reverse(weight(&issue.fault)));
        let mends = ids_before.difference(&ids_after).count();
        if let (Some(new), Some(at)) = (&new, at) {
            for one in new.undecided.iter().filter(|one| (one.source, one.package) == (at.source, at.package)) {
                let name = findings::name_of(package_at(&review.after, at));
                review.undecided.entry(one.why.clone()).or_default().insert(name);
            }
        }
        let signals = signals(&review.after, &change, &args.own);
        review.lines.push(Line { change, signals, brings, mends });
    }
    let report = match args.format {
        DiffFormat::Text => text(&review),
        DiffFormat::Json => format!("{:#}\n", json(args, &review)),
        DiffFormat::Markdown => markdown(args, &review),
    };
    put(args.output.as_deref(), &report)?;
    Ok(exit(args, &review))
}

fn is_at(issue: &Issue, at: At) -> bool {
    (issue.source, issue.package) == (at.source, at.package)
}

/// What is wrong with entries of locks and was not before. An entry of which nothing else changed is added to the changes. What
/// the signals of a change tell already is left to them.
fn new_flaws(args: &DiffArgs, review: &Review, all: &mut Vec<Change>) -> Vec<Issue> {
    let told = |issue: &Issue| {
        let told = matches!(
            issue.fault,
            Fault::Lock { flaw: Flaw::Unprotected { .. } | Flaw::Unpinned { .. } | Flaw::NoDigest }
        );
        told && all.iter().any(|change| match change {
            Change::Added { at, .. } | Change::Version { at, .. } | Change::Content { at, .. } => is_at(issue, *at),
            Change::Removed { .. } => false,
        })
    };
    let key = |collected: &Collected, issue: &Issue| {
        let source = &collected.sources[issue.source];
        let package = &source.inventory.packages[issue.package];
        (source.path.clone(), package.name.clone(), package.version.clone(), issue.fault.id().to_owned())
    };
    let before: BTreeSet<_> =
        flaws(&review.before, &args.supply.registry).iter().map(|issue| key(&review.before, issue)).collect();
    let new: Vec<Issue> = flaws(&review.after, &args.supply.registry)
        .into_iter()
        .filter(|issue| !before.contains(&key(&review.after, issue)) && !told(issue))
        .collect();
    for issue in &new {
        let at = At { source: issue.source, package: issue.package };
        let known = all.iter().any(|change| match change {
            Change::Added { at, .. } | Change::Version { at, .. } | Change::Content { at, .. } => is_at(issue, *at),
            Change::Removed { .. } => false,
        });
        let earlier = || {
            let (path, package) = (&review.after.sources[at.source].path, package_at(&review.after, at));
            let source = review.before.sources.iter().position(|source| source.path == *path)?;
            let same = |one: &Package| one.name == package.name && one.version == package.version;
            let package = review.before.sources[source].inventory.packages.iter().position(same)?;
            Some(At { source, package })
        };
        if !known && let Some(before) = earlier() {
            all.push(Change::Content { before, at, what: "what the lock says of it".to_owned() });
        }
    }
    new
}

/// True for what no change should bring unnoticed.
fn is_alarm(signal: &Signal) -> bool {
    matches!(
        signal,
        Signal::LookAlike(_) | Signal::ContentChanged { .. } | Signal::Confusion { .. } | Signal::Unprotected { .. }
    )
}

fn counts(args: &DiffArgs, review: &Review, line: &Line) -> bool {
    let issue = |issue: &Issue| {
        let package = &review.after.sources[issue.source].inventory.packages[issue.package];
        of_origin(&args.counting, &args.supply.registry, &issue.fault)
            .or_else(|| tolerated(&args.counting, package, &issue.fault))
            .is_none()
    };
    line.brings.iter().any(issue)
        || line.signals.iter().any(is_alarm)
        || (args.deny_new && matches!(line.change, Change::Added { new: true, .. }))
}

fn exit(args: &DiffArgs, review: &Review) -> Exit {
    let complete = review.undecided.is_empty() && review.after.coverage.is_complete();
    if review.lines.iter().any(|line| counts(args, review, line)) {
        Exit::Denied
    } else if !complete && !args.allow_partial {
        Exit::Undecided
    } else {
        Exit::Pass
    }
}

/// What happened to the package: a sign, its name, its versions.
fn headline<'r>(review: &'r Review, change: &Change) -> (&'static str, &'r Package, String, &'r str) {
    let version = |package: &Package| {
        package.version.clone().or_else(|| package.requirement.clone()).unwrap_or_else(|| "not resolved".to_owned())
    };
    match change {
        Change::Added { at, new } => {
            let package = package_at(&review.after, *at);
            let text = if *new { format!("{} (new to the project)", version(package)) } else { version(package) };
            ("+", package, text, &review.after.sources[at.source].path)
        }
        Change::Removed { before } => {
            let package = package_at(&review.before, *before);
            ("-", package, version(package), &review.before.sources[before.source].path)
        }
        Change::Version { before, at, .. } => {
            let package = package_at(&review.after, *at);
            let text = format!("{} → {}", version(package_at(&review.before, *before)), version(package));
            ("~", package, text, &review.after.sources[at.source].path)
        }
        Change::Content { at, .. } => {
            let package = package_at(&review.after, *at);
            ("!", package, version(package), &review.after.sources[at.source].path)
        }
    }
}

fn signal_text(signal: &Signal) -> String {
    match signal {
        Signal::InstallScript => "runs a script when it is installed".to_owned(),
        Signal::LookAlike(one) => format!("its name resembles {}: {}", one.of, one.how),
        Signal::NotFromRegistry { from } => format!("does not come from a registry but from {from}"),
        Signal::Unprotected { url } => format!("comes over an unprotected connection: {url}"),
        Signal::Unpinned { url } => format!("comes from {url} without a commit that pins it"),
        Signal::NoDigest => "has no digest, unlike the others".to_owned(),
        Signal::ContentChanged { what } => format!("the same version with other content: {what}"),
        Signal::Downgraded => "became older".to_owned(),
        Signal::Confusion { own } => {
            format!("its name is one of the project's own ({own}), but it comes from the public registry")
        }
    }
}

fn issue_text(issue: &Issue) -> String {
    match &issue.fault {
        Fault::Advisory(one) => format!("{}: {} {}", one.weight(), one.id, one.summary),
        Fault::Deprecated { text } => format!("deprecated: {text}"),
        Fault::Yanked => "the version was taken back".to_owned(),
        other => findings::said_of(other, false),
    }
}

fn text(review: &Review) -> String {
    let mut out = String::new();
    let mut file = "";
    for line in &review.lines {
        let (sign, package, versions, path) = headline(review, &line.change);
        if path != file {
            let _ = writeln!(out, "{}", render::bold(&printable(path)));
            file = path;
        }
        let _ = writeln!(out, "  {sign} {} {}", render::bold(&printable(&package.name)), printable(&versions));
        for signal in &line.signals {
            let text = printable(&signal_text(signal));
            let text = if is_alarm(signal) { render::error(&text) } else { render::warning(&text) };
            let _ = writeln!(out, "      {text}");
        }
        for issue in &line.brings {
            let _ = writeln!(out, "      {} {}", render::error("brings"), printable(&issue_text(issue)));
        }
        if line.mends > 0 {
            let _ = writeln!(
                out,
                "      {}",
                render::dim(&format!("mends {}", count(line.mends as u64, "issue", "issues")))
            );
        }
    }
    let _ = writeln!(out, "{}", totals(review));
    for (why, names) in &review.undecided {
        let _ = writeln!(out, "{} {}: {}", render::warning("not judged:"), printable(&some(names)), printable(why));
    }
    for gap in review.after.coverage.failures.iter().chain(&review.after.coverage.parts).take(20) {
        let _ = writeln!(out, "{} {}: {}", render::warning("not read:"), printable(&gap.place), printable(&gap.why));
    }
    out
}

fn some(names: &BTreeSet<String>) -> String {
    let first: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    let rest = if names.len() > 5 { format!(" and {} more", names.len() - 5) } else { String::new() };
    first.join(", ") + &rest
}

fn totals(review: &Review) -> String {
    if review.lines.is_empty() {
        return format!("no change of dependencies in {}", review.range);
    }
    let of = |wanted: fn(&Change) -> bool| review.lines.iter().filter(|line| wanted(&line.change)).count();
    let brings: usize = review.lines.iter().map(|line| line.brings.len()).sum();
    let mends: usize = review.lines.iter().map(|line| line.mends).sum();
    format!(
        "{} added, {} removed, {} changed; {} brought, {} mended",
        of(|change| matches!(change, Change::Added { .. })),
        of(|change| matches!(change, Change::Removed { .. })),
        of(|change| matches!(change, Change::Version { .. } | Change::Content { .. })),
        count(brings as u64, "issue", "issues"),
        mends
    )
}

/// Text for a cell. Names and texts of a change are its author's: nothing of them may become markup, and nothing a link or a
/// mention. Escapes do not hold forges from making links of bare addresses and of names behind `@` and `#`, which they
/// look for in the finished text: an invisible joiner breaks those.
fn cell(text: &str) -> String {
    const JOINER: char = '\u{2060}';
    let text = printable(text);
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if c.is_ascii_punctuation()
            && !matches!(c, '.' | ',' | '-' | '/' | ':' | ';' | '%' | '?' | '=' | '+' | '\'' | '"')
        {
            out.push('\\');
        }
        out.push(c);
        let before = &text.as_bytes()[..at];
        let www = c == '.' && before.len() >= 3 && before[before.len() - 3..].eq_ignore_ascii_case(b"www");
        if www || matches!(c, '@' | '#') || (c == ':' && text[at + 1..].starts_with('/')) {
            out.push(JOINER);
        }
    }
    out
}

fn markdown(args: &DiffArgs, review: &Review) -> String {
    let mut out = format!("### Dependencies: {}\n\n", cell(&totals(review)));
    if review.lines.is_empty() {
        return out;
    }
    out.push_str("| | package | version | worth a look |\n|---|---|---|---|\n");
    for line in &review.lines {
        let (sign, package, versions, _) = headline(review, &line.change);
        let mut remarks: Vec<String> = line.signals.iter().map(signal_text).collect();
        remarks.extend(line.brings.iter().map(issue_text));
        if line.mends > 0 {
            remarks.push(format!("mends {}", count(line.mends as u64, "issue", "issues")));
        }
        let mark = if counts(args, review, line) { "⛔" } else { sign };
        let remarks: Vec<String> = remarks.iter().map(|text| cell(text)).collect();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            if mark == "~" { "↔" } else { mark },
            cell(&package.name),
            cell(&versions),
            remarks.join("<br>")
        );
    }
    for (why, names) in &review.undecided {
        let _ = writeln!(out, "\nNot judged: {} ({})", cell(&some(names)), cell(why));
    }
    out
}

fn json(args: &DiffArgs, review: &Review) -> Value {
    let lines: Vec<Value> = review
        .lines
        .iter()
        .map(|line| {
            let (_, package, _, path) = headline(review, &line.change);
            let (before, at) = match &line.change {
                Change::Added { at, .. } => (None, Some(*at)),
                Change::Removed { before } => (Some(*before), None),
                Change::Version { before, at, .. } | Change::Content { before, at, .. } => (Some(*before), Some(*at)),
            };
            let kind = match &line.change {
                Change::Added { .. } => "added",
                Change::Removed { .. } => "removed",
                Change::Version { .. } => "version",
                Change::Content { .. } => "content",
            };
            json!({
                "change": kind,
                "source": path,
                "ecosystem": package.ecosystem,
                "name": package.name,
                "new": matches!(line.change, Change::Added { new: true, .. }),
                "before": before.map(|at| package_at(&review.before, at).version.clone()),
                "after": at.map(|at| package_at(&review.after, at).version.clone()),
                "direct": at.and_then(|at| package_at(&review.after, at).direct),
                "signals": line.signals,
                "brings": line.brings.iter().map(|issue| &issue.fault).collect::<Vec<_>>(),
                "mends": line.mends,
                "counts": counts(args, review, line),
            })
        })
        .collect();
    json!({
        "range": review.range,
        "base": review.base,
        "head": review.head,
        "changes": lines,
        "notJudged": review.undecided,
        "coverage": review.after.coverage,
    })
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn nothing_of_a_change_becomes_a_link_or_a_mention() {
        for (text, shown) in [
            ("https://evil.example/x", "https:\u{2060}//evil.example/x"),
            ("WWW.evil.example", "WWW.\u{2060}evil.example"),
            ("@acme/tool", "\\@\u{2060}acme/tool"),
            ("a#1", "a\\#\u{2060}1"),
            ("me@evil.example", "me\\@\u{2060}evil.example"),
            ("[x](y) | `z`", "\\[x\\]\\(y\\) \\| \\`z\\`"),
            ("<img>&lt;", "\\<img\\>\\&lt;"),
            ("serde-json 1.0.0", "serde-json 1.0.0"),
        ] {
            assert_eq!(cell(text), shown);
        }
    }
}
