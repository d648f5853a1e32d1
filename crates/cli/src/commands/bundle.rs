//! `provost bundle`: everything that a consumer needs for an artifact, in one file.

use std::path::{Path, PathBuf};

use crate::commands::verify::Artifact;
use crate::commands::{Context, policy_keys};
use crate::evidence_file::beside;
use crate::exit::Exit;
use crate::gather;
use crate::home::Project;
use crate::judge::{self, Anchors};
use anyhow::{Context as _, Result, bail};
use clap::Args;

/// Arguments of `bundle`.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// The artifact: a file, or `sha256:…`.
    artifact: String,
    /// Where to write it (default: beside the artifact); `-` for standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// With the file lists themselves, which a policy with an artifact flow over long lists needs.
    #[arg(long)]
    with_lists: bool,
}

/// Writes it.
///
/// # Errors
/// There is no evidence, or it cannot be written.
pub fn run(args: &BundleArgs, context: &Context) -> Result<Exit> {
    let artifact = Artifact::find(&args.artifact)?;
    let project = Project::find(Path::new("."))?;
    let store = judge::open_store(&context.home, &project.store(&context.home))?;
    let mut file = gather::for_artifact(&store, &artifact.digest, args.with_lists)?;
    if file.bundles.iter().all(|b| b.envelope().payload_type() == provost_policy::POLICY_PAYLOAD) {
        bail!("the store has no evidence for {} (sha256:{})", artifact.shown, artifact.digest);
    }
    let anchors = Anchors::load(Some(&context.home), &[], &[])?;
    let policies = file.all_envelopes().filter(|e| e.payload_type() == provost_policy::POLICY_PAYLOAD);
    let policy = policies.filter_map(|envelope| judge::trusted_policy(envelope, &anchors, &[]).ok()).next();
    if let Some(policy) = policy {
        file.policy_keys = policy_keys(&context.home, &policy)?;
    }
    let output = match (&args.output, &artifact.path) {
        (Some(path), _) => path.clone(),
        (None, Some(path)) => beside(path),
        (None, None) => bail!("say where to write it with --output"),
    };
    if output.as_os_str() == "-" {
        anstream::print!("{}", file.to_text());
    } else {
        std::fs::write(&output, file.to_text()).with_context(|| format!("cannot write {}", output.display()))?;
        anstream::eprintln!("wrote {}", output.display());
    }
    if let Some(key) = file.policy_keys.first() {
        anstream::eprintln!("consumers trust it by the id of your policy key: sha256:{}", key.id());
    }
    Ok(Exit::Pass)
}
