//! Verification: from envelopes and trust to a verdict. `verify`, `explain`, `report` and `run` all go this one way.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use provost_attest::{Bundle, Envelope, TrustedSigner, Verified, verify_envelope, verify_payload};
use provost_evidence::{CheckpointMemory, EvidenceError, LogFolder, Seen, Store};
use provost_keys::PublicKey;
use provost_model::{Digest, FileEntry, Verdict, sha256};
use provost_policy::{Evidence, Facts, POLICY_PAYLOAD, Policy, evaluate};
use provost_tlog::SignedCheckpoint;
use serde::{Deserialize, Serialize};

use crate::evidence_file::EvidenceFile;
use crate::home::Home;
use crate::signing;

/// A policy whose signature was verified with a trusted key.
pub struct TrustedPolicy {
    /// The policy.
    pub policy: Policy,
    /// The keys that signed it, for people.
    pub signers: Vec<String>,
    /// The id of the key that vouches for it.
    pub anchor: Digest,
    /// The signed policy as JSON.
    pub json: String,
}

/// Whom the user trusts to sign policies.
#[derive(Debug, Clone, Default)]
pub struct Anchors {
    /// Keys at hand.
    pub keys: Vec<PublicKey>,
    /// Ids of keys: whoever brings the key itself must bring this one.
    pub ids: Vec<Digest>,
}

impl Anchors {
    /// The keys in the user's directory, and those that the command line names.
    ///
    /// # Errors
    /// A key file cannot be read.
    pub fn load(home: Option<&Home>, files: &[PathBuf], ids: &[String]) -> Result<Self> {
        let mut anchors = Self::default();
        for file in files {
            anchors.keys.push(signing::read_public(file)?);
        }
        for id in ids {
            anchors.ids.push(id.parse().with_context(|| format!("--trust {id}"))?);
        }
        // What is named on the command line replaces what lies in the user's directory.
        if let Some(home) = home.filter(|_| files.is_empty() && ids.is_empty()) {
            for entry in std::fs::read_dir(home.trust()).into_iter().flatten().flatten() {
                if entry.path().extension().is_some_and(|e| e == "pem") {
                    anchors.keys.push(signing::read_public(&entry.path())?);
                }
            }
        }
        Ok(anchors)
    }

    fn signers(&self, offered: &[PublicKey]) -> Vec<TrustedSigner> {
        let known = offered.iter().filter(|key| self.ids.contains(&key.id().digest()));
        self.keys.iter().chain(known).cloned().map(TrustedSigner::key).collect()
    }
}

/// Verifies a policy's envelope. `offered` are keys that came with the evidence; they count only by a trusted id.
///
/// # Errors
/// No trusted key signed it, or it is not valid.
pub fn trusted_policy(envelope: &Envelope, anchors: &Anchors, offered: &[PublicKey]) -> Result<TrustedPolicy> {
    let signers = anchors.signers(offered);
    if signers.is_empty() {
        let known: Vec<String> = offered.iter().map(|key| key.id().to_string()).collect();
        if known.is_empty() {
            bail!("no policy key is trusted here: give --policy-key FILE, or add one with `provost trust add FILE`");
        }
        bail!(
            "no policy key is trusted here. The evidence names the key {}: compare that id with the one its producer \
             published elsewhere, then give `--trust {}`, or keep it with `provost trust add`",
            known.join(", "),
            known[0]
        );
    }
    let verified = verify_payload(envelope, POLICY_PAYLOAD, &signers, 1)
        .context("the policy is not signed by a trusted key, or was changed after signing")?;
    let text = std::str::from_utf8(verified.value()).context("the policy is not UTF-8")?;
    let policy = Policy::parse(text).context("the signed policy")?;
    let ids: Vec<Digest> = verified.signers().keys().map(|id| id.digest()).collect();
    let signers = ids.iter().map(|id| format!("{}…", id.short())).collect();
    let anchor = ids.first().copied().unwrap_or_else(|| sha256(b""));
    Ok(TrustedPolicy { policy, signers, anchor, json: envelope.to_json() })
}

/// As [`trusted_policy`], from a file.
///
/// # Errors
/// As there; it cannot be read.
pub fn read_policy(path: &Path, anchors: &Anchors, offered: &[PublicKey]) -> Result<TrustedPolicy> {
    let bytes = crate::input::read(path, crate::input::SMALL)?;
    let envelope = Envelope::parse(&bytes).with_context(|| path.display().to_string())?;
    trusted_policy(&envelope, anchors, offered).with_context(|| path.display().to_string())
}

#[derive(Serialize, Deserialize)]
struct SeenPolicy {
    serial: u64,
    digest: Digest,
    /// The signed policy itself: older evidence is judged by the newest policy that was seen.
    envelope: String,
}

/// What is remembered of a policy's name and signer, and the file that remembers it.
fn seen_policy(home: &Home, trusted: &TrustedPolicy) -> Result<(PathBuf, Option<SeenPolicy>)> {
    let name = sha256(format!("{}\n{}", trusted.anchor, trusted.policy.name).as_bytes());
    let path = home.memory_path().join("policies").join(format!("{name}.json"));
    let Ok(bytes) = std::fs::read(&path) else { return Ok((path, None)) };
    let seen = serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?;
    Ok((path, Some(seen)))
}

/// The newest policy of the same name and signer that was seen, where it is newer than this one.
///
/// # Errors
/// The memory is damaged.
pub fn newer_policy(
    home: &Home,
    trusted: &TrustedPolicy,
    anchors: &Anchors,
    offered: &[PublicKey],
) -> Result<Option<TrustedPolicy>> {
    let (path, seen) = seen_policy(home, trusted)?;
    let Some(seen) = seen.filter(|seen| seen.serial > trusted.policy.serial) else { return Ok(None) };
    let envelope =
        Envelope::parse(seen.envelope.as_bytes()).with_context(|| format!("{} is damaged", path.display()))?;
    Ok(Some(trusted_policy(&envelope, anchors, offered)?))
}

/// Every policy that was seen and verified before, the newest of each name and signer.
///
/// # Errors
/// The memory is damaged.
pub(crate) fn seen_policies(home: &Home) -> Result<Vec<(Policy, Envelope)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(home.memory_path().join("policies")).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let damaged = || format!("{} is damaged", path.display());
        let seen: SeenPolicy = serde_json::from_slice(&std::fs::read(&path)?).with_context(damaged)?;
        let envelope = Envelope::parse(seen.envelope.as_bytes()).with_context(damaged)?;
        let text = std::str::from_utf8(envelope.unverified_payload()).with_context(damaged)?;
        found.push((Policy::parse(text).with_context(damaged)?, envelope));
    }
    Ok(found)
}

/// Refuses a policy older than the newest of the same name and signer that was seen, and remembers this one.
///
/// # Errors
/// It is older, or another text under the same serial.
pub fn refuse_older_policy(home: &Home, trusted: &TrustedPolicy) -> Result<()> {
    let _lock = home.lock_memory();
    let (path, seen) = seen_policy(home, trusted)?;
    let policy = &trusted.policy;
    if let Some(seen) = seen {
        if policy.serial < seen.serial {
            bail!(
                "the policy `{}` has the serial {}, but {} was seen before: an old policy was put back",
                policy.name,
                policy.serial,
                seen.serial
            );
        }
        if policy.serial == seen.serial {
            if policy.digest != seen.digest {
                bail!(
                    "two texts of the policy `{}` bear the serial {}: count `serial` up with every change, then `provost policy sign`",
                    policy.name,
                    policy.serial
                );
            }
            return Ok(());
        }
    }
    let envelope = trusted.json.clone();
    let seen = serde_json::to_vec(&SeenPolicy { serial: policy.serial, digest: policy.digest, envelope })?;
    // A memory that cannot be written (a read-only home) must not stop a verification that holds by itself.
    if let Some(parent) = path.parent()
        && std::fs::create_dir_all(parent).is_ok()
    {
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        if std::fs::write(&temporary, seen).is_ok() {
            let _ = std::fs::rename(&temporary, &path);
        }
    }
    Ok(())
}

/// A judgement: the verdict, and what it stands on.
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The statements that were verified, with their envelopes' digests.
    pub statements: Vec<Verified<provost_attest::Statement>>,
    /// What did not verify, and why: shown, and never counted.
    pub refused: Vec<String>,
    /// How the log's checkpoint relates to what was seen before, for people.
    pub log: Vec<String>,
}

/// How to judge.
pub struct Options<'a> {
    /// The user's directory, for what was seen before; `None` leaves that out.
    pub home: Option<&'a Home>,
    /// The log itself, where it is at hand.
    pub log: Option<&'a LogFolder>,
    /// Go on where nothing proves that two states of a log are one history.
    pub accept_unproven_log: bool,
}

/// The signers that may count for an envelope: the policy's keys, and the keys of certificates that it carries and
/// that lead to a root of the policy at the time that the statement names.
pub fn signers_of(policy: &Policy, envelope: &Envelope) -> Vec<TrustedSigner> {
    let mut signers: Vec<TrustedSigner> = policy.keys().into_iter().map(TrustedSigner::key).collect();
    let chains: Vec<_> = envelope.signatures().iter().filter_map(|s| s.chain.split_first()).collect();
    if chains.is_empty() {
        return signers;
    }
    // The time is the signer's own word; the evaluation holds it against clock, log and revocation.
    let Some(at) = provost_attest::Statement::parse(envelope.unverified_payload())
        .ok()
        .and_then(|s| provost_policy::said_time(&s))
    else {
        return signers;
    };
    for functionary in &policy.functionaries {
        let provost_policy::Identity::Certificate { roots, .. } = &functionary.identity else { continue };
        for (leaf, rest) in &chains {
            if let Ok(chain) = provost_keys::verify_chain(leaf, rest, roots, at) {
                let identity = provost_attest::SignerIdentity::Certificate(chain.identity().clone());
                signers.push(TrustedSigner { key: chain.key().clone(), identity });
            }
        }
    }
    signers
}

/// Visits the envelopes of some predicate types in a store, oldest first, until one gives an answer.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn envelopes_of<T>(
    store: &Store,
    types: &[&str],
    visit: &mut dyn FnMut(u64, &Envelope) -> ControlFlow<T>,
) -> Result<Option<T>> {
    let mut first = 0;
    loop {
        let rows = store.records_of_predicates(types, first, 10_000)?;
        let Some(end) = rows.last().map(|row| row.index) else { return Ok(None) };
        for row in &rows {
            if let ControlFlow::Break(answer) = visit(row.index, &store.envelope(row.index)?) {
                return Ok(Some(answer));
            }
        }
        first = end + 1;
    }
}

/// Verifies everything that an evidence file holds, and judges.
///
/// # Errors
/// A log that was rolled back or shows two histories; everything else is part of the verdict.
pub fn judge(file: &EvidenceFile, trusted: &TrustedPolicy, facts: &Facts, options: &Options<'_>) -> Result<Judgement> {
    let policy = &trusted.policy;
    let logs = policy.log_keys();
    let mut statements = Vec::new();
    let mut refused = Vec::new();
    let verify = |bundle: &Bundle| bundle.verify(&signers_of(policy, bundle.envelope()), &logs, &policy.witnesses);
    for bundle in file.bundles.iter().filter(|b| b.envelope().payload_type() != POLICY_PAYLOAD) {
        match verify(bundle) {
            Ok(verified) => statements.push(verified),
            Err(error) => refused.push(describe(bundle.envelope(), &error.to_string())),
        }
    }
    for envelope in file.envelopes.iter().filter(|e| e.payload_type() != POLICY_PAYLOAD) {
        match verify_envelope(envelope, &signers_of(policy, envelope), 1) {
            Ok(verified) => statements.push(verified),
            Err(error) => refused.push(describe(envelope, &error.to_string())),
        }
    }
    let log = check_logs(file, trusted, &statements, options)?;
    let file_lists = open_lists(file, &statements, &mut refused);
    let evidence = Evidence { file_lists, file_proofs: file.file_proofs.clone(), statements };
    let verdict = evaluate(policy, &evidence, facts);
    Ok(Judgement { verdict, statements: evidence.statements, refused, log })
}

fn describe(envelope: &Envelope, why: &str) -> String {
    let kind = provost_attest::Statement::parse(envelope.unverified_payload()).map_or_else(
        |_| envelope.payload_type().to_owned(),
        |s| provost_attest::predicate::short_name(&s.predicate_type).to_owned(),
    );
    format!("{kind} (envelope {}…): {why}", envelope.digest().short())
}

/// The file lists whose blobs came along and are what a verified statement names.
fn open_lists(
    file: &EvidenceFile,
    statements: &[Verified<provost_attest::Statement>],
    refused: &mut Vec<String>,
) -> BTreeMap<Digest, Vec<FileEntry>> {
    let mut lists = BTreeMap::new();
    if file.file_lists.is_empty() {
        return lists;
    }
    for verified in statements {
        let list = verified.value().predicate.get("files").cloned();
        let Some(list) = list.and_then(|l| serde_json::from_value::<provost_attest::FileList>(l).ok()) else {
            continue;
        };
        for blob in file.file_lists.iter().filter(|blob| sha256(blob) == list.leaves) {
            match list.open(blob) {
                Ok(entries) => {
                    lists.insert(list.leaves, entries);
                }
                Err(error) => refused.push(format!("file list {}…: {error}", list.leaves.short())),
            }
        }
    }
    lists
}

/// Holds the checkpoints against those seen before, and remembers the newest.
fn check_logs(
    file: &EvidenceFile,
    trusted: &TrustedPolicy,
    statements: &[Verified<provost_attest::Statement>],
    options: &Options<'_>,
) -> Result<Vec<String>> {
    let Some(home) = options.home else { return Ok(Vec::new()) };
    let memory = home.memory();
    let mut told = Vec::new();
    let mut done = Vec::new();
    for logged in statements.iter().filter_map(Verified::logged) {
        let checkpoint = &logged.checkpoint;
        if done.contains(checkpoint) {
            continue;
        }
        done.push(checkpoint.clone());
        let keys = trusted.policy.log_keys();
        let Some(key) = keys.iter().find(|key| logged.signed_checkpoint.verify(key).is_ok()) else { continue };
        let id = key.full_id();
        let prove = |from: u64, to: u64| {
            file.consistency(&checkpoint.origin, from, to)
                .or_else(|| options.log.and_then(|log| log.consistency(from, to).ok()))
                .or_else(|| memory.kept_proof(&id, from, to))
        };
        match see(&memory, &id, &logged.signed_checkpoint, &prove) {
            Ok(seen) => {
                told.push(match seen {
                    Seen::First => {
                        format!("log {} seen for the first time, size {}", checkpoint.origin, checkpoint.size)
                    }
                    Seen::Same => format!("log {} as seen before, size {}", checkpoint.origin, checkpoint.size),
                    Seen::Continues { from } => {
                        format!("log {} continues from size {from} to {}, proved", checkpoint.origin, checkpoint.size)
                    }
                    Seen::Earlier { newest } => format!(
                        "log {} at size {}, proved to be a prefix of size {newest}",
                        checkpoint.origin, checkpoint.size
                    ),
                });
            }
            Err(EvidenceError::Unproven(why)) if options.accept_unproven_log => {
                told.push(format!("accepted without proof: {why}"));
                let _ = memory.remember(&id, &logged.signed_checkpoint);
            }
            Err(error) => return Err(error.into()),
        }
        let proofs = file.consistency.iter().filter(|c| c.origin == checkpoint.origin && c.to == checkpoint.size);
        let proofs = proofs.map(|c| (c.from, c.hashes.clone())).collect();
        if memory.newest(&id)?.is_some_and(|newest| newest.unverified() == checkpoint) {
            let _ = memory.keep_proofs(&id, &proofs, checkpoint.size);
        }
    }
    Ok(told)
}

/// Opens a store and holds its log against what was seen of it before: a store that was put back from an old copy is
/// refused, whoever opens it.
///
/// # Errors
/// There is none, it cannot be used, or it was rolled back.
pub fn open_store(home: &Home, path: &Path) -> Result<Store> {
    let store = Store::open(path)?;
    remember_store(home, &store)?;
    Ok(store)
}

/// As [`open_store`]; `None` where there is no store.
///
/// # Errors
/// There is one and it cannot be used.
pub fn store_if_there(home: &Home, path: &Path) -> Result<Option<Store>> {
    match Store::open(path) {
        Ok(store) => {
            remember_store(home, &store)?;
            Ok(Some(store))
        }
        Err(EvidenceError::NoStore(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Holds a store's newest checkpoint against the remembered one, and remembers it.
///
/// # Errors
/// The store has less than was seen, or another history.
pub fn remember_store(home: &Home, store: &Store) -> Result<()> {
    let (memory, id) = (home.memory(), store.log_key().full_id());
    // The memory first: what another process appends and remembers in between is in the log before it is in the memory.
    let newest = memory.newest(&id)?;
    let checkpoint = store.checkpoint()?;
    let size = checkpoint.unverified().size;
    if let Some(newest) = newest.filter(|newest| newest.unverified().size > size) {
        let acknowledged = newest.unverified().size;
        return Err(EvidenceError::RolledBack { path: store.root().to_path_buf(), found: size, acknowledged }.into());
    }
    let prove = |from: u64, to: u64| store.log().consistency(from, to).ok();
    see(&memory, &id, &checkpoint, &prove)?;
    Ok(())
}

/// Holds a checkpoint against the remembered one and remembers it. A home that cannot be written must not stop a
/// verification: the next one starts from what is there.
fn see(
    memory: &CheckpointMemory,
    log: &Digest,
    checkpoint: &SignedCheckpoint,
    prove: &dyn Fn(u64, u64) -> Option<Vec<Digest>>,
) -> Result<Seen, EvidenceError> {
    match memory.accept(log, checkpoint, prove) {
        Err(EvidenceError::Io { .. }) => memory.compare(log, checkpoint.unverified(), prove),
        answer => answer,
    }
}
