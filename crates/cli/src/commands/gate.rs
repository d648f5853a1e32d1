//! `provost gate`: may this change go on, or this step run?

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use provost_gate::{Answer, GateVerdict, Receipt, ReceiptKind, rules_that_speak};
use provost_model::printable;
use serde_json::{Value, json};

use crate::commands::Context;
use crate::commands::approvals::known_json;
use crate::commands::verify::Format;
use crate::config::SignerChoice;
use crate::exit::Exit;
use crate::gate::approvals::{Approvals, Places};
use crate::gate::case::{Case, Wish};
use crate::gate::record::{self, Recorder};
use crate::gate::{Heard, event, ledger, text};
use crate::home::Project;
use crate::summary::Platform;
use crate::{clock, gate, render};

const AFTER: &str = "\
Examples:
  provost gate                                   in CI: the change that the event tells of
  provost gate -- make test                      and run the tests if it may go on, sandboxed if that is the answer
  provost gate --head topic --onto main          by hand
  provost gate --step release --onto main        a verdict for a critical step; `provost run --step release` takes it

Exit codes: 0 allow, 1 deny, needs approval, wait or run sandboxed, 2 usage, 3 could not decide.
With a command: its status, when it was run.";

/// Arguments of `gate`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct GateArgs {
    /// An event's payload (default: what the CI system's variables tell).
    #[arg(long, value_name = "FILE", help_heading = "Which change")]
    pub event: Option<PathBuf>,
    /// The event's name at GitHub (pull_request, push, …), or neutral, gitlab, gerrit.
    #[arg(long, value_name = "NAME", requires = "event", help_heading = "Which change")]
    pub event_name: Option<String>,
    /// Take no notice of the CI system's variables.
    #[arg(long, conflicts_with = "event", help_heading = "Which change")]
    pub no_event: bool,
    /// Where the target stands (default: as this clone knows it, or the event).
    #[arg(long, value_name = "REV", help_heading = "Which change")]
    pub base: Option<String>,
    /// The commit that is proposed (default: the event's, else HEAD).
    #[arg(long, value_name = "REV", help_heading = "Which change")]
    pub head: Option<String>,
    /// The ref that it is to go into.
    #[arg(long, value_name = "REF", help_heading = "Which change")]
    pub onto: Option<String>,
    /// An account that made it, as `github:ada`; may be given more than once.
    #[arg(long, value_name = "ACCOUNT", help_heading = "Which change")]
    pub author: Vec<String>,
    /// A critical step instead of a merge.
    #[arg(long, value_name = "NAME", help_heading = "Which change")]
    pub step: Option<String>,
    /// The repository's name, to be sure: it has to be the policy's.
    #[arg(long, value_name = "NAME", help_heading = "Which change")]
    pub repository: Option<String>,
    /// The repository (default: the working directory).
    #[arg(short = 'C', long, value_name = "DIR", help_heading = "Which change")]
    pub directory: Option<PathBuf>,

    /// The signed policy (default: the base's own, or refs/provost/policy).
    #[arg(long, value_name = "FILE", help_heading = "What it is judged by")]
    pub policy: Option<PathBuf>,
    /// A public key that is trusted to sign policies (default: those of `provost trust`).
    #[arg(long, value_name = "FILE", help_heading = "What it is judged by")]
    pub policy_key: Vec<PathBuf>,
    /// A file with an approval, or a directory of them; may be given more than once.
    #[arg(long, value_name = "PATH", help_heading = "What it is judged by")]
    pub approvals: Vec<PathBuf>,
    /// Reviews as the forge's API lists them: its word, for policies that count it.
    #[arg(long, value_name = "FILE", help_heading = "What it is judged by")]
    pub reviews: Option<PathBuf>,
    /// An RFC 3161 timestamp over the proposal's digest; may be given more than once.
    #[arg(long, value_name = "FILE", help_heading = "What it is judged by")]
    pub timestamp: Vec<PathBuf>,

    /// text or json.
    #[arg(long, value_enum, default_value = "text", help_heading = "Output")]
    pub format: Format,
    /// Put receipts and the verdict into the store's log, or fail (default: where there is a store).
    #[arg(long, conflicts_with = "no_attest", help_heading = "Output")]
    pub attest: bool,
    /// Put nothing into the log.
    #[arg(long, help_heading = "Output")]
    pub no_attest: bool,

    /// A command to run if it may go on.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Decides.
///
/// # Errors
/// It could not be decided.
pub fn run(args: &GateArgs, context: &Context) -> Result<Exit> {
    let mut platform = Platform::find(&|name| std::env::var_os(name));
    let decided = decide(args, context);
    let (case, heard, verdict) = match decided {
        Ok(decided) => decided,
        Err(error) => {
            platform.gate_undecided(&format!("{error:#}"));
            return Err(error);
        }
    };
    match args.format {
        Format::Text => anstream::print!("{}", text::decision(&case, &heard)),
        Format::Json => anstream::println!("{:#}", to_json(&case, &heard, verdict.as_ref())),
    }
    if let Some((verdict, entry)) = &verdict {
        let line = format!("entry {entry} of the log, until {}", verdict.expires);
        anstream::eprint!("{}", render::line("verdict", &printable(&line)));
    }
    platform.gate(&case, &heard);
    let answer = heard.decision.answer;
    if args.command.is_empty() {
        return Ok(if answer == Answer::Allow { Exit::Pass } else { Exit::Denied });
    }
    match answer {
        Answer::Allow => start(args, context, &case, false),
        Answer::RunSandboxed => start(args, context, &case, true),
        _ => {
            anstream::eprintln!("{}", render::error("the command was not run"));
            Ok(Exit::Denied)
        }
    }
}

type Decided = (Case, Heard, Option<(GateVerdict, u64)>);

fn decide(args: &GateArgs, context: &Context) -> Result<Decided> {
    let directory = args.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    // A commit that is named needs no event to tell which one is meant.
    let named = args.head.is_some() && args.event.is_none();
    let contribution = if args.no_event || args.step.is_some() || named {
        None
    } else {
        event::find(args.event.as_deref(), args.event_name.as_deref())?
    };
    let wish = Wish {
        directory: directory.clone(),
        policy: args.policy.as_deref(),
        policy_keys: &args.policy_key,
        onto: args.onto.as_deref(),
        base: args.base.as_deref(),
        head: args.head.as_deref(),
        step: args.step.as_deref(),
        repository: args.repository.as_deref(),
        remote: None,
        accounts: &args.author,
        contribution,
    };
    let mut case = Case::open(&context.home, wish, clock::now())?;
    let recorder = if args.no_attest {
        None
    } else {
        Recorder::open(context, &case)
            .context("the verdict could not be put on record (--no-attest leaves that out)")?
    };
    if args.attest && recorder.is_none() {
        bail!("--attest needs an evidence store: `provost init` makes one");
    }
    let places = Places { paths: &args.approvals, reviews: args.reviews.as_deref() };
    if let Some(recorder) = &recorder {
        receive(context, &case, recorder, &places)?;
        if !recorder.is_trusted(case.policy()) {
            case.notes.push(format!(
                "entries of {} give nothing a time: the policy names that key neither in `[gate]` functionaries nor in `[repository]` servers",
                recorder.signer()
            ));
        }
        if case.proposal.binding.target.step.is_some() && !recorder.gives_verdicts(case.policy()) {
            case.notes.push(format!(
                "no step will take this verdict: `[gate]` functionaries of the policy do not name the key {}",
                recorder.signer()
            ));
        }
    } else {
        case.notes.push("nothing was put on record: there is no store here, or --no-attest was given".into());
    }
    let read;
    let store = match &recorder {
        Some(recorder) => Some(&recorder.store),
        None => {
            read = record::store(context, &case)?;
            read.as_ref()
        }
    };
    let vouched = recorder.as_ref().is_some_and(|recorder| recorder.is_trusted(case.policy()));
    let heard = gate::hear(context, &case, store, vouched, &places, &args.timestamp)?;
    let verdict = match &recorder {
        Some(recorder) => {
            let of = case.proposal.binding.clone();
            let id = clock::random_id(16)?;
            let verdict = GateVerdict::new(of, case.policy(), &heard.decision, heard.times.now, id)?;
            let entry = recorder.verdict(&context.home, &verdict)?;
            Some((verdict, entry))
        }
        None => None,
    };
    Ok((case, heard, verdict))
}

/// Puts on record when the proposal and its approvals were first there.
fn receive(context: &Context, case: &Case, recorder: &Recorder, places: &Places<'_>) -> Result<()> {
    let known = ledger::read(&context.home, &recorder.store, case.policy())?;
    let now = known.now(clock::now());
    let mut receipts = Vec::new();
    if known.first_seen(&case.proposal.binding)?.is_none() {
        let of = ReceiptKind::Proposal { of: case.proposal.binding.clone() };
        receipts.push(Receipt { of, received_on: now, from: None });
    }
    receipts.extend(Approvals::gather(case, &known, places, now)?.receipts(now));
    recorder.receipts(&context.home, &receipts)?;
    Ok(())
}

/// Runs the command in this process's place, under `provost run`.
fn start(args: &GateArgs, context: &Context, case: &Case, sandboxed: bool) -> Result<Exit> {
    let facts = provost_repo::look(&case.clone.directory)?.context("there is no repository here")?;
    let tree = facts.tree.as_deref().unwrap_or_default();
    let judged = case.proposal.binding.tree.as_deref();
    if judged != Some(tree) && case.head_tree != tree {
        bail!(
            "what is checked out ({}) is not what was judged ({}): nothing was run",
            text::short(facts.commit.as_deref().unwrap_or("nothing")),
            text::short(&case.proposal.binding.head)
        );
    }
    if facts.dirty != Some(false) {
        bail!("the working tree is not exactly what was judged: nothing was run. Commit, stash or remove what differs");
    }
    // How a run is confined and signed is configured in the tree: what nobody approved configures nothing.
    let configures = |path: &[u8]| path.rsplit(|b| *b == b'/').next() == Some(crate::home::CONFIG_FILE.as_bytes());
    if sandboxed && case.proposal.changes.iter().any(|record| configures(&record.change.path)) {
        bail!("the change alters provost.toml, which says how it would be confined: nothing was run");
    }
    may_start(context, case)?;
    let mut command = Command::new(std::env::current_exe().context("provost cannot find itself")?);
    command.arg("run");
    if let Some(step) = &args.step {
        command.args(["--step", step, "--ref", &case.proposal.binding.target.reference]);
    }
    if let Some(directory) = &args.directory {
        command.arg("-C").arg(directory);
    }
    if sandboxed {
        command.arg("--sandbox");
    }
    command.arg("--").args(&args.command);
    Err(command.exec()).context("provost cannot start itself")
}

/// `provost run` would start the program that signs: one that only the tree names is nobody's that this user chose.
fn may_start(context: &Context, case: &Case) -> Result<()> {
    let project = Project::find(&case.clone.directory)?;
    let foreign = matches!(project.config.signer, SignerChoice::Command { .. } | SignerChoice::Pkcs11 { .. });
    if foreign && crate::pin::accepted(&context.home, &project)?.is_none() {
        bail!(
            "provost.toml names a program or module that signs, and nobody accepted that here: nothing was run. Review it, \
             then `provost trust config`"
        );
    }
    Ok(())
}

fn to_json(case: &Case, heard: &Heard, verdict: Option<&(GateVerdict, u64)>) -> Value {
    let decision = &heard.decision;
    let proposal = &case.proposal;
    let rules: Vec<_> = rules_that_speak(case.policy(), proposal, &case.contributors)
        .into_iter()
        .map(|(rule, _)| rule)
        .filter(|rule| rule.approvals > 0)
        .collect();
    let changes: Vec<Value> = proposal
        .changes
        .iter()
        .take(1000)
        .map(|record| {
            let kinds: Vec<&str> = record.kinds.iter().map(|kind| kind.name()).collect();
            json!({"path": record.change.name(), "kinds": kinds, "size": record.size, "notes": record.notes})
        })
        .collect();
    let commits: Vec<Value> = proposal
        .commits
        .iter()
        .take(1000)
        .map(|record| {
            json!({
                "id": record.commit.id,
                "subject": record.commit.subject(),
                "author": record.commit.author.email,
                "committer": record.commit.committer.email,
                "signature": record.signature.describe(),
            })
        })
        .collect();
    let people: Vec<Value> = case
        .contributors
        .list
        .iter()
        .map(|one| json!({"name": one.name, "via": one.via.name(), "class": one.class.name(), "proved": one.proved}))
        .collect();
    json!({
        "version": 1,
        "kind": "gate",
        "answer": decision.answer,
        "until": decision.until,
        "brokenGlass": decision.broken_glass,
        "rules": decision.rules,
        "stale": decision.stale,
        "proposal": proposal.binding,
        "digest": proposal.binding.digest(),
        "mergeBase": proposal.merge_base,
        "conflict": proposal.conflict,
        "commits": {"count": proposal.commits.len(), "first": commits},
        "changes": {"count": proposal.changes.len(), "first": changes},
        "contributors": people,
        "approvals": heard.approvals.list.iter().map(|known| known_json(case, heard, known, &rules)).collect::<Vec<_>>(),
        "forge": case.contribution.as_ref().map(provost_formats::forge::neutral),
        "policy": {
            "name": case.policy().name,
            "serial": case.policy().serial,
            "digest": case.policy().digest,
            "from": case.policy_from,
        },
        "time": {
            "now": heard.times.now.0,
            "by": heard.times.now.1.name(),
            "proved": heard.times.past.map(|(at, source)| json!({"on": at, "by": source.name()})),
            "firstProposed": heard.times.first_seen.map(|(at, source)| json!({"on": at, "by": source.name()})),
        },
        "verdict": verdict.map(|(verdict, entry)| json!({"id": verdict.id, "entry": entry, "expires": verdict.expires})),
        "notes": text::notes(case, heard),
    })
}
