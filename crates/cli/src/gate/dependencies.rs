//! Which changed files bring dependencies that were not there before, or take one from another place.

use std::collections::BTreeMap;

use anyhow::Result;
use provost_deps::{At, Change, Collected, Files, changes, collect, package_at};
use provost_formats::lock;
use provost_gate::Proposal;
use provost_policy::ChangeKind;
use provost_repo::{TreeFiles, View};
use provost_scan::Coverage;

/// New packages that are named for one file.
const NAMED: usize = 5;

struct Tree(TreeFiles);

impl Files for Tree {
    fn list(&self) -> &[String] {
        self.0.paths()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.read(path, lock::MAXIMUM_BYTES)
    }

    fn gitlink(&self, path: &str) -> Option<String> {
        self.0.gitlink(path)
    }
}

fn state(view: &View, id: Option<&str>) -> Result<Collected> {
    let Some(id) = id else {
        return Ok(Collected { sources: Vec::new(), coverage: Coverage::default() });
    };
    Ok(collect(&Tree(TreeFiles::of(view, id)?), Coverage::default()))
}

/// Marks the changes of a proposal that bring new dependencies. What cannot be read is marked too: nobody knows what it
/// brings.
///
/// # Errors
/// The repository cannot be read.
pub(crate) fn mark(view: &View, proposal: &mut Proposal) -> Result<()> {
    let is_lock = |path: &[u8]| std::str::from_utf8(path).is_ok_and(|path| lock::reader_of(path).is_some());
    if !proposal.changes.iter().any(|record| is_lock(&record.change.path)) {
        return Ok(());
    }
    let binding = &proposal.binding;
    let (old, new) = match &binding.tree {
        Some(tree) => (binding.base.as_deref(), tree.as_str()),
        None => (proposal.merge_base.as_deref(), binding.head.as_str()),
    };
    let (before, after) = (state(view, old)?, state(view, Some(new))?);
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for change in changes(&before, &after) {
        let (at, why) = match &change {
            Change::Added { at, new: true } => (*at, "new"),
            Change::Version { before: old, at, .. } | Change::Content { before: old, at, .. }
                if package_at(&before, *old).source != package_at(&after, *at).source =>
            {
                (*at, "from another place")
            }
            _ => continue,
        };
        let At { source, .. } = at;
        let package = package_at(&after, at);
        let version = package.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        found.entry(after.sources[source].path.clone()).or_default().push(format!("{why}: {}{version}", package.name));
    }
    for gap in after.coverage.failures.iter().chain(&after.coverage.parts) {
        found.entry(gap.place.clone()).or_default().push(format!("what it brings is not known: {}", gap.why));
    }
    let mut elsewhere = Vec::new();
    for (path, what) in found {
        let mut notes: Vec<String> = what.iter().take(NAMED).cloned().collect();
        if what.len() > NAMED {
            notes.push(format!("and {} more", what.len() - NAMED));
        }
        match proposal.changes.iter_mut().find(|record| record.change.path == path.as_bytes()) {
            Some(record) => {
                record.kinds.insert(ChangeKind::NewDependency);
                record.notes.extend(notes);
            }
            None => elsewhere.push((path, notes)),
        }
    }
    // What a file brings that did not change itself was brought by one beside it that did.
    for (path, notes) in &elsewhere {
        let unread = notes.iter().all(|note| note.starts_with("what it brings"));
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for record in proposal.changes.iter_mut().filter(|record| is_lock(&record.change.path)) {
            let name = record.change.name();
            if !unread && name.rsplit_once('/').map_or("", |(folder, _)| folder) == folder {
                record.kinds.insert(ChangeKind::NewDependency);
                record.notes.push(format!("{path}: {}", notes.join(", ")));
            }
        }
    }
    Ok(())
}
