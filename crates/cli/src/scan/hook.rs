//! Git's hooks: what a commit or a push brings is scanned before it is there.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use provost_scan::{Check, Coverage, Tally, judge};

use crate::commands::Context;
use crate::commands::scan::{Hook, HookArgs, SecretsArgs};
use crate::exit::Exit;
use crate::{clock, render};

/// The pre-commit hook that `install` writes.
const PRE_COMMIT: &str = "#!/bin/sh\n# Nothing that holds a secret is committed. `git commit --no-verify` goes round this; the push gate does not.\nexec provost scan hook pre-commit\n";

/// Seconds that the scan of a push may take; what is not scanned by then is refused.
const PATIENCE: &str = "300";
/// A push may have so many bytes of ref lines.
const LINES: u64 = 4 << 20;

pub(crate) fn run(args: &HookArgs, context: &Context) -> Result<Exit> {
    match args.hook {
        Hook::Install => install(),
        Hook::PreCommit => super::secrets(&arguments(args, &["--staged"])?, context),
        Hook::PreReceive => pre_receive(args, context),
    }
}

/// The arguments of `scan secrets` for a hook.
fn arguments(args: &HookArgs, more: &[&str]) -> Result<SecretsArgs> {
    #[derive(clap::Parser)]
    struct Wrapped {
        #[command(flatten)]
        args: SecretsArgs,
    }
    let mut list: Vec<std::ffi::OsString> =
        std::iter::once("scan").chain(more.iter().copied()).map(Into::into).collect();
    for (name, value) in [("--baseline", &args.baseline), ("--suppressions", &args.suppressions)] {
        if let Some(value) = value {
            list.push(name.into());
            list.push(value.into());
        }
    }
    Ok(Wrapped::try_parse_from(list)?.args)
}

fn install() -> Result<Exit> {
    let root = provost_repo::look(Path::new("."))?.context("there is no git repository here")?.root;
    if let Some(path) = provost_repo::hooks_path(Path::new("."))? {
        bail!(
            "core.hooksPath is set: git runs the hooks in {path}; put `provost scan hook pre-commit` into the one there"
        );
    }
    let git = root.join(".git");
    if !git.is_dir() {
        bail!("{} is no directory: install the hook in the main working tree", git.display());
    }
    let path = git.join("hooks/pre-commit");
    if path.exists() {
        bail!("{} is there already: add the line `provost scan hook pre-commit` to it", path.display());
    }
    std::fs::create_dir_all(git.join("hooks"))
        .with_context(|| format!("cannot make {}", git.join("hooks").display()))?;
    std::fs::write(&path, PRE_COMMIT).with_context(|| format!("cannot write {}", path.display()))?;
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    anstream::eprintln!("wrote {}", path.display());
    Ok(Exit::Pass)
}

/// Scans the objects in quarantine (githooks(5), git-receive-pack(1)): nothing of a refused push stays.
fn pre_receive(args: &HookArgs, context: &Context) -> Result<Exit> {
    let mut lines = String::new();
    std::io::stdin().lock().take(LINES).read_to_string(&mut lines).context("the pushed refs cannot be read")?;
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let directory = variable("GIT_DIR").unwrap_or_else(|| PathBuf::from("."));
    let Some(objects) = variable("GIT_QUARANTINE_PATH") else {
        bail!("GIT_QUARANTINE_PATH is not set: this is for git's pre-receive hook alone");
    };
    // A push must not hold the server up for ever.
    let scan = arguments(args, &["--time", PATIENCE])?;
    let baseline = super::baseline(scan.baseline.as_deref())?;
    let key = super::fingerprint_key(&scan, baseline.as_ref(), &context.home)?;
    let secrets = super::check(&scan, key)?;
    let checks: [&dyn Check; 1] = [&secrets];
    let tally = Tally::default();
    let gather = super::history::Gather::new(&checks, super::limits(&scan), false, &tally);
    let report = super::history::quarantine(&directory, &objects, gather)?;
    let suppressions = super::marks::gather(&scan, &[])?;
    let judgement = judge(report.findings, baseline.as_ref(), &suppressions, &clock::now());
    let coverage: Coverage = report.coverage;
    let found: Vec<_> = judgement.new_ones().collect();
    for finding in &found {
        anstream::eprint!("{}", super::text::one(finding));
    }
    if !found.is_empty() {
        anstream::eprintln!(
            "{} the push holds {}: take it out of every commit of the push, and revoke it",
            render::error("refused:"),
            provost_model::count(found.len() as u64, "secret", "secrets")
        );
        return Ok(Exit::Denied);
    }
    if !coverage.is_complete() {
        for gap in coverage.failures.iter().chain(&coverage.parts).take(5) {
            anstream::eprintln!("{}: {}", provost_model::printable(&gap.place), provost_model::printable(&gap.why));
        }
        anstream::eprintln!("{} not everything in the push could be scanned", render::error("refused:"));
        return Ok(Exit::Undecided);
    }
    Ok(Exit::Pass)
}
