//! CycloneDX as JSON: 1.2 to 1.7 are read, 1.6 and 1.7 written (ECMA-424; JSON schemas of the specification).

mod quick;
mod read;
mod rest;
mod write;

pub(super) use quick::components;
pub(super) use read::read;
pub use write::{Edition, write};

/// The member names that an object of the format may have, of all versions up to 1.7 (schema: `additionalProperties` is
/// false).
mod members {
    pub(super) const DOCUMENT: &[&str] = &[
        "$schema",
        "bomFormat",
        "specVersion",
        "serialNumber",
        "version",
        "metadata",
        "components",
        "services",
        "externalReferences",
        "dependencies",
        "compositions",
        "vulnerabilities",
        "annotations",
        "formulation",
        "declarations",
        "definitions",
        "citations",
        "properties",
        "signature",
    ];
    pub(super) const METADATA: &[&str] = &[
        "timestamp",
        "lifecycles",
        "tools",
        "manufacturer",
        "authors",
        "component",
        "manufacture",
        "supplier",
        "licenses",
        "properties",
        "distributionConstraints",
    ];
    pub(super) const COMPONENT: &[&str] = &[
        "type",
        "mime-type",
        "bom-ref",
        "supplier",
        "manufacturer",
        "authors",
        "author",
        "publisher",
        "group",
        "name",
        "version",
        "versionRange",
        "isExternal",
        "description",
        "scope",
        "hashes",
        "licenses",
        "copyright",
        "patentAssertions",
        "cpe",
        "purl",
        "omniborId",
        "swhid",
        "swid",
        "modified",
        "pedigree",
        "externalReferences",
        "components",
        "evidence",
        "releaseNotes",
        "modelCard",
        "data",
        "cryptoProperties",
        "properties",
        "tags",
        "signature",
    ];
    pub(super) const LICENCE: &[&str] =
        &["bom-ref", "id", "name", "acknowledgement", "text", "url", "licensing", "properties"];
    pub(super) const EXPRESSION: &[&str] =
        &["expression", "expressionDetails", "acknowledgement", "bom-ref", "licensing", "properties"];
    pub(super) const COMPOSITION: &[&str] =
        &["bom-ref", "aggregate", "assemblies", "dependencies", "vulnerabilities", "signature"];
    pub(super) const VULNERABILITY: &[&str] = &[
        "bom-ref",
        "id",
        "source",
        "references",
        "ratings",
        "cwes",
        "description",
        "detail",
        "recommendation",
        "workaround",
        "proofOfConcept",
        "advisories",
        "created",
        "published",
        "updated",
        "rejected",
        "credits",
        "tools",
        "analysis",
        "affects",
        "properties",
    ];
    pub(super) const ANALYSIS: &[&str] =
        &["state", "justification", "response", "detail", "firstIssued", "lastUpdated"];
    pub(super) const OCCURRENCE: &[&str] = &["bom-ref", "location", "line", "offset", "symbol", "additionalContext"];
}

pub(super) const STATES: &[&str] =
    &["resolved", "resolved_with_pedigree", "exploitable", "in_triage", "false_positive", "not_affected"];

pub(super) const JUSTIFICATIONS: &[&str] = &[
    "code_not_present",
    "code_not_reachable",
    "requires_configuration",
    "requires_dependency",
    "requires_environment",
    "protected_by_compiler",
    "protected_at_runtime",
    "protected_at_perimeter",
    "protected_by_mitigating_control",
];

pub(super) const RESPONSES: &[&str] = &["can_not_fix", "will_not_fix", "update", "rollback", "workaround_available"];

pub(super) const SEVERITIES: &[&str] = &["critical", "high", "medium", "low", "info", "none", "unknown"];

pub(super) const METHODS: &[&str] = &["CVSSv2", "CVSSv3", "CVSSv31", "CVSSv4", "OWASP", "SSVC", "other"];
