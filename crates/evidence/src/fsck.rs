//! The whole store re-derived from its entries: every tile, every root, every envelope, every blob.

use std::path::PathBuf;

use provost_attest::{Envelope, LogEntry};
use provost_keys::PublicKey;
use provost_model::{Digest, sha256};
use provost_tlog::{
    Limits as LogLimits, Nodes as _, TileNodes, TilePath, TileReader as _, decode_entries, entry_tile_path, leaf_hash,
    root_of,
};

use crate::EvidenceError;
use crate::durable::{read, read_if_there};
use crate::store::{Store, pack_name, parse_pack};

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// Which file.
    pub path: PathBuf,
    /// The first bad byte, or the first byte of the record that is bad where its right content is not known.
    pub byte: Option<u64>,
    /// What is wrong.
    pub why: String,
}

/// What a check of the whole store found.
#[derive(Debug, Clone, Default)]
pub struct FsckReport {
    /// Entries that were re-derived.
    pub entries: u64,
    /// Tiles that were compared.
    pub tiles: u64,
    /// Blobs that were hashed.
    pub blobs: u64,
    /// All defects, in the order of the log.
    pub defects: Vec<Defect>,
}

impl Store {
    /// Checks everything and changes nothing.
    ///
    /// # Errors
    /// A directory cannot be read at all; every other finding is a [`Defect`].
    pub fn fsck(&self) -> Result<FsckReport, EvidenceError> {
        let mut report = FsckReport::default();
        let checkpoint = match self.checkpoint() {
            Ok(checkpoint) => checkpoint.unverified().clone(),
            Err(error) => {
                report.defects.push(Defect {
                    path: self.root().join("log/checkpoint"),
                    byte: None,
                    why: error.to_string(),
                });
                return Ok(report);
            }
        };
        let bodies = self.bodies_from_packs(checkpoint.size, &mut report)?;
        let leaves = self.check_entries(checkpoint.size, &bodies, &mut report)?;
        self.check_hash_tiles(&leaves, &mut report)?;
        let root = root_of(&leaves);
        if root != checkpoint.root {
            let why = format!("its root is {}, the entries give {root}", checkpoint.root);
            report.defects.push(Defect { path: self.root().join("log/checkpoint"), byte: None, why });
        }
        self.check_blobs(&mut report)?;
        // An index that is late (a crash, a full disk) is brought up to date at the next opening.
        if report.defects.is_empty() && self.indexed()? == checkpoint.size {
            let why = match self.index_fingerprints(checkpoint.size) {
                Ok((expected, found)) if expected == found => None,
                Ok(_) => Some("it differs from the log: delete it, it is rebuilt".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            let path = self.root().join("index.sqlite");
            report.defects.extend(why.map(|why| Defect { path, byte: None, why }));
        }
        Ok(report)
    }

    /// For each entry, the envelope's log body as the pack gives it; `None` where it cannot be derived.
    fn bodies_from_packs(&self, size: u64, report: &mut FsckReport) -> Result<Vec<Option<Vec<u8>>>, EvidenceError> {
        let mut bodies = Vec::new();
        // Keys seen anywhere in the log: an entry that is damaged cannot name its own.
        let mut keys: Vec<PublicKey> = Vec::new();
        let mut start = 0;
        while start < size {
            let bytes = self.log().tile(&entry_tile_path(start, size)?).unwrap_or_default();
            for entry in decode_entries(&bytes).unwrap_or_default() {
                let Ok(entry) = LogEntry::parse(entry) else { continue };
                if keys.iter().all(|known| known.to_der() != entry.key.as_slice()) {
                    keys.extend(PublicKey::from_der(&entry.key));
                }
            }
            start += LogLimits::TILE_WIDTH;
        }
        while (bodies.len() as u64) < size {
            let first = bodies.len() as u64;
            let path = self.root().join(pack_name(first));
            let mut defect = |byte, why: String| report.defects.push(Defect { path: path.clone(), byte, why });
            let Some(bytes) = read_if_there(&path)? else {
                defect(None, format!("it is not there; the envelopes from entry {first} on are missing"));
                bodies.resize(usize::try_from(size).unwrap_or(usize::MAX), None);
                break;
            };
            let mut offset = 0_u64;
            let before = bodies.len();
            for line in bytes.split_inclusive(|b| *b == b'\n') {
                let index = bodies.len() as u64;
                let text = line.strip_suffix(b"\n").unwrap_or(line);
                let body = match parse_pack(text) {
                    Ok(envelopes) if envelopes.len() == 1 => {
                        let envelope = &envelopes[0];
                        let written = envelope.to_json();
                        if written.as_bytes() != text {
                            let at = first_difference(written.as_bytes(), text);
                            defect(
                                Some(offset + at),
                                format!("the envelope of entry {index} is not as it was written"),
                            );
                        }
                        body_of(envelope, &keys)
                    }
                    Ok(_) => {
                        defect(Some(offset), "an empty line".into());
                        None
                    }
                    Err(why) => {
                        defect(Some(offset), format!("the envelope of entry {index}: {why}"));
                        None
                    }
                };
                if body.is_none() && self.entry_is_whole(index, size) {
                    defect(Some(offset), format!("the envelope of entry {index} does not fit the log's entry"));
                }
                offset += line.len() as u64;
                bodies.push(body);
            }
            if bodies.len() == before {
                defect(Some(0), "it is empty".into());
                bodies.resize(usize::try_from(size).unwrap_or(usize::MAX), None);
            }
        }
        bodies.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(bodies)
    }

    /// True when an entry hashes to what the hash tile holds for it.
    fn entry_is_whole(&self, index: u64, size: u64) -> bool {
        let nodes = TileNodes::new(self.log(), size);
        self.log()
            .entry(index, size)
            .is_ok_and(|entry| nodes.node(0, index).is_ok_and(|hash| hash == leaf_hash(&entry)))
    }

    /// Compares every entry tile with the bodies from the packs; gives the leaf hashes.
    fn check_entries(
        &self,
        size: u64,
        bodies: &[Option<Vec<u8>>],
        report: &mut FsckReport,
    ) -> Result<Vec<Digest>, EvidenceError> {
        let mut leaves = Vec::new();
        let mut start = 0;
        while start < size {
            let tile = entry_tile_path(start, size)?;
            let path = self.log().path().join(tile.to_string());
            let bytes = match read_if_there(&path)? {
                Some(bytes) => Some(bytes),
                None => read_if_there(&self.log().path().join(tile.full().to_string()))?,
            };
            report.tiles += 1;
            let expected: Vec<Option<&Vec<u8>>> = bodies
                .iter()
                .skip(usize::try_from(start).unwrap_or(usize::MAX))
                .take(256)
                .map(Option::as_ref)
                .collect();
            let decoded = bytes.as_deref().map(decode_entries);
            let mut defect = |byte, why: String| report.defects.push(Defect { path: path.clone(), byte, why });
            let entries = match &decoded {
                Some(Ok(entries)) => entries.as_slice(),
                Some(Err(error)) => {
                    defect(None, error.to_string());
                    &[]
                }
                None => {
                    defect(None, "it is not there".into());
                    &[]
                }
            };
            let mut offset = 0_u64;
            for (i, body) in expected.iter().enumerate() {
                let entry = entries.get(i).copied();
                match (entry, body) {
                    (Some(entry), Some(body)) if entry != body.as_slice() => {
                        let at = offset + 2 + first_difference(body, entry);
                        defect(Some(at), format!("entry {} differs from its envelope", start + i as u64));
                    }
                    (Some(_), None) if !self.entry_is_whole(start + i as u64, size) => {
                        defect(Some(offset), format!("entry {} is not what its hash tile says", start + i as u64));
                    }
                    (None, _) => defect(Some(offset), format!("entry {} is missing", start + i as u64)),
                    _ => {}
                }
                offset += entry.map_or(0, |e| e.len() as u64 + 2);
                // The tree over the entries as they are: damage shows in the tiles and the root as well.
                leaves.push(leaf_hash(entry.unwrap_or_default()));
                report.entries += 1;
            }
            start += LogLimits::TILE_WIDTH;
        }
        Ok(leaves)
    }

    /// Re-derives every hash tile, level by level, and compares byte by byte.
    fn check_hash_tiles(&self, leaves: &[Digest], report: &mut FsckReport) -> Result<(), EvidenceError> {
        let mut hashes = leaves.to_vec();
        let mut level = 0;
        while !hashes.is_empty() {
            let mut next = Vec::new();
            for (number, chunk) in (0_u64..).zip(hashes.chunks(256)) {
                let tile = TilePath::hashes(level, number, chunk.len() as u64)?;
                let expected: Vec<u8> = chunk.iter().flat_map(|hash| *hash.as_bytes()).collect();
                let mut path = self.log().path().join(tile.to_string());
                let mut found = read_if_there(&path)?;
                if found.is_none() {
                    path = self.log().path().join(tile.full().to_string());
                    found = read_if_there(&path)?;
                }
                report.tiles += 1;
                let found = found.unwrap_or_default();
                let seen = &found[..found.len().min(expected.len())];
                if seen != expected.as_slice() {
                    let byte = Some(first_difference(&expected, seen));
                    report.defects.push(Defect { path, byte, why: "it differs from what the entries give".into() });
                }
                if chunk.len() == 256 {
                    next.push(root_of(chunk));
                }
            }
            hashes = next;
            level += 1;
        }
        Ok(())
    }

    fn check_blobs(&self, report: &mut FsckReport) -> Result<(), EvidenceError> {
        let root = self.root().join("blobs");
        let list = |path: &PathBuf| -> Result<Vec<PathBuf>, EvidenceError> {
            let mut found: Vec<PathBuf> = std::fs::read_dir(path)
                .map_err(|e| EvidenceError::io("list", path, e))?
                .filter_map(|entry| entry.ok().map(|e| e.path()))
                .collect();
            found.sort();
            Ok(found)
        };
        for folder in list(&root)? {
            for path in list(&folder)? {
                report.blobs += 1;
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                let digest = sha256(&read(&path)?);
                if digest.to_hex() != name {
                    report.defects.push(Defect { path, byte: None, why: format!("its digest is {digest}") });
                }
            }
        }
        Ok(())
    }
}

/// The log body of an envelope, by the key that its key id names.
fn body_of(envelope: &Envelope, keys: &[PublicKey]) -> Option<Vec<u8>> {
    let signature = envelope.signatures().first()?;
    let hint = signature.key_id.as_deref()?;
    let key = keys.iter().find(|key| key.id().to_string() == hint)?;
    key.verify(&envelope.signed_bytes(), &signature.signature).ok()?;
    LogEntry::for_envelope(envelope, key).ok()?.to_bytes().ok()
}

fn first_difference(expected: &[u8], found: &[u8]) -> u64 {
    expected.iter().zip(found).position(|(a, b)| a != b).unwrap_or(expected.len().min(found.len())) as u64
}
