//! Real servers and ordinary git: sshd with the lines that `authorized-keys` prints, and a web server with the CGI program.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use provost_testkit::CgiServer;

use crate::repo::{ACCESS, OPEN, Team, bounded};
use crate::text_of;

const SSHD: &str = "/usr/sbin/sshd";

/// Ada and bob see everything; eve sees `open`, and may make topics.
const HIDING: &str = r#"
[[access]]
who = ["maintainer"]
refs = ["refs/**"]
may = ["read", "create", "update", "force", "delete"]
[[access]]
who = ["eve"]
refs = ["refs/heads/open", "refs/heads/topic/**"]
may = ["read", "create", "update"]
"#;

/// sshd on a loopback port; it ends when it is dropped.
struct Sshd {
    child: Child,
    port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Starts it with keys from a command, or from a file that the command wrote; `None`, with a line that says so, where there is
/// no sshd.
fn sshd(team: &Team, by_command: bool) -> Option<Sshd> {
    if !Path::new(SSHD).exists() {
        eprintln!("skipped: there is no {SSHD}");
        return None;
    }
    if user() == "root" {
        // The one directory that sshd insists on when it is root; it makes it itself where a service starts it.
        std::fs::create_dir_all("/run/sshd").expect("folder");
    }
    let folder = team.root().join(format!("sshd-{by_command}"));
    std::fs::create_dir_all(&folder).expect("folder");
    let host = folder.join("host");
    if !host.exists() {
        assert!(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&host)
                .status()
                .expect("keygen")
                .success()
        );
    }
    let program = env!("CARGO_BIN_EXE_provost");
    let keys = if by_command {
        // sshd runs only what root owns; `env` is, and says where the rest is.
        format!(
            "AuthorizedKeysFile none\nAuthorizedKeysCommand /usr/bin/env PROVOST_HOME={} {program} repo authorized-keys --root {} %t %k\n\
             AuthorizedKeysCommandUser {}\n",
            team.home().display(),
            team.srv().display(),
            user()
        )
    } else {
        let output = team.provost(&["repo", "authorized-keys", "--root", &team.srv().display().to_string()]);
        assert!(output.status.success(), "{}", text_of(&output));
        let file = folder.join("authorized_keys");
        std::fs::write(&file, &output.stdout).expect("written");
        format!("AuthorizedKeysFile {}\n", file.display())
    };
    let port = TcpListener::bind("127.0.0.1:0").expect("port").local_addr().expect("address").port();
    // AcceptEnv lets in what no server should let in: it must not matter.
    let text = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nAcceptEnv GIT_* PROVOST_* SSH_*\nLogLevel VERBOSE\n{keys}",
        host.display()
    );
    let config = folder.join("config");
    std::fs::write(&config, text).expect("written");
    let log = std::fs::File::create(folder.join("log")).expect("log");
    let child = Command::new(SSHD)
        .args(["-D", "-e", "-f"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("sshd");
    let mut server = Sshd { child, port };
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if server.child.try_wait().expect("waits").is_some() || begun.elapsed() > Duration::from_secs(20) {
            panic!("sshd: {}", std::fs::read_to_string(folder.join("log")).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(server)
}

impl Sshd {
    fn url(&self, repository: &str) -> String {
        format!("ssh://{}@127.0.0.1:{}/{repository}", user(), self.port)
    }

    fn ssh(&self, team: &Team, who: &str) -> String {
        format!(
            "ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            team.key(who).display()
        )
    }

    /// git with somebody's key.
    fn git_command(&self, team: &Team, directory: &Path, who: &str, arguments: &[&str]) -> Command {
        let mut command = team.command("git");
        command
            .args(arguments)
            .current_dir(directory)
            .env("GIT_SSH_COMMAND", self.ssh(team, who))
            .env("GIT_SSH_VARIANT", "ssh");
        command
    }

    fn git(&self, team: &Team, directory: &Path, who: &str, arguments: &[&str]) -> Output {
        bounded(self.git_command(team, directory, who, arguments))
    }

    /// A command over ssh itself, with what goes to its standard input and into its environment.
    fn raw(&self, team: &Team, who: &str, command: &str, input: &[u8], environment: &[(&str, &str)]) -> String {
        let words = self.ssh(team, who);
        let mut words = words.split(' ');
        let mut ssh = team.command(words.next().expect("ssh"));
        ssh.args(words).arg("-p").arg(self.port.to_string());
        for (name, value) in environment {
            ssh.env(name, value).arg("-o").arg(format!("SendEnv={name}"));
        }
        ssh.arg(format!("{}@127.0.0.1", user()));
        if !command.is_empty() {
            ssh.arg(command);
        }
        let file = team.root().join("input");
        std::fs::write(&file, input).expect("written");
        ssh.stdin(std::fs::File::open(&file).expect("input"));
        let output = ssh.output().expect("ssh");
        text_of(&output)
    }
}

/// A repository with `main`, `open` and `secret`, of which eve sees `open`. Gives the hidden commit.
fn hiding() -> (Team, String, String) {
    let team = Team::new(&format!("{HIDING}{OPEN}"));
    team.clone("ada");
    let open = team.commit("ada", "a.txt", "open\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/open"]);
    let secret = team.commit("ada", "s.txt", "secret\n", &[]);
    team.pushed("ada", &["origin", "HEAD:refs/heads/main", "HEAD:refs/heads/secret", "HEAD:refs/tags/s"]);
    (team, open, secret)
}

fn pkt(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

#[test]
fn a_team_over_ssh() {
    let team = Team::new(&format!("{ACCESS}{OPEN}"));
    for by_command in [true, false] {
        let Some(server) = sshd(&team, by_command) else { return };
        let url = server.url("shop.git");
        let name = format!("ada-{by_command}");
        let output = server.git(&team, team.root(), "ada", &["clone", "-q", &url, &name]);
        assert!(output.status.success(), "{}", text_of(&output));
        let clone = team.root().join(&name);
        team.configure(&clone, "ada");
        std::fs::write(clone.join("a.txt"), &name).expect("written");
        for arguments in [
            vec!["add", "-A"],
            vec!["commit", "-q", "-S", "-m", "one"],
            vec!["push", "-q", "origin", "HEAD:refs/heads/main"],
        ] {
            let output = server.git(&team, &clone, "ada", &arguments);
            assert!(output.status.success(), "{arguments:?}: {}", text_of(&output));
        }
        // Eve reads, and writes nothing.
        let output = server.git(&team, &clone, "eve", &["ls-remote", &url]);
        assert!(text_of(&output).contains("refs/heads/main"), "{}", text_of(&output));
        let output = server.git(&team, &clone, "eve", &["push", &url, "HEAD:refs/heads/topic/x"]);
        assert!(text_of(&output).contains("eve may not create"), "{}", text_of(&output));
        // Whose key counts no more, or was never named, does not get as far as git.
        for who in ["stranger", "revoked", "expired", "early"] {
            let output = server.git(&team, &clone, who, &["ls-remote", &url]);
            assert!(text_of(&output).contains("Permission denied"), "{who}: {}", text_of(&output));
        }
    }
    let audit = team.audit();
    for part in [
        "\"serve\":\"git-receive-pack\"",
        "\"serve\":\"git-upload-pack\"",
        "\"person\":\"ada\"",
        "\"authenticated-by\":\"ssh: SHA256:",
        "\"address\":\"127.0.0.1\"",
        "\"outcome\":\"begun\"",
        "\"outcome\":\"done\"",
        "\"refused\":[\"refs/heads/topic/x\"]",
    ] {
        assert!(audit.contains(part), "{part}: {audit}");
    }
    let left = provost_testkit::files_below(&team.home().join("servers"));
    assert!(!left.iter().any(|path| path.display().to_string().contains("sessions")), "{left:?}");
    team.sound();
}

#[test]
fn hidden_refs_over_ssh() {
    let (team, open, secret) = hiding();
    let Some(server) = sshd(&team, false) else { return };
    let url = server.url("shop.git");
    for version in ["0", "2"] {
        let protocol = format!("protocol.version={version}");
        let list = |who: &str| {
            let output = server.git(&team, team.root(), who, &["-c", &protocol, "ls-remote", &url]);
            assert!(output.status.success(), "{}", text_of(&output));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let all = list("ada");
        assert!(all.contains("refs/heads/secret") && all.contains("HEAD") && all.contains("refs/provost/log"), "{all}");
        let seen = list("eve");
        assert_eq!(seen.trim(), format!("{open}\trefs/heads/open"), "version {version}");
        assert!(!seen.contains(&secret));
        // By id, whatever the client asks for.
        let clone = team.root().join(format!("eve-{version}"));
        let output = server.git(
            &team,
            team.root(),
            "eve",
            &["-c", &protocol, "clone", "-q", "-b", "open", &url, &clone.display().to_string()],
        );
        assert!(output.status.success(), "{}", text_of(&output));
        let output = server.git(&team, &clone, "eve", &["-c", &protocol, "fetch", "origin", &secret]);
        assert!(!output.status.success(), "a hidden commit came over version {version}: {}", text_of(&output));
        assert!(!server.git(&team, &clone, "eve", &["cat-file", "-e", &secret]).status.success());
        let output = server.git(&team, &clone, "ada", &["-c", &protocol, "fetch", "origin", &secret]);
        assert!(output.status.success(), "{}", text_of(&output));
    }
    // The client's own checks are no defence: the same by hand.
    let want = format!("{}0000{}", pkt(&format!("want {secret} side-band-64k ofs-delta\n")), pkt("done\n"));
    let answer = server.raw(&team, "eve", "git-upload-pack '/shop.git'", want.as_bytes(), &[]);
    assert!(answer.contains("not our ref") && !answer.contains("PACK"), "{answer}");
    let two = format!(
        "{}{}0001{}{}{}0000",
        pkt("command=fetch"),
        pkt("object-format=sha1"),
        pkt("no-progress"),
        pkt(&format!("want {secret}\n")),
        pkt("done\n")
    );
    let answer =
        server.raw(&team, "eve", "git-upload-pack '/shop.git'", two.as_bytes(), &[("GIT_PROTOCOL", "version=2")]);
    assert!(!answer.contains("version 2") && !answer.contains("PACK"), "{answer}");
    // For ada the very same bytes bring the commit: they are right.
    let answer =
        server.raw(&team, "ada", "git-upload-pack '/shop.git'", two.as_bytes(), &[("GIT_PROTOCOL", "version=2")]);
    assert!(answer.contains("version 2") && answer.contains("PACK"), "{answer}");
    // A push is told of no hidden ref either.
    let answer = server.raw(&team, "eve", "git-receive-pack '/shop.git'", b"0000", &[]);
    assert!(answer.contains("refs/heads/open") && !answer.contains(&secret) && !answer.contains("secret"), "{answer}");
}

/// A pack of some objects of a repository, whatever else they need.
fn pack(team: &Team, ids: &[&str]) -> Vec<u8> {
    let file = team.root().join("ids");
    std::fs::write(&file, ids.iter().map(|id| format!("{id}\n")).collect::<String>()).expect("written");
    let mut command = team.git_command(&team.clone_of("ada"), "ada", &["pack-objects", "-q", "--stdout"]);
    command.stdin(std::fs::File::open(&file).expect("file"));
    command.output().expect("git").stdout
}

#[test]
fn a_push_does_not_make_a_hidden_commit_readable() {
    let (team, open, secret) = hiding();
    let Some(server) = sshd(&team, false) else { return };
    let push = |id: &str, reference: &str, pack: &[u8]| {
        let line = pkt(&format!("{} {id} {reference}\0report-status\n", "0".repeat(40)));
        let bytes = [format!("{line}0000").as_bytes(), pack].concat();
        server.raw(&team, "eve", "git-receive-pack '/shop.git'", &bytes, &[])
    };
    let none = pack(&team, &[]);
    let answer = push(&secret, "refs/heads/topic/theft", &none);
    assert!(answer.contains("neither came with this push") && team.at("refs/heads/topic/theft").is_none(), "{answer}");
    // A commit on top of it, of which the parent does not come along.
    let tree = team.git("ada", &["rev-parse", &format!("{open}^{{tree}}")]);
    let on_top = team.git("ada", &["commit-tree", &tree, "-p", &secret, "-m", "x"]);
    let answer = push(&on_top, "refs/heads/topic/theft", &pack(&team, &[&on_top]));
    assert!(answer.contains("neither came with this push") && team.at("refs/heads/topic/theft").is_none(), "{answer}");
    // What is readable, or comes along, goes; even a commit that the server has in a hidden place already.
    let answer = push(&open, "refs/heads/topic/same", &none);
    assert!(team.at("refs/heads/topic/same").is_some(), "{answer}");
    let objects = team.git("ada", &["rev-list", "--objects", "--no-object-names", &secret, &format!("^{open}")]);
    let objects: Vec<&str> = objects.lines().collect();
    let answer = push(&secret, "refs/heads/topic/own", &pack(&team, &objects));
    assert!(team.at("refs/heads/topic/own").is_some(), "{answer}");
    team.sound();
}

#[test]
fn what_is_sent_along_counts_for_nothing() {
    let (team, open, secret) = hiding();
    let Some(server) = sshd(&team, false) else { return };
    let want = format!("{}0000{}", pkt(&format!("want {secret} side-band-64k ofs-delta\n")), pkt("done\n"));
    let environment = [
        ("GIT_CONFIG_COUNT", "2"),
        ("GIT_CONFIG_KEY_0", "uploadpack.allowAnySHA1InWant"),
        ("GIT_CONFIG_VALUE_0", "true"),
        ("GIT_CONFIG_KEY_1", "uploadpack.packObjectsHook"),
        ("GIT_CONFIG_VALUE_1", "touch /tmp/never"),
        ("GIT_CONFIG_PARAMETERS", "'uploadpack.allowAnySHA1InWant=true'"),
        ("GIT_PROTOCOL", "version=2:version=1"),
        ("GIT_NAMESPACE", "x"),
        ("PROVOST_PERSON", "ada"),
        ("PROVOST_AUTHENTICATED_BY", "x"),
        ("PROVOST_STORE", "/tmp"),
        ("PROVOST_HOME", "/tmp"),
    ];
    let answer = server.raw(&team, "eve", "git-upload-pack '/shop.git'", want.as_bytes(), &environment);
    assert!(answer.contains("not our ref") && !answer.contains("PACK"), "{answer}");
    // The repository's own configuration does not open it either.
    for (name, value) in [
        ("uploadpack.allowAnySHA1InWant", "true"),
        ("uploadpack.hideRefs", "!refs"),
        ("transfer.hideRefs", "!refs/heads/secret"),
        ("protocol.version", "2"),
    ] {
        team.server_git(&["config", name, value]);
    }
    let answer = server.raw(&team, "eve", "git-upload-pack '/shop.git'", want.as_bytes(), &[]);
    assert!(answer.contains("not our ref") && !answer.contains("secret"), "{answer}");
    // Whoever pushes is who has the key.
    let clone = team.clone_of("ada");
    let mut command = server.git_command(
        &team,
        &clone,
        "eve",
        &["push", &server.url("shop.git"), &format!("{open}:refs/heads/main2")],
    );
    command
        .env("PROVOST_PERSON", "ada")
        .env("GIT_SSH_COMMAND", format!("{} -o SendEnv=PROVOST_*", server.ssh(&team, "eve")));
    let output = bounded(command);
    assert!(text_of(&output).contains("eve may not create"), "{}", text_of(&output));
}

#[test]
fn no_shell_and_no_way_out() {
    let (team, _, _) = hiding();
    let Some(server) = sshd(&team, false) else { return };
    for command in [
        "",
        "id",
        "sh",
        "git-upload-pack '/shop.git'; id",
        "git-upload-pack '/shop.git' && id",
        "git-upload-pack '/../../etc'",
        "git-upload-pack '/shop.git/../shop.git'",
        "git-upload-pack '--upload-pack=id'",
        "git-upload-pack ~root",
        "git upload-pack --help",
        "git-upload-pack '/shop.git' '/shop.git'",
        "git-upload-pack '/shop.git/objects'",
        "scp -f /etc/passwd",
        "internal-sftp",
        "git-upload-pack '$(id)'",
        "git-upload-pack \"/shop.git\"",
        "git-upload-archive '/shop.git'",
    ] {
        let answer = server.raw(&team, "eve", command, b"", &[]);
        assert!(
            !answer.contains("uid=") && !answer.contains("root:") && answer.contains("provost:"),
            "{command}: {answer}"
        );
    }
    // A repository that is not for one looks like one that is not there.
    team.policy(&format!("{}{OPEN}", HIDING.replace("who = [\"eve\"]", "who = [\"cyd\"]")));
    let there = server.raw(&team, "eve", "git-upload-pack '/shop.git'", b"", &[]);
    let not = server.raw(&team, "eve", "git-upload-pack '/none.git'", b"", &[]);
    assert_eq!(there.replace("shop", "none"), not);
    assert!(there.contains("no repository"), "{there}");
    let push = server.raw(&team, "eve", "git-receive-pack '/shop.git'", b"", &[]);
    assert_eq!(push, there);
    // A whole archive is for those who see the whole.
    let url = server.url("shop.git");
    let output =
        server.git(&team, team.root(), "ada", &["archive", &format!("--remote={url}"), "main", "-o", "out.tar"]);
    assert!(output.status.success(), "{}", text_of(&output));
    let output =
        server.git(&team, team.root(), "cyd", &["archive", &format!("--remote={url}"), "open", "-o", "out2.tar"]);
    assert!(!output.status.success() && text_of(&output).contains("may read every ref"), "{}", text_of(&output));
    let audit = team.audit();
    assert!(audit.contains("not a command of git's: id") && audit.contains("no access rule names eve"), "{audit}");
}

#[test]
fn ten_thousand_refs_of_which_half_are_hidden() {
    let (team, open, secret) = hiding();
    let Some(server) = sshd(&team, false) else { return };
    let lines: String = (0..5_000)
        .map(|n| format!("create refs/heads/topic/{n} {open}\ncreate refs/heads/hidden/{n}/x {secret}\n"))
        .collect();
    let file = team.root().join("refs");
    std::fs::write(&file, lines).expect("written");
    let mut command = team.git_command(&team.bare(), "x", &["update-ref", "--stdin"]);
    command.stdin(std::fs::File::open(&file).expect("file"));
    assert!(command.status().expect("git").success());
    team.server_git(&["pack-refs", "--all"]);
    for who in ["ada", "eve"] {
        let begun = Instant::now();
        let output = server.git(&team, team.root(), who, &["ls-remote", &server.url("shop.git")]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        eprintln!("{who}: {} refs in {:?}", text.lines().count(), begun.elapsed());
        let seen = if who == "eve" { 5_001 } else { 10_000 };
        assert!(text.lines().count() >= seen, "{}", text_of(&output));
        assert_eq!(text.contains(&secret), who == "ada");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

/// A web server in front of the CGI program; every person's password is their name, twice.
fn web(team: &Team) -> CgiServer {
    let (home, root, bare) = (team.home(), team.srv(), team.root().to_path_buf());
    let program = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &bare).env("PROVOST_HOME", &home).args(["repo", "serve-http", "--root"]).arg(&root);
        command
    };
    let names = ["ada", "bob", "cyd", "eve", "revoked", "stranger"];
    let users: BTreeMap<String, String> =
        names.iter().map(|name| ((*name).to_owned(), format!("{name}{name}"))).collect();
    CgiServer::start(Box::new(program), users).expect("a server")
}

fn http(server: &CgiServer, who: &str, repository: &str) -> String {
    let user = if who.is_empty() { String::new() } else { format!("{who}:{who}{who}@") };
    format!("http://{user}{}/{repository}", server.address())
}

/// The status line and body of a plain request.
fn request(server: &CgiServer, method: &str, path: &str, headers: &str, body: &[u8]) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(server.address()).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("timeout");
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{headers}\r\n", body.len())
        .expect("sent");
    stream.write_all(body).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("read");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_team_over_http() {
    let team = Team::new(&format!("{ACCESS}{OPEN}"));
    let server = web(&team);
    let clone: PathBuf = team.root().join("web");
    let git = |directory: &Path, arguments: &[&str]| {
        let mut command = team.command("git");
        command.args(arguments).current_dir(directory);
        bounded(command)
    };
    let output = git(team.root(), &["clone", "-q", &http(&server, "ada", "shop.git"), "web"]);
    assert!(output.status.success(), "{}", text_of(&output));
    team.configure(&clone, "ada");
    // Larger than git sends in one piece: it comes in chunks.
    let noise: Vec<u8> = (0..3_000_000_u64)
        .map(|n| (n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n >> 3) >> 33) as u8)
        .collect();
    std::fs::write(clone.join("big"), noise).expect("written");
    for n in 0..60 {
        std::fs::write(clone.join("a.txt"), n.to_string()).expect("written");
        assert!(git(&clone, &["add", "-A"]).status.success());
        assert!(git(&clone, &["commit", "-q", "-m", "x"]).status.success());
    }
    let output = git(&clone, &["push", "-q", "origin", "HEAD:refs/heads/main"]);
    assert!(output.status.success(), "{}", text_of(&output));
    // Many `have` lines: git compresses the request.
    let output = git(&clone, &["fetch", "-q", "origin"]);
    assert!(output.status.success(), "{}", text_of(&output));
    let output = git(&clone, &["push", &http(&server, "eve", "shop.git"), "HEAD:refs/heads/topic/x"]);
    assert!(text_of(&output).contains("eve may not create"), "{}", text_of(&output));
    for who in ["revoked", "stranger"] {
        let output = git(&clone, &["ls-remote", &http(&server, who, "shop.git")]);
        assert!(text_of(&output).contains("not found"), "{who}: {}", text_of(&output));
    }
    let output = git(&clone, &["ls-remote", &http(&server, "", "shop.git")]);
    assert!(!output.status.success() && text_of(&output).contains("could not read Username"), "{}", text_of(&output));
    let audit = team.audit();
    assert!(
        audit.contains("\"authenticated-by\":\"http: ada\"") && audit.contains("\"address\":\"127.0.0.1\""),
        "{audit}"
    );
    team.sound();
}

#[test]
fn hidden_refs_over_http() {
    let (team, open, secret) = hiding();
    let server = web(&team);
    for version in ["0", "2"] {
        let protocol = format!("protocol.version={version}");
        let mut command = team.command("git");
        command.args(["-c", &protocol, "ls-remote", &http(&server, "eve", "shop.git")]);
        let output = bounded(command);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            format!("{open}\trefs/heads/open"),
            "{}",
            text_of(&output)
        );
    }
    // ZXZlOmV2ZWV2ZQ== is eve, YWRhOmFkYWFkYQ== is ada.
    let ask = |who: &str, version: &str, body: &str| {
        let headers =
            format!("Authorization: Basic {who}\r\nContent-Type: application/x-git-upload-pack-request\r\n{version}");
        request(&server, "POST", "/shop.git/git-upload-pack", &headers, body.as_bytes())
    };
    let want = format!("{}0000{}", pkt(&format!("want {secret} side-band-64k ofs-delta\n")), pkt("done\n"));
    let two = format!(
        "{}{}0001{}{}0000",
        pkt("command=fetch"),
        pkt("object-format=sha1"),
        pkt(&format!("want {secret}\n")),
        pkt("done\n")
    );
    let eve = ask("ZXZlOmV2ZWV2ZQ==", "", &want);
    assert!(eve.contains("not our ref") && !eve.contains("PACK"), "{eve}");
    let eve = ask("ZXZlOmV2ZWV2ZQ==", "Git-Protocol: version=2\r\n", &two);
    assert!(!eve.contains("PACK"), "{eve}");
    let ada = ask("YWRhOmFkYWFkYQ==", "Git-Protocol: version=2\r\n", &two);
    assert!(ada.contains("PACK"), "{ada}");
}

#[test]
fn what_the_web_server_is_asked_for() {
    let (team, _, _) = hiding();
    let server = web(&team);
    let get = |path: &str, who: &str| {
        let headers = if who.is_empty() { String::new() } else { format!("Authorization: Basic {who}\r\n") };
        request(&server, "GET", path, &headers, b"").lines().next().unwrap_or_default().to_owned()
    };
    let refs = "/info/refs?service=git-upload-pack";
    // Whoever has not said who they are is asked, whatever there is.
    for repository in ["/shop.git", "/none.git", "/../etc", "/shop.git/../shop.git"] {
        assert!(get(&format!("{repository}{refs}"), "").contains("401"), "{repository}");
    }
    let eve = "ZXZlOmV2ZWV2ZQ==";
    assert!(get(&format!("/shop.git{refs}"), eve).contains("200"));
    for path in [
        "/none.git/info/refs?service=git-upload-pack",
        "/shop.git/info/refs",
        "/shop.git/HEAD",
        "/shop.git/config",
        "/shop.git/provost.toml",
        "/shop.git/objects/info/packs",
        "/../srv/shop.git/info/refs?service=git-upload-pack",
        "/shop.git/./info/refs?service=git-upload-pack",
        "/%2e%2e/shop.git/info/refs?service=git-upload-pack",
        "/shop.git/info/refs?service=git-upload-archive",
        "/",
    ] {
        assert!(get(path, eve).contains("404"), "{path}: {}", get(path, eve));
    }
    // Those who are not in the policy are told the same of what is there and of what is not.
    let stranger = "c3RyYW5nZXI6c3RyYW5nZXJzdHJhbmdlcg==";
    assert_eq!(get(&format!("/shop.git{refs}"), stranger), get(&format!("/none.git{refs}"), stranger));
    // With a public rule nobody is asked, and a push still is.
    team.policy(&format!(
        "{HIDING}{OPEN}[[access]]\nwho = [\"public\"]\nrefs = [\"refs/heads/open\"]\nmay = [\"read\"]\n"
    ));
    assert!(get(&format!("/shop.git{refs}"), "").contains("200"));
    assert!(get("/shop.git/info/refs?service=git-receive-pack", "").contains("401"));
    assert!(get("/shop.git/info/refs?service=git-receive-pack", stranger).contains("403"));
    let mut command = team.command("git");
    command.args(["ls-remote", &http(&server, "", "shop.git")]);
    let output = bounded(command);
    assert!(
        text_of(&output).contains("refs/heads/open") && !text_of(&output).contains("secret"),
        "{}",
        text_of(&output)
    );
}
