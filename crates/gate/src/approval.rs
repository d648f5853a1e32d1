//! Approvals: signed statements over base, head, resulting tree and policy. An approval is of that and of nothing else; what
//! else it survives is the policy's to say, in the words of Gerrit's copy conditions.

use std::collections::BTreeMap;

use provost_attest::{Envelope, Statement, verify_with_ssh};
use provost_keys::{PublicKey, ssh::SshPublicKey};
use provost_model::{Digest, Timestamp};
use provost_policy::{Access, Keep, Person, PersonKey, TimeSource, Who};
use provost_repo::{Merge, View};
use serde::{Deserialize, Serialize};

use crate::{Binding, Contributors, GateError, Limits, Proposal, Via, predicate_of};

/// The predicate type of approvals.
pub const APPROVAL: &str = "urn:provost:predicate:approval:v0.1";
/// The namespace of SSH signatures over approvals.
pub const APPROVAL_NAMESPACE: &str = "provost-approval";
/// The namespace of SSH signatures over commits and tags (git, `gpg-interface.c`: `git`).
pub(crate) const GIT_NAMESPACE: &str = "git";

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalDecision {
    /// It may go on.
    Approve,
    /// It may not; counts until it is withdrawn.
    Reject,
    /// An earlier decision of the same person counts no more.
    Withdraw,
    /// In an emergency: around the rules, with enough others who say so too.
    BreakGlass,
}

/// The predicate of an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The decision.
    pub decision: ApprovalDecision,
    /// What it is of.
    pub of: Binding,
    /// The common ancestor, for those who want to see what was reviewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_base: Option<String>,
    /// The envelope that is withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdraws: Option<Digest>,
    /// By the approver's own clock.
    pub signed_on: Timestamp,
    /// Until when it counts, by the approver's wish. Needed to break the glass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// A comment, or the reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

impl Approval {
    /// The statement; its subject is what is approved.
    ///
    /// # Errors
    /// The comment is too long.
    pub fn statement(&self) -> Result<Statement, GateError> {
        if self.comment.len() > Limits::COMMENT {
            return Err(GateError::TooMany { what: "bytes of the comment", limit: Limits::COMMENT });
        }
        let subject = subject_of(&self.of);
        Statement::new(vec![subject], APPROVAL, self).map_err(|e| GateError::malformed("the approval", e))
    }

    fn parse(statement: &Statement) -> Result<Self, GateError> {
        let wrong = |why: String| GateError::malformed("the approval", why);
        let approval: Self = predicate_of(statement, APPROVAL, "the approval")?;
        let digest = approval.of.digest();
        if statement.subject.len() != 1 || statement.subject.first().and_then(|s| s.sha256()) != Some(digest) {
            return Err(wrong("its subject is not what its predicate says".into()));
        }
        if approval.comment.len() > Limits::COMMENT {
            return Err(wrong(format!("its comment has more than {} bytes", Limits::COMMENT)));
        }
        Ok(approval)
    }
}

/// The subject of statements about a proposal.
pub(crate) fn subject_of(binding: &Binding) -> provost_attest::ResourceDescriptor {
    let mut subject = provost_attest::ResourceDescriptor::named(binding.target.reference.clone(), binding.digest());
    subject.digest.insert("gitCommit".into(), binding.head.clone());
    if let Some(tree) = &binding.tree {
        subject.digest.insert("gitTree".into(), tree.clone());
    }
    subject
}

/// An approval whose signature is a person's, with when it was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The approval.
    pub approval: Approval,
    /// SHA-256 of what was signed, so that nothing unsigned makes another approval of it. Persons who sign the same bytes share it.
    pub envelope: Digest,
    /// Who signed it.
    pub person: String,
    /// The key's fingerprint, or the forge's account.
    pub key: String,
    /// When it was first there, and on whose word.
    pub received: Option<(Timestamp, TimeSource)>,
    /// A review on the forge, and no signature of the person's own.
    pub review: bool,
}

impl Seen {
    /// A review on the forge as an approval or a rejection of the person whose account gave it; `None` for reviews that
    /// decide nothing, and for accounts of nobody whom the policy names. Whether it counts is the policy's to say.
    pub fn review(access: &Access, account: &str, of: Binding, state: &str, at: Timestamp) -> Option<Self> {
        let person = access.by_account(account)?;
        let decision = match state.to_lowercase().as_str() {
            "approved" => ApprovalDecision::Approve,
            "changes_requested" => ApprovalDecision::Reject,
            _ => return None,
        };
        let text = format!("review\n{account}\n{state}\n{}", of.digest());
        let approval = Approval {
            decision,
            of,
            merge_base: None,
            withdraws: None,
            signed_on: at,
            expires: None,
            comment: String::new(),
        };
        Some(Self {
            approval,
            envelope: provost_model::sha256(text.as_bytes()),
            person: person.name.clone(),
            key: account.to_owned(),
            received: None,
            review: true,
        })
    }
}

/// Verifies an approval's envelope: exactly one person of the policy signed it.
///
/// # Errors
/// Nobody whom the policy names signed it, or it is no approval.
pub fn verify_approval(access: &Access, envelope: &Envelope) -> Result<Seen, GateError> {
    let wrong = |why: String| GateError::malformed("the approval", why);
    let mut plain: Vec<PublicKey> = Vec::new();
    let mut ssh: Vec<SshPublicKey> = Vec::new();
    for key in access.persons.iter().flat_map(|person| &person.keys) {
        match key {
            PersonKey::Plain(key) => plain.push(key.clone()),
            PersonKey::Ssh(key) => ssh.push(key.clone()),
            PersonKey::OpenPgp(_) => {}
        }
    }
    let verified = verify_with_ssh(envelope, &plain, &ssh, APPROVAL_NAMESPACE).map_err(|e| wrong(e.to_string()))?;
    let approval = Approval::parse(verified.value())?;
    let mut persons: BTreeMap<&str, (&Person, String)> = BTreeMap::new();
    for person in &access.persons {
        for key in &person.keys {
            let id = match key {
                PersonKey::Plain(key) => key.id(),
                PersonKey::Ssh(key) => key.id(),
                PersonKey::OpenPgp(_) => continue,
            };
            if verified.signers().contains_key(&id) {
                persons.insert(&person.name, (person, key.fingerprint()));
            }
        }
    }
    let mut persons = persons.into_values();
    match (persons.next(), persons.next()) {
        (Some((person, key)), None) => Ok(Seen {
            approval,
            envelope: provost_model::sha256(&envelope.signed_bytes()),
            person: person.name.clone(),
            key,
            received: None,
            review: false,
        }),
        _ => Err(wrong("it bears the signatures of more than one person; each signs one of their own".into())),
    }
}

/// How an approval relates to what is proposed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// It is of exactly this.
    Exact,
    /// It is of another state, and what lies between is of these kinds.
    Kept(Vec<KeptBy>),
    /// It is of something else.
    Other(String),
}

/// What lies between an approved state and the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeptBy {
    /// The same base and the same resulting tree: squashed, rebased in place, or messages changed.
    SameTree,
    /// A condition of the policy.
    Condition(Keep),
}

/// Finds out how an approval relates to a proposal. The resulting tree decides: what was approved for one tree is not
/// approved for another, unless the difference is nothing but another base.
///
/// # Errors
/// The repository cannot be read.
pub fn relate(view: &View, approved: &Approval, proposal: &Proposal) -> Result<Relation, GateError> {
    match related_at_hand(approved, proposal) {
        Some(relation) => Ok(relation),
        None => related_by_merge(view, approved, proposal),
    }
}

/// As [`relate`], as far as the two bindings alone tell.
pub(crate) fn related_at_hand(approved: &Approval, proposal: &Proposal) -> Option<Relation> {
    let (then, now) = (&approved.of, &proposal.binding);
    let other = |why: &str| Some(Relation::Other(why.to_owned()));
    if then.target != now.target {
        return other("it is of another repository, ref or step");
    }
    if then.policy != now.policy {
        return other("it was given under another policy");
    }
    let (Some(old_tree), Some(new_tree)) = (&then.tree, &now.tree) else {
        return other("there is no tree without conflicts that it could be of");
    };
    if then.base == now.base {
        if old_tree != new_tree {
            return other("the content has changed since");
        }
        return Some(if then.head == now.head {
            Relation::Exact
        } else {
            Relation::Kept(vec![KeptBy::SameTree, KeptBy::Condition(Keep::NoCodeChange)])
        });
    }
    if then.base.is_none() || now.base.is_none() {
        return other("the target has changed since");
    }
    None
}

/// Another base. The approved change, put onto it without a conflict, has to give exactly the present tree.
fn related_by_merge(view: &View, approved: &Approval, proposal: &Proposal) -> Result<Relation, GateError> {
    let (then, now) = (&approved.of, &proposal.binding);
    let other = |why: &str| Ok(Relation::Other(why.to_owned()));
    let (Some(old_base), Some(new_base)) = (&then.base, &now.base) else {
        return other("the target has changed since");
    };
    let (Some(old_tree), Some(new_tree)) = (&then.tree, &now.tree) else {
        return other("there is no tree without conflicts that it could be of");
    };
    for id in [old_base, new_base, &then.head] {
        if !view.contains(id) {
            return other("what it was given for is no longer there to compare with");
        }
    }
    if !view.contains(old_tree) {
        // The tree of a merge that was never made: make it again, and only the same one counts.
        match view.merge(old_base, &then.head)? {
            Merge::Tree(tree) if tree == *old_tree => {}
            _ => return other("what it was given for is no longer there to compare with"),
        }
    }
    if !view.is_ancestor(old_base, new_base)? {
        return other("the target was moved back since");
    }
    match view.merge_trees(old_base, new_base, old_tree)? {
        Merge::Tree(tree) if tree == *new_tree => {}
        Merge::Tree(_) => return other("the content has changed since, beyond what the new base brought"),
        Merge::Conflict => return other("on the new base it does not go without conflicts"),
    }
    let mut kept = vec![KeptBy::Condition(Keep::TrivialRebase)];
    if then.head == now.head || only_merges_of_base(view, &then.head, proposal)? {
        kept.push(KeptBy::Condition(Keep::MergeFirstParentUpdate));
    }
    Ok(Relation::Kept(kept))
}

/// Whether the proposal is the approved head with nothing but merges of the target on top.
fn only_merges_of_base(view: &View, approved_head: &str, proposal: &Proposal) -> Result<bool, GateError> {
    let Some(base) = &proposal.binding.base else { return Ok(false) };
    if !view.is_ancestor(approved_head, &proposal.binding.head)? {
        return Ok(false);
    }
    let hidden = [approved_head.to_owned(), base.clone()];
    let new = view.new_commits(std::slice::from_ref(&proposal.binding.head), &hidden)?;
    for id in new {
        if view.commit(&id)?.parents.len() < 2 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether an approval counts for a rule, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub person: String,
    /// Digest of the envelope.
    pub envelope: Digest,
    /// `None` where it counts.
    pub why_not: Option<String>,
    /// Why it still counts, where it is of an earlier state.
    pub kept: Option<KeptBy>,
    /// When it was there.
    pub received: Option<(Timestamp, TimeSource)>,
}

/// What an approval is worth for a rule.
pub fn standing(
    access: &Access,
    seen: &Seen,
    relation: &Relation,
    contributors: &Contributors,
    by: &[Who],
    keep: &std::collections::BTreeSet<Keep>,
    now: Timestamp,
) -> Standing {
    let mut kept = None;
    let why_not = (|| {
        let Some(person) = access.person(&seen.person) else { return Some("the policy does not name them".into()) };
        if let Some(via) = contributors.excluded.get(&person.name) {
            return Some(self_approval(*via));
        }
        if person.bot {
            return Some("it is a program's".into());
        }
        if seen.review && !access.gate.count_reviews {
            return Some("it is a review on the forge, and the policy counts signatures only".into());
        }
        // When they say that they signed it is no proof: with an old key anyone could say so.
        let at = seen.received.map_or(now, |(at, _)| at);
        if !person.valid_at(at) {
            return Some("their keys were not valid when it came in".into());
        }
        if seen.approval.expires.is_some_and(|end| now >= end) {
            return Some("it has expired".into());
        }
        match relation {
            Relation::Exact => {}
            Relation::Other(why) => return Some(why.clone()),
            Relation::Kept(kinds) => {
                kept = kinds.iter().copied().find(|kind| match kind {
                    KeptBy::SameTree => true,
                    KeptBy::Condition(condition) => keep.contains(condition),
                });
                if kept.is_none() {
                    let names: Vec<&str> = kinds.iter().map(|k| k.name()).collect();
                    return Some(format!(
                        "it is of an earlier state ({}), and the rule keeps none of those",
                        names.join(", ")
                    ));
                }
            }
        }
        if !by.is_empty() && !by.iter().any(|who| person.is(who)) {
            return Some("their approval does not count for this rule".into());
        }
        None
    })();
    Standing { person: seen.person.clone(), envelope: seen.envelope, why_not, kept, received: seen.received }
}

fn self_approval(via: Via) -> String {
    let word = via.name();
    format!("they are part of the change themselves ({word}): nobody approves their own")
}

impl KeptBy {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::SameTree => "the same tree on the same base",
            Self::Condition(condition) => condition.name(),
        }
    }
}
