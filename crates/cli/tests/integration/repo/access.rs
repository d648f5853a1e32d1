//! Who may do what to which refs, and the ways in which git pushes.

use std::process::Command;

use super::{ACCESS, OPEN, Team};

fn team() -> Team {
    let team = Team::new(&format!("{ACCESS}{OPEN}"));
    for who in ["ada", "cyd", "eve"] {
        team.clone(who);
    }
    team.commit("ada", "a.txt", "one\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    for who in ["cyd", "eve"] {
        team.git(who, &["pull", "-q", "origin", "main"]);
    }
    team
}

#[test]
fn each_operation_needs_a_rule() {
    let team = team();
    team.commit("cyd", "b.txt", "two\n", &[]);
    team.refused("cyd", &["origin", "HEAD:refs/heads/main"], "cyd may not update refs/heads/main");
    team.refused("cyd", &["origin", "HEAD:refs/heads/other"], "cyd may not create refs/heads/other");
    team.pushed("cyd", &["origin", "HEAD:refs/heads/topic/a"]);
    team.commit("cyd", "c.txt", "three\n", &[]);
    team.pushed("cyd", &["origin", "HEAD:refs/heads/topic/a"]);
    team.git("cyd", &["commit", "-q", "--amend", "-m", "other"]);
    team.refused("cyd", &["-f", "origin", "HEAD:refs/heads/topic/a"], "cyd may not force refs/heads/topic/a");
    team.refused("cyd", &["origin", ":refs/heads/topic/a"], "cyd may not delete refs/heads/topic/a");
    team.refused("eve", &["origin", "HEAD:refs/heads/topic/b"], "eve may not create refs/heads/topic/b");
    for who in ["nobody", "expired", "early", "revoked"] {
        let output = team.git_at(&team.clone_of("ada"), who, &["push", "origin", "HEAD:refs/heads/topic/c"]);
        let text = crate::text_of(&output);
        assert!(
            !output.status.success() && (text.contains("whom the server does not know") || text.contains("has ended")),
            "{who}: {text}"
        );
    }
    team.git("ada", &["fetch", "-q"]);
    team.pushed("ada", &["-f", "origin", "HEAD:refs/heads/topic/a"]);
    team.pushed("ada", &["origin", ":refs/heads/topic/a"]);
    let audit = team.audit();
    assert!(audit.contains("\"refused\":[\"refs/heads/main\"]") && audit.contains("\"pusher\":\"cyd\""), "{audit}");
    team.sound();
}

#[test]
fn one_refused_ref_refuses_all() {
    let team = team();
    team.commit("cyd", "b.txt", "two\n", &[]);
    let refs = ["HEAD:refs/heads/topic/a", "HEAD:refs/heads/topic/b", "HEAD:refs/heads/main"];
    team.refused("cyd", &[&["origin"][..], &refs].concat(), "may not update refs/heads/main");
    team.refused("cyd", &[&["--atomic", "origin"][..], &refs].concat(), "may not update refs/heads/main");
    team.pushed("cyd", &["--atomic", "origin", refs[0], refs[1]]);
    assert!(team.at("refs/heads/topic/a").is_some() && team.at("refs/heads/topic/b").is_some());
    team.sound();
}

#[test]
fn a_tag_moves_by_force_only() {
    let team = team();
    team.git("ada", &["tag", "t"]);
    team.pushed("ada", &["origin", "t"]);
    team.commit("ada", "b.txt", "two\n", &[]);
    team.git("ada", &["tag", "-f", "t"]);
    team.pushed("ada", &["-f", "origin", "t"]);
    let rule = ACCESS.replace("\"force\", ", "");
    team.policy(&format!("{rule}{OPEN}"));
    team.git("ada", &["tag", "-f", "t", "HEAD~1"]);
    team.refused("ada", &["-f", "origin", "t"], "may not force refs/tags/t");
    team.sound();
}

#[test]
fn shallow_and_partial_clones_push() {
    let team = team();
    for n in 0..4 {
        team.commit("ada", "a.txt", &format!("{n}\n"), &[]);
    }
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.server_git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", team.bare().display());
    for (name, option) in [("shallow", "--depth=1"), ("partial", "--filter=blob:none")] {
        let path = team.clone_of(name);
        let output = team.git_at(team.root(), "ada", &["clone", "-q", option, &url, &path.display().to_string()]);
        assert!(output.status.success(), "{}", crate::text_of(&output));
        team.configure(&path, "ada");
        std::fs::write(path.join(name), "x").expect("written");
        for arguments in
            [vec!["add", "-A"], vec!["commit", "-q", "-m", name], vec!["push", "-q", "origin", "HEAD:refs/heads/main"]]
        {
            let output = team.git_at(&path, "ada", &arguments);
            assert!(output.status.success(), "{name} {arguments:?}: {}", crate::text_of(&output));
        }
    }
    // A shallow clone whose own history has no bottom brings none of it in.
    let path = team.clone_of("orphan");
    let output = team.git_at(team.root(), "ada", &["clone", "-q", "--depth=1", &url, &path.display().to_string()]);
    assert!(output.status.success());
    team.sound();
}

#[test]
fn push_options_are_kept_in_the_log() {
    let team = team();
    team.server_git(&["config", "receive.advertisePushOptions", "true"]);
    team.commit("ada", "b.txt", "two\n", &[]);
    team.pushed("ada", &["-o", "ticket=17", "origin", "HEAD:refs/heads/main"]);
    let log = team.server_git(&["grep", "-c", "envelope", "refs/provost/log"]);
    assert!(!log.is_empty());
    let entries = team.server_git(&["ls-tree", "-r", "--name-only", "refs/provost/log"]);
    let last = entries.lines().filter(|line| line.starts_with("e/")).count() - 1;
    let entry = team.server_git(&["show", &format!("refs/provost/log:e/0/{last}")]);
    let value: serde_json::Value = serde_json::from_str(&entry).expect("json");
    let envelope =
        provost_attest::Envelope::parse(value["envelope"].as_str().expect("text").as_bytes()).expect("envelope");
    let payload = String::from_utf8_lossy(envelope.unverified_payload()).into_owned();
    assert!(payload.contains("ticket=17") && payload.contains("\"pusher\":\"ada\""), "{payload}");
    team.sound();
}

#[test]
fn borrowed_objects() {
    let team = team();
    // A clone that borrows objects, and a server that does.
    for (name, option) in [("shared", "--shared"), ("local", "--local")] {
        let path = team.clone_of(name);
        let from = team.bare().display().to_string();
        let output = team.git_at(team.root(), "ada", &["clone", "-q", option, &from, &path.display().to_string()]);
        assert!(output.status.success(), "{}", crate::text_of(&output));
        team.configure(&path, "ada");
        std::fs::write(path.join(name), "x").expect("written");
        for arguments in
            [vec!["add", "-A"], vec!["commit", "-q", "-m", name], vec!["push", "-q", "origin", "HEAD:refs/heads/main"]]
        {
            let output = team.git_at(&path, "ada", &arguments);
            assert!(output.status.success(), "{name} {arguments:?}: {}", crate::text_of(&output));
        }
    }
    team.git("ada", &["pull", "-q", "origin", "main"]);
    let lent = team.root().join("lent.git");
    let output = team.git_at(
        team.root(),
        "ada",
        &["clone", "-q", "--bare", &team.clone_of("ada").display().to_string(), &lent.display().to_string()],
    );
    assert!(output.status.success());
    std::fs::write(team.bare().join("objects/info/alternates"), format!("{}\n", lent.join("objects").display()))
        .expect("written");
    team.commit("ada", "b.txt", "two\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.sound();
}

#[test]
fn sha256_repositories() {
    let team = Team::of(
        &format!(
            "{ACCESS}{OPEN}[[protect]]\nname = \"signed\"\nrefs = [\"refs/heads/main\"]\nsigned-commits = true\nfast-forward = true\n"
        ),
        true,
    );
    assert!(team.is_sha256());
    team.clone("ada");
    team.commit("ada", "a.txt", "one\n", &[]);
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "not signed");
    team.git("ada", &["commit", "-q", "--amend", "--no-edit", "-S"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    assert_eq!(team.at("refs/heads/main").expect("main").len(), 64);
    team.commit("ada", "a.txt", "two\n", &["-S"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.git("ada", &["commit", "-q", "--amend", "-S", "-m", "other"]);
    team.refused("ada", &["-f", "origin", "HEAD:refs/heads/main"], "only moves forward");
    team.sound();
}

#[test]
fn ten_thousand_refs() {
    let team = team();
    let tip = team.git("ada", &["rev-parse", "HEAD"]);
    let lines: String = (0..10_000).map(|n| format!("create refs/heads/many/{n} {tip}\n")).collect();
    let file = team.root().join("refs");
    std::fs::write(&file, lines).expect("written");
    let mut command: Command = team.git_command(&team.clone_of("ada"), "ada", &["update-ref", "--stdin"]);
    command.stdin(std::fs::File::open(&file).expect("file"));
    assert!(command.status().expect("git").success());
    let begun = std::time::Instant::now();
    team.pushed("ada", &["-q", "origin", "refs/heads/many/*:refs/heads/many/*"]);
    let many = begun.elapsed();
    team.commit("ada", "b.txt", "two\n", &[]);
    let begun = std::time::Instant::now();
    team.pushed("ada", &["-q", "origin", "HEAD:refs/heads/main"]);
    let one = begun.elapsed();
    eprintln!("10,000 refs in one push: {many:?}; one ref then: {one:?}");
    assert!(one.as_secs() < 30, "{one:?}");
    team.sound();
}

#[test]
fn hostile_names_of_refs() {
    let team = team();
    let tip = team.git("ada", &["rev-parse", "HEAD"]);
    // git's own client makes none of these: they are put on the wire by hand.
    for name in [
        "refs/heads/../../config",
        "refs/heads/.hidden",
        "refs/heads/a..b",
        "refs/heads/a\u{1b}[31m",
        "refs/heads/a b",
        "refs/heads/a.lock",
        "refs/heads/@{1}",
        "HEAD",
        "config",
        "refs/heads/a/",
        "refs//heads/a",
        "refs/heads/-x/../../y",
        "refs/heads/a\\b",
        "refs/replace/x",
    ] {
        let zero = "0".repeat(40);
        let line = format!("{zero} {tip} {name}\0report-status\n");
        let mut bytes = format!("{:04x}", line.len() + 4).into_bytes();
        bytes.extend(line.as_bytes());
        bytes.extend(b"0000");
        // An empty pack: everything is there already.
        bytes.extend(
            b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e",
        );
        let file = team.root().join("wire");
        std::fs::write(&file, bytes).expect("written");
        let before = team.refs();
        let mut command = team.git_command(team.root(), "ada", &["receive-pack", &team.bare().display().to_string()]);
        command.stdin(std::fs::File::open(&file).expect("file"));
        let output = command.output().expect("git");
        assert_eq!(team.refs(), before, "{name:?}: {}", crate::text_of(&output));
    }
    team.sound();
}

/// A name that stands for another ref would move that one past its own rules.
#[test]
fn no_push_goes_through_a_symbolic_ref() {
    let team = team();
    team.server_git(&["symbolic-ref", "refs/heads/topic/alias", "refs/heads/main"]);
    team.commit("cyd", "b.txt", "two\n", &[]);
    team.refused("cyd", &["origin", "HEAD:refs/heads/topic/alias"], "stands for another ref");
    team.sound();
}
