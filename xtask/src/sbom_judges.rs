//! Bills of materials that we write, judged by others: the JSON schemas of CycloneDX with the Python package jsonschema,
//! cyclonedx-python-lib, and spdx-tools for SPDX 2.3.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use provost_formats::sbom::{self, Aggregate, Bom, BomBuilder, Component, ComponentKind, Tool, cyclonedx, spdx2};
use provost_formats::vex::{self, Identity, Justification, Product, Status, VexDocument, VexStatement, openvex};
use provost_model::{
    Completeness, Distribution, Ecosystem, Inventory, Package, PackageHash, PackageSource, Root, Scope, Scopes,
};

/// Judges the files of a folder by the format that their names say; prints one line a judge, and every complaint.
const JUDGES: &str = r##"
import json, pathlib, sys
folder, schemas = map(pathlib.Path, sys.argv[1:3])
spdx_schema = sys.argv[3] if len(sys.argv) > 3 else None
failed = 0

def report(judge, number, complaints):
    global failed
    failed += len(complaints)
    print(f"{judge}: {number} documents, {len(complaints)} refused")
    for name, what in complaints[:20]:
        print("   ", name, str(what)[:400])

def files(end):
    return sorted(folder.glob("*" + end))

try:
    import jsonschema, referencing
    loaded = {p.name: json.loads(p.read_text()) for p in schemas.glob("*.json")}
    registry = referencing.Registry().with_resources(
        (base + name, referencing.Resource.from_contents(schema, default_specification=referencing.jsonschema.DRAFT7))
        for name, schema in loaded.items() for base in ("http://cyclonedx.org/schema/", ""))
    for version in ("1.6", "1.7"):
        validator = jsonschema.Draft7Validator(loaded[f"bom-{version}.schema.json"], registry=registry,
            format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER)
        complaints = []
        for path in files(f".cdx{version}.json"):
            for error in validator.iter_errors(json.loads(path.read_text())):
                complaints.append((path.name, f"{error.json_path}: {error.message}"))
                break
        report(f"JSON schema of CycloneDX {version}", len(files(f".cdx{version}.json")), complaints)
    schema = schemas.parent.parent / "openvex" / "openvex_json_schema.json"
    if schema.exists():
        validator = jsonschema.Draft202012Validator(json.loads(schema.read_text()))
        complaints = []
        for path in files(".openvex.json"):
            for error in validator.iter_errors(json.loads(path.read_text())):
                complaints.append((path.name, f"{error.json_path}: {error.message}"))
                break
        report("JSON schema of OpenVEX", len(files(".openvex.json")), complaints)
    if spdx_schema:
        validator = jsonschema.Draft7Validator(json.loads(pathlib.Path(spdx_schema).read_text()))
        complaints = []
        for path in files(".spdx.json"):
            for error in validator.iter_errors(json.loads(path.read_text())):
                complaints.append((path.name, f"{error.json_path}: {error.message}"))
                break
        report("JSON schema of SPDX 2.3", len(files(".spdx.json")), complaints)
except ImportError as error:
    print("skipped:", error)

try:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator
    for version, schema in (("1.6", SchemaVersion.V1_6), ("1.7", SchemaVersion.V1_7)):
        validator = JsonStrictValidator(schema)
        complaints = []
        for path in files(f".cdx{version}.json"):
            error = validator.validate_str(path.read_text())
            if error:
                complaints.append((path.name, error))
        report(f"cyclonedx-python-lib, strict, {version}", len(files(f".cdx{version}.json")), complaints)
except (ImportError, AttributeError) as error:
    print("skipped:", error)

try:
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
    complaints = []
    for path in files(".spdx.json"):
        try:
            messages = validate_full_spdx_document(parse_file(str(path)))
            if messages:
                complaints.append((path.name, messages[0].validation_message))
        except Exception as error:
            complaints.append((path.name, error))
    report("spdx-tools, SPDX 2.3", len(files(".spdx.json")), complaints)
except ImportError as error:
    print("skipped:", error)
sys.exit(1 if failed else 0)
"##;

/// Every kind of package, with all that can be said of one.
fn sample() -> Bom {
    let mut inventory = Inventory::new("sample", Completeness::Graph);
    for (index, ecosystem) in Ecosystem::ALL.into_iter().enumerate() {
        let name = match ecosystem {
            Ecosystem::Maven => "org.example:thing",
            Ecosystem::Npm => "@scope/Thing_x",
            Ecosystem::Packagist | Ecosystem::GitHubActions => "Example/Thing",
            Ecosystem::Go | Ecosystem::Swift => "github.com/Example/Thing",
            Ecosystem::Oci => "ghcr.io/example/thing",
            _ => "Thing_x",
        };
        let mut package = Package::new(ecosystem, name, Some("1:2.3-4+b~5".into()));
        package.scopes =
            Scopes::only([Scope::Production, Scope::Build, Scope::Development, Scope::Optional][index % 4]);
        package.licence =
            ["MIT/Apache-2.0", "BSD", "Apache License 2.0", "MIT OR LicenseRef-x", "GFDL-1.3-invariants-only", "Ä ö"]
                .get(index % 7)
                .map(|text| (*text).to_owned());
        package.hashes = vec![
            PackageHash { algorithm: "sha256".into(), value: format!("{index:064x}") },
            PackageHash { algorithm: "h1".into(), value: "q83v+/=".into() },
            PackageHash { algorithm: "streebog-256".into(), value: format!("{index:064x}") },
        ];
        package.source = match index % 5 {
            0 => PackageSource::Git { url: "ssh://git@example.org/a b.git".into(), revision: Some("abc".into()) },
            1 => PackageSource::Url { url: "https://example.org/x.tgz".into() },
            2 => PackageSource::Path { path: "../x".into() },
            3 => PackageSource::OtherRegistry { url: "https://registry.example".into() },
            _ => PackageSource::Registry,
        };
        if matches!(ecosystem, Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Rpm) {
            package.distribution = Some(Distribution { id: "debian".into(), version: "12".into(), like: Vec::new() });
            package.architecture = Some("amd64".into());
            package.built_from = Some(("source".into(), Some("1-2".into())));
        }
        package.requirement = Some("^1".into());
        package.alias = Some("other".into());
        package.deprecated = Some("do not".into());
        package.install_script = true;
        package.line = Some(index as u64 + 1);
        package.dependencies = vec![(index + 1) % 18, (index + 5) % 18, index];
        inventory.packages.push(package);
    }
    for name in [None, Some("member".to_owned())] {
        let dependencies = vec![(0, Scope::Production), (1, Scope::Development)];
        inventory.roots.push(Root { name, version: Some("0.1".into()), path: "crates/a".into(), dependencies });
    }
    let mut declared = Inventory::new("declared", Completeness::Declared);
    declared.packages.push(Package::new(Ecosystem::PyPi, "Only.Declared", None));
    declared.problem(Some(3), "a line that says nothing");
    let bom = Bom {
        timestamp: "2026-01-02T03:04:05Z".parse().ok(),
        tools: vec![Tool { vendor: Some("provost".into()), name: "provost".into(), version: Some("0.1.0".into()) }],
        lifecycles: vec!["build".into(), "own".into()],
        ..Bom::default()
    };
    let subject = Package::new(Ecosystem::Generic, "product", Some("1.0".into()));
    let mut builder = BomBuilder::new(bom, Component::new("subject", ComponentKind::Application, subject));
    builder.add("a/Thing.lock", &inventory);
    builder.add("b/requirements.txt", &declared);
    builder.finish(Aggregate::Complete)
}

/// What a document says of vulnerabilities, and a statement of every status about its components.
fn openvex_document(bom: &Bom) -> Result<VexDocument> {
    let timestamp = "2026-01-02T03:04:05Z".parse()?;
    let (mut statements, _) = vex::from_bom(bom);
    let known = bom.components.iter().filter_map(|component| component.purl.as_ref());
    let purl = known.clone().next().cloned().map_or_else(|| "pkg:generic/product".parse(), Ok)?;
    let subcomponents = known.map(Identity::of_purl).collect();
    let product = Product { identity: Identity::of_purl(&purl), subcomponents };
    for status in Status::ALL {
        let mut statement = VexStatement::new("CVE-2026-1", product.clone(), status, timestamp);
        statement.vulnerability.aliases = vec!["GHSA-b".into(), "GHSA-a".into(), "GHSA-a".into()];
        statement.justification = (status == Status::NotAffected).then_some(Justification::CodeNotInExecutePath);
        statement.action = (status == Status::Affected).then(|| "update".into());
        statement.timestamp = statement.timestamp.plus_days(i64::try_from(statements.len())?);
        statement.version = 1;
        statements.push(statement);
    }
    Ok(VexDocument {
        id: String::new(),
        author: "provost".into(),
        role: Some("test".into()),
        timestamp,
        last_updated: Some(timestamp),
        version: 1,
        tooling: Some("provost".into()),
        statements,
    })
}

/// Writes the sample and all documents of the vectors in every format, and has them judged.
///
/// # Errors
/// A judge refuses a document.
pub(crate) fn run(kept: Option<&Path>) -> Result<()> {
    let vectors = crate::root().join("../shared/vectors/cyclonedx");
    if !vectors.exists() {
        println!("skipped: the vectors of CycloneDX are not beside this checkout");
        return Ok(());
    }
    let folder = kept.map_or_else(|| crate::target().join("sbom-judges"), PathBuf::from);
    if kept.is_none() && folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let mut boms = vec![("sample".to_owned(), sample())];
    for path in files(&vectors, "valid-")? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        boms.push((name, sbom::read(&std::fs::read(&path)?).with_context(|| path.display().to_string())?));
    }
    for (name, bom) in &boms {
        let editions = [("1.6", cyclonedx::Edition::V1_6), ("1.7", cyclonedx::Edition::V1_7)];
        for (version, edition) in editions {
            std::fs::write(folder.join(format!("{name}.cdx{version}.json")), cyclonedx::write(bom, edition))?;
        }
        std::fs::write(folder.join(format!("{name}.spdx.json")), spdx2::write(bom))?;
        let document = openvex_document(bom)?;
        std::fs::write(folder.join(format!("{name}.openvex.json")), openvex::write(&document)?)?;
    }
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let judged = Command::new(&python)
        .args(["-W", "ignore", "-c", JUDGES])
        .args([&folder, &vectors.join("schema")])
        .args(std::env::var_os("SPDX_SCHEMA"))
        .stdin(Stdio::null())
        .status()
        .with_context(|| python.clone())?;
    if !judged.success() {
        bail!("documents were refused; they are in {}", folder.display());
    }
    Ok(())
}

/// Reads every document below a folder.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn read(folder: &Path) -> Result<()> {
    let (mut read, mut refused) = (std::collections::BTreeMap::<String, usize>::new(), 0);
    for path in files(folder, "")? {
        let bytes = std::fs::read(&path)?;
        match sbom::read(&bytes) {
            Ok(bom) => {
                *read.entry(bom.format.clone()).or_default() += 1;
                println!(
                    "{}: {}, {} components, {} with purl, {} edges, subject {:?}, {:?}, {} problems{}",
                    path.strip_prefix(folder).unwrap_or(&path).display(),
                    bom.format,
                    bom.components.len(),
                    bom.components.iter().filter(|one| one.purl.is_some()).count(),
                    bom.dependencies.values().map(std::collections::BTreeSet::len).sum::<usize>(),
                    bom.subject.as_ref().map(|subject| subject.package.name.as_str()),
                    bom.stated(),
                    bom.problems.len(),
                    bom.problems.first().map(|first| format!(": {first}")).unwrap_or_default(),
                );
            }
            Err(error) => {
                refused += 1;
                println!("{}: refused: {error}", path.strip_prefix(folder).unwrap_or(&path).display());
            }
        }
    }
    println!("read: {read:?}, refused: {refused}");
    Ok(())
}

fn files(folder: &Path, start: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
