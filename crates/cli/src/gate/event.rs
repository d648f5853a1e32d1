//! What the forge says of the change, from the event that a CI system hands over. It says which change is meant; what the
//! change is, git says.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use provost_formats::forge::{self, Account, AccountKind, Association, Contribution, Kind, Limits};
use provost_policy::AuthorClass;

/// Reads an event: a file of a named kind, or what the variables of this process tell.
///
/// # Errors
/// The event cannot be read, or is about something else.
pub(crate) fn find(file: Option<&Path>, name: Option<&str>) -> Result<Option<Contribution>> {
    let limits = Limits::default();
    let read = |path: &Path| crate::input::read(path, limits.bytes as u64);
    if let Some(path) = file {
        let bytes = read(path)?;
        return event(name, &bytes, &limits).with_context(|| path.display().to_string()).map(Some);
    }
    let get = |name: &str| std::env::var(name).ok();
    let payload = |path: &str| read(Path::new(path)).map_err(|error| format!("{error:#}"));
    forge::from_variables(&get, &payload, &limits).context("the event of this CI run")
}

fn event(name: Option<&str>, bytes: &[u8], limits: &Limits) -> Result<Contribution> {
    Ok(match name {
        Some("neutral") => forge::neutral_event(bytes, limits)?,
        Some("gitlab") => forge::gitlab_event(bytes, limits)?,
        Some("gerrit") => forge::gerrit_event(bytes, limits)?,
        Some(name) => forge::github_event(name, bytes, limits)?,
        None => {
            let value: serde_json::Value = serde_json::from_slice(bytes).context("the event is no JSON")?;
            let has = |key: &str| value.get(key).is_some();
            if has("version") && has("forge") {
                forge::neutral_event(bytes, limits)?
            } else if has("object_kind") || has("event_name") {
                forge::gitlab_event(bytes, limits)?
            } else if has("eventCreatedOn") {
                forge::gerrit_event(bytes, limits)?
            } else {
                bail!(
                    "GitHub's events do not say what they are: give --event-name (pull_request, push, …), or neutral, gitlab, gerrit"
                )
            }
        }
    })
}

/// Accounts that had a hand in the change, by the forge's word, each with the class that its word gives.
pub(crate) fn hands(contribution: &Contribution) -> Vec<(String, AuthorClass)> {
    let mut found = Vec::new();
    let mut add = |account: &Option<Account>, association: Option<Association>| {
        let Some(account) = account else { return };
        let name = account.qualified(contribution.forge).or_else(|| {
            let email = account.email.as_ref()?;
            Some(format!("{}:{email}", contribution.forge.to_string().to_lowercase()))
        });
        // One that is told by number alone is somebody, and nobody whom the policy can name.
        let name =
            name.or_else(|| account.id.map(|id| format!("{}:#{id}", contribution.forge.to_string().to_lowercase())));
        if let Some(name) = name {
            found.push((name, class(account, association, contribution)));
        }
    };
    add(&contribution.author, contribution.association);
    add(&contribution.pusher, None);
    // Whoever caused the event had a hand in the change only where the event is that the change was made.
    let made = matches!(contribution.kind, Kind::Push)
        || matches!(
            contribution.action.as_deref(),
            Some("opened" | "reopened" | "synchronize" | "edited" | "open" | "update" | "patchset-created")
        );
    let same = contribution.sender == contribution.author || contribution.sender == contribution.pusher;
    if made && !same {
        add(&contribution.sender, contribution.sender_association);
    }
    found
}

fn class(account: &Account, association: Option<Association>, contribution: &Contribution) -> AuthorClass {
    if matches!(account.kind, AccountKind::Bot | AccountKind::App) {
        return AuthorClass::Bot;
    }
    match association {
        Some(Association::Owner | Association::Member | Association::Collaborator | Association::Contributor) => {
            AuthorClass::Contributor
        }
        Some(Association::FirstTimeContributor | Association::FirstTimer) => AuthorClass::FirstTimer,
        Some(Association::Mannequin | Association::None) => AuthorClass::Outsider,
        // Whoever pushed to the repository itself may write there.
        None if contribution.from_same_repository() == Some(true) || contribution.kind == Kind::Push => {
            AuthorClass::Contributor
        }
        None => AuthorClass::Outsider,
    }
}
