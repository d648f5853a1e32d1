//! Real images, where they lie beside the checkout (`PROVOST_IMAGES`, a directory). Without, these tests say so and pass.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use provost_image::{Image, Kind, Limits, Select, Source, Walked};

use crate::build::open;

fn images() -> Option<PathBuf> {
    let found = std::env::var_os("PROVOST_IMAGES").map(PathBuf::from).filter(|path| path.is_dir());
    if found.is_none() {
        eprintln!("skipped: PROVOST_IMAGES names no directory with images");
    }
    found
}

fn walk(path: &Path) -> (Image, Walked) {
    let image = open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let keep = ["etc/os-release", "usr/lib/os-release", "lib/apk/db/installed", "var/lib/dpkg/status"];
    let walked = image
        .walk(&mut |entry| keep.iter().any(|path| path.as_bytes() == entry.path), &mut |_, _| ControlFlow::Continue(()))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (image, walked)
}

#[test]
fn every_sound_image_is_read_whole() {
    let Some(directory) = images() else { return };
    let mut read = 0;
    let mut entries: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with(".json") {
            continue;
        }
        if name.contains("bad") || name.contains("invalid") || name.contains("no_valid") || name.contains("_dir") {
            assert!(open(&path).is_err(), "{name}");
            continue;
        }
        if name.starts_with("test") {
            continue;
        }
        let (image, walked) = walk(&path);
        let problems: Vec<_> = walked.problems.listed.iter().map(ToString::to_string).collect();
        assert!(walked.is_complete(), "{name}: {problems:?}");
        assert!(problems.is_empty(), "{name}: {problems:?}");
        if let Some(config) = &image.config {
            let computed: Vec<_> = walked.layers.iter().map(|layer| layer.diff_id.unwrap()).collect();
            assert_eq!(computed, config.diff_ids, "{name}");
        }
        read += 1;
    }
    assert!(read > 0, "no images");
}

/// What `tar` lists of the merged root file system is what the tree has: same paths, kinds, modes, owners, sizes.
#[test]
fn the_merged_tree_is_the_one_that_others_made() {
    let Some(directory) = images() else { return };
    for (image, root) in [
        ("debian-small-docker.tar", "debian-small-rootfs.tar"),
        ("debian-small-oci", "debian-small-rootfs.tar"),
        ("debian-small-oci-zstd", "debian-small-rootfs.tar"),
        ("debian-docker.tar", "debian-rootfs.tar"),
        ("distroless-oci", "distroless-rootfs.tar"),
        ("rpm-sqlite-wal-docker.tar", "rpm-sqlite-wal-rootfs.tar"),
    ] {
        let (image, root) = (directory.join(image), directory.join(root));
        if !image.exists() || !root.exists() {
            continue;
        }
        let listed = |path: &Path| {
            let (_, walked) = walk(path);
            let line = |node: &provost_image::Node| {
                let link = node.link.as_deref().map(|link| String::from_utf8_lossy(link).into_owned());
                let kind = if node.kind == Kind::HardLink { Kind::File } else { node.kind };
                (kind, node.mode, node.uid, node.gid, node.size, link)
            };
            let lines = walked.tree.iter().filter(|(path, node)| !path.is_empty() && node.entry.is_some());
            lines
                .map(|(path, node)| (String::from_utf8_lossy(path).into_owned(), line(node)))
                .collect::<BTreeMap<_, _>>()
        };
        let (ours, theirs) = (listed(&image), listed(&root));
        let differ: Vec<_> = ours.iter().filter(|(path, node)| theirs.get(*path) != Some(*node)).take(5).collect();
        let absent: Vec<_> = theirs.keys().filter(|path| !ours.contains_key(*path)).take(5).collect();
        assert!(differ.is_empty() && absent.is_empty(), "{}: {differ:?} {absent:?}", image.display());
    }
}

/// GNU tar as a second reader of the same layer.
#[test]
fn layers_have_the_entries_that_tar_lists() {
    let Some(directory) = images() else { return };
    for name in ["debian-small-rootfs.tar", "distroless-rootfs.tar", "rpm-mariner-rootfs.tar"] {
        let path = directory.join(name);
        let Ok(output) = Command::new("tar").arg("-tf").arg(&path).arg("--quoting-style=literal").output() else {
            return;
        };
        let listed = output.stdout.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        let clean =
            |line: &[u8]| String::from_utf8_lossy(line).trim_start_matches("./").trim_end_matches('/').to_owned();
        let theirs: Vec<String> = listed.map(clean).collect();
        let image = Image::open(Source::RootFsTar(path), &Select::default(), &Limits::default()).unwrap();
        let mut ours = Vec::new();
        image
            .walk(&mut |_| false, &mut |entry, _| {
                ours.push(String::from_utf8_lossy(&entry.path).into_owned());
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn alpine_of_docker_save() {
    let Some(directory) = images() else { return };
    for name in ["alpine-310.tar.gz", "alpine-310.tar"] {
        let path = directory.join(name);
        if !path.exists() {
            continue;
        }
        let (image, walked) = walk(&path);
        assert_eq!((image.kind, image.layers.len()), ("docker-archive", 1));
        let release = String::from_utf8_lossy(walked.content("etc/os-release").unwrap()).into_owned();
        assert!(release.contains("3.10"), "{release}");
        assert!(walked.content("lib/apk/db/installed").is_some_and(|db| db.starts_with(b"C:Q1")));
    }
}
