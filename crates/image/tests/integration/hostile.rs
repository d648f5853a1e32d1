//! Layers that someone made to hurt or to hide.

use std::path::Path;

use provost_image::{Fate, Limits, What};

use crate::build::{Draft, Seen, Tar, gzip, open, see, see_with, walk};

fn tar() -> Tar {
    Tar::default()
}

fn refused(seen: &Seen) -> Vec<String> {
    let refused = seen.entries.iter().filter(|(entry, _)| entry.refused.is_some());
    refused.map(|(entry, _)| String::from_utf8_lossy(&entry.path).into_owned()).collect()
}

#[test]
fn names_that_leave_the_root_are_refused_and_their_content_is_seen() {
    let seen = see(&Draft::default().layer(
        tar().file("../../etc/cron.d/x", "evil").file("a/../../b", "evil").file("/abs", "fine").file("a/../c", "fine"),
    ));
    assert_eq!(seen.tree(), ["abs=fine@0", "c=fine@0"]);
    assert_eq!(refused(&seen), ["etc/cron.d/x", "b"]);
    assert_eq!(seen.entries[0].1, b"evil");
    assert_eq!(seen.walked.tree.fate(seen.entries[0].0.id), Fate::NotPlaced);
    assert_eq!(seen.walked.problems.refused, 2);
    assert!(!seen.walked.is_complete());
    assert!(!Path::new("/etc/cron.d/x").exists());
}

#[test]
fn a_link_that_leaves_the_root_leads_nowhere_else() {
    let seen = see(&Draft::default().layer(tar().symlink("etc", "../../../etc").file("etc/passwd", "evil")));
    // Beneath the root, `../..` is the root: the link leads to itself.
    assert_eq!(seen.tree(), ["etc->../../../etc@0"]);
    assert!(seen.problems()[0].contains("circle"), "{:?}", seen.problems());
    let seen = see(&Draft::default().layer(tar().symlink("x", "/").symlink("x/y", "..").file("x/y/z", "1")));
    assert_eq!(seen.tree(), ["x->/@0", "y->..@0", "z=1@0"]);
}

#[test]
fn hard_links_that_leave_the_root_or_lead_nowhere_are_refused() {
    let seen = see(&Draft::default().layer(
        tar()
            .hard_link("a", "../../etc/shadow")
            .hard_link("b", "nowhere")
            .directory("d")
            .hard_link("c", "d")
            .hard_link("e", "e")
            .file("f/x", "1")
            .hard_link("f", "f/x"),
    ));
    assert_eq!(seen.tree(), ["d/@0", "f/@0", "f/x=1@0"]);
    assert_eq!(seen.walked.problems.refused, 5);
}

#[test]
fn whiteouts_of_names_that_no_file_has_are_refused() {
    let seen = see(&Draft::default()
        .layer(tar().file("d/a", "1").file("b", "1"))
        .layer(tar().file("d/.wh..", "").file("d/.wh...", "").file("d/.wh.", "").file(".wh...", "")));
    assert_eq!(seen.tree(), ["b=1@0", "d/@0", "d/a=1@0"]);
    assert_eq!(seen.walked.problems.refused, 4);
}

#[test]
fn content_in_a_whiteout_is_seen() {
    let seen = see(&Draft::default().layer(tar().file("a", "")).layer(tar().file(".wh.a", "hidden content")));
    assert_eq!(seen.tree(), [""; 0]);
    assert_eq!(seen.entries[1].1, b"hidden content");
}

#[test]
fn what_aufs_kept_for_itself_is_no_part_of_the_tree() {
    let seen =
        see(&Draft::default().layer(tar().directory(".wh..wh.plnk").file(".wh..wh.plnk/1.2", "x").file("a", "")));
    assert_eq!(seen.tree(), ["a=@0"]);
    assert_eq!(seen.entries[1].1, b"x");
}

#[test]
fn the_last_of_two_entries_of_one_name_counts_and_is_told() {
    let seen = see(&Draft::default().layer(tar().file("a", "innocent").file("a", "evil").file("./a/../a", "last")));
    assert_eq!(seen.tree(), ["a=last@0"]);
    assert_eq!(seen.entries.len(), 3);
    assert_eq!(seen.walked.problems.odd, 2);
    assert_eq!(seen.hidden(), ["a 0<0 Replaced", "a 0<0 Replaced"]);
    let directories = see(&Draft::default().layer(tar().directory("a").file("a/b", "").directory("a/")));
    assert!(directories.problems().is_empty(), "directories are listed twice everywhere");
}

#[test]
fn pax_paths_count() {
    let long = "x".repeat(300);
    let seen = see(&Draft::default()
        .layer(tar().pax(&[("path", "real")]).file("shown", "1").pax(&[("path", &long)]).file("short", "2")));
    assert_eq!(seen.tree(), ["real=1@0", &format!("{long}=2@0")]);
    let seen = see(&Draft::default().layer(tar().pax(&[("path", "../out")]).file("innocent", "1")));
    assert_eq!(seen.walked.problems.refused, 1);
}

#[test]
fn gnu_long_names_count() {
    let long = "y".repeat(200);
    let name = format!("{long}\0");
    let seen =
        see(&Draft::default().layer(tar().raw(b"././@LongLink", b'L', 0, b"", name.as_bytes()).file("short", "1")));
    assert_eq!(seen.tree(), [format!("{long}=1@0")]);
}

#[test]
fn a_file_within_a_file_is_not_mistaken_for_one_of_the_layer() {
    let inner = tar().file("inner", "evil").0;
    let size = inner.len().to_string();
    let mut outer = tar().pax(&[("size", &size)]).raw(b"outer", b'0', 0o644, b"", b"");
    outer.0.extend(&inner);
    let seen = see(&Draft::default().layer(outer.file("next", "1")));
    let names: Vec<_> = seen.kinds().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["outer", "next"]);
    assert_eq!(seen.entries[0].1, inner);
}

#[test]
fn entries_after_the_end_are_seen_and_have_no_place() {
    let mut bytes = tar().file("a", "1").end();
    bytes.extend(tar().file("late", "secret").end());
    let seen = see(&Draft::default().plain(bytes));
    assert_eq!(seen.tree(), ["a=1@0"]);
    assert_eq!(seen.entries[1].1, b"secret");
    assert!(!seen.walked.is_complete());
    assert!(seen.problems()[0].contains("after the end"), "{:?}", seen.problems());
}

#[test]
fn bytes_after_the_end_that_are_no_archive_are_a_gap() {
    let mut bytes = tar().file("a", "1").end();
    bytes.extend(b"secret".repeat(200));
    let seen = see(&Draft::default().plain(bytes));
    assert_eq!((seen.tree(), seen.walked.problems.gaps), (vec!["a=1@0".to_owned()], 1));
    assert!(seen.walked.layers[0].diff_id.is_some(), "the digest is right all the same");
}

#[test]
fn a_layer_that_ends_within_a_file_is_a_gap() {
    let whole = tar().file("a", "1").file("b", &"2".repeat(1000)).0;
    let seen = see(&Draft::default().plain(whole[..whole.len() - 600].to_vec()).layer(tar().file("c", "3")));
    assert_eq!(seen.walked.problems.gaps, 1);
    assert!(seen.tree().contains(&"c=3@1".to_owned()), "later layers are read");
    let broken = see(&Draft::default().plain([tar().file("a", "1").0, b"x".repeat(512)].concat()));
    assert_eq!(broken.walked.problems.gaps, 1);
}

#[test]
fn a_gzip_stream_that_breaks_is_a_gap() {
    let mut draft = Draft::default().layer(tar().file("a", &"1".repeat(100_000)));
    let cut = draft.layers[0].0.len() - 20;
    draft.layers[0].0.truncate(cut);
    let seen = see(&draft);
    assert_eq!(seen.walked.problems.gaps, 1, "{:?}", seen.problems());
    assert_eq!(seen.walked.layers[0].diff_id, None);
    assert!(seen.walked.layers[0].digest.is_some());
    // Something that is no gzip behind it: Go's reader refuses it.
    let mut draft = Draft::default().layer(tar().file("a", "1"));
    draft.layers[0].0.extend(b"and a secret");
    let seen = see(&draft);
    assert_eq!(seen.walked.problems.gaps, 1, "{:?}", seen.problems());
}

#[test]
fn zstd_layers_sound_and_broken() {
    let zstd = |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let layer = |blob: Vec<u8>| {
        let mut draft = Draft::default().layer(tar().file("a", &"1".repeat(100_000)));
        draft.layers[0].0 = blob;
        draft.layers[0].2 = "application/vnd.oci.image.layer.v1.tar+zstd".to_owned();
        draft.layer(tar().file("b", "2"))
    };
    let whole = zstd(&layer(Vec::new()).layers[0].1);
    let seen = see(&layer(whole.clone()));
    assert!(seen.walked.is_complete() && seen.problems().is_empty(), "{:?}", seen.problems());
    for end in [4, 5, whole.len() / 2, whole.len() - 1] {
        let seen = see(&layer(whole[..end].to_vec()));
        assert_eq!(seen.walked.problems.gaps, 1, "{end}: {:?}", seen.problems());
        assert!(seen.tree().contains(&"b=2@1".to_owned()));
        assert!(seen.walked.layers[0].digest.is_some(), "the blob is what was announced all the same");
    }
}

#[test]
fn several_gzip_members_are_one_layer() {
    let bytes = tar().file("a", "1").file("b", "2").end();
    let mut draft = Draft::default().layer(tar());
    draft.layers[0].0 = [gzip(&bytes[..700]), gzip(&bytes[700..])].concat();
    draft.layers[0].1 = bytes;
    let seen = see(&draft);
    assert_eq!(seen.tree(), ["a=1@0", "b=2@0"]);
    assert!(seen.walked.is_complete());
}

#[test]
fn sparse_files_are_read_with_their_holes_and_cost_nothing_unread() {
    let records = [("GNU.sparse.size", "1099511627776"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "0,1")];
    let small = [("GNU.sparse.size", "5"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "2,1")];
    let layer = || tar().pax(&records).file("huge", "x").pax(&small).file("small", "y");
    let layout = Draft::default().layer(layer()).layout();
    let image = open(layout.path()).unwrap();
    let mut sizes = Vec::new();
    let walked = image
        .walk(&mut |_| false, &mut |entry, _| {
            sizes.push(entry.size);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert!(walked.is_complete());
    assert_eq!(sizes, [1 << 40, 5]);
    // Who reads it gets as many zeros as the limit allows, and a gap.
    let seen = see_with(&Draft::default().layer(layer()), &Limits { unpacked: 1 << 20, ..Limits::default() });
    assert_eq!(seen.entries[0].1.len(), 1 << 20);
    assert!(!seen.walked.is_complete());
    let seen = see(&Draft::default().layer(tar().pax(&small).file("small", "y")));
    assert_eq!(seen.entries[0].1, b"\0\0y\0\0");
}

#[test]
fn entries_of_unknown_kinds_are_refused_and_seen() {
    let seen =
        see(&Draft::default().layer(tar().raw(b"a", b'7', 0o644, b"", b"content").raw(b"b", b'Z', 0, b"", b"x")));
    assert_eq!(seen.walked.problems.refused, 2);
    assert_eq!(seen.entries[0].1, b"content");
    assert!(seen.tree().is_empty());
}

#[test]
fn nothing_takes_the_place_of_the_root() {
    let seen =
        see(&Draft::default()
            .layer(tar().file("a", "1").file("./", "x").symlink("/", "a").directory("./").whiteout("")));
    assert!(seen.tree().contains(&"a=1@0".to_owned()), "{:?}", seen.tree());
    assert!(seen.walked.problems.refused >= 2);
}

#[test]
fn names_of_bytes_and_names_that_steer_terminals() {
    let seen = see(&Draft::default().layer(tar().raw(b"bad\xffname", b'0', 0o644, b"", b"1").raw(
        b"../\x1b[2Jx",
        b'0',
        0o644,
        b"",
        b"",
    )));
    assert_eq!(seen.walked.content(b"bad\xffname"), Some(&b"1"[..]));
    assert_eq!(seen.entries[0].0.name().text, "bad%FFname");
    assert!(seen.problems().iter().all(|problem| !problem.contains('\u{1b}')), "{:?}", seen.problems());
}

#[test]
fn a_file_as_directory_of_its_own_layer_is_told() {
    let seen = see(&Draft::default().layer(tar().file("a", "1").file("a/b", "2")));
    assert_eq!(seen.tree(), ["a/@0", "a/b=2@0"]);
    assert_eq!(seen.walked.problems.listed[0].what, What::Odd);
}

#[test]
fn ten_thousand_opaque_marks_and_whiteouts_take_no_time() {
    let mut lower = tar();
    let mut upper = tar();
    for n in 0..10_000 {
        lower = lower.file(&format!("d/{n}"), "");
        upper = upper.file(&format!("d/x{n}"), "").opaque("d").whiteout("d");
    }
    let begin = std::time::Instant::now();
    let seen = see(&Draft::default().layer(lower).layer(upper));
    assert_eq!(seen.walked.tree.len(), 10_002);
    assert!(begin.elapsed().as_secs() < 60, "{:?}", begin.elapsed());
}

#[test]
fn a_layer_that_is_an_archive_of_archives_is_one_layer_deep() {
    // Not opened here: content is the checks' to look into, with their own limits.
    let seen =
        see(&Draft::default().layer(tar().raw(b"a.tar.gz", b'0', 0o644, b"", &gzip(&tar().file("b", "1").end()))));
    assert_eq!(seen.walked.tree.len(), 2);
    let twice = gzip(&gzip(&tar().file("b", "1").end()));
    let mut draft = Draft::default().layer(tar());
    draft.layers[0].0 = twice;
    draft.layers[0].1 = gzip(&tar().file("b", "1").end());
    let layout = draft.layout();
    let seen = walk(&open(layout.path()).unwrap()).unwrap();
    assert_eq!(seen.walked.problems.gaps, 1, "{:?}", seen.problems());
}
