//! Content of files that is kept while layers are read, so that the merged view can be read after one pass.

use std::collections::BTreeMap;

use crate::entry::EntryId;

/// Contents, bounded in all.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    contents: BTreeMap<EntryId, Vec<u8>>,
    bytes: u64,
    limit: u64,
}

impl Kept {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, ..Self::default() }
    }

    /// True when so many bytes more may be kept.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        self.bytes.saturating_add(bytes) <= self.limit
    }

    pub(crate) fn insert(&mut self, entry: EntryId, content: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(content.len() as u64);
        self.contents.insert(entry, content);
    }

    /// Nothing visible refers to it any more.
    pub(crate) fn forget(&mut self, entry: EntryId) {
        if let Some(content) = self.contents.remove(&entry) {
            self.bytes -= content.len() as u64;
        }
    }

    pub(crate) fn content(&self, entry: EntryId) -> Option<&[u8]> {
        self.contents.get(&entry).map(Vec::as_slice)
    }
}
