//! Who signed, whether they may, when, and where it is kept.

use std::collections::BTreeSet;

use provost_attest::SignerIdentity;
use provost_attest::predicate::{self};
use provost_keys::{KeyId, SubjectName};
use provost_model::{RuleResult, RuleState, Timestamp};

use super::{Item, Judge, Run, SKEW_MILLISECONDS, said_time};
use crate::document::{Functionary, Identity, Step};

impl<'a> Judge<'a> {
    /// Presence, functionaries and validity of keys. Gives the keys that signed every required attestation.
    pub(super) fn signed_by(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) -> BTreeSet<KeyId> {
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

    pub(super) fn functionaries(
        &self,
        step: &Step,
        key: &KeyId,
        identity: &SignerIdentity,
    ) -> impl Iterator<Item = &'a Functionary> {
        self.named(&step.functionaries, key, identity)
    }

    /// The functionaries of these names that a signer is.
    pub(super) fn named(
        &self,
        names: &[String],
        key: &KeyId,
        identity: &SignerIdentity,
    ) -> impl Iterator<Item = &'a Functionary> {
        let (key, identity) = (*key, identity.clone());
        let names = names.to_vec();
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

    pub(super) fn valid(
        &self,
        functionary: &Functionary,
        item: &Item,
        identity: &SignerIdentity,
    ) -> Result<(), String> {
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

    pub(super) fn logged(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
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

    pub(super) fn time(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
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
}
