//! The package-url specification's own suite.

use std::collections::BTreeSet;

use provost_model::Purl;
use provost_testkit::{files_below, vectors};
use serde_json::Value;

/// What we fail, one case a line. It may only shrink.
const FAILS: &str = include_str!("purl-fails.txt");

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn build(parts: &Value) -> Result<Purl, String> {
    let mut builder = Purl::builder(text(parts, "type"), text(parts, "name"))
        .namespace(text(parts, "namespace"))
        .version(text(parts, "version"))
        .subpath(text(parts, "subpath"));
    for (key, value) in parts["qualifiers"].as_object().into_iter().flatten() {
        builder = builder.qualifier(key, value.as_str().unwrap_or_default());
    }
    builder.build().map_err(|error| error.to_string())
}

/// The parts of a purl as the suite writes them: absent ones are null.
fn parts(purl: &Purl) -> Value {
    let qualifiers = (!purl.qualifiers.is_empty()).then_some(&purl.qualifiers);
    serde_json::json!({
        "type": purl.kind, "namespace": purl.namespace, "name": purl.name, "version": purl.version,
        "qualifiers": qualifiers, "subpath": purl.subpath,
    })
}

fn passes(case: &Value) -> bool {
    let input = &case["input"];
    let parsed = || input.as_str().unwrap_or_default().parse::<Purl>().map_err(|error| error.to_string());
    let outcome = match text(case, "test_type") {
        "parse" => parsed().map(|purl| parts(&purl)),
        "validate" => parsed().map(|purl| purl.to_string().into()),
        "build" => build(input).map(|purl| purl.to_string().into()),
        other => panic!("a kind of test that is not known: {other}"),
    };
    let expected_failure = case["expected_failure"].as_bool().unwrap_or_default();
    match outcome {
        Err(_) => expected_failure,
        Ok(outcome) => !expected_failure && outcome == case["expected_output"],
    }
}

#[test]
fn official_suite() {
    let Some(folder) = vectors("purl/tests") else { return };
    let mut failed = BTreeSet::new();
    let mut total = 0;
    for file in files_below(&folder) {
        let suite: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for case in suite["tests"].as_array().unwrap() {
            total += 1;
            if !passes(case) {
                failed.insert(format!("{} {}", text(case, "test_type"), case["input"]));
            }
        }
    }
    println!("{} of {total} cases", total - failed.len());
    assert!(total > 500, "only {total} cases");
    let known: BTreeSet<String> =
        FAILS.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect();
    assert_eq!(failed, known, "the list of what fails may only shrink");
}

#[test]
fn what_is_written_is_read_again() {
    let Some(folder) = vectors("purl/tests") else { return };
    for file in files_below(&folder) {
        let suite: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for case in suite["tests"].as_array().unwrap() {
            if let Some(Ok(purl)) = case["input"].as_str().map(str::parse::<Purl>) {
                assert_eq!(purl.to_string().parse(), Ok(purl));
            }
        }
    }
}

#[test]
fn hostile_texts() {
    for text in [
        "",
        "pkg:",
        "pkg:/",
        "pkg:npm",
        "pkg:npm/",
        "pkg:npm/%",
        "pkg:npm/%2",
        "pkg:npm/%zz",
        "pkg:npm/%ff",
        "pkg:npm/a%2Fb/c",
        "pkg:npm/a#b%2fc",
        "pkg:npm/a?x=1&X=2",
        "pkg:npm/a@1?vers=vers:npm/1",
        "pkg:swid/a/b/c/d?tag_id=1",
        "pkg:julia/a",
        "pkg:cargo/a/b",
        "pkg:git/a/b/../..",
    ] {
        if let Ok(purl) = text.parse::<Purl>() {
            assert_eq!(text, "pkg:git/a/b/../..", "{purl}");
        }
    }
    assert!(format!("pkg:npm/{}", "a".repeat(20_000)).parse::<Purl>().is_err());
}

#[test]
fn a_pattern_leaves_open_what_it_does_not_say() {
    let purl = |text: &str| text.parse::<Purl>().unwrap();
    let package = purl("pkg:deb/debian/curl@7.88?arch=amd64&distro=debian-12");
    for (pattern, expected) in [
        ("pkg:deb/debian/curl", true),
        ("pkg:deb/debian/curl@7.88", true),
        ("pkg:deb/debian/curl@7.88?arch=amd64", true),
        ("pkg:deb/debian/curl?arch=arm64", false),
        ("pkg:deb/debian/curl@7.89", false),
        ("pkg:deb/ubuntu/curl", false),
        ("pkg:deb/debian/curl#x", false),
    ] {
        assert_eq!(purl(pattern).matches(&package), expected, "{pattern}");
    }
    assert!(purl("pkg:pypi/zope.interface").matches(&purl("pkg:pypi/zope-interface@5")));
}
