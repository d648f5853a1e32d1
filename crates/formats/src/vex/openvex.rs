//! OpenVEX 0.2.0 (openvex/spec, OPENVEX-SPEC.md and its JSON schema).

use provost_model::{PackageHash, Purl, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    Identity, Justification, MAXIMUM_BYTES, MAXIMUM_STATEMENTS, MAXIMUM_VALUES, Product, Status, VexDocument, VexError,
    VexStatement, VexVulnerability,
};
use crate::sbom::SbomError;
use crate::sbom::object::{At, Object, shortened};

/// What `@context` is.
pub(super) const CONTEXT: &str = "https://openvex.dev/ns/v0.2.0";

/// Our name of a digest's algorithm and the format's (appendix A), with its hexadecimal digits.
const HASHES: &[(&str, &str, usize)] = &[
    ("md5", "md5", 32),
    ("sha1", "sha1", 40),
    ("sha256", "sha-256", 64),
    ("sha384", "sha-384", 96),
    ("sha512", "sha-512", 128),
    ("sha3-224", "sha3-224", 56),
    ("sha3-256", "sha3-256", 64),
    ("sha3-384", "sha3-384", 96),
    ("sha3-512", "sha3-512", 128),
    ("blake2s-256", "blake2s-256", 64),
    ("blake2b-256", "blake2b-256", 64),
    ("blake2b-512", "blake2b-512", 128),
];

/// Reads a document. `inherited` are the products that an encapsulating document names (the subjects of an attestation):
/// statements without products of their own are about those.
pub fn read(bytes: &[u8], inherited: &[Product]) -> Result<VexDocument, VexError> {
    let document = crate::json::parse(bytes, MAXIMUM_BYTES, MAXIMUM_VALUES).map_err(SbomError::Json)?;
    read_value(&document, inherited)
}

/// Reads a document that is JSON already: the predicate of an attestation.
///
/// Members of names that the format does not have are refused everywhere: one that was meant to narrow a statement must
/// not be overlooked.
pub fn read_value(document: &Value, inherited: &[Product]) -> Result<VexDocument, VexError> {
    let at = At::Root;
    let root = Object::of(document, &at)?;
    let context = root.text("@context")?.unwrap_or_default();
    if context != CONTEXT {
        return Err(match context.strip_prefix("https://openvex.dev/ns") {
            Some(version) => VexError::Version(shortened(version.trim_start_matches(['/', 'v']))),
            None => VexError::Unknown,
        });
    }
    let members =
        ["@context", "@id", "author", "role", "timestamp", "last_updated", "version", "tooling", "statements"];
    root.only(&members)?;
    let Some(timestamp) = root.time("timestamp")? else { return Ok(root.wrong("timestamp", "it is missing")?) };
    let version = root.map.get("version").and_then(Value::as_u64).filter(|version| *version > 0);
    let Some(version) = version else { return Ok(root.wrong("version", "a whole number from 1 belongs here")?) };
    let mut read = VexDocument {
        id: root.needed("@id")?.to_owned(),
        author: root.needed("author")?.to_owned(),
        role: root.owned("role")?,
        timestamp,
        last_updated: root.time("last_updated")?,
        version,
        tooling: root.owned("tooling")?,
        statements: Vec::new(),
    };
    if root.list("statements")?.len() > MAXIMUM_STATEMENTS {
        return Err(VexError::TooMany);
    }
    root.each("statements", &mut |object| {
        read.statements.push(statement(object, timestamp, inherited)?);
        Ok(())
    })?;
    if read.statements.is_empty() {
        return Ok(root.wrong("statements", "one at least belongs here")?);
    }
    read.statements.iter().try_for_each(VexStatement::check)?;
    Ok(read)
}

fn statement(object: Object<'_>, issued: Timestamp, inherited: &[Product]) -> Result<VexStatement, SbomError> {
    let members = [
        "@id",
        "version",
        "vulnerability",
        "timestamp",
        "last_updated",
        "products",
        "status",
        "supplier",
        "status_notes",
        "justification",
        "impact_statement",
        "action_statement",
        "action_statement_timestamp",
    ];
    object.only(&members)?;
    let vulnerability = object.inner("vulnerability", &mut |vulnerability| {
        vulnerability.only(&["@id", "name", "description", "aliases"])?;
        Ok(VexVulnerability {
            id: vulnerability.owned("@id")?,
            name: vulnerability.needed("name")?.to_owned(),
            description: vulnerability.owned("description")?,
            aliases: vulnerability.texts("aliases")?.into_iter().map(str::to_owned).collect(),
        })
    })?;
    let Some(vulnerability) = vulnerability else { return object.wrong("vulnerability", "it is missing") };
    let label = object.needed("status")?;
    let Some(status) = Status::ALL.into_iter().find(|status| status.name() == label) else {
        return object.wrong("status", format!("`{}` is no status", shortened(label)));
    };
    let justification = match object.text("justification")? {
        None => None,
        Some(label) => match Justification::ALL.into_iter().find(|one| one.name() == label) {
            Some(justification) => Some(justification),
            None => return object.wrong("justification", format!("`{}` is no justification", shortened(label))),
        },
    };
    let version = match object.map.get("version") {
        None => 0,
        Some(value) => match value.as_u64() {
            Some(version) => version,
            None => return object.wrong("version", "a whole number belongs here"),
        },
    };
    let mut products = Vec::new();
    object.each("products", &mut |product| {
        product.only(&["@id", "identifiers", "hashes", "subcomponents"])?;
        let mut subcomponents = Vec::new();
        product.each("subcomponents", &mut |part| {
            part.only(&["@id", "identifiers", "hashes"])?;
            subcomponents.push(identity(part)?);
            Ok(())
        })?;
        products.push(Product { identity: identity(product)?, subcomponents });
        Ok(())
    })?;
    if products.is_empty() {
        products = inherited.to_vec();
    }
    Ok(VexStatement {
        id: object.owned("@id")?,
        version,
        vulnerability,
        timestamp: object.time("timestamp")?.unwrap_or(issued),
        last_updated: object.time("last_updated")?,
        products,
        status,
        supplier: object.owned("supplier")?,
        notes: object.owned("status_notes")?,
        justification,
        impact: object.owned("impact_statement")?,
        action: object.owned("action_statement")?,
        action_timestamp: object.time("action_statement_timestamp")?,
    })
}

fn identity(object: Object<'_>) -> Result<Identity, SbomError> {
    let mut read = Identity { id: object.owned("@id")?.filter(|id| !id.is_empty()), ..Identity::default() };
    object.inner("identifiers", &mut |identifiers| {
        identifiers.only(&["purl", "cpe22", "cpe23"])?;
        read.cpe22 = identifiers.owned("cpe22")?;
        read.cpe23 = identifiers.owned("cpe23")?;
        read.purl = match identifiers.text("purl")?.map(str::parse::<Purl>) {
            None => None,
            Some(Ok(purl)) => Some(purl),
            Some(Err(error)) => return identifiers.wrong("purl", error.to_string()),
        };
        Ok(())
    })?;
    object.inner("hashes", &mut |hashes| {
        for name in hashes.map.keys() {
            let Some((algorithm, _, digits)) = HASHES.iter().find(|(_, known, _)| known == name) else {
                return hashes.wrong(&shortened(name), "this is no algorithm of a digest");
            };
            let value = hashes.needed(name)?;
            if value.len() != *digits || !value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return hashes.wrong(name, "the digest is not of its length in hexadecimal digits");
            }
            let value = value.to_ascii_lowercase();
            read.hashes.push(PackageHash { algorithm: (*algorithm).to_owned(), value });
        }
        Ok(())
    })?;
    if read.id.is_none() && read.purl.is_none() && read.cpe22.is_none() && read.cpe23.is_none() {
        return object.at.wrong("`@id` or an identifier belongs here");
    }
    Ok(read)
}

/// Writes a document. The same content gives the same bytes; statements keep their order, in which they were made.
pub fn write(document: &VexDocument) -> Result<String, VexError> {
    let mut statements = Vec::new();
    for one in &document.statements {
        one.check()?;
        let value = written(one, document.timestamp);
        if !statements.contains(&value) {
            statements.push(value);
        }
    }
    if statements.is_empty() {
        return Err(VexError::Statement {
            vulnerability: "nothing".into(),
            what: "a document has one statement at least",
        });
    }
    let mut out = json!({
        "@context": CONTEXT,
        "author": document.author,
        "timestamp": document.timestamp.to_string(),
        "version": document.version.max(1),
        "statements": statements,
    });
    optional(&mut out, "role", document.role.as_deref());
    optional(&mut out, "tooling", document.tooling.as_deref());
    time(&mut out, "last_updated", document.last_updated);
    let id = match document.id.as_str() {
        "" => format!("urn:uuid:{}", crate::sbom::uuid(&provost_model::sha256(out.to_string().as_bytes()))),
        id => id.to_owned(),
    };
    out["@id"] = id.into();
    let mut text = serde_json::to_string_pretty(&out).unwrap_or_default();
    text.push('\n');
    Ok(text)
}

fn optional(out: &mut Value, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        out[name] = text.into();
    }
}

fn time(out: &mut Value, name: &str, time: Option<Timestamp>) {
    if let Some(time) = time {
        out[name] = time.to_string().into();
    }
}

fn written(statement: &VexStatement, issued: Timestamp) -> Value {
    let vulnerability = &statement.vulnerability;
    let mut about = json!({"name": vulnerability.name});
    optional(&mut about, "@id", vulnerability.id.as_deref());
    optional(&mut about, "description", vulnerability.description.as_deref());
    let mut aliases = vulnerability.aliases.clone();
    aliases.sort();
    aliases.dedup();
    if !aliases.is_empty() {
        about["aliases"] = aliases.into();
    }
    let mut products: Vec<Value> = Vec::new();
    for product in &statement.products {
        let mut one = known_by(&product.identity);
        let mut parts: Vec<Value> = Vec::new();
        for part in product.subcomponents.iter().map(known_by) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        if !parts.is_empty() {
            one["subcomponents"] = parts.into();
        }
        if !products.contains(&one) {
            products.push(one);
        }
    }
    let mut out = json!({"vulnerability": about, "products": products, "status": statement.status.name()});
    if statement.version > 0 {
        out["version"] = statement.version.into();
    }
    time(&mut out, "timestamp", Some(statement.timestamp).filter(|own| *own != issued));
    time(&mut out, "last_updated", statement.last_updated);
    time(&mut out, "action_statement_timestamp", statement.action_timestamp);
    optional(&mut out, "@id", statement.id.as_deref());
    optional(&mut out, "supplier", statement.supplier.as_deref());
    optional(&mut out, "status_notes", statement.notes.as_deref());
    optional(&mut out, "justification", statement.justification.map(Justification::name));
    optional(&mut out, "impact_statement", statement.impact.as_deref());
    optional(&mut out, "action_statement", statement.action.as_deref());
    out
}

fn known_by(identity: &Identity) -> Value {
    let mut out = Map::new();
    let purl = identity.purl.as_ref().map(Purl::to_string);
    if let Some(id) = identity.id.as_ref().or(purl.as_ref()) {
        out.insert("@id".into(), id.as_str().into());
    }
    let mut identifiers = Map::new();
    for (name, value) in [("purl", &purl), ("cpe22", &identity.cpe22), ("cpe23", &identity.cpe23)] {
        if let Some(value) = value {
            identifiers.insert(name.into(), value.as_str().into());
        }
    }
    if !identifiers.is_empty() {
        out.insert("identifiers".into(), identifiers.into());
    }
    let mut hashes = Map::new();
    for hash in &identity.hashes {
        if let Some((_, name, _)) = HASHES.iter().find(|(known, ..)| *known == hash.algorithm) {
            hashes.insert((*name).into(), hash.value.as_str().into());
        }
    }
    if !hashes.is_empty() {
        out.insert("hashes".into(), hashes.into());
    }
    out.into()
}
