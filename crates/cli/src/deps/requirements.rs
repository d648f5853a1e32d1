//! What bills of materials in the log say of the requirements of SP 800-204D.

use std::collections::BTreeSet;

use anyhow::Result;
use provost_attest::predicate::{CYCLONEDX, SPDX};
use provost_attest::{Statement, Verified, verify_envelope};
use provost_evidence::Store;
use provost_model::{Outcome, RuleResult, RuleState, Timestamp, Verdict, count};
use provost_policy::Policy;

use crate::judge::signers_of;

/// Bills of materials that are linked.
const LINKED: usize = 5;

/// A bill of materials with its place in the log.
type Entry = (u64, Verified<Statement>);

/// The signed bills of materials of a store as a rule of a verdict, with the newest of them; `None` where there is none. It says
/// that they are kept. Whether they are whole, and reach the users, is not theirs to say.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn verdict(store: &Store, policy: &Policy, now: Timestamp) -> Result<Option<(Verdict, Vec<Entry>)>> {
    let mut newest: Vec<Entry> = Vec::new();
    let (mut number, mut artifacts) = (0_u64, BTreeSet::new());
    let mut first = 0;
    loop {
        let rows = store.records(first, 10_000)?;
        let Some(end) = rows.last().map(|row| row.index) else { break };
        for row in rows.iter().filter(|row| matches!(row.predicate_type.as_deref(), Some(CYCLONEDX | SPDX))) {
            let envelope = store.envelope(row.index)?;
            let Ok(verified) = verify_envelope(&envelope, &signers_of(policy, &envelope), 1) else { continue };
            number += 1;
            artifacts.extend(verified.value().subject.iter().filter_map(|subject| subject.sha256()));
            newest.push((row.index, verified));
            if newest.len() > LINKED {
                newest.remove(0);
            }
        }
        first = end + 1;
    }
    if newest.is_empty() {
        return Ok(None);
    }
    let rule = RuleResult {
        rule: "dependencies-captured".to_owned(),
        step: None,
        state: RuleState::Satisfied,
        enforced: false,
        reason: format!(
            "{} in the log, of {}; that each is whole is not shown by this",
            count(number, "bill of materials", "bills of materials"),
            count(artifacts.len() as u64, "digest", "digests")
        ),
        hint: None,
        requirements: vec!["BASE-5".to_owned()],
        statements: newest.iter().rev().map(|(_, statement)| statement.envelope()).collect(),
    };
    let verdict = Verdict {
        outcome: Outcome::Passed,
        subjects: Vec::new(),
        policy: policy.name.clone(),
        policy_digest: policy.digest,
        judged_at: now,
        rules: vec![rule],
    };
    Ok(Some((verdict, newest)))
}
