//! The hash table of Berkeley DB that rpm kept its headers in, `Packages`: pages of keys and values, and chains of pages for
//! values that are longer, in either order of bytes (Berkeley DB, `src/dbinc/db_page.h`).

use super::{Each, LockError};

/// The mark of a hash table, after eight bytes of log position and four of page number.
const MAGIC: u32 = 0x0006_1561;

/// Bytes of a page's header: log position, own, previous and next page, number of entries, end of free space, level, type.
const HEADER: usize = 26;

/// Types of pages: values of a hash table (unsorted, sorted), a value's further pages.
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;

/// Types of items: bytes that stand there, bytes that stand on further pages.
const HERE: u8 = 1;
const ELSEWHERE: u8 = 3;

pub(super) fn is(bytes: &[u8]) -> bool {
    order(bytes).is_some()
}

/// True for big-endian.
fn order(bytes: &[u8]) -> Option<bool> {
    let magic: [u8; 4] = bytes.get(12..16)?.try_into().ok()?;
    if u32::from_le_bytes(magic) == MAGIC { Some(false) } else { (u32::from_be_bytes(magic) == MAGIC).then_some(true) }
}

struct Pages<'a> {
    bytes: &'a [u8],
    size: usize,
    big_endian: bool,
    /// Pages that a value was read from: each belongs to one.
    used: Vec<bool>,
}

impl<'a> Pages<'a> {
    fn page(&self, number: usize) -> Option<&'a [u8]> {
        let start = number.checked_mul(self.size)?;
        self.bytes.get(start..start.checked_add(self.size)?)
    }

    fn short(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let two: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(usize::from(if self.big_endian { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) }))
    }

    fn word(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(if self.big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }).ok()
    }

    /// A value that begins on a page and goes on from there.
    fn chain(&mut self, first: usize, length: usize) -> Result<Vec<u8>, String> {
        if length > self.bytes.len() {
            return Err("a header that is longer than the file".to_owned());
        }
        let mut out = Vec::new();
        let mut number = first;
        while out.len() < length {
            let page = self.page(number).filter(|page| page.get(25) == Some(&OVERFLOW));
            let page = page.ok_or("a chain of pages that leads nowhere")?;
            match self.used.get_mut(number) {
                Some(used) if !*used => *used = true,
                _ => return Err("a chain of pages that meets itself or another".to_owned()),
            }
            let used = self.short(page, 22).unwrap_or(0);
            let content = HEADER.checked_add(used).and_then(|end| page.get(HEADER..end));
            let content = content.ok_or("a page that is longer than a page")?;
            out.extend_from_slice(&content[..content.len().min(length - out.len())]);
            number = self.word(page, 16).unwrap_or(0);
        }
        Ok(out)
    }
}

pub(super) fn headers(bytes: &[u8], each: &mut Each<'_>) -> Result<(), LockError> {
    let big_endian = order(bytes).ok_or_else(|| LockError::new("no hash table of Berkeley DB"))?;
    let mut pages = Pages { bytes, size: 512, big_endian, used: Vec::new() };
    let size = pages.word(bytes, 20).filter(|size| size.is_power_of_two() && (512..=65_536).contains(size));
    pages.size = size.ok_or_else(|| LockError::new("pages of no possible size"))?;
    // Flags of the first page: checksums and encryption move what is on the others.
    if bytes.get(24) != Some(&0) || bytes.get(26).is_none_or(|flags| flags & 1 != 0) {
        return Err(LockError::new("a Berkeley DB with checksums or encryption is not read"));
    }
    pages.used = vec![false; bytes.len() / pages.size];
    if !bytes.len().is_multiple_of(pages.size) {
        each(Err("the last page is cut off".to_owned()));
    }
    // Values do not overlap: together they are no longer than the file.
    let mut left = bytes.len();
    for number in 1..pages.used.len() {
        let Some(page) = pages.page(number) else { break };
        if !matches!(page.get(25), Some(&HASH_UNSORTED | &HASH)) {
            continue;
        }
        let count = pages.short(page, 20).unwrap_or(0);
        // Items are put on the page from its end; each ends where the one before it begins.
        let start = |item: usize| pages.short(page, HEADER + 2 * item).filter(|_| item < count);
        let mut values = Vec::new();
        for key in (0..count).step_by(2) {
            let Some((key_at, value_at)) = start(key).zip(start(key + 1)) else {
                each(Err(format!("page {number}: a key without a value")));
                break;
            };
            let end = if key == 0 { Some(page.len()) } else { start(key - 1) };
            let key = end.and_then(|end| page.get(key_at..end)).unwrap_or_default();
            // Under package 0 stands which number comes next.
            if key == [HERE, 0, 0, 0, 0] {
                continue;
            }
            values.push(page.get(value_at..key_at).unwrap_or_default());
        }
        for value in values {
            left = left.checked_sub(value.len()).ok_or_else(|| LockError::new("values overlap"))?;
            match value.first() {
                Some(&HERE) => each(Ok(&value[1..])),
                Some(&ELSEWHERE) => match pages.word(value, 4).zip(pages.word(value, 8)) {
                    Some((first, length)) => match pages.chain(first, length) {
                        Ok(header) => each(Ok(&header)),
                        Err(why) => each(Err(format!("page {number}: {why}"))),
                    },
                    None => each(Err(format!("page {number}: a value that is cut off"))),
                },
                _ => each(Err(format!("page {number}: a value of a kind that rpm does not write"))),
            }
        }
    }
    Ok(())
}
