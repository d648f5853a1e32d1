//! `provost privilege`: which rights a repository's pipelines have, which they need, and what outside people can do with
//! them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use provost_config::{
    Held, JobRights, RULES, Repository, Sureness, findings, patch, permissive, restricted, rights, table, wants,
};
use provost_formats::pipeline::{Access, Limits, Scopes};
use provost_formats::sarif::{self, RuleText};
use provost_model::{Finding, Level, count, printable};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::render;
use crate::scan::output::put;

/// Files of one repository that are read at most.
const MAXIMUM_FILES: usize = 5_000;

/// Arguments of `privilege`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct PrivilegeArgs {
    /// The repository.
    #[arg(default_value = ".", value_name = "DIRECTORY")]
    directory: PathBuf,
    /// How to report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write a unified diff that gives each job what it needs and no more, for `git apply`.
    #[arg(long, conflicts_with = "format")]
    patch: bool,
    /// Findings of this level and above end with 1.
    #[arg(long, value_enum, default_value_t = FailOn::Warning, value_name = "LEVEL")]
    fail_on: FailOn,
    /// Where the report goes instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

const AFTER: &str = "\
Examples:
  provost privilege                          rights of every job, and findings
  provost privilege --patch | git apply      state the smallest rights in the files
  provost privilege --format sarif -o p.sarif

Reads .github/workflows, the local actions that they use, action.yml, .gitlab-ci.yml and .gitlab. Nothing is asked of a
forge: defaults, protected branches and variables are named as not known. An action that is not in the table is not known,
and a job with one is left as it is by --patch.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Error,
    Warning,
    Note,
    Never,
}

/// Runs the command.
///
/// # Errors
/// The directory cannot be read, or the report cannot be written.
pub fn run(args: &PrivilegeArgs) -> Result<Exit> {
    let limits = Limits::default();
    let files = read(&args.directory, &limits)?;
    let mut repository = Repository::new();
    for (path, bytes) in &files {
        repository.add(path, bytes, &limits);
    }
    let all = rights(&repository);
    let found = findings::all(&repository, &all);
    if args.patch {
        return patches(args, &files, &repository, &all, &limits);
    }
    let report = match args.format {
        Format::Text => text(&repository, &all, &found),
        Format::Json => format!("{:#}\n", document(&repository, &all, &found)),
        Format::Sarif => {
            let rules: Vec<RuleText<'_>> = RULES
                .iter()
                .map(|rule| RuleText { id: rule.id, text: rule.text, help: rule.help, level: rule.level })
                .collect();
            let root = std::fs::canonicalize(&args.directory).unwrap_or_else(|_| args.directory.clone());
            format!("{:#}\n", sarif::log(env!("CARGO_PKG_VERSION"), &rules, &found, &root.to_string_lossy()))
        }
    };
    put(args.output.as_deref(), &report)?;
    if repository.failed().next().is_some() {
        return Ok(Exit::Undecided);
    }
    let least = match args.fail_on {
        FailOn::Error => Some(Level::Error),
        FailOn::Warning => Some(Level::Warning),
        FailOn::Note => Some(Level::Note),
        FailOn::Never => None,
    };
    let fails = least.is_some_and(|least| found.iter().any(|finding| finding.level >= least));
    Ok(if fails { Exit::Denied } else { Exit::Pass })
}

/// The files of pipelines below a directory, by their path in it.
fn read(root: &Path, limits: &Limits) -> Result<Vec<(String, Vec<u8>)>> {
    if !root.is_dir() {
        bail!("{} is not a directory", root.display());
    }
    let mut paths = BTreeSet::new();
    for name in ["action.yml", "action.yaml", ".gitlab-ci.yml", ".gitlab-ci.yaml"] {
        if root.join(name).is_file() {
            paths.insert(name.to_owned());
        }
    }
    for folder in [".github", ".gitlab"] {
        list(root, folder, 0, &mut paths)?;
    }
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut seen = BTreeSet::new();
    while let Some(path) = paths.pop_first() {
        if !seen.insert(path.clone()) {
            continue;
        }
        if files.len() >= MAXIMUM_FILES {
            bail!("more than {MAXIMUM_FILES} files of pipelines in {}", root.display());
        }
        let Some(bytes) = content(root, &path, limits)? else { continue };
        // Local actions lie anywhere: whatever a step uses is read too.
        for folder in used(&bytes, limits) {
            for name in ["action.yml", "action.yaml"] {
                let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                if root.join(&path).is_file() {
                    paths.insert(path);
                }
            }
        }
        files.push((path, bytes));
    }
    files.sort();
    Ok(files)
}

/// Folders of local actions that a file uses.
fn used(bytes: &[u8], limits: &Limits) -> Vec<String> {
    let Ok(workflow) = provost_formats::pipeline::github(bytes, limits) else { return Vec::new() };
    let steps = workflow.jobs.iter().flat_map(|job| &job.steps);
    let local = steps.filter_map(|step| {
        step.uses
            .as_ref()?
            .value
            .strip_prefix(['.', '$'])
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
            .map(|path| path.trim_matches('/').to_owned())
    });
    local.filter(|path| path.split('/').all(|part| part != "..")).collect()
}

fn list(root: &Path, folder: &str, depth: usize, paths: &mut BTreeSet<String>) -> Result<()> {
    let full = root.join(folder);
    let is_folder = std::fs::symlink_metadata(&full).is_ok_and(|metadata| metadata.is_dir());
    if !is_folder || depth > 8 {
        return Ok(());
    }
    let entries = std::fs::read_dir(&full).with_context(|| format!("cannot read {}", full.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", full.display()))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{folder}/{name}");
        let kind = entry.file_type().with_context(|| format!("cannot read {}", entry.path().display()))?;
        if kind.is_dir() {
            list(root, &path, depth + 1, paths)?;
        } else if wants(&path).is_some() && paths.len() <= MAXIMUM_FILES {
            paths.insert(path);
        }
    }
    Ok(())
}

/// A file's bytes; `None` where a link leads out of the repository.
fn content(root: &Path, path: &str, limits: &Limits) -> Result<Option<Vec<u8>>> {
    let full = root.join(path);
    let what = || format!("cannot read {}", full.display());
    let root = std::fs::canonicalize(root).with_context(what)?;
    let real = std::fs::canonicalize(&full).with_context(what)?;
    if !real.starts_with(&root) || !real.is_file() {
        anstream::eprintln!(
            "{} {}: a link out of the repository is not followed",
            render::warning("skipped"),
            printable(path)
        );
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(limits.bytes).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(&real).with_context(what)?.take(most).read_to_end(&mut bytes).with_context(what)?;
    Ok(Some(bytes))
}

fn patches(
    args: &PrivilegeArgs,
    files: &[(String, Vec<u8>)],
    repository: &Repository,
    all: &[JobRights],
    limits: &Limits,
) -> Result<Exit> {
    let mut diff = String::new();
    for (path, bytes) in files {
        let jobs: Vec<&JobRights> = all.iter().filter(|job| job.file == *path).collect();
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        if jobs.is_empty() {
            continue;
        }
        let patch = patch::patch(path, text, &jobs, limits);
        diff.push_str(&patch.diff);
        for (job, why) in patch.left {
            let job = if job.is_empty() { String::new() } else { format!(" job `{}`", printable(&job)) };
            anstream::eprintln!("{} {}{job}: {why}", render::warning("left as it is"), printable(path));
        }
    }
    put(args.output.as_deref(), &diff)?;
    Ok(if repository.failed().next().is_some() { Exit::Undecided } else { Exit::Pass })
}

fn scopes(scopes: &Scopes) -> String {
    let listed: Vec<String> = scopes.iter().map(|(scope, access)| format!("{scope}: {}", access.word())).collect();
    if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") }
}

fn has(job: &JobRights) -> String {
    match &job.held {
        Held::Job(line, granted) => format!("{} (its own, line {line})", scopes(&granted.scopes())),
        Held::Workflow(line, granted) => format!("{} (the workflow's, line {line})", scopes(&granted.scopes())),
        Held::Default => format!(
            "the default of the repository: not known; restricted is {}, permissive is read and write of all {} scopes but id-token",
            scopes(&restricted()),
            permissive().len()
        ),
    }
}

fn text(repository: &Repository, all: &[JobRights], found: &[Finding]) -> String {
    let mut out = String::new();
    let mut file = "";
    for job in all {
        if job.file != file {
            file = &job.file;
            let _ = writeln!(out, "{}", render::bold(&printable(file)));
        }
        let _ =
            writeln!(out, "  {} {}", render::bold(&printable(&job.job)), render::dim(&format!("line {}", job.line)));
        let needed = scopes(&job.needs.scopes());
        let sure = match job.sureness() {
            Sureness::Known => String::new(),
            Sureness::AsFarAsSeen => format!(
                " (as far as can be seen: {} not looked into)",
                count(job.needs.opaque.len() as u64, "command", "commands")
            ),
            Sureness::NotKnown => " at least; not known:".to_owned(),
        };
        let _ = writeln!(out, "    needs  {needed}{sure}");
        let mut why: Vec<String> = job
            .needs
            .needs
            .iter()
            .map(|need| {
                let private = if need.private { ", in private repositories" } else { "" };
                format!("{}: {} for {} (line {}{private})", need.scope, need.access.word(), need.what, need.line)
            })
            .collect();
        why.dedup();
        for line in &why {
            let _ = writeln!(out, "           {}", render::dim(&printable(line)));
        }
        for unknown in &job.needs.unknown {
            let _ = writeln!(
                out,
                "           {}",
                render::warning(&format!("line {}: {}", unknown.line, printable(&unknown.value)))
            );
        }
        let _ = writeln!(out, "    has    {}", has(job));
        let excess: Vec<String> = job
            .excess()
            .into_iter()
            .map(|(scope, has, needs)| {
                let doubt = if job.doubtful(scope) { " (unless a script uses it)" } else { "" };
                format!("{scope}: {} → {}{doubt}", has.word(), needs.word())
            })
            .collect();
        if !excess.is_empty() {
            let _ = writeln!(out, "    excess {}", excess.join(", "));
        }
    }
    if !found.is_empty() {
        let _ = writeln!(out, "\n{}", render::bold("Findings"));
    }
    for finding in found {
        let line = finding.span.map_or(0, |span| span.line);
        let level = match finding.level {
            Level::Error => render::error("error"),
            Level::Warning => render::warning("warning"),
            Level::Note => "note".to_owned(),
        };
        let place = format!("{}:{line}", printable(finding.file.as_deref().unwrap_or_default()));
        let _ = writeln!(out, "{place}: {level} {}: {}", finding.rule, finding.message);
        for why in &finding.why {
            let _ = writeln!(out, "    {}", render::dim(why));
        }
    }
    let number = |level| found.iter().filter(|finding| finding.level == level).count() as u64;
    let not_known = all.iter().filter(|job| job.sureness() == Sureness::NotKnown).count() as u64;
    let files = repository.workflows().count() + repository.gitlab().count();
    let _ = writeln!(
        out,
        "\n{}, {}: {} whose needs are not known. {}, {}, {}.",
        count(files as u64, "file", "files"),
        count(all.len() as u64, "job", "jobs"),
        count(not_known, "job", "jobs"),
        count(number(Level::Error), "error", "errors"),
        count(number(Level::Warning), "warning", "warnings"),
        count(number(Level::Note), "note", "notes"),
    );
    out
}

fn words(scopes: &Scopes) -> Value {
    scopes
        .iter()
        .map(|(scope, access)| ((*scope).to_owned(), Value::from(access.word())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn document(repository: &Repository, all: &[JobRights], found: &[Finding]) -> Value {
    let jobs: Vec<Value> = all
        .iter()
        .map(|job| {
            let (from, line) = match &job.held {
                Held::Job(line, _) => ("job", Some(*line)),
                Held::Workflow(line, _) => ("workflow", Some(*line)),
                Held::Default => ("default", None),
            };
            let pairs = |pairs: &[(&str, Access)]| -> Value {
                pairs.iter().map(|(scope, access)| ((*scope).to_owned(), Value::from(access.word()))).collect::<serde_json::Map<_, _>>().into()
            };
            json!({
                "file": job.file,
                "job": job.job,
                "line": job.line,
                "needs": words(&job.needs.scopes()),
                "sureness": match job.sureness() {
                    Sureness::Known => "known",
                    Sureness::AsFarAsSeen => "as-far-as-seen",
                    Sureness::NotKnown => "not-known",
                },
                "because": job.needs.needs.iter().map(|need| json!({
                    "scope": need.scope, "access": need.access.word(), "what": need.what, "line": need.line,
                    "privateOnly": need.private, "source": need.source,
                })).collect::<Vec<_>>(),
                "notKnown": job.needs.unknown.iter().map(|text| json!({"line": text.line, "what": text.value})).collect::<Vec<_>>(),
                "notLookedInto": job.needs.opaque.iter().map(|text| json!({"line": text.line, "what": text.value})).collect::<Vec<_>>(),
                "has": {"from": from, "line": line, "scopes": job.held.scopes().as_ref().map(words)},
                "excess": job.excess().iter().map(|(scope, has, needs)| json!({
                    "scope": scope, "has": has.word(), "needs": needs.word(), "doubtful": job.doubtful(scope),
                })).collect::<Vec<_>>(),
                "missing": pairs(&job.missing()),
            })
        })
        .collect();
    let (actions, commands, calls) = table().len();
    json!({
        "version": 1,
        "tool": {"name": "provost", "version": env!("CARGO_PKG_VERSION")},
        "table": {"actions": actions, "commands": commands, "calls": calls},
        "defaults": {"restricted": words(&restricted()), "permissive": words(&permissive())},
        "files": repository.workflows().map(|(path, _)| path).chain(repository.gitlab().map(|(path, _)| path)).collect::<Vec<_>>(),
        "failed": repository.failed().map(|(path, error)| json!({"file": path, "why": error.to_string()})).collect::<Vec<_>>(),
        "jobs": jobs,
        "findings": found,
    })
}
