//! What the gate costs: an ordinary push with and without the hooks, a decision on a large change, and the verification of
//! many signed commits from the beginning and after one more push.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// A team with a server, both new.
fn team() -> Result<Team> {
    let work = crate::target().join("gate-bench");
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work)?;
    let team = Team { provost: crate::release()?, work: std::fs::canonicalize(&work)? };
    team.set_up()?;
    Ok(team)
}

/// What an ordinary push costs when the log knows many commits: `commits` without signatures, pushed a thousand at a time to
/// a ref that asks for none.
///
/// # Errors
/// A command failed.
pub(crate) fn run_known(commits: usize) -> Result<()> {
    let team = team()?;
    let clone = team.work.join("ada");
    let without = team.pushes(&clone, "plain.git", 15)?;
    let with = team.pushes(&clone, "shop.git", 15)?;
    println!(
        "an ordinary push (one signed commit), median of 15: with the hooks {with:.0} ms, git alone {without:.0} ms"
    );
    let begun = Instant::now();
    team.bulk(&clone, commits)?;
    println!("  {commits} commits pushed in {:.0} s", begun.elapsed().as_secs_f64());
    let with = team.pushes(&clone, "shop.git", 15)?;
    println!("then: with the hooks {with:.0} ms, {:.0} ms more than git alone", with - without);
    Ok(())
}

/// Measures; `commits` are signed and pushed in parts of a hundred, `files` are changed by one proposal.
///
/// # Errors
/// A command failed.
pub(crate) fn run(commits: usize, files: usize) -> Result<()> {
    let team = team()?;
    let clone = team.work.join("ada");
    println!("an ordinary push (one signed commit), median of 15:");
    let with = team.pushes(&clone, "shop.git", 15)?;
    let without = team.pushes(&clone, "plain.git", 15)?;
    println!("  with the hooks {with:.0} ms, git alone {without:.0} ms: {:.0} ms more", with - without);
    println!("a decision on a change of {files} files, median of 7:");
    println!("  {:.0} ms", team.decision(&clone, files)?);
    println!("{commits} signed commits, pushed in parts of 100:");
    let begun = Instant::now();
    team.grow(&clone, commits)?;
    println!("  made and pushed in {:.0} s", begun.elapsed().as_secs_f64());
    team.verify("from the beginning", true)?;
    team.one_more(&clone)?;
    team.verify("after one more push", false)?;
    team.verify("again, nothing new", false)?;
    let with = team.pushes(&clone, "shop.git", 15)?;
    println!("an ordinary push then: {with:.0} ms with the hooks");
    Ok(())
}

struct Team {
    provost: PathBuf,
    work: PathBuf,
}

fn must(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{:?} cannot be run", command.get_program()))?;
    if !output.status.success() {
        bail!("{command:?}\n{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

impl Team {
    fn command(&self, program: &Path, at: &Path, home: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(at)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.work)
            .env("PROVOST_PERSON", "ada")
            .env("PROVOST_HOME", self.work.join(home));
        command
    }

    fn git(&self, at: &Path, arguments: &[&str]) -> Result<String> {
        must(self.command(Path::new("git"), at, "reader").args(arguments))
    }

    fn provost(&self, home: &str, arguments: &[&str]) -> Result<String> {
        must(self.command(&self.provost, &self.work, home).args(arguments))
    }

    fn set_up(&self) -> Result<()> {
        let work = &self.work;
        for (name, value) in [("user.name", "ada"), ("user.email", "ada@x.test"), ("gpg.format", "ssh")] {
            self.git(work, &["config", "--global", name, value])?;
        }
        must(
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f"]).arg(work.join("key")),
        )?;
        self.git(work, &["config", "--global", "user.signingKey", &work.join("key.pub").display().to_string()])?;
        self.git(work, &["init", "-q", "--bare", "-b", "main", "shop.git"])?;
        self.git(work, &["init", "-q", "--bare", "-b", "main", "plain.git"])?;
        let output = self.command(&self.provost, work, "server").args(["repo", "init", "shop.git"]).output()?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let (from, to) = (told.find("[[functionary]]"), told.find("then sign it"));
        let (Some(from), Some(to)) = (from, to) else { bail!("{told}") };
        let key = std::fs::read_to_string(work.join("key.pub"))?;
        let policy = format!(
            "version = 1\nname = \"shop\"\nserial = 1\nexpires = \"2100-01-01T00:00:00Z\"\n{}\n\
             [[person]]\nname = \"ada\"\nkeys = [\"{}\"]\nemails = [\"ada@x.test\"]\nroles = [\"maintainer\"]\n\
             [[access]]\nwho = [\"maintainer\"]\nrefs = [\"refs/**\"]\nmay = [\"read\", \"create\", \"update\"]\n\
             [[protect]]\nname = \"all\"\nrefs = [\"refs/heads/**\"]\nfast-forward = true\nsigned-commits = true\n\
             max-file-bytes = 10000000\nforbidden-names = [\"*.pem\", \"*.p12\"]\n\
             [[protect]]\nname = \"ci\"\nrefs = [\"refs/heads/**\"]\nkinds = [\"ci-configuration\", \"binary\", \"bidi\"]\ndeny = true\n\
             [[protect]]\nname = \"bulk\"\nrefs = [\"refs/bulk/**\"]\nfast-forward = true\n",
            told.get(from..to).unwrap_or_default(),
            key.trim()
        );
        std::fs::write(work.join("policy.toml"), policy)?;
        let curve = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
        must(Command::new("openssl").args(curve).arg(work.join("policy.key")))?;
        must(
            Command::new("openssl")
                .args(["pkey", "-pubout", "-in"])
                .arg(work.join("policy.key"))
                .arg("-out")
                .arg(work.join("policy.pub")),
        )?;
        self.provost("policy", &["policy", "sign", "policy.toml", "--key", "policy.key", "-o", "policy.dsse.json"])?;
        self.provost("server", &["repo", "policy", "shop.git", "policy.dsse.json", "--policy-key", "policy.pub"])?;
        self.git(work, &["clone", "-q", "shop.git", "ada"])?;
        let clone = work.join("ada");
        self.git(&clone, &["checkout", "-q", "-b", "main"])?;
        self.git(&clone, &["remote", "add", "plain", &work.join("plain.git").display().to_string()])?;
        for n in 0..200 {
            std::fs::create_dir_all(clone.join(format!("src/d{}", n % 20)))?;
            std::fs::write(clone.join(format!("src/d{}/f{n}.txt", n % 20)), format!("{n}\n").repeat(50))?;
        }
        self.git(&clone, &["add", "."])?;
        self.git(&clone, &["commit", "-q", "-S", "-m", "begin"])?;
        self.git(&clone, &["push", "-q", "origin", "main"])?;
        self.git(&clone, &["push", "-q", "plain", "main"])?;
        Ok(())
    }

    fn commit(&self, clone: &Path, text: &str) -> Result<()> {
        std::fs::write(clone.join("src/changed.txt"), text)?;
        self.git(clone, &["add", "src/changed.txt"])?;
        self.git(clone, &["commit", "-q", "-S", "-m", text])?;
        Ok(())
    }

    fn pushes(&self, clone: &Path, to: &str, rounds: usize) -> Result<f64> {
        let to = self.work.join(to).display().to_string();
        let mut times = Vec::new();
        for round in 0..rounds {
            self.commit(clone, &format!("{to} {round} {}", std::process::id()))?;
            let begun = Instant::now();
            self.git(clone, &["push", "-q", &to, "main"])?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        // Both repositories hold the same again, for whatever is measured next.
        self.git(clone, &["push", "-q", "plain", "main"])?;
        self.git(clone, &["push", "-q", "origin", "main"])?;
        Ok(median(times))
    }

    fn decision(&self, clone: &Path, files: usize) -> Result<f64> {
        self.git(clone, &["checkout", "-q", "-b", "large"])?;
        for n in 0..files {
            std::fs::create_dir_all(clone.join(format!("new/d{}", n % 50)))?;
            std::fs::write(clone.join(format!("new/d{}/f{n}.rs", n % 50)), format!("fn f{n}() {{}}\n").repeat(60))?;
        }
        self.git(clone, &["add", "."])?;
        self.git(clone, &["commit", "-q", "-S", "-m", "large"])?;
        let policy = self.work.join("policy.dsse.json").display().to_string();
        let key = self.work.join("policy.pub").display().to_string();
        self.command(&self.provost, clone, "reader").args(["trust", "add", &key]).output()?;
        let mut times = Vec::new();
        for _ in 0..7 {
            let begun = Instant::now();
            let output = self
                .command(&self.provost, clone, "reader")
                .args([
                    "gate",
                    "--base",
                    "main",
                    "--head",
                    "large",
                    "--onto",
                    "refs/heads/main",
                    "--policy",
                    &policy,
                    "--no-attest",
                ])
                .output()?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
            if output.status.code() != Some(0) {
                bail!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            }
        }
        self.git(clone, &["checkout", "-q", "main"])?;
        Ok(median(times))
    }

    /// Commits with the same tree are as many signatures, and do not make git itself the thing that is measured.
    fn grow(&self, clone: &Path, commits: usize) -> Result<()> {
        let mut tip = self.git(clone, &["rev-parse", "main"])?;
        let tree = self.git(clone, &["rev-parse", "main^{tree}"])?;
        for n in 1..=commits {
            let message = format!("commit {n}");
            tip = self.git(clone, &["commit-tree", "-S", "-p", &tip, "-m", &message, &tree])?;
            if n % 100 == 0 || n == commits {
                self.git(clone, &["update-ref", "refs/heads/main", &tip])?;
                self.git(clone, &["push", "-q", "origin", "main"])?;
            }
        }
        self.git(clone, &["reset", "-q", "--hard", "main"])?;
        Ok(())
    }

    fn bulk(&self, clone: &Path, commits: usize) -> Result<()> {
        use std::io::Write as _;
        let mut import = self
            .command(Path::new("git"), clone, "reader")
            .args(["fast-import", "--quiet"])
            .stdin(std::process::Stdio::piped())
            .spawn()?;
        let mut stream = std::io::BufWriter::new(import.stdin.take().context("git fast-import takes no input")?);
        for n in 1..=commits {
            let from = if n == 1 { "from refs/heads/main^0\n" } else { "" };
            let message = format!("commit {n}");
            let (length, time) = (message.len(), 1_700_000_000 + n);
            write!(
                stream,
                "commit refs/bulk/x\ncommitter ada <ada@x.test> {time} +0000\ndata {length}\n{message}\n{from}\n"
            )?;
        }
        stream.flush()?;
        drop(stream);
        if !import.wait()?.success() {
            bail!("git fast-import failed");
        }
        let all = self.git(clone, &["rev-list", "--reverse", "main..refs/bulk/x"])?;
        let all: Vec<&str> = all.lines().collect();
        for part in all.chunks(1000) {
            let Some(last) = part.last() else { break };
            self.git(clone, &["push", "-q", "origin", &format!("{last}:refs/bulk/x")])?;
        }
        Ok(())
    }

    fn one_more(&self, clone: &Path) -> Result<()> {
        self.commit(clone, "one more")?;
        self.git(clone, &["push", "-q", "origin", "main"])?;
        Ok(())
    }

    fn verify(&self, what: &str, from_start: bool) -> Result<()> {
        let reader = self.work.join("reader-clone");
        if !reader.exists() {
            self.git(&self.work, &["clone", "-q", "shop.git", "reader-clone"])?;
        }
        self.git(
            &reader,
            &["fetch", "-q", "origin", "+refs/provost/*:refs/provost/*", "+refs/heads/*:refs/remotes/origin/*"],
        )?;
        let key = self.work.join("policy.pub").display().to_string();
        let mut arguments = vec!["repo", "verify", "--policy-key", &key];
        if from_start {
            arguments.push("--from-start");
        }
        let begun = Instant::now();
        let output = self.command(&self.provost, &reader, "reader").args(&arguments).output()?;
        let seconds = begun.elapsed().as_secs_f64();
        if output.status.code() != Some(0) {
            bail!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        }
        println!("  verified {what}: {seconds:.2} s");
        Ok(())
    }
}
