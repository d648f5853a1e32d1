//! Puts the rule files into the binary: as they are for the tests, and once more as JSON without their examples, which is
//! what is read at every start.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    let rules = Path::new(&here).join("rules");
    println!("cargo::rerun-if-changed={}", rules.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut files: Vec<_> = std::fs::read_dir(&rules)
        .expect("the rules are there")
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    let mut list = String::from("pub(super) const FILES: &[(&str, &str)] = &[\n");
    let mut ready = Vec::new();
    for path in files {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        writeln!(list, "    ({name:?}, include_str!({:?})),", path.display()).expect("a string");
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let mut family: toml::Table = match toml::from_str(&text) {
            Ok(family) => family,
            Err(error) => panic!("{name}: {error}"),
        };
        for rule in family.get_mut("rule").and_then(toml::Value::as_array_mut).into_iter().flatten() {
            for examples in ["positive", "negative", "evasion"] {
                rule.as_table_mut().expect("a rule is a table").remove(examples);
            }
        }
        ready.push(family);
    }
    list.push_str("];\npub(super) const READY: &str = include_str!(concat!(env!(\"OUT_DIR\"), \"/rules.json\"));\n");
    std::fs::write(Path::new(&out).join("rules.json"), serde_json::to_string(&ready).expect("JSON"))
        .and_then(|()| std::fs::write(Path::new(&out).join("rules.rs"), list))
        .expect("the build directory can be written");
}
