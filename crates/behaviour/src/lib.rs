//! Suspicious behaviour: rules over what was observed of a run. Each rule is one file; none decides whether the run
//! passes, that is the policy's part. Pure: observation and context in, findings out.

mod baseline;
mod context;
mod rules;
#[cfg(test)]
mod samples;

use provost_model::{Finding, Level};

pub use baseline::Baseline;
pub use context::Context;

/// A rule.
pub struct Rule {
    /// Stable kebab-case id.
    pub id: &'static str,
    /// What it looks for.
    pub text: &'static str,
    /// What to do about it.
    pub help: &'static str,
    /// How serious its findings are.
    pub level: Level,
    check: fn(&Context<'_>) -> Vec<Finding>,
}

/// Findings of one rule that are kept.
pub const FINDINGS_PER_RULE: usize = 200;

/// Every rule.
pub const RULES: &[Rule] = &[
    rules::source_changed::RULE,
    rules::install_script_shell::RULE,
    rules::piped_download::RULE,
    rules::dropped_executable::RULE,
    rules::credential_read::RULE,
    rules::new_host::RULE,
    rules::tool_changed::RULE,
    rules::unexplained_input::RULE,
];

/// Applies every rule.
pub fn check(context: &Context<'_>) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| (rule.check)(context).into_iter().take(FINDINGS_PER_RULE)).collect()
}
