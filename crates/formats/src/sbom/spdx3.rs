//! SPDX 3.0 as JSON-LD is read (SPDX specification 3.0.1: Core, Software and SimpleLicensing profiles). Packages become
//! components, `dependsOn` and its relatives the graph, and what a relationship says of its completeness a composition.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use provost_model::{Ecosystem, Package, Purl, Scope, Scopes};
use serde_json::Value;

use super::bom::{Aggregate, Bom, Component, ComponentKind, Composition, LicenceStatement, Tool};
use super::object::{At, Object, shortened};
use super::vocabulary::{self, Tongue};
use super::{MAXIMUM_COMPONENTS, MAXIMUM_PROBLEMS, SbomError};

/// `software_primaryPurpose`.
const PURPOSES: &[(ComponentKind, &str)] = &[
    (ComponentKind::Application, "application"),
    (ComponentKind::Application, "executable"),
    (ComponentKind::Framework, "framework"),
    (ComponentKind::Library, "library"),
    (ComponentKind::Container, "container"),
    (ComponentKind::Platform, "platform"),
    (ComponentKind::OperatingSystem, "operatingSystem"),
    (ComponentKind::Device, "device"),
    (ComponentKind::DeviceDriver, "deviceDriver"),
    (ComponentKind::Firmware, "firmware"),
    (ComponentKind::File, "file"),
    (ComponentKind::MachineLearningModel, "model"),
    (ComponentKind::Data, "data"),
];

/// Reads a document.
pub(super) fn read(document: &Value) -> Result<Bom, SbomError> {
    let at = At::Root;
    let root = Object::of(document, &at)?;
    let context = match root.map.get("@context") {
        Some(Value::String(one)) => one.as_str(),
        Some(Value::Array(list)) => list.iter().find_map(Value::as_str).unwrap_or_default(),
        _ => "",
    };
    let Some(version) = context.strip_prefix("https://spdx.org/rdf/").and_then(|rest| rest.split('/').next()) else {
        return Err(SbomError::Unknown);
    };
    if !version.starts_with("3.0") {
        return Err(SbomError::Version { format: "SPDX", version: shortened(version), known: "2.2, 2.3 and 3.0" });
    }
    if !root.has("@graph") {
        return root.wrong("@graph", "it is missing");
    }
    let mut reader = Reader { bom: Bom { format: format!("SPDX {version}"), ..Bom::default() }, ..Reader::default() };
    reader.elements(root)?;
    root.each("@graph", &mut |element| reader.package(element))?;
    root.each("@graph", &mut |element| reader.relationship(element))?;
    root.each("@graph", &mut |element| reader.document(element))?;
    Ok(reader.finish())
}

#[derive(Default)]
struct Reader {
    bom: Bom,
    /// Every element's type, by its id.
    types: HashMap<String, String>,
    /// What the agents, tools and licences are called, by id.
    names: HashMap<String, String>,
    /// Components by id.
    by_id: HashMap<String, usize>,
    /// What the document and its bills of materials have as roots.
    roots: BTreeMap<String, Vec<String>>,
    documents: Vec<String>,
    missing: BTreeSet<String>,
    stated: BTreeMap<String, Aggregate>,
}

/// The reference in a value: a text, or an element that stands there itself.
fn reference(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Object(map) => map.get("spdxId").or_else(|| map.get("@id")).and_then(Value::as_str),
        _ => None,
    }
}

/// References of a member that is one or a list.
fn references<'a>(object: &Object<'a>, name: &str) -> Vec<&'a str> {
    match object.map.get(name) {
        Some(Value::Array(list)) => list.iter().filter_map(reference).collect(),
        Some(one) => reference(one).into_iter().collect(),
        None => Vec::new(),
    }
}

fn kind<'a>(element: &Object<'a>) -> Result<&'a str, SbomError> {
    match element.text("type")? {
        Some(kind) => Ok(kind),
        None => element.needed("@type"),
    }
}

impl Reader {
    fn problem(&mut self, text: String) {
        if self.bom.problems.len() < MAXIMUM_PROBLEMS {
            self.bom.problems.push(text);
        }
    }

    /// Ids are unique; names are noted for what refers to them.
    fn elements(&mut self, root: Object<'_>) -> Result<(), SbomError> {
        root.each("@graph", &mut |element| {
            let kind = kind(&element)?;
            let id = match element.text("spdxId")? {
                Some(id) => id,
                None => element.text("@id")?.unwrap_or_default(),
            };
            if id.is_empty() {
                return match kind {
                    "CreationInfo" => Ok(()),
                    _ => element.wrong("spdxId", "it is missing"),
                };
            }
            if self.types.insert(id.to_owned(), kind.to_owned()).is_some() {
                return element.wrong("spdxId", format!("`{}` is there twice", shortened(id)));
            }
            let name = match kind {
                "simplelicensing_LicenseExpression" => Some(element.needed("simplelicensing_licenseExpression")?),
                "expandedlicensing_ListedLicense" => Some(id.rsplit('/').next().unwrap_or(id)),
                "simplelicensing_SimpleLicensingText" | "expandedlicensing_CustomLicense" => {
                    element.text("name")?.or(element.text("simplelicensing_licenseText")?)
                }
                _ => element.text("name")?,
            };
            if let Some(name) = name {
                self.names.insert(id.to_owned(), name.to_owned());
            }
            Ok(())
        })
    }

    fn package(&mut self, element: Object<'_>) -> Result<(), SbomError> {
        let kind = kind(&element)?;
        let fallback = match kind {
            "software_Package" => ComponentKind::Library,
            "ai_AIPackage" => ComponentKind::MachineLearningModel,
            "dataset_DatasetPackage" => ComponentKind::Data,
            _ => return Ok(()),
        };
        if self.bom.components.len() >= MAXIMUM_COMPONENTS {
            return Err(SbomError::TooMany);
        }
        let id = element.needed("spdxId")?.to_owned();
        let name = element.needed("name")?;
        let version = element.text("software_packageVersion")?.filter(|version| !version.is_empty());
        let mut purls: Vec<String> = element.owned("software_packageUrl")?.into_iter().collect();
        let mut cpe = None;
        element.each("externalIdentifier", &mut |identifier| {
            let value = identifier.text("identifier")?.unwrap_or_default().to_owned();
            match identifier.text("externalIdentifierType")? {
                Some("packageUrl") => purls.push(value),
                Some("cpe23" | "cpe22") => cpe = cpe.take().or(Some(value)),
                _ => {}
            }
            Ok(())
        })?;
        let mut purl = None;
        for text in purls {
            match text.parse::<Purl>() {
                Ok(parsed) => purl = purl.or(Some(parsed)),
                Err(error) => self.problem(format!("{}: {error}", element.at)),
            }
        }
        let purpose = element.text("software_primaryPurpose")?;
        let kind = PURPOSES.iter().find(|(_, name)| Some(*name) == purpose).map_or(fallback, |(kind, _)| *kind);
        let package = match &purl {
            Some(purl) => {
                let mut package = Package::from_purl(purl);
                package.version = package.version.take().or(version.map(str::to_owned));
                package
            }
            None => Package::new(Ecosystem::Generic, name, version.map(str::to_owned)),
        };
        let mut component = Component::new(id.clone(), kind, package);
        component.purl = purl;
        component.cpe = cpe;
        component.description = element.owned("description")?;
        let supplier = ["suppliedBy", "originatedBy"].into_iter().flat_map(|name| references(&element, name)).next();
        component.supplier = supplier.and_then(|id| self.names.get(id).cloned());
        if let Some(url) = element.text("software_homePage")? {
            component.links.push(("website".into(), url.to_owned()));
        }
        element.each("verifiedUsing", &mut |method| {
            if method.text("type")?.or(method.text("@type")?) != Some("Hash") {
                return Ok(());
            }
            match vocabulary::hash(Tongue::Spdx3, method.needed("algorithm")?, method.needed("hashValue")?) {
                Ok(hash) if component.package.hashes.contains(&hash) => Ok(()),
                Ok(hash) => {
                    component.package.hashes.push(hash);
                    Ok(())
                }
                Err(what) => method.at.wrong(what),
            }
        })?;
        self.by_id.insert(id, self.bom.components.len());
        self.bom.components.push(component);
        Ok(())
    }

    fn relationship(&mut self, element: Object<'_>) -> Result<(), SbomError> {
        let (scope, kind) = match kind(&element)? {
            "Relationship" => (None, element.needed("relationshipType")?),
            "LifecycleScopedRelationship" => (element.text("scope")?, element.needed("relationshipType")?),
            _ => return Ok(()),
        };
        let from = references(&element, "from");
        let [from] = from.as_slice() else { return element.wrong("from", "one reference belongs here") };
        let to = references(&element, "to");
        for one in to.iter().chain([from]) {
            if !self.types.contains_key(*one) && special(one).is_none() {
                self.missing.insert((*one).to_owned());
            }
        }
        let completeness = element.one_of("completeness", &["complete", "incomplete", "noAssertion"])?;
        let component = |id: &str| self.by_id.get(id).copied();
        match kind {
            "hasDeclaredLicense" | "hasConcludedLicense" => {
                let Some(index) = component(from) else { return Ok(()) };
                let texts: Vec<String> = to
                    .iter()
                    .filter(|id| special(id).is_none())
                    .filter_map(|id| self.names.get(*id).cloned())
                    .collect();
                let concluded = kind == "hasConcludedLicense";
                let statements = texts.into_iter().map(|text| LicenceStatement { text, concluded });
                if let Some(component) = self.bom.components.get_mut(index) {
                    component.licences.extend(statements);
                }
            }
            "dependsOn"
            | "hasStaticLink"
            | "hasDynamicLink"
            | "usesTool"
            | "hasOptionalDependency"
            | "hasProvidedDependency" => {
                let Some(_) = component(from) else { return Ok(()) };
                let scope = match (kind, scope) {
                    ("usesTool", _) | (_, Some("build")) => Some(Scope::Build),
                    (_, Some("development" | "test")) => Some(Scope::Development),
                    ("hasOptionalDependency", _) => Some(Scope::Optional),
                    (_, Some("runtime")) => Some(Scope::Production),
                    _ => None,
                };
                let entry = self.bom.dependencies.entry((*from).to_owned()).or_default();
                let mut beyond = false;
                for need in &to {
                    let Some(index) = self.by_id.get(*need) else {
                        // It needs more than packages.
                        beyond |= special(need).is_none();
                        continue;
                    };
                    entry.insert((*need).to_owned());
                    if let (Some(component), Some(scope)) = (self.bom.components.get_mut(*index), scope) {
                        component.package.scopes.extend(Scopes::only(scope));
                    }
                }
                let stated = match (completeness, to.iter().find_map(|one| special(one))) {
                    (_, Some("NoAssertionElement")) => Some(Aggregate::Unknown),
                    (Some("complete"), _) | (None, Some("NoneElement")) => Some(Aggregate::Complete),
                    (Some("incomplete"), _) => Some(Aggregate::Incomplete),
                    (Some(_), _) => Some(Aggregate::Unknown),
                    (None, _) => None,
                };
                let stated = if beyond {
                    Some(stated.map_or(Aggregate::Unknown, |one| one.worse(Aggregate::Unknown)))
                } else {
                    stated
                };
                if let Some(stated) = stated {
                    let entry = self.stated.entry((*from).to_owned()).or_insert(stated);
                    *entry = entry.worse(stated);
                }
            }
            "contains" => {
                if component(from).is_none() {
                    return Ok(());
                }
                for part in to.iter().filter(|part| *part != from) {
                    let inner = self.by_id.get(*part).and_then(|index| self.bom.components.get_mut(*index));
                    if let Some(inner) = inner.filter(|inner| inner.parent.is_none()) {
                        inner.parent = Some((*from).to_owned());
                    }
                }
            }
            "describes" => {
                self.roots.entry((*from).to_owned()).or_default().extend(to.iter().map(|one| (*one).to_owned()));
            }
            _ => {}
        }
        Ok(())
    }

    fn document(&mut self, element: Object<'_>) -> Result<(), SbomError> {
        match kind(&element)? {
            "CreationInfo" => {
                if !element.needed("specVersion")?.starts_with("3.0") {
                    return element.wrong("specVersion", "3.0 belongs here");
                }
                let created = element.time("created")?;
                if created.is_none() {
                    return element.wrong("created", "it is missing");
                }
                // Elements may be of several times: the document is as new as the newest.
                self.bom.timestamp = self.bom.timestamp.max(created);
                for (name, tool) in [("createdUsing", true), ("createdBy", false)] {
                    for id in references(&element, name) {
                        let Some(name) = self.names.get(id).cloned() else { continue };
                        match tool {
                            true if !self.bom.tools.iter().any(|tool| tool.name == name) => {
                                self.bom.tools.push(Tool { vendor: None, name, version: None });
                            }
                            false if !self.bom.authors.contains(&name) => self.bom.authors.push(name),
                            _ => {}
                        }
                    }
                }
            }
            kind @ ("SpdxDocument" | "software_Sbom" | "Bom" | "Bundle") => {
                let id = element.needed("spdxId")?.to_owned();
                if kind == "SpdxDocument" {
                    self.bom.serial = Some(id.clone());
                    self.bom.name = element.owned("name")?;
                    self.documents.push(id.clone());
                }
                if kind == "software_Sbom" {
                    self.bom.lifecycles.extend(element.texts("software_sbomType")?.into_iter().map(str::to_owned));
                }
                let roots = references(&element, "rootElement").into_iter().map(str::to_owned);
                self.roots.entry(id).or_default().extend(roots);
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Bom {
        for component in &mut self.bom.components {
            component.package.licence = component.licence().map(|licence| licence.to_string());
        }
        let mut by_aggregate: BTreeMap<Aggregate, Vec<String>> = BTreeMap::new();
        for (reference, aggregate) in std::mem::take(&mut self.stated) {
            by_aggregate.entry(aggregate).or_default().push(reference);
        }
        for (aggregate, dependencies) in by_aggregate {
            let (assemblies, vulnerabilities) = (Vec::new(), Vec::new());
            self.bom.compositions.push(Composition { aggregate, assemblies, dependencies, vulnerabilities });
        }
        for reference in std::mem::take(&mut self.missing) {
            self.problem(format!("`{}` is referred to, but is not in the document", shortened(&reference)));
        }
        // From the document over bills of materials to packages.
        let mut waiting = match self.documents.is_empty() {
            true => self.roots.keys().cloned().collect(),
            false => std::mem::take(&mut self.documents),
        };
        let (mut seen, mut subjects) = (BTreeSet::new(), BTreeSet::new());
        while let Some(one) = waiting.pop() {
            if !seen.insert(one.clone()) {
                continue;
            }
            if let Some(index) = self.by_id.get(&one) {
                subjects.insert(*index);
            }
            waiting.extend(self.roots.get(&one).into_iter().flatten().cloned());
        }
        if subjects.len() == 1 {
            self.bom.subject = subjects.first().map(|index| self.bom.components.remove(*index));
        }
        self.bom
    }
}

/// The individuals that stand for nothing, and for nothing said (Core, `NoneElement` and `NoAssertionElement`; their
/// likes of licences).
fn special(id: &str) -> Option<&'static str> {
    match id.rsplit(['/', '#']).next().unwrap_or(id) {
        "NoneElement" | "NoneLicense" => Some("NoneElement"),
        "NoAssertionElement" | "NoAssertionLicense" => Some("NoAssertionElement"),
        _ => None,
    }
}
