//! The package that a distribution's binary belongs to, as a note in it says: JSON in `.note.package`
//! (UAPI specification "Package Metadata for Executable Files").

use provost_model::{Completeness, Distribution, Ecosystem, Inventory, Package, Scope, Scopes};

use super::object::{Bytes, Fields, Object};
use crate::lock::LockError;
use crate::system::text;

/// Bytes of the note at most.
const NOTE: u64 = 64 << 10;

/// The note's type.
const TYPE: u64 = 0xcafe_1a7e;

pub(super) fn read(bytes: &mut Bytes<'_>, object: &Object) -> Option<Result<Inventory, LockError>> {
    let section = object.section(".note.package")?;
    Some(bytes.at(section.offset, section.size.min(NOTE)).and_then(|raw| {
        let note = Fields { bytes: &raw, big_endian: object.big_endian };
        let (name, content) = (note.word(0)?, note.word(4)?);
        let start = 12 + name.next_multiple_of(4);
        let range = usize::try_from(start).ok().zip(usize::try_from(start + content).ok());
        let json = range.and_then(|(from, to)| raw.get(from..to)).filter(|_| note.word(8) == Ok(TYPE));
        let json = json.ok_or_else(|| LockError::new("the package note is cut off or of another kind"))?;
        let json = json.strip_suffix(b"\0").unwrap_or(json).trim_ascii_end();
        let json: serde_json::Value = serde_json::from_slice(json.split(|byte| *byte == 0).next().unwrap_or_default())
            .map_err(|e| LockError::new(format!("the package note is no JSON: {e}")))?;
        let field = |name: &str| json.get(name).and_then(|value| value.as_str()).and_then(text);
        let name = field("name").ok_or_else(|| LockError::new("the package note names no package"))?;
        let ecosystem = match field("type").as_deref() {
            Some("deb") => Ecosystem::Deb,
            Some("rpm") => Ecosystem::Rpm,
            Some("apk") => Ecosystem::Apk,
            _ => Ecosystem::Generic,
        };
        // Distributions that tell the source package name it here; it was built at the same version.
        let mut package = Package::new(ecosystem, name, field("version"));
        package.scopes = Scopes::only(Scope::Production);
        package.architecture = field("architecture");
        package.distribution = field("os").map(|id| Distribution {
            id,
            version: field("osVersion").unwrap_or_default(),
            like: Vec::new(),
        });
        let mut inventory = Inventory::new("package note", Completeness::List);
        inventory.packages.push(package);
        Ok(inventory)
    }))
}
