//! How layers become one tree.

use provost_image::{EntryKind, Fate, Limits, Unresolved};

use crate::build::{Draft, Tar, open, see, see_with, walk};

fn tar() -> Tar {
    Tar::default()
}

#[test]
fn later_layers_add_and_replace() {
    let seen = see(&Draft::default()
        .layer(tar().directory("etc/").file("etc/a", "1").file("etc/b", "1"))
        .layer(tar().file("etc/b", "2").file("c", "2")));
    assert_eq!(seen.tree(), ["c=2@1", "etc/@0", "etc/a=1@0", "etc/b=2@1"]);
    assert_eq!(seen.hidden(), ["etc/b 0<1 Replaced"]);
    assert!(seen.walked.is_complete(), "{:?}", seen.problems());
    assert_eq!(seen.entries.len(), 5);
}

#[test]
fn whiteouts_hide_what_is_below_and_not_what_is_beside() {
    let seen = see(&Draft::default()
        .layer(tar().file("d/a", "1").file("d/b", "1").file("d/s/x", "1").file("d-x", "1").file("d0", "1"))
        .layer(tar().whiteout("d/a").whiteout("d/s").file("d/s/y", "2")));
    assert_eq!(seen.tree(), ["d/@0", "d-x=1@0", "d/b=1@0", "d/s/@1", "d/s/y=2@1", "d0=1@0"]);
    assert_eq!(seen.hidden(), ["d/a 0<1 Whiteout", "d/s/x 0<1 Whiteout"]);
    assert!(seen.kinds().contains(&("d/a".to_owned(), EntryKind::Whiteout)));
}

#[test]
fn a_whiteout_after_a_file_of_its_own_layer_leaves_that_file() {
    let seen = see(&Draft::default()
        .layer(tar().file("d/x", "1").file("d/y", "1"))
        .layer(tar().file("d/x", "2").whiteout("d")));
    assert_eq!(seen.tree(), ["d/@1", "d/x=2@1"]);
    let seen = see(&Draft::default().layer(tar().file("x", "1")).layer(tar().file("x", "2").whiteout("x")));
    assert_eq!(seen.tree(), ["x=2@1"]);
}

#[test]
fn a_whiteout_of_a_directory_hides_all_in_it() {
    let seen = see(&Draft::default()
        .layer(tar().directory("a").file("a/b/c", "1").file("ab", "1").file("a.b", "1"))
        .layer(tar().whiteout("a")));
    assert_eq!(seen.tree(), ["a.b=1@0", "ab=1@0"]);
    assert_eq!(seen.hidden(), ["a 0<1 Whiteout", "a/b/c 0<1 Whiteout"]);
}

#[test]
fn opaque_directories_keep_what_their_own_layer_has() {
    let seen = see(&Draft::default()
        .layer(tar().directory("d").file("d/a", "1").file("d/s/b", "1"))
        .layer(tar().directory("d").file("d/c", "2").opaque("d").file("d/e", "2")));
    assert_eq!(seen.tree(), ["d/@1", "d/c=2@1", "d/e=2@1"]);
    assert_eq!(seen.hidden(), ["d/a 0<1 Opaque", "d/s/b 0<1 Opaque"]);
    let root =
        see(&Draft::default().layer(tar().file("a/b", "1")).layer(tar().file(".wh..wh..opq", "").file("c", "2")));
    assert_eq!(root.tree(), ["c=2@1"]);
}

#[test]
fn files_replace_directories_and_the_reverse() {
    let seen = see(&Draft::default()
        .layer(tar().file("a/x", "1").file("b", "1"))
        .layer(tar().file("a", "2").directory("b").file("b/y", "2")));
    assert_eq!(seen.tree(), ["a=2@1", "b/@1", "b/y=2@1"]);
    assert_eq!(seen.hidden(), ["a/x 0<1 Replaced", "b 0<1 Replaced"]);
}

#[test]
fn hard_links_share_content_across_layers() {
    let seen = see(&Draft::default()
        .layer(tar().file("a", "content"))
        .layer(tar().hard_link("b", "a"))
        .layer(tar().whiteout("a").hard_link("c", "./b")));
    assert_eq!(seen.tree(), ["b=content@1", "c=content@2"]);
    let node = seen.walked.tree.node("c").unwrap();
    assert_eq!(node.content.map(|content| content.layer), Some(0));
    assert!(seen.walked.is_complete());
}

#[test]
fn content_that_nothing_shows_any_more_is_dropped() {
    let draft = Draft::default().layer(tar().file("db", "old")).layer(tar().file("db", "new"));
    let seen = see(&draft);
    assert_eq!(seen.walked.content("db"), Some(&b"new"[..]));
    let old = seen.entries[0].0.id;
    assert_eq!(seen.walked.content_of(old), None);
    assert!(matches!(seen.walked.tree.fate(old), Fate::Hidden(hidden) if hidden.by == 1));
    assert_eq!(seen.walked.tree.fate(seen.entries[1].0.id), Fate::Visible);
    // It can be had again.
    let layout = draft.layout();
    let again = open(layout.path()).unwrap().contents(&[old].into()).unwrap();
    assert_eq!(again[&old], b"old");
}

#[test]
fn symbolic_links_are_followed_within_the_root_alone() {
    let seen = see(&Draft::default().layer(
        tar()
            .file("usr/lib/os-release", "ID=x")
            .symlink("etc/os-release", "../usr/lib/os-release")
            .symlink("lib", "usr/lib")
            .symlink("abs", "/usr/lib/../lib")
            .symlink("out", "../../../../etc/os-release")
            .symlink("loop1", "loop2")
            .symlink("loop2", "loop1")
            .symlink("none", "nowhere")
            .symlink("self", "self/x"),
    ));
    let content = |path: &str| seen.walked.content(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    for path in ["etc/os-release", "lib/os-release", "abs/os-release", "out", "/etc/../lib/./os-release"] {
        assert_eq!(content(path).as_deref(), Some("ID=x"), "{path}");
    }
    assert_eq!(seen.walked.tree.resolve("loop1").err(), Some(Unresolved::Loop));
    assert_eq!(seen.walked.tree.resolve("self").err(), Some(Unresolved::Loop));
    assert_eq!(seen.walked.tree.resolve("none").err(), Some(Unresolved::Absent));
    assert_eq!(seen.walked.tree.resolve("usr/lib/os-release/x").err(), Some(Unresolved::NotDirectory));
    assert_eq!(seen.walked.tree.resolve("").map(|(path, _)| path.len()), Ok(0));
    let few = see_with(
        &Draft::default().layer(tar().file("f", "x").symlink("a", "f").symlink("b", "a").symlink("c", "b")),
        &Limits { links: 2, ..Limits::default() },
    );
    assert_eq!(few.walked.content("b"), Some(&b"x"[..]));
    assert_eq!(few.walked.tree.resolve("c").err(), Some(Unresolved::Loop));
}

#[test]
fn a_directory_over_a_link_of_a_lower_layer_stands_in_its_place_as_in_overlays() {
    let seen = see(&Draft::default()
        .layer(tar().file("usr/lib/a", "1").symlink("lib", "usr/lib"))
        .layer(tar().file("lib/b", "2")));
    assert_eq!(seen.tree(), ["lib/@1", "lib/b=2@1", "usr/@0", "usr/lib/@0", "usr/lib/a=1@0"]);
    assert!(seen.problems()[0].contains("some readers follow it"), "{:?}", seen.problems());
}

#[test]
fn a_link_of_the_same_layer_is_followed_when_a_file_is_put_beneath_it() {
    let seen = see(&Draft::default().layer(tar().directory("usr/lib").symlink("lib", "/usr/lib").file("lib/b", "2")));
    assert_eq!(seen.tree(), ["lib->/usr/lib@0", "usr/@0", "usr/lib/@0", "usr/lib/b=2@0"]);
    assert!(seen.problems().is_empty());
}

#[test]
fn every_entry_is_handed_over_once_with_its_content() {
    let seen = see(&Draft::default()
        .layer(tar().file("a", "secret"))
        .layer(tar().whiteout("a"))
        .layer(tar().raw(b"fifo", b'6', 0o644, b"", b"").raw(b"dev/null", b'3', 0o666, b"", b"")));
    let contents: Vec<_> = seen.entries.iter().map(|(_, content)| String::from_utf8_lossy(content)).collect();
    assert_eq!(contents, ["secret", "", "", ""]);
    assert_eq!(seen.tree(), ["dev/@2", "dev/null Character@2", "fifo Fifo@2"]);
}

#[test]
fn what_lies_beneath_a_directory() {
    let seen = see(&Draft::default().layer(tar().file("d/a", "").file("d/s/b", "").file("d.x", "").file("d0", "")));
    let paths = |directory: &str| -> Vec<String> {
        seen.walked.tree.beneath(directory).map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect()
    };
    assert_eq!(paths("d"), ["d/a", "d/s", "d/s/b"]);
    assert_eq!(paths("d/s"), ["d/s/b"]);
    assert_eq!(paths("").len(), 6);
    assert_eq!(seen.walked.tree.len(), 7);
    assert!(!seen.walked.tree.is_empty());
}

#[test]
fn an_image_without_layers_and_an_empty_layer() {
    let seen = see(&Draft::default());
    assert!(seen.walked.tree.is_empty() && seen.walked.is_complete());
    let seen = see(&Draft::default().plain(Vec::new()).layer(tar()));
    assert!(seen.walked.tree.is_empty() && seen.walked.is_complete(), "{:?}", seen.problems());
    assert_eq!(seen.walked.layers.len(), 2);
}

#[test]
fn the_walk_ends_when_the_sink_says_so() {
    let layout = Draft::default().layer(tar().file("a", "1").file("b", "2")).layer(tar().file("c", "3")).layout();
    let image = open(layout.path()).unwrap();
    let mut seen = 0;
    let walked = image
        .walk(&mut |_| false, &mut |_, _| {
            seen += 1;
            std::ops::ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(seen, 1);
    assert!(!walked.is_complete());
    assert_eq!(walked.layers[0].diff_id, None);
    assert_eq!(walked.problems.gaps, 2);
    assert!(walk(&image).unwrap().walked.is_complete());
}
