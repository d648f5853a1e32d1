//! Judging a push, ref by ref: access first, then every rule that speaks of the ref.

use std::collections::BTreeSet;

use provost_model::Timestamp;
use provost_policy::{Operation, Person, Policy, ProtectRule, TimeSource};
use provost_repo::{ObjectKind, View, valid_ref_name};

use crate::approval::Seen;
use crate::authors::{contributors, tag_signature};
use crate::bearing::bearing;
use crate::checks::CheckStatement;
use crate::decide::{Answer, Circumstances, Decision, RuleReport, decide, short};
use crate::log::RefChange;
use crate::proposal::Moved;
use crate::{Binding, GateError, Limits, Proposal, Target};

/// One ref of a push, as git tells a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// The ref, in full.
    pub reference: String,
    /// What it holds; `None` for a new one.
    pub old: Option<String>,
    /// What it is to hold; `None` to delete it.
    pub new: Option<String>,
}

/// What is known beside the objects.
pub struct PushFacts<'a> {
    /// Whom the server let in.
    pub pusher: Option<&'a Person>,
    /// The server's time.
    pub now: (Timestamp, TimeSource),
    /// The refs of the repository before the push, with what each holds.
    pub refs: &'a [(String, String)],
    /// Approvals that came in.
    pub approvals: &'a [Seen],
    /// Scans and tests.
    pub checks: &'a [CheckStatement],
    /// When something was first proposed.
    pub first_seen: &'a FirstSeen<'a>,
    /// What the log says of earlier pushes.
    pub history: &'a dyn History,
}

/// When something was first proposed, by the log.
pub type FirstSeen<'a> = dyn Fn(&Binding) -> Result<Option<(Timestamp, TimeSource)>, GateError> + 'a;

/// What the log says of earlier pushes.
pub trait History {
    /// The refs that held this commit at some time.
    ///
    /// # Errors
    /// What is known cannot be read.
    fn refs_of(&self, commit: &str) -> Result<BTreeSet<String>, GateError>;

    /// Who pushed this commit first, or as the tip of a ref.
    ///
    /// # Errors
    /// As [`History::refs_of`].
    fn pushers_of(&self, commit: &str) -> Result<BTreeSet<String>, GateError>;
}

/// No log: everything is new.
impl History for () {
    fn refs_of(&self, _: &str) -> Result<BTreeSet<String>, GateError> {
        Ok(BTreeSet::new())
    }

    fn pushers_of(&self, _: &str) -> Result<BTreeSet<String>, GateError> {
        Ok(BTreeSet::new())
    }
}

/// A ref that is refused, with every rule that stands against it.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The ref.
    pub reference: String,
    /// What may happen instead: wait, be approved, nothing.
    pub answer: Answer,
    /// The rules.
    pub rules: Vec<RuleReport>,
    /// Approvals that do not count, with why.
    pub stale: Vec<crate::decide::StaleApproval>,
    /// What would have to be approved.
    pub binding: Option<Binding>,
}

/// Judges each ref of a push. The first list is what is allowed, the second what is not.
///
/// # Errors
/// An object is missing or malformed, or a limit: nothing of the push is allowed then.
pub fn judge_push(
    policy: &Policy,
    view: &View,
    updates: &[RefUpdate],
    facts: &PushFacts<'_>,
) -> Result<(Vec<RefChange>, Vec<Refusal>), GateError> {
    let Some(repository) = &policy.access.repository else { return Err(GateError::NoRepository) };
    let mut allowed = Vec::new();
    let mut refused = Vec::new();
    let mut named = BTreeSet::new();
    for update in updates {
        let judge = Judge { policy, view, facts, repository: &repository.name, update };
        if !named.insert(&update.reference) {
            refused.push(judge.refuse("push", "the ref is named twice in one push".into(), ""));
            continue;
        }
        match judge.judge()? {
            Ok(change) => allowed.push(change),
            Err(refusal) => refused.push(refusal),
        }
    }
    Ok((allowed, refused))
}

struct Judge<'a> {
    policy: &'a Policy,
    view: &'a View,
    facts: &'a PushFacts<'a>,
    repository: &'a str,
    update: &'a RefUpdate,
}

impl Judge<'_> {
    fn refuse(&self, rule: &str, reason: String, hint: &str) -> Refusal {
        Refusal {
            reference: self.update.reference.clone(),
            answer: Answer::Deny,
            rules: vec![RuleReport::deny(rule, reason, hint)],
            stale: Vec::new(),
            binding: None,
        }
    }

    fn judge(&self) -> Result<Result<RefChange, Refusal>, GateError> {
        let update = self.update;
        let reference = &update.reference;
        if !valid_ref_name(reference) {
            return Ok(Err(self.refuse("ref-name", "git does not allow the name of this ref".into(), "")));
        }
        let Some(operation) = self.operation()? else {
            return Ok(Err(self.refuse("push", "it neither is there nor is to be".into(), "")));
        };
        if let Some(person) = self.facts.pusher.filter(|person| !person.valid_at(self.facts.now.0)) {
            let reason = format!("the access of {} has ended, or has not begun", person.name);
            return Ok(Err(self.refuse(
                "access",
                reason,
                "see `not-before`, `not-after` and `revoked-at` in the policy",
            )));
        }
        if !self.policy.access.permits(self.facts.pusher, operation, reference) {
            let who = self.facts.pusher.map_or("someone whom the server does not know", |person| &person.name);
            let word = operation.name();
            let reason = format!("{who} may not {word} {reference}");
            let hint = match operation {
                Operation::Force => "it is no fast-forward: rebase onto the present tip and push that",
                _ => "no `[[access]]` of the policy allows it; its signers can add one",
            };
            return Ok(Err(self.refuse("access", reason, hint)));
        }
        let rules: Vec<&ProtectRule> = self.policy.access.rules_for(reference).collect();
        if let Some(refusal) = self.moved(operation, &rules) {
            return Ok(Err(refusal));
        }
        let mut change = RefChange {
            reference: reference.clone(),
            from: update.old.clone(),
            to: update.new.clone(),
            tree: None,
            rules: rules.iter().map(|rule| rule.name.clone()).collect(),
            approvals: Vec::new(),
            kept_approvals: false,
            broken_glass: false,
            commits: Vec::new(),
        };
        let Some(new) = &update.new else { return Ok(Ok(change)) };
        let mut extra = Vec::new();
        if reference.starts_with("refs/tags/") {
            extra = self.tag(new, &rules)?;
        }
        let commit = match self.view.peel(new) {
            Ok(commit) => commit,
            Err(_) => {
                let kind = self.view.kind(new)?;
                let reason = format!("{reference} is to hold {}, which leads to no commit ({kind:?})", short(new));
                return Ok(Err(self.refuse("object-kind", reason, "push commits, and tags of commits")));
            }
        };
        if reference.starts_with("refs/heads/") && self.view.kind(new)? != ObjectKind::Commit {
            return Ok(Err(self.refuse("object-kind", "a branch holds a commit, and nothing else".into(), "")));
        }
        let target = Target { repository: self.repository.to_owned(), reference: reference.clone(), step: None };
        let known = self.known(&rules);
        let judged = |id: &str| {
            let held = self.facts.history.refs_of(id)?;
            Ok(held.iter().any(|other| rules.iter().all(|rule| rule.refs.matches(other))))
        };
        let moved = Moved { old: update.old.as_deref(), new: &commit, known: &known, judged: &judged };
        let proposal = Proposal::of_update(self.view, self.policy, target, &moved, self.facts.now.0)?;
        let decision = self.decide(&proposal)?;
        change.tree.clone_from(&proposal.binding.tree);
        change.approvals = decision.approvals();
        change.broken_glass = decision.broken_glass.is_some();
        change.kept_approvals = decision.kept_approvals;
        change.commits = proposal.commits.iter().take(Limits::LOGGED).map(|record| record.commit.id.clone()).collect();
        if decision.answer > Answer::RunSandboxed || !extra.is_empty() {
            let mut against: Vec<RuleReport> = extra;
            against.extend(decision.against().cloned());
            let answer = against.iter().map(|rule| rule.answer).max().unwrap_or(Answer::Deny);
            return Ok(Err(Refusal {
                reference: reference.clone(),
                answer,
                rules: against,
                stale: decision.stale,
                binding: Some(proposal.binding),
            }));
        }
        Ok(Ok(change))
    }

    fn operation(&self) -> Result<Option<Operation>, GateError> {
        Ok(match (&self.update.old, &self.update.new) {
            (None, None) => None,
            (None, Some(_)) => Some(Operation::Create),
            (Some(_), None) => Some(Operation::Delete),
            (Some(old), Some(new)) => {
                // A tag does not move forward: whoever fetched it has another.
                let tag = self.update.reference.starts_with("refs/tags/");
                let commits =
                    !tag && self.view.kind(old)? == ObjectKind::Commit && self.view.kind(new)? == ObjectKind::Commit;
                let forward = commits && self.view.is_ancestor(old, new)?;
                Some(if forward { Operation::Update } else { Operation::Force })
            }
        })
    }

    /// What rules say of the move itself.
    fn moved(&self, operation: Operation, rules: &[&ProtectRule]) -> Option<Refusal> {
        let reference = &self.update.reference;
        // What is delegated rules paths, and not the ref itself.
        for rule in rules.iter().filter(|rule| !rule.delegated) {
            if rule.immutable && operation != Operation::Create {
                let reason = format!("{reference} stays what it is");
                return Some(self.refuse(&rule.name, reason, "make another one under another name"));
            }
            if rule.fast_forward && operation == Operation::Force {
                let reason = format!("{reference} only moves forward, and this drops commits");
                return Some(self.refuse(
                    &rule.name,
                    reason,
                    "rebase onto the present tip, or revert with a new commit",
                ));
            }
            let guarded = rule.fast_forward || rule.deny || rule.approvals > 0;
            if guarded && operation == Operation::Delete {
                let reason = format!("{reference} is protected and cannot be deleted");
                return Some(self.refuse(&rule.name, reason, "its rule has to be taken from the policy first"));
            }
        }
        None
    }

    /// What rules say of a tag.
    fn tag(&self, new: &str, rules: &[&ProtectRule]) -> Result<Vec<RuleReport>, GateError> {
        let mut against = Vec::new();
        let access = &self.policy.access;
        for rule in rules.iter().filter(|rule| rule.signed_tags && !rule.delegated) {
            let refuse = |reason: String| {
                let hint = "make it with `git tag -s` and a key of the policy";
                self.refuse(&rule.name, reason, hint).rules
            };
            if self.view.kind(new)? != ObjectKind::Tag {
                against.extend(refuse("the tag is not annotated, so it cannot be signed".into()));
                continue;
            }
            let tag = self.view.tag(new)?;
            // A signed tag under another name says something that its signer did not.
            let name = self.update.reference.strip_prefix("refs/tags/").unwrap_or_default();
            if tag.name != name {
                against.extend(refuse(format!("the tag calls itself `{}`", tag.name)));
            }
            let signature = tag_signature(self.view, access, &tag.bytes, self.facts.now.0);
            match signature.person().and_then(|person| access.person(person)) {
                None => against.extend(refuse(format!("the tag is {}", signature.describe()))),
                Some(person) if !person.valid_at(self.facts.now.0) => {
                    against.extend(refuse(format!("the key of {} is not valid now", person.name)));
                }
                Some(_) => {}
            }
        }
        Ok(against)
    }

    /// Tips whose history every rule of this ref has judged already.
    fn known(&self, rules: &[&ProtectRule]) -> Vec<String> {
        if self.update.old.is_some() {
            return Vec::new();
        }
        let judged = |other: &str| rules.iter().all(|rule| rule.refs.matches(other));
        let mut tips: Vec<String> = self
            .facts
            .refs
            .iter()
            .filter(|(name, _)| judged(name))
            .filter_map(|(_, id)| self.view.peel(id).ok())
            .collect();
        tips.sort();
        tips.dedup();
        tips
    }

    fn decide(&self, proposal: &Proposal) -> Result<Decision, GateError> {
        let access = &self.policy.access;
        let concerned = proposal.concerned();
        let mut contributors = contributors(access, concerned, self.facts.pusher, self.facts.now.0);
        contributors.add_pushers(access, concerned, self.facts.history)?;
        let approvals = self.approvals(proposal, &contributors)?;
        let circumstances = Circumstances {
            now: self.facts.now,
            past: None,
            first_seen: (self.facts.first_seen)(&proposal.binding)?,
            contributors: &contributors,
            approvals: &approvals,
            checks: self.facts.checks,
            head_tree: proposal.binding.tree.as_deref().unwrap_or_default(),
            pusher: self.facts.pusher.map(|person| person.name.as_str()),
        };
        Ok(decide(self.policy, proposal, &circumstances))
    }

    /// The approvals that could bear on it, each with how it relates to it.
    fn approvals(
        &self,
        proposal: &Proposal,
        contributors: &crate::Contributors,
    ) -> Result<Vec<(Seen, crate::Relation)>, GateError> {
        let access = &self.policy.access;
        let reference = &proposal.binding.target.reference;
        let rules: Vec<&ProtectRule> = access.rules_for(reference).filter(|rule| rule.approvals > 0).collect();
        let could_count = |seen: &Seen| {
            let Some(person) = access.person(&seen.person) else { return false };
            let eligible = |rule: &&ProtectRule| rule.by.is_empty() || rule.by.iter().any(|who| person.is(who));
            !contributors.excluded.contains_key(&person.name) && !person.bot && rules.iter().any(eligible)
        };
        let keeps = rules.iter().any(|rule| !rule.keep.is_empty());
        let all: Vec<&Seen> = self.facts.approvals.iter().collect();
        let found = bearing(self.view, proposal, &all, keeps, &could_count)?;
        Ok(found.into_iter().map(|(seen, relation)| (seen.clone(), relation)).collect())
    }
}
