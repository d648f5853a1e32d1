//! The names that OSV gives to ecosystems (schema 1.7, "Defined ecosystems"), and ours.

use provost_model::{Distribution, Ecosystem, Package};

/// Ecosystems of languages and tools: one name each.
const LANGUAGES: &[(Ecosystem, &str)] = &[
    (Ecosystem::Cargo, "crates.io"),
    (Ecosystem::Npm, "npm"),
    (Ecosystem::PyPi, "PyPI"),
    (Ecosystem::Go, "Go"),
    (Ecosystem::Maven, "Maven"),
    (Ecosystem::RubyGems, "RubyGems"),
    (Ecosystem::Packagist, "Packagist"),
    (Ecosystem::NuGet, "NuGet"),
    (Ecosystem::Swift, "SwiftURL"),
    (Ecosystem::Pub, "Pub"),
    (Ecosystem::Hex, "Hex"),
    (Ecosystem::Conan, "ConanCenter"),
    (Ecosystem::GitHubActions, "GitHub Actions"),
];

/// Distributions by `ID` of their os-release: the name that OSV gives them, and how much of the version follows it.
const DISTRIBUTIONS: &[(&str, &str, Release)] = &[
    ("debian", "Debian", Release::Major),
    ("ubuntu", "Ubuntu", Release::Ubuntu),
    ("alpine", "Alpine", Release::Alpine),
    ("rocky", "Rocky Linux", Release::Major),
    ("almalinux", "AlmaLinux", Release::Major),
    ("opensuse-leap", "openSUSE", Release::Leap),
    ("opensuse-tumbleweed", "openSUSE", Release::Tumbleweed),
    ("mageia", "Mageia", Release::Major),
    ("photon", "Photon OS", Release::Whole),
    ("azurelinux", "Azure Linux", Release::Major),
    ("mariner", "Azure Linux", Release::Major),
    ("wolfi", "Wolfi", Release::None),
    ("chainguard", "Chainguard", Release::None),
    ("minimos", "MinimOS", Release::None),
];

enum Release {
    /// None: it rolls.
    None,
    /// The first number.
    Major,
    /// As it stands.
    Whole,
    /// `v` and two numbers.
    Alpine,
    /// As it stands, `:LTS` for April releases of even years.
    Ubuntu,
    /// `Leap ` and the version.
    Leap,
    /// The word.
    Tumbleweed,
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

/// The names under which advisories of a distribution may be found, the most fitting first.
pub fn of_distribution(distribution: &Distribution) -> Vec<String> {
    let version = distribution.version.as_str();
    let known = std::iter::once(&distribution.id)
        .chain(&distribution.like)
        .find_map(|id| DISTRIBUTIONS.iter().find(|(known, ..)| known == id).map(|found| (id, found)));
    let Some((id, (_, name, release))) = known else { return Vec::new() };
    // A relative has versions of its own: nothing can be said by its ancestor's.
    if *id != distribution.id {
        return Vec::new();
    }
    let text = match release {
        Release::None => return vec![(*name).to_owned()],
        Release::Major => major(version).to_owned(),
        Release::Whole => version.to_owned(),
        Release::Alpine => {
            let mut parts = version.split('.');
            match (parts.next(), parts.next()) {
                (Some(major), Some(minor)) if !major.is_empty() => format!("v{major}.{minor}"),
                _ => return vec![(*name).to_owned()],
            }
        }
        Release::Ubuntu => {
            let year: u32 = major(version).parse().unwrap_or(1);
            if version.ends_with(".04") && year.is_multiple_of(2) {
                return vec![format!("{name}:{version}:LTS"), format!("{name}:{version}")];
            }
            version.to_owned()
        }
        Release::Leap => format!("Leap {version}"),
        Release::Tumbleweed => "Tumbleweed".to_owned(),
    };
    if text.is_empty() { vec![(*name).to_owned()] } else { vec![format!("{name}:{text}"), (*name).to_owned()] }
}

/// The name that OSV gives to an ecosystem of languages; ours for the others.
pub fn name_of(ecosystem: Ecosystem) -> &'static str {
    LANGUAGES.iter().find(|(known, _)| *known == ecosystem).map_or(ecosystem.purl_type(), |(_, name)| name)
}

/// The names under which advisories of a package may be found: the first that the database knows is meant.
pub fn of_package(package: &Package) -> Vec<String> {
    match &package.distribution {
        Some(distribution) => of_distribution(distribution),
        None => {
            let name = LANGUAGES.iter().find(|(ecosystem, _)| *ecosystem == package.ecosystem);
            name.map(|(_, name)| (*name).to_owned()).into_iter().collect()
        }
    }
}

/// By whose rules the versions of an ecosystem are ordered, told by the name that OSV gives it.
pub fn order_of(name: &str) -> Ecosystem {
    let base = name.split(':').next().unwrap_or(name);
    if let Some((ecosystem, _)) = LANGUAGES.iter().find(|(_, known)| *known == base) {
        return *ecosystem;
    }
    match base {
        "Debian" | "Ubuntu" | "Echo" => Ecosystem::Deb,
        "Alpine" | "Wolfi" | "Chainguard" | "MinimOS" | "Alpaquita" | "BellSoft Hardened Containers" => Ecosystem::Apk,
        "Rocky Linux" | "AlmaLinux" | "Red Hat" | "openSUSE" | "SUSE" | "Mageia" | "Photon OS" | "Azure Linux"
        | "openEuler" => Ecosystem::Rpm,
        "Bitnami" => Ecosystem::Npm,
        _ => Ecosystem::Generic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(id: &str, version: &str) -> Vec<String> {
        of_distribution(&Distribution { id: id.into(), version: version.into(), like: vec!["debian".into()] })
    }

    #[test]
    fn distributions_by_the_names_of_osv() {
        assert_eq!(names("debian", "12")[0], "Debian:12");
        assert_eq!(names("debian", "12.4")[0], "Debian:12");
        assert_eq!(names("alpine", "3.19.1")[0], "Alpine:v3.19");
        assert_eq!(names("ubuntu", "22.04")[0], "Ubuntu:22.04:LTS");
        assert_eq!(names("ubuntu", "23.10")[0], "Ubuntu:23.10");
        assert_eq!(names("opensuse-leap", "15.5")[0], "openSUSE:Leap 15.5");
        assert_eq!(names("wolfi", "20230201"), ["Wolfi"]);
        assert_eq!(names("linuxmint", "21"), [] as [&str; 0], "a relative's versions are its own");
    }
}
