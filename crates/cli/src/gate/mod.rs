//! What the commands of the gate share: the policy in force with its delegated parts, and what the log says so far.

pub(crate) mod ledger;
pub(crate) mod policy;
pub(crate) mod publish;
pub(crate) mod server;
