//! What kind of change a change is: by name, by mode and by content. A name is compared without case, since some systems
//! that run it do not tell case.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use provost_policy::{Access, ChangeKind};
use provost_repo::{Change, Content, Side, View};

use self::names::{base, by_name};
use self::text::{is_bidi, look_alike};
use crate::{GateError, Limits};

mod names;
mod text;

/// A changed path with what kind of change it is.
#[derive(Debug, Clone)]
pub struct ChangeRecord {
    /// The change.
    pub change: Change,
    /// Its kinds; empty for ordinary code.
    pub kinds: BTreeSet<ChangeKind>,
    /// Size of the new content in bytes.
    pub size: Option<u64>,
    /// What was seen, for people: `U+202E in line 3`.
    pub notes: Vec<String>,
}

/// Finds out the kinds of some changes.
///
/// # Errors
/// An object is missing or damaged.
pub fn classify(view: &View, access: &Access, changes: &[Change]) -> Result<Vec<ChangeRecord>, GateError> {
    view.map(changes, |view, change| classify_one(view, access, change))
}

fn classify_one(view: &View, access: &Access, change: &Change) -> Result<ChangeRecord, GateError> {
    let name = change.name();
    let mut record = ChangeRecord { change: change.clone(), kinds: by_name(&name), size: None, notes: Vec::new() };
    let sides = [change.old.as_ref(), change.new.as_ref()];
    let any = |test: fn(&Side) -> bool| sides.into_iter().flatten().any(test);
    if any(Side::is_submodule) {
        record.kinds.insert(ChangeKind::Submodule);
    }
    if any(Side::is_link) {
        record.kinds.insert(ChangeKind::Symlink);
    }
    let executable = |side: Option<&Side>| side.is_some_and(Side::is_executable);
    if executable(change.new.as_ref()) && !executable(change.old.as_ref()) {
        record.kinds.insert(ChangeKind::ExecutableBit);
    }
    text_of_name(&name, &mut record);
    let Some(new) = change.new.as_ref().filter(|side| !side.is_submodule()) else { return Ok(record) };
    let content = view.read_within(&new.id, Limits::CONTENT)?;
    let size = match &content {
        Content::Bytes(bytes) => bytes.len() as u64,
        Content::Larger(size) => *size,
    };
    record.size = Some(size);
    if size >= access.gate.large_bytes {
        record.kinds.insert(ChangeKind::Large);
    }
    let Content::Bytes(bytes) = content else {
        record.kinds.insert(ChangeKind::Large);
        if matches!(base(&name.to_lowercase()), "package.json" | "composer.json" | "cargo.toml") {
            record.kinds.insert(ChangeKind::BuildScript);
        }
        record.notes.push(format!("{size} bytes: its text was not looked at"));
        return Ok(record);
    };
    if change.old.as_ref().is_some_and(|old| old.id == new.id) {
        return Ok(record);
    }
    let old = match change.old.as_ref().filter(|old| old.is_file() || old.is_link()) {
        Some(old) => view.read_within(&old.id, Limits::CONTENT)?,
        None => Content::Bytes(Vec::new()),
    };
    let old = if let Content::Bytes(old) = old { old } else { Vec::new() };
    by_content(&name, &old, &bytes, &mut record);
    Ok(record)
}

fn text_of_name(name: &str, record: &mut ChangeRecord) {
    if let Some(c) = name.chars().find(|c| is_bidi(*c)) {
        record.kinds.insert(ChangeKind::Bidi);
        record.notes.push(format!("U+{:04X} in its name", c as u32));
    }
    if let Some(what) = look_alike(name) {
        record.kinds.insert(ChangeKind::Homoglyph);
        record.notes.push(format!("{what} in its name"));
    }
}

fn by_content(name: &str, old: &[u8], new: &[u8], record: &mut ChangeRecord) {
    // git's own rule: a NUL in the first 8,000 bytes.
    if new[..new.len().min(8000)].contains(&0) {
        record.kinds.insert(ChangeKind::Binary);
        return;
    }
    let longest = new.split(|b| *b == b'\n').map(<[u8]>::len).max().unwrap_or(0);
    // Most text is plain ASCII, and nothing in that shows otherwise than it is.
    let plain = new.is_ascii();
    let text = if plain { Cow::Borrowed("") } else { String::from_utf8_lossy(new) };
    let before = if plain { Cow::Borrowed("") } else { String::from_utf8_lossy(old) };
    let known: HashSet<&str> = before.lines().collect();
    for (number, line) in text.lines().enumerate() {
        if line.is_ascii() || known.contains(line) {
            continue;
        }
        if let Some(c) = line.chars().find(|c| is_bidi(*c)).filter(|_| record.kinds.insert(ChangeKind::Bidi)) {
            record.notes.push(format!("U+{:04X} in line {}", c as u32, number + 1));
        }
        if !record.kinds.contains(&ChangeKind::Homoglyph)
            && let Some(what) = look_alike(line)
        {
            record.kinds.insert(ChangeKind::Homoglyph);
            record.notes.push(format!("{what} in line {}", number + 1));
        }
    }
    let head = String::from_utf8_lossy(&new[..new.len().min(4096)]);
    let code = [".js", ".mjs", ".cjs", ".css", ".ts", ".py", ".sh", ".php"].iter().any(|ending| name.ends_with(ending));
    let marked = ["@generated", "Code generated by", "DO NOT EDIT", "autogenerated"].iter().any(|m| head.contains(m));
    if marked || (code && longest > 5000) {
        record.kinds.insert(ChangeKind::Generated);
    }
    let manifest = matches!(base(&name.to_lowercase()), "package.json" | "composer.json");
    // What cannot be read here may be read by the tool that it is for.
    if manifest && (scripts(new).is_none() || scripts(old) != scripts(new)) {
        record.kinds.insert(ChangeKind::BuildScript);
        record.notes.push("its scripts differ, or cannot be read".into());
    }
    if base(&name.to_lowercase()) == "cargo.toml"
        && cargo_build(&String::from_utf8_lossy(old)) != cargo_build(&String::from_utf8_lossy(new))
    {
        record.kinds.insert(ChangeKind::BuildScript);
        record.notes.push("what it has run differs".into());
    }
}

/// What a manifest has run when it is installed or built.
fn scripts(bytes: &[u8]) -> Option<serde_json::Value> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let manifest: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let part = |name: &str| manifest.get(name).cloned().unwrap_or_default();
    Some(serde_json::json!([part("scripts"), part("gypfile"), part("bin"), part("config")]))
}

/// The lines of a Cargo manifest that decide what is run by a build.
fn cargo_build(text: &str) -> Vec<&str> {
    let decides = |line: &&str| {
        let key = line.split(['=', ' ', '\t']).next().unwrap_or_default().trim_matches(['"', '\'']);
        matches!(key, "build" | "links" | "proc-macro" | "proc_macro" | "runner" | "linker" | "rustc-wrapper")
    };
    text.lines().map(str::trim).filter(decides).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(old: &str, new: &str) -> Vec<&'static str> {
        let change = Change { path: b"a.py".to_vec(), old: None, new: None };
        let mut record = ChangeRecord { change, kinds: BTreeSet::new(), size: None, notes: Vec::new() };
        by_content("a.py", old.as_bytes(), new.as_bytes(), &mut record);
        record.kinds.into_iter().map(ChangeKind::name).collect()
    }

    #[test]
    fn text_that_shows_otherwise() {
        assert_eq!(content("", "if access_level != \"user\u{202e} \u{2066}// admin\":\n"), ["bidi"]);
        assert_eq!(content("", "def is_\u{0430}dmin(): pass\n"), ["homoglyph"]);
        assert_eq!(content("", "x = \"\u{e0141}\u{e0142}\"\n"), ["homoglyph"], "variation selectors that carry data");
        assert_eq!(content("", "# Привет, мир\n"), Vec::<&str>::new(), "another script is no attack");
        assert_eq!(content("", "# done ✔\u{fe0f} 👩\u{200d}💻\n"), Vec::<&str>::new(), "nor is an emoji");
        assert_eq!(content("", "is\u{200d}Admin = 1\n"), ["homoglyph"], "a joiner within a Latin word");
        assert_eq!(
            content("", "if user != \"admin\u{200e}\":\n"),
            ["homoglyph"],
            "a mark of direction without a reason"
        );
        assert_eq!(content("", "# \u{5e9}\u{5dc}\u{5d5}\u{5dd} C++\u{200e}\n"), Vec::<&str>::new(), "and with one");
        let old = "# x\u{202e}y\n";
        assert_eq!(content(old, "# x\u{202e}y\nnew\n"), Vec::<&str>::new(), "what was there is not this change's");
    }

    #[test]
    fn content_tells_kinds() {
        assert_eq!(content("", "a\0b"), ["binary"]);
        let change = Change { path: b"package.json".to_vec(), old: None, new: None };
        let mut record = ChangeRecord { change, kinds: BTreeSet::new(), size: None, notes: Vec::new() };
        by_content("package.json", b"{}", b"\xef\xbb\xbf{\"scripts\": {\"postinstall\": \"x\"}}", &mut record);
        assert!(record.kinds.contains(&ChangeKind::BuildScript), "a byte order mark hides no script");
        let cargo = |old: &str, new: &str| {
            let change = Change { path: b"Cargo.toml".to_vec(), old: None, new: None };
            let mut record = ChangeRecord { change, kinds: BTreeSet::new(), size: None, notes: Vec::new() };
            by_content("Cargo.toml", old.as_bytes(), new.as_bytes(), &mut record);
            record.kinds.contains(&ChangeKind::BuildScript)
        };
        let manifest = "[package]\nname = \"x\"\n";
        assert!(cargo(manifest, &format!("{manifest}build = \"evil.rs\"\n")));
        assert!(cargo(manifest, &format!("{manifest}# \u{e4}\n\"build\" = \"evil.rs\"\n")));
        assert!(!cargo(manifest, &format!("{manifest}version = \"1.0.0\"\n")));
        assert_eq!(content("", &"x".repeat(6000)), ["generated"]);
        assert_eq!(content("", "# Code generated by x. DO NOT EDIT.\n"), ["generated"]);
    }
}
