//! Sigstore bundles v0.3 (sigstore/protobuf-specs, `sigstore_bundle.proto`): an envelope, a hint of its key, and the
//! proof that it is in a log. This module writes provost's own and verifies those against keys that the caller
//! trusts. Bundles of the public Sigstore instances, with certificates and timestamps, are the command line's work.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_model::Digest;
use provost_tlog::{Checkpoint, LogProof, NoteKey, SignedCheckpoint, leaf_hash, verify_inclusion};
use serde_json::{Value, json};

use crate::dsse::decode_base64;
use crate::{
    AttestError, Envelope, Limits, LogEntry, Statement, TrustedSigner, Verified, parse_strict, verify_envelope,
};

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const WHAT: &str = "Sigstore bundle";

/// An envelope with its log proofs. Reading one says nothing about trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    envelope: Envelope,
    hint: String,
    entries: Vec<LogRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LogRecord {
    body: Vec<u8>,
    proof: LogProof,
    log_id: Vec<u8>,
}

/// Where an envelope is in a log, proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedProof {
    /// Index of the entry.
    pub index: u64,
    /// The checkpoint that it was proved against.
    pub checkpoint: Checkpoint,
    /// That checkpoint with its signatures.
    pub signed_checkpoint: SignedCheckpoint,
    /// Names of the witnesses whose cosignatures verify.
    pub witnesses: Vec<String>,
}

impl Bundle {
    /// Puts an envelope, its log entry and the entry's proof together.
    pub fn new(envelope: Envelope, body: Vec<u8>, proof: LogProof, log: &NoteKey) -> Self {
        let hint = envelope.signatures().first().and_then(|s| s.key_id.clone()).unwrap_or_default();
        let record = LogRecord { body, proof, log_id: log.full_id().as_bytes().to_vec() };
        Self { envelope, hint, entries: vec![record] }
    }

    /// The envelope, unverified.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The log proofs, unverified.
    pub fn proofs(&self) -> impl Iterator<Item = &LogProof> {
        self.entries.iter().map(|entry| &entry.proof)
    }

    /// The JSON form on one line.
    pub fn to_json(&self) -> String {
        let entries: Vec<Value> = self
            .entries
            .iter()
            .map(|entry| {
                let checkpoint = entry.proof.checkpoint.unverified();
                json!({
                    "logIndex": entry.proof.index.to_string(),
                    "logId": {"keyId": STANDARD.encode(&entry.log_id)},
                    "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
                    "inclusionProof": {
                        "logIndex": entry.proof.index.to_string(),
                        "rootHash": STANDARD.encode(checkpoint.root.as_bytes()),
                        "treeSize": checkpoint.size.to_string(),
                        "hashes": entry.proof.hashes.iter().map(|h| STANDARD.encode(h.as_bytes())).collect::<Vec<_>>(),
                        "checkpoint": {"envelope": entry.proof.checkpoint.to_string()},
                    },
                    "canonicalizedBody": STANDARD.encode(&entry.body),
                })
            })
            .collect();
        json!({
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": self.hint}, "tlogEntries": entries},
            "dsseEnvelope": self.envelope.to_value(),
        })
        .to_string()
    }

    /// Reads a bundle of the public-key kind.
    ///
    /// # Errors
    /// Another media type, a certificate instead of a key hint, not exactly one signature, malformed log entries.
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestError> {
        let bad = |why: &str| AttestError::malformed(WHAT, why);
        if bytes.len() > Limits::ENVELOPE {
            return Err(AttestError::TooLarge { what: WHAT, limit: Limits::ENVELOPE });
        }
        let value: Value = parse_strict(WHAT, bytes)?;
        let media_type = value.get("mediaType").and_then(Value::as_str).unwrap_or_default();
        if media_type != MEDIA_TYPE && media_type != "application/vnd.dev.sigstore.bundle+json;version=0.3" {
            return Err(bad(&format!("the media type `{media_type}` is not that of a bundle v0.3")));
        }
        let material = value.get("verificationMaterial").ok_or_else(|| bad("no `verificationMaterial`"))?;
        let key = material.get("publicKey").filter(|k| !k.is_null());
        let certificate =
            ["certificate", "x509CertificateChain"].iter().any(|m| material.get(m).is_some_and(|v| !v.is_null()));
        let hint = match (key, certificate) {
            (Some(key), false) => key.get("hint").and_then(Value::as_str).unwrap_or_default().to_owned(),
            (None, true) => return Err(bad("it carries a certificate: verify it with --certificate-identity")),
            _ => return Err(bad("expected exactly one of `publicKey` and a certificate")),
        };
        let envelope = match (value.get("dsseEnvelope"), value.get("messageSignature")) {
            (Some(envelope), None) => Envelope::from_value(envelope.clone())?,
            (None, Some(_)) => {
                return Err(bad("it signs a message, not a statement: verify it with --key and --bundle"));
            }
            _ => return Err(bad("expected exactly one of `dsseEnvelope` and `messageSignature`")),
        };
        if envelope.signatures().len() != 1 {
            return Err(bad("the envelope of a bundle has exactly one signature"));
        }
        let list = match material.get("tlogEntries") {
            None | Some(Value::Null) => &[][..],
            Some(Value::Array(list)) => list,
            Some(_) => return Err(bad("`tlogEntries` is no list")),
        };
        if list.len() > Limits::LOG_ENTRIES {
            return Err(AttestError::TooLarge { what: "the number of log entries", limit: Limits::LOG_ENTRIES });
        }
        let entries = list.iter().map(parse_entry).collect::<Result<_, _>>()?;
        Ok(Self { envelope, hint, entries })
    }

    /// Verifies signature and log proof together. An entry of a log that is not among `logs` proves nothing and is
    /// passed over; an entry of a known log that does not hold refuses the whole bundle.
    ///
    /// # Errors
    /// As [`verify_envelope`]; a proof that does not hold.
    pub fn verify(
        &self,
        signers: &[TrustedSigner],
        logs: &[NoteKey],
        witnesses: &[NoteKey],
    ) -> Result<Verified<Statement>, AttestError> {
        let verified = verify_envelope(&self.envelope, signers, 1)?;
        Ok(match self.verify_log(logs, witnesses)? {
            Some(proof) => verified.with_log(proof),
            None => verified,
        })
    }

    /// Verifies the log proofs alone; `None` when no entry is of a known log.
    ///
    /// # Errors
    /// An entry of a known log that does not hold.
    pub fn verify_log(&self, logs: &[NoteKey], witnesses: &[NoteKey]) -> Result<Option<LoggedProof>, AttestError> {
        let mut found = None;
        for record in &self.entries {
            let origin = &record.proof.checkpoint.unverified().origin;
            // Two logs may bear one name: the key must fit as well, so try each.
            let known: Vec<&NoteKey> = logs.iter().filter(|key| key.name() == origin).collect();
            if known.is_empty() {
                continue;
            }
            let mut refused = None;
            let mut trusted = None;
            for key in known {
                match record.proof.checkpoint.verify(key) {
                    Ok(checkpoint) => trusted = Some(checkpoint.clone()),
                    Err(error) => refused = Some(error),
                }
            }
            let Some(checkpoint) = trusted else {
                return Err(refused.map_or(AttestError::ForeignEntry("no log key fits"), AttestError::Log));
            };
            LogEntry::parse(&record.body)?.matches(&self.envelope)?;
            let leaf = leaf_hash(&record.body);
            verify_inclusion(&leaf, record.proof.index, checkpoint.size, &record.proof.hashes, &checkpoint.root)?;
            let cosignatures = record.proof.checkpoint.cosignatures(witnesses)?;
            found = Some(LoggedProof {
                index: record.proof.index,
                checkpoint,
                signed_checkpoint: record.proof.checkpoint.clone(),
                witnesses: cosignatures.into_iter().map(|c| c.witness).collect(),
            });
        }
        Ok(found)
    }
}

fn parse_entry(value: &Value) -> Result<LogRecord, AttestError> {
    let bad = |why: &str| AttestError::malformed("log entry of the bundle", why);
    let number = |v: Option<&Value>| match v {
        Some(Value::String(text)) if text == "0" || !text.starts_with('0') => text.parse::<u64>().ok(),
        Some(Value::Number(number)) => number.as_u64(),
        _ => None,
    };
    let base64 = |v: Option<&Value>| v.and_then(Value::as_str).and_then(decode_base64);
    let proof = value.get("inclusionProof").ok_or_else(|| bad("no `inclusionProof`"))?;
    let index = number(proof.get("logIndex")).ok_or_else(|| bad("`inclusionProof.logIndex` is no number"))?;
    let hashes = proof.get("hashes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if hashes.len() > provost_tlog::Limits::PROOF {
        return Err(bad("more hashes than a tree can need"));
    }
    let hashes = hashes
        .iter()
        .map(|h| base64(Some(h)).and_then(|b| b.try_into().ok()).map(Digest::from_bytes))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| bad("a hash is not the base64 of 32 bytes"))?;
    let checkpoint = proof
        .get("checkpoint")
        .and_then(|c| c.get("envelope"))
        .and_then(Value::as_str)
        .ok_or_else(|| bad("no checkpoint"))?;
    let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes())?;
    // The copies of root and size beside the checkpoint are not signed; where they differ, someone is lying.
    let state = checkpoint.unverified();
    if number(proof.get("treeSize")) != Some(state.size) {
        return Err(bad("`treeSize` is not the checkpoint's"));
    }
    if base64(proof.get("rootHash")).as_deref() != Some(state.root.as_bytes().as_slice()) {
        return Err(bad("`rootHash` is not the checkpoint's"));
    }
    Ok(LogRecord {
        body: base64(value.get("canonicalizedBody")).ok_or_else(|| bad("no `canonicalizedBody`"))?,
        proof: LogProof { extra: None, index, hashes, checkpoint },
        log_id: base64(value.get("logId").and_then(|l| l.get("keyId"))).unwrap_or_default(),
    })
}
