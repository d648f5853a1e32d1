//! Values: what is a placeholder, what is a word, what is random.

use crate::bigrams::SURPRISE;

/// Shannon entropy in bits a byte.
pub(crate) fn entropy(text: &[u8]) -> f64 {
    if text.is_empty() {
        return 0.0;
    }
    let mut counts = [0_u32; 256];
    for b in text {
        counts[usize::from(*b)] += 1;
    }
    let total = text.len() as f64;
    counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) / total).map(|p| -p * p.log2()).sum()
}

fn class(byte: u8) -> usize {
    match byte {
        b'a'..=b'z' => usize::from(byte - b'a'),
        b'A'..=b'Z' => usize::from(byte - b'A'),
        b'0'..=b'9' => 26,
        _ => 27,
    }
}

/// What a digit after a digit costs, in sixteenths of a bit.
const DIGITS: u8 = 77;

/// Mean surprise of the pairs of a text, in bits: about 3.5 to 4.2 for identifiers and words, above 5 for random text.
pub(crate) fn surprise(text: &[u8]) -> f64 {
    if text.len() < 2 {
        return 0.0;
    }
    // One digit follows another in most names that have any: that says nothing of the name.
    let cost =
        |p: &[u8]| if class(p[0]) == 26 && class(p[1]) == 26 { DIGITS } else { SURPRISE[class(p[0])][class(p[1])] };
    let sum: u32 = text.windows(2).map(|p| u32::from(cost(p))).sum();
    f64::from(sum) / 16.0 / (text.len() - 1) as f64
}

/// How many changes between lower case, upper case, digits and others there are.
pub(crate) fn changes(text: &[u8]) -> usize {
    let kind = |b: u8| match b {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    text.windows(2).filter(|p| kind(p[0]) != kind(p[1])).count()
}

pub(crate) fn is_hex(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_hexdigit)
        && (!text.iter().any(u8::is_ascii_lowercase) || !text.iter().any(u8::is_ascii_uppercase))
}

fn contains(text: &[u8], word: &str) -> bool {
    memchr::memmem::find(text, word.as_bytes()).is_some()
}

/// Words by which people mark what is no secret. Compared in lower case, as parts.
#[rustfmt::skip]
const MARKS: &[&str] = &[
    "example", "placeholder", "changeme", "change_me", "change-me", "changeit", "replace", "insert", "redacted",
    "dummy", "fixme", "todo", "your_", "your-", "yourpass", "yoursecret", "yourtoken", "your api", "yourapi",
    "yourkey", "my_secret", "mysecret", "my-secret", "sample", "foobar", "notreal", "not-real", "not_real", "fake",
    "invalidinvalid", "xxxx", "****", "....", "----", "____", "aaaaaa", "000000", "not_a_", "not-a-", "lorem", "ipsum", "undefined",
    "deadbeef", "cafebabe", "<secret", "goes_here", "goes-here", "goeshere", "<your", "enter_", "some_", "some-",
];

/// Sequences as people type them. Compared in lower case.
#[rustfmt::skip]
const SEQUENCES: &[&str] = &[
    "123456789", "0123456", "abcdefg", "qwertyu", "asdfghj", "zxcvbnm", "987654321", "1a2b3c4d", "a1b2c3d4",
    "abcd1234", "1234abcd", "abc123abc", "12345abc", "q1w2e3r4",
];

/// True for text that spells out that it is no secret, in more letters than chance puts together: a right checksum says nothing
/// then, since anybody can compute one.
pub(crate) fn spells_it_out(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    let long = MARKS.iter().filter(|mark| mark.len() >= 7 && mark.bytes().all(|b| b.is_ascii_lowercase()));
    long.into_iter().any(|mark| contains(&lower, mark))
}

/// True for text that says that it is an example.
pub(crate) fn marks_example(text: &[u8]) -> bool {
    contains(&text.to_ascii_lowercase(), "example")
}

/// What speaks against a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// In words.
    pub why: &'static str,
    /// True when it certainly is no secret; false when it was typed by a person, who may use it as one.
    pub certain: bool,
}

/// Why a value that matches a provider's form is perhaps no secret.
pub(crate) fn placeholder(value: &[u8]) -> Option<Doubt> {
    let doubt = |why, certain| Some(Doubt { why, certain });
    if let Some(why) = template(value) {
        return doubt(why, true);
    }
    let lower = value.to_ascii_lowercase();
    if MARKS.iter().any(|word| contains(&lower, word)) {
        return doubt("a word that marks an example or a placeholder", true);
    }
    let body = lower.iter().rposition(|b| matches!(b, b'_' | b'-')).map_or(&lower[..], |at| &lower[at + 1..]);
    let body = if body.len() < 8 { &lower[..] } else { body };
    if repeated(body) {
        return doubt("repeated characters", true);
    }
    SEQUENCES
        .iter()
        .any(|word| contains(&lower, word))
        .then_some(Doubt { why: "sequential characters, as people type them", certain: false })
}

/// The share of characters that follow from the one before or the one before that: `abcdef`, `a1b2c3d4`.
pub(crate) fn sequential(text: &[u8]) -> f64 {
    let follows = |at: usize, distance: usize| {
        at >= distance && {
            let (before, now) = (text[at - distance], text[at]);
            now == before.wrapping_add(1) || (before == b'9' && now == b'0')
        }
    };
    let count = (0..text.len()).filter(|at| follows(*at, 1) || follows(*at, 2)).count();
    count as f64 / text.len().max(1) as f64
}

/// True for a hexadecimal number whose digits and letters stand by turns far more often than chance has it: one in some
/// thousand of random ones.
pub(crate) fn alternates(value: &[u8]) -> bool {
    if value.len() < 16 || !is_hex(value) {
        return false;
    }
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count() as f64 / value.len() as f64;
    let pairs = (value.len() - 1) as f64;
    // Ten of sixteen characters are digits.
    let chance = 2.0 * 0.625 * 0.375;
    let deviation = (pairs * chance * (1.0 - chance)).sqrt();
    (0.3..=0.8).contains(&digits) && changes(value) as f64 > pairs * chance + 3.0 * deviation
}

/// True when few different characters make it up, or a short piece is repeated.
pub(crate) fn repeated(text: &[u8]) -> bool {
    if text.len() < 4 {
        return false;
    }
    let mut seen = [false; 256];
    text.iter().for_each(|b| seen[usize::from(*b)] = true);
    let different = seen.iter().filter(|s| **s).count();
    let longest_run = text.chunk_by(|a, b| a == b).map(<[u8]>::len).max().unwrap_or_default();
    let periodic = (1..=text.len() / 3).take(16).any(|period| text.iter().zip(&text[period..]).all(|(a, b)| a == b));
    different * 5 < text.len().min(40)
        || longest_run * 2 > text.len()
        || longest_run >= 6 && text.len() < 40
        || periodic
}

/// True for text that a program puts another value into, or that stands for one.
pub(crate) fn template(value: &[u8]) -> Option<&'static str> {
    // A shell's text that is interrupted for a variable: `"'$PASSWORD'"`.
    let value = unquoted(value);
    let first = value.first().copied().unwrap_or_default();
    let last = value.last().copied().unwrap_or_default();
    let found = (first == b'<' && last == b'>')
        || (first == b'[' && last == b']')
        || (first == b'{' && last == b'}')
        || (first == b'%' && last == b'%' && value.len() > 2)
        || (first == b'$'
            && value.len() > 1
            && value[1..].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
            && !value[1..].iter().any(u8::is_ascii_digit))
        || (first == b'@' && last == b'@')
        || (first == b'_' && last == b'_')
        || (first == b':' && value[1..].iter().all(|b| b.is_ascii_alphabetic() || *b == b'_'))
        || holds_named_format(value)
        || ["${", "$(", "#{", "{{", "}}", "<%", "%>", "%s", "%d", "%v", "{0}", "{1}", "$[", "@{", "!!", "<<"]
            .iter()
            .any(|part| contains(value, part));
    found.then_some("a template: another value is put in here")
}

/// Python's `%(name)s`.
fn holds_named_format(value: &[u8]) -> bool {
    memchr::memmem::find_iter(value, b"%(").any(|at| {
        let rest = &value[at + 2..];
        let name = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        name > 0 && rest.get(name) == Some(&b')')
    })
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'\'' | b'"', inner @ .., b'\'' | b'"'] => unquoted(inner),
        _ => value,
    }
}

/// Words that stand for nothing.
#[rustfmt::skip]
const NOTHING: &[&str] = &[
    "null", "none", "nil", "true", "false", "undefined", "empty", "optional", "required", "string", "default",
    "unknown", "unset", "disabled", "enabled", "yes", "no", "n/a", "hidden", "masked", "secret", "password", "passwd",
    "token", "key", "value", "text", "username", "user", "admin", "root", "test", "pass", "pwd", "auth", "bearer",
    "basic", "apikey", "api_key", "credentials", "boolean", "integer", "number", "object", "array", "int", "str",
    "bool", "byte", "bytes", "foo", "bar", "baz", "qux", "abc", "xyz", "hello", "world", "data", "name", "email",
    "login", "anonymous", "guest", "public", "private", "internal", "external", "static", "dynamic", "manual", "auto",
    "prompt",
];

/// What people take for passwords when it does not matter.
#[rustfmt::skip]
const COMMON: &[&str] = &[
    "admin", "administrator", "pass", "passw", "password", "passwd", "pwd", "root", "test", "testing", "tester",
    "abc", "abcd", "letmein", "asdf", "asd", "qwerty", "qwe", "user", "guest", "demo", "secret", "foo", "bar",
    "foobar", "hello", "hunter", "welcome", "changeme", "default", "new", "old", "my", "mypass", "newpass", "oldpass",
    "some", "invalid", "wrong", "weak", "strong", "valid", "correct", "incorrect", "required", "confirmed",
    "username", "temp", "tmp", "dev", "prod", "staging", "local", "login", "secure", "pw", "passphrase", "example",
    "testpass", "userpass", "key", "supersecret", "topsecret", "verysecret",
];

/// True for a common word, alone or with up to four digits, or a few digits; signs may stand for letters.
pub(crate) fn is_common(value: &[u8]) -> bool {
    let folded: Vec<u8> = value.iter().map(|b| if *b == b'$' { b's' } else { *b }).collect();
    let value = if value.starts_with(b"$") { value } else { &folded };
    let letters: Vec<u8> = value.iter().filter(|b| b.is_ascii_alphabetic()).map(u8::to_ascii_lowercase).collect();
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let others = value.len() - letters.len() - digits;
    (letters.is_empty() && others == 0 && digits <= 10)
        || (digits <= 4 && others <= 2 && COMMON.iter().any(|word| word.as_bytes() == letters))
}

/// True for words that stand for nothing.
pub(crate) fn is_nothing(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    NOTHING.iter().any(|word| word.as_bytes() == lower)
}

/// True for a UUID of any version.
pub(crate) fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// True when it reads like words: identifiers in any case style, paths, sentences. Digits at the end of a word count as
/// part of it.
pub(crate) fn reads_like_words(value: &[u8]) -> bool {
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = value.iter().filter(|b| b.is_ascii_alphabetic()).count();
    if letters == 0 {
        return false;
    }
    let other = value.len() - digits - letters;
    if digits * 4 > value.len() {
        return false;
    }
    let words: Vec<&[u8]> = words(value);
    let average = letters as f64 / words.len().max(1) as f64;
    // Short bits between changes of case are the mark of random text.
    average >= 3.0 && surprise(value) < 4.9 && other * 2 <= value.len()
}

/// The words of an identifier: `apiKey_v2` → `api`, `Key`, `v`.
pub(crate) fn words(text: &[u8]) -> Vec<&[u8]> {
    let mut words = Vec::new();
    let mut start = None;
    for i in 0..text.len() {
        let b = text[i];
        if !b.is_ascii_alphabetic() {
            if let Some(from) = start.take() {
                words.push(&text[from..i]);
            }
            continue;
        }
        if let Some(from) = start {
            let previous = text[i - 1];
            let next_is_lower = text.get(i + 1).is_some_and(u8::is_ascii_lowercase);
            let hump = b.is_ascii_uppercase() && (previous.is_ascii_lowercase() || next_is_lower);
            if hump && i > from {
                words.push(&text[from..i]);
                start = Some(i);
            }
        } else {
            start = Some(i);
        }
    }
    if let Some(from) = start {
        words.push(&text[from..]);
    }
    words
}

/// How random a value looks, 0 to 1. Mixed digits and letters, rare pairs, many changes of class.
pub(crate) fn randomness(value: &[u8]) -> f64 {
    if value.len() < 6 {
        return 0.0;
    }
    let length = value.len() as f64;
    if is_hex(value) && value.len() >= 16 {
        let digits = value.iter().filter(|b| b.is_ascii_digit()).count() as f64 / length;
        // Ten of sixteen are digits: far from that it is a word or a number.
        return if (0.3..=0.9).contains(&digits) && entropy(value) > 2.8 { 1.0 } else { 0.2 };
    }
    let surprise = ((surprise(value) - 4.2) / 1.6).clamp(0.0, 1.0);
    let changes = (changes(value) as f64 / (length - 1.0) / 0.35).clamp(0.0, 1.0);
    let variety = (entropy(value) / length.log2()).clamp(0.0, 1.0);
    let mixed = f64::from(u8::from(value.iter().any(u8::is_ascii_digit)));
    0.5 * surprise + 0.25 * changes + 0.15 * ((variety - 0.6) / 0.3).clamp(0.0, 1.0) + 0.1 * mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_and_not() {
        for random in ["h4Kq0zPx9WvT2mLr", "9f86d081884c7d659a2feaa0c55ad015", "Zx8-kQ2_vT7pLm3wR9", "kX9mQ2vL7pRt"] {
            assert!(randomness(random.as_bytes()) > 0.6, "{random} {}", randomness(random.as_bytes()));
        }
        for word in ["getUserAuthenticationToken", "access_token_secret", "application/json", "my-secret-name"] {
            assert!(randomness(word.as_bytes()) < 0.4, "{word} {}", randomness(word.as_bytes()));
        }
    }

    #[test]
    fn turns_of_digits_and_letters() {
        for typed in ["b4c9a1f7e2d8c3a6", "4d9e2f8a1c7b3e6d0f5a9c2b8d4e1f7a"] {
            assert!(alternates(typed.as_bytes()), "{typed}");
        }
        // SHA-256 of the numbers from 0 to 9, cut: none of them.
        for number in 0..10_u8 {
            use sha2::Digest as _;
            let text: String = sha2::Sha256::digest([number]).iter().map(|b| format!("{b:02x}")).collect();
            assert!(!alternates(&text.as_bytes()[..40]), "{text}");
        }
    }

    #[test]
    fn identifiers_are_cut_into_words() {
        let cut = |text: &'static str| {
            words(text.as_bytes()).into_iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(cut("apiKey_v2"), ["api", "Key", "v"]);
        assert_eq!(cut("HTTPServerURL"), ["HTTP", "Server", "URL"]);
        assert_eq!(cut("AWS_SECRET_KEY"), ["AWS", "SECRET", "KEY"]);
    }

    #[test]
    fn placeholders() {
        for text in [
            "<your-token>",
            "${TOKEN}",
            "xxxxxxxxxxxx",
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_aaaaaaaaaaaaaaaaaaaa",
            "abababababab",
        ] {
            assert!(placeholder(text.as_bytes()).is_some(), "{text}");
        }
        assert_eq!(placeholder(b"h4Kq0zPx9WvT2mLr"), None);
        assert!(template(b"'$DATABASE_PASSWORD'").is_some() && template(b"\"'$PASS'\"").is_some());
        assert!(template(b"'").is_none() && template(b"").is_none());
        assert!(sequential(b"a1b2c3d4e5f6g7h8") > 0.8 && sequential(b"h4Kq0zPx9WvT2mLr") < 0.3);
        assert!(placeholder(b"ghp_0123456789abcdefghij").is_some_and(|doubt| !doubt.certain));
    }
}
