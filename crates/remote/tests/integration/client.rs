//! Requests, redirects, limits.

use std::io::Read as _;
use std::time::{Duration, Instant};

use provost_remote::{Client, Error, Options, Roots};

use crate::server::{Answer, Server};

fn client() -> Client {
    with(|_| ())
}

fn with(change: impl FnOnce(&mut Options)) -> Client {
    let mut options = Options::default();
    change(&mut options);
    Client::new(options).unwrap()
}

#[test]
fn an_answer_of_any_status() {
    let server = Server::start(|request| match request.path() {
        "/fine" => Answer::new(200, "hello").with("X-One", "1"),
        "/none" => Answer::new(404, "no"),
        _ => Answer::new(503, r#"{"errors":[{"code":"UNAVAILABLE","message":"later\u001b[2J"}]}"#),
    });
    let answer = client().get(&server.url("/fine"), "text/plain", 5).unwrap();
    assert_eq!((answer.status, answer.header("x-one")), (200, Some("1")));
    assert_eq!(answer.bytes().unwrap(), b"hello");
    let asked = &server.requests()[0];
    assert_eq!((asked.method.as_str(), asked.header("accept")), ("GET", Some("text/plain")));
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
    assert!(asked.header("user-agent").is_some_and(|agent| agent.starts_with("provost/")));
    assert!(asked.header("authorization").is_none());
    let none = client().get(&server.url("/none"), "*/*", 100).unwrap();
    assert_eq!(none.status, 404);
    assert!(matches!(none.success(), Err(Error::NotFound { .. })));
    let error = client().get(&server.url("/x"), "*/*", 100).unwrap().success().unwrap_err().to_string();
    assert!(error.contains("503") && error.contains("UNAVAILABLE later\\u{1b}"), "{error}");
}

#[test]
fn offline_nothing_is_asked() {
    let server = Server::start(|_| Answer::new(200, ""));
    let offline = with(|options| options.offline = true);
    let error = offline.get(&server.url("/a?token=secret"), "*/*", 10).unwrap_err();
    assert!(matches!(error, Error::Offline { .. }));
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(server.requests().is_empty());
}

#[test]
fn plain_http_is_for_loopback_unless_a_host_is_named() {
    for url in ["http://registry.example/", "http://192.0.2.1:5000/", "http://localhost.example/"] {
        assert!(matches!(client().get(url, "*/*", 10), Err(Error::Refused { .. })), "{url}");
    }
    // Named, it is asked; offline shows that the rule let it through.
    let named = with(|options| {
        options.plain_http = vec!["registry.example:5000".into()];
        options.offline = true;
    });
    assert!(matches!(named.get("http://registry.example:5000/", "*/*", 10), Err(Error::Offline { .. })));
    assert!(matches!(named.get("http://registry.example/", "*/*", 10), Err(Error::Refused { .. })));
}

#[test]
fn redirects_are_followed_a_few_times() {
    let server = Server::start(|request| match request.path() {
        "/0" => Answer::new(200, "there"),
        path => {
            let n: u32 = path[1..].parse().unwrap();
            Answer::redirect(format!("{}", n - 1))
        }
    });
    assert_eq!(client().get(&server.url("/5"), "*/*", 10).unwrap().bytes().unwrap(), b"there");
    let error = client().get(&server.url("/6"), "*/*", 10).unwrap_err();
    assert!(matches!(error, Error::Redirects { limit: 5, .. }), "{error}");
    assert!(with(|options| options.redirects = 0).get(&server.url("/1"), "*/*", 10).is_err());
}

#[test]
fn redirects_lead_to_no_place_that_could_not_be_asked() {
    for to in [
        "http://192.0.2.1/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://user:pw@127.0.0.1/",
        "//registry.example/",
    ] {
        let server = Server::start(move |_| Answer::redirect(to));
        let error = client().get(&server.url("/"), "*/*", 10).unwrap_err();
        assert!(matches!(error, Error::Refused { .. } | Error::Address { .. }), "{to}: {error}");
    }
    let server = Server::start(|_| Answer::new(302, ""));
    assert!(matches!(client().get(&server.url("/"), "*/*", 10), Err(Error::Protocol { .. })));
}

#[test]
fn an_oversized_answer_is_an_error_before_and_while_it_comes() {
    let server = Server::start(|request| match request.path() {
        "/said" => Answer::new(200, vec![0; 100]),
        "/unsaid" => Answer { length: Some(None), ..Answer::new(200, vec![0; 100_000]) },
        _ => Answer::new(200, vec![0; 99]),
    });
    let get = |path: &str| client().get(&server.url(path), "*/*", 99);
    assert!(matches!(get("/said"), Err(Error::TooLarge { limit: 99, .. })));
    let error = get("/unsaid").unwrap().bytes().unwrap_err().to_string();
    assert!(error.contains("more than 99 bytes"), "{error}");
    assert_eq!(get("/fits").unwrap().bytes().unwrap().len(), 99);
}

#[test]
fn an_oversized_head_is_an_error() {
    let server = Server::start(|_| Answer::new(200, "").with("X-Long", "x".repeat(100_000)));
    assert!(matches!(client().get(&server.url("/"), "*/*", 10), Err(Error::Transport { .. })));
}

#[test]
fn a_cut_answer_is_an_error() {
    let server = Server::start(|_| Answer { length: Some(Some(10)), ..Answer::new(200, "12345") });
    assert!(client().get(&server.url("/"), "*/*", 100).unwrap().bytes().is_err());
}

#[test]
fn slow_answers_end_in_an_error() {
    let server = Server::start(|request| match request.path() {
        "/late" => Answer { pace: (Duration::from_secs(20), Duration::ZERO), ..Answer::new(200, "x") },
        "/stalls" => Answer { pace: (Duration::ZERO, Duration::from_secs(20)), ..Answer::new(200, "xx") },
        _ => Answer { pace: (Duration::ZERO, Duration::from_millis(50)), ..Answer::new(200, vec![b'x'; 1000]) },
    });
    let begin = Instant::now();
    let impatient = with(|options| {
        options.answer = Duration::from_millis(300);
        options.idle = Duration::from_millis(300);
        options.total = Duration::from_millis(1500);
    });
    let error = impatient.get(&server.url("/late"), "*/*", 10).unwrap_err().to_string();
    assert!(error.contains("within") || error.contains("timed out") || error.contains("timeout"), "{error}");
    assert!(impatient.get(&server.url("/stalls"), "*/*", 10).unwrap().bytes().is_err());
    // Each byte in time, and all of them never.
    let mut body = impatient.get(&server.url("/drips"), "*/*", 10_000).unwrap().into_body();
    let mut bytes = Vec::new();
    assert!(body.read_to_end(&mut bytes).is_err());
    assert!(!bytes.is_empty());
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

#[test]
fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = client().get(&format!("http://{free}/?token=secret"), "*/*", 10).unwrap_err().to_string();
    assert!(!error.contains("secret") && error.contains("refused"), "{error}");
}

#[test]
fn authorities_that_are_none() {
    for pem in [&b""[..], b"no PEM", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        assert!(Client::new(Options { roots: Roots::Pem(pem.to_vec()), ..Options::default() }).is_err());
    }
}

#[test]
fn a_proxy_of_the_environment_is_used_when_asked_for_alone() {
    const CHILD: &str = "PROVOST_TEST_OF_PROXY";
    let server = Server::start(|_| Answer::new(200, "direct"));
    if let Ok(url) = std::env::var(CHILD) {
        assert_eq!(client().get(&url, "*/*", 10).unwrap().bytes().unwrap(), b"direct");
        assert!(with(|options| options.proxy = true).get(&url, "*/*", 10).is_err(), "nothing listens at the proxy");
        return;
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "client::a_proxy_of_the_environment_is_used_when_asked_for_alone"])
        .env(CHILD, server.url("/"))
        .env("HTTP_PROXY", format!("http://{free}"))
        .env("ALL_PROXY", format!("http://{free}"))
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
}
