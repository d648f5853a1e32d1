//! Making a database: advisories in, one file out. What cannot be read is set aside and reported; nothing else suffers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use provost_formats::osv::{self, Advisory, RangeKind};
use provost_formats::{rustsec, version};
use provost_model::{Hasher, Timestamp};

use super::record::{Group, Record, hash, lookup_name};
use super::{
    BUCKETS, Database, DatabaseError, EcosystemInfo, Header, Info, MAGIC, Quarantined, Section, SourceInfo, inflate,
};
use crate::ecosystem::order_of;
use crate::git::{GIT, repository_name};

/// What an import brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Advisories that are new.
    pub new: u64,
    /// Advisories that replace an older form.
    pub changed: u64,
    /// Advisories that were there already, as new or newer.
    pub known: u64,
    /// Advisories that could not be read.
    pub quarantined: u64,
}

impl Imported {
    /// All of them that could be read.
    pub fn readable(self) -> u64 {
        self.new + self.changed + self.known
    }
}

/// An advisory that is in.
struct Known {
    modified: String,
    /// Its number: records of a lower number for the same id are dead.
    number: u32,
    body: Section,
    withdrawn: bool,
    aliases: Vec<u64>,
}

/// A record that waits in the spill file.
struct Spilled {
    hash: u64,
    number: u32,
    place: Section,
}

/// Takes advisories and writes a database.
pub struct Builder {
    target: PathBuf,
    /// Bodies; becomes the database.
    bodies: BufWriter<File>,
    bodies_end: u64,
    /// Records in order of arrival; removed at the end.
    spill: BufWriter<File>,
    spill_end: u64,
    spilled: Vec<Spilled>,
    known: HashMap<String, Known>,
    next: u32,
    pub(super) info: Info,
    /// What the data of an ecosystem is as of.
    pub(super) as_of: BTreeMap<String, Timestamp>,
    pub(super) epss: Vec<(u64, f32, f32)>,
    pub(super) exploited: Vec<(u64, u32)>,
    pub(super) releases: HashMap<(u64, u64), i64>,
    working: PathBuf,
    spilling: PathBuf,
}

impl Builder {
    /// How many advisories that could not be read are named.
    pub const QUARANTINED: usize = 1000;

    /// A builder of the database at a path. What is there already is taken over.
    ///
    /// # Errors
    /// The directory cannot be written, or the database that is there cannot be read.
    pub fn new(target: &Path, fresh: bool, now: Timestamp) -> Result<Self, DatabaseError> {
        let with = |suffix: &str| {
            let mut name = target.as_os_str().to_owned();
            name.push(format!(".{}.{suffix}", std::process::id()));
            PathBuf::from(name)
        };
        let (working, spilling) = (with("new"), with("spill"));
        let create = |path: &Path| {
            File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(path)
                .map_err(|error| DatabaseError::Io { path: path.to_owned(), error })
        };
        let info = Info {
            created: now,
            sources: Vec::new(),
            ecosystems: BTreeMap::new(),
            advisories: 0,
            withdrawn: 0,
            quarantined: Vec::new(),
            quarantined_count: 0,
            epss: None,
            exploited: None,
            releases: None,
            digest: String::new(),
        };
        let mut builder = Self {
            target: target.to_owned(),
            bodies: BufWriter::new(create(&working)?),
            bodies_end: 32,
            spill: BufWriter::new(create(&spilling)?),
            spill_end: 0,
            spilled: Vec::new(),
            known: HashMap::new(),
            next: 0,
            info,
            as_of: BTreeMap::new(),
            epss: Vec::new(),
            exploited: Vec::new(),
            releases: HashMap::new(),
            working,
            spilling,
        };
        builder.write_body_bytes(&[0; 32])?;
        if !fresh && target.exists() {
            builder.take_over(&Database::open(target)?)?;
        }
        Ok(builder)
    }

    fn io(&self, error: std::io::Error) -> DatabaseError {
        DatabaseError::Io { path: self.working.clone(), error }
    }

    fn write_body_bytes(&mut self, bytes: &[u8]) -> Result<(), DatabaseError> {
        self.bodies.write_all(bytes).map_err(|error| DatabaseError::Io { path: self.working.clone(), error })
    }

    fn take_over(&mut self, old: &Database) -> Result<(), DatabaseError> {
        let header = &old.header;
        self.info.sources.clone_from(&header.info.sources);
        self.info.epss.clone_from(&header.info.epss);
        self.info.exploited.clone_from(&header.info.exploited);
        self.info.releases.clone_from(&header.info.releases);
        self.as_of = header.info.ecosystems.iter().map(|(name, one)| (name.clone(), one.as_of)).collect();
        // Ids point at every body, most at several: each body is taken once.
        let ids = old.read(header.ids)?;
        let mut places: Vec<(u64, u64)> = ids
            .chunks_exact(super::ID)
            .map(|id| (super::number(&id[8..16]), u64::from(super::word(&id[16..20]))))
            .collect();
        places.sort_unstable();
        places.dedup();
        for (offset, length) in places {
            let packed = old.read(Section { offset, length })?;
            let bytes = inflate(&packed).map_err(|e| old.broken(&e.to_string()))?;
            self.advisory(&bytes, "the database", &mut Imported::default())?;
        }
        for entry in old.read(header.epss)?.chunks_exact(super::EPSS) {
            let float = |bytes: &[u8]| f32::from_bits(super::word(bytes));
            self.epss.push((super::number(&entry[..8]), float(&entry[8..12]), float(&entry[12..16])));
        }
        for entry in old.read(header.exploited)?.chunks_exact(super::EXPLOITED) {
            self.exploited.push((super::number(&entry[..8]), super::word(&entry[8..12])));
        }
        for entry in old.read(header.releases)?.chunks_exact(super::RELEASE) {
            let key = (super::number(&entry[..8]), super::number(&entry[8..16]));
            self.releases.insert(key, super::number(&entry[16..24]).cast_signed());
        }
        Ok(())
    }

    /// Sets an advisory aside.
    pub fn quarantine(&mut self, name: &str, why: impl std::fmt::Display, imported: &mut Imported) {
        imported.quarantined += 1;
        self.info.quarantined_count += 1;
        if self.info.quarantined.len() < Self::QUARANTINED {
            let why = why.to_string().chars().take(300).collect();
            self.info.quarantined.push(Quarantined { name: name.to_owned(), why });
        }
    }

    /// Takes one advisory in the OSV format. One that cannot be read is set aside.
    ///
    /// # Errors
    /// The disk is full or the like.
    pub fn advisory(&mut self, bytes: &[u8], name: &str, imported: &mut Imported) -> Result<(), DatabaseError> {
        match Advisory::parse(bytes) {
            Ok(advisory) => self.keep(advisory, false, imported),
            Err(error) => {
                self.quarantine(name, error, imported);
                Ok(())
            }
        }
    }

    /// Takes one advisory in RustSec's own form. It does not say when it last changed: of two with the same day the later
    /// import counts.
    ///
    /// # Errors
    /// The disk is full or the like.
    pub fn rustsec(&mut self, text: &str, name: &str, imported: &mut Imported) -> Result<(), DatabaseError> {
        match rustsec::parse(text) {
            Ok(advisory) => self.keep(advisory, true, imported),
            Err(error) => {
                self.quarantine(name, error, imported);
                Ok(())
            }
        }
    }

    fn keep(&mut self, mut advisory: Advisory, same: bool, imported: &mut Imported) -> Result<(), DatabaseError> {
        let replaces = |known: &Known| {
            is_newer(&advisory.modified, &known.modified) || (same && advisory.modified == known.modified)
        };
        match self.known.get(&advisory.id) {
            Some(known) if !replaces(known) => {
                imported.known += 1;
                return Ok(());
            }
            Some(_) => imported.changed += 1,
            None => imported.new += 1,
        }
        let number = self.next;
        self.next += 1;
        for affected in &mut advisory.affected {
            drop_told_versions(affected);
        }
        let newest = [Some(&advisory.modified), advisory.published.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|time| time.parse::<Timestamp>().ok())
            .max()
            .unwrap_or(Timestamp::from_seconds(0));
        for affected in &advisory.affected {
            let ecosystem = match &affected.package {
                Some(package) => package.ecosystem.clone(),
                None if affected.ranges.iter().any(|range| range.kind == RangeKind::Git) => GIT.to_owned(),
                None => continue,
            };
            let as_of = self.as_of.entry(ecosystem).or_insert(newest);
            *as_of = newest.max(*as_of);
        }
        let withdrawn = advisory.is_withdrawn();
        if !withdrawn {
            self.spill(&advisory, number)?;
        }
        let json = serde_json::to_vec(&advisory).map_err(|error| self.io(error.into()))?;
        let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(4));
        let packed = packer.write_all(&json).and_then(|()| packer.finish()).map_err(|error| self.io(error))?;
        let body = Section { offset: self.bodies_end, length: packed.len() as u64 };
        self.write_body_bytes(&packed)?;
        self.bodies_end += packed.len() as u64;
        let aliases = advisory.aliases.iter().take(1000).map(|alias| hash(&[alias])).collect();
        self.known.insert(advisory.id.clone(), Known { modified: advisory.modified, number, body, withdrawn, aliases });
        Ok(())
    }

    fn spill(&mut self, advisory: &Advisory, number: u32) -> Result<(), DatabaseError> {
        for affected in &advisory.affected {
            if let Some(package) = &affected.package {
                let name = lookup_name(&package.ecosystem, &package.name);
                let record = Record::new(advisory, affected);
                self.spill_one(Group { ecosystem: package.ecosystem.clone(), name, records: vec![record] }, number)?;
            }
            let git = affected.ranges.iter().filter(|range| range.kind == RangeKind::Git);
            let repositories: BTreeSet<String> = git.filter_map(|r| r.repo.as_deref()).map(repository_name).collect();
            for name in repositories {
                let mut record = Record::new(advisory, affected);
                record.ranges.retain(|range| range.repo.as_deref().is_some_and(|url| repository_name(url) == name));
                // Of a package they are its versions; without one they are the repository's tags.
                if affected.package.is_some() {
                    record.versions.clear();
                }
                self.spill_one(Group { ecosystem: GIT.to_owned(), name, records: vec![record] }, number)?;
            }
        }
        Ok(())
    }

    fn spill_one(&mut self, group: Group, number: u32) -> Result<(), DatabaseError> {
        let bytes = serde_json::to_vec(&group).map_err(|error| self.io(error.into()))?;
        self.spill.write_all(&bytes).map_err(|error| self.io(error))?;
        let place = Section { offset: self.spill_end, length: bytes.len() as u64 };
        self.spill_end += bytes.len() as u64;
        self.spilled.push(Spilled { hash: hash(&[&group.ecosystem, &group.name]), number, place });
        Ok(())
    }

    /// Notes an import.
    pub fn source(&mut self, source: SourceInfo) {
        self.info.sources.retain(|known| known.name != source.name);
        self.info.sources.push(source);
    }

    /// What the data of an ecosystem and all of its releases is as of, by whoever fetched it from where it is published.
    pub fn as_of_releases(&mut self, ecosystem: &str, as_of: Timestamp) {
        for (name, time) in &mut self.as_of {
            if name == ecosystem || name.strip_prefix(ecosystem).is_some_and(|rest| rest.starts_with(':')) {
                *time = as_of.max(*time);
            }
        }
    }

    /// True when advisories of an ecosystem, or of one of its releases, are in.
    pub fn knows(&self, ecosystem: &str) -> bool {
        self.as_of
            .keys()
            .any(|name| name == ecosystem || name.strip_prefix(ecosystem).is_some_and(|rest| rest.starts_with(':')))
    }

    /// Ecosystems of an older database whose data would go back in time, or away.
    pub fn older_than(&self, old: &Info) -> Vec<String> {
        let here = |name: &String| self.as_of.get(name).copied();
        let gone_back = |(name, one): (&String, &EcosystemInfo)| {
            here(name).is_none_or(|time| time < one.as_of).then(|| name.clone())
        };
        old.ecosystems.iter().filter_map(gone_back).collect()
    }

    /// True when an advisory is in, in this form or a newer one.
    pub fn has(&self, id: &str, modified: &str) -> bool {
        self.known.get(id).is_some_and(|known| !is_newer(modified, &known.modified))
    }

    /// Writes the database in the place of the old one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> Result<Info, DatabaseError> {
        let result = self.write();
        let _ = std::fs::remove_file(&self.spilling);
        if result.is_err() {
            let _ = std::fs::remove_file(&self.working);
        }
        result
    }

    fn write(&mut self) -> Result<Info, DatabaseError> {
        self.spill.flush().map_err(|error| self.io(error))?;
        let alive: std::collections::HashSet<u32> = self.known.values().map(|known| known.number).collect();
        self.spilled.retain(|record| alive.contains(&record.number));
        self.spilled.sort_by_key(|record| (record.hash, record.number));
        let mut digest = Hasher::new();
        let (groups, entries) = self.write_groups(&mut digest)?;
        let mut out = Sections { at: groups.offset + groups.length, builder: self };

        let entry_bytes: Vec<u8> = entries
            .iter()
            .flat_map(|(hash, place)| [hash.to_le_bytes(), place.offset.to_le_bytes(), place.length.to_le_bytes()])
            .flatten()
            .collect();
        let mut buckets = Vec::with_capacity((BUCKETS + 1) * 4);
        let mut seen = 0;
        for bucket in 0..=BUCKETS as u64 {
            while entries.get(seen).is_some_and(|(hash, _)| hash >> 48 < bucket) {
                seen += 1;
            }
            buckets.extend((seen as u32).to_le_bytes());
        }
        let mut ids: Vec<(u64, Section)> = Vec::new();
        for (id, known) in &out.builder.known {
            ids.extend(known.aliases.iter().chain([&hash(&[id])]).map(|alias| (*alias, known.body)));
        }
        ids.sort_by_key(|(hash, body)| (*hash, body.offset));
        ids.dedup();
        let id_bytes: Vec<u8> = ids
            .iter()
            .flat_map(|(hash, body)| {
                let mut element = [0; super::ID];
                element[..8].copy_from_slice(&hash.to_le_bytes());
                element[8..16].copy_from_slice(&body.offset.to_le_bytes());
                element[16..].copy_from_slice(&(body.length as u32).to_le_bytes());
                element
            })
            .collect();
        let mut scores = std::mem::take(&mut out.builder.epss);
        scores.sort_by_key(|(hash, ..)| *hash);
        let epss_bytes: Vec<u8> = scores
            .iter()
            .flat_map(|(hash, score, percentile)| {
                let mut element = [0; super::EPSS];
                element[..8].copy_from_slice(&hash.to_le_bytes());
                element[8..12].copy_from_slice(&score.to_bits().to_le_bytes());
                element[12..].copy_from_slice(&percentile.to_bits().to_le_bytes());
                element
            })
            .collect();
        let mut days = std::mem::take(&mut out.builder.exploited);
        days.sort_unstable();
        let exploited_bytes: Vec<u8> = days
            .iter()
            .flat_map(|(hash, day)| {
                let mut element = [0; super::EXPLOITED];
                element[..8].copy_from_slice(&hash.to_le_bytes());
                element[8..].copy_from_slice(&day.to_le_bytes());
                element
            })
            .collect();
        let mut times: Vec<((u64, u64), i64)> = std::mem::take(&mut out.builder.releases).into_iter().collect();
        times.sort_unstable();
        let release_bytes: Vec<u8> = times
            .iter()
            .flat_map(|((first, second), time)| [first.to_le_bytes(), second.to_le_bytes(), time.to_le_bytes()])
            .flatten()
            .collect();
        digest.update(&epss_bytes);
        digest.update(&exploited_bytes);
        digest.update(&release_bytes);
        let entries = out.put(&entry_bytes)?;
        let buckets = out.put(&buckets)?;
        let ids = out.put(&id_bytes)?;
        let epss = out.put(&epss_bytes)?;
        let exploited = out.put(&exploited_bytes)?;
        let releases = out.put(&release_bytes)?;
        let at = out.at;

        let mut info = self.info.clone();
        info.digest = digest.finish().to_hex();
        info.advisories = self.known.values().filter(|known| !known.withdrawn).count() as u64;
        info.withdrawn = self.known.values().filter(|known| known.withdrawn).count() as u64;
        let bodies = Section { offset: 32, length: groups.offset - 32 };
        let header = Header { info, groups, bodies, entries, buckets, ids, epss, exploited, releases };
        let json = serde_json::to_vec(&header).map_err(|error| self.io(error.into()))?;
        self.write_body_bytes(&json)?;
        self.bodies.flush().map_err(|error| self.io(error))?;
        let mut start = MAGIC.to_vec();
        start.extend(at.to_le_bytes());
        start.extend((json.len() as u64).to_le_bytes());
        let file = self.bodies.get_mut();
        let written = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(&start))
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&self.working, &self.target));
        written.map_err(|error| self.io(error))?;
        Ok(header.info)
    }

    /// Writes the records of each package together; returns where, by hash.
    fn write_groups(&mut self, digest: &mut Hasher) -> Result<(Section, Vec<(u64, Section)>), DatabaseError> {
        let spill = self.spill.get_ref().try_clone().map_err(|error| self.io(error))?;
        let spilled = std::mem::take(&mut self.spilled);
        let start = self.bodies_end;
        let mut at = start;
        let mut entries = Vec::new();
        self.info.ecosystems.clear();
        for records in spilled.chunk_by(|a, b| a.hash == b.hash) {
            // Of one hash, but perhaps of several names.
            let mut groups: Vec<Group> = Vec::new();
            for record in records {
                let bytes = super::read(&spill, record.place).map_err(|error| self.io(error))?;
                let one: Group = serde_json::from_slice(&bytes).map_err(|error| self.io(error.into()))?;
                match groups.iter_mut().find(|group| group.ecosystem == one.ecosystem && group.name == one.name) {
                    Some(group) => group.records.extend(one.records),
                    None => groups.push(one),
                }
            }
            groups.sort_by(|a, b| (&a.ecosystem, &a.name).cmp(&(&b.ecosystem, &b.name)));
            for mut group in groups {
                group.records.sort_by(|a, b| a.id.cmp(&b.id));
                let bytes = serde_json::to_vec(&group).map_err(|error| self.io(error.into()))?;
                digest.update(&bytes);
                self.write_body_bytes(&bytes)?;
                entries.push((records[0].hash, Section { offset: at, length: bytes.len() as u64 }));
                at += bytes.len() as u64;
                let as_of = self.as_of.get(&group.ecosystem).copied();
                // Ranges of commits stand in advisories about packages too: those alone are no data about repositories.
                if as_of.is_none() && group.ecosystem == GIT {
                    continue;
                }
                let as_of = as_of.unwrap_or(Timestamp::from_seconds(0));
                let known = self.info.ecosystems.entry(group.ecosystem).or_insert(EcosystemInfo {
                    packages: 0,
                    records: 0,
                    as_of,
                });
                known.packages += 1;
                known.records += group.records.len() as u64;
            }
        }
        Ok((Section { offset: start, length: at - start }, entries))
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        // Left-overs of a build that was given up.
        let _ = std::fs::remove_file(&self.spilling);
        let _ = std::fs::remove_file(&self.working);
    }
}

struct Sections<'b> {
    builder: &'b mut Builder,
    at: u64,
}

impl Sections<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<Section, DatabaseError> {
        self.builder.write_body_bytes(bytes)?;
        let section = Section { offset: self.at, length: bytes.len() as u64 };
        self.at += section.length;
        Ok(section)
    }
}

/// True when a time is after another; times that cannot be read are compared as texts.
fn is_newer(a: &str, b: &str) -> bool {
    match (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
        (Ok(a), Ok(b)) => a > b,
        _ => a > b,
    }
}

/// Leaves out versions that a range tells already: enumerations are by far the largest part of advisories, and say the same
/// once more.
fn drop_told_versions(affected: &mut osv::Affected) {
    let Some(package) = &affected.package else { return };
    let order = order_of(&package.ecosystem);
    let ranges = &affected.ranges;
    affected.versions.retain(|version| {
        // One that breaks the rules of its ecosystem is judged by the list alone.
        let ordered = version::is_valid(order, version);
        !ordered
            || !ranges.iter().any(|range| match range.kind {
                RangeKind::Git => false,
                RangeKind::SemVer => osv::includes(&range.events, version, &|a, b| version::compare_semver(a, b)),
                RangeKind::Ecosystem => osv::includes(&range.events, version, &|a, b| version::compare(order, a, b)),
            })
    });
}
