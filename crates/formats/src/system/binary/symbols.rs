//! The functions of a Go binary: the names in its table of program counters (`debug/gosym/pclntab.go`), and with them
//! those of functions that were inlined.

use std::collections::BTreeSet;

use super::MAXIMUM_SEARCH;
use super::object::{Bytes, Fields, Format, Object};
use crate::lock::LockError;

/// Functions of one binary that are kept at most.
pub const MAXIMUM_SYMBOLS: usize = 2_000_000;

/// Bytes of the table of names at most.
pub const MAXIMUM_NAMES: u64 = 256 << 20;

/// Bytes of one name at most; longer ones are of generated code.
const NAME: usize = 4096;

/// Bytes that are searched at a time, where no section tells the place.
const PIECE: usize = 1 << 20;

/// Places with the right mark that are tried.
const TRIES: usize = 1024;

/// Functions of a Go binary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GoSymbols {
    names: BTreeSet<String>,
    /// False when there were more than are kept.
    complete: bool,
}

impl GoSymbols {
    /// Every one as `package.Function` or `package.Type.Method`, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// True when the package (by its import path) has such a function: `Function`, `Type.Method`, as Go's advisories write
    /// it.
    pub fn contains(&self, package: &str, symbol: &str) -> bool {
        self.names.contains(&format!("{package}.{symbol}"))
    }

    /// True when any function of the package is there.
    pub fn has_package(&self, package: &str) -> bool {
        let start = format!("{package}.");
        self.names
            .range(start.clone()..)
            .next()
            .is_some_and(|name| name.starts_with(&start) && !name[start.len()..].contains('/'))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// True when all of the binary's functions are there: one that is missing then is not in it.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.complete &= more.complete;
        for name in more.names {
            self.add(name);
        }
    }

    fn add(&mut self, name: String) {
        if self.names.len() < MAXIMUM_SYMBOLS {
            self.names.insert(name);
        } else {
            self.complete &= self.names.contains(&name);
        }
    }
}

/// How a table is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Go 1.2 to 1.15: names stand between everything else.
    Old,
    /// Go 1.16, 1.17: names stand together.
    Tables,
    /// Since Go 1.18: the start of the text stands before their offsets.
    Text,
}

/// Bytes of a table's header at most: eight and eight numbers.
const HEADER: usize = 8 + 8 * 8;

/// What the first bytes of a table say: its order of bytes, the size of its pointers, its layout.
fn header(head: &[u8]) -> Option<(bool, bool, Layout)> {
    let magic: [u8; 4] = head.get(..4)?.try_into().ok()?;
    let layout = |value: u32| match value {
        0xffff_fffb => Some(Layout::Old),
        0xffff_fffa => Some(Layout::Tables),
        0xffff_fff0 | 0xffff_fff1 => Some(Layout::Text),
        _ => None,
    };
    let (big_endian, layout) = match layout(u32::from_le_bytes(magic)) {
        Some(layout) => (false, layout),
        None => (true, layout(u32::from_be_bytes(magic))?),
    };
    let sound = head.get(4..6)? == [0, 0] && matches!(head.get(6)?, 1 | 2 | 4);
    let wide = match head.get(7)? {
        4 => false,
        8 => true,
        _ => return None,
    };
    sound.then_some((big_endian, wide, layout))
}

pub(super) fn read(bytes: &mut Bytes<'_>, object: &Object) -> Option<Result<GoSymbols, LockError>> {
    if object.format == Format::Wasm {
        return None;
    }
    let names = [".gopclntab", ".data.rel.ro.gopclntab", "__gopclntab"];
    if let Some(section) = names.into_iter().find_map(|name| object.section(name)) {
        return Some(table(bytes, section.offset, section.size));
    }
    // Windows' binaries have no section for it, and some linkers put it into another.
    let places = if object.sections.is_empty() { &object.segments } else { &object.sections };
    let (mut left, mut tries) = (MAXIMUM_SEARCH, 0);
    for place in places {
        let size = place.size.min(left);
        left -= size;
        let mut at = 0;
        while at < size {
            let Ok(piece) = bytes.up_to(place.offset.saturating_add(at), PIECE) else { break };
            if piece.is_empty() {
                break;
            }
            for found in memchr::memmem::find_iter(&piece, b"\xff\xff\xff\0\0") {
                let start = found.saturating_sub(1);
                let here = at + start as u64;
                if here >= size || piece.get(start..).and_then(header).is_none() {
                    continue;
                }
                tries += 1;
                if let Ok(symbols) = table(bytes, place.offset.saturating_add(here), size - here)
                    && !symbols.is_empty()
                {
                    return Some(Ok(symbols));
                }
                if tries == TRIES {
                    return None;
                }
            }
            at += if piece.len() == PIECE { (PIECE - 8) as u64 } else { piece.len() as u64 };
        }
    }
    None
}

/// The names of a table.
fn table(bytes: &mut Bytes<'_>, offset: u64, size: u64) -> Result<GoSymbols, LockError> {
    let broken = |what: &str| LockError::new(format!("the table of Go's functions: {what}"));
    let head = bytes.up_to(offset, HEADER)?;
    let (big_endian, wide, layout) = header(&head).ok_or_else(|| broken("it is of no known kind"))?;
    let fields = Fields { bytes: &head, big_endian };
    let step = if wide { 8 } else { 4 };
    let field = |index: usize| fields.long(8 + index * step, wide);
    let mut symbols = GoSymbols { names: BTreeSet::new(), complete: true };
    let first = match layout {
        Layout::Old => return old_table(bytes, offset, size, field(0)?, (big_endian, wide)),
        Layout::Tables => 2,
        Layout::Text => 3,
    };
    // The names reach from their own offset to that of the next table.
    let (from, to) = (field(first)?, field(first + 1)?);
    let length = to.checked_sub(from).filter(|length| *length <= MAXIMUM_NAMES && to <= size);
    let length = length.ok_or_else(|| broken("the names reach beyond what is read"))?;
    let names = bytes.at(offset.saturating_add(from), length)?;
    for name in names.split(|byte| *byte == 0) {
        add(&mut symbols, name);
    }
    Ok(symbols)
}

/// Go 1.2's form: pairs of a program counter and the offset of a function's record, in which there is the offset of the
/// name.
fn old_table(
    bytes: &mut Bytes<'_>,
    offset: u64,
    size: u64,
    count: u64,
    (big_endian, wide): (bool, bool),
) -> Result<GoSymbols, LockError> {
    let whole = bytes.at(offset, size.min(MAXIMUM_NAMES))?;
    let fields = Fields { bytes: &whole, big_endian };
    let step: u64 = if wide { 8 } else { 4 };
    let mut symbols = GoSymbols { names: BTreeSet::new(), complete: size <= MAXIMUM_NAMES };
    // Names of all functions together are no longer than the table, unless they overlap.
    let mut left = whole.len();
    for index in 0..count.min(MAXIMUM_SYMBOLS as u64) {
        let name = |at: u64| usize::try_from(at).map_err(|_| LockError::new("an offset that is too large"));
        let record = fields.long(name(8 + step + index * 2 * step + step)?, wide)?;
        let at = fields.word(name(record.saturating_add(step))?)?;
        let rest = whole.get(name(at)?..).unwrap_or_default();
        let end = memchr::memchr(0, &rest[..rest.len().min(NAME)]);
        let Some(found) = end.and_then(|end| rest.get(..end)) else { continue };
        left = left.checked_sub(found.len()).ok_or_else(|| LockError::new("names of functions that overlap"))?;
        add(&mut symbols, found);
    }
    symbols.complete &= count <= MAXIMUM_SYMBOLS as u64;
    Ok(symbols)
}

fn add(symbols: &mut GoSymbols, name: &[u8]) {
    if let Some(name) = std::str::from_utf8(name).ok().filter(|name| name.len() <= NAME).and_then(normal) {
        symbols.add(name);
    }
}

/// A linker's symbol as advisories write it: `net/http.(*Server).Serve.func1` is `net/http.Server.Serve`,
/// `gopkg.in/yaml%2ev3.F[...]` is `gopkg.in/yaml.v3.F`.
fn normal(symbol: &str) -> Option<String> {
    // Type arguments hold slashes and dots of their own.
    let bracket = symbol.find('[').unwrap_or(symbol.len());
    let slash = symbol[..bracket].rfind('/').map_or(0, |at| at + 1);
    let dot = slash + symbol[slash..bracket].find('.')?;
    let (package, rest) = (&symbol[..dot], &symbol[dot + 1..]);
    if package.is_empty() || package.contains([':', ' ']) || package == "go" || package == "type" {
        return None; // `go:itab.…`, `type:.eq.…`
    }
    let mut parts: Vec<&str> = Vec::new();
    let without_arguments = without_brackets(rest);
    for part in without_arguments.split('.') {
        let part = part.strip_suffix("-fm").unwrap_or(part);
        let part = part.strip_prefix("(*").and_then(|rest| rest.strip_suffix(')')).unwrap_or(part);
        let part = part.split('-').next().unwrap_or(part);
        if part.is_empty() || parts.len() == 2 || (!parts.is_empty() && is_made(part)) {
            break;
        }
        parts.push(part);
    }
    (!parts.is_empty()).then(|| format!("{}.{}", unescaped(package), parts.join(".")))
}

/// True for what the compiler calls a function within a function: `func1`, `gowrap2`, `deferwrap1`, `1`.
fn is_made(part: &str) -> bool {
    let name = part.trim_end_matches(|one: char| one.is_ascii_digit());
    name.len() < part.len() && matches!(name, "" | "func" | "gowrap" | "deferwrap")
}

fn without_brackets(text: &str) -> String {
    let mut depth = 0_u32;
    let keep = |one: &char| {
        match one {
            '[' => depth += 1,
            ']' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    };
    text.chars().filter(keep).collect()
}

/// `%2e` is a dot: dots of an import path's last element are written so.
fn unescaped(path: &str) -> String {
    if !path.contains('%') {
        return path.to_owned();
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.filter(|_| *first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_as_advisories_write_them() {
        for (symbol, expected) in [
            ("net/http.(*Server).Serve", Some("net/http.Server.Serve")),
            ("net/http.(*Server).Serve.func1", Some("net/http.Server.Serve")),
            ("net/http.Header.Add-fm", Some("net/http.Header.Add")),
            ("main.main", Some("main.main")),
            ("main.main.func1.2", Some("main.main")),
            ("main.main.gowrap3", Some("main.main")),
            ("gopkg.in/yaml%2ev3.Unmarshal", Some("gopkg.in/yaml.v3.Unmarshal")),
            ("slices.SortFunc[go.shape.[]github.com/a/b.T,go.shape.int]", Some("slices.SortFunc")),
            ("a/b.(*T[...]).M", Some("a/b.T.M")),
            ("a/b.F-range1", Some("a/b.F")),
            ("a/b.init.0", Some("a/b.init")),
            ("a/b.glob..func1", Some("a/b.glob")),
            ("type:.eq.a/b.T", None),
            ("go:buildid", None),
            ("_cgo_init", None),
            ("", None),
            ("[.", None),
        ] {
            assert_eq!(normal(symbol).as_deref(), expected, "{symbol}");
        }
    }
}
