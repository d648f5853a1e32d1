//! What the log of this store says so far. The part that was read before is remembered, so that a hook reads only what is
//! new.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use provost_attest::{Envelope, Statement, TrustedSigner, Verified, verify_envelope};
use provost_evidence::{Recall, Store};
use provost_gate::{GateError, Ledger, Remembered, Trail};
use provost_keys::PublicKey;
use provost_model::Timestamp;
use provost_policy::{Functionary, Identity, POLICY_PAYLOAD, Policy};
use provost_tlog::NoteKey;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::home::Home;
use crate::judge::Anchors;

/// The keys of functionaries that the policy names for something.
pub(crate) fn signers(policy: &Policy, names: &[String]) -> Vec<TrustedSigner> {
    let key = |f: &Functionary| match &f.identity {
        Identity::Key(key) => Some(TrustedSigner::key(key.clone())),
        Identity::Certificate { .. } => None,
    };
    policy.functionaries.iter().filter(|f| names.contains(&f.name)).filter_map(key).collect()
}

/// Whether one of these functionaries signed it, and might do so at that time: neither before its time, nor after its end, nor
/// since it was revoked.
pub(crate) fn might(policy: &Policy, names: &[String], by: &Verified<Statement>, at: Timestamp) -> bool {
    valid(policy, names, at).any(|key| by.signers().contains_key(&key.id()))
}

/// Whether what this key signs counts at a time, for one of these functionaries.
pub(crate) fn takes(policy: &Policy, names: &[String], key: &PublicKey, at: Timestamp) -> bool {
    valid(policy, names, at).any(|other| other.id() == key.id())
}

fn valid<'p>(policy: &'p Policy, names: &'p [String], at: Timestamp) -> impl Iterator<Item = &'p PublicKey> {
    policy.functionaries.iter().filter(|f| names.contains(&f.name)).filter_map(move |f| {
        let Identity::Key(key) = &f.identity else { return None };
        let then = f.not_before.is_none_or(|from| at >= from)
            && f.not_after.is_none_or(|until| at <= until)
            && f.revoked_at.is_none_or(|revoked| at < revoked);
        then.then_some(key)
    })
}

/// When an entry of the gate says that it was made. Time in a log does not go back: an entry counts as no older than what was
/// received before it.
fn time_of(statement: &Statement, newest: Option<Timestamp>) -> Option<Timestamp> {
    let said = match statement.predicate_type.as_str() {
        provost_gate::REFERENCE_UPDATE => provost_gate::ReferenceUpdate::parse(statement).ok()?.time,
        provost_gate::RECEIPT => provost_gate::Receipt::parse(statement).ok()?.received_on,
        provost_gate::GATE_VERDICT => provost_gate::GateVerdict::parse(statement).ok()?.decided_on,
        _ => return None,
    };
    Some(newest.map_or(said, |newest| said.max(newest)))
}

/// An entry of the gate, if it counts: signed by a functionary that might sign it then. `None` where it counts for nothing.
pub(crate) fn entry(policy: &Policy, envelope: &Envelope, newest: Option<Timestamp>) -> Option<Verified<Statement>> {
    let names = gate_names(policy);
    let verified = verify_envelope(envelope, &signers(policy, &names), 1).ok()?;
    match time_of(verified.value(), newest) {
        Some(at) => might(policy, &names, &verified, at).then_some(verified),
        // Malformed, or none of the gate's: whoever takes it says so.
        None => Some(verified),
    }
}

/// Those whose entries of the gate count: whoever gives verdicts, and the servers of the repository.
pub(crate) fn gate_names(policy: &Policy) -> Vec<String> {
    let mut names = policy.access.gate.functionaries.clone();
    names.extend(policy.access.repository.iter().flat_map(|repository| repository.servers.iter().cloned()));
    names
}

/// Whose signature makes a policy one that came before this one.
pub(crate) fn vouching(policy: &Policy, anchors: &[PublicKey]) -> Vec<TrustedSigner> {
    let roots = policy.access.root.iter().flat_map(|root| &root.keys);
    anchors.iter().chain(roots).cloned().map(TrustedSigner::key).collect()
}

/// A policy of the log that was in force before this one, or is this one, if it is newer than the last.
pub(crate) fn past(
    policy: &Policy,
    keys: &[TrustedSigner],
    envelope: &Envelope,
    last: Option<&Policy>,
) -> Option<Policy> {
    let verified = provost_attest::verify_payload(envelope, POLICY_PAYLOAD, keys, 1).ok()?;
    let one = Policy::parse(std::str::from_utf8(verified.value()).ok()?).ok()?;
    let newer = last.is_none_or(|last| last.serial < one.serial);
    let counts = one.name == policy.name && newer && one.serial <= policy.serial;
    (counts && super::policy::first_root(&one, envelope).is_ok()).then_some(one)
}

/// An entry that counts by this policy, or by the one that was in force then.
pub(crate) fn counted(
    policy: &Policy,
    then: &Policy,
    envelope: &Envelope,
    newest: Option<Timestamp>,
) -> Option<Verified<Statement>> {
    entry(policy, envelope, newest).or_else(|| {
        let verified = entry(then, envelope, newest)?;
        // A key that this policy still knows, and no longer takes, is not taken by an older one's word.
        let known = policy.functionaries.iter().any(|f| match &f.identity {
            Identity::Key(key) => verified.signers().contains_key(&key.id()),
            Identity::Certificate { .. } => false,
        });
        (!known).then_some(verified)
    })
}

/// The policies that were in force before this one, each with the entry from which on it was: those of the log itself that
/// lead to this one, each signed by whom this one's signer or root keys vouch for. A server whose key was changed is known by
/// what it signed under the policy of that time.
fn earlier(store: &Store, policy: &Policy, anchors: &[PublicKey]) -> Result<Vec<(u64, Policy)>> {
    let mut found: Vec<(u64, Policy)> = Vec::new();
    let keys = vouching(policy, anchors);
    for row in store.records_of_payload(POLICY_PAYLOAD)? {
        if let Some(one) = past(policy, &keys, &store.envelope(row.index)?, found.last().map(|(_, last)| last)) {
            found.push((row.index, one));
        }
    }
    // Only a log that holds the policy in force itself tells what came before it.
    if found.last().is_none_or(|(_, last)| last.digest != policy.digest) {
        found.clear();
    }
    Ok(found)
}

/// What another policy made of the log is no use: other keys count, and other persons. `what` tells apart what else is remembered.
pub(crate) fn memory_of(home: &Home, log: &NoteKey, policy: &Policy, what: &str) -> PathBuf {
    let name = format!("{}-{}{what}.sqlite", log.full_id().short(), policy.digest.short());
    home.memory_path().join("ledgers").join(name)
}

/// Reads what the store's log says, from where it was read to before.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn read(home: &Home, store: &Store, policy: &Policy) -> Result<Ledger> {
    let anchors = Anchors::load(Some(home), &[], &[])?;
    read_by(home, store, policy, &anchors.keys)
}

/// As [`read`], where others than the user's keys vouch for the policies of the log.
///
/// # Errors
/// As there.
pub(crate) fn read_by(home: &Home, store: &Store, policy: &Policy, anchors: &[PublicKey]) -> Result<Ledger> {
    let path = memory_of(home, store.log_key(), policy, "");
    let size = store.checkpoint()?.unverified().size;
    let (mut ledger, ()) = recall(&path, size).unwrap_or_default();
    let from = ledger.size;
    // What is new since this policy is in force is this policy's to judge.
    let earlier = if from == 0 { earlier(store, policy, anchors)? } else { Vec::new() };
    let anyone: Vec<TrustedSigner> = policy.keys().into_iter().map(TrustedSigner::key).collect();
    loop {
        let rows = store.records(ledger.size, 10_000)?;
        let Some(end) = rows.last().map(|row| row.index) else { break };
        for row in &rows {
            let gate = [provost_gate::REFERENCE_UPDATE, provost_gate::RECEIPT, provost_gate::GATE_VERDICT];
            if !row.predicate_type.as_deref().is_some_and(|kind| gate.contains(&kind)) {
                continue;
            }
            let envelope = store.envelope(row.index)?;
            let then = earlier.iter().rev().find(|(index, _)| *index < row.index).map_or(policy, |(_, then)| then);
            let counts = counted(policy, then, &envelope, ledger.newest);
            if let Some(verified) = counts {
                let applied = ledger.apply(&policy.access, row.index, verified.value());
                applied.with_context(|| format!("entry {} of the log", row.index))?;
            } else if row.predicate_type.as_deref() == Some(provost_gate::RECEIPT)
                && let Ok(verified) = verify_envelope(&envelope, &anyone, 1)
            {
                ledger.apply_use(row.index, verified.value());
            }
        }
        ledger.size = end + 1;
    }
    if ledger.size != from {
        // A memory that cannot be written costs time, and nothing else.
        let _ = remember(&path, &mut ledger, &(), from == 0);
    }
    Ok(ledger)
}

/// What was read of a log before. Trails and checks stay where they are until they are asked for: there is one for each commit.
#[derive(Debug)]
struct Memory {
    recall: Recall,
    path: PathBuf,
}

impl Memory {
    fn value<T>(&self, key: &str, read: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, GateError> {
        let wrong = |why: String| {
            GateError::Memory(format!("{why}; {} can be deleted, and is made again", self.path.display()))
        };
        let bytes = self.recall.value(key).map_err(|error| wrong(error.to_string()))?;
        bytes.map(|bytes| read(&bytes).ok_or_else(|| wrong(format!("`{key}` is damaged")))).transpose()
    }
}

impl Remembered for Memory {
    fn trail(&self, id: &str) -> Result<Option<Trail>, GateError> {
        self.value(&trail_key(id), |bytes| serde_json::from_slice(bytes).ok())
    }

    fn check(&self, digest: &str) -> Result<Option<String>, GateError> {
        self.value(&check_key(digest), |bytes| String::from_utf8(bytes.to_vec()).ok())
    }
}

fn trail_key(id: &str) -> String {
    format!("trail {id}")
}

fn check_key(digest: &str) -> String {
    format!("check {digest}")
}

/// What is remembered, if it is of this log's past, and what was kept with it.
pub(crate) fn recall<More: DeserializeOwned>(path: &Path, size: u64) -> Option<(Ledger, More)> {
    if !path.exists() {
        return None;
    }
    let recall = Recall::open(path).ok()?;
    let (mut ledger, more): (Ledger, More) = serde_json::from_slice(&recall.state().ok()??).ok()?;
    ledger.remembered = Some(Arc::new(Memory { recall, path: path.to_path_buf() }));
    (ledger.size <= size).then_some((ledger, more))
}

/// Remembers what was read. `anew` forgets what was there.
///
/// # Errors
/// It cannot be written.
pub(crate) fn remember<More: Serialize>(path: &Path, ledger: &mut Ledger, more: &More, anew: bool) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut values = Vec::new();
    for id in ledger.trails.keys() {
        values.push((trail_key(id), serde_json::to_vec(&ledger.trail(id)?)?));
    }
    let checks = ledger.checks.iter().map(|(digest, envelope)| (check_key(digest), envelope.clone().into_bytes()));
    values.extend(checks);
    let (trails, checks) = (std::mem::take(&mut ledger.trails), std::mem::take(&mut ledger.checks));
    let state = serde_json::to_vec(&(&*ledger, more));
    (ledger.trails, ledger.checks) = (trails, checks);
    Recall::open(path)?.put(ledger.size, &state?, anew, values)?;
    Ok(())
}
