//! A build without OpenPGP: there are no keys and no signatures.

use std::convert::Infallible;

use provost_model::Timestamp;

use super::malformed;
use crate::KeyError;

const WHY: &str = "this build does not verify OpenPGP: build provost with `--features openpgp`, or use SSH keys";

#[derive(Clone)]
pub(super) struct Key(Infallible);

impl Key {
    pub(super) fn parse(_: &str) -> Result<Self, KeyError> {
        Err(malformed("key that can be used here", WHY))
    }

    pub(super) fn fingerprint(&self) -> &str {
        match self.0 {}
    }
}

#[derive(Clone)]
pub(super) struct Signature(Infallible);

impl Signature {
    pub(super) fn parse(_: &[u8]) -> Result<Self, KeyError> {
        Err(malformed("signature that can be verified here", WHY))
    }

    pub(super) fn issuer(&self) -> String {
        match self.0 {}
    }

    pub(super) fn names(&self, _: &Key) -> bool {
        match self.0 {}
    }

    pub(super) fn verify(&self, _: &Key, _: &[u8], _: Timestamp) -> Result<(), KeyError> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OpenPgpKey, OpenPgpSignature};

    #[test]
    fn the_reason_says_what_to_do() {
        let armour = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n";
        let errors = [OpenPgpKey::parse(armour).err(), OpenPgpSignature::parse(armour.as_bytes()).err()];
        for error in errors {
            assert!(error.expect("refused").to_string().contains("--features openpgp"));
        }
        const { assert!(!OpenPgpKey::AVAILABLE) };
    }
}
