//! Rights of job tokens that are not stated, or more than what is needed.

use provost_formats::pipeline::{Access, Granted};
use provost_model::{Confidence, Finding, Level};

use super::{brief, finding};
use crate::repository::Repository;
use crate::rights::{Held, JobRights, Sureness};

pub(super) fn look(repository: &Repository, rights: &[JobRights], found: &mut Vec<Finding>) {
    for (file, workflow) in repository.workflows() {
        let jobs = workflow.jobs.iter().filter_map(|job| Some((job.id.as_str(), job.permissions.as_ref()?)));
        let whole = workflow.permissions.iter().map(|granted| ("", granted));
        for (job, granted) in whole.chain(jobs).filter(|(_, granted)| granted.granted == Granted::WriteAll) {
            let message = "`write-all` gives the token every right".to_owned();
            found.push(finding("write-all-permissions", file, granted.line, message, &[job]));
        }
    }
    for job in rights {
        let needed = words(job.needs.scopes().into_iter());
        match &job.held {
            Held::Default => {
                let needs = match job.sureness() {
                    Sureness::NotKnown => format!("what it needs is not known; at least {needed}"),
                    _ => format!("it needs {needed}"),
                };
                let message = format!("the job `{}` does not say what its token may do; {needs}", brief(&job.job));
                let mut one = finding("default-permissions", &job.file, job.line, message, &[&job.job]);
                let triggers = repository.workflow(&job.file).map_or(&[][..], |workflow| &workflow.triggers);
                if triggers.iter().all(|trigger| trigger.name == "workflow_call") && !triggers.is_empty() {
                    one.level = Level::Note;
                    one.why.push("the workflow is only called: it has no more than its caller".to_owned());
                }
                found.push(one);
            }
            Held::Job(line, granted) | Held::Workflow(line, granted) => {
                let excess = job.excess();
                let certain: Vec<_> = excess.iter().filter(|(scope, ..)| !job.doubtful(scope)).collect();
                if !excess.is_empty() && *granted != Granted::WriteAll {
                    let listed = words(excess.iter().map(|(scope, has, _)| (*scope, *has)));
                    let message = format!("the job `{}` has {listed}; its steps need {needed}", brief(&job.job));
                    let line = if matches!(job.held, Held::Job(..)) { *line } else { job.line };
                    let mut one = finding("excess-permissions", &job.file, line, message, &[&job.job]);
                    let writes = certain.iter().any(|(_, has, _)| *has == Access::Write);
                    if !writes {
                        one.level = Level::Note;
                    }
                    if certain.is_empty() {
                        one.confidence = Some(Confidence::Weak);
                        one.why.push("scripts that are not looked into may use it".to_owned());
                    }
                    found.push(one);
                }
            }
        }
        for (scope, access) in job.missing() {
            let need = job.needs.needs.iter().find(|need| need.scope == scope && need.access == access);
            let Some(need) = need else { continue };
            let message = format!(
                "`{}` needs `{scope}: {}`, which the job's token does not have",
                brief(&need.what),
                access.word()
            );
            found.push(finding("missing-permissions", &job.file, need.line, message, &[&job.job, scope]));
        }
    }
}

/// `contents: read and issues: write`, or `nothing`.
pub(crate) fn words(scopes: impl Iterator<Item = (&'static str, Access)>) -> String {
    let listed: Vec<String> = scopes.map(|(scope, access)| format!("`{scope}: {}`", access.word())).collect();
    if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") }
}
