//! OpenSSH's private key files (`PROTOCOL.key`), opened in our process.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature as aws;
use crypto_bigint::{BoxedUint, NonZero};
use ssh_key::private::{EcdsaKeypair, KeypairData, RsaKeypair};
use ssh_key::{Kdf, Mpint};
use zeroize::{Zeroize as _, Zeroizing};

use super::wire::{pair_from_fixed, put_string};
use super::{SshAlgorithm, SshLimits, SshPublicKey};
use crate::signer::{Custody, Signer};
use crate::{KeyError, Passphrase, PrivateKey};

const FILE: &str = "OpenSSH private key";

/// What a file held.
pub(super) enum Opened {
    /// A key that this process can use.
    Key(Box<OpenKey>, SshPublicKey, Custody),
    /// The handle of a security key.
    SecurityKey(SshPublicKey),
}

/// A private key in memory.
pub(super) enum OpenKey {
    /// Ours, a token's, or a command's; Ed25519 or P-256.
    Ours(Box<dyn Signer + Send>),
    /// P-384 or P-521.
    Ecdsa(aws::EcdsaKeyPair),
    /// RSA.
    Rsa(aws::RsaKeyPair),
}

impl OpenKey {
    /// Signs; gives SSH's form of a signature (RFC 4253, section 6.6).
    pub(super) fn sign(&self, algorithm: SshAlgorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = || KeyError::SignerFailed { signer: algorithm.name().into(), why: "it could not sign".into() };
        let (name, bytes) = match self {
            Self::Ours(signer) if algorithm == SshAlgorithm::EcdsaP256 => {
                let der = signer.sign(message)?;
                let signature = p256::ecdsa::Signature::from_der(&der).map_err(|_| failed())?;
                (algorithm.name(), pair_from_fixed(&signature.to_bytes()))
            }
            Self::Ours(signer) => (algorithm.name(), signer.sign(message)?),
            Self::Ecdsa(key) => {
                let signature = key.sign(&SystemRandom::new(), message).map_err(|_| failed())?;
                (algorithm.name(), pair_from_fixed(signature.as_ref()))
            }
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&aws::RSA_PKCS1_SHA512, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| failed())?;
                ("rsa-sha2-512", signature)
            }
        };
        let mut out = Vec::new();
        put_string(&mut out, name.as_bytes());
        put_string(&mut out, &bytes);
        Ok(out)
    }
}

/// Opens the text of a private key file.
///
/// # Errors
/// Not such a file, too many bcrypt rounds, a missing or wrong passphrase, or an algorithm that may not sign.
pub(super) fn open(text: &str, passphrase: Option<&Passphrase>) -> Result<Opened, KeyError> {
    let file = ssh_key::PrivateKey::from_openssh(text).map_err(|e| KeyError::malformed(FILE, e))?;
    let blob = file.public_key().to_bytes().map_err(|e| KeyError::malformed(FILE, e))?;
    let mut public = SshPublicKey::from_blob(&blob)?;
    if public.algorithm().is_security_key() {
        return Ok(Opened::SecurityKey(public));
    }
    let custody = if file.is_encrypted() { Custody::EncryptedFile } else { Custody::PlainFile };
    let file = if file.is_encrypted() { decrypt(&file, passphrase)? } else { file };
    public = public.with_comment(file.comment().as_ref());
    let key = match file.key_data() {
        KeypairData::Ed25519(pair) => {
            let seed = Zeroizing::new(pair.private.to_bytes());
            OpenKey::Ours(Box::new(PrivateKey::from_ed25519_seed(&seed, custody)?))
        }
        KeypairData::Ecdsa(pair @ EcdsaKeypair::NistP256 { .. }) => {
            OpenKey::Ours(Box::new(PrivateKey::from_p256_scalar(pair.private_key_bytes(), custody)?))
        }
        KeypairData::Ecdsa(pair) => {
            let curve = if public.algorithm() == SshAlgorithm::EcdsaP384 {
                &aws::ECDSA_P384_SHA384_FIXED_SIGNING
            } else {
                &aws::ECDSA_P521_SHA512_FIXED_SIGNING
            };
            let (secret, point) = (pair.private_key_bytes(), pair.public_key_bytes());
            aws::EcdsaKeyPair::from_private_key_and_public_key(curve, secret, point)
                .map(OpenKey::Ecdsa)
                .map_err(|e| KeyError::malformed(FILE, e))?
        }
        KeypairData::Rsa(pair) => OpenKey::Rsa(rsa(pair)?),
        _ => return Err(KeyError::malformed(FILE, "its algorithm is not supported")),
    };
    Ok(Opened::Key(Box::new(key), public, custody))
}

fn decrypt(file: &ssh_key::PrivateKey, passphrase: Option<&Passphrase>) -> Result<ssh_key::PrivateKey, KeyError> {
    let passphrase = passphrase.ok_or(KeyError::PassphraseNeeded)?;
    if let Kdf::Bcrypt { rounds, .. } = file.kdf()
        && *rounds > SshLimits::BCRYPT_ROUNDS
    {
        let limit = u64::from(SshLimits::BCRYPT_ROUNDS);
        return Err(KeyError::TooLarge { what: "the key file's bcrypt round count", limit });
    }
    file.decrypt(passphrase.as_bytes()).map_err(|e| match e {
        ssh_key::Error::Crypto => KeyError::WrongPassphrase,
        other => KeyError::malformed(FILE, other),
    })
}

/// The file gives d, p, q and q⁻¹ mod p; what RSA by the Chinese remainder theorem needs more is d mod p-1 and d mod q-1
/// (RFC 8017, section 3.2). The library checks that all of them fit together.
fn rsa(pair: &RsaKeypair) -> Result<aws::RsaKeyPair, KeyError> {
    let wrong = || KeyError::malformed(FILE, "its RSA numbers do not fit together");
    let number = |number: &Mpint| number.as_positive_bytes().map(<[u8]>::to_vec).map(Zeroizing::new).ok_or_else(wrong);
    let private = pair.private();
    let (d, p, q) = (number(private.d())?, number(private.p())?, number(private.q())?);
    let size = SshLimits::RSA_MOST / 8;
    if d.len() > size || p.len() > size || q.len() > size {
        return Err(wrong());
    }
    let reduced = |prime: &[u8]| -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bits = |bytes: &[u8]| u32::try_from(bytes.len() * 8).unwrap_or(u32::MAX);
        let mut exponent = BoxedUint::from_be_slice(&d, bits(&d)).map_err(|_| wrong())?;
        // A prime is odd: one less is its last bit cleared.
        let mut less = Zeroizing::new(prime.to_vec());
        *less.last_mut().ok_or_else(wrong)? &= 0xfe;
        let modulus = BoxedUint::from_be_slice(&less, bits(&less)).map_err(|_| wrong())?;
        let modulus: NonZero<BoxedUint> = Option::from(NonZero::new(modulus)).ok_or_else(wrong)?;
        let mut rest: BoxedUint = exponent.rem(&modulus);
        let bytes = Zeroizing::new(rest.to_be_bytes().into_vec());
        rest.zeroize();
        exponent.zeroize();
        modulus.get().zeroize();
        Ok(bytes)
    };
    aws::RsaKeyPair::from_components(&aws_lc_rs::rsa::KeyPairComponents {
        public_key: aws_lc_rs::rsa::PublicKeyComponents {
            n: number(pair.public().n())?,
            e: number(pair.public().e())?,
        },
        dP: reduced(&p)?,
        dQ: reduced(&q)?,
        qInv: number(private.iqmp())?,
        d,
        p,
        q,
    })
    .map_err(|_| wrong())
}

/// True where the text is OpenSSH's own format.
pub(super) fn is_openssh(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----")
}
