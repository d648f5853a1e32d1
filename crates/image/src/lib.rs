//! A container image as a stream of layers and one merged file tree.
//!
//! An image comes from an OCI layout (a directory or a tar file), from an archive of `docker save`, from a root file
//! system (a directory or a tar file) or from a registry. Every layer is read and unpacked once, as a stream; every digest
//! is computed from the bytes. What is hostile in a layer is refused and reported, and every [limit](Limits) that is
//! reached leaves a gap that is reported too. Nothing is ever written, and no name in an image is used as a path.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use provost_image::{Image, Limits, Select};
//!
//! let image = Image::open_path("image.tar".as_ref(), &Select::default(), &Limits::default())?;
//! let walked = image.walk(&mut |entry| entry.path == b"lib/apk/db/installed", &mut |entry, content| {
//!     // Every entry of every layer, hidden ones too: read from `content` as much as wanted.
//!     let _ = (entry, content);
//!     ControlFlow::Continue(())
//! })?;
//! let packages = walked.content("lib/apk/db/installed");
//! # let _ = packages;
//! # Ok::<(), provost_image::Error>(())
//! ```

mod archive;
mod entry;
mod error;
mod facts;
mod image;
mod keep;
mod limits;
mod meter;
mod name;
mod open;
mod problem;
mod rootfs;
mod source;
mod stream;
mod tree;
mod walk;

pub use entry::{Entry, EntryId, EntryKind};
pub use error::Error;
pub use facts::{BaseClaim, Danger, Port, RunsAs, chain_ids, dangers, ports, runs_as, secret_variables};
pub use image::{Image, Layer, Offer, Select};
pub use limits::Limits;
pub use problem::{Problem, Problems, What};
pub use provost_formats::layer::Kind;
pub use provost_formats::oci::{Config, History, Manifest, Platform, Reference};
pub use source::{FromRegistry, Remote, RemoteDocument, Source};
pub use tree::{Fate, Hidden, How, Node, Tree, Unresolved};
pub use walk::{Keep, LayerReport, Sink, Walked};
