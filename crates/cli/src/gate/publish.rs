//! The reference log as a ref of the repository: whoever clones it can verify it.
//!
//! ```text
//! refs/provost/log
//!   log.vkey       the log's key
//!   checkpoint     the newest signed checkpoint
//!   e/<n/256>/<n>  entry n: the log's own entry in base64, and the envelope that it is of
//! refs/provost/policy
//!   policy.dsse.json, delegated/<name>.dsse.json
//! ```

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_attest::{Envelope, LogEntry};
use provost_evidence::Store;
use provost_model::Timestamp;
use provost_repo::Published;
use provost_tlog::SignedCheckpoint;
use serde::{Deserialize, Serialize};

/// The ref.
pub(crate) const LOG_REF: &str = "refs/provost/log";
/// A file of it, in bytes, at most.
pub(crate) const FILE: u64 = 8 << 20;

/// An entry as it is published.
#[derive(Serialize, Deserialize)]
pub(crate) struct PublishedEntry {
    /// Base64 of the log's entry.
    pub(crate) entry: String,
    /// The envelope's JSON.
    pub(crate) envelope: String,
}

impl PublishedEntry {
    /// Reads an entry and its envelope, which have to be of one another.
    ///
    /// # Errors
    /// They are not, or malformed.
    pub(crate) fn open(bytes: &[u8]) -> Result<(Vec<u8>, Envelope)> {
        let published: Self = serde_json::from_slice(bytes)?;
        let entry = STANDARD.decode(&published.entry).context("the entry is not base64")?;
        let envelope = Envelope::parse(published.envelope.as_bytes())?;
        LogEntry::parse(&entry)?.matches(&envelope)?;
        Ok((entry, envelope))
    }
}

/// The file of an entry.
pub(crate) fn path_of(index: u64) -> String {
    format!("e/{}/{index}", index / 256)
}

/// Adds what the ref lacks.
///
/// # Errors
/// It cannot be written, or has entries that the store has not.
pub(crate) fn publish(git_dir: &Path, store: &Store, now: Timestamp) -> Result<()> {
    let published = Published::open(git_dir, LOG_REF)?;
    let checkpoint = store.checkpoint()?;
    let size = checkpoint.unverified().size;
    let there = published.read("checkpoint", FILE)?;
    let text = checkpoint.to_string().into_bytes();
    let before = match &there {
        Some(bytes) => SignedCheckpoint::parse(bytes).context("the published checkpoint")?.unverified().size,
        None => 0,
    };
    if before > size {
        bail!("{LOG_REF} has {before} entries and the store {size}: one of them was put back");
    }
    // Of the same size it differs by what witnesses said of it.
    if there.as_ref() == Some(&text) {
        return Ok(());
    }
    let mut files = vec![("checkpoint".to_owned(), text)];
    if before == 0 {
        files.push(("log.vkey".into(), format!("{}\n", store.log_key()).into_bytes()));
    }
    for index in before..size {
        let entry = STANDARD.encode(store.log().entry(index, size)?);
        let entry = PublishedEntry { entry, envelope: store.envelope(index)?.to_json() };
        files.push((path_of(index), serde_json::to_vec(&entry)?));
    }
    published.write(&files, &format!("log: {size} entries"), now.seconds())?;
    Ok(())
}

/// Puts the policy in force, and what it delegates, where clones find it.
///
/// # Errors
/// It cannot be written.
pub(crate) fn publish_policy(git_dir: &Path, policy: &Path, now: Timestamp) -> Result<()> {
    let published = Published::open(git_dir, super::policy::POLICY_REF)?;
    let mut files = Vec::new();
    let mut add = |name: String, path: &Path| -> Result<()> {
        let bytes = crate::input::read(path, crate::input::SMALL)?;
        if published.read(&name, FILE)?.as_deref() != Some(&bytes) {
            files.push((name, bytes));
        }
        Ok(())
    };
    add("policy.dsse.json".into(), policy)?;
    for entry in std::fs::read_dir(policy.with_file_name("delegated")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".dsse.json") {
            add(format!("delegated/{name}"), &entry.path())?;
        }
    }
    if !files.is_empty() {
        published.write(&files, "policy", now.seconds())?;
    }
    Ok(())
}
