//! Signed attributes (RFC 5652, section 11; RFC 5035).

use provost_model::Timestamp;

use super::ber::{self, Element, Reader};
use super::certificate::Hash;
use super::{CmsLimits, oid};
use crate::Certificate;

/// The attributes that count.
pub(super) struct Attributes<'a> {
    pub(super) content_type: &'a [u8],
    pub(super) message_digest: &'a [u8],
    pub(super) signing_time: Option<Timestamp>,
    signing_certificate: Option<Element<'a>>,
    signing_certificate_v2: Option<Element<'a>>,
}

impl<'a> Attributes<'a> {
    pub(super) fn read(set: &Element<'a>) -> Result<Self, String> {
        let mut all: Vec<(&[u8], Element<'a>)> = Vec::new();
        let mut reader = set.inside();
        while !reader.is_empty() {
            let mut attribute = reader.take(ber::SEQUENCE, "a signed attribute")?.inside();
            let id = attribute.take(ber::OID, "a signed attribute's type")?.content;
            let values = attribute.take(ber::SET, "a signed attribute's values")?;
            attribute.end("a signed attribute")?;
            if all.iter().any(|(other, _)| *other == id) {
                return Err(format!("the signed attribute {} stands there twice", oid::shown(id)));
            }
            if all.len() == CmsLimits::ATTRIBUTES {
                return Err(format!("it has over {} signed attributes", CmsLimits::ATTRIBUTES));
            }
            all.push((id, values));
        }
        let value = |id: &[u8], tag: u8, what: &str| {
            let found = all.iter().find(|(other, _)| *other == id);
            found.map(|(_, values)| ber::only(values.content, tag, what)).transpose()
        };
        let time = all.iter().find(|(id, _)| *id == oid::SIGNING_TIME).map(|(_, values)| signing_time(values));
        Ok(Self {
            content_type: value(oid::CONTENT_TYPE, ber::OID, "the content type")?
                .ok_or("it has no signed content type")?
                .content,
            message_digest: value(oid::MESSAGE_DIGEST, ber::OCTET_STRING, "the message digest")?
                .ok_or("it has no signed message digest")?
                .content,
            signing_time: time.transpose()?,
            signing_certificate: value(oid::SIGNING_CERTIFICATE, ber::SEQUENCE, "the signing certificate")?,
            signing_certificate_v2: value(oid::SIGNING_CERTIFICATE_V2, ber::SEQUENCE, "the signing certificate")?,
        })
    }

    /// Whether the attributes name the signer's certificate by its hash; `false` where they name none.
    ///
    /// # Errors
    /// They name another one.
    pub(super) fn name_certificate(&self, certificate: &Certificate) -> Result<bool, String> {
        let other = || Err("the signed attributes name another certificate than the signer's".to_owned());
        if let Some(value) = &self.signing_certificate_v2 {
            let mut first = first_id(value)?;
            let hash = match first.optional(ber::SEQUENCE, "the hash")? {
                Some(algorithm) => Hash::read(&algorithm)?,
                None => Hash::Sha256,
            };
            if first.take(ber::OCTET_STRING, "the certificate's hash")?.content != hash.of(certificate.der()) {
                return other();
            }
        }
        if let Some(value) = &self.signing_certificate {
            // RFC 2634: SHA-1. It adds to the signature, which binds the key; it never stands alone.
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, certificate.der());
            if first_id(value)?.take(ber::OCTET_STRING, "the certificate's hash")?.content != digest.as_ref() {
                return other();
            }
        }
        Ok(self.signing_certificate.is_some() || self.signing_certificate_v2.is_some())
    }
}

/// The first ESSCertID is the signer's (RFC 5035, section 5.4.1).
fn first_id<'a>(value: &Element<'a>) -> Result<Reader<'a>, String> {
    let list = value.inside().take(ber::SEQUENCE, "the list of certificates")?;
    Ok(list.inside().take(ber::SEQUENCE, "the signing certificate's id")?.inside())
}

fn signing_time(values: &Element<'_>) -> Result<Timestamp, String> {
    let mut reader = values.inside();
    let value = reader.any("the signing time")?;
    reader.end("the signing time")?;
    match value.tag {
        ber::UTC_TIME => {
            // Two digits of the year: 50 to 99 are of the last century (RFC 5652, section 11.3).
            let century = if value.content.first().is_some_and(|digit| *digit >= b'5') { "19" } else { "20" };
            generalized_time(&[century.as_bytes(), value.content].concat())
        }
        ber::GENERALIZED_TIME => generalized_time(value.content),
        tag => Err(format!("the signing time has the tag {tag:#04x}")),
    }
}

/// `YYYYMMDDHHMMSS[.fraction]Z` (RFC 3161, section 2.4.2). What is below a millisecond is left out.
pub(super) fn generalized_time(text: &[u8]) -> Result<Timestamp, String> {
    let wrong = || format!("{:?} is no time in UTC", String::from_utf8_lossy(&text[..text.len().min(40)]));
    let body = text.strip_suffix(b"Z").ok_or_else(wrong)?;
    let (seconds, fraction) = body.split_at_checked(14).ok_or_else(wrong)?;
    let fraction = match fraction {
        [] => &[],
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => digits,
        _ => return Err(wrong()),
    };
    if !seconds.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    let part = |from: usize, to: usize| String::from_utf8_lossy(&seconds[from..to]).into_owned();
    let (date, time) =
        ([part(0, 4), part(4, 6), part(6, 8)].join("-"), [part(8, 10), part(10, 12), part(12, 14)].join(":"));
    let whole: Timestamp = format!("{date}T{time}Z").parse().map_err(|_| wrong())?;
    let milliseconds =
        (0..3).fold(0_i64, |sum, at| sum * 10 + fraction.get(at).map_or(0, |digit| i64::from(digit - b'0')));
    Ok(whole.plus_milliseconds(milliseconds))
}
