//! The runs behind the evidence: grouping, and what a run made or took in.

use std::collections::{BTreeMap, BTreeSet};

use provost_attest::predicate::{self, Artifacts, Environment, Materials, Process, Provenance};
use provost_model::{Digest, FileEntry, FileKind};

use super::{Judge, Run};

impl<'a> Judge<'a> {
    /// All runs of a step, by invocation. Statements without an invocation are each a run of their own.
    pub(super) fn runs_of(&self, step: &str) -> Vec<Run<'a>> {
        let mut runs: BTreeMap<String, Run<'a>> = BTreeMap::new();
        for item in &self.evidence.statements {
            let statement = item.value();
            let kind = statement.predicate_type.as_str();
            macro_rules! read {
                ($type:ty) => {
                    statement.predicate_as::<$type>(kind)
                };
            }
            let mut add = |invocation: &str, put: &mut dyn FnMut(&mut Run<'a>)| {
                let run = runs.entry(invocation.to_owned()).or_default();
                run.invocation = invocation.to_owned();
                run.items.push(item);
                put(run);
            };
            match kind {
                predicate::ENVIRONMENT => match read!(Environment) {
                    Ok(p) if p.step == step => {
                        add(&p.invocation_id.clone(), &mut |r| r.environment.push((item, p.clone())))
                    }
                    Ok(_) => {}
                    Err(e) => add("", &mut |r| r.malformed.push(format!("environment: {e}"))),
                },
                predicate::PROCESS => match read!(Process) {
                    Ok(p) if p.step == step => {
                        add(&p.monitored_process.event.clone(), &mut |r| r.process.push((item, p.clone())))
                    }
                    Ok(_) => {}
                    Err(e) => add("", &mut |r| r.malformed.push(format!("process: {e}"))),
                },
                predicate::MATERIALS => match read!(Materials) {
                    Ok(p) if p.step == step => {
                        add(&p.invocation_id.clone(), &mut |r| r.materials.push((item, p.clone())))
                    }
                    Ok(_) => {}
                    Err(e) => add("", &mut |r| r.malformed.push(format!("materials: {e}"))),
                },
                predicate::ARTIFACTS => match read!(Artifacts) {
                    Ok(p) if p.step == step => {
                        add(&p.invocation_id.clone(), &mut |r| r.artifacts.push((item, p.clone())))
                    }
                    Ok(_) => {}
                    Err(e) => add("", &mut |r| r.malformed.push(format!("artifacts: {e}"))),
                },
                predicate::PROVENANCE => {
                    if let Ok(p) = read!(Provenance)
                        && p.build_definition.external_parameters.get("step").and_then(|s| s.as_str()) == Some(step)
                        && p.build_definition.build_type == predicate::RUN_BUILD_TYPE
                    {
                        let invocation = p.run_details.metadata.invocation_id.clone().unwrap_or_default();
                        add(&invocation, &mut |r| r.provenance.push((item, p.clone())));
                    }
                }
                predicate::LINK => {
                    let named = statement.predicate.get("name").and_then(|n| n.as_str()) == Some(step);
                    let invocation = statement.predicate.pointer("/byproducts/invocationId").and_then(|i| i.as_str());
                    if named {
                        add(invocation.unwrap_or_default(), &mut |_| {});
                    }
                }
                // A statement of any other type counts for a step that requires its type and whose artifact it names.
                other if self.policy.steps.iter().any(|s| s.name == step && s.require.iter().any(|r| r == other)) => {
                    add(&format!("statement {}", item.envelope()), &mut |_| {});
                }
                _ => {}
            }
        }
        runs.into_values().filter(|run| !run.items.is_empty()).collect()
    }

    /// True when the run made the artifact: its list of artifacts holds it or, where it has none, its provenance
    /// names it. A statement that only speaks of a file (a scan, a review) makes nothing.
    pub(super) fn makes(&self, run: &Run<'_>, artifact: &Digest) -> bool {
        if run.artifacts.is_empty() {
            return run.provenance.iter().any(|(item, _)| item.value().speaks_of(artifact));
        }
        run.artifacts.iter().any(|(_, a)| self.lists(&a.files, artifact))
    }

    pub(super) fn covers(&self, run: &Run<'_>, artifact: &Digest) -> bool {
        run.items.iter().any(|item| item.value().speaks_of(artifact))
            || run.artifacts.iter().any(|(_, a)| self.lists(&a.files, artifact))
    }

    /// True when the artifact is in the list, by its inline entries, its opened blob, or a proof.
    pub(super) fn lists(&self, list: &provost_attest::FileList, artifact: &Digest) -> bool {
        let is_it = |entry: &FileEntry| entry.kind == FileKind::File && entry.digest.as_ref() == Some(artifact);
        list.entries.iter().flatten().any(is_it)
            || self.evidence.file_lists.get(&list.leaves).is_some_and(|entries| entries.iter().any(is_it))
            || self.evidence.file_proofs.iter().any(|proof| proof.verify(list).is_ok_and(|entry| is_it(&entry)))
    }

    pub(super) fn entries<'b>(&'b self, list: &'b provost_attest::FileList) -> impl Iterator<Item = &'b FileEntry> {
        let opened = self.evidence.file_lists.get(&list.leaves).filter(|_| list.entries.is_none());
        list.entries.iter().flatten().chain(opened.into_iter().flatten())
    }

    pub(super) fn materials<'b>(&'b self, run: &'b Run<'_>) -> impl Iterator<Item = (&'b str, Digest)> {
        run.materials
            .iter()
            .flat_map(|(_, m)| self.entries(&m.files))
            .filter(|e| e.kind == FileKind::File)
            .filter_map(|e| Some((e.name.text.as_str(), e.digest?)))
    }

    pub(super) fn products(&self, run: &Run<'_>) -> BTreeSet<Digest> {
        run.artifacts
            .iter()
            .flat_map(|(_, a)| self.entries(&a.files))
            .filter(|e| e.kind == FileKind::File)
            .filter_map(|e| e.digest)
            .collect()
    }

    pub(super) fn subjects(&self, run: &Run<'_>) -> Vec<Digest> {
        run.items.iter().flat_map(|i| i.value().subject.iter().filter_map(|s| s.sha256())).collect()
    }

    /// True when the run took the artifact in: a test or a scan of it.
    pub(super) fn consumes(&self, run: &Run<'_>, artifact: &Digest) -> bool {
        self.materials(run).any(|(_, digest)| digest == *artifact)
    }
}
