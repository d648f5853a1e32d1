//! Caches that are kept between runs: what lies in them before the command starts is a material like any other, and the
//! key under which it was restored says whose it was.

use std::path::Path;

use anyhow::{Context as _, Result};
use provost_attest::FileList;
use provost_attest::predicate::CacheState;
use provost_model::FileSet;
use provost_trace::{Selection, Snapshot};

use crate::guard::GuardConfig;

/// The declared caches of a run, as they were before it.
#[derive(Default)]
pub(crate) struct Caches {
    /// What the materials attestation says of them.
    pub(crate) states: Vec<CacheState>,
    /// Lists that are too long to be in it.
    pub(crate) blobs: Vec<Vec<u8>>,
}

impl Caches {
    /// Reads every declared cache; one that is not there yet is empty.
    ///
    /// # Errors
    /// One that is there cannot be read.
    pub(crate) fn record(guard: &GuardConfig, directory: &Path, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Self> {
        let mut caches = Self::default();
        let all = Selection::new(&[], &[])?;
        for (path, key) in guard.caches(directory) {
            let set = match path.canonicalize() {
                Ok(real) => Snapshot::take(&real, &all, &all, None, &[], &|files, bytes| progress(files, bytes))
                    .with_context(|| format!("[[guard.cache]] {}", path.display()))?
                    .to_set(&all),
                Err(_) => FileSet { entries: Vec::new(), not_listed: Vec::new() },
            };
            let (files, blob) = FileList::new(&set)?;
            if files.entries.is_none() {
                caches.blobs.push(blob);
            }
            caches.states.push(CacheState { path: path.to_string_lossy().into_owned(), key, files });
        }
        Ok(caches)
    }
}
