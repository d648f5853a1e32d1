//! Writing CycloneDX 1.6 and 1.7.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use provost_model::Scope;
use serde_json::{Map, Value, json};

use super::super::bom::{Bom, Component, ComponentKind, Composition, LicenceStatement, Property, Vulnerability};
use super::super::vocabulary::{self, Tongue};
use crate::licence::{self, Expression};

/// A version that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// 1.6.
    V1_6,
    /// 1.7.
    V1_7,
}

impl Edition {
    fn name(self) -> &'static str {
        match self {
            Self::V1_6 => "1.6",
            Self::V1_7 => "1.7",
        }
    }
}

/// Ids of the licence list that the format's schema does not have yet (it is of list 3.28): written as expressions.
pub(super) const NEWER: &[&str] = &[
    "BSD-2-Clause-pos-unchanged",
    "BSD-3-Clause-OpenWebUI",
    "BSD-Source-Code-no-disclaimer",
    "BSD-Source-alt-GPL",
    "BSD-ask-to-endorse",
    "Brian-Gladman-3-Clause-no-conversion",
    "Bugroff",
    "CC-BY-NC-3.0-IGO",
    "FDK-MPEG-H",
    "GFDL-1.1-invariants",
    "GFDL-1.1-no-invariants",
    "GFDL-1.2-invariants",
    "GFDL-1.2-no-invariants",
    "GFDL-1.3-invariants",
    "GFDL-1.3-no-invariants",
    "Hippocratic-3.0-core",
    "Informatica",
    "MVT-1.1",
    "atc-game",
];

/// How deep components may stand in one another; deeper ones are written beside them.
const MAXIMUM_NESTING: usize = 32;

/// Writes a document. The same content gives the same bytes: lists are sorted, and the serial number is made from the
/// digest of all else. A timestamp is part of the content.
pub fn write(bom: &Bom, edition: Edition) -> String {
    let known = known(bom);
    let mut document = json!({
        "$schema": format!("http://cyclonedx.org/schema/bom-{}.schema.json", edition.name()),
        "bomFormat": "CycloneDX",
        "specVersion": edition.name(),
        "version": bom.revision.max(1),
        "metadata": metadata(bom, edition),
        "components": Nest::new(bom, edition).all(),
        "dependencies": dependencies(bom, &known),
    });
    // What a component needs beyond what is written makes its needs unknown here, whatever was stated of them.
    let written = |needs: &BTreeSet<String>| needs.iter().all(|need| known(need));
    let cut = bom.dependencies.iter().filter(|(reference, needs)| known(reference) && !written(needs));
    let cut: BTreeSet<&str> = cut.map(|(reference, _)| reference.as_str()).collect();
    let mut compositions: Vec<Value> =
        bom.compositions.iter().filter_map(|one| composition(one, &known, &cut)).collect();
    if !cut.is_empty() {
        compositions.push(json!({"aggregate": "unknown", "dependencies": cut}));
    }
    let compositions = unique(compositions);
    if !compositions.is_empty() {
        document["compositions"] = compositions.into();
    }
    let mut vulnerabilities: Vec<Value> = bom.vulnerabilities.iter().map(vulnerability).collect();
    if !vulnerabilities.is_empty() {
        vulnerabilities.sort_by_cached_key(Value::to_string);
        document["vulnerabilities"] = vulnerabilities.into();
    }
    let digest = provost_model::sha256(document.to_string().as_bytes());
    document["serialNumber"] = format!("urn:uuid:{}", super::super::uuid(&digest)).into();
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn metadata(bom: &Bom, edition: Edition) -> Value {
    let mut metadata = Map::new();
    if let Some(time) = bom.timestamp {
        metadata.insert("timestamp".into(), time.to_string().into());
    }
    let phases = ["design", "pre-build", "build", "post-build", "operations", "discovery", "decommission"];
    let lifecycles: Vec<Value> = bom
        .lifecycles
        .iter()
        .map(|one| if phases.contains(&one.as_str()) { json!({"phase": one}) } else { json!({"name": one}) })
        .collect();
    insert_list(&mut metadata, "lifecycles", lifecycles);
    let tools: Vec<Value> = bom
        .tools
        .iter()
        .map(|tool| {
            let mut out = json!({"type": "application", "name": tool.name});
            if let Some(version) = &tool.version {
                out["version"] = version.as_str().into();
            }
            if let Some(vendor) = &tool.vendor {
                out["supplier"] = json!({"name": vendor});
            }
            out
        })
        .collect();
    if !tools.is_empty() {
        metadata.insert("tools".into(), json!({"components": unique(tools)}));
    }
    let authors: Vec<Value> = bom.authors.iter().map(|name| json!({"name": name})).collect();
    insert_list(&mut metadata, "authors", authors);
    if let Some(subject) = &bom.subject {
        metadata.insert("component".into(), component(subject, edition, Vec::new()));
    }
    let mut properties = bom.properties.clone();
    properties.extend(bom.problems.iter().map(|problem| Property::new("provost:incomplete", problem)));
    insert_list(&mut metadata, "properties", properties_of(&properties));
    metadata.into()
}

/// Components within components.
struct Nest<'a> {
    edition: Edition,
    inner: BTreeMap<&'a str, Vec<&'a Component>>,
    all: Vec<&'a Component>,
    written: BTreeSet<&'a str>,
}

impl<'a> Nest<'a> {
    fn new(bom: &'a Bom, edition: Edition) -> Self {
        let mut all: Vec<&Component> = bom.components.iter().collect();
        all.sort_by(|one, other| one.reference.cmp(&other.reference));
        all.dedup_by(|one, other| one.reference == other.reference);
        let subject = bom.subject.as_ref().map(|subject| subject.reference.as_str());
        all.retain(|one| Some(one.reference.as_str()) != subject);
        let mut inner: BTreeMap<&str, Vec<&Component>> = BTreeMap::new();
        for one in &all {
            inner.entry(one.parent.as_deref().unwrap_or_default()).or_default().push(one);
        }
        Self { edition, inner, all, written: BTreeSet::new() }
    }

    fn all(mut self) -> Vec<Value> {
        let known: BTreeSet<&str> = self.all.iter().map(|one| one.reference.as_str()).collect();
        let mut out = Vec::new();
        let top = |one: &&Component| one.parent.as_deref().is_none_or(|parent| !known.contains(parent));
        let (first, rest): (Vec<_>, Vec<_>) = self.all.clone().into_iter().partition(top);
        // What is in no other comes first; what is left is too deep, or in a ring.
        for one in first.into_iter().chain(rest) {
            out.extend(self.one(one, 0));
        }
        out
    }

    fn one(&mut self, one: &'a Component, depth: usize) -> Option<Value> {
        if !self.written.insert(&one.reference) {
            return None;
        }
        let inner = if depth < MAXIMUM_NESTING { self.inner.get(one.reference.as_str()).cloned() } else { None };
        let inner = inner.unwrap_or_default().into_iter().filter_map(|part| self.one(part, depth + 1)).collect();
        Some(component(one, self.edition, inner))
    }
}

fn component(component: &Component, edition: Edition, inner: Vec<Value>) -> Value {
    let package = &component.package;
    let mut out = Map::new();
    let kind = vocabulary::KINDS.iter().find(|(kind, _)| *kind == component.kind).map_or("library", |(_, name)| name);
    out.insert("type".into(), kind.into());
    out.insert("bom-ref".into(), component.reference.as_str().into());
    let (group, name) = group_and_name(component);
    if let Some(group) = group {
        out.insert("group".into(), group.into());
    }
    out.insert("name".into(), name.into());
    if let Some(version) = &package.version {
        out.insert("version".into(), version.chars().take(1024).collect::<String>().into());
    }
    if let Some(supplier) = &component.supplier {
        out.insert("supplier".into(), json!({"name": supplier}));
    }
    if let Some(description) = &component.description {
        out.insert("description".into(), description.as_str().into());
    }
    if !package.scopes.is_empty() {
        out.insert("scope".into(), scope(component).into());
    }
    let mut hashes: Vec<(&str, String)> = package
        .hashes
        .iter()
        .filter_map(|hash| Some((vocabulary::hash_name(Tongue::CycloneDx, hash)?, hash.value.to_ascii_lowercase())))
        .collect();
    hashes.sort();
    hashes.dedup();
    // 1.6 does not have all of them.
    hashes.retain(|(name, _)| edition == Edition::V1_7 || !name.starts_with("Streebog"));
    insert_list(
        &mut out,
        "hashes",
        hashes.iter().map(|(name, value)| json!({"alg": name, "content": value})).collect(),
    );
    let licences = licences(&component.licences, edition);
    insert_list(&mut out, "licenses", licences);
    if let Some(cpe) = &component.cpe {
        out.insert("cpe".into(), cpe.as_str().into());
    }
    if let Some(purl) = &component.purl {
        out.insert("purl".into(), purl.to_string().into());
    }
    let mut links: Vec<Value> = component
        .links
        .iter()
        .filter(|(kind, url)| LINKS.contains(&kind.as_str()) && is_reference(url))
        .map(|(kind, url)| json!({"type": kind, "url": url}))
        .collect();
    links.sort_by_cached_key(Value::to_string);
    insert_list(&mut out, "externalReferences", unique(links));
    let mut locations = component.locations.clone();
    locations.sort();
    locations.dedup();
    if !locations.is_empty() {
        let occurrences: Vec<Value> = locations
            .iter()
            .map(|location| match location.line {
                Some(line) => json!({"location": location.path, "line": line}),
                None => json!({"location": location.path}),
            })
            .collect();
        out.insert("evidence".into(), json!({"occurrences": occurrences}));
    }
    let mut properties = component.properties.clone();
    properties.extend(vocabulary::package_properties(component, Tongue::CycloneDx));
    insert_list(&mut out, "properties", properties_of(&properties));
    insert_list(&mut out, "components", inner);
    out.into()
}

/// The types of external references that 1.6 and 1.7 both have.
const LINKS: &[&str] = &[
    "vcs",
    "issue-tracker",
    "website",
    "advisories",
    "bom",
    "mailing-list",
    "social",
    "chat",
    "documentation",
    "support",
    "source-distribution",
    "distribution",
    "distribution-intake",
    "license",
    "build-meta",
    "build-system",
    "release-notes",
    "security-contact",
    "model-card",
    "log",
    "configuration",
    "evidence",
    "formulation",
    "attestation",
    "threat-model",
    "adversary-model",
    "risk-assessment",
    "vulnerability-assertion",
    "exploitability-statement",
    "pentest-report",
    "static-analysis-report",
    "dynamic-analysis-report",
    "runtime-analysis-report",
    "component-analysis-report",
    "maturity-report",
    "certification-report",
    "codified-infrastructure",
    "quality-metrics",
    "poam",
    "electronic-signature",
    "digital-signature",
    "rfc-9116",
    "other",
];

/// Ecosystems with groups have them apart; all other names stay whole.
fn group_and_name(component: &Component) -> (Option<String>, String) {
    let package = &component.package;
    let name = if package.name.is_empty() { "unknown" } else { &package.name };
    match &component.purl {
        Some(purl) if matches!(purl.kind.as_str(), "npm" | "maven" | "composer") => {
            let parted = match purl.kind.as_str() {
                "maven" => name.split_once(':'),
                _ => name.rsplit_once('/'),
            };
            match parted {
                Some((group, name)) if !name.is_empty() => (Some(group.to_owned()), name.to_owned()),
                _ => (None, name.to_owned()),
            }
        }
        // Without a purl, reading puts group and name together.
        None if component.kind != ComponentKind::File => match name.rsplit_once('/') {
            Some((group, name)) if !group.is_empty() && !name.is_empty() => (Some(group.to_owned()), name.to_owned()),
            _ => (None, name.to_owned()),
        },
        _ => (None, name.to_owned()),
    }
}

/// `required` is what goes into the product, `excluded` what builds or tests it (specification, "scope").
fn scope(component: &Component) -> &'static str {
    let scopes = component.package.scopes;
    match (scopes.contains(Scope::Production), scopes.contains(Scope::Optional)) {
        (true, _) => "required",
        (_, true) => "optional",
        _ => "excluded",
    }
}

fn licences(statements: &[LicenceStatement], edition: Edition) -> Vec<Value> {
    let acknowledged = |mut value: Value, concluded: bool| {
        let word = if concluded { "concluded" } else { "declared" };
        match value.get_mut("license") {
            Some(licence) => licence["acknowledgement"] = word.into(),
            None => value["acknowledgement"] = word.into(),
        }
        value
    };
    let one = |normal: &Expression, text: &str| match normal.listed_id() {
        Some(id) if !NEWER.contains(&id) => json!({"license": {"id": id}}),
        _ if normal.is_listed() || licence::parse(text).is_ok() => json!({"expression": normal.to_string()}),
        _ => json!({"license": {"name": text}}),
    };
    let each = statements.iter().filter_map(|statement| {
        let normal = licence::normalise(&statement.text)?;
        Some(acknowledged(one(&normal, &statement.text), statement.concluded))
    });
    let mut values = unique(each.collect());
    values.sort_by_cached_key(Value::to_string);
    let expressions = values.iter().any(|value| value.get("expression").is_some());
    if edition == Edition::V1_7 || values.len() < 2 || !expressions {
        return values;
    }
    // Before 1.7 an expression stands alone: what is concluded counts before what is declared.
    let concluded = statements.iter().any(|statement| statement.concluded);
    let parts = statements.iter().filter(|statement| statement.concluded == concluded);
    let parts: Vec<Expression> = parts.filter_map(|statement| licence::normalise(&statement.text)).collect();
    let whole = Expression::all_of(parts).map(|whole| acknowledged(one(&whole, &whole.to_string()), concluded));
    whole.into_iter().collect()
}

/// Only what is written, or stands in another document, is referred to.
fn known(bom: &Bom) -> impl Fn(&str) -> bool {
    let of_components = bom.subject.iter().chain(&bom.components).map(|one| one.reference.as_str());
    let of_vulnerabilities = bom.vulnerabilities.iter().filter_map(|one| one.reference.as_deref());
    let known: HashSet<&str> = of_components.chain(of_vulnerabilities).collect();
    move |reference| known.contains(reference) || reference.starts_with("urn:cdx:")
}

fn dependencies(bom: &Bom, known: &dyn Fn(&str) -> bool) -> Vec<Value> {
    let entry = |(reference, needs): (&String, &BTreeSet<String>)| {
        let needs: Vec<&String> = needs.iter().filter(|need| known(need)).collect();
        known(reference).then(|| json!({"ref": reference, "dependsOn": needs}))
    };
    bom.dependencies.iter().filter_map(entry).collect()
}

/// `None` where nothing that it is about is written: without its parts it would be about the whole.
fn composition(composition: &Composition, known: &dyn Fn(&str) -> bool, cut: &BTreeSet<&str>) -> Option<Value> {
    let name = vocabulary::AGGREGATES.iter().find(|(known, _)| *known == composition.aggregate);
    let mut out = Map::new();
    out.insert("aggregate".into(), name.map_or("not_specified", |(_, name)| name).into());
    for (name, list) in [
        ("assemblies", &composition.assemblies),
        ("dependencies", &composition.dependencies),
        ("vulnerabilities", &composition.vulnerabilities),
    ] {
        let whole = |one: &str| name != "dependencies" || !cut.contains(one);
        let list: BTreeSet<&String> = list.iter().filter(|one| known(one) && whole(one)).collect();
        insert_list(&mut out, name, list.into_iter().map(|reference| reference.as_str().into()).collect());
    }
    (composition.is_about_all() || out.len() > 1).then(|| out.into())
}

fn vulnerability(vulnerability: &Vulnerability) -> Value {
    let mut out = Map::new();
    let mut text = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            out.insert(name.into(), value.as_str().into());
        }
    };
    text("bom-ref", &vulnerability.reference.clone().filter(|reference| !reference.is_empty()));
    text("id", &Some(vulnerability.id.clone()));
    text("description", &vulnerability.description);
    text("recommendation", &vulnerability.recommendation);
    if let Some(source) = &vulnerability.source {
        out.insert("source".into(), json!({"name": source}));
    }
    let references = vulnerability.aliases.iter().map(|alias| json!({"id": alias, "source": {}})).collect();
    insert_list(&mut out, "references", references);
    let ratings = vulnerability.ratings.iter().map(|rating| {
        let mut out = Map::new();
        for (name, value, known) in [
            ("severity", &rating.severity, Some(super::SEVERITIES)),
            ("method", &rating.method, Some(super::METHODS)),
            ("vector", &rating.vector, None),
        ] {
            if let Some(value) =
                value.as_ref().filter(|value| known.is_none_or(|known| known.contains(&value.as_str())))
            {
                out.insert(name.into(), value.as_str().into());
            }
        }
        if let Some(score) = rating.score {
            out.insert("score".into(), score.into());
        }
        out.into()
    });
    insert_list(&mut out, "ratings", ratings.collect());
    // A whole number from 1 is what a weakness is (schema, `cwe`).
    let weaknesses = vulnerability.weaknesses.iter().filter(|number| **number > 0).map(|number| (*number).into());
    insert_list(&mut out, "cwes", weaknesses.collect());
    if let Some(analysis) = &vulnerability.analysis {
        let mut inner = Map::new();
        for (name, value, known) in [
            ("state", &analysis.state, Some(super::STATES)),
            ("justification", &analysis.justification, Some(super::JUSTIFICATIONS)),
            ("detail", &analysis.detail, None),
        ] {
            if let Some(value) =
                value.as_ref().filter(|value| known.is_none_or(|known| known.contains(&value.as_str())))
            {
                inner.insert(name.into(), value.as_str().into());
            }
        }
        let responses = analysis.responses.iter().filter(|one| super::RESPONSES.contains(&one.as_str()));
        insert_list(&mut inner, "response", responses.map(|one| one.as_str().into()).collect());
        for (name, time) in [("firstIssued", analysis.first_issued), ("lastUpdated", analysis.last_updated)] {
            if let Some(time) = time {
                inner.insert(name.into(), time.to_string().into());
            }
        }
        out.insert("analysis".into(), inner.into());
    }
    let affects = vulnerability.affects.iter().filter(|one| !one.reference.is_empty()).map(|affected| {
        let mut out = json!({"ref": affected.reference});
        let versions: Vec<Value> = affected
            .versions
            .iter()
            .map(|(version, status)| {
                let key = if version.starts_with("vers:") { "range" } else { "version" };
                let status = if matches!(status.as_str(), "affected" | "unaffected") { status } else { "unknown" };
                json!({key: version, "status": status})
            })
            .collect();
        if !versions.is_empty() {
            out["versions"] = versions.into();
        }
        out
    });
    insert_list(&mut out, "affects", unique(affects.collect()));
    out.into()
}

fn properties_of(properties: &[Property]) -> Vec<Value> {
    let mut sorted: Vec<&Property> = properties.iter().collect();
    sorted.sort();
    sorted.dedup();
    sorted.into_iter().map(|property| json!({"name": property.name, "value": property.value})).collect()
}

fn insert_list(map: &mut Map<String, Value>, name: &str, list: Vec<Value>) {
    if !list.is_empty() {
        map.insert(name.into(), list.into());
    }
}

/// The list without repeats, which the schema forbids in most lists.
fn unique(list: Vec<Value>) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    list.into_iter().filter(|value| seen.insert(value.to_string())).collect()
}

/// True for what may be an IRI reference (RFC 3987): no white space, no control characters, none of `<>"{}|\^` and grave
/// accents, and `%` only before two hexadecimal digits.
fn is_reference(text: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c);
    let encoded = |rest: &str| rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    !text.is_empty() && !text.contains(bad) && text.split('%').skip(1).all(encoded)
}
