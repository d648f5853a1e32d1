//! Evaluation: verified statements and facts in, a verdict out.

mod build;
mod process;
mod runs;
mod scan;
mod signatures;
mod user;

use std::collections::{BTreeMap, BTreeSet};

use provost_attest::predicate::{self, Artifacts, Environment, Materials, Process, Provenance};
use provost_attest::{FileListProof, Statement, Verified};
use provost_keys::KeyId;
use provost_model::{Digest, FileEntry, Outcome, RuleResult, RuleState, Timestamp, Verdict};

use crate::document::Step;
use crate::{Mode, Policy, RULES};

/// Clocks differ: a statement dated this far ahead is not yet "in the future".
const SKEW_MILLISECONDS: i64 = 5 * 60 * 1000;

/// One verified statement.
pub type Item = Verified<Statement>;

/// What is to be judged.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// All statements at hand. Their order does not matter.
    pub statements: Vec<Item>,
    /// Proofs that a file is in a list too long for a predicate.
    pub file_proofs: Vec<FileListProof>,
    /// Opened file lists, by the digest of their blob; needed for the artifact flow of long lists.
    pub file_lists: BTreeMap<Digest, Vec<FileEntry>>,
}

/// Facts beside the statements.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The artifact; `None` when a step's run is judged as a whole.
    pub artifact: Option<Digest>,
    /// The step, when only one is judged.
    pub only_step: Option<String>,
    /// The time of judging.
    pub now: Timestamp,
    /// Who signed the policy, for people; empty when it is not signed.
    pub policy_signers: Vec<String>,
    /// Predicate types that will be signed if the verdict is a pass, so that they are not missed before.
    pub pending: Vec<String>,
    /// The builder's id where no provenance is signed yet.
    pub builder: Option<String>,
    /// What the log's rules do not apply to yet: the run is judged before it is logged.
    pub before_logging: bool,
}

impl Facts {
    /// Facts for judging an artifact.
    pub fn of_artifact(artifact: Digest, now: Timestamp, policy_signers: Vec<String>) -> Self {
        Self {
            artifact: Some(artifact),
            only_step: None,
            now,
            policy_signers,
            pending: Vec::new(),
            builder: None,
            before_logging: false,
        }
    }
}

/// The statements of one run of one step.
#[derive(Default)]
struct Run<'a> {
    invocation: String,
    items: Vec<&'a Item>,
    environment: Vec<(&'a Item, Environment)>,
    process: Vec<(&'a Item, Process)>,
    materials: Vec<(&'a Item, Materials)>,
    artifacts: Vec<(&'a Item, Artifacts)>,
    provenance: Vec<(&'a Item, Provenance)>,
    malformed: Vec<String>,
}

/// Judges. The verdict lists every rule with its state; it is a pass when no enforced rule fails.
pub fn evaluate(policy: &Policy, evidence: &Evidence, facts: &Facts) -> Verdict {
    let judge = Judge { policy, evidence, facts };
    let mut rules = Vec::new();
    judge.policy_valid(&mut rules);
    let steps: Vec<&Step> =
        policy.steps.iter().filter(|s| facts.only_step.as_ref().is_none_or(|only| *only == s.name)).collect();
    let mut chosen: BTreeMap<String, Vec<Run<'_>>> = BTreeMap::new();
    if steps.is_empty() {
        let what = facts.only_step.as_deref().unwrap_or("(none)");
        judge.push(
            &mut rules,
            "step-evidence",
            None,
            RuleState::NotSatisfied,
            format!("the policy has no step `{what}`"),
            &[],
            Some("name a step of the policy with --step"),
        );
    }
    // From the last step back: what a later step took tells which runs of an earlier one matter.
    let mut wanted: BTreeMap<&str, BTreeSet<Digest>> = BTreeMap::new();
    let feeds: BTreeSet<&str> = policy.steps.iter().flat_map(|s| s.materials_from.iter().map(String::as_str)).collect();
    let mut per_step: Vec<Vec<RuleResult>> = Vec::new();
    // Only what made the artifact, or what later took it in after another step made it, speaks for it: else any
    // material would pass for a product, and a failed build for the run after it.
    let made_by: BTreeSet<&str> = facts.artifact.map_or_else(BTreeSet::new, |artifact| {
        let makes = |step: &&&Step| judge.runs_of(&step.name).iter().any(|run| judge.makes(run, &artifact));
        steps.iter().filter(makes).map(|step| step.name.as_str()).collect()
    });
    for step in steps.iter().rev() {
        let linked = feeds.contains(step.name.as_str()) && facts.only_step.is_none();
        let made_elsewhere = made_by.iter().any(|maker| *maker != step.name);
        let candidates: Vec<Run<'_>> = judge
            .runs_of(&step.name)
            .into_iter()
            .filter(|run| {
                let Some(artifact) = &facts.artifact else { return true };
                if made_by.contains(step.name.as_str()) {
                    return judge.makes(run, artifact);
                }
                if linked {
                    let products = judge.products(run);
                    return wanted.get(step.name.as_str()).is_some_and(|w| products.intersection(w).next().is_some());
                }
                made_elsewhere && (judge.consumes(run, artifact) || judge.covers(run, artifact))
            })
            .collect();
        for run in &candidates {
            let materials: BTreeSet<Digest> = judge.materials(run).map(|(_, digest)| digest).collect();
            for from in &step.materials_from {
                wanted.entry(from.as_str()).or_default().extend(&materials);
            }
        }
        chosen.insert(step.name.clone(), candidates);
    }
    for step in &steps {
        per_step.push(judge.step(step, &chosen));
    }
    rules.extend(per_step.into_iter().flatten());
    judge.scan(&mut rules);
    judge.user_rules(&mut rules);
    let outcome = if rules.iter().any(RuleResult::fails) { Outcome::Failed } else { Outcome::Passed };
    let subjects = facts.artifact.map_or_else(
        || chosen.values().flatten().flat_map(|run| judge.subjects(run)).collect::<BTreeSet<_>>().into_iter().collect(),
        |artifact| vec![artifact],
    );
    Verdict {
        outcome,
        subjects,
        policy: policy.name.clone(),
        policy_digest: policy.digest,
        judged_at: facts.now,
        rules,
    }
}

struct Judge<'a> {
    policy: &'a Policy,
    evidence: &'a Evidence,
    facts: &'a Facts,
}

impl<'a> Judge<'a> {
    #[allow(clippy::too_many_arguments)]
    fn push(
        &self,
        rules: &mut Vec<RuleResult>,
        rule: &str,
        step: Option<&str>,
        state: RuleState,
        reason: String,
        items: &[&Item],
        hint: Option<&str>,
    ) {
        let mode = self.policy.mode(rule);
        if mode == Mode::Off {
            return;
        }
        let info = RULES.iter().find(|info| info.id == rule);
        let mut statements: Vec<Digest> = items.iter().map(|item| item.envelope()).collect();
        statements.sort();
        statements.dedup();
        rules.push(RuleResult {
            rule: rule.to_owned(),
            step: step.map(str::to_owned),
            state,
            enforced: mode == Mode::Enforce,
            reason,
            hint: if matches!(state, RuleState::Satisfied | RuleState::NotApplicable) {
                None
            } else {
                hint.map(str::to_owned)
            },
            requirements: info.map(|i| i.requirements.iter().map(|r| (*r).to_owned()).collect()).unwrap_or_default(),
            statements,
        });
    }

    fn policy_valid(&self, rules: &mut Vec<RuleResult>) {
        let (state, reason) = if self.facts.policy_signers.is_empty() {
            (RuleState::NotSatisfied, "the policy is not signed".to_owned())
        } else if self.facts.now > self.policy.expires {
            (RuleState::NotSatisfied, format!("the policy expired on {}", self.policy.expires))
        } else {
            let by = self.facts.policy_signers.join(", ");
            (RuleState::Satisfied, format!("signed by {by}, valid until {}", self.policy.expires))
        };
        self.push(
            rules,
            "policy-valid",
            None,
            state,
            reason,
            &[],
            Some("sign a policy that is valid now with `provost policy sign`"),
        );
    }

    /// Judges a step: every candidate run by every rule; the best run counts, and all are counted for the threshold.
    fn step(&self, step: &Step, chosen: &BTreeMap<String, Vec<Run<'a>>>) -> Vec<RuleResult> {
        let name = Some(step.name.as_str());
        let runs = chosen.get(&step.name).map_or(&[][..], Vec::as_slice);
        if runs.is_empty() {
            let mut rules = Vec::new();
            let wanted = step.require.iter().map(|t| predicate::short_name(t)).collect::<Vec<_>>().join(", ");
            let reason = format!("no trusted statement of this step speaks of the artifact; required: {wanted}");
            let hint = "run the step under `provost run --step`, or hand over its evidence with --evidence";
            self.push(&mut rules, "step-evidence", name, RuleState::NoEvidence, reason, &[], Some(hint));
            return rules;
        }
        let mut judged: Vec<(Vec<RuleResult>, BTreeSet<KeyId>)> =
            runs.iter().map(|run| self.run(step, run, chosen)).collect();
        let signers: BTreeSet<KeyId> = judged
            .iter()
            .filter(|(rules, _)| !rules.iter().any(RuleResult::fails))
            .flat_map(|(_, keys)| keys.iter().copied())
            .collect();
        // The run with the fewest failures explains best; among equals the last by invocation, so that the answer
        // does not depend on the order of the evidence.
        let best =
            (0..judged.len()).min_by_key(|i| (judged[*i].0.iter().filter(|r| r.fails()).count(), usize::MAX - i));
        let (mut rules, _) = judged.swap_remove(best.unwrap_or(0));
        let items: Vec<&Item> = runs.iter().flat_map(|r| r.items.iter().copied()).collect();
        let enough = signers.len() >= step.threshold;
        if step.threshold > 1 && self.facts.before_logging {
            // One run is one signature; whether enough have signed is for the verification to say.
            let reason = format!("one of {} needed signatures; the others come from other runs", step.threshold);
            rules.retain(|r| r.rule != "step-functionaries" || r.fails());
            if !rules.iter().any(|r| r.rule == "step-functionaries") {
                self.push(&mut rules, "step-functionaries", name, RuleState::NotApplicable, reason, &[], None);
            }
        } else if step.threshold > 1 {
            let reason = format!(
                "{} of {} needed distinct keys signed a complete run of the step",
                signers.len(),
                step.threshold
            );
            let state = if enough { RuleState::Satisfied } else { RuleState::NotSatisfied };
            let failed_before = rules.iter().any(|r| r.rule == "step-functionaries" && r.fails());
            if !failed_before || enough {
                rules.retain(|r| r.rule != "step-functionaries");
                self.push(
                    &mut rules,
                    "step-functionaries",
                    name,
                    state,
                    reason,
                    &items,
                    Some("every functionary runs the step, each with their own key"),
                );
            }
        }
        rules
    }

    fn run(
        &self,
        step: &Step,
        run: &Run<'a>,
        chosen: &BTreeMap<String, Vec<Run<'a>>>,
    ) -> (Vec<RuleResult>, BTreeSet<KeyId>) {
        let mut rules = Vec::new();
        let name = Some(step.name.as_str());
        let signers = self.signed_by(step, run, &mut rules);
        self.logged(step, run, &mut rules);
        self.time(step, run, &mut rules);
        self.process(step, run, &mut rules);
        self.observed(step, run, &mut rules);
        self.behaviour(step, run, &mut rules);
        let (state, reason) = if run.malformed.is_empty() && !run.invocation.is_empty() {
            (RuleState::Satisfied, format!("all are of the run {}", run.invocation))
        } else if run.malformed.is_empty() {
            (RuleState::NotSatisfied, "the statements name no run".to_owned())
        } else {
            (RuleState::NotSatisfied, run.malformed.join("; "))
        };
        self.push(&mut rules, "one-run", name, state, reason, &run.items, None);
        self.listed(step, run, &mut rules);
        self.flow(step, run, chosen, &mut rules);
        self.build(step, run, &mut rules);
        (rules, signers)
    }
}

/// When the statement says that it was made.
pub fn said_time(statement: &Statement) -> Option<Timestamp> {
    [
        "/metadata/buildFinishedOn",
        "/runDetails/metadata/finishedOn",
        "/timeVerified",
        "/provost_finishedOn",
        "/finishedOn",
        "/byproducts/finishedOn",
    ]
    .iter()
    .find_map(|path| statement.predicate.pointer(path)?.as_str()?.parse().ok())
}
