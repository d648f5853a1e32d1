//! From a store to evidence: all statements that an artifact's verdict needs, with proofs.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use provost_attest::predicate;
use provost_attest::{FileList, FileListProof, Statement};
use provost_evidence::{RecordRow, Store};
use provost_model::{Digest, FileKind};
use provost_policy::POLICY_PAYLOAD;

use crate::evidence_file::{Consistency, EvidenceFile};

/// How many published checkpoints before the newest get a consistency proof: a consumer who saw one of them needs
/// nothing else.
const EARLIER_CHECKPOINTS: u64 = 16;
/// Runs that are followed from an artifact back through its materials.
const RUNS: usize = 200;

/// Everything that the store has for an artifact: the runs that made it, the runs that made what those took in, and
/// the newest policy. `with_lists` adds the file lists themselves, for judging the flow of long lists.
///
/// # Errors
/// The store cannot be read or is damaged.
pub fn for_artifact(store: &Store, artifact: &Digest, with_lists: bool) -> Result<EvidenceFile> {
    let mut rows: Vec<RecordRow> = Vec::new();
    let mut seen_runs = BTreeSet::new();
    // Materials are followed back only where the policy has steps that take in what others made.
    let first = store.records_of_artifact(artifact)?;
    let flows = match policy_for(store, &first)? {
        Some(row) => {
            parse_policy(store, row.index)?.is_some_and(|p| p.steps.iter().any(|s| !s.materials_from.is_empty()))
        }
        None => false,
    };
    let mut batches = vec![first];
    let mut seen_digests = BTreeSet::from([*artifact]);
    while let Some(batch) = batches.pop() {
        for row in batch {
            let Some(invocation) = row.invocation.clone() else {
                rows.push(row);
                continue;
            };
            if seen_runs.len() >= RUNS || !seen_runs.insert(invocation.clone()) {
                continue;
            }
            for row in store.records_of_invocation(&invocation)? {
                if flows && row.predicate_type.as_deref() == Some(predicate::MATERIALS) {
                    for digest in products_among_materials(store, &row)? {
                        if seen_digests.insert(digest) {
                            batches.push(store.records_of_subject(&digest)?);
                        }
                    }
                }
                rows.push(row);
            }
        }
    }
    assemble(store, rows, artifact, with_lists)
}

/// Materials that an earlier run of this store made.
fn products_among_materials(store: &Store, row: &RecordRow) -> Result<Vec<Digest>> {
    let statement = Statement::parse(store.envelope(row.index)?.unverified_payload())?;
    let materials: predicate::Materials = statement.predicate_as(predicate::MATERIALS)?;
    let entries = match &materials.files.entries {
        Some(entries) => entries.clone(),
        None => match store.blob(&materials.files.leaves)? {
            Some(blob) => materials.files.open(&blob)?,
            None => Vec::new(),
        },
    };
    let mut found = Vec::new();
    for digest in entries.iter().filter(|e| e.kind == FileKind::File && e.size > 0).filter_map(|e| e.digest) {
        if !store.records_of_subject(&digest)?.is_empty() {
            found.push(digest);
        }
    }
    Ok(found)
}

fn parse_policy(store: &Store, index: u64) -> Result<Option<provost_policy::Policy>> {
    let envelope = store.envelope(index)?;
    Ok(std::str::from_utf8(envelope.unverified_payload())
        .ok()
        .and_then(|text| provost_policy::Policy::parse(text).ok()))
}

/// The runs that made any of these files, whole, each with its log proof.
///
/// # Errors
/// The store cannot be read or is damaged.
pub fn runs_behind(store: &Store, files: &provost_model::FileSet) -> Result<Vec<provost_attest::Bundle>> {
    let checkpoint = store.checkpoint()?;
    let mut invocations = BTreeSet::new();
    let plain = files.entries.iter().filter(|e| e.kind == FileKind::File && e.size > 0);
    for digest in plain.filter_map(|e| e.digest).collect::<BTreeSet<_>>() {
        invocations.extend(store.records_of_subject(&digest)?.into_iter().filter_map(|row| row.invocation));
        if invocations.len() > RUNS {
            break;
        }
    }
    let mut bundles = Vec::new();
    for invocation in invocations {
        for row in store.records_of_invocation(&invocation)? {
            bundles.push(store.bundle(row.index, &checkpoint)?);
        }
    }
    Ok(bundles)
}

/// The newest policy in the log that knows the steps at hand; the newest of all where none does.
fn policy_for(store: &Store, rows: &[RecordRow]) -> Result<Option<RecordRow>> {
    let steps: BTreeSet<&str> = rows.iter().filter_map(|row| row.step.as_deref()).collect();
    let policies = store.records_of_payload(POLICY_PAYLOAD)?;
    for row in policies.iter().rev() {
        if parse_policy(store, row.index)?.is_some_and(|p| p.steps.iter().any(|s| steps.contains(s.name.as_str()))) {
            return Ok(Some(row.clone()));
        }
    }
    Ok(policies.into_iter().next_back())
}

fn assemble(store: &Store, mut rows: Vec<RecordRow>, artifact: &Digest, with_lists: bool) -> Result<EvidenceFile> {
    let checkpoint = store.checkpoint()?;
    let size = checkpoint.unverified().size;
    rows.extend(policy_for(store, &rows)?);
    rows.sort_by_key(|row| row.index);
    rows.dedup_by_key(|row| row.index);
    let mut file = EvidenceFile::default();
    for row in rows {
        let bundle = store.bundle(row.index, &checkpoint)?;
        let statement = Statement::parse(bundle.envelope().unverified_payload()).ok();
        let list =
            statement.as_ref().and_then(|s| serde_json::from_value::<FileList>(s.predicate.get("files")?.clone()).ok());
        if let Some(list) = list.filter(|list| list.entries.is_none())
            && let Some(blob) = store.blob(&list.leaves)?
        {
            let is_artifacts = row.predicate_type.as_deref() == Some(predicate::ARTIFACTS);
            if is_artifacts {
                file.file_proofs.extend(FileListProof::find(&blob, artifact)?);
            }
            if with_lists {
                file.file_lists.push(blob);
            }
        }
        file.bundles.push(bundle);
    }
    for from in store.checkpoint_sizes(EARLIER_CHECKPOINTS + 1)?.into_iter().filter(|from| *from > 0 && *from < size) {
        let hashes = store.log().consistency(from, size).context("the log cannot prove its own history")?;
        file.consistency.push(Consistency { origin: checkpoint.unverified().origin.clone(), from, to: size, hashes });
    }
    Ok(file)
}
