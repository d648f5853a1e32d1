//! Documents of images, references and platforms: what is read keeps to the limits, and is read the same way again.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_formats::oci::{self, Document, Limits, Platform, Reference};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { layers: 8, manifests: 8, history: 8, members: 8, ..Limits::default() };
    match oci::document(data, None, &limits) {
        Ok(Document::Index(index)) => {
            assert!(index.manifests.len() <= 8 && index.annotations.len() <= 8);
            if let Some(platform) = index.images().find_map(|image| image.platform.clone()) {
                let _ = platform.choose(index.images()).len();
                assert_eq!(platform.normal(), platform.normal().normal());
            }
        }
        Ok(Document::Manifest(manifest)) => assert!(manifest.layers.len() <= 8),
        Err(_) => {}
    }
    if let Ok(config) = oci::config(data, &limits) {
        assert!(config.diff_ids.len() <= 8 && config.history.len() <= 8 && config.runtime.env.len() <= 8);
    }
    if let Ok(images) = oci::archive_manifest(data, &limits) {
        assert!(images.iter().all(|image| image.layers.len() <= 8));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        let shown = reference.to_string();
        assert_eq!(shown.parse::<Reference>().as_ref(), Ok(&reference), "{shown}");
        assert!(!reference.repository.contains("..") && !reference.registry.contains('/'));
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse::<Platform>().as_ref(), Ok(&platform));
    }
});
