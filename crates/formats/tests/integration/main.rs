//! The crate against foreign vectors, and documents made from inventories.

mod cyclonedx;
mod hostile;
mod sample;
mod sbom;
mod vex;
