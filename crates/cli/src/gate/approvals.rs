//! Approvals from wherever they are: the log, files, the inbox refs of the clone, reviews that the forge tells of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use provost_attest::Envelope;
use provost_formats::forge::{Forge, Limits as ForgeLimits, Review, ReviewState};
use provost_gate::{Binding, Ledger, Limits, Receipt, ReceiptKind, Relation, Seen, bearing, verify_approval};
use provost_model::{Digest, Timestamp};
use provost_repo::Merge;

use super::case::Case;

/// An approval's file is at most this long, in bytes.
const ENVELOPE: u64 = 1 << 20;
/// Where signed statements are left for the server: `refs/provost/inbox/<SHA-256 of the file>`.
pub(crate) const INBOX: &str = "refs/provost/inbox/";

/// An approval that is known, and from where.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) seen: Seen,
    pub(crate) relation: Relation,
    pub(crate) from: String,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Approvals {
    pub(crate) list: Vec<Known>,
    /// Receipts that would give those a time that have none yet.
    pub(crate) unlogged: Vec<ReceiptKind>,
    /// What could not be taken, and why.
    pub(crate) refused: Vec<String>,
}

/// Where to look beside the log.
#[derive(Debug, Default)]
pub(crate) struct Places<'a> {
    /// Files and directories.
    pub(crate) paths: &'a [PathBuf],
    /// A list of reviews as the forge's API gives it.
    pub(crate) reviews: Option<&'a Path>,
}

impl Approvals {
    /// Gathers what is known. The first place that has an approval counts, and the log is the first.
    ///
    /// # Errors
    /// A place that was named cannot be read, or holds more than is considered.
    pub(crate) fn gather(case: &Case, ledger: &Ledger, places: &Places<'_>, now: Timestamp) -> Result<Self> {
        let mut found = Self::default();
        let mut have: BTreeSet<(Digest, String)> = BTreeSet::new();
        let access = &case.policy().access;
        let mut seen: Vec<(Seen, String)> =
            ledger.approvals.iter().map(|seen| (seen.clone(), "the log".to_owned())).collect();
        have.extend(ledger.approvals.iter().map(|seen| (seen.envelope, seen.person.clone())));
        for (text, from) in files(places.paths)?.into_iter().chain(inbox(case)?) {
            let verified = Envelope::parse(&text).map_err(anyhow::Error::from);
            match verified.and_then(|envelope| Ok(verify_approval(access, &envelope)?)) {
                Ok(one) => {
                    if have.insert((one.envelope, one.person.clone())) {
                        let envelope = String::from_utf8(text).unwrap_or_default();
                        found.unlogged.push(ReceiptKind::Envelope { envelope });
                        seen.push((one, from));
                    }
                }
                Err(error) => found.refused.push(format!("{from}: {error:#}")),
            }
        }
        for (account, of, state, at) in reviews(case, places.reviews, &mut found.refused)? {
            if let Some(one) = Seen::review(access, &account, of.clone(), &state, at.unwrap_or(now))
                && have.insert((one.envelope, one.person.clone()))
            {
                found.unlogged.push(ReceiptKind::Review { account, of, state });
                seen.push((one, "the forge".to_owned()));
            }
        }
        let all: Vec<&Seen> = seen.iter().map(|(one, _)| one).collect();
        let bears = bearing(&case.clone.view, &case.proposal, &all, true, &|_| true)
            .map_err(|error| case.clone.explain(error.into()))?;
        let from: BTreeMap<(Digest, &str), &str> =
            seen.iter().map(|(one, from)| ((one.envelope, one.person.as_str()), from.as_str())).collect();
        // As they came in.
        for (seen, relation) in bears.into_iter().rev() {
            let from = from.get(&(seen.envelope, seen.person.as_str())).copied().unwrap_or_default().to_owned();
            found.list.push(Known { seen: seen.clone(), relation, from });
        }
        Ok(found)
    }

    /// As the decision wants them.
    pub(crate) fn pairs(&self) -> Vec<(Seen, Relation)> {
        self.list.iter().map(|known| (known.seen.clone(), known.relation.clone())).collect()
    }

    /// Receipts for those that have none.
    pub(crate) fn receipts(&self, now: Timestamp) -> Vec<Receipt> {
        self.unlogged.iter().map(|of| Receipt { of: of.clone(), received_on: now, from: None }).collect()
    }
}

/// The approvals of files and directories: of a directory, every `.json` in it.
pub(crate) fn files(paths: &[PathBuf]) -> Result<Vec<(Vec<u8>, String)>> {
    let mut list = Vec::new();
    for path in paths {
        if !path.is_dir() {
            list.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        inside.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        inside.sort();
        list.extend(inside);
    }
    if list.len() > Limits::APPROVALS {
        bail!("more than {} files with approvals", Limits::APPROVALS);
    }
    list.into_iter().map(|path| Ok((crate::input::read(&path, ENVELOPE)?, path.display().to_string()))).collect()
}

/// What came in through the inbox of this clone, or of the server that this is.
fn inbox(case: &Case) -> Result<Vec<(Vec<u8>, String)>> {
    let view = &case.clone.view;
    let mut found = Vec::new();
    let refs: Vec<(String, String)> = view.refs()?.into_iter().filter(|(name, _)| name.starts_with(INBOX)).collect();
    // Some of them alone could leave out the one that says no.
    if refs.len() > Limits::APPROVALS {
        bail!("more than {} refs in {INBOX}: take away those that are logged", Limits::APPROVALS);
    }
    for (name, id) in refs {
        // Whatever else lies there is no approval.
        if let Ok(bytes) = view.read(&id, ENVELOPE) {
            found.push((bytes, name));
        }
    }
    Ok(found)
}

type Told = (String, Binding, String, Option<Timestamp>);

/// What the forge says of reviews: the last word of each account. The event's own count, and those of a file.
fn reviews(case: &Case, file: Option<&Path>, refused: &mut Vec<String>) -> Result<Vec<Told>> {
    let mut list: Vec<Review> = case.contribution.as_ref().map(|event| event.reviews.clone()).unwrap_or_default();
    let mut forge = case.contribution.as_ref().map(|event| event.forge);
    if let Some(path) = file {
        let limits = ForgeLimits::default();
        let bytes = crate::input::read(path, limits.bytes as u64)?;
        // GitHub answers with a list, GitLab with an object.
        let github = bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[');
        let read = if github {
            provost_formats::forge::github_reviews(&bytes, &limits)
        } else {
            provost_formats::forge::gitlab_approvals(&bytes, &limits)
        };
        list.extend(read.with_context(|| path.display().to_string())?);
        forge = Some(if github { Forge::GitHub } else { Forge::GitLab });
    }
    let Some(forge) = forge else { return Ok(Vec::new()) };
    let mut last: BTreeMap<String, &Review> = BTreeMap::new();
    for review in &list {
        let Some(account) = review.who.as_ref().and_then(|who| who.qualified(forge)) else { continue };
        // A comment after an approval takes nothing back.
        if !matches!(review.state, ReviewState::Commented | ReviewState::Pending) {
            last.insert(account, review);
        }
    }
    let mut told = Vec::new();
    for (account, review) in last {
        let state = match review.state {
            ReviewState::Approved => "approved",
            ReviewState::ChangesRequested => "changes_requested",
            _ => continue,
        };
        match binding_of(case, review)? {
            Some(of) => told.push((account, of, state.to_owned(), review.submitted_at)),
            None => refused.push(format!("the review of {account}: the forge does not tell which commit it is of")),
        }
    }
    Ok(told)
}

/// What a review is of, as far as the forge tells: a commit. Base and policy are the present ones.
fn binding_of(case: &Case, review: &Review) -> Result<Option<Binding>> {
    let now = &case.proposal.binding;
    let Some(commit) = &review.commit else { return Ok(None) };
    let head = commit.as_str().to_owned();
    if head == now.head {
        return Ok(Some(now.clone()));
    }
    let view = &case.clone.view;
    let tree = match &now.base {
        Some(base) if view.contains(&head) => match view.merge(base, &head) {
            Ok(Merge::Tree(tree)) => Some(tree),
            _ => None,
        },
        _ => None,
    };
    Ok(Some(Binding { head, tree, ..now.clone() }))
}
