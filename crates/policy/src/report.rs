//! From rules to requirements: the state of every requirement of SP 800-204D.

use provost_model::{ALL_REQUIREMENTS, Digest, Requirement, RequirementState, RuleState, Verdict};

use crate::RULES;

/// The state of one requirement, and what supports it.
#[derive(Debug, Clone)]
pub struct RequirementReport {
    /// The requirement.
    pub requirement: &'static Requirement,
    /// Its state.
    pub state: RequirementState,
    /// One sentence for each rule that had something to say.
    pub reasons: Vec<String>,
    /// Digests of the envelopes that support the state.
    pub statements: Vec<Digest>,
}

/// The state of every requirement by some verdicts. One rule against it decides over any number for it; nothing but
/// silence is "no evidence"; a requirement of which no rule speaks is not judged.
pub fn requirement_states(verdicts: &[Verdict]) -> Vec<RequirementReport> {
    ALL_REQUIREMENTS.iter().map(|requirement| state_of(requirement, verdicts)).collect()
}

fn state_of(requirement: &'static Requirement, verdicts: &[Verdict]) -> RequirementReport {
    let results: Vec<_> = verdicts
        .iter()
        .flat_map(|verdict| &verdict.rules)
        .filter(|rule| rule.requirements.iter().any(|id| id == requirement.id))
        .collect();
    let any = |state| results.iter().any(|rule| rule.state == state);
    let implemented = !results.is_empty() || RULES.iter().any(|rule| rule.requirements.contains(&requirement.id));
    let state = if !implemented {
        RequirementState::NotImplemented
    } else if any(RuleState::NotSatisfied) {
        RequirementState::NotSatisfied
    } else if any(RuleState::NoEvidence) || results.is_empty() {
        RequirementState::NoEvidence
    } else if any(RuleState::Satisfied) {
        RequirementState::Satisfied
    } else {
        RequirementState::NotApplicable
    };
    let deciding = match state {
        RequirementState::NotSatisfied => Some(RuleState::NotSatisfied),
        RequirementState::NoEvidence => Some(RuleState::NoEvidence),
        RequirementState::Satisfied => Some(RuleState::Satisfied),
        RequirementState::NotApplicable => Some(RuleState::NotApplicable),
        RequirementState::NotImplemented => None,
    };
    let mut report = RequirementReport { requirement, state, reasons: Vec::new(), statements: Vec::new() };
    for rule in results.into_iter().filter(|rule| Some(rule.state) == deciding) {
        let step = rule.step.as_ref().map(|step| format!(" [{step}]")).unwrap_or_default();
        let reason = format!("{}{step}: {}", rule.rule, rule.reason);
        if !report.reasons.contains(&reason) {
            report.reasons.push(reason);
        }
        for digest in &rule.statements {
            if !report.statements.contains(digest) {
                report.statements.push(*digest);
            }
        }
    }
    report
}
