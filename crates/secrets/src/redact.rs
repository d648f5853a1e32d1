//! The line that a secret was found in, as it may be shown.

use provost_model::{Excerpt, printable};

use crate::engine::{By, Match};
use crate::value;

/// Bytes before and after the secret that are shown at most.
const BEFORE: usize = 80;
const AFTER: usize = 40;
/// So many secrets of a text are looked for once more on a line.
const REPEATED: usize = 64;
/// What stands for a secret.
const MASK: &str = "••••••••";
/// The longest beginning that `show` can give away.
const SHOWN: usize = 6;

/// The line around a match, with every secret of it masked, and whatever else on it looks random.
pub(crate) fn excerpt(bytes: &[u8], one: &Match, all: &[Match], show: usize) -> Excerpt {
    let start = one.start.min(bytes.len());
    let end = one.end.clamp(start, bytes.len());
    let line_start = memchr::memrchr(b'\n', &bytes[..start]).map_or(0, |at| at + 1);
    let from = line_start.max(start.saturating_sub(BEFORE));
    let line_end = memchr::memchr(b'\n', &bytes[end..]).map_or(bytes.len(), |at| end + at);
    let to = line_end.min(end + AFTER);
    let mut text = String::new();
    if from > line_start {
        text.push('…');
    }
    text.push_str(&masked(bytes, from, start, all, one));
    // Blanks in front only move the line about.
    let text_start = text.len() - text.trim_start().len();
    text.drain(..text_start);
    let begin = text.chars().count();
    if one.decoded.is_empty() && show > 0 && one.secret.len() >= 16 {
        let shown = String::from_utf8_lossy(&one.secret[..show.min(SHOWN).min(one.secret.len() / 4)]).into_owned();
        text.push_str(&printable(&shown));
    }
    text.push_str(MASK);
    let finish = text.chars().count();
    // What follows a value that only its name gave away may be the rest of it.
    if matches!(one.by, By::Generic(_)) {
        if end < line_end {
            text.push('…');
        }
    } else {
        text.push_str(&masked(bytes, end, to, all, one));
        if to < line_end {
            text.push('…');
        }
    }
    Excerpt { text: text.trim_end().to_owned(), start: begin, end: finish }
}

/// A stretch of a line, with what is or looks like another secret masked.
fn masked(bytes: &[u8], from: usize, to: usize, all: &[Match], but: &Match) -> String {
    let mut out = Vec::new();
    let mut at = from;
    let mut others: Vec<(usize, usize)> = all
        .iter()
        .filter(|other| other.start < to && other.end > from && (other.start, other.end) != (but.start, but.end))
        .map(|other| (other.start.max(from), other.end.min(to)))
        .collect();
    // The same values once more, where no name gave them away.
    for secret in std::iter::once(&but.secret)
        .chain(all.iter().map(|other| &other.secret))
        .filter(|s| s.len() >= 4)
        .take(REPEATED)
    {
        let again = memchr::memmem::find_iter(&bytes[from..to], secret);
        others.extend(again.map(|at| (from + at, from + at + secret.len())));
    }
    others.sort_unstable();
    for (start, end) in others {
        if start >= at {
            out.extend(plain(&bytes[at..start]));
            out.extend_from_slice(MASK.as_bytes());
        }
        at = at.max(end);
    }
    out.extend(plain(&bytes[at.min(to)..to]));
    printable(&String::from_utf8_lossy(&out).replace(['\r', '\t'], " "))
}

/// Words that look random are masked too: what was not recognised may still be a secret.
fn plain(text: &[u8]) -> Vec<u8> {
    let is_word = |b: &u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'+' | b'/' | b'=' | b'_' | b'-' | b'!' | b'#' | b'%' | b'^' | b'*' | b'~')
    };
    let mut out = Vec::with_capacity(text.len());
    for part in text.chunk_by(|a, b| is_word(a) == is_word(b)) {
        if part.len() >= 12 && is_word(&part[0]) && value::randomness(part) >= 0.5 {
            out.extend_from_slice(MASK.as_bytes());
        } else {
            out.extend_from_slice(part);
        }
    }
    out
}
