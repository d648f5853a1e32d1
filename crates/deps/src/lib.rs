//! What a product is made of, what is known to be wrong with it, and what follows from that.

mod advice;
mod assess;
mod bom;
mod change;
mod database;
mod drift;
pub mod ecosystem;
mod git;
mod inventory;
mod look_alike;
mod matching;
mod observed;
mod origin;
mod reach;
mod release;
mod severity;

pub use advice::advice;
pub use assess::{Assessment, Cache, Fault, Issue, MAXIMUM_ISSUES, Undecided, assess};
pub use bom::{from_bom, packages_of, to_bom};
pub use change::{At, Change, Signal, changes, package_at, signals};
pub use database::{
    Builder, Database, DatabaseError, EcosystemInfo, Epss, Imported, Info, Kind, Quarantined, Record, ReleasesInfo,
    SourceInfo, Symbols, What, lookup_name,
};
pub use drift::{Compared, Drift, READ, drift};
pub use git::{GIT, Histories, History, NoHistory, likely_histories};
pub use inventory::{
    Collected, Directory, Files, Functions, MAXIMUM_WAY, Source, Ways, collect, directory_of, note_problems, of_binary,
    of_java_archive, path_to,
};
pub use look_alike::{LookAlike, look_alike};
pub use matching::{Answer, Vulnerability, judge};
pub use observed::{Observed, Owner, observe, owner_of, source_of_reads};
pub use origin::{Flaw, flaws};
pub use reach::{Reach, reaches};
pub use release::{Age, ReleasedBy, age_of};
pub use severity::{Rating, Severity, rate};
