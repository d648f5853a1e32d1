//! References to images: `registry.example/team/app:1.2@sha256:…` (the grammar of distribution/reference).

use std::fmt;
use std::str::FromStr;

use provost_model::Digest;

use super::{OciError, parse_digest};

/// A reference to an image in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The registry: host, and port where one is named. `docker.io` where none is.
    pub registry: String,
    /// The repository: `library/alpine`.
    pub repository: String,
    /// The tag. `latest` where neither tag nor digest is named.
    pub tag: Option<String>,
    /// The digest. With both, the digest counts.
    pub digest: Option<Digest>,
}

impl Reference {
    /// What stands in a request for the manifest: the digest, or the tag.
    pub fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("sha256:{digest}"),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl FromStr for Reference {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self, OciError> {
        let wrong = |why| OciError::Reference { text: text.chars().take(200).collect(), why };
        if text.len() > 1_024 {
            return Err(wrong("it is too long"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(parse_digest(digest).map_err(|_| wrong("its digest is not sha256:…"))?))
            }
            None => (text, None),
        };
        let (host, path) = match rest.split_once('/') {
            Some((host, path)) if is_host(host) => (Some(host), path),
            _ => (None, rest),
        };
        let (path, tag) = match path.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        if let Some(tag) = tag {
            let first = tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
            let rest = tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
            if !first || !rest || tag.len() > 128 {
                return Err(wrong("its tag has characters that no tag has"));
            }
        }
        if path.is_empty() || !path.split('/').all(is_component) {
            return Err(wrong("its repository has characters that none has (capital letters among them)"));
        }
        let registry = match host {
            None | Some("index.docker.io" | "registry-1.docker.io") => "docker.io",
            Some(host) if is_authority(host) => host,
            Some(_) => return Err(wrong("its registry is not a host, or a host with a port")),
        };
        let repository =
            if registry == "docker.io" && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
        if repository.len() > 255 {
            return Err(wrong("its repository is too long"));
        }
        let tag = tag.map(str::to_owned).or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

/// The first part is a host when it cannot be the first part of a repository.
fn is_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost" || part.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_authority(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("", port.strip_prefix(':').or(port.is_empty().then_some("0")))
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, Some("0")),
        },
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name_is_fine = (host.starts_with('[') && name.is_empty()) || name.split('.').all(label);
    name_is_fine && port.is_some_and(|port| port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower-case letters and digits, with `.`, `_`, `__` or hyphens between them.
fn is_component(part: &str) -> bool {
    let bytes = part.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !bytes.first().is_some_and(plain) || !bytes.last().is_some_and(plain) {
        return false;
    }
    let separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).filter(|s| !s.is_empty());
    separators.into_iter().all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@sha256:{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Reference>().map_or_else(|error| error.to_string(), |reference| reference.to_string())
    }

    #[test]
    fn short_and_long_names() {
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(shown("alpine"), "docker.io/library/alpine:latest");
        assert_eq!(shown("team/app:1"), "docker.io/team/app:1");
        assert_eq!(shown("index.docker.io/alpine"), "docker.io/library/alpine:latest");
        assert_eq!(shown("localhost/app"), "localhost/app:latest");
        assert_eq!(shown("127.0.0.1:5000/a/b/c:v1.2"), "127.0.0.1:5000/a/b/c:v1.2");
        assert_eq!(shown("[::1]:5000/a"), "[::1]:5000/a:latest");
        let both = format!("ghcr.io/a/b__c:v1@sha256:{digest}");
        assert_eq!(shown(&both), both);
        assert_eq!(both.parse::<Reference>().map(|r| r.wanted()), Ok(format!("sha256:{digest}")));
        let by_digest = format!("ghcr.io/a/b@sha256:{digest}");
        assert_eq!(shown(&by_digest), by_digest);
    }

    #[test]
    fn what_is_read_is_read_again_from_what_is_shown() {
        // Found by fuzzing: too long by the `library/` that is left out.
        let name = "a".repeat(250);
        assert!(name.parse::<Reference>().is_err());
        assert_eq!(shown(&shown(&name[..247])), shown(&name[..247]));
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "/",
            "A",
            "a/B",
            "a//b",
            "../a",
            "a:",
            "a:.x",
            "a@sha512:00",
            "host.example:99999/a",
            "host.example:/a",
            "ho st.example/a",
            "a?b",
            "-a.example/b",
            "a___b",
            "user@host.example/a",
            "[::1/a",
            "x.example:1:2/a",
            "evil.example/a/../../b",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}: {}", shown(text));
        }
    }
}
