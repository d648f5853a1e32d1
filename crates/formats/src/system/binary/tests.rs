//! Binaries made here, as small as they can be.

use std::io::{Cursor, Write as _};

use provost_model::{Ecosystem, PackageSource, Scope};

use super::*;

/// A section of a binary to make: name, content, true for data.
type Part<'a> = (&'a str, Vec<u8>, bool);

/// Where the first section lies in memory; file and memory go alongside.
const BASE: u64 = 0x40_0000;

struct Writer {
    out: Vec<u8>,
    big: bool,
    wide: bool,
}

impl Writer {
    fn put(&mut self, value: u64, size: usize) -> &mut Self {
        let bytes = value.to_le_bytes();
        let bytes = bytes[..size].iter().copied();
        if self.big {
            self.out.extend(bytes.rev())
        } else {
            self.out.extend(bytes)
        }
        self
    }
    fn short(&mut self, value: u64) -> &mut Self {
        self.put(value, 2)
    }
    fn word(&mut self, value: u64) -> &mut Self {
        self.put(value, 4)
    }
    fn long(&mut self, value: u64) -> &mut Self {
        self.put(value, if self.wide { 8 } else { 4 })
    }
}

/// Where the first section's content lies in the file.
fn elf_start(wide: bool) -> u64 {
    if wide { 128 } else { 96 }
}

fn elf(parts: &[Part<'_>], wide: bool, big: bool) -> Vec<u8> {
    let start = elf_start(wide);
    let mut names = vec![0];
    let mut contents = Vec::new();
    let mut places = Vec::new();
    for (name, content, data) in parts {
        let name_at = names.len() as u64;
        names.extend(name.bytes().chain([0]));
        places.push((name_at, start + contents.len() as u64, content.len() as u64, *data));
        contents.extend(content);
        contents.resize(contents.len().next_multiple_of(16), 0);
    }
    let names_at = start + contents.len() as u64;
    let name_of_names = names.len() as u64;
    names.extend(b".shstrtab\0");
    places.push((name_of_names, names_at, names.len() as u64, false));
    let table = names_at + names.len() as u64;

    let mut w = Writer { out: b"\x7fELF".to_vec(), big, wide };
    w.out.extend([if wide { 2 } else { 1 }, if big { 2 } else { 1 }, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    w.short(2).short(62).word(1).long(BASE).long(if wide { 64 } else { 52 }).long(table).word(0);
    let (header, segment, section) = if wide { (64, 56, 64) } else { (52, 32, 40) };
    w.short(header).short(segment).short(1).short(section);
    w.short(places.len() as u64).short(places.len() as u64 - 1);
    let size = names_at - start;
    if wide {
        w.word(1).word(6).long(start).long(BASE).long(BASE).long(size).long(size).long(16);
    } else {
        w.word(1).long(start).long(BASE).long(BASE).long(size).long(size).word(6).long(16);
    }
    w.out.resize(start as usize, 0);
    w.out.extend(contents);
    w.out.extend(names);
    for (name, offset, size, data) in places {
        w.word(name).word(1).long(if data { 3 } else { 2 });
        w.long(BASE + offset - start).long(offset).long(size).word(0).word(0).long(16).long(0);
    }
    w.out
}

fn pe(parts: &[Part<'_>]) -> Vec<u8> {
    let mut w = Writer { out: b"MZ".to_vec(), big: false, wide: true };
    w.out.resize(60, 0);
    w.word(64);
    w.out.extend(b"PE\0\0");
    w.short(0x8664).short(parts.len() as u64).word(0).word(0).word(0).short(112).short(0x22);
    let optional = w.out.len();
    w.short(0x20b);
    w.out.resize(optional + 24, 0);
    w.long(BASE);
    w.out.resize(optional + 112, 0);
    let mut offset = (w.out.len() + 40 * parts.len()).next_multiple_of(16);
    let start = offset;
    for (name, content, data) in parts {
        let mut field = name.as_bytes().to_vec();
        field.resize(8, 0);
        w.out.extend(field);
        w.word(content.len() as u64).word(offset as u64).word(content.len() as u64).word(offset as u64);
        w.word(0).word(0).word(0).word(if *data { 0xc000_0040 } else { 0x4000_0040 });
        offset += content.len().next_multiple_of(16);
    }
    w.out.resize(start, 0);
    for (_, content, _) in parts {
        w.out.extend(content);
        w.out.resize(w.out.len().next_multiple_of(16), 0);
    }
    w.out
}

fn mach(parts: &[Part<'_>], big: bool) -> Vec<u8> {
    let mut w = Writer { out: Vec::new(), big, wide: true };
    let commands = 72 + 80 * parts.len() as u64;
    let start = (32 + commands).next_multiple_of(16);
    w.word(0xfeed_facf).word(7).word(3).word(2).word(1).word(commands).word(0).word(0);
    w.word(0x19).word(commands);
    w.out.extend(b"__DATA\0\0\0\0\0\0\0\0\0\0");
    let size: u64 = parts.iter().map(|(_, content, _)| content.len().next_multiple_of(16) as u64).sum();
    w.long(BASE).long(size).long(start).long(size).word(3).word(3).word(parts.len() as u64).word(0);
    let mut at = 0;
    for (name, content, _) in parts {
        let mut field = name.as_bytes().to_vec();
        field.resize(16, 0);
        w.out.extend(field);
        w.out.extend(b"__DATA\0\0\0\0\0\0\0\0\0\0");
        w.long(BASE + at).long(content.len() as u64).word(start + at);
        w.out.resize(w.out.len() + 28, 0);
        at += content.len().next_multiple_of(16) as u64;
    }
    w.out.resize(start as usize, 0);
    for (_, content, _) in parts {
        w.out.extend(content);
        w.out.resize(w.out.len().next_multiple_of(16), 0);
    }
    w.out
}

fn universal(slices: &[Vec<u8>]) -> Vec<u8> {
    let mut w = Writer { out: Vec::new(), big: true, wide: true };
    w.word(0xcafe_babe).word(slices.len() as u64);
    let mut at = 4096;
    for slice in slices {
        w.word(7).word(3).word(at).word(slice.len() as u64).word(12);
        at += slice.len() as u64;
    }
    w.out.resize(4096, 0);
    w.out.extend(slices.concat());
    w.out
}

fn wasm(name: &str, content: &[u8]) -> Vec<u8> {
    let mut out = b"\0asm\x01\0\0\0\x01\x01\0\0".to_vec();
    let size = 1 + name.len() + content.len();
    out.extend([(size & 0x7f) as u8 | 0x80, (size >> 7) as u8, name.len() as u8]);
    out.extend(name.bytes());
    out.extend(content);
    out
}

fn info(modules: &str) -> Vec<u8> {
    [&b"0123456789abcdef"[..], modules.as_bytes(), b"0123456789abcdef"].concat()
}

/// Go 1.18's form.
fn inline(go: &str, modules: &str) -> Vec<u8> {
    let mut out = b"\xff Go buildinf:\x08\x02".to_vec();
    out.resize(32, 0);
    for string in [go.as_bytes(), &info(modules)] {
        let length = string.len();
        assert!(length < 1 << 14);
        if length < 0x80 {
            out.push(length as u8)
        } else {
            out.extend([(length & 0x7f) as u8 | 0x80, (length >> 7) as u8])
        }
        out.extend(string);
    }
    out
}

/// The form before it, lying at an address.
fn pointers(go: &str, modules: &str, address: u64, wide: bool, big: bool) -> Vec<u8> {
    let mut w = Writer { out: b"\xff Go buildinf:".to_vec(), big, wide };
    let step = if wide { 8 } else { 4 };
    let modules = info(modules);
    w.out.extend([step as u8, u8::from(big)]);
    w.long(address + 32).long(address + 32 + 2 * step);
    w.out.resize(32, 0);
    let text = address + 32 + 4 * step;
    w.long(text).long(go.len() as u64).long(text + go.len() as u64).long(modules.len() as u64);
    w.out.extend(go.bytes());
    w.out.extend(modules);
    w.out
}

const MODULES: &str = "path\tm\nmod\tm\tv1.0.0\t\ndep\tgithub.com/a/b\tv1.2.3\th1:x=\n";

fn names(bytes: &[u8]) -> Vec<String> {
    let inventory = packages(&mut Cursor::new(bytes)).expect("something").expect("sound");
    assert_eq!(inventory.problems, []);
    let name = |one: provost_model::Package| format!("{} {}", one.name, one.version.unwrap_or_default());
    inventory.packages.into_iter().map(name).collect()
}

#[test]
fn build_information_in_every_kind_of_binary() {
    let expected = ["m v1.0.0", "github.com/a/b v1.2.3", "stdlib 1.21.5"];
    let new = inline("go1.21.5", MODULES);
    let filler = || ("filler", vec![0xff; 48], true);
    for big in [false, true] {
        for wide in [false, true] {
            assert_eq!(names(&elf(&[filler(), (".go.buildinfo", new.clone(), true)], wide, big)), expected);
            let old = pointers("go1.21.5", MODULES, BASE + 48, wide, big);
            assert_eq!(names(&elf(&[filler(), (".go.buildinfo", old.clone(), true)], wide, big)), expected);
            // Without a name of a section, and with a mark that is none before it.
            let false_mark = [b"\xff Go buildinf:\x07\0".to_vec(), vec![0; 32]].concat();
            assert_eq!(names(&elf(&[("decoy", false_mark, true), (".data", old, true)], wide, big)), expected);
        }
    }
    assert_eq!(
        names(&pe(&[(".text", vec![0; 32], false), (".data", [vec![0; 64], new.clone()].concat(), true)])),
        expected
    );
    assert_eq!(names(&mach(&[("__go_buildinfo", new.clone(), true)], false)), expected);
    let other = inline("go1.21.5", "mod\tm\tv1.0.0\t\ndep\tgithub.com/c/d\tv0.0.1\t\n");
    let both =
        universal(&[mach(&[("__go_buildinfo", new, true)], false), mach(&[("__go_buildinfo", other, true)], true)]);
    assert_eq!(names(&both), [&expected[..], &["github.com/c/d v0.0.1"]].concat());
}

#[test]
fn a_mark_across_two_pieces_is_found() {
    let place = (1 << 20) - 16;
    let mut data = vec![0; place];
    data.extend(inline("go1.21.5", MODULES));
    assert_eq!(names(&elf(&[(".data", data.clone(), true)], true, false)).len(), 3);
    data.splice(..0, [0; 13]);
    assert!(packages(&mut Cursor::new(elf(&[(".data", data, true)], true, false))).is_none());
}

const CRATES: &str = r#"{"packages":[
    {"name":"app","version":"0.1.0","source":"local","root":true,"dependencies":[1,2,3]},
    {"name":"serde","version":"1.0.200","source":"crates.io"},
    {"name":"cc","version":"1.0.1","source":"crates.io","kind":"build"},
    {"name":"fork","version":"0.2.0","source":"git","dependencies":[1,99]}]}"#;

fn packed(text: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(text).expect("compress");
    out.finish().expect("compress")
}

#[test]
fn crates_of_a_rust_binary() {
    let list = packed(CRATES.as_bytes());
    for bytes in [
        elf(&[(".dep-v0", list.clone(), false)], true, false),
        elf(&[(".dep-v0", list.clone(), false)], false, true),
        pe(&[(".dep-v0", list.clone(), false)]),
        mach(&[(".dep-v0", list.clone(), false)], false),
        wasm(".dep-v0", &list),
    ] {
        let inventory = packages(&mut Cursor::new(bytes)).expect("something").expect("sound");
        assert_eq!(inventory.completeness, Completeness::Graph);
        assert_eq!(inventory.problems.len(), 1);
        let [app, serde, cc, fork] = &inventory.packages[..] else { panic!() };
        assert_eq!((app.ecosystem, &*app.dependencies), (Ecosystem::Cargo, &[1, 2, 3][..]));
        assert_eq!((serde.direct, serde.source.clone()), (Some(true), PackageSource::Registry));
        assert!(cc.scopes.contains(Scope::Build) && !cc.scopes.contains(Scope::Production));
        assert!(matches!(fork.source, PackageSource::Git { .. }));
        assert_eq!(inventory.roots[0].dependencies.len(), 3);
    }
}

#[test]
fn a_bomb_of_crates_is_an_error() {
    let bomb = packed(&vec![b' '; usize::try_from(MAXIMUM_INFLATED).expect("fits") + 2]);
    let bytes = elf(&[(".dep-v0", bomb, false)], true, false);
    let error = packages(&mut Cursor::new(bytes)).expect("something").expect_err("too much");
    assert!(error.what.contains("more than"), "{error}");
}

#[test]
fn a_note_names_the_package() {
    let json = br#"{"type":"deb","os":"debian","name":"coreutils","version":"9.1-1","architecture":"amd64"}"#;
    let mut w = Writer { out: Vec::new(), big: false, wide: true };
    w.word(4).word(json.len() as u64).word(0xcafe_1a7e);
    w.out.extend(b"FDO\0");
    w.out.extend(json);
    let bytes = elf(&[(".note.package", w.out, false)], true, false);
    assert_eq!(names(&bytes), ["coreutils 9.1-1"]);
}

fn pclntab(functions: &[&str], layout: u32, wide: bool, big: bool) -> Vec<u8> {
    let names: Vec<u8> = functions.iter().flat_map(|name| name.bytes().chain([0])).collect();
    let mut w = Writer { out: Vec::new(), big, wide };
    let step = if wide { 8 } else { 4 };
    w.word(u64::from(layout));
    w.out.extend([0, 0, 1, step as u8]);
    let count = functions.len() as u64;
    if layout == 0xffff_fffb {
        w.long(count);
        // The pairs, then the records, then the names.
        let records = 8 + step + count * 2 * step + step;
        for index in 0..count {
            w.long(index).long(records + index * (step + 4));
        }
        w.long(count);
        let mut at = records + count * (step + 4);
        for name in functions {
            w.long(0).word(at);
            at += name.len() as u64 + 1;
        }
    } else {
        w.long(count).long(1);
        if layout != 0xffff_fffa {
            w.long(0);
        }
        let start = 8 + 8 * step;
        w.long(start);
        while (w.out.len() as u64) < start {
            w.long(start + names.len() as u64);
        }
    }
    w.out.extend(names);
    w.out.extend([0; 16]);
    w.out
}

#[test]
fn functions_of_a_go_binary() {
    let functions = ["main.main", "net/http.(*Server).Serve", "gopkg.in/yaml%2ev3.Unmarshal", "go:buildid"];
    for layout in [0xffff_fffb, 0xffff_fffa, 0xffff_fff0, 0xffff_fff1] {
        for wide in [false, true] {
            for big in [false, true] {
                let table = pclntab(&functions, layout, wide, big);
                let bytes = elf(&[(".gopclntab", table, false)], wide, big);
                let symbols = go_symbols(&mut Cursor::new(bytes)).expect("a table").expect("sound");
                assert!(symbols.contains("net/http", "Server.Serve"), "{layout:x} {wide} {big} {symbols:?}");
                assert!(symbols.contains("gopkg.in/yaml.v3", "Unmarshal") && symbols.has_package("main"));
                assert!(!symbols.has_package("net") && !symbols.contains("net/http", "Server.Close"));
                assert_eq!((symbols.len(), symbols.is_complete()), (3, true));
            }
        }
    }
    let table = [vec![0; 32], pclntab(&functions, 0xffff_fff1, true, false)].concat();
    let symbols = go_symbols(&mut Cursor::new(pe(&[(".rdata", table, false)]))).expect("a table").expect("sound");
    assert_eq!(symbols.iter().next(), Some("gopkg.in/yaml.v3.Unmarshal"));
    assert!(go_symbols(&mut Cursor::new(elf(&[(".text", vec![0; 64], false)], true, false))).is_none());
}

#[test]
fn what_is_cut_or_changed_is_an_error_or_nothing_and_no_panic() {
    let list = packed(CRATES.as_bytes());
    let new = inline("go1.21.5", MODULES);
    let parts = || {
        vec![
            (".go.buildinfo", new.clone(), true),
            (".dep-v0", list.clone(), false),
            (".gopclntab", pclntab(&["main.main"], 0xffff_fffb, true, false), false),
        ]
    };
    for whole in [
        elf(&parts(), true, false),
        elf(&parts(), false, true),
        pe(&parts()),
        mach(&parts(), false),
        universal(&[mach(&parts(), true)]),
    ] {
        for end in (0..whole.len()).step_by(7) {
            let _ = packages(&mut Cursor::new(&whole[..end]));
            let _ = go_symbols(&mut Cursor::new(&whole[..end]));
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            let _ = packages(&mut Cursor::new(&changed));
            let _ = go_symbols(&mut Cursor::new(&changed));
        }
    }
    for nothing in [&b""[..], b"MZ", b"MZ and a text", b"\xca\xfe\xba\xbe\0\0\0\x34 a Java class", b"#!/bin/sh\n"] {
        assert!(packages(&mut Cursor::new(nothing)).is_none());
    }
    assert!(packages(&mut Cursor::new(b"\x7fELF\x02\x01")).is_some_and(|read| read.is_err()));
}
