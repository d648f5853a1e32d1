//! `provost key`: make and look at keys.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use provost_keys::{KeyAlgorithm, Signer as _};
use provost_model::printable;

use crate::commands::Context;
use crate::exit::Exit;
use crate::home::Project;
use crate::render;
use crate::signing::{self, Role};

/// Arguments of `key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

/// An algorithm.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Algorithm {
    /// ECDSA over P-256 with SHA-256.
    EcdsaP256,
    /// Ed25519.
    Ed25519,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a new key pair: FILE for the private half, FILE.pub for the public one. Never overwrites.
    Generate {
        /// Where to write the private key.
        file: PathBuf,
        /// The algorithm.
        #[arg(long, value_enum, default_value = "ecdsa-p256")]
        algorithm: Algorithm,
        /// Encrypt it; the passphrase comes from `PROVOST_KEY_PASSPHRASE` or the terminal.
        #[arg(long)]
        encrypt: bool,
    },
    /// Make a new builder key for the project and print the policy lines that let it overlap with the old one.
    Rotate {
        /// How many days old and new key are both valid.
        #[arg(long, default_value_t = 14)]
        overlap: i64,
    },
    /// Show the project's keys.
    List,
}

/// Does it.
///
/// # Errors
/// A key cannot be read or written.
pub fn run(args: &KeyArgs, context: &Context) -> Result<Exit> {
    match &args.command {
        KeyCommand::Generate { file, algorithm, encrypt } => {
            let algorithm = match algorithm {
                Algorithm::EcdsaP256 => KeyAlgorithm::EcdsaP256,
                Algorithm::Ed25519 => KeyAlgorithm::Ed25519,
            };
            let key = signing::generate(file, algorithm, *encrypt)?;
            let mut public = file.clone().into_os_string();
            public.push(".pub");
            let mut made = crate::setup::Made::default();
            crate::setup::write_new(Path::new(&public), key.public_key().to_pem().as_bytes(), &mut made)?;
            anstream::eprintln!("made {} and {}", file.display(), Path::new(&public).display());
            anstream::println!("sha256:{}", key.public_key().id());
            Ok(Exit::Pass)
        }
        KeyCommand::Rotate { overlap } => rotate(context, *overlap),
        KeyCommand::List => {
            let project = Project::find(Path::new("."))?;
            for role in [Role::Policy, Role::Builder, Role::Log] {
                match signing::load(role, &context.home, &project) {
                    Ok(key) => anstream::println!(
                        "{:<8} {}  {}  sha256:{}",
                        role.name(),
                        key.public_key().algorithm().name(),
                        key.custody().name(),
                        key.public_key().id()
                    ),
                    Err(error) => anstream::println!("{:<8} {}", role.name(), printable(&format!("{error:#}"))),
                }
            }
            Ok(Exit::Pass)
        }
    }
}

/// The new key takes the old one's place; the old one stays beside it under its id, and in the policy until its end.
fn rotate(context: &Context, overlap: i64) -> Result<Exit> {
    let project = Project::find(Path::new("."))?;
    let keys = context.home.keys(&project.config.project_id);
    let path = keys.join("builder.key");
    let old = signing::load(Role::Builder, &context.home, &project)?;
    let old_id = old.public_key().id().digest().short();
    let fresh = keys.join("builder.key.new");
    let key =
        signing::generate(&fresh, Role::Builder.algorithm(), old.custody() == provost_keys::Custody::EncryptedFile)?;
    std::fs::rename(&path, keys.join(format!("builder-{old_id}.key")))?;
    std::fs::rename(&fresh, &path)?;
    let public = project.folder(&context.home).join("keys");
    let _ = std::fs::rename(public.join("builder.pub"), public.join(format!("builder-{old_id}.pub")));
    let new_id = key.public_key().id().digest().short();
    std::fs::write(public.join("builder.pub"), key.public_key().to_pem())?;
    let now = crate::clock::now();
    let day = |time: provost_model::Timestamp| provost_model::Timestamp::from_seconds(time.seconds());
    anstream::eprintln!(
        "The project signs with a new key from now on. Put this into {}, count `serial` up, and run `provost policy sign`:\n",
        project.policy_source(&context.home).display()
    );
    anstream::println!(
        "# the old key ends:\n#   in its [[functionary]]: not-after = \"{}\"\n\n[[functionary]]\nname = \"builder-{new_id}\"\nnot-before = \"{}\"\npublic-key = \"\"\"\n{}\"\"\"\n\n# and in each [[step]]:\n#   functionaries = [\"builder\", \"builder-{new_id}\"]",
        day(now.plus_days(overlap)),
        day(now),
        key.public_key().to_pem()
    );
    anstream::eprintln!("{}", render::dim("A lost key is revoked with `revoked-at`, whatever its dates say."));
    Ok(Exit::Pass)
}
