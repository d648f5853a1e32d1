//! A run's evidence, made as `provost run` makes it, with every part open to change.

use std::collections::BTreeMap;

use provost_attest::predicate::Completeness;
use provost_attest::predicate::*;
use provost_attest::{FileList, ResourceDescriptor, Statement, TrustedSigner, Verified, verify_envelope};
use provost_keys::{KeyAlgorithm, PrivateKey, Signer as _};
use provost_model::*;
use provost_policy::{Evidence, Facts, Policy, evaluate};

pub(crate) const NOW: &str = "2026-11-22T12:00:00Z";

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().expect("time")
}

pub(crate) fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key")
}

/// A policy with one step `build` by `builder`, and more text.
pub(crate) fn policy(builder: &PrivateKey, step: &str, more: &str) -> Policy {
    Policy::parse(&policy_text(builder, step, more)).expect("policy")
}

pub(crate) fn policy_text(builder: &PrivateKey, step: &str, more: &str) -> String {
    format!(
        r#"version = 1
name = "test"
expires = "2027-01-01T00:00:00Z"
[[functionary]]
name = "builder"
public-key = """
{}"""
[[step]]
name = "build"
functionaries = ["builder"]
require = ["environment", "process", "materials", "artifacts"]
{step}
[evidence]
require-log = false
{more}
"#,
        builder.public_key().to_pem()
    )
}

#[derive(Clone)]
pub(crate) struct Run {
    pub step: String,
    pub invocation: String,
    pub command: Vec<String>,
    pub ending: Ending,
    pub materials: Vec<(String, Vec<u8>)>,
    pub products: Vec<(String, Vec<u8>)>,
    pub isolated: bool,
    pub finished: Timestamp,
    pub left_running: u32,
    pub tool: Digest,
    pub facts: Vec<(String, String)>,
    pub omit: Vec<&'static str>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            step: "build".into(),
            invocation: "run-1".into(),
            command: vec!["make".into()],
            ending: Ending::Exited(0),
            materials: vec![("src/main.c".into(), b"int main".to_vec())],
            products: vec![("app".into(), b"artifact".to_vec())],
            isolated: true,
            finished: time("2026-11-22T11:00:00Z"),
            left_running: 0,
            tool: sha256(b"make"),
            facts: vec![("user".into(), "ci".into()), ("ci-system".into(), "gitlab-ci".into())],
            omit: Vec::new(),
        }
    }
}

fn list(files: &[(String, Vec<u8>)]) -> FileList {
    let mut entries: Vec<FileEntry> = files
        .iter()
        .map(|(name, content)| FileEntry {
            name: FileName::from_bytes(name.as_bytes()),
            kind: FileKind::File,
            size: content.len() as u64,
            digest: Some(sha256(content)),
            executable: false,
            target: None,
            problem: None,
        })
        .collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    FileList::new(&FileSet { entries, not_listed: Vec::new() }).expect("list").0
}

impl Run {
    pub(crate) fn statements(&self) -> Vec<Statement> {
        let subjects: Vec<ResourceDescriptor> = self
            .products
            .iter()
            .map(|(name, content)| ResourceDescriptor::named(name.clone(), sha256(content)))
            .collect();
        let isolation = Isolation { mechanism: "test".into(), keys_unreachable: self.isolated, ..Isolation::default() };
        let facts: Vec<EnvironmentFact> = self
            .facts
            .iter()
            .map(|(name, value)| EnvironmentFact {
                name: name.clone(),
                value: value.clone(),
                source: FactSource::Measured,
                basis: "test".into(),
            })
            .collect();
        let tool = Tool { name: "make".into(), path: "/usr/bin/make".into(), sha256: self.tool, remembered: false };
        let environment = Environment::new(
            &self.step,
            (&self.invocation, self.finished),
            &facts,
            &[tool],
            &isolation,
            ResourceDescriptor::default(),
        );
        let process = Process {
            monitor: Monitor { kind: "test".into(), trace_policy: BTreeMap::new() },
            monitored_process: MonitoredProcess {
                host_id: "h".into(),
                kind: RUN_BUILD_TYPE.into(),
                event: self.invocation.clone(),
            },
            monitor_log: MonitorLog {
                process: vec![ProcessEvent {
                    pid: 1,
                    program: Some(ResourceDescriptor::named("make", self.tool)),
                    arguments: self.command.clone(),
                    working_directory: "/w".into(),
                    environment: BTreeMap::new(),
                    started_on: self.finished,
                    finished_on: self.finished,
                    ending: Some(self.ending),
                    id: None,
                    parent: None,
                    programs: Vec::new(),
                }],
                ..MonitorLog::default()
            },
            metadata: TraceMetadata { build_started_on: self.finished, build_finished_on: self.finished },
            step: self.step.clone(),
            completeness: Completeness {
                complete: false,
                events_lost: None,
                left_running: self.left_running,
                ..Completeness::default()
            },
            guard: Guarding::default(),
            observation: None,
        };
        let materials = Materials {
            step: self.step.clone(),
            invocation_id: self.invocation.clone(),
            finished_on: self.finished,
            git: None,
            lockfiles: Vec::new(),
            files: list(&self.materials),
            globs: Vec::new(),
            basis: "test".into(),
            observed: None,
            caches: Vec::new(),
            observed_origins: BTreeMap::new(),
        };
        let artifacts = Artifacts {
            step: self.step.clone(),
            invocation_id: self.invocation.clone(),
            finished_on: self.finished,
            files: list(&self.products),
            deleted: Vec::new(),
            deleted_count: 0,
            globs: Vec::new(),
            basis: "test".into(),
        };
        [
            Statement::new(subjects.clone(), ENVIRONMENT, &environment),
            Statement::new(subjects.clone(), PROCESS, &process),
            Statement::new(subjects.clone(), MATERIALS, &materials),
            Statement::new(subjects, ARTIFACTS, &artifacts),
        ]
        .into_iter()
        .map(|s| s.expect("statement"))
        .filter(|s| !self.omit.contains(&short_name(&s.predicate_type)))
        .collect()
    }

    pub(crate) fn signed(&self, signer: &PrivateKey) -> Vec<Verified<Statement>> {
        self.statements().iter().map(|s| verified(s, &[signer])).collect()
    }
}

/// Signs with each key; all of them are known to the verifier.
pub(crate) fn verified(statement: &Statement, signers: &[&PrivateKey]) -> Verified<Statement> {
    let mut envelope = statement.sign(signers[0]).expect("signed");
    for signer in &signers[1..] {
        envelope.add_signature(*signer).expect("signed");
    }
    let trusted: Vec<TrustedSigner> = signers.iter().map(|k| TrustedSigner::key(k.public_key().clone())).collect();
    verify_envelope(&envelope, &trusted, 1).expect("verifies")
}

pub(crate) fn judge(policy: &Policy, statements: Vec<Verified<Statement>>, artifact: &[u8]) -> Verdict {
    judge_at(policy, statements, artifact, time(NOW))
}

pub(crate) fn judge_at(
    policy: &Policy,
    statements: Vec<Verified<Statement>>,
    artifact: &[u8],
    now: Timestamp,
) -> Verdict {
    let facts = Facts::of_artifact(sha256(artifact), now, vec!["test".into()]);
    evaluate(policy, &Evidence { statements, ..Evidence::default() }, &facts)
}

/// The ids of the rules that fail.
pub(crate) fn failing(verdict: &Verdict) -> Vec<&str> {
    let mut rules: Vec<&str> = verdict.failures().map(|r| r.rule.as_str()).collect();
    rules.dedup();
    rules
}
