//! `manifest.json` of an archive that `docker save` writes.

use serde::Deserialize;

use super::{Limits, OciError, or_default, read, strict, within};

/// One image of the archive: names of members.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ArchiveImage {
    /// The member that holds the configuration.
    pub config: String,
    /// The names that the image has: `alpine:3.20`.
    #[serde(default, deserialize_with = "or_default")]
    pub repo_tags: Vec<String>,
    /// The members that hold the layers, lowest first.
    #[serde(default, deserialize_with = "or_default")]
    pub layers: Vec<String>,
}

const NAMES: &[&str] = &["Config", "RepoTags", "Layers", "Parent", "LayerSources"];

/// Reads the `manifest.json` of an archive.
///
/// # Errors
/// It is too large, not sound, or ambiguous.
pub fn archive_manifest(bytes: &[u8], limits: &Limits) -> Result<Vec<ArchiveImage>, OciError> {
    let what = "manifest.json";
    if bytes.len() > limits.config {
        return Err(OciError::TooLarge { what, bytes: bytes.len(), limit: limits.config });
    }
    strict::check(bytes, what, NAMES, &["LayerSources"])?;
    let images: Vec<ArchiveImage> = read(bytes, what)?;
    within(images.len(), limits.manifests, "images of an archive")?;
    for image in &images {
        within(image.layers.len(), limits.layers, "layers")?;
        within(image.repo_tags.len(), limits.members, "names of an image")?;
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_docker_save_writes() {
        let text = br#"[{"Config":"abc.json","RepoTags":null,"Layers":["1/layer.tar"]}]"#;
        let images = archive_manifest(text, &Limits::default()).expect("sound");
        assert_eq!(images[0].layers, ["1/layer.tar"]);
        let twice = br#"[{"Config":"abc.json","config":"other.json","Layers":[]}]"#;
        assert!(matches!(archive_manifest(twice, &Limits::default()), Err(OciError::Ambiguous { .. })));
    }
}
