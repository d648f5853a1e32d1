//! The crate against foreign vectors, and documents made from inventories.

mod cyclonedx;
mod forge;
mod hostile;
mod mutated;
mod rustsec;
mod sample;
mod sbom;
mod vex;
