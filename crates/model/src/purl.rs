//! Package URLs (package-url specification 1.0, ECMA-427): `pkg:type/namespace/name@version?qualifiers#subpath`.

mod package;
mod types;

pub use package::repository_address;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A package URL in its canonical form.
///
/// [`Purl::from_str`] and [`PurlBuilder::build`] check and normalise; `Display` writes the canonical text.
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

/// Bytes of a package URL that are read at most.
pub const MAXIMUM_PURL_BYTES: usize = 16 << 10;

/// Why a text or its parts are no package URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurlError {
    /// It does not start with `pkg:`.
    #[error("`{0}` is no package URL: it does not start with `pkg:`")]
    Scheme(String),
    /// Longer than [`MAXIMUM_PURL_BYTES`].
    #[error("a package URL of {0} bytes: at most {MAXIMUM_PURL_BYTES} are read")]
    Long(usize),
    /// No type, or one of other characters than letters, digits, `.` and `-` with a letter first.
    #[error("`{0}` is no type of a package URL: letters, digits, `.` and `-` with a letter first")]
    Type(String),
    /// There is no name.
    #[error("a package URL of type `{kind}` has no name")]
    NoName {
        /// Its type.
        kind: String,
    },
    /// The type asks for a namespace.
    #[error("a package URL of type `{kind}` needs a namespace before the name `{name}`")]
    NoNamespace {
        /// Its type.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The type has no namespaces.
    #[error("a package URL of type `{kind}` has no namespace, but `{namespace}` is given")]
    Namespace {
        /// Its type.
        kind: String,
        /// The namespace.
        namespace: String,
    },
    /// A segment of the namespace or the subpath holds an encoded `/`.
    #[error("`{0}` holds an encoded slash")]
    Slash(String),
    /// A key of other characters than letters, digits, `.`, `-` and `_` with a letter first.
    #[error("`{0}` is no key of a package URL's qualifiers")]
    Key(String),
    /// A key that is there twice.
    #[error("the qualifier `{0}` is there twice")]
    Twice(String),
    /// A `%` without two hexadecimal digits behind it, or bytes that are not UTF-8.
    #[error("`{0}` is not percent-encoded UTF-8")]
    Encoding(String),
    /// What the type asks for beyond that.
    #[error("a package URL of type `{kind}`: {what}")]
    Rule {
        /// Its type.
        kind: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// Parts of a package URL that are still to be checked and normalised.
#[derive(Debug, Clone, Default)]
pub struct PurlBuilder {
    kind: String,
    namespace: String,
    name: String,
    version: String,
    qualifiers: Vec<(String, String)>,
    subpath: String,
}

impl PurlBuilder {
    /// Its namespace, decoded, segments joined by `/`; empty is none.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Its version, decoded; empty is none.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// One more qualifier, decoded; an empty value is none.
    #[must_use]
    pub fn qualifier(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.qualifiers.push((key.into(), value.into()));
        self
    }

    /// Its subpath, decoded, segments joined by `/`; empty is none.
    #[must_use]
    pub fn subpath(mut self, subpath: impl Into<String>) -> Self {
        self.subpath = subpath.into();
        self
    }

    /// Checks and normalises (package-url specification, "Rules for each PURL component", and the type's definition).
    pub fn build(self) -> Result<Purl, PurlError> {
        let kind = self.kind.to_ascii_lowercase();
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        if !kind.starts_with(|c: char| c.is_ascii_alphabetic()) || !kind.bytes().all(fine) {
            return Err(PurlError::Type(shortened(&self.kind)));
        }
        let name = self.name.trim_matches('/');
        if name.is_empty() {
            return Err(PurlError::NoName { kind });
        }
        let namespace: Vec<&str> = self.namespace.split('/').filter(|segment| !segment.is_empty()).collect();
        let subpath: Vec<&str> =
            self.subpath.split('/').filter(|segment| !matches!(*segment, "" | "." | "..")).collect();
        let mut qualifiers = BTreeMap::new();
        for (key, value) in self.qualifiers {
            let key = key.to_ascii_lowercase();
            let fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            if !key.starts_with(|c: char| c.is_ascii_alphabetic()) || !key.bytes().all(fine) {
                return Err(PurlError::Key(shortened(&key)));
            }
            if !value.is_empty() && qualifiers.insert(key.clone(), value).is_some() {
                return Err(PurlError::Twice(key));
            }
        }
        let some = |text: String| (!text.is_empty()).then_some(text);
        let mut purl = Purl {
            kind,
            namespace: some(namespace.join("/")),
            name: name.to_owned(),
            version: some(self.version),
            qualifiers,
            subpath: some(subpath.join("/")),
        };
        types::apply(&mut purl)?;
        Ok(purl)
    }
}

impl Purl {
    /// Starts one from its type and its decoded name.
    pub fn builder(kind: impl Into<String>, name: impl Into<String>) -> PurlBuilder {
        PurlBuilder { kind: kind.into(), name: name.into(), ..PurlBuilder::default() }
    }

    /// Namespace and name, decoded, joined by `/`.
    pub fn full_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// The version as two package URLs are compared by it: versions of Go modules are written with `v` and without, and mean
    /// the same.
    pub fn comparable_version(&self) -> Option<&str> {
        let version = self.version.as_deref()?;
        let number = version.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        Some(number.filter(|_| self.kind == "golang").unwrap_or(version))
    }

    /// True when this one, taken as a pattern, means the other: type, namespace and name are the same; its version, where
    /// it has one, is the other's; each of its qualifiers is the other's too; its subpath, where it has one, is the
    /// other's. What the pattern leaves out, any package may have (OpenVEX 0.2.0, "Product", package URLs as identifiers).
    pub fn matches(&self, other: &Self) -> bool {
        self.kind == other.kind
            && types::comparable(self) == types::comparable(other)
            && (self.version.is_none() || self.comparable_version() == other.comparable_version())
            && (self.subpath.is_none() || self.subpath == other.subpath)
            && self.qualifiers.iter().all(|(key, value)| other.qualifiers.get(key) == Some(value))
    }
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = format!("pkg:{}/", self.kind);
        for segment in self.namespace.iter().flat_map(|namespace| namespace.split('/')) {
            encode(segment, &mut out);
            out.push('/');
        }
        encode_name(&self.kind, &self.name, &mut out);
        if let Some(version) = &self.version {
            out.push('@');
            encode(version, &mut out);
        }
        for (index, (key, value)) in self.qualifiers.iter().enumerate() {
            out.push(if index == 0 { '?' } else { '&' });
            out.push_str(key);
            out.push('=');
            encode(value, &mut out);
        }
        for (index, segment) in self.subpath.iter().flat_map(|subpath| subpath.split('/')).enumerate() {
            out.push(if index == 0 { '#' } else { '/' });
            encode(segment, &mut out);
        }
        f.write_str(&out)
    }
}

impl FromStr for Purl {
    type Err = PurlError;

    /// Reads it as the specification's "How to parse" says: what is not canonical but has one meaning is normalised.
    fn from_str(text: &str) -> Result<Self, PurlError> {
        if text.len() > MAXIMUM_PURL_BYTES {
            return Err(PurlError::Long(text.len()));
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(|| PurlError::Scheme(shortened(text)))?;
        if !scheme.eq_ignore_ascii_case("pkg") {
            return Err(PurlError::Scheme(shortened(text)));
        }
        let (rest, subpath) = rest.rsplit_once('#').unwrap_or((rest, ""));
        let (rest, qualifiers) = rest.rsplit_once('?').unwrap_or((rest, ""));
        let (kind, rest) = rest.trim_start_matches('/').split_once('/').unwrap_or((rest.trim_start_matches('/'), ""));
        let (path, version) = split_version(rest);
        if path.ends_with('/') && !version.is_empty() {
            return Err(PurlError::NoName { kind: kind.to_ascii_lowercase() });
        }
        let path = path.trim_matches('/');
        let (namespace, name) = match types::name_starts_early(kind) {
            true => path.split_once('/'),
            false => path.rsplit_once('/'),
        }
        .unwrap_or(("", path));
        let mut builder = Self::builder(kind, decode(name)?).version(decode(version)?);
        builder.namespace = segments(namespace)?;
        builder.subpath = segments(subpath)?;
        for pair in qualifiers.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            builder = builder.qualifier(key, decode(value)?);
        }
        builder.build()
    }
}

impl Serialize for Purl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Purl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The version stands behind the last `@`; one that starts a segment with more behind it belongs to the namespace
/// (`@scope/name`, which many write without encoding it).
fn split_version(rest: &str) -> (&str, &str) {
    match rest.rsplit_once('@') {
        Some((path, version)) if (path.is_empty() || path.ends_with('/')) && version.contains('/') => (rest, ""),
        Some(both) => both,
        None => (rest, ""),
    }
}

fn segments(text: &str) -> Result<String, PurlError> {
    let mut out = Vec::new();
    for segment in text.split('/').filter(|segment| !segment.is_empty()) {
        let decoded = decode(segment)?;
        if decoded.contains('/') {
            return Err(PurlError::Slash(shortened(segment)));
        }
        out.push(decoded);
    }
    Ok(out.join("/"))
}

fn decode(text: &str) -> Result<String, PurlError> {
    let wrong = || PurlError::Encoding(shortened(text));
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(wrong);
                u8::try_from(digit()? * 16 + digit()?).map_err(|_| wrong())?
            }
            other => other,
        });
    }
    String::from_utf8(out).map_err(|_| wrong())
}

/// All but the unreserved characters of RFC 3986 and `:` ("Character encoding").
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

fn encode_name(kind: &str, name: &str, out: &mut String) {
    if !types::name_starts_early(kind) {
        return encode(name, out);
    }
    for (index, segment) in name.split('/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        encode(segment, out);
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
