//! dpkg's and opkg's status files: `deb822(5)`, `dpkg(1)` (states), Debian policy 5 and 7 (fields and relations).

use std::collections::{HashMap, HashSet};

use provost_model::{Completeness, Ecosystem, Inventory, Package};

use super::graph::{Edges, Providers};
use super::{FileBudget, Kind, MAXIMUM_FILES, MAXIMUM_TEXT, Place, deb822, problem, room, text};

/// Alternatives of one need that are looked at.
const ALTERNATIVES: usize = 64;

/// Needs of one package that are looked at.
const NEEDS: usize = 20_000;

/// Bytes of a copyright file that are looked at.
const COPYRIGHT: usize = 1 << 20;

/// What stands before the name of a common licence.
const COMMON: &str = "/usr/share/common-licenses/";

/// Lines of the list of diversions that are looked at.
const DIVERSIONS: usize = 300_000;

/// Licences of one package that are named.
const LICENCES: usize = 64;

/// What is kept of a package until all of them are known.
struct Needs {
    architecture: String,
    relations: String,
}

pub(super) fn read(kind: Kind, places: &[Place<'_>]) -> Inventory {
    let mut inventory = Inventory::new(kind.name(), Completeness::Graph);
    let ecosystem = if kind == Kind::Opkg { Ecosystem::Generic } else { Ecosystem::Deb };
    let mut needs = Vec::new();
    let mut providers = Providers::default();
    let mut files = FileBudget::new();
    let diverted = places.first().map(|place| diversions(place)).unwrap_or_default();
    for place in places {
        let content = String::from_utf8_lossy(place.bytes());
        for stanza in deb822::stanzas(&content) {
            let line = Some(stanza.line);
            if let Some(bad) = stanza.bad {
                problem(
                    &mut inventory,
                    Some(bad),
                    format!("{}: no field and no continuation of one", place.input.name()),
                );
            }
            if !stanza.field("Status").is_none_or(is_there) {
                continue;
            }
            let Some(name) = stanza.field("Package").and_then(text) else {
                problem(&mut inventory, line, format!("{}: a package without a name", place.input.name()));
                continue;
            };
            if !room(&mut inventory) {
                break;
            }
            let version = stanza.field("Version").and_then(text);
            if version.is_none() {
                problem(&mut inventory, line, format!("{name}: it has no version"));
            }
            let architecture = stanza.field("Architecture").and_then(text);
            let mut package = Package::new(ecosystem, &*name, version);
            package.line = line;
            package.built_from = Some(built_from(&package, stanza.field("Source")));
            package.supplier = stanza.field("Maintainer").and_then(text);
            package.licence = stanza.field("License").and_then(text);
            let same = stanza.field("Multi-Arch").is_some_and(|value| value.eq_ignore_ascii_case("same"));
            let stem = stem(&name, architecture.as_deref(), same);
            beside(kind, place, &mut package, stem, stanza.field("Conffiles"), &diverted, &mut files);

            let index = inventory.packages.len();
            let architecture_key = architecture.clone().unwrap_or_default();
            providers.add(&name, index);
            providers.add(&format!("{name}:{architecture_key}"), index);
            for provided in stanza.field("Provides").unwrap_or_default().split(',') {
                let provided = name_of(provided).0;
                if !provided.is_empty() {
                    providers.add(&format!("virtual {provided}"), index);
                }
            }
            let relations = ["Pre-Depends", "Depends"].map(|field| stanza.field(field).unwrap_or_default()).join(",");
            needs.push(Needs { architecture: architecture_key, relations });
            package.architecture = architecture;
            inventory.packages.push(package);
        }
    }
    let mut edges = Edges::new();
    for (index, needs) in needs.iter().enumerate() {
        let found = needs
            .relations
            .split(',')
            .take(NEEDS)
            .flat_map(|clause| satisfied_by(clause, &needs.architecture, &providers));
        edges.set(&mut inventory, index, found.copied().collect());
    }
    edges.note(&providers, &mut inventory);
    files.note(&mut inventory);
    if kind == Kind::Dpkg
        && let Some(states) = places.first().and_then(|place| place.root("var/lib/apt/extended_states"))
    {
        asked_for(&mut inventory, &states);
    }
    inventory
}

/// True for a state in which the package's files are on the disk: all but `not-installed` and `config-files` (dpkg(1)).
fn is_there(status: &str) -> bool {
    !matches!(status.split_ascii_whitespace().last(), None | Some("not-installed" | "config-files"))
}

/// `Source: name (version)`; what is not said is as the package has it (policy 5.6.1).
fn built_from(package: &Package, source: Option<&str>) -> (String, Option<String>) {
    let Some(source) = source.and_then(text) else { return (package.name.clone(), package.version.clone()) };
    match source.split_once('(') {
        Some((name, version)) => {
            let version = text(version.trim().trim_end_matches(')'));
            (name.trim().to_owned(), version.or_else(|| package.version.clone()))
        }
        None => (source, package.version.clone()),
    }
}

/// The name of one relation, without its version and the like, and the architecture that it asks for (policy 7.1):
/// `libc6:any (>= 2.36) [amd64] <!nocheck>`.
fn name_of(relation: &str) -> (&str, Option<&str>) {
    let relation = relation.trim();
    let name = relation.split(|one: char| one.is_ascii_whitespace() || "([<".contains(one)).next().unwrap_or_default();
    match name.split_once(':') {
        Some((name, architecture)) => (name, Some(architecture)),
        None => (name, None),
    }
}

/// The packages that satisfy a clause: those of the first alternative that is installed under its own name, or else of
/// the first that something provides.
fn satisfied_by<'a>(clause: &str, architecture: &str, providers: &'a Providers) -> &'a [usize] {
    let alternatives = || clause.split('|').take(ALTERNATIVES).map(name_of).filter(|(name, _)| !name.is_empty());
    for (name, asked) in alternatives() {
        let asked = asked.filter(|one| !matches!(*one, "any" | "native")).unwrap_or(architecture);
        for key in [format!("{name}:{asked}"), format!("{name}:all"), name.to_owned()] {
            if let found @ [_, ..] = providers.of(&key) {
                return &found[..1];
            }
        }
    }
    alternatives()
        .map(|(name, _)| providers.of(&format!("virtual {name}")))
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// What the names of a package's files in `info` begin with, the likeliest first. None for a name that is no package's:
/// it must not lead anywhere else.
fn stem(name: &str, architecture: Option<&str>, same: bool) -> Vec<String> {
    let plain = |text: &str| {
        text.starts_with(|one: char| one.is_ascii_alphanumeric())
            && text.bytes().all(|one| one.is_ascii_alphanumeric() || b"+-._".contains(&one))
    };
    if !plain(name) {
        return Vec::new();
    }
    let mut stems = vec![name.to_owned()];
    if let Some(architecture) = architecture.filter(|one| plain(one)) {
        stems.insert(usize::from(!same), format!("{name}:{architecture}"));
    }
    stems
}

/// Fills in what lies beside the status file: the files of a package, its scripts, its licence.
fn beside(
    kind: Kind,
    place: &Place<'_>,
    package: &mut Package,
    stems: Vec<String>,
    conffiles: Option<&str>,
    diverted: &HashMap<String, (String, String)>,
    files: &mut FileBudget,
) {
    let Some(name) = stems.iter().find(|stem| !stem.contains(':')).cloned() else { return };
    let info = |what: &str| stems.iter().find_map(|stem| place.beside(&format!("info/{stem}.{what}")));
    let mut found: Vec<String> = Vec::new();
    if let Some(list) = info("list") {
        found = without_directories(&String::from_utf8_lossy(&list));
    } else {
        let sums = match kind {
            Kind::DpkgPart => place.beside(&format!("{}.md5sums", place.input.name())),
            _ => info("md5sums"),
        };
        let sums = sums.unwrap_or_default();
        let sums = String::from_utf8_lossy(&sums);
        found.extend(
            sums.lines()
                .take(MAXIMUM_FILES)
                .filter_map(|line| line.split_once(' '))
                .map(|(_, path)| absolute(path.trim_start())),
        );
        let configuration = conffiles.unwrap_or_default().lines();
        found.extend(configuration.filter_map(|line| line.split_ascii_whitespace().next()).map(absolute));
    }
    for path in found {
        let path = match diverted.get(&path) {
            Some((to, by)) if *by != package.name => to.clone(),
            _ => path,
        };
        if !files.take(&mut package.files, "", &path) {
            break;
        }
    }
    if kind != Kind::DpkgPart {
        package.install_script = info("preinst").is_some() || info("postinst").is_some();
    }
    if package.licence.is_none()
        && let Some(copyright) = place.root(&format!("usr/share/doc/{name}/copyright"))
    {
        package.licence = licence_of(&String::from_utf8_lossy(&copyright[..copyright.len().min(COPYRIGHT)]));
    }
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{}", path.trim_start_matches("./")) }
}

/// The lines of a list that are no directory with something in it: those stand before what is in them.
fn without_directories(list: &str) -> Vec<String> {
    let lines: Vec<&str> = list.lines().take(MAXIMUM_FILES).filter(|line| line.starts_with('/')).collect();
    let parents: HashSet<&str> = lines.iter().filter_map(|line| Some(line.rsplit_once('/')?.0)).collect();
    let is_file = |line: &&&str| **line != "/." && !parents.contains(**line);
    lines.iter().filter(is_file).map(|line| (*line).to_owned()).collect()
}

/// Files that lie elsewhere because another package's take their place (dpkg-divert(1)): from, to, by whom, a line each.
fn diversions(place: &Place<'_>) -> HashMap<String, (String, String)> {
    let bytes = place.beside("diversions").unwrap_or_default();
    let content = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = content.lines().take(DIVERSIONS).collect();
    let entries = lines.chunks_exact(3).map(|three| (three[0].to_owned(), (three[1].to_owned(), three[2].to_owned())));
    entries.collect()
}

/// Which packages a person asked for: all that apt did not note as installed for another one's sake.
fn asked_for(inventory: &mut Inventory, states: &[u8]) {
    let states = String::from_utf8_lossy(states);
    let (mut exact, mut names) = (HashSet::new(), HashSet::new());
    for stanza in deb822::stanzas(&states).filter(|stanza| stanza.field("Auto-Installed") == Some("1")) {
        let Some(name) = stanza.field("Package") else { continue };
        names.insert(name);
        exact.insert((name, stanza.field("Architecture").unwrap_or_default()));
    }
    for package in &mut inventory.packages {
        let automatic = match package.architecture.as_deref() {
            // Noted under the machine's own architecture; there is only one of them.
            None | Some("all") => names.contains(&*package.name),
            Some(architecture) => exact.contains(&(&*package.name, architecture)),
        };
        package.direct = Some(!automatic);
    }
}

/// The licences that a copyright file names: the `License` fields of files in the machine-readable form
/// (copyright-format 1.0), or else the common licences that it refers to (policy 12.5). All of them hold for some file.
fn licence_of(copyright: &str) -> Option<String> {
    let mut found: Vec<&str> = Vec::new();
    if copyright.trim_start().starts_with("Format:") {
        // A stanza with a licence and no files is the text of one that others name.
        let of_files = deb822::stanzas(copyright).filter(|stanza| stanza.field("Files").is_some());
        for stanza in of_files {
            note(&mut found, stanza.field("License").and_then(|value| value.lines().next()));
        }
    }
    if found.is_empty() {
        for (at, mark) in copyright.match_indices(COMMON) {
            let rest = copyright.get(at + mark.len()..).unwrap_or_default();
            let end = rest.find(|one: char| !one.is_ascii_alphanumeric() && !"-.+".contains(one)).unwrap_or(rest.len());
            note(&mut found, rest.get(..end).map(|name| name.trim_end_matches('.')));
        }
    }
    let several = found.len() > 1;
    let bracketed = |name: &&str| match several && name.contains(' ') {
        true => format!("({name})"),
        false => (*name).to_owned(),
    };
    (!found.is_empty()).then(|| found.iter().map(bracketed).collect::<Vec<_>>().join(" AND "))
}

fn note<'a>(found: &mut Vec<&'a str>, name: Option<&'a str>) {
    let name = name.unwrap_or_default().trim();
    if !name.is_empty() && name.len() <= MAXIMUM_TEXT && found.len() < LICENCES && !found.contains(&name) {
        found.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Input;

    fn system(path: &str) -> Option<Vec<u8>> {
        let content = match path {
            "info/libc6:amd64.list" => "/.\n/usr\n/usr/lib\n/usr/lib/libc.so.6\n/usr/share\n/usr/share/empty\n",
            "info/sh.md5sums" => "0123456789abcdef0123456789abcdef  bin/sh\n",
            "info/sh.postinst" => "#!/bin/sh",
            "diversions" => "/bin/sh\n/bin/sh.distrib\nother\n",
            "../../../etc/os-release" => "ID=debian\nVERSION_ID=12\n",
            "../../../var/lib/apt/extended_states" => {
                "Package: libc6\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: data\nArchitecture: amd64\nAuto-Installed: 1\n"
            }
            "../../../usr/share/doc/libc6/copyright" => {
                "Format: x\n\nFiles: *\nLicense: LGPL-2.1+\n text\n\nFiles: b\nLicense: GPL-2 or MIT\n\nLicense: MIT\n text\n"
            }
            "../../../usr/share/doc/sh/copyright" => {
                "See /usr/share/common-licenses/GPL-2. And /usr/share/common-licenses/BSD"
            }
            _ => return None,
        };
        Some(content.as_bytes().to_vec())
    }

    const STATUS: &str = "\
Package: sh
Status: install ok installed
Architecture: amd64
Source: shells (1:2.0-1)
Version: 2.0-1+b1
Maintainer: A <a@example.org>
Depends: libc6 (>= 2.3), gone | data | sh, awk
Conffiles:
 /etc/sh.conf 0123456789abcdef0123456789abcdef

Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9

Package: libc6
Status: install ok unpacked
Architecture: i386
Multi-Arch: same
Version: 2.36-9
Depends: sh:any

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: data
Status: hold ok installed
Architecture: all
Version: 3
Provides: awk (= 1), other

Status: install ok installed
Version: 4

Package: ../../x
Status: install ok installed
what is this
";

    #[test]
    fn a_status_file_and_what_lies_beside_it() {
        let input = Input { path: "/var/lib/dpkg/status", bytes: STATUS.as_bytes(), beside: &system };
        let inventory = super::super::read(Kind::Dpkg, &[input]).expect("read");
        let names: Vec<&str> = inventory.packages.iter().map(|package| &*package.name).collect();
        assert_eq!(names, ["sh", "libc6", "libc6", "data", "../../x"]);
        let [sh, libc6, foreign, data, _] = &inventory.packages[..] else { panic!() };
        assert_eq!(sh.built_from, Some(("shells".into(), Some("1:2.0-1".into()))));
        assert_eq!(sh.dependencies, [1, 3]);
        assert_eq!(sh.files, ["/bin/sh.distrib", "/etc/sh.conf"]);
        assert_eq!((sh.install_script, sh.direct, sh.line), (true, Some(true), Some(1)));
        assert_eq!(sh.licence.as_deref(), Some("GPL-2 AND BSD"));
        assert_eq!(sh.supplier.as_deref(), Some("A <a@example.org>"));
        assert_eq!(sh.distribution.as_ref().map(|one| (&*one.id, &*one.version)), Some(("debian", "12")));
        assert_eq!(libc6.built_from, Some(("glibc".into(), Some("2.36-9".into()))));
        assert_eq!(libc6.files, ["/usr/lib/libc.so.6", "/usr/share/empty"]);
        assert_eq!(libc6.licence.as_deref(), Some("LGPL-2.1+ AND (GPL-2 or MIT)"));
        assert_eq!((libc6.direct, foreign.direct, data.direct), (Some(false), Some(true), Some(false)));
        assert_eq!(foreign.dependencies, [0]);
        assert_eq!(data.built_from, Some(("data".into(), Some("3".into()))));
        let problems: Vec<Option<u64>> = inventory.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(problems, [Some(36), Some(41), Some(39)]);
    }

    #[test]
    fn scattered_packages_are_one_inventory() {
        let beside = |path: &str| match path {
            "base.md5sums" => Some(b"0123456789abcdef0123456789abcdef  etc/host.conf\n".to_vec()),
            "../../../../usr/lib/os-release" => Some(b"ID=debian\nVERSION_ID=12".to_vec()),
            _ => None,
        };
        let input = |path, bytes| Input { path, bytes, beside: &beside };
        let inputs = [
            input(
                "var/lib/dpkg/status.d/base",
                b"Package: base-files\nVersion: 12\nArchitecture: amd64\nDepends: awk\n",
            ),
            input("var/lib/dpkg/status.d/mawk", b"Package: mawk\nVersion: 1\nArchitecture: amd64\nProvides: awk\n"),
        ];
        let inventory = super::super::read(Kind::DpkgPart, &inputs).expect("read");
        assert_eq!(inventory.packages[0].files, ["/etc/host.conf"]);
        assert_eq!(inventory.packages[0].dependencies, [1]);
        assert_eq!(inventory.packages[1].distribution.as_ref().map(|one| &*one.id), Some("debian"));
        assert!(inventory.problems.is_empty());
    }

    #[test]
    fn many_that_provide_the_same_make_no_square() {
        let mut status = String::new();
        for n in 0..20_000 {
            status
                .push_str(&format!("Package: p{n}\nVersion: 1\nStatus: a b installed\nProvides: x\nDepends: x, x\n\n"));
        }
        let input = Input { path: "var/lib/dpkg/status", bytes: status.as_bytes(), beside: &|_| None };
        let inventory = super::super::read(Kind::Dpkg, &[input]).expect("read");
        assert!(inventory.packages.iter().all(|package| package.dependencies.len() <= super::super::MAXIMUM_PROVIDERS));
    }
}
