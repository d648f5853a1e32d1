//! Users' own rules.

use std::collections::BTreeSet;

use provost_attest::predicate::{self};
use provost_model::{RuleResult, RuleState};

use super::Judge;
use crate::rego;

impl<'a> Judge<'a> {
    pub(super) fn user_rules(&self, rules: &mut Vec<RuleResult>) {
        if self.policy.rego.is_empty() {
            return;
        }
        let input = self.rego_input();
        for rule in &self.policy.rego {
            let (state, reason) = match rego::deny(&rule.module, &input) {
                Ok(messages) if messages.is_empty() => (RuleState::Satisfied, "it denies nothing".to_owned()),
                Ok(messages) => (RuleState::NotSatisfied, messages.join("; ")),
                Err(why) => (RuleState::NotSatisfied, format!("it could not be decided: {why}")),
            };
            rules.push(RuleResult {
                rule: format!("rego/{}", rule.name),
                step: None,
                state,
                enforced: true,
                reason,
                hint: None,
                requirements: rule.requirements.clone(),
                statements: self
                    .evidence
                    .statements
                    .iter()
                    .map(|i| i.envelope())
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect(),
            });
        }
    }

    pub(super) fn rego_input(&self) -> String {
        let statements: Vec<serde_json::Value> = self
            .evidence
            .statements
            .iter()
            .map(|item| {
                let statement = item.value();
                serde_json::json!({
                    "predicateType": statement.predicate_type,
                    "kind": predicate::short_name(&statement.predicate_type),
                    "subject": statement.subject,
                    "predicate": statement.predicate,
                    "envelope": item.envelope(),
                    "signers": item.signers().keys().map(|k| k.to_string()).collect::<Vec<_>>(),
                    "logIndex": item.logged().map(|l| l.index),
                })
            })
            .collect();
        serde_json::json!({
            "artifact": self.facts.artifact,
            "now": self.facts.now,
            "step": self.facts.only_step,
            "statements": statements,
        })
        .to_string()
    }
}
