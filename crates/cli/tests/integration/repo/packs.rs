//! What hostile packs bring, and what stays of a refused push.

use std::path::Path;
use std::process::Command;

use super::{ACCESS, OPEN, Team};

const STRICT: &str = "[[protect]]\nname = \"strict\"\nrefs = [\"refs/heads/main\"]\nsigned-commits = true\n";

fn team(more: &str) -> Team {
    let team = Team::new(&format!("{ACCESS}{OPEN}{more}"));
    team.clone("ada");
    team.commit("ada", "a.txt", "one\n", &["-S"]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main"]);
    team
}

/// Writes an object as it is, whatever git thinks of it.
fn object(team: &Team, kind: &str, bytes: &[u8]) -> String {
    let path = team.root().join("object");
    std::fs::write(&path, bytes).expect("written");
    team.git("ada", &["hash-object", "-t", kind, "--literally", "-w", &path.display().to_string()])
}

fn raw(id: &str) -> Vec<u8> {
    (0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).expect("hex")).collect()
}

fn tree(team: &Team, entries: &[(&str, &str, &str)]) -> String {
    let mut bytes = Vec::new();
    for (mode, name, id) in entries {
        bytes.extend(format!("{mode} {name}\0").as_bytes());
        bytes.extend(raw(id));
    }
    object(team, "tree", &bytes)
}

fn commit(team: &Team, tree: &str, more: &str) -> String {
    let parent = team.git("ada", &["rev-parse", "origin/main"]);
    let text = format!(
        "tree {tree}\nparent {parent}\nauthor ada <ada@x.test> 1700000000 +0000\n{more}committer ada <ada@x.test> 1700000000 +0000\n\nx\n"
    );
    object(team, "commit", text.as_bytes())
}

#[test]
fn trees_that_no_git_makes() {
    let team = team("");
    let blob = object(&team, "blob", b"[core]\n\tfsmonitor = touch /tmp/x\n");
    let inner = tree(&team, &[("100644", "config", &blob)]);
    let cases: Vec<(&str, String)> = vec![
        (".git", tree(&team, &[("40000", ".git", &inner)])),
        (".GIT", tree(&team, &[("40000", ".GIT", &inner)])),
        ("..", tree(&team, &[("40000", "..", &inner)])),
        (".", tree(&team, &[("40000", ".", &inner)])),
        ("slash", tree(&team, &[("100644", "a/b", &blob)])),
        ("empty", tree(&team, &[("100644", "", &blob)])),
        ("twice", tree(&team, &[("100644", "a", &blob), ("100755", "a", &blob)])),
        ("file and folder", tree(&team, &[("100644", "a", &blob), ("40000", "a", &inner)])),
        ("unsorted", tree(&team, &[("100644", "b", &blob), ("100644", "a", &blob)])),
        ("mode", tree(&team, &[("177777", "a", &blob)])),
    ];
    for (name, tree) in cases {
        let commit = commit(&team, &tree, "");
        let text = team.refused("ada", &["origin", &format!("{commit}:refs/heads/topic/x")], "");
        assert!(!text.contains("panicked"), "{name}: {text}");
        eprintln!(
            "{name}: {}",
            text.lines().find(|l| l.contains("provost") || l.contains("error")).unwrap_or_default()
        );
    }
    team.sound();
}

#[test]
fn commits_that_can_be_read_in_two_ways() {
    let team = team(STRICT);
    let tree = team.git("ada", &["rev-parse", "HEAD^{tree}"]);
    let two = commit(&team, &tree, "author bob <bob@x.test> 1700000000 +0000\n");
    team.refused("ada", &["origin", &format!("{two}:refs/heads/topic/x")], "");
    let parent = team.git("ada", &["rev-parse", "HEAD"]);
    let signed = team.git("ada", &["cat-file", "commit", "HEAD"]);
    let nul = object(&team, "commit", format!("{signed}\n\0hidden\n").as_bytes());
    team.refused("ada", &["-f", "origin", &format!("{nul}:refs/heads/main")], "");
    let short = object(&team, "commit", format!("tree {tree}\nparent {parent}\n").as_bytes());
    team.refused("ada", &["origin", &format!("{short}:refs/heads/topic/x")], "");
    team.sound();
}

#[test]
fn hostile_submodules_are_a_kind() {
    let team = team("[[protect]]\nname = \"submodules\"\nrefs = [\"refs/**\"]\nkinds = [\"submodule\"]\ndeny = true\n");
    team.commit("ada", ".gitmodules", "[submodule \"a\"]\n\tpath = a\n\turl = ext::sh -c id\n", &[]);
    team.refused("ada", &["origin", "HEAD:refs/heads/topic/x"], "(submodule)");
    team.sound();
}

#[test]
fn a_branch_holds_commits_only() {
    let team = team("");
    let blob = object(&team, "blob", b"x");
    team.refused("ada", &["origin", &format!("{blob}:refs/heads/topic/x")], "");
    let tree = team.git("ada", &["rev-parse", "HEAD^{tree}"]);
    team.refused("ada", &["origin", &format!("{tree}:refs/tags/t")], "leads to no commit");
    team.sound();
}

#[test]
fn nothing_of_a_refused_push_stays() {
    let team = team(STRICT);
    let before = team.server_git(&["count-objects", "-v"]);
    let head = team.commit("ada", "b.txt", "two\n", &[]);
    team.refused("ada", &["origin", "HEAD:refs/heads/main"], "not signed");
    assert_eq!(team.server_git(&["count-objects", "-v"]), before);
    assert!(!team.git_at(&team.bare(), "x", &["cat-file", "-e", &head]).status.success());
    let left = provost_testkit::files_below(&team.bare().join("objects"));
    assert!(!left.iter().any(|path| path.display().to_string().contains("tmp_objdir")), "{left:?}");
    team.sound();
}

/// The largest resident size of the hook that its wrapper saw, in KiB.
fn peak(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// 200 MB that cannot be compressed: the hook looks at its size and not at its bytes.
#[test]
fn a_pack_of_200_megabytes() {
    let team = team("");
    let path = team.clone_of("ada").join("big.bin");
    let made = Command::new("dd")
        .args(["if=/dev/urandom", "bs=1M", "count=200", "status=none"])
        .arg(format!("of={}", path.display()))
        .status();
    assert!(made.expect("dd").success());
    team.git("ada", &["config", "core.compression", "0"]);
    team.commit("ada", "b.txt", "two\n", &[]);
    // The hook's own peak: a wrapper in its place that reads what the kernel counted.
    let hook = team.bare().join("hooks/pre-receive");
    let real = team.bare().join("hooks/real");
    std::fs::rename(&hook, &real).expect("moved");
    let peak_file = team.root().join("peak");
    let text = format!(
        "#!/bin/sh\nexec 3<&0\n{} <&3 &\nown=$!\nhigh=0\nwhile kill -0 $own 2>/dev/null; do\n\
         n=$(sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$own/status 2>/dev/null)\n\
         [ \"${{n:-0}}\" -gt \"$high\" ] && high=$n && echo $high > {}\nsleep 0.02\ndone\nwait $own\n",
        real.display(),
        peak_file.display()
    );
    std::fs::write(&hook, text).expect("written");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let begun = std::time::Instant::now();
    team.pushed("ada", &["-q", "origin", "HEAD:refs/heads/main"]);
    let high = peak(&peak_file).expect("a peak");
    eprintln!("200 MB in {:?}; the hook's peak {high} KiB", begun.elapsed());
    assert!(high < 150 * 1024, "the hook had {high} KiB");
    team.sound();
}
