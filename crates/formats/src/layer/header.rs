//! A header: one block of 512 bytes.

use super::sparse::Map;

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A hard link: another name for a file.
    HardLink,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A named pipe.
    Fifo,
    /// Anything else: its type flag. Runtimes refuse it.
    Other(u8),
}

impl Kind {
    /// True for kinds whose header may be followed by content.
    pub fn has_content(self) -> bool {
        matches!(self, Self::File | Self::Other(_))
    }
}

/// What a layer says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name, as it stands there.
    pub name: Vec<u8>,
    /// For links: the target, as it stands there.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The type flag.
    pub flag: u8,
    /// Permissions with setuid (`0o4000`), setgid (`0o2000`) and sticky (`0o1000`).
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Seconds since 1970 of the last change.
    pub modified: i64,
    /// Bytes of its content, holes included; none for kinds that have none.
    pub size: u64,
    /// Bytes of content that its headers claim, whatever its kind.
    pub claimed: i64,
    /// For devices: major and minor number.
    pub device: (u32, u32),
    /// It has file capabilities (the extended attribute `security.capability`).
    pub capabilities: bool,
    /// It stands after the end of the archive: no runtime sees it.
    pub after_end: bool,
    /// What other readers may understand differently.
    pub odd: Vec<&'static str>,
}

/// A block of the archive.
pub(super) struct Block(pub(super) [u8; BLOCK]);

impl Default for Block {
    fn default() -> Self {
        Self([0; BLOCK])
    }
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Format {
    V7,
    Ustar,
    Star,
    Gnu,
}

impl Block {
    /// Reads it as Go's `Reader.readHeader` does.
    pub(super) fn header(&self) -> Result<Header, &'static str> {
        let b = &self.0;
        let format = self.format()?;
        let flag = b[156];
        let kind = match flag {
            b'0' | 0 => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::Character,
            b'4' => Kind::Block,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            b'S' => Kind::File,
            other => Kind::Other(other),
        };
        let mode = number(&b[100..108])?;
        let uid = number(&b[108..116])?;
        let gid = number(&b[116..124])?;
        let claimed = number(&b[124..136])?;
        let modified = number(&b[136..148])?;
        let mut header = Header {
            name: text(&b[0..100]).to_vec(),
            link: text(&b[157..257]).to_vec(),
            kind,
            flag,
            mode: u32::try_from(mode & 0o7777).unwrap_or_default(),
            uid: u64::try_from(uid).unwrap_or(u64::MAX),
            gid: u64::try_from(gid).unwrap_or(u64::MAX),
            modified,
            size: 0,
            claimed,
            device: (0, 0),
            capabilities: false,
            after_end: false,
            odd: Vec::new(),
        };
        if format != Format::V7 {
            let wide = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
            header.device = (wide(number(&b[329..337])?), wide(number(&b[337..345])?));
        }
        let prefix: &[u8] = match format {
            Format::V7 => b"",
            Format::Ustar => text(&b[345..500]),
            Format::Star => {
                number(&b[476..488])?;
                number(&b[488..500])?;
                text(&b[345..476])
            }
            // A GNU header has times where ustar has a prefix. Go takes for one what are no times: its own writer once
            // wrote such headers.
            Format::Gnu => {
                let time = |field: &[u8]| field[0] == 0 || number(field).is_ok();
                let prefix = text(&b[345..500]);
                if time(&b[345..357]) && time(&b[357..369]) || !prefix.is_ascii() { b"" } else { prefix }
            }
        };
        if !prefix.is_empty() {
            header.name = [prefix, b"/", &header.name].concat();
        }
        Ok(header)
    }

    fn format(&self) -> Result<Format, &'static str> {
        let b = &self.0;
        let claimed = octal(&b[148..156]).map_err(|_| "its checksum is no number")?;
        let (mut sum, mut signed) = (0_i64, 0_i64);
        for (at, &byte) in b.iter().enumerate() {
            let byte = if (148..156).contains(&at) { b' ' } else { byte };
            sum += i64::from(byte);
            signed += i64::from(byte.cast_signed());
        }
        if claimed != sum && claimed != signed {
            return Err("its checksum is wrong");
        }
        Ok(match (&b[257..263], &b[263..265]) {
            (b"ustar\0", _) if &b[508..512] == b"tar\0" => Format::Star,
            (b"ustar\0", _) => Format::Ustar,
            (b"ustar ", b" \0") => Format::Gnu,
            _ => Format::V7,
        })
    }

    /// Of an old GNU sparse file: the pieces of its header, whether more follow, its size with holes.
    pub(super) fn sparse(&self, limit: usize) -> Result<(Map, bool, u64), &'static str> {
        if self.format()? != Format::Gnu {
            return Err("a sparse file whose header is not GNU's");
        }
        let size = u64::try_from(number(&self.0[483..495])?).map_err(|_| "a size below zero")?;
        let mut map = Map::new();
        pieces(&self.0[386..482], &mut map, limit)?;
        Ok((map, self.0[482] != 0, size))
    }

    /// Of an old GNU sparse file: a block of further pieces. True when more follow.
    pub(super) fn more_sparse(&self, map: &mut Map, limit: usize) -> Result<bool, &'static str> {
        pieces(&self.0[..504], map, limit)?;
        Ok(self.0[504] != 0)
    }
}

fn pieces(fields: &[u8], map: &mut Map, limit: usize) -> Result<(), &'static str> {
    for piece in fields.chunks_exact(24) {
        if piece[0] == 0 {
            break;
        }
        if map.len() == limit {
            return Err("a sparse file of too many pieces");
        }
        map.push((number(&piece[..12])?, number(&piece[12..])?));
    }
    Ok(())
}

/// A text up to its zero byte.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|&b| b == 0).next().unwrap_or_default()
}

/// A number: octal digits, or base 256 when the first bit is set (as Go's `parser.parseNumeric`).
fn number(field: &[u8]) -> Result<i64, &'static str> {
    let first = field[0];
    if first & 0x80 == 0 {
        return octal(field);
    }
    let negative = first & 0x40 != 0;
    let invert = if negative { 0xff } else { 0 };
    let mut value = 0_u64;
    for (at, &byte) in field.iter().enumerate() {
        let byte = (byte ^ invert) & if at == 0 { 0x7f } else { 0xff };
        if value >> 56 > 0 {
            return Err("a number that is too large");
        }
        value = value << 8 | u64::from(byte);
    }
    let value = i64::try_from(value).map_err(|_| "a number that is too large")?;
    Ok(if negative { !value } else { value })
}

fn octal(field: &[u8]) -> Result<i64, &'static str> {
    let is_space = |b: &u8| *b == b' ' || *b == 0;
    let begin = field.iter().position(|b| !is_space(b)).unwrap_or(field.len());
    let end = field.iter().rposition(|b| !is_space(b)).map_or(begin, |at| at + 1);
    let digits = text(&field[begin..end]);
    let mut value = 0_i64;
    for &digit in digits {
        if !(b'0'..=b'7').contains(&digit) {
            return Err("a number that is none");
        }
        value =
            value.checked_mul(8).and_then(|v| v.checked_add(i64::from(digit - b'0'))).ok_or("a number too large")?;
    }
    Ok(value)
}
