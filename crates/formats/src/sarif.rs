//! SARIF 2.1.0 (OASIS Standard incorporating errata 01), as code hosts take it.

use provost_model::{Finding, Level};
use serde_json::{Value, json};

/// One check, as its tool describes it.
#[derive(Debug, Clone, Copy)]
pub struct RuleText<'a> {
    /// Stable id.
    pub id: &'a str,
    /// What it looks for.
    pub text: &'a str,
    /// What to do about it.
    pub help: &'a str,
    /// How serious its findings are unless they say otherwise.
    pub level: Level,
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

/// A path as a relative or `file` URI (RFC 3986): everything but unreserved characters and `/` is percent-encoded.
fn uri(path: &str) -> String {
    let mut out = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A log of one run of one tool. `directory` is the root of relative paths: findings below it are given relative to it.
pub fn log(version: &str, rules: &[RuleText<'_>], findings: &[Finding], directory: &str) -> Value {
    let descriptors: Vec<Value> = rules
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": {"text": rule.text},
                "help": {"text": rule.help},
                "defaultConfiguration": {"level": level_name(rule.level)},
            })
        })
        .collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let mut result = json!({
                "ruleId": finding.rule,
                "level": level_name(finding.level),
                "message": {"text": finding.message},
                "partialFingerprints": {"provost/v1": finding.fingerprint.to_hex()},
            });
            if let Some(index) = rules.iter().position(|rule| rule.id == finding.rule) {
                result["ruleIndex"] = index.into();
            }
            if let Some(file) = &finding.file {
                let relative = file.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/'));
                let mut place = json!({"uri": uri(relative.unwrap_or(file))});
                if relative.is_some() || !file.starts_with('/') {
                    place["uriBaseId"] = "SRCROOT".into();
                }
                let mut physical = json!({"artifactLocation": place});
                // Places within an archive are no lines of the file.
                if let Some(span) = finding.span.filter(|_| finding.within.is_empty()) {
                    physical["region"] = json!({
                        "startLine": span.line,
                        "startColumn": span.column,
                        "endLine": span.end_line,
                        "endColumn": span.end_column,
                    });
                }
                result["locations"] = json!([{"physicalLocation": physical}]);
                if !finding.within.is_empty() {
                    result["locations"][0]["logicalLocations"] =
                        json!([{"fullyQualifiedName": finding.within.join(" > "), "kind": "member"}]);
                }
            }
            result
        })
        .collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "provost", "version": version, "rules": descriptors}},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {"SRCROOT": {"uri": format!("{}/", uri(directory))}},
            "results": results,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris_and_rules_are_referred_to() {
        let rules = [RuleText { id: "a", text: "t", help: "h", level: Level::Warning }];
        let findings = [
            Finding::new("a", Level::Error, "m".into(), &["x"]).in_file("/w/src/ä b.c"),
            Finding::new("b", Level::Note, "n".into(), &["y"]).in_file("/etc/passwd"),
        ];
        let log = log("1", &rules, &findings, "/w");
        let results = &log["runs"][0]["results"];
        let place = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"];
        assert_eq!(place["uri"], "src/%C3%A4%20b.c");
        assert_eq!(place["uriBaseId"], "SRCROOT");
        assert_eq!(results[0]["ruleIndex"], 0);
        assert_eq!(results[1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "file:///etc/passwd");
        assert_eq!(log["runs"][0]["originalUriBaseIds"]["SRCROOT"]["uri"], "file:///w/");
    }
}
