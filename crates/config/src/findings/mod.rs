//! What is wrong with a repository's pipelines, as findings.

mod gitlab;
mod hidden;
mod pins;
mod rights;
mod trust;
mod untrusted;

use provost_model::{Finding, Level, Span};

use crate::repository::Repository;
use crate::rights::JobRights;

/// A kind of finding.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Stable id, kebab-case.
    pub id: &'static str,
    /// Its usual level.
    pub level: Level,
    /// What it looks for.
    pub text: &'static str,
    /// What to do about it.
    pub help: &'static str,
}

macro_rules! rules {
    ($($id:literal $level:ident $text:literal $help:literal;)*) => {
        /// Every rule.
        pub const RULES: &[Rule] = &[$(Rule { id: $id, level: Level::$level, text: $text, help: $help }),*];
    };
}

rules! {
    "artifact-poisoning" Warning "a workflow_run job takes files that an untrusted run has made" "Unpack into a directory of its own, check every value, and never execute or source what came with it.";
    "cache-in-release" Warning "a job that publishes restores a cache that other jobs can write" "Build releases without restoring caches.";
    "cache-shared" Error "a job that runs code of outside people writes to the cache of the default branch" "Do not use caches in jobs that check out a pull request with the target's rights.";
    "dangerous-trigger" Warning "the workflow runs with the target's rights on events that outside people cause" "Use `pull_request`, or keep such a workflow free of checkouts, secrets and write permissions.";
    "default-permissions" Warning "the file does not say what the job's token may do" "State `permissions` in the job; `provost privilege --patch` writes them.";
    "environment-injection" Error "a job of outside people writes to the environment of later steps" "Write outputs with fixed names, never GITHUB_ENV or GITHUB_PATH, in such a job.";
    "excess-permissions" Warning "the job's token may do more than its steps need" "Take the permissions away; `provost privilege --patch` does.";
    "gitlab-include" Warning "a CI file includes another that can change without a commit here" "Give `ref` a commit, `integrity` to remote files, a full version to components.";
    "gitlab-script-injection" Error "text of outside people is run as a command" "Quote the variable and hand it over as an argument; never eval it.";
    "gitlab-untrusted-identity" Error "a job of merge requests has an identity token or a vault's secret" "Give such jobs rules that leave merge requests of forks out, and bind the token's audience and subject.";
    "missing-permissions" Note "a step needs a right that the job's token does not have" "It fails, or uses another token: state which.";
    "mutable-workflow" Warning "a reusable workflow is called by a tag or branch, which can be moved" "Call it by a full commit id.";
    "persisted-credentials" Note "a checkout leaves a token that can write in .git/config for all later steps" "Set `persist-credentials: false` where nothing pushes.";
    "script-injection" Error "text of outside people becomes part of a script" "Hand it over in `env` and use it as a quoted variable.";
    "secrets-inherit" Warning "a reusable workflow gets every secret there is" "Name the secrets that it needs.";
    "self-hosted-runner" Warning "code of outside people can run on a runner of your own" "Use throw-away runners for such events, or ask for approval first.";
    "spoofable-actor" Warning "a condition trusts github.actor, which is whoever caused the last event, not the author" "Compare github.event.pull_request.user.login, and check who wrote the commits.";
    "unpinned-action" Warning "an action is used by a tag or branch, which can be moved" "Use it by a full commit id, the version in a comment.";
    "unpinned-image" Warning "an image is used without its digest" "Use it by its digest: `name:tag@sha256:…`.";
    "unreadable-pipeline" Error "a pipeline's file cannot be read" "Mend the file.";
    "unsecure-commands" Error "ACTIONS_ALLOW_UNSECURE_COMMANDS lets any output set variables" "Take it out, and use GITHUB_ENV and GITHUB_OUTPUT.";
    "unseen-rights" Note "settings that a CI file does not show decide who may use what" "Look at them in the project's settings.";
    "untrusted-checkout" Error "a job with the target's rights checks out code of outside people" "Run that code under `pull_request`; hand results over as data.";
    "whole-secrets" Warning "a job is handed every secret at once" "Name the secrets that it needs.";
    "write-all-permissions" Error "`permissions: write-all` gives the token every right" "State what each job needs; `provost privilege --patch` does.";
}

/// Everything that is found, sorted by file, line and rule.
pub fn all(repository: &Repository, rights: &[JobRights]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, error) in repository.failed() {
        let line = error.line.and_then(|line| u32::try_from(line).ok()).unwrap_or(1);
        found.push(finding("unreadable-pipeline", file, line, format!("not read: {}", error.what), &[]));
    }
    for (file, workflow) in repository.workflows() {
        let mut at = At { file, workflow, found: &mut found };
        pins::look(&mut at);
        trust::look(&mut at);
        untrusted::look(&mut at);
        hidden::look(&mut at);
    }
    rights::look(repository, rights, &mut found);
    for (file, pipeline) in repository.gitlab() {
        gitlab::look(file, pipeline, &mut found);
    }
    found.sort_by(|a, b| {
        let key = |f: &Finding| (f.file.clone(), f.span.map_or(0, |span| span.line), f.rule.clone(), f.message.clone());
        key(a).cmp(&key(b))
    });
    found.dedup_by(|a, b| a.rule == b.rule && a.file == b.file && a.span == b.span && a.message == b.message);
    found
}

/// Where a rule looks.
pub(crate) struct At<'a> {
    pub(crate) file: &'a str,
    pub(crate) workflow: &'a provost_formats::pipeline::Workflow,
    pub(crate) found: &'a mut Vec<Finding>,
}

impl At<'_> {
    /// Notes a finding of the rule's usual level.
    pub(crate) fn note(&mut self, rule: &str, line: u32, message: String, about: &[&str]) -> &mut Finding {
        let at = self.found.len();
        self.found.push(finding(rule, self.file, line, message, about));
        &mut self.found[at]
    }
}

/// A finding of the rule's usual level.
pub(crate) fn finding(rule: &str, file: &str, line: u32, message: String, about: &[&str]) -> Finding {
    let known = RULES.iter().find(|known| known.id == rule);
    let level = known.map_or(Level::Warning, |known| known.level);
    let mut parts = vec![file];
    parts.extend(about);
    let mut finding = Finding::new(rule, level, provost_model::printable(&message), &parts).in_file(file);
    let line = u64::from(line);
    finding.span = Some(Span { offset: 0, length: 0, line, column: 1, end_line: line, end_column: 1 });
    finding.help = known.map(|known| known.help.to_owned());
    finding
}

/// Text of a file in a message: short.
pub(crate) fn brief(text: &str) -> String {
    let mut short: String = text.trim().chars().take(100).collect();
    if short.len() < text.trim().len() {
        short.push('…');
    }
    short
}
