//! Events of GitHub: `GITHUB_EVENT_NAME` and the payload in `GITHUB_EVENT_PATH`, which is that of the webhook
//! (docs.github.com: "Webhook events and payloads", "Events that trigger workflows").

use serde_json::Value;

use super::fields::{At, Environment, account, agree, missing, parse, short};
use super::{
    Account, AccountKind, Association, Contribution, Forge, ForgeError, Kind, Limits, ObjectId, RefName, Repository,
    Review, ReviewState, State, Variables, Visibility,
};

/// Reads the payload of an event.
///
/// # Errors
/// The event is no contribution, or the payload is not what GitHub sends for it.
pub fn event(name: &str, payload: &[u8], limits: &Limits) -> Result<Contribution, ForgeError> {
    let not = |why| ForgeError::NotAContribution { forge: Forge::GitHub, event: short(name, 80), why };
    let kind = match name {
        "pull_request" => Kind::PullRequest,
        "pull_request_target" => Kind::PullRequestTarget,
        "push" => Kind::Push,
        "merge_group" => Kind::MergeGroup,
        "workflow_dispatch" => Kind::WorkflowDispatch,
        "issue_comment" => Kind::IssueComment,
        "pull_request_review" => Kind::PullRequestReview,
        _ => return Err(not("")),
    };
    let value: Value = parse(payload, limits)?;
    let root = At::root(&value);
    if kind == Kind::IssueComment && root.object("issue")?.get("pull_request").is_none() {
        return Err(not(": a comment on an issue, not on a pull request"));
    }
    let mut it = Contribution::new(Forge::GitHub, kind, repository(&root.object("repository")?)?);
    it.action = root.text("action")?.map(|text| short(text, limits.title));
    it.sender = user(&root, "sender")?;
    match kind {
        Kind::Push => push(&root, &mut it)?,
        Kind::MergeGroup => merge_group(&root, &mut it)?,
        Kind::WorkflowDispatch => it.target = Some(any_ref(&root, "ref")?),
        Kind::IssueComment => comment(&root, &mut it, limits)?,
        _ => pull_request(&root, &mut it, limits)?,
    }
    Ok(it)
}

/// The event of this run: its name, who had it run again and what is checked out from the variables, all else from the
/// payload. Variables that contradict the payload are refused.
///
/// # Errors
/// As [`event`].
pub fn variables(get: Variables<'_>, payload: &[u8], limits: &Limits) -> Result<Contribution, ForgeError> {
    let env = Environment::new(get, limits);
    let mut it = event(&env.needed("GITHUB_EVENT_NAME")?, payload, limits)?;
    let name = env.name::<super::RepositoryName>("GITHUB_REPOSITORY")?;
    agree("the repository", name, it.repository.name.clone())?;
    agree("the repository's number", env.number("GITHUB_REPOSITORY_ID")?, it.repository.id)?;
    if let Some(commit) = env.id("GITHUB_SHA")? {
        match it.kind {
            // What a dispatch is about is told nowhere else.
            Kind::WorkflowDispatch => it.head = Some(commit),
            Kind::Push | Kind::MergeGroup if !it.deleted => agree("the commit", Some(commit), it.head.clone())?,
            _ => it.checkout = Some(commit).filter(|commit| it.head.as_ref() != Some(commit)),
        }
    }
    let again = env.name("GITHUB_TRIGGERING_ACTOR")?;
    let sender = it.sender.as_ref().and_then(|sender| sender.name.as_ref());
    if again.as_ref() != sender {
        it.rerun_by = account(again, None, None, AccountKind::Unknown);
    }
    Ok(it)
}

fn push(root: &At<'_>, it: &mut Contribution) -> Result<(), ForgeError> {
    it.target = root.made("ref", RefName::full)?;
    if it.target.is_none() {
        return Err(missing("ref", "a ref"));
    }
    it.base = root.id_or_null("before")?;
    it.head = root.id_or_null("after")?;
    it.created = it.base.is_none();
    it.deleted = it.head.is_none();
    agree("`created`", root.flag("created")?, Some(it.created))?;
    agree("`deleted`", root.flag("deleted")?, Some(it.deleted))?;
    if it.created && it.deleted {
        return Err(ForgeError::Contradiction("`before` and `after` are both null ids".to_owned()));
    }
    it.forced = root.flag("forced")?;
    it.head_repository = Some(it.repository.clone());
    it.pusher = root.object_if("pusher")?.map(|pusher| pusher.name("name")).transpose()?.flatten().map(|name| {
        // `pusher` has a name alone; `sender` is the same account where the names are the same.
        let same = it.sender.clone().filter(|sender| sender.name.as_ref() == Some(&name));
        same.unwrap_or(Account { name: Some(name), id: None, email: None, kind: AccountKind::Unknown })
    });
    Ok(())
}

fn merge_group(root: &At<'_>, it: &mut Contribution) -> Result<(), ForgeError> {
    let group = root.object("merge_group")?;
    it.target = Some(any_ref(&group, "base_ref")?);
    it.head_ref = Some(any_ref(&group, "head_ref")?);
    it.base = group.id_or_null("base_sha")?;
    it.head = group.id_or_null("head_sha")?;
    it.head_repository = Some(it.repository.clone());
    Ok(())
}

fn pull_request(root: &At<'_>, it: &mut Contribution, limits: &Limits) -> Result<(), ForgeError> {
    let request = root.object("pull_request")?;
    about(&request, it, limits)?;
    agree("the number", root.number("number")?, it.number)?;
    let (base, head) = (request.object("base")?, request.object("head")?);
    it.target = Some(base.made("ref", RefName::branch)?.ok_or_else(|| missing(base.path_of("ref"), "a branch"))?);
    it.base = Some(needed_id(&base)?);
    it.head_ref = head.made("ref", RefName::branch)?;
    it.head = Some(needed_id(&head)?);
    let of_base = repository(&base.object("repo")?)?;
    agree("the repository's number", it.repository.id, of_base.id)?;
    it.head_repository = head.object_if("repo")?.map(|repo| repository(&repo)).transpose()?;
    it.association = association(&request)?;
    it.draft = request.flag("draft")?;
    // A review's pull request is a shorter one, without `merged`.
    let merged = request.flag("merged")? == Some(true) || request.get("merged_at").is_some();
    it.state = if merged { Some(State::Merged) } else { state(&request)? };
    if let Some(written) = root.object_if("review")? {
        it.reviews.push(review(&written)?);
    }
    Ok(())
}

fn comment(root: &At<'_>, it: &mut Contribution, limits: &Limits) -> Result<(), ForgeError> {
    let issue = root.object("issue")?;
    about(&issue, it, limits)?;
    it.association = association(&issue)?;
    it.sender_association = association(&root.object("comment")?)?;
    it.draft = issue.flag("draft")?;
    let merged = issue.object("pull_request")?.get("merged_at").is_some();
    it.state = if merged { Some(State::Merged) } else { state(&issue)? };
    Ok(())
}

/// What pull requests and issues have in common.
fn about(request: &At<'_>, it: &mut Contribution, limits: &Limits) -> Result<(), ForgeError> {
    let number = request.number("number")?;
    it.number = Some(number.ok_or_else(|| missing(request.path_of("number"), "a whole number"))?);
    it.title = request.text("title")?.map(|text| short(text, limits.title));
    it.labels = request.labels("labels", "name", limits)?;
    it.author = user(request, "user")?;
    it.created_at = request.time("created_at")?;
    it.updated_at = request.time("updated_at")?;
    Ok(())
}

/// A review, of an event or of a list.
pub(super) fn review(written: &At<'_>) -> Result<Review, ForgeError> {
    let states = [
        ("approved", ReviewState::Approved),
        ("changes_requested", ReviewState::ChangesRequested),
        ("commented", ReviewState::Commented),
        ("dismissed", ReviewState::Dismissed),
        ("pending", ReviewState::Pending),
    ];
    Ok(Review {
        id: written.number("id")?,
        state: written.word("state", &states)?.ok_or_else(|| missing(written.path_of("state"), "text"))?,
        who: user(written, "user")?,
        association: association(written)?,
        commit: written.name("commit_id")?,
        submitted_at: written.time("submitted_at")?,
    })
}

fn state(request: &At<'_>) -> Result<Option<State>, ForgeError> {
    request.word("state", &[("open", State::Open), ("closed", State::Closed)])
}

fn association(of: &At<'_>) -> Result<Option<Association>, ForgeError> {
    let words = [
        ("OWNER", Association::Owner),
        ("MEMBER", Association::Member),
        ("COLLABORATOR", Association::Collaborator),
        ("CONTRIBUTOR", Association::Contributor),
        ("FIRST_TIME_CONTRIBUTOR", Association::FirstTimeContributor),
        ("FIRST_TIMER", Association::FirstTimer),
        ("MANNEQUIN", Association::Mannequin),
        ("NONE", Association::None),
    ];
    of.word("author_association", &words)
}

fn needed_id(side: &At<'_>) -> Result<ObjectId, ForgeError> {
    side.name("sha")?.ok_or_else(|| missing(side.path_of("sha"), "an object id"))
}

/// A ref that is written in full, or a branch.
fn any_ref(of: &At<'_>, name: &str) -> Result<RefName, ForgeError> {
    let make = |text: &str| if text.starts_with("refs/") { RefName::full(text) } else { RefName::branch(text) };
    of.made(name, make)?.ok_or_else(|| missing(of.path_of(name), "a ref"))
}

fn user(of: &At<'_>, name: &str) -> Result<Option<Account>, ForgeError> {
    let Some(user) = of.object_if(name)? else { return Ok(None) };
    let kind = match user.text("type")? {
        Some("User") => AccountKind::User,
        Some("Bot") => AccountKind::Bot,
        Some("Organization") => AccountKind::Organization,
        _ => AccountKind::Unknown,
    };
    let (name, id) = (user.name("login")?, user.number("id")?);
    // An app acts as a bot whose name says so; no person can have such a name.
    let app = name.as_ref().is_some_and(|name: &super::AccountName| name.as_str().ends_with("[bot]"));
    Ok(account(name, id, None, if app && kind == AccountKind::Bot { AccountKind::App } else { kind }))
}

fn repository(of: &At<'_>) -> Result<Repository, ForgeError> {
    let words = [("public", Visibility::Public), ("internal", Visibility::Internal), ("private", Visibility::Private)];
    let said = of.flag("private")?.map(|private| if private { Visibility::Private } else { Visibility::Public });
    let name = of.name("full_name")?.ok_or_else(|| missing(of.path_of("full_name"), "a repository's name"))?;
    Ok(Repository {
        name: Some(name),
        id: of.number("id")?,
        visibility: of.word("visibility", &words)?.or(said),
        fork: of.flag("fork")?,
    })
}
