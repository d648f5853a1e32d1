//! CMS signatures and RFC 3161 timestamps, read and verified up to their certificates.
#![no_main]
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use provost_keys::Certificate;
use provost_keys::cms::{CmsSignature, TimestampToken};

static NO_ROOTS: LazyLock<Vec<Certificate>> = LazyLock::new(Vec::new);

fuzz_target!(|data: &[u8]| {
    let at = provost_model::Timestamp::from_seconds(1_800_000_000);
    if let Ok(signature) = CmsSignature::from_der(data) {
        assert_eq!(signature.to_bytes(), data);
        assert!(signature.verify(b"message", &[], &NO_ROOTS, at).is_err(), "nothing is trusted without a root");
    }
    if let Ok(token) = TimestampToken::from_der(data) {
        let again = TimestampToken::from_der(token.to_bytes()).expect("a token is readable without its response");
        assert!(again == token);
        assert!(token.verify_message(b"message", &[], &NO_ROOTS).is_err(), "nothing is trusted without a root");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        std::hint::black_box(CmsSignature::parse(text).is_ok());
    }
});
