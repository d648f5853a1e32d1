//! Checkpoints (C2SP tlog-checkpoint v1.0.0) and witness cosignatures (C2SP tlog-cosignature v1.0.1).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::Signer;
use provost_model::{Digest, Timestamp};

use crate::note::{Note, NoteKey, NoteKeyKind, NoteSignature};
use crate::{Limits, TlogError};

const WHAT: &str = "checkpoint";

/// The state of a log: its origin, how many entries it has, and the root over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Merkle root over them.
    pub root: Digest,
}

impl Checkpoint {
    /// Reads a checkpoint's text. Extension lines are allowed and carry no meaning here.
    ///
    /// # Errors
    /// Fewer than three lines, a size with leading zeros or over the limit, a root that is not 32 bytes.
    pub fn parse(text: &str) -> Result<Self, TlogError> {
        let bad = |why: &str| TlogError::malformed(WHAT, why);
        let mut lines = text.strip_suffix('\n').ok_or_else(|| bad("it does not end in a newline"))?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(bad("expected the lines origin, size and root"));
        };
        if origin.is_empty() {
            return Err(bad("line 1 (origin) is empty"));
        }
        let size = parse_number(size).ok_or_else(|| bad("line 2 (size) is no decimal number without leading zeros"))?;
        if size > Limits::TREE {
            return Err(TlogError::TooLarge { what: "the tree size", limit: Limits::TREE });
        }
        let root: [u8; 32] = STANDARD
            .decode(root)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| bad("line 3 (root) is not the base64 of 32 bytes"))?;
        if lines.any(str::is_empty) {
            return Err(bad("an extension line is empty"));
        }
        Ok(Self { origin: origin.to_owned(), size, root: Digest::from_bytes(root) })
    }

    /// Signs this checkpoint with the log's key.
    ///
    /// # Errors
    /// As [`Note::sign`].
    pub fn sign(&self, signer: &dyn Signer) -> Result<SignedCheckpoint, TlogError> {
        let note = Note::sign(&self.to_string(), &self.origin, signer)?;
        Ok(SignedCheckpoint { checkpoint: self.clone(), note })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }
}

/// A decimal number as the C2SP texts write it: ASCII digits, no sign, no leading zero.
pub(crate) fn parse_number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// A verified cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness's name.
    pub witness: String,
    /// When it signed.
    pub time: Timestamp,
}

/// A checkpoint with its signatures. Reading one says nothing about trust; [`SignedCheckpoint::verify`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Reads a signed checkpoint.
    ///
    /// # Errors
    /// As [`Note::parse`] and [`Checkpoint::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogError> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { checkpoint, note })
    }

    /// Verifies the log's signature: the key's name must be the origin.
    ///
    /// # Errors
    /// Another origin, or no valid signature by the key.
    pub fn verify(&self, key: &NoteKey) -> Result<&Checkpoint, TlogError> {
        if key.name() != self.checkpoint.origin {
            return Err(TlogError::Untrusted(format!(
                "the checkpoint is of the log `{}`, the key of `{}`",
                self.checkpoint.origin,
                key.name()
            )));
        }
        if key.kind() != NoteKeyKind::Ed25519 {
            return Err(TlogError::Untrusted(format!("{key} is a witness's key, not a log's")));
        }
        self.note.verify(key)?;
        Ok(&self.checkpoint)
    }

    /// Verifies the cosignatures by the given witnesses. Each witness counts once; lines by others are ignored.
    ///
    /// # Errors
    /// A line by one of the witnesses does not verify.
    pub fn cosignatures(&self, witnesses: &[NoteKey]) -> Result<Vec<Cosignature>, TlogError> {
        let mut found: Vec<(Digest, Cosignature)> = Vec::new();
        for key in witnesses.iter().filter(|key| key.kind() == NoteKeyKind::CosignatureV1) {
            for line in self.note.signatures() {
                if line.name != key.name() || line.key_id != key.short_id() {
                    continue;
                }
                let bad = || TlogError::Untrusted(format!("the cosignature by {} does not verify", key.name()));
                let (time, signature) = line.signature.split_first_chunk::<8>().ok_or_else(bad)?;
                let seconds = i64::try_from(u64::from_be_bytes(*time)).map_err(|_| bad())?;
                let message = cosigned_message(seconds, self.note.text());
                key.public_key().verify(message.as_bytes(), signature).map_err(|_| bad())?;
                let identity = key.public_key().id().digest();
                if found.iter().all(|(known, _)| *known != identity) {
                    let time = Timestamp::from_seconds(seconds);
                    found.push((identity, Cosignature { witness: key.name().to_owned(), time }));
                }
            }
        }
        Ok(found.into_iter().map(|(_, cosignature)| cosignature).collect())
    }

    /// The checkpoint, unverified: for display, and to find the log's key.
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Adds a cosignature made by [`cosign`].
    pub fn add(&mut self, signature: NoteSignature) {
        self.note.add(signature);
    }

    /// The same without the lines of a witness.
    #[must_use]
    pub fn without(&self, witness: &NoteKey) -> Self {
        Self { checkpoint: self.checkpoint.clone(), note: self.note.without(witness) }
    }

    /// The note.
    pub fn note(&self) -> &Note {
        &self.note
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// Cosigns a checkpoint as a witness. The caller has verified that it is consistent with all earlier ones.
///
/// # Errors
/// A bad name, a key that is not Ed25519, or a signer that fails.
pub fn cosign(
    checkpoint: &SignedCheckpoint,
    witness: &str,
    at: Timestamp,
    signer: &dyn Signer,
) -> Result<NoteSignature, TlogError> {
    let key = NoteKey::new(witness, NoteKeyKind::CosignatureV1, signer.public_key().clone())?;
    let seconds = at.seconds().max(0);
    let message = cosigned_message(seconds, checkpoint.note.text());
    let mut signature = seconds.to_be_bytes().to_vec();
    signature.extend(signer.sign(message.as_bytes()).map_err(|e| TlogError::Untrusted(e.to_string()))?);
    Ok(NoteSignature { name: witness.to_owned(), key_id: key.short_id(), signature })
}

fn cosigned_message(seconds: i64, text: &str) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}
