//! The command as its users run it: a home and a project of its own for each test, real commands, real files.
#![allow(clippy::print_stderr)]

mod attacks;
mod consumer;
mod court;
mod deps;
mod deps_supply;
mod faults;
mod gate;
mod gate_rules;
mod gate_server;
mod gate_steps;
mod gate_time;
mod learn;
mod machines;
mod packs;
mod policy;
mod privilege;
mod repo;
mod repo_servers;
mod run;
mod scan;
mod show;
mod truth;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A user's home and a project with a small C-like build that needs only a shell.
pub(crate) struct World {
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let world = Self { folder };
        std::fs::create_dir_all(world.project().join("src")).expect("folder");
        std::fs::write(world.project().join("src/main.c"), "int main(void) { return 0; }\n").expect("file");
        std::fs::write(
            world.project().join("build.sh"),
            "mkdir -p out && cp src/main.c out/main.o && cat src/main.c build.sh > out/app && chmod +x out/app\n",
        )
        .expect("file");
        world
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.root().join("project")
    }

    pub(crate) fn artifact(&self) -> PathBuf {
        self.project().join("out/app")
    }

    /// The command, with an environment of its own: nothing of the machine's CI or colours leaks in.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_at(&self.root().join("home"), arguments)
    }

    pub(crate) fn command_at(&self, home: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
        command
            .args(arguments)
            .current_dir(self.project())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root())
            .env("PROVOST_HOME", home);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("runs")
    }

    /// Runs and expects an exit status.
    pub(crate) fn expect(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = text_of(&output);
        assert_eq!(output.status.code(), Some(code), "provost {arguments:?}\n{text}");
        text
    }

    /// `init` and a first build.
    pub(crate) fn built(init: &[&str]) -> Self {
        let world = Self::new();
        world.expect(0, &[&["init"], init].concat());
        world.expect(0, &["run", "--", "sh", "build.sh"]);
        world
    }

    pub(crate) fn edit(&self, file: &str, change: impl Fn(String) -> String) {
        let path = self.project().join(file);
        let text = std::fs::read_to_string(&path).expect("file");
        let changed = change(text.clone());
        assert_ne!(changed, text, "the edit of {file} changed nothing");
        std::fs::write(path, changed).expect("written");
    }

    /// The project's store.
    pub(crate) fn store(&self) -> PathBuf {
        let files = provost_testkit::files_below(&self.root().join("home/stores"));
        let format = files.into_iter().find(|p| p.ends_with("format")).expect("store");
        format.parent().expect("folder").to_path_buf()
    }

    /// A copy of the store as it is now.
    pub(crate) fn copy_of_store(&self) -> PathBuf {
        let copy = self.root().join("copy");
        assert!(Command::new("cp").arg("-a").arg(self.store()).arg(&copy).status().expect("cp").success());
        copy
    }

    pub(crate) fn policy_key_id(&self) -> String {
        let text = self.expect(0, &["key", "list"]);
        let line = text.lines().find(|l| l.starts_with("policy")).expect("policy key");
        line.rsplit("sha256:").next().expect("id").trim().to_owned()
    }
}

pub(crate) fn text_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
