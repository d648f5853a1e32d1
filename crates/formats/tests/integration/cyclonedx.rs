//! CycloneDX: the specification's own documents.

use std::collections::BTreeSet;
use std::path::PathBuf;

use provost_formats::licence;
use provost_formats::sbom::cyclonedx::{Edition, write};
use provost_formats::sbom::{self, Aggregate, Component, SbomError};
use provost_model::{Ecosystem, Package};
use provost_testkit::{files_below, vectors};

use crate::sample;

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

/// What is read the quick way is what the reader of everything reads, of every document that either knows.
#[test]
fn the_quick_way_says_the_same() {
    let plain = |components: Vec<Component>| -> Vec<_> {
        let mut plain = components;
        for one in &mut plain {
            (one.package.hashes, one.package.licence) = (Vec::new(), None);
        }
        plain.into_iter().map(|one| (one.kind, one.package, one.purl, one.properties)).collect()
    };
    let (mut documents, sample) = (documents("valid-"), sample::builder().finish(Aggregate::Complete));
    let written: Vec<String> =
        [Edition::V1_6, Edition::V1_7].into_iter().map(|edition| write(&sample, edition)).collect();
    for (name, bytes, path) in documents.clone() {
        let bom = sbom::read(&bytes).unwrap();
        documents.push((name, write(&bom, Edition::V1_7).into_bytes(), path));
    }
    documents.extend(written.into_iter().map(|text| ("sample".to_owned(), text.into_bytes(), PathBuf::new())));
    let mut quick = 0;
    for (name, bytes, _) in &documents {
        let components = sbom::components(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        quick += usize::from(components.iter().any(|one| one.reference.is_empty()));
        assert_eq!(plain(components), plain(sbom::read(bytes).unwrap().components), "{name}");
    }
    assert!(quick >= 2, "{quick} of {} were read the quick way", documents.len());
}

/// What only the reader of everything may decide: nothing here is skipped, and nothing is read otherwise.
#[test]
fn what_is_not_plain_is_read_as_a_whole() {
    let of = |component: &str| format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{component}]}}"#);
    for (component, accepted) in [
        (r#"{"type":"library","name":"a","version":"1","purl":"pkg:npm/a@2"}"#, true),
        (r#"{"type":"library","name":"a","purl":"nonsense"}"#, true),
        (r#"{"type":"library","name":"a","mime-type":"x/y"}"#, true),
        (r#"{"type":"library","name":"a","name":"b"}"#, false),
        (r#"{"type":"library","name":""}"#, false),
        (r#"{"type":"thing","name":"a"}"#, false),
        (r#"{"type":"library","name":"a","scope":"never"}"#, false),
        (r#"{"type":"library","name":"a","wrong":1}"#, false),
    ] {
        let text = of(component);
        let whole = sbom::read(text.as_bytes()).map(|bom| bom.components);
        assert_eq!(whole.is_ok(), accepted, "{component}");
        assert_eq!(sbom::components(text.as_bytes()), whole, "{component}");
    }
}

/// The schema lists the licences that it takes as an id: newer ones of our list are written as expressions.
#[test]
fn licence_ids_are_those_of_the_schema() {
    let Some(folder) = vectors("cyclonedx/schema") else { return };
    let schema: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("spdx.schema.json")).unwrap()).unwrap();
    let listed: BTreeSet<&str> = schema["enum"].as_array().unwrap().iter().filter_map(|id| id.as_str()).collect();
    let (mut ids, mut expressions) = (0, 0);
    for id in licence::listed_ids() {
        let package = Package::new(Ecosystem::Cargo, "a", None);
        let mut component = sbom::Component::of_package(&package);
        component.licences.push(sbom::LicenceStatement { text: id.into(), concluded: false });
        let bom = sbom::Bom { components: vec![component], ..sbom::Bom::default() };
        let written: serde_json::Value = serde_json::from_str(&write(&bom, Edition::V1_6)).unwrap();
        let choice = &written["components"][0]["licenses"][0];
        match choice["license"]["id"].as_str() {
            Some(id) => {
                ids += 1;
                assert!(listed.contains(id), "{id}");
            }
            None => {
                expressions += 1;
                assert!(choice["expression"].is_string(), "{id}: {choice}");
            }
        }
    }
    println!("{ids} as ids, {expressions} as expressions");
    assert!(ids > 700);
}
