//! What was not seen, not taken, or is understood differently by others.

use std::fmt;

use provost_model::printable;

/// What a problem means for the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// Something was not read: the result is partial.
    Gap,
    /// An entry was read and has no place in the tree: no honest tool writes such a one.
    Refused,
    /// All was read; other readers may see it differently.
    Odd,
}

/// Something that is wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// What it means.
    pub what: What,
    /// The layer, counted from 0; `None` for the image as a whole.
    pub layer: Option<usize>,
    /// The path or the member, where it is about one; printable.
    pub place: Option<String>,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(layer) = self.layer {
            write!(f, "layer {}: ", layer + 1)?;
        }
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.why)
    }
}

/// Problems, counted and listed up to a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    /// Those that are listed, in the order in which they were met.
    pub listed: Vec<Problem>,
    /// How many gaps there are.
    pub gaps: u64,
    /// How many entries were refused.
    pub refused: u64,
    /// How many oddities there are.
    pub odd: u64,
    limit: usize,
}

impl Problems {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// True when everything was read and every entry has its place.
    pub fn is_complete(&self) -> bool {
        self.gaps == 0 && self.refused == 0
    }

    pub(crate) fn add(&mut self, what: What, layer: Option<usize>, place: Option<&[u8]>, why: impl Into<String>) {
        match what {
            What::Gap => self.gaps += 1,
            What::Refused => self.refused += 1,
            What::Odd => self.odd += 1,
        }
        // A flood of oddities leaves room for gaps.
        let limit = if what == What::Odd { self.limit / 2 } else { self.limit };
        if self.listed.len() < limit {
            let place = place.map(shown);
            self.listed.push(Problem { what, layer, place, why: why.into() });
        }
    }
}

/// A path or name for people: printable, and cut.
pub(crate) fn shown(name: &[u8]) -> String {
    let cut = &name[..name.len().min(1_024)];
    let mut text = printable(&String::from_utf8_lossy(cut));
    if cut.len() < name.len() {
        text.push('…');
    }
    text
}
