//! What refers to a manifest (distribution-spec 1.1.1, listing referrers).

use std::collections::BTreeSet;

use provost_formats::oci::{self, Descriptor, Document as Parsed, media};
use provost_model::{Digest, printable};

use super::{Document, Limits, Place};
use crate::address::{Address, encoded};
use crate::error::Error;

/// A manifest that refers to another, as a registry lists it: what it says counts once it was [fetched].
///
/// [fetched]: super::Repository::referrer
pub type Referrer = Descriptor;

/// What refers to a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Referrers {
    /// The manifests, each once, in the registry's order.
    pub found: Vec<Referrer>,
    /// The registry does not know referrers: this is what the tag `sha256-…` lists.
    pub by_tag: bool,
    /// Why the list may not be whole: a limit, or something that is not what it should be.
    pub gaps: Vec<String>,
}

/// Bytes of one page: as of any index.
const PAGE: usize = 4 << 20;

pub(super) fn list(
    place: &Place,
    subject: &Digest,
    artifact_type: Option<&str>,
    limits: &Limits,
) -> Result<Referrers, Error> {
    let mut referrers = Referrers::default();
    let mut seen = BTreeSet::new();
    let query = artifact_type.map(|wanted| format!("artifactType={}", encoded(wanted)));
    let path = place.path(&format!("referrers/sha256:{subject}"));
    let mut next = Some(place.root.with_path(&path, query.as_deref()));
    let mut asked: Vec<Address> = Vec::new();
    while let Some(address) = next.take() {
        if asked.len() == limits.pages {
            referrers.gaps.push(format!("the list of referrers has more than {} pages", limits.pages));
            break;
        }
        let answer = place.ask_at(&address, media::INDEX, PAGE as u64)?;
        let is_first = asked.is_empty();
        let media_type = answer.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        let is_index = (200..300).contains(&answer.status) && media_type == media::INDEX;
        if is_first && (answer.status == 404 || (answer.status == 200 && !is_index)) {
            // It does not know referrers; some answer with a page for people.
            return by_tag(place, subject, artifact_type, limits);
        }
        let broken = |why: String| Error::Protocol { url: address.to_string(), why };
        let answer = answer.success()?;
        if !is_index {
            return Err(broken("a page of the list of referrers is no index".to_owned()));
        }
        let link = answer.headers("link").find_map(next_link).map(str::to_owned);
        let bytes = answer.bytes()?;
        let oci_limits = oci::Limits { manifest: PAGE, manifests: limits.referrers, ..oci::Limits::default() };
        let Parsed::Index(index) =
            oci::document(&bytes, Some(&media_type), &oci_limits).map_err(|error| broken(error.to_string()))?
        else {
            return Err(broken("a page of the list of referrers is no index".to_owned()));
        };
        for descriptor in index.manifests {
            add(&mut referrers, &mut seen, descriptor, artifact_type, false, limits);
        }
        if let Some(link) = link {
            let following = address.join(&link)?;
            if !following.is_same_origin(&place.root) || following.path() != path {
                return Err(broken("the next page of the list of referrers lies elsewhere".to_owned()));
            }
            if following == address || asked.contains(&following) {
                return Err(broken("the list of referrers leads back to a page that was read".to_owned()));
            }
            next = Some(following);
        }
        asked.push(address);
    }
    Ok(referrers)
}

/// The tag that clients keep where registries do not know referrers (distribution-spec, referrers tag schema).
fn by_tag(place: &Place, subject: &Digest, artifact_type: Option<&str>, limits: &Limits) -> Result<Referrers, Error> {
    let mut referrers = Referrers { by_tag: true, ..Referrers::default() };
    let mut seen = BTreeSet::new();
    let document = match place.manifest(&format!("sha256-{subject}"), media::INDEX, PAGE) {
        Ok(document) => document,
        Err(Error::NotFound { .. }) => return Ok(referrers),
        Err(error) => return Err(error),
    };
    let oci_limits = oci::Limits { manifest: PAGE, manifests: limits.referrers, ..oci::Limits::default() };
    match oci::document(&document.bytes, document.media_type.as_deref(), &oci_limits) {
        // Some registries answer with the subject itself.
        Ok(Parsed::Manifest(_)) => {
            referrers.gaps.push("the tag of the referrers is a manifest and no index".to_owned())
        }
        Err(error) => referrers.gaps.push(format!("the tag of the referrers: {}", printable(&error.to_string()))),
        Ok(Parsed::Index(index)) => {
            for descriptor in index.manifests {
                add(&mut referrers, &mut seen, descriptor, artifact_type, true, limits);
            }
        }
    }
    Ok(referrers)
}

/// The registry may have left out others, or not: they are left out here. Tools that keep the tag may leave the type out.
fn add(
    referrers: &mut Referrers,
    seen: &mut BTreeSet<Digest>,
    descriptor: Descriptor,
    artifact_type: Option<&str>,
    by_tag: bool,
    limits: &Limits,
) {
    let fits = match (artifact_type, descriptor.artifact_type.as_deref()) {
        (None, _) => true,
        (Some(wanted), Some(said)) => wanted == said,
        (Some(_), None) => by_tag,
    };
    if !fits || !seen.insert(descriptor.digest) {
        return;
    }
    if referrers.found.len() < limits.referrers {
        referrers.found.push(descriptor);
    } else if referrers.gaps.is_empty() {
        referrers.gaps.push(format!("there are more than {} referrers", limits.referrers));
    }
}

/// The target of `rel="next"` in a `Link` header (RFC 8288).
fn next_link(value: &str) -> Option<&str> {
    value.split(',').find_map(|link| {
        let (target, params) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = params.split(';').any(|param| {
            let (name, value) = param.split_once('=').unwrap_or((param, ""));
            name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
        });
        is_next.then_some(target)
    })
}

pub(super) fn fetch(place: &Place, referrer: &Referrer, subject: &Digest) -> Result<Document, Error> {
    let wanted = format!("sha256:{}", referrer.digest);
    let document = place.manifest(&wanted, media::ACCEPT, PAGE)?;
    let url = format!("{place}@{wanted}");
    let parsed = oci::document(&document.bytes, document.media_type.as_deref(), &oci::Limits::default());
    let about = match parsed.map_err(|error| Error::Protocol { url: url.clone(), why: error.to_string() })? {
        Parsed::Manifest(manifest) => manifest.subject,
        Parsed::Index(index) => index.subject,
    };
    match about {
        Some(about) if about.digest == *subject => Ok(document),
        _ => Err(Error::Protocol {
            url,
            why: format!("it is listed as a referrer of sha256:{subject}, and is not about it"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_next_page() {
        assert_eq!(next_link(r#"</v2/a/referrers/x?n=2>; rel="next""#), Some("/v2/a/referrers/x?n=2"));
        assert_eq!(next_link(r#"<a>; rel=prev, <b>; title="t"; REL=Next"#), Some("b"));
        assert_eq!(next_link("<a>; rel=last"), None);
        assert_eq!(next_link("a; rel=next"), None);
    }
}
