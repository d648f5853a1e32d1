//! The files below a directory, in the order of their names. No link is followed, and no file within the tree decides
//! what is left out of it.

use std::path::{Path, PathBuf};

use globset::GlobSet;

use crate::coverage::Coverage;
use crate::limits::Limits;

/// Lists the regular files. The path is relative to `root`.
pub fn files(root: &Path, exclude: &GlobSet, limits: &Limits, coverage: &mut Coverage) -> Vec<PathBuf> {
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
            let begin = found.len();
            below(root, &path, depth + 1, exclude, limits, coverage, found);
            if is_git && name == "objects" {
                let objects = root.join(&path);
                let mut left_out = 0;
                let kept: Vec<PathBuf> = found
                    .drain(begin..)
                    .filter(|file| {
                        let is_object = git_object(&objects, &root.join(file));
                        left_out += u64::from(is_object);
                        !is_object
                    })
                    .collect();
                found.extend(kept);
                if left_out > 0 {
                    coverage.skip(shown(&path), &format!("{left_out} files of git objects: `--git` reads the history"));
                }
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

/// True for what git itself keeps in its object directory: told by name and content, since anyone can make a directory of
/// that name.
fn git_object(objects: &Path, file: &Path) -> bool {
    let Ok(relative) = file.strip_prefix(objects) else { return false };
    let mut parts = relative.iter().map(|part| part.to_string_lossy());
    let (Some(folder), Some(name), None) = (parts.next(), parts.next(), parts.next()) else { return false };
    let mut head = [0; 4];
    let read = std::fs::File::open(file).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head));
    if read.is_err() {
        return false;
    }
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    if folder == "pack" {
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        return match ending {
            "pack" => head == *b"PACK",
            "idx" => head == *b"\xfftOc",
            "rev" => head == *b"RIDX",
            "bitmap" => head == *b"BITM",
            "mtimes" => head == *b"MTME",
            _ => false,
        };
    }
    // A loose object is zlib data: method 8, and the first two bytes a multiple of 31.
    let is_zlib = head[0] & 0x0f == 8 && (u16::from(head[0]) * 256 + u16::from(head[1])).is_multiple_of(31);
    folder.len() == 2 && is_hex(&folder) && matches!(name.len(), 38 | 62) && is_hex(&name) && is_zlib
}
