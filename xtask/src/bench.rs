//! CPU time of the main paths, as whole processes, children included. Ratios to a peer count, not single figures.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

const RUNS: usize = 9;

/// User and system time of all ended children so far, in seconds (proc_pid_stat(5), fields 16 and 17; ticks of 10 ms).
pub(crate) fn children_cpu() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let ticks: f64 = fields.get(13..15).unwrap_or_default().iter().filter_map(|f| f.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}

/// Medians of CPU and wall time in milliseconds, over some runs of a group of repeats. The kernel counts children's
/// time in ticks of 10 ms, so short commands are repeated within one reading.
fn measure(repeats: usize, mut make: impl FnMut() -> Command) -> Result<(f64, f64)> {
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (before, begun) = (children_cpu()?, Instant::now());
        for _ in 0..repeats {
            let output = make().output()?;
            if !output.status.success() {
                bail!("{}", String::from_utf8_lossy(&output.stderr));
            }
        }
        cpu.push((children_cpu()? - before) * 1000.0 / repeats as f64);
        wall.push(begun.elapsed().as_secs_f64() * 1000.0 / repeats as f64);
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Ok((median(cpu), median(wall)))
}

fn row(what: &str, ours: (f64, f64), peer: Option<(f64, f64)>, bound: &str) {
    let ratio =
        peer.map_or_else(String::new, |p| format!("   peer {:>8.1} ms, ratio {:.2}", p.0, ours.0 / p.0.max(0.01)));
    println!("{what:<48} CPU {:>8.1} ms  wall {:>8.1} ms{ratio}   (bound: {bound})", ours.0, ours.1);
}

/// Measures; `peer` is the program `in-toto-run`.
///
/// # Errors
/// A command failed.
pub(crate) fn run(peer: Option<&str>) -> Result<()> {
    let provost = crate::release()?;
    let work = crate::target().join("bench");
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work)?;
    let bench = Bench { provost, home: work.join("home"), peer: peer.map(str::to_owned) };

    let small = work.join("small");
    std::fs::create_dir_all(&small)?;
    bench.prepare(&small)?;
    let ours = measure(20, || bench.ours(&small, &["run", "-q", "--", "true"]))?;
    let theirs = bench.theirs(&small, 3)?;
    row("wrapper, sign and append around `true`", ours, theirs, "20 ms CPU");

    let tree = work.join("tree");
    make_tree(&tree)?;
    bench.prepare(&tree)?;
    let ours = measure(1, || bench.ours(&tree, &["run", "-q", "--", "true"]))?;
    let theirs = bench.theirs(&tree, 1)?;
    row("materials and products of 20,000 files, 205 MB", ours, theirs, "1000 ms CPU");
    let largest = largest_line(&bench.home)?;
    println!("{:<48} {largest} bytes   (bound: 1,048,576)", "largest envelope of those runs");

    let build = work.join("build");
    std::fs::create_dir_all(&build)?;
    bench.prepare(&build)?;
    bench.must(bench.ours(&build, &["run", "-q", "--", "sh", "-c", "echo artifact > app"]))?;
    bench.must(bench.ours(&build, &["bundle", "app"]))?;
    bench.must(bench.ours(&build, &["trust", "list"]))?;
    let ours = measure(20, || bench.ours(&build, &["verify", "app"]))?;
    row("verify one artifact with its evidence file, cold", ours, None, "20 ms");

    let output = Command::new(env!("CARGO"))
        .args(["run", "--release", "--quiet", "--locked", "--package", "provost-evidence", "--example", "append"])
        .arg(work.join("append"))
        .current_dir(crate::root())
        .output()?;
    print!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok(())
}

pub(crate) struct Bench {
    pub(crate) provost: PathBuf,
    pub(crate) home: PathBuf,
    pub(crate) peer: Option<String>,
}

impl Bench {
    pub(crate) fn ours(&self, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.provost);
        command.args(arguments).current_dir(directory).env("PROVOST_HOME", &self.home);
        command
    }

    pub(crate) fn must(&self, mut command: Command) -> Result<()> {
        let output = command.output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn prepare(&self, directory: &Path) -> Result<()> {
        self.must(self.ours(directory, &["init"]))?;
        // Once for the tool chain's digests, which are remembered.
        self.must(self.ours(directory, &["run", "-q", "--", "true"]))
    }

    fn theirs(&self, directory: &Path, repeats: usize) -> Result<Option<(f64, f64)>> {
        let Some(peer) = &self.peer else { return Ok(None) };
        let before = peer_words(peer, self.home.parent().context("no parent")?)?;
        let result = measure(repeats, || {
            let mut command = Command::new(peer);
            command.args(&before[1..]).arg("true").current_dir(directory);
            command
        });
        result.map(Some).context("the peer")
    }
}

/// `in-toto-run` (the program `peer`) with all that comes before the command; its key, which it always signs with, and
/// its links are in `work`.
pub(crate) fn peer_words(peer: &str, work: &Path) -> Result<Vec<String>> {
    let (key, links) = (work.join("key.pem"), work.join("links"));
    std::fs::create_dir_all(&links)?;
    if !key.exists() {
        let made = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&key).output()?;
        if !made.status.success() {
            bail!("openssl could not make a key for the peer");
        }
    }
    let (key, links) = (key.to_string_lossy(), links.to_string_lossy());
    let words = [peer, "-n", "build", "-m", ".", "-p", ".", "--signing-key", &key, "-d", &links, "--"];
    Ok(words.map(str::to_owned).into())
}

/// 20,000 files of 10 KiB in 200 directories, the same at every run.
fn make_tree(root: &Path) -> Result<()> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    for directory in 0..200 {
        let folder = root.join(format!("d{directory:03}"));
        std::fs::create_dir_all(&folder)?;
        for file in 0..100 {
            let bytes: Vec<u8> = (0..1280)
                .flat_map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state.to_le_bytes()
                })
                .collect();
            std::fs::write(folder.join(format!("f{file:03}")), bytes)?;
        }
    }
    Ok(())
}

fn largest_line(home: &Path) -> Result<usize> {
    let mut largest = 0;
    for store in std::fs::read_dir(home.join("stores"))?.flatten() {
        for pack in std::fs::read_dir(store.path().join("packs"))?.flatten() {
            let text = std::fs::read_to_string(pack.path())?;
            largest = largest.max(text.lines().map(str::len).max().unwrap_or(0));
        }
    }
    Ok(largest)
}
