//! A bill of materials from inventories.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use provost_model::{Completeness, Ecosystem, Inventory, Package, Scopes};

use super::bom::{Aggregate, Bom, Component, ComponentKind, Composition, Location};

/// Gathers inventories of one subject. Packages with the same package URL are one component, found in several places;
/// those whose digests contradict each other stay apart.
#[derive(Debug, Default)]
pub struct BomBuilder {
    bom: Bom,
    /// Components by package URL: several where their digests differ.
    by_purl: HashMap<String, Vec<usize>>,
    /// What is known of each component's dependencies.
    graph: BTreeMap<String, Aggregate>,
    /// The least that an inventory says of what it lists.
    listed: Option<Aggregate>,
}

impl BomBuilder {
    /// Starts one for a subject; the rest of the document (time, tools, lifecycles) stands in `bom`.
    pub fn new(mut bom: Bom, subject: Component) -> Self {
        bom.subject = Some(subject);
        Self { bom, ..Self::default() }
    }

    /// The subject's reference.
    fn subject(&self) -> String {
        self.bom.subject.as_ref().map(|subject| subject.reference.clone()).unwrap_or_default()
    }

    /// Adds what a file at a place says. Named projects of a workspace become components of their own between the subject
    /// and the packages.
    pub fn add(&mut self, place: &str, inventory: &Inventory) {
        let references: Vec<String> = inventory.packages.iter().map(|package| self.package(place, package)).collect();
        let known = match (inventory.completeness, inventory.problems.is_empty()) {
            (Completeness::Declared, _) | (_, false) => Aggregate::Incomplete,
            (Completeness::List, true) => Aggregate::Unknown,
            (Completeness::Graph, true) => Aggregate::Complete,
        };
        for (reference, package) in references.iter().zip(&inventory.packages) {
            let needs: Vec<String> =
                package.dependencies.iter().filter_map(|index| references.get(*index).cloned()).collect();
            if inventory.completeness == Completeness::Graph || !needs.is_empty() {
                self.bom.dependencies.entry(reference.clone()).or_default().extend(needs);
            }
            self.say(reference, known);
        }
        for root in &inventory.roots {
            let from = match &root.name {
                Some(name) => self.project(place, name, root.version.as_deref(), &root.path),
                None => self.subject(),
            };
            let needs: BTreeSet<String> =
                root.dependencies.iter().filter_map(|(index, _)| references.get(*index).cloned()).collect();
            self.bom.dependencies.entry(from.clone()).or_default().extend(needs);
            self.say(&from, known);
        }
        if inventory.roots.is_empty() {
            // Nothing says what was asked for: all of it belongs to the subject.
            let subject = self.subject();
            self.bom.dependencies.entry(subject.clone()).or_default().extend(references);
            self.say(&subject, known.worse(Aggregate::Unknown));
        }
        let listed = match inventory.completeness {
            Completeness::List if inventory.problems.is_empty() => Aggregate::Complete,
            _ => known,
        };
        self.listed = Some(self.listed.map_or(listed, |before| before.worse(listed)));
        self.bom.problems.extend(inventory.problems.iter().map(|problem| match problem.line {
            Some(line) => format!("{place}, line {line}: {}", problem.what),
            None => format!("{place}: {}", problem.what),
        }));
    }

    /// Adds a component of its own: a file, an image.
    pub fn component(&mut self, component: Component) {
        self.bom.components.push(component);
    }

    /// States how complete the document is. `whole` is what the caller knows of the list of components: whether all that
    /// belongs to the subject was looked at. An inventory that only declares, or that could not be read in part, makes it
    /// incomplete whatever the caller knows.
    pub fn finish(mut self, whole: Aggregate) -> Bom {
        let subject = self.subject();
        let whole = self.listed.map_or(whole, |listed| whole.worse(listed));
        self.bom.compositions.push(Composition {
            aggregate: whole,
            assemblies: vec![subject],
            dependencies: Vec::new(),
            vulnerabilities: Vec::new(),
        });
        let mut by_aggregate: BTreeMap<Aggregate, Vec<String>> = BTreeMap::new();
        for (reference, aggregate) in self.graph {
            by_aggregate.entry(aggregate).or_default().push(reference);
        }
        for (aggregate, dependencies) in by_aggregate {
            let (assemblies, vulnerabilities) = (Vec::new(), Vec::new());
            self.bom.compositions.push(Composition { aggregate, assemblies, dependencies, vulnerabilities });
        }
        self.bom
    }

    fn say(&mut self, reference: &str, aggregate: Aggregate) {
        let entry = self.graph.entry(reference.to_owned()).or_insert(aggregate);
        *entry = entry.worse(aggregate);
    }

    /// The component of a package, joined with one that is there already.
    fn package(&mut self, place: &str, package: &Package) -> String {
        let mut fresh = Component::of_package(package);
        fresh.locations.push(Location { path: place.to_owned(), line: package.line });
        let known = self.by_purl.entry(fresh.reference.clone()).or_default();
        for index in known.iter() {
            let Some(component) = self.bom.components.get_mut(*index) else { continue };
            if contradict(&component.package, package) {
                continue;
            }
            join(component, fresh);
            return component.reference.clone();
        }
        if !known.is_empty() {
            fresh.reference = format!("{} ({})", fresh.reference, known.len() + 1);
        }
        known.push(self.bom.components.len());
        let reference = fresh.reference.clone();
        self.bom.components.push(fresh);
        reference
    }

    /// A project of a workspace.
    fn project(&mut self, place: &str, name: &str, version: Option<&str>, path: &str) -> String {
        let subject = self.subject();
        let directory = match (place.rsplit_once('/').map_or("", |(directory, _)| directory), path) {
            ("", path) | (path, "") => path.to_owned(),
            (directory, path) => format!("{directory}/{path}"),
        };
        let reference = format!("project:{directory}#{name}");
        if self.bom.component(&reference).is_none() {
            let package = Package::new(Ecosystem::Generic, name, version.map(str::to_owned));
            let mut component = Component::new(reference.clone(), ComponentKind::Application, package);
            component.package.scopes = Scopes::default();
            component.locations.push(Location { path: place.to_owned(), line: None });
            self.bom.components.push(component);
        }
        self.bom.dependencies.entry(subject).or_default().insert(reference.clone());
        reference
    }
}

/// True where both have a digest of the same algorithm, and none of them is the same.
fn contradict(one: &Package, other: &Package) -> bool {
    let mut shared = false;
    for hash in &one.hashes {
        for known in other.hashes.iter().filter(|known| known.algorithm == hash.algorithm) {
            if known.value == hash.value {
                return false;
            }
            shared = true;
        }
    }
    shared
}

fn join(component: &mut Component, fresh: Component) {
    component.locations.extend(fresh.locations);
    let package = &mut component.package;
    package.scopes.extend(fresh.package.scopes);
    package.direct = match (package.direct, fresh.package.direct) {
        (Some(one), Some(other)) => Some(one || other),
        (one, other) => one.or(other),
    };
    for hash in fresh.package.hashes {
        if !package.hashes.contains(&hash) {
            package.hashes.push(hash);
        }
    }
    package.install_script |= fresh.package.install_script;
    package.yanked |= fresh.package.yanked;
    package.deprecated = package.deprecated.take().or(fresh.package.deprecated);
    if component.licences.is_empty() {
        component.licences = fresh.licences;
    }
}
