//! `provost db pack`, `db trust` and the import of packs: advisories that somebody signed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use provost_attest::predicate::Pack;
use provost_deps::{Database, Info};
use provost_model::{count, printable};

use crate::clock;
use crate::commands::Context;
use crate::commands::db::Which;
use crate::exit::Exit;
use crate::home::Project;
use crate::packs::{self, Origin};
use crate::signing::{self, Role};

/// The kind of pack that holds a database.
const ADVISORIES: &str = "advisories";

/// Arguments of `db pack`.
#[derive(Debug, Args)]
pub struct PackArgs {
    #[command(subcommand)]
    what: PackWhat,
}

#[derive(Debug, Subcommand)]
enum PackWhat {
    /// Sign the database as a pack, with the project's signer.
    Create(CreateArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    which: Which,
    /// The pack to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Its name: each has versions of its own.
    #[arg(long, default_value = "advisories")]
    name: String,
    /// Its version, greater than that of every pack of the name before; without it, seconds since 1970.
    #[arg(long = "pack-version", value_name = "NUMBER")]
    version: Option<u64>,
    /// For how many days it counts. The next one has to be out by then.
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u64).range(1..=packs::MAXIMUM_DAYS))]
    days: u64,
    /// Sign with this key file instead of the project's signer.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Arguments of `db trust`.
#[derive(Debug, Args)]
pub struct TrustArgs {
    /// A public key file.
    #[arg(value_name = "KEY")]
    key: Option<PathBuf>,
}

/// Runs `db pack`.
///
/// # Errors
/// The database or the key cannot be read, the pack cannot be written.
pub(super) fn run(args: &PackArgs, context: &Context) -> Result<Exit> {
    match &args.what {
        PackWhat::Create(args) => create(args, context),
    }
}

/// A pack takes the place of the database, as its signer made it.
///
/// # Errors
/// Nobody signed it who may, it has ended, a newer one was seen, or the disk is full: the database stays as it is.
pub(super) fn import(files: &[PathBuf], signer: &[PathBuf], path: &Path, context: &Context) -> Result<Exit> {
    let [file] = files else {
        bail!("a pack takes the place of the whole database: import it alone, then what is to be added");
    };
    let trusted = packs::signers(&context.home, signer)?;
    let mut opened = packs::open(file, &trusted, ADVISORIES, clock::now())?;
    opened.refuse_older(&context.home)?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.unpacked", std::process::id()));
    let unpacked = PathBuf::from(name);
    opened.unpack(&unpacked)?;
    let taken = (|| -> Result<Info> {
        let info = Database::open(&unpacked)?.info().clone();
        // Once more: another process may have taken a newer one while this one was unpacked.
        let _lock = context.home.lock_memory();
        opened.refuse_older(&context.home)?;
        opened.remember(&context.home)?;
        let origin = Origin { pack: opened.pack.clone(), signer: opened.signer, data: info.digest.clone() };
        origin.write(path)?;
        std::fs::rename(&unpacked, path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(info)
    })();
    if taken.is_err() {
        let _ = std::fs::remove_file(&unpacked);
    }
    let info = taken?;
    anstream::println!(
        "{}: {} of the pack `{}`, version {}, until {}",
        path.display(),
        count(info.advisories, "advisory", "advisories"),
        printable(&opened.pack.name),
        opened.pack.version,
        &opened.pack.expires.to_string()[..10]
    );
    Ok(Exit::Pass)
}

fn create(args: &CreateArgs, context: &Context) -> Result<Exit> {
    let database = args.which.open(context)?;
    let signer = match &args.key {
        Some(file) => signing::of_file(file)?,
        None => signing::load(Role::Builder, &context.home, &Project::find(Path::new("."))?)?,
    };
    if args.name.is_empty() || args.name.len() > 100 || args.name.chars().any(char::is_control) {
        bail!("--name: 1 to 100 characters of text are expected");
    }
    let now = clock::now();
    let pack = Pack {
        kind: ADVISORIES.to_owned(),
        name: args.name.clone(),
        version: args.version.unwrap_or(now.seconds().unsigned_abs()),
        created: now,
        expires: now.plus_days(i64::try_from(args.days).unwrap_or(1)),
        size: 0,
    };
    let (version, expires) = (pack.version, pack.expires);
    let digest = packs::create(database.path(), &args.output, pack, signer.as_ref())?;
    anstream::println!(
        "{}: version {version}, until {}, sha256:{digest}, signed by sha256:{}",
        args.output.display(),
        &expires.to_string()[..10],
        signer.public_key().id()
    );
    Ok(Exit::Pass)
}

/// Whose packs count.
///
/// # Errors
/// The key cannot be read or written.
pub(super) fn trust(args: &TrustArgs, context: &Context) -> Result<Exit> {
    let Some(file) = &args.key else {
        for key in packs::signers(&context.home, &[])? {
            anstream::println!("sha256:{}  {}", key.id(), key.algorithm().name());
        }
        return Ok(Exit::Pass);
    };
    let key = signing::read_public(file)?;
    let path = context.home.pack_signers().join(format!("{}.pem", key.id()));
    if !path.exists() {
        signing::write_private(&path, key.to_pem().as_bytes())?;
    }
    anstream::eprintln!("packs signed by sha256:{} count from now on", key.id());
    Ok(Exit::Pass)
}
