//! What CI systems show of the gate's answer.

use std::fmt::Write as _;

use provost_gate::{Answer, RuleReport};

use super::{github, gitlab, markdown};
use crate::gate::case::Case;
use crate::gate::{Heard, text};

/// The answer in one word, without colour.
fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Allow => "ALLOW",
        Answer::RunSandboxed => "RUN SANDBOXED",
        Answer::WaitUntil => "WAIT",
        Answer::NeedsApproval => "NEEDS APPROVAL",
        Answer::Deny => "DENY",
    }
}

/// A job summary in GitHub's Markdown.
pub(super) fn summary(case: &Case, heard: &Heard) -> String {
    let decision = &heard.decision;
    let binding = &case.proposal.binding;
    let mut out =
        format!("## provost gate: {}\n\n{}\n\n", word(decision.answer), markdown::text(&text::sentence(decision)));
    let mut facts = vec![
        ("proposed", markdown::code(&binding.head)),
        ("target", markdown::code(&binding.target.reference)),
        ("base", markdown::code(binding.base.as_deref().unwrap_or("none"))),
        ("resulting tree", markdown::code(binding.tree.as_deref().unwrap_or("none: it does not merge"))),
        ("policy", format!("{}, serial {}", markdown::text(&case.policy().name), case.policy().serial)),
    ];
    if let Some(step) = &binding.target.step {
        facts.insert(0, ("step", markdown::code(step)));
    }
    out += "| | |\n| --- | --- |\n";
    for (label, value) in facts {
        let _ = writeln!(out, "| {label} | {value} |");
    }
    let mut rules: Vec<&RuleReport> = decision.rules.iter().collect();
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.answer));
    let rows = rules.iter().map(|rule| {
        let todo = if rule.whom.is_empty() { rule.hint.clone() } else { format!("ask {}", rule.whom.join(", ")) };
        let paths = rule.paths.iter().take(3).map(|path| markdown::code(path)).collect::<Vec<_>>().join("<br>");
        vec![
            word(rule.answer).to_lowercase(),
            markdown::code(&rule.rule),
            markdown::text(&rule.reason),
            paths,
            markdown::text(&todo),
        ]
    });
    markdown::table(&mut out, "Rules", &["", "rule", "reason", "paths", "what to do"], rows, rules.len());
    let rows = decision.stale.iter().map(|stale| vec![markdown::text(&stale.person), markdown::text(&stale.why)]);
    markdown::table(&mut out, "Approvals that do not count", &["of", "why"], rows, decision.stale.len());
    let notes = text::notes(case, heard);
    for note in notes.iter().take(20) {
        let _ = writeln!(out, "\n- {}", markdown::text(note));
    }
    out
}

/// That there is no decision.
pub(super) fn undecided(why: &str) -> String {
    format!("## provost gate: COULD NOT DECIDE\n\nThat is not allowed: {}\n", markdown::code(why))
}

/// Annotations of what stands against it, each at the first path that it is about.
pub(super) fn annotations(heard: &Heard) -> String {
    let against = heard.decision.against().take(10);
    against
        .map(|rule| {
            let level = if rule.answer == Answer::Deny { "error" } else { "warning" };
            let title = format!("provost gate: {}", rule.rule);
            github::command(level, rule.paths.first().map(String::as_str), &title, &rule.reason)
        })
        .collect()
}

/// A line for GitLab's log that stands out; the text itself is on standard output already.
pub(super) fn section(name: &str, at: i64, heard: &Heard) -> String {
    let line = format!("provost gate: {}: {}", word(heard.decision.answer), text::sentence(&heard.decision));
    let calm = heard.decision.answer == Answer::Allow;
    format!("{}{}", gitlab::open(name, at, &line, calm), gitlab::close(name, at))
}
