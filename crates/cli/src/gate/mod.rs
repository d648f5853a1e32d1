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
pub(crate) mod record;
pub(crate) mod requirements;
pub(crate) mod scans;
pub(crate) mod server;
pub(crate) mod step;
pub(crate) mod text;
pub(crate) mod time;

use anyhow::Result;
use provost_gate::{Circumstances, Decision, Ledger, decide};

use self::approvals::{Approvals, Places};
use self::case::Case;
use self::record::Recorder;
use self::time::Times;
use crate::clock;
use crate::commands::Context;

/// A case with everything that bears on it.
pub(crate) struct Heard {
    pub(crate) approvals: Approvals,
    pub(crate) times: Times,
    pub(crate) decision: Decision,
}

/// Reads the log, gathers what else is known, and decides.
///
/// # Errors
/// Something cannot be read: there is no decision then.
pub(crate) fn hear(
    context: &Context,
    case: &Case,
    recorder: Option<&Recorder>,
    places: &Places<'_>,
    tokens: &[std::path::PathBuf],
) -> Result<Heard> {
    let policy = case.policy();
    let ledger = match recorder {
        Some(recorder) => ledger::read(&context.home, &recorder.store, policy)?,
        None => Ledger::default(),
    };
    let vouched = recorder.is_some_and(|recorder| recorder.is_trusted(policy));
    let store = recorder.map(|recorder| &recorder.store);
    let times = time::find(policy, &case.proposal.binding, &ledger, store, vouched, tokens)?;
    let approvals = Approvals::gather(case, &ledger, places, clock::now())?;
    let binding = &case.proposal.binding;
    let ids: Vec<&str> = [binding.tree.as_deref(), Some(binding.head.as_str())].into_iter().flatten().collect();
    let mut checks = ledger.checks_of(policy, &ids);
    if let Some(store) = store {
        checks.extend(scans::in_store(store, policy, &case.proposal, &ids)?);
    }
    let pairs = approvals.pairs();
    let circumstances = Circumstances {
        now: times.now,
        past: times.past,
        first_seen: times.first_seen,
        contributors: &case.contributors,
        approvals: &pairs,
        checks: &checks,
        head_tree: &case.head_tree,
        pusher: None,
        operation: None,
    };
    let decision = case.bound(decide(policy, &case.proposal, &circumstances));
    Ok(Heard { approvals, times, decision })
}
