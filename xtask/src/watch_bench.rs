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

/// `AT_ONCE=1`: the bare build and the watched one run at the same time on the same processors, so that a machine whose
/// speed changes changes both. Only CPU time has a meaning then.
fn at_once() -> bool {
    std::env::var_os("AT_ONCE").is_some()
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
    let bench = Bench { folder, work: &work, home: &home, command };
    if at_once() {
        bench.at_once(&mut ways)?
    } else {
        bench.in_turn(&mut ways)?
    }
    std::fs::remove_dir_all(&work)?;
    Ok(())
}

/// What is built, and where.
struct Bench<'a> {
    folder: &'a Path,
    work: &'a Path,
    home: &'a Path,
    command: &'a [&'a str],
}

impl Bench<'_> {
    /// The bare build, each way, and the bare build again.
    fn in_turn(&self, ways: &mut [Way]) -> Result<()> {
        let (mut bare_wall, mut bare_cpu) = (Vec::new(), Vec::new());
        for round in 0..rounds() {
            let mut bare = vec![self.once(&[])?];
            let mut measured = Vec::new();
            for way in &*ways {
                measured.push(self.once(&way.before).with_context(|| way.name)?);
            }
            bare.push(self.once(&[])?);
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
        println!(
            "bare: median {:.2} s, {:.2} s CPU, {} rounds",
            median(&mut bare_wall),
            median(&mut bare_cpu),
            rounds()
        );
        println!("| way | CPU ratio | wall ratio |\n| --- | --- | --- |");
        for way in ways {
            println!("| {} | {:.3} | {:.3} |", way.name, median(&mut way.cpu), median(&mut way.wall));
        }
        Ok(())
    }

    /// Each way beside a bare build that runs meanwhile; the bare build beside itself shows what such a ratio is worth.
    fn at_once(&self, ways: &mut [Way]) -> Result<()> {
        let mut itself = way("bare", Vec::new());
        for round in 0..rounds() {
            print!("round {}:", round + 1);
            for way in std::iter::once(&mut itself).chain(&mut *ways) {
                let [bare, watched] = self.both(&way.before).with_context(|| way.name)?;
                way.cpu.push(watched / bare);
                print!(" {} {:.3} (bare {bare:.2} s CPU);", way.name, watched / bare);
            }
            println!();
        }
        println!("| way, beside a bare build at the same time | CPU ratio | least | most |\n| --- | --- | --- | --- |");
        for way in std::iter::once(&mut itself).chain(ways) {
            let middle = median(&mut way.cpu);
            let (least, most) = (way.cpu.first().copied(), way.cpu.last().copied());
            let [least, most] = [least, most].map(|end| end.unwrap_or(f64::NAN));
            println!("| {} | {middle:.3} | {least:.3} | {most:.3} |", way.name);
        }
        Ok(())
    }

    /// The build in a fresh copy of the tree, not started yet; `before` is put before its command.
    fn build(&self, copy: &str, before: &[String]) -> Result<Command> {
        let copy = self.work.join(copy);
        if copy.exists() {
            std::fs::remove_dir_all(&copy)?;
        }
        let copied = Command::new("cp").arg("-a").arg(self.folder).arg(&copy).status()?;
        if !copied.success() {
            bail!("cannot copy {}", self.folder.display());
        }
        let words: Vec<&str> = before.iter().map(String::as_str).chain(self.command.iter().copied()).collect();
        let (program, arguments) = words.split_first().context("no command")?;
        let mut build = Command::new(program);
        build.args(arguments).current_dir(&copy).env("PROVOST_HOME", self.home);
        build.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(build)
    }

    /// Wall and CPU seconds of one build.
    fn once(&self, before: &[String]) -> Result<(f64, f64)> {
        let mut build = self.build("tree", before)?;
        let cpu = children_cpu()?;
        let begun = Instant::now();
        let status = build.status()?;
        let wall = begun.elapsed().as_secs_f64();
        if !status.success() {
            bail!("{build:?} ended with {status}");
        }
        Ok((wall, children_cpu()? - cpu))
    }

    /// CPU seconds of a bare build and of one with `before` before its command, started together.
    fn both(&self, before: &[String]) -> Result<[f64; 2]> {
        // A shell around each: its `times` are those of its children alone (POSIX, 2.14).
        let timed = ["sh", "-c", "\"$@\" > /dev/null || exit; times", "sh"].map(str::to_owned);
        let mut builds = [self.build("bare", &timed)?, self.build("tree", &[&timed, before].concat())?];
        let [bare, watched] = builds.each_mut().map(|build| build.stdout(Stdio::piped()).spawn());
        let (bare, watched) = (bare?.wait_with_output(), watched?.wait_with_output());
        let mut cpu = [0.0; 2];
        for ((cpu, output), build) in cpu.iter_mut().zip([bare?, watched?]).zip(&builds) {
            if !output.status.success() {
                bail!("{build:?} ended with {}", output.status);
            }
            *cpu = times(&String::from_utf8_lossy(&output.stdout)).context("the shell's `times` are not to be read")?;
        }
        Ok(cpu)
    }
}

/// User and system seconds of the children, from what `times` prints: `0m0.01s 0m0.00s` of the shell itself, the same of
/// its children in the second line.
fn times(text: &str) -> Option<f64> {
    let of = |time: &str| {
        let (minutes, seconds) = time.strip_suffix('s')?.split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
    };
    text.lines().nth(1)?.split_whitespace().map(of).sum()
}

fn way(name: &'static str, before: Vec<String>) -> Way {
    Way { name, before, wall: Vec::new(), cpu: Vec::new() }
}

fn tempdir() -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("provost-watch-bench-{}", std::process::id()));
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
