//! A transparency log without I/O: Merkle trees and proofs (RFC 6962, RFC 9162), tiles (C2SP tlog-tiles),
//! signed notes, checkpoints, cosignatures and offline proofs (C2SP signed-note, tlog-checkpoint, tlog-cosignature,
//! tlog-proof).
//!
//! Callers bring the bytes and keep them; everything here is a pure function of its arguments.

mod checkpoint;
mod error;
mod frontier;
mod merkle;
mod note;
mod proof;
mod tile;

pub use checkpoint::{Checkpoint, Cosignature, SignedCheckpoint, cosign};
pub use error::TlogError;
pub use frontier::Frontier;
pub use merkle::{
    Nodes, consistency_proof, empty_root, inclusion_proof, leaf_hash, node_hash, root_of, subtree_root,
    verify_consistency, verify_inclusion,
};
pub use note::{Note, NoteKey, NoteKeyKind, NoteSignature};
pub use proof::LogProof;
pub use tile::{
    Growth, LeafNodes, TileNodes, TilePath, TileReader, decode_entries, encode_entry, entry_tile_path, grow,
    hashes_of_tile,
};

/// Limits on foreign bytes. Each is tested.
pub struct Limits;

impl Limits {
    /// A signed note, in bytes. Sixteen post-quantum signatures must fit (C2SP signed-note).
    pub const NOTE: usize = 256 * 1024;
    /// Signature lines that are looked at; more make the note malformed.
    pub const SIGNATURES: usize = 64;
    /// Hashes in one proof: a tree of 2⁶³ leaves needs no more.
    pub const PROOF: usize = 63;
    /// The largest tree.
    pub const TREE: u64 = 1 << 62;
    /// One entry (C2SP tlog-tiles: a big-endian uint16 length).
    pub const ENTRY: usize = 65_535;
    /// Hashes in a full tile (C2SP tlog-tiles).
    pub const TILE_WIDTH: u64 = 256;
}
