//! apk's database of installed packages: `X:value` lines, a blank line after each package
//! (<https://wiki.alpinelinux.org/wiki/Apk_spec>).

use base64::Engine as _;
use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash, Root, Scope};

use super::graph::{Edges, Providers};
use super::{FileBudget, Kind, Place, problem, room, text};

/// A package that is being read.
#[derive(Default)]
struct Entry {
    line: u64,
    name: Option<String>,
    version: Option<String>,
    architecture: Option<String>,
    origin: Option<String>,
    licence: Option<String>,
    maintainer: Option<String>,
    hash: Option<PackageHash>,
    needs: String,
    provides: String,
    directory: String,
    files: Vec<String>,
}

pub(super) fn read(places: &[Place<'_>]) -> Inventory {
    let mut inventory = Inventory::new(Kind::Apk.name(), Completeness::Graph);
    let mut reader = Reader { needs: Vec::new(), providers: Providers::default(), files: FileBudget::new() };
    for place in places {
        let content = String::from_utf8_lossy(place.bytes());
        let mut entry: Option<Entry> = None;
        for (number, line) in (1..).zip(content.lines()) {
            let line = line.trim_end();
            if line.is_empty() {
                reader.close(&mut inventory, entry.take());
                continue;
            }
            let entry =
                entry.get_or_insert_with(|| Entry { line: number, directory: "/".to_owned(), ..Entry::default() });
            let Some((key, value)) = line.split_once(':') else {
                problem(&mut inventory, Some(number), "no field of a package");
                continue;
            };
            reader.field(entry, key, value);
        }
        reader.close(&mut inventory, entry);
    }
    let mut edges = Edges::new();
    for (index, needs) in reader.needs.iter().enumerate() {
        let found = needs.split_ascii_whitespace().filter(|need| !need.starts_with('!'));
        let found = found.flat_map(|need| reader.providers.of(name_of(need))).copied().collect();
        edges.set(&mut inventory, index, found);
    }
    edges.note(&reader.providers, &mut inventory);
    reader.files.note(&mut inventory);
    if let Some(world) = places.first().and_then(|place| place.root("etc/apk/world")) {
        asked_for(&mut inventory, &String::from_utf8_lossy(&world), &reader.providers);
    }
    inventory
}

struct Reader {
    /// What each package needs.
    needs: Vec<String>,
    providers: Providers,
    files: FileBudget,
}

impl Reader {
    fn field(&mut self, entry: &mut Entry, key: &str, value: &str) {
        match key {
            "P" => entry.name = text(value),
            "V" => entry.version = text(value),
            "A" => entry.architecture = text(value),
            "o" => entry.origin = text(value),
            "L" => entry.licence = text(value),
            "m" => entry.maintainer = text(value),
            "C" => entry.hash = checksum(value),
            "D" => value.clone_into(&mut entry.needs),
            "p" => value.clone_into(&mut entry.provides),
            "F" => {
                let directory = text(value).unwrap_or_default();
                let directory = directory.trim_matches('/');
                entry.directory = if directory.is_empty() { "/".to_owned() } else { format!("/{directory}/") };
            }
            "R" => {
                self.files.take(&mut entry.files, &entry.directory, value);
            }
            // Sizes, times, descriptions, modes and digests of files; others may come.
            _ => {}
        }
    }

    fn close(&mut self, inventory: &mut Inventory, entry: Option<Entry>) {
        let Some(entry) = entry else { return };
        let Some(name) = entry.name else {
            problem(inventory, Some(entry.line), "a package without a name");
            return;
        };
        if !room(inventory) {
            return;
        }
        if entry.version.is_none() {
            problem(inventory, Some(entry.line), format!("{name}: it has no version"));
        }
        let index = inventory.packages.len();
        self.providers.add(&name, index);
        for provided in entry.provides.split_ascii_whitespace() {
            self.providers.add(name_of(provided), index);
        }
        let mut package = Package::new(Ecosystem::Apk, &*name, entry.version);
        // A package and its origin are built together, of one version.
        package.built_from = Some((entry.origin.unwrap_or(name), package.version.clone()));
        package.line = Some(entry.line);
        package.architecture = entry.architecture;
        package.licence = entry.licence;
        package.supplier = entry.maintainer;
        package.hashes.extend(entry.hash);
        package.files = entry.files;
        inventory.packages.push(package);
        self.needs.push(entry.needs);
    }
}

/// The name of `so:libc.musl-x86_64.so.1=1`, `busybox>=1.35`, `vim@testing`.
fn name_of(need: &str) -> &str {
    need.split(['<', '>', '=', '~', '@']).next().unwrap_or(need)
}

/// `Q1` is a SHA-1 in base64, `Q2` a SHA-256; of the package's control segment.
fn checksum(value: &str) -> Option<PackageHash> {
    let (algorithm, encoded) = match value.split_at_checked(2)? {
        ("Q1", rest) => ("sha1", rest),
        ("Q2", rest) => ("sha256", rest),
        _ => return None,
    };
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let sound = bytes.len() == if algorithm == "sha1" { 20 } else { 32 };
    sound.then(|| PackageHash { algorithm: algorithm.to_owned(), value: hex::encode(bytes) })
}

/// The world file: what a person asked for, `name`, `name>1.0`, `name@repository` or `!name`.
fn asked_for(inventory: &mut Inventory, world: &str, providers: &Providers) {
    let wanted = world.split_ascii_whitespace().filter(|name| !name.starts_with('!'));
    let mut found: Vec<usize> = wanted.flat_map(|name| providers.of(name_of(name))).copied().collect();
    found.sort_unstable();
    found.dedup();
    for package in &mut inventory.packages {
        package.direct = Some(false);
    }
    for index in &found {
        if let Some(package) = inventory.packages.get_mut(*index) {
            package.direct = Some(true);
        }
    }
    let dependencies = found.into_iter().map(|index| (index, Scope::Production)).collect();
    inventory.roots.push(Root { name: None, version: None, path: String::new(), dependencies });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Input;

    const INSTALLED: &str = "\
C:Q1EyN5AdpAOBJWKMR89vppC66o+OE=
P:musl
V:1.2.4-r2
A:x86_64
T:the musl c library (libc) implementation
L:MIT
o:musl
m:Someone <someone@example.org>
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1abc=
R:libc.musl-x86_64.so.1
F:
R:top

C:Q1broken
P:musl-utils
V:1.2.4-r2
A:x86_64
o:musl
D:so:libc.musl-x86_64.so.1 musl>=1 !uclibc /bin/none
p:cmd:ldd=1.2.4-r2

nothing

V:1
P:
";

    #[test]
    fn packages_their_files_and_what_they_need() {
        let beside = |path: &str| match path {
            "../../../etc/apk/world" => Some(b"musl-utils>1 !other\ncmd:ldd\n".to_vec()),
            "../../../etc/os-release" => Some(b"ID=alpine\nVERSION_ID=3.18.2\n".to_vec()),
            _ => None,
        };
        let input = Input { path: "lib/apk/db/installed", bytes: INSTALLED.as_bytes(), beside: &beside };
        let inventory = super::super::read(Kind::Apk, &[input]).expect("read");
        let [musl, utils] = &inventory.packages[..] else { panic!("{inventory:?}") };
        assert_eq!(musl.hashes[0].value, "13237901da4038125628c47cf6fa690baea8f8e1");
        assert_eq!(musl.files, ["/lib/ld-musl-x86_64.so.1", "/lib/libc.musl-x86_64.so.1", "/top"]);
        assert_eq!((musl.licence.as_deref(), musl.direct), (Some("MIT"), Some(false)));
        assert_eq!(utils.built_from, Some(("musl".into(), Some("1.2.4-r2".into()))));
        assert_eq!((&*utils.dependencies, utils.line, utils.direct), (&[0][..], Some(18), Some(true)));
        assert!(utils.hashes.is_empty());
        assert_eq!(inventory.roots[0].dependencies, [(1, Scope::Production)]);
        let problems: Vec<Option<u64>> = inventory.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(problems, [Some(26), Some(26), Some(28)]);
    }
}
