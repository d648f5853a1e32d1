//! `provost repo verify`: the reference log and the policy, replayed on any clone.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use provost_attest::Envelope;
use provost_gate::{
    Anomaly, AnomalyKind, Controls, Known, Ledger, REFERENCE_UPDATE, ReferenceUpdate, Replay, ReplayState, UpdateState,
};
use provost_model::{Timestamp, count, printable};
use provost_policy::{Delegated, POLICY_PAYLOAD, Policy};
use provost_repo::{Published, View};
use provost_tlog::{Frontier, SignedCheckpoint, leaf_hash};
use serde::{Deserialize, Serialize};

use super::branch_of;
use crate::commands::Context;
use crate::exit::Exit;
use crate::gate::publish::{FILE, LOG_REF, PublishedEntry, path_of};
use crate::gate::server::is_own;
use crate::gate::{ledger, policy as gate_policy};
use crate::judge::{self, Anchors, TrustedPolicy};
use crate::render;

/// Arguments of `repo verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The clone, or the bare repository.
    #[arg(value_name = "REPOSITORY", default_value = ".")]
    directory: PathBuf,
    /// The remote whose refs are held against the log (default: of a bare repository its own refs).
    #[arg(long, value_name = "NAME", default_value = "origin")]
    remote: String,
    /// Fetch branches, tags and the log from the remote first.
    #[arg(long)]
    fetch: bool,
    /// The public key that vouches for the first policy (default: those you trust).
    #[arg(long, value_name = "FILE")]
    policy_key: Vec<PathBuf>,
    /// The id of that key, when the log brings the key itself.
    #[arg(long, value_name = "ID")]
    trust: Vec<String>,
    /// Forget what was verified before, and begin at the first entry.
    #[arg(long)]
    from_start: bool,
    /// What this entry of the log shows was looked into, and is accepted from now on: a takeover after an incident.
    #[arg(long, value_name = "ENTRY")]
    accept: Vec<u64>,
    /// Write a verification summary (SLSA VSA) for each ref into this directory, signed with this project's key.
    #[arg(long, value_name = "DIRECTORY")]
    vsa: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What was verified, for the next time.
#[derive(Serialize, Deserialize)]
struct Verified {
    /// The right edge of the log.
    frontier: Frontier,
    /// The checkpoint that it ended in.
    checkpoint: String,
    /// The first policy, signed: whoever stops trusting its key starts anew.
    first: String,
    /// The policy in force then, signed; that it may follow the first was verified.
    policy: String,
    /// Delegated rules in force then, signed.
    delegated: BTreeMap<String, String>,
    /// The refs, and what was wrong.
    replay: ReplayState,
    /// Entries that were looked into.
    #[serde(default)]
    accepted: BTreeSet<u64>,
    /// Approvals, checks, times.
    ledger: Ledger,
}

/// What came out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    /// Entries of the log.
    entries: u64,
    /// Of them, read now.
    read: u64,
    /// The log.
    log: String,
    /// The policy in force.
    policy: String,
    /// Its serial.
    policy_serial: u64,
    /// Refs, with the level of SLSA's source track that the log supports.
    refs: Vec<RefOutcome>,
    /// What is not as it should be.
    anomalies: Vec<Anomaly>,
    /// What is good to know.
    notes: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefOutcome {
    reference: String,
    id: String,
    /// `SLSA_SOURCE_LEVEL_n`, of the revision; none where it is not on a branch under continuous control.
    level: Option<String>,
    /// Why not a higher one.
    why: String,
    since: provost_model::Timestamp,
}

/// Verifies.
///
/// # Errors
/// There is no log, it was rolled back or forked, or something cannot be read.
pub(crate) fn run(args: &VerifyArgs, context: &Context) -> Result<Exit> {
    if args.fetch {
        fetch(&args.directory, &args.remote)?;
    }
    let view = View::open(&args.directory)?;
    let published = Published::open(&args.directory, LOG_REF)?;
    let checkpoint = published.read("checkpoint", FILE)?.with_context(|| {
        format!("there is no {LOG_REF} here: fetch it (`provost repo verify --fetch`), or the server keeps none")
    })?;
    let checkpoint = SignedCheckpoint::parse(&checkpoint).context("the published checkpoint")?;
    let anchors = Anchors::load(Some(&context.home), &args.policy_key, &args.trust)?;
    let origin = provost_model::sha256(checkpoint.unverified().origin.as_bytes());
    let memory = context.home.memory_path().join("repositories").join(format!("{origin}.json"));
    let before = if args.from_start { None } else { remembered(&memory, &anchors)? };
    let mut accepted: BTreeSet<u64> = before.as_ref().map(|(before, _)| before.accepted.clone()).unwrap_or_default();
    accepted.extend(&args.accept);
    let from = before.as_ref().map_or(0, |(before, _)| before.frontier.size());
    let size = checkpoint.unverified().size;
    let seen = newest_seen(&memory)?;
    if let Some(seen) = seen.as_ref().filter(|seen| seen.unverified().size > size) {
        bail!(
            "the log has {size} entries, and {} were seen before: it was rolled back, or this is another view of it. Seen before:\n{}",
            seen.unverified().size,
            lines(&seen.to_string())
        );
    }
    let (mut frontier, mut rules, state, mut known) = match before {
        Some((before, rules)) => (before.frontier, Some(rules), before.replay, before.ledger),
        None => (Frontier::default(), None, ReplayState::default(), Ledger::default()),
    };
    let mut replay = Replay::new(&view, state);
    for index in from..size {
        let path = path_of(index);
        let bytes = published.read(&path, FILE)?.with_context(|| format!("{LOG_REF} lacks entry {index}"))?;
        let (entry, envelope) = PublishedEntry::open(&bytes).with_context(|| format!("entry {index} of the log"))?;
        frontier.push(leaf_hash(&entry));
        // Beginning anew does not make another log of it: what was seen before has to be in it still.
        if let Some(seen) = seen.as_ref().filter(|seen| seen.unverified().size == index + 1)
            && seen.unverified().root != frontier.root()
        {
            bail!(
                "the log's first {} entries are not those that were seen before: it was changed, or this is another view of it. \
                 Seen before:\n{}",
                index + 1,
                lines(&seen.to_string())
            );
        }
        if envelope.payload_type() == POLICY_PAYLOAD {
            let next = Rules::after(rules.take(), &envelope, &anchors);
            rules = Some(next.with_context(|| format!("entry {index}: a policy"))?);
            known.size = index + 1;
            continue;
        }
        let Some(rules) = &mut rules else { bail!("entry {index} of the log comes before any policy") };
        if envelope.payload_type() == gate_policy::DELEGATED_PAYLOAD {
            rules.delegate(&envelope).with_context(|| format!("entry {index}: delegated rules"))?;
            known.size = index + 1;
            continue;
        }
        if let Some(anomaly) = too_late(index, &envelope, &rules.policy.policy) {
            replay.state.anomalies.push(anomaly);
        }
        one(index, &envelope, rules, &mut replay, &mut known)?;
    }
    let Some(rules) = rules else { bail!("the log holds no policy") };
    let policy = &rules.policy;
    if frontier.root() != checkpoint.unverified().root {
        let seen = newest_seen(&memory)?.map(|seen| format!(" Seen before:\n{seen}")).unwrap_or_default();
        bail!(
            "the entries are not those of the checkpoint: the log was changed, or it is another view of it.{}",
            lines(&seen)
        );
    }
    let keys = policy.policy.log_keys();
    if !keys.iter().any(|key| checkpoint.verify(key).is_ok()) {
        bail!("the checkpoint is not signed by a log that the policy names");
    }
    witnesses(policy, &checkpoint)?;
    let (bare, shallow) = view.shape()?;
    let mut theirs = refs_of(&view, bare, &args.remote, args.fetch)?;
    let mut notes = Vec::new();
    if !bare && !args.fetch {
        // A tag that the log does not know may be the user's own: the remote alone can tell.
        let logged = &replay.state.refs;
        let own = |name: &str| name.starts_with("refs/tags/") && !logged.contains_key(name);
        let unknown: Vec<String> = theirs.iter().filter(|(name, _)| own(name)).map(|(name, _)| name.clone()).collect();
        if view.refs()?.iter().all(|(name, _)| !name.starts_with(TAGS)) {
            theirs.retain(|(name, _)| !unknown.contains(name));
            notes.extend(unknown.iter().take(20).map(|name| {
                format!("{name} is here and not in the log: one of yours, or ask the remote with `--fetch`")
            }));
        }
    }
    replay.seen_in_place(&theirs);
    // What was found at the end is found anew each time; what the log itself shows stays.
    let logged = replay.state.clone();
    let kept_by_rules = |name: &str| Controls::of(&policy.policy, name).forward;
    replay.finish(&theirs, bare, &kept_by_rules)?;
    if shallow {
        let what = "the clone is shallow: its history cannot be judged whole (`git fetch --unshallow`)".to_owned();
        replay.state.anomalies.push(Anomaly {
            kind: AnomalyKind::NotVerifiable,
            reference: String::new(),
            entry: None,
            what,
        });
    }
    if policy.policy.expires < crate::clock::now() {
        notes.push(format!(
            "the policy expired on {}: nothing is accepted until its signers renew it (`provost repo policy`)",
            policy.policy.expires
        ));
    }
    let outcome = Outcome {
        notes,
        entries: size,
        read: size - from,
        log: checkpoint.unverified().origin.clone(),
        policy: policy.policy.name.clone(),
        policy_serial: policy.policy.serial,
        refs: levels(&replay.state, &theirs, &accepted),
        anomalies: replay.state.anomalies.clone(),
    };
    let kept = Verified {
        frontier,
        checkpoint: checkpoint.to_string(),
        first: rules.first.clone(),
        policy: policy.json.clone(),
        delegated: rules.delegated.iter().map(|(name, (json, _))| (name.clone(), json.clone())).collect(),
        replay: logged,
        accepted: accepted.clone(),
        ledger: known,
    };
    let lock = context.home.lock_memory();
    // Another process may have verified it meanwhile: nothing shows that its state and this one are of one history.
    let same = |now: &SignedCheckpoint, one: &SignedCheckpoint| now.unverified() == one.unverified();
    let known = |now: &SignedCheckpoint| same(now, &checkpoint) || seen.as_ref().is_some_and(|seen| same(now, seen));
    let other = newest_seen(&memory)?.filter(|now| !known(now));
    if let Some(other) = other {
        bail!(
            "another verification of this log, at {}, ended while this one was at work: run it again",
            count(other.unverified().size, "entry", "entries")
        );
    }
    keep(&memory, &kept)?;
    gate_policy::remember_root(&context.home, policy);
    drop(lock);
    if let Some(directory) = &args.vsa {
        super::vsa::write(context, directory, policy, &view, &outcome_levels(&outcome))?;
    }
    match args.format {
        Format::Json => anstream::println!("{}", serde_json::to_string_pretty(&outcome)?),
        Format::Text => print(&outcome, &accepted),
    }
    let mut wrongs = outcome.anomalies.iter().filter(|anomaly| is_wrong(anomaly, &accepted)).peekable();
    let wrong = wrongs.peek().is_some();
    let unverifiable = wrongs.all(|anomaly| anomaly.kind == AnomalyKind::NotVerifiable);
    Ok(match (wrong, unverifiable) {
        (false, _) => Exit::Pass,
        (true, true) => Exit::Undecided,
        (true, false) => Exit::Denied,
    })
}

/// An update of refs that was accepted after the policy had expired.
fn too_late(index: u64, envelope: &Envelope, policy: &Policy) -> Option<Anomaly> {
    let verified = ledger::entry(policy, envelope, None)?;
    let entry = ReferenceUpdate::parse(verified.value()).ok()?;
    let late = entry.state == UpdateState::Accepted && entry.time > policy.expires;
    late.then(|| Anomaly {
        kind: AnomalyKind::AgainstPolicy,
        reference: entry.changes.first().map(|change| change.reference.clone()).unwrap_or_default(),
        entry: Some(index),
        what: format!("it was accepted on {}, and the policy had expired on {}", entry.time, policy.expires),
    })
}

/// The policy in force, and what it delegates.
struct Rules {
    first: String,
    policy: TrustedPolicy,
    delegated: BTreeMap<String, (String, Delegated)>,
}

impl Rules {
    /// The policy that an entry brings: the first by the user's own trust, each later one by the one before it.
    fn after(before: Option<Self>, envelope: &Envelope, anchors: &Anchors) -> Result<Self> {
        let Some(before) = before else {
            let policy = judge::trusted_policy(envelope, anchors, &[])?;
            gate_policy::first_root(&policy.policy, envelope)?;
            return Ok(Self { first: policy.json.clone(), policy, delegated: BTreeMap::new() });
        };
        let policy = gate_policy::following(&before.policy.policy, envelope, anchors)?;
        let mut rules = Self { first: before.first, policy, delegated: BTreeMap::new() };
        // What was delegated stays so only where the new policy still says so.
        for (json, _) in before.delegated.into_values() {
            let _ = Envelope::parse(json.as_bytes()).map_err(Into::into).and_then(|envelope| rules.delegate(&envelope));
        }
        Ok(rules)
    }

    fn delegate(&mut self, envelope: &Envelope) -> Result<()> {
        let (_, document) = gate_policy::delegated_of(&self.policy.policy.access, envelope)?;
        if self.delegated.get(&document.name).is_some_and(|(_, before)| before.serial >= document.serial) {
            bail!("the rules delegated to {} went back to serial {}", document.name, document.serial);
        }
        self.delegated.insert(document.name.clone(), (envelope.to_json(), document));
        Ok(())
    }

    /// The policy as it was in force at a time.
    fn at(&self, time: Timestamp) -> Cow<'_, Policy> {
        if self.delegated.is_empty() {
            return Cow::Borrowed(&self.policy.policy);
        }
        let valid = self.delegated.values().filter(|(_, document)| document.expires >= time);
        let rules = valid.map(|(_, document)| (document.name.clone(), document.protect.clone())).collect();
        let mut policy = self.policy.policy.clone();
        policy.access = policy.access.with_delegated(rules);
        Cow::Owned(policy)
    }
}

/// One entry that is no policy.
fn one(index: u64, envelope: &Envelope, rules: &Rules, replay: &mut Replay<'_>, known: &mut Ledger) -> Result<()> {
    let Some(verified) = ledger::entry(&rules.policy.policy, envelope, known.newest) else {
        // Other evidence may share the log; an entry of the gate that a stranger signed is one that counts for nothing.
        known.size = index + 1;
        return Ok(());
    };
    let statement = verified.value();
    if statement.predicate_type == REFERENCE_UPDATE {
        let entry = ReferenceUpdate::parse(statement).with_context(|| format!("entry {index} of the log"))?;
        let policy = rules.at(entry.time);
        let here = policy.access.repository.as_ref().is_some_and(|repository| repository.name == entry.repository);
        if here {
            let trees: Vec<&str> =
                entry.changes.iter().flat_map(|c| [c.tree.as_deref(), c.to.as_deref()]).flatten().collect();
            let checks = known.checks_of(&policy, &trees)?;
            let first_seen = |binding: &provost_gate::Binding| known.first_seen(binding);
            let approvals = &known.approvals;
            let so_far =
                Known { policy: &policy, approvals, checks: &checks, first_seen: &first_seen, history: &*known };
            replay.entry(index, &entry, &so_far)?;
        }
    }
    let access = &rules.policy.policy.access;
    known.apply(access, index, statement).with_context(|| format!("entry {index} of the log"))?;
    Ok(())
}

/// Enough witnesses have cosigned the checkpoint, where the policy asks for some.
fn witnesses(policy: &TrustedPolicy, checkpoint: &SignedCheckpoint) -> Result<()> {
    let needed = policy.policy.witness_threshold;
    let found = checkpoint.cosignatures(&policy.policy.witnesses).context("the checkpoint's cosignatures")?.len();
    if found < needed {
        bail!("{} cosigned the checkpoint, and the policy needs {needed}", count(found as u64, "witness", "witnesses"));
    }
    Ok(())
}

/// Where a clone keeps a remote's tags as they were fetched: `refs/provost/remote-tags/<remote>/<tag>`.
const TAGS: &str = "refs/provost/remote-tags/";

/// The server's refs, in its own names. Of tags, those that were fetched with `--fetch` count; a clone that never did so has only
/// tags that may be the user's own.
fn refs_of(view: &View, bare: bool, remote: &str, fetched: bool) -> Result<Vec<(String, String)>> {
    let all = view.refs()?;
    if bare {
        return Ok(all.into_iter().filter(|(name, _)| !is_own(name)).collect());
    }
    let kept = format!("{TAGS}{remote}/");
    let fetched = fetched || all.iter().any(|(name, _)| name.starts_with(&kept));
    let named = |(name, id): (String, String)| {
        if let Some(tag) = name.strip_prefix(&kept) {
            return Some((format!("refs/tags/{tag}"), id));
        }
        if name.starts_with("refs/tags/") {
            return (!fetched).then_some((name, id));
        }
        Some((branch_of(&name, remote)?, id))
    };
    Ok(all.into_iter().filter_map(named).collect())
}

fn remembered(path: &Path, anchors: &Anchors) -> Result<Option<(Verified, Rules)>> {
    let Ok(bytes) = std::fs::read(path) else { return Ok(None) };
    let damaged = || format!("{} is damaged: verify `--from-start`", path.display());
    let kept: Verified = serde_json::from_slice(&bytes).with_context(damaged)?;
    if !kept.frontier.is_sound() {
        bail!(damaged());
    }
    // Trust that was taken back since is no trust.
    judge::trusted_policy(&Envelope::parse(kept.first.as_bytes())?, anchors, &[])?;
    let envelope = Envelope::parse(kept.policy.as_bytes()).with_context(damaged)?;
    let text = String::from_utf8(envelope.unverified_payload().to_vec()).with_context(damaged)?;
    let policy = Policy::parse(&text).with_context(damaged)?;
    let anchor = policy.digest;
    let policy = TrustedPolicy { policy, signers: Vec::new(), anchor, json: kept.policy.clone() };
    let mut rules = Rules { first: kept.first.clone(), policy, delegated: BTreeMap::new() };
    for json in kept.delegated.values() {
        rules.delegate(&Envelope::parse(json.as_bytes())?).with_context(damaged)?;
    }
    Ok(Some((kept, rules)))
}

fn newest_seen(path: &Path) -> Result<Option<SignedCheckpoint>> {
    let Ok(bytes) = std::fs::read(path) else { return Ok(None) };
    let Ok(kept) = serde_json::from_slice::<Verified>(&bytes) else { return Ok(None) };
    Ok(Some(SignedCheckpoint::parse(kept.checkpoint.as_bytes())?))
}

fn keep(path: &Path, kept: &Verified) -> Result<()> {
    let bytes = serde_json::to_vec(kept)?;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    std::fs::write(&temporary, bytes)
        .and_then(|()| std::fs::rename(&temporary, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Several lines, each as it can be shown.
fn lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// Ordinary git, without the hooks of a repository that somebody else may have made.
fn fetch(directory: &Path, remote: &str) -> Result<()> {
    if remote.starts_with('-') || remote.is_empty() {
        bail!("`{}` is no remote", printable(remote));
    }
    let bare = View::open(directory)?.shape()?.0;
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args([
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=false",
        "fetch",
        "--quiet",
        "--prune",
        "--no-tags",
        "--force",
    ]);
    command.arg(remote);
    if bare {
        command.args(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]);
    } else {
        // The user's own tags stay as they are: the remote's are kept beside them.
        command.arg(format!("+refs/heads/*:refs/remotes/{remote}/*"));
        command.arg(format!("+refs/tags/*:{TAGS}{remote}/*"));
    }
    command.args(["+refs/provost/log:refs/provost/log", "+refs/provost/policy:refs/provost/policy"]);
    // What the other side says goes to the terminal only as it can be shown.
    let output = command.stdin(Stdio::inherit()).output().context("git cannot be run")?;
    let told = String::from_utf8_lossy(&output.stderr);
    for line in told.lines().filter(|line| !line.trim().is_empty()).take(100) {
        anstream::eprintln!("{}", printable(line));
    }
    if !output.status.success() {
        bail!("`git fetch {}` failed", printable(remote));
    }
    Ok(())
}

/// What the log supports of SLSA's source track (v1.2), and why not more. Only what was under control at the time counts:
/// nothing is earned after the fact.
fn levels(state: &ReplayState, theirs: &[(String, String)], accepted: &BTreeSet<u64>) -> Vec<RefOutcome> {
    let bad = |name: &str| {
        let counts = |a: &&Anomaly| is_wrong(a, accepted) && (a.reference == name || a.reference.is_empty());
        state.anomalies.iter().find(counts)
    };
    let here = |name: &String, id: &String| theirs.iter().any(|(other, now)| other == name && now == id);
    state
        .refs
        .iter()
        .filter(|(name, at)| here(name, &at.id))
        .map(|(name, at)| {
            let (level, why) = if let Some(anomaly) = bad(name) {
                (None, format!("{}: {}", anomaly.kind.name(), anomaly.what))
            } else if at.adopted {
                (Some(1), "it was taken over as it was, and nothing was pushed since".to_owned())
            } else if !at.forward {
                (Some(1), "no rule kept its history from being rewritten all the time".to_owned())
            } else if !at.technical {
                (Some(2), "not every change was under a rule that asks for a signature, check or approval".to_owned())
            } else if !at.reviewed {
                let why = "not every change was signed commit by commit and approved by someone who had no hand in it";
                (Some(3), why.to_owned())
            } else {
                (Some(4), String::new())
            };
            RefOutcome {
                reference: name.clone(),
                id: at.id.clone(),
                level: level.map(|level| format!("SLSA_SOURCE_LEVEL_{level}")),
                why,
                since: at.since_time,
            }
        })
        .collect()
}

/// What is wrong, and was not looked into and accepted.
fn is_wrong(anomaly: &Anomaly, accepted: &BTreeSet<u64>) -> bool {
    anomaly.kind.is_wrong() && !anomaly.entry.is_some_and(|entry| accepted.contains(&entry))
}

fn outcome_levels(outcome: &Outcome) -> Vec<(String, String, String)> {
    let full = |r: &RefOutcome| Some((r.reference.clone(), r.id.clone(), r.level.clone()?));
    outcome.refs.iter().filter_map(full).collect()
}

fn print(outcome: &Outcome, accepted: &BTreeSet<u64>) {
    let wrong: Vec<&Anomaly> = outcome.anomalies.iter().filter(|a| is_wrong(a, accepted)).collect();
    let notes: Vec<&Anomaly> = outcome.anomalies.iter().filter(|a| !is_wrong(a, accepted)).collect();
    let head = if wrong.is_empty() { render::bold("as the log says") } else { render::error("not as the log says") };
    anstream::println!(
        "{head}  {}, {} of them new; policy {} serial {}",
        count(outcome.entries, "entry", "entries"),
        outcome.read,
        printable(&outcome.policy),
        outcome.policy_serial
    );
    for anomaly in wrong.iter().take(100) {
        let entry = anomaly.entry.map(|n| format!(" (entry {n})")).unwrap_or_default();
        anstream::println!(
            "  {}  {}{entry}",
            render::error(anomaly.kind.name()),
            render::bold(&printable(&anomaly.reference))
        );
        anstream::println!("      {}", printable(&anomaly.what));
    }
    if wrong.len() > 100 {
        anstream::println!("  … and {} more", wrong.len() - 100);
    }
    for anomaly in notes.iter().take(20) {
        anstream::println!(
            "  {}  {}: {}",
            render::warning(anomaly.kind.name()),
            printable(&anomaly.reference),
            printable(&anomaly.what)
        );
    }
    if notes.len() > 20 {
        anstream::println!("  … and {} more to know", notes.len() - 20);
    }
    for note in &outcome.notes {
        anstream::println!("  {} {}", render::warning("note:"), printable(note));
    }
    for one in outcome.refs.iter().filter(|r| !r.reference.starts_with("refs/tags/")).take(50) {
        let level = one.level.as_deref().unwrap_or("no level");
        let why = if one.why.is_empty() { String::new() } else { format!("  {}", render::dim(&printable(&one.why))) };
        anstream::println!("  {}  {}  {level}{why}", printable(&one.reference), one.id.get(..12).unwrap_or_default());
    }
}
