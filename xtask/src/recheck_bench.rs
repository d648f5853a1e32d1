//! What judging stored bills of materials anew costs: as many signed scans as are asked for, each of other packages, by
//! advisories that are newer than the scans.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::bench::{Bench, children_cpu};

/// Fills a store and rechecks it; `archives` are OSV's, the first of which the scans do not know yet.
///
/// # Errors
/// A command failed.
pub(crate) fn run(number: usize, archives: &[&str]) -> Result<()> {
    let [first, rest @ ..] = archives else { bail!("name OSV archives (zip)") };
    let absolute = |path: &&str| std::path::absolute(path).map(|path| path.display().to_string());
    let first = absolute(first)?;
    let rest = rest.iter().map(absolute).collect::<Result<Vec<_>, _>>()?;
    let provost = crate::release()?;
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--package", "provost", "--example", "stored_scans"])
        .current_dir(crate::root())
        .status()?;
    if !status.success() {
        bail!("the build failed");
    }
    let work = crate::target().join("recheck-bench");
    let _ = std::fs::remove_dir_all(&work);
    let project = work.join("project");
    std::fs::create_dir_all(&project)?;
    let bench = Bench { provost, home: work.join("home"), peer: None };
    bench.must(bench.ours(&project, &["init"]))?;
    let import = |files: &[String]| {
        let mut command = bench.ours(&project, &["db", "import"]);
        command.args(files);
        bench.must(command)
    };
    import(&rest)?;
    let begun = Instant::now();
    let output = Command::new(crate::target().join("release/examples/stored_scans"))
        .args([number.to_string(), bench.home.join("advisories.db").display().to_string()])
        .arg(&first)
        .args(&rest)
        .current_dir(&project)
        .env("PROVOST_HOME", &bench.home)
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    print!("{}", String::from_utf8_lossy(&output.stdout));
    println!("stored in {:.0} s", begun.elapsed().as_secs_f64());
    import(&[first])?;
    for _ in 0..3 {
        let (before, begun) = (children_cpu()?, Instant::now());
        let output = bench.ours(&project, &["recheck"]).output()?;
        if !matches!(output.status.code(), Some(0 | 1)) {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        println!(
            "{}\n  CPU {:.2} s, wall {:.2} s   (bound: 10 s wall for 10,000 on two cores)",
            text.lines().last().unwrap_or_default(),
            children_cpu()? - before,
            begun.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
