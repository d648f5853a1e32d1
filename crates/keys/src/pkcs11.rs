//! Keys on a PKCS#11 token: the key never leaves it.

use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use provost_model::sha256;

use crate::{Custody, KeyAlgorithm, KeyError, Passphrase, PublicKey, Signer};

/// A signer whose key lives on a token.
pub struct Pkcs11Signer {
    session: Session,
    key: ObjectHandle,
    public: PublicKey,
    name: String,
}

impl Pkcs11Signer {
    /// Opens the token with this label and the key pair with this label, with the user's PIN.
    ///
    /// # Errors
    /// The module cannot be loaded, there is no such token or key, or the PIN is wrong.
    pub fn open(module: &Path, token: &str, key: &str, pin: &Passphrase) -> Result<Self, KeyError> {
        let name = format!("pkcs11 token `{token}`, key `{key}`");
        let failed =
            |why: &dyn std::fmt::Display| KeyError::SignerFailed { signer: name.clone(), why: why.to_string() };
        let context = Pkcs11::new(module).map_err(|e| failed(&e))?;
        context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(|e| failed(&e))?;
        let slots = context.get_slots_with_initialized_token().map_err(|e| failed(&e))?;
        let slot = slots
            .into_iter()
            .find(|slot| context.get_token_info(*slot).is_ok_and(|info| info.label() == token))
            .ok_or_else(|| failed(&"there is no token with this label"))?;
        let session = context.open_ro_session(slot).map_err(|e| failed(&e))?;
        let pin = AuthPin::from(String::from_utf8_lossy(pin.as_bytes()).into_owned());
        session.login(UserType::User, Some(&pin)).map_err(|e| failed(&e))?;
        let find = |class: ObjectClass| -> Result<ObjectHandle, KeyError> {
            let found = session
                .find_objects(&[Attribute::Class(class), Attribute::Label(key.as_bytes().to_vec())])
                .map_err(|e| failed(&e))?;
            match found.as_slice() {
                [one] => Ok(*one),
                [] => Err(failed(&"there is no key with this label")),
                _ => Err(failed(&"several keys have this label")),
            }
        };
        let (private, public_object) = (find(ObjectClass::PRIVATE_KEY)?, find(ObjectClass::PUBLIC_KEY)?);
        let attributes = session.get_attributes(public_object, &[AttributeType::EcPoint]).map_err(|e| failed(&e))?;
        let point = attributes
            .into_iter()
            .find_map(|a| if let Attribute::EcPoint(point) = a { Some(point) } else { None })
            .ok_or_else(|| failed(&"the public key has no point"))?;
        let public = public_key(&point).ok_or_else(|| failed(&"the key is neither P-256 nor Ed25519"))?;
        Ok(Self { session, key: private, public, name })
    }
}

/// The point is a DER octet string (PKCS#11, section 2.3): 65 bytes for P-256, 32 for Ed25519.
fn public_key(point: &[u8]) -> Option<PublicKey> {
    let bytes = match point {
        [4, length, rest @ ..] if usize::from(*length) == rest.len() => rest,
        _ => point,
    };
    match bytes.len() {
        32 => PublicKey::from_ed25519_bytes(bytes).ok(),
        65 => p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok().and_then(|key| PublicKey::from_p256(key).ok()),
        _ => None,
    }
}

impl Signer for Pkcs11Signer {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn custody(&self) -> Custody {
        Custody::Token
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed =
            |why: &dyn std::fmt::Display| KeyError::SignerFailed { signer: self.name.clone(), why: why.to_string() };
        let signature = match self.public.algorithm() {
            // Tokens differ in which hashes they do; all do plain ECDSA over a digest.
            KeyAlgorithm::EcdsaP256 => {
                self.session.sign(&Mechanism::Ecdsa, self.key, sha256(message).as_bytes()).map_err(|e| failed(&e))?
            }
            KeyAlgorithm::Ed25519 => {
                let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
                self.session.sign(&mechanism, self.key, message).map_err(|e| failed(&e))?
            }
        };
        let signature = self.public.normalise_signature(&signature)?;
        self.public.verify(message, &signature)?;
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

    /// Makes a token in a directory of its own; `None` where SoftHSM2 or OpenSC's tool is not installed. Runs in a
    /// child process, because SoftHSM reads its configuration from the environment.
    #[test]
    fn softhsm() {
        if !Path::new(MODULE).exists() || Command::new("softhsm2-util").arg("--version").output().is_err() {
            eprintln!("skipped: SoftHSM2 is not installed");
            return;
        }
        if let Ok(token) = std::env::var("PROVOST_TEST_TOKEN") {
            return sign_with(&token);
        }
        let folder = tempfile::tempdir().expect("folder");
        let tokens = folder.path().join("tokens");
        std::fs::create_dir(&tokens).expect("folder");
        let configuration = folder.path().join("softhsm2.conf");
        std::fs::write(
            &configuration,
            format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display()),
        )
        .expect("written");
        let key = crate::PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
        let file = folder.path().join("key.pem");
        std::fs::write(&file, key.to_pem(None).expect("pem").as_bytes()).expect("written");
        let run = |arguments: &[&str]| {
            let done = Command::new("softhsm2-util")
                .args(arguments)
                .env("SOFTHSM2_CONF", &configuration)
                .output()
                .expect("runs");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        run(&["--init-token", "--free", "--label", "provost-test", "--pin", "1234", "--so-pin", "5678"]);
        run(&[
            "--import",
            file.to_str().expect("utf-8"),
            "--token",
            "provost-test",
            "--label",
            "signing",
            "--id",
            "01",
            "--pin",
            "1234",
        ]);
        let id = key.public_key().id().to_string();
        let child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "pkcs11::tests::softhsm", "--nocapture"])
            .env("SOFTHSM2_CONF", &configuration)
            .env("PROVOST_TEST_TOKEN", id)
            .output()
            .expect("runs");
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    }

    fn sign_with(expected: &str) {
        let pin = Passphrase::new("1234".into());
        assert!(Pkcs11Signer::open(Path::new(MODULE), "provost-test", "absent", &pin).is_err());
        assert!(Pkcs11Signer::open(Path::new(MODULE), "absent", "signing", &pin).is_err());
        let signer = Pkcs11Signer::open(Path::new(MODULE), "provost-test", "signing", &pin).expect("opens");
        assert_eq!(signer.public_key().id().to_string(), expected);
        assert_eq!(signer.custody(), Custody::Token);
        let signature = signer.sign(b"message").expect("signs");
        signer.public_key().verify(b"message", &signature).expect("verifies");
    }
}
