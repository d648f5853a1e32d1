//! `provost scan deps` and `provost deps`: what a product is made of, and what is wrong with it.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use provost_deps::{Reach, Severity};
use provost_model::Timestamp;

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
  provost scan deps --deny drift,lock        and what is installed otherwise than locked, and weak entries of locks
  provost scan deps --min-age 14d            and what was published in the last two weeks
  provost scan deps --observed               which of them the last watched run really read
  provost scan deps --deny-licence AGPL-3.0-only
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
    /// It is installed, or was read, otherwise than locked.
    Drift,
    /// An entry of a lock that is weak: from a host of its own, not pinned, without a good digest, or marked for less than it
    /// is needed for. Entries of other packages and unprotected connections count always.
    Lock,
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
    /// Vulnerabilities of Go packages count although the program does not hold the functions that are vulnerable.
    #[arg(long, help_heading = "What counts")]
    pub all_linked: bool,
    /// What else counts.
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', help_heading = "What counts")]
    pub deny: Vec<Deny>,
    /// Clones of repositories that packages come from: advisories about commits need their history. Submodules that are checked
    /// out and what Cargo fetched are looked at without being named.
    #[arg(long, value_name = "DIR", help_heading = "What counts")]
    pub git_history: Vec<PathBuf>,
}

impl Counting {
    /// Everything that is known counts.
    pub(crate) fn everything() -> Self {
        Self {
            fail_on: Severity::None,
            ignore_unfixed: false,
            production: false,
            all_linked: true,
            deny: Vec::new(),
            git_history: Vec::new(),
        }
    }
}

/// What is asked of where packages come from, and of how old they are.
#[derive(Debug, Clone, Default, Args)]
pub struct Supply {
    /// Hosts that packages may come from: any other counts. Without, the public registries and the one that most of a lock
    /// come from are fine, and others are noted.
    #[arg(long, value_name = "HOST", value_delimiter = ',', help_heading = "What counts")]
    pub registry: Vec<String>,
    /// Versions that were published less than so long ago count: `14d`, `2w`. One whose date is not known is not old enough.
    #[arg(long, value_name = "TIME", value_parser = days, help_heading = "What counts")]
    pub min_age: Option<i64>,
    /// The time that ages are counted to, instead of now: `2026-11-29` or `2026-11-29T12:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "What counts")]
    pub at: Option<Timestamp>,
}

/// `14`, `14d`, `2w`: days.
fn days(text: &str) -> Result<i64, String> {
    let (number, each) = match text.strip_suffix('w') {
        Some(weeks) => (weeks, 7),
        None => (text.strip_suffix('d').unwrap_or(text), 1),
    };
    match number.parse::<u32>() {
        Ok(number) if number <= 36_500 => Ok(i64::from(number) * each),
        _ => Err("days are expected, 14d, or weeks, 2w".to_owned()),
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .or_else(|_| format!("{text}T00:00:00Z").parse())
        .map_err(|_| "a day or a time is expected: 2026-11-29, 2026-11-29T12:00:00Z".to_owned())
}

/// `declared=high`: the least severity that counts for a grade.
fn limit(text: &str) -> Result<(Reach, Severity), String> {
    let (reach, severity) = text.split_once('=').ok_or("GRADE=SEVERITY is expected, for example declared=critical")?;
    Ok((reach.parse()?, severity.parse()?))
}

/// What scans of packages have in common.
#[derive(Debug, Args)]
pub struct Judging {
    /// Which advisories.
    #[command(flatten)]
    pub which: Which,
    /// What counts.
    #[command(flatten)]
    pub counting: Counting,
    /// What is asked of where packages come from, and of how old they are.
    #[command(flatten)]
    pub supply: Supply,
    /// The least severity that counts for packages of a grade (declared, installed, read, linked), where it is another than
    /// --fail-on: `declared=critical`. Attacks and what is exploited count always.
    #[arg(long, value_name = "GRADE=SEVERITY", value_parser = limit, value_delimiter = ',', help_heading = "What counts")]
    pub fail_on_reach: Vec<(Reach, Severity)>,
    /// The only licences that are permitted, SPDX ids; others count.
    #[arg(long, value_name = "ID", value_delimiter = ',', help_heading = "What counts")]
    pub allow_licence: Vec<String>,
    /// Licences that count, SPDX ids.
    #[arg(long, value_name = "ID", value_delimiter = ',', help_heading = "What counts")]
    pub deny_licence: Vec<String>,
    /// Licences that the project's signed policy does not permit count.
    #[arg(long, conflicts_with_all = ["allow_licence", "deny_licence"], help_heading = "What counts")]
    pub licences: bool,
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
    /// VEX documents (OpenVEX, CycloneDX) of whoever you trust to say what does not matter here.
    #[arg(long, value_name = "FILE", help_heading = "What counts")]
    pub vex: Vec<PathBuf>,
    /// The product that VEX statements speak of, a package URL. Without, only statements about a package itself hold.
    #[arg(long, value_name = "PURL", requires = "vex", help_heading = "What counts")]
    pub product: Option<String>,
    /// A scan that could not judge everything may still pass.
    #[arg(long, help_heading = "What counts")]
    pub allow_partial: bool,

    /// How issues are written.
    #[arg(long, value_enum, default_value = "text", help_heading = "Output")]
    pub format: Format,
    /// Write there instead of standard output.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Write an SBOM of what was found: CycloneDX 1.6 JSON; SPDX 2.3 where the name ends with `.spdx.json`.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub sbom: Option<PathBuf>,
    /// Sign a statement of the scan and put it into the evidence log, with the SBOM.
    #[arg(long, help_heading = "Output")]
    pub attest: bool,
    /// No summary.
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
}

/// Arguments of `scan deps`.
#[derive(Debug, Args)]
pub struct DepsArgs {
    /// Directories, lockfiles, manifests, SBOMs, programs.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Leave out files that match.
    #[arg(long, value_name = "GLOB", help_heading = "What to scan")]
    pub exclude: Vec<String>,
    /// The commit that the change is based on: its `.provost/suppressions.toml` counts.
    #[arg(long, value_name = "COMMIT", help_heading = "What counts")]
    pub base: Option<String>,
    /// Say which packages a run under `provost run` really read, and which it read that no lock names: the last run, or the one
    /// whose id begins so.
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "last", require_equals = true, help_heading = "What to scan")]
    pub observed: Option<String>,
    /// The artifact that these packages went into, a file or `sha256:…`: the statement speaks of it. Without, it speaks of
    /// the files that were read.
    #[arg(long, value_name = "ARTIFACT", requires = "attest", help_heading = "Output")]
    pub of: Vec<String>,
    /// What counts, and how it is written.
    #[command(flatten)]
    pub judging: Judging,
}

pub(crate) const IMAGE_AFTER: &str = "\
Examples:
  provost scan image app.tar                     what `docker save` or `skopeo copy … oci-archive:` wrote
  provost scan image ./oci-layout --platform linux/arm64
  provost scan image registry.example.org/app:1.2   from a registry, digests checked
  provost scan image ./rootfs --fail-on high --ignore-unfixed
  provost scan image app.tar --attest            sign what was found, for `provost verify sha256:<manifest>`

Every layer is read once, without running anything: packages, secrets (in hidden files too), and what is dangerous about the
image itself. Exit codes: 0 nothing counts, 1 issues, 2 usage, 3 not everything could be read or judged.";

/// Arguments of `scan image`.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// A file or directory (OCI layout, archive, root file system), or a reference to a registry.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Which image, where a file holds several: a tag, or a digest.
    #[arg(long, value_name = "NAME", help_heading = "What to scan")]
    pub name: Option<String>,
    /// Which platform, where an index holds several: `linux/amd64`.
    #[arg(long, value_name = "PLATFORM", help_heading = "What to scan")]
    pub platform: Option<String>,
    /// Do not look for secrets.
    #[arg(long, help_heading = "What to scan")]
    pub no_secrets: bool,
    /// Lockfiles in the image count too, and not only what is installed.
    #[arg(long, help_heading = "What to scan")]
    pub lockfiles: bool,
    /// Chain ids of permitted base images; an image that begins with none of them is a finding.
    #[arg(long, value_name = "SHA256", help_heading = "What counts")]
    pub base_image: Vec<String>,
    /// An image that was made more than so many days ago counts.
    #[arg(long, value_name = "DAYS", help_heading = "What counts")]
    pub max_image_age: Option<u32>,
    /// An image whose base was made more than so many days ago counts: the base that --base-image names, else the lowest layer.
    #[arg(long, value_name = "DAYS", help_heading = "What counts")]
    pub max_base_age: Option<u32>,
    /// Findings about the image itself that count, by rule: `image-root-user`, … or `all`. Secrets always do.
    #[arg(long, value_name = "RULE", value_delimiter = ',', help_heading = "What counts")]
    pub deny_image: Vec<String>,
    /// What counts, and how it is written.
    #[command(flatten)]
    pub judging: Judging,
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
    /// Which advisories.
    #[command(flatten)]
    pub which: Which,
    /// Without advisories: only what changed.
    #[arg(long)]
    pub no_advisories: bool,
    /// What counts.
    #[command(flatten)]
    pub counting: Counting,
    /// What is asked of where packages come from, and of how old they are.
    #[command(flatten)]
    pub supply: Supply,
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
