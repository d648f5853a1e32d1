//! Replaying the reference log: from the beginning, or from a state that was verified before, every entry is judged again
//! from the objects at hand. What bypassed the server, dropped history or broke the policy shows.

use std::collections::BTreeMap;

use provost_model::Timestamp;
use provost_policy::{Person, Policy, TimeSource};
use provost_repo::View;
use serde::{Deserialize, Serialize};

use crate::approval::Seen;
use crate::checks::CheckStatement;
use crate::log::{ReferenceUpdate, UpdateState};
use crate::push::{FirstSeen, PushFacts, RefUpdate, judge_push};
use crate::revocable::Revocable;
use crate::{GateError, RefChange};

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnomalyKind {
    /// The log says that a ref was at another place than the entry before left it.
    Gap,
    /// A ref is not where the log says: it was changed past the server.
    Bypass,
    /// A ref that the log knows is gone.
    Missing,
    /// A ref went back, or history was dropped.
    Rewritten,
    /// A ref is at an older commit than the log says: fetch again, and if it stays so, it was moved back.
    Behind,
    /// A tag holds something else.
    MovedTag,
    /// An entry was accepted against the policy of its time.
    AgainstPolicy,
    /// It names a policy that was not in force.
    WrongPolicy,
    /// Time went back.
    Time,
    /// Objects that the log speaks of are not here: nothing can be said of them.
    NotVerifiable,
    /// Objects that the log speaks of are not here, of a ref that may drop them.
    Gone,
    /// The glass was broken.
    BrokenGlass,
    /// A protected ref that the log knew at another place was taken over by hand: whatever that was, no rule judged it.
    TakenOver,
    /// A state was taken over by hand.
    Adopted,
}

impl AnomalyKind {
    /// Whether it is wrong, or only to be known.
    pub fn is_wrong(self) -> bool {
        !matches!(self, Self::Gone | Self::BrokenGlass | Self::Adopted)
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Bypass => "bypass",
            Self::Missing => "missing",
            Self::Rewritten => "rewritten",
            Self::Behind => "behind",
            Self::MovedTag => "moved-tag",
            Self::AgainstPolicy => "against-policy",
            Self::WrongPolicy => "wrong-policy",
            Self::Time => "time",
            Self::NotVerifiable => "not-verifiable",
            Self::Gone => "gone",
            Self::BrokenGlass => "broken-glass",
            Self::TakenOver => "taken-over",
            Self::Adopted => "adopted",
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Anomaly {
    /// What kind.
    pub kind: AnomalyKind,
    /// The ref.
    pub reference: String,
    /// Index of the log's entry, where one shows it.
    pub entry: Option<u64>,
    /// What was seen.
    pub what: String,
}

/// Where a ref stands by the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefState {
    /// What it holds.
    pub id: String,
    /// Since which entry its history has been under control without a gap.
    pub since: u64,
    /// And since when.
    pub since_time: Timestamp,
    /// Since then it was under a rule that keeps it from being moved back.
    pub forward: bool,
    /// Each change since then was under a rule that asks for a signature, a check or an approval of everything.
    pub technical: bool,
    /// Each change since then was signed commit by commit, and approved by someone who had no hand in it.
    pub reviewed: bool,
    /// It was taken over, and nothing was pushed since.
    pub adopted: bool,
}

/// What a verification leaves behind for the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayState {
    /// The refs.
    pub refs: BTreeMap<String, RefState>,
    /// The newest time of an entry.
    pub time: Option<Timestamp>,
    /// Pushes that were accepted, until the next entry of the ref ends them.
    #[serde(flatten)]
    pub revocable: Revocable<RefState>,
    /// A push was accepted.
    #[serde(default)]
    pub pushed: bool,
    /// The newest entry that took something over.
    #[serde(default)]
    pub taken_over: Option<u64>,
    /// What was wrong.
    pub anomalies: Vec<Anomaly>,
}

/// The replay.
pub struct Replay<'a> {
    view: &'a View,
    /// Where it stands.
    pub state: ReplayState,
}

/// What was in the log before an entry.
pub struct Known<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// Approvals so far.
    pub approvals: &'a [Seen],
    /// Scans and tests so far.
    pub checks: &'a [CheckStatement],
    /// When something was first proposed.
    pub first_seen: &'a FirstSeen<'a>,
    /// What the log says of earlier pushes.
    pub history: &'a dyn crate::push::History,
}

/// What the rules of a ref see to, for every change of it.
#[derive(Debug, Clone, Copy)]
pub struct Controls {
    /// It is not moved back.
    pub forward: bool,
    /// A signature, a check or an approval of everything.
    pub technical: bool,
    /// Signatures of every commit, and an approval of everything.
    pub reviewed: bool,
}

impl Controls {
    /// By a policy.
    pub fn of(policy: &Policy, reference: &str) -> Self {
        let rules: Vec<_> = policy.access.rules_for(reference).filter(|rule| !rule.delegated).collect();
        // A rule that is about some kinds, authors or paths sees to those alone.
        let whole = |rule: &&&provost_policy::ProtectRule| {
            rule.kinds.is_empty() && rule.authors.is_empty() && rule.paths.texts() == ["**"]
        };
        let all: Vec<_> = rules.iter().filter(whole).collect();
        let signed = all.iter().any(|rule| rule.signed_commits || rule.signed_tags);
        let approved = all.iter().any(|rule| rule.approvals > 0);
        Self {
            forward: rules.iter().any(|rule| rule.fast_forward || rule.immutable),
            technical: signed || approved || all.iter().any(|rule| !rule.checks.is_empty()),
            reviewed: signed && approved,
        }
    }
}

impl<'a> Replay<'a> {
    /// Begins, or goes on from a verified state.
    pub fn new(view: &'a View, state: ReplayState) -> Self {
        Self { view, state }
    }

    fn anomaly(&mut self, kind: AnomalyKind, reference: &str, entry: Option<u64>, what: impl Into<String>) {
        self.state.anomalies.push(Anomaly { kind, reference: reference.to_owned(), entry, what: what.into() });
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn entry(&mut self, index: u64, entry: &ReferenceUpdate, known: &Known<'_>) -> Result<(), GateError> {
        let all = entry.changes.first().map_or("", |change| &change.reference).to_owned();
        if entry.policy != known.policy.digest {
            let what = format!(
                "it was judged by the policy {}…, and {}… was in force",
                entry.policy.short(),
                known.policy.digest.short()
            );
            self.anomaly(AnomalyKind::WrongPolicy, &all, Some(index), what);
        }
        // A push that is given up says so by the clock alone, and nothing is judged by when.
        let judged = entry.state != UpdateState::Aborted;
        if judged && self.state.time.is_some_and(|time| entry.time < time) {
            self.anomaly(
                AnomalyKind::Time,
                &all,
                Some(index),
                format!("dated {}, before the entry ahead of it", entry.time),
            );
        }
        if judged {
            self.state.time = self.state.time.max(Some(entry.time));
        }
        match entry.state {
            UpdateState::Accepted => {
                self.state.pushed = true;
                self.accepted(index, entry, known)?;
            }
            UpdateState::Aborted => self.aborted(index, entry),
            UpdateState::Adopted => {
                for change in &entry.changes {
                    let what = match &change.to {
                        Some(to) => format!("taken over as it was found, at {to}"),
                        None => "its absence was taken over".to_owned(),
                    };
                    let was = self.state.refs.get(&change.reference).map(|state| state.id.clone());
                    let controls = Controls::of(known.policy, &change.reference);
                    let ruled = known.policy.access.rules_for(&change.reference).next().is_some();
                    let moved = was.as_ref().is_some_and(|was| Some(was) != change.to.as_ref());
                    // What is there at the beginning is taken over in one go, before anything else. Later nothing that a rule
                    // speaks of comes in, or is put elsewhere, in another way than by a push.
                    let later = self.state.pushed || self.state.taken_over.is_some_and(|last| index != last + 1);
                    let kind = if ruled && (moved || later) { AnomalyKind::TakenOver } else { AnomalyKind::Adopted };
                    self.anomaly(kind, &change.reference, Some(index), what);
                    self.state.revocable.over(&change.reference);
                    self.set(index, entry, change, Controls { reviewed: false, ..controls });
                }
                self.state.taken_over = Some(index);
            }
        }
        Ok(())
    }

    /// git gave a push up: the refs are what they were. Only a push that nothing came after, and that nobody has seen in place,
    /// can be given up; otherwise a server could drop history that way.
    fn aborted(&mut self, index: u64, entry: &ReferenceUpdate) {
        let (pushed, before) = self.state.revocable.give_up(&entry.push);
        let Some(mut before) = before else {
            // A push that never came into the log left nothing to take back.
            if pushed.is_some() {
                let all = entry.changes.first().map_or("", |change| &change.reference).to_owned();
                self.anomaly(AnomalyKind::Rewritten, &all, Some(index), "it takes back a push that was over");
            }
            return;
        };
        for change in &entry.changes {
            let name = &change.reference;
            let Some(old) = before.remove(name) else {
                self.anomaly(AnomalyKind::Rewritten, name, Some(index), "it takes back a push that was over");
                continue;
            };
            match old {
                Some(state) => _ = self.state.refs.insert(name.clone(), state),
                None => _ = self.state.refs.remove(name),
            }
            // Its objects went with git's quarantine: no ref ever held them.
            let lost = |a: &&mut Anomaly| {
                a.entry == pushed && a.reference == *name && a.kind == AnomalyKind::NotVerifiable && pushed.is_some()
            };
            for anomaly in self.state.anomalies.iter_mut().filter(lost) {
                anomaly.kind = AnomalyKind::Gone;
            }
        }
    }

    /// Forgets how to take back pushes of refs that are where the log says: what was once seen in place was not given up.
    pub fn seen_in_place(&mut self, theirs: &[(String, String)]) {
        for (name, id) in theirs {
            if self.state.refs.get(name).is_some_and(|state| state.id == *id) {
                self.state.revocable.over(name);
            }
        }
    }

    fn set(&mut self, index: u64, entry: &ReferenceUpdate, change: &RefChange, controls: Controls) {
        let old = self.state.refs.get(&change.reference);
        let Some(id) = change.to.clone() else {
            self.state.refs.remove(&change.reference);
            return;
        };
        let adopted = entry.state == UpdateState::Adopted;
        // What was taken over was judged by nobody: control begins with what was pushed onto it.
        let continues = old.filter(|old| !adopted && !old.adopted && change.from.is_some());
        let state = RefState {
            id,
            since: continues.map_or(index, |old| old.since),
            since_time: continues.map_or(entry.time, |old| old.since_time),
            forward: controls.forward && continues.is_none_or(|old| old.forward),
            technical: controls.technical && continues.is_none_or(|old| old.technical),
            reviewed: controls.reviewed && continues.is_none_or(|old| old.reviewed),
            adopted,
        };
        self.state.refs.insert(change.reference.clone(), state);
    }

    fn accepted(&mut self, index: u64, entry: &ReferenceUpdate, known: &Known<'_>) -> Result<(), GateError> {
        let refs: Vec<(String, String)> =
            self.state.refs.iter().map(|(name, state)| (name.clone(), state.id.clone())).collect();
        let mut before = BTreeMap::new();
        let mut updates = Vec::new();
        let mut gaps = Vec::new();
        for change in &entry.changes {
            self.state.revocable.over(&change.reference);
            let old = self.state.refs.get(&change.reference);
            before.insert(change.reference.clone(), old.cloned());
            if old.map(|state| &state.id) != change.from.as_ref() {
                let was = old.map_or("nothing", |state| &state.id);
                let says = change.from.as_deref().unwrap_or("nothing");
                let what = format!("the log left it at {was}, and this entry found it at {says}");
                self.anomaly(AnomalyKind::Gap, &change.reference, Some(index), what);
                gaps.push(change.reference.clone());
            }
            updates.push(RefUpdate {
                reference: change.reference.clone(),
                old: change.from.clone(),
                new: change.to.clone(),
            });
        }
        let pusher: Option<&Person> = entry.pusher.as_ref().and_then(|name| known.policy.access.person(name));
        let facts = PushFacts {
            pusher,
            now: (entry.time, TimeSource::Log),
            refs: &refs,
            approvals: known.approvals,
            checks: known.checks,
            first_seen: known.first_seen,
            history: known.history,
        };
        // Each ref by itself: an object that one of them lacks hides nothing of the others.
        let mut judged = Vec::new();
        for update in &updates {
            match judge_push(known.policy, self.view, std::slice::from_ref(update), &facts) {
                Ok((allowed, refused)) => {
                    for own in allowed {
                        // Whatever the entry says of it.
                        if own.broken_glass {
                            let what = "the glass was broken for it";
                            self.anomaly(AnomalyKind::BrokenGlass, &own.reference, Some(index), what);
                        }
                        judged.push(own);
                    }
                    for refusal in refused {
                        let why = refusal.rules.first().map_or("", |rule| &rule.reason);
                        let rule = refusal.rules.first().map_or("", |rule| &rule.rule);
                        let what = format!("it was accepted, and {rule} refuses it: {why}");
                        self.anomaly(AnomalyKind::AgainstPolicy, &refusal.reference, Some(index), what);
                    }
                }
                // A ref that may be moved back or deleted leaves objects behind; one that only moves forward does not.
                Err(GateError::Repository(error)) => {
                    let kept = Controls::of(known.policy, &update.reference).forward;
                    let kind = if kept { AnomalyKind::NotVerifiable } else { AnomalyKind::Gone };
                    self.anomaly(kind, &update.reference, Some(index), error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        for change in &entry.changes {
            let mut controls = Controls::of(known.policy, &change.reference);
            controls.forward &= !gaps.contains(&change.reference);
            // What the entry says of approvals is the server's word; what counts is what holds up here.
            controls.reviewed &= judged
                .iter()
                .find(|own| own.reference == change.reference)
                .is_some_and(|own| !own.approvals.is_empty() && !own.broken_glass && !own.kept_approvals);
            self.set(index, entry, change, controls);
        }
        self.state.revocable.add(&entry.push, index, before);
        Ok(())
    }

    /// Holds the end of the log against the refs that are really there. `theirs` are refs of the server, in its names; `whole`
    /// says that they are all that it has, `kept` which of them cannot have been deleted by the policy.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn finish(
        &mut self,
        theirs: &[(String, String)],
        whole: bool,
        kept: &dyn Fn(&str) -> bool,
    ) -> Result<(), GateError> {
        let actual: BTreeMap<&str, &str> = theirs.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
        let logged: Vec<(String, String)> =
            self.state.refs.iter().map(|(name, state)| (name.clone(), state.id.clone())).collect();
        for (name, id) in &logged {
            match actual.get(name.as_str()) {
                Some(now) if now == id => {}
                // A clone need not have every ref; one that is kept from vanishing is looked for all the same.
                None if !whole && !kept(name) => {}
                None => self.anomaly(
                    AnomalyKind::Missing,
                    name,
                    None,
                    format!("the log has it at {id}, and it is not there"),
                ),
                Some(now) if name.starts_with("refs/tags/") => {
                    self.anomaly(
                        AnomalyKind::MovedTag,
                        name,
                        None,
                        format!("the log has it at {id}, and it is at {now}"),
                    );
                }
                Some(now) => {
                    let both = self.view.contains(id) && self.view.contains(now);
                    let forward = both && self.view.is_ancestor(id, now)?;
                    let back = both && self.view.is_ancestor(now, id)?;
                    let (kind, how) = if forward {
                        (AnomalyKind::Bypass, "it was moved on past the server")
                    } else if back {
                        (AnomalyKind::Behind, "an older state: fetch again; if it stays so it was moved back")
                    } else {
                        (AnomalyKind::Rewritten, "history of the log is not in it")
                    };
                    self.anomaly(kind, name, None, format!("the log has it at {id}, and it is at {now}: {how}"));
                }
            }
        }
        let known: BTreeMap<&str, ()> = logged.iter().map(|(name, _)| (name.as_str(), ())).collect();
        for (name, id) in theirs {
            if !known.contains_key(name.as_str()) {
                self.anomaly(AnomalyKind::Bypass, name, None, format!("it is at {id}, and the log does not know it"));
            }
        }
        Ok(())
    }
}
