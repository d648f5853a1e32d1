//! What refers to an image.

use provost_formats::oci::media;
use provost_model::{Digest, sha256};
use provost_remote::Error;
use provost_remote::registry::Settings;
use serde_json::{Value, json};

use crate::registry::repository;
use crate::server::{Answer, Server};

const TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn subject() -> Digest {
    sha256(b"subject")
}

fn referrer(n: usize) -> Value {
    let artifact_type = if n.is_multiple_of(2) { TYPE } else { "application/x-other" };
    let digest = format!("sha256:{}", sha256(n.to_string().as_bytes()));
    json!({"mediaType": media::MANIFEST, "digest": digest, "size": 10, "artifactType": artifact_type})
}

fn page(from: usize, to: usize) -> Answer {
    let manifests: Vec<Value> = (from..to).map(referrer).collect();
    let index = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": manifests});
    Answer::new(200, index.to_string()).with("Content-Type", media::INDEX)
}

fn path() -> String {
    format!("/v2/team/app/referrers/sha256:{}", subject())
}

#[test]
fn two_hundred_and_fifty_on_three_pages() {
    let server = Server::start(|request| match request.target.split_once("?page=").map(|(_, page)| page) {
        None => page(0, 100).with("Link", format!("<{}?page=2>; rel=\"next\"", path())),
        // Some overlap: each is told once.
        Some("2") => page(90, 200).with("Link", "<?page=3>; rel=next"),
        Some(_) => page(200, 250),
    });
    let repository = repository(&server, Settings::default());
    let all = repository.referrers(&subject(), None).unwrap();
    assert_eq!((all.found.len(), all.by_tag, all.gaps.len()), (250, false, 0));
    let some = repository.referrers(&subject(), Some(TYPE)).unwrap();
    assert_eq!(some.found.len(), 125, "a registry that leaves none out is corrected");
    assert!(server.targets()[3].ends_with("?artifactType=application%2Fvnd.dev.sigstore.bundle.v0.3%2Bjson"));
}

#[test]
fn none_is_an_empty_list() {
    let server = Server::start(|_| page(0, 0));
    let none = repository(&server, Settings::default()).referrers(&subject(), None).unwrap();
    assert!(none.found.is_empty() && none.gaps.is_empty() && !none.by_tag);
}

#[test]
fn pages_that_lead_elsewhere_or_in_a_circle_are_errors() {
    let circle = Server::start(|request| match request.target.contains("page=2") {
        true => page(1, 2).with("Link", format!("<{}>; rel=next", path())),
        false => page(0, 1).with("Link", "<?page=2>; rel=next"),
    });
    let error = repository(&circle, Settings::default()).referrers(&subject(), None).unwrap_err().to_string();
    assert!(error.contains("leads back"), "{error}");
    for elsewhere in ["http://127.0.0.2:1/v2/x", "/v2/other/app/referrers/x", "/", "https://example.com/"] {
        let server = Server::start(move |_| page(0, 1).with("Link", format!("<{elsewhere}>; rel=next")));
        let error = repository(&server, Settings::default()).referrers(&subject(), None).unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{elsewhere}: {error}");
    }
    // Without end, it ends.
    let endless = Server::start(|request| {
        let n: usize = request.target.split_once("=").map_or(0, |(_, n)| n.parse().unwrap());
        page(n, n + 1).with("Link", format!("<?page={}>; rel=next", n + 1))
    });
    let found = repository(&endless, Settings::default()).referrers(&subject(), None).unwrap();
    assert_eq!((found.found.len(), found.gaps.len()), (64, 1));
}

#[test]
fn a_later_page_that_fails_is_an_error() {
    let server = Server::start(|request| match request.target.contains("page=2") {
        true => Answer::new(404, ""),
        false => page(0, 1).with("Link", "<?page=2>; rel=next"),
    });
    assert!(repository(&server, Settings::default()).referrers(&subject(), None).is_err());
    let broken = Server::start(|_| Answer::new(200, "{").with("Content-Type", media::INDEX));
    assert!(repository(&broken, Settings::default()).referrers(&subject(), None).is_err());
    let failing = Server::start(|_| Answer::new(500, ""));
    assert!(matches!(repository(&failing, Settings::default()).referrers(&subject(), None), Err(Error::Status { .. })));
}

#[test]
fn the_tag_where_a_registry_does_not_know_referrers() {
    let tag = format!("/v2/team/app/manifests/sha256-{}", subject());
    for unknown in [Answer::new(404, ""), Answer::new(200, "<html>").with("Content-Type", "text/html")] {
        let tag = tag.clone();
        let server = Server::start(move |request| if request.path() == tag { page(0, 3) } else { unknown.clone() });
        let found = repository(&server, Settings::default()).referrers(&subject(), Some(TYPE)).unwrap();
        assert_eq!((found.found.len(), found.by_tag), (2, true));
    }
    let none = Server::start(|_| Answer::new(404, ""));
    let found = repository(&none, Settings::default()).referrers(&subject(), None).unwrap();
    assert_eq!((found.found.len(), found.by_tag, found.gaps.len()), (0, true, 0));
}

#[test]
fn a_tag_that_is_the_subject_itself_is_a_gap() {
    let manifest = r#"{"schemaVersion":2,"config":{"digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","size":1},"layers":[]}"#;
    let server = Server::start(move |request| match request.path().contains("/referrers/") {
        true => Answer::new(404, ""),
        false => Answer::new(200, manifest).with("Content-Type", media::MANIFEST),
    });
    let found = repository(&server, Settings::default()).referrers(&subject(), None).unwrap();
    assert_eq!((found.found.len(), found.gaps.len()), (0, 1));
}

#[test]
fn a_referrer_about_something_else_is_refused() {
    let about = |digest: &Digest| {
        let descriptor = json!({"mediaType": media::CONFIG, "digest": format!("sha256:{digest}"), "size": 1});
        json!({"schemaVersion": 2, "config": descriptor, "layers": [], "subject": descriptor}).to_string()
    };
    for (digest, fine) in [(subject(), true), (sha256(b"other"), false)] {
        let manifest = about(&digest);
        let listed = json!({"mediaType": media::MANIFEST, "digest": format!("sha256:{}", sha256(manifest.as_bytes())), "size": manifest.len()});
        let index = json!({"schemaVersion": 2, "manifests": [listed]}).to_string();
        let server = Server::start(move |request| match request.path().contains("/referrers/") {
            true => Answer::new(200, index.clone()).with("Content-Type", media::INDEX),
            false => Answer::new(200, manifest.clone()).with("Content-Type", media::MANIFEST),
        });
        let repository = repository(&server, Settings::default());
        let found = repository.referrers(&subject(), None).unwrap().found;
        assert_eq!(repository.referrer(&found[0], &subject()).is_ok(), fine);
    }
}
