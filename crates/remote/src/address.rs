//! Addresses: `https://host:port/path?query`, and nothing that two readers could take for different hosts.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::error::Error;

/// An address that can be asked. Shown without its query, which may hold credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    tls: bool,
    host: String,
    port: Option<u16>,
    path: String,
    query: Option<String>,
}

impl Address {
    /// The root of a host (with a port where it has one).
    ///
    /// # Errors
    /// It is no host.
    pub fn of_host(authority: &str, tls: bool) -> Result<Self, Error> {
        format!("{}://{authority}/", if tls { "https" } else { "http" }).parse()
    }

    /// True for HTTPS.
    pub fn is_secure(&self) -> bool {
        self.tls
    }

    /// The host, in lower case, IPv6 addresses in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Host and port, the port only where it is not the usual one.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) if port != self.usual_port() => format!("{}:{port}", self.host),
            _ => self.host.clone(),
        }
    }

    /// The path; begins with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// True when it is this very machine: `localhost`, 127.0.0.0/8 or `[::1]`.
    pub fn is_loopback(&self) -> bool {
        let v6 = self.host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        self.host == "localhost"
            || self.host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || v6.is_some_and(|address| {
                let Ok(address) = address.parse::<Ipv6Addr>() else { return false };
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
            })
    }

    /// True when both are the same scheme, host and port: credentials for one may be told to the other.
    pub fn is_same_origin(&self, other: &Self) -> bool {
        let port = |address: &Self| address.port.unwrap_or(address.usual_port());
        self.tls == other.tls && self.host == other.host && port(self) == port(other)
    }

    /// The same place with another path, and a query where one is given.
    #[must_use]
    pub fn with_path(&self, path: &str, query: Option<&str>) -> Self {
        Self { path: path.to_owned(), query: query.map(str::to_owned), ..self.clone() }
    }

    /// What a `Location` or a `Link` of its answer refers to (RFC 3986, section 5.2).
    ///
    /// # Errors
    /// It is no address, or of another scheme.
    pub fn join(&self, reference: &str) -> Result<Self, Error> {
        let reference = reference.split('#').next().unwrap_or_default();
        let colon = reference.find([':', '/', '?']).filter(|&at| reference.as_bytes().get(at) == Some(&b':'));
        if colon.is_some() {
            return reference.parse();
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return format!("{}://{rest}", self.scheme()).parse();
        }
        let origin = format!("{}://{}", self.scheme(), self.authority());
        let text = if reference.starts_with('/') {
            format!("{origin}{reference}")
        } else if reference.is_empty() || reference.starts_with('?') {
            format!("{origin}{}{reference}", self.path)
        } else {
            let directory = &self.path[..self.path.rfind('/').map_or(0, |at| at + 1)];
            format!("{origin}{directory}{reference}")
        };
        text.parse()
    }

    /// The whole text, query included: for the request alone.
    pub(crate) fn whole(&self) -> String {
        match &self.query {
            Some(query) => format!("{self}?{query}"),
            None => self.to_string(),
        }
    }

    /// Its query with more pairs.
    pub(crate) fn query_with(&self, pairs: &str) -> String {
        match self.query.as_deref() {
            None | Some("") => pairs.to_owned(),
            Some(query) if pairs.is_empty() => query.to_owned(),
            Some(query) => format!("{query}&{pairs}"),
        }
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    fn usual_port(&self) -> u16 {
        if self.tls { 443 } else { 80 }
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why| {
            // What stands after a question mark, or before an @, may be secret.
            let shown = text.split('?').next().unwrap_or_default();
            let shown = shown.rsplit('@').next().unwrap_or_default();
            Error::Address { text: provost_model::printable(&shown.chars().take(200).collect::<String>()), why }
        };
        if text.len() > 16 << 10 {
            return Err(wrong("it is too long"));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic() && !br#"\"<>^`{|}"#.contains(&b)) {
            return Err(wrong("it has characters that addresses do not have"));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it does not begin with https://"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong("it is neither https nor http")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.contains('@') {
            return Err(wrong("it holds a user's name"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let (address, port) = inner.split_once(']').ok_or_else(|| wrong("its host is none"))?;
                let address: Ipv6Addr = address.parse().map_err(|_| wrong("its host is none"))?;
                (format!("[{address}]"), port)
            }
            None => {
                let at = authority.find(':').unwrap_or(authority.len());
                let host = authority[..at].to_ascii_lowercase();
                let label = |label: &str| {
                    let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
                    !label.is_empty() && plain && !label.starts_with('-') && !label.ends_with('-')
                };
                if host.len() > 253 || !host.split('.').all(label) {
                    return Err(wrong("its host is none"));
                }
                // What looks like a number must be an address as everyone writes it: 127.1 and 0x7f.1 are hosts for some.
                let last = host.rsplit('.').next().unwrap_or_default();
                let is_numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
                if is_numeric && host.parse::<Ipv4Addr>().is_err() {
                    return Err(wrong("its host is a number that is no address"));
                }
                (host, &authority[at..])
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(|| wrong("its port is none"))?)
            }
            _ => return Err(wrong("its port is none")),
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (rest, None),
        };
        let path = if path.is_empty() { "/".to_owned() } else { without_dots(path) };
        Ok(Self { tls, host, port, path, query })
    }
}

/// A path without `.` and `..` (RFC 3986, section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut directory = false;
    for part in path.split('/').skip(1) {
        directory = matches!(part, "." | "..");
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let end = if directory && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority(), self.path)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}{}", if self.query.is_some() { "?…" } else { "" })
    }
}

/// Text as a value in a query: all but letters, digits and `-._~` is percent-encoded.
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().expect(text)
    }

    #[test]
    fn parts() {
        let a = address("HTTPS://Example.COM:443/a/../b?token=1#x");
        assert_eq!(a.to_string(), "https://example.com/b");
        assert_eq!(a.whole(), "https://example.com/b?token=1");
        assert_eq!(format!("{a:?}"), "https://example.com/b?…");
        assert!(a.is_same_origin(&address("https://example.com/")));
        assert!(!a.is_same_origin(&address("http://example.com/")));
        assert!(!a.is_same_origin(&address("https://example.com:444/")));
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "example.com",
            "ftp://a/",
            "https://",
            "https://user:pw@a/",
            "https://a b/",
            "https://a\\@b/",
            "https://a:0/",
            "https://a:99999/",
            "https://a:/",
            "https://127.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://ä/",
            "https://a..b/",
            "https://[::1/",
            "https://[::1]x/",
            "https://a%2eb/",
            "https://-a/",
            "file:///etc/passwd",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        let error = "https://user:secret@host/?token=secret".parse::<Address>().expect_err("a user's name").to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn this_machine() {
        for text in [
            "http://localhost/",
            "http://127.0.0.1:5000/",
            "http://127.8.9.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
        ] {
            assert!(address(text).is_loopback(), "{text}");
        }
        for text in ["http://127.0.0.1.example.com/", "http://10.0.0.1/", "http://localhost.example/", "http://[::2]/"]
        {
            assert!(!address(text).is_loopback(), "{text}");
        }
    }

    #[test]
    fn references() {
        let base = address("https://a.example/x/y?q=1");
        let joined = |text| base.join(text).map(|address| address.whole()).unwrap_or_else(|error| error.to_string());
        assert_eq!(joined("/z"), "https://a.example/z");
        assert_eq!(joined("z"), "https://a.example/x/z");
        assert_eq!(joined("../z"), "https://a.example/z");
        assert_eq!(joined("?n=2"), "https://a.example/x/y?n=2");
        assert_eq!(joined("//b.example/z"), "https://b.example/z");
        assert_eq!(joined("http://b.example/z#f"), "http://b.example/z");
        assert_eq!(joined("/a:b"), "https://a.example/a:b");
        assert!(joined("file:///etc/passwd").contains("neither"));
        assert!(joined("javascript:x").contains("https"));
    }
}
