//! Entries of layers.

use provost_formats::layer::{Header, Kind};
use provost_model::FileName;

use crate::limits::Limits;
use crate::name::{self, Name};

/// Why what AUFS kept for itself has no place.
pub(crate) const AUFS: &str = "metadata of AUFS";

/// Which entry of which layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// The layer, counted from 0, the lowest first.
    pub layer: usize,
    /// The entry in it, counted from 0.
    pub number: u32,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name for a file of this or a lower layer.
    HardLink,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A named pipe.
    Fifo,
    /// `.wh.name`: hides what lower layers have at its path (image-spec, layer.md, whiteouts).
    Whiteout,
    /// `.wh..wh..opq`: hides what lower layers have in the directory at its path.
    Opaque,
    /// Anything else: its type flag. A socket of a directory is `s`.
    Other(u8),
}

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which it is.
    pub id: EntryId,
    /// Its path: parts with `/` between them, without `.`, `..` or a slash at either end; empty for the root. For
    /// whiteouts the path that they hide. For refused entries what the path would be if nothing could leave the root.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permissions with setuid (`0o4000`), setgid (`0o2000`) and sticky (`0o1000`).
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Seconds since 1970 of the last change.
    pub modified: i64,
    /// Bytes of content, the holes of sparse files included.
    pub size: u64,
    /// Of a symbolic link its target, as it stands there; of a hard link the path that it links to.
    pub link: Vec<u8>,
    /// For devices: major and minor number.
    pub device: (u32, u32),
    /// It has file capabilities (`security.capability`).
    pub capabilities: bool,
    /// Why it has no place in the tree. Its content is handed out all the same.
    pub refused: Option<&'static str>,
}

impl Entry {
    /// The path as text; percent-encoded when it is not UTF-8.
    pub fn name(&self) -> FileName {
        FileName::from_bytes(&self.path)
    }

    /// The entry of a tar header. In layers of an image, but not in a plain root file system, names can be whiteouts.
    pub(crate) fn new(id: EntryId, header: Header, whiteouts: bool, limits: &Limits) -> Self {
        let (mut path, mut refused) = match name::clean(&header.name, limits) {
            Name::Within(path) => (path, None),
            Name::Refused(path, why) => (path, Some(why)),
        };
        let mut kind = match header.kind {
            Kind::File => EntryKind::File,
            Kind::Directory => EntryKind::Directory,
            Kind::Symlink => EntryKind::Symlink,
            Kind::HardLink => EntryKind::HardLink,
            Kind::Character => EntryKind::Character,
            Kind::Block => EntryKind::Block,
            Kind::Fifo => EntryKind::Fifo,
            Kind::Other(flag) => {
                refused = refused.or(Some("an entry of a kind that runtimes do not know"));
                EntryKind::Other(flag)
            }
        };
        let mut link = header.link;
        match kind {
            EntryKind::HardLink => match name::clean(&link, limits) {
                Name::Within(target) => link = target,
                Name::Refused(target, why) => {
                    link = target;
                    refused =
                        refused.or(Some(if why.contains("leaves") { "a hard link that leaves the root" } else { why }));
                }
            },
            EntryKind::Symlink if link.len() > limits.path => {
                link.truncate(limits.path);
                refused = refused.or(Some("the target of its link is longer than allowed"));
            }
            EntryKind::Symlink if link.is_empty() => refused = refused.or(Some("a symbolic link to nothing")),
            EntryKind::Symlink => {}
            _ => link.clear(),
        }
        if path.is_empty() && !matches!(kind, EntryKind::Directory) {
            refused = refused.or(Some("it would stand in the place of the root"));
        }
        if whiteouts {
            let (parent, base) = name::split(&path);
            if let Some(hidden) = base.strip_prefix(b".wh.") {
                if base == b".wh..wh..opq" {
                    kind = EntryKind::Opaque;
                    path = parent.to_vec();
                } else if hidden.starts_with(b".wh.") {
                    // What AUFS kept its own books in. No runtime of today writes or reads it.
                    refused = refused.or(Some(AUFS));
                } else if matches!(hidden, b"" | b"." | b"..") {
                    refused = refused.or(Some("a whiteout of a name that no file can have"));
                } else {
                    kind = EntryKind::Whiteout;
                    path = name::join(parent, hidden);
                }
            } else if parent.split(|&b| b == b'/').any(|part| part.starts_with(b".wh.")) {
                refused = refused.or(Some("it stands in a directory whose name is a whiteout's"));
            }
        }
        if header.after_end {
            refused = Some("it stands after the end of the archive: no runtime sees it");
        }
        Self {
            id,
            path,
            kind,
            mode: header.mode,
            uid: header.uid,
            gid: header.gid,
            modified: header.modified,
            size: header.size,
            link,
            device: header.device,
            capabilities: header.capabilities,
            refused,
        }
    }
}
