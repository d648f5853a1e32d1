//! The evidence file, `<artifact>.provost.jsonl`: everything that a consumer needs, in one file. JSON Lines; the order
//! of the lines has no meaning.
//!
//! - Sigstore bundles v0.3: the statements and the signed policy, each with its log proof and checkpoint
//! - bare DSSE envelopes, which are read but have no log proof
//! - consistency proofs, file-list proofs, opened file lists
//! - the trust root as the producer states it: keys only, which count if and only if the consumer trusts their ids

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_attest::{Bundle, Envelope, FileListProof, parse_strict};
use provost_keys::PublicKey;
use provost_model::Digest;
use serde::{Deserialize, Serialize};

const TRUST: &str = "application/vnd.provost.trust.v1+json";
const CONSISTENCY: &str = "application/vnd.provost.consistency.v1+json";
const FILE_PROOF: &str = "application/vnd.provost.file-proof.v1+json";
const FILE_LIST: &str = "application/vnd.provost.file-list.v1+json";

/// An evidence file is at most this long.
const LIMIT: u64 = 256 * 1024 * 1024;
/// Lines of one evidence file.
const LINES: usize = 100_000;

/// A proof that one state of a log continues another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// The log.
    pub origin: String,
    /// The smaller size.
    pub from: u64,
    /// The larger size.
    pub to: u64,
    /// The proof.
    pub hashes: Vec<Digest>,
}

/// What an evidence file holds. Nothing of it is verified.
#[derive(Debug, Clone, Default)]
pub struct EvidenceFile {
    /// Bundles.
    pub bundles: Vec<Bundle>,
    /// Bare envelopes.
    pub envelopes: Vec<Envelope>,
    /// Policy keys that the producer names.
    pub policy_keys: Vec<PublicKey>,
    /// Consistency proofs.
    pub consistency: Vec<Consistency>,
    /// Proofs for single files of long lists.
    pub file_proofs: Vec<FileListProof>,
    /// Blobs of file lists.
    pub file_lists: Vec<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<T> {
    media_type: String,
    #[serde(flatten)]
    content: T,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trust {
    policy_keys: Vec<PublicKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    content: String,
}

impl EvidenceFile {
    /// Reads an evidence file: JSON Lines, or one JSON document (a single bundle or envelope).
    ///
    /// # Errors
    /// It cannot be read, or a line is not what it says; the message names file and line.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = crate::input::read(path, LIMIT)?;
        Self::parse(&bytes).with_context(|| format!("{} is no evidence file", path.display()))
    }

    /// As [`EvidenceFile::read`], from bytes.
    ///
    /// # Errors
    /// A line is not what it says.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut file = Self::default();
        // A document over several lines is one JSON value; JSON Lines are many.
        if serde_json::from_slice::<serde_json::Value>(bytes).is_ok() {
            file.line(bytes)?;
            return Ok(file);
        }
        let mut lines = 0;
        for (i, line) in bytes.split(|b| *b == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            lines += 1;
            if lines > LINES {
                bail!("it has more than {LINES} lines");
            }
            file.line(line).with_context(|| format!("line {}", i + 1))?;
        }
        if lines == 0 {
            bail!("it is empty");
        }
        Ok(file)
    }

    fn line(&mut self, bytes: &[u8]) -> Result<()> {
        let value: serde_json::Value = parse_strict("line", bytes)?;
        match value.get("mediaType").and_then(|m| m.as_str()) {
            Some(TRUST) => {
                self.policy_keys.extend(parse_strict::<Line<Trust>>("trust root", bytes)?.content.policy_keys)
            }
            Some(CONSISTENCY) => {
                self.consistency.push(parse_strict::<Line<Consistency>>("consistency proof", bytes)?.content)
            }
            Some(FILE_PROOF) => {
                self.file_proofs.push(parse_strict::<Line<FileListProof>>("file proof", bytes)?.content)
            }
            Some(FILE_LIST) => {
                let list: Line<List> = parse_strict("file list", bytes)?;
                self.file_lists.push(STANDARD.decode(list.content.content).context("the file list is not base64")?);
            }
            Some(kind) if kind.starts_with("application/vnd.dev.sigstore.bundle") => {
                self.bundles.push(Bundle::parse(bytes)?)
            }
            None if value.get("payloadType").is_some() => self.envelopes.push(Envelope::parse(bytes)?),
            Some(kind) => bail!("the media type `{kind}` is not known here"),
            None => bail!("it is neither a bundle, an envelope, nor a line of provost's"),
        }
        Ok(())
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut lines = Vec::new();
        let put = |lines: &mut Vec<String>, kind: &str, content: serde_json::Value| {
            let mut content = content;
            content["mediaType"] = kind.into();
            lines.push(content.to_string());
        };
        lines.extend(self.bundles.iter().map(Bundle::to_json));
        lines.extend(self.envelopes.iter().map(Envelope::to_json));
        if !self.policy_keys.is_empty() {
            put(&mut lines, TRUST, serde_json::json!({"policyKeys": self.policy_keys}));
        }
        for proof in &self.consistency {
            put(&mut lines, CONSISTENCY, serde_json::to_value(proof).unwrap_or_default());
        }
        for proof in &self.file_proofs {
            put(&mut lines, FILE_PROOF, serde_json::to_value(proof).unwrap_or_default());
        }
        for list in &self.file_lists {
            put(&mut lines, FILE_LIST, serde_json::json!({"content": STANDARD.encode(list)}));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// All envelopes, with or without a log proof.
    pub fn all_envelopes(&self) -> impl Iterator<Item = &Envelope> {
        self.bundles.iter().map(Bundle::envelope).chain(&self.envelopes)
    }

    /// The consistency proof between two sizes of a log, if there is one.
    pub fn consistency(&self, origin: &str, from: u64, to: u64) -> Option<Vec<Digest>> {
        self.consistency.iter().find(|c| c.origin == origin && c.from == from && c.to == to).map(|c| c.hashes.clone())
    }
}

/// Where an artifact's evidence file lies.
pub fn beside(artifact: &Path) -> std::path::PathBuf {
    let mut name = artifact.file_name().unwrap_or_default().to_os_string();
    name.push(".provost.jsonl");
    artifact.with_file_name(name)
}
