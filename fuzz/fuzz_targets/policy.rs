//! Policy documents.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_policy::Policy;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        match Policy::parse(text) {
            Ok(policy) => assert!(!policy.steps.is_empty()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
