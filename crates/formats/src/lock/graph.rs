//! What every reader of a lock does once the packages and their edges are known: hand scopes down, and say who is direct.

use std::collections::HashSet;

use provost_model::{Inventory, Package, Root, Scope, Scopes};

use super::MAXIMUM_PACKAGES;
use super::tree::note;

/// What is not known about who asks for packages.
#[derive(Debug, Default)]
pub(crate) enum Unknown {
    /// Every project that the lock is for has said what it asks for, and for what.
    #[default]
    Nothing,
    /// These packages are asked for by a project, but it is not known what for.
    Reasons(Vec<usize>),
    /// There are projects of which it is not known what they ask for.
    Projects,
}

/// Edges that a package goes without where the platform does not fit: (from, to).
pub(crate) type OptionalEdges = HashSet<(usize, usize)>;

/// Hands scopes and directness from the roots down the graph. What is not known is left open: a package that a silent
/// project might put into production is not called development's.
pub(crate) fn spread(inventory: &mut Inventory, optional: &OptionalEdges, unknown: &Unknown) {
    let whole = !matches!(unknown, Unknown::Projects);
    for package in &mut inventory.packages {
        package.direct = whole.then_some(false);
        package.dependencies.sort_unstable();
        package.dependencies.dedup();
    }
    let mut waiting: Vec<(usize, Scope)> = Vec::new();
    for root in &mut inventory.roots {
        root.dependencies.sort_unstable();
        root.dependencies.dedup();
        for (index, scope) in &root.dependencies {
            if let Some(package) = inventory.packages.get_mut(*index) {
                package.direct = Some(true);
                waiting.push((*index, *scope));
            }
        }
    }
    while let Some((index, scope)) = waiting.pop() {
        let Some(package) = inventory.packages.get_mut(index) else { continue };
        if package.scopes.extend(Scopes::only(scope)) {
            waiting.extend(package.dependencies.iter().map(|next| {
                let may_miss = scope == Scope::Production && optional.contains(&(index, *next));
                (*next, if may_miss { Scope::Optional } else { scope })
            }));
        }
    }
    match unknown {
        Unknown::Nothing => {}
        Unknown::Projects => inventory.packages.iter_mut().for_each(leave_open),
        Unknown::Reasons(seeds) => {
            let mut seen = vec![false; inventory.packages.len()];
            let mut waiting = seeds.clone();
            for index in seeds {
                if let Some(package) = inventory.packages.get_mut(*index) {
                    package.direct = Some(true);
                }
            }
            while let Some(index) = waiting.pop() {
                let Some(package) = inventory.packages.get_mut(index) else { continue };
                if !std::mem::replace(&mut seen[index], true) {
                    leave_open(package);
                    waiting.extend(&package.dependencies);
                }
            }
        }
    }
}

fn leave_open(package: &mut Package) {
    if !package.scopes.contains(Scope::Production) {
        package.scopes = Scopes::default();
    }
}

/// Adds a package that a manifest asks for, on a line, for a reason.
pub(crate) fn declare(
    inventory: &mut Inventory,
    root: &mut Root,
    mut package: Package,
    scope: Scope,
    line: Option<u64>,
) {
    package.scopes = Scopes::only(scope);
    package.direct = Some(true);
    package.line = line;
    root.dependencies.push((inventory.packages.len(), scope));
    inventory.packages.push(package);
}

/// True where no more packages may be added; that is told.
pub(crate) fn full(inventory: &mut Inventory) -> bool {
    is_full(inventory, MAXIMUM_PACKAGES)
}

fn is_full(inventory: &mut Inventory, most: usize) -> bool {
    let full = inventory.packages.len() >= most;
    if full {
        note(&mut inventory.problems, None, format!("more than {most} packages: the rest was not read"));
    }
    full
}

/// A path relative to a directory, without `.` and inner `..`; `None` where it is absolute.
pub(crate) fn join(directory: &str, path: &str) -> Option<String> {
    let path = path.replace('\\', "/");
    if path.starts_with('/') || path.get(1..2) == Some(":") {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A file in a directory relative to the lock; the lock's own is empty.
pub(crate) fn within(directory: &str, file: &str) -> String {
    if directory.is_empty() { file.to_owned() } else { format!("{directory}/{file}") }
}

#[cfg(test)]
mod tests {
    use provost_model::{Completeness, Ecosystem};

    use super::*;

    fn inventory(edges: &[&[usize]], roots: &[(usize, Scope)]) -> Inventory {
        let mut inventory = Inventory::new("test", Completeness::Graph);
        for (at, edges) in edges.iter().enumerate() {
            let mut package = Package::new(Ecosystem::Npm, at.to_string(), None);
            package.dependencies = edges.to_vec();
            inventory.packages.push(package);
        }
        inventory.roots.push(Root { name: None, version: None, path: String::new(), dependencies: roots.to_vec() });
        inventory
    }

    #[test]
    fn what_only_an_optional_edge_reaches_is_optional() {
        let mut found = inventory(&[&[1, 2], &[2], &[]], &[(0, Scope::Production)]);
        spread(&mut found, &[(0, 1)].into(), &Unknown::Nothing);
        assert_eq!(found.packages[1].scopes, Scopes::only(Scope::Optional));
        assert!(found.packages[2].scopes.contains(Scope::Production));
        let mut found = inventory(&[&[1], &[]], &[(0, Scope::Development)]);
        spread(&mut found, &[(0, 1)].into(), &Unknown::Nothing);
        assert!(found.packages[1].scopes.is_development_only());
    }

    #[test]
    fn what_a_silent_project_may_reach_is_left_open() {
        let edges: &[&[usize]] = &[&[2], &[2], &[], &[]];
        let roots = &[(0, Scope::Development), (3, Scope::Production)];
        let mut found = inventory(edges, roots);
        spread(&mut found, &OptionalEdges::new(), &Unknown::Reasons(vec![1]));
        let scopes: Vec<Scopes> = found.packages.iter().map(|package| package.scopes).collect();
        assert_eq!(
            scopes,
            [Scopes::only(Scope::Development), Scopes::default(), Scopes::default(), Scopes::only(Scope::Production)]
        );
        assert_eq!(found.packages[1].direct, Some(true));
        let mut found = inventory(edges, roots);
        spread(&mut found, &OptionalEdges::new(), &Unknown::Projects);
        assert!(found.packages[0].scopes.is_empty());
        assert_eq!(found.packages[1].direct, None);
    }

    #[test]
    fn too_many_packages_are_told() {
        let mut found = inventory(&[&[], &[]], &[]);
        assert!(!is_full(&mut found, 3) && found.problems.is_empty());
        assert!(is_full(&mut found, 2) && found.problems[0].what.contains("more than 2 packages"));
    }

    #[test]
    fn paths_are_joined() {
        assert_eq!(join("a/b", "../c/./d").as_deref(), Some("a/c/d"));
        assert_eq!(join("", "../../c").as_deref(), Some("../../c"));
        assert_eq!(join("a", "..").as_deref(), Some(""));
        assert_eq!(join("a", "/etc"), None);
        assert_eq!(join("a", "C:\\x"), None);
    }
}
