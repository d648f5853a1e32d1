//! Advisories in RustSec's own form: whatever is read is an advisory in the OSV form, whose ranges begin and end in order.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_formats::osv::{self, Advisory};
use provost_formats::{rustsec, version};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(advisory) = rustsec::parse(text) else { return };
    let json = serde_json::to_vec(&advisory).expect("an advisory can be written");
    assert_eq!(Advisory::parse(&json).expect("and read again"), advisory);
    for range in advisory.affected.iter().flat_map(|affected| &affected.ranges) {
        let compare = |a: &str, b: &str| version::compare_semver(a, b);
        let versions: Vec<&str> = range.events.iter().map(|event| event.version()).collect();
        assert!(versions.windows(2).all(|two| compare(two[0], two[1]).is_lt()), "{versions:?}");
        assert!(osv::includes(&range.events, versions[0], &compare));
    }
});
