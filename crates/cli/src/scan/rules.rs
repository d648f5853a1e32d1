//! `provost scan rules`: what secrets are found by.

use std::path::Path;

use anyhow::{Result, bail};
use provost_model::{Confidence, count};
use provost_secrets::{Options, Prior, RuleSet, Secrets};

use crate::commands::scan::RulesArgs;
use crate::exit::Exit;
use crate::{input, render};

/// Adds the rules of a file, whatever its form. Returns what could not be taken over.
pub(crate) fn load(set: &mut RuleSet, path: &Path) -> Result<Vec<String>> {
    let text = input::read_text(path)?;
    let name = path.display().to_string();
    let ours = toml::from_str::<toml::Table>(&text).is_ok_and(|table| table.contains_key("family"));
    if ours {
        set.add(&text, &name)?;
        set.check()?;
        return Ok(Vec::new());
    }
    Ok(provost_secrets::import(set, &text, &name)?)
}

pub(crate) fn run(args: &RulesArgs) -> Result<Exit> {
    if let Some(path) = &args.check {
        return check(path);
    }
    let set = RuleSet::built_in()?;
    let wanted = |rule: &provost_secrets::Rule| {
        args.name.as_ref().is_none_or(|name| rule.id == *name || rule.family.id == *name)
    };
    let found: Vec<_> = set.rules.iter().filter(|rule| wanted(rule)).collect();
    if found.is_empty() {
        bail!("there is no rule or family `{}`", args.name.as_deref().unwrap_or_default());
    }
    for rule in &found {
        anstream::println!("{}  {}", render::bold(&rule.id), rule.name);
        if args.name.is_some() {
            anstream::println!("    {}", rule.description);
            anstream::println!("    severity {:?}, documentation {}", rule.severity, rule.family.documentation);
            anstream::println!("    revoke: {}", rule.family.revoke);
        }
    }
    let families: std::collections::BTreeSet<_> = found.iter().map(|rule| &rule.family.id).collect();
    anstream::eprintln!(
        "{}",
        render::dim(&format!(
            "{} of {}; and values that only a name gives away ({}, {})",
            count(found.len() as u64, "rule", "rules"),
            count(families.len() as u64, "provider", "providers"),
            provost_secrets::GENERIC_PASSWORD,
            provost_secrets::GENERIC_SECRET
        ))
    );
    Ok(Exit::Pass)
}

/// Loads a file and runs the examples of its rules.
fn check(path: &Path) -> Result<Exit> {
    let mut set = RuleSet::new();
    for remark in load(&mut set, path)? {
        anstream::println!("{remark}");
    }
    let rules = set.rules.len();
    let secrets = Secrets::new(set, Options { generic: false, confidence: Confidence::Weak, ..Options::default() });
    let mut wrong = 0;
    for rule in secrets.rules() {
        let finds = |text: &String| {
            let found = secrets.try_text(text.as_bytes(), "example");
            found.iter().any(|(id, _, sure)| *id == rule.id && (*sure > Confidence::Weak || rule.prior == Prior::Low))
        };
        for text in rule.examples.positive.iter().chain(&rule.examples.evasion).filter(|text| !finds(text)) {
            wrong += 1;
            anstream::println!("{}: `{}` does not find {text}", render::error("error"), rule.id);
        }
        for text in rule.examples.negative.iter().filter(|text| finds(text)) {
            wrong += 1;
            anstream::println!("{}: `{}` finds {text}", render::error("error"), rule.id);
        }
    }
    anstream::eprintln!("{}, {wrong} examples wrong", count(rules as u64, "rule", "rules"));
    Ok(if wrong == 0 { Exit::Pass } else { Exit::Denied })
}
