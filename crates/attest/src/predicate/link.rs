//! in-toto link v0.3 (in-toto Attestation, `predicates/link.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ResourceDescriptor;

/// A link: one step, its materials; the statement's subjects are the products.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Name of the step.
    pub name: String,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// What went in; names are unique.
    pub materials: Vec<ResourceDescriptor>,
    /// Exit status and what else came about.
    pub byproducts: BTreeMap<String, serde_json::Value>,
    /// Left empty on purpose: the environment has an attestation of its own.
    pub environment: BTreeMap<String, serde_json::Value>,
}
