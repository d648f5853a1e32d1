//! What an image may cost.

use provost_formats::{layer, oci};

/// Every limit on an image. Reaching one ends in a partial result that says so.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Of manifests, indexes and configurations.
    pub documents: oci::Limits,
    /// Of the headers of a layer.
    pub headers: layer::Limits,
    /// Indexes within one another. 4.
    pub nesting: usize,
    /// Members of an archive that holds an image. 100,000.
    pub members: usize,
    /// A compressed archive is held in memory up to so many bytes unpacked; a larger one is unpacked again for each
    /// layer that does not follow the one before. 64 MiB.
    pub in_memory: u64,
    /// Entries of all layers. 2,000,000.
    pub entries: usize,
    /// Bytes of a path. 4,096.
    pub path: usize,
    /// Parts of a path. 256.
    pub depth: usize,
    /// Look-ups in the merged tree while it is put together: a part of a path is one. 100,000,000.
    pub steps: u64,
    /// Bytes that may come out of all layers, and, counted apart, of all files with the holes of sparse ones. 64 GiB.
    pub unpacked: u64,
    /// How many times its size a layer may unpack to, once more than [`ratio_from`](Self::ratio_from) came out. 200.
    pub ratio: u64,
    /// Bytes that may come out of a layer whatever its size. 1 GiB.
    pub ratio_from: u64,
    /// Bytes of one file that is kept. 256 MiB.
    pub kept_file: u64,
    /// Bytes of all files that are kept at one time. 512 MiB.
    pub kept: u64,
    /// Symbolic links that are followed for one path, as Linux does. 40.
    pub links: usize,
    /// Problems that are listed; all are counted. 10,000.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            documents: oci::Limits::default(),
            headers: layer::Limits::default(),
            nesting: 4,
            members: 100_000,
            in_memory: 64 << 20,
            entries: 2_000_000,
            path: 4_096,
            depth: 256,
            steps: 100_000_000,
            unpacked: 64 << 30,
            ratio: 200,
            ratio_from: 1 << 30,
            kept_file: 256 << 20,
            kept: 512 << 20,
            links: 40,
            problems: 10_000,
        }
    }
}
