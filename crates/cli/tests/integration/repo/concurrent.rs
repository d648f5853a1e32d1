//! Two pushes at once, and processes that are killed at every step.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{ACCESS, OPEN, Team, bounded};

const FORWARD: &str = "[[protect]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nfast-forward = true\n";

fn team() -> Team {
    let team = Team::new(&format!("{ACCESS}{OPEN}{FORWARD}"));
    for who in ["ada", "bob"] {
        team.clone(who);
    }
    team.commit("ada", "a.txt", "one\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.git("bob", &["pull", "-q", "origin", "main"]);
    team
}

/// Both at once; each output.
fn both(team: &Team, ada: &str, bob: &str) -> [std::process::Output; 2] {
    let commands = [("ada", ada), ("bob", bob)]
        .map(|(who, spec)| team.git_command(&team.clone_of(who), who, &["push", "origin", spec]));
    let threads = commands.map(|command| std::thread::spawn(move || bounded(command)));
    threads.map(|thread| thread.join().expect("pushed"))
}

#[test]
fn two_pushes_of_one_ref() {
    let team = team();
    for round in 0..5 {
        let ada = team.commit("ada", "ada.txt", &format!("{round}\n"), &[]);
        let bob = team.commit("bob", "bob.txt", &format!("{round}\n"), &[]);
        let outputs = both(&team, "HEAD:refs/heads/main", "HEAD:refs/heads/main");
        let won: Vec<bool> = outputs.iter().map(|output| output.status.success()).collect();
        assert_eq!(
            won.iter().filter(|won| **won).count(),
            1,
            "{}{}",
            crate::text_of(&outputs[0]),
            crate::text_of(&outputs[1])
        );
        let winner = if won[0] { &ada } else { &bob };
        assert_eq!(team.at("refs/heads/main").as_ref(), Some(winner));
        for who in ["ada", "bob"] {
            team.git(who, &["fetch", "-q"]);
            team.git(who, &["reset", "-q", "--hard", "origin/main"]);
        }
    }
    team.sound();
}

#[test]
fn two_pushes_of_two_refs() {
    let team = team();
    for round in 0..5 {
        let ada = team.commit("ada", "ada.txt", &format!("{round}\n"), &[]);
        let bob = team.commit("bob", "bob.txt", &format!("{round}\n"), &[]);
        let outputs = both(&team, "HEAD:refs/heads/topic/ada", "HEAD:refs/heads/topic/bob");
        for output in &outputs {
            assert!(output.status.success(), "{}", crate::text_of(output));
        }
        assert_eq!(team.at("refs/heads/topic/ada"), Some(ada));
        assert_eq!(team.at("refs/heads/topic/bob"), Some(bob));
    }
    team.sound();
}

/// Kills a hook at the first point, at the second, and so on, until it passes all. Gives how often a push was refused for it,
/// and how often it stood.
fn killed_at_every_step(name: &str) -> (usize, usize) {
    let team = team();
    let hook = team.bare().join("hooks").join(name);
    let text = std::fs::read_to_string(&hook).expect("hook");
    let number = team.root().join("point");
    let fault = format!("#!/bin/sh\nexport PROVOST_FAULT=\"$(cat {} 2>/dev/null)\"\n", number.display());
    std::fs::write(&hook, text.replacen("#!/bin/sh\n", &fault, 1)).expect("written");
    let (mut refused, mut stood) = (0, 0);
    for point in 1..200 {
        let head = team.commit("ada", "b.txt", &format!("{point}\n"), &[]);
        let before = team.at("refs/heads/main");
        std::fs::write(&number, point.to_string()).expect("written");
        let output = team.push("ada", &["origin", "HEAD:refs/heads/main"]);
        std::fs::remove_file(&number).expect("removed");
        let text = crate::text_of(&output);
        let killed = text.contains("died of signal 9");
        if output.status.success() {
            stood += usize::from(killed);
            assert_eq!(team.at("refs/heads/main"), Some(head), "{text}");
        } else {
            assert!(killed, "{text}");
            refused += 1;
            assert_eq!(team.at("refs/heads/main"), before, "{text}");
        }
        // Whatever was left half done, the next push is let in, and the log says what happened, without a gap.
        team.commit("ada", "c.txt", &format!("{point}\n"), &[]);
        team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
        team.sound();
        if !killed {
            break;
        }
    }
    eprintln!("{name}: killed before a ref moved: {refused}, after: {stood}");
    (refused, stood)
}

#[test]
fn a_pre_receive_killed_at_every_step() {
    let (refused, stood) = killed_at_every_step("pre-receive");
    assert!(refused >= 20 && stood == 0, "{refused} {stood}");
}

#[test]
fn a_post_receive_killed_at_every_step() {
    let (refused, stood) = killed_at_every_step("post-receive");
    assert!(refused == 0 && stood >= 3, "{refused} {stood}");
}

fn script(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("mode");
}

/// git dies after the hook said yes: the log has a push that never was, until the next hook takes it back.
#[test]
fn git_killed_before_it_moves_a_ref() {
    let team = team();
    let before = team.at("refs/heads/main");
    let hook = team.bare().join("hooks/pre-receive");
    let real = team.bare().join("hooks/real");
    std::fs::rename(&hook, &real).expect("moved");
    script(&hook, &format!("#!/bin/sh\n{} || exit 1\nkill -9 $PPID\nsleep 1\n", real.display()));
    team.commit("ada", "b.txt", "two\n", &[]);
    let output = team.push("ada", &["origin", "HEAD:refs/heads/main"]);
    assert!(!output.status.success(), "{}", crate::text_of(&output));
    assert_eq!(team.at("refs/heads/main"), before);
    std::fs::rename(&real, &hook).expect("moved");
    // Somebody else, and another ref.
    team.git("bob", &["checkout", "-q", "-b", "t"]);
    team.commit("bob", "c.txt", "three\n", &[]);
    team.pushed("bob", &["origin", "HEAD:refs/heads/topic/c"]);
    team.sound();
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.sound();
}

/// Later: the lock on the ref is taken. git leaves it behind, and whoever runs the server has to take it away.
#[test]
fn git_killed_while_it_moves_a_ref() {
    let team = team();
    let before = team.at("refs/heads/main");
    let hook = team.bare().join("hooks/reference-transaction");
    script(
        &hook,
        "#!/bin/sh\n[ \"$1\" = prepared ] || exit 0\ngrep -q refs/heads/main || exit 0\nkill -9 $PPID\nsleep 1\n",
    );
    team.commit("ada", "b.txt", "two\n", &[]);
    let output = team.push("ada", &["origin", "HEAD:refs/heads/main"]);
    assert!(!output.status.success(), "{}", crate::text_of(&output));
    std::fs::remove_file(&hook).expect("removed");
    assert_eq!(team.at("refs/heads/main"), before);
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], ".lock");
    team.git("bob", &["checkout", "-q", "-b", "t"]);
    team.commit("bob", "c.txt", "three\n", &[]);
    team.pushed("bob", &["origin", "HEAD:refs/heads/topic/c"]);
    team.sound();
    for lock in ["refs/heads/main.lock", "HEAD.lock"] {
        let _ = std::fs::remove_file(team.bare().join(lock));
    }
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team.sound();
}

/// A push that came in while another of the same ref has its yes and no end: it waits, and is judged by what came out.
#[test]
fn a_second_push_waits_for_the_first() {
    let team = team();
    let hook = team.bare().join("hooks/pre-receive");
    let real = team.bare().join("hooks/real");
    std::fs::rename(&hook, &real).expect("moved");
    let mark = team.root().join("mark");
    script(
        &hook,
        &format!(
            "#!/bin/sh\n{} || exit 1\nif [ \"$PROVOST_PERSON\" = ada ]; then touch {}; sleep 2; fi\n",
            real.display(),
            mark.display()
        ),
    );
    team.commit("ada", "b.txt", "two\n", &[]);
    team.commit("bob", "c.txt", "three\n", &[]);
    let command = team.git_command(&team.clone_of("ada"), "ada", &["push", "origin", "HEAD:refs/heads/main"]);
    let first = std::thread::spawn(move || bounded(command));
    while !mark.exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let second = team.push("bob", &["origin", "HEAD:refs/heads/main"]);
    let first = first.join().expect("pushed");
    assert!(first.status.success(), "{}", crate::text_of(&first));
    let text = crate::text_of(&second);
    assert!(!second.status.success(), "{text}");
    team.sound();
}
