//! X.509 identities (RFC 5280): a signing certificate, its chain to a configured root, and the name in it.
//!
//! Path building, name constraints and critical extensions are rustls-webpki's work; this module reads the
//! subject alternative name and Fulcio's issuer extension, and states what was found.

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use serde::{Deserialize, Serialize};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyUsage, anchor_from_trusted_cert};
use x509_cert::der::{Decode as _, DecodePem as _, Encode as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{SubjectAltName, SubjectKeyIdentifier};

use provost_model::Timestamp;

use crate::{KeyError, Limits, PublicKey};

/// Extended key usage "code signing", 1.3.6.1.5.5.7.3.3, without tag and length.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
/// Fulcio's issuer, version 2: a DER UTF8String (Fulcio `oid-info.md`).
const FULCIO_ISSUER_V2: &str = "1.3.6.1.4.1.57264.1.8";

const ALGORITHMS: &[&dyn rustls_pki_types::SignatureVerificationAlgorithm] = &[
    webpki::aws_lc_rs::ECDSA_P256_SHA256,
    webpki::aws_lc_rs::ECDSA_P256_SHA384,
    webpki::aws_lc_rs::ECDSA_P384_SHA256,
    webpki::aws_lc_rs::ECDSA_P384_SHA384,
    webpki::aws_lc_rs::ED25519,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA384,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA512,
];

/// A name of a certificate's subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectName {
    /// RFC 822 name.
    Email(String),
    /// Uniform resource identifier, e.g. a workflow's.
    Uri(String),
    /// DNS name.
    Dns(String),
}

impl SubjectName {
    /// The name without its kind.
    pub fn text(&self) -> &str {
        match self {
            Self::Email(text) | Self::Uri(text) | Self::Dns(text) => text,
        }
    }
}

/// A parsed certificate. Parsing says nothing about trust.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
}

/// What a certificate says about its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateIdentity {
    /// Subject alternative names.
    pub names: Vec<SubjectName>,
    /// Fulcio's OIDC issuer, when the extension is there.
    pub issuer: Option<String>,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity, inclusive.
    pub not_after: Timestamp,
}

/// A chain that leads to a trusted root. Only [`verify_chain`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedChain {
    key: PublicKey,
    identity: CertificateIdentity,
}

impl VerifiedChain {
    /// The leaf's key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The leaf's identity.
    pub fn identity(&self) -> &CertificateIdentity {
        &self.identity
    }
}

impl Certificate {
    /// From DER.
    ///
    /// # Errors
    /// Not an X.509 certificate, or over 64 KiB.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if der.len() > Limits::KEY_FILE {
            return Err(KeyError::TooLarge { what: "the certificate", limit: Limits::KEY_FILE as u64 });
        }
        x509_cert::Certificate::from_der(der).map_err(|e| KeyError::malformed("X.509 certificate", e))?;
        Ok(Self { der: der.to_vec() })
    }

    /// From a PEM `CERTIFICATE` block.
    ///
    /// # Errors
    /// As [`Certificate::from_der`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        if text.len() > Limits::KEY_FILE {
            return Err(KeyError::TooLarge { what: "the certificate", limit: Limits::KEY_FILE as u64 });
        }
        let parsed = x509_cert::Certificate::from_pem(text.trim())
            .map_err(|e| KeyError::malformed("PEM certificate (`-----BEGIN CERTIFICATE-----`)", e))?;
        let der = parsed.to_der().map_err(|e| KeyError::malformed("X.509 certificate", e))?;
        Ok(Self { der })
    }

    /// All certificates of a PEM file, in its order.
    ///
    /// # Errors
    /// One of them cannot be read, there is none, or there are more than eight.
    pub fn chain_from_pem(text: &str) -> Result<Vec<Self>, KeyError> {
        const END: &str = "-----END CERTIFICATE-----";
        let chain = text
            .split_inclusive(END)
            .filter(|part| part.contains(END))
            .map(|part| Self::from_pem(part.find("-----BEGIN").map_or(part, |at| &part[at..])))
            .collect::<Result<Vec<_>, _>>()?;
        match chain.len() {
            0 => Err(KeyError::malformed("PEM certificate chain", "it holds no certificate")),
            n if n > Limits::CHAIN => {
                Err(KeyError::TooLarge { what: "the certificate chain", limit: Limits::CHAIN as u64 })
            }
            _ => Ok(chain),
        }
    }

    /// The PEM `CERTIFICATE` block, ending in a newline.
    pub fn to_pem(&self) -> String {
        x509_cert::der::pem::encode_string("CERTIFICATE", x509_cert::der::pem::LineEnding::LF, &self.der)
            .unwrap_or_default()
    }

    /// The DER bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The key inside, unverified.
    ///
    /// # Errors
    /// It is neither P-256 nor Ed25519.
    pub fn public_key(&self) -> Result<PublicKey, KeyError> {
        let parsed = self.parsed()?;
        let spki = parsed.tbs_certificate().subject_public_key_info();
        PublicKey::from_der(&spki.to_der().map_err(|e| KeyError::malformed("X.509 certificate", e))?)
    }

    /// True when subject and issuer are the same name, as a root's are.
    pub fn is_self_issued(&self) -> bool {
        self.parsed().is_ok_and(|c| c.tbs_certificate().subject() == c.tbs_certificate().issuer())
    }

    /// The subject key identifier, where there is one.
    pub(crate) fn subject_key_identifier(&self) -> Option<Vec<u8>> {
        let parsed = self.parsed().ok()?;
        let (_, id) = parsed.tbs_certificate().get_extension::<SubjectKeyIdentifier>().ok()??;
        Some(id.0.as_bytes().to_vec())
    }

    fn parsed(&self) -> Result<x509_cert::Certificate, KeyError> {
        x509_cert::Certificate::from_der(&self.der).map_err(|e| KeyError::malformed("X.509 certificate", e))
    }

    /// What the certificate says of its subject, unverified.
    ///
    /// # Errors
    /// A malformed subject alternative name or issuer extension.
    pub fn identity(&self) -> Result<CertificateIdentity, KeyError> {
        let malformed = |e: x509_cert::der::Error| KeyError::malformed("X.509 certificate", e);
        let parsed = self.parsed()?;
        let tbs = parsed.tbs_certificate();
        let mut names = Vec::new();
        if let Some((_, SubjectAltName(general))) = tbs.get_extension::<SubjectAltName>().map_err(malformed)? {
            names.extend(general.iter().filter_map(|name| match name {
                GeneralName::Rfc822Name(text) => Some(SubjectName::Email(text.to_string())),
                GeneralName::UniformResourceIdentifier(text) => Some(SubjectName::Uri(text.to_string())),
                GeneralName::DnsName(text) => Some(SubjectName::Dns(text.to_string())),
                _ => None,
            }));
        }
        let issuer = tbs
            .extensions()
            .and_then(|all| all.iter().find(|e| e.extn_id.to_string() == FULCIO_ISSUER_V2))
            .map(|e| String::from_der(e.extn_value.as_bytes()).map_err(malformed))
            .transpose()?;
        let seconds = |time: x509_cert::time::Time| {
            Timestamp::from_seconds(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
        };
        let validity = tbs.validity();
        Ok(CertificateIdentity {
            names,
            issuer,
            not_before: seconds(validity.not_before),
            not_after: seconds(validity.not_after),
        })
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({} bytes)", self.der.len())
    }
}

/// Verifies a code-signing certificate against configured roots at a point in time (RFC 5280, section 6.1).
///
/// # Errors
/// No path to a root, out of its validity, not for code signing, or a key that we cannot use.
pub fn verify_chain(
    leaf: &Certificate,
    intermediates: &[Certificate],
    roots: &[Certificate],
    at: Timestamp,
) -> Result<VerifiedChain, KeyError> {
    if intermediates.len() > Limits::CHAIN {
        return Err(KeyError::TooLarge { what: "the certificate chain", limit: Limits::CHAIN as u64 });
    }
    verify_path(leaf, intermediates, roots, at, KeyUsage::required(CODE_SIGNING))?;
    Ok(VerifiedChain { key: leaf.public_key()?, identity: leaf.identity()? })
}

/// Verifies that a certificate leads to a root at a point in time, each certificate on the way with the usage.
pub(crate) fn verify_path(
    leaf: &Certificate,
    intermediates: &[Certificate],
    roots: &[Certificate],
    at: Timestamp,
    usage: impl ExtendedKeyUsageValidator,
) -> Result<(), KeyError> {
    if intermediates.len() > Limits::POOL {
        return Err(KeyError::TooLarge { what: "the certificate chain", limit: Limits::POOL as u64 });
    }
    let der = |certificate: &Certificate| CertificateDer::from(certificate.der.clone());
    let root_ders: Vec<_> = roots.iter().map(der).collect();
    let anchors: Vec<TrustAnchor<'_>> = root_ders
        .iter()
        .map(|root| anchor_from_trusted_cert(root).map_err(|e| KeyError::untrusted(format!("a root is unusable: {e}"))))
        .collect::<Result<_, _>>()?;
    let intermediates: Vec<_> = intermediates.iter().map(der).collect();
    let seconds = u64::try_from(at.seconds()).map_err(|_| KeyError::untrusted("the time is before 1970"))?;
    let leaf_der = der(leaf);
    let end_entity =
        EndEntityCert::try_from(&leaf_der).map_err(|e| KeyError::untrusted(format!("it cannot be read: {e}")))?;
    end_entity
        .verify_for_usage(
            ALGORITHMS,
            &anchors,
            &intermediates,
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)),
            usage,
            None,
            None,
        )
        .map_err(|e| KeyError::untrusted(format!("{e} (at {at})")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// A root, a code-signing leaf for `ci@example.test`, and a leaf without that usage; by OpenSSL.
    fn openssl_chain() -> Option<(tempfile::TempDir, String)> {
        let dir = tempfile::tempdir().ok()?;
        let script = r#"
set -e
openssl ecparam -name prime256v1 -genkey -noout -out root.key
openssl req -x509 -new -key root.key -days 3650 -subj /CN=root -out root.pem -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
for usage in codeSigning serverAuth; do
  openssl ecparam -name prime256v1 -genkey -noout -out $usage.key
  openssl req -new -key $usage.key -subj /CN=leaf -out $usage.csr
  printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\nsubjectAltName=email:ci@example.test,URI:https://ci.example.test/job\n1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:https://issuer.example.test\n' $usage > ext
  openssl x509 -req -in $usage.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile ext -out $usage.pem
done"#;
        let done = Command::new("sh").arg("-c").arg(script).current_dir(dir.path()).output().ok()?;
        if !done.status.success() {
            eprintln!("skipped: {}", String::from_utf8_lossy(&done.stderr));
            return None;
        }
        Some((dir, String::new()))
    }

    #[test]
    fn chain_identity_and_time() {
        let Some((dir, _)) = openssl_chain() else { return };
        let read = |name: &str| {
            Certificate::from_pem(&std::fs::read_to_string(dir.path().join(name)).expect("file")).expect("certificate")
        };
        let (root, leaf, other) = (read("root.pem"), read("codeSigning.pem"), read("serverAuth.pem"));
        let identity = leaf.identity().expect("identity");
        let now = identity.not_before.plus_days(1);
        let chain = verify_chain(&leaf, &[], std::slice::from_ref(&root), now).expect("trusted");
        assert_eq!(chain.identity().issuer.as_deref(), Some("https://issuer.example.test"));
        assert!(chain.identity().names.contains(&SubjectName::Email("ci@example.test".into())));
        assert!(chain.identity().names.contains(&SubjectName::Uri("https://ci.example.test/job".into())));
        let roots = [root];
        assert!(verify_chain(&leaf, &[], &roots, identity.not_after.plus_days(1)).is_err(), "expired");
        assert!(verify_chain(&leaf, &[], &roots, identity.not_before.plus_days(-1)).is_err(), "not yet valid");
        assert!(verify_chain(&other, &[], &roots, now).is_err(), "not for code signing");
        assert!(verify_chain(&leaf, &[], &[other], now).is_err(), "another root");
        assert!(verify_chain(&leaf, &[], &[], now).is_err(), "no root");
    }
}
