//! What VEX documents say of issues.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use provost_deps::Fault;
use provost_formats::vex::{Status, VexStatement, effective, from_bom, openvex};
use provost_formats::{sbom, vex};
use provost_model::{Package, Purl, printable};

use crate::{input, render};

/// What a statement says of an issue.
#[derive(Debug, Clone)]
pub(crate) struct Vex {
    pub status: Status,
    /// Why, in words.
    pub why: String,
}

/// The statements that the caller trusts, and what they are applied to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statements {
    all: Vec<VexStatement>,
    product: Option<Purl>,
}

impl Statements {
    /// Reads documents: OpenVEX, CycloneDX with analyses.
    pub(crate) fn load(paths: &[PathBuf], product: Option<&str>) -> Result<Self> {
        let product = match product {
            Some(text) => Some(text.parse().with_context(|| format!("--product {text} is no package URL"))?),
            None => None,
        };
        let mut all = Vec::new();
        for path in paths {
            all.extend(read(path).with_context(|| format!("{} cannot be used", path.display()))?);
        }
        Ok(Self { all, product })
    }

    /// The statement that holds for an issue.
    pub(crate) fn of(&self, package: &Package, fault: &Fault) -> Option<Vex> {
        let Fault::Advisory(one) = fault else { return None };
        if self.all.is_empty() {
            return None;
        }
        let names: Vec<&str> = one.ids().collect();
        let purl = package.purl();
        // Without a product only statements about the package itself hold.
        let product = self.product.as_ref().unwrap_or(&purl);
        let statement = effective(&self.all, &purl, product, &names)?;
        let words = statement.justification.map(|why| why.name().to_owned());
        let words = words.or_else(|| statement.impact.clone()).or_else(|| statement.action.clone());
        Some(Vex { status: statement.status, why: words.unwrap_or_default() })
    }
}

fn read(path: &Path) -> Result<Vec<VexStatement>> {
    let bytes = input::read(path, vex::MAXIMUM_BYTES as u64)?;
    if let Ok(bom) = sbom::read(&bytes) {
        let (statements, problems) = from_bom(&bom);
        for problem in problems.iter().take(20) {
            anstream::eprintln!("{} {}: {}", render::warning("note:"), path.display(), printable(problem));
        }
        if statements.is_empty() {
            bail!("no vulnerability in it has an analysis");
        }
        return Ok(statements);
    }
    Ok(openvex::read(&bytes, &[])?.statements)
}
