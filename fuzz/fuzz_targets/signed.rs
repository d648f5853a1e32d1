//! Signed commits and tags.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_repo::signature::{ObjectHash, of_commit, of_tag};

fuzz_target!(|data: &[u8]| {
    for hash in [ObjectHash::Sha1, ObjectHash::Sha256] {
        for read in [of_commit, of_tag] {
            if let Ok(Some(object)) = read(data, hash) {
                assert!(object.payload.len() + object.signature.len() < data.len() + 1);
                let again = read(&object.payload, hash).expect("what was signed is readable");
                assert!(again.is_none(), "no signature is left in what was signed");
            }
        }
    }
});
