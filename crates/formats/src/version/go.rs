//! Go: module versions (Go Modules Reference, "Versions" and "Pseudo-versions": Semantic Versioning with a `v`), and versions of
//! the Go toolchain, which advisories about the standard library are about (go.dev/doc/toolchain, "Go versions").
//!
//! `v` and `go` may be missing, as in OSV's entries. A toolchain's `1.21rc2` is the `1.21.0-rc.2` of those entries. `1.21` is
//! read as 1.21.0; as the version of the language, which nothing is built with, Go puts it below 1.21rc1.

use std::cmp::Ordering;

use super::semver::{self, Parts};
use super::text::{take, take_digits};

fn parts(text: &str) -> (Parts<'_>, bool) {
    let text = text.trim_ascii();
    let toolchain = text.strip_prefix("go").filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    match toolchain {
        // `go1.22.1 X:boringcrypto` and `go1.22.1-vendor` are builds of 1.22.1.
        Some(rest) => (semver::parts(rest.split(['-', ' ']).next().unwrap_or(rest)), true),
        None => (semver::parts(text), false),
    }
}

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let ((a, _), (b, _)) = (parts(a), parts(b));
    semver::compare_numbers(a.numbers, b.numbers).then_with(|| match (a.prerelease, b.prerelease) {
        (b"", _) | (_, b"") => semver::compare_prereleases(a.prerelease, b.prerelease),
        _ => semver::compare_identifiers(Identifiers::of(&a), Identifiers::of(&b), semver::compare_identifier),
    })
}

/// The major version.
pub(super) fn major(text: &str) -> &[u8] {
    take_digits(&mut parts(text).0.numbers)
}

/// Identifiers of a prerelease; a toolchain's `rc2` is two of them.
struct Identifiers<'a> {
    rest: Option<&'a [u8]>,
    split: bool,
}

impl<'a> Identifiers<'a> {
    fn of(parts: &Parts<'a>) -> Self {
        Self { rest: Some(parts.prerelease), split: !parts.hyphen }
    }
}

impl<'a> Iterator for Identifiers<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut rest = self.rest?;
        if self.split {
            self.split = false;
            let word = take(&mut rest, |byte| byte.is_ascii_alphabetic());
            if !word.is_empty() && rest.first().is_some_and(u8::is_ascii_digit) {
                self.rest = Some(rest);
                return Some(word);
            }
            rest = self.rest?;
        }
        let one = take(&mut rest, |byte| byte != b'.');
        self.rest = rest.get(1..);
        Some(one)
    }
}

/// True for module versions, with or without the `v`, and for versions of toolchains.
pub(super) fn is_valid(text: &str) -> bool {
    if semver::is_valid(text.strip_prefix('v').unwrap_or(text)) {
        return true;
    }
    let (parts, _) = parts(text);
    let mut prerelease = parts.prerelease;
    let word = take(&mut prerelease, |byte| byte.is_ascii_lowercase());
    let number = take_digits(&mut prerelease);
    let count = parts.numbers.split(|&byte| byte == b'.').count();
    let fits = match word {
        b"" => count <= 3 && number.is_empty(),
        _ => count == 2 && matches!(word, b"rc" | b"beta" | b"alpha") && semver::is_number(number),
    };
    let nothing_else = prerelease.is_empty() && !parts.hyphen && !text.contains('+');
    let starts = text.starts_with("go") || text.starts_with(|c: char| c.is_ascii_digit());
    fits && nothing_else && starts && parts.numbers.split(|&byte| byte == b'.').all(semver::is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_toolchains() {
        let ascending = "v0.0.0-20191109021931-daa7c04131f5 v0.0.0-20200622213623-75b288015ac9 \
            v1.2.3-0.20200622213623-75b288015ac9 v1.2.3-pre v1.2.3-pre.0.20200622213623-75b288015ac9 v1.2.3 \
            1.2.4-0.20200622213623-75b288015ac9 go1.20beta1 1.20rc1 1.20.0-rc.2 go1.20rc10 go1.20 1.20.1 \
            go1.21.3";
        super::super::tests::ascending(compare, ascending);
        for (a, b) in [
            ("v2.0.0+incompatible", "2.0.0"),
            ("go1.21rc2", "1.21.0-rc.2"),
            ("go1.22.1 X:boringcrypto", "1.22.1"),
            ("go1.22.1-vendor", "1.22.1"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn validity() {
        for good in ["v1.2.3", "1.2.3", "v2.0.0+incompatible", "go1.21rc2", "1.21", "1.21.0-rc.2", "go1.22.1"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "v1", "devel", "go", "go1.", "1.21rc", "1.21-", "go1.2.3rc1", "go01.2", "master", "1.2.3.4"] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
