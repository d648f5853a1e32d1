//! GitLab's CI files (docs.gitlab.com: "CI/CD YAML syntax reference"). `include` is listed, never followed; `extends` and
//! `default` are applied within the file; tags such as `!reference` are not resolved.

use std::borrow::Cow;
use std::cell::Cell;

use provost_model::Problem;

use super::github::{collect, text};
use super::{Limits, PipelineError, Text};
use crate::lock::tree::{Node, Value, decode, yaml};

/// Keys at the top that are no jobs.
const KEYWORDS: &[&str] = &[
    "after_script",
    "before_script",
    "cache",
    "default",
    "image",
    "include",
    "services",
    "spec",
    "stages",
    "types",
    "variables",
    "workflow",
];

/// How deep `extends` is followed.
const EXTENDS: usize = 11;

/// Templates that are looked into for one key of one job.
const LOOKED: usize = 1_000;

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Its jobs; those whose names begin with `.` are templates and not here.
    pub jobs: Vec<Job>,
    /// What it includes.
    pub includes: Vec<Include>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// The line of its key.
    pub line: u32,
    /// Its image and its services'.
    pub images: Vec<Text>,
    /// Names and lines of its identity tokens (`id_tokens`).
    pub id_tokens: Vec<Text>,
    /// Its commands: `before_script`, `script`, `after_script`.
    pub scripts: Vec<Text>,
    /// Texts of `rules`, `only` and `except`.
    pub rules: Vec<Text>,
    /// It has rules or `only`.
    pub ruled: bool,
    /// Tags of runners.
    pub tags: Vec<Text>,
    /// Secrets of a vault (`secrets`).
    pub secrets: Vec<Text>,
    /// It has an environment.
    pub environment: bool,
    /// It has a cache.
    pub cache: Option<u32>,
    /// The pipeline that it starts, where it is a trigger.
    pub triggers: bool,
}

/// An `include`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// `local`, `remote`, `project`, `template` or `component`.
    pub kind: String,
    /// What it names.
    pub target: Text,
    /// `ref` of a project.
    pub reference: Option<String>,
    /// `integrity` of a remote file.
    pub integrity: Option<String>,
}

/// Reads a CI file.
///
/// # Errors
/// It is no YAML, no table, or more than is read.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Pipeline, PipelineError> {
    if bytes.len() > limits.bytes {
        return Err(PipelineError::new(None, format!("longer than {} bytes: not read", limits.bytes)));
    }
    let refused = |error: crate::lock::LockError| PipelineError::new(error.line, error.what);
    let written = decode(bytes).map_err(refused)?;
    let tree = yaml::parse(&written).map_err(refused)?;
    // A header (`spec:`) is a document of its own before the pipeline.
    let root = if tree.root.get("spec").is_some() { tree.more.first().unwrap_or(&tree.root) } else { &tree.root };
    if !matches!(root.value, Value::Table(_)) {
        return Err(PipelineError::new(None, "it is no table of jobs"));
    }
    let named: Vec<&(Cow<'_, str>, Node<'_>)> =
        root.entries().iter().filter(|(name, _)| !KEYWORDS.contains(&name.as_ref())).collect();
    if named.len() > limits.jobs {
        return Err(PipelineError::new(None, format!("more than {} jobs", limits.jobs)));
    }
    let mut jobs = Vec::new();
    for (name, node) in named.iter().filter(|(name, _)| !name.starts_with('.')) {
        let is_job = ["script", "trigger", "extends", "run"].iter().any(|key| node.get(key).is_some());
        if is_job {
            jobs.push(job(name, node, root, limits)?);
        }
    }
    Ok(Pipeline { jobs, includes: includes(root), problems: tree.problems })
}

/// Where a job finds a key: itself, what it is merged with or extends, `default`, and the top of the file.
fn find<'n, 'a>(node: &'n Node<'a>, root: &'n Node<'a>, key: &str) -> Option<&'n Node<'a>> {
    inherited(node, root, key, EXTENDS, &Cell::new(LOOKED)).or_else(|| {
        let global = ["image", "services", "before_script", "after_script", "cache"].contains(&key);
        let default = root.get("default").and_then(|default| default.get(key));
        default.or_else(|| global.then(|| root.get(key)).flatten())
    })
}

fn inherited<'n, 'a>(
    node: &'n Node<'a>,
    root: &'n Node<'a>,
    key: &str,
    left: usize,
    budget: &Cell<usize>,
) -> Option<&'n Node<'a>> {
    if let Some(found) = node.get(key) {
        return Some(found);
    }
    let left = left.checked_sub(1)?;
    budget.set(budget.get().checked_sub(1)?);
    let merged =
        node.get("<<").map(|merge| if merge.items().is_empty() { std::slice::from_ref(merge) } else { merge.items() });
    for merge in merged.into_iter().flatten() {
        if let Some(found) = inherited(merge, root, key, left, budget) {
            return Some(found);
        }
    }
    let extends = node.get("extends")?;
    let names = if extends.items().is_empty() { std::slice::from_ref(extends) } else { extends.items() };
    // Of several the last one wins.
    names.iter().rev().find_map(|name| inherited(root.get(name.text()?)?, root, key, left, budget))
}

fn job(name: &str, node: &Node<'_>, root: &Node<'_>, limits: &Limits) -> Result<Job, PipelineError> {
    let list = |key: &str| {
        let mut texts = Vec::new();
        if let Some(found) = find(node, root, key) {
            collect(found, &mut texts);
        }
        texts
    };
    let mut images = Vec::new();
    let image = find(node, root, "image");
    let services = find(node, root, "services").map_or(&[][..], Node::items);
    for holder in image.into_iter().chain(services) {
        images.extend(text(holder).or_else(|| holder.get("name").and_then(text)));
    }
    let keys = |key: &str| {
        let entries = find(node, root, key).map_or(&[][..], Node::entries);
        entries.iter().map(|(name, value)| Text { value: name.to_string(), line: value.line }).collect::<Vec<_>>()
    };
    let mut scripts = list("before_script");
    scripts.extend(list("script"));
    scripts.extend(list("after_script"));
    if scripts.len() > limits.steps {
        return Err(PipelineError::new(Some(node.line.into()), format!("more than {} commands", limits.steps)));
    }
    let mut rules = list("rules");
    rules.extend(list("only"));
    Ok(Job {
        name: name.to_owned(),
        line: node.line,
        images,
        id_tokens: keys("id_tokens"),
        scripts,
        ruled: !rules.is_empty(),
        rules,
        tags: list("tags"),
        secrets: keys("secrets"),
        environment: find(node, root, "environment").is_some(),
        cache: find(node, root, "cache").map(|cache| cache.line),
        triggers: node.get("trigger").is_some(),
    })
}

fn includes(root: &Node<'_>) -> Vec<Include> {
    let Some(node) = root.get("include") else { return Vec::new() };
    let items = if node.items().is_empty() { std::slice::from_ref(node) } else { node.items() };
    let mut includes = Vec::new();
    for item in items {
        let of = |key: &str| item.get(key).and_then(text).map(|text| text.value);
        if let Some(target) = text(item) {
            let kind = if target.value.starts_with("http") { "remote" } else { "local" };
            includes.push(Include { kind: kind.to_owned(), target, reference: None, integrity: None });
        }
        for kind in ["local", "remote", "project", "template", "component"] {
            if let Some(target) = item.get(kind).and_then(text) {
                includes.push(Include {
                    kind: kind.to_owned(),
                    target,
                    reference: of("ref"),
                    integrity: of("integrity"),
                });
            }
        }
    }
    includes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_includes_and_what_they_inherit() {
        let written = "include:\n  - remote: https://x.example/a.yml\n  - project: g/p\n    ref: main\n    file: /a.yml\n  - local.yml\nimage: alpine:3\n.base: &b\n  tags: [big]\n  id_tokens:\n    TOKEN: {aud: x}\nbuild:\n  extends: .base\n  script:\n    - make\n    - [a, b]\ntest:\n  <<: *b\n  image: {name: python}\n  services: [redis]\n  script: run\n  rules:\n    - if: $CI_PIPELINE_SOURCE == \"merge_request_event\"\nvariables: {A: b}\n";
        let it = read(written.as_bytes(), &Limits::default()).expect("a pipeline");
        assert_eq!(it.includes.len(), 3);
        assert_eq!((it.includes[1].kind.as_str(), it.includes[1].reference.as_deref()), ("project", Some("main")));
        assert_eq!(it.jobs.len(), 2);
        assert_eq!(it.jobs[0].images[0].value, "alpine:3");
        assert_eq!((it.jobs[0].scripts.len(), it.jobs[0].id_tokens.len(), it.jobs[0].tags.len()), (3, 1, 1));
        assert_eq!((it.jobs[1].images.len(), it.jobs[1].id_tokens.len(), it.jobs[1].ruled), (2, 1, true));
    }

    #[test]
    fn templates_that_extend_each_other_end() {
        let it = read(b".a: {extends: .b}\n.b: {extends: .a}\nj: {extends: .a, script: x}\n", &Limits::default());
        assert_eq!(it.expect("a pipeline").jobs.len(), 1);
        let many = vec![".a"; 200].join(",");
        let bomb = format!(".a: {{extends: [{many}]}}\nj: {{extends: [{many}], script: x}}\n");
        assert_eq!(read(bomb.as_bytes(), &Limits::default()).expect("it ends").jobs.len(), 1);
        for bad in ["[]", "1", "", "a: [", &format!("a: {}", "[".repeat(500))] {
            assert!(read(bad.as_bytes(), &Limits::default()).is_err(), "{bad:.20}");
        }
    }
}
