//! The requests of one HTTP/1 connection, one after the other (RFC 9112): each names its host anew, so each is held
//! against the name that the connection was allowed for. What cannot be read in exactly one way is not passed on.

use super::sniff::{self, Asked};

/// What a request's header says of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Length(u64),
    Chunked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    /// So many bytes are left; then a request, or another chunk.
    Data {
        left: u64,
        chunked: bool,
    },
    ChunkSize,
    Trailer,
}

/// The client's side of a connection.
#[derive(Debug)]
pub struct Requests {
    state: State,
    waiting: Vec<u8>,
}

/// The longest line of a chunk's size or of a trailer, in bytes.
const LINE: usize = 4096;

impl Default for Requests {
    fn default() -> Self {
        Self { state: State::Header, waiting: Vec::new() }
    }
}

impl Requests {
    /// Takes what the client sent, and gives what may be passed on. `judge` is asked about each request before any of
    /// it is passed on.
    ///
    /// # Errors
    /// Why nothing more may be passed on: `judge`'s own reason, or that the requests cannot be told apart.
    pub fn take(
        &mut self,
        bytes: &[u8],
        mut judge: impl FnMut(&Asked) -> Result<(), String>,
    ) -> Result<Vec<u8>, String> {
        self.waiting.extend_from_slice(bytes);
        let mut out = Vec::new();
        loop {
            let taken = match self.state {
                State::Header => self.header(&mut judge)?,
                State::Data { left, chunked } => {
                    let taken = self.waiting.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - taken as u64;
                    self.state = match (left, chunked) {
                        (0, true) => State::ChunkSize,
                        (0, false) => State::Header,
                        _ => State::Data { left, chunked },
                    };
                    taken
                }
                State::ChunkSize => self.chunk_size()?,
                State::Trailer => self.trailer()?,
            };
            if taken == 0 {
                return Ok(out);
            }
            out.extend(self.waiting.drain(..taken));
        }
    }

    /// What was not passed on.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.waiting)
    }

    fn header(&mut self, judge: &mut impl FnMut(&Asked) -> Result<(), String>) -> Result<usize, String> {
        if self.waiting.is_empty() {
            return Ok(0);
        }
        let asked = sniff::look(&self.waiting);
        match asked {
            Asked::More if self.waiting.len() < sniff::LIMIT => return Ok(0),
            Asked::Http(_) => {}
            _ => return Err("a later request that is no HTTP".into()),
        }
        judge(&asked)?;
        let end = self.waiting.windows(4).position(|w| w == b"\r\n\r\n").ok_or("a header without an end")?;
        self.state = match body(&self.waiting[..end])? {
            Body::Length(0) => State::Header,
            Body::Length(left) => State::Data { left, chunked: false },
            Body::Chunked => State::ChunkSize,
        };
        Ok(end + 4)
    }

    fn line(&self) -> Result<Option<&[u8]>, String> {
        match self.waiting.windows(2).position(|w| w == b"\r\n") {
            Some(end) if end <= LINE => Ok(Some(&self.waiting[..end])),
            None if self.waiting.len() <= LINE => Ok(None),
            _ => Err("a chunk's line that is too long".into()),
        }
    }

    fn chunk_size(&mut self) -> Result<usize, String> {
        let Some(line) = self.line()? else { return Ok(0) };
        // The end of the chunk before.
        if line.is_empty() {
            return Ok(2);
        }
        let digits = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err("a chunk without a size".into());
        }
        let size = digits.iter().fold(0_u64, |size, digit| size << 4 | u64::from(hex_digit(*digit)));
        let taken = line.len() + 2;
        self.state = if size == 0 { State::Trailer } else { State::Data { left: size, chunked: true } };
        Ok(taken)
    }

    fn trailer(&mut self) -> Result<usize, String> {
        let Some(line) = self.line()? else { return Ok(0) };
        let taken = line.len() + 2;
        if line.is_empty() {
            self.state = State::Header;
        }
        Ok(taken)
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.to_ascii_uppercase().saturating_sub(b'A') + 10,
    }
}

/// How long the body is; an error where two servers could disagree (RFC 9112 section 6.3).
fn body(header: &[u8]) -> Result<Body, String> {
    let (mut length, mut chunked) = (None, false);
    for line in header.split(|b| *b == b'\n').skip(1) {
        let Some(line) = line.strip_suffix(b"\r").or(Some(line)).filter(|line| !line.contains(&b'\r')) else {
            return Err("a header with a lone carriage return".into());
        };
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            return Err("a header line without a colon".into());
        };
        let (name, value) = (line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii());
        if name.last().is_none_or(u8::is_ascii_whitespace) {
            return Err("a header's name with a space after it".into());
        }
        match name.as_slice() {
            b"content-length" => {
                let digits = !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
                if !digits || length.is_some() {
                    return Err("a length that can be read in two ways".into());
                }
                length = Some(value.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0')));
            }
            b"transfer-encoding" => {
                if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err("a transfer coding other than chunked".into());
                }
                chunked = true;
            }
            b"upgrade" => return Err("a change of protocol (Upgrade); `protocol = \"any\"` allows it".into()),
            _ => {}
        }
    }
    match (length, chunked) {
        (Some(_), true) => Err("a length that can be read in two ways".into()),
        (None, true) => Ok(Body::Chunked),
        (length, false) => Ok(Body::Length(length.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes a text through in pieces of a size; what came out, the hosts, and why it ended.
    fn pass(text: &str, piece: usize) -> (String, Vec<Option<String>>, Option<String>) {
        let (mut requests, mut out, mut hosts) = (Requests::default(), Vec::new(), Vec::new());
        for bytes in text.as_bytes().chunks(piece) {
            let judge = |asked: &Asked| {
                if let Asked::Http(host) = asked {
                    hosts.push(host.clone());
                }
                Ok(())
            };
            match requests.take(bytes, judge) {
                Ok(passed) => out.extend(passed),
                Err(why) => return (String::from_utf8_lossy(&out).into_owned(), hosts, Some(why)),
            }
        }
        (String::from_utf8_lossy(&out).into_owned(), hosts, None)
    }

    #[test]
    fn every_request_is_judged_however_it_is_cut() {
        let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\
            POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\nGET /\
            POST / HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\nX: y\r\n\r\n\
            GET / HTTP/1.1\r\nHost: d\r\n\r\n";
        for piece in 1..text.len() {
            let (out, hosts, why) = pass(text, piece);
            assert_eq!((out.as_str(), why), (text, None), "{piece}");
            let named = |name: &str| Some(name.to_owned());
            assert_eq!(hosts, [named("a"), named("b"), named("c"), named("d")], "{piece}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_passed_on() {
        for header in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: +5",
            "Transfer-Encoding: chunked, gzip",
            "Transfer-Encoding : chunked",
            "Upgrade: websocket",
            "no colon",
        ] {
            let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\nrest of it");
            let (out, _, why) = pass(&text, text.len());
            assert!(out.is_empty() && why.is_some(), "{header}: {out:?}");
        }
        assert!(pass("GET / HTTP/1.1\r\nHost: a\r\n\r\nSSH-2.0\r\n", 100).2.is_some());
    }
}
