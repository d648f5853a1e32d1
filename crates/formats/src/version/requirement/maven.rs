//! Maven: "Dependency Version Requirement Specification" of the POM Reference: `[1.0,2.0)`, `(,1.0],[1.2,)`, `[1.0]`.
//!
//! A version without brackets is a recommendation that other declarations may override; by itself it permits only that version.

use std::cmp::Ordering;

use super::super::maven::{compare, is_valid};

/// Versions between two bounds.
pub(super) struct Range<'a> {
    /// The least, and whether it is one of them.
    pub(super) lower: Option<(&'a str, bool)>,
    /// The greatest, and whether it is one of them.
    pub(super) upper: Option<(&'a str, bool)>,
}

impl Range<'_> {
    /// True where a version is one of them.
    pub(super) fn contains(&self, version: &str, compare: fn(&str, &str) -> Ordering) -> bool {
        let within = |order: Ordering, included: bool| order.is_gt() || (included && order.is_eq());
        self.lower.is_none_or(|(lower, included)| within(compare(version, lower), included))
            && self.upper.is_none_or(|(upper, included)| within(compare(upper, version), included))
    }
}

/// Reads what stands between brackets, brackets and all.
pub(super) fn range(text: &str) -> Option<Range<'_>> {
    let lower_included = text.starts_with('[');
    let upper_included = text.ends_with(']');
    let inner = text.get(1..text.len().checked_sub(1)?)?.trim();
    let Some((lower, upper)) = inner.split_once(',') else {
        let bound = Some((inner, true));
        return (lower_included && upper_included).then_some(Range { lower: bound, upper: bound });
    };
    let bound =
        |text: &str, included| Some((text, included)).filter(|_| !text.is_empty()).map(|(_, included)| included);
    let (lower, upper) = (lower.trim(), upper.trim());
    Some(Range {
        lower: bound(lower, lower_included).map(|included| (lower, included)),
        upper: bound(upper, upper_included).map(|included| (upper, included)),
    })
}

/// Says whether a version satisfies a requirement.
pub(super) fn satisfies(requirement: &str, version: &str) -> Option<bool> {
    let mut rest = requirement.trim();
    if !rest.starts_with(['[', '(']) {
        let named = matches!(rest, "LATEST" | "RELEASE");
        return (is_valid(rest) && is_valid(version) && !named).then(|| compare(version, rest).is_eq());
    }
    let mut last: Option<Range<'_>> = None;
    let mut holds = false;
    while rest.starts_with(['[', '(']) {
        let (one, after) = rest.split_at(rest.find([')', ']'])? + 1);
        let one = range(one)?;
        if let (Some((lower, lower_in)), Some((upper, upper_in))) = (one.lower, one.upper) {
            let order = compare(upper, lower);
            if order.is_lt() || (order.is_eq() && !(lower_in && upper_in)) {
                return None;
            }
        }
        if let Some((upper, _)) = last.as_ref().and_then(|last| last.upper)
            && one.lower.is_none_or(|(lower, _)| compare(lower, upper).is_lt())
        {
            return None;
        }
        holds |= one.contains(version, compare);
        last = Some(one);
        rest = after.trim();
        rest = rest.strip_prefix(',').map_or(rest, str::trim);
    }
    rest.is_empty().then_some(holds)
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
                ("[1.0,2.0)", "1.0 1.9 2.0-SNAPSHOT", "2.0 0.9 1.0-rc1"),
                ("(,1.0],[1.2,)", "1.0 0.1 1.2 9", "1.1"),
                ("[1.5,)", "1.5 2", "1.4"),
                ("[1.0]", "1 1.0.0", "1.0.1"),
                ("1.0", "1.0 1", "1.1"),
                ("( , 2 )", "1", "2"),
            ],
        );
        for bad in ["", "[1.0", "(1.0)", "[2,1]", "[1,2],[1.5,3]", "[1,2)x", "${v}", "LATEST", "(1,1)"] {
            assert_eq!(satisfies(bad, "1.0"), None, "{bad}");
        }
    }
}
