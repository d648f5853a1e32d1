//! A network of its own for the attacks, in which every address that they want is this machine: nothing leaves it. The
//! servers behind those addresses give a prize to whoever reaches them.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Addresses that are this machine's inside: two public ones, a name server, a private one, the metadata service.
const ADDRESSES: &[&str] =
    &["45.0.0.1/32", "45.0.0.2/32", "45.0.0.53/32", "10.9.8.7/32", "169.254.169.254/32", "2a00::1/128"];

/// Where each name leads. The first label of `secret.wild.test` and the like is free.
const NAMES: &[(&str, [u8; 4])] = &[
    ("evil.test", [45, 0, 0, 1]),
    ("resolver.test", [45, 0, 0, 53]),
    ("allowed.test", [45, 0, 0, 2]),
    ("plain.test", [45, 0, 0, 2]),
    ("intern.test", [10, 9, 8, 7]),
    ("meta.test", [169, 254, 169, 254]),
];

/// What a run in the suite may reach.
pub(super) const GUARD: &str = r#"
network = ["allowed.test:443", "plain.test:80", "*.wild.test:443", "intern.test:443", "meta.test:80", "gone.test:443",
           { to = "allowed.test:8443", by = "/usr/bin/true" }]
resolvers = ["45.0.0.53:53"]
"#;

/// This test's program again, in such a network; `None` where that cannot be had.
pub(super) fn command(arguments: &[&str]) -> Option<Command> {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    if !there("unshare") || !there("cc") || Command::new("ip").arg("-V").output().is_err() {
        return None;
    }
    let flags = if nix::unistd::getuid().is_root() { "-n" } else { "-Urn" };
    if !Command::new("unshare").args([flags, "ip", "link", "set", "lo", "up"]).output().ok()?.status.success() {
        return None;
    }
    let mut script = "ip link set lo up".to_owned();
    for address in ADDRESSES {
        script += &format!(" && ip address add {address} dev lo");
    }
    script += " && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args([flags, "sh", "-c", &script, "sh"]).arg(std::env::current_exe().ok()?).args(arguments);
    Some(command)
}

/// What the name server was asked for.
pub(super) type Asked = Arc<Mutex<Vec<String>>>;

/// Starts everything that the attacks may reach; it ends with the process.
pub(super) fn serve() -> Asked {
    for port in [443, 80, 853, 8443] {
        let listener = TcpListener::bind(("::", port)).expect("a port of our own network");
        spawn(move || listener.incoming().flatten().for_each(|stream| spawn(move || reward(stream))));
    }
    for port in [9999, 443] {
        let socket = UdpSocket::bind(("0.0.0.0", port)).expect("a port of our own network");
        spawn(move || {
            let mut data = [0; 2048];
            while let Ok((_, from)) = socket.recv_from(&mut data) {
                let _ = socket.send_to(b"PRIZE", from);
            }
        });
    }
    use std::os::linux::net::SocketAddrExt as _;
    let abstract_name = std::os::unix::net::SocketAddr::from_abstract_name("provost-attacks").expect("a name");
    let listener = UnixListener::bind_addr(&abstract_name).expect("an abstract socket");
    spawn(move || listener.incoming().flatten().for_each(|stream| spawn(move || reward(stream))));

    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let socket = UdpSocket::bind("45.0.0.53:53").expect("a name server");
    spawn(move || {
        let mut data = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut data) {
            if let Some(answer) = answer(&data[..length], &seen) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    let seen = Arc::clone(&asked);
    let listener = TcpListener::bind("45.0.0.53:53").expect("a name server");
    spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(3)));
            let (mut length, mut data) = ([0; 2], [0; 512]);
            if stream.read_exact(&mut length).is_err() {
                continue;
            }
            let length = usize::from(u16::from_be_bytes(length)).min(data.len());
            if stream.read_exact(&mut data[..length]).is_ok()
                && let Some(answer) = answer(&data[..length], &seen)
            {
                let framed = [(answer.len() as u16).to_be_bytes().to_vec(), answer].concat();
                let _ = stream.write_all(&framed);
            }
        }
    });
    asked
}

/// A program that listens on a socket file.
pub(super) fn serve_socket_file(path: &Path) {
    let listener = UnixListener::bind(path).expect("a socket file");
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("mode");
    spawn(move || listener.incoming().flatten().for_each(|stream| spawn(move || reward(stream))));
}

fn spawn(run: impl FnOnce() + Send + 'static) {
    std::thread::spawn(run);
}

trait Stream: std::io::Read + std::io::Write {
    fn patient(&self);
}

impl Stream for TcpStream {
    fn patient(&self) {
        let _ = self.set_read_timeout(Some(Duration::from_secs(5)));
    }
}

impl Stream for std::os::unix::net::UnixStream {
    fn patient(&self) {
        let _ = self.set_read_timeout(Some(Duration::from_secs(5)));
    }
}

/// Whatever comes gets the prize: the reward of having reached the server.
fn reward(mut stream: impl Stream) {
    stream.patient();
    let mut data = [0; 4096];
    while matches!(stream.read(&mut data), Ok(n) if n > 0) {
        if stream.write_all(b"PRIZE").is_err() {
            return;
        }
    }
}

/// Answers A questions for our names; TXT ones with a text. Everything else has no answer.
fn answer(query: &[u8], asked: &Asked) -> Option<Vec<u8>> {
    let mut name = String::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name += std::str::from_utf8(query.get(at..at + length)?).ok()?;
        at += length;
    }
    let kind = u16::from_be_bytes(query.get(at..at + 2)?.try_into().ok()?);
    let question = query.get(12..at + 4)?;
    asked.lock().expect("lock").push(name.clone());
    let known = NAMES.iter().find(|(known, _)| name == *known || name.ends_with(&format!(".{known}")));
    let (data, found): (Vec<u8>, bool) = match (kind, known) {
        (1, Some((_, address))) => (address.to_vec(), true),
        (16, Some(_)) => (b"\x05PRIZE".to_vec(), true),
        _ => (Vec::new(), false),
    };
    let mut out = query.get(..2)?.to_vec();
    out.extend([0x81, if known.is_some() { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(found), 0, 0, 0, 0]);
    out.extend(question);
    if found {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    Some(out)
}
