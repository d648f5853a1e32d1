//! One walk, many checks. Files, archives, streams and git objects are read once, in bounded memory, and handed to every
//! check that wants them; what could not be read is part of the result.

mod baseline;
mod check;
mod coverage;
mod feed;
mod limits;
mod suppress;
pub mod walk;

#[cfg(test)]
mod tests;

pub use baseline::{Baseline, BaselineError, Known};
pub use check::{Check, Piece, Place};
pub use coverage::{Coverage, Gap};
pub use feed::{Report, Scanner, Tally};
pub use limits::Limits;
pub use suppress::{Judged, Judgement, State, Suppression, SuppressionError, Suppressions, judge};
