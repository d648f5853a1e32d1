//! When versions were published: what registries say of it, in the forms that they hand out.

use provost_model::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::build::Builder;
use super::record::{long_hash, lookup_name};
use super::{DatabaseError, ReleasesInfo};

/// The key that the release of a version is found by.
pub(super) fn key(ecosystem: &str, name: &str, version: &str) -> Key {
    let version = if ecosystem == "Go" { version.trim_start_matches('v') } else { version };
    long_hash(&["release", ecosystem, &lookup_name(ecosystem, name), version])
}

/// Versions of one import that are taken at most.
const MAXIMUM_RELEASES: usize = 50_000_000;

/// One line of a list that says it plainly, and of crates.io's index.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    ecosystem: Option<String>,
    name: String,
    #[serde(alias = "vers")]
    version: String,
    #[serde(default, alias = "pubtime")]
    released: Option<String>,
}

impl Builder {
    /// Takes what a registry says of when versions were published: a packument of npm (`time`), PyPI's JSON (`releases`,
    /// `urls`, or the simple index as JSON), a file of crates.io's sparse index (`pubtime`), a `.info` of Go's module cache
    /// (its path says the module), or lines `{"ecosystem", "name", "version", "released"}`. Returns how many versions have a
    /// date. Of several dates of one version the latest counts: an old release can get a new file.
    ///
    /// # Errors
    /// It is none of these.
    pub fn releases(&mut self, name: &str, bytes: &[u8], now: Timestamp) -> Result<u64, DatabaseError> {
        let wrong = |why: String| DatabaseError::Source { name: name.to_owned(), why };
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("not text".to_owned()))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        let found = match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(document)) => of_document(name, &document).map_err(wrong)?,
            _ => of_lines(text).map_err(wrong)?,
        };
        if self.releases.len() + found.len() > MAXIMUM_RELEASES {
            return Err(wrong(format!("more than {MAXIMUM_RELEASES} versions: the rest is not taken")));
        }
        let number = found.len() as u64;
        for (key, time) in found {
            let known = self.releases.entry(key).or_insert(i64::MIN);
            *known = time.seconds().max(*known);
        }
        let versions = self.releases.len() as u64;
        self.info.releases = Some(ReleasesInfo { versions, imported: now });
        Ok(number)
    }
}

/// What a version is found by.
type Key = (u64, u64);

type Found = Vec<(Key, Timestamp)>;

fn of_document(path: &str, document: &Map<String, Value>) -> Result<Found, String> {
    let text = |key: &str| document.get(key).and_then(Value::as_str);
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    // Go: {"Version": "v1.2.3", "Time": "…"}.
    if let (Some(version), Some(at)) = (text("Version"), document.get("Time")) {
        let module = module_of(path)
            .ok_or("a `.info` of Go: its path (…/cache/download/MODULE/@v/VERSION.info) has to say the module")?;
        return Ok(time(at).map(|at| (key("Go", &module, version), at)).into_iter().collect());
    }
    // npm: {"name", "time": {"1.0.0": "…"}}.
    if let (Some(name), Some(Value::Object(times))) = (text("name"), document.get("time")) {
        let versions = times.iter().filter(|(version, _)| !matches!(version.as_str(), "created" | "modified"));
        return Ok(versions.filter_map(|(version, at)| Some((key("npm", name, version), time(at)?))).collect());
    }
    // PyPI: {"info": {"name", "version"}, "releases": {"1.0": [files]}, "urls": [files]}.
    if let Some(info) = document.get("info").and_then(Value::as_object)
        && let Some(name) = info.get("name").and_then(Value::as_str)
    {
        let mut found = Vec::new();
        let mut files = |version: &str, files: &Value| {
            for file in files.as_array().into_iter().flatten() {
                let at = file.get("upload_time_iso_8601").and_then(time);
                found.extend(at.map(|at| (key("PyPI", name, version), at)));
            }
        };
        for (version, list) in document.get("releases").and_then(Value::as_object).into_iter().flatten() {
            files(version, list);
        }
        if let (Some(version), Some(list)) = (info.get("version").and_then(Value::as_str), document.get("urls")) {
            files(version, list);
        }
        return Ok(found);
    }
    // The simple index (PEP 691, PEP 700): {"name", "files": [{"filename", "upload-time"}]}.
    if let (Some(name), Some(files)) = (text("name"), document.get("files").and_then(Value::as_array)) {
        let one = |file: &Value| {
            let version = version_in(file.get("filename")?.as_str()?, name)?;
            Some((key("PyPI", name, &version), file.get("upload-time").and_then(time)?))
        };
        return Ok(files.iter().filter_map(one).collect());
    }
    let line: Line = serde_json::from_value(Value::Object(document.clone())).map_err(|_| {
        "nothing that says when versions were published: npm's packument, PyPI's JSON, a file of crates.io's sparse index, a \
         `.info` of Go's module cache or lines with ecosystem, name, version and released are expected"
            .to_owned()
    })?;
    Ok(of_line(&line)?.into_iter().collect())
}

fn of_lines(text: &str) -> Result<Found, String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let line: Line = serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
        found.extend(of_line(&line).map_err(|why| format!("line {number}: {why}"))?);
    }
    Ok(found)
}

/// A version without a date is none that can be told.
fn of_line(line: &Line) -> Result<Option<(Key, Timestamp)>, String> {
    let Some(released) = &line.released else { return Ok(None) };
    let ecosystem = line.ecosystem.as_deref().unwrap_or("crates.io");
    let at: Timestamp = released.parse().map_err(|error| format!("{error}"))?;
    Ok(Some((key(ecosystem, &line.name, &line.version), at)))
}

/// The module of a file in Go's module cache; `!x` there is a capital letter.
fn module_of(path: &str) -> Option<String> {
    let path = path.replace('\\', "/");
    let (before, _) = path.rsplit_once("/@v/")?;
    let module = before.rsplit_once("cache/download/").map_or(before, |(_, module)| module);
    let mut out = String::with_capacity(module.len());
    let mut chars = module.trim_matches('/').chars();
    while let Some(c) = chars.next() {
        match c {
            '!' => out.extend(chars.next().map(|c| c.to_ascii_uppercase())),
            c => out.push(c),
        }
    }
    Some(out)
}

/// The version in the name of a distribution's file.
fn version_in(file: &str, name: &str) -> Option<String> {
    let fold = |text: &str| lookup_name("PyPI", text);
    if let Some(wheel) = file.strip_suffix(".whl") {
        return wheel.split('-').nth(1).map(str::to_owned);
    }
    let stem = [".tar.gz", ".zip", ".tar.bz2", ".tgz"].iter().find_map(|end| file.strip_suffix(end))?;
    let at = stem.match_indices('-').map(|(at, _)| at).find(|at| fold(&stem[..*at]) == fold(name))?;
    Some(stem[at + 1..].to_owned())
}
