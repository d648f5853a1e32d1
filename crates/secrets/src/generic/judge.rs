//! Values: what was assigned, judged by what it looks like.

use provost_model::Confidence;

use super::Class;
use super::forms;
use super::notation::{Literal, Notation, VALUE};
use crate::context::Kind;
use crate::value;

/// Judges a value by what it looks like.
pub(super) fn judge(
    class: Class,
    kind: Kind,
    name: &[u8],
    bytes: &[u8],
    literal: &Literal,
) -> Option<(Confidence, String)> {
    let text = &bytes[literal.from..literal.to];
    let length = text.len();
    if !(4..=VALUE).contains(&length) || value::is_nothing(text) {
        return None;
    }
    // Only a password may hold what no machine would put in; what holds words is text for people.
    let foreign = text.iter().any(|b| !b.is_ascii() || *b == b' ');
    let digit = text.iter().any(u8::is_ascii_digit);
    if text.iter().any(|b| b.is_ascii_control())
        || foreign
            && (class == Class::Token
                || !literal.quoted
                || !digit
                || length > 64
                || text.iter().filter(|b| **b == b' ').count() > 2)
    {
        return None;
    }
    if value::template(text).is_some() || looks_like_something_else(text, literal.quoted) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let bare_name: Vec<u8> = name.to_ascii_lowercase().into_iter().filter(u8::is_ascii_alphanumeric).collect();
    let bare_value: Vec<u8> = lower.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    if bare_name == bare_value || bare_value.len() < 3 || memchr::memmem::find(&bare_name, &bare_value).is_some() {
        return None;
    }
    // The name of a variable: NAMES_IN_CAPITALS.
    if text.contains(&b'_') && text.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_') {
        return None;
    }
    let said = |confidence, why: &str| Some((confidence, why.to_owned()));
    let random = value::randomness(text);
    let wordy = value::reads_like_words(text);
    let placeholder = value::placeholder(text);
    match class {
        Class::Key => {
            if let Some(why) = forms::contradicts(name, text) {
                return said(Confidence::Weak, why);
            }
            let fits = literal.quoted && (20..=256).contains(&length) && !wordy && !value::is_uuid(text);
            let sure = fits && placeholder.is_none() && random >= 0.8 && value::entropy(text) >= 3.3;
            if sure { said(Confidence::Likely, "a random value is called a key") } else { None }
        }
        Class::Token => {
            if let Some(why) = forms::contradicts(name, text) {
                return said(Confidence::Weak, why);
            }
            if let Some(doubt) = placeholder {
                let certain = doubt.certain || value::sequential(&lower) > 0.95;
                let confidence = if certain { Confidence::Weak } else { Confidence::Likely };
                return (random >= 0.5 && length >= 12).then(|| (confidence, doubt.why.to_owned()));
            }
            if value::alternates(text) {
                return said(Confidence::Weak, "digits and letters by turns, as people type them");
            }
            if value::is_uuid(text) {
                return said(Confidence::Likely, "a UUID is assigned to a name that speaks of a secret");
            }
            let enough = match length {
                _ if name.to_ascii_lowercase().ends_with(b"nonce") => 0.8,
                16.. => 0.55,
                _ => 0.68,
            };
            // A key of a cipher in digits.
            if text.iter().all(u8::is_ascii_digit) && matches!(length, 16 | 24 | 32) && value::entropy(text) > 2.5 {
                return said(Confidence::Likely, "a key of digits is assigned to a name that speaks of a secret");
            }
            if wordy && random < 0.75 || length < 8 {
                return None;
            }
            if random < enough {
                return None;
            }
            said(Confidence::Likely, "a random value is assigned to a name that speaks of a secret")
        }
        Class::Password => {
            if let Some(doubt) = placeholder {
                return said(Confidence::Weak, doubt.why);
            }
            // The hash of a password is what should be there; other rules judge it.
            if text[0] == b'$' && text.iter().filter(|b| **b == b'$').count() >= 2 {
                return None;
            }
            if literal.notation == Notation::Argument && random < 0.8 {
                return said(Confidence::Weak, "a word is passed along with the name of a password");
            }
            let letter = text.iter().any(u8::is_ascii_alphabetic);
            // In settings even a common word is what is used.
            let is_setting = kind == Kind::Settings && literal.notation == Notation::Assigned;
            if value::is_common(text) && !(is_setting && digit && letter && length >= 6) {
                return said(Confidence::Weak, "a common word is assigned to a name of a password");
            }
            if random >= 0.6 && length >= 8 && !wordy {
                return said(Confidence::Likely, "a random value is assigned to a name of a password");
            }
            let symbol = text.iter().any(u8::is_ascii_punctuation);
            if length >= 6 && letter && digit && (symbol || !wordy || is_setting) {
                return said(Confidence::Likely, "letters and digits are assigned to a name of a password");
            }
            let odd = literal.quoted && text[1..length - 1].iter().any(|b| b"$@!#%^&*~".contains(b));
            if length >= 8 && letter && odd && literal.notation == Notation::Assigned {
                return said(Confidence::Likely, "letters and signs are assigned to a name of a password");
            }
            let speaks =
                ["pass", "pwd", "secret", "token"].iter().any(|w| memchr::memmem::find(&lower, w.as_bytes()).is_some());
            let plain = kind != Kind::Text && literal.notation == Notation::Assigned && letter && length >= 5;
            if plain
                && !speaks
                && !text.iter().any(|b| matches!(b, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'.' | b':'))
            {
                return said(Confidence::Likely, "a word is assigned to a name of a password");
            }
            said(Confidence::Weak, "a word that speaks of a password is assigned to a name of one")
        }
    }
}

/// Paths, addresses, expressions, versions, dates, selectors, colours: things that are assigned to such names and are
/// no secrets.
fn looks_like_something_else(text: &[u8], quoted: bool) -> bool {
    let has = |part: &[u8]| memchr::memmem::find(text, part).is_some();
    let first = text[0];
    let all = |f: fn(&u8) -> bool| text.iter().all(f);
    if has(b"://") || has(b"->") || has(b"::") || has(b"()") || has(b"\\\\") || has(b"=>") || has(b"||") || has(b"&&") {
        return true;
    }
    if first == b'/' && text.len() < 60 && value::reads_like_words(text)
        || text.starts_with(b"./")
        || text.starts_with(b"../")
        || text.starts_with(b"~/")
    {
        return true;
    }
    if matches!(first, b'$' | b'#' | b'-' | b'.') && value::reads_like_words(&text[1..]) {
        return true;
    }
    // Numbers: small ones, and those with points (versions, addresses, dates).
    if all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':' | b'/' | b',' | b'_'))
        && (text.len() < 6 || !all(u8::is_ascii_digit))
    {
        return true;
    }
    // Members of objects and domain names: words with points between them.
    if text.contains(&b'.')
        && text.split(|b| *b == b'.').all(|part| {
            !part.is_empty()
                && !part[0].is_ascii_digit()
                && part.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'[' | b']' | b'$'))
                && value::randomness(part) < 0.5
        })
    {
        return true;
    }
    let ending = text.rsplit(|b| *b == b'.').next().unwrap_or_default();
    if text.contains(&b'.')
        && [
            &b"pem"[..],
            b"key",
            b"crt",
            b"json",
            b"yml",
            b"yaml",
            b"txt",
            b"js",
            b"py",
            b"html",
            b"xml",
            b"conf",
            b"php",
        ]
        .contains(&ending)
    {
        return true;
    }
    // Mail addresses.
    if text.iter().filter(|b| **b == b'@').count() == 1
        && ending.len() <= 4
        && text.contains(&b'.')
        && ending.iter().all(u8::is_ascii_lowercase)
    {
        return true;
    }
    // Words with slashes between them: media types, paths.
    if text.contains(&b'/') && value::reads_like_words(text) && !text.contains(&b'=') {
        return true;
    }
    !quoted && (text.contains(&b'[') || text.ends_with(b":") || is_type(text))
}

/// A type that must not be null: `String!`.
fn is_type(text: &[u8]) -> bool {
    text.strip_suffix(b"!").is_some_and(|name| name.iter().all(u8::is_ascii_alphabetic))
}
