//! in-toto Statement v1.

use provost_attest::*;
use provost_model::sha256;

use crate::statement;

#[test]
fn what_is_no_statement() {
    let good = String::from_utf8(statement().to_bytes().expect("bytes")).expect("utf-8");
    Statement::parse(good.as_bytes()).expect("statement");
    let digest = sha256(b"artifact").to_hex();
    for (from, to, why) in [
        ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1", "another version"),
        ("https://example.test/predicate/v1", "", "no predicate type"),
        (digest.as_str(), &digest.to_uppercase(), "uppercase digest"),
        (digest.as_str(), "abc", "short digest"),
        (r#""digest":{"sha256""#, r#""digest":{},"x":{"sha256""#, "no digest"),
        (r#""_type""#, r#""_typ""#, "no type"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        assert!(Statement::parse(bad.as_bytes()).is_err(), "{why}");
    }
    let empty = Statement::new(Vec::new(), "https://example.test/x", &()).expect("made");
    assert!(Statement::parse(&empty.to_bytes().expect("bytes")).is_err(), "no subject");
}

#[test]
fn subjects_match_by_sha256_only() {
    let mut statement = statement();
    assert!(statement.speaks_of(&sha256(b"artifact")));
    assert!(!statement.speaks_of(&sha256(b"other")));
    // A digest under another name proves nothing, nor does the subject's name.
    let hex = sha256(b"other").to_hex();
    statement.subject[0].digest.insert("sha512".into(), hex.clone());
    statement.subject[0].name = Some(hex);
    assert!(!statement.speaks_of(&sha256(b"other")));
}

#[test]
fn a_predicate_is_read_as_its_own_type_only() {
    // GHSA-w6c6-c85g-mmv6: a mismatch of the predicate type was reported as fine.
    let error = statement().predicate_as::<serde_json::Value>(predicate::PROVENANCE).expect_err("another type");
    assert!(error.to_string().contains("predicate type"), "{error}");
    let wrong =
        Statement::new(statement().subject, "https://slsa.dev/provenance/v1.0", &serde_json::json!({})).expect("made");
    let error =
        wrong.predicate_as::<serde_json::Value>(predicate::PROVENANCE).expect_err("a known mistake").to_string();
    assert!(error.contains("known mistake"), "{error}");
}

#[test]
fn same_content_same_bytes() {
    let a =
        Statement::new(statement().subject, "https://example.test/x", &serde_json::json!({"b": 1, "a": [1.0, "é"]}))
            .expect("a");
    let b = Statement::new(statement().subject, "https://example.test/x", &serde_json::json!({"a": [1, "é"], "b": 1}))
        .expect("b");
    assert_eq!(a.to_bytes().expect("bytes"), b.to_bytes().expect("bytes"));
}
