//! A positive example planted anywhere in real text, in any encoding or container, is found; a negative is not.

use std::collections::BTreeSet;
use std::io::Write as _;

use provost_model::Confidence;
use provost_scan::{Check, Limits, Place, Scanner, Tally};
use provost_secrets::{Options, Prior, RuleSet, Secrets, built_in_files};

/// Plantings of one run of the tests; `PROVOST_PLANTINGS` sets another number.
const PLANTINGS: u64 = 1_500;

/// A generator that needs no seed from outside: the same plantings at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap_or(0)
    }
}

/// Real text to plant in: this workspace's own sources.
fn hay() -> Vec<Vec<u8>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../");
    ["model/src", "tlog/src", "formats/src", "evidence/src"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).into_iter().flatten())
        .filter_map(|entry| std::fs::read(entry.ok()?.path()).ok())
        .filter(|text| text.len() > 500)
        .collect()
}

fn insert(text: &[u8], example: &str, random: &mut Random) -> Vec<u8> {
    let lines: Vec<usize> = memchr_lines(text);
    let at = lines[random.below(lines.len())];
    [&text[..at], b"\n", example.as_bytes(), b"\n", &text[at..]].concat()
}

fn memchr_lines(text: &[u8]) -> Vec<usize> {
    text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at).collect()
}

/// Wraps text in one of the forms that are undone; returns its name.
fn wrap(text: Vec<u8>, random: &mut Random) -> (&'static str, Vec<u8>) {
    use base64::Engine as _;
    let pack = |bytes: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).expect("memory");
        out.finish().expect("memory")
    };
    let zip = |bytes: &[u8]| {
        let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        out.start_file("inner/file.txt", zip::write::SimpleFileOptions::default()).expect("memory");
        out.write_all(bytes).expect("memory");
        out.finish().expect("memory").into_inner()
    };
    let tar = |bytes: &[u8]| {
        let mut out = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        out.append_data(&mut header, "inner/file.txt", bytes).expect("memory");
        out.into_inner().expect("memory")
    };
    match random.below(12) {
        0 => ("gzip", pack(&text)),
        1 => ("zip", zip(&text)),
        2 => ("tar", tar(&text)),
        3 => ("tar.gz", pack(&tar(&text))),
        4 => ("zip in tar", tar(&zip(&text))),
        5 => ("gzip in zip in gzip", pack(&zip(&pack(&text)))),
        6 => ("UTF-16, little endian", text.iter().flat_map(|b| [*b, 0]).collect()),
        7 => ("UTF-16, big endian", text.iter().flat_map(|b| [0, *b]).collect()),
        8 => ("base64", base64::engine::general_purpose::STANDARD.encode(&text).into_bytes()),
        9 => ("CRLF", text.iter().flat_map(|b| if *b == b'\n' { vec![b'\r', b'\n'] } else { vec![*b] }).collect()),
        10 => ("hexadecimal", text.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect()),
        _ => ("plain", text),
    }
}

fn scan(secrets: &Secrets, bytes: &[u8]) -> BTreeSet<String> {
    let checks: [&dyn Check; 1] = [secrets];
    let tally = Tally::default();
    let scanner = Scanner::new(&checks, Limits::default(), globset::GlobSet::empty(), false, &tally);
    scanner.bytes(&Place::file("planted.txt"), bytes);
    let report = scanner.finish();
    assert!(report.coverage.is_complete(), "{:?}", report.coverage);
    report.findings.into_iter().map(|finding| finding.rule).collect()
}

/// Rules and texts.
type Examples = Vec<(String, String)>;

#[test]
fn what_is_planted_is_found() {
    let count = std::env::var("PROVOST_PLANTINGS").ok().and_then(|n| n.parse().ok()).unwrap_or(PLANTINGS);
    let hay = hay();
    assert!(hay.len() > 20);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    // Each family for itself: what another family's rule says of a near miss is not asked here.
    let families: Vec<(Secrets, Examples, Examples)> = built_in_files()
        .iter()
        .map(|(name, text)| {
            let mut set = RuleSet::new();
            set.add(text, name).expect("the family loads");
            let (mut positive, mut negative) = (Vec::new(), Vec::new());
            for rule in &set.rules {
                // Examples of several lines, and with characters that an encoding by bytes would not keep, are tried
                // where they stand, by the rules' own tests.
                let plain = |text: &&String| text.is_ascii() && !text.contains('\n');
                if rule.prior != Prior::Low {
                    positive.extend(rule.examples.positive.iter().filter(plain).map(|t| (rule.id.clone(), t.clone())));
                }
                negative.extend(rule.examples.negative.iter().filter(plain).map(|t| (rule.id.clone(), t.clone())));
            }
            let options = Options { generic: false, confidence: Confidence::Weak, ..Options::default() };
            (Secrets::new(set, options), positive, negative)
        })
        .filter(|(_, positive, negative)| !positive.is_empty() && !negative.is_empty())
        .collect();
    let mut wrong = Vec::new();
    for number in 0..count {
        let (secrets, positive, negative) = &families[random.below(families.len())];
        let text = hay[random.below(hay.len())].clone();
        if number % 8 == 7 {
            let (rule, example) = &negative[random.below(negative.len())];
            let found = scan(secrets, &insert(&text, example, &mut random));
            let before = scan(secrets, &text);
            if found.contains(rule) && !before.contains(rule) && !is_weak(secrets, rule, example) {
                wrong.push(format!("{rule}: a negative is found: {example}"));
            }
        } else {
            let (rule, example) = &positive[random.below(positive.len())];
            let planted = insert(&text, example, &mut random);
            let (form, bytes) = wrap(planted, &mut random);
            if scan(secrets, &bytes).is_empty() {
                wrong.push(format!("{rule}: not found as {form}: {example}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A near miss that is found as weak (a key that does not parse, a placeholder) is doubted, as it should be.
fn is_weak(secrets: &Secrets, rule: &str, example: &str) -> bool {
    let found = secrets.try_text(example.as_bytes(), "planted.txt");
    found.iter().filter(|(id, _, _)| id == rule).all(|(_, _, sure)| *sure == Confidence::Weak)
}
