//! pacman's local database: a directory a package with `desc` and `files` in it, `%NAME%` and its values on lines of
//! their own, a blank line after them (libalpm, `be_local.c`).

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package};

use super::graph::{Edges, Providers};
use super::{FileBudget, Kind, MAXIMUM_FILES, Place, problem, room, text};

pub(super) fn read(places: &[Place<'_>]) -> Inventory {
    let mut inventory = Inventory::new(Kind::Pacman.name(), Completeness::Graph);
    let mut providers = Providers::default();
    let mut files = FileBudget::new();
    let mut needs: Vec<Vec<String>> = Vec::new();
    for place in places {
        let content = String::from_utf8_lossy(place.bytes());
        let sections = sections(&content);
        let one = |name: &str| sections.get(name).and_then(|values| text(values.first()?));
        let Some(name) = one("NAME") else {
            problem(&mut inventory, None, format!("{}: a package without a name", place.input.path));
            continue;
        };
        if !room(&mut inventory) {
            break;
        }
        let mut package = Package::new(Ecosystem::Generic, &*name, one("VERSION"));
        if package.version.is_none() {
            problem(&mut inventory, None, format!("{name}: it has no version"));
        }
        package.built_from = Some((one("BASE").unwrap_or_else(|| name.clone()), package.version.clone()));
        package.architecture = one("ARCH");
        package.supplier = one("PACKAGER");
        package.licence = sections.get("LICENSE").and_then(|names| text(&names.join(" AND ")));
        // Without a reason a person asked for it; 1: another package needed it.
        package.direct = Some(one("REASON").as_deref() != Some("1"));
        let list = place.beside("files").unwrap_or_default();
        for path in self::sections(&String::from_utf8_lossy(&list)).get("FILES").into_iter().flatten() {
            if !path.ends_with('/') && !files.take(&mut package.files, "/", path) {
                break;
            }
        }
        let index = inventory.packages.len();
        providers.add(&name, index);
        for provided in sections.get("PROVIDES").into_iter().flatten() {
            providers.add(name_of(provided), index);
        }
        let wanted = sections.get("DEPENDS").into_iter().flatten();
        needs.push(wanted.map(|need| name_of(need).to_owned()).collect());
        inventory.packages.push(package);
    }
    let mut edges = Edges::new();
    for (index, needs) in needs.iter().enumerate() {
        let found = needs.iter().flat_map(|need| providers.of(need)).copied().collect();
        edges.set(&mut inventory, index, found);
    }
    edges.note(&providers, &mut inventory);
    files.note(&mut inventory);
    inventory
}

fn name_of(need: &str) -> &str {
    need.split(['<', '>', '=', ':']).next().unwrap_or(need)
}

fn sections(content: &str) -> HashMap<&str, Vec<&str>> {
    let mut found: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut open = None;
    for line in content.lines().take(MAXIMUM_FILES) {
        let line = line.trim();
        if let Some(name) =
            line.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')).filter(|name| !name.is_empty())
        {
            open = Some(name);
        } else if line.is_empty() {
            open = None;
        } else if let Some(name) = open {
            found.entry(name).or_default().push(line);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Input;

    #[test]
    fn packages_of_a_local_database() {
        let files = |path: &str| (path == "files").then(|| b"%FILES%\nusr/\nusr/bin/\nusr/bin/sh\n".to_vec());
        let nothing = |_: &str| None;
        let bash = b"%NAME%\nbash\n\n%VERSION%\n5.2-1\n\n%BASE%\nbash\n\n%ARCH%\nx86_64\n\n%LICENSE%\nGPL\nMIT\n\n\
            %DEPENDS%\nreadline>=8\nlibc.so=6-64\n\n%PROVIDES%\nsh\n";
        let glibc = b"%NAME%\nglibc\n\n%VERSION%\n2.39-1\n\n%REASON%\n1\n\n%PROVIDES%\nlibc.so=6-64\n\n%DEPENDS%\nsh\n";
        let inputs = [
            Input { path: "var/lib/pacman/local/bash-5.2-1/desc", bytes: bash, beside: &files },
            Input { path: "var/lib/pacman/local/glibc-2.39-1/desc", bytes: glibc, beside: &nothing },
            Input { path: "var/lib/pacman/local/x/desc", bytes: b"%VERSION%\n1\n", beside: &nothing },
        ];
        let inventory = super::super::read(Kind::Pacman, &inputs).expect("read");
        let [bash, glibc] = &inventory.packages[..] else { panic!("{inventory:?}") };
        assert_eq!((&*bash.files, &*bash.dependencies), (&["/usr/bin/sh".to_owned()][..], &[1][..]));
        assert_eq!((bash.licence.as_deref(), bash.direct), (Some("GPL AND MIT"), Some(true)));
        assert_eq!((&*glibc.dependencies, glibc.direct), (&[0][..], Some(false)));
        assert_eq!(inventory.problems.len(), 1);
    }
}
