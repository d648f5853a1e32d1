//! SSHSIG, OpenSSH's signature over a file or message (`PROTOCOL.sshsig`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha512};

use super::wire::{Reader, put_string};
use super::{SshLimits, SshPublicKey};
use crate::KeyError;

const SIGNATURE: &str = "SSH signature";
const MAGIC: &[u8] = b"SSHSIG";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// Base64 characters in a line of the armour, as OpenSSH writes it.
const WIDTH: usize = 70;

/// How the message was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha512,
}

/// A signature as it was read. It says nothing before [`SshSignature::verify`].
#[derive(Clone, PartialEq, Eq)]
pub struct SshSignature {
    key: SshPublicKey,
    namespace: String,
    hash: Hash,
    signature: Vec<u8>,
    bytes: Vec<u8>,
}

impl SshSignature {
    /// From the armoured form, `-----BEGIN SSH SIGNATURE-----`. Blank space may stand around it, nothing else.
    ///
    /// # Errors
    /// No such block, more than one, wrong base64, or as [`SshSignature::from_bytes`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() > SshLimits::ARMOUR {
            return Err(KeyError::TooLarge { what: "the SSH signature", limit: SshLimits::ARMOUR as u64 });
        }
        let body = text
            .trim_ascii()
            .strip_prefix(BEGIN)
            .ok_or_else(|| KeyError::malformed(SIGNATURE, format!("it does not begin with `{BEGIN}`")))?
            .strip_suffix(END)
            .ok_or_else(|| KeyError::malformed(SIGNATURE, format!("it does not end with `{END}`")))?;
        if !body.starts_with(['\n', '\r']) || !body.ends_with('\n') {
            return Err(KeyError::malformed(SIGNATURE, "its first and last lines have to stand alone"));
        }
        let data: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes =
            STANDARD.decode(&data).map_err(|e| KeyError::malformed(SIGNATURE, format!("its base64 is wrong: {e}")))?;
        Self::from_bytes(&bytes)
    }

    /// From the binary form.
    ///
    /// # Errors
    /// Another format or version, an unsupported or weak key, another hash than SHA-256 and SHA-512, a reserved field
    /// that is not empty (it is not signed), bytes that follow, or over 16 KiB.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() > SshLimits::SIGNATURE {
            return Err(KeyError::TooLarge { what: "the SSH signature", limit: SshLimits::SIGNATURE as u64 });
        }
        let parts = read(bytes).map_err(|why| KeyError::malformed(SIGNATURE, why))?;
        let key = SshPublicKey::from_blob(parts.key)?;
        Ok(Self {
            key,
            namespace: parts.namespace.to_owned(),
            hash: parts.hash,
            signature: parts.signature.to_vec(),
            bytes: bytes.to_vec(),
        })
    }

    /// The key that the signature names, unverified.
    pub fn public_key(&self) -> &SshPublicKey {
        &self.key
    }

    /// The namespace that the signature names, unverified.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The binary form.
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The armoured form, as `ssh-keygen -Y sign` writes it, ending in a newline.
    pub fn to_armored(&self) -> String {
        let data = STANDARD.encode(&self.bytes);
        let mut text = format!("{BEGIN}\n");
        let mut rest = data.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at(rest.len().min(WIDTH));
            text.push_str(line);
            text.push('\n');
            rest = tail;
        }
        text.push_str(END);
        text.push('\n');
        text
    }

    /// Verifies that `key` signed `message` in `namespace`.
    ///
    /// # Errors
    /// The signature is by another key, for another namespace, or does not match; a security key that nobody touched; an
    /// RSA signature over SHA-1.
    pub fn verify(&self, key: &SshPublicKey, namespace: &str, message: &[u8]) -> Result<(), KeyError> {
        if self.key != *key {
            return Err(KeyError::OtherKey { expected: key.fingerprint(), found: self.key.fingerprint() });
        }
        if self.namespace != namespace {
            return Err(KeyError::OtherNamespace { expected: namespace.to_owned(), found: self.namespace.clone() });
        }
        key.verify_wire(&self.signature, &signed_bytes(namespace, self.hash, message))
    }

    /// What has to be signed for `message` in `namespace`; SHA-512, as OpenSSH does.
    pub(super) fn to_sign(namespace: &str, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        check_namespace(namespace).map_err(|why| KeyError::malformed("SSH signature's namespace", why))?;
        Ok(signed_bytes(namespace, Hash::Sha512, message))
    }

    /// Puts together what [`SshSignature::to_sign`] and a key gave.
    pub(super) fn assemble(key: &SshPublicKey, namespace: &str, signature: &[u8]) -> Result<Self, KeyError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&1_u32.to_be_bytes());
        put_string(&mut bytes, key.blob());
        put_string(&mut bytes, namespace.as_bytes());
        put_string(&mut bytes, b"");
        put_string(&mut bytes, Hash::Sha512.name().as_bytes());
        put_string(&mut bytes, signature);
        Self::from_bytes(&bytes)
    }
}

impl Hash {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

impl fmt::Debug for SshSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshSignature(by {:?} in {:?}, unverified)", self.key, self.namespace)
    }
}

struct Parts<'a> {
    key: &'a [u8],
    namespace: &'a str,
    hash: Hash,
    signature: &'a [u8],
}

fn read(bytes: &[u8]) -> Result<Parts<'_>, String> {
    let mut reader = Reader::new(bytes);
    if reader.take(MAGIC.len(), "its first six bytes")? != MAGIC {
        return Err("it does not begin with SSHSIG".into());
    }
    let version = reader.u32("the version")?;
    if version != 1 {
        return Err(format!("its version is {version}; only 1 is known"));
    }
    let key = reader.string("the public key")?;
    let namespace = reader.text("the namespace")?;
    check_namespace(namespace)?;
    if !reader.string("the reserved field")?.is_empty() {
        return Err("its reserved field is not empty, and nobody signed it".into());
    }
    let hash = match reader.string("the hash's name")? {
        b"sha256" => Hash::Sha256,
        b"sha512" => Hash::Sha512,
        _ => return Err("the message is hashed with something other than sha256 and sha512".into()),
    };
    let signature = reader.string("the signature")?;
    reader.end("the signature")?;
    Ok(Parts { key, namespace, hash, signature })
}

fn check_namespace(namespace: &str) -> Result<(), String> {
    if namespace.is_empty() {
        return Err("the namespace is empty".into());
    }
    if namespace.len() > SshLimits::NAMESPACE || namespace.contains(char::is_control) {
        return Err(format!("the namespace has control characters or over {} bytes", SshLimits::NAMESPACE));
    }
    Ok(())
}

fn signed_bytes(namespace: &str, hash: Hash, message: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    put_string(&mut out, namespace.as_bytes());
    put_string(&mut out, b"");
    put_string(&mut out, hash.name().as_bytes());
    match hash {
        Hash::Sha256 => put_string(&mut out, &Sha256::digest(message)),
        Hash::Sha512 => put_string(&mut out, &Sha512::digest(message)),
    }
    out
}
