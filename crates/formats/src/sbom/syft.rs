//! The own format of the scanner syft is read (its JSON schema 16, `artifacts` and `artifactRelationships`).

use std::collections::HashMap;

use provost_model::{Ecosystem, Package, Purl};
use serde_json::Value;

use super::bom::{Bom, Component, ComponentKind, LicenceStatement, Location, Tool};
use super::object::{At, Object, shortened};
use super::{MAXIMUM_COMPONENTS, MAXIMUM_PROBLEMS, SbomError};

/// Reads a document.
pub(super) fn read(document: &Value) -> Result<Bom, SbomError> {
    let at = At::Root;
    let root = Object::of(document, &at)?;
    let mut bom = Bom { format: "syft".into(), ..Bom::default() };
    root.inner("schema", &mut |schema| {
        bom.format = format!("syft {}", schema.needed("version")?);
        Ok(())
    })?;
    root.inner("descriptor", &mut |descriptor| {
        let name = descriptor.needed("name")?.to_owned();
        bom.tools.push(Tool { vendor: None, name, version: descriptor.owned("version")? });
        Ok(())
    })?;
    root.inner("source", &mut |source| {
        let name = source.text("name")?.filter(|name| !name.is_empty());
        if let Some(name) = name {
            let version = source.owned("version")?.filter(|version| !version.is_empty());
            let (kind, ecosystem) = match source.text("type")? {
                Some("image") => (ComponentKind::Container, Ecosystem::Oci),
                _ => (ComponentKind::Application, Ecosystem::Generic),
            };
            let reference = source.text("id")?.filter(|id| !id.is_empty()).unwrap_or("source");
            bom.subject = Some(Component::new(reference, kind, Package::new(ecosystem, name, version)));
        }
        Ok(())
    })?;
    let mut by_id: HashMap<String, usize> = HashMap::new();
    root.each("artifacts", &mut |artifact| {
        if bom.components.len() >= MAXIMUM_COMPONENTS {
            return Err(SbomError::TooMany);
        }
        let id = artifact.needed("id")?;
        if by_id.insert(id.to_owned(), bom.components.len()).is_some() {
            return artifact.wrong("id", format!("`{}` is there twice", shortened(id)));
        }
        let mut problems = Vec::new();
        bom.components.push(component(artifact, id, &mut problems)?);
        bom.problems.extend(problems);
        bom.problems.truncate(MAXIMUM_PROBLEMS);
        Ok(())
    })?;
    root.each("artifactRelationships", &mut |relationship| {
        let (parent, child) = (relationship.needed("parent")?, relationship.needed("child")?);
        // The parent is a dependency of the child.
        if relationship.text("type")? == Some("dependency-of")
            && by_id.contains_key(parent)
            && by_id.contains_key(child)
        {
            bom.dependencies.entry(child.to_owned()).or_default().insert(parent.to_owned());
        }
        Ok(())
    })?;
    Ok(bom)
}

fn component(artifact: Object<'_>, id: &str, problems: &mut Vec<String>) -> Result<Component, SbomError> {
    let name = artifact.needed("name")?;
    let version = artifact.text("version")?.filter(|version| !version.is_empty());
    let purl = match artifact.text("purl")?.filter(|purl| !purl.is_empty()).map(str::parse::<Purl>) {
        Some(Ok(purl)) => Some(purl),
        Some(Err(error)) => {
            problems.push(format!("{}: {error}", artifact.at));
            None
        }
        None => None,
    };
    let mut package = match &purl {
        Some(purl) => Package::from_purl(purl),
        None => Package::new(Ecosystem::Generic, name, None),
    };
    package.version = package.version.take().or(version.map(str::to_owned));
    let mut component = Component::new(id, ComponentKind::Library, package);
    component.purl = purl;
    for (index, licence) in artifact.list("licenses")?.iter().enumerate() {
        let at = At::Name(artifact.at, "licenses");
        let at = At::Index(&at, index);
        let (text, concluded) = match licence {
            Value::String(text) => (text.clone(), false),
            other => {
                let licence = Object::of(other, &at)?;
                let expression = licence.text("spdxExpression")?.filter(|text| !text.is_empty());
                let text = expression.or(licence.text("value")?).unwrap_or_default().to_owned();
                (text, licence.text("type")? == Some("concluded"))
            }
        };
        if !text.is_empty() {
            component.licences.push(LicenceStatement { text, concluded });
        }
    }
    component.package.licence = component.licence().map(|licence| licence.to_string());
    component.cpe = match artifact.list("cpes")?.first() {
        Some(Value::String(cpe)) => Some(cpe.clone()),
        Some(Value::Object(cpe)) => cpe.get("cpe").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    artifact.each("locations", &mut |location| {
        component.locations.push(Location { path: location.needed("path")?.to_owned(), line: None });
        Ok(())
    })?;
    Ok(component)
}
