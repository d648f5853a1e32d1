//! Which statement holds for a package of a product.

use provost_model::Purl;

use super::{Identity, VexStatement};

/// True when a statement is about a vulnerability of a package within a product.
///
/// - The vulnerability is one of `names` by its name or an alias, in any case.
/// - Either one of the statement's products is the product and, where it names parts, one of the parts is the package;
///   or one of its products is the package itself and it names no parts: a statement about a package holds wherever that
///   is used, one about a product's part holds only in that product.
///
/// Package URLs are compared as patterns: what the statement's leaves out (version, qualifiers) any may have
/// ([`Purl::matches`]). A product that is known by other identifiers alone matches no package URL.
pub fn applies(statement: &VexStatement, package: &Purl, product: &Purl, names: &[&str]) -> bool {
    let vulnerability = &statement.vulnerability;
    let named = vulnerability.aliases.iter().chain([&vulnerability.name]);
    let meant = |name: &String| names.iter().any(|one| one.eq_ignore_ascii_case(name));
    if !named.into_iter().any(meant) {
        return false;
    }
    let is = |identity: &Identity, purl: &Purl| identity.purls().any(|pattern| pattern.matches(purl));
    statement.products.iter().any(|one| match one.subcomponents.as_slice() {
        [] => is(&one.identity, product) || is(&one.identity, package),
        parts => is(&one.identity, product) && parts.iter().any(|part| is(part, package)),
    })
}

/// The statement that holds: of those that [apply](applies) the latest, of several of one time the one with the highest
/// version, and of those the one that promises least (affected, then under investigation, then fixed, then not affected).
///
/// Whose statements count is the caller's to say: give it only those of authors that are trusted for the product.
pub fn effective<'a>(
    statements: impl IntoIterator<Item = &'a VexStatement>,
    package: &Purl,
    product: &Purl,
    names: &[&str],
) -> Option<&'a VexStatement> {
    let about = statements.into_iter().filter(|statement| applies(statement, package, product, names));
    about.max_by_key(|statement| (statement.timestamp, statement.version, statement.status))
}

#[cfg(test)]
mod tests {
    use provost_model::Timestamp;

    use super::*;
    use crate::vex::{Justification, Product, Status};

    fn purl(text: &str) -> Purl {
        text.parse().expect("a purl")
    }

    fn statement(product: &str, parts: &[&str], status: Status, seconds: i64) -> VexStatement {
        let part = |text: &&str| Identity { id: Some((*text).to_owned()), ..Identity::default() };
        let product = Product { identity: part(&product), subcomponents: parts.iter().map(part).collect() };
        let mut statement = VexStatement::new("CVE-1", product, status, Timestamp::from_seconds(seconds));
        statement.vulnerability.aliases = vec!["GHSA-x".into()];
        statement
    }

    #[test]
    fn products_and_parts() {
        let app = purl("pkg:oci/app@sha256:ab?repository_url=ghcr.io%2Fa%2Fapp");
        let library = purl("pkg:apk/alpine/libssl@3.0.8-r3?arch=x86_64");
        let holds = |product: &str, parts: &[&str]| {
            applies(&statement(product, parts, Status::Fixed, 0), &library, &app, &["CVE-2", "ghsa-X"])
        };
        assert!(holds("pkg:oci/app", &[]));
        assert!(holds("pkg:oci/app", &["pkg:apk/alpine/libssl"]));
        assert!(holds("pkg:oci/app@sha256:ab", &["https://example.org/x", "pkg:apk/alpine/libssl@3.0.8-r3"]));
        assert!(holds("pkg:apk/alpine/libssl@3.0.8-r3?arch=x86_64", &[]));
        assert!(!holds("pkg:oci/app", &["pkg:apk/alpine/libcrypto"]));
        // A part that cannot be told is not the same as no part.
        assert!(!holds("pkg:oci/app", &["https://example.org/x"]));
        assert!(!holds("pkg:oci/other", &["pkg:apk/alpine/libssl"]));
        assert!(!holds("pkg:apk/alpine/libssl@3.0.9-r0", &[]));
        assert!(!holds("pkg:apk/alpine/libssl?arch=aarch64", &[]));
        assert!(!holds("pkg:apk/alpine/libssl", &["pkg:apk/alpine/other"]));
        assert!(!holds("https://example.org/app", &[]));
        // A version that is not known is no version that the statement names.
        let bare = purl("pkg:apk/alpine/libssl");
        assert!(!applies(&statement("pkg:apk/alpine/libssl@1", &[], Status::Fixed, 0), &bare, &bare, &["CVE-1"]));
        assert!(!applies(&statement("pkg:oci/app", &[], Status::Fixed, 0), &library, &app, &["CVE-2"]));
    }

    #[test]
    fn versions_of_go_modules_with_and_without_v_are_one() {
        let holds = |said: &str, package: &str| {
            let package = purl(package);
            applies(&statement(said, &[], Status::Fixed, 0), &package, &package, &["CVE-1"])
        };
        assert!(holds("pkg:golang/example.org/m@v1.0.0", "pkg:golang/example.org/m@1.0.0"));
        assert!(holds("pkg:golang/example.org/m@1.0.0", "pkg:golang/example.org/m@v1.0.0"));
        assert!(!holds("pkg:golang/example.org/m@v1.0.0", "pkg:golang/example.org/m@1.0.1"));
        assert!(!holds("pkg:golang/example.org/m@version", "pkg:golang/example.org/m@ersion"));
        assert!(!holds("pkg:npm/m@v1.0.0", "pkg:npm/m@1.0.0"));
    }

    #[test]
    fn the_latest_holds() {
        let (app, library) = (purl("pkg:oci/app"), purl("pkg:apk/alpine/libssl@1"));
        let status = |statements: &[VexStatement]| {
            effective(statements, &library, &app, &["CVE-1"]).map(|statement| statement.status)
        };
        let at = |status, seconds| statement("pkg:oci/app", &[], status, seconds);
        assert_eq!(status(&[]), None);
        assert_eq!(status(&[at(Status::Affected, 1), at(Status::Fixed, 2)]), Some(Status::Fixed));
        assert_eq!(status(&[at(Status::Fixed, 2), at(Status::Affected, 1)]), Some(Status::Fixed));
        assert_eq!(status(&[at(Status::Fixed, 1), at(Status::Affected, 2)]), Some(Status::Affected));
        // At the same time the one that promises less.
        assert_eq!(status(&[at(Status::Affected, 1), at(Status::NotAffected, 1)]), Some(Status::Affected));
        let mut newer = at(Status::NotAffected, 1);
        newer.version = 2;
        newer.justification = Some(Justification::CodeNotPresent);
        assert_eq!(status(&[newer, at(Status::Affected, 1)]), Some(Status::NotAffected));
    }
}
