//! References to container images, as Dockerfiles, Compose files and CI jobs write them.

use std::borrow::Cow;
use std::collections::HashMap;

use provost_model::{Ecosystem, Inventory, Package, PackageHash, Scope, Scopes};

use super::text::{add, quoted};
use super::tree::note;

/// Variables that a reference may be written with.
pub(super) type Variables = HashMap<String, String>;

/// How long a reference is at most.
const MAXIMUM_REFERENCE: usize = 1024;

/// How deep variables may stand for variables, and how many in all for one reference.
const MAXIMUM_NESTING: usize = 8;
const MAXIMUM_FILLED: usize = 256;

/// Notes the image of a reference: `registry/name:tag@digest`. What cannot be known is a problem.
pub(super) fn image(
    inventory: &mut Inventory,
    written: &str,
    variables: &Variables,
    scope: Scope,
    line: u64,
) -> Option<usize> {
    if written.len() > MAXIMUM_REFERENCE {
        note(&mut inventory.problems, Some(line), format!("{} is no image", quoted(written)));
        return None;
    }
    let filled = fill(&without_blanks(written.trim()), variables);
    let reference = filled.strip_prefix("docker://").or(filled.strip_prefix("docker-image://")).unwrap_or(&filled);
    let unknown = |text: &str| text.contains(['$', '{', '}']) || text.contains("[[");
    if reference.is_empty() || reference.len() > MAXIMUM_REFERENCE || reference.contains(char::is_whitespace) {
        note(&mut inventory.problems, Some(line), format!("{} is no image", quoted(written)));
        return None;
    }
    let (named, digest) = match reference.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (reference, None),
    };
    // A colon before a slash is a registry's port.
    let colon = named.rfind(':').filter(|at| !named[*at..].contains('/'));
    let (name, tag) = colon.map_or((named, None), |at| (&named[..at], Some(&named[at + 1..])));
    if unknown(name) || name.is_empty() {
        note(
            &mut inventory.problems,
            Some(line),
            format!("{} is computed: which image it is is not known", quoted(written)),
        );
        return None;
    }
    let mut package = Package::new(Ecosystem::Oci, name, None);
    let known = |text: &&str| !text.is_empty() && !unknown(text);
    package.version = tag.filter(known).or(digest.filter(known)).map(str::to_owned);
    if [tag, digest].into_iter().flatten().any(unknown) {
        note(&mut inventory.problems, Some(line), format!("{}: which version it is is not known", quoted(written)));
        package.requirement = Some(written.to_owned());
    } else if written != reference {
        package.requirement = Some(written.to_owned());
    }
    if let Some((algorithm, value)) = digest.and_then(|digest| digest.split_once(':')) {
        let sound = matches!((algorithm, value.len()), ("sha256", 64) | ("sha512", 128));
        match sound && value.bytes().all(|b| b.is_ascii_hexdigit()) {
            true => {
                package.hashes.push(PackageHash { algorithm: algorithm.to_owned(), value: value.to_ascii_lowercase() })
            }
            false if unknown(value) => {}
            false => note(&mut inventory.problems, Some(line), format!("{}: that is no digest", quoted(written))),
        }
    }
    package.scopes = Scopes::only(scope);
    package.direct = Some(true);
    package.line = Some(line);
    add(inventory, package)
}

/// Fills in `$name`, `${name}`, `${name:-default}`, `${name-default}` and `${name:+other}`; what is not known stays.
pub(super) fn fill(text: &str, variables: &Variables) -> String {
    fill_within(text, variables, 0, &mut 0)
}

fn fill_within(text: &str, variables: &Variables, depth: usize, filled: &mut usize) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let after = &rest[1..];
        let (name, default, other, end) = match after.strip_prefix('{') {
            Some(inside) => {
                let Some(end) = closing(inside) else { break };
                let (inside, end) = (&inside[..end], end + 3);
                match inside.find([':', '-', '+']) {
                    Some(cut) if inside[cut..].starts_with(":-") => {
                        (&inside[..cut], Some(&inside[cut + 2..]), None, end)
                    }
                    Some(cut) if inside[cut..].starts_with(":+") => {
                        (&inside[..cut], None, Some(&inside[cut + 2..]), end)
                    }
                    Some(cut) if inside[cut..].starts_with('-') => {
                        (&inside[..cut], Some(&inside[cut + 1..]), None, end)
                    }
                    Some(cut) if inside[cut..].starts_with('+') => {
                        (&inside[..cut], None, Some(&inside[cut + 1..]), end)
                    }
                    _ => (inside, None, None, end),
                }
            }
            None => {
                let length = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
                (&after[..length], None, None, length + 1)
            }
        };
        let value = variables.get(name).filter(|value| !value.is_empty() || default.is_none()).map(String::as_str);
        let value = match other {
            Some(other) => Some(if value.is_some() { other } else { "" }),
            None => value.or(default),
        };
        match value {
            Some(value) if depth < MAXIMUM_NESTING && *filled < MAXIMUM_FILLED => {
                *filled += 1;
                out.push_str(&fill_within(value, variables, depth + 1, filled));
            }
            _ => out.push_str(&rest[..end]),
        }
        rest = &rest[end..];
        if out.len() > MAXIMUM_REFERENCE {
            return out;
        }
    }
    out.push_str(rest);
    out
}

/// Takes the blanks out of a CI's expressions, `${{ matrix.version }}`, so that what stands around them can be read.
fn without_blanks(text: &str) -> Cow<'_, str> {
    if !text.contains("{{") {
        return Cow::Borrowed(text);
    }
    let mut depth = 0_usize;
    let keep = |c: &char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 || !c.is_whitespace()
    };
    Cow::Owned(text.chars().filter(keep).collect())
}

/// Where the brace closes that was open before.
fn closing(inside: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_model::Completeness;

    fn read(written: &str) -> (Option<(String, Option<String>)>, Inventory) {
        let variables =
            Variables::from([("V".into(), "1.${W}".into()), ("W".into(), "2".into()), ("E".into(), String::new())]);
        let mut inventory = Inventory::new("test", Completeness::Declared);
        image(&mut inventory, written, &variables, Scope::Production, 1);
        let found = inventory.packages.first().map(|package| (package.name.clone(), package.version.clone()));
        (found, inventory)
    }

    #[test]
    fn references() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        let is = |name: &str, version: Option<&str>| Some((name.to_owned(), version.map(str::to_owned)));
        assert_eq!(read("alpine").0, is("alpine", None));
        assert_eq!(read("host:5000/a/b:1.0").0, is("host:5000/a/b", Some("1.0")));
        assert_eq!(read("host:5000/a/b").0, is("host:5000/a/b", None));
        assert_eq!(read("docker://a:$V").0, is("a", Some("1.2")));
        assert_eq!(read("a:${E:-3}-${NONE:-$W}").0, is("a", Some("3-2")));
        assert_eq!(read("a:x${V:+-y}").0, is("a", Some("x-y")));
        let (found, inventory) = read(&format!("a:1@{digest}"));
        assert_eq!(found, is("a", Some("1")));
        assert_eq!(inventory.packages[0].hashes[0].value.len(), 64);
        assert_eq!(read(&format!("a@{digest}")).0, is("a", Some(&digest)));
        for unknown in ["${X}", "$X/a:1", "${{ matrix.image }}", "", "a b", ":1"] {
            let (found, inventory) = read(unknown);
            assert_eq!((found, inventory.problems.len()), (None, 1), "{unknown}");
        }
        let (found, inventory) = read("a:${X}");
        assert_eq!((found, inventory.problems.len()), (is("a", None), 1));
        let (found, inventory) = read("host/a:${{ x || y }}-slim");
        assert_eq!((found, inventory.problems.len()), (is("host/a", None), 1));
        assert_eq!(read("a@sha256:12").1.problems.len(), 1);
    }

    #[test]
    fn variables_without_end() {
        let mut variables = Variables::new();
        variables.insert("a".into(), "$a$a$a$a".into());
        assert!(fill("$a", &variables).len() < 100_000);
        for level in 1..9 {
            variables.insert(format!("b{level}"), format!("$b{}", level - 1).repeat(300));
        }
        variables.insert("b0".into(), String::new());
        assert!(!fill("$b8", &variables).is_empty());
        assert_eq!(fill("a${", &variables), "a${");
        assert_eq!(fill("$", &variables), "$");
    }
}
