//! Bundles made by others: Sigstore bundles of any instance, verified by the sigstore-verify crate, offline, against
//! the built-in root of the public-good instance or a given one.
//!
//! What that crate leaves open is checked here: shape of the bundle, duplicate members, certificates that must not be
//! in it, evidence of every log entry, the statement's type and subject.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use provost_attest::parse_strict;
use provost_keys::Certificate;
use provost_model::printable;
use serde_json::Value;
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_verify::types::bundle::{MediaType, VerificationMaterialContent};
use sigstore_verify::types::{Artifact as SigstoreArtifact, Bundle, DerPublicKey, Sha256Hash, SignatureContent};
use sigstore_verify::{PublicKeyVerificationPolicy, VerificationPolicy, Verifier};

use crate::commands::verify::{Artifact, Format, VerifyArgs};
use crate::exit::Exit;
use crate::input::read_text;
use crate::render;

/// More than any honest bundle carries.
const MOST_ENTRIES: usize = 32;

/// Verifies a bundle.
///
/// # Errors
/// The command line is incomplete or a file cannot be read; a bundle that does not hold is an answer, not an error.
pub fn verify(args: &VerifyArgs, bundle: &Path, artifact: &Artifact) -> Result<Exit> {
    let bundle_text = read_text(bundle)?;
    let root_text = args.trusted_root.as_deref().map(read_text).transpose()?;
    let who = match (&args.key, &args.certificate_identity, &args.certificate_oidc_issuer) {
        (Some(key), None, None) => Who::Key(read_text(key)?),
        (None, Some(identity), Some(issuer)) => Who::Identity { identity: identity.clone(), issuer: issuer.clone() },
        _ => bail!(
            "say who must have signed: --key FILE, or --certificate-identity NAME with --certificate-oidc-issuer URL"
        ),
    };
    let bytes = match &artifact.path {
        Some(path) => Some(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?),
        None => None,
    };
    let answer =
        check(&bundle_text, artifact, bytes.as_deref(), &who, root_text.as_deref(), args.predicate_type.as_deref());
    let passed = answer.is_ok();
    let (told, predicate_type) = match answer {
        Ok((told, predicate_type)) => (told, predicate_type),
        Err(error) => (vec![format!("{error:#}")], None),
    };
    match args.format {
        Format::Json => anstream::println!(
            "{}",
            serde_json::json!({
                "version": 1,
                "kind": "bundle-verification",
                "artifact": {"name": artifact.shown, "sha256": artifact.digest},
                "bundle": bundle,
                "result": if passed { "PASSED" } else { "FAILED" },
                "predicateType": predicate_type,
                "reasons": told,
            })
        ),
        Format::Text => {
            let outcome = if passed { provost_model::Outcome::Passed } else { provost_model::Outcome::Failed };
            let mut out = format!("{}  {}\n", render::outcome(outcome), render::bold(&printable(&artifact.shown)));
            for line in told {
                out += &format!("  {}\n", printable(&line));
            }
            anstream::print!("{out}");
        }
    }
    Ok(if passed { Exit::Pass } else { Exit::Denied })
}

enum Who {
    Key(String),
    Identity { identity: String, issuer: String },
}

fn check(
    bundle_text: &str,
    artifact: &Artifact,
    bytes: Option<&[u8]>,
    who: &Who,
    root_text: Option<&str>,
    predicate_type: Option<&str>,
) -> Result<(Vec<String>, Option<String>)> {
    // A given root replaces the built-in one; the two are never joined.
    let root_text = root_text.unwrap_or(SIGSTORE_PRODUCTION_TRUSTED_ROOT);
    parse_strict::<Value>("trusted root", root_text.as_bytes())?;
    let root = TrustedRoot::from_json(root_text).context("the trusted root cannot be read")?;
    let known = [
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    ];
    if !known.contains(&root.media_type.as_str()) {
        bail!("the trusted root has the media type `{}`, which is not supported", root.media_type);
    }
    let verifier = Verifier::new(&root).context("the trusted root cannot be used")?;

    let value: Value = parse_strict("bundle", bundle_text.as_bytes())?;
    check_shape(&value)?;
    let mut bundle = Bundle::from_json(bundle_text).context("the bundle cannot be read")?;
    check_certificates(&bundle)?;
    let statement = check_statement(&bundle, artifact, predicate_type)?;
    check_entries(&mut bundle, &root)?;

    let subject = match bytes {
        Some(bytes) => SigstoreArtifact::from_blob(bytes),
        None => SigstoreArtifact::from_digest(Sha256Hash::new(*artifact.digest.as_bytes())),
    };
    let mut told = Vec::new();
    let result = match who {
        Who::Identity { identity, issuer } => {
            if identity.is_empty() || issuer.is_empty() {
                bail!("an empty identity or issuer would match anyone");
            }
            let policy = VerificationPolicy::new(identity.as_str(), issuer.as_str());
            let result = verifier.verify(subject, &bundle, &policy)?;
            let complete = result.certificate_verified()
                && result.sct_verified()
                && result.identity_policy_checked()
                && !result.verified_timestamps().is_empty();
            if !complete {
                bail!("not everything that makes a certificate's signature trustworthy was checked");
            }
            told.push(format!("signed by {identity}, as {issuer} says"));
            result
        }
        Who::Key(pem) => {
            if pem.matches("-----BEGIN").count() != 1 {
                bail!("the key file must hold exactly one PEM block");
            }
            let key = DerPublicKey::from_pem(pem).context("the key cannot be read")?;
            let result = verifier.verify(subject, &bundle, &PublicKeyVerificationPolicy::new(key))?;
            told.push("signed by the given key".into());
            result
        }
    };
    if !result.tlog_verified() {
        bail!("no transparency log was checked");
    }
    told.push("in a transparency log of the trusted root".into());
    if let Some(kind) = &statement {
        told.push(format!("statement of the type {kind}"));
    }
    Ok((told, statement))
}

/// The media type, and exactly one arm of each choice.
fn check_shape(value: &Value) -> Result<()> {
    if !value.get("mediaType").is_some_and(Value::is_string) {
        bail!("the bundle has no media type");
    }
    let one_of = |at: Option<&Value>, arms: &[&str]| {
        arms.iter().filter(|arm| at.and_then(|v| v.get(arm)).is_some_and(|v| !v.is_null())).count() == 1
    };
    if !one_of(Some(value), &["messageSignature", "dsseEnvelope"]) {
        bail!("the bundle must have exactly one of messageSignature and dsseEnvelope");
    }
    if !one_of(value.get("verificationMaterial"), &["certificate", "x509CertificateChain", "publicKey"]) {
        bail!("the bundle must have exactly one of certificate, x509CertificateChain and publicKey");
    }
    Ok(())
}

/// A bundle must not bring trust anchors along.
fn check_certificates(bundle: &Bundle) -> Result<()> {
    let chain: Vec<&[u8]> = match &bundle.verification_material.content {
        VerificationMaterialContent::Certificate(certificate) => vec![certificate.raw_bytes.as_bytes()],
        VerificationMaterialContent::X509CertificateChain { certificates } => {
            certificates.iter().map(|c| c.raw_bytes.as_bytes()).collect()
        }
        VerificationMaterialContent::PublicKey(_) => return Ok(()),
        _ => bail!("the bundle's verification material is of an unknown kind"),
    };
    if chain.is_empty() {
        bail!("the bundle's certificate chain is empty");
    }
    for der in chain {
        if Certificate::from_der(der).context("a certificate of the bundle")?.is_self_issued() {
            bail!("the bundle brings a root certificate along");
        }
    }
    Ok(())
}

/// The statement's type, its predicate's type, and that it speaks of the artifact. Gives the predicate's type.
fn check_statement(bundle: &Bundle, artifact: &Artifact, wanted: Option<&str>) -> Result<Option<String>> {
    let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
        if wanted.is_some() {
            bail!("the bundle signs the artifact itself: it holds no statement of any predicate type");
        }
        return Ok(None);
    };
    let value: Value = parse_strict("statement", envelope.payload.as_bytes())?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    if !matches!(text("_type"), "https://in-toto.io/Statement/v1" | "https://in-toto.io/Statement/v0.1") {
        bail!("the statement's _type is `{}`", text("_type"));
    }
    let found = text("predicateType");
    if found.is_empty() {
        bail!("the statement has no predicate type");
    }
    if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
        bail!("the statement's predicate type is `{found}`, expected `{wanted}`");
    }
    let digest = artifact.digest.to_hex();
    let subjects = value.get("subject").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    // A statement over SHA-512 alone is left to the crate, which computes that digest where it has the bytes.
    let uses_sha256 = subjects.iter().any(|s| s.pointer("/digest/sha256").is_some());
    if uses_sha256
        && !subjects.iter().any(|s| s.pointer("/digest/sha256").and_then(Value::as_str) == Some(digest.as_str()))
    {
        bail!("no subject of the statement has the artifact's digest sha256:{digest}");
    }
    Ok(Some(found.to_owned()))
}

/// Every log entry must bring the evidence that its version asks for, signed by the very log that it names.
fn check_entries(bundle: &mut Bundle, root: &TrustedRoot) -> Result<()> {
    let oldest = bundle.media_type() == MediaType::Bundle0_1;
    let keys = root.rekor_keys().context("the trusted root's log keys")?;
    let material = &mut bundle.verification_material;
    if material.tlog_entries.is_empty() {
        bail!("the bundle has no transparency log entry");
    }
    if material.tlog_entries.len() > MOST_ENTRIES
        || material.timestamp_verification_data.rfc3161_timestamps.len() > MOST_ENTRIES
    {
        bail!("the bundle has more than {MOST_ENTRIES} log entries or timestamps");
    }
    let mut seen = HashSet::new();
    for entry in &mut material.tlog_entries {
        if !seen.insert((entry.log_id.key_id.as_bytes().to_vec(), entry.log_index.as_i64())) {
            bail!("the bundle has the same log entry twice");
        }
        // A v0.1 bundle stands on the log's promise; an inclusion proof without a checkpoint adds nothing to it.
        if oldest
            && entry.inclusion_promise.is_some()
            && entry.inclusion_proof.as_ref().is_some_and(|proof| proof.checkpoint.is_empty())
        {
            entry.inclusion_proof = None;
        }
        let enough = if oldest { entry.inclusion_promise.is_some() } else { entry.inclusion_proof.is_some() };
        if !enough {
            bail!("a log entry lacks the evidence that its version asks for");
        }
        let Some(proof) = &entry.inclusion_proof else { continue };
        let id = Sha256Hash::try_from(entry.log_id.key_id.as_bytes()).context("a log id")?;
        let key = keys.key(&id).context("a log entry is of a log that the trusted root does not name")?;
        let checkpoint = proof.checkpoint.checkpoint().context("an inclusion proof has no checkpoint")?;
        let text = proof.checkpoint.envelope();
        let signed = &text.as_bytes()[..text.find("\n\n").map_or(text.len(), |at| at + 1)];
        let by_its_log = checkpoint
            .signatures()
            .iter()
            .any(|s| s.key_id.as_bytes()[..] == id.as_bytes()[..4] && key.verify(signed, &s.signature).is_ok());
        if !by_its_log {
            bail!("a checkpoint is not signed by the log that its entry names");
        }
    }
    Ok(())
}
