//! Timestamps (RFC 3161): a time-stamping authority's word that something was there at a time.

use provost_model::{Digest, Timestamp};

use super::attributes::generalized_time;
use super::ber::{self, Reader};
use super::certificate::{Hash, Purpose, check_chain};
use super::signed::Message;
use super::{CmsLimits, oid};
use crate::{Certificate, KeyError};

const TOKEN: &str = "RFC 3161 timestamp";

/// A token as it was read. It says nothing before it is verified.
#[derive(Clone, PartialEq, Eq)]
pub struct TimestampToken {
    bytes: Vec<u8>,
}

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTime {
    /// The time, to the millisecond.
    pub time: Timestamp,
    /// By how many milliseconds the time may be off, rounded up; `None` where the authority does not say.
    pub accuracy_milliseconds: Option<u64>,
    /// The authority's policy, in dots.
    pub policy: String,
    /// The token's serial number, in hexadecimal digits.
    pub serial: String,
    /// The request's nonce, in hexadecimal digits; whoever asked compares it.
    pub nonce: Option<String>,
    /// The authority's certificate.
    pub authority: Certificate,
}

impl TimestampToken {
    /// From DER: a token, or the response that a time-stamping authority sends.
    ///
    /// # Errors
    /// Neither, a request that was refused, or over the limits.
    pub fn from_der(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() > CmsLimits::MESSAGE {
            return Err(KeyError::TooLarge { what: "the timestamp", limit: CmsLimits::MESSAGE as u64 });
        }
        let malformed = |why: String| KeyError::malformed(TOKEN, why);
        let token = token(bytes).map_err(malformed)?;
        let message = Message::read(token)?;
        Info::read(&message).map_err(malformed)?;
        Ok(Self { bytes: token.to_vec() })
    }

    /// The token's binary form, without the response around it.
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Verifies that the token is over a message, by an authority that leads to one of the roots. Its certificate has to
    /// be valid at the token's own time and be for timestamps alone.
    ///
    /// # Errors
    /// The token is over something else, or its signature or certificate does not hold.
    pub fn verify_message(
        &self,
        message: &[u8],
        more: &[Certificate],
        roots: &[Certificate],
    ) -> Result<VerifiedTime, KeyError> {
        self.verify(|hash| Some(hash.of(message)), more, roots)
    }

    /// As [`TimestampToken::verify_message`], where only the message's SHA-256 is at hand.
    ///
    /// # Errors
    /// As there; also where the token was made over another hash.
    pub fn verify_digest(
        &self,
        digest: &Digest,
        more: &[Certificate],
        roots: &[Certificate],
    ) -> Result<VerifiedTime, KeyError> {
        self.verify(|hash| (hash == Hash::Sha256).then(|| digest.as_bytes().to_vec()), more, roots)
    }

    fn verify(
        &self,
        expected: impl Fn(Hash) -> Option<Vec<u8>>,
        more: &[Certificate],
        roots: &[Certificate],
    ) -> Result<VerifiedTime, KeyError> {
        let malformed = |why: String| KeyError::malformed(TOKEN, why);
        let message = Message::read(&self.bytes)?;
        let info = Info::read(&message).map_err(malformed)?;
        let (authority, _) = message.verify(message.content.unwrap_or_default(), more, true)?;
        check_chain(&authority, &message.others(more), roots, info.time, Purpose::Timestamp)?;
        match expected(info.hash) {
            Some(digest) if digest == info.imprint => {}
            Some(_) => return Err(malformed("it is over something else".into())),
            None => return Err(malformed("it is over another hash than SHA-256: give the message itself".into())),
        }
        Ok(VerifiedTime {
            time: info.time,
            accuracy_milliseconds: info.accuracy_milliseconds,
            policy: oid::shown(info.policy),
            serial: hex::encode(info.serial),
            nonce: info.nonce.map(hex::encode),
            authority,
        })
    }
}

impl std::fmt::Debug for TimestampToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TimestampToken({} bytes, unverified)", self.bytes.len())
    }
}

/// Takes the token out of a response (RFC 3161, section 2.4.2).
fn token(bytes: &[u8]) -> Result<&[u8], String> {
    let mut outer = ber::only(bytes, ber::SEQUENCE, "the timestamp")?.inside();
    if outer.peek() != Some(ber::SEQUENCE) {
        return Ok(bytes);
    }
    let status = outer.take(ber::SEQUENCE, "the status")?;
    let status = ber::small(&status.inside().take(ber::INTEGER, "the status")?, "the status")?;
    // Granted, and granted with changes.
    if status > 1 {
        return Err(format!("the authority refused the request (status {status})"));
    }
    let token = outer.take(ber::SEQUENCE, "the token")?;
    outer.end("the token")?;
    Ok(token.whole)
}

/// TSTInfo (RFC 3161, section 2.4.2).
struct Info<'a> {
    policy: &'a [u8],
    hash: Hash,
    imprint: &'a [u8],
    serial: &'a [u8],
    time: Timestamp,
    accuracy_milliseconds: Option<u64>,
    nonce: Option<&'a [u8]>,
}

impl<'a> Info<'a> {
    fn read(message: &Message<'a>) -> Result<Self, String> {
        if message.content_type != oid::TST_INFO {
            return Err("what it signs is no timestamp".into());
        }
        let content = message.content.ok_or("it holds no content")?;
        let mut info = ber::only(content, ber::SEQUENCE, "the timestamp")?.inside();
        let version = ber::small(&info.take(ber::INTEGER, "the version")?, "the version")?;
        if version != 1 {
            return Err(format!("its version is {version}; only 1 is known"));
        }
        let policy = info.take(ber::OID, "the policy")?.content;
        let mut imprint = info.take(ber::SEQUENCE, "the imprint")?.inside();
        let hash = Hash::read(&imprint.take(ber::SEQUENCE, "the imprint's hash")?)?;
        let digest = imprint.take(ber::OCTET_STRING, "the imprint")?.content;
        imprint.end("the imprint")?;
        let serial = info.take(ber::INTEGER, "the serial number")?.content;
        let time = generalized_time(info.take(ber::GENERALIZED_TIME, "the time")?.content)?;
        let accuracy_milliseconds = match info.optional(ber::SEQUENCE, "the accuracy")? {
            Some(accuracy) => Some(accuracy_of(accuracy.inside())?),
            None => None,
        };
        info.optional(ber::BOOLEAN, "the ordering")?;
        let nonce = info.optional(ber::INTEGER, "the nonce")?.map(|nonce| nonce.content);
        info.optional(ber::context(0), "the authority's name")?;
        if info.optional(ber::context(1), "the extensions")?.is_some() {
            return Err("it has extensions, which are not supported".into());
        }
        info.end("the timestamp")?;
        Ok(Self { policy, hash, imprint: digest, serial, time, accuracy_milliseconds, nonce })
    }
}

fn accuracy_of(mut accuracy: Reader<'_>) -> Result<u64, String> {
    let seconds = accuracy.optional(ber::INTEGER, "the seconds")?.map(|s| ber::small(&s, "the seconds")).transpose()?;
    let mut part = |tag: u8, what: &str| -> Result<u64, String> {
        let value = accuracy.optional(tag, what)?.map(|part| ber::small(&part, what)).transpose()?.unwrap_or(0);
        if value > 999 { Err(format!("{what} are over 999")) } else { Ok(value) }
    };
    let (milliseconds, microseconds) = (part(0x80, "the milliseconds")?, part(0x81, "the microseconds")?);
    accuracy.end("the accuracy")?;
    seconds
        .unwrap_or(0)
        .checked_mul(1000)
        .and_then(|sum| sum.checked_add(milliseconds + microseconds.div_ceil(1000)))
        .ok_or_else(|| "the accuracy is too large".to_owned())
}
