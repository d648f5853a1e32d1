//! Two back ends that watched the same run: what both saw, and what only one did.

use std::collections::{BTreeMap, BTreeSet};

use provost_model::{Compared, Observation, ObservedFile, Use};

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
            let own = observation.processes.iter().filter(|process| process.delegated_by.is_none());
            for program in own.flat_map(|process| &process.programs) {
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
        self.parents(first, second);
    }

    /// Parents of processes whose number was used once.
    fn parents(&mut self, first: &Observation, second: &Observation) {
        fn parents(observation: &Observation) -> BTreeMap<u32, Option<u32>> {
            let mut parents = BTreeMap::new();
            let mut again = BTreeSet::new();
            for process in &observation.processes {
                let parent = process.parent.and_then(|id| observation.processes.get(id as usize)).map(|p| p.pid);
                if parents.insert(process.pid, parent).is_some() {
                    again.insert(process.pid);
                }
            }
            parents.retain(|pid, _| !again.contains(pid));
            parents
        }
        let other = parents(second);
        for (pid, one) in parents(first) {
            match (one, other.get(&pid)) {
                (_, None) => {}
                (one, Some(other)) if one == *other => self.same("parents", 1),
                (None, Some(_)) => self.explained("processes whose parent had ended before it could be asked", 1),
                (Some(one), Some(other)) => {
                    let [first, second] = self.names;
                    let other = other.map_or("nobody".to_owned(), |pid| pid.to_string());
                    self.differs(format!(
                        "process {pid}: made by {one} according to {first}, by {other} according to {second}"
                    ));
                }
            }
        }
    }

    fn files(&mut self, first: &Observation, second: &Observation) {
        fn by_name(observation: &Observation) -> BTreeMap<&str, &ObservedFile> {
            observation.files.iter().map(|file| (file.name.text.as_str(), file)).collect()
        }
        let (a, b) = (by_name(first), by_name(second));
        let daemons = second.processes.iter().any(|process| process.delegated_by.is_some());
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
                let has =
                    |side: &BTreeMap<&str, &ObservedFile>| side.get(path).is_some_and(|file| file.uses.contains(&kind));
                match (has(&a), has(&b)) {
                    (true, true) => self.same(word, 1),
                    (false, false) => {}
                    // Which process used a file after its first use is not kept: any of theirs may be a daemon's.
                    (false, true) if daemons => self.explained("files that a daemon's processes may have used", 1),
                    (only_first, _) => {
                        let other_side = if only_first { &b } else { &a };
                        self.file_differs(path, word, kind, only_first, other_side.get(path).copied());
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
        type Connection = (String, String, String, Option<u16>);
        let set = |observation: &Observation| -> BTreeSet<Connection> {
            let event = |event: &provost_model::NetworkEvent| {
                let kind = format!("{:?}", event.kind).to_lowercase();
                (kind, event.protocol.clone(), event.address.clone(), event.port)
            };
            observation.network.iter().map(event).collect()
        };
        // One has the caller's text, the other where the socket lies.
        let same_socket = |a: &Connection, b: &Connection| {
            let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
            a.1 == "unix" && (&a.0, &a.1) == (&b.0, &b.1) && last(&a.2) == last(&b.2)
        };
        let (a, b) = (set(first), set(second));
        self.same("connections", a.intersection(&b).count() as u64);
        let daemons = second.processes.iter().any(|process| process.delegated_by.is_some());
        let (mut only_a, mut only_b): (Vec<_>, Vec<_>) = (a.difference(&b).collect(), b.difference(&a).collect());
        only_a.retain(|one| {
            let Some(at) = only_b.iter().position(|other| same_socket(one, other)) else { return true };
            only_b.remove(at);
            self.explained("Unix sockets that one names by the caller's text and the other by their place", 1);
            false
        });
        if daemons && !only_b.is_empty() {
            self.explained("connections that a daemon's processes may have made", only_b.len() as u64);
            only_b.clear();
        }
        for (at, only) in [only_a, only_b].into_iter().enumerate() {
            for (kind, protocol, address, port) in only {
                let port = port.map_or(String::new(), |port| format!(":{port}"));
                let one = self.names[at];
                self.differs(format!("{kind} {protocol} {address}{port} according to {one} only"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_model::{BackEnd, FileName, NetworkEvent, NetworkKind, Permission, Timestamp};

    fn seen(back_end: BackEnd, uses: &[(&str, Use)], sockets: &[&str]) -> Observation {
        let at = Timestamp::from_seconds(0);
        let mut observation = Observation::none(Vec::new());
        observation.back_end = back_end;
        for (path, kind) in uses {
            observation.files.push(ObservedFile {
                name: FileName::from_bytes(path.as_bytes()),
                uses: vec![*kind],
                first_use: *kind,
                first_on: at,
                first_by: 0,
                written_by: Vec::new(),
                digests: Vec::new(),
                final_digest: None,
                size: 0,
                origin: None,
                problem: None,
            });
        }
        for address in sockets {
            observation.network.push(NetworkEvent {
                kind: NetworkKind::Connect,
                process: 0,
                at,
                protocol: "unix".into(),
                address: (*address).into(),
                port: None,
                name: None,
                asked_for: None,
                delegated_to: None,
                permission: Permission::Allowed,
                error: None,
                count: 1,
            });
        }
        observation
    }

    #[test]
    fn what_only_one_saw_is_told_or_explained() {
        let one = seen(BackEnd::Notify, &[("/a", Use::Read), ("/made", Use::Created), ("/b", Use::Deleted)], &["s"]);
        let other =
            seen(BackEnd::Ebpf, &[("/a", Use::Read), ("/made", Use::Written), ("/c", Use::Read)], &["/r/s", "/x"]);
        let compared = compare(&one, &other);
        assert_eq!(compared.same["read"], 1);
        assert_eq!(
            compared.differences,
            [
                "/b: deleted according to notify only",
                "/c: read according to ebpf only",
                "connect unix /x according to ebpf only"
            ]
        );
        assert_eq!((compared.different, compared.explained.values().sum::<u64>()), (3, 3));
    }
}
