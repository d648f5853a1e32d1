//! Sigstore bundles and whole evidence files.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost::evidence_file::EvidenceFile;
use provost_attest::Bundle;

fuzz_target!(|data: &[u8]| {
    if let Ok(bundle) = Bundle::parse(data) {
        assert_eq!(Bundle::parse(bundle.to_json().as_bytes()).expect("own output is readable"), bundle);
        std::hint::black_box(bundle.verify(&[], &[], &[]).is_err());
        std::hint::black_box(bundle.verify_log(&[], &[]).is_ok());
    }
    if let Ok(file) = EvidenceFile::parse(data) {
        let again = EvidenceFile::parse(file.to_text().as_bytes()).expect("own output is readable");
        assert_eq!(again.bundles, file.bundles);
    }
    std::hint::black_box(provost::commands::inspect::describe(data).is_ok());
});
