//! Binaries: whatever their headers say, reading them ends, and indexes stay within.
#![no_main]
use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use provost_formats::system::binary;

fuzz_target!(|data: &[u8]| {
    if let Some(Ok(inventory)) = binary::packages(&mut Cursor::new(data)) {
        let count = inventory.packages.len();
        assert!(inventory.packages.iter().all(|package| package.dependencies.iter().all(|index| *index < count)));
        assert!(inventory.roots.iter().all(|root| root.dependencies.iter().all(|(index, _)| *index < count)));
    }
    if let Some(Ok(symbols)) = binary::go_symbols(&mut Cursor::new(data)) {
        assert!(symbols.iter().all(|name| name.contains('.')));
    }
});
