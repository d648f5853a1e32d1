//! Signed notes, checkpoints, cosignatures and proof files: the C2SP texts' own examples, and what must be refused.

use provost_keys::{KeyAlgorithm, PrivateKey, Signer as _};
use provost_model::Timestamp;
use provost_tlog::*;

/// The example of C2SP signed-note, "Verifier keys".
const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const EXAMPLE_NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

#[test]
fn c2sp_signed_note_example() {
    let key: NoteKey = EXAMPLE_KEY.parse().expect("key");
    assert_eq!(key.to_string(), EXAMPLE_KEY);
    let note = Note::parse(EXAMPLE_NOTE.as_bytes()).expect("note");
    note.verify(&key).expect("verifies");
    assert_eq!(note.to_string(), EXAMPLE_NOTE);
    for at in 0..EXAMPLE_NOTE.len() {
        for bit in 0..8 {
            let mut bytes = EXAMPLE_NOTE.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let holds = Note::parse(&bytes).is_ok_and(|note| note.verify(&key).is_ok());
            assert!(!holds, "byte {at} bit {bit}");
        }
    }
}

#[test]
fn malformed_notes() {
    for (bytes, why) in [
        (&b""[..], "empty"),
        (b"text\n", "no signatures"),
        (b"text\n\n", "blank line without signatures"),
        (b"te\x01xt\n\n\xe2\x80\x94 a AAAAAAA=\n", "control character"),
        (b"text\n\n- a AAAAAAA=\n", "hyphen instead of em dash"),
        (b"text\n\n\xe2\x80\x94 a+b AAAAAAA=\n", "plus in the name"),
        (b"text\n\n\xe2\x80\x94 a AAAA\n", "shorter than a key id"),
        (b"text\n\n\xe2\x80\x94 a AAAAAAA=", "no last newline"),
        (b"\xff\xfe\n\n\xe2\x80\x94 a AAAAAAA=\n", "not UTF-8"),
    ] {
        assert!(Note::parse(bytes).is_err(), "{why}");
    }
    assert!(matches!(Note::parse(&vec![b'a'; Limits::NOTE + 1]), Err(TlogError::TooLarge { .. })));
    let many = format!("t\n\n{}", "— a AAAAAAA=\n".repeat(Limits::SIGNATURES + 1));
    assert!(matches!(Note::parse(many.as_bytes()), Err(TlogError::TooLarge { .. })));
    let enough = format!("t\n\n{}", "— a AAAAAAA=\n".repeat(16));
    assert!(Note::parse(enough.as_bytes()).is_ok(), "sixteen signatures must be accepted");
}

#[test]
fn tessera_checkpoints() {
    let Some(root) = provost_testkit::vectors("tlog/log") else { return };
    // The public key of the vectors' build_log.sh.
    let key: NoteKey =
        "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx".parse().expect("key");
    for size in 0..=15 {
        let bytes = std::fs::read(root.join(format!("checkpoint.{size}"))).unwrap_or_default();
        if bytes.is_empty() {
            continue;
        }
        let signed = SignedCheckpoint::parse(&bytes).expect("checkpoint");
        assert_eq!(signed.verify(&key).expect("trusted").size, size);
        assert_eq!(signed.to_string().as_bytes(), bytes);
    }
}

fn log() -> (PrivateKey, NoteKey, SignedCheckpoint) {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("key");
    let note_key = NoteKey::new("example.test/log", NoteKeyKind::Ed25519, key.public_key().clone()).expect("name");
    let checkpoint = Checkpoint { origin: "example.test/log".into(), size: 1, root: leaf_hash(b"entry") };
    let signed = checkpoint.sign(&key).expect("signed");
    (key, note_key, signed)
}

#[test]
fn checkpoint_texts() {
    for bad in [
        "",
        "origin\n1\n",
        "\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "o\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "o\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "o\n+1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "o\n99999999999999999999\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "o\n9223372036854775807\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "o\n1\nAAAA\n",
        "o\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n",
    ] {
        assert!(Checkpoint::parse(bad).is_err(), "{bad:?}");
    }
    let with_extension = "o\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nextension\n";
    assert_eq!(Checkpoint::parse(with_extension).expect("allowed").size, 1);
}

#[test]
fn another_origin_or_key_is_refused() {
    let (_, key, signed) = log();
    signed.verify(&key).expect("trusted");
    let (_, other, _) = log();
    assert!(signed.verify(&other).is_err(), "another key under the same name");
    let renamed = NoteKey::new("example.test/other", NoteKeyKind::Ed25519, key.public_key().clone()).expect("name");
    assert!(signed.verify(&renamed).is_err());
}

#[test]
fn cosignatures_count_distinct_keys() {
    let (_, _, mut signed) = log();
    let witness = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("key");
    let at = Timestamp::from_seconds(1_679_315_147);
    let name = |n: &str| NoteKey::new(n, NoteKeyKind::CosignatureV1, witness.public_key().clone()).expect("name");
    signed.add(cosign(&signed, "witness.test/a", at, &witness).expect("cosigned"));
    signed.add(cosign(&signed, "witness.test/b", at, &witness).expect("cosigned"));
    let signed = SignedCheckpoint::parse(signed.to_string().as_bytes()).expect("parses");
    let found = signed.cosignatures(&[name("witness.test/a"), name("witness.test/b")]).expect("valid");
    assert_eq!(found.len(), 1, "one key under two names is one witness");
    assert_eq!(found[0].time, at);
    assert!(signed.cosignatures(&[name("witness.test/unknown")]).expect("ignored").is_empty());
    // The same bytes at another time are another statement.
    let mut forged = signed.clone();
    let mut line = cosign(&signed, "witness.test/c", at, &witness).expect("cosigned");
    line.signature[7] ^= 1;
    forged.add(line);
    assert!(forged.cosignatures(&[name("witness.test/c")]).is_err());
}

#[test]
fn proof_files() {
    let (_, key, signed) = log();
    let proof = LogProof { extra: Some(b"x".to_vec()), index: 0, hashes: Vec::new(), checkpoint: signed };
    let text = proof.to_string();
    let again = LogProof::parse(text.as_bytes()).expect("parses");
    assert_eq!(again, proof);
    again.verify(&leaf_hash(b"entry"), &key).expect("proved");
    assert!(again.verify(&leaf_hash(b"other"), &key).is_err());
    for bad in [
        "",
        "c2sp.org/tlog-proof@v2\nindex 0\n\n",
        "c2sp.org/tlog-proof@v1\nindex 00\n\n",
        "c2sp.org/tlog-proof@v1\n\n",
    ] {
        assert!(LogProof::parse(bad.as_bytes()).is_err());
    }
    let hashes = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".repeat(Limits::PROOF + 1);
    let long = text.replacen("index 0\n", &format!("index 0\n{hashes}"), 1);
    assert!(matches!(LogProof::parse(long.as_bytes()), Err(TlogError::TooLarge { .. })));
}
