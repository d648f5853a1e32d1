//! Manifests, blobs, tokens, mirrors.

use std::io::Read as _;
use std::sync::Arc;

use provost_formats::oci::{Reference, media};
use provost_model::{Digest, sha256};
use provost_remote::registry::{Limits, Mirror, Registry, Repository, Settings};
use provost_remote::{Client, Credentials, DockerConfig, Error, Options, Secret};

use crate::server::{Answer, Request, Server};

pub(crate) fn repository(server: &Server, settings: Settings) -> Repository {
    let reference: Reference = format!("{}/team/app:1", server.host()).parse().unwrap();
    registry(settings).repository(&reference).unwrap()
}

fn registry(settings: Settings) -> Registry {
    Registry::new(Client::new(Options::default()).unwrap(), settings, Limits::default())
}

fn password(server: &Server) -> Settings {
    let credentials = Credentials::Password { user: "user".into(), password: Secret::new("pass word") };
    Settings { credentials: vec![(server.host(), credentials)], ..Settings::default() }
}

fn challenge(realm: &str) -> Answer {
    let value = format!(r#"Bearer realm="{realm}",service="reg",scope="repository:team/app:pull,push""#);
    Answer::new(401, "{}").with("WWW-Authenticate", value)
}

const MANIFEST: &[u8] = br#"{"schemaVersion":2,"config":{},"layers":[]}"#;

/// A registry with one manifest, that wants a token of its own service.
fn with_tokens(request: &Request) -> Answer {
    match request.path() {
        "/token" => Answer::new(200, r#"{"token":"t0ken","expires_in":300}"#),
        _ if request.header("authorization") != Some("Bearer t0ken") => challenge("/token"),
        "/v2/" => Answer::new(200, "{}"),
        "/v2/team/app/manifests/1" => Answer::new(200, MANIFEST).with("Content-Type", media::MANIFEST),
        path if path == format!("/v2/team/app/manifests/sha256:{}", sha256(MANIFEST)) => Answer::new(200, MANIFEST),
        path if path == format!("/v2/team/app/blobs/sha256:{}", sha256(b"blob")) => Answer::new(200, "blob"),
        _ => Answer::new(404, "{}"),
    }
}

#[test]
fn a_token_is_fetched_once_for_reading_and_no_more() {
    let server = Server::start(with_tokens);
    let repository = repository(&server, Settings::default());
    let document = repository.manifest("1", media::ACCEPT, 1000).unwrap();
    assert_eq!((&document.bytes[..], document.digest), (MANIFEST, sha256(MANIFEST)));
    assert_eq!(document.media_type.as_deref(), Some(media::MANIFEST));
    let by_digest = repository.manifest(&format!("sha256:{}", sha256(MANIFEST)), media::ACCEPT, 1000).unwrap();
    assert_eq!(by_digest.digest, document.digest);
    let tokens: Vec<_> = server.targets().into_iter().filter(|target| target.starts_with("/token")).collect();
    assert_eq!(tokens, ["/token?service=reg&scope=repository%3Ateam%2Fapp%3Apull"]);
    assert!(matches!(repository.manifest("2", media::ACCEPT, 1000), Err(Error::NotFound { .. })));
    assert!(registry(Settings::default()).ping(&server.host()).is_ok());
}

#[test]
fn a_password_goes_to_the_token_service_alone() {
    let server = Server::start(with_tokens);
    repository(&server, password(&server)).manifest("1", media::ACCEPT, 1000).unwrap();
    for request in server.requests() {
        let shown = request.header("authorization");
        match request.path() {
            "/token" => {
                assert_eq!(shown, Some("Basic dXNlcjpwYXNzIHdvcmQ="));
                assert!(request.target.contains("account=user"));
            }
            _ => assert!(shown.is_none_or(|shown| shown == "Bearer t0ken"), "{request:?}"),
        }
    }
}

#[test]
fn an_identity_token_is_posted() {
    let server = Server::start(|request| match request.path() {
        "/token" if request.method == "POST" && request.body.contains("refresh_token=i%2Fd&") => {
            Answer::new(200, r#"{"access_token":"t0ken"}"#)
        }
        "/token" => Answer::new(401, ""),
        _ => with_tokens(request),
    });
    let config = format!(r#"{{"auths":{{"{}":{{"identitytoken":"i/d"}}}}}}"#, server.host());
    let config = DockerConfig::parse(config.as_bytes()).unwrap();
    let credentials = config.credentials(&server.host()).unwrap().clone();
    let settings = Settings { credentials: vec![(server.host(), credentials)], ..Settings::default() };
    assert!(repository(&server, settings).manifest("1", media::ACCEPT, 1000).is_ok());
    let posted = server.requests().into_iter().find(|request| request.method == "POST").unwrap();
    assert!(posted.body.contains("scope=repository%3Ateam%2Fapp%3Apull"), "{}", posted.body);
}

#[test]
fn a_registry_that_sends_for_tokens_elsewhere_gets_no_password_sent_there() {
    let thief = Arc::new(Server::start_at("127.0.0.2:0", |_| Answer::new(200, r#"{"token":"t0ken"}"#)));
    let realm = thief.url("/token");
    let server = Server::start(move |request| match request.header("authorization") {
        Some("Bearer t0ken") => Answer::new(200, MANIFEST),
        _ => challenge(&realm),
    });
    let error = repository(&server, password(&server)).manifest("1", media::ACCEPT, 1000).unwrap_err();
    assert!(matches!(error, Error::Authentication { .. }));
    assert!(error.to_string().contains("127.0.0.2"), "{error}");
    assert!(thief.requests().is_empty());
    // Allowed, it is asked.
    let settings = Settings { token_hosts: vec![(server.host(), "127.0.0.2".into())], ..password(&server) };
    assert!(repository(&server, settings).manifest("1", media::ACCEPT, 1000).is_ok());
    assert_eq!(thief.requests().len(), 1);
}

#[test]
fn a_token_service_that_sends_on_gets_no_password_sent_on() {
    let thief = Arc::new(Server::start_at("127.0.0.2:0", |_| Answer::new(200, r#"{"token":"t0ken"}"#)));
    let to = thief.url("/token");
    let server = Server::start(move |request| match request.path() {
        "/token" => Answer::redirect(to.clone()),
        _ => with_tokens(request),
    });
    let _ = repository(&server, password(&server)).manifest("1", media::ACCEPT, 1000);
    assert!(thief.requests().iter().all(|request| request.header("authorization").is_none()));
    let identity = Credentials::IdentityToken(Secret::new("id"));
    let settings = Settings { credentials: vec![(server.host(), identity)], ..Settings::default() };
    assert!(repository(&server, settings).manifest("1", media::ACCEPT, 1000).is_err());
    assert!(thief.requests().iter().all(|request| request.method == "GET"));
}

#[test]
fn basic_authentication() {
    let server = Server::start(|request| match request.header("authorization") {
        Some("Basic dXNlcjpwYXNzIHdvcmQ=") => Answer::new(200, MANIFEST),
        _ => Answer::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
    });
    let known = repository(&server, password(&server));
    assert!(known.manifest("1", media::ACCEPT, 1000).is_ok());
    assert!(known.manifest("1", media::ACCEPT, 1000).is_ok());
    assert_eq!(server.requests().len(), 3, "shown at once the second time");
    let error = repository(&server, Settings::default()).manifest("1", media::ACCEPT, 1000).unwrap_err().to_string();
    assert!(error.contains("wants credentials"), "{error}");
}

#[test]
fn refused_credentials_are_told_and_not_shown() {
    let server = Server::start(|request| match request.path() {
        "/token" => Answer::new(401, "no"),
        _ => challenge("/token"),
    });
    let error = repository(&server, password(&server)).manifest("1", media::ACCEPT, 1000).unwrap_err();
    let text = format!("{error} {error:?} {:?}", password(&server));
    assert!(text.contains("does not take the credentials") && !text.contains("pass word"), "{text}");
    let stubborn = Server::start(|request| match request.path() {
        "/token" => Answer::new(200, r#"{"token":"other"}"#),
        _ => challenge("/token"),
    });
    let error = repository(&stubborn, Settings::default()).manifest("1", media::ACCEPT, 1000).unwrap_err();
    assert!(matches!(error, Error::Authentication { .. }));
    assert_eq!(stubborn.requests().len(), 3, "it asks no third time");
}

#[test]
fn unsound_tokens() {
    let wide = format!(r#"{{"token":"{}"}}"#, "x".repeat(100_000));
    for token in ["", "{}", "[]", r#"{"token":""}"#, r#"{"token":"a\nb"}"#, r#"{"token":"é"}"#, &wide] {
        let token = token.to_owned();
        let server = Server::start(move |request| match request.path() {
            "/token" => Answer::new(200, token.clone()),
            _ => challenge("/token"),
        });
        assert!(repository(&server, Settings::default()).manifest("1", media::ACCEPT, 1000).is_err());
    }
}

#[test]
fn a_manifest_that_was_not_asked_for() {
    let wanted = sha256(MANIFEST);
    let server = Server::start(move |request| match request.path() {
        "/v2/team/app/manifests/1" => {
            Answer::new(200, "other").with("Docker-Content-Digest", format!("sha256:{wanted}"))
        }
        _ => Answer::new(200, "other"),
    });
    let repository = repository(&server, Settings::default());
    let error = repository.manifest(&format!("sha256:{wanted}"), media::ACCEPT, 1000).unwrap_err();
    let Error::Mismatch { expected, actual, .. } = error else { panic!("{error}") };
    assert_eq!((expected, actual), (wanted, sha256(b"other")));
    assert!(matches!(repository.manifest("1", media::ACCEPT, 1000), Err(Error::Mismatch { .. })), "by its own word");
    assert!(matches!(repository.manifest("sha256:zz", media::ACCEPT, 1000), Err(Error::Address { .. })));
    assert!(matches!(repository.manifest("2", media::ACCEPT, 2), Err(Error::TooLarge { .. })));
}

fn blob(server: &Server, digest: &Digest, size: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut blob = repository(server, Settings::default()).blob(digest, size).map_err(|error| error.to_string())?;
    blob.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[test]
fn a_wrong_a_cut_and_an_oversized_blob() {
    let server = Server::start(|_| Answer { length: Some(None), ..Answer::new(200, "wrong") });
    let wanted = sha256(b"right");
    let error = blob(&server, &wanted, 5).unwrap_err();
    assert!(error.contains(&wanted.to_hex()) && error.contains(&sha256(b"wrong").to_hex()), "{error}");
    assert!(blob(&server, &sha256(b"wrong"), 6).unwrap_err().contains("6 were announced"));
    assert!(blob(&server, &sha256(b"wrong"), 4).unwrap_err().contains("more than 4 bytes"));
    assert_eq!(blob(&server, &sha256(b"wrong"), 5).as_deref(), Ok(&b"wrong"[..]));
}

#[test]
fn a_blob_behind_a_redirect_to_another_host_comes_without_the_token() {
    let store = Arc::new(Server::start_at("127.0.0.2:0", |_| Answer::new(200, "blob")));
    let to = store.url("/bucket/blob?signature=s3cret");
    let server = Server::start(move |request| match request.path() {
        path if path.contains("/blobs/") && request.header("authorization").is_some() => Answer::redirect(to.clone()),
        _ => with_tokens(request),
    });
    assert_eq!(blob(&server, &sha256(b"blob"), 4).as_deref(), Ok(&b"blob"[..]));
    let asked = &store.requests()[0];
    assert!(asked.header("authorization").is_none(), "{asked:?}");
    assert!(asked.target.contains("signature"));
    // Should it refuse, its signature is in no message.
    let store = Arc::new(Server::start_at("127.0.0.2:0", |_| Answer::new(403, "<xml>s3cret</xml>")));
    let to = store.url("/bucket/blob?signature=s3cret");
    let server = Server::start(move |_| Answer::redirect(to.clone()));
    let error = blob(&server, &sha256(b"blob"), 4).unwrap_err();
    assert!(error.contains("403") && !error.contains("s3cret"), "{error}");
    // And a refusal there is no challenge: no credentials are fetched for it.
    let store = Arc::new(Server::start_at("127.0.0.2:0", |_| challenge("/token")));
    let to = store.url("/bucket/blob");
    let server = Server::start(move |_| Answer::redirect(to.clone()));
    assert!(blob(&server, &sha256(b"blob"), 4).unwrap_err().contains("401"));
    assert_eq!(store.requests().len(), 1);
}

#[test]
fn mirrors_are_asked_first_and_believed_in_nothing() {
    let origin = Server::start(|request| match request.path() {
        "/v2/team/app/manifests/1" => Answer::new(200, MANIFEST),
        path if path.contains("/manifests/sha256:") => Answer::new(200, MANIFEST),
        _ => Answer::new(200, "blob"),
    });
    let mirror = Arc::new(Server::start_at("127.0.0.3:0", |request| match request.path() {
        path if path == format!("/v2/cache/team/app/blobs/sha256:{}", sha256(b"blob")) => Answer::new(200, "blob"),
        path if path.contains("/manifests/") => Answer::new(200, "a lie"),
        _ => Answer::new(500, ""),
    }));
    let mirror_of = |digests_only| Mirror { of: origin.host(), at: format!("{}/cache", mirror.host()), digests_only };
    let settings = Settings { mirrors: vec![mirror_of(true)], ..Settings::default() };
    let by_digest = repository(&origin, settings.clone());
    let mut bytes = Vec::new();
    by_digest.blob(&sha256(b"blob"), 4).unwrap().read_to_end(&mut bytes).unwrap();
    assert!(origin.requests().is_empty(), "the mirror had it");
    // It lies about a digest: the registry is asked.
    let document = by_digest.manifest(&format!("sha256:{}", sha256(MANIFEST)), media::ACCEPT, 1000).unwrap();
    assert_eq!(document.bytes, MANIFEST);
    assert_eq!(by_digest.manifest("1", media::ACCEPT, 1000).unwrap().bytes, MANIFEST, "it is asked for no tag");
    // Unless it may be.
    let settings = Settings { mirrors: vec![mirror_of(false)], ..Settings::default() };
    assert_eq!(repository(&origin, settings).manifest("1", media::ACCEPT, 1000).unwrap().bytes, b"a lie");
}

#[test]
fn a_mirror_gets_no_credentials_of_the_registry() {
    let mirror = Arc::new(Server::start_at("127.0.0.3:0", |_| {
        Answer::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\"")
    }));
    let origin = Server::start(|request| match request.header("authorization") {
        Some(_) => Answer::new(200, MANIFEST),
        None => Answer::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
    });
    let mirrors = vec![Mirror { of: origin.host(), at: mirror.host(), digests_only: false }];
    let settings = Settings { mirrors, ..password(&origin) };
    assert!(repository(&origin, settings).manifest("1", media::ACCEPT, 1000).is_ok());
    assert!(mirror.requests().iter().all(|request| request.header("authorization").is_none()));
    assert_eq!(mirror.requests().len(), 1);
}

#[test]
fn a_host_that_is_no_registry() {
    let server = Server::start(|_| Answer::new(404, "<html>"));
    assert!(matches!(registry(Settings::default()).ping(&server.host()), Err(Error::NotFound { .. })));
    assert!(registry(Settings::default()).ping("not a host").is_err());
}
