//! CycloneDX: the specification's own documents.

use std::collections::BTreeSet;
use std::path::PathBuf;

use provost_formats::sbom::cyclonedx::{Edition, write};
use provost_formats::sbom::{self, SbomError};
use provost_testkit::{files_below, vectors};

/// Invalid documents that are read nevertheless, one a line. It may only shrink.
const ACCEPTED: &str = include_str!("cyclonedx-accepted.txt");

fn documents(start: &str) -> Vec<(String, Vec<u8>, PathBuf)> {
    let Some(folder) = vectors("cyclonedx/tools") else { return Vec::new() };
    let mut found = Vec::new();
    for path in files_below(&folder) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.starts_with(start) {
            found.push((name, std::fs::read(&path).expect("a file"), path));
        }
    }
    assert!(found.len() > 50, "only {} documents", found.len());
    found
}

#[test]
fn valid_documents_are_read() {
    for (name, bytes, _) in documents("valid-") {
        match sbom::read(&bytes) {
            Ok(bom) => assert!(bom.format.starts_with("CycloneDX 1."), "{name}"),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn invalid_documents_are_refused() {
    let mut accepted = BTreeSet::new();
    let mut total = 0;
    for (name, bytes, _) in documents("invalid-") {
        total += 1;
        match sbom::read(&bytes) {
            Ok(_) => {
                accepted.insert(name);
            }
            Err(SbomError::Form { at, what }) => println!("{name}: {at}: {what}"),
            Err(error) => panic!("{name}: {error}"),
        }
    }
    println!("{} of {total} refused", total - accepted.len());
    let known: BTreeSet<String> =
        ACCEPTED.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect();
    assert_eq!(accepted, known, "the list may only shrink");
}

/// What is written is read again as the same, and written again as the same bytes.
#[test]
fn what_is_written_is_read_again() {
    for (name, bytes, _) in documents("valid-") {
        let bom = sbom::read(&bytes).unwrap();
        for edition in [Edition::V1_6, Edition::V1_7] {
            let text = write(&bom, edition);
            let again = sbom::read(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
            assert_eq!(again.problems, Vec::<String>::new(), "{name}");
            assert_eq!(again.components.len(), bom.components.len(), "{name}");
            let second = write(&again, edition);
            assert_eq!(second, text, "{name}");
        }
    }
}
