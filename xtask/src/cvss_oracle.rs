//! Random CVSS vectors, scored by us and by the Python package `cvss` (Red Hat's): every score has to be the same.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use provost_formats::cvss::{Cvss, Version};

/// Reads vectors from its standard input and writes `base overall` a line, as [`Cvss::base`] and [`Cvss::overall`] mean them.
const ORACLE: &str = r#"
import sys
from cvss import CVSS2, CVSS3, CVSS4
for line in sys.stdin:
    vector = line.strip()
    parts = dict(p.split(":") for p in vector.split("/") if not p.startswith("CVSS"))
    said = lambda names, empty: any(parts.get(n, empty) != empty for n in names)
    if vector.startswith("CVSS:4"):
        base = "/".join(p for p in vector.split("/") if p.split(":")[0] in
            ("CVSS", "AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA"))
        print(CVSS4(base).scores()[0], CVSS4(vector).scores()[0])
    elif vector.startswith("CVSS:3"):
        s = CVSS3(vector).scores()
        environment = ("CR", "IR", "AR", "MAV", "MAC", "MPR", "MUI", "MS", "MC", "MI", "MA")
        print(s[0], s[2] if said(environment, "X") else s[1])
    else:
        s = CVSS2(vector).scores()
        temporal = s[1] if said(("E", "RL", "RC"), "ND") else s[0]
        print(s[0], s[2] if said(("CDP", "TD", "CR", "IR", "AR"), "ND") else temporal)
"#;

/// A generator that gives the same numbers each time (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap_or(0) % limit
    }
}

fn vector(random: &mut Random) -> String {
    let version = [Version::V2, Version::V3_0, Version::V3_1, Version::V4][random.below(4)];
    // Some vectors have the base alone, some all metrics, most some of them.
    let optional = [0, 1, 5, 10][random.below(4)];
    let mut parts = Vec::new();
    for metric in version.metrics() {
        if metric.mandatory || random.below(10) < optional {
            parts.push(format!("{}:{}", metric.name, metric.values[random.below(metric.values.len())]));
        }
    }
    format!("{}{}", version.prefix(), parts.join("/"))
}

/// Compares the scores of `number` vectors.
///
/// # Errors
/// A score differs, or the interpreter fails.
pub(crate) fn run(number: usize) -> Result<()> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let present = Command::new(&python).args(["-c", "import cvss"]).stderr(Stdio::null()).status();
    if !present.is_ok_and(|status| status.success()) {
        println!("skipped: `{python}` does not have the package cvss");
        return Ok(());
    }
    let mut random = Random(0x5eed_cafe_f00d_0001);
    let vectors: Vec<String> = (0..number).map(|_| vector(&mut random)).collect();
    let mut child = Command::new(&python).args(["-c", ORACLE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    let output = child.stdout.take().context("no standard output")?;
    let text = vectors.join("\n");
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let lines: Vec<String> = BufReader::new(output).lines().collect::<std::io::Result<_>>()?;
    writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    if !child.wait()?.success() || lines.len() != number {
        bail!("the oracle gave {} of {number} answers", lines.len());
    }
    let mut differing = 0;
    for (vector, expected) in vectors.iter().zip(&lines) {
        let own: Cvss = vector.parse().with_context(|| vector.clone())?;
        let own = format!("{} {}", own.base(), own.overall());
        if own != *expected {
            differing += 1;
            if differing <= 20 {
                println!("{vector}: {own}, the oracle says {expected}");
            }
        }
    }
    println!("{number} vectors, {differing} differ");
    if differing > 0 {
        bail!("scores differ");
    }
    Ok(())
}
