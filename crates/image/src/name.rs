//! Names in a layer, made paths within the root.

use crate::limits::Limits;

/// What a name in a layer becomes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A path within the root: parts with `/` between them, empty for the root itself.
    Within(Vec<u8>),
    /// It has no place within the root: the path that it would have if nothing could leave it, and why.
    Refused(Vec<u8>, &'static str),
}

/// Cleans a name as Go's `filepath.Clean` does. A slash at the beginning is the root's.
pub(crate) fn clean(name: &[u8], limits: &Limits) -> Name {
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut refused = None;
    for part in name.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if parts.pop().is_none() {
                    refused = Some("its name leaves the root");
                }
            }
            part => parts.push(part),
        }
    }
    if parts.len() > limits.depth {
        parts.truncate(limits.depth);
        refused = refused.or(Some("its path has more parts than allowed"));
    }
    let mut path = parts.join(&b'/');
    if path.len() > limits.path {
        path.truncate(limits.path);
        refused = refused.or(Some("its path is longer than allowed"));
    }
    if path.contains(&0) {
        refused = refused.or(Some("its name has a zero byte"));
    }
    match refused {
        Some(why) => Name::Refused(path, why),
        None => Name::Within(path),
    }
}

/// The parent and the last part of a path.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&b| b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// A path and a part beneath it.
pub(crate) fn join(parent: &[u8], part: &[u8]) -> Vec<u8> {
    if parent.is_empty() { part.to_vec() } else { [parent, b"/", part].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_root() {
        let limits = Limits { path: 10, depth: 3, ..Limits::default() };
        let within = |name: &str| match clean(name.as_bytes(), &limits) {
            Name::Within(path) => String::from_utf8(path).unwrap(),
            Name::Refused(path, why) => format!("{} ({why})", String::from_utf8(path).unwrap()),
        };
        assert_eq!(within("./etc/passwd"), "etc/passwd");
        assert_eq!(within("/etc//x/"), "etc/x");
        assert_eq!(within("a/../b"), "b");
        assert_eq!(within("./"), "");
        assert_eq!(within("../etc"), "etc (its name leaves the root)");
        assert_eq!(within("/../etc"), "etc (its name leaves the root)");
        assert_eq!(within("a/../../b"), "b (its name leaves the root)");
        assert_eq!(within("a/b/c/d"), "a/b/c (its path has more parts than allowed)");
        assert_eq!(within("01234567890"), "0123456789 (its path is longer than allowed)");
    }
}
