//! The tools that are asked: where they are found, and how a batch of questions is put to one.
//!
//! | variable | names |
//! | --- | --- |
//! | `ORACLE_PYTHON` | an interpreter that has `packaging` and `conan` |
//! | `ORACLE_MAVEN` | a class path with `ComparableVersion` |
//! | `ORACLE_COMPOSER` | the sources of composer/semver |
//! | `ORACLE_SEMVER` | npm's `semver` |
//! | `ORACLE_GO` | the go command |
//! | `ORACLE_APK` | the sources of apk-tools |
//! | `ORACLE_OSV` | the sources of osv-scalibr: OSV's own order, where the ecosystem's tool cannot be asked |

use std::cmp::Ordering;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use provost_model::Ecosystem;

/// What is asked.
#[derive(Debug, Clone)]
pub(super) enum Question {
    /// How do two versions stand to each other?
    Compare(String, String),
    /// Is it a version?
    Valid(String),
    /// Does a version, the second, satisfy a requirement, the first?
    Satisfies(String, String),
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Order(Ordering),
    Yes(bool),
    /// One of the two is not understood.
    Refused,
    /// Neither is above the other, nor are they the same.
    Neither,
}

/// Who answers.
enum Asked {
    /// A program that reads lines and writes lines.
    Program(Box<dyn Fn() -> Command>),
    /// Rust.
    Here(fn(&Question) -> Answer),
    /// dpkg, which has to be started for each pair.
    Dpkg,
}

/// How a tool tells what is a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validity {
    /// By refusing to compare it with itself.
    Refuses,
    /// It can be asked.
    Says,
    /// It takes everything.
    Silent,
}

/// A tool.
pub(super) struct Reference {
    /// What it is called.
    pub(super) name: &'static str,
    /// It is asked for the order of versions.
    pub(super) compares: bool,
    /// It is asked about valid versions alone.
    pub(super) valid_only: bool,
    /// It is asked for requirements.
    pub(super) satisfies: bool,
    /// How it tells what is a version.
    pub(super) validity: Validity,
    /// So many questions at most, where it is slow.
    most: usize,
    asked: Asked,
}

impl Reference {
    fn program(name: &'static str, satisfies: bool, command: impl Fn() -> Command + 'static) -> Self {
        let asked = Asked::Program(Box::new(command));
        Self {
            name,
            compares: true,
            valid_only: false,
            satisfies,
            validity: Validity::Refuses,
            most: usize::MAX,
            asked,
        }
    }

    /// Puts questions; gives the tool's version and its answers, fewer than questions where it is slow.
    pub(super) fn ask(&self, questions: &[Question], work: &Path) -> Result<(String, Vec<Answer>)> {
        let questions = &questions[..questions.len().min(self.most)];
        match &self.asked {
            Asked::Here(answer) => Ok((String::new(), questions.iter().map(answer).collect())),
            Asked::Dpkg => Ok((String::new(), questions.iter().map(dpkg).collect::<Result<_>>()?)),
            Asked::Program(command) => self.ask_program(command(), questions, work),
        }
    }

    fn ask_program(&self, mut command: Command, questions: &[Question], work: &Path) -> Result<(String, Vec<Answer>)> {
        let line = |question: &Question| match question {
            Question::Compare(a, b) => format!("c {} {}\n", hex(a), hex(b)),
            Question::Valid(version) if self.validity == Validity::Says => format!("v {} \n", hex(version)),
            Question::Valid(version) => format!("c {0} {0}\n", hex(version)),
            Question::Satisfies(requirement, version) => format!("s {} {}\n", hex(requirement), hex(version)),
        };
        let file = work.join(format!("questions-{}", std::process::id()));
        std::fs::write(&file, questions.iter().map(line).collect::<String>())?;
        let output = command.stdin(File::open(&file)?).stderr(Stdio::inherit()).output().context(self.name)?;
        std::fs::remove_file(&file)?;
        let text = String::from_utf8(output.stdout)?;
        let mut lines = text.lines();
        let version = lines.next().unwrap_or_default().to_owned();
        let answers: Vec<Answer> = lines.zip(questions).map(|(line, question)| self.read(line, question)).collect();
        ensure!(
            answers.len() == questions.len(),
            "{} gave {} answers of {}",
            self.name,
            answers.len(),
            questions.len()
        );
        Ok((version, answers))
    }

    fn read(&self, line: &str, question: &Question) -> Answer {
        let answer = match line {
            "<" => Answer::Order(Ordering::Less),
            "=" => Answer::Order(Ordering::Equal),
            ">" => Answer::Order(Ordering::Greater),
            "t" => Answer::Yes(true),
            "f" => Answer::Yes(false),
            "?" => Answer::Neither,
            _ => Answer::Refused,
        };
        match question {
            Question::Valid(_) if self.validity == Validity::Refuses => Answer::Yes(answer != Answer::Refused),
            _ => answer,
        }
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// What dpkg itself says.
pub(super) fn dpkg(question: &Question) -> Result<Answer> {
    let (a, b) = match question {
        Question::Compare(a, b) => (a, b),
        Question::Valid(version) => {
            let output = Command::new("dpkg").args(["--validate-version", "--", version]).output()?;
            return Ok(Answer::Yes(output.status.success()));
        }
        Question::Satisfies(..) => return Ok(Answer::Refused),
    };
    for (name, order) in [("lt", Ordering::Less), ("eq", Ordering::Equal), ("gt", Ordering::Greater)] {
        let output = Command::new("dpkg").args(["--compare-versions", "--", a, name, b]).output()?;
        if !output.stderr.is_empty() {
            return Ok(Answer::Refused);
        }
        if output.status.success() {
            return Ok(Answer::Order(order));
        }
    }
    Ok(Answer::Refused)
}

/// The crate `semver`, which cargo uses.
fn cargo(question: &Question) -> Answer {
    let read = |text: &str| semver::Version::parse(text).ok();
    match question {
        Question::Compare(a, b) => match (read(a), read(b)) {
            (Some(a), Some(b)) => Answer::Order(a.cmp_precedence(&b)),
            _ => Answer::Refused,
        },
        Question::Valid(version) => Answer::Yes(read(version).is_some()),
        Question::Satisfies(requirement, version) => match (semver::VersionReq::parse(requirement), read(version)) {
            (Ok(requirement), Some(version)) => Answer::Yes(requirement.matches(&version)),
            _ => Answer::Refused,
        },
    }
}

fn variable(name: &str, usual: &[&str]) -> Option<String> {
    std::env::var(name).ok().or_else(|| {
        usual
            .iter()
            .find(|one| one.split(':').all(|path| !path.starts_with('/') || Path::new(path).exists()))
            .map(|one| (*one).to_owned())
    })
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let quiet =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

fn script(name: &str) -> PathBuf {
    crate::root().join("xtask/oracle").join(name)
}

fn command(program: &str, arguments: Vec<String>) -> impl Fn() -> Command + use<> {
    let program = program.to_owned();
    move || {
        let mut command = Command::new(&program);
        command.args(&arguments);
        command
    }
}

/// The tools of an ecosystem that are there.
pub(super) fn references(ecosystem: Ecosystem, work: &Path) -> Result<Vec<Reference>> {
    let path = |name: &str| script(name).display().to_string();
    let mut found = Vec::new();
    match ecosystem {
        Ecosystem::Cargo => found.push(Reference {
            name: "semver 1",
            compares: true,
            valid_only: false,
            satisfies: false,
            validity: Validity::Says,
            most: usize::MAX,
            asked: Asked::Here(cargo),
        }),
        Ecosystem::Npm => {
            let usual = ["/usr/lib/node_modules/npm/node_modules/semver", "/usr/share/nodejs/semver"];
            if let (true, Some(module)) = (runs("node", &["--version"]), variable("ORACLE_SEMVER", &usual)) {
                found.push(Reference::program("node-semver", true, command("node", vec![path("semver.cjs"), module])));
            }
        }
        Ecosystem::PyPi => {
            let python = variable("ORACLE_PYTHON", &["python3"]).unwrap_or_default();
            if runs(&python, &["-c", "import packaging"]) {
                found.push(Reference::program("packaging", true, command(&python, vec![path("pep440.py")])));
            }
            let old = "pip._vendor.packaging";
            for python in [python.as_str(), "python3"] {
                if found.len() < 2 && runs(python, &["-c", &format!("from {old}.version import LegacyVersion")]) {
                    let arguments = vec![path("pep440.py"), old.to_owned()];
                    let mut legacy = Reference::program("packaging (old)", false, command(python, arguments));
                    legacy.validity = Validity::Silent;
                    found.push(legacy);
                }
            }
        }
        Ecosystem::RubyGems if runs("ruby", &["--version"]) => {
            found.push(Reference::program("RubyGems", true, command("ruby", vec![path("gem.rb")])));
        }
        Ecosystem::Maven => {
            let usual = "/usr/share/maven/lib/maven-artifact-3.x.jar:/usr/share/java/commons-lang3.jar";
            if let (true, Some(classes)) = (runs("java", &["--version"]), variable("ORACLE_MAVEN", &[usual])) {
                let arguments = vec!["-cp".to_owned(), classes, path("Maven.java")];
                let maven = Reference::program("maven-artifact", true, command("java", arguments));
                found.push(Reference { validity: Validity::Silent, ..maven });
            }
        }
        Ecosystem::Packagist => {
            let sources = variable("ORACLE_COMPOSER", &["/usr/share/php/Composer/Semver"]);
            if let (true, Some(sources)) = (runs("php", &["--version"]), sources) {
                let arguments = vec![path("composer.php"), sources];
                found.push(Reference::program("composer/semver on PHP", true, command("php", arguments)));
            }
        }
        Ecosystem::Go => found.extend(go(work)?),
        Ecosystem::Deb => {
            if runs("perl", &["-MDpkg::Version", "-e", "1"]) {
                found.push(Reference::program("Dpkg::Version", false, command("perl", vec![path("dpkg.pl")])));
            }
            if runs("dpkg", &["--version"]) {
                found.push(Reference {
                    name: "dpkg",
                    compares: true,
                    valid_only: false,
                    satisfies: false,
                    validity: Validity::Says,
                    most: 5000,
                    asked: Asked::Dpkg,
                });
            }
        }
        Ecosystem::Rpm if runs("rpmlua", &["-e", "print(1)"]) => {
            let rpm = Reference::program("rpm", false, command("rpmlua", vec![path("rpm.lua")]));
            found.push(Reference { validity: Validity::Silent, ..rpm });
        }
        Ecosystem::Apk => found.extend(apk(work)?),
        Ecosystem::Conan => {
            let python = variable("ORACLE_PYTHON", &["python3"]).unwrap_or_default();
            if runs(&python, &["-c", "import conan.tools.scm"]) {
                let conan = Reference::program("conan", false, command(&python, vec![path("conan_version.py")]));
                found.push(Reference { validity: Validity::Silent, ..conan });
            }
        }
        Ecosystem::NuGet => found.extend(osv(work, "NuGet")?),
        Ecosystem::Pub => found.extend(osv(work, "Pub")?),
        Ecosystem::Hex if runs("elixir", &["--version"]) => {
            found.push(Reference::program("Elixir", false, command("elixir", vec![path("hex.exs")])));
        }
        _ => {}
    }
    Ok(found)
}

/// Compiles our few lines with what the toolchain itself carries of `golang.org/x/mod/semver`.
fn go(work: &Path) -> Result<Option<Reference>> {
    let Some(root) = go_root() else { return Ok(None) };
    let source = root.join("src/cmd/vendor/golang.org/x/mod/semver/semver.go");
    let program = go_program(work, "go", "main.go", "semver", &[source])?;
    Ok(program.map(|program| Reference::program("x/mod/semver, go/version of", false, command(&program, Vec::new()))))
}

/// Compiles our few lines with OSV's order.
fn osv(work: &Path, ecosystem: &str) -> Result<Option<Reference>> {
    let Some(sources) = variable("ORACLE_OSV", &[]).map(|path| PathBuf::from(path).join("semantic")) else {
        return Ok(None);
    };
    let entries = std::fs::read_dir(sources)?.flatten().map(|entry| entry.path());
    let is_source = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with(".go") && !name.ends_with("_test.go")
    };
    let program = go_program(work, "osv", "osv.go", "semantic", &entries.filter(is_source).collect::<Vec<_>>())?;
    Ok(program.map(|program| {
        let osv = Reference::program("osv-scalibr", false, command(&program, vec![ecosystem.to_owned()]));
        Reference { validity: Validity::Silent, valid_only: true, ..osv }
    }))
}

fn go_command() -> String {
    variable("ORACLE_GO", &["go"]).unwrap_or_default()
}

fn go_root() -> Option<PathBuf> {
    let output = Command::new(go_command()).args(["env", "GOROOT"]).output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// Makes a program of our file and a package of files that lie elsewhere.
fn go_program(work: &Path, name: &str, main: &str, package: &str, files: &[PathBuf]) -> Result<Option<String>> {
    if go_root().is_none() || files.is_empty() || !files.iter().all(|file| file.exists()) {
        return Ok(None);
    }
    let module = work.join(name);
    std::fs::create_dir_all(module.join(package))?;
    for file in files {
        std::fs::copy(file, module.join(package).join(file.file_name().unwrap_or_default()))?;
    }
    std::fs::copy(script(main), module.join("main.go"))?;
    std::fs::write(module.join("go.mod"), "module oracle\n\ngo 1.24\n")?;
    let status = Command::new(go_command()).args(["build", "-o", "oracle", "."]).current_dir(&module).status()?;
    ensure!(status.success(), "{main} does not compile");
    Ok(Some(module.join("oracle").display().to_string()))
}

/// Compiles our few lines with the sources of apk-tools.
fn apk(work: &Path) -> Result<Option<Reference>> {
    let Some(sources) = variable("ORACLE_APK", &[]).map(PathBuf::from) else { return Ok(None) };
    let version = std::fs::read_to_string(sources.join("VERSION")).unwrap_or_default();
    let program = work.join("apk");
    let status = Command::new("cc")
        .args(["-O1", "-w", "-D_GNU_SOURCE", "-ffunction-sections", "-Wl,--gc-sections", "-include", "stdint.h"])
        .arg(format!("-DORACLE_VERSION=\"{}\"", version.trim()))
        .arg("-I")
        .arg(sources.join("src"))
        .arg(script("apk.c"))
        .args(["version.c", "blob.c", "ctype.c"].map(|file| sources.join("src").join(file)))
        .arg("-o")
        .arg(&program)
        .status()?;
    ensure!(status.success(), "the C program does not compile");
    let mut apk = Reference::program("apk-tools", false, command(&program.display().to_string(), Vec::new()));
    apk.validity = Validity::Says;
    Ok(Some(apk))
}
