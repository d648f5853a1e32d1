//! Events of Gerrit: `stream-events` as JSON (Gerrit documentation: "gerrit stream-events", "Stream Events JSON"), and the
//! variables of Jenkins' Gerrit Trigger.

use provost_model::Timestamp;
use serde_json::Value;

use super::fields::{At, Environment, account, missing, parse, short};
use super::{
    Account, AccountKind, AccountName, Contribution, Forge, ForgeError, Kind, Limits, NameError, ObjectId, RefName,
    Repository, RepositoryName, Review, ReviewState, State, Variables,
};

/// The label of Gerrit's review; its votes go from -2 to +2.
const REVIEW_LABEL: &str = "Code-Review";

fn not(event: &str) -> ForgeError {
    ForgeError::NotAContribution { forge: Forge::Gerrit, event: short(event, 80), why: "" }
}

/// Reads one event of the stream.
///
/// # Errors
/// The event is no contribution, or not what Gerrit sends for it.
pub fn event(payload: &[u8], limits: &Limits) -> Result<Contribution, ForgeError> {
    let value: Value = parse(payload, limits)?;
    let root = At::root(&value);
    let name = root.needed("type")?;
    let kind = match name {
        "ref-updated" => return ref_updated(&root),
        "patchset-created" => Kind::GerritPatchset,
        "comment-added" if root.get("approvals").is_some() => Kind::PullRequestReview,
        "comment-added" => Kind::IssueComment,
        _ => return Err(not(name)),
    };
    let (change, set) = (root.object("change")?, root.object("patchSet")?);
    let mut it = Contribution::new(Forge::Gerrit, kind, project(change.name("project")?, "change.project")?);
    it.action = Some(name.to_owned());
    let number = change.number_or_text("number")?;
    it.number = Some(number.ok_or_else(|| missing("change.number", "a whole number"))?);
    it.target = Some(change.made("branch", branch)?.ok_or_else(|| missing("change.branch", "a branch"))?);
    it.head = Some(set.name("revision")?.ok_or_else(|| missing("patchSet.revision", "an object id"))?);
    it.head_ref = set.made("ref", RefName::full)?;
    it.patchset = set.number_or_text("number")?;
    it.head_repository = Some(it.repository.clone());
    it.title = change.text("subject")?.map(|text| short(text, limits.title));
    it.labels = hashtags(&change, limits)?;
    it.author = person(&change, "owner")?;
    it.pusher = person(&set, "uploader")?;
    it.sender = person(&root, if kind == Kind::GerritPatchset { "uploader" } else { "author" })?;
    it.draft = Some(change.flag("wip")? == Some(true));
    it.state = match change.text("status")? {
        Some("NEW" | "DRAFT") => Some(State::Open),
        Some("MERGED") => Some(State::Merged),
        Some("ABANDONED") => Some(State::Closed),
        _ => None,
    };
    it.created_at = set.number("createdOn")?.map(seconds);
    it.updated_at = root.number("eventCreatedOn")?.map(seconds);
    if kind == Kind::PullRequestReview {
        votes(&root, &mut it)?;
    }
    Ok(it)
}

/// Votes of the review label: +2 approves, below zero asks for changes, all else is a comment.
fn votes(root: &At<'_>, it: &mut Contribution) -> Result<(), ForgeError> {
    for vote in root.list("approvals")? {
        if vote.text("type")? != Some(REVIEW_LABEL) {
            continue;
        }
        let value: i64 = vote.needed("value")?.parse().map_err(|_| missing(vote.path_of("value"), "a whole number"))?;
        it.reviews.push(Review {
            id: None,
            state: match value {
                2.. => ReviewState::Approved,
                ..=-1 => ReviewState::ChangesRequested,
                _ => ReviewState::Commented,
            },
            who: it.sender.clone(),
            association: None,
            commit: it.head.clone(),
            submitted_at: it.updated_at,
        });
    }
    Ok(())
}

fn ref_updated(root: &At<'_>) -> Result<Contribution, ForgeError> {
    let update = root.object("refUpdate")?;
    let mut it = Contribution::new(Forge::Gerrit, Kind::Push, project(update.name("project")?, "refUpdate.project")?);
    it.action = Some("ref-updated".to_owned());
    it.target = Some(update.made("refName", branch)?.ok_or_else(|| missing("refUpdate.refName", "a ref"))?);
    moved(&mut it, update.id_or_null("oldRev")?, update.id_or_null("newRev")?)?;
    it.pusher = person(root, "submitter")?;
    it.sender = it.pusher.clone();
    it.updated_at = root.number("eventCreatedOn")?.map(seconds);
    Ok(it)
}

fn moved(it: &mut Contribution, old: Option<ObjectId>, new: Option<ObjectId>) -> Result<(), ForgeError> {
    if old.is_none() && new.is_none() {
        return Err(ForgeError::Contradiction("the old and the new revision are both null ids".to_owned()));
    }
    (it.created, it.deleted) = (old.is_none(), new.is_none());
    (it.base, it.head) = (old, new);
    it.head_repository = Some(it.repository.clone());
    Ok(())
}

fn hashtags(change: &At<'_>, limits: &Limits) -> Result<Vec<String>, ForgeError> {
    let list = change.list("hashtags")?;
    let texts = list.iter().map(At::as_text).collect::<Result<Vec<_>, _>>()?;
    super::fields::labels("change.hashtags", &texts, limits)
}

/// Older events name branches without `refs/heads/`.
fn branch(text: &str) -> Result<RefName, NameError> {
    if text.starts_with("refs/") { RefName::full(text) } else { RefName::branch(text) }
}

fn project(name: Option<RepositoryName>, field: &'static str) -> Result<Repository, ForgeError> {
    let name = name.ok_or_else(|| missing(field, "a project's name"))?;
    Ok(Repository { name: Some(name), id: None, visibility: None, fork: None })
}

fn person(of: &At<'_>, name: &str) -> Result<Option<Account>, ForgeError> {
    let Some(user) = of.object_if(name)? else { return Ok(None) };
    Ok(account(user.name("username")?, None, user.name("email")?, AccountKind::Unknown))
}

fn seconds(number: u64) -> Timestamp {
    Timestamp::from_seconds(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The contribution that the variables of Jenkins' Gerrit Trigger tell of. They know people by e-mail address.
///
/// # Errors
/// The build is about no contribution, or a variable holds what the trigger does not write.
pub fn variables(get: Variables<'_>, limits: &Limits) -> Result<Contribution, ForgeError> {
    let env = Environment::new(get, limits);
    let name = env.needed("GERRIT_EVENT_TYPE")?;
    let kind = match name.as_str() {
        "patchset-created" => Kind::GerritPatchset,
        "comment-added" => Kind::IssueComment,
        "ref-updated" => Kind::Push,
        _ => return Err(not(&name)),
    };
    let mut it = Contribution::new(Forge::Gerrit, kind, project(env.name("GERRIT_PROJECT")?, "GERRIT_PROJECT")?);
    it.action = Some(name);
    let person = |name: &str| -> Result<Option<Account>, ForgeError> {
        let email: Option<AccountName> = env.name(name)?;
        Ok(account(None, None, email, AccountKind::Unknown))
    };
    it.sender = person("GERRIT_EVENT_ACCOUNT_EMAIL")?;
    if kind == Kind::Push {
        let target = env.made("GERRIT_REFNAME", branch)?;
        it.target = Some(target.ok_or_else(|| missing("GERRIT_REFNAME", "set"))?);
        for needed in ["GERRIT_OLDREV", "GERRIT_NEWREV"] {
            env.needed(needed)?;
        }
        moved(&mut it, env.id("GERRIT_OLDREV")?, env.id("GERRIT_NEWREV")?)?;
        it.pusher = person("GERRIT_SUBMITTER_EMAIL")?;
        return Ok(it);
    }
    it.number = Some(env.number("GERRIT_CHANGE_NUMBER")?.ok_or_else(|| missing("GERRIT_CHANGE_NUMBER", "set"))?);
    it.patchset = env.number("GERRIT_PATCHSET_NUMBER")?;
    let target = env.made("GERRIT_BRANCH", branch)?;
    it.target = Some(target.ok_or_else(|| missing("GERRIT_BRANCH", "set"))?);
    let head = env.name("GERRIT_PATCHSET_REVISION")?;
    it.head = Some(head.ok_or_else(|| missing("GERRIT_PATCHSET_REVISION", "set"))?);
    it.head_ref = env.made("GERRIT_REFSPEC", RefName::full)?;
    it.head_repository = Some(it.repository.clone());
    it.title = env.text("GERRIT_CHANGE_SUBJECT")?.map(|text| short(&text, limits.title));
    it.author = person("GERRIT_CHANGE_OWNER_EMAIL")?;
    it.pusher = person("GERRIT_PATCHSET_UPLOADER_EMAIL")?;
    it.draft = match env.text("GERRIT_CHANGE_WIP_STATE")?.as_deref() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    Ok(it)
}
