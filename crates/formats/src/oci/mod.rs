//! Container images as documents: image index, manifest, configuration (OCI image-spec 1.1.1), Docker's manifest list and
//! manifest (version 2, schema 2), the `manifest.json` of `docker save`, references and platforms.
//!
//! Container runtimes are written in Go, whose JSON reader takes `Layers` for `layers` and the last of two equal keys. A
//! document that they would understand differently than its text says is refused here, and so is one that is an index and
//! a manifest at once (CVE-2021-41190).

mod config;
mod docker;
mod platform;
mod reference;
mod strict;

use std::collections::BTreeMap;

use provost_model::Digest;
use serde::{Deserialize, Deserializer};

pub use config::{Config, Healthcheck, History, Runtime, config};
pub use docker::{ArchiveImage, archive_manifest};
pub use platform::Platform;
pub use reference::Reference;

/// Media types of the documents and layers that are read.
pub mod media {
    /// OCI image index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// OCI image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// The empty descriptor of artifacts without configuration (image-spec 1.1, manifest.md).
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    /// Docker's manifest list.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's manifest, version 2, schema 2.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's image configuration.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

    /// What is asked of a registry when any manifest or index will do.
    pub const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
        application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

    /// A layer's media type.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct LayerType {
        /// How it is said to be compressed: empty, `gzip` or `zstd`. The bytes decide.
        pub compression: &'static str,
        /// It may lie elsewhere only (a foreign or non-distributable layer): its descriptor names URLs.
        pub foreign: bool,
    }

    /// Knows the media types of layers that hold files.
    pub fn layer(media_type: &str) -> Option<LayerType> {
        let oci = media_type.strip_prefix("application/vnd.oci.image.layer.");
        let docker = media_type.strip_prefix("application/vnd.docker.image.rootfs.");
        let (rest, foreign) = match (oci, docker) {
            (Some(rest), _) => match rest.strip_prefix("nondistributable.") {
                Some(rest) => (rest.strip_prefix("v1.tar")?, true),
                None => (rest.strip_prefix("v1.tar")?, false),
            },
            (_, Some(rest)) => match rest.strip_prefix("foreign.") {
                Some(rest) => (rest.strip_prefix("diff.tar")?, true),
                None => (rest.strip_prefix("diff.tar")?, false),
            },
            _ => return None,
        };
        let compression = match rest {
            "" => "",
            "+gzip" | ".gzip" => "gzip",
            "+zstd" | ".zstd" => "zstd",
            _ => return None,
        };
        Some(LayerType { compression, foreign })
    }
}

/// What documents may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of an index or a manifest; distribution-spec 1.1.1 lets a registry refuse more than 4 MiB. 4 MiB.
    pub manifest: usize,
    /// Bytes of a configuration or of a `manifest.json`. 16 MiB.
    pub config: usize,
    /// Manifests of an index, or images of a `manifest.json`. 4,096.
    pub manifests: usize,
    /// Layers of a manifest, and diff ids of a configuration. 1,024.
    pub layers: usize,
    /// Entries of a history. 10,000.
    pub history: usize,
    /// Members of any other list or map: annotations, labels, variables, ports. 10,000.
    pub members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { manifest: 4 << 20, config: 16 << 20, manifests: 4_096, layers: 1_024, history: 10_000, members: 10_000 }
    }
}

/// Why a document, a reference or a platform cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// It is longer than allowed.
    #[error("the {what} has {bytes} bytes; at most {limit} are read")]
    TooLarge {
        /// Which document.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A list or map in it is longer than allowed.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Members of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// It is not JSON of the right shape.
    #[error("not a sound {what}: {why}")]
    Shape {
        /// Which document.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// Two readers could understand it differently.
    #[error("the {what} can be read in two ways: {why}")]
    Ambiguous {
        /// Which document.
        what: &'static str,
        /// How.
        why: String,
    },
    /// A schema version other than 2.
    #[error("schema version {0} of manifests is not read: push the image again with a current tool")]
    Version(u64),
    /// It says that it is something else than it was said to be, or than its content is.
    #[error("its media type is {found}, and it is {expected}")]
    MediaType {
        /// What was said.
        found: String,
        /// What it is.
        expected: &'static str,
    },
    /// Not a reference to an image.
    #[error("`{text}` is not a reference to an image: {why}")]
    Reference {
        /// The text, cut to 200 characters.
        text: String,
        /// Why.
        why: &'static str,
    },
    /// Not a platform.
    #[error("`{text}` is not a platform such as linux/amd64 or linux/arm/v7")]
    Platform {
        /// The text, cut to 80 characters.
        text: String,
    },
}

/// What points to some content (image-spec, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    #[serde(default, deserialize_with = "or_default")]
    pub media_type: String,
    /// Its digest. SHA-256 alone is read.
    #[serde(deserialize_with = "digest")]
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where else it may be had. Nothing here follows them.
    #[serde(default, deserialize_with = "or_default")]
    pub urls: Vec<String>,
    /// Annotations.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
    /// The platform, for the manifests of an index.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// What kind of artifact a manifest is.
    #[serde(default)]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// True for what an index lists beside its images: a build's attestations (BuildKit's `unknown/unknown` manifests)
    /// and other artifacts.
    pub fn is_beside(&self) -> bool {
        self.annotations.contains_key("vnd.docker.reference.type")
            || self.artifact_type.is_some()
            || self.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
    }
}

/// An image index or a manifest list (image-spec, image-index.md).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Its media type, where it says one.
    #[serde(default)]
    pub media_type: Option<String>,
    /// What kind of artifact it is.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// The manifests.
    #[serde(default, deserialize_with = "or_default")]
    pub manifests: Vec<Descriptor>,
    /// What it is about.
    #[serde(default)]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// The images that it lists, attestations and other artifacts left out.
    pub fn images(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifests.iter().filter(|descriptor| !descriptor.is_beside())
    }
}

/// A manifest (image-spec, manifest.md; Docker's version 2, schema 2 has the same members).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Its media type, where it says one.
    #[serde(default)]
    pub media_type: Option<String>,
    /// What kind of artifact it is.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default, deserialize_with = "or_default")]
    pub layers: Vec<Descriptor>,
    /// What it is about.
    #[serde(default)]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// True when its configuration is one of a container image.
    pub fn is_image(&self) -> bool {
        [media::CONFIG, media::DOCKER_CONFIG].contains(&self.config.media_type.as_str())
    }
}

/// An index or a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // One at a time.
pub enum Document {
    /// Several manifests.
    Index(Index),
    /// One.
    Manifest(Manifest),
}

const NAMES: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "digest",
    "size",
    "urls",
    "data",
    "platform",
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "fsLayers",
];

/// Reads an index or a manifest. `media_type` is what the registry or the descriptor said it is.
///
/// # Errors
/// It is too large, not sound, ambiguous, of an old schema, or not what it was said to be.
pub fn document(bytes: &[u8], media_type: Option<&str>, limits: &Limits) -> Result<Document, OciError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Outline {
        #[serde(default)]
        schema_version: Option<u64>,
        #[serde(default)]
        media_type: Option<String>,
        #[serde(default)]
        manifests: Option<serde::de::IgnoredAny>,
        #[serde(default)]
        layers: Option<serde::de::IgnoredAny>,
        #[serde(default)]
        config: Option<serde::de::IgnoredAny>,
        #[serde(default)]
        fs_layers: Option<serde::de::IgnoredAny>,
    }
    let what = "manifest";
    if bytes.len() > limits.manifest {
        return Err(OciError::TooLarge { what, bytes: bytes.len(), limit: limits.manifest });
    }
    strict::check(bytes, what, NAMES, &["annotations"])?;
    let outline: Outline = read(bytes, what)?;
    match outline.schema_version {
        Some(2) => {}
        // Docker's first index had none; the others are told by their members.
        None if outline.fs_layers.is_none() => {}
        version => return Err(OciError::Version(version.unwrap_or(1))),
    }
    let is_index = outline.manifests.is_some();
    let is_manifest = outline.layers.is_some() || outline.config.is_some();
    if is_index && is_manifest {
        let why = "it has the members of an index and of a manifest".to_owned();
        return Err(OciError::Ambiguous { what, why });
    }
    let expected = if is_index { "an index" } else { "a manifest" };
    for said in [media_type, outline.media_type.as_deref()].into_iter().flatten() {
        let said = said.split(';').next().unwrap_or_default().trim();
        let says_index = [media::INDEX, media::DOCKER_LIST].contains(&said);
        let says_manifest = [media::MANIFEST, media::DOCKER_MANIFEST].contains(&said);
        let vague = ["", "application/json", "application/octet-stream"].contains(&said);
        let fits = if is_index { says_index } else { says_manifest };
        if !fits && !vague {
            return Err(OciError::MediaType { found: said.chars().take(200).collect(), expected });
        }
        debug_assert!(!(says_index && says_manifest));
    }
    let members = |map: &BTreeMap<String, String>| within(map.len(), limits.members, "annotations");
    let of_all = |all: &[Descriptor]| all.iter().try_for_each(|one| members(&one.annotations));
    if is_index {
        let index: Index = read(bytes, "index")?;
        within(index.manifests.len(), limits.manifests, "manifests of an index")?;
        members(&index.annotations)?;
        of_all(&index.manifests)?;
        Ok(Document::Index(index))
    } else if is_manifest {
        let manifest: Manifest = read(bytes, what)?;
        within(manifest.layers.len(), limits.layers, "layers")?;
        members(&manifest.annotations)?;
        of_all(&manifest.layers)?;
        Ok(Document::Manifest(manifest))
    } else {
        Err(OciError::Shape { what, why: "it has neither `manifests` nor `config` and `layers`".into() })
    }
}

fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8], what: &'static str) -> Result<T, OciError> {
    serde_json::from_slice(bytes).map_err(|error| OciError::Shape { what, why: error.to_string() })
}

fn within(number: usize, limit: usize, what: &'static str) -> Result<(), OciError> {
    if number > limit { Err(OciError::TooMany { what, limit }) } else { Ok(()) }
}

/// Go writes `null` for what is empty.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_digest(&text).map_err(serde::de::Error::custom)
}

fn digests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Digest>, D::Error> {
    let texts: Vec<String> = or_default(deserializer)?;
    texts.iter().map(|text| parse_digest(text).map_err(serde::de::Error::custom)).collect()
}

/// A digest with its algorithm, `sha256:…`, as descriptors write it.
fn parse_digest(text: &str) -> Result<Digest, String> {
    let shown: String = text.chars().take(80).collect();
    match text.split_once(':') {
        Some(("sha256", hex)) if !hex.starts_with("sha256:") => {
            hex.parse().map_err(|_| format!("`{shown}` is not a SHA-256 digest"))
        }
        Some((algorithm, _)) if algorithm != "sha256" => {
            Err(format!("the digest `{shown}` is not SHA-256, and no other is read"))
        }
        _ => Err(format!("`{shown}` is not a digest such as sha256:…")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn manifest(extra: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"{A}","size":3}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{A}","size":5}}]{extra}}}"#,
            media::CONFIG
        )
    }

    fn parse(text: &str) -> Result<Document, OciError> {
        document(text.as_bytes(), None, &Limits::default())
    }

    #[test]
    fn reads_a_manifest() {
        let Ok(Document::Manifest(read)) = parse(&manifest("")) else { panic!("not read") };
        assert!(read.is_image());
        assert_eq!(read.layers[0].size, 5);
        assert_eq!(format!("sha256:{}", read.config.digest), A);
    }

    #[test]
    fn an_index_that_is_a_manifest_too_is_refused() {
        let text = manifest(r#","manifests":[]"#);
        assert!(matches!(parse(&text), Err(OciError::Ambiguous { .. })), "{:?}", parse(&text));
    }

    #[test]
    fn keys_that_go_reads_differently_are_refused() {
        for extra in [r#","Layers":[]"#, r#","layerſ":[]"#, r#","layers":[]"#, r#","mediatype":"x""#] {
            let result = parse(&manifest(extra));
            assert!(matches!(result, Err(OciError::Ambiguous { .. })), "{extra}: {result:?}");
        }
        // Labels are free.
        assert!(parse(&manifest(r#","annotations":{"layers":"1","Layers":"2"}"#)).is_ok());
    }

    #[test]
    fn what_it_was_said_to_be_must_be_what_it_is() {
        let text = manifest("");
        let as_index = document(text.as_bytes(), Some(media::INDEX), &Limits::default());
        assert!(matches!(as_index, Err(OciError::MediaType { .. })));
        let fine = document(text.as_bytes(), Some(&format!("{}; charset=utf-8", media::MANIFEST)), &Limits::default());
        assert!(fine.is_ok());
        let says_index = manifest(&format!(r#","mediaType":"{}""#, media::INDEX));
        assert!(matches!(parse(&says_index), Err(OciError::MediaType { .. })));
    }

    #[test]
    fn old_schemas_and_other_digests_are_named() {
        assert_eq!(parse(r#"{"schemaVersion":1,"fsLayers":[]}"#), Err(OciError::Version(1)));
        let sha512 = manifest("").replace("sha256:", "sha512:");
        assert!(parse(&sha512).is_err_and(|error| error.to_string().contains("SHA-256")));
        let twice = manifest("").replace("sha256:", "sha256:sha256:");
        assert!(parse(&twice).is_err());
    }

    #[test]
    fn null_is_empty() {
        let text = r#"{"schemaVersion":2,"manifests":null,"mediaType":"application/vnd.oci.image.index.v1+json"}"#;
        assert!(parse(text).is_err(), "neither");
        let text = manifest(r#","annotations":null"#);
        assert!(parse(&text).is_ok());
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { layers: 0, ..Limits::default() };
        let result = document(manifest("").as_bytes(), None, &limits);
        assert_eq!(result, Err(OciError::TooMany { what: "layers", limit: 0 }));
        let limits = Limits { manifest: 10, ..Limits::default() };
        assert!(matches!(document(manifest("").as_bytes(), None, &limits), Err(OciError::TooLarge { .. })));
        let deep = format!("{{\"x\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn knows_layers() {
        let layer = |text| media::layer(text).map(|layer| (layer.compression, layer.foreign));
        assert_eq!(layer("application/vnd.oci.image.layer.v1.tar+zstd"), Some(("zstd", false)));
        assert_eq!(layer("application/vnd.docker.image.rootfs.diff.tar.gzip"), Some(("gzip", false)));
        assert_eq!(layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), Some(("gzip", true)));
        assert_eq!(layer("application/vnd.oci.image.layer.nondistributable.v1.tar"), Some(("", true)));
        assert_eq!(layer("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"), None);
        assert_eq!(layer("application/vnd.dsse.envelope.v1+json"), None);
    }
}
