//! What git signs and how it reads signed objects: git makes them, `git verify-commit` and `git verify-tag` judge.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use proptest::prelude::*;
use provost_repo::signature::{ObjectHash, SignatureKind, SignatureLimits, SignedObject, of_commit, of_tag};

struct Repository {
    root: tempfile::TempDir,
    hash: ObjectHash,
}

impl Repository {
    fn new(hash: ObjectHash) -> Option<Self> {
        let tool = |name: &str| Command::new(name).arg("--version").output().is_ok();
        if !tool("git") || !tool("ssh-keygen") {
            eprintln!("skipped: no git or ssh-keygen on this machine");
            return None;
        }
        let repository = Self { root: tempfile::tempdir().expect("a directory"), hash };
        let format = if hash == ObjectHash::Sha1 { "sha1" } else { "sha256" };
        repository.git(&["init", "-q", "-b", "main", &format!("--object-format={format}")]);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f"])
            .arg(repository.path("key"))
            .status()
            .expect("ssh-keygen runs");
        assert!(made.success());
        let key = std::fs::read_to_string(repository.path("key.pub")).expect("a key");
        std::fs::write(repository.path("allowed"), format!("ada@example.test {key}")).expect("written");
        for (name, value) in [
            ("user.name", "Ada"),
            ("user.email", "ada@example.test"),
            ("gpg.format", "ssh"),
            ("user.signingkey", repository.path("key").to_str().expect("utf-8")),
            ("gpg.ssh.allowedSignersFile", repository.path("allowed").to_str().expect("utf-8")),
        ] {
            repository.git(&["config", name, value]);
        }
        Some(repository)
    }

    fn both() -> Vec<Self> {
        [ObjectHash::Sha1, ObjectHash::Sha256].into_iter().filter_map(Self::new).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("git")
            .args(arguments)
            .current_dir(self.root.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", self.root.path())
            .env("GNUPGHOME", self.path("gnupg"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("git runs");
        child.stdin.take().expect("an input").write_all(input).expect("written");
        child.wait_with_output().expect("git ends")
    }

    fn git(&self, arguments: &[&str]) -> Vec<u8> {
        let done = self.run(arguments, b"");
        assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    fn raw(&self, kind: &str, name: &str) -> Vec<u8> {
        self.git(&["cat-file", kind, name])
    }

    /// Writes an object as it is, whatever is wrong with it; its id.
    fn write(&self, kind: &str, raw: &[u8]) -> String {
        let done = self.run(&["hash-object", "-t", kind, "-w", "--stdin", "--literally"], raw);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    fn take(&self, kind: &str, raw: &[u8]) -> Result<Option<SignedObject>, String> {
        let read = if kind == "commit" { of_commit } else { of_tag };
        read(raw, self.hash).map_err(|e| e.to_string())
    }

    /// Whether git takes the object's signature, and what it says was signed.
    fn judge(&self, kind: &str, raw: &[u8]) -> (bool, Vec<u8>) {
        let id = self.write(kind, raw);
        let done = self.run(&[&format!("verify-{kind}"), "-v", &id], b"");
        (done.status.success(), done.stdout)
    }

    /// Whether ssh-keygen takes what we made of the object.
    fn verifies(&self, object: &SignedObject) -> bool {
        std::fs::write(self.path("sig"), &object.signature).expect("written");
        std::fs::write(self.path("payload"), &object.payload).expect("written");
        let done = Command::new("ssh-keygen")
            .args(["-Y", "verify", "-f", "allowed", "-I", "ada@example.test", "-n", "git", "-s", "sig"])
            .current_dir(self.root.path())
            .stdin(std::fs::File::open(self.path("payload")).expect("opened"))
            .output()
            .expect("ssh-keygen runs");
        done.status.success()
    }

    fn holds(&self, kind: &str, raw: &[u8]) -> SignedObject {
        let object = self.take(kind, raw).expect("readable").expect("signed");
        let (good, payload) = self.judge(kind, raw);
        assert!(good, "git takes it: {}", String::from_utf8_lossy(raw));
        assert_eq!(String::from_utf8_lossy(&payload), String::from_utf8_lossy(&object.payload));
        object
    }

    /// Commits and tags of all shapes that git makes.
    fn objects(&self) -> Vec<(&'static str, Vec<u8>)> {
        let commit =
            |message: &str| self.git(&["commit", "-q", "-S", "--allow-empty", "--allow-empty-message", "-m", message]);
        commit("first");
        let mut objects = vec![("commit", self.raw("commit", "HEAD"))];
        commit("");
        objects.push(("commit", self.raw("commit", "HEAD")));
        commit("a subject\n\na body\n-----BEGIN SSH SIGNATURE-----\nwords\ngpgsig words\n");
        objects.push(("commit", self.raw("commit", "HEAD")));
        self.git(&["-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "-S", "--allow-empty", "-m", "grüße"]);
        objects.push(("commit", self.raw("commit", "HEAD")));
        self.git(&["checkout", "-q", "-b", "side", "HEAD~1"]);
        commit("on the side");
        self.git(&["tag", "-s", "side-1", "-m", "a tag to merge\n\nwith words"]);
        self.git(&["checkout", "-q", "main"]);
        self.git(&["merge", "-q", "-S", "--no-ff", "-m", "merged", "side-1"]);
        let merge = self.raw("commit", "HEAD");
        assert!(String::from_utf8_lossy(&merge).contains("\nmergetag object "), "a mergetag");
        objects.push(("commit", merge));
        objects.push(("tag", self.raw("tag", "side-1")));
        self.git(&["tag", "-s", "of-a-tag", "-m", "x", "side-1"]);
        objects.push(("tag", self.raw("tag", "of-a-tag")));
        self.git(&["tag", "-s", "of-a-tree", "-m", "", "HEAD^{tree}"]);
        objects.push(("tag", self.raw("tag", "of-a-tree")));
        objects
    }
}

fn replaced(raw: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = raw.windows(from.len()).position(|window| window == from.as_bytes()).expect("there");
    [&raw[..at], to.as_bytes(), &raw[at + from.len()..]].concat()
}

#[test]
fn what_git_signs_is_what_we_verify() {
    for repository in Repository::both() {
        for (kind, raw) in repository.objects() {
            let object = repository.holds(kind, &raw);
            assert_eq!(object.kind, SignatureKind::Ssh);
            assert!(repository.verifies(&object));
            assert!(repository.take(kind, &object.payload).is_ok_and(|o| o.is_none()), "nothing is left of it");
        }
        repository.git(&["commit", "-q", "--allow-empty", "-m", "unsigned"]);
        repository.git(&["tag", "-a", "plain", "-m", "unsigned"]);
        assert_eq!(repository.take("commit", &repository.raw("commit", "HEAD")), Ok(None));
        assert_eq!(repository.take("tag", &repository.raw("tag", "plain")), Ok(None));
    }
}

/// Where git takes the signature and we refuse the object: what is wrong with it.
#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for repository in Repository::both() {
        let objects = repository.objects();
        let (_, commit) = &objects[0];
        let (_, tag) = &objects[5];
        let own = if repository.hash == ObjectHash::Sha1 { "gpgsig" } else { "gpgsig-sha256" };
        let other = if repository.hash == ObjectHash::Sha1 { "gpgsig-sha256" } else { "gpgsig" };
        let text = String::from_utf8_lossy(commit).into_owned();
        let header = &text[text.find(&format!("{own} ")).expect("a header")..text.find("\n\n").expect("a body") + 1];
        let tree = text.lines().next().expect("a tree");
        let git_takes = [
            ("another header of the name", replaced(commit, "\n\n", &format!("\n{own}-more words\n\n"))),
            ("a name that begins so", replaced(commit, "\n\n", &format!("\n{own}x words\n and more\n\n"))),
            ("words for the other hash", replaced(commit, "\n\n", &format!("\n{other} words\n\n"))),
        ];
        for (what, raw) in git_takes {
            let (good, _) = repository.judge("commit", &raw);
            assert!(good, "git takes {what}");
            repository.take("commit", &raw).expect_err(what);
        }
        for (what, raw) in [
            ("two signatures", replaced(commit, "\n\n", &format!("\n{header}\n").replace("\n\n\n", "\n\n"))),
            ("two trees", replaced(commit, tree, &format!("{tree}\n{tree}"))),
            ("a late tree", replaced(commit, "\n\n", &format!("\n{tree}\n\n"))),
            ("a second author", replaced(commit, "author ", "author Eve <eve@example.test> 1 +0000\nauthor ")),
            ("a continued author", replaced(commit, "\ncommitter ", "\n more\ncommitter ")),
            ("no blank line", text.split("\n\n").next().expect("headers").as_bytes().to_vec()),
            ("a header without a value", replaced(commit, "\n\n", "\nwords\n\n")),
            ("a NUL in the message", [commit.as_slice(), b"\0unseen"].concat()),
            ("a NUL in a header", replaced(commit, "author Ada", "author Ada\0")),
            ("two armours", replaced(commit, &format!("{own} "), &format!("{own} -----BEGIN SSH SIGNATURE-----\n "))),
            ("words before", replaced(commit, &format!("{own} "), &format!("{own} words\n "))),
            (
                "words behind",
                replaced(commit, " -----END SSH SIGNATURE-----\n", " -----END SSH SIGNATURE-----\n words\n"),
            ),
            ("the old PGP form", replaced(commit, "-----BEGIN SSH SIGNATURE", "-----BEGIN PGP MESSAGE")),
            (
                "escape sequences",
                replaced(commit, "-----BEGIN SSH SIGNATURE-----\n", "-----BEGIN SSH SIGNATURE-----\n \x1b[2J\n"),
            ),
            (
                "a long signature",
                replaced(
                    commit,
                    "-----BEGIN SSH SIGNATURE-----\n",
                    &format!("-----BEGIN SSH SIGNATURE-----\n {}\n", "A".repeat(SignatureLimits::SIGNATURE)),
                ),
            ),
            ("a short id", replaced(commit, tree, &tree[..tree.len() - 1])),
            ("too large", [commit.as_slice(), &vec![b'x'; SignatureLimits::OBJECT]].concat()),
        ] {
            assert_ne!(&raw, commit, "{what}");
            let error = repository.take("commit", &raw).expect_err(what);
            assert!(error.contains("commit") && error.len() < 400, "{error}");
        }
        let text = String::from_utf8_lossy(tag).into_owned();
        let signature = &text[text.find("-----BEGIN").expect("a signature")..];
        for (what, raw) in [
            ("two signatures", format!("{text}{signature}")),
            ("words behind", format!("{text}words\n")),
            ("a NUL", text.replace("a tag to", "a tag\0to")),
            ("a header in front", text.replacen("object ", "words words\nobject ", 1)),
            ("two objects", text.replacen("type ", &format!("{}\ntype ", text.lines().next().unwrap_or_default()), 1)),
            ("an odd header", text.replacen("\n\n", "\nwords words\n\n", 1)),
            (
                "a signature twice",
                text.replacen("\n\n", &format!("\n{own} {}\n\n", signature.trim_end().replace('\n', "\n ")), 1),
            ),
            ("a name on two lines", text.replacen("\ntagger", "\n more\ntagger", 1)),
        ] {
            assert_ne!(raw, text, "{what}");
            repository.take("tag", raw.as_bytes()).expect_err(what);
        }
    }
}

#[test]
fn the_other_hash_s_signature_is_left_out() {
    for repository in Repository::both() {
        let objects = repository.objects();
        let other = if repository.hash == ObjectHash::Sha1 { "gpgsig-sha256" } else { "gpgsig" };
        let header = format!("\n{other} -----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----\n\n");
        for (kind, raw) in &objects {
            let object = repository.holds(kind, &replaced(raw, "\n\n", &header));
            assert!(repository.verifies(&object));
        }
        // Alone, it is no signature here, for git neither.
        repository.git(&["commit", "-q", "--allow-empty", "-m", "unsigned"]);
        repository.git(&["tag", "-a", "plain", "-m", "unsigned"]);
        for (kind, name) in [("commit", "HEAD"), ("tag", "plain")] {
            let raw = replaced(&repository.raw(kind, name), "\n\n", &header);
            assert_eq!(repository.take(kind, &raw), Ok(None));
            assert!(!repository.judge(kind, &raw).0);
        }
    }
}

/// Whatever is changed in a signed object: what we verify is what git would show as signed, and never more than git takes.
#[test]
fn changed_objects_are_judged_as_git_does() {
    let Some(repository) = Repository::new(ObjectHash::Sha1) else { return };
    let objects = repository.objects();
    let pieces =
        ["\n", " ", "\n ", "\n\n", "gpgsig", "gpgsig ", "x", "-----BEGIN SSH SIGNATURE-----", "\nmergetag x\n"];
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap_or(0)
    };
    let (mut read, mut taken) = (0, 0);
    for round in 0..160 {
        let (kind, raw) = &objects[round % objects.len()];
        let mut raw = raw.clone();
        let at = random(raw.len());
        match random(3) {
            0 => raw[at] ^= 1 << random(7),
            1 => drop(raw.drain(at..(at + 1 + random(30)).min(raw.len()))),
            _ => drop(raw.splice(at..at, pieces[random(pieces.len())].bytes())),
        }
        let Ok(Some(object)) = repository.take(kind, &raw) else { continue };
        read += 1;
        let (good, payload) = repository.judge(kind, &raw);
        let ours = repository.verifies(&object);
        if ours {
            taken += 1;
            assert!(good, "we take what git refuses: {}", String::from_utf8_lossy(&raw));
        }
        // git prints nothing where it cannot even read the object.
        if !payload.is_empty() {
            assert_eq!(String::from_utf8_lossy(&payload), String::from_utf8_lossy(&object.payload));
        }
    }
    eprintln!("{read} of 160 could be read, {taken} verified");
    assert!(read > 40);
}

#[test]
fn openpgp_and_x509_are_told_apart() {
    let Some(repository) = Repository::new(ObjectHash::Sha1) else { return };
    let gpg = |arguments: &[&str]| {
        let home = repository.path("gnupg");
        Command::new("gpg").args(arguments).env("GNUPGHOME", &home).stdin(Stdio::null()).output()
    };
    let _ = std::fs::create_dir(repository.path("gnupg"));
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(repository.path("gnupg"), std::fs::Permissions::from_mode(0o700)).expect("changed");
    let made = gpg(&["--batch", "--passphrase", "", "--quick-gen-key", "ada@example.test", "ed25519", "sign"]);
    if made.is_ok_and(|done| done.status.success()) {
        repository.git(&["config", "gpg.format", "openpgp"]);
        repository.git(&["config", "user.signingkey", "ada@example.test"]);
        repository.git(&["commit", "-q", "-S", "--allow-empty", "-m", "by PGP"]);
        repository.git(&["tag", "-s", "v1", "-m", "by PGP"]);
        for (kind, name) in [("commit", "HEAD"), ("tag", "v1")] {
            let object = repository.holds(kind, &repository.raw(kind, name));
            assert_eq!(object.kind, SignatureKind::OpenPgp);
            std::fs::write(repository.path("sig"), &object.signature).expect("written");
            std::fs::write(repository.path("payload"), &object.payload).expect("written");
            let (sig, payload) = (repository.path("sig"), repository.path("payload"));
            let judged = gpg(&["--verify", sig.to_str().expect("utf-8"), payload.to_str().expect("utf-8")]);
            assert!(judged.is_ok_and(|done| done.status.success()));
        }
        let _ =
            Command::new("gpgconf").args(["--kill", "gpg-agent"]).env("GNUPGHOME", repository.path("gnupg")).status();
    } else {
        eprintln!("skipped: gpg makes no key on this machine");
    }
    let raw = repository.raw("commit", "HEAD");
    let forged = [
        String::from_utf8_lossy(&raw).split("gpgsig").next().unwrap_or_default().as_bytes(),
        b"gpgsig -----BEGIN SIGNED MESSAGE-----\n AAAA\n -----END SIGNED MESSAGE-----\n \n\nmessage\n",
    ]
    .concat();
    let object = repository.take("commit", &forged).expect("readable").expect("signed");
    assert_eq!(object.kind, SignatureKind::X509);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in "(tree|object|gpgsig|\n| |-----BEGIN SSH SIGNATURE-----|[0-9a-f]{40}|\n\n|author|tag){0,30}") {
        for raw in [bytes.as_slice(), text.as_bytes()] {
            for hash in [ObjectHash::Sha1, ObjectHash::Sha256] {
                let _ = of_commit(raw, hash);
                let _ = of_tag(raw, hash);
            }
        }
    }
}
