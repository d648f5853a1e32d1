//! Package URLs (package-url specification 1.0, ECMA-427): `pkg:type/namespace/name@version?qualifiers#subpath`.

use std::collections::BTreeMap;

/// A package URL in its canonical form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purl {
    /// Type, lower case.
    pub kind: String,
    /// Segments of the namespace joined by `/`, decoded.
    pub namespace: Option<String>,
    /// Name, decoded.
    pub name: String,
    /// Version, decoded.
    pub version: Option<String>,
    /// Qualifiers, decoded, by key.
    pub qualifiers: BTreeMap<String, String>,
    /// Subpath, decoded.
    pub subpath: Option<String>,
}
