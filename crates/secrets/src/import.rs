//! Rule files of others: gitleaks' TOML and kingfisher's YAML.

use std::sync::Arc;

use serde::Deserialize;

use crate::rule::{Family, Prior, Rule, RuleSet, compile};

/// Size of a file of rules, in bytes.
const LARGEST: usize = 16 << 20;

/// Why a file of foreign rules cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is neither.
    #[error("{name}: neither rules of provost nor of gitleaks (TOML) or kingfisher (YAML): {why}")]
    Form {
        /// The file.
        name: String,
        /// Why.
        why: String,
    },
}

#[derive(Deserialize)]
struct Gitleaks {
    #[serde(default)]
    rules: Vec<GitleaksRule>,
}

#[derive(Deserialize)]
struct GitleaksRule {
    id: String,
    #[serde(default)]
    description: String,
    regex: Option<String>,
    path: Option<String>,
    #[serde(default)]
    keywords: Vec<String>,
    entropy: Option<f64>,
    #[serde(rename = "secretGroup")]
    secret_group: Option<usize>,
    #[serde(default)]
    allowlists: Vec<GitleaksAllow>,
    allowlist: Option<GitleaksAllow>,
}

#[derive(Deserialize)]
struct GitleaksAllow {
    #[serde(default)]
    regexes: Vec<String>,
    #[serde(default)]
    stopwords: Vec<String>,
}

#[derive(Deserialize)]
struct Kingfisher {
    rules: Vec<KingfisherRule>,
}

#[derive(Deserialize)]
struct KingfisherRule {
    name: String,
    id: String,
    pattern: String,
    #[serde(default)]
    confidence: String,
    #[serde(default)]
    min_entropy: Option<f64>,
}

/// Adds the rules of a foreign file. What cannot be taken over is said, one sentence each: rules whose expression needs
/// what bounded-time matching has not, rules about paths alone.
///
/// # Errors
/// The file is of neither form.
pub fn import(set: &mut RuleSet, text: &str, name: &str) -> Result<Vec<String>, ImportError> {
    let form = |why: String| ImportError::Form { name: name.to_owned(), why };
    if text.len() > LARGEST {
        return Err(form(format!("more than {LARGEST} bytes")));
    }
    let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    let (rules, remarks) = if is_yaml {
        let raw: Kingfisher = yaml_serde::from_str(text).map_err(|e| form(e.to_string()))?;
        kingfisher(raw)
    } else {
        let raw: Gitleaks = toml::from_str(text).map_err(|e| form(e.to_string()))?;
        gitleaks(raw)
    };
    if rules.is_empty() {
        return Err(form(remarks.first().cloned().unwrap_or_else(|| "it holds no rules".to_owned())));
    }
    set.extend(rules, name, text);
    Ok(remarks)
}

fn family(of: &str) -> Arc<Family> {
    Arc::new(Family {
        id: of.to_owned(),
        name: format!("{of} (imported)"),
        documentation: String::new(),
        revoke: "where its provider says".to_owned(),
    })
}

fn gitleaks(raw: Gitleaks) -> (Vec<Rule>, Vec<String>) {
    let (mut rules, mut remarks) = (Vec::new(), Vec::new());
    let family = family("gitleaks");
    for rule in raw.rules {
        let id = rule.id;
        let Some(pattern) = rule.regex else {
            remarks.push(format!("rule `{id}` is about paths alone and is not taken over"));
            continue;
        };
        if let Some(path) = rule.path {
            remarks.push(format!("rule `{id}` is taken over for all files, not for `{path}` alone"));
        }
        let Some(mut ready) = ready(&id, &rule.description, pattern, rule.keywords, &family, &mut remarks) else {
            continue;
        };
        ready.entropy = rule.entropy.unwrap_or_default();
        // Without a group of its own, the first group is the secret.
        ready.group = Some(rule.secret_group.filter(|group| *group > 0).unwrap_or(1));
        for allow in rule.allowlists.iter().chain(&rule.allowlist) {
            let words = allow.stopwords.iter().map(|word| format!("(?i){}", regex_syntax::escape(word)));
            for expression in allow.regexes.iter().cloned().chain(words) {
                match compile(&expression) {
                    Ok(expression) => ready.allowed.push(expression),
                    Err(_) => remarks.push(format!("an exception of rule `{id}` is not taken over: `{expression}`")),
                }
            }
        }
        rules.push(ready);
    }
    (rules, remarks)
}

fn kingfisher(raw: Kingfisher) -> (Vec<Rule>, Vec<String>) {
    let (mut rules, mut remarks) = (Vec::new(), Vec::new());
    let family = family("kingfisher");
    for rule in raw.rules {
        let Some(mut ready) = ready(&rule.id, &rule.name, rule.pattern, Vec::new(), &family, &mut remarks) else {
            continue;
        };
        ready.entropy = rule.min_entropy.unwrap_or_default();
        ready.group = Some(1);
        if rule.confidence == "low" {
            ready.prior = Prior::Low;
        }
        rules.push(ready);
    }
    (rules, remarks)
}

fn ready(
    id: &str,
    name: &str,
    pattern: String,
    keywords: Vec<String>,
    family: &Arc<Family>,
    remarks: &mut Vec<String>,
) -> Option<Rule> {
    if let Err(error) = compile(&pattern) {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim();
        remarks.push(format!("rule `{id}` is not taken over: {why}"));
        return None;
    }
    let mut keywords: Vec<String> =
        keywords.iter().map(|word| word.to_ascii_lowercase()).filter(|word| word.len() >= 3).collect();
    if keywords.is_empty() {
        keywords = literals(&pattern);
    }
    if keywords.is_empty() {
        remarks.push(format!("rule `{id}` is not taken over: nothing in its expression can be searched for first"));
        return None;
    }
    Some(Rule::new(id.to_owned(), name.to_owned(), Arc::clone(family), pattern, keywords))
}

/// Words one of which occurs in every match: the required literals of an expression.
fn literals(pattern: &str) -> Vec<String> {
    use regex_syntax::hir::{Hir, HirKind};
    fn required(hir: &Hir) -> Option<Vec<String>> {
        match hir.kind() {
            HirKind::Literal(literal) => {
                let text = std::str::from_utf8(&literal.0).ok().filter(|t| t.is_ascii())?;
                (text.len() >= 3).then(|| vec![text.to_ascii_lowercase()])
            }
            HirKind::Capture(capture) => required(&capture.sub),
            HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
            HirKind::Concat(parts) => {
                // Classes of one letter in two cases are letters here.
                let mut best: Option<Vec<String>> = None;
                let mut run = String::new();
                let mut take = |words: Vec<String>| {
                    let shortest = |words: &[String]| words.iter().map(String::len).min().unwrap_or(0);
                    if best.as_ref().is_none_or(|b| shortest(&words) > shortest(b)) {
                        best = Some(words);
                    }
                };
                for part in parts {
                    if let Some(letter) = letter(part) {
                        run.push_str(&letter);
                        continue;
                    }
                    if run.len() >= 3 {
                        take(vec![run.clone()]);
                    }
                    run.clear();
                    if let Some(words) = required(part) {
                        take(words);
                    }
                }
                if run.len() >= 3 {
                    take(vec![run]);
                }
                best
            }
            HirKind::Alternation(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    all.extend(required(part)?);
                }
                (all.len() <= 64).then_some(all)
            }
            _ => None,
        }
    }
    fn letter(hir: &Hir) -> Option<String> {
        match hir.kind() {
            HirKind::Literal(literal) => {
                std::str::from_utf8(&literal.0).ok().filter(|t| t.is_ascii()).map(str::to_ascii_lowercase)
            }
            HirKind::Class(class) => {
                let bytes: Vec<u8> = match class {
                    regex_syntax::hir::Class::Bytes(bytes) => {
                        bytes.ranges().iter().flat_map(|r| r.start()..=r.end()).take(3).collect()
                    }
                    regex_syntax::hir::Class::Unicode(chars) => chars
                        .ranges()
                        .iter()
                        .flat_map(|r| r.start()..=r.end())
                        .take(3)
                        .map(|c| u8::try_from(c).unwrap_or(0))
                        .collect(),
                };
                match bytes.as_slice() {
                    [upper, lower] if upper.is_ascii_uppercase() && upper.to_ascii_lowercase() == *lower => {
                        Some(char::from(*lower).to_string())
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
    let parsed = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern);
    parsed.ok().and_then(|hir| required(&hir)).unwrap_or_default()
}
