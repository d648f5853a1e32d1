//! What verdicts of the gate say of the requirements of SP 800-204D.

use anyhow::Result;
use provost_attest::{Statement, Verified};
use provost_evidence::Store;
use provost_gate::{Answer, GATE_VERDICT, GateVerdict};
use provost_model::{Outcome, RuleResult, RuleState, Timestamp, Verdict, count};
use provost_policy::Policy;

use super::ledger;

/// Verdicts that are linked.
const LINKED: usize = 5;

/// A verdict with its place in the log.
type Entry = (u64, Verified<Statement>);

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
    let keep = |list: &mut Vec<Entry>, entry: Entry| {
        list.push(entry);
        if list.len() > LINKED {
            list.remove(0);
        }
    };
    let mut first = 0;
    loop {
        let rows = store.records(first, 10_000)?;
        let Some(end) = rows.last().map(|row| row.index) else { break };
        for row in rows.iter().filter(|row| row.predicate_type.as_deref() == Some(GATE_VERDICT)) {
            let envelope = store.envelope(row.index)?;
            let Ok(verified) = provost_attest::verify_envelope(&envelope, &signers, 1) else { continue };
            let Ok(verdict) = GateVerdict::parse(verified.value()) else { continue };
            if !ledger::might(policy, &policy.access.gate.functionaries, &verified, verdict.decided_on) {
                continue;
            }
            match verdict.of.target.step {
                Some(_) => steps += 1,
                None => contributions += 1,
            }
            glass += u64::from(verdict.broken_glass.is_some());
            if verdict.answer == Answer::Allow && !verdict.approvals.is_empty() {
                by_approval += 1;
                keep(&mut approved, (row.index, verified.clone()));
            }
            keep(&mut asked, (row.index, verified));
        }
        first = end + 1;
    }
    let rule = |name: &str, requirements: [&str; 2], found: &[Entry], reason: String| RuleResult {
        rule: name.to_owned(),
        step: None,
        state: if found.is_empty() { RuleState::NoEvidence } else { RuleState::Satisfied },
        enforced: false,
        reason,
        hint: found.is_empty().then(|| "run `provost gate` on contributions: docs/gate.md".to_owned()),
        requirements: requirements.map(str::to_owned).to_vec(),
        statements: found.iter().rev().map(|(_, statement)| statement.envelope()).collect(),
    };
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
    let rules = vec![
        rule("gate-decided", ["PULL-PUSH_REQ-3", "SCM-1"], &asked, told),
        rule("gate-approved", ["PULL-1", "SCM-3"], &approved, by_others),
    ];
    asked.extend(approved);
    asked.sort_by_key(|(index, _)| *index);
    asked.dedup_by_key(|(index, _)| *index);
    let verdict = Verdict {
        outcome: Outcome::Passed,
        subjects: Vec::new(),
        policy: policy.name.clone(),
        policy_digest: policy.digest,
        judged_at: now,
        rules,
    };
    Ok(Some((verdict, asked)))
}
