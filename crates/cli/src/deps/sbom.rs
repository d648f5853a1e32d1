//! `provost sbom`: make, compare, convert and check bills of materials.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use provost_formats::sbom::{self, Bom, Change};
use provost_model::{count, printable};
use serde_json::json;

use super::{bom, gather_paths, observed};
use crate::commands::Context;
use crate::commands::sbom::{CheckArgs, ConvertArgs, CreateArgs, DiffArgs, DiffFormat};
use crate::exit::Exit;
use crate::scan::output::put;
use crate::{clock, input, render};

/// Reads an SBOM.
fn read(path: &Path) -> Result<Bom> {
    let bytes = input::read(path, sbom::MAXIMUM_BYTES as u64)?;
    sbom::read(&bytes).with_context(|| format!("{} cannot be used", path.display()))
}

/// `sbom create`.
pub(crate) fn create(args: &CreateArgs, context: &Context) -> Result<Exit> {
    let (target, mut collected) = gather_paths(&args.paths, &args.exclude)?;
    let reads = args.observed.as_deref().map(|run| observed::reads(run, context)).transpose()?;
    let seen = reads.as_ref().map(|reads| observed::add(&mut collected, reads));
    let mut document = bom::of(args.name.as_deref().unwrap_or(&target), &collected, None, clock::now());
    if let (Some(reads), Some(seen)) = (&reads, &seen) {
        document.lifecycles = vec!["build".to_owned()];
        observed::mark(&mut document, &collected, seen, reads);
    }
    let form = args.form.unwrap_or_else(|| args.output.as_deref().map_or(bom::Form::CycloneDx16, bom::form_of));
    put(args.output.as_deref(), &bom::write(&document, form)?)?;
    for gap in collected.coverage.failures.iter().chain(&collected.coverage.parts).take(20) {
        anstream::eprintln!("{} {}: {}", render::warning("not read:"), printable(&gap.place), printable(&gap.why));
    }
    anstream::eprintln!(
        "{}",
        render::dim(&printable(&format!(
            "{} from {}",
            count(document.components.len() as u64, "component", "components"),
            count(collected.sources.len() as u64, "source", "sources")
        )))
    );
    if let (Some(reads), Some(seen)) = (&reads, &seen) {
        let text = format!(
            "run {}: {} read, {} of the listed packages among them; {} read that are not listed; {} that no package explains",
            reads.invocation.rsplit(':').next().unwrap_or(&reads.invocation),
            count(reads.paths.len() as u64, "file", "files"),
            seen.read.len(),
            count(seen.not_listed.len() as u64, "package", "packages"),
            count(seen.unexplained_count, "file", "files")
        );
        anstream::eprintln!("{}", render::dim(&printable(&text)));
    }
    Ok(if collected.coverage.is_complete() { Exit::Pass } else { Exit::Undecided })
}

/// `sbom convert`.
pub(crate) fn convert(args: &ConvertArgs) -> Result<Exit> {
    let document = read(&args.file)?;
    for problem in document.problems.iter().take(20) {
        anstream::eprintln!("{} {}", render::warning("note:"), printable(problem));
    }
    put(args.output.as_deref(), &bom::write(&document, args.form)?)?;
    Ok(Exit::Pass)
}

/// `sbom check`.
pub(crate) fn check(args: &CheckArgs) -> Result<Exit> {
    let mut exit = Exit::Pass;
    for path in &args.files {
        match read(path) {
            Ok(document) => {
                let said = document.stated();
                let text = format!(
                    "{}: {}, {}; components {:?}, dependencies {:?}",
                    path.display(),
                    document.format,
                    count(document.components.len() as u64, "component", "components"),
                    said.components,
                    said.dependencies
                );
                anstream::println!("{} {}", render::bold("sound"), printable(&text));
                for problem in &document.problems {
                    anstream::println!("  {} {}", render::warning("note:"), printable(problem));
                }
            }
            Err(error) => {
                anstream::println!("{} {}", render::error("refused"), printable(&format!("{error:#}")));
                exit = Exit::Denied;
            }
        }
    }
    Ok(exit)
}

/// `sbom diff`.
pub(crate) fn diff(args: &DiffArgs) -> Result<Exit> {
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let diff = sbom::diff(&before, &after);
    let report = match args.format {
        DiffFormat::Json => format!("{:#}\n", json_of(&diff)),
        DiffFormat::Text => text_of(&diff),
    };
    put(None, &report)?;
    let alarm = !diff.hashes.is_empty();
    Ok(if (args.exit_code && !diff.is_empty()) || alarm { Exit::Denied } else { Exit::Pass })
}

fn text_of(diff: &sbom::Diff) -> String {
    let mut out = String::new();
    let mut say = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    diff.added.iter().for_each(|package| say(printable(&format!("+ {package}"))));
    diff.removed.iter().for_each(|package| say(printable(&format!("- {package}"))));
    for change in &diff.versions {
        let (before, after) = (change.before.join(", "), change.after.join(", "));
        say(printable(&format!("~ {} {before} → {after}", change.package)));
    }
    for change in &diff.hashes {
        let hash = |hash: &provost_model::PackageHash| format!("{} {}", hash.algorithm, hash.value);
        let text = format!(
            "! {}: the same version with other content: {} → {}",
            change.package,
            hash(&change.before),
            hash(&change.after)
        );
        say(render::error(&printable(&text)));
    }
    let or_none = |text: &String| if text.is_empty() { "none".to_owned() } else { text.clone() };
    for (word, changes) in [("licence", &diff.licences), ("needed for", &diff.scopes)] {
        for change in changes {
            let text = format!("  {}: {word} {} → {}", change.package, or_none(&change.before), or_none(&change.after));
            say(printable(&text));
        }
    }
    say(format!(
        "{} added, {} removed, {} of another version, {} of other content, {} of another licence, {} needed for something else",
        diff.added.len(),
        diff.removed.len(),
        diff.versions.len(),
        diff.hashes.len(),
        diff.licences.len(),
        diff.scopes.len()
    ));
    out
}

fn json_of(diff: &sbom::Diff) -> serde_json::Value {
    let texts = |changes: &[Change<String>]| -> Vec<serde_json::Value> {
        changes.iter().map(|c| json!({"package": c.package, "before": c.before, "after": c.after})).collect()
    };
    let versions: Vec<_> = diff
        .versions
        .iter()
        .map(|change| json!({"package": change.package, "before": change.before, "after": change.after}))
        .collect();
    let hashes: Vec<_> = diff
        .hashes
        .iter()
        .map(|change| json!({"package": change.package, "before": change.before, "after": change.after}))
        .collect();
    json!({
        "added": diff.added,
        "removed": diff.removed,
        "versions": versions,
        "otherContent": hashes,
        "licences": texts(&diff.licences),
        "scopes": texts(&diff.scopes),
    })
}
