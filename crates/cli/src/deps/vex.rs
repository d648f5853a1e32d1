//! What VEX documents say of issues.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use provost_deps::Fault;
use provost_model::Package;

/// TEMP
#[derive(Debug, Clone)]
pub(crate) struct VexStatement;
/// TEMP
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status;
impl Status {
    pub(crate) fn settles(self) -> bool {
        false
    }
    pub(crate) fn name(self) -> &'static str {
        ""
    }
}
/// What a statement says.
#[derive(Debug, Clone)]
pub(crate) struct Vex {
    pub status: Status,
    pub why: String,
}
pub(crate) fn load(paths: &[PathBuf]) -> Result<Vec<VexStatement>> {
    for path in paths {
        std::fs::read(path).with_context(|| "x")?;
    }
    Ok(Vec::new())
}
pub(crate) fn of(_all: &[VexStatement], _package: &Package, _fault: &Fault) -> Option<Vex> {
    None
}
