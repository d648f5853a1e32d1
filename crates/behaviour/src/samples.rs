//! Small observations for the tests of the rules.

use provost_model::{
    BackEnd, Coverage, Execution, FileName, NetworkEvent, NetworkKind, Observation, ObservedFile, ObservedProcess,
    Permission, Timestamp, Use, sha256,
};

use crate::{Baseline, Context};

pub(crate) fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(milliseconds)
}

pub(crate) fn empty() -> Observation {
    let mut observation = Observation::none(Vec::new());
    observation.back_end = BackEnd::Notify;
    observation.coverage = Coverage::default();
    observation
}

/// Adds a process that runs a program with these arguments; its id.
pub(crate) fn process(observation: &mut Observation, parent: Option<u32>, path: &str, arguments: &[&str]) -> u32 {
    let id = observation.processes.len() as u32;
    observation.processes.push(ObservedProcess {
        id,
        pid: 100 + id,
        parent,
        programs: vec![Execution {
            path: FileName::from_bytes(path.as_bytes()),
            digest: Some(sha256(path.as_bytes())),
            script: None,
            script_digest: None,
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            arguments_cut: false,
            directory: FileName::from_bytes(b"/w"),
            at: at(0),
        }],
        started_on: at(0),
        finished_on: Some(at(100)),
        ending: None,
        delegated_by: None,
    });
    id
}

/// Adds a file with these uses, the first first.
pub(crate) fn file(observation: &mut Observation, path: &str, uses: &[Use], by: u32) {
    let mut sorted = uses.to_vec();
    sorted.sort_unstable();
    observation.files.push(ObservedFile {
        name: FileName::from_bytes(path.as_bytes()),
        uses: sorted,
        first_use: uses[0],
        first_on: at(0),
        first_by: by,
        written_by: vec![by],
        digests: vec![sha256(path.as_bytes())],
        final_digest: None,
        size: 1,
        origin: None,
        problem: None,
    });
}

pub(crate) fn connection(observation: &mut Observation, process: u32, name: &str) {
    observation.network.push(NetworkEvent {
        kind: NetworkKind::Connect,
        process,
        at: at(0),
        protocol: "tcp".into(),
        address: "198.18.0.1".into(),
        port: Some(443),
        name: Some(name.into()),
        asked_for: None,
        delegated_to: None,
        permission: Permission::Allowed,
        error: None,
        count: 1,
    });
}

pub(crate) fn context<'a>(observation: &'a Observation, baseline: Option<&'a Baseline>) -> Context<'a> {
    Context { observation, directory: "/w", tracked: None, has_lockfile: false, credentials: &[], baseline }
}
