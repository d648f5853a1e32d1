//! The materials and artifacts attestations: file lists by Merkle root, git state, lockfiles.

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use provost_model::{FileName, Timestamp};

use crate::{FileList, ResourceDescriptor};

/// The materials attestation (SP 800-204D 5.1.1): what went in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Materials {
    /// Which step read them.
    pub step: String,
    /// Joins the statements of one run.
    pub invocation_id: String,
    /// When the run ended.
    pub finished_on: Timestamp,
    /// The repository's state, when the step ran in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitState>,
    /// Lockfiles among the files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lockfiles: Vec<Lockfile>,
    /// Every file before the command ran.
    pub files: FileList,
    /// Globs that took part in choosing the files.
    pub globs: Vec<String>,
    /// How the list was made, in a sentence.
    pub basis: String,
    /// What the command really read or executed, from anywhere on the machine, with digests at use; absent when nobody
    /// watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<FileList>,
    /// How many of the observed files come from where: `repository`, `package-cache`, `distribution`, ….
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub observed_origins: BTreeMap<String, u64>,
    /// Caches that were restored for the run, as they were before the command started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<CacheState>,
}

/// A cache that is kept between runs, and the key under which it was restored: what a poisoned cache is traced by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheState {
    /// Where it lies.
    pub path: String,
    /// The key, as it is configured.
    pub key: String,
    /// Every file in it; the list's Merkle root is the cache's digest.
    pub files: FileList,
}

/// A git repository's state before the command ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitState {
    /// The commit, tree and where it came from.
    pub source: ResourceDescriptor,
    /// The ref that HEAD points to; absent when detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// `None` where it could not be decided; `why` says why.
    pub dirty: Option<bool>,
    /// Paths that differ from the commit, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<FileName>,
    /// True for a shallow clone: the history is not all there.
    pub shallow: bool,
    /// Submodules that are checked out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub submodules: Vec<Submodule>,
    /// What could not be learned, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
}

/// A submodule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submodule {
    /// Path in the repository.
    pub path: FileName,
    /// The commit that the superproject asks for.
    pub expected: String,
    /// The commit that is checked out, if one is.
    pub checked_out: Option<String>,
}

/// A lockfile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lockfile {
    /// The package manager's kind, e.g. `cargo`, `npm`.
    pub ecosystem: String,
    /// Path and digest.
    pub file: ResourceDescriptor,
}

/// The artifacts attestation (SP 800-204D 5.1.1): what came out, intermediate files too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifacts {
    /// The step that made them.
    pub step: String,
    /// Joins the statements of one run.
    pub invocation_id: String,
    /// When the run ended.
    pub finished_on: Timestamp,
    /// Every file that the command made or changed.
    pub files: FileList,
    /// Materials that were gone afterwards, at most 100 by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<FileName>,
    /// How many were gone.
    pub deleted_count: usize,
    /// Globs that took part in choosing the files.
    pub globs: Vec<String>,
    /// How the list was made, in a sentence.
    pub basis: String,
}
