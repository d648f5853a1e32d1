//! The decision: allow, run sandboxed, wait, ask, or refuse, with a reason for every rule.

use std::collections::{BTreeMap, BTreeSet};

use provost_model::{Digest, Timestamp};
use provost_policy::{Policy, ProtectRule, TimeSource, Who};
use serde::{Deserialize, Serialize};

use crate::approval::{ApprovalDecision, Relation, Seen, Standing, standing};
use crate::checks::{self, CheckStatement};
use crate::{ChangeRecord, Contributors, KeptBy, Limits, Proposal};

/// What may happen now. The order is that of how much stands against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It goes on.
    Allow,
    /// It goes on without network, secrets and privilege.
    RunSandboxed,
    /// It goes on later, by itself.
    WaitUntil,
    /// It goes on once enough people approve.
    NeedsApproval,
    /// It does not go on.
    Deny,
}

impl Answer {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::RunSandboxed => "run-sandboxed",
            Self::WaitUntil => "wait-until",
            Self::NeedsApproval => "needs-approval",
            Self::Deny => "deny",
        }
    }
}

/// What the decision depends on beside the proposal.
pub struct Circumstances<'a> {
    /// The time, and on whose word.
    pub now: (Timestamp, TimeSource),
    /// A time that is proved to be past, on a better word than that of [`Circumstances::now`]: what has to wait, waits by
    /// it. `None` where there is no better one.
    pub past: Option<(Timestamp, TimeSource)>,
    /// When this was first proposed.
    pub first_seen: Option<(Timestamp, TimeSource)>,
    /// Everyone who had a hand in it.
    pub contributors: &'a Contributors,
    /// Approvals, with how each relates to it.
    pub approvals: &'a [(Seen, Relation)],
    /// Scans and tests.
    pub checks: &'a [CheckStatement],
    /// The tree of the proposed commit itself.
    pub head_tree: &'a str,
    /// Whom the server let in; `None` in CI.
    pub pusher: Option<&'a str>,
}

/// What one rule says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleReport {
    /// The rule's name.
    pub rule: String,
    /// Its answer.
    pub answer: Answer,
    /// Why.
    pub reason: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// How many approvals are missing.
    #[serde(skip_serializing_if = "is_zero")]
    pub missing: usize,
    /// Whose approval would count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub whom: Vec<String>,
    /// When it goes on by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The first paths that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Envelopes of the approvals that counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Digest>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// An approval that does not count, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StaleApproval {
    /// Whose.
    pub person: String,
    /// Its envelope.
    pub envelope: Digest,
    /// Why it does not count.
    pub why: String,
}

/// The decision.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// What may happen now.
    pub answer: Answer,
    /// When it goes on by itself, where it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Each rule that spoke.
    pub rules: Vec<RuleReport>,
    /// Approvals that do not count.
    pub stale: Vec<StaleApproval>,
    /// An approval of an earlier state counted, by a condition of the policy.
    pub kept_approvals: bool,
    /// Who broke the glass, where that is why it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_glass: Option<Vec<String>>,
}

impl Decision {
    /// Envelopes of all approvals that counted.
    pub fn approvals(&self) -> Vec<Digest> {
        self.rules.iter().flat_map(|rule| rule.approvals.iter().copied()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The rules that stand against it.
    pub fn against(&self) -> impl Iterator<Item = &RuleReport> {
        self.rules.iter().filter(|rule| rule.answer > Answer::RunSandboxed)
    }
}

/// Decides. Every rule that matches has to be satisfied; a changed path that no rule matches is refused.
pub fn decide(policy: &Policy, proposal: &Proposal, circumstances: &Circumstances<'_>) -> Decision {
    let judge = Judge { policy, proposal, circumstances };
    judge.decide()
}

struct Judge<'a> {
    policy: &'a Policy,
    proposal: &'a Proposal,
    circumstances: &'a Circumstances<'a>,
}

fn report(rule: &str, answer: Answer, reason: impl Into<String>) -> RuleReport {
    RuleReport {
        rule: rule.to_owned(),
        answer,
        reason: reason.into(),
        hint: String::new(),
        missing: 0,
        whom: Vec::new(),
        until: None,
        paths: Vec::new(),
        approvals: Vec::new(),
    }
}

impl RuleReport {
    /// A refusal, with what to do.
    pub fn deny(rule: &str, reason: impl Into<String>, hint: &str) -> Self {
        Self { hint: hint.to_owned(), ..report(rule, Answer::Deny, reason) }
    }
}

impl Judge<'_> {
    fn now(&self) -> Timestamp {
        self.circumstances.now.0
    }

    fn decide(&self) -> Decision {
        let target = &self.proposal.binding.target;
        let mut rules = Vec::new();
        if self.policy.expires < self.now() {
            let mut expired =
                report("policy-valid", Answer::Deny, format!("the policy expired on {}", self.policy.expires));
            expired.hint = "its signers have to renew it".into();
            rules.push(expired);
        }
        if self.proposal.conflict {
            let mut conflict = report("merge", Answer::Deny, "it does not merge into its target without conflicts");
            conflict.hint = "merge or rebase it by hand; what comes out is another proposal".into();
            rules.push(conflict);
        }
        let matching = matching(self.policy, self.proposal);
        if target.step.is_none() {
            self.uncovered(&matching, &mut rules);
        } else if matching.is_empty() && self.policy.access.gates_step(target.step.as_deref().unwrap_or_default()) {
            let reason = format!("no rule lets this step run for {}", target.reference);
            rules.push(report("step", Answer::Deny, reason));
        }
        let mut kept_approvals = false;
        let mut counted: BTreeSet<(Digest, String)> = BTreeSet::new();
        let mut why: BTreeMap<(Digest, String), String> = BTreeMap::new();
        for (rule, hit) in rules_that_speak(self.policy, self.proposal, self.circumstances.contributors) {
            let standings = self.standings(rule);
            for standing in &standings {
                kept_approvals |= standing.why_not.is_none() && matches!(standing.kept, Some(KeptBy::Condition(_)));
                match &standing.why_not {
                    None => _ = counted.insert((standing.envelope, standing.person.clone())),
                    Some(reason) => {
                        why.entry((standing.envelope, standing.person.clone())).or_insert_with(|| reason.clone());
                    }
                }
            }
            self.rule(rule, &hit, &standings, &mut rules);
        }
        self.rejections(&mut rules);
        self.freezes(&mut rules);
        let stale = why
            .into_iter()
            .filter(|(approval, _)| !counted.contains(approval))
            .map(|((envelope, person), why)| StaleApproval { person, envelope, why })
            .collect();
        let mut answer = rules.iter().map(|rule| rule.answer).max().unwrap_or(Answer::Allow);
        let mut broken_glass = None;
        let expired = self.policy.expires < self.now();
        if answer > Answer::RunSandboxed
            && !expired
            && !self.proposal.conflict
            && let Some(persons) = self.broken_glass()
        {
            answer = Answer::Allow;
            broken_glass = Some(persons);
        }
        let until = rules.iter().filter_map(|rule| rule.until).max();
        Decision { answer, until, rules, stale, kept_approvals, broken_glass }
    }

    /// No implicit allow: each changed path needs a rule that speaks of this change of it.
    fn uncovered(&self, matching: &[&ProtectRule], rules: &mut Vec<RuleReport>) {
        let classes = self.circumstances.contributors.classes();
        let by_class =
            |rule: &ProtectRule| rule.authors.is_empty() || rule.authors.iter().any(|class| classes.contains(class));
        let open = |change: &ChangeRecord| !matching.iter().any(|rule| touches(rule, change) && by_class(rule));
        let paths = self.proposal.named(open);
        if paths.is_empty() && (!matching.is_empty() || !self.proposal.changes.is_empty()) {
            return;
        }
        let reference = &self.proposal.binding.target.reference;
        let reason = if paths.is_empty() {
            format!("no rule speaks of {reference}")
        } else {
            format!("no rule speaks of {} in {reference}", paths.first().map(String::as_str).unwrap_or_default())
        };
        let mut uncovered = report("coverage", Answer::Deny, reason);
        uncovered.hint = "what no `[[protect]]` names is refused: add a rule for it to the policy".into();
        uncovered.paths = paths;
        rules.push(uncovered);
    }

    fn standings(&self, rule: &ProtectRule) -> Vec<Standing> {
        let withdrawn = self.withdrawn();
        self.circumstances
            .approvals
            .iter()
            .filter(|(seen, _)| seen.approval.decision == ApprovalDecision::Approve)
            .take(Limits::APPROVALS)
            .map(|(seen, relation)| {
                let access = &self.policy.access;
                let contributors = self.circumstances.contributors;
                let mut standing = standing(access, seen, relation, contributors, &rule.by, &rule.keep, self.now());
                if withdrawn.contains(&(seen.envelope, seen.person.as_str())) {
                    standing.why_not = Some("it was withdrawn".into());
                }
                standing
            })
            .collect()
    }

    /// Approvals that their own signer took back, with the signer.
    fn withdrawn(&self) -> BTreeSet<(Digest, &str)> {
        self.circumstances
            .approvals
            .iter()
            .filter(|(seen, _)| seen.approval.decision == ApprovalDecision::Withdraw)
            .filter_map(|(seen, _)| Some((seen.approval.withdraws?, seen.person.as_str())))
            .collect()
    }

    fn rejections(&self, rules: &mut Vec<RuleReport>) {
        let withdrawn = self.withdrawn();
        // However often someone says it, it is said once.
        let mut told = BTreeSet::new();
        for (seen, relation) in self.circumstances.approvals {
            let live = seen.approval.decision == ApprovalDecision::Reject
                && !withdrawn.contains(&(seen.envelope, seen.person.as_str()));
            // A rejection of an earlier state stands until its author looks again, as long as it is of this target.
            let here = seen.approval.of.target == self.proposal.binding.target
                && (!matches!(relation, Relation::Other(_)) || seen.approval.of.head == self.proposal.binding.head);
            let counts = !seen.review || self.policy.access.gate.count_reviews;
            // Whoever is named as a contributor may have been named to keep them quiet: everybody may reject.
            if live && here && counts && told.insert(&seen.person) {
                let comment = if seen.approval.comment.is_empty() {
                    String::new()
                } else {
                    format!(": {}", seen.approval.comment)
                };
                let mut rejected = report("rejected", Answer::Deny, format!("{} rejected it{comment}", seen.person));
                rejected.hint = format!("{} can take that back with `provost withdraw`", seen.person);
                rules.push(rejected);
            }
        }
    }

    fn freezes(&self, rules: &mut Vec<RuleReport>) {
        let target = &self.proposal.binding.target;
        for freeze in &self.policy.access.freezes {
            let meant = match &target.step {
                Some(step) => freeze.steps.contains(step),
                None => !freeze.refs.is_empty() && freeze.refs.matches(&target.reference),
            };
            if let Some(until) = freeze.until(self.now()).filter(|_| meant) {
                let reason = if freeze.reason.is_empty() { String::new() } else { format!(": {}", freeze.reason) };
                let mut frozen = report(
                    &format!("freeze/{}", freeze.name),
                    Answer::WaitUntil,
                    format!("frozen until {until}{reason}"),
                );
                frozen.until = Some(until);
                rules.push(frozen);
            }
        }
    }

    fn rule(&self, rule: &ProtectRule, hit: &[&ChangeRecord], standings: &[Standing], rules: &mut Vec<RuleReport>) {
        let paths: Vec<String> = hit.iter().take(Limits::NAMED_PATHS).map(|c| c.change.name()).collect();
        let before = rules.len();
        let mut add = |mut one: RuleReport| {
            one.paths.clone_from(&paths);
            if one.hint.is_empty() && one.answer > Answer::RunSandboxed {
                one.hint.clone_from(&rule.message);
            }
            rules.push(one);
        };
        if rule.deny {
            let kinds: BTreeSet<&str> = hit.iter().flat_map(|c| c.kinds.iter().map(|k| k.name())).collect();
            let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
            let what = if kinds.is_empty() { String::new() } else { format!(" ({kinds})") };
            let reason = format!("changes of this kind are refused{what}");
            add(report(&rule.name, Answer::Deny, reason));
        }
        for one in self.content(rule, hit) {
            add(one);
        }
        for check in &rule.checks {
            let binding = &self.proposal.binding;
            let statements = self.circumstances.checks;
            let head_tree = self.circumstances.head_tree;
            if let Err(why) = checks::satisfied(self.policy, check, binding, head_tree, statements, self.now()) {
                let mut missing = report(&rule.name, Answer::Deny, why);
                missing.hint = "run the check on this very tree and sign it (`--attest`)".into();
                add(missing);
            }
        }
        let counting: Vec<&Standing> = standings.iter().filter(|s| s.why_not.is_none()).collect();
        let mut by_person: BTreeMap<&str, &Standing> = BTreeMap::new();
        for standing in &counting {
            let earlier = |old: &&Standing| time_of(old) <= time_of(standing);
            if !by_person.get(standing.person.as_str()).is_some_and(earlier) {
                by_person.insert(&standing.person, standing);
            }
        }
        let envelopes: Vec<Digest> = by_person.values().map(|s| s.envelope).collect();
        if by_person.len() < rule.approvals {
            let missing = rule.approvals - by_person.len();
            let by = whom(&rule.by);
            let people = provost_model::count(missing as u64, "approval", "approvals");
            let had = if by_person.is_empty() { String::new() } else { format!(", {} given", by_person.len()) };
            let mut one = report(&rule.name, Answer::NeedsApproval, format!("{people} of {by} missing{had}"));
            one.missing = missing;
            one.whom = self.eligible(rule);
            one.approvals = envelopes;
            if one.whom.len() < missing {
                one.hint = "not enough persons are left who may approve it: all others had a hand in it".into();
            }
            add(one);
        } else if let Some(wait) = self.delay(rule, &by_person) {
            add(wait);
        }
        if rule.sandbox {
            add(report(&rule.name, Answer::RunSandboxed, "runs for it have no network, no secrets and no privilege"));
        }
        if rules.len() == before {
            let reason = match by_person.len() {
                0 => "satisfied".to_owned(),
                _ => {
                    let kept = by_person.values().filter_map(|s| s.kept).map(KeptBy::name).next();
                    let names = by_person.keys().copied().collect::<Vec<_>>().join(", ");
                    let kept = kept.map(|why| format!(", kept: {why}")).unwrap_or_default();
                    format!("approved by {names}{kept}")
                }
            };
            let mut one = report(&rule.name, Answer::Allow, reason);
            one.paths = paths;
            one.approvals = by_person.values().take(rule.approvals).map(|s| s.envelope).collect();
            rules.push(one);
        }
    }

    /// What the rule says of commits and files.
    fn content(&self, rule: &ProtectRule, hit: &[&ChangeRecord]) -> Vec<RuleReport> {
        let mut found = Vec::new();
        let access = &self.policy.access;
        if rule.signed_commits {
            let bad: Vec<String> = self
                .proposal
                .commits
                .iter()
                .filter_map(|record| {
                    let person = record.signature.person().and_then(|name| access.person(name));
                    let why = match person {
                        None => record.signature.describe(),
                        Some(person) if !person.valid_at(self.now()) => {
                            format!("the key of {} is not valid now", person.name)
                        }
                        Some(_) => return None,
                    };
                    Some(format!("{} ({}): {why}", short(&record.commit.id), record.commit.subject()))
                })
                .collect();
            if let Some(first) = bad.first() {
                let more = if bad.len() > 1 { format!(", and {} more", bad.len() - 1) } else { String::new() };
                let mut one = report(&rule.name, Answer::Deny, format!("commit {first}{more}"));
                one.hint = "sign it with a key of the policy: git config gpg.format ssh; git rebase --exec 'git commit --amend --no-edit -S'".into();
                found.push(one);
            }
        }
        if rule.committer_is_pusher
            && let Some(pusher) = self.circumstances.pusher
        {
            let foreign = self.proposal.commits.iter().find(|record| {
                let committer = access.by_email(&record.commit.committer.email);
                committer.is_none_or(|person| person.name != pusher)
            });
            if let Some(record) = foreign {
                let committer = &record.commit.committer;
                let reason = format!(
                    "commit {} was made by {} <{}>, and {pusher} pushes it",
                    short(&record.commit.id),
                    committer.name,
                    committer.email
                );
                found.push(report(&rule.name, Answer::Deny, reason));
            }
        }
        if rule.max_file_bytes > 0 {
            let large = hit.iter().find(|c| c.size.is_some_and(|size| size > rule.max_file_bytes));
            if let Some(change) = large {
                let size = provost_model::human_bytes(change.size.unwrap_or_default());
                let reason = format!(
                    "{} has {size}, {} at most",
                    change.change.name(),
                    provost_model::human_bytes(rule.max_file_bytes)
                );
                found.push(report(&rule.name, Answer::Deny, reason));
            }
        }
        if !rule.forbidden_names.is_empty() {
            let bad = hit.iter().filter(|c| c.change.new.is_some()).find(|c| {
                let path = &c.change.path;
                let file = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
                rule.forbidden_names.matches_bytes(path) || rule.forbidden_names.matches_bytes(file)
            });
            if let Some(change) = bad {
                let reason = format!("the name {} is refused", change.change.name());
                found.push(report(&rule.name, Answer::Deny, reason));
            }
        }
        found
    }

    /// What the rule has wait: since it was first proposed, and since it was approved.
    fn delay(&self, rule: &ProtectRule, approvals: &BTreeMap<&str, &Standing>) -> Option<RuleReport> {
        if rule.delay_hours == 0 && rule.cooling_off_hours == 0 {
            return None;
        }
        let trusted = &self.policy.access.gate.time;
        let (now, source) = match self.circumstances.now {
            known if trusted.contains(&known.1) => known,
            known => self.circumstances.past.unwrap_or(known),
        };
        let untrusted = |what: &str| {
            let names: Vec<&str> = trusted.iter().map(|t| t.name()).collect();
            let mut one = report(&rule.name, Answer::NeedsApproval, format!("{what} is not proved"));
            one.answer = Answer::Deny;
            one.hint = format!("the policy takes the time from: {}", names.join(", "));
            Some(one)
        };
        if !trusted.contains(&source) {
            return untrusted(&format!("what time it is (by {} alone)", source.name()));
        }
        let hours = |hours: u64| i64::try_from(hours).unwrap_or(i64::MAX / 3_600_000).saturating_mul(3_600_000);
        let mut until: Option<(Timestamp, String)> = None;
        let mut wait = |end: Timestamp, why: String| {
            if end > now && until.as_ref().is_none_or(|(old, _)| end > *old) {
                until = Some((end, why));
            }
        };
        if rule.delay_hours > 0 {
            match self.circumstances.first_seen {
                Some((at, source)) if trusted.contains(&source) => {
                    wait(
                        at.plus_milliseconds(hours(rule.delay_hours)),
                        format!("proposed on {at}, {} hours have to pass", rule.delay_hours),
                    );
                }
                _ => return untrusted("when it was first proposed"),
            }
        }
        if rule.cooling_off_hours > 0 {
            // The approval that made it enough: of the earliest ones, the last that was needed.
            let mut times = Vec::new();
            for standing in approvals.values() {
                match standing.received {
                    Some((at, source)) if trusted.contains(&source) => times.push(at),
                    _ => {}
                }
            }
            times.sort();
            match times.get(rule.approvals.saturating_sub(1)) {
                Some(at) => {
                    wait(
                        at.plus_milliseconds(hours(rule.cooling_off_hours)),
                        format!("approved on {at}, {} hours have to pass", rule.cooling_off_hours),
                    );
                }
                None => return untrusted("when it was approved"),
            }
        }
        let (until, why) = until?;
        let mut one = report(&rule.name, Answer::WaitUntil, format!("{why}: until {until}"));
        one.until = Some(until);
        Some(one)
    }

    /// Persons whose approval would count and who have not given it.
    fn eligible(&self, rule: &ProtectRule) -> Vec<String> {
        let excluded = &self.circumstances.contributors.excluded;
        let may = |person: &&provost_policy::Person| {
            !person.bot
                && !excluded.contains_key(&person.name)
                && person.valid_at(self.now())
                && (rule.by.is_empty() || rule.by.iter().any(|who| person.is(who)))
        };
        self.policy.access.persons.iter().filter(may).map(|person| person.name.clone()).collect()
    }

    /// Enough persons who say, of exactly this and with a reason, that it has to go on now.
    fn broken_glass(&self) -> Option<Vec<String>> {
        let rule = self.policy.access.gate.break_glass.as_ref()?;
        let withdrawn = self.withdrawn();
        let longest = i64::try_from(rule.max_hours).unwrap_or(i64::MAX / 3_600_000).saturating_mul(3_600_000);
        let mut persons = BTreeSet::new();
        for (seen, relation) in self.circumstances.approvals {
            let approval = &seen.approval;
            let Some(person) = self.policy.access.person(&seen.person) else { continue };
            let Some((received, _)) = seen.received else { continue };
            let limited =
                approval.expires.is_some_and(|end| self.now() < end && end <= received.plus_milliseconds(longest));
            let counts = approval.decision == ApprovalDecision::BreakGlass
                && *relation == Relation::Exact
                && approval.comment.trim().len() >= 10
                && limited
                && !seen.review
                && !person.bot
                && person.valid_at(received)
                && !withdrawn.contains(&(seen.envelope, seen.person.as_str()))
                && rule.by.iter().any(|who| person.is(who));
            if counts {
                persons.insert(person.name.clone());
            }
        }
        (persons.len() >= rule.persons.max(2)).then(|| persons.into_iter().collect())
    }
}

/// The rules of a proposal's target, or of its step.
fn matching<'p>(policy: &'p Policy, proposal: &'p Proposal) -> Vec<&'p ProtectRule> {
    let target = &proposal.binding.target;
    match &target.step {
        Some(step) => policy.access.rules_for_step(step).filter(|rule| rule.refs.matches(&target.reference)).collect(),
        None => policy.access.rules_for(&target.reference).collect(),
    }
}

/// The rules that speak of a proposal, each with the changes that it is about.
pub fn rules_that_speak<'p>(
    policy: &'p Policy,
    proposal: &'p Proposal,
    contributors: &Contributors,
) -> Vec<(&'p ProtectRule, Vec<&'p ChangeRecord>)> {
    let classes = contributors.classes();
    let mut found = Vec::new();
    for rule in matching(policy, proposal) {
        let hit: Vec<&ChangeRecord> = proposal.changes.iter().filter(|change| touches(rule, change)).collect();
        // A step or a ref that is only moved has no paths: the rule speaks of it as a whole.
        let step = proposal.binding.target.step.is_some();
        let whole = (step || (proposal.changes.is_empty() && rule.kinds.is_empty())) && !rule.delegated;
        let by_class = rule.authors.is_empty() || rule.authors.iter().any(|class| classes.contains(class));
        if (!hit.is_empty() || whole) && by_class {
            found.push((rule, hit));
        }
    }
    found
}

/// Whether a rule speaks of a change.
pub(crate) fn touches(rule: &ProtectRule, change: &ChangeRecord) -> bool {
    rule.paths.matches_bytes(&change.change.path)
        && (rule.kinds.is_empty() || rule.kinds.iter().any(|kind| change.kinds.contains(kind)))
}

fn time_of(standing: &Standing) -> i64 {
    standing.received.map_or(i64::MAX, |(at, _)| at.milliseconds())
}

fn whom(by: &[Who]) -> String {
    if by.is_empty() {
        return "anyone whom the policy names".into();
    }
    let names: Vec<String> = by
        .iter()
        .map(|who| match who {
            Who::Person(name) => name.clone(),
            Who::Role(role) => format!("role {role}"),
            Who::Anyone | Who::Public => "anyone".into(),
        })
        .collect();
    names.join(" or ")
}

pub(crate) fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}
