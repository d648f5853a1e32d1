//! The signed statement of a scan: which rules, what was scanned, what was not, what was found.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use provost_attest::predicate::TEST_RESULT;
use provost_attest::{FileList, ResourceDescriptor, Statement};
use provost_evidence::NewRecord;
use provost_model::{DigestSet, printable};
use provost_trace::{Selection, Snapshot};
use serde_json::{Value, json};

use super::Done;
use crate::commands::Context;
use crate::commands::scan::SecretsArgs;
use crate::home::Project;
use crate::signing::{self, Role};
use crate::{clock, config, judge, render};

/// Findings that are named in the statement itself; all are in the blob.
const INLINE: usize = 500;

/// What the statement will speak of, by digest, as it was before the scan.
pub(crate) struct Subject {
    descriptors: Vec<ResourceDescriptor>,
    blobs: Vec<Vec<u8>>,
    /// Directories, to see whether they changed meanwhile.
    trees: Vec<(std::path::PathBuf, Snapshot)>,
}

fn selection() -> Result<Selection> {
    let exclude: Vec<String> = config::ALWAYS_EXCLUDED.iter().map(|name| (*name).to_owned()).collect();
    Ok(Selection::new(&[], &exclude)?)
}

impl Subject {
    /// Takes the digests.
    ///
    /// # Errors
    /// Something to scan has no digest: standard input, an index.
    pub(crate) fn before(args: &SecretsArgs) -> Result<Self> {
        let mut subject = Self { descriptors: Vec::new(), blobs: Vec::new(), trees: Vec::new() };
        if args.staged {
            bail!("--attest speaks of files, directories and commits: what is staged has no name yet");
        }
        let here = std::path::PathBuf::from(".");
        let paths = if args.paths.is_empty() { std::slice::from_ref(&here) } else { args.paths.as_slice() };
        if args.is_git() {
            let range = args.range.as_deref().unwrap_or_default();
            let facts = provost_repo::look(&paths[0])?.context("there is no git repository here")?;
            let commit = facts.commit.context("the repository has no commit to speak of")?;
            let mut digest = DigestSet::from([("gitCommit".to_owned(), commit)]);
            if let Some(tree) = facts.tree {
                digest.insert("gitTree".to_owned(), tree);
            }
            let name = if range.is_empty() { "git history".to_owned() } else { format!("git range {range}") };
            let descriptor = ResourceDescriptor { name: Some(name), digest, ..ResourceDescriptor::default() };
            subject.descriptors.push(descriptor);
            return Ok(subject);
        }
        for path in paths {
            if path.as_os_str() == "-" {
                bail!("--attest speaks of files, directories and commits: standard input has no digest to begin with");
            }
            let name = path.display().to_string();
            if path.is_dir() {
                let selection = selection()?;
                let snapshot = Snapshot::take(path, &selection, &selection, None, &[], &|_, _| {})?;
                let (list, blob) = FileList::new(&snapshot.to_set(&selection))?;
                let mut descriptor = ResourceDescriptor::named(name, list.leaves);
                descriptor.annotations.insert("merkleRoot".into(), json!(list.merkle_root));
                descriptor.annotations.insert("files".into(), list.count.into());
                subject.descriptors.push(descriptor);
                subject.blobs.push(blob);
                subject.trees.push((path.clone(), snapshot));
            } else {
                let (digest, _) =
                    provost_trace::hash_file(path).with_context(|| format!("cannot read {}", path.display()))?;
                subject.descriptors.push(ResourceDescriptor::named(name, digest));
            }
        }
        Ok(subject)
    }

    /// Nothing changed while it was scanned.
    fn is_as_before(&self, args: &SecretsArgs) -> Result<bool> {
        let selection = selection()?;
        for (path, before) in &self.trees {
            let after = Snapshot::take(path, &selection, &selection, Some(before), &[], &|_, _| {})?;
            let (changed, gone) = before.changes(&after, &selection);
            if !changed.entries.is_empty() || !gone.is_empty() {
                return Ok(false);
            }
        }
        let files = args.paths.iter().filter(|path| path.is_file() && !args.is_git());
        for path in files {
            let (digest, _) = provost_trace::hash_file(path)?;
            if !self.descriptors.iter().any(|known| known.sha256() == Some(digest)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Signs the statement and puts it into the project's log.
pub(crate) fn attest(args: &SecretsArgs, subject: Subject, done: &Done, context: &Context) -> Result<()> {
    if !subject.is_as_before(args)? {
        bail!("the files changed while they were scanned: no statement is made of it");
    }
    let project = Project::find(Path::new("."))?;
    let store = judge::open_store(&context.home, &project.store(&context.home))
        .context("--attest needs an evidence store: `provost init` makes one")?;
    let signer = signing::load(Role::Builder, &context.home, &project)?;
    let log_key = signing::load(Role::Log, &context.home, &project)?;
    let findings: Vec<Value> = done
        .judgement
        .findings
        .iter()
        .map(|judged| {
            let finding = &judged.finding;
            json!({
                "rule": finding.rule,
                "fingerprint": finding.fingerprint,
                "confidence": finding.confidence,
                "file": finding.file,
                "within": finding.within,
                "line": finding.span.map(|span| span.line),
                "commit": finding.commit,
                "state": judged.state.name(),
            })
        })
        .collect();
    let new = done.judgement.new_ones().count();
    let complete = done.coverage.is_complete();
    let result = if new > 0 {
        "FAILED"
    } else if complete {
        "PASSED"
    } else {
        "WARNED"
    };
    let all = serde_json::to_vec(&findings)?;
    let all_digest = provost_model::sha256(&all);
    let mut rules = ResourceDescriptor::named("rules for secrets", done.rules);
    rules.annotations.insert("count".into(), done.rule_count.into());
    let predicate = json!({
        "result": result,
        "configuration": [rules],
        "provost_scan": {
            "check": "secrets",
            "tool": {"name": "provost", "version": env!("CARGO_PKG_VERSION")},
            "finishedOn": clock::now(),
            "target": done.target,
            "complete": complete,
            "coverage": done.coverage,
            "network": "none",
            "limits": {"depth": args.depth, "decodings": args.decodings, "maxFileMegabytes": args.max_file, "seconds": args.time},
            "confidence": format!("{:?}", args.confidence).to_lowercase(),
            "excluded": args.exclude,
            "disabled": args.disable,
            "new": new,
            "findings": findings.iter().take(INLINE).collect::<Vec<_>>(),
            "allFindings": {"count": findings.len(), "sha256": all_digest},
        },
    });
    let envelope = Statement::new(subject.descriptors, TEST_RESULT, &predicate)?.sign(signer.as_ref())?;
    for blob in &subject.blobs {
        store.put_blob(blob)?;
    }
    store.put_blob(&all)?;
    let record = NewRecord { envelope, key: signer.public_key().clone() };
    let receipts = store.append(&[record], log_key.as_ref()).context("the statement could not be kept")?;
    judge::remember_store(&context.home, &store)?;
    if let Some(receipt) = receipts.first() {
        let text = format!("signed statement: entry {} of {}", receipt.index, store.root().display());
        anstream::eprintln!("{}", render::dim(&printable(&text)));
    }
    Ok(())
}
