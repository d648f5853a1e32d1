//! A repository with a server, two maintainers and others with real SSH keys, and a CI machine whose key gives verdicts.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use provost_attest::{Envelope, EnvelopeSignature, IN_TOTO_PAYLOAD, pae};
use provost_evidence::{NewRecord, Store};
use provost_gate::{APPROVAL_NAMESPACE, Approval, ApprovalDecision, Binding};
use provost_keys::{PrivateKey, Signer as _, ssh::SshSigner};
use provost_model::Timestamp;
use serde_json::Value;

use crate::text_of;

/// One rule: somebody else has to approve.
pub(crate) const CODE: &str = r#"
[[protect]]
name = "code"
refs = ["refs/heads/main"]
approvals = 1
by = ["maintainer"]
"#;

/// People of the policy, with their roles. Mallory is in none.
const PEOPLE: &[(&str, &str)] = &[
    ("ada", r#"roles = ["maintainer"]"#),
    ("bob", r#"roles = ["maintainer"]"#),
    ("cyd", r#"roles = ["maintainer"]"#),
    ("root", r#"roles = ["admin"]"#),
    ("robot", "roles = [\"maintainer\"]\nbot = true"),
];

pub(crate) struct Court {
    folder: tempfile::TempDir,
}

pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("clock");
    Timestamp::from_milliseconds(i64::try_from(since.as_millis()).expect("time"))
}

pub(crate) const HOUR: i64 = 3_600_000;

impl Court {
    /// A repository whose policy has these rules.
    pub(crate) fn new(rules: &str) -> Self {
        let court = Self { folder: tempfile::tempdir().expect("folder") };
        let run = |command: &mut Command| {
            let output = command.output().expect("runs");
            assert!(output.status.success(), "{}", text_of(&output));
        };
        for name in ["ada", "bob", "cyd", "root", "robot", "mallory", "ci"] {
            std::fs::create_dir_all(court.home(name)).expect("folder");
            let key = court.key(name);
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&key));
            court.git_at(name, &court.home(name), &["config", "--global", "user.name", name]);
            court.git_at(
                name,
                &court.home(name),
                &["config", "--global", "user.email", &format!("{name}@example.com")],
            );
            court.git_at(name, &court.home(name), &["config", "--global", "gpg.format", "ssh"]);
            let file = key.display().to_string();
            court.git_at(name, &court.home(name), &["config", "--global", "user.signingKey", &file]);
            court.git_at(name, &court.home(name), &["config", "--global", "init.defaultBranch", "main"]);
        }
        court.git_at("ci", court.root(), &["init", "-q", "--bare", "server.git"]);
        court.git_at("ci", court.root(), &["clone", "-q", "server.git", "ci"]);
        court.write("ci", "src/main.c", "int main(void) { return 0; }\n");
        court.expect("ci", 0, &["init"]);
        let mut text = std::fs::read_to_string(court.clone_of("ci").join(".provost/policy.toml")).expect("policy");
        for (name, more) in PEOPLE {
            let public = std::fs::read_to_string(court.key(name).with_extension("pub")).expect("key");
            let public = public.trim();
            text += &format!(
                "\n[[person]]\nname = \"{name}\"\nkeys = [\"{public}\"]\nemails = [\"{name}@example.com\"]\naccounts = [\"github:{name}\", \"github:{name}-work\", \"neutral:{name}\"]\n{more}\n"
            );
        }
        text +=
            "\n[repository]\nname = \"shop\"\nuri = \"git+https://git.example.com/shop\"\nservers = [\"builder\"]\n";
        text += "\n[gate]\nfunctionaries = [\"builder\"]\n";
        text += rules;
        court.write("ci", ".provost/policy.toml", &text);
        court.sign_policy();
        court.git("ci", &["add", "-A"]);
        court.git("ci", &["commit", "-q", "-m", "First"]);
        court.git("ci", &["push", "-q", "origin", "main"]);
        for name in ["ada", "bob", "cyd", "root", "robot", "mallory"] {
            court.git_at(name, court.root(), &["clone", "-q", "server.git", name]);
            let key = court.clone_of("ci").join(".provost/keys/policy.pub").display().to_string();
            court.expect(name, 0, &["trust", "add", &key]);
        }
        court
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn home(&self, who: &str) -> PathBuf {
        self.root().join("homes").join(who)
    }

    pub(crate) fn key(&self, who: &str) -> PathBuf {
        self.home(who).join("key")
    }

    pub(crate) fn clone_of(&self, who: &str) -> PathBuf {
        self.root().join(who)
    }

    fn environment(&self, who: &str, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home(who))
            .env("PROVOST_HOME", self.home(who).join("provost"))
            .env("GIT_CONFIG_NOSYSTEM", "1");
    }

    pub(crate) fn git_command(&self, who: &str, at: &Path) -> Command {
        let mut command = Command::new("git");
        command.current_dir(at);
        self.environment(who, &mut command);
        command
    }

    fn git_at(&self, who: &str, at: &Path, arguments: &[&str]) -> String {
        let output = self.git_command(who, at).args(arguments).output().expect("git runs");
        assert!(output.status.success(), "git {arguments:?}\n{}", text_of(&output));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    pub(crate) fn git(&self, who: &str, arguments: &[&str]) -> String {
        self.git_at(who, &self.clone_of(who), arguments)
    }

    pub(crate) fn command(&self, who: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
        command.args(arguments).current_dir(self.clone_of(who));
        self.environment(who, &mut command);
        command
    }

    pub(crate) fn output(&self, who: &str, arguments: &[&str]) -> Output {
        self.command(who, arguments).output().expect("runs")
    }

    pub(crate) fn expect(&self, who: &str, code: i32, arguments: &[&str]) -> String {
        let output = self.output(who, arguments);
        let text = text_of(&output);
        assert_eq!(output.status.code(), Some(code), "{who}: provost {arguments:?}\n{text}");
        text
    }

    pub(crate) fn write(&self, who: &str, file: &str, text: &str) {
        let path = self.clone_of(who).join(file);
        std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        std::fs::write(path, text).expect("written");
    }

    /// Signs the policy of the CI machine's clone, with the next serial.
    fn sign_policy(&self) {
        let path = self.clone_of("ci").join(".provost/policy.toml");
        let text = std::fs::read_to_string(&path).expect("policy");
        let serial: u64 = text
            .lines()
            .find_map(|line| line.strip_prefix("serial = "))
            .and_then(|serial| serial.parse().ok())
            .expect("serial");
        let text = text.replace(&format!("serial = {serial}"), &format!("serial = {}", serial + 1));
        std::fs::write(&path, text).expect("written");
        self.expect("ci", 0, &["policy", "sign"]);
    }

    /// Changes the policy on main.
    pub(crate) fn change_policy(&self, change: impl Fn(&str) -> String) {
        self.git("ci", &["switch", "-q", "main"]);
        let path = self.clone_of("ci").join(".provost/policy.toml");
        let text = std::fs::read_to_string(&path).expect("policy");
        let changed = change(&text);
        assert_ne!(text, changed);
        std::fs::write(&path, changed).expect("written");
        self.sign_policy();
        self.git("ci", &["commit", "-q", "-am", "Policy"]);
        self.git("ci", &["push", "-q", "origin", "main"]);
    }

    /// Commits a file on the branch that is checked out, signed with the person's own key.
    pub(crate) fn commit(&self, who: &str, file: &str, text: &str) -> String {
        self.write(who, file, text);
        self.git(who, &["add", "-A"]);
        self.git(who, &["commit", "-q", "-S", "-m", &format!("Change {file}")]);
        self.git(who, &["rev-parse", "HEAD"])
    }

    /// A branch `topic` with one commit of someone's, on the server.
    pub(crate) fn topic(&self, who: &str, file: &str, text: &str) -> String {
        self.git(who, &["switch", "-q", "-c", "topic", "origin/main"]);
        let head = self.commit(who, file, text);
        self.push(who);
        head
    }

    pub(crate) fn push(&self, who: &str) {
        self.git(who, &["push", "-q", "-f", "origin", "HEAD:refs/heads/topic"]);
    }

    pub(crate) fn fetch(&self, who: &str) {
        self.git(
            who,
            &["fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/provost/*:refs/provost/*"],
        );
    }

    /// Someone approves the topic, and hands it in.
    pub(crate) fn approve(&self, who: &str, more: &[&str]) -> String {
        self.fetch(who);
        self.expect(
            who,
            0,
            &[&["approve", "origin/topic", "--onto", "main", "--yes", "--push", "origin"], more].concat(),
        )
    }

    /// The CI machine judges the topic.
    pub(crate) fn judge(&self, more: &[&str]) -> Value {
        self.fetch("ci");
        self.judge_as_it_is("origin/topic", more)
    }

    pub(crate) fn judge_as_it_is(&self, head: &str, more: &[&str]) -> Value {
        let arguments = [&["gate", "--head", head, "--onto", "main", "--format", "json"], more].concat();
        let output = self.output("ci", &arguments);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text_of(&output)));
        let allowed = value["answer"] == "allow";
        assert_eq!(output.status.code(), Some(i32::from(!allowed)), "{}", text_of(&output));
        value
    }

    /// A signed decision that `approve` would not have made.
    pub(crate) fn craft(&self, who: &str, judged: &Value, change: impl Fn(&mut Approval)) -> PathBuf {
        let of: Binding = serde_json::from_value(judged["proposal"].clone()).expect("binding");
        let mut approval = Approval {
            decision: ApprovalDecision::Approve,
            of,
            merge_base: None,
            withdraws: None,
            signed_on: now(),
            expires: None,
            comment: String::new(),
        };
        change(&mut approval);
        let signer = SshSigner::open(&self.key(who), None).expect("key");
        let payload = approval.statement().expect("statement").to_bytes().expect("bytes");
        let signature = signer.sign(APPROVAL_NAMESPACE, &pae(IN_TOTO_PAYLOAD, &payload)).expect("signed");
        let signature = EnvelopeSignature { key_id: None, signature: signature.to_bytes().to_vec(), chain: Vec::new() };
        let envelope = Envelope::from_signature(IN_TOTO_PAYLOAD, payload, signature);
        let path = self.root().join(format!("{}.json", envelope.digest()));
        std::fs::write(&path, envelope.to_json()).expect("written");
        path
    }

    /// The CI machine's store and keys.
    pub(crate) fn store(&self) -> (Store, PrivateKey, PrivateKey) {
        let below = |name: &str| {
            let files = provost_testkit::files_below(&self.home("ci").join("provost"));
            files.into_iter().find(|path| path.ends_with(name)).unwrap_or_else(|| panic!("{name}"))
        };
        let key = |name: &str| {
            let text = std::fs::read_to_string(below(name)).expect("key");
            PrivateKey::from_pem(&text, None).expect("key")
        };
        let format = below("format");
        let store = Store::open(format.parent().expect("folder")).expect("store");
        (store, key("builder.key"), key("log.key"))
    }

    /// Puts a statement into the log, signed by the CI machine or by someone else.
    pub(crate) fn log(&self, statement: &provost_attest::Statement, stranger: bool) -> u64 {
        let (store, builder, log) = self.store();
        let signer =
            if stranger { PrivateKey::generate(provost_keys::KeyAlgorithm::EcdsaP256).expect("key") } else { builder };
        let envelope = statement.sign(&signer).expect("signed");
        let record = NewRecord { envelope, key: signer.public_key().clone() };
        store.append(&[record], &log).expect("logged")[0].index
    }
}

/// The reason that a rule gives.
pub(crate) fn reason(judged: &Value, rule: &str) -> String {
    let rules = judged["rules"].as_array().expect("rules");
    let found: Vec<&str> =
        rules.iter().filter(|one| one["rule"] == rule).filter_map(|one| one["reason"].as_str()).collect();
    assert!(!found.is_empty(), "no rule {rule} in {judged:#}");
    found.join("; ")
}

/// Why someone's approval does not count.
pub(crate) fn stale(judged: &Value, person: &str) -> String {
    let stale = judged["stale"].as_array().expect("stale");
    let found = stale.iter().find(|one| one["person"] == person);
    found.unwrap_or_else(|| panic!("nothing stale of {person} in {judged:#}"))["why"].as_str().expect("why").to_owned()
}
