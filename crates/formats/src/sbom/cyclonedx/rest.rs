//! Vulnerabilities, and what is checked but not taken over: services, pedigrees, attachments, citations.

use serde_json::Value;

use super::super::SbomError;
use super::super::bom::{Affected, Analysis, Rating, Vulnerability};
use super::super::object::{At, Object};
use super::read::{Reader, properties};
use super::{JUSTIFICATIONS, METHODS, RESPONSES, SEVERITIES, STATES, members};

pub(super) fn vulnerability(reader: &mut Reader, object: Object<'_>) -> Result<(), SbomError> {
    reader.only(object, members::VULNERABILITY)?;
    let mut found = Vulnerability {
        reference: object.owned("bom-ref")?,
        id: object.owned("id")?.unwrap_or_default(),
        source: object.inner("source", &mut |source| source.owned("name"))?.flatten(),
        description: object.owned("description")?,
        recommendation: object.owned("recommendation")?,
        ..Vulnerability::default()
    };
    object.each("references", &mut |other| {
        found.aliases.push(other.needed("id")?.to_owned());
        other.inner("source", &mut |_| Ok(()))?;
        Ok(())
    })?;
    object.each("ratings", &mut |rating| {
        found.ratings.push(Rating {
            severity: rating.one_of("severity", SEVERITIES)?.map(str::to_owned),
            score: rating.map.get("score").and_then(Value::as_f64),
            method: rating.one_of("method", METHODS)?.map(str::to_owned),
            vector: rating.owned("vector")?,
        });
        Ok(())
    })?;
    for (index, value) in object.list("cwes")?.iter().enumerate() {
        match value.as_u64() {
            Some(number) => found.weaknesses.push(number),
            None => return At::Index(&At::Name(object.at, "cwes"), index).wrong("a number belongs here"),
        }
    }
    for time in ["created", "published", "updated", "rejected"] {
        object.time(time)?;
    }
    found.analysis = object.inner("analysis", &mut |analysis| {
        reader.only(analysis, members::ANALYSIS)?;
        let mut responses = Vec::new();
        for response in analysis.texts("response")? {
            if !RESPONSES.contains(&response) {
                return analysis.wrong("response", format!("a response is none of {}", RESPONSES.join(", ")));
            }
            responses.push(response.to_owned());
        }
        Ok(Analysis {
            state: analysis.one_of("state", STATES)?.map(str::to_owned),
            justification: analysis.one_of("justification", JUSTIFICATIONS)?.map(str::to_owned),
            responses,
            detail: analysis.owned("detail")?,
            first_issued: analysis.time("firstIssued")?,
            last_updated: analysis.time("lastUpdated")?,
        })
    })?;
    object.each("affects", &mut |affected| {
        reader.only(affected, &["ref", "versions"])?;
        let reference = affected.needed("ref")?.to_owned();
        let mut versions = Vec::new();
        affected.each("versions", &mut |version| {
            let which = match (version.text("version")?, version.text("range")?) {
                (Some(one), None) | (None, Some(one)) => one.to_owned(),
                _ => return version.at.wrong("either a version or a range belongs here"),
            };
            let status = version.one_of("status", &["affected", "unaffected", "unknown"])?;
            versions.push((which, status.unwrap_or("affected").to_owned()));
            Ok(())
        })?;
        found.affects.push(Affected { reference, versions });
        Ok(())
    })?;
    properties(object)?;
    reader.bom.vulnerabilities.push(found);
    Ok(())
}

/// A service is no package; what it says of data is checked.
pub(super) fn service(object: Object<'_>) -> Result<(), SbomError> {
    object.needed("name")?;
    object.each("data", &mut |data| {
        if data.has("flow") || data.has("classification") {
            data.needed("classification")?;
            data.one_of("flow", &["inbound", "outbound", "bi-directional", "unknown"])?;
        }
        Ok(())
    })?;
    properties(object)?;
    object.each("services", &mut service)
}

/// 1.7: who said what when; pointers or expressions, and by whom or in which process.
pub(super) fn citation(object: Object<'_>) -> Result<(), SbomError> {
    if object.time("timestamp")?.is_none() {
        return object.wrong("timestamp", "it is missing");
    }
    if object.has("pointers") == object.has("expressions") {
        return object.at.wrong("either pointers or expressions belong here");
    }
    if !object.has("attributedTo") && !object.has("process") {
        return object.at.wrong("one of attributedTo and process belongs here");
    }
    Ok(())
}

/// What an attached text may be encoded as.
pub(super) fn attachment(object: Object<'_>) -> Result<(), SbomError> {
    object.inner("text", &mut |text| text.one_of("encoding", &["base64"]).map(|_| ()))?;
    Ok(())
}

/// The parts of a component that are not taken over.
pub(super) fn unread(reader: &Reader, object: Object<'_>) -> Result<(), SbomError> {
    object.inner("swid", &mut |swid| {
        swid.needed("tagId")?;
        swid.needed("name")?;
        attachment(swid)
    })?;
    object.inner("pedigree", &mut |pedigree| {
        pedigree.each("patches", &mut |patch| {
            patch.needed("type")?;
            patch.one_of("type", &["unofficial", "monkey", "backport", "cherry-pick"])?;
            patch.inner("diff", &mut |diff| attachment(diff))?;
            patch.each("resolves", &mut |issue| {
                issue.needed("type")?;
                issue.one_of("type", &["defect", "enhancement", "security"])?;
                Ok(())
            })
        })?;
        for list in ["ancestors", "descendants", "variants"] {
            pedigree.each(list, &mut |other| {
                other.needed("type")?;
                other.needed("name")?;
                reader.licences(other)?;
                Ok(())
            })?;
        }
        Ok(())
    })?;
    Ok(())
}
