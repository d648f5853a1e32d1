//! What the log says so far: where each ref stands, what was approved, what was proposed when. Entry by entry, so that the
//! next decision reads only what is new.

use std::collections::{BTreeMap, BTreeSet};

use provost_attest::{Envelope, Statement, TrustedSigner, verify_envelope};
use provost_model::Timestamp;
use provost_policy::{Access, Policy, TimeSource};
use serde::{Deserialize, Serialize};

use crate::approval::{APPROVAL, Seen, verify_approval};
use crate::checks::CheckStatement;
use crate::log::{RECEIPT, REFERENCE_UPDATE, Receipt, ReceiptKind, ReferenceUpdate, UpdateState};
use crate::revocable::Revocable;
use crate::verdict::{GATE_VERDICT, GateVerdict};
use crate::{Answer, Binding, GateError};

/// A statement of a scan or test that came in, not yet verified again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedCheck {
    /// The envelope, as JSON.
    pub envelope: String,
    /// The trees and commits that it speaks of.
    pub speaks_of: Vec<String>,
}

/// A verdict that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedVerdict {
    /// The entry that it is in.
    pub index: u64,
    /// Its id.
    pub id: String,
    /// What it is of.
    pub of: Binding,
    /// What may happen.
    pub answer: Answer,
    /// When it was decided.
    pub decided_on: Timestamp,
    /// After this it counts no more.
    pub expires: Timestamp,
}

/// What the log says so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    /// Entries that were read.
    pub size: u64,
    /// Where each ref stands.
    pub refs: BTreeMap<String, String>,
    /// When a commit was first proposed or pushed.
    pub first_seen: BTreeMap<String, Timestamp>,
    /// The refs that held a commit at some time.
    pub tips: BTreeMap<String, BTreeSet<String>>,
    /// Who pushed a commit first, or as the tip of a ref.
    pub pushers: BTreeMap<String, BTreeSet<String>>,
    /// Approvals, withdrawals, rejections.
    pub approvals: Vec<Seen>,
    /// Scans and tests.
    pub checks: Vec<LoggedCheck>,
    /// Verdicts on critical steps, in the order of the log. Those on contributions are for people: nothing takes them.
    pub verdicts: Vec<LoggedVerdict>,
    /// Verdicts by which a step ran, each with the entry that says so first.
    pub used: BTreeMap<String, u64>,
    /// The time of the newest receipt, or change of a ref.
    pub newest: Option<Timestamp>,
    /// Pushes that git may still give up.
    #[serde(flatten)]
    revocable: Revocable<String>,
}

impl Ledger {
    /// Takes an entry. The caller has verified that the server signed it. Whatever is none of the gate's is passed over.
    ///
    /// # Errors
    /// It says that it is an entry of the gate's, and is malformed.
    pub fn apply(&mut self, access: &Access, index: u64, statement: &Statement) -> Result<(), GateError> {
        match statement.predicate_type.as_str() {
            REFERENCE_UPDATE => self.update(&ReferenceUpdate::parse(statement)?),
            RECEIPT => self.receipt(access, index, Receipt::parse(statement)?),
            GATE_VERDICT => {
                let verdict = GateVerdict::parse(statement)?;
                if verdict.of.target.step.is_some() {
                    self.verdicts.push(LoggedVerdict {
                        index,
                        id: verdict.id,
                        of: verdict.of,
                        answer: verdict.answer,
                        decided_on: verdict.decided_on,
                        expires: verdict.expires,
                    });
                }
            }
            _ => {}
        }
        self.size = index + 1;
        Ok(())
    }

    fn update(&mut self, entry: &ReferenceUpdate) {
        if entry.state == UpdateState::Aborted {
            // A push that never came into the log left nothing to take back.
            let (_, Some(mut before)) = self.revocable.give_up(&entry.push) else { return };
            for change in &entry.changes {
                // What something came after is over, and stays.
                match before.remove(&change.reference) {
                    Some(Some(id)) => _ = self.refs.insert(change.reference.clone(), id),
                    Some(None) => _ = self.refs.remove(&change.reference),
                    None => {}
                }
            }
            return;
        }
        self.newest = self.newest.max(Some(entry.time));
        let mut before = BTreeMap::new();
        for change in &entry.changes {
            self.revocable.over(&change.reference);
            let old = match &change.to {
                Some(to) => {
                    self.first_seen.entry(to.clone()).or_insert(entry.time);
                    self.tips.entry(to.clone()).or_default().insert(change.reference.clone());
                    if let Some(pusher) = &entry.pusher {
                        for id in change.commits.iter().chain([to]) {
                            self.pushers.entry(id.clone()).or_default().insert(pusher.clone());
                        }
                    }
                    self.refs.insert(change.reference.clone(), to.clone())
                }
                None => self.refs.remove(&change.reference),
            };
            before.insert(change.reference.clone(), old);
        }
        self.revocable.add(&entry.push, self.size, before);
    }

    /// Takes the entry that says that a step ran by a verdict. Whoever may sign evidence may say so: it can only take away.
    pub fn apply_use(&mut self, index: u64, statement: &Statement) {
        if let Ok(Receipt { of: ReceiptKind::Use { verdict, .. }, .. }) = Receipt::parse(statement) {
            self.used.entry(verdict).or_insert(index);
        }
    }

    fn receipt(&mut self, access: &Access, index: u64, receipt: Receipt) {
        let received = Some((receipt.received_on, TimeSource::Log));
        self.newest = self.newest.max(Some(receipt.received_on));
        match receipt.of {
            ReceiptKind::Use { verdict, .. } => {
                self.used.entry(verdict).or_insert(index);
            }
            ReceiptKind::Proposal { of } => {
                self.first_seen.entry(of.head).or_insert(receipt.received_on);
            }
            ReceiptKind::Review { account, of, state } => {
                // A review takes the place of whatever the same account said of the same target before.
                let before = |seen: &Seen| seen.review && seen.key == account && seen.approval.of.target == of.target;
                self.approvals.retain(|seen| !before(seen));
                if let Some(mut seen) = Seen::review(access, &account, of, &state, receipt.received_on) {
                    seen.received = received;
                    self.add(seen);
                }
            }
            ReceiptKind::Envelope { envelope } => {
                let Ok(parsed) = Envelope::parse(envelope.as_bytes()) else { return };
                let Ok(statement) = Statement::parse(parsed.unverified_payload()) else { return };
                if statement.predicate_type == APPROVAL {
                    if let Ok(mut seen) = verify_approval(access, &parsed) {
                        seen.received = received;
                        self.add(seen);
                    }
                    return;
                }
                let ids = statement.subject.iter().flat_map(|subject| {
                    ["gitTree", "gitCommit"].into_iter().filter_map(|name| subject.digest.get(name).cloned())
                });
                let speaks_of: Vec<String> = ids.collect();
                if !speaks_of.is_empty() {
                    self.checks.push(LoggedCheck { envelope, speaks_of });
                }
            }
        }
    }

    /// Adds an approval, once: the first time that it was there counts.
    pub fn add(&mut self, seen: Seen) {
        let same = |other: &Seen| other.envelope == seen.envelope && other.person == seen.person;
        if !self.approvals.iter().any(same) {
            self.approvals.push(seen);
        }
    }

    /// Scans and tests of a tree or commit, verified anew by the keys of the policy.
    pub fn checks_of(&self, policy: &Policy, ids: &[&str]) -> Vec<CheckStatement> {
        let signers: Vec<TrustedSigner> = policy.keys().into_iter().map(TrustedSigner::key).collect();
        self.checks
            .iter()
            .filter(|check| check.speaks_of.iter().any(|id| ids.contains(&id.as_str())))
            .filter_map(|check| {
                let envelope = Envelope::parse(check.envelope.as_bytes()).ok()?;
                Some(CheckStatement { statement: verify_envelope(&envelope, &signers, 1).ok()? })
            })
            .collect()
    }

    /// What time it is by a clock and by this log: what is in the log is past, whatever the clock says.
    pub fn now(&self, clock: Timestamp) -> Timestamp {
        self.newest.map_or(clock, |newest| clock.max(newest))
    }

    /// When something was first proposed.
    pub fn first_seen(&self, binding: &Binding) -> Option<(Timestamp, TimeSource)> {
        self.first_seen.get(&binding.head).map(|at| (*at, TimeSource::Log))
    }
}

impl crate::push::History for Ledger {
    fn refs_of(&self, commit: &str) -> Vec<String> {
        self.tips.get(commit).into_iter().flatten().cloned().collect()
    }

    fn pushers_of(&self, commit: &str) -> Vec<String> {
        self.pushers.get(commit).into_iter().flatten().cloned().collect()
    }
}
