//! The client and the registry protocol against servers on loopback that do what no honest server does.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod client;
mod referrers;
mod registry;
mod server;
mod tls;
