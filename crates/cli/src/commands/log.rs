//! `provost log`: the evidence log itself.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use provost_attest::predicate;
use provost_evidence::Store;
use provost_model::{count, printable};
use provost_tlog::leaf_hash;

use crate::commands::Context;
use crate::commands::log_witness::{self, AttachArgs, CosignArgs};
use crate::exit::Exit;
use crate::home::Project;
use crate::render;

/// Arguments of `log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// The store (default: the project's).
    #[arg(long, global = true, value_name = "DIR")]
    store: Option<PathBuf>,
    #[command(subcommand)]
    command: LogCommand,
}

/// What to do with the log.
#[derive(Debug, Subcommand)]
enum LogCommand {
    /// List entries, newest last.
    Show {
        /// From this entry on (default: the last 50).
        #[arg(long)]
        from: Option<u64>,
        /// One entry's envelope, whole, as a Sigstore bundle.
        #[arg(long, conflicts_with = "from")]
        entry: Option<u64>,
        /// As JSON Lines.
        #[arg(long)]
        json: bool,
    },
    /// Prove that an entry is in the log (c2sp.org/tlog-proof).
    Prove {
        /// Index of the entry.
        index: u64,
    },
    /// Prove that one size of the log continues another.
    Consistency {
        /// The smaller size.
        old: u64,
        /// The larger size (default: the newest).
        new: Option<u64>,
    },
    /// Vouch as a witness that a log continues what this machine has seen of it.
    Cosign(CosignArgs),
    /// Put witnesses' cosignatures beside the newest checkpoint.
    Attach(AttachArgs),
    /// Re-derive everything from the entries and compare.
    Fsck,
    /// Copy checkpoint, tiles, envelopes and blobs into a directory that can be served or carried.
    Export {
        /// The new directory.
        directory: PathBuf,
    },
}

/// Does it.
///
/// # Errors
/// The store cannot be read.
pub fn run(args: &LogArgs, context: &Context) -> Result<Exit> {
    let open = || -> Result<Store> {
        let root = match &args.store {
            Some(path) => path.clone(),
            None => Project::find(Path::new("."))?.store(&context.home),
        };
        crate::judge::open_store(&context.home, &root)
    };
    match &args.command {
        LogCommand::Show { entry: Some(index), .. } => {
            let store = open()?;
            anstream::println!("{}", store.bundle(*index, &store.checkpoint()?)?.to_json());
            Ok(Exit::Pass)
        }
        LogCommand::Show { from, json, .. } => show(&open()?, *from, *json),
        LogCommand::Prove { index } => {
            let store = open()?;
            let checkpoint = store.checkpoint()?;
            let proof = store.log().prove(*index, &checkpoint)?;
            let entry = store.log().entry(*index, checkpoint.unverified().size)?;
            proof.verify(&leaf_hash(&entry), store.log_key()).context("the log is damaged: run `provost log fsck`")?;
            anstream::print!("{proof}");
            Ok(Exit::Pass)
        }
        LogCommand::Consistency { old, new } => {
            let store = open()?;
            let size = store.checkpoint()?.unverified().size;
            let new = new.unwrap_or(size);
            if new > size {
                bail!("the log has {size} entries");
            }
            let hashes = store.log().consistency(*old, new)?;
            let origin = store.log_key().name();
            anstream::println!(
                "{}",
                serde_json::json!({"mediaType": "application/vnd.provost.consistency.v1+json", "origin": origin, "from": old, "to": new, "hashes": hashes})
            );
            Ok(Exit::Pass)
        }
        LogCommand::Cosign(args) => log_witness::sign(args, context),
        LogCommand::Attach(args) => log_witness::attach(args, &open()?, context),
        LogCommand::Fsck => fsck(&open()?),
        LogCommand::Export { directory } => export(&open()?, directory),
    }
}

fn show(store: &Store, from: Option<u64>, json: bool) -> Result<Exit> {
    let checkpoint = store.checkpoint()?;
    let size = checkpoint.unverified().size;
    let first = from.unwrap_or_else(|| size.saturating_sub(50));
    let mut out = String::new();
    for row in store.records(first, 100_000)? {
        if json {
            out += &serde_json::json!({"index": row.index, "envelope": row.envelope, "payloadType": row.payload_type, "predicateType": row.predicate_type, "step": row.step, "invocation": row.invocation}).to_string();
            out.push('\n');
            continue;
        }
        let kind = row.predicate_type.as_deref().map_or("policy", predicate::short_name);
        let run = row
            .invocation
            .as_deref()
            .and_then(|i| i.rsplit(':').next())
            .map(|i| i.chars().take(8).collect::<String>())
            .unwrap_or_default();
        out += &format!(
            "{:>8}  {:<12} {:<12} {}  {}\n",
            row.index,
            printable(kind),
            printable(row.step.as_deref().unwrap_or("")),
            row.envelope.short(),
            render::dim(&printable(&run))
        );
    }
    if !json {
        out += &render::dim(&format!(
            "log {}, {}, root {}\n",
            printable(&checkpoint.unverified().origin),
            count(size, "entry", "entries"),
            checkpoint.unverified().root
        ));
    }
    anstream::print!("{out}");
    Ok(Exit::Pass)
}

fn fsck(store: &Store) -> Result<Exit> {
    let report = store.fsck()?;
    let mut out = String::new();
    for defect in &report.defects {
        let at = defect.byte.map(|b| format!(", byte {b}")).unwrap_or_default();
        out += &format!(
            "{} {}{at}: {}\n",
            render::error("damaged"),
            printable(&defect.path.display().to_string()),
            printable(&defect.why)
        );
    }
    let seen = format!(
        "{}, {}, {}",
        count(report.entries, "entry", "entries"),
        count(report.tiles, "tile", "tiles"),
        count(report.blobs, "blob", "blobs")
    );
    if report.defects.is_empty() {
        anstream::println!("{} {seen}: every root is what the entries give", render::bold("sound"));
        return Ok(Exit::Pass);
    }
    out += &format!(
        "{seen} checked, {}. Restore the named files from a copy; nothing was changed\n",
        count(report.defects.len() as u64, "defect", "defects")
    );
    anstream::print!("{out}");
    Ok(Exit::Denied)
}

fn export(store: &Store, directory: &Path) -> Result<Exit> {
    if directory.exists() && std::fs::read_dir(directory).is_ok_and(|mut d| d.next().is_some()) {
        bail!("{} is not empty", directory.display());
    }
    // The checkpoint first: whatever is appended meanwhile lies beyond it.
    let checkpoint = store.checkpoint()?;
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let mut files = 0_u64;
    for part in ["log/tile", "packs", "blobs"] {
        let to = part.strip_prefix("log/").unwrap_or(part);
        files += copy(&store.root().join(part), &directory.join(to))?;
    }
    for (name, bytes) in [("checkpoint", checkpoint.to_string()), ("log.vkey", format!("{}\n", store.log_key()))] {
        std::fs::write(directory.join(name), bytes).with_context(|| format!("cannot write {name}"))?;
    }
    anstream::eprintln!(
        "exported {} and {} to {}",
        count(checkpoint.unverified().size, "entry", "entries"),
        count(files, "file", "files"),
        directory.display()
    );
    Ok(Exit::Pass)
}

fn copy(from: &Path, to: &Path) -> Result<u64> {
    if !from.exists() {
        return Ok(0);
    }
    std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    let mut files = 0;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry.with_context(|| format!("cannot list {}", from.display()))?;
        let target = to.join(entry.file_name());
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            files += copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).with_context(|| format!("cannot copy to {}", target.display()))?;
            files += 1;
        }
    }
    Ok(files)
}
