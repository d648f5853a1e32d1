//! A served repository as its users meet it: real keys, a signed policy, ordinary git, hooks that git runs.

mod access;
mod client;
mod concurrent;
mod packs;
mod rules;
mod verify;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use provost_attest::{Envelope, EnvelopeSignature};
use provost_gate::{APPROVAL_NAMESPACE, Approval, ApprovalDecision, Binding, Target};
use provost_keys::ssh::SshSigner;
use provost_keys::{KeyAlgorithm, PrivateKey, Signer as _};
use provost_model::{Timestamp, sha256};

/// A server, a policy, and people with clones.
pub(crate) struct Team {
    folder: tempfile::TempDir,
    head: String,
    serial: std::cell::Cell<u64>,
    policy_text: std::cell::RefCell<String>,
    sha256: bool,
}

/// Persons of every test, with what the policy says of each beside name and key.
pub(crate) const PEOPLE: &[(&str, &str)] = &[
    ("ada", "roles = [\"maintainer\"]"),
    ("bob", "roles = [\"maintainer\"]"),
    ("cyd", "roles = [\"developer\"]"),
    ("eve", "roles = [\"guest\"]"),
    ("expired", "roles = [\"maintainer\"]\nnot-after = \"2020-01-01T00:00:00Z\""),
    ("early", "roles = [\"maintainer\"]\nnot-before = \"2999-01-01T00:00:00Z\""),
    ("revoked", "roles = [\"maintainer\"]\nrevoked-at = \"2020-01-01T00:00:00Z\""),
];

/// Everyone reads, maintainers do everything, developers make topics.
pub(crate) const ACCESS: &str = r#"
[[access]]
who = ["maintainer"]
refs = ["refs/heads/**", "refs/tags/**"]
may = ["read", "create", "update", "force", "delete"]
[[access]]
who = ["developer"]
refs = ["refs/heads/topic/**"]
may = ["create", "update"]
[[access]]
who = ["anyone"]
refs = ["refs/**"]
may = ["read"]
"#;

/// Every path of every ref is spoken of.
pub(crate) const OPEN: &str = "[[protect]]\nname = \"all\"\nrefs = [\"refs/**\"]\n";

impl Team {
    /// A served repository with a policy in force: the people above, and what is given.
    pub(crate) fn new(policy: &str) -> Self {
        Self::of(policy, false)
    }

    pub(crate) fn of(policy: &str, sha256: bool) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let mut team =
            Self { folder, head: String::new(), serial: 0.into(), policy_text: String::new().into(), sha256 };
        std::fs::create_dir_all(team.root().join("srv")).expect("folder");
        std::fs::create_dir_all(team.root().join("keys")).expect("folder");
        let mut head = String::new();
        for (name, more) in PEOPLE {
            let key = team.key(name);
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&key).status();
            assert!(made.expect("ssh-keygen").success());
            let line = std::fs::read_to_string(key.with_extension("pub")).expect("key");
            head.push_str(&format!(
                "[[person]]\nname = \"{name}\"\nkeys = [\"{}\"]\nemails = [\"{name}@x.test\"]\naccounts = [\"http:{name}\"]\n{more}\n",
                line.trim()
            ));
        }
        // A key that the policy does not name.
        let key = team.key("stranger");
        assert!(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(key)
                .status()
                .expect("keygen")
                .success()
        );
        let format = if sha256 { "--object-format=sha256" } else { "--object-format=sha1" };
        let bare = team.bare();
        let made = team.git_at(
            team.root(),
            "ada",
            &["init", "-q", "--bare", "-b", "main", format, &bare.display().to_string()],
        );
        assert!(made.status.success(), "{}", super::text_of(&made));
        let policy_key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
        std::fs::write(team.root().join("policy.pub"), policy_key.public_key().to_pem()).expect("written");
        let pem = policy_key.to_pem(None).expect("pem");
        std::fs::write(team.root().join("policy.key"), pem.as_bytes()).expect("written");
        std::os::unix::fs::chown(team.root().join("policy.key"), None, None).expect("own");
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(team.root().join("policy.key"), std::fs::Permissions::from_mode(0o600)).expect("mode");
        let output = team.provost(&["repo", "init", &bare.display().to_string()]);
        let text = super::text_of(&output);
        assert!(output.status.success(), "{text}");
        let from = text.find("[[functionary]]").expect("snippet");
        let to = text[from..].find("servers = [\"git-server\"]").expect("snippet") + from;
        team.head = format!("{}servers = [\"git-server\"]\n{head}", &text[from..to]);
        team.policy(policy);
        team
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    pub(crate) fn srv(&self) -> PathBuf {
        self.root().join("srv")
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.srv().join("shop.git")
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.root().join("keys").join(name)
    }

    pub(crate) fn clone_of(&self, name: &str) -> PathBuf {
        self.root().join("clones").join(name)
    }

    /// The text of the policy in force.
    pub(crate) fn policy_text(&self) -> String {
        self.policy_text.borrow().clone()
    }

    /// Writes and signs a policy, without installing it.
    pub(crate) fn sign(&self, text: &str, key: &Path) -> PathBuf {
        let source = self.root().join("policy.toml");
        std::fs::write(&source, text).expect("written");
        let out = self.root().join("policy.dsse.json");
        let _ = std::fs::remove_file(&out);
        let path = |path: &Path| path.display().to_string();
        let signed = self.provost(&["policy", "sign", &path(&source), "--key", &path(key), "-o", &path(&out)]);
        assert!(signed.status.success(), "{}", super::text_of(&signed));
        out
    }

    /// The whole text of the next policy.
    pub(crate) fn next_text(&self, rest: &str) -> String {
        self.serial.set(self.serial.get() + 1);
        format!(
            "version = 1\nname = \"shop\"\nserial = {}\nexpires = \"2999-01-01T00:00:00Z\"\n{}{rest}",
            self.serial.get(),
            self.head
        )
    }

    /// Puts the next policy into force.
    pub(crate) fn policy(&self, rest: &str) {
        let first = self.serial.get() == 0;
        let text = self.next_text(rest);
        let signed = self.sign(&text, &self.root().join("policy.key"));
        let (bare, signed) = (self.bare().display().to_string(), signed.display().to_string());
        let key = self.root().join("policy.pub").display().to_string();
        let mut arguments = vec!["repo", "policy", &bare, &signed];
        if first {
            arguments.extend(["--policy-key", &key]);
        }
        let output = self.provost(&arguments);
        assert!(output.status.success(), "{}", super::text_of(&output));
        *self.policy_text.borrow_mut() = text;
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root())
            .env("PROVOST_HOME", self.home())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .current_dir(self.root());
        command
    }

    /// The command, on the server.
    pub(crate) fn provost(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_provost"));
        command.args(arguments);
        bounded(command)
    }

    /// git, as somebody whom the server let in.
    pub(crate) fn git_command(&self, directory: &Path, who: &str, arguments: &[&str]) -> Command {
        let mut command = self.command("git");
        command.args(arguments).current_dir(directory).env("PROVOST_PERSON", who);
        command
    }

    pub(crate) fn git_at(&self, directory: &Path, who: &str, arguments: &[&str]) -> Output {
        bounded(self.git_command(directory, who, arguments))
    }

    /// git in somebody's clone; it has to succeed.
    pub(crate) fn git(&self, who: &str, arguments: &[&str]) -> String {
        let output = self.git_at(&self.clone_of(who), who, arguments);
        assert!(output.status.success(), "{who}: git {arguments:?}\n{}", super::text_of(&output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// git on the server's repository, past every hook.
    pub(crate) fn server_git(&self, arguments: &[&str]) -> String {
        let output = self.git_at(&self.bare(), "nobody", arguments);
        assert!(output.status.success(), "git {arguments:?}\n{}", super::text_of(&output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What a ref of the server holds.
    pub(crate) fn at(&self, reference: &str) -> Option<String> {
        let output = self.git_at(&self.bare(), "nobody", &["rev-parse", "-q", "--verify", reference]);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// A clone with the keys and name of a person.
    pub(crate) fn clone(&self, who: &str) -> PathBuf {
        let path = self.clone_of(who);
        let (url, folder) = (self.bare().display().to_string(), path.display().to_string());
        // Older clients take the hash of an empty repository for SHA-1 when they clone it.
        let steps: &[&[&str]] = if self.sha256 {
            &[
                &["init", "-q", "-b", "main", "--object-format=sha256", &folder],
                &["-C", &folder, "remote", "add", "origin", &url],
            ]
        } else {
            &[&["clone", "-q", &url, &folder]]
        };
        for step in steps {
            let output = self.git_at(self.root(), who, step);
            assert!(output.status.success(), "{}", super::text_of(&output));
        }
        self.configure(&path, who);
        path
    }

    pub(crate) fn configure(&self, path: &Path, who: &str) {
        let key = self.key(who).with_extension("pub").display().to_string();
        let mail = format!("{who}@x.test");
        for (name, value) in [
            ("user.name", who),
            ("user.email", &mail),
            ("gpg.format", "ssh"),
            ("user.signingKey", &key),
            ("advice.detachedHead", "false"),
        ] {
            let output = self.git_at(path, who, &["config", name, value]);
            assert!(output.status.success());
        }
    }

    /// Writes a file and commits it; `-S` signs.
    pub(crate) fn commit(&self, who: &str, file: &str, text: &str, more: &[&str]) -> String {
        let path = self.clone_of(who).join(file);
        std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        std::fs::write(path, text).expect("written");
        self.git(who, &["add", "-A", "-f"]);
        self.git(who, &[&["commit", "-q", "-m", file], more].concat());
        self.git(who, &["rev-parse", "HEAD"])
    }

    pub(crate) fn push(&self, who: &str, arguments: &[&str]) -> Output {
        self.git_at(&self.clone_of(who), who, &[&["push"], arguments].concat())
    }

    /// A push that has to be let in.
    pub(crate) fn pushed(&self, who: &str, arguments: &[&str]) -> String {
        let output = self.push(who, arguments);
        let text = super::text_of(&output);
        assert!(output.status.success(), "{who}: git push {arguments:?}\n{text}");
        text
    }

    /// A push that has to be refused, for this reason, and that moves nothing.
    pub(crate) fn refused(&self, who: &str, arguments: &[&str], why: &str) -> String {
        let before = self.refs();
        let output = self.push(who, arguments);
        let text = super::text_of(&output);
        assert!(!output.status.success(), "let in: {who}: git push {arguments:?}\n{text}");
        assert!(text.contains(why), "not for `{why}`: {who}: git push {arguments:?}\n{text}");
        assert_eq!(self.refs(), before, "a refused push moved something");
        text
    }

    /// All refs of the server but its own.
    pub(crate) fn refs(&self) -> String {
        let text = self.server_git(&["for-each-ref", "--format=%(objectname) %(refname)"]);
        text.lines().filter(|line| !line.contains(" refs/provost/")).collect::<Vec<_>>().join("\n")
    }

    /// A signed approval, left for the server.
    pub(crate) fn approve(&self, who: &str, reference: &str, base: Option<&str>, head: &str, clone: &str) -> Output {
        let text = self.signed_by(who, &self.approval(reference, base, head, clone));
        self.leave(who, clone, &text)
    }

    /// An approval of a head that a clone has.
    pub(crate) fn approval(&self, reference: &str, base: Option<&str>, head: &str, clone: &str) -> Approval {
        let tree = self.git(clone, &["rev-parse", &format!("{head}^{{tree}}")]);
        let target = Target { repository: "shop".into(), reference: reference.into(), step: None };
        let of = Binding {
            target,
            base: base.map(Into::into),
            head: head.into(),
            tree: Some(tree),
            policy: sha256(self.policy_text().as_bytes()),
        };
        Approval {
            decision: ApprovalDecision::Approve,
            of,
            merge_base: None,
            withdraws: None,
            signed_on: now(),
            expires: None,
            comment: String::new(),
        }
    }

    pub(crate) fn signed_by(&self, who: &str, approval: &Approval) -> String {
        let payload = approval.statement().expect("statement").to_bytes().expect("bytes");
        let signer = SshSigner::open(&self.key(who), None).expect("signer");
        let kind = provost_attest::IN_TOTO_PAYLOAD;
        let signature = signer.sign(APPROVAL_NAMESPACE, &provost_attest::pae(kind, &payload)).expect("signed");
        let signature = EnvelopeSignature { key_id: None, signature: signature.to_bytes().to_vec(), chain: Vec::new() };
        Envelope::from_signature(kind, payload, signature).to_json()
    }

    /// Pushes a file to the server's inbox.
    pub(crate) fn leave(&self, who: &str, clone: &str, text: &str) -> Output {
        let file = self.root().join("left.json");
        std::fs::write(&file, text).expect("written");
        let blob = self.git(clone, &["hash-object", "-w", &file.display().to_string()]);
        let to = format!("{blob}:refs/provost/inbox/{}", sha256(text.as_bytes()).to_hex());
        self.git_at(&self.clone_of(clone), who, &["push", "-q", "origin", &to])
    }

    /// `repo verify` on a directory, with a memory of its own name.
    pub(crate) fn verify_with(&self, memory: &str, directory: &Path, more: &[&str]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_provost"));
        command.env("PROVOST_HOME", self.root().join(memory)).current_dir(directory);
        command.args(["repo", "verify", "--policy-key"]).arg(self.root().join("policy.pub")).args(more);
        bounded(command)
    }

    /// As JSON, on the bare repository, from the beginning.
    pub(crate) fn anomalies(&self) -> Vec<String> {
        let output = self.verify_with("judge", &self.bare(), &["--from-start", "--format", "json"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let value: serde_json::Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{}", super::text_of(&output)));
        let list = value["anomalies"].as_array().expect("anomalies");
        let kinds: Vec<String> = list
            .iter()
            .map(|a| {
                format!("{} {}", a["kind"].as_str().unwrap_or_default(), a["reference"].as_str().unwrap_or_default())
            })
            .collect();
        kinds.into_iter().filter(|kind| !kind.starts_with("adopted")).collect()
    }

    /// The log says what is there, and every entry holds up.
    pub(crate) fn sound(&self) {
        let output = self.verify_with("judge", &self.bare(), &["--from-start"]);
        assert!(output.status.success(), "{}", super::text_of(&output));
    }

    pub(crate) fn is_sha256(&self) -> bool {
        self.sha256
    }

    /// Lines of the audit file.
    pub(crate) fn audit(&self) -> String {
        let files = provost_testkit::files_below(&self.home().join("servers"));
        let files = files.into_iter().filter(|path| path.ends_with("audit.jsonl"));
        files.map(|path| std::fs::read_to_string(path).expect("read")).collect()
    }
}

pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("time");
    Timestamp::from_milliseconds(i64::try_from(since.as_millis()).expect("time"))
}

/// Runs a command for two minutes at most.
pub(crate) fn bounded(mut command: Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("runs");
    let (mut out, mut err) = (child.stdout.take().expect("pipe"), child.stderr.take().expect("pipe"));
    let read_out = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = out.read_to_end(&mut bytes);
        bytes
    });
    let read_err = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = err.read_to_end(&mut bytes);
        bytes
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("waits") {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(120) {
            let _ = child.kill();
            panic!("{command:?} takes longer than two minutes");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Output { status, stdout: read_out.join().expect("read"), stderr: read_err.join().expect("read") }
}
