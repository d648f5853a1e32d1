//! Pushes that git may still give up, with what their refs held before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Limits;

/// Pushes that came into the log before git moved the refs. Until the next entry of a ref, git may give the push up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "T: Serialize + serde::de::DeserializeOwned", default)]
pub struct Revocable<T> {
    /// What the refs held before, by push.
    before: BTreeMap<String, BTreeMap<String, Option<T>>>,
    /// The entries of these pushes.
    pushes: BTreeMap<String, u64>,
}

impl<T> Default for Revocable<T> {
    fn default() -> Self {
        Self { before: BTreeMap::new(), pushes: BTreeMap::new() }
    }
}

impl<T> Revocable<T> {
    /// Takes a push: its entry, and what its refs held before. Only the newest pushes can still be given up.
    pub fn add(&mut self, push: &str, index: u64, before: BTreeMap<String, Option<T>>) {
        self.before.insert(push.to_owned(), before);
        self.pushes.insert(push.to_owned(), index);
        while self.pushes.len() > Limits::REVOCABLE {
            let oldest = self.pushes.iter().min_by_key(|(_, index)| **index).map(|(push, _)| push.clone());
            let Some(oldest) = oldest else { break };
            self.pushes.remove(&oldest);
            self.before.remove(&oldest);
        }
    }

    /// Whatever was pushed to this ref before is over, and stays.
    pub fn over(&mut self, reference: &str) {
        for refs in self.before.values_mut() {
            refs.remove(reference);
        }
        self.before.retain(|_, refs| !refs.is_empty());
    }

    /// Gives a push up: its entry, where it is known, and what those of its refs held before that are not over.
    pub fn give_up(&mut self, push: &str) -> (Option<u64>, Option<BTreeMap<String, Option<T>>>) {
        (self.pushes.remove(push), self.before.remove(push))
    }
}
