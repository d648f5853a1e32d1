//! What a job's steps need of its token, and what cannot be told.

use std::cell::Cell;
use std::collections::BTreeSet;

use provost_formats::pipeline::{Access, FileKind, Job, Scopes, Step, Text, Workflow};

use crate::repository::Repository;
use crate::shell;
use crate::table::table;

/// How deep local actions and workflows are followed.
const DEPTH: usize = 10;

/// What may be looked at for all jobs of a repository together: a file that many steps call counts each time.
pub(crate) struct Budget {
    /// Steps. 50,000.
    steps: Cell<usize>,
    /// Bytes of scripts. 8 MiB.
    bytes: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: Cell::new(50_000), bytes: Cell::new(8 << 20) }
    }
}

impl Budget {
    /// False where it is used up.
    fn takes(&self, step: &Step) -> bool {
        let script = step.run.as_ref().or_else(|| step.input("script")).map_or(0, |text| text.value.len());
        let left = (self.steps.get().checked_sub(1), self.bytes.get().checked_sub(script));
        let (Some(steps), Some(bytes)) = left else { return false };
        self.steps.set(steps);
        self.bytes.set(bytes);
        true
    }
}

/// One right that something needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The scope.
    pub scope: &'static str,
    /// How much of it.
    pub access: Access,
    /// What needs it: an action, a command.
    pub what: String,
    /// Where, in the file that the job is in.
    pub line: u32,
    /// In private repositories only.
    pub private: bool,
    /// Where that is told.
    pub source: &'static str,
}

/// What one job needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// What is known.
    pub needs: Vec<Need>,
    /// What is not known: with any of these, the needs are a lower bound.
    pub unknown: Vec<Text>,
    /// Scripts of the repository and programs that are not looked into. They hold no token unless one is handed to them,
    /// but can use the credential that a checkout leaves behind and can ask for an identity token.
    pub opaque: Vec<Text>,
}

impl Needs {
    /// The most that is needed of each scope.
    pub fn scopes(&self) -> Scopes {
        let mut scopes = Scopes::new();
        for need in &self.needs {
            let access = scopes.entry(need.scope).or_insert(need.access);
            *access = (*access).max(need.access);
        }
        scopes
    }

    fn add(&mut self, scopes: &Scopes, what: &str, line: u32, private: bool, source: &'static str) {
        for (scope, access) in scopes {
            self.needs.push(Need { scope, access: *access, what: what.to_owned(), line, private, source });
        }
    }
}

/// What a job needs.
pub(crate) fn needs(repository: &Repository, workflow: &Workflow, job: &Job, budget: &Budget) -> Needs {
    let mut looking =
        Looking { repository, needs: Needs::default(), stack: Vec::new(), budget, line: None, seen: BTreeSet::new() };
    looking.job(workflow, job);
    looking.needs
}

struct Looking<'r> {
    repository: &'r Repository,
    needs: Needs,
    /// Local files that are being followed.
    stack: Vec<String>,
    budget: &'r Budget,
    /// Where the job's own file calls what is being followed.
    line: Option<u32>,
    seen: BTreeSet<String>,
}

impl Looking<'_> {
    fn at(&self, line: u32) -> u32 {
        self.line.unwrap_or(line)
    }

    fn unknown(&mut self, line: u32, what: String) {
        let text = Text { value: what, line: self.at(line) };
        if !self.needs.unknown.contains(&text) {
            self.needs.unknown.push(text);
        }
    }

    fn job(&mut self, workflow: &Workflow, job: &Job) {
        if let Some(call) = &job.call {
            return self.reusable(&call.uses);
        }
        for step in &job.steps {
            self.step(workflow, job, step);
        }
    }

    /// Follows a local file; false where it cannot be.
    fn enter(&mut self, path: &str, line: u32) -> bool {
        if self.stack.len() >= DEPTH || self.stack.iter().any(|one| one == path) {
            self.unknown(line, format!("`{path}` calls itself, or nests deeper than {DEPTH}"));
            return false;
        }
        self.stack.push(path.to_owned());
        true
    }

    fn reusable(&mut self, uses: &Text) {
        let repository = self.repository;
        let Some(path) = uses.value.strip_prefix("./").or_else(|| uses.value.strip_prefix("$/")) else {
            return self.unknown(uses.line, format!("the reusable workflow `{}` is of another repository", uses.value));
        };
        let Some(called) = repository.workflow(path) else {
            return self.unknown(uses.line, format!("the reusable workflow `{path}` is not here or cannot be read"));
        };
        if !self.enter(path, uses.line) {
            return;
        }
        let before = self.line;
        self.line = Some(self.at(uses.line));
        for job in &called.jobs {
            self.job(called, job);
        }
        self.line = before;
        self.stack.pop();
    }

    fn step(&mut self, workflow: &Workflow, job: &Job, step: &Step) {
        if !self.budget.takes(step) {
            return self.unknown(step.line, "more steps are called than are looked at".to_owned());
        }
        match (&step.uses, &step.run) {
            (Some(uses), _) => self.action(step, uses),
            (_, Some(run)) => self.script(workflow, job, step, run),
            _ => {}
        }
    }

    fn action(&mut self, step: &Step, uses: &Text) {
        let name = uses.value.split('@').next().unwrap_or_default().trim_end_matches('/');
        if uses.value.starts_with("docker://") {
            // An image gets no token unless it is handed one.
            if step.texts.iter().any(|text| is_job_token(&text.value)) {
                self.unknown(uses.line, format!("`{}` is handed the job's token", uses.value));
            }
            return;
        }
        // `$/` is this repository at the same commit, whatever is checked out.
        let own = name == "." || name == "$" || name.starts_with("./") || name.starts_with("$/");
        if own {
            return self.local(step, name.trim_start_matches(['.', '$']).trim_start_matches('/'));
        }
        if name.eq_ignore_ascii_case("actions/github-script") {
            return self.github_script(step, uses);
        }
        let Some(entry) = table().action(name) else {
            return self.unknown(uses.line, format!("the action `{name}` is not in the table"));
        };
        let what = provost_model::printable(name);
        let other_token = entry
            .token
            .as_ref()
            .and_then(|input| step.input(input))
            .is_some_and(|token| !token.value.trim().is_empty() && !is_job_token(&token.value))
            || step.input("ssh-key").is_some_and(|key| !key.value.is_empty());
        let mut wanted: Vec<(&Scopes, bool)> = vec![(entry.needs.scopes(), false), (entry.private.scopes(), true)];
        wanted.extend(entry.when.iter().filter(|when| when.holds(step)).map(|when| (when.needs.scopes(), false)));
        for (scopes, private) in wanted {
            // Another token stands in for the job's, but an identity token is the job's own.
            let kept: Scopes = scopes
                .iter()
                .filter(|(scope, _)| !other_token || **scope == "id-token")
                .map(|(s, a)| (*s, *a))
                .collect();
            let line = self.at(uses.line);
            self.needs.add(&kept, &what, line, private, &entry.source);
        }
    }

    fn local(&mut self, step: &Step, path: &str) {
        let repository = self.repository;
        let Some((file, action)) = repository.action(path) else {
            return self.unknown(step.line, format!("the action `./{path}` is not here or cannot be read"));
        };
        match action.kind {
            FileKind::Composite => {
                if self.enter(file, step.line) {
                    let before = self.line;
                    self.line = Some(self.at(step.line));
                    for job in &action.jobs {
                        self.job(action, job);
                    }
                    self.line = before;
                    self.stack.pop();
                }
                // Its own steps tell what it does with a token, but not those of programs that it is handed to.
            }
            _ => self.unknown(step.line, format!("the action `./{path}` is a program: it is not looked into")),
        }
    }

    fn github_script(&mut self, step: &Step, uses: &Text) {
        let other = step.input("github-token").is_some_and(|token| !is_job_token(&token.value));
        let Some(script) = step.input("script").filter(|_| !other) else { return };
        let line = self.at(script.line);
        // Expressions are values by the time that the script runs.
        let calls: String = script
            .value
            .split("${{")
            .enumerate()
            .map(|(index, part)| match index {
                0 => part,
                _ => part.split_once("}}").map_or("", |(_, rest)| rest),
            })
            .collect();
        for part in calls.split("github.").skip(1) {
            let rest = part.strip_prefix("rest.").unwrap_or(part);
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.' || *c == '_').collect();
            let name = name.trim_end_matches('.');
            if let Some(call) = table().call(name) {
                self.needs.add(call.needs.scopes(), &format!("github.rest.{name}"), line, false, &call.source);
            } else if !["paginate", "rest", "event", "context", "com", "io", ""]
                .contains(&name.split('.').next().unwrap_or(""))
            {
                let name: String = name.chars().take(80).collect();
                self.unknown(uses.line, format!("what the call `github.{name}` needs"));
            }
        }
        if script.value.contains("require(") || script.value.contains("import(") {
            self.unknown(uses.line, "the script loads code that is not looked into".to_owned());
        }
    }

    fn script(&mut self, workflow: &Workflow, job: &Job, step: &Step, run: &Text) {
        let value_of = |name: &str| {
            [&step.env, &job.env, &workflow.env]
                .into_iter()
                .flatten()
                .find(|(key, _)| key == name)
                .map(|(_, text)| text)
        };
        let gh_token = value_of("GH_TOKEN").or_else(|| value_of("GITHUB_TOKEN"));
        let gh_other = gh_token.is_some_and(|token| !token.value.is_empty() && !is_job_token(&token.value));
        let holds = run.value.contains("${{") && is_job_token(&run.value)
            || [&step.env, &job.env, &workflow.env].into_iter().flatten().any(|(_, text)| is_job_token(&text.value));
        let mut told = false;
        for words in shell::commands(&run.value) {
            let shown = provost_model::printable(&words.iter().take(3).cloned().collect::<Vec<_>>().join(" "));
            let shown: String = shown.chars().take(80).collect();
            let first = words[0].rsplit('/').next().unwrap_or_default();
            match table().command(&words) {
                Some(found) => {
                    told = true;
                    let other = match first {
                        "gh" => gh_other,
                        "git" => pushes_with_another(job, &words),
                        _ => false,
                    };
                    for entry in found.into_iter().filter(|_| !other) {
                        let line = self.at(run.line);
                        self.needs.add(entry.needs.scopes(), &shown, line, false, &entry.source);
                    }
                }
                None if first == "gh" && words.len() > 1 && !gh_other => {
                    told = true;
                    self.unknown(run.line, format!("what `{shown}` needs"));
                }
                None if first == "curl" && asks_github(&words, holds) => {
                    told = true;
                    self.unknown(run.line, format!("what `{shown}` asks of GitHub's API"));
                }
                None if runs_code(first, &words) && self.seen.insert(format!("{} {shown}", run.line)) => {
                    self.needs.opaque.push(Text { value: shown, line: self.at(run.line) });
                }
                None => {}
            }
        }
        if holds && !told {
            self.unknown(run.line, "what a script does with the job's token".to_owned());
        }
    }
}

/// A request to GitHub's API with a credential.
fn asks_github(words: &[String], holds: bool) -> bool {
    let credential = || words.iter().any(|word| word.contains("Authorization") || word.contains("-u"));
    words.iter().any(|word| word.contains("api.github.com")) && (holds || credential())
}

/// The token that GitHub gives to every job.
pub(crate) fn is_job_token(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("secrets.github_token") || text.contains("github.token") || text.contains("secrets['github_token']")
}

/// A push that names its own credential, or one after a checkout with another.
fn pushes_with_another(job: &Job, words: &[String]) -> bool {
    let named = words.iter().any(|word| word.contains("://") && word.contains('@') && !is_job_token(word));
    let checkout = job.steps.iter().rev().find(|step| is_action(step, "actions/checkout"));
    let other = checkout.is_some_and(|step| {
        step.input("ssh-key").is_some() || step.input("token").is_some_and(|token| !is_job_token(&token.value))
    });
    named || other
}

/// The step runs this action, in any version.
pub(crate) fn is_action(step: &Step, name: &str) -> bool {
    let uses = step.uses.as_ref().map(|uses| uses.value.split('@').next().unwrap_or_default());
    uses.is_some_and(|uses| uses.eq_ignore_ascii_case(name))
}

/// Programs that run code of the tree that they stand in.
pub(crate) fn runs_code(first: &str, words: &[String]) -> bool {
    let second = words.get(1).map_or("", String::as_str);
    match first {
        "make" | "gmake" | "just" | "task" | "mvn" | "mvnw" | "gradle" | "gradlew" | "ant" | "bazel" | "bazelisk"
        | "tox" | "nox" | "rake" | "bundle" | "composer" | "poetry" | "pytest" | "msbuild" | "sbt" | "mix"
        | "swift" | "cmake" | "ninja" | "meson" | "tsx" | "deno" | "bun" | "npx" | "pre-commit" | "invoke"
        | "hatch" | "pdm" | "go" | "cargo" | "npm" | "yarn" | "pnpm" | "dotnet" | "uv" | "uvx" | "docker"
        | "docker-compose" => {
            !matches!(second, "--version" | "-v" | "version" | "" | "login" | "pull" | "push")
                || matches!(first, "make" | "just")
        }
        "pip" | "pip3" => words.iter().any(|word| word == "install"),
        "python" | "python3" | "node" | "ruby" | "perl" | "php" => {
            // A program in the command itself is no file of the tree.
            let inline = words[1..]
                .iter()
                .take_while(|word| word.starts_with('-'))
                .any(|word| word == "-" || word == "-c" || !word.starts_with("--") && word.ends_with('e'));
            !second.is_empty() && !inline
        }
        "bash" | "sh" | "zsh" | "pwsh" | "source" | "." => !second.is_empty(),
        _ => {
            words[0].starts_with("./")
                || words[0].starts_with("../")
                || words[0].contains('/') && !words[0].starts_with('/')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_the_tree() {
        let runs = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            runs_code(words[0].rsplit('/').next().unwrap_or_default(), &words)
        };
        for code in
            ["npm ci", "make", "./x", "scripts/x.sh", "python x.py", "python -m pytest", "bash -c x", "cargo test"]
        {
            assert!(runs(code), "{code}");
        }
        for none in [
            "echo x",
            "python -c x",
            "perl -0777 -pe x",
            "python - <<EOF",
            "npm --version",
            "git status",
            "/usr/bin/ls",
        ] {
            assert!(!runs(none), "{none}");
        }
    }

    #[test]
    fn tokens() {
        assert!(is_job_token("${{ secrets.GITHUB_TOKEN }}") && is_job_token("${{ secrets.PAT || github.token }}"));
        assert!(!is_job_token("${{ secrets.PAT }}") && !is_job_token("x"));
    }
}
