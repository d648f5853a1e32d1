//! Rules: from their TOML form to what the engine runs. The form is described in `docs/secret-rules.md`.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use provost_model::{Confidence, Digest, Hasher};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::expression::Expression;
use crate::validate::Validator;

/// The largest window after a keyword, in bytes; a pattern without a bound of its own gets it.
pub(crate) const WINDOW: usize = 4096;
/// How far before a keyword a match may begin.
pub(crate) const BEFORE: usize = 96;
/// Size of a rule file, in bytes.
const LARGEST: usize = 4 << 20;
/// Rules of one file.
const RULES: usize = 5_000;
/// Size of a compiled expression, in bytes.
const COMPILED: usize = 4 << 20;

/// A provider of credentials.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Lower case, digits, hyphens.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it describes its credentials.
    pub documentation: String,
    /// Where such a credential is revoked.
    pub revoke: String,
}

/// The harm when others find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// All.
    Critical,
}

/// How sure a match is before its validator has spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prior {
    /// Often something else.
    Low,
    /// Mostly right.
    Medium,
    /// Its form is its own.
    High,
}

/// A class of characters that has to occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// `0` to `9`.
    Digit,
    /// `A` to `Z`, `a` to `z`.
    Letter,
    /// `a` to `z`.
    Lower,
    /// `A` to `Z`.
    Upper,
    /// Anything else.
    Symbol,
}

impl Need {
    /// True when it occurs.
    pub(crate) fn occurs(self, text: &[u8]) -> bool {
        text.iter().any(|b| match self {
            Self::Digit => b.is_ascii_digit(),
            Self::Letter => b.is_ascii_alphabetic(),
            Self::Lower => b.is_ascii_lowercase(),
            Self::Upper => b.is_ascii_uppercase(),
            Self::Symbol => !b.is_ascii_alphanumeric(),
        })
    }
}

/// Words that have to be close by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Near {
    /// One of these, without regard to case.
    pub words: Vec<String>,
    /// Within so many bytes of the match, on either side.
    pub within: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    family: Family,
    #[serde(default)]
    rule: Vec<RawRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: String,
    name: String,
    description: String,
    severity: Severity,
    confidence: Prior,
    keywords: Option<Vec<String>>,
    pattern: Option<String>,
    assigned: Option<RawAssigned>,
    entropy: Option<f64>,
    #[serde(default)]
    need: Vec<Need>,
    #[serde(default)]
    exact: bool,
    near: Option<Near>,
    validator: Option<String>,
    #[serde(default)]
    positive: Vec<String>,
    #[serde(default)]
    negative: Vec<String>,
    #[serde(default)]
    evasion: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAssigned {
    names: Vec<String>,
    kinds: Option<Vec<String>>,
    value: String,
}

/// Texts that come with a rule and are run as its tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examples {
    /// Have to be found.
    pub positive: Vec<String>,
    /// Must not be found.
    pub negative: Vec<String>,
    /// Have to be found though they try not to be.
    pub evasion: Vec<String>,
}

/// A rule, ready to be run.
#[derive(Debug)]
pub struct Rule {
    /// Unique, stable.
    pub id: String,
    /// What it finds.
    pub name: String,
    /// What its holder can do.
    pub description: String,
    /// The harm.
    pub severity: Severity,
    /// How sure a match is.
    pub prior: Prior,
    /// Whose credential it is.
    pub family: Arc<Family>,
    /// Its tests.
    pub examples: Examples,
    pub(crate) keywords: Vec<String>,
    pub(crate) pattern: String,
    pub(crate) entropy: f64,
    pub(crate) need: Vec<Need>,
    pub(crate) near: Option<Near>,
    pub(crate) validator: Option<Validator>,
    /// Values that are no secrets though they match; of imported rules.
    pub(crate) allowed: Vec<Regex>,
    /// Which group is the secret, when it has no name; of imported rules.
    pub(crate) group: Option<usize>,
    /// True when the value is told by a name only.
    pub(crate) assigned: bool,
    /// What elsewhere marks a placeholder (runs of `A`, dashes, brackets) is part of this form.
    pub(crate) exact: bool,
    compiled: OnceLock<Option<Expression>>,
}

/// What can be wrong with rules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// Not TOML of this form.
    #[error("{source_name}: {why}")]
    Form {
        /// The file.
        source_name: String,
        /// Why.
        why: String,
    },
    /// A rule is wrong.
    #[error("{source_name}: rule `{rule}`: {why}")]
    Rule {
        /// The file.
        source_name: String,
        /// The rule.
        rule: String,
        /// Why.
        why: String,
    },
}

impl Rule {
    /// Its expression; `None` when it does not compile, which [`RuleSet::check`] finds out for every rule.
    pub(crate) fn expression(&self) -> Option<&Expression> {
        self.compiled.get_or_init(|| Expression::new(&self.pattern, &self.keywords).ok()).as_ref()
    }

    pub(crate) fn new(id: String, name: String, family: Arc<Family>, pattern: String, keywords: Vec<String>) -> Self {
        Self {
            description: name.clone(),
            id,
            name,
            severity: Severity::High,
            prior: Prior::Medium,
            family,
            examples: Examples::default(),
            keywords,
            pattern,
            entropy: 0.0,
            need: Vec::new(),
            near: None,
            validator: None,
            allowed: Vec::new(),
            group: None,
            assigned: false,
            exact: false,
            compiled: OnceLock::new(),
        }
    }

    /// The confidence of a match that nothing speaks against.
    pub(crate) fn confidence(&self) -> Confidence {
        if self.prior == Prior::Low { Confidence::Weak } else { Confidence::Likely }
    }
}

pub(crate) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).unicode(false).size_limit(COMPILED).dfa_size_limit(COMPILED).build()
}

/// The expression of a value that is told by the name it is assigned to.
fn expand(assigned: &RawAssigned) -> String {
    let names = assigned.names.join("|");
    let kinds = assigned
        .kinds
        .as_ref()
        .map_or_else(String::new, |kinds| format!(r"[0-9A-Za-z_.\-\x20]{{0,30}}?(?i:{})", kinds.join("|")));
    let value = &assigned.value;
    format!(
        r#"(?i:{names}){kinds}[0-9A-Za-z_.\-]{{0,20}}['"`\])}}]{{0,3}}[\x20\t]{{0,4}}(?:=>|:=|\?=|\|\||=|:|,|\(|>|\x20)[\x20\t\r\n]{{0,4}}(?:[A-Za-z.]{{0,20}}\()?['"`]{{0,3}}(?<secret>{value})(?:[^0-9A-Za-z_\-]|$)"#
    )
}

/// A set of rules.
#[derive(Default)]
pub struct RuleSet {
    /// The rules, in the order of their files.
    pub rules: Vec<Rule>,
    ids: BTreeSet<String>,
    hasher: Option<Hasher>,
}

impl RuleSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the rules of one file. Expressions are compiled when they are first needed; [`check`](Self::check) compiles
    /// them all.
    ///
    /// # Errors
    /// The file is not of the form, or a rule in it is wrong.
    pub fn add(&mut self, text: &str, source_name: &str) -> Result<(), RuleError> {
        let form = |why: String| RuleError::Form { source_name: source_name.to_owned(), why };
        if text.len() > LARGEST {
            return Err(form(format!("more than {LARGEST} bytes")));
        }
        let raw: RawFile = toml::from_str(text).map_err(|e| form(e.to_string()))?;
        self.add_raw(raw, source_name)?;
        self.digest_more(source_name, text);
        Ok(())
    }

    fn add_raw(&mut self, raw: RawFile, source_name: &str) -> Result<(), RuleError> {
        let form = |why: String| RuleError::Form { source_name: source_name.to_owned(), why };
        if raw.rule.len() > RULES {
            return Err(form(format!("more than {RULES} rules")));
        }
        let family = Arc::new(raw.family);
        let mut new = Vec::new();
        for rule in raw.rule {
            let wrong =
                |why: String| RuleError::Rule { source_name: source_name.to_owned(), rule: rule.id.clone(), why };
            if !self.ids.insert(rule.id.clone()) {
                return Err(wrong("the id is used twice".into()));
            }
            new.push(ready(&rule, &family).map_err(wrong)?);
        }
        self.rules.extend(new);
        Ok(())
    }

    pub(crate) fn extend(&mut self, rules: Vec<Rule>, source_name: &str, text: &str) {
        self.digest_more(source_name, text);
        self.rules.extend(rules);
    }

    fn digest_more(&mut self, name: &str, text: &str) {
        let hasher = self.hasher.get_or_insert_default();
        hasher.update(&(name.len() as u64).to_be_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&(text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }

    /// SHA-256 over names and texts of the files that the rules come from: which rules a scan ran.
    pub fn digest(&self) -> Digest {
        self.hasher.clone().unwrap_or_default().finish()
    }

    /// Compiles every expression.
    ///
    /// # Errors
    /// The first rule whose expression does not compile.
    pub fn check(&self) -> Result<(), RuleError> {
        for rule in &self.rules {
            Expression::new(&rule.pattern, &rule.keywords).map_err(|why| RuleError::Rule {
                source_name: rule.family.id.clone(),
                rule: rule.id.clone(),
                why,
            })?;
        }
        Ok(())
    }

    /// Takes the rules out that `keep` does not want.
    pub fn retain(&mut self, keep: impl FnMut(&Rule) -> bool) {
        self.rules.retain(keep);
    }
}

fn ready(raw: &RawRule, family: &Arc<Family>) -> Result<Rule, String> {
    let (pattern, assigned) = match (&raw.pattern, &raw.assigned) {
        (Some(pattern), None) => (pattern.clone(), false),
        (None, Some(assigned)) => (expand(assigned), true),
        _ => return Err("either `pattern` or `assigned`".into()),
    };
    let keywords = match (&raw.keywords, &raw.assigned) {
        (Some(keywords), _) => keywords.clone(),
        (None, Some(assigned)) => assigned.names.iter().map(|name| name.to_ascii_lowercase()).collect(),
        (None, None) => return Err("no `keywords`".into()),
    };
    for keyword in &keywords {
        let plain = raw.keywords.is_some() || !keyword.contains(|c: char| r"\[]()?*+|{}^$".contains(c));
        if keyword.len() < 3 || !keyword.is_ascii() || *keyword != keyword.to_ascii_lowercase() || !plain {
            return Err(format!("keyword `{keyword}` has to be lower case ASCII of at least three characters"));
        }
    }
    if keywords.is_empty() {
        return Err("no `keywords`".into());
    }
    let validator = raw.validator.as_deref().map(str::parse).transpose()?;
    let without_marks = |list: &[String]| list.iter().map(|text| text.replace("{+}", "")).collect::<Vec<_>>();
    let mut rule = Rule::new(raw.id.clone(), raw.name.clone(), Arc::clone(family), pattern, keywords);
    rule.description.clone_from(&raw.description);
    rule.severity = raw.severity;
    rule.prior = raw.confidence;
    rule.entropy = raw.entropy.unwrap_or_default();
    rule.need.clone_from(&raw.need);
    rule.near = raw.near.as_ref().map(|near| Near {
        words: near.words.iter().map(|word| word.to_ascii_lowercase()).collect(),
        within: near.within.min(WINDOW),
    });
    rule.validator = validator;
    rule.exact = raw.exact;
    rule.assigned = assigned;
    rule.examples = Examples {
        positive: without_marks(&raw.positive),
        negative: without_marks(&raw.negative),
        evasion: without_marks(&raw.evasion),
    };
    Ok(rule)
}

mod built_in {
    include!(concat!(env!("OUT_DIR"), "/rules.rs"));
}

/// The names of the built-in families' files and their texts, with their examples.
pub fn built_in_files() -> &'static [(&'static str, &'static str)] {
    built_in::FILES
}

impl RuleSet {
    /// The built-in rules, without their examples.
    ///
    /// # Errors
    /// Never in a build that passed its tests.
    pub fn built_in() -> Result<Self, RuleError> {
        const NAME: &str = "the built-in rules";
        let form = |e: serde_json::Error| RuleError::Form { source_name: NAME.to_owned(), why: e.to_string() };
        let mut set = Self::new();
        let files: Vec<RawFile> = serde_json::from_str(built_in::READY).map_err(form)?;
        for raw in files {
            set.add_raw(raw, NAME)?;
        }
        set.digest_more(NAME, built_in::READY);
        Ok(set)
    }
}
