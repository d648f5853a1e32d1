//! Classic in-toto links (in-toto specification 1.0): what `in-toto-verify` reads. The reference implementation does
//! not know the statement form of links yet, so a run can write this form beside it.

use std::collections::BTreeMap;

use provost_keys::{KeyAlgorithm, PublicKey, Signer};
use provost_model::{DigestSet, sha256};
use serde::Serialize;

use crate::predicate::Link;
use crate::{AttestError, Envelope, IN_TOTO_PAYLOAD, Statement};

/// A classic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassicLink {
    #[serde(rename = "_type")]
    kind: &'static str,
    name: String,
    command: Vec<String>,
    materials: BTreeMap<String, DigestSet>,
    products: BTreeMap<String, DigestSet>,
    byproducts: BTreeMap<String, serde_json::Value>,
    environment: BTreeMap<String, serde_json::Value>,
}

impl ClassicLink {
    /// From a link statement, as `predicates/link.md` describes the conversion.
    ///
    /// # Errors
    /// Another predicate.
    pub fn from_statement(statement: &Statement) -> Result<Self, AttestError> {
        let link: Link = statement.predicate_as(crate::predicate::LINK)?;
        let map = |list: &[crate::ResourceDescriptor]| {
            list.iter().filter_map(|d| Some((d.name.clone()?, d.digest.clone()))).collect()
        };
        Ok(Self {
            kind: "link",
            name: link.name,
            command: link.command,
            materials: map(&link.materials),
            products: map(&statement.subject),
            byproducts: link.byproducts,
            environment: link.environment,
        })
    }

    /// Signs it; gives the file name `<step>.<key id, 8 digits>.link` and the content.
    ///
    /// # Errors
    /// The signer failed.
    pub fn sign(&self, signer: &dyn Signer) -> Result<(String, String), AttestError> {
        let payload = serde_json_canonicalizer::to_vec(self).map_err(|e| AttestError::malformed("link", e))?;
        let envelope = Envelope::sign(IN_TOTO_PAYLOAD, payload, signer)?;
        let key_id = in_toto_key_id(signer.public_key());
        let name = format!("{}.{}.link", self.name, &key_id[..8]);
        Ok((name, envelope.with_key_id(&key_id).to_json()))
    }
}

/// The key id that securesystemslib computes: SHA-256 of the OLPC canonical JSON of type, scheme and key.
pub fn in_toto_key_id(key: &PublicKey) -> String {
    let (kind, scheme, public) = match key.algorithm() {
        KeyAlgorithm::EcdsaP256 => ("ecdsa", "ecdsa-sha2-nistp256", key.to_pem()),
        KeyAlgorithm::Ed25519 => {
            ("ed25519", "ed25519", key.ed25519_bytes().iter().flatten().map(|b| format!("{b:02x}")).collect())
        }
    };
    // OLPC canonical JSON escapes only `\` and `"`, neither of which a PEM file holds: newlines stay as they are.
    sha256(format!(r#"{{"keytype":"{kind}","keyval":{{"public":"{public}"}},"scheme":"{scheme}"}}"#).as_bytes())
        .to_hex()
}
