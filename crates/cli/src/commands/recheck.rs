//! `provost recheck`: judge stored SBOMs anew.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::Context;
use super::db::Which;
use super::deps::Counting;
use crate::exit::Exit;

const AFTER: &str = "\
Every `provost scan image … --attest` and `provost scan deps … --attest` keeps its SBOM in the evidence store. This judges
all of them by the advisories of today, without the artifacts, and says whose verdict turns. With --attest the new answers
are signed, and `provost verify` goes by them.

Exit codes: 0 nothing is known against any of them, 1 something is, 3 something could not be judged.";

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Arguments of `recheck`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct RecheckArgs {
    /// Which advisories.
    #[command(flatten)]
    pub which: Which,
    /// What counts.
    #[command(flatten)]
    pub counting: Counting,
    /// Sign the new answers and put them into the evidence log.
    #[arg(long)]
    pub attest: bool,
    /// How the answer is written.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// Write there instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// The store or the database cannot be read.
pub fn run(args: &RecheckArgs, context: &Context) -> Result<Exit> {
    crate::deps::recheck::run(args, context)
}
