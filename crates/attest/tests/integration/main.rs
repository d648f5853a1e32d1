//! Attestations held against their specifications, and against people who forge them.

mod bundle;
mod dsse;
mod statement;

use provost_attest::{ResourceDescriptor, Statement, TrustedSigner};
use provost_keys::{KeyAlgorithm, PrivateKey, Signer as _};
use provost_model::sha256;

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key")
}

fn trusted(keys: &[&PrivateKey]) -> Vec<TrustedSigner> {
    keys.iter().map(|key| TrustedSigner::key(key.public_key().clone())).collect()
}

fn statement() -> Statement {
    let subject = vec![ResourceDescriptor::named("artifact", sha256(b"artifact"))];
    Statement::new(subject, "https://example.test/predicate/v1", &serde_json::json!({"a": 1})).expect("statement")
}
