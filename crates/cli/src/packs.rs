//! Signed packs: data that verifiers go by, with a version that only grows and an end.
//!
//! ```text
//! provost pack 1
//! <DSSE envelope of an in-toto statement about the content, one line>
//! <content>
//! ```
//!
//! Who can put files before a verifier may keep a pack from it, or put an older one in its place, and nothing else: the
//! newest version of each name and signer is remembered, and a pack that has ended is refused.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use provost_attest::predicate::{PACK, Pack};
use provost_attest::{Envelope, ResourceDescriptor, Statement, TrustedSigner, verify_envelope};
use provost_keys::{PublicKey, Signer};
use provost_model::{Digest, Hasher, Timestamp, printable, sha256};
use serde::{Deserialize, Serialize};

use crate::home::Home;
use crate::{durable, signing};

/// How a pack begins.
const START: &[u8] = b"provost pack 1\n";
/// Bytes of the envelope at most.
const MAXIMUM_ENVELOPE: u64 = 64 << 10;
/// Bytes of the content at most.
const MAXIMUM_CONTENT: u64 = 16 << 30;
/// A clock that is behind by so many days is taken for right.
const MAXIMUM_AHEAD_DAYS: i64 = 1;

/// Days that a pack counts at most: one that never ends protects from nothing.
pub const MAXIMUM_DAYS: u64 = 400;

/// True for a file that begins like a pack.
pub fn is_pack(path: &Path) -> bool {
    let mut start = [0; START.len()];
    let regular = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    regular && File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *START
}

/// Whose packs count: keys in files, else those of `provost db trust`.
///
/// # Errors
/// A key cannot be read; there is none.
pub fn signers(home: &Home, files: &[PathBuf]) -> Result<Vec<PublicKey>> {
    let mut keys = files.iter().map(|file| signing::read_public(file)).collect::<Result<Vec<_>>>()?;
    if files.is_empty() {
        for entry in std::fs::read_dir(home.pack_signers()).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|e| e == "pem") {
                keys.push(signing::read_public(&entry.path())?);
            }
        }
    }
    if keys.is_empty() {
        bail!("nobody's packs are trusted here: give --signer KEY, or keep the key with `provost db trust KEY`");
    }
    Ok(keys)
}

/// Signs the content of a file as a pack. The size is taken from the content.
///
/// # Errors
/// It cannot be read, signed or written, or changes meanwhile.
pub fn create(content: &Path, target: &Path, pack: Pack, signer: &dyn Signer) -> Result<Digest> {
    let read = || File::open(content).with_context(|| format!("cannot read {}", content.display()));
    let (digest, size) = copy(&mut read()?, &mut std::io::sink(), MAXIMUM_CONTENT)?;
    let subject = vec![ResourceDescriptor::named(pack.name.clone(), digest)];
    let statement = Statement::new(subject, PACK, &Pack { size, ..pack })?;
    let envelope = statement.sign(signer)?.to_json();
    durable::replace(target, &mut |file| {
        let mut out = BufWriter::new(file);
        out.write_all(START)?;
        out.write_all(envelope.as_bytes())?;
        out.write_all(b"\n")?;
        let (written, _) = copy(&mut read()?, &mut out, MAXIMUM_CONTENT)?;
        if written != digest {
            bail!("{} was changed while it was read", content.display());
        }
        out.flush()?;
        Ok(())
    })?;
    Ok(digest)
}

/// A pack that someone signed who may, that has not ended; its content is not read yet.
pub struct Opened {
    /// What is said of the content.
    pub pack: Pack,
    /// Of the content.
    pub digest: Digest,
    /// Id of the key that signed it.
    pub signer: Digest,
    content: BufReader<File>,
    path: PathBuf,
}

/// Opens a pack of a kind.
///
/// # Errors
/// It is none, nobody signed it who may, it is of another kind, it has ended.
pub fn open(path: &Path, trusted: &[PublicKey], kind: &str, now: Timestamp) -> Result<Opened> {
    let shown = path.display();
    let mut content = BufReader::new(File::open(path).with_context(|| format!("cannot read {shown}"))?);
    let mut line = Vec::new();
    (&mut content).take(MAXIMUM_ENVELOPE).read_until(b'\n', &mut line)?;
    if line != START {
        bail!("{shown} is no pack of this version");
    }
    line.clear();
    (&mut content).take(MAXIMUM_ENVELOPE).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        bail!("{shown}: its statement is longer than {MAXIMUM_ENVELOPE} bytes, or is cut off");
    }
    let envelope = Envelope::parse(&line).with_context(|| format!("{shown}"))?;
    let signers: Vec<TrustedSigner> = trusted.iter().cloned().map(TrustedSigner::key).collect();
    let verified = verify_envelope(&envelope, &signers, 1)
        .with_context(|| format!("{shown} is not signed by a key whose packs count here, or was changed"))?;
    let statement = verified.value();
    let pack: Pack = statement.predicate_as(PACK).with_context(|| format!("{shown}"))?;
    let ([subject], Some(signer)) = (statement.subject.as_slice(), verified.signers().keys().next()) else {
        bail!("{shown}: its statement is about more than one thing, or about none");
    };
    let digest = subject.sha256().with_context(|| format!("{shown}: its statement names no SHA-256"))?;
    if pack.kind != kind {
        bail!("{shown} is a pack of {}, not of {kind}", printable(&pack.kind));
    }
    if pack.created > now.plus_days(MAXIMUM_AHEAD_DAYS) {
        bail!("{shown} was made on {}: this machine's clock is wrong, or its signer's", day(pack.created));
    }
    if let Some(why) = ended(&pack, now) {
        bail!("{shown}: {why}");
    }
    Ok(Opened { pack, digest, signer: signer.digest(), content, path: path.to_owned() })
}

/// Why a pack does not count any more, if it does not.
pub fn ended(pack: &Pack, now: Timestamp) -> Option<String> {
    (pack.expires <= now).then(|| {
        format!(
            "version {} of the pack `{}` ended on {}: get a newer one. Where there is none for so long, somebody may be \
             keeping it from you",
            pack.version,
            printable(&pack.name),
            day(pack.expires)
        )
    })
}

fn day(time: Timestamp) -> String {
    time.to_string().chars().take(10).collect()
}

impl Opened {
    /// Writes the content to a file.
    ///
    /// # Errors
    /// It is not what the statement is about; nothing is left of it then.
    pub fn unpack(&mut self, target: &Path) -> Result<()> {
        let (shown, size) = (self.path.display().to_string(), self.pack.size.min(MAXIMUM_CONTENT));
        let content = &mut self.content;
        let expected = self.digest;
        durable::replace(target, &mut |file| {
            let mut out = BufWriter::new(file);
            let (digest, read) = copy(content, &mut out, size)?;
            if digest != expected || read != size || content.read(&mut [0])? != 0 {
                bail!("{shown}: the content is not what was signed: it was changed or cut off");
            }
            out.flush()?;
            Ok(())
        })
    }

    /// Refuses a pack older than the newest of the same name and signer that was seen.
    ///
    /// # Errors
    /// It is older, or has other content under the same version.
    pub fn refuse_older(&self, home: &Home) -> Result<()> {
        let path = self.memory(home);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let seen: Seen = serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?;
        let name = printable(&self.pack.name);
        if self.pack.version < seen.version {
            bail!(
                "this is version {} of the pack `{name}`, but {} was seen before: an old pack was put back",
                self.pack.version,
                seen.version
            );
        }
        if self.pack.version == seen.version && self.digest != seen.digest {
            bail!(
                "two packs `{name}` bear the version {}: whoever signs them counts it up with every pack",
                seen.version
            );
        }
        Ok(())
    }

    /// Remembers this version as the newest.
    ///
    /// # Errors
    /// The memory cannot be written: then an older pack could be put back, so that this one must not be used.
    pub fn remember(&self, home: &Home) -> Result<()> {
        let seen = Seen { version: self.pack.version, digest: self.digest };
        write_json(&self.memory(home), &seen).context("the pack's version cannot be remembered: nothing was changed")
    }

    fn memory(&self, home: &Home) -> PathBuf {
        let name = sha256(format!("{}\n{}\n{}", self.signer, self.pack.kind, self.pack.name).as_bytes());
        home.memory_path().join("packs").join(format!("{name}.json"))
    }
}

#[derive(Serialize, Deserialize)]
struct Seen {
    version: u64,
    digest: Digest,
}

/// What is kept beside data that came as a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// What its signer said of it.
    pub pack: Pack,
    /// Id of the signer's key.
    pub signer: Digest,
    /// What the data itself says that it is: other data in its place did not come as that pack.
    pub data: String,
}

impl Origin {
    fn path(data: &Path) -> PathBuf {
        let mut name = data.as_os_str().to_owned();
        name.push(".pack");
        PathBuf::from(name)
    }

    /// Keeps it beside the data.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, data: &Path) -> Result<()> {
        write_json(&Self::path(data), self)
    }

    /// What is kept beside data that names itself so.
    ///
    /// # Errors
    /// It is damaged.
    pub fn of(data: &Path, itself: &str) -> Result<Option<Self>> {
        let path = Self::path(data);
        let Ok(bytes) = std::fs::read(&path) else { return Ok(None) };
        let origin: Self = serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?;
        Ok(Some(origin).filter(|origin| origin.data == itself))
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    let bytes = serde_json::to_vec(value)?;
    durable::replace(path, &mut |file| Ok(file.write_all(&bytes)?))
}

/// Copies at most so many bytes; returns digest and number.
fn copy(from: &mut dyn Read, to: &mut dyn std::io::Write, limit: u64) -> Result<(Digest, u64)> {
    let (mut hasher, mut total) = (Hasher::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    let mut from = from.take(limit);
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok((hasher.finish(), total));
        }
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        total += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use provost_keys::{KeyAlgorithm, PrivateKey};

    use super::*;

    #[test]
    fn packs_end_and_are_of_one_kind() {
        let folder = std::env::temp_dir().join(format!("provost-packs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("folder");
        let (content, path, out) = (folder.join("content"), folder.join("pack"), folder.join("out"));
        std::fs::write(&content, b"what is in it").expect("write");
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
        let now: Timestamp = "2026-03-01T00:00:00Z".parse().expect("time");
        let pack = Pack {
            kind: "advisories".to_owned(),
            name: "n".to_owned(),
            version: 3,
            created: now,
            expires: now.plus_days(2),
            size: 0,
        };
        create(&content, &path, pack, &key).expect("a pack");
        assert!(is_pack(&path) && !is_pack(&content) && !is_pack(&folder));
        let trusted = [key.public_key().clone()];
        let why = |kind: &str, now| open(&path, &trusted, kind, now).err().map(|error| format!("{error:#}"));
        assert_eq!(why("advisories", now.plus_days(1)), None);
        assert!(why("advisories", now.plus_days(2)).expect("ended").contains("ended on 2026-03-03"));
        assert!(why("advisories", now.plus_days(-30)).expect("early").contains("clock"));
        assert!(why("rules", now).expect("kind").contains("not of rules"));
        open(&path, &trusted, "advisories", now).expect("open").unpack(&out).expect("unpack");
        assert_eq!(std::fs::read(&out).expect("read"), b"what is in it");
        let _ = std::fs::remove_dir_all(&folder);
    }
}
