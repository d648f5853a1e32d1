//! `provost log cosign` and `log attach`: a witness vouches that it sees the same log as everybody else
//! (C2SP tlog-cosignature v1), and the log's owner puts its word beside the checkpoint.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use provost_evidence::{LogFolder, Seen, Store};
use provost_model::{count, printable};
use provost_policy::POLICY_PAYLOAD;
use provost_tlog::{NoteKey, NoteKeyKind, NoteSignature, cosign};

use crate::commands::Context;
use crate::exit::Exit;
use crate::gate::server::Server;
use crate::{clock, input, signing};

/// Arguments of `log cosign`.
#[derive(Debug, Args)]
pub struct CosignArgs {
    /// The log: a directory that `log export` wrote, or a store.
    log: PathBuf,
    /// The witness's Ed25519 key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The witness's name, like a URL without its scheme: `witness.example.com/one`.
    #[arg(long)]
    name: String,
    /// The log's verifier key, for a log that this machine has not seen before.
    #[arg(long, value_name = "VKEY")]
    log_key: Option<NoteKey>,
}

/// Arguments of `log attach`.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Lines that `log cosign` printed.
    file: PathBuf,
    /// Verifier keys of witnesses beside those of the newest policy in the log.
    #[arg(long, value_name = "VKEY")]
    witness: Vec<NoteKey>,
}

/// Cosigns a log's newest checkpoint, if it continues what this machine has seen.
///
/// # Errors
/// The log is not the one that was seen before, or another history of it.
pub fn sign(args: &CosignArgs, context: &Context) -> Result<Exit> {
    let inside = args.log.join("log");
    let folder = if inside.join("checkpoint").is_file() { inside } else { args.log.clone() };
    let log = LogFolder::new(&folder);
    let shown = args.log.display();
    let checkpoint = log.checkpoint()?.with_context(|| format!("{shown}: there is no checkpoint in it"))?;
    let key: NoteKey = match &args.log_key {
        Some(key) => key.clone(),
        None => {
            let text = input::read_text(&args.log.join("log.vkey"))?;
            text.parse().with_context(|| format!("the verifier key in {shown}"))?
        }
    };
    checkpoint.verify(&key).with_context(|| format!("the checkpoint in {shown}"))?;
    let (memory, id) = (context.home.memory(), key.full_id());
    let seen = memory.newest(&id)?;
    if args.log_key.is_none() && seen.is_none() {
        bail!(
            "this machine has not seen the log {} before: ask its owner for the verifier key, and name it once with `--log-key`; \
             the directory's own says {key}",
            printable(key.name())
        );
    }
    let size = checkpoint.unverified().size;
    let behind = |newest: u64| {
        anyhow!(
            "{shown} is at {}, and this machine has seen {newest}: bring the newest",
            count(size, "entry", "entries")
        )
    };
    if let Some(newest) = seen.map(|seen| seen.unverified().size).filter(|newest| *newest > size) {
        return Err(behind(newest));
    }
    let signer = signing::of_file(&args.key)?;
    let line = cosign(&checkpoint, &args.name, clock::now(), signer.as_ref())
        .context("a witness's key is Ed25519: `provost key generate --algorithm ed25519 FILE`")?;
    // Once it is said it is never unsaid: what is cosigned is remembered before anybody gets the line.
    let prove = |from: u64, to: u64| log.consistency(from, to).ok();
    if let Seen::Earlier { newest } = memory.accept(&id, &checkpoint, &prove)? {
        return Err(behind(newest));
    }
    let witness = NoteKey::new(&args.name, NoteKeyKind::CosignatureV1, signer.public_key().clone())?;
    anstream::println!("{line}");
    anstream::eprintln!(
        "cosigned {} at {}; for the policy:\n\n[[witness]]\nkey = \"{witness}\"",
        printable(key.name()),
        count(size, "entry", "entries")
    );
    Ok(Exit::Pass)
}

/// Puts cosignatures beside the newest checkpoint.
///
/// # Errors
/// A line is by nobody known, or over another checkpoint.
pub fn attach(args: &AttachArgs, store: &Store, context: &Context) -> Result<Exit> {
    let text = input::read_text(&args.file)?;
    let mut witnesses = args.witness.clone();
    witnesses.extend(of_policy(store)?);
    let mut added = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line: NoteSignature = line.parse().with_context(|| format!("{}", args.file.display()))?;
        let name = printable(&line.name);
        let by = witnesses.iter().find(|key| key.name() == line.name && key.short_id() == line.key_id);
        let Some(by) = by.filter(|key| key.kind() == NoteKeyKind::CosignatureV1) else {
            bail!(
                "{name} is no witness of the policy in the log: name its key with `--witness`, or add it to the policy"
            );
        };
        let new = store.add_cosignature(by, line).with_context(|| {
            format!(
                "{name} cosigned another checkpoint, or nothing: the log may have grown since; have it cosigned again"
            )
        })?;
        if new {
            added += 1;
        } else {
            anstream::eprintln!("{name}: there already");
        }
    }
    // The log of a served repository is where its clones find it.
    if let Ok(server) = Server::open(&context.home, Path::new("."))
        && server.project.store(&context.home) == store.root()
    {
        let _lock = server.lock()?;
        server.publish(store)?;
    }
    let size = store.checkpoint()?.unverified().size;
    anstream::eprintln!(
        "{} beside the checkpoint at {}",
        count(added, "new cosignature", "new cosignatures"),
        count(size, "entry", "entries")
    );
    Ok(Exit::Pass)
}

/// The witnesses of the newest policy in the log. Which of their lines are kept is no judgement: each verifier holds them
/// against a policy of its own.
fn of_policy(store: &Store) -> Result<Vec<NoteKey>> {
    let rows = store.records_of_payload(POLICY_PAYLOAD)?;
    let Some(row) = rows.last() else { return Ok(Vec::new()) };
    let envelope = store.envelope(row.index)?;
    let policy = std::str::from_utf8(envelope.unverified_payload()).ok().map(provost_policy::Policy::parse);
    Ok(policy.and_then(Result::ok).map(|policy| policy.witnesses).unwrap_or_default())
}
