//! Binaries.
