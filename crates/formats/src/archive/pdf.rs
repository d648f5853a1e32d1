//! The compressed streams of a PDF (ISO 32000-1, 7.3.8 and 7.4.4). Streams are found by their keywords and tried as
//! zlib data: no cross-reference table is believed.

use std::io::Read;

use super::{ArchiveError, Member, Visit};

/// A PDF is looked at up to this size.
const LARGEST: u64 = 64 << 20;

pub(super) fn members(source: &mut dyn Read, limit: usize, visit: &mut Visit<'_>) -> Result<(), ArchiveError> {
    let broken = |why: String| ArchiveError::Broken { kind: "pdf", why };
    let mut bytes = Vec::new();
    source.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|e| broken(e.to_string()))?;
    let cut = bytes.len() as u64 > LARGEST;
    let mut seen = 0;
    let mut next = 0;
    while let Some(at) = memchr::memmem::find(&bytes[next..], b"stream") {
        let keyword = next + at;
        next = keyword + 6;
        if keyword >= 3 && bytes[..keyword].ends_with(b"end") {
            continue;
        }
        let mut start = next;
        if bytes.get(start) == Some(&b'\r') {
            start += 1;
        }
        if bytes.get(start) == Some(&b'\n') {
            start += 1;
        }
        // zlib data begins with 0x78 or another window size of method 8, and the header is a multiple of 31.
        let is_zlib = bytes
            .get(start..start + 2)
            .is_some_and(|h| h[0] & 0x0f == 8 && (u16::from(h[0]) * 256 + u16::from(h[1])).is_multiple_of(31));
        if !is_zlib {
            continue;
        }
        if seen == limit {
            return Err(ArchiveError::Entries { limit });
        }
        seen += 1;
        let member = Member { name: format!("stream {seen}"), claimed: None, special: None };
        let mut decoder = flate2::bufread::ZlibDecoder::new(&bytes[start..]);
        if visit(&member, Ok(&mut decoder)).is_break() {
            return Ok(());
        }
        next = start + usize::try_from(decoder.total_in()).unwrap_or(0);
    }
    if cut { Err(broken(format!("only its first {LARGEST} bytes were looked at"))) } else { Ok(()) }
}
