//! Differences that are known, and why they are there. Each is named in the doc comment of the order that it belongs to.

use provost_model::Ecosystem;

use super::tools::{self, Answer, Question};

/// Why our answer is not the tool's; `None` where nothing explains it.
pub(super) fn why(ecosystem: Ecosystem, question: &Question, ours: Answer, theirs: Answer) -> Option<&'static str> {
    let texts: &[&String] = match question {
        Question::Compare(a, b) | Question::Satisfies(a, b) => &[a, b],
        Question::Valid(version) => &[version],
    };
    let digits = longest_number(texts);
    match ecosystem {
        Ecosystem::Apk if digits > 19 => Some("apk counts up to 2^64, and then from 0 again"),
        Ecosystem::Deb if tools::dpkg(question).is_ok_and(|itself| itself == ours || itself == Answer::Refused) => {
            Some("Dpkg::Version says otherwise than dpkg itself")
        }
        Ecosystem::Deb if texts.iter().any(|text| text.starts_with(['+', '-', ' '])) => {
            Some("dpkg reads an epoch with a sign")
        }
        Ecosystem::Cargo if digits > 18 => Some("the crate semver counts up to 2^64"),
        Ecosystem::Conan if texts.iter().any(|text| items(text).any(starts_with_digit)) => {
            Some("Conan compares words that start with a digit as text")
        }
        Ecosystem::Conan if texts.iter().any(|text| has_sign(text)) => {
            Some("Conan's numbers may have a sign or underscores")
        }
        Ecosystem::NuGet | Ecosystem::Pub if texts.iter().any(|text| text.contains("--")) => {
            Some("OSV drops a hyphen that a prerelease starts with")
        }
        Ecosystem::Pub if texts.iter().all(|text| text.contains('+')) => Some("OSV compares builds as text"),
        Ecosystem::Go => go(texts),
        Ecosystem::Maven if texts.iter().any(|text| text.contains("0000000000")) => {
            Some("Maven takes ten zeros for a number above all short ones")
        }
        Ecosystem::Npm if digits > 15 => Some("node-semver takes no number above 2^53"),
        Ecosystem::Npm if ours == Answer::Refused && texts.iter().any(|text| text.contains('*')) => {
            Some("node-semver drops a star that stands in a word")
        }
        Ecosystem::Npm if matches!(question, Question::Satisfies(requirement, _) if requirement.contains(" +")) => {
            Some("node-semver leaves two blanks where metadata stood between some")
        }
        Ecosystem::Packagist if theirs == Answer::Neither => Some("Composer orders no branches"),
        Ecosystem::Packagist if digits > 18 => Some("PHP counts up to 2^63"),
        _ => None,
    }
}

/// The items of a version of Conan's.
fn items(text: &str) -> impl Iterator<Item = &str> {
    let (rest, build) = text.rsplit_once('+').unwrap_or((text, ""));
    let (main, prerelease) = rest.split_once('-').unwrap_or((rest, ""));
    [main, prerelease, build].into_iter().flat_map(|part| part.split('.'))
}

fn starts_with_digit(item: &str) -> bool {
    item.starts_with(|c: char| c.is_ascii_digit()) && !item.bytes().all(|byte| byte.is_ascii_digit())
}

/// More signs than the two that cut a version, or in other places.
fn has_sign(text: &str) -> bool {
    let signs = |c| text.matches(c).count();
    text.starts_with(['+', '-'])
        || text.contains('_')
        || signs('-') > 1
        || signs('+') > 1
        || [".+", ".-", "+-", "-+"].iter().any(|pair| text.contains(pair))
}

fn go(texts: &[&String]) -> Option<&'static str> {
    let language = |text: &str| {
        let rest = text.strip_prefix("go").unwrap_or_default();
        let numbers = rest.split('-').next().unwrap_or_default();
        !numbers.is_empty()
            && numbers.split('.').count() <= 2
            && numbers.split('.').all(|n| n.bytes().all(|b| b.is_ascii_digit()))
    };
    if texts.iter().any(|text| language(text)) {
        return Some("go1.21 is the language to Go, and 1.21.0 here");
    }
    let numbers =
        |text: &str| text.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default().split('.').count();
    (texts.len() == 1 && numbers(texts[0]) < 3).then_some("x/mod/semver takes v1 for v1.0.0, which no module has")
}

/// Digits of the longest number, leading zeros not counted.
fn longest_number(texts: &[&String]) -> usize {
    let numbers = texts.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_digit()));
    numbers.map(|digits| digits.trim_start_matches('0').len()).max().unwrap_or(0)
}
