//! Puts the rule files into the binary.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let rules = Path::new(&here).join("rules");
    println!("cargo::rerun-if-changed={}", rules.display());
    let mut files: Vec<_> = std::fs::read_dir(&rules)
        .expect("the rules are there")
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    let mut out = String::from("pub(super) const FILES: &[(&str, &str)] = &[\n");
    for path in files {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        writeln!(out, "    ({name:?}, include_str!({:?})),", path.display()).expect("a string");
    }
    out.push_str("];\n");
    let to = Path::new(&std::env::var("OUT_DIR").expect("cargo sets it")).join("rules.rs");
    std::fs::write(to, out).expect("the build directory can be written");
}
