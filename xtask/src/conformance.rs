//! The bundle vectors of sigstore-conformance against our command line: each case once with the file, once with its
//! digest. A folder whose name ends in `fail` must be refused.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// Runs all cases below a folder (`test/assets/bundle-verify` of the suite).
///
/// # Errors
/// A case is answered wrongly.
pub(crate) fn run(folder: &Path) -> Result<()> {
    let provost = crate::release()?;
    let home = crate::target().join("conformance-home");
    let mut cases: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.join("bundle.sigstore.json").exists())
        .collect();
    cases.sort();
    let (mut right, mut wrong) = (0, Vec::new());
    for case in &cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let artifact = Some(case.join("artifact")).filter(|p| p.exists()).unwrap_or_else(|| folder.join("a.txt"));
        let sum = Command::new("sha256sum").arg(&artifact).output()?;
        let digest =
            format!("sha256:{}", String::from_utf8_lossy(&sum.stdout).split_whitespace().next().unwrap_or_default());
        let read = |file: &str| std::fs::read_to_string(case.join(file)).map(|t| t.trim().to_owned());
        for subject in [artifact.display().to_string(), digest] {
            let mut command = Command::new(&provost);
            command
                .env("PROVOST_HOME", &home)
                .arg("verify")
                .arg(&subject)
                .arg("--bundle")
                .arg(case.join("bundle.sigstore.json"));
            if case.join("key.pub").exists() {
                command.arg("--key").arg(case.join("key.pub"));
            } else {
                command.args(["--certificate-identity", &read("identity").unwrap_or_else(|_| IDENTITY.into())]);
                command.args(["--certificate-oidc-issuer", &read("issuer").unwrap_or_else(|_| ISSUER.into())]);
            }
            if case.join("trusted_root.json").exists() {
                command.arg("--trusted-root").arg(case.join("trusted_root.json"));
            }
            let output = command.output()?;
            if output.status.success() != name.ends_with("fail") {
                right += 1;
            } else {
                wrong.push(format!("{name} ({subject}): {}", String::from_utf8_lossy(&output.stdout)));
            }
        }
    }
    println!("{} cases, {right} answers right, {} wrong", cases.len(), wrong.len());
    if !wrong.is_empty() || right == 0 {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}
