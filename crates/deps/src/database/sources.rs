//! What can be imported: archives and files of OSV advisories, EPSS scores, the list of exploited vulnerabilities.

use std::io::{Cursor, Read};
use std::ops::ControlFlow;

use provost_formats::archive::{self, ArchiveError, Kind, Source};
use provost_formats::{osv, rustsec};
use provost_model::Timestamp;
use serde::Deserialize;

use super::build::{Builder, Imported};
use super::record::hash;
use super::{DatabaseError, SourceInfo};

/// Members of one archive that are read at most.
const MAXIMUM_MEMBERS: usize = 5_000_000;

/// What an import was of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Advisories.
    Advisories,
    /// EPSS scores.
    Epss,
    /// The list of exploited vulnerabilities.
    Exploited,
}

impl Builder {
    /// Imports a file's content, whatever it is: a zip or tar of OSV advisories, one advisory, a JSON array of them, one a
    /// line, advisories in RustSec's own form (one, or an archive of the repository), EPSS scores as CSV (FIRST), the catalogue of known exploited vulnerabilities as JSON (CISA). Compressed files
    /// are unpacked first. `as_of` says what the data is as of; without it, that is the newest change within.
    ///
    /// # Errors
    /// It is none of these, or the disk is full. Single advisories that cannot be read are set aside instead.
    pub fn import(
        &mut self,
        name: &str,
        bytes: &[u8],
        as_of: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(What, Imported), DatabaseError> {
        let sha256 = provost_model::sha256(bytes).to_hex();
        let source_error = |why: String| DatabaseError::Source { name: name.to_owned(), why };
        let before = std::mem::take(&mut self.as_of);
        let mut imported = Imported::default();
        let what = self.take(name, bytes, &mut imported, 0);
        // What this source says is as of what it says itself; other sources' word for other ecosystems stays.
        let mut here = std::mem::replace(&mut self.as_of, before);
        let newest = here.values().max().copied();
        if let Some(as_of) = as_of {
            here.values_mut().for_each(|time| *time = as_of);
        }
        // A few advisories do not renew what is known of an ecosystem: an archive does, or whoever says of what day it is.
        let renews = as_of.is_some() || archive::sniff(&bytes[..bytes.len().min(archive::SNIFF)]).is_some();
        for (ecosystem, time) in here {
            let known = self.as_of.entry(ecosystem).or_insert(time);
            if renews {
                *known = time.max(*known);
            }
        }
        let what = what?;
        if what == What::Advisories {
            if imported.readable() == 0 && imported.quarantined == 0 {
                return Err(source_error("no advisory in the OSV format is in it".to_owned()));
            }
            let as_of = as_of.or(newest).unwrap_or(Timestamp::from_seconds(0));
            self.source(SourceInfo {
                name: name.to_owned(),
                sha256,
                imported: now,
                as_of,
                advisories: imported.readable(),
            });
        }
        Ok((what, imported))
    }

    fn take(&mut self, name: &str, bytes: &[u8], imported: &mut Imported, depth: usize) -> Result<What, DatabaseError> {
        let wrong = |why: String| DatabaseError::Source { name: name.to_owned(), why };
        match archive::sniff(&bytes[..bytes.len().min(archive::SNIFF)]) {
            Some(kind) if kind.is_single() && depth < 2 => {
                let mut inner = Vec::new();
                let mut failed = None;
                archive::members(kind, Source::Seek(&mut Cursor::new(bytes)), 1, &mut |_, reader| {
                    match reader {
                        Ok(reader) => {
                            failed = reader.take(8 << 30).read_to_end(&mut inner).err().map(|e| e.to_string())
                        }
                        Err(error) => failed = Some(error.to_string()),
                    }
                    ControlFlow::Continue(())
                })
                .map_err(|error| wrong(error.to_string()))?;
                match failed {
                    Some(error) => Err(wrong(error)),
                    None => self.take(name, &inner, imported, depth + 1),
                }
            }
            Some(kind @ (Kind::Zip | Kind::Tar)) => {
                let mut failed = None;
                let source = Source::Seek(&mut Cursor::new(bytes));
                let walked = archive::members(kind, source, MAXIMUM_MEMBERS, &mut |member, reader| {
                    if !member.name.ends_with(".json") && !rustsec::is_advisory(&member.name) {
                        return ControlFlow::Continue(());
                    }
                    match self.member(name, member, reader, imported) {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(error) => {
                            failed = Some(error);
                            ControlFlow::Break(())
                        }
                    }
                });
                walked.map_err(|error| wrong(error.to_string()))?;
                failed.map_or(Ok(What::Advisories), Err)
            }
            Some(kind) => Err(wrong(format!("a {} file holds no advisories that can be read", kind.name()))),
            None => self.text(name, bytes, imported),
        }
    }

    fn member(
        &mut self,
        name: &str,
        member: &archive::Member,
        reader: Result<&mut dyn Read, ArchiveError>,
        imported: &mut Imported,
    ) -> Result<(), DatabaseError> {
        let shown = format!("{name}!{}", member.name);
        let mut content = Vec::new();
        let read = reader.map_err(|e| e.to_string()).and_then(|reader| {
            reader.take(osv::MAXIMUM_BYTES as u64 + 1).read_to_end(&mut content).map_err(|e| e.to_string())
        });
        match read {
            Ok(_) if rustsec::is_advisory(&member.name) => {
                self.rustsec(&String::from_utf8_lossy(&content), &shown, imported)
            }
            Ok(_) => self.advisory(&content, &shown, imported),
            Err(error) => {
                self.quarantine(&shown, error, imported);
                Ok(())
            }
        }
    }

    fn text(&mut self, name: &str, bytes: &[u8], imported: &mut Imported) -> Result<What, DatabaseError> {
        let wrong = |why: String| DatabaseError::Source { name: name.to_owned(), why };
        let text = std::str::from_utf8(bytes).map_err(|_| {
            wrong("neither an archive nor text: OSV advisories (zip, tar, JSON), EPSS scores or exploited vulnerabilities are expected".to_owned())
        })?;
        let start = text.trim_start_matches('\u{feff}').trim_start();
        if start.starts_with("#model_version") || start.starts_with("cve,epss") {
            self.epss_scores(start).map_err(wrong)?;
            return Ok(What::Epss);
        }
        if start.starts_with('{') && start.contains("\"cveID\"") {
            self.exploited_list(start).map_err(wrong)?;
            return Ok(What::Exploited);
        }
        if start.starts_with(rustsec::START) {
            self.rustsec(start, name, imported)?;
            return Ok(What::Advisories);
        }
        if start.starts_with('[') {
            let all: Vec<&serde_json::value::RawValue> =
                serde_json::from_str(start).map_err(|error| wrong(error.to_string()))?;
            for (index, one) in all.iter().enumerate() {
                self.advisory(one.get().as_bytes(), &format!("{name}[{index}]"), imported)?;
            }
            return Ok(What::Advisories);
        }
        if !start.starts_with('{') {
            return Err(wrong(
                "neither OSV advisories, EPSS scores nor a list of exploited vulnerabilities".to_owned(),
            ));
        }
        // One advisory, perhaps over many lines; or one a line.
        if serde_json::from_str::<serde::de::IgnoredAny>(start).is_ok() {
            self.advisory(start.as_bytes(), name, imported)?;
            return Ok(What::Advisories);
        }
        for (index, line) in start.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            self.advisory(line.as_bytes(), &format!("{name}:{}", index + 1), imported)?;
        }
        Ok(What::Advisories)
    }

    /// FIRST's CSV: a comment with the day, a line of names, then `cve,epss,percentile`.
    fn epss_scores(&mut self, text: &str) -> Result<(), String> {
        let mut scores = Vec::new();
        let mut day = None;
        for (index, line) in text.lines().enumerate() {
            if let Some(comment) = line.strip_prefix('#') {
                day = comment.split("score_date:").nth(1).map(|date| date.chars().take(10).collect::<String>());
                continue;
            }
            if line.starts_with("cve,") || line.trim().is_empty() {
                continue;
            }
            let mut parts = line.split(',');
            let mut field = || parts.next().map(str::trim).unwrap_or_default();
            let (cve, score, percentile) = (field(), field().parse::<f32>(), field().parse::<f32>());
            match (score, percentile) {
                (Ok(score), Ok(percentile)) if (0.0..=1.0).contains(&score) && (0.0..=1.0).contains(&percentile) => {
                    scores.push((hash(&[cve]), score, percentile));
                }
                _ => {
                    return Err(format!(
                        "line {}: `cve,score,percentile` with numbers from 0 to 1 is expected",
                        index + 1
                    ));
                }
            }
        }
        self.epss = scores;
        self.info.epss = Some(day.unwrap_or_else(|| "of an unknown day".to_owned()));
        Ok(())
    }

    /// CISA's catalogue: `{"catalogVersion", "vulnerabilities": [{"cveID", "dateAdded"}]}`.
    fn exploited_list(&mut self, text: &str) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Catalogue {
            #[serde(rename = "catalogVersion", default)]
            version: String,
            vulnerabilities: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            #[serde(rename = "cveID")]
            cve: String,
            #[serde(rename = "dateAdded", default)]
            added: String,
        }
        let catalogue: Catalogue = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let day =
            |text: &str| text.chars().filter(char::is_ascii_digit).take(8).collect::<String>().parse().unwrap_or(0);
        self.exploited = catalogue.vulnerabilities.iter().map(|one| (hash(&[&one.cve]), day(&one.added))).collect();
        self.info.exploited = Some(catalogue.version);
        Ok(())
    }
}
