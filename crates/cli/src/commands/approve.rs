//! `provost approve`: a reviewer signs what they looked at.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use provost_gate::{Answer, Approval, ApprovalDecision, rules_that_speak};
use provost_model::{Timestamp, printable};
use provost_policy::Person;

use crate::commands::Context;
use crate::exit::Exit;
use crate::gate::approvals::Places;
use crate::gate::case::{Case, Wish};
use crate::gate::deliver::{Ways, deliver};
use crate::gate::person::Signer;
use crate::gate::record;
use crate::gate::text;
use crate::{clock, gate, render};

const AFTER: &str = "\
Examples:
  git fetch && git switch topic
  provost approve --onto main --push origin      approve what HEAD would make of main, and hand it in
  provost approve a1b2c3d --reject --comment 'the lock names a fork'
  provost approve --step release --onto main     approve that the step `release` runs for HEAD

An approval is of exactly this: base, head, resulting tree, target and policy. docs/gate.md says what it survives.";

/// Which change is meant, for every command that speaks of one.
#[derive(Debug, Args)]
pub struct Which {
    /// The commit that is proposed (default: HEAD).
    #[arg(value_name = "HEAD")]
    pub head: Option<String>,
    /// Where it is to go.
    #[command(flatten)]
    pub place: Place,
    /// The repository's name, to be sure: it has to be the policy's.
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
}

/// Where a change is to go, and by which policy.
#[derive(Debug, Args)]
pub struct Place {
    /// The ref that it is to go into (default: the one that origin's HEAD names).
    #[arg(long, value_name = "REF")]
    pub onto: Option<String>,
    /// Where that ref stands (default: as this clone knows it).
    #[arg(long, value_name = "REV")]
    pub base: Option<String>,
    /// A critical step instead of a merge.
    #[arg(long, value_name = "NAME")]
    pub step: Option<String>,
    /// The signed policy (default: the target's own, or refs/provost/policy).
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// A public key that is trusted to sign policies (default: those of `provost trust`).
    #[arg(long, value_name = "FILE")]
    pub policy_key: Vec<PathBuf>,
    /// The repository (default: the working directory).
    #[arg(short = 'C', long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

impl Which {
    pub(crate) fn wish<'a>(&'a self, remote: Option<&'a str>) -> Wish<'a> {
        Wish { repository: self.repository.as_deref(), ..self.place.wish(self.head.as_deref(), remote) }
    }
}

impl Place {
    pub(crate) fn wish<'a>(&'a self, head: Option<&'a str>, remote: Option<&'a str>) -> Wish<'a> {
        Wish {
            directory: self.directory.clone().unwrap_or_else(|| PathBuf::from(".")),
            policy: self.policy.as_deref(),
            policy_keys: &self.policy_key,
            onto: self.onto.as_deref(),
            base: self.base.as_deref(),
            head,
            step: self.step.as_deref(),
            remote,
            ..Wish::default()
        }
    }
}

/// Arguments of `approve`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct ApproveArgs {
    /// Which change.
    #[command(flatten)]
    pub which: Which,
    /// Your key: an SSH private key, the .pub of one in an agent or a security key, or a PEM (default: what git signs with).
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// A comment, or the reason.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub comment: String,
    /// Say no: nothing goes on until you take it back.
    #[arg(long, conflicts_with = "break_glass")]
    pub reject: bool,
    /// In an emergency: around the rules, if enough others say so too. Needs a reason and an end.
    #[arg(long, requires = "expires", requires = "comment")]
    pub break_glass: bool,
    /// How long it counts: `30m`, `2h`, `7d` (default: as long as it fits).
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,
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

/// Approves.
///
/// # Errors
/// Something is missing, or what would be signed could not count.
pub fn run(args: &ApproveArgs, context: &Context) -> Result<Exit> {
    let now = clock::now();
    let remote = args.push.as_deref().or(Some("origin"));
    let case = Case::open(&context.home, args.which.wish(remote), now)?;
    let decision = match (args.reject, args.break_glass) {
        (true, _) => ApprovalDecision::Reject,
        (_, true) => ApprovalDecision::BreakGlass,
        _ => ApprovalDecision::Approve,
    };
    let expires = args
        .expires
        .as_deref()
        .map(|text| Ok::<_, anyhow::Error>(now.plus_milliseconds(duration(text)?)))
        .transpose()?;
    let access = &case.policy().access;
    let signer = Signer::open(access, args.key.as_deref(), &case.clone.directory)?;
    if let Some(why) = cannot_count(&case, signer.person, decision, expires, &args.comment, now) {
        anstream::eprintln!("{} {}", render::error("not signed:"), printable(&why));
        return Ok(Exit::Denied);
    }
    let store = record::store(context, &case)?;
    let heard = gate::hear(context, &case, store.as_ref(), false, &Places::default(), &[])?;
    let word = match decision {
        ApprovalDecision::Approve => render::bold("approve"),
        ApprovalDecision::Reject => render::error("reject"),
        _ => render::error("break the glass for"),
    };
    let mut out =
        format!("{} is about to {word}:\n{}", render::bold(&printable(&signer.person.name)), text::review(&case));
    let asks: Vec<String> = heard
        .decision
        .rules
        .iter()
        .filter(|rule| rule.answer == Answer::NeedsApproval)
        .map(|rule| format!("{} ({})", rule.rule, rule.reason))
        .collect();
    let asks = if asks.is_empty() { "no rule asks for one".to_owned() } else { asks.join("; ") };
    out += &render::line("asked by", &printable(&asks));
    for rule in heard.decision.rules.iter().filter(|rule| rule.answer == Answer::Deny) {
        out +=
            &render::line("stands", &printable(&format!("{} refuses it whoever approves: {}", rule.rule, rule.reason)));
    }
    for note in &case.notes {
        out += &render::line("note", &printable(note));
    }
    anstream::eprint!("{out}");
    if !args.yes && !agreed(&signer.person.name)? {
        anstream::eprintln!("nothing is signed");
        return Ok(Exit::Denied);
    }
    let approval = Approval {
        decision,
        of: case.proposal.binding.clone(),
        merge_base: case.proposal.merge_base.clone(),
        withdraws: None,
        signed_on: now,
        expires,
        comment: args.comment.clone(),
    };
    let envelope = signer.sign(&approval.statement()?)?;
    // As everyone else will read it.
    let seen = provost_gate::verify_approval(access, &envelope).context("what was signed does not verify")?;
    anstream::eprintln!(
        "{}",
        render::line("signed by", &format!("{} {}", printable(&signer.person.name), render::dim(&signer.fingerprint)))
            .trim_end()
    );
    anstream::eprintln!("{}", render::line("envelope", &seen.envelope.to_hex()).trim_end());
    let name = format!("approval-{}.json", seen.envelope.short());
    let ways = Ways { output: args.output.as_deref(), push: args.push.as_deref(), name };
    deliver(context, &case, &envelope, &ways)?;
    Ok(Exit::Pass)
}

/// Why a decision of this person could not count, before anything is signed.
fn cannot_count(
    case: &Case,
    person: &Person,
    decision: ApprovalDecision,
    expires: Option<Timestamp>,
    comment: &str,
    now: Timestamp,
) -> Option<String> {
    let access = &case.policy().access;
    if person.bot {
        return Some(format!("{} is a program, and programs approve nothing", person.name));
    }
    if !person.valid_at(now) {
        return Some(format!("the policy says that keys of {} are not valid now", person.name));
    }
    if decision == ApprovalDecision::BreakGlass {
        let Some(rule) = &access.gate.break_glass else {
            return Some("the policy knows no way around its rules: it has no `break-glass`".into());
        };
        if !rule.by.iter().any(|who| person.is(who)) {
            return Some(format!("{} may not break the glass", person.name));
        }
        let hours = i64::try_from(rule.max_hours).unwrap_or(168) * 3_600_000;
        if expires.is_none_or(|end| end > now.plus_milliseconds(hours)) {
            return Some(format!(
                "breaking the glass lasts {} hours at most: give --expires {}h",
                rule.max_hours, rule.max_hours
            ));
        }
        if comment.trim().len() < 10 {
            return Some("breaking the glass needs a reason: --comment with at least ten characters".into());
        }
        return None;
    }
    // Also those whom somebody named as contributors.
    if decision == ApprovalDecision::Reject {
        return None;
    }
    if let Some(via) = case.contributors.excluded.get(&person.name) {
        return Some(format!(
            "{} is part of the change ({}): nobody approves their own, and it would not count",
            person.name,
            via.name()
        ));
    }
    if case.proposal.conflict {
        return Some(
            "it does not merge into its target without conflicts: what comes out of that has to be approved".into(),
        );
    }
    if case.proposal.binding.target.step.is_none() && case.proposal.commits.is_empty() {
        return Some(format!(
            "there is nothing to approve: {} is in {} already",
            text::short(&case.proposal.binding.head),
            case.proposal.binding.target.reference
        ));
    }
    if case.proposal.binding.target.step.is_some() && !case.on_target {
        return Some(format!(
            "the commit is not on {}: the step would not run for it",
            case.proposal.binding.target.reference
        ));
    }
    let asking: Vec<_> = rules_that_speak(case.policy(), &case.proposal, &case.contributors)
        .into_iter()
        .filter(|(rule, _)| rule.approvals > 0)
        .collect();
    let counts = asking.iter().any(|(rule, _)| rule.by.is_empty() || rule.by.iter().any(|who| person.is(who)));
    (!asking.is_empty() && !counts).then(|| {
        let names: Vec<&str> = asking.iter().map(|(rule, _)| rule.name.as_str()).collect();
        format!("no rule that asks for approvals ({}) counts that of {}", names.join(", "), person.name)
    })
}

/// Asks on a terminal.
pub(crate) fn agreed(name: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody can be asked here: give --yes");
    }
    anstream::eprint!("Sign this as {}? [y/N] ", printable(name));
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Milliseconds of `30m`, `2h`, `7d`.
fn duration(text: &str) -> Result<i64> {
    let unit = text.chars().last().unwrap_or(' ');
    let number =
        text.strip_suffix(unit).and_then(|number| number.parse::<i64>().ok()).filter(|n| (1..=100_000).contains(n));
    let milliseconds = match unit {
        'm' => Some(60_000),
        'h' => Some(3_600_000),
        'd' => Some(86_400_000),
        _ => None,
    };
    match (number, milliseconds) {
        (Some(number), Some(unit)) => Ok(number * unit),
        _ => bail!("--expires {text}: write minutes, hours or days, as 30m, 2h, 7d"),
    }
}
