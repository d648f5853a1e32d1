//! What a verifier remembers of each log: the newest checkpoint that it saw. A log that shows less, or something
//! else, later has been rolled back or shows two faces.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use nix::fcntl::Flock;
use provost_model::Digest;
use serde::{Deserialize, Serialize};

use provost_tlog::{Checkpoint, SignedCheckpoint, verify_consistency};

use crate::EvidenceError;
use crate::durable::{Writer, lock, make_dir, read_if_there};

/// A directory with the newest checkpoint of every log that was ever verified against.
#[derive(Debug, Clone)]
pub struct CheckpointMemory {
    root: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
struct KeptProofs {
    to: u64,
    from: BTreeMap<u64, Vec<Digest>>,
}

/// How a checkpoint relates to what was seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The log was never seen.
    First,
    /// The same checkpoint.
    Same,
    /// A later one, proved to continue the remembered one.
    Continues {
        /// The remembered size.
        from: u64,
    },
    /// An earlier one, proved to be a prefix of the remembered one.
    Earlier {
        /// The remembered size.
        newest: u64,
    },
}

impl CheckpointMemory {
    /// Remembers in this directory; it is made when there is something to remember.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, log: &Digest) -> PathBuf {
        self.root.join(format!("{log}.checkpoint"))
    }

    /// The remembered checkpoint of a log, by the full id of its key.
    ///
    /// # Errors
    /// It cannot be read or is malformed: a memory that cannot be trusted must not pass for an empty one.
    pub fn newest(&self, log: &Digest) -> Result<Option<SignedCheckpoint>, EvidenceError> {
        let path = self.path(log);
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        SignedCheckpoint::parse(&bytes).map(Some).map_err(|e| EvidenceError::Damaged { path, why: e.to_string() })
    }

    /// Holds a verified checkpoint against the remembered one. `prove` gives a consistency proof between two sizes,
    /// where the caller has one: from the evidence file or the log itself.
    ///
    /// # Errors
    /// [`EvidenceError::Rollback`] when the two cannot be one history, [`EvidenceError::Unproven`] when nothing shows
    /// that they are.
    pub fn compare(
        &self,
        log: &Digest,
        checkpoint: &Checkpoint,
        prove: &dyn Fn(u64, u64) -> Option<Vec<Digest>>,
    ) -> Result<Seen, EvidenceError> {
        let Some(remembered) = self.newest(log)? else { return Ok(Seen::First) };
        let remembered = remembered.unverified();
        let name = &checkpoint.origin;
        if checkpoint.size == remembered.size {
            if checkpoint.root == remembered.root {
                return Ok(Seen::Same);
            }
            return Err(EvidenceError::Rollback(format!(
                "split view: the log {name} shows the root {} at size {}, but showed {} before",
                checkpoint.root, checkpoint.size, remembered.root
            )));
        }
        let forwards = checkpoint.size > remembered.size;
        let (old, new) = if forwards { (remembered, checkpoint) } else { (checkpoint, remembered) };
        if old.size == 0 {
            return Ok(Seen::Continues { from: 0 });
        }
        let Some(proof) = prove(old.size, new.size) else {
            let what = if forwards { "continues" } else { "is an earlier state of" };
            return Err(EvidenceError::Unproven(format!(
                "nothing shows that the log {name} at size {} {what} the log that was seen at size {}: \
                 give the log itself with --log DIR, or accept it once with --accept-unproven-log",
                checkpoint.size, remembered.size
            )));
        };
        verify_consistency(old.size, new.size, &old.root, &new.root, &proof).map_err(|e| {
            EvidenceError::Rollback(format!(
                "the log {name} was rolled back or shows two histories: size {} and size {} do not fit ({e})",
                old.size, new.size
            ))
        })?;
        Ok(if forwards { Seen::Continues { from: old.size } } else { Seen::Earlier { newest: new.size } })
    }

    /// Keeps proofs that earlier sizes are prefixes of the newest checkpoint: with them an older release can still be
    /// verified after a newer one. They prove themselves; keeping them trusts nobody.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn keep_proofs(&self, log: &Digest, proofs: &BTreeMap<u64, Vec<Digest>>, to: u64) -> Result<(), EvidenceError> {
        let _lock = self.lock(log)?;
        let mut kept = self.kept_proofs(log);
        if kept.to != to {
            kept = KeptProofs { to, from: BTreeMap::new() };
        }
        let before = kept.from.len();
        for (from, proof) in proofs {
            kept.from.entry(*from).or_insert_with(|| proof.clone());
        }
        if kept.from.len() == before {
            return Ok(());
        }
        let mut writer = Writer::new(&self.root);
        writer.write(&format!("{log}.proofs"), &serde_json::to_vec(&kept).unwrap_or_default())?;
        writer.sync()
    }

    /// A kept proof between two sizes.
    pub fn kept_proof(&self, log: &Digest, from: u64, to: u64) -> Option<Vec<Digest>> {
        let kept = self.kept_proofs(log);
        (kept.to == to).then(|| kept.from.get(&from).cloned()).flatten()
    }

    /// What cannot be read is as good as absent: a proof that is missing makes the verifier ask, never pass.
    fn kept_proofs(&self, log: &Digest) -> KeptProofs {
        read_if_there(&self.root.join(format!("{log}.proofs")))
            .ok()
            .flatten()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Remembers a checkpoint, if it is larger than the remembered one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn remember(&self, log: &Digest, checkpoint: &SignedCheckpoint) -> Result<(), EvidenceError> {
        let _lock = self.lock(log)?;
        self.keep_newer(log, checkpoint)
    }

    /// Holds a verified checkpoint against the remembered one, as [`Self::compare`] does, and remembers it, so that no
    /// other process can remember another history between the two. A witness needs that: what it says of a log it
    /// never takes back (C2SP tlog-witness).
    ///
    /// # Errors
    /// Those of [`Self::compare`], or it cannot be written.
    pub fn accept(
        &self,
        log: &Digest,
        checkpoint: &SignedCheckpoint,
        prove: &dyn Fn(u64, u64) -> Option<Vec<Digest>>,
    ) -> Result<Seen, EvidenceError> {
        let _lock = self.lock(log)?;
        let seen = self.compare(log, checkpoint.unverified(), prove)?;
        self.keep_newer(log, checkpoint)?;
        Ok(seen)
    }

    fn lock(&self, log: &Digest) -> Result<Flock<File>, EvidenceError> {
        make_dir(&self.root.join("tmp"))?;
        lock(&self.root.join(format!("{log}.lock")))
    }

    /// The lock is held.
    fn keep_newer(&self, log: &Digest, checkpoint: &SignedCheckpoint) -> Result<(), EvidenceError> {
        let newer = self.newest(log)?.is_none_or(|old| old.unverified().size < checkpoint.unverified().size);
        if newer {
            let mut writer = Writer::new(&self.root);
            writer.write(&format!("{log}.checkpoint"), checkpoint.to_string().as_bytes())?;
            writer.sync()?;
        }
        Ok(())
    }
}
