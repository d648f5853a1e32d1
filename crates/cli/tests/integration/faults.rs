//! A run that is killed at any step: the store stays sound, and the next run works.

use std::os::unix::process::ExitStatusExt as _;

use crate::{World, text_of};

#[test]
fn killed_at_every_step_of_a_run() {
    let world = World::new();
    world.expect(0, &["init"]);
    let mut kills = 0;
    for point in 1..300 {
        let mut command = world.command(&["run", "-q", "--", "sh", "build.sh"]);
        let output = command.env("PROVOST_FAULT", point.to_string()).output().expect("runs");
        let sound = world.run(&["log", "fsck"]);
        assert!(sound.status.success(), "after the kill at point {point}: {}", text_of(&sound));
        if output.status.signal() == Some(9) {
            kills += 1;
        } else {
            assert!(output.status.success(), "{}", text_of(&output));
            break;
        }
    }
    eprintln!("{kills} kills");
    assert!(kills >= 30, "only {kills} fault points were reached");
    world.expect(0, &["run", "--", "sh", "build.sh"]);
    world.expect(0, &["verify", "out/app"]);
}

#[test]
fn a_store_that_cannot_be_written_fails_the_step() {
    let world = World::built(&[]);
    let store = provost_testkit::files_below(&world.root().join("home/stores"))
        .into_iter()
        .find(|p| p.ends_with("format"))
        .expect("store");
    let packs = store.with_file_name("packs");
    std::fs::rename(&packs, packs.with_extension("away")).expect("moved");
    std::fs::write(&packs, "a file where a folder must be").expect("written");
    let text = world.expect(3, &["run", "--", "true"]);
    assert!(text.contains("the step fails") && text.contains("packs"), "{text}");
    // The store can be read, and not written: that shows at the end, and is as fatal.
    std::fs::remove_file(&packs).expect("removed");
    std::fs::rename(packs.with_extension("away"), &packs).expect("moved back");
    let temporary = store.with_file_name("tmp");
    std::fs::rename(&temporary, temporary.with_extension("away")).expect("moved");
    std::fs::write(&temporary, "a file where a folder must be").expect("written");
    let text = world.expect(3, &["run", "--", "true"]);
    assert!(text.contains("the step fails") && text.contains("tmp"), "{text}");
}
