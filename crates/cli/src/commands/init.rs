//! `provost init`: configuration, build policy, keys and store for a repository. Never overwrites.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use provost_model::printable;

use crate::commands::Context;
use crate::exit::Exit;
use crate::home::{CONFIG_FILE, FOLDER, Project};
use crate::setup::{self, Made, Wish, write_new};
use crate::{clock, render};

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The repository (default: the working directory).
    directory: Option<PathBuf>,
    /// Write the strict policy: clean commit, in CI, isolated, everything enforced.
    #[arg(long)]
    strict: bool,
    /// Encrypt the private keys; the passphrase comes from `PROVOST_KEY_PASSPHRASE` or the terminal.
    #[arg(long)]
    encrypt: bool,
    /// Name of the project (default: the directory's).
    #[arg(long)]
    name: Option<String>,
    /// Name of the policy's first step.
    #[arg(long, default_value = "build")]
    step: String,
}

/// What is known of an ecosystem: its marker, what to leave out of the materials, what its products are.
struct Kind {
    name: &'static str,
    marker: &'static str,
    exclude: &'static [&'static str],
    publish: &'static [&'static str],
    command: &'static str,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "Cargo",
        marker: "Cargo.toml",
        exclude: &["/target/"],
        publish: &[],
        command: "cargo build --release --locked",
    },
    Kind { name: "npm", marker: "package.json", exclude: &[], publish: &["/*.tgz"], command: "npm pack" },
    Kind {
        name: "Python",
        marker: "pyproject.toml",
        exclude: &["__pycache__/"],
        publish: &["/dist/*.whl", "/dist/*.tar.gz"],
        command: "python -m build",
    },
    Kind {
        name: "Python",
        marker: "setup.py",
        exclude: &["__pycache__/"],
        publish: &["/dist/*.whl", "/dist/*.tar.gz"],
        command: "python -m build",
    },
    Kind { name: "Go", marker: "go.mod", exclude: &[], publish: &[], command: "go build ./..." },
    Kind { name: "make", marker: "Makefile", exclude: &[], publish: &[], command: "make" },
    Kind { name: "configure", marker: "configure", exclude: &[], publish: &[], command: "make" },
];

/// Sets up a repository.
///
/// # Errors
/// Something cannot be written, or what is there cannot be used.
pub fn run(args: &InitArgs, context: &Context) -> Result<Exit> {
    let directory = args.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    let directory = directory.canonicalize().with_context(|| format!("cannot use {}", directory.display()))?;
    let kind = KINDS.iter().find(|kind| directory.join(kind.marker).exists());
    let mut made = Made::default();
    let path = directory.join(CONFIG_FILE);
    let name = args
        .name
        .clone()
        .or_else(|| directory.file_name().map(|n| n.to_string_lossy().into_owned()))
        .unwrap_or_default();
    write_new(&path, configuration(&name, kind)?.as_bytes(), &mut made)?;
    let project = Project::find(&directory)?;
    let wish = Wish { strict: args.strict, encrypt: args.encrypt, step: args.step.clone() };
    let more = setup::set_up(&context.home, &project, &wish)?;
    made.new.extend(more.new);
    made.kept.extend(more.kept);
    show(&made, &directory, kind, args);
    Ok(Exit::Pass)
}

fn configuration(name: &str, kind: Option<&Kind>) -> Result<String> {
    let list = |globs: &[&str]| globs.iter().map(|g| format!("\"{g}\"")).collect::<Vec<_>>().join(", ");
    let quoted = name.replace('\\', "\\\\").replace('"', "\\\"").replace(char::is_control, "");
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(32).collect();
    let id = format!("{}-{}", if plain.is_empty() { "project" } else { &plain }, clock::random_id(4)?);
    let exclude = list(kind.map_or(&[], |k| k.exclude));
    let publish = list(kind.map_or(&[], |k| k.publish));
    Ok(format!(
        r#"# provost's configuration; docs/configuration.md explains every key. Everything here has a default.

[project]
name = "{quoted}"
id = "{id}"        # names the keys and the store in your own directory, outside the repository

[builder]
# Which deployment builds, as a URI of yours: it becomes `builder.id` in SLSA provenance.
# id = "https://ci.example.com/runners/linux"

[materials]
# Files that go in: gitignore-style globs. All of the tree when `include` is empty.
include = []
exclude = [{exclude}]

[artifacts]
# Files that come out. Those that `publish` names get their evidence file beside them.
include = []
exclude = []
publish = [{publish}]

[run]
# The command is kept from keys and store: "required", "best-effort" or "off".
isolation = "best-effort"
"#
    ))
}

fn show(made: &Made, directory: &Path, kind: Option<&Kind>, args: &InitArgs) {
    let shown = |path: &Path| printable(&path.strip_prefix(directory).unwrap_or(path).display().to_string());
    let mut out = String::new();
    for path in &made.new {
        out += &format!("  {} {}\n", render::bold("made"), shown(path));
    }
    for path in &made.kept {
        out += &format!("  {} {}\n", render::dim("kept"), render::dim(&shown(path)));
    }
    if let Some(kind) = kind {
        out += &format!("\nFound a project of the kind {}.\n", kind.name);
    }
    let policy = if args.strict { "strict" } else { "permissive" };
    let command = kind.map_or("make", |k| k.command);
    out += &format!(
        "\nThe policy is {policy}: read {FOLDER}/policy.toml, then build with\n\n    provost run --step {} -- {command}\n\n\
         Commit {CONFIG_FILE} and {FOLDER}/. The private keys lie outside the repository.\n",
        args.step
    );
    if !args.encrypt {
        out += &render::dim(
            "The keys are plain files that only you can read; `--encrypt` protects new ones, docs/keys.md has tokens and KMS.\n",
        );
    }
    anstream::eprint!("{out}");
}
