//! What can go wrong with a request.

use provost_model::Digest;

/// Why something could not be fetched. Addresses are without their queries: those may hold credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The switch is set.
    #[error("offline: {url} was not asked; nothing is fetched while offline")]
    Offline {
        /// What would have been asked.
        url: String,
    },
    /// It is no address.
    #[error("`{text}` is not an address that can be asked: {why}")]
    Address {
        /// The text, cut to 200 characters.
        text: String,
        /// Why.
        why: &'static str,
    },
    /// A rule forbids the request.
    #[error("{url} was not asked: {why}")]
    Refused {
        /// What would have been asked.
        url: String,
        /// Which rule.
        why: String,
    },
    /// No answer, or not all of it.
    #[error("{url}: {why}")]
    Transport {
        /// What was asked.
        url: String,
        /// Why.
        why: String,
    },
    /// Too many redirects.
    #[error("{url}: more than {limit} redirects")]
    Redirects {
        /// What was asked first.
        url: String,
        /// The limit.
        limit: u32,
    },
    /// It is not there.
    #[error("{url}: not found")]
    NotFound {
        /// What was asked.
        url: String,
    },
    /// An answer that is none of success.
    #[error("{url}: status {status}{}", if message.is_empty() { String::new() } else { format!(" ({message})") })]
    Status {
        /// What was asked.
        url: String,
        /// The status.
        status: u16,
        /// What the server says of it, printable and cut.
        message: String,
    },
    /// The answer is larger than allowed.
    #[error("{url}: the answer has more than {limit} bytes")]
    TooLarge {
        /// What was asked.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The answer is not what was asked for.
    #[error("{what} is not what was asked for: expected sha256:{expected}, got sha256:{actual}")]
    Mismatch {
        /// What.
        what: String,
        /// The digest that it should have.
        expected: Digest,
        /// The digest that it has.
        actual: Digest,
    },
    /// The server wants to know who asks, and is not told.
    #[error("{registry}: {why}")]
    Authentication {
        /// The registry.
        registry: String,
        /// Why.
        why: String,
    },
    /// The answer breaks the protocol.
    #[error("{url}: {why}")]
    Protocol {
        /// What was asked.
        url: String,
        /// How.
        why: String,
    },
    /// The client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
}
