//! Reads what provost wrote with `--observation`.

use std::path::Path;

use anyhow::{Context as _, Result};
use provost_model::{NetworkKind, Observation, ObservedFile, Use, sha256};

use super::seen::{Kind, Seen};

/// Reads an observation. Call it while the tree is still there.
///
/// # Errors
/// It is no observation.
pub(crate) fn read(text: &[u8]) -> Result<Seen> {
    let observation: Observation = serde_json::from_slice(text)?;
    let mut seen = Seen::default();
    seen.processes = observation.processes.len() as u64;
    for file in &observation.files {
        let bytes = file.name.to_bytes().context("a file's name")?;
        let name = String::from_utf8_lossy(&bytes);
        let name = in_memory(&mut seen, &name);
        for used in &file.uses {
            let kind = match used {
                Use::Listed => Kind::Listed,
                Use::Read => Kind::Read,
                // strace sees no loader: unless it was executed by name, there is nothing to compare with.
                Use::Executed if is_loader(name) && !is_executed(&observation, name) => {
                    seen.rule("loader");
                    continue;
                }
                Use::Executed => Kind::Executed,
                Use::Changed => Kind::Changed,
                Use::Written | Use::Created => Kind::Written,
                Use::Renamed => Kind::Renamed,
                Use::Deleted => Kind::Deleted,
            };
            seen.add(kind, name);
        }
        if has_wrong_digest(file, name) {
            seen.add(Kind::WrongDigest, name);
        }
        if let Some(problem) = &file.problem {
            seen.note(format!("problem: {name}: {problem}"));
        }
    }
    for program in observation.processes.iter().flat_map(|process| &process.programs) {
        let named = &program.script.as_ref().unwrap_or(&program.path).text;
        let named = in_memory(&mut seen, named);
        seen.execution(named);
        if program.script.is_some() {
            if Path::new(named).exists() {
                seen.add(Kind::Interpreter, &format!("{} < {named}", program.path.text));
            } else {
                seen.rule("program-gone");
            }
        }
    }
    let first = |id: u32| observation.processes.get(id as usize).and_then(|process| process.programs.first());
    let named = |id: u32| {
        first(id).map(|program| program.script.as_ref().unwrap_or(&program.path).text.trim_end_matches(" (deleted)"))
    };
    for process in &observation.processes {
        seen.child(u64::from(process.id), named(process.id), process.parent.map(named));
    }
    for event in &observation.network {
        let what = match event.kind {
            NetworkKind::Connect => "connect",
            NetworkKind::Datagram => "datagram",
            NetworkKind::Bind => "bind",
            NetworkKind::Listen | NetworkKind::Socket => continue,
        };
        let place = match event.port {
            Some(port) => format!("internet {} port {port}", event.address),
            None if event.protocol == "unix" => format!("unix {}", event.address),
            None => continue,
        };
        seen.add(Kind::Network, &format!("{what} {place}"));
    }
    let coverage = &observation.coverage;
    for name in ["continued", "unreadable", "parentUnknown", "refused"] {
        match coverage.counters.get(name) {
            None | Some(0) => {}
            Some(count) => seen.note(format!("counter {name}: {count}")),
        }
    }
    if coverage.events_lost > 0 {
        seen.note(format!("events lost: {}", coverage.events_lost));
    }
    for violation in &observation.violations {
        seen.note(format!("violation {}: {} ({:?})", violation.kind, violation.what, violation.permission));
    }
    seen.notes.extend(coverage.incomplete.iter().map(|why| format!("incomplete: {why}")));
    seen.notes.extend(coverage.delegated.iter().map(|to| format!("delegated to {to}")));
    let orphans = observation.processes.iter().skip(1).filter(|process| process.parent.is_none()).count();
    if orphans > 0 {
        seen.note(format!("{orphans} processes without a parent"));
    }
    Ok(seen)
}

/// True when the file has another content than the record says: what the run wrote at its end, what it only read at all.
fn has_wrong_digest(file: &ObservedFile, name: &str) -> bool {
    let only_used = file.uses.iter().all(|used| matches!(used, Use::Read | Use::Executed | Use::Changed));
    let recorded = match file.final_digest {
        Some(digest) => vec![digest],
        None if only_used => file.digests.clone(),
        None => return false,
    };
    let is_regular = std::fs::symlink_metadata(name).is_ok_and(|data| data.is_file());
    let made_up = ["/proc/", "/sys/"].iter().any(|start| name.starts_with(start));
    is_regular && !made_up && std::fs::read(name).is_ok_and(|content| recorded != [sha256(&content)])
}

/// The name of a program in memory as strace writes it.
fn in_memory<'a>(seen: &mut Seen, name: &'a str) -> &'a str {
    match name.strip_suffix(" (deleted)") {
        Some(short) if name.starts_with("/memfd:") => {
            seen.rule("memory");
            short
        }
        _ => name,
    }
}

fn is_loader(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with("ld-"))
}

fn is_executed(observation: &Observation, path: &str) -> bool {
    observation.processes.iter().flat_map(|process| &process.programs).any(|program| program.path.text == path)
}
