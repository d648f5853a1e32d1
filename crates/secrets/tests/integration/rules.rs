//! The examples of every built-in rule are its tests.

use std::collections::BTreeSet;

use provost_model::Confidence;
use provost_secrets::{Options, Prior, RuleSet, Secrets, built_in_files};

fn all() -> Secrets {
    Secrets::new(RuleSet::built_in().expect("the rules load"), Options::default())
}

#[test]
fn every_expression_compiles() {
    RuleSet::built_in().expect("the rules load").check().expect("every expression compiles");
}

#[test]
fn there_are_many_rules_of_many_providers() {
    let secrets = all();
    let families: BTreeSet<_> = secrets.rules().iter().map(|rule| &rule.family.id).collect();
    assert!(secrets.rules().len() >= 300 && families.len() >= 150, "{} of {}", secrets.rules().len(), families.len());
}

#[test]
fn every_rule_finds_its_positives_and_no_negative() {
    let mut wrong = Vec::new();
    for (name, text) in built_in_files() {
        // Each family alone: another family's rule may well find a near miss of this one.
        let mut set = RuleSet::new();
        set.add(text, name).expect("the family loads");
        let secrets = Secrets::new(set, Options { generic: false, ..Options::default() });
        let of_family = secrets.rules().iter().map(|rule| rule.id.clone()).collect::<BTreeSet<_>>();
        for rule in secrets.rules() {
            for text in rule.examples.positive.iter().chain(&rule.examples.evasion) {
                let found = secrets.try_text(text.as_bytes(), "example");
                // Two rules of a family may find the same span: one of them has to.
                let sure = |sure: &Confidence| *sure > Confidence::Weak || rule.prior == Prior::Low;
                if !found.iter().any(|(id, _, confidence)| of_family.contains(id) && sure(confidence)) {
                    wrong.push(format!("{}: not found: {text}", rule.id));
                }
            }
            for text in &rule.examples.negative {
                let found = secrets.try_text(text.as_bytes(), "example");
                let finds = |(id, _, sure): &(String, Vec<u8>, Confidence)| {
                    *id == rule.id && (*sure > Confidence::Weak || rule.prior == Prior::Low)
                };
                if found.iter().any(finds) {
                    wrong.push(format!("{}: found: {text}", rule.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
