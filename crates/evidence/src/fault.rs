//! Fault points: in builds with the feature `fault-injection`, `PROVOST_FAULT=<n>` makes the n-th point that is
//! passed end the process with SIGKILL, as a power cut would.

/// Passes a point where a crash must do no harm.
#[cfg(not(feature = "fault-injection"))]
#[inline]
pub fn point(_name: &str) {}

/// Passes a point where a crash must do no harm.
#[cfg(feature = "fault-injection")]
pub fn point(_name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static TARGET: OnceLock<Option<u64>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let target = TARGET.get_or_init(|| std::env::var("PROVOST_FAULT").ok().and_then(|n| n.parse().ok()));
    if let Some(target) = target
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *target
    {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    }
}
