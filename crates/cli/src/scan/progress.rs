//! One line of progress, on a terminal only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use provost_model::{count, human_bytes};
use provost_scan::Tally;

/// A scan that is done before that shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Runs the work, showing how far it has come.
pub(crate) fn during<T>(quiet: bool, tally: &Tally, work: impl FnOnce() -> T) -> T {
    let wanted = !quiet && std::io::IsTerminal::is_terminal(&std::io::stderr());
    if !wanted {
        return work();
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| show(tally, &over));
        let result = work();
        over.store(true, Ordering::Release);
        watcher.thread().unpark();
        result
    })
}

fn show(tally: &Tally, over: &AtomicBool) {
    let begun = Instant::now();
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    while !over.load(Ordering::Acquire) {
        std::thread::park_timeout(Duration::from_millis(100));
        if begun.elapsed() < PATIENCE {
            continue;
        }
        let read = |number: &std::sync::atomic::AtomicU64| number.load(Ordering::Relaxed);
        let bytes = read(&tally.bytes);
        let rate = bytes as f64 / begun.elapsed().as_secs_f64();
        let of = read(&tally.files);
        let of = if of > 0 { format!(" of {of}") } else { String::new() };
        bar.set_message(format!(
            "scanning: {}{of} done, {} at {}/s, {}",
            count(read(&tally.done), "input", "inputs"),
            human_bytes(bytes),
            human_bytes(rate as u64),
            count(read(&tally.findings), "finding", "findings"),
        ));
        bar.tick();
    }
    bar.finish_and_clear();
}
