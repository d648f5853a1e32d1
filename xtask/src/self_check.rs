//! The tool on its own project: a build of it under itself, verified as producer and as consumer.

use std::process::{Command, Output};

use anyhow::{Result, bail};

/// Runs it.
///
/// # Errors
/// A step did not do what it must.
pub(crate) fn run() -> Result<()> {
    // The debug build is at hand after the tests, and a build of one crate is a real build.
    let status = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--package", "provost"])
        .current_dir(crate::root())
        .status()?;
    if !status.success() {
        bail!("the build failed");
    }
    let provost = crate::target().join("debug/provost");
    let work = crate::target().join("self-check");
    let _ = std::fs::remove_dir_all(&work);
    let project = work.join("project");
    std::fs::create_dir_all(&project)?;
    for part in ["Cargo.toml", "Cargo.lock", "crates", "xtask"] {
        if !Command::new("cp").arg("-r").arg(crate::root().join(part)).arg(&project).status()?.success() {
            bail!("cannot copy {part}");
        }
    }
    let at = |home: &str, arguments: &[&str]| -> Result<Output> {
        Ok(Command::new(&provost)
            .args(arguments)
            .current_dir(&project)
            .env("PROVOST_HOME", work.join(home))
            .env_remove("CARGO_TARGET_DIR")
            .output()?)
    };
    let must = |what: &str, output: Output| -> Result<String> {
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            bail!("{what}: {}\n{text}", output.status);
        }
        Ok(text)
    };
    must("init", at("home", &["init"])?)?;
    let summary = must(
        "run",
        at("home", &["run", "--", env!("CARGO"), "build", "--locked", "--offline", "--package", "provost-model"])?,
    )?;
    print!("{summary}");
    let artifact = "target/debug/libprovost_model.rlib";
    must("verify", at("home", &["verify", artifact])?)?;
    must("bundle", at("home", &["bundle", artifact])?)?;
    let keys = must("key list", at("home", &["key", "list"])?)?;
    let id = keys
        .lines()
        .find(|l| l.starts_with("policy"))
        .and_then(|l| l.rsplit("sha256:").next())
        .unwrap_or_default()
        .trim()
        .to_owned();
    print!("{}", must("verify as a consumer", at("consumer", &["verify", artifact, "--trust", &id])?)?);
    must("fsck", at("home", &["log", "fsck"])?)?;
    std::fs::write(project.join(artifact), b"changed")?;
    if at("consumer", &["verify", artifact, "--trust", &id])?.status.code() != Some(1) {
        bail!("a changed artifact was not refused");
    }
    println!("self-check passed");
    Ok(())
}
