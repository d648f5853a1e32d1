//! Hooks of a clone: what they know they say, what they cannot know they leave to the server.

use super::{ACCESS, OPEN, Team};

const RULES: &str = "[[protect]]\nname = \"names\"\nrefs = [\"refs/heads/**\"]\nforbidden-names = [\"*.pem\"]\nmax-file-bytes = 1000\n\
                     [[protect]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nsigned-commits = true\nfast-forward = true\n\
                     [[protect]]\nname = \"ci\"\nrefs = [\"refs/heads/main\"]\nkinds = [\"ci-configuration\"]\napprovals = 1\nby = [\"maintainer\"]\n\
                     [[protect]]\nname = \"main-names\"\nrefs = [\"refs/heads/main\"]\nforbidden-names = [\"draft\"]\n";

fn team() -> Team {
    let team = Team::new(&format!("{ACCESS}{OPEN}{RULES}"));
    for who in ["ada", "cyd"] {
        team.clone(who);
        let output = team.provost(&["repo", "client-hooks", &team.clone_of(who).display().to_string()]);
        assert!(output.status.success(), "{}", crate::text_of(&output));
    }
    team
}

/// A push that the clone's own hook stops, before the server is asked.
fn stopped(team: &Team, who: &str, arguments: &[&str], why: &str) {
    let audit = team.audit();
    let text = team.refused(who, arguments, why);
    assert!(text.contains("the server decides") && !text.contains("remote:"), "{text}");
    assert_eq!(team.audit(), audit, "the server was asked");
}

#[test]
fn a_clone_that_knows_nothing_stops_nothing() {
    let team = team();
    team.commit("ada", "a.txt", "one\n", &["-S"]);
    let text = team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    assert!(text.contains("cannot say what the server will do: there is no refs/provost/log"), "{text}");
}

#[test]
fn a_push_is_told_of_before_it_is_made() {
    let team = team();
    team.commit("ada", "a.txt", "one\n", &["-S"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    for who in ["ada", "cyd"] {
        team.git(who, &["fetch", "-q"]);
        team.git(who, &["reset", "-q", "--hard", "origin/main"]);
    }
    team.commit("cyd", "b.txt", "two\n", &[]);
    stopped(&team, "cyd", &["origin", "HEAD:refs/heads/main"], "cyd may not update refs/heads/main");
    team.pushed("cyd", &["origin", "HEAD:refs/heads/topic/b"]);
    team.commit("ada", "b.txt", "two\n", &[]);
    stopped(&team, "ada", &["origin", "HEAD:refs/heads/main"], "not signed");
    team.git("ada", &["commit", "-q", "--amend", "--no-edit", "-S"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.git("ada", &["commit", "-q", "--amend", "-S", "-m", "other"]);
    stopped(&team, "ada", &["-f", "origin", "HEAD:refs/heads/main"], "only moves forward");
    stopped(&team, "ada", &["origin", ":refs/heads/main"], "cannot be deleted");
    // An approval may be on the server by now: the clone warns, and the server decides.
    team.git("ada", &["reset", "-q", "--hard", "origin/main"]);
    team.commit("ada", ".gitlab-ci.yml", "x: y\n", &["-S"]);
    let text = team.refused("ada", &["origin", "HEAD:refs/heads/main"], "this clone cannot say");
    assert!(text.contains("remote: provost:"), "the server was not asked: {text}");
    // Asked all the same, the server says the same.
    team.git("ada", &["reset", "-q", "--hard", "origin/main"]);
    team.commit("ada", "c.txt", "c\n", &[]);
    let text = team.refused("ada", &["--no-verify", "origin", "HEAD:refs/heads/main"], "not signed");
    assert!(text.contains("remote: provost:"), "{text}");
    // Whoever the policy does not name by mail is asked for a name, and judged by the rest.
    team.git("ada", &["config", "user.email", "other@x.test"]);
    let text = team.refused("ada", &["origin", "HEAD:refs/heads/main"], "git config provost.person NAME");
    assert!(text.contains("not signed"), "{text}");
}

#[test]
fn a_commit_is_told_of_before_it_is_made() {
    let team = team();
    team.commit("ada", "a.txt", "one\n", &["-S"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.git("ada", &["fetch", "-q"]);
    let clone = team.clone_of("ada");
    for (file, text, why) in [("key.pem", "x", "the name key.pem is refused"), ("big", &"x".repeat(2000), "at most")] {
        std::fs::write(clone.join(file), text).expect("written");
        team.git("ada", &["add", "-A"]);
        let output = team.git_at(&clone, "ada", &["commit", "-q", "-m", "x"]);
        let text = crate::text_of(&output);
        assert!(!output.status.success() && text.contains(why) && text.contains("the server decides"), "{text}");
        team.git("ada", &["rm", "-q", "-f", file]);
    }
    // What only main refuses: the commit may go elsewhere.
    std::fs::write(clone.join("draft"), "x").expect("written");
    team.git("ada", &["add", "-A"]);
    let output = team.git_at(&clone, "ada", &["commit", "-q", "-m", "x"]);
    let text = crate::text_of(&output);
    assert!(output.status.success() && text.contains("where this commit will be pushed to"), "{text}");
    team.git("ada", &["commit", "-q", "--allow-empty", "-m", "x"]);
}

#[test]
fn hooks_of_others_stay() {
    let team = Team::new(&format!("{ACCESS}{OPEN}"));
    let clone = team.clone("ada");
    std::fs::write(clone.join(".git/hooks/pre-push"), "#!/bin/sh\nexit 0\n").expect("written");
    let output = team.provost(&["repo", "client-hooks", &clone.display().to_string()]);
    assert!(
        !output.status.success() && crate::text_of(&output).contains("not provost's"),
        "{}",
        crate::text_of(&output)
    );
    assert_eq!(std::fs::read_to_string(clone.join(".git/hooks/pre-push")).expect("hook"), "#!/bin/sh\nexit 0\n");
}
