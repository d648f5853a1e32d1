//! The right edge of a growing tree: what is needed to go on from a state that was verified, without the leaves before it.

use provost_model::Digest;
use serde::{Deserialize, Serialize};

use crate::{empty_root, node_hash};

/// The complete subtrees of a tree, from the left: as many as its size has bits set (RFC 6962, section 2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    size: u64,
    parts: Vec<Digest>,
}

impl Frontier {
    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the hash of the next leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.parts.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.parts.push(hash);
        self.size += 1;
    }

    /// The root of the tree so far.
    pub fn root(&self) -> Digest {
        let mut parts = self.parts.iter().rev();
        let Some(last) = parts.next() else { return empty_root() };
        parts.fold(*last, |right, left| node_hash(left, &right))
    }

    /// Whether what was read from a file can be one at all.
    pub fn is_sound(&self) -> bool {
        self.parts.len() == self.size.count_ones() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Frontier;
    use crate::{leaf_hash, root_of};

    #[test]
    fn the_root_is_that_of_all_leaves() {
        let leaves: Vec<_> = (0u32..300).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut frontier = Frontier::default();
        for (n, leaf) in leaves.iter().enumerate() {
            assert_eq!(frontier.root(), root_of(&leaves[..n]), "{n} leaves");
            frontier.push(*leaf);
            assert!(frontier.is_sound());
        }
        assert_eq!(frontier.root(), root_of(&leaves));
    }
}
