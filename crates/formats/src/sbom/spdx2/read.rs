//! Reading SPDX 2.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use provost_model::{Ecosystem, Package, Purl, Scope, Scopes};
use serde_json::Value;

use super::super::bom::{
    Aggregate, Bom, Component, ComponentKind, Composition, LicenceStatement, Location, Property, Tool,
};
use super::super::object::{At, Object, shortened};
use super::super::vocabulary::{self, Tongue};
use super::super::{MAXIMUM_COMPONENTS, MAXIMUM_PROBLEMS, SbomError};
use super::{NEEDED_BY, PURPOSES};

const DOCUMENT: &str = "SPDXRef-DOCUMENT";

/// Reads a document.
pub(in crate::sbom) fn read(document: &Value) -> Result<Bom, SbomError> {
    let at = At::Root;
    let root = Object::of(document, &at)?;
    let version = root.text("spdxVersion")?.unwrap_or_default();
    if !matches!(version, "SPDX-2.2" | "SPDX-2.3") {
        return Err(SbomError::Version { format: "SPDX", version: shortened(version), known: "2.2, 2.3 and 3.0" });
    }
    // `SPDXRef-DOCUMENT` belongs here (6.3); some vendors write the id of the package that it describes.
    let own = root.needed("SPDXID")?;
    if !may_be_id(own) {
        return root.wrong("SPDXID", format!("`{}` is no id", shortened(own)));
    }
    let mut reader = Reader {
        bom: Bom::default(),
        own: own.to_owned(),
        ids: HashSet::new(),
        by_id: HashMap::new(),
        stated: BTreeMap::new(),
    };
    reader.bom.format = version.replace('-', " ");
    reader.document(root)?;
    Ok(reader.bom)
}

struct Reader {
    bom: Bom,
    /// The document's own id.
    own: String,
    /// Every other id of the document.
    ids: HashSet<String>,
    /// Components by id.
    by_id: HashMap<String, usize>,
    /// What is stated of components' dependencies, by id.
    stated: BTreeMap<String, Aggregate>,
}

impl Reader {
    fn problem(&mut self, text: String) {
        if self.bom.problems.len() < MAXIMUM_PROBLEMS {
            self.bom.problems.push(text);
        }
    }

    fn document(&mut self, root: Object<'_>) -> Result<(), SbomError> {
        self.bom.name = Some(root.needed("name")?.to_owned());
        if root.text("dataLicense")?.is_some_and(|licence| licence != "CC0-1.0") {
            return root.wrong("dataLicense", "`CC0-1.0` belongs here");
        }
        self.bom.serial = root.owned("documentNamespace")?;
        if self.bom.serial.is_none() {
            self.problem("the document has no namespace (6.5)".into());
        }
        let information = root.inner("creationInfo", &mut |information| {
            self.bom.timestamp = information.time("created")?;
            if self.bom.timestamp.is_none() {
                return information.wrong("created", "it is missing");
            }
            let creators = information.texts("creators")?;
            if creators.is_empty() {
                return information.wrong("creators", "it is missing");
            }
            for creator in creators {
                match creator.split_once(':') {
                    Some(("Tool", tool)) => self.bom.tools.push(tool_of(tool.trim())),
                    Some(("Person" | "Organization", who)) => self.bom.authors.push(who.trim().to_owned()),
                    _ => return information.wrong("creators", "`Tool:`, `Person:` or `Organization:` belongs here"),
                }
            }
            Ok(())
        })?;
        if information.is_none() {
            return root.wrong("creationInfo", "it is missing");
        }
        root.each("hasExtractedLicensingInfos", &mut |licence| {
            let id = licence.needed("licenseId")?.to_owned();
            let text = licence.text("extractedText")?.or(licence.text("name")?).unwrap_or_default().to_owned();
            self.bom.licence_texts.insert(id, text);
            Ok(())
        })?;
        self.bom.properties = annotations(root)?;
        // What we wrote of our own problems is one still.
        let comment = root.text("comment")?.unwrap_or_default();
        for problem in comment.lines().filter_map(|line| line.strip_prefix("Incomplete: ")) {
            self.problem(problem.to_owned());
        }
        root.each("packages", &mut |package| self.package(package))?;
        for list in ["files", "snippets"] {
            root.each(list, &mut |object| {
                self.identify(object)?;
                Ok(())
            })?;
        }
        let described = root.texts("documentDescribes")?.into_iter().map(str::to_owned).collect();
        self.relationships(root, described)
    }

    /// An id, unique in the document (3.2).
    fn identify(&mut self, object: Object<'_>) -> Result<String, SbomError> {
        let id = object.needed("SPDXID")?;
        if !may_be_id(id) || id == DOCUMENT {
            return object.wrong("SPDXID", format!("`{}` is no id", shortened(id)));
        }
        if !self.ids.insert(id.to_owned()) {
            return object.wrong("SPDXID", format!("`{}` is there twice", shortened(id)));
        }
        Ok(id.to_owned())
    }

    fn package(&mut self, object: Object<'_>) -> Result<(), SbomError> {
        if self.bom.components.len() >= MAXIMUM_COMPONENTS {
            return Err(SbomError::TooMany);
        }
        let id = self.identify(object)?;
        let name = object.needed("name")?;
        let version = object.text("versionInfo")?.filter(|version| !matches!(*version, "" | "NOASSERTION" | "NONE"));
        let (mut purls, mut cpe, mut links) = (Vec::new(), None, Vec::new());
        object.each("externalRefs", &mut |reference| {
            let locator = reference.needed("referenceLocator")?;
            match reference.needed("referenceType")? {
                "purl" => purls.push((reference.at.to_string(), locator.to_owned())),
                "cpe23Type" | "cpe22Type" => cpe = cpe.take().or(Some(locator.to_owned())),
                other => links.push((other.to_owned(), locator.to_owned())),
            }
            Ok(())
        })?;
        let mut purl = None;
        let mut others = Vec::new();
        for (at, text) in purls {
            match text.parse::<Purl>() {
                Ok(parsed) if purl.is_none() => purl = Some(parsed),
                Ok(parsed) => others.push(Property::new("spdx:purl", parsed.to_string())),
                Err(error) => self.problem(format!("{at}: {error}")),
            }
        }
        let purpose = object.text("primaryPackagePurpose")?.map(|purpose| purpose.replace('_', "-"));
        let kind = PURPOSES.iter().find(|(_, name)| Some(*name) == purpose.as_deref()).map(|(kind, _)| *kind);
        let package = match &purl {
            Some(purl) => {
                let mut package = Package::from_purl(purl);
                match (package.version.as_deref(), version) {
                    (None, Some(version)) => package.version = Some(version.to_owned()),
                    (Some(known), Some(own)) if !agree(known, own) && package.ecosystem != Ecosystem::Oci => {
                        self.problem(format!(
                            "{}: the version is `{}`, but `{}` in the package URL, which counts",
                            object.at,
                            shortened(own),
                            shortened(known)
                        ));
                    }
                    _ => {}
                }
                package
            }
            None => Package::new(Ecosystem::Generic, name, version.map(str::to_owned)),
        };
        let mut component = Component::new(id.clone(), kind.unwrap_or(ComponentKind::Library), package);
        component.purl = purl;
        component.cpe = cpe;
        component.links = links;
        if let Some(url) = object.text("homepage")?.filter(|url| !matches!(*url, "NOASSERTION" | "NONE" | "")) {
            component.links.push(("website".into(), url.to_owned()));
        }
        component.description = object.owned("description")?;
        component.supplier = object.text("supplier")?.and_then(actor).or(object.text("originator")?.and_then(actor));
        object.each("checksums", &mut |checksum| match vocabulary::hash(
            Tongue::Spdx2,
            checksum.needed("algorithm")?,
            checksum.needed("checksumValue")?,
        ) {
            Ok(hash) if component.package.hashes.contains(&hash) => Ok(()),
            Ok(hash) => {
                component.package.hashes.push(hash);
                Ok(())
            }
            Err(what) => checksum.at.wrong(what),
        })?;
        for (member, concluded) in [("licenseDeclared", false), ("licenseConcluded", true)] {
            if let Some(text) = object.text(member)?.filter(|text| !matches!(*text, "NOASSERTION" | "NONE" | "")) {
                let text = self.stated(text);
                component.licences.push(LicenceStatement { text, concluded });
            }
        }
        component.package.licence = component.licence().map(|licence| licence.to_string());
        component.properties = annotations(object)?;
        component.properties.extend(others);
        for property in std::mem::take(&mut component.properties) {
            match property.name.as_str() {
                "provost:location" => component.locations.push(location(&property.value)),
                "provost:cpe" if component.cpe.is_none() => component.cpe = Some(property.value),
                "provost:dependencies" => {
                    if let Some(aggregate) = aggregate(&property.value) {
                        self.stated.insert(id.clone(), aggregate);
                    }
                }
                _ => component.properties.push(property),
            }
        }
        vocabulary::take_properties(&mut component);
        self.by_id.insert(id, self.bom.components.len());
        self.bom.components.push(component);
        Ok(())
    }

    /// A licence as it was stated: one that is only a reference to a short extracted text is that text.
    fn stated(&self, text: &str) -> String {
        match self.bom.licence_texts.get(text) {
            Some(extracted) if extracted.len() <= 200 && !extracted.trim().is_empty() => extracted.clone(),
            _ => text.to_owned(),
        }
    }

    fn relationships(&mut self, root: Object<'_>, mut described: BTreeSet<String>) -> Result<(), SbomError> {
        let mut dependencies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut missing = BTreeSet::new();
        root.each("relationships", &mut |relationship| {
            let from = relationship.needed("spdxElementId")?;
            let to = relationship.needed("relatedSpdxElement")?;
            let kind = relationship.needed("relationshipType")?;
            for one in [from, to] {
                if !self.ids.contains(one) && one != self.own && !matches!(one, DOCUMENT | "NONE" | "NOASSERTION") {
                    missing.insert(one.to_owned());
                    return Ok(());
                }
            }
            let needed_by = NEEDED_BY.iter().find(|(name, _)| *name == kind);
            match (kind, to) {
                ("DESCRIBES", _) if from == DOCUMENT || from == self.own => {
                    described.insert(to.to_owned());
                }
                ("DESCRIBED_BY", _) if to == DOCUMENT || to == self.own => {
                    described.insert(from.to_owned());
                }
                ("DEPENDS_ON", "NONE") => {
                    self.say(from, Aggregate::Complete);
                    dependencies.entry(from.to_owned()).or_default();
                }
                ("DEPENDS_ON", "NOASSERTION") => {
                    self.say(from, Aggregate::Unknown);
                }
                ("DEPENDS_ON", _) => {
                    dependencies.entry(from.to_owned()).or_default().insert(to.to_owned());
                }
                ("STATIC_LINK" | "DYNAMIC_LINK" | "HAS_PREREQUISITE", _) => {
                    dependencies.entry(from.to_owned()).or_default().insert(to.to_owned());
                }
                ("PREREQUISITE_FOR", _) => {
                    dependencies.entry(to.to_owned()).or_default().insert(from.to_owned());
                }
                ("CONTAINS", _) => self.part(to, from),
                ("CONTAINED_BY", _) => self.part(from, to),
                _ => {
                    if let Some((_, scope)) = needed_by {
                        dependencies.entry(to.to_owned()).or_default().insert(from.to_owned());
                        self.scope(from, *scope);
                    }
                }
            }
            Ok(())
        })?;
        // Only packages are components; the edges of files go nowhere here.
        dependencies.retain(|reference, _| self.by_id.contains_key(reference));
        for (reference, needs) in &mut dependencies {
            let before = needs.len();
            needs.retain(|need| self.by_id.contains_key(need));
            if needs.len() < before {
                // It needs more than packages.
                self.say(reference, Aggregate::Unknown);
            }
        }
        self.bom.dependencies = dependencies;
        let mut by_aggregate: BTreeMap<Aggregate, Vec<String>> = BTreeMap::new();
        for (reference, aggregate) in std::mem::take(&mut self.stated) {
            if self.by_id.contains_key(&reference) {
                by_aggregate.entry(aggregate).or_default().push(reference);
            }
        }
        for (aggregate, dependencies) in by_aggregate {
            let (assemblies, vulnerabilities) = (Vec::new(), Vec::new());
            self.bom.compositions.push(Composition { aggregate, assemblies, dependencies, vulnerabilities });
        }
        for reference in missing {
            self.problem(format!("`{}` is referred to, but is not in the document", shortened(&reference)));
        }
        let described: Vec<usize> = described.iter().filter_map(|id| self.by_id.get(id).copied()).collect();
        if let [subject] = described.as_slice() {
            self.bom.subject = Some(self.bom.components.remove(*subject));
        }
        let (own, others) = self.bom.properties.drain(..).partition(|one| one.name == "provost:components");
        self.bom.properties = others;
        for aggregate in own.iter().filter_map(|one: &Property| aggregate(&one.value)) {
            let assemblies = self.bom.subject.iter().map(|subject| subject.reference.clone()).collect();
            let (dependencies, vulnerabilities) = (Vec::new(), Vec::new());
            self.bom.compositions.push(Composition { aggregate, assemblies, dependencies, vulnerabilities });
        }
        Ok(())
    }

    fn say(&mut self, reference: &str, aggregate: Aggregate) {
        let entry = self.stated.entry(reference.to_owned()).or_insert(aggregate);
        *entry = entry.worse(aggregate);
    }

    fn part(&mut self, inner: &str, outer: &str) {
        if inner == outer || !self.by_id.contains_key(outer) {
            return;
        }
        let component = self.by_id.get(inner).and_then(|index| self.bom.components.get_mut(*index));
        if let Some(component) = component.filter(|component| component.parent.is_none()) {
            component.parent = Some(outer.to_owned());
        }
    }

    fn scope(&mut self, reference: &str, scope: Option<Scope>) {
        let component = self.by_id.get(reference).and_then(|index| self.bom.components.get_mut(*index));
        if let (Some(component), Some(scope)) = (component, scope) {
            component.package.scopes.extend(Scopes::only(scope));
        }
    }
}

fn may_be_id(text: &str) -> bool {
    let strange = |c: char| c.is_whitespace() || c.is_control();
    text.strip_prefix("SPDXRef-").is_some_and(|rest| !rest.is_empty() && !rest.contains(strange))
}

/// A purl has no epoch in an RPM's version.
fn agree(purl: &str, own: &str) -> bool {
    purl == own || purl.ends_with(&format!(":{own}")) || own.ends_with(&format!(":{purl}"))
}

/// `Organization: Example (mail@example.org)`.
fn actor(text: &str) -> Option<String> {
    let name = match text.split_once(':') {
        Some(("Organization" | "Person", name)) => name.trim(),
        _ => return None,
    };
    let name = name.strip_suffix("()").unwrap_or(name).trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// `name-version` (6.8).
fn tool_of(text: &str) -> Tool {
    match text.rsplit_once('-') {
        Some((name, version)) if version.starts_with(|c: char| c.is_ascii_digit() || c == 'v') => {
            Tool { vendor: None, name: name.to_owned(), version: Some(version.to_owned()) }
        }
        _ => Tool { vendor: None, name: text.to_owned(), version: None },
    }
}

/// Annotations that are `name=value` with a name space in the name; others are for people.
fn annotations(object: Object<'_>) -> Result<Vec<Property>, SbomError> {
    let mut out = Vec::new();
    object.each("annotations", &mut |annotation| {
        if let Some((name, value)) = annotation.text("comment")?.and_then(|comment| comment.split_once('=')) {
            let fine = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
            if name.contains(':') && name.chars().all(fine) {
                out.push(Property::new(name, value));
            }
        }
        Ok(())
    })?;
    Ok(out)
}

fn aggregate(name: &str) -> Option<Aggregate> {
    vocabulary::AGGREGATES.iter().find(|(_, known)| *known == name).map(|(aggregate, _)| *aggregate)
}

/// `path:line`.
fn location(text: &str) -> Location {
    match text.rsplit_once(':') {
        Some((path, line)) if line.parse::<u64>().is_ok() => {
            Location { path: path.to_owned(), line: line.parse().ok().filter(|line| *line > 0) }
        }
        _ => Location { path: text.to_owned(), line: None },
    }
}
