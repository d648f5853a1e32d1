//! Documents of those to whom a part of the repository is delegated (TUF 1.0.34, "Delegated targets"). They can add rules
//! for their own refs and paths, and nothing else.

use provost_model::{Digest, Timestamp, sha256};
use serde::Deserialize;
use toml::Spanned;

use super::read::{RawProtect, delegated};
use super::{Access, ProtectRule};
use crate::document::Checker;
use crate::{Limits, PolicyError};

/// A delegated document, checked.
#[derive(Debug, Clone)]
pub struct Delegated {
    /// The delegation that it is of.
    pub name: String,
    /// Counts up with every change.
    pub serial: u64,
    /// After this time its rules allow nothing.
    pub expires: Timestamp,
    /// Its rules.
    pub protect: Vec<ProtectRule>,
    /// SHA-256 of its bytes.
    pub digest: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    delegation: Spanned<String>,
    serial: u64,
    expires: Spanned<String>,
    #[serde(default)]
    protect: Vec<Spanned<RawProtect>>,
}

impl Delegated {
    /// Reads and checks a delegated document against the policy that it belongs to.
    ///
    /// # Errors
    /// All problems that were found, each with line, column and hint.
    pub fn parse(text: &str, parent: &Access) -> Result<Self, PolicyError> {
        let mut checker = Checker::new(text);
        if text.len() > Limits::POLICY {
            checker.problem(0, format!("it is larger than {} bytes", Limits::POLICY), "");
            return Err(checker.into_error());
        }
        let raw: Raw = match toml::from_str(text) {
            Ok(raw) => raw,
            Err(error) => {
                checker.problem(error.span().map_or(0, |span| span.start), error.message().trim(), "");
                return Err(checker.into_error());
            }
        };
        let name = raw.delegation.get_ref().clone();
        if !parent.delegations.iter().any(|delegation| delegation.name == name) {
            let hint = "the policy needs a `[[delegation]]` of this name";
            checker.problem(raw.delegation.span().start, format!("`{name}` is no delegation of the policy"), hint);
        }
        let expires = checker.time(raw.expires.span().start, Some(raw.expires.into_inner()));
        let protect = delegated(&mut checker, parent, raw.protect);
        match expires {
            Some(expires) if !checker.has_problems() => {
                Ok(Self { name, serial: raw.serial, expires, protect, digest: sha256(text.as_bytes()) })
            }
            _ => Err(checker.into_error()),
        }
    }
}
