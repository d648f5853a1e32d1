//! OpenPGP by the crate `pgp`: it reads packets and does the arithmetic; what counts is decided here.

use std::sync::Arc;

use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{PublicKey, Signature as Packet, SignatureType, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{EcdsaPublicParams, KeyDetails, PublicParams, Tag};
use provost_model::Timestamp;

use super::{OpenPgpLimits, malformed};
use crate::KeyError;

const KEY: &str = "usable OpenPGP key";
const SIGNATURE: &str = "valid OpenPGP signature";

/// A signature may be made so many seconds after the time at which it is judged: clocks differ.
const AHEAD: i64 = 86_400;

#[derive(Clone)]
pub(super) struct Key(Arc<Certificate>);

struct Certificate {
    key: SignedPublicKey,
    fingerprint: String,
    signing: Vec<Signing>,
}

/// A key that signs data.
struct Signing {
    /// Which subkey, or the primary key.
    subkey: Option<usize>,
    fingerprint: String,
    id: String,
    created: i64,
    /// The first second at which it has expired.
    expires: Option<i64>,
}

impl Signing {
    fn new(key: &impl KeyDetails, subkey: Option<usize>, bound_until: Option<i64>, by: &Packet) -> Self {
        let created = i64::from(key.created_at().as_secs());
        // Zero stands for none (RFC 9580 section 5.2.3.13).
        let own = by.key_expiration_time().map(|d| i64::from(d.as_secs())).filter(|seconds| *seconds > 0);
        let own = own.map(|seconds| created + seconds);
        let expires = [own, bound_until].into_iter().flatten().min();
        Self { subkey, fingerprint: fingerprint(key), id: id(key), created, expires }
    }
}

fn fingerprint(key: &impl KeyDetails) -> String {
    hex::encode_upper(key.fingerprint().as_bytes())
}

fn id(key: &impl KeyDetails) -> String {
    key.legacy_key_id().to_string().to_uppercase()
}

/// Digests on which a signature may rest.
fn is_strong(signature: &Packet) -> bool {
    use HashAlgorithm as H;
    matches!(signature.hash_alg(), Some(H::Sha256 | H::Sha384 | H::Sha512 | H::Sha3_256 | H::Sha3_512))
}

/// Kinds and sizes of keys that count.
fn is_sound(key: &impl KeyDetails) -> bool {
    match key.public_params() {
        PublicParams::RSA(_) => {
            let bytes = key.public_params().to_bytes().unwrap_or_default();
            let bits = bytes.first_chunk::<2>().map_or(0, |bits| u16::from_be_bytes(*bits));
            bits >= OpenPgpLimits::RSA_LEAST
        }
        PublicParams::ECDSA(curve) => !matches!(curve, EcdsaPublicParams::Unsupported { .. }),
        PublicParams::EdDSALegacy(_) | PublicParams::Ed25519(_) | PublicParams::Ed448(_) => true,
        _ => false,
    }
}

/// When a signature was made, by its hashed part; `None` where a part that is critical is not understood (section 5.2.3.7), or
/// the time is missing.
fn created(signature: &Packet) -> Option<i64> {
    let mut created = None;
    for part in signature.config()?.hashed_subpackets() {
        match &part.data {
            SubpacketData::SignatureCreationTime(time) => created = Some(i64::from(time.as_secs())),
            SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(_)
                if part.is_critical =>
            {
                return None;
            }
            _ => {}
        }
    }
    created
}

/// The newest of some signatures of a key over itself that count.
fn newest<'s>(signatures: impl Iterator<Item = &'s Packet>, holds: impl Fn(&Packet) -> bool) -> Option<&'s Packet> {
    let counting = signatures.filter(|s| is_strong(s)).filter_map(|s| Some((created(s)?, s)));
    counting.filter(|(_, s)| holds(s)).max_by_key(|(created, _)| *created).map(|(_, s)| s)
}

/// When what a signature says ends, where it has an end of its own.
fn ends(signature: &Packet) -> Option<i64> {
    let lasts = signature.signature_expiration_time().map(|d| i64::from(d.as_secs())).filter(|seconds| *seconds > 0)?;
    Some(created(signature)? + lasts)
}

impl Key {
    pub(super) fn parse(armour: &str) -> Result<Self, KeyError> {
        let wrong = |why: String| malformed(KEY, why);
        if armour.len() > OpenPgpLimits::KEY {
            return Err(KeyError::TooLarge { what: "an OpenPGP key in bytes", limit: OpenPgpLimits::KEY as u64 });
        }
        let (keys, _) = SignedPublicKey::from_string_many(armour.trim_start()).map_err(|e| wrong(e.to_string()))?;
        let mut keys = keys.take(2).collect::<Result<Vec<_>, _>>().map_err(|e| wrong(e.to_string()))?;
        let (Some(key), None) = (keys.pop(), keys.pop()) else {
            return Err(wrong("the text holds no key or several; give each by itself".into()));
        };
        let primary = &key.primary_key;
        let details = &key.details;
        let signatures: usize = details.users.iter().map(|user| user.signatures.len()).sum();
        let parts = [key.public_subkeys.len(), details.users.len(), signatures, details.direct_signatures.len()];
        if parts.into_iter().any(|count| count > OpenPgpLimits::PARTS) {
            return Err(KeyError::TooLarge { what: "parts of an OpenPGP key", limit: OpenPgpLimits::PARTS as u64 });
        }
        if !is_sound(primary) {
            return Err(wrong(
                "its algorithm or size does not count: use RSA from 2048 bits on, ECDSA or EdDSA".into(),
            ));
        }
        if details.revocation_signatures.iter().any(|s| s.verify_key(primary).is_ok()) {
            return Err(wrong("the key is revoked".into()));
        }
        let bound = own_signature(&key).ok_or_else(|| {
            wrong("no signature of its own with SHA-256 or better binds it to a user id: renew it (`gpg --quick-set-expire`)".into())
        })?;
        let own = Signing::new(primary, None, ends(bound), bound);
        let until = own.expires;
        let subkeys = (0..key.public_subkeys.len()).filter_map(|at| subkey(&key, at, until));
        let signing: Vec<Signing> = bound.key_flags().sign().then_some(own).into_iter().chain(subkeys).collect();
        if signing.is_empty() {
            return Err(wrong("neither it nor a subkey of it signs data".into()));
        }
        let fingerprint = fingerprint(primary);
        Ok(Self(Arc::new(Certificate { key, fingerprint, signing })))
    }

    pub(super) fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }
}

/// What the primary key says of itself: directly, or with a user id that is not revoked (section 10.1.5). The newest counts.
fn own_signature(key: &SignedPublicKey) -> Option<&Packet> {
    let primary: &PublicKey = &key.primary_key;
    let direct = newest(key.details.direct_signatures.iter(), |s| {
        s.typ() == Some(SignatureType::Key) && s.verify_key(primary).is_ok()
    });
    let of_users = key.details.users.iter().filter_map(|user| {
        let holds = |s: &Packet| s.verify_certification(primary, Tag::UserId, &user.id).is_ok();
        if user.signatures.iter().any(|s| s.typ() == Some(SignatureType::CertRevocation) && holds(s)) {
            return None;
        }
        newest(user.signatures.iter(), |s| s.is_certification() && holds(s))
    });
    direct.into_iter().chain(of_users).max_by_key(|s| created(s))
}

/// A subkey that signs data: bound by the newest binding, not revoked, and it has signed back (section 5.2.1.9).
fn subkey(key: &SignedPublicKey, at: usize, until: Option<i64>) -> Option<Signing> {
    let primary: &PublicKey = &key.primary_key;
    let one = key.public_subkeys.get(at).filter(|one| is_sound(&one.key))?;
    let holds = |s: &Packet| s.verify_subkey_binding(primary, &one.key).is_ok();
    if one.signatures.iter().any(|s| s.typ() == Some(SignatureType::SubkeyRevocation) && holds(s)) {
        return None;
    }
    let binding = newest(one.signatures.iter(), |s| s.typ() == Some(SignatureType::SubkeyBinding) && holds(s))?;
    if !binding.key_flags().sign() {
        return None;
    }
    let back = binding.embedded_signature().filter(|back| is_strong(back) && created(back).is_some())?;
    back.verify_primary_key_binding(&one.key, primary).ok()?;
    let until = [until, ends(binding)].into_iter().flatten().min();
    Some(Signing::new(&one.key, Some(at), until, binding))
}

#[derive(Clone)]
pub(super) struct Signature {
    packet: Packet,
    /// When it was made, as it says itself.
    made: i64,
}

impl Signature {
    pub(super) fn parse(armour: &[u8]) -> Result<Self, KeyError> {
        let wrong = |why: String| malformed(SIGNATURE, why);
        if armour.len() > OpenPgpLimits::SIGNATURE {
            let limit = OpenPgpLimits::SIGNATURE as u64;
            return Err(KeyError::TooLarge { what: "an OpenPGP signature in bytes", limit });
        }
        let text = std::str::from_utf8(armour).map_err(|e| wrong(e.to_string()))?;
        let (all, _) = DetachedSignature::from_string_many(text).map_err(|e| wrong(e.to_string()))?;
        let mut all = all.take(2).collect::<Result<Vec<_>, _>>().map_err(|e| wrong(e.to_string()))?;
        let (Some(DetachedSignature { signature }), None) = (all.pop(), all.pop()) else {
            return Err(wrong("there is none in it, or several".into()));
        };
        if signature.typ() != Some(SignatureType::Binary) {
            return Err(wrong(format!("it is one of another type ({:?}), not over data", signature.typ())));
        }
        if !is_strong(&signature) {
            let digest = signature.hash_alg().map_or_else(String::new, |digest| digest.to_string());
            return Err(wrong(format!("its digest ({digest}) does not count: SHA-256 or better")));
        }
        let Some(made) = created(&signature) else {
            return Err(wrong("its signed part has no time, or a critical part that is not known here".into()));
        };
        Ok(Self { packet: signature, made })
    }

    pub(super) fn issuer(&self) -> String {
        let fingerprints = self.packet.issuer_fingerprint();
        match (fingerprints.first(), self.packet.issuer_key_id().first()) {
            (Some(fingerprint), _) => hex::encode_upper(fingerprint.as_bytes()),
            (None, Some(id)) => id.to_string().to_uppercase(),
            (None, None) => "a key that it does not name".to_owned(),
        }
    }

    fn signing<'k>(&self, key: &'k Key) -> Option<&'k Signing> {
        let issuer = self.issuer();
        key.0.signing.iter().find(|signing| signing.fingerprint == issuer || signing.id == issuer)
    }

    pub(super) fn names(&self, key: &Key) -> bool {
        self.signing(key).is_some()
    }

    pub(super) fn verify(&self, key: &Key, data: &[u8], at: Timestamp) -> Result<(), KeyError> {
        let wrong = |why: String| Err(malformed(SIGNATURE, why));
        let Some(signing) = self.signing(key) else {
            let (expected, found) = (key.fingerprint().to_owned(), self.issuer());
            return Err(KeyError::OtherKey { expected, found });
        };
        let certificate = &key.0.key;
        let verified = match signing.subkey {
            None => self.packet.verify(&certificate.primary_key, data),
            Some(at) => self.packet.verify(&certificate.public_subkeys[at].key, data),
        };
        verified.map_err(|_| KeyError::BadSignature { key: signing.fingerprint.clone() })?;
        let (made, now) = (self.made, at.seconds());
        if made < signing.created {
            return wrong(format!("it says that it was made before its key {}", signing.fingerprint));
        }
        if made > now + AHEAD {
            return wrong(format!("it says that it will be made at {}", Timestamp::from_seconds(made)));
        }
        if signing.expires.is_some_and(|expires| now >= expires || made >= expires) {
            return wrong(format!("its key {} has expired", signing.fingerprint));
        }
        if ends(&self.packet).is_some_and(|ends| now >= ends) {
            return wrong("it has expired".into());
        }
        Ok(())
    }
}
