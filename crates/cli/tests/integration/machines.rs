//! Machines that lack something: every downgrade is said, and none happens where more was asked for.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use provost_model::{BackEnd, Observation, Permission};

use crate::{World, text_of};

/// The program that takes things away; `None` where it cannot be compiled.
fn without(world: &World) -> Option<PathBuf> {
    let program = world.root().join("without");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines/without.c");
    let Ok(built) = Command::new("cc").arg("-o").arg(&program).arg(source).output() else {
        eprintln!("skipped: no C compiler here");
        return None;
    };
    assert!(built.status.success(), "{}", text_of(&built));
    Some(program)
}

/// `provost run` on such a machine.
fn run(world: &World, without: &Path, lacks: &[&str], arguments: &[&str]) -> Output {
    let like = world.command(&[]);
    let mut command = Command::new(without);
    command.args(lacks).arg("--").arg(like.get_program()).arg("run");
    command.args(["--observation", "seen.json"]).args(arguments).current_dir(world.project()).env_clear();
    command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.output().expect("runs")
}

fn seen(world: &World) -> Observation {
    let json = std::fs::read(world.project().join("seen.json")).expect("the observation");
    serde_json::from_slice(&json).expect("JSON")
}

#[test]
#[cfg(target_arch = "x86_64")]
fn without_a_listener_it_is_traced() {
    let world = World::new();
    let Some(program) = without(&world) else { return };
    let output = run(&world, &program, &["listener"], &["--", "sh", "build.sh"]);
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
    let seen = seen(&world);
    assert_eq!(seen.back_end, BackEnd::Ptrace);
    assert!(seen.is_complete(), "{:?}", seen.coverage);
    assert!(seen.coverage.not_used.iter().any(|why| why.contains("notification")), "{:?}", seen.coverage.not_used);
    let written = |name: &str| seen.files.iter().any(|f| f.name.text.ends_with(name) && f.final_digest.is_some());
    assert!(written("out/main.o") && written("out/app"));
    let asked = run(&world, &program, &["listener"], &["--observe", "notify", "--", "sh", "build.sh"]);
    assert_eq!(asked.status.code(), Some(3), "{}", text_of(&asked));
}

#[test]
fn without_both_nobody_watches_and_everybody_is_told() {
    let world = World::new();
    let Some(program) = without(&world) else { return };
    let lacks = ["listener", "tracing"];
    let output = run(&world, &program, &lacks, &["--", "sh", "build.sh"]);
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("by nobody"), "{text}");
    let seen = seen(&world);
    assert_eq!(seen.back_end, BackEnd::None);
    assert!(!seen.is_complete() && !seen.coverage.not_used.is_empty());
    for wanted in ["notify", "ptrace"] {
        let asked = run(&world, &program, &lacks, &["--observe", wanted, "--", "sh", "build.sh"]);
        assert_eq!(asked.status.code(), Some(3), "{}", text_of(&asked));
    }
}

#[test]
fn a_policy_refuses_what_nobody_watched() {
    let world = World::new();
    let Some(program) = without(&world) else { return };
    world.expect(0, &["init"]);
    world.edit(".provost/policy.toml", |text| {
        assert!(text.contains("[build]"), "{text}");
        text.replace("[build]", "[build]\nobservation = \"kernel\"").replace("serial = 1", "serial = 2")
    });
    world.expect(0, &["policy", "sign"]);
    let output = run(&world, &program, &["listener", "tracing"], &["--", "sh", "build.sh"]);
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("build-observed"), "{text}");
    let watched = run(&world, &program, &[], &["--", "sh", "build.sh"]);
    assert_eq!(watched.status.code(), Some(0), "{}", text_of(&watched));
}

#[test]
fn prevention_is_not_started_where_it_cannot_be_held() {
    let world = World::new();
    let Some(program) = without(&world) else { return };
    let guard = |text: &str| std::fs::write(world.project().join("provost.toml"), text).expect("file");
    guard("[guard]\nmode = \"prevent\"\noutputs = [\"out\"]\n");
    let output = run(&world, &program, &["listener", "tracing"], &["--", "sh", "build.sh"]);
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("mode = \"prevent\""), "{text}");
    assert!(!world.artifact().exists(), "the command was started");
}

#[test]
fn without_namespaces_landlock_holds_the_tree_and_a_filter_the_network() {
    let world = World::new();
    let Some(program) = without(&world) else { return };
    std::fs::create_dir_all(world.root().join(".ssh")).expect("folder");
    std::fs::write(world.root().join(".ssh/id_rsa"), "CANARY").expect("file");
    let guard = |text: &str| std::fs::write(world.project().join("provost.toml"), text).expect("file");
    guard("[guard]\nmode = \"prevent\"\noutputs = [\"out\"]\nnetwork = \"none\"\nprivate-temporary = false\n");
    let script = "echo x > out/fine; (echo x >> src/main.c) && exit 9; cat ~/.ssh/id_rsa && exit 8; exit 0";
    let output = run(&world, &program, &["namespaces"], &["--", "sh", "-c", script]);
    let text = text_of(&output);
    if text.contains("cannot be held") {
        eprintln!("skipped: no Landlock here");
        return;
    }
    assert!(!text.contains("CANARY"), "{text}");
    let seen = seen(&world);
    let kinds: Vec<(&str, Permission)> = seen.violations.iter().map(|v| (v.kind.as_str(), v.permission)).collect();
    assert!(kinds.contains(&("source-write", Permission::Refused)), "{text}\n{kinds:?}");
    assert!(kinds.contains(&("credential", Permission::Refused)), "{text}\n{kinds:?}");
    assert!(seen.coverage.layers.iter().any(|layer| layer.contains("landlock")), "{:?}", seen.coverage.layers);
    assert!(seen.coverage.layers.iter().any(|layer| layer.contains("no internet sockets")), "{:?}", seen.coverage);
    assert_eq!(output.status.code(), Some(1), "{text}");
    // A list cannot be held without a network of its own.
    guard("[guard]\nmode = \"prevent\"\nnetwork = [\"example.org:443\"]\n");
    world.run(&["trust", "config"]);
    let output = run(&world, &program, &["namespaces"], &["--", "sh", "build.sh"]);
    assert_eq!(output.status.code(), Some(3), "{}", text_of(&output));
}
