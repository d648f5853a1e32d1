//! The files of a commit, by path, without a checkout.

use std::collections::HashMap;
use std::path::Path;

use gix::ObjectId;
use gix::objs::Kind;

use crate::history::{DIRECTORY, entries, problem, tree_of};
use crate::open;
use crate::{RepoError, View};

/// The mode of a regular file, executable or not.
const REGULAR: u32 = 0o100_000;
const SUBMODULE: u32 = 0o160_000;
/// Files of one commit at most.
const MAXIMUM_FILES: usize = 2_000_000;
/// Directories within directories at most.
const MAXIMUM_DEPTH: usize = 256;

/// The regular files of a commit.
pub struct TreeFiles {
    repository: gix::ThreadSafeRepository,
    paths: Vec<String>,
    ids: HashMap<String, ObjectId>,
    gitlinks: HashMap<String, ObjectId>,
    /// The commit, in full.
    pub commit: String,
    /// What could not be listed, and why.
    pub failures: Vec<(String, String)>,
}

impl TreeFiles {
    /// Lists the files of a commit; links and submodules are none.
    ///
    /// # Errors
    /// There is no repository, or it does not know the commit.
    pub fn at(directory: &Path, commit: &str) -> Result<Self, RepoError> {
        let wrong = problem(directory);
        let repository = open(directory)?;
        let id = repository.rev_parse_single(commit).map_err(|e| wrong(&format!("`{commit}`: {e}")))?.detach();
        let tree = tree_of(&repository, id).map_err(|e| wrong(&e))?;
        let tree = tree.ok_or_else(|| wrong(&format!("`{commit}` is no commit")))?;
        let mut files = Self {
            repository: repository.clone().into_sync(),
            paths: Vec::new(),
            ids: HashMap::new(),
            gitlinks: HashMap::new(),
            commit: id.to_string(),
            failures: Vec::new(),
        };
        files.below(&repository, tree, "", 0);
        files.paths.sort_unstable_by(|a, b| Path::new(a).cmp(Path::new(b)));
        Ok(files)
    }

    /// As [`TreeFiles::at`], for a commit or tree that a view knows: also the tree of a merge that was never made.
    ///
    /// # Errors
    /// It is neither.
    pub fn of(view: &View, id: &str) -> Result<Self, RepoError> {
        let tree = view.tree_id(id)?;
        let repository = view.git().clone();
        let mut files = Self {
            repository: repository.clone().into_sync(),
            paths: Vec::new(),
            ids: HashMap::new(),
            gitlinks: HashMap::new(),
            commit: id.to_owned(),
            failures: Vec::new(),
        };
        files.below(&repository, tree, "", 0);
        files.paths.sort_unstable_by(|a, b| Path::new(a).cmp(Path::new(b)));
        Ok(files)
    }

    fn below(&mut self, repository: &gix::Repository, tree: ObjectId, path: &str, depth: usize) {
        if depth > MAXIMUM_DEPTH {
            self.failures.push((path.to_owned(), format!("directories within one another beyond {MAXIMUM_DEPTH}")));
            return;
        }
        let object = match repository.find_object(tree) {
            Ok(object) => object,
            Err(error) => return self.failures.push((path.to_owned(), error.to_string())),
        };
        let length = repository.object_hash().len_in_bytes();
        for (mode, name, id) in entries(&object.data, length) {
            let name = String::from_utf8_lossy(name);
            let inner = if path.is_empty() { name.into_owned() } else { format!("{path}/{name}") };
            if mode & 0o170_000 == DIRECTORY {
                self.below(repository, id, &inner, depth + 1);
            } else if mode & 0o170_000 == REGULAR {
                if self.paths.len() >= MAXIMUM_FILES {
                    self.failures.push((inner, format!("more than {MAXIMUM_FILES} files")));
                    return;
                }
                self.ids.insert(inner.clone(), id);
                self.paths.push(inner);
            } else if mode & 0o170_000 == SUBMODULE && self.gitlinks.len() < MAXIMUM_FILES {
                self.gitlinks.insert(inner, id);
            }
        }
    }

    /// The commit that a submodule at a path stands at.
    pub fn gitlink(&self, path: &str) -> Option<String> {
        self.gitlinks.get(path).map(ToString::to_string)
    }

    /// Their paths, in order.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// The id of a file's content.
    pub fn id(&self, path: &str) -> Option<String> {
        self.ids.get(path).map(ToString::to_string)
    }

    /// Content of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// There is no such file, it is larger, or the repository is damaged.
    pub fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, String> {
        let id = *self.ids.get(path).ok_or("there is no such file")?;
        let repository = self.repository.to_thread_local();
        let header = repository.find_header(id).map_err(|error| error.to_string())?;
        if header.kind() != Kind::Blob || header.size() > limit as u64 {
            return Err(format!("it has {} bytes, more than {limit}", header.size()));
        }
        let object = repository.find_object(id).map_err(|error| error.to_string())?;
        Ok(object.detach().data)
    }
}

/// The best common ancestor of two commits.
///
/// # Errors
/// There is no repository, it does not know one of them, or they have nothing in common.
pub fn merge_base(directory: &Path, a: &str, b: &str) -> Result<String, RepoError> {
    let wrong = problem(directory);
    let repository = open(directory)?;
    let id = |name: &str| {
        repository.rev_parse_single(name).map(|id| id.detach()).map_err(|e| wrong(&format!("`{name}`: {e}")))
    };
    let base = repository.merge_base(id(a)?, id(b)?).map_err(|e| wrong(&format!("{a} and {b}: {e}")))?;
    let base = base.ok_or_else(|| wrong(&format!("{a} and {b} have no common ancestor")))?;
    Ok(base.to_string())
}
