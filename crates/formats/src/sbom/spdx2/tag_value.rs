//! SPDX 2 as tag-value: lines `Tag: value`, texts of several lines in `<text>` and `</text>` (SPDX specification 2.3,
//! clauses 6 to 12, "Data format"). It is brought into the form of the JSON and read as that.

use serde_json::{Map, Value, json};

use super::super::object::shortened;
use super::super::{Bom, MAXIMUM_BYTES, MAXIMUM_VALUES, SbomError};

/// Reads a document.
pub(in crate::sbom) fn read_tag_value(bytes: &[u8]) -> Result<Bom, SbomError> {
    if bytes.len() > MAXIMUM_BYTES {
        return Err(SbomError::Json(format!("{} bytes: at most {MAXIMUM_BYTES} are read", bytes.len())));
    }
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let Ok(text) = text else { return Err(SbomError::Unknown) };
    let mut document = Tags::default();
    let mut lines = text.lines().enumerate();
    let mut count = 0;
    while let Some((index, line)) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        count += 1;
        if count > MAXIMUM_VALUES {
            return Err(SbomError::TooMany);
        }
        let wrong = |what: &str| SbomError::Form { at: format!("line {}", index + 1), what: what.to_owned() };
        if count == 1 && !line.starts_with("SPDXVersion:") {
            return Err(SbomError::Unknown);
        }
        let (tag, value) = line.split_once(':').ok_or_else(|| wrong("`Tag: value` belongs here"))?;
        let mut value = value.trim().to_owned();
        if let Some(start) = value.strip_prefix("<text>") {
            let mut whole = start.to_owned();
            while !whole.contains("</text>") {
                match lines.next() {
                    Some((_, next)) => {
                        whole.push('\n');
                        whole.push_str(next);
                    }
                    None => return Err(wrong("`</text>` is missing")),
                }
            }
            value = whole.split("</text>").next().unwrap_or_default().to_owned();
        }
        document.tag(tag.trim(), value).map_err(|what| wrong(&what))?;
    }
    if count == 0 {
        return Err(SbomError::Unknown);
    }
    super::read(&document.finish())
}

/// What the current lines are about.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Document,
    Package,
    File,
    Snippet,
    Licence,
    Annotation,
    Review,
}

#[derive(Default)]
struct Tags {
    root: Map<String, Value>,
    creation: Map<String, Value>,
    creators: Vec<Value>,
    lists: std::collections::BTreeMap<&'static str, Vec<Value>>,
    section: Section,
    /// The element that an annotation is about, and the annotation.
    annotations: Vec<(String, Value)>,
}

impl Tags {
    fn tag(&mut self, tag: &str, value: String) -> Result<(), String> {
        match tag {
            "SPDXVersion" => set(&mut self.root, "spdxVersion", value)?,
            "DataLicense" => set(&mut self.root, "dataLicense", value)?,
            "DocumentName" => set(&mut self.root, "name", value)?,
            "DocumentNamespace" => set(&mut self.root, "documentNamespace", value)?,
            "Created" => set(&mut self.creation, "created", value)?,
            "Creator" => self.creators.push(value.into()),
            "PackageName" => self.start(Section::Package, "packages", json!({"name": value})),
            "FileName" => self.start(Section::File, "files", json!({"fileName": value})),
            "SnippetSPDXID" => self.start(Section::Snippet, "snippets", json!({"SPDXID": value})),
            "LicenseID" => {
                self.start(Section::Licence, "hasExtractedLicensingInfos", json!({"licenseId": value}));
            }
            "Annotator" => {
                self.section = Section::Annotation;
                self.annotations.push((String::new(), json!({"annotator": value})));
            }
            "Reviewer" => self.section = Section::Review,
            "SPDXREF" if self.section == Section::Annotation => {
                if let Some((about, _)) = self.annotations.last_mut() {
                    *about = value;
                }
            }
            "AnnotationComment" => {
                if let Some((_, annotation)) = self.annotations.last_mut() {
                    annotation["comment"] = value.into();
                }
            }
            "SPDXID" => match self.section {
                Section::Document => set(&mut self.root, "SPDXID", value)?,
                _ => self.member("SPDXID", value)?,
            },
            "Relationship" => {
                let parts: Vec<&str> = value.split_whitespace().collect();
                let [from, kind, to] = parts.as_slice() else {
                    return Err("an element, a relationship and an element belong here".into());
                };
                self.lists
                    .entry("relationships")
                    .or_default()
                    .push(json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to}));
            }
            _ => return self.of_section(tag, value),
        }
        Ok(())
    }

    fn start(&mut self, section: Section, list: &'static str, value: Value) {
        self.section = section;
        self.lists.entry(list).or_default().push(value);
    }

    fn current(&mut self) -> Option<&mut Map<String, Value>> {
        let list = match self.section {
            Section::Package => "packages",
            Section::File => "files",
            Section::Snippet => "snippets",
            Section::Licence => "hasExtractedLicensingInfos",
            _ => return None,
        };
        self.lists.get_mut(list)?.last_mut()?.as_object_mut()
    }

    fn member(&mut self, name: &str, value: String) -> Result<(), String> {
        match self.current() {
            Some(current) => set(current, name, value),
            None => Ok(()),
        }
    }

    /// Tags of packages and licences that are read; all others are left alone.
    fn of_section(&mut self, tag: &str, value: String) -> Result<(), String> {
        let name = match (self.section, tag) {
            (Section::Package, "PackageVersion") => "versionInfo",
            (Section::Package, "PackageDownloadLocation") => "downloadLocation",
            (Section::Package, "PackageSupplier") => "supplier",
            (Section::Package, "PackageOriginator") => "originator",
            (Section::Package, "PackageHomePage") => "homepage",
            (Section::Package, "PackageLicenseConcluded") => "licenseConcluded",
            (Section::Package, "PackageLicenseDeclared") => "licenseDeclared",
            (Section::Package, "PackageDescription") => "description",
            (Section::Package, "PrimaryPackagePurpose") => "primaryPackagePurpose",
            (Section::Licence, "ExtractedText") => "extractedText",
            (Section::Licence, "LicenseName") => "name",
            (Section::Package, "PackageChecksum") => {
                let (algorithm, digest) = value.split_once(':').ok_or("`algorithm: digest` belongs here")?;
                let checksum = json!({"algorithm": algorithm.trim(), "checksumValue": digest.trim()});
                return self.append("checksums", checksum);
            }
            (Section::Package, "ExternalRef") => {
                let mut parts = value.split_whitespace();
                let (Some(category), Some(kind), Some(locator)) = (parts.next(), parts.next(), parts.next()) else {
                    return Err("a category, a type and a locator belong here".into());
                };
                let reference =
                    json!({"referenceCategory": category, "referenceType": kind, "referenceLocator": locator});
                return self.append("externalRefs", reference);
            }
            _ => return Ok(()),
        };
        self.member(name, value)
    }

    fn append(&mut self, name: &str, value: Value) -> Result<(), String> {
        if let Some(current) = self.current() {
            match current.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                Value::Array(list) => list.push(value),
                _ => return Err(format!("`{name}` is no list")),
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Value {
        if !self.creators.is_empty() {
            self.creation.insert("creators".into(), self.creators.into());
        }
        self.root.insert("creationInfo".into(), self.creation.into());
        for (about, annotation) in self.annotations {
            if about == "SPDXRef-DOCUMENT" {
                let list = self.root.entry("annotations").or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    list.push(annotation);
                }
                continue;
            }
            let packages = self.lists.get_mut("packages").map(Vec::as_mut_slice).unwrap_or_default();
            let package = packages.iter_mut().find(|package| package["SPDXID"] == about.as_str());
            if let Some(package) = package.and_then(Value::as_object_mut) {
                let list = package.entry("annotations").or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    list.push(annotation);
                }
            }
        }
        for (name, list) in self.lists {
            self.root.insert(name.into(), list.into());
        }
        self.root.into()
    }
}

/// A tag that may be there once.
fn set(map: &mut Map<String, Value>, name: &str, value: String) -> Result<(), String> {
    if map.contains_key(name) {
        return Err(format!("`{}` is there twice", shortened(name)));
    }
    map.insert(name.into(), value.into());
    Ok(())
}
