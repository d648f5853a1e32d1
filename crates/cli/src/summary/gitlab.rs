//! GitLab: a collapsible section of the job's log (docs.gitlab.com/ci/jobs/job_logs), and Code Quality reports
//! (docs.gitlab.com/ci/testing/code_quality).

use std::collections::BTreeSet;

use provost_model::{Level, Permission, printable, sha256};
use serde_json::{Value, json};

use super::{Told, program, relative};
use crate::home::CONFIG_FILE;

/// Begins a section. Its name is chosen when the command has ended, so the command cannot close or reopen it; and what
/// stands in it holds no control characters, which markers need.
pub(super) fn open(name: &str, seconds: i64, headline: &str, collapsed: bool) -> String {
    let option = if collapsed { "[collapsed=true]" } else { "" };
    format!("\x1b[0Ksection_start:{seconds}:{name}{option}\r\x1b[0K{}\n", printable(headline))
}

/// Ends it.
pub(super) fn close(name: &str, seconds: i64) -> String {
    format!("\x1b[0Ksection_end:{seconds}:{name}\r\x1b[0K\n")
}

/// Violations and findings as a Code Quality report. Violations are about no file of their own: they point to the
/// configuration, where the guard is.
pub(crate) fn code_quality(told: &Told<'_>, directory: &str) -> String {
    let mut seen = BTreeSet::new();
    let mut issues: Vec<Value> = Vec::new();
    let mut add = |rule: &str, severity: &str, text: &str, fingerprint: String, file: &str| {
        // Two issues with one fingerprint are one issue to GitLab.
        let mut unique = fingerprint.clone();
        let mut number = 1;
        while !seen.insert(unique.clone()) {
            number += 1;
            unique = sha256(format!("{fingerprint}/{number}").as_bytes()).to_hex();
        }
        issues.push(json!({
            "description": printable(text),
            "check_name": printable(rule),
            "fingerprint": unique,
            "severity": severity,
            "location": {"path": printable(relative(file, directory)), "lines": {"begin": 1}},
        }));
    };
    let observation = &told.record.observation;
    for violation in &observation.violations {
        let (severity, done) = match violation.permission {
            Permission::Refused => ("critical", "refused"),
            Permission::Allowed => ("major", "let through"),
        };
        let who = program(observation, violation);
        // Where the checkout lies is another place on each runner.
        let what = relative(&violation.what, directory);
        let text = format!(
            "Guard, {}: {}: {}{}",
            violation.kind,
            done,
            what,
            who.map(|path| format!(" by {path}")).unwrap_or_default()
        );
        let about = format!("guard\0{}\0{}\0{}", violation.kind, what, who.unwrap_or_default());
        let file = if violation.kind == "source-write" { what } else { CONFIG_FILE };
        add(&format!("guard-{}", violation.kind), severity, &text, sha256(about.as_bytes()).to_hex(), file);
    }
    for finding in told.findings {
        let severity = match finding.level {
            Level::Error => "critical",
            Level::Warning => "major",
            Level::Note => "info",
        };
        let file = finding.file.as_deref().unwrap_or(CONFIG_FILE);
        add(&finding.rule, severity, &finding.message, finding.fingerprint.to_hex(), file);
    }
    format!("{:#}\n", Value::from(issues))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hostile, told};

    #[test]
    fn what_stands_in_a_section_cannot_close_it() {
        let evil = "x\r\u{1b}[0Ksection_end:1:provost_ab\r\u{1b}[0K";
        let text = super::open("provost_ab", 1, evil, true);
        assert_eq!(text.matches('\r').count(), 1, "{text:?}");
        assert_eq!(text.matches("\u{1b}[0K").count(), 2, "{text:?}");
        assert!(text.contains("section_start:1:provost_ab[collapsed=true]\r\u{1b}[0Kx\\u{d}"), "{text:?}");
        assert_eq!(super::close("provost_ab", 2), "\u{1b}[0Ksection_end:2:provost_ab\r\u{1b}[0K\n");
    }

    #[test]
    fn a_report_as_gitlab_reads_it() {
        let (mut record, verdict, mut findings) = hostile();
        record.observation.violations.push(record.observation.violations[0].clone());
        findings.push(findings[1].clone());
        let text = super::code_quality(&told(&record, &verdict, &findings), "/w");
        let issues: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
        let fingerprints: std::collections::BTreeSet<&str> =
            issues.iter().map(|issue| issue["fingerprint"].as_str().expect("text")).collect();
        assert_eq!(fingerprints.len(), 5, "each its own: {text}");
        for issue in &issues {
            assert!(
                ["info", "minor", "major", "critical", "blocker"].contains(&issue["severity"].as_str().expect("text"))
            );
            assert!(issue["location"]["lines"]["begin"] == 1 && issue["description"].is_string());
        }
        let shown: Vec<String> =
            issues.iter().map(|i| format!("{} {} {}", i["check_name"], i["severity"], i["location"]["path"])).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        "guard-network" "critical" "provost.toml"
        "guard-network" "critical" "provost.toml"
        "source-changed-by-build" "critical" "src/a,b:c\\u{a}%.c"
        "unexplained-input" "info" "/etc/x"
        "unexplained-input" "info" "/etc/x"
        "#);
    }
}
