//! Bundles with log proofs.

use provost_attest::*;
use provost_keys::{KeyAlgorithm, PrivateKey, Signer as _};
use provost_tlog::{Checkpoint, LeafNodes, LogProof, NoteKey, NoteKeyKind, inclusion_proof, leaf_hash, root_of};

use crate::{key, statement, trusted};

struct Case {
    signer: PrivateKey,
    log: NoteKey,
    bundle: Bundle,
}

fn case() -> Case {
    let signer = key();
    let log_key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("key");
    let log = NoteKey::new("log.test/a", NoteKeyKind::Ed25519, log_key.public_key().clone()).expect("name");
    let envelope = statement().sign(&signer).expect("signed");
    let body = LogEntry::for_envelope(&envelope, signer.public_key()).expect("entry").to_bytes().expect("bytes");
    let leaves = [leaf_hash(b"before"), leaf_hash(&body), leaf_hash(b"after")];
    let checkpoint =
        Checkpoint { origin: "log.test/a".into(), size: 3, root: root_of(&leaves) }.sign(&log_key).expect("signed");
    let hashes = inclusion_proof(&LeafNodes(&leaves), 1, 3).expect("proof");
    let proof = LogProof { extra: None, index: 1, hashes, checkpoint };
    Case { signer, bundle: Bundle::new(envelope, body, proof, &log), log }
}

#[test]
fn verifies_and_survives_writing() {
    let Case { signer, log, bundle } = case();
    let again = Bundle::parse(bundle.to_json().as_bytes()).expect("own output");
    assert_eq!(again, bundle);
    let verified = again.verify(&trusted(&[&signer]), &[log], &[]).expect("verifies");
    assert_eq!(verified.logged().expect("logged").index, 1);
}

#[test]
fn an_unknown_log_proves_nothing() {
    let Case { signer, bundle, .. } = case();
    let other = case().log;
    // Another key under the same name: someone pretends to be that log.
    assert!(bundle.verify(&trusted(&[&signer]), &[other], &[]).is_err());
    assert!(bundle.verify(&trusted(&[&signer]), &[], &[]).expect("signature holds").logged().is_none());
    assert!(bundle.verify(&trusted(&[&key()]), &[], &[]).is_err());
}

#[test]
fn any_flipped_bit_is_refused_or_changes_nothing() {
    let Case { signer, log, bundle } = case();
    let signers = trusted(&[&signer]);
    let json = bundle.to_json().into_bytes();
    let original = bundle.verify(&signers, std::slice::from_ref(&log), &[]).expect("verifies");
    for at in 0..json.len() {
        let mut bytes = json.clone();
        bytes[at] ^= 1;
        let Ok(read) = Bundle::parse(&bytes) else { continue };
        if let Ok(verified) = read.verify(&signers, std::slice::from_ref(&log), &[]) {
            assert_eq!(verified.value(), original.value());
            // Only a name that hides the log's origin may take the proof away; it never changes what is proved.
            assert!(verified.logged().is_none_or(|l| Some(&l.checkpoint) == original.logged().map(|o| &o.checkpoint)));
        }
    }
}

#[test]
fn shapes_that_are_refused() {
    let Case { bundle, .. } = case();
    let json = bundle.to_json();
    for (from, to, why) in [
        ("bundle.v0.3+json", "bundle.v0.9+json", "unknown version"),
        (r#""publicKey""#, r#""publicKe""#, "no key material"),
        (r#""dsseEnvelope""#, r#""dsseEnvelop""#, "no content"),
        (r#""treeSize":"3""#, r#""treeSize":"4""#, "a size beside the checkpoint's"),
        (r#""logIndex":"1","rootHash""#, r#""logIndex":"01","rootHash""#, "a number with a leading zero"),
        (r#""logIndex":"1","rootHash""#, r#""logIndex":"-1","rootHash""#, "a negative number"),
    ] {
        let bad = json.replace(from, to);
        assert_ne!(bad, json, "{why}");
        assert!(Bundle::parse(bad.as_bytes()).is_err(), "{why}");
    }
    let mut value: serde_json::Value = serde_json::from_str(&json).expect("json");
    let signature = value["dsseEnvelope"]["signatures"][0].clone();
    value["dsseEnvelope"]["signatures"].as_array_mut().expect("list").push(signature);
    assert!(Bundle::parse(value.to_string().as_bytes()).is_err(), "two signatures");
    let mut value: serde_json::Value = serde_json::from_str(&json).expect("json");
    let entry = value["verificationMaterial"]["tlogEntries"][0].clone();
    value["verificationMaterial"]["tlogEntries"] = vec![entry; Limits::LOG_ENTRIES + 1].into();
    assert!(matches!(Bundle::parse(value.to_string().as_bytes()), Err(AttestError::TooLarge { .. })));
}

#[test]
fn an_entry_of_another_envelope_is_refused() {
    let (a, b) = (case(), case());
    let mut value: serde_json::Value = serde_json::from_str(&a.bundle.to_json()).expect("json");
    let other: serde_json::Value = serde_json::from_str(&b.bundle.to_json()).expect("json");
    value["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"].clone();
    let bundle = Bundle::parse(value.to_string().as_bytes()).expect("well formed");
    let error = bundle.verify(&trusted(&[&a.signer]), &[b.log], &[]).expect_err("foreign entry");
    assert!(matches!(error, AttestError::ForeignEntry(_)), "{error}");
}
