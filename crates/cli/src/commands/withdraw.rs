//! `provost withdraw`: a reviewer takes back what they signed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use provost_attest::Envelope;
use provost_gate::{Approval, ApprovalDecision, Seen, verify_approval};
use provost_model::printable;

use crate::commands::Context;
use crate::commands::approve::{Place, agreed};
use crate::exit::Exit;
use crate::gate::approvals::Places;
use crate::gate::case::Case;
use crate::gate::deliver::{Ways, deliver};
use crate::gate::person::Signer;
use crate::gate::record;
use crate::{clock, gate, render};

/// Arguments of `withdraw`.
#[derive(Debug, Args)]
pub struct WithdrawArgs {
    /// What to take back: an envelope's file, or the beginning of its digest as `provost approvals` shows it.
    #[arg(value_name = "ENVELOPE", required_unless_present = "mine", conflicts_with = "mine")]
    pub what: Option<String>,
    /// All that you said of this change.
    #[arg(long)]
    pub mine: bool,
    /// The commit that it is of (default: HEAD).
    #[arg(long, value_name = "REV")]
    pub head: Option<String>,
    /// Where it was to go.
    #[command(flatten)]
    pub place: Place,
    /// Your key (default: what git signs with).
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub comment: String,
    /// A file with an approval, or a directory of them, to look in.
    #[arg(long, value_name = "PATH")]
    pub approvals: Vec<PathBuf>,
    /// Write it there.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Push it to the inbox of this remote.
    #[arg(long, value_name = "REMOTE")]
    pub push: Option<String>,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
}

/// Withdraws.
///
/// # Errors
/// Nothing fits, or it is not theirs.
pub fn run(args: &WithdrawArgs, context: &Context) -> Result<Exit> {
    let now = clock::now();
    let wish = args.place.wish(args.head.as_deref(), args.push.as_deref().or(Some("origin")));
    let case = Case::open(&context.home, wish, now)?;
    let access = &case.policy().access;
    let signer = Signer::open(access, args.key.as_deref(), &case.clone.directory)?;
    let store = record::store(context, &case)?;
    let places = Places { paths: &args.approvals, reviews: None };
    let heard = gate::hear(context, &case, store.as_ref(), false, &places, &[])?;
    let known: Vec<&Seen> = heard
        .approvals
        .list
        .iter()
        .map(|known| &known.seen)
        .filter(|seen| seen.approval.decision != ApprovalDecision::Withdraw && !seen.review)
        .collect();
    let mine = |seen: &&&Seen| seen.person == signer.person.name;
    let from_file;
    let chosen: Vec<&Seen> = match &args.what {
        None => known.iter().filter(mine).copied().collect(),
        Some(what) if Path::new(what).is_file() => {
            let envelope = Envelope::parse(&crate::input::read(Path::new(what), 1 << 20)?)?;
            from_file = verify_approval(access, &envelope).with_context(|| what.clone())?;
            vec![&from_file]
        }
        Some(what) => {
            let text = what.trim_start_matches("sha256:").trim_end_matches('…').to_lowercase();
            let fits = |seen: &&&Seen| text.len() >= 6 && seen.envelope.to_hex().starts_with(&text);
            let found: Vec<&Seen> = known.iter().filter(fits).copied().collect();
            if found.len() != 1 {
                bail!(
                    "`{what}` is neither a file nor the beginning of one approval's digest: `provost approvals` lists them"
                );
            }
            found
        }
    };
    if chosen.is_empty() {
        bail!("{} said nothing of this change, as far as is known here: name the file", signer.person.name);
    }
    for seen in &chosen {
        if seen.person != signer.person.name {
            bail!("that is {}'s: whoever signed something takes it back", seen.person);
        }
        anstream::eprintln!(
            "{} takes back {}… of {} into {}",
            render::bold(&printable(&seen.person)),
            seen.envelope.short(),
            gate::text::short(&seen.approval.of.head),
            printable(&seen.approval.of.target.reference)
        );
    }
    if !args.yes && !agreed(&signer.person.name)? {
        anstream::eprintln!("nothing is signed");
        return Ok(Exit::Denied);
    }
    for seen in &chosen {
        let withdrawal = Approval {
            decision: ApprovalDecision::Withdraw,
            of: seen.approval.of.clone(),
            merge_base: None,
            withdraws: Some(seen.envelope),
            signed_on: now,
            expires: None,
            comment: args.comment.clone(),
        };
        let envelope = signer.sign(&withdrawal.statement()?)?;
        let output = match (&args.output, chosen.len()) {
            (Some(_), n) if n > 1 => bail!("--output names one file, and {n} withdrawals are signed: leave it out"),
            (output, _) => output.as_deref(),
        };
        let ways =
            Ways { output, push: args.push.as_deref(), name: format!("withdrawal-{}.json", envelope.digest().short()) };
        deliver(context, &case, &envelope, &ways)?;
    }
    Ok(Exit::Pass)
}
