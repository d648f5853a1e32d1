//! `provost policy`: check, test and sign a policy.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use provost_attest::Envelope;
use provost_keys::{PrivateKey, Signer as _};
use provost_model::printable;
use provost_policy::{Delegated, Facts, POLICY_PAYLOAD, Policy, PolicyError, judge_example};

use crate::commands::Context;
use crate::commands::verify::Artifact;
use crate::evidence_file::EvidenceFile;
use crate::exit::Exit;
use crate::gate::policy::DELEGATED_PAYLOAD;
use crate::home::Project;
use crate::judge::{self, Options, TrustedPolicy};
use crate::signing::{self, Role};
use crate::{clock, render, setup};

/// Arguments of `policy`.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

/// What to do with a policy.
#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Read a policy and explain what is wrong with it.
    Check {
        /// The policy's text (default: the project's).
        file: Option<PathBuf>,
    },
    /// Run a policy's own examples.
    Test {
        /// The policy's text (default: the project's).
        file: Option<PathBuf>,
    },
    /// Sign a policy's text with the policy key, and log it.
    Sign {
        /// The policy's text (default: the project's).
        file: Option<PathBuf>,
        /// Where to write the envelope (default: beside the text).
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The private key (default: the project's policy key).
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Add a signature to the envelope that is there, for a policy that needs several.
        #[arg(long)]
        add: bool,
        /// The text holds rules of a delegation of this signed policy.
        #[arg(long, value_name = "POLICY")]
        delegated: Option<PathBuf>,
    },
}

/// Does it.
///
/// # Errors
/// A file cannot be read or written.
pub fn run(args: &PolicyArgs, context: &Context) -> Result<Exit> {
    let project = Project::find(Path::new("."))?;
    let source = |file: &Option<PathBuf>| file.clone().unwrap_or_else(|| project.policy_source(&context.home));
    match &args.command {
        PolicyCommand::Check { file } => Ok(check(&source(file))?.1),
        PolicyCommand::Test { file } => test(&source(file)),
        PolicyCommand::Sign { file, output, key, add, delegated } => {
            let source = source(file);
            if let Some(parent) = delegated {
                let name = check_delegated(&source, parent)?;
                let output = output.clone().unwrap_or_else(|| source.with_file_name(format!("{name}.dsse.json")));
                return sign_by(&source, &output, key.as_deref(), *add, DELEGATED_PAYLOAD);
            }
            let (Some(_), Exit::Pass) = check(&source)? else { return Ok(Exit::Denied) };
            let output = output.clone().unwrap_or_else(|| source.with_file_name("policy.dsse.json"));
            if *add {
                return sign_by(&source, &output, key.as_deref(), true, POLICY_PAYLOAD);
            }
            let own;
            let signer = match key {
                Some(path) => {
                    let text = crate::input::read_text(path)?;
                    own =
                        provost_keys::PrivateKey::from_pem(&text, None).with_context(|| path.display().to_string())?;
                    Box::new(own)
                }
                None => signing::load(Role::Policy, &context.home, &project)?,
            };
            let store = judge::store_if_there(&context.home, &project.store(&context.home))?;
            let log_key = store.as_ref().map(|_| signing::load(Role::Log, &context.home, &project)).transpose()?;
            let log = store.as_ref().zip(log_key.as_ref()).map(|(s, k)| (s, k.as_ref() as &dyn provost_keys::Signer));
            let policy = setup::sign_policy(&source, &output, signer.as_ref(), log)?;
            anstream::eprintln!(
                "signed {} serial {} as {}",
                render::bold(&printable(&policy.name)),
                policy.serial,
                output.display()
            );
            Ok(Exit::Pass)
        }
    }
}

/// Checks delegated rules against the policy that they belong to; gives the delegation's name.
fn check_delegated(source: &Path, parent: &Path) -> Result<String> {
    let envelope = Envelope::parse(&crate::input::read(parent, crate::input::SMALL)?);
    let text = match envelope {
        Ok(envelope) => String::from_utf8(envelope.unverified_payload().to_vec()).context("the policy is not UTF-8")?,
        Err(_) => crate::input::read_text(parent)?,
    };
    let policy = Policy::parse(&text).with_context(|| parent.display().to_string())?;
    let rules = Delegated::parse(&crate::input::read_text(source)?, &policy.access);
    Ok(rules.with_context(|| source.display().to_string())?.name)
}

/// Signs a text with one key, or adds that signature to an envelope of the very same text.
fn sign_by(source: &Path, output: &Path, key: Option<&Path>, add: bool, payload: &str) -> Result<Exit> {
    let Some(path) = key else { bail!("say with which key: `--key FILE`") };
    let key =
        PrivateKey::from_pem(&crate::input::read_text(path)?, None).with_context(|| path.display().to_string())?;
    let text = crate::input::read_text(source)?;
    let envelope = if add {
        let mut there = Envelope::parse(&crate::input::read(output, crate::input::SMALL)?)?;
        if there.unverified_payload() != text.as_bytes() || there.payload_type() != payload {
            bail!("{} is of another text: sign this one anew, and have the others add theirs", output.display());
        }
        if there.signed_by(key.public_key()) {
            bail!("this key has signed {} already: it counts once", output.display());
        }
        there.add_signature(&key)?;
        there
    } else {
        Envelope::sign(payload, text.into_bytes(), &key)?
    };
    let temporary = output.with_extension("new");
    std::fs::write(&temporary, format!("{}\n", envelope.to_json()))
        .and_then(|()| std::fs::rename(&temporary, output))
        .with_context(|| format!("cannot write {}", output.display()))?;
    let signatures = provost_model::count(envelope.signatures().len() as u64, "signature", "signatures");
    anstream::eprintln!("{} {}, {signatures}", render::bold("signed"), output.display());
    Ok(Exit::Pass)
}

/// Reads a policy and shows each problem with its line, as a compiler would.
fn check(source: &Path) -> Result<(Option<Policy>, Exit)> {
    let text = crate::input::read_text(source)?;
    let problems = match Policy::parse(&text) {
        Ok(policy) => {
            anstream::eprintln!(
                "{} {}: {}, {}, expires {}",
                render::bold("valid"),
                source.display(),
                provost_model::count(policy.steps.len() as u64, "step", "steps"),
                provost_model::count(policy.functionaries.len() as u64, "functionary", "functionaries"),
                policy.expires
            );
            if policy.expires < clock::now() {
                anstream::eprintln!("{} it has expired", render::warning("note"));
            }
            return Ok((Some(policy), Exit::Pass));
        }
        Err(PolicyError::Invalid(problems)) => problems,
        Err(error) => return Err(error.into()),
    };
    for problem in problems {
        let place = if problem.line > 0 { format!(":{}:{}", problem.line, problem.column) } else { String::new() };
        anstream::eprintln!("{} {}", render::error("error:"), render::bold(&printable(&problem.what)));
        anstream::eprintln!("  --> {}{place}", source.display());
        if let Some(line) = text.lines().nth(problem.line.wrapping_sub(1)) {
            let line: String = line.chars().take(160).collect();
            anstream::eprintln!("{:>5} | {}", problem.line, printable(&line));
            anstream::eprintln!("      | {}^", " ".repeat(problem.column.saturating_sub(1).min(160)));
        }
        if !problem.hint.is_empty() {
            anstream::eprintln!("      {}", render::dim(&format!("= {}", printable(&problem.hint))));
        }
    }
    Ok((None, Exit::Denied))
}

fn test(source: &Path) -> Result<Exit> {
    let (Some(policy), _) = check(source)? else { return Ok(Exit::Denied) };
    if policy.examples.is_empty() {
        anstream::eprintln!("the policy has no `[[example]]`: docs/policy.md shows how to write one");
        return Ok(Exit::Undecided);
    }
    let folder = source.parent().unwrap_or(Path::new("."));
    let mut failed = 0;
    let trusted = TrustedPolicy { signers: vec!["(test)".into()], anchor: policy.digest, json: String::new(), policy };
    for example in &trusted.policy.examples {
        let outcome = (|| -> Result<_> {
            let file = EvidenceFile::read(&folder.join(&example.evidence))?;
            let artifact = match example.artifact.parse() {
                Ok(digest) => digest,
                Err(_) => Artifact::find(&folder.join(&example.artifact).to_string_lossy())?.digest,
            };
            let now = example.at.unwrap_or_else(clock::now);
            let facts = Facts::of_artifact(artifact, now, trusted.signers.clone());
            let options = Options { home: None, log: None, accept_unproven_log: true };
            Ok(judge_example(example, &judge::judge(&file, &trusted, &facts, &options)?.verdict))
        })();
        let (holds, reason) = match outcome {
            Ok(outcome) => (outcome.holds, outcome.reason),
            Err(error) => (false, format!("{error:#}")),
        };
        failed += usize::from(!holds);
        let mark = if holds {
            render::outcome(provost_model::Outcome::Passed)
        } else {
            render::outcome(provost_model::Outcome::Failed)
        };
        anstream::println!("{mark}  {}  {}", printable(&example.name), render::dim(&printable(&reason)));
    }
    Ok(if failed == 0 { Exit::Pass } else { Exit::Denied })
}
