//! Tiles (C2SP tlog-tiles v0.1.0): where hashes and entries lie, how a log grows, how proofs are read from tiles.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use provost_model::Digest;

use crate::merkle::{Nodes, node_hash, root_of};
use crate::{Limits, TlogError};

const WIDTH: u64 = Limits::TILE_WIDTH;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Entries,
    Hashes(u8),
}

/// The path of a tile below the log's prefix: `tile/<level>/<number>[.p/<width>]` or `tile/entries/…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TilePath {
    kind: Kind,
    number: u64,
    width: u16,
}

impl TilePath {
    /// The hash tile at a level; `width` is 1 to 256, 256 being a full tile.
    ///
    /// # Errors
    /// A level over 7, a number over 2⁵⁴, or a width out of range.
    pub fn hashes(level: u8, number: u64, width: u64) -> Result<Self, TlogError> {
        Self::new(Kind::Hashes(level), number, width)
    }

    fn new(kind: Kind, number: u64, width: u64) -> Result<Self, TlogError> {
        let level_fits = !matches!(kind, Kind::Hashes(level) if level > 7);
        let width = u16::try_from(width).ok().filter(|w| (1..=256).contains(w));
        match width {
            Some(width) if level_fits && number <= Limits::TREE / WIDTH => Ok(Self { kind, number, width }),
            _ => Err(TlogError::OutOfRange("there is no such tile".into())),
        }
    }

    /// Number of hashes or entries in it.
    pub fn width(&self) -> u64 {
        self.width.into()
    }

    /// True when it holds 256.
    pub fn is_full(&self) -> bool {
        self.width == 256
    }

    /// The full tile at the same place.
    #[must_use]
    pub fn full(mut self) -> Self {
        self.width = 256;
        self
    }

    /// True for a tile of entries.
    pub fn is_entries(&self) -> bool {
        self.kind == Kind::Entries
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Entries => f.write_str("tile/entries/")?,
            Kind::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = vec![self.number % 1000];
        let mut rest = self.number / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (i, group) in groups.iter().enumerate().rev() {
            if i > 0 { write!(f, "x{group:03}/")? } else { write!(f, "{group:03}")? }
        }
        if self.width < 256 { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for TilePath {
    type Err = TlogError;

    fn from_str(text: &str) -> Result<Self, TlogError> {
        let bad = || TlogError::malformed("tile path", text.chars().take(80).collect::<String>());
        if text.len() > 128 {
            return Err(bad());
        }
        let (kind, rest) = text.strip_prefix("tile/").and_then(|t| t.split_once('/')).ok_or_else(bad)?;
        let kind = if kind == "entries" {
            Kind::Entries
        } else {
            Kind::Hashes(crate::checkpoint::parse_number(kind).and_then(|n| u8::try_from(n).ok()).ok_or_else(bad)?)
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => {
                let width = crate::checkpoint::parse_number(width).filter(|w| (1..=255).contains(w)).ok_or_else(bad)?;
                (number, width)
            }
            None => (rest, WIDTH),
        };
        let mut value: u64 = 0;
        for part in number.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(bad());
            }
            let group: u64 = digits.parse().map_err(|_| bad())?;
            value = value.checked_mul(1000).and_then(|v| v.checked_add(group)).ok_or_else(bad)?;
        }
        let path = Self::new(kind, value, width).map_err(|_| bad())?;
        // One spelling only: leading zero groups and missing `x` are refused.
        if path.to_string() == text { Ok(path) } else { Err(bad()) }
    }
}

/// The tile of entries that holds entry `index` in a log of `size` entries.
///
/// # Errors
/// The index is not in the log.
pub fn entry_tile_path(index: u64, size: u64) -> Result<TilePath, TlogError> {
    if index >= size {
        return Err(TlogError::OutOfRange(format!("entry {index} is not in a log of {size}")));
    }
    let number = index / WIDTH;
    TilePath::new(Kind::Entries, number, (size - number * WIDTH).min(WIDTH))
}

/// Appends an entry to an entry tile's bytes: big-endian uint16 length, then the bytes.
///
/// # Errors
/// The entry is longer than 65,535 bytes.
pub fn encode_entry(tile: &mut Vec<u8>, entry: &[u8]) -> Result<(), TlogError> {
    let length = u16::try_from(entry.len())
        .map_err(|_| TlogError::TooLarge { what: "a log entry", limit: Limits::ENTRY as u64 })?;
    tile.extend(length.to_be_bytes());
    tile.extend(entry);
    Ok(())
}

/// The entries of an entry tile.
///
/// # Errors
/// The bytes end within an entry, or there are more than 256 entries.
pub fn decode_entries(mut tile: &[u8]) -> Result<Vec<&[u8]>, TlogError> {
    let whole = tile.len();
    let mut entries = Vec::new();
    while !tile.is_empty() {
        let cut = |rest: &[u8]| {
            TlogError::malformed("entry tile", format!("it ends within entry at byte {}", whole - rest.len()))
        };
        let (length, rest) = tile.split_first_chunk::<2>().ok_or_else(|| cut(tile))?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, rest) = rest.split_at_checked(length).ok_or_else(|| cut(tile))?;
        entries.push(entry);
        if entries.len() as u64 > WIDTH {
            return Err(TlogError::malformed("entry tile", "it holds more than 256 entries"));
        }
        tile = rest;
    }
    Ok(entries)
}

/// The hashes of a hash tile.
///
/// # Errors
/// Not a whole number of 32-byte hashes, none, or more than 256.
pub fn hashes_of_tile(bytes: &[u8]) -> Result<Vec<Digest>, TlogError> {
    let (chunks, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || chunks.is_empty() || chunks.len() as u64 > WIDTH {
        return Err(TlogError::malformed("hash tile", format!("{} bytes are not 1 to 256 hashes", bytes.len())));
    }
    Ok(chunks.iter().map(|chunk| Digest::from_bytes(*chunk)).collect())
}

/// Gives the bytes of a tile.
pub trait TileReader {
    /// The bytes of the tile at this path.
    ///
    /// # Errors
    /// The tile is not there or cannot be read.
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, TlogError>;
}

/// The nodes of a tree of `size` leaves, read from its tiles.
pub struct TileNodes<'a> {
    reader: &'a dyn TileReader,
    size: u64,
    tiles: RefCell<HashMap<(u8, u64), Vec<Digest>>>,
    /// Nodes inside tiles that were computed: the proofs of one batch share most of theirs.
    nodes: RefCell<HashMap<(u32, u64), Digest>>,
}

impl<'a> TileNodes<'a> {
    /// Nodes of the tree that a verified checkpoint of that size commits to.
    pub fn new(reader: &'a dyn TileReader, size: u64) -> Self {
        Self { reader, size, tiles: RefCell::default(), nodes: RefCell::default() }
    }

    fn hash(&self, level: u8, index: u64) -> Result<Option<Digest>, TlogError> {
        let (number, at) = (index / WIDTH, (index % WIDTH) as usize);
        if let Some(hashes) = self.tiles.borrow().get(&(level, number)) {
            return Ok(hashes.get(at).copied());
        }
        Ok(self.hashes(level, number)?.get(at).copied())
    }

    fn hashes(&self, level: u8, number: u64) -> Result<Vec<Digest>, TlogError> {
        let path = hash_tile_at(level, number, self.size)?;
        let mut hashes = hashes_of_tile(&self.reader.tile(&path)?)?;
        if (hashes.len() as u64) < path.width() {
            let why = format!("{path} holds {} hashes", hashes.len());
            return Err(TlogError::malformed("hash tile", why));
        }
        hashes.truncate(path.width() as usize);
        self.tiles.borrow_mut().insert((level, number), hashes.clone());
        Ok(hashes)
    }
}

/// The tile at this place, as wide as a tree of `size` leaves has it.
fn hash_tile_at(level: u8, number: u64, size: u64) -> Result<TilePath, TlogError> {
    let at_level = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
    let before = number.saturating_mul(WIDTH);
    if before >= at_level {
        return Err(TlogError::OutOfRange(format!("a tree of {size} has no tile {number} at level {level}")));
    }
    TilePath::hashes(level, number, (at_level - before).min(WIDTH))
}

impl Nodes for TileNodes<'_> {
    fn node(&self, level: u32, index: u64) -> Result<Digest, TlogError> {
        let outside =
            || TlogError::OutOfRange(format!("node {index} of level {level} is not in a tree of {}", self.size));
        let tile_level = u8::try_from(level / 8).map_err(|_| outside())?;
        if level.is_multiple_of(8) {
            return self.hash(tile_level, index)?.ok_or_else(outside);
        }
        if let Some(known) = self.nodes.borrow().get(&(level, index)) {
            return Ok(*known);
        }
        let left = index.checked_mul(2).ok_or_else(outside)?;
        let node = node_hash(&self.node(level - 1, left)?, &self.node(level - 1, left + 1)?);
        self.nodes.borrow_mut().insert((level, index), node);
        Ok(node)
    }
}

/// Nodes over leaf hashes in memory.
pub struct LeafNodes<'a>(pub &'a [Digest]);

impl Nodes for LeafNodes<'_> {
    fn node(&self, level: u32, index: u64) -> Result<Digest, TlogError> {
        let width = 1_usize.checked_shl(level);
        let range = width.and_then(|w| usize::try_from(index).ok()?.checked_mul(w).map(|start| (start, w)));
        let part = range.and_then(|(start, w)| self.0.get(start..start.checked_add(w)?));
        part.map(root_of)
            .ok_or_else(|| TlogError::OutOfRange(format!("node {index} of level {level} is not in the tree")))
    }
}

/// What appending does: the tiles to write, and the new root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// Hash tiles that are new or wider, full ones and the partial ones at the right edge.
    pub tiles: Vec<(TilePath, Vec<u8>)>,
    /// Number of leaves afterwards.
    pub size: u64,
    /// The root afterwards.
    pub root: Digest,
}

/// Appends leaf hashes to a tree of `size` leaves whose tiles `reader` gives.
///
/// # Errors
/// A tile at the right edge cannot be read, or the tree would be too large.
pub fn grow(reader: &dyn TileReader, size: u64, leaves: &[Digest]) -> Result<Growth, TlogError> {
    let new_size = size + leaves.len() as u64;
    if new_size > Limits::TREE {
        return Err(TlogError::TooLarge { what: "the tree size", limit: Limits::TREE });
    }
    let nodes = TileNodes::new(reader, size);
    let mut tiles = Vec::new();
    // For each level, the hashes of its last, partial tile: together the frontier that the root is made of.
    let mut edges: Vec<Vec<Digest>> = Vec::new();
    let mut added = leaves.to_vec();
    let mut level = 0_u8;
    loop {
        let shift = 8 * u32::from(level);
        let before = size.checked_shr(shift).unwrap_or(0);
        if before == 0 && added.is_empty() {
            break;
        }
        let partial = before % WIDTH;
        let mut hashes = if partial > 0 { nodes.hashes(level, before / WIDTH)? } else { Vec::new() };
        let mut next = Vec::new();
        if !added.is_empty() {
            hashes.extend(added);
            for (number, chunk) in (before / WIDTH..).zip(hashes.chunks(WIDTH as usize)) {
                let path = TilePath::hashes(level, number, chunk.len() as u64)?;
                tiles.push((path, chunk.iter().flat_map(|hash| *hash.as_bytes()).collect()));
                if path.is_full() {
                    next.push(root_of(chunk));
                }
            }
            let full = hashes.len() - hashes.len() % WIDTH as usize;
            hashes.drain(..full);
        }
        edges.push(hashes);
        added = next;
        level += 1;
    }
    Ok(Growth { tiles, size: new_size, root: root_of_edges(&edges) })
}

/// Folds the frontier: per level (lowest first) the hashes right of the last full tile.
fn root_of_edges(edges: &[Vec<Digest>]) -> Digest {
    let mut root: Option<Digest> = None;
    for edge in edges {
        // Complete subtrees of this edge, left to right, folded from the right onto what lies below.
        let mut subtrees = Vec::new();
        let mut rest = edge.as_slice();
        while !rest.is_empty() {
            let width = 1 << rest.len().ilog2();
            let (head, tail) = rest.split_at(width);
            subtrees.push(root_of(head));
            rest = tail;
        }
        for subtree in subtrees.into_iter().rev() {
            root = Some(root.map_or(subtree, |right| node_hash(&subtree, &right)));
        }
    }
    root.unwrap_or_else(crate::merkle::empty_root)
}
