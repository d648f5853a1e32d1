//! Learning a guard, living under it, and needing more.

use crate::{World, text_of};

fn git(world: &World, arguments: &[&str]) -> String {
    let output = std::process::Command::new("git").args(arguments).current_dir(world.project()).output().expect("git");
    let text = text_of(&output);
    assert!(output.status.success(), "git {arguments:?}: {text}");
    text
}

#[test]
fn the_learned_guard_is_enough_and_no_more() {
    let world = World::new();
    world.expect(0, &["init"]);
    git(&world, &["init", "-q"]);
    let output = world.run(&["run", "--learn", "--", "sh", "build.sh"]);
    let text = text_of(&output);
    if text.contains("nobody watched") {
        eprintln!("skipped: nobody can watch here");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{text}");
    let patch = std::fs::read_to_string(world.project().join("provost.patch")).expect("the patch");
    assert!(patch.contains("+outputs = [\"out\"]") && patch.contains("+network = \"none\""), "{patch}");
    git(&world, &["apply", "provost.patch"]);
    std::fs::remove_file(world.project().join("provost.patch")).expect("the patch");
    // A changed guard counts once a person has accepted it.
    let refused = world.run(&["run", "--", "sh", "build.sh"]);
    let text = text_of(&refused);
    assert!(!refused.status.success() && text.contains("trust config"), "{text}");
    world.expect(0, &["trust", "config"]);
    let text = world.expect(0, &["run", "--", "sh", "build.sh"]);
    assert!(text.contains("PASSED"), "{text}");
    // What was not learned is refused, whatever it is: a source, a program, a place.
    for (script, kind) in [
        ("echo x >> src/main.c", "source-write"),
        ("head -c1 build.sh", "tool"),
        ("sh build.sh; echo x > new.file", "source-write"),
    ] {
        let output = world.run(&["run", "--", "sh", "-c", script]);
        let text = text_of(&output);
        assert_ne!(output.status.code(), Some(0), "{script}: {text}");
        assert!(text.contains(kind), "{script}: {text}");
    }
    assert_eq!(std::fs::read_to_string(world.project().join("src/main.c")).expect("source").matches('x').count(), 0);
    // And a later learning says what a run needs beyond it.
    let text = world.expect(0, &["run", "--learn", "--", "sh", "-c", "sh build.sh; mkdir -p more; echo x > more/file"]);
    assert!(text.contains("+ writes in more"), "{text}");
}

#[test]
fn an_output_can_be_removed_and_made_anew() {
    let world = World::new();
    std::fs::write(world.project().join("provost.toml"), "[guard]\nmode = \"prevent\"\noutputs = [\"out\"]\n")
        .expect("file");
    let script = "mkdir out && echo a > out/a && rm -rf out && mkdir out && echo b > out/b && ! mkdir out 2>/dev/null";
    let output = world.run(&["run", "--", "sh", "-c", script]);
    let text = text_of(&output);
    if text.contains("cannot be held") {
        eprintln!("skipped: {text}");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(world.project().join("out/b").exists() && !world.project().join("out/a").exists());
}
