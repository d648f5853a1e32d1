//! As much of SQLite as it takes to read one table (SQLite, "Database File Format", 1.3, 1.6, 2.1): the tree of the table
//! `Packages`, whose second column is a package's header.

use std::borrow::Cow;

use super::wal::{self, Log};
use super::{Each, LockError};

const MAGIC: &[u8] = b"SQLite format 3\0";

/// Kinds of pages: inner ones and leaves of a table's tree.
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

/// Columns of one row that are looked at.
const COLUMNS: usize = 8;

pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

struct Pages<'a> {
    bytes: &'a [u8],
    log: Log<'a>,
    size: usize,
    /// Bytes of a page that SQLite uses.
    usable: usize,
    count: usize,
    /// Pages that were read: each belongs to one place in one tree or chain.
    used: Vec<bool>,
    /// Bytes of rows that may still come: rows do not overlap, so together they are no longer than the file.
    left: usize,
}

impl<'a> Pages<'a> {
    fn open(bytes: &'a [u8], log: &'a [u8]) -> Result<Self, LockError> {
        let broken = |what: &str| LockError::new(format!("SQLite: {what}"));
        if bytes.len() < 100 {
            return Err(broken("it is cut off"));
        }
        let size = match usize::from(u16::from_be_bytes([bytes[16], bytes[17]])) {
            1 => 65_536,
            size => size,
        };
        let usable = size.saturating_sub(usize::from(bytes[20]));
        if !size.is_power_of_two() || !(512..=65_536).contains(&size) || usable < 480 {
            return Err(broken("pages of no possible size"));
        }
        if bytes[56..60] != [0, 0, 0, 1] && bytes[56..60] != [0, 0, 0, 0] {
            return Err(broken("its texts are not UTF-8"));
        }
        let log = wal::read(log, size);
        let in_log = log.length.and_then(|length| usize::try_from(length).ok());
        let most = bytes.len() / size + log.pages.len();
        let count = in_log.unwrap_or(bytes.len() / size).min(most);
        let left = bytes.len() + log.pages.len() * size;
        Ok(Self { bytes, log, size, usable, count, used: vec![false; count + 1], left })
    }

    /// A page by its number, counted from 1; only once.
    fn page(&mut self, number: u32) -> Result<&'a [u8], String> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        if index == 0 || index > self.count {
            return Err(format!("page {number} is not in the file"));
        }
        if std::mem::replace(&mut self.used[index], true) {
            return Err(format!("page {number} is referred to twice"));
        }
        if let Some(page) = self.log.pages.get(&number) {
            return Ok(page);
        }
        self.bytes
            .get((index - 1) * self.size..index * self.size)
            .ok_or_else(|| format!("page {number} is not in the file"))
    }

    /// Visits every row of a table.
    fn rows(&mut self, root: u32, visit: &mut Each<'_>) -> Result<(), LockError> {
        let mut waiting = vec![root];
        while let Some(number) = waiting.pop() {
            let page = match self.page(number) {
                Ok(page) => page,
                Err(why) => {
                    visit(Err(why));
                    continue;
                }
            };
            // The file's own header stands on the first page.
            let start = if number == 1 { 100 } else { 0 };
            let kind = page.get(start).copied().unwrap_or(0);
            let cells = start + if kind == INTERIOR { 12 } else { 8 };
            let count = short(page, start + 3).unwrap_or(0);
            let places = (0..count).map_while(|cell| short(page, cells + 2 * cell));
            match kind {
                INTERIOR => {
                    // The first child is to be visited first.
                    let last = word(page, start + 8);
                    let children: Vec<u32> = places.filter_map(|at| word(page, at)).chain(last).collect();
                    waiting.extend(children.into_iter().rev());
                }
                LEAF => {
                    for at in places {
                        match self.row(page, at)? {
                            Ok(row) => visit(Ok(&row)),
                            Err(why) => visit(Err(why)),
                        }
                    }
                }
                _ => visit(Err(format!("page {number} is no page of a table"))),
            }
        }
        Ok(())
    }

    /// The row of a leaf's cell: its length, its number, what of it stands there, and where it goes on.
    fn row(&mut self, page: &'a [u8], at: usize) -> Result<Result<Cow<'a, [u8]>, String>, LockError> {
        let cut = || Ok(Err("a row that leaves its page".to_owned()));
        let Some((length, used)) = varint(page, at) else { return cut() };
        let Some((_, more)) = varint(page, at + used) else { return cut() };
        let start = at + used + more;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(left) = self.left.checked_sub(length) else {
            return Err(LockError::new("SQLite: rows that are longer than the file together"));
        };
        self.left = left;
        let most = self.usable - 35;
        let here = if length <= most {
            length
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let some = least + (length - least) % (self.usable - 4);
            if some <= most { some } else { least }
        };
        let Some(local) = page.get(start..start + here) else { return cut() };
        if here == length {
            return Ok(Ok(Cow::Borrowed(local)));
        }
        let mut row = local.to_vec();
        let mut next = word(page, start + here).unwrap_or(0);
        while row.len() < length {
            let page = match self.page(next) {
                Ok(page) => page,
                Err(why) => return Ok(Err(format!("a row that goes on nowhere: {why}"))),
            };
            next = word(page, 0).unwrap_or(0);
            let content = page.get(4..self.usable).unwrap_or_default();
            row.extend_from_slice(&content[..content.len().min(length - row.len())]);
        }
        Ok(Ok(Cow::Owned(row)))
    }
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?)))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// SQLite's number of variable length: seven bits a byte, the highest first, eight in the ninth.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for index in 0..9 {
        let byte = *bytes.get(at.checked_add(index)?)?;
        if index == 8 {
            return Some((value << 8 | u64::from(byte), 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// The first columns of a row: type and bytes.
fn columns(row: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let (length, mut at) = varint(row, 0)?;
    let end = usize::try_from(length).ok()?;
    let (mut content, mut found) = (end, Vec::new());
    while at < end && found.len() < COLUMNS {
        let (kind, used) = varint(row, at)?;
        at += used;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => (kind - 12) / 2,
        };
        let stop = content.checked_add(usize::try_from(size).ok()?)?;
        found.push((kind, row.get(content..stop)?));
        content = stop;
    }
    Some(found)
}

/// The page on which the tree of `Packages` begins, told by the table of tables.
fn root(pages: &mut Pages<'_>) -> Result<u32, LockError> {
    let mut found = None;
    pages.rows(1, &mut |row| {
        let Some(columns) = row.ok().and_then(columns) else { return };
        if let [(_, b"table"), (_, b"Packages"), _, (1..=6, number), ..] = &columns[..] {
            found = found.or(u32::try_from(number.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))).ok());
        }
    })?;
    found.ok_or_else(|| LockError::new("SQLite: it has no table of packages"))
}

/// Visits every package's header.
pub(super) fn headers(bytes: &[u8], log: &[u8], each: &mut Each<'_>) -> Result<(), LockError> {
    let mut pages = Pages::open(bytes, log)?;
    let root = root(&mut pages)?;
    pages.rows(root, &mut |row| match row.map(columns) {
        // A blob's type is even.
        Ok(Some(columns)) => match columns.get(1) {
            Some((kind, header)) if *kind >= 12 && kind % 2 == 0 => each(Ok(header)),
            _ => each(Err("a row without a header".to_owned())),
        },
        Ok(None) => each(Err("a row that is not sound".to_owned())),
        Err(why) => each(Err(why)),
    })
}
