//! What a job's token may do, beside what it needs.

use provost_formats::pipeline::{Access, FileKind, Granted, SCOPES, Scopes};

use crate::need::{Budget, Needs, needs};
use crate::repository::Repository;

/// Where a job's rights come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// The job says so.
    Job(u32, Granted),
    /// The workflow says so.
    Workflow(u32, Granted),
    /// Nothing in the file: a setting of the repository or organisation decides, which is not known here.
    Default,
}

impl Held {
    /// Scope by scope, where the file says so.
    pub fn scopes(&self) -> Option<Scopes> {
        match self {
            Self::Job(_, granted) | Self::Workflow(_, granted) => Some(granted.scopes()),
            Self::Default => None,
        }
    }
}

/// The permissive default (docs.github.com, "Permissions for the GITHUB_TOKEN"): read and write of all but identity tokens.
pub fn permissive() -> Scopes {
    SCOPES
        .iter()
        .filter(|(scope, _)| !matches!(*scope, "id-token" | "models"))
        .map(|(scope, most)| (*scope, *most))
        .collect()
}

/// The restricted default: read of contents and packages.
pub fn restricted() -> Scopes {
    Scopes::from([("contents", Access::Read), ("packages", Access::Read)])
}

/// How sure it is what a job needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sureness {
    /// Every step is known.
    Known,
    /// Every step that is handed a token is known; scripts run beside them that are not looked into.
    AsFarAsSeen,
    /// Something is not known: the needs are a lower bound.
    NotKnown,
}

/// One job.
#[derive(Debug, Clone)]
pub struct JobRights {
    /// The workflow's path.
    pub file: String,
    /// The job's key.
    pub job: String,
    /// Its line.
    pub line: u32,
    /// What it needs.
    pub needs: Needs,
    /// What it has.
    pub held: Held,
    /// It calls a reusable workflow.
    pub calls: bool,
}

impl JobRights {
    /// How sure the needs are.
    pub fn sureness(&self) -> Sureness {
        match (self.needs.unknown.is_empty(), self.needs.opaque.is_empty()) {
            (false, _) => Sureness::NotKnown,
            (true, false) => Sureness::AsFarAsSeen,
            (true, true) => Sureness::Known,
        }
    }

    /// Rights that it has and that nothing needs, with the access that would do. Empty where its needs are not known, and
    /// where the file does not say what it has. Scripts that are not looked into may need two of them ([`Self::doubtful`]).
    pub fn excess(&self) -> Vec<(&'static str, Access, Access)> {
        let Some(held) = self.held.scopes().filter(|_| self.sureness() != Sureness::NotKnown) else {
            return Vec::new();
        };
        let needed = self.needs.scopes();
        held.into_iter()
            .map(|(scope, has)| (scope, has, needed.get(scope).copied().unwrap_or(Access::None)))
            .filter(|(_, has, needs)| has > needs)
            .collect()
    }

    /// True where a script that is not looked into may use this right: it can push with the credential of a checkout, and
    /// ask for an identity token.
    pub fn doubtful(&self, scope: &str) -> bool {
        !self.needs.opaque.is_empty() && matches!(scope, "contents" | "id-token")
    }

    /// Rights that something needs and that the file does not give: another token may be in use.
    pub fn missing(&self) -> Vec<(&'static str, Access)> {
        let Some(held) = self.held.scopes() else { return Vec::new() };
        let needs = self.needs.needs.iter().filter(|need| !need.private);
        let mut missing = Scopes::new();
        for need in needs.filter(|need| held.get(need.scope).copied().unwrap_or(Access::None) < need.access) {
            let access = missing.entry(need.scope).or_insert(need.access);
            *access = (*access).max(need.access);
        }
        missing.into_iter().collect()
    }
}

/// The rights of every job of every workflow.
pub fn rights(repository: &Repository) -> Vec<JobRights> {
    let mut all = Vec::new();
    let budget = Budget::default();
    for (file, workflow) in repository.workflows().filter(|(_, workflow)| workflow.kind == FileKind::Workflow) {
        for job in &workflow.jobs {
            let held = match (&job.permissions, &workflow.permissions) {
                (Some(own), _) => Held::Job(own.line, own.granted.clone()),
                (None, Some(all)) => Held::Workflow(all.line, all.granted.clone()),
                (None, None) => Held::Default,
            };
            all.push(JobRights {
                file: file.to_owned(),
                job: job.id.clone(),
                line: job.line,
                needs: needs(repository, workflow, job, &budget),
                held,
                calls: job.call.is_some(),
            });
        }
    }
    all
}
