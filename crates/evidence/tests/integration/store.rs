//! Appending, finding, proving, damage.

use std::path::Path;

use provost_evidence::{CheckpointMemory, EvidenceError, Seen, Store};
use provost_keys::Signer as _;
use provost_model::sha256;
use provost_tlog::leaf_hash;

use crate::Keys;

fn filled(root: &Path, keys: &Keys, batches: &[usize]) -> Store {
    let store = Store::create(root, "log.test/x", &keys.log).expect("created");
    let mut n = 0;
    for batch in batches {
        let records: Vec<_> = (n..n + batch).map(|i| keys.record(&format!("file-{i}"))).collect();
        store.append(&records, &keys.log).expect("appended");
        n += batch;
    }
    store
}

#[test]
fn receipts_prove_and_entries_are_found() {
    let (folder, keys) = (tempfile::tempdir().expect("folder"), Keys::new());
    let store = filled(&folder.path().join("s"), &keys, &[1, 2, 253, 1, 300]);
    let receipts = store.append(&[keys.record("last")], &keys.log).expect("appended");
    let receipt = &receipts[0];
    assert_eq!(receipt.index, 557);
    receipt.proof.verify(&leaf_hash(&receipt.entry), store.log_key()).expect("proved");
    let checkpoint = store.checkpoint().expect("checkpoint");
    for index in [0, 1, 255, 256, 257, 556, 557] {
        store
            .bundle(index, &checkpoint)
            .expect("bundle")
            .verify_log(&[store.log_key().clone()], &[])
            .expect("holds")
            .expect("known log");
    }
    assert_eq!(store.records_of_subject(&sha256(b"file-300")).expect("found").len(), 1);
    assert_eq!(store.records_of_invocation("last").expect("found")[0].index, 557);
    assert!(store.records_of_subject(&sha256(b"absent")).expect("found").is_empty());
    let report = store.fsck().expect("checked");
    assert!(report.defects.is_empty(), "{:?}", report.defects);
    assert_eq!(report.entries, 558);
}

#[test]
fn the_index_is_rebuilt() {
    let (folder, keys) = (tempfile::tempdir().expect("folder"), Keys::new());
    let root = folder.path().join("s");
    drop(filled(&root, &keys, &[3, 4]));
    std::fs::write(root.join("index.sqlite"), b"this is no database, and long enough to be looked at")
        .expect("written");
    let store = Store::open(&root).expect("opens");
    assert_eq!(store.records_of_subject(&sha256(b"file-6")).expect("found").len(), 1);
    drop(store);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(root.join(format!("index.sqlite{suffix}")));
    }
    let store = Store::open(&root).expect("opens");
    let all = store.records(0, 100).expect("rows");
    assert_eq!(all.len(), 7);
    let kind = all[2].predicate_type.clone().expect("a statement");
    let of_kind = store.records_of_predicates(&["none/of/these", &kind], 1, 3).expect("rows");
    let same: Vec<_> = all.into_iter().filter(|row| row.predicate_type.as_ref() == Some(&kind)).collect();
    assert_eq!(of_kind, same[1..4], "from the second on, three of them");
    assert!(store.records_of_predicates(&["none/of/these"], 0, 100).expect("rows").is_empty());
}

fn files(root: &Path) -> Vec<std::path::PathBuf> {
    ["log", "packs", "blobs"].iter().flat_map(|part| provost_testkit::files_below(&root.join(part))).collect()
}

#[test]
fn any_flipped_byte_is_found_and_named() {
    let (folder, keys) = (tempfile::tempdir().expect("folder"), Keys::new());
    let root = folder.path().join("s");
    let store = filled(&root, &keys, &[2, 1]);
    store.put_blob(b"a file list").expect("blob");
    drop(store);
    let mut damaged = 0;
    for path in files(&root) {
        let good = std::fs::read(&path).expect("file");
        // Superseded partial tiles are no part of the log any more.
        let current = path.components().any(|c| c.as_os_str() == "000.p") && path.file_name().is_some_and(|n| n != "3");
        if current {
            continue;
        }
        for at in (0..good.len()).step_by(7).chain([good.len() - 1]) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            std::fs::write(&path, &bad).expect("written");
            let named = match Store::open(&root) {
                Err(error) => error.to_string().contains(&*path.file_name().expect("name").to_string_lossy()),
                Ok(store) => {
                    let defects = store.fsck().expect("checked").defects;
                    let here: Vec<_> = defects.iter().filter(|d| d.path == path).collect();
                    // Never past the damage: the first bad byte, or the first of the bad record.
                    here.iter().any(|d| d.byte.is_none_or(|byte| byte <= at as u64))
                }
            };
            assert!(named, "{} byte {at}", path.display());
            damaged += 1;
        }
        std::fs::write(&path, &good).expect("written");
    }
    assert!(damaged > 200);
    assert!(Store::open(&root).expect("opens").fsck().expect("checked").defects.is_empty());
}

#[test]
fn a_rolled_back_log_is_refused() {
    let (folder, keys) = (tempfile::tempdir().expect("folder"), Keys::new());
    let root = folder.path().join("s");
    let store = filled(&root, &keys, &[1]);
    let old = std::fs::read(root.join("log/checkpoint")).expect("checkpoint");
    store.append(&[keys.record("b")], &keys.log).expect("appended");
    std::fs::write(root.join("log/checkpoint"), old).expect("put back");
    assert!(matches!(store.append(&[keys.record("c")], &keys.log), Err(EvidenceError::RolledBack { .. })));
    assert!(matches!(Store::open(&root), Err(EvidenceError::RolledBack { found: 1, acknowledged: 2, .. })));
}

#[test]
fn the_verifier_remembers() {
    let (folder, keys) = (tempfile::tempdir().expect("folder"), Keys::new());
    let store = filled(&folder.path().join("s"), &keys, &[1, 1]);
    let memory = CheckpointMemory::new(folder.path().join("memory"));
    let log = store.log_key().full_id();
    let prove = |from, to| store.log().consistency(from, to).ok();
    let none = |_, _| None;
    let first = store.checkpoint().expect("checkpoint");
    assert_eq!(memory.compare(&log, first.unverified(), &none).expect("first"), Seen::First);
    memory.remember(&log, &first).expect("remembered");
    assert_eq!(memory.compare(&log, first.unverified(), &none).expect("same"), Seen::Same);
    store.append(&[keys.record("c")], &keys.log).expect("appended");
    let second = store.checkpoint().expect("checkpoint");
    assert!(matches!(memory.compare(&log, second.unverified(), &none), Err(EvidenceError::Unproven(_))));
    assert_eq!(memory.compare(&log, second.unverified(), &prove).expect("proved"), Seen::Continues { from: 2 });
    memory.remember(&log, &second).expect("remembered");
    assert_eq!(memory.compare(&log, first.unverified(), &prove).expect("proved"), Seen::Earlier { newest: 3 });
    // Another history of the same length, and of another length with a proof of its own.
    let other = filled(&folder.path().join("t"), &keys, &[3]);
    let fork = other.checkpoint().expect("checkpoint");
    assert!(matches!(memory.compare(&log, fork.unverified(), &prove), Err(EvidenceError::Rollback(_))));
    other.append(&[keys.record("d")], &keys.log).expect("appended");
    let fork = other.checkpoint().expect("checkpoint");
    let prove_other = |from, to| other.log().consistency(from, to).ok();
    assert!(matches!(memory.compare(&log, fork.unverified(), &prove_other), Err(EvidenceError::Rollback(_))));
    // A memory that cannot be read must not pass for an empty one.
    std::fs::write(folder.path().join(format!("memory/{log}.checkpoint")), "garbage").expect("written");
    assert!(memory.compare(&log, second.unverified(), &prove).is_err());
}

#[test]
fn nobody_remembers_between_a_look_and_a_write() {
    let (folder, keys) = (tempfile::tempdir().expect("folder"), Keys::new());
    let store = filled(&folder.path().join("s"), &keys, &[1]);
    let other = filled(&folder.path().join("t"), &keys, &[2]);
    let checkpoints: Vec<_> = (0..3)
        .map(|_| {
            let checkpoint = store.checkpoint().expect("checkpoint");
            store.append(&[keys.record("more")], &keys.log).expect("appended");
            checkpoint
        })
        .collect();
    let [first, second, third] = &checkpoints[..] else { unreachable!() };
    let fork = other.checkpoint().expect("checkpoint");
    let root = folder.path().join("memory");
    let memory = CheckpointMemory::new(&root);
    let log = store.log_key().full_id();
    memory.remember(&log, first).expect("remembered");
    let file = root.join(format!("{log}.checkpoint"));
    // Another process holds the lock and writes; who came meanwhile must not look before it is done.
    let meanwhile = |work: &(dyn Fn() + Sync), written: &str| {
        let held = std::fs::File::open(root.join(format!("{log}.lock"))).expect("lock");
        held.lock().expect("locked");
        std::thread::scope(|scope| {
            let working = scope.spawn(work);
            std::thread::sleep(std::time::Duration::from_millis(100));
            std::fs::write(&file, written).expect("written");
            drop(held);
            working.join().expect("no panic");
        });
        memory.newest(&log).expect("read").expect("remembered").to_string()
    };
    let larger = meanwhile(&|| memory.remember(&log, second).expect("remembered"), &third.to_string());
    assert_eq!(larger, third.to_string(), "the smaller one must not replace it");
    std::fs::remove_file(&file).expect("forgotten");
    let accept = || {
        let answer = memory.accept(&log, second, &|_, _| None);
        assert!(matches!(answer, Err(EvidenceError::Rollback(_))), "another history of that size: {answer:?}");
    };
    assert_eq!(meanwhile(&accept, &fork.to_string()), fork.to_string());
    std::fs::remove_file(&file).expect("forgotten");
    assert_eq!(memory.accept(&log, second, &|_, _| None).expect("first"), Seen::First);
    assert_eq!(memory.newest(&log).expect("read").expect("remembered").to_string(), second.to_string());
}

#[test]
fn who_may_write() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, keys) = (tempfile::tempdir().expect("folder"), Keys::new());
    let root = folder.path().join("s");
    let store = filled(&root, &keys, &[1]);
    assert!(matches!(store.append(&[keys.record("x")], &keys.builder), Err(EvidenceError::WrongKey { .. })));
    assert!(matches!(Store::create(&root, "log.test/x", &keys.log), Err(EvidenceError::Exists(_))));
    drop(store);
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o777)).expect("mode");
    assert!(matches!(Store::open(&root), Err(EvidenceError::Exposed { .. })));
    assert!(matches!(Store::open(&folder.path().join("none")), Err(EvidenceError::NoStore(_))));
    assert_eq!(keys.log.public_key().algorithm().name(), "ed25519");
}
