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
        _ => {
            let _ = theirs;
            None
        }
    }
}

/// Digits of the longest number, leading zeros not counted.
fn longest_number(texts: &[&String]) -> usize {
    let numbers = texts.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_digit()));
    numbers.map(|digits| digits.trim_start_matches('0').len()).max().unwrap_or(0)
}
