//! The crate against foreign vectors, and documents made from inventories.

mod cyclonedx;
mod forge;
mod hostile;
mod mutated;
mod sample;
mod sbom;
mod vex;
