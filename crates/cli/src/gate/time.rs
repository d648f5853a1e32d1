//! What time it is, and on whose word. What has to wait, waits by a time that the proposer cannot choose.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use provost_evidence::Store;
use provost_gate::{Binding, Ledger};
use provost_keys::cms::TimestampToken;
use provost_model::Timestamp;
use provost_policy::{Policy, TimeSource};

use crate::clock;

/// The times that a decision goes by.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    /// Now.
    pub(crate) now: (Timestamp, TimeSource),
    /// A time that is proved to be past.
    pub(crate) past: Option<(Timestamp, TimeSource)>,
    /// When this was first proposed.
    pub(crate) first_seen: Option<(Timestamp, TimeSource)>,
    /// What people should know.
    pub(crate) notes: Vec<String>,
}

/// Finds the times out. `vouched` says that a server or gate of the policy signs what is decided now, and so its time.
///
/// # Errors
/// A token that was given does not hold.
pub(crate) fn find(
    policy: &Policy,
    binding: &Binding,
    ledger: &Ledger,
    store: Option<&Store>,
    vouched: bool,
    tokens: &[PathBuf],
) -> Result<Times> {
    let mut notes = Vec::new();
    let clock = clock::now();
    let now = ledger.now(clock);
    if now > clock {
        notes.push(format!("this clock ({clock}) is behind the newest entry of the log ({now}): judged as of that"));
    }
    let trusted = &policy.access.gate.time;
    let mut first = ledger.first_seen(binding)?;
    let mut past: Option<(Timestamp, TimeSource)> = None;
    let mut proved = |at: Timestamp, source: TimeSource| {
        if trusted.contains(&source) && past.is_none_or(|(other, _)| at > other) {
            past = Some((at, source));
        }
    };
    if let Some(store) = store.filter(|_| !policy.witnesses.is_empty()) {
        let cosigned = store.checkpoint()?.cosignatures(&policy.witnesses);
        if let Some(newest) = cosigned.ok().and_then(|list| list.iter().map(|one| one.time).max()) {
            proved(newest, TimeSource::Witness);
        }
    }
    for path in tokens {
        let roots = &policy.access.gate.timestamp_roots;
        if roots.is_empty() {
            bail!("--timestamp: the policy names no time-stamping authority: `timestamp-roots` in its `[gate]`");
        }
        let bytes = crate::input::read(path, 1 << 20)?;
        let verified = TimestampToken::from_der(&bytes)
            .and_then(|token| token.verify_digest(&binding.digest(), &[], roots))
            .with_context(|| format!("{} is no timestamp of this proposal ({})", path.display(), binding.digest()))?;
        let off = i64::try_from(verified.accuracy_milliseconds.unwrap_or(0)).unwrap_or(i64::MAX);
        // As late as it may have been for the proposal, as early as it may be now.
        let source = TimeSource::TimestampAuthority;
        proved(verified.time.plus_milliseconds(off.saturating_neg()), source);
        let seen = verified.time.plus_milliseconds(off);
        let better = first.is_none_or(|(at, old)| !trusted.contains(&old) || (trusted.contains(&source) && seen < at));
        if better {
            first = Some((seen, source));
        }
    }
    let source = if vouched { TimeSource::Log } else { TimeSource::Clock };
    Ok(Times { now: (now, source), past, first_seen: first, notes })
}
