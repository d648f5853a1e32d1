//! Versions and requirements of every ecosystem: the order is total, whatever three texts there are, and nothing panics.
#![no_main]
use std::cmp::Ordering;

use libfuzzer_sys::fuzz_target;
use provost_formats::version::{compare, compare_semver, is_valid, satisfies};
use provost_model::Ecosystem;

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let ecosystem = Ecosystem::ALL[usize::from(*first) % Ecosystem::ALL.len()];
    let text = String::from_utf8_lossy(data);
    let mut texts = text.splitn(3, '\n');
    let [a, b, c] = std::array::from_fn(|_| texts.next().unwrap_or_default());
    let orders: [&dyn Fn(&str, &str) -> Ordering; 2] = [&|a, b| compare(ecosystem, a, b), &compare_semver];
    for order in orders {
        for one in [a, b, c] {
            assert_eq!(order(one, one), Ordering::Equal);
        }
        for [x, y, z] in [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]] {
            assert_eq!(order(x, y), order(y, x).reverse());
            if order(x, y).is_le() && order(y, z).is_le() {
                assert!(order(x, z).is_le());
                assert!(order(x, z).is_lt() || (order(x, y).is_eq() && order(y, z).is_eq()));
            }
        }
    }
    for version in [b, c] {
        std::hint::black_box((is_valid(ecosystem, version), satisfies(ecosystem, a, version)));
    }
});
