//! What foreign input may cost.

use std::time::Duration;

/// Every limit of a scan. Reaching one ends in a partial result that says so.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a file that are held at once; longer files are read in pieces. 8 MiB.
    pub piece: usize,
    /// Bytes by which pieces overlap, so that nothing is cut in two: the longest thing that a check can find in a file of
    /// several pieces. 64 KiB.
    pub overlap: usize,
    /// The largest file that is read, in bytes. 64 GiB.
    pub file: u64,
    /// How deep containers are opened in one another. 8.
    pub depth: usize,
    /// Members visited in one container. 200,000.
    pub members: usize,
    /// Bytes that may come out of all containers of one file. 4 GiB.
    pub unpacked: u64,
    /// Bytes that may come out of them for each byte of the file itself, once [`Limits::ratio_from`] came out. 200: what is
    /// packed in earnest rarely reaches 50.
    pub ratio: u64,
    /// So much may come out whatever the file's size, in bytes. 64 MiB.
    pub ratio_from: u64,
    /// A container that has to be held in memory to be read (a ZIP within another container), in bytes. 64 MiB.
    pub in_memory: usize,
    /// Findings kept of one file. 1,000.
    pub findings_of_file: usize,
    /// Findings kept in all. 200,000.
    pub findings: usize,
    /// Directories within directories. 256.
    pub directories: usize,
    /// Time for the whole scan; none by default.
    pub time: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            piece: 8 << 20,
            overlap: 64 << 10,
            file: 64 << 30,
            depth: 8,
            members: 200_000,
            unpacked: 4 << 30,
            ratio: 200,
            ratio_from: 64 << 20,
            in_memory: 64 << 20,
            findings_of_file: 1_000,
            findings: 200_000,
            directories: 256,
            time: None,
        }
    }
}
