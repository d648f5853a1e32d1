//! Two back ends that watched the same run: what both saw, and what only one did.

use std::collections::{BTreeMap, BTreeSet};

use provost_model::{Compared, NetworkKind, Observation, ObservedFile, Use};

/// Differences that are told one by one.
const TOLD: usize = 200;

struct Comparison {
    names: [&'static str; 2],
    out: Compared,
}

/// Compares them; `first` is the one that is recorded.
pub(crate) fn compare(first: &Observation, second: &Observation) -> Compared {
    let mut comparison = Comparison {
        names: [first.back_end.name(), second.back_end.name()],
        out: Compared {
            with: second.back_end,
            same: BTreeMap::new(),
            explained: BTreeMap::new(),
            differences: Vec::new(),
            different: 0,
            counters: second.coverage.counters.clone(),
        },
    };
    comparison.programs(first, second);
    comparison.processes(first, second);
    comparison.files(first, second);
    comparison.connections(first, second);
    comparison.out
}

impl Comparison {
    fn same(&mut self, kind: &str, count: u64) {
        *self.out.same.entry(kind.to_owned()).or_insert(0) += count;
    }

    fn explained(&mut self, why: &str, count: u64) {
        *self.out.explained.entry(why.to_owned()).or_insert(0) += count;
    }

    fn differs(&mut self, sentence: String) {
        self.out.different += 1;
        if self.out.differences.len() < TOLD {
            self.out.differences.push(sentence);
        }
    }

    fn programs(&mut self, first: &Observation, second: &Observation) {
        let count = |observation: &Observation| {
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            for program in observation.processes.iter().flat_map(|process| &process.programs) {
                *counts.entry(program.path.text.clone()).or_insert(0) += 1;
            }
            counts
        };
        let (a, b) = (count(first), count(second));
        for path in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
            let (x, y) = (a.get(path).copied().unwrap_or(0), b.get(path).copied().unwrap_or(0));
            self.same("programs", x.min(y));
            if x != y {
                let [one, other] = self.names;
                self.differs(format!("{path}: executed {x} times according to {one}, {y} times according to {other}"));
            }
        }
    }

    fn processes(&mut self, first: &Observation, second: &Observation) {
        let count = |observation: &Observation| {
            let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
            for process in observation.processes.iter().filter(|process| process.delegated_by.is_none()) {
                *counts.entry(process.pid).or_insert(0) += 1;
            }
            counts
        };
        let (a, b) = (count(first), count(second));
        for pid in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
            let (x, y) = (a.get(pid).copied().unwrap_or(0), b.get(pid).copied().unwrap_or(0));
            self.same("processes", x.min(y));
            if y > x {
                // A fork makes no call that waits for a supervisor.
                self.explained("processes that were killed before they made a call that is observed", y - x);
            } else if x > y {
                let [one, other] = self.names;
                self.differs(format!("process {pid}: seen by {one}, not by {other}"));
            }
        }
    }

    fn files(&mut self, first: &Observation, second: &Observation) {
        let by_name = |observation: &Observation| -> BTreeMap<String, ObservedFile> {
            observation.files.iter().map(|file| (file.name.text.clone(), file.clone())).collect()
        };
        let (a, b) = (by_name(first), by_name(second));
        let kinds = [
            ("read", Use::Read),
            ("executed", Use::Executed),
            ("written", Use::Written),
            ("created", Use::Created),
            ("renamed", Use::Renamed),
            ("deleted", Use::Deleted),
        ];
        for path in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
            for (word, kind) in kinds {
                let has = |side: &BTreeMap<String, ObservedFile>| {
                    side.get(path).is_some_and(|file| file.uses.contains(&kind))
                };
                match (has(&a), has(&b)) {
                    (true, true) => self.same(word, 1),
                    (false, false) => {}
                    (only_first, _) => {
                        let other_side = if only_first { &b } else { &a };
                        self.file_differs(path, word, kind, only_first, other_side.get(path));
                    }
                }
            }
        }
    }

    fn file_differs(&mut self, path: &str, word: &str, kind: Use, only_first: bool, other: Option<&ObservedFile>) {
        let uses = other.map(|file| file.uses.as_slice()).unwrap_or_default();
        // One looks whether the file was there before the call, the other has it from the kernel.
        let made = [Use::Written, Use::Created];
        if made.contains(&kind) && uses.iter().any(|other| made.contains(other)) {
            return self.explained(
                "a file that another process made in the same moment: made by one, written by the other",
                1,
            );
        }
        let one = self.names[usize::from(!only_first)];
        self.differs(format!("{path}: {word} according to {one} only"));
    }

    fn connections(&mut self, first: &Observation, second: &Observation) {
        let set = |observation: &Observation| -> BTreeSet<(String, String, String, Option<u16>)> {
            observation
                .network
                .iter()
                .filter(|event| event.kind != NetworkKind::Socket || event.protocol != "netlink")
                .map(|event| {
                    let kind = format!("{:?}", event.kind).to_lowercase();
                    (kind, event.protocol.clone(), event.address.clone(), event.port)
                })
                .collect()
        };
        let (a, b) = (set(first), set(second));
        self.same("connections", a.intersection(&b).count() as u64);
        for (at, only) in [a.difference(&b), b.difference(&a)].into_iter().enumerate() {
            for (kind, protocol, address, port) in only {
                let port = port.map_or(String::new(), |port| format!(":{port}"));
                let one = self.names[at];
                self.differs(format!("{kind} {protocol} {address}{port} according to {one} only"));
            }
        }
    }
}
