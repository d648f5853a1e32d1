//! `build.gradle` and `build.gradle.kts`. They are programs: only dependencies that stand there as plain text are read, and
//! what they come to is a declaration.

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, Scope, Scopes};

use super::gradle::{Wanted, marker_of_plugin, scope_of};
use super::named;
use super::text::add;
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] = &[Reader {
    id: "gradle-script",
    wants: |path| named(path, "build.gradle") || named(path, "build.gradle.kts"),
    read,
    covered_by: &["gradle-lockfile"],
}];

/// What the names of configurations end with.
const CONFIGURATIONS: [&str; 12] = [
    "implementation",
    "api",
    "compileonly",
    "compileonlyapi",
    "runtimeonly",
    "annotationprocessor",
    "kapt",
    "ksp",
    "classpath",
    "compile",
    "runtime",
    "developmentonly",
];

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let mut inventory = Inventory::new("build.gradle", Completeness::Declared);
    let mut variables = HashMap::new();
    if let Some(bytes) = (input.beside)("gradle.properties")
        && let Ok(properties) = text(&bytes)
    {
        for line in properties.lines() {
            if let Some((name, value)) = line.split_once('=') {
                variables.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
    let mut in_comment = false;
    for (number, line) in (1..).zip(content.lines()) {
        let line = code_of(line, &mut in_comment);
        let line = line.trim();
        if let Some((name, value)) = variable(line) {
            variables.insert(name.to_owned(), value.to_owned());
        }
        let Some((name, wanted, scope)) = plugin(line).or_else(|| dependency(line, &variables)) else { continue };
        if wanted.version.is_none() && wanted.requirement.as_deref().is_some_and(|written| written.contains('$')) {
            note(&mut inventory.problems, Some(number), format!("{name}: the version stands elsewhere"));
        }
        let mut package = Package::new(Ecosystem::Maven, name, wanted.version);
        package.requirement = wanted.requirement;
        package.scopes = Scopes::only(scope);
        package.direct = Some(true);
        package.line = Some(number);
        if add(&mut inventory, package).is_none() {
            break;
        }
    }
    Ok(inventory)
}

/// A line without its comments.
fn code_of<'l>(line: &'l str, in_comment: &mut bool) -> &'l str {
    if *in_comment {
        let Some((_, rest)) = line.split_once("*/") else { return "" };
        *in_comment = false;
        return code_of(rest, in_comment);
    }
    // A `//` of an address stands in a string, behind a colon.
    let end = line.match_indices("//").map(|(at, _)| at).find(|at| *at == 0 || line.as_bytes()[at - 1] != b':');
    let line = &line[..end.unwrap_or(line.len())];
    match line.split_once("/*") {
        Some((before, rest)) if !before.ends_with(['"', '\'']) => {
            *in_comment = !rest.contains("*/");
            before
        }
        _ => line,
    }
}

/// The strings of a line, and what stands before the first.
fn strings(line: &str) -> (&str, Vec<&str>) {
    let mut strings = Vec::new();
    let first = line.find(['"', '\'']).unwrap_or(line.len());
    let mut rest = &line[first..];
    while let Some(quote) = rest.chars().next() {
        let Some((string, after)) = rest[1..].split_once(quote) else { break };
        strings.push(string);
        rest = &after[after.find(['"', '\'']).unwrap_or(after.len())..];
    }
    (line[..first].trim_end(), strings)
}

/// `def v = '1'`, `val v = "1"`, `ext.v = '1'`, `v = '1'`.
fn variable(line: &str) -> Option<(&str, &str)> {
    let (before, strings) = strings(line);
    let name = before.strip_suffix('=')?.trim();
    let name = name.rsplit([' ', '.']).next()?;
    let name = name.split(['[', ':']).next()?;
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    match strings[..] {
        [value] if plain => Some((name, value)),
        _ => None,
    }
}

/// `id("a.b") version "1"`, `id 'a.b' version '1'`.
fn plugin(line: &str) -> Option<(String, Wanted, Scope)> {
    let (before, strings) = strings(line);
    if !matches!(before, "id" | "id(") || !line.contains("version") {
        return None;
    }
    let [id, version] = strings[..] else { return None };
    Some((marker_of_plugin(id), Wanted::of(version), Scope::Build))
}

/// `implementation("g:a:1")`, `implementation 'g:a:1'`, `implementation group: 'g', name: 'a', version: '1'`.
fn dependency(line: &str, variables: &HashMap<String, String>) -> Option<(String, Wanted, Scope)> {
    let (before, strings) = strings(line);
    let words: Vec<&str> =
        before.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
    let (configuration, rest) = words.split_first()?;
    let lower = configuration.to_ascii_lowercase();
    if !CONFIGURATIONS.iter().any(|end| lower.ends_with(end)) {
        return None;
    }
    let scope = scope_of(configuration);
    let filled = |version: &str| Wanted::of(&fill(version, variables));
    match (rest, &strings[..]) {
        (["group"], [group, artifact]) if line.contains("name") => {
            Some((format!("{group}:{artifact}"), Wanted::default(), scope))
        }
        (["group"], [group, artifact, version, ..]) if line.contains("version") => {
            Some((format!("{group}:{artifact}"), filled(version), scope))
        }
        ([] | ["platform" | "enforcedPlatform" | "testFixtures"], [coordinates, ..]) => {
            let coordinates = coordinates.split('@').next()?;
            let parts: Vec<&str> = coordinates.split(':').collect();
            if parts.len() < 2 || parts.iter().take(2).any(|part| part.is_empty() || part.contains(['/', ' ', '$'])) {
                return None;
            }
            let version = parts.get(2).filter(|version| !version.is_empty());
            let version = version.map(|version| filled(version)).unwrap_or_default();
            Some((format!("{}:{}", parts[0], parts[1]), version, scope))
        }
        _ => None,
    }
}

/// Fills in `$name` and `${name}` where they are known.
fn fill(version: &str, variables: &HashMap<String, String>) -> String {
    let Some(name) = version.strip_prefix('$') else { return version.to_owned() };
    let name = name.trim_start_matches('{').trim_end_matches('}');
    let name = name.rsplit('.').next().unwrap_or(name);
    variables.get(name).cloned().unwrap_or_else(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{package, read_beside, shown};
    use super::*;

    #[test]
    fn literal_dependencies() {
        let text = "plugins { // none\n  id 'java'\n  id(\"org.p\") version \"2.0\"\n}\ndef v = '1.5'\nrepositories { maven { url 'https://host/x' } }\n\
            dependencies {\n  implementation 'g:one:1.0@aar' // why\n  testImplementation(\"g:two:$v\")\n  api platform(\"g:bom:${w}\")\n\
            \x20 compileOnly group: 'g', name: 'three', version: '3'\n  implementation project(':x')\n  implementation files('libs/a.jar')\n\
            \x20 /* implementation 'g:no:1'\n  */ runtimeOnly 'g:four:' + x\n  implementation \"g:five:${libs.gone}\"\n}\n";
        let read = read_beside(read, "build.gradle", text, &[("gradle.properties", "w=7\n")]);
        assert_eq!(
            shown(&read),
            ["org.p:org.p.gradle.plugin 2.0", "g:one 1.0", "g:two 1.5", "g:bom 7", "g:three 3", "g:four -", "g:five -"]
        );
        assert!(package(&read, "g:two").scopes.is_development_only());
        assert!(package(&read, "g:three").scopes.contains(Scope::Build));
        assert_eq!(read.problems.len(), 1);
    }
}
