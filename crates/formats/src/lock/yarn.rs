//! `yarn.lock`, of yarn 1 (its own grammar) and of later ones ("berry", YAML).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Problem, Root, Scope};

use super::graph::{OptionalEdges, Unknown, full, join, spread};
use super::javascript::{
    asks, claimed, forgive_replaced, is_another, manifest_beside, split_name, tarball, wanted, workspaces,
};
use super::source::{git, integrity, is_commit, of_hex, public};
use super::tree::{Fields, Node, Value, decode, json, note, shown, tell, yaml, yarn};
use super::{Input, LockError, Reader};

/// What yarn writes.
pub(crate) const READERS: &[Reader] =
    &[Reader { id: "yarn-lock", wants: |path| super::named(path, "yarn.lock"), read, covered_by: &[] }];

/// What an entry of the lock is.
#[derive(Clone, Copy)]
enum Place {
    Package(usize),
    Root(usize),
}

struct Entry<'n, 'a> {
    node: &'n Node<'a>,
    name: &'n str,
    place: Place,
}

/// Entries by `name@range`, as dependencies ask for them.
#[derive(Default)]
struct Lock<'n, 'a> {
    entries: Vec<Entry<'n, 'a>>,
    by_descriptor: HashMap<&'n str, usize>,
    /// Entries of a name: the first, and whether it is the only one.
    by_name: HashMap<&'n str, (usize, bool)>,
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let berry = text.starts_with("__metadata:") || text.contains("\n__metadata:");
    let tree = if berry { yaml::parse(&text)? } else { yarn::parse(&text)? };
    let metadata = tree.root.get("__metadata");
    let version = metadata.and_then(|node| node.get("version")).and_then(Node::text).unwrap_or("1");
    let mut inventory = Inventory::new(format!("yarn.lock v{}", shown(version)), Completeness::Graph);
    inventory.problems = tree.problems;
    let mut lock = Lock::default();
    for (key, node) in tree.root.entries() {
        if full(&mut inventory) {
            break;
        }
        if key != "__metadata" {
            lock.add(&mut inventory, key, node, berry);
        }
    }
    let mut optional = OptionalEdges::new();
    let mut unknown = Vec::new();
    for at in 0..lock.entries.len() {
        match lock.entries[at].place {
            Place::Package(from) => {
                for (to, may_miss) in lock.needs(&mut inventory, at) {
                    inventory.packages[from].dependencies.push(to);
                    if may_miss {
                        optional.insert((from, to));
                    }
                }
            }
            Place::Root(root) => lock.workspace(&mut inventory, input, at, root, &mut unknown),
        }
    }
    let unknown = match berry {
        true if inventory.roots.is_empty() => Unknown::Projects,
        true => Unknown::Reasons(unknown),
        false => lock.project(&mut inventory, input),
    };
    spread(&mut inventory, &optional, &unknown);
    forgive_replaced(&mut inventory, manifest_beside(input, "").as_deref());
    Ok(inventory)
}

impl<'n, 'a> Lock<'n, 'a> {
    fn add(&mut self, inventory: &mut Inventory, key: &'n str, node: &'n Node<'a>, berry: bool) {
        let separator = if berry { ',' } else { yarn::BETWEEN_KEYS };
        let descriptors = key.split(separator).map(str::trim).filter(|descriptor| !descriptor.is_empty());
        let mut problems: Vec<Problem> = Vec::new();
        let first = descriptors.clone().next().unwrap_or(key);
        let (name, range) = split_name(first);
        if let Some(mut fields) = Fields::of(node, first, &mut problems) {
            let place = match berry {
                true => berry_entry(inventory, &mut fields, name, range.unwrap_or_default()),
                false => classic_entry(inventory, &mut fields, name, range.unwrap_or_default()),
            };
            if let Some(place) = place {
                let at = self.entries.len();
                self.entries.push(Entry { node, name, place });
                for descriptor in descriptors {
                    if let (Place::Package(index), (asked, Some(range))) = (place, split_name(descriptor)) {
                        let package = &mut inventory.packages[index];
                        if is_another(asked, range, &package.name) {
                            package.claims.instead_of.get_or_insert_with(|| asked.to_owned());
                        }
                    }
                    self.by_descriptor.insert(descriptor, at);
                }
                self.by_name.entry(name).and_modify(|found| found.1 = false).or_insert((at, true));
            }
        }
        tell(&mut inventory.problems, &mut problems);
    }

    /// The entry that a dependency means. Where a project's `resolutions` replaced what was asked for, the range is not in
    /// the lock: then it is the only entry of that name.
    fn find(&self, name: &str, range: &str) -> Option<Place> {
        let descriptor = |range: &str| self.by_descriptor.get(format!("{name}@{range}").as_str()).copied();
        let at = descriptor(range)
            .or_else(|| descriptor(&format!("npm:{range}")))
            .or_else(|| descriptor(range.strip_prefix("npm:")?))
            .or_else(|| self.by_name.get(name).filter(|found| found.1).map(|found| found.0))?;
        Some(self.entries[at].place)
    }

    /// Packages that an entry needs, and whether it can do without.
    fn needs(&self, inventory: &mut Inventory, at: usize) -> Vec<(usize, bool)> {
        let entry = &self.entries[at];
        let mut problems: Vec<Problem> = Vec::new();
        let mut needs = Vec::new();
        let Some(mut fields) = Fields::of(entry.node, entry.name, &mut problems) else { return needs };
        let meta: HashSet<&str> = fields
            .table("dependenciesMeta")
            .iter()
            .filter(|(_, meta)| meta.get("optional").is_some_and(Node::is_true))
            .map(|(name, _)| name.as_ref())
            .collect();
        for key in ["dependencies", "optionalDependencies"] {
            for (name, range, line) in fields.texts(key) {
                let may_miss = key == "optionalDependencies" || meta.contains(name);
                match self.find(name, range) {
                    Some(Place::Package(to)) => needs.push((to, may_miss)),
                    Some(Place::Root(_)) => {}
                    None if may_miss => {}
                    None => {
                        let (entry, wanted) = (shown(entry.name), shown(&format!("{name}@{}", public(range))));
                        let what = format!("`{entry}` needs `{wanted}`, which is not in the lock");
                        fields.problem_at(line, &what);
                    }
                }
            }
        }
        tell(&mut inventory.problems, &mut problems);
        needs
    }

    /// A workspace of berry's lock: what it asks for stands there, what for in its `package.json`.
    fn workspace(
        &self,
        inventory: &mut Inventory,
        input: &Input<'_>,
        at: usize,
        root: usize,
        unknown: &mut Vec<usize>,
    ) {
        let text = join("", &inventory.roots[root].path).and_then(|path| manifest_beside(input, &path));
        let manifest = text.as_deref().and_then(|text| json::parse(text).ok());
        let mut scopes: HashMap<&str, (Vec<Scope>, &str)> = HashMap::new();
        if let Some(manifest) = &manifest
            && let Some(mut fields) = Fields::of(&manifest.root, "package.json", &mut Vec::new())
        {
            let named = &mut inventory.roots[root];
            named.version = fields.text("version").map(str::to_owned);
            named.name = fields.text("name").map(str::to_owned).or(named.name.take());
            for ask in asks(&mut fields).iter().filter(|ask| !ask.peer) {
                scopes.entry(ask.name).or_insert((Vec::new(), ask.wanted)).0.push(ask.scope);
            }
        }
        let entry = &self.entries[at];
        for (name, node) in entry.node.get("dependencies").map(Node::entries).unwrap_or_default() {
            let Some(range) = node.text() else { continue };
            let Some(Place::Package(to)) = self.find(name, range) else { continue };
            let wanted = match scopes.get(name.as_ref()) {
                Some((scopes, wanted)) => {
                    inventory.roots[root].dependencies.extend(scopes.iter().map(|scope| (to, *scope)));
                    *wanted
                }
                None => {
                    unknown.push(to);
                    range
                }
            };
            inventory.packages[to].requirement.get_or_insert_with(|| public(wanted).into_owned());
        }
        self.needs(inventory, at); // for its problems
    }

    /// Yarn 1 says nothing of the project: its `package.json` does, where it has no workspaces that nobody names.
    fn project(&self, inventory: &mut Inventory, input: &Input<'_>) -> Unknown {
        let Some(text) = manifest_beside(input, "") else { return Unknown::Projects };
        let Ok(manifest) = json::parse(&text) else { return Unknown::Projects };
        let workspaces = workspaces(&manifest.root);
        let mut whole = self.manifest(inventory, &manifest.root, "", workspaces.is_empty());
        for workspace in &workspaces {
            let path = join("", workspace).filter(|path| !path.contains(['*', '{', '!', '?']));
            let text = path.as_deref().and_then(|path| manifest_beside(input, path));
            let manifest = text.as_deref().and_then(|text| json::parse(text).ok());
            whole &= match (path, manifest) {
                (Some(path), Some(manifest)) => self.manifest(inventory, &manifest.root, &path, false),
                _ => false,
            };
        }
        if whole { Unknown::Nothing } else { Unknown::Projects }
    }

    /// Adds a project by its manifest. False where that is none.
    fn manifest(&self, inventory: &mut Inventory, manifest: &Node<'_>, path: &str, alone: bool) -> bool {
        let mut ignored = Vec::new();
        let Some(mut fields) = Fields::of(manifest, "package.json", &mut ignored) else { return false };
        let mut root = Root {
            name: fields.text("name").map(str::to_owned),
            version: fields.text("version").map(str::to_owned),
            path: path.to_owned(),
            dependencies: Vec::new(),
        };
        for ask in asks(&mut fields).iter().filter(|ask| !ask.peer) {
            match self.find(ask.name, ask.wanted) {
                Some(Place::Package(to)) => {
                    root.dependencies.push((to, ask.scope));
                    inventory.packages[to].requirement.get_or_insert_with(|| public(ask.wanted).into_owned());
                }
                Some(Place::Root(_)) => {}
                None if alone && wanted(ask.wanted).source == PackageSource::Registry => {
                    let asked = shown(&format!("{}@{}", ask.name, ask.wanted));
                    note(
                        &mut inventory.problems,
                        None,
                        format!("package.json asks for `{asked}`, which is not in the lock"),
                    );
                }
                None => {}
            }
        }
        inventory.roots.push(root);
        true
    }
}

/// An entry of yarn 1.
fn classic_entry(inventory: &mut Inventory, fields: &mut Fields<'_, '_, '_>, name: &str, range: &str) -> Option<Place> {
    let version = fields.scalar("version");
    if version.is_none() {
        fields.problem("has no version");
    }
    let asked = wanted(range);
    let real = asked.name.unwrap_or(name);
    let mut package = Package::new(Ecosystem::Npm, real, version.map(str::to_owned));
    package.alias = (real != name).then(|| name.to_owned());
    package.line = fields.line();
    package.source = match fields.text("resolved") {
        Some(resolved) => {
            if let Some(hash) = resolved.split_once('#').filter(|(_, hash)| hash.len() == 40 && is_commit(hash))
                && git(resolved).is_none()
            {
                package.hashes.extend(of_hex("sha1", hash.1));
            }
            package.claims.resolved.extend(claimed(resolved));
            tarball(resolved, real)
        }
        None => asked.source,
    };
    if let Some(text) = fields.text("integrity")
        && !integrity(text, &mut package.hashes)
    {
        fields.problem("an `integrity` that cannot be read");
    }
    inventory.packages.push(package);
    Some(Place::Package(inventory.packages.len() - 1))
}

/// An entry of berry: its `resolution` says which package it is and where from.
fn berry_entry(inventory: &mut Inventory, fields: &mut Fields<'_, '_, '_>, name: &str, range: &str) -> Option<Place> {
    let version = fields.scalar("version");
    let (real, reference) = match fields.text("resolution").map(split_name) {
        Some((real, Some(reference))) => (real, reference),
        _ => {
            if fields.get("resolution").is_none_or(|node| matches!(node.value, Value::Text(_))) {
                fields.problem("has no resolution that can be read");
            }
            (name, range)
        }
    };
    if let Some(path) = reference.strip_prefix("workspace:") {
        let path = if path == "." { "" } else { path };
        let (name, path) = (Some(real.to_owned()), path.to_owned());
        inventory.roots.push(Root { name, version: None, path, dependencies: Vec::new() });
        return Some(Place::Root(inventory.roots.len() - 1));
    }
    if version.is_none() {
        fields.problem("has no version");
    }
    let patched = reference.starts_with("patch:");
    let version = version.map(str::to_owned);
    if patched {
        // The package itself stands there too: what is patched is no other package.
        let same = inventory.packages.iter().rev().take(64).position(|p| p.name == real && p.version == version);
        if let Some(back) = same {
            return Some(Place::Package(inventory.packages.len() - 1 - back));
        }
    }
    let mut package = Package::new(Ecosystem::Npm, real, version);
    package.alias = (real != name).then(|| name.to_owned());
    package.line = fields.line();
    package.source = berry_source(reference, real);
    if let Some((_, url)) = reference.split_once("::__archiveUrl=") {
        package.claims.resolved.extend(claimed(&percent_decoded(url.split('&').next().unwrap_or(url))));
    }
    // The registry's own resolution says the version once more.
    if let (Some(said), Some(version)) = (reference.strip_prefix("npm:"), package.version.as_deref()) {
        let said = said.split("::").next().unwrap_or(said);
        if said != version {
            package.claims.instead_of.get_or_insert_with(|| format!("{real}@{said}"));
        }
    }
    // The digest of the archive that yarn makes of the package, not of what the registry hands out.
    if let Some(checksum) = fields.text("checksum") {
        let value = checksum.rsplit('/').next().unwrap_or(checksum);
        match of_hex("yarn-zip-sha512", value) {
            Some(hash) => package.hashes.push(hash),
            None => fields.problem("a `checksum` that cannot be read"),
        }
    }
    inventory.packages.push(package);
    Some(Place::Package(inventory.packages.len() - 1))
}

fn berry_source(reference: &str, name: &str) -> PackageSource {
    if reference.starts_with("patch:") {
        return PackageSource::Registry;
    }
    if let Some((_, url)) = reference.split_once("::__archiveUrl=") {
        return tarball(&percent_decoded(url.split('&').next().unwrap_or(url)), name);
    }
    match reference.strip_prefix("npm:") {
        Some(_) => PackageSource::Registry,
        None => match wanted(reference).source {
            PackageSource::Path { path } => {
                let path = path.split(['#', ':']).next().unwrap_or(&path).to_owned();
                PackageSource::Path { path }
            }
            source => source,
        },
    }
}

fn percent_decoded(text: &str) -> Cow<'_, str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let decoded = match (byte, after) {
            (b'%', [high, low, ..]) => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        match decoded {
            Some((high, low)) => {
                bytes.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use provost_model::Scopes;

    use super::*;
    use crate::lock::testing::{find, read_with};

    const CLASSIC: &str = r#"# yarn lockfile v1


"@s/a@^1.0.0", "@s/a@^1.1.0":
  version "1.1.0"
  resolved "https://registry.yarnpkg.com/@s/a/-/a-1.1.0.tgz#0123456789012345678901234567890123456789"
  integrity sha512-AAEC
  dependencies:
    b "^2.0.0"
    pinned "^9"
  optionalDependencies:
    o "*"
    absent "*"

"al@npm:real@^3":
  version "3.0.0"

b@^2.0.0:
  version "2.0.0"

"g@https://git.example/g.git":
  version "0.1.0"
  resolved "https://git.example/g.git#0123456789012345678901234567890123456789"

o@*:
  version "1.0.0"

pinned@1.0.0:
  version "1.0.0"

t@1:
  version "1.2.0"
  dependencies:
    b "^2.0.0"
    missing "1"
"#;

    const MANIFEST: &str = r#"{"name": "app", "dependencies": {"@s/a": "^1.0.0", "al": "npm:real@^3"},
        "devDependencies": {"t": "1", "g": "https://git.example/g.git", "stale": "7"}}"#;

    #[test]
    fn reads_yarn_1_with_its_manifest() {
        let inventory = read_with("yarn.lock", CLASSIC, &[("package.json", MANIFEST)]).unwrap();
        assert_eq!(inventory.kind, "yarn.lock v1");
        let a = find(&inventory, "@s/a", "1.1.0");
        let hashes: Vec<_> = a.hashes.iter().map(|hash| (hash.algorithm.as_str(), hash.value.len())).collect();
        assert_eq!(hashes, [("sha1", 40), ("sha512", 6)]);
        let names: Vec<_> = a.dependencies.iter().map(|at| inventory.packages[*at].name.as_str()).collect();
        assert_eq!(names, ["b", "o", "pinned"]);
        assert_eq!((a.line, a.direct, a.scopes), (Some(4), Some(true), Scopes::only(Scope::Production)));
        assert_eq!(find(&inventory, "real", "3.0.0").alias.as_deref(), Some("al"));
        assert_eq!(find(&inventory, "o", "1.0.0").scopes, Scopes::only(Scope::Optional));
        assert!(find(&inventory, "t", "1.2.0").scopes.is_development_only());
        assert_eq!(find(&inventory, "b", "2.0.0").direct, Some(false));
        assert!(matches!(find(&inventory, "g", "0.1.0").source, PackageSource::Git { revision: Some(_), .. }));
        let problems: Vec<_> = inventory.problems.iter().map(|problem| problem.what.as_str()).collect();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("missing@1") && problems[1].contains("stale@7"));
    }

    #[test]
    fn what_the_project_asks_for_is_open_without_all_manifests() {
        let open = r#"{"name": "app", "devDependencies": {"@s/a": "^1.0.0"}, "workspaces": ["packages/*"]}"#;
        for beside in [&[][..], &[("package.json", open)]] {
            let inventory = read_with("yarn.lock", CLASSIC, beside).unwrap();
            assert!(inventory.packages.iter().all(|package| package.scopes.is_empty()));
            assert_eq!(find(&inventory, "b", "2.0.0").direct, None);
        }
    }

    const BERRY: &str = r#"__metadata:
  version: 8
  cacheKey: 10c0

"@s/a@npm:^1.0.0, @s/a@npm:^1.1.0":
  version: 1.10
  resolution: "@s/a@npm:1.10"
  dependencies:
    b: "npm:^2.0.0"
    o: "*"
  dependenciesMeta:
    o:
      optional: true
  checksum: 10c0/00FF
  languageName: node
  linkType: hard

"al@npm:real@^3":
  version: 3.0.0
  resolution: "real@npm:3.0.0::__archiveUrl=https%3A%2F%2Fnpm.example%2Freal%2F-%2Freal-3.0.0.tgz"

"app@workspace:.":
  version: 0.0.0-use.local
  resolution: "app@workspace:."
  dependencies:
    "@s/a": "npm:^1.0.0"
    al: "npm:real@^3"
    b: "npm:^2.0.0"
    lib: "workspace:*"
  linkType: soft

"b@npm:^2.0.0":
  version: 2.0.0
  resolution: "b@npm:2.0.0"

"b@patch:b@npm%3A^2.0.0#~/.yarn/patches/b.patch":
  version: 2.0.0
  resolution: "b@patch:b@npm%3A2.0.0#~/.yarn/patches/b.patch::version=2.0.0&hash=1"

"g@https://git.example/g.git":
  version: 0.1.0
  resolution: "g@https://git.example/g.git#commit=0123456789012345678901234567890123456789"

"lib@workspace:*, lib@workspace:packages/lib":
  version: 0.0.0-use.local
  resolution: "lib@workspace:packages/lib"
  dependencies:
    g: "https://git.example/g.git"
  linkType: soft

"o@npm:*":
  version: 1.0.0
  resolution: "o@npm:1.0.0"

"p@portal:../p::locator=app%40workspace%3A.":
  version: 0.0.0-use.local
  resolution: "p@portal:../p::locator=app%40workspace%3A."
  linkType: soft
"#;

    #[test]
    fn reads_berry_with_its_workspaces() {
        let manifest = r#"{"name": "app", "version": "5.0.0", "dependencies": {"@s/a": "^1.0.0"}, "devDependencies": {"al": "npm:real@^3", "b": "^2.0.0"}}"#;
        let inventory = read_with("yarn.lock", BERRY, &[("package.json", manifest)]).unwrap();
        assert_eq!(inventory.kind, "yarn.lock v8");
        assert_eq!(inventory.problems, []);
        let a = find(&inventory, "@s/a", "1.10");
        assert_eq!((a.hashes[0].algorithm.as_str(), a.hashes[0].value.as_str()), ("yarn-zip-sha512", "00ff"));
        assert_eq!(find(&inventory, "o", "1.0.0").scopes, Scopes::only(Scope::Optional));
        assert_eq!(find(&inventory, "b", "2.0.0").scopes, Scopes::from(vec![Scope::Production, Scope::Development]));
        let real = find(&inventory, "real", "3.0.0");
        assert_eq!(real.source, PackageSource::OtherRegistry { url: "https://npm.example".into() });
        assert_eq!((real.alias.as_deref(), real.scopes.is_development_only()), (Some("al"), true));
        let g = find(&inventory, "g", "0.1.0");
        assert!(matches!(g.source, PackageSource::Git { revision: Some(_), .. }));
        assert_eq!((g.direct, g.scopes.is_empty()), (Some(true), true));
        assert_eq!(find(&inventory, "p", "0.0.0-use.local").source, PackageSource::Path { path: "../p".into() });
        let roots: Vec<_> = inventory.roots.iter().map(|root| (root.name.as_deref(), root.path.as_str())).collect();
        assert_eq!(roots, [(Some("app"), ""), (Some("lib"), "packages/lib")]);
    }

    #[test]
    fn what_is_wrong_with_one_entry_leaves_the_others() {
        let text = "__metadata:\n  version: 6\n\"a@npm:1\":\n  version: [1]\n\"b@npm:1\": 3\n\"c@npm:1\":\n  version: 1\n  resolution: \"c@npm:1\"\n";
        let inventory = read_with("yarn.lock", text, &[]).unwrap();
        assert_eq!(inventory.packages.len(), 2);
        assert!(inventory.problems.len() >= 2);
        assert!(read_with("yarn.lock", "a:\n   b", &[]).is_err());
    }

    #[test]
    fn entries_of_other_packages_than_asked_for() {
        let instead = |inventory: &Inventory, name: &str| {
            inventory.packages.iter().find(|one| one.name == name).and_then(|one| one.claims.instead_of.clone())
        };
        let classic = |key: &str| {
            let text = format!(
                "# yarn lockfile v1\n\n\n{key}:\n  version \"1.0.0\"\n  resolved \"https://u:p@registry.yarnpkg.com/a/-/a-1.0.0.tgz#0123456789012345678901234567890123456789\"\n"
            );
            read_with("yarn.lock", &text, &[]).unwrap()
        };
        let honest = classic("a@^1, \"al@npm:a@^1\"");
        assert_eq!(instead(&honest, "a"), None);
        assert!(honest.packages[0].claims.resolved[0].starts_with("https://registry.yarnpkg.com/a/"), "no password");
        assert_eq!(instead(&classic("\"a@^1\", \"b@^1\""), "a").as_deref(), Some("b"));
        let berry = |resolution: &str| {
            let text = format!(
                "__metadata:\n  version: 8\n\n\"a@npm:^1\":\n  version: 1.0.0\n  resolution: \"{resolution}\"\n"
            );
            read_with("yarn.lock", &text, &[]).unwrap()
        };
        assert_eq!(instead(&berry("a@npm:1.0.0"), "a"), None);
        assert_eq!(instead(&berry("evil@npm:1.0.0"), "evil").as_deref(), Some("a"));
        assert_eq!(instead(&berry("a@npm:6.6.6"), "a").as_deref(), Some("a@6.6.6"));
        // What the project replaces is asked for, by its whole name only.
        let text = "__metadata:\n  version: 8\n\n\"a@npm:^1\":\n  version: 1.0.0\n  resolution: \"evil@npm:1.0.0\"\n";
        for (manifest, replaced) in [
            (r#"{"resolutions": {"a": "npm:evil@1.0.0"}}"#, true),
            (r#"{"resolutions": {"a": "npm:evil-twin@1.0.0"}}"#, false),
        ] {
            let inventory = read_with("yarn.lock", text, &[("package.json", manifest)]).unwrap();
            assert_eq!(instead(&inventory, "evil").is_none(), replaced, "{manifest}");
        }
    }
}
