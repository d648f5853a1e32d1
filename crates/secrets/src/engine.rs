//! Matching: one pass for all keywords over the raw bytes, expressions only around the hits, then conditions,
//! validators, and what speaks against.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use provost_model::Confidence;

use crate::context::Kind;
use crate::rule::{BEFORE, Rule, RuleSet};
use crate::validate::{Validator, Verdict};
use crate::{decode, generic, url, value};

/// Matches kept of one text; a text with more is no text of people.
const MOST: usize = 5_000;

/// Which rule a match is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// One with a form: its place in the set.
    Rule(usize),
    /// A value that a name gives away.
    Generic(generic::Class),
}

/// A match.
#[derive(Debug, Clone)]
pub(crate) struct Match {
    pub by: By,
    /// Where the secret begins; for decoded ones, where the encoded text does.
    pub start: usize,
    pub end: usize,
    pub secret: Vec<u8>,
    pub confidence: Confidence,
    pub why: Vec<String>,
    /// How the text around it was decoded, outermost first.
    pub decoded: Vec<&'static str>,
}

/// Rules, ready to be run together.
pub(crate) struct Engine {
    pub rules: RuleSet,
    automaton: AhoCorasick,
    /// For each pattern of the automaton: the rules that have it as a keyword; none for names of the generic detector.
    of_pattern: Vec<Vec<u32>>,
    generic: bool,
    depth: usize,
}

impl Engine {
    /// `depth` is how often decoded text is decoded again.
    pub(crate) fn new(rules: RuleSet, generic: bool, depth: usize) -> Result<Self, String> {
        let mut patterns: std::collections::BTreeMap<&str, Vec<u32>> = std::collections::BTreeMap::new();
        if generic {
            for hit in generic::HITS {
                patterns.entry(hit).or_default();
            }
        }
        for (index, rule) in rules.rules.iter().enumerate() {
            for keyword in &rule.keywords {
                patterns.entry(keyword).or_default().push(index as u32);
            }
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(patterns.keys())
            .map_err(|e| e.to_string())?;
        let of_pattern = patterns.into_values().collect();
        Ok(Self { rules, automaton, of_pattern, generic, depth })
    }

    /// All secrets of a text, each span once, in order.
    pub(crate) fn find(&self, bytes: &[u8], kind: Kind) -> Vec<Match> {
        let mut found = Vec::new();
        self.text(bytes, kind, 0, &mut found);
        resolve(found, self)
    }

    fn text(&self, bytes: &[u8], kind: Kind, depth: usize, found: &mut Vec<Match>) {
        let begin = found.len();
        let mut searched = vec![Searched::default(); self.rules.rules.len()];
        let mut named = 0;
        for hit in self.automaton.find_overlapping_iter(bytes) {
            let rules = &self.of_pattern[hit.pattern().as_usize()];
            for index in rules {
                let index = *index as usize;
                self.around(bytes, hit.start(), hit.end(), index, &mut searched[index], found);
            }
            if self.generic && hit.start() >= named && generic::HITS.len() > hit.pattern().as_usize().min(0) {
                if !is_generic(&bytes[hit.start()..hit.end()]) {
                    continue;
                }
                let (end, assigned) = generic::look(bytes, hit.start(), kind);
                named = end;
                if let Some(assigned) = assigned {
                    found.push(Match {
                        by: By::Generic(assigned.class),
                        start: assigned.start,
                        end: assigned.end,
                        secret: bytes[assigned.start..assigned.end].to_vec(),
                        confidence: if kind == Kind::Lock { Confidence::Weak } else { assigned.confidence },
                        why: vec![assigned.why],
                        decoded: Vec::new(),
                    });
                }
            }
            if found.len() - begin > MOST {
                break;
            }
        }
        if depth < self.depth {
            decode::all(bytes, |decoded| {
                let mut inner = Vec::new();
                self.text(&decoded.bytes, Kind::Settings, depth + 1, &mut inner);
                for mut one in inner {
                    one.start = decoded.start;
                    one.end = decoded.start + decoded.length;
                    one.decoded.insert(0, decoded.how);
                    found.push(one);
                }
            });
        }
    }

    /// Runs a rule's expression around a keyword.
    fn around(
        &self,
        bytes: &[u8],
        start: usize,
        end: usize,
        index: usize,
        searched: &mut Searched,
        found: &mut Vec<Match>,
    ) {
        let rule = &self.rules.rules[index];
        let until = (end + rule.longest).min(bytes.len());
        if until <= searched.until && searched.nothing || start < searched.matched {
            return;
        }
        let Some(expression) = rule.expression() else { return };
        let mut from = start.saturating_sub(BEFORE).max(searched.matched);
        searched.until = until;
        searched.nothing = true;
        while let Some(captures) = expression.captures_at(&bytes[..until], from) {
            let Some(whole) = captures.get(0) else { return };
            if whole.start() > end {
                // Of another keyword, which will come here too.
                searched.nothing = false;
                return;
            }
            let secret = captures.name("secret").or_else(|| captures.get(rule.group.unwrap_or(0))).unwrap_or(whole);
            from = whole.end().max(whole.start() + 1);
            searched.matched = secret.end().max(whole.start() + 1);
            searched.nothing = false;
            if let Some(one) = judge(rule, index, bytes, whole.range(), secret.range()) {
                found.push(one);
            }
        }
    }

    /// How far a match is to be preferred to another one at the same place.
    fn rank(&self, one: &Match) -> (Confidence, u8, usize) {
        let form = match one.by {
            By::Generic(_) => 0,
            By::Rule(index) => {
                let rule = &self.rules.rules[index];
                if rule.family.id == "generic" || rule.assigned { 1 } else { 2 }
            }
        };
        let sure =
            if form == 2 { one.confidence.max(Confidence::Likely) } else { one.confidence.min(Confidence::Likely) };
        (sure, form, one.secret.len())
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Searched {
    /// Up to here the expression was run.
    until: usize,
    /// It found nothing there.
    nothing: bool,
    /// The end of its last match.
    matched: usize,
}

fn is_generic(hit: &[u8]) -> bool {
    generic::HITS.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(hit))
}

/// Conditions and validator of a rule.
fn judge(
    rule: &Rule,
    index: usize,
    bytes: &[u8],
    whole: std::ops::Range<usize>,
    span: std::ops::Range<usize>,
) -> Option<Match> {
    let secret = &bytes[span.clone()];
    if secret.is_empty()
        || value::entropy(secret) < rule.entropy
        || !rule.need.iter().all(|need| need.occurs(secret))
        || rule.allowed.iter().any(|allowed| allowed.is_match(secret))
    {
        return None;
    }
    if let Some(near) = &rule.near {
        let from = whole.start.saturating_sub(near.within);
        let to = (whole.end + near.within).min(bytes.len());
        let around = bytes[from..to].to_ascii_lowercase();
        if !near.words.iter().any(|word| memchr::memmem::find(&around, word.as_bytes()).is_some()) {
            return None;
        }
    }
    let mut confidence = rule.confidence();
    let mut why = Vec::new();
    match rule.validator.map(|validator| validator.check(secret)) {
        Some(Verdict::Refused) => return None,
        Some(Verdict::Verified(what)) => {
            confidence = confidence.max(Confidence::Likely);
            if confidence == Confidence::Likely && rule.prior != crate::rule::Prior::Low {
                confidence = Confidence::Verified;
            }
            why.push(what.to_owned());
        }
        Some(Verdict::Doubted(what)) => {
            confidence = Confidence::Weak;
            why.push(what.to_owned());
        }
        Some(Verdict::Fits) | None => {}
    }
    if rule.assigned {
        why.push(format!("assigned to a name of {}", rule.family.name));
        if value::template(secret).is_some() {
            return None;
        }
    } else if why.is_empty() {
        why.push(format!("it has the form of {}", rule.name));
    }
    if !matches!(rule.validator, Some(Validator::PrivateKey))
        && let Some(doubt) = value::placeholder(secret)
    {
        // With a right checksum it was issued, however it looks.
        let proved = confidence == Confidence::Verified && rule.validator.is_some_and(Validator::is_checksum);
        if doubt.certain && !proved {
            confidence = Confidence::Weak;
        }
        why.push(doubt.why.to_owned());
    }
    if rule.family.id == "url-credentials" {
        match url::doubt(bytes, &span) {
            Some(doubt) => {
                confidence = Confidence::Weak;
                why.push(doubt.to_owned());
            }
            None if confidence == Confidence::Weak && value::placeholder(secret).is_none() => {
                confidence = Confidence::Likely;
            }
            None => {}
        }
    }
    Some(Match {
        by: By::Rule(index),
        start: span.start,
        end: span.end,
        secret: secret.to_vec(),
        confidence,
        why,
        decoded: Vec::new(),
    })
}

/// Each span once: of matches that overlap the best stands.
fn resolve(mut found: Vec<Match>, engine: &Engine) -> Vec<Match> {
    found.sort_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)).then(a.secret.cmp(&b.secret)));
    let mut kept: Vec<Match> = Vec::with_capacity(found.len());
    for one in found {
        let overlaps = |other: &Match| {
            let same_text = other.decoded == one.decoded && other.decoded.is_empty();
            // Decoded ones all stand at the place of the encoded text: the secrets decide.
            let same_secret = contains(&other.secret, &one.secret) || contains(&one.secret, &other.secret);
            other.end > one.start && (same_text || same_secret)
        };
        match kept.iter().rposition(overlaps) {
            None => kept.push(one),
            Some(at) => {
                if engine.rank(&one) > engine.rank(&kept[at]) {
                    kept[at] = one;
                }
            }
        }
    }
    kept
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}
