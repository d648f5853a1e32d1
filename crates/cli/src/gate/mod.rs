//! What the commands of the gate share: the policy in force with its delegated parts, what the log says so far, the case
//! that is judged, and what people are shown of it.

pub(crate) mod approvals;
pub(crate) mod case;
pub(crate) mod clone;
pub(crate) mod deliver;
mod dependencies;
pub(crate) mod event;
pub(crate) mod ledger;
pub(crate) mod person;
pub(crate) mod policy;
pub(crate) mod publish;
mod published;
pub(crate) mod record;
pub(crate) mod requirements;
pub(crate) mod scans;
pub(crate) mod server;
pub(crate) mod step;
pub(crate) mod text;
pub(crate) mod time;

use anyhow::Result;
use provost_evidence::Store;
use provost_gate::{Circumstances, Decision, Ledger, decide};

use self::approvals::{Approvals, Places};
use self::case::Case;
use self::time::Times;
use crate::clock;
use crate::commands::Context;

/// A case with everything that bears on it.
pub(crate) struct Heard {
    pub(crate) approvals: Approvals,
    pub(crate) times: Times,
    pub(crate) decision: Decision,
}

/// Reads the log, gathers what else is known, and decides. `vouched` says that what is decided is put on record by someone whose
/// word on the time counts.
///
/// # Errors
/// Something cannot be read: there is no decision then.
pub(crate) fn hear(
    context: &Context,
    case: &Case,
    store: Option<&Store>,
    vouched: bool,
    places: &Places<'_>,
    tokens: &[std::path::PathBuf],
) -> Result<Heard> {
    let policy = case.policy();
    let mut ledger = match store {
        Some(store) => ledger::read(&context.home, store, policy)?,
        None => Ledger::default(),
    };
    if let Some(other) = published::read(&context.home, &case.clone.directory, policy)? {
        ledger.add_all(other);
    }
    let times = time::find(policy, &case.proposal.binding, &ledger, store, vouched, tokens)?;
    let approvals = Approvals::gather(case, &ledger, places, clock::now())?;
    let binding = &case.proposal.binding;
    let ids: Vec<&str> = [binding.tree.as_deref(), Some(binding.head.as_str())].into_iter().flatten().collect();
    let mut checks = ledger.checks_of(policy, &ids)?;
    if let Some(store) = store {
        checks.extend(scans::in_store(store, policy, &case.proposal, &ids)?);
    }
    let pairs = approvals.pairs();
    let mut contributors = case.contributors.clone();
    let unreleased = case.since_last_run(&ledger)?;
    let earlier = provost_gate::contributors(&policy.access, &unreleased, None, times.now.0);
    contributors.list.extend(earlier.list);
    for (name, via) in earlier.excluded {
        contributors.excluded.entry(name).or_insert(via);
    }
    contributors.add_pushers(&policy.access, &unreleased, &ledger)?;
    contributors.add_pushers(&policy.access, &case.proposal.commits, &ledger)?;
    let circumstances = Circumstances {
        now: times.now,
        past: times.past,
        first_seen: times.first_seen,
        contributors: &contributors,
        approvals: &pairs,
        checks: &checks,
        head_tree: &case.head_tree,
        pusher: None,
    };
    let decision = case.bound(decide(policy, &case.proposal, &circumstances));
    Ok(Heard { approvals, times, decision })
}
