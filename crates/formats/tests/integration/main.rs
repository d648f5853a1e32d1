//! The crate against foreign vectors, and documents made from inventories.

mod cyclonedx;
mod sample;
mod sbom;
