//! Held against gpg: keys of every kind, what counts and what does not.
#![allow(clippy::print_stderr)]

use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use provost_model::Timestamp;

use super::*;

/// Keys: name, and how gpg makes them. `sub` signs with a subkey alone.
const SETUP: &str = r#"
set -e
mkdir -m 700 home && export GNUPGHOME=$PWD/home LC_ALL=C
printf 'allow-loopback-pinentry\n' > home/gpg-agent.conf
pg() { gpg --batch --quiet --no-tty --pinentry-mode loopback --passphrase '' "$@"; }
make() { pg --quick-gen-key "$1 <$1@example.test>" "$2" "$3" "${4:-0}"; }
id() { gpg --batch --with-colons --list-keys "$1@example.test" | awk -F: '$1 == "fpr" { print $10; exit }'; }
make ed25519 ed25519 sign
make rsa2048 rsa2048 sign,cert
make rsa1024 rsa1024 sign,cert
make p256 nistp256 sign,cert
make p384 nistp384 sign,cert
make stranger ed25519 sign
make sub ed25519 cert
pg --quick-add-key "$(id sub)" ed25519 sign
make crypt ed25519 cert
pg --quick-add-key "$(id crypt)" cv25519 encr
make short ed25519 sign 10d
make lost ed25519 cert
pg --quick-add-key "$(id lost)" ed25519 sign
pg --faked-system-time 20200101T000000 --cert-digest-algo SHA1 --quick-gen-key "old <old@example.test>" rsa2048 sign,cert 0 2>/dev/null ||
    pg --faked-system-time 20200101T000000! --cert-digest-algo SHA1 --allow-weak-digest-algos --quick-gen-key "old <old@example.test>" rsa2048 sign,cert 0
printf 'tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\na commit\n' > message
for who in ed25519 rsa2048 rsa1024 p256 p384 stranger sub short lost old; do
    pg --local-user "$who@example.test" --armor --detach-sign -o $who.sig message
done
pg --local-user ed25519@example.test --armor --digest-algo SHA512 --detach-sign -o sha512.sig message
pg --local-user rsa2048@example.test --armor --digest-algo SHA1 --allow-weak-digest-algos --detach-sign -o sha1.sig message
pg --local-user ed25519@example.test --armor --textmode --detach-sign -o text.sig message
pg --local-user ed25519@example.test --local-user rsa2048@example.test --armor --detach-sign -o two.sig message
pg --local-user ed25519@example.test --armor --default-sig-expire 5d --detach-sign -o brief.sig message
pg --local-user ed25519@example.test --armor --set-notation '!critical@example.test=yes' --detach-sign -o critical.sig message
for who in ed25519 rsa2048 rsa1024 p256 p384 stranger sub crypt short lost old; do
    gpg --batch --armor --export "$who@example.test" > $who.asc
done
gpg --batch --armor --export ed25519@example.test p256@example.test > both.asc
cp lost.asc before.asc
# A revoked subkey, then a revoked key.
printf 'key 1\nrevkey\ny\n0\n\ny\nsave\n' | gpg --no-tty --quiet --pinentry-mode loopback --passphrase '' --command-fd 0 --status-fd 2 --edit-key lost@example.test 2>/dev/null
gpg --batch --armor --export lost@example.test > lost.asc
sed 's/^:-----BEGIN/-----BEGIN/' home/openpgp-revocs.d/"$(id p384)".rev | gpg --batch --quiet --import
gpg --batch --armor --export p384@example.test > revoked.asc
for who in ed25519 rsa2048 sub p256; do id $who; done > ids
"#;

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Option<Self> {
        let there = Command::new("gpg").arg("--version").stdout(Stdio::null()).status().is_ok();
        if !there {
            eprintln!("skipped: no gpg on this machine");
            return None;
        }
        // The agent's socket needs a short path.
        let bench = Self(tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a directory"));
        let run = |script: &str| {
            let mut command = Command::new("bash");
            command.args(["-c", script]).current_dir(bench.0.path()).stdin(Stdio::null());
            command.output().expect("bash runs")
        };
        let output = run(SETUP);
        run("GNUPGHOME=$PWD/home gpgconf --kill all");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(bench)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        let path: &Path = self.0.path();
        std::fs::read(path.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn try_key(&self, name: &str) -> Result<OpenPgpKey, KeyError> {
        OpenPgpKey::parse(&String::from_utf8(self.read(&format!("{name}.asc"))).expect("armour"))
    }

    fn key(&self, name: &str) -> OpenPgpKey {
        self.try_key(name).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn signature(&self, name: &str) -> OpenPgpSignature {
        OpenPgpSignature::parse(&self.read(&format!("{name}.sig"))).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    Timestamp::from_seconds(since.as_secs() as i64)
}

fn why<T: std::fmt::Debug>(result: Result<T, KeyError>) -> String {
    result.expect_err("refused").to_string()
}

#[test]
fn what_gpg_makes() {
    let Some(bench) = Bench::new() else { return };
    let message = bench.read("message");
    let ids = String::from_utf8(bench.read("ids")).expect("text");

    // Every kind that counts, by the primary key and by a subkey that signs.
    for (signature, key) in [
        ("ed25519", "ed25519"),
        ("sha512", "ed25519"),
        ("rsa2048", "rsa2048"),
        ("p256", "p256"),
        ("p384", "p384"),
        ("sub", "sub"),
        ("short", "short"),
        ("lost", "before"),
    ] {
        let (signature, key) = (bench.signature(signature), bench.key(key));
        assert!(signature.names(&key), "{signature:?} {key:?}");
        signature.verify(&key, &message, now()).unwrap_or_else(|error| panic!("{signature:?} {key:?}: {error}"));
        let bad = signature.verify(&key, b"another", now());
        assert!(matches!(bad, Err(KeyError::BadSignature { .. })), "{bad:?}");
        let other = signature.verify(&bench.key("stranger"), &message, now());
        assert!(matches!(other, Err(KeyError::OtherKey { .. })), "{other:?}");
    }
    let fingerprints: Vec<&str> = ids.lines().collect();
    for (name, wanted) in ["ed25519", "rsa2048", "sub", "p256"].iter().zip(fingerprints) {
        assert_eq!(bench.key(name).fingerprint(), wanted, "{name}");
    }
    assert_eq!(bench.signature("ed25519").issuer(), bench.key("ed25519").fingerprint());
    assert_ne!(bench.signature("sub").issuer(), bench.key("sub").fingerprint(), "a subkey signs");

    // Keys that do not count.
    assert!(why(bench.try_key("rsa1024")).contains("size"), "{:?}", bench.try_key("rsa1024"));
    assert!(why(bench.try_key("crypt")).contains("signs data"), "{:?}", bench.try_key("crypt"));
    assert!(why(bench.try_key("lost")).contains("signs data"), "its signing subkey is revoked");
    assert!(why(bench.try_key("revoked")).contains("revoked"), "{:?}", bench.try_key("revoked"));
    assert!(why(bench.try_key("both")).contains("several"), "{:?}", bench.try_key("both"));
    assert!(why(bench.try_key("old")).contains("SHA-256"), "bound with SHA-1: {:?}", bench.try_key("old"));

    // Signatures that do not count.
    let parsed = |name: &str| OpenPgpSignature::parse(&bench.read(&format!("{name}.sig")));
    assert!(why(parsed("sha1")).contains("SHA1"), "{:?}", parsed("sha1"));
    assert!(why(parsed("text")).contains("another type"), "{:?}", parsed("text"));
    assert!(why(parsed("two")).contains("several"), "{:?}", parsed("two"));
    assert!(why(parsed("critical")).contains("critical"), "{:?}", parsed("critical"));

    // Time: as of when it is judged.
    let (short, key) = (bench.signature("short"), bench.key("short"));
    assert!(short.verify(&key, &message, now().plus_days(9)).is_ok());
    assert!(why(short.verify(&key, &message, now().plus_days(11))).contains("has expired"));
    assert!(why(short.verify(&key, &message, now().plus_days(-2))).contains("will be made"));
    let (brief, key) = (bench.signature("brief"), bench.key("ed25519"));
    assert!(brief.verify(&key, &message, now().plus_days(4)).is_ok());
    assert!(why(brief.verify(&key, &message, now().plus_days(6))).contains("expired"));

    // Every byte of the signature counts, and none of them panics.
    every_byte(&bench.read("sub.sig"), |changed| {
        let parsed = OpenPgpSignature::parse(changed);
        parsed.and_then(|s| s.verify(&bench.key("sub"), &message, now()))
    });
    every_byte(&bench.read("sub.asc"), |changed| {
        let key = OpenPgpKey::parse(&String::from_utf8_lossy(changed))?;
        // The key that is left may be one: it must be the same, and the signature must hold by it.
        if key != bench.key("sub") {
            return Err(KeyError::BadSignature { key: key.fingerprint().into() });
        }
        Ok(())
    });
}

/// Changes every byte of the armoured packets in turn, its checksum left away. What still holds differs in parts that are not
/// signed: those may be only a few.
fn every_byte(armour: &[u8], holds: impl Fn(&[u8]) -> Result<(), KeyError>) {
    use base64::Engine as _;
    let text = String::from_utf8_lossy(armour);
    let (head, rest) = text.split_once("\n\n").expect("headers");
    let tail = text.lines().next_back().expect("an end");
    let body: String = rest.lines().take_while(|line| !line.starts_with(['=', '-'])).collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(body).expect("base64");
    let packed = |bytes: &[u8]| {
        format!("{head}\n\n{}\n{tail}\n", base64::engine::general_purpose::STANDARD.encode(bytes)).into_bytes()
    };
    assert!(holds(&packed(&bytes)).is_ok(), "without a checksum");
    let mut unsigned = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x41;
        unsigned += usize::from(holds(&packed(&changed)).is_ok());
    }
    assert!(unsigned * 3 < bytes.len(), "{unsigned} of {} bytes change nothing", bytes.len());
    for length in 0..bytes.len() {
        let _ = holds(&packed(&bytes[..length]));
    }
}

#[test]
fn limits() {
    let large = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n".to_owned() + &"A".repeat(OpenPgpLimits::KEY);
    assert!(matches!(OpenPgpKey::parse(&large), Err(KeyError::TooLarge { .. })));
    let large = "-----BEGIN PGP SIGNATURE-----\n\n".to_owned() + &"A".repeat(OpenPgpLimits::SIGNATURE);
    assert!(matches!(OpenPgpSignature::parse(large.as_bytes()), Err(KeyError::TooLarge { .. })));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in "\\PC{0,200}") {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(&bytes);
        for label in ["SIGNATURE", "PUBLIC KEY BLOCK"] {
            let armour = format!("-----BEGIN PGP {label}-----\n\n{body}\n-----END PGP {label}-----\n");
            let _ = OpenPgpSignature::parse(armour.as_bytes());
            let _ = OpenPgpKey::parse(&armour);
        }
        let _ = OpenPgpSignature::parse(text.as_bytes());
        let _ = OpenPgpKey::parse(&text);
    }
}
