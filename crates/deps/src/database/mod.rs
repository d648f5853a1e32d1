//! The advisory database: one file that is instant to open. Nothing but its header and an index of buckets is read at
//! first; a package costs two reads.
//!
//! ```text
//! magic            16 bytes  "provost advdb 1\n"
//! header offset     8 bytes  little-endian, as all numbers here
//! header length     8 bytes
//! bodies            advisories in the OSV format, each deflated
//! groups            all records of one package, JSON
//! entries           24 bytes each: hash of ecosystem and name, offset, length; by hash
//! buckets           65,537 × 4 bytes: number of entries whose hash begins with less than these 16 bits
//! ids               20 bytes each: hash of an id or alias, offset of the body, length; by hash
//! epss              16 bytes each: hash of the CVE id, score, percentile (f32); by hash
//! exploited         12 bytes each: hash of the CVE id, day as yyyymmdd; by hash
//! releases         24 bytes each: hash of ecosystem, name and version in 16, seconds since 1970 when it was published; by hash
//! header            JSON: what it was made from, and where the sections lie
//! ```

mod build;
mod record;
mod releases;
mod sources;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use provost_formats::osv::Advisory;
use provost_model::Timestamp;
use serde::{Deserialize, Serialize};

pub use build::{Builder, Imported};
use record::{Group, hash};
pub use record::{Kind, Record, Symbols, lookup_name};
pub use sources::What;

const MAGIC: &[u8; 16] = b"provost advdb 1\n";
const BUCKETS: usize = 1 << 16;
const ENTRY: usize = 24;
const ID: usize = 20;
const EPSS: usize = 16;
const EXPLOITED: usize = 12;
const RELEASE: usize = 24;

/// Records of more bytes than these are kept once they are read, for so many packages: a document may name one package in
/// thousands of versions.
const KEPT_FROM: u64 = 32 << 10;
const KEPT: usize = 32;

/// Bytes of all records of one package that are read at most.
const MAXIMUM_GROUP: u64 = 256 << 20;

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is no advisory database, or it is damaged.
    #[error("{path} is no sound advisory database: {why} (`provost db import` makes a new one)")]
    Broken {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What was to be imported is not of a known form.
    #[error("{name}: {why}")]
    Source {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
}

/// Part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Section {
    offset: u64,
    length: u64,
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceInfo {
    /// Name of the file, or the address.
    pub name: String,
    /// SHA-256 of what was imported.
    pub sha256: String,
    /// When it was imported.
    pub imported: Timestamp,
    /// What the data is as of: when it was fetched from where it is published, or else the newest change that it holds.
    pub as_of: Timestamp,
    /// How many advisories it brought.
    pub advisories: u64,
}

/// What the database knows of one ecosystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EcosystemInfo {
    /// Packages with an advisory.
    pub packages: u64,
    /// Records: advisories counted once a package.
    pub records: u64,
    /// What its data is as of.
    pub as_of: Timestamp,
}

/// An advisory that is not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Which: the source's name and the member's.
    pub name: String,
    /// Why.
    pub why: String,
}

/// What is known of when versions were published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleasesInfo {
    /// Versions with a date.
    pub versions: u64,
    /// When the last of them were imported.
    pub imported: Timestamp,
}

/// What the database is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// When it was last changed.
    pub created: Timestamp,
    /// Its imports, oldest first.
    pub sources: Vec<SourceInfo>,
    /// Its ecosystems by the name that OSV gives them.
    pub ecosystems: BTreeMap<String, EcosystemInfo>,
    /// Advisories that are in force.
    pub advisories: u64,
    /// Advisories that were withdrawn.
    pub withdrawn: u64,
    /// Advisories that could not be read; the first [`Builder::QUARANTINED`] of them.
    pub quarantined: Vec<Quarantined>,
    /// How many could not be read.
    pub quarantined_count: u64,
    /// Day of the EPSS scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss: Option<String>,
    /// Version of the list of exploited vulnerabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploited: Option<String>,
    /// What is known of when versions were published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releases: Option<ReleasesInfo>,
    /// SHA-256 over the sections: two databases with this digest give the same answers.
    pub digest: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    info: Info,
    groups: Section,
    bodies: Section,
    entries: Section,
    buckets: Section,
    ids: Section,
    epss: Section,
    exploited: Section,
    /// Databases of before have none.
    #[serde(default)]
    releases: Section,
}

/// How probable it is that a vulnerability is exploited within 30 days (FIRST EPSS).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epss {
    /// Probability, 0 to 1.
    pub score: f32,
    /// Share of all vulnerabilities with this score or less, 0 to 1.
    pub percentile: f32,
}

/// The records of a package.
#[derive(Debug, Clone, Default)]
pub struct Records(Option<Arc<Group>>);

impl std::ops::Deref for Records {
    type Target = [Record];

    fn deref(&self) -> &[Record] {
        self.0.as_deref().map_or(&[], |group| &group.records)
    }
}

/// An open database.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    file: File,
    header: Header,
    buckets: Vec<u8>,
    /// Long lists of records, by where they lie.
    kept: Mutex<HashMap<u64, Arc<Group>>>,
}

impl Database {
    /// Opens a database.
    ///
    /// # Errors
    /// The file cannot be read, or is no sound database.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let io = |error| DatabaseError::Io { path: path.to_owned(), error };
        let broken = |why: &str| DatabaseError::Broken { path: path.to_owned(), why: why.to_owned() };
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let mut start = [0; 32];
        file.read_exact(&mut start).map_err(|_| broken("it is too short"))?;
        if &start[..16] != MAGIC {
            return Err(broken("it does not begin like one, or is of another version"));
        }
        let header = Section { offset: number(&start[16..24]), length: number(&start[24..32]) };
        if header.length > 64 << 20 || header.offset.checked_add(header.length) != Some(size) {
            return Err(broken("it is cut off"));
        }
        let bytes = read(&file, header).map_err(io)?;
        let header: Header = serde_json::from_slice(&bytes).map_err(|e| broken(&e.to_string()))?;
        let sections = [
            header.groups,
            header.bodies,
            header.entries,
            header.buckets,
            header.ids,
            header.epss,
            header.exploited,
            header.releases,
        ];
        if sections.iter().any(|section| section.offset.checked_add(section.length).is_none_or(|end| end > size))
            || header.buckets.length != (BUCKETS as u64 + 1) * 4
        {
            return Err(broken("its sections do not fit"));
        }
        let buckets = read(&file, header.buckets).map_err(io)?;
        Ok(Self { path: path.to_owned(), file, header, buckets, kept: Mutex::default() })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is made from.
    pub fn info(&self) -> &Info {
        &self.header.info
    }

    /// True when it has advisories of an ecosystem, named as OSV names it. Where it has none, nothing can be said of a
    /// package there.
    pub fn covers(&self, ecosystem: &str) -> bool {
        self.header.info.ecosystems.contains_key(ecosystem)
    }

    /// The records of a package; none where there are no advisories about it.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn lookup(&self, ecosystem: &str, name: &str) -> Result<Records, DatabaseError> {
        let name = lookup_name(ecosystem, name);
        let wanted = hash(&[ecosystem, &name]);
        let bucket = (wanted >> 48) as usize;
        let bound = |index: usize| u64::from(word(&self.buckets[index * 4..index * 4 + 4]));
        let (from, to) = (bound(bucket), bound(bucket + 1));
        let Some(length) = to.checked_sub(from).map(|count| count * ENTRY as u64) else {
            return Err(self.broken("its buckets are out of order"));
        };
        if (to * ENTRY as u64) > self.header.entries.length {
            return Err(self.broken("a bucket lies outside"));
        }
        if length == 0 {
            return Ok(Records(None));
        }
        let entries = self.read(Section { offset: self.header.entries.offset + from * ENTRY as u64, length })?;
        for entry in entries.chunks_exact(ENTRY).filter(|entry| number(&entry[..8]) == wanted) {
            let section = Section { offset: number(&entry[8..16]), length: number(&entry[16..24]) };
            let end = self.header.groups.offset + self.header.groups.length;
            if section.length > MAXIMUM_GROUP || section.offset.checked_add(section.length).is_none_or(|e| e > end) {
                return Err(self.broken("an entry lies outside"));
            }
            let group = self.group(section)?;
            if group.ecosystem == ecosystem && group.name == name {
                return Ok(Records(Some(group)));
            }
        }
        Ok(Records(None))
    }

    fn group(&self, section: Section) -> Result<Arc<Group>, DatabaseError> {
        let kept = || self.kept.lock().unwrap_or_else(|e| e.into_inner());
        if section.length >= KEPT_FROM
            && let Some(group) = kept().get(&section.offset)
        {
            return Ok(Arc::clone(group));
        }
        let bytes = self.read(section)?;
        let group: Arc<Group> = Arc::new(serde_json::from_slice(&bytes).map_err(|e| self.broken(&e.to_string()))?);
        if section.length >= KEPT_FROM {
            let mut kept = kept();
            if kept.len() >= KEPT {
                kept.clear();
            }
            kept.insert(section.offset, Arc::clone(&group));
        }
        Ok(group)
    }

    /// Advisories by their id or an alias.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn advisories(&self, id: &str) -> Result<Vec<Advisory>, DatabaseError> {
        let mut found = Vec::new();
        for at in self.matches(self.header.ids, ID, hash(&[id]))? {
            let section = Section { offset: number(&at[8..16]), length: u64::from(word(&at[16..20])) };
            found.push(self.body(section)?);
        }
        Ok(found)
    }

    fn body(&self, section: Section) -> Result<Advisory, DatabaseError> {
        let bytes = inflate(&self.read(section)?).map_err(|e| self.broken(&e.to_string()))?;
        Advisory::parse(&bytes).map_err(|e| self.broken(&e.to_string()))
    }

    /// The EPSS score of a CVE id.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn epss(&self, cve: &str) -> Result<Option<Epss>, DatabaseError> {
        let float = |bytes: &[u8]| f32::from_bits(word(bytes));
        let found = self.matches(self.header.epss, EPSS, hash(&[cve]))?;
        Ok(found.first().map(|at| Epss { score: float(&at[8..12]), percentile: float(&at[12..16]) }))
    }

    /// The day (`yyyy-mm-dd`) since which a CVE id is known to be exploited.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn exploited(&self, cve: &str) -> Result<Option<String>, DatabaseError> {
        let found = self.matches(self.header.exploited, EXPLOITED, hash(&[cve]))?;
        Ok(found.first().map(|at| {
            let day = word(&at[8..12]);
            format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100)
        }))
    }

    /// When a version was published, where that was imported. The ecosystem is named as OSV names it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn released(&self, ecosystem: &str, name: &str, version: &str) -> Result<Option<Timestamp>, DatabaseError> {
        let (first, second) = releases::key(ecosystem, name, version);
        let found = self.matches(self.header.releases, RELEASE, first)?;
        let same = found.iter().find(|at| number(&at[8..16]) == second);
        Ok(same.map(|at| Timestamp::from_seconds(number(&at[16..24]).cast_signed())))
    }

    /// Elements of a section that is sorted by hash, whose hash is this one.
    fn matches(&self, section: Section, size: usize, wanted: u64) -> Result<Vec<Vec<u8>>, DatabaseError> {
        let count = section.length / size as u64;
        let at = |index: u64| self.read(Section { offset: section.offset + index * size as u64, length: size as u64 });
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if number(&at(middle)?[..8]) < wanted { low = middle + 1 } else { high = middle }
        }
        let mut found = Vec::new();
        while low < count && found.len() < 1000 {
            let element = at(low)?;
            if number(&element[..8]) != wanted {
                break;
            }
            found.push(element);
            low += 1;
        }
        Ok(found)
    }

    fn read(&self, section: Section) -> Result<Vec<u8>, DatabaseError> {
        read(&self.file, section).map_err(|error| DatabaseError::Io { path: self.path.clone(), error })
    }

    fn broken(&self, why: &str) -> DatabaseError {
        DatabaseError::Broken { path: self.path.clone(), why: why.to_owned() }
    }
}

fn read(file: &File, section: Section) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(section.length).map_err(std::io::Error::other)?];
    file.read_exact_at(&mut bytes, section.offset)?;
    Ok(bytes)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

fn inflate(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let limit = provost_formats::osv::MAXIMUM_BYTES as u64 + 1;
    flate2::read::DeflateDecoder::new(bytes).take(limit).read_to_end(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests;
