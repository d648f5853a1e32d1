//! The files below a directory, in the order of their names. No link is followed, and no file within the tree decides
//! what is left out of it.

use std::path::{Path, PathBuf};

use globset::GlobSet;

use crate::coverage::Coverage;
use crate::limits::Limits;

/// Lists the regular files. The path is relative to `root`.
pub(crate) fn files(root: &Path, exclude: &GlobSet, limits: &Limits, coverage: &mut Coverage) -> Vec<PathBuf> {
    let mut found = Vec::new();
    below(root, Path::new(""), 0, exclude, limits, coverage, &mut found);
    found
}

fn below(
    root: &Path,
    relative: &Path,
    depth: usize,
    exclude: &GlobSet,
    limits: &Limits,
    coverage: &mut Coverage,
    found: &mut Vec<PathBuf>,
) {
    let directory = root.join(relative);
    let shown = |path: &Path| if path.as_os_str().is_empty() { ".".to_owned() } else { path.display().to_string() };
    if depth > limits.directories {
        coverage.fail(shown(relative), "too many directories within one another");
        return;
    }
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) => return coverage.fail(shown(relative), &error.to_string()),
    };
    let mut list = Vec::new();
    for entry in entries {
        match entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))) {
            Ok(entry) => list.push(entry),
            Err(error) => coverage.fail(shown(relative), &error.to_string()),
        }
    }
    list.sort_by(|a, b| a.0.cmp(&b.0));
    let is_git = list.iter().any(|(name, _)| name == "HEAD") && list.iter().any(|(name, _)| name == "objects");
    for (name, kind) in list {
        let path = relative.join(&name);
        if exclude.is_match(&path) {
            coverage.skip(shown(&path), "excluded by request");
        } else if kind.is_dir() {
            if is_git && name == "objects" {
                coverage.skip(shown(&path), "git objects: `--git` reads the history");
            } else {
                below(root, &path, depth + 1, exclude, limits, coverage, found);
            }
        } else if kind.is_file() {
            found.push(path);
        } else if kind.is_symlink() {
            coverage.skip(shown(&path), "a symbolic link");
        } else {
            coverage.skip(shown(&path), "a socket, pipe or device");
        }
    }
}
