//! Documents that mean harm: too deep, too many, ambiguous, pointing nowhere.

use provost_formats::sbom::{self, Aggregate, MAXIMUM_COMPONENTS, MAXIMUM_PROBLEMS, SbomError, cyclonedx, spdx2};
use serde_json::{Value, json};

fn cyclonedx(components: Value, dependencies: Value) -> String {
    json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components, "dependencies": dependencies})
        .to_string()
}

fn read(text: &str) -> Result<sbom::Bom, SbomError> {
    sbom::read(text.as_bytes())
}

#[test]
fn what_it_is_is_told_by_its_content() {
    assert_eq!(read(""), Err(SbomError::Json("EOF while parsing a value at line 1 column 0".into())));
    assert_eq!(read("{}"), Err(SbomError::Unknown));
    assert_eq!(read("[1]"), Err(SbomError::Unknown));
    assert_eq!(read("<html>"), Err(SbomError::Unknown));
    let xml = r#"<?xml version="1.0"?><bom xmlns="http://cyclonedx.org/schema/bom/1.6" version="1"/>"#;
    assert_eq!(read(xml), Err(SbomError::Xml("CycloneDX as XML")));
    assert!(matches!(read(r#"{"bomFormat":"CycloneDX","specVersion":"1.8"}"#), Err(SbomError::Version { .. })));
    assert!(matches!(read(r#"{"bomFormat":"CycloneDX","specVersion":"1.1"}"#), Err(SbomError::Version { .. })));
    assert!(matches!(read(r#"{"bomFormat":"CycloneDX","specVersion":"1.06"}"#), Err(SbomError::Version { .. })));
    assert!(matches!(read(r#"{"spdxVersion":"SPDX-2.4"}"#), Err(SbomError::Version { .. })));
    let three = r#"{"@context":"https://spdx.org/rdf/3.1/spdx-context.jsonld","@graph":[]}"#;
    assert!(matches!(read(three), Err(SbomError::Version { .. })));
    assert_eq!(read(r#"{"@context":"https://example.org","@graph":[]}"#), Err(SbomError::Unknown));
    assert_eq!(sbom::read(b"\xff\xfe{"), Err(SbomError::Json("expected value at line 1 column 1".into())));
}

/// Two readers that take different ones of two members of one name see two documents.
#[test]
fn repeated_names_are_refused() {
    let text =
        r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[],"components":[{"type":"library","name":"a"}]}"#;
    assert!(matches!(read(text), Err(SbomError::Json(_))));
}

#[test]
fn nesting_is_bounded() {
    let mut component = json!({"type": "library", "name": "a"});
    for _ in 0..30 {
        component = json!({"type": "library", "name": "a", "components": [component]});
    }
    let bom = read(&cyclonedx(json!([component.clone()]), json!([]))).unwrap();
    assert_eq!(bom.components.len(), 31);
    let written = cyclonedx::write(&bom, cyclonedx::Edition::V1_6);
    assert_eq!(sbom::read(written.as_bytes()).unwrap().components.len(), 31);
    for _ in 0..40 {
        component = json!({"type": "library", "name": "a", "components": [component]});
    }
    assert!(matches!(read(&cyclonedx(json!([component]), json!([]))), Err(SbomError::Json(_))));
}

#[test]
fn the_number_of_components_is_bounded() {
    let one = json!({"type": "library", "name": "a"});
    let components: Vec<Value> = std::iter::repeat_n(one, MAXIMUM_COMPONENTS + 1).collect();
    let document = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components});
    assert_eq!(sbom::read_value(&document), Err(SbomError::TooMany));
}

#[test]
fn ambiguous_references_are_refused() {
    let twice = json!([
        {"type": "library", "name": "a", "bom-ref": "x"},
        {"type": "library", "name": "b", "components": [{"type": "library", "name": "c", "bom-ref": "x"}]}
    ]);
    assert!(matches!(read(&cyclonedx(twice, json!([]))), Err(SbomError::Form { .. })));
    let package = |id: &str| json!({"SPDXID": id, "name": "a", "downloadLocation": "NOASSERTION"});
    let spdx = |packages: Value| {
        json!({
            "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "x", "dataLicense": "CC0-1.0",
            "documentNamespace": "https://example.org/x",
            "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: x"]},
            "packages": packages
        })
        .to_string()
    };
    assert!(read(&spdx(json!([package("SPDXRef-a"), package("SPDXRef-b")]))).is_ok());
    assert!(read(&spdx(json!([package("SPDXRef-a"), package("SPDXRef-a")]))).is_err());
    assert!(read(&spdx(json!([package("SPDXRef-DOCUMENT")]))).is_err());
    assert!(read(&spdx(json!([package("SPDXRef-a/b_c")]))).is_ok());
    assert!(read(&spdx(json!([package("a b")]))).is_err());
    let three = |elements: Value| {
        json!({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": elements}).to_string()
    };
    let element = json!({"type": "software_Package", "spdxId": "urn:a", "name": "a"});
    assert!(read(&three(json!([element.clone()]))).is_ok());
    assert!(read(&three(json!([element.clone(), element]))).is_err());
    assert!(read(&three(json!([{"type": "software_Package", "name": "a"}]))).is_err());
}

/// A name cannot be moved onto another package by a property of ours.
#[test]
fn properties_do_not_rename_packages() {
    let component = json!({
        "type": "library", "name": "evil", "version": "1", "purl": "pkg:npm/evil@1",
        "properties": [{"name": "provost:name", "value": "left-pad"}]
    });
    let bom = read(&cyclonedx(json!([component]), json!([]))).unwrap();
    assert_eq!(bom.components[0].package.name, "evil");
}

#[test]
fn a_purl_of_another_version_is_said() {
    let component = json!({"type": "library", "name": "a", "version": "2", "purl": "pkg:npm/a@1"});
    let bom = read(&cyclonedx(json!([component]), json!([]))).unwrap();
    assert_eq!(bom.components[0].package.version.as_deref(), Some("1"));
    assert_eq!(bom.problems.len(), 1, "{:?}", bom.problems);
    assert_eq!(bom.stated().components, Aggregate::Unknown);
}

#[test]
fn references_to_nothing_are_taken_out_and_said() {
    let components = json!([{"type": "library", "name": "a", "bom-ref": "a"}]);
    let dependencies = json!([{"ref": "a", "dependsOn": ["b", "a"]}, {"ref": "c", "dependsOn": ["a"]}]);
    let bom = read(&cyclonedx(components.clone(), dependencies)).unwrap();
    assert_eq!(bom.problems.len(), 2, "{:?}", bom.problems);
    assert_eq!(bom.dependencies.len(), 1);
    assert_eq!(bom.dependencies["a"].len(), 1);
    // However many there are, the list is bounded.
    let many: Vec<String> = (0..3 * MAXIMUM_PROBLEMS).map(|number| format!("x{number}")).collect();
    let bom = read(&cyclonedx(components, json!([{"ref": "a", "dependsOn": many}]))).unwrap();
    assert_eq!(bom.problems.len(), MAXIMUM_PROBLEMS);
}

/// A statement about parts that are not there is not one about the whole.
#[test]
fn completeness_is_not_widened() {
    let document = |compositions: Value| {
        json!({
            "bomFormat": "CycloneDX", "specVersion": "1.6", "compositions": compositions,
            "components": [{"type": "library", "name": "a", "bom-ref": "a"}],
            "services": [{"name": "s", "bom-ref": "s"}]
        })
        .to_string()
    };
    let stated = |text: &str| read(text).unwrap().stated().dependencies;
    assert_eq!(stated(&document(json!([{"aggregate": "complete"}]))), Aggregate::Complete);
    assert_eq!(stated(&document(json!([{"aggregate": "complete", "dependencies": ["nowhere"]}]))), Aggregate::Unknown);
    let of_service = document(json!([{"aggregate": "complete", "dependencies": ["s"]}]));
    assert_eq!(stated(&of_service), Aggregate::NotSpecified);
    let bom = read(&of_service).unwrap();
    assert_eq!(stated(&cyclonedx::write(&bom, cyclonedx::Edition::V1_6)), Aggregate::NotSpecified);
    // A need that is not taken over (a service) is not no need.
    let mut needing: Value =
        serde_json::from_str(&document(json!([{"aggregate": "complete", "dependencies": ["a"]}]))).unwrap();
    needing["dependencies"] = json!([{"ref": "a", "dependsOn": ["s"]}]);
    let bom = read(&needing.to_string()).unwrap();
    assert_eq!(stated(&cyclonedx::write(&bom, cyclonedx::Edition::V1_7)), Aggregate::Unknown);
    assert_eq!(stated(&spdx2::write(&bom)), Aggregate::Unknown);
    let twice = read(&document(json!([{"aggregate": "unknown"}, {"aggregate": "unknown"}]))).unwrap();
    let written: Value = serde_json::from_str(&cyclonedx::write(&twice, cyclonedx::Edition::V1_6)).unwrap();
    assert_eq!(written["compositions"].as_array().unwrap().len(), 1);
}

/// Rings of needs, and of parts, end.
#[test]
fn rings_end() {
    let components = json!([
        {"type": "library", "name": "a", "bom-ref": "a"},
        {"type": "library", "name": "b", "bom-ref": "b"}
    ]);
    let dependencies = json!([{"ref": "a", "dependsOn": ["b"]}, {"ref": "b", "dependsOn": ["a"]}]);
    let mut bom = read(&cyclonedx(components, dependencies)).unwrap();
    bom.components[0].parent = Some("b".into());
    bom.components[1].parent = Some("a".into());
    for text in [cyclonedx::write(&bom, cyclonedx::Edition::V1_7), spdx2::write(&bom)] {
        let again = sbom::read(text.as_bytes()).unwrap();
        assert_eq!(again.subject.iter().chain(&again.components).count(), 2, "{text}");
    }
}

#[test]
fn tag_value_is_read_strictly() {
    let head = "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: x\n\
                DocumentNamespace: https://example.org/x\nCreator: Tool: x-1\nCreated: 2026-01-01T00:00:00Z\n";
    let package = "PackageName: a\nSPDXID: SPDXRef-a\nPackageVersion: 1\nPackageChecksum: SHA1: \
                   da39a3ee5e6b4b0d3255bfef95601890afd80709\nExternalRef: PACKAGE-MANAGER purl pkg:npm/a@1\n\
                   PackageLicenseDeclared: LicenseRef-1\nPackageDescription: <text>more\nlines</text>\n";
    let licence = "LicenseID: LicenseRef-1\nExtractedText: <text>Own words</text>\n";
    let relations = "Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-a\n";
    let bom = read(&format!("{head}{package}{licence}{relations}")).unwrap();
    let subject = bom.subject.unwrap();
    assert_eq!(subject.reference, "SPDXRef-a");
    assert_eq!(subject.description.as_deref(), Some("more\nlines"));
    assert_eq!(subject.licences[0].text, "Own words");
    assert_eq!(subject.package.hashes.len(), 1);
    for bad in [
        format!("{head}{package}{package}"),
        format!("{head}no tag"),
        format!("{head}PackageDescription: <text>never ends"),
        format!("{head}DocumentName: y\n"),
        format!("{head}Relationship: a b\n"),
        format!("{head}PackageName: a\nPackageChecksum: SHA1: 00\nSPDXID: SPDXRef-a\n"),
        "# only words\n".to_owned(),
    ] {
        assert!(read(&bad).is_err(), "{bad}");
    }
}

#[test]
fn syfts_own_format() {
    let artifact = json!({
        "id": "1", "name": "a", "version": "1", "type": "npm", "purl": "pkg:npm/a@1", "licenses": ["MIT", {"value": "x", "spdxExpression": "ISC"}],
        "locations": [{"path": "/package.json"}], "cpes": [{"cpe": "cpe:2.3:a:a:a:1:*:*:*:*:*:*:*"}]
    });
    let mut other = artifact.clone();
    other["id"] = "2".into();
    let document = json!({
        "artifacts": [artifact, other], "artifactRelationships": [{"parent": "2", "child": "1", "type": "dependency-of"}],
        "source": {"id": "s", "name": "dir", "version": "", "type": "directory"},
        "descriptor": {"name": "syft", "version": "1.0"}, "schema": {"version": "16.0.0"}
    });
    let bom = read(&document.to_string()).unwrap();
    assert_eq!(bom.format, "syft 16.0.0");
    assert!(bom.dependencies["1"].contains("2"));
    assert_eq!(bom.components[0].package.licence.as_deref(), Some("MIT AND ISC"));
    assert_eq!(bom.components[0].locations[0].path, "/package.json");
    let mut twice = document;
    twice["artifacts"][1]["id"] = "1".into();
    assert!(read(&twice.to_string()).is_err());
}
