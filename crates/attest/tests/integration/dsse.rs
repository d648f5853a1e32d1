//! DSSE 1.0.2: the protocol text's vector, and every way to cheat that is known.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use provost_attest::*;
use provost_keys::{KeyAlgorithm, PrivateKey, PublicKey, Signer as _};

use crate::{key, statement, trusted};

/// The key of DSSE's `protocol.md`, "Test Vectors", from its two coordinates.
const VECTOR_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZ805D3eqNZywjCI19lInBJOp7YMr
CrzAH3CVTAOQ0jgMeCvVTiaRJaRPRDOv8UMs6U4SvKc6pnrIDOoSYI3fdA==
-----END PUBLIC KEY-----
";
/// Its signature, `r ‖ s`.
const VECTOR_SIGNATURE: &str =
    "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==";

#[test]
fn the_protocols_own_vector() {
    let key = PublicKey::from_pem(VECTOR_KEY).expect("key");
    let raw = STANDARD.decode(VECTOR_SIGNATURE).expect("base64");
    let signature = key.normalise_signature(&raw).expect("r and s");
    let json = format!(
        r#"{{"payload":"aGVsbG8gd29ybGQ=","payloadType":"http://example.com/HelloWorld","signatures":[{{"sig":"{}"}}]}}"#,
        STANDARD.encode(signature)
    );
    let envelope = Envelope::parse(json.as_bytes()).expect("envelope");
    let signers = [TrustedSigner::key(key)];
    let verified = verify_payload(&envelope, "http://example.com/HelloWorld", &signers, 1).expect("verifies");
    assert_eq!(verified.value(), b"hello world");
}

#[test]
fn pre_authentication_encoding() {
    // DSSE `protocol.md`, "Test Vectors".
    let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
    assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), expected);
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    // Lengths are in bytes, not characters.
    assert_eq!(pae("é", "世".as_bytes()), "DSSEv1 2 é 3 世".as_bytes());
}

#[test]
fn both_base64_alphabets_are_read_and_never_mixed() {
    let key = key();
    let payload = vec![0xfb, 0xef, 0xbe, 0xff, 0xfe];
    let envelope = Envelope::sign("application/x", payload.clone(), &key).expect("signed");
    let standard = envelope.to_json();
    assert!(standard.contains(&STANDARD.encode(&payload)));
    let url_safe = standard.replace(&STANDARD.encode(&payload), &URL_SAFE.encode(&payload));
    let read = Envelope::parse(url_safe.as_bytes()).expect("URL-safe base64 must be accepted");
    verify_payload(&read, "application/x", &trusted(&[&key]), 1).expect("verifies");
    let unpadded = standard.replace(&STANDARD.encode(&payload), URL_SAFE.encode(&payload).trim_end_matches('='));
    verify_payload(&Envelope::parse(unpadded.as_bytes()).expect("read"), "application/x", &trusted(&[&key]), 1)
        .expect("verifies");
    let mixed = standard.replace(&STANDARD.encode(&payload), "++__");
    assert!(Envelope::parse(mixed.as_bytes()).is_err());
}

#[test]
fn unknown_members_are_ignored_and_repeated_ones_refused() {
    let key = key();
    let json = statement().sign(&key).expect("signed").to_json();
    let more = json.replacen('{', r#"{"extra":{"x":[1]},"#, 1);
    verify_envelope(&Envelope::parse(more.as_bytes()).expect("read"), &trusted(&[&key]), 1).expect("verifies");
    let twice = json.replacen('{', r#"{"payloadType":"application/other","#, 1);
    assert!(Envelope::parse(twice.as_bytes()).is_err(), "repeated `payloadType`");
}

#[test]
fn thresholds_count_distinct_keys() {
    let (first, second) = (key(), key());
    let mut envelope = statement().sign(&first).expect("signed");
    let before = envelope.digest();
    envelope.add_signature(&first).expect("signed");
    assert_ne!(envelope.digest(), before, "signatures are part of what an envelope is");
    let error = verify_envelope(&envelope, &trusted(&[&first, &first, &second]), 2).expect_err("one key twice");
    assert!(matches!(error, AttestError::NotEnoughSignatures { found: 1, needed: 2, .. }), "{error}");
    envelope.add_signature(&second).expect("signed");
    assert_eq!(verify_envelope(&envelope, &trusted(&[&first, &second]), 2).expect("two keys").signers().len(), 2);
    assert!(verify_envelope(&envelope, &trusted(&[&first, &second]), 3).is_err());
    // A threshold of zero must not mean "anyone".
    assert!(verify_envelope(&statement().sign(&key()).expect("signed"), &trusted(&[&first]), 0).is_err());
    assert!(verify_envelope(&envelope, &[], 0).is_err());
}

#[test]
fn the_key_id_is_only_a_hint() {
    let (real, other) = (key(), key());
    let json = statement().sign(&real).expect("signed").to_json();
    let lying = json.replace(&real.public_key().id().to_string(), &other.public_key().id().to_string());
    let envelope = Envelope::parse(lying.as_bytes()).expect("read");
    assert!(
        verify_envelope(&envelope, &trusted(&[&other]), 1).is_err(),
        "the hint names a trusted key that did not sign"
    );
    verify_envelope(&envelope, &trusted(&[&real]), 1).expect("the real signer verifies whatever the hint says");
    let without = json.replace(&format!(r#""keyid":"{}","#, real.public_key().id()), "");
    verify_envelope(&Envelope::parse(without.as_bytes()).expect("read"), &trusted(&[&real]), 1).expect("no hint");
}

#[test]
fn type_swaps_and_re_encoded_payloads_are_refused() {
    let key = key();
    let envelope = statement().sign(&key).expect("signed");
    let swapped = envelope.to_json().replace(IN_TOTO_PAYLOAD, "application/vnd.provost.policy.v1+toml");
    let swapped = Envelope::parse(swapped.as_bytes()).expect("read");
    assert!(verify_payload(&swapped, "application/vnd.provost.policy.v1+toml", &trusted(&[&key]), 1).is_err());
    let error = verify_envelope(&swapped, &trusted(&[&key]), 1).expect_err("another type");
    assert!(error.to_string().contains("payload type"), "{error}");
    // The same JSON with other white space is another payload.
    let pretty = serde_json::to_vec_pretty(
        &serde_json::from_slice::<serde_json::Value>(envelope.unverified_payload()).expect("json"),
    )
    .expect("json");
    let forged = envelope.to_json().replace(&STANDARD.encode(envelope.unverified_payload()), &STANDARD.encode(pretty));
    assert!(verify_envelope(&Envelope::parse(forged.as_bytes()).expect("read"), &trusted(&[&key]), 1).is_err());
}

#[test]
fn any_flipped_bit_is_refused() {
    let key = key();
    let signers = trusted(&[&key]);
    let json = statement().sign(&key).expect("signed").to_json().into_bytes();
    let original = verify_envelope(&Envelope::parse(&json).expect("read"), &signers, 1).expect("verifies");
    for at in 0..json.len() {
        for bit in 0..8 {
            let mut bytes = json.clone();
            bytes[at] ^= 1 << bit;
            let Ok(envelope) = Envelope::parse(&bytes) else { continue };
            // What still verifies must say exactly the same: only the unauthenticated hint may differ.
            if let Ok(verified) = verify_envelope(&envelope, &signers, 1) {
                assert_eq!(verified.value(), original.value(), "byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn malformed_and_oversized_envelopes() {
    for bad in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"payload":"","payloadType":"x"}"#,
        r#"{"payload":"","payloadType":"x","signatures":[]}"#,
        r#"{"payload":"%","payloadType":"x","signatures":[{"sig":""}]}"#,
        r#"{"payload":"","payloadType":"x","signatures":[{"sig":"%"}]}"#,
        r#"{"payload":"","payloadType":"x","signatures":[{"keyid":"a"}]}"#,
        r#"{"payload":"","payloadType":1,"signatures":[{"sig":""}]}"#,
        r#"{"payload":"","payloadType":"x","signatures":[{"sig":"","certificate":"AAAA"}]}"#,
    ] {
        assert!(Envelope::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let many = vec![r#"{"sig":"AA=="}"#; Limits::SIGNATURES + 1].join(",");
    let many = format!(r#"{{"payload":"","payloadType":"x","signatures":[{many}]}}"#);
    assert!(matches!(Envelope::parse(many.as_bytes()), Err(AttestError::TooLarge { .. })));
    // An empty signature is well formed and verifies for nobody.
    let empty = Envelope::parse(br#"{"payload":"","payloadType":"x","signatures":[{"sig":""}]}"#).expect("well formed");
    assert!(verify_payload(&empty, "x", &trusted(&[&key()]), 1).is_err());
}

#[test]
fn a_signature_by_another_algorithm_is_refused() {
    let (ed, ec) = (PrivateKey::generate(KeyAlgorithm::Ed25519).expect("key"), key());
    let envelope = statement().sign(&ed).expect("signed");
    verify_envelope(&envelope, &trusted(&[&ed]), 1).expect("Ed25519 verifies");
    assert!(verify_envelope(&envelope, &trusted(&[&ec]), 1).is_err());
    assert!(PublicKey::from_pem(&ed.public_key().to_pem()).is_ok());
}
