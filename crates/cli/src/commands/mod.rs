//! The subcommands, one file each.

pub mod approvals;
pub mod approve;
pub mod bundle;
pub mod db;
pub mod db_pack;
pub mod deps;
pub mod gate;
pub mod init;
pub mod inspect;
pub mod key;
pub mod log;
pub mod log_witness;
pub mod policy;
pub mod privilege;
pub mod recheck;
pub mod repo;
pub mod report;
pub mod run;
pub mod sbom;
pub mod scan;
pub mod trust;
pub mod verify;
pub mod withdraw;

use anyhow::Result;
use provost_keys::PublicKey;

use crate::home::Home;
use crate::judge::{Anchors, TrustedPolicy};

/// What every command has.
pub struct Context {
    /// The user's own directory.
    pub home: Home,
}

/// The key that vouches for a policy, for an evidence file: the consumer still has to trust its id.
///
/// # Errors
/// A key file cannot be read.
pub fn policy_keys(home: &Home, policy: &TrustedPolicy) -> Result<Vec<PublicKey>> {
    let anchors = Anchors::load(Some(home), &[], &[])?;
    Ok(anchors.keys.into_iter().filter(|key| key.id().digest() == policy.anchor).collect())
}
