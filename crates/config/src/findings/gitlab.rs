//! GitLab's CI files.

use provost_formats::pipeline::{GitlabJob, GitlabPipeline};
use provost_model::{Confidence, Finding, Level};

use super::pins::unpinned_image;
use super::{brief, finding};

/// Variables whose text outside people write (docs.gitlab.com, "Predefined CI/CD variables").
const WRITTEN: &[&str] = &[
    "CI_MERGE_REQUEST_TITLE",
    "CI_MERGE_REQUEST_DESCRIPTION",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "CI_COMMIT_MESSAGE",
    "CI_COMMIT_TITLE",
    "CI_COMMIT_DESCRIPTION",
    "CI_COMMIT_AUTHOR",
    "CI_COMMIT_BRANCH",
    "CI_COMMIT_REF_NAME",
    "CI_COMMIT_TAG_MESSAGE",
    "CI_MERGE_REQUEST_LABELS",
    "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME",
];

pub(super) fn look(file: &str, pipeline: &GitlabPipeline, found: &mut Vec<Finding>) {
    for include in &pipeline.includes {
        let target = brief(&include.target.value);
        let commit = |text: &str| matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
        let loose = match include.kind.as_str() {
            "remote" if include.integrity.is_none() => Some("has no `integrity`".to_owned()),
            "project" => match &include.reference {
                None => Some("has no `ref`: the default branch is taken".to_owned()),
                Some(reference) if !commit(reference) => {
                    Some(format!("is taken at `{}`, which can be moved", brief(reference)))
                }
                Some(_) => None,
            },
            "component" => {
                let version = include.target.value.rsplit_once('@').map_or("", |(_, version)| version);
                (!commit(version)).then(|| "is taken by a version that can be moved".to_owned())
            }
            _ => None,
        };
        if let Some(why) = loose {
            let message = format!("the {} `{target}` {why}", include.kind);
            found.push(finding("gitlab-include", file, include.target.line, message, &[&include.target.value]));
        }
    }
    for job in &pipeline.jobs {
        for image in job.images.iter().filter(|image| unpinned_image(&image.value)) {
            let message = format!("the image `{}` has no digest", brief(&image.value));
            found.push(finding("unpinned-image", file, image.line, message, &[&image.value]));
        }
        identity(file, job, found);
        injections(file, job, found);
    }
    if !pipeline.jobs.is_empty() {
        let message = "which variables and runners are protected, whether pipelines of forks run here, and what CI_JOB_TOKEN may reach are settings of the project: not known from this file";
        found.push(finding("unseen-rights", file, 1, message.to_owned(), &[]));
    }
}

/// The rules let a merge request's pipeline in.
fn of_merge_requests(job: &GitlabJob) -> bool {
    job.rules.iter().any(|rule| {
        let text = &rule.value;
        let negated = text.contains("!= \"merge_request_event\"") || text.contains("!= 'merge_request_event'");
        !negated
            && (text.contains("merge_request_event")
                || text == "merge_requests"
                || text.contains("$CI_MERGE_REQUEST_I"))
    })
}

fn identity(file: &str, job: &GitlabJob, found: &mut Vec<Finding>) {
    let guarded = job.rules.iter().any(|rule| {
        rule.value.contains("CI_MERGE_REQUEST_SOURCE_PROJECT") || rule.value.contains("CI_COMMIT_REF_PROTECTED")
    });
    if !of_merge_requests(job) || guarded {
        return;
    }
    for token in job.id_tokens.iter().chain(&job.secrets) {
        let message =
            format!("the job `{}` runs for merge requests and has `{}`", brief(&job.name), brief(&token.value));
        let mut one = finding("gitlab-untrusted-identity", file, token.line, message, &[&job.name, &token.value]);
        one.why.push("a pipeline of a fork's merge request runs in the fork unless a member starts it here".to_owned());
        found.push(one);
    }
}

fn injections(file: &str, job: &GitlabJob, found: &mut Vec<Finding>) {
    for script in &job.scripts {
        for name in WRITTEN {
            for written in [format!("${name}"), format!("${{{name}}}")] {
                let Some(at) = script.value.find(&written) else { continue };
                let after = script.value[at + written.len()..].chars().next();
                if !written.ends_with('}') && after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                    continue;
                }
                let before = &script.value[..at];
                let command = before.rsplit(['\n', ';', '|', '&']).next().unwrap_or_default();
                let evaluated =
                    ["eval ", "sh -c", "bash -c", "python -c", "python3 -c", "node -e", "perl -e", "ruby -e", "ssh "]
                        .iter()
                        .any(|word| command.contains(word));
                let bare = command.matches('"').count() % 2 == 0 && command.matches('\'').count() % 2 == 0;
                let compared = command.contains("[[") || command.contains("case ");
                let (level, how) = match (evaluated, bare && !compared) {
                    (true, _) => (Level::Error, "is run as a command"),
                    (false, true) => (Level::Note, "is not quoted: it may become several arguments"),
                    _ => continue,
                };
                let line = script.line.saturating_add(u32::try_from(before.matches('\n').count()).unwrap_or(0));
                let message =
                    format!("`{written}`, which outside people write, {how} in the job `{}`", brief(&job.name));
                let mut one = finding("gitlab-script-injection", file, line, message, &[&job.name, name]);
                one.level = level;
                one.confidence = Some(if evaluated { Confidence::Likely } else { Confidence::Weak });
                found.push(one);
            }
        }
    }
}
