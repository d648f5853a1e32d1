//! Approvals by way of a server with hooks: into its inbox, into its log, and with the log into every clone.

use provost_keys::{KeyAlgorithm, PrivateKey, Signer as _};

use crate::court::{CODE, Court};
use crate::text_of;

/// A served repository whose policy names Ada and Bob; both have a clone, `ada2` and `bob2`.
fn served(court: &Court) {
    let root = court.root();
    let at = |who: &str, arguments: &[&str]| {
        let output = court.command(who, arguments).current_dir(root).output().expect("runs");
        assert!(output.status.success(), "{arguments:?}\n{}", text_of(&output));
        text_of(&output)
    };
    let git = court.git_command("root", root).args(["init", "-q", "--bare", "-b", "main", "served.git"]).status();
    assert!(git.expect("git").success());
    let told = at("root", &["repo", "init", "served.git", "--identity", "gitea"]);
    let from = told.find("[[functionary]]").expect("functionary");
    let to = told.find("then sign it").expect("end");
    let mut text =
        format!("version = 1\nname = \"served\"\nserial = 1\nexpires = \"2999-01-01T00:00:00Z\"\n{}", &told[from..to]);
    for name in ["ada", "bob"] {
        let key = std::fs::read_to_string(court.key(name).with_extension("pub")).expect("key");
        text += &format!(
            "\n[[person]]\nname = \"{name}\"\nkeys = [\"{}\"]\nemails = [\"{name}@example.com\"]\naccounts = [\"gitea:{name}\"]\nroles = [\"maintainer\"]\n",
            key.trim()
        );
    }
    text +=
        "\n[[access]]\nwho = [\"maintainer\"]\nrefs = [\"refs/heads/**\"]\nmay = [\"read\", \"create\", \"update\"]\n";
    text += "\n[[protect]]\nname = \"open\"\nrefs = [\"refs/heads/topic\"]\n";
    text +=
        "\n[[step]]\nname = \"build\"\nfunctionaries = [\"git-server\"]\nthreshold = 1\nrequire = [\"environment\"]\n";
    text += CODE;
    std::fs::write(root.join("served.toml"), text).expect("written");
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
    let pem = key.to_pem(None).expect("pem");
    std::fs::write(root.join("policy.key"), pem.as_bytes()).expect("written");
    std::fs::write(root.join("policy.pub"), key.public_key().to_pem()).expect("written");
    at("root", &["policy", "sign", "served.toml", "--key", "policy.key", "--output", "served.dsse.json"]);
    at("root", &["repo", "policy", "served.git", "served.dsse.json", "--policy-key", "policy.pub"]);
    for name in ["ada", "bob"] {
        at(name, &["trust", "add", "policy.pub"]);
        let clone = court.git_command(name, root).args(["clone", "-q", "served.git", &format!("{name}2")]).output();
        assert!(clone.expect("git").status.success());
    }
}

#[test]
fn a_server_s_log_brings_approvals_into_every_clone() {
    let court = Court::new(CODE);
    served(&court);
    let git = |who: &str, code: i32, arguments: &[&str]| {
        let mut command = court.git_command(who, &court.root().join(format!("{who}2")));
        let output = command.env("GITEA_PUSHER_NAME", who).args(arguments).output().expect("git");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", text_of(&output));
        text_of(&output)
    };
    let provost = |who: &str, code: i32, arguments: &[&str]| {
        let mut command = court.command(who, arguments);
        command.current_dir(court.root().join(format!("{who}2"))).env("GITEA_PUSHER_NAME", who);
        let output = command.output().expect("runs");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", text_of(&output));
        text_of(&output)
    };
    git("bob", 0, &["switch", "-q", "-c", "main"]);
    std::fs::write(court.root().join("bob2/a.c"), "int a;\n").expect("file");
    git("bob", 0, &["add", "-A"]);
    git("bob", 0, &["commit", "-q", "-m", "a"]);
    git("bob", 0, &["push", "-q", "origin", "HEAD:topic"]);
    let refused = git("bob", 1, &["push", "-q", "origin", "main"]);
    assert!(refused.contains("provost approve"), "{refused}");
    let fetch = ["fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/provost/*:refs/provost/*"];
    git("ada", 0, &fetch);
    provost("ada", 0, &["approve", "origin/topic", "--onto", "main", "--push", "origin", "--yes"]);
    // The inbox is empty again, and what was in it is in the log of whoever fetches.
    git("bob", 0, &fetch);
    assert!(!git("bob", 0, &["for-each-ref"]).contains("refs/provost/inbox"));
    let listed = provost("bob", 0, &["approvals", "HEAD", "--onto", "main"]);
    assert!(listed.contains("ada approves exactly this") && listed.contains("by log, from the log"), "{listed}");
    provost("bob", 0, &["gate", "--head", "HEAD", "--onto", "main"]);
    // What was read of the log before counts as much as what is new.
    for _ in 0..2 {
        let judged =
            provost("bob", 0, &["gate", "--head", "HEAD", "--onto", "main", "--no-attest", "--format", "json"]);
        assert!(judged.contains("\"firstProposed\": {"), "{judged}");
    }
    let before = git("bob", 0, &["rev-parse", "refs/provost/log~1"]).trim().to_owned();
    git("bob", 0, &["push", "-q", "origin", "main"]);
    // A log that was put back, and one with an entry less, decide nothing.
    git("bob", 0, &["update-ref", "refs/provost/log", &before]);
    let told = provost("bob", 3, &["gate", "--head", "HEAD", "--onto", "main"]);
    assert!(told.contains("refs/provost/log"), "{told}");
}
