//! Who may do what to a repository, and what a contribution or a critical step needs (SP 800-204D 5.1.2, 5.1.4): persons,
//! roles, access, protection, freezes. Part of the same signed document as everything else that is judged.

mod delegated;
mod globs;
mod read;
mod time;

use std::collections::{BTreeMap, BTreeSet};

use provost_keys::openpgp::{OpenPgpKey, OpenPgpSignature};
use provost_keys::{Certificate, KeyId, PublicKey, ssh::SshPublicKey};
use provost_model::{Digest, Timestamp};

pub use delegated::Delegated;
pub use globs::Globs;
pub(crate) use read::{
    RawAccess, RawDelegation, RawFreeze, RawGate, RawPerson, RawProtect, RawRepository, RawRole, RawRoot, RawRule, read,
};
pub use time::Weekly;

/// Everything in a policy that is about contributions and repositories.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// People and their keys.
    pub persons: Vec<Person>,
    /// The repository that approvals and log entries are bound to.
    pub repository: Option<Repository>,
    /// Who may read and write which refs. No rule, no access.
    pub access: Vec<AccessRule>,
    /// What a change needs. A changed path that no rule matches is refused.
    pub protect: Vec<ProtectRule>,
    /// When nothing goes on.
    pub freezes: Vec<Freeze>,
    /// How the gate decides.
    pub gate: GateRules,
    /// Whose signatures the next policy needs.
    pub root: Option<RootKeys>,
    /// Parts that others rule.
    pub delegations: Vec<Delegation>,
}

/// Someone, with the keys that prove it.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// A name, unique in the policy.
    pub name: String,
    /// Keys.
    pub keys: Vec<PersonKey>,
    /// Mail addresses that commits of this person bear, in lower case.
    pub emails: Vec<String>,
    /// Accounts, as `github:ada`.
    pub accounts: Vec<String>,
    /// Roles, with all that they include.
    pub roles: BTreeSet<String>,
    /// A program.
    pub bot: bool,
    /// Signatures from before do not count.
    pub not_before: Option<Timestamp>,
    /// Nor those from after.
    pub not_after: Option<Timestamp>,
    /// From here on nothing counts that is not proved to be older.
    pub revoked_at: Option<Timestamp>,
}

/// A person's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonKey {
    /// An SSH key; signatures are SSHSIG.
    Ssh(SshPublicKey),
    /// A key of PKIX form; signatures are raw.
    Plain(PublicKey),
    /// An OpenPGP key, for commits and tags alone.
    OpenPgp(OpenPgpKey),
}

impl PersonKey {
    /// A name for the key: `SHA256:…` as ssh-keygen prints it, or the SHA-256 of the PKIX form.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Ssh(key) => key.fingerprint(),
            Self::Plain(key) => key.id().to_string(),
            Self::OpenPgp(key) => key.fingerprint().to_owned(),
        }
    }
}

impl Person {
    /// Whether what this person signed at a time counts.
    pub fn valid_at(&self, at: Timestamp) -> bool {
        self.not_before.is_none_or(|from| at >= from)
            && self.not_after.is_none_or(|to| at <= to)
            && self.revoked_at.is_none_or(|from| at < from)
    }

    /// Whether the person is meant by an entry of a list: by name, by role, or as anyone.
    pub fn is(&self, who: &Who) -> bool {
        match who {
            Who::Person(name) => *name == self.name,
            Who::Role(role) => self.roles.contains(role),
            Who::Anyone | Who::Public => true,
        }
    }
}

/// Whom a rule means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// One person.
    Person(String),
    /// Everyone in a role.
    Role(String),
    /// Everyone whom the server knows.
    Anyone,
    /// Everyone, known or not.
    Public,
}

/// The repository that a policy is of.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub uri: String,
    /// Functionaries that sign the reference log.
    pub servers: Vec<String>,
    /// Roots of certificates that commits and tags may be signed with; the mail address in them names the person.
    pub x509_roots: Vec<Certificate>,
}

/// What may be done to a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Fetch it.
    Read,
    /// Make a new one.
    Create,
    /// Move it forward.
    Update,
    /// Move it to where the old one is no ancestor.
    Force,
    /// Delete it.
    Delete,
}

impl Operation {
    /// The word for it in policies and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Force => "force",
            Self::Delete => "delete",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Create, Self::Update, Self::Force, Self::Delete].into_iter().find(|o| o.name() == text)
    }
}

/// Who may do what to which refs.
#[derive(Debug, Clone)]
pub struct AccessRule {
    /// Whom it means.
    pub who: Vec<Who>,
    /// Which refs.
    pub refs: Globs,
    /// What they may do.
    pub may: BTreeSet<Operation>,
}

/// A kind of change that deserves another look than ordinary code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// What a CI system runs.
    CiConfiguration,
    /// What a build runs.
    BuildScript,
    /// Resolved dependencies.
    Lockfile,
    /// A dependency that was not there before, or another source of one.
    NewDependency,
    /// Who reviews what.
    Codeowners,
    /// The policy and its configuration.
    Policy,
    /// Content that is no text.
    Binary,
    /// A submodule, or `.gitmodules`.
    Submodule,
    /// A file that may be executed from now on.
    ExecutableBit,
    /// A symbolic link.
    Symlink,
    /// Characters that change the order in which text is shown (CVE-2021-42574).
    Bidi,
    /// Letters that look like others, in names and identifiers (CVE-2021-42694).
    Homoglyph,
    /// Larger than a reviewer reads.
    Large,
    /// Marked as made by a program, or minified.
    Generated,
    /// `.gitattributes`, `.mailmap` and the like: how others see the rest.
    Attributes,
}

impl ChangeKind {
    /// All of them, with their words.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::CiConfiguration, "ci-configuration"),
        (Self::BuildScript, "build-script"),
        (Self::Lockfile, "lockfile"),
        (Self::NewDependency, "new-dependency"),
        (Self::Codeowners, "codeowners"),
        (Self::Policy, "policy"),
        (Self::Binary, "binary"),
        (Self::Submodule, "submodule"),
        (Self::ExecutableBit, "executable-bit"),
        (Self::Symlink, "symlink"),
        (Self::Bidi, "bidi"),
        (Self::Homoglyph, "homoglyph"),
        (Self::Large, "large"),
        (Self::Generated, "generated"),
        (Self::Attributes, "attributes"),
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// How much is known of whoever made a change; of several authors the least counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthorClass {
    /// Nobody knows them, or the change comes from outside.
    Outsider,
    /// Their first contribution, by the forge's word.
    FirstTimer,
    /// They contributed before, by the forge's word.
    Contributor,
    /// A program.
    Bot,
    /// A person of the policy.
    Member,
    /// A person of the policy in the role `maintainer`.
    Maintainer,
}

impl AuthorClass {
    /// All of them, with their words.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Outsider, "outsider"),
        (Self::FirstTimer, "first-timer"),
        (Self::Contributor, "contributor"),
        (Self::Bot, "bot"),
        (Self::Member, "member"),
        (Self::Maintainer, "maintainer"),
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(class, _)| *class == self).map_or("", |(_, name)| name)
    }
}

/// When an approval of an earlier state still counts, in the words of Gerrit's copy conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// The resulting tree is the same, and the base; messages may differ.
    NoCodeChange,
    /// The same change on another base, without a conflict.
    TrivialRebase,
    /// Only the target was merged in, without a conflict.
    MergeFirstParentUpdate,
}

impl Keep {
    const ALL: &'static [(Self, &'static str)] = &[
        (Self::NoCodeChange, "no-code-change"),
        (Self::TrivialRebase, "trivial-rebase"),
        (Self::MergeFirstParentUpdate, "merge-first-parent-update"),
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(keep, _)| *keep == self).map_or("", |(_, name)| name)
    }
}

/// A statement about this very tree that has to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRule {
    /// Its predicate type.
    pub predicate: String,
    /// Who may sign it.
    pub functionaries: Vec<String>,
    /// How old it may be, in hours; 0: any age.
    pub max_age_hours: u64,
    /// Its `result`; any when absent.
    pub result: Option<String>,
    /// A digest that must be among its `configuration`.
    pub configuration: Option<Digest>,
}

/// What a change has to satisfy where the rule matches.
#[derive(Debug, Clone)]
pub struct ProtectRule {
    /// Its name, unique.
    pub name: String,
    /// Why, and what to do: part of the message when it refuses.
    pub message: String,
    /// It comes from a delegated document: it speaks of its paths, and not of refs as such.
    pub delegated: bool,
    /// Target refs.
    pub refs: Globs,
    /// Paths.
    pub paths: Globs,
    /// Only changes of one of these kinds; empty: of any.
    pub kinds: BTreeSet<ChangeKind>,
    /// Only changes by one of these classes; empty: by anyone.
    pub authors: BTreeSet<AuthorClass>,
    /// Critical steps that it gates; empty: contributions and pushes.
    pub steps: Vec<String>,
    /// Refused, whoever approves.
    pub deny: bool,
    /// CI for it runs without network, secrets and privilege only.
    pub sandbox: bool,
    /// How many distinct persons have to approve.
    pub approvals: usize,
    /// Whose approval counts; empty: any person of the policy.
    pub by: Vec<Who>,
    /// Which changes an approval survives.
    pub keep: BTreeSet<Keep>,
    /// Statements that have to be there.
    pub checks: Vec<CheckRule>,
    /// Hours after the first proposal.
    pub delay_hours: u64,
    /// Hours after the last approval that was needed.
    pub cooling_off_hours: u64,
    /// The ref only moves forward.
    pub fast_forward: bool,
    /// Each new commit is signed by a person of the policy.
    pub signed_commits: bool,
    /// Tags are annotated and signed by a person of the policy.
    pub signed_tags: bool,
    /// Each new commit's committer is whoever pushes it.
    pub committer_is_pusher: bool,
    /// Once made, the ref stays what it is.
    pub immutable: bool,
    /// The largest file, in bytes; 0: any.
    pub max_file_bytes: u64,
    /// File names that are refused, as globs over the last part of the path, or over all of it.
    pub forbidden_names: Globs,
}

/// A time in which nothing goes on.
#[derive(Debug, Clone)]
pub struct Freeze {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Target refs; none when empty and steps are named.
    pub refs: Globs,
    /// Critical steps.
    pub steps: Vec<String>,
    /// From here.
    pub from: Option<Timestamp>,
    /// To here.
    pub until: Option<Timestamp>,
    /// Each week, in UTC.
    pub weekly: Option<Weekly>,
}

impl Freeze {
    /// Until when it holds, where it holds now.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        if let Some(weekly) = self.weekly {
            let window = self.from.is_none_or(|from| now >= from) && self.until.is_none_or(|until| now < until);
            return weekly.until(now).filter(|_| window);
        }
        let end = self.until?;
        (self.from.is_none_or(|from| now >= from) && now < end).then_some(end)
    }
}

/// Whose word on the time counts for delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeSource {
    /// The server that signs the log.
    Log,
    /// A witness that cosigned the log.
    Witness,
    /// A time-stamping authority (RFC 3161).
    TimestampAuthority,
    /// The clock of the machine that judges.
    Clock,
}

impl TimeSource {
    const ALL: &'static [(Self, &'static str)] = &[
        (Self::Log, "log"),
        (Self::Witness, "witness"),
        (Self::TimestampAuthority, "rfc3161"),
        (Self::Clock, "clock"),
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(source, _)| *source == self).map_or("", |(_, name)| name)
    }
}

/// How the gate decides.
#[derive(Debug, Clone)]
pub struct GateRules {
    /// Functionaries whose verdicts count for critical steps.
    pub functionaries: Vec<String>,
    /// What the forge says of an author counts beyond `outsider`.
    pub trust_forge: bool,
    /// Reviews on the forge count as approvals of the persons whose accounts gave them.
    pub count_reviews: bool,
    /// Whose word on the time counts for delays.
    pub time: BTreeSet<TimeSource>,
    /// Roots of the time-stamping authorities (RFC 3161) whose tokens count.
    pub timestamp_roots: Vec<Certificate>,
    /// How long a verdict for a critical step counts, in hours.
    pub verdict_hours: u64,
    /// From this many bytes on a changed file is large.
    pub large_bytes: u64,
    /// The way around, where there is one.
    pub break_glass: Option<BreakGlass>,
}

impl Default for GateRules {
    fn default() -> Self {
        Self {
            functionaries: Vec::new(),
            trust_forge: false,
            count_reviews: false,
            time: BTreeSet::from([TimeSource::Log, TimeSource::Witness, TimeSource::TimestampAuthority]),
            timestamp_roots: Vec::new(),
            verdict_hours: 24,
            large_bytes: 1_000_000,
            break_glass: None,
        }
    }
}

/// The way around the rules in an emergency. Using it is always a statement.
#[derive(Debug, Clone)]
pub struct BreakGlass {
    /// How many distinct persons have to sign; at least two.
    pub persons: usize,
    /// Whose signature counts.
    pub by: Vec<Who>,
    /// How long one use lasts at most, in hours.
    pub max_hours: u64,
}

/// Whose signatures the policy itself needs (TUF 1.0.34, "root"): the next one needs this many of these keys, and this many
/// of its own.
#[derive(Debug, Clone)]
pub struct RootKeys {
    /// The keys.
    pub keys: Vec<PublicKey>,
    /// How many distinct ones.
    pub threshold: usize,
}

impl RootKeys {
    /// Whether enough of the keys are among the signers.
    pub fn satisfied(&self, signers: &BTreeSet<KeyId>) -> bool {
        let keys: BTreeSet<KeyId> = self.keys.iter().map(PublicKey::id).collect();
        keys.intersection(signers).count() >= self.threshold.max(1)
    }
}

/// A part of the repository that others rule, in a document of their own.
#[derive(Debug, Clone)]
pub struct Delegation {
    /// Its name; the document is `delegated/<name>.toml` beside the policy.
    pub name: String,
    /// The refs that it may speak of.
    pub refs: Globs,
    /// The paths that it may speak of.
    pub paths: Globs,
    /// Keys that sign it.
    pub keys: Vec<PublicKey>,
    /// How many distinct ones.
    pub threshold: usize,
}

impl Access {
    /// The person of a name.
    pub fn person(&self, name: &str) -> Option<&Person> {
        self.persons.iter().find(|person| person.name == name)
    }

    /// The person whom a mail address is of.
    pub fn by_email(&self, email: &str) -> Option<&Person> {
        let email = email.to_lowercase();
        self.persons.iter().find(|person| person.emails.contains(&email))
    }

    /// The person whom an account is of, as `github:ada`; accounts do not tell case.
    pub fn by_account(&self, account: &str) -> Option<&Person> {
        self.persons.iter().find(|person| person.accounts.iter().any(|a| a.eq_ignore_ascii_case(account)))
    }

    /// The person whom an SSH key is of.
    pub fn by_ssh_key(&self, key: &SshPublicKey) -> Option<&Person> {
        self.persons.iter().find(|person| person.keys.iter().any(|k| matches!(k, PersonKey::Ssh(own) if own == key)))
    }

    /// The OpenPGP keys that a signature may be by, as it says itself, with whose they are.
    pub fn by_openpgp(&self, signature: &OpenPgpSignature) -> Vec<(&Person, &OpenPgpKey)> {
        let keys = self.persons.iter().flat_map(|person| person.keys.iter().map(move |key| (person, key)));
        keys.filter_map(|(person, key)| match key {
            PersonKey::OpenPgp(key) if signature.names(key) => Some((person, key)),
            _ => None,
        })
        .collect()
    }

    /// Whether someone may do something to a ref. `None` is someone whom the server does not know.
    pub fn permits(&self, who: Option<&Person>, operation: Operation, reference: &str) -> bool {
        self.access.iter().any(|rule| {
            rule.may.contains(&operation)
                && rule.refs.matches(reference)
                && rule.who.iter().any(|entry| match (who, entry) {
                    (_, Who::Public) => true,
                    (Some(person), entry) => person.is(entry),
                    (None, _) => false,
                })
        })
    }

    /// Whether there is any ref at all to which someone may do something. `None` is someone whom the server does not know.
    pub fn permits_somewhere(&self, who: Option<&Person>, operations: &[Operation]) -> bool {
        self.access.iter().any(|rule| {
            operations.iter().any(|operation| rule.may.contains(operation))
                && rule.who.iter().any(|entry| *entry == Who::Public || who.is_some_and(|person| person.is(entry)))
        })
    }

    /// The rules that speak of a ref.
    pub fn rules_for<'a>(&'a self, reference: &'a str) -> impl Iterator<Item = &'a ProtectRule> {
        self.protect.iter().filter(move |rule| rule.steps.is_empty() && rule.refs.matches(reference))
    }

    /// The rules that gate a critical step.
    pub fn rules_for_step<'a>(&'a self, step: &'a str) -> impl Iterator<Item = &'a ProtectRule> {
        self.protect.iter().filter(move |rule| rule.steps.iter().any(|own| own == step))
    }

    /// Whether a step is critical.
    pub fn gates_step(&self, step: &str) -> bool {
        self.rules_for_step(step).next().is_some() || self.freezes.iter().any(|f| f.steps.iter().any(|own| own == step))
    }

    /// Takes the rules of delegated documents in; each speaks of its own refs and paths only.
    pub fn with_delegated(mut self, documents: BTreeMap<String, Vec<ProtectRule>>) -> Self {
        for (name, rules) in documents {
            let Some(delegation) = self.delegations.iter().find(|d| d.name == name) else { continue };
            for mut rule in rules {
                rule.name = format!("{name}/{}", rule.name);
                rule.delegated = true;
                rule.refs = rule.refs.within(&delegation.refs);
                rule.paths = rule.paths.within(&delegation.paths);
                self.protect.push(rule);
            }
        }
        self
    }
}
