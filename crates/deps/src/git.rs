//! Packages at a commit, against ranges of commits (OSV schema, `affected[].ranges[]` of type GIT). Commits have no order of their
//! own: which of them comes before which only a repository's history tells.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use provost_formats::lock::repository;
use provost_formats::osv::{Event, Range, RangeKind};
use provost_model::{Package, PackageSource};
use provost_repo::View;

use crate::inventory::{SUBMODULES, Source, directory_of};

/// The name under which the database keeps what is about commits of a repository.
pub const GIT: &str = "GIT";

/// Which commit comes before which.
pub trait History: Sync {
    /// Whether a commit is another one, or lies before it. `None`: nobody here knows.
    fn precedes(&self, ancestor: &str, commit: &str) -> Option<bool>;

    /// Whether a commit is at hand. One that is nowhere may have come in under another name: squashed, or rebased.
    fn knows(&self, commit: &str) -> bool;
}

/// No history: every commit precedes itself, and of others nothing is known.
#[derive(Debug, Clone, Copy)]
pub struct NoHistory;

impl History for NoHistory {
    fn precedes(&self, ancestor: &str, commit: &str) -> Option<bool> {
        (ancestor == commit).then_some(true)
    }

    fn knows(&self, _: &str) -> bool {
        false
    }
}

/// The histories of repositories on this disk. A commit is named by its content: whichever of them holds it tells the same.
#[derive(Default)]
pub struct Histories {
    open: Mutex<Vec<Repository>>,
    known: Mutex<HashMap<(String, String), Option<bool>>>,
}

struct Repository {
    view: View,
    shallow: bool,
}

impl Histories {
    /// Adds the repository that a directory is in. What cannot be opened says why.
    ///
    /// # Errors
    /// There is no repository, or it cannot be read.
    pub fn add(&mut self, directory: &Path) -> Result<(), String> {
        let view = View::open(directory).map_err(|error| error.to_string())?;
        let (_, shallow) = view.shape().map_err(|error| error.to_string())?;
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        open.push(Repository { view, shallow });
        Ok(())
    }

    fn ask(&self, ancestor: &str, commit: &str) -> Option<bool> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for Repository { view, shallow } in open.iter().filter(|repository| repository.view.contains(commit)) {
            if view.contains(ancestor) {
                match view.is_ancestor(ancestor, commit) {
                    // Where history is cut off, a way may lie beyond the cut.
                    Ok(false) if *shallow => {}
                    Ok(answer) => return Some(answer),
                    Err(_) => {}
                }
            } else if !shallow {
                // All that lies before a commit is where the commit is.
                return Some(false);
            }
        }
        None
    }
}

impl History for Histories {
    fn precedes(&self, ancestor: &str, commit: &str) -> Option<bool> {
        if ancestor == commit {
            return Some(true);
        }
        let key = (ancestor.to_owned(), commit.to_owned());
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known().get(&key) {
            return *answer;
        }
        let answer = self.ask(ancestor, commit);
        known().insert(key, answer);
        answer
    }

    fn knows(&self, commit: &str) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().any(|repository| repository.view.contains(commit))
    }
}

/// Where the histories of packages may lie: submodules that are checked out, and what Cargo fetched. The paths of sources are
/// relative to `root`.
pub fn likely_histories<'s>(
    root: &Path,
    cargo_home: Option<&Path>,
    sources: impl Iterator<Item = &'s Source>,
) -> Vec<PathBuf> {
    let fetched: Vec<PathBuf> = cargo_home
        .and_then(|home| std::fs::read_dir(home.join("git/db")).ok())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let mut found = Vec::new();
    let packages = sources.flat_map(|source| source.inventory.packages.iter().map(move |package| (source, package)));
    for (source, package) in packages {
        let Some((repository, _)) = commit_of(package) else { continue };
        if let Some(path) = &package.alias
            && source.reader == SUBMODULES
            && !path.split('/').any(|part| matches!(part, ".." | "" | "."))
        {
            let path = root.join(directory_of(&source.path)).join(path);
            found.extend(path.join(".git").exists().then_some(path));
        }
        let name = repository.rsplit('/').next().unwrap_or(&repository).to_owned();
        // `<name>-<hash of the address>`.
        let cargo = fetched.iter().filter(|path| {
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            file.rsplit_once('-').is_some_and(|(start, _)| start.eq_ignore_ascii_case(&name))
        });
        found.extend(cargo.cloned());
    }
    found.sort();
    found.dedup();
    found
}

/// Repository and commit of a package that comes from one; the repository as the database names it.
pub(crate) fn commit_of(package: &Package) -> Option<(String, &str)> {
    let PackageSource::Git { url, revision: Some(revision) } = &package.source else { return None };
    is_commit(revision).then(|| (repository_name(url), revision.as_str()))
}

/// True for the whole name of a commit.
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A repository as the database names it: host and path in lower case, without scheme, user and `.git`.
pub(crate) fn repository_name(url: &str) -> String {
    repository(url).to_lowercase()
}

/// Whether a commit is in one of the ranges of its repository; `None` where that cannot be told.
pub(crate) fn includes(ranges: &[Range], repository: &str, commit: &str, history: &dyn History) -> Option<bool> {
    let mut answer = None;
    for range in ranges_of(ranges, repository) {
        match includes_one(&range.events, commit, history) {
            Some(true) => return Some(true),
            Some(false) => answer = answer.or(Some(Some(false))),
            None => answer = Some(None),
        }
    }
    answer.flatten()
}

/// OSV schema, "Evaluation", for commits: affected is what has an introduction behind it that no fix, behind it too, comes after.
fn includes_one(events: &[Event], commit: &str, history: &dyn History) -> Option<bool> {
    let zero = |id: &str| id == "0";
    let precedes = |a: &str, b: &str| if zero(a) { Some(true) } else { history.precedes(a, b) };
    // What is not before a limit is not spoken of.
    let limits: Vec<&str> =
        events.iter().filter_map(|event| if let Event::Limit(id) = event { Some(id.as_str()) } else { None }).collect();
    if !limits.is_empty() && !limits.contains(&"*") {
        let within: Vec<Option<bool>> = limits
            .iter()
            .map(|limit| if *limit == commit { Some(false) } else { history.precedes(commit, limit) })
            .collect();
        if within.iter().all(|one| *one == Some(false)) {
            return Some(false);
        }
        if !within.contains(&Some(true)) {
            return None;
        }
    }
    // The mend itself is not affected, whatever lies before it.
    if events.iter().any(|event| matches!(event, Event::Fixed(id) if id == commit)) {
        return Some(false);
    }
    let mut unknown = false;
    for event in events {
        let Event::Introduced(introduced) = event else { continue };
        match precedes(introduced, commit) {
            Some(false) => continue,
            None => {
                unknown = true;
                continue;
            }
            Some(true) => {}
        }
        // Ends that lie between the introduction and this commit.
        let ends = events.iter().map(|event| {
            let (end, whole) = match event {
                Event::Fixed(end) => (end, true),
                Event::LastAffected(end) => (end, false),
                _ => return Some(false),
            };
            if !whole && end == commit {
                return Some(false);
            }
            match (precedes(end, commit), precedes(introduced, end)) {
                (Some(true), Some(true)) => Some(true),
                (Some(false), _) | (_, Some(false)) => Some(false),
                _ => None,
            }
        });
        let ends: Vec<Option<bool>> = ends.collect();
        if ends.contains(&Some(true)) {
            continue;
        }
        if ends.contains(&None) {
            unknown = true;
        } else {
            return Some(true);
        }
    }
    if unknown { None } else { Some(false) }
}

/// Whether all commits that mend it are at hand. Where one is not, what tells that it is missing behind a commit tells not that
/// its change is.
pub(crate) fn knows_mends(ranges: &[Range], repository: &str, history: &dyn History) -> bool {
    ranges_of(ranges, repository)
        .flat_map(|range| &range.events)
        .all(|event| !matches!(event, Event::Fixed(id) if !history.knows(id)))
}

fn ranges_of<'r>(ranges: &'r [Range], repository: &str) -> impl Iterator<Item = &'r Range> {
    let own = move |range: &&Range| range.repo.as_deref().is_some_and(|url| repository_name(url) == repository);
    ranges.iter().filter(|range| range.kind == RangeKind::Git).filter(own)
}

/// The commit that mends it.
pub(crate) fn mend<'r>(ranges: &'r [Range], repository: &str) -> Option<&'r str> {
    ranges_of(ranges, repository)
        .flat_map(|range| &range.events)
        .find_map(|event| if let Event::Fixed(id) = event { Some(id.as_str()) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// a ─ b ─ c ─ d
    ///      └─ e ─ f
    struct Drawn;

    impl History for Drawn {
        fn precedes(&self, ancestor: &str, commit: &str) -> Option<bool> {
            let behind = match commit {
                "a" => "a",
                "b" => "ab",
                "c" => "abc",
                "d" => "abcd",
                "e" => "abe",
                "f" => "abef",
                _ => return None,
            };
            Some(behind.contains(ancestor))
        }

        fn knows(&self, commit: &str) -> bool {
            "abcdef".contains(commit)
        }
    }

    fn holds(events: &[Event], commit: &str) -> Option<bool> {
        includes_one(events, commit, &Drawn)
    }

    #[test]
    fn commits_between_introduction_and_fix() {
        let (introduced, fixed) = (Event::Introduced("b".into()), Event::Fixed("d".into()));
        let events = [introduced, fixed];
        let all = ["a", "b", "c", "d", "e", "f"].map(|commit| holds(&events, commit));
        // The fix never came to the other branch.
        assert_eq!(all, [false, true, true, false, true, true].map(Some));
        assert_eq!(holds(&events, "elsewhere"), None);
        let from_start = [Event::Introduced("0".into()), Event::Fixed("c".into()), Event::Fixed("f".into())];
        assert_eq!(["a", "c", "e", "f"].map(|c| holds(&from_start, c)), [true, false, true, false].map(Some));
        let last = [Event::Introduced("0".into()), Event::LastAffected("c".into())];
        assert_eq!(["c", "d", "e"].map(|c| holds(&last, c)), [true, false, true].map(Some));
        let again = [
            Event::Introduced("a".into()),
            Event::Fixed("b".into()),
            Event::Introduced("c".into()),
            Event::Fixed("d".into()),
        ];
        assert_eq!(["a", "b", "c", "d", "f"].map(|c| holds(&again, c)), [true, false, true, false, false].map(Some));
        let limited = [Event::Introduced("0".into()), Event::Limit("d".into())];
        assert_eq!(["c", "d", "f"].map(|c| holds(&limited, c)), [true, false, false].map(Some));
    }

    #[test]
    fn without_history_only_the_commits_themselves() {
        let events = [Event::Introduced("b".into()), Event::Fixed("d".into())];
        let alone = |commit: &str| includes_one(&events, commit, &NoHistory);
        assert_eq!((alone("c"), alone("a")), (None, None));
        assert_eq!(alone("d"), Some(false));
    }
}
