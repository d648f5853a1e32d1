//! What was seen of a run, out of its verified process statement: the whole of it from the blob that the statement
//! names by digest, or what the statement holds itself.

use std::collections::BTreeMap;

use provost_attest::ResourceDescriptor;
use provost_attest::predicate::{Process, ProcessEvent};
use provost_evidence::Store;
use provost_model::{
    BackEnd, Coverage, Digest, Execution, FileName, NameQuestion, NetworkEvent, Observation, ObservedFile,
    ObservedProcess, Use,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An observation as far as it could be had.
pub(crate) struct Recovered {
    pub(crate) observation: Observation,
    /// Why this is not all of it.
    pub(crate) missing: Option<String>,
}

/// Recovers the observation behind a process statement.
pub(crate) fn recover(process: &Process, store: &Store) -> Recovered {
    let Some(descriptor) = &process.observation else {
        return Recovered { observation: inline(process), missing: None };
    };
    match whole(descriptor, store) {
        Ok(observation) => Recovered { observation, missing: None },
        Err(why) => Recovered {
            observation: inline(process),
            missing: Some(format!(
                "The whole observation could not be read ({why}). Below are only the first processes, files and \
                 connections, which the statement holds itself."
            )),
        },
    }
}

fn whole(descriptor: &ResourceDescriptor, store: &Store) -> Result<Observation, String> {
    let digest: Digest = descriptor
        .digest
        .get("sha256")
        .and_then(|hex| hex.parse().ok())
        .ok_or("the statement names it without a SHA-256 digest")?;
    // The store compares the content with the digest, which is signed.
    let blob = store.blob(&digest).map_err(|error| error.to_string())?.ok_or("it is not in this store")?;
    serde_json::from_slice(&blob).map_err(|error| format!("it is not what this version can read: {error}"))
}

fn inline(process: &Process) -> Observation {
    let completeness = &process.completeness;
    let back_end = value(Value::String(completeness.back_end.clone())).unwrap_or(BackEnd::None);
    let log = &process.monitor_log;
    let (names, network) = log.network.iter().cloned().partition::<Vec<Value>, _>(|event| event["kind"] == "name");
    Observation {
        back_end,
        processes: if back_end == BackEnd::None {
            Vec::new()
        } else {
            log.process.iter().enumerate().map(|(at, event)| seen_process(at, event)).collect()
        },
        files: log.file_access.iter().filter_map(seen_file).collect(),
        network: network.into_iter().filter_map(value::<NetworkEvent>).collect(),
        names: names.into_iter().filter_map(value::<NameQuestion>).collect(),
        violations: process.guard.violations.clone(),
        coverage: Coverage {
            not_used: completeness.not_used.clone(),
            observed: completeness.calls_observed.clone(),
            refused: completeness.calls_refused.clone(),
            not_seen: completeness.not_seen.clone(),
            delegated: completeness.delegated.clone(),
            layers: process.guard.layers.clone(),
            counters: completeness.counters.clone(),
            events_lost: completeness.events_lost.unwrap_or(0),
            incomplete: completeness.incomplete.clone(),
            compared: completeness.compared.clone(),
        },
    }
}

fn value<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

fn seen_process(at: usize, event: &ProcessEvent) -> ObservedProcess {
    let mut programs = event.programs.clone();
    if programs.is_empty()
        && let Some(program) = &event.program
    {
        programs.push(Execution {
            path: FileName { text: program.name.clone().unwrap_or_default(), percent_encoded: false },
            digest: digest_of(&program.digest),
            script: None,
            script_digest: None,
            arguments: event.arguments.clone(),
            arguments_cut: false,
            directory: FileName { text: event.working_directory.clone(), percent_encoded: false },
            at: event.started_on,
        });
    }
    ObservedProcess {
        id: event.id.unwrap_or(u32::try_from(at).unwrap_or(u32::MAX)),
        pid: event.pid,
        parent: event.parent,
        programs,
        started_on: event.started_on,
        finished_on: Some(event.finished_on),
        ending: event.ending,
        delegated_by: None,
    }
}

fn digest_of(set: &BTreeMap<String, String>) -> Option<Digest> {
    set.get("sha256").and_then(|hex| hex.parse().ok())
}

fn seen_file(descriptor: &ResourceDescriptor) -> Option<ObservedFile> {
    let note = |name: &str| descriptor.annotations.get(name).cloned();
    let uses: Vec<Use> = note("uses").and_then(value)?;
    let final_digest = note("digestAtEnd").and_then(value);
    let stated: Vec<Digest> = digest_of(&descriptor.digest).into_iter().collect();
    Some(ObservedFile {
        name: FileName {
            text: descriptor.name.clone()?,
            percent_encoded: note("percentEncoded").and_then(value).unwrap_or(false),
        },
        // Statements of before `firstUse` was in them: the weakest, as if nothing had been written first.
        first_use: note("firstUse").and_then(value).or_else(|| uses.iter().copied().min())?,
        uses,
        first_on: note("firstOn").and_then(value)?,
        first_by: note("firstBy").and_then(value)?,
        written_by: note("writtenBy").and_then(value).unwrap_or_default(),
        digests: note("digestsAtUse").and_then(value).unwrap_or_else(|| {
            // A file that was only written has one digest, that at its end.
            stated.into_iter().filter(|digest| Some(*digest) != final_digest).collect()
        }),
        final_digest,
        size: note("size").and_then(value).unwrap_or(0),
        origin: note("origin").and_then(value),
        problem: note("problem").and_then(value),
    })
}
