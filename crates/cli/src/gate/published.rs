//! The log that a server publishes as a ref (`refs/provost/log`), as a clone reads it: approvals with the times at which they
//! came in.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use provost_gate::Ledger;
use provost_policy::{POLICY_PAYLOAD, Policy};
use provost_repo::Published;
use provost_tlog::{LeafNodes, SignedCheckpoint, consistency_proof, leaf_hash, root_of};

use super::ledger::{counted, past, vouching};
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
    let mut then: Option<Policy> = None;
    let mut ledger = Ledger::default();
    let mut leaves = Vec::new();
    for index in 0..size {
        let bytes = published.read(&path_of(index), FILE)?.with_context(|| format!("{LOG_REF} lacks entry {index}"))?;
        let (entry, envelope) = PublishedEntry::open(&bytes).with_context(|| format!("entry {index} of {LOG_REF}"))?;
        leaves.push(leaf_hash(&entry));
        // A server whose key was changed is known by what it signed under the policy of that time.
        if envelope.payload_type() == POLICY_PAYLOAD {
            then = past(policy, &vouching, &envelope, then.as_ref()).or(then);
        } else if let Some(verified) = counted(policy, then.as_ref().unwrap_or(policy), &envelope, ledger.newest) {
            let applied = ledger.apply(&policy.access, index, verified.value());
            applied.with_context(|| format!("entry {index} of {LOG_REF}"))?;
        }
        ledger.size = index + 1;
    }
    if root_of(&leaves) != checkpoint.unverified().root {
        bail!("the entries of {LOG_REF} are not those of its checkpoint: it was changed, or fetched in part");
    }
    let memory = home.memory();
    let id = key.full_id();
    let prove = |from: u64, to: u64| {
        let upto = leaves.get(..usize::try_from(to).ok()?)?;
        consistency_proof(&LeafNodes(upto), from, to).ok()
    };
    memory.compare(&id, checkpoint.unverified(), &prove).with_context(|| format!("the log in {LOG_REF}"))?;
    let _ = memory.remember(&id, &checkpoint);
    Ok(Some(ledger))
}
