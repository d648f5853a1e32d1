//! Reading no more of a CycloneDX document than it takes to judge its packages: thousands of stored documents are judged
//! anew whenever the advisories change.
//!
//! This reads what [`write`](fn@super::write) writes, and leaves everything else to the reader that checks all of it: the two
//! never say different things of a package.

use provost_model::{Purl, Scopes};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::MAXIMUM_COMPONENTS;
use super::super::bom::{Component, Property};
use super::super::vocabulary;
use super::read::{package_of, scopes_of};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    bom_format: String,
    spec_version: String,
    #[serde(default)]
    components: Vec<Item>,
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    #[serde(rename = "serialNumber")]
    _serial: Option<String>,
    #[serde(rename = "version")]
    _version: Option<u64>,
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    #[serde(rename = "dependencies")]
    _dependencies: Option<IgnoredAny>,
    #[serde(rename = "compositions")]
    _compositions: Option<IgnoredAny>,
    #[serde(rename = "vulnerabilities")]
    _vulnerabilities: Option<IgnoredAny>,
    #[serde(rename = "properties")]
    _properties: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    group: Option<String>,
    name: String,
    version: Option<String>,
    purl: Option<String>,
    scope: Option<String>,
    #[serde(default)]
    properties: Vec<Pair>,
    #[serde(default)]
    components: Vec<Item>,
    #[serde(rename = "bom-ref")]
    _reference: Option<String>,
    #[serde(rename = "supplier")]
    _supplier: Option<IgnoredAny>,
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
    #[serde(rename = "hashes")]
    _hashes: Option<IgnoredAny>,
    #[serde(rename = "licenses")]
    _licences: Option<IgnoredAny>,
    #[serde(rename = "cpe")]
    _cpe: Option<IgnoredAny>,
    #[serde(rename = "externalReferences")]
    _links: Option<IgnoredAny>,
    #[serde(rename = "evidence")]
    _evidence: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    name: String,
    #[serde(default)]
    value: String,
}

/// The components of a document, with package, purl, scopes and properties alone. `None` for a document that has to be
/// read as a whole.
pub(in crate::sbom) fn components(bytes: &[u8]) -> Option<Vec<Component>> {
    let document: Document = serde_json::from_slice(bytes).ok()?;
    if document.bom_format != "CycloneDX" || !matches!(document.spec_version.as_str(), "1.6" | "1.7") {
        return None;
    }
    let mut found = Vec::with_capacity(document.components.len());
    document.components.into_iter().try_for_each(|item| take(item, &mut found))?;
    Some(found)
}

fn take(item: Item, found: &mut Vec<Component>) -> Option<()> {
    if item.name.is_empty() || found.len() >= MAXIMUM_COMPONENTS {
        return None;
    }
    let kind = vocabulary::KINDS.iter().find(|(_, name)| *name == item.kind).map(|(kind, _)| *kind)?;
    let version = item.version.filter(|version| !version.is_empty());
    let purl: Option<Purl> = match item.purl.as_deref() {
        None | Some("") => None,
        Some(text) => Some(text.parse().ok()?),
    };
    let group = item.group.as_deref().filter(|group| !group.is_empty());
    let (package, other) = package_of(kind, group, &item.name, version.as_deref(), purl.as_ref());
    if other.is_some() {
        return None;
    }
    let mut component = Component::new("", kind, package);
    component.purl = purl;
    if let Some(scope) = item.scope {
        component.package.scopes = Scopes::only(scopes_of(&scope)?);
    }
    component.properties = item.properties.into_iter().map(|one| Property::new(one.name, one.value)).collect();
    vocabulary::take_properties(&mut component);
    found.push(component);
    item.components.into_iter().try_for_each(|item| take(item, found))
}
