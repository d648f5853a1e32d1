//! Secrets: credentials in code, history, artifacts and logs.
//!
//! Rules with a form are data (`docs/secret-rules.md`); values that only a name gives away are read by hand-written
//! code. A secret never leaves this crate: findings carry redacted text and a keyed fingerprint.

mod bigrams;
mod context;
mod decode;
mod der;
mod engine;
mod expression;
mod generic;
mod import;
mod keywords;
mod redact;
mod rule;
mod url;
mod validate;
mod value;

use hmac::{KeyInit as _, Mac as _};
use provost_formats::sarif::RuleText;
use provost_model::{Confidence, Digest, Finding, Level, Span};
use provost_scan::{Check, Piece};

pub use import::{ImportError, import};
pub use rule::{Examples, Family, Need, Prior, Rule, RuleError, RuleSet, Severity, built_in_files};

use engine::{By, Engine, Match};

/// Id of the rule of assigned passwords.
pub const GENERIC_PASSWORD: &str = "generic-password";
/// Id of the rule of assigned keys and tokens.
pub const GENERIC_SECRET: &str = "generic-secret";

/// How secrets are looked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Key of the fingerprints: the same key gives the same fingerprints.
    pub key: [u8; 32],
    /// Whether values that only a name gives away are looked for.
    pub generic: bool,
    /// How often decoded text is decoded again. 3.
    pub decodings: usize,
    /// Findings below this are not made.
    pub confidence: Confidence,
    /// The first characters of a secret that may be shown. 0.
    pub show: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { key: [0; 32], generic: true, decodings: 3, confidence: Confidence::Likely, show: 0 }
    }
}

/// The check.
pub struct Secrets {
    engine: Engine,
    options: Options,
    digest: Digest,
}

impl Secrets {
    /// A check with these rules.
    pub fn new(rules: RuleSet, options: Options) -> Self {
        let digest = rules.digest();
        let engine = Engine::new(rules, options.generic, options.decodings);
        Self { engine, options, digest }
    }

    /// SHA-256 of the rule set.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.engine.rules.rules
    }

    /// Descriptions of all rules for a report.
    pub fn descriptions(&self) -> Vec<RuleText<'_>> {
        let forms = self.rules().iter().map(|rule| RuleText {
            id: &rule.id,
            text: &rule.name,
            help: &rule.family.revoke,
            level: level(rule.severity),
        });
        let generic =
            [(GENERIC_PASSWORD, "a password in clear text"), (GENERIC_SECRET, "a key or token in clear text")];
        forms.chain(generic.map(|(id, text)| RuleText { id, text, help: GENERIC_HELP, level: Level::Error })).collect()
    }

    /// The rules that a text alone is found by, with the secrets: for tests of rules, not for reports.
    #[doc(hidden)]
    pub fn try_text(&self, text: &[u8], path: &str) -> Vec<(String, Vec<u8>, Confidence)> {
        let (found, _) = self.engine.find(text, context::kind(path));
        found.into_iter().map(|one| (self.id(&one).to_owned(), one.secret, one.confidence)).collect()
    }

    fn id(&self, one: &Match) -> &str {
        match one.by {
            By::Rule(index) => &self.engine.rules.rules[index].id,
            By::Generic(generic::Class::Password) => GENERIC_PASSWORD,
            By::Generic(generic::Class::Token | generic::Class::Key) => GENERIC_SECRET,
        }
    }

    /// HMAC-SHA-256 of the secret (RFC 2104): the same wherever it lies, and of no use to who has not the key.
    fn fingerprint(&self, secret: &[u8]) -> Digest {
        let Ok(mut mac) = hmac::Hmac::<sha2::Sha256>::new_from_slice(&self.options.key) else {
            return Digest::from_bytes([0; 32]); // HMAC takes keys of any length
        };
        mac.update(secret);
        Digest::from_bytes(mac.finalize().into_bytes().into())
    }

    fn finding(&self, piece: &Piece<'_>, lines: &mut Lines<'_>, all: &[Match], one: &Match) -> Finding {
        let (what, level, help) = match one.by {
            By::Rule(index) => {
                let rule = &self.engine.rules.rules[index];
                let revoke = rule.family.revoke.trim_end_matches('.');
                let help = if revoke.starts_with("http") {
                    format!(
                        "revoke it at {revoke}; then keep the new one where the code cannot be read, and purge the history"
                    )
                } else {
                    revoke.to_owned()
                };
                (rule.name.clone(), level(rule.severity), help)
            }
            By::Generic(generic::Class::Password) => {
                ("a password in clear text".to_owned(), Level::Error, GENERIC_HELP.to_owned())
            }
            By::Generic(generic::Class::Token | generic::Class::Key) => {
                ("a key or token in clear text".to_owned(), Level::Error, GENERIC_HELP.to_owned())
            }
        };
        let level = if one.confidence == Confidence::Weak { Level::Note } else { level };
        let mut finding = Finding::new(self.id(one), level, what, &[]);
        finding.fingerprint = self.fingerprint(&one.secret);
        let (line, column) = lines.position(one.start);
        let (end_line, end_column) = lines.position(one.end);
        finding.span = Some(Span {
            offset: piece.offset + one.start as u64,
            length: (one.end - one.start) as u64,
            line: piece.line + line,
            column,
            end_line: piece.line + end_line,
            end_column,
        });
        finding.within = one.decoded.iter().map(|how| (*how).to_owned()).collect();
        finding.confidence = Some(one.confidence);
        finding.why.clone_from(&one.why);
        finding.help = Some(help);
        finding.excerpt = Some(redact::excerpt(piece.bytes, one, all, self.options.show));
        finding
    }
}

/// How strictly a file of that name is read, 0 being the strictest: of several names of one content the strictest counts.
pub fn strictness(name: &str) -> u8 {
    match context::kind(name) {
        context::Kind::Settings => 0,
        context::Kind::Code => 1,
        context::Kind::Text => 2,
        context::Kind::Lock => 3,
    }
}

const GENERIC_HELP: &str =
    "change it where it is used, then put the new one where the code cannot be read, and purge the history";

fn level(severity: Severity) -> Level {
    match severity {
        Severity::Critical | Severity::High => Level::Error,
        Severity::Medium => Level::Warning,
        Severity::Low => Level::Note,
    }
}

impl Check for Secrets {
    fn id(&self) -> &str {
        "secrets"
    }

    fn check(&self, piece: &Piece<'_>, findings: &mut Vec<Finding>) -> Option<&'static str> {
        let (found, whole) = self.engine.find(piece.bytes, context::kind(piece.place.innermost()));
        let mut lines = Lines { bytes: piece.bytes, offset: 0, line: 0, begin: 0 };
        for one in &found {
            // What ends before or after was or will be decided with another piece.
            let decided = one.end > piece.seen && (piece.last || one.end <= piece.decided);
            if one.confidence >= self.options.confidence && (decided || piece.seen == 0 && piece.last) {
                findings.push(self.finding(piece, &mut lines, &found, one));
                if findings.len() > MOST {
                    return Some(TOO_MANY);
                }
            }
        }
        (!whole).then_some(TOO_MANY)
    }
}

const TOO_MANY: &str = "it holds too many secrets: not all of it was looked at";

/// Findings made of one piece; a report keeps fewer of a file and says so.
const MOST: usize = 2_500;

/// Lines and columns of rising offsets.
struct Lines<'b> {
    bytes: &'b [u8],
    offset: usize,
    line: u64,
    begin: usize,
}

impl Lines<'_> {
    /// Lines before the offset, and the column from 1, in characters.
    fn position(&mut self, offset: usize) -> (u64, u64) {
        if offset < self.offset {
            *self = Lines { bytes: self.bytes, offset: 0, line: 0, begin: 0 };
        }
        for at in memchr::memchr_iter(b'\n', &self.bytes[self.offset..offset.min(self.bytes.len())]) {
            self.line += 1;
            self.begin = self.offset + at + 1;
        }
        self.offset = offset;
        // A very long line is counted in bytes: in minified code there is hardly anything else.
        let before = &self.bytes[self.begin.min(offset)..offset];
        let characters =
            if before.len() > 100_000 { before.len() } else { String::from_utf8_lossy(before).chars().count() };
        (self.line, characters as u64 + 1)
    }
}
