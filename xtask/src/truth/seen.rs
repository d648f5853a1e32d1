//! What one of the two witnesses saw of one run, in the form in which they are compared.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::{is_by_the_clock, normal};

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Files opened for reading.
    Read,
    /// Files opened for writing, cut, made, linked, or the new name of a renaming.
    Written,
    /// Old names.
    Renamed,
    /// Removed names.
    Deleted,
    /// Files whose mode or owner was set.
    Changed,
    /// Directories that were opened.
    Listed,
    /// Files that executions used.
    Executed,
    /// Interpreter and script.
    Interpreter,
    /// What a process first executed, and what its parent did.
    Family,
    /// Connections, datagrams, and taken addresses.
    Network,
    /// What lay in the tree in the end.
    Left,
    /// Files whose digest in the record is not that of their content.
    WrongDigest,
}

impl Kind {
    /// All, in the order in which they are shown.
    pub(crate) const ALL: [Self; 12] = [
        Self::Read,
        Self::Written,
        Self::Renamed,
        Self::Deleted,
        Self::Changed,
        Self::Listed,
        Self::Executed,
        Self::Interpreter,
        Self::Family,
        Self::Network,
        Self::Left,
        Self::WrongDigest,
    ];

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Written => "written",
            Self::Renamed => "renamed",
            Self::Deleted => "deleted",
            Self::Changed => "mode or owner changed",
            Self::Listed => "directories opened",
            Self::Executed => "files executed",
            Self::Interpreter => "scripts",
            Self::Family => "parents and children",
            Self::Network => "network",
            Self::Left => "left behind",
            Self::WrongDigest => "wrong digests",
        }
    }
}

/// What was seen of one run.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Normal names by kind, and the names behind each.
    sets: BTreeMap<Kind, BTreeMap<String, BTreeSet<String>>>,
    /// Programs by the name of the file that was named, and how often.
    pub(crate) executions: BTreeMap<String, u64>,
    /// Processes, threads not counted.
    pub(crate) processes: u64,
    /// Rules that were used, and how often.
    pub(crate) rules: BTreeMap<&'static str, u64>,
    /// What the witness says about itself.
    pub(crate) notes: Vec<String>,
}

impl Seen {
    pub(crate) fn add(&mut self, kind: Kind, name: &str) {
        if is_by_the_clock(name) {
            return self.rule("cache-times");
        }
        let (normal, used) = normal(name);
        for pattern in used {
            self.rule(pattern);
        }
        self.sets.entry(kind).or_default().entry(normal).or_default().insert(name.to_owned());
    }

    pub(crate) fn execution(&mut self, path: &str) {
        *self.executions.entry(normal(path).0).or_default() += 1;
    }

    /// One process: what it first executed, and what its parent did. A copy of its parent executed nothing.
    pub(crate) fn child(&mut self, number: u64, program: Option<&str>, parent: Option<Option<&str>>) {
        let name = |program: Option<&str>| program.map_or("(a copy)".to_owned(), |program| normal(program).0);
        let parent = parent.map_or("(nobody)".to_owned(), name);
        let family = format!("{} < {parent}", name(program));
        self.sets.entry(Kind::Family).or_default().entry(family).or_default().insert(number.to_string());
    }

    pub(crate) fn rule(&mut self, name: &'static str) {
        *self.rules.entry(name).or_default() += 1;
    }

    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    pub(crate) fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.sets.get(&kind).into_iter().flat_map(|names| names.keys()).map(String::as_str)
    }

    /// True while a name was not seen in this way.
    pub(crate) fn is_new(&self, kind: Kind, name: &str) -> bool {
        let (normal, _) = normal(name);
        !self.sets.get(&kind).and_then(|names| names.get(&normal)).is_some_and(|names| names.contains(name))
    }

    /// How many different names stand behind a normal one.
    pub(crate) fn behind(&self, kind: Kind, normal: &str) -> u64 {
        self.sets.get(&kind).and_then(|names| names.get(normal)).map_or(0, |names| names.len() as u64)
    }

    /// Everything that is compared, as numbers by name.
    pub(crate) fn facts(&self) -> BTreeMap<String, u64> {
        let mut facts = BTreeMap::new();
        for kind in Kind::ALL {
            for name in self.names(kind) {
                facts.insert(format!("{}: {name}", kind.name()), self.behind(kind, name));
            }
        }
        for (program, count) in &self.executions {
            facts.insert(format!("times executed: {program}"), *count);
        }
        facts.insert("processes".into(), self.processes);
        facts
    }
}

/// The interpreter that the first line of a script names.
pub(crate) fn first_line(head: &[u8]) -> Option<String> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let text = String::from_utf8_lossy(line);
    text.split([' ', '\t']).find(|word| !word.is_empty()).map(str::to_owned)
}
