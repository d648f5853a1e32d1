//! Text within text, decoded to the depth that is allowed: it ends.
#![no_main]
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use provost_secrets::{Options, RuleSet, Secrets};

static SECRETS: LazyLock<Secrets> = LazyLock::new(|| {
    let options = Options { decodings: 5, ..Options::default() };
    Secrets::new(RuleSet::built_in().expect("the rules load"), options)
});

fuzz_target!(|data: &[u8]| {
    // The same as text of each encoding, so that its reader is reached.
    let hex: Vec<u8> = data.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect();
    let percent: Vec<u8> = data.iter().flat_map(|b| format!("%{b:02X}").into_bytes()).collect();
    let wide: Vec<u8> = data.iter().flat_map(|b| [*b, 0]).collect();
    for text in [data, &hex, &percent, &wide] {
        std::hint::black_box(SECRETS.try_text(text, "x.txt").len());
    }
});
