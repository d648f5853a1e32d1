//! The table by which words are told from random text: how likely one character follows another in identifiers and
//! prose of source code.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Letters, one class of digits, one for all else.
const CLASSES: usize = 28;

fn class(byte: u8) -> usize {
    match byte {
        b'a'..=b'z' => usize::from(byte - b'a'),
        b'A'..=b'Z' => usize::from(byte - b'A'),
        b'0'..=b'9' => 26,
        _ => 27,
    }
}

/// Counts pairs within identifiers of at least four characters, each identifier once a file, and writes the table.
///
/// # Errors
/// The directory cannot be read or the table not written.
pub(crate) fn run(directory: &str) -> Result<()> {
    let mut counts = [[0_u64; CLASSES]; CLASSES];
    let mut words = 0_u64;
    let mut waiting = vec![Path::new(directory).to_path_buf()];
    while let Some(path) = waiting.pop() {
        for entry in std::fs::read_dir(&path).with_context(|| path.display().to_string())? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|e| e == "rs" || e == "md" || e == "py" || e == "js" || e == "c") {
                let text = std::fs::read(&path)?;
                let words_of: std::collections::HashSet<&[u8]> = text
                    .split(|b| !b.is_ascii_alphanumeric() && *b != b'_')
                    .filter(|w| w.len() >= 4 && w.len() <= 40 && w.iter().filter(|b| b.is_ascii_digit()).count() < 4)
                    .collect();
                for word in words_of {
                    words += 1;
                    for pair in word.windows(2) {
                        counts[class(pair[0])][class(pair[1])] += 1;
                    }
                }
            }
        }
    }
    let mut out = format!(
        "//! How unlikely one character follows another in identifiers: sixteenths of a bit, from {words} identifiers of\n\
         //! open source (`cargo xtask bigrams DIRECTORY` makes it). Rows and columns: a to z, a digit, anything else.\n\n\
         /// Sixteenths of a bit.\n#[rustfmt::skip]\npub(crate) const SURPRISE: [[u8; {CLASSES}]; {CLASSES}] = [\n"
    );
    for row in &counts {
        let total: u64 = row.iter().sum();
        out.push_str("    [");
        for (i, count) in row.iter().enumerate() {
            let probability = (*count as f64 + 1.0) / (total as f64 + CLASSES as f64);
            let cost = (-probability.log2() * 16.0).round().clamp(0.0, 255.0);
            write!(out, "{}{cost}", if i == 0 { "" } else { ", " })?;
        }
        out.push_str("],\n");
    }
    out.push_str("];\n");
    std::fs::write(crate::root().join("crates/secrets/src/bigrams.rs"), out)?;
    Ok(())
}
