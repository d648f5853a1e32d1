//! What the log of this store says so far. The part that was read before is remembered, so that a hook reads only what is
//! new.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use provost_attest::{TrustedSigner, verify_envelope};
use provost_evidence::Store;
use provost_gate::Ledger;

use provost_policy::{Functionary, Identity, Policy};

use crate::home::Home;

/// The keys of functionaries that the policy names for something.
pub(crate) fn signers(policy: &Policy, names: &[String]) -> Vec<TrustedSigner> {
    let key = |f: &Functionary| match &f.identity {
        Identity::Key(key) => Some(TrustedSigner::key(key.clone())),
        Identity::Certificate { .. } => None,
    };
    policy.functionaries.iter().filter(|f| names.contains(&f.name)).filter_map(key).collect()
}

/// Whose entries of the gate count: the servers of the repository, and those who sign verdicts.
pub(crate) fn gate_signers(policy: &Policy) -> Vec<TrustedSigner> {
    let mut names = policy.access.gate.functionaries.clone();
    names.extend(policy.access.repository.iter().flat_map(|repository| repository.servers.iter().cloned()));
    signers(policy, &names)
}

/// What another policy made of the log is no use: other keys count, and other persons.
fn remembered(home: &Home, store: &Store, policy: &Policy) -> PathBuf {
    let id = store.log_key().full_id();
    home.memory_path().join("ledgers").join(format!("{}-{}.json", id.short(), policy.digest.short()))
}

/// Reads what the store's log says, from where it was read to before.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn read(home: &Home, store: &Store, policy: &Policy) -> Result<Ledger> {
    let path = remembered(home, store, policy);
    let mut ledger: Ledger =
        std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let size = store.checkpoint()?.unverified().size;
    if ledger.size > size {
        ledger = Ledger::default();
    }
    let from = ledger.size;
    let signers = gate_signers(policy);
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
            if let Ok(verified) = verify_envelope(&envelope, &signers, 1) {
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
        remember(&path, &ledger);
    }
    Ok(ledger)
}

/// A memory that cannot be written costs time, and nothing else.
fn remember(path: &Path, ledger: &Ledger) {
    let Ok(bytes) = serde_json::to_vec(ledger) else { return };
    if let Some(parent) = path.parent()
        && std::fs::create_dir_all(parent).is_ok()
    {
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        if std::fs::write(&temporary, bytes).is_ok() {
            let _ = std::fs::rename(&temporary, path);
        }
    }
}
