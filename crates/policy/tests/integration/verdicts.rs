//! Verdicts.

use provost_attest::predicate;
use provost_attest::{ResourceDescriptor, Statement};
use provost_keys::Signer as _;
use provost_model::*;

use crate::fixture::*;

#[test]
fn honest_evidence_passes_and_everything_is_explained() {
    let builder = key();
    let verdict = judge(&policy(&builder, "", ""), Run::default().signed(&builder), b"artifact");
    assert_eq!(verdict.outcome, Outcome::Passed, "{:#?}", verdict.rules);
    let satisfied: Vec<_> = verdict.rules.iter().filter(|r| r.state == RuleState::Satisfied).collect();
    assert!(satisfied.len() >= 8);
    assert!(
        satisfied.iter().filter(|r| r.step.is_some()).all(|r| !r.statements.is_empty()),
        "each names its statements"
    );
}

#[test]
fn the_order_of_evidence_does_not_matter() {
    let builder = key();
    let policy = policy(&builder, "", "");
    let mut statements = Run::default().signed(&builder);
    statements.extend(Run { invocation: "run-2".into(), ending: Ending::Exited(1), ..Run::default() }.signed(&builder));
    let forwards = judge(&policy, statements.clone(), b"artifact");
    statements.reverse();
    assert_eq!(judge(&policy, statements, b"artifact"), forwards);
    assert_eq!(forwards.outcome, Outcome::Passed, "a failed run beside a good one takes nothing away");
}

#[test]
fn no_evidence_is_never_a_pass() {
    let builder = key();
    let policy = policy(&builder, "", "");
    assert_eq!(failing(&judge(&policy, Vec::new(), b"artifact")), ["step-evidence"]);
    assert_eq!(failing(&judge(&policy, Run::default().signed(&builder), b"another file")), ["step-evidence"]);
    for kind in ["environment", "process", "materials", "artifacts"] {
        let run = Run { omit: vec![kind], ..Run::default() };
        let verdict = judge(&policy, run.signed(&builder), b"artifact");
        assert_eq!(verdict.outcome, Outcome::Failed, "without {kind}");
        let reason = &verdict.failures().next().expect("a failure").reason;
        assert!(reason.contains(kind), "{reason}");
    }
}

#[test]
fn every_failure_is_reported_not_the_first_only() {
    let builder = key();
    let policy = policy(
        &builder,
        "command = [\"make\"]",
        "max-age-days = 1\n[build]\nrequire-isolation = true\nwho = [\"release\"]\nallow-workstation = false",
    );
    let run = Run {
        command: vec!["make".into(), "evil".into()],
        ending: Ending::Exited(2),
        isolated: false,
        finished: time("2026-10-01T00:00:00Z"),
        facts: vec![("user".into(), "eve".into()), ("ci-system".into(), "none".into())],
        ..Run::default()
    };
    let verdict = judge(&policy, run.signed(&builder), b"artifact");
    assert_eq!(
        failing(&verdict),
        ["evidence-time", "step-succeeded", "step-command", "build-isolated", "build-platform", "build-who"]
    );
    assert!(verdict.failures().all(|r| !r.reason.is_empty()));
}

#[test]
fn expired_and_unsigned_policies_decide_nothing() {
    let builder = key();
    let policy = policy(&builder, "", "");
    let late = judge_at(&policy, Run::default().signed(&builder), b"artifact", time("2027-02-01T00:00:00Z"));
    assert_eq!(failing(&late), ["policy-valid"]);
    let facts = provost_policy::Facts::of_artifact(sha256(b"artifact"), time(NOW), Vec::new());
    let evidence = provost_policy::Evidence { statements: Run::default().signed(&builder), ..Default::default() };
    assert_eq!(failing(&provost_policy::evaluate(&policy, &evidence, &facts)), ["policy-valid"]);
}

#[test]
fn a_clock_set_back_is_noticed() {
    let builder = key();
    let verdict =
        judge_at(&policy(&builder, "", ""), Run::default().signed(&builder), b"artifact", time("2026-11-20T00:00:00Z"));
    assert_eq!(failing(&verdict), ["evidence-time"]);
    assert!(verdict.failures().next().expect("one").reason.contains("clocks"));
}

#[test]
fn strangers_do_not_count() {
    let (builder, stranger) = (key(), key());
    let policy = policy(&builder, "", "");
    assert!(failing(&judge(&policy, Run::default().signed(&stranger), b"artifact")).contains(&"step-functionaries"));
    // One of four statements by a stranger, under the same run.
    let statements = Run::default().statements();
    let mixed =
        statements.iter().enumerate().map(|(i, s)| verified(s, &[if i == 1 { &stranger } else { &builder }])).collect();
    assert!(failing(&judge(&policy, mixed, b"artifact")).contains(&"step-functionaries"));
}

#[test]
fn keys_have_a_time_and_can_be_revoked() {
    let builder = key();
    let text = policy_text(&builder, "", "");
    let with = |line: &str| {
        let text = text.replace("name = \"builder\"\n", &format!("name = \"builder\"\n{line}\n"));
        judge(&provost_policy::Policy::parse(&text).expect("policy"), Run::default().signed(&builder), b"artifact")
    };
    assert_eq!(failing(&with("not-after = \"2026-11-01T00:00:00Z\"")), ["key-validity"], "expired");
    assert_eq!(failing(&with("not-before = \"2026-11-23T00:00:00Z\"")), ["key-validity"], "not yet valid");
    assert_eq!(
        with("not-before = \"2026-11-01T00:00:00Z\"\nnot-after = \"2026-12-01T00:00:00Z\"").outcome,
        Outcome::Passed
    );
    // Revoked later than the statement says it was made: whoever has the key can write that date.
    assert_eq!(failing(&with("revoked-at = \"2026-11-22T11:30:00Z\"")), ["key-validity"]);
}

#[test]
fn rotation_with_overlap() {
    let (old, new) = (key(), key());
    let text = policy_text(&old, "", "")
        .replace("functionaries = [\"builder\"]", "functionaries = [\"builder\", \"builder-2\"]")
        .replace("[evidence]", &format!("[[functionary]]\nname = \"builder-2\"\nnot-before = \"2026-11-22T10:00:00Z\"\npublic-key = \"\"\"\n{}\"\"\"\n[evidence]", new.public_key().to_pem()))
        .replace("name = \"builder\"\n", "name = \"builder\"\nnot-after = \"2026-11-22T11:30:00Z\"\n");
    let policy = provost_policy::Policy::parse(&text).expect("policy");
    let at = |t: &str| Run { finished: time(t), ..Run::default() };
    assert_eq!(judge(&policy, at("2026-11-22T11:00:00Z").signed(&old), b"artifact").outcome, Outcome::Passed);
    assert_eq!(judge(&policy, at("2026-11-22T11:00:00Z").signed(&new), b"artifact").outcome, Outcome::Passed);
    assert_eq!(judge(&policy, at("2026-11-22T11:45:00Z").signed(&new), b"artifact").outcome, Outcome::Passed);
    assert_eq!(failing(&judge(&policy, at("2026-11-22T11:45:00Z").signed(&old), b"artifact")), ["key-validity"]);
}

fn two_builders(first: &provost_keys::PrivateKey, second: &provost_keys::PrivateKey) -> provost_policy::Policy {
    let text = policy_text(first, "threshold = 2", "")
        .replace("functionaries = [\"builder\"]", "functionaries = [\"builder\", \"second\"]")
        .replace(
            "[evidence]",
            &format!(
                "[[functionary]]\nname = \"second\"\npublic-key = \"\"\"\n{}\"\"\"\n[evidence]",
                second.public_key().to_pem()
            ),
        );
    provost_policy::Policy::parse(&text).expect("policy")
}

#[test]
fn thresholds_count_distinct_keys_over_runs() {
    let (first, second) = (key(), key());
    let policy = two_builders(&first, &second);
    let other = Run { invocation: "run-2".into(), ..Run::default() };
    let once: Vec<_> = Run::default().signed(&first);
    assert!(failing(&judge(&policy, once.clone(), b"artifact")).contains(&"step-functionaries"));
    let both = [once.clone(), other.signed(&second)].concat();
    assert_eq!(judge(&policy, both, b"artifact").outcome, Outcome::Passed);
}

// --- the twelve advisories -------------------------------------------------------------------------------------------

#[test]
fn advisory_01_a_certificate_for_another_purpose() {
    // A time-stamping certificate without its sole critical usage was accepted. Ours are for code signing, and a
    // certificate without that usage is refused: `keys`, test `chain_identity_and_time`. Here: an identity that
    // verified as a key is not one that a certificate rule may match.
    let builder = key();
    let text = policy_text(&builder, "", "");
    let root = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    let bad = text.replace(
        "[[step]]",
        &format!("[[functionary]]\nname = \"c\"\nroots = [\"\"\"{root}\"\"\"]\nsubject = \"x\"\n[[step]]"),
    );
    assert!(provost_policy::Policy::parse(&bad).is_err(), "a root that is no certificate");
}

#[test]
fn advisory_02_a_step_without_required_attestations() {
    let builder = key();
    let text = policy_text(&builder, "", "")
        .replace("require = [\"environment\", \"process\", \"materials\", \"artifacts\"]", "require = []");
    let error = provost_policy::Policy::parse(&text).expect_err("refused").to_string();
    assert!(error.contains("requires no attestation"), "{error}");
}

#[test]
fn advisory_03_a_policy_without_steps() {
    let builder = key();
    let text = policy_text(&builder, "", "");
    let without = format!(
        "{}{}",
        &text[..text.find("[[step]]").expect("step")],
        &text[text.find("[evidence]").expect("evidence")..]
    );
    let error = provost_policy::Policy::parse(&without).expect_err("refused").to_string();
    assert!(error.contains("no step"), "{error}");
}

#[test]
fn advisory_04_rules_see_every_duplicate() {
    let builder = key();
    // Two process attestations of one run, one good and one bad, in both orders: the bad one counts.
    let good = Run::default();
    let bad = Run { ending: Ending::Exited(1), command: vec!["evil".into()], ..Run::default() };
    let policy = policy(
        &builder,
        "command = [\"make\"]",
        "[[rego]]\nname = \"no-evil\"\nmodule = \"\"\"\npackage provost\nimport rego.v1\ndeny contains \"evil was run\" if { some s in input.statements; s.kind == \"process\"; s.predicate.monitorLog.process[_].arguments[_] == \"evil\" }\n\"\"\"",
    );
    let process = |run: &Run| {
        run.signed(&builder).into_iter().filter(|s| s.value().predicate_type == predicate::PROCESS).collect::<Vec<_>>()
    };
    for statements in [[good.signed(&builder), process(&bad)].concat(), [process(&bad), good.signed(&builder)].concat()]
    {
        let verdict = judge(&policy, statements, b"artifact");
        assert_eq!(failing(&verdict), ["step-succeeded", "step-command", "rego/no-evil"]);
    }
}

#[test]
fn advisory_05_links_out_of_the_tree() {
    // A symbolic link's digest is of its target's text, and no link is ever a product: `trace`, test `hostile_tree`.
    let builder = key();
    let run = Run { products: vec![("link".into(), b"/etc/passwd".to_vec())], ..Run::default() };
    let mut statements = run.statements();
    for statement in &mut statements {
        if let Some(entry) = statement.predicate.pointer_mut("/files/entries/0").filter(|e| e["name"] == "link") {
            entry["kind"] = "symlink".into();
        }
    }
    let signed = statements.iter().map(|s| verified(s, &[&builder])).collect();
    assert_eq!(failing(&judge(&policy(&builder, "", ""), signed, b"/etc/passwd")), ["step-evidence"]);
}

#[test]
fn advisory_06_step_names_match_exactly() {
    let builder = key();
    for name in ["Build", "build ", "build2", "buil", "*"] {
        let run = Run { step: name.into(), ..Run::default() };
        assert_eq!(
            failing(&judge(&policy(&builder, "", ""), run.signed(&builder), b"artifact")),
            ["step-evidence"],
            "{name}"
        );
    }
}

#[test]
fn advisory_07_duplicates_do_not_inflate_a_quorum() {
    let (first, second) = (key(), key());
    let policy = two_builders(&first, &second);
    let again = Run { invocation: "run-2".into(), ..Run::default() };
    let twice = [Run::default().signed(&first), Run::default().signed(&first), again.signed(&first)].concat();
    let verdict = judge(&policy, twice, b"artifact");
    assert_eq!(failing(&verdict), ["step-functionaries"]);
    assert!(verdict.failures().next().expect("one").reason.contains("1 of 2"));
    // One key under two names is still one key.
    let text = policy_text(&first, "threshold = 2", "")
        .replace("functionaries = [\"builder\"]", "functionaries = [\"builder\", \"again\"]")
        .replace(
            "[evidence]",
            &format!(
                "[[functionary]]\nname = \"again\"\npublic-key = \"\"\"\n{}\"\"\"\n[evidence]",
                first.public_key().to_pem()
            ),
        );
    assert!(provost_policy::Policy::parse(&text).expect_err("refused").to_string().contains("distinct keys"));
}

#[test]
fn advisory_08_programs_are_known_by_digest_not_by_name() {
    let builder = key();
    let policy = policy(
        &builder,
        "",
        &format!("[build]\nonly-listed-tools = true\n[build.tools]\nmake = [\"{}\"]", sha256(b"make")),
    );
    assert_eq!(judge(&policy, Run::default().signed(&builder), b"artifact").outcome, Outcome::Passed);
    let planted = Run { tool: sha256(b"planted earlier on PATH"), ..Run::default() };
    assert_eq!(failing(&judge(&policy, planted.signed(&builder), b"artifact")), ["build-tools"]);
}

#[test]
fn advisory_09_an_unsigned_policy_is_not_used() {
    // The policy's signature is checked before it is read (`cli`, `judge::trusted_policy`), and a verdict without a
    // signer fails by itself: `expired_and_unsigned_policies_decide_nothing`.
    let builder = key();
    let facts = provost_policy::Facts::of_artifact(sha256(b"artifact"), time(NOW), Vec::new());
    let evidence = provost_policy::Evidence { statements: Run::default().signed(&builder), ..Default::default() };
    let verdict = provost_policy::evaluate(&policy(&builder, "", ""), &evidence, &facts);
    assert!(provost_policy::Passed::from_verdict(&verdict).is_err());
}

#[test]
fn advisory_10_an_empty_constraint_is_not_an_absent_one() {
    let builder = key();
    let text = policy_text(&builder, "", "");
    for line in [
        "roots = []\nsubject = \"a\"",
        "roots = [\"x\"]\nsubject = \"\"",
        "roots = [\"x\"]\nsubject = \"a\"\nissuer = \"\"",
    ] {
        let bad = text.replace("[[step]]", &format!("[[functionary]]\nname = \"c\"\n{line}\n[[step]]"));
        assert!(provost_policy::Policy::parse(&bad).is_err(), "{line}");
    }
    let nobody = text.replace("functionaries = [\"builder\"]", "functionaries = []");
    assert!(provost_policy::Policy::parse(&nobody).is_err());
    assert!(provost_policy::Policy::parse(&policy_text(&builder, "command = []", "")).is_err());
}

#[test]
fn advisory_11_only_one_digest_is_compared() {
    let builder = key();
    let mut statements = Run::default().statements();
    for statement in &mut statements {
        // The right SHA-256 of another artifact, and a weaker digest that fits this one.
        statement.subject = vec![ResourceDescriptor::named("app", sha256(b"other"))];
        statement.subject[0].digest.insert("sha1".into(), sha256(b"artifact-2").to_hex());
        statement.subject[0].digest.insert("md5".into(), sha256(b"artifact-2").to_hex());
    }
    let signed = statements.iter().map(|s| verified(s, &[&builder])).collect();
    assert_eq!(failing(&judge(&policy(&builder, "", ""), signed, b"artifact-2")), ["step-evidence"]);
}

#[test]
fn advisory_12_a_flow_without_overlap() {
    let builder = key();
    let text = policy_text(&builder, "", "").replace("[evidence]", "[[step]]\nname = \"package\"\nfunctionaries = [\"builder\"]\nrequire = [\"process\", \"materials\", \"artifacts\"]\nmaterials-from = [\"build\"]\n[evidence]");
    let policy = provost_policy::Policy::parse(&text).expect("policy");
    let package = |materials: Vec<(String, Vec<u8>)>| Run {
        step: "package".into(),
        invocation: "run-p".into(),
        materials,
        products: vec![("app.tar".into(), b"package".to_vec())],
        ..Run::default()
    };
    let judge = |materials| {
        judge(&policy, [Run::default().signed(&builder), package(materials).signed(&builder)].concat(), b"package")
    };
    assert_eq!(judge(vec![("app".into(), b"artifact".to_vec())]).outcome, Outcome::Passed);
    let swapped = judge(vec![("app".into(), b"swapped".to_vec())]);
    assert_eq!(swapped.outcome, Outcome::Failed);
    let none = judge(vec![("readme".into(), b"unrelated".to_vec())]);
    assert_eq!(none.outcome, Outcome::Failed, "{:#?}", none.rules);
    // Something in common, and something swapped.
    let run =
        Run { products: vec![("app".into(), b"artifact".to_vec()), ("lib".into(), b"lib".to_vec())], ..Run::default() };
    let mixed = package(vec![("app".into(), b"artifact".to_vec()), ("lib".into(), b"evil".to_vec())]);
    let verdict = crate::fixture::judge(&policy, [run.signed(&builder), mixed.signed(&builder)].concat(), b"package");
    assert_eq!(failing(&verdict), ["artifact-flow"]);
    assert!(verdict.failures().next().expect("one").reason.contains("lib"));
}

// --- other ways to cheat ---------------------------------------------------------------------------------------------

#[test]
fn evidence_of_another_run_cannot_be_mixed_in() {
    let builder = key();
    // The process of a good run, everything else of a bad one.
    let good = Run { invocation: "good".into(), ..Run::default() };
    let bad = Run { invocation: "bad".into(), ending: Ending::Exited(1), ..Run::default() };
    let mut mixed: Vec<_> = bad.signed(&builder);
    mixed.extend(good.signed(&builder).into_iter().filter(|s| s.value().predicate_type == predicate::PROCESS));
    assert_eq!(judge(&policy(&builder, "", ""), mixed, b"artifact").outcome, Outcome::Failed);
}

#[test]
fn a_material_is_no_product() {
    let builder = key();
    let run = Run { materials: vec![("src/main.c".into(), b"source".to_vec())], ..Run::default() };
    assert_eq!(failing(&judge(&policy(&builder, "", ""), run.signed(&builder), b"source")), ["step-evidence"]);
}

#[test]
fn a_failed_build_is_not_laundered_by_the_run_after_it() {
    let builder = key();
    let failed = Run { ending: Ending::Exited(1), ..Run::default() };
    // The next run finds the file, leaves it alone and succeeds.
    let after = Run {
        invocation: "run-2".into(),
        materials: vec![("app".into(), b"artifact".to_vec())],
        products: vec![("other".into(), b"other".to_vec())],
        ..Run::default()
    };
    let both = [failed.signed(&builder), after.signed(&builder)].concat();
    assert_eq!(failing(&judge(&policy(&builder, "", ""), both, b"artifact")), ["step-succeeded"]);
}

#[test]
fn a_test_step_takes_the_artifact_in() {
    let builder = key();
    let text = policy_text(&builder, "", "").replace(
        "[evidence]",
        "[[step]]\nname = \"test\"\nfunctionaries = [\"builder\"]\nrequire = [\"process\", \"materials\"]\n[evidence]",
    );
    let policy = provost_policy::Policy::parse(&text).expect("policy");
    let test = |ending| Run {
        step: "test".into(),
        invocation: "run-t".into(),
        materials: vec![("app".into(), b"artifact".to_vec())],
        products: vec![("report".into(), b"ok".to_vec())],
        ending,
        ..Run::default()
    };
    let with =
        |ending| judge(&policy, [Run::default().signed(&builder), test(ending).signed(&builder)].concat(), b"artifact");
    assert_eq!(with(Ending::Exited(0)).outcome, Outcome::Passed);
    assert_eq!(failing(&with(Ending::Exited(1))), ["step-succeeded"]);
    assert_eq!(
        failing(&judge(&policy, Run::default().signed(&builder), b"artifact")),
        ["step-evidence"],
        "not tested at all"
    );
}

#[test]
fn a_summary_is_no_evidence_of_a_build() {
    let builder = key();
    let summary = Statement::new(
        vec![ResourceDescriptor::named("a", sha256(b"artifact"))],
        predicate::VSA,
        &serde_json::json!({"verificationResult": "PASSED"}),
    )
    .expect("made");
    assert_eq!(
        failing(&judge(&policy(&builder, "", ""), vec![verified(&summary, &[&builder])], b"artifact")),
        ["step-evidence"]
    );
}

#[test]
fn processes_that_outlive_the_build_warn_or_fail() {
    let builder = key();
    let run = Run { left_running: 2, ..Run::default() };
    let lax = judge(&policy(&builder, "", ""), run.signed(&builder), b"artifact");
    assert_eq!(lax.outcome, Outcome::Passed);
    assert!(
        lax.rules.iter().any(|r| r.rule == "nothing-left-running" && r.state == RuleState::NotSatisfied && !r.enforced)
    );
    let strict = policy(&builder, "", "[rules]\nnothing-left-running = \"enforce\"");
    assert_eq!(failing(&judge(&strict, run.signed(&builder), b"artifact")), ["nothing-left-running"]);
}

#[test]
fn a_rego_rule_that_cannot_decide_denies() {
    let builder = key();
    let endless = "[[rego]]\nname = \"endless\"\nmodule = \"\"\"\npackage provost\nimport rego.v1\ndeny contains \"x\" if { some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); a * b == -1 }\n\"\"\"";
    let verdict = judge(&policy(&builder, "", endless), Run::default().signed(&builder), b"artifact");
    assert_eq!(failing(&verdict), ["rego/endless"]);
}

#[test]
fn requirements_without_evidence_are_never_satisfied() {
    let builder = key();
    let states = |verdict| {
        provost_policy::requirement_states(&[verdict])
            .into_iter()
            .map(|r| (r.requirement.id, r.state))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let good = states(judge(&policy(&builder, "", ""), Run::default().signed(&builder), b"artifact"));
    assert_eq!(good["ATT-1"], RequirementState::Satisfied);
    assert_eq!(good["BASE-1"], RequirementState::NotImplemented);
    let none = states(judge(&policy(&builder, "", ""), Vec::new(), b"artifact"));
    assert_eq!(none["ATT-1"], RequirementState::NoEvidence);
    assert!(none.values().filter(|s| **s == RequirementState::Satisfied).count() <= 2, "only the policy itself");
    assert!(provost_policy::requirement_states(&[]).iter().all(|r| r.state != RequirementState::Satisfied));
}
