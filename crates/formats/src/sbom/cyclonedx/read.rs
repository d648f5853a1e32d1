//! Reading CycloneDX.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use provost_model::{Ecosystem, Package, Purl, Scope, Scopes};
use serde_json::Value;

use super::super::bom::{Bom, Component, ComponentKind, Composition, LicenceStatement, Location, Property, Tool};
use super::super::object::{At, Object, shortened};
use super::super::vocabulary::{self, Tongue};
use super::super::{MAXIMUM_COMPONENTS, MAXIMUM_PROBLEMS, SbomError};
use super::{members, rest};

/// Reads a document.
pub(in crate::sbom) fn read(document: &Value) -> Result<Bom, SbomError> {
    let at = At::Root;
    let root = Object::of(document, &at)?;
    if root.text("bomFormat")? != Some("CycloneDX") {
        return root.wrong("bomFormat", "`CycloneDX` belongs here");
    }
    let version = root.text("specVersion")?.unwrap_or_default();
    let minor = version.strip_prefix("1.").and_then(|minor| minor.parse::<u8>().ok());
    let Some(minor) = minor.filter(|minor| (2..=7).contains(minor) && version.len() == 3) else {
        return Err(SbomError::Version { format: "CycloneDX", version: shortened(version), known: "1.2 to 1.7" });
    };
    if root.list("components")?.len() > MAXIMUM_COMPONENTS {
        return Err(SbomError::TooMany);
    }
    let mut reader = Reader { minor, bom: Bom::default(), defined: HashSet::new(), unnamed: HashMap::new() };
    reader.bom.format = format!("CycloneDX {version}");
    reader.collect(document, &at, false)?;
    reader.document(root)?;
    Ok(reader.bom)
}

pub(super) struct Reader {
    /// The 6 of 1.6.
    pub(super) minor: u8,
    pub(super) bom: Bom,
    /// Every `bom-ref` of the document.
    defined: HashSet<String>,
    /// How many components without a reference have a name.
    unnamed: HashMap<String, u64>,
}

impl Reader {
    pub(super) fn problem(&mut self, text: String) {
        if self.bom.problems.len() < MAXIMUM_PROBLEMS {
            self.bom.problems.push(text);
        }
    }

    /// Versions before 1.4 let members of any name stand.
    pub(super) fn only(&self, object: Object<'_>, names: &[&str]) -> Result<(), SbomError> {
        if self.minor >= 4 { object.only(names) } else { Ok(()) }
    }

    /// References are unique (schema, `refType`): where one is there twice among components, services, vulnerabilities or
    /// compositions, nobody can tell which is meant. Elsewhere (workflows, annotations) it changes nothing that is read,
    /// and the specification's own documents have it.
    fn collect(&mut self, value: &Value, at: &At<'_>, strict: bool) -> Result<(), SbomError> {
        match value {
            Value::Object(map) => {
                for (name, inner) in map {
                    let here = At::Name(at, name);
                    match inner {
                        Value::String(reference) if name == "bom-ref" => {
                            if reference.is_empty() {
                                return here.wrong("it is empty");
                            }
                            if !self.defined.insert(reference.clone()) && strict {
                                return here.wrong(format!("`{}` is there twice", shortened(reference)));
                            }
                        }
                        Value::Object(_) | Value::Array(_) => {
                            let read = ["metadata", "components", "services", "vulnerabilities", "compositions"];
                            let strict = strict || (matches!(at, At::Root) && read.contains(&name.as_str()));
                            self.collect(inner, &here, strict)?;
                        }
                        _ => {}
                    }
                }
            }
            Value::Array(list) => {
                for (index, inner) in list.iter().enumerate() {
                    self.collect(inner, &At::Index(at, index), strict)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn document(&mut self, root: Object<'_>) -> Result<(), SbomError> {
        self.only(root, members::DOCUMENT)?;
        if let Some(serial) = root.text("serialNumber")? {
            if !is_serial(serial) {
                return root.wrong("serialNumber", "`urn:uuid:` and a UUID in lower case belong here");
            }
            self.bom.serial = Some(serial.to_owned());
        }
        self.bom.revision = match root.map.get("version") {
            None => 1,
            Some(value) => match value.as_u64().filter(|version| *version >= 1) {
                Some(version) => version,
                None => return root.wrong("version", "a whole number from 1 belongs here"),
            },
        };
        root.inner("metadata", &mut |metadata| self.metadata(metadata))?;
        root.each("components", &mut |component| self.nested(component, None))?;
        root.each("services", &mut rest::service)?;
        root.each("dependencies", &mut |dependency| self.dependency(dependency))?;
        root.each("compositions", &mut |composition| self.composition(composition))?;
        root.each("vulnerabilities", &mut |vulnerability| rest::vulnerability(self, vulnerability))?;
        root.each("citations", &mut rest::citation)?;
        self.bom.properties.extend(properties(root)?);
        // What we wrote of our own problems is one still.
        let (own, others) = self.bom.properties.drain(..).partition(|one| one.name == "provost:incomplete");
        self.bom.properties = others;
        for property in own {
            let property: Property = property;
            self.problem(property.value);
        }
        self.dangling();
        Ok(())
    }

    fn metadata(&mut self, metadata: Object<'_>) -> Result<(), SbomError> {
        self.only(metadata, members::METADATA)?;
        self.bom.timestamp = metadata.time("timestamp")?;
        metadata.each("lifecycles", &mut |lifecycle| {
            let phases = ["design", "pre-build", "build", "post-build", "operations", "discovery", "decommission"];
            let phase = lifecycle.one_of("phase", &phases)?;
            match (phase, lifecycle.text("name")?) {
                (Some(one), None) | (None, Some(one)) => self.bom.lifecycles.push(one.to_owned()),
                _ => return lifecycle.at.wrong("either a phase or a name belongs here"),
            }
            Ok(())
        })?;
        match metadata.map.get("tools") {
            Some(Value::Object(_)) => {
                metadata.inner("tools", &mut |tools| {
                    for list in ["components", "services"] {
                        tools.each(list, &mut |tool| self.tool(tool))?;
                    }
                    Ok(())
                })?;
            }
            _ => metadata.each("tools", &mut |tool| self.tool(tool))?,
        }
        metadata.each("authors", &mut |author| {
            self.bom.authors.extend(author.owned("name")?.or(author.owned("email")?));
            Ok(())
        })?;
        self.licences(metadata)?;
        self.bom.properties = properties(metadata)?;
        if let Some(subject) = metadata.map.get("component") {
            let at = At::Name(metadata.at, "component");
            let before = self.bom.components.len();
            self.nested(Object::of(subject, &at)?, None)?;
            self.bom.subject = Some(self.bom.components.remove(before));
        }
        Ok(())
    }

    fn tool(&mut self, tool: Object<'_>) -> Result<(), SbomError> {
        let supplier = tool.inner("supplier", &mut |supplier| supplier.owned("name"))?.flatten();
        let vendor = tool.owned("vendor")?.or(supplier).or(tool.owned("author")?).or(tool.owned("group")?);
        self.bom.tools.push(Tool {
            vendor,
            name: tool.owned("name")?.unwrap_or_default(),
            version: tool.owned("version")?,
        });
        Ok(())
    }

    /// A component and those in it. The depth is that of the JSON, which is bounded.
    fn nested(&mut self, object: Object<'_>, parent: Option<&str>) -> Result<(), SbomError> {
        if self.bom.components.len() >= MAXIMUM_COMPONENTS {
            return Err(SbomError::TooMany);
        }
        let component = self.component(object, parent)?;
        let reference = component.reference.clone();
        self.bom.components.push(component);
        object.each("components", &mut |inner| self.nested(inner, Some(&reference)))
    }

    fn component(&mut self, object: Object<'_>, parent: Option<&str>) -> Result<Component, SbomError> {
        self.only(object, members::COMPONENT)?;
        let kind = object.needed("type")?;
        let Some(kind) = vocabulary::KINDS.iter().find(|(_, name)| *name == kind).map(|(kind, _)| *kind) else {
            return object.wrong("type", format!("`{}` is no type of a component", shortened(kind)));
        };
        let name = object.needed("name")?;
        let version = object.text("version")?.filter(|version| !version.is_empty());
        let purl = match object.text("purl")? {
            None | Some("") => None,
            Some(text) => match text.parse::<Purl>() {
                Ok(purl) => Some(purl),
                Err(error) => {
                    self.problem(format!("{}: {error}", At::Name(object.at, "purl")));
                    None
                }
            },
        };
        let mut component = Component::new("", kind, self.package(object, kind, name, version, purl.as_ref())?);
        component.reference = match object.text("bom-ref")? {
            Some(reference) => reference.to_owned(),
            None => self.unnamed(purl.as_ref(), name, version),
        };
        component.purl = purl;
        component.parent = parent.map(str::to_owned);
        component.cpe = object.owned("cpe")?;
        component.description = object.owned("description")?;
        let named = |name| object.inner(name, &mut |organisation| organisation.owned("name"));
        component.supplier = match (named("supplier")?.flatten(), named("manufacturer")?.flatten()) {
            (Some(supplier), _) | (None, Some(supplier)) => Some(supplier),
            (None, None) => object.owned("publisher")?.or(object.owned("author")?),
        };
        if let Some(scope) = object.one_of("scope", &["required", "optional", "excluded"])?.and_then(scopes_of) {
            component.package.scopes = Scopes::only(scope);
        }
        object.each("hashes", &mut |hash| {
            self.only(hash, &["alg", "content"])?;
            match vocabulary::hash(Tongue::CycloneDx, hash.needed("alg")?, hash.needed("content")?) {
                Ok(hash) if component.package.hashes.contains(&hash) => Ok(()),
                Ok(hash) => {
                    component.package.hashes.push(hash);
                    Ok(())
                }
                Err(what) => hash.at.wrong(what),
            }
        })?;
        component.licences = self.licences(object)?;
        component.package.licence = component.licence().map(|licence| licence.to_string());
        object.each("externalReferences", &mut |link| {
            let kind = link.needed("type")?.to_owned();
            component.links.push((kind, link.text("url")?.unwrap_or_default().to_owned()));
            Ok(())
        })?;
        component.locations = self.evidence(object)?;
        component.properties = properties(object)?;
        vocabulary::take_properties(&mut component);
        rest::unread(self, object)?;
        Ok(component)
    }

    fn package(
        &mut self,
        object: Object<'_>,
        kind: ComponentKind,
        name: &str,
        version: Option<&str>,
        purl: Option<&Purl>,
    ) -> Result<Package, SbomError> {
        let range = object.owned("versionRange")?;
        if range.is_some() && object.has("version") {
            return object.wrong("versionRange", "a version and a range of versions exclude each other");
        }
        if range.is_some() && object.map.get("isExternal") != Some(&Value::Bool(true)) {
            return object.wrong("versionRange", "only an external component has a range of versions");
        }
        let group = object.text("group")?.filter(|group| !group.is_empty());
        let (mut package, other) = package_of(kind, group, name, version, purl);
        if let Some(own) = other {
            self.problem(format!(
                "{}: the version is `{}`, but `{}` in the package URL, which counts",
                object.at,
                shortened(own),
                shortened(package.version.as_deref().unwrap_or_default())
            ));
        }
        package.requirement = range;
        Ok(package)
    }

    /// A reference for a component without one: nothing of the document can refer to it.
    fn unnamed(&mut self, purl: Option<&Purl>, name: &str, version: Option<&str>) -> String {
        let base = match purl {
            Some(purl) => purl.to_string(),
            None => format!("{name}@{}", version.unwrap_or_default()),
        };
        let number = self.unnamed.entry(base.clone()).or_insert(0);
        loop {
            *number += 1;
            let reference = if *number == 1 { base.clone() } else { format!("{base} ({number})") };
            if self.defined.insert(reference.clone()) {
                return reference;
            }
        }
    }

    /// `licenses`: each either a licence or an expression; before 1.7 an expression stands alone.
    pub(super) fn licences(&self, object: Object<'_>) -> Result<Vec<LicenceStatement>, SbomError> {
        let mut out: Vec<LicenceStatement> = Vec::new();
        let alone = self.minor < 7 && object.list("licenses")?.len() > 1;
        object.each("licenses", &mut |choice| {
            let acknowledgement =
                |one: Object<'_>| Ok(one.one_of("acknowledgement", &["declared", "concluded"])? == Some("concluded"));
            if choice.has("expression") {
                self.only(choice, members::EXPRESSION)?;
                if alone {
                    return choice.at.wrong("an expression stands alone before 1.7");
                }
                let text = choice.needed("expression")?.to_owned();
                out.push(LicenceStatement { text, concluded: acknowledgement(choice)? });
                return Ok(());
            }
            self.only(choice, &["license"])?;
            let found = choice.inner("license", &mut |licence| {
                self.only(licence, members::LICENCE)?;
                rest::attachment(licence)?;
                properties(licence)?;
                let text = match (licence.text("id")?, licence.text("name")?) {
                    (Some(text), None) | (None, Some(text)) => text.to_owned(),
                    _ => return licence.at.wrong("either an id or a name belongs here"),
                };
                Ok(LicenceStatement { text, concluded: acknowledgement(licence)? })
            })?;
            match found {
                Some(statement) => {
                    out.push(statement);
                    Ok(())
                }
                None => choice.at.wrong("a licence or an expression belongs here"),
            }
        })?;
        Ok(out)
    }

    fn evidence(&self, object: Object<'_>) -> Result<Vec<Location>, SbomError> {
        let mut locations = Vec::new();
        object.inner("evidence", &mut |evidence| {
            self.licences(evidence)?;
            evidence.each("occurrences", &mut |occurrence| {
                self.only(occurrence, members::OCCURRENCE)?;
                let path = occurrence.needed("location")?.to_owned();
                let line = occurrence.map.get("line").and_then(Value::as_u64).filter(|line| *line > 0);
                locations.push(Location { path, line });
                Ok(())
            })
        })?;
        Ok(locations)
    }

    fn dependency(&mut self, dependency: Object<'_>) -> Result<(), SbomError> {
        self.only(dependency, &["ref", "dependsOn", "provides"])?;
        let reference = dependency.needed("ref")?;
        let needs = dependency.texts("dependsOn")?;
        let provides = dependency.texts("provides")?;
        if needs.iter().chain(&provides).any(|needed| needed.is_empty()) {
            return dependency.wrong("dependsOn", "a reference is empty");
        }
        let entry = self.bom.dependencies.entry(reference.to_owned()).or_default();
        entry.extend(needs.into_iter().map(str::to_owned));
        Ok(())
    }

    fn composition(&mut self, composition: Object<'_>) -> Result<(), SbomError> {
        self.only(composition, members::COMPOSITION)?;
        let name = composition.needed("aggregate")?;
        let Some((aggregate, _)) = vocabulary::AGGREGATES.iter().find(|(_, known)| *known == name) else {
            return composition.wrong("aggregate", format!("`{}` is no aggregate", shortened(name)));
        };
        let texts = |name: &str| -> Result<Vec<String>, SbomError> {
            Ok(composition.texts(name)?.into_iter().map(str::to_owned).collect())
        };
        self.bom.compositions.push(Composition {
            aggregate: *aggregate,
            assemblies: texts("assemblies")?,
            dependencies: texts("dependencies")?,
            vulnerabilities: texts("vulnerabilities")?,
        });
        Ok(())
    }

    /// References to nothing are taken out and said: the rest of the graph stands. BOM-Links to other documents stay.
    fn dangling(&mut self) {
        let defined = &self.defined;
        let known = |reference: &String| defined.contains(reference) || reference.starts_with("urn:cdx:");
        let mut missing: BTreeSet<String> = BTreeSet::new();
        let mut dependencies: BTreeMap<String, BTreeSet<String>> = std::mem::take(&mut self.bom.dependencies);
        dependencies.retain(|reference, needs| {
            needs.retain(|need| known(need) || !missing.insert(need.clone()));
            known(reference) || !missing.insert(reference.clone())
        });
        self.bom.dependencies = dependencies;
        self.bom.compositions.retain_mut(|composition| {
            let nameless = composition.is_about_all();
            let lists = [&mut composition.assemblies, &mut composition.dependencies, &mut composition.vulnerabilities];
            for list in lists {
                list.retain(|reference| known(reference) || !missing.insert(reference.clone()));
            }
            // What was about parts that are not there must not become a statement about the whole.
            nameless || !composition.is_about_all()
        });
        // These stay: a vulnerability that affects something that is not there is not one that affects everything.
        for affected in self.bom.vulnerabilities.iter().flat_map(|vulnerability| &vulnerability.affects) {
            if !known(&affected.reference) {
                missing.insert(affected.reference.clone());
            }
        }
        for reference in missing {
            self.problem(format!(
                "`{}` is referred to, but nothing in the document has that reference",
                shortened(&reference)
            ));
        }
    }
}

/// What a component's `scope` says.
pub(super) fn scopes_of(scope: &str) -> Option<Scope> {
    match scope {
        "required" => Some(Scope::Production),
        "optional" => Some(Scope::Optional),
        "excluded" => Some(Scope::Development),
        _ => None,
    }
}

/// The package that a component is. With it the version that the component states beside another in its package URL,
/// where it does.
pub(super) fn package_of<'v>(
    kind: ComponentKind,
    group: Option<&str>,
    name: &str,
    version: Option<&'v str>,
    purl: Option<&Purl>,
) -> (Package, Option<&'v str>) {
    let mut package = match purl {
        Some(purl) => Package::from_purl(purl),
        None => {
            let full = group.map_or_else(|| name.to_owned(), |group| format!("{group}/{name}"));
            let ecosystem = if kind == ComponentKind::Container { Ecosystem::Oci } else { Ecosystem::Generic };
            Package::new(ecosystem, full, None)
        }
    };
    let same = |purl: &str, own: &str| {
        // The epoch of an RPM stands in the version here and in a qualifier there; an image has tag and digest.
        purl == own || purl.ends_with(&format!(":{own}")) || own.ends_with(&format!(":{purl}"))
    };
    match (package.version.as_deref(), version) {
        (Some(purl), Some(own)) if !same(purl, own) && package.ecosystem != Ecosystem::Oci => (package, Some(own)),
        (None, Some(own)) => {
            package.version = Some(own.to_owned());
            (package, None)
        }
        _ => (package, None),
    }
}

pub(super) fn properties(object: Object<'_>) -> Result<Vec<Property>, SbomError> {
    let mut out = Vec::new();
    object.each("properties", &mut |property| {
        property.only(&["name", "value"])?;
        match property.text("name")? {
            Some(name) => out.push(Property::new(name, property.text("value")?.unwrap_or_default())),
            None => return property.wrong("name", "it is missing"),
        }
        Ok(())
    })?;
    Ok(out)
}

/// `urn:uuid:` and lower-case hexadecimal digits in groups of 8, 4, 4, 4 and 12 (schema, `serialNumber`).
fn is_serial(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && uuid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}
