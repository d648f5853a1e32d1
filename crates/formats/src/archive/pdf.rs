//! The compressed streams of a PDF (ISO 32000-1, 7.3.8 and 7.4.4). Streams are found by their keywords and tried as
//! zlib data: no cross-reference table is believed.

use std::io::Read;

use super::{ArchiveError, Member, Visit};

/// Streams of one PDF that are looked at.
const STREAMS: usize = 50_000;
/// A PDF is looked at up to this size.
const LARGEST: u64 = 64 << 20;

pub(super) fn members(source: &mut dyn Read, limit: usize, visit: &mut Visit<'_>) -> Result<(), ArchiveError> {
    let broken = |why: String| ArchiveError::Broken { kind: "pdf", why };
    let mut bytes = Vec::new();
    source.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|e| broken(e.to_string()))?;
    let cut = bytes.len() as u64 > LARGEST;
    let limit = limit.min(STREAMS);
    let mut inflate = flate2::Decompress::new(true);
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
        inflate.reset(true);
        let mut stream = Stream { inflate: &mut inflate, rest: &bytes[start..] };
        if visit(&member, Ok(&mut stream)).is_break() {
            return Ok(());
        }
        next = start + usize::try_from(inflate.total_in()).unwrap_or(0);
    }
    if cut { Err(broken(format!("only its first {LARGEST} bytes were looked at"))) } else { Ok(()) }
}

/// One compressed stream. The state is the file's: a new one for each of thousands of streams would cost more than they do.
struct Stream<'s> {
    inflate: &'s mut flate2::Decompress,
    rest: &'s [u8],
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let (read_before, written_before) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(self.rest, buffer, flate2::FlushDecompress::None);
            let status = status.map_err(|error| std::io::Error::other(error.to_string()))?;
            let read = usize::try_from(self.inflate.total_in() - read_before).unwrap_or(0);
            let written = usize::try_from(self.inflate.total_out() - written_before).unwrap_or(0);
            self.rest = &self.rest[read..];
            if written > 0 || buffer.is_empty() || status == flate2::Status::StreamEnd {
                return Ok(written);
            }
            if read == 0 {
                return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the stream is cut"));
            }
        }
    }
}
