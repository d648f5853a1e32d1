//! Which refs of a repository are shown to whom, in the words of git's `hideRefs`.

use anyhow::Result;
use provost_policy::{Operation, Person, Policy};
use provost_repo::View;

use super::serve::{Limits, Service};
use crate::gate::server::{Server, is_own};

/// Which refs are shown.
pub(super) struct Sees {
    /// All that there are, and all that there may be.
    pub(super) all: bool,
    /// How many.
    pub(super) shown: usize,
    /// Of how many.
    pub(super) refs: usize,
    /// Values of `hideRefs`.
    pub(super) hide: Vec<String>,
}

/// Which refs somebody sees.
///
/// # Errors
/// They cannot be read.
pub(super) fn sees(server: &Server, policy: &Policy, person: Option<&Person>, service: Service) -> Result<Sees> {
    let access = &policy.access;
    let view = View::open(&server.git_dir)?;
    let refs = view.refs()?;
    let may = |operation, name: &str| access.permits(person, operation, name);
    let read = |name: &str| may(Operation::Read, name);
    let readable = refs.iter().filter(|(name, _)| read(name)).count();
    // Refs that are made while somebody fetches count too: all are only seen by whom a rule lets read everything.
    let every = access.access.iter().any(|rule| {
        rule.may.contains(&Operation::Read)
            && rule.refs.is_everything()
            && rule.who.iter().any(|who| *who == provost_policy::Who::Public || person.is_some_and(|p| p.is(who)))
    });
    if every && readable == refs.len() {
        return Ok(Sees { all: true, shown: readable, refs: refs.len(), hide: Vec::new() });
    }
    let mut hide = Vec::new();
    if service == Service::ReceivePack {
        // What is not named is not hidden here, since git refuses to make a ref that is hidden. Where a person leaves
        // approvals and policies for the server they are not hidden either.
        use Operation::{Create, Delete, Force, Update};
        let writes = |name: &str| [Create, Update, Force, Delete].into_iter().any(|operation| may(operation, name));
        let shown = |name: &str| read(name) || writes(name) || (is_own(name) && person.is_some());
        let names: Vec<(&str, bool)> = refs.iter().map(|(name, _)| (name.as_str(), shown(name))).collect();
        let shown = names.iter().filter(|(_, shown)| *shown).count();
        hide_names(&names, true, &mut hide);
        return Ok(Sees { all: false, shown, refs: refs.len(), hide });
    }
    hide.push("refs".into());
    // `HEAD` is none of the refs, and would tell the commit of a hidden branch.
    let head = view.head()?.is_some_and(|target| read(&target));
    hide.push(if head { "!HEAD".into() } else { "HEAD".into() });
    let names: Vec<(&str, bool)> = refs.iter().map(|(name, _)| (name.as_str(), read(name))).collect();
    hide_names(&names, false, &mut hide);
    Ok(Sees { all: false, shown: readable, refs: refs.len(), hide })
}

/// Names to git what differs from what is so anyway: each ref by its own name, or, where there are many, whole folders.
/// `names` are sorted.
fn hide_names(names: &[(&str, bool)], shown_anyway: bool, out: &mut Vec<String>) {
    let one = |name: &str, shown: bool| if shown { format!("!{name}") } else { name.to_owned() };
    let different = names.iter().filter(|(_, shown)| *shown != shown_anyway);
    if different.clone().count() <= Limits::NAMED_REFS {
        out.extend(different.map(|(name, shown)| one(name, *shown)));
        return;
    }
    fold(names, 0, shown_anyway, out);
}

/// `at` bytes of the names are the same for all of them: a folder, with its slash.
fn fold(names: &[(&str, bool)], at: usize, anyway: bool, out: &mut Vec<String>) {
    let mut rest = names;
    while let Some((first, shown)) = rest.first() {
        let tail = first.get(at..).unwrap_or_default();
        let folder = tail.find('/').map(|slash| &first[..at + slash + 1]);
        let length = folder.map_or(1, |folder| rest.iter().take_while(|(name, _)| name.starts_with(folder)).count());
        let (group, others) = rest.split_at(length.max(1));
        rest = others;
        let same = group.iter().all(|(_, other)| other == shown);
        match folder {
            Some(folder) if !same => fold(group, folder.len(), anyway, out),
            _ if *shown == anyway => {}
            Some(folder) => {
                let folder = folder.trim_end_matches('/');
                out.push(if *shown { format!("!{folder}") } else { folder.to_owned() });
            }
            None => out.push(if *shown { format!("!{first}") } else { (*first).to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(names: &[(&str, bool)], anyway: bool) -> Vec<String> {
        let mut out = Vec::new();
        fold(names, 0, anyway, &mut out);
        out
    }

    #[test]
    fn folders_of_refs_are_named_where_all_in_them_are_the_same() {
        let names = [
            ("refs/heads/a", true),
            ("refs/heads/secret/x", false),
            ("refs/heads/secret/y", false),
            ("refs/heads/secretly", true),
            ("refs/tags/v1", true),
            ("refs/tags/v2", true),
        ];
        assert_eq!(hidden(&names, false), ["!refs/heads/a", "!refs/heads/secretly", "!refs/tags"]);
        assert_eq!(hidden(&names, true), ["refs/heads/secret"]);
        assert_eq!(hidden(&[("refs/heads/a", true)], false), ["!refs"]);
        assert!(hidden(&[], false).is_empty());
    }

    #[test]
    fn a_few_refs_are_named_each() {
        let mut out = Vec::new();
        hide_names(&[("refs/heads/a", true), ("refs/heads/b", true), ("refs/x", false)], false, &mut out);
        assert_eq!(out, ["!refs/heads/a", "!refs/heads/b"]);
    }
}
