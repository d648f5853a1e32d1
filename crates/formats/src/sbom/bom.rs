//! What a software bill of materials says, whatever format it has.

use std::collections::{BTreeMap, BTreeSet};

use provost_model::{Ecosystem, Package, Purl, Timestamp};

use crate::licence::{self, Expression};

/// A software bill of materials.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bom {
    /// Format and version that it was read from: `CycloneDX 1.6`, `SPDX 2.3`. Empty where it was made here.
    pub format: String,
    /// Its own identity: `serialNumber` of CycloneDX, `documentNamespace` of SPDX. Written anew from the content.
    pub serial: Option<String>,
    /// Its revision (CycloneDX `version`), counted from 1; 0 where the format has none.
    pub revision: u64,
    /// Its name, where it has one of its own (SPDX).
    pub name: Option<String>,
    /// When it was made.
    pub timestamp: Option<Timestamp>,
    /// What made it.
    pub tools: Vec<Tool>,
    /// Who made it, as written.
    pub authors: Vec<String>,
    /// Where in its life the subject was: `build`, `pre-build`, `operations`, … (CycloneDX `lifecycles`).
    pub lifecycles: Vec<String>,
    /// What it is of.
    pub subject: Option<Component>,
    /// What is in that, or near it.
    pub components: Vec<Component>,
    /// What needs what, by reference. A component that is a key but needs nothing is said to need nothing; one that is no
    /// key has nothing said of it.
    pub dependencies: BTreeMap<String, BTreeSet<String>>,
    /// How complete what it says is.
    pub compositions: Vec<Composition>,
    /// Vulnerabilities, and what was found out about them.
    pub vulnerabilities: Vec<Vulnerability>,
    /// Texts of licences that are not of the SPDX list, by `LicenseRef-` id.
    pub licence_texts: BTreeMap<String, String>,
    /// Further properties of the document.
    pub properties: Vec<Property>,
    /// What could not be understood or does not hold together, for people: dangling references, contradictions. Where there
    /// are any, the rest stands but is not the whole.
    pub problems: Vec<String>,
}

/// What made a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tool {
    /// Who made the tool, where it is said.
    pub vendor: Option<String>,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
}

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ComponentKind {
    /// A program.
    Application,
    /// A framework.
    Framework,
    /// A library.
    #[default]
    Library,
    /// A container image.
    Container,
    /// A platform: a runtime.
    Platform,
    /// An operating system.
    OperatingSystem,
    /// Hardware.
    Device,
    /// Software that drives hardware.
    DeviceDriver,
    /// Software of a device.
    Firmware,
    /// A file.
    File,
    /// A model.
    MachineLearningModel,
    /// Data.
    Data,
    /// A key, a certificate, an algorithm.
    CryptographicAsset,
}

/// One component.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// By what the rest of the document refers to it; unique in it.
    pub reference: String,
    /// What it is.
    pub kind: ComponentKind,
    /// What is known of it as a package: name, version, hashes, scopes, source.
    pub package: Package,
    /// Its package URL, where it has one.
    pub purl: Option<Purl>,
    /// Its CPE name, as written.
    pub cpe: Option<String>,
    /// Who supplies it.
    pub supplier: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// Its licences as they are stated; several hold together.
    pub licences: Vec<LicenceStatement>,
    /// Where it was found.
    pub locations: Vec<Location>,
    /// The component that it is a part of, by reference.
    pub parent: Option<String>,
    /// Its addresses elsewhere: kind (`vcs`, `website`, `distribution`) and URL.
    pub links: Vec<(String, String)>,
    /// Further properties.
    pub properties: Vec<Property>,
}

/// Where a component was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Path within what was looked at.
    pub path: String,
    /// Line, counted from 1.
    pub line: Option<u64>,
}

/// A licence as a document states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenceStatement {
    /// An SPDX id or expression, or free text.
    pub text: String,
    /// What somebody concluded by looking, instead of what the author declared.
    pub concluded: bool,
}

/// A name with a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Property {
    /// Its name, with the name space of whom defined it first: `provost:scopes`.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Property {
    /// A property.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// How complete a part of a document is (CycloneDX `compositions`, `aggregate`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aggregate {
    /// Nothing is missing.
    Complete,
    /// Something is missing; which, is not said.
    Incomplete,
    /// Components of third parties are missing.
    IncompleteFirstPartyOnly,
    /// Likewise, and only proprietary ones are there.
    IncompleteFirstPartyProprietaryOnly,
    /// Likewise, and only open ones are there.
    IncompleteFirstPartyOpensourceOnly,
    /// Own components are missing.
    IncompleteThirdPartyOnly,
    /// Likewise, and only proprietary ones are there.
    IncompleteThirdPartyProprietaryOnly,
    /// Likewise, and only open ones are there.
    IncompleteThirdPartyOpensourceOnly,
    /// Nobody knows.
    Unknown,
    /// Nothing is said.
    NotSpecified,
}

impl Aggregate {
    /// True for what says that something is missing.
    pub fn is_incomplete(self) -> bool {
        !matches!(self, Self::Complete | Self::Unknown | Self::NotSpecified)
    }

    /// The one of both that promises less: incomplete, then unknown, then not specified, then complete.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        let rank = |one: Self| match one {
            one if one.is_incomplete() => 3,
            Self::Unknown => 2,
            Self::NotSpecified => 1,
            _ => 0,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// How complete parts of a document are. One that names no part is about the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composition {
    /// How complete.
    pub aggregate: Aggregate,
    /// Components whose parts are meant, by reference.
    pub assemblies: Vec<String>,
    /// Components whose dependencies are meant, by reference.
    pub dependencies: Vec<String>,
    /// Vulnerabilities that are meant, by reference.
    pub vulnerabilities: Vec<String>,
}

impl Composition {
    /// True for one that names no part: it is about the whole.
    pub fn is_about_all(&self) -> bool {
        self.assemblies.is_empty() && self.dependencies.is_empty() && self.vulnerabilities.is_empty()
    }
}

/// What a document states about its completeness, all of it taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// Of the components: what is said of the subject's parts, or of the whole.
    pub components: Aggregate,
    /// Of the graph: the least that is said of any component's dependencies.
    pub dependencies: Aggregate,
}

/// A vulnerability, and what was found out about it here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vulnerability {
    /// By what the rest of the document refers to it.
    pub reference: Option<String>,
    /// `CVE-2021-44228`, `GHSA-…`.
    pub id: String,
    /// The same one by other names.
    pub aliases: Vec<String>,
    /// Who published it.
    pub source: Option<String>,
    /// How serious it is, to whom.
    pub ratings: Vec<Rating>,
    /// Common weaknesses (CWE numbers).
    pub weaknesses: Vec<u64>,
    /// What it is.
    pub description: Option<String>,
    /// What to do about it.
    pub recommendation: Option<String>,
    /// What was found out.
    pub analysis: Option<Analysis>,
    /// Whom it affects.
    pub affects: Vec<Affected>,
}

/// How serious a vulnerability is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rating {
    /// `critical`, `high`, `medium`, `low`, `info`, `none`, `unknown`.
    pub severity: Option<String>,
    /// A number of the method's scale.
    pub score: Option<f64>,
    /// `CVSSv31`, `OWASP`, `other`, …
    pub method: Option<String>,
    /// A vector of the method.
    pub vector: Option<String>,
}

/// What a vulnerability means here (CycloneDX `analysis`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Analysis {
    /// `resolved`, `resolved_with_pedigree`, `exploitable`, `in_triage`, `false_positive`, `not_affected`.
    pub state: Option<String>,
    /// Why it does not affect: `code_not_reachable`, …
    pub justification: Option<String>,
    /// `update`, `will_not_fix`, …
    pub responses: Vec<String>,
    /// In words.
    pub detail: Option<String>,
    /// When that was first said.
    pub first_issued: Option<Timestamp>,
    /// When that was last changed.
    pub last_updated: Option<Timestamp>,
}

/// A component that a vulnerability is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// By reference, or a BOM-Link to another document (`urn:cdx:…`).
    pub reference: String,
    /// Versions (or ranges in `vers` form), and `affected`, `unaffected` or `unknown`.
    pub versions: Vec<(String, String)>,
}

impl Component {
    /// A component of a package, by its package URL.
    pub fn of_package(package: &Package) -> Self {
        let purl = package.purl();
        let kind = match package.ecosystem {
            Ecosystem::Oci => ComponentKind::Container,
            Ecosystem::GitHubActions => ComponentKind::Application,
            _ => ComponentKind::Library,
        };
        let mut component = Self::new(purl.to_string(), kind, package.clone());
        component.purl = Some(purl);
        component.licences =
            package.licence.iter().map(|text| LicenceStatement { text: text.clone(), concluded: false }).collect();
        component.package.dependencies.clear();
        component
    }

    /// A component of which nothing but this is known yet.
    pub fn new(reference: impl Into<String>, kind: ComponentKind, package: Package) -> Self {
        Self {
            reference: reference.into(),
            kind,
            package,
            purl: None,
            cpe: None,
            supplier: None,
            description: None,
            licences: Vec::new(),
            locations: Vec::new(),
            parent: None,
            links: Vec::new(),
            properties: Vec::new(),
        }
    }

    /// Its licences as one expression; what is concluded counts before what is declared. `None` where nothing is said.
    pub fn licence(&self) -> Option<Expression> {
        let concluded = self.licences.iter().any(|statement| statement.concluded);
        let chosen = self.licences.iter().filter(|statement| statement.concluded == concluded);
        let parts: Vec<Expression> = chosen.filter_map(|statement| licence::normalise(&statement.text)).collect();
        Expression::all_of(parts)
    }

    /// A property's value.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|property| property.name == name).map(|property| property.value.as_str())
    }
}

impl Bom {
    /// The component with a reference, the subject included.
    pub fn component(&self, reference: &str) -> Option<&Component> {
        self.subject.iter().chain(&self.components).find(|component| component.reference == reference)
    }

    /// What it states about each component's dependencies, by reference; the least where it says more than one thing.
    pub fn stated_by_reference(&self) -> BTreeMap<&str, Aggregate> {
        let mut by_reference: BTreeMap<&str, Aggregate> = BTreeMap::new();
        for composition in &self.compositions {
            for reference in &composition.dependencies {
                let entry = by_reference.entry(reference).or_insert(composition.aggregate);
                *entry = entry.worse(composition.aggregate);
            }
        }
        by_reference
    }

    /// What it states about its completeness. Nothing is better than what is said: a document that says nothing is
    /// [`Aggregate::NotSpecified`], and one with [`Bom::problems`] is never complete.
    pub fn stated(&self) -> Stated {
        let by_reference = self.stated_by_reference();
        let unsaid = self.stated_of_all();
        let graph = self.subject.iter().chain(&self.components);
        let graph = graph.map(|one| by_reference.get(one.reference.as_str()).copied().unwrap_or(unsaid));
        let dependencies = graph.reduce(Aggregate::worse).unwrap_or(unsaid);
        let components = self.stated_components();
        match self.problems.is_empty() {
            true => Stated { components, dependencies },
            false => Stated {
                components: components.worse(Aggregate::Unknown),
                dependencies: dependencies.worse(Aggregate::Unknown),
            },
        }
    }

    /// What its compositions state of the subject's parts, or of the whole.
    pub(super) fn stated_components(&self) -> Aggregate {
        let of_subject = self.subject.as_ref().and_then(|subject| {
            let about = self.compositions.iter().filter(|one| one.assemblies.contains(&subject.reference));
            about.map(|one| one.aggregate).reduce(Aggregate::worse)
        });
        of_subject.unwrap_or_else(|| self.stated_of_all())
    }

    /// What is stated by compositions that name no part.
    fn stated_of_all(&self) -> Aggregate {
        let all = self.compositions.iter().filter(|one| one.is_about_all()).map(|one| one.aggregate);
        all.reduce(Aggregate::worse).unwrap_or(Aggregate::NotSpecified)
    }
}
