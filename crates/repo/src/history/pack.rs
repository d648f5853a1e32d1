//! Packs, read delta tree by delta tree: each delta is applied once.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use gix::ObjectId;
use gix::objs::Kind;
use gix::odb::pack;

use super::LARGEST;

/// Entries whose deltas are looked at together: what is kept of them takes some 50 bytes each.
const TOGETHER: usize = 64 << 10;

/// Places in a pack's index, in order of their offsets, each after its base.
type Batch = Vec<u32>;

/// A pack, its entries told apart by kind.
pub(super) struct Pack {
    pub(super) index: pack::index::File,
    data: pack::data::File,
    /// The entry that the data begins with.
    first: Option<u32>,
    /// Commits, trees and tags.
    structure: Vec<Batch>,
    blobs: Vec<Batch>,
}

/// No entry.
const NONE: u32 = u32::MAX;

impl Pack {
    pub(super) fn open(path: &Path, hash: gix::hash::Kind) -> Result<Self, String> {
        let text = |e: gix::Error| e.to_string();
        let index = pack::index::File::at(path, hash).map_err(text)?;
        let data = pack::data::File::at(path.with_extension("pack"), hash).map_err(text)?;
        let data = data.with_alloc_limit_bytes(Some(LARGEST));
        if data.checksum() != index.pack_checksum() {
            return Err("the pack is not the one that its index was made of, or it is cut off".to_owned());
        }
        let mut sorted: Vec<(u64, u32)> =
            (0..index.num_objects()).map(|place| (index.pack_offset_at_index(place), place)).collect();
        sorted.sort_unstable();
        let at = |offset: u64| sorted.binary_search_by_key(&offset, |(offset, _)| *offset).ok();
        // The entry at the root of each one's deltas, which is of its kind; its base stands before it, or is named by id.
        let mut roots: Vec<u32> = vec![NONE; sorted.len()];
        let mut kinds: Vec<(u32, Kind)> = Vec::new();
        let mut waiting = Vec::new();
        for (place, (offset, _)) in sorted.iter().enumerate() {
            use pack::data::entry::Header;
            let entry = data.entry(*offset).map_err(text)?;
            let base = match entry.header {
                Header::Commit | Header::Tree | Header::Blob | Header::Tag => {
                    roots[place] = place as u32;
                    kinds.extend(entry.header.as_kind().map(|kind| (place as u32, kind)));
                    continue;
                }
                Header::OfsDelta { base_distance } => offset.checked_sub(base_distance).and_then(at),
                Header::RefDelta { base_id } => {
                    index.lookup(base_id).map(|found| index.pack_offset_at_index(found)).and_then(at)
                }
            };
            let Some(base) = base else { return Err("an object's base is in no place of the pack".to_owned()) };
            roots[place] = roots[base];
            if roots[place] == NONE {
                waiting.push((place, base));
            }
        }
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|(place, base)| {
                roots[*place] = roots[*base];
                roots[*place] == NONE
            });
            if waiting.len() == before {
                return Err("objects are each other's base".to_owned());
            }
        }
        let (structure, blobs) = batches(&sorted, &roots, &kinds);
        Ok(Self { index, data, first: sorted.first().map(|(_, place)| *place), structure, blobs })
    }

    pub(super) fn path(&self) -> &Path {
        self.data.path()
    }

    fn id(&self, place: u32) -> ObjectId {
        self.index.oid_at_index(place).to_owned()
    }

    /// Decodes commits, trees and tags.
    pub(super) fn structure(&self, visit: &(impl Fn(Kind, ObjectId, &[u8]) + Sync)) -> Result<(), String> {
        self.structure.iter().try_for_each(|batch| self.decode(batch, visit))
    }

    /// Decodes files.
    pub(super) fn blobs(&self, visit: &(impl Fn(Kind, ObjectId, &[u8]) + Sync)) -> Result<(), String> {
        self.blobs.iter().try_for_each(|batch| self.decode(batch, visit))
    }

    /// Decodes these entries, each delta once, on all processors.
    fn decode(&self, batch: &[u32], visit: &(impl Fn(Kind, ObjectId, &[u8]) + Sync)) -> Result<(), String> {
        let stop = AtomicBool::new(false);
        let offset = |place: &u32| self.index.pack_offset_at_index(*place);
        let resolve =
            |id: &gix::hash::oid| Ok(self.index.lookup(id).map(|place| self.index.pack_offset_at_index(place)));
        // The entries of a delta tree are read from the pack's first on: it has to be among them, whatever it is.
        let foreign = self.first.filter(|first| batch.first() != Some(first));
        let tree = pack::cache::delta::Tree::from_offsets_in_pack(
            self.data.path(),
            foreign.iter().chain(batch).copied(),
            &offset,
            &resolve,
            &mut gix::progress::Discard,
            &stop,
            self.index.object_hash(),
        )
        .map_err(|e| e.to_string())?;
        let options = pack::cache::delta::traverse::Options {
            object_progress: Box::new(gix::progress::Discard),
            size_progress: &mut gix::progress::Discard,
            thread_limit: None,
            should_interrupt: &stop,
            object_hash: self.index.object_hash(),
            alloc_limit_bytes: Some(LARGEST),
        };
        tree.traverse(
            |range, data: &pack::data::File| data.entry_slice(range),
            &self.data,
            self.data.pack_end() as u64,
            |place: &mut u32, _progress: &dyn gix::Progress, context: pack::cache::delta::traverse::Context<'_>| {
                if let Some(kind) = context.entry.header.as_kind().filter(|_| foreign != Some(*place)) {
                    visit(kind, self.id(*place), context.decompressed);
                }
                Ok(())
            },
            options,
        )
        .map(|_| ())
        .map_err(|e| e.to_string())
    }
}

/// Entries by kind, those of one root together, in batches.
fn batches(sorted: &[(u64, u32)], roots: &[u32], kinds: &[(u32, Kind)]) -> (Vec<Batch>, Vec<Batch>) {
    let mut sizes = vec![0_u32; sorted.len()];
    roots.iter().for_each(|root| sizes[*root as usize] += 1);
    // From here on the number of a root's batch.
    let mut numbers = sizes;
    let mut full = [0_usize; 2];
    let mut counts = [0_u32; 2];
    for (root, kind) in kinds {
        let group = usize::from(*kind == Kind::Blob);
        let size = numbers[*root as usize] as usize;
        if full[group] > 0 && full[group] + size > TOGETHER {
            counts[group] += 1;
            full[group] = 0;
        }
        full[group] += size;
        numbers[*root as usize] = counts[group];
    }
    let mut groups = counts.map(|last| vec![Batch::new(); last as usize + 1]);
    let is_blob = |root: u32| {
        kinds.binary_search_by_key(&root, |(root, _)| *root).is_ok_and(|found| kinds[found].1 == Kind::Blob)
    };
    for ((_, place), root) in sorted.iter().zip(roots) {
        groups[usize::from(is_blob(*root))][numbers[*root as usize] as usize].push(*place);
    }
    let [structure, blobs] = groups;
    let filled = |batches: Vec<Batch>| batches.into_iter().filter(|batch| !batch.is_empty()).collect();
    (filled(structure), filled(blobs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_root_stay_together() {
        let count = 3 * TOGETHER as u32;
        // Every third is a root, the two after it are its deltas; trees and files by turns.
        let sorted: Vec<(u64, u32)> = (0..count).map(|n| (u64::from(n) * 10, count - 1 - n)).collect();
        let roots: Vec<u32> = (0..count).map(|n| n - n % 3).collect();
        let kinds: Vec<(u32, Kind)> =
            (0..count).step_by(3).map(|n| (n, if n % 2 == 0 { Kind::Tree } else { Kind::Blob })).collect();
        let (structure, blobs) = batches(&sorted, &roots, &kinds);
        for (group, even) in [(&structure, true), (&blobs, false)] {
            assert!(group.len() >= 2 && group.iter().all(|batch| batch.len() <= TOGETHER));
            assert_eq!(group.iter().map(Vec::len).sum::<usize>(), count as usize / 2);
            for batch in group {
                // Places run against the offsets here.
                assert!(batch.is_sorted_by(|a, b| a > b));
                assert!(batch.chunks(3).all(|family| {
                    let root = roots[(count - 1 - family[0]) as usize];
                    root % 2 == u32::from(!even) && family.iter().all(|p| roots[(count - 1 - p) as usize] == root)
                }));
            }
        }
        assert_eq!(batches(&[], &[], &[]), (Vec::new(), Vec::new()));
    }
}
