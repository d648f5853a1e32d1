//! What was scanned and what was not.

use serde::{Deserialize, Serialize};

/// Something that was not, or not wholly, scanned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// What.
    pub place: String,
    /// Why.
    pub why: String,
}

/// So many gaps of a kind are listed; all are counted.
const LISTED: usize = 10_000;

/// The verdict on coverage: a scan is complete when nothing was partial and nothing failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Files and objects that were scanned whole or in part, members of containers not counted.
    pub scanned: u64,
    /// Members of containers that were scanned.
    pub members: u64,
    /// Bytes that checks have seen, unpacked ones included.
    pub bytes: u64,
    /// How many were left out by rule or request.
    pub skipped: u64,
    /// How many could not be scanned.
    pub failed: u64,
    /// How many were scanned in part.
    pub partial: u64,
    /// What was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skips: Vec<Gap>,
    /// What could not be scanned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Gap>,
    /// What was scanned in part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Gap>,
    /// Everything that was scanned, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
}

impl Coverage {
    /// True when everything that was not left out was scanned whole.
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && self.partial == 0
    }

    /// Something was left out.
    pub fn skip(&mut self, place: String, why: &str) {
        self.skipped += 1;
        push(&mut self.skips, place, why);
    }

    /// Something could not be scanned.
    pub fn fail(&mut self, place: String, why: &str) {
        self.failed += 1;
        push(&mut self.failures, place, why);
    }

    /// Something was scanned in part.
    pub fn part(&mut self, place: String, why: &str) {
        self.partial += 1;
        push(&mut self.parts, place, why);
    }

    /// Takes another's figures.
    pub fn add(&mut self, other: Self) {
        self.scanned += other.scanned;
        self.members += other.members;
        self.bytes += other.bytes;
        self.skipped += other.skipped;
        self.failed += other.failed;
        self.partial += other.partial;
        for (mine, theirs) in
            [(&mut self.skips, other.skips), (&mut self.failures, other.failures), (&mut self.parts, other.parts)]
        {
            let room = LISTED.saturating_sub(mine.len());
            mine.extend(theirs.into_iter().take(room));
        }
        if let Some(theirs) = other.inputs {
            self.inputs.get_or_insert_default().extend(theirs);
        }
    }

    /// Puts the lists in order.
    pub fn sort(&mut self) {
        for list in [&mut self.skips, &mut self.failures, &mut self.parts] {
            list.sort();
        }
        if let Some(inputs) = &mut self.inputs {
            inputs.sort();
        }
    }
}

fn push(list: &mut Vec<Gap>, place: String, why: &str) {
    if list.len() < LISTED {
        list.push(Gap { place, why: why.to_owned() });
    }
}
