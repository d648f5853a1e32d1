//! The kernel's types (BTF, Documentation/bpf/btf.rst), cut down to those that the programs' relocations need. The whole
//! has some 150,000 types, and a loader that reads and searches them all takes as long as everything else that it does.

use std::collections::{HashMap, HashSet, VecDeque};

/// The structures and fields that the programs read.
const WANTED: &str = include_str!("kernel.h");

const MAGIC: u16 = 0xeb9f;
/// Magic number, version, flags, own length, and places and lengths of types and strings, in bytes.
const HEADER: usize = 24;
/// `struct btf_type`: name, kind and count, size or type, in bytes.
const TYPE: usize = 12;
/// `struct btf_member`: name, type, offset, in bytes.
const MEMBER: usize = 12;

// `BTF_KIND_*` (linux/btf.h).
const INT: u32 = 1;
const POINTER: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FORWARD: u32 = 7;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// Type information of a kernel with nothing but the structures that the programs read, their fields of interest, and
/// what these are made of: what a pointer leads to, and values of enumerations, are left out.
///
/// # Errors
/// What is wrong with the bytes: they are not BTF of this machine's byte order, or name what is not there.
pub fn needed(btf: &[u8]) -> Result<Vec<u8>, String> {
    let types = Types::parse(btf)?;
    // The first string is the empty one.
    let mut kept = Kept { types, fields: words(WANTED).collect(), strings: vec![0], ..Kept::default() };
    let structures: HashSet<&[u8]> =
        WANTED.lines().filter_map(|line| line.strip_prefix("struct ")?.strip_suffix(" {")).map(str::as_bytes).collect();
    for id in 1..=kept.types.count() {
        let head = kept.types.head(id)?;
        if head.kind == STRUCT && structures.contains(kept.types.string(head.name)?) {
            kept.place(id);
        }
    }
    while let Some(id) = kept.waiting.pop_front() {
        kept.copy(id)?;
    }
    Ok(kept.whole())
}

fn words(text: &str) -> impl Iterator<Item = &[u8]> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').map(str::as_bytes).filter(|word| !word.is_empty())
}

fn word(bytes: &[u8], at: usize) -> Result<u32, String> {
    let four = at.checked_add(4).and_then(|end| bytes.get(at..end)).and_then(|four| four.try_into().ok());
    four.map(u32::from_le_bytes).ok_or_else(|| format!("it ends at byte {at}"))
}

/// `struct btf_type`
#[derive(Clone, Copy)]
struct Head {
    name: u32,
    info: u32,
    kind: u32,
    /// How many members, values, parameters or variables follow.
    count: usize,
    size_or_type: u32,
    /// Where what follows begins, in the types.
    rest: usize,
}

#[derive(Default)]
struct Types<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where each type begins; the first has number 1.
    starts: Vec<u32>,
}

impl<'a> Types<'a> {
    fn parse(btf: &'a [u8]) -> Result<Self, String> {
        if btf.len() < HEADER || btf[..2] != MAGIC.to_le_bytes() || btf[2] != 1 {
            return Err("it is no BTF of version 1 in this machine's byte order".into());
        }
        let header = word(btf, 4)? as usize;
        let section = |at: usize| -> Result<&'a [u8], String> {
            let from = header.checked_add(word(btf, at)? as usize);
            let to = from.and_then(|from| from.checked_add(word(btf, at + 4).ok()? as usize));
            from.zip(to).and_then(|(from, to)| btf.get(from..to)).ok_or_else(|| "a section lies outside of it".into())
        };
        let mut types = Self { types: section(8)?, strings: section(16)?, starts: Vec::new() };
        if u32::try_from(types.types.len()).is_err() {
            return Err("it is too long".into());
        }
        types.starts.reserve(types.types.len() / 20);
        let mut at = 0;
        while at < types.types.len() {
            types.starts.push(at as u32);
            let head = types.head_at(at)?;
            at = head.rest + following(&head)?;
        }
        Ok(types)
    }

    fn count(&self) -> u32 {
        self.starts.len() as u32
    }

    fn head_at(&self, at: usize) -> Result<Head, String> {
        let (name, info, size_or_type) = (word(self.types, at)?, word(self.types, at + 4)?, word(self.types, at + 8)?);
        let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        Ok(Head { name, info, kind, count, size_or_type, rest: at + TYPE })
    }

    fn head(&self, id: u32) -> Result<Head, String> {
        let start = (id as usize).checked_sub(1).and_then(|at| self.starts.get(at));
        self.head_at(*start.ok_or_else(|| format!("there is no type {id}"))? as usize)
    }

    fn string(&self, at: u32) -> Result<&'a [u8], String> {
        let text = self.strings.get(at as usize..).ok_or_else(|| format!("there is no string at {at}"))?;
        let end = text.iter().position(|byte| *byte == 0).ok_or_else(|| format!("the string at {at} has no end"))?;
        Ok(&text[..end])
    }
}

/// How many bytes follow a type's head.
fn following(head: &Head) -> Result<usize, String> {
    Ok(match head.kind {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => head.count * 12,
        ENUM | FUNC_PROTO => head.count * 8,
        POINTER | FORWARD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => 0,
        kind => return Err(format!("types of kind {kind} are not known")),
    })
}

/// What is kept, with numbers of its own.
#[derive(Default)]
struct Kept<'a> {
    types: Types<'a>,
    fields: HashSet<&'a [u8]>,
    numbers: HashMap<u32, u32>,
    waiting: VecDeque<u32>,
    out: Vec<u8>,
    strings: Vec<u8>,
    texts: HashMap<&'a [u8], u32>,
}

impl<'a> Kept<'a> {
    /// The new number of a type. Types are written in the order in which they are asked for.
    fn place(&mut self, id: u32) -> u32 {
        if id == 0 {
            return 0;
        }
        let next = self.numbers.len() as u32 + 1;
        *self.numbers.entry(id).or_insert_with(|| {
            self.waiting.push_back(id);
            next
        })
    }

    fn text(&mut self, at: u32) -> Result<u32, String> {
        let text = self.types.string(at)?;
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(there) = self.texts.get(text) {
            return Ok(*there);
        }
        let place = self.strings.len() as u32;
        self.strings.extend_from_slice(text);
        self.strings.push(0);
        self.texts.insert(text, place);
        Ok(place)
    }

    fn write(&mut self, words: &[u32]) {
        self.out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }

    fn copy(&mut self, id: u32) -> Result<(), String> {
        let head = self.types.head(id)?;
        let (name, none) = (self.text(head.name)?, head.info & !0xffff);
        let follows = |at: usize| word(self.types.types, head.rest + at);
        match head.kind {
            INT => {
                let encoding = follows(0)?;
                self.write(&[name, head.info, head.size_or_type, encoding]);
            }
            POINTER => self.write(&[name, head.info, 0]),
            FORWARD | FLOAT => self.write(&[name, head.info, head.size_or_type]),
            ENUM | ENUM64 => self.write(&[name, none, head.size_or_type]),
            TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => {
                let to = self.place(head.size_or_type);
                self.write(&[name, head.info, to]);
            }
            ARRAY => {
                let (element, index, length) = (follows(0)?, follows(4)?, follows(8)?);
                let (element, index) = (self.place(element), self.place(index));
                self.write(&[name, head.info, head.size_or_type, element, index, length]);
            }
            STRUCT | UNION => {
                let mut members = Vec::new();
                for at in (0..head.count).map(|member| member * MEMBER) {
                    let (name, to, offset) = (follows(at)?, follows(at + 4)?, follows(at + 8)?);
                    let text = self.types.string(name)?;
                    // Those without a name hold fields as if they were the structure's own.
                    if text.is_empty() || self.fields.contains(text) {
                        members.push([name, to, offset]);
                    }
                }
                self.write(&[name, none | members.len() as u32, head.size_or_type]);
                for [name, to, offset] in members {
                    let (name, to) = (self.text(name)?, self.place(to));
                    self.write(&[name, to, offset]);
                }
            }
            kind => return Err(format!("type {id} of kind {kind} is no field's")),
        }
        Ok(())
    }

    fn whole(self) -> Vec<u8> {
        let (types, strings) = (self.out.len() as u32, self.strings.len() as u32);
        let mut all = Vec::with_capacity(HEADER + self.out.len() + self.strings.len());
        all.extend(MAGIC.to_le_bytes());
        all.extend([1, 0]);
        all.extend([HEADER as u32, 0, types, types, strings].iter().flat_map(|word| word.to_le_bytes()));
        all.extend(self.out);
        all.extend(self.strings);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct pid` with a pointer, a field that nobody reads, and a union without a name around `level`.
    fn small() -> Vec<u8> {
        let strings = b"\0pid\0level\0other_field\0numbers\0int\0";
        let name = |text: &str| {
            let at = strings.windows(text.len() + 1).position(|window| window == [text.as_bytes(), b"\0"].concat());
            at.expect("a name") as u32
        };
        let types: Vec<u32> = [
            &[name("int"), INT << 24, 4, 32][..],
            &[0, POINTER << 24, 1],
            &[0, UNION << 24 | 1, 4, name("level"), 1, 0],
            &[name("other_field"), TYPEDEF << 24, 1],
            &[0, ARRAY << 24, 0, 2, 1, 7],
            &[name("pid"), STRUCT << 24 | 3, 64, 0, 3, 0, name("other_field"), 4, 32, name("numbers"), 5, 64],
            &[name("other_field"), STRUCT << 24 | 1, 8, name("level"), 1, 0],
        ]
        .concat();
        let lengths = [HEADER as u32, 0, types.len() as u32 * 4, types.len() as u32 * 4, strings.len() as u32];
        let mut all = [&MAGIC.to_le_bytes()[..], &[1, 0]].concat();
        all.extend(lengths.iter().chain(&types).flat_map(|word| word.to_le_bytes()));
        all.extend(strings);
        all
    }

    #[test]
    fn only_what_is_read_is_kept() {
        let cut = needed(&small()).expect("cut");
        let types = Types::parse(&cut).expect("BTF");
        let head = types.head(1).expect("the structure");
        assert_eq!(
            (types.string(head.name).expect("name"), head.kind, head.count, head.size_or_type),
            (&b"pid"[..], STRUCT, 2, 64)
        );
        let pointer = (1..=types.count()).map(|id| types.head(id).expect("a type")).find(|head| head.kind == POINTER);
        assert_eq!(pointer.expect("numbers point to something").size_or_type, 0, "and what, is not kept");
        let names: Vec<_> =
            (1..=types.count()).map(|id| types.string(types.head(id).expect("a type").name).expect("name")).collect();
        assert!(!names.contains(&&b"other_field"[..]), "{names:?}");
        assert_eq!(needed(&cut).expect("once more"), cut, "there is nothing more to cut");
    }

    #[test]
    fn what_is_no_btf_is_said_to_be_none() {
        let whole = small();
        assert!(needed(&[]).is_err());
        for end in 0..whole.len() {
            assert!(needed(&whole[..end]).is_err(), "cut at {end}");
        }
        let mut unknown = whole.clone();
        unknown[HEADER + 7] = 31;
        assert!(needed(&unknown).expect_err("kind 31").contains("kind 31"));
        let mut outside = whole;
        outside[HEADER + TYPE + 4 + TYPE + TYPE + 4] = 99;
        assert!(needed(&outside).expect_err("type 99").contains("type 99"));
    }

    #[test]
    fn the_running_kernel_has_every_structure() {
        let Ok(all) = std::fs::read("/sys/kernel/btf/vmlinux") else { return };
        let cut = needed(&all).expect("cut");
        assert!(cut.len() < all.len() / 20, "{} of {} bytes", cut.len(), all.len());
        let types = Types::parse(&cut).expect("BTF");
        let there: HashSet<&[u8]> =
            (1..=types.count()).filter_map(|id| types.string(types.head(id).ok()?.name).ok()).collect();
        for name in ["task_struct", "linux_binprm", "unix_sock", "pid_namespace", "inode", "pt_regs"] {
            assert!(there.contains(name.as_bytes()), "{name}");
        }
    }
}
