//! `pnpm-lock.yaml`, lockfile versions 5, 6 and 9 (pnpm/spec, `lockfile/`).

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Problem, Root, Scope, Scopes};

use super::graph::{OptionalEdges, Unknown, full, join, spread};
use super::javascript::{claimed, forgive_replaced, is_another, manifest_beside, split_name, tarball};
use super::source::{git, integrity, public};
use super::tree::{Fields, Node, Value, decode, json, note, shown, tell, yaml};
use super::{Input, LockError, Reader};

/// What pnpm writes.
pub(crate) const READERS: &[Reader] =
    &[Reader { id: "pnpm-lock", wants: |path| super::named(path, "pnpm-lock.yaml"), read, covered_by: &[] }];

/// Projects whose names are looked up at most.
const MAXIMUM_MANIFESTS: usize = 5000;

/// What a project asks for, by the table that it stands in.
const KINDS: [(&str, Scope); 5] = [
    ("dependencies", Scope::Production),
    ("devDependencies", Scope::Development),
    ("optionalDependencies", Scope::Optional),
    // The package manager and what configures it: pnpm 11's first document.
    ("configDependencies", Scope::Build),
    ("packageManagerDependencies", Scope::Build),
];

/// One document of the file.
struct Lock<'n, 'a> {
    root: &'n Node<'a>,
    /// Before version 6, keys are `/name/version_peers`; later `/name@version(peers)`, without the slash since 9.
    old: bool,
    /// Packages by their keys, with and without peers.
    by_key: HashMap<&'n str, usize>,
    optional: OptionalEdges,
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = yaml::parse(&text)?;
    let mut inventory = Inventory::new("pnpm-lock.yaml", Completeness::Graph);
    inventory.problems = tree.problems;
    let mut optional = OptionalEdges::new();
    let mut versions: Vec<String> = Vec::new();
    for root in std::iter::once(&tree.root).chain(&tree.more) {
        if root.value == Value::Null {
            continue;
        }
        let Some(version) = root.get("lockfileVersion").and_then(Node::text) else {
            return Err(LockError::at(root.line.into(), "no `lockfileVersion`: no lockfile of pnpm, or a broken one"));
        };
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if !matches!(major, Some(5 | 6 | 9)) {
            let what = format!("lockfile version {} is not known; read as the nearest", shown(version));
            note(&mut inventory.problems, Some(root.line.into()), what);
        }
        if !versions.iter().any(|known| known == version) {
            versions.push(version.to_owned());
        }
        let mut lock = Lock {
            root,
            old: major.is_some_and(|major| major < 6),
            by_key: HashMap::new(),
            optional: std::mem::take(&mut optional),
        };
        lock.packages(&mut inventory);
        lock.edges(&mut inventory);
        lock.projects(&mut inventory, input);
        optional = lock.optional;
    }
    if !versions.is_empty() {
        inventory.kind = format!("pnpm-lock.yaml v{}", shown(&versions.join(", ")));
    }
    let marks: Vec<Scopes> = inventory.packages.iter_mut().map(|package| std::mem::take(&mut package.scopes)).collect();
    spread(&mut inventory, &optional, &Unknown::Nothing);
    for (package, marks) in inventory.packages.iter_mut().zip(marks) {
        if package.scopes.is_empty() {
            package.scopes = marks;
        } else if marks.is_development_only() && !package.scopes.contains(Scope::Development) {
            package.claims.scopes = marks;
        }
    }
    forgive_replaced(&mut inventory, manifest_beside(input, "").as_deref());
    Ok(inventory)
}

impl<'n, 'a> Lock<'n, 'a> {
    /// Reads the packages. Since version 9 `packages` describes them, and `snapshots` has one for each set of peers that
    /// they were resolved with; before, `packages` is both.
    fn packages(&mut self, inventory: &mut Inventory) {
        let mut resolved: HashMap<&'n str, Vec<&'n str>> = HashMap::new();
        let snapshots = self.root.get("snapshots").map(Node::entries).unwrap_or_default();
        for (key, _) in snapshots {
            resolved.entry(self.without_peers(key)).or_default().push(key);
        }
        for (key, node) in self.table(inventory, "packages") {
            let keys = resolved.remove(key.as_ref()).unwrap_or_else(|| vec![key.as_ref()]);
            self.add(inventory, node, &keys);
        }
        // What is resolved but not described.
        for (key, node) in snapshots {
            if !self.by_key.contains_key(key.as_ref()) && resolved.contains_key(self.without_peers(key)) {
                self.add(inventory, node, &[key.as_ref()]);
            }
        }
    }

    /// Adds a package once for each of these keys, which differ in their peers.
    fn add(&mut self, inventory: &mut Inventory, node: &'n Node<'a>, keys: &[&'n str]) {
        let Some(first) = keys.first() else { return };
        let base = self.without_peers(first);
        let mut problems: Vec<Problem> = Vec::new();
        if let Some(mut fields) = Fields::of(node, first, &mut problems) {
            match self.package(&mut fields, base) {
                Some(package) => {
                    for key in keys {
                        if full(inventory) {
                            break;
                        }
                        self.by_key.insert(key, inventory.packages.len());
                        self.by_key.entry(base).or_insert(inventory.packages.len());
                        inventory.packages.push(package.clone());
                    }
                }
                None => fields.problem("has no name"),
            }
        }
        tell(&mut inventory.problems, &mut problems);
    }

    fn table(&self, inventory: &mut Inventory, key: &str) -> &'n [(std::borrow::Cow<'a, str>, Node<'a>)] {
        let Some(node) = self.root.get(key) else { return &[] };
        if !matches!(node.value, Value::Table(_)) {
            note(&mut inventory.problems, Some(node.line.into()), format!("`{key}` is {}, not a table", node.kind()));
        }
        node.entries()
    }

    /// A key without the peers that the package was resolved with.
    fn without_peers<'k>(&self, key: &'k str) -> &'k str {
        if self.old {
            let last = key.rfind('/').map_or(0, |at| at + 1);
            return key[last..].find('_').map_or(key, |at| &key[..last + at]);
        }
        key.find('(').map_or(key, |at| &key[..at])
    }

    fn package(&self, fields: &mut Fields<'_, '_, '_>, base: &str) -> Option<Package> {
        let (in_key, reference, registry) = self.identity(base);
        let name = fields.text("name").or(in_key)?;
        let of_key = reference.filter(|reference| !reference.contains([':', '/']));
        let of_runtime = reference.and_then(|reference| reference.strip_prefix("runtime:"));
        let version = fields.scalar("version").or(of_key).or(of_runtime);
        let mut package = Package::new(Ecosystem::Npm, name, version.map(str::to_owned));
        package.line = fields.line();
        package.install_script = fields.flag("requiresBuild");
        package.deprecated = match fields.get("deprecated").map(|node| &node.value) {
            Some(Value::Text(text)) => Some(text.to_string()),
            Some(Value::Bool(true)) => Some("deprecated".to_owned()),
            _ => None,
        };
        package.scopes = match (fields.flag("dev"), fields.flag("optional"), fields.get("dev").is_some()) {
            (true, ..) => Scopes::only(Scope::Development),
            (_, true, _) => Scopes::only(Scope::Optional),
            (_, _, true) => Scopes::only(Scope::Production),
            _ => Scopes::default(),
        };
        if let Some(registry) = registry {
            package.source = PackageSource::OtherRegistry { url: registry.to_owned() };
        }
        if let Some(path) = reference.or(Some(base)).and_then(|text| text.strip_prefix("file:")) {
            package.source = PackageSource::Path { path: path.to_owned() };
        } else if of_runtime.is_some() {
            package.source = PackageSource::Url { url: format!("runtime:{name}") };
        }
        let mut problems: Vec<Problem> = Vec::new();
        if let Some(node) = fields.get("resolution")
            && let Some(mut resolution) = Fields::of(node, base, &mut problems)
        {
            if let Some(text) = resolution.text("integrity")
                && !integrity(text, &mut package.hashes)
            {
                resolution.problem("an `integrity` that cannot be read");
            }
            if let Some(url) = resolution.text("tarball") {
                package.source = tarball(url, name);
                package.claims.resolved.extend(claimed(url));
            }
            if let Some(url) = resolution.text("repo") {
                let revision = resolution.text("commit").map(str::to_owned);
                let plain = match git(url) {
                    Some(PackageSource::Git { url, .. }) => url,
                    _ => public(url).into_owned(),
                };
                package.source = PackageSource::Git { url: plain, revision };
            }
            if let Some(path) = resolution.text("directory") {
                package.source = PackageSource::Path { path: path.to_owned() };
            }
        }
        for problem in problems {
            fields.problem_at(problem.line.and_then(|line| line.try_into().ok()).unwrap_or_default(), &problem.what);
        }
        Some(package)
    }

    /// Name, version or address, and registry that a key without peers says.
    fn identity<'k>(&self, base: &'k str) -> (Option<&'k str>, Option<&'k str>, Option<&'k str>) {
        if !self.old {
            return match split_name(base.strip_prefix('/').unwrap_or(base)) {
                (name, Some(reference)) if !name.contains(':') => (Some(name), Some(reference), None),
                _ => (None, None, None),
            };
        }
        let (registry, rest) = match base.strip_prefix('/') {
            Some(rest) => (None, rest),
            None => match base.split_once('/') {
                Some(("registry.npmjs.org", rest)) => (None, rest),
                Some((host, rest)) if host.contains('.') && !host.contains([':', '@']) => (Some(host), rest),
                _ => return (None, None, None),
            },
        };
        match rest.rsplit_once('/') {
            Some((name, version)) if !name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit()) => {
                (Some(name), Some(version), registry)
            }
            _ => (None, None, None),
        }
    }

    /// The package that a dependency's text means (pnpm's `refToRelative`). `Ok(None)` for a project of the workspace.
    fn find(&self, name: &str, reference: &str) -> Result<Option<usize>, ()> {
        if reference.starts_with("link:") {
            return Ok(None);
        }
        let keys = match self.old {
            true => [format!("/{name}/{reference}"), String::new()],
            false => [format!("{name}@{reference}"), format!("/{name}@{reference}")],
        };
        let found = keys.iter().map(String::as_str).chain([reference]).find_map(|key| self.by_key.get(key));
        found.map(|index| Some(*index)).ok_or(())
    }

    fn edges(&mut self, inventory: &mut Inventory) {
        let key = if self.root.get("snapshots").is_some() { "snapshots" } else { "packages" };
        for (key, node) in self.root.get(key).map(Node::entries).unwrap_or_default() {
            let Some(from) = self.by_key.get(key.as_ref()).copied() else { continue };
            let mut problems: Vec<Problem> = Vec::new();
            let Some(mut fields) = Fields::of(node, key, &mut problems) else { continue };
            for kind in ["dependencies", "optionalDependencies"] {
                let may_miss = kind == "optionalDependencies";
                for (name, reference, line) in fields.texts(kind) {
                    match self.find(name, reference) {
                        Ok(Some(to)) => {
                            inventory.packages[from].dependencies.push(to);
                            called(&mut inventory.packages[to], name);
                            if may_miss {
                                self.optional.insert((from, to));
                            }
                        }
                        Err(()) if !may_miss => {
                            let wanted = shown(&format!("{name}: {reference}"));
                            let what = format!("`{}` needs `{wanted}`, which is not in the lock", shown(key));
                            fields.problem_at(line, &what);
                        }
                        _ => {}
                    }
                }
            }
            tell(&mut inventory.problems, &mut problems);
        }
    }

    fn projects(&self, inventory: &mut Inventory, input: &Input<'_>) {
        match self.root.get("importers") {
            Some(_) => {
                for (path, node) in self.table(inventory, "importers") {
                    self.project(inventory, input, path, node);
                }
            }
            None => self.project(inventory, input, ".", self.root),
        }
    }

    fn project(&self, inventory: &mut Inventory, input: &Input<'_>, path: &str, node: &Node<'_>) {
        let mut problems: Vec<Problem> = Vec::new();
        let Some(mut fields) = Fields::of(node, path, &mut problems) else {
            tell(&mut inventory.problems, &mut problems);
            return;
        };
        let mut root = Root {
            name: None,
            version: None,
            path: if path == "." { String::new() } else { path.to_owned() },
            dependencies: Vec::new(),
        };
        let specifiers: HashMap<&str, &Node<'_>> =
            fields.table("specifiers").iter().map(|(name, node)| (name.as_ref(), node)).collect();
        for (kind, scope) in KINDS {
            for (name, node) in fields.table(kind) {
                let (reference, specifier) = match &node.value {
                    Value::Text(text) => (Some(text.as_ref()), specifiers.get(name.as_ref()).copied()),
                    _ => (node.get("version").and_then(Node::text), node.get("specifier")),
                };
                let Some(reference) = reference else {
                    let what = format!("`{}`: `{}` has no version", shown(path), shown(name));
                    fields.problem_at(node.line, &what);
                    continue;
                };
                match self.find(name, reference) {
                    Ok(Some(to)) => {
                        root.dependencies.push((to, scope));
                        let package = &mut inventory.packages[to];
                        called(package, name);
                        if let Some(wanted) = specifier.and_then(Node::text) {
                            let replaced = self.root.get("overrides").and_then(|node| node.get(name)).is_some();
                            if !replaced && is_another(name, wanted, &package.name) {
                                package.claims.instead_of.get_or_insert_with(|| name.to_string());
                            }
                            package.requirement.get_or_insert_with(|| public(wanted).into_owned());
                        }
                    }
                    Ok(None) => {}
                    Err(()) => {
                        let wanted = shown(&format!("{name}: {reference}"));
                        let what = format!("`{}` needs `{wanted}`, which is not in the lock", shown(path));
                        fields.problem_at(node.line, &what);
                    }
                }
            }
        }
        tell(&mut inventory.problems, &mut problems);
        if inventory.roots.len() < MAXIMUM_MANIFESTS
            && let Some(text) = join("", path).and_then(|path| manifest_beside(input, &path))
            && let Ok(manifest) = json::parse(&text)
        {
            let text = |key| manifest.root.get(key).and_then(Node::text).map(str::to_owned);
            (root.name, root.version) = (text("name"), text("version"));
        }
        inventory.roots.push(root);
    }
}

/// Notes the name that something else gives to a package.
fn called(package: &mut Package, name: &str) {
    if package.name != name && package.alias.is_none() {
        package.alias = Some(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::testing::{find, read_with};

    fn needs(inventory: &Inventory, name: &str, version: &str) -> Vec<String> {
        find(inventory, name, version).dependencies.iter().map(|at| inventory.packages[*at].name.clone()).collect()
    }

    const NINE: &str = "lockfileVersion: '9.0'
importers:
  .:
    dependencies:
      '@s/a':
        specifier: ^1.0.0
        version: 1.0.0(p@2.0.0)
      al:
        specifier: npm:real@^3
        version: real@3.0.0
      lib:
        specifier: workspace:*
        version: link:packages/lib
    devDependencies:
      g:
        specifier: github:o/g
        version: https://codeload.github.com/o/g/tar.gz/0123456789012345678901234567890123456789
  packages/lib:
    optionalDependencies:
      o:
        specifier: 1.x
        version: 1.0.0
packages:
  '@s/a@1.0.0':
    resolution: {integrity: sha512-AAEC}
    deprecated: use b
    peerDependencies:
      p: '*'
  g@https://codeload.github.com/o/g/tar.gz/0123456789012345678901234567890123456789:
    resolution: {tarball: https://codeload.github.com/o/g/tar.gz/0123456789012345678901234567890123456789}
    version: 0.1.0
  o@1.0.0:
    resolution: {integrity: sha512-AAEC, tarball: https://npm.example/o/-/o-1.0.0.tgz}
  p@2.0.0:
    resolution: {integrity: sha512-AAEC}
  real@3.0.0:
    resolution: {integrity: sha512-AAEC}
snapshots:
  '@s/a@1.0.0(p@2.0.0)':
    dependencies:
      p: 2.0.0
    optionalDependencies:
      o: 1.0.0
      gone: 1.0.0
  g@https://codeload.github.com/o/g/tar.gz/0123456789012345678901234567890123456789: {}
  o@1.0.0: {}
  p@2.0.0: {}
  real@3.0.0:
    dependencies:
      missing: 1.0.0
";

    #[test]
    fn reads_version_9() {
        let manifest = r#"{"name": "@s/lib", "version": "0.3.0"}"#;
        let inventory = read_with("pnpm-lock.yaml", NINE, &[("packages/lib/package.json", manifest)]).unwrap();
        assert_eq!(inventory.kind, "pnpm-lock.yaml v9.0");
        assert_eq!(needs(&inventory, "@s/a", "1.0.0"), ["o", "p"]);
        let a = find(&inventory, "@s/a", "1.0.0");
        assert_eq!((a.line, a.direct, a.requirement.as_deref()), (Some(24), Some(true), Some("^1.0.0")));
        assert_eq!((a.deprecated.as_deref(), a.hashes[0].value.as_str()), (Some("use b"), "000102"));
        assert_eq!(find(&inventory, "real", "3.0.0").alias.as_deref(), Some("al"));
        let o = find(&inventory, "o", "1.0.0");
        assert_eq!(o.scopes, Scopes::only(Scope::Optional));
        assert_eq!(o.source, PackageSource::OtherRegistry { url: "https://npm.example".into() });
        let g = find(&inventory, "g", "0.1.0");
        assert!(g.scopes.is_development_only());
        assert!(matches!(g.source, PackageSource::Git { revision: Some(_), .. }));
        let roots: Vec<_> = inventory.roots.iter().map(|root| (root.name.as_deref(), root.path.as_str())).collect();
        assert_eq!(roots, [(None, ""), (Some("@s/lib"), "packages/lib")]);
        assert_eq!(inventory.problems.len(), 1, "{:?}", inventory.problems);
        assert!(inventory.problems[0].what.contains("missing"));
    }

    #[test]
    fn reads_versions_5_and_6() {
        let five = "lockfileVersion: 5.4
specifiers: {'@s/a': ^1.0.0, g: 'github:o/g'}
dependencies:
  '@s/a': 1.0.0_p@2.0.0
devDependencies:
  g: github.com/o/g/0123456789012345678901234567890123456789
packages:
  /@s/a/1.0.0_p@2.0.0:
    resolution: {integrity: sha512-AAEC}
    requiresBuild: true
    dependencies: {p: 2.0.0, al: /real/3.0.0}
    dev: false
  /@s/a/1.0.0_p@1.0.0:
    resolution: {integrity: sha512-AAEC}
    dev: true
  /p/2.0.0: {resolution: {integrity: sha512-AAEC}}
  npm.example/real/3.0.0: {resolution: {integrity: sha512-AAEC}}
  /real/3.0.0: {resolution: {integrity: sha512-AAEC}}
  /odd/key:
  github.com/o/g/0123456789012345678901234567890123456789:
    resolution: {type: git, repo: 'git+ssh://git@github.com/o/g.git', commit: 0123456789012345678901234567890123456789}
    name: g
    version: 0.1.0
";
        let mut inventory = read_with("pnpm-lock.yaml", five, &[]).unwrap();
        let other = inventory.packages.remove(1);
        assert_eq!((other.version.as_deref(), other.scopes.is_development_only()), (Some("1.0.0"), true));
        assert_eq!((inventory.kind.as_str(), inventory.problems.len()), ("pnpm-lock.yaml v5.4", 1));
        assert!(find(&inventory, "@s/a", "1.0.0").install_script);
        assert_eq!(find(&inventory, "@s/a", "1.0.0").dependencies, [2, 4]);
        let url = "ssh://git@github.com/o/g.git".to_owned();
        let revision = Some("0123456789012345678901234567890123456789".to_owned());
        assert_eq!(find(&inventory, "g", "0.1.0").source, PackageSource::Git { url, revision });

        let six = "lockfileVersion: '6.0'
dependencies:
  '@s/a': {specifier: ^1.0.0, version: 1.0.0(p@2.0.0)}
  t: {specifier: 'https://files.example/t.tgz', version: '@files.example/t.tgz'}
packages:
  /@s/a@1.0.0(p@2.0.0):
    resolution: {integrity: sha512-AAEC}
    dependencies: {p: 2.0.0}
  /p@2.0.0: {resolution: {integrity: sha512-AAEC}, dev: false}
  '@files.example/t.tgz': {resolution: {tarball: 'https://files.example/t.tgz'}, name: t, version: 1.0.0}
  file:../f: {resolution: {directory: ../f, type: directory}, name: f, dev: true}
";
        let inventory = read_with("pnpm-lock.yaml", six, &[]).unwrap();
        assert_eq!(inventory.problems, []);
        assert_eq!(needs(&inventory, "@s/a", "1.0.0"), ["p"]);
        let url = "https://files.example/t.tgz".to_owned();
        assert_eq!(find(&inventory, "t", "1.0.0").source, PackageSource::Url { url });
        let file = inventory.packages.last().unwrap();
        assert_eq!((file.name.as_str(), file.source.clone()), ("f", PackageSource::Path { path: "../f".into() }));
        assert!(file.scopes.is_development_only());
    }

    #[test]
    fn reads_both_documents_of_pnpm_11() {
        let first = "---\nlockfileVersion: '9.0'\nimporters:\n  .:\n    configDependencies: {}\n    packageManagerDependencies:\n      pnpm: {specifier: 11.0.0, version: 11.0.0}\npackages:\n  pnpm@11.0.0: {resolution: {integrity: sha512-AAEC}}\nsnapshots:\n  pnpm@11.0.0: {}\n---\n";
        let inventory = read_with("pnpm-lock.yaml", &format!("{first}{NINE}"), &[]).unwrap();
        assert_eq!(find(&inventory, "pnpm", "11.0.0").scopes, Scopes::only(Scope::Build));
        assert_eq!(find(&inventory, "p", "2.0.0").scopes, Scopes::only(Scope::Production));
    }

    #[test]
    fn what_is_wrong_with_one_entry_leaves_the_others() {
        let text =
            "lockfileVersion: '9.0'\nimporters: 1\npackages:\n  a@1.0.0: 3\n  b: {}\n  c@1.0.0: {resolution: x}\n";
        let inventory = read_with("pnpm-lock.yaml", text, &[]).unwrap();
        assert_eq!(inventory.packages.len(), 1);
        assert_eq!(inventory.problems.len(), 4, "{:?}", inventory.problems);
        assert!(read_with("pnpm-lock.yaml", "packages: {}\n", &[]).is_err());
        assert_eq!(read_with("pnpm-lock.yaml", "", &[]).unwrap().packages, []);
    }

    #[test]
    fn entries_of_other_packages_and_marks_that_hide() {
        let lock = |specifier: &str, overrides: &str| {
            let text = format!(
                "lockfileVersion: '9.0'\n{overrides}importers:\n  .:\n    dependencies:\n      a:\n        specifier: {specifier}\n        version: evil@1.0.0\npackages:\n  evil@1.0.0:\n    resolution: {{integrity: sha512-AAEC, tarball: https://registry.npmjs.org/evil/-/evil-1.0.0.tgz}}\nsnapshots:\n  evil@1.0.0: {{}}\n"
            );
            let inventory = read_with("pnpm-lock.yaml", &text, &[]).unwrap();
            let evil = find(&inventory, "evil", "1.0.0").clone();
            assert_eq!(evil.claims.resolved, ["https://registry.npmjs.org/evil/-/evil-1.0.0.tgz"]);
            evil.claims.instead_of
        };
        assert_eq!(lock("^1.0.0", "").as_deref(), Some("a"));
        assert_eq!(lock("npm:evil@^1.0.0", ""), None);
        assert_eq!(lock("'catalog:'", ""), None);
        assert_eq!(lock("^1.0.0", "overrides:\n  a: npm:evil@1.0.0\n"), None);
        let marked = "lockfileVersion: '6.0'\ndependencies:\n  a:\n    specifier: ^1\n    version: 1.0.0\npackages:\n  /a@1.0.0:\n    resolution: {integrity: sha512-AAEC}\n    dev: true\n";
        let inventory = read_with("pnpm-lock.yaml", marked, &[]).unwrap();
        let a = find(&inventory, "a", "1.0.0");
        assert_eq!((a.scopes, a.claims.scopes), (Scopes::only(Scope::Production), Scopes::only(Scope::Development)));
    }
}
