//! Who can have a workflow run with which rights: triggers, guards, checkouts of other people's code.

use provost_formats::pipeline::{Job, Step, Text, Workflow};
use provost_model::{Confidence, Level};

use super::{At, brief};
use crate::need::{is_action, is_job_token, runs_code};
use crate::shell;

/// Events that outside people cause and that run with the target's rights and secrets.
const TARGET: &[&str] = &[
    "pull_request_target",
    "workflow_run",
    "issue_comment",
    "pull_request_review",
    "pull_request_review_comment",
    "issues",
    "discussion",
    "discussion_comment",
];

/// What names the code of a pull request.
const HEADS: &[&str] = &[
    "github.event.pull_request.head",
    "github.head_ref",
    "github.event.workflow_run.head_",
    "refs/pull/",
    "pull/${{",
    "github.event.pull_request.merge_commit_sha",
    "github.event.workflow_run.pull_requests",
    "github.event.pull_request.number",
    "github.event.issue.number",
    "github.event.number",
];

/// The event that lets outside people in with the target's rights, where there is one.
pub(super) fn target_event(workflow: &Workflow) -> Option<&str> {
    let named = |name: &&str| workflow.trigger(name).is_some();
    ["pull_request_target", "workflow_run", "issue_comment"].iter().find(|name| named(name)).copied()
}

/// An event by which outside people write text that the workflow sees with the target's rights.
pub(super) fn text_event(workflow: &Workflow) -> Option<&str> {
    TARGET.iter().find(|name| workflow.trigger(name).is_some()).copied()
}

/// What keeps outside people out of a job or step, as its condition says.
fn guard(conditions: &[&Option<Text>]) -> Option<&'static str> {
    let text: String = conditions.iter().filter_map(|text| text.as_ref()).map(|text| text.value.as_str()).collect();
    let repository = text.contains("head.repo.full_name == github.repository")
        || text.contains("github.repository == github.event.pull_request.head.repo.full_name")
        || text.contains("head.repo.fork == false")
        || text.contains("!github.event.pull_request.head.repo.fork")
        || text.contains("head_repository.full_name == github.repository");
    if repository {
        return Some("a condition leaves forks out");
    }
    if text.contains("author_association") {
        return Some("a condition asks how the author stands to the repository");
    }
    if text.contains("label") {
        return Some("a condition asks for a label: what is pushed after the label was set runs too");
    }
    None
}

pub(super) fn look(at: &mut At<'_>) {
    let workflow = at.workflow;
    for job in &workflow.jobs {
        if let Some(event) = target_event(workflow) {
            target(at, event, job);
        }
        self_hosted(at, job);
        actor(at, job);
    }
}

fn holds(job: &Job) -> Vec<&'static str> {
    let mut held = Vec::new();
    if job.texts.iter().any(|text| names_secret(&text.value))
        || job.call.as_ref().is_some_and(|call| call.inherits.is_some())
    {
        held.push("secrets");
    }
    let scopes = job.permissions.as_ref().map(|granted| granted.granted.scopes()).unwrap_or_default();
    if scopes.get("id-token").is_some_and(|access| *access == provost_formats::pipeline::Access::Write) {
        held.push("an identity token");
    }
    held
}

/// A secret that is not the job's own token.
pub(super) fn names_secret(text: &str) -> bool {
    text.contains("${{")
        && text.split("secrets").skip(1).any(|rest| {
            let rest = rest.trim_start_matches(['.', '[', '\'', '"']);
            rest.len() < text.len()
                && !rest.to_ascii_lowercase().starts_with("github_token")
                && rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        })
}

fn target(at: &mut At<'_>, event: &str, job: &Job) {
    let workflow = at.workflow;
    let mut held = holds(job);
    let granted = job.permissions.as_ref().or(workflow.permissions.as_ref());
    let writes = granted.is_none_or(|granted| {
        granted.granted.scopes().values().any(|access| *access == provost_formats::pipeline::Access::Write)
    });
    if writes {
        held.push(if granted.is_some() {
            "a token that can write"
        } else {
            "a token whose rights the file does not state"
        });
    }
    let untrusted = job.steps.iter().enumerate().find_map(|(index, step)| head(step).map(|sure| (index, step, sure)));
    let Some((index, step, sure)) = untrusted else {
        let line = workflow.trigger(event).map_or(job.line, |trigger| trigger.line);
        let level = if held.is_empty() { Level::Note } else { Level::Warning };
        let what = if held.is_empty() { "nothing that is worth taking".to_owned() } else { held.join(" and ") };
        at.note(
            "dangerous-trigger",
            line,
            format!("`{event}` starts the job `{}`, which has {what}", brief(&job.id)),
            &[&job.id],
        )
        .level = level;
        return;
    };
    let kept = guard(&[&job.condition, &step.condition]);
    let later = &job.steps[index + 1..];
    let runs = later.iter().chain(step.run.iter().map(|_| step)).find_map(executes);
    let has = if held.is_empty() { String::new() } else { format!(" The job has {}.", held.join(" and ")) };
    let then =
        runs.as_ref().map_or(String::new(), |(what, line)| format!(", and line {line} runs it (`{}`)", brief(what)));
    let approved = job.environment.then_some("the job has an environment, which may ask for approval");
    let message = format!("`{event}`: the code of the pull request is checked out{then}.{has}");
    let level = match (&runs, kept.or(approved)) {
        (Some(_), None) => Level::Error,
        (None, None) if sure => Level::Warning,
        (Some(_), Some(_)) => Level::Warning,
        _ => Level::Note,
    };
    let found = at.note(
        "untrusted-checkout",
        step.line,
        message,
        &[&job.id, step.uses.as_ref().or(step.run.as_ref()).map_or("", |text| text.value.as_str())],
    );
    found.level = level;
    found.confidence = Some(if sure { Confidence::Likely } else { Confidence::Weak });
    found.why.extend(kept.into_iter().chain(approved).map(str::to_owned));
    let cache = job.steps.iter().find_map(caches);
    if let Some(line) = cache.filter(|_| kept.is_none()) {
        let message = format!(
            "`{event}`: the job `{}` checks out the code of a pull request and writes to the cache of the default branch",
            brief(&job.id)
        );
        at.note("cache-shared", line, message, &[&job.id]);
    }
}

/// The step checks out the code of a pull request: for sure, or by a value that only the run knows.
fn head(step: &Step) -> Option<bool> {
    let names = |text: &str| HEADS.iter().any(|head| text.contains(head));
    if is_action(step, "actions/checkout") {
        let of = |name: &str| step.input(name).map(|text| text.value.as_str()).unwrap_or_default();
        if names(of("ref")) || of("repository").contains("head.repo") || of("repository").contains("head_repository") {
            return Some(true);
        }
        return (of("ref").contains(".outputs.") || of("repository").contains(".outputs.")).then_some(false);
    }
    let run = &step.run.as_ref()?.value;
    for words in shell::commands(run) {
        let line = words.join(" ");
        if line.starts_with("gh pr checkout") || line.starts_with("hub pr checkout") {
            return Some(true);
        }
        let fetches = words[0] == "git"
            && words.iter().any(|word| matches!(word.as_str(), "fetch" | "checkout" | "pull" | "switch" | "clone"));
        if fetches && (names(&line) || line.contains("pull/")) {
            return Some(true);
        }
    }
    None
}

/// What a step runs of the tree, and where.
pub(super) fn executes(step: &Step) -> Option<(String, u32)> {
    if let Some(uses) = &step.uses {
        return uses.value.starts_with("./").then(|| (uses.value.clone(), uses.line));
    }
    let run = step.run.as_ref()?;
    shell::commands(&run.value).into_iter().find_map(|words| {
        let first = words[0].rsplit('/').next().unwrap_or_default();
        runs_code(first, &words).then(|| (words.iter().take(4).cloned().collect::<Vec<_>>().join(" "), run.line))
    })
}

/// Where a step writes or restores a cache.
pub(super) fn caches(step: &Step) -> Option<u32> {
    let named = [
        "actions/cache",
        "actions/cache/restore",
        "actions/cache/save",
        "Swatinem/rust-cache",
        "hendrikmuhs/ccache-action",
        "mozilla-actions/sccache-action",
    ];
    let set = |name: &str| step.input(name).is_some_and(|text| !matches!(text.value.as_str(), "" | "false"));
    let is_setup = step.uses.as_ref().is_some_and(|uses| uses.value.contains("setup-"));
    // setup-go restores a cache unless it is told not to.
    let by_default =
        is_action(step, "actions/setup-go") && step.input("cache").is_none_or(|text| text.value != "false");
    let is_cache = named.iter().any(|name| is_action(step, name));
    (is_cache
        || by_default
        || is_setup && (set("cache") || set("bundler-cache") || set("enable-cache"))
        || set("cache-from"))
    .then_some(step.line)
}

fn self_hosted(at: &mut At<'_>, job: &Job) {
    let workflow = at.workflow;
    let own = job
        .runs_on
        .iter()
        .find(|label| label.value.eq_ignore_ascii_case("self-hosted") || label.value.starts_with("group "));
    let event = ["pull_request", "pull_request_target", "issue_comment", "workflow_run", "issues", "discussion"]
        .into_iter()
        .find(|name| workflow.trigger(name).is_some());
    if let (Some(label), Some(event)) = (own, event) {
        let message = format!(
            "`{event}` can start the job `{}` on a runner of your own (`{}`): in a public repository anybody can",
            brief(&job.id),
            brief(&label.value)
        );
        let kept = guard(&[&job.condition]);
        let found = at.note("self-hosted-runner", label.line, message, &[&job.id]);
        found.why.extend(kept.map(str::to_owned));
        if kept.is_some() {
            found.level = Level::Note;
        }
    }
}

fn actor(at: &mut At<'_>, job: &Job) {
    if target_event(at.workflow).is_none() && at.workflow.trigger("pull_request").is_none() {
        return;
    }
    for condition in job.condition.iter().chain(job.steps.iter().filter_map(|step| step.condition.as_ref())) {
        let text = &condition.value;
        if text.contains("github.actor") && text.contains("[bot]") && text.contains("==") {
            let found = at.note(
                "spoofable-actor",
                condition.line,
                format!("the condition `{}` is met by whoever makes a bot cause the last event", brief(text)),
                &[text],
            );
            found.level = if is_job_token(text) { Level::Error } else { Level::Warning };
        }
    }
}
