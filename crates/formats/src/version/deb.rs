//! Debian: deb-version(7) of dpkg, "Sorting algorithm" (Debian Policy 5.6.12).
//!
//! An epoch that is no number is compared like the other parts; dpkg refuses it, but takes one with a sign.

use std::cmp::Ordering;

use super::text::{compare_digits, cut, cut_last, is_digits, take_digits};

/// Epoch, upstream version and revision; those that are missing are empty, which compares as 0.
fn parts(text: &str) -> (&[u8], &[u8], &[u8]) {
    let text = text.trim_ascii().as_bytes();
    let (epoch, rest) = cut(text, b':').unwrap_or((b"", text));
    let (upstream, revision) = cut_last(rest, b'-').unwrap_or((rest, b""));
    (epoch, upstream, revision)
}

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    // Nothing is below every version (deb-version(7) does not say so, dpkg does).
    if a.is_empty() || b.is_empty() {
        return b.is_empty().cmp(&a.is_empty());
    }
    let (a, b) = (parts(a), parts(b));
    compare_part(a.0, b.0).then_with(|| compare_part(a.1, b.1)).then_with(|| compare_part(a.2, b.2))
}

/// Where a character stands among others: a tilde below the end, which a digit is too, letters, everything else.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None | Some(b'0'..=b'9') => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !(a.is_empty() && b.is_empty()) {
        loop {
            let (first, second) = (weight(a.first()), weight(b.first()));
            if first != second {
                return first.cmp(&second);
            }
            if first == 0 {
                break;
            }
            (a, b) = (&a[1..], &b[1..]);
        }
        let order = compare_digits(take_digits(&mut a), take_digits(&mut b));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// What dpkg takes: a number as epoch, an upstream version that starts with a digit, no character that is not allowed.
pub(super) fn is_valid(text: &str) -> bool {
    let bytes = text.trim_ascii().as_bytes();
    let (epoch, upstream, revision) = parts(text);
    let epoch_fits = !bytes.contains(&b':') || (is_digits(epoch) && compare_digits(epoch, b"2147483647").is_le());
    let fits = |part: &[u8], more: &[u8]| {
        part.iter().all(|byte| byte.is_ascii_alphanumeric() || b".+~".contains(byte) || more.contains(byte))
    };
    epoch_fits
        && upstream.first().is_some_and(u8::is_ascii_digit)
        && fits(upstream, b"-:")
        && fits(revision, b"")
        && !bytes.ends_with(b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        let ascending = "1.0~~ 1.0~~a 1.0~ 1.0~rc1 1.0 1.0-0+deb11u1 1.0-0.1 1.0-1~bpo1 1.0-1 1.0-1ubuntu1 1.0-1+b1 1.0-10 1.0a \
            1.0+dfsg 1.0.1 1.2 1.10 1:0 1:0.1-1 2:0";
        super::super::tests::ascending(compare, ascending);
        for (a, b) in [("1.0", "0:1.0-0"), ("1.00", "1.0"), ("1.0-", "1.0"), ("01:1", "1:1")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
        for (a, b) in [("1.0-10", "1.0a"), ("1.0a", "1.0+dfsg"), ("1.2", "1.10"), ("1.10", "1:0"), ("1-1-1", "1-1-2")] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
        }
    }

    #[test]
    fn validity() {
        for good in ["1", "1:1.0-1", "1.0-1-2", "1.0~rc1+dfsg-1~bpo12+1", "1:1:1-1"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "a1", ":1", "x:1", "1:", "1.0-", "1_0", "1.0-1_2", "2147483648:1", "1.0 1"] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
