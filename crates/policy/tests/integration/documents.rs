//! Policy documents: problems are named with line, column and hint.

use provost_policy::{Limits, Policy, PolicyError, RULES};

use crate::fixture::{key, policy_text};

fn problems(text: &str) -> Vec<provost_policy::Problem> {
    match Policy::parse(text) {
        Err(PolicyError::Invalid(problems)) => problems,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was accepted"),
    }
}

#[test]
fn mistakes_have_a_place_and_a_hint() {
    let good = policy_text(&key(), "", "");
    Policy::parse(&good).expect("good");
    for (from, to, what) in [
        ("version = 1", "version = 2", "version 2"),
        ("name = \"test\"", "nane = \"test\"", "unknown field"),
        ("2027-01-01T00:00:00Z", "next year", "RFC 3339"),
        ("\"process\"", "\"proces\"", "no attestation"),
        ("functionaries = [\"builder\"]", "functionaries = [\"bilder\"]", "no functionary"),
        ("-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEY----", "key of `builder`"),
        ("name = \"build\"\n", "name = \"build\"\nthreshold = 0\n", "threshold 0"),
        ("name = \"build\"\n", "name = \"build\"\nthreshold = 2\n", "2 distinct keys"),
        ("name = \"build\"\n", "name = \"build\"\nmaterials-from = [\"fetch\"]\n", "no earlier step"),
        ("require-log = false", "require-log = true", "no log is named"),
        ("require-log = false", "require-log = false\n[rules]\nstep-evidense = \"off\"", "no rule"),
        (
            "require-log = false",
            "require-log = false\n[[rego]]\nname = \"x\"\nmodule = \"package x\"",
            "package provost",
        ),
        ("require-log = false", "require-log = false\n[build]\nonly-listed-tools = true", "no tool is listed"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        let found = problems(&bad);
        assert!(found.iter().any(|p| p.what.contains(what)), "{to}: {found:?}");
    }
    let typo = good.replacen("functionaries", "functionarys", 1);
    let found = problems(&typo);
    let line = typo.lines().position(|l| l.contains("functionarys")).expect("there") + 1;
    assert_eq!(found[0].line, line);
    assert!(!found[0].hint.is_empty());
}

#[test]
fn all_problems_are_listed_at_once() {
    let bad = policy_text(&key(), "threshold = 0", "[rules]\nno-such-rule = \"off\"")
        .replace("2027-01-01T00:00:00Z", "never");
    assert_eq!(problems(&bad).len(), 3);
}

#[test]
fn the_core_cannot_be_switched_off() {
    for rule in ["policy-valid", "step-evidence", "step-functionaries", "key-validity", "one-run", "artifact-listed"] {
        for mode in ["off", "warn"] {
            let found = problems(&policy_text(&key(), "", &format!("[rules]\n{rule} = \"{mode}\"")));
            assert!(found[0].what.contains("cannot be switched off"), "{found:?}");
        }
    }
}

#[test]
fn rules_of_scans_name_what_there_is() {
    let with = |rules: &str| {
        let name = policy_text(&key(), "", "")
            .lines()
            .find_map(|line| line.strip_prefix("functionaries = [\"")?.split('"').next().map(str::to_owned));
        let name = name.expect("a functionary");
        policy_text(&key(), "", &format!("[scan]\nfunctionaries = [\"{name}\"]\n{rules}"))
    };
    let good = "deny = [\"drift\", \"lock\"]\nfail-on-reach = { declared = \"critical\", read = \"low\" }\nmin-age-days = 14\nmax-base-age-days = 60";
    let policy = Policy::parse(&with(good)).expect("a sound policy");
    let scan = policy.scan.expect("rules of scans");
    assert_eq!((scan.min_age_days, scan.max_base_age_days, scan.fail_on_reach.len()), (14, 60, 2));
    for (rules, what) in [
        ("deny = [\"drifts\"]", "cannot be denied"),
        ("fail-on-reach = { near = \"high\" }", "`near` is no grade"),
        ("min-age-days = 366", "scans do not say more"),
    ] {
        let found = problems(&with(rules));
        assert!(found.iter().any(|problem| problem.what.contains(what)), "{rules}: {found:?}");
    }
}

#[test]
fn limits() {
    assert!(problems(&"#".repeat(Limits::POLICY + 1))[0].what.contains("larger"));
}

#[test]
fn every_rule_serves_a_requirement_that_exists() {
    for rule in RULES {
        assert!(!rule.requirements.is_empty() || rule.id == "policy-valid", "{}", rule.id);
        for id in rule.requirements {
            assert!(provost_model::Requirement::find(id).is_some(), "{} names {id}", rule.id);
        }
    }
}
