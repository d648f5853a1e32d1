//! Foreign file formats, in and out. Bytes in, types out, and the other way round: no file, network or clock.

pub mod archive;
pub mod cvss;
pub mod forge;
pub mod gitlab;
mod json;
pub mod layer;
pub mod licence;
pub mod lock;
pub mod oci;
pub mod osv;
pub mod pipeline;
pub mod rustsec;
pub mod sarif;
pub mod sbom;
pub mod system;
pub mod version;
pub mod vex;
