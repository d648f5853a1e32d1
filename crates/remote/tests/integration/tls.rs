//! TLS, with a server of the openssl program where there is one.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use provost_remote::{Client, Error, Options, Roots};

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(directory: &Path, arguments: &str) -> bool {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(directory).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn a_server_is_believed_when_its_authority_is_known_and_its_name_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let ok = openssl(
        at,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority -addext basicConstraints=critical,CA:TRUE",
    ) && openssl(at, "req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost");
    std::fs::write(at.join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    let ok = ok
        && openssl(
            at,
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile names",
        );
    if !ok {
        eprintln!("skipped: no openssl program");
        return;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Command::new("openssl")
        .args(["s_server", "-www", "-quiet", "-naccept", "8", "-cert", "cert.pem", "-key", "key.pem", "-accept"])
        .arg(format!("127.0.0.1:{port}"))
        .current_dir(at)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Ended(server);
    let with = |roots| {
        Client::new(Options {
            roots,
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(5),
            ..Options::default()
        })
        .unwrap()
    };
    let known = with(Roots::Pem(std::fs::read(at.join("ca.pem")).unwrap()));
    let url = |host: &str| format!("https://{host}:{port}/");
    let mut answer = known.get(&url("localhost"), "*/*", 1 << 20);
    for _ in 0..50 {
        if answer.is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        answer = known.get(&url("localhost"), "*/*", 1 << 20);
    }
    assert_eq!(answer.unwrap().status, 200);
    let wrong_name = known.get(&url("127.0.0.1"), "*/*", 1 << 20).unwrap_err();
    assert!(matches!(wrong_name, Error::Transport { .. }), "{wrong_name}");
    assert!(wrong_name.to_string().contains("certificate"), "{wrong_name}");
    let unknown = with(Roots::Mozilla).get(&url("localhost"), "*/*", 1 << 20).unwrap_err().to_string();
    assert!(unknown.contains("certificate") || unknown.contains("UnknownIssuer"), "{unknown}");
}
