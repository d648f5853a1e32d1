//! Requirements of Python packages (PEP 508, PEP 440), and how their names are compared (PEP 503).

use provost_model::{PackageSource, Scope};

use super::source::address;

/// A requirement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Requirement {
    /// Normalised.
    pub(super) name: String,
    /// Extras that it asks for, normalised.
    pub(super) extras: Vec<String>,
    /// Versions as written: `>=1,<2`; empty for any.
    pub(super) versions: String,
    /// Where it comes from, for `name @ url`.
    pub(super) url: Option<String>,
    /// When it applies.
    pub(super) marker: Option<String>,
}

/// PEP 503: lower case, and one `-` for each run of `-`, `_` and `.`.
pub(super) fn normalised(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.trim().chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            other => out.extend(other.to_lowercase()),
        }
    }
    out
}

/// True for what can be the name of a package.
pub(super) fn is_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    name.bytes().all(inner) && edge(name.as_bytes().first()) && edge(name.as_bytes().last())
}

/// Parses a requirement.
pub(super) fn parse(text: &str) -> Result<Requirement, &'static str> {
    let text = text.trim();
    let end = text
        .bytes()
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')))
        .unwrap_or(text.len());
    let (name, mut rest) = (&text[..end], text[end..].trim_start());
    if !is_name(name) {
        return Err("it does not begin with the name of a package");
    }
    let mut requirement = Requirement { name: normalised(name), ..Requirement::default() };
    if let Some(inside) = rest.strip_prefix('[') {
        let (extras, after) = inside.split_once(']').ok_or("the extras have no end")?;
        requirement.extras = extras.split(',').map(normalised).filter(|extra| !extra.is_empty()).collect();
        rest = after.trim_start();
    }
    if let Some(url) = rest.strip_prefix('@') {
        // A `;` may stand in an address: a marker begins after a blank.
        let (url, marker) = match url.trim_start().split_once(" ;") {
            Some((url, marker)) => (url, Some(marker)),
            None => (url.trim_start(), None),
        };
        requirement.url = Some(url.trim().to_owned());
        requirement.marker = marker.map(|marker| marker.trim().to_owned());
        return Ok(requirement);
    }
    let (versions, marker) = match rest.split_once(';') {
        Some((versions, marker)) => (versions, Some(marker)),
        None => (rest, None),
    };
    requirement.marker = marker.map(|marker| marker.trim().to_owned()).filter(|marker| !marker.is_empty());
    // No version holds `#`: a comment that pip would not see as one.
    let versions = versions.split('#').next().unwrap_or_default().trim();
    let versions = versions.strip_prefix('(').and_then(|inside| inside.strip_suffix(')')).unwrap_or(versions).trim();
    if !versions.is_empty() && !versions.starts_with(['=', '<', '>', '!', '~']) {
        return Err("what follows the name is not a version");
    }
    requirement.versions = versions.to_owned();
    Ok(requirement)
}

/// True for version specifiers as they have to be (PEP 440): operators and versions.
pub(super) fn are_versions(versions: &str) -> bool {
    let sound = |one: &str| {
        let one = one.trim();
        let version = one.trim_start_matches(['=', '<', '>', '!', '~']).trim_start();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'!' | b'+' | b'_' | b'*' | b'-');
        version.len() < one.len() && !version.is_empty() && version.bytes().all(plain)
    };
    versions.is_empty() || versions.trim_end_matches(',').split(',').all(sound)
}

/// The one version that is asked for: `==1.2`, `===1.2`.
pub(super) fn pinned(versions: &str) -> Option<&str> {
    let version = versions.trim().strip_prefix("==")?;
    let version = version.strip_prefix('=').unwrap_or(version).trim();
    (are_versions(versions) && !version.contains([',', '*'])).then_some(version)
}

/// What a marker makes of a scope: packages of other platforms and of extras go in only sometimes.
pub(super) fn marked(scope: Scope, marker: Option<&str>) -> Scope {
    const SOMETIMES: [&str; 7] = [
        "sys_platform",
        "platform_system",
        "platform_machine",
        "os_name",
        "sys.platform",
        "implementation_name",
        "extra",
    ];
    match marker {
        Some(marker) if scope == Scope::Production && SOMETIMES.iter().any(|word| marker.contains(word)) => {
            Scope::Optional
        }
        _ => scope,
    }
}

/// Where `name @ url`, or a line that is only an address, takes a package from.
pub(super) fn source(url: &str) -> PackageSource {
    let bare = url.split_once('#').map_or(url, |(bare, _)| bare);
    if let Some(path) = bare.strip_prefix("file:") {
        return PackageSource::Path { path: path.trim_start_matches("//").to_owned() };
    }
    let Some(repository) = bare.strip_prefix("git+") else {
        return match bare.contains("://") {
            true => PackageSource::Url { url: address(bare) },
            false => PackageSource::Path { path: bare.to_owned() },
        };
    };
    // The revision follows the path's `@`, not the one of the user.
    let path = repository.find("://").map_or(0, |at| at + 3);
    let path = repository[path..].find('/').map_or(repository.len(), |at| path + at);
    match repository[path..].rsplit_once('@') {
        Some((before, revision)) => {
            PackageSource::Git { url: address(&repository[..path + before.len()]), revision: Some(revision.to_owned()) }
        }
        None => PackageSource::Git { url: address(repository), revision: None },
    }
}

/// Name and version that a distribution's file name tells: `name-1.0-py3-none-any.whl`, `name-1.0.tar.gz`.
pub(super) fn of_file_name(url: &str) -> Option<(String, String)> {
    let bare = url.split(['#', '?']).next()?;
    let file = bare.rsplit('/').next()?;
    if let Some(stem) = file.strip_suffix(".whl") {
        let mut parts = stem.split('-');
        let (name, version) = (parts.next()?, parts.next()?);
        return (is_name(name) && parts.count() >= 3).then(|| (normalised(name), version.replace("%2B", "+")));
    }
    let stem = [".tar.gz", ".zip", ".tar.bz2", ".tgz"].iter().find_map(|end| file.strip_suffix(end))?;
    let (name, version) = stem.rsplit_once('-')?;
    let sound = is_name(name) && version.starts_with(|c: char| c.is_ascii_digit());
    sound.then(|| (normalised(name), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_of_all_forms() {
        let one = parse("Foo_.Bar[A,b_c] (>=1,<2) ; python_version < '3'").expect("a requirement");
        assert_eq!((one.name.as_str(), one.versions.as_str()), ("foo-bar", ">=1,<2"));
        assert_eq!(one.extras, ["a", "b-c"]);
        assert_eq!(one.marker.as_deref(), Some("python_version < '3'"));
        let one = parse("foo @ https://host/foo-1.0.tar.gz#sha256=00 ; extra == 'x'").expect("a requirement");
        assert_eq!(one.url.as_deref(), Some("https://host/foo-1.0.tar.gz#sha256=00"));
        assert_eq!(marked(Scope::Production, one.marker.as_deref()), Scope::Optional);
        assert!(parse("./foo").is_err());
        assert!(parse("foo bar").is_err());
        assert!(parse("foo[a").is_err());
        assert!(parse("").is_err());
    }

    #[test]
    fn only_one_version_is_a_pin() {
        assert_eq!(pinned("== 1.0"), Some("1.0"));
        assert_eq!(pinned("===1.0"), Some("1.0"));
        for versions in ["==1.*", ">=1", "==1,!=2", "", "=="] {
            assert_eq!(pinned(versions), None, "{versions}");
        }
    }

    #[test]
    fn sources_of_addresses() {
        let git = |url: &str, revision: Option<&str>| PackageSource::Git {
            url: url.to_owned(),
            revision: revision.map(str::to_owned),
        };
        assert_eq!(source("git+https://u:p@host/a/b.git@v1#egg=b"), git("https://host/a/b.git", Some("v1")));
        assert_eq!(source("git+ssh://git@host/a/b.git"), git("ssh://git@host/a/b.git", None));
        assert_eq!(source("../lib"), PackageSource::Path { path: "../lib".into() });
    }

    #[test]
    fn file_names_tell_versions() {
        assert_eq!(
            of_file_name("https://h/Foo_bar-1.0%2Bcpu-py3-none-any.whl#x"),
            Some(("foo-bar".into(), "1.0+cpu".into()))
        );
        assert_eq!(of_file_name("foo-bar-1.0.tar.gz"), Some(("foo-bar".into(), "1.0".into())));
        assert_eq!(of_file_name("master.zip"), None);
    }
}
