//! A package's header as the database keeps it: number of entries, bytes of data, an index entry of four numbers for each
//! tag, the data; all numbers big-endian (rpm, `docs/manual/format_header.md`).

use std::collections::HashMap;

use crate::system::text;

/// Entries of one header at most (rpm's own limit, `HEADER_TAGS_MAX`).
const ENTRIES: usize = 0xffff;

/// Entries about a region of the header, not about the package.
const REGIONS: std::ops::Range<u32> = 61..64;

/// Where a tag's values lie.
#[derive(Clone, Copy)]
struct Entry {
    kind: u32,
    offset: usize,
    count: usize,
}

/// A header.
pub(super) struct Header<'a> {
    data: &'a [u8],
    entries: HashMap<u32, Entry>,
}

/// Numbers of a tag.
pub(super) struct Numbers<'a> {
    bytes: &'a [u8],
    width: usize,
}

impl Numbers<'_> {
    pub(super) fn get(&self, at: usize) -> Option<u64> {
        let start = at.checked_mul(self.width)?;
        let bytes = self.bytes.get(start..start.checked_add(self.width)?)?;
        Some(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
}

impl<'a> Header<'a> {
    pub(super) fn parse(blob: &'a [u8]) -> Result<Self, String> {
        let word = |at: usize| {
            let bytes = blob.get(at..at + 4)?;
            Some(bytes.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)))
        };
        let size = |at: usize| word(at).and_then(|value| usize::try_from(value).ok());
        let (Some(count), Some(length)) = (size(0), size(4)) else { return Err("a header is cut off".to_owned()) };
        if count > ENTRIES {
            return Err(format!("a header with {count} entries: more than rpm allows"));
        }
        let start = 8 + 16 * count;
        let data = start.checked_add(length).and_then(|end| blob.get(start..end));
        let data = data.ok_or("a header is shorter than it says")?;
        let mut entries = HashMap::new();
        for at in (8..start).step_by(16) {
            let (Some(tag), Some(kind), Some(offset), Some(count)) =
                (word(at), word(at + 4), size(at + 8), size(at + 12))
            else {
                continue;
            };
            if !REGIONS.contains(&tag) {
                entries.entry(tag).or_insert(Entry { kind, offset, count });
            }
        }
        Ok(Self { data, entries })
    }

    pub(super) fn has(&self, tag: u32) -> bool {
        self.entries.contains_key(&tag)
    }

    /// The strings of a tag (types STRING, STRING_ARRAY, I18NSTRING); what is no UTF-8 is left empty, so that the others
    /// keep their places.
    pub(super) fn strings(&self, tag: u32) -> impl Iterator<Item = &'a str> + use<'a> {
        let entry = self.entries.get(&tag).filter(|entry| matches!(entry.kind, 6 | 8 | 9));
        let mut rest = entry.and_then(|entry| self.data.get(entry.offset..)).unwrap_or_default();
        let mut left = entry.map_or(0, |entry| if entry.kind == 6 { 1 } else { entry.count });
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let end = memchr::memchr(0, rest)?;
            let string = std::str::from_utf8(&rest[..end]).unwrap_or_default();
            rest = &rest[end + 1..];
            Some(string)
        })
    }

    /// The first string of a tag, where it is one that may be kept.
    pub(super) fn string(&self, tag: u32) -> Option<String> {
        self.strings(tag).next().and_then(text)
    }

    /// The numbers of a tag (types CHAR, INT8, INT16, INT32, INT64).
    pub(super) fn numbers(&self, tag: u32) -> Numbers<'a> {
        let width = |entry: &Entry| match entry.kind {
            1 | 2 => Some(1),
            3 => Some(2),
            4 => Some(4),
            5 => Some(8),
            _ => None,
        };
        let found = self.entries.get(&tag).and_then(|entry| {
            let width = width(entry)?;
            let end = entry.offset.checked_add(entry.count.checked_mul(width)?)?;
            Some((self.data.get(entry.offset..end)?, width))
        });
        let (bytes, width) = found.unwrap_or((&[], 1));
        Numbers { bytes, width }
    }

    /// The first number of a tag.
    pub(super) fn number(&self, tag: u32) -> Option<u64> {
        self.numbers(tag).get(0)
    }

    /// The bytes of a tag (type BIN).
    pub(super) fn bytes(&self, tag: u32) -> Option<&'a [u8]> {
        let entry = self.entries.get(&tag).filter(|entry| entry.kind == 7)?;
        self.data.get(entry.offset..entry.offset.checked_add(entry.count)?)
    }
}
