//! What there is, and who brought it in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use provost_deps::{Collected, Ways};
use provost_formats::lock;
use provost_model::{Package, Scope, count, printable};
use serde_json::{Value, json};

use super::{findings::name_of, gather_paths};
use crate::commands::deps::{ListArgs, ListFormat, WhyArgs};
use crate::exit::Exit;
use crate::render;
use crate::scan::output::put;

fn exit(collected: &Collected) -> Exit {
    for gap in collected.coverage.failures.iter().chain(&collected.coverage.parts) {
        anstream::eprintln!("{} {}: {}", render::warning("not read:"), printable(&gap.place), printable(&gap.why));
    }
    if collected.coverage.is_complete() { Exit::Pass } else { Exit::Undecided }
}

fn scope(package: &Package) -> String {
    package.scopes.iter().map(scope_name).collect::<Vec<_>>().join(", ")
}

/// A scope for people.
pub(crate) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Production => "production",
        Scope::Build => "build",
        Scope::Development => "development",
        Scope::Optional => "optional",
    }
}

/// `deps list`.
pub(crate) fn list(args: &ListArgs) -> Result<Exit> {
    let (_, collected) = gather_paths(&args.paths, &args.exclude)?;
    let report = match args.format {
        ListFormat::Text => text(&collected),
        ListFormat::Json => format!("{:#}\n", json(&collected)),
    };
    put(None, &report)?;
    Ok(exit(&collected))
}

fn json(collected: &Collected) -> Value {
    let sources: Vec<Value> = collected
        .sources
        .iter()
        .map(|source| {
            let packages: Vec<Value> = source
                .inventory
                .packages
                .iter()
                .map(|package| {
                    let mut value = serde_json::to_value(package).unwrap_or_default();
                    value["purl"] = package.purl().to_string().into();
                    value
                })
                .collect();
            json!({
                "path": source.path,
                "reader": source.reader,
                "kind": source.inventory.kind,
                "completeness": source.inventory.completeness,
                "roots": source.inventory.roots,
                "packages": packages,
                "problems": source.inventory.problems,
            })
        })
        .collect();
    json!({"sources": sources, "coverage": collected.coverage})
}

fn text(collected: &Collected) -> String {
    let mut out = String::new();
    for source in &collected.sources {
        let inventory = &source.inventory;
        let _ = writeln!(
            out,
            "{} {}",
            render::bold(&printable(&source.path)),
            render::dim(&format!(
                "{}, {}",
                inventory.kind,
                count(inventory.packages.len() as u64, "package", "packages")
            ))
        );
        let width = inventory.packages.iter().map(|package| package.name.chars().count()).max().unwrap_or(0).min(60);
        let mut order: Vec<&Package> = inventory.packages.iter().collect();
        order.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.version.cmp(&b.version)));
        for package in order {
            let version = match (&package.version, &package.requirement) {
                (Some(version), _) => version.clone(),
                (None, Some(asked)) => format!("{asked} (not resolved)"),
                (None, None) => "not resolved".to_owned(),
            };
            let direct = if package.direct == Some(true) { " direct" } else { "" };
            let name = printable(&package.name);
            let _ = writeln!(
                out,
                "  {name:width$}  {} {}",
                printable(&version),
                render::dim(&format!("{}{direct}", scope(package)))
            );
        }
        out.push('\n');
    }
    out
}

/// `deps why`.
pub(crate) fn why(args: &WhyArgs) -> Result<Exit> {
    let (_, collected) = gather_paths(&args.paths, &[])?;
    // `@scope/name` begins with one of its own.
    let (name, version) = match args.name.char_indices().skip(1).find(|(_, c)| *c == '@') {
        Some((at, _)) => (&args.name[..at], Some(&args.name[at + 1..])),
        None => (args.name.as_str(), None),
    };
    let mut found = 0;
    for source in &collected.sources {
        let inventory = &source.inventory;
        for (index, package) in inventory.packages.iter().enumerate() {
            if package.name != name || version.is_some_and(|version| package.version.as_deref() != Some(version)) {
                continue;
            }
            found += 1;
            let scope = scope(package);
            let scope = if scope.is_empty() { String::new() } else { format!(" for {scope}") };
            anstream::println!("{} in {}{scope}", render::bold(&printable(&name_of(package))), printable(&source.path));
            let path = Ways::of(inventory).to(index);
            match (path.as_slice(), package.direct) {
                ([_], _) | ([], Some(true)) => anstream::println!("  the project asks for it itself"),
                ([], _) => anstream::println!("  the file does not say who needs it"),
                (path, _) => {
                    for (depth, index) in path.iter().enumerate() {
                        let package = &inventory.packages[*index];
                        anstream::println!("  {}{}", "  ".repeat(depth), printable(&name_of(package)));
                    }
                }
            }
            let parents: Vec<String> =
                inventory.packages.iter().filter(|parent| parent.dependencies.contains(&index)).map(name_of).collect();
            if parents.len() > 1 {
                anstream::println!("  {} {}", render::dim("needed by:"), printable(&parents.join(", ")));
            }
        }
    }
    if found == 0 {
        anstream::eprintln!(
            "{} is in none of {}",
            printable(&args.name),
            count(collected.sources.len() as u64, "source", "sources")
        );
        let _ = exit(&collected);
        return Ok(Exit::Denied);
    }
    Ok(exit(&collected))
}

/// `deps formats`.
pub(crate) fn formats() -> Result<Exit> {
    let mut ids: BTreeMap<&str, &[&str]> = BTreeMap::new();
    for reader in lock::READERS.iter().flat_map(|group| group.iter()) {
        ids.insert(reader.id, reader.covered_by);
    }
    for (id, covered) in ids {
        let covered = if covered.is_empty() {
            String::new()
        } else {
            render::dim(&format!("  only where there is no {}", covered.join(", ")))
        };
        anstream::println!("{id}{covered}");
    }
    Ok(Exit::Pass)
}
