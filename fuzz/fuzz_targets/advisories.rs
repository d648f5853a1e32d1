//! The advisory database: an import of anything ends, and any file that opens as a database answers or says that it is broken.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_deps::{Builder, Database};
use provost_model::Timestamp;

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let path = std::env::temp_dir().join(format!("provost-fuzz-{}.db", std::process::id()));
    let now = Timestamp::from_seconds(1_700_000_000);
    if first % 2 == 0 {
        let mut builder = Builder::new(&path, true, now).expect("builder");
        let _ = builder.import("fuzz", data, None, now);
        builder.finish().expect("a database");
    } else {
        std::fs::write(&path, [b"provost advdb 1\n", data].concat()).expect("write");
    }
    if let Ok(database) = Database::open(&path) {
        for (ecosystem, name) in [("npm", "a"), ("PyPI", "b"), ("", "")] {
            let _ = database.lookup(ecosystem, name);
        }
        let _ = database.advisories("A-1");
        let _ = database.epss("CVE-1");
        let _ = database.exploited("CVE-1");
    }
    let _ = std::fs::remove_file(&path);
});
