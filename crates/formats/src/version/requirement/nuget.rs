//! NuGet: "Version ranges" and "Floating version resolutions" of "Package versioning".
//!
//! `1.0` is that version or any above. Ranges go by order alone, so `[1.0,2.0)` takes 2.0-beta. Of a floating version (`1.*`)
//! those satisfy it that it is meant for, prereleases only where it floats over them (`1.*-*`).

use super::super::nuget::{compare, is_valid};
use super::super::semver;
use super::maven::range;

/// Says whether a version satisfies a requirement.
pub(super) fn satisfies(requirement: &str, version: &str) -> Option<bool> {
    let text = requirement.trim();
    if !is_valid(version) || text.is_empty() {
        return None;
    }
    if text.starts_with(['[', '(']) {
        if !text.ends_with([']', ')']) {
            return None;
        }
        let range = range(text)?;
        let bounds = [range.lower, range.upper];
        let fits = bounds.iter().flatten().all(|(bound, _)| is_valid(bound)) && bounds.iter().any(Option::is_some);
        return fits.then(|| range.contains(version, compare));
    }
    if !text.contains('*') {
        return is_valid(text).then(|| compare(version, text).is_ge());
    }
    floating(text, version)
}

fn floating(text: &str, version: &str) -> Option<bool> {
    let (numbers, labels) = text.split_once('-').map_or((text, None), |(numbers, labels)| (numbers, Some(labels)));
    let own = semver::parts(version);
    let exact = match numbers.strip_suffix('*') {
        None => Some(is_valid(numbers)).filter(|fits| *fits && compare_numbers(numbers, version)),
        Some(start) => {
            let start = start.strip_suffix('.').unwrap_or(start);
            let mut own = own.numbers.split(|&byte| byte == b'.').map(super::super::text::without_zeros);
            let mut wanted = start.split('.').filter(|number| !number.is_empty());
            (start.is_empty() || is_valid(start)).then(|| {
                wanted.all(|number| {
                    own.next().unwrap_or_default() == super::super::text::without_zeros(number.as_bytes())
                })
            })
        }
    };
    if numbers.contains('*') && exact.is_none() {
        return None;
    }
    let numbers_fit = exact == Some(true);
    match labels {
        None => Some(numbers_fit && own.prerelease.is_empty()),
        Some(labels) => {
            let start = labels.strip_suffix('*').filter(|start| !start.contains('*'))?;
            let starts =
                own.prerelease.get(..start.len()).is_some_and(|own| own.eq_ignore_ascii_case(start.as_bytes()));
            Some(numbers_fit && (own.prerelease.is_empty() || starts))
        }
    }
}

fn compare_numbers(numbers: &str, version: &str) -> bool {
    semver::compare_numbers(numbers.as_bytes(), semver::parts(version).numbers).is_eq()
}

#[cfg(test)]
mod tests {
    use super::super::tests::table;
    use super::*;

    #[test]
    fn ranges() {
        table(
            satisfies,
            &[
                ("1.0", "1.0.0 2.0", "0.9 1.0-beta"),
                ("[1.0]", "1.0.0.0", "1.0.1"),
                ("[1.0,2.0)", "1.5 2.0-beta", "2.0 1.0-a"),
                ("(,1.0]", "0.1 1.0", "1.1"),
                ("(1.0,)", "1.1", "1.0"),
                ("1.*", "1.0 1.9", "2.0 1.1-beta"),
                ("1.0.*-*", "1.0.1-beta 1.0.3", "1.1.0"),
                ("*", "9.9", "9.9-a"),
                ("1.0.0-rc.*", "1.0.0-rc.1 1.0.0-RC.2 1.0.0", "1.0.0-beta 1.0.1"),
            ],
        );
        for bad in ["", "(1.0)", "[1.0", "(,)", "latest", "1.*.2", "1.0-*x", "[1.*,2]"] {
            assert_eq!(satisfies(bad, "1.0"), None, "{bad}");
        }
    }
}
