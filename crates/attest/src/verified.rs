//! From an envelope to something that may be believed.

use std::collections::BTreeMap;

use provost_keys::{
    CertificateIdentity, KeyId, PublicKey,
    ssh::{SshPublicKey, SshSignature},
};
use provost_model::Digest;

use crate::{AttestError, Envelope, IN_TOTO_PAYLOAD, LoggedProof, Statement};

/// Who stands behind a key that the caller trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerIdentity {
    /// A key that the trust root names.
    Key,
    /// A certificate that leads to a configured root.
    Certificate(CertificateIdentity),
}

/// A key that may count, with who stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedSigner {
    /// The key.
    pub key: PublicKey,
    /// Who it is.
    pub identity: SignerIdentity,
}

impl TrustedSigner {
    /// A key that the trust root names.
    pub fn key(key: PublicKey) -> Self {
        Self { key, identity: SignerIdentity::Key }
    }
}

/// Something that was read from bytes whose signature verified. Only the verifying functions of this module make one.
#[derive(Debug, Clone)]
pub struct Verified<T> {
    value: T,
    envelope: Digest,
    signers: BTreeMap<KeyId, SignerIdentity>,
    logged: Option<LoggedProof>,
}

impl<T> Verified<T> {
    /// What was verified.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The envelope's digest.
    pub fn envelope(&self) -> Digest {
        self.envelope
    }

    /// The distinct keys whose signatures verify, with who stands behind them.
    pub fn signers(&self) -> &BTreeMap<KeyId, SignerIdentity> {
        &self.signers
    }

    /// Where it is in a log, when that was proved too.
    pub fn logged(&self) -> Option<&LoggedProof> {
        self.logged.as_ref()
    }

    pub(crate) fn with_log(mut self, logged: LoggedProof) -> Self {
        self.logged = Some(logged);
        self
    }
}

/// Verifies an envelope with the given signers and reads the statement from the very bytes that were verified.
/// At least `threshold` distinct keys must have signed: one key that signs twice, or is listed twice, counts once.
///
/// # Errors
/// Another payload type, too few signatures, or a malformed statement.
pub fn verify_envelope(
    envelope: &Envelope,
    signers: &[TrustedSigner],
    threshold: usize,
) -> Result<Verified<Statement>, AttestError> {
    let payload = verify_payload(envelope, IN_TOTO_PAYLOAD, signers, threshold)?;
    let value = Statement::parse(&payload.value)?;
    Ok(Verified { value, envelope: payload.envelope, signers: payload.signers, logged: None })
}

/// Verifies an envelope of any payload type; the result holds the payload's bytes.
///
/// # Errors
/// Another payload type, or too few signatures.
pub fn verify_payload(
    envelope: &Envelope,
    payload_type: &str,
    signers: &[TrustedSigner],
    threshold: usize,
) -> Result<Verified<Vec<u8>>, AttestError> {
    if envelope.payload_type() != payload_type {
        return Err(AttestError::WrongPayloadType {
            expected: payload_type.to_owned(),
            found: envelope.payload_type().to_owned(),
        });
    }
    let message = envelope.signed_bytes();
    let mut found: BTreeMap<KeyId, SignerIdentity> = BTreeMap::new();
    // The key id of a signature is a hint that anyone can write: every trusted key is tried with every signature.
    for signer in signers {
        let id = signer.key.id();
        if !found.contains_key(&id)
            && envelope.signatures().iter().any(|s| signer.key.verify(&message, &s.signature).is_ok())
        {
            found.insert(id, signer.identity.clone());
        }
    }
    // A threshold of zero would trust anyone.
    let needed = threshold.max(1);
    if found.len() < needed {
        let detail = if signers.is_empty() { " (no key is trusted for this)".to_owned() } else { String::new() };
        return Err(AttestError::NotEnoughSignatures { found: found.len(), needed, detail });
    }
    Ok(Verified {
        value: envelope.unverified_payload().to_vec(),
        envelope: envelope.digest(),
        signers: found,
        logged: None,
    })
}

/// As [`verify_envelope`], with SSH keys beside others: a signature of an SSH key is an SSHSIG in binary form over the same
/// bytes, in the given namespace (OpenSSH, `PROTOCOL.sshsig`). At least one of the keys must have signed.
///
/// # Errors
/// As there.
pub fn verify_with_ssh(
    envelope: &Envelope,
    plain: &[PublicKey],
    ssh: &[SshPublicKey],
    namespace: &str,
) -> Result<Verified<Statement>, AttestError> {
    if envelope.payload_type() != IN_TOTO_PAYLOAD {
        return Err(AttestError::WrongPayloadType {
            expected: IN_TOTO_PAYLOAD.to_owned(),
            found: envelope.payload_type().to_owned(),
        });
    }
    let message = envelope.signed_bytes();
    let mut signers = BTreeMap::new();
    for signature in envelope.signatures() {
        for key in plain.iter().filter(|key| key.verify(&message, &signature.signature).is_ok()) {
            signers.insert(key.id(), SignerIdentity::Key);
        }
        let Ok(blob) = SshSignature::from_bytes(&signature.signature) else { continue };
        for key in ssh.iter().filter(|key| blob.verify(key, namespace, &message).is_ok()) {
            signers.insert(key.id(), SignerIdentity::Key);
        }
    }
    if signers.is_empty() {
        return Err(AttestError::NotEnoughSignatures { found: 0, needed: 1, detail: String::new() });
    }
    let value = Statement::parse(envelope.unverified_payload())?;
    Ok(Verified { value, envelope: envelope.digest(), signers, logged: None })
}
