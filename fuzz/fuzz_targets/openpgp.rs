//! OpenPGP keys and signatures: armour as it is, and bytes as packets within one.
#![no_main]
use base64::Engine as _;
use libfuzzer_sys::fuzz_target;
use provost_keys::openpgp::{OpenPgpKey, OpenPgpSignature};

fuzz_target!(|data: &[u8]| {
    let at = provost_model::Timestamp::from_seconds(1_800_000_000);
    let body = base64::engine::general_purpose::STANDARD.encode(data);
    let armour = |label: &str| format!("-----BEGIN PGP {label}-----\n\n{body}\n-----END PGP {label}-----\n");
    let signatures = [OpenPgpSignature::parse(data), OpenPgpSignature::parse(armour("SIGNATURE").as_bytes())];
    let keys = [
        OpenPgpKey::parse(&String::from_utf8_lossy(data)),
        OpenPgpKey::parse(&armour("PUBLIC KEY BLOCK")),
    ];
    for key in keys.iter().flatten() {
        assert!(matches!(key.fingerprint().len(), 40 | 64));
        for signature in signatures.iter().flatten() {
            std::hint::black_box(signature.verify(key, b"message", at).is_ok());
        }
    }
});
