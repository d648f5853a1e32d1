//! The evidence store: an append-only log (RFC 6962, C2SP tiles) of signed envelopes, in a directory.
//!
//! ```text
//! store/
//!   format              "provost evidence store 1"
//!   log.vkey            the log's verifier key (C2SP signed-note)
//!   log/checkpoint      the newest signed checkpoint: replacing it is what commits an append
//!   log/tile/…          hash tiles and entry tiles (C2SP tlog-tiles)
//!   packs/<first>.jsonl the envelopes of one append, one a line
//!   blobs/<xx>/<sha256> file lists and other large content, named by digest
//!   index.sqlite        look-up by subject; rebuilt from the rest when it is lost or late
//!   lock, tmp/
//! ```
//!
//! An append writes pack, tiles and then the checkpoint, each to a temporary file that is synced and renamed. What a
//! crash leaves behind lies beyond the checkpoint: nobody reads it, and the next append writes over it.

mod batch;
mod durable;
mod error;
#[doc(hidden)]
pub mod fault;
mod fsck;
mod index;
mod memory;
mod packs;
mod recall;
mod store;

pub use batch::Batcher;
pub use durable::lock;
pub use error::EvidenceError;
pub use fsck::{Defect, FsckReport};
pub use index::RecordRow;
pub use memory::{CheckpointMemory, Seen};
pub use packs::PackPart;
pub use recall::Recall;
pub use store::{LogFolder, NewRecord, Receipt, Store};

/// Limits of the store.
pub struct Limits;

impl Limits {
    /// A file of the store that is read into memory, in bytes.
    pub const FILE: u64 = 1024 * 1024 * 1024;
    /// Records of one append.
    pub const BATCH: usize = 4096;
}
