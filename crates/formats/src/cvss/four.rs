//! CVSS 4.0 (specification section 8): the vector's equivalence sets make a macro vector, a table gives that its score,
//! and the distance to the next lower macro vectors is interpolated. Everything is counted in whole numbers, so that no
//! rounding depends on binary fractions.

use super::Score;

/// Scores of the macro vectors in tenths: by EQ1 and EQ2, by the pair of EQ3 and EQ6 (00, 01, 10, 11, 21), by EQ4 and
/// EQ5 (specification, section 8.3; FIRST publishes the numbers with its calculator).
const LOOKUP: [[[u8; 9]; 5]; 6] = [
    [
        [100, 98, 95, 100, 93, 91, 93, 89, 81],
        [99, 95, 92, 96, 87, 81, 90, 80, 68],
        [98, 95, 90, 93, 89, 81, 88, 78, 69],
        [95, 92, 84, 92, 81, 65, 80, 70, 48],
        [92, 82, 72, 79, 69, 50, 69, 55, 27],
    ],
    [
        [99, 95, 92, 95, 90, 84, 92, 82, 72],
        [97, 92, 85, 91, 83, 71, 81, 71, 53],
        [95, 92, 85, 92, 80, 70, 84, 71, 50],
        [93, 85, 73, 82, 72, 59, 70, 52, 30],
        [86, 75, 52, 71, 52, 29, 63, 29, 17],
    ],
    [
        [98, 94, 91, 94, 86, 77, 87, 74, 63],
        [95, 87, 81, 89, 74, 64, 75, 63, 49],
        [94, 88, 76, 86, 74, 59, 72, 57, 52],
        [89, 77, 67, 76, 58, 50, 57, 52, 25],
        [83, 70, 54, 65, 58, 26, 53, 21, 13],
    ],
    [
        [95, 88, 76, 90, 75, 61, 77, 68, 52],
        [90, 76, 70, 77, 62, 53, 66, 59, 30],
        [89, 76, 62, 74, 57, 47, 61, 57, 24],
        [78, 67, 58, 59, 57, 23, 52, 29, 16],
        [71, 59, 30, 58, 26, 15, 23, 13, 6],
    ],
    [
        [93, 86, 75, 86, 74, 56, 70, 52, 40],
        [87, 72, 58, 74, 61, 34, 54, 40, 22],
        [85, 74, 62, 72, 55, 46, 53, 34, 19],
        [75, 55, 51, 57, 41, 19, 36, 19, 8],
        [64, 51, 20, 47, 21, 11, 24, 9, 4],
    ],
    [
        [88, 73, 60, 73, 59, 41, 54, 45, 20],
        [75, 53, 50, 55, 40, 20, 43, 22, 11],
        [75, 58, 40, 61, 48, 20, 46, 17, 8],
        [55, 45, 21, 51, 18, 9, 18, 7, 2],
        [53, 24, 14, 24, 12, 5, 10, 3, 1],
    ],
];

/// A macro vector: the levels of EQ1, EQ2, the pair of EQ3 and EQ6 (as an index of [`LOOKUP`]), EQ4 and EQ5.
#[derive(Clone, Copy)]
struct Macro {
    one: usize,
    two: usize,
    pair: usize,
    four: usize,
    five: usize,
}

impl Macro {
    fn score(self) -> i64 {
        i64::from(LOOKUP[self.one * 2 + self.two][self.pair][self.four * 3 + self.five])
    }
}

/// How far a value is from the worst of its metric, in steps.
fn level(metric: &str, value: &str) -> i64 {
    let order: &[&str] = match metric {
        "AV" => &["N", "A", "L", "P"],
        "PR" => &["N", "L", "H"],
        "UI" => &["N", "P", "A"],
        "AC" => &["L", "H"],
        "AT" => &["N", "P"],
        "VC" | "VI" | "VA" => &["H", "L", "N"],
        "SC" | "SI" | "SA" => &["S", "H", "L", "N"],
        _ => &["H", "M", "L"],
    };
    order.iter().position(|known| *known == value).map_or(0, |index| i64::try_from(index).unwrap_or(0))
}

const EQ1: [&str; 3] = ["AV", "PR", "UI"];
const EQ2: [&str; 2] = ["AC", "AT"];
const EQ3_6: [&str; 6] = ["VC", "VI", "VA", "CR", "IR", "AR"];
const EQ4: [&str; 3] = ["SC", "SI", "SA"];

/// The worst vectors of each level (section 8.2, tables 24 to 30), as levels of the metrics above.
const WORST1: [&[[i64; 3]]; 3] = [&[[0, 0, 0]], &[[1, 0, 0], [0, 1, 0], [0, 0, 1]], &[[3, 0, 0], [1, 1, 1]]];
const WORST2: [&[[i64; 2]]; 2] = [&[[0, 0]], &[[1, 0], [0, 1]]];
const WORST3_6: [&[[i64; 6]]; 5] = [
    &[[0, 0, 0, 0, 0, 0]],
    &[[0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1]],
    &[[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]],
    &[[1, 0, 1, 0, 1, 0], [1, 0, 0, 0, 1, 1], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 1]],
    &[[1, 1, 1, 0, 0, 0]],
];
const WORST4: [&[[i64; 3]]; 3] = [&[[1, 0, 0]], &[[1, 1, 1]], &[[2, 2, 2]]];

/// Steps from the worst to the least vector of each level, and one more (section 8.2).
const DEPTH1: [i64; 3] = [1, 4, 5];
const DEPTH2: [i64; 2] = [1, 2];
const DEPTH3_6: [i64; 5] = [7, 6, 8, 8, 10];
const DEPTH4: [i64; 3] = [6, 5, 4];

/// What all depths divide.
const COMMON: i64 = 840;

/// The distance to the first of the worst vectors that is nowhere better.
fn distance<const N: usize>(metrics: [&str; N], worst: &[[i64; N]], value: &dyn Fn(&str) -> &'static str) -> i64 {
    let levels = metrics.map(|metric| level(metric, value(metric)));
    let above = worst.iter().find(|candidate| candidate.iter().zip(&levels).all(|(worst, level)| worst <= level));
    above.map_or(0, |worst| levels.iter().zip(worst).map(|(level, worst)| level - worst).sum())
}

/// The score of a vector whose metrics the function gives, modified ones for those that they modify.
pub(super) fn score(metric: &dyn Fn(&str) -> &'static str) -> Score {
    // What is not defined is the worst (section 3.1 and 4.1: E:A, CR:H, IR:H, AR:H).
    let value = |name: &str| match (name, metric(name)) {
        ("E", "X") => "A",
        ("CR" | "IR" | "AR", "X") => "H",
        (_, value) => value,
    };
    if ["VC", "VI", "VA", "SC", "SI", "SA"].iter().all(|name| value(name) == "N") {
        return Score::from_tenths(0);
    }
    let vector = macro_vector(&value);
    let own = vector.score();
    let mut lower = 0;
    let mut sum = 0;
    let mut add = |next: Option<i64>, distance: i64, depth: i64| {
        if let Some(next) = next {
            lower += 1;
            sum += (own - next) * distance * (COMMON / depth);
        }
    };

    let next = (vector.one < 2).then(|| Macro { one: vector.one + 1, ..vector }.score());
    add(next, distance(EQ1, WORST1[vector.one], &value), DEPTH1[vector.one]);
    let next = (vector.two < 1).then(|| Macro { two: vector.two + 1, ..vector }.score());
    add(next, distance(EQ2, WORST2[vector.two], &value), DEPTH2[vector.two]);
    let pair = |pair: usize| Macro { pair, ..vector }.score();
    let next = match vector.pair {
        // 00 has two below it: the one with the higher score counts.
        0 => Some(pair(1).max(pair(2))),
        1 | 2 => Some(pair(3)),
        3 => Some(pair(4)),
        _ => None,
    };
    add(next, distance(EQ3_6, WORST3_6[vector.pair], &value), DEPTH3_6[vector.pair]);
    let next = (vector.four < 2).then(|| Macro { four: vector.four + 1, ..vector }.score());
    add(next, distance(EQ4, WORST4[vector.four], &value), DEPTH4[vector.four]);
    // EQ5 has one metric: a vector is always the worst of its level.
    add((vector.five < 2).then_some(own), 0, 1);

    if lower == 0 {
        return tenths(own);
    }
    // The mean of the distances is subtracted, and a half of a tenth goes up.
    let unit = COMMON * lower;
    tenths((2 * (own * unit - sum) + unit).div_euclid(2 * unit))
}

fn tenths(value: i64) -> Score {
    Score::from_tenths(u8::try_from(value.clamp(0, 100)).unwrap_or(0))
}

/// Section 8.2, tables 24 to 30.
fn macro_vector(value: &dyn Fn(&str) -> &'static str) -> Macro {
    let is = |name: &str, wanted: &str| value(name) == wanted;
    let reach = [is("AV", "N"), is("PR", "N"), is("UI", "N")];
    let one = match (reach.iter().all(|one| *one), reach.iter().any(|one| *one) && !is("AV", "P")) {
        (true, _) => 0,
        (_, true) => 1,
        _ => 2,
    };
    let two = usize::from(!(is("AC", "L") && is("AT", "N")));
    let three = match (is("VC", "H"), is("VI", "H"), is("VA", "H")) {
        (true, true, _) => 0,
        (false, false, false) => 2,
        _ => 1,
    };
    let four = match (is("SI", "S") || is("SA", "S"), is("SC", "H") || is("SI", "H") || is("SA", "H")) {
        (true, _) => 0,
        (_, true) => 1,
        _ => 2,
    };
    let five = match value("E") {
        "A" => 0,
        "P" => 1,
        _ => 2,
    };
    let six = !["C", "I", "A"].iter().any(|which| is(&format!("{which}R"), "H") && is(&format!("V{which}"), "H"));
    let pair = match (three, six) {
        (0, false) => 0,
        (0, true) => 1,
        (1, false) => 2,
        (1, true) => 3,
        _ => 4,
    };
    Macro { one, two, pair, four, five }
}
