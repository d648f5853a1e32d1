//! Tiles, tile paths, log entries, and proofs over arbitrary hashes.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_attest::LogEntry;
use provost_tlog::*;

fuzz_target!(|data: &[u8]| {
    if let Ok(entries) = decode_entries(data) {
        let mut again = Vec::new();
        for entry in &entries {
            encode_entry(&mut again, entry).expect("fits");
        }
        assert_eq!(again, data);
    }
    if let Ok(hashes) = hashes_of_tile(data) {
        let (index, size) = (u64::from(data[0]) << 8 | u64::from(data[1]), u64::from(data[2]) << 8 | u64::from(data[3]));
        std::hint::black_box(verify_inclusion(&hashes[0], index, size, &hashes[1..], &hashes[0]).is_ok());
        std::hint::black_box(verify_consistency(index, size, &hashes[0], &root_of(&hashes), &hashes[1..]).is_ok());
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(path) = text.parse::<TilePath>()
    {
        assert_eq!(path.to_string(), text);
    }
    if let Ok(entry) = LogEntry::parse(data) {
        let bytes = entry.to_bytes().expect("canonical JSON");
        assert_eq!(LogEntry::parse(&bytes).expect("own output is readable"), entry);
    }
});
