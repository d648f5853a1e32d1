//! A job summary in GitHub's Markdown.

use std::fmt::Write as _;

use provost_model::{BackEnd, FileKind, Level, Permission, RuleState, count, human_bytes, printable};

use super::{Told, program, serious, word};

/// Rows of each table.
const MOST: usize = 50;
/// Characters of one cell.
const MOST_CHARACTERS: usize = 300;

/// The summary of a run.
pub(super) fn summary(told: &Told<'_>) -> String {
    let (record, observation) = (told.record, &told.record.observation);
    let mut out = format!("## provost: {}: {}\n\n", text(told.step), word(told.verdict.outcome));
    let mut facts: Vec<(&str, String)> = Vec::new();
    let seconds = (record.finished.milliseconds() - record.started.milliseconds()) as f64 / 1000.0;
    facts.push(("ran", format!("{} ({}, {seconds:.1} s)", code(&record.command.join(" ")), record.ending)));
    facts.push(("verdict", format!("**{}** by the policy {}", word(told.verdict.outcome), text(&told.verdict.policy))));
    if observation.back_end == BackEnd::None {
        facts.push(("watched", "**no evidence**: nobody watched the command".into()));
    } else {
        facts.push((
            "watched",
            format!(
                "{}, {}, {}; {}",
                count(observation.processes.len() as u64, "process", "processes"),
                count(observation.files.len() as u64, "file", "files"),
                count(observation.network.len() as u64, "network event", "network events"),
                if observation.is_complete() && record.left_running == 0 { "nothing lost" } else { "**not complete**" }
            ),
        ));
        facts.push(("guard", format!("{}, {}", told.guard_mode, violations_line(told))));
    }
    let source = count(record.materials.entries.len() as u64, "file", "files");
    facts.push(("came in", format!("{source}, {}", human_bytes(record.materials.bytes()))));
    let entries = match (told.statements.first(), told.statements.last()) {
        (Some(first), Some(last)) => format!(", entries {} to {} of the log", first.2, last.2),
        _ => String::new(),
    };
    let signed = count(told.statements.len() as u64, "statement", "statements");
    facts.push(("evidence", format!("{signed} signed by {}{entries}", code(told.signer))));
    out += "| | |\n| --- | --- |\n";
    for (label, value) in facts {
        let _ = writeln!(out, "| {label} | {value} |");
    }
    rules(&mut out, told);
    violations(&mut out, told);
    findings(&mut out, told);
    completeness(&mut out, told);
    products(&mut out, told);
    out
}

/// There is none.
pub(super) fn no_evidence(step: &str, why: &str) -> String {
    format!("## provost: {}: NO EVIDENCE\n\nThe step failed, and nothing is signed: {}\n", text(step), code(why))
}

fn violations_line(told: &Told<'_>) -> String {
    let all = &told.record.observation.violations;
    let refused = all.iter().filter(|violation| violation.permission == Permission::Refused).count();
    match (all.len(), refused) {
        (0, _) => "nothing was done against it".into(),
        (all, 0) => format!("**{}**, let through", count(all as u64, "violation", "violations")),
        (all, refused) => format!("**{}**, {refused} refused", count(all as u64, "violation", "violations")),
    }
}

fn rules(out: &mut String, told: &Told<'_>) {
    let open: Vec<_> = told
        .verdict
        .rules
        .iter()
        .filter(|rule| !matches!(rule.state, RuleState::Satisfied | RuleState::NotApplicable))
        .collect();
    if open.is_empty() {
        return;
    }
    let rows = open.iter().map(|rule| {
        let state = match (rule.state, rule.fails()) {
            (RuleState::NoEvidence, _) => "no evidence",
            (_, true) => "not satisfied",
            (_, false) => "warning",
        };
        vec![code(&rule.rule), state.to_owned(), text(&rule.reason)]
    });
    table(out, "Rules that are not satisfied", &["rule", "", "reason"], rows, open.len());
}

fn violations(out: &mut String, told: &Told<'_>) {
    let observation = &told.record.observation;
    let rows = observation.violations.iter().map(|violation| {
        let done = match violation.permission {
            Permission::Refused => "refused",
            Permission::Allowed => "let through",
        };
        let times = if violation.count > 1 { format!(" ({} times)", violation.count) } else { String::new() };
        vec![
            done.to_owned(),
            text(&violation.kind),
            format!("{}{times}", code(&violation.what)),
            code(program(observation, violation).unwrap_or("a process")),
        ]
    });
    table(out, "Violations of the guard", &["", "kind", "what was wanted", "by"], rows, observation.violations.len());
}

fn findings(out: &mut String, told: &Told<'_>) {
    let all: Vec<_> = serious(told.findings).collect();
    let rows = all.iter().map(|finding| {
        let level = if finding.level == Level::Error { "error" } else { "warning" };
        vec![level.to_owned(), code(&finding.rule), text(&finding.message)]
    });
    table(out, "Suspicious behaviour", &["level", "rule", "what was found"], rows, all.len());
    let notes = told.findings.len() - all.len();
    if notes > 0 {
        let _ = writeln!(out, "\n{}: in the report.", count(notes as u64, "note", "notes"));
    }
}

fn completeness(out: &mut String, told: &Told<'_>) {
    let (record, observation) = (told.record, &told.record.observation);
    let coverage = &observation.coverage;
    out.push_str("\n### Completeness\n\n");
    let mut say = |line: &str| {
        let _ = writeln!(out, "- {line}");
    };
    if observation.back_end == BackEnd::None {
        say(
            "**No evidence**: what happened while the command ran is not known. That no violation is listed says nothing.",
        );
        coverage.not_used.iter().take(MOST).for_each(|why| say(&text(why)));
        return;
    }
    say(&format!(
        "Watched by {}: {} lost.",
        observation.back_end.name(),
        count(coverage.events_lost, "event", "events")
    ));
    coverage.incomplete.iter().take(MOST).for_each(|why| say(&format!("**Not complete**: {}", text(why))));
    for service in coverage.delegated.iter().take(MOST) {
        say(&format!("**Not seen**: work that was handed to {}", code(service)));
    }
    if record.left_running > 0 {
        let left = count(u64::from(record.left_running), "process was", "processes were");
        say(&format!("**Not complete**: {left} still running when the command had ended."));
    }
    let remembered = coverage.counters.get("rememberedDigests").copied().unwrap_or(0);
    if remembered > 0 {
        say(&format!("{} from earlier runs.", count(remembered, "digest is", "digests are")));
    }
    if !coverage.not_seen.is_empty() {
        let lines: Vec<String> = coverage.not_seen.iter().map(|line| text(line)).collect();
        say(&format!("Not seen in principle: {}.", lines.join("; ")));
    }
}

fn products(out: &mut String, told: &Told<'_>) {
    let mut files: Vec<_> = told.record.products.entries.iter().filter(|entry| entry.kind == FileKind::File).collect();
    files.sort_by_key(|entry| (std::cmp::Reverse((entry.executable, entry.size)), &entry.name));
    let rows = files.iter().map(|entry| {
        vec![
            code(&entry.name.text),
            human_bytes(entry.size),
            entry.digest.map_or_else(|| "no certain digest".into(), |digest| code(&digest.to_hex())),
        ]
    });
    table(out, "Products", &["file", "size", "SHA-256"], rows, files.len());
}

/// A table under a heading, cut where it is long; nothing where it has no rows.
pub(super) fn table(
    out: &mut String,
    title: &str,
    heads: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    all: usize,
) {
    if all == 0 {
        return;
    }
    let _ = writeln!(out, "\n### {title} ({all})\n\n| {} |\n|{}", heads.join(" | "), " --- |".repeat(heads.len()));
    for row in rows.take(MOST) {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    if all > MOST {
        let _ = writeln!(out, "\nand {} more, in the report.", all - MOST);
    }
}

/// Foreign text as text: every character that means something to Markdown, HTML or the platform's own links is an
/// entity, and none is a line's end.
pub(super) fn text(foreign: &str) -> String {
    let foreign = printable(foreign);
    let mut out = String::with_capacity(foreign.len());
    for (at, c) in foreign.chars().enumerate() {
        if at == MOST_CHARACTERS {
            out.push('…');
            break;
        }
        match c {
            // The element parts an address or a mention that is looked for after entities have become characters.
            '@' => out.push_str("&#64;<wbr>"),
            ' ' | '-' | ',' | ';' | '/' | '%' | '=' => out.push(c),
            c if c.is_ascii_punctuation() => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// The same as code: there a platform makes no links.
pub(super) fn code(foreign: &str) -> String {
    format!("<code>{}</code>", text(foreign))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hostile, told};
    use super::*;

    #[test]
    fn foreign_text_stays_in_its_cell() {
        let (record, verdict, findings) = hostile();
        let shown = summary(&told(&record, &verdict, &findings));
        assert!(!shown.contains("<img") && !shown.contains("\n## PASSED") && !shown.contains('\u{202e}'), "{shown}");
        // Each table's rows have as many cells as its head.
        let mut cells = None;
        for line in shown.lines() {
            if line.starts_with('|') {
                let bars = line.matches('|').count();
                assert_eq!(*cells.get_or_insert(bars), bars, "{line}");
            } else {
                cells = None;
            }
        }
        insta::assert_snapshot!(shown, @r#"
        ## provost: bu&#124;ld: FAILED

        | | |
        | --- | --- |
        | ran | <code>sh -c x &#124; &#96;y&#96;</code> (exit status 0, 1.5 s) |
        | verdict | **FAILED** by the policy p |
        | watched | 1 process, 0 files, 0 network events; **not complete** |
        | guard | prevent, **1 violation**, 1 refused |
        | came in | 0 files, 0 B |
        | evidence | 0 statements signed by <code>ab12…</code> |

        ### Violations of the guard (1)

        |  | kind | what was wanted | by |
        | --- | --- | --- | --- |
        | refused | network | <code>tcp a&#124;b&#96;c&#96;&#60;/code&#62;&#60;img src=x onerror=alert&#40;1&#41;&#62;&#92;u&#123;a&#125;&#35;&#35; PASSED&#92;u&#123;d&#125;&#92;u&#123;a&#125;&#58;&#58;error&#58;&#58;x&#92;u&#123;202e&#125;&#91;y&#93;&#40;javascript&#58;z&#41; &#64;<wbr>user</code> (3 times) | <code>/usr/bin/evil&#124;name</code> |

        ### Suspicious behaviour (1)

        | level | rule | what was found |
        | --- | --- | --- |
        | error | <code>source-changed-by-build</code> | a&#124;b&#96;c&#96;&#60;/code&#62;&#60;img src=x onerror=alert&#40;1&#41;&#62;&#92;u&#123;a&#125;&#35;&#35; PASSED&#92;u&#123;d&#125;&#92;u&#123;a&#125;&#58;&#58;error&#58;&#58;x&#92;u&#123;202e&#125;&#91;y&#93;&#40;javascript&#58;z&#41; &#64;<wbr>user was changed |

        1 note: in the report.

        ### Completeness

        - Watched by notify: 0 events lost.
        - **Not seen**: work that was handed to <code>docker</code>

        ### Products (1)

        | file | size | SHA-256 |
        | --- | --- | --- |
        | <code>out/x&#124;y</code> | 12 B | <code>2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881</code> |
        "#);
    }

    #[test]
    fn nobody_watched_is_no_pass() {
        let (mut record, verdict, _) = hostile();
        record.observation = provost_model::Observation::none(vec!["it was switched off".into()]);
        let shown = summary(&told(&record, &verdict, &[]));
        assert!(shown.contains("| watched | **no evidence**: nobody watched the command |"), "{shown}");
        assert!(!shown.contains("nothing lost") && !shown.contains("nothing was done against"), "{shown}");
        assert!(no_evidence("a`b", "<b>\nx").contains("NO EVIDENCE"));
        assert!(!no_evidence("a`b", "<b>\nx").contains("<b>"));
    }
}
