//! rpm's databases in each of their forms: broken pages end in problems, and no more comes out than went in.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_formats::system::{self, Input, Kind};

fuzz_target!(|data: &[u8]| {
    // What stands after the mark is taken for the write-ahead log.
    let (database, log) = match data.windows(4).position(|four| four == b"WAL!") {
        Some(at) => (&data[..at], &data[at + 4..]),
        None => (data, &b""[..]),
    };
    let beside = |name: &str| name.ends_with("-wal").then(|| log.to_vec());
    let input = |path| Input { path, bytes: database, beside: &beside };
    if let Ok(inventory) = system::read(Kind::Rpm, &[input("var/lib/rpm/rpmdb.sqlite")]) {
        let count = inventory.packages.len();
        assert!(inventory.packages.iter().all(|package| package.dependencies.iter().all(|index| *index < count)));
        let texts: usize = inventory.packages.iter().map(|package| package.name.len()).sum();
        assert!(texts <= data.len());
        assert!(inventory.problems.len() <= system::MAXIMUM_PROBLEMS + 1);
    }
    let _ = system::read(Kind::RpmManifest, &[input("var/lib/rpmmanifest/container-manifest-2")]);
});
