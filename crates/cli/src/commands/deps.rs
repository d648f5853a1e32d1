//! `provost scan deps` and `provost deps`: what a product is made of, and what is wrong with it.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use provost_deps::Severity;

use super::Context;
use super::db::Which;
use super::scan::Format;
use crate::exit::Exit;

pub(crate) const SCAN_AFTER: &str = "\
Examples:
  provost scan deps                          every lockfile and manifest below the working directory
  provost scan deps Cargo.lock               one lockfile
  provost scan deps --fail-on high --ignore-unfixed
  provost scan deps --deny unmaintained      what nobody looks after fails the scan too
  provost scan deps --format sarif -o deps.sarif

The advisories come from `provost db import`. Exit codes: 0 nothing counts, 1 issues, 2 usage, 3 not everything could be
judged: a package without advisories for its ecosystem, or without a version, is not free of anything.";

/// What informs by default, and can be made to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Deny {
    /// Nobody looks after it any more.
    Unmaintained,
    /// Safe code can break the rules of memory with it.
    Unsound,
    /// Its database has a notice about it.
    Notice,
    /// Its authors advise against it.
    Deprecated,
    /// The version was taken back.
    Yanked,
    /// All of these.
    All,
}

/// What counts.
#[derive(Debug, Clone, Args)]
pub struct Counting {
    /// The least severity that counts: none, low, medium, high, critical. Of unknown severity counts always.
    #[arg(long, value_name = "SEVERITY", default_value = "none", help_heading = "What counts")]
    pub fail_on: Severity,
    /// Vulnerabilities without a fixed version do not count. Attacks and what is exploited do.
    #[arg(long, help_heading = "What counts")]
    pub ignore_unfixed: bool,
    /// What is needed for development only does not count.
    #[arg(long, help_heading = "What counts")]
    pub production: bool,
    /// What else counts.
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', help_heading = "What counts")]
    pub deny: Vec<Deny>,
}

/// Arguments of `scan deps`.
#[derive(Debug, Args)]
pub struct DepsArgs {
    /// Directories, lockfiles and manifests.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub which: Which,
    /// Leave out files that match.
    #[arg(long, value_name = "GLOB", help_heading = "What to scan")]
    pub exclude: Vec<String>,

    #[command(flatten)]
    pub counting: Counting,
    /// Cannot decide when the data of an ecosystem is older than so many days.
    #[arg(long, value_name = "DAYS", help_heading = "What counts")]
    pub max_age: Option<u64>,
    /// Known issues, which do not fail the scan.
    #[arg(long, value_name = "FILE", help_heading = "What counts")]
    pub baseline: Option<PathBuf>,
    /// Write all issues as a baseline.
    #[arg(long, value_name = "FILE", help_heading = "What counts")]
    pub write_baseline: Option<PathBuf>,
    /// Suppressions, each with a reason.
    #[arg(long, value_name = "FILE", help_heading = "What counts")]
    pub suppressions: Option<PathBuf>,
    /// The commit that the change is based on: its `.provost/suppressions.toml` counts.
    #[arg(long, value_name = "COMMIT", help_heading = "What counts")]
    pub base: Option<String>,
    /// A scan that could not judge everything may still pass.
    #[arg(long, help_heading = "What counts")]
    pub allow_partial: bool,

    /// How issues are written.
    #[arg(long, value_enum, default_value = "text", help_heading = "Output")]
    pub format: Format,
    /// Write there instead of standard output.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// No summary.
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
}

/// Arguments of `deps`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct DepsCommand {
    #[command(subcommand)]
    what: What,
}

const AFTER: &str = "\
Examples:
  provost deps list                       what is locked, declared or installed below the working directory
  provost deps why urllib3                who brought it in
  provost deps diff main..feature         what a pull request changes about dependencies
  provost deps diff main...HEAD --own '@acme/*'

`provost scan deps` says what is wrong with them.";

#[derive(Debug, Subcommand)]
enum What {
    /// List packages.
    List(ListArgs),
    /// Who brought a package in.
    Why(WhyArgs),
    /// What a change brings: packages that come, go or become another, and what is worth a look about them.
    Diff(DiffArgs),
    /// The lockfiles, manifests and databases that are read.
    Formats,
}

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Arguments of `deps list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Directories, lockfiles, SBOMs.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Leave out files that match.
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value = "text")]
    pub format: ListFormat,
}

/// Arguments of `deps why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The package's name, perhaps with `@version`.
    pub name: String,
    /// Directories, lockfiles, SBOMs.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// Arguments of `deps diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// `A..B` compares two commits; `A...B` compares B with what it has in common with A, as a pull request does.
    #[arg(value_name = "A..B")]
    pub range: String,
    /// The repository.
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    #[command(flatten)]
    pub which: Which,
    /// Without advisories: only what changed.
    #[arg(long)]
    pub no_advisories: bool,
    #[command(flatten)]
    pub counting: Counting,
    /// Names that belong to the project itself: one that comes from the public registry is an alarm. `*` stands for any
    /// characters.
    #[arg(long, value_name = "PATTERN")]
    pub own: Vec<String>,
    /// Every package that is new to the project counts, until someone approves it.
    #[arg(long)]
    pub deny_new: bool,
    /// How it is written.
    #[arg(long, value_enum, default_value = "text")]
    pub format: DiffFormat,
    /// Write there instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// A review that could not judge everything may still pass.
    #[arg(long)]
    pub allow_partial: bool,
}

/// How a review is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For a comment on a pull request.
    Markdown,
}

/// Runs `deps`.
///
/// # Errors
/// Something cannot be read.
pub fn run(args: &DepsCommand, context: &Context) -> Result<Exit> {
    match &args.what {
        What::List(args) => crate::deps::list::list(args),
        What::Why(args) => crate::deps::list::why(args),
        What::Diff(args) => crate::deps::review::run(args, context),
        What::Formats => crate::deps::list::formats(),
    }
}
