//! A web server for one CGI program (RFC 3875), as small as tests of git over HTTP allow: Basic authentication, bodies by
//! length or in chunks, `Expect: 100-continue`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A body that a client sends, in bytes.
const BODY: u64 = 512 << 20;

/// A running server; it ends when it is dropped.
pub struct CgiServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Makes the program to run for a request.
pub type Program = Box<dyn Fn() -> Command + Send + Sync>;

impl CgiServer {
    /// Starts on a loopback port. `users` are names with their passwords; whoever gives none is let through without a name,
    /// whoever gives a wrong one is not.
    ///
    /// # Errors
    /// No port can be had.
    pub fn start(program: Program, users: BTreeMap<String, String>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let shared = Arc::new((program, users));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = serve(&stream, &shared.0, &shared.1);
                });
            }
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for CgiServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: &TcpStream, program: &Program, users: &BTreeMap<String, String>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut parts = line.split_whitespace();
    let (method, target) = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut out = stream;
    if headers.get("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let chunked = headers.get("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let body = if chunked {
        chunks(&mut reader)?
    } else {
        let length: u64 = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut body = Vec::new();
        reader.by_ref().take(length.min(BODY)).read_to_end(&mut body)?;
        body
    };
    let user = match headers.get("authorization").map(|value| named(value, users)) {
        Some(None) => return out.write_all(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        Some(Some(user)) => user,
        None => String::new(),
    };
    let mut command = program();
    command
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("SERVER_PROTOCOL", "HTTP/1.1")
        .env("REQUEST_METHOD", &method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REMOTE_ADDR", "127.0.0.1");
    if !user.is_empty() {
        command.env("REMOTE_USER", user);
    }
    for (name, value) in &headers {
        match name.as_str() {
            "authorization" => {}
            "content-type" => _ = command.env("CONTENT_TYPE", value),
            "content-length" => _ = command.env("CONTENT_LENGTH", value),
            _ => _ = command.env(format!("HTTP_{}", name.to_uppercase().replace('-', "_")), value),
        }
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let input = child.stdin.take();
    let writer = std::thread::spawn(move || {
        if let Some(mut input) = input {
            let _ = input.write_all(&body);
        }
    });
    let mut answer = Vec::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_end(&mut answer)?;
    }
    let _ = writer.join();
    child.wait()?;
    respond(out, &answer)
}

/// Turns a CGI answer into one of HTTP.
fn respond(mut out: &TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| (at, at + 4));
    let end = end.or_else(|| answer.windows(2).position(|two| two == b"\n\n").map(|at| (at, at + 2)));
    let Some((head, body)) = end else {
        return out.write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let mut status = "200 OK".to_owned();
    let mut headers = String::new();
    for line in String::from_utf8_lossy(&answer[..head]).lines() {
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("status") => status = value.trim().to_owned(),
            _ => headers.push_str(&format!("{line}\r\n")),
        }
    }
    let body = &answer[body..];
    write!(out, "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    out.write_all(body)?;
    out.flush()
}

fn chunks(reader: &mut impl std::io::BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = line.trim().split(';').next().and_then(|text| u64::from_str_radix(text, 16).ok());
        let size = size.ok_or_else(|| std::io::Error::other("no size of a chunk"))?;
        if body.len() as u64 + size > BODY {
            return Err(std::io::Error::other("too long"));
        }
        reader.by_ref().take(size).read_to_end(&mut body)?;
        let mut end = String::new();
        reader.read_line(&mut end)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// The user of a Basic header whose password is right.
fn named(header: &str, users: &BTreeMap<String, String>) -> Option<String> {
    let text = base64(header.strip_prefix("Basic ")?.trim())?;
    let text = String::from_utf8(text).ok()?;
    let (name, password) = text.split_once(':')?;
    (users.get(name).is_some_and(|right| right == password)).then(|| name.to_owned())
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_with_their_own_password() {
        let users = BTreeMap::from([("ada".to_owned(), "open:sesame".to_owned())]);
        assert_eq!(named("Basic YWRhOm9wZW46c2VzYW1l", &users).as_deref(), Some("ada"));
        assert_eq!(named("Basic YWRhOm9wZW4=", &users), None);
        assert_eq!(named("Bearer x", &users), None);
    }
}
