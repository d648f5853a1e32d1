//! The stage on which an attack is run: a home with secrets, a project, the servers, and somebody to attack.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::network::{self, Asked};
use super::table::Attack;

/// How an attack is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Bare,
    Detect,
    Prevent,
}

/// By whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    Root,
    Ordinary,
}

/// What is the same for all attacks.
pub(super) struct Stage {
    folder: tempfile::TempDir,
    asked: Asked,
    users: Vec<User>,
    binary: PathBuf,
}

/// What came of one run.
pub(super) struct Result {
    /// How the attack itself ended.
    pub(super) status: Option<i64>,
    /// How `provost run` ended.
    pub(super) exit: Option<i32>,
    pub(super) observation: Option<serde_json::Value>,
    pub(super) text: String,
    pub(super) project: PathBuf,
    /// How often the name server outside was asked for the name that carries data.
    pub(super) tunnelled: usize,
}

const WON: i64 = 42;
const UNABLE: i64 = 77;

impl Result {
    pub(super) fn won(&self) -> bool {
        self.status == Some(WON)
    }

    pub(super) fn unable(&self) -> bool {
        self.status == Some(UNABLE)
    }

    pub(super) fn list(&self, name: &str) -> Vec<serde_json::Value> {
        let value = self.observation.as_ref().and_then(|o| o.get(name)).and_then(|v| v.as_array());
        value.cloned().unwrap_or_default()
    }

    pub(super) fn coverage(&self, name: &str) -> serde_json::Value {
        self.observation.as_ref().and_then(|o| o.get("coverage")?.get(name)).cloned().unwrap_or_default()
    }

    /// What was recorded, in short.
    pub(super) fn summary(&self) -> String {
        let short =
            |list: Vec<serde_json::Value>| list.iter().take(12).map(|v| format!("    {v}\n")).collect::<String>();
        format!(
            "  status {:?}, exit {:?}\n  violations\n{}  network\n{}  incomplete {}",
            self.status,
            self.exit,
            short(self.list("violations")),
            short(self.list("network")),
            self.coverage("incomplete"),
        )
    }
}

/// Ends with its value.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stage {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("mode");
        // An ordinary user cannot reach the place where this was built.
        let binary = folder.path().join("provost");
        std::fs::copy(env!("CARGO_BIN_EXE_provost"), &binary).expect("the command");
        let attacks = folder.path().join("attacks");
        std::fs::create_dir(&attacks).expect("folder");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks");
        let sources = provost_testkit::files_below(&sources);
        for source in sources.iter().filter(|path| path.extension().is_some_and(|e| e == "c")) {
            let program = attacks.join(source.file_stem().expect("name"));
            let output = Command::new("cc").args(["-O1", "-pthread", "-o"]).arg(&program).arg(source).output();
            let output = output.expect("cc runs");
            assert!(output.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
        }
        let forbidden = folder.path().join("forbidden.c");
        std::fs::write(&forbidden, "int main(void) { return 42; }\n").expect("file");
        let built = Command::new("cc").arg("-o").arg(folder.path().join("forbidden")).arg(&forbidden).status();
        assert!(built.expect("cc runs").success());
        let asked = network::serve();
        let root = nix::unistd::getuid().is_root();
        // Root of a user namespace alone has nobody else to be.
        let whole = std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.contains("4294967295"));
        let switch = Command::new("setpriv").arg("--version").output().is_ok_and(|o| o.status.success());
        let users = match (root && whole, switch) {
            (true, true) => vec![User::Root, User::Ordinary],
            (true, false) => vec![User::Root],
            (false, _) => vec![User::Ordinary],
        };
        Self { folder, asked, users, binary }
    }

    pub(super) fn users(&self) -> Vec<User> {
        self.users.clone()
    }

    /// The second back end, which is built for one kind of machine; as whoever runs the tests.
    pub(super) fn tracing(&self) -> Option<(User, &'static str)> {
        cfg!(target_arch = "x86_64").then(|| (self.users[0], "ptrace"))
    }

    /// A command as one of the users.
    fn command(&self, user: User, words: &[&str]) -> Command {
        let switched = user == User::Ordinary && self.users.len() > 1;
        let before: &[&str] =
            if switched { &["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups", "--"] } else { &[] };
        let all = [before, words].concat();
        let mut command = Command::new(all[0]);
        command.args(&all[1..]);
        command
    }

    /// Runs an attack in a world of its own.
    pub(super) fn run(&self, attack: &Attack, mode: Mode, user: User, back_end: &str) -> Result {
        let name = format!("{}-{mode:?}-{user:?}-{back_end}", attack.name);
        let world = self.folder.path().join(name);
        let home = world.join("home");
        let project = home.join("project");
        for folder in ["project/src", "project/out", ".ssh"] {
            std::fs::create_dir_all(home.join(folder)).expect("folder");
        }
        let write = |path: PathBuf, text: &str| std::fs::write(path, text).expect("file");
        write(project.join("src/main.c"), "int main(void) { return 0; }\n");
        write(home.join(".ssh/id_rsa"), "-----BEGIN KEY-----\nCANARY-of-a-key\n");
        let forbidden = project.join("forbidden");
        std::fs::copy(self.folder.path().join("forbidden"), &forbidden).expect("file");
        // All of it lies in the home: other temporary files are not there for a guarded run.
        let program = project.join("attack");
        std::fs::copy(self.folder.path().join("attacks").join(attack.name), &program).expect("file");
        network::serve_socket_file(&home.join("docker.sock"));
        network::serve_socket_file(&home.join("database.sock"));
        write(project.join("provost.toml"), &self.configuration(attack, mode, &program, &forbidden));
        let provost_home = home.join("provost");
        // The machine's tools are the same in every world: they are hashed once.
        let tools = self.folder.path().join("tools.json");
        std::fs::create_dir_all(provost_home.join("cache")).expect("folder");
        std::fs::set_permissions(&provost_home, std::fs::Permissions::from_mode(0o700)).expect("mode");
        let _ = std::fs::copy(&tools, provost_home.join("cache/tools.json"));
        if user == User::Ordinary && self.users.len() > 1 {
            let done = Command::new("chown").args(["-R", "4242:4242"]).arg(&world).status();
            assert!(done.expect("chown runs").success());
        }
        let target = match attack.target {
            "source" => "src/main.c".to_owned(),
            "secret" => home.join(".ssh/id_rsa").display().to_string(),
            "tool" => forbidden.display().to_string(),
            "docker" => home.join("docker.sock").display().to_string(),
            "database" => home.join("database.sock").display().to_string(),
            other => other.to_owned(),
        };
        let mut victim = None;
        let above = if mode == Mode::Bare {
            let mut sleep = self.command(user, &["sleep", "60"]);
            sleep.env("TOKEN", "CANARY").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let sleep = sleep.spawn();
            let sleep = Victim(sleep.expect("sleep runs"));
            let pid = sleep.0.id().to_string();
            victim = Some(sleep);
            pid
        } else {
            "provost".to_owned()
        };
        let inner: Vec<String> = vec![program.display().to_string(), target, above, provost_home.display().to_string()];
        // A descriptor that somebody left open leads to the secret.
        let script = "exec 7<\"$HOME/.ssh/id_rsa\" && exec \"$@\"";
        let result = world.join("result.json");
        let seen = world.join("observation.json");
        // An attack that hangs its watcher is a complaint, not a test that never ends.
        let mut command = self.command(user, &["timeout", "--signal=KILL", "100", "sh", "-c", script, "sh"]);
        if mode != Mode::Bare {
            command.arg(&self.binary).args(["run", "--quiet", "--observe", back_end, "--time-limit", "60"]);
            command.arg("--json").arg(&result).arg("--observation").arg(&seen).arg("--");
        }
        command
            .args(&inner)
            .current_dir(&project)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home)
            .env("PROVOST_HOME", &provost_home)
            .env("DEPLOY_TOKEN", "CANARY-of-a-token")
            .stdin(Stdio::null());
        if mode == Mode::Bare {
            command.env("RESOLVER", "45.0.0.53");
            std::fs::create_dir_all(provost_home.join("keys")).expect("folder");
        }
        let asked = || {
            let names = self.asked.lock().expect("lock");
            names.iter().filter(|name| name.eq_ignore_ascii_case("c3RvbGVu.evil.test")).count()
        };
        let before = asked();
        let output = command.output().expect("runs");
        let tunnelled = asked() - before;
        if !tools.exists() && mode != Mode::Bare {
            let _ = std::fs::copy(provost_home.join("cache/tools.json"), &tools);
        }
        drop(victim);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let read =
            |path: &Path| -> Option<serde_json::Value> { serde_json::from_slice(&std::fs::read(path).ok()?).ok() };
        let status = match mode {
            Mode::Bare => output.status.code().map(i64::from),
            _ => read(&result).and_then(|result| result.get("ending")?.get("exited")?.as_i64()),
        };
        Result { status, exit: output.status.code(), observation: read(&seen), text, project, tunnelled }
    }

    fn configuration(&self, attack: &Attack, mode: Mode, program: &Path, forbidden: &Path) -> String {
        let digest = |path: &Path| provost_model::sha256(&std::fs::read(path).expect("file")).to_hex();
        let mut text = format!("[guard]\nmode = \"{}\"\n", if mode == Mode::Prevent { "prevent" } else { "detect" });
        text += &attack.guard.replace("NETWORK", network::GUARD);
        text = text.replace("FORBIDDEN", &digest(forbidden));
        if text.contains("ALLOWED") {
            let shell = Path::new("/bin/sh").canonicalize().expect("sh");
            text = text.replace("ALLOWED", &format!("{}\", \"{}", digest(program), digest(&shell)));
        }
        text
    }
}
