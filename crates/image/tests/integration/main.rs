//! Images built here, each hostile trick by name, and real ones where they lie beside the checkout.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod build;
mod documents;
mod facts;
mod hostile;
mod layers;
mod limits;
mod real;
mod registry;
mod sources;
