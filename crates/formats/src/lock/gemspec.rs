//! Ruby's gem specifications. Those in a directory `specifications` are written by RubyGems and are of installed gems; all
//! others are programs that people wrote, of which plain text is read.

use provost_model::{Completeness, Ecosystem, Inventory, Package, Root, Scope, Scopes};

use super::text::{add, lossy, quoted};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] = &[
    Reader {
        id: "gemspec-installed",
        wants: |path| path.ends_with(".gemspec") && is_installed(path),
        read,
        covered_by: &[],
    },
    Reader {
        id: "gemspec",
        wants: |path| path.ends_with(".gemspec") && !is_installed(path),
        read: read_own,
        covered_by: &["gemfile-lock"],
    },
];

/// `…/specifications/name-1.0.gemspec`, and those that come with Ruby in `…/specifications/default`.
fn is_installed(path: &str) -> bool {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folder = folder.strip_suffix("/default").unwrap_or(folder);
    folder == "specifications" || folder.ends_with("/specifications")
}

/// What a specification says.
#[derive(Default)]
struct Specification {
    name: Option<(u64, String)>,
    version: Option<(u64, String)>,
    licences: Vec<String>,
    platform: Option<String>,
    extensions: bool,
    needs: Vec<(u64, String, Option<String>, Scope)>,
    /// A constant that the version stands in.
    constant: Option<String>,
}

impl Specification {
    fn of(content: &str, beside: &dyn Fn(&str) -> Option<Vec<u8>>) -> Option<Self> {
        let mut specification = Self::default();
        let mut variable = None;
        let mut constants: Vec<(String, String)> = Vec::new();
        for (number, line) in (1..).zip(content.lines()) {
            let line = line.trim();
            if line.starts_with('#') {
                continue;
            }
            let Some(name) = &variable else {
                constants.extend(constant(line));
                variable = line.split_once("Gem::Specification.new").and_then(|(_, rest)| {
                    rest.split('|').nth(1).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
                });
                continue;
            };
            let Some(rest) = line.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('.')) else { continue };
            specification.line(rest, number);
        }
        variable?;
        if let (None, Some(constant)) = (&specification.version, &specification.constant) {
            let last = constant.rsplit("::").next().unwrap_or(constant);
            let own = constants.into_iter().find(|(name, _)| name == last).map(|(_, value)| value);
            let found = own.or_else(|| required(content, specification.name.as_ref(), last, beside));
            specification.version = found.map(|version| (0, version));
        }
        Some(specification)
    }

    /// An assignment or a call, without the variable before it.
    fn line(&mut self, rest: &str, number: u64) {
        let strings = strings(rest);
        if let Some((field, value)) = rest.split_once('=') {
            let first = strings.first().filter(|text| !text.is_empty());
            match (field.trim(), first) {
                ("name", Some(name)) => self.name = Some((number, (*name).to_owned())),
                ("version", Some(version)) => self.version = Some((number, (*version).to_owned())),
                ("version", None) => {
                    let value = value.trim().trim_end_matches(".freeze").trim_end_matches(".dup");
                    let plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':'));
                    self.constant = plain.then(|| value.to_owned());
                }
                ("platform", Some(platform)) => self.platform = Some((*platform).to_owned()),
                ("license" | "licenses", Some(_)) => {
                    self.licences = strings.iter().map(|text| (*text).to_owned()).collect()
                }
                ("extensions", Some(_)) => self.extensions = true,
                _ => {}
            }
        }
        let scope = match rest.split(['(', ' ']).next() {
            Some("add_dependency" | "add_runtime_dependency") => Scope::Production,
            Some("add_development_dependency") => Scope::Development,
            _ => return,
        };
        if let Some((name, versions)) = strings.split_first() {
            let versions = Some(versions.join(", ")).filter(|versions| !versions.is_empty());
            self.needs.push((number, (*name).to_owned(), versions, scope));
        }
    }

    fn licence(&self) -> Option<String> {
        (!self.licences.is_empty()).then(|| self.licences.join(" OR "))
    }
}

/// `VERSION = "1.0"`.
fn constant(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let named = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let value = value.trim_start();
    if !named || !value.starts_with(['"', '\'']) {
        return None;
    }
    Some((name.to_owned(), (*strings(value).first()?).to_owned()))
}

/// A constant that a file sets which the specification loads: what the strings of a `require` line come to, or the usual
/// `lib/<name>/version.rb`.
fn required(
    content: &str,
    name: Option<&(u64, String)>,
    constant_name: &str,
    beside: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Option<String> {
    const TRIED: usize = 16;
    let mut paths = Vec::new();
    let mut lines = content.lines();
    while let Some(line) = lines.next() {
        if !line.contains("require") || line.trim_start().starts_with('#') {
            continue;
        }
        // A call may go over lines.
        let mut call = line.to_owned();
        while call.matches('(').count() > call.matches(')').count() && call.len() < 1024 {
            let Some(next) = lines.next() else { break };
            call.push_str(next);
        }
        let parts: Vec<&str> = strings(&call).into_iter().filter(|part| !part.is_empty() && *part != "..").collect();
        let path = parts.join("/");
        let path =
            path.trim_start_matches('/').trim_start_matches("./").trim_start_matches("../").trim_end_matches(".rb");
        paths.push(format!("{path}.rb"));
        paths.push(format!("lib/{path}.rb"));
    }
    if let Some((_, name)) = name {
        paths.push(format!("lib/{name}/version.rb"));
        paths.push(format!("lib/{}/version.rb", name.replace('-', "/")));
    }
    let read = |path: &String| {
        let bytes = beside(path)?;
        let content = text(&bytes).ok()?;
        let found = content.lines().filter_map(|line| constant(line.trim())).find(|(name, _)| name == constant_name);
        found.map(|(_, version)| version)
    };
    paths.iter().take(TRIED).find_map(read)
}

/// The strings of a line: `"…"`, `'…'`, `%q<…>`.
fn strings(line: &str) -> Vec<&str> {
    let mut strings = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find(['"', '\'', '%', '#']) {
        let (open, close) = match &rest[at..] {
            start if start.starts_with('"') => (1, '"'),
            start if start.starts_with('\'') => (1, '\''),
            start if start.starts_with("%q<") => (3, '>'),
            start if start.starts_with("%q(") => (3, ')'),
            start if start.starts_with('#') => break,
            _ => {
                rest = &rest[at + 1..];
                continue;
            }
        };
        let Some((string, after)) = rest[at + open..].split_once(close) else { break };
        strings.push(string);
        rest = after;
    }
    strings
}

/// An installed gem.
fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = lossy(input.bytes)?;
    let mut inventory = Inventory::new("gem specification", Completeness::List);
    if content.trim().is_empty() {
        return Err(LockError::new("it is empty"));
    }
    let Some(specification) = Specification::of(&content, input.beside) else {
        return Err(LockError::new("it holds no `Gem::Specification.new do |…|`"));
    };
    let licence = specification.licence();
    let (Some((line, name)), Some((_, version))) = (specification.name, specification.version) else {
        return Err(LockError::new("it does not tell name and version"));
    };
    let mut package = Package::new(Ecosystem::RubyGems, name, Some(version));
    package.line = Some(line);
    package.licence = licence;
    package.architecture = specification.platform.filter(|platform| platform != "ruby");
    package.install_script = specification.extensions;
    add(&mut inventory, package);
    Ok(inventory)
}

/// The gem that a project makes.
fn read_own(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = lossy(input.bytes)?;
    let mut inventory = Inventory::new("gemspec", Completeness::Declared);
    let Some(specification) = Specification::of(&content, input.beside) else {
        return Err(LockError::new("it holds no `Gem::Specification.new do |…|`"));
    };
    let mut dependencies = Vec::new();
    for (line, name, versions, scope) in specification.needs {
        if name.contains("#{") {
            note(&mut inventory.problems, Some(line), format!("{}: the name is computed", quoted(&name)));
            continue;
        }
        let pinned =
            versions.as_deref().and_then(|versions| versions.strip_prefix("= ")).filter(|one| !one.contains(','));
        let mut package = Package::new(Ecosystem::RubyGems, name, pinned.map(str::to_owned));
        package.requirement = versions;
        package.scopes = Scopes::only(scope);
        package.direct = Some(true);
        package.line = Some(line);
        dependencies.extend(add(&mut inventory, package).map(|index| (index, scope)));
    }
    let text = |field: Option<(u64, String)>| field.map(|(_, text)| text);
    let (name, version) = (text(specification.name), text(specification.version));
    inventory.roots.push(Root { name, version, path: String::new(), dependencies });
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{package, read_alone, read_beside, shown};
    use super::*;

    #[test]
    fn an_installed_gem() {
        let text = "# -*- encoding: utf-8 -*-\n# stub: rack 2.2.3 ruby lib\n\nGem::Specification.new do |s|\n  s.name = \"rack\".freeze\n  \
            s.version = \"2.2.3\"\n  s.licenses = [\"MIT\".freeze, 'BSD'.freeze]\n  s.extensions = [\"ext/extconf.rb\".freeze]\n  \
            s.add_runtime_dependency(%q<x>.freeze, [\">= 0\".freeze])\nend\n";
        let read = read_alone(read, "gems/specifications/rack-2.2.3.gemspec", text);
        assert_eq!(shown(&read), ["rack 2.2.3"]);
        assert_eq!(read.packages[0].licence.as_deref(), Some("MIT OR BSD"));
        assert!(read.packages[0].install_script);
    }

    #[test]
    fn the_gem_of_a_project() {
        let text = "require_relative 'lib/my/gem/version'\nGem::Specification.new do |spec|\n  spec.name = 'my-gem' # name\n  \
            spec.version = My::Gem::VERSION\n  spec.add_dependency 'rack', '~> 2.0', '>= 2.1'\n  \
            spec.add_development_dependency(\"rake\", \"= 13.0\")\nend\n";
        let others = [("lib/my/gem/version.rb", "module My\n  module Gem\n    VERSION = '1.5'.freeze\n  end\nend\n")];
        let read = read_beside(read_own, "my-gem.gemspec", text, &others);
        assert_eq!(shown(&read), ["rack -", "rake 13.0"]);
        assert_eq!(package(&read, "rack").requirement.as_deref(), Some("~> 2.0, >= 2.1"));
        assert_eq!(read.roots[0].version.as_deref(), Some("1.5"));
    }

    #[test]
    fn where_they_lie_tells_what_they_are() {
        assert!(is_installed("specifications/a.gemspec") && is_installed("x/specifications/default/a.gemspec"));
        assert!(!is_installed("a.gemspec") && !is_installed("my-specifications/a.gemspec"));
    }
}
