//! `repo verify`: everything that can be wrong with a repository shows, and nothing else does.

use std::path::Path;

use provost_evidence::{NewRecord, Store};
use provost_gate::{RefChange, ReferenceUpdate, UpdateState};
use provost_keys::{KeyAlgorithm, PrivateKey, Signer};
use provost_model::sha256;

use super::{ACCESS, OPEN, Team, now};

const RULES: &str = "[[protect]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nsigned-commits = true\nfast-forward = true\n\
                     [[protect]]\nname = \"tags\"\nrefs = [\"refs/tags/**\"]\nimmutable = true\n";

/// Two commits on main, a topic, a tag; everything as the log says.
fn team() -> Team {
    let team = Team::new(&format!("{ACCESS}{OPEN}{RULES}"));
    team.clone("ada");
    for n in 0..2 {
        team.commit("ada", "a.txt", &format!("{n}\n"), &["-S"]);
        team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    }
    team.git("ada", &["tag", "v1"]);
    team.pushed("ada", &["origin", "v1", "HEAD:refs/heads/topic/x"]);
    team.sound();
    team
}

fn loaded(path: &Path) -> PrivateKey {
    PrivateKey::from_pem(&std::fs::read_to_string(path).expect("key"), None).expect("key")
}

/// Appends to the server's log as only someone who has its keys, or has none, could.
fn append(team: &Team, envelope: provost_attest::Envelope, key: provost_keys::PublicKey) {
    let files = provost_testkit::files_below(&team.home());
    let format = files.iter().find(|path| path.ends_with("format")).expect("store");
    let log = loaded(files.iter().find(|path| path.ends_with("log.key")).expect("log key"));
    let store = Store::open(format.parent().expect("folder")).expect("opens");
    store.append(&[NewRecord { envelope, key }], &log).expect("appends");
}

fn server_key(team: &Team) -> PrivateKey {
    let files = provost_testkit::files_below(&team.home());
    loaded(files.iter().find(|path| path.ends_with("builder.key")).expect("server key"))
}

/// As only someone with the server's key could.
fn append_entry(team: &Team, entry: &ReferenceUpdate) {
    let key = server_key(team);
    append(team, entry.statement().expect("statement").sign(&key).expect("signed"), key.public_key().clone());
}

fn entry(team: &Team, reference: &str, to: &str) -> ReferenceUpdate {
    ReferenceUpdate {
        repository: "shop".into(),
        state: UpdateState::Accepted,
        push: "00112233445566778899aabbccddeeff".into(),
        changes: vec![RefChange {
            reference: reference.into(),
            from: team.at(reference),
            to: Some(to.into()),
            tree: None,
            rules: Vec::new(),
            approvals: Vec::new(),
            kept_approvals: false,
            broken_glass: false,
            commits: Vec::new(),
        }],
        pusher: Some("ada".into()),
        authenticated_by: "ssh".into(),
        time: now(),
        policy: sha256(team.policy_text().as_bytes()),
        policy_serial: 1,
        notes: Vec::new(),
    }
}

/// A commit on the server that no push brought.
fn planted(team: &Team, parent: &str, more: &[&str]) -> String {
    let tree = team.server_git(&["rev-parse", &format!("{parent}^{{tree}}")]);
    let mut arguments =
        vec!["-c", "user.name=ada", "-c", "user.email=ada@x.test", "commit-tree", &tree, "-p", parent, "-m", "planted"];
    arguments.extend(more);
    team.server_git(&arguments)
}

#[test]
fn a_ref_moved_past_the_server() {
    let team = team();
    let main = team.at("refs/heads/main").expect("main");
    let planted = planted(&team, &main, &[]);
    team.server_git(&["update-ref", "refs/heads/main", &planted]);
    assert_eq!(team.anomalies(), ["bypass refs/heads/main"]);
    // In a clone too, and nobody can push on it.
    let clone = team.clone_of("ada");
    let output = team.verify_with("reader", &clone, &["--fetch"]);
    assert_eq!(output.status.code(), Some(1), "{}", crate::text_of(&output));
    assert!(crate::text_of(&output).contains("moved on past the server"), "{}", crate::text_of(&output));
    team.git("ada", &["reset", "-q", "--hard", "origin/main"]);
    team.commit("ada", "b.txt", "b\n", &["-S"]);
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "was changed past this server");
    // Other refs go on.
    team.pushed("ada", &["origin", "HEAD:refs/heads/topic/y"]);
    // Whoever runs the server puts it back.
    team.server_git(&["update-ref", "refs/heads/main", &main]);
    team.sound();
}

#[test]
fn a_ref_made_past_the_server() {
    let team = team();
    let main = team.at("refs/heads/main").expect("main");
    team.server_git(&["update-ref", "refs/heads/new", &main]);
    assert_eq!(team.anomalies(), ["bypass refs/heads/new"]);
    let bare = team.bare().display().to_string();
    let short = team.provost(&["repo", "adopt", &bare, "--reason", "ok"]);
    assert!(!short.status.success(), "a reason is a sentence");
    let adopted = team.provost(&["repo", "adopt", &bare, "--reason", "made by hand during the move of the server"]);
    assert!(adopted.status.success(), "{}", crate::text_of(&adopted));
    // Nothing that a rule speaks of comes in another way unseen: whoever verifies looks at it once.
    assert_eq!(team.anomalies(), ["taken-over refs/heads/new"]);
}

/// Whoever runs the server cannot make a bypass good alone: everyone who verifies looks at it once.
#[test]
fn a_protected_ref_that_was_taken_over() {
    let team = team();
    let main = team.at("refs/heads/main").expect("main");
    let planted = planted(&team, &main, &[]);
    team.server_git(&["update-ref", "refs/heads/main", &planted]);
    let bare = team.bare().display().to_string();
    let adopted = team.provost(&[
        "repo",
        "adopt",
        &bare,
        "--ref",
        "refs/heads/main",
        "--reason",
        "a fix at night, past the server",
    ]);
    assert!(adopted.status.success(), "{}", crate::text_of(&adopted));
    assert_eq!(team.anomalies(), ["taken-over refs/heads/main"]);
    let entry = {
        let output = team.verify_with("judge", &team.bare(), &["--from-start", "--format", "json"]);
        assert_eq!(output.status.code(), Some(1), "{}", crate::text_of(&output));
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
        let list = value["anomalies"].as_array().expect("anomalies");
        let found = list.iter().find(|a| a["kind"] == "taken-over").expect("taken over");
        found["entry"].as_u64().expect("entry").to_string()
    };
    let output = team.verify_with("judge", &team.bare(), &["--accept", &entry]);
    assert!(output.status.success(), "{}", crate::text_of(&output));
    // Accepted is that entry, and nothing that comes later.
    let again = self::planted(&team, &planted, &[]);
    team.server_git(&["update-ref", "refs/heads/main", &again]);
    let output = team.verify_with("judge", &team.bare(), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", crate::text_of(&output));
}

#[test]
fn history_rewritten_past_the_server() {
    let team = team();
    let main = team.at("refs/heads/main").expect("main");
    let parent = team.server_git(&["rev-parse", &format!("{main}~1")]);
    let planted = planted(&team, &parent, &[]);
    team.server_git(&["update-ref", "refs/heads/main", &planted]);
    assert_eq!(team.anomalies(), ["rewritten refs/heads/main"]);
}

#[test]
fn a_ref_moved_back() {
    let team = team();
    team.server_git(&["update-ref", "refs/heads/main", "refs/heads/main~1"]);
    assert_eq!(team.anomalies(), ["behind refs/heads/main"]);
}

#[test]
fn a_moved_tag() {
    let team = team();
    team.server_git(&["update-ref", "refs/tags/v1", "refs/heads/main~1"]);
    assert_eq!(team.anomalies(), ["moved-tag refs/tags/v1"]);
    let output = team.verify_with("reader", &team.clone_of("ada"), &["--fetch"]);
    assert!(crate::text_of(&output).contains("moved-tag"), "{}", crate::text_of(&output));
}

/// A server that has a push taken back long after, to drop history in its own log.
#[test]
fn an_entry_that_takes_back_what_is_over() {
    let team = team();
    let main = team.at("refs/heads/main").expect("main");
    let say = |mut own: ReferenceUpdate, state, push: &str| {
        own.state = state;
        own.push = push.to_owned();
        append_entry(&team, &own);
    };
    // One of its own, which really came, and another push after it.
    say(entry(&team, "refs/heads/topic/x", &main), UpdateState::Accepted, "aa");
    team.commit("ada", "c.txt", "c\n", &[]);
    let back = entry(&team, "refs/heads/topic/x", &main);
    team.pushed("ada", &["origin", "HEAD:refs/heads/topic/x"]);
    say(back, UpdateState::Aborted, "aa");
    team.pushed("ada", &["origin", "HEAD:refs/heads/topic/y"]);
    assert_eq!(team.anomalies(), ["rewritten refs/heads/topic/x"]);
}

#[test]
fn a_deleted_ref() {
    let team = team();
    team.server_git(&["update-ref", "-d", "refs/heads/topic/x"]);
    assert_eq!(team.anomalies(), ["missing refs/heads/topic/x"]);
}

#[test]
fn the_log_rolled_back() {
    let team = team();
    let clone = team.clone_of("ada");
    let first = team.verify_with("reader", &clone, &["--fetch"]);
    assert!(first.status.success(), "{}", crate::text_of(&first));
    team.server_git(&["update-ref", "refs/provost/log", "refs/provost/log~1"]);
    let output = team.verify_with("reader", &clone, &["--fetch"]);
    let text = crate::text_of(&output);
    assert!(!output.status.success() && text.contains("it was rolled back, or this is another view"), "{text}");
    // Beginning anew forgets nothing of it.
    let output = team.verify_with("reader", &clone, &["--from-start"]);
    assert!(!output.status.success() && crate::text_of(&output).contains("rolled back"), "{}", crate::text_of(&output));
    // Whoever never saw it finds refs that its log does not explain.
    let output = team.verify_with("stranger", &clone, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", crate::text_of(&output));
}

#[test]
fn two_views_of_the_log() {
    let team = team();
    let clone = team.clone_of("ada");
    let saved = team.root().join("saved");
    let copy = |from: &Path, to: &Path| {
        let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status();
        assert!(status.expect("cp").success());
    };
    std::fs::create_dir(&saved).expect("folder");
    copy(&team.home(), &saved.join("home"));
    copy(&team.srv(), &saved.join("srv"));
    team.commit("ada", "b.txt", "to one\n", &["-S"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    let output = team.verify_with("reader", &clone, &["--fetch"]);
    assert!(output.status.success(), "{}", crate::text_of(&output));
    // The server as it was, with another history from there on.
    std::fs::remove_dir_all(team.home()).expect("removed");
    std::fs::remove_dir_all(team.srv()).expect("removed");
    copy(&saved.join("home"), &team.home());
    copy(&saved.join("srv"), &team.srv());
    team.git("ada", &["reset", "-q", "--hard", "HEAD~1"]);
    team.commit("ada", "b.txt", "to another\n", &["-S"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.sound();
    for more in [&["--fetch"][..], &["--from-start"]] {
        let output = team.verify_with("reader", &clone, more);
        let text = crate::text_of(&output);
        assert!(!output.status.success(), "another view was taken: {more:?}: {text}");
        assert!(text.contains("another view"), "{more:?}: {text}");
    }
}

#[test]
fn an_entry_by_a_stranger_counts_for_nothing() {
    let team = team();
    let main = team.at("refs/heads/main").expect("main");
    let planted = planted(&team, &main, &[]);
    let stranger = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
    let envelope =
        entry(&team, "refs/heads/main", &planted).statement().expect("statement").sign(&stranger).expect("signed");
    append(&team, envelope, stranger.public_key().clone());
    team.server_git(&["update-ref", "refs/heads/main", &planted]);
    team.git("ada", &["checkout", "-q", "--detach"]);
    team.commit("ada", "c.txt", "c\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/topic/z"]);
    assert_eq!(team.anomalies(), ["bypass refs/heads/main"]);
}

#[test]
fn an_entry_accepted_against_the_policy() {
    let team = team();
    let main = team.at("refs/heads/main").expect("main");
    // The server itself says so, with its own key: an unsigned commit on main.
    let planted = planted(&team, &main, &[]);
    append_entry(&team, &entry(&team, "refs/heads/main", &planted));
    team.server_git(&["update-ref", "refs/heads/main", &planted]);
    team.commit("ada", "c.txt", "c\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/topic/z"]);
    assert_eq!(team.anomalies(), ["against-policy refs/heads/main"]);
}

#[test]
fn an_entry_under_a_policy_that_was_not_in_force() {
    let team = team();
    let main = team.at("refs/heads/main").expect("main");
    let mut own = entry(&team, "refs/heads/topic/q", &main);
    own.policy = sha256(b"another policy");
    append_entry(&team, &own);
    team.server_git(&["update-ref", "refs/heads/topic/q", &main]);
    team.commit("ada", "c.txt", "c\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/topic/z"]);
    assert_eq!(team.anomalies(), ["wrong-policy refs/heads/topic/q"]);
}

/// Time in the log does not go back, by however little: delays are judged by it.
#[test]
fn an_entry_dated_before_the_one_ahead_of_it() {
    let team = team();
    let head = team.commit("ada", "c.txt", "c\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/topic/q"]);
    let main = team.at("refs/heads/main").expect("main");
    for (reference, by) in [("refs/heads/topic/r", 1), ("refs/heads/topic/s", 30_000)] {
        let mut entry = entry(&team, reference, &main);
        entry.time = entry.time.plus_milliseconds(60_000);
        append_entry(&team, &entry);
        entry.push = format!("{by:032x}");
        entry.changes[0].reference = format!("{reference}2");
        entry.time = entry.time.plus_milliseconds(-by);
        append_entry(&team, &entry);
        for name in [reference.to_owned(), format!("{reference}2")] {
            team.server_git(&["update-ref", &name, &main]);
        }
    }
    assert_eq!(team.at("refs/heads/topic/q"), Some(head));
    // A push after them is dated no earlier, whatever the server's clock says, and no anomaly.
    team.pushed("ada", &["origin", "HEAD:refs/heads/topic/z"]);
    assert_eq!(team.anomalies(), ["time refs/heads/topic/r2", "time refs/heads/topic/s2"]);
}

/// A log that nobody else has seen is as the server likes it; a policy can ask for a witness.
#[test]
fn a_log_that_a_witness_has_to_have_seen() {
    let team = team();
    let path = |name: &str| team.root().join(name).display().to_string();
    let passed = |arguments: &[&str]| {
        let output = team.provost(arguments);
        assert!(output.status.success(), "{}", crate::text_of(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    passed(&["key", "generate", "--algorithm", "ed25519", &path("witness.key")]);
    let public = loaded(&team.root().join("witness.key")).public_key().clone();
    let name = "witness.example.com/one";
    let key = provost_tlog::NoteKey::new(name, provost_tlog::NoteKeyKind::CosignatureV1, public).expect("key");
    // A setting of the document itself stands before its tables.
    let text = team.next_text(&format!("{ACCESS}{OPEN}{RULES}\n[[witness]]\nkey = \"{key}\"\n"));
    let signed = team.sign(&format!("witness-threshold = 1\n{text}"), &team.root().join("policy.key"));
    let bare = team.bare().display().to_string();
    passed(&["repo", "policy", &bare, &signed.display().to_string()]);
    let clone = team.clone_of("ada");
    let output = team.verify_with("reader", &clone, &["--fetch"]);
    let text = crate::text_of(&output);
    assert!(!output.status.success() && text.contains("0 witnesses cosigned"), "{text}");

    let files = provost_testkit::files_below(&team.home());
    let format = files.iter().find(|path| path.ends_with("format")).expect("store");
    let store = format.parent().expect("folder").display().to_string();
    let mut witness = team.command(env!("CARGO_BIN_EXE_provost"));
    let vkey = std::fs::read_to_string(format!("{store}/log.vkey")).expect("key");
    witness.env("PROVOST_HOME", path("elsewhere"));
    witness.args(["log", "cosign", &store, "--key", &path("witness.key"), "--name", name, "--log-key", vkey.trim()]);
    let line = super::bounded(witness);
    assert!(line.status.success(), "{}", crate::text_of(&line));
    std::fs::write(path("line"), line.stdout).expect("written");
    let mut attach = team.command(env!("CARGO_BIN_EXE_provost"));
    attach.args(["log", "attach", &path("line")]).current_dir(team.bare());
    let attached = super::bounded(attach);
    assert!(attached.status.success(), "{}", crate::text_of(&attached));
    let output = team.verify_with("reader", &clone, &["--fetch"]);
    assert!(output.status.success(), "{}", crate::text_of(&output));
}

#[test]
fn a_policy_by_the_wrong_people() {
    let team = team();
    let wrong = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
    let text = team.next_text(&format!("{ACCESS}{OPEN}"));
    let kind = provost_policy::POLICY_PAYLOAD;
    let envelope = provost_attest::Envelope::sign(kind, text.into_bytes(), &wrong).expect("signed");
    append(&team, envelope, wrong.public_key().clone());
    team.commit("ada", "c.txt", "c\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/topic/z"]);
    let output = team.verify_with("judge", &team.bare(), &["--from-start"]);
    let text = crate::text_of(&output);
    assert!(!output.status.success() && text.contains("a policy"), "{text}");
}

#[test]
fn an_older_policy_put_back_into_the_log() {
    let team = team();
    let old = std::fs::read(team.bare().join(".provost/policy.dsse.json")).expect("policy");
    team.policy(&format!("{ACCESS}{OPEN}{RULES}"));
    let key = loaded(&team.root().join("policy.key"));
    append(&team, provost_attest::Envelope::parse(&old).expect("envelope"), key.public_key().clone());
    team.commit("ada", "c.txt", "c\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/topic/z"]);
    let output = team.verify_with("judge", &team.bare(), &["--from-start"]);
    let text = crate::text_of(&output);
    assert!(!output.status.success() && text.contains("serial"), "{text}");
}

#[test]
fn what_a_commit_says_of_itself_counts_for_nothing() {
    let team = team();
    let main = team.at("refs/heads/main").expect("main");
    // In ada's name, dated before the key was revoked.
    let key = team.key("revoked").with_extension("pub").display().to_string();
    let clone = team.clone_of("ada");
    let mut command =
        team.git_command(&clone, "ada", &["commit", "-q", "--allow-empty", "-m", "old", &format!("-S{key}")]);
    command.env("GIT_COMMITTER_DATE", "2019-01-01T00:00:00Z").env("GIT_AUTHOR_DATE", "2019-01-01T00:00:00Z");
    command.env("GIT_AUTHOR_NAME", "bob").env("GIT_AUTHOR_EMAIL", "bob@x.test");
    assert!(command.status().expect("git").success());
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "the key of revoked is not valid now");
    // Planted past the server with ada's name and yesterday's date.
    let planted = planted(&team, &main, &[]);
    team.server_git(&["update-ref", "refs/heads/main", &planted]);
    assert_eq!(team.anomalies(), ["bypass refs/heads/main"]);
}

#[test]
fn grafts_and_replaced_objects_change_nothing() {
    let team = team();
    let signed = team.at("refs/heads/main").expect("main");
    let planted = planted(&team, &signed, &[]);
    // On the server: the unsigned commit looks like the signed one, to git.
    team.server_git(&["replace", &planted, &signed]);
    let replace = format!("bypass refs/replace/{planted}");
    assert_eq!(team.anomalies(), std::slice::from_ref(&replace));
    team.git("ada", &["fetch", "-q", "origin", "+refs/replace/*:refs/replace/*"]);
    team.git("ada", &["fetch", "-q", &team.bare().display().to_string(), &format!("refs/replace/{planted}")]);
    team.server_git(&["update-ref", "refs/heads/main", &planted]);
    let mut found = team.anomalies();
    found.sort();
    assert_eq!(found, ["bypass refs/heads/main".to_owned(), replace]);
    team.server_git(&["update-ref", "refs/heads/main", &signed]);
    team.server_git(&["replace", "-d", &planted]);
    // A graft that gives an orphan a parent that it has not.
    team.git("ada", &["checkout", "-q", "--orphan", "o"]);
    let orphan = team.commit("ada", "o.txt", "o\n", &["-S"]);
    std::fs::write(team.bare().join("info/grafts"), format!("{orphan} {signed}\n")).expect("written");
    team.refused("ada", &["-f", "origin", "HEAD:refs/heads/main"], "only moves forward");
    std::fs::remove_file(team.bare().join("info/grafts")).expect("removed");
    team.sound();
}

#[test]
fn only_what_is_new_is_read_again() {
    let team = team();
    let clone = team.clone_of("ada");
    let text = crate::text_of(&team.verify_with("reader", &clone, &["--fetch"]));
    assert!(text.contains("4 entries, 4 of them new"), "{text}");
    let text = crate::text_of(&team.verify_with("reader", &clone, &["--fetch"]));
    assert!(text.contains("4 entries, 0 of them new"), "{text}");
    team.commit("ada", "b.txt", "b\n", &["-S"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    let text = crate::text_of(&team.verify_with("reader", &clone, &["--fetch"]));
    assert!(text.contains("5 entries, 1 of them new"), "{text}");
    let text = crate::text_of(&team.verify_with("reader", &clone, &["--from-start"]));
    assert!(text.contains("5 entries, 5 of them new"), "{text}");
    // What was wrong once is not forgotten by reading on.
    let planted = planted(&team, "refs/heads/main", &[]);
    team.server_git(&["update-ref", "refs/heads/main", &planted]);
    for _ in 0..2 {
        let output = team.verify_with("reader", &clone, &["--fetch"]);
        assert_eq!(output.status.code(), Some(1), "{}", crate::text_of(&output));
    }
}

#[test]
fn another_policy_key() {
    let team = team();
    let other = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
    let path = team.root().join("policy.pub");
    let right = std::fs::read(&path).expect("key");
    std::fs::write(&path, other.public_key().to_pem()).expect("written");
    let output = team.verify_with("reader", &team.bare(), &[]);
    let text = crate::text_of(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    // And trust that was taken back: what was remembered under the right key does not help.
    std::fs::write(&path, right).expect("written");
    assert!(team.verify_with("reader", &team.bare(), &[]).status.success());
    std::fs::write(&path, other.public_key().to_pem()).expect("written");
    let output = team.verify_with("reader", &team.bare(), &[]);
    assert!(!output.status.success(), "{}", crate::text_of(&output));
}

#[test]
fn objects_that_are_missing_are_not_passed_over() {
    let team = team();
    let main = team.at("refs/heads/main").expect("main");
    let below = team.server_git(&["rev-parse", &format!("{main}~1")]);
    let object = team.bare().join("objects").join(&below[..2]).join(&below[2..]);
    std::fs::remove_file(&object).expect("a loose object");
    let found = team.anomalies();
    assert!(found.iter().any(|kind| kind.starts_with("not-verifiable")), "{found:?}");
    let output = team.verify_with("judge", &team.bare(), &["--from-start"]);
    assert_ne!(output.status.code(), Some(0), "{}", crate::text_of(&output));
}

#[test]
fn a_users_own_tags_stay_and_are_no_bypass() {
    let team = team();
    let clone = team.clone_of("ada");
    let mine = team.git("ada", &["rev-parse", "HEAD"]);
    team.git("ada", &["tag", "wip"]);
    team.git("ada", &["tag", "-f", "v1", "HEAD~1"]);
    let own = team.git("ada", &["rev-parse", "v1"]);
    let output = team.verify_with("reader", &clone, &["--fetch"]);
    assert!(output.status.success(), "{}", crate::text_of(&output));
    assert_eq!(team.git("ada", &["rev-parse", "wip"]), mine);
    assert_eq!(team.git("ada", &["rev-parse", "v1"]), own);
    // Of a server without tags as well.
    let none = Team::new(&format!("{ACCESS}{OPEN}{RULES}"));
    none.clone("ada");
    none.commit("ada", "a.txt", "a\n", &["-S"]);
    none.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    none.git("ada", &["tag", "wip"]);
    let output = none.verify_with("reader", &none.clone_of("ada"), &["--fetch"]);
    assert!(output.status.success(), "{}", crate::text_of(&output));
    // Before anything was fetched, a tag that the log does not know is a note.
    let fresh = team.clone("bob");
    team.git("bob", &["fetch", "-q", "origin", "+refs/provost/*:refs/provost/*"]);
    team.git("bob", &["tag", "wip"]);
    let output = team.verify_with("other", &fresh, &[]);
    let text = crate::text_of(&output);
    assert!(output.status.success() && text.contains("refs/tags/wip is here and not in the log"), "{text}");
    // A tag that was moved on the server still shows.
    team.server_git(&["update-ref", "refs/tags/v1", "refs/heads/main~1"]);
    let text = crate::text_of(&team.verify_with("reader", &clone, &["--fetch"]));
    assert!(text.contains("moved-tag"), "{text}");
}

#[test]
fn a_server_whose_key_was_changed() {
    let team = team();
    let files = provost_testkit::files_below(&team.home());
    let path = files.iter().find(|path| path.ends_with("builder.key")).expect("server key");
    let old = loaded(path).public_key().to_pem();
    let new = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
    std::fs::write(path, new.to_pem(None).expect("pem").as_bytes()).expect("written");
    let text = team.next_text(&format!("{ACCESS}{OPEN}{RULES}")).replace(old.trim(), new.public_key().to_pem().trim());
    assert!(!text.contains(old.trim()));
    let signed = team.sign(&text, &team.root().join("policy.key"));
    let installed =
        team.provost(&["repo", "policy", &team.bare().display().to_string(), &signed.display().to_string()]);
    assert!(installed.status.success(), "{}", crate::text_of(&installed));
    team.commit("ada", "a.txt", "under the new key\n", &["-S"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.sound();
}

#[test]
fn a_policy_that_expired_is_named_and_can_be_renewed() {
    let team = team();
    let soon = now().plus_milliseconds(4_000);
    let text = team.next_text(&format!("{ACCESS}{OPEN}{RULES}")).replace("2999-01-01T00:00:00Z", &soon.to_string());
    let signed = team.sign(&text, &team.root().join("policy.key"));
    let bare = team.bare().display().to_string();
    let installed = team.provost(&["repo", "policy", &bare, &signed.display().to_string()]);
    assert!(installed.status.success(), "{}", crate::text_of(&installed));
    while now() < soon.plus_milliseconds(1_500) {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    team.commit("ada", "a.txt", "late\n", &["-S"]);
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "the policy expired on");
    let clone = team.clone_of("ada");
    let output = team.verify_with("reader", &clone, &["--fetch"]);
    let text = crate::text_of(&output);
    assert!(output.status.success() && text.contains("the policy expired on"), "{text}");
    // Renewed through the inbox, and then all is well again.
    let text = team.next_text(&format!("{ACCESS}{OPEN}{RULES}"));
    let signed = team.sign(&text, &team.root().join("policy.key"));
    let left = team.leave("ada", "ada", &std::fs::read_to_string(signed).expect("read"));
    assert!(left.status.success(), "{}", crate::text_of(&left));
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.sound();
}

#[test]
fn an_update_accepted_after_the_policy_expired_is_wrong() {
    let team = team();
    let soon = now().plus_milliseconds(3_000);
    let text = team.next_text(&format!("{ACCESS}{OPEN}{RULES}")).replace("2999-01-01T00:00:00Z", &soon.to_string());
    let signed = team.sign(&text, &team.root().join("policy.key"));
    let digest = sha256(text.as_bytes());
    let bare = team.bare().display().to_string();
    let installed = team.provost(&["repo", "policy", &bare, &signed.display().to_string()]);
    assert!(installed.status.success(), "{}", crate::text_of(&installed));
    while now() < soon.plus_milliseconds(1_500) {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let main = team.at("refs/heads/main").expect("main");
    let mut late = entry(&team, "refs/heads/topic/late", &main);
    late.policy = digest;
    late.policy_serial = 2;
    append_entry(&team, &late);
    team.server_git(&["update-ref", "refs/heads/topic/late", &main]);
    // Any hook publishes what is in the log.
    let text = team.next_text(&format!("{ACCESS}{OPEN}{RULES}"));
    let signed = team.sign(&text, &team.root().join("policy.key"));
    let installed = team.provost(&["repo", "policy", &bare, &signed.display().to_string()]);
    assert!(installed.status.success(), "{}", crate::text_of(&installed));
    let found = team.anomalies();
    assert!(found.iter().any(|one| one.starts_with("against-policy refs/heads/topic/late")), "{found:?}");
}
