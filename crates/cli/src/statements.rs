//! The statements of one run: from what was recorded to what is signed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use provost_attest::predicate::{self, *};
use provost_attest::{Envelope, FileList, ResourceDescriptor, Statement};
use provost_model::{
    BackEnd, Digest, Ending, EnvironmentFact, FileKind, Finding, Outcome, RunRecord, Timestamp, Tool, Verdict, sha256,
};
use provost_trace::Selection;

use crate::caches::Caches;
use crate::judge::TrustedPolicy;
use crate::{ci, config, environment, observed};

/// Builds the statements of one run.
pub(crate) struct Statements<'a> {
    pub(crate) step: &'a str,
    pub(crate) invocation: &'a str,
    pub(crate) record: &'a RunRecord,
    pub(crate) policy: &'a TrustedPolicy,
    pub(crate) config: &'a config::Config,
    pub(crate) publish: Option<&'a Selection>,
    pub(crate) blobs: Vec<Vec<u8>>,
    pub(crate) subjects: Vec<ResourceDescriptor>,
    /// `prevent` or `detect`.
    pub(crate) guard_mode: &'a str,
    /// Suspicious behaviour.
    pub(crate) findings: &'a [Finding],
    /// Caches as they were before the command started.
    pub(crate) caches: Caches,
    /// What the command read from anywhere, once [`Statements::lists`] was called.
    pub(crate) inputs: Option<FileList>,
}

impl Statements<'_> {
    /// The file lists, their blobs, and what the statements speak of: each product by name while they are few; the
    /// list and the published products when they are many; the run itself when there is none.
    pub(crate) fn lists(&mut self) -> Result<(FileList, FileList)> {
        let (materials, materials_blob) = FileList::new(&self.record.materials)?;
        let (artifacts, artifacts_blob) = FileList::new(&self.record.products)?;
        let many = artifacts.entries.is_none();
        for entry in &self.record.products.entries {
            // Every empty file has the same digest: one of them would vouch for all.
            let plain = entry.kind == FileKind::File && entry.size > 0;
            let wanted = !many || self.publish.is_some_and(|p| p.takes(Path::new(&entry.name.text)));
            if let (Some(digest), true, true) = (entry.digest, plain, wanted) {
                self.subjects.push(ResourceDescriptor::named(entry.name.text.clone(), digest));
            }
        }
        self.subjects.truncate(provost_attest::Limits::INLINE_FILES);
        if many {
            self.subjects.push(list_descriptor("artifacts", &artifacts));
        }
        if self.subjects.is_empty() {
            self.subjects.push(ResourceDescriptor::named(
                format!("{} (no artifact)", self.step),
                sha256(self.invocation.as_bytes()),
            ));
        }
        for (list, blob) in [(&materials, materials_blob), (&artifacts, artifacts_blob)] {
            if list.entries.is_none() {
                self.blobs.push(blob);
            }
        }
        self.blobs.append(&mut self.caches.blobs);
        if self.record.observation.back_end != BackEnd::None {
            let (inputs, blob) = FileList::new(&observed::inputs(&self.record.observation))?;
            if inputs.entries.is_none() {
                self.blobs.push(blob);
            }
            self.inputs = Some(inputs);
        }
        Ok((materials, artifacts))
    }

    fn statement(&self, kind: &str, predicate: &impl serde::Serialize) -> Result<Statement> {
        Ok(Statement::new(self.subjects.clone(), kind, predicate)?)
    }

    pub(crate) fn environment(&self, facts: &[EnvironmentFact], tools: &[Tool]) -> Result<Statement> {
        let mut producer = ResourceDescriptor { name: Some("provost".into()), ..ResourceDescriptor::default() };
        producer.annotations.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        let run = (self.invocation, self.record.finished);
        let predicate = Environment::new(self.step, run, facts, tools, &self.record.isolation, producer);
        self.statement(predicate::ENVIRONMENT, &predicate)
    }

    pub(crate) fn process(&mut self, facts: &[EnvironmentFact], program: Option<&Tool>) -> Result<Statement> {
        let build = &self.policy.policy.build;
        let mut environment = BTreeMap::new();
        for name in build.environment.iter().chain(&build.environment_values) {
            if let Some(value) = std::env::var_os(name) {
                let value = build.environment_values.contains(name).then(|| value.to_string_lossy().into_owned());
                environment.insert(name.clone(), value);
            }
        }
        let event = ProcessEvent {
            pid: self.record.process_id,
            program: program.map(|tool| {
                let mut descriptor = ResourceDescriptor::named(tool.name.clone(), tool.sha256);
                descriptor.uri = Some(format!("file://{}", tool.path));
                descriptor
            }),
            arguments: self.record.command.clone(),
            working_directory: self.record.directory.clone(),
            environment,
            started_on: self.record.started,
            finished_on: self.record.finished,
            ending: Some(self.record.ending),
            id: None,
            parent: None,
            programs: Vec::new(),
        };
        let observation = &self.record.observation;
        let (monitor_log, whole) = observed::monitor_log(observation, event, self.record.finished);
        let whole = if whole {
            None
        } else {
            let blob = serde_json::to_vec(observation)?;
            let mut descriptor = ResourceDescriptor::named("observation.json".to_owned(), sha256(&blob));
            descriptor.media_type = Some("application/json".into());
            self.blobs.push(blob);
            Some(descriptor)
        };
        let predicate = Process {
            monitor: Monitor {
                kind: format!("urn:provost:monitor:{}:v1", observation.back_end.name()),
                trace_policy: BTreeMap::from([("version".into(), env!("CARGO_PKG_VERSION").into())]),
            },
            monitored_process: MonitoredProcess {
                host_id: ci::host_id(facts),
                kind: predicate::RUN_BUILD_TYPE.into(),
                event: self.invocation.into(),
            },
            monitor_log,
            metadata: TraceMetadata {
                build_started_on: self.record.collected_from,
                build_finished_on: self.record.finished,
            },
            step: self.step.into(),
            completeness: observed::completeness(observation, self.record.left_running),
            guard: observed::guarding(observation, self.guard_mode, self.findings),
            observation: whole,
        };
        self.statement(predicate::PROCESS, &predicate)
    }

    pub(crate) fn materials(
        &self,
        files: &FileList,
        git: &Result<Option<provost_repo::GitFacts>, provost_repo::RepoError>,
        globs: &[String],
    ) -> Result<Statement> {
        let mut lockfiles = Vec::new();
        for entry in &self.record.materials.entries {
            let name = entry.name.text.rsplit('/').next().unwrap_or_default();
            let known = environment::LOCKFILES.iter().find(|(file, _)| *file == name);
            if let (Some((_, ecosystem)), Some(digest), false) =
                (known, entry.digest, entry.name.text.contains("node_modules/"))
            {
                let file = ResourceDescriptor::named(entry.name.text.clone(), digest);
                lockfiles.push(Lockfile { ecosystem: (*ecosystem).into(), file });
            }
        }
        lockfiles.truncate(provost_attest::Limits::INLINE_FILES);
        let mut basis = "every selected file was read before the command was started".to_owned();
        if let Err(error) = git {
            basis.push_str(&format!("; {error}"));
        }
        let predicate = Materials {
            step: self.step.into(),
            invocation_id: self.invocation.into(),
            finished_on: self.record.finished,
            git: git.as_ref().ok().and_then(Option::as_ref).map(git_state),
            lockfiles,
            files: files.clone(),
            globs: globs.to_vec(),
            basis,
            observed: self.inputs.clone(),
            observed_origins: observed::origins(&self.record.observation),
            caches: self.caches.states.clone(),
        };
        self.statement(predicate::MATERIALS, &predicate)
    }

    pub(crate) fn artifacts(&self, files: &FileList, globs: &[String]) -> Result<Statement> {
        let predicate = Artifacts {
            step: self.step.into(),
            invocation_id: self.invocation.into(),
            finished_on: self.record.finished,
            files: files.clone(),
            deleted: self.record.deleted.iter().take(100).cloned().collect(),
            deleted_count: self.record.deleted.len(),
            globs: globs.to_vec(),
            basis: "files that are new, or have other content, after the command ended".into(),
        };
        self.statement(predicate::ARTIFACTS, &predicate)
    }

    pub(crate) fn link(&self, files: &FileList) -> Result<Statement> {
        let materials = match &files.entries {
            None => vec![list_descriptor("materials", files)],
            Some(entries) => entries
                .iter()
                .filter(|e| e.kind == FileKind::File)
                .filter_map(|e| Some(ResourceDescriptor::named(e.name.text.clone(), e.digest?)))
                .collect(),
        };
        let status = match self.record.ending {
            Ending::Exited(status) => status,
            Ending::Signalled(number) => -number,
            Ending::TimedOut => -1,
        };
        let predicate = Link {
            name: self.step.into(),
            command: self.record.command.clone(),
            materials,
            byproducts: BTreeMap::from([
                ("return-value".into(), status.into()),
                ("invocationId".into(), self.invocation.into()),
                ("finishedOn".into(), self.record.finished.to_string().into()),
            ]),
            environment: BTreeMap::new(),
        };
        self.statement(predicate::LINK, &predicate)
    }

    pub(crate) fn provenance(
        &self,
        materials: &FileList,
        artifacts: &FileList,
        git: &Result<Option<provost_repo::GitFacts>, provost_repo::RepoError>,
    ) -> Result<Statement> {
        let mut dependencies = Vec::new();
        if let Ok(Some(facts)) = git {
            dependencies.push(git_state(facts).source);
        }
        dependencies.push(list_descriptor("materials", materials));
        if let Some(inputs) = &self.inputs {
            // The tool chain, headers and libraries that the build really used.
            dependencies.push(list_descriptor("observed-inputs", inputs));
        }
        let predicate = Provenance {
            build_definition: BuildDefinition {
                build_type: predicate::RUN_BUILD_TYPE.into(),
                external_parameters: BTreeMap::from([
                    ("step".into(), self.step.into()),
                    ("command".into(), self.record.command.clone().into()),
                    ("directory".into(), self.record.directory.clone().into()),
                ]),
                internal_parameters: BTreeMap::from([
                    ("policy".into(), self.policy.policy.digest.to_hex().into()),
                    ("isolation".into(), self.record.isolation.mechanism.clone().into()),
                ]),
                resolved_dependencies: dependencies,
            },
            run_details: RunDetails {
                builder: Builder {
                    id: self.config.builder_id.clone(),
                    version: BTreeMap::from([("provost".into(), env!("CARGO_PKG_VERSION").into())]),
                },
                metadata: BuildMetadata {
                    invocation_id: Some(self.invocation.into()),
                    started_on: Some(self.record.started),
                    finished_on: Some(self.record.finished),
                },
                byproducts: vec![list_descriptor("artifacts", artifacts)],
            },
        };
        self.statement(predicate::PROVENANCE, &predicate)
    }

    pub(crate) fn summary(&self, verdict: &Verdict, envelopes: &[Envelope]) -> Result<Statement> {
        let at = verdict.judged_at;
        summary(
            self.config,
            &self.policy.policy,
            verdict,
            &self.subjects,
            &envelopes.iter().map(Envelope::digest).collect::<Vec<_>>(),
            at,
            &format!("urn:provost:step:{}", self.step),
        )
    }
}

/// A verification summary (SLSA VSA v1) for a verdict.
pub fn summary(
    config: &config::Config,
    policy: &provost_policy::Policy,
    verdict: &Verdict,
    subjects: &[ResourceDescriptor],
    inputs: &[Digest],
    at: Timestamp,
    resource: &str,
) -> Result<Statement> {
    let passed = verdict.outcome == Outcome::Passed;
    let predicate = VerificationSummary {
        verifier: Verifier {
            id: config.verifier_id.clone(),
            version: BTreeMap::from([("provost".into(), env!("CARGO_PKG_VERSION").into())]),
        },
        time_verified: Some(at),
        resource_uri: resource.to_owned(),
        policy: PolicyReference {
            uri: format!("urn:provost:policy:{}", policy.digest),
            digest: policy.digest.to_set(),
        },
        input_attestations: inputs
            .iter()
            .map(|digest| ResourceDescriptor { digest: digest.to_set(), ..ResourceDescriptor::default() })
            .collect(),
        verification_result: verdict.outcome,
        // What this tool generates and verifies by itself is Build L1 (slsa.dev/spec/v1.2), and no more is claimed.
        verified_levels: if passed { vec!["SLSA_BUILD_LEVEL_1".into()] } else { vec!["FAILED".into()] },
        slsa_version: Some("1.2".into()),
    };
    Ok(Statement::new(subjects.to_vec(), predicate::VSA, &predicate)?)
}

fn list_descriptor(name: &str, list: &FileList) -> ResourceDescriptor {
    let mut descriptor = ResourceDescriptor::named(format!("{name}.jsonl"), list.leaves);
    descriptor.media_type = Some("application/jsonl".into());
    descriptor.annotations.insert("count".into(), list.count.into());
    descriptor.annotations.insert("merkleRoot".into(), list.merkle_root.to_hex().into());
    descriptor
}

fn git_state(facts: &provost_repo::GitFacts) -> GitState {
    let mut source = ResourceDescriptor::default();
    if let Some(commit) = &facts.commit {
        source.digest.insert("gitCommit".into(), commit.clone());
    }
    if let Some(tree) = &facts.tree {
        source.digest.insert("gitTree".into(), tree.clone());
    }
    source.uri = Some(match &facts.origin {
        Some(origin) => format!("git+{origin}"),
        None => format!("git+file://{}", facts.root.display()),
    });
    GitState {
        source,
        head: facts.head.clone(),
        dirty: facts.dirty,
        changed: facts.changed.clone(),
        shallow: facts.shallow,
        submodules: facts
            .submodules
            .iter()
            .map(|s| Submodule {
                path: s.path.clone(),
                expected: s.expected.clone(),
                checked_out: s.checked_out.clone(),
            })
            .collect(),
        limits: facts.limits.clone(),
    }
}
