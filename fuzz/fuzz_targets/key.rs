//! Key files and certificates.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_keys::{Certificate, Passphrase, PrivateKey, PublicKey, Signer as _};

fuzz_target!(|data: &[u8]| {
    std::hint::black_box(PublicKey::from_der(data).is_ok());
    if let Ok(certificate) = Certificate::from_der(data) {
        std::hint::black_box((certificate.identity().is_ok(), certificate.public_key().is_ok()));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = PublicKey::from_pem(text) {
        assert_eq!(PublicKey::from_pem(&key.to_pem()).expect("own output is readable"), key);
    }
    if let Ok(key) = PrivateKey::from_pem(text, None) {
        let signature = key.sign(b"x").expect("signs");
        key.public_key().verify(b"x", &signature).expect("verifies");
    }
    // Work factors over the limits must be refused before any work; those within cost too much here.
    if text.len() < 400 {
        std::hint::black_box(PrivateKey::from_pem(text, Some(&Passphrase::new("p".into()))).is_ok());
    }
    std::hint::black_box(Certificate::chain_from_pem(text).is_ok());
});
