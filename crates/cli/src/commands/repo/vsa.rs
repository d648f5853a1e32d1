//! Verification summaries for revisions (SLSA v1.2, source track): what the reference log supports, and no more.

use std::path::Path;

use anyhow::{Context as _, Result};
use provost_attest::predicate::{self, PolicyReference, VerificationSummary, Verifier};
use provost_attest::{ResourceDescriptor, Statement};
use provost_model::{Outcome, sha256};
use provost_repo::View;

use crate::clock;
use crate::commands::Context;
use crate::home::Project;
use crate::judge::TrustedPolicy;
use crate::signing::{self, Role};

/// Writes a signed summary for each ref whose revision has a level.
///
/// # Errors
/// The key cannot be used, or a file not written.
pub(crate) fn write(
    context: &Context,
    directory: &Path,
    policy: &TrustedPolicy,
    view: &View,
    levels: &[(String, String, String)],
) -> Result<()> {
    let project = Project::find(Path::new("."))?;
    let signer = signing::load(Role::Builder, &context.home, &project)?;
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let Some(repository) = &policy.policy.access.repository else { return Ok(()) };
    for (reference, id, level) in levels {
        let commit = view.peel(id)?;
        let mut subject = ResourceDescriptor::named(reference.clone(), sha256(&view.commit(&commit)?.bytes));
        subject.uri = Some(format!("{}@{commit}", repository.uri));
        subject.digest.insert("gitCommit".into(), commit.clone());
        subject.annotations.insert("sourceRefs".into(), serde_json::json!([reference]));
        let predicate = VerificationSummary {
            verifier: Verifier {
                id: project.config.verifier_id.clone(),
                version: std::collections::BTreeMap::from([("provost".into(), env!("CARGO_PKG_VERSION").into())]),
            },
            time_verified: Some(clock::now()),
            resource_uri: repository.uri.clone(),
            policy: PolicyReference {
                uri: format!("urn:provost:policy:{}", policy.policy.digest),
                digest: policy.policy.digest.to_set(),
            },
            input_attestations: Vec::new(),
            verification_result: Outcome::Passed,
            verified_levels: vec![level.clone()],
            slsa_version: Some("1.2".into()),
        };
        let statement = Statement::new(vec![subject], predicate::VSA, &predicate)?;
        let envelope = statement.sign(signer.as_ref())?;
        let name = reference.replace('/', "_");
        let path = directory.join(format!("{name}.{}.vsa.dsse.json", commit.get(..12).unwrap_or(&commit)));
        std::fs::write(&path, format!("{}\n", envelope.to_json()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
