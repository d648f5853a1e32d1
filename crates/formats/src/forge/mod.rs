//! What a forge says of one contribution: the event of a pull request, a push, a merge group, a patch set, as its CI
//! system hands it over, read into one [`Contribution`].
//!
//! All of it is the forge's word (and where it came by variables, that of whoever started the process): good enough to
//! know which change is meant, and never a proof of who approved it. Commits are checked against the repository, people
//! against their keys. Fields that an event does not tell are absent; nothing is made up for them.
//!
//! Names are checked types; text that people wrote (titles, labels) is kept as it may be printed, with control and hidden
//! characters as `\u{…}`.

mod fields;
mod gerrit;
mod github;
mod gitlab;
mod names;
mod neutral;
mod reviews;

use provost_model::Timestamp;
use serde::{Deserialize, Serialize};

pub use gerrit::{event as gerrit_event, variables as gerrit_variables};
pub use github::{event as github_event, variables as github_variables};
pub use gitlab::{event as gitlab_event, variables as gitlab_variables};
pub use names::{AccountName, NameError, ObjectId, RefName, RepositoryName};
pub use neutral::{SCHEMA, VERSION, event as neutral_event, write as neutral};
pub use reviews::{github as github_reviews, gitlab as gitlab_approvals};

/// Looks a variable of the environment up.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What an event may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a payload. GitHub sends at most 25 MB. 32 MiB.
    pub bytes: usize,
    /// Values of a payload; an object counts ten times. 2,000,000. Nesting is bounded to 128.
    pub values: usize,
    /// Characters of a title; what is longer is cut, and ends in `…`. 512.
    pub title: usize,
    /// Labels of one contribution; more are refused, since a rule may ask for one. 1,000.
    pub labels: usize,
    /// Characters of a label; longer ones are refused. 512.
    pub label: usize,
    /// Reviews of one list. 10,000.
    pub reviews: usize,
    /// Bytes of a variable. 64 KiB.
    pub variable: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 32 << 20,
            values: 2_000_000,
            title: 512,
            labels: 1_000,
            label: 512,
            reviews: 10_000,
            variable: 64 << 10,
        }
    }
}

/// Why an event gives no contribution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForgeError {
    /// The event is about something else.
    #[error("{forge} event `{event}` is not a contribution{why}")]
    NotAContribution {
        /// Whose event.
        forge: Forge,
        /// Its name, safe to print.
        event: String,
        /// What it is about, where its name does not say; begins with `: `.
        why: &'static str,
    },
    /// It is no JSON, or more of it than is read.
    #[error("the event is not read: {0}")]
    Json(String),
    /// A field is missing, or of another type.
    #[error("the event has no `{field}` that is {wanted}")]
    Field {
        /// Where it would be: `pull_request.head.sha`.
        field: String,
        /// What it would be.
        wanted: &'static str,
    },
    /// A field holds a name that is none.
    #[error("`{field}`: {error}")]
    Name {
        /// Where it is.
        field: String,
        /// What is wrong with it.
        error: NameError,
    },
    /// Two fields that say the same do not.
    #[error("the event contradicts itself: {0}")]
    Contradiction(String),
    /// A list or text is longer than allowed.
    #[error("`{field}`: more than {limit} {what}")]
    TooMany {
        /// Where it is.
        field: String,
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// Whose word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forge {
    /// GitHub.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gerrit.
    Gerrit,
    /// A document of provost's own form, written by something else.
    Neutral,
}

impl std::fmt::Display for Forge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Gerrit => "Gerrit",
            Self::Neutral => "neutral",
        })
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A pull request of GitHub; the workflow runs with the rights of the change.
    PullRequest,
    /// The same, where the workflow runs with the rights of the target.
    PullRequestTarget,
    /// Somebody moved a ref.
    Push,
    /// A merge queue asks about a group.
    MergeGroup,
    /// Somebody started the pipeline by hand or through the API.
    WorkflowDispatch,
    /// A comment on a pull request, merge request or change.
    IssueComment,
    /// A review of one.
    PullRequestReview,
    /// A merge request of GitLab.
    MergeRequest,
    /// A patch set of Gerrit.
    GerritPatchset,
    /// Whatever a neutral document means.
    Neutral,
}

/// Who may see a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Everybody with an account.
    Internal,
    /// Its members.
    Private,
}

/// A repository of the forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repository {
    /// Its full name, where the event tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<RepositoryName>,
    /// Its number at the forge: it stays when the name changes hands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Who may see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// It was made as a fork of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<bool>,
}

impl Repository {
    /// The same repository: by number where both have one, else by name. `None` where neither can be compared.
    pub fn same_as(&self, other: &Self) -> Option<bool> {
        match (self.id, other.id, &self.name, &other.name) {
            (Some(one), Some(two), ..) => Some(one == two),
            (.., Some(one), Some(two)) => Some(one.as_str().eq_ignore_ascii_case(two.as_str())),
            _ => None,
        }
    }
}

/// What kind of account it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountKind {
    /// A person's, as far as the forge knows.
    User,
    /// A machine's.
    Bot,
    /// An installed app's.
    App,
    /// An organisation's.
    Organization,
    /// The event does not say.
    #[default]
    Unknown,
}

/// An account. At least one of name, number and e-mail address is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// Its name: GitHub's login, GitLab's and Gerrit's user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<AccountName>,
    /// Its number: it stays when the name changes hands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Its e-mail address, where the forge knows people by it (Gerrit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<AccountName>,
    /// What it is.
    #[serde(default)]
    pub kind: AccountKind,
}

impl Account {
    /// How a policy names it: `github:ada`. `None` where the event tells no name.
    pub fn qualified(&self, forge: Forge) -> Option<String> {
        let name = self.name.as_ref()?;
        Some(format!("{}:{name}", forge.to_string().to_ascii_lowercase()))
    }
}

/// How the author stands to the repository (GitHub's `author_association`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Association {
    /// Owns it.
    Owner,
    /// Member of the organisation that owns it.
    Member,
    /// Was asked to work on it.
    Collaborator,
    /// Contributed before.
    Contributor,
    /// First contribution to it (GitLab: `first_contribution`).
    FirstTimeContributor,
    /// First contribution to anything on the forge.
    FirstTimer,
    /// A placeholder for somebody who is gone.
    Mannequin,
    /// None.
    None,
}

/// What a reviewer said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Yes.
    Approved,
    /// No.
    ChangesRequested,
    /// Neither.
    Commented,
    /// Once yes or no, taken back.
    Dismissed,
    /// Not sent yet.
    Pending,
}

/// A review, by the word of the forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Review {
    /// Its number at the forge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// What was said.
    pub state: ReviewState,
    /// Who; absent where the account is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Account>,
    /// How they stand to the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub association: Option<Association>,
    /// What they looked at; GitLab's approvals do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<ObjectId>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<Timestamp>,
}

/// Where a pull request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Open.
    Open,
    /// Closed, not merged.
    Closed,
    /// Merged.
    Merged,
}

/// One contribution, by the word of the forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contribution {
    /// Whose word it is.
    pub forge: Forge,
    /// What happened.
    pub kind: Kind,
    /// The event's own word for it: `opened`, `synchronize`, `submitted`, `patchset-created`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The repository that is to change.
    pub repository: Repository,
    /// The ref that is to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<RefName>,
    /// What the target is now, or was when the event was made (GitLab's merge requests: the merge base). Absent for a new
    /// ref.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<ObjectId>,
    /// What is proposed, or was pushed. Absent for a deleted ref, and where the event does not tell (comments).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<ObjectId>,
    /// The ref that holds it, in the head repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_ref: Option<RefName>,
    /// Where it comes from; absent where the event does not tell, or the repository is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_repository: Option<Repository>,
    /// What the CI system has checked out, where that is another commit (a trial merge).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout: Option<ObjectId>,
    /// Number of the pull request, merge request or change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Number of the patch set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patchset: Option<u64>,
    /// Its title; safe to print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its labels; safe to print.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Account>,
    /// Who caused this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Account>,
    /// Who pushed the commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pusher: Option<Account>,
    /// Who had this pipeline run again, where it was somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun_by: Option<Account>,
    /// How the author stands to the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub association: Option<Association>,
    /// How whoever commented stands to it (of comments).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_association: Option<Association>,
    /// Not meant to be merged yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<bool>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Of a push: commits were thrown away. Only GitHub tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<bool>,
    /// Of a push: the ref is new.
    #[serde(default)]
    pub created: bool,
    /// Of a push: the ref is gone.
    #[serde(default)]
    pub deleted: bool,
    /// Reviews that the event carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reviews: Vec<Review>,
}

impl Contribution {
    /// A contribution of which nothing more is known.
    pub(crate) fn new(forge: Forge, kind: Kind, repository: Repository) -> Self {
        Self {
            forge,
            kind,
            action: None,
            repository,
            target: None,
            base: None,
            head: None,
            head_ref: None,
            head_repository: None,
            checkout: None,
            number: None,
            patchset: None,
            title: None,
            labels: Vec::new(),
            author: None,
            sender: None,
            pusher: None,
            rerun_by: None,
            association: None,
            sender_association: None,
            draft: None,
            state: None,
            created_at: None,
            updated_at: None,
            forced: None,
            created: false,
            deleted: false,
            reviews: Vec::new(),
        }
    }

    /// It comes from the repository that is to change. `None` where the event does not tell: treat it as from outside.
    pub fn from_same_repository(&self) -> Option<bool> {
        self.repository.same_as(self.head_repository.as_ref()?)
    }
}

/// The contribution that the variables of this process tell of, and the payload that `read` finds at a path
/// (GitHub's `GITHUB_EVENT_PATH`). `None` where no variable of a known forge is set.
///
/// # Errors
/// As the reader of that forge.
pub fn from_variables(
    get: Variables<'_>,
    read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    limits: &Limits,
) -> Result<Option<Contribution>, ForgeError> {
    let is = |name: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if is("GITHUB_ACTIONS") {
        let path = get("GITHUB_EVENT_PATH").ok_or_else(|| fields::missing("GITHUB_EVENT_PATH", "a path"))?;
        let payload = read(&path).map_err(ForgeError::Json)?;
        return github_variables(get, &payload, limits).map(Some);
    }
    if is("GITLAB_CI") {
        return gitlab_variables(get, limits).map(Some);
    }
    if get("GERRIT_EVENT_TYPE").is_some_and(|value| !value.is_empty()) {
        return gerrit_variables(get, limits).map(Some);
    }
    Ok(None)
}
