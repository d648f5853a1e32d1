//! OpenVEX, and CycloneDX's analyses.

use provost_formats::sbom;
use provost_formats::vex::{self, Identity, Justification, Product, Status, VexDocument, VexStatement, openvex};
use provost_model::Purl;
use serde_json::{Value, json};

fn purl(text: &str) -> Purl {
    text.parse().expect("a purl")
}

/// The specification's example, with its commas in place.
fn example() -> Value {
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://openvex.dev/docs/public/vex-2e67563e128250cbcb3e98930df948dd053e43271d70dc50cfa22d57e03fe96f",
        "author": "Spring Builds <spring-builds@users.noreply.github.com>",
        "role": "Project Release Bot",
        "timestamp": "2023-01-16T19:07:16.853479631-06:00",
        "version": 1,
        "statements": [{
            "vulnerability": {
                "@id": "https://nvd.nist.gov/vuln/detail/CVE-2021-44228",
                "name": "CVE-2021-44228",
                "description": "Remote code injection in Log4j",
                "aliases": ["GHSA-jfh8-c2jp-5v3q"]
            },
            "products": [{
                "@id": "pkg:maven/org.springframework.boot/spring-boot@2.6.0-M3",
                "identifiers": {"purl": "pkg:maven/org.springframework.boot/spring-boot@2.6.0-M3"},
                "hashes": {"sha-256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
            }],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
            "impact_statement": "only with Log4J2"
        }]
    })
}

fn read(value: &Value) -> Result<VexDocument, vex::VexError> {
    openvex::read(value.to_string().as_bytes(), &[])
}

#[test]
fn the_specifications_example() {
    let document = read(&example()).unwrap();
    let statement = &document.statements[0];
    assert_eq!(statement.justification, Some(Justification::CodeNotInExecutePath));
    assert_eq!(statement.timestamp, document.timestamp);
    let boot = purl("pkg:maven/org.springframework.boot/spring-boot@2.6.0-M3?type=jar");
    assert!(vex::applies(statement, &purl("pkg:maven/x/y"), &boot, &["GHSA-jfh8-c2jp-5v3q"]));
    let text = openvex::write(&document).unwrap();
    assert_eq!(openvex::read(text.as_bytes(), &[]).unwrap(), document);
}

#[test]
fn rules_of_statements() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut document = example();
        change(&mut document);
        read(&document).map_err(|error| error.to_string())
    };
    let refused = |change: &dyn Fn(&mut Value), word: &str| {
        let error = with(change).unwrap_err();
        assert!(error.contains(word), "{error}");
    };
    let take = |document: &mut Value, name: &str| {
        document["statements"][0].as_object_mut().unwrap().remove(name);
    };
    refused(
        &|d| {
            take(d, "justification");
            take(d, "impact_statement")
        },
        "needs a justification",
    );
    assert!(with(&|d| take(d, "justification")).is_ok());
    refused(
        &|d| {
            take(d, "justification");
            d["statements"][0]["impact_statement"] = " ".into()
        },
        "needs a justification",
    );
    refused(&|d| d["statements"][0]["justification"] = "because".into(), "no justification");
    refused(&|d| d["statements"][0]["status"] = "fine".into(), "no status");
    refused(&|d| d["statements"][0]["status"] = "fixed".into(), "only `not_affected`");
    refused(
        &|d| {
            take(d, "justification");
            d["statements"][0]["status"] = "affected".into()
        },
        "action statement",
    );
    refused(&|d| take(d, "vulnerability"), "missing");
    refused(&|d| take(d, "products"), "no product");
    refused(&|d| d["statements"] = json!([]), "one at least");
    refused(
        &|d| d["statements"][0]["products"][0]["subcomponets"] = json!([{"@id": "pkg:npm/a"}]),
        "nothing of that name",
    );
    refused(&|d| d["statements"][0]["products"][0]["subcomponents"] = json!([{"hashes": {}}]), "identifier");
    refused(&|d| d["statements"][0]["products"][0]["identifiers"]["purl"] = "npm/a".into(), "pkg:");
    refused(&|d| d["statements"][0]["products"][0]["hashes"]["sha-256"] = "00".into(), "length");
    refused(&|d| d["timestamp"] = "yesterday".into(), "RFC 3339");
    refused(&|d| d["version"] = 0.into(), "whole number");
    refused(&|d| d["@context"] = "https://openvex.dev/ns".into(), "version");
    refused(&|d| d["@context"] = "https://example.org".into(), "no OpenVEX");
    refused(&|d| d["author"] = "".into(), "empty");
}

#[test]
fn products_are_inherited_from_what_holds_the_document() {
    let mut document = example();
    document["statements"][0].as_object_mut().unwrap().remove("products");
    let subject = Product { identity: Identity::of_purl(&purl("pkg:oci/app@sha256:ab")), subcomponents: Vec::new() };
    let read = openvex::read(document.to_string().as_bytes(), std::slice::from_ref(&subject)).unwrap();
    assert_eq!(read.statements[0].products, [subject]);
}

/// OpenVEX 0.2.0, "Updating Statements with Inherited Data".
#[test]
fn a_later_statement_overrides() {
    let document = json!({
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://openvex.dev/docs/example/vex-9fb3463de1b57",
        "author": "Wolfi J Inkinson",
        "timestamp": "2023-01-09T09:08:42-06:00",
        "version": 2,
        "statements": [
            {
                "timestamp": "2023-01-08T18:02:03-06:00",
                "vulnerability": {"name": "CVE-2023-12345"},
                "products": [{"@id": "pkg:apk/wolfi/git@2.39.0-r1?arch=armv7"}],
                "status": "under_investigation"
            },
            {
                "vulnerability": {"name": "CVE-2023-12345"},
                "products": [{"@id": "pkg:apk/wolfi/git@2.39.0-r1?arch=armv7"}],
                "status": "fixed"
            }
        ]
    });
    let document = read(&document).unwrap();
    let git = purl("pkg:apk/wolfi/git@2.39.0-r1?arch=armv7&distro=wolfi");
    let holds = vex::effective(&document.statements, &git, &purl("pkg:oci/image"), &["CVE-2023-12345"]);
    assert_eq!(holds.map(|statement| statement.status), Some(Status::Fixed));
    assert!(vex::effective(&document.statements, &git, &git, &["CVE-1"]).is_none());
}

#[test]
fn written_documents_keep_the_rules() {
    let product = Product { identity: Identity::of_purl(&purl("pkg:cargo/a@1")), subcomponents: Vec::new() };
    let time = "2026-01-01T00:00:00Z".parse().unwrap();
    let statement = VexStatement::new("CVE-1", product, Status::Affected, time);
    let mut document = VexDocument {
        id: String::new(),
        author: "someone".into(),
        role: None,
        timestamp: time,
        last_updated: None,
        version: 1,
        tooling: None,
        statements: vec![statement],
    };
    assert!(openvex::write(&document).is_err());
    document.statements[0].action = Some("update to 2".into());
    let text = openvex::write(&document).unwrap();
    assert_eq!(text, openvex::write(&document).unwrap());
    assert!(text.contains("urn:uuid:"));
    assert!(openvex::read(text.as_bytes(), &[]).is_ok());
    document.statements.clear();
    assert!(openvex::write(&document).is_err());
}

#[test]
fn analyses_of_cyclonedx_are_statements_about_parts() {
    let bom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {
            "timestamp": "2026-01-01T00:00:00Z",
            "component": {"type": "container", "name": "app", "bom-ref": "app", "purl": "pkg:oci/app@sha256:ab"}
        },
        "components": [
            {"type": "library", "name": "log4j", "version": "2.14", "bom-ref": "log4j", "purl": "pkg:maven/o/log4j@2.14"},
            {"type": "library", "name": "nameless", "bom-ref": "nameless"}
        ],
        "vulnerabilities": [
            {
                "id": "CVE-1", "references": [{"id": "GHSA-1", "source": {"name": "GitHub"}}],
                "analysis": {"state": "not_affected", "justification": "protected_at_perimeter", "detail": "no way in"},
                "affects": [{"ref": "log4j"}]
            },
            {"id": "CVE-2", "analysis": {"state": "exploitable", "response": ["will_not_fix"]}, "affects": [{"ref": "app"}]},
            {"id": "CVE-3", "analysis": {"state": "not_affected"}, "affects": [{"ref": "log4j"}]},
            {"id": "CVE-4", "analysis": {"state": "in_triage"}, "affects": [{"ref": "nameless"}]},
            {
                "id": "CVE-5", "analysis": {"state": "resolved"},
                "affects": [{"ref": "log4j", "versions": [{"version": "2.13", "status": "affected"}]}]
            },
            {"id": "CVE-6"},
            {"id": "CVE-7", "analysis": {"state": "resolved"}},
            {"id": "CVE-8", "analysis": {"state": "resolved"}, "affects": [{"ref": "nowhere"}]}
        ]
    });
    let bom = sbom::read(bom.to_string().as_bytes()).unwrap();
    assert_eq!(bom.vulnerabilities.len(), 8);
    let (statements, problems) = vex::from_bom(&bom);
    assert_eq!(statements.len(), 2, "{problems:?}");
    assert_eq!(problems.len(), 5, "{problems:?}");
    // Written and read again nothing is cleared that was not before.
    let written = sbom::cyclonedx::write(&bom, sbom::cyclonedx::Edition::V1_6);
    let again = vex::from_bom(&sbom::read(written.as_bytes()).unwrap());
    assert_eq!((again.0.len(), again.1.len()), (2, 5), "{:?}", again.1);
    let (app, log4j) = (purl("pkg:oci/app@sha256:ab"), purl("pkg:maven/o/log4j@2.14"));
    let first = vex::effective(&statements, &log4j, &app, &["ghsa-1"]).unwrap();
    assert_eq!(first.justification, Some(Justification::InlineMitigations));
    assert_eq!(first.impact.as_deref(), Some("protected at perimeter: no way in"));
    // What was found of a part in one product says nothing of it in another.
    assert!(vex::effective(&statements, &log4j, &purl("pkg:oci/other@sha256:ab"), &["CVE-1"]).is_none());
    assert_eq!(statements[1].action.as_deref(), Some("will not fix"));
}
