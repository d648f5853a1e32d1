//! Hooks of a clone: what the server would say, said before the push. The server decides; what a clone cannot know is named
//! and blocks nothing.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use provost_attest::Envelope;
use provost_gate::{
    Answer, Binding, Circumstances, Contributors, Proposal, PushFacts, RefUpdate, Refusal, RuleReport, Target,
    classify, decide, judge_push,
};
use provost_model::printable;
use provost_policy::{Operation, POLICY_PAYLOAD, Person, Policy, TimeSource};
use provost_repo::{Published, View};

use super::hook::update;
use super::{branch_of, scripts};
use crate::clock;
use crate::commands::Context;
use crate::exit::Exit;
use crate::gate::policy::POLICY_REF;
use crate::gate::publish::{FILE, LOG_REF, PublishedEntry, path_of};
use crate::judge::{self, Anchors};

/// How many entries back the newest policy is looked for.
const BACK: u64 = 5_000;
/// Refs of one push that are looked at.
const UPDATES: usize = 1_000;
/// Bytes of standard input.
const INPUT: u64 = 4 << 20;

/// Arguments of `repo client-hooks`.
#[derive(Debug, Args)]
pub(crate) struct ClientHooksArgs {
    /// The clone.
    #[arg(value_name = "CLONE", default_value = ".")]
    directory: PathBuf,
    /// The remote whose log is fetched from now on with everything else.
    #[arg(long, value_name = "NAME", default_value = "origin")]
    remote: String,
    /// Who you are by the policy (default: whoever has your `user.email`).
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
}

/// Installs `pre-push` and `pre-commit`, and has the log fetched.
///
/// # Errors
/// There is no clone, or a hook of somebody else's.
pub(crate) fn install(args: &ClientHooksArgs) -> Result<Exit> {
    let view = View::open(&args.directory)?;
    if args.remote.starts_with('-') || args.remote.is_empty() || args.remote.chars().any(char::is_control) {
        bail!("`{}` is no remote", printable(&args.remote));
    }
    let folder = scripts::folder(&args.directory, view.git_dir())?;
    let program = scripts::program()?;
    for name in ["pre-push", "pre-commit"] {
        let text = format!(
            "#!/bin/sh\n# provost: what the server would say. See `provost repo hook --help`.\nexec {program} repo hook {name} -- \"$@\"\n"
        );
        if let Some(path) = scripts::write(&folder, name, &text)? {
            anstream::eprintln!("  new {}", path.display());
        }
    }
    let key = format!("remote.{}.fetch", args.remote);
    let known = git(&args.directory, &["config", "--get-all", &key]).unwrap_or_default();
    for reference in [LOG_REF, POLICY_REF] {
        // A pattern: where the server keeps no log yet, a fetch goes on all the same.
        let spec = format!("+{reference}*:{reference}*");
        if !known.lines().any(|line| line == spec) {
            git(&args.directory, &["config", "--add", &key, &spec]).context("git's configuration cannot be written")?;
        }
    }
    if let Some(person) = &args.person {
        git(&args.directory, &["config", "provost.person", person]).context("git's configuration cannot be written")?;
    }
    anstream::eprintln!(
        "`git fetch` brings log and policy from now on. The server decides; these hooks only tell earlier."
    );
    Ok(Exit::Pass)
}

/// Ordinary git, in a clone of the user's own.
fn git(directory: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(directory).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What a hook of a clone knows.
struct Clone {
    view: View,
    policy: Policy,
    person: Option<String>,
}

impl Clone {
    /// `None`, with a line that says why, where nothing can be said.
    fn open(context: &Context) -> Option<Self> {
        match Self::read(context) {
            Ok(clone) => Some(clone),
            Err(error) => {
                cannot_say(&format!("{error:#}"));
                None
            }
        }
    }

    fn read(context: &Context) -> Result<Self> {
        let directory = Path::new(".");
        let view = View::open(directory)?;
        // The server puts the policy in force into a ref of its own; one that does not has it in its log.
        let published = Published::open(directory, POLICY_REF)?.read("policy.dsse.json", FILE)?;
        let envelope = match published {
            Some(bytes) => Envelope::parse(&bytes).with_context(|| format!("the policy in {POLICY_REF}"))?,
            None => newest_policy(&Published::open(directory, LOG_REF)?)?,
        };
        let anchors = Anchors::load(Some(&context.home), &[], &[])?;
        let policy = match judge::trusted_policy(&envelope, &anchors, &[]) {
            Ok(trusted) => trusted.policy,
            Err(_) => {
                anstream::eprintln!(
                    "provost: nobody whom you trust signed the policy of this clone (`provost trust add`)"
                );
                let text = std::str::from_utf8(envelope.unverified_payload()).context("the policy is not UTF-8")?;
                Policy::parse(text).context("the policy of this clone")?
            }
        };
        let named = git(directory, &["config", "provost.person"]);
        let by_mail = || {
            let email = git(directory, &["config", "user.email"])?;
            Some(policy.access.by_email(&email)?.name.clone())
        };
        let person = named.filter(|name| policy.access.person(name).is_some()).or_else(by_mail);
        Ok(Self { view, policy, person })
    }

    fn person(&self) -> Option<&Person> {
        self.policy.access.person(self.person.as_deref()?)
    }

    /// The policy without what only the server knows: approvals, scans, time, and, where it is not known who pushes, access.
    fn knowable(&self) -> Policy {
        let mut policy = self.policy.clone();
        let access = &mut policy.access;
        for rule in &mut access.protect {
            rule.checks.clear();
            rule.approvals = 0;
            rule.delay_hours = 0;
            rule.cooling_off_hours = 0;
            rule.authors.clear();
        }
        // A rule for some authors only is left to the server: who they are, it knows by more than this clone has.
        let for_some = |rule: &&provost_policy::ProtectRule| !rule.authors.is_empty();
        let names: Vec<String> =
            self.policy.access.protect.iter().filter(for_some).map(|rule| rule.name.clone()).collect();
        for rule in access.protect.iter_mut().filter(|rule| names.contains(&rule.name)) {
            rule.deny = false;
            rule.signed_commits = false;
            rule.max_file_bytes = 0;
            rule.forbidden_names = provost_policy::Globs::default();
        }
        access.freezes.clear();
        if self.person.is_none() {
            use Operation::{Create, Delete, Force, Read, Update};
            access.access.push(provost_policy::AccessRule {
                who: vec![provost_policy::Who::Public],
                refs: provost_policy::Globs::all(),
                may: [Read, Create, Update, Force, Delete].into_iter().collect(),
            });
        }
        policy
    }
}

fn cannot_say(why: &str) {
    anstream::eprintln!("provost: cannot say what the server will do: {}", printable(why));
}

/// The newest policy in the log that this clone has.
fn newest_policy(published: &Published) -> Result<Envelope> {
    let none = || format!("there is no {LOG_REF} in this clone: `provost repo client-hooks`, then `git fetch`");
    let checkpoint = published.read("checkpoint", FILE)?.with_context(none)?;
    let checkpoint = provost_tlog::SignedCheckpoint::parse(&checkpoint).context("the published checkpoint")?;
    let size = checkpoint.unverified().size;
    for index in (size.saturating_sub(BACK)..size).rev() {
        let Some(bytes) = published.read(&path_of(index), FILE)? else { bail!("{LOG_REF} lacks entry {index}") };
        let (_, envelope) = PublishedEntry::open(&bytes).with_context(|| format!("entry {index} of the log"))?;
        if envelope.payload_type() == POLICY_PAYLOAD {
            return Ok(envelope);
        }
    }
    bail!("the newest {BACK} entries of the log hold no policy")
}

/// `pre-push`: a line for each ref, `local-ref local-id remote-ref remote-id` (githooks(5)).
///
/// # Errors
/// git's list cannot be read.
pub(crate) fn pre_push(arguments: &[String], context: &Context) -> Result<Exit> {
    let mut text = String::new();
    std::io::stdin().lock().take(INPUT).read_to_string(&mut text).context("git's list of refs cannot be read")?;
    let mut updates = Vec::new();
    for line in text.lines().take(UPDATES) {
        let parts: Vec<&str> = line.split(' ').collect();
        let [_, new, reference, old] = parts.as_slice() else { bail!("git's list has the line `{}`", printable(line)) };
        updates.push(update(old, new, reference)?);
    }
    let Some(clone) = Clone::open(context) else { return Ok(Exit::Pass) };
    if clone.person.is_none() {
        cannot_say("who you are by the policy: `git config provost.person NAME`");
    }
    let remote = arguments.first().map_or("origin", String::as_str);
    let known: Vec<RefUpdate> = updates
        .into_iter()
        .filter(|update| !update.reference.starts_with("refs/provost/"))
        .filter(|update| {
            let here = update.old.as_ref().is_none_or(|old| clone.view.contains(old));
            if !here {
                cannot_say(&format!("{} is at a commit that is not here: fetch first", update.reference));
            }
            here
        })
        .collect();
    let refs = refs_of(&clone.view, remote)?;
    let judged = |policy: &Policy| {
        let facts = PushFacts {
            pusher: clone.person.as_deref().and_then(|name| policy.access.person(name)),
            now: (clock::now(), TimeSource::Log),
            refs: &refs,
            approvals: &[],
            checks: &[],
            first_seen: &|_| Ok(None),
            history: &(),
        };
        judge_push(policy, &clone.view, &known, &facts)
    };
    let knowable = clone.knowable();
    let (_, certain) = match judged(&knowable) {
        Ok(answer) => answer,
        Err(error) => {
            cannot_say(&error.to_string());
            return Ok(Exit::Pass);
        }
    };
    for refusal in &certain {
        tell("will be refused", refusal);
    }
    if certain.is_empty()
        && clone.person.is_some()
        && let Ok((_, open)) = judged(&clone.policy)
    {
        for refusal in &open {
            // What is missing here may be on the server by now.
            tell("may have to wait; whether what it needs is there, this clone cannot say", refusal);
        }
    }
    if certain.is_empty() {
        return Ok(Exit::Pass);
    }
    anstream::eprintln!("provost: the server decides; `git push --no-verify` asks it all the same");
    Ok(Exit::Denied)
}

/// The server's refs as this clone saw them last.
fn refs_of(view: &View, remote: &str) -> Result<Vec<(String, String)>> {
    let named = |(name, id): (String, String)| Some((branch_of(&name, remote)?, id));
    Ok(view.refs()?.into_iter().filter_map(named).collect())
}

fn tell(what: &str, refusal: &Refusal) {
    anstream::eprintln!("provost: {} {what}", printable(&refusal.reference));
    print(&refusal.rules);
}

fn print(rules: &[RuleReport]) {
    for rule in rules {
        anstream::eprintln!("  {}: {}", printable(&rule.rule), printable(&rule.reason));
        if !rule.whom.is_empty() {
            anstream::eprintln!("    who may approve: {}", printable(&rule.whom.join(", ")));
        }
        if !rule.hint.is_empty() {
            anstream::eprintln!("    do: {}", printable(&rule.hint));
        }
    }
}

/// `pre-commit`: the staged files, by the rules of the branch. Where the commit will be pushed to, nobody knows yet: only what
/// every branch refuses blocks.
///
/// # Errors
/// Never but for a broken clone.
pub(crate) fn pre_commit(context: &Context) -> Result<Exit> {
    let Some(clone) = Clone::open(context) else { return Ok(Exit::Pass) };
    let here = Path::new(".");
    let Some(branch) = git(here, &["symbolic-ref", "-q", "HEAD"]) else { return Ok(Exit::Pass) };
    let Some(tree) = git(here, &["write-tree"]) else {
        cannot_say("the index is not one tree (a merge with conflicts?)");
        return Ok(Exit::Pass);
    };
    let head = git(here, &["rev-parse", "-q", "--verify", "HEAD"]);
    let knowable = clone.knowable();
    // `git write-tree` wrote after the view was opened.
    let view = View::open(here)?;
    let changes = view.changes(head.as_deref(), &tree).map_err(provost_gate::GateError::from);
    let changes = match changes.and_then(|changes| classify(&view, &knowable.access, &changes)) {
        Ok(changes) => changes,
        Err(error) => {
            cannot_say(&error.to_string());
            return Ok(Exit::Pass);
        }
    };
    if changes.is_empty() {
        return Ok(Exit::Pass);
    }
    let repository = clone.policy.access.repository.as_ref().map(|r| r.name.clone()).unwrap_or_default();
    let target = Target { repository, reference: branch.clone(), step: None };
    let head = head.unwrap_or_else(|| view.null_id());
    let binding = Binding { target, base: None, head, tree: Some(tree.clone()), policy: knowable.digest };
    let proposal =
        Proposal { binding, merge_base: None, commits: Vec::new(), since_judged: None, changes, conflict: false };
    let circumstances = Circumstances {
        now: (clock::now(), TimeSource::Log),
        past: None,
        first_seen: None,
        contributors: &Contributors::default(),
        approvals: &[],
        checks: &[],
        head_tree: &tree,
        pusher: clone.person().map(|person| person.name.as_str()),
    };
    let decision = decide(&knowable, &proposal, &circumstances);
    let against: Vec<RuleReport> = decision.against().filter(|rule| rule.answer == Answer::Deny).cloned().collect();
    if against.is_empty() {
        return Ok(Exit::Pass);
    }
    let everywhere = |report: &RuleReport| {
        let rule = knowable.access.protect.iter().find(|rule| rule.name == report.rule);
        rule.is_some_and(|rule| rule.refs.is_everything() || rule.refs.texts() == ["refs/heads/**"])
    };
    let blocked = against.iter().any(everywhere);
    let what = if blocked { "every branch of the server refuses this" } else { "the server refuses this" };
    anstream::eprintln!("provost: {what}, by the policy of this clone, on {}", printable(&branch));
    print(&against);
    if !blocked {
        cannot_say("where this commit will be pushed to");
        return Ok(Exit::Pass);
    }
    anstream::eprintln!("provost: the server decides; `git commit --no-verify` goes on all the same");
    Ok(Exit::Denied)
}
