//! Evaluation: verified statements and facts in, a verdict out.

use std::collections::{BTreeMap, BTreeSet};

use provost_attest::predicate::{self, Artifacts, Environment, Materials, Process, Provenance};
use provost_attest::{FileListProof, SignerIdentity, Statement, Verified};
use provost_keys::{KeyId, SubjectName};
use provost_model::{Digest, FactSource, FileEntry, FileKind, Outcome, RuleResult, RuleState, Timestamp, Verdict};

use crate::document::{Functionary, Identity, Step};
use crate::{Mode, Policy, RULES, rego};

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

    /// All runs of a step, by invocation. Statements without an invocation are each a run of their own.
    fn runs_of(&self, step: &str) -> Vec<Run<'a>> {
        let mut runs: BTreeMap<String, Run<'a>> = BTreeMap::new();
        for item in &self.evidence.statements {
            let statement = item.value();
            let kind = statement.predicate_type.as_str();
            macro_rules! read {
                ($type:ty) => {
                    statement.predicate_as::<$type>(kind)
                };
            }
            let mut add = |invocation: &str, put: &mut dyn FnMut(&mut Run<'a>)| {
                let run = runs.entry(invocation.to_owned()).or_default();
                run.invocation = invocation.to_owned();
                run.items.push(item);
                put(run);
            };
            match kind {
                predicate::ENVIRONMENT => match read!(Environment) {
                    Ok(p) if p.step == step => {
                        add(&p.invocation_id.clone(), &mut |r| r.environment.push((item, p.clone())))
                    }
                    Ok(_) => {}
                    Err(e) => add("", &mut |r| r.malformed.push(format!("environment: {e}"))),
                },
                predicate::PROCESS => match read!(Process) {
                    Ok(p) if p.step == step => {
                        add(&p.monitored_process.event.clone(), &mut |r| r.process.push((item, p.clone())))
                    }
                    Ok(_) => {}
                    Err(e) => add("", &mut |r| r.malformed.push(format!("process: {e}"))),
                },
                predicate::MATERIALS => match read!(Materials) {
                    Ok(p) if p.step == step => {
                        add(&p.invocation_id.clone(), &mut |r| r.materials.push((item, p.clone())))
                    }
                    Ok(_) => {}
                    Err(e) => add("", &mut |r| r.malformed.push(format!("materials: {e}"))),
                },
                predicate::ARTIFACTS => match read!(Artifacts) {
                    Ok(p) if p.step == step => {
                        add(&p.invocation_id.clone(), &mut |r| r.artifacts.push((item, p.clone())))
                    }
                    Ok(_) => {}
                    Err(e) => add("", &mut |r| r.malformed.push(format!("artifacts: {e}"))),
                },
                predicate::PROVENANCE => {
                    if let Ok(p) = read!(Provenance)
                        && p.build_definition.external_parameters.get("step").and_then(|s| s.as_str()) == Some(step)
                        && p.build_definition.build_type == predicate::RUN_BUILD_TYPE
                    {
                        let invocation = p.run_details.metadata.invocation_id.clone().unwrap_or_default();
                        add(&invocation, &mut |r| r.provenance.push((item, p.clone())));
                    }
                }
                predicate::LINK => {
                    let named = statement.predicate.get("name").and_then(|n| n.as_str()) == Some(step);
                    let invocation = statement.predicate.pointer("/byproducts/invocationId").and_then(|i| i.as_str());
                    if named {
                        add(invocation.unwrap_or_default(), &mut |_| {});
                    }
                }
                // A statement of any other type counts for a step that requires its type and whose artifact it names.
                other if self.policy.steps.iter().any(|s| s.name == step && s.require.iter().any(|r| r == other)) => {
                    add(&format!("statement {}", item.envelope()), &mut |_| {});
                }
                _ => {}
            }
        }
        runs.into_values().filter(|run| !run.items.is_empty()).collect()
    }

    /// True when the run made the artifact: its list of artifacts holds it or, where it has none, its provenance
    /// names it. A statement that only speaks of a file (a scan, a review) makes nothing.
    fn makes(&self, run: &Run<'_>, artifact: &Digest) -> bool {
        if run.artifacts.is_empty() {
            return run.provenance.iter().any(|(item, _)| item.value().speaks_of(artifact));
        }
        run.artifacts.iter().any(|(_, a)| self.lists(&a.files, artifact))
    }

    fn covers(&self, run: &Run<'_>, artifact: &Digest) -> bool {
        run.items.iter().any(|item| item.value().speaks_of(artifact))
            || run.artifacts.iter().any(|(_, a)| self.lists(&a.files, artifact))
    }

    /// True when the artifact is in the list, by its inline entries, its opened blob, or a proof.
    fn lists(&self, list: &provost_attest::FileList, artifact: &Digest) -> bool {
        let is_it = |entry: &FileEntry| entry.kind == FileKind::File && entry.digest.as_ref() == Some(artifact);
        list.entries.iter().flatten().any(is_it)
            || self.evidence.file_lists.get(&list.leaves).is_some_and(|entries| entries.iter().any(is_it))
            || self.evidence.file_proofs.iter().any(|proof| proof.verify(list).is_ok_and(|entry| is_it(&entry)))
    }

    fn entries<'b>(&'b self, list: &'b provost_attest::FileList) -> impl Iterator<Item = &'b FileEntry> {
        let opened = self.evidence.file_lists.get(&list.leaves).filter(|_| list.entries.is_none());
        list.entries.iter().flatten().chain(opened.into_iter().flatten())
    }

    fn materials<'b>(&'b self, run: &'b Run<'_>) -> impl Iterator<Item = (&'b str, Digest)> {
        run.materials
            .iter()
            .flat_map(|(_, m)| self.entries(&m.files))
            .filter(|e| e.kind == FileKind::File)
            .filter_map(|e| Some((e.name.text.as_str(), e.digest?)))
    }

    fn products(&self, run: &Run<'_>) -> BTreeSet<Digest> {
        run.artifacts
            .iter()
            .flat_map(|(_, a)| self.entries(&a.files))
            .filter(|e| e.kind == FileKind::File)
            .filter_map(|e| e.digest)
            .collect()
    }

    fn subjects(&self, run: &Run<'_>) -> Vec<Digest> {
        run.items.iter().flat_map(|i| i.value().subject.iter().filter_map(|s| s.sha256())).collect()
    }

    /// True when the run took the artifact in: a test or a scan of it.
    fn consumes(&self, run: &Run<'_>, artifact: &Digest) -> bool {
        self.materials(run).any(|(_, digest)| digest == *artifact)
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

    /// Presence, functionaries and validity of keys. Gives the keys that signed every required attestation.
    fn signed_by(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) -> BTreeSet<KeyId> {
        let name = Some(step.name.as_str());
        let (mut missing, mut foreign, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
        let mut common: Option<BTreeSet<KeyId>> = None;
        for required in &step.require {
            let short = predicate::short_name(required);
            let of_type: Vec<&Item> =
                run.items.iter().copied().filter(|i| i.value().predicate_type == *required).collect();
            if of_type.is_empty() {
                if !self.facts.pending.contains(required) {
                    missing.push(short.to_owned());
                }
                continue;
            }
            // Every statement of the type counts: a second one by a stranger must not hide behind the first, nor a
            // bad one behind a good one.
            for item in of_type {
                let mut keys = BTreeSet::new();
                let mut named = false;
                for (key, identity) in item.signers() {
                    for functionary in self.functionaries(step, key, identity) {
                        named = true;
                        match self.valid(functionary, item, identity) {
                            Ok(()) => {
                                keys.insert(*key);
                            }
                            Err(why) => invalid.push(format!("{short}: {why}")),
                        }
                    }
                }
                if !named {
                    let who = item.signers().keys().map(|k| k.digest().short()).collect::<Vec<_>>().join(", ");
                    foreign.push(format!("{short} is signed by {who}, who may not carry out this step"));
                }
                common = Some(match common {
                    None => keys,
                    Some(common) => common.intersection(&keys).copied().collect(),
                });
            }
        }
        let found = step.require.len() - missing.len();
        let (state, reason) = if missing.is_empty() {
            (RuleState::Satisfied, format!("all {found} required attestations are there"))
        } else {
            (RuleState::NoEvidence, format!("missing: {}", missing.join(", ")))
        };
        self.push(
            rules,
            "step-evidence",
            name,
            state,
            reason,
            &run.items,
            Some("run the step again under `provost run`"),
        );
        let common = common.unwrap_or_default();
        let (state, reason) = if !foreign.is_empty() {
            (RuleState::NotSatisfied, foreign.join("; "))
        } else if common.is_empty() && invalid.is_empty() {
            (RuleState::NotSatisfied, "no one key signed all required attestations".to_owned())
        } else {
            let who: BTreeSet<&str> = run
                .items
                .iter()
                .flat_map(|i| i.signers())
                .flat_map(|(key, identity)| self.functionaries(step, key, identity).map(|f| f.name.as_str()))
                .collect();
            (RuleState::Satisfied, format!("signed by {}", who.into_iter().collect::<Vec<_>>().join(", ")))
        };
        self.push(
            rules,
            "step-functionaries",
            name,
            state,
            reason,
            &run.items,
            Some("sign with the key of a functionary that the policy names for this step"),
        );
        invalid.sort();
        invalid.dedup();
        let (state, reason) = if invalid.is_empty() {
            (RuleState::Satisfied, "every key was valid when it signed".to_owned())
        } else {
            (RuleState::NotSatisfied, invalid.join("; "))
        };
        self.push(
            rules,
            "key-validity",
            name,
            state,
            reason,
            &run.items,
            Some("sign again with a valid key, and have the policy name it"),
        );
        common
    }

    fn functionaries(
        &self,
        step: &Step,
        key: &KeyId,
        identity: &SignerIdentity,
    ) -> impl Iterator<Item = &'a Functionary> {
        let (key, identity) = (*key, identity.clone());
        let names = step.functionaries.clone();
        self.policy.functionaries.iter().filter(move |f| {
            names.contains(&f.name)
                && match (&f.identity, &identity) {
                    (Identity::Key(known), SignerIdentity::Key) => known.id() == key,
                    (Identity::Certificate { subject, issuer, .. }, SignerIdentity::Certificate(found)) => {
                        found.names.iter().map(SubjectName::text).any(|name| name == subject)
                            && issuer.as_ref().is_none_or(|issuer| found.issuer.as_ref() == Some(issuer))
                    }
                    _ => false,
                }
        })
    }

    fn valid(&self, functionary: &Functionary, item: &Item, identity: &SignerIdentity) -> Result<(), String> {
        let name = &functionary.name;
        let said = said_time(item.value());
        let outside = |at: Timestamp| {
            functionary.not_before.is_some_and(|from| at < from)
                || functionary.not_after.is_some_and(|until| at > until)
        };
        if functionary.not_before.is_some() || functionary.not_after.is_some() {
            match said {
                None => return Err(format!("the key of {name} has a limited time and the statement has no date")),
                Some(at) if outside(at) => return Err(format!("the key of {name} was not valid at {at}")),
                Some(_) => {}
            }
        }
        if let SignerIdentity::Certificate(certificate) = identity
            && said.is_none_or(|at| at < certificate.not_before || at > certificate.not_after)
        {
            return Err(format!("the certificate of {name} was not valid when the statement was made"));
        }
        if let Some(revoked) = functionary.revoked_at {
            // Whoever holds a lost key can write any date: only a time that others vouch for counts.
            let proved = item.logged().filter(|_| self.policy.witness_threshold > 0).and_then(|l| {
                let witnesses = l.signed_checkpoint.cosignatures(&self.policy.witnesses).ok()?;
                witnesses.into_iter().map(|w| w.time).min()
            });
            if proved.is_none_or(|at| at >= revoked) {
                return Err(format!(
                    "the key of {name} was revoked at {revoked}, and nothing proves that this is older"
                ));
            }
        }
        Ok(())
    }

    fn logged(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let name = Some(step.name.as_str());
        let required: Vec<&Item> =
            run.items.iter().copied().filter(|i| step.require.contains(&i.value().predicate_type)).collect();
        if self.facts.before_logging {
            let reason = "judged before it is logged; nothing counts as recorded before the log has it".to_owned();
            self.push(rules, "evidence-logged", name, RuleState::NotApplicable, reason, &required, None);
            return;
        }
        let logged: Vec<_> = required.iter().filter_map(|i| i.logged()).collect();
        let (state, reason) = if logged.len() == required.len() && !logged.is_empty() {
            let l = logged[0];
            let root = l.checkpoint.root.short();
            (
                RuleState::Satisfied,
                format!("proved in the log {} at size {} (root {root}…)", l.checkpoint.origin, l.checkpoint.size),
            )
        } else if !self.policy.evidence.require_log {
            (RuleState::NotApplicable, "the policy asks for no log proof".to_owned())
        } else {
            (
                RuleState::NoEvidence,
                format!(
                    "{} of {} attestations have no proof of a known log",
                    required.len() - logged.len(),
                    required.len()
                ),
            )
        };
        self.push(
            rules,
            "evidence-logged",
            name,
            state,
            reason,
            &required,
            Some("hand over an evidence file with log proofs: `provost bundle` writes one"),
        );
        let needed = self.policy.witness_threshold;
        if needed > 0 {
            let fewest = logged.iter().map(|l| l.witnesses.len()).min().unwrap_or(0);
            let state = if fewest >= needed { RuleState::Satisfied } else { RuleState::NotSatisfied };
            let reason = format!("{fewest} of {needed} needed witnesses cosigned the checkpoint");
            self.push(rules, "evidence-witnessed", name, state, reason, &required, None);
        }
    }

    fn time(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let mut wrong = Vec::new();
        let mut newest = None;
        for item in &run.items {
            let Some(at) = said_time(item.value()) else { continue };
            newest = newest.max(Some(at));
            let short = predicate::short_name(&item.value().predicate_type);
            if at.milliseconds() > self.facts.now.milliseconds() + SKEW_MILLISECONDS {
                wrong.push(format!("{short} is dated {at}, which is in the future: one of the clocks is wrong"));
            }
            let days = i64::try_from(self.policy.evidence.max_age_days).unwrap_or(i64::MAX);
            if days > 0 && at.plus_days(days) < self.facts.now {
                wrong.push(format!("{short} is of {at}, older than {days} days"));
            }
        }
        let (state, reason) = match (wrong.is_empty(), newest) {
            (false, _) => (RuleState::NotSatisfied, wrong.join("; ")),
            (true, Some(at)) => (RuleState::Satisfied, format!("made at {at}")),
            (true, None) => (RuleState::NoEvidence, "no statement has a date".to_owned()),
        };
        self.push(rules, "evidence-time", Some(&step.name), state, reason, &run.items, Some("build it again"));
    }

    fn process(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let name = Some(step.name.as_str());
        let items: Vec<&Item> = run.process.iter().map(|(i, _)| *i).collect();
        let commands: Vec<_> = run.process.iter().map(|(_, p)| p.command()).collect();
        if commands.is_empty() {
            // Steps that are proved by other statements (a scan, a review) have no command.
            if step.require.iter().any(|r| r == predicate::PROCESS) {
                self.push(
                    rules,
                    "step-succeeded",
                    name,
                    RuleState::NoEvidence,
                    "there is no process attestation".into(),
                    &[],
                    None,
                );
            }
            return;
        }
        let failed = commands.iter().any(|c| !c.is_some_and(|c| c.ending.is_success()));
        let (state, reason) = if failed {
            let how = commands.iter().flatten().map(|c| c.ending.to_string()).collect::<Vec<_>>().join(", ");
            (RuleState::NotSatisfied, format!("the command did not succeed: {how}"))
        } else {
            (RuleState::Satisfied, "the command ended with status 0".to_owned())
        };
        self.push(
            rules,
            "step-succeeded",
            name,
            state,
            reason,
            &items,
            Some("mend the build; evidence of a failed step releases nothing"),
        );
        if let Some(expected) = &step.command {
            let same = commands.iter().all(|c| c.is_some_and(|c| c.arguments == *expected));
            let (state, reason) = if same {
                (RuleState::Satisfied, format!("it is `{}`", expected.join(" ")))
            } else {
                let ran = commands.iter().flatten().map(|c| c.arguments.join(" ")).collect::<Vec<_>>().join("`, `");
                (RuleState::NotSatisfied, format!("`{ran}` was run, permitted is `{}`", expected.join(" ")))
            };
            self.push(
                rules,
                "step-command",
                name,
                state,
                reason,
                &items,
                Some("run the permitted command, or have the policy changed"),
            );
        }
        let left: u32 = run.process.iter().map(|(_, p)| p.completeness.left_running).sum();
        let (state, reason) = if left == 0 {
            (RuleState::Satisfied, "nothing was left running".to_owned())
        } else {
            (
                RuleState::NotSatisfied,
                format!("{left} processes were still running: they may have changed files afterwards"),
            )
        };
        self.push(
            rules,
            "nothing-left-running",
            name,
            state,
            reason,
            &items,
            Some("stop build daemons, for example with `--no-daemon`"),
        );
    }

    fn listed(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let name = Some(step.name.as_str());
        let items: Vec<&Item> = run.artifacts.iter().map(|(i, _)| *i).collect();
        let Some(artifact) = self.facts.artifact.filter(|_| !run.artifacts.is_empty()) else { return };
        if self.consumes(run, &artifact) && !self.covers(run, &artifact) {
            let reason = "this step took the artifact in and did not make it".to_owned();
            self.push(rules, "artifact-listed", name, RuleState::NotApplicable, reason, &items, None);
            return;
        }
        let feeds = self.policy.steps.iter().any(|s| s.materials_from.contains(&step.name));
        // Every artifacts attestation of the run must list it: two that differ are not both true.
        let all = run.artifacts.iter().all(|(_, a)| self.lists(&a.files, &artifact));
        let (state, reason) = if all {
            (RuleState::Satisfied, "its digest is in the list of what the step made".to_owned())
        } else if feeds {
            (RuleState::NotApplicable, "a later step made it from this step's products".to_owned())
        } else {
            (RuleState::NotSatisfied, "its digest is not in the list of what the step made".to_owned())
        };
        self.push(
            rules,
            "artifact-listed",
            name,
            state,
            reason,
            &items,
            Some("this file was not made, or was changed after it was made"),
        );
    }

    fn flow(&self, step: &Step, run: &Run<'a>, chosen: &BTreeMap<String, Vec<Run<'a>>>, rules: &mut Vec<RuleResult>) {
        if step.materials_from.is_empty() {
            return;
        }
        let name = Some(step.name.as_str());
        let mut items: Vec<&Item> = run.materials.iter().map(|(i, _)| *i).collect();
        let hidden = run
            .materials
            .iter()
            .any(|(_, m)| m.files.entries.is_none() && !self.evidence.file_lists.contains_key(&m.files.leaves));
        if hidden {
            let reason = "the list of materials is too long for the statement and its blob is not at hand".to_owned();
            self.push(
                rules,
                "artifact-flow",
                name,
                RuleState::NoEvidence,
                reason,
                &items,
                Some("verify where the store is, or export the evidence with --with-lists"),
            );
            return;
        }
        let (mut names, mut digests) = (BTreeMap::new(), BTreeSet::new());
        // Judged alone, a step is held against whatever earlier runs are at hand.
        let at_hand: Vec<Run<'a>> = match self.facts.only_step {
            Some(_) => step.materials_from.iter().flat_map(|from| self.runs_of(from)).collect(),
            None => Vec::new(),
        };
        for earlier in step.materials_from.iter().filter_map(|from| chosen.get(from)).flatten().chain(&at_hand) {
            items.extend(earlier.artifacts.iter().map(|(i, _)| *i));
            for entry in earlier.artifacts.iter().flat_map(|(_, a)| self.entries(&a.files)) {
                if let Some(digest) = entry.digest.filter(|_| entry.kind == FileKind::File) {
                    names.entry(entry.name.text.clone()).or_insert_with(BTreeSet::new).insert(digest);
                    digests.insert(digest);
                }
            }
        }
        let mut globs = globset::GlobSetBuilder::new();
        for glob in step.materials_match.iter().filter_map(|g| globset::Glob::new(g).ok()) {
            globs.add(glob);
        }
        let globs = globs.build().unwrap_or_else(|_| globset::GlobSet::empty());
        let (mut same, mut wrong) = (0_usize, Vec::new());
        for (path, digest) in self.materials(run) {
            let concerned =
                if step.materials_match.is_empty() { names.contains_key(path) } else { globs.is_match(path) };
            if !concerned {
                continue;
            }
            let fits =
                if step.materials_match.is_empty() { names[path].contains(&digest) } else { digests.contains(&digest) };
            if fits {
                same += 1;
            } else {
                wrong.push(path.to_owned());
            }
        }
        let from = step.materials_from.join(", ");
        let (state, reason) = if !wrong.is_empty() {
            let shown = wrong.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            (RuleState::NotSatisfied, format!("{} materials are not as {from} made them: {shown}", wrong.len()))
        } else if same == 0 {
            // Nothing in common proves nothing.
            (RuleState::NotSatisfied, format!("not one material comes from {from}"))
        } else {
            (RuleState::Satisfied, format!("{same} materials are exactly as {from} made them"))
        };
        self.push(
            rules,
            "artifact-flow",
            name,
            state,
            reason,
            &items,
            Some("run the steps in order on the same files"),
        );
    }

    fn build(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let build = &self.policy.build;
        let name = Some(step.name.as_str());
        let items: Vec<&Item> = run.environment.iter().map(|(i, _)| *i).collect();
        let environments: Vec<&Environment> = run.environment.iter().map(|(_, e)| e).collect();
        let facts =
            |fact: &str| -> Vec<&str> { environments.iter().filter_map(|e| e.fact(fact)).map(|(v, _)| v).collect() };
        if build.require_isolation {
            let answers: Vec<Option<bool>> = environments.iter().map(|e| e.keys_unreachable()).collect();
            let (state, reason) = if answers.is_empty() {
                (RuleState::NoEvidence, "no environment attestation says so".to_owned())
            } else if answers.iter().all(|a| *a == Some(true)) {
                (RuleState::Satisfied, format!("measured: {}", facts("isolation").join(", ")))
            } else {
                (RuleState::NotSatisfied, "the command could have reached the keys or the store".to_owned())
            };
            self.push(
                rules,
                "build-isolated",
                name,
                state,
                reason,
                &items,
                Some("run where the kernel has Landlock, or keep the key out of the machine"),
            );
        }
        self.tools(step, run, rules);
        self.platform(step, run, rules);
        if !build.who.is_empty() {
            let users = facts("user");
            let ok = !users.is_empty() && users.iter().all(|u| build.who.iter().any(|w| w == u));
            let state = if users.is_empty() {
                RuleState::NoEvidence
            } else if ok {
                RuleState::Satisfied
            } else {
                RuleState::NotSatisfied
            };
            let reason = format!(
                "built by {}; permitted: {}",
                if users.is_empty() { "(unknown)".into() } else { users.join(", ") },
                build.who.join(", ")
            );
            self.push(rules, "build-who", name, state, reason, &items, None);
        }
        self.source(step, run, rules);
        if !self.policy.evidence.custody.is_empty() {
            let custody: Vec<(&str, Option<FactSource>)> =
                environments.iter().filter_map(|e| e.fact("signing-key-custody")).collect();
            let ok = !custody.is_empty()
                && custody.iter().all(|(c, source)| {
                    *source == Some(FactSource::Measured) && self.policy.evidence.custody.iter().any(|w| w == c)
                });
            let state = if custody.is_empty() {
                RuleState::NoEvidence
            } else if ok {
                RuleState::Satisfied
            } else {
                RuleState::NotSatisfied
            };
            let found = custody.iter().map(|(c, _)| *c).collect::<Vec<_>>().join(", ");
            let reason = format!("the key is kept as {found}; accepted: {}", self.policy.evidence.custody.join(", "));
            self.push(
                rules,
                "key-custody",
                name,
                state,
                reason,
                &items,
                Some("sign with a token or an external signer"),
            );
        }
    }

    fn tools(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let build = &self.policy.build;
        if build.tools.is_empty() {
            return;
        }
        let name = Some(step.name.as_str());
        let items: Vec<&Item> =
            run.environment.iter().map(|(i, _)| *i).chain(run.process.iter().map(|(i, _)| *i)).collect();
        let permitted: BTreeSet<Digest> = build.tools.values().flatten().copied().collect();
        let mut wrong = Vec::new();
        let mut seen = 0;
        for tool in run.environment.iter().flat_map(|(_, e)| e.tools()) {
            let tool_name = tool.name.as_deref().unwrap_or_default();
            let Some(listed) = build.tools.get(tool_name) else { continue };
            seen += 1;
            match tool.sha256() {
                Some(digest) if listed.contains(&digest) => {}
                Some(digest) => wrong.push(format!("{tool_name} is {digest}")),
                None => wrong.push(format!("{tool_name} has no digest")),
            }
        }
        // Whatever it is called: the program that was run is known by its digest only.
        for program in run.process.iter().filter_map(|(_, p)| p.command()?.program.as_ref()) {
            seen += 1;
            if build.only_listed_tools && !program.sha256().is_some_and(|d| permitted.contains(&d)) {
                let shown = program.sha256().map_or_else(|| "unknown".to_owned(), |d| d.to_string());
                wrong.push(format!(
                    "the command's program {} ({shown}) is not in the list",
                    program.name.as_deref().unwrap_or_default()
                ));
            }
        }
        let (state, reason) = if !wrong.is_empty() {
            (RuleState::NotSatisfied, wrong.join("; "))
        } else if seen == 0 {
            (RuleState::NoEvidence, "no tool was recorded".to_owned())
        } else {
            (RuleState::Satisfied, "every recorded tool that the policy lists is a permitted one".to_owned())
        };
        self.push(
            rules,
            "build-tools",
            name,
            state,
            reason,
            &items,
            Some("use the pinned tool, or have the policy list the new digest"),
        );
    }

    fn platform(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let build = &self.policy.build;
        if build.builders.is_empty() && build.allow_workstation {
            return;
        }
        let name = Some(step.name.as_str());
        let items: Vec<&Item> =
            run.environment.iter().map(|(i, _)| *i).chain(run.provenance.iter().map(|(i, _)| *i)).collect();
        let mut wrong = Vec::new();
        let mut known = false;
        if !build.builders.is_empty() {
            let ids: Vec<&str> = run
                .provenance
                .iter()
                .map(|(_, p)| p.run_details.builder.id.as_str())
                .chain(self.facts.builder.as_deref().filter(|_| run.provenance.is_empty()))
                .collect();
            known |= !ids.is_empty();
            wrong.extend(
                ids.iter()
                    .filter(|id| !build.builders.iter().any(|b| b == **id))
                    .map(|id| format!("the builder `{id}` is not permitted")),
            );
            if ids.is_empty() {
                wrong.push("no provenance names the builder".to_owned());
            }
        }
        if !build.allow_workstation {
            for (_, environment) in &run.environment {
                known = true;
                if environment.fact("ci-system").is_none_or(|(value, _)| value == "none") {
                    wrong.push("it was built outside a CI system".to_owned());
                }
            }
        }
        let (state, reason) = if !wrong.is_empty() {
            (RuleState::NotSatisfied, wrong.join("; "))
        } else if known {
            (RuleState::Satisfied, "a permitted platform".to_owned())
        } else {
            (RuleState::NoEvidence, "no environment attestation names the platform".to_owned())
        };
        self.push(rules, "build-platform", name, state, reason, &items, Some("build on a permitted platform"));
    }

    fn source(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let build = &self.policy.build;
        let name = Some(step.name.as_str());
        let items: Vec<&Item> = run.materials.iter().map(|(i, _)| *i).collect();
        if build.require_clean || !build.sources.is_empty() {
            let mut wrong = Vec::new();
            for (_, materials) in &run.materials {
                let Some(git) = &materials.git else {
                    wrong.push("the step did not run in a git repository".to_owned());
                    continue;
                };
                if build.require_clean && git.dirty != Some(false) {
                    wrong.push("the working tree differs from the commit".to_owned());
                }
                let uri = git.source.uri.as_deref().unwrap_or_default();
                if !build.sources.is_empty() && !build.sources.iter().any(|s| s == uri) {
                    wrong.push(format!("the source `{uri}` is not a permitted one"));
                }
            }
            let (state, reason) = if run.materials.is_empty() {
                (RuleState::NoEvidence, "there is no materials attestation".to_owned())
            } else if wrong.is_empty() {
                (RuleState::Satisfied, "a clean commit from a permitted place".to_owned())
            } else {
                (RuleState::NotSatisfied, wrong.join("; "))
            };
            self.push(
                rules,
                "source-clean",
                name,
                state,
                reason,
                &items,
                Some("commit or stash, and build from the permitted repository"),
            );
        }
        if !run.materials.is_empty() {
            let uncertain: u64 =
                run.materials.iter().map(|(_, m)| m.files.uncertain + m.files.not_listed.len() as u64).sum();
            let (state, reason) = if uncertain == 0 {
                (RuleState::Satisfied, "all materials were read and did not change meanwhile".to_owned())
            } else {
                (RuleState::NotSatisfied, format!("{uncertain} materials have no certain content"))
            };
            self.push(
                rules,
                "materials-certain",
                name,
                state,
                reason,
                &items,
                Some("see which ones with `provost inspect`"),
            );
        }
    }

    fn user_rules(&self, rules: &mut Vec<RuleResult>) {
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

    fn rego_input(&self) -> String {
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
