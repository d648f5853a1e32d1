//! Which of all approvals, rejections and withdrawals bear on a proposal. Anybody of the policy can leave any number of them, and
//! to relate one to another base takes a merge: so much is done for each person, and what says no is never among what is left out
//! but for a rejection that would have to be followed over a rebase.

use std::collections::BTreeMap;

use provost_repo::View;

use crate::approval::{Seen, relate, related_at_hand};
use crate::{ApprovalDecision, GateError, Limits, Proposal, Relation};

/// The approvals of a proposal's target, newest first, each with how it relates to it. `could_count` tells which approvals may
/// count at all, `keeps` whether a rule keeps any that were given for another base.
///
/// # Errors
/// The repository cannot be read.
pub fn bearing<'s>(
    view: &View,
    proposal: &Proposal,
    all: &[&'s Seen],
    keeps: bool,
    could_count: &dyn Fn(&Seen) -> bool,
) -> Result<Vec<(&'s Seen, Relation)>, GateError> {
    let binding = &proposal.binding;
    let other = |why: &str| Relation::Other(why.to_owned());
    // For each person: what was related by a merge, of approvals and of what says no, and what is told only.
    let mut taken: BTreeMap<(&str, Work), usize> = BTreeMap::new();
    let mut room = |seen: &'s Seen, work: Work| {
        let number = taken.entry((&seen.person, work)).or_default();
        *number += 1;
        *number <= Limits::EACH
    };
    let mut found = Vec::new();
    for seen in all.iter().rev().copied().filter(|seen| seen.approval.of.target == binding.target) {
        let approves = seen.approval.decision == ApprovalDecision::Approve;
        let relation = match seen.approval.decision {
            // It is of another statement, and not of a proposal.
            ApprovalDecision::Withdraw => other("it takes something back"),
            // Whatever it is of else, it is of this head.
            ApprovalDecision::Reject if seen.approval.of.head == binding.head => other("it is of this head"),
            _ if approves && !could_count(seen) => other("it could not count here"),
            _ => match related_at_hand(&seen.approval, proposal) {
                Some(relation) => relation,
                None if approves && !keeps => other("the target has changed since"),
                None if room(seen, if approves { Work::Approval } else { Work::Refusal }) => {
                    relate(view, &seen.approval, proposal)?
                }
                None => other("it is of another base, and too many newer ones are too"),
            },
        };
        // Approvals that do not count are kept so that whoever pushes is told why, and a few are enough for that.
        if !approves || !matches!(relation, Relation::Other(_)) || room(seen, Work::Told) {
            found.push((seen, relation));
        }
    }
    Ok(found)
}

/// What one person's statements are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Approval,
    Refusal,
    Told,
}
