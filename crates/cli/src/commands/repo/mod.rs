//! `provost repo`: access control for a git repository, on the server and in any clone.

mod client;
mod hide;
mod hook;
mod init;
mod scripts;
mod serve;
mod serve_http;
mod serve_ssh;
mod verify;
mod vsa;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::commands::Context;
use crate::exit::Exit;

/// Arguments of `repo`.
#[derive(Debug, Args)]
pub struct RepoArgs {
    #[command(subcommand)]
    command: RepoCommand,
}

/// What to do with a repository.
#[derive(Debug, Subcommand)]
enum RepoCommand {
    /// Prepare a bare repository: server keys, evidence store, hooks.
    Init(init::InitArgs),
    /// Install or replace the signed policy of a served repository.
    Policy(init::PolicyArgs),
    /// Take over refs as they are found, with a reason: the first time, or after a look at what bypassed the server.
    Adopt(init::AdoptArgs),
    /// What git runs: pre-receive, update, post-receive on the server, installed by `init`; pre-push, pre-commit in a clone.
    Hook(hook::HookArgs),
    /// Have a clone say before a push what the server would: installs pre-push and pre-commit, and fetches the log from then on.
    ClientHooks(client::ClientHooksArgs),
    /// Serve git over SSH: the forced command of a key in `authorized_keys`.
    ServeSsh(serve_ssh::ServeSshArgs),
    /// Print the lines for `authorized_keys` of everyone in the policies below a folder: sshd's `AuthorizedKeysCommand`.
    AuthorizedKeys(serve_ssh::AuthorizedKeysArgs),
    /// Serve git over HTTP: a CGI program for a web server that knows who asks.
    ServeHttp(serve_http::ServeHttpArgs),
    /// Replay policy and reference log on any clone: what bypassed the server, dropped history or broke the rules?
    Verify(verify::VerifyArgs),
}

/// The server's name of a branch that a clone has as a remote one.
fn branch_of(tracking: &str, remote: &str) -> Option<String> {
    let branch = tracking.strip_prefix("refs/remotes/")?.strip_prefix(remote)?.strip_prefix('/')?;
    (branch != "HEAD").then(|| format!("refs/heads/{branch}"))
}

/// Which repository.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The bare repository, or the `.git` directory.
    #[arg(value_name = "REPOSITORY")]
    git_dir: PathBuf,
}

/// Does it.
///
/// # Errors
/// The repository, its policy or its store cannot be used.
pub fn run(args: &RepoArgs, context: &Context) -> Result<Exit> {
    match &args.command {
        RepoCommand::Init(args) => init::init(args, context),
        RepoCommand::Policy(args) => init::policy(args, context),
        RepoCommand::Adopt(args) => init::adopt(args, context),
        RepoCommand::Hook(args) => hook::run(args, context),
        RepoCommand::ClientHooks(args) => client::install(args),
        RepoCommand::ServeSsh(args) => serve_ssh::run(args, context),
        RepoCommand::AuthorizedKeys(args) => serve_ssh::authorized_keys(args, context),
        RepoCommand::ServeHttp(args) => serve_http::run(args, context),
        RepoCommand::Verify(args) => verify::run(args, context),
    }
}
