//! File lists of any length: a Merkle root in the predicate, the entries themselves in a blob named by digest.
//!
//! The blob is JSON Lines, one canonical JSON object an entry, ordered by name. A leaf of the tree is one line without
//! its newline; the tree is RFC 6962's. So a single file of a list of 100,000 is proved by one line and 17 hashes.

use provost_model::{Digest, FileEntry, FileSet, sha256};
use provost_tlog::{LeafNodes, inclusion_proof, leaf_hash, root_of, verify_inclusion};
use serde::{Deserialize, Serialize};

use crate::{AttestError, Limits, parse_strict};

/// A list of files in a predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileList {
    /// Number of entries.
    pub count: u64,
    /// Sum of the sizes in bytes.
    pub bytes: u64,
    /// Entries whose content is not certain: unreadable, changing, not regular. Each says why in the list.
    pub uncertain: u64,
    /// Merkle root over the lines of the blob (RFC 6962).
    pub merkle_root: Digest,
    /// SHA-256 of the blob.
    pub leaves: Digest,
    /// The entries themselves, while they are few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<FileEntry>>,
    /// Directories that could not be listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_listed: Vec<String>,
}

impl FileList {
    /// Makes the list and its blob.
    ///
    /// # Errors
    /// An entry cannot be written as JSON.
    pub fn new(set: &FileSet) -> Result<(Self, Vec<u8>), AttestError> {
        let mut blob = Vec::with_capacity(set.entries.len() * 160);
        let mut leaves = Vec::with_capacity(set.entries.len());
        for entry in &set.entries {
            let start = blob.len();
            let line = serde_json_canonicalizer::to_vec(entry).map_err(|e| AttestError::malformed("file entry", e))?;
            blob.extend(line);
            leaves.push(leaf_hash(&blob[start..]));
            blob.push(b'\n');
        }
        let list = Self {
            count: set.entries.len() as u64,
            bytes: set.bytes(),
            uncertain: set.uncertain() as u64,
            merkle_root: root_of(&leaves),
            leaves: sha256(&blob),
            entries: (set.entries.len() <= Limits::INLINE_FILES).then(|| set.entries.clone()),
            not_listed: set.not_listed.clone(),
        };
        Ok((list, blob))
    }

    /// Checks that a blob is the one that this list names, and reads it.
    ///
    /// # Errors
    /// The blob's digest or root differ, or a line is no file entry.
    pub fn open(&self, blob: &[u8]) -> Result<Vec<FileEntry>, AttestError> {
        let bad = |why: String| AttestError::malformed("file list", why);
        if sha256(blob) != self.leaves {
            return Err(bad(format!("its digest is {}, the statement says {}", sha256(blob), self.leaves)));
        }
        let leaves: Vec<Digest> = lines(blob).map(leaf_hash).collect();
        if root_of(&leaves) != self.merkle_root || leaves.len() as u64 != self.count {
            return Err(bad("its Merkle root is not the statement's".into()));
        }
        lines(blob).map(|line| parse_strict("file entry", line)).collect()
    }
}

/// Proof that one entry is in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileListProof {
    /// Index of the entry.
    pub index: u64,
    /// The entry's line.
    pub line: String,
    /// Sibling hashes upwards.
    pub hashes: Vec<Digest>,
}

impl FileListProof {
    /// Proves that a file with this digest is in the list of a blob; `None` when it is not.
    ///
    /// # Errors
    /// A line is no file entry.
    pub fn find(blob: &[u8], digest: &Digest) -> Result<Option<Self>, AttestError> {
        let needle = digest.to_hex();
        let mut found = None;
        let mut leaves = Vec::new();
        for (i, line) in lines(blob).enumerate() {
            leaves.push(leaf_hash(line));
            if found.is_none() && line.windows(needle.len()).any(|w| w == needle.as_bytes()) {
                let entry: FileEntry = parse_strict("file entry", line)?;
                if entry.digest == Some(*digest) && entry.kind == provost_model::FileKind::File {
                    found = Some((i as u64, line));
                }
            }
        }
        let Some((index, line)) = found else { return Ok(None) };
        let hashes = inclusion_proof(&LeafNodes(&leaves), index, leaves.len() as u64)?;
        Ok(Some(Self { index, line: String::from_utf8_lossy(line).into_owned(), hashes }))
    }

    /// Verifies the proof against a list of a verified statement, and reads the entry.
    ///
    /// # Errors
    /// The proof leads to another root, or the line is no file entry.
    pub fn verify(&self, list: &FileList) -> Result<FileEntry, AttestError> {
        let leaf = leaf_hash(self.line.as_bytes());
        verify_inclusion(&leaf, self.index, list.count, &self.hashes, &list.merkle_root)?;
        parse_strict("file entry", self.line.as_bytes())
    }
}

fn lines(blob: &[u8]) -> impl Iterator<Item = &[u8]> {
    blob.split(|b| *b == b'\n').filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_model::{FileKind, FileName};

    fn set(count: usize) -> FileSet {
        let entries = (0..count)
            .map(|i| FileEntry {
                name: FileName::from_bytes(format!("dir/file-{i:06}").as_bytes()),
                kind: FileKind::File,
                size: i as u64,
                digest: Some(sha256(&i.to_be_bytes())),
                executable: false,
                target: None,
                problem: None,
            })
            .collect();
        FileSet { entries, not_listed: Vec::new() }
    }

    #[test]
    fn one_file_of_many_is_proved() {
        let (list, blob) = FileList::new(&set(1000)).expect("list");
        assert!(list.entries.is_none());
        assert_eq!(list.open(&blob).expect("opens").len(), 1000);
        let digest = sha256(&777_usize.to_be_bytes());
        let proof = FileListProof::find(&blob, &digest).expect("reads").expect("found");
        assert_eq!(proof.verify(&list).expect("holds").digest, Some(digest));
        assert!(FileListProof::find(&blob, &sha256(b"absent")).expect("reads").is_none());
        let mut forged = proof.clone();
        forged.line = forged.line.replace("777", "778");
        assert!(forged.verify(&list).is_err());
        let mut broken = blob.clone();
        broken[10] ^= 1;
        assert!(list.open(&broken).is_err());
    }

    #[test]
    fn a_hundred_thousand_files_make_a_small_predicate() {
        let (list, blob) = FileList::new(&set(100_000)).expect("list");
        assert!(serde_json::to_vec(&list).expect("json").len() < 1000);
        assert!(blob.len() > 10_000_000);
    }
}
