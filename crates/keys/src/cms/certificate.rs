//! What a certificate that signs CMS must be: its key, its chain, its purpose.

use aws_lc_rs::signature as aws;
use webpki::{
    Error, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, KeyUsage as KeyUsages, RequiredEkuNotFoundContext,
};
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage};

use provost_model::Timestamp;

use super::ber::{self, Reader};
use super::oid;
use crate::cert::verify_path;
use crate::{Certificate, KeyError};

/// The hashes in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// From an AlgorithmIdentifier.
    pub(super) fn read(algorithm: &ber::Element<'_>) -> Result<Self, String> {
        match algorithm_oid(algorithm)? {
            oid::SHA256 => Ok(Self::Sha256),
            oid::SHA384 => Ok(Self::Sha384),
            oid::SHA512 => Ok(Self::Sha512),
            other => Err(format!("the hash {} is not allowed; use SHA-256, SHA-384 or SHA-512", oid::shown(other))),
        }
    }

    pub(super) fn of(self, bytes: &[u8]) -> Vec<u8> {
        use sha2::Digest as _;
        match self {
            Self::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Self::Sha384 => sha2::Sha384::digest(bytes).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
        }
    }
}

/// The identifier in an AlgorithmIdentifier.
pub(super) fn algorithm_oid<'a>(algorithm: &ber::Element<'a>) -> Result<&'a [u8], String> {
    Ok(algorithm.inside().take(ber::OID, "an algorithm")?.content)
}

/// What is needed of a certificate, as it stands in its bytes.
pub(super) struct Parts<'a> {
    /// INTEGER, without tag and length.
    pub(super) serial: &'a [u8],
    /// Name, whole.
    pub(super) issuer: &'a [u8],
    key_algorithm: &'a [u8],
    curve: Option<&'a [u8]>,
    key: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(super) fn read(certificate: &'a Certificate) -> Result<Self, String> {
        let whole = ber::only(certificate.der(), ber::SEQUENCE, "the certificate")?;
        let mut body = whole.inside().take(ber::SEQUENCE, "the certificate's body")?.inside();
        body.optional(ber::context(0), "the version")?;
        let serial = body.take(ber::INTEGER, "the serial number")?.content;
        body.take(ber::SEQUENCE, "the algorithm")?;
        let issuer = body.take(ber::SEQUENCE, "the issuer")?.whole;
        body.take(ber::SEQUENCE, "the validity")?;
        body.take(ber::SEQUENCE, "the subject")?;
        let mut key_info = body.take(ber::SEQUENCE, "the key")?.inside();
        let mut algorithm = key_info.take(ber::SEQUENCE, "the key's algorithm")?.inside();
        let key_algorithm = algorithm.take(ber::OID, "the key's algorithm")?.content;
        let curve = algorithm.optional(ber::OID, "the curve")?.map(|curve| curve.content);
        let key = match key_info.take(0x03, "the key's bits")?.content {
            [0, key @ ..] => key,
            _ => return Err("the key's bits are no whole bytes".into()),
        };
        Ok(Self { serial, issuer, key_algorithm, curve, key })
    }

    /// Whether a signature over a message is by the certificate's key.
    ///
    /// # Errors
    /// An algorithm that is not supported, or does not fit the key and the hash.
    pub(super) fn verify(
        &self,
        signature_algorithm: &ber::Element<'_>,
        hash: Hash,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, String> {
        let claimed = algorithm_oid(signature_algorithm)?;
        let algorithm = self.algorithm(claimed, hash)?;
        Ok(aws::UnparsedPublicKey::new(algorithm, self.key).verify(message, signature).is_ok())
    }

    fn algorithm(&self, claimed: &[u8], hash: Hash) -> Result<&'static dyn aws::VerificationAlgorithm, String> {
        let fits = match self.key_algorithm {
            oid::RSA => match hash {
                Hash::Sha256 => [oid::RSA, oid::RSA_SHA256],
                Hash::Sha384 => [oid::RSA, oid::RSA_SHA384],
                Hash::Sha512 => [oid::RSA, oid::RSA_SHA512],
            },
            oid::EC_KEY => match hash {
                Hash::Sha256 => [oid::ECDSA_SHA256; 2],
                Hash::Sha384 => [oid::ECDSA_SHA384; 2],
                Hash::Sha512 => [oid::ECDSA_SHA512; 2],
            },
            _ => [oid::ED25519; 2],
        };
        if !fits.contains(&claimed) {
            let shown = oid::shown(claimed);
            return Err(format!("the signature algorithm {shown} does not fit the certificate's key and the hash"));
        }
        Ok(match (self.key_algorithm, self.curve, hash) {
            (oid::RSA, None, Hash::Sha256) => &aws::RSA_PKCS1_2048_8192_SHA256,
            (oid::RSA, None, Hash::Sha384) => &aws::RSA_PKCS1_2048_8192_SHA384,
            (oid::RSA, None, Hash::Sha512) => &aws::RSA_PKCS1_2048_8192_SHA512,
            (oid::EC_KEY, Some(oid::P256), Hash::Sha256) => &aws::ECDSA_P256_SHA256_ASN1,
            (oid::EC_KEY, Some(oid::P256), Hash::Sha384) => &aws::ECDSA_P256_SHA384_ASN1,
            (oid::EC_KEY, Some(oid::P256), Hash::Sha512) => &aws::ECDSA_P256_SHA512_ASN1,
            (oid::EC_KEY, Some(oid::P384), Hash::Sha256) => &aws::ECDSA_P384_SHA256_ASN1,
            (oid::EC_KEY, Some(oid::P384), Hash::Sha384) => &aws::ECDSA_P384_SHA384_ASN1,
            (oid::EC_KEY, Some(oid::P384), Hash::Sha512) => &aws::ECDSA_P384_SHA512_ASN1,
            (oid::ED25519, None, _) => &aws::ED25519,
            _ => {
                let algorithm = oid::shown(self.curve.unwrap_or(self.key_algorithm));
                return Err(format!("the key's algorithm {algorithm} is not supported"));
            }
        })
    }
}

/// What a certificate has to be good for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// Signing documents: e-mail protection or code signing, where it names purposes.
    Document,
    /// Timestamps, and nothing else (RFC 3161, section 2.3).
    Timestamp,
}

impl Purpose {
    fn allowed(self) -> &'static [KeyPurposeId<'static>] {
        const DOCUMENT: &[KeyPurposeId<'static>] =
            &[KeyPurposeId::new(oid::EMAIL_PROTECTION), KeyPurposeId::new(oid::CODE_SIGNING)];
        const TIMESTAMP: &[KeyPurposeId<'static>] = &[KeyPurposeId::new(oid::TIME_STAMPING)];
        match self {
            Self::Document => DOCUMENT,
            Self::Timestamp => TIMESTAMP,
        }
    }
}

/// For each certificate of the path; the leaf's own rules are in [`check_chain`].
impl ExtendedKeyUsageValidator for Purpose {
    fn validate(&self, iter: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut present = Vec::new();
        for id in iter {
            let id = id?;
            if self.allowed().contains(&id) {
                return Ok(());
            }
            present.push(id.to_decoded_oid());
        }
        if present.is_empty() {
            return Ok(());
        }
        let required = match self {
            Self::Document => KeyUsages::required(oid::EMAIL_PROTECTION),
            Self::Timestamp => KeyUsages::required(oid::TIME_STAMPING),
        };
        Err(Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext { required, present }))
    }
}

/// Verifies that a certificate leads to a root at a time and may be used for a purpose.
pub(super) fn check_chain(
    leaf: &Certificate,
    intermediates: &[Certificate],
    roots: &[Certificate],
    at: Timestamp,
    purpose: Purpose,
) -> Result<(), KeyError> {
    verify_path(leaf, intermediates, roots, at, purpose)?;
    let malformed = |e: x509_cert::der::Error| KeyError::malformed("X.509 certificate", e);
    let parsed = x509_cert::Certificate::from_der(leaf.der()).map_err(malformed)?;
    let body = parsed.tbs_certificate();
    if let Some((_, usage)) = body.get_extension::<KeyUsage>().map_err(malformed)?
        && !usage.digital_signature()
        && !usage.non_repudiation()
    {
        return Err(KeyError::untrusted("its key usage does not allow signatures"));
    }
    if matches!(purpose, Purpose::Timestamp) {
        let alone = body.get_extension::<ExtendedKeyUsage>().map_err(malformed)?.is_some_and(|(critical, usage)| {
            critical && usage.0.len() == 1 && usage.0.iter().all(|id| id.as_bytes() == oid::TIME_STAMPING)
        });
        if !alone {
            return Err(KeyError::untrusted(
                "a time-stamping certificate has to have the critical extended key usage timeStamping and no other",
            ));
        }
    }
    Ok(())
}

/// The certificates of a CMS message.
pub(super) fn certificates(set: &ber::Element<'_>) -> Result<Vec<Certificate>, String> {
    let mut reader: Reader<'_> = set.inside();
    let mut found = Vec::new();
    while !reader.is_empty() {
        if found.len() == super::CmsLimits::CERTIFICATES {
            return Err(format!("it holds over {} certificates", super::CmsLimits::CERTIFICATES));
        }
        let element = reader.take(ber::SEQUENCE, "a certificate")?;
        found.push(Certificate::from_der(element.whole).map_err(|e| e.to_string())?);
    }
    Ok(found)
}
