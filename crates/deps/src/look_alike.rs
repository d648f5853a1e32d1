//! Names that are easily taken for those of well-known packages.

use provost_model::Ecosystem;
use serde::Serialize;

/// A name that resembles a well-known one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LookAlike {
    /// The well-known one.
    pub of: String,
    /// How they differ.
    pub how: &'static str,
}

/// Packages that many projects need, so that a wrong letter in their name is worth a name to an attacker.
const KNOWN: &[(Ecosystem, &str)] = &[
    (Ecosystem::Npm, include_str!("known/npm.txt")),
    (Ecosystem::PyPi, include_str!("known/pypi.txt")),
    (Ecosystem::Cargo, include_str!("known/cargo.txt")),
    (Ecosystem::RubyGems, include_str!("known/gems.txt")),
    (Ecosystem::Go, include_str!("known/go.txt")),
    (Ecosystem::Packagist, include_str!("known/composer.txt")),
    (Ecosystem::NuGet, include_str!("known/nuget.txt")),
];

/// The well-known package that a name may be mistaken for, if it is not one itself.
pub fn look_alike(ecosystem: Ecosystem, name: &str) -> Option<LookAlike> {
    let (_, list) = KNOWN.iter().find(|(known, _)| *known == ecosystem)?;
    let name = name.to_lowercase();
    if name.len() > 200 || list.lines().any(|known| known == name) {
        return None;
    }
    let found = |known: &str, how| Some(LookAlike { of: known.to_owned(), how });
    for known in list.lines().filter(|line| !line.is_empty()) {
        if folded(known) == folded(&name) {
            return found(known, "only separators, digits or look-alike letters differ");
        }
        // The scope of a well-known package left out, or another one before its name.
        if ecosystem == Ecosystem::Npm
            && let Some((scope, inner)) = known.strip_prefix('@').and_then(|rest| rest.split_once('/'))
            && name == format!("{scope}-{inner}")
        {
            return found(known, "the scope became part of the name");
        }
        if known.len() >= 5 && distance_is_one(known, &name) {
            return found(known, "one letter differs");
        }
    }
    None
}

/// A name without what the eye passes over.
fn folded(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '-' | '_' | '.'))
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' => 'l',
            '5' => 's',
            '3' => 'e',
            _ => c,
        })
        .collect()
}

/// True when one insertion, deletion, change or swap of neighbours makes one of the other (Damerau).
fn distance_is_one(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (short, long) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    if short.len() < long.len() {
        return short[same..] == long[same + 1..];
    }
    if same == short.len() {
        return false;
    }
    short[same + 1..] == long[same + 1..]
        || (same + 1 < short.len()
            && short[same] == long[same + 1]
            && short[same + 1] == long[same]
            && short[same + 2..] == long[same + 2..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_are_told_from_the_real_ones() {
        let of = |ecosystem, name: &str| look_alike(ecosystem, name).map(|one| one.of);
        for (ecosystem, name, wanted) in [
            (Ecosystem::Npm, "expres", Some("express")),
            (Ecosystem::Npm, "lodahs", Some("lodash")),
            (Ecosystem::Npm, "cross_env", Some("cross-env")),
            (Ecosystem::Npm, "crossenv", Some("cross-env")),
            (Ecosystem::Npm, "babel-core", None),
            (Ecosystem::PyPi, "reqeusts", Some("requests")),
            (Ecosystem::PyPi, "djang0", Some("django")),
            (Ecosystem::Cargo, "serde-json", Some("serde_json")),
            (Ecosystem::Cargo, "serde_json", None),
            (Ecosystem::Npm, "react", None),
            (Ecosystem::Npm, "some-library-of-ours", None),
        ] {
            assert_eq!(of(ecosystem, name).as_deref(), wanted, "{name}");
        }
    }
}
