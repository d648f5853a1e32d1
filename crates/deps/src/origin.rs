//! What a lock says of where packages come from, held against itself: an entry whose address is that of another package
//! (lockfile injection), connections that anyone can change, registries that the rest does not use, names that can move,
//! digests that are missing where the others have one, marks that hide what production needs.

use std::collections::{BTreeMap, BTreeSet};

use provost_formats::lock;
use provost_model::{Completeness, Ecosystem, Package, PackageSource, Scope};
use serde::Serialize;

use crate::assess::{Fault, Issue};
use crate::inventory::{Collected, Source, Ways};
use crate::lookup_name;

/// What is wrong with an entry of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "flaw")]
pub enum Flaw {
    /// What stands there is another package, or another version, than the entry says.
    OtherPackage {
        /// What is said where.
        how: String,
    },
    /// Its content comes over a connection that anyone on the way can change.
    Unprotected {
        /// The address.
        url: String,
    },
    /// Its content comes from a host that neither the rest of the lock uses nor the public has.
    ForeignHost {
        /// The host.
        host: String,
        /// The host that most others come from, where there is one.
        usual: Option<String>,
    },
    /// It comes from a repository, by a name that can move.
    Unpinned {
        /// The repository.
        url: String,
    },
    /// It has no digest, and most others have one.
    NoDigest,
    /// Its only digest is of an algorithm that can be forged, and most others have a better one.
    WeakDigest {
        /// The algorithm.
        algorithm: String,
    },
    /// A mark says that it is needed for less than what asks for it.
    Scope {
        /// What the mark says.
        claimed: Vec<Scope>,
    },
}

impl Flaw {
    /// Its id, kebab-case.
    pub fn id(&self) -> &'static str {
        match self {
            Self::OtherPackage { .. } => "lock-other-package",
            Self::Unprotected { .. } => "lock-unprotected",
            Self::ForeignHost { .. } => "lock-foreign-host",
            Self::Unpinned { .. } => "lock-unpinned",
            Self::NoDigest => "lock-no-digest",
            Self::WeakDigest { .. } => "lock-weak-digest",
            Self::Scope { .. } => "lock-scope",
        }
    }
}

/// Hosts that anybody's packages of an ecosystem come from.
fn public_hosts(ecosystem: Ecosystem) -> &'static [&'static str] {
    match ecosystem {
        Ecosystem::Npm => &["registry.npmjs.org", "registry.yarnpkg.com", "npm.pkg.github.com", "npm.jsr.io"],
        Ecosystem::PyPi => &["pypi.org", "files.pythonhosted.org", "pypi.python.org", "pypi.io"],
        Ecosystem::Packagist => &[
            "packagist.org",
            "repo.packagist.org",
            "api.github.com",
            "codeload.github.com",
            "github.com",
            "gitlab.com",
            "bitbucket.org",
        ],
        Ecosystem::RubyGems => &["rubygems.org", "index.rubygems.org"],
        Ecosystem::Cargo => &["github.com", "index.crates.io", "crates.io", "static.crates.io"],
        _ => &[],
    }
}

/// The host of an address, lower case, without port and user; none where it is no address.
fn host(url: &str) -> Option<String> {
    let rest = &url[url.find("://")? + 3..];
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    let name = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    Some(name.trim_end_matches('.').to_ascii_lowercase())
}

fn unprotected(url: &str) -> bool {
    let url = url.to_ascii_lowercase();
    ["http://", "git://", "git+http://", "ftp://", "svn://", "svn+http://", "hg+http://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
}

/// Every address that a lock gives for a package.
fn addresses(package: &Package) -> impl Iterator<Item = &str> {
    let of_source = match &package.source {
        PackageSource::OtherRegistry { url } | PackageSource::Url { url } | PackageSource::Git { url, .. } => {
            Some(url.as_str())
        }
        PackageSource::Registry | PackageSource::Path { .. } => None,
    };
    of_source.into_iter().chain(package.claims.resolved.iter().map(String::as_str))
}

/// True for what says where packages come from once they are resolved.
fn is_lock(source: &Source) -> bool {
    source.inventory.completeness != Completeness::Declared
        && lock::reader_of(&source.path).is_some_and(|reader| reader.id == source.reader && !lock::is_installed(reader))
}

/// Holds every lock against itself. `registries` are the hosts that packages may come from; where none is named, those of
/// the public and the one that most packages of the lock come from.
pub fn flaws(collected: &Collected, registries: &[String]) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (number, source) in collected.sources.iter().enumerate().filter(|(_, source)| is_lock(source)) {
        let inventory = &source.inventory;
        let usual = usual_host(&inventory.packages);
        let registered = |package: &&Package| {
            matches!(package.source, PackageSource::Registry | PackageSource::OtherRegistry { .. })
        };
        let all = inventory.packages.iter().filter(registered).count();
        let most = |having: usize| having * 2 > all;
        let digests = most(inventory.packages.iter().filter(registered).filter(|one| !one.hashes.is_empty()).count());
        let strong = most(inventory.packages.iter().filter(registered).filter(|one| is_strong(one)).count());
        let mut ways = None;
        for (index, package) in inventory.packages.iter().enumerate() {
            let standard = package.ecosystem == Ecosystem::Go && package.name == "stdlib";
            if standard || matches!(package.ecosystem, Ecosystem::GitHubActions | Ecosystem::Oci | Ecosystem::Generic) {
                continue;
            }
            let mut found = of_package(package, registries, usual.as_deref());
            if registered(&package) && digests && package.hashes.is_empty() {
                found.push(Flaw::NoDigest);
            } else if registered(&package) && strong && !package.hashes.is_empty() && !is_strong(package) {
                found.push(Flaw::WeakDigest { algorithm: package.hashes[0].algorithm.clone() });
            }
            if found.is_empty() {
                continue;
            }
            let path = ways.get_or_insert_with(|| Ways::of(inventory)).to(index);
            issues.extend(found.into_iter().map(|flaw| Issue {
                source: number,
                package: index,
                fault: Fault::Lock { flaw },
                linked: None,
                path: path.clone(),
            }));
        }
    }
    issues
}

fn is_strong(package: &Package) -> bool {
    package.hashes.iter().any(|hash| !matches!(hash.algorithm.as_str(), "sha1" | "md5"))
}

/// The host that more than half of the packages with an address come from.
fn usual_host(packages: &[Package]) -> Option<String> {
    let mut hosts: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = 0;
    for package in packages.iter().filter(|one| !matches!(one.source, PackageSource::Git { .. })) {
        let here: BTreeSet<String> = addresses(package).filter_map(host).collect();
        all += usize::from(!here.is_empty());
        here.into_iter().for_each(|host| *hosts.entry(host).or_default() += 1);
    }
    hosts.into_iter().max_by_key(|(_, number)| *number).filter(|(_, number)| number * 2 > all).map(|(host, _)| host)
}

fn of_package(package: &Package, registries: &[String], usual: Option<&str>) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let asked = package.claims.instead_of.iter();
    let others = asked.map(|asked| format!("{asked} is asked for, {} stands there", package.name));
    let address = package.claims.resolved.iter().find_map(|url| contradiction(package, url));
    let how: Vec<String> = others.chain(address).collect();
    if !how.is_empty() {
        flaws.push(Flaw::OtherPackage { how: how.join("; ") });
    }
    if let Some(url) = addresses(package).find(|url| unprotected(url)) {
        flaws.push(Flaw::Unprotected { url: url.to_owned() });
    }
    // Mirrors of repositories are many; who wants only some of them says so.
    let is_git = matches!(package.source, PackageSource::Git { .. });
    let known = |host: &str| match registries {
        [] => is_git || Some(host) == usual || public_hosts(package.ecosystem).contains(&host),
        named => named.iter().any(|one| one.eq_ignore_ascii_case(host)),
    };
    if let Some(host) = addresses(package).filter_map(host).find(|host| !known(host))
        && (!registries.is_empty() || !public_hosts(package.ecosystem).is_empty())
    {
        flaws.push(Flaw::ForeignHost { host, usual: usual.map(str::to_owned) });
    }
    if let PackageSource::Git { url, revision } = &package.source {
        let is_commit = |one: &String| one.len() >= 40 && one.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !revision.as_ref().is_some_and(is_commit) {
            flaws.push(Flaw::Unpinned { url: url.clone() });
        }
    }
    if !package.claims.scopes.is_empty() {
        flaws.push(Flaw::Scope { claimed: package.claims.scopes.iter().collect() });
    }
    flaws
}

/// What the address of a file says, where it says another name or version than the entry.
fn contradiction(package: &Package, url: &str) -> Option<String> {
    let path = decoded(url.split(['?', '#']).next().unwrap_or(url));
    match package.ecosystem {
        Ecosystem::Npm => of_tarball(package, &path),
        Ecosystem::PyPi => of_distribution(package, &path),
        _ => None,
    }
}

/// `…/name/-/name-1.2.3.tgz`, as npm's registry and its kin name files; `…/download/@scope/name/1.2.3/…` at GitHub.
fn of_tarball(package: &Package, path: &str) -> Option<String> {
    let version = package.version.as_deref()?;
    if let Some((_, rest)) = path.split_once("://npm.pkg.github.com/download/") {
        let wanted = format!("{}/{version}/", package.name);
        let says = rest.rsplit_once('/').map_or(rest, |(says, _)| says);
        let same = rest.to_ascii_lowercase().starts_with(&wanted.to_ascii_lowercase());
        return (!same).then(|| format!("its address is that of {says}"));
    }
    let (before, file) = path.split_once("/-/")?;
    let file = file.rsplit('/').next().unwrap_or(file);
    let scoped = package.name.strip_prefix('@').and_then(|name| name.split_once('/'));
    let own = scoped.map_or(package.name.as_str(), |(_, own)| own);
    // The scope is part of the address, and `lodash` is not `@evil/lodash`.
    let named = before.strip_suffix(&package.name).is_some_and(|rest| rest.ends_with('/'));
    let in_scope = scoped.is_some() || !before.rsplit('/').nth(1).is_some_and(|part| part.starts_with('@'));
    if !named || !in_scope {
        let says: Vec<&str> = before.rsplit('/').take(2).collect();
        let says = match says.as_slice() {
            [name, scope] if scope.starts_with('@') => format!("{scope}/{name}"),
            [name, ..] => (*name).to_owned(),
            [] => String::new(),
        };
        return Some(format!("its address is that of {says}"));
    }
    let without_build = version.split('+').next().unwrap_or(version);
    let wanted = [version, without_build].map(|version| format!("{own}-{version}.tgz"));
    (!wanted.iter().any(|wanted| wanted == file)).then(|| format!("its address is that of the file {file}"))
}

/// `name-1.2.3.tar.gz`, `name-1.2.3-py3-none-any.whl` (PyPA, "File name convention").
fn of_distribution(package: &Package, path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let lower = file.to_ascii_lowercase();
    let wheel = lower.strip_suffix(".whl");
    let stem =
        wheel.or_else(|| [".tar.gz", ".zip", ".tar.bz2", ".tgz"].iter().find_map(|end| lower.strip_suffix(end)))?;
    let fold = |text: &str| lookup_name("PyPI", text);
    let (name, version) = match wheel {
        Some(_) => {
            let mut parts = stem.split('-');
            (parts.next()?.to_owned(), parts.next()?.to_owned())
        }
        // The name of an old archive may hold hyphens: it is the entry's own, or it is not.
        None => {
            let at = stem.match_indices('-').map(|(at, _)| at).find(|at| fold(&stem[..*at]) == fold(&package.name));
            match at {
                Some(at) => (stem[..at].to_owned(), stem[at + 1..].to_owned()),
                None => return Some(format!("its address is that of the file {file}")),
            }
        }
    };
    let locked = package.version.as_deref()?;
    let same_version = provost_formats::version::compare(Ecosystem::PyPi, &version, &locked.to_ascii_lowercase())
        == std::cmp::Ordering::Equal
        || version.replace('_', "+") == locked.to_ascii_lowercase()
        || version.replace(['_', '-', '+'], ".") == locked.to_ascii_lowercase().replace(['_', '-', '+'], ".");
    (fold(&name) != fold(&package.name) || !same_version).then(|| format!("its address is that of the file {file}"))
}

fn decoded(text: &str) -> String {
    // Only what stands in names: `%2f` between scope and name, `%40` before it, `%2b` in versions.
    let mut out = text.to_owned();
    for (code, plain) in [("%2f", "/"), ("%2F", "/"), ("%40", "@"), ("%2b", "+"), ("%2B", "+"), ("%21", "!")] {
        out = out.replace(code, plain);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_model::{Inventory, PackageHash};

    fn package(ecosystem: Ecosystem, name: &str, version: &str, url: &str) -> Package {
        let mut package = Package::new(ecosystem, name, Some(version.to_owned()));
        package.claims.resolved.push(url.to_owned());
        package
    }

    #[test]
    fn addresses_of_other_packages_and_versions() {
        let differs = |name: &str, version: &str, url: &str| {
            contradiction(&package(Ecosystem::Npm, name, version, url), url).is_some()
        };
        for (name, version, url) in [
            ("a", "1.0.0", "https://registry.npmjs.org/a/-/a-1.0.0.tgz"),
            ("@s/a", "1.0.0", "https://registry.yarnpkg.com/@s/a/-/a-1.0.0.tgz#0123"),
            ("@s/a", "1.0.0", "https://registry.npmjs.org/@s%2fa/-/a-1.0.0.tgz"),
            ("a", "1.0.0+b1", "https://registry.npmjs.org/a/-/a-1.0.0.tgz"),
            ("a", "1.0.0", "https://host/artifactory/api/npm/all/a/-/a-1.0.0.tgz?x=y"),
            ("@s/a", "1.0.0", "https://gitlab.com/api/v4/projects/1/packages/npm/@s/a/-/@s/a-1.0.0.tgz"),
            ("@s/a", "1.0.0", "https://npm.pkg.github.com/download/@S/a/1.0.0/0123"),
            ("a", "1.0.0", "https://files.example/whatever.tgz"),
        ] {
            assert!(!differs(name, version, url), "{url}");
        }
        for (name, version, url) in [
            ("a", "1.0.0", "https://registry.npmjs.org/b/-/b-1.0.0.tgz"),
            ("a", "1.0.0", "https://registry.npmjs.org/a/-/a-1.0.1.tgz"),
            ("a", "1.0.0", "https://registry.npmjs.org/@evil/a/-/a-1.0.0.tgz"),
            ("@s/a", "1.0.0", "https://registry.npmjs.org/@t/a/-/a-1.0.0.tgz"),
            ("a", "1.0.0", "https://registry.npmjs.org/aa/-/a-1.0.0.tgz"),
            ("@s/a", "1.0.0", "https://npm.pkg.github.com/download/@s/a/1.0.1/0123"),
        ] {
            assert!(differs(name, version, url), "{url}");
        }
        let differs = |name: &str, version: &str, url: &str| {
            contradiction(&package(Ecosystem::PyPi, name, version, url), url).is_some()
        };
        for (name, version, file) in [
            ("typing-extensions", "4.0", "typing_extensions-4.0-py3-none-any.whl"),
            ("a", "1.0.0", "a-1.0.tar.gz"),
            ("a-b", "1.0", "a-b-1.0.zip"),
            ("a", "1.0+cpu", "a-1.0%2Bcpu-cp311-cp311-linux_x86_64.whl"),
            ("zope-interface", "5.1", "zope.interface-5.1.tar.gz"),
        ] {
            assert!(!differs(name, version, &format!("https://files.pythonhosted.org/packages/{file}")), "{file}");
        }
        for (name, version, file) in [
            ("a", "1.0", "b-1.0.tar.gz"),
            ("a", "1.0", "a-1.1-py3-none-any.whl"),
            ("a", "1.0", "a_b-1.0-py3-none-any.whl"),
        ] {
            assert!(differs(name, version, &format!("https://files.pythonhosted.org/packages/{file}")), "{file}");
        }
    }

    fn ids(packages: Vec<Package>, registries: &[&str]) -> Vec<String> {
        let mut inventory = Inventory::new("package-lock.json v3", Completeness::Graph);
        inventory.packages = packages;
        let source = Source {
            path: "package-lock.json".into(),
            reader: "npm-lock".into(),
            inventory,
            managed: None,
            functions: None,
        };
        let collected = Collected { sources: vec![source], ..Collected::default() };
        let registries: Vec<String> = registries.iter().map(|one| (*one).to_owned()).collect();
        let name = |issue: &Issue| {
            format!("{} {}", collected.sources[0].inventory.packages[issue.package].name, issue.fault.id())
        };
        flaws(&collected, &registries).iter().map(name).collect()
    }

    fn npm(name: &str, host: &str) -> Package {
        let mut one = package(Ecosystem::Npm, name, "1.0.0", &format!("https://{host}/{name}/-/{name}-1.0.0.tgz"));
        one.hashes.push(PackageHash { algorithm: "sha512".into(), value: "00".into() });
        one
    }

    #[test]
    fn hosts_schemes_and_digests_against_the_rest() {
        let usual = "registry.npmjs.org";
        assert!(ids(vec![npm("a", usual), npm("b", usual), npm("c", "registry.yarnpkg.com")], &[]).is_empty());
        // A registry of one's own is as good where most come from it.
        assert!(ids(vec![npm("a", "npm.example"), npm("b", "npm.example"), npm("c", usual)], &[]).is_empty());
        assert_eq!(ids(vec![npm("a", usual), npm("b", "evil.example")], &[]), ["b lock-foreign-host"]);
        assert_eq!(
            ids(vec![npm("a", usual), npm("b", "u:p@EVIL.example:443")], &["evil.example"]),
            ["a lock-foreign-host"]
        );
        let mut open = npm("b", usual);
        open.claims.resolved = vec!["HTTP://registry.npmjs.org/b/-/b-1.0.0.tgz".into()];
        let mut bare = npm("c", usual);
        bare.hashes.clear();
        let mut weak = npm("d", usual);
        weak.hashes[0].algorithm = "sha1".into();
        let found = ids(vec![npm("a", usual), npm("x", usual), npm("y", usual), open, bare, weak], &[]);
        assert_eq!(found, ["b lock-unprotected", "c lock-no-digest", "d lock-weak-digest"]);
        let mut git = Package::new(Ecosystem::Npm, "g", Some("1.0.0".into()));
        git.source = PackageSource::Git { url: "ssh://git@github.com/o/g".into(), revision: Some("v1".into()) };
        assert_eq!(ids(vec![npm("a", usual), git.clone()], &[]), ["g lock-unpinned"]);
        git.source = PackageSource::Git { url: "ssh://git@github.com/o/g".into(), revision: Some("0".repeat(40)) };
        assert!(ids(vec![npm("a", usual), git], &[]).is_empty());
    }
}
