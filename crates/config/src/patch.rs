//! The smallest rights written into the files: whole lines are put in, changed or taken out; comments and layout stay.
//!
//! It never gives a right that the file did not give. A file that does not come out as meant is not changed.

use provost_formats::pipeline::{self, Access, Granted, Limits, Scopes, Workflow};
use provost_model::printable;

use crate::rights::{Held, JobRights, Sureness};

/// Lines around a change.
const CONTEXT: usize = 3;

/// Lines that take the place of others.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    /// The first line, counted from 0.
    at: usize,
    /// Lines that go.
    remove: usize,
    /// Lines that come, each with its end.
    insert: Vec<String>,
}

/// A file's patch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// As a unified diff that `git apply` takes; empty where nothing changes.
    pub diff: String,
    /// Jobs that were left as they are, and why.
    pub left: Vec<(String, String)>,
}

/// The patch of one workflow, from the rights of its jobs.
pub fn patch(path: &str, text: &str, rights: &[&JobRights], limits: &Limits) -> Patch {
    let mut patch = Patch::default();
    let Ok(workflow) = pipeline::github(text.as_bytes(), limits) else { return patch };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut edits = Vec::new();
    let mut wanted = Vec::new();
    for job in rights {
        let Some(target) = target(job) else {
            if job.sureness() == Sureness::NotKnown {
                patch.left.push((job.job.clone(), "what it needs is not known".to_owned()));
            }
            continue;
        };
        let edit = match &job.held {
            Held::Job(line, _) => replace(&lines, *line, &target),
            _ => insert(&lines, job, &target),
        };
        match edit {
            Ok(edit) => {
                edits.push(edit);
                wanted.push((job.job.as_str(), target));
            }
            Err(why) => patch.left.push((job.job.clone(), why.to_owned())),
        }
    }
    // Once every job says what it may do, the file as a whole needs to give nothing.
    let all = workflow.jobs.iter().all(|job| job.permissions.is_some() || wanted.iter().any(|(id, _)| *id == job.id));
    if let Some(whole) = workflow.permissions.as_ref().filter(|whole| all && whole.granted == Granted::WriteAll)
        && let Ok(edit) = replace(&lines, whole.line, &Scopes::new())
    {
        edits.push(edit);
    }
    edits.sort_by_key(|edit| edit.at);
    let new = apply(&lines, &edits);
    let fits = pipeline::github(new.as_bytes(), limits).is_ok_and(|after| as_meant(&workflow, &after, &wanted));
    let plain = !path.chars().any(char::is_control);
    if !edits.is_empty() {
        match fits && plain {
            true => patch.diff = diff(path, &lines, &edits),
            false => patch
                .left
                .push((String::new(), "the file is written in a way that cannot be changed line by line".to_owned())),
        }
    }
    patch
}

/// What the job is to have; `None` where it is to stay as it is.
fn target(job: &JobRights) -> Option<Scopes> {
    if job.sureness() == Sureness::NotKnown {
        return None;
    }
    let needed = job.needs.scopes();
    let Some(held) = job.held.scopes() else { return Some(needed) };
    let mut target = Scopes::new();
    for (scope, has) in &held {
        let need = needed.get(scope).copied().unwrap_or(Access::None);
        let access = if job.doubtful(scope) { *has } else { need.min(*has) };
        if access != Access::None {
            target.insert(scope, access);
        }
    }
    (target != held).then_some(target)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn line_end(line: &str) -> &str {
    if line.ends_with("\r\n") { "\r\n" } else { "\n" }
}

/// A block of its own under the job's key.
fn insert(lines: &[&str], job: &JobRights, target: &Scopes) -> Result<Edit, &'static str> {
    let at = job.line as usize;
    let key = lines.get(at.wrapping_sub(1)).ok_or("its line is not there")?;
    let rest = key.trim_start().trim_start_matches(['"', '\'']).strip_prefix(job.job.as_str());
    let rest =
        rest.map(|rest| rest.trim_start_matches(['"', '\'']).trim_start()).and_then(|rest| rest.strip_prefix(':'));
    if !rest.is_some_and(is_blank) {
        return Err("it is not written as a block");
    }
    let child = lines[at..].iter().find(|line| !is_blank(line)).ok_or("it is empty")?;
    let (outer, inner) = (indent(key), indent(child));
    if inner <= outer || child.trim_start().starts_with('-') {
        return Err("it is not written as a block");
    }
    Ok(Edit { at, remove: 0, insert: block(inner, inner - outer, target, "", line_end(key)) })
}

/// The lines of a `permissions` key.
fn block(indent: usize, step: usize, target: &Scopes, comment: &str, end: &str) -> Vec<String> {
    let space = " ".repeat(indent);
    let comment = if comment.is_empty() { String::new() } else { format!(" {comment}") };
    if target.is_empty() {
        return vec![format!("{space}permissions: {{}}{comment}{end}")];
    }
    let inner = " ".repeat(indent + step);
    let mut lines = vec![format!("{space}permissions:{comment}{end}")];
    lines.extend(target.iter().map(|(scope, access)| format!("{inner}{scope}: {}{end}", access.word())));
    lines
}

/// A `permissions` key that is there, narrowed.
fn replace(lines: &[&str], line: u32, target: &Scopes) -> Result<Edit, &'static str> {
    let at = (line as usize).checked_sub(1).ok_or("its line is not there")?;
    let key = *lines.get(at).ok_or("its line is not there")?;
    let rest = key.trim_start().strip_prefix("permissions:").ok_or("its `permissions` are not written as a block")?;
    let (value, comment) = match rest.find('#') {
        Some(hash) if hash == 0 || rest[..hash].ends_with([' ', '\t']) => {
            (rest[..hash].trim(), rest[hash..].trim_end())
        }
        _ => (rest.trim(), ""),
    };
    let own = indent(key);
    let end = line_end(key);
    if !value.is_empty() {
        let whole = matches!(value, "read-all" | "write-all") || value.starts_with('{') && value.ends_with('}');
        if !whole {
            return Err("its `permissions` are not written on one line or as a block");
        }
        return Ok(Edit { at, remove: 1, insert: block(own, 2, target, comment, end) });
    }
    let length = lines[at + 1..].iter().take_while(|line| is_blank(line) || indent(line) > own).count();
    // Blank lines and comments after the last entry belong to what follows.
    let length = lines[at + 1..at + 1 + length].iter().rposition(|line| !is_blank(line)).map_or(0, |last| last + 1);
    let mut insert = Vec::new();
    match target.is_empty() {
        true => insert.extend(block(own, 2, target, comment, end)),
        false => insert.push(key.to_owned()),
    }
    for line in &lines[at + 1..at + 1 + length] {
        if is_blank(line) {
            insert.push((*line).to_owned());
            continue;
        }
        let (scope, rest) = line.trim_start().split_once(':').ok_or("its `permissions` are not written as a block")?;
        let scope = scope.trim_matches(['"', '\'']);
        let word = rest.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        match target.get(scope) {
            _ if word == "none" => insert.push((*line).to_owned()),
            Some(access) if access.word() == word => insert.push((*line).to_owned()),
            Some(access) => {
                let colon = line.len() - rest.len();
                insert.push(format!("{}{}", &line[..colon], rest.replacen(word, access.word(), 1)));
            }
            None => {}
        }
    }
    Ok(Edit { at, remove: length + 1, insert })
}

fn apply(lines: &[&str], edits: &[Edit]) -> String {
    let mut new = String::new();
    let mut at = 0;
    for edit in edits {
        // Two edits of one place are one too many: what comes out then does not fit.
        new.extend(lines.get(at..edit.at).unwrap_or_default().iter().copied());
        new.extend(edit.insert.iter().map(String::as_str));
        at = edit.at + edit.remove;
    }
    new.extend(lines.get(at..).unwrap_or_default().iter().copied());
    new
}

/// The jobs have what they are to have, and all else is as it was.
fn as_meant(before: &Workflow, after: &Workflow, wanted: &[(&str, Scopes)]) -> bool {
    let granted = |id: &str| {
        let job = after.jobs.iter().find(|job| job.id == id)?;
        Some(job.permissions.as_ref()?.granted.scopes())
    };
    wanted.iter().all(|(id, scopes)| granted(id).as_ref() == Some(scopes)) && rest(before) == rest(after)
}

/// All that a workflow says but for rights and lines.
fn rest(workflow: &Workflow) -> Vec<String> {
    let mut all: Vec<String> = workflow.triggers.iter().map(|trigger| trigger.name.clone()).collect();
    let mut pairs = |pairs: &[(String, pipeline::Text)]| {
        pairs.iter().for_each(|(name, text)| all.push(format!("{name}={}", text.value)));
    };
    pairs(&workflow.env);
    for job in &workflow.jobs {
        pairs(&job.env);
        for step in &job.steps {
            pairs(&step.with);
            pairs(&step.env);
        }
    }
    for job in &workflow.jobs {
        all.push(job.id.clone());
        let images = job.images.iter().chain(&job.runs_on).chain(&job.condition);
        all.extend(images.map(|text| text.value.clone()));
        all.extend(job.call.iter().map(|call| call.uses.value.clone()));
        for step in &job.steps {
            let texts = [&step.uses, &step.run, &step.condition].into_iter().flatten();
            all.extend(texts.map(|text| text.value.clone()));
            all.extend(step.texts.iter().map(|text| text.value.clone()));
        }
    }
    all
}

fn diff(path: &str, lines: &[&str], edits: &[Edit]) -> String {
    let shown = printable(path);
    let mut out = format!("diff --git a/{shown} b/{shown}\n--- a/{shown}\n+++ b/{shown}\n");
    let mut shift = 0_isize;
    let mut from = 0;
    while from < edits.len() {
        let mut to = from + 1;
        while to < edits.len() && edits[to].at <= edits[to - 1].at + edits[to - 1].remove + 2 * CONTEXT {
            to += 1;
        }
        let hunk = &edits[from..to];
        let start = hunk[0].at.saturating_sub(CONTEXT);
        let last = &hunk[hunk.len() - 1];
        let end = (last.at + last.remove + CONTEXT).min(lines.len());
        let grown: isize = hunk.iter().map(|edit| edit.insert.len() as isize - edit.remove as isize).sum();
        let (old, new) = (end - start, (end - start) as isize + grown);
        out.push_str(&format!("@@ -{},{old} +{},{new} @@\n", start + 1, (start + 1) as isize + shift));
        let mut at = start;
        for edit in hunk {
            lines[at..edit.at].iter().for_each(|line| put(&mut out, ' ', line));
            lines[edit.at..edit.at + edit.remove].iter().for_each(|line| put(&mut out, '-', line));
            edit.insert.iter().for_each(|line| put(&mut out, '+', line));
            at = edit.at + edit.remove;
        }
        lines[at..end].iter().for_each(|line| put(&mut out, ' ', line));
        shift += grown;
        from = to;
    }
    out
}

fn put(out: &mut String, mark: char, line: &str) {
    out.push(mark);
    out.push_str(line);
    if !line.ends_with('\n') {
        out.push_str("\n\\ No newline at end of file\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Repository, rights};

    fn patched(text: &str) -> (Patch, String) {
        let path = ".github/workflows/x.yml";
        let mut repository = Repository::new();
        repository.add(path, text.as_bytes(), &Limits::default());
        let all = rights(&repository);
        let patch = patch(path, text, &all.iter().collect::<Vec<_>>(), &Limits::default());
        let changed =
            patch.diff.lines().filter(|line| line.starts_with(['+', '-'])).skip(2).collect::<Vec<_>>().join("\n");
        (patch, changed)
    }

    #[test]
    fn rights_are_written_where_there_are_none() {
        let (_, changed) = patched(
            "on: push\njobs:\n  # first\n  a:   # one\n    # what it does\n    runs-on: x\n    steps:\n    - uses: actions/checkout@v4\n  b:\n      runs-on: x\n      steps: [{run: echo}]\n",
        );
        assert_eq!(changed, "+    permissions:\n+      contents: read\n+      permissions: {}");
    }

    #[test]
    fn rights_are_narrowed_and_comments_stay() {
        let text = "on: push\npermissions: write-all # all\njobs:\n  a:\n    permissions:\n      # to read\n      contents: write   # why\n      issues: write # goes\n      checks: none\n\n    # runs\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n  b:\n    permissions: {contents: write, issues: read} # b\n    steps:\n      - uses: actions/checkout@v4\n";
        let (_, changed) = patched(text);
        assert_eq!(
            changed,
            "-permissions: write-all # all\n+permissions: {} # all\n-    permissions:\n-      # to read\n-      contents: write   # why\n-      issues: write # goes\n-      checks: none\n+    permissions:\n+      # to read\n+      contents: read   # why\n+      checks: none\n-    permissions: {contents: write, issues: read} # b\n+    permissions: # b\n+      contents: read"
        );
    }

    #[test]
    fn nothing_is_widened_and_what_is_not_known_stays() {
        let (patch, changed) = patched(
            "on: push\njobs:\n  a:\n    permissions: {}\n    steps:\n      - uses: actions/checkout@v4\n  b:\n    permissions: write-all\n    steps:\n      - uses: somebody/something@v1\n  c:\n    permissions: {contents: write, issues: write}\n    steps:\n      - run: ./release.sh\n",
        );
        assert_eq!(
            changed,
            "-    permissions: {contents: write, issues: write}\n+    permissions:\n+      contents: write"
        );
        assert_eq!(patch.left, [("b".to_owned(), "what it needs is not known".to_owned())]);
    }

    #[test]
    fn odd_files_are_left_alone() {
        for text in [
            "on: push\njobs: {a: {steps: [{uses: actions/checkout@v4}]}}\n",
            "on: push\njobs:\n  a: {steps: [{uses: actions/checkout@v4}]}\n",
            "on: push\njobs:\n  a: &a\n    steps: [{uses: actions/checkout@v4}]\n  b: *a\n",
            "on: push\njobs:\n  a:\n    permissions: {contents: write,\n      issues: write}\n    steps: [{uses: actions/checkout@v4}]\n",
        ] {
            let (patch, _) = patched(text);
            assert!(patch.diff.is_empty() && !patch.left.is_empty(), "{text}\n{}", patch.diff);
        }
    }
}
