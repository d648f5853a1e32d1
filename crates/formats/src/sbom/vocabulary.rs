//! Words of the formats for what the model says.

use provost_model::{Package, PackageHash, Scope, Scopes};

use super::bom::{Aggregate, Component, ComponentKind, Property};

pub(super) const KINDS: &[(ComponentKind, &str)] = &[
    (ComponentKind::Application, "application"),
    (ComponentKind::Framework, "framework"),
    (ComponentKind::Library, "library"),
    (ComponentKind::Container, "container"),
    (ComponentKind::Platform, "platform"),
    (ComponentKind::OperatingSystem, "operating-system"),
    (ComponentKind::Device, "device"),
    (ComponentKind::DeviceDriver, "device-driver"),
    (ComponentKind::Firmware, "firmware"),
    (ComponentKind::File, "file"),
    (ComponentKind::MachineLearningModel, "machine-learning-model"),
    (ComponentKind::Data, "data"),
    (ComponentKind::CryptographicAsset, "cryptographic-asset"),
];

pub(super) const AGGREGATES: &[(Aggregate, &str)] = &[
    (Aggregate::Complete, "complete"),
    (Aggregate::Incomplete, "incomplete"),
    (Aggregate::IncompleteFirstPartyOnly, "incomplete_first_party_only"),
    (Aggregate::IncompleteFirstPartyProprietaryOnly, "incomplete_first_party_proprietary_only"),
    (Aggregate::IncompleteFirstPartyOpensourceOnly, "incomplete_first_party_opensource_only"),
    (Aggregate::IncompleteThirdPartyOnly, "incomplete_third_party_only"),
    (Aggregate::IncompleteThirdPartyProprietaryOnly, "incomplete_third_party_proprietary_only"),
    (Aggregate::IncompleteThirdPartyOpensourceOnly, "incomplete_third_party_opensource_only"),
    (Aggregate::Unknown, "unknown"),
    (Aggregate::NotSpecified, "not_specified"),
];

/// Our name of a digest's algorithm, CycloneDX's, SPDX 2's, SPDX 3's, and its hexadecimal digits (0 where they vary).
const HASHES: &[(&str, &str, &str, &str, usize)] = &[
    ("md5", "MD5", "MD5", "md5", 32),
    ("sha1", "SHA-1", "SHA1", "sha1", 40),
    ("sha224", "", "SHA224", "sha224", 56),
    ("sha256", "SHA-256", "SHA256", "sha256", 64),
    ("sha384", "SHA-384", "SHA384", "sha384", 96),
    ("sha512", "SHA-512", "SHA512", "sha512", 128),
    ("sha3-224", "", "", "sha3_224", 56),
    ("sha3-256", "SHA3-256", "SHA3-256", "sha3_256", 64),
    ("sha3-384", "SHA3-384", "SHA3-384", "sha3_384", 96),
    ("sha3-512", "SHA3-512", "SHA3-512", "sha3_512", 128),
    ("blake2b-256", "BLAKE2b-256", "BLAKE2b-256", "blake2b256", 64),
    ("blake2b-384", "BLAKE2b-384", "BLAKE2b-384", "blake2b384", 96),
    ("blake2b-512", "BLAKE2b-512", "BLAKE2b-512", "blake2b512", 128),
    ("blake3", "BLAKE3", "BLAKE3", "blake3", 0),
    ("streebog-256", "Streebog-256", "", "", 64),
    ("streebog-512", "Streebog-512", "", "", 128),
    ("md2", "", "MD2", "md2", 32),
    ("md4", "", "MD4", "md4", 32),
    ("md6", "", "MD6", "md6", 0),
    ("adler32", "", "ADLER32", "adler32", 8),
];

/// Whose words are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    CycloneDx,
    Spdx2,
    Spdx3,
}

/// A digest from a format's words: `Err` says what is wrong.
pub(super) fn hash(tongue: Tongue, algorithm: &str, value: &str) -> Result<PackageHash, String> {
    let shown: String = algorithm.chars().take(40).collect();
    let known = HASHES.iter().find(|(_, cyclonedx, spdx2, spdx3, _)| {
        !algorithm.is_empty()
            && algorithm
                == match tongue {
                    Tongue::CycloneDx => *cyclonedx,
                    Tongue::Spdx2 => *spdx2,
                    Tongue::Spdx3 => *spdx3,
                }
    });
    let (name, .., digits) = known.ok_or_else(|| format!("`{shown}` is no algorithm of a digest"))?;
    let length = if *digits == 0 { value.len().is_multiple_of(2) && value.len() >= 32 } else { value.len() == *digits };
    if !length || !value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("the {shown} digest is not of its length in hexadecimal digits"));
    }
    Ok(PackageHash { algorithm: (*name).to_owned(), value: value.to_ascii_lowercase() })
}

/// The format's word for a digest's algorithm; `None` where it has none, or the value is not what the format takes.
pub(super) fn hash_name(tongue: Tongue, hash: &PackageHash) -> Option<&'static str> {
    // SPDX has BLAKE3 of 256 bits, but its own tools take 256 digits for the least: a property is read by everyone.
    if tongue == Tongue::Spdx2 && hash.algorithm == "blake3" {
        return None;
    }
    let (_, cyclonedx, spdx2, spdx3, digits) = HASHES.iter().find(|(name, ..)| *name == hash.algorithm)?;
    let length =
        if *digits == 0 { matches!(hash.value.len(), 32 | 40 | 64 | 96 | 128) } else { hash.value.len() == *digits };
    let name = match tongue {
        Tongue::CycloneDx => *cyclonedx,
        Tongue::Spdx2 => *spdx2,
        Tongue::Spdx3 => *spdx3,
    };
    (length && !name.is_empty() && hash.value.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(name)
}

pub(super) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Production => "production",
        Scope::Build => "build",
        Scope::Development => "development",
        Scope::Optional => "optional",
    }
}

fn scopes_of(text: &str) -> Scopes {
    let all = [Scope::Production, Scope::Build, Scope::Development, Scope::Optional];
    let mut scopes = Scopes::default();
    for scope in all.into_iter().filter(|scope| text.split(',').any(|word| word.trim() == scope_name(*scope))) {
        scopes.add(scope);
    }
    scopes
}

/// What a package says that neither format nor purl has a place for, as properties: read back by [`take_properties`].
pub(super) fn package_properties(component: &Component, tongue: Tongue) -> Vec<Property> {
    let package = &component.package;
    let mut out = Vec::new();
    let mut add = |name: &str, value: &str| out.push(Property::new(format!("provost:{name}"), value));
    if component.purl.as_ref().is_some_and(|purl| Package::from_purl(purl).name != package.name) {
        add("name", &package.name);
    }
    if !package.scopes.is_empty() {
        let names: Vec<&str> = package.scopes.iter().map(scope_name).collect();
        add("scopes", &names.join(","));
    }
    if let Some(direct) = package.direct {
        add("direct", if direct { "true" } else { "false" });
    }
    if let Some(requirement) = &package.requirement {
        add("requirement", requirement);
    }
    if let Some(alias) = &package.alias {
        add("alias", alias);
    }
    if package.install_script {
        add("install-script", "true");
    }
    if let Some(deprecated) = &package.deprecated {
        add("deprecated", deprecated);
    }
    if package.yanked {
        add("yanked", "true");
    }
    for hash in package.hashes.iter().filter(|hash| hash_name(tongue, hash).is_none()) {
        add(&format!("hash:{}", hash.algorithm), &hash.value);
    }
    out
}

/// Takes back what [`package_properties`] wrote; other properties stay. A name counts only where it has the purl that the
/// component states: what it is known by cannot be changed by a property.
pub(super) fn take_properties(component: &mut Component) {
    let properties = std::mem::take(&mut component.properties);
    let package = &mut component.package;
    for property in properties {
        let value = property.value.as_str();
        match property.name.strip_prefix("provost:").unwrap_or_default() {
            "name" => {
                let renamed = Package { name: value.to_owned(), ..package.clone() }.purl();
                if component
                    .purl
                    .as_ref()
                    .is_some_and(|purl| purl.kind == renamed.kind && purl.full_name() == renamed.full_name())
                {
                    value.clone_into(&mut package.name);
                } else {
                    component.properties.push(property);
                }
            }
            "scopes" => package.scopes = scopes_of(value),
            "direct" => package.direct = Some(value == "true"),
            "requirement" => package.requirement = Some(value.to_owned()),
            "alias" => package.alias = Some(value.to_owned()),
            "install-script" => package.install_script = value == "true",
            "deprecated" => package.deprecated = Some(value.to_owned()),
            "yanked" => package.yanked = value == "true",
            name => match name.strip_prefix("hash:") {
                Some(algorithm) => {
                    package.hashes.push(PackageHash { algorithm: algorithm.to_owned(), value: value.to_owned() });
                }
                None => component.properties.push(property),
            },
        }
    }
}
