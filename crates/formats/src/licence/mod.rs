//! Licence expressions (SPDX specification 2.3, annex D; licence list of the crate `spdx`): read strictly or as people
//! write them, and judged.

mod names;
mod parse;

use std::fmt;

pub use parse::{normalise, parse};

/// Bytes of an expression that are read at most.
pub const MAXIMUM_EXPRESSION_BYTES: usize = 8 << 10;

/// How deep brackets may nest.
pub const MAXIMUM_BRACKETS: usize = 64;

/// The version of the SPDX licence list that ids are of.
pub fn list_version() -> &'static str {
    spdx::license_version()
}

/// Every id of the list, deprecated ones too.
pub fn listed_ids() -> impl Iterator<Item = &'static str> {
    spdx::identifiers::LICENSES.iter().map(|one| one.name).filter(|name| *name != "NOASSERTION")
}

/// A `LicenseRef-` with a text in it.
pub(crate) fn reference(text: &str) -> Expression {
    Expression::Licence(names::reference(text))
}

/// Letters, digits, `.` and `-` of a text, as ids of SPDX have them.
pub(crate) fn slug(text: &str) -> String {
    names::slug(text)
}

/// An expression. Its text is canonical: ids as the list writes them, deprecated ones replaced where one other means the
/// same, brackets only where they are needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expression {
    /// One licence.
    Licence(Term),
    /// All of these hold: two at least.
    All(Vec<Expression>),
    /// One of these may be chosen: two at least.
    Any(Vec<Expression>),
}

/// One licence of an expression.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// An id of the list, or `LicenseRef-…` (with `DocumentRef-…:` before it where it is of another document).
    pub id: String,
    /// `+`: this version or any later one. The GNU licences have ids of their own for that (`…-or-later`).
    pub or_later: bool,
    /// An exception of the list, or `AdditionRef-…`.
    pub exception: Option<String>,
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LicenceError {
    /// Longer than [`MAXIMUM_EXPRESSION_BYTES`].
    #[error("a licence expression of {0} bytes: at most {MAXIMUM_EXPRESSION_BYTES} are read")]
    Long(usize),
    /// Brackets nest too deeply.
    #[error("brackets of a licence expression nest deeper than {MAXIMUM_BRACKETS}")]
    Deep,
    /// It ends where something belongs.
    #[error("the licence expression ends where a licence or a bracket belongs")]
    End,
    /// Something stands where it does not belong.
    #[error("`{0}` does not belong there in a licence expression")]
    Unexpected(String),
    /// An id that is neither of the list nor `LicenseRef-…`.
    #[error("`{0}` is no licence of the SPDX list and no `LicenseRef-`")]
    Licence(String),
    /// An exception that is neither of the list nor `AdditionRef-…`.
    #[error("`{0}` is no exception of the SPDX list and no `AdditionRef-`")]
    Exception(String),
}

/// Whether an expression can be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Yes, by these licences, each allowed.
    Allowed(Vec<Term>),
    /// No: these were not allowed, and without them no choice is left.
    Denied(Vec<Term>),
}

impl Decision {
    /// True when it can be met.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

impl Term {
    fn plain(id: impl Into<String>) -> Self {
        Self { id: id.into(), or_later: false, exception: None }
    }

    /// True for an id of the SPDX list, false for `LicenseRef-…`.
    pub fn is_listed(&self) -> bool {
        self.id != "NOASSERTION" && spdx::license_id(&self.id).is_some()
    }
}

impl Expression {
    /// Every licence in it, from left to right.
    pub fn terms(&self) -> Vec<&Term> {
        match self {
            Self::Licence(term) => vec![term],
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::terms).collect(),
        }
    }

    /// The id, where the expression is one licence of the list and nothing else: what CycloneDX calls a licence's `id`.
    pub fn listed_id(&self) -> Option<&str> {
        match self {
            Self::Licence(term) if !term.or_later && term.exception.is_none() && term.is_listed() => Some(&term.id),
            _ => None,
        }
    }

    /// True when every licence in it is of the SPDX list.
    pub fn is_listed(&self) -> bool {
        self.terms().iter().all(|term| term.is_listed())
    }

    /// All of these together; `None` of none.
    pub fn all_of(parts: Vec<Self>) -> Option<Self> {
        (!parts.is_empty()).then(|| Self::joined(parts, true))
    }

    /// The same, where terms that stand twice side by side stand once.
    fn joined(parts: Vec<Self>, all: bool) -> Self {
        let mut flat: Vec<Self> = Vec::new();
        for part in parts {
            let inner = match (part, all) {
                (Self::All(inner), true) | (Self::Any(inner), false) => inner,
                (other, _) => vec![other],
            };
            for one in inner {
                if !flat.contains(&one) {
                    flat.push(one);
                }
            }
        }
        match (flat.len(), all) {
            (1, _) => flat.remove(0),
            (_, true) => Self::All(flat),
            (_, false) => Self::Any(flat),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        if self.or_later {
            f.write_str("+")?;
        }
        match &self.exception {
            Some(exception) => write!(f, " WITH {exception}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Self::Licence(term) => return term.fmt(f),
            Self::All(parts) => (parts, " AND "),
            Self::Any(parts) => (parts, " OR "),
        };
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                f.write_str(word)?;
            }
            // AND binds closer than OR (annex D.4.5).
            match (self, part) {
                (Self::All(_), Self::Any(_)) => write!(f, "({part})")?,
                _ => part.fmt(f)?,
            }
        }
        Ok(())
    }
}

/// Judges an expression: OR is met by one of its parts, AND by all, and a licence with an exception by what the function
/// says of both. A licence "or later" is met by itself in that form (`GPL-2.0-or-later`, `Apache-2.0+`) or by the version
/// it names (`GPL-2.0-only`, `Apache-2.0`): it may be chosen.
///
/// The function gets an id (or `LicenseRef-…`) and the exception that goes with it.
pub fn allowed(expression: &Expression, allow: &dyn Fn(&str, Option<&str>) -> bool) -> Decision {
    match expression {
        Expression::Licence(term) => match term_allowed(term, allow) {
            true => Decision::Allowed(vec![term.clone()]),
            false => Decision::Denied(vec![term.clone()]),
        },
        Expression::All(parts) => {
            let (mut met, mut denied) = (Vec::new(), Vec::new());
            for part in parts {
                match allowed(part, allow) {
                    Decision::Allowed(terms) => met.extend(terms),
                    Decision::Denied(terms) => denied.extend(terms),
                }
            }
            if denied.is_empty() { Decision::Allowed(met) } else { Decision::Denied(denied) }
        }
        Expression::Any(parts) => {
            let mut denied = Vec::new();
            for part in parts {
                match allowed(part, allow) {
                    Decision::Allowed(terms) => return Decision::Allowed(terms),
                    Decision::Denied(terms) => denied.extend(terms),
                }
            }
            Decision::Denied(denied)
        }
    }
}

fn term_allowed(term: &Term, allow: &dyn Fn(&str, Option<&str>) -> bool) -> bool {
    let exception = term.exception.as_deref();
    if term.or_later {
        return allow(&format!("{}+", term.id), exception) || allow(&term.id, exception);
    }
    let only = term.id.strip_suffix("-or-later").map(|base| format!("{base}-only"));
    allow(&term.id, exception) || only.is_some_and(|only| allow(&only, exception))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(text: &str, list: &[&str]) -> bool {
        let allow = |id: &str, exception: Option<&str>| match exception {
            Some(exception) => list.contains(&format!("{id} WITH {exception}").as_str()),
            None => list.contains(&id),
        };
        allowed(&parse(text).unwrap(), &allow).is_allowed()
    }

    #[test]
    fn decisions() {
        assert!(decide("MIT OR GPL-3.0-only", &["MIT"]));
        assert!(!decide("MIT AND GPL-3.0-only", &["MIT"]));
        assert!(decide("MIT AND (GPL-3.0-only OR BSD-3-Clause)", &["MIT", "BSD-3-Clause"]));
        assert!(!decide("GPL-2.0-only WITH Classpath-exception-2.0", &["GPL-2.0-only"]));
        assert!(decide("GPL-2.0-only WITH Classpath-exception-2.0", &["GPL-2.0-only WITH Classpath-exception-2.0"]));
        assert!(decide("GPL-2.0-or-later", &["GPL-2.0-only"]));
        assert!(decide("Apache-2.0+", &["Apache-2.0"]));
        assert!(!decide("LicenseRef-Own", &["MIT"]));
        let denied = allowed(&parse("MIT AND (LicenseRef-a OR LicenseRef-b)").unwrap(), &|id, _| id == "MIT");
        let Decision::Denied(terms) = denied else { panic!("allowed") };
        assert_eq!(terms.iter().map(Term::to_string).collect::<Vec<_>>(), ["LicenseRef-a", "LicenseRef-b"]);
    }
}
