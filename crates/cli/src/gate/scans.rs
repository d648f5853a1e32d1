//! Statements of scans and tests that lie in the store itself.

use std::ops::ControlFlow;

use anyhow::Result;
use provost_attest::{Statement, verify_envelope};
use provost_evidence::Store;
use provost_gate::{CheckStatement, Proposal};
use provost_policy::Policy;

use crate::judge;

/// Verified statements about these trees and commits, of the kinds that rules ask for.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn in_store(
    store: &Store,
    policy: &Policy,
    proposal: &Proposal,
    ids: &[&str],
) -> Result<Vec<CheckStatement>> {
    let target = &proposal.binding.target;
    let wanted: Vec<&str> = policy
        .access
        .protect
        .iter()
        .filter(|rule| rule.refs.matches(&target.reference))
        .flat_map(|rule| rule.checks.iter().map(|check| check.predicate.as_str()))
        .collect();
    let mut found = Vec::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    judge::envelopes_of(store, &wanted, &mut |_, envelope| {
        let speaks = |statement: &Statement| {
            let ids_of = |subject: &provost_attest::ResourceDescriptor| {
                ["gitTree", "gitCommit"]
                    .iter()
                    .filter_map(|name| subject.digest.get(*name))
                    .any(|id| ids.contains(&id.as_str()))
            };
            statement.subject.iter().any(ids_of)
        };
        if Statement::parse(envelope.unverified_payload()).is_ok_and(|statement| speaks(&statement))
            && let Ok(verified) = verify_envelope(envelope, &judge::signers_of(policy, envelope), 1)
        {
            found.push(CheckStatement { statement: verified });
        }
        ControlFlow::<()>::Continue(())
    })?;
    Ok(found)
}
