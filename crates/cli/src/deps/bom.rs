//! Bills of materials of what was collected.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use provost_attest::predicate::ImageFacts;
use provost_deps::{Collected, Source, from_bom, to_bom};
use provost_formats::sbom::{Bom, Component, ComponentKind, Tool, cyclonedx, spdx2};
use provost_model::{Ecosystem, Package, PackageHash, Timestamp};

/// Form of an SBOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// CycloneDX 1.6, JSON.
    #[value(name = "cyclonedx", alias = "cyclonedx-1.6")]
    CycloneDx16,
    /// CycloneDX 1.7, JSON.
    #[value(name = "cyclonedx-1.7")]
    CycloneDx17,
    /// SPDX 2.3, JSON.
    #[value(name = "spdx", alias = "spdx-2.3")]
    Spdx23,
}

/// The form that a file's name asks for.
pub(crate) fn form_of(path: &Path) -> Form {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    if name.ends_with(".spdx.json") || name.ends_with(".spdx") { Form::Spdx23 } else { Form::CycloneDx16 }
}

/// An SBOM as text.
pub(crate) fn write(bom: &Bom, form: Form) -> Result<String> {
    Ok(match form {
        Form::CycloneDx16 => cyclonedx::write(bom, cyclonedx::Edition::V1_6),
        Form::CycloneDx17 => cyclonedx::write(bom, cyclonedx::Edition::V1_7),
        Form::Spdx23 => spdx2::write(bom),
    })
}

/// The SBOM of what was collected.
pub(crate) fn of(target: &str, collected: &Collected, image: Option<&ImageFacts>, at: Timestamp) -> Bom {
    let name = match target {
        "." => std::env::current_dir()
            .ok()
            .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_else(|| target.to_owned()),
        other => other.to_owned(),
    };
    let mut package = Package::new(Ecosystem::Generic, name, None);
    let kind = match image {
        Some(image) => {
            if let Some(digest) = image.manifest.strip_prefix("sha256:") {
                package.hashes.push(PackageHash { algorithm: "sha256".to_owned(), value: digest.to_owned() });
            }
            ComponentKind::Container
        }
        None => ComponentKind::Application,
    };
    let bom = Bom {
        timestamp: Some(at),
        tools: vec![Tool {
            vendor: None,
            name: "provost".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }],
        lifecycles: vec![if image.is_some() { "post-build" } else { "pre-build" }.to_owned()],
        ..Bom::default()
    };
    to_bom(bom, Component::new("subject", kind, package), collected, true)
}

/// An SBOM as a source of packages.
pub(crate) fn source(path: &str, bom: &Bom) -> Source {
    Source {
        path: path.to_owned(),
        reader: "sbom".to_owned(),
        inventory: from_bom(bom),
        managed: None,
        functions: None,
    }
}
