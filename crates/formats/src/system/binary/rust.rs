//! The list of crates that cargo-auditable puts into a binary: JSON, compressed by zlib, in the section `.dep-v0`
//! (<https://github.com/rust-secure-code/cargo-auditable>, `PARSING.md` and `cargo-auditable.schema.json`).

use std::io::Read;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Root, Scope, Scopes};
use serde_json::Value;

use super::object::{Bytes, Object};
use super::{MAXIMUM_INFLATED, MAXIMUM_RECORD};
use crate::lock::{LockError, MAXIMUM_PACKAGES};
use crate::system::{MAXIMUM_EDGES, problem, text};

pub(super) fn read(bytes: &mut Bytes<'_>, object: &Object) -> Option<Result<Inventory, LockError>> {
    let section = object.section(".dep-v0")?;
    if section.size > MAXIMUM_RECORD {
        return Some(Err(LockError::new(format!("a list of crates of {} bytes: more than is read", section.size))));
    }
    Some(bytes.at(section.offset, section.size).and_then(|packed| list(&packed)))
}

fn list(packed: &[u8]) -> Result<Inventory, LockError> {
    let mut json = Vec::new();
    let mut unpack = flate2::read::ZlibDecoder::new(packed).take(MAXIMUM_INFLATED + 1);
    unpack.read_to_end(&mut json).map_err(|e| LockError::new(format!("the list of crates is not sound: {e}")))?;
    if json.len() as u64 > MAXIMUM_INFLATED {
        return Err(LockError::new(format!("a list of crates of more than {MAXIMUM_INFLATED} bytes")));
    }
    let json: Value = serde_json::from_slice(&json)
        .map_err(|e| LockError::new(format!("the list of crates is no JSON that is read: {e}")))?;
    let listed = json.get("packages").and_then(Value::as_array);
    let listed = listed.ok_or_else(|| LockError::new("the list of crates has no packages"))?;
    if listed.len() > MAXIMUM_PACKAGES {
        return Err(LockError::new(format!("more than {MAXIMUM_PACKAGES} crates")));
    }

    let mut inventory = Inventory::new("Rust binary", Completeness::Graph);
    let mut edges = 0;
    for (index, entry) in listed.iter().enumerate() {
        let field = |name: &str| entry.get(name).and_then(Value::as_str).and_then(text);
        let Some(name) = field("name") else {
            // Its place is kept: others refer to it by number.
            problem(&mut inventory, None, format!("crate {index} has no name"));
            inventory.packages.push(Package::new(Ecosystem::Cargo, "", None));
            continue;
        };
        let mut package = Package::new(Ecosystem::Cargo, &*name, field("version"));
        if package.version.is_none() {
            problem(&mut inventory, None, format!("{name} has no version"));
        }
        package.source = match field("source").as_deref() {
            Some("crates.io") | None => PackageSource::Registry,
            Some("local") => PackageSource::Path { path: String::new() },
            Some("git") => PackageSource::Git { url: String::new(), revision: None },
            Some("registry") => PackageSource::OtherRegistry { url: String::new() },
            Some(other) => PackageSource::OtherRegistry { url: other.to_owned() },
        };
        package.scopes =
            Scopes::only(if field("kind").as_deref() == Some("build") { Scope::Build } else { Scope::Production });
        package.direct = Some(false);
        for needed in entry.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            let needed = needed.as_u64().and_then(|number| usize::try_from(number).ok());
            match needed.filter(|number| *number < listed.len() && *number != index) {
                Some(number) if edges < MAXIMUM_EDGES => {
                    edges += 1;
                    package.dependencies.push(number);
                }
                Some(_) => {}
                None => problem(&mut inventory, None, format!("{name} needs a crate that is not listed")),
            }
        }
        inventory.packages.push(package);
    }
    for index in (0..listed.len()).filter(|index| listed[*index].get("root").and_then(Value::as_bool) == Some(true)) {
        let root = &inventory.packages[index];
        let (name, version, needs) = (root.name.clone(), root.version.clone(), root.dependencies.clone());
        let mut dependencies = Vec::new();
        for needed in needs {
            let package = &mut inventory.packages[needed];
            package.direct = Some(true);
            let build = package.scopes.contains(Scope::Build);
            dependencies.push((needed, if build { Scope::Build } else { Scope::Production }));
        }
        inventory.packages[index].direct = None;
        inventory.roots.push(Root { name: Some(name), version, path: String::new(), dependencies });
    }
    Ok(inventory)
}
