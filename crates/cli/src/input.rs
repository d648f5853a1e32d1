//! Reading files that others name or made: bounded, regular files only, never waiting for a pipe.

use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// A policy, key, bundle or trusted root is at most this long, in bytes.
pub const SMALL: u64 = 64 * 1024 * 1024;

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// It cannot be opened, is no regular file (a pipe or device would wait or never end), or is longer.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY)
        .open(path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let metadata = file.metadata().with_context(|| format!("cannot read {}", path.display()))?;
    if !metadata.is_file() {
        bail!("{} is no regular file", path.display());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(limit)).unwrap_or(0));
    (&mut file).take(limit + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > limit {
        bail!("{} is longer than {limit} bytes", path.display());
    }
    Ok(bytes)
}

/// As [`read`], for text.
///
/// # Errors
/// As [`read`]; it is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path, SMALL)?).with_context(|| format!("{} is not text", path.display()))
}
