//! What each type of package URL asks for and how it normalises (package-url specification, `types/*-definition.json`
//! of 2026-08).

use super::{Purl, PurlError};

/// Whether a type has namespaces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
    Prohibited,
}

/// Parts that are written in lower case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fold {
    Nothing,
    Namespace,
    Name,
    Both,
    Version,
    NameAndVersion,
    All,
}

/// The rules of the types that are registered; others have none. Two of them bend a definition:
/// - `golang` asks for a namespace, but the standard library and modules of one element have none;
/// - `githubactions` is not registered, but written by many; names of repositories there know no case.
fn rules(kind: &str) -> (Presence, Fold) {
    use Presence::{Optional, Prohibited, Required};
    match kind {
        "alpm" | "apk" | "bitbucket" | "composer" | "deb" | "github" => (Required, Fold::Both),
        "githubactions" | "brew" | "golang" | "hex" | "luarocks" => (Optional, Fold::Both),
        "bazel" | "cargo" | "cocoapods" | "conda" | "cran" | "gem" | "hackage" | "julia" | "mlflow" | "nuget"
        | "opam" | "vcpkg" => (Prohibited, Fold::Nothing),
        "bitnami" | "chrome-extension" | "otp" | "pub" => (Prohibited, Fold::Name),
        "oci" | "pypi" => (Prohibited, Fold::NameAndVersion),
        "git" | "maven" | "swift" => (Required, Fold::Nothing),
        "huggingface" => (Required, Fold::Version),
        "qpkg" | "rpm" => (Required, Fold::Namespace),
        "vscode-extension" => (Required, Fold::All),
        "yocto" => (Optional, Fold::Namespace),
        _ => (Optional, Fold::Nothing),
    }
}

/// True for the type whose namespace is one segment and whose name is all that follows: `git` (host, then the path of
/// the repository).
pub(super) fn name_starts_early(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("git")
}

/// Normalises the parts and checks them.
pub(super) fn apply(purl: &mut Purl) -> Result<(), PurlError> {
    let (presence, fold) = rules(&purl.kind);
    match (&purl.namespace, presence) {
        (None, Presence::Required) => {
            return Err(PurlError::NoNamespace { kind: purl.kind.clone(), name: super::shortened(&purl.name) });
        }
        (Some(namespace), Presence::Prohibited) => {
            return Err(PurlError::Namespace { kind: purl.kind.clone(), namespace: super::shortened(namespace) });
        }
        _ => {}
    }
    if matches!(fold, Fold::Namespace | Fold::Both | Fold::All) {
        purl.namespace = purl.namespace.take().map(|namespace| namespace.to_lowercase());
    }
    if matches!(fold, Fold::Name | Fold::Both | Fold::NameAndVersion | Fold::All) {
        purl.name = purl.name.to_lowercase();
    }
    if matches!(fold, Fold::Version | Fold::NameAndVersion | Fold::All) {
        purl.version = purl.version.take().map(|version| version.to_lowercase());
    }
    if purl.version.is_some() && purl.qualifiers.contains_key("vers") {
        return wrong(purl, "a version and a range of versions (`vers`) exclude each other");
    }
    special(purl)
}

fn wrong(purl: &Purl, what: &'static str) -> Result<(), PurlError> {
    Err(PurlError::Rule { kind: purl.kind.clone(), what })
}

/// What a table of presence and case cannot say.
fn special(purl: &mut Purl) -> Result<(), PurlError> {
    match purl.kind.as_str() {
        "pypi" => purl.name = purl.name.replace('_', "-"),
        "hackage" => purl.name = purl.name.replace(['_', ' '], "-"),
        "pub" => {
            let underscored = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '_' };
            purl.name = purl.name.chars().map(underscored).collect();
        }
        "otp" => purl.subpath = purl.subpath.take().map(|subpath| subpath.to_lowercase()),
        "git" => return git(purl),
        "mlflow" => {
            let databricks = purl.qualifiers.get("repository_url").is_some_and(|url| url.contains("databricks"));
            if databricks {
                purl.name = purl.name.to_lowercase();
            }
        }
        "cpan" => {
            if purl.name.contains("::") {
                return wrong(purl, "the name is a distribution's, not a module's with `::`");
            }
            purl.namespace = purl.namespace.take().map(|author| author.to_uppercase());
        }
        "cocoapods" => {
            let bad = |c: char| c.is_whitespace() || c == '+';
            if purl.name.starts_with('.') || purl.name.contains(bad) {
                return wrong(purl, "the name has no white space, no `+` and no `.` at its start");
            }
        }
        "chrome-extension" => {
            if purl.name.len() != 32 || !purl.name.bytes().all(|byte| (b'a'..=b'p').contains(&byte)) {
                return wrong(purl, "the name is 32 letters from a to p");
            }
            let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let fine = |version: &String| version.split('.').count() <= 4 && version.split('.').all(number);
            if !purl.version.as_ref().is_none_or(fine) {
                return wrong(purl, "the version is one to four numbers");
            }
        }
        "julia" if !purl.qualifiers.contains_key("uuid") => {
            return wrong(purl, "the qualifier `uuid` is missing");
        }
        "swid" => return swid(purl),
        _ => {}
    }
    Ok(())
}

/// The host is one segment. A host that has a type of its own (github) brings that type's rules with it, as the
/// specification's tests have it.
fn git(purl: &mut Purl) -> Result<(), PurlError> {
    let Some(host) = &purl.namespace else { return Ok(()) };
    if host.contains('/') {
        return wrong(purl, "the namespace is the host alone");
    }
    if matches!(host.to_ascii_lowercase().as_str(), "github" | "github.com") {
        purl.namespace = Some(host.to_lowercase());
        purl.name = purl.name.to_lowercase();
    }
    let name: Vec<&str> = purl.name.split('/').filter(|segment| !segment.is_empty()).collect();
    purl.name = name.join("/");
    Ok(())
}

fn swid(purl: &mut Purl) -> Result<(), PurlError> {
    if purl.namespace.as_ref().is_some_and(|namespace| namespace.split('/').count() > 2) {
        return wrong(purl, "the namespace has two segments at most");
    }
    match purl.qualifiers.get_mut("tag_id") {
        None => return wrong(purl, "the qualifier `tag_id` is missing"),
        Some(tag) => {
            let groups = tag.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
            if groups && tag.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()) {
                *tag = tag.to_ascii_lowercase();
            }
        }
    }
    Ok(())
}

/// Namespace and name in the form in which two purls of a type are the same package: Python's names know no difference
/// between `-`, `_` and `.` (PEP 503), NuGet's none of case.
pub(super) fn comparable(purl: &Purl) -> (Option<String>, String) {
    let name = match purl.kind.as_str() {
        "pypi" => {
            let parts: Vec<&str> = purl.name.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect();
            parts.join("-")
        }
        "nuget" => purl.name.to_lowercase(),
        _ => purl.name.clone(),
    };
    (purl.namespace.clone(), name)
}
