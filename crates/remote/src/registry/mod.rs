//! The OCI distribution protocol (distribution-spec 1.1.1), to read: manifests, blobs, referrers.
//!
//! A registry is trusted with nothing but delivery: what is asked for by digest is held against it, what comes by tag is
//! named by the digest that its bytes have.

mod challenge;
mod referrers;
mod token;

use std::io::{self, Read};
use std::sync::Arc;

use provost_formats::oci::Reference;
use provost_model::{Digest, Hasher, sha256};

use crate::address::Address;
use crate::body::Body;
use crate::client::{Client, Request, Response};
use crate::credentials::Credentials;
use crate::error::Error;

pub use referrers::{Referrer, Referrers};
use token::Tokens;

/// Another place where a registry's content can be had.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// The registry that it mirrors: `docker.io`.
    pub of: String,
    /// Its own host, and port where it has one; a path after it stands before every repository.
    pub at: String,
    /// It is asked for digests alone: what a tag means is for the registry itself to say.
    pub digests_only: bool,
}

/// What is known of registries.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Credentials by registry (host, and port where it has one).
    pub credentials: Vec<(String, Credentials)>,
    /// Hosts, other than the registry's own, at which it may have tokens fetched: registry and host. Docker Hub's and
    /// GitLab's are known.
    pub token_hosts: Vec<(String, String)>,
    /// Mirrors, in the order in which they are asked, before the registry.
    pub mirrors: Vec<Mirror>,
}

/// What answers may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of the answer of a token service. 64 KiB.
    pub token: u64,
    /// Pages of a list of referrers. 64.
    pub pages: usize,
    /// Referrers of one image. 10,000.
    pub referrers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { token: 64 << 10, pages: 64, referrers: 10_000 }
    }
}

/// Registries, as one client knows them.
#[derive(Debug, Clone)]
pub struct Registry {
    client: Client,
    settings: Arc<Settings>,
    limits: Limits,
}

impl Registry {
    /// Registries through a client.
    pub fn new(client: Client, settings: Settings, limits: Limits) -> Self {
        Self { client, settings: Arc::new(settings), limits }
    }

    /// The repository of a reference.
    ///
    /// # Errors
    /// Its registry or a mirror of it is no host.
    pub fn repository(&self, reference: &Reference) -> Result<Repository, Error> {
        let mut mirrors = Vec::new();
        for mirror in self.settings.mirrors.iter().filter(|mirror| mirror.of == reference.registry) {
            let (host, prefix) = mirror.at.split_once('/').unwrap_or((&mirror.at, ""));
            let name = if prefix.is_empty() {
                reference.repository.clone()
            } else {
                format!("{}/{}", prefix.trim_matches('/'), reference.repository)
            };
            mirrors.push((self.place(host, name)?, mirror.digests_only));
        }
        let origin = self.place(&reference.registry, reference.repository.clone())?;
        Ok(Repository { origin, mirrors, limits: self.limits.clone() })
    }

    /// Asks whether a registry speaks the protocol (`GET /v2/`), with the credentials that are known for it.
    ///
    /// # Errors
    /// It does not, or refuses them.
    pub fn ping(&self, registry: &str) -> Result<(), Error> {
        let place = self.place(registry, String::new())?;
        let answer = place.ask("/v2/", None, "application/json", 64 << 10)?;
        answer.success().map(|_| ())
    }

    fn place(&self, registry: &str, repository: String) -> Result<Place, Error> {
        // Docker Hub's protocol is spoken by another host than the one in names.
        let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        let secure = Address::of_host(host, true)?;
        let plain = Address::of_host(host, false)?;
        let root = if self.client.may_be_plain(&plain) { plain } else { secure };
        let credentials = self.settings.credentials.iter().find(|(known, _)| known.eq_ignore_ascii_case(registry));
        Ok(Place {
            client: self.client.clone(),
            root,
            registry: registry.to_owned(),
            repository,
            credentials: credentials.map(|(_, credentials)| credentials.clone()),
            settings: Arc::clone(&self.settings),
            tokens: Tokens::default(),
            token_limit: self.limits.token,
        })
    }
}

/// One repository of a registry or of a mirror.
#[derive(Debug)]
struct Place {
    client: Client,
    root: Address,
    registry: String,
    repository: String,
    credentials: Option<Credentials>,
    settings: Arc<Settings>,
    tokens: Tokens,
    token_limit: u64,
}

impl Place {
    /// Asks, and where the registry wants to know who asks, says so and asks again.
    fn ask(&self, path: &str, query: Option<&str>, accept: &str, limit: u64) -> Result<Response, Error> {
        self.ask_at(&self.root.with_path(path, query), accept, limit)
    }

    fn ask_at(&self, address: &Address, accept: &str, limit: u64) -> Result<Response, Error> {
        let known = self.tokens.known();
        let request = Request { accept, limit, authorization: known.as_ref(), form: None };
        let answer = self.client.send(address, &request)?;
        // A refusal of someone whom it sent us to is no challenge of its own.
        if answer.status != 401 || !answer.address.is_same_origin(&self.root) {
            return Ok(answer);
        }
        let authorization = self.authorize(&answer)?;
        let request = Request { authorization: Some(&authorization), ..request };
        let answer = self.client.send(address, &request)?;
        if answer.status == 401 {
            let why = match &self.credentials {
                Some(_) => "it does not take the credentials",
                None => "it wants credentials, and there are none for it",
            };
            return Err(Error::Authentication { registry: self.registry.clone(), why: why.to_owned() });
        }
        Ok(answer)
    }

    fn path(&self, what: &str) -> String {
        format!("/v2/{}/{what}", self.repository)
    }

    fn manifest(&self, wanted: &str, accept: &str, limit: usize) -> Result<Document, Error> {
        let answer = self.ask(&self.path(&format!("manifests/{wanted}")), None, accept, limit as u64)?.success()?;
        let media_type = answer.header("content-type").map(str::to_owned);
        let announced = answer.header("docker-content-digest").and_then(|digest| digest.parse::<Digest>().ok());
        let what = format!("the manifest {wanted} of {}/{}", self.registry, self.repository);
        let bytes = answer.bytes()?;
        let actual = sha256(&bytes);
        let asked = wanted.strip_prefix("sha256:").map(|_| wanted.parse::<Digest>());
        let asked = asked.transpose().map_err(|_| Error::Address {
            text: wanted.chars().take(200).collect(),
            why: "it is neither a tag nor a digest",
        })?;
        match asked.or(announced) {
            Some(expected) if expected != actual => Err(Error::Mismatch { what, expected, actual }),
            _ => Ok(Document { bytes, media_type, digest: actual }),
        }
    }

    fn blob(&self, digest: &Digest, size: u64) -> Result<Blob, Error> {
        let path = self.path(&format!("blobs/sha256:{digest}"));
        let answer = self.ask(&path, None, "*/*", size)?.success()?;
        Ok(Blob { body: answer.into_body(), hasher: Some(Hasher::new()), digest: *digest, size, received: 0 })
    }
}

/// A repository, with the mirrors that may be asked in its place.
#[derive(Debug)]
pub struct Repository {
    origin: Place,
    mirrors: Vec<(Place, bool)>,
    limits: Limits,
}

/// A manifest or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What the registry says it is.
    pub media_type: Option<String>,
    /// Its digest, computed from the bytes.
    pub digest: Digest,
}

impl Repository {
    /// A manifest or an index by tag or digest (`sha256:…`), at most so many bytes.
    ///
    /// # Errors
    /// It cannot be had, or is not what was asked for.
    pub fn manifest(&self, wanted: &str, accept: &str, limit: usize) -> Result<Document, Error> {
        let by_digest = wanted.starts_with("sha256:");
        self.anywhere(by_digest, |place| place.manifest(wanted, accept, limit))
    }

    /// A blob of so many bytes. Its digest is checked as it is read: the last read fails when it is another.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn blob(&self, digest: &Digest, size: u64) -> Result<Blob, Error> {
        self.anywhere(true, |place| place.blob(digest, size))
    }

    /// Everything that refers to a manifest (`subject`): signatures, attestations, SBOMs. Where the registry does not
    /// know referrers, what the tag `sha256-…` lists. `artifact_type` leaves others out.
    ///
    /// # Errors
    /// The registry does not answer, or not by the protocol.
    pub fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Referrers, Error> {
        referrers::list(&self.origin, subject, artifact_type, &self.limits)
    }

    /// Fetches a referrer, and makes sure that it is about that subject.
    ///
    /// # Errors
    /// It cannot be had, or is about something else.
    pub fn referrer(&self, referrer: &Referrer, subject: &Digest) -> Result<Document, Error> {
        referrers::fetch(&self.origin, referrer, subject)
    }

    /// Asks the mirrors, and the registry when none of them has it.
    fn anywhere<T>(&self, by_digest: bool, ask: impl Fn(&Place) -> Result<T, Error>) -> Result<T, Error> {
        for (mirror, digests_only) in &self.mirrors {
            if *digests_only && !by_digest {
                continue;
            }
            match ask(mirror) {
                Ok(answer) => return Ok(answer),
                Err(error @ (Error::Offline { .. } | Error::Address { .. })) => return Err(error),
                Err(_) => {}
            }
        }
        ask(&self.origin)
    }
}

/// A blob that is being received.
pub struct Blob {
    body: Body,
    hasher: Option<Hasher>,
    digest: Digest,
    size: u64,
    received: u64,
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let n = self.body.read(buffer)?;
        self.received += n as u64;
        if n > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..n]);
            }
            return Ok(n);
        }
        let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        if self.received != self.size {
            return Err(wrong(format!(
                "the blob sha256:{} has {} bytes, and {} were announced",
                self.digest, self.received, self.size
            )));
        }
        match self.hasher.take().map(Hasher::finish) {
            Some(actual) if actual != self.digest => Err(wrong(format!(
                "the blob is not what was asked for: expected sha256:{}, got sha256:{actual}",
                self.digest
            ))),
            _ => Ok(0),
        }
    }
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blob").field("digest", &self.digest).field("received", &self.received).finish_non_exhaustive()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)
    }
}
