//! What is opened, and what is said of what is not.

use std::io::Write as _;

use provost_model::{Finding, Level, Span};

use crate::{Check, Limits, Piece, Place, Report, Scanner, Tally};

/// Finds a word.
struct Word;

impl Check for Word {
    fn id(&self) -> &str {
        "word"
    }

    fn check(&self, piece: &Piece<'_>, findings: &mut Vec<Finding>) -> Option<&'static str> {
        for at in memchr::memmem::find_iter(piece.bytes, b"needle") {
            let end = at + 6;
            if end > piece.seen && (piece.last || end <= piece.decided) {
                let mut finding = Finding::new("word", Level::Error, "found".into(), &[]);
                let offset = piece.offset + at as u64;
                finding.span = Some(Span { offset, length: 6, line: 1, column: 1, end_line: 1, end_column: 7 });
                findings.push(finding);
            }
        }
        None
    }
}

fn scan(bytes: &[u8], limits: Limits) -> Report {
    let checks: [&dyn Check; 1] = [&Word];
    let tally = Tally::default();
    let scanner = Scanner::new(&checks, limits, globset::GlobSet::empty(), false, &tally);
    scanner.bytes(&Place::file("file"), bytes);
    scanner.finish()
}

fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    out.start_file(name, zip::write::SimpleFileOptions::default()).expect("memory");
    out.write_all(content).expect("memory");
    out.finish().expect("memory").into_inner()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(content).expect("memory");
    out.finish().expect("memory")
}

const TEXT: &[u8] = b"hay hay hay hay hay hay hay hay hay hay needle hay hay hay hay hay hay hay";

#[test]
fn zips_that_some_reader_opens_are_opened() {
    let plain = zip("a.txt", TEXT);
    let prefixed = [b"#!/bin/sh\n", plain.as_slice()].concat();
    let two = [zip("b.txt", b"nothing nothing nothing"), plain.clone()].concat();
    let two_reversed = [plain.clone(), zip("b.txt", b"nothing nothing nothing")].concat();
    // The directory says that there are no members.
    let mut emptied = plain.clone();
    let end = emptied.len() - 22;
    emptied[end + 8..end + 12].copy_from_slice(&[0; 4]);
    let nested = zip("c.zip", &prefixed);
    for (what, bytes) in [
        ("plain", &plain),
        ("prefixed", &prefixed),
        ("two", &two),
        ("two reversed", &two_reversed),
        ("emptied", &emptied),
        ("nested", &nested),
    ] {
        assert!(!scan(bytes, Limits::default()).findings.is_empty(), "{what}");
    }
}

#[test]
fn what_a_container_holds_counts_once_and_what_is_not_opened_is_said() {
    let stored = {
        let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        out.start_file("a.txt", options).expect("memory");
        out.write_all(TEXT).expect("memory");
        out.finish().expect("memory").into_inner()
    };
    assert_eq!(scan(&stored, Limits::default()).findings.len(), 1);
    assert!(!scan(b"Rar!\x1a\x07\x01\0rest of it", Limits::default()).coverage.is_complete());
    let deep = (0..4).fold(TEXT.to_vec(), |inner, _| gzip(&inner));
    assert_eq!(scan(&deep, Limits::default()).findings.len(), 1);
    let shallow = scan(&deep, Limits { depth: 2, ..Limits::default() });
    assert!(shallow.findings.is_empty() && !shallow.coverage.is_complete());
    let bomb = gzip(&gzip(&vec![0; 50_000_000]));
    let ended = scan(&bomb, Limits { unpacked: 1_000_000, ..Limits::default() });
    assert!(!ended.coverage.is_complete() && ended.coverage.bytes < 3_000_000, "{:?}", ended.coverage);
    // Few bytes do not become many, however they are packed; what is packed in earnest is read.
    for bomb in [bomb, zip("a.jar", &zip("b", &vec![0; 50_000_000]))] {
        let ended = scan(&bomb, Limits { ratio_from: 1_000_000, ..Limits::default() });
        assert!(!ended.coverage.is_complete() && ended.coverage.bytes < 4_000_000, "{:?}", ended.coverage);
        let place = Place::file("bomb");
        let tally = Tally::default();
        let scanner = Scanner::new(
            &[],
            Limits { ratio_from: 1_000_000, ..Limits::default() },
            globset::GlobSet::empty(),
            false,
            &tally,
        );
        scanner.stream(&place, &mut &bomb[..]);
        assert!(!scanner.finish().coverage.is_complete());
    }
    let earnest = gzip(&[TEXT, &(0..400_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>()].concat());
    let whole = scan(&earnest, Limits { ratio_from: 0, ..Limits::default() });
    assert!(whole.findings.len() == 1 && whole.coverage.is_complete(), "{:?}", whole.coverage);
    let out_of_time = scan(TEXT, Limits { time: Some(std::time::Duration::ZERO), ..Limits::default() });
    assert!(out_of_time.findings.is_empty() && !out_of_time.coverage.is_complete());
}

#[test]
fn a_tar_hides_nothing_in_entries_of_another_kind() {
    for kind in [tar::EntryType::Directory, tar::EntryType::Link, tar::EntryType::Fifo, tar::EntryType::XGlobalHeader] {
        let mut out = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_path("x").expect("a name");
        header.set_entry_type(kind);
        let packed = gzip(TEXT);
        header.set_size(packed.len() as u64);
        header.set_cksum();
        out.append(&header, packed.as_slice()).expect("memory");
        let bytes = out.into_inner().expect("memory");
        assert_eq!(scan(&bytes, Limits::default()).findings.len(), 1, "{kind:?}");
    }
}

#[test]
fn frames_of_zstandard_follow_one_another() {
    // RFC 8878: a raw block that is the last one, of the text's length.
    let frame = |text: &[u8]| {
        let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, text.len() as u8];
        let block = (text.len() as u32) << 3 | 1;
        out.extend(&block.to_le_bytes()[..3]);
        out.extend(text);
        out
    };
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    let hay = frame(b"hay hay");
    // Packed once more, so that the text does not stand there as it is.
    for parts in
        [vec![frame(TEXT)], vec![hay.clone(), frame(TEXT)], vec![skipped.to_vec(), hay, skipped.to_vec(), frame(TEXT)]]
    {
        let bytes = gzip(&parts.concat());
        let report = scan(&bytes, Limits::default());
        assert!(report.findings.iter().any(|f| f.within.len() == 2), "{:?}", report);
    }
}

#[test]
fn every_place_of_a_long_file_is_looked_at_once() {
    let limits = Limits { piece: 1000, overlap: 100, ..Limits::default() };
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("long");
    for at in (900..1200).chain(1850..2100) {
        let mut text = vec![b'.'; 3000];
        text[at..at + 6].copy_from_slice(b"needle");
        std::fs::write(&path, &text).expect("a file");
        let checks: [&dyn Check; 1] = [&Word];
        let tally = Tally::default();
        let scanner = Scanner::new(&checks, limits.clone(), globset::GlobSet::empty(), false, &tally);
        scanner.file(&path, Place::file("long"));
        let found = scanner.finish().findings;
        assert_eq!(found.iter().filter_map(|f| f.span).map(|s| s.offset).collect::<Vec<_>>(), [at as u64]);
    }
}
