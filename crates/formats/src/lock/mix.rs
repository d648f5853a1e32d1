//! `mix.lock` (hexpm/hex, `lib/hex/scm.ex`) and `rebar.lock` (erlang/rebar3, `src/rebar_config.erl`).

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Root, Scope, Scopes};

use super::graph::{OptionalEdges, Unknown, full, spread};
use super::source::{of_hex, public};
use super::tree::term::{Term, parse};
use super::tree::{decode, note, shown};
use super::{Input, LockError, Reader};

/// What Elixir's and Erlang's build tools write.
pub(crate) const READERS: &[Reader] = &[
    Reader { id: "mix-lock", wants: |path| super::named(path, "mix.lock"), read: mix, covered_by: &[] },
    Reader { id: "rebar-lock", wants: |path| super::named(path, "rebar.lock"), read: rebar, covered_by: &[] },
];

fn mix(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let terms = parse(&text)?;
    let mut inventory = Inventory::new("mix.lock", Completeness::Graph);
    let [lock] = terms.as_slice() else {
        return if terms.is_empty() { Ok(inventory) } else { Err(LockError::new("more than one term: no mix.lock")) };
    };
    let mut by_application: HashMap<&str, usize> = HashMap::new();
    let mut needs: Vec<&Term<'_>> = Vec::new();
    for entry in lock.list() {
        if full(&mut inventory) {
            break;
        }
        let line = Some(u64::from(entry.line));
        let Some((application, locked)) = entry.pair().and_then(|(key, locked)| Some((key.said()?, locked.tuple())))
        else {
            note(&mut inventory.problems, line, "an entry that is no name with a tuple");
            continue;
        };
        let said = |at: usize| locked.get(at).and_then(Term::said);
        let mut package = match said(0) {
            Some("hex") => {
                let version = locked.get(2).and_then(Term::text).map(str::to_owned);
                if version.is_none() {
                    note(&mut inventory.problems, line, format!("`{}`: has no version", shown(application)));
                }
                let name = said(1).unwrap_or(application);
                let mut package = Package::new(Ecosystem::Hex, name, version);
                package.alias = (name != application).then(|| application.to_owned());
                if let Some(repository) = said(6).filter(|repository| *repository != "hexpm") {
                    package.source = PackageSource::OtherRegistry { url: repository.to_owned() };
                }
                // The inner digest, before it, is one that Hex itself has given up.
                package.hashes.extend(locked.get(7).and_then(Term::text).and_then(|text| of_hex("sha256", text)));
                package
            }
            Some("git") => {
                let mut package = Package::new(Ecosystem::Hex, application, None);
                package.source = PackageSource::Git {
                    url: public(said(1).unwrap_or_default()).into_owned(),
                    revision: said(2).map(str::to_owned),
                };
                package
            }
            kind => {
                let kind = shown(kind.unwrap_or_default());
                let what = format!("`{}`: `{kind}` is a source that is not known", shown(application));
                note(&mut inventory.problems, line, what);
                Package::new(Ecosystem::Hex, application, None)
            }
        };
        package.line = line;
        by_application.insert(application, inventory.packages.len());
        inventory.packages.push(package);
        needs.push(locked.get(5).filter(|_| said(0) == Some("hex")).unwrap_or(entry));
    }
    let mut optional = OptionalEdges::new();
    for (from, needs) in needs.iter().enumerate() {
        for need in needs.list() {
            let Some(to) = need.tuple().first().and_then(Term::said).and_then(|name| by_application.get(name)) else {
                // What is optional, or comes with the platform, may not be there.
                continue;
            };
            inventory.packages[from].dependencies.push(*to);
            let is_optional = need.tuple().iter().any(|part| part.get("optional").and_then(Term::word) == Some("true"));
            if is_optional {
                optional.insert((from, *to));
            }
        }
    }
    // What the project itself asks for stands in mix.exs, which is a program.
    spread(&mut inventory, &optional, &Unknown::Projects);
    Ok(inventory)
}

fn rebar(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let terms = parse(&text)?;
    // Before version 1.1 there was the list alone.
    let (version, locks) = match terms.first().map(|term| (term, term.tuple())) {
        None => ("0", &[][..]),
        Some((_, [version, locks])) => (version.text().unwrap_or("?"), locks.list()),
        Some((term, _)) => ("0", term.list()),
    };
    let mut inventory = Inventory::new(format!("rebar.lock v{}", shown(version)), Completeness::List);
    let outer = terms.get(1).into_iter().flat_map(|term| term.list());
    let outer = outer.filter(|group| group.tuple().first().and_then(Term::word) == Some("pkg_hash_ext"));
    let digests: HashMap<&str, &str> = outer
        .flat_map(|group| group.tuple().get(1).map(Term::list).unwrap_or_default())
        .filter_map(|entry| Some((entry.tuple().first()?.text()?, entry.tuple().get(1)?.text()?)))
        .collect();
    let mut root = Root { name: None, version: None, path: String::new(), dependencies: Vec::new() };
    for entry in locks {
        if full(&mut inventory) {
            break;
        }
        let line = Some(u64::from(entry.line));
        let (name, locked, level) = match entry.tuple() {
            [name, locked, level] => (name.said(), locked.tuple(), level.word()),
            _ => (None, &[][..], None),
        };
        let Some(application) = name else {
            note(&mut inventory.problems, line, "an entry that is not name, source and level");
            continue;
        };
        let mut package = match locked {
            [kind, name, version, ..] if kind.word() == Some("pkg") => {
                let name = name.said().unwrap_or(application);
                let mut package = Package::new(Ecosystem::Hex, name, version.text().map(str::to_owned));
                package.alias = (name != application).then(|| application.to_owned());
                package.hashes.extend(digests.get(application).and_then(|text| of_hex("sha256", text)));
                package
            }
            [kind, url, reference, ..] if matches!(kind.word(), Some("git" | "git_subdir")) => {
                let mut package = Package::new(Ecosystem::Hex, application, None);
                package.source = PackageSource::Git {
                    url: public(url.said().unwrap_or_default()).into_owned(),
                    revision: reference.tuple().get(1).and_then(Term::said).map(str::to_owned),
                };
                package
            }
            _ => {
                let what = format!("`{}`: a source that is not known", shown(application));
                note(&mut inventory.problems, line, what);
                Package::new(Ecosystem::Hex, application, None)
            }
        };
        package.line = line;
        package.direct = level.map(|level| level == "0");
        // What is locked are the dependencies of the default profile: those for tests are not in it.
        package.scopes = Scopes::only(Scope::Production);
        if package.direct == Some(true) {
            root.dependencies.push((inventory.packages.len(), Scope::Production));
        }
        inventory.packages.push(package);
    }
    inventory.roots.push(root);
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::testing::{find, read_with};

    #[test]
    fn reads_mix() {
        let text = r#"%{
  "jason": {:hex, :jason, "1.4.0", "00", [:mix], [{:decimal, "~> 1.0", [hex: :decimal, repo: "hexpm", optional: true]}, {:gone, "1", []}], "hexpm", "00FF"},
  "decimal": {:hex, :decimal, "2.0.0", "00", [:mix], [], "hexpm:own", "11"},
  "app_name": {:hex, :package_name, "0.1.0"},
  "fork": {:git, "https://git.example/fork.git", "0123456789", [branch: "main"]},
  "bad": 1,
}
"#;
        let inventory = read_with("mix.lock", text, &[]).unwrap();
        let jason = find(&inventory, "jason", "1.4.0");
        assert_eq!((jason.line, jason.dependencies.as_slice(), jason.direct), (Some(2), &[1][..], None));
        assert_eq!(jason.hashes[0].value, "00ff");
        let decimal = find(&inventory, "decimal", "2.0.0");
        assert_eq!(decimal.source, PackageSource::OtherRegistry { url: "hexpm:own".into() });
        assert_eq!(find(&inventory, "package_name", "0.1.0").alias.as_deref(), Some("app_name"));
        let fork = &inventory.packages[3];
        assert!(
            matches!(&fork.source, PackageSource::Git { revision: Some(revision), .. } if revision == "0123456789")
        );
        assert_eq!(inventory.problems.len(), 1, "{:?}", inventory.problems);
        assert!(read_with("mix.lock", "%{", &[]).is_err());
        assert!(read_with("mix.lock", "", &[]).unwrap().packages.is_empty());
    }

    #[test]
    fn reads_rebar() {
        let text = r#"{"1.2.0",
[{<<"cowboy">>,{pkg,<<"cowboy">>,<<"2.9.0">>},0},
 {<<"cow">>,{git,"https://git.example/cow.git",{ref,"0123456789"}},1},
 {<<"bad">>}]}.
[
{pkg_hash,[{<<"cowboy">>, <<"AA">>}]},
{pkg_hash_ext,[{<<"cowboy">>, <<"00FF">>}]}
].
"#;
        let inventory = read_with("rebar.lock", text, &[]).unwrap();
        let cowboy = find(&inventory, "cowboy", "2.9.0");
        assert_eq!((cowboy.direct, cowboy.line, cowboy.hashes[0].value.as_str()), (Some(true), Some(2), "00ff"));
        assert_eq!(inventory.packages[1].direct, Some(false));
        assert_eq!((inventory.kind.as_str(), inventory.problems.len()), ("rebar.lock v1.2.0", 1));
        let old = read_with("rebar.lock", "[{<<\"a\">>,{pkg,<<\"a\">>,<<\"1\">>},0}].\n", &[]).unwrap();
        assert_eq!(old.packages.len(), 1);
    }
}
