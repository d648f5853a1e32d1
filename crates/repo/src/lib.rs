//! Git facts: commit, tree, dirtiness, submodules. Reads objects and refs through gix; never runs a program that the
//! repository's configuration names (filters, hooks, file-system monitors), since the repository may be hostile.

mod change;
mod commit;
pub mod history;
mod merge;
mod publish;
pub mod signature;
mod tree;
mod view;

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use provost_model::FileName;

pub use change::{Change, Side};
pub use commit::{CommitFacts, Identity, TagFacts};
pub use merge::Merge;
pub use publish::Published;
pub use signature::{ObjectHash, SignatureKind, SignedObject};
pub use tree::{TreeFiles, merge_base};
pub use view::{Content, Limits, ObjectKind, Quarantine, View, valid_ref_name};

/// What can go wrong with a repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepoError {
    /// There is something like a repository, but it cannot be read.
    #[error("the git repository at {path} cannot be read: {why}")]
    Unreadable {
        /// Where the search began.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A signed commit or tag that can be read in more than one way.
    #[error("the signature of the {kind} cannot be taken: {why}; sign it again with git")]
    SignedObject {
        /// `commit` or `tag`.
        kind: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// How many changed paths are named.
const CHANGED: usize = 100;

/// A submodule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmoduleFacts {
    /// Path in the repository.
    pub path: FileName,
    /// The commit that the superproject asks for.
    pub expected: String,
    /// The commit that is checked out.
    pub checked_out: Option<String>,
}

/// A repository's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitFacts {
    /// The working tree's root.
    pub root: PathBuf,
    /// The commit that HEAD names; `None` before the first one.
    pub commit: Option<String>,
    /// Its tree.
    pub tree: Option<String>,
    /// The ref that HEAD points to; `None` when detached.
    pub head: Option<String>,
    /// `remote.origin.url`, without credentials.
    pub origin: Option<String>,
    /// Whether the working tree or the index differ from the commit, untracked files included; `None` where that
    /// could not be decided.
    pub dirty: Option<bool>,
    /// Paths that differ, at most 100.
    pub changed: Vec<FileName>,
    /// A shallow clone.
    pub shallow: bool,
    /// Submodules.
    pub submodules: Vec<SubmoduleFacts>,
    /// What could not be learned.
    pub limits: Vec<String>,
}

/// The files under version control below a directory, relative to it; `None` where there is no repository.
///
/// # Errors
/// There is one and its index cannot be read.
pub fn tracked(directory: &Path) -> Result<Option<std::collections::BTreeSet<String>>, RepoError> {
    let unreadable = |why: String| RepoError::Unreadable { path: directory.to_path_buf(), why };
    let options = gix::open::Options::isolated();
    let mapping = gix::sec::trust::Mapping { full: options.clone(), reduced: options };
    let found =
        gix::ThreadSafeRepository::discover_opts(directory, gix::discover::upwards::Options::default(), mapping);
    let repository = match found {
        Ok(repository) => repository.to_thread_local(),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let Some(root) = repository.workdir() else { return Ok(None) };
    let root = root.canonicalize().map_err(|e| unreadable(e.to_string()))?;
    let index = repository.index_or_empty().map_err(|e| unreadable(e.to_string()))?;
    let below = directory.strip_prefix(&root).map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let prefix = if below.is_empty() { String::new() } else { format!("{below}/") };
    let entries = index.entries().iter().map(|entry| entry.path(&index).to_string());
    Ok(Some(entries.filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned)).collect()))
}

/// Looks at the repository that a directory is in; `None` where it is in none.
///
/// # Errors
/// There is one and it cannot be read.
pub fn look(directory: &Path) -> Result<Option<GitFacts>, RepoError> {
    let unreadable = |why: String| RepoError::Unreadable { path: directory.to_path_buf(), why };
    // Isolated: neither the user's nor the system's configuration, nor GIT_* variables, take part.
    let options = gix::open::Options::isolated().config_overrides([
        // A file whose size and time were made to fit is not taken for the one that was there.
        "core.checkStat=default",
        "core.trustctime=true",
        "core.fsmonitor=false",
    ]);
    let mapping = gix::sec::trust::Mapping { full: options.clone(), reduced: options };
    let found =
        gix::ThreadSafeRepository::discover_opts(directory, gix::discover::upwards::Options::default(), mapping);
    let mut repository = match found {
        Ok(repository) => repository.to_thread_local(),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let mut limits = Vec::new();
    disarm(&mut repository, &mut limits);
    let root = repository.workdir().unwrap_or_else(|| repository.git_dir()).to_path_buf();
    let head = repository.head_name().map_err(|e| unreadable(e.to_string()))?.map(|name| name.as_bstr().to_string());
    let commit = repository.head_commit().ok();
    let tree = commit.as_ref().and_then(|c| c.tree_id().ok()).map(|id| id.to_string());
    let shallow = repository.is_shallow().map_err(|e| unreadable(e.to_string()))?;
    if shallow {
        limits.push("the clone is shallow: its history is not complete".to_owned());
    }
    let origin =
        repository.config_snapshot().string("remote.origin.url").map(|url| without_credentials(&url.to_string()));
    let (dirty, changed) = if repository.workdir().is_none() {
        (None, Vec::new())
    } else {
        match changes(&repository) {
            Ok(changed) => (Some(!changed.is_empty() || commit.is_none()), changed),
            Err(why) => {
                limits.push(format!("whether the working tree is clean could not be decided: {why}"));
                (None, Vec::new())
            }
        }
    };
    let submodules = submodules(&repository, &mut limits);
    if !submodules.is_empty() {
        limits.push("files in submodules were not compared with their commits".to_owned());
    }
    limits.sort();
    let moved = submodules.iter().any(|s| s.checked_out.as_ref().is_some_and(|commit| *commit != s.expected));
    let dirty = dirty.map(|dirty| dirty || moved);
    Ok(Some(GitFacts {
        root,
        commit: commit.map(|c| c.id().to_string()),
        tree,
        head,
        origin,
        dirty,
        changed,
        shallow,
        submodules,
        limits,
    }))
}

/// The root of the working tree that a directory is in, and its submodules; `None` where there is none.
///
/// # Errors
/// There is one and it cannot be read.
pub fn submodules_around(directory: &Path) -> Result<Option<(PathBuf, Vec<SubmoduleFacts>)>, RepoError> {
    let repository = match open(directory) {
        Ok(repository) => repository,
        Err(_) if tracked(directory)?.is_none() => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(root) = repository.workdir().map(Path::to_path_buf) else { return Ok(None) };
    let mut limits = Vec::new();
    let found = submodules(&repository, &mut limits);
    match limits.pop() {
        Some(why) => Err(RepoError::Unreadable { path: directory.to_path_buf(), why }),
        None => Ok(Some((root, found))),
    }
}

/// Opens the repository that a directory is in. Isolated: neither the user's nor the system's configuration, nor `GIT_*`
/// variables, take part.
fn open(directory: &Path) -> Result<gix::Repository, RepoError> {
    // A replaced object would hide the real one, which everybody who clones gets.
    let options = gix::open::Options::isolated().config_overrides(["core.useReplaceRefs=false"]);
    let mapping = gix::sec::trust::Mapping { full: options.clone(), reduced: options };
    gix::ThreadSafeRepository::discover_opts(directory, gix::discover::upwards::Options::default(), mapping)
        .map(|repository| repository.to_thread_local())
        .map_err(|error| RepoError::Unreadable { path: directory.to_path_buf(), why: error.to_string() })
}

/// Where the repository's own configuration says that its hooks are, when it says so.
///
/// # Errors
/// There is no repository.
pub fn hooks_path(directory: &Path) -> Result<Option<String>, RepoError> {
    Ok(open(directory)?.config_snapshot().string("core.hooksPath").map(|path| path.to_string()))
}

/// True when there is simply no repository, as against one that cannot be read.
fn is_absent(error: &gix::Error) -> bool {
    use gix::discover::upwards::Error;
    matches!(
        error.downcast_any_ref::<Error>(),
        Some(
            Error::NoGitRepository { .. }
                | Error::NoGitRepositoryWithinCeiling { .. }
                | Error::NoGitRepositoryWithinFs { .. }
        )
    )
}

/// Takes away what would make gix start programs: filter drivers named in the repository's configuration.
fn disarm(repository: &mut gix::Repository, limits: &mut Vec<String>) {
    let names: Vec<Option<String>> = repository
        .config_snapshot()
        .plumbing()
        .sections_by_name("filter")
        .into_iter()
        .flatten()
        .map(|section| section.header().subsection_name().map(ToString::to_string))
        .collect();
    if names.is_empty() {
        return;
    }
    limits.push("content filters were not run: files that go through one may count as changed".to_owned());
    let mut config = repository.config_snapshot_mut();
    for name in &names {
        while config.remove_section("filter", name.as_deref().map(Into::into)).is_some() {}
    }
}

fn changes(repository: &gix::Repository) -> Result<Vec<FileName>, String> {
    let status = repository
        .status(gix::progress::Discard)
        .map_err(|e| e.to_string())?
        .untracked_files(gix::status::UntrackedFiles::Files)
        // A submodule has a configuration of its own, with filters of its own: its files are not looked at here. The
        // commit that it stands at is compared below.
        .index_worktree_submodules(None)
        .into_iter(None)
        .map_err(|e| e.to_string())?;
    let mut changed = Vec::new();
    for item in status {
        let item = item.map_err(|e| e.to_string())?;
        let name = FileName::from_bytes(item.location());
        if changed.len() < CHANGED && !changed.contains(&name) {
            changed.push(name);
        }
    }
    for name in marked(repository)? {
        if changed.len() < CHANGED && !changed.contains(&name) {
            changed.push(name);
        }
    }
    changed.sort();
    Ok(changed)
}

/// Files that differ and that the index has been told not to look at (`git update-index --assume-unchanged`,
/// `--skip-worktree`, a file system monitor): what such a mark says is not taken for the content. A file that is not there, as in
/// a sparse checkout, differs. Content is compared as it is, so one that goes through a filter counts as changed.
fn marked(repository: &gix::Repository) -> Result<Vec<FileName>, String> {
    use gix::index::entry::{Flags, Mode};
    let Some(root) = repository.workdir() else { return Ok(Vec::new()) };
    let index = repository.index_or_empty().map_err(|e| e.to_string())?;
    let marks = Flags::ASSUME_VALID | Flags::SKIP_WORKTREE | Flags::FSMONITOR_VALID;
    let mut changed = Vec::new();
    for entry in index.entries().iter().filter(|entry| entry.flags.intersects(marks)) {
        let name = entry.path(&index);
        let path = root.join(std::ffi::OsStr::from_bytes(name));
        let same = || -> Option<bool> {
            let metadata = std::fs::symlink_metadata(&path).ok()?;
            let bytes = if metadata.is_symlink() {
                (entry.mode == Mode::SYMLINK)
                    .then(|| std::fs::read_link(&path).ok())
                    .flatten()?
                    .into_os_string()
                    .into_encoded_bytes()
            } else if metadata.is_file() {
                let mode = if metadata.permissions().mode() & 0o100 == 0 { Mode::FILE } else { Mode::FILE_EXECUTABLE };
                let size = repository.find_header(entry.id).ok()?.size();
                if entry.mode != mode || size != metadata.len() {
                    return None;
                }
                std::fs::read(&path).ok()?
            } else {
                return None;
            };
            let id = gix::objs::compute_hash(repository.object_hash(), gix::objs::Kind::Blob, &bytes).ok()?;
            Some(id == entry.id)
        };
        if same() != Some(true) {
            changed.push(FileName::from_bytes(name));
        }
        if changed.len() >= CHANGED {
            break;
        }
    }
    Ok(changed)
}

fn submodules(repository: &gix::Repository, limits: &mut Vec<String>) -> Vec<SubmoduleFacts> {
    let list = match repository.submodules() {
        Ok(Some(list)) => list,
        Ok(None) => return Vec::new(),
        Err(error) => {
            limits.push(format!("the submodules could not be read: {error}"));
            return Vec::new();
        }
    };
    let mut found: Vec<SubmoduleFacts> = list
        .filter_map(|submodule| {
            let path = submodule.path().ok()?;
            let expected = submodule.index_id().ok().flatten()?.to_string();
            let checked_out = submodule
                .open()
                .ok()
                .flatten()
                .and_then(|repository| repository.head_id().ok().map(|id| id.to_string()));
            Some(SubmoduleFacts { path: FileName::from_bytes(&path), expected, checked_out })
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// A remote's address without user name and password: evidence is no place for tokens.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn tokens_stay_out() {
        assert_eq!(without_credentials("https://user:token@host.test/a/b.git?x=y"), "https://host.test/a/b.git");
        assert_eq!(without_credentials("https://host.test"), "https://host.test");
        assert_eq!(without_credentials("git@host.test:a/b.git"), "git@host.test:a/b.git");
        assert_eq!(without_credentials("ssh://git@host.test:22/a@b"), "ssh://host.test:22/a@b");
    }
}
