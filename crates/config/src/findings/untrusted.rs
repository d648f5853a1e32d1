//! Text and files of outside people that become code: expressions in scripts, artifacts of untrusted runs, GITHUB_ENV.

use provost_formats::pipeline::{FileKind, Step, Text};
use provost_model::{Confidence, Level};

use super::trust::{executes, target_event, text_event};
use super::{At, brief};
use crate::need::is_action;

/// Ends of `github.event.…` that outside people write (GitHub Security Lab, "Untrusted input").
const WRITTEN: &[&str] = &[
    ".title",
    ".body",
    ".head.ref",
    ".head.label",
    ".head.repo.default_branch",
    ".head.repo.description",
    ".head.repo.homepage",
    ".head_branch",
    ".head_commit.message",
    ".head_commit.author.email",
    ".head_commit.author.name",
    ".display_title",
    ".head_repository.description",
    ".message",
    ".author.name",
    ".author.email",
    ".page_name",
    ".default_branch",
    ".label.name",
    ".milestone.title",
    ".answer.body",
    ".comment.body",
];

/// Whose text an expression brings into a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// Outside people's.
    Outside,
    /// Of whoever may start the workflow, or call it.
    Caller,
}

pub(super) fn look(at: &mut At<'_>) {
    let workflow = at.workflow;
    for job in &workflow.jobs {
        for step in &job.steps {
            injections(at, &job.id, step);
            environment(at, step);
        }
        if workflow.trigger("workflow_run").is_some() {
            artifacts(at, &job.id, &job.steps);
        }
    }
}

fn injections(at: &mut At<'_>, job: &str, step: &Step) {
    let script =
        step.run.as_ref().or_else(|| is_action(step, "actions/github-script").then(|| step.input("script")).flatten());
    let Some(script) = script else { return };
    for (expression, line) in expressions(script) {
        let Some(source) = source(&expression) else { continue };
        let workflow = at.workflow;
        let level = match source {
            Source::Outside if workflow.kind == FileKind::Workflow && text_event(workflow).is_none() => Level::Warning,
            Source::Outside => Level::Error,
            Source::Caller => Level::Note,
        };
        let who = match source {
            Source::Outside => "outside people write",
            Source::Caller => "whoever starts or calls this writes",
        };
        let message = format!("`${{{{ {} }}}}`, which {who}, becomes part of the script", brief(&expression));
        let found = at.note("script-injection", line, message, &[&expression, job]);
        found.level = level;
        found.confidence = Some(if source == Source::Outside { Confidence::Likely } else { Confidence::Weak });
    }
}

/// Expressions of a text, each with the line that it stands in.
fn expressions(text: &Text) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    // A block's text begins in the line after its key; a plain one stands in it.
    let first = text.line + u32::from(text.value.contains('\n'));
    let mut from = 0;
    while let Some(start) = text.value[from..].find("${{").map(|start| from + start) {
        let Some(end) = text.value[start..].find("}}").map(|end| start + end) else { break };
        let lines = text.value[..start].bytes().filter(|b| *b == b'\n').count();
        let inner = text.value[start + 3..end].trim().to_owned();
        found.push((inner, first.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX))));
        from = end + 2;
    }
    found
}

/// Whose text an expression is. Comparisons give true or false, and are nobody's.
fn source(expression: &str) -> Option<Source> {
    let plain = expression.to_ascii_lowercase().replace("['", ".").replace("']", "").replace(' ', "");
    if plain.contains("==")
        || plain.contains("!=")
        || plain.starts_with("contains(")
        || plain.starts_with("startswith(")
        || plain.starts_with('!')
    {
        return None;
    }
    let words = plain.split(|c: char| !(c.is_ascii_alphanumeric() || "._-*[]".contains(c)));
    let of = |word: &str| {
        if word == "github.head_ref" || word == "github.event" {
            return Some(Source::Outside);
        }
        if let Some(rest) = word.strip_prefix("github.event.") {
            if rest.starts_with("inputs.") || rest.starts_with("client_payload") {
                return Some(Source::Caller);
            }
            if rest.starts_with("release.") {
                return ["tag_name", "name", "body", "target_commitish"]
                    .iter()
                    .any(|end| rest.ends_with(end))
                    .then_some(Source::Caller);
            }
            let name = format!(".{rest}");
            return WRITTEN.iter().any(|end| name.ends_with(end)).then_some(Source::Outside);
        }
        if word.starts_with("inputs.") || matches!(word, "github.ref_name" | "github.base_ref") {
            return Some(Source::Caller);
        }
        None
    };
    words.filter_map(of).min()
}

/// Values of outside people that a target's job writes into the environment of later steps.
fn environment(at: &mut At<'_>, step: &Step) {
    let Some(event) = target_event(at.workflow) else { return };
    let Some(run) = &step.run else { return };
    for (index, line) in run.value.lines().enumerate() {
        let writes = ["GITHUB_ENV", "GITHUB_PATH"].into_iter().find(|name| line.contains(name) && line.contains('>'));
        let foreign = step.env.iter().any(|(_, text)| {
            source(text.value.trim_start_matches("${{").trim_end_matches("}}").trim()) == Some(Source::Outside)
        }) || line.contains("cat ")
            || line.contains("$(<")
            || expressions(&Text { value: line.to_owned(), line: 0 })
                .iter()
                .any(|(inner, _)| source(inner) == Some(Source::Outside));
        if let Some(name) = writes.filter(|_| foreign) {
            let message = format!(
                "`{event}`: text that outside people write goes to {name}, which sets variables of every later step"
            );
            let first = run.line + u32::from(run.value.contains('\n'));
            at.note("environment-injection", first + u32::try_from(index).unwrap_or(0), message, &[line]);
        }
    }
}

/// Files that an untrusted run has left, taken by a job with the target's rights.
fn artifacts(at: &mut At<'_>, job: &str, steps: &[Step]) {
    for (index, step) in steps.iter().enumerate() {
        let by_action = is_action(step, "actions/download-artifact") && step.input("run-id").is_some()
            || is_action(step, "dawidd6/action-download-artifact");
        let by_script = step.run.as_ref().is_some_and(|run| run.value.contains("gh run download"))
            || step.input("script").is_some_and(|script| script.value.contains("downloadArtifact"));
        if !(by_action || by_script) {
            continue;
        }
        let path = step.input("path").map(|text| text.value.trim()).unwrap_or_default();
        let here = by_action && (matches!(path, "" | "." | "./") || path.contains("github.workspace"));
        let runs = steps[index + 1..].iter().find_map(executes);
        let mut message = "files of the run that started this one are taken".to_owned();
        if here {
            message.push_str(", into the working directory");
        }
        if let Some((what, line)) = &runs {
            message.push_str(&format!(", and line {line} runs `{}`", brief(what)));
        }
        let found = at.note("artifact-poisoning", step.line, message, &[job]);
        if here && runs.is_some() {
            found.level = Level::Error;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_text_it_is() {
        for outside in [
            "github.event.issue.title",
            "github.event.pull_request.body",
            "github.head_ref",
            "github.event.comment.body",
            "github.event.commits[0].message",
            "github.event.commits.*.author.email",
            "format('x {0}', github.head_ref)",
            "github.event['issue']['title']",
            "github.event.pull_request.head.ref || 'main'",
            "toJSON(github.event)",
            "github.event.workflow_run.head_branch",
        ] {
            assert_eq!(source(outside), Some(Source::Outside), "{outside}");
        }
        for caller in ["inputs.name", "github.event.inputs.version", "github.ref_name", "github.event.release.tag_name"]
        {
            assert_eq!(source(caller), Some(Source::Caller), "{caller}");
        }
        for nobody in [
            "github.sha",
            "github.event.number",
            "matrix.os",
            "github.event.pull_request.head.sha",
            "github.repository",
            "github.event.issue.title == 'x'",
            "contains(github.event.comment.body, 'x')",
            "secrets.A",
            "env.title",
        ] {
            assert_eq!(source(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn expressions_know_their_lines() {
        let text = Text { value: "a\n${{ x }} ${{ y\n}}\n${{ z".to_owned(), line: 7 };
        assert_eq!(expressions(&text), [("x".to_owned(), 9), ("y".to_owned(), 9)]);
    }
}
