//! A repository as a judge reads it: objects through a git directory of our own, so that neither its configuration, its
//! attributes, its grafts nor its replaced objects take part, and what a merge writes never reaches it.
//!
//! During a push git keeps the new objects in a quarantine (git-receive-pack(1), "Quarantine environment"); a view reads
//! them together with the repository's own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gix::ObjectId;
use gix::objs::Kind;

use crate::RepoError;
use crate::commit::{CommitFacts, TagFacts};
use crate::history::problem;

/// Limits on what a judge reads. What lies beyond is an error, never passed over.
pub struct Limits;

impl Limits {
    /// A commit or tag, in bytes.
    pub const COMMIT: u64 = 1 << 20;
    /// A tree, in bytes.
    pub const TREE: u64 = 64 << 20;
    /// Commits of one proposal or push.
    pub const COMMITS: usize = 1_000_000;
    /// Directories that one comparison looks at.
    pub const TREES: usize = 500_000;
    /// Changed paths of one proposal or push.
    pub const CHANGES: usize = 200_000;
    /// Directories within directories.
    pub const DEPTH: usize = 256;
    /// Length of a path, in bytes.
    pub const PATH: usize = 4096;
    /// Refs of a repository.
    pub const REFS: usize = 1_000_000;
}

/// What kind an object is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
    /// A directory.
    Tree,
    /// A file's content.
    Blob,
}

/// Things that one processor takes at once.
const TOGETHER: usize = 64;

/// A file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    Bytes(Vec<u8>),
    /// It is larger than what was asked for: its size in bytes.
    Larger(u64),
}

/// Where the objects of a push lie until it is accepted.
#[derive(Debug, Clone, Default)]
pub struct Quarantine {
    /// `GIT_OBJECT_DIRECTORY`.
    pub objects: Option<PathBuf>,
    /// `GIT_ALTERNATE_OBJECT_DIRECTORIES`.
    pub alternates: Vec<PathBuf>,
}

/// A repository's objects and refs.
pub struct View {
    repository: gix::Repository,
    /// Its real git directory.
    git_dir: PathBuf,
    /// Ours; gone with the view.
    _scratch: Arc<tempfile::TempDir>,
}

impl View {
    /// Opens the repository that a directory is in.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, RepoError> {
        Self::open_with(directory, &Quarantine::default())
    }

    /// As [`View::open`], with the objects of a push.
    ///
    /// # Errors
    /// As there; a quarantine that is not there.
    pub fn open_with(directory: &Path, quarantine: &Quarantine) -> Result<Self, RepoError> {
        let wrong = problem(directory);
        let real = crate::open(directory)?;
        let common = real.common_dir().canonicalize().map_err(|e| wrong(&e))?;
        let mut objects = vec![common.join("objects")];
        objects.extend(quarantine.objects.clone());
        objects.extend(quarantine.alternates.iter().cloned());
        Self::over(directory, &real, objects)
    }

    /// Only the objects that came with a push. Where git was told to keep each push as a pack (`receive.unpackLimit=1`) they
    /// are all that was sent, whatever the repository had already.
    ///
    /// # Errors
    /// As [`View::open_with`].
    pub fn of_push(directory: &Path, quarantine: &Quarantine) -> Result<Self, RepoError> {
        Self::over(directory, &crate::open(directory)?, quarantine.objects.iter().cloned().collect())
    }

    fn over(directory: &Path, real: &gix::Repository, objects: Vec<PathBuf>) -> Result<Self, RepoError> {
        let wrong = problem(directory);
        let scratch = tempfile::tempdir().map_err(|e| wrong(&format!("no temporary directory: {e}")))?;
        let format = match real.object_hash() {
            gix::hash::Kind::Sha1 => "",
            _ => "[extensions]\n\tobjectFormat = sha256\n",
        };
        let version = if format.is_empty() { 0 } else { 1 };
        let config = format!("[core]\n\trepositoryformatversion = {version}\n\tbare = true\n{format}");
        let mut alternates = String::new();
        for folder in objects {
            let folder = folder.canonicalize().map_err(|e| wrong(&format!("{}: {e}", folder.display())))?;
            let text = folder.to_str().filter(|text| !text.contains(['\n', '"']));
            let text = text.ok_or_else(|| wrong(&format!("{} has a name that git cannot take", folder.display())))?;
            alternates.push_str(text);
            alternates.push('\n');
        }
        let path = scratch.path();
        let write = |name: &str, text: &str| std::fs::write(path.join(name), text);
        std::fs::create_dir_all(path.join("objects/info"))
            .and_then(|()| std::fs::create_dir_all(path.join("refs")))
            .and_then(|()| write("HEAD", "ref: refs/heads/none\n"))
            .and_then(|()| write("config", &config))
            .and_then(|()| write("objects/info/alternates", &alternates))
            .map_err(|e| wrong(&format!("the temporary directory: {e}")))?;
        let options = gix::open::Options::isolated().config_overrides(["core.useReplaceRefs=false"]);
        let mut repository = gix::open_opts(path, options).map_err(|e| wrong(&e))?;
        repository.object_cache_size_if_unset(32 << 20);
        Ok(Self { repository, git_dir: real.git_dir().to_path_buf(), _scratch: Arc::new(scratch) })
    }

    /// Looks at each of many things, on all processors. What comes back is in their order; of several errors the first.
    ///
    /// # Errors
    /// Those of `look`.
    pub fn map<T: Sync, R: Send, E: Send>(
        &self,
        things: &[T],
        look: impl Fn(&Self, &T) -> Result<R, E> + Sync,
    ) -> Result<Vec<R>, E> {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(8).min(things.len() / TOGETHER);
        if threads < 2 {
            return things.iter().map(|thing| look(self, thing)).collect();
        }
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = |view: &Self| {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(part) = things.chunks(TOGETHER).nth(place) else { break };
                let results: Result<Vec<R>, E> = part.iter().map(|thing| look(view, thing)).collect();
                found.lock().unwrap_or_else(PoisonError::into_inner).push((place, results));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                let view = Self {
                    repository: self.repository.clone(),
                    git_dir: self.git_dir.clone(),
                    _scratch: Arc::clone(&self._scratch),
                };
                scope.spawn(move || work(&view));
            }
            work(self);
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|(place, _)| *place);
        let mut all = Vec::with_capacity(things.len());
        for (_, results) in found {
            all.extend(results?);
        }
        Ok(all)
    }

    /// The id that a name stands for in the real repository, as `git rev-parse` has it: `HEAD`, `main~2`, a short id.
    ///
    /// # Errors
    /// It stands for nothing, or for more than one thing.
    pub fn resolve(&self, name: &str) -> Result<String, RepoError> {
        let wrong = self.wrong();
        let real = self.real()?;
        // git takes a tag of that name before the commit whose id begins so: whoever makes one chooses what is judged.
        let short = (4..self.id_length()).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit());
        if short && let Some(reference) = real.try_find_reference(name).map_err(|e| wrong(&e))? {
            let reference = reference.name().as_bstr().to_string();
            return Err(wrong(&format!("`{name}` may be {reference} or a short id: give the whole of either")));
        }
        let id = real.rev_parse_single(name).map_err(|e| wrong(&format!("`{name}`: {e}")))?;
        Ok(id.to_string())
    }

    /// The ref that a symbolic ref of the real repository points to (`HEAD`, `refs/remotes/origin/HEAD`); `None` where
    /// there is none or it is detached.
    pub fn symbolic(&self, name: &str) -> Option<String> {
        let real = self.real().ok()?;
        let reference = real.try_find_reference(name).ok()??;
        Some(reference.target().try_name()?.as_bstr().to_string())
    }

    /// Whether the clone lacks history: what an object names may not be there.
    pub fn is_shallow(&self) -> bool {
        self.real().is_ok_and(|real| real.is_shallow().unwrap_or(true))
    }

    fn real(&self) -> Result<gix::Repository, RepoError> {
        let options = gix::open::Options::isolated().config_overrides(["core.useReplaceRefs=false"]);
        gix::open_opts(&self.git_dir, options).map_err(|e| self.wrong()(&e))
    }

    /// The repository's git directory.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// Hexadecimal digits of an id.
    fn id_length(&self) -> usize {
        self.repository.object_hash().len_in_hex()
    }

    /// `true` where ids are SHA-256.
    pub fn is_sha256(&self) -> bool {
        self.repository.object_hash() != gix::hash::Kind::Sha1
    }

    /// The id that stands for "no object" in hooks: all zeros.
    pub fn null_id(&self) -> String {
        ObjectId::null(self.repository.object_hash()).to_string()
    }

    pub(crate) fn git(&self) -> &gix::Repository {
        &self.repository
    }

    pub(crate) fn wrong(&self) -> impl Fn(&dyn std::fmt::Display) -> RepoError {
        problem(&self.git_dir)
    }

    /// A full id of this repository.
    ///
    /// # Errors
    /// Another length, or not hexadecimal.
    pub(crate) fn id(&self, text: &str) -> Result<ObjectId, RepoError> {
        let hash = self.repository.object_hash();
        ObjectId::from_hex(text.as_bytes())
            .ok()
            .filter(|id| id.kind() == hash)
            .ok_or_else(|| self.wrong()(&format!("`{text}` is no object id of this repository")))
    }

    /// Whether an object is there.
    pub fn contains(&self, id: &str) -> bool {
        self.id(id).is_ok_and(|id| self.repository.has_object(id))
    }

    /// What an object is.
    ///
    /// # Errors
    /// It is not there.
    pub fn kind(&self, id: &str) -> Result<ObjectKind, RepoError> {
        let header = self.repository.find_header(self.id(id)?).map_err(|e| self.wrong()(&e))?;
        Ok(match header.kind() {
            Kind::Commit => ObjectKind::Commit,
            Kind::Tag => ObjectKind::Tag,
            Kind::Tree => ObjectKind::Tree,
            Kind::Blob => ObjectKind::Blob,
        })
    }

    /// An object's bytes, of at most `limit`. Its id is recomputed: a damaged or exchanged object is an error.
    ///
    /// # Errors
    /// It is not there, is larger, or is not what its id says.
    pub fn read(&self, id: &str, limit: u64) -> Result<Vec<u8>, RepoError> {
        self.read_id(self.id(id)?, limit).map(|(bytes, _)| bytes)
    }

    /// As [`View::read`], but an object that is larger is no error: its size comes back.
    ///
    /// # Errors
    /// It is not there, or is not what its id says.
    pub fn read_within(&self, id: &str, limit: u64) -> Result<Content, RepoError> {
        let id = self.id(id)?;
        let size = self.size_of(id)?;
        if size > limit {
            Ok(Content::Larger(size))
        } else {
            self.read_whole(id).map(|(bytes, _)| Content::Bytes(bytes))
        }
    }

    fn size_of(&self, id: ObjectId) -> Result<u64, RepoError> {
        Ok(self.repository.find_header(id).map_err(|e| self.wrong()(&e))?.size())
    }

    pub(crate) fn read_id(&self, id: ObjectId, limit: u64) -> Result<(Vec<u8>, Kind), RepoError> {
        let size = self.size_of(id)?;
        if size > limit {
            return Err(self.wrong()(&format!("the object {id} has {size} bytes, more than {limit}")));
        }
        self.read_whole(id)
    }

    fn read_whole(&self, id: ObjectId) -> Result<(Vec<u8>, Kind), RepoError> {
        let wrong = self.wrong();
        let object = self.repository.find_object(id).map_err(|e| wrong(&e))?.detach();
        let real = gix::objs::compute_hash(self.repository.object_hash(), object.kind, &object.data)
            .map_err(|e| wrong(&format!("the object {id}: {e}")))?;
        if real != id {
            return Err(wrong(&format!("the object {id} is damaged: its content has the id {real}")));
        }
        Ok((object.data, object.kind))
    }

    /// The commit that an id names, through tags.
    ///
    /// # Errors
    /// It is none, or too many tags name one another.
    pub fn peel(&self, id: &str) -> Result<String, RepoError> {
        let mut id = id.to_owned();
        for _ in 0..16 {
            match self.kind(&id)? {
                ObjectKind::Commit => return Ok(id),
                ObjectKind::Tag => id = self.tag(&id)?.target,
                other => return Err(self.wrong()(&format!("{id} is no commit ({other:?})"))),
            }
        }
        Err(self.wrong()(&"more than 16 tags name one another"))
    }

    /// A commit.
    ///
    /// # Errors
    /// It is not there, or malformed.
    pub fn commit(&self, id: &str) -> Result<CommitFacts, RepoError> {
        let (bytes, kind) = self.read_id(self.id(id)?, Limits::COMMIT)?;
        if kind != Kind::Commit {
            return Err(self.wrong()(&format!("{id} is no commit")));
        }
        CommitFacts::parse(id, bytes).map_err(|why| self.wrong()(&format!("the commit {id}: {why}")))
    }

    /// An annotated tag.
    ///
    /// # Errors
    /// It is not there, or malformed.
    pub fn tag(&self, id: &str) -> Result<TagFacts, RepoError> {
        let (bytes, kind) = self.read_id(self.id(id)?, Limits::COMMIT)?;
        if kind != Kind::Tag {
            return Err(self.wrong()(&format!("{id} is no tag")));
        }
        TagFacts::parse(id, bytes).map_err(|why| self.wrong()(&format!("the tag {id}: {why}")))
    }

    /// Whether `ancestor` is reached from `descendant`, or is it.
    ///
    /// # Errors
    /// A commit is not there.
    pub fn is_ancestor(&self, ancestor: &str, descendant: &str) -> Result<bool, RepoError> {
        if ancestor == descendant {
            return Ok(true);
        }
        let (a, d) = (self.id(ancestor)?, self.id(descendant)?);
        let base = self.repository.merge_base(a, d);
        // No common ancestor is an answer; a missing object is not.
        match base.map_err(|e| self.wrong()(&e))? {
            Some(base) => Ok(base == a),
            None => Ok(false),
        }
    }

    /// The best common ancestor.
    ///
    /// # Errors
    /// A commit is not there.
    pub fn merge_base(&self, a: &str, b: &str) -> Result<Option<String>, RepoError> {
        let (a, b) = (self.id(a)?, self.id(b)?);
        Ok(self.repository.merge_base(a, b).map_err(|e| self.wrong()(&e))?.map(|id| id.to_string()))
    }

    /// Commits that are reached from the tips and not from what is hidden, newest first.
    ///
    /// # Errors
    /// An object is missing, or there are more than [`Limits::COMMITS`].
    pub fn new_commits(&self, tips: &[String], hidden: &[String]) -> Result<Vec<String>, RepoError> {
        let ids = |list: &[String]| list.iter().map(|id| self.id(id)).collect::<Result<Vec<_>, _>>();
        let (tips, hidden) = (ids(tips)?, ids(hidden)?);
        if tips.is_empty() {
            return Ok(Vec::new());
        }
        let walk = self.repository.rev_walk(tips).with_hidden(hidden).all().map_err(|e| self.wrong()(&e))?;
        let mut found = Vec::new();
        for info in walk {
            let info = info.map_err(|e| self.wrong()(&e))?;
            if found.len() >= Limits::COMMITS {
                return Err(self.wrong()(&format!("more than {} commits in one push", Limits::COMMITS)));
            }
            found.push(info.id.to_string());
        }
        Ok(found)
    }

    /// The refs of the real repository by full name, with the id that each holds (a tag's own id, not its commit's).
    ///
    /// # Errors
    /// They cannot be read.
    pub fn refs(&self) -> Result<Vec<(String, String)>, RepoError> {
        let wrong = self.wrong();
        let real = self.real()?;
        let platform = real.references().map_err(|e| wrong(&e))?;
        let mut found = Vec::new();
        for reference in platform.all().map_err(|e| wrong(&e))? {
            let reference = reference.map_err(|e| wrong(&e))?;
            if found.len() >= Limits::REFS {
                return Err(wrong(&format!("more than {} refs", Limits::REFS)));
            }
            let Some(id) = reference.try_id() else { continue };
            found.push((reference.name().as_bstr().to_string(), id.to_string()));
        }
        found.sort();
        Ok(found)
    }

    /// What a ref of the real repository holds (a tag's own id); `None` when there is no such ref.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn reference(&self, name: &str) -> Result<Option<String>, RepoError> {
        let wrong = self.wrong();
        let real = self.real()?;
        let found = real.try_find_reference(name).map_err(|e| wrong(&e))?;
        Ok(found.and_then(|reference| reference.try_id().map(|id| id.to_string())))
    }

    /// Whether a ref of the real repository stands for another one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is_symbolic(&self, name: &str) -> Result<bool, RepoError> {
        let wrong = self.wrong();
        let real = gix::open_opts(&self.git_dir, gix::open::Options::isolated()).map_err(|e| wrong(&e))?;
        let found = real.try_find_reference(name).map_err(|e| wrong(&e))?;
        Ok(found.is_some_and(|reference| reference.try_id().is_none()))
    }

    /// Where `HEAD` points to.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn head(&self) -> Result<Option<String>, RepoError> {
        let wrong = self.wrong();
        let real = gix::open_opts(&self.git_dir, gix::open::Options::isolated()).map_err(|e| wrong(&e))?;
        Ok(real.head_name().map_err(|e| wrong(&e))?.map(|name| name.as_bstr().to_string()))
    }

    /// Whether it is bare, shallow.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn shape(&self) -> Result<(bool, bool), RepoError> {
        let wrong = self.wrong();
        let real = gix::open_opts(&self.git_dir, gix::open::Options::isolated()).map_err(|e| wrong(&e))?;
        Ok((real.workdir().is_none(), real.is_shallow().map_err(|e| wrong(&e))?))
    }
}

/// Whether a ref's name is one that git allows (git-check-ref-format(1)), below `refs/`.
pub fn valid_ref_name(name: &str) -> bool {
    name.starts_with("refs/")
        && name.len() <= 1024
        && !name.chars().any(char::is_control)
        && gix::validate::reference::name(name.into()).is_ok()
}
