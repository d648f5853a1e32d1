//! What the first bytes of a connection ask for: the server name of a TLS ClientHello (RFC 8446, RFC 6066), or the host
//! of an HTTP/1 request. An address says little: behind one address of a content network lie thousands of names.

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Not enough bytes to tell.
    More,
    /// A TLS server name; `None` when the ClientHello has none.
    Tls(Option<String>),
    /// An HTTP host; `None` when the request has none, or more than one.
    Http(Option<String>),
    /// Neither.
    Unknown,
}

/// The most bytes that are looked at.
pub(super) const LIMIT: usize = 16 * 1024;

/// Looks at the first bytes.
pub fn look(bytes: &[u8]) -> Asked {
    match bytes.first() {
        None => Asked::More,
        Some(0x16) => tls(bytes),
        Some(b) if b.is_ascii_uppercase() => http(bytes),
        Some(_) => Asked::Unknown,
    }
}

/// Reads big-endian numbers and runs of bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |sum, b| sum << 8 | usize::from(*b)))
    }

    fn run(&mut self, length_bytes: usize) -> Option<Reader<'a>> {
        let length = self.number(length_bytes)?;
        self.take(length).map(Reader)
    }
}

fn tls(bytes: &[u8]) -> Asked {
    // The ClientHello may lie in several records.
    let mut hello = Vec::new();
    let mut records = Reader(bytes);
    let whole = loop {
        if records.0.is_empty() {
            break false;
        }
        let Some(kind) = records.number(1) else { break false };
        if kind != 0x16 {
            return Asked::Unknown;
        }
        let Some(version) = records.number(2) else { break false };
        if version >> 8 != 3 {
            return Asked::Unknown;
        }
        let Some(length) = records.number(2) else { break false };
        if length == 0 || length > 16_384 {
            return Asked::Unknown;
        }
        let there = length.min(records.0.len());
        hello.extend_from_slice(records.take(there).unwrap_or_default());
        if hello.len() >= 4 {
            if hello[0] != 1 {
                return Asked::Unknown;
            }
            let wanted = 4 + (usize::from(hello[1]) << 16 | usize::from(hello[2]) << 8 | usize::from(hello[3]));
            if hello.len() >= wanted {
                hello.truncate(wanted);
                break true;
            }
        }
        if there < length {
            break false;
        }
    };
    if !whole {
        return if bytes.len() >= LIMIT { Asked::Unknown } else { Asked::More };
    }
    server_name(&hello).unwrap_or(Asked::Unknown)
}

fn server_name(hello: &[u8]) -> Option<Asked> {
    let mut reader = Reader(hello.get(4..)?);
    reader.take(2 + 32)?;
    reader.run(1)?;
    reader.run(2)?;
    reader.run(1)?;
    if reader.0.is_empty() {
        return Some(Asked::Tls(None));
    }
    let mut extensions = reader.run(2)?;
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let mut body = extensions.run(2)?;
        if kind != 0 {
            continue;
        }
        if found.is_some() {
            return None;
        }
        let mut list = body.run(2)?;
        if list.number(1)? != 0 {
            return None;
        }
        let name = list.run(2)?.0;
        if !list.0.is_empty() || !body.0.is_empty() || name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        found = Some(String::from_utf8_lossy(name).trim_end_matches('.').to_ascii_lowercase());
    }
    Some(Asked::Tls(found))
}

fn http(bytes: &[u8]) -> Asked {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let method = first.split(|b| *b == b' ').next().unwrap_or_default();
    let looks_like = method.len() <= 16 && method.iter().all(u8::is_ascii_uppercase);
    if !looks_like {
        return Asked::Unknown;
    }
    let Some(end) = end else {
        // A request line comes early, and headers end.
        let hopeless = bytes.len() >= LIMIT || first.len() == bytes.len() && bytes.len() > 8192;
        return if hopeless { Asked::Unknown } else { Asked::More };
    };
    // `METHOD target HTTP/1.x`, with one space each (RFC 9112 section 3): nothing else is read by all servers alike.
    let first = first.strip_suffix(b"\r").unwrap_or(first);
    let words: Vec<&[u8]> = first.split(|b| *b == b' ').collect();
    let [_, target, version] = words.as_slice() else { return Asked::Unknown };
    if !matches!(*version, b"HTTP/1.1" | b"HTTP/1.0") || !target.iter().all(u8::is_ascii_graphic) {
        return Asked::Unknown;
    }
    let mut hosts = Vec::new();
    for line in bytes[..end].split(|b| *b == b'\n').skip(1) {
        // A folded line belongs to the one before it, whatever a server makes of it.
        if line.first().is_some_and(|b| *b == b' ' || *b == b'\t') {
            return Asked::Http(None);
        }
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        if line[..colon].trim_ascii().eq_ignore_ascii_case(b"host") {
            hosts.push(line[colon + 1..].trim_ascii());
        }
    }
    // A request for a whole address names its host twice: both must be the same.
    if method == b"CONNECT" {
        hosts.push(target);
    } else if target.first() != Some(&b'/') && *target != b"*" {
        let Some(at) = target.windows(3).position(|w| w == b"://") else { return Asked::Http(None) };
        hosts.push(target[at + 3..].split(|b| matches!(b, b'/' | b'?' | b'#')).next().unwrap_or_default());
    }
    let Some(mut names) = hosts.iter().map(|host| host_name(host)).collect::<Option<Vec<String>>>() else {
        return Asked::Http(None);
    };
    names.dedup();
    match names.as_slice() {
        [one] if !one.is_empty() => Asked::Http(Some(one.clone())),
        _ => Asked::Http(None),
    }
}

/// The name of `name` or `name:port`; `None` for anything else, which servers may read otherwise.
fn host_name(host: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(host).ok()?.to_ascii_lowercase();
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, rest) = rest.split_once(']')?;
            (name.to_owned(), if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?.to_owned()) })
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name.to_owned(), Some(port.to_owned())),
            None => (text.clone(), None),
        },
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    let good = name.bytes().all(plain) && port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()));
    good.then(|| name.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello with this server name.
    fn hello(name: &str) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        let name = name.as_bytes();
        let mut extension = vec![0, 0];
        extension.extend(((name.len() + 5) as u16).to_be_bytes());
        extension.extend(((name.len() + 3) as u16).to_be_bytes());
        extension.push(0);
        extension.extend((name.len() as u16).to_be_bytes());
        extension.extend(name);
        body.extend((extension.len() as u16).to_be_bytes());
        body.extend(extension);
        let mut message = vec![1, 0];
        message.extend((body.len() as u16).to_be_bytes());
        message.extend(body);
        message
    }

    fn record(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0x16, 3, 1];
        out.extend((bytes.len() as u16).to_be_bytes());
        out.extend(bytes);
        out
    }

    #[test]
    fn the_server_name_whole_and_in_pieces() {
        let message = hello("Crates.IO");
        let expected = Asked::Tls(Some("crates.io".into()));
        assert_eq!(look(&record(&message)), expected);
        let (a, b) = message.split_at(20);
        assert_eq!(look(&[record(a), record(b)].concat()), expected, "two records");
        let whole = record(&message);
        for length in 0..whole.len() {
            assert_eq!(look(&whole[..length]), Asked::More, "{length}");
        }
    }

    #[test]
    fn the_host_of_a_request() {
        let ask = |text: &str| look(text.as_bytes());
        assert_eq!(ask("GET / HTTP/1.1\r\nHost: A.example:80\r\n\r\n"), Asked::Http(Some("a.example".into())));
        assert_eq!(ask("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Asked::Http(None));
        for odd in [
            "GET HTTP://b/x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a:pw@b/x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET ws://b/x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a:80@b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
            "GET b HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert_eq!(ask(odd), Asked::Http(None), "{odd}");
        }
        assert_eq!(ask("GET  http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), Asked::Unknown);
        assert_eq!(ask("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), Asked::Http(None));
        assert_eq!(ask("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"), Asked::Http(Some("b".into())));
        assert_eq!(ask("GET / HTTP/1.1\r\nX: y\r\n Host: a\r\n\r\n"), Asked::Http(None));
        assert_eq!(ask("GET / HTTP/1.1\r\nHos"), Asked::More);
        assert_eq!(ask("SSH-2.0-OpenSSH\r\n"), Asked::Unknown);
        assert_eq!(ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Asked::Unknown);
    }
}
