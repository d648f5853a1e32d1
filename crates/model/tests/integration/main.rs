//! The crate against foreign vectors.

mod purl;
