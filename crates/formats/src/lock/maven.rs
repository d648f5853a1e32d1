//! Maven's `pom.xml` (POM 4.0.0). It is a declaration: what a dependency needs itself, and what a parent or an imported
//! bill of materials outside the project manages, stands elsewhere.

use std::collections::{HashMap, HashSet};

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Root, Scope, Scopes};

use super::named;
use super::text::{add, directory, join, quoted};
use super::tree::note;
use super::tree::xml::{self, Element, decoded};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] =
    &[Reader { id: "maven-pom", wants: |path| named(path, "pom.xml"), read, covered_by: &[] }];

/// Parents of parents that are followed.
const MAXIMUM_PARENTS: usize = 16;

/// How deep properties stand for properties, how many for one value, and how long what they come to may be.
const MAXIMUM_NESTING: usize = 16;
const MAXIMUM_FILLED: usize = 256;
const MAXIMUM_VALUE: usize = 4096;

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let project = project_of(input.bytes)?;
    let mut inventory = Inventory::new("pom.xml", Completeness::Declared);
    let model = Model::of(project, input, &mut inventory);
    model.fill(&mut inventory);
    Ok(inventory)
}

fn project_of(bytes: &[u8]) -> Result<Element, LockError> {
    let root = xml::parse(&decoded(bytes)?)?;
    if root.name != "project" {
        return Err(LockError::at(root.line.into(), format!("{} is no project of Maven", quoted(&root.name))));
    }
    Ok(root)
}

/// Group, artifact and version of a project itself, as far as its `pom.xml` says them without what it inherits.
pub(super) struct Coordinates {
    pub(super) group: Option<String>,
    pub(super) artifact: Option<String>,
    pub(super) version: Option<String>,
    pub(super) licence: Option<String>,
}

/// What a `pom.xml` within an archive says that it is.
pub(super) fn coordinates(bytes: &[u8]) -> Option<Coordinates> {
    let project = project_of(bytes).ok()?;
    let parent = project.child("parent");
    let own = |name: &str| {
        let value = project.value(name).or_else(|| parent.filter(|_| name != "artifactId")?.value(name))?;
        (!value.contains("${")).then(|| value.to_owned())
    };
    let licences: Vec<&str> = project.list("licenses", "license").filter_map(|licence| licence.value("name")).collect();
    Some(Coordinates {
        group: own("groupId"),
        artifact: own("artifactId"),
        version: own("version"),
        licence: (!licences.is_empty()).then(|| licences.join(" AND ")),
    })
}

/// A project with the parents that lie within reach, the project itself first.
struct Model {
    chain: Vec<Element>,
    properties: HashMap<String, String>,
    /// Managed dependencies by [`Model::key`]; the nearest declaration counts.
    managed: HashMap<String, Managed>,
    /// What is needed and lies elsewhere: a parent, or bills of materials.
    elsewhere: Vec<String>,
}

#[derive(Clone)]
struct Managed {
    version: Option<String>,
    scope: Option<String>,
}

impl Model {
    fn of(project: Element, input: &Input<'_>, inventory: &mut Inventory) -> Self {
        let mut model =
            Self { chain: vec![project], properties: HashMap::new(), managed: HashMap::new(), elsewhere: Vec::new() };
        model.parents(input, inventory);
        model.collect_properties();
        for at in 0..model.chain.len() {
            let management = model.chain[at].child("dependencyManagement");
            let entries: Vec<(String, Managed, bool)> = management
                .into_iter()
                .flat_map(|management| management.list("dependencies", "dependency"))
                .map(|entry| {
                    let managed = Managed {
                        version: entry.value("version").map(|version| model.resolved(version)),
                        scope: entry.value("scope").map(|scope| model.resolved(scope)),
                    };
                    let import = managed.scope.as_deref() == Some("import");
                    (model.key(entry), managed, import)
                })
                .collect();
            for (key, managed, import) in entries {
                match import {
                    true => model.elsewhere.push(key.trim_end_matches(":pom:").to_owned()),
                    false => drop(model.managed.entry(key).or_insert(managed)),
                }
            }
        }
        model
    }

    /// Follows `<parent>` to files within reach.
    fn parents(&mut self, input: &Input<'_>, inventory: &mut Inventory) {
        let mut folder = String::new();
        let mut seen = HashSet::from([String::from("pom.xml")]);
        loop {
            let Some(child) = self.chain.last() else { return };
            let Some(parent) = child.child("parent") else { return };
            let text = |name: &str| parent.value(name).unwrap_or_default();
            let what = format!("{}:{}", text("groupId"), text("artifactId"));
            let relative = match parent.child("relativePath") {
                Some(path) if path.text.trim().is_empty() => None, // said to be in a repository
                Some(path) => Some(path.text.trim()),
                None => Some("../pom.xml"),
            };
            let mut found = None;
            if let Some(relative) = relative.filter(|_| self.chain.len() <= MAXIMUM_PARENTS) {
                let file = |path: &str| Some((path.to_owned(), (input.beside)(path)?));
                let path = join(&folder, relative);
                found = path.as_deref().filter(|path| path.ends_with(".xml") || path.ends_with(".pom")).and_then(file);
                if found.is_none() && !relative.ends_with(".xml") {
                    found = join(path.as_deref().unwrap_or_default(), "pom.xml").as_deref().and_then(file);
                }
            }
            let Some((path, bytes)) = found else { return self.elsewhere.push(what) };
            if !seen.insert(path.clone()) {
                return note(
                    &mut inventory.problems,
                    Some(parent.line.into()),
                    format!("{} is a parent of itself", quoted(&path)),
                );
            }
            match project_of(&bytes) {
                Ok(project) if is_meant(&project, parent) => {
                    folder = directory(&path).to_owned();
                    self.chain.push(project);
                }
                Ok(_) => return self.elsewhere.push(what),
                Err(error) => {
                    let line = (self.chain.len() == 1).then_some(u64::from(parent.line));
                    return note(&mut inventory.problems, line, format!("the parent in {}: {error}", quoted(&path)));
                }
            }
        }
    }

    fn collect_properties(&mut self) {
        let mut properties = HashMap::new();
        for project in &self.chain {
            let active = project.list("profiles", "profile").filter(|profile| {
                profile.child("activation").and_then(|when| when.value("activeByDefault")) == Some("true")
            });
            for holder in active.chain([project]) {
                for property in holder.child("properties").map_or(&[][..], |list| &list.children) {
                    properties.entry(property.name.clone()).or_insert_with(|| property.text.trim().to_owned());
                }
            }
        }
        let inherited = |name: &str| {
            self.chain.iter().find_map(|project| {
                project.value(name).or_else(|| project.child("parent").and_then(|parent| parent.value(name)))
            })
        };
        let own = |name: &str| self.chain.first().and_then(|project| project.value(name));
        let parent = |name: &str| self.chain.first()?.child("parent")?.value(name);
        let known = [
            ("groupId", inherited("groupId")),
            ("artifactId", own("artifactId")),
            ("version", inherited("version")),
            ("packaging", own("packaging")),
            ("parent.groupId", parent("groupId")),
            ("parent.artifactId", parent("artifactId")),
            ("parent.version", parent("version")),
        ];
        for (name, value) in known {
            let Some(value) = value else { continue };
            // What the project says itself goes before properties of these names.
            for prefix in ["project.", "pom."] {
                properties.insert(format!("{prefix}{name}"), value.to_owned());
            }
            properties.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        self.properties = properties;
    }

    /// A value with its properties filled in; what cannot be filled in stays as it is written.
    fn resolved(&self, value: &str) -> String {
        let mut out = String::new();
        self.resolve(value, &mut out, 0, &mut 0);
        out
    }

    fn resolve(&self, value: &str, out: &mut String, depth: usize, filled: &mut usize) {
        let mut rest = value;
        while let Some(at) = rest.find("${") {
            let Some(end) = rest[at..].find('}').map(|end| at + end) else { break };
            out.push_str(&rest[..at]);
            match self.properties.get(rest[at + 2..end].trim()) {
                Some(inner) if depth < MAXIMUM_NESTING && *filled < MAXIMUM_FILLED => {
                    *filled += 1;
                    self.resolve(inner, out, depth + 1, filled);
                }
                _ => out.push_str(&rest[at..=end]),
            }
            rest = &rest[end + 1..];
            if out.len() > MAXIMUM_VALUE {
                return;
            }
        }
        out.push_str(rest);
    }

    /// What a dependency is managed by: group, artifact, type, classifier.
    fn key(&self, entry: &Element) -> String {
        let text = |name: &str| self.resolved(entry.value(name).unwrap_or_default());
        let kind = entry.value("type").map_or_else(|| "jar".to_owned(), |kind| self.resolved(kind));
        format!("{}:{}:{kind}:{}", text("groupId"), text("artifactId"), text("classifier"))
    }

    fn fill(&self, inventory: &mut Inventory) {
        let mut filling = Filling { model: self, seen: HashMap::new(), dependencies: Vec::new(), unknown: 0 };
        // A child's dependency replaces its parents' of the same key.
        let mut nearer: HashSet<String> = HashSet::new();
        for (depth, project) in self.chain.iter().enumerate() {
            // What a parent asks for, its children ask for too.
            let inherited =
                (depth > 0).then(|| self.chain[0].child("parent").map_or(1, |parent| u64::from(parent.line)));
            let mut keys = Vec::new();
            for entry in project.list("dependencies", "dependency") {
                let key = self.key(entry);
                if !nearer.contains(&key) {
                    filling.dependency(inventory, entry, inherited, None);
                    keys.push(key);
                }
            }
            nearer.extend(keys);
            for profile in project.list("profiles", "profile").filter(|_| depth == 0) {
                for entry in profile.list("dependencies", "dependency") {
                    filling.dependency(inventory, entry, inherited, Some(Scope::Optional));
                }
            }
            filling.plugins(inventory, project, inherited);
        }
        if filling.unknown > 0 && !self.elsewhere.is_empty() {
            let what = format!(
                "{} versions are managed elsewhere, in {}: they are not known",
                filling.unknown,
                quoted(&self.elsewhere.join(", "))
            );
            note(&mut inventory.problems, self.chain[0].child("parent").map(|parent| u64::from(parent.line)), what);
        }
        let value = |name: &str| {
            let value = self.properties.get(&format!("project.{name}")).map(|value| self.resolved(value));
            value.unwrap_or_default()
        };
        let name = format!("{}:{}", value("groupId"), value("artifactId"));
        inventory.roots.push(Root {
            name: Some(name).filter(|name| name != ":"),
            version: Some(value("version")).filter(|version| !version.is_empty()),
            path: String::new(),
            dependencies: filling.dependencies,
        });
    }
}

/// True when a file is the parent that a child means.
fn is_meant(project: &Element, parent: &Element) -> bool {
    let artifact = project.value("artifactId") == parent.value("artifactId");
    let group = project.value("groupId").is_none_or(|group| Some(group) == parent.value("groupId"));
    let version = match (project.value("version"), parent.value("version")) {
        (Some(has), Some(wanted)) => has == wanted || has.contains("${") || wanted.contains(['$', '[', '(']),
        _ => true,
    };
    artifact && group && version
}

struct Filling<'m> {
    model: &'m Model,
    seen: HashMap<(String, Option<String>, Option<String>), usize>,
    dependencies: Vec<(usize, Scope)>,
    /// Dependencies whose version is managed elsewhere.
    unknown: usize,
}

impl Filling<'_> {
    fn dependency(
        &mut self,
        inventory: &mut Inventory,
        entry: &Element,
        inherited: Option<u64>,
        profile: Option<Scope>,
    ) {
        let managed = self.model.managed.get(&self.model.key(entry));
        let own = |name: &str| entry.value(name).map(|value| self.model.resolved(value));
        let scope = own("scope").or_else(|| managed?.scope.clone());
        let optional = own("optional").as_deref() == Some("true");
        let scope = match scope.as_deref() {
            Some("test") => Scope::Development,
            Some("provided") => Scope::Build,
            Some("import") => return,
            _ if optional => Scope::Optional,
            _ => profile.unwrap_or(Scope::Production),
        };
        let version = own("version").or_else(|| managed?.version.clone());
        let path = own("systemPath");
        let index = self.package(inventory, entry, None, version, scope, inherited);
        if let (Some(index), Some(path)) = (index, path) {
            inventory.packages[index].source = PackageSource::Path { path };
        }
    }

    /// Plugins and extensions run in the build.
    fn plugins(&mut self, inventory: &mut Inventory, project: &Element, inherited: Option<u64>) {
        const GROUP: &str = "org.apache.maven.plugins";
        let Some(build) = project.child("build") else { return };
        let managed: HashMap<(&str, &str), &str> = build
            .child("pluginManagement")
            .into_iter()
            .flat_map(|management| management.list("plugins", "plugin"))
            .filter_map(|plugin| {
                Some((
                    (plugin.value("groupId").unwrap_or(GROUP), plugin.value("artifactId")?),
                    plugin.value("version")?,
                ))
            })
            .collect();
        for plugin in build.list("plugins", "plugin") {
            let key = (plugin.value("groupId").unwrap_or(GROUP), plugin.value("artifactId").unwrap_or_default());
            let version = plugin.value("version").or_else(|| managed.get(&key).copied());
            let version = version.map(|version| self.model.resolved(version));
            self.package(inventory, plugin, Some(GROUP), version, Scope::Build, inherited);
            for entry in plugin.list("dependencies", "dependency") {
                let version = entry.value("version").map(|version| self.model.resolved(version));
                self.package(inventory, entry, None, version, Scope::Build, inherited);
            }
        }
        for extension in build.list("extensions", "extension") {
            let version = extension.value("version").map(|version| self.model.resolved(version));
            self.package(inventory, extension, None, version, Scope::Build, inherited);
        }
    }

    fn package(
        &mut self,
        inventory: &mut Inventory,
        entry: &Element,
        usual_group: Option<&str>,
        version: Option<String>,
        scope: Scope,
        inherited: Option<u64>,
    ) -> Option<usize> {
        let line = inherited.unwrap_or(entry.line.into());
        let text = |name: &str| entry.value(name).map(|value| self.model.resolved(value));
        let (group, artifact) = (text("groupId").or_else(|| usual_group.map(str::to_owned)), text("artifactId"));
        let (Some(group), Some(artifact)) = (group, artifact) else {
            note(&mut inventory.problems, Some(line), format!("{} without group or artifact", quoted(&entry.name)));
            return None;
        };
        let name = format!("{group}:{artifact}");
        let (version, requirement) = match version {
            Some(version) if version.contains("${") => {
                note(
                    &mut inventory.problems,
                    Some(line),
                    format!("{name}: {} is set nowhere within reach", quoted(&version)),
                );
                (None, Some(version))
            }
            Some(version) => exact(version),
            None => {
                self.unknown += usize::from(scope != Scope::Build || usual_group.is_none());
                (None, None)
            }
        };
        if name.contains("${") {
            note(&mut inventory.problems, Some(line), format!("{} is set nowhere within reach", quoted(&name)));
        }
        // One entry for all classifiers of an artifact.
        let key = (name.clone(), version.clone(), requirement.clone());
        let index = match self.seen.get(&key) {
            Some(index) => *index,
            None => {
                let mut package = Package::new(Ecosystem::Maven, name, version);
                package.requirement = requirement;
                package.line = Some(line);
                package.direct = Some(true);
                let index = add(inventory, package)?;
                self.seen.insert(key, index);
                index
            }
        };
        inventory.packages[index].scopes.extend(Scopes::only(scope));
        self.dependencies.push((index, scope));
        Some(index)
    }
}

/// A version as Maven understands it: one that is recommended, one that is fixed `[1.0]`, or a range.
fn exact(version: String) -> (Option<String>, Option<String>) {
    if !version.starts_with(['[', '(']) {
        return match version.as_str() {
            "LATEST" | "RELEASE" => (None, Some(version)),
            _ => (Some(version), None),
        };
    }
    let fixed =
        version.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|inner| !inner.contains([',', '[']));
    (fixed.map(|fixed| fixed.trim().to_owned()), Some(version))
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{package, read_alone, read_beside, shown};
    use super::*;

    const CHILD: &str = "<project>\n<parent><groupId>g</groupId><artifactId>parent</artifactId><version>2</version></parent>\n\
        <artifactId>child</artifactId>\n<properties><v>1.${minor}</v><minor>5</minor></properties>\n<dependencies>\n\
        <dependency><groupId>a</groupId><artifactId>one</artifactId><version>${v}</version></dependency>\n\
        <dependency><groupId>a</groupId><artifactId>managed</artifactId></dependency>\n\
        <dependency><groupId>${project.groupId}</groupId><artifactId>own</artifactId><version>${project.version}</version></dependency>\n\
        <dependency><groupId>a</groupId><artifactId>range</artifactId><version>[1,2)</version><optional>true</optional></dependency>\n\
        <dependency><groupId>a</groupId><artifactId>lost</artifactId><version>${gone}</version></dependency>\n\
        <dependency><groupId>a</groupId><artifactId>boot</artifactId></dependency>\n\
        <dependency><artifactId>none</artifactId></dependency>\n\
        <dependency><groupId>a</groupId><artifactId>one</artifactId><version>1.5</version><classifier>x</classifier></dependency>\n\
        </dependencies>\n<build><plugins><plugin><artifactId>maven-x-plugin</artifactId><version>3</version></plugin></plugins></build>\n</project>";

    const PARENT: &str = "<project><parent><groupId>o</groupId><artifactId>outer</artifactId><version>1</version></parent>\
        <groupId>g</groupId><artifactId>parent</artifactId><version>2</version>\
        <dependencyManagement><dependencies><dependency><groupId>a</groupId><artifactId>managed</artifactId>\
        <version>${v}.1</version><scope>test</scope></dependency></dependencies></dependencyManagement>\
        <dependencies><dependency><groupId>a</groupId><artifactId>inherited</artifactId><version>[7]</version>\
        <scope>provided</scope></dependency></dependencies></project>";

    #[test]
    fn properties_management_and_parents() {
        let read = read_beside(read, "child/pom.xml", CHILD, &[("../pom.xml", PARENT)]);
        assert_eq!(
            shown(&read),
            [
                "a:one 1.5",
                "a:managed 1.5.1",
                "g:own 2",
                "a:range -",
                "a:lost -",
                "a:boot -",
                "org.apache.maven.plugins:maven-x-plugin 3",
                "a:inherited 7"
            ]
        );
        let scope = |name: &str| package(&read, name).scopes.iter().collect::<Vec<_>>();
        assert_eq!(scope("a:managed"), [Scope::Development]);
        assert_eq!(scope("a:range"), [Scope::Optional]);
        assert_eq!(scope("a:inherited"), [Scope::Build]);
        assert_eq!(package(&read, "a:range").requirement.as_deref(), Some("[1,2)"));
        assert_eq!(package(&read, "a:one").line, Some(6));
        let problems: Vec<_> = read.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(problems, [Some(10), Some(12), Some(2)], "{:?}", read.problems);
        assert!(read.problems[2].what.contains("o:outer"));
        assert_eq!(read.roots[0].name.as_deref(), Some("g:child"));
        assert_eq!(read.roots[0].version.as_deref(), Some("2"));
    }

    #[test]
    fn parents_in_a_circle_and_properties_without_end() {
        let text = "<project><parent><groupId>g</groupId><artifactId>a</artifactId><relativePath>pom.xml</relativePath></parent>\
            <groupId>g</groupId><artifactId>a</artifactId></project>";
        assert_eq!(read_beside(read, "pom.xml", text, &[("pom.xml", text)]).problems.len(), 1);
        let mut properties = String::from("<p0>lol</p0>");
        properties.push_str("<e0></e0>");
        for n in 1..16 {
            properties.push_str(&format!("<e{n}>{}</e{n}>", format!("${{e{}}}", n - 1).repeat(99)));
        }
        for n in 1..40 {
            properties.push_str(&format!("<p{n}>${{p{0}}}${{p{0}}}${{p{0}}}</p{n}>", n - 1));
        }
        let text = format!(
            "<project><properties>{properties}<x>${{x}}</x></properties><dependencies><dependency><groupId>a</groupId>\
            <artifactId>${{x}}${{e15}}</artifactId><version>${{p39}}</version></dependency></dependencies></project>"
        );
        let read = read_alone(read, "pom.xml", &text);
        assert_eq!(read.packages.len(), 1);
        assert!(!read.problems.is_empty());
    }

    #[test]
    fn what_is_no_project() {
        let beside = |_: &str| None;
        for bytes in [&b"<html></html>"[..], b"<project", b"not xml"] {
            assert!(read(&Input { path: "pom.xml", bytes, beside: &beside }).is_err());
        }
    }
}
