//! `provost scan`, as people and git's hooks run it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::{World, text_of};

/// A value that is found; put together so that this file holds none.
fn secret() -> String {
    ["h4Kq0zPx", "9WvT2mLr", "Q7sN"].concat()
}

fn git(world: &World, directory: &Path, arguments: &[&str]) -> Output {
    Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", world.root())
        .env("PROVOST_HOME", world.root().join("home"))
        .output()
        .expect("git runs")
}

pub(crate) fn git_ok(world: &World, arguments: &[&str]) -> String {
    let output = git(world, &world.project(), arguments);
    assert!(output.status.success(), "git {arguments:?}: {}", text_of(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(crate) fn write(world: &World, file: &str, text: &str) {
    let path = world.project().join(file);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
    std::fs::write(path, text).expect("file");
}

pub(crate) fn commit(world: &World, message: &str) -> String {
    git_ok(world, &["add", "-A"]);
    git_ok(world, &["commit", "-q", "-m", message]);
    git_ok(world, &["rev-parse", "HEAD"])
}

fn json(world: &World, code: i32, arguments: &[&str]) -> Value {
    let all = [&["scan", "secrets", "--format", "json"], arguments].concat();
    let output = world.run(&all);
    assert_eq!(output.status.code(), Some(code), "{all:?}\n{}", text_of(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_tree_with_and_without() {
    let world = World::new();
    assert!(world.expect(0, &["scan", "secrets"]).contains("no secrets found"));
    write(&world, "app.env", &format!("# settings\nAPI_TOKEN={}\n", secret()));
    let text = world.expect(1, &["scan", "secrets"]);
    assert!(text.contains("app.env:2:11") && text.contains("1 secret found"), "{text}");
    assert!(!text.contains(&secret()) && !text.contains('\u{1b}'), "{text}");
    let report = json(&world, 1, &[]);
    assert_eq!(report["findings"][0]["rule"], "generic-secret");
    assert_eq!((&report["findings"][0]["line"], &report["complete"]), (&2.into(), &true.into()));
    let again = json(&world, 1, &[]);
    assert_eq!(report, again);
    assert_eq!(world.run(&["scan", "app.env"]).status.code(), Some(1));
    assert_eq!(world.run(&["scan", "secrets", "nowhere"]).status.code(), Some(2));
    assert_eq!(world.run(&["scan", "secrets", "--show"]).status.code(), Some(2));
}

#[test]
fn every_format_holds_the_finding_and_no_secret() {
    let world = World::new();
    write(&world, "a b/ü.env", &format!("API_TOKEN={}\n", secret()));
    for (format, mark) in [
        ("text", "generic-secret"),
        ("json", "\"generic-secret\""),
        ("sarif", "\"startColumn\": 11"),
        ("gitlab", "\"secret_detection\""),
        ("github", "::error file=a b/ü.env,line=1"),
    ] {
        let output = world.run(&["scan", "secrets", "-q", "--format", format]);
        let text = text_of(&output);
        assert!(text.contains(mark), "{format}: {text}");
        assert!(!text.contains(&secret()[..8]), "{format}: {text}");
        assert_eq!(output.status.code(), Some(1));
        if matches!(format, "json" | "sarif" | "gitlab") {
            serde_json::from_slice::<Value>(&output.stdout).expect("JSON");
        }
    }
    world.expect(1, &["scan", "secrets", "--format", "sarif", "-o", "out.sarif"]);
    assert!(world.project().join("out.sarif").exists());
}

#[test]
fn standard_input_and_what_could_not_be_scanned() {
    let world = World::new();
    let mut child = world
        .command(&["scan", "secrets", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let line = format!("+ curl --header 'Authorization: Bearer {}'\n", secret());
    child.stdin.take().expect("a pipe").write_all(line.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(1), "{}", text_of(&output));
    // An archive deeper than allowed: nothing found, and not clean.
    let packed = |inner: &Path, outer: &Path| {
        let mut tar = Command::new("tar");
        tar.arg("cf").arg(outer).arg("-C").arg(inner.parent().expect("a folder"));
        assert!(tar.arg(inner.file_name().expect("a name")).status().expect("tar runs").success());
    };
    write(&world, "deep/a.txt", "plain\n");
    packed(&world.project().join("deep/a.txt"), &world.root().join("one.tar"));
    packed(&world.root().join("one.tar"), &world.project().join("two.tar"));
    let report = json(&world, 3, &["two.tar", "--depth", "1"]);
    assert_eq!((&report["complete"], &report["coverage"]["partial"]), (&false.into(), &1.into()));
    json(&world, 0, &["two.tar", "--depth", "1", "--allow-partial"]);
    json(&world, 0, &["two.tar"]);
}

#[test]
fn history_with_what_was_taken_out_again() {
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    commit(&world, "first");
    write(&world, "conf/app.env", &format!("API_TOKEN={}\n", secret()));
    let brought = commit(&world, "with a secret");
    write(&world, "conf/app.env", "API_TOKEN=${TOKEN}\n");
    let clean = commit(&world, "without it");
    json(&world, 0, &[]);
    for packed in [false, true] {
        if packed {
            git_ok(&world, &["gc", "-q"]);
        }
        let report = json(&world, 1, &["--git"]);
        let found = &report["findings"][0];
        assert_eq!(report["findings"].as_array().map(Vec::len), Some(1), "{report:#}");
        assert_eq!((found["path"].as_str(), found["commit"].as_str()), (Some("conf/app.env"), Some(brought.as_str())));
    }
    json(&world, 0, &["--range", &format!("{brought}..{clean}")]);
    let range = json(&world, 1, &["--range", &format!("{brought}~1..{clean}")]);
    assert_eq!(range["findings"][0]["commit"], brought.as_str());
    assert_eq!(world.run(&["scan", "secrets", "--range", "nowhere..HEAD"]).status.code(), Some(2));
    json(&world, 1, &["--since", "2020-01-01"]);
    json(&world, 0, &["--since", "2999-01-01"]);
    json(&world, 1, &["--git", "."]);
    // No branch reaches it any more: it is still there.
    git_ok(&world, &["checkout", "-q", "--orphan", "other"]);
    commit(&world, "anew");
    git_ok(&world, &["branch", "-q", "-D", "main"]);
    git_ok(&world, &["reflog", "expire", "--expire=now", "--all"]);
    let report = json(&world, 1, &["--git"]);
    let why = report["findings"][0]["why"].to_string();
    assert!(why.contains("no branch or tag reaches it"), "{why}");
}

#[test]
fn stash_tags_and_messages_belong_to_the_history() {
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    commit(&world, "first");
    write(&world, "src/main.c", &format!("// API_TOKEN=\"{}\"\n", secret()));
    git_ok(&world, &["stash", "-q"]);
    assert_eq!(json(&world, 1, &["--git"])["findings"][0]["path"], "src/main.c");
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    commit(&world, &format!("use API_TOKEN={}", secret()));
    assert_eq!(json(&world, 1, &["--git"])["findings"][0]["path"], "commit message");
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    commit(&world, "first");
    git_ok(&world, &["tag", "-a", "v1", "-m", &format!("API_TOKEN={}", secret())]);
    assert_eq!(json(&world, 1, &["--git"])["findings"][0]["path"], "tag message");
}

#[test]
fn what_is_staged_stops_a_commit() {
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    commit(&world, "first");
    world.expect(0, &["scan", "hook", "install"]);
    assert_eq!(world.run(&["scan", "hook", "install"]).status.code(), Some(2));
    let path = std::env::var("PATH").unwrap_or_default();
    let binary = Path::new(env!("CARGO_BIN_EXE_provost")).parent().expect("a folder");
    let try_commit = || {
        Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "next"])
            .current_dir(world.project())
            .env_clear()
            .env("PATH", format!("{}:{path}", binary.display()))
            .env("HOME", world.root())
            .env("PROVOST_HOME", world.root().join("home"))
            .output()
            .expect("git runs")
    };
    write(&world, "app.env", &format!("API_TOKEN={}\n", secret()));
    git_ok(&world, &["add", "-A"]);
    // What is staged counts, not what lies in the tree.
    write(&world, "app.env", "API_TOKEN=${TOKEN}\n");
    let output = try_commit();
    assert!(!output.status.success() && text_of(&output).contains("app.env:1:11"), "{}", text_of(&output));
    git_ok(&world, &["add", "-A"]);
    assert!(try_commit().status.success());
}

#[test]
fn a_push_with_a_secret_in_an_older_commit_is_refused() {
    for limit in ["1", "1000"] {
        let world = World::new();
        git_ok(&world, &["init", "-q"]);
        commit(&world, "first");
        let bare = world.root().join("server.git");
        git_ok(&world, &["clone", "-q", "--bare", ".", &bare.to_string_lossy()]);
        git(&world, &bare, &["config", "receive.unpackLimit", limit]);
        let hook = bare.join("hooks/pre-receive");
        let script = format!("#!/bin/sh\nexec '{}' scan hook pre-receive\n", env!("CARGO_BIN_EXE_provost"));
        std::fs::create_dir_all(bare.join("hooks")).expect("folder");
        std::fs::write(&hook, script).expect("hook");
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("mode");
        git_ok(&world, &["remote", "add", "origin", &bare.to_string_lossy()]);
        write(&world, "README", "plain\n");
        commit(&world, "plain");
        let pushed = git(&world, &world.project(), &["push", "-q", "origin", "main"]);
        assert!(pushed.status.success(), "{}", text_of(&pushed));
        write(&world, "app.env", &format!("API_TOKEN={}\n", secret()));
        commit(&world, "with");
        write(&world, "app.env", "API_TOKEN=${TOKEN}\n");
        commit(&world, "without");
        let refused = git(&world, &world.project(), &["push", "-q", "origin", "main"]);
        let text = text_of(&refused);
        assert!(!refused.status.success() && text.contains("app.env") && text.contains("refused"), "{text}");
        assert!(!text.contains(&secret()), "{text}");
    }
}

#[test]
fn known_findings_do_not_fail_and_new_ones_do() {
    let world = World::new();
    write(&world, "old.env", &format!("API_TOKEN={}\n", secret()));
    world.expect(0, &["scan", "secrets", "--write-baseline", "known.json"]);
    let known = std::fs::read_to_string(world.project().join("known.json")).expect("a baseline");
    assert!(!known.contains(&secret()[..8]), "{known}");
    world.expect(0, &["scan", "secrets", "--baseline", "known.json"]);
    // Another line, another home: the baseline has the key.
    write(&world, "old.env", &format!("# moved\n\nAPI_TOKEN={}\n", secret()));
    let other = world.command_at(&world.root().join("elsewhere"), &["scan", "secrets", "--baseline", "known.json"]);
    let output = { other }.output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
    // The same in another file is new.
    write(&world, "copy.env", &format!("API_TOKEN={}\n", secret()));
    let report = json(&world, 1, &["--baseline", "known.json"]);
    let states: Vec<_> = report["findings"].as_array().expect("a list").iter().map(|f| f["state"].clone()).collect();
    assert_eq!(states, ["new", "known"]);
    write(&world, "known.json", "{}");
    assert_eq!(world.run(&["scan", "secrets", "--baseline", "known.json"]).status.code(), Some(2));
}

#[test]
fn suppressions_need_reasons_and_expire_and_are_missed() {
    let world = World::new();
    write(&world, "app.env", &format!("API_TOKEN={}\n", secret()));
    let list = |until: &str| {
        format!(
            "[[suppression]]\npath = \"app.env\"\nreason = \"test value\"\nuntil = \"{until}\"\n[[suppression]]\npath = \"gone\"\nreason = \"old one\"\n"
        )
    };
    std::fs::write(world.root().join("s.toml"), list("2999-12-31")).expect("file");
    let text = world.expect(0, &["scan", "secrets", "--suppressions", "../s.toml"]);
    assert!(text.contains("1 suppressed") && text.contains("suppresses nothing"), "{text}");
    std::fs::write(world.root().join("s.toml"), list("2020-01-01")).expect("file");
    let text = world.expect(1, &["scan", "secrets", "--suppressions", "../s.toml"]);
    assert!(text.contains("expired on 2020-01-01"), "{text}");
    std::fs::write(world.root().join("s.toml"), "[[suppression]]\npath = \"app.env\"\nreason = \"\"\n").expect("file");
    assert_eq!(world.run(&["scan", "secrets", "--suppressions", "../s.toml"]).status.code(), Some(2));
}

#[test]
fn the_change_has_no_say_over_its_own_scan() {
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    commit(&world, "base");
    let mark = format!("API_TOKEN={} # provost:allow reason=\"test value\"\n", secret());
    write(&world, "app.env", &mark);
    write(&world, ".provost/suppressions.toml", "[[suppression]]\npath = \"**\"\nreason = \"all is well\"\n");
    write(&world, ".gitleaksignore", "app.env:generic:1\n");
    write(&world, ".gitleaks.toml", "[allowlist]\npaths = ['.*']\n");
    json(&world, 1, &[]);
    json(&world, 1, &["--base", "HEAD"]);
    let base = commit(&world, "someone approved it");
    json(&world, 0, &["--base", &base]);
    json(&world, 1, &[]);
    // A mark alone, at the base.
    write(&world, ".provost/suppressions.toml", "");
    let base = commit(&world, "marks alone");
    json(&world, 0, &["--base", &base]);
    json(&world, 0, &["--honour-marks"]);
}

#[test]
fn the_statement_says_what_was_scanned_and_not() {
    let world = World::built(&[]);
    write(&world, "app.env", &format!("API_TOKEN={}\n", secret()));
    let text = world.expect(1, &["scan", "secrets", "--attest", "src", "app.env"]);
    assert!(text.contains("signed statement: entry"), "{text}");
    let log = world.expect(0, &["log", "show"]);
    assert!(log.contains("test-result"), "{log}");
    let store = provost_testkit::files_below(&world.store());
    let kept: String = store
        .iter()
        .filter_map(|path| std::fs::read(path).ok())
        .map(|b| String::from_utf8_lossy(&b).into_owned())
        .collect();
    assert!(!kept.contains(&secret()[..8]));
    assert_eq!(world.run(&["scan", "secrets", "--attest", "-"]).status.code(), Some(2));
}

#[test]
fn users_bring_rules_of_their_own() {
    let world = World::new();
    let token = ["acme_", "4k2j9x7b3n", "5m8q1w6e0r"].concat();
    write(&world, "a.txt", &format!("x {token}\n"));
    let rules = r#"
[family]
id = "acme"
name = "Acme"
documentation = "https://acme.example/tokens"
revoke = "https://acme.example/revoke"
[[rule]]
id = "acme-token"
name = "Acme token"
description = "Everything at Acme."
severity = "high"
confidence = "high"
keywords = ["acme_"]
pattern = 'acme_[0-9a-z]{20}'
positive = ["acme_{+}9f3k2m5n8b7v1c4x6z0q"]
negative = ["acme_short"]
"#;
    std::fs::write(world.root().join("acme.toml"), rules).expect("file");
    json(&world, 0, &[]);
    assert_eq!(json(&world, 1, &["--rules", "../acme.toml"])["findings"][0]["rule"], "acme-token");
    world.expect(0, &["scan", "rules", "--check", "../acme.toml"]);
    std::fs::write(world.root().join("acme.toml"), rules.replace("{20}", "{20")).expect("file");
    let output = world.run(&["scan", "secrets", "--rules", "../acme.toml"]);
    assert!(output.status.code() == Some(2) && text_of(&output).contains("acme-token"), "{}", text_of(&output));
    world.expect(0, &["scan", "rules", "github"]);
}

#[test]
fn a_run_is_looked_at_for_secrets() {
    let world = World::new();
    world.expect(0, &["init"]);
    let script = format!("cp src/main.c main.o && printf 'API_TOKEN=%s\\n' {} > config.env", secret());
    std::fs::write(world.project().join("build.sh"), script).expect("file");
    let mut command =
        world.command(&["run", "--scan", "--json", "r.json", "--sarif", "r.sarif", "--", "sh", "build.sh"]);
    let token = ["h4Kq0zPx", "8WvT2mLs", "R7tN"].concat();
    let output = command.env("DEPLOY_TOKEN", &token).output().expect("runs");
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("config.env, line 1"), "{text}");
    let report = std::fs::read_to_string(world.project().join("r.json")).expect("a report");
    assert!(report.contains("secret-in-environment") && report.contains("DEPLOY_TOKEN"), "{report}");
    let sarif = std::fs::read_to_string(world.project().join("r.sarif")).expect("a report");
    assert!(sarif.contains("config.env"), "{sarif}");
    for kept in [&text, &report, &sarif] {
        assert!(!kept.contains(&token) && !kept.contains(&secret()), "{kept}");
    }
}

#[test]
fn a_commit_of_all_changes_is_scanned_by_the_hook() {
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    commit(&world, "first");
    world.expect(0, &["scan", "hook", "install"]);
    write(&world, "src/main.c", &format!("// API_TOKEN=\"{}\"\n", secret()));
    let path = std::env::var("PATH").unwrap_or_default();
    let binary = Path::new(env!("CARGO_BIN_EXE_provost")).parent().expect("a folder");
    for how in [&["-a"][..], &["src/main.c"]] {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "next"])
            .args(how)
            .current_dir(world.project())
            .env_clear()
            .env("PATH", format!("{}:{path}", binary.display()))
            .env("HOME", world.root())
            .env("PROVOST_HOME", world.root().join("home"))
            .output()
            .expect("git runs");
        assert!(!output.status.success(), "{how:?}: {}", text_of(&output));
    }
    git_ok(&world, &["config", "core.hooksPath", "elsewhere"]);
    assert_eq!(world.run(&["scan", "hook", "install"]).status.code(), Some(2));
}

#[test]
fn another_name_of_a_file_does_not_weaken_the_scan_of_a_history() {
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    write(&world, "config.env", &format!("DB_PASSWORD={}\n", secret()));
    write(&world, "a/checksums.txt", &format!("DB_PASSWORD={}\n", secret()));
    commit(&world, "two names");
    json(&world, 1, &["--git"]);
}

#[test]
fn a_mark_of_one_version_says_nothing_of_another() {
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    let marked = format!("a = 1\nb_token = \"{}\" # provost:allow reason=\"test key only\"\n", secret());
    write(&world, "conf.py", &marked);
    let base = commit(&world, "marked");
    let other = ["Zx8kQ2vT", "7pLm3wR9", "bH5d"].concat();
    write(&world, "conf.py", &format!("a = 1\nb_token = \"{other}\"\n"));
    commit(&world, "another");
    write(&world, "conf.py", &marked);
    commit(&world, "back");
    json(&world, 0, &["--base", &base]);
    json(&world, 1, &["--range", &format!("{base}..HEAD"), "--base", &base]);
}

#[test]
fn a_repository_that_lacks_objects_is_not_clean() {
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    write(&world, "data.txt", "plain\n");
    commit(&world, "first");
    let id = git_ok(&world, &["rev-parse", "HEAD:data.txt"]);
    json(&world, 0, &["--git"]);
    let objects = world.project().join(".git/objects");
    let file = objects.join(&id[..2]).join(&id[2..]);
    std::fs::remove_file(file).expect("removed");
    json(&world, 3, &["--git"]);
    // A replaced object hides nothing.
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    write(&world, "app.env", "plain\n");
    let first = commit(&world, "first");
    let clean = git_ok(&world, &["rev-parse", "HEAD:app.env"]);
    write(&world, "app.env", &format!("API_TOKEN={}\n", secret()));
    commit(&world, "second");
    let held = git_ok(&world, &["rev-parse", "HEAD:app.env"]);
    git_ok(&world, &["replace", &held, &clean]);
    json(&world, 1, &["--range", &format!("{first}..HEAD")]);
    json(&world, 1, &["--git"]);
}

#[test]
fn a_directory_that_looks_like_gits_is_scanned() {
    let world = World::new();
    write(&world, "assets/HEAD", "");
    write(&world, "assets/objects/sub/c.env", &format!("API_TOKEN={}\n", secret()));
    json(&world, 1, &["assets"]);
}

/// A tree that somebody else wrote names a program that signs: scanning it starts nothing.
#[test]
fn a_tree_that_names_its_own_signer_starts_nothing() {
    let world = World::new();
    let marker = world.root().join("started");
    let program = world.project().join("sign.sh");
    std::fs::write(&program, format!("#!/bin/sh\ntouch {}\n", marker.display())).expect("written");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    let key = provost_keys::PrivateKey::generate(provost_keys::KeyAlgorithm::EcdsaP256).expect("key");
    std::fs::write(world.project().join("key.pub"), provost_keys::Signer::public_key(&key).to_pem()).expect("written");
    let config = format!(
        "[project]\nname = \"x\"\nid = \"foreign\"\n[signer]\ncommand = [\"{}\"]\npublic-key = \"key.pub\"\n",
        program.display()
    );
    std::fs::write(world.project().join("provost.toml"), config).expect("written");
    // A store that is the user's own, so that nothing but the signature is missing.
    let other = World::new();
    other.expect(0, &["init"]);
    let stores = std::fs::read_dir(other.root().join("home/stores")).expect("stores");
    let store = stores.flatten().next().expect("a store").path();
    let output = world.command(&["scan", "secrets", "--attest"]).env("PROVOST_STORE", store).output().expect("runs");
    let text = text_of(&output);
    assert!(!marker.exists(), "{text}");
    assert!(text.contains("provost trust config"), "{text}");
}
