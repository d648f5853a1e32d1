//! The only outgoing HTTP client: every connection that provost opens to fetch something is opened here.
//!
//! Answers have a largest size and a longest time, redirects are few and carry no credentials to another place, plain HTTP
//! is for loopback alone unless a host is named, proxies are used when asked for, and one switch refuses everything.
//! [`registry`] speaks the OCI distribution protocol on top of it.

mod address;
mod body;
mod client;
mod credentials;
mod error;
pub mod registry;

pub use address::Address;
pub use body::Body;
pub use client::{Client, Options, Response, Roots};
pub use credentials::{Credentials, DockerConfig, Secret};
pub use error::Error;
