//! The formulas of CVSS 2.0 (section 3.2), 3.0 (section 8) and 3.1 (section 7).

use super::{Cvss, Score, Version};

pub(super) struct Scores {
    pub(super) base: Score,
    pub(super) overall: Score,
}

/// To the nearest tenth, a half away from zero. The small number makes up for what binary fractions lose: the formulas are
/// of decimal numbers, and no two of their results lie that close together.
fn nearest(value: f64) -> f64 {
    ((value.abs() * 10.0 + 0.5 + 1e-9).floor() / 10.0).copysign(value)
}

/// To the next tenth that is not below.
fn round_up(value: f64) -> Score {
    tenths((value * 10.0 - 1e-9).ceil())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn tenths(value: f64) -> Score {
    // Tenths are whole numbers here, but for what binary fractions lose.
    let value = value.round();
    Score::from_tenths(value.clamp(0.0, 100.0) as u8)
}

pub(super) fn two(vector: &Cvss) -> Scores {
    let value = |name: &str| vector.value(name);
    let weight = |name: &str| match value(name) {
        "N" => 0.0,
        "P" => 0.275,
        _ => 0.660,
    };
    let requirement = |name: &str| match value(name) {
        "L" => 0.5,
        "H" => 1.51,
        _ => 1.0,
    };
    let vector_weight = match value("AV") {
        "L" => 0.395,
        "A" => 0.646,
        _ => 1.0,
    };
    let complexity = match value("AC") {
        "H" => 0.35,
        "M" => 0.61,
        _ => 0.71,
    };
    let authentication = match value("Au") {
        "M" => 0.45,
        "S" => 0.56,
        _ => 0.704,
    };
    let exploitability = 20.0 * vector_weight * complexity * authentication;
    let base_of = |impact: f64| {
        let factor = if impact == 0.0 { 0.0 } else { 1.176 };
        nearest((0.6 * impact + 0.4 * exploitability - 1.5) * factor)
    };
    let impact = 10.41 * (1.0 - (1.0 - weight("C")) * (1.0 - weight("I")) * (1.0 - weight("A")));
    let exploit = match value("E") {
        "U" => 0.85,
        "POC" => 0.9,
        "F" => 0.95,
        _ => 1.0,
    };
    let remediation = match value("RL") {
        "OF" => 0.87,
        "TF" => 0.9,
        "W" => 0.95,
        _ => 1.0,
    };
    let confidence = match value("RC") {
        "UC" => 0.9,
        "UR" => 0.95,
        _ => 1.0,
    };
    let temporal_of = |base: f64| nearest(base * exploit * remediation * confidence);
    let score = |value: f64| tenths(value * 10.0);
    let base = base_of(impact);
    let environment = ["CDP", "TD", "CR", "IR", "AR"].iter().any(|name| value(name) != "ND");
    if !environment {
        return Scores { base: score(base), overall: score(temporal_of(base)) };
    }
    let part = |metric: &str, need: &str| 1.0 - weight(metric) * requirement(need);
    let adjusted = (10.41 * (1.0 - part("C", "CR") * part("I", "IR") * part("A", "AR"))).min(10.0);
    let damage = match value("CDP") {
        "L" => 0.1,
        "LM" => 0.3,
        "MH" => 0.4,
        "H" => 0.5,
        _ => 0.0,
    };
    let targets = match value("TD") {
        "N" => 0.0,
        "L" => 0.25,
        "M" => 0.75,
        _ => 1.0,
    };
    // With little impact the adjusted score is below zero: the formula has it so, and it counts until the end.
    let temporal = temporal_of(base_of(adjusted));
    Scores { base: score(base), overall: score(nearest((temporal + (10.0 - temporal) * damage) * targets)) }
}

pub(super) fn three(vector: &Cvss) -> Scores {
    let plain = |name: &str| vector.value(name);
    let modified = |name: &str| vector.modified_value(name);
    let exploitability = |value: &dyn Fn(&str) -> &'static str| {
        let vector_weight = match value("AV") {
            "N" => 0.85,
            "A" => 0.62,
            "L" => 0.55,
            _ => 0.2,
        };
        let complexity = if value("AC") == "L" { 0.77 } else { 0.44 };
        let privileges = match (value("PR"), value("S")) {
            ("N", _) => 0.85,
            ("L", "C") => 0.68,
            ("L", _) => 0.62,
            (_, "C") => 0.5,
            _ => 0.27,
        };
        let interaction = if value("UI") == "N" { 0.85 } else { 0.62 };
        8.22 * vector_weight * complexity * privileges * interaction
    };
    let weight = |value: &str| match value {
        "H" => 0.56,
        "L" => 0.22,
        _ => 0.0,
    };
    let requirement = |name: &str| match plain(name) {
        "H" => 1.5,
        "L" => 0.5,
        _ => 1.0,
    };
    let total = |impact: f64, exploitability: f64, changed: bool| match impact > 0.0 {
        false => Score::from_tenths(0),
        true if changed => round_up((1.08 * (impact + exploitability)).min(10.0)),
        true => round_up((impact + exploitability).min(10.0)),
    };

    let lost: f64 = 1.0 - (1.0 - weight(plain("C"))) * (1.0 - weight(plain("I"))) * (1.0 - weight(plain("A")));
    let changed = plain("S") == "C";
    let impact = if changed { 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02).powi(15) } else { 6.42 * lost };
    let base = total(impact, exploitability(&plain), changed);

    let exploit = match plain("E") {
        "F" => 0.97,
        "P" => 0.94,
        "U" => 0.91,
        _ => 1.0,
    };
    let remediation = match plain("RL") {
        "W" => 0.97,
        "T" => 0.96,
        "O" => 0.95,
        _ => 1.0,
    };
    let confidence = match plain("RC") {
        "R" => 0.96,
        "U" => 0.92,
        _ => 1.0,
    };
    let temporal_of = |score: Score| round_up(score.value() * exploit * remediation * confidence);
    let environment = ["CR", "IR", "AR", "MAV", "MAC", "MPR", "MUI", "MS", "MC", "MI", "MA"];
    if environment.iter().all(|name| plain(name) == "X") {
        return Scores { base, overall: temporal_of(base) };
    }
    let part = |metric: &str, need: &str| 1.0 - weight(modified(metric)) * requirement(need);
    let lost = (1.0 - part("C", "CR") * part("I", "IR") * part("A", "AR")).min(0.915);
    let changed = modified("S") == "C";
    let impact = match (changed, vector.version) {
        (false, _) => 6.42 * lost,
        (true, Version::V3_0) => 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02).powi(15),
        (true, _) => 7.52 * (lost - 0.029) - 3.25 * (lost * 0.9731 - 0.02).powi(13),
    };
    Scores { base, overall: temporal_of(total(impact, exploitability(&modified), changed)) }
}
