//! Whoever watches the run: the notifier, the eBPF programs, or both.

use std::sync::{Arc, Mutex, PoisonError};

use provost_model::Observation;

use super::ebpf::Watch;
use super::notify::Notifier;
use super::{Live, Remembered};

/// Differences between two back ends that are told as reasons why the observation is incomplete.
const TOLD: usize = 20;

/// Whoever watches the run.
pub(crate) struct Eyes {
    pub(crate) notifier: Option<Arc<Mutex<Notifier>>>,
    pub(crate) programs: Option<Watch>,
}

impl Eyes {
    fn notifier(&self) -> Option<std::sync::MutexGuard<'_, Notifier>> {
        self.notifier.as_ref().map(|notifier| notifier.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Processes that have ended, by their descriptors. (The programs tell it themselves.)
    pub(crate) fn note_ends(&self) {
        if let Some(mut notifier) = self.notifier() {
            notifier.note_ends();
        }
    }

    /// Processes of the run that are still there.
    pub(crate) fn living(&self) -> Vec<i32> {
        match (self.notifier(), &self.programs) {
            (Some(notifier), _) => notifier.tracked.keys().copied().collect(),
            (None, Some(programs)) => programs.living(),
            (None, None) => Vec::new(),
        }
    }

    /// Ends what is still there of the run.
    pub(crate) fn end_all_but(&self, command: i32) {
        match (self.notifier(), &self.programs) {
            (Some(notifier), _) => notifier.end_all_but(command),
            (None, Some(programs)) => {
                for pid in programs.living().into_iter().filter(|pid| *pid != command) {
                    crate::run::end_descendant(nix::unistd::Pid::from_raw(pid));
                }
            }
            (None, None) => {}
        }
    }

    /// Too many processes at once.
    pub(crate) fn flooded(&self, count: usize) {
        match (self.notifier(), &self.programs) {
            (Some(mut notifier), _) => notifier.flooded(count),
            (None, Some(programs)) => programs.flooded(count),
            (None, None) => {}
        }
    }

    pub(crate) fn live(&self) -> Live {
        match (self.notifier(), &self.programs) {
            (Some(notifier), _) => notifier.record.live(),
            (None, Some(programs)) => programs.live(),
            (None, None) => Live::default(),
        }
    }

    /// The end: what was seen, and digests for later runs. With two back ends, what the notifier saw, held against the
    /// other.
    pub(crate) fn finish(self, layers: Vec<String>, left_running: u32, changed_before: i64) -> Finished {
        let told = self.programs.map(|programs| programs.finish(layers.clone(), left_running, changed_before));
        let Some(notifier) = self.notifier else {
            return told.unwrap_or_else(|| Finished {
                observation: Observation::none(Vec::new()),
                remember: Vec::new(),
                products: Vec::new(),
            });
        };
        let mut notifier = notifier.lock().unwrap_or_else(PoisonError::into_inner);
        let remember = notifier.record.to_remember(changed_before, 50_000);
        let mut finished = notifier.finish(layers, left_running, remember);
        if let Some(told) = told {
            join(&mut finished.observation, told.observation);
        }
        finished
    }
}

/// What a back end leaves.
pub(crate) struct Finished {
    pub(crate) observation: Observation,
    /// Digests for later runs.
    pub(crate) remember: Vec<Remembered>,
    /// Digests of what the run wrote.
    pub(crate) products: Vec<Remembered>,
}

/// Holds what one back end saw against what the other did, and says every difference.
fn join(observation: &mut Observation, mut other: Observation) {
    let compared = super::ebpf::compare(observation, &other);
    let coverage = &mut observation.coverage;
    coverage.incomplete.extend(compared.differences.iter().take(TOLD).cloned());
    if compared.different > TOLD as u64 {
        coverage.incomplete.push(format!("and {} more differences between the two", compared.different - TOLD as u64));
    }
    coverage.events_lost += other.coverage.events_lost;
    let known = coverage.incomplete.clone();
    let news = std::mem::take(&mut other.coverage.incomplete).into_iter().filter(|why| !known.contains(why));
    coverage.incomplete.extend(news.map(|why| format!("{}: {why}", other.back_end.name())));
    for service in std::mem::take(&mut other.coverage.delegated) {
        if !coverage.delegated.contains(&service) {
            coverage.delegated.push(service);
        }
    }
    coverage.compared = Some(compared);
    take_over_delegated(observation, &mut other);
}

/// What daemons did for the run, which only one of the two can follow.
fn take_over_delegated(observation: &mut Observation, other: &mut Observation) {
    let mut numbers = std::collections::HashMap::new();
    for mut process in std::mem::take(&mut other.processes) {
        if process.delegated_by.is_none() {
            continue;
        }
        let id = observation.processes.len() as u32;
        numbers.insert(process.id, id);
        process.id = id;
        process.parent = process.parent.and_then(|parent| numbers.get(&parent).copied());
        observation.processes.push(process);
    }
    if numbers.is_empty() {
        return;
    }
    let known: std::collections::HashSet<String> =
        observation.files.iter().map(|file| file.name.text.clone()).collect();
    for mut file in std::mem::take(&mut other.files) {
        let Some(first) = numbers.get(&file.first_by).filter(|_| !known.contains(&file.name.text)) else { continue };
        file.first_by = *first;
        file.written_by = file.written_by.iter().filter_map(|writer| numbers.get(writer).copied()).collect();
        observation.files.push(file);
    }
    observation.files.sort_by(|a, b| a.name.text.cmp(&b.name.text));
}
