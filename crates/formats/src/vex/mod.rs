//! What a vulnerability means for a product (VEX): OpenVEX 0.2.0 is read and written, CycloneDX's analyses are taken from
//! a bill of materials, and both are asked the same questions.

mod apply;
mod cyclonedx;
pub mod openvex;

use provost_model::{PackageHash, Purl, Timestamp};

pub use apply::{applies, effective};
pub use cyclonedx::from_bom;

use crate::sbom::SbomError;

/// Bytes of a document that are read at most.
pub const MAXIMUM_BYTES: usize = 64 << 20;

/// JSON values of a document that are read at most; objects count ten times.
pub const MAXIMUM_VALUES: usize = 5_000_000;

/// Statements of a document that are read at most.
pub const MAXIMUM_STATEMENTS: usize = 100_000;

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub struct VexDocument {
    /// Its identity, an IRI; made from the content where it is empty and written.
    pub id: String,
    /// Who states it. Nothing here says whether that is true: a signature does.
    pub author: String,
    /// As what that one states it.
    pub role: Option<String>,
    /// When it was issued.
    pub timestamp: Timestamp,
    /// When it was last changed.
    pub last_updated: Option<Timestamp>,
    /// Its version, counted from 1.
    pub version: u64,
    /// What made it.
    pub tooling: Option<String>,
    /// What it states.
    pub statements: Vec<VexStatement>,
}

/// One statement: of products, a vulnerability and a status, at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct VexStatement {
    /// Its identity, an IRI.
    pub id: Option<String>,
    /// Its version; 0 where it says none.
    pub version: u64,
    /// What it is about.
    pub vulnerability: VexVulnerability,
    /// When it was known to be true; the document's time where it says none of its own.
    pub timestamp: Timestamp,
    /// When it was last changed.
    pub last_updated: Option<Timestamp>,
    /// The products that it is about; one at least.
    pub products: Vec<Product>,
    /// What it states.
    pub status: Status,
    /// Who supplies the product.
    pub supplier: Option<String>,
    /// How the status was determined.
    pub notes: Option<String>,
    /// Why the product is not affected.
    pub justification: Option<Justification>,
    /// Likewise, in words.
    pub impact: Option<String>,
    /// What to do where it is affected.
    pub action: Option<String>,
    /// When that was said.
    pub action_timestamp: Option<Timestamp>,
}

/// A vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VexVulnerability {
    /// Where it is described, an IRI.
    pub id: Option<String>,
    /// `CVE-2021-44228`, `GHSA-…`.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// The same one by other names.
    pub aliases: Vec<String>,
}

/// A product, and where in it the vulnerability comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Product {
    /// Which.
    pub identity: Identity,
    /// Parts of it that the statement is about; none where it is about all of it.
    pub subcomponents: Vec<Identity>,
}

/// What a piece of software is known by; any one of these is enough.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// An IRI; a package URL is one.
    pub id: Option<String>,
    /// A package URL.
    pub purl: Option<Purl>,
    /// A CPE name of version 2.2.
    pub cpe22: Option<String>,
    /// A CPE name of version 2.3.
    pub cpe23: Option<String>,
    /// Digests.
    pub hashes: Vec<PackageHash>,
}

impl Identity {
    /// A package by its package URL.
    pub fn of_purl(purl: &Purl) -> Self {
        Self { id: Some(purl.to_string()), purl: Some(purl.clone()), ..Self::default() }
    }

    /// The package URLs that it is known by: its own, and its IRI where that is one.
    pub fn purls(&self) -> impl Iterator<Item = Purl> + '_ {
        let by_id = self.id.as_deref().filter(|id| id.starts_with("pkg:")).and_then(|id| id.parse().ok());
        self.purl.iter().cloned().chain(by_id)
    }
}

/// The status of a product (OpenVEX 0.2.0, "Status Labels").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Nothing needs to be done.
    NotAffected,
    /// It is fixed in these versions.
    Fixed,
    /// Nobody knows yet.
    UnderInvestigation,
    /// Something should be done.
    Affected,
}

impl Status {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::NotAffected, Self::Fixed, Self::UnderInvestigation, Self::Affected];

    /// `not_affected`, `fixed`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAffected => "not_affected",
            Self::Fixed => "fixed",
            Self::UnderInvestigation => "under_investigation",
            Self::Affected => "affected",
        }
    }

    /// True for what takes the alarm away.
    pub fn clears(self) -> bool {
        matches!(self, Self::NotAffected | Self::Fixed)
    }
}

/// Why a product is not affected (OpenVEX 0.2.0, "Status Justifications").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Justification {
    /// The component is not in it.
    ComponentNotPresent,
    /// The component is, its vulnerable code is not.
    CodeNotPresent,
    /// The code is, and cannot be reached.
    CodeNotInExecutePath,
    /// An attacker has no power over it.
    CodeNotControllable,
    /// The product protects itself.
    InlineMitigations,
}

impl Justification {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::ComponentNotPresent,
        Self::CodeNotPresent,
        Self::CodeNotInExecutePath,
        Self::CodeNotControllable,
        Self::InlineMitigations,
    ];

    /// `component_not_present`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::ComponentNotPresent => "component_not_present",
            Self::CodeNotPresent => "vulnerable_code_not_present",
            Self::CodeNotInExecutePath => "vulnerable_code_not_in_execute_path",
            Self::CodeNotControllable => "vulnerable_code_cannot_be_controlled_by_adversary",
            Self::InlineMitigations => "inline_mitigations_already_exist",
        }
    }
}

/// Why a document cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VexError {
    /// Not OpenVEX.
    #[error("this is no OpenVEX document: `@context` is not {}", openvex::CONTEXT)]
    Unknown,
    /// A version of OpenVEX that is not known.
    #[error("version `{0}` of OpenVEX is not known: 0.2.0 is")]
    Version(String),
    /// It breaks a rule of its format.
    #[error(transparent)]
    Document(#[from] SbomError),
    /// A statement that is not complete, or contradicts itself.
    #[error("the statement about {vulnerability}: {what}")]
    Statement {
        /// What it is about.
        vulnerability: String,
        /// What is wrong.
        what: &'static str,
    },
    /// More than is read.
    #[error("more than {MAXIMUM_STATEMENTS} statements: no more are read")]
    TooMany,
}

impl VexStatement {
    /// A statement of the least that one says.
    pub fn new(vulnerability: impl Into<String>, product: Product, status: Status, timestamp: Timestamp) -> Self {
        Self {
            id: None,
            version: 0,
            vulnerability: VexVulnerability { name: vulnerability.into(), ..VexVulnerability::default() },
            timestamp,
            last_updated: None,
            products: vec![product],
            status,
            supplier: None,
            notes: None,
            justification: None,
            impact: None,
            action: None,
            action_timestamp: None,
        }
    }

    /// Checks the rules that a statement has to keep whatever its format (OpenVEX 0.2.0, "Statement Fields"; CISA, "Minimum
    /// Requirements for VEX", 2023).
    pub fn check(&self) -> Result<(), VexError> {
        let wrong = |what| Err(VexError::Statement { vulnerability: self.vulnerability.name.clone(), what });
        let said = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
        if self.vulnerability.name.trim().is_empty() {
            return wrong("it names no vulnerability");
        }
        if self.products.is_empty() {
            return wrong("it names no product");
        }
        let nameless =
            |one: &Identity| one.id.is_none() && one.purl.is_none() && one.cpe22.is_none() && one.cpe23.is_none();
        if self.products.iter().any(|product| nameless(&product.identity) || product.subcomponents.iter().any(nameless))
        {
            return wrong("a product or a part of it has no identifier");
        }
        match self.status {
            Status::NotAffected if self.justification.is_none() && !said(&self.impact) => {
                wrong("`not_affected` needs a justification or an impact statement")
            }
            Status::Affected if !said(&self.action) => wrong("`affected` needs an action statement"),
            Status::NotAffected => Ok(()),
            _ if self.justification.is_some() => wrong("only `not_affected` has a justification"),
            _ => Ok(()),
        }
    }
}
