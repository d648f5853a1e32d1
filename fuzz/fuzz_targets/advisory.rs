//! Advisories in the OSV format: whatever is read can be written and evaluated, and says the same when read again.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_formats::osv::{self, Advisory};
use provost_formats::version;

fuzz_target!(|data: &[u8]| {
    let Ok(advisory) = Advisory::parse(data) else { return };
    let text = serde_json::to_vec(&advisory).expect("an advisory can be written");
    assert_eq!(Advisory::parse(&text).expect("and read again"), advisory);
    for range in advisory.affected.iter().flat_map(|affected| &affected.ranges) {
        let compare = |a: &str, b: &str| version::compare_semver(a, b);
        for event in &range.events {
            let _ = osv::includes(&range.events, event.version(), &compare);
            let _ = osv::fixed_after(&range.events, event.version(), &compare);
        }
    }
});
