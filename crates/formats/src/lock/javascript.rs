//! `package.json`, and what the lockfiles of npm, yarn, pnpm and bun have in common.

use std::collections::{HashMap, HashSet};

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Problem, Root, Scope, Scopes};

use super::graph::full;
use super::source::{git, public};
use super::tree::{Fields, Node, decode, json, tell};
use super::{Input, LockError, Reader};

/// What every package manager for JavaScript reads.
pub(crate) const READERS: &[Reader] = &[Reader {
    id: "npm-manifest",
    wants: |path| super::named(path, "package.json") && !path.split('/').any(|part| part == "node_modules"),
    read,
    covered_by: &["npm-lock", "npm-shrinkwrap", "yarn-lock", "pnpm-lock", "bun-lock"],
}];

/// One dependency that a `package.json` (or its copy in a lock) asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask<'n> {
    /// The name that it has in `node_modules`.
    pub(crate) name: &'n str,
    /// What is asked for: a range, a tag, an address.
    pub(crate) wanted: &'n str,
    /// What for.
    pub(crate) scope: Scope,
    /// It is the dependent's user who has to bring it.
    pub(crate) peer: bool,
    /// Line.
    pub(crate) line: u32,
}

/// What a `package.json` asks for. As npm does it, an optional dependency counts before an ordinary one of that name.
pub(crate) fn asks<'n>(fields: &mut Fields<'n, '_, '_>) -> Vec<Ask<'n>> {
    let optional_peers: HashSet<&str> = fields
        .table("peerDependenciesMeta")
        .iter()
        .filter(|(_, meta)| meta.get("optional").is_some_and(Node::is_true))
        .map(|(name, _)| name.as_ref())
        .chain(fields.list("optionalPeers").iter().filter_map(Node::text))
        .collect();
    let kinds = [
        ("optionalDependencies", Scope::Optional),
        ("dependencies", Scope::Production),
        ("devDependencies", Scope::Development),
        ("peerDependencies", Scope::Production),
    ];
    let mut asks: Vec<Ask<'n>> = Vec::new();
    let mut optional: HashSet<&str> = HashSet::new();
    for (key, scope) in kinds {
        let peer = key == "peerDependencies";
        for (name, wanted, line) in fields.texts(key) {
            match key {
                "optionalDependencies" => {
                    optional.insert(name);
                }
                "dependencies" if optional.contains(name) => continue,
                _ => {}
            }
            let scope = if peer && optional_peers.contains(name) { Scope::Optional } else { scope };
            asks.push(Ask { name, wanted, scope, peer, line });
        }
    }
    asks.sort_by_key(|ask| ask.line);
    asks
}

/// What a dependency's text asks for.
pub(crate) struct Wanted<'n> {
    /// The package's own name, where the text names another.
    pub(crate) name: Option<&'n str>,
    /// The version, where only one fits.
    pub(crate) version: Option<&'n str>,
    /// Where from.
    pub(crate) source: PackageSource,
}

/// Reads `^1.2.3`, `npm:name@^1`, `git+ssh://…`, `owner/name`, `file:…`, `workspace:…`, `https://…` and their like
/// (npm-package-arg; yarn's and pnpm's protocols).
pub(crate) fn wanted(text: &str) -> Wanted<'_> {
    let of = |source| Wanted { name: None, version: None, source };
    if let Some(rest) = text.strip_prefix("npm:") {
        return match split_name(rest) {
            (name, Some(range)) => Wanted { name: Some(name), version: exact(range), source: PackageSource::Registry },
            (range, None) if range.starts_with(|c: char| !c.is_ascii_alphabetic() && c != '@') => {
                Wanted { name: None, version: exact(range), source: PackageSource::Registry }
            }
            (name, None) => Wanted { name: Some(name), version: None, source: PackageSource::Registry },
        };
    }
    if let Some(source) = git(text) {
        return of(source);
    }
    let local = ["file:", "link:", "portal:", "workspace:", "./", "../", "/", "~/"];
    if local.iter().any(|prefix| text.starts_with(prefix)) {
        let path = ["file:", "link:", "portal:"].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
        return of(PackageSource::Path { path: path.to_owned() });
    }
    if text.starts_with("https://") || text.starts_with("http://") {
        return of(PackageSource::Url { url: public(text).into_owned() });
    }
    if text.starts_with("jsr:") {
        return of(PackageSource::OtherRegistry { url: "https://npm.jsr.io".to_owned() });
    }
    let shorthand = text.split('#').next().unwrap_or(text);
    let is_shorthand = shorthand.split('/').count() == 2
        && shorthand.split('/').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        });
    if is_shorthand && let Some(source) = git(&format!("github:{text}")) {
        return of(source);
    }
    Wanted { name: None, version: exact(text), source: PackageSource::Registry }
}

/// True where `name` in `wanted` asks for a package of the registry that is another than `real`: no alias, no repository and
/// no catalog makes that package stand there.
pub(crate) fn is_another(name: &str, wanted_text: &str, real: &str) -> bool {
    if ["catalog:", "patch:", "$"].iter().any(|open| wanted_text.starts_with(open)) {
        return false;
    }
    let asked = wanted(wanted_text);
    asked.source == PackageSource::Registry && asked.name.unwrap_or(name) != real
}

/// The address of a tarball as claimed; nothing where it is a file of the project.
pub(crate) fn claimed(url: &str) -> Option<String> {
    (url.contains("://") && url.len() <= MAXIMUM_ADDRESS).then(|| public(url).into_owned())
}

/// Bytes of an address that is kept.
const MAXIMUM_ADDRESS: usize = 4096;

/// What the project's manifest replaces by other packages (`overrides`, `resolutions`, pnpm's own) is asked for. Where it is
/// not at hand, the lock alone is judged.
pub(crate) fn forgive_replaced(inventory: &mut Inventory, manifest: Option<&str>) {
    let Some(manifest) = manifest else { return };
    for package in &mut inventory.packages {
        let named = |end: char| manifest.contains(&format!("npm:{}{end}", package.name));
        if package.claims.instead_of.is_some() && (named('@') || named('"')) {
            package.claims.instead_of = None;
        }
    }
}

/// The version, where a range is one alone.
pub(crate) fn exact(range: &str) -> Option<&str> {
    let version = range.trim();
    let version = version.strip_prefix('=').unwrap_or(version);
    let version = version.strip_prefix('v').unwrap_or(version);
    semver::Version::parse(version).is_ok().then_some(version)
}

/// `name@rest` and `@scope/name@rest`, apart.
pub(crate) fn split_name(text: &str) -> (&str, Option<&str>) {
    match text.char_indices().skip(1).find(|(_, c)| *c == '@') {
        Some((at, _)) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// Where a tarball comes from: the registry, another one, or an address of its own.
pub(crate) fn tarball(url: &str, name: &str) -> PackageSource {
    if let Some(source) = git(url) {
        return source;
    }
    if let Some(path) = url.strip_prefix("file:") {
        return PackageSource::Path { path: path.to_owned() };
    }
    let Some((_, rest)) = url.split_once("://") else { return PackageSource::Path { path: url.to_owned() } };
    let host = rest.split('/').next().unwrap_or(rest);
    if matches!(host, "registry.npmjs.org" | "registry.yarnpkg.com") {
        return PackageSource::Registry;
    }
    let url = public(url);
    match url.split_once("/-/") {
        Some((registry, _)) => {
            let registry = registry.strip_suffix(name).unwrap_or(registry);
            PackageSource::OtherRegistry { url: registry.trim_end_matches('/').to_owned() }
        }
        None => PackageSource::Url { url: url.split('#').next().unwrap_or(&url).to_owned() },
    }
}

/// A licence as npm writes it: text, or an old form of it.
pub(crate) fn licence(fields: &Fields<'_, '_, '_>) -> Option<String> {
    let node = fields.get("license").or_else(|| fields.get("licenses"))?;
    let one = |node: &Node<'_>| node.text().or_else(|| node.get("type")?.text()).map(str::to_owned);
    if let Some(licence) = one(node) {
        return Some(licence);
    }
    let several: Vec<String> = node.items().iter().filter_map(one).collect();
    (!several.is_empty()).then(|| several.join(" OR "))
}

/// The `package.json` in a directory relative to the lock, if it is there and can be read.
pub(crate) fn manifest_beside(input: &Input<'_>, directory: &str) -> Option<String> {
    let bytes = (input.beside)(&super::graph::within(directory, "package.json"))?;
    decode(&bytes).ok().map(|text| text.into_owned())
}

/// Names of the workspaces that a `package.json` declares.
pub(crate) fn workspaces<'n>(manifest: &'n Node<'_>) -> Vec<&'n str> {
    let Some(node) = manifest.get("workspaces") else { return Vec::new() };
    let list = node.get("packages").unwrap_or(node);
    list.items().iter().filter_map(Node::text).collect()
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = json::parse(&text)?;
    let mut inventory = Inventory::new("package.json", Completeness::Declared);
    inventory.problems = tree.problems;
    let mut problems: Vec<Problem> = Vec::new();
    let Some(mut fields) = Fields::of(&tree.root, "package.json", &mut problems) else {
        return Err(LockError::new("not a table: no package.json"));
    };
    let name = fields.text("name").map(str::to_owned);
    let version = fields.text("version").map(str::to_owned);
    let asks = asks(&mut fields);
    tell(&mut inventory.problems, &mut problems);
    let mut root = Root { name, version, path: String::new(), dependencies: Vec::new() };
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for ask in &asks {
        if full(&mut inventory) {
            break;
        }
        let index = *known.entry((ask.name, ask.wanted)).or_insert_with(|| {
            let wanted = wanted(ask.wanted);
            let name = wanted.name.unwrap_or(ask.name);
            let mut package = Package::new(Ecosystem::Npm, name, wanted.version.map(str::to_owned));
            package.alias = (name != ask.name).then(|| ask.name.to_owned());
            package.requirement = Some(public(ask.wanted).into_owned());
            package.source = wanted.source;
            package.direct = Some(true);
            package.line = Some(ask.line.into());
            inventory.packages.push(package);
            inventory.packages.len() - 1
        });
        inventory.packages[index].scopes.extend(Scopes::only(ask.scope));
        root.dependencies.push((index, ask.scope));
    }
    inventory.roots.push(root);
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::testing::read_with;

    #[test]
    fn reads_what_is_declared() {
        let text = r#"{
  "name": "app",
  "version": "1.0.0",
  "dependencies": {
    "a": "^1.2.3",
    "b": "npm:@scope/real@2.0.0",
    "c": "git+https://secret@git.example/c.git#0123456789abcdef0123456789abcdef01234567",
    "d": "file:../d",
    "e": "https://files.example/e.tgz",
    "f": "owner/name#v1",
    "o": "1.0.0",
    "x": 1
  },
  "devDependencies": { "a": "^1.2.3", "g": "=3.0.0" },
  "optionalDependencies": { "o": "1.0.0" },
  "peerDependencies": { "p": ">=1", "q": ">=2" },
  "peerDependenciesMeta": { "q": { "optional": true } }
}"#;
        let inventory = read_with("web/package.json", text, &[]).unwrap();
        let find = |name: &str| inventory.packages.iter().find(|package| package.name == name).unwrap();
        assert_eq!(find("a").scopes, Scopes::from(vec![Scope::Production, Scope::Development]));
        assert_eq!(find("a").version, None);
        assert_eq!(find("@scope/real").alias.as_deref(), Some("b"));
        assert_eq!(find("@scope/real").version.as_deref(), Some("2.0.0"));
        assert!(!format!("{:?}", find("c")).contains("secret"));
        assert_eq!(find("d").source, PackageSource::Path { path: "../d".into() });
        assert_eq!(find("e").source, PackageSource::Url { url: "https://files.example/e.tgz".into() });
        let named = PackageSource::Git { url: "https://github.com/owner/name".into(), revision: None };
        assert_eq!(find("f").source, named);
        assert_eq!(find("g").version.as_deref(), Some("3.0.0"));
        assert_eq!(find("o").scopes, Scopes::only(Scope::Optional));
        assert_eq!(find("p").scopes, Scopes::only(Scope::Production));
        assert_eq!(find("q").scopes, Scopes::only(Scope::Optional));
        assert_eq!((inventory.problems.len(), inventory.problems[0].line), (1, Some(12)));
        assert_eq!(inventory.roots[0].name.as_deref(), Some("app"));
        assert_eq!(find("a").line, Some(5));
    }

    #[test]
    fn installed_packages_are_not_projects() {
        assert!(!(READERS[0].wants)("web/node_modules/a/package.json"));
        assert!(crate::lock::reader_of("package.json").is_some());
    }

    #[test]
    fn registries_are_told_from_single_files() {
        assert_eq!(tarball("https://registry.npmjs.org/a/-/a-1.0.0.tgz", "a"), PackageSource::Registry);
        let other = PackageSource::OtherRegistry { url: "https://npm.example/own".into() };
        assert_eq!(tarball("https://u:p@npm.example/own/@s/a/-/a-1.0.0.tgz#abc", "@s/a"), other);
        let file = PackageSource::Url { url: "https://files.example/a.tgz".into() };
        assert_eq!(tarball("https://files.example/a.tgz#abc", "a"), file);
    }
}
