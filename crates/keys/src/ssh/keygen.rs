//! Signing through `ssh-keygen`: it knows agents, security keys and their prompts.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{SshLimits, SshSignature};
use crate::KeyError;

/// Has `ssh-keygen -Y sign` sign a message. Its prompts (passphrase, touch) go to the terminal.
///
/// # Errors
/// It cannot be started, fails, or writes no signature.
pub(super) fn sign(file: &Path, namespace: &str, message: &[u8]) -> Result<SshSignature, KeyError> {
    let failed = |why: String| KeyError::SignerFailed { signer: format!("ssh-keygen -f {}", file.display()), why };
    let text = run(file, namespace, message).map_err(failed)?;
    SshSignature::parse(&text)
}

fn run(file: &Path, namespace: &str, message: &[u8]) -> Result<String, String> {
    let mut child = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{e}; install OpenSSH's client"))?;
    let mut input = child.stdin.take().ok_or("no standard input")?;
    let message = message.to_vec();
    // Written from a thread, so that a command that answers before it has read all cannot block us.
    let writer = std::thread::spawn(move || {
        let _ = input.write_all(&message);
    });
    let mut output = Vec::new();
    let limit = SshLimits::ARMOUR as u64 + 1;
    let read = child.stdout.take().ok_or("no standard output")?.take(limit).read_to_end(&mut output);
    let status = child.wait().map_err(|e| e.to_string())?;
    let _ = writer.join();
    read.map_err(|e| e.to_string())?;
    if !status.success() {
        return Err(format!("it ended with {status}; is the key in the agent (`ssh-add -L`)?"));
    }
    String::from_utf8(output).map_err(|_| "what it wrote is no text".into())
}
