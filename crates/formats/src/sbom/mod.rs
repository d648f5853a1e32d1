//! Software bills of materials: CycloneDX, SPDX 2, SPDX 3 and syft's own, read into one model and written from it.

mod bom;
mod build;
pub mod cyclonedx;
mod diff;
pub(crate) mod object;
pub mod spdx2;
pub mod spdx3;
mod syft;
pub(crate) mod vocabulary;

use provost_model::Digest;
use serde_json::Value;

pub use bom::{
    Affected, Aggregate, Analysis, Bom, Component, ComponentKind, Composition, LicenceStatement, Location, Property,
    Rating, Stated, Tool, Vulnerability,
};
pub use build::BomBuilder;
pub use diff::{Change, Diff, diff};

/// Bytes of a document that are read at most.
pub const MAXIMUM_BYTES: usize = 256 << 20;

/// Bytes of a document that [`components`] reads the quick way at most: it counts no values.
pub const MAXIMUM_QUICK_BYTES: usize = 16 << 20;

/// JSON values (lists, texts, numbers; objects count ten times) of a document that are read at most: some 300,000
/// components with all that is usually said of one, and less than two gigabytes of memory whatever they are.
pub const MAXIMUM_VALUES: usize = 24_000_000;

/// Components of a document that are read at most.
pub const MAXIMUM_COMPONENTS: usize = 500_000;

/// Problems of a document that are listed; further ones are counted.
pub const MAXIMUM_PROBLEMS: usize = 1000;

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    /// Not JSON, or more of it than is read.
    #[error("this is no JSON that can be read: {0}")]
    Json(String),
    /// JSON, but no bill of materials that is known.
    #[error(
        "this is no bill of materials that is known: CycloneDX (JSON), SPDX 2 (JSON, tag-value), SPDX 3 (JSON) and syft's own are"
    )]
    Unknown,
    /// CycloneDX or SPDX as XML or RDF.
    #[error("{0} is not read: convert it to JSON first")]
    Xml(&'static str),
    /// A version of a format that is not known.
    #[error("version `{version}` of {format} is not known: {known} are")]
    Version {
        /// The format.
        format: &'static str,
        /// The version that it names.
        version: String,
        /// Those that are known.
        known: &'static str,
    },
    /// It breaks a rule of its format.
    #[error("{at}: {what}")]
    Form {
        /// Where: a path of names and indexes.
        at: String,
        /// What is wrong.
        what: String,
    },
    /// More than is read.
    #[error("more than {MAXIMUM_COMPONENTS} components: no more are read")]
    TooMany,
}

/// Reads a document; what it is tells its content.
pub fn read(bytes: &[u8]) -> Result<Bom, SbomError> {
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    if start.starts_with(b"<") {
        let head = &start[..start.len().min(4096)];
        let holds = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
        return Err(match (holds(b"cyclonedx.org/schema/bom"), holds(b"spdx.org")) {
            (true, _) => SbomError::Xml("CycloneDX as XML"),
            (_, true) => SbomError::Xml("SPDX as RDF/XML"),
            _ => SbomError::Unknown,
        });
    }
    if start.starts_with(b"SPDXVersion:") || start.starts_with(b"#") {
        return spdx2::read_tag_value(bytes);
    }
    let document = crate::json::parse(bytes, MAXIMUM_BYTES, MAXIMUM_VALUES).map_err(SbomError::Json)?;
    read_value(&document)
}

/// The components of a document, in its order. Where `provost` wrote it, with no more than it takes to judge them: package
/// (without hashes and licence), purl, scopes, properties; that is ten times as fast. Whatever else it is, it is read as by
/// [`read`].
///
/// # Errors
/// As [`read`].
pub fn components(bytes: &[u8]) -> Result<Vec<Component>, SbomError> {
    if bytes.len() <= MAXIMUM_QUICK_BYTES
        && let Some(components) = cyclonedx::components(bytes)
    {
        return Ok(components);
    }
    read(bytes).map(|bom| bom.components)
}

/// Reads a document that is JSON already: the predicate of an attestation.
pub fn read_value(document: &Value) -> Result<Bom, SbomError> {
    let has = |name: &str| document.get(name).is_some();
    if has("bomFormat") || (has("specVersion") && has("components")) {
        cyclonedx::read(document)
    } else if has("spdxVersion") {
        spdx2::read(document)
    } else if has("artifacts") && has("descriptor") {
        syft::read(document)
    } else if has("@graph") || has("@context") {
        spdx3::read(document)
    } else {
        Err(SbomError::Unknown)
    }
}

/// A UUID of version 8 (RFC 9562, 5.8) from a digest: its first 16 bytes with version and variant set.
pub(crate) fn uuid(digest: &Digest) -> String {
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
