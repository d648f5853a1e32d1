//! Foreign judges and properties for the log.

mod merkle;
mod notes;
mod tiles;
