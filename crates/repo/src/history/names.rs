//! Names of files by object, for repositories of millions of objects: four bytes an object of a pack, each name once.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};

use gix::ObjectId;
use hashbrown::HashTable;

use super::Rank;
use super::pack::Pack;

/// Bytes of all names that are kept. The content of files whose names come after them is taken for that of files without
/// a name.
const MOST: usize = 512 << 20;

/// No name.
const NONE: u32 = u32::MAX;

/// Where an object is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// In this pack, at this place of its index.
    Packed(usize, u32),
    /// In no pack, or nowhere.
    Elsewhere(ObjectId),
}

/// The first pack that has an object.
pub(super) fn place(packs: &[Pack], id: ObjectId) -> Place {
    let found = packs.iter().enumerate().find_map(|(at, pack)| Some((at, pack.index.lookup(id)?)));
    found.map_or(Place::Elsewhere(id), |(pack, place)| Place::Packed(pack, place))
}

pub(super) struct Names<'r> {
    rank: &'r Rank<'r>,
    /// All names, one after the other.
    text: String,
    /// Where each begins.
    starts: Vec<u32>,
    numbers: HashTable<u32>,
    hasher: RandomState,
    /// The name of each object of each pack.
    packed: Vec<Vec<u32>>,
    elsewhere: HashMap<ObjectId, Named>,
    /// Names were left out.
    full: bool,
}

struct Named {
    number: u32,
    /// The object was met.
    met: AtomicBool,
}

impl<'r> Names<'r> {
    pub(super) fn new(rank: &'r Rank<'r>, packs: &[Pack]) -> Self {
        Self {
            rank,
            text: String::new(),
            starts: Vec::new(),
            numbers: HashTable::new(),
            hasher: RandomState::new(),
            packed: packs.iter().map(|pack| vec![NONE; pack.index.num_objects() as usize]).collect(),
            elsewhere: HashMap::new(),
            full: false,
        }
    }

    fn number(&mut self, name: &str) -> u32 {
        let Self { text, starts, numbers, hasher, full, .. } = self;
        let hash = hasher.hash_one(name);
        if let Some(number) = numbers.find(hash, |number| name_of(text, starts, *number) == name) {
            return *number;
        }
        if text.len() + name.len() > MOST {
            *full = true;
            return NONE;
        }
        let number = starts.len() as u32;
        starts.push(text.len() as u32);
        text.push_str(name);
        numbers.insert_unique(hash, number, |number| hasher.hash_one(name_of(text, starts, *number)));
        number
    }

    pub(super) fn add(&mut self, place: Place, name: &[u8]) {
        let number = self.number(&String::from_utf8_lossy(name));
        let old = match place {
            Place::Packed(pack, at) => self.packed[pack][at as usize],
            Place::Elsewhere(id) => self.elsewhere.get(&id).map_or(NONE, |named| named.number),
        };
        // Of several names the strictest counts, then the first in order: the same whatever came first.
        let order = |number: u32| {
            let name = name_of(&self.text, &self.starts, number);
            ((self.rank)(name), name)
        };
        let better = old == NONE || old != number && number != NONE && order(number) < order(old);
        match place {
            Place::Packed(pack, at) if better => self.packed[pack][at as usize] = number,
            Place::Elsewhere(id) => {
                let named = self.elsewhere.entry(id);
                let named = named.or_insert_with(|| Named { number, met: AtomicBool::new(false) });
                if better {
                    named.number = number;
                }
            }
            Place::Packed(..) => {}
        }
    }

    /// The name of an object, which is here.
    pub(super) fn get(&self, place: Place) -> &str {
        let number = match place {
            Place::Packed(pack, at) => self.packed[pack][at as usize],
            Place::Elsewhere(id) => {
                let Some(named) = self.elsewhere.get(&id) else { return "" };
                named.met.store(true, Ordering::Relaxed);
                named.number
            }
        };
        if number == NONE { "" } else { name_of(&self.text, &self.starts, number) }
    }

    /// Objects that trees name and that were not met: how many, and the first of them.
    pub(super) fn absent(&self) -> Option<(usize, ObjectId)> {
        let absent =
            || self.elsewhere.iter().filter(|(_, named)| !named.met.load(Ordering::Relaxed)).map(|(id, _)| *id);
        absent().min().map(|first| (absent().count(), first))
    }

    /// True when there were more names than are kept.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }
}

fn name_of<'t>(text: &'t str, starts: &[u32], number: u32) -> &'t str {
    let number = number as usize;
    let start = starts[number] as usize;
    let end = starts.get(number + 1).map_or(text.len(), |end| *end as usize);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_once_and_the_strictest_counts() {
        let rank = |name: &str| u8::from(name.ends_with(".lock"));
        let mut names = Names::new(&rank, &[]);
        let id = |n: u8| ObjectId::Sha1([n; 20]);
        for (n, name) in [(1, "b.lock"), (1, "b.rs"), (1, "a.lock"), (1, "c.rs"), (2, "b.rs"), (3, "\u{fffd}")] {
            names.add(Place::Elsewhere(id(n)), name.as_bytes());
        }
        names.add(Place::Elsewhere(id(4)), b"\xff");
        assert_eq!(names.starts.len(), 5);
        assert_eq!(names.get(Place::Elsewhere(id(1))), "b.rs");
        assert_eq!(names.get(Place::Elsewhere(id(2))), "b.rs");
        assert_eq!(names.get(Place::Elsewhere(id(4))), "\u{fffd}");
        assert_eq!(names.get(Place::Elsewhere(id(9))), "");
        assert_eq!(names.absent(), Some((1, id(3))));
        assert!(!names.is_full());
    }
}
