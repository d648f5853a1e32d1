//! Critical steps: a run starts by a verdict of exactly what it runs on, once.

use provost_gate::{Answer, Binding, GateVerdict, Receipt, ReceiptKind};
use serde_json::Value;

use crate::court::{Court, HOUR, now};

const RELEASE: &str = r#"
[[step]]
name = "release"
functionaries = ["builder"]
threshold = 1
require = ["environment", "process"]

[[protect]]
name = "all"
refs = ["refs/heads/**"]

[[protect]]
name = "release"
refs = ["refs/heads/main"]
steps = ["release"]
approvals = 1
by = ["maintainer"]
"#;

/// A court in which `release` may run for main: Ada approved it.
fn approved() -> Court {
    let court = Court::new(RELEASE);
    court.fetch("ada");
    court.expect(
        "ada",
        0,
        &["approve", "origin/main", "--onto", "main", "--step", "release", "--yes", "--push", "origin"],
    );
    court.fetch("ci");
    court
}

fn run(court: &Court, code: i32) -> String {
    court.expect("ci", code, &["run", "--step", "release", "--", "sh", "-c", "echo released-$((40+2))"])
}

/// The verdict on `release` for what is checked out.
fn verdict(court: &Court, code: i32) -> Value {
    let text = court.output("ci", &["gate", "--step", "release", "--onto", "main", "--format", "json"]);
    assert_eq!(text.status.code(), Some(code), "{}", crate::text_of(&text));
    serde_json::from_slice(&text.stdout).expect("json")
}

/// Puts a verdict into the log that the gate would not give.
fn craft(court: &Court, judged: &Value, stranger: bool, change: impl Fn(&mut GateVerdict)) {
    let of: Binding = serde_json::from_value(judged["proposal"].clone()).expect("binding");
    let mut made = GateVerdict {
        of,
        answer: Answer::Allow,
        until: None,
        decided_on: now(),
        time_source: "clock".into(),
        expires: now().plus_milliseconds(HOUR),
        id: format!("crafted-{}", now().milliseconds()),
        policy_name: "project".into(),
        policy_serial: 2,
        approvals: Vec::new(),
        broken_glass: None,
        rules: serde_json::json!([]),
    };
    change(&mut made);
    court.log(&made.statement().expect("statement"), stranger);
}

#[test]
fn a_critical_step_runs_by_a_verdict_once() {
    let court = approved();
    let text = run(&court, 1);
    assert!(text.contains("the log holds no verdict for it") && !text.contains("released-42"), "{text}");
    assert_eq!(verdict(&court, 0)["answer"], "allow");
    let text = run(&court, 0);
    assert!(text.contains("released-42"), "{text}");
    // Replayed.
    let text = run(&court, 1);
    assert!(text.contains("let a run start already") && !text.contains("released-42"), "{text}");
    // What the run's evidence says.
    let (store, ..) = court.store();
    let environment = (0..store.checkpoint().expect("checkpoint").unverified().size)
        .filter_map(|index| store.envelope(index).ok())
        .map(|envelope| String::from_utf8_lossy(envelope.unverified_payload()).into_owned())
        .find(|text| text.contains("gate-verdict\"") && text.contains("taken in entry"));
    assert!(environment.is_some());
    // Other steps need none.
    court.expect("ci", 0, &["run", "--step", "build", "--", "true"]);
    // The gate runs it itself as well.
    let text = court.expect(
        "ci",
        0,
        &["gate", "--step", "release", "--onto", "main", "--", "sh", "-c", "echo released-$((40+2))"],
    );
    assert!(text.contains("released-42"), "{text}");
}

#[test]
fn a_step_that_nobody_approved() {
    let court = Court::new(RELEASE);
    assert_eq!(verdict(&court, 1)["answer"], "needs-approval");
    let text = run(&court, 1);
    assert!(text.contains("is needs-approval"), "{text}");
    // Whoever made the last commit does not approve that it is released.
    let judged = verdict(&court, 1);
    let people = judged["contributors"].to_string();
    assert!(people.contains("ci@example.com"), "{people}");
}

#[test]
fn verdicts_of_something_else_are_refused_each_with_its_own_words() {
    let court = approved();
    verdict(&court, 0);
    // A tree that is not exactly the commit.
    court.write("ci", "left", "x\n");
    assert!(run(&court, 1).contains("the working tree is not exactly the commit"));
    std::fs::remove_file(court.clone_of("ci").join("left")).expect("removed");
    // Another ref.
    let text = court.expect("ci", 1, &["run", "--step", "release", "--ref", "refs/tags/v1", "--", "true"]);
    assert!(text.contains("is for refs/heads/main, and this runs for refs/tags/v1"), "{text}");
    court.git("ci", &["switch", "-q", "--detach"]);
    assert!(run(&court, 1).contains("HEAD is detached"));
    court.git("ci", &["switch", "-q", "main"]);
    // Another commit.
    court.commit("ci", "src/b.c", "int b;\n");
    let text = run(&court, 1);
    assert!(text.contains("the last verdict for `release` is of"), "{text}");
    // One that is not on the ref at all.
    court.git("ci", &["reset", "-q", "--hard", "origin/main"]);
    court.git("ci", &["switch", "-q", "-c", "side"]);
    court.commit("ci", "src/c.c", "int c;\n");
    let judged = verdict(&court, 1);
    assert_eq!(judged["answer"], "deny");
    assert!(judged["rules"].to_string().contains("is not on refs/heads/main"), "{judged:#}");
    // Another policy.
    court.git("ci", &["switch", "-q", "main"]);
    let judged = verdict(&court, 0);
    let court = Court::new(RELEASE);
    let of_this = verdict(&court, 1);
    craft(&court, &of_this, false, |made| made.of.policy = provost_model::sha256(judged.to_string().as_bytes()));
    // The gate's own verdict under this policy is older, and says that nobody approved.
    let text = run(&court, 1);
    assert!(text.contains("is needs-approval"), "{text}");
}

#[test]
fn a_verdict_under_another_policy() {
    let court = approved();
    let judged = serde_json::to_value(verdict_without_log(&court)).expect("json");
    craft(&court, &judged, false, |made| made.of.policy = provost_model::sha256(b"another"));
    assert!(run(&court, 1).contains("was given under another policy"));
}

/// As [`verdict`], and nothing of it in the log.
fn verdict_without_log(court: &Court) -> Value {
    let arguments = ["gate", "--step", "release", "--onto", "main", "--format", "json", "--no-attest"];
    serde_json::from_slice(&court.output("ci", &arguments).stdout).expect("json")
}

#[test]
fn expired_foreign_and_future_verdicts() {
    let court = approved();
    let judged = verdict_without_log(&court);
    // By a key that the policy names for nothing: as if it were not there.
    craft(&court, &judged, true, |_| {});
    assert!(run(&court, 1).contains("the log holds no verdict"));
    craft(&court, &judged, false, |made| made.expires = now().plus_milliseconds(-1));
    assert!(run(&court, 1).contains("expired on"));
    craft(&court, &judged, false, |made| made.decided_on = now().plus_milliseconds(HOUR));
    assert!(run(&court, 1).contains("dated in the future"));
    craft(&court, &judged, false, |made| made.answer = Answer::RunSandboxed);
    assert!(run(&court, 1).contains("without network, secrets and privilege only"));
    // A later refusal takes an earlier verdict's place.
    craft(&court, &judged, false, |_| {});
    craft(&court, &judged, false, |made| made.answer = Answer::Deny);
    assert!(run(&court, 1).contains("is deny"));
    craft(&court, &judged, false, |_| {});
    run(&court, 0);
}

#[test]
fn a_withdrawn_approval_takes_the_verdict_with_it() {
    let court = approved();
    verdict(&court, 0);
    court.fetch("ada");
    court.expect(
        "ada",
        0,
        &[
            "withdraw",
            "--mine",
            "--head",
            "origin/main",
            "--onto",
            "main",
            "--step",
            "release",
            "--yes",
            "--push",
            "origin",
        ],
    );
    court.fetch("ci");
    assert_eq!(verdict(&court, 1)["answer"], "needs-approval");
    assert!(run(&court, 1).contains("is needs-approval"));
}

#[test]
fn two_runs_ask_at_once_and_one_starts() {
    let court = approved();
    let judged = verdict(&court, 0);
    let start = |number: u32| {
        let file = court.root().join(format!("started-{number}"));
        let script = format!("touch {}", file.display());
        let mut command =
            court.command("ci", &["run", "-q", "--no-isolation", "--step", "release", "--", "sh", "-c", &script]);
        (file, command.stderr(std::process::Stdio::null()).spawn().expect("starts"))
    };
    let (one, two) = (start(1), start(2));
    let mut started = 0;
    for (file, mut child) in [one, two] {
        child.wait().expect("ends");
        started += u32::from(file.exists());
    }
    assert_eq!(started, 1);
    // A use that someone else put on record counts too.
    let of: Binding = serde_json::from_value(judged["proposal"].clone()).expect("binding");
    let id = verdict(&court, 0)["verdict"]["id"].as_str().expect("id").to_owned();
    let of = ReceiptKind::Use { verdict: id, of, invocation: "urn:x".into() };
    let receipt = Receipt { of, received_on: now(), from: None };
    court.log(&receipt.statement().expect("statement"), false);
    assert!(run(&court, 1).contains("let a run start already"));
}

#[test]
fn a_step_beside_the_project_asks_as_well() {
    let court = approved();
    verdict(&court, 0);
    let below = |name: &str| {
        let files = provost_testkit::files_below(&court.home("ci").join("provost"));
        files.into_iter().find(|path| path.ends_with(name)).unwrap_or_else(|| panic!("{name}"))
    };
    let (key, log, store) = (below("builder.key"), below("log.key"), below("format"));
    let elsewhere = court.root().join("elsewhere");
    std::fs::create_dir_all(&elsewhere).expect("folder");
    for home in ["ci", "nobody"] {
        let run = |step: &str| {
            let mut command =
                court.command("ci", &["run", "--step", step, "--", "sh", "-c", "echo released-$((40+2))"]);
            command.current_dir(&elsewhere).env("PROVOST_HOME", court.root().join("homes").join(home).join("provost"));
            command.env("PROVOST_KEY", &key).env("PROVOST_LOG_KEY", &log);
            command.env("PROVOST_STORE", store.parent().expect("folder"));
            command.output().expect("runs")
        };
        let size = court.store().0.checkpoint().expect("checkpoint").unverified().size;
        let output = run("release");
        let text = crate::text_of(&output);
        assert_eq!(output.status.code(), Some(3), "{home}: {text}");
        assert!(text.contains("gates `release`") && !text.contains("released-42"), "{home}: {text}");
        assert_eq!(court.store().0.checkpoint().expect("checkpoint").unverified().size, size, "{home}");
    }
}

#[test]
fn the_commit_itself_is_no_base_of_a_step() {
    let court = Court::new(RELEASE);
    court.git("ada", &["switch", "-q", "main"]);
    let head = court.commit("ada", "src/e.c", "int e;\n");
    court.git("ada", &["push", "-q", "origin", "main"]);
    court.fetch("ada");
    court.git("ci", &["pull", "-q"]);
    let step = ["--onto", "main", "--step", "release"];
    for (code, command) in [(2, &["approve", "--yes"][..]), (3, &["gate"])] {
        let text = court.expect("ada", code, &[command, &step, &["--base", "HEAD"]].concat());
        assert!(text.contains("leave --base out"), "{text}");
    }
    // A verdict with such a base, from whoever may give verdicts, starts nothing.
    let judged = verdict_without_log(&court);
    craft(&court, &judged, false, |made| made.of.base = Some(head.clone()));
    let text = run(&court, 1);
    assert!(text.contains("another base than the first parent"), "{text}");
}

#[test]
fn whoever_made_what_was_not_released_yet_does_not_approve_it() {
    let court = approved();
    verdict(&court, 0);
    run(&court, 0);
    // Ada's commit, and one of Bob's on top.
    for who in ["ada", "bob"] {
        court.fetch(who);
        court.git(who, &["reset", "-q", "--hard", "origin/main"]);
        court.commit(who, &format!("src/{who}.c"), "int x;\n");
        court.git(who, &["push", "-q", "origin", "HEAD:main"]);
    }
    court.git("ci", &["pull", "-q"]);
    let approve = |who: &str| {
        court.fetch(who);
        let arguments = ["approve", "origin/main", "--onto", "main", "--step", "release", "--yes", "--push", "origin"];
        court.expect(who, 0, &arguments);
        court.fetch("ci");
    };
    approve("ada");
    let judged = verdict(&court, 1);
    assert_eq!(judged["answer"], "needs-approval", "{judged:#}");
    approve("cyd");
    assert_eq!(verdict(&court, 0)["answer"], "allow");
}

#[test]
fn marks_of_the_index_hide_no_change_from_a_step() {
    let court = approved();
    verdict(&court, 0);
    let file = court.clone_of("ci").join("src/main.c");
    let good = std::fs::read_to_string(&file).expect("read");
    for (set, unset) in [("--assume-unchanged", "--no-assume-unchanged"), ("--skip-worktree", "--no-skip-worktree")] {
        court.git("ci", &["update-index", set, "src/main.c"]);
        std::fs::write(&file, "int main(void) { return 1; }\n").expect("written");
        assert_eq!(court.git("ci", &["status", "--porcelain"]), "");
        let text = run(&court, 1);
        assert!(text.contains("is not exactly the commit") && text.contains("src/main.c"), "{set}: {text}");
        std::fs::write(&file, &good).expect("written");
        court.git("ci", &["update-index", unset, "src/main.c"]);
    }
    // A mark on a file that is as it should be is no difference.
    court.git("ci", &["update-index", "--assume-unchanged", "src/main.c"]);
    run(&court, 0);
}

#[test]
fn a_verdict_of_a_revoked_functionary() {
    let court = approved();
    let text = verdict(&court, 0).to_string();
    assert!(text.contains("\"allow\""), "{text}");
    court.change_policy(|text| {
        text.replacen(
            "name = \"builder\"\npublic-key",
            "name = \"builder\"\nrevoked-at = \"2020-01-01T00:00:00Z\"\npublic-key",
            1,
        )
    });
    let text = court.expect("ci", 1, &["gate", "--step", "release", "--onto", "main"]);
    assert!(text.contains("no step will take this verdict"), "{text}");
    let text = run(&court, 1);
    assert!(text.contains("the log holds no verdict for it"), "{text}");
}
