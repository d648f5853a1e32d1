//! Every limit, reached: a partial result that says so.

use provost_image::{EntryId, Error, Image, Limits, Select};

use crate::build::{Draft, Seen, Tar, gzip, see_with, walk, write};

fn tar() -> Tar {
    Tar::default()
}

fn with(draft: &Draft, change: impl FnOnce(&mut Limits)) -> Seen {
    let mut limits = Limits::default();
    change(&mut limits);
    see_with(draft, &limits)
}

fn gap(seen: &Seen, text: &str) {
    assert!(!seen.walked.is_complete());
    assert!(seen.walked.problems.gaps > 0, "{:?}", seen.problems());
    assert!(seen.problems().iter().any(|problem| problem.contains(text)), "{:?}", seen.problems());
}

#[test]
fn entries() {
    let draft = Draft::default().layer(tar().file("a", "1").file("b", "2")).layer(tar().file("c", "3"));
    let seen = with(&draft, |limits| limits.entries = 1);
    assert_eq!(seen.tree(), ["a=1@0"]);
    gap(&seen, "more than 1 entries");
    assert_eq!(seen.walked.problems.gaps, 2, "the second layer is a gap of its own");
    assert!(with(&draft, |limits| limits.entries = 3).walked.is_complete());
}

#[test]
fn paths() {
    let draft = Draft::default().layer(tar().file("a/b/c/d", "1").file("x", "1"));
    let seen = with(&draft, |limits| limits.depth = 3);
    assert_eq!((seen.walked.problems.refused, seen.tree()), (1, vec!["x=1@0".to_owned()]));
    let seen = with(&draft, |limits| limits.path = 6);
    assert_eq!(seen.walked.problems.refused, 1);
    assert!(with(&draft, |limits| limits.path = 7).walked.is_complete());
    let link = Draft::default().layer(tar().symlink("l", "0123456789"));
    assert_eq!(with(&link, |limits| limits.path = 6).walked.problems.refused, 1);
}

#[test]
fn bytes_in_all() {
    let draft = Draft::default().layer(tar().file("a", &"1".repeat(5000))).layer(tar().file("b", "2"));
    let seen = with(&draft, |limits| limits.unpacked = 4000);
    gap(&seen, "came out of it");
    let whole = with(&draft, |limits| limits.unpacked = 10_000_000);
    assert!(whole.walked.is_complete());
}

#[test]
fn how_much_a_layer_may_unpack_to() {
    let draft = Draft::default().layer(tar().file("a", &"0".repeat(3_000_000))).layer(tar().file("b", "2"));
    let seen = with(&draft, |limits| (limits.ratio, limits.ratio_from) = (50, 1 << 20));
    gap(&seen, "more than 50 times its size");
    assert!(seen.tree().contains(&"b=2@1".to_owned()), "later layers are read");
    assert!(with(&draft, |limits| limits.ratio = 50).walked.is_complete(), "the first GiB is free");
    // The archive around an image, too.
    let archive = write(&gzip(&tar().file("manifest.json", &"0".repeat(3_000_000)).end()));
    let limits = Limits { in_memory: 1000, ratio: 50, ratio_from: 1 << 20, ..Limits::default() };
    let result = Image::open_path(archive.path(), &Select::default(), &limits);
    assert!(result.is_err() || result.is_ok_and(|image| !walk(&image).unwrap().walked.is_complete()));
}

#[test]
fn work() {
    let mut layer = tar();
    for n in 0..100 {
        layer = layer.file(&format!("a/b/c/d/{n}/f"), "1");
    }
    gap(&with(&Draft::default().layer(layer), |limits| limits.steps = 200), "more work than allowed");
}

#[test]
fn kept_content() {
    let draft = Draft::default().layer(tar().file("a", "12345").file("b", "12345").file("c", "1"));
    let seen = with(&draft, |limits| limits.kept_file = 4);
    gap(&seen, "not kept");
    assert_eq!(seen.walked.content("c"), Some(&b"1"[..]));
    assert_eq!(seen.entries[0].1, b"12345", "the sink sees it all the same");
    let seen = with(&draft, |limits| limits.kept = 6);
    assert_eq!((seen.walked.content("a"), seen.walked.content("b")), (Some(&b"12345"[..]), None));
    gap(&seen, "not kept");
    // What is replaced makes room.
    let draft = Draft::default().layer(tar().file("a", "12345")).layer(tar().file("a", "54321"));
    assert!(with(&draft, |limits| limits.kept = 10).walked.is_complete());
}

#[test]
fn content_read_again() {
    let layout = Draft::default().layer(tar().file("a", "12345").file("b", "12345").file("c", "1")).layout();
    let limits = Limits { kept: 6, ..Limits::default() };
    let image = Image::open_path(layout.path(), &Select::default(), &limits).unwrap();
    let all = (0..3).map(|number| EntryId { layer: 0, number }).collect();
    let contents = image.contents(&all).unwrap();
    assert_eq!(contents.into_values().collect::<Vec<_>>(), [b"12345".to_vec(), b"1".to_vec()]);
}

#[test]
fn members_of_an_archive() {
    let file = write(&Draft::default().layer(tar().file("a", "1")).docker("x"));
    let limits = Limits { members: 1, ..Limits::default() };
    let result = Image::open_path(file.path(), &Select::default(), &limits);
    let complete = result.and_then(|image| walk(&image)).is_ok_and(|seen| seen.walked.is_complete());
    assert!(!complete);
}

#[test]
fn problems_are_counted_beyond_their_list() {
    let mut layer = tar();
    for n in 0..50 {
        layer = layer.file(&format!("../{n}"), "");
    }
    let seen = with(&Draft::default().layer(layer), |limits| limits.problems = 10);
    assert_eq!((seen.walked.problems.refused, seen.walked.problems.listed.len()), (50, 10));
}

#[test]
fn headers() {
    let long = "x".repeat(5000);
    let seen = with(&Draft::default().layer(tar().pax(&[("path", &long)]).file("a", "")), |l| l.headers.header = 1000);
    gap(&seen, "longer than any reader takes");
    let mut pax = tar();
    for _ in 0..20 {
        pax = pax.pax(&[("path", "x")]);
    }
    gap(&with(&Draft::default().layer(pax.file("a", "")), |_| ()), "too many headers");
    let map = [("GNU.sparse.size", "9"), ("GNU.sparse.numblocks", "3"), ("GNU.sparse.map", "0,1,2,1,4,1")];
    let seen = with(&Draft::default().layer(tar().pax(&map).file("a", "xyz")), |l| l.headers.pieces = 2);
    gap(&seen, "too many pieces");
}

#[test]
fn layers_and_manifests() {
    let layout = Draft::default().layer(tar().file("a", "1")).layer(tar().file("b", "1")).layout();
    let mut limits = Limits::default();
    limits.documents.layers = 1;
    assert!(matches!(Image::open_path(layout.path(), &Select::default(), &limits), Err(Error::Document { .. })));
}
