//! The pipelines of one repository, each file read once.

use std::collections::BTreeMap;

use provost_formats::pipeline::{self, GitlabPipeline, Limits, PipelineError, Workflow};

/// Which reader a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// GitHub's workflows and actions.
    Github,
    /// GitLab's CI file.
    Gitlab,
}

/// Knows the files that are read by their paths, relative to the repository: `.github/workflows/*.yml`, `action.yml`
/// anywhere, `.gitlab-ci.yml`.
pub fn wants(path: &str) -> Option<Reads> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    if folder == ".github/workflows" && yaml || name == "action.yml" || name == "action.yaml" {
        return Some(Reads::Github);
    }
    let gitlab = folder.is_empty() && matches!(name, ".gitlab-ci.yml" | ".gitlab-ci.yaml")
        || folder.starts_with(".gitlab/") && yaml
        || folder == ".gitlab" && name.contains("ci") && yaml;
    gitlab.then_some(Reads::Gitlab)
}

/// Its files.
#[derive(Debug, Default)]
pub struct Repository {
    workflows: BTreeMap<String, Workflow>,
    gitlab: BTreeMap<String, GitlabPipeline>,
    failed: BTreeMap<String, PipelineError>,
}

impl Repository {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one file; what cannot be read is remembered as failed. Files of no known kind are passed over.
    pub fn add(&mut self, path: &str, bytes: &[u8], limits: &Limits) {
        match wants(path) {
            Some(Reads::Github) => match pipeline::github(bytes, limits) {
                Ok(workflow) => drop(self.workflows.insert(path.to_owned(), workflow)),
                Err(error) => drop(self.failed.insert(path.to_owned(), error)),
            },
            Some(Reads::Gitlab) => match pipeline::gitlab(bytes, limits) {
                Ok(pipeline) => drop(self.gitlab.insert(path.to_owned(), pipeline)),
                Err(error) => drop(self.failed.insert(path.to_owned(), error)),
            },
            None => {}
        }
    }

    /// GitHub's files, by path.
    pub fn workflows(&self) -> impl Iterator<Item = (&str, &Workflow)> {
        self.workflows.iter().map(|(path, workflow)| (path.as_str(), workflow))
    }

    /// GitLab's files, by path.
    pub fn gitlab(&self) -> impl Iterator<Item = (&str, &GitlabPipeline)> {
        self.gitlab.iter().map(|(path, pipeline)| (path.as_str(), pipeline))
    }

    /// Files that could not be read.
    pub fn failed(&self) -> impl Iterator<Item = (&str, &PipelineError)> {
        self.failed.iter().map(|(path, error)| (path.as_str(), error))
    }

    /// A workflow by its path.
    pub fn workflow(&self, path: &str) -> Option<&Workflow> {
        self.workflows.get(path)
    }

    /// The action in a folder, and its file.
    pub fn action(&self, folder: &str) -> Option<(&str, &Workflow)> {
        let folder = folder.trim_matches('/');
        ["action.yml", "action.yaml"].into_iter().find_map(|name| {
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            self.workflows.get_key_value(&path).map(|(path, action)| (path.as_str(), action))
        })
    }
}
