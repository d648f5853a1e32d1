//! The `provost` command: wiring, output and exit codes. Everything else lives in the crates below.
#![allow(clippy::print_stdout, clippy::print_stderr)]

pub mod behaviour;
mod caches;
pub mod ci;
pub mod clock;
pub mod commands;
pub mod config;
pub(crate) mod deps;
pub(crate) mod durable;
pub mod environment;
pub mod evidence_file;
pub mod exit;
pub mod foreign;
pub(crate) mod gate;
pub mod gather;
pub mod guard;
pub mod home;
pub mod input;
pub mod judge;
pub mod learn;
pub mod observed;
pub mod packs;
pub(crate) mod page;
pub mod pin;
pub mod redact;
pub mod render;
pub(crate) mod requirements;
pub(crate) mod scan;
pub mod setup;
pub mod signing;
pub mod statements;
pub(crate) mod status;
pub(crate) mod summary;
pub mod watch;

use clap::{Parser, Subcommand};

use crate::commands::Context;
use crate::exit::Exit;

/// Makes a CI/CD pipeline meet NIST SP 800-204D: wraps the steps, turns what happened into signed evidence, keeps it in
/// an append-only log, and lets nothing go on that the policy does not allow.
#[derive(Debug, Parser)]
#[command(name = "provost", version, arg_required_else_help = true, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Start:
  provost init                      configuration, policy and keys for this repository
  provost run -- make               build, with evidence
  provost verify ./artifact         is it what the policy allows?
  provost scan secrets              what should not be in this tree?
  provost scan deps                 what is known against its dependencies?
  provost privilege                 what may its pipelines do, and what do they need?
  provost gate --onto main          may HEAD be merged?

Exit codes: 0 passed, 1 denied or findings, 2 usage or configuration, 3 could not decide.
`run` ends with the status of its command.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up a repository: configuration, build policy, keys, store. Never overwrites.
    Init(commands::init::InitArgs),
    /// Run a command and make evidence of it.
    Run(commands::run::RunArgs),
    /// Verify an artifact against the policy, offline.
    Verify(commands::verify::VerifyArgs),
    /// As `verify`, with every rule and the statements that support it.
    Explain(commands::verify::VerifyArgs),
    /// Look for secrets, and for dependencies that should not be there.
    Scan(Box<commands::scan::ScanArgs>),
    /// What a product is made of: list, explain and compare dependencies.
    Deps(commands::deps::DepsCommand),
    /// Bills of materials: make, compare, convert, check.
    Sbom(commands::sbom::SbomArgs),
    /// Which rights the pipelines have, which they need, and what outside people can do with them.
    Privilege(commands::privilege::PrivilegeArgs),
    /// Judge stored SBOMs anew, by the advisories of today.
    Recheck(commands::recheck::RecheckArgs),
    /// The advisories that dependencies are judged by.
    Db(commands::db::DbArgs),
    /// May this change go on, or this step run?
    Gate(Box<commands::gate::GateArgs>),
    /// Sign that a change may go into its target, or that it may not.
    Approve(Box<commands::approve::ApproveArgs>),
    /// Who approved a change, and for which rules that counts.
    Approvals(Box<commands::approvals::ApprovalsArgs>),
    /// Take back what you signed of a change.
    Withdraw(Box<commands::withdraw::WithdrawArgs>),
    /// Put all evidence for an artifact into one file for its consumers.
    Bundle(commands::bundle::BundleArgs),
    /// Make an envelope, bundle, statement, checkpoint, policy or key readable.
    Inspect(commands::inspect::InspectArgs),
    /// Look at the evidence log: list, prove, check, export.
    Log(commands::log::LogArgs),
    /// Check, test and sign policies.
    Policy(commands::policy::PolicyArgs),
    /// Access control for a git repository: served refs, hooks, the reference log, and its verification on any clone.
    Repo(Box<commands::repo::RepoArgs>),
    /// Make and rotate keys.
    Key(commands::key::KeyArgs),
    /// Whose policies count here.
    Trust(commands::trust::TrustArgs),
    /// Write a report as HTML: what the log proves, and a page of what each run did.
    Report(commands::report::ReportArgs),
}

/// Runs the command line of this process.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Pass };
        }
    };
    match dispatch(&cli.command) {
        Ok(exit) => exit,
        Err(error) => {
            anstream::eprintln!("{} {}", render::error("provost:"), provost_model::printable(&format!("{error:#}")));
            exit_of(&cli.command, &error)
        }
    }
}

fn dispatch(command: &Command) -> anyhow::Result<Exit> {
    if let Command::Inspect(args) = command {
        return commands::inspect::run(args);
    }
    if let Command::Privilege(args) = command {
        return commands::privilege::run(args);
    }
    let context = Context { home: home::Home::find()? };
    match command {
        Command::Init(args) => commands::init::run(args, &context),
        Command::Run(args) => commands::run::run(args, &context),
        Command::Verify(args) => commands::verify::run(args, &context, false),
        Command::Explain(args) => commands::verify::run(args, &context, true),
        Command::Scan(args) => commands::scan::run(args, &context),
        Command::Deps(args) => commands::deps::run(args, &context),
        Command::Sbom(args) => commands::sbom::run(args, &context),
        Command::Recheck(args) => commands::recheck::run(args, &context),
        Command::Db(args) => commands::db::run(args, &context),
        Command::Gate(args) => commands::gate::run(args, &context),
        Command::Approve(args) => commands::approve::run(args, &context),
        Command::Approvals(args) => commands::approvals::run(args, &context),
        Command::Withdraw(args) => commands::withdraw::run(args, &context),
        Command::Bundle(args) => commands::bundle::run(args, &context),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Privilege(args) => commands::privilege::run(args),
        Command::Log(args) => commands::log::run(args, &context),
        Command::Policy(args) => commands::policy::run(args, &context),
        Command::Repo(args) => commands::repo::run(args, &context),
        Command::Key(args) => commands::key::run(args, &context),
        Command::Trust(args) => commands::trust::run(args, &context),
        Command::Report(args) => commands::report::run(args, &context),
    }
}

/// What an error means: commands that decide could not decide; the others were used or set up wrongly.
fn exit_of(command: &Command, error: &anyhow::Error) -> Exit {
    use provost_evidence::EvidenceError;
    let rolled_back = error.chain().any(|e| {
        matches!(e.downcast_ref::<EvidenceError>(), Some(EvidenceError::Rollback(_) | EvidenceError::RolledBack { .. }))
    });
    match command {
        Command::Verify(_) | Command::Explain(_) if rolled_back => Exit::Denied,
        Command::Verify(_)
        | Command::Explain(_)
        | Command::Run(_)
        | Command::Log(_)
        | Command::Report(_)
        | Command::Repo(_)
        | Command::Gate(_)
        | Command::Approvals(_) => Exit::Undecided,
        _ => Exit::Usage,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    /// Names of arguments are unique, conflicts name arguments that there are.
    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
