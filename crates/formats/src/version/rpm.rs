//! RPM: `rpmvercmp` and the order of epoch, version and release (rpm-version(7), "Comparison").

use std::cmp::Ordering;

use super::text::{compare_digits, cut_last, take, take_byte, take_digits};

/// Epoch, version and release. A missing release is below every other; a missing epoch is 0.
fn parts(text: &str) -> (&[u8], &[u8], Option<&[u8]>) {
    let mut rest = text.as_bytes();
    let epoch = take_digits(&mut rest);
    let (epoch, rest) = if take_byte(&mut rest, b':') { (epoch, rest) } else { (&b""[..], text.as_bytes()) };
    match cut_last(rest, b'-') {
        Some((version, release)) => (epoch, version, Some(release)),
        None => (epoch, rest, None),
    }
}

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    compare_digits(a.0, b.0).then_with(|| compare_part(a.1, b.1)).then_with(|| match (a.2, b.2) {
        (Some(a), Some(b)) => compare_part(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    })
}

/// What stands next, in the order that it has: a tilde below the end, the end below a caret, words below numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Tilde,
    End,
    Caret,
    Word,
    Number,
}

fn next(rest: &mut &[u8]) -> Next {
    take(rest, |byte| !byte.is_ascii_alphanumeric() && byte != b'~' && byte != b'^');
    match rest.first() {
        None => Next::End,
        Some(b'~') => Next::Tilde,
        Some(b'^') => Next::Caret,
        Some(byte) if byte.is_ascii_digit() => Next::Number,
        Some(_) => Next::Word,
    }
}

fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let (first, second) = (next(&mut a), next(&mut b));
        if first != second {
            return first.cmp(&second);
        }
        let order = match first {
            Next::End => return Ordering::Equal,
            Next::Tilde | Next::Caret => {
                (a, b) = (&a[1..], &b[1..]);
                Ordering::Equal
            }
            Next::Number => compare_digits(take_digits(&mut a), take_digits(&mut b)),
            Next::Word => {
                let is_letter = |byte: u8| byte.is_ascii_alphabetic();
                take(&mut a, is_letter).cmp(take(&mut b, is_letter))
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Digits as epoch, and versions and releases of the characters that rpmbuild allows.
pub(super) fn is_valid(text: &str) -> bool {
    let (_, version, release) = parts(text);
    let fits = |part: &[u8]| {
        !part.is_empty() && part.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._+~^%{}".contains(byte))
    };
    fits(version) && release.is_none_or(fits) && !text.starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        let ascending = "1.0~rc1 1.0~rc1^git1 1.0 1.0-0 1.0-1 1.0-1.el9 1.0-1.el9_1 1.0-1.el9_2.1 1.0-10 1.0^ 1.0^a \
            1.0^git1~p 1.0^git1 1.0a 1.0.1 2 10 1:0.1";
        super::super::tests::ascending(compare, ascending);
        for (a, b) in [("1.0", "1_0"), ("1.05", "1.5"), ("0:1", "1"), ("1.0.", "1.0"), ("1a1", "1.a.1"), ("", ".")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
        assert!(is_valid("1:1.0~rc1-1.el9") && !is_valid("a:1-1") && !is_valid("1.0-") && !is_valid(""));
    }
}
