//! Where content comes from, as addresses say it, and digests as lockfiles write them.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use provost_model::{PackageHash, PackageSource, repository_address};

/// An address without the user and password that may stand in it: those are nobody's business.
pub(crate) fn public(url: &str) -> Cow<'_, str> {
    let Some(start) = url.find("://").map(|at| at + 3) else { return Cow::Borrowed(url) };
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    let Some(at) = url[start..end].rfind('@') else { return Cow::Borrowed(url) };
    let user = &url[start..start + at];
    if url[..start].ends_with("ssh://") && !user.contains(':') {
        return Cow::Borrowed(url);
    }
    Cow::Owned(format!("{}{}", &url[..start], &url[start + at + 1..]))
}

/// True for an address of http or https whose host is one of these; what only looks like it is not.
pub(crate) fn is_of_host(url: &str, hosts: &[&str]) -> bool {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else { return false };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or(authority);
    hosts.iter().any(|known| host.eq_ignore_ascii_case(known))
}

/// As [`public`], owned.
pub(crate) fn address(url: &str) -> String {
    public(url).into_owned()
}

/// A repository as advisories name it: host and path, without scheme, user and `.git`.
pub fn repository(location: &str) -> String {
    repository_address(&public(location))
}

/// A git repository: `git+https://host/path.git#revision`, `github:owner/name#revision`, `git@host:path`. `None` where it
/// is none. What follows `#` counts as the commit only where it is one.
pub(crate) fn git(text: &str) -> Option<PackageSource> {
    let (address, fragment) = text.split_once('#').map_or((text, ""), |(address, fragment)| (address, fragment));
    let hosts = [
        ("github:", "https://github.com/"),
        ("gitlab:", "https://gitlab.com/"),
        ("bitbucket:", "https://bitbucket.org/"),
        ("gist:", "https://gist.github.com/"),
    ];
    let revision =
        fragment.split('&').map(|part| part.strip_prefix("commit=").unwrap_or(part)).find(|part| is_commit(part));
    let revision = revision.map(str::to_owned);
    for (prefix, host) in hosts {
        if let Some(path) = address.strip_prefix(prefix) {
            return Some(PackageSource::Git { url: format!("{host}{path}"), revision });
        }
    }
    if let Some(rest) = address.strip_prefix("https://codeload.github.com/") {
        let mut parts = rest.split('/');
        let (owner, name, kind, revision) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let revision = is_commit(revision).then(|| revision.to_owned());
        return (kind == "tar.gz" || kind == "legacy.tar.gz")
            .then(|| PackageSource::Git { url: format!("https://github.com/{owner}/{name}"), revision });
    }
    let plain = address.strip_prefix("git+").unwrap_or(address);
    let is_git = plain.len() != address.len()
        || ["git://", "git@", "ssh://"].iter().any(|scheme| address.starts_with(scheme))
        || (address.contains("://") && address.ends_with(".git"));
    is_git.then(|| PackageSource::Git { url: public(plain).into_owned(), revision })
}

/// Hexadecimal and as long as a commit's name, or a usual short form of it.
pub(crate) fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A digest in base64 as a digest in hexadecimal; `None` where it is no base64.
pub(crate) fn of_base64(algorithm: &str, text: &str) -> Option<PackageHash> {
    let bytes = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?;
    Some(PackageHash { algorithm: algorithm.to_owned(), value: hex::encode(bytes) })
}

/// A digest in hexadecimal; `None` where it is none.
pub(crate) fn of_hex(algorithm: &str, text: &str) -> Option<PackageHash> {
    let well = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    well.then(|| PackageHash { algorithm: algorithm.to_owned(), value: text.to_ascii_lowercase() })
}

/// Subresource integrity (W3C SRI): `sha512-… sha1-…`. Those that cannot be read are left out and the answer is false.
pub(crate) fn integrity(text: &str, hashes: &mut Vec<PackageHash>) -> bool {
    let mut well = true;
    for part in text.split_ascii_whitespace() {
        let digest = part.split_once('-').and_then(|(algorithm, value)| {
            let value = value.split('?').next().unwrap_or(value);
            of_base64(&algorithm.to_ascii_lowercase(), value)
        });
        match digest {
            Some(digest) if hashes.contains(&digest) => {}
            Some(digest) => hashes.push(digest),
            None => well = false,
        }
    }
    well
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_passwords() {
        let pairs = [
            ("https://user:word@host/a@b", "https://host/a@b"),
            ("git+https://token@host/a.git#x", "git+https://host/a.git#x"),
            ("ssh://git@host/a", "ssh://git@host/a"),
            ("ssh://git:word@host/a", "ssh://host/a"),
            ("https://host/a?b=c@d", "https://host/a?b=c@d"),
            ("git@host:a/b", "git@host:a/b"),
            ("https://a@b@host", "https://host"),
        ];
        for (with, without) in pairs {
            assert_eq!(public(with), without);
        }
    }

    #[test]
    fn hosts_are_compared_whole() {
        let gems = |url: &str| is_of_host(url, &["rubygems.org"]);
        assert!(gems("https://rubygems.org/") && gems("http://RubyGems.org") && gems("https://u:p@rubygems.org/x"));
        for other in [
            "https://rubygems.org.evil.example/",
            "https://evil.example/?://rubygems.org",
            "https://rubygems.org@evil.example/",
            "ftp://rubygems.org/",
        ] {
            assert!(!gems(other), "{other}");
        }
    }

    #[test]
    fn repositories_are_told_from_other_addresses() {
        let commit = "0123456789012345678901234567890123456789";
        let texts = [
            (format!("git+ssh://git@host/a.git#{commit}"), "ssh://git@host/a.git", true),
            (format!("github:owner/name#{commit}"), "https://github.com/owner/name", true),
            (format!("https://codeload.github.com/owner/name/tar.gz/{commit}"), "https://github.com/owner/name", true),
            (format!("https://host/a.git#commit={commit}"), "https://host/a.git", true),
            (format!("https://host/a.git#workspace=x&commit={commit}"), "https://host/a.git", true),
            ("git@host:a/b.git#semver:^1".to_owned(), "git@host:a/b.git", false),
        ];
        for (text, url, locked) in texts {
            let revision = locked.then(|| commit.to_owned());
            assert_eq!(git(&text), Some(PackageSource::Git { url: url.to_owned(), revision }), "{text}");
        }
        assert_eq!(git("https://host/a.tgz"), None);
        assert_eq!(git("^1.2.3"), None);
    }

    #[test]
    fn integrity_is_several_digests() {
        let mut hashes = Vec::new();
        assert!(integrity("sha1-AAEC sha512-/w==?x sha1-AAEC", &mut hashes));
        let values: Vec<_> = hashes.iter().map(|hash| (hash.algorithm.as_str(), hash.value.as_str())).collect();
        assert_eq!(values, [("sha1", "000102"), ("sha512", "ff")]);
        assert!(!integrity("sha1-**", &mut hashes));
        assert!(!integrity("x", &mut hashes));
    }
}
