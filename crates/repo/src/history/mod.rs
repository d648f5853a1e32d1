//! What a repository's objects hold: every object once, a range of commits, what is staged.
//!
//! Packs are read delta tree by delta tree, so that each delta is applied once; nothing is written, no filter is run, and
//! whatever the repository's configuration says takes no part.

mod names;
mod pack;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gix::ObjectId;
use gix::objs::Kind;

use self::names::{Names, Place, place};
use self::pack::Pack;
use crate::{RepoError, open};

/// One object.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    /// Its id, hexadecimal.
    pub id: &'a str,
    /// A name that it has somewhere: of a file, without directories, when all objects are read; a path otherwise. Empty
    /// when no tree has it.
    pub name: &'a str,
    /// The commit that brought it, where that is known.
    pub commit: Option<&'a str>,
    /// Its content.
    pub bytes: &'a [u8],
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Files.
    pub blobs: u64,
    /// Commits and tags, whose messages are read too.
    pub messages: u64,
    /// What could not be read: an object's id or a pack's name, and why.
    pub failures: Vec<(String, String)>,
    /// The clone is shallow: its history is not complete.
    pub shallow: bool,
}

/// Called with each object, from several threads.
pub type Visit<'v> = dyn Fn(Object<'_>) + Sync + 'v;

/// The largest object that is read, in bytes.
const LARGEST: usize = 512 << 20;

pub(crate) fn problem(path: &Path) -> impl Fn(&dyn std::fmt::Display) -> RepoError {
    let path = path.to_path_buf();
    move |why| RepoError::Unreadable { path: path.clone(), why: why.to_string() }
}

/// How a name decides what its content is taken for: of several names of one content the lowest counts.
pub type Rank<'r> = dyn Fn(&str) -> u8 + Sync + 'r;

/// The entries of a tree: mode, name, id (git's tree format).
pub(crate) fn entries(mut bytes: &[u8], length: usize) -> impl Iterator<Item = (u32, &[u8], ObjectId)> {
    std::iter::from_fn(move || {
        let space = bytes.iter().position(|b| *b == b' ')?;
        let mode = u32::from_str_radix(std::str::from_utf8(&bytes[..space]).ok()?, 8).ok()?;
        let zero = space + 1 + bytes[space + 1..].iter().position(|b| *b == 0)?;
        let name = &bytes[space + 1..zero];
        let id = ObjectId::try_from(bytes.get(zero + 1..zero + 1 + length)?).ok()?;
        bytes = &bytes[zero + 1 + length..];
        Some((mode, name, id))
    })
}

pub(crate) const DIRECTORY: u32 = 0o040_000;
const SUBMODULE: u32 = 0o160_000;

/// Reads every object once: packed and loose, reachable or not, those of borrowed object directories too. With `only`,
/// the objects of that object directory alone: what a push brought, while it is in quarantine (githooks(5)).
///
/// # Errors
/// There is no repository.
pub fn objects(directory: &Path, only: Option<&Path>, rank: &Rank<'_>, visit: &Visit<'_>) -> Result<Seen, RepoError> {
    let wrong = problem(directory);
    let repository = open(directory)?;
    let mut seen = Seen { shallow: repository.is_shallow().unwrap_or(false), ..Seen::default() };
    let hash = repository.object_hash();
    let length = hash.len_in_bytes();
    let mut folders: Vec<PathBuf> = match only {
        Some(only) => vec![only.to_path_buf()],
        None => {
            let own = repository.objects.store_ref().path().to_path_buf();
            let mut all = vec![own.clone()];
            let here = std::env::current_dir().map_err(|e| wrong(&e))?;
            match gix::odb::alternate::resolve(own, &here) {
                Ok(borrowed) => all.extend(borrowed),
                Err(error) => seen.failures.push(("objects/info/alternates".into(), error.to_string())),
            }
            all
        }
    };
    folders.dedup();
    let mut packs: Vec<Pack> = Vec::new();
    let mut loose = Vec::new();
    for folder in &folders {
        if !folder.is_dir() {
            seen.failures
                .push((folder.display().to_string(), "objects are borrowed from here, and it is no directory".into()));
            continue;
        }
        for path in index_files(folder, &mut seen.failures) {
            match Pack::open(&path, hash) {
                Ok(pack) => packs.push(pack),
                Err(why) => seen.failures.push((path.display().to_string(), why)),
            }
        }
        loose.push(gix::odb::loose::Store::at(folder, hash));
    }
    let names = Mutex::new(Names::new(rank, &packs));
    let lock = || names.lock().unwrap_or_else(PoisonError::into_inner);
    let messages = std::sync::atomic::AtomicU64::new(0);
    let structure = |kind: Kind, id: ObjectId, bytes: &[u8]| {
        if kind == Kind::Tree {
            let files = entries(bytes, length).filter(|(mode, ..)| mode & 0o170_000 != DIRECTORY && *mode != SUBMODULE);
            let files: Vec<_> = files.map(|(_, name, id)| (place(&packs, id), name)).collect();
            let mut names = lock();
            files.into_iter().for_each(|(place, name)| names.add(place, name));
        } else {
            messages.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let id = id.to_string();
            let name = if kind == Kind::Commit { "commit message" } else { "tag message" };
            visit(Object { id: &id, name, commit: Some(&id), bytes });
        }
    };
    // An object in several packs is read from the first.
    let first_in = |number: usize, place: Place| matches!(place, Place::Packed(first, _) if first == number);
    let mut failures = Vec::new();
    for (number, pack) in packs.iter().enumerate() {
        let wanted = |kind: Kind, id: ObjectId, bytes: &[u8]| {
            if kind == Kind::Tree || kind != Kind::Blob && first_in(number, place(&packs, id)) {
                structure(kind, id, bytes);
            }
        };
        if let Err(why) = pack.structure(&wanted) {
            failures.push((pack.path().display().to_string(), why));
        }
    }
    let mut loose_blobs: Vec<(usize, ObjectId)> = Vec::new();
    let mut buffer = Vec::new();
    let mut met = HashSet::new();
    for (number, store) in loose.iter().enumerate() {
        if !store.path().is_dir() {
            continue;
        }
        let mut ids: Vec<ObjectId> = Vec::new();
        for id in store.iter() {
            match id {
                Ok(id) => ids.push(id),
                Err(error) => failures.push((store.path().display().to_string(), error.to_string())),
            }
        }
        unreadable_folders(store.path(), &mut failures);
        ids.sort_unstable();
        for id in ids {
            if matches!(place(&packs, id), Place::Packed(..)) || !met.insert(id) {
                continue;
            }
            match store.try_header(&id) {
                Ok(Some((size, _))) if size > LARGEST as u64 => {
                    failures.push((id.to_string(), format!("{size} bytes are too many")));
                }
                Ok(Some((_, Kind::Blob))) => loose_blobs.push((number, id)),
                Ok(_) => match store.try_find(&id, &mut buffer) {
                    Ok(Some(data)) => structure(data.kind, id, data.data),
                    Ok(None) => {}
                    Err(error) => failures.push((id.to_string(), error.to_string())),
                },
                Err(error) => failures.push((id.to_string(), error.to_string())),
            }
        }
    }
    drop(met);
    let names = names.into_inner().unwrap_or_else(PoisonError::into_inner);
    let count = std::sync::atomic::AtomicU64::new(0);
    let blob = |place: Place, id: ObjectId, bytes: &[u8]| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        visit(Object { id: &id.to_string(), name: names.get(place), commit: None, bytes });
    };
    for (number, pack) in packs.iter().enumerate() {
        let wanted = |kind: Kind, id: ObjectId, bytes: &[u8]| {
            if kind == Kind::Blob {
                let place = place(&packs, id);
                if first_in(number, place) {
                    blob(place, id, bytes);
                }
            }
        };
        if let Err(why) = pack.blobs(&wanted) {
            failures.push((pack.path().display().to_string(), why));
        }
    }
    for (number, id) in loose_blobs {
        match loose[number].try_find(&id, &mut buffer) {
            Ok(Some(data)) => blob(Place::Elsewhere(id), id, data.data),
            Ok(None) => {}
            Err(error) => failures.push((id.to_string(), error.to_string())),
        }
    }
    if only.is_none()
        && let Some((count, first)) = names.absent()
    {
        let why = "a tree names it and it is not here (a partial clone, or a damaged one)";
        let more = if count > 1 { format!("; {} others too", count - 1) } else { String::new() };
        failures.push((format!("object {first}"), format!("{why}{more}")));
    }
    if names.is_full() {
        let why = "there are too many to keep: what some files are was told by their content alone";
        failures.push(("names of files".to_owned(), why.to_owned()));
    }
    seen.blobs = count.into_inner();
    seen.messages = messages.into_inner();
    seen.failures.append(&mut failures);
    seen.failures.sort();
    Ok(seen)
}

/// Folders of loose objects that cannot be listed, or are links: git follows them.
fn unreadable_folders(objects: &Path, failures: &mut Vec<(String, String)>) {
    for number in 0..256 {
        let folder = objects.join(format!("{number:02x}"));
        let Ok(metadata) = std::fs::symlink_metadata(&folder) else { continue };
        if metadata.is_symlink() {
            failures.push((folder.display().to_string(), "a folder of objects that is a link".to_owned()));
        } else if let Err(error) = std::fs::read_dir(&folder) {
            failures.push((folder.display().to_string(), error.to_string()));
        }
    }
}

/// The indices of a folder's packs. A pack without one, and one whose objects are promised by a server, are failures.
fn index_files(folder: &Path, failures: &mut Vec<(String, String)>) -> Vec<PathBuf> {
    let folder = folder.join("pack");
    let mut files = Vec::new();
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => files.push(entry.path()),
                    Err(error) => failures.push((folder.display().to_string(), error.to_string())),
                }
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => failures.push((folder.display().to_string(), error.to_string())),
    }
    let is = |path: &PathBuf, ending: &str| path.extension().is_some_and(|e| e == ending);
    for pack in files.iter().filter(|path| is(path, "pack")) {
        if !files.contains(&pack.with_extension("idx")) {
            failures.push((pack.display().to_string(), "a pack without an index".to_owned()));
        }
    }
    files.retain(|path| is(path, "idx"));
    files.sort();
    files
}

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its path.
    pub path: String,
    /// The earliest commit that has it, of those that a branch, a tag or another ref reaches.
    pub commit: String,
    /// The place of that commit, from the oldest on.
    pub order: usize,
}

/// Where objects are, by their ids.
///
/// # Errors
/// There is no repository, or its history cannot be walked.
pub fn locate(directory: &Path, wanted: &HashSet<String>) -> Result<BTreeMap<String, Location>, RepoError> {
    let wrong = problem(directory);
    let mut repository = open(directory)?;
    repository.object_cache_size(32 << 20);
    let wanted: HashSet<ObjectId> = wanted.iter().filter_map(|id| id.parse().ok()).collect();
    let mut found = BTreeMap::new();
    let mut met = HashSet::new();
    let list = commits(&repository, &tips(&repository, &wrong)?, &[], &mut Failures::new()).map_err(|e| wrong(&e))?;
    for (order, commit) in list.into_iter().enumerate() {
        if found.len() == wanted.len() {
            break;
        }
        let Ok(Some(tree)) = tree_of(&repository, commit) else { continue };
        // What is missing was said when the objects were read.
        walk(&repository, tree, String::new(), 0, &mut met, &mut Failures::new(), &mut |path, id| {
            if wanted.contains(&id) {
                let location = || Location { path: path.to_owned(), commit: commit.to_string(), order };
                found.entry(id.to_string()).or_insert_with(location);
            }
        });
    }
    Ok(found)
}

/// Reads what a range of commits brings: the files of its commits that the commits before it do not have, each once.
/// `range` is `A..B`, or one commit for all of its history; `since` leaves out commits before a time (seconds since
/// 1970).
///
/// # Errors
/// There is no repository, or it does not know the range.
pub fn introduced(directory: &Path, range: &str, since: Option<i64>, visit: &Visit<'_>) -> Result<Seen, RepoError> {
    let wrong = problem(directory);
    let mut repository = open(directory)?;
    repository.object_cache_size(32 << 20);
    let one = |text: &str| {
        let text = if text.is_empty() { "HEAD" } else { text };
        let id = repository.rev_parse_single(text).map_err(|e| wrong(&format!("`{text}`: {e}")))?;
        Ok::<_, RepoError>(id.detach())
    };
    let (tips_wanted, hidden) = match range.split_once("..") {
        Some((from, to)) => (vec![one(to.trim_start_matches('.'))?], vec![one(from)?]),
        None if range.is_empty() => (tips(&repository, &wrong)?, Vec::new()),
        None => (vec![one(range)?], Vec::new()),
    };
    let mut met = HashSet::new();
    let mut seen = Seen { shallow: repository.is_shallow().unwrap_or(false), ..Seen::default() };
    let mut list = commits(&repository, &tips_wanted, &hidden, &mut seen.failures).map_err(|e| wrong(&e))?;
    let mut before: Vec<ObjectId> = hidden;
    if let Some(since) = since {
        let (old, new): (Vec<_>, Vec<_>) = list.into_iter().partition(|id| time_of(&repository, *id) < since);
        before.extend(old);
        list = new;
    }
    for commit in before {
        if let Ok(Some(tree)) = tree_of(&repository, commit) {
            walk(&repository, tree, String::new(), 0, &mut met, &mut seen.failures, &mut |_, _| {});
        }
    }
    for commit in list {
        let name = commit.to_string();
        match repository.find_object(commit) {
            Ok(object) => {
                seen.messages += 1;
                visit(Object { id: &name, name: "commit message", commit: Some(&name), bytes: &object.data });
            }
            Err(error) => seen.failures.push((name.clone(), error.to_string())),
        }
        let tree = match tree_of(&repository, commit) {
            Ok(Some(tree)) => tree,
            Ok(None) => continue,
            Err(error) => {
                seen.failures.push((name.clone(), error.to_string()));
                continue;
            }
        };
        let mut new = Vec::new();
        let failures = &mut seen.failures;
        walk(&repository, tree, String::new(), 0, &mut met, failures, &mut |path, id| new.push((path.to_owned(), id)));
        for (path, id) in new {
            read(&repository, &path, id, Some(&name), &mut seen, visit);
        }
    }
    Ok(seen)
}

/// Reads what is staged: the entries of the index (of `index_file`, where git names another) that the commit at HEAD does not have as they are.
///
/// # Errors
/// There is no repository, or its index cannot be read.
pub fn staged(directory: &Path, index_file: Option<&Path>, visit: &Visit<'_>) -> Result<Seen, RepoError> {
    let wrong = problem(directory);
    let repository = open(directory)?;
    let mut seen = Seen::default();
    let mut committed: HashMap<String, ObjectId> = HashMap::new();
    if let Some(tree) = repository.head_id().ok().and_then(|id| tree_of(&repository, id.detach()).ok().flatten()) {
        walk(&repository, tree, String::new(), 0, &mut HashSet::new(), &mut seen.failures, &mut |path, id| {
            committed.insert(path.to_owned(), id);
        });
    }
    // For `git commit -a` and `git commit FILE` git makes an index of their own, and names it to the hook.
    let index = match index_file {
        Some(path) => gix::index::File::at(path, repository.object_hash(), true, Default::default())
            .map_err(|e| wrong(&format!("the index {}: {e}", path.display())))?,
        None => gix::index::File::clone(&**repository.index_or_empty().map_err(|e| wrong(&e))?),
    };
    for entry in index.entries() {
        let path = entry.path(&index).to_string();
        let is_file = entry.mode != gix::index::entry::Mode::COMMIT;
        if is_file && committed.get(&path) != Some(&entry.id) {
            read(&repository, &path, entry.id, None, &mut seen, visit);
        }
    }
    Ok(seen)
}

/// The content of a file in a commit; `None` where there is none.
///
/// # Errors
/// There is no repository, or it does not know the commit.
pub fn file_at(directory: &Path, commit: &str, path: &str) -> Result<Option<Vec<u8>>, RepoError> {
    let wrong = problem(directory);
    let repository = open(directory)?;
    let id = repository.rev_parse_single(commit).map_err(|e| wrong(&format!("`{commit}`: {e}")))?;
    let tree = tree_of(&repository, id.detach()).map_err(|e| wrong(&e))?;
    let Some(mut id) = tree else { return Ok(None) };
    let length = repository.object_hash().len_in_bytes();
    for part in path.split('/') {
        let Ok(object) = repository.find_object(id) else { return Ok(None) };
        let found = entries(&object.data, length).find(|(_, name, _)| *name == part.as_bytes()).map(|(_, _, id)| id);
        let Some(next) = found else { return Ok(None) };
        id = next;
    }
    Ok(repository.find_object(id).ok().filter(|object| object.kind == Kind::Blob).map(|object| object.data.clone()))
}

fn read(
    repository: &gix::Repository,
    path: &str,
    id: ObjectId,
    commit: Option<&str>,
    seen: &mut Seen,
    visit: &Visit<'_>,
) {
    let size = repository.find_header(id).map(|header| header.size());
    match size {
        Ok(size) if size <= LARGEST as u64 => match repository.find_object(id) {
            Ok(object) => {
                seen.blobs += 1;
                visit(Object { id: &id.to_string(), name: path, commit, bytes: &object.data });
            }
            Err(error) => seen.failures.push((path.to_owned(), error.to_string())),
        },
        Ok(size) => seen.failures.push((path.to_owned(), format!("{size} bytes are too many"))),
        Err(error) => seen.failures.push((path.to_owned(), error.to_string())),
    }
}

/// HEAD and all refs, tags peeled, notes and the stash among them.
fn tips(
    repository: &gix::Repository,
    wrong: &impl Fn(&dyn std::fmt::Display) -> RepoError,
) -> Result<Vec<ObjectId>, RepoError> {
    let mut tips: Vec<ObjectId> = repository.head_id().ok().map(|id| id.detach()).into_iter().collect();
    let references = repository.references().map_err(|e| wrong(&e))?;
    for reference in references.all().map_err(|e| wrong(&e))?.filter_map(Result::ok) {
        let mut reference = reference;
        if let Ok(id) = reference.peel_to_id() {
            tips.push(id.detach());
        }
    }
    tips.retain(|id| repository.find_header(*id).is_ok_and(|header| header.kind() == Kind::Commit));
    tips.sort_unstable();
    tips.dedup();
    Ok(tips)
}

/// The commits from `tips` without those of `hidden`, oldest first.
fn commits(
    repository: &gix::Repository,
    tips: &[ObjectId],
    hidden: &[ObjectId],
    failures: &mut Failures,
) -> Result<Vec<ObjectId>, gix::Error> {
    use gix::revision::walk::Sorting;
    use gix::traverse::commit::simple::CommitTimeOrder;
    let walk = repository
        .rev_walk(tips.iter().copied())
        .with_hidden(hidden.iter().copied())
        .sorting(Sorting::ByCommitTime(CommitTimeOrder::NewestFirst))
        .all()?;
    let mut list = Vec::new();
    for info in walk {
        match info {
            Ok(info) => list.push(info.id),
            Err(error) => failures.push(("the history".to_owned(), error.to_string())),
        }
    }
    list.reverse();
    Ok(list)
}

pub(crate) fn tree_of(repository: &gix::Repository, commit: ObjectId) -> Result<Option<ObjectId>, gix::Error> {
    let object = repository.find_object(commit)?.peel_tags_to_end()?;
    Ok(match object.kind {
        Kind::Commit => Some(object.into_commit().tree_id()?.detach()),
        Kind::Tree => Some(object.id),
        _ => None,
    })
}

fn time_of(repository: &gix::Repository, commit: ObjectId) -> i64 {
    repository.find_commit(commit).ok().and_then(|commit| commit.time().ok()).map_or(0, |time| time.seconds)
}

/// What a walk over trees could not see.
type Failures = Vec<(String, String)>;

/// Visits the files of a tree; trees and files that were met before are passed over.
fn walk(
    repository: &gix::Repository,
    tree: ObjectId,
    path: String,
    depth: usize,
    met: &mut HashSet<ObjectId>,
    failures: &mut Failures,
    visit: &mut dyn FnMut(&str, ObjectId),
) {
    if !met.insert(tree) {
        return;
    }
    if depth > 256 {
        failures.push((path, "directories within one another beyond 256".to_owned()));
        return;
    }
    let object = match repository.find_object(tree) {
        Ok(object) => object,
        Err(error) => {
            failures.push((format!("tree {tree} at `{path}`"), error.to_string()));
            return;
        }
    };
    let length = repository.object_hash().len_in_bytes();
    for (mode, name, id) in entries(&object.data, length) {
        let name = String::from_utf8_lossy(name);
        let inner = if path.is_empty() { name.into_owned() } else { format!("{path}/{name}") };
        if mode & 0o170_000 == DIRECTORY {
            walk(repository, id, inner, depth + 1, met, failures, visit);
        } else if mode != SUBMODULE && met.insert(id) {
            visit(&inner, id);
        }
    }
}
