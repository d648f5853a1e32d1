//! The text databases of packages, and what tells the release.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_formats::system::{self, Input, Kind, os_release};

fuzz_target!(|data: &[u8]| {
    // Whatever is asked for lies beside it: the bytes after the mark.
    let (database, other) = match data.windows(4).position(|four| four == b"----") {
        Some(at) => (&data[..at], &data[at + 4..]),
        None => (data, data),
    };
    let beside = |path: &str| {
        // Names of packages lead nowhere but into the database's own directories.
        let inner = path.trim_start_matches("../");
        assert!(!inner.split('/').any(|part| part == ".."), "{path}");
        Some(other[..other.len().min(512)].to_vec())
    };
    for (kind, path) in [
        (Kind::Dpkg, "/var/lib/dpkg/status"),
        (Kind::DpkgPart, "var/lib/dpkg/status.d/base"),
        (Kind::Opkg, "usr/lib/opkg/status"),
        (Kind::Apk, "lib/apk/db/installed"),
        (Kind::Pacman, "var/lib/pacman/local/a-1/desc"),
        (Kind::Chisel, "var/lib/chisel/manifest.wall"),
    ] {
        let input = || Input { path, bytes: database, beside: &beside };
        assert_eq!(system::wants(path), Some(kind));
        let Ok(inventory) = system::read(kind, &[input(), input()]) else { continue };
        let count = inventory.packages.len();
        assert!(inventory.packages.iter().all(|package| package.dependencies.iter().all(|index| *index < count)));
        assert!(inventory.problems.len() <= system::MAXIMUM_PROBLEMS + 1);
    }
    for path in os_release::PATHS {
        let _ = os_release::read(path, data);
    }
    if let Ok(path) = std::str::from_utf8(data) {
        let root = system::root_of(path);
        assert_eq!(root.is_some(), system::wants(path).is_some());
    }
});
