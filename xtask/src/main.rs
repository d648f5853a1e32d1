//! Developer tasks. `cargo xtask` lists them.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod bigrams;
mod conformance;
mod cvss_oracle;
mod gate_bench;
mod recheck_bench;
mod sbom_judges;
mod scan_bench;
mod self_check;
mod truth;
mod version_oracle;
mod watch_bench;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask bench [in-toto-run]   CPU time of the main paths, beside a peer when its program is named
cargo xtask conformance DIR       run the sigstore-conformance bundle vectors of DIR against the command line
cargo xtask watch-bench DIR CMD…  what watching a build costs, beside strace (and in-toto-run, named by IN_TOTO_RUN);
                                  AT_ONCE=1 runs the bare build at the same time, for machines that are not quiet
cargo xtask truth [--rounds N] [--within 'WORDS'] [--observe BACK-END] [--keep] DIR CMD…
                                  what provost sees of a build, held against strace -f (docs/truth.md)
cargo xtask scan-bench TREE [HISTORY]
                                  what scanning for secrets costs, beside peers (KINGFISHER, BETTERLEAKS, GITLEAKS)
cargo xtask recheck-bench NUMBER ARCHIVE…
                                  what judging so many stored bills of materials anew costs; OSV's archives (zip),
                                  the first of which comes after the scans
cargo xtask gate-bench [COMMITS [FILES]]
cargo xtask gate-bench known [COMMITS]
                                  what hooks, decisions and verification cost (10,000 commits, 5,000 files unless said)
cargo xtask bigrams DIR           make the table that tells words from random text, from source code
cargo xtask cvss-oracle [N]       N random CVSS vectors (100,000 unless said), held against the Python package cvss
                                  (PYTHON names the interpreter; skipped where it does not have the package)
cargo xtask version-oracle [ECOSYSTEM…] [--pairs N] [--seed S]
                                  our order of versions, held against each ecosystem's own tool (docs/versions.md)
cargo xtask sbom-judges [FOLDER]  have the bills of materials that we write judged by Python packages (jsonschema,
                                  cyclonedx-python-lib, spdx-tools; PYTHON names the interpreter,
                                  SPDX_SCHEMA the JSON schema of SPDX 2.3)
cargo xtask sbom-read FOLDER      read every document below a folder and say what was read, what was refused and why
cargo xtask self-check            build this project under itself and verify the result";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["bench"] => bench::run(None),
        ["bench", peer] => bench::run(Some(peer)),
        ["conformance", folder] => conformance::run(folder.as_ref()),
        ["watch-bench", folder, command @ ..] if !command.is_empty() => {
            watch_bench::run(folder.as_ref(), command, std::env::var("IN_TOTO_RUN").ok().as_deref())
        }
        ["truth", rest @ ..] => truth::run(rest),
        ["scan-bench", tree] => scan_bench::run(tree.as_ref(), None),
        ["scan-bench", tree, history] => scan_bench::run(tree.as_ref(), Some(history.as_ref())),
        ["recheck-bench", number, archives @ ..] => recheck_bench::run(number.parse()?, archives),
        ["gate-bench"] => gate_bench::run(10_000, 5_000),
        ["gate-bench", "known"] => gate_bench::run_known(100_000),
        ["gate-bench", "known", commits] => gate_bench::run_known(commits.parse()?),
        ["gate-bench", commits] => gate_bench::run(commits.parse()?, 5_000),
        ["gate-bench", commits, files] => gate_bench::run(commits.parse()?, files.parse()?),
        ["bigrams", directory] => bigrams::run(directory),
        ["cvss-oracle"] => cvss_oracle::run(100_000),
        ["cvss-oracle", number] => cvss_oracle::run(number.parse()?),
        ["version-oracle", rest @ ..] => version_oracle::run(rest),
        ["sbom-judges"] => sbom_judges::run(None),
        ["sbom-judges", folder] => sbom_judges::run(Some(folder.as_ref())),
        ["sbom-read", folder] => sbom_judges::read(folder.as_ref()),
        ["self-check"] => self_check::run(),
        [] => {
            println!("{HELP}");
            Ok(())
        }
        other => bail!("no such task: {}\n{HELP}", other.join(" ")),
    }
}

/// The workspace's root.
fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Into::into).unwrap_or_default()
}

/// The target directory that cargo uses.
fn target() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into)
}

/// Builds the release binary and gives its path; `PROVOST_BUILT` names one that is there already.
fn release() -> Result<std::path::PathBuf> {
    if let Some(built) = std::env::var_os("PROVOST_BUILT") {
        return Ok(built.into());
    }
    build(&["--release"])?;
    Ok(target().join("release/provost"))
}

/// Builds the binary for development and gives its path.
fn debug() -> Result<std::path::PathBuf> {
    build(&[])?;
    Ok(target().join("debug/provost"))
}

fn build(profile: &[&str]) -> Result<()> {
    let status = std::process::Command::new(env!("CARGO"))
        .args(["build", "--locked", "--package", "provost"])
        .args(profile)
        .current_dir(root())
        .status()?;
    if !status.success() {
        bail!("the build failed");
    }
    Ok(())
}
