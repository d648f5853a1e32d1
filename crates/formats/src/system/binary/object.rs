//! As much of ELF (System V ABI, chapter 4), PE (Microsoft's PE format), Mach-O (`mach-o/loader.h`, `mach-o/fat.h`) and
//! WebAssembly (core specification 5.5) as it takes to find a section by its name or its address.

use std::io::{Read, SeekFrom};

use crate::archive::ReadSeek;
use crate::lock::LockError;

/// Sections or segments of one object that are looked at.
const SECTIONS: usize = 100_000;

/// Bytes of one table of names, headers or load commands at most.
const TABLE: u64 = 64 << 20;

/// Objects in one universal binary at most. More of them, and it is a Java class: they begin alike.
const SLICES: u32 = 30;

/// What kind of binary some bytes begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// ELF.
    Elf,
    /// PE: Windows.
    Pe,
    /// Mach-O: macOS.
    MachO,
    /// Several Mach-O in one file.
    Universal,
    /// WebAssembly.
    Wasm,
}

/// Recognises one by its first eight bytes.
pub(super) fn sniff(head: &[u8]) -> Option<Format> {
    match head.get(..4)? {
        b"\x7fELF" => Some(Format::Elf),
        b"\xfe\xed\xfa\xce" | b"\xfe\xed\xfa\xcf" | b"\xce\xfa\xed\xfe" | b"\xcf\xfa\xed\xfe" => Some(Format::MachO),
        b"\xca\xfe\xba\xbe" | b"\xca\xfe\xba\xbf" => {
            let count = u32::from_be_bytes(head.get(4..8)?.try_into().ok()?);
            (1..=SLICES).contains(&count).then_some(Format::Universal)
        }
        b"\0asm" => Some(Format::Wasm),
        [b'M', b'Z', ..] => Some(Format::Pe),
        _ => None,
    }
}

fn broken(what: impl Into<String>) -> LockError {
    LockError::new(what)
}

/// A file, or a part of one, that is read piece by piece.
pub(super) struct Bytes<'a> {
    source: &'a mut dyn ReadSeek,
    base: u64,
    length: u64,
}

impl<'a> Bytes<'a> {
    pub(super) fn whole(source: &'a mut dyn ReadSeek) -> Result<Self, LockError> {
        let length = source.seek(SeekFrom::End(0)).map_err(|e| broken(e.to_string()))?;
        Ok(Self { source, base: 0, length })
    }

    /// A part of it; no more than there is.
    pub(super) fn slice(&mut self, offset: u64, size: u64) -> Bytes<'_> {
        let offset = offset.min(self.length);
        let length = size.min(self.length - offset);
        Bytes { source: &mut *self.source, base: self.base + offset, length }
    }

    /// So many bytes, or as many as there are.
    pub(super) fn up_to(&mut self, offset: u64, size: usize) -> Result<Vec<u8>, LockError> {
        let left = self.length.saturating_sub(offset).min(size as u64);
        let mut out = Vec::new();
        if left > 0 {
            let failed = |e: std::io::Error| broken(e.to_string());
            self.source.seek(SeekFrom::Start(self.base + offset)).map_err(failed)?;
            Read::take(&mut *self.source, left).read_to_end(&mut out).map_err(failed)?;
        }
        Ok(out)
    }

    /// So many bytes; what there is of them must be all.
    pub(super) fn at(&mut self, offset: u64, size: u64) -> Result<Vec<u8>, LockError> {
        if offset.checked_add(size).is_none_or(|end| end > self.length) {
            return Err(broken("the file ends before what its headers tell of"));
        }
        let size = usize::try_from(size).map_err(|_| broken("larger than this machine can hold"))?;
        let out = self.up_to(offset, size)?;
        if out.len() == size { Ok(out) } else { Err(broken("the file ends before its end")) }
    }
}

/// A part of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct Section {
    /// Its name; empty for a segment.
    pub(super) name: String,
    /// Where it lies in memory.
    pub(super) address: u64,
    /// Where it lies in the file.
    pub(super) offset: u64,
    /// Its bytes in the file.
    pub(super) size: u64,
    /// The program may write there, and not run what is there.
    pub(super) data: bool,
}

/// An object's sections.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) format: Format,
    pub(super) big_endian: bool,
    pub(super) sections: Vec<Section>,
    /// What is loaded: for ELF and Mach-O apart from the sections.
    pub(super) segments: Vec<Section>,
}

impl Object {
    /// The section of a name.
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|one| one.name == name)
    }

    /// Bytes at an address in memory.
    pub(super) fn at_address(&self, bytes: &mut Bytes<'_>, address: u64, size: u64) -> Result<Vec<u8>, LockError> {
        let within = |one: &&Section| address.checked_sub(one.address).is_some_and(|at| at < one.size);
        let place = self.segments.iter().find(within).ok_or_else(|| broken("an address that is in no segment"))?;
        let at = address - place.address;
        if size > place.size - at {
            return Err(broken("an address range that leaves its segment"));
        }
        bytes.at(place.offset.saturating_add(at), size)
    }
}

/// Numbers of a header, in its order of bytes.
pub(super) struct Fields<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) big_endian: bool,
}

impl Fields<'_> {
    fn number(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
    }

    fn short(&self, at: usize) -> Result<u64, LockError> {
        self.number(at, 2).ok_or_else(|| broken("a header is cut off"))
    }

    pub(super) fn word(&self, at: usize) -> Result<u64, LockError> {
        self.number(at, 4).ok_or_else(|| broken("a header is cut off"))
    }

    pub(super) fn long(&self, at: usize, wide: bool) -> Result<u64, LockError> {
        self.number(at, if wide { 8 } else { 4 }).ok_or_else(|| broken("a header is cut off"))
    }
}

/// Reads an object's headers.
pub(super) fn read(bytes: &mut Bytes<'_>) -> Result<Object, LockError> {
    let head = bytes.up_to(0, 8)?;
    match sniff(&head) {
        Some(Format::Elf) => elf(bytes),
        Some(Format::Pe) => pe(bytes),
        Some(Format::MachO) => mach(bytes),
        Some(Format::Wasm) => wasm(bytes),
        _ => Err(broken("no binary that is read")),
    }
}

fn table(bytes: &mut Bytes<'_>, offset: u64, count: u64, size: u64) -> Result<Vec<u8>, LockError> {
    let whole = count.saturating_mul(size);
    if count > SECTIONS as u64 || whole > TABLE {
        return Err(broken(format!("{count} headers of sections or segments: more than are read")));
    }
    bytes.at(offset, whole)
}

fn elf(bytes: &mut Bytes<'_>) -> Result<Object, LockError> {
    let head = bytes.up_to(0, 64)?;
    let (class, order) = (head.get(4).copied(), head.get(5).copied());
    let wide = match class {
        Some(1) => false,
        Some(2) => true,
        _ => return Err(broken("ELF of no known class")),
    };
    let big_endian = order == Some(2);
    let header = Fields { bytes: &head, big_endian };
    let (segments_at, sections_at) = if wide {
        (header.long(32, true)?, header.long(40, true)?)
    } else {
        (header.long(28, false)?, header.long(32, false)?)
    };
    // e_phentsize and what follows it.
    let rest = if wide { 54 } else { 42 };
    let (segment_size, segment_count) = (header.short(rest)?, header.short(rest + 2)?);
    let (section_size, mut section_count) = (header.short(rest + 4)?, header.short(rest + 6)?);
    let mut names_index = header.short(rest + 8)?;
    let mut object = Object { format: Format::Elf, big_endian, sections: Vec::new(), segments: Vec::new() };

    if segment_count > 0 && segment_size >= if wide { 56 } else { 32 } {
        let raw = table(bytes, segments_at, segment_count, segment_size)?;
        for one in raw.chunks_exact(usize::try_from(segment_size).unwrap_or(usize::MAX)) {
            let one = Fields { bytes: one, big_endian };
            if one.word(0)? != 1 {
                continue; // PT_LOAD alone
            }
            let flags = one.word(if wide { 4 } else { 24 })?;
            let (offset, address, size) = if wide { (8, 16, 32) } else { (4, 8, 16) };
            object.segments.push(Section {
                name: String::new(),
                address: one.long(address, wide)?,
                offset: one.long(offset, wide)?,
                size: one.long(size, wide)?,
                data: flags & 3 == 2,
            });
        }
    }
    if sections_at == 0 || section_size < if wide { 64 } else { 40 } {
        return Ok(object);
    }
    let (size_at, link_at) = if wide { (32, 40) } else { (20, 24) };
    if section_count == 0 || names_index == 0xffff {
        // Too many for the header: the first section tells.
        let first = bytes.at(sections_at, section_size)?;
        let first = Fields { bytes: &first, big_endian };
        section_count = if section_count == 0 { first.long(size_at, wide)? } else { section_count };
        names_index = if names_index == 0xffff { first.word(link_at)? } else { names_index };
    }
    let raw = table(bytes, sections_at, section_count, section_size)?;
    let entries: Vec<Fields<'_>> = raw
        .chunks_exact(usize::try_from(section_size).unwrap_or(usize::MAX))
        .map(|one| Fields { bytes: one, big_endian })
        .collect();
    let (address_at, offset_at) = if wide { (16, 24) } else { (12, 16) };
    let names = match usize::try_from(names_index).ok().and_then(|index| entries.get(index)) {
        Some(one) => {
            let size = one.long(size_at, wide)?;
            if size > TABLE {
                return Err(broken("a table of names that is larger than is read"));
            }
            bytes.at(one.long(offset_at, wide)?, size)?
        }
        None => Vec::new(),
    };
    for one in &entries {
        let kind = one.word(4)?;
        let flags = one.long(8, wide)?;
        object.sections.push(Section {
            name: terminated(&names, one.word(0)?),
            address: one.long(address_at, wide)?,
            offset: one.long(offset_at, wide)?,
            // SHT_NOBITS has no bytes in the file.
            size: if kind == 8 { 0 } else { one.long(size_at, wide)? },
            data: flags & 7 == 3,
        });
    }
    Ok(object)
}

/// A name in a table: as long as the names that are asked for may be.
fn terminated(table: &[u8], at: u64) -> String {
    let rest = usize::try_from(at).ok().and_then(|at| table.get(at..)).unwrap_or_default();
    let rest = &rest[..rest.len().min(64)];
    String::from_utf8_lossy(rest.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

fn pe(bytes: &mut Bytes<'_>) -> Result<Object, LockError> {
    let mut object = Object { format: Format::Pe, big_endian: false, sections: Vec::new(), segments: Vec::new() };
    let head = bytes.up_to(0, 64)?;
    let head = Fields { bytes: &head, big_endian: false };
    let Ok(at) = head.word(60) else { return Ok(object) };
    let header = bytes.up_to(at, 24 + 64)?;
    if !header.starts_with(b"PE\0\0") {
        return Ok(object); // a DOS program, or a text that begins with these two letters
    }
    let header = Fields { bytes: &header, big_endian: false };
    let (count, optional) = (header.short(6)?, header.short(20)?);
    let base = match if optional >= 32 { header.short(24)? } else { 0 } {
        0x10b => header.word(24 + 28)?,
        0x20b => header.long(24 + 24, true)?,
        _ => 0,
    };
    let raw = table(bytes, at + 24 + optional, count, 40)?;
    for one in raw.chunks_exact(40) {
        let name = one.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(&name[..name.len().min(8)]).into_owned();
        let one = Fields { bytes: one, big_endian: false };
        let (virtual_size, raw_size) = (one.word(8)?, one.word(16)?);
        // What is in the file beyond the section's own size fills up its last block.
        let size = if virtual_size == 0 { raw_size } else { raw_size.min(virtual_size) };
        object.sections.push(Section {
            name,
            address: base.wrapping_add(one.word(12)?),
            offset: one.word(20)?,
            size,
            // IMAGE_SCN_CNT_INITIALIZED_DATA, IMAGE_SCN_MEM_READ, IMAGE_SCN_MEM_WRITE; IMAGE_SCN_MEM_EXECUTE not.
            data: one.word(36)? & 0xe000_0040 == 0xc000_0040,
        });
    }
    object.segments.clone_from(&object.sections);
    Ok(object)
}

fn mach(bytes: &mut Bytes<'_>) -> Result<Object, LockError> {
    let head = bytes.up_to(0, 32)?;
    let big_endian = head.first() == Some(&0xfe);
    let wide = head.iter().take(4).any(|byte| *byte == 0xcf);
    let header = Fields { bytes: &head, big_endian };
    let size = header.word(20)?;
    if size > TABLE {
        return Err(broken("load commands that are larger than are read"));
    }
    let commands = bytes.at(if wide { 32 } else { 28 }, size)?;
    let mut object = Object { format: Format::MachO, big_endian, sections: Vec::new(), segments: Vec::new() };
    let name =
        |raw: &[u8]| String::from_utf8_lossy(raw.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    let mut rest = &commands[..];
    for _ in 0..header.word(16)?.min(SECTIONS as u64) {
        let command = Fields { bytes: rest, big_endian };
        let (Ok(kind), Ok(size)) = (command.word(0), command.word(4)) else { break };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let Some(command) = rest.get(..size).filter(|_| size >= 8) else {
            return Err(broken("a load command that leaves the others' bounds"));
        };
        rest = &rest[size..];
        let wide = match kind {
            0x01 => false,
            0x19 => true,
            _ => continue,
        };
        let one = Fields { bytes: command, big_endian };
        let step = if wide { 8 } else { 4 };
        let protection = one.word(24 + 4 * step + 4)?;
        object.segments.push(Section {
            name: String::new(),
            address: one.long(24, wide)?,
            offset: one.long(24 + 2 * step, wide)?,
            size: one.long(24 + 3 * step, wide)?,
            data: protection & 6 == 2,
        });
        let first = 24 + 4 * step + 16;
        let length = if wide { 80 } else { 68 };
        for raw in command.get(first..).unwrap_or_default().chunks_exact(length) {
            if object.sections.len() == SECTIONS {
                return Err(broken("more sections than are read"));
            }
            let one = Fields { bytes: raw, big_endian };
            let size = one.long(32 + step, wide)?;
            object.sections.push(Section {
                name: name(&raw[..16]),
                address: one.long(32, wide)?,
                offset: one.word(32 + 2 * step)?,
                size,
                data: protection & 6 == 2,
            });
        }
    }
    Ok(object)
}

/// Where the objects of a universal binary lie: offset and size.
pub(super) fn slices(bytes: &mut Bytes<'_>) -> Result<Vec<(u64, u64)>, LockError> {
    let head = bytes.up_to(0, 8 + 32 * SLICES as usize)?;
    let wide = head.get(3) == Some(&0xbf);
    let header = Fields { bytes: &head, big_endian: true };
    let count = header.word(4)?.min(u64::from(SLICES));
    let length = if wide { 32 } else { 20 };
    (0..usize::try_from(count).unwrap_or_default())
        .map(|index| {
            let at = 8 + index * length;
            Ok((header.long(at + 8, wide)?, header.long(at + if wide { 16 } else { 12 }, wide)?))
        })
        .collect()
}

fn wasm(bytes: &mut Bytes<'_>) -> Result<Object, LockError> {
    let mut object = Object { format: Format::Wasm, big_endian: false, sections: Vec::new(), segments: Vec::new() };
    let mut at = 8;
    while at < bytes.length && object.sections.len() < SECTIONS {
        // One byte of kind, the size, the length of the name and the name, as far as it may matter.
        let head = bytes.up_to(at, 1 + 5 + 5 + 64)?;
        let (size, used) = leb128(head.get(1..).unwrap_or_default()).ok_or_else(|| broken("a section is cut off"))?;
        let start = at + 1 + used as u64;
        let mut section = Section { offset: start, size, ..Section::default() };
        if head.first() == Some(&0) {
            let inner = head.get(1 + used..).unwrap_or_default();
            let (length, taken) = leb128(inner).ok_or_else(|| broken("a section's name is cut off"))?;
            let end = usize::try_from(length).ok().and_then(|length| taken.checked_add(length));
            if let Some(name) = end.and_then(|end| inner.get(taken..end)) {
                section.name = String::from_utf8_lossy(name).into_owned();
            }
            let before = (taken as u64).saturating_add(length);
            section.offset = start.saturating_add(before);
            section.size = size.saturating_sub(before);
        }
        object.sections.push(section);
        at = start.saturating_add(size);
    }
    Ok(object)
}

/// An unsigned number in LEB128, of 64 bits at most, and the bytes that it takes.
pub(super) fn leb128(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(index).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}
