//! Packages as package URLs and back.

use crate::package::{Distribution, Ecosystem, Package, PackageHash, PackageSource};

use super::{Purl, PurlBuilder};

impl Package {
    /// Its package URL. A package whose name its type does not allow (a Composer package without vendor, a Swift package
    /// without host) becomes one of type `generic`: the URL always exists.
    ///
    /// What the ecosystem's usual registry does not serve carries where it comes from: `repository_url`, `vcs_url` or
    /// `download_url` (for a directory of the project `file://` and its path as the lock has it). Packages of an operating
    /// system have the vendor as namespace (`unknown` where it is not known) and `arch`, `distro` and `upstream`, as
    /// scanners write them.
    pub fn purl(&self) -> Purl {
        let version = self.version.clone().unwrap_or_default();
        let builder = match self.ecosystem {
            Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Rpm => self.system_purl(&version),
            Ecosystem::Oci => self.image_purl(&version),
            Ecosystem::Conan => conan_purl(&self.name, &version),
            Ecosystem::Maven => {
                let (group, artifact) = self.name.split_once(':').unwrap_or(("", &self.name));
                self.plain(artifact, &version).namespace(group)
            }
            Ecosystem::GitHubActions => {
                let mut parts = self.name.splitn(3, '/');
                let (owner, repository) = (parts.next().unwrap_or_default(), parts.next());
                let name = repository.unwrap_or(owner);
                let owner = if repository.is_some() { owner } else { "" };
                self.plain(name, &version).namespace(owner).subpath(parts.next().unwrap_or_default())
            }
            Ecosystem::Swift => {
                let bare = repository_address(&self.name);
                let (namespace, name) = bare.rsplit_once('/').unwrap_or(("", &bare));
                self.plain(name, &version).namespace(namespace)
            }
            _ => {
                let (namespace, name) = self.name.rsplit_once('/').unwrap_or(("", &self.name));
                self.plain(name, &version).namespace(namespace)
            }
        };
        let builder = match &self.source {
            PackageSource::Registry => builder,
            // An image's place is in its name.
            PackageSource::OtherRegistry { .. } if self.ecosystem == Ecosystem::Oci => builder,
            PackageSource::OtherRegistry { url } => builder.qualifier("repository_url", url),
            PackageSource::Git { url, revision } => builder.qualifier("vcs_url", vcs_url(url, revision.as_deref())),
            PackageSource::Url { url } => builder.qualifier("download_url", url),
            PackageSource::Path { path } => builder.qualifier("download_url", format!("file://{path}")),
        };
        builder.build().unwrap_or_else(|_| Purl {
            kind: "generic".into(),
            namespace: None,
            name: Some(self.name.trim_matches('/')).filter(|name| !name.is_empty()).unwrap_or("unknown").into(),
            version: self.version.clone().filter(|version| !version.is_empty()),
            qualifiers: std::collections::BTreeMap::new(),
            subpath: None,
        })
    }

    /// What a package URL says of a package. Types without an ecosystem of ours become [`Ecosystem::Generic`].
    pub fn from_purl(purl: &Purl) -> Self {
        let ecosystem = match purl.kind.as_str() {
            "docker" => Ecosystem::Oci,
            kind => Ecosystem::of_purl_type(kind),
        };
        let mut package = Self::new(ecosystem, purl.full_name(), purl.version.clone());
        let qualifier = |key: &str| purl.qualifiers.get(key).cloned();
        match ecosystem {
            Ecosystem::Maven => {
                package.name = match &purl.namespace {
                    Some(group) => format!("{group}:{}", purl.name),
                    None => purl.name.clone(),
                };
            }
            Ecosystem::GitHubActions => {
                if let Some(path) = &purl.subpath {
                    package.name = format!("{}/{path}", package.name);
                }
            }
            Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Rpm => package.system_of(purl),
            Ecosystem::Oci => package.image_of(purl),
            Ecosystem::Conan => package.conan_of(purl),
            _ => {}
        }
        if ecosystem != Ecosystem::Oci {
            package.architecture = qualifier("arch");
            package.source = source(purl);
        }
        for checksum in qualifier("checksum").iter().flat_map(|list| list.split(',')) {
            if let Some((algorithm, value)) = checksum.split_once(':') {
                let value = value.to_ascii_lowercase();
                package.hashes.push(PackageHash { algorithm: algorithm.to_ascii_lowercase(), value });
            }
        }
        package
    }

    fn plain(&self, name: &str, version: &str) -> PurlBuilder {
        Purl::builder(self.ecosystem.purl_type(), name).version(version)
    }

    fn system_purl(&self, version: &str) -> PurlBuilder {
        let id = self.distribution.as_ref().map_or("", |distribution| &distribution.id);
        let (epoch, version) = match version.split_once(':') {
            Some((epoch, rest)) if self.ecosystem == Ecosystem::Rpm => (epoch, rest),
            _ => ("", version),
        };
        let mut builder = self.plain(&self.name, version).namespace(vendor(id)).qualifier("epoch", epoch);
        builder = builder.qualifier("arch", self.architecture.as_deref().unwrap_or_default());
        if let Some(distribution) = self.distribution.as_ref().filter(|distribution| !distribution.id.is_empty()) {
            let distro = match distribution.version.as_str() {
                "" => distribution.id.clone(),
                version => format!("{}-{version}", distribution.id),
            };
            builder = builder.qualifier("distro", distro);
        }
        let upstream = match (&self.built_from, self.ecosystem) {
            (None, _) => String::new(),
            (Some((name, Some(version))), Ecosystem::Rpm) => format!("{name}-{version}.src.rpm"),
            (Some((name, Some(version))), _) => format!("{name}@{version}"),
            (Some((name, None)), _) if *name == self.name => String::new(),
            (Some((name, None)), _) => name.clone(),
        };
        builder.qualifier("upstream", upstream)
    }

    fn system_of(&mut self, purl: &Purl) {
        self.name.clone_from(&purl.name);
        if let (Some(epoch), Some(version), Ecosystem::Rpm) =
            (purl.qualifiers.get("epoch"), &purl.version, self.ecosystem)
        {
            self.version = Some(format!("{epoch}:{version}"));
        }
        self.distribution = distribution(
            purl.namespace.as_deref().unwrap_or_default(),
            purl.qualifiers.get("distro").map_or("", String::as_str),
        );
        self.built_from = purl.qualifiers.get("upstream").map(|upstream| {
            if let Some(file) = upstream.strip_suffix(".src.rpm") {
                // Name, version and release are parted by the last two hyphens.
                let cut = file.rmatch_indices('-').nth(1).map(|(index, _)| index);
                return match cut {
                    Some(cut) => (file[..cut].to_owned(), Some(file[cut + 1..].to_owned())),
                    None => (file.to_owned(), None),
                };
            }
            match upstream.split_once('@') {
                Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
                None => (upstream.clone(), None),
            }
        });
    }

    /// The version is the digest, `tag` what people call it, `repository_url` the whole name (types/oci).
    fn image_purl(&self, version: &str) -> PurlBuilder {
        let name = self.name.rsplit('/').next().unwrap_or_default();
        let known = self.hashes.iter().find(|hash| hash.algorithm == "sha256");
        let digest = match known {
            _ if is_digest(version) => version.to_owned(),
            Some(hash) => format!("sha256:{}", hash.value),
            None => String::new(),
        };
        let mut builder = self.plain(name, &digest).qualifier("arch", self.architecture.as_deref().unwrap_or_default());
        if !is_digest(version) {
            builder = builder.qualifier("tag", version);
        }
        if self.name.contains('/') {
            builder = builder.qualifier("repository_url", self.name.as_str());
        }
        builder
    }

    fn image_of(&mut self, purl: &Purl) {
        if let Some(url) = purl.qualifiers.get("repository_url") {
            let place = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest).trim_end_matches('/');
            let named = place.rsplit('/').next() == Some(purl.name.as_str()) && purl.namespace.is_none();
            self.name = if named { place.to_owned() } else { format!("{place}/{}", self.name) };
        }
        self.architecture = purl.qualifiers.get("arch").cloned();
        if let Some(digest) = purl.version.as_deref().and_then(|version| version.strip_prefix("sha256:")) {
            self.hashes.push(PackageHash { algorithm: "sha256".into(), value: digest.to_ascii_lowercase() });
        }
        if let Some(tag) = purl.qualifiers.get("tag") {
            self.version = Some(tag.clone());
        }
    }

    fn conan_of(&mut self, purl: &Purl) {
        self.name.clone_from(&purl.name);
        let part = |key: &str| purl.qualifiers.get(key).cloned();
        let user = part("user").or_else(|| purl.namespace.clone());
        if let (Some(version), Some(user), Some(channel)) = (&purl.version, user, part("channel")) {
            self.version = Some(format!("{version}@{user}/{channel}"));
        }
        if let (Some(version), Some(revision)) = (&self.version, part("rrev")) {
            self.version = Some(format!("{version}#{revision}"));
        }
    }
}

/// `version@user/channel#revision%time` is how Conan's locks write a version.
fn conan_purl(name: &str, version: &str) -> PurlBuilder {
    let version = version.split('%').next().unwrap_or_default();
    let (version, revision) = version.split_once('#').unwrap_or((version, ""));
    let (version, place) = version.split_once('@').unwrap_or((version, ""));
    let (user, channel) = place.split_once('/').unwrap_or((place, ""));
    let builder = Purl::builder("conan", name).version(version);
    builder.qualifier("user", user).qualifier("channel", channel).qualifier("rrev", revision)
}

fn is_digest(version: &str) -> bool {
    version.starts_with("sha256:") || version.starts_with("sha512:")
}

/// The vendor that stands as namespace for a distribution; it is the distribution itself but for families.
fn vendor(id: &str) -> &str {
    match id {
        "" => "unknown",
        "rhel" => "redhat",
        "sles" | "sled" | "sle-micro" | "sles_sap" => "suse",
        id if id.starts_with("opensuse") => "opensuse",
        id => id,
    }
}

/// The distribution of a namespace and a `distro` qualifier: `debian-12`, `opensuse-leap-15.5`, `jessie`, `12`.
fn distribution(vendor_name: &str, distro: &str) -> Option<Distribution> {
    let id = if vendor_name == "unknown" { "" } else { vendor_name };
    let starts_with_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let (id, version) = match distro.rsplit_once('-') {
        _ if distro == id => (id, ""),
        _ if starts_with_digit(distro) => (id, distro),
        Some((name, version)) if starts_with_digit(version) => (name, version),
        _ if vendor(distro) == vendor_name && !distro.is_empty() => (distro, ""),
        Some((name, version)) => (name, version),
        None => (id, distro),
    };
    (!id.is_empty()).then(|| Distribution { id: id.to_owned(), version: version.to_owned(), like: Vec::new() })
}

/// A repository's address without what tells only how to get there: `github.com/owner/name`, of `https://github.com/owner/name.git`
/// and of `git@github.com:owner/name`.
pub fn repository_address(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority_end = rest.find(['/', ':']).unwrap_or(rest.len());
    let rest = match rest[..authority_end].rfind('@') {
        Some(user_end) => &rest[user_end + 1..],
        None => rest,
    };
    let rest = rest.trim_end_matches('/');
    let bare = rest.strip_suffix(".git").unwrap_or(rest);
    match bare.split_once(':') {
        // `git@host:path`.
        Some((host, path)) if !host.contains('/') && !path.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{host}/{path}")
        }
        _ => bare.to_owned(),
    }
}

/// `git+https://host/path@revision`: SPDX 2.3, 7.7 "Package download location".
fn vcs_url(url: &str, revision: Option<&str>) -> String {
    let scheme = if url.starts_with("git+") || url.starts_with("git://") { "" } else { "git+" };
    match revision {
        Some(revision) => format!("{scheme}{url}@{revision}"),
        None => format!("{scheme}{url}"),
    }
}

fn source(purl: &Purl) -> PackageSource {
    let qualifier = |key: &str| purl.qualifiers.get(key);
    if let Some(vcs) = qualifier("vcs_url") {
        let url = vcs.strip_prefix("git+").unwrap_or(vcs);
        // A revision stands behind the path; an `@` before that is a user's.
        let path = match url.find("://") {
            Some(scheme) => url[scheme + 3..].find('/').map(|slash| scheme + 3 + slash),
            None => url.find(':'),
        };
        let cut = path.and_then(|path| url[path..].rfind('@').map(|at| path + at));
        return match cut {
            Some(cut) => PackageSource::Git { url: url[..cut].to_owned(), revision: Some(url[cut + 1..].to_owned()) },
            None => PackageSource::Git { url: url.to_owned(), revision: None },
        };
    }
    if let Some(url) = qualifier("download_url") {
        return match url.strip_prefix("file://") {
            Some(path) => PackageSource::Path { path: path.to_owned() },
            None => PackageSource::Url { url: url.clone() },
        };
    }
    match qualifier("repository_url") {
        Some(url) => PackageSource::OtherRegistry { url: url.clone() },
        None => PackageSource::Registry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purl(ecosystem: Ecosystem, name: &str, version: &str) -> String {
        Package::new(ecosystem, name, Some(version.into())).purl().to_string()
    }

    #[test]
    fn every_ecosystem_has_its_form() {
        let cases = [
            (Ecosystem::Cargo, "serde", "1.0.0", "pkg:cargo/serde@1.0.0"),
            (Ecosystem::Npm, "@angular/core", "1.0.0", "pkg:npm/%40angular/core@1.0.0"),
            (Ecosystem::PyPi, "Zope.Interface_x", "5", "pkg:pypi/zope.interface-x@5"),
            (
                Ecosystem::Go,
                "github.com/Masterminds/semver/v3",
                "v3.2.0",
                "pkg:golang/github.com/masterminds/semver/v3@v3.2.0",
            ),
            (Ecosystem::Go, "stdlib", "1.22.1", "pkg:golang/stdlib@1.22.1"),
            (
                Ecosystem::Maven,
                "org.apache.commons:commons-lang3",
                "3.14",
                "pkg:maven/org.apache.commons/commons-lang3@3.14",
            ),
            (Ecosystem::RubyGems, "rails", "7.1.2", "pkg:gem/rails@7.1.2"),
            (Ecosystem::Packagist, "Symfony/Console", "v7", "pkg:composer/symfony/console@v7"),
            (Ecosystem::Packagist, "ext-json", "8", "pkg:generic/ext-json@8"),
            (Ecosystem::NuGet, "Newtonsoft.Json", "13.0.1", "pkg:nuget/Newtonsoft.Json@13.0.1"),
            (
                Ecosystem::Swift,
                "https://github.com/Alamofire/Alamofire.git",
                "5.4",
                "pkg:swift/github.com/Alamofire/Alamofire@5.4",
            ),
            (Ecosystem::Swift, "git@github.com:a/B.git", "5.4", "pkg:swift/github.com/a/B@5.4"),
            (Ecosystem::Pub, "http", "1.2.0", "pkg:pub/http@1.2.0"),
            (Ecosystem::Hex, "jason", "1.4.1", "pkg:hex/jason@1.4.1"),
            (Ecosystem::Conan, "zlib", "1.3@me/stable#ab12%171", "pkg:conan/zlib@1.3?channel=stable&rrev=ab12&user=me"),
            (Ecosystem::GitHubActions, "actions/cache/save", "v4", "pkg:githubactions/actions/cache@v4#save"),
            (Ecosystem::Oci, "ghcr.io/a/app", "1.2", "pkg:oci/app?repository_url=ghcr.io%2Fa%2Fapp&tag=1.2"),
            (
                Ecosystem::Oci,
                "docker.io/library/debian",
                "sha256:ab",
                "pkg:oci/debian@sha256:ab?repository_url=docker.io%2Flibrary%2Fdebian",
            ),
            (Ecosystem::Deb, "bash", "5.2", "pkg:deb/unknown/bash@5.2"),
            (Ecosystem::Generic, "///", "1", "pkg:generic/unknown@1"),
        ];
        for (ecosystem, name, version, expected) in cases {
            assert_eq!(purl(ecosystem, name, version), expected);
        }
    }

    #[test]
    fn packages_of_systems_come_back_whole() {
        let with =
            |ecosystem, name: &str, version: &str, id: &str, release: &str, from: Option<(&str, Option<&str>)>| {
                let mut package = Package::new(ecosystem, name, Some(version.into()));
                package.distribution = Some(Distribution { id: id.into(), version: release.into(), like: Vec::new() });
                package.architecture = Some("amd64".into());
                package.built_from = from.map(|(name, version)| (name.to_owned(), version.map(str::to_owned)));
                package
            };
        let cases = [
            (
                with(Ecosystem::Deb, "libc6", "2.36-9+deb12u3", "debian", "12", Some(("glibc", Some("2.36-9")))),
                "pkg:deb/debian/libc6@2.36-9%2Bdeb12u3?arch=amd64&distro=debian-12&upstream=glibc%402.36-9",
            ),
            (
                with(
                    Ecosystem::Rpm,
                    "openssl-libs",
                    "1:3.0.7-24.el9",
                    "rhel",
                    "9.2",
                    Some(("openssl", Some("3.0.7-24.el9"))),
                ),
                "pkg:rpm/redhat/openssl-libs@3.0.7-24.el9?arch=amd64&distro=rhel-9.2&epoch=1&upstream=openssl-3.0.7-24.el9.src.rpm",
            ),
            (
                with(Ecosystem::Apk, "libcrypto3", "3.1.4-r1", "alpine", "3.19.1", Some(("openssl", None))),
                "pkg:apk/alpine/libcrypto3@3.1.4-r1?arch=amd64&distro=alpine-3.19.1&upstream=openssl",
            ),
            (
                with(Ecosystem::Rpm, "zypper", "1.14-1", "opensuse-leap", "15.5", None),
                "pkg:rpm/opensuse/zypper@1.14-1?arch=amd64&distro=opensuse-leap-15.5",
            ),
            (
                with(Ecosystem::Rpm, "zypper", "1.14-1", "opensuse-tumbleweed", "", None),
                "pkg:rpm/opensuse/zypper@1.14-1?arch=amd64&distro=opensuse-tumbleweed",
            ),
            (with(Ecosystem::Deb, "a", "1", "debian", "", None), "pkg:deb/debian/a@1?arch=amd64&distro=debian"),
        ];
        for (package, expected) in cases {
            assert_eq!(package.purl().to_string(), expected);
            assert_eq!(Package::from_purl(&package.purl()), package);
        }
        let codename: Purl = "pkg:deb/debian/curl@7?distro=jessie".parse().unwrap();
        assert_eq!(Package::from_purl(&codename).distribution.unwrap().version, "jessie");
    }

    #[test]
    fn sources_come_back_whole() {
        let sources = [
            PackageSource::Registry,
            PackageSource::OtherRegistry { url: "https://registry.example/index".into() },
            PackageSource::Git { url: "https://github.com/a/b".into(), revision: Some("abc".into()) },
            PackageSource::Git { url: "ssh://git@github.com/a/b".into(), revision: None },
            PackageSource::Git { url: "git@github.com:a/b.git".into(), revision: Some("v1/x".into()) },
            PackageSource::Url { url: "https://example.org/a.tgz".into() },
            PackageSource::Path { path: "../a".into() },
        ];
        for source in sources {
            let mut package = Package::new(Ecosystem::Npm, "@a/b", Some("1".into()));
            package.source = source;
            let text = package.purl().to_string();
            assert_eq!(Package::from_purl(&text.parse().unwrap()), package, "{text}");
        }
    }

    #[test]
    fn images_keep_tag_and_digest() {
        let purl: Purl = "pkg:oci/app@sha256:ab?repository_url=ghcr.io/a/app&tag=v1".parse().unwrap();
        let package = Package::from_purl(&purl);
        assert_eq!((package.name.as_str(), package.version.as_deref()), ("ghcr.io/a/app", Some("v1")));
        assert_eq!(package.hashes[0].value, "ab");
        assert_eq!(package.purl(), purl);
        let docker: Purl = "pkg:docker/library/debian@12?repository_url=gcr.io".parse().unwrap();
        assert_eq!(Package::from_purl(&docker).name, "gcr.io/library/debian");
    }
}
