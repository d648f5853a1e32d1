//! The log that a server publishes as a ref (`refs/provost/log`), as a clone reads it: approvals with the times at which they
//! came in.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use provost_attest::Envelope;
use provost_gate::Ledger;
use provost_policy::{POLICY_PAYLOAD, Policy};
use provost_repo::Published;
use provost_tlog::{Frontier, SignedCheckpoint, leaf_hash};
use serde::{Deserialize, Serialize};

use super::ledger::{counted, memory_of, past, recall, remember, vouching};
use super::publish::{FILE, LOG_REF, PublishedEntry, path_of};
use crate::home::Home;
use crate::judge::Anchors;

/// Entries of a published log that are read.
const ENTRIES: u64 = 1_000_000;

/// Reads the published log of a clone; `None` where it has none. Entries are held against the checkpoint, the checkpoint
/// against the policy's log keys and against what was seen before.
///
/// # Errors
/// The log was changed, rolled back, or is of a key that the policy does not name.
pub(crate) fn read(home: &Home, directory: &Path, policy: &Policy) -> Result<Option<Ledger>> {
    let published = Published::open(directory, LOG_REF)?;
    let Some(checkpoint) = published.read("checkpoint", FILE)? else { return Ok(None) };
    let checkpoint = SignedCheckpoint::parse(&checkpoint).with_context(|| format!("the checkpoint in {LOG_REF}"))?;
    let keys = policy.log_keys();
    let Some(key) = keys.iter().find(|key| checkpoint.verify(key).is_ok()) else {
        bail!("the log in {LOG_REF} is signed by no key that the policy names as a `[[log]]`");
    };
    let size = checkpoint.unverified().size;
    if size > ENTRIES {
        bail!("the log in {LOG_REF} has more than {ENTRIES} entries");
    }
    let vouching = vouching(policy, &Anchors::load(Some(home), &[], &[])?.keys);
    let memory = home.memory();
    let id = key.full_id();
    let seen = memory.newest(&id)?;
    if let Some(seen) = seen.as_ref().map(|seen| seen.unverified().size).filter(|seen| *seen > size) {
        bail!(
            "{LOG_REF} has {size} entries, and {seen} were seen before: it was rolled back, or not fetched with the rest"
        );
    }
    let same = |seen: &SignedCheckpoint| seen.unverified().size == size;
    if seen
        .as_ref()
        .filter(|seen| same(seen))
        .is_some_and(|seen| seen.unverified().root != checkpoint.unverified().root)
    {
        bail!("{LOG_REF} is not the log of {size} entries that was seen before: it was changed");
    }
    let path = memory_of(home, key, policy, "-published");
    let (mut ledger, mut read): (Ledger, Read) = recall(&path, size).unwrap_or_default();
    let from = ledger.size;
    // A server whose key was changed is known by what it signed under the policy of that time.
    let mut then =
        read.policy.as_deref().and_then(|text| past(policy, &vouching, &Envelope::parse(text.as_bytes()).ok()?, None));
    for index in from..size {
        let bytes = published.read(&path_of(index), FILE)?.with_context(|| format!("{LOG_REF} lacks entry {index}"))?;
        let (entry, envelope) = PublishedEntry::open(&bytes).with_context(|| format!("entry {index} of {LOG_REF}"))?;
        read.frontier.push(leaf_hash(&entry));
        if let Some(seen) = seen.as_ref().filter(|seen| seen.unverified().size == index + 1)
            && seen.unverified().root != read.frontier.root()
        {
            bail!("the first {} entries of {LOG_REF} are not those that were seen before: it was changed", index + 1);
        }
        if envelope.payload_type() == POLICY_PAYLOAD {
            if let Some(next) = past(policy, &vouching, &envelope, then.as_ref()) {
                then = Some(next);
                read.policy = Some(envelope.to_json());
            }
        } else if let Some(verified) = counted(policy, then.as_ref().unwrap_or(policy), &envelope, ledger.newest) {
            let applied = ledger.apply(&policy.access, index, verified.value());
            applied.with_context(|| format!("entry {index} of {LOG_REF}"))?;
        }
        ledger.size = index + 1;
    }
    if read.frontier.root() != checkpoint.unverified().root {
        bail!("the entries of {LOG_REF} are not those of its checkpoint: it was changed, or fetched in part");
    }
    let _ = memory.remember(&id, &checkpoint);
    if ledger.size != from {
        // What cannot be written costs time, and nothing else.
        let _ = remember(&path, &mut ledger, &read, from == 0);
    }
    Ok(Some(ledger))
}

/// What is kept of a published log beside what it says.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    /// The tree of the entries that were read.
    frontier: Frontier,
    /// The newest policy among them that led to the one in force, signed.
    policy: Option<String>,
}
