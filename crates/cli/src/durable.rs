//! Files that are there whole or not at all.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Writes a file in the place of what is there: beside it first, synced, then renamed. Nothing is left of what fails.
///
/// # Errors
/// What `write` returns; the directory cannot be written.
pub(crate) fn replace(path: &Path, write: &mut dyn FnMut(&mut File) -> Result<()>) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let temporary = PathBuf::from(name);
    let cannot = || format!("cannot write {}", path.display());
    let mut file = File::options().write(true).create_new(true).open(&temporary).with_context(cannot)?;
    let done = write(&mut file)
        .and_then(|()| file.sync_all().with_context(cannot))
        .and_then(|()| std::fs::rename(&temporary, path).with_context(cannot));
    if done.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    done
}
