//! tar: ustar, pax and GNU.

use std::io::Read;

use super::{ArchiveError, Member, Visit, lossy};

/// A long name or a pax header may have so many bytes.
const HEADER: u64 = 1 << 20;

pub(super) fn members(source: &mut dyn Read, limit: usize, visit: &mut Visit<'_>) -> Result<(), ArchiveError> {
    let broken = |e: std::io::Error| ArchiveError::Broken { kind: "tar", why: e.to_string() };
    let mut archive = tar::Archive::new(source);
    archive.set_ignore_zeros(true);
    // Raw: the crate would read a name as long as its header claims into memory.
    let mut long_name: Option<Vec<u8>> = None;
    let mut seen = 0;
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            let mut bytes = Vec::new();
            (&mut entry).take(HEADER).read_to_end(&mut bytes).map_err(broken)?;
            let name = if kind.is_gnu_longname() { Some(bytes) } else { pax_path(&bytes) };
            long_name = name.or(long_name);
            continue;
        }
        // A directory or a header of another kind holds nothing, unless someone put something there.
        if entry.size() == 0 && (kind.is_dir() || kind.is_gnu_longlink() || kind.is_pax_global_extensions()) {
            continue;
        }
        if seen == limit {
            return Err(ArchiveError::Entries { limit });
        }
        seen += 1;
        let special = match kind {
            tar::EntryType::Link => Some("hard link"),
            tar::EntryType::Symlink => Some("symbolic link"),
            tar::EntryType::Char | tar::EntryType::Block => Some("device"),
            tar::EntryType::Fifo => Some("pipe"),
            _ => None,
        };
        let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        let link = entry.link_name_bytes().map(|name| lossy(&name)).unwrap_or_default();
        let special = special.map(|what| format!("{what} to {link}")).filter(|_| entry.size() == 0);
        let member = Member {
            name: lossy(name.split(|&b| b == 0).next().unwrap_or_default()),
            claimed: Some(entry.size()),
            special,
        };
        if visit(&member, Ok(&mut entry)).is_break() {
            break;
        }
    }
    Ok(())
}

/// The value of `path` in a pax header: records of `length key=value\n` (POSIX.1-2001, pax).
fn pax_path(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut path = None;
    while let Some(space) = bytes.iter().position(|&b| b == b' ') {
        let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
        let record = bytes.get(space + 1..length)?;
        if let Some(value) = record.strip_prefix(b"path=") {
            path = Some(value.trim_ascii_end().to_vec());
        }
        bytes = bytes.get(length..)?;
    }
    path
}
