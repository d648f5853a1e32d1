//! Package URLs: what is written is read again as the same, and every package has one.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_model::{Package, Purl};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(purl) = text.parse::<Purl>() else { return };
    assert_eq!(purl.to_string().parse(), Ok(purl.clone()), "{purl}");
    assert!(purl.matches(&purl));
    let again = Package::from_purl(&purl).purl();
    assert_eq!(again.to_string().parse(), Ok(again));
});
