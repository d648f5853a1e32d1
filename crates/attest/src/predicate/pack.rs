//! A pack: data that verifiers go by (advisories, rules), with a version that only grows and an end.

use provost_model::Timestamp;
use serde::{Deserialize, Serialize};

/// The predicate. The subject is the pack's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pack {
    /// What the content is: `advisories`.
    pub kind: String,
    /// Tells packs of one signer apart: each name has versions of its own.
    pub name: String,
    /// Grows with every pack of the name: an older one is refused by whoever saw a newer one.
    pub version: u64,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it counts: whoever gets nothing newer until then is kept from it.
    pub expires: Timestamp,
    /// Bytes of the content.
    pub size: u64,
}
