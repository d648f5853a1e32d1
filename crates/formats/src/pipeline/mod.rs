//! Pipelines as their files tell them: GitHub's workflows, reusable workflows and composite actions, and GitLab's CI
//! files. Every text knows its line. What a platform would refuse or read differently is a problem, never guessed at.

mod github;
mod gitlab;

use std::collections::BTreeMap;

use provost_model::Problem;

pub use github::read as github;
pub use gitlab::{Include, Job as GitlabJob, Pipeline as GitlabPipeline, read as gitlab};

/// What a file may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a file. 1 MiB. Nesting is bounded to 128, what aliases stand for to 10,000 values.
    pub bytes: usize,
    /// Jobs of a file. 1,000.
    pub jobs: usize,
    /// Steps of a job, or commands of a GitLab job. 1,000.
    pub steps: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 20, jobs: 1_000, steps: 1_000 }
    }
}

/// Why a file cannot be read as a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct PipelineError {
    /// Line, counted from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong; safe to print.
    pub what: String,
}

impl PipelineError {
    pub(crate) fn new(line: Option<u64>, what: impl Into<String>) -> Self {
        Self { line, what: provost_model::printable(&what.into()) }
    }
}

/// Text and the line that it begins in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// As written, without quotes.
    pub value: String,
    /// Counted from 1; of a table's entry the line of its key.
    pub line: u32,
}

/// How much of a scope a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Read and write.
    Write,
}

impl Access {
    /// As workflows write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The scopes of GitHub's job token (docs.github.com, "Workflow syntax": `permissions`), and the most that each knows.
pub const SCOPES: &[(&str, Access)] = &[
    ("actions", Access::Write),
    ("artifact-metadata", Access::Write),
    ("attestations", Access::Write),
    ("checks", Access::Write),
    ("contents", Access::Write),
    ("deployments", Access::Write),
    ("discussions", Access::Write),
    ("id-token", Access::Write),
    ("issues", Access::Write),
    ("models", Access::Read),
    ("packages", Access::Write),
    ("pages", Access::Write),
    ("pull-requests", Access::Write),
    ("repository-projects", Access::Write),
    ("security-events", Access::Write),
    ("statuses", Access::Write),
];

/// Scopes and what is granted of each; those that are absent get nothing.
pub type Scopes = BTreeMap<&'static str, Access>;

/// What a `permissions` key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    /// `read-all`.
    ReadAll,
    /// `write-all`.
    WriteAll,
    /// A table; scopes that it leaves out get nothing.
    Scopes(Scopes),
}

impl Granted {
    /// Scope by scope.
    pub fn scopes(&self) -> Scopes {
        let all = |most: Access| SCOPES.iter().map(|(scope, limit)| (*scope, most.min(*limit))).collect::<Scopes>();
        match self {
            Self::ReadAll => {
                let mut scopes = all(Access::Read);
                scopes.remove("id-token");
                scopes
            }
            Self::WriteAll => all(Access::Write),
            Self::Scopes(scopes) => scopes.clone(),
        }
    }
}

/// A `permissions` key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Its line.
    pub line: u32,
    /// What it says.
    pub granted: Granted,
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A workflow.
    Workflow,
    /// A composite action; its steps are in one job without a name.
    Composite,
    /// An action that runs JavaScript or a container.
    Action,
}

/// An event that starts a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// `push`, `pull_request_target`, `workflow_call`.
    pub name: String,
    /// Its line.
    pub line: u32,
    /// It is narrowed to tags (`tags:` without `branches:`).
    pub tags_only: bool,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// What it is.
    pub kind: FileKind,
    /// Events that start it.
    pub triggers: Vec<Trigger>,
    /// What every job gets that says nothing of its own.
    pub permissions: Option<Permissions>,
    /// Variables of all jobs.
    pub env: Vec<(String, Text)>,
    /// Its jobs, in order.
    pub jobs: Vec<Job>,
    /// Image of an action that runs a container.
    pub image: Option<Text>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

impl Workflow {
    /// The event, where the workflow knows it.
    pub fn trigger(&self, name: &str) -> Option<&Trigger> {
        self.triggers.iter().find(|trigger| trigger.name == name)
    }
}

/// A reusable workflow that a job calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `owner/repository/.github/workflows/x.yml@ref`, or `./.github/workflows/x.yml`.
    pub uses: Text,
    /// Line of `secrets: inherit`.
    pub inherits: Option<u32>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its key.
    pub id: String,
    /// The line of its key.
    pub line: u32,
    /// What it says of its token.
    pub permissions: Option<Permissions>,
    /// Labels of runners; expressions as they are.
    pub runs_on: Vec<Text>,
    /// Its condition.
    pub condition: Option<Text>,
    /// It has an environment, whose rules may ask for approval.
    pub environment: bool,
    /// Its variables.
    pub env: Vec<(String, Text)>,
    /// Images of its container and services.
    pub images: Vec<Text>,
    /// Its steps.
    pub steps: Vec<Step>,
    /// The reusable workflow that it calls instead.
    pub call: Option<Call>,
    /// Every text in it, wherever it stands.
    pub texts: Vec<Text>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its first line.
    pub line: u32,
    /// The action that it runs.
    pub uses: Option<Text>,
    /// Inputs of the action.
    pub with: Vec<(String, Text)>,
    /// The script that it runs.
    pub run: Option<Text>,
    /// Its shell, where it names one.
    pub shell: Option<String>,
    /// Its variables.
    pub env: Vec<(String, Text)>,
    /// Its condition.
    pub condition: Option<Text>,
    /// Every text in it.
    pub texts: Vec<Text>,
}

impl Step {
    /// An input of the action, by its name in any case.
    pub fn input(&self, name: &str) -> Option<&Text> {
        self.with.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, text)| text)
    }
}
