//! Held against OpenSSL's `cms` and `ts` commands, and against gpgsm.

use std::path::PathBuf;
use std::process::Command;

use proptest::prelude::*;
use provost_model::{Timestamp, sha256};

use super::*;
use crate::{Certificate, KeyError, SubjectName};

/// A root, an intermediate, and leaves of every kind: name, key, extensions.
const LEAVES: [(&str, &str, &str); 12] = [
    ("p256", "EC -pkeyopt ec_paramgen_curve:P-256", "extendedKeyUsage=emailProtection"),
    ("p384", "EC -pkeyopt ec_paramgen_curve:P-384", "extendedKeyUsage=codeSigning"),
    ("rsa2048", "RSA -pkeyopt rsa_keygen_bits:2048", "keyUsage=critical,digitalSignature"),
    ("rsa3072", "RSA -pkeyopt rsa_keygen_bits:3072", "keyUsage=critical,nonRepudiation"),
    ("ed25519", "ED25519", "extendedKeyUsage=emailProtection,clientAuth"),
    ("server", "EC -pkeyopt ec_paramgen_curve:P-256", "extendedKeyUsage=serverAuth"),
    ("crypt", "EC -pkeyopt ec_paramgen_curve:P-256", "keyUsage=critical,keyAgreement"),
    ("rsa1024", "RSA -pkeyopt rsa_keygen_bits:1024", "keyUsage=critical,digitalSignature"),
    ("tsa", "EC -pkeyopt ec_paramgen_curve:P-256", "extendedKeyUsage=critical,timeStamping"),
    ("tsa-rsa", "RSA -pkeyopt rsa_keygen_bits:2048", "extendedKeyUsage=critical,timeStamping"),
    ("tsa-loose", "EC -pkeyopt ec_paramgen_curve:P-256", "extendedKeyUsage=timeStamping"),
    ("tsa-both", "EC -pkeyopt ec_paramgen_curve:P-256", "extendedKeyUsage=critical,timeStamping,emailProtection"),
];

const SETUP: &str = r#"
set -e
key() { openssl genpkey -quiet -algorithm $2 -out $1.key 2>/dev/null || openssl genpkey -algorithm $2 -out $1.key 2>/dev/null; }
for root in root stranger; do
  key $root "EC -pkeyopt ec_paramgen_curve:P-256"
  openssl req -x509 -new -key $root.key -days 3650 -subj /CN=$root -out $root.pem -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
done
key middle "EC -pkeyopt ec_paramgen_curve:P-384"
openssl req -new -key middle.key -subj /CN=middle -out middle.csr
printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n' > ext
openssl x509 -req -in middle.csr -CA root.pem -CAkey root.key -set_serial 7 -days 3000 -extfile ext -out middle.pem 2>/dev/null
serial=100
while IFS='|' read -r name algorithm extensions; do
  key "$name" "$algorithm"
  openssl req -new -key $name.key -subj /CN=$name -out $name.csr
  printf 'basicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\nsubjectAltName=email:%s@example.test\n%s\n' "$name" "$extensions" > ext
  serial=$((serial + 1))
  openssl x509 -req -in $name.csr -CA middle.pem -CAkey middle.key -set_serial $serial -days 300 -extfile ext -out $name.pem 2>/dev/null
  cat > $name.cnf <<END
[tsa]
default_tsa = it
[it]
serial = ./serial
crypto_device = builtin
signer_cert = $name.pem
signer_key = $name.key
certs = middle.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha1, sha256, sha384, sha512
accuracy = secs:1, millisecs:500, microsecs:100
ordering = yes
tsa_name = yes
clock_precision_digits = 3
ess_cert_id_alg = sha256
END
done
printf 01 > serial
printf 'a message\0of bytes' > message
printf 'another message' > other
"#;

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("skipped: no openssl on this machine");
            return None;
        }
        let bench = Self(tempfile::tempdir().expect("a directory"));
        let leaves: Vec<String> = LEAVES.iter().map(|(name, key, more)| format!("{name}|{key}|{more}\n")).collect();
        std::fs::write(bench.path("leaves"), leaves.concat()).expect("written");
        bench.shell(&format!("( {SETUP} ) < leaves")).then_some(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn shell(&self, script: &str) -> bool {
        let done = Command::new("sh").arg("-c").arg(script).current_dir(self.0.path()).output().expect("sh runs");
        if !done.status.success() {
            eprintln!("{script}: {}", String::from_utf8_lossy(&done.stderr));
        }
        done.status.success()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect(name)
    }

    fn certificate(&self, name: &str) -> Certificate {
        Certificate::from_pem(&String::from_utf8_lossy(&self.read(&format!("{name}.pem")))).expect("a certificate")
    }

    fn now(&self) -> Timestamp {
        self.certificate("p256").identity().expect("an identity").not_before.plus_days(1)
    }

    /// OpenSSL's signature, with arguments of ours.
    fn sign(&self, name: &str, more: &str) -> Vec<u8> {
        let script = format!(
            "openssl cms -sign -binary -in message -signer {name}.pem -inkey {name}.key -certfile middle.pem -outform DER -out sig {more}"
        );
        assert!(self.shell(&script), "{name} {more}");
        self.read("sig")
    }

    fn check(&self, bytes: &[u8], message: &str) -> Result<CmsSigner, KeyError> {
        let roots = [self.certificate("root")];
        CmsSignature::from_der(bytes)?.verify(&self.read(message), &[], &roots, self.now())
    }

    fn token(&self, name: &str, query: &str, reply: &str) -> Vec<u8> {
        let script = format!(
            "openssl ts -query -data message {query} -out q && openssl ts -reply -config {name}.cnf -queryfile q {reply} -out r"
        );
        assert!(self.shell(&script), "{name} {query} {reply}");
        self.read("r")
    }

    fn time(&self, bytes: &[u8]) -> Result<VerifiedTime, KeyError> {
        let roots = [self.certificate("root")];
        TimestampToken::from_der(bytes)?.verify_message(&self.read("message"), &[], &roots)
    }
}

#[test]
fn signatures_of_openssl() {
    let Some(bench) = Bench::new() else { return };
    for (name, digests) in [
        ("p256", &["sha256", "sha384", "sha512"][..]),
        ("p384", &["sha256", "sha384", "sha512"]),
        ("rsa2048", &["sha256", "sha384", "sha512"]),
        ("rsa3072", &["sha256"]),
    ] {
        for digest in digests {
            for more in ["", "-keyid", "-nosmimecap"] {
                let signature = bench.sign(name, &format!("-md {digest} {more}"));
                let signer = bench.check(&signature, "message").unwrap_or_else(|e| panic!("{name} {digest}: {e}"));
                assert_eq!(signer.certificate, bench.certificate(name));
                assert_eq!(signer.identity.names, [SubjectName::Email(format!("{name}@example.test"))]);
                assert!(signer.signing_time.is_some());
                assert!(bench.shell(
                    "openssl cms -verify -binary -in sig -inform DER -content message -CAfile root.pem -purpose any -out /dev/null"
                ));
                assert!(matches!(bench.check(&signature, "other"), Err(KeyError::BadSignature { .. })), "{name}");
            }
        }
    }
    let signature = CmsSignature::from_der(&bench.sign("p256", "-nocerts")).expect("read");
    let (message, roots) = (bench.read("message"), [bench.certificate("root")]);
    assert!(signature.verify(&message, &[], &roots, bench.now()).is_err(), "no certificate");
    let more = [bench.certificate("middle"), bench.certificate("p256")];
    signature.verify(&message, &more, &roots, bench.now()).expect("certificates from elsewhere");
    assert!(signature.verify(&message, &more, &[bench.certificate("stranger")], bench.now()).is_err(), "another root");
    assert!(signature.verify(&message, &more, &[], bench.now()).is_err(), "no root");
    assert!(signature.verify(&message, &more, &roots, bench.now().plus_days(400)).is_err(), "expired");
    assert!(
        bench.shell("openssl cms -sign -binary -in message -signer p256.pem -inkey p256.key -outform PEM -out pem")
    );
    CmsSignature::parse(&String::from_utf8_lossy(&bench.read("pem"))).expect("PEM");
}

/// One DER value.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag, 0x82];
    match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => out = vec![tag, length],
        Ok(length) => out = vec![tag, 0x81, length],
        Err(_) => out.extend_from_slice(&u16::try_from(content.len()).expect("short").to_be_bytes()),
    }
    [out, content].concat()
}

/// A detached signature put together by hand, with the signed attributes in a given tag and order.
fn by_hand(bench: &Bench, attributes: &[Vec<u8>], more: &[Vec<u8>]) -> Vec<u8> {
    use crate::Signer as _;
    let text = String::from_utf8_lossy(&bench.read("ed25519.key")).into_owned();
    let key = crate::PrivateKey::from_pem(&text, None).expect("a key");
    let certificate = bench.certificate("ed25519");
    let parts = certificate::Parts::read(&certificate).expect("parts");
    let signed = attributes.concat();
    let signature = key.sign(&der(ber::SET, &[&signed])).expect("signed");
    let id = |oid: &[u8]| der(ber::SEQUENCE, &[&der(ber::OID, &[oid])]);
    let name = der(ber::SEQUENCE, &[parts.issuer, &der(ber::INTEGER, &[parts.serial])]);
    let signer = der(
        ber::SEQUENCE,
        &[
            &der(ber::INTEGER, &[&[1]]),
            &name,
            &id(oid::SHA512),
            &der(0xa0, &[&signed]),
            &id(oid::ED25519),
            &der(ber::OCTET_STRING, &[&signature]),
        ],
    );
    let data = der(
        ber::SEQUENCE,
        &[
            &der(ber::INTEGER, &[&[1]]),
            &der(ber::SET, &[&id(oid::SHA512)]),
            &id(oid::DATA),
            &der(0xa0, &[certificate.der(), bench.certificate("middle").der(), &more.concat()]),
            &der(ber::SET, &[&signer]),
        ],
    );
    der(ber::SEQUENCE, &[&der(ber::OID, &[oid::SIGNED_DATA]), &der(0xa0, &[&data])])
}

/// OpenSSL 3.0 makes no CMS with Ed25519; later ones and others do (RFC 8419).
#[test]
fn ed25519_and_odd_attributes() {
    let Some(bench) = Bench::new() else { return };
    let attribute = |id: &[u8], values: &[&[u8]]| der(ber::SEQUENCE, &[&der(ber::OID, &[id]), &der(ber::SET, values)]);
    let kind = attribute(oid::CONTENT_TYPE, &[&der(ber::OID, &[oid::DATA])]);
    let digest_of = |message: &[u8]| der(ber::OCTET_STRING, &[&certificate::Hash::Sha512.of(message)]);
    let digest = attribute(oid::MESSAGE_DIGEST, &[&digest_of(&bench.read("message"))]);
    let other = digest_of(b"another");
    let signed = by_hand(&bench, &[kind.clone(), digest.clone()], &[]);
    let signer = bench.check(&signed, "message").expect("holds");
    assert_eq!((signer.certificate, signer.signing_time), (bench.certificate("ed25519"), None));
    assert!(matches!(bench.check(&signed, "other"), Err(KeyError::BadSignature { .. })));
    let two_digests = attribute(oid::MESSAGE_DIGEST, &[&digest_of(&bench.read("message")), &other]);
    let another = attribute(oid::MESSAGE_DIGEST, &[&other]);
    let wrong_kind = attribute(oid::CONTENT_TYPE, &[&der(ber::OID, &[oid::TST_INFO])]);
    let odd_time = attribute(oid::SIGNING_TIME, &[&der(ber::UTC_TIME, &[b"991399000000Z"])]);
    let many: Vec<Vec<u8>> = (0..CmsLimits::ATTRIBUTES)
        .map(|n| attribute(&[0x2a, u8::try_from(n).expect("few")], &[]))
        .chain([kind.clone(), digest.clone()])
        .collect();
    for (what, attributes) in [
        ("no content type", vec![digest.clone()]),
        ("no digest", vec![kind.clone()]),
        ("two digests", vec![kind.clone(), two_digests]),
        ("the digest twice", vec![kind.clone(), digest.clone(), another]),
        ("another content type", vec![wrong_kind, digest.clone()]),
        ("no time", vec![kind.clone(), digest.clone(), odd_time]),
        ("too many", many),
        ("none", vec![]),
    ] {
        bench.check(&by_hand(&bench, &attributes, &[]), "message").expect_err(what);
    }
    let certificates = vec![bench.certificate("p256").der().to_vec(); CmsLimits::CERTIFICATES];
    bench.check(&by_hand(&bench, &[kind, digest], &certificates), "message").expect_err("too many certificates");
    assert!(matches!(CmsSignature::from_der(&vec![0x30; CmsLimits::MESSAGE + 1]), Err(KeyError::TooLarge { .. })));
}

#[test]
fn what_openssl_takes_and_we_do_not() {
    let Some(bench) = Bench::new() else { return };
    for (name, more, why) in [
        ("server", "-md sha256", "purpose"),
        ("crypt", "-md sha256", "key usage"),
        ("rsa1024", "-md sha256", "RSA of 1024 bits"),
        ("p256", "-md sha1", "SHA-1"),
        ("rsa2048", "-md sha1", "SHA-1"),
        ("rsa2048", "-md sha256 -noattr", "no signed attributes"),
        ("p256", "-md sha256 -nodetach", "not detached"),
        ("rsa2048", "-md sha256 -keyopt rsa_padding_mode:pss", "PSS"),
        ("p256", "-md sha256 -signer p384.pem -inkey p384.key", "two signers"),
    ] {
        let signature = bench.sign(name, more);
        let error = bench.check(&signature, "message").expect_err(why).to_string();
        assert!(error.len() < 400, "{error}");
    }
}

#[test]
fn no_bit_of_a_cms_signature_can_be_changed() {
    let Some(bench) = Bench::new() else { return };
    let signature = bench.sign("p256", "-md sha256");
    let (message, roots, now) = (bench.read("message"), [bench.certificate("root")], bench.now());
    let check = |bytes: &[u8]| CmsSignature::from_der(bytes)?.verify(&message, &[], &roots, now);
    let signer = check(&signature).expect("holds");
    let mut harmless = 0;
    for bit in 0..signature.len() * 8 {
        let mut broken = signature.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = check(&broken) {
            // Versions and lists of algorithms are not signed; whatever they say, it is the same signer and message.
            assert_eq!(other, signer, "bit {bit}");
            harmless += 1;
        }
    }
    assert!(harmless < 400, "{harmless}");
    for end in 0..signature.len() {
        assert!(check(&signature[..end]).is_err(), "{end}");
    }
    assert!(check(&[signature.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn tokens_of_openssl() {
    let Some(bench) = Bench::new() else { return };
    for (name, query, reply) in [
        ("tsa", "-sha256 -cert", ""),
        ("tsa", "-sha256 -cert", "-token_out"),
        ("tsa", "-sha384 -cert", ""),
        ("tsa-rsa", "-sha512 -cert", ""),
        ("tsa", "-sha256 -cert -no_nonce -tspolicy 1.2.3.4.1", ""),
    ] {
        let bytes = bench.token(name, query, reply);
        let time = bench.time(&bytes).unwrap_or_else(|e| panic!("{name} {query}: {e}"));
        assert_eq!(time.authority, bench.certificate(name));
        assert_eq!((time.policy.as_str(), time.accuracy_milliseconds), ("1.2.3.4.1", Some(1501)));
        assert_eq!(time.nonce.is_some(), !query.contains("no_nonce"));
        let from = bench.certificate("tsa").identity().expect("an identity").not_before;
        assert!((0..3600).contains(&(time.time.seconds() - from.seconds())), "{}", time.time);
        let kind = if reply.is_empty() { "" } else { "-token_in" };
        assert!(bench.shell(&format!("openssl ts -verify -data message -in r {kind} -CAfile root.pem")));
        let roots = [bench.certificate("root")];
        let token = TimestampToken::from_der(&bytes).expect("read");
        assert_eq!(TimestampToken::from_der(token.to_bytes()).expect("read"), token);
        assert!(token.verify_message(b"another", &[], &roots).is_err());
        let digest = sha256(&bench.read("message"));
        assert_eq!(token.verify_digest(&digest, &[], &roots).is_ok(), query.contains("sha256"));
        assert!(token.verify_digest(&sha256(b"another"), &[], &roots).is_err());
        assert!(token.verify_message(&bench.read("message"), &[], &[bench.certificate("stranger")]).is_err());
    }
    // Without certificates in the token they come from elsewhere.
    let token = TimestampToken::from_der(&bench.token("tsa", "-sha256", "")).expect("read");
    let (message, roots) = (bench.read("message"), [bench.certificate("root")]);
    assert!(token.verify_message(&message, &[], &roots).is_err());
    let more = [bench.certificate("tsa"), bench.certificate("middle")];
    token.verify_message(&message, &more, &roots).expect("certificates from elsewhere");
}

#[test]
fn tokens_that_are_refused() {
    let Some(bench) = Bench::new() else { return };
    let refused = |bytes: &[u8], why: &str| {
        let error = bench.time(bytes).expect_err(why).to_string();
        assert!(error.len() < 400, "{error}");
    };
    refused(&bench.token("tsa", "-sha1 -cert", ""), "SHA-1");
    refused(&bench.token("tsa", "-sha256 -cert -tspolicy 1.2.3.4.9", ""), "a refused request");
    refused(&bench.sign("p256", "-md sha256"), "a signature is no timestamp");
    // OpenSSL itself makes no token with such certificates: the same content, signed as CMS.
    let good = bench.token("tsa", "-sha256 -cert", "-token_out");
    assert!(bench.shell("openssl cms -verify -noverify -inform DER -in r -out tstinfo -purpose any"));
    for (name, holds) in [("tsa", true), ("tsa-loose", false), ("tsa-both", false), ("p256", false)] {
        let script = |more: &str| {
            format!(
                "openssl cms -sign -binary -nodetach -econtent_type 1.2.840.113549.1.9.16.1.4 -md sha256 -in tstinfo -signer {name}.pem -inkey {name}.key -certfile middle.pem -outform DER -out made {more}"
            )
        };
        assert!(bench.shell(&script("-cades")), "{name}");
        let made = bench.time(&bench.read("made"));
        assert_eq!(made.is_ok(), holds, "{name}: {made:?}");
        assert!(bench.shell(&script("")), "{name}");
        refused(&bench.read("made"), "no signing certificate in the attributes");
    }
    let message = bench.read("message");
    let roots = [bench.certificate("root")];
    let check = |bytes: &[u8]| TimestampToken::from_der(bytes)?.verify_message(&message, &[], &roots);
    let time = check(&good).expect("holds");
    for bit in 0..good.len() * 8 {
        let mut broken = good.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = check(&broken) {
            assert_eq!(other, time, "bit {bit}");
        }
    }
}

#[test]
fn signatures_of_gpgsm() {
    let Some(bench) = Bench::new() else { return };
    let script = r#"
mkdir -m 700 home && export GNUPGHOME=$PWD/home
printf 'disable-crl-checks\n' > home/gpgsm.conf
printf 'allow-loopback-pinentry\n' > home/gpg-agent.conf
openssl pkcs12 -export -legacy -in rsa2048.pem -inkey rsa2048.key -certfile middle.pem -passout pass:x -out all.p12 || exit 1
printf x | gpgsm --batch --pinentry-mode loopback --passphrase-fd 0 --import all.p12 || exit 1
gpgsm --batch --import root.pem
openssl x509 -in root.pem -noout -fingerprint -sha1 | sed 's/.*=//; s/://g; s/$/ S relax/' > home/trustlist.txt
printf '' | gpgsm --batch --pinentry-mode loopback --passphrase-fd 3 3</dev/null --armor --detach-sign --local-user rsa2048@example.test -o gpgsm.pem message
done=$?
gpgconf --kill all
exit $done"#;
    if !bench.shell(script) {
        eprintln!("skipped: gpgsm makes no signature on this machine");
        return;
    }
    let signature = CmsSignature::parse(&String::from_utf8_lossy(&bench.read("gpgsm.pem"))).expect("read");
    assert_eq!(signature.to_bytes()[1], 0x80, "gpgsm writes indefinite lengths");
    let roots = [bench.certificate("root")];
    let signer = signature.verify(&bench.read("message"), &[], &roots, bench.now()).expect("holds");
    assert_eq!(signer.certificate, bench.certificate("rsa2048"));
    assert!(matches!(signature.verify(b"another", &[], &roots, bench.now()), Err(KeyError::BadSignature { .. })));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in "\\PC{0,200}") {
        let _ = CmsSignature::from_der(&bytes);
        let _ = TimestampToken::from_der(&bytes);
        let _ = CmsSignature::parse(&text);
        let _ = attributes::generalized_time(&bytes);
        let _ = oid::shown(&bytes);
    }
}

#[test]
fn times_and_identifiers() {
    let time = |text: &str| attributes::generalized_time(text.as_bytes()).map(|time| time.to_string());
    assert_eq!(time("20260601123000Z").as_deref(), Ok("2026-06-01T12:30:00Z"));
    assert!(attributes::generalized_time(b"20260601123000.25Z").is_ok_and(|t| t.milliseconds() % 1000 == 250));
    for wrong in [
        "20260601123000",
        "20260601123000.Z",
        "202606011230Z",
        "20261301123000Z",
        "20260601123000+0100",
        "2026060112300xZ",
    ] {
        assert!(time(wrong).is_err(), "{wrong}");
    }
    assert_eq!(oid::shown(oid::RSA_SHA256), "1.2.840.113549.1.1.11");
    assert_eq!(oid::shown(oid::ED25519), "1.3.101.112");
}
