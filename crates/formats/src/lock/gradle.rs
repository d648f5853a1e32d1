//! Gradle: `gradle.lockfile`, `gradle/verification-metadata.xml`, and version catalogs (`libs.versions.toml`).

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, Scope, Scopes};
use toml::de::{DeTable, DeValue};

use super::named;
use super::tables::{Fields, at, in_order, parse};
use super::text::{add, hexadecimal, quoted};
use super::tree::xml::{self, decoded};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] = &[
    Reader { id: "gradle-lockfile", wants: wants_lockfile, read: read_lockfile, covered_by: &[] },
    Reader {
        id: "gradle-verification",
        wants: |path| named(path, "verification-metadata.xml"),
        read: read_verification,
        covered_by: &[],
    },
    Reader {
        id: "gradle-catalog",
        wants: |path| path.ends_with(".versions.toml"),
        read: read_catalog,
        covered_by: &[],
    },
];

fn wants_lockfile(path: &str) -> bool {
    named(path, "gradle.lockfile") || named(path, "buildscript-gradle.lockfile") || is_old(path)
}

/// Before Gradle 7: a file for each configuration.
fn is_old(path: &str) -> bool {
    let parts = path.rsplit_once('/');
    parts.is_some_and(|(folder, name)| named(folder, "dependency-locks") && name.ends_with(".lockfile"))
}

/// What a configuration is for.
pub(super) fn scope_of(configuration: &str) -> Scope {
    let name = configuration.to_ascii_lowercase();
    if name.contains("test") {
        return Scope::Development;
    }
    let tool =
        ["annotationprocessor", "kapt", "ksp", "plugin", "compileonly", "lint", "detekt", "checkstyle", "jacoco"];
    if name == "classpath" || tool.iter().any(|word| name.contains(word)) {
        return Scope::Build;
    }
    if name.contains("developmentonly") {
        return Scope::Development;
    }
    let product =
        ["compileclasspath", "runtimeclasspath", "implementation", "api", "runtime", "compile", "runtimeonly"];
    if product.iter().any(|word| name.ends_with(word)) { Scope::Production } else { Scope::Build }
}

fn read_lockfile(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let mut inventory = Inventory::new("gradle.lockfile", Completeness::List);
    let of_script = input.name().starts_with("buildscript-");
    let old = is_old(input.path).then(|| input.name().trim_end_matches(".lockfile"));
    for (number, line) in (1..).zip(content.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // `empty=` lists configurations that hold nothing.
        let (coordinates, configurations) = line.split_once('=').unwrap_or((line, ""));
        if coordinates == "empty" {
            continue;
        }
        let parts: Vec<&str> = coordinates.split(':').collect();
        let [group, artifact, version] = parts[..] else {
            note(
                &mut inventory.problems,
                Some(number),
                format!("{} is no `group:artifact:version`", quoted(coordinates)),
            );
            continue;
        };
        let mut package = Package::new(Ecosystem::Maven, format!("{group}:{artifact}"), Some(version.to_owned()));
        package.line = Some(number);
        for configuration in configurations.split(',').chain(old).map(str::trim).filter(|name| !name.is_empty()) {
            package.scopes.add(if of_script { Scope::Build } else { scope_of(configuration) });
        }
        if add(&mut inventory, package).is_none() {
            break;
        }
    }
    Ok(inventory)
}

/// Dependency verification metadata: checksums of everything that was ever fetched.
fn read_verification(input: &Input<'_>) -> Result<Inventory, LockError> {
    let root = xml::parse(&decoded(input.bytes)?)?;
    if root.name != "verification-metadata" {
        return Err(LockError::at(root.line.into(), format!("{} is no verification metadata", quoted(&root.name))));
    }
    let mut inventory = Inventory::new("verification-metadata.xml", Completeness::List);
    for component in root.list("components", "component") {
        let text = |name: &str| component.attribute(name).filter(|value| !value.is_empty());
        let (Some(group), Some(artifact)) = (text("group"), text("name")) else {
            note(&mut inventory.problems, Some(component.line.into()), "a component without group or name");
            continue;
        };
        let name = format!("{group}:{artifact}");
        if text("version").is_none() {
            note(&mut inventory.problems, Some(component.line.into()), format!("{} has no version", quoted(&name)));
        }
        let mut package = Package::new(Ecosystem::Maven, name, text("version").map(str::to_owned));
        package.line = Some(component.line.into());
        for file in component.children.iter().filter(|file| file.name == "artifact") {
            // Metadata and signatures are verified too; the package is the rest.
            let name = file.attribute("name").unwrap_or_default();
            if [".pom", ".module", ".asc", ".sources.jar"].iter().any(|end| name.ends_with(end)) {
                continue;
            }
            for hash in &file.children {
                let others = hash.children.iter().filter(|child| child.name == "also-trust");
                let values = others.chain([hash]).filter_map(|one| one.attribute("value"));
                package.hashes.extend(values.filter_map(|value| hexadecimal(&hash.name, value)));
            }
        }
        if add(&mut inventory, package).is_none() {
            break;
        }
    }
    Ok(inventory)
}

fn read_catalog(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let (table, lines) = parse(&content)?;
    let mut inventory = Inventory::new("version catalog", Completeness::Declared);
    let versions: HashMap<&str, Wanted> = at(&table, &["versions"])
        .map(|versions| in_order(versions, &lines))
        .into_iter()
        .flatten()
        .filter_map(|(_, name, value)| Some((name, wanted(value.get_ref(), &HashMap::new())?)))
        .collect();
    let document = Fields { table: &table, what: "version catalog", lines: &lines };
    for section in ["libraries", "plugins"] {
        let plugin = section == "plugins";
        let entries = document.table(&mut inventory, section);
        for (line, alias, value) in entries.into_iter().flat_map(|table| in_order(table, &lines)) {
            let entry = match value.get_ref() {
                DeValue::String(text) => of_string(text, plugin),
                DeValue::Table(table) => of_table(table, plugin, &versions),
                _ => None,
            };
            let Some((name, wanted)) = entry else {
                note(&mut inventory.problems, Some(line), format!("{} names nothing", quoted(alias)));
                continue;
            };
            let wanted = wanted.unwrap_or_else(|missing| {
                note(
                    &mut inventory.problems,
                    Some(line),
                    format!("{}: no version {} is defined", quoted(alias), quoted(&missing)),
                );
                Wanted::default()
            });
            let mut package = Package::new(Ecosystem::Maven, name, wanted.version);
            package.requirement = wanted.requirement;
            package.line = Some(line);
            package.direct = Some(true);
            package.alias = Some(alias.to_owned());
            if plugin {
                package.scopes = Scopes::only(Scope::Build);
            }
            if add(&mut inventory, package).is_none() {
                return Ok(inventory);
            }
        }
    }
    Ok(inventory)
}

/// A version that is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) version: Option<String>,
    pub(super) requirement: Option<String>,
}

impl Wanted {
    /// As Gradle understands it: one version, unless it is a range, a prefix, or a status.
    pub(super) fn of(written: &str) -> Self {
        let dynamic = written.contains(['[', ']', '(', ')', '+', '$', ',']) || written.starts_with("latest.");
        match dynamic {
            // `9+181-r4173-1` is a version, `1.+` is none.
            true if written.contains('+') && !written.ends_with('+') && !written.contains(['[', '(', '$', ',']) => {
                Self { version: Some(written.to_owned()), requirement: None }
            }
            true => Self { version: None, requirement: Some(written.to_owned()) },
            false => Self { version: Some(written.to_owned()), requirement: None },
        }
    }
}

/// A name, and a version or the name of one that is not defined.
type Library = (String, Result<Wanted, String>);

/// The artifact by which Gradle finds a plugin of an id.
pub(super) fn marker_of_plugin(id: &str) -> String {
    format!("{id}:{id}.gradle.plugin")
}

/// `group:artifact:version`, `plugin.id:version`.
fn of_string(text: &str, plugin: bool) -> Option<Library> {
    let parts: Vec<&str> = text.split(':').map(str::trim).collect();
    match (plugin, &parts[..]) {
        (true, [id, version]) => Some((marker_of_plugin(id), Ok(Wanted::of(version)))),
        (false, [group, artifact, version, ..]) => Some((format!("{group}:{artifact}"), Ok(Wanted::of(version)))),
        (false, [group, artifact]) => Some((format!("{group}:{artifact}"), Ok(Wanted::default()))),
        _ => None,
    }
}

fn of_table(table: &DeTable<'_>, plugin: bool, versions: &HashMap<&str, Wanted>) -> Option<Library> {
    let string = |key: &str| table.get(key).and_then(|value| value.get_ref().as_str());
    let name = match (plugin, string("module"), string("group"), string("name"), string("id")) {
        (true, _, _, _, Some(id)) => marker_of_plugin(id),
        (false, Some(module), ..) if module.split(':').count() == 2 => module.to_owned(),
        (false, None, Some(group), Some(name), _) => format!("{group}:{name}"),
        _ => return None,
    };
    let Some(version) = table.get("version") else { return Some((name, Ok(Wanted::default()))) };
    if let DeValue::Table(inner) = version.get_ref()
        && let Some(reference) = inner.get("ref").and_then(|reference| reference.get_ref().as_str())
        && !versions.contains_key(reference)
    {
        return Some((name, Err(reference.to_owned())));
    }
    Some((name, Ok(wanted(version.get_ref(), versions).unwrap_or_default())))
}

/// `"1.0"`, `{ ref = "x" }`, or a rich version: `strictly` goes before `prefer` before `require`.
fn wanted(value: &DeValue<'_>, versions: &HashMap<&str, Wanted>) -> Option<Wanted> {
    match value {
        DeValue::String(text) => Some(Wanted::of(text)),
        DeValue::Table(table) => {
            let string = |key: &str| table.get(key).and_then(|value| value.get_ref().as_str());
            if let Some(reference) = string("ref") {
                return versions.get(reference).cloned();
            }
            let all: Vec<Wanted> =
                ["strictly", "prefer", "require"].into_iter().filter_map(string).map(Wanted::of).collect();
            let version = all.iter().find_map(|one| one.version.clone());
            let requirement = all.into_iter().find_map(|one| one.requirement);
            Some(Wanted { version, requirement })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{package, read_alone, shown};
    use super::*;

    #[test]
    fn a_lockfile() {
        let text = "# comment\r\na.b:c:1.0=compileClasspath,testRuntimeClasspath\r\nt:t:2=testCompileClasspath\r\nempty=x\r\n\
            broken\r\nk:k:3=kaptDebug\r\n";
        let read = read_alone(read_lockfile, "gradle.lockfile", text);
        assert_eq!(shown(&read), ["a.b:c 1.0", "t:t 2", "k:k 3"]);
        assert!(package(&read, "a.b:c").scopes.contains(Scope::Production));
        assert!(package(&read, "t:t").scopes.is_development_only());
        assert!(package(&read, "k:k").scopes.contains(Scope::Build));
        assert_eq!(read.problems[0].line, Some(5));
        let read = read_alone(read_lockfile, "buildscript-gradle.lockfile", "a:b:1=classpath\n");
        assert!(package(&read, "a:b").scopes.contains(Scope::Build));
        let read = read_alone(read_lockfile, "gradle/dependency-locks/testRuntimeClasspath.lockfile", "a:b:1\n");
        assert!(package(&read, "a:b").scopes.is_development_only());
    }

    #[test]
    fn verification_metadata() {
        let text = "<verification-metadata><components>\n<component group='a' name='b' version='1'>\
            <artifact name='b-1.jar'><sha256 value='9e0ce3aa93a819ba5b45120216b23878cf6e8525eb3848653452b4192b92afed'>\
            <also-trust value='89b2ef2247e3b562a16eef663bc0e2e703ec6468e2fa8a5cd61cd449786d4f6e'/></sha256></artifact>\
            <artifact name='b-1.pom'><sha256 value='00000000000000000000000000000000'/></artifact></component>\n\
            <component name='x'/></components></verification-metadata>";
        let read = read_alone(read_verification, "gradle/verification-metadata.xml", text);
        assert_eq!(shown(&read), ["a:b 1"]);
        assert_eq!(read.packages[0].hashes.len(), 2);
        assert_eq!(read.problems[0].line, Some(3));
    }

    #[test]
    fn a_version_catalog() {
        let text = "[versions]\nv = '1.5'\nr = { strictly = '[1, 2)', prefer = '1.2' }\n[libraries]\none = 'g:one:1.0'\n\
            two = { module = 'g:two', version.ref = 'v' }\nthree = { group = 'g', name = 'three', version = '1.+' }\n\
            four = { module = 'g:four', version.ref = 'gone' }\nfive = { module = 'g:five', version.ref = 'r' }\nsix = 7\n\
            [plugins]\np = { id = 'org.p', version.ref = 'v' }\n";
        let read = read_alone(read_catalog, "gradle/libs.versions.toml", text);
        let all = ["g:one 1.0", "g:two 1.5", "g:three -", "g:four -", "g:five 1.2", "org.p:org.p.gradle.plugin 1.5"];
        assert_eq!(shown(&read), all);
        assert_eq!(package(&read, "g:five").requirement.as_deref(), Some("[1, 2)"));
        assert_eq!(read.problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [Some(8), Some(10)]);
    }
}
