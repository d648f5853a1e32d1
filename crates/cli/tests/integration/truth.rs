//! What the observer says of small builds whose truth is known. Each of these was wrong once on a real build.

use std::process::Output;

use provost_model::Observation;

use crate::{World, text_of};

/// Runs a shell script, and gives what was seen of it; `None` where nobody can watch.
fn watch(script: &str) -> Option<Observation> {
    let world = World::new();
    let output =
        world.run(&["run", "-q", "--observe", "notify", "--observation", "seen.json", "--", "sh", "-c", script]);
    observed(&world, &output)
}

/// What a run saw; `None` where nobody can watch.
fn observed(world: &World, output: &Output) -> Option<Observation> {
    let text = text_of(output);
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
    let shell = "read x < src/main.c; echo y > src/main.c; rm src/main.c; echo z > other";
    // Others read, write and make programs, and are gone a moment before.
    let gone = "for i in 1 2 3 4 5; do cat src/main.c > /dev/null; echo $i > src/main.c; cat src/main.c; done
        for i in 1 2 3; do cp /bin/true made; ./made; rm made; done";
    for script in [shell, gone] {
        let Some(seen) = watch(script) else { return };
        let problems: Vec<_> = seen.files.iter().filter(|file| file.problem.is_some()).collect();
        assert!(problems.is_empty(), "{problems:?}");
    }
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

#[test]
fn a_link_that_leads_elsewhere_now_is_followed_anew() {
    // Both names are of one file: the inode alone does not tell which of them was used.
    let script =
        "mkdir A B; echo x > A/x; ln A/x B/x; ln -s A now; cat now/x; ln -sfn B now; cat now/x; rm now; ln -s A now";
    let Some(seen) = watch(script) else { return };
    for name in ["/A/x", "/B/x"] {
        let file = seen.files.iter().find(|file| file.name.text.ends_with(name)).expect("the file");
        assert!(file.uses.contains(&provost_model::Use::Read), "{file:?}");
    }
}

#[test]
fn what_was_missed_again_and_again_is_found_once_it_is_there() {
    // By every way that makes a name, also a link that leads nowhere and then somewhere.
    let script = "miss() { for i in 1 2 3; do cat $1 2>/dev/null && exit 1; done; }
        miss x; echo 1 > x; cat x || exit 2; rm x; miss x; mkdir d; echo 2 > d/y; miss x; mv d/y x; cat x || exit 3
        rm x; miss x; ln -s nowhere x; miss x; miss nowhere; echo 3 > nowhere; cat x nowhere || exit 4
        rm x; miss x; ln nowhere x; cat x || exit 5; miss e/nowhere; mv d e; miss e/nowhere; mv nowhere e; cat e/nowhere";
    let Some(seen) = watch(script) else { return };
    let read = |name: &str| {
        let file = seen.files.iter().find(|file| file.name.text.ends_with(name)).expect("the file");
        assert!(file.uses.contains(&provost_model::Use::Read), "{file:?}");
    };
    ["/project/x", "/project/nowhere", "/project/e/nowhere"].into_iter().for_each(read);
    assert!(seen.coverage.counters["opensFailed"] >= 27, "{:?}", seen.coverage.counters);
}

#[test]
fn a_directory_with_the_number_of_a_removed_one_has_its_own_name() {
    // Directory and file get the numbers of those before them, on file systems that give numbers again at once.
    let script = "for d in A B C D; do mkdir $d; echo x > $d/f; (cd $d && cat f); rm -r $d; done";
    let Some(seen) = watch(script) else { return };
    for name in ["/A/f", "/B/f", "/C/f", "/D/f"] {
        let file = seen.files.iter().find(|file| file.name.text.ends_with(name)).expect("the file");
        assert!(file.uses.contains(&provost_model::Use::Read), "{file:?}");
    }
}

/// As [`watch`], but as an ordinary user.
fn watch_as_ordinary_user(script: &str) -> Option<Observation> {
    if !nix::unistd::geteuid().is_root() {
        return watch(script);
    }
    let world = World::new();
    let program = world.root().join("provost");
    std::fs::copy(env!("CARGO_BIN_EXE_provost"), &program).expect("copied");
    let made =
        std::process::Command::new("chown").args(["-R", "65534:65534"]).arg(world.root()).status().expect("chown");
    assert!(made.success());
    let mut command = std::process::Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["run", "-q", "--observe", "notify", "--observation", "seen.json", "--", "sh", "-c", script])
        .current_dir(world.project())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", world.root())
        .env("PROVOST_HOME", world.root().join("home"));
    let Ok(output) = command.output() else {
        eprintln!("skipped: no setpriv");
        return None;
    };
    observed(&world, &output)
}

#[test]
fn an_ordinary_user_may_no_more_than_without_us() {
    // In the user namespace that is made for the run the supervisor had every capability over the user's files.
    let script = "echo x > closed; chmod 0 closed; cat closed 2>/dev/null && exit 1
        chmod 444 closed; (echo y > closed) 2>/dev/null && exit 2
        mkdir shut; chmod 0 shut; ls shut 2>/dev/null && exit 3
        (echo z > shut/x) 2>/dev/null && exit 4
        chmod 700 shut; test $(cat closed) = x";
    watch_as_ordinary_user(script);
}

#[test]
fn setting_the_user_that_one_is_already_changes_nothing() {
    if std::process::Command::new("perl").arg("-v").output().is_err() {
        eprintln!("skipped: no perl");
        return;
    }
    // make does that. What followed was taken for another user's, and its paths recorded as they were asked for.
    let script =
        "mkdir d; ln -s d l; perl -e '$< = $<; $> = $>; open(F, \">\", \"l/made\") or die; system(\"cat l/made\")'";
    for seen in [watch(script), watch_as_ordinary_user(script)].into_iter().flatten() {
        assert_eq!(seen.coverage.counters["continued"], 0);
        assert!(seen.files.iter().any(|file| file.name.text.ends_with("/project/d/made")));
    }
}

#[test]
fn a_thread_that_gave_up_its_user_has_no_more_rights_than_without_us() {
    let python = std::process::Command::new("python3").arg("-V").output();
    if python.is_err() || !nix::unistd::geteuid().is_root() || !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: no python3, not root, or other numbers of calls");
        return;
    }
    // setresuid of one thread alone (file servers do that), and a call of another one before its next.
    let script = r#"python3 -c '
import ctypes, os, threading
libc = ctypes.CDLL(None)
os.close(os.open("closed", os.O_CREAT | os.O_WRONLY, 0o600))
changed, go, seen = threading.Event(), threading.Event(), []
def other_user():
    libc.syscall(117, 65534, 65534, 65534)
    changed.set()
    go.wait()
    try:
        os.open("closed", os.O_RDONLY)
        seen.append("opened")
    except PermissionError:
        seen.append("refused")
thread = threading.Thread(target=other_user)
thread.start()
changed.wait()
os.open("/dev/null", os.O_RDONLY)
go.set()
thread.join()
os._exit(0 if seen == ["refused"] else 7)'"#;
    watch(script);
}

#[test]
fn children_of_threads_have_their_parent_whoever_ends_last() {
    if std::process::Command::new("python3").arg("-V").output().is_err() || !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: no python3, or other numbers of calls");
        return;
    }
    // The first thread ends by itself (exit, not exit_group), and the last one right after it made a process that makes
    // its first call when nobody of its parent is left.
    let script = r#"python3 -c '
import ctypes, os, threading, time
libc = ctypes.CDLL(None)
def last():
    time.sleep(0.1)
    if os.fork() == 0:
        time.sleep(0.3)
        os.execvp("true", ["true"])
    libc.syscall(60, 0)
threading.Thread(target=last).start()
libc.syscall(60, 0)'; sleep 0.6"#;
    let Some(seen) = watch(script) else { return };
    assert_eq!(seen.coverage.counters["parentUnknown"], 0);
    let runs = |process: &provost_model::ObservedProcess, name: &str| {
        process.programs.iter().any(|program| program.path.text.contains(name))
    };
    let made = seen.processes.iter().find(|process| runs(process, "/true")).expect("true");
    let parent = made.parent.expect("a parent") as usize;
    assert!(runs(&seen.processes[parent], "/python3"), "{:?}", seen.processes[parent]);
}

#[test]
fn a_content_is_digested_once_under_all_its_names() {
    const SIZE: u64 = 40 << 20;
    let make = format!("head -c {SIZE} /dev/zero > a");
    let names = "cat a > /dev/null; ln a b; cat b > /dev/null
        chmod 600 b; cat a > /dev/null; mv b c; cat c > /dev/null; ln c d";
    let Some(seen) = watch(&format!("{make}; {names}")) else { return };
    let hashed = seen.coverage.counters["hashedBytes"];
    assert!((SIZE..2 * SIZE).contains(&hashed), "{hashed}");
    // Two names, and nobody read them.
    let Some(seen) = watch(&format!("{make}; ln a b")) else { return };
    let hashed = seen.coverage.counters["hashedBytes"];
    assert!((SIZE..2 * SIZE).contains(&hashed), "{hashed}");
    let file = |name: &str| seen.files.iter().find(|file| file.name.text.ends_with(name)).expect("a product");
    let digest = file("/project/a").final_digest.expect("a digest");
    assert_eq!(file("/project/b").final_digest, Some(digest));
    assert_eq!(file("/project/b").size, SIZE);
}

#[test]
fn what_was_written_by_another_name_is_digested_anew() {
    let script = "echo one > a; cat a; ln a b; echo two > b; cat a; chmod 600 a; mv a c; echo four > b; cat c";
    let Some(seen) = watch(script) else { return };
    let digests = |name: &str| seen.files.iter().find(|file| file.name.text.ends_with(name)).map(|file| &file.digests);
    let of = |text: &str| provost_model::sha256(text.as_bytes());
    assert_eq!(digests("/project/a"), Some(&vec![of("one\n"), of("two\n")]));
    assert_eq!(digests("/project/c"), Some(&vec![of("four\n")]));
}

#[test]
fn a_process_that_may_not_be_dumped_can_use_its_descriptors() {
    if std::process::Command::new("perl").arg("-v").output().is_err() || !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: no perl, or other numbers of calls");
        return;
    }
    // prctl(PR_SET_DUMPABLE, 0), then openat and fchmod by descriptor, as agents that hold keys do.
    let script = r#"mkdir d; perl -e 'syscall(157, 4, 0, 0, 0, 0) == 0 or die; opendir(D, "d") or die;
        my $name = "made"; my $fd = syscall(257, fileno(D), $name, 0101, 0644); $fd >= 0 or die "openat: $!";
        syscall(91, $fd, 0600) == 0 or die'"#;
    for seen in [watch(script), watch_as_ordinary_user(script)].into_iter().flatten() {
        let made = seen.files.iter().find(|file| file.name.text.ends_with("/project/d/made")).expect("made");
        assert!(made.uses.contains(&provost_model::Use::Changed), "{made:?}");
    }
}
