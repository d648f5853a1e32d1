//! One case before the gate: which change, into what, by which policy.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use provost_formats::forge::{Contribution, Kind};
use provost_gate::{Answer, Contributors, Decision, Proposal, RuleReport, Target, contributors, records};
use provost_model::Timestamp;
use provost_policy::Policy;

use super::clone::Clone;
use super::{dependencies, event};
use crate::config::Config;
use crate::home::{CONFIG_FILE, Home, Project};
use crate::judge::{Anchors, TrustedPolicy};

/// What the command line says of the case.
#[derive(Debug, Default)]
pub(crate) struct Wish<'a> {
    pub(crate) directory: PathBuf,
    /// A signed policy file.
    pub(crate) policy: Option<&'a Path>,
    /// Keys that are trusted to sign policies, instead of the user's.
    pub(crate) policy_keys: &'a [PathBuf],
    pub(crate) onto: Option<&'a str>,
    pub(crate) base: Option<&'a str>,
    pub(crate) head: Option<&'a str>,
    pub(crate) step: Option<&'a str>,
    pub(crate) repository: Option<&'a str>,
    pub(crate) remote: Option<&'a str>,
    /// Accounts that made the change, as `github:ada`, where no event tells.
    pub(crate) accounts: &'a [String],
    pub(crate) contribution: Option<Contribution>,
}

/// The case.
pub(crate) struct Case {
    pub(crate) clone: Clone,
    pub(crate) trusted: TrustedPolicy,
    /// Where the policy was found.
    pub(crate) policy_from: String,
    pub(crate) proposal: Proposal,
    pub(crate) contributors: Contributors,
    /// Where the base was found.
    pub(crate) base_from: String,
    /// The tree of the proposed commit itself.
    pub(crate) head_tree: String,
    pub(crate) contribution: Option<Contribution>,
    /// The configuration that lies beside the policy, and not that of the proposal; `None` where there is none.
    pub(crate) project: Option<Project>,
    /// Why that configuration may not say which store and keys are used.
    pub(crate) not_accepted: Option<String>,
    /// Of a critical step: whether its commit is on the ref that it is for.
    pub(crate) on_target: bool,
    /// Why the policy that it brings could not take the place of the present one.
    pub(crate) no_successor: Option<String>,
    /// What people should know.
    pub(crate) notes: Vec<String>,
}

impl Case {
    /// Finds everything out.
    ///
    /// # Errors
    /// Something that the decision depends on is not there: no decision then.
    pub(crate) fn open(home: &Home, wish: Wish<'_>, now: Timestamp) -> Result<Self> {
        let clone = Clone::open(&wish.directory)?;
        let event = wish.contribution.as_ref();
        let mut notes = Vec::new();
        let reference = match (wish.onto, event.and_then(|event| event.target.as_ref())) {
            (Some(onto), _) => Clone::reference(onto)?,
            (None, Some(target)) => target.as_str().to_owned(),
            (None, None) => clone.default_target()?,
        };
        if event.is_some_and(|event| event.deleted) {
            bail!("the event says that {reference} was deleted: there is no change to judge");
        }
        let head = match (wish.head, event.and_then(|event| event.head.as_ref())) {
            (Some(head), _) => clone.commit(head)?,
            (None, Some(head)) => clone.commit(head.as_str()).context("the event's head")?,
            (None, None) if event.is_some_and(|event| event.kind == Kind::IssueComment) => {
                bail!("this event does not tell which commit is meant: give --head")
            }
            (None, None) => clone.commit("HEAD")?,
        };
        let tip = clone.tip(&reference, wish.remote)?;
        let on_target = match &tip {
            Some((tip, _)) => clone.view.is_ancestor(&head, tip).map_err(|error| clone.explain(error.into()))?,
            None => false,
        };
        let (base, base_from) = match wish.step {
            Some(_) => base_of_step(&clone, &wish, &head)?,
            None => base_of_change(&clone, &wish, &reference, tip.clone(), &mut notes)?,
        };
        // A step runs for what is on the target already: then the policy that lies there is in force.
        let policy_at = match (wish.step, &tip) {
            (Some(_), _) if on_target => Some(head.clone()),
            (Some(_), tip) => tip.as_ref().map(|(id, _)| id.clone()),
            (None, _) => base.clone(),
        };
        let anchors = Anchors::load(Some(home), wish.policy_keys, &[])?;
        let found = super::policy::in_force(home, &clone.view, policy_at.as_deref(), wish.policy, &anchors)
            .map_err(|error| clone.explain(error))?;
        let (project, not_accepted) = match project(&clone, policy_at.as_deref())? {
            Some(project) => settled(home, project, &mut notes),
            None => (None, None),
        };
        let repository = repository(&found.trusted.policy, wish.repository)?;
        let access = &found.trusted.policy.access;
        let target = Target { repository, reference, step: wish.step.map(str::to_owned) };
        if let Some(step) = &target.step
            && !access.gates_step(step)
        {
            notes.push(format!("no rule of the policy gates the step `{step}`: it runs without a verdict"));
        }
        let proposal =
            Proposal::read(&clone.view, &found.trusted.policy, target, base.as_deref(), &head, crate::clock::now());
        let mut proposal = proposal.map_err(|error| clone.explain(error.into()))?;
        if wish.step.is_none() && proposal.commits.is_empty() && base.is_some() {
            let reference = &proposal.binding.target.reference;
            notes.push(format!("{} is in {reference} already: nothing would change", &head[..10]));
        }
        let no_successor = super::policy::successor(&clone.view, &found.trusted, &proposal, &anchors)?;
        dependencies::mark(&clone.view, &mut proposal)?;
        let mut people = contributors(access, &proposal.commits, None, now);
        for account in wish.accounts {
            people.add_account(access, account, provost_policy::AuthorClass::Outsider);
        }
        for (account, class) in event.map(event::hands).unwrap_or_default() {
            people.add_account(access, &account, class);
        }
        let head_tree = clone.view.tree_of(&head)?;
        Ok(Self {
            clone,
            trusted: found.trusted,
            policy_from: found.from,
            proposal,
            contributors: people,
            base_from,
            head_tree,
            contribution: wish.contribution,
            project,
            not_accepted,
            on_target,
            no_successor,
            notes,
        })
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.trusted.policy
    }

    /// What has to hold beside the rules: a step runs only for what is on the ref that it is for, and a policy follows one
    /// that it may follow.
    pub(crate) fn bound(&self, mut decision: Decision) -> Decision {
        let target = &self.proposal.binding.target;
        let mut refuse = |rule: &str, reason: String, hint: &str| {
            decision.rules.push(RuleReport::deny(rule, reason, hint));
            decision.answer = Answer::Deny;
            decision.broken_glass = None;
        };
        if let Some(step) = &target.step
            && !self.on_target
        {
            let head = &self.proposal.binding.head;
            let reason = format!("{} is not on {}, and {step} runs only for what is", &head[..10], target.reference);
            refuse("step-target", reason, "merge it first; or fetch the target, if this clone is behind");
        }
        if let Some(why) = &self.no_successor {
            let hint = "with it on the target, nothing could be judged any more: sign it with `provost policy sign`";
            refuse(
                "policy-follows",
                format!("the policy that it brings cannot take the present one's place: {why}"),
                hint,
            );
        }
        decision
    }
}

/// What a step is held against: the first parent of its commit, so that whoever made the commit is never left out. Another base
/// is nobody's to choose: with the commit itself as the base nobody would have made it.
fn base_of_step(clone: &Clone, wish: &Wish<'_>, head: &str) -> Result<(Option<String>, String)> {
    let commit = clone.view.commit(head)?;
    let parent = commit.parents.first().cloned();
    if let Some(base) = wish.base
        && Some(clone.commit(base)?) != parent
    {
        bail!("a step is judged from the first parent of its commit on, and since its last run: leave --base out");
    }
    Ok((parent, "the first parent".into()))
}

impl Case {
    /// Everyone who had a hand in what a step would run on and did not run on before: beside the last commit's, those of all
    /// commits since the newest that the step ran on by a verdict.
    ///
    /// # Errors
    /// The history cannot be read.
    pub(crate) fn since_last_run(&self, ledger: &provost_gate::Ledger) -> Result<Vec<provost_gate::CommitRecord>> {
        let binding = &self.proposal.binding;
        if binding.target.step.is_none() {
            return Ok(Vec::new());
        }
        let view = &self.clone.view;
        for last in ledger.verdicts.iter().rev() {
            let ran = last.of.target == binding.target && ledger.used.contains_key(&last.id);
            if !ran || last.of.head == binding.head || !view.contains(&last.of.head) {
                continue;
            }
            if view.is_ancestor(&last.of.head, &binding.head)? {
                let since = view
                    .new_commits(std::slice::from_ref(&binding.head), std::slice::from_ref(&last.of.head))
                    .map_err(Into::into)
                    .and_then(|ids| records(view, &self.policy().access, &ids, crate::clock::now()));
                return since.map_err(|error| self.clone.explain(error.into()));
            }
        }
        Ok(Vec::new())
    }
}

fn base_of_change(
    clone: &Clone,
    wish: &Wish<'_>,
    reference: &str,
    tip: Option<(String, String)>,
    notes: &mut Vec<String>,
) -> Result<(Option<String>, String)> {
    if let Some(base) = wish.base {
        return Ok((Some(clone.commit(base)?), base.to_owned()));
    }
    let event = wish.contribution.as_ref();
    let told = event.and_then(|event| event.base.as_ref()).map(|id| id.as_str().to_owned());
    // A push has moved its ref already, and a queue puts groups onto one another: there the event alone tells the base.
    let event_only = event.is_some_and(|event| matches!(event.kind, Kind::Push | Kind::MergeGroup));
    match (told, tip) {
        (Some(told), _) if event_only => Ok((Some(clone.commit(&told)?), "the event".into())),
        (None, _) if event_only && event.is_some_and(|event| event.created) => Ok((None, "a new ref".into())),
        (Some(told), Some((tip, name))) => {
            if told == tip {
                return Ok((Some(tip), name));
            }
            // The event is older than the fetch: the target has moved since, and what counts is where it would go now.
            if clone.view.contains(&told) && clone.view.is_ancestor(&told, &tip)? {
                notes.push(format!(
                    "the event's base {} is behind {name} ({}): judged on that",
                    &told[..10],
                    &tip[..10]
                ));
                return Ok((Some(tip), name));
            }
            Ok((Some(clone.commit(&told)?), "the event".into()))
        }
        (Some(told), None) => Ok((Some(clone.commit(&told)?), "the event".into())),
        (None, Some((tip, name))) => Ok((Some(tip), name)),
        (None, None) => {
            // Nothing is taken for judged: every commit of the head is new then.
            notes.push(format!(
                "{reference} is not known here, and is taken for a new ref: fetch it (`git fetch origin {}`) if it is none",
                reference.strip_prefix("refs/heads/").unwrap_or(reference)
            ));
            Ok((None, "a new ref".into()))
        }
    }
}

/// The project as the base has it: which store and which keys are used is not the proposal's to say.
fn project(clone: &Clone, at: Option<&str>) -> Result<Option<Project>> {
    let Some(at) = at else { return Ok(None) };
    let view = &clone.view;
    let Some(side) = view.at(at, CONFIG_FILE)?.filter(provost_repo::Side::is_file) else { return Ok(None) };
    let text = view.read(&side.id, 1 << 20)?;
    let text = std::str::from_utf8(&text).context("provost.toml of the base is no text")?;
    let config = Config::parse(text).context("provost.toml of the base")?;
    let directory = std::path::absolute(&clone.directory)?;
    let root = directory.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&directory);
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    Ok(Some(Project { root: Some(root), config, default_step: String::new() }))
}

/// What of a configuration in the repository counts. Whoever proposes may choose the base as well, so nothing in it names a
/// store, a key or a program to start, unless the user accepted that before (`provost trust config`, or an own run): else the
/// project's own place in the user's directory counts, and what the environment names.
fn settled(home: &Home, mut project: Project, notes: &mut Vec<String>) -> (Option<Project>, Option<String>) {
    match crate::pin::accepted(home, &project) {
        Ok(Some(())) => (Some(project), None),
        Ok(None) => {
            let plain = Config::default();
            let config = &mut project.config;
            if config.signer != plain.signer || config.certificate.is_some() || config.store_path.is_some() {
                notes.push(
                    "provost.toml of the base names a store or a signer that was not accepted here, and is not followed: \
                     review it, then `provost trust config`"
                        .into(),
                );
            }
            config.signer = plain.signer;
            config.certificate = None;
            config.store_path = None;
            (Some(project), None)
        }
        Err(error) => {
            let why = format!("{error:#}");
            notes.push(format!("the store was not read: {why}"));
            (None, Some(why))
        }
    }
}

fn repository(policy: &Policy, wanted: Option<&str>) -> Result<String> {
    let Some(repository) = &policy.access.repository else { bail!(provost_gate::GateError::NoRepository) };
    match wanted {
        Some(wanted) if wanted != repository.name => {
            bail!("the policy is of the repository `{}`, and not of `{wanted}`", repository.name)
        }
        _ => Ok(repository.name.clone()),
    }
}
