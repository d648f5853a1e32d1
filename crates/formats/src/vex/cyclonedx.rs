//! Statements out of a CycloneDX document: its vulnerabilities with an analysis.

use super::{Identity, Justification, Product, Status, VexStatement, VexVulnerability};
use crate::sbom::{Affected, Analysis, Bom, Component, Vulnerability};

/// The statements of a document, and what is no statement and why.
///
/// A vulnerability's analysis is about a component within the document's subject: the product is the subject, the
/// component its part. It holds for no other product. The words of both formats do not meet exactly; what is lost is kept
/// in the impact statement.
pub fn from_bom(bom: &Bom) -> (Vec<VexStatement>, Vec<String>) {
    let (mut statements, mut problems) = (Vec::new(), Vec::new());
    for vulnerability in &bom.vulnerabilities {
        let Some(analysis) = &vulnerability.analysis else { continue };
        if analysis.state.is_none() {
            continue;
        }
        match statement(bom, vulnerability, analysis) {
            Ok(statement) => statements.push(statement),
            Err(what) => problems.push(format!("{}: {what}", vulnerability.id)),
        }
    }
    (statements, problems)
}

fn statement(bom: &Bom, vulnerability: &Vulnerability, analysis: &Analysis) -> Result<VexStatement, String> {
    let time = analysis.last_updated.or(analysis.first_issued).or(bom.timestamp);
    let timestamp = time.ok_or("a statement without a time says nothing")?;
    let state = analysis.state.as_deref().unwrap_or_default();
    let status = match state {
        "resolved" | "resolved_with_pedigree" => Status::Fixed,
        "exploitable" => Status::Affected,
        "in_triage" => Status::UnderInvestigation,
        "false_positive" | "not_affected" => Status::NotAffected,
        _ => return Err("its state is not known".into()),
    };
    let mut products = Vec::new();
    for affected in &vulnerability.affects {
        products.push(product(bom, affected)?);
    }
    if products.is_empty() {
        return Err("it names no component that it affects".into());
    }
    let mut impact = analysis.detail.clone();
    let mut justification = None;
    if status == Status::NotAffected {
        justification = analysis.justification.as_deref().and_then(meaning);
        let reason = match (state, analysis.justification.as_deref()) {
            ("false_positive", None) => Some("false positive".to_owned()),
            (_, Some(label)) => Some(label.replace('_', " ")),
            (_, None) => None,
        };
        impact = match (reason, impact) {
            (Some(reason), Some(detail)) => Some(format!("{reason}: {detail}")),
            (reason, detail) => reason.or(detail),
        };
    }
    let words = analysis.responses.iter().map(|response| response.replace('_', " "));
    let mut action: Vec<String> = words.chain(vulnerability.recommendation.clone()).collect();
    if action.is_empty() {
        action.push("no action is stated".into());
    }
    let statement = VexStatement {
        vulnerability: VexVulnerability {
            id: None,
            name: vulnerability.id.clone(),
            description: vulnerability.description.clone(),
            aliases: vulnerability.aliases.clone(),
        },
        products,
        status,
        justification,
        impact,
        action: (status == Status::Affected).then(|| action.join("; ")),
        ..VexStatement::new("", Product::default(), status, timestamp)
    };
    statement.check().map_err(|error| error.to_string())?;
    Ok(statement)
}

/// OpenVEX has five justifications, CycloneDX nine: each means the one that promises no more.
fn meaning(label: &str) -> Option<Justification> {
    Some(match label {
        "code_not_present" => Justification::CodeNotPresent,
        "code_not_reachable" => Justification::CodeNotInExecutePath,
        "requires_dependency" => Justification::ComponentNotPresent,
        "requires_configuration" | "requires_environment" => Justification::CodeNotControllable,
        "protected_by_compiler"
        | "protected_at_runtime"
        | "protected_at_perimeter"
        | "protected_by_mitigating_control" => Justification::InlineMitigations,
        _ => return None,
    })
}

fn subject(bom: &Bom) -> Result<Identity, String> {
    let subject = bom.subject.as_ref().ok_or("the document has no subject that it is about")?;
    identity(subject).ok_or_else(|| "the document's subject has no package URL: nothing can be told to be it".into())
}

fn identity(component: &Component) -> Option<Identity> {
    let purl = component.purl.as_ref()?;
    Some(Identity { hashes: component.package.hashes.clone(), ..Identity::of_purl(purl) })
}

fn product(bom: &Bom, affected: &Affected) -> Result<Product, String> {
    let component = bom.component(&affected.reference).ok_or("it affects a component of another document")?;
    let version = component.package.version.as_deref().unwrap_or_default();
    let named = affected.versions.iter().any(|(which, status)| which == version && status == "affected");
    if !affected.versions.is_empty() && !named {
        return Err("it is about versions that the component here does not have, or about a range".into());
    }
    let subject = subject(bom)?;
    let part = identity(component).ok_or("a component that it affects has no package URL")?;
    let own = bom.subject.as_ref().is_some_and(|subject| subject.reference == component.reference);
    Ok(Product { identity: subject, subcomponents: if own { Vec::new() } else { vec![part] } })
}
