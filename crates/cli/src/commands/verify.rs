//! `provost verify` and `provost explain`: is this artifact what the policy allows?

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use provost_attest::ResourceDescriptor;
use provost_evidence::{LogFolder, NewRecord, Store};
use provost_model::{Digest, Outcome, RuleState, Timestamp, human_bytes, printable};
use provost_policy::{Facts, POLICY_PAYLOAD};

use crate::commands::Context;
use crate::evidence_file::{EvidenceFile, beside};
use crate::exit::Exit;
use crate::home::Project;
use crate::judge::{self, Anchors, Judgement, Options, TrustedPolicy};
use crate::signing::{self, Role};
use crate::{clock, foreign, gather, render, statements};

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines, versioned.
    Json,
}

/// Arguments of `verify` and `explain`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The artifact: a file, or `sha256:…`.
    #[arg(value_name = "ARTIFACT")]
    pub artifact: String,
    /// The evidence file (default: the one beside the artifact, else the store).
    #[arg(long, value_name = "FILE")]
    pub evidence: Vec<PathBuf>,
    /// The signed policy (default: the project's, else the one in the evidence).
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// A public key that is trusted to sign policies (default: those of `provost trust`).
    #[arg(long, value_name = "FILE")]
    pub policy_key: Vec<PathBuf>,
    /// The id of a key that is trusted to sign policies; the evidence brings the key.
    #[arg(long, value_name = "SHA256")]
    pub trust: Vec<String>,
    /// The log itself, as `provost log export` writes it: for proofs that the evidence file has not.
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,
    /// Go on where nothing proves that the log continues what was seen before.
    #[arg(long)]
    pub accept_unproven_log: bool,
    /// Judge as of this time (RFC 3339) instead of now.
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Only this step of the policy.
    #[arg(long, value_name = "STEP")]
    pub step: Option<String>,
    /// Write a signed verification summary (SLSA VSA) to this file, and log it.
    #[arg(long, value_name = "FILE")]
    pub vsa: Option<PathBuf>,
    /// What the artifact is called in the verification summary, as a URI.
    #[arg(long, value_name = "URI")]
    pub resource_uri: Option<String>,
    /// text or json.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,

    /// A Sigstore bundle made by others, instead of provost's own evidence.
    #[arg(long, value_name = "FILE", help_heading = "Bundles made by others")]
    pub bundle: Option<PathBuf>,
    /// Public key that must have signed the bundle.
    #[arg(long, value_name = "FILE", requires = "bundle", help_heading = "Bundles made by others")]
    pub key: Option<PathBuf>,
    /// Subject alternative name that the bundle's certificate must have.
    #[arg(long, value_name = "NAME", requires = "bundle", help_heading = "Bundles made by others")]
    pub certificate_identity: Option<String>,
    /// OIDC issuer that the bundle's certificate must have.
    #[arg(long, value_name = "URL", requires = "bundle", help_heading = "Bundles made by others")]
    pub certificate_oidc_issuer: Option<String>,
    /// Trusted root (Sigstore JSON) instead of the public-good instance's, which is built in.
    #[arg(long, value_name = "FILE", requires = "bundle", help_heading = "Bundles made by others")]
    pub trusted_root: Option<PathBuf>,
    /// Predicate type that the bundle's statement must have.
    #[arg(long, value_name = "URI", requires = "bundle", help_heading = "Bundles made by others")]
    pub predicate_type: Option<String>,
}

/// An artifact by name and digest.
pub struct Artifact {
    /// As the user gave it.
    pub shown: String,
    /// Its file, when it is one.
    pub path: Option<PathBuf>,
    /// Its digest.
    pub digest: Digest,
    /// Its size, when it is a file.
    pub size: Option<u64>,
}

impl Artifact {
    /// A file, or `sha256:` with 64 digits. What exists as a file is a file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn find(text: &str) -> Result<Self> {
        let path = PathBuf::from(text);
        if let (Some(_), false, Ok(digest)) = (text.strip_prefix("sha256:"), path.exists(), text.parse()) {
            return Ok(Self { shown: text.to_owned(), path: None, digest, size: None });
        }
        let (digest, size) =
            provost_trace::hash_file(&path).with_context(|| format!("cannot read the artifact {text}"))?;
        Ok(Self { shown: text.to_owned(), path: Some(path), digest, size: Some(size) })
    }
}

/// What a verification found.
pub struct Found {
    /// The judgement.
    pub judgement: Judgement,
    /// The policy.
    pub policy: TrustedPolicy,
    /// Where the evidence came from, for people.
    pub from: String,
    /// The project at hand.
    pub project: Project,
    /// The project's store, when there is one.
    pub store: Option<Store>,
}

/// Verifies.
///
/// # Errors
/// It cannot be decided: no evidence at all, no trusted policy, a log that was rolled back.
pub fn run(args: &VerifyArgs, context: &Context, explain: bool) -> Result<Exit> {
    let artifact = Artifact::find(&args.artifact)?;
    if let Some(bundle) = &args.bundle {
        return foreign::verify(args, bundle, &artifact);
    }
    if artifact.size == Some(0) {
        bail!("{} is empty: every empty file has the same digest, so nothing can be said of this one", artifact.shown);
    }
    let now = match &args.at {
        Some(text) => text.parse().with_context(|| format!("--at {text}"))?,
        None => clock::now(),
    };
    let found = find(args, context, &artifact, now)?;
    if let Some(path) = &args.vsa {
        write_summary(args, context, &artifact, &found, path, now)?;
    }
    match args.format {
        Format::Json => anstream::println!("{}", to_json(&artifact, &found)),
        Format::Text => show(&artifact, &found, explain),
    }
    Ok(match found.judgement.verdict.outcome {
        Outcome::Passed => Exit::Pass,
        // Nothing but missing evidence is no refusal of this artifact: there is nothing to decide on.
        Outcome::Failed if found.judgement.statements.is_empty() && found.judgement.refused.is_empty() => {
            Exit::Undecided
        }
        Outcome::Failed => Exit::Denied,
    })
}

/// Gathers the evidence and judges it.
///
/// # Errors
/// As [`run()`].
pub fn find(args: &VerifyArgs, context: &Context, artifact: &Artifact, now: Timestamp) -> Result<Found> {
    let near = artifact.path.as_deref().and_then(Path::parent).filter(|p| !p.as_os_str().is_empty());
    let mut project = Project::find(near.unwrap_or(Path::new(".")))?;
    if project.root.is_none() {
        project = Project::find(Path::new("."))?;
    }
    let file_beside = artifact.path.as_deref().map(beside).filter(|p| p.exists());
    let mut file = EvidenceFile::default();
    let from;
    let mut store = None;
    if !args.evidence.is_empty() {
        for path in &args.evidence {
            merge(&mut file, EvidenceFile::read(path)?);
        }
        from = args.evidence.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
    } else if let Some(path) = file_beside {
        file = EvidenceFile::read(&path)?;
        from = path.display().to_string();
    } else {
        let root = project.store(&context.home);
        let opened = judge::store_if_there(&context.home, &root)?.with_context(|| {
            format!(
                "there is no evidence for {}: neither a file {} nor a store at {}",
                artifact.shown,
                beside(Path::new(&artifact.shown)).display(),
                root.display()
            )
        })?;
        file = gather::for_artifact(&opened, &artifact.digest, true)?;
        from = format!("store {}", root.display());
        store = Some(opened);
    }
    let anchors = Anchors::load(Some(&context.home), &args.policy_key, &args.trust)?;
    let mut policy = find_policy(args, context, &project, &file, &anchors)?;
    let mut told = Vec::new();
    if let Some(newer) = judge::newer_policy(&context.home, &policy, &anchors, &file.policy_keys)? {
        told.push(format!(
            "judged by serial {} of the policy, which is newer than the serial {} at hand",
            newer.policy.serial, policy.policy.serial
        ));
        policy = newer;
    }
    judge::refuse_older_policy(&context.home, &policy)?;
    let mut facts = Facts::of_artifact(artifact.digest, now, policy.signers.clone());
    facts.only_step.clone_from(&args.step);
    let log = match &args.log {
        Some(path) => {
            // An export, or a store itself.
            let folder = [path.clone(), path.join("log")].into_iter().find(|p| p.join("checkpoint").is_file());
            Some(LogFolder::new(
                folder.with_context(|| format!("--log {}: there is no checkpoint in it", path.display()))?,
            ))
        }
        None => store.as_ref().map(|s| s.log().clone()),
    };
    let options =
        Options { home: Some(&context.home), log: log.as_ref(), accept_unproven_log: args.accept_unproven_log };
    let mut judgement = judge::judge(&file, &policy, &facts, &options)?;
    judgement.log.extend(told);
    Ok(Found { judgement, policy, from, project, store })
}

fn merge(into: &mut EvidenceFile, other: EvidenceFile) {
    into.bundles.extend(other.bundles);
    into.envelopes.extend(other.envelopes);
    into.policy_keys.extend(other.policy_keys);
    into.consistency.extend(other.consistency);
    into.file_proofs.extend(other.file_proofs);
    into.file_lists.extend(other.file_lists);
}

fn find_policy(
    args: &VerifyArgs,
    context: &Context,
    project: &Project,
    file: &EvidenceFile,
    anchors: &Anchors,
) -> Result<TrustedPolicy> {
    let read = |path: &Path| judge::read_policy(path, anchors, &file.policy_keys);
    if let Some(path) = &args.policy {
        return read(path);
    }
    let mut problems = Vec::new();
    let mut best: Option<TrustedPolicy> = None;
    // In a project its own policy counts, when it is of the same name and signer as the evidence's: the newer one.
    let own = project.signed_policy(&context.home);
    if project.root.is_some() && own.exists() {
        let same = |policy: &TrustedPolicy| {
            let names: Vec<_> = file
                .all_envelopes()
                .filter_map(|e| judge::trusted_policy(e, anchors, &file.policy_keys).ok())
                .collect();
            names.is_empty() || names.iter().any(|p| p.anchor == policy.anchor && p.policy.name == policy.policy.name)
        };
        match read(&own) {
            Ok(policy) if same(&policy) => best = Some(policy),
            Ok(_) => {}
            Err(error) if args.evidence.is_empty() => return Err(error),
            Err(error) => problems.push(format!("{error:#}")),
        }
    }
    for envelope in file.all_envelopes().filter(|e| e.payload_type() == POLICY_PAYLOAD) {
        match judge::trusted_policy(envelope, anchors, &file.policy_keys) {
            Ok(policy) if best.as_ref().is_none_or(|b| policy.policy.serial > b.policy.serial) => best = Some(policy),
            Ok(_) => {}
            Err(error) => problems.push(format!("{error:#}")),
        }
    }
    match best {
        Some(policy) => Ok(policy),
        None if problems.is_empty() => bail!("the evidence brings no policy: give one with --policy FILE"),
        None => bail!("{}", problems.join("; ")),
    }
}

fn write_summary(
    args: &VerifyArgs,
    context: &Context,
    artifact: &Artifact,
    found: &Found,
    path: &Path,
    now: Timestamp,
) -> Result<()> {
    let signer =
        signing::load(Role::Builder, &context.home, &found.project).context("a verification summary needs a signer")?;
    let name = artifact
        .path
        .as_deref()
        .and_then(Path::file_name)
        .map_or_else(|| artifact.shown.clone(), |n| n.to_string_lossy().into_owned());
    let subjects = [ResourceDescriptor::named(name, artifact.digest)];
    let inputs: Vec<Digest> = found.judgement.statements.iter().map(|s| s.envelope()).collect();
    let resource =
        args.resource_uri.clone().unwrap_or_else(|| format!("urn:provost:artifact:sha256:{}", artifact.digest));
    let statement = statements::summary(
        &found.project.config,
        &found.policy.policy,
        &found.judgement.verdict,
        &subjects,
        &inputs,
        now,
        &resource,
    )?;
    let envelope = match provost_policy::Passed::from_verdict(&found.judgement.verdict) {
        Ok(passed) => passed.sign(&statement, signer.as_ref())?,
        Err(_) => statement.sign(signer.as_ref())?,
    };
    let opened;
    let store = match &found.store {
        Some(store) => Some(store),
        None => {
            opened = judge::store_if_there(&context.home, &found.project.store(&context.home))?;
            opened.as_ref()
        }
    };
    if let Some(store) = store {
        let log_key = signing::load(Role::Log, &context.home, &found.project)?;
        store
            .append(&[NewRecord { envelope: envelope.clone(), key: signer.public_key().clone() }], log_key.as_ref())?;
    }
    std::fs::write(path, format!("{}\n", envelope.to_json()))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn show(artifact: &Artifact, found: &Found, explain: bool) {
    let verdict = &found.judgement.verdict;
    let size = artifact.size.map(|s| format!(" ({})", human_bytes(s))).unwrap_or_default();
    let mut out = format!(
        "{}  {}{}\n",
        render::outcome(verdict.outcome),
        render::bold(&printable(&artifact.shown)),
        render::dim(&size)
    );
    out += &render::line("digest", &format!("sha256:{}", artifact.digest));
    out += &render::line(
        "policy",
        &format!(
            "{} {}",
            printable(&verdict.policy),
            render::dim(&format!(
                "serial {}, signed by {}",
                found.policy.policy.serial,
                found.policy.signers.join(", ")
            ))
        ),
    );
    out += &render::line(
        "evidence",
        &format!(
            "{} {}",
            printable(&found.from),
            render::dim(&format!(
                "({} verified)",
                provost_model::count(found.judgement.statements.len() as u64, "statement", "statements")
            ))
        ),
    );
    for line in &found.judgement.log {
        out += &render::line("log", &printable(line));
    }
    for refused in &found.judgement.refused {
        out += &format!("  {} {}\n", render::error("refused"), printable(refused));
    }
    out.push('\n');
    if explain {
        for rule in &verdict.rules {
            out += &render::rule(rule);
            for digest in &rule.statements {
                let about =
                    found.judgement.statements.iter().find(|s| s.envelope() == *digest).map_or_else(String::new, |s| {
                        let kind = provost_attest::predicate::short_name(&s.value().predicate_type);
                        let entry = s.logged().map(|l| format!(", log entry {}", l.index)).unwrap_or_default();
                        format!("{kind}{entry}")
                    });
                out += &format!("      {}\n", render::dim(&format!("{}… {about}", digest.short())));
            }
            if !rule.requirements.is_empty() {
                out += &format!("      {}\n", render::dim(&format!("SP 800-204D: {}", rule.requirements.join(", "))));
            }
        }
        let undecided = verdict.rules.iter().filter(|r| r.state == RuleState::NoEvidence).count();
        if undecided > 0 {
            out += &format!(
                "\n  {} {} without evidence: that is never a pass\n",
                render::warning("note"),
                provost_model::count(undecided as u64, "rule", "rules")
            );
        }
    } else {
        out += &render::verdict(verdict, false);
    }
    anstream::print!("{out}");
}

fn to_json(artifact: &Artifact, found: &Found) -> serde_json::Value {
    serde_json::json!({
        "version": 1,
        "kind": "verdict",
        "artifact": {"name": artifact.shown, "sha256": artifact.digest, "size": artifact.size},
        "evidence": found.from,
        "log": found.judgement.log,
        "refused": found.judgement.refused,
        "statements": found.judgement.statements.iter().map(|s| serde_json::json!({
            "envelope": s.envelope(),
            "predicateType": s.value().predicate_type,
            "signers": s.signers().keys().map(ToString::to_string).collect::<Vec<_>>(),
            "logIndex": s.logged().map(|l| l.index),
        })).collect::<Vec<_>>(),
        "verdict": found.judgement.verdict,
    })
}
