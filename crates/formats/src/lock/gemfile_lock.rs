//! Bundler's `Gemfile.lock` (`gems.locked`). Groups stand only in the `Gemfile` beside it, which is a program: what stands in
//! it as plain text tells what a gem is for.

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Root, Scope};

use super::named;
use super::source::{address, is_of_host};
use super::text::{Names, add, hash, quoted, settle};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] = &[Reader { id: "gemfile-lock", wants, read, covered_by: &[] }];

fn wants(path: &str) -> bool {
    // `Gemfile.rails-7.lock`, as appraisals write it, too.
    let name = path.rsplit('/').next().unwrap_or(path);
    named(path, "gems.locked") || (name.starts_with("Gemfile") && name.ends_with(".lock"))
}

/// Name, version, and platform of `name (1.0-x86_64-linux)`.
fn spec(text: &str) -> Option<(&str, Option<&str>, Option<&str>)> {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let name = name.strip_suffix('!').unwrap_or(name);
    let sound = !name.is_empty() && !name.contains(['(', ')', '<', '>', '=']);
    if !sound {
        return None;
    }
    let Some(version) = rest.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else {
        return rest.trim().is_empty().then_some((name, None, None));
    };
    // No version of a gem holds a hyphen.
    match version.split_once('-') {
        Some((version, platform)) => Some((name, Some(version), Some(platform))),
        None => Some((name, Some(version), None)),
    }
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let mut inventory = Inventory::new("Gemfile.lock", Completeness::Graph);
    let mut section = "";
    let mut source = Source::default();
    let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
    let mut current = None;
    let mut edges: Vec<(usize, &str)> = Vec::new();
    let mut asked: Vec<&str> = Vec::new();
    for (number, line) in (1..).zip(content.lines()) {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if indent == 0 {
            if ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark)) {
                note(&mut inventory.problems, Some(number), "a conflict of a merge stands there");
                continue;
            }
            section = trimmed;
            source = Source::default();
            current = None;
            continue;
        }
        match (section, indent) {
            ("GEM" | "GIT" | "PATH" | "PLUGIN SOURCE", 2) => {
                if let Some((key, value)) = trimmed.split_once(':') {
                    source.set(key, value.trim());
                }
            }
            ("GEM" | "GIT" | "PATH" | "PLUGIN SOURCE", 4) => {
                current = None;
                let Some((name, Some(version), platform)) = spec(trimmed) else {
                    note(
                        &mut inventory.problems,
                        Some(number),
                        format!("{} is no gem with a version", quoted(trimmed)),
                    );
                    continue;
                };
                // The same version for several platforms is one package.
                let index = match seen.get(&(name, version)) {
                    Some(index) => *index,
                    None => {
                        let mut package = Package::new(Ecosystem::RubyGems, name, Some(version.to_owned()));
                        package.line = Some(number);
                        package.source = source.of(section);
                        if package.source == PackageSource::Registry && !source.remote.is_empty() {
                            package.claims.resolved.push(address(source.remote));
                        }
                        package.architecture = platform.map(str::to_owned);
                        let Some(index) = add(&mut inventory, package) else { break };
                        seen.insert((name, version), index);
                        index
                    }
                };
                if inventory.packages[index].architecture.as_deref() != platform {
                    inventory.packages[index].architecture = None;
                }
                current = Some(index);
            }
            ("GEM" | "GIT" | "PATH" | "PLUGIN SOURCE", 6) => match (current, spec(trimmed)) {
                (Some(index), Some((name, ..))) => edges.push((index, name)),
                (None, _) => {}
                (_, None) => {
                    note(&mut inventory.problems, Some(number), format!("{} is no dependency", quoted(trimmed)))
                }
            },
            ("DEPENDENCIES", 2) => match spec(trimmed) {
                Some((name, ..)) => asked.push(name),
                None => note(&mut inventory.problems, Some(number), format!("{} is no dependency", quoted(trimmed))),
            },
            ("CHECKSUMS", 2) => {
                let (gem, values) = trimmed.split_once(") ").unwrap_or((trimmed, ""));
                if let Some((name, Some(version), _)) = spec(&format!("{})", gem.trim_end_matches(')')))
                    && let Some(index) = seen.get(&(name, version))
                {
                    inventory.packages[*index].hashes.extend(values.split(',').filter_map(hash));
                }
            }
            _ => {}
        }
    }
    let mut names = Names::of(&inventory);
    for (from, name) in edges {
        let to = names.named(name).to_vec();
        names.link(&mut inventory, from, &to);
    }
    settle(&mut inventory);
    let bytes = ["Gemfile", "gems.rb"].into_iter().find_map(|name| (input.beside)(name));
    let gemfile = bytes.and_then(|bytes| text(&bytes).ok().and_then(|content| Gemfile::of(&content)));
    let mut dependencies = Vec::new();
    for name in asked {
        let found = names.named(name);
        // Bundler itself is not locked, nor what is for other platforms.
        let of_project =
            found.iter().any(|index| matches!(inventory.packages[*index].source, PackageSource::Path { .. }));
        let scope = gemfile.as_ref().map_or(Scope::Production, |gemfile| gemfile.scope(name, of_project));
        dependencies.extend(found.iter().map(|index| (*index, scope)));
    }
    inventory.roots.push(Root { name: None, version: None, path: String::new(), dependencies });
    if gemfile.is_some() {
        inventory.spread_scopes();
    } else {
        for package in &mut inventory.packages {
            package.direct = Some(false);
        }
        for (index, _) in &inventory.roots[0].dependencies {
            inventory.packages[*index].direct = Some(true);
        }
    }
    Ok(inventory)
}

/// What stands at the head of a section.
#[derive(Default)]
struct Source<'l> {
    remote: &'l str,
    revision: Option<&'l str>,
}

impl<'l> Source<'l> {
    fn set(&mut self, key: &str, value: &'l str) {
        match key {
            "remote" if self.remote.is_empty() => self.remote = value,
            "revision" => self.revision = Some(value),
            _ => {}
        }
    }

    fn of(&self, section: &str) -> PackageSource {
        match section {
            "PATH" => PackageSource::Path { path: self.remote.to_owned() },
            "GIT" => PackageSource::Git { url: address(self.remote), revision: self.revision.map(str::to_owned) },
            _ if self.revision.is_some() => {
                PackageSource::Git { url: address(self.remote), revision: self.revision.map(str::to_owned) }
            }
            _ if self.remote.is_empty() || is_of_host(self.remote, &["rubygems.org", "index.rubygems.org"]) => {
                PackageSource::Registry
            }
            _ => PackageSource::OtherRegistry { url: address(self.remote) },
        }
    }
}

/// The groups of a `Gemfile`.
struct Gemfile {
    scopes: HashMap<String, Scope>,
    /// It takes over what a gemspec asks for.
    gemspec: bool,
}

impl Gemfile {
    /// `None` where its blocks do not fit together: then nothing in it can be trusted.
    fn of(content: &str) -> Option<Self> {
        let mut gemfile = Self { scopes: HashMap::new(), gemspec: false };
        let mut blocks: Vec<Option<Scope>> = Vec::new();
        for line in content.lines() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            let (first, rest) = line.split_once([' ', '(']).unwrap_or((line, ""));
            let opens = line.ends_with(" do") || line.contains(" do |");
            match first {
                "" => {}
                _ if first.starts_with('#') => {}
                "end" => drop(blocks.pop()?),
                "group" if opens => blocks.push(Some(scope_of(rest))),
                "if" | "unless" | "case" | "begin" | "def" | "while" if !rest.ends_with(" end") => blocks.push(None),
                "gem" => {
                    let name = rest.trim_start().trim_start_matches(['\'', '"']);
                    let name = name.split(['\'', '"']).next().unwrap_or_default();
                    let around = blocks.iter().rev().find_map(|block| *block);
                    let own = ["group:", "groups:", ":group =>", ":groups =>"]
                        .iter()
                        .find_map(|key| line.split_once(key))
                        .map(|(_, groups)| scope_of(groups.split(']').next().unwrap_or(groups)));
                    let scope = own.or(around).unwrap_or(Scope::Production);
                    let known = gemfile.scopes.entry(name.to_owned()).or_insert(scope);
                    if scope == Scope::Production {
                        *known = scope;
                    }
                    if opens {
                        blocks.push(None);
                    }
                }
                "gemspec" => gemfile.gemspec = true,
                _ if opens => blocks.push(None),
                _ => {}
            }
        }
        blocks.is_empty().then_some(gemfile)
    }

    fn scope(&self, name: &str, of_project: bool) -> Scope {
        match self.scopes.get(name) {
            Some(scope) => *scope,
            // What only the gemspec asks for directly is for its development.
            None if self.gemspec && !of_project => Scope::Development,
            None => Scope::Production,
        }
    }
}

/// `:development, :test`: a gem that is in another group too is for that.
fn scope_of(groups: &str) -> Scope {
    const DEVELOPMENT: [&str; 9] =
        ["development", "test", "dev", "lint", "doc", "docs", "ci", "development_test", "tools"];
    let optional = groups.contains("optional: true") || groups.contains(":optional => true");
    let mut names = groups
        .split([',', '[', ']', ' ', ')'])
        .map(|name| name.trim_matches([':', '\'', '"']))
        .filter(|name| !name.is_empty() && !matches!(*name, "do" | "optional" | "true" | "=>" | "require" | "false"))
        .peekable();
    match (names.peek().is_some(), names.all(|name| DEVELOPMENT.contains(&name)), optional) {
        (true, true, _) => Scope::Development,
        (_, _, true) => Scope::Optional,
        _ => Scope::Production,
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{needs, package, read_alone, read_beside, shown};
    use super::*;

    const LOCK: &str = "GIT\n  remote: https://u:p@host/tool.git\n  revision: abc\n  branch: main\n  specs:\n    tool (0.1)\n      rack\n\n\
        PATH\n  remote: .\n  specs:\n    own (1.0)\n      rack (>= 2)\n\n\
        GEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.14.0)\n    nokogiri (1.14.0-x86_64-linux)\n      rack (~> 2.0)\n\
        \x20   rack (2.2.3)\n    rspec (3.0)\n    broken\n    rubocop (1.0)\n\n\
        PLATFORMS\n  ruby\n\nDEPENDENCIES\n  own!\n  nokogiri (~> 1.14)\n  rspec\n  rubocop\n  tool!\n  gone\n\n\
        CHECKSUMS\n  rack (2.2.3) sha256=9e0ce3aa93a819ba5b45120216b23878cf6e8525eb3848653452b4192b92afed\n  rspec (3.0)\n\nBUNDLED WITH\n   2.5.0\n";

    #[test]
    fn all_sections() {
        let gemfile = "source 'https://rubygems.org'\ngemspec\ngem 'nokogiri', '~> 1.14'\ngroup :development, :test do\n  \
            gem \"tool\", git: 'x' if ENV['X']\nend\ngem 'rspec', group: :test # only there\nif x\n  gem 'other'\nend\n";
        let read = read_beside(read, "Gemfile.lock", LOCK, &[("Gemfile", gemfile)]);
        assert_eq!(shown(&read), ["tool 0.1", "own 1.0", "nokogiri 1.14.0", "rack 2.2.3", "rspec 3.0", "rubocop 1.0"]);
        assert_eq!(needs(&read, "nokogiri"), ["rack"]);
        assert_eq!(package(&read, "rack").hashes.len(), 1);
        assert_eq!(package(&read, "rack").direct, Some(false));
        let scopes = |name: &str| package(&read, name).scopes.iter().collect::<Vec<_>>();
        assert_eq!(scopes("rack"), [Scope::Production, Scope::Development]);
        assert_eq!(scopes("rspec"), [Scope::Development]);
        assert_eq!(scopes("rubocop"), [Scope::Development]);
        let git = PackageSource::Git { url: "https://host/tool.git".into(), revision: Some("abc".into()) };
        assert_eq!(package(&read, "tool").source, git);
        assert_eq!(package(&read, "own").source, PackageSource::Path { path: ".".into() });
        assert_eq!(read.problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [Some(23)]);
    }

    #[test]
    fn without_a_gemfile_the_scopes_are_not_known() {
        let read = read_alone(read, "gems.locked", &LOCK.replace('\n', "\r\n"));
        assert!(read.packages.iter().all(|package| package.scopes.is_empty()));
        assert_eq!(package(&read, "rspec").direct, Some(true));
    }

    #[test]
    fn groups() {
        assert_eq!(scope_of(":development, :test do"), Scope::Development);
        assert_eq!(scope_of("[:test, 'production']"), Scope::Production);
        assert_eq!(scope_of(":profiling, optional: true do"), Scope::Optional);
        assert!(Gemfile::of("group :x do\n").is_none());
        assert!(Gemfile::of("end\n").is_none());
    }
}
