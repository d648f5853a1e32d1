//! GitHub's workflows and actions (docs.github.com: "Workflow syntax", "Metadata syntax").

use provost_model::Problem;

use super::{
    Access, Call, FileKind, Granted, Job, Limits, Permissions, PipelineError, SCOPES, Scopes, Step, Text, Trigger,
    Workflow,
};
use crate::lock::tree::{Node, Value, decode, note, shown, yaml};

/// Reads a workflow or an action's `action.yml`.
///
/// # Errors
/// It is no YAML, neither workflow nor action, or more than is read.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Workflow, PipelineError> {
    if bytes.len() > limits.bytes {
        return Err(PipelineError::new(None, format!("longer than {} bytes: not read", limits.bytes)));
    }
    let refused = |error: crate::lock::LockError| PipelineError::new(error.line, error.what);
    let text = decode(bytes).map_err(refused)?;
    let tree = yaml::parse(&text).map_err(refused)?;
    let root = &tree.root;
    let mut reading = Reading { problems: tree.problems, limits };
    if !tree.more.is_empty() {
        reading.problem(1, "there is more than one document in it");
    }
    if root.get("jobs").is_none()
        && let Some(runs) = root.get("runs")
    {
        return action(runs, reading);
    }
    let Some(jobs) = root.get("jobs") else {
        return Err(PipelineError::new(None, "it has neither `jobs` (a workflow) nor `runs` (an action)"));
    };
    if jobs.entries().len() > limits.jobs {
        return Err(PipelineError::new(Some(jobs.line.into()), format!("more than {} jobs", limits.jobs)));
    }
    let mut workflow = Workflow {
        kind: FileKind::Workflow,
        triggers: reading.triggers(root.get("on")),
        permissions: root.get("permissions").and_then(|node| reading.permissions(node)),
        env: reading.pairs(root.get("env")),
        jobs: Vec::new(),
        image: None,
        problems: Vec::new(),
    };
    // `permissions:` with nothing behind it is an empty table to GitHub.
    if workflow.permissions.is_none() {
        workflow.permissions = empty(root);
    }
    for (id, node) in jobs.entries() {
        let job = reading.job(id, node)?;
        workflow.jobs.push(job);
    }
    workflow.problems = reading.problems;
    Ok(workflow)
}

/// The key with nothing behind it.
fn empty(of: &Node<'_>) -> Option<Permissions> {
    let (_, node) = of.entries().iter().find(|(name, _)| name == "permissions")?;
    (node.value == Value::Null).then_some(Permissions { line: node.line, granted: Granted::Scopes(Scopes::new()) })
}

fn action(runs: &Node<'_>, mut reading: Reading<'_>) -> Result<Workflow, PipelineError> {
    let using = runs.get("using").and_then(Node::text).unwrap_or_default();
    let (kind, jobs) = match using {
        "composite" => (FileKind::Composite, vec![reading.job("", runs)?]),
        _ => (FileKind::Action, Vec::new()),
    };
    Ok(Workflow {
        kind,
        triggers: Vec::new(),
        permissions: None,
        env: Vec::new(),
        jobs,
        image: runs.get("image").and_then(text),
        problems: reading.problems,
    })
}

struct Reading<'l> {
    problems: Vec<Problem>,
    limits: &'l Limits,
}

impl Reading<'_> {
    fn problem(&mut self, line: u32, what: impl Into<String>) {
        note(&mut self.problems, Some(line.into()), what);
    }

    fn triggers(&mut self, on: Option<&Node<'_>>) -> Vec<Trigger> {
        let Some(on) = on else { return Vec::new() };
        let named = |name: &str, line, tags_only| Trigger { name: name.to_owned(), line, tags_only };
        match &on.value {
            Value::Text(name) => vec![named(name, on.line, false)],
            Value::List(items) => items.iter().filter_map(|item| Some(named(item.text()?, item.line, false))).collect(),
            Value::Table(entries) => entries
                .iter()
                .map(|(name, node)| {
                    let narrowed = |key| node.get(key).is_some();
                    named(name, node.line, narrowed("tags") && !narrowed("branches"))
                })
                .collect(),
            _ => {
                self.problem(on.line, format!("`on` is {}", on.kind()));
                Vec::new()
            }
        }
    }

    fn permissions(&mut self, node: &Node<'_>) -> Option<Permissions> {
        let granted = match &node.value {
            Value::Text(word) if word == "read-all" => Granted::ReadAll,
            Value::Text(word) if word == "write-all" => Granted::WriteAll,
            Value::Table(entries) => {
                let mut scopes = Scopes::new();
                for (name, value) in entries {
                    let Some((scope, most)) = SCOPES.iter().find(|(scope, _)| scope == name) else {
                        self.problem(value.line, format!("`{}` is no scope that is known", shown(name)));
                        continue;
                    };
                    match value.text() {
                        Some("read") => scopes.insert(scope, Access::Read.min(*most)),
                        Some("write") => scopes.insert(scope, Access::Write.min(*most)),
                        Some("none") => None,
                        _ => {
                            self.problem(value.line, format!("`{scope}` is neither `read`, `write` nor `none`"));
                            None
                        }
                    };
                }
                Granted::Scopes(scopes)
            }
            _ => {
                self.problem(node.line, "`permissions` is neither `read-all`, `write-all` nor a table");
                return None;
            }
        };
        Some(Permissions { line: node.line, granted })
    }

    fn pairs(&mut self, node: Option<&Node<'_>>) -> Vec<(String, Text)> {
        let entries = node.map_or(&[][..], Node::entries);
        entries.iter().filter_map(|(name, value)| Some((name.to_string(), text(value)?))).collect()
    }

    fn job(&mut self, id: &str, node: &Node<'_>) -> Result<Job, PipelineError> {
        let mut runs_on = Vec::new();
        if let Some(on) = node.get("runs-on") {
            let group = on.get("group").map(|group| ("group ", group));
            let labels = on.get("labels").unwrap_or(on);
            runs_on.extend(text(labels));
            runs_on.extend(labels.items().iter().filter_map(text));
            runs_on.extend(group.and_then(|(mark, group)| {
                text(group).map(|text| Text { value: format!("{mark}{}", text.value), line: text.line })
            }));
        }
        let mut images = Vec::new();
        let services = node.get("services").map_or(&[][..], Node::entries).iter().map(|(_, service)| service);
        for holder in node.get("container").into_iter().chain(services) {
            images.extend(text(holder).or_else(|| holder.get("image").and_then(text)));
        }
        let items = node.get("steps").map_or(&[][..], Node::items);
        if items.len() > self.limits.steps {
            return Err(PipelineError::new(Some(node.line.into()), format!("more than {} steps", self.limits.steps)));
        }
        let mut permissions = node.get("permissions").and_then(|node| self.permissions(node));
        if permissions.is_none() {
            permissions = empty(node);
        }
        let mut texts = Vec::new();
        collect(node, &mut texts);
        Ok(Job {
            id: id.to_owned(),
            line: node.line,
            permissions,
            runs_on,
            condition: node.get("if").and_then(text),
            environment: node.get("environment").is_some(),
            env: self.pairs(node.get("env")),
            images,
            steps: items.iter().map(|item| self.step(item)).collect(),
            call: node.get("uses").and_then(text).map(|uses| Call {
                uses,
                inherits: node.get("secrets").filter(|secrets| secrets.text() == Some("inherit")).map(|node| node.line),
            }),
            texts,
        })
    }

    fn step(&mut self, node: &Node<'_>) -> Step {
        let mut texts = Vec::new();
        collect(node, &mut texts);
        Step {
            line: node.line,
            uses: node.get("uses").and_then(text),
            with: self.pairs(node.get("with")),
            run: node.get("run").and_then(text),
            shell: node.get("shell").and_then(text).map(|text| text.value),
            env: self.pairs(node.get("env")),
            condition: node.get("if").and_then(text),
            texts,
        }
    }
}

/// A scalar as text.
pub(super) fn text(node: &Node<'_>) -> Option<Text> {
    let value = match &node.value {
        Value::Text(text) | Value::Number(text) => text.to_string(),
        Value::Bool(value) => value.to_string(),
        _ => return None,
    };
    Some(Text { value, line: node.line })
}

/// Every scalar below a node.
pub(super) fn collect(node: &Node<'_>, texts: &mut Vec<Text>) {
    texts.extend(text(node));
    node.items().iter().for_each(|item| collect(item, texts));
    node.entries().iter().for_each(|(_, item)| collect(item, texts));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workflow(text: &str) -> Workflow {
        read(text.as_bytes(), &Limits::default()).expect("a workflow")
    }

    #[test]
    fn a_workflow_with_all_that_counts() {
        let it = workflow(
            "on:\n  push:\n    tags: [v*]\n  pull_request_target:\npermissions: read-all\nenv: {A: '1'}\njobs:\n  one:\n    runs-on: [self-hosted, linux]\n    permissions:\n      contents: write # why\n      id-token: none\n    container: node:20\n    services: {db: {image: pg}}\n    environment: prod\n    steps:\n      - uses: actions/checkout@v4\n        with: {ref: x, fetch-depth: 0}\n      - run: |\n          a\n          b\n        env:\n          T: ${{ secrets.T }}\n  two:\n    uses: ./.github/workflows/x.yml\n    secrets: inherit\n",
        );
        assert!(it.problems.is_empty(), "{:?}", it.problems);
        assert!(it.trigger("push").is_some_and(|push| push.tags_only));
        assert_eq!(it.trigger("pull_request_target").map(|trigger| trigger.line), Some(4));
        assert_eq!(it.permissions.map(|granted| granted.granted), Some(Granted::ReadAll));
        let one = &it.jobs[0];
        assert_eq!((one.line, one.runs_on.len(), one.images.len(), one.environment), (8, 2, 2, true));
        let scopes = one.permissions.as_ref().map(|granted| granted.granted.scopes());
        assert_eq!(scopes, Some(Scopes::from([("contents", Access::Write)])));
        assert_eq!(one.steps[0].input("Fetch-Depth").map(|text| text.value.as_str()), Some("0"));
        assert_eq!(one.steps[1].run.as_ref().map(|run| (run.value.as_str(), run.line)), Some(("a\nb\n", 19)));
        assert!(one.texts.iter().any(|text| text.value.contains("secrets.T") && text.line == 23));
        assert_eq!(it.jobs[1].call.as_ref().and_then(|call| call.inherits), Some(26));
    }

    #[test]
    fn permissions_as_they_are_written() {
        let granted = |text: &str| workflow(&format!("on: push\n{text}\njobs: {{}}\n"));
        assert_eq!(granted("permissions:").permissions.map(|p| p.granted.scopes().len()), Some(0));
        assert_eq!(granted("permissions: {}").permissions.map(|p| p.granted.scopes().len()), Some(0));
        assert_eq!(granted("").permissions, None);
        let all = granted("permissions: write-all").permissions.map(|p| p.granted.scopes()).unwrap_or_default();
        assert_eq!((all["id-token"], all["models"]), (Access::Write, Access::Read));
        let all = granted("permissions: read-all").permissions.map(|p| p.granted.scopes()).unwrap_or_default();
        assert!(!all.contains_key("id-token"));
        for bad in
            ["permissions: all", "permissions: {foo: read}", "permissions: {contents: admin}", "permissions: [x]"]
        {
            assert_eq!(granted(bad).problems.len(), 1, "{bad}");
        }
    }

    #[test]
    fn hostile_files() {
        let refused =
            |text: &str| read(text.as_bytes(), &Limits::default()).map(|_| ()).expect_err("refused").to_string();
        assert!(refused("a: 1").contains("neither `jobs`"));
        assert!(refused(&format!("jobs: {}", "[".repeat(1000))).len() < 300);
        assert!(refused(&" ".repeat(2 << 20)).contains("longer"));
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d]\njobs: {}\n";
        assert!(refused(bomb).contains("aliases"));
        let jobs: String = (0..1001).map(|n| format!("  j{n}: {{}}\n")).collect();
        assert!(refused(&format!("jobs:\n{jobs}")).contains("more than 1000 jobs"));
        for odd in [
            "on: 1\njobs: []\n",
            "on: {push: [1]}\njobs: {a: 1, b: [2], c: {steps: {x: y}}}\n",
            "jobs: {a: {runs-on: {x: y}, container: [a]}}",
        ] {
            workflow(odd);
        }
    }

    #[test]
    fn actions() {
        let it = workflow("name: x\nruns:\n  using: composite\n  steps:\n    - run: echo\n      shell: bash\n");
        assert_eq!((it.kind, it.jobs[0].steps.len()), (FileKind::Composite, 1));
        let it = workflow("runs:\n  using: docker\n  image: docker://a/b:1\n");
        assert_eq!(it.image.map(|image| image.value).as_deref(), Some("docker://a/b:1"));
        assert_eq!(it.kind, FileKind::Action);
    }
}
