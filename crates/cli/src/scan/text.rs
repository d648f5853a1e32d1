//! Findings for people.

use std::fmt::Write as _;

use provost_model::{Confidence, Finding, Level, count, human_bytes, printable};
use provost_scan::{Coverage, State};

use super::Done;
use crate::render;

/// Gaps in coverage that are named; the rest is counted.
const GAPS: usize = 5;

/// Everything, most serious last, so that it stands right above the prompt.
pub(crate) fn report(done: &Done) -> String {
    let mut out = String::new();
    let mut findings: Vec<&Finding> = done.judgement.new_ones().collect();
    super::most_serious_first(&mut findings);
    for finding in findings.iter().rev() {
        out.push_str(&one(finding));
    }
    out
}

pub(crate) fn one(finding: &Finding) -> String {
    let mut out = String::new();
    let level = match finding.level {
        Level::Error => render::error("error"),
        Level::Warning => render::warning("warning"),
        Level::Note => render::dim("note"),
    };
    let _ = writeln!(
        out,
        "{level}: {} {}",
        render::bold(&printable(&finding.message)),
        render::dim(&format!("[{}]", finding.rule))
    );
    let mut place = finding.file.as_deref().map(printable).unwrap_or_default();
    for member in &finding.within {
        let _ = write!(place, " ▸ {}", printable(member));
    }
    if let Some(span) = finding.span {
        let _ = write!(place, ":{}:{}", span.line, span.column);
    }
    let _ = writeln!(out, "  {} {place}", render::dim("-->"));
    if let Some(commit) = &finding.commit {
        let _ = writeln!(out, "      {}", render::dim(&format!("commit {commit}")));
    }
    if let Some(excerpt) = &finding.excerpt {
        let number = finding.span.map_or_else(String::new, |span| span.line.to_string());
        let margin = " ".repeat(number.len());
        let bar = render::dim("|");
        let mark = "^".repeat(excerpt.end.saturating_sub(excerpt.start).max(1));
        let _ = writeln!(out, " {} {bar} {}", render::dim(&number), excerpt.text);
        let _ = writeln!(out, " {margin} {bar} {}{}", " ".repeat(excerpt.start), render::error(&mark));
    }
    let sure = match finding.confidence {
        Some(Confidence::Verified) => "verified by its structure",
        Some(Confidence::Likely) => "likely",
        Some(Confidence::Weak) => "weak",
        None => "",
    };
    let why = std::iter::once(sure).chain(finding.why.iter().map(String::as_str)).filter(|w| !w.is_empty());
    let _ = writeln!(out, "  {} {}", render::dim("why:"), printable(&why.collect::<Vec<_>>().join("; ")));
    if let Some(help) = &finding.help {
        let _ = writeln!(out, "  {} {}", render::dim("do: "), printable(help));
    }
    let _ = writeln!(out, "  {} {}\n", render::dim("id: "), render::dim(&finding.fingerprint.to_hex()[..16]));
    out
}

/// The end: what was found, what was scanned and what was not.
pub(crate) fn summary(done: &Done) -> String {
    let mut out = String::new();
    let of = |wanted: fn(&State) -> bool| done.judgement.findings.iter().filter(|j| wanted(&j.state)).count() as u64;
    let new = of(|state| *state == State::New);
    let known = of(|state| *state == State::Known);
    let suppressed = of(|state| matches!(state, State::Suppressed(_)));
    let mut found = if new == 0 {
        "no secrets found".to_owned()
    } else {
        render::error(&count(new, "secret found", "secrets found"))
    };
    if known > 0 {
        let _ = write!(found, ", {known} known from the baseline");
    }
    if suppressed > 0 {
        let _ = write!(found, ", {suppressed} suppressed");
    }
    let _ = writeln!(out, "{found} in {}", printable(&done.target));
    let coverage = &done.coverage;
    let mut scanned = count(coverage.scanned, "input", "inputs");
    if coverage.members > 0 {
        let _ = write!(scanned, " and {} in archives", count(coverage.members, "member", "members"));
    }
    let seconds = done.elapsed.as_secs_f64();
    let _ = writeln!(
        out,
        "{}",
        render::dim(&format!(
            "{scanned}, {} in {seconds:.2} s by {} rules",
            human_bytes(coverage.bytes),
            done.rule_count
        ))
    );
    gaps(&mut out, coverage);
    for remark in &done.judgement.remarks {
        let _ = writeln!(out, "{} {}", render::warning("note:"), printable(remark));
    }
    if done.judgement.gone > 0 {
        let gone = count(done.judgement.gone as u64, "finding of the baseline is", "findings of the baseline are");
        let _ = writeln!(
            out,
            "{}",
            render::dim(&format!("{gone} not there any more: write it anew with --write-baseline"))
        );
    }
    out
}

fn gaps(out: &mut String, coverage: &Coverage) {
    for (number, list, word) in [
        (coverage.failed, &coverage.failures, "could not be scanned"),
        (coverage.partial, &coverage.parts, "scanned in part only"),
    ] {
        if number == 0 {
            continue;
        }
        let _ = writeln!(out, "{} {} {word}:", render::warning("not complete:"), count(number, "input", "inputs"));
        for gap in list.iter().take(GAPS) {
            let _ = writeln!(out, "  {}: {}", printable(&gap.place), printable(&gap.why));
        }
        if number > GAPS as u64 {
            let _ = writeln!(out, "  {}", render::dim("… the JSON report lists all"));
        }
    }
    if coverage.skipped > 0 {
        let _ = writeln!(
            out,
            "{}",
            render::dim(&format!("{} left out (links, sockets, git objects, --exclude)", coverage.skipped))
        );
    }
}
