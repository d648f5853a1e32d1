//! in-toto Statement v1 (in-toto Attestation Framework 1.2, `statement.md`, `resource_descriptor.md`).

use std::collections::BTreeMap;

use provost_keys::Signer;
use provost_model::{Digest, DigestSet};
use serde::{Deserialize, Serialize};

use crate::{AttestError, Envelope, IN_TOTO_PAYLOAD, Limits, parse_strict};

/// The value of `_type`.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";

const WHAT: &str = "in-toto statement";

/// An in-toto ResourceDescriptor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    /// A name, unique in its list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// What it is, by content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: DigestSet,
    /// Small content, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Where it was fetched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_location: Option<String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, serde_json::Value>,
}

impl ResourceDescriptor {
    /// A name with its SHA-256.
    pub fn named(name: impl Into<String>, digest: Digest) -> Self {
        Self { name: Some(name.into()), digest: digest.to_set(), ..Self::default() }
    }

    /// The `sha256` of its digest set, if it is there.
    pub fn sha256(&self) -> Option<Digest> {
        Digest::from_set(&self.digest)
    }
}

/// A statement: subjects, and what is said of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// What it speaks of. Matched by digest only, never by name.
    pub subject: Vec<ResourceDescriptor>,
    /// The URI that says what the predicate means.
    pub predicate_type: String,
    /// The predicate; an absent one is an empty object.
    #[serde(default)]
    pub predicate: serde_json::Value,
}

impl Statement {
    /// Makes a statement.
    ///
    /// # Errors
    /// The predicate cannot be written as JSON.
    pub fn new(
        subject: Vec<ResourceDescriptor>,
        predicate_type: &str,
        predicate: &impl Serialize,
    ) -> Result<Self, AttestError> {
        let predicate = serde_json::to_value(predicate).map_err(|e| AttestError::malformed(WHAT, e))?;
        Ok(Self { kind: STATEMENT_V1.to_owned(), subject, predicate_type: predicate_type.to_owned(), predicate })
    }

    /// Reads a statement from verified bytes.
    ///
    /// # Errors
    /// Not a Statement v1, no subject, a subject without a digest or with a malformed one, no predicate type.
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestError> {
        let statement: Self = parse_strict(WHAT, bytes)?;
        let bad = |why: String| AttestError::malformed(WHAT, why);
        if statement.kind != STATEMENT_V1 {
            return Err(bad(format!("`_type` is `{}`, expected `{STATEMENT_V1}`", statement.kind)));
        }
        if statement.predicate_type.is_empty() {
            return Err(bad("`predicateType` is empty".into()));
        }
        if statement.subject.is_empty() {
            return Err(bad("`subject` is empty".into()));
        }
        if statement.subject.len() > Limits::SUBJECTS {
            return Err(AttestError::TooLarge { what: "the number of subjects", limit: Limits::SUBJECTS });
        }
        for (i, subject) in statement.subject.iter().enumerate() {
            if subject.digest.is_empty() {
                return Err(bad(format!("`subject[{i}]` has no digest")));
            }
            for (algorithm, value) in &subject.digest {
                let hex = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                if algorithm == "sha256" && (!hex || value.len() != 64) {
                    return Err(bad(format!("`subject[{i}].digest.sha256` is not 64 lowercase hexadecimal digits")));
                }
            }
        }
        Ok(statement)
    }

    /// The predicate type that bytes name which nobody has verified, to show or to look up by; nothing else of them is
    /// read.
    pub fn unverified_type(bytes: &[u8]) -> Option<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            predicate_type: String,
        }
        serde_json::from_slice::<Head>(bytes).ok().map(|head| head.predicate_type)
    }

    /// The statement's bytes in canonical JSON (RFC 8785): same content, same bytes.
    ///
    /// # Errors
    /// A number that JSON cannot hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, AttestError> {
        serde_json_canonicalizer::to_vec(self).map_err(|e| AttestError::malformed(WHAT, e))
    }

    /// Signs it into an envelope.
    ///
    /// # Errors
    /// The signer failed.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Envelope, AttestError> {
        Envelope::sign(IN_TOTO_PAYLOAD, self.to_bytes()?, signer)
    }

    /// True when one of the subjects has this SHA-256. No other digest is ever compared: a match of a weaker one
    /// proves nothing.
    pub fn speaks_of(&self, digest: &Digest) -> bool {
        self.subject.iter().any(|subject| subject.sha256().as_ref() == Some(digest))
    }

    /// Reads the predicate, after checking its type.
    ///
    /// # Errors
    /// Another predicate type, or a predicate of another shape.
    pub fn predicate_as<P: serde::de::DeserializeOwned>(&self, predicate_type: &str) -> Result<P, AttestError> {
        if self.predicate_type != predicate_type {
            let hint = if self.predicate_type == "https://slsa.dev/provenance/v1.0" {
                " (a known mistake of some producers: the URI of SLSA provenance 1.x ends in /v1)"
            } else {
                ""
            };
            return Err(AttestError::WrongPredicateType {
                expected: predicate_type.to_owned(),
                found: self.predicate_type.clone(),
                hint,
            });
        }
        P::deserialize(&self.predicate).map_err(|e| AttestError::malformed("predicate", e))
    }
}
