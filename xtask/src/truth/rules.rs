//! What is alike although it differs, and what only one of the two can see. Each rule has its reason; whatever no rule
//! explains is a difference.

/// Names with a part that is another one in each run. `#`: digits. `?`: one letter, digit or underscore. `*`: anything
/// within one part of the path. Each matches whole parts, anywhere in a path. How many different names stand behind a
/// pattern is compared too.
pub(crate) const PATTERNS: &[(&str, &str)] = &[
    ("/proc/#", "process ids"),
    ("/task/#", "thread ids"),
    ("/tmp/cc??????.*", "temporary files of gcc"),
    ("/st??????", "temporary files of ar and ranlib"),
    ("/tmp/pip-*", "pip's temporary directories"),
    ("/tmp/????????", "how Python tries whether a directory can be written"),
    ("/_cacache/tmp/*", "npm's temporary files"),
    ("/_logs/*-debug-#.log", "npm's logs, named by the time"),
    ("/rustc??????", "rustc's temporary directories"),
    ("/rmeta??????", "rustc's temporary directories"),
    ("/target??????", "cargo makes the target directory under a temporary name"),
    ("/.tmp??????", "temporary names of Rust programs"),
    ("/.tmp??????.*", "temporary names of Rust programs"),
    ("/*.tmp???????", "the linker writes under a temporary name first"),
    ("/*.???????.rcgu.o", "rustc's object files have a part of the session in their names"),
    ("/s-*-*-*", "sessions of incremental compilation, named by time and chance"),
    ("/s-*-*.lock", "sessions of incremental compilation, named by time and chance"),
    ("/hsperfdata_*/#", "each Java machine's own figures, by its process id"),
    ("/ztest#", "zlib's configure names its test program by its process id"),
    ("/ztest#.*", "zlib's configure names its test program by its process id"),
];

/// What only one of the two sees, by name.
pub(crate) const RULES: &[(&str, &str)] = &[
    ("no-name", "a pipe, a socket, memory or a file without a name (O_TMPFILE) was opened: it is in no list of names"),
    ("inherited", "the command's own output goes to a file that was opened before it began"),
    ("o-path", "O_PATH opens neither for reading nor for writing"),
    ("memory", "a program in memory (memfd_create): strace and the kernel write its name differently"),
    ("program-gone", "the executed file no longer exists: strace does not say whether it was a script"),
    ("cache-times", "cargo notes when it last used its cache at most every five minutes, in whatever build that falls"),
    ("loader", "an ELF program's loader is opened by the kernel itself, which strace does not see"),
];

/// True for a file that is touched now and then by the clock, not by the build: the journal of cargo's cache, and the
/// directory that is opened to make it durable.
pub(crate) fn is_by_the_clock(path: &str) -> bool {
    path.ends_with("/.cargo/.global-cache-journal") || path.ends_with("/.cargo")
}

/// A path with the parts that differ from run to run replaced, and the rules that did it.
pub(crate) fn normal(path: &str) -> (String, Vec<&'static str>) {
    let mut used = Vec::new();
    let mut path = path.to_owned();
    for (pattern, _) in PATTERNS {
        let mut from = 0;
        while let Some(at) = path[from..].find('/').map(|at| from + at) {
            let end = matches(pattern.as_bytes(), &path.as_bytes()[at..]).map(|length| at + length);
            match end {
                Some(end) => {
                    path.replace_range(at..end, pattern);
                    used.push(*pattern);
                    from = at + pattern.len();
                }
                None => from = at + 1,
            }
        }
    }
    (path, used)
}

/// The length of the match at the beginning of a text that ends with a part of the path.
fn matches(pattern: &[u8], text: &[u8]) -> Option<usize> {
    let Some((first, rest)) = pattern.split_first() else {
        return matches!(text.first(), None | Some(b'/' | b' ')).then_some(0);
    };
    let many = |fits: fn(u8) -> bool| {
        let most = text.iter().take_while(|byte| fits(**byte)).count();
        (1..=most).rev().find_map(|length| matches(rest, &text[length..]).map(|more| length + more))
    };
    match first {
        b'#' => many(|byte| byte.is_ascii_digit()),
        b'*' => many(|byte| byte != b'/'),
        b'?' => {
            text.first().filter(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')?;
            matches(rest, &text[1..]).map(|more| more + 1)
        }
        byte => {
            text.first().filter(|other| *other == byte)?;
            matches(rest, &text[1..]).map(|more| more + 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn patterns() {
        let normal = |text| super::normal(text).0;
        assert_eq!(normal("/proc/123/maps"), "/proc/#/maps");
        assert_eq!(normal("/proc/123/task/124/comm"), "/proc/#/task/#/comm");
        assert_eq!(normal("/proc/12a/maps"), "/proc/12a/maps");
        assert_eq!(normal("/tmp/ccAb12xY.s"), "/tmp/cc??????.*");
        assert_eq!(normal("/x/ccAb12xY.s"), "/x/ccAb12xY.s");
    }

    #[test]
    fn the_documentation_has_these_rules() {
        let text = std::fs::read_to_string(crate::root().join("docs/truth.md")).expect("docs/truth.md");
        for (name, reason) in super::PATTERNS.iter().chain(super::RULES) {
            let row = format!("| `{name}` | {reason} |");
            assert!(text.contains(&row), "docs/truth.md must hold: {row}");
        }
    }

    #[test]
    fn every_rule_has_a_reason() {
        assert!(normal("/proc/1").1.len() == 1);
        for (name, reason) in super::PATTERNS.iter().chain(super::RULES) {
            assert!(!name.is_empty() && !reason.is_empty());
        }
    }
}
