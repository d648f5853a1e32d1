//! Files as they are recorded in evidence: a lossless name, what it is, and its digest where it has one.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// A file name in evidence. File names are bytes; JSON is Unicode. A name that is valid UTF-8 is kept as it is;
/// any other is percent-encoded (`%` included) and marked, so that no two names look alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileName {
    /// The name, or its percent-encoded form.
    #[serde(rename = "name")]
    pub text: String,
    /// True when `text` is percent-encoded.
    #[serde(rename = "percentEncoded", default, skip_serializing_if = "is_false")]
    pub percent_encoded: bool,
}

impl FileName {
    /// From the bytes of a path, `/` between its parts.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: text.to_owned(), percent_encoded: false },
            Err(_) => {
                let mut text = String::with_capacity(bytes.len() + 8);
                for &b in bytes {
                    if b.is_ascii_alphanumeric() || b"/._-+ ".contains(&b) {
                        text.push(char::from(b));
                    } else {
                        text.push_str(&format!("%{b:02X}"));
                    }
                }
                Self { text, percent_encoded: true }
            }
        }
    }

    /// The bytes of the path again; `None` if the percent-encoding is broken.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        if !self.percent_encoded {
            return Some(self.text.as_bytes().to_vec());
        }
        let mut out = Vec::with_capacity(self.text.len());
        let mut bytes = self.text.bytes();
        while let Some(b) = bytes.next() {
            if b == b'%' {
                let pair = [bytes.next()?, bytes.next()?];
                let mut one = [0];
                hex::decode_to_slice(pair, &mut one).ok()?;
                out.push(one[0]);
            } else {
                out.push(b);
            }
        }
        Some(out)
    }
}

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A symbolic link; it is recorded by its target's text and never followed.
    Symlink,
    /// A Unix-domain socket; never opened.
    Socket,
    /// A named pipe; never opened.
    Fifo,
    /// A block or character device; never opened.
    Device,
}

/// One file of a list of materials or artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Path relative to the root of the list.
    #[serde(flatten)]
    pub name: FileName,
    /// What it is.
    pub kind: FileKind,
    /// Size in bytes; 0 for anything but a regular file.
    pub size: u64,
    /// SHA-256 of the content, or of the target's bytes for a symbolic link. Absent when it could not be read.
    #[serde(rename = "sha256", default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// True for a regular file that someone may execute.
    #[serde(default, skip_serializing_if = "is_false")]
    pub executable: bool,
    /// Where a symbolic link points, as written in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<FileName>,
    /// Why the entry is not plain: unreadable, changed while it was read, a link that leaves the tree, too large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl FileEntry {
    /// True when the content is known: a digest is there and nothing was wrong while it was taken.
    pub fn is_certain(&self) -> bool {
        self.digest.is_some() && self.problem.is_none()
    }
}

/// A list of files, ordered by the bytes of their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSet {
    /// The entries, ordered by name.
    pub entries: Vec<FileEntry>,
    /// What could not be listed at all (a directory without permission), one sentence each.
    pub not_listed: Vec<String>,
}

impl FileSet {
    /// The sum of the sizes in bytes.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add)
    }

    /// How many entries have no certain content.
    pub fn uncertain(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.is_certain()).count()
    }
}

fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lossless() {
        for bytes in [&b"src/main.c"[..], b"50%.txt", b"caf\xc3\xa9", b"bad\xff%name", b"\x80"] {
            let name = FileName::from_bytes(bytes);
            assert_eq!(name.to_bytes().as_deref(), Some(bytes), "{name:?}");
        }
        assert!(!FileName::from_bytes(b"50%.txt").percent_encoded);
        assert_eq!(FileName::from_bytes(b"bad\xff%").text, "bad%FF%25");
        let broken = FileName { text: "%zz".into(), percent_encoded: true };
        assert_eq!(broken.to_bytes(), None);
    }
}
