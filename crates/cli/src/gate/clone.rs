//! What a clone tells the gate: its objects, the tips of targets, names that people write.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use provost_repo::{View, valid_ref_name};

/// A clone.
pub(crate) struct Clone {
    /// Its objects and refs.
    pub(crate) view: View,
    /// Where it is.
    pub(crate) directory: PathBuf,
}

impl Clone {
    /// Opens the repository that a directory is in.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let view = View::open(directory).context("the gate judges what git knows, and there is no repository here")?;
        Ok(Self { view, directory: directory.to_path_buf() })
    }

    /// What an error of the repository means, with what to do where history is missing.
    pub(crate) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        if self.view.is_shallow() {
            return error.context(
                "this clone is shallow, so what the change is made of cannot be decided: fetch all of it \
                 (`git fetch --unshallow`; GitHub: `fetch-depth: 0`; GitLab: `GIT_DEPTH: 0`)",
            );
        }
        error
    }

    /// A commit by any name that git understands.
    ///
    /// # Errors
    /// It stands for no commit here.
    pub(crate) fn commit(&self, name: &str) -> Result<String> {
        if name.is_empty() || name.starts_with('-') {
            bail!("`{name}` is no commit");
        }
        let id = self.view.resolve(name).with_context(|| {
            format!("`{name}` is no commit of this clone: fetch it (`git fetch origin {name}`), or give another")
        })?;
        self.view.peel(&id).map_err(|error| self.explain(error.into()))
    }

    /// A ref in full: `main` is `refs/heads/main`.
    ///
    /// # Errors
    /// git allows no such name.
    pub(crate) fn reference(name: &str) -> Result<String> {
        let full = if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") };
        if !valid_ref_name(&full) {
            bail!("`{name}` is no ref: write it in full, as refs/heads/main");
        }
        Ok(full)
    }

    /// Where a target stands, by this clone, and by which of its refs; `None` where it is not there yet.
    ///
    /// # Errors
    /// The refs cannot be read.
    pub(crate) fn tip(&self, reference: &str, remote: Option<&str>) -> Result<Option<(String, String)>> {
        let mut names = Vec::new();
        if let Some(branch) = reference.strip_prefix("refs/heads/") {
            match remote {
                Some(remote) if !remote.contains([':', '/']) => names.push(format!("refs/remotes/{remote}/{branch}")),
                _ => names.extend([format!("refs/remotes/origin/{branch}"), format!("refs/remotes/upstream/{branch}")]),
            }
        }
        // A branch of one's own says nothing of where the remote's stands; where there is no remote, it is the branch.
        let branch = reference.starts_with("refs/heads/");
        if !branch || !self.view.refs()?.iter().any(|(name, _)| name.starts_with("refs/remotes/")) {
            names.push(reference.to_owned());
        }
        for name in names.into_iter().filter(|name| valid_ref_name(name)) {
            if let Some(id) = self.view.reference(&name)? {
                return Ok(Some((self.view.peel(&id)?, name)));
            }
        }
        Ok(None)
    }

    /// The target that is meant when none is named: what the remote's HEAD points to, or the one main branch that there is.
    ///
    /// # Errors
    /// There are several, or none.
    pub(crate) fn default_target(&self) -> Result<String> {
        if let Some(branch) = self
            .view
            .symbolic("refs/remotes/origin/HEAD")
            .and_then(|name| name.strip_prefix("refs/remotes/origin/").map(str::to_owned))
        {
            return Ok(format!("refs/heads/{branch}"));
        }
        let mut found = Vec::new();
        for name in ["refs/heads/main", "refs/heads/master", "refs/heads/trunk"] {
            if self.tip(name, None)?.is_some() {
                found.push(name);
            }
        }
        match found.as_slice() {
            [one] => Ok((*one).to_owned()),
            _ => bail!("which branch is it for? Give --onto refs/heads/…"),
        }
    }
}
