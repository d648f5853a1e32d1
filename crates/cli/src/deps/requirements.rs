//! What bills of materials in the log say of the requirements of SP 800-204D.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use anyhow::Result;
use provost_attest::predicate::{CYCLONEDX, SPDX};
use provost_attest::verify_envelope;
use provost_evidence::Store;
use provost_model::{Timestamp, Verdict, count};
use provost_policy::Policy;

use crate::judge::{envelopes_of, signers_of};
use crate::requirements::{self, Entry, keep};

/// The signed bills of materials of a store as a rule of a verdict, with the newest of them; `None` where there is none. It says
/// that they are kept. Whether they are whole, and reach the users, is not theirs to say.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn verdict(store: &Store, policy: &Policy, now: Timestamp) -> Result<Option<(Verdict, Vec<Entry>)>> {
    let mut newest: Vec<Entry> = Vec::new();
    let (mut number, mut artifacts) = (0_u64, BTreeSet::new());
    envelopes_of(store, &[CYCLONEDX, SPDX], &mut |index, envelope| {
        if let Ok(verified) = verify_envelope(envelope, &signers_of(policy, envelope), 1) {
            number += 1;
            artifacts.extend(verified.value().subject.iter().filter_map(|subject| subject.sha256()));
            keep(&mut newest, (index, verified));
        }
        ControlFlow::<()>::Continue(())
    })?;
    if newest.is_empty() {
        return Ok(None);
    }
    let reason = format!(
        "{} in the log, of {}; that each is whole is not shown by this",
        count(number, "bill of materials", "bills of materials"),
        count(artifacts.len() as u64, "digest", "digests")
    );
    let rule = requirements::rule("dependencies-captured", &["BASE-5"], &newest, reason, "");
    Ok(Some((requirements::verdict(policy, now, vec![rule]), newest)))
}
