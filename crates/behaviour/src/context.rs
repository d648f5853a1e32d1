//! What the rules look at.

use std::collections::BTreeSet;

use provost_model::{Execution, Observation, ObservedProcess};

use crate::Baseline;

/// One run, and what is known around it.
pub struct Context<'a> {
    /// What was seen.
    pub observation: &'a Observation,
    /// The working tree, as an absolute path.
    pub directory: &'a str,
    /// Files under version control, relative to the tree; `None` where there is no version control.
    pub tracked: Option<&'a BTreeSet<String>>,
    /// True when the tree has a lockfile: package caches are explained by it.
    pub has_lockfile: bool,
    /// Files and directories that hold credentials, as absolute paths.
    pub credentials: &'a [String],
    /// The last passing run; `None` for the first.
    pub baseline: Option<&'a Baseline>,
}

impl Context<'_> {
    /// A path relative to the tree, when it lies in it.
    pub(crate) fn in_tree<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.directory)?.strip_prefix('/')
    }

    /// The process and its ancestors, nearest first.
    pub(crate) fn ancestors(&self, process: &ObservedProcess) -> Vec<&ObservedProcess> {
        let mut found = Vec::new();
        let mut at = process.parent;
        while let Some(id) = at {
            let Some(parent) = self.observation.processes.get(id as usize) else { break };
            // Parents come before their children: anything else is damage, and would not end.
            if found.len() >= 256 {
                break;
            }
            found.push(parent);
            at = parent.parent.filter(|next| *next < id);
        }
        found
    }

    /// The program that a process runs, its parent's where it executed none.
    pub(crate) fn program<'s>(&'s self, process: &'s ObservedProcess) -> Option<&'s Execution> {
        process.programs.last().or_else(|| self.ancestors(process).into_iter().find_map(|p| p.programs.last()))
    }
}

/// The last part of a path.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The name without a version at its end: `python3.11` is `python`, `gcc-12` is `gcc`.
pub(crate) fn plain_name(path: &str) -> &str {
    let name = name_of(path);
    let name =
        name.strip_prefix("x86_64-linux-gnu-").or_else(|| name.strip_prefix("aarch64-linux-gnu-")).unwrap_or(name);
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').trim_end_matches('-')
}

/// True for shells.
pub(crate) fn is_shell(path: &str) -> bool {
    matches!(plain_name(path), "sh" | "bash" | "dash" | "zsh" | "ksh" | "busybox" | "ash" | "fish")
}
