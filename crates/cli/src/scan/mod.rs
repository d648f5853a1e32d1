//! Scanning, wired: sources, checks, what is known, output.

mod history;
pub(crate) mod hook;
pub(crate) mod marks;
pub(crate) mod of_run;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod rules;
mod statement;
pub(crate) mod text;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use globset::{Glob, GlobSet, GlobSetBuilder};
use provost_model::{Digest, Finding};
use provost_scan::{Baseline, Check, Coverage, Judgement, Limits, Place, Report, Scanner, Tally, judge};
use provost_secrets::{Options, RuleSet, Secrets};

use crate::commands::Context;
use crate::commands::scan::SecretsArgs;
use crate::exit::Exit;
use crate::home::Home;
use crate::{clock, input};

/// A scan that is done.
pub(crate) struct Done {
    /// What was scanned, in words.
    pub target: String,
    pub judgement: Judgement,
    pub coverage: Coverage,
    pub elapsed: Duration,
    /// Which rules.
    pub rules: Digest,
    pub rule_count: usize,
}

/// Scans for secrets.
pub(crate) fn secrets(args: &SecretsArgs, context: &Context) -> Result<Exit> {
    if args.show && !std::io::stdout().is_terminal() {
        bail!("--show is for a terminal only: reports never hold parts of secrets");
    }
    let baseline = baseline(args.baseline.as_deref())?;
    let key = fingerprint_key(args, baseline.as_ref(), &context.home)?;
    let secrets = check(args, key)?;
    let subject = if args.attest { Some(statement::Subject::before(args)?) } else { None };
    let begun = Instant::now();
    let (target, report) = scan(args, &secrets)?;
    let suppressions = marks::gather(args, &report.findings)?;
    let judgement = judge(report.findings, baseline.as_ref(), &suppressions, &clock::now());
    let done = Done {
        target,
        judgement,
        coverage: report.coverage,
        elapsed: begun.elapsed(),
        rules: secrets.digest(),
        rule_count: secrets.rules().len(),
    };
    if let Some(path) = &args.write_baseline {
        let key = Digest::from_bytes(key);
        let findings = done.judgement.findings.iter().map(|judged| &judged.finding);
        let text = Baseline::of(findings, Some(key)).to_json()?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    output::write(args, &secrets, &done)?;
    if let Some(subject) = subject {
        statement::attest(args, subject, &done, context)?;
    }
    Ok(exit(args, &done))
}

/// Known findings from a file, where one is named.
pub(crate) fn baseline(path: Option<&Path>) -> Result<Option<Baseline>> {
    let Some(path) = path else { return Ok(None) };
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(Baseline::parse(&bytes).with_context(|| format!("{} cannot be used", path.display()))?))
}

fn exit(args: &SecretsArgs, done: &Done) -> Exit {
    if args.write_baseline.is_none() && done.judgement.new_ones().next().is_some() {
        Exit::Denied
    } else if !done.coverage.is_complete() && !args.allow_partial {
        Exit::Undecided
    } else {
        Exit::Pass
    }
}

/// The check, with the rules that were asked for.
fn check(args: &SecretsArgs, key: [u8; 32]) -> Result<Secrets> {
    let mut rules = if args.no_built_in { RuleSet::new() } else { RuleSet::built_in()? };
    for path in &args.rules {
        for remark in rules::load(&mut rules, path)? {
            anstream::eprintln!("{}", crate::render::dim(&provost_model::printable(&remark)));
        }
    }
    for id in &args.disable {
        let generic = [provost_secrets::GENERIC_PASSWORD, provost_secrets::GENERIC_SECRET].contains(&id.as_str());
        if !generic && !rules.rules.iter().any(|rule| rule.id == *id) {
            bail!("there is no rule `{id}`: `provost scan rules` lists them");
        }
    }
    rules.retain(|rule| !args.disable.contains(&rule.id));
    let options = Options {
        key,
        decodings: args.decodings,
        confidence: args.confidence.into(),
        show: if args.show { 4 } else { 0 },
        ..Options::default()
    };
    Ok(Secrets::new(rules, options))
}

/// The key of the fingerprints: the one that was named, the baseline's, or the user's own, made when first needed.
fn fingerprint_key(args: &SecretsArgs, baseline: Option<&Baseline>, home: &Home) -> Result<[u8; 32]> {
    if let Some(path) = &args.fingerprint_key {
        return parse_key(&input::read_text(path)?, path);
    }
    if let Some(key) = baseline.and_then(|baseline| baseline.fingerprint_key) {
        return Ok(*key.as_bytes());
    }
    own_key(home)
}

fn parse_key(text: &str, path: &Path) -> Result<[u8; 32]> {
    let digest: Digest = text.trim().parse().map_err(|_| {
        anyhow::anyhow!("{} is no key of fingerprints: 64 hexadecimal digits are expected", path.display())
    })?;
    Ok(*digest.as_bytes())
}

/// The user's own key of fingerprints, made when it is first needed.
pub(crate) fn own_key(home: &Home) -> Result<[u8; 32]> {
    let path = home.path().join("fingerprint.key");
    match std::fs::read_to_string(&path) {
        Ok(text) => parse_key(&text, &path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
            // A machine where nothing can be kept still scans: its fingerprints hold for this scan.
            let kept = std::fs::create_dir_all(home.path())
                .map_err(anyhow::Error::from)
                .and_then(|()| crate::signing::write_private(&path, hex::encode(key).as_bytes()));
            if let Err(error) = kept {
                anstream::eprintln!(
                    "the key of the fingerprints could not be kept, they hold for this scan alone: {error}"
                );
            }
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn limits(args: &SecretsArgs) -> Limits {
    let mut limits = Limits { depth: args.depth, time: args.time.map(Duration::from_secs), ..Limits::default() };
    if let Some(megabytes) = args.max_file {
        limits.file = megabytes.saturating_mul(1_000_000);
    }
    limits
}

/// Globs of what is left out.
pub(crate) fn globs(patterns: &[String]) -> Result<GlobSet> {
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        builder.add(Glob::new(pattern).with_context(|| format!("--exclude {pattern}"))?);
    }
    Ok(builder.build()?)
}

/// Scans what was asked for; returns its name, and what came of it.
fn scan(args: &SecretsArgs, secrets: &Secrets) -> Result<(String, Report)> {
    let checks: [&dyn Check; 1] = [secrets];
    let tally = Tally::default();
    let exclude = globs(&args.exclude)?;
    let here = PathBuf::from(".");
    if args.is_git() && !args.exclude.is_empty() {
        bail!("--exclude is for files: a history is scanned whole");
    }
    if args.is_git() {
        let directory = match args.paths.as_slice() {
            [] => &here,
            [one] => one,
            _ => bail!("a history is of one repository: name one directory"),
        };
        let gather = history::Gather::new(&checks, limits(args), args.inputs, &tally);
        return progress::during(args.quiet, &tally, || history::scan(args, directory, gather));
    }
    let scanner = Scanner::new(&checks, limits(args), exclude, args.inputs, &tally);
    let paths = if args.paths.is_empty() { vec![here] } else { args.paths.clone() };
    let shown = paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" ");
    progress::during(args.quiet, &tally, || -> Result<()> {
        for path in &paths {
            if path.as_os_str() == "-" {
                scanner.stream(&Place::file("standard input"), &mut std::io::stdin().lock());
                continue;
            }
            let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
            if metadata.is_dir() {
                scanner.tree(path);
            } else if !metadata.is_file() {
                // A pipe, a device: what it gives is meant.
                let mut stream =
                    std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
                scanner.stream(&Place::file(path.to_string_lossy()), &mut stream);
            } else {
                // A link that the caller names is meant.
                let real = path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
                scanner.file(&real, Place::file(path.to_string_lossy()));
            }
        }
        Ok(())
    })?;
    Ok((shown, scanner.finish()))
}

/// Findings by how sure they are, for summaries.
pub(crate) fn most_serious_first(findings: &mut [&Finding]) {
    findings.sort_by_key(|finding| std::cmp::Reverse((finding.confidence, finding.level)));
}

/// The search for secrets as `scan image` does it: the built-in rules, what is likely.
pub(crate) fn for_images(context: &Context) -> Result<Secrets> {
    let key = own_key(&context.home)?;
    Ok(Secrets::new(
        RuleSet::built_in()?,
        Options { key, confidence: provost_model::Confidence::Likely, ..Options::default() },
    ))
}
