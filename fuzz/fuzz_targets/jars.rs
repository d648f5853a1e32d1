//! Java archives, read with small limits: reading ends, and finds no more than it may.
#![no_main]
use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use provost_formats::lock::jar::{JarLimits, jar};

fuzz_target!(|data: &[u8]| {
    let limits = JarLimits { members: 64, depth: 3, bytes: 1 << 20, ..JarLimits::default() };
    let inventory = jar(&mut Cursor::new(data), "group/thing-1.2.3.jar", &limits);
    assert!(inventory.packages.len() <= 128);
    for package in &inventory.packages {
        assert!(package.version.is_some() && package.name.contains(':'));
    }
});
