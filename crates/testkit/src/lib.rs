//! Helpers for tests: where the foreign vectors lie.

mod cgi;

use std::path::{Path, PathBuf};

pub use cgi::{CgiServer, Program};

/// The folder of official vectors and real data beside the project, or `None` (with a line on standard error that
/// says so) where it is absent: a plain clone has none, and the test is reported as skipped.
#[allow(clippy::print_stderr)]
pub fn vectors(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors").join(name);
    if root.exists() {
        return Some(root);
    }
    eprintln!("skipped: the vectors `{name}` are not beside this checkout");
    None
}

/// Every file below a folder, sorted.
pub fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
