//! What is proposed, as git tells it.

use std::collections::BTreeMap;

use provost_model::{Digest, Timestamp, sha256};
use provost_policy::{Access, Policy};
use provost_repo::{Merge, View};
use serde::{Deserialize, Serialize};

use crate::authors::{CommitRecord, records};
use crate::kinds::{ChangeRecord, classify};
use crate::{GateError, Limits};

/// Where a change is to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Name of the repository, by the policy.
    pub repository: String,
    /// The ref, in full.
    pub reference: String,
    /// The critical step, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// What an approval or a verdict is bound to: another base, head, tree, target or policy is another thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Where it goes.
    #[serde(flatten)]
    pub target: Target,
    /// The commit that the target is at; `None` for a new ref.
    pub base: Option<String>,
    /// The commit that is proposed.
    pub head: String,
    /// The tree that results; `None` where a merge would not go without conflicts.
    pub tree: Option<String>,
    /// SHA-256 of the policy's bytes.
    pub policy: Digest,
}

impl Binding {
    /// SHA-256 over all of it, each part with its length.
    pub fn digest(&self) -> Digest {
        let mut text = String::from("provost proposal v1\n");
        let parts = [
            &self.target.repository,
            &self.target.reference,
            self.target.step.as_deref().unwrap_or_default(),
            self.base.as_deref().unwrap_or_default(),
            &self.head,
            self.tree.as_deref().unwrap_or_default(),
            &self.policy.to_hex(),
        ];
        for part in parts {
            text.push_str(&format!("{}:{part}\n", part.len()));
        }
        sha256(text.as_bytes())
    }
}

/// A change that somebody wants to make.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// What approvals and verdicts are bound to.
    pub binding: Binding,
    /// The best common ancestor of base and head.
    pub merge_base: Option<String>,
    /// The commits that the target does not have, newest first.
    pub commits: Vec<CommitRecord>,
    /// Of a new ref: the commits since the tree that was judged last, where these are others. Rules have judged some of them,
    /// and their authors have a hand in what is proposed all the same.
    pub since_judged: Option<Vec<CommitRecord>>,
    /// Paths in which the resulting tree differs from the target's.
    pub changes: Vec<ChangeRecord>,
    /// A merge is needed and would not go without conflicts.
    pub conflict: bool,
}

impl Proposal {
    /// Reads a proposal: `head` is to be merged into `base`, or is what a ref is to become where it contains the base. Certificates are judged as of `at`.
    ///
    /// # Errors
    /// An object is missing or malformed, or a limit.
    pub fn read(
        view: &View,
        policy: &Policy,
        target: Target,
        base: Option<&str>,
        head: &str,
        at: Timestamp,
    ) -> Result<Self, GateError> {
        let head = view.peel(head)?;
        let base = base.map(|base| view.peel(base)).transpose()?;
        let merge_base = match &base {
            Some(base) => view.merge_base(base, &head)?,
            None => None,
        };
        let (tree, conflict) = match &base {
            Some(base) if merge_base.as_ref() != Some(base) => match &merge_base {
                // Nothing in common: a merge would put two projects together. That is for people.
                None => (None, true),
                Some(_) => match view.merge(base, &head)? {
                    Merge::Tree(tree) => (Some(tree), false),
                    Merge::Conflict => (None, true),
                },
            },
            _ => (Some(view.tree_of(&head)?), false),
        };
        let hidden: Vec<String> = base.iter().cloned().collect();
        let ids = view.new_commits(std::slice::from_ref(&head), &hidden)?;
        let commits = records(view, &policy.access, &ids, at)?;
        // Without a merge, what the proposal changes is what it changes since they parted.
        let (old, new) = match &tree {
            Some(tree) => (base.clone(), tree.clone()),
            None => (merge_base.clone(), head.clone()),
        };
        let changes = classify(view, &policy.access, &view.changes(old.as_deref(), &new)?)?;
        Ok(Self {
            binding: Binding { target, base, head, tree, policy: policy.digest },
            merge_base,
            commits,
            since_judged: None,
            changes,
            conflict,
        })
    }

    /// Reads what a push makes of a ref: no merge is to come, the resulting tree is that of the new commit.
    ///
    /// # Errors
    /// An object is missing or malformed, or a limit.
    pub fn of_update(
        view: &View,
        policy: &Policy,
        target: Target,
        update: &Moved<'_>,
        at: Timestamp,
    ) -> Result<Self, GateError> {
        let head = view.peel(update.new)?;
        let base = update.old.map(|old| view.peel(old)).transpose()?;
        let hidden: Vec<String> = match &base {
            Some(base) => vec![base.clone()],
            None => update.known.to_vec(),
        };
        let ids = view.new_commits(std::slice::from_ref(&head), &hidden)?;
        let commits = records(view, &policy.access, &ids, at)?;
        let parted = match &base {
            Some(base) => Some(base.clone()),
            None => parted_from(view, &head, update.judged)?,
        };
        let tree = view.tree_of(&head)?;
        let changes = classify(view, &policy.access, &view.changes(parted.as_deref(), &tree)?)?;
        let since_judged = match &base {
            Some(_) => None,
            None => {
                let hidden: Vec<String> = parted.iter().cloned().collect();
                let since = view.new_commits(std::slice::from_ref(&head), &hidden)?;
                if since == ids { None } else { Some(completed(view, &policy.access, &commits, since, at)?) }
            }
        };
        let merge_base = parted.filter(|_| base.is_none());
        let binding = Binding { target, base, head, tree: Some(tree), policy: policy.digest };
        Ok(Self { binding, merge_base, commits, since_judged, changes, conflict: false })
    }

    /// The commits whose authors have a hand in it.
    pub fn concerned(&self) -> &[CommitRecord] {
        self.since_judged.as_deref().unwrap_or(&self.commits)
    }

    /// The first few paths for which something holds, for people.
    pub(crate) fn named(&self, holds: impl Fn(&ChangeRecord) -> bool) -> Vec<String> {
        self.changes.iter().filter(|c| holds(c)).take(Limits::NAMED_PATHS).map(|c| c.change.name()).collect()
    }
}

/// What a push does to one ref.
pub struct Moved<'a> {
    /// What it holds; `None` for a new one.
    pub old: Option<&'a str>,
    /// What it is to hold.
    pub new: &'a str,
    /// Tips whose commits were judged by the same rules at least, for a new ref.
    pub known: &'a [String],
    /// Whether a commit was once the tip of a ref that the same rules judge: then its tree was judged, and only then. That a
    /// commit is reached from such a tip says nothing of its tree.
    pub judged: &'a dyn Fn(&str) -> Result<bool, GateError>,
}

/// The records of `ids`: those at hand, and the others verified now.
fn completed(
    view: &View,
    access: &Access,
    at_hand: &[CommitRecord],
    ids: Vec<String>,
    at: Timestamp,
) -> Result<Vec<CommitRecord>, GateError> {
    let at_hand: BTreeMap<&str, &CommitRecord> = at_hand.iter().map(|r| (r.commit.id.as_str(), r)).collect();
    let (known, others): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| at_hand.contains_key(id.as_str()));
    let mut found = records(view, access, &others, at)?;
    found.extend(known.iter().filter_map(|id| at_hand.get(id.as_str())).map(|record| (*record).clone()));
    Ok(found)
}

/// The newest commit along first parents whose tree was judged by the rules of a new ref. `None`: all of it is to be judged.
fn parted_from(
    view: &View,
    head: &str,
    judged: &dyn Fn(&str) -> Result<bool, GateError>,
) -> Result<Option<String>, GateError> {
    let mut at = head.to_owned();
    for _ in 0..provost_repo::Limits::COMMITS {
        if judged(&at)? {
            return Ok(Some(at));
        }
        match view.commit(&at)?.parents.first() {
            Some(parent) => at = parent.clone(),
            None => return Ok(None),
        }
    }
    Ok(None)
}
