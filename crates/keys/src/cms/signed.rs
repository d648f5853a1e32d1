//! SignedData (RFC 5652, section 5) with one signer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_model::Timestamp;

use super::attributes::Attributes;
use super::ber::{self, Element, Reader};
use super::certificate::{Hash, Parts, Purpose, certificates, check_chain};
use super::{CmsLimits, oid};
use crate::{Certificate, CertificateIdentity, KeyError};

pub(super) const SIGNATURE: &str = "CMS signature";
/// PEM labels: git's and gpgsm's, RFC 7468's, and the old one.
const LABELS: [&str; 3] = ["SIGNED MESSAGE", "CMS", "PKCS7"];

/// A detached signature as it was read. It says nothing before [`CmsSignature::verify`].
#[derive(Clone, PartialEq, Eq)]
pub struct CmsSignature {
    bytes: Vec<u8>,
}

/// Who signed, after verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CmsSigner {
    /// The signer's certificate.
    pub certificate: Certificate,
    /// What it says of its subject.
    pub identity: CertificateIdentity,
    /// When the signer says that the signature was made; nobody else vouches for it.
    pub signing_time: Option<Timestamp>,
}

impl CmsSignature {
    /// From a PEM block `SIGNED MESSAGE` (git and gpgsm), `CMS` or `PKCS7`. Blank space may stand around it.
    ///
    /// # Errors
    /// No such block, or as [`CmsSignature::from_der`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() > CmsLimits::MESSAGE * 2 {
            return Err(KeyError::TooLarge { what: "the CMS signature", limit: CmsLimits::MESSAGE as u64 * 2 });
        }
        let text = text.trim_ascii();
        let body = LABELS
            .iter()
            .find_map(|label| {
                text.strip_prefix(&format!("-----BEGIN {label}-----"))?.strip_suffix(&format!("-----END {label}-----"))
            })
            .ok_or_else(|| KeyError::malformed(SIGNATURE, "it is no PEM block `SIGNED MESSAGE`, `CMS` or `PKCS7`"))?;
        let data: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes =
            STANDARD.decode(data).map_err(|e| KeyError::malformed(SIGNATURE, format!("its base64 is wrong: {e}")))?;
        Self::from_der(&bytes)
    }

    /// From the binary form: DER, or BER with indefinite lengths.
    ///
    /// # Errors
    /// No SignedData, not detached, more than one signer, an algorithm that is not allowed, or over the limits.
    pub fn from_der(bytes: &[u8]) -> Result<Self, KeyError> {
        let message = Message::read(bytes)?;
        if message.content_type != oid::DATA || message.content.is_some() {
            return Err(KeyError::malformed(SIGNATURE, "it is not a detached signature over data"));
        }
        Ok(Self { bytes: bytes.to_vec() })
    }

    /// The binary form.
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Verifies the signature over a message, and the signer's certificate at a point in time. Where the certificate
    /// names purposes, code signing or e-mail protection has to be among them.
    ///
    /// `more` are certificates that the signature may lack: the signer's own, intermediates.
    ///
    /// # Errors
    /// The signature does not match, the signer's certificate is not there, or no root is at the end of its chain.
    pub fn verify(
        &self,
        message: &[u8],
        more: &[Certificate],
        roots: &[Certificate],
        at: Timestamp,
    ) -> Result<CmsSigner, KeyError> {
        let parts = Message::read(&self.bytes)?;
        let (certificate, signing_time) = parts.verify(message, more, false)?;
        check_chain(&certificate, &parts.others(more), roots, at, Purpose::Document)?;
        let identity = certificate.identity()?;
        Ok(CmsSigner { certificate, identity, signing_time })
    }
}

impl std::fmt::Debug for CmsSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CmsSignature({} bytes, unverified)", self.bytes.len())
    }
}

/// How the signer's certificate is named.
enum SignerName<'a> {
    /// Issuer and serial number.
    Issuer(&'a [u8], &'a [u8]),
    /// Subject key identifier.
    Key(&'a [u8]),
}

/// SignedData, taken apart.
pub(super) struct Message<'a> {
    pub(super) content_type: &'a [u8],
    pub(super) content: Option<&'a [u8]>,
    certificates: Vec<Certificate>,
    signer: SignerName<'a>,
    hash: Hash,
    attributes: Element<'a>,
    algorithm: Element<'a>,
    signature: &'a [u8],
}

impl<'a> Message<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, KeyError> {
        if bytes.len() > CmsLimits::MESSAGE {
            return Err(KeyError::TooLarge { what: "the CMS message", limit: CmsLimits::MESSAGE as u64 });
        }
        Self::parts(bytes).map_err(|why| KeyError::malformed(SIGNATURE, why))
    }

    fn parts(bytes: &'a [u8]) -> Result<Self, String> {
        let mut info = ber::only(bytes, ber::SEQUENCE, "the message")?.inside();
        if info.take(ber::OID, "the message's type")?.content != oid::SIGNED_DATA {
            return Err("it is no SignedData".into());
        }
        let explicit = info.take(ber::context(0), "the SignedData")?;
        info.end("the SignedData")?;
        let mut data = ber::only(explicit.content, ber::SEQUENCE, "the SignedData")?.inside();
        data.take(ber::INTEGER, "the version")?;
        data.take(ber::SET, "the digest algorithms")?;
        let mut encapsulated = data.take(ber::SEQUENCE, "the content")?.inside();
        let content_type = encapsulated.take(ber::OID, "the content type")?.content;
        let content = match encapsulated.optional(ber::context(0), "the content")? {
            Some(explicit) => Some(ber::only(explicit.content, ber::OCTET_STRING, "the content")?.content),
            None => None,
        };
        encapsulated.end("the content")?;
        let certificates = match data.optional(ber::context(0), "the certificates")? {
            Some(set) => certificates(&set)?,
            None => Vec::new(),
        };
        data.optional(ber::context(1), "the revocation lists")?;
        let signers = data.take(ber::SET, "the signers")?;
        data.end("the signers")?;
        let mut signers = signers.inside();
        let signer = signers.take(ber::SEQUENCE, "the signer")?;
        if !signers.is_empty() {
            return Err("it has more than one signer".into());
        }
        Self::signer(signer.inside(), content_type, content, certificates)
    }

    fn signer(
        mut info: Reader<'a>,
        content_type: &'a [u8],
        content: Option<&'a [u8]>,
        certificates: Vec<Certificate>,
    ) -> Result<Self, String> {
        info.take(ber::INTEGER, "the signer's version")?;
        let signer = if let Some(key) = info.optional(0x80, "the signer's key identifier")? {
            SignerName::Key(key.content)
        } else {
            let mut name = info.take(ber::SEQUENCE, "the signer's name")?.inside();
            let issuer = name.take(ber::SEQUENCE, "the issuer")?.whole;
            let serial = name.take(ber::INTEGER, "the serial number")?.content;
            name.end("the signer's name")?;
            SignerName::Issuer(issuer, serial)
        };
        let hash = Hash::read(&info.take(ber::SEQUENCE, "the hash")?)?;
        // Without them a signature over attributes could pass for one over data (RFC 5652, section 14).
        let attributes = info
            .optional(ber::context(0), "the signed attributes")?
            .ok_or("it has no signed attributes, and these are needed")?;
        if !attributes.definite {
            return Err("the signed attributes are not in DER".into());
        }
        let algorithm = info.take(ber::SEQUENCE, "the signature algorithm")?;
        let signature = info.take(ber::OCTET_STRING, "the signature")?.content;
        info.optional(ber::context(1), "the unsigned attributes")?;
        info.end("the signer")?;
        Ok(Self { content_type, content, certificates, signer, hash, attributes, algorithm, signature })
    }

    /// All certificates that may be between the signer's and a root.
    pub(super) fn others(&self, more: &[Certificate]) -> Vec<Certificate> {
        self.certificates.iter().chain(more).cloned().collect()
    }

    /// Verifies the signature over the content; gives the signer's certificate, whose chain is not yet looked at.
    pub(super) fn verify(
        &self,
        content: &[u8],
        more: &[Certificate],
        named: bool,
    ) -> Result<(Certificate, Option<Timestamp>), KeyError> {
        let malformed = |why: String| KeyError::malformed(SIGNATURE, why);
        let attributes = Attributes::read(&self.attributes).map_err(malformed)?;
        if attributes.content_type != self.content_type {
            return Err(malformed("the signed content type is not the message's".into()));
        }
        let certificate = self.certificate(more).map_err(KeyError::untrusted)?;
        let bad = || KeyError::BadSignature { key: provost_model::sha256(certificate.der()).to_string() };
        if attributes.message_digest != self.hash.of(content) {
            return Err(bad());
        }
        // What is signed is the SET OF itself, not its tag in the message (RFC 5652, section 5.4).
        let mut signed = self.attributes.whole.to_vec();
        if let Some(tag) = signed.first_mut() {
            *tag = ber::SET;
        }
        let parts = Parts::read(certificate).map_err(malformed)?;
        if !parts.verify(&self.algorithm, self.hash, &signed, self.signature).map_err(malformed)? {
            return Err(bad());
        }
        let is_named = attributes.name_certificate(certificate).map_err(malformed)?;
        if named && !is_named {
            return Err(malformed("it does not name the signer's certificate in its signed attributes".into()));
        }
        Ok((certificate.clone(), attributes.signing_time))
    }

    fn certificate<'b>(&'b self, more: &'b [Certificate]) -> Result<&'b Certificate, String> {
        self.certificates
            .iter()
            .chain(more)
            .find(|certificate| match &self.signer {
                SignerName::Issuer(issuer, serial) => {
                    Parts::read(certificate).is_ok_and(|parts| parts.issuer == *issuer && parts.serial == *serial)
                }
                SignerName::Key(key) => certificate.subject_key_identifier().is_some_and(|found| found == *key),
            })
            .ok_or_else(|| "the signer's certificate is not at hand".to_owned())
    }
}
