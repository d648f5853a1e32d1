//! Writing SPDX 2.3 as JSON.

use std::collections::{BTreeMap, BTreeSet};

use provost_model::{PackageSource, Scope, Timestamp};
use serde_json::{Map, Value, json};

use super::super::bom::{Aggregate, Bom, Component, Property, Tool};
use super::super::vocabulary::{self, Tongue};
use super::PURPOSES;
use crate::licence::{self, Expression};

/// Writes a document. The same content gives the same bytes; the namespace is made from the digest of all else. A document
/// needs a time: without one in the content it is the beginning of 1970, as no clock is read.
pub fn write(bom: &Bom) -> String {
    let (ids, stated, extracted) = (BTreeMap::new(), bom.stated_by_reference(), BTreeMap::new());
    let mut writer = Writer { bom, ids, stated, extracted };
    let mut components: Vec<&Component> = bom.subject.iter().chain(&bom.components).collect();
    components.sort_by(|one, other| one.reference.cmp(&other.reference));
    components.dedup_by(|one, other| one.reference == other.reference);
    for component in &components {
        writer.ids.insert(&component.reference, id(component));
    }
    // What a component needs beyond what is written makes its needs unknown here, whatever was stated of them.
    for (reference, needs) in &bom.dependencies {
        if writer.ids.contains_key(reference.as_str())
            && needs.iter().any(|need| !writer.ids.contains_key(need.as_str()))
        {
            let entry = writer.stated.entry(reference).or_insert(Aggregate::Unknown);
            *entry = entry.worse(Aggregate::Unknown);
        }
    }
    let mut packages: Vec<Value> = components.iter().map(|component| writer.package(component)).collect();
    packages.sort_by_cached_key(|package| package["SPDXID"].to_string());
    let name = bom.name.clone().or_else(|| bom.subject.as_ref().map(|subject| subject.package.name.clone()));
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "sbom".into());
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "creationInfo": creation(bom),
        "comment": completeness(bom),
        "packages": packages,
        "relationships": writer.relationships(&components),
    });
    let extracted = std::mem::take(&mut writer.extracted);
    if !extracted.is_empty() {
        let list: Vec<Value> = extracted
            .iter()
            .map(|(id, text)| json!({"licenseId": id, "extractedText": text, "name": "NOASSERTION"}))
            .collect();
        document["hasExtractedLicensingInfos"] = list.into();
    }
    let mut properties = bom.properties.clone();
    let components = bom.stated_components();
    if components != Aggregate::NotSpecified {
        properties.push(Property::new("provost:components", aggregate_name(components)));
    }
    let annotations = writer.annotations(&properties);
    if !annotations.is_empty() {
        document["annotations"] = annotations.into();
    }
    let digest = provost_model::sha256(document.to_string().as_bytes());
    let slug = licence::slug(&name);
    document["documentNamespace"] = format!("https://spdx.org/spdxdocs/{slug}-{}", super::super::uuid(&digest)).into();
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// Seconds are the finest that the format knows (6.9).
fn date(time: Option<Timestamp>) -> String {
    let time = time.unwrap_or_else(|| Timestamp::from_seconds(0));
    Timestamp::from_seconds(time.seconds()).to_string()
}

fn tool(tool: &Tool) -> String {
    match &tool.version {
        Some(version) => format!("Tool: {}-{version}", tool.name),
        None => format!("Tool: {}", tool.name),
    }
}

fn creation(bom: &Bom) -> Value {
    let mut creators: BTreeSet<String> = bom.tools.iter().filter(|one| !one.name.is_empty()).map(tool).collect();
    creators.extend(bom.authors.iter().filter(|name| !name.trim().is_empty()).map(|name| format!("Person: {name}")));
    if creators.is_empty() {
        creators.insert("Tool: provost".into());
    }
    // Major and minor.
    let list: Vec<&str> = licence::list_version().split('.').take(2).collect();
    json!({"created": date(bom.timestamp), "creators": creators, "licenseListVersion": list.join(".")})
}

/// The format has no place for completeness but a comment, and relationships to `NONE` and `NOASSERTION`.
fn completeness(bom: &Bom) -> String {
    let stated = bom.stated();
    let word = |aggregate: Aggregate| match aggregate {
        Aggregate::Complete => "stated to be complete",
        one if one.is_incomplete() => "known to be incomplete",
        Aggregate::Unknown => "of unknown completeness",
        _ => "not stated to be complete",
    };
    let mut text = format!(
        "The list of packages is {}. Their dependencies are {}: a relationship DEPENDS_ON NOASSERTION marks a package that \
         may need more than is listed, DEPENDS_ON NONE one that needs nothing.",
        word(stated.components),
        word(stated.dependencies)
    );
    for problem in &bom.problems {
        text.push_str("\nIncomplete: ");
        text.push_str(problem);
    }
    text
}

fn aggregate_name(aggregate: Aggregate) -> &'static str {
    vocabulary::AGGREGATES.iter().find(|(known, _)| *known == aggregate).map_or("not_specified", |(_, name)| name)
}

/// An id of the format stays; of any other reference it is made.
fn id(component: &Component) -> String {
    if super::is_id(&component.reference) && component.reference != "SPDXRef-DOCUMENT" {
        return component.reference.clone();
    }
    let digest = provost_model::sha256(component.reference.as_bytes());
    format!("SPDXRef-Package-{}-{}", licence::slug(&component.package.name), digest.short())
}

struct Writer<'a> {
    bom: &'a Bom,
    ids: BTreeMap<&'a str, String>,
    /// What is stated of components' dependencies.
    stated: BTreeMap<&'a str, Aggregate>,
    /// Texts of licences that are not of the list, by id.
    extracted: BTreeMap<String, String>,
}

impl Writer<'_> {
    fn package(&mut self, component: &Component) -> Value {
        let package = &component.package;
        let mut out = Map::new();
        let mut text = |name: &str, value: &str| out.insert(name.into(), value.into());
        text("SPDXID", self.ids.get(component.reference.as_str()).map_or("", String::as_str));
        text("name", if package.name.is_empty() { "unknown" } else { &package.name });
        if let Some(version) = package.version.as_deref().filter(|version| !version.is_empty()) {
            text("versionInfo", version);
        }
        text("downloadLocation", &download(component));
        text("copyrightText", "NOASSERTION");
        text("licenseDeclared", &self.licence(component, false));
        text("licenseConcluded", &self.licence(component, true));
        match &component.supplier {
            Some(supplier) if !supplier.trim().is_empty() => text("supplier", &format!("Organization: {supplier}")),
            _ => text("supplier", "NOASSERTION"),
        };
        if let Some(description) = &component.description {
            text("description", description);
        }
        let purpose = PURPOSES.iter().find(|(kind, _)| *kind == component.kind).map_or("OTHER", |(_, name)| name);
        // JSON has `_` where tag-value has `-`.
        text("primaryPackagePurpose", &purpose.replace('-', "_"));
        out.insert("filesAnalyzed".into(), false.into());
        let mut references = Vec::new();
        if let Some(purl) = &component.purl {
            references.push(json!({"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl.to_string()}));
        }
        if let Some(cpe) = component.cpe.as_ref().filter(|cpe| is_cpe23(cpe)) {
            references
                .push(json!({"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": cpe}));
        }
        if !references.is_empty() {
            out.insert("externalRefs".into(), references.into());
        }
        let checksums: BTreeSet<(&str, String)> = package
            .hashes
            .iter()
            .filter_map(|hash| Some((vocabulary::hash_name(Tongue::Spdx2, hash)?, hash.value.to_ascii_lowercase())))
            .collect();
        if !checksums.is_empty() {
            let list: Vec<Value> =
                checksums.iter().map(|(name, value)| json!({"algorithm": name, "checksumValue": value})).collect();
            out.insert("checksums".into(), list.into());
        }
        let mut properties = component.properties.clone();
        if let Some(cpe) = component.cpe.as_ref().filter(|cpe| !is_cpe23(cpe)) {
            properties.push(Property::new("provost:cpe", cpe));
        }
        properties.extend(vocabulary::package_properties(component, Tongue::Spdx2));
        properties.extend(component.locations.iter().map(|location| {
            Property::new("provost:location", format!("{}:{}", location.path, location.line.unwrap_or(0)))
        }));
        if let Some(aggregate) = self.stated.get(component.reference.as_str()) {
            properties.push(Property::new("provost:dependencies", aggregate_name(*aggregate)));
        }
        let annotations = self.annotations(&properties);
        if !annotations.is_empty() {
            out.insert("annotations".into(), annotations.into());
        }
        out.into()
    }

    /// Properties as annotations (12): `name=value`.
    fn annotations(&self, properties: &[Property]) -> Vec<Value> {
        let annotator = self.bom.tools.iter().find(|one| !one.name.is_empty()).map_or("Tool: provost".into(), tool);
        let sorted: BTreeSet<&Property> = properties.iter().collect();
        let one = |property: &Property| {
            json!({
                "annotationType": "OTHER",
                "annotator": annotator,
                "annotationDate": date(self.bom.timestamp),
                "comment": format!("{}={}", property.name, property.value),
            })
        };
        sorted.into_iter().map(one).collect()
    }

    /// What is declared, or what is concluded, as one expression of the grammar of 2.3; its texts are noted.
    fn licence(&mut self, component: &Component, concluded: bool) -> String {
        let mut parts = Vec::new();
        for statement in component.licences.iter().filter(|statement| statement.concluded == concluded) {
            let Some(normal) = licence::normalise(&statement.text) else { continue };
            // Exceptions and licences of other documents have no form here: the text as a whole does.
            let strange = |term: &&licence::Term| {
                term.id.starts_with("DocumentRef-")
                    || term.exception.as_ref().is_some_and(|exception| exception.starts_with("AdditionRef-"))
            };
            if normal.terms().iter().any(strange) {
                let reference = licence::reference(&statement.text);
                self.extracted.entry(reference.to_string()).or_insert_with(|| statement.text.clone());
                parts.push(reference);
                continue;
            }
            for term in normal.terms().into_iter().filter(|term| !term.is_listed()) {
                let known = self.bom.licence_texts.get(&term.id).filter(|text| !text.is_empty());
                let text = known.unwrap_or(&statement.text);
                self.extracted.entry(term.id.clone()).or_insert_with(|| text.clone());
            }
            parts.push(normal);
        }
        Expression::all_of(parts).map_or_else(|| "NOASSERTION".into(), |whole| whole.to_string())
    }

    fn relationships(&self, components: &[&Component]) -> Vec<Value> {
        let mut out: BTreeSet<(String, &str, String)> = BTreeSet::new();
        match &self.bom.subject {
            Some(subject) => {
                let to = self.ids.get(subject.reference.as_str()).cloned().unwrap_or_default();
                out.insert(("SPDXRef-DOCUMENT".into(), "DESCRIBES", to));
            }
            None => {
                // Without one subject the document describes what nothing else needs or holds.
                let needed: BTreeSet<&String> = self
                    .bom
                    .dependencies
                    .iter()
                    .flat_map(|(from, to)| to.iter().filter(move |to| *to != from))
                    .collect();
                let top = components.iter().filter(|one| !needed.contains(&one.reference) && one.parent.is_none());
                let mut top: Vec<&&Component> = top.collect();
                if top.is_empty() {
                    top = components.iter().collect();
                }
                if top.is_empty() {
                    out.insert(("SPDXRef-DOCUMENT".into(), "DESCRIBES", "NONE".into()));
                }
                for component in top {
                    let to = self.ids.get(component.reference.as_str()).cloned().unwrap_or_default();
                    out.insert(("SPDXRef-DOCUMENT".into(), "DESCRIBES", to));
                }
            }
        }
        let by_reference: BTreeMap<&str, &Component> =
            components.iter().map(|component| (component.reference.as_str(), *component)).collect();
        for (reference, needs) in &self.bom.dependencies {
            let Some(from) = self.ids.get(reference.as_str()) else { continue };
            for need in needs.iter().filter(|need| *need != reference) {
                let (Some(to), Some(component)) = (self.ids.get(need.as_str()), by_reference.get(need.as_str())) else {
                    continue;
                };
                match needed_for(component) {
                    Some(relationship) => out.insert((to.clone(), relationship, from.clone())),
                    None => out.insert((from.clone(), "DEPENDS_ON", to.clone())),
                };
            }
        }
        for component in components {
            let (Some(inner), Some(outer)) = (
                self.ids.get(component.reference.as_str()),
                component.parent.as_deref().and_then(|parent| self.ids.get(parent)),
            ) else {
                continue;
            };
            out.insert((outer.clone(), "CONTAINS", inner.clone()));
        }
        for (reference, aggregate) in &self.stated {
            let Some(from) = self.ids.get(reference) else { continue };
            let needs =
                self.bom.dependencies.get(*reference).is_some_and(|needs| needs.iter().any(|need| need != reference));
            match aggregate {
                Aggregate::Complete if !needs => out.insert((from.clone(), "DEPENDS_ON", "NONE".into())),
                Aggregate::Complete => continue,
                _ => out.insert((from.clone(), "DEPENDS_ON", "NOASSERTION".into())),
            };
        }
        let one = |(from, kind, to): &(String, &str, String)| json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to});
        out.iter().map(one).collect()
    }
}

/// What does not go into the product has a relationship of its own.
fn needed_for(component: &Component) -> Option<&'static str> {
    let scopes = component.package.scopes;
    if scopes.is_empty() || scopes.contains(Scope::Production) {
        return None;
    }
    let first = scopes.iter().next()?;
    Some(match first {
        Scope::Build => "BUILD_DEPENDENCY_OF",
        Scope::Development => "DEV_DEPENDENCY_OF",
        _ => "OPTIONAL_DEPENDENCY_OF",
    })
}

/// Where the content comes from (7.7): a URL without white space, or nothing is said.
fn download(component: &Component) -> String {
    let location = match &component.package.source {
        PackageSource::Git { .. } => component.package.purl().qualifiers.get("vcs_url").cloned(),
        PackageSource::Url { url } => Some(url.clone()),
        _ => None,
    };
    let fine = |url: &String| {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        let known =
            matches!(scheme, Some("http" | "https" | "ftp" | "git" | "git+https" | "git+http" | "git+ssh" | "git+git"));
        known && url.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&byte))
    };
    location.filter(fine).unwrap_or_else(|| "NOASSERTION".into())
}

/// `cpe:2.3:` and eleven parts in their form (annex F.2.2; NIST IR 7695, 6.2).
fn is_cpe23(text: &str) -> bool {
    let mut parts = vec![String::new()];
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        let part = parts.last_mut();
        match (c, part) {
            (':', _) => parts.push(String::new()),
            // A quoted character stands for itself.
            ('\\', Some(part)) => match characters.next() {
                Some(quoted) if quoted.is_ascii_punctuation() => part.push('x'),
                _ => return false,
            },
            (other, Some(part)) => part.push(other),
            (_, None) => return false,
        }
    }
    let [scheme, version, kind, rest @ ..] = parts.as_slice() else { return false };
    let plain = |part: &str| {
        let inner = part.trim_matches(['*', '?']);
        !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let language = |part: &str| {
        let (language, region) =
            part.split_once('-').map_or((part, None), |(language, region)| (language, Some(region)));
        let letters = |text: &str, lengths: &[usize]| {
            lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic())
        };
        let number = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        letters(language, &[2, 3]) && region.is_none_or(|region| letters(region, &[2]) || number(region))
    };
    let fine = |(index, part): (usize, &String)| {
        matches!(part.as_str(), "*" | "-") || if index == 5 { language(part) } else { plain(part) }
    };
    (scheme.as_str(), version.as_str()) == ("cpe", "2.3")
        && matches!(kind.as_str(), "a" | "h" | "o" | "*" | "-")
        && rest.len() == 10
        && rest.iter().enumerate().all(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cpe() {
        assert!(is_cpe23(r"cpe:2.3:a:apache:log4j:2.4:-:*:*:*:*:*:*"));
        assert!(is_cpe23(r"cpe:2.3:a:a\/b:c\:d\+e:v1.3.4:*:*:en-us:*:*:*:*"));
        assert!(!is_cpe23(r"cpe:2.3:*:pl/java:a:1:*:*:*:*:*:*:*"));
        assert!(!is_cpe23(r"cpe:2.3:a:b:c:1+2:*:*:*:*:*:*:*"));
        assert!(!is_cpe23(r"cpe:2.3:a:b:c:1:*:*:*:*:*:*"));
        assert!(!is_cpe23("cpe:/a:b:c"));
    }
}
