//! Lists of reviews as the forges' APIs give them: weaker evidence than an approval that a person signed, since whoever
//! runs the forge can write them.

use super::fields::{At, account};
use super::{AccountKind, ForgeError, Limits, Review, ReviewState};

/// The answer to GitHub's `GET /repos/{owner}/{repo}/pulls/{number}/reviews`, in its order: a JSON array, oldest first. It
/// has pages; what is handed in is what counts.
///
/// # Errors
/// It is no such list, or longer than allowed.
pub fn github(bytes: &[u8], limits: &Limits) -> Result<Vec<Review>, ForgeError> {
    let value = crate::json::parse(bytes, limits.bytes, limits.values)
        .map_err(|error| ForgeError::Json(super::fields::short(&error, limits.title)))?;
    if !value.is_array() {
        return Err(ForgeError::Json("it is not a list of reviews".to_owned()));
    }
    let holder = serde_json::json!({ "reviews": value });
    let list = At::root(&holder).list("reviews")?;
    within(list.len(), limits)?;
    list.iter().map(super::github::review).collect()
}

/// The answer to GitLab's `GET /projects/{id}/merge_requests/{iid}/approvals`: who has approved. It does not tell which
/// commit they looked at.
///
/// # Errors
/// It is no such answer, or longer than allowed.
pub fn gitlab(bytes: &[u8], limits: &Limits) -> Result<Vec<Review>, ForgeError> {
    let value = super::fields::parse(bytes, limits)?;
    let root = At::root(&value);
    if root.get("approved_by").is_none() {
        return Err(super::fields::missing("approved_by", "a list"));
    }
    let list = root.list("approved_by")?;
    within(list.len(), limits)?;
    list.iter()
        .map(|approval| {
            let user = approval.object("user")?;
            let name: Option<super::AccountName> = user.name("username")?;
            let kind = name.as_ref().map_or(AccountKind::Unknown, super::gitlab::kind_of);
            Ok(Review {
                id: None,
                state: ReviewState::Approved,
                who: account(name, user.number("id")?, None, kind),
                association: None,
                commit: None,
                submitted_at: approval.time("approved_at")?,
            })
        })
        .collect()
}

fn within(number: usize, limits: &Limits) -> Result<(), ForgeError> {
    match number > limits.reviews {
        true => Err(ForgeError::TooMany { field: "reviews".to_owned(), what: "reviews", limit: limits.reviews }),
        false => Ok(()),
    }
}
