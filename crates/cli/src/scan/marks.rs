//! Suppressions from all the places that they may stand in. What the change under review brings itself does not count,
//! unless the caller says so.

use std::path::Path;

use anyhow::{Context as _, Result};
use provost_model::Finding;
use provost_scan::{Suppression, Suppressions};

use crate::commands::scan::SecretsArgs;
use crate::input;

/// Suppressions of a repository, in its folder of provost.
const FILE: &str = ".provost/suppressions.toml";
/// A file of which marks are read, at most.
const LARGEST: u64 = 8 << 20;

/// Suppressions that the caller names, and those of the commit that the change is based on: what the change brings itself
/// does not count.
pub(crate) fn named(file: Option<&Path>, base: Option<&str>, root: &Path) -> Result<Suppressions> {
    let mut all = Suppressions::default();
    if let Some(path) = file {
        let parsed = Suppressions::parse(&input::read_text(path)?, &path.display().to_string());
        all.0.extend(parsed.with_context(|| format!("{} cannot be used", path.display()))?.0);
    }
    if let Some(base) = base
        && let Some(bytes) = provost_repo::history::file_at(root, base, FILE)?
    {
        let source = format!("{FILE} at {base}");
        let text = String::from_utf8_lossy(&bytes);
        all.0.extend(Suppressions::parse(&text, &source).with_context(|| format!("{source} cannot be used"))?.0);
    }
    Ok(all)
}

/// All suppressions that count for these findings.
pub(crate) fn gather(args: &SecretsArgs, findings: &[Finding]) -> Result<Suppressions> {
    let root = args.paths.first().map_or(Path::new("."), |path| path.as_path());
    let mut all = named(args.suppressions.as_deref(), args.base.as_deref(), root)?;
    // A finding in a history stands in another version than the file that lies here: marks are for files.
    if args.base.is_none() && !args.honour_marks || args.is_git() {
        return Ok(all);
    }
    let mut files: Vec<&str> =
        findings.iter().filter(|f| f.within.is_empty()).filter_map(|f| f.file.as_deref()).collect();
    files.sort_unstable();
    files.dedup();
    for file in files {
        let lines: Vec<(u64, String)> = findings
            .iter()
            .filter(|f| f.within.is_empty() && f.file.as_deref() == Some(file))
            .filter_map(|f| Some((f.span?.line, f.fingerprint.to_hex())))
            .collect();
        let Some(now) = read(root, file) else { continue };
        let then = match &args.base {
            Some(base) => match provost_repo::history::file_at(root, base, file)? {
                Some(bytes) => Some(bytes),
                None => continue,
            },
            None => None,
        };
        for (number, fingerprint) in lines {
            let Some(line) = line(&now, number) else { continue };
            let counts = args.honour_marks
                || then.as_ref().is_some_and(|then| then.split(|b| *b == b'\n').any(|old| old == line));
            if counts && let Some(mark) = mark(line, args.honour_marks) {
                let path = globset::GlobBuilder::new(&globset::escape(file)).literal_separator(true).build()?;
                all.0.push(Suppression {
                    fingerprint: Some(fingerprint),
                    rule: mark.rule,
                    path: Some(path.compile_matcher()),
                    line: Some(number),
                    reason: mark.reason,
                    until: mark.until,
                    source: format!("{file}:{number}"),
                });
            }
        }
    }
    if args.honour_marks {
        gitleaks_ignore(root, findings, &mut all);
    }
    Ok(all)
}

fn read(root: &Path, file: &str) -> Option<Vec<u8>> {
    let path = if root.is_dir() { root.join(file) } else { root.to_path_buf() };
    let metadata = std::fs::symlink_metadata(&path).ok()?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return None;
    }
    std::fs::read(path).ok()
}

fn line(bytes: &[u8], number: u64) -> Option<&[u8]> {
    bytes.split(|b| *b == b'\n').nth(usize::try_from(number).ok()?.checked_sub(1)?)
}

struct Mark {
    rule: Option<String>,
    reason: String,
    until: Option<String>,
}

/// `provost:allow rule-id reason="why" until=2027-01-31`; of others, `gitleaks:allow` and `nosec`.
fn mark(line: &[u8], foreign: bool) -> Option<Mark> {
    let text = String::from_utf8_lossy(line);
    if let Some(at) = text.find("provost:allow") {
        let rest = &text[at + "provost:allow".len()..];
        let quoted = |name: &str| {
            let from = rest.find(&format!("{name}=\""))? + name.len() + 2;
            rest[from..].split('"').next().map(str::to_owned)
        };
        let plain = |name: &str| {
            let from = rest.find(&format!("{name}="))? + name.len() + 1;
            rest[from..].split_whitespace().next().map(str::to_owned)
        };
        let reason = quoted("reason").filter(|reason| reason.trim().len() >= 4)?;
        let rule = rest.split_whitespace().next().filter(|word| !word.contains('=')).map(str::to_owned);
        return Some(Mark { rule, reason, until: plain("until") });
    }
    let other = ["gitleaks:allow", "betterleaks:allow", "nosec", "pragma: allowlist secret"];
    let found = other.into_iter().find(|mark| foreign && text.contains(mark))?;
    Some(Mark { rule: None, reason: format!("marked `{found}`"), until: None })
}

/// `.gitleaksignore`: `file:rule:line` a line, a commit perhaps in front. Rule ids are another tool's and are not compared.
fn gitleaks_ignore(root: &Path, findings: &[Finding], all: &mut Suppressions) {
    let Some(bytes) = read(root, ".gitleaksignore") else { return };
    for entry in String::from_utf8_lossy(&bytes).lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        let mut parts = entry.rsplitn(3, ':');
        let (Some(number), Some(_rule), Some(file)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let file = file.rsplit(':').next().unwrap_or(file);
        let Ok(number) = number.parse::<u64>() else { continue };
        let is_there = findings.iter().any(|f| f.file.as_deref() == Some(file));
        let glob = globset::GlobBuilder::new(&globset::escape(file)).literal_separator(true).build();
        if let (true, Ok(glob)) = (is_there, glob) {
            all.0.push(Suppression {
                fingerprint: None,
                rule: None,
                path: Some(glob.compile_matcher()),
                line: Some(number),
                reason: "named in .gitleaksignore".to_owned(),
                until: None,
                source: format!(".gitleaksignore: {entry}"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_need_a_reason() {
        let found = mark(b"key = 1 # provost:allow jwt reason=\"test key\" until=2027-01-31", false).expect("a mark");
        assert_eq!((found.rule.as_deref(), found.reason.as_str()), (Some("jwt"), "test key"));
        assert_eq!(found.until.as_deref(), Some("2027-01-31"));
        assert!(mark(b"key = 1 # provost:allow jwt", false).is_none());
        assert!(mark(b"key = 1 # gitleaks:allow", false).is_none());
        assert!(mark(b"key = 1 # gitleaks:allow", true).is_some());
    }
}
