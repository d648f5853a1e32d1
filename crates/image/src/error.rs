//! What can be wrong with an image as a whole.

use std::io;

use provost_formats::archive::ArchiveError;
use provost_formats::oci::OciError;
use provost_model::Digest;

/// Why an image cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its bytes cannot be had.
    #[error("{what}: {source}")]
    Read {
        /// What was read.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// A document of it cannot be understood.
    #[error("{what}: {source}")]
    Document {
        /// Which.
        what: String,
        /// Why.
        source: OciError,
    },
    /// The archive that it is in cannot be read.
    #[error("{what}: {why}")]
    Archive {
        /// Which file.
        what: String,
        /// Why.
        why: String,
    },
    /// Content is not what its digest says.
    #[error("{what} is not what was announced: expected sha256:{expected}, got sha256:{actual}")]
    Mismatch {
        /// Which content.
        what: String,
        /// The digest that it should have.
        expected: Digest,
        /// The digest that it has.
        actual: Digest,
    },
    /// Content has another length than announced.
    #[error("{what} has {actual} bytes, and {expected} were announced")]
    Size {
        /// Which content.
        what: String,
        /// The length that it should have.
        expected: u64,
        /// The length that it has, or that was read before reading was ended.
        actual: u64,
    },
    /// Something that the image refers to is not there.
    #[error("{what} is not there")]
    Missing {
        /// What.
        what: String,
    },
    /// Manifest and configuration do not tell of the same layers.
    #[error("the manifest has {manifest} layers and the configuration {config}")]
    Layers {
        /// Layers of the manifest.
        manifest: usize,
        /// Layers of the configuration.
        config: usize,
    },
    /// It is no container image but another artifact.
    #[error("not a container image: its configuration is of the type `{media_type}`")]
    NotAnImage {
        /// Media type of its configuration, printable.
        media_type: String,
    },
    /// Several images are there, or none that was asked for.
    #[error("{}; there {}", wanted.as_ref().map_or_else(|| "several images are there: name one".to_owned(), |w| format!("no image `{w}`")), if available.is_empty() { "are none".to_owned() } else { format!("are: {}", available.join(", ")) })]
    Which {
        /// What was asked for.
        wanted: Option<String>,
        /// What is there, printable.
        available: Vec<String>,
    },
    /// Indexes within indexes beyond the limit.
    #[error("more than {0} indexes within one another")]
    Nesting(usize),
    /// The registry.
    #[error(transparent)]
    Remote(#[from] provost_remote::Error),
}

impl Error {
    pub(crate) fn read(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Read { what, source }
    }

    pub(crate) fn document(what: impl Into<String>) -> impl FnOnce(OciError) -> Self {
        let what = what.into();
        move |source| Self::Document { what, source }
    }

    pub(crate) fn archive(what: impl Into<String>) -> impl FnOnce(ArchiveError) -> Self {
        let what = what.into();
        move |error| Self::Archive { what, why: error.to_string() }
    }
}
