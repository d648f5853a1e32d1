//! Every kind of container, read with small limits: it ends, and hands out no more than it may.
#![no_main]
use std::io::{Cursor, Read};
use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use provost_formats::archive::{self, Kind, Source};

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let kinds = [
        Kind::Zip,
        Kind::Tar,
        Kind::SevenZip,
        Kind::Ar,
        Kind::Gzip,
        Kind::Bzip2,
        Kind::Xz,
        Kind::Zstd,
        Kind::Pdf,
    ];
    let kind = archive::sniff(data).unwrap_or(kinds[usize::from(*first) % kinds.len()]);
    let mut members = 0;
    let _ = archive::members(kind, Source::Seek(&mut Cursor::new(data)), 64, &mut |_, content| {
        members += 1;
        if let Ok(content) = content {
            let mut out = Vec::new();
            let _ = content.take(1 << 20).read_to_end(&mut out);
        }
        ControlFlow::Continue(())
    });
    assert!(members <= 64);
});
