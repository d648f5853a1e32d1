//! What the log says so far: where each ref stands, what was approved, what was proposed when. Entry by entry, so that the
//! next decision reads only what is new.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use provost_attest::{Envelope, Statement, TrustedSigner, verify_envelope};
use provost_model::{Timestamp, sha256};
use provost_policy::{Access, Policy, TimeSource};
use serde::{Deserialize, Serialize};

use crate::approval::{APPROVAL, Seen, verify_approval};
use crate::checks::CheckStatement;
use crate::log::{RECEIPT, REFERENCE_UPDATE, Receipt, ReceiptKind, ReferenceUpdate, UpdateState};
use crate::revocable::Revocable;
use crate::verdict::{GATE_VERDICT, GateVerdict};
use crate::{Answer, Binding, GateError};

/// What the log says of one commit or tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trail {
    /// When the commit was first proposed or pushed.
    pub first_seen: Option<Timestamp>,
    /// The refs that held the commit at some time.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tips: BTreeSet<String>,
    /// Who pushed the commit first, or as the tip of a ref.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub pushers: BTreeSet<String>,
    /// The scans and tests that speak of it, in the order of the log: the SHA-256 of each one's envelope.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
}

impl Trail {
    /// Adds what came later.
    fn add(&mut self, later: Self) {
        self.first_seen = self.first_seen.or(later.first_seen);
        self.tips.extend(later.tips);
        self.pushers.extend(later.pushers);
        for check in later.checks {
            if !self.checks.contains(&check) {
                self.checks.push(check);
            }
        }
    }
}

/// What was read of the log before, and need not be at hand as a whole.
pub trait Remembered: std::fmt::Debug + Send + Sync {
    /// What it says of a commit or tree.
    ///
    /// # Errors
    /// It cannot be read.
    fn trail(&self, id: &str) -> Result<Option<Trail>, GateError>;

    /// The envelope of a scan or test, as JSON.
    ///
    /// # Errors
    /// As [`Remembered::trail`].
    fn check(&self, digest: &str) -> Result<Option<String>, GateError>;
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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    /// Entries that were read.
    pub size: u64,
    /// Where each ref stands.
    pub refs: BTreeMap<String, String>,
    /// By commit and tree, what is not remembered yet.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub trails: BTreeMap<String, Trail>,
    /// Scans and tests that are not remembered yet, not verified again: the envelope as JSON, by its SHA-256.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, String>,
    /// What is remembered.
    #[serde(skip)]
    pub remembered: Option<Arc<dyn Remembered>>,
    /// Other logs, whose word on checks, pushers and times counts too.
    #[serde(skip)]
    beside: Vec<Arc<Ledger>>,
    /// Approvals, withdrawals, rejections.
    pub approvals: Vec<Seen>,
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
                    let tip = self.trails.entry(to.clone()).or_default();
                    tip.first_seen.get_or_insert(entry.time);
                    tip.tips.insert(change.reference.clone());
                    if let Some(pusher) = &entry.pusher {
                        for id in change.commits.iter().chain([to]) {
                            self.trails.entry(id.clone()).or_default().pushers.insert(pusher.clone());
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
                self.trails.entry(of.head).or_default().first_seen.get_or_insert(receipt.received_on);
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
                let digest = sha256(envelope.as_bytes()).to_hex();
                let later = Trail { checks: vec![digest.clone()], ..Trail::default() };
                let mut speaks = false;
                for id in ids {
                    self.trails.entry(id).or_default().add(later.clone());
                    speaks = true;
                }
                if speaks {
                    self.checks.insert(digest, envelope);
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

    /// What the log says of a commit or tree.
    ///
    /// # Errors
    /// What is remembered cannot be read.
    pub fn trail(&self, id: &str) -> Result<Trail, GateError> {
        let mut trail = match &self.remembered {
            Some(remembered) => remembered.trail(id)?.unwrap_or_default(),
            None => Trail::default(),
        };
        if let Some(later) = self.trails.get(id) {
            trail.add(later.clone());
        }
        for other in &self.beside {
            let theirs = other.trail(id)?;
            let earliest = [trail.first_seen, theirs.first_seen].into_iter().flatten().min();
            trail.add(Trail { tips: BTreeSet::new(), ..theirs });
            trail.first_seen = earliest;
        }
        Ok(trail)
    }

    /// Adds what another log says of approvals, checks, pushers and times: whatever was earlier there was earlier.
    pub fn add_all(&mut self, mut other: Self) {
        for seen in std::mem::take(&mut other.approvals) {
            self.add(seen);
        }
        self.newest = self.newest.max(other.newest);
        self.beside.push(Arc::new(other));
    }

    /// The envelope of a check, as JSON.
    fn check(&self, digest: &str) -> Result<Option<String>, GateError> {
        if let Some(text) = self.checks.get(digest) {
            return Ok(Some(text.clone()));
        }
        if let Some(remembered) = &self.remembered
            && let Some(text) = remembered.check(digest)?
        {
            return Ok(Some(text));
        }
        for other in &self.beside {
            if let Some(text) = other.check(digest)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// Scans and tests of a tree or commit, verified anew by the keys of the policy.
    ///
    /// # Errors
    /// As [`Ledger::trail`].
    pub fn checks_of(&self, policy: &Policy, ids: &[&str]) -> Result<Vec<CheckStatement>, GateError> {
        let signers: Vec<TrustedSigner> = policy.keys().into_iter().map(TrustedSigner::key).collect();
        let mut all = Trail::default();
        for id in ids {
            all.add(self.trail(id)?);
        }
        let mut found = Vec::new();
        for digest in &all.checks {
            let text = self.check(digest)?;
            let text = text.ok_or_else(|| GateError::Memory(format!("the check {digest} is not in it")))?;
            let verified = Envelope::parse(text.as_bytes()).ok().and_then(|e| verify_envelope(&e, &signers, 1).ok());
            found.extend(verified.map(|statement| CheckStatement { statement }));
        }
        Ok(found)
    }

    /// What time it is by a clock and by this log: what is in the log is past, whatever the clock says.
    pub fn now(&self, clock: Timestamp) -> Timestamp {
        self.newest.map_or(clock, |newest| clock.max(newest))
    }

    /// When something was first proposed.
    ///
    /// # Errors
    /// As [`Ledger::trail`].
    pub fn first_seen(&self, binding: &Binding) -> Result<Option<(Timestamp, TimeSource)>, GateError> {
        Ok(self.trail(&binding.head)?.first_seen.map(|at| (at, TimeSource::Log)))
    }
}

impl crate::push::History for Ledger {
    fn refs_of(&self, commit: &str) -> Result<BTreeSet<String>, GateError> {
        Ok(self.trail(commit)?.tips)
    }

    fn pushers_of(&self, commit: &str) -> Result<BTreeSet<String>, GateError> {
        Ok(self.trail(commit)?.pushers)
    }
}

#[cfg(test)]
mod tests {
    use provost_keys::Signer as _;

    use super::*;

    #[derive(Debug)]
    struct Kept(Trail);

    impl Remembered for Kept {
        fn trail(&self, id: &str) -> Result<Option<Trail>, GateError> {
            Ok((id == "a").then(|| self.0.clone()))
        }

        fn check(&self, _: &str) -> Result<Option<String>, GateError> {
            Err(GateError::Memory("damaged".into()))
        }
    }

    fn trail(seconds: i64, tip: &str, pusher: &str) -> Trail {
        Trail {
            first_seen: Some(Timestamp::from_seconds(seconds)),
            tips: BTreeSet::from([tip.to_owned()]),
            pushers: BTreeSet::from([pusher.to_owned()]),
            ..Trail::default()
        }
    }

    #[test]
    fn what_is_remembered_comes_before_what_is_new() {
        let mut ledger = Ledger { remembered: Some(Arc::new(Kept(trail(5, "x", "ada")))), ..Ledger::default() };
        ledger.trails.insert("a".into(), trail(3, "y", "bob"));
        let both = ledger.trail("a").expect("read");
        assert_eq!(both.first_seen, Some(Timestamp::from_seconds(5)), "a later entry changes no time");
        assert_eq!((both.tips.len(), both.pushers.len()), (2, 2));
        assert_eq!(ledger.trail("b").expect("read"), Trail::default());
        // Another log may have seen it earlier, and knows other pushers; which refs held it there is that server's matter.
        let mut other = Ledger::default();
        other.trails.insert("a".into(), trail(2, "z", "cyd"));
        other.trails.insert("b".into(), trail(7, "z", "cyd"));
        ledger.add_all(other);
        let all = ledger.trail("a").expect("read");
        assert_eq!(all.first_seen, Some(Timestamp::from_seconds(2)));
        assert_eq!(all.pushers.iter().map(String::as_str).collect::<Vec<_>>(), ["ada", "bob", "cyd"]);
        assert_eq!(all.tips.iter().map(String::as_str).collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(ledger.trail("b").expect("read").first_seen, Some(Timestamp::from_seconds(7)));
    }

    /// What another log was read to before is not read again, and counts all the same.
    #[test]
    fn another_log_may_be_remembered_too() {
        let other = Ledger { remembered: Some(Arc::new(Kept(trail(2, "z", "cyd")))), ..Ledger::default() };
        let mut ledger = Ledger::default();
        ledger.trails.insert("a".into(), trail(3, "y", "bob"));
        ledger.add_all(other);
        let all = ledger.trail("a").expect("read");
        assert_eq!(all.first_seen, Some(Timestamp::from_seconds(2)));
        assert_eq!(all.pushers.iter().map(String::as_str).collect::<Vec<_>>(), ["bob", "cyd"]);
        assert_eq!(all.tips.iter().map(String::as_str).collect::<Vec<_>>(), ["y"]);
    }

    #[test]
    fn a_check_that_cannot_be_read_is_no_missing_one() {
        let mut kept = trail(1, "x", "ada");
        kept.checks.push("00".repeat(32));
        let ledger = Ledger { remembered: Some(Arc::new(Kept(kept))), ..Ledger::default() };
        let key = provost_keys::PrivateKey::generate(provost_keys::KeyAlgorithm::EcdsaP256).expect("key");
        let text = format!(
            "version = 1\nname = \"x\"\nserial = 1\nexpires = \"2100-01-01T00:00:00Z\"\n[evidence]\nrequire-log = false\n\
             [[functionary]]\nname = \"b\"\npublic-key = \"\"\"{}\"\"\"\n[[step]]\nname = \"build\"\nfunctionaries = [\"b\"]\nrequire = [\"link\"]\n",
            key.public_key().to_pem()
        );
        let policy = Policy::parse(&text).expect("a policy");
        assert!(ledger.checks_of(&policy, &["a"]).is_err());
        assert!(ledger.checks_of(&policy, &["b"]).is_ok());
    }
}
