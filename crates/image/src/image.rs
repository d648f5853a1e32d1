//! From a source to an image: index, manifest, configuration, layers. No layer is read here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use provost_formats::oci::{self, Config, Descriptor, Document, History, Manifest, Platform, media};
use provost_model::{Digest, sha256};

use crate::archive::{Archive, Reader, Slice};
use crate::error::Error;
use crate::limits::Limits;
use crate::open::open_file;
use crate::problem::{Problems, What, shown};
use crate::source::{Source, Store};

/// Which image of a source.
#[derive(Debug, Clone, Default)]
pub struct Select {
    /// Its name or digest where the source holds several: a tag, a whole reference, or `sha256:…` of a manifest, an index
    /// or (in a `docker save` archive) a configuration. Not for registries: their reference says it.
    pub name: Option<String>,
    /// Its platform where an index holds several. Without, the only one that is there is taken.
    pub platform: Option<Platform>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the blob; none for archives and root file systems without manifest.
    pub digest: Option<Digest>,
    /// Digest of the uncompressed tar file, as the configuration says.
    pub diff_id: Option<Digest>,
    /// Bytes of the blob, as announced.
    pub size: Option<u64>,
    /// Media type, where there is a manifest.
    pub media_type: Option<String>,
    /// The step that made it, where the history tells.
    pub history: Option<History>,
    /// For a layer that lies elsewhere only: where, printable. Nothing fetches it.
    pub elsewhere: Vec<String>,
    pub(crate) at: At,
}

/// Where a layer's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum At {
    Blob(Box<Descriptor>),
    Member(String),
    File(PathBuf),
    Directory(PathBuf),
    Nowhere(String),
}

/// A container image, or a root file system as an image of one layer.
pub struct Image {
    /// Digest of the manifest, computed from its bytes. None for archives of `docker save` and root file systems, which
    /// have no manifest.
    pub digest: Option<Digest>,
    /// Digest of the index that the manifest was chosen from, computed from its bytes.
    pub index: Option<Digest>,
    /// Digest of the configuration: the image id. None for root file systems.
    pub id: Option<Digest>,
    /// Its names in the source, printable.
    pub names: Vec<String>,
    /// The platform: that of the configuration.
    pub platform: Option<Platform>,
    /// The manifest.
    pub manifest: Option<Manifest>,
    /// The configuration.
    pub config: Option<Config>,
    /// The configuration as it stands there: variables, labels and build arguments in it may be secret.
    pub config_bytes: Vec<u8>,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// What is wrong with it so far.
    pub problems: Problems,
    /// What kind of source it is from.
    pub kind: &'static str,
    /// True when names of its entries can be whiteouts.
    pub(crate) whiteouts: bool,
    pub(crate) store: Option<Store>,
    pub(crate) limits: Limits,
}

/// An image that a source offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name, printable: of an index's entry the tag.
    pub name: Option<String>,
    /// Digest of the manifest, as announced; of an archive of `docker save` none.
    pub digest: Option<Digest>,
    /// The platform, where an index says it.
    pub platform: Option<Platform>,
}

impl Image {
    /// Opens what lies at a path: an OCI layout, an archive, a root file system.
    ///
    /// # Errors
    /// It is none of these, several images are in it and `select` does not name one, or its documents are not sound or
    /// not what their digests say.
    pub fn open_path(path: &Path, select: &Select, limits: &Limits) -> Result<Self, Error> {
        let (source, archive) = Source::detected(path, limits)?;
        Self::open_with(source, archive, select, limits)
    }

    /// Opens a source.
    ///
    /// # Errors
    /// As [`open_path`](Self::open_path).
    pub fn open(source: Source, select: &Select, limits: &Limits) -> Result<Self, Error> {
        Self::open_with(source, None, select, limits)
    }

    fn open_with(source: Source, archive: Option<Archive>, select: &Select, limits: &Limits) -> Result<Self, Error> {
        let kind = source.kind();
        let archived = |path: &Path| archive.map_or_else(|| Archive::open(path, limits), Ok);
        let mut image = match source {
            Source::OciLayout(root) => Self::layout(Store::Layout(root), select, limits)?,
            Source::OciArchive(path) => Self::layout(Store::Archive(archived(&path)?), select, limits)?,
            Source::DockerArchive(path) => Self::docker(archived(&path)?, select, limits)?,
            Source::RootFs(path) => Self::bare(At::Directory(path), limits),
            Source::RootFsTar(path) => Self::bare(At::File(path), limits),
            Source::Registry(remote) => {
                let document = remote.manifest(&remote.wanted(), limits.documents.manifest)?;
                let name = remote.name();
                let store = Store::Remote(remote);
                let chosen = Chosen { bytes: document.bytes, media_type: document.media_type, name: name.clone() };
                let mut image = Self::resolve(store, chosen, select, limits)?;
                image.names.push(shown(name.as_bytes()));
                image
            }
        };
        image.kind = kind;
        if let (Some(wanted), Some(platform)) = (&select.platform, &image.platform) {
            let (wanted, is) = (wanted.normal(), platform.normal());
            if (&wanted.os, &wanted.architecture) != (&is.os, &is.architecture) {
                let why =
                    format!("{wanted} was asked for, and its configuration says {}", shown(is.to_string().as_bytes()));
                image.problems.add(What::Odd, None, None, why);
            }
        }
        Ok(image)
    }

    /// The images that a source offers.
    ///
    /// # Errors
    /// As [`open_path`](Self::open_path).
    pub fn offers(source: Source, limits: &Limits) -> Result<Vec<Offer>, Error> {
        let offer = |descriptor: &Descriptor| Offer {
            name: tag(descriptor).map(|name| shown(name.as_bytes())),
            digest: Some(descriptor.digest),
            platform: descriptor.platform.clone(),
        };
        let (store, first) = match source {
            Source::RootFs(_) | Source::RootFsTar(_) => {
                return Ok(vec![Offer { name: None, digest: None, platform: None }]);
            }
            Source::DockerArchive(path) => {
                let archive = Archive::open(&path, limits)?;
                let images = archive_images(&archive, limits)?;
                let name = |tags: &[String]| tags.first().map(|name| shown(name.as_bytes()));
                let offer = |tags: &[String]| Offer { name: name(tags), digest: None, platform: None };
                return Ok(images.iter().map(|image| offer(&image.repo_tags)).collect());
            }
            Source::OciLayout(root) => (Store::Layout(root), None),
            Source::OciArchive(path) => (Store::Archive(Archive::open(&path, limits)?), None),
            Source::Registry(remote) => {
                let document = remote.manifest(&remote.wanted(), limits.documents.manifest)?;
                (Store::Remote(remote), Some(document))
            }
        };
        let top = match first {
            None => index_json(&store, limits)?,
            Some(document) => {
                let read = oci::document(&document.bytes, document.media_type.as_deref(), &limits.documents);
                match read.map_err(Error::document("the manifest"))? {
                    Document::Index(index) => index,
                    Document::Manifest(_) => {
                        return Ok(vec![Offer { name: None, digest: Some(sha256(&document.bytes)), platform: None }]);
                    }
                }
            }
        };
        let mut offers = Vec::new();
        for descriptor in top.images() {
            let is_index = [media::INDEX, media::DOCKER_LIST].contains(&descriptor.media_type.as_str());
            if !is_index {
                offers.push(offer(descriptor));
                continue;
            }
            let bytes = document_bytes(&store, descriptor, limits)?;
            let read = oci::document(&bytes, Some(&descriptor.media_type), &limits.documents);
            if let Document::Index(index) = read.map_err(Error::document("an index"))? {
                let name = tag(descriptor).map(|name| shown(name.as_bytes()));
                let with_name = |one: &Descriptor| Offer { name: name.clone(), ..offer(one) };
                offers.extend(index.images().map(with_name));
            }
            if offers.len() > limits.documents.manifests {
                break;
            }
        }
        Ok(offers)
    }

    /// What a statement about this image is about: the manifest's digest, or the configuration's where there is no
    /// manifest.
    pub fn subject(&self) -> Option<Digest> {
        self.digest.or(self.id)
    }

    fn bare(at: At, limits: &Limits) -> Self {
        let layer = Layer {
            digest: None,
            diff_id: None,
            size: None,
            media_type: None,
            history: None,
            elsewhere: Vec::new(),
            at,
        };
        Self {
            digest: None,
            index: None,
            id: None,
            names: Vec::new(),
            platform: None,
            manifest: None,
            config: None,
            config_bytes: Vec::new(),
            layers: vec![layer],
            problems: Problems::new(limits.problems),
            kind: "",
            whiteouts: false,
            store: None,
            limits: limits.clone(),
        }
    }

    fn layout(store: Store, select: &Select, limits: &Limits) -> Result<Self, Error> {
        #[derive(serde::Deserialize)]
        struct Mark {
            #[serde(rename = "imageLayoutVersion")]
            version: String,
        }
        let what = "oci-layout";
        let mark: Mark = serde_json::from_slice(&named(&store, what, 4 << 10)?)
            .map_err(|error| Error::Archive { what: what.to_owned(), why: error.to_string() })?;
        if !mark.version.starts_with("1.") {
            let why = format!("layouts of version {} are not read", shown(mark.version.as_bytes()));
            return Err(Error::Archive { what: what.to_owned(), why });
        }
        let index = index_json(&store, limits)?;
        let candidates: Vec<&Descriptor> = match &select.name {
            None => index.images().collect(),
            Some(wanted) => index.manifests.iter().filter(|descriptor| is_named(descriptor, wanted)).collect(),
        };
        let chosen = match candidates[..] {
            [one] => one.clone(),
            // One image for each platform, without an index of their own.
            [first, ..] if candidates.iter().all(|one| one.platform.is_some() && tag(one) == tag(first)) => {
                one_of(&candidates, select)?.clone()
            }
            _ => {
                let available = index.images().map(shown_offer).collect();
                return Err(Error::Which { wanted: select.name.clone(), available });
            }
        };
        let bytes = document_bytes(&store, &chosen, limits)?;
        let name = format!("the manifest sha256:{}", chosen.digest);
        let mut problems = Problems::new(limits.problems);
        if let Store::Archive(archive) = &store {
            archive_problems(archive, &mut problems);
            second_opinion(archive, &bytes, limits, &mut problems);
        }
        let media_type = Some(chosen.media_type.clone());
        let mut image = Self::resolve(store, Chosen { bytes, media_type, name }, select, limits)?;
        image.problems = merged(problems, image.problems);
        image.names.extend(tag(&chosen).map(|name| shown(name.as_bytes())));
        Ok(image)
    }

    /// From an index or a manifest to the image.
    fn resolve(store: Store, mut chosen: Chosen, select: &Select, limits: &Limits) -> Result<Self, Error> {
        let mut index = None;
        for _ in 0..=limits.nesting {
            let read = oci::document(&chosen.bytes, chosen.media_type.as_deref(), &limits.documents);
            match read.map_err(Error::document(&chosen.name))? {
                Document::Manifest(manifest) => {
                    let digest = sha256(&chosen.bytes);
                    return Self::with_manifest(store, manifest, digest, index, limits);
                }
                Document::Index(list) => {
                    index = Some(sha256(&chosen.bytes));
                    let all: Vec<&Descriptor> = list.images().collect();
                    // `docker save` lists every platform of an index, and holds those that it has.
                    let mut there = all.iter().filter(|descriptor| select.platform.is_none() && store.has(descriptor));
                    let one = match (there.next(), there.next()) {
                        (Some(only), None) => only,
                        _ => one_of(&all, select)?,
                    };
                    chosen = Chosen {
                        bytes: document_bytes(&store, one, limits)?,
                        media_type: Some(one.media_type.clone()),
                        name: format!("the manifest sha256:{}", one.digest),
                    };
                }
            }
        }
        Err(Error::Nesting(limits.nesting))
    }

    fn with_manifest(
        store: Store,
        manifest: Manifest,
        digest: Digest,
        index: Option<Digest>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        if !manifest.is_image() {
            return Err(Error::NotAnImage { media_type: shown(manifest.config.media_type.as_bytes()) });
        }
        let config_bytes = blob_bytes(&store, &manifest.config, limits.documents.config, "the configuration")?;
        let config = oci::config(&config_bytes, &limits.documents).map_err(Error::document("the configuration"))?;
        if manifest.layers.len() != config.diff_ids.len() {
            return Err(Error::Layers { manifest: manifest.layers.len(), config: config.diff_ids.len() });
        }
        let mut problems = Problems::new(limits.problems);
        let history = steps(&config, &mut problems);
        let mut layers = Vec::new();
        for (n, descriptor) in manifest.layers.iter().enumerate() {
            let kind = media::layer(&descriptor.media_type);
            let at = if kind.is_some() {
                At::Blob(Box::new(descriptor.clone()))
            } else {
                let media_type = shown(descriptor.media_type.as_bytes());
                At::Nowhere(format!("a layer of the type `{media_type}` holds no files that are known"))
            };
            let foreign = kind.is_some_and(|kind| kind.foreign) || !descriptor.urls.is_empty();
            let urls = descriptor.urls.iter().take(16).map(|url| shown(url.as_bytes()));
            layers.push(Layer {
                digest: Some(descriptor.digest),
                diff_id: config.diff_ids.get(n).copied(),
                size: Some(descriptor.size),
                media_type: Some(descriptor.media_type.clone()),
                history: history.get(&n).cloned(),
                elsewhere: if foreign { urls.collect() } else { Vec::new() },
                at,
            });
        }
        Ok(Self {
            digest: Some(digest),
            index,
            id: Some(manifest.config.digest),
            names: Vec::new(),
            platform: Some(config.platform.clone()),
            manifest: Some(manifest),
            config: Some(config),
            config_bytes,
            layers,
            problems,
            kind: "",
            whiteouts: true,
            store: Some(store),
            limits: limits.clone(),
        })
    }

    fn docker(archive: Archive, select: &Select, limits: &Limits) -> Result<Self, Error> {
        let images = archive_images(&archive, limits)?;
        let is_wanted = |image: &&oci::ArchiveImage| {
            let Some(wanted) = &select.name else { return true };
            let is_id = wanted.strip_prefix("sha256:").is_some_and(|hex| image.config.contains(hex) && hex.len() == 64);
            is_id || image.repo_tags.iter().any(|name| same_name(name, wanted))
        };
        let mut wanted = images.iter().filter(is_wanted);
        let (Some(chosen), None) = (wanted.next(), wanted.next()) else {
            let name = |image: &oci::ArchiveImage| shown(image.repo_tags.first().unwrap_or(&image.config).as_bytes());
            return Err(Error::Which { wanted: select.name.clone(), available: images.iter().map(name).collect() });
        };
        let limit = limits.documents.config;
        let config_bytes = member_bytes(&archive, &chosen.config, limit)?;
        let id = sha256(&config_bytes);
        let announced = digest_in_name(&chosen.config);
        if let Some(expected) = announced.filter(|expected| *expected != id) {
            return Err(Error::Mismatch { what: "the configuration".to_owned(), expected, actual: id });
        }
        let config = oci::config(&config_bytes, &limits.documents).map_err(Error::document("the configuration"))?;
        if chosen.layers.len() != config.diff_ids.len() {
            return Err(Error::Layers { manifest: chosen.layers.len(), config: config.diff_ids.len() });
        }
        let mut problems = Problems::new(limits.problems);
        archive_problems(&archive, &mut problems);
        let history = steps(&config, &mut problems);
        let layer = |(n, name): (usize, &String)| Layer {
            digest: name.strip_prefix("blobs/sha256/").and_then(|hex| hex.parse().ok()),
            diff_id: config.diff_ids.get(n).copied(),
            size: None,
            media_type: None,
            history: history.get(&n).cloned(),
            elsewhere: Vec::new(),
            at: At::Member(name.clone()),
        };
        Ok(Self {
            digest: None,
            index: None,
            id: Some(id),
            names: chosen.repo_tags.iter().map(|name| shown(name.as_bytes())).collect(),
            platform: Some(config.platform.clone()),
            manifest: None,
            layers: chosen.layers.iter().enumerate().map(layer).collect(),
            config: Some(config),
            config_bytes,
            problems,
            kind: "",
            whiteouts: true,
            store: Some(Store::Archive(archive)),
            limits: limits.clone(),
        })
    }

    /// The bytes of a layer, and how many there are where that is known.
    pub(crate) fn bytes_of(&self, layer: &Layer) -> Result<(Reader, Option<u64>), Error> {
        let missing = || Error::Missing { what: "the layer's store".to_owned() };
        match (&layer.at, &self.store) {
            (At::Blob(descriptor), Some(store)) => store.blob(descriptor),
            (At::Member(name), Some(Store::Archive(archive))) => {
                archive.member(name).map(|(reader, length)| (reader, Some(length)))
            }
            (At::File(path), _) => {
                let read = |error| Error::Read { what: shown(path.as_os_str().as_encoded_bytes()), source: error };
                let file: File = open_file(path, true).map_err(read)?;
                let end = file.metadata().map_err(read)?.len();
                Ok((Box::new(Slice { file: Arc::new(file), at: 0, end }), Some(end)))
            }
            _ => Err(missing()),
        }
    }
}

/// A document on the way to the manifest.
struct Chosen {
    bytes: Vec<u8>,
    media_type: Option<String>,
    name: String,
}

fn merged(mut first: Problems, second: Problems) -> Problems {
    for problem in second.listed {
        first.add(problem.what, problem.layer, problem.place.as_deref().map(str::as_bytes), problem.why);
    }
    first
}

/// The step of each layer; those without files have none.
fn steps(config: &Config, problems: &mut Problems) -> BTreeMap<usize, History> {
    let with_files = config.history.iter().filter(|step| !step.empty_layer);
    let steps: BTreeMap<usize, History> = with_files.cloned().enumerate().collect();
    if !config.history.is_empty() && steps.len() != config.diff_ids.len() {
        let why = format!("the history tells of {} layers, and there are {}", steps.len(), config.diff_ids.len());
        problems.add(What::Odd, None, None, why);
        return BTreeMap::new();
    }
    steps
}

fn archive_problems(archive: &Archive, problems: &mut Problems) {
    if let Some(why) = &archive.cut {
        problems.add(What::Gap, None, None, format!("the archive was not read to its end: {why}"));
    }
}

/// `docker save` writes a `manifest.json` beside the OCI layout: whoever loads the archive may go by either.
fn second_opinion(archive: &Archive, manifest: &[u8], limits: &Limits, problems: &mut Problems) {
    if !archive.has("manifest.json") {
        return;
    }
    let Ok(Document::Manifest(manifest)) = oci::document(manifest, None, &limits.documents) else { return };
    let agrees = archive_images(archive, limits)
        .is_ok_and(|images| images.iter().any(|image| digest_in_name(&image.config) == Some(manifest.config.digest)));
    if !agrees {
        let why = "the archive's manifest.json names other images than its index.json: tools that load it differ";
        problems.add(What::Odd, None, Some(b"manifest.json"), why);
    }
}

fn archive_images(archive: &Archive, limits: &Limits) -> Result<Vec<oci::ArchiveImage>, Error> {
    let bytes = member_bytes(archive, "manifest.json", limits.documents.config)?;
    oci::archive_manifest(&bytes, &limits.documents).map_err(Error::document("manifest.json"))
}

/// The digest that the name of a configuration is: `….json`, `blobs/sha256/…`.
fn digest_in_name(name: &str) -> Option<Digest> {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.strip_suffix(".json").unwrap_or(last).parse().ok()
}

fn tag(descriptor: &Descriptor) -> Option<&str> {
    let annotation = |key: &str| descriptor.annotations.get(key).map(String::as_str);
    annotation("io.containerd.image.name").or_else(|| annotation("org.opencontainers.image.ref.name"))
}

fn is_named(descriptor: &Descriptor, wanted: &str) -> bool {
    let is_digest = wanted.strip_prefix("sha256:").is_some_and(|hex| hex == descriptor.digest.to_hex());
    let names = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
    is_digest || names.iter().filter_map(|key| descriptor.annotations.get(*key)).any(|name| same_name(name, wanted))
}

/// True for the same text, and for the same image by its whole name.
fn same_name(name: &str, wanted: &str) -> bool {
    let whole = |text: &str| text.parse::<oci::Reference>().ok();
    name == wanted || whole(name).is_some_and(|name| whole(wanted) == Some(name))
}

fn shown_offer(descriptor: &Descriptor) -> String {
    let name = tag(descriptor).map_or_else(|| format!("sha256:{}", descriptor.digest), |name| shown(name.as_bytes()));
    match &descriptor.platform {
        Some(platform) => format!("{name} ({})", shown(platform.to_string().as_bytes())),
        None => name,
    }
}

/// The image for the wanted platform, or the only one.
fn one_of<'d>(all: &[&'d Descriptor], select: &Select) -> Result<&'d Descriptor, Error> {
    let (wanted, fitting) = match &select.platform {
        None => (None, all.to_vec()),
        Some(platform) => {
            let fitting = platform.choose(all.iter().copied());
            // An only image that says no platform may be for any: its configuration is not asked here.
            let only = if let [one] = all
                && one.platform.is_none()
            {
                vec![*one]
            } else {
                fitting
            };
            (Some(platform.to_string()), only)
        }
    };
    match fitting[..] {
        [one] => Ok(one),
        _ => Err(Error::Which { wanted, available: all.iter().map(|one| shown_offer(one)).collect() }),
    }
}

fn index_json(store: &Store, limits: &Limits) -> Result<oci::Index, Error> {
    let what = "index.json";
    let bytes = named(store, what, limits.documents.manifest)?;
    match oci::document(&bytes, None, &limits.documents).map_err(Error::document(what))? {
        Document::Index(index) => Ok(index),
        Document::Manifest(_) => {
            Err(Error::Archive { what: what.to_owned(), why: "it is a manifest and no index".to_owned() })
        }
    }
}

/// A file of a layout that is no blob.
fn named(store: &Store, name: &str, limit: usize) -> Result<Vec<u8>, Error> {
    match store {
        Store::Layout(root) => {
            let file = open_file(&root.join(name), false).map_err(Error::read(name))?;
            bounded(Box::new(file), name, limit)
        }
        Store::Archive(archive) => member_bytes(archive, name, limit),
        Store::Remote(_) => Err(Error::Missing { what: name.to_owned() }),
    }
}

fn member_bytes(archive: &Archive, name: &str, limit: usize) -> Result<Vec<u8>, Error> {
    if archive.is_twice(name) {
        let why = "two members have this name: tools that load the archive differ".to_owned();
        return Err(Error::Archive { what: shown(name.as_bytes()), why });
    }
    let (reader, size) = archive.member(name)?;
    let bytes = bounded(reader, name, limit)?;
    if bytes.len() as u64 != size {
        let actual = bytes.len() as u64;
        return Err(Error::Size { what: shown(name.as_bytes()), expected: size, actual });
    }
    Ok(bytes)
}

fn bounded(reader: Reader, what: &str, limit: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let limit = limit as u64;
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Error::read(shown(what.as_bytes())))?;
    if bytes.len() as u64 > limit {
        let error = oci::OciError::TooLarge { what: "document", bytes: bytes.len(), limit: bytes.len() - 1 };
        return Err(Error::document(shown(what.as_bytes()))(error));
    }
    Ok(bytes)
}

/// A manifest or index by its descriptor, its digest checked.
fn document_bytes(store: &Store, descriptor: &Descriptor, limits: &Limits) -> Result<Vec<u8>, Error> {
    let what = format!("the manifest sha256:{}", descriptor.digest);
    let limit = limits.documents.manifest;
    if let Store::Remote(remote) = store {
        // Registries keep manifests apart from blobs.
        let bytes = remote.manifest(&format!("sha256:{}", descriptor.digest), limit)?.bytes;
        return checked(bytes, descriptor, &what);
    }
    blob_bytes(store, descriptor, limit, &what)
}

fn blob_bytes(store: &Store, descriptor: &Descriptor, limit: usize, what: &str) -> Result<Vec<u8>, Error> {
    if descriptor.size > limit as u64 {
        let bytes = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
        return Err(Error::document(what)(oci::OciError::TooLarge { what: "document", bytes, limit }));
    }
    let (reader, _) = store.blob(descriptor)?;
    checked(bounded(reader, what, limit)?, descriptor, what)
}

fn checked(bytes: Vec<u8>, descriptor: &Descriptor, what: &str) -> Result<Vec<u8>, Error> {
    let actual = sha256(&bytes);
    if actual != descriptor.digest {
        return Err(Error::Mismatch { what: what.to_owned(), expected: descriptor.digest, actual });
    }
    if bytes.len() as u64 != descriptor.size {
        let actual = bytes.len() as u64;
        return Err(Error::Size { what: what.to_owned(), expected: descriptor.size, actual });
    }
    Ok(bytes)
}
