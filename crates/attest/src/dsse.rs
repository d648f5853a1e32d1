//! The Dead Simple Signing Envelope, DSSE 1.0.2.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use provost_keys::{Certificate, PublicKey, Signer};
use provost_model::{Digest, sha256};
use serde::{Deserialize, Serialize};

use crate::{AttestError, Limits, parse_strict};

/// The payload type of in-toto statements (in-toto Attestation, `envelope.md`).
pub const IN_TOTO_PAYLOAD: &str = "application/vnd.in-toto+json";

const WHAT: &str = "DSSE envelope";

/// The pre-authentication encoding: what is really signed (DSSE, `protocol.md`). Lengths are in bytes.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// A hint, never authenticated and never used to decide trust.
    pub key_id: Option<String>,
    /// The signature's bytes.
    pub signature: Vec<u8>,
    /// The signer's certificate and its intermediates, unverified, as go-witness carries them. Empty for plain keys.
    pub chain: Vec<Certificate>,
}

/// An envelope that is well formed. Being well formed says nothing about trust.
#[derive(Debug, Clone)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<EnvelopeSignature>,
    /// Taken once it was asked for; whatever changes the signatures forgets it.
    digest: OnceLock<Digest>,
}

impl PartialEq for Envelope {
    fn eq(&self, other: &Self) -> bool {
        (&self.payload_type, &self.payload, &self.signatures)
            == (&other.payload_type, &other.payload, &other.signatures)
    }
}

impl Eq for Envelope {}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    payload_type: String,
    payload: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
struct WireSignature {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
    /// Base64 of the PEM certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    /// Base64 of each PEM intermediate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    intermediates: Vec<String>,
}

impl WireSignature {
    fn of(signature: &EnvelopeSignature) -> Self {
        let mut chain = signature.chain.iter().map(|c| STANDARD.encode(c.to_pem()));
        Self {
            keyid: signature.key_id.clone(),
            sig: STANDARD.encode(&signature.signature),
            certificate: chain.next(),
            intermediates: chain.collect(),
        }
    }

    fn chain(&self) -> Option<Vec<Certificate>> {
        self.certificate
            .iter()
            .chain(&self.intermediates)
            .map(|text| Certificate::from_pem(std::str::from_utf8(&decode_base64(text)?).ok()?).ok())
            .collect()
    }
}

impl Envelope {
    /// Signs a payload.
    ///
    /// # Errors
    /// The signer failed.
    pub fn sign(payload_type: &str, payload: Vec<u8>, signer: &dyn Signer) -> Result<Self, AttestError> {
        let signature = signer.sign(&pae(payload_type, &payload)).map_err(|e| AttestError::Key(e.to_string()))?;
        let key_id = Some(signer.public_key().id().to_string());
        let signature = EnvelopeSignature { key_id, signature, chain: signer.certificates().to_vec() };
        Ok(Self::from_signature(payload_type, payload, signature))
    }

    /// Puts an envelope together from a signature that was made elsewhere, over [`pae`] of type and payload.
    pub fn from_signature(payload_type: &str, payload: Vec<u8>, signature: EnvelopeSignature) -> Self {
        Self::new(payload_type.to_owned(), payload, vec![signature])
    }

    fn new(payload_type: String, payload: Vec<u8>, signatures: Vec<EnvelopeSignature>) -> Self {
        Self { payload_type, payload, signatures, digest: OnceLock::new() }
    }

    fn signature_of(&self, key: &PublicKey) -> Option<usize> {
        let message = self.signed_bytes();
        self.signatures.iter().position(|s| key.verify(&message, &s.signature).is_ok())
    }

    /// Whether one of the signatures is this key's. Whether the key counts is the caller's to know.
    pub fn signed_by(&self, key: &PublicKey) -> bool {
        self.signature_of(key).is_some()
    }

    /// Puts the signature of a key first, where there is one: a log's entry is of the first.
    pub fn put_first(&mut self, key: &PublicKey) {
        if let Some(at) = self.signature_of(key) {
            self.signatures.swap(0, at);
            self.digest.take();
        }
    }

    /// Adds a signature by another signer over the same payload.
    ///
    /// # Errors
    /// The signer failed.
    pub fn add_signature(&mut self, signer: &dyn Signer) -> Result<(), AttestError> {
        let more = Self::sign(&self.payload_type, self.payload.clone(), signer)?;
        self.signatures.extend(more.signatures);
        self.digest.take();
        Ok(())
    }

    /// Replaces the hint of every signature; the signatures stay what they are.
    pub(crate) fn with_key_id(mut self, key_id: &str) -> Self {
        for signature in &mut self.signatures {
            signature.key_id = Some(key_id.to_owned());
        }
        self.digest.take();
        self
    }

    /// Reads the JSON form. Standard and URL-safe base64 are both accepted, unknown members are ignored, repeated
    /// ones refused.
    ///
    /// # Errors
    /// Not such JSON, no signature, or a limit.
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestError> {
        if bytes.len() > Limits::ENVELOPE {
            return Err(AttestError::TooLarge { what: WHAT, limit: Limits::ENVELOPE });
        }
        Self::from_wire(parse_strict(WHAT, bytes)?)
    }

    pub(crate) fn from_value(value: serde_json::Value) -> Result<Self, AttestError> {
        Self::from_wire(serde_json::from_value(value).map_err(|e| AttestError::malformed(WHAT, e))?)
    }

    fn from_wire(wire: Wire) -> Result<Self, AttestError> {
        if wire.signatures.is_empty() {
            return Err(AttestError::malformed(WHAT, "it has no signature"));
        }
        if wire.signatures.iter().any(|s| s.intermediates.len() > provost_keys::Limits::CHAIN) {
            return Err(AttestError::TooLarge { what: "a certificate chain", limit: provost_keys::Limits::CHAIN });
        }
        if wire.signatures.len() > Limits::SIGNATURES {
            return Err(AttestError::TooLarge { what: "the number of signatures", limit: Limits::SIGNATURES });
        }
        let payload =
            decode_base64(&wire.payload).ok_or_else(|| AttestError::malformed(WHAT, "`payload` is not base64"))?;
        let signatures = wire
            .signatures
            .into_iter()
            .enumerate()
            .map(|(i, s)| {
                let signature = decode_base64(&s.sig)
                    .ok_or_else(|| AttestError::malformed(WHAT, format!("`signatures[{i}].sig` is not base64")))?;
                let chain = s.chain().ok_or_else(|| {
                    AttestError::malformed(WHAT, format!("`signatures[{i}]` carries a certificate that cannot be read"))
                })?;
                Ok(EnvelopeSignature { key_id: s.keyid.filter(|id| !id.is_empty()), signature, chain })
            })
            .collect::<Result<_, AttestError>>()?;
        Ok(Self::new(wire.payload_type, payload, signatures))
    }

    pub(crate) fn to_value(&self) -> serde_json::Value {
        serde_json::json!({
            "payloadType": self.payload_type,
            "payload": STANDARD.encode(&self.payload),
            "signatures": self.signatures.iter().map(WireSignature::of).collect::<Vec<_>>(),
        })
    }

    /// The JSON form on one line.
    pub fn to_json(&self) -> String {
        let wire = Wire {
            payload_type: self.payload_type.clone(),
            payload: STANDARD.encode(&self.payload),
            signatures: self.signatures.iter().map(WireSignature::of).collect(),
        };
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// The payload's type.
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The payload's bytes, unverified: for display, and to find out whose keys to try.
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signatures, unverified.
    pub fn signatures(&self) -> &[EnvelopeSignature] {
        &self.signatures
    }

    /// What the signatures are over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }

    /// The envelope's identity in evidence: SHA-256 of its JSON form as provost writes it. Signatures included, so
    /// that two signings of one payload are two pieces of evidence.
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| sha256(self.to_json().as_bytes()))
    }
}

/// Standard or URL-safe alphabet, never mixed; padding as it comes.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}
