//! What the log holds for an envelope: Rekor v2's `hashedrekord` 0.0.2 body (sigstore/rekor-tiles), which is the hash
//! of what was signed, the signature, and the key. Envelopes are too long for a log entry; this is not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::PublicKey;
use provost_model::{Digest, sha256};
use serde::{Deserialize, Serialize};

use crate::dsse::decode_base64;
use crate::{AttestError, Envelope, parse_strict};

/// A log entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// SHA-256 of the envelope's pre-authentication encoding.
    pub signed: Digest,
    /// The signature.
    pub signature: Vec<u8>,
    /// The key, as DER SubjectPublicKeyInfo.
    pub key: Vec<u8>,
    /// Sigstore's name of the key's algorithm.
    pub key_details: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    api_version: String,
    kind: String,
    spec: Spec,
}

#[derive(Serialize, Deserialize)]
struct Spec {
    #[serde(rename = "hashedRekordV002")]
    record: Record,
}

#[derive(Serialize, Deserialize)]
struct Record {
    data: Data,
    signature: Signature,
}

#[derive(Serialize, Deserialize)]
struct Data {
    algorithm: String,
    digest: String,
}

#[derive(Serialize, Deserialize)]
struct Signature {
    content: String,
    verifier: Verifier,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verifier {
    key_details: String,
    public_key: RawKey,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawKey {
    raw_bytes: String,
}

const WHAT: &str = "log entry (hashedrekord 0.0.2)";

impl LogEntry {
    /// The entry for an envelope's first signature, made by this key.
    ///
    /// # Errors
    /// The envelope has no signature.
    pub fn for_envelope(envelope: &Envelope, key: &PublicKey) -> Result<Self, AttestError> {
        let signature =
            envelope.signatures().first().ok_or(AttestError::ForeignEntry("the envelope has no signature"))?;
        Ok(Self {
            signed: sha256(&envelope.signed_bytes()),
            signature: signature.signature.clone(),
            key: key.to_der().to_vec(),
            key_details: key.algorithm().sigstore_name().to_owned(),
        })
    }

    /// The canonical JSON body, which is the log's leaf.
    ///
    /// # Errors
    /// Never in practice: the body is all text.
    pub fn to_bytes(&self) -> Result<Vec<u8>, AttestError> {
        let body = Body {
            api_version: "0.0.2".into(),
            kind: "hashedrekord".into(),
            spec: Spec {
                record: Record {
                    data: Data { algorithm: "SHA2_256".into(), digest: STANDARD.encode(self.signed.as_bytes()) },
                    signature: Signature {
                        content: STANDARD.encode(&self.signature),
                        verifier: Verifier {
                            key_details: self.key_details.clone(),
                            public_key: RawKey { raw_bytes: STANDARD.encode(&self.key) },
                        },
                    },
                },
            },
        };
        serde_json_canonicalizer::to_vec(&body).map_err(|e| AttestError::malformed(WHAT, e))
    }

    /// Reads a body.
    ///
    /// # Errors
    /// Another kind or version, or malformed members.
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestError> {
        let bad = |why: &str| AttestError::malformed(WHAT, why);
        let body: Body = parse_strict(WHAT, bytes)?;
        if body.kind != "hashedrekord" || body.api_version != "0.0.2" {
            return Err(bad(&format!("it is {} {}", body.kind, body.api_version)));
        }
        let record = body.spec.record;
        if record.data.algorithm != "SHA2_256" {
            return Err(bad("the digest is not SHA2_256"));
        }
        let digest: [u8; 32] = decode_base64(&record.data.digest)
            .and_then(|d| d.try_into().ok())
            .ok_or_else(|| bad("the digest is not the base64 of 32 bytes"))?;
        Ok(Self {
            signed: Digest::from_bytes(digest),
            signature: decode_base64(&record.signature.content).ok_or_else(|| bad("the signature is not base64"))?,
            key: decode_base64(&record.signature.verifier.public_key.raw_bytes)
                .ok_or_else(|| bad("the key is not base64"))?,
            key_details: record.signature.verifier.key_details,
        })
    }

    /// Checks that this entry is of this envelope: same signed bytes, one of its signatures.
    ///
    /// # Errors
    /// [`AttestError::ForeignEntry`] says what differs.
    pub fn matches(&self, envelope: &Envelope) -> Result<(), AttestError> {
        if self.signed != sha256(&envelope.signed_bytes()) {
            return Err(AttestError::ForeignEntry("it is over other bytes"));
        }
        if envelope.signatures().iter().all(|s| s.signature != self.signature) {
            return Err(AttestError::ForeignEntry("it holds another signature"));
        }
        Ok(())
    }
}
