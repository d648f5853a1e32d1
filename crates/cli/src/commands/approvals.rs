//! `provost approvals`: who approved a change, and for which rules that counts.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use provost_gate::{ApprovalDecision, Relation, Standing, rules_that_speak, standing};
use provost_model::printable;
use provost_policy::ProtectRule;
use serde_json::{Value, json};

use crate::commands::Context;
use crate::commands::approve::Which;
use crate::commands::verify::Format;
use crate::exit::Exit;
use crate::gate::Heard;
use crate::gate::approvals::{Known, Places};
use crate::gate::case::Case;
use crate::gate::record;
use crate::gate::text;
use crate::{clock, gate, render};

/// Arguments of `approvals`.
#[derive(Debug, Args)]
pub struct ApprovalsArgs {
    /// Which change.
    #[command(flatten)]
    pub which: Which,
    /// A file with an approval, or a directory of them; may be given more than once.
    #[arg(long, value_name = "PATH")]
    pub approvals: Vec<PathBuf>,
    /// Reviews as the forge's API lists them.
    #[arg(long, value_name = "FILE")]
    pub reviews: Option<PathBuf>,
    /// text or json.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Lists.
///
/// # Errors
/// Something cannot be read.
pub fn run(args: &ApprovalsArgs, context: &Context) -> Result<Exit> {
    let case = Case::open(&context.home, args.which.wish(None), clock::now())?;
    let store = record::store(context, &case)?;
    let places = Places { paths: &args.approvals, reviews: args.reviews.as_deref() };
    let heard = gate::hear(context, &case, store.as_ref(), false, &places, &[])?;
    let rules: Vec<&ProtectRule> = rules_that_speak(case.policy(), &case.proposal, &case.contributors)
        .into_iter()
        .map(|(rule, _)| rule)
        .filter(|rule| rule.approvals > 0)
        .collect();
    match args.format {
        Format::Text => anstream::print!("{}", show(&case, &heard, &rules)),
        Format::Json => anstream::println!("{:#}", to_json(&case, &heard, &rules)),
    }
    Ok(Exit::Pass)
}

/// How one approval stands with one rule.
fn stands(case: &Case, heard: &Heard, known: &Known, rule: &ProtectRule) -> Standing {
    let access = &case.policy().access;
    let mut found =
        standing(access, &known.seen, &known.relation, &case.contributors, &rule.by, &rule.keep, heard.times.now.0);
    if withdrawn(heard, known) {
        found.why_not = Some("it was withdrawn".into());
    }
    found
}

fn withdrawn(heard: &Heard, known: &Known) -> bool {
    heard.approvals.list.iter().any(|other| {
        other.seen.approval.decision == ApprovalDecision::Withdraw
            && other.seen.person == known.seen.person
            && other.seen.approval.withdraws == Some(known.seen.envelope)
    })
}

fn verb(decision: ApprovalDecision) -> &'static str {
    match decision {
        ApprovalDecision::Approve => "approves",
        ApprovalDecision::Reject => "rejects",
        ApprovalDecision::Withdraw => "withdraws",
        ApprovalDecision::BreakGlass => "breaks the glass for",
    }
}

fn related(relation: &Relation) -> String {
    match relation {
        Relation::Exact => "exactly this".into(),
        Relation::Kept(kinds) => {
            format!("an earlier state ({})", kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "))
        }
        Relation::Other(why) => format!("something else: {why}"),
    }
}

fn show(case: &Case, heard: &Heard, rules: &[&ProtectRule]) -> String {
    let mut out = text::proposal(case);
    if heard.approvals.list.is_empty() {
        out += "  nobody has approved it, as far as is known here\n";
    }
    for known in &heard.approvals.list {
        let seen = &known.seen;
        let when = match seen.received {
            Some((at, source)) => format!("{at} by {}", source.name()),
            None => format!("{} by their own clock", seen.approval.signed_on),
        };
        let _ = writeln!(
            out,
            "\n  {} {} {}",
            render::bold(&printable(&seen.person)),
            verb(seen.approval.decision),
            printable(&related(&known.relation))
        );
        let _ = writeln!(
            out,
            "      {}",
            render::dim(&printable(&format!("{}… {when}, from {}", seen.envelope.short(), known.from)))
        );
        if !seen.approval.comment.is_empty() {
            let _ = writeln!(out, "      {}", printable(&seen.approval.comment));
        }
        if seen.approval.decision != ApprovalDecision::Approve {
            if withdrawn(heard, known) {
                let _ = writeln!(out, "      {}", render::dim("it was withdrawn"));
            }
            continue;
        }
        for rule in rules {
            let found = stands(case, heard, known, rule);
            let line = match (&found.why_not, found.kept) {
                (Some(why), _) => {
                    format!("{} {}  {}", render::error("✗"), printable(&rule.name), render::dim(&printable(why)))
                }
                (None, Some(kept)) => format!(
                    "{} {}  {}",
                    render::outcome_word("✓", true),
                    printable(&rule.name),
                    render::dim(&format!("kept: {}", kept.name()))
                ),
                (None, None) => format!("{} {}", render::outcome_word("✓", true), printable(&rule.name)),
            };
            let _ = writeln!(out, "      {line}");
        }
    }
    out.push('\n');
    for rule in rules {
        let counting: std::collections::BTreeSet<&str> = heard
            .approvals
            .list
            .iter()
            .filter(|known| known.seen.approval.decision == ApprovalDecision::Approve)
            .filter(|known| stands(case, heard, known, rule).why_not.is_none())
            .map(|known| known.seen.person.as_str())
            .collect();
        let _ = writeln!(out, "  {}: {} of {}", render::bold(&printable(&rule.name)), counting.len(), rule.approvals);
    }
    if rules.is_empty() {
        out += "  no rule asks for approvals\n";
    }
    for note in text::notes(case, heard) {
        let _ = writeln!(out, "  {} {}", render::warning("note:"), printable(&note));
    }
    out
}

/// One approval for machines.
pub(crate) fn known_json(case: &Case, heard: &Heard, known: &Known, rules: &[&ProtectRule]) -> Value {
    let seen = &known.seen;
    let rules: Vec<Value> = rules
        .iter()
        .map(|rule| {
            let found = stands(case, heard, known, rule);
            json!({
                "rule": rule.name,
                "counts": found.why_not.is_none(),
                "why": found.why_not,
                "keptBy": found.kept.map(|kept| kept.name()),
            })
        })
        .collect();
    json!({
        "person": seen.person,
        "decision": seen.approval.decision,
        "envelope": seen.envelope,
        "key": seen.key,
        "review": seen.review,
        "signedOn": seen.approval.signed_on,
        "received": seen.received.map(|(at, source)| json!({"on": at, "by": source.name()})),
        "expires": seen.approval.expires,
        "comment": seen.approval.comment,
        "from": known.from,
        "of": seen.approval.of,
        "relation": related(&known.relation),
        "withdrawn": withdrawn(heard, known),
        "rules": if seen.approval.decision == ApprovalDecision::Approve { rules } else { Vec::new() },
    })
}

fn to_json(case: &Case, heard: &Heard, rules: &[&ProtectRule]) -> Value {
    json!({
        "version": 1,
        "kind": "approvals",
        "proposal": case.proposal.binding,
        "digest": case.proposal.binding.digest(),
        "approvals": heard.approvals.list.iter().map(|known| known_json(case, heard, known, rules)).collect::<Vec<_>>(),
        "notes": text::notes(case, heard),
    })
}
