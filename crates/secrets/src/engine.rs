//! Matching: one pass for all keywords over the raw bytes, expressions only around the hits, then conditions,
//! validators, and what speaks against.

use std::collections::BTreeMap;

use provost_model::Confidence;

use crate::context::Kind;
use crate::keywords::{Keywords, Uses};
use crate::rule::{BEFORE, Rule, RuleSet, WINDOW};
use crate::validate::{Validator, Verdict};
use crate::{decode, generic, url, validate, value};

/// Matches kept of one piece, decoded ones among them. Beyond that weak ones are dropped, so that no number of decoys
/// hides what counts; with more that count the piece is reported as scanned in part.
const MOST: usize = 5_000;

/// A search reaches at most so much further than needed, in bytes.
const STEP: usize = 64 << 10;

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
    keywords: Keywords,
    generic: bool,
    depth: usize,
}

impl Engine {
    /// `depth` is how often decoded text is decoded again.
    pub(crate) fn new(rules: RuleSet, generic: bool, depth: usize) -> Self {
        let mut uses: BTreeMap<&str, Uses> = BTreeMap::new();
        if generic {
            for hit in generic::HITS {
                uses.entry(hit).or_default().generic = true;
            }
        }
        for (index, rule) in rules.rules.iter().enumerate() {
            for (place, keyword) in rule.keywords.iter().enumerate() {
                uses.entry(keyword).or_default().rules.push((index as u32, place as u32));
            }
        }
        let list = uses.into_iter().map(|(text, uses)| (Box::from(text.as_bytes()), uses));
        let keywords = Keywords::new(list.collect());
        Self { rules, keywords, generic, depth }
    }

    /// All secrets of a text, each span once, in order; false when there were too many to look at all of it.
    pub(crate) fn find(&self, bytes: &[u8], kind: Kind) -> (Vec<Match>, bool) {
        let mut found = Vec::new();
        self.text(bytes, kind, 0, &mut found);
        let whole = found.len() < MOST || drop_weak(&mut found) < MOST;
        (resolve(found, self), whole)
    }

    fn text(&self, bytes: &[u8], kind: Kind, depth: usize, found: &mut Vec<Match>) {
        let mut scratch = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
        scratch.begin(self.rules.rules.len());
        let mut named = 0;
        self.keywords.find(bytes, |keyword, start| {
            let end = start + keyword.text.len();
            for (index, place) in &keyword.uses.rules {
                let (index, place) = (*index as usize, *place as usize);
                self.around(bytes, start..end, index, place, scratch.of(index), found);
            }
            if keyword.uses.generic && self.generic && start >= named {
                named = self.named(bytes, start, kind, found);
            }
            found.len() < MOST || drop_weak(found) < MOST
        });
        SCRATCH.with_borrow_mut(|all| all.push(scratch));
        if depth < self.depth {
            decode::all(bytes, |decoded| {
                if found.len() >= MOST && drop_weak(found) >= MOST {
                    return;
                }
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

    /// Looks at a name of the generic detector; returns where the identifier ends.
    fn named(&self, bytes: &[u8], start: usize, kind: Kind, found: &mut Vec<Match>) -> usize {
        let (end, assigned) = generic::look(bytes, start, kind);
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
        end
    }

    /// Runs a rule's expression around a keyword.
    fn around(
        &self,
        bytes: &[u8],
        keyword: std::ops::Range<usize>,
        index: usize,
        place: usize,
        searched: &mut Searched,
        found: &mut Vec<Match>,
    ) {
        let rule = &self.rules.rules[index];
        if keyword.start < searched.matched {
            return;
        }
        if keyword.len() >= ARMOUR.len() && is_unended_armour(bytes, &keyword) {
            return;
        }
        let Some(expression) = rule.expression() else { return };
        let group = rule.group.unwrap_or(0);
        let until = (keyword.end + expression.longest).min(bytes.len());
        if let Some(begins) = &expression.begins {
            for offset in begins.get(place).into_iter().flatten() {
                let Some(from) = keyword.start.checked_sub(*offset) else { continue };
                if from < searched.matched {
                    continue;
                }
                if let Some(one) = expression.find(bytes, from, until, true, group) {
                    let (start, end) = (one.whole.start, one.secret.end);
                    let judged = judge(rule, index, bytes, one.whole, one.secret);
                    // What is refused or doubted may stand in front of what is not.
                    let sure = judged.as_ref().is_some_and(|one| one.confidence > Confidence::Weak);
                    searched.matched = if sure { end.max(start + 1) } else { keyword.end.min(end).max(start + 1) };
                    found.extend(judged);
                    return;
                }
            }
            return;
        }
        if until <= searched.until && searched.nothing {
            return;
        }
        // Where keywords stand close together each search reaches further, so that all of them cost little more than
        // one pass.
        searched.step = if keyword.start < searched.until { (searched.step * 2 + 256).min(STEP) } else { 0 };
        let until = (until + searched.step).min(bytes.len());
        let mut from = keyword.start.saturating_sub(BEFORE).max(searched.matched);
        searched.until = until;
        searched.nothing = true;
        while let Some(one) = expression.find(bytes, from, until, false, group) {
            searched.nothing = false;
            if one.whole.start > keyword.end {
                // Of another keyword, which will come here too.
                searched.until = keyword.end;
                return;
            }
            let (start, end) = (one.whole.start, one.whole.end);
            let secret_end = one.secret.end;
            let judged = judge(rule, index, bytes, one.whole, one.secret);
            let sure = judged.as_ref().is_some_and(|one| one.confidence > Confidence::Weak);
            from = if sure { end.max(start + 1) } else { keyword.end.min(end).max(start + 1) };
            searched.matched = if sure { secret_end.max(start + 1) } else { from };
            found.extend(judged);
            if !sure {
                return;
            }
            if from > until {
                return;
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

thread_local! {
    /// What was searched, for use by one text after another: clearing it for each of thousands of small texts would cost
    /// more than they do.
    static SCRATCH: std::cell::RefCell<Vec<Scratch>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[derive(Debug, Default)]
struct Scratch {
    /// Which text this is; entries of another one count as empty.
    text: u32,
    list: Vec<(u32, Searched)>,
}

impl Scratch {
    fn begin(&mut self, rules: usize) {
        self.text = self.text.wrapping_add(1);
        if self.text == 0 || self.list.len() < rules {
            self.list.clear();
            self.list.resize(rules, (0, Searched::default()));
            self.text = 1;
        }
    }

    fn of(&mut self, rule: usize) -> &mut Searched {
        let (text, searched) = &mut self.list[rule];
        if *text != self.text {
            *text = self.text;
            *searched = Searched::default();
        }
        searched
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
    /// How much further than needed the next search reaches.
    step: usize,
}

/// Drops weak matches; returns how many are left.
fn drop_weak(found: &mut Vec<Match>) -> usize {
    found.retain(|one| one.confidence > Confidence::Weak);
    found.len()
}

/// What armoured keys begin with.
const ARMOUR: &[u8] = b"-----BEGIN";

/// True for the beginning of an armoured text that another one follows before any end.
fn is_unended_armour(bytes: &[u8], keyword: &std::ops::Range<usize>) -> bool {
    let text = &bytes[keyword.clone()];
    if !text[..ARMOUR.len()].eq_ignore_ascii_case(ARMOUR) {
        return false;
    }
    let rest = &bytes[keyword.end..(keyword.end + WINDOW).min(bytes.len())];
    // A key that is cut off by the end of the text may still be one.
    let Some(begin) = memchr::memmem::find(rest, ARMOUR) else { return false };
    memchr::memmem::find(&rest[..begin], b"-----END").is_none()
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
    let inside = if rule.validator == Some(Validator::Base64Json) { validate::decode(secret) } else { None };
    let inside = inside.as_deref().map(value::marks_example).unwrap_or(false);
    if inside {
        confidence = Confidence::Weak;
        why.push("what it decodes to marks an example".to_owned());
    } else if rule.exact {
        if value::spells_it_out(secret) {
            confidence = Confidence::Weak;
            why.push("a word that marks an example or a placeholder".to_owned());
        }
    } else if !matches!(rule.validator, Some(Validator::PrivateKey))
        && let Some(doubt) = value::placeholder(own_part(secret, rule))
    {
        // With a right checksum it was issued, however it looks.
        let proved = confidence == Confidence::Verified
            && rule.validator.is_some_and(Validator::is_checksum)
            && !value::spells_it_out(secret);
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

/// What is left of a value without the piece that every value of its kind has, at its beginning.
fn own_part<'s>(secret: &'s [u8], rule: &Rule) -> &'s [u8] {
    let begins =
        |word: &&String| secret.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    let longest = rule.keywords.iter().filter(begins).map(String::len).max().unwrap_or(0);
    &secret[longest..]
}

/// Each span once: of matches that overlap the best stands.
fn resolve(mut found: Vec<Match>, engine: &Engine) -> Vec<Match> {
    found.sort_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)).then(a.secret.cmp(&b.secret)));
    let mut kept: Vec<Match> = Vec::with_capacity(found.len());
    // Those that may still overlap: the end of the kept ones rises slowly, since they are in order of their beginnings.
    let mut active = 0;
    for one in found {
        while active < kept.len() && kept[active].end <= one.start {
            active += 1;
        }
        let overlaps = |other: &Match| {
            let same_text = other.decoded == one.decoded && other.decoded.is_empty();
            // Decoded ones all stand at the place of the encoded text: the secrets decide.
            let same_secret = contains(&other.secret, &one.secret) || contains(&one.secret, &other.secret);
            // As it stands there and percent-decoded, by one rule: `%3D` in a token is `=` the other way.
            let percent = |a: &Match, b: &Match| a.decoded.is_empty() && b.decoded == [decode::PERCENT];
            let same_value = other.by == one.by && (percent(other, &one) || percent(&one, other));
            other.end > one.start && (same_text || same_secret || same_value)
        };
        let from = active.max(kept.len().saturating_sub(LOOKED_BACK));
        match kept[from..].iter().rposition(overlaps).map(|at| from + at) {
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

/// Of the matches at one place so many are compared with the next.
const LOOKED_BACK: usize = 64;

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}
