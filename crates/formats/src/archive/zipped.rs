//! ZIP. The central directory says what the members are, and may say too little: local entries that it does not name are
//! read too, since some reader will find them.

use std::collections::BTreeSet;
use std::io::{Read, SeekFrom};

use super::{ArchiveError, Member, ReadSeek, Visit, lossy};
use zip::result::ZipError;

/// Local entries are searched for in files of at most so many bytes.
const SEARCHED: u64 = 1 << 30;
/// The mark of a local entry (APPNOTE 4.3.7).
const LOCAL: &[u8] = b"PK\x03\x04";

pub(super) fn members(source: &mut dyn ReadSeek, limit: usize, visit: &mut Visit<'_>) -> Result<(), ArchiveError> {
    let broken = |why: String| ArchiveError::Broken { kind: "zip", why };
    let mut known = Known::default();
    let mut seen = 0;
    let opened = match zip::ZipArchive::new(&mut *source) {
        Ok(archive) => in_directory(archive, limit, &mut seen, &mut known, visit)?,
        Err(error) => {
            // No directory that can be used: the local entries alone.
            let found = others(source, limit, &mut seen, &known, visit)?;
            return if found.is_some() { Err(broken(error.to_string())) } else { Ok(()) };
        }
    };
    if opened.is_some() {
        known.order();
        others(source, limit, &mut seen, &known, visit)?;
    }
    Ok(())
}

/// What the directory names.
#[derive(Default)]
struct Known {
    headers: BTreeSet<u64>,
    stored: Vec<std::ops::Range<u64>>,
}

impl Known {
    /// Puts the ranges in order, those that overlap into one.
    fn order(&mut self) {
        self.stored.sort_unstable_by_key(|range| range.start);
        let mut merged: Vec<std::ops::Range<u64>> = Vec::new();
        for range in self.stored.drain(..) {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        self.stored = merged;
    }

    fn has(&self, offset: u64) -> bool {
        let after = self.stored.partition_point(|range| range.start <= offset);
        let stored = after.checked_sub(1).is_some_and(|at| self.stored[at].contains(&offset));
        stored || self.headers.contains(&offset)
    }
}

/// The members that the directory names. `None` when the visitor wants no more.
fn in_directory<R: Read + std::io::Seek>(
    mut archive: zip::ZipArchive<R>,
    limit: usize,
    seen: &mut usize,
    known: &mut Known,
    visit: &mut Visit<'_>,
) -> Result<Option<()>, ArchiveError> {
    for index in 0..archive.len() {
        if *seen == limit {
            return Err(ArchiveError::Entries { limit });
        }
        *seen += 1;
        let (name, size, is_empty_folder) = match archive.by_index_raw(index) {
            Ok(file) => {
                known.headers.insert(file.header_start());
                // What is stored as it is shows its own entries when it is opened.
                if file.compression() == zip::CompressionMethod::Stored
                    && let Some(start) = file.data_start()
                {
                    known.stored.push(start..start.saturating_add(file.compressed_size()));
                }
                (lossy(file.name_raw()), file.size(), file.is_dir() && file.size() == 0 && file.compressed_size() == 0)
            }
            Err(e) => {
                let member = Member { name: format!("member {index}"), claimed: None, special: None };
                let error = ArchiveError::Broken { kind: "zip", why: e.to_string() };
                if visit(&member, Err(error)).is_break() {
                    return Ok(None);
                }
                continue;
            }
        };
        if is_empty_folder {
            continue;
        }
        let member = Member { name: name.clone(), claimed: Some(size), special: None };
        let go_on = match archive.by_index(index) {
            Ok(mut file) => visit(&member, Ok(&mut file)),
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                visit(&member, Err(ArchiveError::Encrypted { name }))
            }
            Err(ZipError::UnsupportedArchive(why) | ZipError::InvalidArchive(std::borrow::Cow::Borrowed(why))) => {
                visit(&member, Err(ArchiveError::Method { name, why: why.to_owned() }))
            }
            Err(e) => visit(&member, Err(ArchiveError::Broken { kind: "zip", why: e.to_string() })),
        };
        if go_on.is_break() {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

/// Local entries that the directory does not name. `None` when the visitor wants no more.
fn others(
    source: &mut dyn ReadSeek,
    limit: usize,
    seen: &mut usize,
    known: &Known,
    visit: &mut Visit<'_>,
) -> Result<Option<()>, ArchiveError> {
    let broken = |why: std::io::Error| ArchiveError::Broken { kind: "zip", why: why.to_string() };
    let mut offsets = Vec::new();
    source.rewind().map_err(broken)?;
    let mut buffer = vec![0; 1 << 16];
    let (mut held, mut base) = (0, 0_u64);
    loop {
        let read = source.read(&mut buffer[held..]).map_err(broken)?;
        if read == 0 {
            break;
        }
        let filled = held + read;
        offsets.extend(memchr::memmem::find_iter(&buffer[..filled], LOCAL).map(|at| base + at as u64));
        let keep = (LOCAL.len() - 1).min(filled);
        buffer.copy_within(filled - keep..filled, 0);
        base += (filled - keep) as u64;
        held = keep;
        if base > SEARCHED {
            return Err(ArchiveError::Broken {
                kind: "zip",
                why: format!("members that its directory does not name were looked for in its first {SEARCHED} bytes"),
            });
        }
    }
    offsets.dedup();
    for offset in offsets.into_iter().filter(|offset| !known.has(*offset)) {
        if *seen == limit {
            return Err(ArchiveError::Entries { limit });
        }
        source.seek(SeekFrom::Start(offset)).map_err(broken)?;
        let mut header = [0; 30];
        if source.read_exact(&mut header).is_err() {
            continue;
        }
        let short = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let (flags, method, names, extras) = (short(6), short(8), short(26), short(28));
        let size = u32::from_le_bytes([header[18], header[19], header[20], header[21]]);
        let mut name = vec![0; usize::from(names)];
        if source.read_exact(&mut name).is_err() || !name.iter().all(|b| *b >= 0x20) || name.is_empty() {
            continue; // not a header: these four bytes stand in a member's content
        }
        if source.seek(SeekFrom::Current(i64::from(extras))).is_err() {
            continue;
        }
        let name = format!("{} (not in the directory)", lossy(&name));
        let member = Member { name: name.clone(), claimed: None, special: None };
        *seen += 1;
        let go_on = match method {
            _ if flags & 1 == 1 => visit(&member, Err(ArchiveError::Encrypted { name })),
            0 if size > 0 => visit(&member, Ok(&mut Read::take(&mut *source, u64::from(size)))),
            0 => continue,
            8 => visit(&member, Ok(&mut flate2::read::DeflateDecoder::new(&mut *source))),
            other => visit(&member, Err(ArchiveError::Method { name, why: format!("method {other}") })),
        };
        if go_on.is_break() {
            return Ok(None);
        }
    }
    Ok(Some(()))
}
