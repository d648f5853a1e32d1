//! The client: one request, its redirects, its answer.

use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Proxy};

use provost_model::printable;

use crate::address::Address;
use crate::body::Body;
use crate::credentials::Secret;
use crate::error::Error;

/// Whom the client trusts to vouch for a server's name.
#[derive(Debug, Clone, Default)]
pub enum Roots {
    /// The authorities that Mozilla trusts, as of this build.
    #[default]
    Mozilla,
    /// The authorities of a PEM file's content, and no others: the system's bundle, a company's own authority.
    Pem(Vec<u8>),
}

/// What the client may do and for how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// Refuse every request.
    pub offline: bool,
    /// Hosts (with a port where it is not 80) that may be asked over plain HTTP. Loopback may be always.
    pub plain_http: Vec<String>,
    /// Redirects that are followed. 5.
    pub redirects: u32,
    /// To find the host and connect. 10 s.
    pub connect: Duration,
    /// From the request to the head of the answer. 30 s.
    pub answer: Duration,
    /// Between two pieces of the answer. 30 s.
    pub idle: Duration,
    /// For all of it. 2 h.
    pub total: Duration,
    /// Once a minute was spent waiting for a body, so many bytes a second must have come. 1,024.
    pub least: u64,
    /// Bytes of the head of an answer. 64 KiB.
    pub head: usize,
    /// Go through the proxy that the environment names (`HTTPS_PROXY`, `NO_PROXY`).
    pub proxy: bool,
    /// Whom to trust.
    pub roots: Roots,
    /// How it introduces itself.
    pub user_agent: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            offline: false,
            plain_http: Vec::new(),
            redirects: 5,
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(2 * 60 * 60),
            least: 1_024,
            head: 64 << 10,
            proxy: false,
            roots: Roots::Mozilla,
            user_agent: concat!("provost/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// For how long a body may come slowly.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of an answer that is an error, of which people are told.
const MESSAGE: u64 = 16 << 10;

/// The client. Copies share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    options: Arc<Options>,
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Where it came from at last, redirects followed.
    pub address: Address,
    headers: Vec<(String, String)>,
    body: Body,
}

/// A request of this crate's own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request<'a> {
    pub(crate) accept: &'a str,
    pub(crate) authorization: Option<&'a Secret>,
    /// Bytes of the answer.
    pub(crate) limit: u64,
    /// A form to post, instead of getting.
    pub(crate) form: Option<&'a Secret>,
}

impl Client {
    /// Sets a client up.
    ///
    /// # Errors
    /// The roots are no certificates, or the environment names a proxy that is none.
    pub fn new(options: Options) -> Result<Self, Error> {
        let roots = match &options.roots {
            Roots::Mozilla => RootCerts::WebPki,
            Roots::Pem(pem) => {
                let mut certificates: Vec<Certificate<'static>> = Vec::new();
                for item in parse_pem(pem) {
                    match item.map_err(|error| Error::Setup(format!("the authorities cannot be read: {error}")))? {
                        PemItem::Certificate(certificate) => certificates.push(certificate),
                        _ => return Err(Error::Setup("the authorities hold something that is no certificate".into())),
                    }
                }
                if certificates.is_empty() {
                    return Err(Error::Setup("the authorities hold no certificate".into()));
                }
                RootCerts::Specific(Arc::new(certificates))
            }
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let proxy = if options.proxy { Proxy::try_from_env() } else { None };
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(options.user_agent.clone())
            .max_response_header_size(options.head)
            .timeout_connect(Some(options.connect))
            .timeout_resolve(Some(options.connect))
            .timeout_recv_response(Some(options.answer))
            .timeout_per_read(Some(options.idle))
            .timeout_per_write(Some(options.idle))
            .timeout_global(Some(options.total))
            .build();
        Ok(Self { agent: config.new_agent(), options: Arc::new(options) })
    }

    /// What it was set up with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Gets something without credentials: at most so many bytes of it. An answer of any status is given back.
    ///
    /// # Errors
    /// Offline, an address that may not be asked, no answer.
    pub fn get(&self, url: &str, accept: &str, limit: u64) -> Result<Response, Error> {
        let address = self.allowed(url.parse()?)?;
        self.send(&address, &Request { accept, limit, ..Request::default() })
    }

    /// True when plain HTTP may be spoken with a host.
    pub(crate) fn may_be_plain(&self, address: &Address) -> bool {
        let authority = address.authority();
        address.is_loopback() || self.options.plain_http.iter().any(|host| host.eq_ignore_ascii_case(&authority))
    }

    /// Refuses plain HTTP where it is not allowed.
    pub(crate) fn allowed(&self, address: Address) -> Result<Address, Error> {
        if !address.is_secure() && !self.may_be_plain(&address) {
            let why = "plain HTTP is for this machine alone, unless the host is named among those that may speak it";
            return Err(Error::Refused { url: address.to_string(), why: why.into() });
        }
        Ok(address)
    }

    /// Sends a request and follows redirects. Credentials go to the first place alone, and a form is never sent on.
    pub(crate) fn send(&self, address: &Address, request: &Request<'_>) -> Result<Response, Error> {
        let first = address.to_string();
        let mut address = self.allowed(address.clone())?;
        let mut authorization = request.authorization;
        for _ in 0..=self.options.redirects {
            let answer = self.once(&address, request, authorization)?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let broken = |why: &str| Error::Protocol { url: address.to_string(), why: why.to_owned() };
            let location = answer.header("location").ok_or_else(|| broken("a redirect to nowhere"))?;
            let next = address.join(location)?;
            if request.form.is_some() {
                return Err(broken("credentials were to be sent on to another place"));
            }
            if address.is_secure() && !next.is_secure() {
                let why = format!("{address} sends there from HTTPS to plain HTTP");
                return Err(Error::Refused { url: next.to_string(), why });
            }
            if next.is_loopback() && !address.is_loopback() {
                let why = format!("{address} sends there, and it is this machine");
                return Err(Error::Refused { url: next.to_string(), why });
            }
            let next = self.allowed(next)?;
            if !next.is_same_origin(&address) {
                authorization = None;
            }
            address = next;
        }
        Err(Error::Redirects { url: first, limit: self.options.redirects })
    }

    fn once(
        &self,
        address: &Address,
        request: &Request<'_>,
        authorization: Option<&Secret>,
    ) -> Result<Response, Error> {
        let url = address.to_string();
        if self.options.offline {
            return Err(Error::Offline { url });
        }
        let failed = |error: ureq::Error| Error::Transport { url: url.clone(), why: reason(&error, &self.options) };
        let whole = address.whole();
        let secret = |secret: &Secret| {
            let mut value = ureq::http::HeaderValue::from_str(secret.expose()).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        let header = match authorization {
            Some(authorization) => Some(secret(authorization).ok_or_else(|| Error::Refused {
                url: url.clone(),
                why: "the credentials have characters that cannot be sent".into(),
            })?),
            None => None,
        };
        let answer = match request.form {
            None => {
                let mut builder =
                    self.agent.get(&whole).header("accept", request.accept).header("accept-encoding", "identity");
                if let Some(header) = header {
                    builder = builder.header("authorization", header);
                }
                builder.call()
            }
            Some(form) => self
                .agent
                .post(&whole)
                .header("accept", request.accept)
                .header("content-type", "application/x-www-form-urlencoded")
                .send(form.expose()),
        };
        let (parts, body) = answer.map_err(failed)?.into_parts();
        let status = parts.status.as_u16();
        let is_error = !(200..300).contains(&status);
        let limit = if is_error { request.limit.min(MESSAGE) } else { request.limit };
        if !is_error && body.content_length().is_some_and(|length| length > limit) {
            return Err(Error::TooLarge { url, limit });
        }
        let text = |value: &ureq::http::HeaderValue| value.to_str().map(str::to_owned).unwrap_or_default();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let body = Body::new(Box::new(body.into_reader()), limit, PATIENCE, self.options.least);
        Ok(Response { status, address: address.clone(), headers, body })
    }
}

impl Response {
    /// The first header of a name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All headers of a name, in lower case.
    pub fn headers<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Its body as it is received.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// All of its body.
    ///
    /// # Errors
    /// It is larger than asked for, comes too slowly, or is cut.
    pub fn bytes(mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut self.body, &mut bytes)
            .map_err(|error| Error::Transport { url: self.address.to_string(), why: printable(&error.to_string()) })?;
        Ok(bytes)
    }

    /// Itself, when its status is one of success.
    ///
    /// # Errors
    /// It is not: with what the server says of it.
    pub fn success(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let (url, status) = (self.address.to_string(), self.status);
        if status == 404 {
            return Err(Error::NotFound { url });
        }
        let message = self.bytes().map(|bytes| message(&bytes)).unwrap_or_default();
        Err(Error::Status { url, status, message })
    }
}

/// What an answer says is wrong: a registry's messages, or else its first line.
fn message(bytes: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let text = match serde_json::from_slice::<Errors>(bytes) {
        Ok(errors) => {
            let one = |error: &One| format!("{} {}", error.code, error.message).trim().to_owned();
            errors.errors.iter().take(3).map(one).collect::<Vec<_>>().join("; ")
        }
        Err(_) => {
            let text = String::from_utf8_lossy(bytes);
            let line = text.lines().next().unwrap_or_default();
            if line.contains('<') { String::new() } else { line.to_owned() }
        }
    };
    printable(&text.chars().take(200).collect::<String>())
}

/// Why there is no answer, in words.
fn reason(error: &ureq::Error, options: &Options) -> String {
    let seconds = |duration: Duration| format!("{} s", duration.as_secs_f32());
    match error {
        ureq::Error::HostNotFound => "no such host".to_owned(),
        ureq::Error::Timeout(which) => {
            use ureq::Timeout;
            match which {
                Timeout::Resolve | Timeout::Connect => format!("no connection within {}", seconds(options.connect)),
                Timeout::RecvResponse => format!("no answer within {}", seconds(options.answer)),
                Timeout::Global | Timeout::PerCall => format!("not finished within {}", seconds(options.total)),
                other => format!("timed out ({other})"),
            }
        }
        other => {
            let mut text = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(error) = source {
                let more = error.to_string();
                if !text.contains(&more) {
                    text = format!("{text}: {more}");
                }
                source = error.source();
            }
            printable(&text)
        }
    }
}
