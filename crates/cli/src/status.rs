//! One line of status while the command runs, on a terminal only.
//!
//! The command writes to the same terminal. The line stands in the last row, which is taken out of what scrolls
//! (DECSTBM), so that it neither gets between the command's lines nor into the scrollback; in the end the row is given
//! back empty, and the cursor is where the command left it.

use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use nix::sys::termios::{LocalFlags, tcgetattr};
use provost_model::count;
use provost_trace::observe::Live;

use crate::render;

/// A command that is done before that has no line.
const PATIENCE: Duration = Duration::from_secs(1);
/// A terminal of fewer rows or columns is left alone.
const LEAST: (u16, u16) = (4, 30);

/// The line.
pub(crate) struct StatusLine {
    wanted: bool,
    colour: bool,
    started: Instant,
    /// Rows of the terminal when the last one was taken; 0 while it is not.
    taken: Cell<u16>,
}

impl StatusLine {
    /// Shown unless there is no terminal that can, or nobody who looks: a CI system records what a terminal would draw.
    pub(crate) fn new(quiet: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let able = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
        Self {
            wanted: !quiet && able && !set("CI") && std::io::stderr().is_terminal(),
            colour: !set("NO_COLOR"),
            started: Instant::now(),
            taken: Cell::new(0),
        }
    }

    pub(crate) fn is_shown(&self) -> bool {
        self.wanted
    }

    /// Draws it anew.
    pub(crate) fn show(&self, now: Live) {
        if !self.wanted || self.started.elapsed() < PATIENCE {
            return;
        }
        let size = terminal_size::terminal_size_of(std::io::stderr()).map(|(width, height)| (height.0, width.0));
        let Some((rows, columns)) = size.filter(|size| size.0 >= LEAST.0 && size.1 >= LEAST.1 && may_draw()) else {
            self.clear();
            return;
        };
        let mut out = String::new();
        if self.taken.get() != rows {
            self.clear();
            out += &take(rows);
            self.taken.set(rows);
        }
        let text = text(now, self.started.elapsed().as_secs(), usize::from(columns) - 1, self.colour);
        out += &format!("\x1b7\x1b[{rows};1H\x1b[2K{text}\x1b8");
        put(&out);
    }

    /// Takes it away.
    pub(crate) fn clear(&self) {
        let rows = self.taken.replace(0);
        if rows > 0 {
            put(&format!("\x1b7\x1b[r\x1b[{rows};1H\x1b[2K\x1b8"));
        }
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Takes the last row out of what scrolls. Should the cursor stand there, all goes up by one first: down a row and up
/// again, which changes no column, in case the command is in the middle of a line.
fn take(rows: u16) -> String {
    format!("\x1bD\x1b[A\x1b7\x1b[1;{}r\x1b8", rows - 1)
}

/// False while another program has the terminal to itself: one that draws whole screens, or a shell's next job.
fn may_draw() -> bool {
    let stderr = std::io::stderr();
    let lines = tcgetattr(&stderr).is_ok_and(|modes| modes.local_flags.contains(LocalFlags::ICANON));
    lines && nix::unistd::tcgetpgrp(&stderr).is_ok_and(|group| group == nix::unistd::getpgrp())
}

fn text(now: Live, seconds: u64, most: usize, colour: bool) -> String {
    let mut parts = vec![
        format!("{}:{:02}", seconds / 60, seconds % 60),
        format!("{}, {} running", count(now.processes as u64, "process", "processes"), now.running),
        count(now.files as u64, "file", "files"),
        count(now.connections as u64, "connection", "connections"),
    ];
    if now.violations > 0 {
        // First: it is what must not be cut.
        parts.insert(1, count(now.violations as u64, "violation", "violations"));
    }
    let plain: String = format!("provost {}", parts.join(" · ")).chars().take(most).collect();
    if !colour {
        return plain;
    }
    let rest = plain.strip_prefix("provost").unwrap_or(&plain);
    let styled = format!("{}{rest}", render::dim("provost"));
    match parts.get(1).filter(|_| now.violations > 0) {
        Some(violations) => styled.replacen(violations.as_str(), &render::warning(violations), 1),
        None => styled,
    }
}

/// In one piece, so that nothing of the command gets between. A terminal that is gone undoes no run.
fn put(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_short_line() {
        let now = Live { processes: 12_345, running: 3, files: 678, connections: 1, violations: 2 };
        insta::assert_snapshot!(
            text(now, 75, 200, false),
            @"provost 1:15 · 2 violations · 12,345 processes, 3 running · 678 files · 1 connection"
        );
        assert_eq!(text(now, 75, 30, false).chars().count(), 30);
        assert!(text(now, 5, 200, true).contains(&render::warning("2 violations")));
        assert!(!text(now, 5, 200, false).contains('\u{1b}'));
    }
}
