//! The policy document: TOML in, checked types out.

use std::collections::BTreeMap;

use provost_attest::predicate;
use provost_attest::predicate::ReleaseFacts;
use provost_keys::{Certificate, PublicKey};
use provost_model::{Digest, Timestamp};
use provost_tlog::NoteKey;
use serde::Deserialize;
use toml::Spanned;

use crate::access::{self, Access, RawAccess};
use crate::error::{PolicyError, Problem};
use crate::{Limits, RULES};

/// Whether a rule decides or only tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A rule that is not satisfied fails the verdict.
    Enforce,
    /// It is shown and decides nothing.
    Warn,
    /// It is not looked at.
    Off,
}

/// A checked policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Counts up with every change: an older policy than the one seen last is refused.
    pub serial: u64,
    /// After this time it decides nothing.
    pub expires: Timestamp,
    /// Who may sign evidence.
    pub functionaries: Vec<Functionary>,
    /// Logs whose proofs count.
    pub logs: Vec<LogKey>,
    /// Witnesses whose cosignatures count.
    pub witnesses: Vec<NoteKey>,
    /// How many of them must have cosigned the checkpoint.
    pub witness_threshold: usize,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What the build itself must satisfy.
    pub build: BuildRules,
    /// What the evidence must satisfy.
    pub evidence: EvidenceRules,
    /// What a scan of the artifact must have found, or not.
    pub scan: Option<ScanRules>,
    /// Who may do what to the repository, and what contributions and critical steps need.
    pub access: Access,
    /// Modes that differ from a rule's own.
    pub modes: BTreeMap<String, Mode>,
    /// Users' own rules.
    pub rego: Vec<RegoRule>,
    /// Cases that the policy must judge as it says.
    pub examples: Vec<Example>,
    /// SHA-256 of the document's bytes.
    pub digest: Digest,
}

/// Someone who may sign.
#[derive(Debug, Clone)]
pub struct Functionary {
    /// Name, for steps to refer to.
    pub name: String,
    /// A key, or a certificate's identity.
    pub identity: Identity,
    /// Evidence from before counts not.
    pub not_before: Option<Timestamp>,
    /// Evidence from after counts not.
    pub not_after: Option<Timestamp>,
    /// From here on nothing of it counts, and nothing whose time is not proved.
    pub revoked_at: Option<Timestamp>,
}

/// How a functionary is recognized.
#[derive(Debug, Clone)]
pub enum Identity {
    /// By key.
    Key(PublicKey),
    /// By a certificate from one of these roots.
    Certificate {
        /// The roots.
        roots: Vec<Certificate>,
        /// The subject alternative name, exactly.
        subject: String,
        /// The OIDC issuer, exactly, where there is one.
        issuer: Option<String>,
    },
}

/// A log.
#[derive(Debug, Clone)]
pub struct LogKey {
    /// Its verifier key.
    pub key: NoteKey,
}

/// A step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Who may have carried it out.
    pub functionaries: Vec<String>,
    /// How many distinct keys must have signed.
    pub threshold: usize,
    /// Predicate types that must be there.
    pub require: Vec<String>,
    /// The command, exactly, when it is fixed.
    pub command: Option<Vec<String>>,
    /// Steps whose products this step's materials come from.
    pub materials_from: Vec<String>,
    /// Globs of materials that must come from there; all of the earlier steps' products when empty.
    pub materials_match: Vec<String>,
}

/// The build policy of SP 800-204D 5.1.1: platform, tools, people.
#[derive(Debug, Clone, Default)]
pub struct BuildRules {
    /// Keys and store must have been out of the command's reach.
    pub require_isolation: bool,
    /// How the command must have been watched.
    pub observation: Option<ObservationWanted>,
    /// The guard must have been in mode `prevent`.
    pub require_prevent: bool,
    /// Tools by name and permitted digests; empty: any tool.
    pub tools: BTreeMap<String, Vec<Digest>>,
    /// Whether a tool that is not in the list is refused.
    pub only_listed_tools: bool,
    /// Builders by id; empty: any.
    pub builders: Vec<String>,
    /// `user` facts that may build; empty: anyone.
    pub who: Vec<String>,
    /// Whether a developer's own machine may build.
    pub allow_workstation: bool,
    /// Whether the working tree must be clean.
    pub require_clean: bool,
    /// Where the source must come from; empty: anywhere.
    pub sources: Vec<String>,
    /// Names of environment variables that are recorded.
    pub environment: Vec<String>,
    /// Names of environment variables that are recorded with their values.
    pub environment_values: Vec<String>,
}

/// How a command must have been watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObservationWanted {
    /// By a kernel back end.
    Kernel,
    /// By a kernel back end, with nothing lost, handed to others or left running.
    Complete,
}

/// What the evidence must satisfy.
#[derive(Debug, Clone, Default)]
pub struct EvidenceRules {
    /// A proof of a known log is needed.
    pub require_log: bool,
    /// Evidence older than this many days does not count; 0: any age.
    pub max_age_days: u64,
    /// Custodies that are accepted for the signing key; empty: any.
    pub custody: Vec<String>,
}

/// How severe a vulnerability is, in the words of CVSS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// 0.0.
    None,
    /// 0.1 to 3.9.
    Low,
    /// 4.0 to 6.9.
    Medium,
    /// 7.0 to 8.9.
    High,
    /// 9.0 and more.
    Critical,
}

/// What a scan of the artifact must have found, or not (SP 800-204D 5.2: DEPLOY-4).
#[derive(Debug, Clone)]
pub struct ScanRules {
    /// Who may sign scans.
    pub functionaries: Vec<String>,
    /// A scan older than this many days does not count; 0: any age.
    pub max_age_days: u64,
    /// Nor one by data older than this many days; 0: any age.
    pub max_database_age_days: u64,
    /// A scan that did not read or judge everything counts too.
    pub allow_incomplete: bool,
    /// The least severity that is refused. Of unknown severity is refused always.
    pub fail_on: Severity,
    /// How many days after it became known a vulnerability of a severity is tolerated.
    pub grace_days: BTreeMap<Severity, u64>,
    /// Vulnerabilities without a fixed version are tolerated.
    pub ignore_unfixed: bool,
    /// What is needed for development only is tolerated.
    pub ignore_development: bool,
    /// Kinds beside vulnerabilities that are refused: `unmaintained`, `unsound`, `notice`. Attacks always are.
    pub deny: Vec<String>,
    /// Licences that are refused, SPDX ids.
    pub denied_licences: Vec<String>,
    /// The only licences that are permitted; empty: any that is not refused.
    pub permitted_licences: Vec<String>,
    /// Chain ids of base images, one of which an image must begin with; empty: any.
    pub base_images: Vec<String>,
    /// Rules of findings about an image that are refused.
    pub deny_image: Vec<String>,
    /// An image that was made more than so many days ago is refused; 0: any age.
    pub max_image_age_days: u64,
    /// One whose base was is refused; 0: any age.
    pub max_base_age_days: u64,
    /// The least severity that is refused for packages of a grade, where it is another than `fail_on`.
    pub fail_on_reach: BTreeMap<String, Severity>,
    /// A version that was published less than so many days ago is refused; 0: any age.
    pub min_age_days: u64,
    /// Versions whose date is not known are tolerated.
    pub allow_unknown_age: bool,
    /// Exceptions.
    pub exceptions: Vec<ScanException>,
}

/// A vulnerability that someone decided to live with.
#[derive(Debug, Clone)]
pub struct ScanException {
    /// Its id or an alias.
    pub id: String,
    /// The package, a purl without version; any when absent.
    pub package: Option<String>,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Timestamp,
}

/// A user's rule.
#[derive(Debug, Clone)]
pub struct RegoRule {
    /// Its name; the rule's id is `rego/<name>`.
    pub name: String,
    /// The module; `deny` is a set of messages.
    pub module: String,
    /// Requirements of SP 800-204D that it serves.
    pub requirements: Vec<String>,
}

/// What an example expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// The verdict is a pass.
    Passed,
    /// It is not.
    Failed,
}

/// A case that the policy must judge as it says.
#[derive(Debug, Clone)]
pub struct Example {
    /// Its name.
    pub name: String,
    /// Evidence file, relative to the policy.
    pub evidence: String,
    /// `sha256:…`, or a file relative to the policy.
    pub artifact: String,
    /// When it is judged.
    pub at: Option<Timestamp>,
    /// The outcome.
    pub expect: Expectation,
    /// Rules that must be among the failures.
    pub because: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    version: Spanned<i64>,
    name: Spanned<String>,
    #[serde(default)]
    serial: Option<Spanned<i64>>,
    expires: Spanned<String>,
    #[serde(default)]
    functionary: Vec<Spanned<RawFunctionary>>,
    #[serde(default)]
    log: Vec<Spanned<RawLog>>,
    #[serde(default)]
    witness: Vec<Spanned<RawLog>>,
    #[serde(default)]
    witness_threshold: usize,
    #[serde(default)]
    step: Vec<Spanned<RawStep>>,
    #[serde(default)]
    build: RawBuild,
    #[serde(default)]
    evidence: RawEvidence,
    scan: Option<Spanned<RawScan>>,
    #[serde(default)]
    rules: BTreeMap<Spanned<String>, Mode>,
    #[serde(default)]
    rego: Vec<Spanned<RawRego>>,
    #[serde(default)]
    example: Vec<Spanned<RawExample>>,
    #[serde(default)]
    person: Vec<Spanned<access::RawPerson>>,
    #[serde(default)]
    role: Vec<Spanned<access::RawRole>>,
    repository: Option<Spanned<access::RawRepository>>,
    #[serde(default)]
    access: Vec<Spanned<access::RawRule>>,
    #[serde(default)]
    protect: Vec<Spanned<access::RawProtect>>,
    #[serde(default)]
    freeze: Vec<Spanned<access::RawFreeze>>,
    gate: Option<Spanned<access::RawGate>>,
    root: Option<Spanned<access::RawRoot>>,
    #[serde(default)]
    delegation: Vec<Spanned<access::RawDelegation>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawFunctionary {
    name: String,
    public_key: Option<String>,
    roots: Option<Vec<String>>,
    subject: Option<String>,
    issuer: Option<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    revoked_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLog {
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawStep {
    name: String,
    functionaries: Vec<String>,
    #[serde(default = "one")]
    threshold: usize,
    require: Vec<String>,
    command: Option<Vec<String>>,
    #[serde(default)]
    materials_from: Vec<String>,
    #[serde(default)]
    materials_match: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RawBuild {
    require_isolation: bool,
    observation: Option<ObservationWanted>,
    require_prevent: bool,
    tools: BTreeMap<String, Vec<Spanned<String>>>,
    only_listed_tools: bool,
    builders: Vec<String>,
    who: Vec<String>,
    allow_workstation: Option<bool>,
    require_clean: bool,
    sources: Vec<String>,
    environment: Option<Vec<String>>,
    environment_values: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RawEvidence {
    require_log: Option<bool>,
    max_age_days: u64,
    custody: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawScan {
    functionaries: Vec<String>,
    #[serde(default)]
    max_age_days: u64,
    #[serde(default)]
    max_database_age_days: u64,
    #[serde(default)]
    allow_incomplete: bool,
    #[serde(default = "lowest")]
    fail_on: Severity,
    #[serde(default)]
    grace_days: BTreeMap<Severity, u64>,
    #[serde(default)]
    ignore_unfixed: bool,
    #[serde(default)]
    ignore_development: bool,
    #[serde(default)]
    deny: Vec<String>,
    #[serde(default)]
    denied_licences: Vec<String>,
    #[serde(default)]
    permitted_licences: Vec<String>,
    #[serde(default)]
    base_images: Vec<String>,
    #[serde(default)]
    deny_image: Vec<String>,
    #[serde(default)]
    max_image_age_days: u64,
    #[serde(default)]
    max_base_age_days: u64,
    #[serde(default)]
    fail_on_reach: BTreeMap<String, Severity>,
    #[serde(default)]
    min_age_days: u64,
    #[serde(default)]
    allow_unknown_age: bool,
    #[serde(default)]
    exception: Vec<RawException>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawException {
    id: String,
    package: Option<String>,
    reason: String,
    until: String,
}

fn lowest() -> Severity {
    Severity::None
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRego {
    name: String,
    module: String,
    #[serde(default)]
    requirements: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExample {
    name: String,
    evidence: String,
    artifact: String,
    at: Option<String>,
    expect: Expectation,
    #[serde(default)]
    because: Vec<String>,
}

fn one() -> usize {
    1
}

/// Rules without which a verdict says nothing.
const ALWAYS_ENFORCED: &[&str] =
    &["policy-valid", "step-evidence", "step-functionaries", "key-validity", "one-run", "artifact-listed"];

/// Environment variables that are recorded by name when a policy names none: they steer compilers and package
/// managers and hold no secrets.
const USUAL_ENVIRONMENT: &[&str] = &[
    "AR",
    "AS",
    "CC",
    "CFLAGS",
    "CI",
    "CPP",
    "CPPFLAGS",
    "CXX",
    "CXXFLAGS",
    "GOFLAGS",
    "GOPROXY",
    "LANG",
    "LC_ALL",
    "LD",
    "LDFLAGS",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "MAKEFLAGS",
    "NODE_OPTIONS",
    "PATH",
    "PIP_INDEX_URL",
    "PYTHONPATH",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "SOURCE_DATE_EPOCH",
    "TZ",
    "npm_config_registry",
];

impl Policy {
    /// Reads and checks a policy document.
    ///
    /// # Errors
    /// All problems that were found, each with line, column and hint.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > Limits::POLICY {
            return Err(single(0, 0, format!("it is larger than {} bytes", Limits::POLICY), ""));
        }
        let raw: Raw = toml::from_str(text).map_err(|e| {
            let (line, column) = e.span().map_or((0, 0), |span| place(text, span.start));
            single(line, column, e.message().trim().to_owned(), hint_for(e.message()))
        })?;
        Checker::new(text).check(raw)
    }

    /// The functionaries' keys, for verifying signatures. Who may sign what, and when, is the evaluation's business.
    pub fn keys(&self) -> Vec<PublicKey> {
        self.functionaries
            .iter()
            .filter_map(|f| match &f.identity {
                Identity::Key(key) => Some(key.clone()),
                Identity::Certificate { .. } => None,
            })
            .collect()
    }

    /// The log keys.
    pub fn log_keys(&self) -> Vec<NoteKey> {
        self.logs.iter().map(|log| log.key.clone()).collect()
    }

    /// How a rule counts.
    pub fn mode(&self, rule: &str) -> Mode {
        let default = || RULES.iter().find(|info| info.id == rule).map_or(Mode::Enforce, |info| info.default);
        self.modes.get(rule).copied().unwrap_or_else(default)
    }
}

pub(crate) struct Checker<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, problems: Vec::new() }
    }

    pub(crate) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    pub(crate) fn into_error(self) -> PolicyError {
        PolicyError::Invalid(self.problems)
    }
}

impl Checker<'_> {
    pub(crate) fn problem(&mut self, at: usize, what: impl Into<String>, hint: impl Into<String>) {
        let (line, column) = place(self.text, at);
        self.problems.push(Problem { line, column, what: what.into(), hint: hint.into() });
    }

    pub(crate) fn time(&mut self, at: usize, text: Option<String>) -> Option<Timestamp> {
        let text = text?;
        let parsed = text.parse();
        if parsed.is_err() {
            self.problem(at, format!("`{text}` is not an RFC 3339 time"), "write it like 2027-01-31T00:00:00Z");
        }
        parsed.ok()
    }

    fn check(mut self, raw: Raw) -> Result<Policy, PolicyError> {
        if *raw.version.get_ref() != 1 {
            self.problem(
                raw.version.span().start,
                format!("version {} is not known", raw.version.get_ref()),
                "write `version = 1`",
            );
        }
        if raw.name.get_ref().trim().is_empty() {
            self.problem(raw.name.span().start, "the name is empty", "");
        }
        let serial = raw.serial.as_ref().map_or(Ok(0), |s| u64::try_from(*s.get_ref()));
        if serial.is_err() {
            self.problem(raw.serial.as_ref().map_or(0, |s| s.span().start), "the serial is negative", "");
        }
        let expires = self.time(raw.expires.span().start, Some(raw.expires.get_ref().clone()));
        let functionaries: Vec<Functionary> = raw.functionary.into_iter().filter_map(|f| self.functionary(f)).collect();
        for (i, functionary) in functionaries.iter().enumerate() {
            if functionaries[..i].iter().any(|other| other.name == functionary.name) {
                self.problem(0, format!("two functionaries are named `{}`", functionary.name), "");
            }
        }
        let logs = raw.log.iter().filter_map(|l| self.note_key(l)).map(|key| LogKey { key }).collect::<Vec<_>>();
        let witnesses: Vec<NoteKey> = raw.witness.iter().filter_map(|w| self.note_key(w)).collect();
        if raw.witness_threshold > witnesses.len() {
            self.problem(
                0,
                format!("witness-threshold {} is more than there are witnesses", raw.witness_threshold),
                "",
            );
        }
        let access = RawAccess {
            person: raw.person,
            role: raw.role,
            repository: raw.repository,
            access: raw.access,
            protect: raw.protect,
            freeze: raw.freeze,
            gate: raw.gate,
            root: raw.root,
            delegation: raw.delegation,
        };
        let access = access::read(&mut self, access, &functionaries);
        // A policy of a repository alone judges no artifact: the evaluation passes none without a step.
        if raw.step.is_empty() && access.repository.is_none() {
            self.problem(0, "there is no step", "add a `[[step]]`: a policy without one would allow everything");
        }
        let steps = self.steps(raw.step, &functionaries);
        let build = self.build(raw.build);
        let scan = raw.scan.map(|scan| self.scan(scan, &functionaries));
        let mut modes = BTreeMap::new();
        for (name, mode) in raw.rules {
            if mode != Mode::Enforce && ALWAYS_ENFORCED.contains(&name.get_ref().as_str()) {
                let what = format!("the rule `{}` cannot be switched off or made to warn", name.get_ref());
                self.problem(name.span().start, what, "without it the policy would allow anything");
            }
            if RULES.iter().any(|info| info.id == name.get_ref()) {
                modes.insert(name.into_inner(), mode);
            } else {
                let known = RULES.iter().map(|info| info.id).collect::<Vec<_>>().join(", ");
                self.problem(
                    name.span().start,
                    format!("there is no rule `{}`", name.get_ref()),
                    format!("the rules are {known}"),
                );
            }
        }
        let rego = raw
            .rego
            .into_iter()
            .map(|rule| {
                let at = rule.span().start;
                let RawRego { name, module, requirements } = rule.into_inner();
                if let Err(why) = crate::rego::check(&module) {
                    self.problem(at, format!("the Rego rule `{name}` cannot be used: {why}"), "");
                }
                RegoRule { name, module, requirements }
            })
            .collect();
        let examples = raw
            .example
            .into_iter()
            .map(|example| {
                let start = example.span().start;
                let RawExample { name, evidence, artifact, at, expect, because } = example.into_inner();
                let at = self.time(start, at);
                Example { name, evidence, artifact, at, expect, because }
            })
            .collect();
        let require_log = raw.evidence.require_log.unwrap_or(true);
        if require_log && logs.is_empty() {
            self.problem(
                0,
                "evidence must be in a log, but no log is named",
                "add a `[[log]]`, or set `require-log = false`",
            );
        }
        let evidence =
            EvidenceRules { require_log, max_age_days: raw.evidence.max_age_days, custody: raw.evidence.custody };
        match (self.problems.is_empty(), expires, serial) {
            (true, Some(expires), Ok(serial)) => Ok(Policy {
                name: raw.name.into_inner(),
                serial,
                expires,
                functionaries,
                logs,
                witnesses,
                witness_threshold: raw.witness_threshold,
                steps,
                build,
                evidence,
                scan,
                access,
                modes,
                rego,
                examples,
                digest: provost_model::sha256(self.text.as_bytes()),
            }),
            _ => Err(PolicyError::Invalid(self.problems)),
        }
    }

    fn functionary(&mut self, raw: Spanned<RawFunctionary>) -> Option<Functionary> {
        let at = raw.span().start;
        let raw = raw.into_inner();
        let identity = match (raw.public_key, raw.roots, raw.subject) {
            (Some(pem), None, None) => match PublicKey::from_pem(&pem) {
                Ok(key) => Some(Identity::Key(key)),
                Err(error) => {
                    self.problem(at, format!("the key of `{}`: {error}", raw.name), "");
                    None
                }
            },
            (None, Some(roots), Some(subject)) => {
                // An empty constraint is not an absent one: it would match anyone.
                if roots.is_empty() || subject.is_empty() || raw.issuer.as_deref() == Some("") {
                    self.problem(
                        at,
                        format!("`{}` has an empty root list, subject or issuer", raw.name),
                        "name exactly who it is",
                    );
                }
                let mut parsed = Vec::new();
                for root in roots {
                    match Certificate::from_pem(&root) {
                        Ok(certificate) => parsed.push(certificate),
                        Err(error) => self.problem(at, format!("a root of `{}`: {error}", raw.name), ""),
                    }
                }
                Some(Identity::Certificate { roots: parsed, subject, issuer: raw.issuer })
            }
            _ => {
                let hint = "give either `public-key`, or `roots` and `subject`";
                self.problem(at, format!("it is not clear who `{}` is", raw.name), hint);
                None
            }
        };
        Some(Functionary {
            name: raw.name,
            identity: identity?,
            not_before: self.time(at, raw.not_before),
            not_after: self.time(at, raw.not_after),
            revoked_at: self.time(at, raw.revoked_at),
        })
    }

    fn note_key(&mut self, raw: &Spanned<RawLog>) -> Option<NoteKey> {
        let parsed = raw.get_ref().key.parse();
        if let Err(error) = &parsed {
            self.problem(raw.span().start, format!("the log's key: {error}"), "it is in the store's file `log.vkey`");
        }
        parsed.ok()
    }

    fn steps(&mut self, raw: Vec<Spanned<RawStep>>, functionaries: &[Functionary]) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        if raw.len() > Limits::ITEMS {
            self.problem(0, format!("more than {} steps", Limits::ITEMS), "");
            return steps;
        }
        for step in raw {
            let at = step.span().start;
            let step = step.into_inner();
            let name = step.name;
            if steps.iter().any(|other| other.name == name) {
                self.problem(at, format!("the step `{name}` is there twice"), "");
            }
            if step.require.is_empty() {
                let hint = "for example `require = [\"process\", \"materials\", \"artifacts\"]`";
                self.problem(at, format!("the step `{name}` requires no attestation"), hint);
            }
            let mut require = Vec::new();
            for short in &step.require {
                match predicate::by_short_name(short) {
                    Some(kind) => require.push(kind.to_owned()),
                    None => {
                        let hint = "use environment, process, materials, artifacts, provenance, link, or a predicate type's URI";
                        self.problem(at, format!("`{short}` is no attestation"), hint);
                    }
                }
            }
            if step.functionaries.is_empty() {
                self.problem(at, format!("nobody may carry out the step `{name}`"), "name at least one functionary");
            }
            let mut keys = Vec::new();
            for who in &step.functionaries {
                match functionaries.iter().find(|f| f.name == *who) {
                    None => self.problem(
                        at,
                        format!("the step `{name}` names `{who}`, who is no functionary"),
                        "add a `[[functionary]]`",
                    ),
                    Some(Functionary { identity: Identity::Key(key), .. }) if !keys.contains(&key.id()) => {
                        keys.push(key.id())
                    }
                    Some(_) => {}
                }
            }
            let certificates = step.functionaries.iter().any(|who| {
                functionaries.iter().any(|f| f.name == *who && matches!(f.identity, Identity::Certificate { .. }))
            });
            if step.threshold == 0 {
                self.problem(at, format!("the step `{name}` has the threshold 0"), "at least one signature is needed");
            } else if step.threshold > keys.len() && !certificates {
                let what = format!("the step `{name}` needs {} distinct keys and has {}", step.threshold, keys.len());
                self.problem(at, what, "");
            }
            for from in &step.materials_from {
                if !steps.iter().any(|other| other.name == *from) {
                    self.problem(at, format!("`{name}` takes materials from `{from}`, which is no earlier step"), "");
                }
            }
            if step.command.as_ref().is_some_and(Vec::is_empty) {
                self.problem(at, format!("the command of `{name}` is empty"), "leave it out to allow any command");
            }
            for glob in &step.materials_match {
                if let Err(error) = globset::Glob::new(glob) {
                    self.problem(at, format!("the glob `{glob}`: {error}"), "");
                }
            }
            steps.push(Step {
                name,
                functionaries: step.functionaries,
                threshold: step.threshold,
                require,
                command: step.command,
                materials_from: step.materials_from,
                materials_match: step.materials_match,
            });
        }
        steps
    }

    fn scan(&mut self, raw: Spanned<RawScan>, functionaries: &[Functionary]) -> ScanRules {
        let at = raw.span().start;
        let raw = raw.into_inner();
        if raw.functionaries.is_empty() {
            self.problem(at, "nobody may sign scans", "name at least one functionary");
        }
        for who in &raw.functionaries {
            if !functionaries.iter().any(|f| f.name == *who) {
                self.problem(at, format!("scans name `{who}`, who is no functionary"), "add a `[[functionary]]`");
            }
        }
        for kind in &raw.deny {
            if !["unmaintained", "unsound", "notice", "deprecated", "yanked", "drift", "lock"].contains(&kind.as_str())
            {
                let hint =
                    "use unmaintained, unsound, notice, deprecated, yanked, drift, lock; attacks are refused always";
                self.problem(at, format!("`{kind}` cannot be denied"), hint);
            }
        }
        for grade in raw.fail_on_reach.keys() {
            if !["declared", "installed", "read", "linked"].contains(&grade.as_str()) {
                self.problem(at, format!("`{grade}` is no grade"), "use declared, installed, read, linked");
            }
        }
        if raw.min_age_days > ReleaseFacts::DAYS {
            let what = format!("`min-age-days` is more than {}: scans do not say more", ReleaseFacts::DAYS);
            self.problem(at, what, "ask for fewer days");
        }
        let mut exceptions = Vec::new();
        for one in raw.exception {
            if one.reason.trim().len() < 4 {
                self.problem(at, format!("the exception for {} has no reason", one.id), "say why it is tolerated");
            }
            if let Some(until) = self.time(at, Some(one.until)) {
                exceptions.push(ScanException { id: one.id, package: one.package, reason: one.reason, until });
            }
        }
        ScanRules {
            functionaries: raw.functionaries,
            max_age_days: raw.max_age_days,
            max_database_age_days: raw.max_database_age_days,
            allow_incomplete: raw.allow_incomplete,
            fail_on: raw.fail_on,
            grace_days: raw.grace_days,
            ignore_unfixed: raw.ignore_unfixed,
            ignore_development: raw.ignore_development,
            deny: raw.deny,
            denied_licences: raw.denied_licences,
            permitted_licences: raw.permitted_licences,
            base_images: raw.base_images,
            deny_image: raw.deny_image,
            max_image_age_days: raw.max_image_age_days,
            max_base_age_days: raw.max_base_age_days,
            fail_on_reach: raw.fail_on_reach,
            min_age_days: raw.min_age_days,
            allow_unknown_age: raw.allow_unknown_age,
            exceptions,
        }
    }

    fn build(&mut self, raw: RawBuild) -> BuildRules {
        let mut tools = BTreeMap::new();
        for (name, digests) in raw.tools {
            let mut parsed = Vec::new();
            for digest in digests {
                match digest.get_ref().parse() {
                    Ok(digest) => parsed.push(digest),
                    Err(error) => {
                        let error: provost_model::DigestError = error;
                        self.problem(digest.span().start, format!("the tool `{name}`: {error}"), "");
                    }
                }
            }
            tools.insert(name, parsed);
        }
        if raw.only_listed_tools && tools.is_empty() {
            self.problem(0, "`only-listed-tools` is set and no tool is listed", "add `[build.tools]`");
        }
        let usual = || USUAL_ENVIRONMENT.iter().map(|name| (*name).to_owned()).collect();
        BuildRules {
            require_isolation: raw.require_isolation,
            observation: raw.observation,
            require_prevent: raw.require_prevent,
            tools,
            only_listed_tools: raw.only_listed_tools,
            builders: raw.builders,
            who: raw.who,
            allow_workstation: raw.allow_workstation.unwrap_or(true),
            require_clean: raw.require_clean,
            sources: raw.sources,
            environment: raw.environment.unwrap_or_else(usual),
            environment_values: raw.environment_values,
        }
    }
}

fn single(line: usize, column: usize, what: String, hint: &str) -> PolicyError {
    PolicyError::Invalid(vec![Problem { line, column, what, hint: hint.to_owned() }])
}

/// Line and column, from 1, of a byte offset.
fn place(text: &str, at: usize) -> (usize, usize) {
    if at == 0 {
        return (0, 0);
    }
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn hint_for(message: &str) -> &'static str {
    if message.contains("unknown field") {
        "check the spelling against docs/policy.md"
    } else if message.contains("missing field") {
        "every policy needs version, name and expires; every step name, functionaries and require"
    } else {
        ""
    }
}
