//! Critical steps: one that the policy gates does not start without a verdict for exactly what it would run on, and a verdict
//! lets one run start.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context as _, Result};
use provost_attest::{Envelope, verify_envelope};
use provost_evidence::Store;
use provost_gate::{Answer, GateVerdict, LoggedVerdict, Receipt, ReceiptKind};
use provost_keys::Signer;
use provost_model::printable;
use provost_policy::{POLICY_PAYLOAD, Policy};

use super::text::short;
use super::{ledger, record};
use crate::clock;
use crate::home::Home;
use crate::judge::{self, Anchors, TrustedPolicy, envelopes_of};

/// Seconds by which a verdict may be ahead of this clock.
const AHEAD: i64 = 300;

/// Whether a step may start.
pub(crate) enum Passage {
    /// No rule gates it.
    Free,
    /// This verdict lets it, and is used up.
    Taken(Taken),
    /// It may not.
    Refused {
        /// Why.
        why: String,
        /// What to do.
        hint: String,
    },
}

/// A verdict that was used.
pub(crate) struct Taken {
    /// Its id.
    pub(crate) id: String,
    /// The entry that it is in.
    pub(crate) entry: u64,
    /// The entry that says that it is used.
    pub(crate) used: u64,
}

/// What would run.
pub(crate) struct Start<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) step: &'a str,
    /// The ref that it runs for, where it was named.
    pub(crate) reference: Option<&'a str>,
    pub(crate) invocation: &'a str,
    /// It runs without network, secrets and privilege.
    pub(crate) sandboxed: bool,
}

fn refused(why: impl Into<String>, hint: impl Into<String>) -> Result<Passage> {
    Ok(Passage::Refused { why: why.into(), hint: hint.into() })
}

/// Asks for passage, and takes it.
///
/// # Errors
/// The log or the repository cannot be read: the step does not start then either.
pub(crate) fn pass(
    home: &Home,
    policy: &Policy,
    store: &Store,
    start: &Start<'_>,
    signer: &dyn Signer,
    log_key: &dyn Signer,
) -> Result<Passage> {
    let step = start.step;
    if !policy.access.gates_step(step) {
        return Ok(Passage::Free);
    }
    let shown = printable(step);
    let ask = format!("ask for one: `provost gate --step {shown}`");
    let Some(repository) = &policy.access.repository else {
        return refused(format!("the policy gates `{shown}` and names no repository"), "add `[repository]` to it");
    };
    if policy.access.gate.functionaries.is_empty() {
        let why = format!("the policy gates `{shown}` and names nobody whose verdicts count");
        return refused(why, "add `functionaries` to its `[gate]`");
    }
    let facts = provost_repo::look(start.directory)?;
    let Some((facts, commit, tree)) = facts.and_then(|facts| {
        let (commit, tree) = (facts.commit.clone()?, facts.tree.clone()?);
        Some((facts, commit, tree))
    }) else {
        return refused(format!("`{shown}` runs for a commit, and there is none here"), "run it in a clone");
    };
    let root = facts.root.canonicalize().unwrap_or_else(|_| facts.root.clone());
    let place = start.directory.canonicalize()?;
    if !place.starts_with(&root) {
        let why =
            format!("the repository's working tree is {}, and the step runs in {}", root.display(), place.display());
        return refused(why, "take `core.worktree` out of the repository's configuration");
    }
    if facts.dirty != Some(false) {
        let first = facts.changed.first().map(|name| format!(" ({}…)", printable(&name.text))).unwrap_or_default();
        let why = format!("the working tree is not exactly the commit {}{first}", &commit[..10]);
        return refused(
            why,
            "a verdict is of a commit's tree: commit, stash or remove what differs, ignored files aside",
        );
    }
    let reference = match start.reference.map(super::clone::Clone::reference).transpose()? {
        Some(reference) => reference,
        None => match facts.head.or_else(from_ci) {
            Some(reference) => reference,
            None => return refused("which ref the step runs for is not known: HEAD is detached", "give --ref"),
        },
    };
    let known = ledger::read(home, store, policy)?;
    let verdicts: Vec<&LoggedVerdict> = known
        .verdicts
        .iter()
        .filter(|v| v.of.target.step.as_deref() == Some(step) && v.of.target.repository == repository.name)
        .collect();
    // One thing after the other, so that the message says which of them is wrong.
    let Some(last) = verdicts.last() else {
        return refused(format!("`{shown}` is a critical step, and the log holds no verdict for it"), ask);
    };
    let of_this: Vec<&&LoggedVerdict> =
        verdicts.iter().filter(|v| v.of.head == commit && v.of.tree.as_ref() == Some(&tree)).collect();
    let Some(other) = of_this.last() else {
        let why =
            format!("the last verdict for `{shown}` is of {}, and this is {}", short(&last.of.head), short(&commit));
        return refused(why, ask);
    };
    let here: Vec<&&&LoggedVerdict> = of_this.iter().filter(|v| v.of.target.reference == reference).collect();
    if here.is_empty() {
        let why =
            format!("the verdict for `{shown}` is for {}, and this runs for {reference}", other.of.target.reference);
        return refused(why, format!("{ask} --onto {reference}"));
    }
    let view = provost_repo::View::open(start.directory)?;
    let parent = view.commit(&commit)?.parents.first().cloned();
    let here: Vec<_> = here.into_iter().filter(|v| v.of.base == parent).collect();
    if here.is_empty() {
        return refused(format!("the verdict for `{shown}` is held against another base than the first parent"), ask);
    }
    let ours: Vec<_> = here.iter().filter(|v| v.of.policy == policy.digest).collect();
    let Some(newest) = ours.last() else {
        return refused(
            format!("the verdict for `{shown}` was given under another policy than serial {}", policy.serial),
            ask,
        );
    };
    let envelope = store.envelope(newest.index)?;
    let signers = ledger::signers(policy, &policy.access.gate.functionaries);
    let Ok(verified) = verify_envelope(&envelope, &signers, 1) else {
        let why = format!("the verdict in entry {} is signed by nobody whose verdicts count", newest.index);
        return refused(why, "the policy's `[gate]` names who gives verdicts");
    };
    let verdict = GateVerdict::parse(verified.value())?;
    if !ledger::might(policy, &policy.access.gate.functionaries, &verified, verdict.decided_on)
        || !ledger::might(policy, &policy.access.gate.functionaries, &verified, clock::now())
    {
        let why = format!("whoever gave the verdict in entry {} was revoked, or its time is over", newest.index);
        return refused(why, "the policy's `[gate]` names who gives verdicts");
    }
    match verdict.answer {
        Answer::Allow => {}
        Answer::RunSandboxed if start.sandboxed => {}
        Answer::RunSandboxed => {
            let why =
                format!("the newest verdict for `{shown}` lets it run without network, secrets and privilege only");
            return refused(why, format!("`provost run --sandbox --step {shown} -- …`"));
        }
        answer => {
            let why = format!("the newest verdict for `{shown}` (entry {}) is {}", newest.index, answer.name());
            return refused(why, format!("see why: `provost gate --step {shown}`"));
        }
    }
    let now = clock::now();
    if verdict.decided_on.seconds() > now.seconds() + AHEAD {
        let why = format!("the verdict is dated in the future ({})", verdict.decided_on);
        return refused(why, "set this machine's clock");
    }
    if now >= verdict.expires {
        return refused(format!("the verdict for `{shown}` expired on {}", verdict.expires), ask);
    }
    if known.used.contains_key(&verdict.id) {
        let entry = known.used[&verdict.id];
        let why = format!("the verdict for `{shown}` let a run start already (entry {entry} of the log)");
        return refused(why, ask);
    }
    let of = ReceiptKind::Use {
        verdict: verdict.id.clone(),
        of: verdict.of.clone(),
        invocation: start.invocation.to_owned(),
    };
    let receipt = Receipt { of, received_on: now, from: None };
    let entries = record::append(home, store, &[receipt.statement()?], signer, log_key)?;
    let used = entries.first().copied().context("the log gave the use no place")?;
    // Two runs may have asked at once: the first entry counts.
    let known = ledger::read(home, store, policy)?;
    match known.used.get(&verdict.id) {
        Some(first) if *first == used => Ok(Passage::Taken(Taken { id: verdict.id, entry: newest.index, used })),
        Some(first) => refused(format!("another run took the verdict first (entry {first} of the log)"), ask),
        None => refused(
            "that the verdict is used could not be put on record: the policy does not name this run's key",
            "add the key as a `[[functionary]]`",
        ),
    }
}

/// Why a step that the project's own policy leaves free may not start all the same: the store that its evidence goes into, or the
/// keys that sign it, are of a policy that gates the step. Otherwise a run beside the project would get the same evidence without
/// being asked.
///
/// # Errors
/// The store or the memory cannot be read.
pub(crate) fn governed(
    home: &Home,
    store: &Store,
    own: Option<&TrustedPolicy>,
    step: &str,
    keys: &[&dyn Signer],
) -> Result<Option<String>> {
    if own.is_some_and(|own| own.policy.access.gates_step(step)) {
        return Ok(None);
    }
    let own_envelope = own.map(|own| Envelope::parse(own.json.as_bytes())).transpose()?;
    let anchors = Anchors::load(Some(home), &[], &[])?;
    // A newer policy by the same signer takes the older one's place.
    let replaced = |other: &Policy, envelope: &Envelope| {
        let (Some(own), Some(by)) = (own, &own_envelope) else { return false };
        let policy = &own.policy;
        let mut keys = anchors.keys.iter().chain(other.access.root.iter().flat_map(|root| &root.keys));
        other.digest == policy.digest
            || other.name == policy.name
                && other.serial < policy.serial
                && keys.any(|key| envelope.signed_by(key) && by.signed_by(key))
    };
    let uses = |other: &Policy| {
        let signs = keys.iter().any(|signer| other.keys().iter().any(|key| key.id() == signer.public_key().id()));
        signs || other.log_keys().iter().any(|key| key.full_id() == store.log_key().full_id())
    };
    let mut others = judge::seen_policies(home)?;
    others.retain(|(other, _)| uses(other));
    let mut newest: BTreeMap<String, (Policy, Envelope)> = BTreeMap::new();
    for row in store.records_of_payload(POLICY_PAYLOAD)? {
        let envelope = store.envelope(row.index)?;
        let text = String::from_utf8_lossy(envelope.unverified_payload()).into_owned();
        let Ok(one) = Policy::parse(&text) else { continue };
        if newest.get(&one.name).is_none_or(|(before, _)| before.serial < one.serial) {
            newest.insert(one.name.clone(), (one, envelope));
        }
    }
    others.extend(newest.into_values());
    if let Some((other, _)) =
        others.iter().find(|(other, envelope)| other.access.gates_step(step) && !replaced(other, envelope))
    {
        let here = own.map_or_else(
            || "no policy is here".to_owned(),
            |own| format!("the policy here (`{}` serial {}) does not", own.policy.name, own.policy.serial),
        );
        return Ok(Some(format!(
            "the policy `{}` serial {}, which this store or these keys belong to, gates `{step}`, and {here}",
            other.name, other.serial
        )));
    }
    // Where no policy is at hand, the verdicts of the log tell that there is one.
    let repository = own.and_then(|own| own.policy.access.repository.as_ref());
    let here = repository.map(|repository| repository.name.as_str());
    envelopes_of(store, &[provost_gate::GATE_VERDICT], &mut |index, envelope| {
        let verdict = provost_attest::Statement::parse(envelope.unverified_payload())
            .ok()
            .and_then(|statement| GateVerdict::parse(&statement).ok());
        match verdict.map(|verdict| verdict.of.target) {
            Some(target) if target.step.as_deref() == Some(step) && here != Some(target.repository.as_str()) => {
                ControlFlow::Break(format!(
                    "the log holds verdicts on `{step}` of the repository `{}` (entry {index}), and the policy here is not of it",
                    target.repository
                ))
            }
            _ => ControlFlow::Continue(()),
        }
    })
}

/// The ref that a CI system says that it runs for. The verdict has to be for the same: saying another one gains nothing.
fn from_ci() -> Option<String> {
    let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    get("GITHUB_REF")
        .or_else(|| get("CI_COMMIT_TAG").map(|tag| format!("refs/tags/{tag}")))
        .or_else(|| get("CI_COMMIT_BRANCH").map(|branch| format!("refs/heads/{branch}")))
        .filter(|name| provost_repo::valid_ref_name(name))
}
