//! The grammar of yarn 1's lockfile (yarnpkg/yarn, `src/lockfile/parse.js`): lines, two spaces a level, `key value` or
//! `key, key:` and what lies within.

use std::borrow::Cow;

use super::{MAXIMUM_NODES, Node, Tree, Value, unique};
use crate::lock::{LockError, MAXIMUM_DEPTH};

/// Stands between several keys of one entry.
pub(crate) const BETWEEN_KEYS: char = '\n';

struct Level<'a> {
    key: Cow<'a, str>,
    line: u32,
    entries: Vec<(Cow<'a, str>, Node<'a>)>,
}

/// Reads such a file.
///
/// # Errors
/// A line is none of this grammar, or it nests too deep.
pub(crate) fn parse(text: &str) -> Result<Tree<'_>, LockError> {
    let mut levels = vec![Level { key: "".into(), line: 1, entries: Vec::new() }];
    let mut problems = Vec::new();
    let mut nodes = 0;
    for (at, line) in text.lines().enumerate() {
        let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
        let wrong = |what: &str| LockError::at(number.into(), what);
        let content = line.trim_start_matches(' ');
        if content.trim().is_empty() || content.starts_with('#') {
            continue;
        }
        let spaces = line.len() - content.len();
        if spaces % 2 != 0 {
            return Err(wrong("an odd number of spaces before a key"));
        }
        let depth = spaces / 2 + 1;
        if depth > levels.len() {
            return Err(wrong("more spaces than the line before allows"));
        }
        if depth > MAXIMUM_DEPTH {
            return Err(wrong("nested too deep"));
        }
        nodes += 1;
        if nodes > MAXIMUM_NODES {
            return Err(wrong("too many entries"));
        }
        close(&mut levels, depth, &mut problems);
        let (keys, rest) = keys(content.trim_end()).map_err(wrong)?;
        if rest == ":" {
            levels.push(Level { key: keys, line: number, entries: Vec::new() });
            continue;
        }
        let value = value(rest.trim()).map_err(wrong)?;
        if let Some(level) = levels.last_mut() {
            level.entries.push((keys, Node { line: number, value }));
        }
    }
    close(&mut levels, 1, &mut problems);
    let entries = levels.pop().map(|level| level.entries).unwrap_or_default();
    let root = Node { line: 1, value: Value::Table(unique(entries, &mut problems)) };
    Ok(Tree { root, more: Vec::new(), problems })
}

/// Closes the levels below.
fn close<'a>(levels: &mut Vec<Level<'a>>, depth: usize, problems: &mut Vec<provost_model::Problem>) {
    while levels.len() > depth {
        let Some(level) = levels.pop() else { return };
        let node = Node { line: level.line, value: Value::Table(unique(level.entries, problems)) };
        if let Some(above) = levels.last_mut() {
            above.entries.push((level.key, node));
        }
    }
}

/// The keys at the start of a line, and the rest of it. A key without quotes may hold a colon that ends nothing.
fn keys(line: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    let word = |text| match token(text, ", ")? {
        (Cow::Borrowed(key), rest) if !text.starts_with('"') => match key.strip_suffix(':') {
            Some("") => Err("a key should stand here"),
            Some(key) => Ok((Cow::Borrowed(key), &text[key.len()..])),
            None => Ok((Cow::Borrowed(key), rest)),
        },
        other => Ok(other),
    };
    let (mut keys, mut rest) = word(line)?;
    while let Some(after) = rest.trim_start().strip_prefix(',') {
        let (key, after) = word(after.trim_start())?;
        keys = Cow::Owned(format!("{keys}{BETWEEN_KEYS}{key}"));
        rest = after;
    }
    Ok((keys, rest.trim_start()))
}

fn value(text: &str) -> Result<Value<'_>, &'static str> {
    let text = text.strip_prefix(':').map_or(text, str::trim_start);
    match text {
        "" => Err("a key without value"),
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        _ => match token(text, " ")? {
            (value, "") => Ok(Value::Text(value)),
            _ => Err("something follows the value"),
        },
    }
}

/// One word, in quotes or up to one of these characters.
fn token<'a>(text: &'a str, ends: &str) -> Result<(Cow<'a, str>, &'a str), &'static str> {
    if !text.starts_with('"') {
        let end = text.find(|c| ends.contains(c)).unwrap_or(text.len());
        return if end == 0 {
            Err("a key or a value should stand here")
        } else {
            Ok((text[..end].into(), &text[end..]))
        };
    }
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => {
                let quoted = super::json::parse(&text[..=at]).map_err(|_| "not well quoted")?;
                return match quoted.root.value {
                    Value::Text(word) => Ok((word, &text[at + 1..])),
                    _ => Err("not well quoted"),
                };
            }
            _ => {}
        }
    }
    Err("quotes that do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_entries_of_several_keys() {
        let text = "# yarn lockfile v1\r\n\r\n\"@s/a@^1\", \"@s/a@1.x, 2\", b@~1:\r\n  version \"1.0\\u0030\"\r\n  x true\r\n  dependencies:\r\n    c \"^1 || 2\"\r\n    \"@s/d\" 1\r\ne@x:~1:\r\n  version 1\r\n";
        let tree = parse(text).unwrap();
        let (key, node) = &tree.root.entries()[0];
        assert_eq!(key, "@s/a@^1\n@s/a@1.x, 2\nb@~1");
        assert_eq!((node.line, node.get("version").unwrap().text()), (3, Some("1.00")));
        assert!(node.get("x").unwrap().is_true());
        let needs = node.get("dependencies").unwrap();
        assert_eq!(needs.get("c").unwrap().text(), Some("^1 || 2"));
        assert_eq!(needs.get("@s/d").unwrap().text(), Some("1"));
        assert_eq!(tree.root.get("e@x:~1").unwrap().get("version").unwrap().text(), Some("1"));
    }

    #[test]
    fn what_is_not_of_the_grammar_is_told_with_its_line() {
        let texts = [
            "a:\n   b c",
            "a:\n    b c",
            "a",
            "a:\n  \"b",
            "a:\n  b c d",
            "a:\n  b \"c\" d",
            ":",
            "a,:",
            "a:\n  \"\\x\" b",
        ];
        for text in texts {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, Some(text.lines().count() as u64), "{text}");
        }
        let deep: String = (0..1000).map(|depth| format!("{}a:\n", "  ".repeat(depth))).collect();
        assert!(parse(&deep).is_err());
        assert!(parse("").unwrap().root.entries().is_empty());
    }
}
