//! Hostile trees, and commands that want the keys.
#![allow(clippy::print_stderr)]

#[cfg(feature = "ebpf")]
mod ebpf;

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use provost_model::{Ending, FileKind, Timestamp, sha256};
use provost_trace::*;

fn all() -> Selection {
    Selection::new(&[], &[]).expect("selection")
}

fn take(root: &Path, earlier: Option<&Snapshot>) -> Snapshot {
    Snapshot::take(root, &all(), &all(), earlier, &[], &|_, _| {}).expect("snapshot")
}

#[test]
fn an_observed_digest_is_taken_over_only_of_the_file_as_it_was() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("product");
    std::fs::write(&file, b"content").expect("file");
    let found = std::fs::metadata(&file).expect("metadata");
    let known = observe::Remembered {
        inode: (found.dev(), found.ino()),
        size: i64::try_from(found.size()).expect("size"),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
        // Another digest than the content has: so one sees which was taken.
        digest: sha256(b"what the observer saw"),
    };
    let digest = |known: observe::Remembered| {
        let taken = Snapshot::take(folder.path(), &all(), &all(), None, &[known], &|_, _| {}).expect("snapshot");
        taken.to_set(&all()).entries[0].digest
    };
    assert_eq!(digest(known), Some(known.digest));
    let content = Some(sha256(b"content"));
    assert_eq!(digest(observe::Remembered { inode: (known.inode.0, known.inode.1 + 1), ..known }), content);
    assert_eq!(digest(observe::Remembered { size: known.size + 1, ..known }), content);
    assert_eq!(digest(observe::Remembered { modified: (known.modified.0, known.modified.1 ^ 1), ..known }), content);
    assert_eq!(digest(observe::Remembered { changed: (known.changed.0, known.changed.1 ^ 1), ..known }), content);
    std::fs::write(&file, b"CONTENT").expect("file");
    assert_eq!(digest(known), Some(sha256(b"CONTENT")));
}

#[test]
fn hostile_tree() {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path();
    std::fs::write(root.join("plain"), b"content").expect("file");
    std::fs::create_dir(root.join("dir")).expect("folder");
    symlink("/etc/passwd", root.join("absolute")).expect("link");
    symlink("../../outside", root.join("dir/out")).expect("link");
    symlink("../plain", root.join("dir/inside")).expect("link");
    symlink("/", root.join("dir/root")).expect("link to a directory is not walked");
    nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("fifo");
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).expect("socket");
    let odd = std::ffi::OsStr::from_bytes(b"bad\xff\x1b[2J\n");
    std::fs::write(root.join(odd), b"odd").expect("file");
    let sparse = std::fs::File::create(root.join("sparse")).expect("file");
    sparse.set_len(Limits::FILE + 1).expect("sparse");

    let set = take(root, None).to_set(&all());
    let find =
        |name: &str| set.entries.iter().find(|e| e.name.text == name).unwrap_or_else(|| panic!("{name}: {set:?}"));
    assert_eq!(find("plain").digest, Some(sha256(b"content")));
    assert!(find("plain").is_certain());
    assert_eq!(find("absolute").kind, FileKind::Symlink);
    assert_eq!(find("absolute").digest, Some(sha256(b"/etc/passwd")), "the link's text, never what it leads to");
    assert!(find("absolute").problem.as_ref().expect("stated").contains("out of the tree"));
    assert!(find("dir/out").problem.is_some());
    assert!(find("dir/inside").problem.is_none());
    assert_eq!(find("dir/root").kind, FileKind::Symlink);
    assert_eq!(find("pipe").kind, FileKind::Fifo);
    assert_eq!(find("socket").kind, FileKind::Socket);
    assert!(find("sparse").problem.as_ref().expect("stated").contains("larger"));
    let odd = set.entries.iter().find(|e| e.name.percent_encoded).expect("the odd name is there");
    assert_eq!(odd.name.to_bytes().expect("lossless"), b"bad\xff\x1b[2J\n");
    assert_eq!(set.entries.len(), 9);
}

#[test]
fn unreadable_is_stated() {
    use std::os::unix::fs::PermissionsExt as _;
    if nix::unistd::getuid().is_root() {
        eprintln!("skipped: root can read everything");
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("secret"), b"x").expect("file");
    std::fs::set_permissions(folder.path().join("secret"), std::fs::Permissions::from_mode(0o0)).expect("mode");
    std::fs::create_dir(folder.path().join("closed")).expect("folder");
    std::fs::set_permissions(folder.path().join("closed"), std::fs::Permissions::from_mode(0o0)).expect("mode");
    let set = take(folder.path(), None).to_set(&all());
    assert!(set.entries[0].problem.as_ref().expect("stated").contains("cannot be read"));
    assert_eq!(set.not_listed.len(), 1);
}

#[test]
fn files_that_change_while_they_are_read() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("busy");
    std::fs::write(&path, vec![0; 96 << 20]).expect("file");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = {
        let (path, stop) = (path.clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut n: u64 = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                n += 1;
                let _ = std::fs::OpenOptions::new()
                    .append(true)
                    .open(&path)
                    .map(|mut f| std::io::Write::write_all(&mut f, &n.to_le_bytes()));
                if n > 2_000_000 {
                    break;
                }
            }
        })
    };
    std::thread::sleep(std::time::Duration::from_millis(20));
    let set = take(folder.path(), None).to_set(&all());
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().expect("ends");
    let entry = &set.entries[0];
    assert!(entry.problem.as_ref().is_some_and(|p| p.contains("changed while it was read")), "{entry:?}");
    assert!(!entry.is_certain());
}

#[test]
fn what_changed_is_found() {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path();
    for name in ["same", "edited", "gone", "touched"] {
        std::fs::write(root.join(name), name).expect("file");
    }
    // Settled: long enough ago that an unchanged time means unchanged content.
    std::thread::sleep(std::time::Duration::from_millis(80));
    let before = take(root, None);
    std::fs::write(root.join("edited"), "EDITED").expect("file");
    std::fs::write(root.join("new"), "new").expect("file");
    std::fs::write(root.join("touched"), "touched").expect("same content again");
    std::fs::remove_file(root.join("gone")).expect("gone");
    let after = take(root, Some(&before));
    let (products, deleted) = before.changes(&after, &all());
    let names: Vec<_> = products.entries.iter().map(|e| e.name.text.as_str()).collect();
    assert_eq!(names, ["edited", "new", "touched"], "a file written again is made again, whatever its content");
    assert_eq!(deleted[0].text, "gone");
}

#[test]
fn a_change_that_hides_behind_the_same_size_and_time_is_found() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a");
    std::fs::write(&path, "before").expect("file");
    let old = std::fs::metadata(&path).expect("metadata").modified().expect("time");
    std::thread::sleep(std::time::Duration::from_millis(80));
    let before = take(folder.path(), None);
    std::fs::write(&path, "after!").expect("file");
    std::fs::File::open(&path).expect("file").set_modified(old).expect("time set back");
    let (products, _) = before.changes(&take(folder.path(), Some(&before)), &all());
    assert_eq!(products.entries[0].digest, Some(sha256(b"after!")), "the change time gives it away");
}

#[test]
fn selections() {
    let selection = Selection::new(&["/src/".into(), "*.toml".into()], &["*.bak".into()]).expect("globs");
    for (path, taken) in [
        ("src/a.c", true),
        ("src/deep/b.c", true),
        ("x/Cargo.toml", true),
        ("src/a.bak", false),
        ("other/src2/a.c", false),
        ("readme", false),
    ] {
        assert_eq!(selection.takes(Path::new(path)), taken, "{path}");
    }
    assert!(Selection::new(&["[z-a]".into()], &[]).is_err());
}

fn clock() -> Timestamp {
    Timestamp::from_seconds(0)
}

fn run_confined(script: &str, hidden: &Path) -> (Ending, provost_model::Isolation) {
    let signals = BlockedSignals::block().expect("signals");
    let probe = hidden.join("secret.key");
    let confinement =
        Confinement::prepare(ConfinementWish::BestEffort, &[hidden.to_path_buf()], &[probe]).expect("prepared");
    let isolation = confinement.isolation().clone();
    let request = RunRequest {
        command: ["sh", "-c", script].map(Into::into).to_vec(),
        directory: "/".into(),
        without: vec!["PROVOST_KEY_PASSPHRASE".into()],
        time_limit: Some(std::time::Duration::from_secs(60)),
    };
    (run(&request, &Arc::new(confinement), &signals, &clock).expect("runs").ending, isolation)
}

#[test]
fn the_command_cannot_reach_what_is_hidden() {
    let folder = tempfile::tempdir().expect("folder");
    let hidden = folder.path().join("keys");
    std::fs::create_dir(&hidden).expect("folder");
    std::fs::write(hidden.join("secret.key"), b"private").expect("file");
    let path = hidden.join("secret.key").display().to_string();
    let supervisor = std::process::id();
    let script = format!(
        "cat {path} && exit 10; \
         cat /proc/{supervisor}/root{path} && exit 11; \
         cat /proc/{supervisor}/environ >/dev/null && exit 12; \
         echo x > {path} && exit 13; \
         mv {parent} {parent}.gone && exit 16; \
         umount {hidden} && cat {path} && exit 14; \
         kill -0 {supervisor} && exit 15; \
         exit 42",
        hidden = hidden.display(),
        parent = folder.path().display()
    );
    let (ending, isolation) = run_confined(&format!("({script}) 2>/dev/null"), &hidden);
    if !isolation.keys_unreachable {
        eprintln!("skipped: this kernel or container gives no confinement: {:?}", isolation.limits);
        return;
    }
    let expected = if isolation.landlock_abi >= 6 { 42 } else { 15 };
    assert_eq!(ending, Ending::Exited(expected), "{isolation:?}");
    assert_eq!(std::fs::read(hidden.join("secret.key")).expect("still there"), b"private");
}

#[test]
fn files_move_between_directories() {
    let folder = tempfile::tempdir().expect("folder");
    let (hidden, work) = (folder.path().join("keys"), folder.path().join("work"));
    std::fs::create_dir_all(&hidden).expect("folder");
    std::fs::create_dir_all(&work).expect("folder");
    std::fs::write(hidden.join("secret.key"), b"private").expect("file");
    // `ln` does not fall back to copying, as `mv` does.
    let script =
        format!("cd {} && mkdir a b && echo x > a/f && ln a/f b/f && mv a/f b/g && test -e b/g", work.display());
    assert_eq!(run_confined(&script, &hidden).0, Ending::Exited(0));
}

#[test]
fn endings() {
    let folder = tempfile::tempdir().expect("folder");
    assert_eq!(run_confined("exit 7", folder.path()).0, Ending::Exited(7));
    assert_eq!(run_confined("kill -TERM $$", folder.path()).0, Ending::Signalled(15));
}
