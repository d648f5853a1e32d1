//! `provost sbom`: make, compare, convert and check bills of materials.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};

use super::Context;
use crate::deps::bom::Form;
use crate::deps::sbom;
use crate::exit::Exit;

/// Arguments of `sbom`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct SbomArgs {
    #[command(subcommand)]
    what: What,
}

const AFTER: &str = "\
Examples:
  provost sbom create -o app.cdx.json              of what is locked below the working directory
  provost sbom create --observed -o build.cdx.json which of them the last watched run really read
  provost sbom create --form spdx -o app.spdx.json
  provost scan image app.tar --sbom app.cdx.json   of an image
  provost sbom diff v1.cdx.json v2.cdx.json        what changed between two releases
  provost sbom convert syft.json --form cyclonedx
  provost sbom check vendor.cdx.json               is it sound, and how complete does it say it is?";

#[derive(Debug, Subcommand)]
enum What {
    /// Make an SBOM of what is locked, declared or installed.
    Create(CreateArgs),
    /// Compare two SBOMs. The same version with other content is an alarm.
    Diff(DiffArgs),
    /// Read an SBOM and write it in another form.
    Convert(ConvertArgs),
    /// Check SBOMs.
    Check(CheckArgs),
}

/// Arguments of `sbom create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Directories, lockfiles, programs.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Leave out files that match.
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Mark which packages a run under `provost run` really read, and add those of the build machine: the last run, or the
    /// one whose id begins so.
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "last", require_equals = true)]
    pub observed: Option<String>,
    /// What it is of.
    #[arg(long)]
    pub name: Option<String>,
    /// Its form; the name of the file tells when this does not.
    #[arg(long, value_enum)]
    pub form: Option<Form>,
    /// Write there instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// How a comparison is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Arguments of `sbom diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The earlier one.
    pub before: PathBuf,
    /// The later one.
    pub after: PathBuf,
    /// End with 1 when anything changed. Other content of the same version does so anyway.
    #[arg(long)]
    pub exit_code: bool,
    /// How it is written.
    #[arg(long, value_enum, default_value = "text")]
    pub format: DiffFormat,
}

/// Arguments of `sbom convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// The SBOM: CycloneDX JSON, SPDX 2 JSON or tag-value, SPDX 3 JSON-LD.
    pub file: PathBuf,
    /// The form to write.
    #[arg(long, value_enum)]
    pub form: Form,
    /// Write there instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Arguments of `sbom check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The SBOMs.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// A file cannot be read or written.
pub fn run(args: &SbomArgs, context: &Context) -> Result<Exit> {
    match &args.what {
        What::Create(args) => sbom::create(args, context),
        What::Diff(args) => sbom::diff(args),
        What::Convert(args) => sbom::convert(args),
        What::Check(args) => sbom::check(args),
    }
}
