//! What the observer says of small builds whose truth is known. Each of these was wrong once on a real build.

use provost_model::Observation;

use crate::{World, text_of};

/// Runs a shell script, and gives what was seen of it; `None` where nobody can watch.
fn watch(script: &str) -> Option<Observation> {
    let world = World::new();
    let output = world.run(&["run", "-q", "--observe", "notify", "--observation", "seen.json", "--", "sh", "-c", script]);
    let text = text_of(&output);
    if text.contains("cannot be had") {
        eprintln!("skipped: {text}");
        return None;
    }
    assert_eq!(output.status.code(), Some(0), "{text}");
    let json = std::fs::read(world.project().join("seen.json")).expect("the observation");
    Some(serde_json::from_slice(&json).expect("JSON"))
}

#[test]
fn a_process_that_makes_no_call_before_its_children_do_has_its_place() {
    // The subshell makes nothing but children: it is seen through them.
    let Some(seen) = watch("x=$( (echo a | tr a b) | cat ); test \"$x\" = b") else { return };
    let orphans: Vec<_> = seen.processes.iter().skip(1).filter(|process| process.parent.is_none()).collect();
    assert!(orphans.is_empty(), "{orphans:?}");
    assert_eq!(seen.coverage.counters["parentUnknown"], 0);
}

#[test]
fn a_reader_that_is_done_is_no_reader() {
    // The shell opened the file itself, and lives on; it does not hold it any more when it is written.
    let Some(seen) = watch("read x < src/main.c; echo y > src/main.c; rm src/main.c; echo z > other") else { return };
    let problems: Vec<_> = seen.files.iter().filter(|file| file.problem.is_some()).collect();
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn a_reader_that_holds_the_file_is_one() {
    let Some(seen) = watch("exec 3< src/main.c; (echo y > src/main.c); read x <&3; echo $x") else { return };
    let file = seen.files.iter().find(|file| file.name.text.ends_with("src/main.c")).expect("the file");
    assert!(file.problem.is_some(), "{file:?}");
}
