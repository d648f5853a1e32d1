//! Platforms, and which image of an index is for one.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::{Descriptor, OciError, or_default};

/// What an image runs on (image-spec, image-index.md, `platform`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Platform {
    /// Operating system, as Go names it: `linux`.
    #[serde(default, deserialize_with = "or_default")]
    pub os: String,
    /// Architecture, as Go names it: `amd64`, `arm64`.
    #[serde(default, deserialize_with = "or_default")]
    pub architecture: String,
    /// Its variant: `v7`.
    #[serde(default, deserialize_with = "or_default")]
    pub variant: String,
    /// Version of the operating system (Windows).
    #[serde(default, rename = "os.version", deserialize_with = "or_default")]
    pub os_version: String,
}

impl Platform {
    /// This platform in the one spelling that comparisons use: `x86_64` is `amd64`, `arm64/v8` is `arm64`, `arm` is
    /// `arm/v7` (as containerd's `platforms.Normalize`).
    #[must_use]
    pub fn normal(&self) -> Self {
        let mut normal = Self {
            os: self.os.to_ascii_lowercase(),
            architecture: self.architecture.to_ascii_lowercase(),
            variant: self.variant.to_ascii_lowercase(),
            os_version: self.os_version.clone(),
        };
        if normal.os == "macos" {
            "darwin".clone_into(&mut normal.os);
        }
        let (architecture, variant) = match (normal.architecture.as_str(), normal.variant.as_str()) {
            ("i386", _) => ("386", ""),
            ("x86_64" | "x86-64" | "amd64", "v1" | "") => ("amd64", ""),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", "8" | "v8" | "") => ("arm64", ""),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            ("arm", "" | "7") => ("arm", "v7"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "6") => ("arm", "v6"),
            ("arm", "8") => ("arm", "v8"),
            (architecture, variant) => (architecture, variant),
        };
        (normal.architecture, normal.variant) = (architecture.to_owned(), variant.to_owned());
        normal
    }

    /// Those of some images that are for this platform: the ones with its very variant or, where there is none, the
    /// ones with the highest older variant that it runs (an `arm/v7` runs `v6` and `v5`).
    pub fn choose<'d>(&self, from: impl IntoIterator<Item = &'d Descriptor>) -> Vec<&'d Descriptor> {
        let wanted = self.normal();
        let mut best: Vec<&Descriptor> = Vec::new();
        let mut rank = None;
        for descriptor in from {
            let Some(offered) = descriptor.platform.as_ref().map(Self::normal) else { continue };
            if offered.os != wanted.os || offered.architecture != wanted.architecture {
                continue;
            }
            if !wanted.os_version.is_empty() && offered.os_version != wanted.os_version {
                continue;
            }
            let same = (offered.variant == wanted.variant).then_some((u32::MAX, u32::MAX));
            let levels = || Some((level(&offered)?, level(&wanted)?));
            let Some((theirs, ours)) = same.or_else(levels) else { continue };
            if theirs > ours || Some(theirs) < rank {
                continue;
            }
            if Some(theirs) > rank {
                rank = Some(theirs);
                best.clear();
            }
            best.push(descriptor);
        }
        best
    }
}

/// The variant as a number: none is the lowest.
fn level(platform: &Platform) -> Option<u32> {
    match platform.variant.as_str() {
        "" if platform.architecture == "arm64" => Some(8),
        "" if platform.architecture == "amd64" => Some(1),
        "" => Some(0),
        variant => variant.strip_prefix('v')?.split('.').next()?.parse().ok(),
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

impl FromStr for Platform {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self, OciError> {
        let wrong = || OciError::Platform { text: text.chars().take(80).collect() };
        let plain = |part: &str| {
            !part.is_empty()
                && part.len() <= 40
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        if !parts.iter().all(|part| plain(part)) {
            return Err(wrong());
        }
        let owned = str::to_owned;
        match parts[..] {
            [os, architecture] => Ok(Self { os: owned(os), architecture: owned(architecture), ..Self::default() }),
            [os, architecture, variant] => Ok(Self {
                os: owned(os),
                architecture: owned(architecture),
                variant: owned(variant),
                ..Self::default()
            }),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(platforms: &[&str]) -> Vec<Descriptor> {
        let descriptor = |(n, text): (usize, &&str)| Descriptor {
            media_type: String::new(),
            digest: provost_model::sha256(b""),
            size: n as u64,
            urls: Vec::new(),
            annotations: std::collections::BTreeMap::new(),
            platform: Some(text.parse().expect("a platform")),
            artifact_type: None,
        };
        platforms.iter().enumerate().map(descriptor).collect()
    }

    fn chosen(wanted: &str, from: &[&str]) -> Vec<u64> {
        let offered = offer(from);
        let wanted: Platform = wanted.parse().expect("a platform");
        wanted.choose(&offered).iter().map(|d| d.size).collect()
    }

    #[test]
    fn chooses_as_container_runtimes_do() {
        let all = ["linux/amd64", "linux/arm/v5", "linux/arm/v6", "linux/arm64/v8", "windows/amd64", "linux/amd64/v3"];
        assert_eq!(chosen("linux/amd64", &all), [0]);
        assert_eq!(chosen("linux/x86_64", &all), [0]);
        assert_eq!(chosen("linux/amd64/v4", &all), [5]);
        assert_eq!(chosen("linux/arm64", &all), [3]);
        assert_eq!(chosen("linux/arm", &all), [2], "v7 runs v6");
        assert_eq!(chosen("linux/arm/v5", &all), [1]);
        assert_eq!(chosen("linux/riscv64", &all), [0_u64; 0]);
        assert_eq!(chosen("linux/amd64", &["linux/amd64", "linux/amd64"]), [0, 1], "two for one platform are told");
    }

    #[test]
    fn texts() {
        assert!("linux".parse::<Platform>().is_err());
        assert!("linux//v7".parse::<Platform>().is_err());
        assert!("a/b/c/d".parse::<Platform>().is_err());
        assert_eq!("linux/arm/v7".parse::<Platform>().map(|p| p.to_string()).as_deref(), Ok("linux/arm/v7"));
    }
}
