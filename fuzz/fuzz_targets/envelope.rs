//! DSSE envelopes: no panic, and what is read is written the same.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_attest::Envelope;

fuzz_target!(|data: &[u8]| {
    if let Ok(envelope) = Envelope::parse(data) {
        let again = Envelope::parse(envelope.to_json().as_bytes()).expect("own output is readable");
        assert_eq!(again, envelope);
        assert_eq!(again.digest(), envelope.digest());
    }
});
