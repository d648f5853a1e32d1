//! Policies in use: strict, broken, tested, two steps, rotation, external signers.

use crate::{World, text_of};

#[test]
fn the_strict_policy_refuses_a_workstation() {
    let world = World::new();
    world.expect(0, &["init", "--strict"]);
    let output = world.run(&["run", "--", "sh", "build.sh"]);
    let text = text_of(&output);
    if text.contains("cannot be kept from the keys") {
        eprintln!("skipped: this machine gives no confinement");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("build-platform") && text.contains("source-clean"), "every failure: {text}");
    assert_eq!(world.run(&["verify", "out/app"]).status.code(), Some(1));
}

#[test]
fn an_unknown_step_is_refused() {
    let world = World::built(&[]);
    let text = world.expect(1, &["run", "--step", "deploy", "--", "true"]);
    assert!(text.contains("no step `deploy`"), "{text}");
}

#[test]
fn a_broken_policy_is_explained() {
    let world = World::built(&[]);
    world.edit(".provost/policy.toml", |text| text.replace("threshold = 1", "treshold = 1"));
    let text = world.expect(1, &["policy", "check"]);
    assert!(text.contains("policy.toml:") && text.contains("treshold") && text.contains('^'), "{text}");
    world.expect(1, &["policy", "sign"]);
}

#[test]
fn a_policy_runs_its_own_examples() {
    let world = World::built(&[]);
    world.expect(0, &["bundle", "out/app"]);
    let example = |name: &str, artifact: &str, expect: &str, because: &str| {
        format!(
            "\n[[example]]\nname = \"{name}\"\nevidence = \"../out/app.provost.jsonl\"\nartifact = \"{artifact}\"\nexpect = \"{expect}\"\nbecause = [{because}]\n"
        )
    };
    world.edit(".provost/policy.toml", |text| {
        text + &example("good", "../out/app", "passed", "")
            + &example("stranger", "../build.sh", "failed", "\"step-evidence\"")
    });
    let text = world.expect(0, &["policy", "test"]);
    assert!(text.contains("good") && text.contains("stranger"), "{text}");
    world.edit(".provost/policy.toml", |text| text + &example("wrong", "../build.sh", "passed", ""));
    world.expect(1, &["policy", "test"]);
}

#[test]
fn two_steps_and_what_flows_between_them() {
    let world = World::new();
    world.expect(0, &["init"]);
    world.edit(".provost/policy.toml", |text| {
        let step =
            text[text.find("[[step]]").expect("step")..text.find("# The build policy of SP").expect("end")].to_owned();
        let second = step.replace(
            "name = \"build\"",
            "name = \"package\"\nmaterials-from = [\"build\"]\nmaterials-match = [\"out/app\"]",
        );
        text.replace("# The build policy of SP", &format!("{second}# The build policy of SP"))
            .replace("serial = 1", "serial = 2")
    });
    world.expect(0, &["policy", "sign"]);
    world.expect(0, &["run", "--step", "build", "--", "sh", "build.sh"]);
    world.expect(0, &["run", "--step", "package", "--", "sh", "-c", "cat out/app build.sh > package.tar"]);
    let text = world.expect(0, &["explain", "package.tar"]);
    assert!(text.contains("artifact-flow") && text.contains("exactly as build made them"), "{text}");
    // Something is swapped between the steps.
    std::fs::write(world.artifact(), "swapped").expect("written");
    world.expect(
        0,
        &["run", "--step", "package", "--", "sh", "-c", "cat out/app build.sh > package.tar; echo >> package.tar"],
    );
    let text = world.expect(1, &["verify", "package.tar"]);
    assert!(text.contains("artifact-flow") || text.contains("step-evidence"), "{text}");
}

#[test]
fn a_key_is_rotated_and_old_evidence_still_counts() {
    let world = World::built(&[]);
    std::fs::copy(world.artifact(), world.project().join("old-app")).expect("copied");
    let lines = String::from_utf8(world.run(&["key", "rotate"]).stdout).expect("text");
    let block = &lines[lines.find("\n[[functionary]]").expect("block")..lines.find("# and in each").expect("end")];
    let name = block.lines().find(|l| l.starts_with("name")).expect("name").split('"').nth(1).expect("name").to_owned();
    // Until the policy names it, the new key signs for nobody.
    let refused = world.run(&["run", "--", "sh", "build.sh"]);
    assert_ne!(refused.status.code(), Some(0), "{}", text_of(&refused));
    world.edit(".provost/policy.toml", |text| {
        text.replace("# The log that keeps", &format!("{block}\n# The log that keeps"))
            .replace("functionaries = [\"builder\"]", &format!("functionaries = [\"builder\", \"{name}\"]"))
            .replace("serial = 1", "serial = 2")
    });
    world.expect(0, &["policy", "sign"]);
    std::fs::write(world.project().join("src/main.c"), "int main(void) { return 1; }\n").expect("written");
    world.expect(0, &["run", "--", "sh", "build.sh"]);
    world.expect(0, &["verify", "out/app"]);
    world.expect(0, &["verify", "old-app"]);
}

#[test]
fn an_external_command_signs() {
    if std::process::Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: no openssl here");
        return;
    }
    let world = World::new();
    let key = world.root().join("external.key").display().to_string();
    world.expect(0, &["key", "generate", &key]);
    std::fs::write(world.project().join("provost.toml"), format!("[project]\nname = \"x\"\nid = \"x-1\"\n[signer]\ncommand = [\"openssl\", \"dgst\", \"-sha256\", \"-sign\", \"{key}\"]\npublic-key = \"{key}.pub\"\n")).expect("written");
    world.expect(0, &["init"]);
    let text = world.expect(0, &["run", "--", "sh", "build.sh"]);
    assert!(text.contains("external-command"), "{text}");
    world.expect(0, &["verify", "out/app"]);
}

#[test]
fn rego_rules_decide() {
    let world = World::new();
    world.expect(0, &["init"]);
    world.edit(".provost/policy.toml", |text| text.replace("serial = 1", "serial = 2") + "\n[[rego]]\nname = \"no-sh\"\nmodule = \"\"\"\npackage provost\nimport rego.v1\ndeny contains \"a shell was run\" if { some s in input.statements; s.kind == \"process\"; s.predicate.monitorLog.process[_].arguments[0] == \"sh\" }\n\"\"\"\n");
    world.expect(0, &["policy", "sign"]);
    let text = world.expect(1, &["run", "--", "sh", "build.sh"]);
    assert!(text.contains("rego/no-sh") && text.contains("a shell was run"), "{text}");
    world.expect(0, &["run", "--", "env", "sh", "build.sh"]);
}
