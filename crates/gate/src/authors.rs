//! Who made a change, as far as it is known: what a commit says of itself is a claim, a signature by a key of the policy is
//! not, and neither is whom the server let in.

use std::collections::{BTreeMap, BTreeSet};

use provost_keys::SubjectName;
use provost_keys::cms::CmsSignature;
use provost_keys::openpgp::{OpenPgpKey, OpenPgpSignature};
use provost_keys::ssh::SshSignature;
use provost_model::Timestamp;
use provost_policy::{Access, AuthorClass, Person};
use provost_repo::{CommitFacts, Identity, ObjectHash, SignatureKind, SignedObject, View, signature};

use crate::GateError;
use crate::approval::GIT_NAMESPACE;
use crate::push::History;

/// What a commit's or tag's signature is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitSignature {
    /// There is none.
    None,
    /// By a key of a person of the policy. Whether the key counts depends on when it was pushed.
    Good {
        /// The person's name.
        person: String,
        /// The key's fingerprint.
        key: String,
    },
    /// It may be a good one, of a key that the policy does not name.
    Unknown {
        /// The key's fingerprint.
        key: String,
    },
    /// It does not verify, or cannot be read.
    Bad {
        /// Why.
        why: String,
    },
    /// Of a kind that is not verified here.
    Unsupported {
        /// The kind.
        kind: &'static str,
    },
}

impl CommitSignature {
    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::None => "not signed".into(),
            Self::Good { person, key } => format!("signed by {person} ({key})"),
            Self::Unknown { key } => format!("signed by {key}, whom the policy does not name"),
            Self::Bad { why } => format!("its signature is bad: {why}"),
            Self::Unsupported { kind } => format!("its signature is of a kind that is not verified here ({kind})"),
        }
    }

    /// The person, where the key is a person's.
    pub fn person(&self) -> Option<&str> {
        if let Self::Good { person, .. } = self { Some(person) } else { None }
    }
}

/// A commit with what its signature is worth.
#[derive(Debug, Clone)]
pub struct CommitRecord {
    /// The commit: its subject for a message, and without its bytes.
    pub commit: CommitFacts,
    /// Its signature.
    pub signature: CommitSignature,
}

/// Reads commits and verifies their signatures, certificates as of a time.
///
/// # Errors
/// A commit is missing or malformed.
pub fn records(view: &View, access: &Access, ids: &[String], at: Timestamp) -> Result<Vec<CommitRecord>, GateError> {
    view.map(ids, |view, id| {
        let mut commit = view.commit(id)?;
        let signature = judge(access, signature::of_commit(&commit.bytes, hash_of(view)), at);
        // What was signed has been verified; many commits with long messages would fill the memory.
        commit.bytes = Vec::new();
        commit.message = commit.subject().chars().take(256).collect();
        commit.message.shrink_to_fit();
        Ok(CommitRecord { commit, signature })
    })
}

fn hash_of(view: &View) -> ObjectHash {
    if view.is_sha256() { ObjectHash::Sha256 } else { ObjectHash::Sha1 }
}

/// What the signature of a tag is worth.
pub(crate) fn tag_signature(view: &View, access: &Access, bytes: &[u8], at: Timestamp) -> CommitSignature {
    judge(access, signature::of_tag(bytes, hash_of(view)), at)
}

fn judge(
    access: &Access,
    signed: Result<Option<SignedObject>, provost_repo::RepoError>,
    at: Timestamp,
) -> CommitSignature {
    let bad = |why: String| CommitSignature::Bad { why };
    let signed = match signed {
        Ok(Some(signed)) => signed,
        Ok(None) => return CommitSignature::None,
        Err(why) => return bad(why.to_string()),
    };
    let named = |person: Option<&Person>, key: String| match person {
        Some(person) => CommitSignature::Good { person: person.name.clone(), key },
        None => CommitSignature::Unknown { key },
    };
    match signed.kind {
        SignatureKind::Ssh => {
            let signature = match SshSignature::parse(&signed.signature) {
                Ok(signature) => signature,
                Err(error) => return bad(error.to_string()),
            };
            let key = signature.public_key();
            match signature.verify(key, GIT_NAMESPACE, &signed.payload) {
                Ok(()) => named(access.by_ssh_key(key), key.fingerprint()),
                Err(error) => bad(error.to_string()),
            }
        }
        SignatureKind::X509 => {
            let roots = access.repository.as_ref().map_or(&[][..], |repository| &repository.x509_roots);
            if roots.is_empty() {
                return CommitSignature::Unsupported { kind: "X.509, and the policy names no roots" };
            }
            let verified =
                CmsSignature::parse(&signed.signature).and_then(|s| s.verify(&signed.payload, &[], roots, at));
            match verified {
                Ok(signer) => {
                    let emails = signer.identity.names.iter().filter_map(|name| match name {
                        SubjectName::Email(email) => Some(email.as_str()),
                        _ => None,
                    });
                    let emails: Vec<&str> = emails.collect();
                    let person = emails.iter().find_map(|email| access.by_email(email));
                    named(person, format!("certificate of {}", emails.join(", ")))
                }
                Err(error) => bad(error.to_string()),
            }
        }
        SignatureKind::OpenPgp if !OpenPgpKey::AVAILABLE => {
            CommitSignature::Unsupported { kind: "OpenPGP, which is not built in" }
        }
        SignatureKind::OpenPgp => {
            let signature = match OpenPgpSignature::parse(signed.signature.as_bytes()) {
                Ok(signature) => signature,
                Err(error) => return bad(error.to_string()),
            };
            let mut why = None;
            for (person, key) in access.by_openpgp(&signature) {
                match signature.verify(key, &signed.payload, at) {
                    Ok(()) => return named(Some(person), key.fingerprint().to_owned()),
                    Err(error) => why = Some(error.to_string()),
                }
            }
            why.map_or_else(|| named(None, signature.issuer()), bad)
        }
    }
}

/// How a contributor came to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// Author of a commit.
    Author,
    /// Committer of a commit.
    Committer,
    /// Named as co-author.
    CoAuthor,
    /// Signer of a commit.
    Signer,
    /// Pushed it to the server.
    Pusher,
    /// Acted on the forge: opened it, or caused the event.
    Actor,
}

impl Via {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Committer => "committer",
            Self::CoAuthor => "co-author",
            Self::Signer => "signer",
            Self::Pusher => "pusher",
            Self::Actor => "event's actor",
        }
    }
}

/// Someone who had a hand in a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contributor {
    /// As they are called: a person's name, a mail address, an account.
    pub name: String,
    /// How.
    pub via: Via,
    /// The class that counts.
    pub class: AuthorClass,
    /// Whether it was proved who it is, by signature or by the server.
    pub proved: bool,
}

/// Everyone who had a hand in it.
#[derive(Debug, Clone, Default)]
pub struct Contributors {
    /// Each, once.
    pub list: BTreeSet<Contributor>,
    /// Persons whose own approval does not count, with how they are part of it. A claim is enough for that.
    pub excluded: BTreeMap<String, Via>,
}

impl Contributors {
    /// The classes that occur.
    pub fn classes(&self) -> BTreeSet<AuthorClass> {
        self.list.iter().map(|c| c.class).collect()
    }

    /// Adds someone whom the forge names.
    pub fn add_account(&mut self, access: &Access, account: &str, class: AuthorClass) {
        let person = access.by_account(account);
        if let Some(person) = person {
            self.excluded.entry(person.name.clone()).or_insert(Via::Actor);
        }
        // The forge's word makes nobody a member: whom the policy names under that account is one, if its word counts.
        let class = match person {
            Some(person) if access.gate.trust_forge => class_of(person),
            _ if access.gate.trust_forge && class == AuthorClass::Bot => class,
            _ if access.gate.trust_forge => class.min(AuthorClass::Contributor),
            _ => AuthorClass::Outsider,
        };
        let name = person.map_or_else(|| account.to_owned(), |person| person.name.clone());
        self.add(Contributor { name, via: Via::Actor, class, proved: false });
    }

    /// Adds those who pushed commits of the change to the server before, by its log: whoever put a change there does not approve
    /// it, under whatever name it was written.
    ///
    /// # Errors
    /// Its log cannot be asked.
    pub fn add_pushers(
        &mut self,
        access: &Access,
        commits: &[CommitRecord],
        history: &dyn History,
    ) -> Result<(), GateError> {
        for record in commits {
            for name in history.pushers_of(&record.commit.id)? {
                let Some(person) = access.person(&name) else { continue };
                self.excluded.entry(name.clone()).or_insert(Via::Pusher);
                self.add(Contributor { name, via: Via::Pusher, class: class_of(person), proved: true });
            }
        }
        Ok(())
    }

    fn add(&mut self, contributor: Contributor) {
        self.list.insert(contributor);
    }
}

/// The class of a person of the policy.
pub(crate) fn class_of(person: &Person) -> AuthorClass {
    if person.bot {
        AuthorClass::Bot
    } else if person.roles.contains("maintainer") {
        AuthorClass::Maintainer
    } else {
        AuthorClass::Member
    }
}

/// Everyone who had a hand in some commits. `pusher` is whom the server let in; `at` is when.
pub fn contributors(access: &Access, commits: &[CommitRecord], pusher: Option<&Person>, at: Timestamp) -> Contributors {
    let mut found = Contributors::default();
    if let Some(person) = pusher {
        found.excluded.insert(person.name.clone(), Via::Pusher);
        found.add(Contributor { name: person.name.clone(), via: Via::Pusher, class: class_of(person), proved: true });
    }
    for record in commits {
        let signer = record.signature.person().and_then(|name| access.person(name));
        let valid = signer.filter(|person| person.valid_at(at));
        if let Some(person) = signer {
            found.excluded.entry(person.name.clone()).or_insert(Via::Signer);
        }
        let commit = &record.commit;
        let claims = [(&commit.author, Via::Author), (&commit.committer, Via::Committer)];
        for (identity, via) in claims.into_iter().chain(commit.co_authors.iter().map(|c| (c, Via::CoAuthor))) {
            let claimed = access.by_email(&identity.email);
            if let Some(person) = claimed {
                found.excluded.entry(person.name.clone()).or_insert(via);
            }
            // A mail address proves nothing; the signature of that person, or the server's word, does.
            let proved = claimed.filter(|person| {
                valid.is_some_and(|signer| signer.name == person.name)
                    || pusher.is_some_and(|pusher| pusher.name == person.name)
            });
            let class = proved.map_or(AuthorClass::Outsider, class_of);
            found.add(Contributor { name: name_of(identity, proved), via, class, proved: proved.is_some() });
        }
    }
    found
}

fn name_of(identity: &Identity, person: Option<&Person>) -> String {
    person.map_or_else(|| format!("{} <{}>", identity.name, identity.email), |person| person.name.clone())
}
