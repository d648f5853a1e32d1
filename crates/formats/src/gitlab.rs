//! GitLab's report of secret detection (Secure report format 15.0, `secret-detection-report-format`).

use provost_model::{Confidence, Finding, Level};
use serde_json::{Value, json};

/// A report. It has no times: the same findings give the same bytes; GitLab asks for them, so they are the epoch's.
pub fn secret_detection(version: &str, findings: &[&Finding], complete: bool) -> Value {
    let vendor = json!({"name": "provost"});
    let about = json!({"id": "provost", "name": "provost", "version": version, "vendor": vendor});
    let vulnerabilities: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let span = finding.span;
            let severity = match finding.level {
                Level::Error => "Critical",
                Level::Warning => "Medium",
                Level::Note => "Low",
            };
            let sure = match finding.confidence {
                Some(Confidence::Verified) => "High",
                Some(Confidence::Weak) => "Low",
                _ => "Medium",
            };
            json!({
                "id": id(finding),
                "category": "secret_detection",
                "name": finding.message,
                "description": format!("{} (confidence: {sure})", finding.why.join("; ")),
                "solution": finding.help,
                "severity": severity,
                "location": {
                    "file": finding.file,
                    "start_line": span.map(|s| s.line),
                    "end_line": span.map(|s| s.end_line),
                    "commit": {"sha": finding.commit.as_deref().unwrap_or("0000000")},
                },
                "identifiers": [{"type": "provost_rule_id", "name": format!("provost rule {}", finding.rule), "value": finding.rule}],
            })
        })
        .collect();
    json!({
        "version": "15.0.6",
        "scan": {
            "analyzer": about,
            "scanner": about,
            "type": "secret_detection",
            "start_time": "1970-01-01T00:00:00",
            "end_time": "1970-01-01T00:00:00",
            "status": if complete { "success" } else { "failure" },
        },
        "vulnerabilities": vulnerabilities,
    })
}

/// An id of its own for each place of a secret.
fn id(finding: &Finding) -> String {
    let (line, column) = finding.span.map_or((0, 0), |span| (span.line, span.column));
    let file = finding.file.as_deref().unwrap_or_default();
    let (within, commit) = (finding.within.join("\0"), finding.commit.as_deref().unwrap_or_default());
    let text = format!("{}\0{file}\0{within}\0{commit}\0{line}\0{column}", finding.fingerprint);
    provost_model::sha256(text.as_bytes()).to_hex()
}
