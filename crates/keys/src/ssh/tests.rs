//! Held against OpenSSH's own `ssh-keygen`, both ways, for every kind of key.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use provost_model::Timestamp;
use sha2::{Digest as _, Sha256, Sha512};

use super::wire::{pair_from_fixed, put_positive, put_string};
use super::*;
use crate::{Custody, KeyAlgorithm, KeyError, Passphrase, PrivateKey, PublicKey, Signer as _};

/// File name, arguments of `ssh-keygen`.
const KINDS: [(&str, &[&str]); 6] = [
    ("ed25519", &["-t", "ed25519"]),
    ("p256", &["-t", "ecdsa", "-b", "256"]),
    ("p384", &["-t", "ecdsa", "-b", "384"]),
    ("p521", &["-t", "ecdsa", "-b", "521"]),
    ("rsa2048", &["-t", "rsa", "-b", "2048"]),
    ("rsa3072", &["-t", "rsa", "-b", "3072"]),
];

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Option<Self> {
        if Command::new("ssh-keygen").arg("-?").output().is_err() {
            eprintln!("skipped: no ssh-keygen on this machine");
            return None;
        }
        Some(Self(tempfile::tempdir().expect("a directory")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, data: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), data).expect("written");
        self.path(name)
    }

    /// Runs `ssh-keygen` on a message; its output if it succeeds.
    fn keygen(&self, arguments: &[&str], message: &[u8]) -> Option<String> {
        let input = self.write("message", message);
        let done = Command::new("ssh-keygen")
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("SSH_AUTH_SOCK")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .stdin(Stdio::from(std::fs::File::open(input).expect("opened")))
            .output()
            .expect("ssh-keygen runs");
        if !done.status.success() {
            eprintln!("{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        }
        done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
    }

    fn generate(&self, name: &str, arguments: &[&str], passphrase: &str) -> PathBuf {
        let arguments = [arguments, &["-q", "-N", passphrase, "-C", "ada@example.test", "-f", name]].concat();
        self.keygen(&arguments, b"").expect("a key");
        self.path(name)
    }

    fn judge(&self, key: &SshPublicKey, namespace: &str, message: &[u8], signature: &SshSignature) -> bool {
        self.write("allowed", format!("ada {}\n", key.to_line()));
        self.write("sig", signature.to_armored());
        self.keygen(&["-Y", "verify", "-f", "allowed", "-I", "ada", "-n", namespace, "-s", "sig"], message).is_some()
    }
}

fn public(path: &Path) -> SshPublicKey {
    let line = std::fs::read_to_string(path.with_extension("pub")).expect("a file");
    let key = SshPublicKey::parse(&line).expect("a key");
    assert_eq!(key.to_line(), line.trim());
    key
}

#[test]
fn every_kind_both_ways() {
    let Some(bench) = Bench::new() else { return };
    for (name, arguments) in KINDS {
        let file = bench.generate(name, arguments, "");
        let key = public(&file);
        let listed = bench.keygen(&["-l", "-f", &format!("{name}.pub")], b"").expect("listed");
        assert_eq!(listed.split(' ').nth(1), Some(key.fingerprint().as_str()), "{listed}");

        let message = b"a message\0of bytes";
        let theirs = bench.keygen(&["-q", "-Y", "sign", "-f", name, "-n", "file"], message).expect("signed");
        let theirs = SshSignature::parse(&theirs).expect("read");
        theirs.verify(&key, "file", message).expect("their signature holds");
        assert!(matches!(theirs.verify(&key, "git", message), Err(KeyError::OtherNamespace { .. })));
        assert!(matches!(theirs.verify(&key, "file", b"another"), Err(KeyError::BadSignature { .. })));
        // Their choice of SHA-256 for the message.
        let arguments = ["-q", "-Y", "sign", "-O", "hashalg=sha256", "-f", name, "-n", "file"];
        let short = SshSignature::parse(&bench.keygen(&arguments, message).expect("signed")).expect("read");
        short.verify(&key, "file", message).expect("with SHA-256 too");

        let signer = SshSigner::open(&file, None).expect("opened");
        assert_eq!(signer.custody(), Custody::PlainFile);
        assert_eq!(signer.public_key(), &key);
        assert_eq!(signer.public_key().comment(), "ada@example.test");
        let ours = signer.sign("file", message).expect("signed");
        assert!(bench.judge(&key, "file", message, &ours), "{name}");
        assert!(!bench.judge(&key, "git", message, &ours));
        assert!(!bench.judge(&key, "file", b"another", &ours));
        assert_eq!(SshSignature::parse(&ours.to_armored()).expect("read"), ours);

        // A public key's file signs through ssh-keygen, which finds the private half beside it.
        let outside = SshSigner::open(&file.with_extension("pub"), None).expect("opened");
        assert_eq!(outside.custody(), Custody::External);
        outside.sign("file", message).expect("signed").verify(&key, "file", message).expect("holds");
    }
}

#[test]
fn files_with_a_passphrase() {
    let Some(bench) = Bench::new() else { return };
    for cipher in ["aes256-ctr", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-cbc"] {
        let arguments = ["-t", "ed25519", "-Z", cipher, "-a", "2"];
        let file = bench.generate(&cipher[..10], &arguments, "correct horse");
        assert!(matches!(SshSigner::open(&file, None), Err(KeyError::PassphraseNeeded)), "{cipher}");
        let wrong = Passphrase::new("wrong".into());
        assert!(matches!(SshSigner::open(&file, Some(&wrong)), Err(KeyError::WrongPassphrase)), "{cipher}");
        let right = Passphrase::new("correct horse".into());
        let signer = SshSigner::open(&file, Some(&right)).expect(cipher);
        assert_eq!(signer.custody(), Custody::EncryptedFile);
        let signature = signer.sign("file", b"m").expect("signed");
        assert!(bench.judge(&public(&file), "file", b"m", &signature));
        assert!(!format!("{signer:?}").contains("horse"));
    }
    let file = bench.generate("slow", &["-t", "ed25519", "-a", "2"], "p");
    let text = std::fs::read_to_string(&file).expect("read");
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    use base64::Engine as _;
    let mut bytes = base64::engine::general_purpose::STANDARD.decode(body).expect("base64");
    let rounds = bytes.windows(4).position(|w| w == [0, 0, 0, 2]).expect("the round count");
    bytes[rounds] = 0x7f;
    let body = base64::engine::general_purpose::STANDARD.encode(bytes);
    let lines: Vec<&str> = body.as_bytes().chunks(70).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let text =
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n", lines.join("\n"));
    std::fs::write(&file, text).expect("written");
    let started = std::time::Instant::now();
    let error = SshSigner::open(&file, Some(&Passphrase::new("p".into()))).expect_err("too slow");
    assert!(matches!(error, KeyError::TooLarge { .. }), "{error}");
    assert!(started.elapsed().as_secs() < 5, "refused before any work");
}

#[test]
fn a_private_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(bench) = Bench::new() else { return };
    let file = bench.generate("open", &["-t", "ed25519"], "");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("changed");
    assert!(matches!(SshSigner::open(&file, None), Err(KeyError::OpenToOthers { .. })));
}

#[test]
fn our_own_keys_sign_too() {
    let bench = Bench::new();
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519] {
        let key = PrivateKey::generate(algorithm).expect("a key");
        let own: PublicKey = key.public_key().clone();
        let signer = SshSigner::from_signer(Box::new(key)).expect("a signer");
        let signature = signer.sign("approval", b"m").expect("signed");
        let public = SshPublicKey::from_public_key(&own).expect("a key");
        signature.verify(&public, "approval", b"m").expect("holds");
        assert_eq!(public.as_public_key().map(|key| key.id()), Some(own.id()));
        if let Some(bench) = &bench {
            assert!(bench.judge(&public, "approval", b"m", &signature));
        }
    }
}

/// A security key in software, as `PROTOCOL.u2f` says one signs.
struct SecurityKey {
    public: SshPublicKey,
    ed25519: Option<ed25519_dalek::SigningKey>,
    p256: p256::ecdsa::SigningKey,
    application: &'static str,
}

impl SecurityKey {
    fn new(ed25519: bool, application: &'static str) -> Result<Self, KeyError> {
        let ed = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let p256 = p256::ecdsa::SigningKey::from_slice(&[9; 32]).expect("a key");
        let mut blob = Vec::new();
        if ed25519 {
            put_string(&mut blob, b"sk-ssh-ed25519@openssh.com");
            put_string(&mut blob, ed.verifying_key().as_bytes());
        } else {
            put_string(&mut blob, b"sk-ecdsa-sha2-nistp256@openssh.com");
            put_string(&mut blob, b"nistp256");
            put_string(&mut blob, p256.verifying_key().to_sec1_point(false).as_bytes());
        }
        put_string(&mut blob, application.as_bytes());
        let public = SshPublicKey::from_blob(&blob)?;
        Ok(Self { public, ed25519: ed25519.then_some(ed), p256, application })
    }

    fn sign(&self, namespace: &str, message: &[u8], flags: u8) -> SshSignature {
        use p256::ecdsa::signature::Signer as _;
        let to_sign = SshSignature::to_sign(namespace, message).expect("a namespace");
        let mut signed = Sha256::digest(self.application).to_vec();
        signed.push(flags);
        signed.extend_from_slice(&77_u32.to_be_bytes());
        signed.extend_from_slice(&Sha256::digest(to_sign));
        let mut signature = Vec::new();
        put_string(&mut signature, self.public.algorithm().name().as_bytes());
        if let Some(key) = &self.ed25519 {
            put_string(&mut signature, &ed25519_dalek::Signer::sign(key, &signed).to_bytes());
        } else {
            let made: p256::ecdsa::Signature = self.p256.sign(&signed);
            put_string(&mut signature, &pair_from_fixed(&made.to_bytes()));
        }
        signature.push(flags);
        signature.extend_from_slice(&77_u32.to_be_bytes());
        SshSignature::assemble(&self.public, namespace, &signature).expect("a signature")
    }
}

#[test]
fn security_keys_need_a_touch() {
    let bench = Bench::new();
    for ed25519 in [true, false] {
        let key = SecurityKey::new(ed25519, "ssh:").expect("a key");
        assert!(key.public.as_public_key().is_none());
        for (flags, holds) in [(1, true), (5, true), (0, false), (4, false)] {
            let signature = key.sign("git", b"m", flags);
            assert_eq!(signature.verify(&key.public, "git", b"m").is_ok(), holds, "{flags}");
            assert!(signature.verify(&key.public, "git", b"n").is_err());
            if let Some(bench) = &bench {
                // ssh-keygen takes one without a touch too: we ask for more.
                assert!(bench.judge(&key.public, "git", b"m", &signature), "OpenSSH, {flags}");
                assert!(!bench.judge(&key.public, "git", b"n", &signature), "OpenSSH, {flags}");
            }
        }
        assert!(SecurityKey::new(ed25519, "https://example.test").is_err(), "a web page's key");
    }
    if let Some(bench) = &bench {
        let key = SecurityKey::new(true, "ssh:").expect("a key");
        let line = bench.write("sk.pub", key.public.to_line());
        let listed = bench.keygen(&["-l", "-f", line.to_str().expect("utf-8")], b"").expect("listed");
        assert!(listed.contains(&key.public.fingerprint()), "{listed}");
    }
}

#[test]
fn no_bit_of_a_signature_can_be_changed() {
    let Some(bench) = Bench::new() else { return };
    let sk = SecurityKey::new(true, "ssh:").expect("a key");
    let mut cases = vec![(sk.public.clone(), sk.sign("file", b"m", 1))];
    for (name, arguments) in KINDS {
        let signer = SshSigner::open(&bench.generate(name, arguments, ""), None).expect("opened");
        cases.push((signer.public_key().clone(), signer.sign("file", b"m").expect("signed")));
    }
    for (key, signature) in cases {
        let bytes = signature.to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut broken = bytes.to_vec();
            broken[bit / 8] ^= 1 << (bit % 8);
            let holds = SshSignature::from_bytes(&broken).is_ok_and(|s| s.verify(&key, "file", b"m").is_ok());
            assert!(!holds, "bit {bit} of {key:?}");
        }
        for end in 0..bytes.len() {
            assert!(SshSignature::from_bytes(&bytes[..end]).is_err_and(|e| e.to_string().len() < 400), "{end}");
        }
        assert!(SshSignature::from_bytes(&[bytes, &[0]].concat()).is_err());
    }
}

/// SSHSIG with given parts.
fn made(key: &[u8], namespace: &[u8], reserved: &[u8], hash: &[u8], signature: &[u8], version: u32) -> Vec<u8> {
    let mut out = b"SSHSIG".to_vec();
    out.extend_from_slice(&version.to_be_bytes());
    for part in [key, namespace, reserved, hash, signature] {
        put_string(&mut out, part);
    }
    out
}

#[test]
fn what_is_not_signed_or_not_safe_is_refused() {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key");
    let public = SshPublicKey::from_public_key(key.public_key()).expect("a key");
    let mut signature = Vec::new();
    put_string(&mut signature, b"ssh-ed25519");
    put_string(&mut signature, &[1; 64]);
    let blob = public.blob();
    assert!(SshSignature::from_bytes(&made(blob, b"git", b"", b"sha512", &signature, 1)).is_ok());
    for (what, bytes) in [
        ("version", made(blob, b"git", b"", b"sha512", &signature, 2)),
        ("no namespace", made(blob, b"", b"", b"sha512", &signature, 1)),
        ("namespace", made(blob, b"git\n", b"", b"sha512", &signature, 1)),
        ("long namespace", made(blob, &[b'x'; 257], b"", b"sha512", &signature, 1)),
        ("reserved", made(blob, b"git", b"x", b"sha512", &signature, 1)),
        ("sha1", made(blob, b"git", b"", b"sha1", &signature, 1)),
        ("md5", made(blob, b"git", b"", b"md5", &signature, 1)),
        ("key", made(b"", b"git", b"", b"sha512", &signature, 1)),
        ("size", made(blob, b"git", b"", b"sha512", &[0; SshLimits::SIGNATURE], 1)),
    ] {
        assert!(SshSignature::from_bytes(&bytes).is_err(), "{what}");
    }
    assert!(SshSignature::parse(&"x".repeat(SshLimits::ARMOUR + 1)).is_err());
    let armour =
        SshSignature::from_bytes(&made(blob, b"git", b"", b"sha512", &signature, 1)).expect("read").to_armored();
    for wrong in [
        format!("{armour}{armour}"),
        format!("words\n{armour}"),
        format!("{armour}words"),
        armour.replace("SIGNATURE-----\n", "SIGNATURE-----"),
        armour.replace('=', ""),
        armour.replace("SSH SIGNATURE", "PGP SIGNATURE"),
    ] {
        assert_ne!(wrong, armour);
        assert!(SshSignature::parse(&wrong).is_err(), "{wrong}");
    }
    // A signature by another key of the same person's names that key.
    let other = SshPublicKey::from_public_key(PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key").public_key());
    let read = SshSignature::from_bytes(&made(blob, b"git", b"", b"sha512", &signature, 1)).expect("read");
    assert!(matches!(read.verify(&other.expect("a key"), "git", b""), Err(KeyError::OtherKey { .. })));
}

#[test]
fn rsa_with_sha1_and_short_padding() {
    let Some(bench) = Bench::new() else { return };
    let file = bench.generate("rsa", &["-t", "rsa", "-b", "2048"], "");
    let key = public(&file);
    let to_sign = bench.write("to-sign", SshSignature::to_sign("git", b"m").expect("bytes"));
    bench.keygen(&["-q", "-p", "-N", "", "-m", "PEM", "-f", "rsa"], b"").expect("as PEM");
    for (hash, name, holds) in
        [("-sha512", "rsa-sha2-512", true), ("-sha256", "rsa-sha2-256", true), ("-sha1", "ssh-rsa", false)]
    {
        let done = Command::new("openssl").args(["dgst", hash, "-sign"]).arg(&file).arg(&to_sign).output();
        let Ok(done) = done else { return };
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        for claimed in [name, "ssh-rsa", "rsa-sha2-256"] {
            let mut signature = Vec::new();
            put_string(&mut signature, claimed.as_bytes());
            put_string(&mut signature, &done.stdout);
            let signature = SshSignature::assemble(&key, "git", &signature).expect("read");
            let expected = holds && claimed == name;
            assert_eq!(signature.verify(&key, "git", b"m").is_ok(), expected, "{hash} as {claimed}");
        }
    }
}

#[test]
fn weak_and_strange_keys_are_refused() {
    let blob = |parts: &[&[u8]]| {
        let mut out = Vec::new();
        parts.iter().for_each(|part| put_string(&mut out, part));
        out
    };
    let rsa = |e: &[u8], n: &[u8]| {
        let mut out = blob(&[b"ssh-rsa"]);
        put_positive(&mut out, e);
        put_positive(&mut out, n);
        out
    };
    let modulus = |bytes: usize| [vec![0xc1; bytes - 1], vec![0x0b]].concat();
    let ed = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key").public_key().ed25519_bytes().expect("bytes");
    let point = p256::ecdsa::SigningKey::from_slice(&[9; 32]).expect("a key");
    let compressed = point.verifying_key().to_sec1_point(true).as_bytes().to_vec();
    let point = point.verifying_key().to_sec1_point(false).as_bytes().to_vec();
    assert!(SshPublicKey::from_blob(&rsa(&[1, 0, 1], &modulus(256))).is_ok());
    assert!(SshPublicKey::from_blob(&blob(&[b"ssh-ed25519", &ed])).is_ok());
    assert!(SshPublicKey::from_blob(&blob(&[b"ecdsa-sha2-nistp256", b"nistp256", &point])).is_ok());
    let mut off_curve = point.clone();
    off_curve[64] ^= 1;
    let mut not_canonical = [0xff; 32];
    (not_canonical[0], not_canonical[31]) = (0xf0, 0x7f);
    for (what, bytes) in [
        ("1024 bits", rsa(&[1, 0, 1], &modulus(128))),
        ("2040 bits", rsa(&[1, 0, 1], &modulus(255))),
        ("8200 bits", rsa(&[1, 0, 1], &modulus(1025))),
        ("even modulus", rsa(&[1, 0, 1], &vec![0xc0; 256])),
        ("exponent 1", rsa(&[1], &modulus(256))),
        ("exponent 3", rsa(&[3], &modulus(256))),
        ("even exponent", rsa(&[1, 0, 0], &modulus(256))),
        ("great exponent", rsa(&[1, 0, 0, 0, 0, 0, 1], &modulus(256))),
        ("modulus with a zero", blob(&[b"ssh-rsa", &[1, 0, 1], &[vec![0, 0], modulus(256)].concat()])),
        ("negative modulus", blob(&[b"ssh-rsa", &[1, 0, 1], &modulus(256)])),
        ("short", blob(&[b"ssh-ed25519", &ed[..31]])),
        ("bytes follow", blob(&[b"ssh-ed25519", &ed, b""])),
        ("small order", blob(&[b"ssh-ed25519", &[0; 32]])),
        ("second encoding", blob(&[b"ssh-ed25519", &not_canonical])),
        ("compressed", blob(&[b"ecdsa-sha2-nistp256", b"nistp256", &compressed])),
        ("off the curve", blob(&[b"ecdsa-sha2-nistp256", b"nistp256", &off_curve])),
        ("off P-384", blob(&[b"ecdsa-sha2-nistp384", b"nistp384", &[vec![4], vec![5; 96]].concat()])),
        ("off P-521", blob(&[b"ecdsa-sha2-nistp521", b"nistp521", &[vec![4], vec![1; 132]].concat()])),
        ("infinity", blob(&[b"ecdsa-sha2-nistp256", b"nistp256", &[0]])),
        ("another curve", blob(&[b"ecdsa-sha2-nistp256", b"nistp384", &point])),
        ("dss", blob(&[b"ssh-dss", b"", b"", b"", b""])),
        ("certificate", blob(&[b"ssh-ed25519-cert-v01@openssh.com", &ed])),
        ("application", blob(&[b"sk-ssh-ed25519@openssh.com", &ed, b"ssh:\n"])),
        ("size", blob(&[b"ssh-ed25519", &[0; SshLimits::KEY]])),
    ] {
        let error = SshPublicKey::from_blob(&bytes).expect_err(what);
        assert!(!matches!(error, KeyError::BadSignature { .. }), "{what}: {error}");
    }
    let line = SshPublicKey::from_blob(&blob(&[b"ssh-ed25519", &ed])).expect("a key").to_line();
    assert_eq!(SshPublicKey::parse(&format!("  {line}  a b \r\n")).expect("a key").comment(), "a b");
    for wrong in [
        format!("no-pty {line}"),
        line.replacen("ssh-ed25519", "ssh-rsa", 1),
        format!("{line}\n{line}"),
        format!("{line} \x1b[2J"),
        "ssh-ed25519".into(),
        "-----BEGIN PUBLIC KEY-----".into(),
        String::new(),
        format!("{line}{}", "x".repeat(SshLimits::LINE)),
    ] {
        assert!(SshPublicKey::parse(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn allowed_signers_judge_as_ssh_keygen_does() {
    let Some(bench) = Bench::new() else { return };
    let file = bench.generate("ed", &["-t", "ed25519"], "");
    let (key, other) = (public(&file), public(&bench.generate("other", &["-t", "ed25519"], "")));
    let signature = SshSigner::open(&file, None).expect("opened").sign("git", b"m").expect("signed");
    bench.write("sig", signature.to_armored());
    let line = key.to_line();
    let cases = [
        format!("ada {line}"),
        format!("bob {line}"),
        format!("*@example.test,ada {line}"),
        format!("a?a {line}"),
        format!("a* {line}"),
        format!("*,!ada {line}"),
        format!("!ada,* {line}"),
        format!("*,!bob {line}"),
        format!("\"ada\" {line}"),
        format!("ada namespaces=\"git\" {line}"),
        format!("ada namespaces=\"file,g*\" {line}"),
        format!("ada namespaces=\"*,!git\" {line}"),
        format!("ada namespaces=\"file\" {line}"),
        format!("ada NameSpaces=\"git\",valid-after=\"20200101Z\" {line}"),
        format!("ada valid-after=\"20300101Z\" {line}"),
        format!("ada valid-before=\"20200101Z\" {line}"),
        format!("ada valid-after=\"20250101Z\",valid-before=\"202612312359Z\" {line}"),
        format!("ada valid-after=\"20260601000000Z\" {line}"),
        format!("ada valid-after=\"20260601000001Z\" {line}"),
        format!("ada valid-before=\"20260601000000Z\" {line}"),
        format!("ada valid-before=\"20260531235959Z\" {line}"),
        format!("ada {}", other.to_line()),
        format!("# words\n\nada namespaces=\"file\" {line}\nada {line}"),
        format!("bob {line}\r\nada {line}\r\n"),
    ];
    let at: Timestamp = "2026-06-01T00:00:00Z".parse().expect("a time");
    let mut allowed = 0;
    for case in &cases {
        bench.write("allowed", format!("{case}\n"));
        let arguments =
            ["-Y", "verify", "-f", "allowed", "-I", "ada", "-n", "git", "-s", "sig", "-Overify-time=20260601000000Z"];
        let theirs = bench.keygen(&arguments, b"m").is_some();
        let signers = AllowedSigners::parse(case).unwrap_or_else(|e| panic!("{case}: {e}"));
        let ours = signers.verify("ada", "git", b"m", &signature, at);
        assert_eq!(ours.is_ok(), theirs, "{case}: {ours:?}");
        allowed += usize::from(theirs);
    }
    assert!((8..cases.len() - 6).contains(&allowed), "{allowed}");
    for wrong in [
        "ada".to_owned(),
        format!("ada cert-authority {line}"),
        format!("ada valid-after=\"20200101\" {line}"),
        format!("ada valid-after=\"20201301Z\" {line}"),
        format!("ada valid-after=\"20300101Z\",valid-before=\"20200101Z\" {line}"),
        format!("ada namespaces=\"git\",namespaces=\"file\" {line}"),
        format!("ada namespaces=git {line}"),
        format!("ada restrict {line}"),
        format!("ada namespaces=\"git {line}"),
        format!("ada, {line}"),
        format!("ada {line}\nada ssh-dss AAAAB3NzaC1kc3M="),
        "x".repeat(SshLimits::ALLOWED_SIGNERS + 1),
    ] {
        assert!(AllowedSigners::parse(&wrong).is_err(), "{}", wrong.chars().take(200).collect::<String>());
    }
    let message = AllowedSigners::parse(&format!("\nada cert-authority {line}")).expect_err("refused").to_string();
    assert!(message.contains("line 2") && message.contains("not supported"), "{message}");
    let signers = AllowedSigners::parse(&cases[2]).expect("read");
    let found = signers.of_key(&key, "git", at).next().expect("found");
    assert!(found.is_for("eve@example.test") && !found.is_for("eve@example.test.evil"));
    let error = signers.verify("eve", "git", b"m", &signature, at).expect_err("not eve");
    assert!(matches!(error, KeyError::NotAllowed { .. }));
    assert!(matches!(signers.verify("ada", "git", b"n", &signature, at), Err(KeyError::BadSignature { .. })));
}

#[test]
fn the_message_is_hashed_as_the_signature_says() {
    // SHA-256 and SHA-512 of the same message give different bytes to sign: swapping the name must not verify.
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key");
    let public = SshPublicKey::from_public_key(key.public_key()).expect("a key");
    let signer = SshSigner::from_signer(Box::new(key)).expect("a signer");
    let signature = signer.sign("git", b"m").expect("signed");
    let bytes = signature.to_bytes();
    let at = bytes.windows(6).position(|w| w == b"sha512").expect("the hash's name");
    let mut swapped = bytes.to_vec();
    swapped[at..at + 6].copy_from_slice(b"sha256");
    let swapped = SshSignature::from_bytes(&swapped).expect("read");
    assert!(swapped.verify(&public, "git", b"m").is_err());
    assert_ne!(Sha512::digest(b"m")[..32], Sha256::digest(b"m")[..]);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), text in "\\PC{0,200}") {
        let _ = SshPublicKey::from_blob(&bytes);
        let _ = SshSignature::from_bytes(&bytes);
        let _ = SshSignature::from_bytes(&[b"SSHSIG\0\0\0\x01".as_slice(), &bytes].concat());
        let _ = SshPublicKey::parse(&text);
        let _ = SshSignature::parse(&text);
        let _ = AllowedSigners::parse(&text);
    }

    #[test]
    fn a_signature_holds_for_its_message_alone(message in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..200, namespace in "[a-z@.]{1,30}") {
        let key = PrivateKey::from_ed25519_seed(&[3; 32], Custody::PlainFile).expect("a key");
        let public = SshPublicKey::from_public_key(key.public_key()).expect("a key");
        let signature = SshSigner::from_signer(Box::new(key)).expect("a signer").sign(&namespace, &message).expect("signed");
        let again = SshSignature::parse(&signature.to_armored()).expect("read");
        again.verify(&public, &namespace, &message).expect("holds");
        let mut other = message.clone();
        other.insert(at.min(message.len()), 0);
        prop_assert!(again.verify(&public, &namespace, &other).is_err());
    }
}
