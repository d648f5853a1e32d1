//! Secrets in what a run was given and what it left: its command line, its environment, the files that it wrote.

use std::path::Path;

use anyhow::Result;
use globset::GlobSet;
use provost_model::{FileKind, FileSet, Finding, Level};
use provost_scan::{Check, Limits, Place, Scanner, Tally};
use provost_secrets::{Options, RuleSet, Secrets};

use crate::home::Home;

/// Looks at all of it. `root` is the directory that the products are in.
pub(crate) fn secrets(home: &Home, root: &Path, products: &FileSet, arguments: &[String]) -> Result<Vec<Finding>> {
    let options = Options { key: super::own_key(home)?, ..Options::default() };
    let check = Secrets::new(RuleSet::built_in()?, options);
    let checks: [&dyn Check; 1] = [&check];
    let tally = Tally::default();
    let scanner = Scanner::new(&checks, Limits::default(), GlobSet::empty(), false, &tally);
    for entry in products.entries.iter().filter(|entry| entry.kind == FileKind::File) {
        scanner.file(&root.join(&entry.name.text), Place::file(entry.name.text.clone()));
    }
    scanner.bytes(&Place::file("the command line"), arguments.join(" ").as_bytes());
    let mut report = scanner.finish();
    for gap in report.coverage.failures.iter().chain(&report.coverage.parts) {
        let message = format!("{} was not scanned for secrets: {}", gap.place, gap.why);
        let about = [gap.place.as_str()];
        report.findings.push(Finding::new("secrets-not-scanned", Level::Warning, message, &about).in_file(&gap.place));
    }
    for finding in &mut report.findings {
        if let (Some(file), Some(span)) = (&finding.file, finding.span) {
            finding.message = format!("{} in {file}, line {}", finding.message, span.line);
        }
    }
    report.findings.extend(environment(&check));
    Ok(report.findings)
}

/// Variables that hold credentials: the command gets them, which may be right; least privilege wants to know.
fn environment(check: &Secrets) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, value) in std::env::vars_os() {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        if name.starts_with("PROVOST_") {
            continue; // the command never gets these
        }
        let text = format!("{name}={value}");
        if let Some((rule, _, _)) = check.try_text(text.as_bytes(), "environment").into_iter().next() {
            let message = format!("the environment variable {name} holds a credential ({rule})");
            found.push(Finding::new("secret-in-environment", Level::Note, message, &[&name]));
        }
    }
    found.sort_by(|a, b| a.message.cmp(&b.message));
    found
}
