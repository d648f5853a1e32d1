//! `provost trust`: whose policies count here.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use crate::commands::Context;
use crate::evidence_file::EvidenceFile;
use crate::exit::Exit;
use crate::judge::Anchors;
use crate::signing;

/// Arguments of `trust`.
#[derive(Debug, Args)]
pub struct TrustArgs {
    #[command(subcommand)]
    command: TrustCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum TrustCommand {
    /// Trust a policy key from now on: a public key file, or an evidence file with the id of its key.
    Add {
        /// Public key, or evidence file.
        file: PathBuf,
        /// For an evidence file: the key's id, as its producer published it elsewhere.
        #[arg(long, value_name = "SHA256")]
        id: Option<String>,
    },
    /// List the keys that are trusted.
    List,
    /// Accept how this project's `provost.toml` uses keys, store and confinement.
    Config,
}

/// Does it.
///
/// # Errors
/// A key cannot be read or written.
pub fn run(args: &TrustArgs, context: &Context) -> Result<Exit> {
    match &args.command {
        TrustCommand::Add { file, id } => {
            let key = match (signing::read_public(file), id) {
                (Ok(key), Some(id)) if key.id().digest() != id.parse()? => {
                    bail!("{} holds the key {}, not {id}", file.display(), key.id())
                }
                (Ok(key), _) => key,
                (Err(_), Some(id)) => {
                    let id: provost_model::Digest = id.parse()?;
                    let found = EvidenceFile::read(file)?.policy_keys.into_iter().find(|k| k.id().digest() == id);
                    match found {
                        Some(key) => key,
                        None => bail!("{} names no policy key with the id {id}", file.display()),
                    }
                }
                (Err(error), None) => return Err(error.context("for an evidence file, give the key's id with --id")),
            };
            let path = context.home.trust().join(format!("{}.pem", key.id()));
            if !path.exists() {
                signing::write_private(&path, key.to_pem().as_bytes())?;
            }
            anstream::eprintln!("policies signed by sha256:{} count from now on", key.id());
        }
        TrustCommand::Config => {
            let project = crate::home::Project::find(std::path::Path::new("."))?;
            crate::pin::accept(&context.home, &project)?;
            anstream::eprintln!("the settings of `{}` are accepted as they are now", project.config.project_id);
        }
        TrustCommand::List => {
            for key in Anchors::load(Some(&context.home), &[], &[])?.keys {
                anstream::println!("sha256:{}  {}", key.id(), key.algorithm().name());
            }
        }
    }
    Ok(Exit::Pass)
}
