//! Foreign file formats, in and out. Bytes in, types out, and the other way round: no file, network or clock.

pub mod archive;
pub mod cvss;
pub mod gitlab;
mod json;
pub mod licence;
pub mod lock;
pub mod sarif;
pub mod sbom;
pub mod vex;
