//! The store itself: append, read, prove.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;
use provost_attest::{Bundle, Envelope, LogEntry};
use provost_keys::{PublicKey, Signer};
use provost_model::{Digest, sha256};
use provost_tlog::{
    Checkpoint, LogProof, NoteKey, NoteKeyKind, NoteSignature, SignedCheckpoint, TileNodes, TilePath, TileReader,
    TlogError, consistency_proof, decode_entries, empty_root, encode_entry, entry_tile_path, grow, inclusion_proof,
    leaf_hash,
};

use crate::PackPart;
use crate::durable::{Writer, lock, make_dir, read, read_if_there};
use crate::index::{Index, RecordRow};
use crate::{EvidenceError, Limits, fault};

const FORMAT: &str = "provost evidence store 1";

/// An envelope to be kept, with the key that made its first signature.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// The envelope.
    pub envelope: Envelope,
    /// The key.
    pub key: PublicKey,
}

/// What an append gives back: proof that the entry is in the log.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Index in the log.
    pub index: u64,
    /// The entry as the log holds it.
    pub entry: Vec<u8>,
    /// Inclusion proof and signed checkpoint.
    pub proof: LogProof,
}

/// A folder with a log's tiles and checkpoint, in a store or exported.
#[derive(Debug, Clone)]
pub struct LogFolder {
    root: PathBuf,
}

impl LogFolder {
    /// The folder that holds `checkpoint` and `tile/`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The newest checkpoint; `None` for a log that has none yet.
    ///
    /// # Errors
    /// It cannot be read or is malformed.
    pub fn checkpoint(&self) -> Result<Option<SignedCheckpoint>, EvidenceError> {
        let path = self.root.join("checkpoint");
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        SignedCheckpoint::parse(&bytes).map(Some).map_err(|e| EvidenceError::Damaged { path, why: e.to_string() })
    }

    /// Proof that the log at size `old` is a prefix of the log at size `new`.
    ///
    /// # Errors
    /// Sizes that the log does not have, or damaged tiles.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Digest>, EvidenceError> {
        Ok(consistency_proof(&TileNodes::new(self, new), old, new)?)
    }

    /// The entry at an index of a log of that size.
    ///
    /// # Errors
    /// The index is not in the log, or its tile is damaged.
    pub fn entry(&self, index: u64, size: u64) -> Result<Vec<u8>, EvidenceError> {
        let path = entry_tile_path(index, size)?;
        let bytes = self.tile(&path)?;
        let entries = decode_entries(&bytes)?;
        let at = usize::try_from(index % provost_tlog::Limits::TILE_WIDTH).unwrap_or(usize::MAX);
        let entry = entries.get(at).ok_or_else(|| EvidenceError::Damaged {
            path: self.root.join(path.to_string()),
            why: format!("it holds {} entries and should hold entry {at}", entries.len()),
        })?;
        Ok(entry.to_vec())
    }

    /// Proof that the entry at an index is in the log at a checkpoint.
    ///
    /// # Errors
    /// The index is not in the log, or tiles are damaged.
    pub fn prove(&self, index: u64, checkpoint: &SignedCheckpoint) -> Result<LogProof, EvidenceError> {
        let size = checkpoint.unverified().size;
        let hashes = inclusion_proof(&TileNodes::new(self, size), index, size)?;
        Ok(LogProof { extra: None, index, hashes, checkpoint: checkpoint.clone() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.root
    }
}

impl TileReader for LogFolder {
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, TlogError> {
        let unreadable = |why: String| TlogError::Unreadable { path: path.to_string(), why };
        // A partial tile may be gone once the full one is there (C2SP tlog-tiles, "Partial tiles").
        for candidate in [*path, path.full()] {
            match read_if_there(&self.root.join(candidate.to_string())) {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => {}
                Err(error) => return Err(unreadable(error.to_string())),
            }
        }
        Err(unreadable("it is not there".into()))
    }
}

/// An evidence store in a directory.
pub struct Store {
    root: PathBuf,
    log: LogFolder,
    key: NoteKey,
    index: RefCell<Index>,
}

impl Store {
    /// Makes an empty store whose log bears this name and is signed by this Ed25519 key.
    ///
    /// # Errors
    /// There is one already, the name or key cannot be a log's, or it cannot be written.
    pub fn create(root: &Path, origin: &str, signer: &dyn Signer) -> Result<Self, EvidenceError> {
        if root.join("format").exists() {
            return Err(EvidenceError::Exists(root.to_path_buf()));
        }
        let key = NoteKey::new(origin, NoteKeyKind::Ed25519, signer.public_key().clone())?;
        for part in ["log", "packs", "blobs", "tmp"] {
            make_dir(&root.join(part))?;
        }
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: 0, root: empty_root() }.sign(signer)?;
        let mut writer = Writer::new(root);
        writer.write("log.vkey", format!("{key}\n").as_bytes())?;
        writer.write("log/checkpoint", checkpoint.to_string().as_bytes())?;
        writer.sync()?;
        // Written last: a store without it is none.
        writer.write("format", format!("{FORMAT}\n").as_bytes())?;
        writer.sync()?;
        Self::open(root)
    }

    /// Opens a store, and brings its index up to date if a crash left it behind.
    ///
    /// # Errors
    /// No store, another format, writable by others, rolled back, or damaged.
    pub fn open(root: &Path) -> Result<Self, EvidenceError> {
        let format = read_if_there(&root.join("format"))?.ok_or_else(|| EvidenceError::NoStore(root.to_path_buf()))?;
        let found = String::from_utf8_lossy(&format).trim().to_owned();
        if found != FORMAT {
            return Err(EvidenceError::Format { path: root.to_path_buf(), found, expected: FORMAT });
        }
        let metadata = std::fs::metadata(root).map_err(|e| EvidenceError::io("look at", root, e))?;
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(EvidenceError::Exposed { path: root.to_path_buf(), mode });
        }
        let key_path = root.join("log.vkey");
        let key = String::from_utf8_lossy(&read(&key_path)?)
            .parse()
            .map_err(|e: TlogError| EvidenceError::Damaged { path: key_path, why: e.to_string() })?;
        let log = LogFolder::new(root.join("log"));
        let index = RefCell::new(Index::open(&root.join("index.sqlite"))?);
        let store = Self { root: root.to_path_buf(), log, key, index };
        store.catch_up()?;
        Ok(store)
    }

    /// Where the store is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The log's verifier key.
    pub fn log_key(&self) -> &NoteKey {
        &self.key
    }

    /// The log's files.
    pub fn log(&self) -> &LogFolder {
        &self.log
    }

    /// The newest checkpoint, its signature verified.
    ///
    /// # Errors
    /// It is missing, malformed, or not by the log's key.
    pub fn checkpoint(&self) -> Result<SignedCheckpoint, EvidenceError> {
        let path = self.root.join("log/checkpoint");
        let damaged = |why: String| EvidenceError::Damaged { path: path.clone(), why };
        let signed = self.log.checkpoint()?.ok_or_else(|| damaged("it is not there".into()))?;
        signed.verify(&self.key).map_err(|e| damaged(e.to_string()))?;
        Ok(signed)
    }

    /// Appends envelopes as one transaction: all of them are in the log afterwards, or none. Returns when they are
    /// durable. Several processes may append at once; they take turns.
    ///
    /// # Errors
    /// Nothing was acknowledged. A full disk, a read-only store and a lost race each say so.
    pub fn append(&self, records: &[NewRecord], signer: &dyn Signer) -> Result<Vec<Receipt>, EvidenceError> {
        if records.len() > Limits::BATCH {
            return Err(EvidenceError::TooLarge(format!(
                "{} records in one append, {} at most",
                records.len(),
                Limits::BATCH
            )));
        }
        if signer.public_key().id() != self.key.public_key().id() {
            return Err(EvidenceError::WrongKey {
                expected: self.key.public_key().id().to_string(),
                found: signer.public_key().id().to_string(),
            });
        }
        let mut entries = Vec::with_capacity(records.len());
        let mut pack = Vec::new();
        let mut digests = Vec::with_capacity(records.len());
        for record in records {
            let entry = LogEntry::for_envelope(&record.envelope, &record.key)?;
            entries.push(entry.to_bytes()?);
            digests.push(record.envelope.digest());
            pack.extend(record.envelope.to_json().into_bytes());
            pack.push(b'\n');
        }
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let lock = self.lock()?;
        fault::point("locked");
        let before = self.checkpoint()?.unverified().clone();
        self.refuse_rollback(self.index.borrow().size()?, before.size)?;
        self.clear_temporary();
        let mut writer = Writer::new(&self.root);
        writer.write(&pack_name(before.size), &pack)?;
        let leaves: Vec<Digest> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let growth = grow(&self.log, before.size, &leaves)?;
        for (path, bytes) in self.entry_tiles(before.size, &entries)? {
            writer.write(&format!("log/{path}"), &bytes)?;
        }
        for (path, bytes) in &growth.tiles {
            writer.write(&format!("log/{path}"), bytes)?;
        }
        writer.sync()?;
        fault::point("before the checkpoint");
        let checkpoint = Checkpoint { origin: before.origin, size: growth.size, root: growth.root }.sign(signer)?;
        writer.write("log/checkpoint", checkpoint.to_string().as_bytes())?;
        fault::point("committed");
        writer.sync()?;
        // From here on the append stands. The index may lag: it is caught up at the next opening.
        let envelopes: Vec<(Digest, &Envelope)> =
            digests.into_iter().zip(records.iter().map(|record| &record.envelope)).collect();
        let indexed = self
            .catch_up_locked(before.size)
            .and_then(|()| self.index.borrow_mut().add(before.size, &envelopes, growth.size));
        fault::point("indexed");
        if indexed.is_ok() {
            self.remove_old_partials(before.size, growth.size);
        }
        let nodes = TileNodes::new(&self.log, growth.size);
        let receipts = (before.size..)
            .zip(entries)
            .map(|(index, entry)| {
                let hashes = inclusion_proof(&nodes, index, growth.size)?;
                let proof = LogProof { extra: None, index, hashes, checkpoint: checkpoint.clone() };
                Ok(Receipt { index, entry, proof })
            })
            .collect::<Result<Vec<_>, EvidenceError>>()?;
        drop(lock);
        Ok(receipts)
    }

    /// Adds a witness's cosignature to the newest checkpoint. `false`: it is there already, or an older one of the same
    /// witness would be put in the place of a newer one.
    ///
    /// # Errors
    /// It is not of this witness over the newest checkpoint, or cannot be written.
    pub fn add_cosignature(&self, witness: &NoteKey, line: NoteSignature) -> Result<bool, EvidenceError> {
        let _lock = self.lock()?;
        let checkpoint = self.checkpoint()?;
        let time = |checkpoint: &SignedCheckpoint| -> Result<_, TlogError> {
            Ok(checkpoint.cosignatures(std::slice::from_ref(witness))?.first().map(|one| one.time))
        };
        let mut alone = checkpoint.without(witness);
        alone.add(line);
        let added = time(&alone)?.ok_or_else(|| TlogError::Untrusted(format!("the line is not by {witness}")))?;
        // A line that does not hold is replaced by one that does.
        if time(&checkpoint).ok().flatten().is_some_and(|known| known >= added) {
            return Ok(false);
        }
        if alone.note().signatures().len() > provost_tlog::Limits::SIGNATURES {
            return Err(EvidenceError::TooLarge("the checkpoint has as many signatures as it may".into()));
        }
        let mut writer = Writer::new(&self.root);
        writer.write("log/checkpoint", alone.to_string().as_bytes())?;
        writer.sync()?;
        Ok(true)
    }

    /// The entry tiles after appending: the last partial one continued, and new ones.
    fn entry_tiles(&self, size: u64, new: &[Vec<u8>]) -> Result<Vec<(TilePath, Vec<u8>)>, EvidenceError> {
        let width = provost_tlog::Limits::TILE_WIDTH;
        let partial = size % width;
        let mut current = Vec::new();
        if partial > 0 {
            let bytes = self.log.tile(&entry_tile_path(size - 1, size)?)?;
            // A crash may have left a wider tile than the checkpoint covers: keep what is committed only.
            for entry in decode_entries(&bytes)?.into_iter().take(usize::try_from(partial).unwrap_or(0)) {
                encode_entry(&mut current, entry)?;
            }
        }
        let mut tiles = Vec::new();
        let mut at = size;
        for (i, entry) in new.iter().enumerate() {
            encode_entry(&mut current, entry)?;
            at += 1;
            if at.is_multiple_of(width) || i + 1 == new.len() {
                tiles.push((entry_tile_path(at - 1, at)?, std::mem::take(&mut current)));
            }
        }
        Ok(tiles)
    }

    /// How many entries the index has.
    pub(crate) fn indexed(&self) -> Result<u64, EvidenceError> {
        self.index.borrow().size()
    }

    /// What the index must hold for this log, from the packs, and what it holds.
    pub(crate) fn index_fingerprints(&self, size: u64) -> Result<(Digest, Digest), EvidenceError> {
        let mut fresh = Index::open(Path::new(":memory:"))?;
        let mut at = 0;
        while at < size {
            let path = self.root.join(pack_name(at));
            let envelopes = parse_pack(&read(&path)?).map_err(|why| EvidenceError::Damaged { path, why })?;
            let with_digests: Vec<(Digest, &Envelope)> = envelopes.iter().map(|e| (e.digest(), e)).collect();
            if with_digests.is_empty() {
                break;
            }
            fresh.add(at, &with_digests, at + with_digests.len() as u64)?;
            at += with_digests.len() as u64;
        }
        Ok((fresh.fingerprint()?, self.index.borrow().fingerprint()?))
    }

    fn lock(&self) -> Result<Flock<std::fs::File>, EvidenceError> {
        lock(&self.root.join("lock"))
    }

    /// Temporary files of appends that did not end; the lock is held, so none is in use.
    fn clear_temporary(&self) {
        for entry in std::fs::read_dir(self.root.join("tmp")).into_iter().flatten().flatten() {
            // Blobs are written outside the lock: spare what could still be one.
            let fresh = entry
                .metadata()
                .and_then(|m| m.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() < 3600));
            if !fresh {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Partial tiles whose full tile is committed (C2SP tlog-tiles allows their removal).
    fn remove_old_partials(&self, before: u64, after: u64) {
        let width = provost_tlog::Limits::TILE_WIDTH;
        let (mut level, mut from, mut to) = (0, before, after);
        while to > 0 {
            if to / width > from / width {
                let full = TilePath::hashes(level, from / width, width).map(|p| p.to_string());
                for tile in full.into_iter().chain((level == 0).then(|| full_entry_tile(from / width)).flatten()) {
                    let _ = std::fs::remove_dir_all(self.root.join("log").join(format!("{tile}.p")));
                }
            }
            level += 1;
            from /= width;
            to /= width;
        }
    }

    fn refuse_rollback(&self, acknowledged: u64, size: u64) -> Result<(), EvidenceError> {
        if acknowledged > size {
            return Err(EvidenceError::RolledBack { path: self.root.clone(), found: size, acknowledged });
        }
        Ok(())
    }

    /// Indexes entries that the log has and the index has not.
    fn catch_up(&self) -> Result<(), EvidenceError> {
        // The index first: what another process appends in between is in the log before it is in the index.
        let indexed = self.index.borrow().size()?;
        let size = self.checkpoint()?.unverified().size;
        if indexed == size {
            return Ok(());
        }
        self.refuse_rollback(indexed, size)?;
        // Another process may be between its commit and its index: wait for it.
        let _lock = self.lock()?;
        let size = self.checkpoint()?.unverified().size;
        self.catch_up_locked(size)
    }

    fn catch_up_locked(&self, size: u64) -> Result<(), EvidenceError> {
        let mut at = self.index.borrow().size()?;
        while at < size {
            let path = self.root.join(pack_name(at));
            let damaged = |why: String| EvidenceError::Damaged { path: path.clone(), why };
            let envelopes = parse_pack(&read(&path)?).map_err(damaged)?;
            if envelopes.is_empty() || at + envelopes.len() as u64 > size {
                return Err(damaged(format!(
                    "it holds {} envelopes from entry {at} on; the log has {size}",
                    envelopes.len()
                )));
            }
            let after = at + envelopes.len() as u64;
            let envelopes: Vec<(Digest, &Envelope)> = envelopes.iter().map(|e| (e.digest(), e)).collect();
            self.index.borrow_mut().add(at, &envelopes, after)?;
            at = after;
        }
        Ok(())
    }

    /// The envelope of an entry.
    ///
    /// # Errors
    /// No such entry, or its pack is damaged.
    pub fn envelope(&self, index: u64) -> Result<Envelope, EvidenceError> {
        let (pack, line) = self
            .index
            .borrow()
            .place(index)?
            .ok_or_else(|| EvidenceError::Log(TlogError::OutOfRange(format!("the log has no entry {index}"))))?;
        let path = self.root.join(pack_name(pack));
        let bytes = read(&path)?;
        let text = bytes.split(|b| *b == b'\n').nth(usize::try_from(line).unwrap_or(usize::MAX)).unwrap_or_default();
        Envelope::parse(text).map_err(|e| EvidenceError::Damaged { path, why: format!("line {}: {e}", line + 1) })
    }

    /// The envelopes of a predicate type, pack by pack, oldest first: where they lie, to be read by any thread.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn parts_of(&self, predicate_type: &str) -> Result<Vec<PackPart>, EvidenceError> {
        let places = self.index.borrow().places_of(predicate_type)?;
        let parts = places.chunk_by(|a, b| a.0 == b.0).map(|places| PackPart {
            path: self.root.join(pack_name(places[0].0)),
            lines: places.iter().map(|(_, line, index)| (*line, *index)).collect(),
        });
        Ok(parts.collect())
    }

    /// The envelope of an entry with proof against the newest checkpoint.
    ///
    /// # Errors
    /// As [`Store::envelope`]; damaged tiles.
    pub fn bundle(&self, index: u64, checkpoint: &SignedCheckpoint) -> Result<Bundle, EvidenceError> {
        let envelope = self.envelope(index)?;
        let size = checkpoint.unverified().size;
        let tile = self.root.join("log").join(entry_tile_path(index, size)?.to_string());
        let damaged = |why: String| EvidenceError::Damaged { path: tile.clone(), why: format!("entry {index}: {why}") };
        let entry = self.log.entry(index, size).map_err(|e| damaged(e.to_string()))?;
        LogEntry::parse(&entry).and_then(|e| e.matches(&envelope)).map_err(|e| damaged(e.to_string()))?;
        Ok(Bundle::new(envelope, entry, self.log.prove(index, checkpoint)?, &self.key))
    }

    /// Entries from `first` on, at most `limit`.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn records(&self, first: u64, limit: u64) -> Result<Vec<RecordRow>, EvidenceError> {
        self.index.borrow().records(first, limit)
    }

    /// Entries from `first` on whose predicate type is one of these, at most `limit`.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn records_of_predicates(
        &self,
        types: &[&str],
        first: u64,
        limit: u64,
    ) -> Result<Vec<RecordRow>, EvidenceError> {
        self.index.borrow().of_predicates(types, first, limit)
    }

    /// Entries of one invocation.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn records_of_invocation(&self, invocation: &str) -> Result<Vec<RecordRow>, EvidenceError> {
        self.index.borrow().of_invocation(invocation)
    }

    /// Entries with a subject of this digest.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn records_of_subject(&self, digest: &Digest) -> Result<Vec<RecordRow>, EvidenceError> {
        self.index.borrow().of_subject(digest)
    }

    /// Entries whose envelope has this payload type.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn records_of_payload(&self, payload_type: &str) -> Result<Vec<RecordRow>, EvidenceError> {
        self.index.borrow().of_payload(payload_type)
    }

    /// Entries with a subject of this digest, and those whose file list holds it.
    ///
    /// # Errors
    /// The index or a file list cannot be read.
    pub fn records_of_artifact(&self, digest: &Digest) -> Result<Vec<RecordRow>, EvidenceError> {
        let mut rows = self.index.borrow().of_subject(digest)?;
        // What speaks of the artifact without being of a run (a scan) does not tell who made it.
        if rows.iter().all(|row| row.invocation.is_none()) {
            let needle = digest.to_hex().into_bytes();
            let lists = self.index.borrow().lists()?;
            for (blob, index) in lists {
                let Some(bytes) = self.blob(&blob)? else { continue };
                if bytes.windows(needle.len()).any(|window| window == needle) {
                    rows.extend(self.index.borrow().records(index, 1)?);
                }
            }
        }
        Ok(rows)
    }

    /// Sizes of the newest published checkpoints, newest first.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn checkpoint_sizes(&self, limit: u64) -> Result<Vec<u64>, EvidenceError> {
        self.index.borrow().checkpoint_sizes(limit)
    }

    /// Keeps content under its digest.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, EvidenceError> {
        let digest = sha256(bytes);
        let name = blob_name(&digest);
        if !self.root.join(&name).exists() {
            let mut writer = Writer::new(&self.root);
            writer.write(&name, bytes)?;
            writer.sync()?;
        }
        Ok(digest)
    }

    /// Content by its digest; `None` where it is not kept.
    ///
    /// # Errors
    /// It cannot be read, or is not what its name says.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, EvidenceError> {
        let path = self.root.join(blob_name(digest));
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        if sha256(&bytes) != *digest {
            return Err(EvidenceError::Damaged { path, why: format!("its digest is {}", sha256(&bytes)) });
        }
        Ok(Some(bytes))
    }
}

fn full_entry_tile(number: u64) -> Option<String> {
    let width = provost_tlog::Limits::TILE_WIDTH;
    entry_tile_path(number * width, (number + 1) * width).ok().map(|p| p.to_string())
}

pub(crate) fn pack_name(first: u64) -> String {
    format!("packs/{first:020}.jsonl")
}

pub(crate) fn blob_name(digest: &Digest) -> String {
    let hex = digest.to_hex();
    format!("blobs/{}/{hex}", &hex[..2])
}

pub(crate) fn parse_pack(bytes: &[u8]) -> Result<Vec<Envelope>, String> {
    bytes
        .split(|b| *b == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(i, line)| Envelope::parse(line).map_err(|e| format!("line {}: {e}", i + 1)))
        .collect()
}
