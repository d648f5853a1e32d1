//! Our order of versions, and our answer whether a requirement is satisfied, held against each ecosystem's own tool.
//!
//! Pairs are made by grammar and by mutation, handed to the tool in one batch, and every difference is counted: as explained
//! (`explain`), as the tool's own contradiction (it orders three versions in a circle, found by asking it), or as unexplained,
//! which is a failure. `docs/versions.md` has the results.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use provost_formats::version::{compare, is_valid, satisfies};
use provost_model::Ecosystem;

use generate::{Random, requirement, version, version_near};
use tools::{Answer, Question, Reference, Validity};

mod explain;
mod generate;
mod tools;

/// Differences that are shown at most.
const SHOWN: usize = 30;

/// Ecosystems that there is a tool for.
const ECOSYSTEMS: [Ecosystem; 14] = [
    Ecosystem::Apk,
    Ecosystem::Cargo,
    Ecosystem::Conan,
    Ecosystem::Deb,
    Ecosystem::Go,
    Ecosystem::Hex,
    Ecosystem::Maven,
    Ecosystem::Npm,
    Ecosystem::Packagist,
    Ecosystem::PyPi,
    Ecosystem::Rpm,
    Ecosystem::RubyGems,
    Ecosystem::NuGet,
    Ecosystem::Pub,
];

/// Runs the oracle: `[ECOSYSTEM…] [--pairs N] [--seed S]`.
///
/// # Errors
/// There are differences that nothing explains.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (mut pairs, mut seed, mut wanted) = (100_000, 1, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|n| n.parse().ok()).context("a number is missing");
        match *argument {
            "--pairs" => pairs = number()?,
            "--seed" => seed = number()?,
            name => wanted.push(name.to_lowercase()),
        }
    }
    let work = crate::target().join("version-oracle");
    std::fs::create_dir_all(&work)?;
    println!(
        "| ecosystem | tool | question | pairs | answered | equal | contradicts itself | explained | unexplained |"
    );
    println!("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut unexplained = 0;
    for ecosystem in ECOSYSTEMS {
        if !wanted.is_empty() && !wanted.contains(&ecosystem.purl_type().to_owned()) {
            continue;
        }
        let references = tools::references(ecosystem, &work)?;
        if references.is_empty() {
            println!("| {} | tool not found: skipped | | | | | | | |", ecosystem.purl_type());
        }
        for reference in references {
            unexplained += hold(ecosystem, &reference, pairs, seed as u64, &work)?;
        }
    }
    if unexplained > 0 {
        bail!("{unexplained} differences that nothing explains");
    }
    Ok(())
}

fn hold(ecosystem: Ecosystem, reference: &Reference, pairs: usize, seed: u64, work: &Path) -> Result<usize> {
    let mut random = Random::new(seed);
    let mut unexplained = 0;
    if reference.compares {
        let questions: Vec<_> = (0..pairs)
            .map(|_| {
                let a = version(ecosystem, &mut random);
                let b = version_near(ecosystem, &a, &mut random);
                Question::Compare(a, b)
            })
            .filter(|question| match question {
                Question::Compare(a, b) if reference.valid_only => is_valid(ecosystem, a) && is_valid(ecosystem, b),
                _ => true,
            })
            .collect();
        unexplained += judge(ecosystem, reference, "order", questions, work)?;
    }
    if reference.validity != Validity::Silent {
        let questions = (0..pairs / 3).map(|_| Question::Valid(version(ecosystem, &mut random))).collect();
        unexplained += judge(ecosystem, reference, "validity", questions, work)?;
    }
    if reference.satisfies {
        let questions = (0..pairs)
            .map(|_| {
                let version = version(ecosystem, &mut random);
                Question::Satisfies(requirement(ecosystem, &version, &mut random), version)
            })
            .collect();
        unexplained += judge(ecosystem, reference, "requirements", questions, work)?;
    }
    Ok(unexplained)
}

fn ours(ecosystem: Ecosystem, question: &Question) -> Answer {
    match question {
        Question::Compare(a, b) => Answer::Order(compare(ecosystem, a, b)),
        Question::Valid(version) => Answer::Yes(is_valid(ecosystem, version)),
        Question::Satisfies(requirement, version) => {
            satisfies(ecosystem, requirement, version).map_or(Answer::Refused, Answer::Yes)
        }
    }
}

fn judge(
    ecosystem: Ecosystem,
    reference: &Reference,
    title: &str,
    questions: Vec<Question>,
    work: &Path,
) -> Result<usize> {
    let (tool, answers) = reference.ask(&questions, work)?;
    let start = Instant::now();
    let answered_here =
        questions.iter().map(|question| ours(ecosystem, question)).filter(|one| *one != Answer::Refused);
    let count = answered_here.count();
    eprintln!("    ours: {:.1} million a second", count as f64 / start.elapsed().as_secs_f64() / 1e6);
    let asked = answers.len();
    let (mut answered, mut equal) = (0, 0);
    let mut different = Vec::new();
    for (question, theirs) in questions.into_iter().zip(answers) {
        let ours = ours(ecosystem, &question);
        // What the tool refuses has no order to be held against.
        if theirs == Answer::Refused && matches!(question, Question::Compare(..)) {
            continue;
        }
        answered += 1;
        equal += usize::from(ours == Answer::Order(std::cmp::Ordering::Equal));
        if ours != theirs {
            different.push((question, ours, theirs));
        }
    }
    let circles = circles(ecosystem, reference, &different, work)?;
    let (mut circled, mut explained, mut left) = (0, BTreeMap::<&str, usize>::new(), Vec::new());
    for ((question, ours, theirs), circle) in different.iter().zip(circles) {
        if let Some(why) = explain::why(ecosystem, question, *ours, *theirs) {
            *explained.entry(why).or_default() += 1;
        } else if circle {
            circled += 1;
        } else {
            left.push((question, ours, theirs));
        }
    }
    println!(
        "| {} | {} {tool} | {title} | {asked} | {answered} | {equal} | {circled} | {} | {} |",
        ecosystem.purl_type(),
        reference.name,
        explained.values().sum::<usize>(),
        left.len()
    );
    for (why, count) in explained {
        eprintln!("    {count}: {why}");
    }
    for (question, ours, theirs) in left.iter().take(SHOWN) {
        eprintln!("    {question:?}: ours {ours:?}, theirs {theirs:?}");
    }
    Ok(left.len())
}

/// For each difference: does the tool itself order the two, and a start that they have, in a circle? Of a requirement it is
/// asked how it orders what stands in it: an order that differs there is why the answer does.
fn circles(
    ecosystem: Ecosystem,
    reference: &Reference,
    different: &[(Question, Answer, Answer)],
    work: &Path,
) -> Result<Vec<bool>> {
    let mut questions = Vec::new();
    let mut asked = Vec::new();
    for (question, ..) in different {
        let start = questions.len();
        match question {
            Question::Compare(a, b) => {
                for between in starts(a).chain(starts(b)) {
                    questions.push(Question::Compare(a.clone(), between.clone()));
                    questions.push(Question::Compare(between, b.clone()));
                }
            }
            Question::Satisfies(requirement, version) if ecosystem == Ecosystem::Maven => {
                let bounds: Vec<&str> = requirement.split([']', ')', ',']).map(str::trim).collect();
                let bounds: Vec<&str> =
                    bounds.iter().flat_map(|bound| [*bound, bound.get(1..).unwrap_or_default().trim()]).collect();
                for (place, bound) in bounds.iter().enumerate() {
                    for other in bounds[place + 1..].iter().chain([&version.as_str()]) {
                        questions.push(Question::Compare((*bound).to_owned(), (*other).to_owned()));
                    }
                }
            }
            _ => {}
        }
        asked.push(start..questions.len());
    }
    if questions.is_empty() {
        return Ok(vec![false; different.len()]);
    }
    let answers = reference.ask(&questions, work)?.1;
    let is_circle = |theirs: Answer, pair: &[Answer]| match (theirs, pair) {
        (Answer::Order(whole), [Answer::Order(first), Answer::Order(second)]) => {
            (first.is_le() && second.is_le() && (whole.is_gt() || (whole.is_eq() && first.is_ne())))
                || (first.is_ge() && second.is_ge() && (whole.is_lt() || (whole.is_eq() && first.is_ne())))
                || (first.is_eq() && second.is_eq() && whole.is_ne())
        }
        _ => false,
    };
    let differs = |(question, theirs): (&Question, &Answer)| *theirs != ours(ecosystem, question);
    Ok(different
        .iter()
        .zip(asked)
        .map(|((question, _, theirs), range)| match question {
            Question::Compare(..) => answers[range].chunks(2).any(|pair| is_circle(*theirs, pair)),
            _ => questions[range.clone()].iter().zip(&answers[range]).any(differs),
        })
        .collect())
}

fn starts(text: &str) -> impl Iterator<Item = String> + '_ {
    (1..text.len()).filter(|at| text.is_char_boundary(*at)).map(|at| text[..at].to_owned())
}
