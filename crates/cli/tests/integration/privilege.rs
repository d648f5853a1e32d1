//! Rights of pipelines, as people ask for them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::scan::write;
use crate::{World, text_of};

fn report(world: &World, code: i32) -> Value {
    let output = world.run(&["privilege", "--format", "json"]);
    assert_eq!(output.status.code(), Some(code), "{}", text_of(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn rules(report: &Value) -> Vec<(String, String, u64)> {
    let found = report["findings"].as_array().expect("findings");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    found
        .iter()
        .map(|one| (text(&one["rule"]), text(&one["level"]), one["span"]["line"].as_u64().unwrap_or(0)))
        .collect()
}

const COMMIT: &str = "8e5e7e5ab8b370d6c329ec480221332ada57f0ab";

#[test]
fn the_smallest_rights_are_told_and_written() {
    let world = World::new();
    let text = format!(
        "name: release # ours\non:\n  push:\n    branches: [main]\njobs:\n  build: # builds\n    # with care\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@{COMMIT} # v4\n      - uses: ./.github/actions/note\n  comment:\n    runs-on: ubuntu-latest\n    permissions:\n      contents: write # too much\n      pull-requests: write # to comment\n    steps:\n      - run: gh pr comment \"$N\" --body hello\n        env:\n          GH_TOKEN: ${{{{ github.token }}}}\n  odd:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: somebody/something@{COMMIT}\n"
    );
    write(&world, ".github/workflows/release.yml", &text);
    write(
        &world,
        ".github/actions/note/action.yml",
        "runs:\n  using: composite\n  steps:\n    - uses: softprops/action-gh-release@8e5e7e5ab8b370d6c329ec480221332ada57f0ab\n",
    );
    let before = report(&world, 1);
    let job = |report: &Value, name: &str| {
        report["jobs"].as_array().expect("jobs").iter().find(|job| job["job"] == name).expect("a job").clone()
    };
    let build = job(&before, "build");
    assert_eq!((build["needs"]["contents"].as_str(), build["sureness"].as_str()), (Some("write"), Some("known")));
    assert_eq!(build["has"]["from"], "default");
    assert!(build["because"][0]["source"].as_str().is_some_and(|source| source.starts_with("https://")));
    assert_eq!(job(&before, "comment")["needs"], serde_json::json!({"pull-requests": "write"}));
    assert_eq!(job(&before, "comment")["excess"][0]["scope"], "contents");
    assert_eq!(job(&before, "odd")["sureness"], "not-known");
    assert_eq!(job(&before, "odd")["notKnown"][0]["what"], "the action `somebody/something` is not in the table");

    let output = world.run(&["privilege", "--patch"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("job `odd`: what it needs is not known"));
    let mut git =
        Command::new("git").arg("apply").current_dir(world.project()).stdin(Stdio::piped()).spawn().expect("git");
    git.stdin.take().expect("input").write_all(&output.stdout).expect("written");
    assert!(git.wait().expect("git").success(), "{}", text_of(&output));
    let after = std::fs::read_to_string(world.project().join(".github/workflows/release.yml")).expect("file");
    let expected = text
        .replace("  build: # builds\n", "  build: # builds\n    permissions:\n      contents: write\n")
        .replace("      contents: write # too much\n", "");
    assert_eq!(after, expected);
    let judged = report(&world, 1);
    assert_eq!(job(&judged, "build")["has"]["from"], "job");
    assert_eq!(job(&judged, "comment")["excess"], serde_json::json!([]));
    assert!(world.run(&["privilege", "--patch"]).stdout.is_empty(), "a second patch has nothing to do");
}

#[test]
fn what_outside_people_can_do() {
    let world = World::new();
    write(
        &world,
        ".github/workflows/pr.yml",
        "on: [pull_request_target, issue_comment]\npermissions: write-all\njobs:\n  test:\n    runs-on: [self-hosted]\n    steps:\n      - uses: actions/checkout@v4\n        with:\n          ref: ${{ github.event.pull_request.head.sha }}\n      - uses: actions/cache@v4\n      - run: |\n          npm install\n          echo \"${{ github.event.pull_request.title }}\"\n        env:\n          T: ${{ secrets.DEPLOY }}\n",
    );
    write(
        &world,
        ".github/workflows/run.yml",
        "on:\n  workflow_run: {workflows: [x]}\npermissions: {}\njobs:\n  take:\n    runs-on: ubuntu-latest\n    container: node:20\n    steps:\n      - uses: actions/download-artifact@v4\n        with: {run-id: \"${{ github.event.workflow_run.id }}\"}\n      - run: ./out/run\n  call:\n    uses: a/b/.github/workflows/c.yml@main\n    secrets: inherit\n",
    );
    write(
        &world,
        ".gitlab-ci.yml",
        "include:\n  - remote: https://x.example/a.yml\ntest:\n  image: alpine\n  id_tokens: {T: {aud: x}}\n  script:\n    - sh -c \"echo $CI_MERGE_REQUEST_TITLE\"\n  rules:\n    - if: $CI_PIPELINE_SOURCE == \"merge_request_event\"\n",
    );
    let found = rules(&report(&world, 1));
    for (rule, level, line) in [
        ("write-all-permissions", "error", 2),
        ("self-hosted-runner", "warning", 5),
        ("unpinned-action", "warning", 7),
        ("untrusted-checkout", "error", 7),
        ("cache-shared", "error", 10),
        ("script-injection", "error", 13),
        ("unpinned-image", "warning", 7),
        ("artifact-poisoning", "error", 9),
        ("mutable-workflow", "warning", 13),
        ("secrets-inherit", "warning", 14),
        ("gitlab-include", "warning", 2),
        ("gitlab-script-injection", "error", 7),
        ("gitlab-untrusted-identity", "error", 5),
        ("unseen-rights", "note", 1),
    ] {
        assert!(found.contains(&(rule.to_owned(), level.to_owned(), line)), "{rule} {level} {line}: {found:#?}");
    }
    assert_eq!(world.run(&["privilege", "--fail-on", "never"]).status.code(), Some(0));
    let sarif: Value = serde_json::from_slice(&world.run(&["privilege", "--format", "sarif"]).stdout).expect("JSON");
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), found.len());
    assert!(results.iter().all(|result| result["ruleIndex"].is_number()));
}

#[test]
fn safe_pipelines_have_no_errors() {
    let world = World::new();
    write(
        &world,
        ".github/workflows/ci.yml",
        &format!(
            "on: pull_request\npermissions: {{}}\njobs:\n  test:\n    runs-on: ubuntu-latest\n    permissions:\n      contents: read\n    steps:\n      - uses: actions/checkout@{COMMIT}\n      - run: echo \"$TITLE\"\n        env:\n          TITLE: ${{{{ github.event.pull_request.title }}}}\n"
        ),
    );
    assert_eq!(rules(&report(&world, 0)), []);
    assert!(world.run(&["privilege", "--patch"]).stdout.is_empty());
}

#[test]
fn hostile_files_are_told_and_not_followed() {
    let world = World::new();
    write(&world, ".github/workflows/bad.yml", "jobs: [\n");
    let text = world.expect(3, &["privilege"]);
    assert!(text.contains("unreadable-pipeline"), "{text}");
    std::fs::remove_file(world.project().join(".github/workflows/bad.yml")).expect("removed");
    write(&world, "../outside.yml", "on: push\njobs: {a: {steps: [{run: \"cat secret\"}]}}\n");
    std::os::unix::fs::symlink("../../../outside.yml", world.project().join(".github/workflows/link.yml"))
        .expect("link");
    let text = world.expect(0, &["privilege"]);
    assert!(text.contains("is not followed") && !text.contains("cat secret"), "{text}");
    std::fs::remove_file(world.project().join(".github/workflows/link.yml")).expect("removed");
    write(
        &world,
        ".github/workflows/odd.yml",
        "on: push\njobs:\n  \"a\\e[2J\":\n    steps:\n      - uses: \"x\\e[2J/y@v1\"\n      - uses: ./../../etc\n",
    );
    let output = world.run(&["privilege"]);
    assert!(!output.stdout.contains(&0x1b), "{}", text_of(&output));
    world.expect(2, &["privilege", "no-such-directory"]);
}

/// An action that a thousand steps call, each of a thousand jobs: the work is bounded, and what was not looked at is not
/// known.
#[test]
fn files_that_call_each_other_come_to_an_end() {
    let world = World::new();
    let script = "make\n          ".repeat(20_000);
    let action = |inner: &str| format!("runs:\n  using: composite\n  steps:\n{inner}");
    let calls = |name: &str| format!("    - uses: ./{name}\n").repeat(900);
    write(&world, "a/action.yml", &action(&calls("b")));
    write(
        &world,
        "b/action.yml",
        &action(&format!("    - shell: sh\n      run: |\n          {script}\n    - uses: ./a\n")),
    );
    let jobs: String = (0..900).map(|n| format!("  j{n}:\n    steps:\n      - uses: ./a\n")).collect();
    write(&world, ".github/workflows/x.yml", &format!("on: push\njobs:\n{jobs}"));
    let begun = std::time::Instant::now();
    let told = report(&world, 1);
    assert!(told["jobs"].as_array().expect("jobs").iter().all(|job| job["sureness"] == "not-known"));
    assert!(begun.elapsed().as_secs() < 120, "{:?}", begun.elapsed());
}
