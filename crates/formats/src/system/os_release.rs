//! Which system a root holds: `os-release(5)`, and the files that came before it.

use provost_model::Distribution;

use super::text;

/// Files that tell it, relative to the root, the surest first.
pub const PATHS: &[&str] = &[
    "etc/os-release",
    "usr/lib/os-release",
    "etc/lsb-release",
    "etc/alpine-release",
    "etc/oracle-release",
    "etc/centos-release",
    "etc/redhat-release",
    "etc/system-release",
    "etc/SuSE-release",
    "etc/debian_version",
];

/// Bytes of such a file that are looked at.
const BYTES: usize = 64 << 10;

/// Systems that `ID_LIKE` may name.
const LIKE: usize = 16;

/// The system of a root, of which a file is handed out by its path relative to it.
pub fn find(file: &dyn Fn(&str) -> Option<Vec<u8>>) -> Option<Distribution> {
    PATHS.iter().find_map(|path| read(path, &file(path)?))
}

/// What one of the [files](PATHS) says.
pub fn read(path: &str, bytes: &[u8]) -> Option<Distribution> {
    let content = String::from_utf8_lossy(&bytes[..bytes.len().min(BYTES)]);
    match path.rsplit('/').next()? {
        "os-release" => variables(&content, "ID", "VERSION_ID"),
        "lsb-release" => variables(&content, "DISTRIB_ID", "DISTRIB_RELEASE"),
        "alpine-release" => plain("alpine", text(&content)?),
        // `12.5` there is `12` in os-release; `trixie/sid` has no number yet.
        "debian_version" => {
            let version = text(&content)?;
            let major = version.split('.').next().unwrap_or_default();
            let number = !major.is_empty() && major.bytes().all(|b| b.is_ascii_digit());
            plain("debian", if number { major.to_owned() } else { String::new() })
        }
        "SuSE-release" => suse(&content),
        "oracle-release" | "centos-release" | "redhat-release" | "system-release" => red_hat(&content),
        _ => None,
    }
}

fn plain(id: &str, version: String) -> Option<Distribution> {
    Some(Distribution { id: id.to_owned(), version, like: Vec::new() })
}

/// `NAME=value` lines. Without an id it is `linux` (os-release(5)).
fn variables(content: &str, id_name: &str, version_name: &str) -> Option<Distribution> {
    let (mut id, mut version, mut like, mut any) = (None, None, Vec::new(), false);
    for line in content.lines() {
        let Some((name, value)) = line.trim().split_once('=') else { continue };
        any = true;
        if name == id_name {
            id = text(&unquoted(value)).map(|id| id.to_ascii_lowercase());
        } else if name == version_name {
            version = text(&unquoted(value));
        } else if name == "ID_LIKE" {
            like = unquoted(value).split_ascii_whitespace().take(LIKE).map(str::to_ascii_lowercase).collect();
        }
    }
    // An lsb-release that names nothing is not the last word.
    if !any || (id.is_none() && id_name != "ID") {
        return None;
    }
    Some(Distribution { id: id.unwrap_or_else(|| "linux".to_owned()), version: version.unwrap_or_default(), like })
}

/// A value without its quotes, and without the backslashes that stand before characters in it.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return if quote == '"' { unescaped(inner) } else { inner.to_owned() };
        }
    }
    unescaped(value)
}

fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(one) = characters.next() {
        out.push(if one == '\\' { characters.next().unwrap_or('\\') } else { one });
    }
    out
}

/// `CentOS Linux release 7.9.2009 (Core)`.
fn red_hat(content: &str) -> Option<Distribution> {
    let line = content.lines().next()?;
    let (name, rest) = line.split_once(" release ")?;
    let version = text(rest.split_ascii_whitespace().next()?)?;
    let name = name.to_ascii_lowercase();
    let ids = [
        ("red hat", "rhel"),
        ("centos", "centos"),
        ("fedora", "fedora"),
        ("rocky", "rocky"),
        ("alma", "almalinux"),
        ("oracle", "ol"),
        ("amazon", "amzn"),
        ("scientific", "scientific"),
    ];
    let (_, id) = ids.into_iter().find(|(start, _)| name.starts_with(start))?;
    let like = if matches!(id, "rhel" | "fedora") { Vec::new() } else { vec!["rhel".to_owned(), "fedora".to_owned()] };
    Some(Distribution { id: id.to_owned(), version, like })
}

/// `SUSE Linux Enterprise Server 11 (x86_64)`, then `VERSION = 11` and `PATCHLEVEL = 4`.
fn suse(content: &str) -> Option<Distribution> {
    let first = content.lines().next()?.to_ascii_lowercase();
    let id = if first.starts_with("opensuse") { "opensuse" } else { "sles" };
    let value = |wanted: &str| {
        let mut pairs = content.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(name, _)| name.trim() == wanted).and_then(|(_, value)| text(value))
    };
    let version = value("VERSION")?;
    let version = match value("PATCHLEVEL") {
        Some(patch) if patch != "0" => format!("{version}.{patch}"),
        _ => version,
    };
    Some(Distribution { id: id.to_owned(), version, like: vec!["suse".to_owned()] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, content: &str) -> Option<(String, String, String)> {
        read(path, content.as_bytes()).map(|found| (found.id, found.version, found.like.join(" ")))
    }

    fn is(id: &str, version: &str, like: &str) -> Option<(String, String, String)> {
        Some((id.into(), version.into(), like.into()))
    }

    #[test]
    fn releases() {
        let rocky = "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.3\"\n";
        assert_eq!(said("/etc/os-release", rocky), is("rocky", "9.3", "rhel centos fedora"));
        assert_eq!(said("usr/lib/os-release", "ID=alpine\r\nVERSION_ID=3.19.1\r\n"), is("alpine", "3.19.1", ""));
        assert_eq!(said("etc/os-release", "ID=debian\nPRETTY_NAME='Debian sid'"), is("debian", "", ""));
        assert_eq!(said("etc/os-release", "# nothing\nNAME=x"), is("linux", "", ""));
        assert_eq!(said("etc/os-release", ""), None);
        assert_eq!(said("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=14.04"), is("ubuntu", "14.04", ""));
        assert_eq!(said("etc/lsb-release", "LSB_VERSION=core"), None);
        assert_eq!(said("etc/alpine-release", "3.4.6\n"), is("alpine", "3.4.6", ""));
        assert_eq!(said("etc/debian_version", "8.11\n"), is("debian", "8", ""));
        assert_eq!(said("etc/debian_version", "trixie/sid\n"), is("debian", "", ""));
        assert_eq!(said("etc/redhat-release", "CentOS release 6.10 (Final)"), is("centos", "6.10", "rhel fedora"));
        let rhel = "Red Hat Enterprise Linux Server release 6.5 (Santiago)\n";
        assert_eq!(said("etc/redhat-release", rhel), is("rhel", "6.5", ""));
        let sles = "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n";
        assert_eq!(said("etc/SuSE-release", sles), is("sles", "11.4", "suse"));
    }

    #[test]
    fn the_first_that_says_something_counts() {
        let file = |path: &str| match path {
            "etc/lsb-release" => Some(b"LSB_VERSION=1.4".to_vec()),
            "etc/redhat-release" => Some(b"Fedora release 39 (Thirty Nine)".to_vec()),
            "etc/debian_version" => Some(b"12.1".to_vec()),
            _ => None,
        };
        assert_eq!(find(&file).map(|found| found.id), Some("fedora".to_owned()));
    }
}
