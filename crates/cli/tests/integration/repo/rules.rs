//! Every rule with a push that it lets in and one that it refuses.

use provost_gate::{Approval, ApprovalDecision};

use super::{ACCESS, OPEN, Team};

fn team(rule: &str) -> Team {
    let team = Team::new(&format!("{ACCESS}{OPEN}{rule}"));
    for who in ["ada", "bob"] {
        team.clone(who);
    }
    team
}

/// A first commit on main that everyone has.
fn begun(rule: &str) -> Team {
    let team = team(rule);
    team.commit("ada", "a.txt", "one\n", &["-S"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.git("bob", &["pull", "-q", "origin", "main"]);
    team
}

#[test]
fn signed_commits() {
    let team = team("[[protect]]\nname = \"signed\"\nrefs = [\"refs/heads/main\"]\nsigned-commits = true\n");
    team.commit("ada", "a.txt", "one\n", &[]);
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "not signed");
    team.pushed("ada", &["origin", "HEAD:refs/heads/topic/unsigned"]);
    team.git("ada", &["commit", "-q", "--amend", "--no-edit", "-S"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    for (who, why) in [
        ("stranger", "whom the policy does not name"),
        ("expired", "the key of expired is not valid now"),
        ("early", "the key of early is not valid now"),
        ("revoked", "the key of revoked is not valid now"),
    ] {
        team.git("ada", &["checkout", "-q", "--detach", "origin/main"]);
        let key = team.key(who).with_extension("pub").display().to_string();
        team.commit("ada", "b.txt", who, &[&format!("-S{key}")]);
        team.refused("ada", &["origin", "HEAD:refs/heads/main"], why);
    }
    // One unsigned commit below a signed one is seen.
    team.git("ada", &["checkout", "-q", "--detach", "origin/main"]);
    team.commit("ada", "c.txt", "c\n", &[]);
    team.commit("ada", "d.txt", "d\n", &["-S"]);
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "not signed");
    // A signature that is of another commit.
    let signed = team.git("ada", &["cat-file", "commit", "HEAD"]);
    let path = team.root().join("forged");
    std::fs::write(&path, format!("{}\n", signed.replace("d.txt", "evil"))).expect("written");
    let forged = team.git("ada", &["hash-object", "-t", "commit", "-w", &path.display().to_string()]);
    team.refused("ada", &["origin", &format!("{forged}:refs/heads/main")], "signature");
    team.sound();
}

#[test]
fn signed_tags() {
    let team = begun("[[protect]]\nname = \"tags\"\nrefs = [\"refs/tags/v*\"]\nsigned-tags = true\nimmutable = true\n");
    team.git("ada", &["tag", "v1"]);
    team.refused("ada", &["origin", "v1"], "not annotated");
    team.git("ada", &["tag", "-f", "-a", "v1", "-m", "one"]);
    team.refused("ada", &["origin", "v1"], "not signed");
    team.git("ada", &["tag", "-f", "-s", "v1", "-m", "one"]);
    team.pushed("ada", &["origin", "v1"]);
    team.refused("ada", &["origin", "v1:refs/tags/v2"], "calls itself `v1`");
    let key = team.key("revoked").with_extension("pub").display().to_string();
    team.git("ada", &["tag", "-s", "-u", &key, "v3", "-m", "three"]);
    team.refused("ada", &["origin", "v3"], "the key of revoked is not valid now");
    team.git("ada", &["tag", "light", "v1"]);
    team.pushed("ada", &["origin", "light"]);
    // Immutable: neither moved nor taken away, forced or not.
    team.commit("ada", "b.txt", "two\n", &["-S"]);
    team.git("ada", &["tag", "-f", "-s", "v1", "-m", "moved"]);
    team.refused("ada", &["-f", "origin", "v1"], "stays what it is");
    team.refused("ada", &["origin", ":v1"], "stays what it is");
    team.sound();
}

#[test]
fn fast_forward() {
    let team = begun("[[protect]]\nname = \"forward\"\nrefs = [\"refs/heads/main\"]\nfast-forward = true\n");
    team.commit("ada", "b.txt", "two\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/topic/x"]);
    team.git("ada", &["commit", "-q", "--amend", "-m", "another"]);
    team.refused("ada", &["-f", "origin", "HEAD:refs/heads/main"], "only moves forward");
    team.pushed("ada", &["-f", "origin", "HEAD:refs/heads/topic/x"]);
    team.refused("ada", &["origin", ":main"], "cannot be deleted");
    team.pushed("ada", &["origin", ":refs/heads/topic/x"]);
    // Taken away and made anew in one push is no way around it.
    team.refused("ada", &["-f", "origin", ":main", "HEAD:refs/heads/main"], "");
    team.sound();
}

#[test]
fn committer_is_pusher() {
    let team = begun("[[protect]]\nname = \"own\"\nrefs = [\"refs/heads/main\"]\ncommitter-is-pusher = true\n");
    team.commit("ada", "b.txt", "two\n", &[]);
    team.git("bob", &["pull", "-q", &team.clone_of("ada").display().to_string(), "HEAD"]);
    team.refused("bob", &["origin", "HEAD:refs/heads/main"], "was made by ada");
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    // Somebody else's mail address does not help.
    team.git("bob", &["config", "user.email", "ada@x.test"]);
    team.commit("bob", "c.txt", "three\n", &[]);
    team.refused("bob", &["origin", "HEAD:refs/heads/main"], "and bob pushes it");
    team.sound();
}

#[test]
fn forbidden_names_and_sizes() {
    let team = begun(
        "[[protect]]\nname = \"files\"\nrefs = [\"refs/heads/**\"]\nforbidden-names = [\"*.pem\", \"secrets/**\"]\nmax-file-bytes = 1000\n",
    );
    team.commit("ada", "deep/in/key.pem", "x", &[]);
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "the name deep/in/key.pem is refused");
    // What came in a commit and went in the next: the push as a whole has no such name, and the commit still brings it.
    team.git("ada", &["reset", "-q", "--hard", "HEAD~1"]);
    team.commit("ada", "secrets/a", "x", &[]);
    team.refused("ada", &["origin", "HEAD:refs/heads/topic/x"], "secrets/a");
    team.git("ada", &["reset", "-q", "--hard", "HEAD~1"]);
    team.commit("ada", "big", &"x".repeat(1001), &[]);
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "at most");
    team.git("ada", &["reset", "-q", "--hard", "HEAD~1"]);
    team.commit("ada", "small", &"x".repeat(1000), &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.sound();
}

#[test]
fn kinds_need_approval() {
    let rule = "[[protect]]\nname = \"ci\"\nrefs = [\"refs/heads/main\"]\nkinds = [\"ci-configuration\", \"submodule\", \"symlink\", \"executable-bit\", \"bidi\"]\n\
                approvals = 1\nby = [\"maintainer\"]\n";
    let team = begun(rule);
    team.commit("ada", "src/lib.rs", "fn a() {}\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    let base = team.at("refs/heads/main").expect("main");
    for (file, text) in [(".github/workflows/ci.yml", "on: push\n"), ("b.rs", "// \u{202e}x\n")] {
        team.commit("ada", file, text, &[]);
        team.refused("ada", &["origin", "HEAD:refs/heads/main"], "1 approval of role maintainer missing");
        team.git("ada", &["reset", "-q", "--hard", "HEAD~1"]);
    }
    let clone = team.clone_of("ada");
    std::os::unix::fs::symlink("/etc/passwd", clone.join("link")).expect("link");
    team.commit("ada", "c.txt", "c\n", &[]);
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "missing");
    team.git("ada", &["reset", "-q", "--hard", "HEAD~1"]);
    let head = team.commit("ada", ".github/workflows/ci.yml", "on: push\n", &[]);
    // Her own approval is none; bob's is, once it is there.
    let own = team.approve("ada", "refs/heads/main", Some(&base), &head, "ada");
    assert!(own.status.success(), "{}", crate::text_of(&own));
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "nobody approves their own");
    let others = team.approve("bob", "refs/heads/main", Some(&base), &head, "ada");
    assert!(others.status.success(), "{}", crate::text_of(&others));
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    assert!(team.server_git(&["for-each-ref", "refs/provost/inbox"]).is_empty(), "the inbox is empty again");
    team.sound();
}

#[test]
fn thresholds_of_approvals() {
    let rule = "[[protect]]\nname = \"two\"\nrefs = [\"refs/heads/main\"]\napprovals = 2\nby = [\"maintainer\", \"developer\"]\n";
    let team = team(rule);
    team.clone("cyd");
    let head = team.commit("ada", "a.txt", "one\n", &[]);
    let push = ["origin", "HEAD:refs/heads/main"];
    team.refused("ada", &push, "2 approvals");
    let approved = |who: &str, head: &str| {
        let output = team.approve(who, "refs/heads/main", None, head, "ada");
        assert!(output.status.success(), "{}", crate::text_of(&output));
    };
    approved("bob", &head);
    approved("bob", &head);
    team.refused("ada", &push, "1 approval");
    // What is not signed of it makes no other approval.
    let left = std::fs::read_to_string(team.root().join("left.json")).expect("left");
    let output = team.leave("eve", "ada", &left.replacen('{', "{\"more\":1,", 1));
    assert!(crate::text_of(&output).contains("in the log already"), "{}", crate::text_of(&output));
    // Of another commit, or of one whose key counts no more, or of someone without the role.
    let other = team.commit("ada", "b.txt", "two\n", &[]);
    approved("cyd", &other);
    approved("revoked", &head);
    approved("eve", &head);
    team.git("ada", &["reset", "-q", "--hard", "HEAD~1"]);
    team.refused("ada", &push, "1 approval");
    approved("cyd", &head);
    team.pushed("ada", &push);
    team.sound();
}

/// Whoever reviews much is still heard: what they took back or rejected counts however much came after it.
#[test]
fn what_says_no_is_not_crowded_out() {
    let rule = "[[protect]]\nname = \"one\"\nrefs = [\"refs/heads/main\"]\napprovals = 1\n";
    let team = team(rule);
    let head = team.commit("ada", "a.txt", "one\n", &[]);
    let say = |who: &str, approval: &Approval| {
        let text = team.signed_by(who, approval);
        let output = team.leave(who, "ada", &text);
        assert!(output.status.success(), "{}", crate::text_of(&output));
        text
    };
    let approval = team.approval("refs/heads/main", None, &head, "ada");
    let others = |who: &str| {
        for number in 0..20 {
            let mut other = approval.clone();
            other.decision = ApprovalDecision::Reject;
            other.of.head = format!("{number:040x}");
            other.of.base = Some(head.clone());
            say(who, &other);
        }
    };
    let text = say("bob", &approval);
    let envelope = provost_attest::Envelope::parse(text.as_bytes()).expect("envelope");
    let mut withdrawal = approval.clone();
    withdrawal.decision = ApprovalDecision::Withdraw;
    withdrawal.withdraws = Some(provost_model::sha256(&provost_attest::pae(
        provost_attest::IN_TOTO_PAYLOAD,
        envelope.unverified_payload(),
    )));
    say("bob", &withdrawal);
    others("bob");
    let push = ["origin", "HEAD:refs/heads/main"];
    team.refused("ada", &push, "it was withdrawn");
    let mut rejection = approval.clone();
    rejection.decision = ApprovalDecision::Reject;
    say("eve", &rejection);
    others("eve");
    say("cyd", &approval);
    let told = team.refused("ada", &push, "eve rejected it");
    assert_eq!(told.matches("rejected it").count(), 1, "{told}");
}

#[test]
fn statements_of_strangers_are_not_taken() {
    let team = begun("");
    let head = team.git("ada", &["rev-parse", "HEAD"]);
    let stranger = team.approve("stranger", "refs/heads/main", None, &head, "ada");
    assert!(!stranger.status.success(), "{}", crate::text_of(&stranger));
    let nobody = team.leave("nobody", "ada", "{}");
    assert!(crate::text_of(&nobody).contains("only persons of the policy"), "{}", crate::text_of(&nobody));
    for reference in ["refs/provost/log", "refs/provost/x", "refs/provost/inbox/x"] {
        team.refused("ada", &["origin", &format!("+HEAD:{reference}")], "refused");
    }
    team.sound();
}

#[test]
fn a_path_that_no_rule_speaks_of_is_refused() {
    let team = Team::new(&format!(
        "{ACCESS}[[protect]]\nname = \"docs\"\nrefs = [\"refs/heads/**\"]\npaths = [\"docs/**\"]\n"
    ));
    team.clone("ada");
    team.commit("ada", "docs/a", "x", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.commit("ada", "src/a", "x", &[]);
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "no rule speaks of src/a");
    team.git("ada", &["tag", "v1", "HEAD~1"]);
    team.refused("ada", &["origin", "v1"], "no rule speaks of");
    team.sound();
}

#[test]
fn changes_of_a_kind_can_be_refused_altogether() {
    let team = begun(
        "[[protect]]\nname = \"no-binaries\"\nrefs = [\"refs/**\"]\nkinds = [\"binary\", \"attributes\"]\ndeny = true\n",
    );
    team.commit("ada", "x.bin", "a\0b", &[]);
    team.refused("ada", &["origin", "HEAD:refs/heads/topic/x"], "changes of this kind are refused (binary)");
    team.git("ada", &["reset", "-q", "--hard", "HEAD~1"]);
    let clone = team.clone_of("ada");
    std::os::unix::fs::symlink("/etc/passwd", clone.join(".gitattributes")).expect("link");
    team.commit("ada", "c.txt", "c\n", &[]);
    team.refused("ada", &["origin", "HEAD:refs/heads/topic/x"], "attributes");
    team.sound();
}

#[test]
fn the_policy_changes_by_push() {
    let team = begun("");
    let next = team.next_text(&format!(
        "{ACCESS}{OPEN}[[protect]]\nname = \"signed\"\nrefs = [\"refs/heads/main\"]\nsigned-commits = true\n"
    ));
    // The wrong people: a key of their own.
    let wrong = provost_keys::PrivateKey::generate(provost_keys::KeyAlgorithm::EcdsaP256).expect("key");
    let path = team.root().join("wrong.key");
    std::fs::write(&path, wrong.to_pem(None).expect("pem").as_bytes()).expect("written");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
    let put = |signed: &std::path::Path| {
        let text = std::fs::read_to_string(signed).expect("signed");
        team.leave("ada", "ada", text.trim_end())
    };
    let output = put(&team.sign(&next, &path));
    assert!(!output.status.success(), "{}", crate::text_of(&output));
    team.commit("ada", "b.txt", "b\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    let output = put(&team.sign(&next, &team.root().join("policy.key")));
    assert!(
        output.status.success() && crate::text_of(&output).contains("in force: shop serial 2"),
        "{}",
        crate::text_of(&output)
    );
    team.commit("ada", "c.txt", "c\n", &[]);
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "not signed");
    team.sound();
}
