//! Signed notes, checkpoints, log proofs, verifier keys.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_tlog::{LogProof, Note, NoteKey, SignedCheckpoint, leaf_hash};

const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

fuzz_target!(|data: &[u8]| {
    let key: NoteKey = KEY.parse().expect("key");
    if let Ok(note) = Note::parse(data) {
        assert_eq!(Note::parse(note.to_string().as_bytes()).expect("own output is readable"), note);
        std::hint::black_box(note.verify(&key).is_ok());
    }
    if let Ok(checkpoint) = SignedCheckpoint::parse(data) {
        std::hint::black_box((checkpoint.verify(&key).is_ok(), checkpoint.cosignatures(std::slice::from_ref(&key)).is_ok()));
    }
    if let Ok(proof) = LogProof::parse(data) {
        assert_eq!(LogProof::parse(proof.to_string().as_bytes()).expect("own output is readable"), proof);
        std::hint::black_box(proof.verify(&leaf_hash(b"x"), &key).is_ok());
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(key) = text.parse::<NoteKey>()
    {
        assert_eq!(key.to_string().parse::<NoteKey>().expect("own output is readable"), key);
    }
});
