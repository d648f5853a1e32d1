//! Installed Python packages: `*.dist-info/METADATA` and `*.egg-info` (Core metadata specifications; PEP 376, PEP 610), and
//! the same within wheels and eggs.

use std::io::{Cursor, Read};
use std::ops::ControlFlow;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource};

use super::named;
use super::pep508::normalised;
use super::source::address;
use super::text::{directory, hash, hexadecimal, join, json, lossy};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};
use crate::archive::{self, Kind, Source};

pub(crate) const READERS: &[Reader] = &[
    Reader { id: "python-installed", wants, read, covered_by: &[] },
    Reader {
        id: "python-wheel",
        wants: |path| path.ends_with(".whl") || path.ends_with(".egg"),
        read: read_archive,
        covered_by: &[],
    },
];

/// Members of a wheel that are looked at, and bytes of its metadata that are read.
const MAXIMUM_MEMBERS: usize = 200_000;
const MAXIMUM_METADATA: u64 = 4 << 20;

/// Files of one package that are noted.
const MAXIMUM_FILES: usize = 200_000;

fn wants(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "METADATA" => folder.ends_with(".dist-info"),
        "PKG-INFO" => folder.ends_with(".egg-info") || named(folder, "EGG-INFO"),
        _ => name.ends_with(".egg-info"),
    }
}

/// The package that a `METADATA` or `PKG-INFO` describes.
fn package(content: &str) -> Result<Package, LockError> {
    let mut package = Package::new(Ecosystem::PyPi, "", None);
    let (mut free, mut classified) = (None, Vec::new());
    for (line, name, value) in headers(content) {
        match name.to_ascii_lowercase().as_str() {
            "name" if package.name.is_empty() => {
                package.name = normalised(&value);
                package.line = Some(line);
            }
            "version" if package.version.is_none() => {
                package.version = Some(value).filter(|version| !version.is_empty())
            }
            "license-expression" => package.licence = Some(value),
            // Some put the whole text there.
            "license" if value.len() <= 200 && !value.is_empty() && value != "UNKNOWN" => free = Some(value),
            "classifier" => {
                let licence = value.strip_prefix("License ::").and_then(|rest| rest.rsplit("::").next());
                classified.extend(licence.map(str::trim).filter(|name| *name != "OSI Approved").map(str::to_owned));
            }
            _ => {}
        }
    }
    if package.name.is_empty() || package.version.is_none() {
        return Err(LockError::new("it does not tell name and version"));
    }
    let classified = (!classified.is_empty()).then(|| classified.join(" AND "));
    package.licence = package.licence.or(free).or(classified);
    Ok(package)
}

/// Headers up to the first empty line, those that go over several lines joined.
fn headers(content: &str) -> Vec<(u64, &str, String)> {
    let mut headers: Vec<(u64, &str, String)> = Vec::new();
    for (number, line) in (1..).zip(content.lines()) {
        if line.trim().is_empty() {
            if headers.is_empty() {
                continue;
            }
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, _, value)) = headers.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((number, name.trim(), value.trim().to_owned()));
        }
    }
    headers
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let mut inventory = Inventory::new("Python metadata", Completeness::List);
    let mut package = package(&lossy(input.bytes)?)?;
    let is_file = input.name().ends_with(".egg-info");
    let site = if is_file { directory(input.path) } else { directory(directory(input.path)) };
    if !is_file {
        if let Some(bytes) = (input.beside)("RECORD") {
            package.files = record(&lossy(&bytes)?, site);
        } else if let Some(bytes) = (input.beside)("installed-files.txt") {
            let folder = directory(input.path);
            package.files =
                lossy(&bytes)?.lines().take(MAXIMUM_FILES).filter_map(|line| join(folder, line.trim())).collect();
        }
        if (input.beside)("REQUESTED").is_some() {
            package.direct = Some(true);
        }
        if let Some(bytes) = (input.beside)("direct_url.json") {
            match direct_url(&bytes, &mut package) {
                Ok(()) => {}
                Err(error) => note(&mut inventory.problems, None, format!("direct_url.json beside it: {error}")),
            }
        }
    }
    inventory.packages.push(package);
    Ok(inventory)
}

/// The paths of a `RECORD`: lines of comma-separated values, the path first, quoted where it holds a comma.
fn record(content: &str, site: &str) -> Vec<String> {
    let path = |line: &str| match line.strip_prefix('"') {
        Some(rest) => rest.split("\",").next().map(|path| path.replace("\"\"", "\"")),
        None => line.split(',').next().map(str::to_owned),
    };
    let lines = content.lines().filter(|line| !line.trim().is_empty()).take(MAXIMUM_FILES);
    lines
        .filter_map(path)
        .filter_map(|path| if path.starts_with('/') { Some(path) } else { join(site, &path) })
        .collect()
}

/// Where it was installed from, when not from an index (PEP 610).
fn direct_url(bytes: &[u8], package: &mut Package) -> Result<(), LockError> {
    let value = json(&text(bytes)?)?;
    let string = |path: &str| value.pointer(path).and_then(serde_json::Value::as_str);
    let url = string("/url").ok_or_else(|| LockError::new("it has no `url`"))?;
    if value.get("vcs_info").is_some() {
        let revision = string("/vcs_info/commit_id").map(str::to_owned);
        package.source = PackageSource::Git { url: address(url), revision };
    } else if let Some(path) = url.strip_prefix("file://") {
        package.source = PackageSource::Path { path: path.to_owned() };
    } else {
        package.source = PackageSource::Url { url: address(url) };
    }
    let hashes = value.pointer("/archive_info/hashes").and_then(serde_json::Value::as_object);
    package.hashes.extend(hashes.into_iter().flatten().filter_map(|(name, value)| hexadecimal(name, value.as_str()?)));
    if package.hashes.is_empty() {
        package.hashes.extend(string("/archive_info/hash").and_then(hash));
    }
    Ok(())
}

/// A wheel or an egg: the metadata on its top.
fn read_archive(input: &Input<'_>) -> Result<Inventory, LockError> {
    let mut inventory = Inventory::new("Python archive", Completeness::List);
    let mut found = None;
    let mut problem = None;
    let mut source = Cursor::new(input.bytes);
    let walked = archive::members(Kind::Zip, Source::Seek(&mut source), MAXIMUM_MEMBERS, &mut |member, content| {
        let depth = member.name.matches('/').count();
        if depth != 1
            || !(wants(&member.name) && (member.name.ends_with("/METADATA") || member.name.ends_with("/PKG-INFO")))
        {
            return ControlFlow::Continue(());
        }
        let mut bytes = Vec::new();
        match content.map(|content| content.take(MAXIMUM_METADATA).read_to_end(&mut bytes)) {
            Ok(Ok(_)) => found = Some(bytes),
            Ok(Err(error)) => problem = Some(error.to_string()),
            Err(error) => problem = Some(error.to_string()),
        }
        ControlFlow::Break(())
    });
    if let Err(error) = walked {
        return Err(LockError::new(error.to_string()));
    }
    if let Some(what) = problem {
        return Err(LockError::new(what));
    }
    let Some(bytes) = found else {
        return Err(LockError::new("it holds no metadata of a Python package"));
    };
    inventory.packages.push(Package { line: None, ..package(&lossy(&bytes)?)? });
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{read_beside, shown};
    use super::*;

    const METADATA: &str = "Metadata-Version: 2.1\r\nName: Foo_Bar\r\nVersion: 1.0\r\nSummary: x\r\n       y\r\nLicense: UNKNOWN\r\n\
        Classifier: License :: OSI Approved :: MIT License\r\nRequires-Dist: baz\r\n\r\nName: other\r\n";

    #[test]
    fn a_package_with_all_that_lies_beside() {
        let others = [
            ("RECORD", "foo/__init__.py,sha256=x,1\n../../bin/foo,,\n\"a,b\"\"c.py\",,\n\n"),
            ("REQUESTED", ""),
            (
                "direct_url.json",
                "{\"url\": \"https://u:p@host/foo\", \"vcs_info\": {\"vcs\": \"git\", \"commit_id\": \"abc\"}}",
            ),
        ];
        let path = "lib/python3/site-packages/Foo_Bar-1.0.dist-info/METADATA";
        let read = read_beside(read, path, METADATA, &others);
        assert_eq!(shown(&read), ["foo-bar 1.0"]);
        let package = &read.packages[0];
        assert_eq!(package.licence.as_deref(), Some("MIT License"));
        let site = "lib/python3/site-packages";
        assert_eq!(
            package.files,
            [format!("{site}/foo/__init__.py"), "lib/bin/foo".into(), format!("{site}/a,b\"c.py")]
        );
        assert_eq!(package.source, PackageSource::Git { url: "https://host/foo".into(), revision: Some("abc".into()) });
        assert_eq!(package.direct, Some(true));
    }

    #[test]
    fn a_wheel_is_looked_into() {
        use std::io::Write as _;
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in
            [("foo/x.dist-info/METADATA", "Name: no\nVersion: 1\n"), ("Foo_Bar-1.0.dist-info/METADATA", METADATA)]
        {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).expect("zip");
            writer.write_all(content.as_bytes()).expect("zip");
        }
        let bytes = writer.finish().expect("zip").into_inner();
        let beside = |_: &str| None;
        let read = read_archive(&Input { path: "Foo_Bar-1.0-py3-none-any.whl", bytes: &bytes, beside: &beside })
            .expect("a wheel");
        assert_eq!(shown(&read), ["foo-bar 1.0"]);
        assert!(read_archive(&Input { path: "x.whl", bytes: b"PK\x03\x04", beside: &beside }).is_err());
    }

    #[test]
    fn which_files() {
        for path in ["a-1.dist-info/METADATA", "x/a.egg-info/PKG-INFO", "a.egg/EGG-INFO/PKG-INFO", "a-1-py3.egg-info"] {
            assert!(wants(path), "{path}");
        }
        for path in ["METADATA", "PKG-INFO", "a.egg-info/SOURCES.txt"] {
            assert!(!wants(path), "{path}");
        }
    }
}
