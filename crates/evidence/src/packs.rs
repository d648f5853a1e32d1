//! Reading many envelopes at once: pack by pack, each pack once, without the index at hand, so that threads can share the
//! work.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;

use provost_attest::Envelope;

use crate::EvidenceError;

/// Some envelopes of one pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackPart {
    pub(crate) path: PathBuf,
    /// Lines of the pack, counted from 0, with the entries that they are; in order.
    pub(crate) lines: Vec<(u64, u64)>,
}

impl PackPart {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The envelopes with the numbers of their entries, oldest first. Nothing is read beyond the last of them.
    ///
    /// # Errors
    /// The pack cannot be read, is too short, or is damaged.
    pub fn envelopes(&self) -> Result<Vec<(u64, Envelope)>, EvidenceError> {
        let io = |error| EvidenceError::io("read", &self.path, error);
        let damaged = |why: String| EvidenceError::Damaged { path: self.path.clone(), why };
        let mut reader = BufReader::with_capacity(1 << 16, File::open(&self.path).map_err(io)?);
        let (mut at, mut text) = (0, Vec::new());
        let mut found = Vec::with_capacity(self.lines.len());
        for (line, index) in &self.lines {
            while at < *line {
                if reader.skip_until(b'\n').map_err(io)? == 0 {
                    return Err(damaged(format!("it has no line {}", line + 1)));
                }
                at += 1;
            }
            text.clear();
            reader.read_until(b'\n', &mut text).map_err(io)?;
            at += 1;
            let envelope =
                Envelope::parse(text.trim_ascii_end()).map_err(|e| damaged(format!("line {}: {e}", line + 1)))?;
            found.push((*index, envelope));
        }
        Ok(found)
    }
}
