//! The Merkle tree of RFC 6962, section 2: hashes, roots, inclusion and consistency proofs.

use provost_model::{Digest, Hasher, sha256};

use crate::{Limits, TlogError};

/// The root of the empty tree: SHA-256 of nothing.
pub fn empty_root() -> Digest {
    sha256(b"")
}

/// The hash of a leaf: SHA-256(0x00 ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&[0]);
    hasher.update(entry);
    hasher.finish()
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left.as_bytes());
    bytes[33..].copy_from_slice(right.as_bytes());
    sha256(&bytes)
}

/// Gives the hash of a complete subtree: the one over leaves `index · 2^level` to `(index + 1) · 2^level`.
pub trait Nodes {
    /// The hash of that subtree.
    ///
    /// # Errors
    /// The subtree is not within the tree, or could not be read.
    fn node(&self, level: u32, index: u64) -> Result<Digest, TlogError>;
}

/// The largest power of two smaller than `n`; `n` is at least 2.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The hash over leaves `start..end` where the range is one that RFC 6962's splits can reach.
fn range_hash(nodes: &dyn Nodes, start: u64, end: u64) -> Result<Digest, TlogError> {
    let n = end - start;
    if n.is_power_of_two() && start.is_multiple_of(n) {
        return nodes.node(n.trailing_zeros(), start / n);
    }
    let k = split(n);
    Ok(node_hash(&range_hash(nodes, start, start + k)?, &range_hash(nodes, start + k, end)?))
}

/// The root of the first `size` leaves.
///
/// # Errors
/// A node could not be read.
pub fn subtree_root(nodes: &dyn Nodes, size: u64) -> Result<Digest, TlogError> {
    if size == 0 { Ok(empty_root()) } else { range_hash(nodes, 0, size) }
}

/// The root over some leaf hashes.
pub fn root_of(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        _ => {
            let mut level = leaves.to_vec();
            // Pairing neighbours and carrying the odd one up gives RFC 6962's tree: its left part is always the
            // largest complete one.
            while level.len() > 1 {
                level = level
                    .chunks(2)
                    .map(|pair| if let [left, right] = pair { node_hash(left, right) } else { pair[0] })
                    .collect();
            }
            level[0]
        }
    }
}

/// The inclusion proof for leaf `index` in the tree of `size` leaves (RFC 6962, section 2.1.1): sibling hashes from
/// the leaf upwards.
///
/// # Errors
/// The index is not in the tree, or a node could not be read.
pub fn inclusion_proof(nodes: &dyn Nodes, index: u64, size: u64) -> Result<Vec<Digest>, TlogError> {
    if index >= size || size > Limits::TREE {
        return Err(TlogError::OutOfRange(format!("entry {index} is not in a tree of {size}")));
    }
    let (mut start, mut end) = (0, size);
    let mut downwards = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            downwards.push((middle, end));
            end = middle;
        } else {
            downwards.push((start, middle));
            start = middle;
        }
    }
    downwards.into_iter().rev().map(|(start, end)| range_hash(nodes, start, end)).collect()
}

/// The proof that the tree of `old` leaves is a prefix of the tree of `new` leaves (RFC 6962, section 2.1.2).
///
/// # Errors
/// `old` is zero or larger than `new`, or a node could not be read.
pub fn consistency_proof(nodes: &dyn Nodes, old: u64, new: u64) -> Result<Vec<Digest>, TlogError> {
    if old > new || new > Limits::TREE {
        return Err(TlogError::OutOfRange(format!("no consistency proof leads from size {old} to {new}")));
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, new);
    let mut downwards = Vec::new();
    // Walk to the subtree that ends where the old tree ends.
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            downwards.push((middle, end));
            end = middle;
        } else {
            downwards.push((start, middle));
            start = middle;
        }
    }
    if start != 0 {
        downwards.push((start, end));
    }
    downwards.into_iter().rev().map(|(start, end)| range_hash(nodes, start, end)).collect()
}

/// Verifies an inclusion proof (RFC 9162, section 2.1.3.2).
///
/// # Errors
/// The index is not in the tree, the proof has the wrong length, or it leads to another root.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), TlogError> {
    const WHAT: &str = "inclusion proof";
    if index >= size || size > Limits::TREE {
        return Err(TlogError::OutOfRange(format!("entry {index} is not in a tree of {size}")));
    }
    let wrong_length = TlogError::WrongLength { what: WHAT, found: proof.len() };
    let (mut f, mut s) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if s == 0 {
            return Err(wrong_length);
        }
        if f & 1 == 1 || f == s {
            hash = node_hash(sibling, &hash);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        f >>= 1;
        s >>= 1;
    }
    if s != 0 {
        return Err(wrong_length);
    }
    if hash == *root { Ok(()) } else { Err(TlogError::WrongRoot { what: WHAT, expected: *root, found: hash }) }
}

/// Verifies that `old_root` over `old` leaves is a prefix of `new_root` over `new` leaves (RFC 9162, section 2.1.4.2).
/// The empty tree is a prefix of every tree: asking for a proof of that is refused as a mistake.
///
/// # Errors
/// Sizes that cannot be, a proof of the wrong length, or one that leads to other roots.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Digest,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), TlogError> {
    const WHAT: &str = "consistency proof";
    if old > new || new > Limits::TREE {
        return Err(TlogError::OutOfRange(format!("a log cannot shrink from size {old} to {new}")));
    }
    let wrong_length = TlogError::WrongLength { what: WHAT, found: proof.len() };
    let same = |expected: &Digest, found: Digest| {
        if *expected == found { Ok(()) } else { Err(TlogError::WrongRoot { what: WHAT, expected: *expected, found }) }
    };
    if old == 0 {
        return Err(TlogError::OutOfRange("a consistency proof from the empty log proves nothing".into()));
    }
    if old == new {
        return if proof.is_empty() { same(new_root, *old_root) } else { Err(wrong_length) };
    }
    // Where the old size is a power of two, the old root is itself the first node and is left out of the proof.
    let (first, rest) = if old.is_power_of_two() {
        (*old_root, proof)
    } else {
        let Some((first, rest)) = proof.split_first() else { return Err(wrong_length) };
        (*first, rest)
    };
    let (mut f, mut s) = (old - 1, new - 1);
    while f & 1 == 1 {
        f >>= 1;
        s >>= 1;
    }
    let (mut old_hash, mut new_hash) = (first, first);
    for node in rest {
        if s == 0 {
            return Err(wrong_length);
        }
        if f & 1 == 1 || f == s {
            old_hash = node_hash(node, &old_hash);
            new_hash = node_hash(node, &new_hash);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, node);
        }
        f >>= 1;
        s >>= 1;
    }
    if s != 0 {
        return Err(wrong_length);
    }
    same(old_root, old_hash)?;
    same(new_root, new_hash)
}
