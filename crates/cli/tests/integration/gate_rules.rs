//! What rules ask beside approvals: kinds of change, signatures, who made it, time, freezes, coverage.

use provost_gate::{Binding, Receipt, ReceiptKind};

use crate::court::{CODE, Court, HOUR, now, reason, stale};
use crate::text_of;

/// A rule that refuses one kind of change, and lets everything else through.
fn refusing(kind: &str) -> String {
    format!(
        "\n[[protect]]\nname = \"all\"\nrefs = [\"refs/heads/main\"]\n\n[[protect]]\nname = \"{kind}\"\nrefs = [\"refs/heads/main\"]\nkinds = [\"{kind}\"]\ndeny = true\n"
    )
}

const KINDS: &[&str] = &[
    "homoglyph",
    "bidi",
    "executable-bit",
    "symlink",
    "submodule",
    "binary",
    "lockfile",
    "new-dependency",
    "ci-configuration",
    "build-script",
];

/// Kinds that have to be told, and what makes the change.
type Case<'c> = (&'static [&'static str], Box<dyn Fn() + 'c>);

#[test]
fn kinds_of_change_meet_their_rules() {
    let rules: String =
        KINDS.iter().map(|kind| refusing(kind).replace("\"all\"", &format!("\"all-{kind}\""))).collect();
    let court = Court::new(&rules);
    let lock = |more: &str| {
        format!(
            "{{\"name\":\"x\",\"version\":\"1.0.0\",\"lockfileVersion\":3,\"packages\":{{\"\":{{\"name\":\"x\",\"version\":\"1.0.0\"}},\"node_modules/ms\":{{\"version\":\"2.1.3\",\"resolved\":\"https://registry.npmjs.org/ms/-/ms-2.1.3.tgz\",\"integrity\":\"sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==\"}}{more}}}}}\n"
        )
    };
    court.git("ci", &["switch", "-q", "main"]);
    court.commit("ci", "package-lock.json", &lock(""));
    court.git("ci", &["push", "-q", "origin", "main"]);
    court.fetch("bob");
    let path = court.clone_of("bob");
    let left = ",\"node_modules/left-pad\":{\"version\":\"1.3.0\",\"resolved\":\"https://registry.npmjs.org/left-pad/-/left-pad-1.3.0.tgz\",\"integrity\":\"sha512-XI5MPzVNApjAyhQzphX8BkmKsKUxD4LdyK24iZeQGinBN9yTQT3bFlCBy/aVx2HrNcqQGsdot8ghrjyrvMCoEA==\"}";
    let cases: Vec<Case<'_>> = vec![
        (&[], Box::new(|| court.write("bob", "plain.c", "int plain;\n"))),
        (&["homoglyph"], Box::new(|| court.write("bob", "a.py", "\u{0440}assword_ok = 1\npassword_ok = 2\n"))),
        (&["bidi"], Box::new(|| court.write("bob", "b.c", "/* \u{202e} } if (admin) { */\n"))),
        (&["binary"], Box::new(|| court.write("bob", "c.dat", "a\0b"))),
        (&["symlink"], Box::new(|| std::os::unix::fs::symlink("/etc/passwd", path.join("link")).expect("link"))),
        (
            &["executable-bit"],
            Box::new(|| {
                use std::os::unix::fs::PermissionsExt as _;
                court.write("bob", "tool", "echo\n");
                std::fs::set_permissions(path.join("tool"), std::fs::Permissions::from_mode(0o755)).expect("mode");
            }),
        ),
        (
            &["submodule"],
            Box::new(|| {
                let id = court.git("bob", &["rev-parse", "HEAD"]);
                court.git("bob", &["update-index", "--add", "--cacheinfo", &format!("160000,{id},sub")]);
            }),
        ),
        (&["lockfile", "new-dependency"], Box::new(|| court.write("bob", "package-lock.json", &lock(left)))),
        (&["lockfile"], Box::new(|| court.write("bob", "package-lock.json", &format!("{}\n", lock(""))))),
        (&["ci-configuration"], Box::new(|| court.write("bob", ".GitHub/workflows/x.yml", "on: push\n"))),
        (&["build-script"], Box::new(|| court.write("bob", "sub/Makefile", "all:\n"))),
    ];
    for (expected, make) in cases {
        court.git("bob", &["switch", "-q", "--detach", "-f", "origin/main"]);
        court.git("bob", &["clean", "-q", "-f", "-d"]);
        make();
        court.git("bob", &["add", "-A", ":!sub"]);
        if expected == ["build-script"] {
            court.git("bob", &["add", "-A"]);
        }
        court.git("bob", &["commit", "-q", "-m", "x"]);
        court.push("bob");
        let judged = court.judge(&[]);
        let denied: Vec<&str> = judged["rules"]
            .as_array()
            .expect("rules")
            .iter()
            .filter(|rule| rule["answer"] == "deny")
            .filter_map(|rule| rule["rule"].as_str())
            .collect();
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_by_key(|kind| KINDS.iter().position(|other| other == kind));
        assert_eq!(denied, expected, "{judged:#}");
    }
}

#[test]
fn a_dependency_that_comes_from_another_place_is_new() {
    let court = Court::new(&refusing("new-dependency"));
    let lock = |from: &str| {
        format!(
            "{{\"name\":\"x\",\"version\":\"1.0.0\",\"lockfileVersion\":3,\"packages\":{{\"\":{{\"name\":\"x\",\"version\":\"1.0.0\"}},\"node_modules/ms\":{{\"version\":\"2.1.3\",\"resolved\":\"{from}\",\"integrity\":\"sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==\"}}}}}}\n"
        )
    };
    court.commit("ci", "package-lock.json", &lock("https://registry.npmjs.org/ms/-/ms-2.1.3.tgz"));
    court.git("ci", &["push", "-q", "origin", "main"]);
    court.fetch("bob");
    court.topic("bob", "package-lock.json", &lock("https://evil.example.com/ms-2.1.3.tgz"));
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "deny", "{judged:#}");
    assert!(judged["changes"].to_string().contains("from another place: ms 2.1.3"), "{judged:#}");
    // And one that cannot be read brings nobody knows what.
    court.commit("bob", "package-lock.json", "{\"lockfileVersion\": \"no");
    court.push("bob");
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "deny", "{judged:#}");
    assert!(judged["changes"].to_string().contains("is not known"), "{judged:#}");
}

#[test]
fn a_path_that_no_rule_names_is_refused() {
    let court = Court::new("\n[[protect]]\nname = \"source\"\nrefs = [\"refs/heads/main\"]\npaths = [\"src/**\"]\n");
    court.topic("bob", "src/a.c", "int a;\n");
    assert_eq!(court.judge(&[])["answer"], "allow");
    court.commit("bob", "other/a.c", "int a;\n");
    court.push("bob");
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "deny");
    assert!(reason(&judged, "coverage").contains("no rule speaks of other/a.c"), "{judged:#}");
}

#[test]
fn unsigned_commits() {
    let court = Court::new(&format!("{CODE}signed-commits = true\n"));
    court.topic("bob", "a.c", "int a;\n");
    court.approve("ada", &[]);
    assert_eq!(court.judge(&[])["answer"], "allow");
    for (who, arguments, why) in [
        ("bob", vec!["commit", "-q", "--amend", "--no-edit", "--no-gpg-sign"], "not signed"),
        ("mallory", vec!["commit", "-q", "--amend", "--no-edit", "-S"], "whom the policy does not name"),
    ] {
        let mut commit = court.git_command(who, &court.clone_of("bob"));
        assert!(commit.args(&arguments).status().expect("git").success());
        court.push("bob");
        let judged = court.judge(&[]);
        assert_eq!(judged["answer"], "deny", "{judged:#}");
        assert!(reason(&judged, "code").contains(why), "{judged:#}");
    }
}

/// Two OpenPGP keys of gpg's, of which the policy names one.
#[test]
#[cfg(feature = "openpgp")]
fn commits_signed_by_openpgp_keys() {
    // The agent's socket needs a short path.
    let home = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("folder");
    let gpg = |arguments: &[&str]| {
        let mut command = std::process::Command::new("gpg");
        command.args(["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]).args(arguments);
        command.env("GNUPGHOME", home.path()).env("LC_ALL", "C").output()
    };
    if gpg(&["--version"]).is_err() {
        eprintln!("skipped: no gpg on this machine");
        return;
    }
    for name in ["eve", "nobody"] {
        let made = gpg(&["--quick-gen-key", &format!("{name} <{name}@example.com>"), "ed25519", "sign", "0"]);
        assert!(made.expect("gpg runs").status.success());
    }
    let armour =
        String::from_utf8(gpg(&["--armor", "--export", "eve@example.com"]).expect("gpg").stdout).expect("text");
    let court = Court::new(&format!(
        "{CODE}signed-commits = true\n\n[[person]]\nname = \"eve\"\nroles = [\"maintainer\"]\nemails = [\"eve@example.com\"]\nkeys = ['''\n{armour}''']\n"
    ));
    court.topic("bob", "a.c", "int a;\n");
    let sign = |who: &str| {
        let mut commit = court.git_command("bob", &court.clone_of("bob"));
        let signer = format!("user.signingKey={who}@example.com");
        commit.args(["-c", "gpg.format=openpgp", "-c", &signer, "commit", "-q", "--amend", "--no-edit", "-S"]);
        assert!(commit.env("GNUPGHOME", home.path()).status().expect("git").success());
        court.push("bob");
    };
    sign("eve");
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "needs-approval", "{judged:#}");
    let shown = judged["commits"].to_string();
    assert!(shown.contains("eve"), "{judged:#}");
    court.approve("ada", &[]);
    assert_eq!(court.judge(&[])["answer"], "allow");
    sign("nobody");
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "deny", "{judged:#}");
    assert!(reason(&judged, "code").contains("whom the policy does not name"), "{judged:#}");
    let _ = std::process::Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", home.path()).status();
}

#[test]
fn a_forged_author_proves_nothing_and_excludes() {
    let court = Court::new(&format!(
        "{CODE}\n[[protect]]\nname = \"strangers\"\nrefs = [\"refs/heads/main\"]\nauthors = [\"outsider\"]\nsandbox = true\n"
    ));
    court.git("mallory", &["switch", "-q", "-c", "topic"]);
    court.write("mallory", "a.c", "int a;\n");
    court.git("mallory", &["add", "-A"]);
    court.git("mallory", &["-c", "user.email=ada@example.com", "-c", "user.name=ada", "commit", "-q", "-m", "x"]);
    court.push("mallory");
    let judged = court.judge(&[]);
    // Not signed by Ada: whoever wrote it, it counts as a stranger's.
    let found = judged["contributors"].as_array().expect("list").iter().all(|one| one["class"] == "outsider");
    assert!(found, "{judged:#}");
    assert!(reason(&judged, "strangers").contains("no network"), "{judged:#}");
    // And in case it was Ada after all, her approval does not count.
    let own = court.craft("ada", &judged, |_| {});
    let judged = court.judge(&["--approvals", own.to_str().expect("path")]);
    assert!(stale(&judged, "ada").contains("author"), "{judged:#}");
    court.approve("bob", &[]);
    assert_eq!(court.judge(&[])["answer"], "run-sandboxed");
    // Bob's own signed commit is no stranger's.
    court.fetch("bob");
    court.topic("bob", "b.c", "int b;\n");
    assert_eq!(court.judge(&[])["answer"], "needs-approval");
}

#[test]
fn a_stranger_s_command_runs_in_a_sandbox_or_not_at_all() {
    let court = Court::new(
        "\n[[protect]]\nname = \"all\"\nrefs = [\"refs/heads/main\"]\n\n[[protect]]\nname = \"strangers\"\nrefs = [\"refs/heads/main\"]\nauthors = [\"outsider\"]\nsandbox = true\n",
    );
    court.git("mallory", &["switch", "-q", "-c", "topic"]);
    court.commit("mallory", "a.c", "int a;\n");
    court.push("mallory");
    court.fetch("ci");
    court.git("ci", &["switch", "-q", "--detach", "origin/topic"]);
    let home = court.home("ci");
    std::fs::create_dir_all(home.join(".ssh")).expect("folder");
    std::fs::write(home.join(".ssh/id_ed25519"), "canary").expect("file");
    let script = "env | grep -q CANARY && exit 20; cat $HOME/.ssh/id_ed25519 2>/dev/null && exit 21;
        find $HOME -name '*.key' 2>/dev/null | grep -q . && exit 22;
        if command -v python3 >/dev/null; then python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", PORT), 2)' 2>/dev/null && exit 23; fi
        echo sandboxed";
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
    let script = script.replace("PORT", &listener.local_addr().expect("address").port().to_string());
    let mut command = court.command("ci", &["gate", "--head", "HEAD", "--onto", "main", "--", "sh", "-c", &script]);
    let output = command.env("SECRET_CANARY", "value").output().expect("runs");
    let text = text_of(&output);
    assert!(text.contains("RUN SANDBOXED"), "{text}");
    if output.status.code() == Some(3) {
        // No machine here that could hold it: then nothing ran.
        assert!(text.contains("cannot be held on this machine") && !text.contains("\nsandboxed\n"), "{text}");
        return;
    }
    // It could do nothing of that; that it tried is held against it.
    assert!(String::from_utf8_lossy(&output.stdout).contains("\nsandboxed\n"), "{text}");
    assert!(text.contains("refused credential"), "{text}");
    assert_eq!(output.status.code(), Some(1), "{text}");
    let text = court.expect("ci", 0, &["gate", "--head", "HEAD", "--onto", "main", "--", "echo", "quiet"]);
    assert!(text.contains("\nquiet\n"), "{text}");
    // What it brings to configure its own sandbox stops it.
    court.git("mallory", &["switch", "-q", "topic"]);
    let toml = std::fs::read_to_string(court.clone_of("mallory").join("provost.toml")).expect("file");
    court.commit("mallory", "provost.toml", &format!("{toml}\n[guard]\nnetwork = \"host\"\n"));
    court.push("mallory");
    court.fetch("ci");
    court.git("ci", &["switch", "-q", "--detach", "origin/topic"]);
    let text = court.expect("ci", 3, &["gate", "--head", "HEAD", "--onto", "main", "--", "echo", "ran-anyway"]);
    assert!(text.contains("alters provost.toml") && !text.contains("\nran-anyway"), "{text}");
    // And what is checked out has to be what was judged.
    court.git("ci", &["switch", "-q", "--detach", "origin/main"]);
    let text = court.expect("ci", 3, &["gate", "--head", "origin/topic", "--onto", "main", "--", "true"]);
    assert!(text.contains("is not what was judged"), "{text}");
}

#[test]
fn a_freeze() {
    let court = Court::new(&format!(
        "{CODE}\n[[freeze]]\nname = \"holidays\"\nreason = \"nobody is there\"\nrefs = [\"refs/heads/main\"]\nfrom = \"2020-01-01T00:00:00Z\"\nuntil = \"2999-01-01T00:00:00Z\"\n"
    ));
    court.topic("bob", "a.c", "int a;\n");
    court.approve("ada", &[]);
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "wait-until");
    assert_eq!(judged["until"], "2999-01-01T00:00:00Z");
    assert!(reason(&judged, "freeze/holidays").contains("nobody is there"), "{judged:#}");
    court.change_policy(|text| text.replace("2999-01-01", "2021-01-01"));
    court.approve("ada", &[]);
    assert_eq!(court.judge(&[])["answer"], "allow");
}

#[test]
fn delay_and_cooling_off_go_by_a_time_that_the_policy_trusts() {
    let court = Court::new(&format!("{CODE}delay-hours = 24\ncooling-off-hours = 2\n"));
    court.topic("bob", "a.c", "int a;\n");
    let approval = court.approve("ada", &[]);
    assert!(approval.contains("pushed"), "{approval}");
    // On nobody's record: the clock of this machine is no proof.
    let judged = court.judge(&["--no-attest"]);
    assert_eq!(judged["answer"], "deny", "{judged:#}");
    assert!(reason(&judged, "code").contains("by clock alone"), "{judged:#}");
    // On the record of the gate's own key.
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "wait-until", "{judged:#}");
    assert!(reason(&judged, "code").contains("24 hours have to pass"), "{judged:#}");
    assert_eq!(judged["time"]["by"], "log");

    // What was proposed two days ago, and approved one hour ago, by the log of a server that the policy names.
    let old = |hours: i64, court: &Court, stranger: bool, of: ReceiptKind| {
        let receipt = Receipt { of, received_on: now().plus_milliseconds(-hours * HOUR), from: None };
        court.log(&receipt.statement().expect("statement"), stranger)
    };
    let proposed = |stranger: bool| {
        let court = Court::new(&format!("{CODE}delay-hours = 24\ncooling-off-hours = 2\n"));
        court.topic("bob", "a.c", "int a;\n");
        let judged = court.judge(&["--no-attest"]);
        let of: Binding = serde_json::from_value(judged["proposal"].clone()).expect("binding");
        old(48, &court, stranger, ReceiptKind::Proposal { of });
        (court, judged)
    };
    let (court, judged) = proposed(false);
    let file = court.craft("ada", &judged, |_| {});
    let envelope = std::fs::read_to_string(file).expect("file");
    old(1, &court, false, ReceiptKind::Envelope { envelope: envelope.clone() });
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "wait-until", "{judged:#}");
    assert!(reason(&judged, "code").contains("2 hours have to pass"), "{judged:#}");
    let (court, judged) = proposed(false);
    let file = court.craft("ada", &judged, |_| {});
    let envelope = std::fs::read_to_string(file).expect("file");
    old(3, &court, false, ReceiptKind::Envelope { envelope });
    assert_eq!(court.judge(&[])["answer"], "allow");
    // A receipt of somebody else gives nothing a time.
    let (court, _) = proposed(true);
    court.approve("ada", &[]);
    let judged = court.judge(&[]);
    assert!(reason(&judged, "code").contains("24 hours have to pass"), "{judged:#}");
}

#[test]
fn a_clone_that_is_too_shallow_decides_nothing() {
    let court = Court::new(CODE);
    court.topic("bob", "a.c", "int a;\n");
    for number in 0..3 {
        court.commit("bob", "a.c", &format!("int a = {number};\n"));
    }
    court.push("bob");
    let url = format!("file://{}", court.root().join("server.git").display());
    let output = court
        .git_command("ci", court.root())
        .args(["clone", "-q", "--depth=1", "--no-single-branch", &url, "shallow"])
        .output();
    assert!(output.expect("git").status.success());
    let shallow = court.root().join("shallow");
    let mut command = court.command("ci", &["gate", "--head", "origin/topic", "--onto", "main", "--no-attest"]);
    let output = command.current_dir(&shallow).output().expect("runs");
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("shallow") && text.contains("fetch-depth: 0"), "{text}");
}

#[test]
fn an_event_says_which_change_and_git_says_what_it_is() {
    let court = Court::new(CODE);
    let head = court.topic("bob", "a.c", "int a;\n");
    court.fetch("ci");
    let event = |target: &str, head: &str| {
        let event = serde_json::json!({
            "version": "provost.contribution/1", "forge": "neutral", "kind": "pull_request",
            "repository": {"name": "shop/web"}, "target": target, "head": head, "title": "Fix \u{202e}it\n::error::x",
            "author": {"name": "mallory", "kind": "user"}, "number": 7,
        });
        let file = court.root().join("event.json");
        std::fs::write(&file, event.to_string()).expect("written");
        file.display().to_string()
    };
    let file = event("refs/heads/main", &head);
    let summary = court.root().join("summary.md");
    let mut command = court.command("ci", &["gate", "--event", &file]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let output = command.output().expect("runs");
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("#7") && text.contains("the forge's word") && !text.contains('\u{202e}'), "{text}");
    assert!(text.contains("::warning file=a.c,title=provost gate%3A code::"), "{text}");
    let written = std::fs::read_to_string(summary).expect("summary");
    assert!(written.contains("## provost gate: NEEDS APPROVAL") && written.contains("ask ada"), "{written}");
    // A head that nobody has, and a target that no rule speaks of.
    let file = event("refs/heads/main", &"1".repeat(40));
    let text = court.expect("ci", 3, &["gate", "--event", &file]);
    assert!(text.contains("is no commit of this clone"), "{text}");
    let file = event("refs/heads/other", &head);
    court.expect("ci", 3, &["gate", "--event", &file]);
    // No event, no name: HEAD into what origin's HEAD names.
    court.expect("ci", 2, &["gate", "--event-name", "push"]);
}
