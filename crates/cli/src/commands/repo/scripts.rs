//! The scripts that git runs as hooks: each calls this program.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Where git looks for the hooks of a repository; made where it is missing.
pub(super) fn folder(directory: &Path, git_dir: &Path) -> Result<PathBuf> {
    let folder = match provost_repo::hooks_path(directory)? {
        Some(path) => directory.join(path),
        None => git_dir.join("hooks"),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// This program, for a shell.
pub(super) fn program() -> Result<String> {
    let program = std::env::current_exe().context("where this program is cannot be found out")?;
    Ok(quoted(&program))
}

/// A path, for a shell.
pub(super) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Writes the script of a hook, if it is not there as it is; says where.
///
/// # Errors
/// One is there that is not ours: it is left alone.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> Result<Option<PathBuf>> {
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(there) if there == text => return Ok(None),
        Ok(there) if !there.contains(" repo hook ") => {
            bail!("{} is there and not provost's: call `provost repo hook {name}` from it", path.display());
        }
        _ => {}
    }
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(Some(path))
}
