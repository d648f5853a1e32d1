//! `provost scan`: look for what should not be there.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use provost_model::Confidence;

use crate::commands::Context;
use crate::exit::Exit;
use crate::scan;

/// Arguments of `scan`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = AFTER)]
pub struct ScanArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    all: SecretsArgs,
}

const AFTER: &str = "\
Examples:
  provost scan secrets                        the files below the working directory
  provost scan secrets --git                  every object of the repository's history, each once
  provost scan secrets --staged               what the next commit would bring (for a pre-commit hook)
  provost scan secrets --range main..feature  what a range of commits brings
  provost scan secrets release.tar.gz         an artifact, with whatever is packed into it
  build 2>&1 | provost scan secrets -         a log

Exit codes: 0 nothing found, 1 findings, 2 usage, 3 not everything could be scanned.";

/// What to look for.
#[derive(Debug, Subcommand)]
enum What {
    /// Secrets: credentials in code, history, artifacts and logs.
    #[command(after_help = AFTER)]
    Secrets(Box<SecretsArgs>),
    /// Dependencies: vulnerable, malicious, unmaintained, taken back.
    #[command(after_help = super::deps::SCAN_AFTER)]
    Deps(Box<super::deps::DepsArgs>),
    /// A container image: its packages, secrets in every layer, and what is dangerous about it.
    #[command(after_help = super::deps::IMAGE_AFTER)]
    Image(Box<super::deps::ImageArgs>),
    /// The rules that secrets are found by.
    Rules(RulesArgs),
    /// Scan what a commit or a push brings, from git's hooks.
    Hook(HookArgs),
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// All there is to say, for programs.
    Json,
    /// SARIF 2.1.0, as code hosts take it.
    Sarif,
    /// GitLab's secret detection report.
    Gitlab,
    /// GitHub Actions' annotations.
    Github,
}

/// How sure a finding has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sure {
    /// Also test values, placeholders and mere words.
    Weak,
    /// Probably a secret.
    Likely,
    /// Its structure proves it: a checksum, a key that parses.
    Verified,
}

impl From<Sure> for Confidence {
    fn from(sure: Sure) -> Self {
        match sure {
            Sure::Weak => Self::Weak,
            Sure::Likely => Self::Likely,
            Sure::Verified => Self::Verified,
        }
    }
}

/// Arguments of `scan secrets`.
#[derive(Debug, Args)]
pub struct SecretsArgs {
    /// Files and directories; `-` reads standard input.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// The history of the repository instead: all of its objects, each once, reachable or not.
    #[arg(long, help_heading = "What to scan")]
    pub git: bool,
    /// What a range of commits brings: `A..B`, or a commit with all before it.
    #[arg(long, value_name = "A..B", conflicts_with = "git", help_heading = "What to scan")]
    pub range: Option<String>,
    /// What is staged for the next commit.
    #[arg(long, conflicts_with_all = ["git", "range"], help_heading = "What to scan")]
    pub staged: bool,
    /// What the commits since a day bring (YYYY-MM-DD).
    #[arg(long, value_name = "DAY", conflicts_with_all = ["git", "staged"], help_heading = "What to scan")]
    pub since: Option<String>,
    /// Leave out files that match.
    #[arg(long, value_name = "GLOB", help_heading = "What to scan")]
    pub exclude: Vec<String>,

    /// More rules: a file in the form of docs/secret-rules.md, of gitleaks (TOML) or of kingfisher (YAML).
    #[arg(long, value_name = "FILE", help_heading = "Rules")]
    pub rules: Vec<PathBuf>,
    /// Without the rules that come with provost.
    #[arg(long, requires = "rules", help_heading = "Rules")]
    pub no_built_in: bool,
    /// Leave out a rule, by its id.
    #[arg(long, value_name = "RULE", help_heading = "Rules")]
    pub disable: Vec<String>,
    /// How sure a finding has to be.
    #[arg(long, value_enum, default_value = "likely", help_heading = "Rules")]
    pub confidence: Sure,

    /// Known findings, which do not fail the scan.
    #[arg(long, value_name = "FILE", help_heading = "What counts")]
    pub baseline: Option<PathBuf>,
    /// Write all findings as a baseline.
    #[arg(long, value_name = "FILE", help_heading = "What counts")]
    pub write_baseline: Option<PathBuf>,
    /// Suppressions, each with a reason (docs/secrets.md).
    #[arg(long, value_name = "FILE", help_heading = "What counts")]
    pub suppressions: Option<PathBuf>,
    /// The commit that the change is based on: its `.provost/suppressions.toml` and the marks in its files count; what the
    /// change itself brings does not.
    #[arg(long, value_name = "COMMIT", help_heading = "What counts")]
    pub base: Option<String>,
    /// Marks in the scanned files count, whoever wrote them: `provost:allow`, and gitleaks:allow, nosec, `.gitleaksignore`.
    #[arg(long, help_heading = "What counts")]
    pub honour_marks: bool,
    /// A scan that could not read everything may still pass.
    #[arg(long, help_heading = "What counts")]
    pub allow_partial: bool,

    /// How findings are written.
    #[arg(long, value_enum, default_value = "text", help_heading = "Output")]
    pub format: Format,
    /// Write there instead of standard output.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Show the first characters of each secret. On a terminal only.
    #[arg(long, help_heading = "Output")]
    pub show: bool,
    /// List every input that was scanned in the JSON report.
    #[arg(long, help_heading = "Output")]
    pub inputs: bool,
    /// No progress, no summary.
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// Sign a statement of the scan and put it into the evidence log.
    #[arg(long, help_heading = "Output")]
    pub attest: bool,
    /// The key of the fingerprints: 32 bytes in hexadecimal. The same key gives the same fingerprints everywhere.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub fingerprint_key: Option<PathBuf>,

    /// How deep archives are opened in one another.
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Limits")]
    pub depth: usize,
    /// How often decoded text is decoded again.
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Limits")]
    pub decodings: usize,
    /// Only the first bytes of larger files, in megabytes.
    #[arg(long, value_name = "MB", help_heading = "Limits")]
    pub max_file: Option<u64>,
    /// End after so many seconds, with a report of what was scanned until then.
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    pub time: Option<u64>,
}

impl SecretsArgs {
    /// True when git objects are scanned, not files.
    pub fn is_git(&self) -> bool {
        self.git || self.range.is_some() || self.since.is_some() || self.staged
    }
}

/// Arguments of `scan rules`.
#[derive(Debug, Args)]
pub struct RulesArgs {
    /// A rule or family to show; all when absent.
    pub name: Option<String>,
    /// Check a file of rules and run its examples.
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
}

/// Arguments of `scan hook`.
#[derive(Debug, Args)]
pub struct HookArgs {
    /// Which hook: `pre-commit`, `pre-receive`, or `install` to write the pre-commit hook of this repository.
    #[arg(value_enum)]
    pub hook: Hook,
    /// Baseline, suppressions and rules as for `scan secrets`.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Suppressions.
    #[arg(long, value_name = "FILE")]
    pub suppressions: Option<PathBuf>,
}

/// The hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hook {
    /// Scans what is staged.
    PreCommit,
    /// Scans the objects that a push brings; reads `old new ref` lines from standard input.
    PreReceive,
    /// Writes the pre-commit hook of the repository here; never overwrites one.
    Install,
}

/// Scans.
///
/// # Errors
/// Something to scan, a rule, a baseline or suppressions cannot be read.
pub fn run(args: &ScanArgs, context: &Context) -> Result<Exit> {
    match &args.what {
        None => scan::secrets(&args.all, context),
        Some(What::Secrets(args)) => scan::secrets(args, context),
        Some(What::Deps(args)) => crate::deps::scan(args, context),
        Some(What::Image(args)) => crate::deps::image::scan(args, context),
        Some(What::Rules(args)) => scan::rules::run(args),
        Some(What::Hook(args)) => scan::hook::run(args, context),
    }
}
