//! What chisel cut out of Ubuntu's packages for an image without dpkg: a JSON object on each line, compressed with
//! Zstandard (chisel, `public/manifest`, `public/jsonwall`).

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash};
use serde_json::Value;

use super::{FileBudget, Kind, LockError, Place, problem, room, text};
use crate::archive::{self, Source};

/// Bytes that a manifest may unfold to.
const MAXIMUM_INFLATED: u64 = 128 << 20;

/// Bytes of one line at most.
const LINE: u64 = 1 << 20;

/// Slices that one file is noted for.
const SLICES: usize = 64;

pub(super) fn read(places: &[Place<'_>]) -> Result<Inventory, LockError> {
    let mut inventory = Inventory::new(Kind::Chisel.name(), Completeness::List);
    let mut files = FileBudget::new();
    for place in places {
        let mut bytes = place.bytes();
        let mut broken = None;
        let visited = archive::members(archive::Kind::Zstd, Source::Stream(&mut bytes), 1, &mut |_, content| {
            broken =
                content.map_err(|e| e.to_string()).and_then(|content| lines(content, &mut inventory, &mut files)).err();
            ControlFlow::Break(())
        });
        if let Some(why) = visited.map_err(|e| e.to_string()).err().or(broken) {
            if inventory.packages.is_empty() {
                return Err(LockError::new(format!("chisel's manifest: {why}")));
            }
            problem(&mut inventory, None, format!("it cannot be read to its end: {why}"));
        }
    }
    files.note(&mut inventory);
    Ok(inventory)
}

fn lines(content: &mut dyn Read, inventory: &mut Inventory, files: &mut FileBudget) -> Result<(), String> {
    let mut content = BufReader::new(content.take(MAXIMUM_INFLATED));
    // Packages by name; files stand after them.
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut number = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        number += 1;
        let read = (&mut content).take(LINE).read_until(b'\n', &mut line).map_err(|e| e.to_string())?;
        if read == 0 {
            break;
        }
        let Ok(entry) = serde_json::from_slice::<Value>(&line) else {
            problem(inventory, Some(number), "a line that is no JSON");
            continue;
        };
        let field = |name: &str| entry.get(name).and_then(Value::as_str).and_then(text);
        match entry.get("kind").and_then(Value::as_str) {
            Some("package") => {
                let Some(name) = field("name") else {
                    problem(inventory, Some(number), "a package without a name");
                    continue;
                };
                if !room(inventory) {
                    break;
                }
                let mut package = Package::new(Ecosystem::Deb, &*name, field("version"));
                if package.version.is_none() {
                    problem(inventory, Some(number), format!("{name}: it has no version"));
                }
                package.line = Some(number);
                package.architecture = field("arch");
                let hash = field("sha256").map(|value| PackageHash { algorithm: "sha256".to_owned(), value });
                package.hashes.extend(hash);
                known.insert(name, inventory.packages.len());
                inventory.packages.push(package);
            }
            Some("path") => {
                // Directories end in a slash. A slice is called `package_slice`.
                let Some(path) = field("path").filter(|path| !path.ends_with('/')) else { continue };
                let slices = entry.get("slices").and_then(Value::as_array).into_iter().flatten().take(SLICES);
                let mut owners: Vec<usize> =
                    slices.filter_map(|slice| known.get(slice.as_str()?.split('_').next()?).copied()).collect();
                owners.sort_unstable();
                owners.dedup();
                for owner in owners {
                    if let Some(package) = inventory.packages.get_mut(owner) {
                        files.take(&mut package.files, "", &path);
                    }
                }
            }
            // The slices themselves, and which of them each file is from.
            _ => {}
        }
    }
    if content.into_inner().limit() == 0 {
        problem(inventory, None, format!("more than {MAXIMUM_INFLATED} bytes: the rest is not read"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Input;

    /// One raw block: what is not compressed (RFC 8878, 3.1.1.2).
    fn zstd(content: &[u8]) -> Vec<u8> {
        let block = (content.len() as u32) << 3 | 1;
        let mut out = b"\x28\xb5\x2f\xfd\x00\x58".to_vec();
        out.extend(&block.to_le_bytes()[..3]);
        out.extend(content);
        out
    }

    #[test]
    fn packages_and_their_files() {
        let content = br#"{"jsonwall":"1.0","schema":"1.0","count":4}
{"kind":"package","name":"libc6","version":"2.39-0ubuntu8","sha256":"00ff","arch":"amd64"}
{"kind":"slice","name":"libc6_libs"}
{"kind":"path","path":"/usr/lib/","mode":"0755","slices":["libc6_libs"]}
{"kind":"path","path":"/usr/lib/libc.so.6","mode":"0644","slices":["libc6_libs","libc6_config","gone_x"]}
not JSON
"#;
        let bytes = zstd(content);
        let beside = |path: &str| (path == "../../../etc/os-release").then(|| b"ID=ubuntu\nVERSION_ID=24.04".to_vec());
        let path = "var/lib/chisel/manifest.wall";
        let inventory =
            super::super::read(Kind::Chisel, &[Input { path, bytes: &bytes, beside: &beside }]).expect("read");
        let [libc] = &inventory.packages[..] else { panic!("{inventory:?}") };
        assert_eq!(libc.files, ["/usr/lib/libc.so.6"]);
        assert_eq!((libc.hashes[0].value.as_str(), libc.line), ("00ff", Some(2)));
        assert_eq!(libc.distribution.as_ref().map(|one| &*one.version), Some("24.04"));
        assert_eq!(inventory.problems.len(), 1);
        let bad = Input { path, bytes: b"no zstd", beside: &beside };
        assert!(super::super::read(Kind::Chisel, &[bad]).is_err());
    }
}
