//! Signed notes (C2SP signed-note v1.0.0): a text, and signature lines by named keys.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{PublicKey, Signer};
use provost_model::{Digest, Hasher};

use crate::{Limits, TlogError};

const WHAT: &str = "signed note";
const KEY: &str = "note verifier key";

/// What a note key signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoteKeyKind {
    /// 0x01: Ed25519 over the note's text.
    Ed25519,
    /// 0x04: a witness's timestamped Ed25519 cosignature (C2SP tlog-cosignature v1).
    CosignatureV1,
}

impl NoteKeyKind {
    fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::CosignatureV1 => 4,
        }
    }
}

/// A verifier key: name, kind and Ed25519 public key; written `name+hash+base64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    kind: NoteKeyKind,
    key: PublicKey,
}

impl NoteKey {
    /// Names a public key.
    ///
    /// # Errors
    /// A name that is empty or holds `+`, a space or a control character; a key that is not Ed25519.
    pub fn new(name: &str, kind: NoteKeyKind, key: PublicKey) -> Result<Self, TlogError> {
        check_name(name).map_err(|why| TlogError::malformed(KEY, why))?;
        if key.ed25519_bytes().is_none() {
            return Err(TlogError::malformed(KEY, "notes are signed with Ed25519 keys only"));
        }
        Ok(Self { name: name.to_owned(), kind, key })
    }

    /// The name; a log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind.
    pub fn kind(&self) -> NoteKeyKind {
        self.kind
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The whole SHA-256 of which a note key id is the first four bytes; Rekor v2 calls it the log id.
    pub fn full_id(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(self.name.as_bytes());
        hasher.update(&[b'\n', self.kind.byte()]);
        hasher.update(&self.key.ed25519_bytes().unwrap_or_default());
        hasher.finish()
    }

    /// The four bytes that signature lines carry.
    pub fn short_id(&self) -> [u8; 4] {
        let id = self.full_id();
        let b = id.as_bytes();
        [b[0], b[1], b[2], b[3]]
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut material = vec![self.kind.byte()];
        material.extend(self.key.ed25519_bytes().unwrap_or_default());
        write!(f, "{}+{}+{}", self.name, hex::encode(self.short_id()), STANDARD.encode(material))
    }
}

impl FromStr for NoteKey {
    type Err = TlogError;

    fn from_str(text: &str) -> Result<Self, TlogError> {
        let bad = |why: &str| TlogError::malformed(KEY, why);
        if text.len() > 4096 {
            return Err(TlogError::TooLarge { what: KEY, limit: 4096 });
        }
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(material)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("expected `name+hash+key`"));
        };
        let material = STANDARD.decode(material).map_err(|_| bad("the key is not base64"))?;
        let (kind, bytes) = match material.split_first() {
            Some((1, bytes)) => (NoteKeyKind::Ed25519, bytes),
            Some((4, bytes)) => (NoteKeyKind::CosignatureV1, bytes),
            Some((other, _)) => return Err(bad(&format!("signature type {other} is not supported"))),
            None => return Err(bad("the key is empty")),
        };
        let key = PublicKey::from_ed25519_bytes(bytes).map_err(|e| bad(&e.to_string()))?;
        let key = Self::new(name, kind, key)?;
        if hex::encode(key.short_id()) != id {
            return Err(bad("the hash does not fit name and key"));
        }
        Ok(key)
    }
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Key name.
    pub name: String,
    /// First four bytes of the key's hash.
    pub key_id: [u8; 4],
    /// What follows the key id.
    pub signature: Vec<u8>,
}

/// A note that is well formed. Being well formed says nothing about trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// Signs a text.
    ///
    /// # Errors
    /// A text that cannot be a note, a key that is not Ed25519, or a signer that fails.
    pub fn sign(text: &str, name: &str, signer: &dyn Signer) -> Result<Self, TlogError> {
        check_text(text)?;
        let key = NoteKey::new(name, NoteKeyKind::Ed25519, signer.public_key().clone())?;
        let signature = signer.sign(text.as_bytes()).map_err(|e| TlogError::Untrusted(e.to_string()))?;
        let signatures = vec![NoteSignature { name: name.to_owned(), key_id: key.short_id(), signature }];
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Reads a note.
    ///
    /// # Errors
    /// Not UTF-8 without control characters, no blank line before the signatures, a malformed signature line.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogError> {
        if bytes.len() > Limits::NOTE {
            return Err(TlogError::TooLarge { what: WHAT, limit: Limits::NOTE as u64 });
        }
        let whole = std::str::from_utf8(bytes).map_err(|e| TlogError::malformed(WHAT, e))?;
        let at =
            whole.rfind("\n\n").ok_or_else(|| TlogError::malformed(WHAT, "no blank line before the signatures"))?;
        let (text, lines) = (&whole[..=at], &whole[at + 2..]);
        check_text(text)?;
        let lines = lines.strip_suffix('\n').ok_or_else(|| TlogError::malformed(WHAT, "the last line has no end"))?;
        let signatures = lines.split('\n').map(str::parse).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > Limits::SIGNATURES {
            return Err(TlogError::TooLarge { what: "the number of signatures", limit: Limits::SIGNATURES as u64 });
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The signed text, its last newline included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signature lines, verified or not.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature line.
    pub fn add(&mut self, signature: NoteSignature) {
        self.signatures.push(signature);
    }

    /// The same without the lines by a key.
    #[must_use]
    pub fn without(&self, key: &NoteKey) -> Self {
        let others = self.signatures.iter().filter(|line| line.name != key.name || line.key_id != key.short_id());
        Self { text: self.text.clone(), signatures: others.cloned().collect() }
    }

    /// Verifies with a key of kind Ed25519. Lines by other keys are ignored; a line by this key that does not
    /// verify makes the note untrusted (C2SP signed-note, "Verifying").
    ///
    /// # Errors
    /// No line by this key, or one that does not verify.
    pub fn verify(&self, key: &NoteKey) -> Result<(), TlogError> {
        let mut seen = false;
        for line in &self.signatures {
            if line.name != key.name || line.key_id != key.short_id() {
                continue;
            }
            key.key
                .verify(self.text.as_bytes(), &line.signature)
                .map_err(|_| TlogError::Untrusted(format!("the signature by {} does not match the text", key.name)))?;
            seen = true;
        }
        if seen { Ok(()) } else { Err(TlogError::Untrusted(format!("there is no signature by {key}"))) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The line, without its end.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.key_id.to_vec();
        bytes.extend(&self.signature);
        write!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.chars().any(|c| c == '+' || c.is_whitespace() || c.is_control()) {
        return Err("a key name is not empty and has no `+`, space or control character");
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), TlogError> {
    if !text.ends_with('\n') {
        return Err(TlogError::malformed(WHAT, "the text does not end in a newline"));
    }
    if let Some(at) = text.bytes().position(|b| b < 0x20 && b != b'\n') {
        return Err(TlogError::malformed(WHAT, format!("control character at byte {at}")));
    }
    Ok(())
}

/// A line, without its end (C2SP signed-note, "Format").
impl FromStr for NoteSignature {
    type Err = TlogError;

    fn from_str(line: &str) -> Result<Self, TlogError> {
        let bad = |why: &str| TlogError::malformed("signature line", why);
        let rest = line.strip_prefix("— ").ok_or_else(|| bad("it does not begin with `— `"))?;
        let (name, signature) = rest.split_once(' ').ok_or_else(|| bad("no signature after the name"))?;
        check_name(name).map_err(bad)?;
        let bytes = STANDARD.decode(signature).map_err(|_| bad("the signature is not base64"))?;
        let (id, signature) = bytes.split_first_chunk::<4>().ok_or_else(|| bad("shorter than a key id"))?;
        if signature.is_empty() {
            return Err(bad("nothing after the key id"));
        }
        Ok(Self { name: name.to_owned(), key_id: *id, signature: signature.to_vec() })
    }
}
