//! What people are shown of a case: the answer first, then why, then what to do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use provost_gate::{Answer, ChangeRecord, Decision, RuleReport};
use provost_model::{count, printable};

use super::Heard;
use super::case::Case;
use crate::render;

/// Commits and paths that are listed.
const LISTED: usize = 12;

/// An id as people read it.
pub(crate) fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}

/// The answer as a word.
pub(crate) fn word(answer: Answer) -> String {
    match answer {
        Answer::Allow => render::outcome_word("ALLOW", true),
        Answer::RunSandboxed => render::warning("RUN SANDBOXED"),
        Answer::WaitUntil => render::warning("WAIT"),
        Answer::NeedsApproval => render::warning("NEEDS APPROVAL"),
        Answer::Deny => render::outcome_word("DENY", false),
    }
}

/// The answer in one sentence.
pub(crate) fn sentence(decision: &Decision) -> String {
    if let Some(persons) = &decision.broken_glass {
        return format!(
            "allowed because {} broke the glass; every rule below that says otherwise still says so",
            persons.join(" and ")
        );
    }
    let missing: usize = decision.rules.iter().map(|rule| rule.missing).max().unwrap_or(0);
    match decision.answer {
        Answer::Allow => "every rule that speaks of it is satisfied".into(),
        Answer::RunSandboxed => "it may run without network, secrets and privilege".into(),
        Answer::WaitUntil => match decision.until {
            Some(until) => format!("it may go on from {until} on"),
            None => "it has to wait".into(),
        },
        Answer::NeedsApproval => {
            let whom: Vec<&String> = decision.rules.iter().flat_map(|rule| &rule.whom).collect();
            let mut names: Vec<&str> = whom.iter().map(|name| name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let of = if names.is_empty() { String::new() } else { format!(", of {}", some(&names)) };
            format!("{} missing{of}", count(missing as u64, "approval is", "approvals are"))
        }
        Answer::Deny => {
            let against: Vec<&RuleReport> = decision.rules.iter().filter(|rule| rule.answer == Answer::Deny).collect();
            format!("{} against it", count(against.len() as u64, "rule stands", "rules stand"))
        }
    }
}

fn some(names: &[&str]) -> String {
    let first = names.iter().take(6).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 6 { format!("{first} and {} more", names.len() - 6) } else { first }
}

fn mark(answer: Answer) -> String {
    match answer {
        Answer::Allow => render::outcome_word("✓", true),
        Answer::RunSandboxed | Answer::WaitUntil | Answer::NeedsApproval => render::warning("!"),
        Answer::Deny => render::error("✗"),
    }
}

/// One rule.
fn rule(out: &mut String, rule: &RuleReport) {
    let _ =
        writeln!(out, "  {} {}  {}", mark(rule.answer), render::bold(&printable(&rule.rule)), printable(&rule.reason));
    if rule.answer == Answer::Allow {
        return;
    }
    if !rule.paths.is_empty() {
        let shown: Vec<String> = rule.paths.iter().take(4).map(|path| printable(path)).collect();
        let more = if rule.paths.len() > 4 { format!(" and {} more", rule.paths.len() - 4) } else { String::new() };
        let _ = writeln!(out, "      {}", render::dim(&format!("{}{more}", shown.join(", "))));
    }
    if !rule.whom.is_empty() {
        let names: Vec<&str> = rule.whom.iter().map(String::as_str).collect();
        let _ = writeln!(out, "      {}", render::dim(&format!("→ ask {}", printable(&some(&names)))));
    }
    if !rule.hint.is_empty() {
        let _ = writeln!(out, "      {}", render::dim(&format!("→ {}", printable(&rule.hint))));
    }
}

/// Everything.
pub(crate) fn decision(case: &Case, heard: &Heard) -> String {
    let decision = &heard.decision;
    let mut out = format!("{}  {}\n", word(decision.answer), printable(&sentence(decision)));
    out += &proposal(case);
    let mut rules: Vec<&RuleReport> = decision.rules.iter().collect();
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.answer));
    for one in rules {
        rule(&mut out, one);
    }
    if !decision.stale.is_empty() {
        let _ = writeln!(out, "  {}", render::dim("approvals that do not count:"));
        for stale in &decision.stale {
            let _ = writeln!(
                out,
                "    {} {}",
                printable(&stale.person),
                render::dim(&format!("({}…) {}", stale.envelope.short(), printable(&stale.why)))
            );
        }
    }
    for note in notes(case, heard) {
        let _ = writeln!(out, "  {} {}", render::warning("note:"), printable(&note));
    }
    out
}

/// What people should know.
pub(crate) fn notes(case: &Case, heard: &Heard) -> Vec<String> {
    let refused = heard.approvals.refused.iter().map(|why| format!("not taken: {why}"));
    case.notes.iter().chain(&heard.times.notes).cloned().chain(refused.take(20)).collect()
}

/// What is proposed, in a few lines.
pub(crate) fn proposal(case: &Case) -> String {
    let binding = &case.proposal.binding;
    let target = &binding.target;
    let mut out = String::new();
    let base = binding.base.as_deref().map_or_else(|| "nothing".to_owned(), |base| short(base).to_owned());
    let into = format!("{} of {}", target.reference, target.repository);
    let what = match &target.step {
        Some(step) => {
            format!("step {} for {} at {}", render::bold(&printable(step)), printable(&into), short(&binding.head))
        }
        None => {
            format!("{} into {} (at {base}, by {})", short(&binding.head), printable(&into), printable(&case.base_from))
        }
    };
    out += &render::line(if target.step.is_some() { "run" } else { "merge" }, &what);
    let changes = &case.proposal.changes;
    let commits = count(case.proposal.commits.len() as u64, "commit", "commits");
    let mut line = format!("{commits}, {}", count(changes.len() as u64, "path", "paths"));
    let kinds = kinds(changes);
    if !kinds.is_empty() {
        line += &render::dim(&format!(" ({})", kinds.join(", ")));
    }
    out += &render::line("changes", &line);
    let by: Vec<String> = people(case);
    if !by.is_empty() {
        out += &render::line("by", &printable(&by.iter().take(4).cloned().collect::<Vec<_>>().join("; ")));
    }
    if let Some(event) = &case.contribution {
        let number = event.number.map(|number| format!(" #{number}")).unwrap_or_default();
        let title = event.title.as_deref().unwrap_or_default();
        out += &render::line(
            "told by",
            &format!("{}{number} {} {}", event.forge, printable(title), render::dim("(the forge's word)")),
        );
    }
    let serial = format!("{} serial {}, from {}", case.policy().name, case.policy().serial, case.policy_from);
    out += &render::line("policy", &printable(&serial));
    out
}

/// Everyone who had a hand in it, each once, with how that is known.
pub(crate) fn people(case: &Case) -> Vec<String> {
    let mut by: BTreeMap<(&str, bool), (Vec<&str>, &str)> = BTreeMap::new();
    for one in &case.contributors.list {
        let entry = by.entry((&one.name, one.proved)).or_insert_with(|| (Vec::new(), one.class.name()));
        if !entry.0.contains(&one.via.name()) {
            entry.0.push(one.via.name());
        }
    }
    by.into_iter()
        .map(|((name, proved), (via, class))| {
            let proof = if proved { "proved" } else { "claimed" };
            format!("{name} ({}, {class}, {proof})", via.join(" and "))
        })
        .collect()
}

/// How many changes there are of each kind.
pub(crate) fn kinds(changes: &[ChangeRecord]) -> Vec<String> {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for kind in changes.iter().flat_map(|change| &change.kinds) {
        *counted.entry(kind.name()).or_default() += 1;
    }
    counted.into_iter().map(|(name, number)| format!("{number} {name}")).collect()
}

/// What an approval would be of, for whoever is about to sign: commits, people, paths by kind, the resulting tree.
pub(crate) fn review(case: &Case) -> String {
    let mut out = proposal(case);
    for record in case.proposal.commits.iter().take(LISTED) {
        let commit = &record.commit;
        let line = format!("{} {}", short(&commit.id), commit.subject());
        let who = format!("{} <{}>, {}", commit.author.name, commit.author.email, record.signature.describe());
        let _ = writeln!(out, "    {}  {}", printable(&line), render::dim(&printable(&who)));
    }
    more(&mut out, case.proposal.commits.len(), "commits");
    // What deserves another look comes first.
    let mut changes: Vec<&ChangeRecord> = case.proposal.changes.iter().collect();
    changes.sort_by_key(|change| (change.kinds.is_empty(), change.change.path.clone()));
    for change in changes.iter().take(LISTED * 3) {
        let sign = match (&change.change.old, &change.change.new) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "~",
        };
        let kinds: Vec<&str> = change.kinds.iter().map(|kind| kind.name()).collect();
        let mut line = format!("    {sign} {}", printable(&change.change.name()));
        if !kinds.is_empty() {
            line += &format!("  {}", render::warning(&kinds.join(", ")));
        }
        let _ = writeln!(out, "{line}");
        for note in change.notes.iter().take(4) {
            let _ = writeln!(out, "        {}", render::dim(&printable(note)));
        }
    }
    more_of(&mut out, changes.len(), LISTED * 3, "paths");
    if let Some(tree) = &case.proposal.binding.tree {
        out += &render::line("result", &format!("tree {tree}"));
    }
    out
}

fn more(out: &mut String, all: usize, what: &str) {
    more_of(out, all, LISTED, what);
}

fn more_of(out: &mut String, all: usize, shown: usize, what: &str) {
    if all > shown {
        let _ = writeln!(out, "    {}", render::dim(&format!("and {} more {what}", all - shown)));
    }
}
