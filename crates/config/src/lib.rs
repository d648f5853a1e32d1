//! Configuration of pipelines: which rights each job needs and which it has, and what is wrong with them. Pure: files in,
//! report out; nothing is asked of a forge, so settings that stand there alone (the default of tokens, protected branches
//! and variables) are named as not known.

pub mod findings;
mod need;
pub mod patch;
mod repository;
mod rights;
mod shell;
mod table;

pub use findings::{RULES, Rule};
pub use need::{Need, Needs};
pub use repository::{Reads, Repository, wants};
pub use rights::{Held, JobRights, Sureness, permissive, restricted, rights};
pub use table::{Table, table};
