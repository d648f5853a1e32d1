//! Statements of scans and tests about this very tree.

use provost_attest::{Statement, Verified};
use provost_model::Timestamp;
use provost_policy::{CheckRule, Functionary, Identity, Policy, said_time};

use crate::Binding;

/// A verified statement that may be a check.
#[derive(Debug, Clone)]
pub struct CheckStatement {
    /// The statement.
    pub statement: Verified<Statement>,
}

impl CheckStatement {
    /// When it was made, by its own word.
    fn time(&self) -> Option<Timestamp> {
        said_time(self.statement.value())
    }

    /// Whether it speaks of this tree, or of this commit where the commit's tree is the resulting one.
    fn speaks_of(&self, binding: &Binding, head_tree: &str) -> bool {
        self.statement.value().subject.iter().any(|subject| {
            let tree = subject.digest.get("gitTree").is_some_and(|tree| Some(tree) == binding.tree.as_ref());
            let same = binding.tree.as_deref() == Some(head_tree);
            tree || (same && subject.digest.get("gitCommit") == Some(&binding.head))
        })
    }

    fn signed_by(&self, functionary: &Functionary, at: Timestamp) -> bool {
        let valid = functionary.not_before.is_none_or(|from| at >= from)
            && functionary.not_after.is_none_or(|to| at <= to)
            && functionary.revoked_at.is_none();
        let key = match &functionary.identity {
            Identity::Key(key) => self.statement.signers().contains_key(&key.id()),
            Identity::Certificate { .. } => false,
        };
        valid && key
    }
}

/// Holds a rule's check against the statements at hand: `Ok` names what satisfies it, `Err` says what is missing.
pub(crate) fn satisfied(
    policy: &Policy,
    rule: &CheckRule,
    binding: &Binding,
    head_tree: &str,
    statements: &[CheckStatement],
    now: Timestamp,
) -> Result<String, String> {
    let short = provost_attest::predicate::short_name(&rule.predicate);
    let mut newest: Option<(Timestamp, &CheckStatement)> = None;
    let mut foreign = 0;
    for check in statements.iter().filter(|c| c.statement.value().predicate_type == rule.predicate) {
        if !check.speaks_of(binding, head_tree) {
            continue;
        }
        let Some(at) = check.time() else { continue };
        let named = |f: &&Functionary| rule.functionaries.contains(&f.name);
        if !policy.functionaries.iter().filter(named).any(|f| check.signed_by(f, at)) {
            foreign += 1;
            continue;
        }
        if !is_of(check, rule) {
            continue;
        }
        // The newest counts, whatever it says: an older and better one does not stand in for it.
        if newest.is_none_or(|(time, _)| at > time) {
            newest = Some((at, check));
        }
    }
    let Some((at, check)) = newest else {
        let by = rule.functionaries.join(" or ");
        let rest = if foreign > 0 { format!("; {foreign} signed by others do not count") } else { String::new() };
        return Err(format!("no {short} of this tree, signed by {by}{rest}"));
    };
    let age = (now.seconds() - at.seconds()) / 3600;
    if at.seconds() > now.seconds() + 300 {
        return Err(format!("the {short} is dated in the future ({at})"));
    }
    if rule.max_age_hours > 0 && age >= i64::try_from(rule.max_age_hours).unwrap_or(i64::MAX) {
        return Err(format!("the {short} is {age} hours old, {} at most", rule.max_age_hours));
    }
    let result = check.statement.value().predicate.get("result").and_then(|r| r.as_str());
    if let Some(wanted) = &rule.result
        && result != Some(wanted)
    {
        return Err(format!("the {short} says {}, and {wanted} is needed", result.unwrap_or("nothing")));
    }
    Ok(format!("{short} of this tree from {at}"))
}

/// Whether it was made with the configuration that the rule names.
fn is_of(check: &CheckStatement, rule: &CheckRule) -> bool {
    let Some(wanted) = rule.configuration else { return true };
    let list = check.statement.value().predicate.get("configuration").and_then(|c| c.as_array());
    list.into_iter().flatten().any(|one| {
        one.get("digest").and_then(|d| d.get("sha256")).and_then(|d| d.as_str()) == Some(wanted.to_hex().as_str())
    })
}
