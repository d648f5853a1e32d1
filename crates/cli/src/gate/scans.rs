//! Statements of scans and tests that lie in the store itself.

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
    let mut first = 0;
    loop {
        let rows = store.records(first, 10_000)?;
        let Some(end) = rows.last().map(|row| row.index) else { return Ok(found) };
        for row in rows.iter().filter(|row| row.predicate_type.as_deref().is_some_and(|kind| wanted.contains(&kind))) {
            let envelope = store.envelope(row.index)?;
            let Ok(statement) = Statement::parse(envelope.unverified_payload()) else { continue };
            let speaks = statement.subject.iter().any(|subject| {
                ["gitTree", "gitCommit"]
                    .iter()
                    .filter_map(|name| subject.digest.get(*name))
                    .any(|id| ids.contains(&id.as_str()))
            });
            if speaks && let Ok(verified) = verify_envelope(&envelope, &judge::signers_of(policy, &envelope), 1) {
                found.push(CheckStatement { statement: verified });
            }
        }
        first = end + 1;
    }
}
