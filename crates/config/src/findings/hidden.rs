//! Credentials that lie about: kept by a checkout, handed over whole, restored with a cache.

use provost_formats::pipeline::{Access, Job};

use super::trust::{caches, names_secret};
use super::{At, brief};
use crate::need::is_action;
use crate::shell;
use crate::table::table;

pub(super) fn look(at: &mut At<'_>) {
    let workflow = at.workflow;
    for job in &workflow.jobs {
        if let Some(line) = job.call.as_ref().and_then(|call| call.inherits) {
            at.note(
                "secrets-inherit",
                line,
                format!("the job `{}` hands every secret to the workflow that it calls", brief(&job.id)),
                &[&job.id],
            );
        }
        for text in &job.texts {
            let plain = text.value.to_ascii_lowercase().replace(' ', "");
            if plain.contains("tojson(secrets)") || plain.contains("${{secrets}}") {
                at.note(
                    "whole-secrets",
                    text.line,
                    format!("the job `{}` is handed every secret at once", brief(&job.id)),
                    &[&job.id],
                );
            }
        }
        persisted(at, job);
        cached(at, job);
        let all = [&workflow.env, &job.env].into_iter().chain(job.steps.iter().map(|step| &step.env));
        for (_, text) in
            all.flatten().filter(|(name, text)| name == "ACTIONS_ALLOW_UNSECURE_COMMANDS" && text.value == "true")
        {
            at.note("unsecure-commands", text.line, "any output of a step can set variables".to_owned(), &[]);
        }
    }
}

/// A token that can write stays behind, though nothing that is seen pushes.
fn persisted(at: &mut At<'_>, job: &Job) {
    let granted = job.permissions.as_ref().or(at.workflow.permissions.as_ref());
    let writes = granted.is_some_and(|granted| granted.granted.scopes().get("contents") == Some(&Access::Write));
    let pushes = job.steps.iter().any(|step| step.run.as_ref().is_some_and(|run| run.value.contains("git push")));
    for step in job.steps.iter().filter(|step| is_action(step, "actions/checkout")) {
        let kept = step.input("persist-credentials").is_none_or(|text| text.value != "false");
        let other = step.input("token").is_some_and(|token| names_secret(&token.value));
        if kept && !pushes && (writes || other) {
            let what = if other { "a secret" } else { "a token that can write" };
            at.note(
                "persisted-credentials",
                step.line,
                format!("the checkout leaves {what} in .git/config for every later step"),
                &[&job.id],
            );
        }
    }
}

/// What is published was built with what other jobs have put into the cache.
fn cached(at: &mut At<'_>, job: &Job) {
    let workflow = at.workflow;
    let releases = workflow.trigger("release").is_some() || workflow.trigger("push").is_some_and(|push| push.tags_only);
    let publishes = job.steps.iter().any(|step| {
        let action =
            step.uses.as_ref().and_then(|uses| table().action(uses.value.split('@').next().unwrap_or_default()));
        let releasing = action.is_some_and(|action| {
            [
                "softprops/action-gh-release",
                "ncipollo/release-action",
                "pypa/gh-action-pypi-publish",
                "goreleaser/goreleaser-action",
            ]
            .contains(&action.name.as_str())
        });
        let command = step.run.as_ref().is_some_and(|run| {
            shell::commands(&run.value).iter().any(|words| {
                let line = words.join(" ");
                ["npm publish", "cargo publish", "twine upload", "gh release create", "gem push", "pnpm publish"]
                    .iter()
                    .any(|start| line.starts_with(start))
            })
        });
        releasing || command
    });
    if !(releases || publishes) {
        return;
    }
    if let Some(line) = job.steps.iter().find_map(caches) {
        let message = format!("the job `{}` publishes, and restores a cache that other jobs can write", brief(&job.id));
        at.note("cache-in-release", line, message, &[&job.id]);
    }
}
