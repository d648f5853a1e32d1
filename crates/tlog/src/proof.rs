//! Offline proofs (C2SP tlog-proof): index, inclusion proof and checkpoint in one text file.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_model::Digest;

use crate::checkpoint::{Checkpoint, SignedCheckpoint, parse_number};
use crate::merkle::verify_inclusion;
use crate::note::NoteKey;
use crate::{Limits, TlogError};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
const WHAT: &str = "tlog proof";

/// A proof that an entry is in a log, as a `.tlog-proof` file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// Unauthenticated extra data.
    pub extra: Option<Vec<u8>>,
    /// The entry's index.
    pub index: u64,
    /// Sibling hashes from the leaf upwards.
    pub hashes: Vec<Digest>,
    /// The checkpoint that the proof leads to.
    pub checkpoint: SignedCheckpoint,
}

impl LogProof {
    /// Reads a proof file.
    ///
    /// # Errors
    /// Another header, malformed lines, more hashes than a tree can need, a malformed checkpoint.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogError> {
        let bad = |why: &str| TlogError::malformed(WHAT, why);
        if bytes.len() > Limits::NOTE {
            return Err(TlogError::TooLarge { what: WHAT, limit: Limits::NOTE as u64 });
        }
        let text = std::str::from_utf8(bytes).map_err(|e| TlogError::malformed(WHAT, e))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| bad("no blank line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(bad("the first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let mut extra = None;
        if let Some(data) = lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            extra = Some(STANDARD.decode(data).map_err(|_| bad("the extra data is not base64"))?);
            lines.next();
        }
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(parse_number)
            .ok_or_else(|| bad("expected a line `index <number>`"))?;
        let mut hashes = Vec::new();
        for line in lines {
            let hash: [u8; 32] = STANDARD
                .decode(line)
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or_else(|| bad("a hash is not the base64 of 32 bytes"))?;
            hashes.push(Digest::from_bytes(hash));
            if hashes.len() > Limits::PROOF {
                return Err(TlogError::TooLarge { what: "the number of hashes", limit: Limits::PROOF as u64 });
            }
        }
        Ok(Self { extra, index, hashes, checkpoint: SignedCheckpoint::parse(checkpoint.as_bytes())? })
    }

    /// Verifies the checkpoint's signature and the inclusion of a leaf.
    ///
    /// # Errors
    /// As [`SignedCheckpoint::verify`] and [`verify_inclusion`].
    pub fn verify(&self, leaf: &Digest, key: &NoteKey) -> Result<&Checkpoint, TlogError> {
        let checkpoint = self.checkpoint.verify(key)?;
        verify_inclusion(leaf, self.index, checkpoint.size, &self.hashes, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", STANDARD.encode(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
