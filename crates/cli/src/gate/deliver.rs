//! Where a signed approval goes: a file, the inbox of a server, the log of a store at hand.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use provost_attest::Envelope;
use provost_gate::{Receipt, ReceiptKind};
use provost_model::{printable, sha256};

use super::approvals::INBOX;
use super::case::Case;
use super::record::Recorder;
use crate::commands::Context;
use crate::{clock, render};

/// Where it is to go.
#[derive(Debug, Default)]
pub(crate) struct Ways<'a> {
    pub(crate) output: Option<&'a Path>,
    pub(crate) push: Option<&'a str>,
    /// The name of the file where none is given.
    pub(crate) name: String,
}

/// Delivers an envelope, and says where it is.
///
/// # Errors
/// It cannot be written or pushed.
pub(crate) fn deliver(context: &Context, case: &Case, envelope: &Envelope, ways: &Ways<'_>) -> Result<()> {
    let text = format!("{}\n", envelope.to_json());
    if let Some(remote) = ways.push {
        let name = push(&case.clone.directory, remote, text.as_bytes())?;
        anstream::eprintln!("{}", render::line("pushed", &printable(&format!("{name} to {remote}"))).trim_end());
        if let Some(path) = ways.output {
            write(path, &text)?;
        }
        return Ok(());
    }
    match Recorder::open(context, case) {
        Ok(Some(recorder)) => {
            let of = ReceiptKind::Envelope { envelope: text.clone() };
            let receipt = Receipt { of, received_on: clock::now(), from: None };
            let entries = recorder.receipts(&context.home, &[receipt])?;
            let entry = entries.first().copied().unwrap_or_default();
            let place = format!("entry {entry} of {}", recorder.store.root().display());
            anstream::eprintln!("{}", render::line("logged", &printable(&place)).trim_end());
            if let Some(path) = ways.output {
                write(path, &text)?;
            }
        }
        Ok(None) => write(ways.output.unwrap_or(Path::new(&ways.name)), &text)?,
        Err(error) => {
            anstream::eprintln!(
                "{} it is not logged here: {}",
                render::warning("note:"),
                printable(&format!("{error:#}"))
            );
            write(ways.output.unwrap_or(Path::new(&ways.name)), &text)?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    anstream::eprintln!("{}", render::line("written", &printable(&path.display().to_string())).trim_end());
    Ok(())
}

/// git with what a repository's own configuration may not decide: no hook of the clone runs.
fn git(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(["-c", "core.hooksPath=/dev/null"]);
    command
}

/// Stores bytes as a blob and pushes it to the inbox under its own digest.
fn push(directory: &Path, remote: &str, bytes: &[u8]) -> Result<String> {
    if remote.is_empty() || remote.starts_with('-') {
        bail!("--push {remote}: no remote has such a name");
    }
    let mut child = git(directory)
        .args(["hash-object", "-w", "--no-filters", "--stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("git cannot be started")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(bytes).context("git took nothing")?;
    }
    let output = child.wait_with_output()?;
    let blob = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || blob.is_empty() {
        bail!("git could not store the approval");
    }
    let name = format!("{INBOX}{}", sha256(bytes).to_hex());
    // The remote may be this very repository: the ref is made there, and hooks of the server run there.
    let refspec = format!("{blob}:{name}");
    let output = git(directory).args(["push", "--quiet", "--no-verify", remote, &refspec]).output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("the push to {remote} failed: {}", why.trim().replace('\n', "; "));
    }
    Ok(name)
}
