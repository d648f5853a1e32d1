//! Text for people: nothing a hostile file name or a foreign document says may steer a terminal.

use std::fmt::Write as _;

/// Makes foreign text safe to print: control characters, escape sequences and the Unicode characters that
/// reorder or hide text (bidirectional controls, zero-width characters) become `\u{…}`.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hides = matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{61c}'
            // Hyphens, joiners and fillers that are not drawn, and the tag characters.
            | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}');
        if c.is_control() || hides {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    // A CI system takes a line that begins so, or holds the older form anywhere, for a command of the workflow.
    if out.trim_start().starts_with("::") {
        out = out.replacen(':', "\\u{3a}", 1);
    }
    if out.contains("##[") { out.replace("##[", "\\u{23}#[") } else { out }
}

/// `1 file`, `2 files`: a number with its noun.
pub fn count(number: u64, singular: &str, plural: &str) -> String {
    if number == 1 { format!("1 {singular}") } else { format!("{} {plural}", grouped(number)) }
}

/// A size for people, in powers of 1000 as disks are labelled: `205 MB`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 || value >= 99.5 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_cannot_be_steered() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(printable("safe\u{202e}txt.exe"), "safe\\u{202e}txt.exe");
        assert_eq!(printable("a\u{ad}b\u{3164}\u{e0041}"), "a\\u{ad}b\\u{3164}\\u{e0041}");
        assert_eq!(printable("Grüße 世界"), "Grüße 世界");
    }

    #[test]
    fn no_line_is_a_command_of_the_workflow() {
        assert_eq!(printable("::error::x"), "\\u{3a}:error::x");
        assert_eq!(printable("  ::set-env name=A::b"), "  \\u{3a}:set-env name=A::b");
        assert_eq!(printable("a ##[error]b"), "a \\u{23}#[error]b");
        assert_eq!(printable("std::fs"), "std::fs");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(count(1, "file", "files"), "1 file");
        assert_eq!(count(12_345, "file", "files"), "12,345 files");
        assert_eq!(human_bytes(0), "0 B");
        assert_eq!(human_bytes(999), "999 B");
        assert_eq!(human_bytes(1_500), "1.5 kB");
        assert_eq!(human_bytes(204_800_000), "205 MB");
    }
}
