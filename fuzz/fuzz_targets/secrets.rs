//! The whole way of a file: containers, decoders, rules, places. What is found lies within the file, and no secret of some
//! length is in what is said of it.
#![no_main]
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use provost_model::Confidence;
use provost_scan::{Check, Limits, Place, Scanner, Tally};
use provost_secrets::{Options, RuleSet, Secrets};

static SECRETS: LazyLock<Secrets> = LazyLock::new(|| {
    let options = Options { confidence: Confidence::Weak, ..Options::default() };
    Secrets::new(RuleSet::built_in().expect("the rules load"), options)
});

fuzz_target!(|data: &[u8]| {
    let checks: [&dyn Check; 1] = [&*SECRETS];
    let limits = Limits { piece: 512, overlap: 128, unpacked: 1 << 20, members: 64, depth: 3, ..Limits::default() };
    let tally = Tally::default();
    let scanner = Scanner::new(&checks, limits, globset::GlobSet::empty(), false, &tally);
    scanner.stream(&Place::file("a.py"), &mut &data[..]);
    scanner.bytes(&Place::file("a.env"), data);
    let report = scanner.finish();
    for finding in report.findings {
        let span = finding.span.expect("secrets have a place");
        assert!(span.line >= 1 && span.column >= 1 && span.end_line >= span.line);
        if finding.within.is_empty() {
            let end = usize::try_from(span.offset + span.length).expect("small");
            assert!(end <= data.len());
            let secret = &data[end - span.length as usize..end];
            let said = serde_json::to_string(&finding).expect("JSON");
            if secret.len() >= 12 && secret.iter().all(u8::is_ascii_alphanumeric) {
                let excerpt = finding.excerpt.expect("an excerpt").text;
                assert!(!excerpt.contains(std::str::from_utf8(secret).expect("ASCII")), "{said}");
            }
        }
    }
});
