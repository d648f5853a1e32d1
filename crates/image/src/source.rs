//! Where an image comes from.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use provost_formats::oci::{Descriptor, Reference, media};
use provost_remote::registry::Repository;

use crate::archive::{Archive, Reader};
use crate::error::Error;
use crate::limits::Limits;
use crate::problem::shown;

/// Where an image comes from.
pub enum Source {
    /// A directory in the OCI layout (image-spec, image-layout.md).
    OciLayout(PathBuf),
    /// A tar file with the OCI layout, compressed or not.
    OciArchive(PathBuf),
    /// A tar file of `docker save`, compressed or not.
    DockerArchive(PathBuf),
    /// A directory that is a root file system.
    RootFs(PathBuf),
    /// A tar file that is a root file system (`docker export`), compressed or not.
    RootFsTar(PathBuf),
    /// A registry, or whatever else gives manifests and blobs.
    Registry(Box<dyn Remote>),
}

/// A manifest or an index as a registry gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteDocument {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What the registry says it is.
    pub media_type: Option<String>,
}

/// What gives the documents and blobs of one repository. Nothing it says is trusted: digests are computed again.
pub trait Remote: Send + Sync {
    /// What was asked for, for messages.
    fn name(&self) -> String;

    /// The tag or digest (`sha256:…`) that was asked for.
    fn wanted(&self) -> String;

    /// A manifest or an index by tag or digest, at most so many bytes.
    ///
    /// # Errors
    /// It cannot be had.
    fn manifest(&self, wanted: &str, limit: usize) -> Result<RemoteDocument, provost_remote::Error>;

    /// The bytes of a blob.
    ///
    /// # Errors
    /// It cannot be had.
    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn std::io::Read + Send>, provost_remote::Error>;
}

/// A repository of a registry and what is wanted of it.
pub struct FromRegistry {
    repository: Repository,
    reference: Reference,
}

impl FromRegistry {
    /// The image of a reference.
    pub fn new(repository: Repository, reference: Reference) -> Self {
        Self { repository, reference }
    }
}

impl Remote for FromRegistry {
    fn name(&self) -> String {
        self.reference.to_string()
    }

    fn wanted(&self) -> String {
        self.reference.wanted()
    }

    fn manifest(&self, wanted: &str, limit: usize) -> Result<RemoteDocument, provost_remote::Error> {
        let document = self.repository.manifest(wanted, media::ACCEPT, limit)?;
        Ok(RemoteDocument { bytes: document.bytes, media_type: document.media_type })
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn std::io::Read + Send>, provost_remote::Error> {
        Ok(Box::new(self.repository.blob(&descriptor.digest, descriptor.size)?))
    }
}

impl Source {
    /// Tells by its content what a file or directory is. A directory is a root file system unless it has an
    /// `oci-layout`, a tar file one unless it has that or a `manifest.json`.
    ///
    /// # Errors
    /// It cannot be read, or is no tar file.
    pub fn detect(path: &Path, limits: &Limits) -> Result<Self, Error> {
        Self::detected(path, limits).map(|(source, _)| source)
    }

    /// Also gives the archive that was looked into, so that it need not be read again.
    pub(crate) fn detected(path: &Path, limits: &Limits) -> Result<(Self, Option<Archive>), Error> {
        let name = shown(path.as_os_str().as_encoded_bytes());
        let metadata = fs::metadata(path).map_err(Error::read(&name))?;
        let path = path.to_owned();
        if metadata.is_dir() {
            let is_layout = fs::symlink_metadata(path.join("oci-layout")).is_ok_and(|file| file.is_file());
            return Ok((if is_layout { Self::OciLayout(path) } else { Self::RootFs(path) }, None));
        }
        let archive = Archive::open(&path, limits)?;
        let source = if archive.has("oci-layout") && archive.has("index.json") {
            Self::OciArchive(path)
        } else if archive.has("manifest.json") {
            Self::DockerArchive(path)
        } else if archive.is_empty() {
            let why = archive.cut.as_deref().unwrap_or("it holds no files");
            let why = format!("not an image, nor a tar file with a root file system: {why}");
            return Err(Error::Archive { what: name, why });
        } else {
            Self::RootFsTar(path)
        };
        Ok((source, Some(archive)))
    }

    /// What kind of source it is, in the field's words: `oci-layout`, `docker-archive`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OciLayout(_) => "oci-layout",
            Self::OciArchive(_) => "oci-archive",
            Self::DockerArchive(_) => "docker-archive",
            Self::RootFs(_) => "rootfs",
            Self::RootFsTar(_) => "rootfs-tar",
            Self::Registry(_) => "registry",
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OciLayout(path)
            | Self::OciArchive(path)
            | Self::DockerArchive(path)
            | Self::RootFs(path)
            | Self::RootFsTar(path) => write!(f, "{}({})", self.kind(), path.display()),
            Self::Registry(remote) => write!(f, "registry({})", remote.name()),
        }
    }
}

/// What blobs are read from.
pub(crate) enum Store {
    Layout(PathBuf),
    Archive(Archive),
    Remote(Box<dyn Remote>),
}

impl Store {
    /// False when the blob is known not to be there.
    pub(crate) fn has(&self, descriptor: &Descriptor) -> bool {
        let name = format!("blobs/sha256/{}", descriptor.digest);
        match self {
            Self::Layout(root) => root.join(name).exists(),
            Self::Archive(archive) => archive.has(&name),
            Self::Remote(_) => true,
        }
    }

    /// The bytes of a blob. How many there are is known, but of a registry's.
    pub(crate) fn blob(&self, descriptor: &Descriptor) -> Result<(Reader, Option<u64>), Error> {
        let name = format!("blobs/sha256/{}", descriptor.digest);
        match self {
            Self::Layout(root) => {
                // Its digest is checked, so a link does no harm: builders that keep blobs once write such.
                let file = match crate::open::open_file(&root.join(&name), true) {
                    Ok(file) => file,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        return Err(Error::Missing { what: format!("the blob sha256:{}", descriptor.digest) });
                    }
                    Err(error) => return Err(Error::read(name)(error)),
                };
                let length = file.metadata().map_err(Error::read(name))?.len();
                Ok((Box::new(file), Some(length)))
            }
            Self::Archive(archive) => archive.member(&name).map(|(reader, length)| (reader, Some(length))),
            Self::Remote(remote) => Ok((remote.blob(descriptor)?, None)),
        }
    }
}
