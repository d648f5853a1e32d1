//! From TOML to checked rules.

use std::collections::{BTreeMap, BTreeSet};

use provost_attest::predicate;
use provost_keys::openpgp::OpenPgpKey;
use provost_keys::{Certificate, PublicKey, ssh::SshPublicKey};
use serde::Deserialize;
use toml::Spanned;

use super::{
    Access, AccessRule, AuthorClass, BreakGlass, ChangeKind, CheckRule, Delegation, Freeze, GateRules, Globs, Keep,
    Operation, Person, PersonKey, ProtectRule, Repository, RootKeys, TimeSource, Weekly, Who,
};
use crate::Limits;
use crate::document::{Checker, Functionary};

/// The sections of a policy document that are about contributions and repositories.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct RawAccess {
    pub(crate) person: Vec<Spanned<RawPerson>>,
    pub(crate) role: Vec<Spanned<RawRole>>,
    pub(crate) repository: Option<Spanned<RawRepository>>,
    pub(crate) access: Vec<Spanned<RawRule>>,
    pub(crate) protect: Vec<Spanned<RawProtect>>,
    pub(crate) freeze: Vec<Spanned<RawFreeze>>,
    pub(crate) gate: Option<Spanned<RawGate>>,
    pub(crate) root: Option<Spanned<RawRoot>>,
    pub(crate) delegation: Vec<Spanned<RawDelegation>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawPerson {
    name: String,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    emails: Vec<String>,
    #[serde(default)]
    accounts: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    bot: bool,
    not_before: Option<String>,
    not_after: Option<String>,
    revoked_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRole {
    name: String,
    #[serde(default)]
    includes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawRepository {
    name: String,
    uri: String,
    servers: Vec<String>,
    #[serde(default)]
    x509_roots: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRule {
    who: Vec<String>,
    refs: Vec<String>,
    may: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawProtect {
    name: String,
    #[serde(default)]
    message: String,
    refs: Option<Vec<String>>,
    paths: Option<Vec<String>>,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    authors: Vec<String>,
    #[serde(default)]
    steps: Vec<String>,
    #[serde(default)]
    deny: bool,
    #[serde(default)]
    sandbox: bool,
    #[serde(default)]
    approvals: usize,
    #[serde(default)]
    by: Vec<String>,
    #[serde(default)]
    keep: Vec<String>,
    #[serde(default)]
    checks: Vec<RawCheck>,
    #[serde(default)]
    delay_hours: u64,
    #[serde(default)]
    cooling_off_hours: u64,
    #[serde(default)]
    fast_forward: bool,
    #[serde(default)]
    signed_commits: bool,
    #[serde(default)]
    signed_tags: bool,
    #[serde(default)]
    committer_is_pusher: bool,
    #[serde(default)]
    immutable: bool,
    #[serde(default)]
    max_file_bytes: u64,
    #[serde(default)]
    forbidden_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawCheck {
    predicate: String,
    functionaries: Vec<String>,
    #[serde(default)]
    max_age_hours: u64,
    result: Option<String>,
    configuration: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFreeze {
    name: String,
    #[serde(default)]
    reason: String,
    refs: Option<Vec<String>>,
    #[serde(default)]
    steps: Vec<String>,
    from: Option<String>,
    until: Option<String>,
    weekly: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawGate {
    #[serde(default)]
    functionaries: Vec<String>,
    #[serde(default)]
    trust_forge: bool,
    #[serde(default)]
    count_reviews: bool,
    time: Option<Vec<String>>,
    #[serde(default)]
    timestamp_roots: Vec<String>,
    verdict_hours: Option<u64>,
    large_bytes: Option<u64>,
    break_glass: Option<RawBreakGlass>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawBreakGlass {
    persons: usize,
    by: Vec<String>,
    max_hours: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRoot {
    keys: Vec<String>,
    threshold: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDelegation {
    name: String,
    refs: Option<Vec<String>>,
    paths: Vec<String>,
    keys: Vec<String>,
    threshold: usize,
}

/// Names that mean more than a role.
const ANYONE: &str = "anyone";
const PUBLIC: &str = "public";

/// Checks the sections.
pub(crate) fn read(checker: &mut Checker<'_>, raw: RawAccess, functionaries: &[Functionary]) -> Access {
    let mut reader = Reader { checker, functionaries, roles: BTreeMap::new(), persons: BTreeSet::new() };
    reader.access(raw)
}

/// The rules of a delegated document.
pub(crate) fn delegated(
    checker: &mut Checker<'_>,
    parent: &Access,
    protect: Vec<Spanned<RawProtect>>,
) -> Vec<ProtectRule> {
    let roles = parent.persons.iter().flat_map(|p| p.roles.iter().cloned()).map(|role| (role, Vec::new())).collect();
    let persons = parent.persons.iter().map(|person| person.name.clone()).collect();
    let mut reader = Reader { checker, functionaries: &[], roles, persons };
    reader.protect(protect, false)
}

struct Reader<'c, 'a> {
    checker: &'c mut Checker<'a>,
    functionaries: &'c [Functionary],
    /// Roles, with what each includes.
    roles: BTreeMap<String, Vec<String>>,
    persons: BTreeSet<String>,
}

impl Reader<'_, '_> {
    fn problem(&mut self, at: usize, what: impl Into<String>, hint: &str) {
        self.checker.problem(at, what, hint);
    }

    fn access(&mut self, raw: RawAccess) -> Access {
        let lists = [raw.person.len(), raw.role.len(), raw.access.len(), raw.protect.len(), raw.freeze.len()];
        if lists.iter().any(|length| *length > Limits::ITEMS) {
            self.problem(0, format!("more than {} persons, roles or rules", Limits::ITEMS), "");
            return Access::default();
        }
        for role in raw.role {
            let at = role.span().start;
            let role = role.into_inner();
            if [ANYONE, PUBLIC].contains(&role.name.as_str()) || role.name.is_empty() {
                self.problem(at, format!("`{}` cannot be a role's name", role.name), "it means more than a role");
            }
            if self.roles.insert(role.name.clone(), role.includes).is_some() {
                self.problem(at, format!("the role `{}` is there twice", role.name), "");
            }
        }
        for person in &raw.person {
            for role in &person.get_ref().roles {
                self.roles.entry(role.clone()).or_default();
            }
        }
        let persons = self.persons(raw.person);
        let mut access = Access { persons, ..Access::default() };
        access.repository = raw.repository.map(|r| self.repository(r));
        access.access = raw.access.into_iter().map(|rule| self.rule(rule)).collect();
        access.protect = self.protect(raw.protect, true);
        access.freezes = raw.freeze.into_iter().map(|freeze| self.freeze(freeze)).collect();
        access.gate = raw.gate.map_or_else(GateRules::default, |gate| self.gate(gate));
        access.root = raw.root.and_then(|root| {
            let at = root.span().start;
            let RawRoot { keys, threshold } = root.into_inner();
            self.keys(at, &keys, threshold, "the root").map(|keys| RootKeys { keys, threshold })
        });
        for delegation in raw.delegation {
            let at = delegation.span().start;
            let raw = delegation.into_inner();
            let plain = !raw.name.is_empty() && raw.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            if !plain {
                self.problem(at, format!("`{}` cannot name a delegation", raw.name), "use letters, digits and hyphens");
            }
            if access.delegations.iter().any(|other| other.name == raw.name) {
                self.problem(at, format!("the delegation `{}` is there twice", raw.name), "");
            }
            let Some(keys) = self.keys(at, &raw.keys, raw.threshold, "the delegation") else { continue };
            let refs = self.globs(at, raw.refs.unwrap_or_else(everything));
            let paths = self.globs(at, raw.paths);
            access.delegations.push(Delegation { name: raw.name, refs, paths, keys, threshold: raw.threshold });
        }
        let ruled = !access.access.is_empty() || !access.protect.is_empty();
        if ruled && access.repository.is_none() {
            let hint = "add `[repository]` with name, uri and servers: approvals are bound to it";
            self.problem(0, "there are rules for a repository and no repository", hint);
        }
        access
    }

    fn keys(&mut self, at: usize, pems: &[String], threshold: usize, what: &str) -> Option<Vec<PublicKey>> {
        let mut keys: Vec<PublicKey> = Vec::new();
        for pem in pems {
            match PublicKey::from_pem(pem) {
                Ok(key) if keys.iter().any(|other| other.id() == key.id()) => {
                    self.problem(at, format!("{what} names a key twice"), "a key counts once");
                }
                Ok(key) => keys.push(key),
                Err(error) => self.problem(at, format!("a key of {what}: {error}"), ""),
            }
        }
        if threshold == 0 || threshold > keys.len() {
            self.problem(at, format!("{what} needs {threshold} distinct keys and has {}", keys.len()), "");
            return None;
        }
        Some(keys)
    }

    /// A role with all that it includes.
    fn closure(&mut self, at: usize, role: &str, into: &mut BTreeSet<String>) {
        if !into.insert(role.to_owned()) {
            return;
        }
        for inner in self.roles.get(role).cloned().unwrap_or_default() {
            if self.roles.contains_key(&inner) {
                self.closure(at, &inner, into);
            } else {
                self.problem(at, format!("the role `{role}` includes `{inner}`, which is none"), "add a `[[role]]`");
            }
        }
    }

    fn persons(&mut self, raw: Vec<Spanned<RawPerson>>) -> Vec<Person> {
        let mut persons: Vec<Person> = Vec::new();
        for spanned in raw {
            let at = spanned.span().start;
            let raw = spanned.into_inner();
            let name = raw.name;
            if name.trim().is_empty() || [ANYONE, PUBLIC].contains(&name.as_str()) || self.roles.contains_key(&name) {
                self.problem(
                    at,
                    format!("`{name}` cannot be a person's name"),
                    "it is empty, a role, or means everyone",
                );
            }
            let mut person = Person { name, bot: raw.bot, ..Person::default() };
            for text in &raw.keys {
                match parse_key(text) {
                    Ok(key) => person.keys.push(key),
                    Err(why) => self.problem(at, format!("a key of `{}`: {why}", person.name), ""),
                }
            }
            person.emails = raw.emails.iter().map(|email| email.trim().to_lowercase()).collect();
            person.accounts = raw.accounts;
            for account in &person.accounts {
                if account.split_once(':').is_none_or(|(forge, name)| forge.is_empty() || name.is_empty()) {
                    let hint = "write the forge and the account, as `github:ada`";
                    self.problem(at, format!("the account `{account}` of `{}`", person.name), hint);
                }
            }
            for role in &raw.roles {
                self.closure(at, role, &mut person.roles);
            }
            person.not_before = self.checker.time(at, raw.not_before);
            person.not_after = self.checker.time(at, raw.not_after);
            person.revoked_at = self.checker.time(at, raw.revoked_at);
            // One key, address or account of two persons would let one stand for the other: two approvals by one.
            for other in &persons {
                let key = person.keys.iter().any(|key| other.keys.iter().any(|own| same_key(own, key)));
                let email = person.emails.iter().any(|email| other.emails.contains(email));
                let account = |a: &String| other.accounts.iter().any(|b| a.eq_ignore_ascii_case(b));
                if other.name == person.name {
                    self.problem(at, format!("the person `{}` is there twice", person.name), "");
                } else if key || email || person.accounts.iter().any(account) {
                    let what = format!("`{}` and `{}` share a key, an address or an account", person.name, other.name);
                    self.problem(at, what, "each belongs to one person: approvals count persons");
                }
            }
            self.persons.insert(person.name.clone());
            persons.push(person);
        }
        persons
    }

    fn named(&mut self, at: usize, functionaries: &[String], what: &str) {
        if functionaries.is_empty() {
            self.problem(at, format!("nobody may sign {what}"), "name at least one functionary");
        }
        for who in functionaries {
            if !self.functionaries.iter().any(|f| f.name == *who) {
                self.problem(at, format!("{what}: `{who}` is no functionary"), "add a `[[functionary]]`");
            }
        }
    }

    fn repository(&mut self, raw: Spanned<RawRepository>) -> Repository {
        let at = raw.span().start;
        let raw = raw.into_inner();
        if raw.name.trim().is_empty() || raw.uri.trim().is_empty() {
            self.problem(at, "the repository has no name or no uri", "approvals are bound to both");
        }
        self.named(at, &raw.servers, "the reference log");
        let mut x509_roots = Vec::new();
        for pem in &raw.x509_roots {
            match Certificate::from_pem(pem) {
                Ok(root) => x509_roots.push(root),
                Err(error) => self.problem(at, format!("a root of the repository: {error}"), ""),
            }
        }
        Repository { name: raw.name, uri: raw.uri, servers: raw.servers, x509_roots }
    }

    fn globs(&mut self, at: usize, texts: Vec<String>) -> Globs {
        if texts.iter().any(|text| text.is_empty() || text == "!") {
            self.problem(at, "an empty pattern", "it would match nothing");
        }
        if texts.first().is_some_and(|text| text.starts_with('!')) {
            self.problem(at, "the first pattern takes away from nothing", "begin with what it takes away from: `**`");
        }
        Globs::new(texts).unwrap_or_else(|why| {
            self.problem(at, format!("the pattern {why}"), "");
            Globs::default()
        })
    }

    fn refs(&mut self, at: usize, texts: Vec<String>) -> Globs {
        for text in &texts {
            let bare = text.strip_prefix('!').unwrap_or(text);
            if !bare.starts_with("refs/") && !bare.starts_with('*') {
                self.problem(at, format!("`{text}` is no ref"), "write it in full: refs/heads/main, refs/tags/*");
            }
        }
        self.globs(at, texts)
    }

    fn who(&mut self, at: usize, names: Vec<String>, public: bool) -> Vec<Who> {
        let mut found = Vec::new();
        for name in names {
            match name.as_str() {
                ANYONE => found.push(Who::Anyone),
                PUBLIC if public => found.push(Who::Public),
                _ if self.persons.contains(&name) => found.push(Who::Person(name)),
                _ if self.roles.contains_key(&name) => found.push(Who::Role(name)),
                _ => {
                    let hint = "add a `[[person]]` or give the role to someone";
                    self.problem(at, format!("`{name}` is neither a person nor a role"), hint);
                }
            }
        }
        found
    }

    fn rule(&mut self, raw: Spanned<RawRule>) -> AccessRule {
        let at = raw.span().start;
        let raw = raw.into_inner();
        if raw.who.is_empty() || raw.refs.is_empty() || raw.may.is_empty() {
            self.problem(at, "a rule of access without who, refs or may", "it would allow nobody anything");
        }
        let who = self.who(at, raw.who, true);
        let refs = self.refs(at, raw.refs);
        let mut may = BTreeSet::new();
        for word in &raw.may {
            match Operation::parse(word) {
                Some(operation) => _ = may.insert(operation),
                None => {
                    self.problem(at, format!("`{word}` is no operation"), "use read, create, update, force, delete");
                }
            }
        }
        if who.contains(&Who::Public) && may.iter().any(|o| *o != Operation::Read) {
            self.problem(at, "`public` may only read", "whoever writes has to be known");
        }
        AccessRule { who, refs, may }
    }

    fn words<T: Ord + Copy>(&mut self, at: usize, words: &[String], all: &[(T, &str)], what: &str) -> BTreeSet<T> {
        let mut found = BTreeSet::new();
        for word in words {
            match all.iter().find(|(_, name)| name == word) {
                Some((value, _)) => _ = found.insert(*value),
                None => {
                    let known = all.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
                    self.checker.problem(at, format!("`{word}` is no {what}"), format!("use {known}"));
                }
            }
        }
        found
    }

    fn protect(&mut self, raw: Vec<Spanned<RawProtect>>, checks: bool) -> Vec<ProtectRule> {
        let mut rules: Vec<ProtectRule> = Vec::new();
        for spanned in raw {
            let at = spanned.span().start;
            let raw = spanned.into_inner();
            if raw.name.is_empty() || rules.iter().any(|rule| rule.name == raw.name) {
                self.problem(at, format!("the rule `{}` has no name, or one that is there twice", raw.name), "");
            }
            let eligible = self.eligible(&raw.by);
            if raw.approvals > eligible {
                let what =
                    format!("the rule `{}` needs {} approvals, and {eligible} may give one", raw.name, raw.approvals);
                self.problem(at, what, "it could never be satisfied");
            }
            if raw.approvals == 0 && (!raw.by.is_empty() || !raw.keep.is_empty() || raw.cooling_off_hours > 0) {
                let what = format!("the rule `{}` says how approvals count and needs none", raw.name);
                self.problem(at, what, "set `approvals`, or leave `by`, `keep` and `cooling-off-hours` out");
            }
            if !checks && !raw.checks.is_empty() {
                self.problem(at, "a delegated document cannot name checks", "they belong to the policy");
            }
            let list = raw.checks.into_iter().map(|check| self.check(at, check)).collect();
            rules.push(ProtectRule {
                name: raw.name,
                message: raw.message,
                delegated: false,
                refs: self.refs(at, raw.refs.unwrap_or_else(everything)),
                paths: self.globs(at, raw.paths.unwrap_or_else(everything)),
                kinds: self.words(at, &raw.kinds, ChangeKind::ALL, "kind of change"),
                authors: self.words(at, &raw.authors, AuthorClass::ALL, "class of author"),
                steps: raw.steps,
                deny: raw.deny,
                sandbox: raw.sandbox,
                approvals: raw.approvals,
                by: self.who(at, raw.by, false),
                keep: self.words(at, &raw.keep, Keep::ALL, "condition under which approvals stay"),
                checks: list,
                delay_hours: raw.delay_hours,
                cooling_off_hours: raw.cooling_off_hours,
                fast_forward: raw.fast_forward,
                signed_commits: raw.signed_commits,
                signed_tags: raw.signed_tags,
                committer_is_pusher: raw.committer_is_pusher,
                immutable: raw.immutable,
                max_file_bytes: raw.max_file_bytes,
                forbidden_names: self.globs(at, raw.forbidden_names),
            });
        }
        rules
    }

    /// How many persons a list means; more than anyone needs where it cannot be known.
    fn eligible(&self, by: &[String]) -> usize {
        if by.iter().any(|who| self.roles.contains_key(who)) {
            usize::MAX
        } else if by.is_empty() {
            self.persons.len()
        } else {
            by.iter().collect::<BTreeSet<_>>().len()
        }
    }

    fn check(&mut self, at: usize, raw: RawCheck) -> CheckRule {
        self.named(at, &raw.functionaries, "a check");
        let known = predicate::by_short_name(&raw.predicate).map(ToOwned::to_owned);
        let predicate = known.unwrap_or(raw.predicate);
        let configuration = raw.configuration.and_then(|text| {
            text.parse().inspect_err(|error| self.problem(at, format!("`{text}`: {error}"), "write `sha256:…`")).ok()
        });
        CheckRule {
            predicate,
            functionaries: raw.functionaries,
            max_age_hours: raw.max_age_hours,
            result: raw.result,
            configuration,
        }
    }

    fn freeze(&mut self, raw: Spanned<RawFreeze>) -> Freeze {
        let at = raw.span().start;
        let raw = raw.into_inner();
        let weekly = raw.weekly.map(|text| Weekly::parse(&text)).transpose().unwrap_or_else(|why| {
            self.problem(at, why, "");
            None
        });
        let from = self.checker.time(at, raw.from);
        let until = self.checker.time(at, raw.until);
        if weekly.is_none() && until.is_none() {
            let hint = "give `until`, or `weekly = \"fri 16:00 - mon 06:00\"`";
            self.problem(at, format!("the freeze `{}` never ends", raw.name), hint);
        }
        let refs = raw.refs.unwrap_or_else(|| if raw.steps.is_empty() { everything() } else { Vec::new() });
        Freeze { name: raw.name, reason: raw.reason, refs: self.refs(at, refs), steps: raw.steps, from, until, weekly }
    }

    fn gate(&mut self, raw: Spanned<RawGate>) -> GateRules {
        let at = raw.span().start;
        let raw = raw.into_inner();
        let mut gate =
            GateRules { trust_forge: raw.trust_forge, count_reviews: raw.count_reviews, ..Default::default() };
        if !raw.functionaries.is_empty() {
            self.named(at, &raw.functionaries, "verdicts");
        }
        gate.functionaries = raw.functionaries;
        if let Some(words) = raw.time {
            gate.time = self.words(at, &words, TimeSource::ALL, "source of time");
        }
        for pem in &raw.timestamp_roots {
            match Certificate::chain_from_pem(pem) {
                Ok(chain) => gate.timestamp_roots.extend(chain),
                Err(error) => self.problem(at, format!("timestamp-roots: {error}"), "give certificates in PEM"),
            }
        }
        gate.verdict_hours = raw.verdict_hours.unwrap_or(gate.verdict_hours);
        gate.large_bytes = raw.large_bytes.unwrap_or(gate.large_bytes);
        gate.break_glass = raw.break_glass.map(|raw| {
            if raw.persons < 2 {
                self.problem(at, "breaking the glass needs at least two persons", "one alone would be no rule at all");
            }
            if raw.max_hours == 0 || raw.max_hours > 7 * 24 {
                self.problem(at, "break-glass: `max-hours` lies between 1 and 168", "");
            }
            let by = self.who(at, raw.by, false);
            if by.is_empty() {
                self.problem(at, "nobody may break the glass", "name roles or persons in `by`");
            }
            BreakGlass { persons: raw.persons, by, max_hours: raw.max_hours }
        });
        gate
    }
}

fn everything() -> Vec<String> {
    vec!["**".into()]
}

fn parse_key(text: &str) -> Result<PersonKey, String> {
    if text.trim_start().starts_with("-----BEGIN PGP") {
        return OpenPgpKey::parse(text).map(PersonKey::OpenPgp).map_err(|e| e.to_string());
    }
    if text.trim_start().starts_with("-----BEGIN") {
        return PublicKey::from_pem(text).map(PersonKey::Plain).map_err(|e| e.to_string());
    }
    SshPublicKey::parse(text).map(PersonKey::Ssh).map_err(|e| e.to_string())
}

/// Equal keys, whatever form each is written in.
fn same_key(a: &PersonKey, b: &PersonKey) -> bool {
    let plain = |key: &PersonKey| match key {
        PersonKey::Plain(key) => Some(key.clone()),
        PersonKey::Ssh(key) => key.as_public_key(),
        PersonKey::OpenPgp(_) => None,
    };
    a == b || matches!((plain(a), plain(b)), (Some(a), Some(b)) if a.id() == b.id())
}
