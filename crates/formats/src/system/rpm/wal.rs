//! SQLite's write-ahead log: pages that were committed and are not in the database's file yet (SQLite, "Database File
//! Format", 4).

use std::collections::HashMap;

/// Bytes of the log's header, and of each frame's.
const HEADER: usize = 32;
const FRAME: usize = 24;

/// Pages of a log.
#[derive(Default)]
pub(super) struct Log<'a> {
    /// The newest content of a page.
    pub(super) pages: HashMap<u32, &'a [u8]>,
    /// Pages of the database after the last commit.
    pub(super) length: Option<u32>,
}

fn word(bytes: &[u8], at: usize, big_endian: bool) -> Option<u32> {
    let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
}

/// The sums of what was summed before and of these bytes, whose length is a multiple of eight.
fn sums(mut before: (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    for eight in bytes.chunks_exact(8) {
        let (first, second) = (word(eight, 0, big_endian).unwrap_or(0), word(eight, 4, big_endian).unwrap_or(0));
        before.0 = before.0.wrapping_add(first).wrapping_add(before.1);
        before.1 = before.1.wrapping_add(second).wrapping_add(before.0);
    }
    before
}

/// The pages of all whole transactions: frames of the log's own generation whose sums are right, up to the last that
/// commits. What follows was never committed.
pub(super) fn read(log: &[u8], page_size: usize) -> Log<'_> {
    let mut committed = Log::default();
    let order = match word(log, 0, true) {
        Some(0x377f_0682) => false,
        Some(0x377f_0683) => true,
        _ => return committed,
    };
    let size = word(log, 8, true).and_then(|size| usize::try_from(size).ok());
    let mut sum = sums((0, 0), log.get(..24).unwrap_or_default(), order);
    if size != Some(page_size) || word(log, 24, true).zip(word(log, 28, true)) != Some(sum) {
        return committed;
    }
    let salt = &log[16..24];
    let mut waiting = Vec::new();
    for frame in log[HEADER..].chunks_exact(FRAME + page_size) {
        let (head, page) = frame.split_at(FRAME);
        sum = sums(sums(sum, &head[..8], order), page, order);
        if &head[8..16] != salt || word(head, 16, true).zip(word(head, 20, true)) != Some(sum) {
            break;
        }
        let (Some(number), Some(length)) = (word(head, 0, true), word(head, 4, true)) else { break };
        waiting.push((number, page));
        if length != 0 {
            committed.pages.extend(waiting.drain(..));
            committed.length = Some(length);
        }
    }
    committed
}
