//! What differs between two trees, path by path. Names are bytes; nothing is checked out.

use gix::ObjectId;
use gix::objs::Kind;

use crate::history::{DIRECTORY, entries};
use crate::{Limits, RepoError, View};

/// What a path holds on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// git's mode, such as `0o100644`, `0o100755`, `0o120000` (link), `0o160000` (submodule).
    pub mode: u32,
    /// The object: a file's content, or a submodule's commit.
    pub id: String,
}

impl Side {
    /// A symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }

    /// A submodule.
    pub fn is_submodule(&self) -> bool {
        self.mode & 0o170_000 == 0o160_000
    }

    /// A regular file that may be executed.
    pub fn is_executable(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000 && self.mode & 0o111 != 0
    }

    /// A regular file.
    pub fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }
}

/// A path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path's bytes, as git keeps them.
    pub path: Vec<u8>,
    /// Before; `None` for a new path.
    pub old: Option<Side>,
    /// After; `None` for a path that is gone.
    pub new: Option<Side>,
}

impl Change {
    /// The path for people and for globs: what is not UTF-8 as replacement characters.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }
}

type Entry = (u32, Vec<u8>, ObjectId);

/// What a comparison found so far, and how much it looked at.
#[derive(Default)]
struct Found {
    changes: Vec<Change>,
    trees: usize,
    /// Pairs of directories without a difference below them: empty ones within one another are many ways to nothing.
    same: std::collections::HashSet<(Option<ObjectId>, Option<ObjectId>)>,
}

impl View {
    /// The paths in which two trees (or commits) differ, in order of names.
    ///
    /// # Errors
    /// An object is missing or damaged, a name that no tree may have, or a limit.
    pub fn changes(&self, old: Option<&str>, new: &str) -> Result<Vec<Change>, RepoError> {
        let old = old.map(|id| self.tree_id(id)).transpose()?;
        let new = self.tree_id(new)?;
        let mut found = Found::default();
        self.compare(old, Some(new), &mut Vec::new(), 0, &mut found)?;
        Ok(found.changes)
    }

    /// All paths of a commit or tree, each as a change from nothing.
    ///
    /// # Errors
    /// As [`View::changes`].
    pub fn paths(&self, id: &str) -> Result<Vec<Change>, RepoError> {
        self.changes(None, id)
    }

    /// What a path holds in a commit or tree.
    ///
    /// # Errors
    /// An object is missing or damaged.
    pub fn at(&self, id: &str, path: &str) -> Result<Option<Side>, RepoError> {
        let mut tree = self.tree_id(id)?;
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let found = self.tree_entries(tree)?.into_iter().find(|(_, name, _)| name == part.as_bytes());
            let Some((mode, _, id)) = found else { return Ok(None) };
            let directory = mode & 0o170_000 == DIRECTORY;
            match (parts.peek().is_some(), directory) {
                (true, true) => tree = id,
                (false, false) => return Ok(Some(Side { mode, id: id.to_string() })),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The tree of a commit, through tags; a tree's own id.
    ///
    /// # Errors
    /// It is neither.
    pub fn tree_of(&self, id: &str) -> Result<String, RepoError> {
        Ok(self.tree_id(id)?.to_string())
    }

    pub(crate) fn tree_id(&self, id: &str) -> Result<ObjectId, RepoError> {
        match self.git().find_header(self.id(id)?).map_err(|e| self.wrong()(&e))?.kind() {
            Kind::Tree => self.id(id),
            _ => self.id(&self.commit(&self.peel(id)?)?.tree),
        }
    }

    fn tree_entries(&self, id: ObjectId) -> Result<Vec<Entry>, RepoError> {
        let (bytes, kind) = self.read_id(id, Limits::TREE)?;
        if kind != Kind::Tree {
            return Err(self.wrong()(&format!("{id} is no tree")));
        }
        let length = self.git().object_hash().len_in_bytes();
        let mut found = Vec::new();
        let mut used = 0;
        for (mode, name, id) in entries(&bytes, length) {
            used += format!("{mode:o}").len() + 1 + name.len() + 1 + length;
            // Other modes are files to one reader and submodules to another.
            if !matches!(mode, 0o100_644 | 0o100_755 | 0o100_664 | 0o120_000 | 0o160_000 | DIRECTORY) {
                return Err(self.wrong()(&format!(
                    "the tree {id} holds an entry of the mode {mode:o}, which git does not make"
                )));
            }
            if let Some(why) = bad_name(name) {
                let name = String::from_utf8_lossy(name).escape_debug().to_string();
                return Err(self.wrong()(&format!("a tree holds the name `{name}`: {why}")));
            }
            found.push((mode, name.to_vec(), id));
        }
        // What the reader did not take would be seen by others, or the mode is written in another way.
        if used != bytes.len() {
            return Err(self.wrong()(&format!("the tree {id} is malformed")));
        }
        let order = |a: &Entry, b: &Entry| sort_key(a).cmp(&sort_key(b));
        if found.windows(2).any(|two| order(&two[0], &two[1]) != std::cmp::Ordering::Less) {
            return Err(self.wrong()(&format!("the names of the tree {id} are not in order, or one is there twice")));
        }
        if let Some(twice) = names_twice(&found) {
            return Err(self.wrong()(&format!("the tree {id} holds `{twice}` twice")));
        }
        Ok(found)
    }

    fn compare(
        &self,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        path: &mut Vec<u8>,
        depth: usize,
        found: &mut Found,
    ) -> Result<(), RepoError> {
        if old == new || found.same.contains(&(old, new)) {
            return Ok(());
        }
        if depth > Limits::DEPTH {
            return Err(self.wrong()(&format!("directories within one another beyond {}", Limits::DEPTH)));
        }
        // Few objects can make more directories than anybody can walk.
        found.trees += 1;
        if found.trees > Limits::TREES {
            return Err(self.wrong()(&format!("more than {} directories to compare", Limits::TREES)));
        }
        let read = |id: Option<ObjectId>| id.map_or(Ok(Vec::new()), |id| self.tree_entries(id));
        let before = found.changes.len();
        let (mut a, mut b) = (read(old)?.into_iter().peekable(), read(new)?.into_iter().peekable());
        loop {
            // By plain names: git's own order puts directories elsewhere, so a file that became one is met twice.
            let order = match (a.peek(), b.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(x), Some(y)) => sort_key(x).cmp(&sort_key(y)),
            };
            let (x, y) = match order {
                std::cmp::Ordering::Less => (a.next(), None),
                std::cmp::Ordering::Greater => (None, b.next()),
                std::cmp::Ordering::Equal => (a.next(), b.next()),
            };
            let name = x.as_ref().or(y.as_ref()).map(|(_, name, _)| name.clone()).unwrap_or_default();
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            if path.len() > Limits::PATH {
                return Err(self.wrong()(&format!("a path of more than {} bytes", Limits::PATH)));
            }
            let tree = |entry: &Option<Entry>| entry.as_ref().filter(|e| e.0 & 0o170_000 == DIRECTORY).map(|e| e.2);
            let side = |entry: Option<Entry>| {
                entry.filter(|e| e.0 & 0o170_000 != DIRECTORY).map(|(mode, _, id)| Side { mode, id: id.to_string() })
            };
            let (tree_x, tree_y) = (tree(&x), tree(&y));
            if tree_x.is_some() || tree_y.is_some() {
                self.compare(tree_x, tree_y, path, depth + 1, found)?;
            }
            let (side_x, side_y) = (side(x), side(y));
            if side_x != side_y {
                if found.changes.len() >= Limits::CHANGES {
                    return Err(self.wrong()(&format!("more than {} changed paths", Limits::CHANGES)));
                }
                found.changes.push(Change { path: path.clone(), old: side_x, new: side_y });
            }
            path.truncate(length);
        }
        if found.changes.len() == before {
            found.same.insert((old, new));
        }
        Ok(())
    }
}

/// git sorts a directory as if its name ended in a slash.
fn sort_key(entry: &Entry) -> Vec<u8> {
    let mut key = entry.1.clone();
    if entry.0 & 0o170_000 == DIRECTORY {
        key.push(b'/');
    }
    key
}

/// A name that a file and a directory share: git's order keeps such a pair apart.
fn names_twice(entries: &[Entry]) -> Option<String> {
    let mut names: Vec<&[u8]> = entries.iter().map(|e| e.1.as_slice()).collect();
    names.sort_unstable();
    names.windows(2).find(|two| two[0] == two[1]).map(|two| String::from_utf8_lossy(two[0]).escape_debug().to_string())
}

/// Names that write outside the tree or into `.git` when they are checked out (CVE-2014-9390, CVE-2018-11235 and kin).
fn bad_name(name: &[u8]) -> Option<&'static str> {
    let lower: Vec<u8> = name.to_ascii_lowercase();
    // HFS+ ignores these characters; NTFS takes a trailing dot, space or stream name away, and knows short names.
    let visible: String = String::from_utf8_lossy(&lower)
        .chars()
        .filter(
            |c| !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'),
        )
        .collect();
    let windows = visible.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    match name {
        b"" => Some("it is empty"),
        b"." | b".." => Some("it is a way out of the tree"),
        _ if name.contains(&b'/') => Some("it holds a slash"),
        _ if visible == ".git" || windows == ".git" || windows == "git~1" => Some("some systems take it for `.git`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::bad_name;

    #[test]
    fn names_that_leave_the_tree() {
        for bad in
            ["", ".", "..", ".git", ".GIT", ".Git ", ".git.", "git~1", ".git::$INDEX_ALLOCATION", ".g\u{200c}it", "a/b"]
        {
            assert!(bad_name(bad.as_bytes()).is_some(), "{bad}");
        }
        for good in [".gitignore", ".github", "git", "...", "a.git", "git~10"] {
            assert!(bad_name(good.as_bytes()).is_none(), "{good}");
        }
    }
}
