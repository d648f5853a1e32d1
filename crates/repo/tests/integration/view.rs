//! What a view tells of a repository, held against git: changed paths, ancestors, new commits, merges.

use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use provost_repo::{Merge, View};

fn git(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@x.test", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", directory)
        .stdin(Stdio::null())
        .output()
        .expect("git runs");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn ok(directory: &Path, arguments: &[&str]) -> String {
    let (code, text) = git(directory, arguments);
    assert_eq!(code, 0, "git {arguments:?}: {text}");
    text
}

fn there() -> bool {
    let there = Command::new("git").arg("--version").output().is_ok();
    if !there {
        eprintln!("skipped: no git on this machine");
    }
    there
}

/// An empty repository; `None` where there is no git.
fn repository() -> Option<tempfile::TempDir> {
    if !there() {
        return None;
    }
    let folder = tempfile::tempdir().expect("folder");
    ok(folder.path(), &["init", "-q", "-b", "main"]);
    Some(folder)
}

/// `git diff-tree` and [`View::changes`] in one form.
fn same_changes(directory: &Path, view: &View, old: &str, new: &str) {
    let theirs = ok(directory, &["diff-tree", "-r", "--raw", "--no-renames", "--no-abbrev", "-z", old, new]);
    let mut expected = Vec::new();
    let mut parts = theirs.split('\0');
    while let (Some(head), Some(path)) = (parts.next().filter(|h| !h.is_empty()), parts.next()) {
        let f: Vec<&str> = head.trim_start_matches(':').split(' ').collect();
        let side = |mode: &str, id: &str| (mode != "000000").then(|| format!("{mode} {id}"));
        expected.push((path.to_owned(), side(f[0], f[2]), side(f[1], f[3])));
    }
    let side = |side: &Option<provost_repo::Side>| side.as_ref().map(|s| format!("{:06o} {}", s.mode, s.id));
    let mut ours: Vec<_> =
        view.changes(Some(old), new).expect("changes").iter().map(|c| (c.name(), side(&c.old), side(&c.new))).collect();
    ours.sort();
    // A file that became a directory is two changes to us, and one of type to nobody: git tells of them apart, too.
    expected.sort();
    assert_eq!(ours, expected, "{old} {new}");
}

/// `git merge-tree --write-tree` and [`View::merge`].
fn same_merge(directory: &Path, view: &View, ours: &str, theirs: &str) -> &'static str {
    let (code, text) = git(directory, &["merge-tree", "--write-tree", "--no-messages", ours, theirs]);
    match (code, view.merge(ours, theirs).expect("a merge")) {
        (0, Merge::Tree(tree)) => {
            if tree == text.lines().next().unwrap_or_default() {
                "same"
            } else {
                "other tree"
            }
        }
        (1, Merge::Conflict) => "both conflict",
        (0, Merge::Conflict) => "we see a conflict",
        (1, Merge::Tree(_)) => "git sees a conflict",
        (code, _) => panic!("git merge-tree ended with {code}: {text}"),
    }
}

fn write(directory: &Path, path: &str, text: &str) {
    let path = directory.join(path);
    if let Some(parent) = path.parent() {
        let _ = std::fs::create_dir_all(parent);
    }
    let _ = std::fs::remove_file(&path);
    let _ = std::fs::write(path, text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Two sides that change some of the same files: what we say of it is what git says.
    #[test]
    fn merges_and_changes_are_gits(edits in prop::collection::vec((any::<bool>(), 0..6usize, 0..20usize, any::<u8>()), 1..14)) {
        if !there() { return Ok(()) }
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path();
        ok(at, &["init", "-q", "-b", "main"]);
        let names = ["a.txt", "d/b.txt", "d/e/c.txt", "f", "g.sh", "d.txt"];
        let mut contents: Vec<Vec<String>> =
            names.iter().map(|n| (0..20).map(|line| format!("{n} {line}")).collect()).collect();
        for (name, lines) in names.iter().zip(&contents) {
            write(at, name, &(lines.join("\n") + "\n"));
        }
        ok(at, &["add", "."]);
        ok(at, &["commit", "-qm", "base"]);
        let base = contents.clone();
        let mut tips = Vec::new();
        for side in [false, true] {
            contents.clone_from(&base);
            ok(at, &["checkout", "-q", "-b", if side { "theirs" } else { "ours" }, "main"]);
            for (which, file, line, value) in &edits {
                if *which != side { continue }
                if value % 11 == 0 {
                    let _ = std::fs::remove_file(at.join(names[*file]));
                } else {
                    contents[*file][*line] = format!("edited {value}");
                    write(at, names[*file], &(contents[*file].join("\n") + "\n"));
                }
            }
            ok(at, &["add", "-A"]);
            ok(at, &["commit", "-q", "--allow-empty", "-m", "side"]);
            tips.push(ok(at, &["rev-parse", "HEAD"]));
        }
        let view = View::open(at).expect("a view");
        let main = ok(at, &["rev-parse", "main"]);
        for tip in &tips {
            same_changes(at, &view, &main, tip);
        }
        let outcome = same_merge(at, &view, &tips[0], &tips[1]);
        // A conflict that only one of the two sees is no danger: what then results is not what was approved.
        prop_assert!(outcome != "other tree", "{}", outcome);
        prop_assert_eq!(view.merge_base(&tips[0], &tips[1]).expect("base"), Some(main.clone()));
        prop_assert!(view.is_ancestor(&main, &tips[0]).expect("ancestor"));
        prop_assert_eq!(view.new_commits(&tips[..1], &[main]).expect("new"), tips[..1].to_vec());
    }
}

#[test]
fn what_a_merge_writes_never_reaches_the_repository() {
    let Some(folder) = repository() else { return };
    let at = folder.path();
    write(at, "a", "1\n2\n3\n4\n5\n");
    ok(at, &["add", "."]);
    ok(at, &["commit", "-qm", "base"]);
    ok(at, &["checkout", "-qb", "x"]);
    write(at, "a", "one\n2\n3\n4\n5\n");
    ok(at, &["commit", "-qam", "x"]);
    ok(at, &["checkout", "-q", "main"]);
    write(at, "a", "1\n2\n3\n4\nfive\n");
    ok(at, &["commit", "-qam", "y"]);
    let before = ok(at, &["count-objects", "-v"]);
    let view = View::open(at).expect("a view");
    let (x, y) = (ok(at, &["rev-parse", "x"]), ok(at, &["rev-parse", "main"]));
    let Merge::Tree(tree) = view.merge(&y, &x).expect("a merge") else { panic!("a conflict") };
    assert!(view.contains(&tree), "the view knows what it merged");
    assert_eq!(ok(at, &["count-objects", "-v"]), before);
}

#[test]
fn replaced_and_grafted_objects_change_nothing() {
    let Some(folder) = repository() else { return };
    let at = folder.path();
    for text in ["one", "two", "three"] {
        write(at, "a", text);
        ok(at, &["add", "."]);
        ok(at, &["commit", "-qm", text]);
    }
    let ids: Vec<String> = ok(at, &["rev-list", "main"]).lines().map(str::to_owned).collect();
    ok(at, &["replace", &ids[0], &ids[2]]);
    std::fs::create_dir_all(at.join(".git/info")).expect("folder");
    std::fs::write(at.join(".git/info/grafts"), format!("{}\n", ids[1])).expect("grafts");
    let view = View::open(at).expect("a view");
    let commit = view.commit(&ids[0]).expect("the commit itself");
    assert_eq!(commit.parents, [ids[1].clone()]);
    assert_eq!(view.commit(&ids[1]).expect("a commit").parents, [ids[2].clone()], "the graft takes no part");
    assert_eq!(view.new_commits(&ids[..1], &[]).expect("all").len(), 3);
}

/// A tree of these modes, names and ids, whatever they are, made with git's own plumbing.
fn made_tree(at: &Path, entries: &[(&str, String, &str)]) -> String {
    let raw = |id: &str| -> Vec<u8> {
        (0..id.len() / 2).map(|i| u8::from_str_radix(&id[2 * i..2 * i + 2], 16).expect("hex")).collect()
    };
    let mut bytes = Vec::new();
    for (mode, name, id) in entries {
        bytes.extend(format!("{mode} {name}\0").into_bytes());
        bytes.extend(raw(id));
    }
    std::fs::write(at.join("tree.bin"), bytes).expect("file");
    ok(at, &["hash-object", "-w", "-t", "tree", "--literally", "tree.bin"])
}

/// Names that would write elsewhere.
#[test]
fn trees_that_write_outside_are_refused() {
    let Some(folder) = repository() else { return };
    let at = folder.path();
    write(at, "a", "x\n");
    let blob = ok(at, &["hash-object", "-w", "a"]);
    let tree = |names: &[&str]| {
        made_tree(at, &names.iter().map(|name| ("100644", (*name).to_owned(), blob.as_str())).collect::<Vec<_>>())
    };
    let view = View::open(at).expect("a view");
    assert!(view.changes(None, &tree(&["a", "b"])).is_ok());
    for bad in [&[".git"][..], &[".."], &["a", "a"], &["b", "a"], &["a/b"], &[".GiT"], &["git~1"]] {
        let error = view.changes(None, &tree(bad)).expect_err("refused").to_string();
        assert!(error.contains("tree"), "{bad:?}: {error}");
    }
}

/// Modes that git reads as submodules, and directories that are more ways than anybody can walk.
#[test]
fn odd_modes_and_empty_directories_within_one_another() {
    let Some(folder) = repository() else { return };
    let at = folder.path();
    write(at, "a", "x\n");
    let blob = ok(at, &["hash-object", "-w", "a"]);
    let tree = |entries: &[(&str, String, &str)]| made_tree(at, entries);
    let view = View::open(at).expect("a view");
    for mode in ["1", "10644", "50000", "130000", "170000", "20644", "60000", "100600"] {
        let error = view.changes(None, &tree(&[(mode, "a".into(), &blob)])).expect_err("refused").to_string();
        assert!(error.contains(&format!("mode {mode}")), "{mode}: {error}");
    }
    assert!(
        view.changes(None, &tree(&[("040000", "a".into(), &tree(&[]))])).is_err(),
        "a mode that is written otherwise"
    );
    // 20 directories in each of 20, seven times: more than a thousand million ways to nothing.
    let mut inner = tree(&[]);
    for _ in 0..7 {
        let entries: Vec<(&str, String, &str)> = (10..30).map(|n| ("40000", format!("d{n}"), inner.as_str())).collect();
        inner = tree(&entries);
    }
    assert_eq!(view.changes(None, &inner).expect("no changes"), []);
    let with_file = tree(&[("100644", "a".into(), &blob), ("40000", "b".into(), &inner)]);
    assert_eq!(view.changes(Some(&inner), &with_file).expect("changes").len(), 1);
}

/// On a history that somebody else wrote: `PROVOST_TEST_REPOSITORY=path cargo test -p provost-repo -- --ignored real_merges`.
#[test]
#[ignore = "needs a repository with merges"]
fn real_merges() {
    let Ok(path) = std::env::var("PROVOST_TEST_REPOSITORY") else { return };
    let at = Path::new(&path);
    let view = View::open(at).expect("a view");
    let merges = ok(at, &["rev-list", "--all", "--min-parents=2", "--max-parents=2", "--parents", "-n", "400"]);
    let mut counts = std::collections::BTreeMap::new();
    for line in merges.lines() {
        let ids: Vec<&str> = line.split(' ').collect();
        same_changes(at, &view, ids[1], ids[0]);
        let outcome = same_merge(at, &view, ids[1], ids[2]);
        *counts.entry(outcome).or_insert(0) += 1;
        if !matches!(outcome, "same" | "both conflict") {
            eprintln!("{outcome}: {line}");
        }
    }
    eprintln!("{counts:?}");
}

#[test]
fn many_things_come_back_in_their_order() {
    let Some(folder) = repository() else { return };
    let directory = folder.path();
    for n in 0..300 {
        std::fs::write(directory.join(format!("{n:03}")), format!("{n}\n")).expect("written");
    }
    ok(directory, &["add", "."]);
    ok(directory, &["commit", "-q", "-m", "many"]);
    let view = View::open(directory).expect("a view");
    let listing = ok(directory, &["ls-tree", "HEAD"]);
    let ids: Vec<String> = listing.lines().map(|line| line[12..52].to_owned()).collect();
    let read = |ids: &[String]| view.map(ids, |view, id| view.read(id, 100));
    let contents = read(&ids).expect("all are there");
    assert!(contents.iter().enumerate().all(|(n, content)| *content == format!("{n}\n").into_bytes()));
    let absent = |n: usize| format!("{n:040x}");
    let (mut some, last) = (ids.clone(), ids.len() - 1);
    some[70] = absent(70);
    some[last] = absent(last);
    let error = read(&some).expect_err("two are absent").to_string();
    assert!(error.contains(&absent(70)), "{error}");
    assert_eq!(read(&[]).expect("nothing is wrong with nothing"), Vec::<Vec<u8>>::new());
}
