//! What git runs on the server. `pre-receive` judges a push as a whole and writes it into the log before git moves a ref;
//! `post-receive` ends it. Whatever happens between the two is found by the next hook.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use provost_attest::{Envelope, Statement, TrustedSigner, verify_envelope};
use provost_evidence::Store;
use provost_gate::{
    APPROVAL, Answer, PushFacts, Receipt, ReceiptKind, RefChange, RefUpdate, Refusal, UpdateState, judge_push,
    verify_approval,
};
use provost_model::{Timestamp, printable, sha256};
use provost_policy::{Operation, POLICY_PAYLOAD, Person, Policy, TimeSource};
use provost_repo::{ObjectKind, Quarantine, View, valid_ref_name};

use super::init::{self, Identity};
use crate::clock;
use crate::commands::Context;
use crate::exit::Exit;
use crate::gate::approvals::INBOX;
use crate::gate::policy as gate_policy;
use crate::gate::publish::LOG_REF;
use crate::gate::server::{Server, Ticket, git_process, is_own, process_started};

/// Refs of one push.
const UPDATES: usize = 20_000;
/// Statements that one push leaves for the server: each costs a verification and a line of the log.
const LEFT: usize = 64;
/// Bytes of standard input.
const INPUT: u64 = 32 << 20;
/// How long a hook waits for another push of the same ref.
const PATIENCE: Duration = Duration::from_secs(20);

/// Arguments of `repo hook`.
#[derive(Debug, Args)]
pub(crate) struct HookArgs {
    /// Which hook.
    #[arg(value_enum)]
    hook: Hook,
    /// Arguments of git's: of `update` the ref, the old and the new id; of `pre-push` the remote and its address.
    arguments: Vec<String>,
    /// How the server tells who pushes.
    #[arg(long, value_enum, default_value_t = Identity::Provost)]
    identity: Identity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Hook {
    /// Once for each push, before anything moves.
    PreReceive,
    /// Once for each ref, for servers that have no other hook.
    Update,
    /// After refs have moved.
    PostReceive,
    /// In a clone, before a push.
    PrePush,
    /// In a clone, before a commit.
    PreCommit,
}

/// Runs a hook.
///
/// # Errors
/// It could not be decided: git refuses the push then.
pub(crate) fn run(args: &HookArgs, context: &Context) -> Result<Exit> {
    let git_dir = std::env::var_os("GIT_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let server = || Server::open(&context.home, &git_dir);
    match args.hook {
        Hook::PrePush => super::client::pre_push(&args.arguments, context),
        Hook::PreCommit => super::client::pre_commit(context),
        Hook::PreReceive => receive(&server()?, args.identity, &read_updates()?),
        Hook::Update => {
            let [reference, old, new] = args.arguments.as_slice() else {
                bail!("`update` is called with a ref, an old and a new id");
            };
            receive(&server()?, args.identity, &[update(old, new, reference)?])
        }
        Hook::PostReceive => {
            // git has moved the refs: nothing that goes wrong here may look like a refusal.
            let server = server()?;
            if let Err(error) = after(&server) {
                anstream::eprintln!(
                    "provost: the push stands; its end is not in the log yet: {}",
                    printable(&format!("{error:#}"))
                );
            }
            Ok(Exit::Pass)
        }
    }
}

pub(super) fn update(old: &str, new: &str, reference: &str) -> Result<RefUpdate> {
    let id = |text: &str| {
        let hex = matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex {
            bail!("`{}` is no object id", printable(text));
        }
        Ok((!text.bytes().all(|b| b == b'0')).then(|| text.to_owned()))
    };
    Ok(RefUpdate { reference: reference.to_owned(), old: id(old)?, new: id(new)? })
}

/// `old new ref`, a line for each (githooks(5)).
fn read_updates() -> Result<Vec<RefUpdate>> {
    let mut text = Vec::new();
    std::io::stdin().lock().take(INPUT + 1).read_to_end(&mut text).context("git's list of refs cannot be read")?;
    if text.len() as u64 > INPUT {
        bail!("git's list of refs has more than {INPUT} bytes");
    }
    let text = String::from_utf8(text).context("a ref of this push has a name that is not UTF-8")?;
    let mut updates = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ' ');
        let (Some(old), Some(new), Some(reference)) = (parts.next(), parts.next(), parts.next()) else {
            bail!("git's list of refs has the line `{}`", printable(line));
        };
        updates.push(update(old, new, reference)?);
        if updates.len() > UPDATES {
            bail!("more than {UPDATES} refs in one push: push them in parts");
        }
    }
    Ok(updates)
}

/// Whom the server let in, and how it knows. Each kind of server has one variable, and only that one is looked at: others
/// could come from the client.
pub(crate) fn pusher(policy: &Policy, identity: Identity) -> Result<Option<(&Person, String)>> {
    let access = &policy.access;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (name, prefix) = match identity {
        Identity::Provost => {
            let Some(name) = variable("PROVOST_PERSON") else { return Ok(None) };
            let how = variable("PROVOST_AUTHENTICATED_BY").unwrap_or_else(|| "provost".into());
            return Ok(access.person(&name).map(|person| (person, how)));
        }
        Identity::Http => ("REMOTE_USER", "http"),
        Identity::Gitea => ("GITEA_PUSHER_NAME", "gitea"),
        Identity::Gitlab => ("GL_USERNAME", "gitlab"),
        Identity::Github => ("GITHUB_USER_LOGIN", "github"),
    };
    let Some(account) = variable(name) else { return Ok(None) };
    Ok(access.by_account(&format!("{prefix}:{account}")).map(|person| (person, format!("{prefix}: {account}"))))
}

fn quarantine() -> Quarantine {
    let objects = std::env::var_os("GIT_OBJECT_DIRECTORY").map(PathBuf::from);
    let alternates = std::env::var_os("GIT_ALTERNATE_OBJECT_DIRECTORIES")
        .map(|list| std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    Quarantine { objects, alternates }
}

fn receive(server: &Server, identity: Identity, updates: &[RefUpdate]) -> Result<Exit> {
    let trusted = server.policy()?;
    let policy = &trusted.policy;
    // The one thing that may still come in is what renews it; `left` holds it against the policy.
    let renews = |update: &RefUpdate| update.reference.starts_with(INBOX) && brings_policy(server, update);
    if policy.expires < clock::now() && !updates.iter().all(renews) {
        bail!("the policy expired on {}: nothing is accepted until its signers renew it", policy.expires);
    }
    let who = pusher(policy, identity)?;
    let store = server.store()?;
    let (_lock, under_way) = turn(server, &store, policy, updates)?;
    let view = View::open_with(&server.git_dir, &quarantine())?;
    let refs = view.refs()?;
    let known = server.ledger(&store, policy)?;
    let strays = server.strays(&known, &refs, &under_way);
    if let Some((name, logged, now)) = strays.iter().find(|(name, _, _)| updates.iter().any(|u| u.reference == *name)) {
        let place = |id: &Option<String>| id.clone().unwrap_or_else(|| "nothing".into());
        bail!(
            "{} was changed past this server: the log left it at {}, and it is at {}. Whoever runs the server has to look \
             (`provost repo verify`), then put it back or take it over (`provost repo adopt`)",
            printable(name),
            place(logged),
            place(now)
        );
    }
    // Another push may have ended while this one waited: git would refuse it after all, and the log would say otherwise.
    if let Some(name) = others_moved(&refs, updates) {
        if view.is_symbolic(&name)? {
            bail!("{} stands for another ref: push that one", printable(&name));
        }
        bail!("{} has moved while this push was under way: fetch, then push again", printable(&name));
    }
    let mut own = Vec::new();
    let mut others = Vec::new();
    for update in updates {
        if is_own(&update.reference) { own.push(update.clone()) } else { others.push(update.clone()) }
    }
    let person = who.as_ref().map(|(person, _)| *person);
    if own.len() > LEFT {
        bail!("more than {LEFT} statements for the server in one push: push them in parts");
    }
    let mut refused = Vec::new();
    let mut statements = Vec::new();
    for update in &own {
        match left(server, policy, &view, person, update, &known) {
            Ok(Some(statement)) => statements.push(statement),
            Ok(None) => {}
            Err(error) => refused.push((update.reference.clone(), format!("{error:#}"))),
        }
    }
    if std::env::var_os("PROVOST_HIDES").is_some() {
        borrowed(server, policy, person, &view, &refs, &others)?;
    }
    // An approval that comes in the same push counts for it: it has just been there.
    let mut known = known;
    for (offset, statement) in statements.iter().enumerate() {
        known.apply(&policy.access, known.size + offset as u64, statement)?;
    }
    let trees: Vec<String> = others
        .iter()
        .filter_map(|update| update.new.as_deref())
        .filter_map(|id| view.peel(id).ok())
        .flat_map(|commit| [view.tree_of(&commit).ok(), Some(commit)])
        .flatten()
        .collect();
    let trees: Vec<&str> = trees.iter().map(String::as_str).collect();
    let checks = known.checks_of(policy, &trees)?;
    let now = known.now(clock::now());
    if now > clock::now().plus_milliseconds(60_000) {
        anstream::eprintln!("provost: this server's clock is behind its log: judged as of {now}, the newest entry");
    }
    let facts = PushFacts {
        pusher: person,
        now: (now, TimeSource::Log),
        refs: &refs,
        approvals: &known.approvals,
        checks: &checks,
        // A push that has to wait is itself the first proposal: it is written down below.
        first_seen: &|binding| Ok(Some(known.first_seen(binding)?.unwrap_or((now, TimeSource::Log)))),
        history: &known,
    };
    let (allowed, refusals) = judge_push(policy, &view, &others, &facts)?;
    if !refusals.is_empty() || !refused.is_empty() {
        tell(&refusals, &refused);
        proposed(server, &store, &known, &refusals, person, now)?;
        server.audit(&serde_json::json!({
            "refused": refusals.iter().map(|r| &r.reference).chain(refused.iter().map(|(name, _)| name)).collect::<Vec<_>>(),
            "pusher": person.map(|p| &p.name),
            "id": session(),
            "rules": refusals.iter().flat_map(|r| r.rules.iter().map(|rule| &rule.rule)).collect::<Vec<_>>(),
        }));
        return Ok(Exit::Denied);
    }
    let who = who.as_ref().map(|(person, how)| (person.name.as_str(), how.as_str()));
    accept(server, &store, policy, who, now, allowed, statements)?;
    Ok(Exit::Pass)
}

/// Whether what is left in the inbox is a policy.
fn brings_policy(server: &Server, update: &RefUpdate) -> bool {
    let Some(new) = &update.new else { return false };
    let policy = || -> Result<bool> {
        let bytes = View::open_with(&server.git_dir, &quarantine())?.read(new, crate::input::SMALL)?;
        Ok(Envelope::parse(&bytes)?.payload_type() == POLICY_PAYLOAD)
    };
    policy().unwrap_or(false)
}

/// Whoever does not see every ref brings what they push: a ref onto a hidden commit, or a commit on top of one, would make it
/// theirs to read.
fn borrowed(
    server: &Server,
    policy: &Policy,
    person: Option<&Person>,
    view: &View,
    refs: &[(String, String)],
    updates: &[RefUpdate],
) -> Result<()> {
    let brought = View::of_push(&server.git_dir, &quarantine())?;
    let readable = refs.iter().filter(|(name, _)| policy.access.permits(person, Operation::Read, name));
    let readable: Vec<&str> = readable.map(|(_, id)| id.as_str()).collect();
    let new: Vec<&str> = updates.iter().filter_map(|update| update.new.as_deref()).collect();
    let refuse = |id: &str| {
        bail!("{id} neither came with this push nor is on a ref that you may read: push it from a clone that has it");
    };
    let commits = |ids: &[&str]| -> Vec<String> { ids.iter().filter_map(|id| view.peel(id).ok()).collect() };
    for id in &new {
        if view.kind(id)? != ObjectKind::Commit && !brought.contains(id) && !readable.contains(id) {
            refuse(id)?;
        }
    }
    match view.new_commits(&commits(&new), &commits(&readable))?.iter().find(|id| !brought.contains(id)) {
        Some(id) => refuse(id),
        None => Ok(()),
    }
}

/// Writes down when something was first proposed, where time has to pass for it.
fn proposed(
    server: &Server,
    store: &Store,
    known: &provost_gate::Ledger,
    refusals: &[Refusal],
    person: Option<&Person>,
    now: Timestamp,
) -> Result<()> {
    let mut statements = Vec::new();
    for refusal in refusals.iter().filter(|refusal| refusal.answer == Answer::WaitUntil) {
        let Some(of) = refusal.binding.clone() else { continue };
        if known.first_seen(&of)?.is_none() {
            let of = ReceiptKind::Proposal { of };
            let receipt = Receipt { of, received_on: now, from: person.map(|person| person.name.clone()) };
            statements.push(receipt.statement()?);
        }
    }
    if !statements.is_empty() {
        server.append(store, &statements)?;
    }
    Ok(())
}

/// A ref that is not where whoever pushes saw it.
fn others_moved(refs: &[(String, String)], updates: &[RefUpdate]) -> Option<String> {
    let now: std::collections::HashMap<&str, &str> =
        refs.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
    let moved = updates.iter().find(|update| now.get(update.reference.as_str()).copied() != update.old.as_deref());
    moved.map(|update| update.reference.clone())
}

/// Waits until no other push of these refs is under way, and gives the lock.
fn turn(
    server: &Server,
    store: &Store,
    policy: &Policy,
    updates: &[RefUpdate],
) -> Result<(nix::fcntl::Flock<std::fs::File>, Vec<Ticket>)> {
    let begun = Instant::now();
    let own = git_process();
    loop {
        let lock = server.lock()?;
        let under_way = server.reconcile(store, policy)?;
        let meets = |ticket: &&Ticket| {
            ticket.process != own
                && ticket.changes.iter().any(|change| updates.iter().any(|update| update.reference == change.reference))
        };
        let Some(busy) = under_way.iter().find(meets) else { return Ok((lock, under_way)) };
        if begun.elapsed() > PATIENCE {
            let reference = busy.changes.first().map_or("", |change| &change.reference);
            bail!("another push of {} is under way: try again", printable(reference));
        }
        drop(lock);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What is left for the server in refs of its own: a statement for its inbox, or a new policy.
fn left(
    server: &Server,
    policy: &Policy,
    view: &View,
    person: Option<&Person>,
    update: &RefUpdate,
    known: &provost_gate::Ledger,
) -> Result<Option<Statement>> {
    let reference = &update.reference;
    if !valid_ref_name(reference) {
        bail!("git does not allow the name of this ref");
    }
    let Some(person) = person else { bail!("only persons of the policy may leave something here") };
    let Some(new) = &update.new else { bail!("the server clears its own refs") };
    let inbox = reference.strip_prefix(INBOX);
    let Some(digest) = inbox else { bail!("{reference} is written by the server alone") };
    if view.kind(new)? != ObjectKind::Blob {
        bail!("it is to hold one file: `provost approve --push` does it right");
    }
    let bytes = view.read(new, crate::input::SMALL)?;
    if sha256(&bytes).to_hex() != digest {
        bail!("the ref's name is not the SHA-256 of the file");
    }
    let envelope = Envelope::parse(&bytes)?;
    // A policy is put into force once git has taken the file.
    if envelope.payload_type() == gate_policy::DELEGATED_PAYLOAD {
        init::check_delegated(server, &envelope)?;
        return Ok(None);
    }
    if envelope.payload_type() == POLICY_PAYLOAD {
        init::check(server, &envelope)?;
        return Ok(None);
    }
    let statement = Statement::parse(envelope.unverified_payload())?;
    if statement.predicate_type == APPROVAL {
        let seen = verify_approval(&policy.access, &envelope)?;
        // Whatever is not signed of it may differ; it is the same approval.
        if known.approvals.iter().any(|old| old.envelope == seen.envelope && old.person == seen.person) {
            bail!("it is in the log already");
        }
        let here = policy.access.repository.as_ref().is_some_and(|r| r.name == seen.approval.of.target.repository);
        if !here {
            bail!("the approval is of another repository");
        }
    } else {
        let signers: Vec<TrustedSigner> = policy.keys().into_iter().map(TrustedSigner::key).collect();
        verify_envelope(&envelope, &signers, 1).context("no functionary of the policy signed it")?;
    }
    let text = String::from_utf8(bytes).context("it is not UTF-8")?;
    let receipt = Receipt {
        of: ReceiptKind::Envelope { envelope: text },
        received_on: known.now(clock::now()),
        from: Some(person.name.clone()),
    };
    Ok(Some(receipt.statement()?))
}

/// Writes an accepted push into the log, and keeps a ticket until git has ended it.
fn accept(
    server: &Server,
    store: &Store,
    policy: &Policy,
    who: Option<(&str, &str)>,
    now: Timestamp,
    allowed: Vec<RefChange>,
    mut statements: Vec<Statement>,
) -> Result<()> {
    let push = clock::random_id(16)?;
    if !allowed.is_empty() {
        let notes = push_options();
        let (id, changes) = (push.clone(), allowed.clone());
        let entry = server.entry(policy, UpdateState::Accepted, id, now, changes, who, notes);
        statements.push(entry.statement()?);
    }
    let process = git_process();
    let ticket = Ticket {
        push,
        process,
        started: process_started(process).unwrap_or_default(),
        changes: allowed,
        pusher: who.map(|(name, _)| name.to_owned()),
    };
    // The ticket first: a hook that dies between the two leaves a ticket without an entry, and ending it adds at most a
    // line that takes back what never was; the other way round an entry would stand that nobody ends.
    if !ticket.changes.is_empty() {
        server.keep(&ticket)?;
    }
    provost_evidence::fault::point("ticket kept");
    let appended = if statements.is_empty() { Ok(Vec::new()) } else { server.append(store, &statements) };
    if appended.is_err() {
        server.drop_ticket(&ticket.push);
    }
    appended.context("the push is refused, since it cannot be written into the log")?;
    provost_evidence::fault::point("push logged");
    for change in &ticket.changes {
        if change.broken_glass {
            anstream::eprintln!("provost: ALERT: the glass was broken for {}", printable(&change.reference));
            let event =
                serde_json::json!({ "broken-glass": change.reference, "pusher": ticket.pusher, "id": session() });
            server.audit(&event);
        }
    }
    Ok(())
}

/// The line of `serve-ssh` or `serve-http` in the audit file that this push belongs to.
fn session() -> Option<String> {
    std::env::var("PROVOST_SESSION").ok()
}

/// `git push -o`: what the pusher wants to have said.
fn push_options() -> Vec<String> {
    let count = std::env::var("GIT_PUSH_OPTION_COUNT").ok().and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    (0..count.min(32))
        .filter_map(|n| std::env::var(format!("GIT_PUSH_OPTION_{n}")).ok())
        .map(|option| option.chars().take(512).collect())
        .collect()
}

/// Ends the push of this git, takes what was left for the server, and publishes the log.
fn after(server: &Server) -> Result<()> {
    let trusted = server.policy()?;
    let store = server.store()?;
    let _lock = server.lock()?;
    let updates = read_updates()?;
    let own = git_process();
    for ticket in server.tickets()? {
        let here = ticket.process == own
            && ticket.changes.iter().any(|c| updates.iter().any(|u| u.reference == c.reference && u.new == c.to));
        if here {
            provost_evidence::fault::point("refs moved");
            server.end(&store, &trusted.policy, &ticket)?;
        }
    }
    provost_evidence::fault::point("push ended");
    let view = View::open(&server.git_dir)?;
    for update in updates.iter().filter(|update| update.reference.starts_with(INBOX)) {
        let Some(id) = view.reference(&update.reference)? else { continue };
        // One that cannot be put into force after all keeps nothing else from being published.
        if let Err(error) = put_into_force(server, &view, &id) {
            anstream::eprintln!("provost: not put into force: {}", printable(&format!("{error:#}")));
        }
    }
    server.publish(&store)?;
    provost_evidence::fault::point("log published");
    clear_inbox(&server.git_dir, &updates)
}

/// Puts a policy, or delegated rules, that were left here into force; whatever else it is, it is in the log.
fn put_into_force(server: &Server, view: &View, id: &str) -> Result<()> {
    let envelope = Envelope::parse(&view.read(id, crate::input::SMALL)?)?;
    if envelope.payload_type() == gate_policy::DELEGATED_PAYLOAD {
        let name = init::install_delegated(server, &envelope)?;
        anstream::eprintln!("provost: in force: the rules that are delegated to {}", printable(&name));
    } else if envelope.payload_type() == POLICY_PAYLOAD {
        let policy = init::install(server, &envelope)?;
        anstream::eprintln!("provost: in force: {} serial {}", printable(&policy.name), policy.serial);
    }
    Ok(())
}

/// What was left is in the log now.
fn clear_inbox(git_dir: &Path, updates: &[RefUpdate]) -> Result<()> {
    let published = provost_repo::Published::open(git_dir, LOG_REF)?;
    for update in updates.iter().filter(|update| update.reference.starts_with(INBOX)) {
        if let Some(id) = &update.new {
            published.delete(&update.reference, id)?;
        }
    }
    Ok(())
}

/// One clear message for each rule that refuses, with what to do.
fn tell(refusals: &[Refusal], others: &[(String, String)]) {
    for (reference, why) in others {
        anstream::eprintln!("provost: {} is refused\n  {}", printable(reference), printable(why));
    }
    for refusal in refusals {
        let word = match refusal.answer {
            Answer::WaitUntil => "has to wait",
            Answer::NeedsApproval => "needs approval",
            _ => "is refused",
        };
        anstream::eprintln!("provost: {} {word}", printable(&refusal.reference));
        for rule in &refusal.rules {
            anstream::eprintln!("  {}: {}", printable(&rule.rule), printable(&rule.reason));
            for path in rule.paths.iter().take(5) {
                anstream::eprintln!("      {}", printable(path));
            }
            if rule.paths.len() > 5 {
                anstream::eprintln!("      … and {} more", rule.paths.len() - 5);
            }
            if !rule.whom.is_empty() {
                anstream::eprintln!("    who may approve: {}", printable(&rule.whom.join(", ")));
            }
            if !rule.hint.is_empty() {
                anstream::eprintln!("    do: {}", printable(&rule.hint));
            }
        }
        for stale in refusal.stale.iter().take(20) {
            anstream::eprintln!(
                "  the approval of {} does not count: {}",
                printable(&stale.person),
                printable(&stale.why)
            );
        }
        if let Some(binding) = refusal.binding.as_ref().filter(|_| refusal.answer == Answer::NeedsApproval) {
            anstream::eprintln!(
                "    do: provost approve {} --onto {} --push origin",
                binding.head,
                printable(&binding.target.reference)
            );
        }
    }
}
