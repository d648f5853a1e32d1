//! Digests, sizes and documents that are not what they should be.

use std::fs;

use provost_image::{Error, Image, Limits, Select, What};
use provost_model::sha256;
use serde_json::{Value, json};

use crate::build::{CONFIG, Draft, INDEX, Layout, MANIFEST, TAR, Tar, gzip, open, see, walk, write};

fn draft() -> Draft {
    Draft::default().layer(Tar::default().file("a", "1"))
}

#[test]
fn a_manifest_that_was_exchanged() {
    let drafted = draft().finish();
    let layout = drafted.layout();
    let digest = sha256(&drafted.manifest_bytes);
    let mut other = drafted.manifest_bytes.clone();
    other.push(b' ');
    fs::write(layout.blob_path(&digest), &other).unwrap();
    let Err(Error::Mismatch { expected, actual, .. }) = open(layout.path()) else { panic!("no mismatch") };
    assert_eq!((expected, actual), (digest, sha256(&other)));
}

#[test]
fn a_configuration_that_was_exchanged() {
    let drafted = draft().finish();
    let layout = drafted.layout();
    fs::write(layout.blob_path(&sha256(&drafted.config_bytes)), "{}").unwrap();
    assert!(matches!(open(layout.path()), Err(Error::Mismatch { .. })));
}

#[test]
fn a_layer_that_was_exchanged() {
    let draft = draft();
    let layout = draft.layout();
    let blob = &draft.layers[0].0;
    let other = gzip(&Tar::default().file("a", "2").end());
    assert_eq!(blob.len(), other.len(), "the same length, to get past the size");
    fs::write(layout.blob_path(&sha256(blob)), &other).unwrap();
    let error = walk(&open(layout.path()).unwrap()).err().expect("an error");
    let text = error.to_string();
    assert!(text.contains(&sha256(blob).to_hex()) && text.contains(&sha256(&other).to_hex()), "{text}");
}

#[test]
fn a_layer_of_another_length_is_not_even_read() {
    let draft = draft();
    let layout = draft.layout();
    let path = layout.blob_path(&sha256(&draft.layers[0].0));
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 10);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(walk(&open(layout.path()).unwrap()), Err(Error::Size { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(walk(&open(layout.path()).unwrap()), Err(Error::Missing { .. })));
}

#[test]
fn a_layer_whose_content_is_not_its_diff_id() {
    let mut draft = draft();
    // The blob is what the manifest says; unpacked it is something else than the configuration says.
    draft.layers[0].1 = Tar::default().file("a", "innocent").end();
    let layout = draft.layout();
    let error = walk(&open(layout.path()).unwrap()).err().expect("an error");
    assert!(matches!(&error, Error::Mismatch { what, .. } if what.contains("content of layer 1")), "{error}");
}

#[test]
fn manifests_and_configurations_that_do_not_agree_on_layers() {
    let mut drafted = draft().finish();
    let layers = drafted.manifest["layers"].as_array_mut().unwrap();
    let again = layers[0].clone();
    layers.push(again);
    drafted.manifest_bytes = serde_json::to_vec(&drafted.manifest).unwrap();
    let layout = drafted.layout();
    layout.blob(&drafted.manifest_bytes);
    assert!(matches!(open(layout.path()), Err(Error::Layers { manifest: 2, config: 1 })));
}

fn manifest_with(change: impl FnOnce(&mut Value)) -> Layout {
    let mut drafted = draft().finish();
    change(&mut drafted.manifest);
    drafted.manifest_bytes = serde_json::to_vec(&drafted.manifest).unwrap();
    let layout = drafted.layout();
    layout.blob(&drafted.manifest_bytes);
    layout
}

#[test]
fn artifacts_are_no_images() {
    let layout = manifest_with(|manifest| manifest["config"]["mediaType"] = json!("application/vnd.oci.empty.v1+json"));
    assert!(matches!(open(layout.path()), Err(Error::NotAnImage { .. })));
}

#[test]
fn layers_of_unknown_types_are_gaps() {
    let layout = manifest_with(|manifest| manifest["layers"][0]["mediaType"] = json!(format!("{TAR}+encrypted")));
    let seen = walk(&open(layout.path()).unwrap()).unwrap();
    assert_eq!(seen.walked.problems.gaps, 1);
    assert!(!seen.walked.is_complete());
    assert!(seen.problems()[0].contains("+encrypted"), "{:?}", seen.problems());
}

#[test]
fn foreign_layers_are_gaps_that_name_their_place_unless_they_are_there() {
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let layout = manifest_with(|manifest| {
        manifest["layers"][0]["mediaType"] = json!(foreign);
        manifest["layers"][0]["urls"] = json!(["https://example.com/layer\u{1b}[2J"]);
    });
    assert!(walk(&open(layout.path()).unwrap()).unwrap().walked.is_complete());
    let image = open(layout.path()).unwrap();
    fs::remove_file(layout.blob_path(&image.layers[0].digest.unwrap())).unwrap();
    let seen = walk(&image).unwrap();
    assert_eq!(seen.walked.problems.gaps, 1);
    assert!(seen.problems()[0].contains("https://example.com/layer\\u{1b}"), "{:?}", seen.problems());
}

#[test]
fn a_layer_compressed_otherwise_than_said_is_read_and_told() {
    let layout = manifest_with(|manifest| manifest["layers"][0]["mediaType"] = json!(TAR));
    let seen = walk(&open(layout.path()).unwrap()).unwrap();
    assert_eq!(seen.tree(), ["a=1@0"]);
    assert!(seen.walked.problems.listed.iter().any(|problem| problem.what == What::Odd));
}

#[test]
fn histories_that_do_not_fit_are_told_and_not_believed() {
    let mut draft = draft();
    draft.history = json!([{"created_by": "a"}, {"created_by": "b"}]);
    let layout = draft.layout();
    let image = open(layout.path()).unwrap();
    assert_eq!(image.layers[0].history, None);
    assert_eq!(image.problems.odd, 1);
    draft.history = json!([{"created_by": "ENV", "empty_layer": true}, {"created_by": "COPY . ."}]);
    let image = open(draft.layout().path()).unwrap();
    assert_eq!(image.layers[0].history.as_ref().map(|step| step.created_by.as_str()), Some("COPY . ."));
}

#[test]
fn indexes_within_indexes_are_limited() {
    let layout = Layout::new();
    let mut descriptor = draft().finish().descriptor();
    for _ in 0..6 {
        let index =
            serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]})).unwrap();
        let digest = layout.blob(&index);
        descriptor = json!({"mediaType": INDEX, "digest": format!("sha256:{digest}"), "size": index.len()});
    }
    layout.index(&[descriptor]);
    assert!(matches!(open(layout.path()), Err(Error::Nesting(4))), "{:?}", open(layout.path()));
}

#[test]
fn documents_larger_than_allowed_are_errors() {
    let layout = draft().layout();
    let mut limits = Limits::default();
    limits.documents.manifest = 50;
    assert!(matches!(Image::open_path(layout.path(), &Select::default(), &limits), Err(Error::Document { .. })));
    let mut limits = Limits::default();
    limits.documents.config = 50;
    assert!(matches!(Image::open_path(layout.path(), &Select::default(), &limits), Err(Error::Document { .. })));
}

#[test]
fn an_index_that_is_a_link_to_another_file_is_not_followed() {
    let layout = draft().layout();
    let index = layout.path().join("index.json");
    fs::rename(&index, layout.path().join("elsewhere.json")).unwrap();
    std::os::unix::fs::symlink("elsewhere.json", &index).unwrap();
    assert!(matches!(open(layout.path()), Err(Error::Read { .. })));
}

#[test]
fn descriptors_that_lie_about_their_type_are_errors() {
    let drafted = draft().finish();
    let layout = drafted.layout();
    let mut descriptor = drafted.descriptor();
    descriptor["mediaType"] = json!(INDEX);
    layout.index(&[descriptor]);
    assert!(matches!(open(layout.path()), Err(Error::Document { .. })));
    let mut descriptor = drafted.descriptor();
    descriptor["size"] = json!(1);
    layout.index(&[descriptor]);
    assert!(matches!(open(layout.path()), Err(Error::Size { .. })));
}

#[test]
fn archives_with_two_manifests_of_one_name_are_refused() {
    let archive = draft().docker("a");
    let second = draft().docker("b");
    let at = archive.len() - 1024;
    let mut both = archive[..at].to_vec();
    both.extend(&second);
    let file = write(&both);
    let error = open(file.path()).expect_err("refused").to_string();
    assert!(error.contains("two members"), "{error}");
}

#[test]
fn archives_that_say_two_things_are_told() {
    // An OCI layout with the manifest.json of another image: one tool loads the first, one the second.
    let layout = draft().layout();
    let oci = layout.archive();
    let docker = Draft::default().layer(Tar::default().file("evil", "1")).docker("a");
    let mut both = oci[..oci.len() - 1024].to_vec();
    both.extend(&docker);
    let file = write(&both);
    let image = open(file.path()).unwrap();
    assert_eq!(image.kind, "oci-archive");
    assert!(image.problems.listed.iter().any(|problem| problem.why.contains("other images")), "{:?}", image.problems);
}

#[test]
fn cut_archives_are_no_images_or_have_gaps() {
    let archive = draft().docker("a");
    for end in [600, archive.len() / 2, archive.len() - 1600] {
        let file = write(&archive[..end]);
        let result = open(file.path()).and_then(|image| walk(&image));
        assert!(result.is_err() || result.is_ok_and(|seen| !seen.walked.is_complete()), "{end}");
    }
    // The manifest first, and a layer that is cut.
    let draft = draft();
    let config = serde_json::to_vec(&draft.config()).unwrap();
    let manifest = json!([{"Config": "c.json", "Layers": ["l.tar"]}]);
    let tar = Tar::default()
        .raw(b"manifest.json", b'0', 0o644, b"", &serde_json::to_vec(&manifest).unwrap())
        .raw(b"c.json", b'0', 0o644, b"", &config)
        .raw(b"l.tar", b'0', 0o644, b"", &draft.layers[0].1)
        .0;
    let file = write(&tar[..tar.len() - 700]);
    let result = open(file.path()).and_then(|image| walk(&image));
    assert!(result.is_err() || result.is_ok_and(|seen| !seen.walked.is_complete()));
}

#[test]
fn a_configuration_under_a_false_name_is_refused() {
    let mut archive = draft().docker("a");
    // The member's name is the digest of its content; the content is changed, and with it nothing else.
    let at = archive.windows(5).position(|bytes| bytes == b"amd64").unwrap();
    archive[at..at + 5].copy_from_slice(b"arm64");
    let file = write(&archive);
    assert!(matches!(open(file.path()), Err(Error::Mismatch { .. })));
}

#[test]
fn blobs_may_be_links_since_their_digest_counts() {
    let draft = draft();
    let layout = draft.layout();
    let path = layout.blob_path(&sha256(&draft.layers[0].0));
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(&path, elsewhere.path().join("blob")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("blob"), &path).unwrap();
    assert!(walk(&open(layout.path()).unwrap()).unwrap().walked.is_complete());
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(walk(&open(layout.path()).unwrap()).is_err(), "and nobody waits for a pipe");
}

#[test]
fn media_types_of_docker_are_known() {
    let layout = manifest_with(|manifest| {
        manifest["mediaType"] = json!("application/vnd.docker.distribution.manifest.v2+json");
        manifest["config"]["mediaType"] = json!("application/vnd.docker.container.image.v1+json");
        manifest["layers"][0]["mediaType"] = json!("application/vnd.docker.image.rootfs.diff.tar.gzip");
    });
    // The descriptor in index.json says OCI's type: both are manifests.
    assert!(walk(&open(layout.path()).unwrap()).unwrap().walked.is_complete());
    assert_ne!(CONFIG, MANIFEST);
    assert!(see(&draft()).walked.is_complete());
}
