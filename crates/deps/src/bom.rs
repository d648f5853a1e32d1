//! Between inventories and software bills of materials.

use std::collections::HashMap;

use provost_formats::sbom::{self, Aggregate, Bom, BomBuilder, Component, ComponentKind, Property, SbomError};
use provost_model::{Completeness, Ecosystem, Inventory, Package, Root, Scope};

use crate::inventory::Collected;

/// The bill of materials of what was collected. `bom` brings what the document says of itself, `subject` what it is of.
/// `whole` is true when everything that belongs to the subject was looked at.
pub fn to_bom(bom: Bom, subject: Component, collected: &Collected, whole: bool) -> Bom {
    let mut builder = BomBuilder::new(bom, subject);
    for source in &collected.sources {
        builder.add(&source.path, &source.inventory);
    }
    let complete = whole && collected.coverage.is_complete() && !collected.sources.is_empty();
    let mut bom = builder.finish(if complete { Aggregate::Complete } else { Aggregate::Incomplete });
    // What the distribution brought is judged by its advisories: whoever reads the document has to know.
    let mut by: HashMap<String, Option<&str>> = HashMap::new();
    for source in &collected.sources {
        for package in &source.inventory.packages {
            let entry = by.entry(package.purl().to_string()).or_insert(source.managed.as_deref());
            if source.managed.is_none() {
                *entry = None;
            }
        }
    }
    for component in &mut bom.components {
        let purl = component.purl.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(Some(owner)) = by.get(&purl) {
            component.properties.push(Property::new(MANAGED, *owner));
        }
    }
    bom
}

/// The property of a component that a package of the distribution brought.
const MANAGED: &str = "provost:managed-by";

/// The packages of a bill of materials.
pub fn from_bom(bom: &Bom) -> Inventory {
    let said = bom.stated();
    let completeness = if bom.dependencies.is_empty() { Completeness::List } else { Completeness::Graph };
    let mut inventory = Inventory::new(bom.format.clone(), completeness);
    let mut index_of: HashMap<&str, usize> = HashMap::new();
    for component in bom.components.iter().filter(|component| is_package(component)) {
        index_of.insert(&component.reference, inventory.packages.len());
        let mut package = package_of(component.clone());
        package.licence = component.licence().map(|licence| licence.to_string()).or(package.licence);
        inventory.packages.push(package);
    }
    for (reference, needs) in &bom.dependencies {
        let needs = needs.iter().filter_map(|need| index_of.get(need.as_str()).copied());
        match index_of.get(reference.as_str()) {
            Some(index) => inventory.packages[*index].dependencies = needs.collect(),
            None => {
                // The subject, or a project of it: who asks for packages.
                let component = bom.component(reference);
                let dependencies: Vec<(usize, Scope)> = needs.map(|need| (need, Scope::Production)).collect();
                if !dependencies.is_empty() {
                    inventory.roots.push(Root {
                        name: component.map(|one| one.package.name.clone()),
                        version: component.and_then(|one| one.package.version.clone()),
                        path: String::new(),
                        dependencies,
                    });
                }
            }
        }
    }
    if said.components.is_incomplete() {
        inventory.problem(None, "it says of itself that it is not complete");
    }
    let unnamed = bom.components.iter().filter(|one| one.purl.is_none() && one.kind == ComponentKind::Library).count();
    if unnamed > 0 {
        inventory.problem(None, format!("{unnamed} libraries have no package URL: what they are cannot be told"));
    }
    inventory
}

/// The packages of a bill of materials as text, with no more of them than it takes to judge them: those of [`from_bom`],
/// without edges, licences and hashes.
///
/// # Errors
/// It is none that can be read.
pub fn packages_of(bytes: &[u8]) -> Result<Vec<Package>, SbomError> {
    let components = sbom::components(bytes)?;
    Ok(components.into_iter().filter(is_package).map(package_of).collect())
}

fn is_package(component: &Component) -> bool {
    component.property(MANAGED).is_none()
        && (component.purl.is_some()
            || (component.package.ecosystem != Ecosystem::Generic
                && !matches!(component.kind, ComponentKind::File | ComponentKind::OperatingSystem)))
}

fn package_of(component: Component) -> Package {
    let Component { mut package, purl, .. } = component;
    // syft writes the major version of a Go module as the subpath; it is part of the module's path.
    let major = purl.as_ref().and_then(|purl| purl.subpath.as_deref());
    if let (Ecosystem::Go, Some(major)) = (package.ecosystem, major)
        && major
            .strip_prefix('v')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        && !package.name.ends_with(&format!("/{major}"))
    {
        package.name = format!("{}/{major}", package.name);
    }
    package
}
