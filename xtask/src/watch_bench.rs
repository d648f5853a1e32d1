//! What watching costs: a build bare, watched, and under the tracers that people use, in one run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::bench::children_cpu;

/// Rounds; in each every way once, bare before and after.
const ROUNDS: usize = 5;

/// `ROUNDS=3` for long builds.
fn rounds() -> usize {
    std::env::var("ROUNDS").ok().and_then(|number| number.parse().ok()).unwrap_or(ROUNDS)
}

/// Ways that are left out, by a part of their names (`WITHOUT=strace`).
fn wanted(way: &Way) -> bool {
    std::env::var("WITHOUT").map_or(true, |left_out| !left_out.split(',').any(|part| way.name.contains(part)))
}

/// One way to run the build.
struct Way {
    name: &'static str,
    before: Vec<String>,
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

/// Runs `command` in fresh copies of `folder`, each way, and prints ratios to the bare build.
pub(crate) fn run(folder: &Path, command: &[&str], peer: Option<&str>) -> Result<()> {
    // One that was built with the feature `ebpf`, say.
    let binary = match std::env::var_os("PROVOST") {
        Some(named) => PathBuf::from(named),
        None => crate::release()?,
    };
    let work = tempdir()?;
    let home = work.join("home");
    let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let provost = binary.to_string_lossy().into_owned();
    let mut ways = vec![
        way("notify", words(&[&provost, "run", "-q", "--observe", "notify", "--"])),
        way("ptrace", words(&[&provost, "run", "-q", "--observe", "ptrace", "--"])),
        way("none (before and after)", words(&[&provost, "run", "-q", "--observe", "none", "--"])),
    ];
    let ebpf = words(&[&provost, "run", "-q", "--observe", "ebpf", "--"]);
    let tried =
        Command::new(&ebpf[0]).args(&ebpf[1..]).arg("true").current_dir(&work).env("PROVOST_HOME", &home).output()?;
    if tried.status.success() {
        ways.push(way("ebpf", ebpf));
    } else {
        println!("(no eBPF here: {})", String::from_utf8_lossy(&tried.stderr).trim());
    }
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok() {
        let selected = "-etrace=file,process,network";
        ways.push(way(
            "strace -f --seccomp-bpf",
            words(&["strace", "-f", "-qq", "-o/dev/null", "--seccomp-bpf", selected]),
        ));
        ways.push(way("strace -f", words(&["strace", "-f", "-qq", "-o/dev/null"])));
    }
    if let Some(peer) = peer {
        ways.push(way("in-toto-run", crate::bench::peer_words(peer, &work)?));
    }
    ways.retain(wanted);
    let (mut bare_wall, mut bare_cpu) = (Vec::new(), Vec::new());
    for round in 0..rounds() {
        let mut bare = vec![once(folder, &work, &home, &[], command)?];
        let mut measured = Vec::new();
        for way in &ways {
            measured.push(once(folder, &work, &home, &way.before, command).with_context(|| way.name)?);
        }
        bare.push(once(folder, &work, &home, &[], command)?);
        let mean = |pick: fn(&(f64, f64)) -> f64| bare.iter().map(pick).sum::<f64>() / bare.len() as f64;
        let (wall, cpu) = (mean(|m| m.0), mean(|m| m.1));
        bare_wall.push(wall);
        bare_cpu.push(cpu);
        print!("round {}: bare {wall:.2} s, {cpu:.2} s CPU", round + 1);
        for (way, (its_wall, its_cpu)) in ways.iter_mut().zip(measured) {
            way.wall.push(its_wall / wall);
            way.cpu.push(its_cpu / cpu);
            print!("; {} {:.3}, {:.3}", way.name, its_cpu / cpu, its_wall / wall);
        }
        println!();
    }
    println!("bare: median {:.2} s, {:.2} s CPU, {} rounds", median(&mut bare_wall), median(&mut bare_cpu), rounds());
    println!("| way | CPU ratio | wall ratio |\n| --- | --- | --- |");
    for way in &mut ways {
        println!("| {} | {:.3} | {:.3} |", way.name, median(&mut way.cpu), median(&mut way.wall));
    }
    std::fs::remove_dir_all(&work)?;
    Ok(())
}

fn way(name: &'static str, before: Vec<String>) -> Way {
    Way { name, before, wall: Vec::new(), cpu: Vec::new() }
}

fn tempdir() -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("provost-watch-bench-{}", std::process::id()));
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

/// Wall and CPU seconds of one build in a fresh copy.
fn once(folder: &Path, work: &Path, home: &Path, before: &[String], command: &[&str]) -> Result<(f64, f64)> {
    let copy = work.join("tree");
    if copy.exists() {
        std::fs::remove_dir_all(&copy)?;
    }
    let copied = Command::new("cp").arg("-a").arg(folder).arg(&copy).status()?;
    if !copied.success() {
        bail!("cannot copy {}", folder.display());
    }
    let words: Vec<&str> = before.iter().map(String::as_str).chain(command.iter().copied()).collect();
    let (program, arguments) = words.split_first().context("no command")?;
    let cpu = children_cpu()?;
    let begun = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(&copy)
        .env("PROVOST_HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let wall = begun.elapsed().as_secs_f64();
    if !status.success() {
        bail!("`{}` ended with {status}", words.join(" "));
    }
    Ok((wall, children_cpu()? - cpu))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
