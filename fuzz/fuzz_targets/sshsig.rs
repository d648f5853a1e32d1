//! SSH public keys, SSHSIG signatures and files of allowed signers.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_keys::ssh::{AllowedSigners, SshPublicKey, SshSignature};

fuzz_target!(|data: &[u8]| {
    if let Ok(key) = SshPublicKey::from_blob(data) {
        assert_eq!(SshPublicKey::parse(&key.to_line()).expect("own output is readable"), key);
    }
    if let Ok(signature) = SshSignature::from_bytes(data) {
        let again = SshSignature::parse(&signature.to_armored()).expect("own output is readable");
        assert!(again == signature);
        std::hint::black_box(signature.verify(signature.public_key(), signature.namespace(), b"message").is_ok());
        assert!(signature.verify(signature.public_key(), "another namespace", b"message").is_err());
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = SshPublicKey::parse(text) {
        assert_eq!(SshPublicKey::parse(&key.to_line()).expect("own output is readable"), key);
    }
    std::hint::black_box(SshSignature::parse(text).is_ok());
    if let Ok(signers) = AllowedSigners::parse(text) {
        for entry in signers.entries() {
            std::hint::black_box((entry.is_for("ada@example.test"), entry.line()));
        }
    }
});
