//! What scanning for secrets costs, beside peers whose programs the environment names.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::bench::children_cpu;

const ROUNDS: usize = 3;

struct Cost {
    cpu: f64,
    wall: f64,
    memory: u64,
}

fn once(command: &mut Command) -> Result<Cost> {
    let (before, begun) = (children_cpu()?, Instant::now());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut memory = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        memory = memory.max(peak.unwrap_or(0));
        match child.try_wait()? {
            Some(_) => break,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    Ok(Cost { cpu: children_cpu()? - before, wall: begun.elapsed().as_secs_f64(), memory })
}

fn row(what: &str, mut make: impl FnMut() -> Command) -> Result<f64> {
    let mut costs = (0..ROUNDS).map(|_| once(&mut make())).collect::<Result<Vec<_>>>()?;
    costs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    let median = &costs[ROUNDS / 2];
    println!("{what:<44} CPU {:>7.2} s  wall {:>7.2} s  peak {:>5} MB", median.cpu, median.wall, median.memory / 1000);
    Ok(median.cpu)
}

/// Scans a tree, and a history if one is named. Peers: `KINGFISHER`, `BETTERLEAKS`, `GITLEAKS`.
///
/// # Errors
/// A program cannot be run.
pub(crate) fn run(tree: &Path, history: Option<&Path>) -> Result<()> {
    if !tree.is_dir() {
        bail!("{} is no directory", tree.display());
    }
    let provost = crate::release()?;
    let home = crate::target().join("scan-bench");
    std::fs::create_dir_all(&home)?;
    let ours = |arguments: &[&str], path: &Path| {
        let mut command = Command::new(&provost);
        command.args(["scan", "secrets", "-q", "--format", "json"]).args(arguments).arg(path);
        command.env("PROVOST_HOME", &home);
        command
    };
    let peers = [
        ("KINGFISHER", &["scan", "--no-validate", "--git-history", "none"][..], &["scan", "--no-validate"][..]),
        ("BETTERLEAKS", &["dir", "--no-banner"], &["git", "--no-banner"]),
        ("GITLEAKS", &["dir", "--no-banner"], &["git", "--no-banner"]),
    ];
    let own = row("provost, tree", || ours(&[], tree))?;
    let own_history = match history {
        Some(history) => Some(row("provost, history", || ours(&["--git"], history))?),
        None => None,
    };
    for (variable, for_tree, for_history) in peers {
        let Some(program) = std::env::var_os(variable) else { continue };
        let theirs = row(&format!("{}, tree", variable.to_lowercase()), || {
            let mut command = Command::new(&program);
            command.args(for_tree).arg(tree);
            command
        })?;
        println!("{:<44} {:.2}", "  ratio of CPU", own / theirs.max(0.01));
        if let (Some(history), Some(own)) = (history, own_history) {
            let theirs = row(&format!("{}, history", variable.to_lowercase()), || {
                let mut command = Command::new(&program);
                command.args(for_history).arg(history);
                command
            })?;
            println!("{:<44} {:.2}", "  ratio of CPU", own / theirs.max(0.01));
        }
    }
    Ok(())
}
