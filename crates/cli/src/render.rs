//! What people see. Data goes to standard output, everything else to standard error; colour only on a terminal
//! (anstream decides, `NO_COLOR` included).

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use provost_model::{Outcome, RuleResult, RuleState, Verdict, printable};

const GREEN: Style = AnsiColor::Green.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Styles a text.
fn styled(style: Style, text: &str) -> String {
    format!("{}{text}{}", style.render(), style.render_reset())
}

/// Bold text.
pub fn bold(text: &str) -> String {
    styled(BOLD, text)
}

/// Faint text.
pub fn dim(text: &str) -> String {
    styled(DIM, text)
}

/// A warning's word.
pub fn warning(text: &str) -> String {
    styled(YELLOW, text)
}

/// An error's word.
pub fn error(text: &str) -> String {
    styled(RED, text)
}

/// One labelled line of a summary.
pub fn line(label: &str, text: &str) -> String {
    format!("  {}  {text}\n", dim(&format!("{label:<10}")))
}

/// The outcome as a word.
pub fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Passed => styled(GREEN, "PASSED"),
        Outcome::Failed => styled(RED, "FAILED"),
    }
}

/// A word that is good or bad news.
pub fn outcome_word(text: &str, good: bool) -> String {
    styled(if good { GREEN } else { RED }, text)
}

/// A rule's mark.
fn mark(rule: &RuleResult) -> String {
    match (rule.state, rule.fails()) {
        (RuleState::Satisfied, _) => styled(GREEN, "✓"),
        (RuleState::NotApplicable, _) => dim("–"),
        (_, true) => styled(RED, "✗"),
        (_, false) => styled(YELLOW, "!"),
    }
}

/// One rule, and its hint when it is not satisfied.
pub fn rule(rule: &RuleResult) -> String {
    let mut out = String::new();
    let step = rule.step.as_ref().map(|s| format!(" [{}]", printable(s))).unwrap_or_default();
    let _ = writeln!(out, "  {} {}{}  {}", mark(rule), bold(&rule.rule), dim(&step), printable(&rule.reason));
    if let Some(hint) = &rule.hint {
        let _ = writeln!(out, "      {}", dim(&format!("→ {}", printable(hint))));
    }
    out
}

/// A verdict: everything that fails or warns; all rules when `all`.
pub fn verdict(verdict: &Verdict, all: bool) -> String {
    let mut out = String::new();
    for result in &verdict.rules {
        let silent = matches!(result.state, RuleState::Satisfied | RuleState::NotApplicable);
        if all || !silent {
            out.push_str(&rule(result));
        }
    }
    if !all {
        let satisfied = verdict.rules.iter().filter(|r| r.state == RuleState::Satisfied).count();
        if satisfied > 0 {
            let _ = writeln!(
                out,
                "  {}",
                dim(&format!(
                    "{} satisfied; see all with `provost explain`",
                    provost_model::count(satisfied as u64, "rule", "rules")
                ))
            );
        }
    }
    out
}
