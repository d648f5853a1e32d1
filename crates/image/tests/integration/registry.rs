//! The same image from a registry on loopback, and registries that lie.

#[path = "../../../remote/tests/integration/server.rs"]
#[allow(dead_code)]
mod server;

use std::collections::BTreeMap;
use std::io::Read;

use provost_formats::oci::Descriptor;
use provost_image::{Error, FromRegistry, Image, Limits, Offer, Reference, Remote, RemoteDocument, Select, Source};
use provost_model::{Digest, sha256};
use provost_remote::registry::{self, Registry, Settings};
use provost_remote::{Client, Options};
use serde_json::json;

use crate::build::{Draft, Drafted, INDEX, MANIFEST, Tar, walk};
use server::{Answer, Request, Server};

fn drafted() -> Drafted {
    Draft::default().layer(Tar::default().file("a", "1")).layer(Tar::default().file("b", "2")).finish()
}

/// A registry that has some blobs and manifests, with a token service.
fn serve(blobs: BTreeMap<Digest, Vec<u8>>, tag: Vec<u8>, tag_type: &'static str) -> impl Fn(&Request) -> Answer {
    move |request| {
        let path = request.path();
        if path == "/token" {
            return Answer::new(200, r#"{"token":"t"}"#);
        }
        if request.header("authorization") != Some("Bearer t") {
            return Answer::new(401, "").with("WWW-Authenticate", r#"Bearer realm="/token",service="s""#);
        }
        let Some(what) = path.strip_prefix("/v2/team/app/") else { return Answer::new(404, "") };
        if what == "manifests/1" {
            return Answer::new(200, tag.clone()).with("Content-Type", tag_type);
        }
        let digest = what.split_once('/').and_then(|(_, digest)| digest.parse::<Digest>().ok());
        match digest.and_then(|digest| blobs.get(&digest)) {
            Some(blob) if what.starts_with("manifests/") => {
                Answer::new(200, blob.clone()).with("Content-Type", MANIFEST)
            }
            Some(blob) => Answer::new(200, blob.clone()),
            None => Answer::new(404, ""),
        }
    }
}

fn source(server: &Server, tag: &str) -> Source {
    let reference: Reference = format!("{}/team/app{tag}", server.host()).parse().unwrap();
    let client = Client::new(Options::default()).unwrap();
    let registry = Registry::new(client, Settings::default(), registry::Limits::default());
    let repository = registry.repository(&reference).unwrap();
    Source::Registry(Box::new(FromRegistry::new(repository, reference)))
}

fn open(server: &Server, tag: &str, platform: Option<&str>) -> Result<Image, Error> {
    let platform = platform.map(|platform| platform.parse().unwrap());
    Image::open(source(server, tag), &Select { name: None, platform }, &Limits::default())
}

#[test]
fn an_image_by_tag_and_by_digest() {
    let drafted = drafted();
    let server = Server::start(serve(drafted.blobs.clone(), drafted.manifest_bytes.clone(), MANIFEST));
    let image = open(&server, ":1", None).unwrap();
    let digest = sha256(&drafted.manifest_bytes);
    assert_eq!((image.kind, image.digest), ("registry", Some(digest)));
    let seen = walk(&image).unwrap();
    assert_eq!(seen.tree(), ["a=1@0", "b=2@1"]);
    assert!(seen.walked.is_complete());
    let by_digest = open(&server, &format!("@sha256:{digest}"), None).unwrap();
    assert_eq!(by_digest.digest, Some(digest));
    assert!(open(&server, ":2", None).is_err());
    let offers = Image::offers(source(&server, ":1"), &Limits::default()).unwrap();
    assert_eq!(offers, [Offer { name: None, digest: Some(digest), platform: None }]);
}

#[test]
fn an_index_whose_manifest_is_fetched_by_digest() {
    let drafted = drafted();
    let mut descriptor = drafted.descriptor();
    descriptor["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let index =
        serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]})).unwrap();
    let server = Server::start(serve(drafted.blobs.clone(), index.clone(), INDEX));
    let image = open(&server, ":1", Some("linux/amd64")).unwrap();
    assert_eq!(image.index, Some(sha256(&index)));
    assert_eq!(image.digest, Some(sha256(&drafted.manifest_bytes)));
    assert!(walk(&image).is_ok());
    assert!(matches!(open(&server, ":1", Some("linux/s390x")), Err(Error::Which { .. })));
}

#[test]
fn a_registry_that_returns_another_layer() {
    let mut drafted = drafted();
    let layer = drafted.manifest["layers"][1]["digest"].as_str().unwrap().parse::<Digest>().unwrap();
    let mut other = drafted.blobs[&layer].clone();
    *other.last_mut().unwrap() ^= 1;
    drafted.blobs.insert(layer, other.clone());
    let server = Server::start(serve(drafted.blobs.clone(), drafted.manifest_bytes.clone(), MANIFEST));
    let error = walk(&open(&server, ":1", None).unwrap()).err().unwrap().to_string();
    assert!(error.contains(&layer.to_hex()) && error.contains(&sha256(&other).to_hex()), "{error}");
}

#[test]
fn a_registry_that_has_less_than_it_says() {
    let mut drafted = drafted();
    let layer = drafted.manifest["layers"][0]["digest"].as_str().unwrap().parse::<Digest>().unwrap();
    let all = drafted.blobs.remove(&layer).unwrap();
    let server = Server::start(serve(drafted.blobs.clone(), drafted.manifest_bytes.clone(), MANIFEST));
    assert!(matches!(
        walk(&open(&server, ":1", None).unwrap()),
        Err(Error::Remote(provost_remote::Error::NotFound { .. }))
    ));
    drafted.blobs.insert(layer, all[..all.len() - 1].to_vec());
    let server = Server::start(serve(drafted.blobs.clone(), drafted.manifest_bytes.clone(), MANIFEST));
    assert!(walk(&open(&server, ":1", None).unwrap()).is_err());
    let mut longer = all.clone();
    longer.extend(all);
    drafted.blobs.insert(layer, longer);
    let server = Server::start(serve(drafted.blobs.clone(), drafted.manifest_bytes.clone(), MANIFEST));
    assert!(walk(&open(&server, ":1", None).unwrap()).is_err());
}

/// A registry of one's own: nothing that it says is believed.
struct Liar(Drafted, &'static str);

impl Remote for Liar {
    fn name(&self) -> String {
        "liar".into()
    }
    fn wanted(&self) -> String {
        "latest".into()
    }
    fn manifest(&self, _: &str, _: usize) -> Result<RemoteDocument, provost_remote::Error> {
        Ok(RemoteDocument { bytes: self.0.manifest_bytes.clone(), media_type: Some(MANIFEST.into()) })
    }
    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, provost_remote::Error> {
        let mut bytes = self.0.blobs[&descriptor.digest].clone();
        match self.1 {
            "flip" => *bytes.last_mut().unwrap() ^= 1,
            "cut" => bytes.truncate(bytes.len() - 1),
            "more" => bytes.push(0),
            _ => {}
        }
        Ok(Box::new(std::io::Cursor::new(bytes)))
    }
}

#[test]
fn another_source_is_held_against_the_same_digests() {
    let open =
        |lie| Image::open(Source::Registry(Box::new(Liar(drafted(), lie))), &Select::default(), &Limits::default());
    assert!(walk(&open("").unwrap()).unwrap().walked.is_complete());
    // The configuration is the first blob to be read.
    assert!(matches!(open("flip"), Err(Error::Mismatch { .. })));
    assert!(matches!(open("cut"), Err(Error::Mismatch { .. })));
    assert!(matches!(open("more"), Err(Error::Mismatch { .. })));
}
