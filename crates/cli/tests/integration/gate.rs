//! Self-approval and everything near it: an approval counts for what its giver looked at, and never for their own work.

use provost_gate::ApprovalDecision;

use crate::court::{CODE, Court, HOUR, now, reason, stale};

fn rule(more: &str) -> String {
    format!("{CODE}{more}\n")
}

#[test]
fn another_person_approves() {
    let court = Court::new(CODE);
    court.topic("bob", "src/a.c", "int a;\n");
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "needs-approval");
    assert!(reason(&judged, "code").contains("1 approval of role maintainer missing"));
    assert_eq!(judged["rules"][0]["whom"], serde_json::json!(["ada", "cyd"]));
    let text = court.approve("ada", &["--comment", "fine"]);
    for part in ["src/a.c", "code (1 approval", "result", "signed by bob"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "allow", "{judged:#}");
    let listed = court.expect("ci", 0, &["approvals", "origin/topic", "--onto", "main"]);
    assert!(listed.contains("ada approves exactly this") && listed.contains("code: 1 of 1"), "{listed}");
}

#[test]
fn the_author_approves() {
    let court = Court::new(CODE);
    court.topic("bob", "src/a.c", "int a;\n");
    let text = court.expect("bob", 1, &["approve", "--onto", "main", "--yes"]);
    assert!(text.contains("bob is part of the change") && text.contains("nobody approves their own"), "{text}");
    let judged = court.judge(&[]);
    let own = court.craft("bob", &judged, |_| {});
    let judged = court.judge(&["--approvals", own.to_str().expect("path")]);
    assert_eq!(judged["answer"], "needs-approval");
    assert!(stale(&judged, "bob").contains("nobody approves their own"));
}

#[test]
fn a_co_author_approves() {
    let court = Court::new(CODE);
    court.git("bob", &["switch", "-q", "-c", "topic"]);
    court.write("bob", "a.c", "int a;\n");
    court.git("bob", &["add", "-A"]);
    court.git("bob", &["commit", "-q", "-m", "Together\n\nco-authored-BY: Ada <ADA@example.com>\n\nand more text"]);
    court.push("bob");
    let judged = court.judge(&[]);
    let own = court.craft("ada", &judged, |_| {});
    let judged = court.judge(&["--approvals", own.to_str().expect("path")]);
    assert_eq!(judged["answer"], "needs-approval");
    assert!(stale(&judged, "ada").contains("co-author"), "{judged:#}");
}

#[test]
fn the_committer_approves() {
    let court = Court::new(CODE);
    court.git("bob", &["switch", "-q", "-c", "topic"]);
    court.write("bob", "a.c", "int a;\n");
    court.git("bob", &["add", "-A"]);
    let mut commit = court.git_command("bob", &court.clone_of("bob"));
    commit.env("GIT_COMMITTER_EMAIL", "ada@example.com").args(["commit", "-q", "-m", "For Ada"]);
    assert!(commit.status().expect("git").success());
    court.push("bob");
    let judged = court.judge(&[]);
    let own = court.craft("ada", &judged, |_| {});
    let judged = court.judge(&["--approvals", own.to_str().expect("path")]);
    assert!(stale(&judged, "ada").contains("committer"), "{judged:#}");
}

#[test]
fn the_approver_pushes_the_last_commit() {
    let court = Court::new(CODE);
    court.topic("bob", "a.c", "int a;\n");
    court.approve("ada", &[]);
    assert_eq!(court.judge(&[])["answer"], "allow");
    court.git("ada", &["switch", "-q", "-c", "topic", "origin/topic"]);
    court.commit("ada", "b.c", "int b;\n");
    court.push("ada");
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "needs-approval");
    assert!(stale(&judged, "ada").contains("part of the change themselves"), "{judged:#}");
    // By the forge's word that somebody pushed it, too: without a commit of theirs.
    let court = Court::new(CODE);
    court.topic("bob", "a.c", "int a;\n");
    court.approve("ada", &[]);
    let judged = court.judge(&["--author", "github:ada"]);
    assert!(stale(&judged, "ada").contains("event's actor"), "{judged:#}");
}

#[test]
fn an_approval_on_a_stale_revision() {
    let court = Court::new(CODE);
    court.topic("bob", "a.c", "int a;\n");
    court.approve("ada", &[]);
    court.commit("bob", "a.c", "int a = evil();\n");
    court.push("bob");
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "needs-approval");
    assert_eq!(stale(&judged, "ada"), "the content has changed since");
    let listed = court.expect("ci", 0, &["approvals", "origin/topic", "--onto", "main"]);
    assert!(listed.contains("something else: the content has changed since") && listed.contains("0 of 1"), "{listed}");
}

#[test]
fn a_bot_approves() {
    let court = Court::new(CODE);
    court.topic("bob", "a.c", "int a;\n");
    court.fetch("robot");
    let text = court.expect("robot", 1, &["approve", "origin/topic", "--onto", "main", "--yes"]);
    assert!(text.contains("programs approve nothing"), "{text}");
    let judged = court.judge(&[]);
    let own = court.craft("robot", &judged, |_| {});
    let judged = court.judge(&["--approvals", own.to_str().expect("path")]);
    assert!(stale(&judged, "robot").contains("program"), "{judged:#}");
}

#[test]
fn two_accounts_of_one_person() {
    // A key or an address of two persons is refused where the policy is checked.
    let court = Court::new(CODE);
    let policy = court.clone_of("ci").join(".provost/policy.toml");
    let text = std::fs::read_to_string(&policy).expect("policy");
    for (old, new) in [("bob@example.com\"]", "ada@example.com\"]"), ("github:bob\"", "github:ADA\"")] {
        let shared = text.replacen(old, new, 1);
        assert_ne!(shared, text);
        std::fs::write(&policy, shared).expect("written");
        let told = court.expect("ci", 1, &["policy", "check"]);
        assert!(told.contains("share a key, an address or an account"), "{told}");
    }
    let key = std::fs::read_to_string(court.key("ada").with_extension("pub")).expect("key");
    let bob = std::fs::read_to_string(court.key("bob").with_extension("pub")).expect("key");
    std::fs::write(&policy, text.replace(bob.trim(), &format!("{} other comment", key.trim()))).expect("written");
    assert!(court.expect("ci", 1, &["policy", "check"]).contains("share a key"));
    std::fs::write(&policy, &text).expect("written");
    // Two accounts of one person are one approval, and so are two signatures.
    court.change_policy(|text| {
        text.replace("\n[gate]\n", "\n[gate]\ncount-reviews = true\n").replace("approvals = 1", "approvals = 2")
    });
    court.fetch("bob");
    let head = court.topic("bob", "a.c", "int a;\n");
    let review = |id: u64, login: &str| {
        serde_json::json!({
            "id": id,
            "user": {"login": login, "id": id, "type": "User"},
            "state": "APPROVED",
            "commit_id": head,
            "submitted_at": "2026-01-01T00:00:00Z",
            "author_association": "MEMBER",
        })
    };
    let file = court.root().join("reviews.json");
    let reviews = serde_json::json!([review(1, "ada"), review(2, "ada-work")]);
    std::fs::write(&file, reviews.to_string()).expect("written");
    let judged = court.judge(&["--reviews", file.to_str().expect("path")]);
    assert_eq!(judged["answer"], "needs-approval");
    assert!(reason(&judged, "code").contains("1 given"), "{judged:#}");
    let reviews = serde_json::json!([review(1, "ada"), review(3, "cyd")]);
    std::fs::write(&file, reviews.to_string()).expect("written");
    assert_eq!(court.judge(&["--reviews", file.to_str().expect("path")])["answer"], "allow");
}

#[test]
fn reviews_count_only_where_the_policy_says_so() {
    let court = Court::new(CODE);
    let head = court.topic("bob", "a.c", "int a;\n");
    let event = serde_json::json!({
        "version": "provost.contribution/1",
        "forge": "neutral",
        "kind": "pull_request",
        "repository": {"name": "shop/web"},
        "target": "refs/heads/main",
        "head": head,
        "author": {"name": "bob", "kind": "user"},
        "reviews": [{"state": "approved", "who": {"name": "ada"}, "commit": head}],
    });
    let file = court.root().join("event.json");
    std::fs::write(&file, event.to_string()).expect("written");
    court.fetch("ci");
    let output = court.output("ci", &["gate", "--event", file.to_str().expect("path"), "--format", "json"]);
    let judged: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(judged["answer"], "needs-approval");
    assert!(stale(&judged, "ada").contains("counts signatures only"), "{judged:#}");
    assert_eq!(judged["forge"]["author"]["name"], "bob");
    court.change_policy(|text| text.replace("\n[gate]\n", "\n[gate]\ncount-reviews = true\n"));
    court.fetch("ci");
    court.expect("ci", 0, &["gate", "--event", file.to_str().expect("path")]);
}

#[test]
fn an_administrator_has_no_way_around() {
    let court = Court::new(CODE);
    court.topic("bob", "a.c", "int a;\n");
    court.fetch("root");
    let text = court.expect("root", 1, &["approve", "origin/topic", "--onto", "main", "--yes"]);
    assert!(text.contains("no rule that asks for approvals (code) counts that of root"), "{text}");
    let text = court.expect(
        "root",
        1,
        &[
            "approve",
            "origin/topic",
            "--onto",
            "main",
            "--yes",
            "--break-glass",
            "--expires",
            "1h",
            "--comment",
            "it has to go on now",
        ],
    );
    assert!(text.contains("knows no way around"), "{text}");
    let judged = court.judge(&[]);
    let own = court.craft("root", &judged, |_| {});
    let judged = court.judge(&["--approvals", own.to_str().expect("path")]);
    assert!(stale(&judged, "root").contains("does not count for this rule"), "{judged:#}");
}

#[test]
fn a_stranger_approves() {
    let court = Court::new(CODE);
    court.topic("bob", "a.c", "int a;\n");
    court.fetch("mallory");
    let text = court.expect("mallory", 2, &["approve", "origin/topic", "--onto", "main", "--yes"]);
    assert!(text.contains("is of nobody whom the policy names"), "{text}");
    let judged = court.judge(&[]);
    let own = court.craft("mallory", &judged, |_| {});
    let judged = court.judge(&["--approvals", own.to_str().expect("path")]);
    assert_eq!(judged["answer"], "needs-approval");
    assert!(judged["notes"].to_string().contains("not taken"), "{judged:#}");
}

#[test]
fn squash_rebase_and_cherry_pick_keep_an_approval_where_the_tree_is_the_approved_one() {
    let court = Court::new(CODE);
    court.topic("bob", "a.c", "int a;\n");
    court.commit("bob", "b.c", "int b;\n");
    court.push("bob");
    court.approve("ada", &[]);
    // Squashed onto the same base.
    court.git("bob", &["reset", "-q", "--soft", "origin/main"]);
    court.git("bob", &["commit", "-q", "-m", "Squashed"]);
    court.push("bob");
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "allow", "{judged:#}");
    assert!(reason(&judged, "code").contains("kept: the same tree on the same base"));
    // Picked one by one onto the base, with other messages.
    court.git("bob", &["switch", "-q", "-c", "other", "origin/main"]);
    court.git("bob", &["cherry-pick", "topic"]);
    court.git("bob", &["commit", "-q", "--amend", "-m", "Picked"]);
    court.push("bob");
    assert_eq!(court.judge(&[])["answer"], "allow");
    // The same with one byte more.
    court.write("bob", "b.c", "int b; \n");
    court.git("bob", &["commit", "-q", "-a", "--amend", "--no-edit"]);
    court.push("bob");
    let judged = court.judge(&[]);
    assert_eq!(stale(&judged, "ada"), "the content has changed since");
}

#[test]
fn a_merge_queue_merges_what_was_approved_and_nothing_else() {
    let court = Court::new(CODE);
    court.topic("bob", "a.c", "int a;\n");
    court.approve("ada", &[]);
    court.fetch("ci");
    let base = court.git("ci", &["rev-parse", "origin/main"]);
    let queue = |evil: bool| {
        court.git("ci", &["switch", "-q", "--detach", "origin/main"]);
        court.git("ci", &["merge", "-q", "--no-ff", "-m", "Queue", "origin/topic"]);
        if evil {
            court.write("ci", "a.c", "int evil;\n");
            court.git("ci", &["commit", "-q", "-a", "--amend", "--no-edit"]);
        }
        court.git("ci", &["rev-parse", "HEAD"])
    };
    let merged = queue(false);
    let judged = court.judge_as_it_is(&merged, &["--base", &base]);
    assert_eq!(judged["answer"], "allow", "{judged:#}");
    let evil = queue(true);
    let judged = court.judge_as_it_is(&evil, &["--base", &base]);
    assert_eq!(stale(&judged, "ada"), "the content has changed since");
}

/// Main moves on while a change waits.
fn moved(keep: &str, file: &str, text: &str) -> (Court, serde_json::Value) {
    let court = Court::new(&rule(keep));
    court.topic("bob", "a.c", "int a;\n");
    court.approve("ada", &[]);
    court.git("ci", &["switch", "-q", "main"]);
    court.commit("ci", file, text);
    court.git("ci", &["push", "-q", "origin", "main"]);
    let judged = court.judge(&[]);
    (court, judged)
}

#[test]
fn the_target_moved() {
    let (_court, judged) = moved("", "elsewhere.c", "int x;\n");
    assert_eq!(judged["answer"], "needs-approval");
    assert!(stale(&judged, "ada").contains("earlier state"), "{judged:#}");
    // An approval that survives that, and survives the rebase onto it too.
    let (court, judged) = moved("keep = [\"trivial-rebase\"]", "elsewhere.c", "int x;\n");
    assert_eq!(judged["answer"], "allow", "{judged:#}");
    court.fetch("bob");
    court.git("bob", &["rebase", "-q", "origin/main"]);
    court.push("bob");
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "allow", "{judged:#}");
    assert!(reason(&judged, "code").contains("kept: trivial-rebase"));
    // A rebase that changes something on the way is another thing.
    court.write("bob", "a.c", "int a = 1;\n");
    court.git("bob", &["commit", "-q", "-a", "--amend", "--no-edit"]);
    court.push("bob");
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "needs-approval");
    assert!(stale(&judged, "ada").contains("beyond what the new base brought"), "{judged:#}");
}

#[test]
fn the_target_moved_into_the_way() {
    let (court, judged) = moved("keep = [\"trivial-rebase\", \"merge-first-parent-update\"]", "a.c", "float a;\n");
    assert_eq!(judged["answer"], "deny");
    assert!(reason(&judged, "merge").contains("without conflicts"), "{judged:#}");
    court.fetch("cyd");
    let text = court.expect("cyd", 1, &["approve", "origin/topic", "--onto", "main", "--yes"]);
    assert!(text.contains("does not merge"), "{text}");
}

#[test]
fn merging_the_target_into_the_change() {
    let (court, _) = moved("keep = [\"merge-first-parent-update\"]", "elsewhere.c", "int x;\n");
    court.fetch("bob");
    court.git("bob", &["merge", "-q", "-m", "Update", "origin/main"]);
    court.push("bob");
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "allow", "{judged:#}");
    // A merge that brings something of its own.
    court.git("bob", &["reset", "-q", "--hard", "HEAD^"]);
    court.git("bob", &["merge", "-q", "--no-commit", "--no-ff", "origin/main"]);
    court.write("bob", "a.c", "int evil;\n");
    court.git("bob", &["commit", "-q", "-a", "-m", "Update"]);
    court.push("bob");
    assert_eq!(court.judge(&[])["answer"], "needs-approval");
}

#[test]
fn a_withdrawal() {
    let court = Court::new(CODE);
    court.topic("bob", "a.c", "int a;\n");
    court.approve("ada", &[]);
    assert_eq!(court.judge(&[])["answer"], "allow");
    let withdraw = ["withdraw", "--mine", "--head", "origin/topic", "--onto", "main", "--yes", "--push", "origin"];
    // Nobody takes back what another signed.
    court.fetch("cyd");
    assert!(court.expect("cyd", 2, &withdraw).contains("cyd said nothing"));
    court.fetch("ada");
    court.expect("ada", 0, &withdraw);
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "needs-approval");
    assert_eq!(stale(&judged, "ada"), "it was withdrawn");
    court.approve("ada", &[]);
    assert_eq!(court.judge(&[])["answer"], "allow");
}

#[test]
fn a_rejection() {
    let court = Court::new(CODE);
    court.topic("bob", "a.c", "int a;\n");
    court.approve("ada", &[]);
    court.approve("cyd", &["--reject", "--comment", "the name is taken"]);
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "deny");
    assert!(reason(&judged, "rejected").contains("cyd rejected it: the name is taken"), "{judged:#}");
    // Another message does not get rid of it.
    court.git("bob", &["commit", "-q", "--amend", "-m", "Other words"]);
    court.push("bob");
    assert_eq!(court.judge(&[])["answer"], "deny");
    court.git("bob", &["reset", "-q", "--hard", "HEAD@{1}"]);
    court.push("bob");
    court.fetch("cyd");
    court.expect(
        "cyd",
        0,
        &["withdraw", "--mine", "--head", "origin/topic", "--onto", "main", "--yes", "--push", "origin"],
    );
    assert_eq!(court.judge(&[])["answer"], "allow");
}

/// A name in a commit keeps nobody quiet.
#[test]
fn a_rejection_of_someone_who_is_named_as_an_author() {
    let court = Court::new(CODE);
    court.git("bob", &["switch", "-q", "-c", "topic", "origin/main"]);
    court.write("bob", "a.c", "int a;\n");
    court.git("bob", &["add", "-A"]);
    court.git("bob", &["commit", "-q", "-S", "-m", "a\n\nCo-authored-by: cyd <cyd@example.com>"]);
    court.push("bob");
    court.approve("ada", &[]);
    assert_eq!(court.judge(&[])["answer"], "allow");
    court.approve("cyd", &["--reject", "--comment", "I had no hand in this"]);
    assert!(reason(&court.judge(&[]), "rejected").contains("cyd rejected it"));
}

/// A tag that is named like the commit that was reviewed.
#[test]
fn a_short_id_that_is_the_name_of_a_tag_too() {
    let court = Court::new(CODE);
    let head = court.topic("bob", "a.c", "int a;\n");
    court.fetch("ci");
    court.git("ci", &["tag", &head[..12], "origin/main"]);
    let gate =
        |head: &str, code: i32| court.expect("ci", code, &["gate", "--head", head, "--onto", "main", "--no-attest"]);
    let told = gate(&head[..12], 3);
    assert!(told.contains("give the whole of either"), "{told}");
    // The whole id, and a short one that is no tag.
    gate(&head, 1);
    gate(&head[..10], 1);
}

#[test]
fn an_expired_approval() {
    let court = Court::new(CODE);
    court.topic("bob", "a.c", "int a;\n");
    let judged = court.judge(&[]);
    let old = court.craft("ada", &judged, |approval| {
        approval.signed_on = now().plus_milliseconds(-3 * HOUR);
        approval.expires = Some(now().plus_milliseconds(-HOUR));
    });
    let judged = court.judge(&["--approvals", old.to_str().expect("path")]);
    assert_eq!(judged["answer"], "needs-approval");
    assert_eq!(stale(&judged, "ada"), "it has expired");
}

#[test]
fn an_approval_under_an_older_policy() {
    let court = Court::new(&rule("keep = [\"trivial-rebase\"]"));
    court.topic("bob", "a.c", "int a;\n");
    court.approve("ada", &[]);
    court.change_policy(|text| {
        text.replace("uri = \"git+https://git.example.com/shop\"", "uri = \"git+https://git.example.com/new\"")
    });
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "needs-approval");
    assert_eq!(stale(&judged, "ada"), "it was given under another policy");
}

#[test]
fn a_proposal_that_changes_the_policy_is_judged_by_the_old_one() {
    let rules = r#"
[[protect]]
name = "rules"
refs = ["refs/heads/main"]
kinds = ["policy"]
approvals = 2
by = ["maintainer"]
"#;
    let court = Court::new(&format!("{CODE}{rules}"));
    // Signed by the policy's own key, and not in force before it is merged.
    court.git("ci", &["switch", "-q", "-c", "weaker"]);
    let path = court.clone_of("ci").join(".provost/policy.toml");
    let text = std::fs::read_to_string(&path).expect("policy");
    let weaker = text.replace("approvals = 2", "approvals = 1").replace("serial = 2", "serial = 3");
    assert_ne!(weaker, text);
    std::fs::write(&path, weaker).expect("written");
    court.expect("ci", 0, &["policy", "sign"]);
    court.git("ci", &["commit", "-q", "-am", "Weaker"]);
    court.push("ci");
    court.approve("ada", &[]);
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "needs-approval", "{judged:#}");
    assert_eq!(judged["policy"]["serial"], 2);
    assert!(reason(&judged, "rules").contains("1 given"), "{judged:#}");
    court.approve("cyd", &[]);
    assert_eq!(court.judge(&[])["answer"], "allow");
    // One that nobody signed, or that counts back, would leave the target without any.
    let signed = court.clone_of("ci").join(".provost/policy.dsse.json");
    let text = std::fs::read_to_string(&signed).expect("policy");
    court.commit("ci", ".provost/policy.dsse.json", &text.replacen("payload\":\"", "payload\":\"AAAA", 1));
    court.push("ci");
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "deny");
    assert!(reason(&judged, "policy-follows").contains("cannot take the present one's place"), "{judged:#}");
}

#[test]
fn breaking_the_glass_takes_two_and_ends() {
    let court = Court::new(CODE);
    court.change_policy(|text| {
        text.replace("\n[gate]\n", "\n[gate]\nbreak-glass = { persons = 2, by = [\"maintainer\"], max-hours = 4 }\n")
    });
    court.fetch("bob");
    court.topic("bob", "a.c", "int a;\n");
    let glass = ["--break-glass", "--expires", "2h", "--comment", "production is down, and this mends it"];
    let judged = court.judge(&[]);
    court.fetch("ada");
    let text = court.expect(
        "ada",
        1,
        &[
            "approve",
            "origin/topic",
            "--onto",
            "main",
            "--yes",
            "--break-glass",
            "--expires",
            "9h",
            "--comment",
            "a good reason indeed",
        ],
    );
    assert!(text.contains("4 hours at most"), "{text}");
    // An expired one, and one without a reason, do not count.
    let mut files = Vec::new();
    for (who, hours, comment) in [("ada", -1, "production is down"), ("cyd", 2, "short")] {
        let file = court.craft(who, &judged, |approval| {
            approval.decision = ApprovalDecision::BreakGlass;
            approval.signed_on = now().plus_milliseconds(-2 * HOUR);
            approval.expires = Some(now().plus_milliseconds(hours * HOUR));
            comment.clone_into(&mut approval.comment);
        });
        files.push(file.display().to_string());
    }
    let judged = court.judge(&["--approvals", &files[0], "--approvals", &files[1]]);
    assert_eq!(judged["answer"], "needs-approval", "{judged:#}");
    court.approve("cyd", &glass);
    assert_eq!(court.judge(&[])["answer"], "needs-approval");
    // Whoever made the change may say so too: it is an emergency, and on record.
    court.approve("bob", &glass);
    let judged = court.judge(&[]);
    assert_eq!(judged["answer"], "allow", "{judged:#}");
    assert_eq!(judged["brokenGlass"], serde_json::json!(["bob", "cyd"]));
    let log = court.expect("ci", 0, &["log", "show"]);
    assert!(log.contains("gate-verdict"), "{log}");
}

#[test]
fn a_base_that_the_proposer_chose_names_no_program_to_start() {
    let court = Court::new(CODE);
    court.git("mallory", &["switch", "-q", "-c", "base", "origin/main"]);
    let mark = court.root().join("started");
    let config = format!(
        "[project]\nname = \"x\"\nid = \"never-seen\"\n[signer]\ncommand = [\"/bin/sh\", \"-c\", \"touch {}\"]\npublic-key = \".provost/keys/policy.pub\"\n",
        mark.display()
    );
    court.commit("mallory", "provost.toml", &config);
    court.git("mallory", &["push", "-q", "origin", "HEAD:refs/heads/topic/base"]);
    court.commit("mallory", "x.c", "int x;\n");
    court.git("mallory", &["push", "-q", "origin", "HEAD:refs/heads/topic/head"]);
    court.fetch("ci");
    court.git("ci", &["switch", "-q", "--detach", "origin/topic/head"]);
    // As a CI machine has it: store and log key in the environment.
    let files = provost_testkit::files_below(&court.home("ci").join("provost"));
    let file = |name: &str| files.iter().find(|path| path.ends_with(name)).expect("file").clone();
    for more in [&[][..], &["--", "true"]] {
        for command in ["gate", "approvals"] {
            let which = ["--onto", "topic/base", "origin/topic/head"];
            let arguments = match command {
                "gate" => [&["gate", "--head", which[2], "--no-event"], &which[..2], more].concat(),
                _ => [&["approvals", which[2]], &which[..2]].concat(),
            };
            let mut command = court.command("ci", &arguments);
            command.env("PROVOST_STORE", file("format").parent().expect("folder"));
            command.env("PROVOST_LOG_KEY", file("log.key"));
            let text = crate::text_of(&command.output().expect("runs"));
            assert!(!mark.exists(), "{arguments:?}\n{text}");
        }
    }
    let pins = provost_testkit::files_below(&court.home("ci").join("provost"));
    assert!(pins.iter().all(|path| !path.ends_with("never-seen.json")), "nothing was accepted on the way");
}

#[test]
fn a_policy_with_too_few_root_keys_judges_nothing() {
    let court = Court::new(CODE);
    let second = provost_keys::PrivateKey::generate(provost_keys::KeyAlgorithm::EcdsaP256).expect("key");
    use provost_keys::Signer as _;
    let path = court.root().join("second.key");
    std::fs::write(&path, second.to_pem(None).expect("pem").as_bytes()).expect("written");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
    let first = std::fs::read_to_string(court.clone_of("ci").join(".provost/keys/policy.pub")).expect("key");
    let root = format!(
        "\n[root]\nkeys = [\"\"\"{first}\"\"\", \"\"\"{}\"\"\"]\nthreshold = 2\n",
        second.public_key().to_pem()
    );
    court.topic("bob", "a.c", "int a;\n");
    court.change_policy(|text| format!("{text}{root}"));
    court.fetch("ci");
    let gate = ["gate", "--head", "origin/topic", "--onto", "main", "--no-attest"];
    let text = court.expect("ci", 3, &gate);
    assert!(text.contains("fewer than 2 of its own root keys signed it"), "{text}");
    court.fetch("ada");
    court.expect("ada", 3, &["approvals", "origin/topic", "--onto", "main"]);
    // By both it counts.
    let path = path.display().to_string();
    court.expect("ci", 0, &["policy", "sign", "--key", &path, "--add"]);
    court.git("ci", &["commit", "-q", "-am", "Both"]);
    court.git("ci", &["push", "-q", "origin", "main"]);
    court.fetch("ci");
    let text = court.expect("ci", 1, &gate);
    assert!(text.contains("NEEDS APPROVAL"), "{text}");
    // A next one that leaves the root keys out, or that one of them signed, does not follow.
    court.change_policy(|text| text.replace(&root, "").replace("by = [\"maintainer\"]", ""));
    court.fetch("ci");
    let text = court.expect("ci", 3, &gate);
    assert!(text.contains("cannot follow serial"), "{text}");
}

#[test]
fn a_path_is_no_command_of_the_workflow() {
    let court = Court::new(CODE);
    court.topic("bob", "::set-output name=answer::allow", "x\n");
    court.fetch("ci");
    let mut command = court.command("ci", &["gate", "--head", "origin/topic", "--onto", "main", "--no-event"]);
    command.env("GITHUB_ACTIONS", "true");
    let text = crate::text_of(&command.output().expect("runs"));
    assert!(text.contains("set-output"), "{text}");
    assert!(text.lines().all(|line| !line.trim_start().starts_with("::set-output")), "{text}");
}
