//! Signing by an external command: any KMS, agent or ceremony that a script can reach.
//!
//! The command gets the message on standard input and writes the signature to standard output: raw bytes or base64,
//! DER or `r ‖ s` for ECDSA. What it gives is verified with the configured public key before it is used.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use base64::Engine as _;

use crate::{Custody, KeyError, Limits, PublicKey, Signer};

/// A signer that runs a command for each signature.
#[derive(Debug)]
pub struct ExternalSigner {
    command: Vec<String>,
    public: PublicKey,
}

impl ExternalSigner {
    /// A signer that runs `command` (program and arguments, no shell) and stands for `public`.
    ///
    /// # Errors
    /// The command is empty.
    pub fn new(command: Vec<String>, public: PublicKey) -> Result<Self, KeyError> {
        if command.is_empty() {
            return Err(KeyError::malformed("signer command", "it is empty"));
        }
        Ok(Self { command, public })
    }

    fn run(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let mut child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let mut input = child.stdin.take().ok_or("no standard input")?;
        let message = message.to_vec();
        // Written from a thread, so that a command that answers before it has read all cannot block us.
        let writer = std::thread::spawn(move || {
            let _ = input.write_all(&message);
        });
        let mut output = Vec::new();
        let limit = Limits::SIGNATURE as u64 * 2;
        let read = child.stdout.take().ok_or("no standard output")?.take(limit).read_to_end(&mut output);
        let status = child.wait().map_err(|e| e.to_string())?;
        let _ = writer.join();
        read.map_err(|e| e.to_string())?;
        if !status.success() {
            return Err(format!("it ended with {status}"));
        }
        Ok(output)
    }
}

impl Signer for ExternalSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn custody(&self) -> Custody {
        Custody::External
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |why: String| KeyError::SignerFailed { signer: self.command[0].clone(), why };
        let output = self.run(message).map_err(failed)?;
        let mut candidates = vec![output.clone()];
        let text: Vec<u8> = output.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        candidates.extend(base64::engine::general_purpose::STANDARD.decode(&text));
        candidates
            .iter()
            .filter_map(|bytes| self.public.normalise_signature(bytes).ok())
            .find(|signature| self.public.verify(message, signature).is_ok())
            .ok_or_else(|| failed("what it wrote is no signature by the configured public key".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyAlgorithm, PrivateKey};

    #[test]
    fn a_wrong_or_failing_command_is_refused() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key");
        for command in [&["true"][..], &["false"], &["cat"], &["/nonexistent/signer"]] {
            let command = command.iter().map(|s| (*s).to_owned()).collect();
            let signer = ExternalSigner::new(command, key.public_key().clone()).expect("signer");
            assert!(matches!(signer.sign(b"m"), Err(KeyError::SignerFailed { .. })));
        }
    }

    #[test]
    fn openssl_as_external_signer() {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("skipped: no openssl on this machine");
            return;
        }
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key");
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), key.to_pem(None).expect("pem").as_bytes()).expect("written");
        let path = file.path().to_str().expect("utf-8").to_owned();
        let command = ["openssl", "dgst", "-sha256", "-sign", &path].map(str::to_owned).to_vec();
        let signer = ExternalSigner::new(command, key.public_key().clone()).expect("signer");
        let signature = signer.sign(b"message").expect("signed");
        key.public_key().verify(b"message", &signature).expect("verifies");
    }
}
