//! Events of GitLab: webhooks and system hooks (docs.gitlab.com: "Webhook events"), and the variables of a pipeline
//! ("Predefined CI/CD variables reference").

use serde_json::Value;

use super::fields::{At, Environment, account, labels, missing, parse, short};
use super::{
    Account, AccountKind, AccountName, Association, Contribution, Forge, ForgeError, Kind, Limits, ObjectId, RefName,
    Repository, RepositoryName, Review, ReviewState, State, Variables, Visibility,
};

fn not(event: &str, why: &'static str) -> ForgeError {
    ForgeError::NotAContribution { forge: Forge::GitLab, event: short(event, 80), why }
}

/// Reads the payload of a webhook or a system hook.
///
/// # Errors
/// The event is no contribution, or the payload is not what GitLab sends for it.
pub fn event(payload: &[u8], limits: &Limits) -> Result<Contribution, ForgeError> {
    let value: Value = parse(payload, limits)?;
    let root = At::root(&value);
    // Webhooks have both; for a push they are the same, for others `event_name` says more (system hooks have it alone).
    let name = match root.text("object_kind")? {
        Some(kind) => kind,
        None => root.text("event_name")?.ok_or_else(|| missing("object_kind", "text"))?,
    };
    match name {
        "push" | "tag_push" => push(&root, name),
        "merge_request" => merge_request(&root, limits),
        "note" => note(&root, limits),
        _ => Err(not(name, "")),
    }
}

fn push(root: &At<'_>, name: &str) -> Result<Contribution, ForgeError> {
    let project = root.object("project")?;
    let mut repository = repository(&project)?;
    repository.id = root.number("project_id")?.or(repository.id);
    let mut it = Contribution::new(Forge::GitLab, Kind::Push, repository);
    it.action = Some(name.to_owned());
    let target = root.made("ref", RefName::full)?.ok_or_else(|| missing("ref", "a ref"))?;
    it.target = Some(target);
    it.base = root.id_or_null("before")?;
    it.head = root.id_or_null("after")?;
    (it.created, it.deleted) = (it.base.is_none(), it.head.is_none());
    if it.created && it.deleted {
        return Err(ForgeError::Contradiction("`before` and `after` are both null ids".to_owned()));
    }
    it.head_repository = Some(it.repository.clone());
    it.pusher = person(root.name("user_username")?, root.number("user_id")?);
    it.sender = it.pusher.clone();
    Ok(it)
}

fn merge_request(root: &At<'_>, limits: &Limits) -> Result<Contribution, ForgeError> {
    let request = root.object("object_attributes")?;
    let mut it = about(&request, Kind::MergeRequest, limits)?;
    let word = request.text("action")?;
    it.action = word.map(|text| short(text, limits.title));
    it.labels = root.labels("labels", "title", limits)?;
    it.sender = user(root)?;
    fill_author(&mut it);
    let said = match word {
        Some("approved" | "approval") => Some(ReviewState::Approved),
        Some("unapproved" | "unapproval") => Some(ReviewState::Dismissed),
        _ => None,
    };
    if let Some(state) = said {
        it.reviews.push(Review {
            id: None,
            state,
            who: it.sender.clone(),
            association: None,
            commit: it.head.clone(),
            submitted_at: it.updated_at,
        });
    }
    Ok(it)
}

fn note(root: &At<'_>, limits: &Limits) -> Result<Contribution, ForgeError> {
    let written = root.object("object_attributes")?;
    match written.text("noteable_type")? {
        Some("MergeRequest") => {}
        _ => return Err(not("note", ": a comment on something else than a merge request")),
    }
    let request = root.object("merge_request")?;
    let mut it = about(&request, Kind::IssueComment, limits)?;
    it.action = written.text("action")?.map(|text| short(text, limits.title));
    it.labels = request.labels("labels", "title", limits)?;
    it.sender = user(root)?;
    fill_author(&mut it);
    Ok(it)
}

/// What every payload says of its merge request.
fn about(request: &At<'_>, kind: Kind, limits: &Limits) -> Result<Contribution, ForgeError> {
    let mut target = repository(&request.object("target")?)?;
    target.id = Some(needed_number(request, "target_project_id")?);
    let mut it = Contribution::new(Forge::GitLab, kind, target);
    it.number = Some(needed_number(request, "iid")?);
    it.target = Some(needed_branch(request, "target_branch")?);
    it.head_ref = Some(needed_branch(request, "source_branch")?);
    // A fork that is gone leaves no source behind.
    it.head_repository = match (request.number("source_project_id")?, request.object_if("source")?) {
        (Some(id), Some(source)) => Some(Repository { id: Some(id), ..repository(&source)? }),
        (Some(id), None) => Some(Repository { name: None, id: Some(id), visibility: None, fork: None }),
        (None, _) => None,
    };
    it.head = request.object_if("last_commit")?.map(|commit| commit.id_or_null("id")).transpose()?.flatten();
    it.title = request.text("title")?.map(|text| short(text, limits.title));
    it.author = person(None, request.number("author_id")?);
    it.draft = request.flag("draft")?.or(request.flag("work_in_progress")?);
    let states =
        [("opened", State::Open), ("locked", State::Open), ("closed", State::Closed), ("merged", State::Merged)];
    it.state = request.word("state", &states)?;
    it.created_at = request.time("created_at")?;
    it.updated_at = request.time("updated_at")?;
    if request.flag("first_contribution")? == Some(true) {
        it.association = Some(Association::FirstTimeContributor);
    }
    Ok(it)
}

fn needed_number(of: &At<'_>, name: &str) -> Result<u64, ForgeError> {
    of.number(name)?.ok_or_else(|| missing(of.path_of(name), "a whole number"))
}

fn needed_branch(of: &At<'_>, name: &str) -> Result<RefName, ForgeError> {
    of.made(name, RefName::branch)?.ok_or_else(|| missing(of.path_of(name), "a branch"))
}

/// The author is told by number alone; where whoever caused the event has the same number, the name is known.
fn fill_author(it: &mut Contribution) {
    let number = it.author.as_ref().and_then(|author| author.id);
    if let Some(sender) = it.sender.as_ref().filter(|sender| sender.id.is_some() && sender.id == number) {
        it.author = Some(sender.clone());
    }
}

fn user(root: &At<'_>) -> Result<Option<Account>, ForgeError> {
    let Some(user) = root.object_if("user")? else { return Ok(None) };
    Ok(person(user.name("username")?, user.number("id")?))
}

fn person(name: Option<AccountName>, id: Option<u64>) -> Option<Account> {
    let kind = name.as_ref().map_or(AccountKind::Unknown, kind_of);
    account(name, id, None, kind)
}

/// What a user name gives away: accounts of access tokens are named `project_<id>_bot…` or `group_<id>_bot…`, those of
/// services `service_account_…`. Any other may be a person's or not.
pub(super) fn kind_of(name: &AccountName) -> AccountKind {
    let name = name.as_str();
    let token = ["project_", "group_"].iter().any(|start| {
        let rest = name.strip_prefix(start).and_then(|rest| rest.split_once('_'));
        rest.is_some_and(|(number, rest)| number.parse::<u64>().is_ok() && rest.starts_with("bot"))
    });
    if token || name.starts_with("service_account_") { AccountKind::Bot } else { AccountKind::Unknown }
}

fn repository(of: &At<'_>) -> Result<Repository, ForgeError> {
    let words = [("public", Visibility::Public), ("internal", Visibility::Internal), ("private", Visibility::Private)];
    let level = match of.number("visibility_level")? {
        Some(0) => Some(Visibility::Private),
        Some(10) => Some(Visibility::Internal),
        Some(20) => Some(Visibility::Public),
        _ => None,
    };
    let name = of.name("path_with_namespace")?;
    Ok(Repository {
        name: Some(name.ok_or_else(|| missing(of.path_of("path_with_namespace"), "a repository's name"))?),
        id: of.number("id")?,
        visibility: of.word("visibility", &words)?.or(level),
        fork: None,
    })
}

/// The contribution that a pipeline's variables tell of. They name no author; `sender` is whoever started the job.
///
/// # Errors
/// The pipeline is about no contribution, or a variable holds what GitLab does not write.
pub fn variables(get: Variables<'_>, limits: &Limits) -> Result<Contribution, ForgeError> {
    let env = Environment::new(get, limits);
    let source = env.needed("CI_PIPELINE_SOURCE")?;
    let kind = match source.as_str() {
        "merge_request_event" => Kind::MergeRequest,
        "push" => Kind::Push,
        "web" | "api" | "trigger" | "chat" => Kind::WorkflowDispatch,
        _ => return Err(not(&source, "")),
    };
    let commit = env.id("CI_COMMIT_SHA")?.ok_or_else(|| missing("CI_COMMIT_SHA", "an object id"))?;
    let visibility = match env.text("CI_PROJECT_VISIBILITY")?.as_deref() {
        Some("public") => Some(Visibility::Public),
        Some("internal") => Some(Visibility::Internal),
        Some("private") => Some(Visibility::Private),
        _ => None,
    };
    let here = Repository {
        name: Some(env.name("CI_PROJECT_PATH")?.ok_or_else(|| missing("CI_PROJECT_PATH", "set"))?),
        id: env.number("CI_PROJECT_ID")?,
        visibility,
        fork: None,
    };
    let sender = person(env.name("GITLAB_USER_LOGIN")?, env.number("GITLAB_USER_ID")?);
    let mut it = match kind {
        Kind::MergeRequest => of_merge_request(&env, &here, commit, limits)?,
        _ => {
            let mut it = Contribution::new(Forge::GitLab, kind, here.clone());
            it.target = match env.made("CI_COMMIT_TAG", RefName::tag)? {
                Some(tag) => Some(tag),
                None => env.made("CI_COMMIT_BRANCH", RefName::branch)?,
            };
            it.head = Some(commit);
            if kind == Kind::Push {
                // The null id here also means the first pipeline of a branch: it does not say that the ref is new.
                it.base = env.id("CI_COMMIT_BEFORE_SHA")?;
                it.pusher = sender.clone();
            }
            it.head_repository = Some(here);
            it.action = Some(source);
            it
        }
    };
    it.sender = sender;
    Ok(it)
}

fn of_merge_request(
    env: &Environment<'_>,
    here: &Repository,
    commit: ObjectId,
    limits: &Limits,
) -> Result<Contribution, ForgeError> {
    let target_id = env.number("CI_MERGE_REQUEST_PROJECT_ID")?;
    let target_id = target_id.ok_or_else(|| missing("CI_MERGE_REQUEST_PROJECT_ID", "set"))?;
    // A pipeline for a fork's merge request may run in the fork: then `CI_PROJECT_…` is about the fork.
    let side = |name: Option<RepositoryName>, id: Option<u64>| Repository {
        visibility: here.visibility.filter(|_| id.is_some() && id == here.id),
        name,
        id,
        fork: None,
    };
    let repository = side(env.name("CI_MERGE_REQUEST_PROJECT_PATH")?, Some(target_id));
    let mut it = Contribution::new(Forge::GitLab, Kind::MergeRequest, repository);
    it.action = env.text("CI_MERGE_REQUEST_EVENT_TYPE")?.map(|text| short(&text, limits.title));
    it.number = env.number("CI_MERGE_REQUEST_IID")?;
    let branch = |name| env.made(name, RefName::branch);
    let target = branch("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")?;
    it.target = Some(target.ok_or_else(|| missing("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "set"))?);
    it.head_ref = branch("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")?;
    let source =
        side(env.name("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH")?, env.number("CI_MERGE_REQUEST_SOURCE_PROJECT_ID")?);
    it.head_repository = (source.id.is_some() || source.name.is_some()).then_some(source);
    // In pipelines of merged results and merge trains the commit is a trial merge, and the two branches' tips are told.
    let target_tip = env.id("CI_MERGE_REQUEST_TARGET_BRANCH_SHA")?;
    it.base = match target_tip {
        Some(tip) => Some(tip),
        None => env.id("CI_MERGE_REQUEST_DIFF_BASE_SHA")?,
    };
    match env.id("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA")? {
        Some(tip) => {
            it.checkout = Some(commit).filter(|commit| *commit != tip);
            it.head = Some(tip);
        }
        None => it.head = Some(commit),
    }
    it.title = env.text("CI_MERGE_REQUEST_TITLE")?.map(|text| short(&text, limits.title));
    if let Some(text) = env.text("CI_MERGE_REQUEST_LABELS")? {
        let texts: Vec<&str> = text.split(',').filter(|label| !label.is_empty()).collect();
        it.labels = labels("CI_MERGE_REQUEST_LABELS", &texts, limits)?;
    }
    it.draft = match env.text("CI_MERGE_REQUEST_DRAFT")?.as_deref() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    Ok(it)
}
