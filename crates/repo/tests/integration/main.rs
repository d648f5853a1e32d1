//! Repositories held against git itself.
#![allow(clippy::print_stderr)]

mod signature;
mod view;
