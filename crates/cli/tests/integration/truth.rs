//! What the observer says of small builds whose truth is known. Each of these was wrong once on a real build.

use provost_model::Observation;

use crate::{World, text_of};

/// Runs a shell script, and gives what was seen of it; `None` where nobody can watch.
fn watch(script: &str) -> Option<Observation> {
    let world = World::new();
    let output =
        world.run(&["run", "-q", "--observe", "notify", "--observation", "seen.json", "--", "sh", "-c", script]);
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

/// An ELF program of one instruction, which no processor has.
#[cfg(target_arch = "x86_64")]
fn program_that_dies() -> Vec<u8> {
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let (start, size) = (0x40_0000_u64, 64 + 56 + 2_u64);
    elf.extend([2, 0, 62, 0, 1, 0, 0, 0]); // an executable for this machine
    elf.extend((start + 64 + 56).to_le_bytes()); // where it begins
    elf.extend(64_u64.to_le_bytes()); // its segments
    elf.extend(0_u64.to_le_bytes()); // no sections
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]); // loaded, to read and execute
    for word in [0, start, start, size, size, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend([0x0f, 0x0b]);
    elf
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_program_that_dies_before_its_first_call_was_executed() {
    use std::fmt::Write as _;
    let bytes = program_that_dies().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:03o}");
        text
    });
    let Some(seen) = watch(&format!("printf '{bytes}' > die; chmod +x die; ./die; test $? = 132")) else { return };
    let mut programs = seen.processes.iter().flat_map(|process| &process.programs);
    assert!(programs.any(|program| program.path.text.ends_with("/die")), "{:?}", seen.processes);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_file_without_a_name_gets_one_by_its_descriptor() {
    if std::process::Command::new("perl").arg("-v").output().is_err() {
        eprintln!("skipped: no perl");
        return;
    }
    // O_TMPFILE|O_RDWR, then linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH), where the kernel alone would do it too.
    let script = r#"perl -e 'sysopen(F, ".", 020200002, 0644) or exit 0;
        syscall(265, fileno(F), my $empty = "", -100, my $name = "named", 0x1000) == 0 or die "linkat: $!"'"#;
    let Some(seen) = watch(script) else { return };
    assert!(seen.files.iter().any(|file| file.name.text.ends_with("/project/named") && file.is_output()));
    assert_eq!(seen.coverage.counters["continued"], 0);
}
