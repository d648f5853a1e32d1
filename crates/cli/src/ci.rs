//! Which CI system this is, and which job, as its variables say. All of it is self-declared: whoever starts the
//! process can set the variables.

use provost_model::{EnvironmentFact, FactSource};

/// A CI system: its name, the variable that gives it away (with its value, where that matters), and the variables
/// that identify the job.
struct System {
    name: &'static str,
    marker: (&'static str, Option<&'static str>),
    facts: &'static [(&'static str, &'static str)],
}

const SYSTEMS: &[System] = &[
    System {
        name: "github-actions",
        marker: ("GITHUB_ACTIONS", Some("true")),
        facts: &[
            ("ci-server", "GITHUB_SERVER_URL"),
            ("ci-repository", "GITHUB_REPOSITORY"),
            ("ci-workflow", "GITHUB_WORKFLOW_REF"),
            ("ci-run", "GITHUB_RUN_ID"),
            ("ci-attempt", "GITHUB_RUN_ATTEMPT"),
            ("ci-job", "GITHUB_JOB"),
            ("ci-event", "GITHUB_EVENT_NAME"),
            ("ci-ref", "GITHUB_REF"),
            ("ci-commit", "GITHUB_SHA"),
            ("ci-actor", "GITHUB_ACTOR"),
            ("ci-runner", "RUNNER_NAME"),
            ("ci-runner-kind", "RUNNER_ENVIRONMENT"),
        ],
    },
    System {
        name: "gitlab-ci",
        marker: ("GITLAB_CI", Some("true")),
        facts: &[
            ("ci-server", "CI_SERVER_URL"),
            ("ci-repository", "CI_PROJECT_PATH"),
            ("ci-workflow", "CI_CONFIG_PATH"),
            ("ci-run", "CI_PIPELINE_ID"),
            ("ci-job", "CI_JOB_URL"),
            ("ci-event", "CI_PIPELINE_SOURCE"),
            ("ci-ref", "CI_COMMIT_REF_NAME"),
            ("ci-commit", "CI_COMMIT_SHA"),
            ("ci-actor", "GITLAB_USER_LOGIN"),
            ("ci-runner", "CI_RUNNER_ID"),
        ],
    },
    System {
        name: "azure-pipelines",
        marker: ("TF_BUILD", None),
        facts: &[
            ("ci-server", "SYSTEM_COLLECTIONURI"),
            ("ci-repository", "BUILD_REPOSITORY_URI"),
            ("ci-workflow", "BUILD_DEFINITIONNAME"),
            ("ci-run", "BUILD_BUILDID"),
            ("ci-job", "SYSTEM_JOBID"),
            ("ci-event", "BUILD_REASON"),
            ("ci-ref", "BUILD_SOURCEBRANCH"),
            ("ci-commit", "BUILD_SOURCEVERSION"),
            ("ci-actor", "BUILD_REQUESTEDFOR"),
            ("ci-runner", "AGENT_NAME"),
        ],
    },
    System {
        name: "circleci",
        marker: ("CIRCLECI", Some("true")),
        facts: &[
            ("ci-repository", "CIRCLE_REPOSITORY_URL"),
            ("ci-workflow", "CIRCLE_WORKFLOW_ID"),
            ("ci-run", "CIRCLE_PIPELINE_ID"),
            ("ci-job", "CIRCLE_BUILD_URL"),
            ("ci-ref", "CIRCLE_BRANCH"),
            ("ci-commit", "CIRCLE_SHA1"),
            ("ci-actor", "CIRCLE_USERNAME"),
        ],
    },
    System {
        name: "buildkite",
        marker: ("BUILDKITE", Some("true")),
        facts: &[
            ("ci-repository", "BUILDKITE_REPO"),
            ("ci-workflow", "BUILDKITE_PIPELINE_SLUG"),
            ("ci-run", "BUILDKITE_BUILD_ID"),
            ("ci-job", "BUILDKITE_JOB_ID"),
            ("ci-event", "BUILDKITE_SOURCE"),
            ("ci-ref", "BUILDKITE_BRANCH"),
            ("ci-commit", "BUILDKITE_COMMIT"),
            ("ci-actor", "BUILDKITE_BUILD_CREATOR"),
            ("ci-runner", "BUILDKITE_AGENT_ID"),
        ],
    },
    System {
        name: "bitbucket-pipelines",
        marker: ("BITBUCKET_BUILD_NUMBER", None),
        facts: &[
            ("ci-repository", "BITBUCKET_GIT_HTTP_ORIGIN"),
            ("ci-workflow", "BITBUCKET_PIPELINE_UUID"),
            ("ci-run", "BITBUCKET_BUILD_NUMBER"),
            ("ci-job", "BITBUCKET_STEP_UUID"),
            ("ci-ref", "BITBUCKET_BRANCH"),
            ("ci-commit", "BITBUCKET_COMMIT"),
            ("ci-actor", "BITBUCKET_STEP_TRIGGERER_UUID"),
        ],
    },
    System {
        name: "jenkins",
        marker: ("JENKINS_URL", None),
        facts: &[
            ("ci-server", "JENKINS_URL"),
            ("ci-repository", "GIT_URL"),
            ("ci-workflow", "JOB_NAME"),
            ("ci-run", "BUILD_TAG"),
            ("ci-job", "BUILD_URL"),
            ("ci-ref", "GIT_BRANCH"),
            ("ci-commit", "GIT_COMMIT"),
            ("ci-runner", "NODE_NAME"),
        ],
    },
    System {
        name: "tekton",
        marker: ("TEKTON_RUN", None),
        facts: &[("ci-run", "TEKTON_PIPELINE_RUN"), ("ci-job", "TEKTON_TASK_RUN"), ("ci-workflow", "TEKTON_TASK")],
    },
];

/// The facts of the CI system, from variables that `get` looks up. Tekton sets no variables of its own: its steps are
/// known by the directory `/tekton`, which `exists` looks for.
pub fn facts(get: &dyn Fn(&str) -> Option<String>, exists: &dyn Fn(&str) -> bool) -> Vec<EnvironmentFact> {
    let fact = |name: &str, value: String, basis: String| EnvironmentFact {
        name: name.to_owned(),
        value,
        source: FactSource::SelfDeclared,
        basis,
    };
    let found = SYSTEMS.iter().find(|system| {
        let (name, value) = system.marker;
        get(name)
            .filter(|v| !v.is_empty())
            .is_some_and(|v| value.is_none_or(|expected| v.eq_ignore_ascii_case(expected)))
    });
    let found = found.or_else(|| SYSTEMS.iter().find(|system| system.name == "tekton" && exists("/tekton/steps")));
    let Some(system) = found else {
        let basis = if get("CI").is_some_and(|v| !v.is_empty() && v != "false") {
            return vec![fact("ci-system", "unknown".into(), "variable CI".into())];
        } else {
            "no variable of a known CI system is set"
        };
        return vec![fact("ci-system", "none".into(), basis.into())];
    };
    let mut facts = vec![fact("ci-system", system.name.into(), format!("variable {}", system.marker.0))];
    for (name, variable) in system.facts {
        if let Some(value) = get(variable).filter(|v| !v.is_empty()) {
            facts.push(fact(name, crate::redact::without_credentials(&value), format!("variable {variable}")));
        }
    }
    facts
}

/// The platform as a URI, for `monitoredProcess.hostID`.
pub fn host_id(facts: &[EnvironmentFact]) -> String {
    let value = |name: &str| facts.iter().find(|f| f.name == name).map(|f| f.value.as_str());
    match (value("ci-server"), value("ci-system")) {
        (Some(server), _) if server.contains("://") => server.to_owned(),
        (_, Some(system)) if system != "none" => format!("urn:provost:host:{system}"),
        _ => "urn:provost:host:shell".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(variables: &[(&str, &str)]) -> Vec<EnvironmentFact> {
        let get = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        facts(&get, &|_| false)
    }

    #[test]
    fn each_system_is_known_by_its_variables() {
        for (variables, name) in [
            (&[("GITHUB_ACTIONS", "true"), ("GITHUB_RUN_ID", "7")][..], "github-actions"),
            (&[("GITLAB_CI", "true"), ("CI", "true")], "gitlab-ci"),
            (&[("TF_BUILD", "True")], "azure-pipelines"),
            (&[("CIRCLECI", "true")], "circleci"),
            (&[("BUILDKITE", "true")], "buildkite"),
            (&[("BITBUCKET_BUILD_NUMBER", "12")], "bitbucket-pipelines"),
            (&[("JENKINS_URL", "https://ci.test/")], "jenkins"),
            (&[("CI", "1")], "unknown"),
            (&[("CI", "false")], "none"),
            (&[], "none"),
        ] {
            let found = detect(variables);
            assert_eq!(found[0].value, name);
            assert!(found.iter().all(|f| f.source == FactSource::SelfDeclared));
        }
        assert_eq!(facts(&|_| None, &|path| path == "/tekton/steps")[0].value, "tekton");
    }

    #[test]
    fn credentials_in_addresses_stay_out() {
        let found = detect(&[("CIRCLECI", "true"), ("CIRCLE_REPOSITORY_URL", "https://u:s3cret@host.test/r")]);
        assert!(found.iter().all(|f| !f.value.contains("s3cret")));
    }
}
