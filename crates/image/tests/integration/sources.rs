//! The same image from every kind of source.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use provost_image::{Error, Image, Limits, Offer, Select, Source};
use provost_model::sha256;
use serde_json::json;

use crate::build::{Draft, INDEX, Layout, Tar, gzip, open, walk, write};

fn draft() -> Draft {
    Draft::default()
        .layer(Tar::default().file("etc/a", "1").file("etc/b", "secret"))
        .layer(Tar::default().whiteout("etc/b").file("c", "2"))
}

const TREE: [&str; 3] = ["c=2@1", "etc/@0", "etc/a=1@0"];

#[test]
fn an_oci_layout() {
    let drafted = draft().finish();
    let layout = drafted.layout();
    let image = open(layout.path()).unwrap();
    assert_eq!(image.kind, "oci-layout");
    assert_eq!(image.digest, Some(sha256(&drafted.manifest_bytes)));
    assert_eq!(image.id, Some(sha256(&drafted.config_bytes)));
    assert_eq!(image.subject(), image.digest);
    assert_eq!(image.index, None);
    let seen = walk(&image).unwrap();
    assert_eq!(seen.tree(), TREE);
    assert!(seen.walked.is_complete());
    assert_eq!(seen.walked.layers[1].diff_id, image.layers[1].diff_id);
    assert_eq!(seen.walked.layers[1].digest, image.layers[1].digest);
}

#[test]
fn an_oci_archive_plain_and_compressed() {
    let layout = draft().layout();
    let archive = layout.archive();
    for bytes in [archive.clone(), gzip(&archive)] {
        let file = write(&bytes);
        let image = open(file.path()).unwrap();
        assert_eq!(image.kind, "oci-archive");
        assert_eq!(walk(&image).unwrap().tree(), TREE);
    }
}

#[test]
fn a_docker_archive_plain_and_compressed() {
    let archive = draft().docker("app:1");
    for bytes in [archive.clone(), gzip(&archive)] {
        let file = write(&bytes);
        let image = open(file.path()).unwrap();
        assert_eq!((image.kind, image.digest), ("docker-archive", None));
        assert_eq!(image.names, ["app:1"]);
        assert_eq!(image.subject(), image.id);
        assert_eq!(walk(&image).unwrap().tree(), TREE);
    }
}

#[test]
fn a_compressed_archive_too_large_to_be_held_is_read_as_a_stream() {
    let file = write(&gzip(&draft().docker("app:1")));
    let limits = Limits { in_memory: 100, ..Limits::default() };
    let image = Image::open_path(file.path(), &Select::default(), &limits).unwrap();
    assert_eq!(walk(&image).unwrap().tree(), TREE);
    assert_eq!(walk(&image).unwrap().tree(), TREE, "and again");
    let layout = draft().layout();
    let file = write(&gzip(&layout.archive()));
    let image = Image::open_path(file.path(), &Select::default(), &limits).unwrap();
    assert_eq!(walk(&image).unwrap().tree(), TREE, "blobs out of order");
}

#[test]
fn layers_that_are_links_as_old_docker_wrote_them() {
    let layer = Tar::default().file("a", "1").end();
    let draft = Draft::default().plain(layer.clone()).plain(layer.clone());
    let config = serde_json::to_vec(&draft.config()).unwrap();
    let manifest = json!([{"Config": "c.json", "RepoTags": null, "Layers": ["x/layer.tar", "y/layer.tar"]}]);
    let tar = Tar::default()
        .raw(b"c.json", b'0', 0o644, b"", &config)
        .raw(b"x/layer.tar", b'0', 0o644, b"", &layer)
        .symlink("y/layer.tar", "../x/layer.tar")
        .raw(b"manifest.json", b'0', 0o644, b"", &serde_json::to_vec(&manifest).unwrap());
    let file = write(&tar.end());
    let seen = walk(&open(file.path()).unwrap()).unwrap();
    assert_eq!(seen.tree(), ["a=1@1"]);
}

#[test]
fn docker_archives_with_compressed_layers() {
    let layer = Tar::default().file("a", "1").end();
    let config = serde_json::to_vec(&Draft::default().plain(layer.clone()).config()).unwrap();
    let packed = gzip(&layer);
    let name = format!("blobs/sha256/{}", sha256(&packed));
    let manifest = json!([{"Config": "c.json", "Layers": [name]}]);
    let tar = |packed: &[u8]| {
        Tar::default()
            .raw(b"c.json", b'0', 0o644, b"", &config)
            .raw(name.as_bytes(), b'0', 0o644, b"", packed)
            .raw(b"manifest.json", b'0', 0o644, b"", &serde_json::to_vec(&manifest).unwrap())
            .end()
    };
    let file = write(&tar(&packed));
    assert_eq!(walk(&open(file.path()).unwrap()).unwrap().tree(), ["a=1@0"]);
    // The name is a promise.
    let mut other = packed;
    other.extend(gzip(b""));
    let file = write(&tar(&other));
    assert!(matches!(walk(&open(file.path()).unwrap()), Err(Error::Mismatch { .. })));
}

#[test]
fn a_root_file_system_as_directory() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    fs::create_dir_all(path("etc/deep")).unwrap();
    fs::write(path("etc/deep/file"), "x").unwrap();
    fs::write(path("etc/.wh.plain"), "no whiteout here").unwrap();
    fs::hard_link(path("etc/deep/file"), path("etc/zlink")).unwrap();
    symlink("/etc/passwd", path("etc/out")).unwrap();
    fs::set_permissions(path("etc/deep/file"), fs::Permissions::from_mode(0o4755)).unwrap();
    nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let image = open(root.path()).unwrap();
    assert_eq!((image.kind, image.subject(), image.config.is_none()), ("rootfs", None, true));
    let seen = walk(&image).unwrap();
    assert_eq!(
        seen.tree(),
        [
            "etc/@0",
            "etc/.wh.plain=no whiteout here@0",
            "etc/deep/@0",
            "etc/deep/file=x@0",
            "etc/out->/etc/passwd@0",
            "etc/zlink=x@0",
            "pipe Fifo@0"
        ]
    );
    assert_eq!(seen.walked.tree.node("etc/zlink").unwrap().mode, 0o4755);
    assert!(seen.walked.is_complete(), "{:?}", seen.problems());
    let wanted = seen.walked.tree.node("etc/zlink").unwrap().content.unwrap();
    assert_eq!(image.contents(&[wanted].into()).unwrap()[&wanted], b"x");
}

#[test]
fn a_root_file_system_as_tar() {
    let tar = Tar::default().file("./etc/a", "1").file("etc/.wh.a", "no whiteout").end();
    for bytes in [tar.clone(), gzip(&tar)] {
        let file = write(&bytes);
        let image = open(file.path()).unwrap();
        assert_eq!(image.kind, "rootfs-tar");
        let seen = walk(&image).unwrap();
        assert_eq!(seen.tree(), ["etc/@0", "etc/.wh.a=no whiteout@0", "etc/a=1@0"]);
        assert_eq!(seen.walked.layers[0].diff_id, Some(sha256(&tar)));
    }
}

#[test]
fn what_is_no_image_is_an_error() {
    for bytes in [&b"hello"[..], b"", &gzip(b"hello")] {
        let file = write(bytes);
        assert!(matches!(open(file.path()), Err(Error::Archive { .. })), "{:?}", open(file.path()));
    }
    assert!(matches!(open("/nowhere/at/all".as_ref()), Err(Error::Read { .. })));
    let pipe = tempfile::tempdir().unwrap();
    nix::unistd::mkfifo(&pipe.path().join("p"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(open(&pipe.path().join("p")).is_err(), "and nobody waits for a pipe");
}

fn two_platforms(nested: bool) -> (Layout, String) {
    let layout = Layout::new();
    let mut manifests = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let mut draft = Draft::default().layer(Tar::default().file("arch", architecture));
        draft.platform.1 = architecture.to_owned();
        let drafted = draft.finish();
        drafted.blobs.values().for_each(|blob| {
            layout.blob(blob);
        });
        let mut descriptor = drafted.descriptor();
        descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
        manifests.push(descriptor);
    }
    // A build's attestations stand beside the images.
    let mut attestation = manifests[0].clone();
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    manifests.push(attestation);
    if !nested {
        layout.index(&manifests);
        return (layout, String::new());
    }
    let index = serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})).unwrap();
    let digest = layout.blob(&index);
    let annotations = json!({"org.opencontainers.image.ref.name": "v1"});
    layout.index(&[json!({"mediaType": INDEX, "digest": format!("sha256:{digest}"), "size": index.len(), "annotations": annotations})]);
    (layout, digest.to_hex())
}

#[test]
fn an_index_of_several_platforms() {
    for nested in [false, true] {
        let (layout, index) = two_platforms(nested);
        let with = |platform: &str, name: Option<&str>| {
            let platform = (!platform.is_empty()).then(|| platform.parse().unwrap());
            let select = Select { name: name.map(str::to_owned), platform };
            Image::open_path(layout.path(), &select, &Limits::default())
        };
        let image = with("linux/arm64/v8", None).unwrap();
        assert_eq!(walk(&image).unwrap().walked.content("arch"), Some(&b"arm64"[..]));
        assert_eq!(image.index.map(|digest| digest.to_hex()), nested.then(|| index.clone()));
        assert_eq!(image.platform.as_ref().map(ToString::to_string).as_deref(), Some("linux/arm64"));
        let error = with("", None).unwrap_err();
        assert!(matches!(&error, Error::Which { available, .. } if available.len() == 2), "{error}");
        let error = with("linux/riscv64", None).unwrap_err().to_string();
        assert!(error.contains("linux/riscv64") && error.contains("linux/amd64"), "{error}");
        if nested {
            assert!(with("linux/amd64", Some("v1")).is_ok());
            assert!(with("linux/amd64", Some(&format!("sha256:{index}"))).is_ok());
            assert!(matches!(with("linux/amd64", Some("v2")), Err(Error::Which { .. })));
        }
        let offers = Image::offers(Source::OciLayout(layout.path().to_owned()), &Limits::default()).unwrap();
        let platforms: Vec<_> = offers.iter().map(|o: &Offer| o.platform.as_ref().unwrap().to_string()).collect();
        assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    }
}

#[test]
fn the_only_platform_that_is_there_is_taken() {
    let (layout, _) = two_platforms(true);
    let with = |platform: Option<&str>| {
        let select = Select { name: None, platform: platform.map(|platform| platform.parse().unwrap()) };
        Image::open_path(layout.path(), &select, &Limits::default())
    };
    let arm = with(Some("linux/arm64")).unwrap();
    fs::remove_file(layout.blob_path(&arm.digest.unwrap())).unwrap();
    assert_eq!(with(None).unwrap().platform.map(|platform| platform.architecture).as_deref(), Some("amd64"));
    assert!(matches!(with(Some("linux/arm64")), Err(Error::Missing { .. })));
}

#[test]
fn another_platform_than_asked_for_is_told() {
    let layout = draft().layout();
    let with = |platform: &str| {
        let select = Select { name: None, platform: Some(platform.parse().unwrap()) };
        Image::open_path(layout.path(), &select, &Limits::default()).unwrap().problems.odd
    };
    assert_eq!((with("linux/amd64"), with("linux/x86_64"), with("linux/arm64")), (0, 0, 1));
}

#[test]
fn an_archive_of_several_images() {
    let one = Draft::default().layer(Tar::default().file("a", "1"));
    let config = serde_json::to_vec(&one.config()).unwrap();
    let id = sha256(&config);
    let (config_name, layer) = (format!("{id}.json"), one.layers[0].1.clone());
    let manifest = json!([
        {"Config": config_name, "RepoTags": ["a:1", "docker.io/library/b:2"], "Layers": ["l.tar"]},
        {"Config": "other.json", "RepoTags": ["c:3"], "Layers": ["l.tar"]},
    ]);
    let tar = Tar::default()
        .raw(config_name.as_bytes(), b'0', 0o644, b"", &config)
        .raw(b"l.tar", b'0', 0o644, b"", &layer)
        .raw(b"manifest.json", b'0', 0o644, b"", &serde_json::to_vec(&manifest).unwrap());
    let file = write(&tar.end());
    let with = |name: Option<&str>| {
        let select = Select { name: name.map(str::to_owned), platform: None };
        Image::open_path(file.path(), &select, &Limits::default())
    };
    assert!(matches!(with(None), Err(Error::Which { wanted: None, .. })));
    assert!(with(Some("a:1")).is_ok());
    assert!(with(Some("b:2")).is_ok(), "the short form of the same name");
    assert!(with(Some(&format!("sha256:{id}"))).is_ok());
    assert!(matches!(with(Some("d")), Err(Error::Which { .. })));
    assert!(matches!(with(Some("c:3")), Err(Error::Missing { .. })));
    assert_eq!(Image::offers(Source::DockerArchive(file.path().to_owned()), &Limits::default()).unwrap().len(), 2);
}
