//! rpm's own store, `Packages.db`: pages of slots that tell where a package's header lies, and headers in blocks of 16
//! bytes; all numbers little-endian (rpm, `lib/backend/ndb/rpmpkg.c`).

use super::{Each, LockError};

/// What the file begins with: `RpmP`.
const MAGIC: &[u8] = b"RpmP";

/// Bytes of a page of slots.
const PAGE: usize = 4096;

/// Bytes of a slot; the file's own header takes the place of the first two.
const SLOT: usize = 16;

/// Bytes of a block.
const BLOCK: usize = 16;

/// Bytes before a header: mark, number of the package, generation, length.
const HEAD: usize = 16;

pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(word.try_into().ok()?)).ok()
}

pub(super) fn headers(bytes: &[u8], each: &mut Each<'_>) -> Result<(), LockError> {
    if number(bytes, 4) != Some(0) {
        return Err(LockError::new("an NDB of a version that is not read"));
    }
    let pages = number(bytes, 12).ok_or_else(|| LockError::new("an NDB that is cut off"))?;
    let end = pages.saturating_mul(PAGE);
    if end > bytes.len() {
        each(Err("the pages of slots reach beyond the file".to_owned()));
    }
    // Headers do not overlap: together they are no longer than the file.
    let mut left = bytes.len();
    for slot in bytes[..end.min(bytes.len())].chunks_exact(SLOT).skip(2) {
        let (package, block) = (number(slot, 4).unwrap_or(0), number(slot, 8).unwrap_or(0));
        if !slot.starts_with(b"Slot") {
            each(Err("a slot without its mark".to_owned()));
            continue;
        }
        if package == 0 || block == 0 {
            continue; // a free one
        }
        let found = block.checked_mul(BLOCK).and_then(|at| bytes.get(at..)).and_then(|blob| {
            let sound = blob.starts_with(b"BlbS") && number(blob, 4) == Some(package);
            let length = number(blob, 12).filter(|_| sound)?;
            blob.get(HEAD..HEAD.checked_add(length)?)
        });
        let Some(header) = found else {
            each(Err(format!("package {package}: its header is not where it should be")));
            continue;
        };
        left = left.checked_sub(HEAD + header.len()).ok_or_else(|| LockError::new("headers overlap"))?;
        each(Ok(header));
    }
    Ok(())
}
