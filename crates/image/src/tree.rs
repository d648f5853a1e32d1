//! The merged file system of all layers: what of each is visible, and what was hidden by which.
//!
//! Layers are applied as overlay file systems apply them, since nearly every container runs on one: a link that an earlier
//! layer made is not followed when a later layer puts a file beneath its name (the later directory stands in its place);
//! one that the same layer made is.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;

use provost_formats::layer::Kind;

use crate::entry::{Entry, EntryId, EntryKind};
use crate::name::{join, split};

/// A path of the merged file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is. A hard link is what it links to.
    pub kind: Kind,
    /// The layer whose version this is.
    pub layer: usize,
    /// The entry that put it there; none for a directory that no layer lists.
    pub entry: Option<EntryId>,
    /// For files: the entry that holds the content. Another one's for hard links.
    pub content: Option<EntryId>,
    /// Permissions with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Bytes of content.
    pub size: u64,
    /// It has file capabilities.
    pub capabilities: bool,
    /// Target of a symbolic link, as it stands there.
    pub link: Option<Box<[u8]>>,
    /// For devices: major and minor number.
    pub device: (u32, u32),
}

impl Node {
    fn implied(layer: usize) -> Self {
        Self {
            kind: Kind::Directory,
            layer,
            entry: None,
            content: None,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size: 0,
            capabilities: false,
            link: None,
            device: (0, 0),
        }
    }
}

/// How something was hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// A whiteout of it or of a directory above it.
    Whiteout,
    /// Its directory was made opaque.
    Opaque,
    /// Something else stands in its place, or in the place of a directory above it.
    Replaced,
}

/// A version of a path that is not visible in the merged file system. Everyone who has the layer can read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hidden {
    /// The entry.
    pub entry: EntryId,
    /// Its path.
    pub path: Vec<u8>,
    /// The layer that hid it.
    pub by: usize,
    /// How.
    pub how: How,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate<'t> {
    /// It is visible.
    Visible,
    /// It was hidden.
    Hidden(&'t Hidden),
    /// It never had a place: it was refused, or is a whiteout.
    NotPlaced,
}

/// Why a path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// Nothing is there.
    #[error("no such file")]
    Absent,
    /// Too many symbolic links.
    #[error("too many symbolic links")]
    Loop,
    /// A part of it is no directory.
    #[error("a part of it is no directory")]
    NotDirectory,
}

/// The merged file system.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: BTreeMap<Box<[u8]>, Node>,
    /// In order of entries once the walk is over.
    hidden: Vec<Hidden>,
    not_placed: Vec<EntryId>,
    links: usize,
}

impl Tree {
    /// What stands at a path; symbolic links are not followed. The root is the empty path.
    pub fn node(&self, path: impl AsRef<[u8]>) -> Option<&Node> {
        self.nodes.get(path.as_ref())
    }

    /// Follows a path and its symbolic links, never out of the root. Returns where it ends, and what stands there.
    ///
    /// # Errors
    /// It leads nowhere.
    pub fn resolve(&self, path: impl AsRef<[u8]>) -> Result<(&[u8], &Node), Unresolved> {
        let mut queue: VecDeque<Vec<u8>> = parts(path.as_ref());
        let mut at = Vec::new();
        let mut followed = 0;
        while let Some(part) = queue.pop_front() {
            if part == b".." {
                at = split(&at).0.to_vec();
                continue;
            }
            let next = join(&at, &part);
            let node = self.nodes.get(&next[..]).ok_or(Unresolved::Absent)?;
            match (&node.link, node.kind) {
                (Some(link), _) => {
                    followed += 1;
                    if followed > self.links {
                        return Err(Unresolved::Loop);
                    }
                    if link.starts_with(b"/") {
                        at.clear();
                    }
                    for part in parts(link).into_iter().rev() {
                        queue.push_front(part);
                    }
                    if queue.len() > 65_536 {
                        return Err(Unresolved::Loop);
                    }
                }
                (None, Kind::Directory) => at = next,
                (None, _) if queue.is_empty() => at = next,
                (None, _) => return Err(Unresolved::NotDirectory),
            }
        }
        self.nodes.get_key_value(&at[..]).map(|(path, node)| (&**path, node)).ok_or(Unresolved::Absent)
    }

    /// Every path with what stands there, in the order of their bytes. The root is the empty path.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter().map(|(path, node)| (&**path, node))
    }

    /// Every path beneath a directory.
    pub fn beneath(&self, directory: impl AsRef<[u8]>) -> impl Iterator<Item = (&[u8], &Node)> {
        let (begin, end) = range(directory.as_ref());
        self.nodes.range::<[u8], _>((as_slice(&begin), as_slice(&end))).map(|(path, node)| (&**path, node))
    }

    /// How many paths there are, the root included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True when no layer put anything there.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// Everything that was hidden, in the order of layers and entries.
    pub fn hidden(&self) -> &[Hidden] {
        &self.hidden
    }

    /// What became of an entry. Directories that are listed again stay visible.
    pub fn fate(&self, entry: EntryId) -> Fate<'_> {
        if let Ok(at) = self.hidden.binary_search_by_key(&entry, |hidden| hidden.entry) {
            Fate::Hidden(&self.hidden[at])
        } else if self.not_placed.binary_search(&entry).is_ok() {
            Fate::NotPlaced
        } else {
            Fate::Visible
        }
    }
}

/// The parts of a path, empty ones and `.` left out, `..` kept.
fn parts(path: &[u8]) -> VecDeque<Vec<u8>> {
    path.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec).collect()
}

/// What lies beneath a directory, in the order of bytes: from `directory/` up to what follows it.
fn range(directory: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    if directory.is_empty() {
        return (Bound::Excluded(Vec::new()), Bound::Unbounded);
    }
    (Bound::Included([directory, b"/"].concat()), Bound::Excluded([directory, b"0"].concat()))
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(bytes) => Bound::Included(bytes),
        Bound::Excluded(bytes) => Bound::Excluded(bytes),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// What happened when an entry was put in its place.
#[derive(Debug, Default)]
pub(crate) struct Placing {
    /// Why it has no place.
    pub(crate) refused: Option<&'static str>,
    /// What other readers may see differently.
    pub(crate) odd: Vec<&'static str>,
    /// Entries whose content nothing visible refers to any more.
    pub(crate) lost: Vec<EntryId>,
}

/// Puts layer upon layer.
pub(crate) struct Builder {
    tree: Tree,
    layer: usize,
    /// For content that has several names: how many.
    names: HashMap<EntryId, usize>,
    /// The parent that was looked up last, and where it was found.
    last: Option<(Vec<u8>, Vec<u8>)>,
    /// Where this layer hid all that is beneath: nothing of lower layers can come back there.
    cleared: BTreeSet<Vec<u8>>,
    /// Look-ups that may still be made.
    steps: u64,
}

/// Why an entry is refused once all look-ups are used up.
pub(crate) const TOO_MUCH_WORK: &str = "putting the layers together costs more work than allowed";

impl Builder {
    pub(crate) fn new(links: usize, steps: u64) -> Self {
        let mut tree = Tree { links, ..Tree::default() };
        tree.nodes.insert(Box::default(), Node::implied(0));
        Self { tree, layer: 0, names: HashMap::new(), last: None, cleared: BTreeSet::new(), steps }
    }

    pub(crate) fn begin(&mut self, layer: usize) {
        self.layer = layer;
        self.last = None;
        self.cleared.clear();
    }

    pub(crate) fn finish(mut self) -> Tree {
        self.tree.hidden.sort();
        self.tree.not_placed.sort();
        self.tree
    }

    /// Puts an entry in its place.
    pub(crate) fn place(&mut self, entry: &Entry) -> Placing {
        let mut placing = Placing { refused: entry.refused, ..Placing::default() };
        if placing.refused.is_none() && self.steps == 0 {
            placing.refused = Some(TOO_MUCH_WORK);
        }
        if placing.refused.is_none() {
            self.put(entry, &mut placing);
        }
        let hides = matches!(entry.kind, EntryKind::Whiteout | EntryKind::Opaque);
        if placing.refused.is_some() || hides {
            self.tree.not_placed.push(entry.id);
        }
        placing
    }

    fn put(&mut self, entry: &Entry, placing: &mut Placing) {
        if entry.kind == EntryKind::Opaque {
            match self.directory(&entry.path, placing) {
                Ok(directory) => self.hide_lower(&directory, false, How::Opaque, placing),
                Err(why) => placing.refused = Some(why),
            }
            return;
        }
        let (parent, base) = split(&entry.path);
        let parent = match self.directory(parent, placing) {
            Ok(parent) => parent,
            Err(why) => {
                placing.refused = Some(why);
                return;
            }
        };
        let path = if base.is_empty() { Vec::new() } else { join(&parent, base) };
        if entry.kind == EntryKind::Whiteout {
            return self.hide_lower(&path, true, How::Whiteout, placing);
        }
        let node = match self.new_node(entry, &path) {
            Ok(node) => node,
            Err(why) => {
                placing.refused = Some(why);
                return;
            }
        };
        if let Some(existing) = self.tree.nodes.get_mut(&path[..]) {
            if existing.kind == Kind::Directory && node.kind == Kind::Directory {
                *existing = node;
                return;
            }
            if path.is_empty() {
                placing.refused = Some("it would stand in the place of the root");
                return;
            }
            if existing.layer == self.layer && existing.entry.is_some() {
                placing.odd.push("its layer has two entries of this name: the last counts");
            }
            self.remove(&path, placing);
        }
        if let Some(content) = node.content.filter(|content| *content != entry.id) {
            *self.names.entry(content).or_insert(1) += 1;
        }
        if node.link.is_some() {
            self.last = None;
        }
        self.tree.nodes.insert(path.into_boxed_slice(), node);
    }

    fn new_node(&self, entry: &Entry, path: &[u8]) -> Result<Node, &'static str> {
        let kind = match entry.kind {
            EntryKind::File => Kind::File,
            EntryKind::Directory => Kind::Directory,
            EntryKind::Symlink => Kind::Symlink,
            EntryKind::Character => Kind::Character,
            EntryKind::Block => Kind::Block,
            EntryKind::Fifo => Kind::Fifo,
            EntryKind::HardLink => {
                let (parent, base) = split(&entry.link);
                let parent = self.tree.resolve(parent).map_err(|_| "a hard link to what is not there")?.0;
                let target = join(parent, base);
                let node = self.tree.nodes.get(&target[..]).ok_or("a hard link to what is not there")?;
                if node.kind == Kind::Directory {
                    return Err("a hard link to a directory");
                }
                if target == path {
                    return Err("a hard link to itself");
                }
                if target.starts_with(path) && target.get(path.len()) == Some(&b'/') {
                    return Err("a hard link to what it would replace");
                }
                return Ok(Node { layer: self.layer, entry: Some(entry.id), ..node.clone() });
            }
            EntryKind::Other(flag) => Kind::Other(flag),
            EntryKind::Whiteout | EntryKind::Opaque => return Err("a whiteout is no file"),
        };
        Ok(Node {
            kind,
            layer: self.layer,
            entry: Some(entry.id),
            content: (kind == Kind::File).then_some(entry.id),
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            size: entry.size,
            capabilities: entry.capabilities,
            link: (kind == Kind::Symlink).then(|| entry.link.clone().into_boxed_slice()),
            device: entry.device,
        })
    }

    /// The directory at a path, made where it is missing.
    fn directory(&mut self, path: &[u8], placing: &mut Placing) -> Result<Vec<u8>, &'static str> {
        if path.is_empty() {
            return Ok(Vec::new());
        }
        if let Some((asked, found)) = &self.last
            && asked == path
        {
            return Ok(found.clone());
        }
        let mut queue = parts(path);
        let mut at = Vec::new();
        let mut followed = 0;
        while let Some(part) = queue.pop_front() {
            self.steps = self.steps.checked_sub(1).ok_or(TOO_MUCH_WORK)?;
            if part == b".." {
                at = split(&at).0.to_vec();
                continue;
            }
            let next = join(&at, &part);
            if next.len() > 65_536 {
                return Err("its path becomes too long");
            }
            let same_layer = |node: &Node| node.layer == self.layer;
            match self.tree.nodes.get(&next[..]) {
                Some(node) if node.kind == Kind::Directory => {}
                Some(Node { link: Some(link), layer, .. }) if *layer == self.layer => {
                    followed += 1;
                    if followed > self.tree.links {
                        return Err("symbolic links lead in a circle");
                    }
                    if link.starts_with(b"/") {
                        at.clear();
                    }
                    for part in parts(link).into_iter().rev() {
                        queue.push_front(part);
                    }
                    if queue.len() > 65_536 {
                        return Err("symbolic links lead in a circle");
                    }
                    continue;
                }
                Some(node) => {
                    placing.odd.push(if node.link.is_some() {
                        "its directory stands in the place of a symbolic link of a lower layer: some readers follow it"
                    } else if same_layer(node) {
                        "its directory is a file of the same layer: runtimes refuse this"
                    } else {
                        "its directory stands in the place of a file of a lower layer"
                    });
                    self.remove(&next, placing);
                    self.tree.nodes.insert(next.clone().into_boxed_slice(), Node::implied(self.layer));
                }
                None => {
                    self.tree.nodes.insert(next.clone().into_boxed_slice(), Node::implied(self.layer));
                }
            }
            at = next;
        }
        self.last = Some((path.to_vec(), at.clone()));
        Ok(at)
    }

    /// Removes a path and all beneath it: something else will stand there.
    fn remove(&mut self, path: &[u8], placing: &mut Placing) {
        self.last = None;
        let paths: Vec<Box<[u8]>> = self.tree.beneath(path).map(|(path, _)| path.into()).chain([path.into()]).collect();
        for path in paths {
            self.hide(&path, How::Replaced, placing);
        }
    }

    /// Hides what lower layers put at a path and beneath it. Directories with something of this layer in them stay.
    fn hide_lower(&mut self, path: &[u8], itself: bool, how: How, placing: &mut Placing) {
        self.last = None;
        let mut above = path;
        loop {
            if self.cleared.contains(above) {
                return;
            }
            if above.is_empty() {
                break;
            }
            above = split(above).0;
        }
        self.cleared.insert(path.to_vec());
        let mut paths: Vec<Box<[u8]>> = Vec::new();
        if itself && !path.is_empty() && self.tree.nodes.contains_key(path) {
            paths.push(path.into());
        }
        paths.extend(self.tree.beneath(path).map(|(path, _)| Box::from(path)));
        self.steps = self.steps.saturating_sub(paths.len() as u64);
        let mut needed: BTreeSet<Box<[u8]>> = BTreeSet::new();
        // Backwards: what is in a directory comes before it.
        for path in paths.into_iter().rev() {
            let Some(node) = self.tree.nodes.get_mut(&path) else { continue };
            if node.layer < self.layer && !needed.contains(&path) {
                self.hide(&path, how, placing);
                continue;
            }
            if node.layer < self.layer {
                // Its own entry is hidden; the directory is there for what this layer put into it.
                let old = std::mem::replace(node, Node::implied(self.layer));
                self.hidden(&path, old, how, placing);
            }
            needed.insert(Box::from(split(&path).0));
        }
    }

    fn hide(&mut self, path: &[u8], how: How, placing: &mut Placing) {
        if let Some(node) = self.tree.nodes.remove(path) {
            self.hidden(path, node, how, placing);
        }
    }

    fn hidden(&mut self, path: &[u8], node: Node, how: How, placing: &mut Placing) {
        if let Some(entry) = node.entry {
            self.tree.hidden.push(Hidden { entry, path: path.to_vec(), by: self.layer, how });
        }
        let Some(content) = node.content else { return };
        match self.names.get_mut(&content) {
            Some(1) | None => {
                self.names.remove(&content);
                placing.lost.push(content);
            }
            Some(names) => *names -= 1,
        }
    }
}
