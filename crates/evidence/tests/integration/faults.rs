//! kill -9 at every step of an append, many processes at once, a full disk.
//!
//! The children are this very test program, started again for one of the two `child_…` tests with its work in the
//! environment.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use provost_evidence::Store;
use provost_keys::{PrivateKey, Signer as _};
use provost_model::sha256;
use provost_tlog::leaf_hash;

use crate::Keys;

fn child(test: &str, root: &Path, extra: &[(&str, String)]) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env("PROVOST_TEST_STORE", root);
    for (name, value) in extra {
        command.env(name, value);
    }
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts")
}

/// Appends batches named by the environment and writes a line to the file of acknowledgements after each.
#[test]
fn child_appends() {
    let Some(root) = std::env::var_os("PROVOST_TEST_STORE").map(std::path::PathBuf::from) else { return };
    let variable = |name: &str| std::env::var(name).expect("set by the parent");
    let (tag, batches, size): (String, usize, usize) =
        (variable("TAG"), variable("BATCHES").parse().expect("number"), variable("SIZE").parse().expect("number"));
    let read = |name: &str| {
        PrivateKey::from_pem(&std::fs::read_to_string(root.with_file_name(name)).expect("key"), None).expect("key")
    };
    let keys = Keys { builder: read("builder.pem"), log: read("log.pem") };
    let mut acknowledged =
        std::fs::OpenOptions::new().create(true).append(true).open(root.with_file_name("acknowledged")).expect("file");
    let store = Store::open(&root).expect("opens");
    for batch in 0..batches {
        let names: Vec<String> = (0..size).map(|i| format!("{tag}-{batch}-{i}")).collect();
        let records: Vec<_> = names.iter().map(|name| keys.record(name)).collect();
        let receipts = store.append(&records, &keys.log).expect("appended");
        for (name, receipt) in names.iter().zip(receipts) {
            receipt.proof.verify(&leaf_hash(&receipt.entry), store.log_key()).expect("proved");
            // One write a line: never half a line between two processes.
            acknowledged.write_all(format!("{name} {}\n", receipt.index).as_bytes()).expect("written");
        }
    }
}

fn prepare(folder: &Path) -> (std::path::PathBuf, Keys) {
    let keys = Keys::new();
    for (name, key) in [("builder.pem", &keys.builder), ("log.pem", &keys.log)] {
        std::fs::write(folder.join(name), key.to_pem(None).expect("pem").as_bytes()).expect("written");
    }
    let root = folder.join("store");
    Store::create(&root, "log.test/faults", &keys.log).expect("created");
    (root, keys)
}

/// Everything that was acknowledged is there at its index, and the store is sound.
fn check(root: &Path) -> u64 {
    let store = Store::open(root).expect("the next start repairs");
    let report = store.fsck().expect("checked");
    assert!(report.defects.is_empty(), "{:?}", report.defects);
    for line in std::fs::read_to_string(root.with_file_name("acknowledged")).unwrap_or_default().lines() {
        let (name, index) = line.split_once(' ').expect("line");
        let rows = store.records_of_subject(&sha256(name.as_bytes())).expect("found");
        assert_eq!(rows.iter().map(|r| r.index).collect::<Vec<_>>(), [index.parse::<u64>().expect("number")], "{name}");
    }
    store.checkpoint().expect("checkpoint").unverified().size
}

#[test]
fn killed_at_every_step_of_an_append() {
    let folder = tempfile::tempdir().expect("folder");
    let (root, _) = prepare(folder.path());
    let mut kills = 0;
    let mut batch = 1;
    // Each round ends the child at one step further, until it gets through; batches of several sizes cross tiles.
    for size in [1, 3, 250, 5] {
        for point in 1..200 {
            let extra = [
                ("TAG", format!("t{batch}")),
                ("BATCHES", "1".into()),
                ("SIZE", size.to_string()),
                ("PROVOST_FAULT", point.to_string()),
            ];
            batch += 1;
            let status = child("faults::child_appends", &root, &extra).wait().expect("ends");
            check(&root);
            match status.signal() {
                Some(9) => kills += 1,
                _ => {
                    assert!(status.success());
                    break;
                }
            }
        }
    }
    eprintln!("{kills} kills");
    assert!(kills >= 100, "only {kills} fault points were reached");
}

#[test]
fn two_hundred_appends_from_eight_processes() {
    let folder = tempfile::tempdir().expect("folder");
    let (root, _) = prepare(folder.path());
    let children: Vec<Child> = (0..8)
        .map(|i| {
            child(
                "faults::child_appends",
                &root,
                &[("TAG", format!("p{i}")), ("BATCHES", "25".into()), ("SIZE", "1".into())],
            )
        })
        .collect();
    for child in children {
        let done = child.wait_with_output().expect("ends");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    assert_eq!(check(&root), 200);
}

#[test]
fn a_full_disk_loses_nothing() {
    // A small file system of its own; only where mounting is allowed.
    let folder = tempfile::tempdir().expect("folder");
    let small = folder.path().join("small");
    std::fs::create_dir(&small).expect("folder");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=600k", "tmpfs"]).arg(&small).status();
    if !mounted.is_ok_and(|s| s.success()) {
        eprintln!("skipped: no right to mount a small file system");
        return;
    }
    let result = std::panic::catch_unwind(|| fill(&small));
    let _ = Command::new("umount").arg("-l").arg(&small).status();
    result.expect("nothing was lost");
}

fn fill(small: &Path) {
    let (root, keys) = prepare(small);
    let store = Store::open(&root).expect("opens");
    let mut appended = 0;
    let error = loop {
        match store.append(&[keys.record(&format!("n{appended}"))], &keys.log) {
            Ok(_) => appended += 1,
            Err(error) => break error.to_string(),
        }
        assert!(appended < 10_000, "the disk never filled up");
    };
    assert!(error.contains("No space left") && error.contains("make room"), "{error}");
    assert_eq!(store.checkpoint().expect("checkpoint").unverified().size, appended);
    assert!(store.fsck().expect("checked").defects.is_empty());
    assert!(appended > 3);
    drop(store);

    // Not even a page left, as another program leaves it. (The kernel counts the pages of each processor by itself: one
    // may find a page that another was refused.)
    let mut rest = std::fs::File::create(small.join("rest")).expect("a file");
    let error = (0..20).find_map(|_| {
        while rest.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
        Store::open(&root).err()
    });
    let error = error.expect("no room").to_string();
    assert!(error.contains("Make room"), "{error}");
    let roomier = Command::new("mount").args(["-o", "remount,size=2m"]).arg(small).status();
    assert!(roomier.is_ok_and(|s| s.success()), "no larger file system");
    let store = Store::open(&root).expect("opens again");
    assert_eq!(store.checkpoint().expect("checkpoint").unverified().size, appended);
    assert_eq!(keys.log.public_key().algorithm().name(), "ed25519");
}
