//! Foreign file formats, in and out. Bytes in, types out, and the other way round: no file, network or clock.

pub mod archive;
pub mod gitlab;
pub mod layer;
pub mod lock;
pub mod oci;
pub mod sarif;
