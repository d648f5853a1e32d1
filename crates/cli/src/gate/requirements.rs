//! What verdicts of the gate say of the requirements of SP 800-204D.

use std::ops::ControlFlow;

use anyhow::Result;
use provost_evidence::Store;
use provost_gate::{Answer, GATE_VERDICT, GateVerdict};
use provost_model::{Timestamp, Verdict, count};
use provost_policy::Policy;

use super::ledger;
use crate::judge::envelopes_of;
use crate::requirements::{self, Entry, keep};

/// The gate's work as rules of a verdict, with the entries that they rest on; `None` where the policy protects nothing. It says that the gate was asked and what
/// it answered. That nothing went around it is not its to say.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn verdict(store: &Store, policy: &Policy, now: Timestamp) -> Result<Option<(Verdict, Vec<Entry>)>> {
    if policy.access.protect.is_empty() {
        return Ok(None);
    }
    let signers = ledger::signers(policy, &policy.access.gate.functionaries);
    let (mut asked, mut approved): (Vec<Entry>, Vec<Entry>) = (Vec::new(), Vec::new());
    let (mut contributions, mut steps, mut glass, mut by_approval) = (0_u64, 0_u64, 0_u64, 0_u64);
    envelopes_of(store, &[GATE_VERDICT], &mut |index, envelope| {
        let verified = provost_attest::verify_envelope(envelope, &signers, 1);
        if let Ok(verified) = verified
            && let Ok(verdict) = GateVerdict::parse(verified.value())
            && ledger::might(policy, &policy.access.gate.functionaries, &verified, verdict.decided_on)
        {
            match verdict.of.target.step {
                Some(_) => steps += 1,
                None => contributions += 1,
            }
            glass += u64::from(verdict.broken_glass.is_some());
            if verdict.answer == Answer::Allow && !verdict.approvals.is_empty() {
                by_approval += 1;
                keep(&mut approved, (index, verified.clone()));
            }
            keep(&mut asked, (index, verified));
        }
        ControlFlow::<()>::Continue(())
    })?;
    let broken = match glass {
        0 => String::new(),
        n => format!("; the glass was broken for {n} of them"),
    };
    let told = format!(
        "the gate judged {} and {}{broken}; that nothing went around it is not shown by this",
        count(contributions, "contribution", "contributions"),
        count(steps, "critical step", "critical steps")
    );
    let by_others = format!(
        "{} by people who had no hand in what they approved",
        count(by_approval, "verdict rests on approvals", "verdicts rest on approvals")
    );
    let hint = "run `provost gate` on contributions: docs/gate.md";
    let rules = vec![
        requirements::rule("gate-decided", &["PULL-PUSH_REQ-3", "SCM-1"], &asked, told, hint),
        requirements::rule("gate-approved", &["PULL-1", "SCM-3"], &approved, by_others, hint),
    ];
    asked.extend(approved);
    asked.sort_by_key(|(index, _)| *index);
    asked.dedup_by_key(|(index, _)| *index);
    Ok(Some((requirements::verdict(policy, now, rules), asked)))
}
