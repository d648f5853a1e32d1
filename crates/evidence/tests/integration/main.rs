//! The store under faults: killed at every step, several processes at once, damaged files.
#![allow(clippy::print_stderr)]

mod faults;
mod store;

use provost_attest::{ResourceDescriptor, Statement};
use provost_evidence::NewRecord;
use provost_keys::{KeyAlgorithm, PrivateKey, Signer as _};
use provost_model::sha256;

/// Builder and log key of a test store.
pub(crate) struct Keys {
    pub(crate) builder: PrivateKey,
    pub(crate) log: PrivateKey,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self {
            builder: PrivateKey::generate(KeyAlgorithm::Ed25519).expect("key"),
            log: PrivateKey::generate(KeyAlgorithm::Ed25519).expect("key"),
        }
    }

    pub(crate) fn record(&self, name: &str) -> NewRecord {
        let subject = vec![ResourceDescriptor::named(name, sha256(name.as_bytes()))];
        let predicate = serde_json::json!({"step": "test", "invocationId": name});
        let statement = Statement::new(subject, "https://example.test/x", &predicate).expect("statement");
        NewRecord { envelope: statement.sign(&self.builder).expect("signed"), key: self.builder.public_key().clone() }
    }
}
