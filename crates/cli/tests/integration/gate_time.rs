//! Time on the word of others: time-stamping authorities (RFC 3161) made by OpenSSL, and witnesses of the log.

use std::path::PathBuf;
use std::process::Command;

use provost_gate::{Binding, Receipt, ReceiptKind};
use provost_model::Timestamp;
use provost_tlog::{NoteKey, NoteKeyKind};
use serde_json::Value;

use crate::court::{Court, HOUR, now, reason};
use crate::text_of;

/// A day has to pass.
const DELAYED: &str = "\n[[protect]]\nname = \"code\"\nrefs = [\"refs/heads/main\"]\ndelay-hours = 24\n";

/// Two authorities of one year, each under a root of its own. `openssl ca` is the way to certificates that began earlier.
const AUTHORITIES: &str = r#"
set -e
cat > ca.cnf <<END
[ca]
default_ca = own
[own]
dir = .
new_certs_dir = .
database = index
serial = serial
default_md = sha256
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[tsa]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = critical,timeStamping
END
: > index; echo 01 > serial
for own in good stranger; do
  for name in $own-root $own; do
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $name.key
    openssl req -new -config ca.cnf -key $name.key -subj /CN=$name -out $name.csr
  done
  span="-startdate 20250101000000Z -enddate 20490101000000Z"
  openssl ca -batch -notext -config ca.cnf -selfsign -keyfile $own-root.key -in $own-root.csr $span -extensions root -out $own-root.pem
  openssl ca -batch -notext -config ca.cnf -keyfile $own-root.key -cert $own-root.pem -in $own.csr $span -extensions tsa -out $own.pem
done
"#;

struct Authorities {
    folder: PathBuf,
}

impl Authorities {
    fn new(court: &Court) -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("skipped: no openssl on this machine");
            return None;
        }
        let folder = court.root().join("authorities");
        std::fs::create_dir(&folder).expect("folder");
        let authorities = Self { folder };
        authorities.shell(AUTHORITIES);
        Some(authorities)
    }

    fn shell(&self, script: &str) {
        let done = Command::new("sh").arg("-c").arg(script).current_dir(&self.folder).output().expect("sh runs");
        assert!(done.status.success(), "{}", text_of(&done));
    }

    fn root(&self) -> String {
        std::fs::read_to_string(self.folder.join("good-root.pem")).expect("root")
    }

    /// A token over a digest as of some hours ago. OpenSSL's `ts` knows no time but now: the same content, signed as CMS.
    fn token(&self, by: &str, digest: &str, hours_ago: i64) -> String {
        let time: String = now().plus_milliseconds(-hours_ago * HOUR).to_string();
        let time: String = time.split('.').next().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
        let form = format!(
            "asn1=SEQUENCE:info\n[info]\nversion=INTEGER:1\npolicy=OID:1.2.3.4.1\nimprint=SEQUENCE:imprint\nserial=INTEGER:5\n\
             time=GENERALIZEDTIME:{time}Z\naccuracy=SEQUENCE:accuracy\n[accuracy]\nseconds=INTEGER:1\n\
             [imprint]\nhash=SEQUENCE:hash\ndigest=FORMAT:HEX,OCTETSTRING:{digest}\n\
             [hash]\nname=OID:2.16.840.1.101.3.4.2.1\nnone=NULL\n"
        );
        std::fs::write(self.folder.join("form"), form).expect("written");
        let file = self.folder.join(format!("{by}-{hours_ago}-{}.tsr", &digest[..8]));
        self.shell(&format!(
            "openssl asn1parse -genconf form -noout -out info && openssl cms -sign -binary -nodetach \
             -econtent_type 1.2.840.113549.1.9.16.1.4 -md sha256 -cades -in info -signer {by}.pem -inkey {by}.key -outform DER -out {}",
            file.display()
        ));
        file.display().to_string()
    }
}

fn digest(judged: &Value) -> String {
    judged["digest"].as_str().and_then(|digest| digest.rsplit(':').next()).expect("digest").to_owned()
}

#[test]
fn timestamps_of_an_authority() {
    let court = Court::new(DELAYED);
    let Some(authorities) = Authorities::new(&court) else { return };
    court.topic("bob", "a.c", "int a;\n");
    let without = court.judge(&["--no-attest"]);
    let (digest, other) = (digest(&without), "00".repeat(32));
    let old = authorities.token("good", &digest, 48);
    let refused = |code: i32, token: &str, why: &str| {
        let text = court.expect(
            "ci",
            code,
            &["gate", "--head", "origin/topic", "--onto", "main", "--no-attest", "--timestamp", token],
        );
        assert!(text.contains(why), "{text}");
    };
    refused(3, &old, "the policy names no time-stamping authority");

    let roots = format!("[gate]\ntime = [\"rfc3161\"]\ntimestamp-roots = [\"\"\"{}\"\"\"]\n", authorities.root());
    court.change_policy(|text| text.replace("\n[gate]\n", &format!("\n{roots}")));
    court.git("bob", &["fetch", "-q", "origin"]);
    court.git("bob", &["rebase", "-q", "origin/main"]);
    court.push("bob");
    let without = court.judge(&["--no-attest"]);
    assert!(reason(&without, "code").contains("not proved"), "{without:#}");
    let digest = self::digest(&without);
    assert_ne!(self::digest(&without), other);
    let token = |hours: i64| authorities.token("good", &digest, hours);
    let judge = |tokens: &[&str]| {
        let more: Vec<&str> = tokens.iter().flat_map(|token| ["--timestamp", *token]).collect();
        court.judge(&[&["--no-attest"], more.as_slice()].concat())
    };
    // An old one alone says when it was proposed, and not that a day has passed.
    let (old, new) = (token(48), token(0));
    assert_eq!(judge(&[&old])["answer"], "wait-until");
    let waits = judge(&[&new]);
    assert_eq!(waits["answer"], "wait-until", "{waits:#}");
    let both = judge(&[&new, &old]);
    assert_eq!((both["answer"].as_str(), both["time"]["by"].as_str()), (Some("allow"), Some("clock")), "{both:#}");
    // Just short of a day by the second that the token may be off.
    assert_eq!(judge(&[&token(24), &new])["answer"], "wait-until");
    assert_eq!(judge(&[&token(25), &new])["answer"], "allow");
    // Over something else, by somebody else, of before this head.
    refused(3, &authorities.token("good", &other, 48), "is no timestamp of this proposal");
    refused(3, &authorities.token("stranger", &digest, 48), "is no timestamp of this proposal");
    court.commit("bob", "a.c", "int another;\n");
    court.push("bob");
    court.fetch("ci");
    refused(3, &old, "is no timestamp of this proposal");
}

#[test]
fn a_witness_says_what_time_it_is() {
    let court = Court::new(DELAYED);
    let key = court.root().join("witness.key").display().to_string();
    court.expect("root", 0, &["key", "generate", "--algorithm", "ed25519", &key]);
    let public = std::fs::read_to_string(format!("{key}.pub")).expect("key");
    let public = provost_keys::PublicKey::from_pem(&public).expect("key");
    let witness = NoteKey::new("witness.example.com/one", NoteKeyKind::CosignatureV1, public).expect("key").to_string();
    court.change_policy(|text| format!("{text}\n[[witness]]\nkey = \"{witness}\"\n"));
    court.topic("bob", "a.c", "int a;\n");
    let judged = court.judge(&["--no-attest"]);
    let of: Binding = serde_json::from_value(judged["proposal"].clone()).expect("binding");
    let received_on: Timestamp = now().plus_milliseconds(-48 * HOUR);
    let receipt = Receipt { of: ReceiptKind::Proposal { of }, received_on, from: None };
    court.log(&receipt.statement().expect("statement"), false);
    assert!(reason(&court.judge(&["--no-attest"]), "code").contains("by clock alone"));

    // The witness looks at a copy of the log, on a machine of its own.
    let export = |name: &str| {
        let to = court.root().join(name).display().to_string();
        court.expect("ci", 0, &["log", "export", &to]);
        to
    };
    let first = export("first");
    let cosign = ["log", "cosign", &first, "--key", &key, "--name", "witness.example.com/one"];
    let told = court.expect("root", 3, &cosign);
    assert!(told.contains("--log-key"), "{told}");
    let vkey = std::fs::read_to_string(format!("{first}/log.vkey")).expect("key").trim().to_owned();
    let text = court.expect("root", 0, &[&cosign[..], &["--log-key", &vkey]].concat());
    assert!(text.contains(&witness), "{text}");
    let line = |text: &str| {
        let file = court.root().join("line");
        let line = text.lines().find(|line| line.starts_with('\u{2014}')).expect("a line");
        std::fs::write(&file, format!("{line}\n")).expect("written");
        file.display().to_string()
    };
    let attach = |file: &str| ["log".to_owned(), "attach".into(), "--witness".into(), witness.clone(), file.to_owned()];
    let attach = |code: i32, file: &str| {
        let arguments = attach(file);
        court.expect("ci", code, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let old = line(&text);
    assert!(attach(0, &old).contains("1 new cosignature"));
    assert!(attach(0, &old).contains("there already"));
    let judged = court.judge(&["--no-attest"]);
    assert_eq!(judged["answer"], "allow", "{judged:#}");
    court.expect("ci", 0, &["log", "fsck"]);

    // The log goes on: what was said of its state before is nothing of the new one.
    court.judge(&[]);
    let judged = court.judge(&["--no-attest"]);
    assert!(reason(&judged, "code").contains("by clock alone"), "{judged:#}");
    assert!(attach(3, &old).contains("cosigned another checkpoint"));
    let second = export("second");
    let again =
        |at: &str| court.output("root", &["log", "cosign", at, "--key", &key, "--name", "witness.example.com/one"]);
    let text = text_of(&again(&second));
    assert!(attach(0, &line(&text)).contains("1 new cosignature"), "{text}");
    // A state from before what it has seen, and another history, a witness never signs.
    let earlier = again(&first);
    assert!(!earlier.status.success() && text_of(&earlier).contains("bring the newest"), "{}", text_of(&earlier));
    // Nobody's line, and a broken one.
    let stranger = court.root().join("stranger.key").display().to_string();
    court.expect("root", 0, &["key", "generate", "--algorithm", "ed25519", &stranger]);
    let text =
        court.expect("root", 0, &["log", "cosign", &second, "--key", &stranger, "--name", "witness.example.com/two"]);
    assert!(attach(3, &line(&text)).contains("is no witness"));
    let wrong =
        court.expect("root", 0, &["log", "cosign", &second, "--key", &key, "--name", "witness.example.com/one"]);
    let wrong = line(&wrong);
    let broken = std::fs::read_to_string(&wrong).expect("line").replace('A', "B");
    std::fs::write(&wrong, broken).expect("written");
    attach(3, &wrong);
}
