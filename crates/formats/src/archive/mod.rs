//! Archives and compressed files, read as what they are: hostile. Every member is streamed; nothing is written anywhere,
//! no name in an archive is ever used as a path, and how much may come out is the caller's to say.

mod ar;
mod pdf;
mod seven;
mod tarball;
mod zipped;
mod zstandard;

use std::io::{Read, Seek};
use std::ops::ControlFlow;

/// What kind of container some bytes begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// ZIP, and all that is one: jar, whl, docx, apk, nupkg.
    Zip,
    /// POSIX tar (ustar, pax, GNU).
    Tar,
    /// 7z.
    SevenZip,
    /// Unix ar: static libraries, Debian packages.
    Ar,
    /// gzip (RFC 1952).
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
    /// PDF: its compressed streams.
    Pdf,
}

/// Bytes that [`sniff`] wants to see: a tar's mark is at 257.
pub const SNIFF: usize = 512;

impl Kind {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::SevenZip => "7z",
            Self::Ar => "ar",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Pdf => "pdf",
        }
    }

    /// True when it can only be read from bytes that allow seeking: its directory is at the end.
    pub fn needs_seek(self) -> bool {
        matches!(self, Self::Zip | Self::SevenZip)
    }

    /// True when what it holds is one stream: the member has no name of its own.
    pub fn is_single(self) -> bool {
        matches!(self, Self::Gzip | Self::Bzip2 | Self::Xz | Self::Zstd)
    }
}

/// Recognises a container by its first bytes (up to [`SNIFF`] of them).
pub fn sniff(head: &[u8]) -> Option<Kind> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") || starts(b"PK\x07\x08PK") {
        Some(Kind::Zip)
    } else if starts(b"7z\xbc\xaf\x27\x1c") {
        Some(Kind::SevenZip)
    } else if starts(b"\x1f\x8b\x08") {
        Some(Kind::Gzip)
    } else if starts(b"BZh")
        && head.get(4..10).is_some_and(|b| b == b"\x31\x41\x59\x26\x53\x59" || b == b"\x17\x72\x45\x38\x50\x90")
    {
        Some(Kind::Bzip2)
    } else if starts(b"\xfd7zXZ\0") {
        Some(Kind::Xz)
    } else if starts(b"\x28\xb5\x2f\xfd")
        || head.get(..4).is_some_and(|b| b[0] & 0xf0 == 0x50 && b[1..] == [0x2a, 0x4d, 0x18])
    {
        Some(Kind::Zstd)
    } else if starts(b"!<arch>\n") {
        Some(Kind::Ar)
    } else if starts(b"%PDF-") {
        Some(Kind::Pdf)
    } else if head.get(257..262).is_some_and(|b| b == b"ustar") || is_old_tar(head) {
        Some(Kind::Tar)
    } else {
        None
    }
}

/// Bytes at the end of a file that [`ends_like_zip`] wants to see: the end record with the longest comment.
pub const ZIP_END: usize = 22 + 65_535;

/// True when a ZIP's end record stands at the end (APPNOTE 4.3.16): what stands before the archive does not matter.
pub fn ends_like_zip(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(ZIP_END)..];
    memchr::memmem::rfind(tail, b"PK\x05\x06").is_some_and(|at| {
        let comment = tail.get(at + 20..at + 22).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])));
        comment.is_some_and(|length| at + 22 + length <= tail.len())
    })
}

/// A container that is recognised and not read: what it is called.
pub fn unread(head: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    if starts(b"Rar!\x1a\x07") {
        Some("a RAR archive")
    } else if starts(b"MSCF\0\0\0\0") {
        Some("a cabinet")
    } else if starts(b"\x04\x22\x4d\x18") {
        Some("an LZ4 frame")
    } else if starts(b"\x1f\x9d") || starts(b"\x1f\xa0") {
        Some("a compressed file (.Z)")
    } else if starts(b"\x5d\0\0") && head.get(5..13).is_some_and(|size| size == [0xff; 8] || size[6..] == [0, 0]) {
        Some("an LZMA file")
    } else if starts(b"070701") || starts(b"070702") || starts(b"070707") {
        Some("a cpio archive")
    } else if starts(b"\x89LZO") {
        Some("an LZO file")
    } else {
        None
    }
}

/// True for a tar header without a mark (before POSIX): its checksum is right.
fn is_old_tar(head: &[u8]) -> bool {
    let Some(header) = head.get(..512) else { return false };
    let field = header[148..156].iter().copied().filter(|b| (b'0'..=b'7').contains(b));
    let claimed = field.fold(0_u32, |sum, digit| sum.wrapping_mul(8).wrapping_add(u32::from(digit - b'0')));
    let sum: u32 =
        header.iter().enumerate().map(|(at, b)| if (148..156).contains(&at) { 32 } else { u32::from(*b) }).sum();
    claimed == sum && sum > 256 && header[0] != 0
}

/// A member of a container.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name, bytes that are not UTF-8 replaced. For people and reports; never a path to open.
    pub name: String,
    /// The size that the container claims, where it claims one. A claim, nothing more.
    pub claimed: Option<u64>,
    /// For what is not a file with content (links, devices): what it is.
    pub special: Option<String>,
}

/// What can be wrong with a container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Its structure is broken, or it is cut off.
    #[error("not a sound {kind} file: {why}")]
    Broken {
        /// Which kind.
        kind: &'static str,
        /// Why.
        why: String,
    },
    /// A member is encrypted.
    #[error("{name} is encrypted")]
    Encrypted {
        /// The member's name.
        name: String,
    },
    /// A method of compression that is not read.
    #[error("{name} is compressed in a way that is not read: {why}")]
    Method {
        /// The member's name.
        name: String,
        /// Which.
        why: String,
    },
    /// More members than allowed.
    #[error("more than {limit} members")]
    Entries {
        /// The limit.
        limit: usize,
    },
}

/// Bytes that can be read from anywhere within.
pub trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// Where a container's bytes come from.
pub enum Source<'a> {
    /// One after the other. Not for [kinds that need seeking](Kind::needs_seek).
    Stream(&'a mut dyn Read),
    /// In any order, from the beginning.
    Seek(&'a mut dyn ReadSeek),
}

/// What to do with each member: read as much of it as wanted. `Err` says that the member itself could not be read; the
/// walk goes on. `Break` ends the walk.
pub type Visit<'a> = dyn FnMut(&Member, Result<&mut dyn Read, ArchiveError>) -> ControlFlow<()> + 'a;

/// Walks the members of a container. At most `limit` members are visited.
///
/// # Errors
/// The container cannot be read on; what was visited before stands.
pub fn members(kind: Kind, source: Source<'_>, limit: usize, visit: &mut Visit<'_>) -> Result<(), ArchiveError> {
    let stream: &mut dyn Read = match (kind, source) {
        (Kind::Zip, Source::Seek(source)) => return zipped::members(source, limit, visit),
        (Kind::SevenZip, Source::Seek(source)) => return seven::members(source, limit, visit),
        (Kind::Zip | Kind::SevenZip, Source::Stream(_)) => {
            return Err(ArchiveError::Broken { kind: kind.name(), why: "it is too large to be held in memory".into() });
        }
        (_, Source::Stream(stream)) => stream,
        (_, Source::Seek(source)) => source,
    };
    let single = |reader: &mut dyn Read, visit: &mut Visit<'_>| {
        let _ = visit(&Member { name: kind.name().to_owned(), claimed: None, special: None }, Ok(reader));
    };
    match kind {
        Kind::Zip | Kind::SevenZip => {}
        Kind::Tar => return tarball::members(stream, limit, visit),
        Kind::Ar => return ar::members(stream, limit, visit),
        Kind::Pdf => return pdf::members(stream, limit, visit),
        Kind::Gzip => single(&mut flate2::read::MultiGzDecoder::new(stream), visit),
        Kind::Bzip2 => single(&mut bzip2::read::MultiBzDecoder::new(stream), visit),
        Kind::Xz => single(&mut lzma_rust2::XzReader::new(stream, true), visit),
        Kind::Zstd => {
            let mut frames = zstandard::Frames::new(stream)?;
            single(&mut frames, visit);
        }
    }
    Ok(())
}

/// The bytes of a compressed file, unpacked as they are read. Kinds that [are no single stream](Kind::is_single) are read
/// as they are.
///
/// # Errors
/// It does not begin as such a file does.
pub fn unpacked<'a>(kind: Kind, source: Box<dyn Read + Send + 'a>) -> Result<Box<dyn Read + Send + 'a>, ArchiveError> {
    Ok(match kind {
        Kind::Gzip => Box::new(flate2::read::MultiGzDecoder::new(source)),
        Kind::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(source)),
        Kind::Xz => Box::new(lzma_rust2::XzReader::new(source, true)),
        Kind::Zstd => Box::new(zstandard::Frames::new(source)?),
        Kind::Zip | Kind::Tar | Kind::SevenZip | Kind::Ar | Kind::Pdf => source,
    })
}

fn lossy(name: &[u8]) -> String {
    let name = &name[..name.len().min(4096)];
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    type Found = Vec<(String, Vec<u8>)>;

    fn walk(bytes: &[u8], limit: usize) -> (Found, Result<(), ArchiveError>) {
        let mut found = Vec::new();
        let kind = sniff(bytes).expect("a container");
        let result = members(kind, Source::Seek(&mut Cursor::new(bytes)), limit, &mut |member, reader| {
            let mut content = Vec::new();
            if let Ok(reader) = reader {
                let _ = reader.take(1 << 20).read_to_end(&mut content);
            }
            found.push((member.name.clone(), content));
            ControlFlow::Continue(())
        });
        (found, result)
    }

    #[test]
    fn ar_members_with_long_names() {
        let header = |name: &str, size: usize| format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644);
        let text = [
            "!<arch>\n",
            &header("//", 19),
            "a_very_long_name.o/",
            "\n",
            &header("/0", 5),
            "hello\n",
            &header("short/", 2),
            "hi",
        ];
        let bytes = text.concat().into_bytes();
        let (found, result) = walk(&bytes, 10);
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(found, [("a_very_long_name.o".to_owned(), b"hello".to_vec()), ("short".into(), b"hi".to_vec())]);
    }

    #[test]
    fn streams_of_a_pdf() {
        use std::io::Write as _;
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(b"BT (hidden text) Tj ET").expect("compress");
        let packed = packed.finish().expect("compress");
        let mut bytes = b"%PDF-1.4\n1 0 obj <</Filter /FlateDecode>>\nstream\r\n".to_vec();
        bytes.extend(&packed);
        bytes.extend(b"\nendstream\nendobj");
        let (found, result) = walk(&bytes, 10);
        assert!(result.is_ok());
        assert_eq!(found, [("stream 1".to_owned(), b"BT (hidden text) Tj ET".to_vec())]);
    }

    #[test]
    fn a_cut_or_false_container_is_an_error_and_no_panic() {
        for bytes in [&b"PK\x03\x04garbage"[..], b"7z\xbc\xaf\x27\x1c\0\x04", b"!<arch>\nshort", b"\x28\xb5\x2f\xfd"] {
            let (found, result) = walk(bytes, 10);
            assert!(result.is_err(), "{found:?}");
        }
    }

    #[test]
    fn the_number_of_members_is_limited() {
        let mut builder = tar::Builder::new(Vec::new());
        for n in 0..5 {
            let mut header = tar::Header::new_ustar();
            header.set_size(1);
            header.set_cksum();
            builder.append_data(&mut header, format!("f{n}"), &b"x"[..]).expect("append");
        }
        let bytes = builder.into_inner().expect("finish");
        assert_eq!(walk(&bytes, 5).0.len(), 5);
        let (found, result) = walk(&bytes, 3);
        assert_eq!(found.len(), 3);
        assert!(matches!(result, Err(ArchiveError::Entries { limit: 3 })));
    }
}
