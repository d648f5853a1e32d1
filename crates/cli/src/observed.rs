//! From what was observed to what is stated: groups, redaction, and the parts of the process attestation.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use provost_attest::ResourceDescriptor;
use provost_attest::predicate::{Completeness, Guarding, MonitorLog, ProcessEvent};
use provost_model::{
    BackEnd, FileEntry, FileKind, FileName, FileSet, Finding, NetworkEvent, Observation, ObservedFile, Origin,
    Timestamp, Use,
};

use crate::redact::Redaction;

/// Processes, files and network events, of each, that a statement holds itself. Beyond that the whole observation is
/// in a blob, and the statement holds the first few.
const INLINE: usize = 500;
const FIRST_FEW: usize = 50;
/// Violations that a statement holds itself.
const INLINE_VIOLATIONS: usize = 500;

/// Says of each file where it comes from.
pub fn place(observation: &mut Observation, directory: &Path) {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let caches = caches(&home);
    let temporary = std::env::temp_dir();
    for file in &mut observation.files {
        let Some(bytes) = file.name.to_bytes() else { continue };
        let path = Path::new(OsStr::from_bytes(&bytes));
        file.origin = Some(origin(path, file, directory, &caches, &temporary));
    }
}

fn caches(home: &Path) -> Vec<PathBuf> {
    let variables =
        ["CARGO_HOME", "RUSTUP_HOME", "GOMODCACHE", "GOPATH", "npm_config_cache", "PIP_CACHE_DIR", "M2_HOME"];
    let mut caches: Vec<PathBuf> = variables.iter().filter_map(std::env::var_os).map(PathBuf::from).collect();
    let usual =
        [".cargo", ".rustup", "go/pkg/mod", ".npm", ".cache", ".m2", ".gradle", ".nuget", ".pyenv", ".local/lib"];
    caches.extend(usual.iter().map(|name| home.join(name)));
    caches.retain(|path| path.is_absolute());
    caches
}

fn origin(path: &Path, file: &ObservedFile, directory: &Path, caches: &[PathBuf], temporary: &Path) -> Origin {
    let below = |list: &[&str]| list.iter().any(|start| path.starts_with(start));
    let made = file.first_use >= Use::Written;
    if below(&["/proc", "/sys", "/dev"]) {
        Origin::Kernel
    } else if path.starts_with(directory) {
        if made { Origin::Built } else { Origin::Repository }
    } else if caches.iter().any(|cache| path.starts_with(cache)) {
        Origin::PackageCache
    } else if path.starts_with(temporary) || below(&["/tmp", "/var/tmp"]) {
        Origin::Temporary
    } else if !below(&["/usr/local"])
        && below(&["/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc", "/nix/store", "/var/lib/dpkg"])
    {
        Origin::Distribution
    } else {
        Origin::Other
    }
}

/// Takes secrets out of command lines, before anything is kept or shown.
pub fn redact(observation: &mut Observation) {
    let redaction = Redaction::of_environment();
    for process in &mut observation.processes {
        for program in &mut process.programs {
            program.arguments = redaction.command_line(&program.arguments);
        }
    }
}

/// What the command read or executed, by absolute path.
pub fn inputs(observation: &Observation) -> FileSet {
    let entries = observation
        .files
        .iter()
        .filter(|file| file.is_input() && file.origin != Some(Origin::Kernel))
        .map(|file| FileEntry {
            name: file.name.clone(),
            kind: if file.digests.is_empty() && file.problem.is_none() { FileKind::Device } else { FileKind::File },
            size: file.size,
            digest: file.digests.first().copied(),
            executable: file.uses.contains(&Use::Executed),
            target: None,
            problem: match (&file.problem, file.digests.len()) {
                (Some(problem), _) => Some(problem.clone()),
                (None, 0 | 1) => None,
                (None, more) => Some(format!("its content changed between uses: {more} contents")),
            },
        })
        .collect();
    FileSet { entries, not_listed: Vec::new() }
}

/// How many inputs come from where.
pub fn origins(observation: &Observation) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for file in observation.files.iter().filter(|file| file.is_input()) {
        if let Some(origin) = file.origin {
            *counts.entry(origin_name(origin).to_owned()).or_insert(0) += 1;
        }
    }
    counts
}

/// The name of a group, as in evidence.
pub fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Repository => "repository",
        Origin::PackageCache => "package-cache",
        Origin::Distribution => "distribution",
        Origin::Built => "built",
        Origin::Temporary => "temporary",
        Origin::Kernel => "kernel",
        Origin::Other => "other",
    }
}

/// The monitor's log, and whether all of the observation is in it. The command's own event comes first.
pub fn monitor_log(observation: &Observation, command: ProcessEvent, finished: Timestamp) -> (MonitorLog, bool) {
    let whole = observation.processes.len() <= INLINE
        && observation.files.len() <= INLINE
        && observation.network.len() <= INLINE
        && observation.names.len() <= INLINE
        && observation.violations.len() <= INLINE_VIOLATIONS;
    let shown = if whole { INLINE } else { FIRST_FEW };
    let mut process = vec![command];
    for (at, seen) in observation.processes.iter().enumerate() {
        if at == 0 {
            if let Some(command) = process.first_mut() {
                command.id = Some(seen.id);
                command.programs.clone_from(&seen.programs);
            }
            continue;
        }
        if at >= shown {
            break;
        }
        let last = seen.programs.last();
        process.push(ProcessEvent {
            pid: seen.pid,
            program: last.map(|program| {
                let mut descriptor =
                    ResourceDescriptor { name: Some(program.path.text.clone()), ..ResourceDescriptor::default() };
                descriptor.uri = Some(format!("file://{}", program.path.text));
                if let Some(digest) = program.digest {
                    descriptor.digest = digest.to_set();
                }
                descriptor
            }),
            arguments: last.map(|program| program.arguments.clone()).unwrap_or_default(),
            working_directory: last.map(|program| program.directory.text.clone()).unwrap_or_default(),
            environment: BTreeMap::new(),
            started_on: seen.started_on,
            finished_on: seen.finished_on.unwrap_or(finished),
            ending: seen.ending,
            id: Some(seen.id),
            parent: seen.parent,
            // One plain program is told whole by the event's own members.
            programs: match seen.programs.as_slice() {
                [] => Vec::new(),
                [one] if one.script.is_none() && !one.arguments_cut => Vec::new(),
                all => all.to_vec(),
            },
        });
    }
    let mut network: Vec<serde_json::Value> =
        observation.network.iter().take(shown).filter_map(|event| network_entry(observation, event)).collect();
    network.extend(observation.names.iter().take(shown).filter_map(|question| {
        let mut value = serde_json::to_value(question).ok()?;
        value.as_object_mut()?.insert("kind".into(), "name".into());
        Some(value)
    }));
    let file_access = observation.files.iter().take(shown).map(access).collect();
    (MonitorLog { process, network, file_access }, whole)
}

/// A network event with the members that runtime-trace v0.2 recommends, beside our own.
fn network_entry(observation: &Observation, event: &NetworkEvent) -> Option<serde_json::Value> {
    let mut value = serde_json::to_value(event).ok()?;
    let entry = value.as_object_mut()?;
    if event.address.parse::<std::net::IpAddr>().is_ok() {
        entry.insert("ip".into(), event.address.clone().into());
    }
    if let Some(name) = &event.name {
        entry.insert("hostname".into(), name.clone().into());
    }
    if let Some(process) = observation.processes.get(event.process as usize) {
        let program = process.programs.last().map(|program| program.path.text.clone());
        let who = serde_json::json!({"pid": process.pid, "id": process.id, "program": program});
        entry.insert("invokingProcess".into(), who);
    }
    Some(value)
}

/// A path as a URI (RFC 8089): what is not plain is percent-encoded.
fn file_uri(name: &FileName) -> String {
    let bytes = name.to_bytes().unwrap_or_else(|| name.text.clone().into_bytes());
    let mut uri = "file://".to_owned();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"/._-+~@:,=".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri += &format!("%{byte:02X}");
        }
    }
    uri
}

fn access(file: &ObservedFile) -> ResourceDescriptor {
    let mut descriptor = ResourceDescriptor { name: Some(file.name.text.clone()), ..ResourceDescriptor::default() };
    match file.digests.first().or(file.final_digest.as_ref()) {
        Some(digest) => descriptor.digest = digest.to_set(),
        // A descriptor needs more than a name.
        None => descriptor.uri = Some(file_uri(&file.name)),
    }
    let notes = &mut descriptor.annotations;
    if file.name.percent_encoded {
        notes.insert("percentEncoded".into(), true.into());
    }
    let mut note = |name: &str, value: serde_json::Value| {
        notes.insert(name.to_owned(), value);
    };
    note("uses", serde_json::to_value(&file.uses).unwrap_or_default());
    note("firstUse", serde_json::to_value(file.first_use).unwrap_or_default());
    note("firstBy", file.first_by.into());
    note("firstOn", file.first_on.to_string().into());
    note("size", file.size.into());
    if let Some(origin) = file.origin {
        note("origin", origin_name(origin).into());
    }
    if !file.written_by.is_empty() {
        note("writtenBy", file.written_by.clone().into());
    }
    if file.digests.len() > 1 {
        note("digestsAtUse", serde_json::to_value(&file.digests).unwrap_or_default());
    }
    if let Some(digest) = file.final_digest {
        note("digestAtEnd", digest.to_hex().into());
    }
    if let Some(problem) = &file.problem {
        note("problem", problem.clone().into());
    }
    descriptor
}

/// What the log covers.
pub fn completeness(observation: &Observation, left_running: u32) -> Completeness {
    let seen = &observation.coverage;
    let watched = observation.back_end != BackEnd::None;
    Completeness {
        complete: observation.is_complete(),
        events_lost: watched.then_some(seen.events_lost),
        left_running,
        not_seen: if watched {
            seen.not_seen.clone()
        } else {
            provost_trace::NOT_SEEN.iter().map(|s| (*s).to_owned()).collect()
        },
        back_end: observation.back_end.name().into(),
        not_used: seen.not_used.clone(),
        calls_observed: seen.observed.clone(),
        calls_refused: seen.refused.clone(),
        delegated: seen.delegated.clone(),
        incomplete: seen.incomplete.clone(),
        counters: seen.counters.clone(),
        compared: seen.compared.clone(),
    }
}

/// What the run was held to.
pub fn guarding(observation: &Observation, mode: &str, findings: &[Finding]) -> Guarding {
    Guarding {
        mode: if observation.back_end == BackEnd::None { String::new() } else { mode.to_owned() },
        layers: observation.coverage.layers.clone(),
        violations: observation.violations.iter().take(INLINE_VIOLATIONS).cloned().collect(),
        violation_count: observation.violations.len(),
        findings: findings.iter().take(INLINE_VIOLATIONS).cloned().collect(),
    }
}
