//! What the gate writes into the log: each accepted change of a ref, and when something was first there.

use provost_attest::{ResourceDescriptor, Statement};
use provost_model::{Digest, Timestamp, sha256};
use serde::{Deserialize, Serialize};

use crate::{Binding, GateError, predicate_of};

/// The predicate type of an entry of the reference log.
pub const REFERENCE_UPDATE: &str = "urn:provost:predicate:reference-update:v0.1";
/// The predicate type of receipts.
pub const RECEIPT: &str = "urn:provost:predicate:receipt:v0.1";

/// One ref of a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefChange {
    /// The ref, in full.
    pub reference: String,
    /// What it held; `None` for a new one.
    pub from: Option<String>,
    /// What it holds; `None` for one that is gone.
    pub to: Option<String>,
    /// The tree that it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// Names of the rules that spoke of it, all satisfied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Envelopes of the approvals that counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Digest>,
    /// An approval of an earlier state counted, by a condition of the policy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept_approvals: bool,
    /// The glass was broken for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broken_glass: bool,
    /// Commits that were new with it, newest first: the first thousand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<String>,
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateState {
    /// Allowed by the policy; git was told to go on.
    Accepted,
    /// git did not go on after all: the refs are what they were.
    Aborted,
    /// Found as it is, without a push: the first entry of a repository, or after a repair by hand.
    Adopted,
}

/// The predicate of an entry of the reference log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferenceUpdate {
    /// Name of the repository.
    pub repository: String,
    /// What became of it.
    pub state: UpdateState,
    /// A random id, the same in an entry and in the one that ends it.
    pub push: String,
    /// The refs.
    pub changes: Vec<RefChange>,
    /// Who pushed, by the policy; `None` where nobody did.
    pub pusher: Option<String>,
    /// How the server knew.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub authenticated_by: String,
    /// By the server's clock.
    pub time: Timestamp,
    /// SHA-256 of the policy's bytes.
    pub policy: Digest,
    /// Its serial.
    pub policy_serial: u64,
    /// What was said of it: a reason, push options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl ReferenceUpdate {
    /// The statement: its subjects are the commits and tags that refs hold now.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn statement(&self) -> Result<Statement, GateError> {
        let mut subjects: Vec<ResourceDescriptor> = Vec::new();
        for change in &self.changes {
            // A deleted ref has no content: the entry itself stands for it.
            let text = format!("{}\n{:?}\n{:?}\n{}", change.reference, change.from, change.to, self.push);
            let mut subject = ResourceDescriptor::named(change.reference.clone(), sha256(text.as_bytes()));
            if let Some(to) = &change.to {
                subject.digest.insert("gitCommit".into(), to.clone());
            }
            if let Some(tree) = &change.tree {
                subject.digest.insert("gitTree".into(), tree.clone());
            }
            subjects.push(subject);
        }
        Statement::new(subjects, REFERENCE_UPDATE, self).map_err(|e| GateError::malformed("the entry", e))
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(statement: &Statement) -> Result<Self, GateError> {
        predicate_of(statement, REFERENCE_UPDATE, "the entry")
    }
}

/// What a receipt is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "kind")]
pub enum ReceiptKind {
    /// Something was proposed.
    Proposal {
        /// What.
        of: Binding,
    },
    /// A signed statement came in: an approval, or a scan.
    Envelope {
        /// Its envelope, as JSON text.
        envelope: String,
    },
    /// Reviews that a forge told of: its word, and nobody's signature.
    Review {
        /// The account, as `github:ada`.
        account: String,
        /// What it is of.
        of: Binding,
        /// The forge's word for the decision.
        state: String,
    },
    /// A critical step is about to run by a verdict: it lets none run again.
    Use {
        /// The verdict's id.
        verdict: String,
        /// What it is of.
        of: Binding,
        /// The run.
        invocation: String,
    },
}

/// The predicate of a receipt: when something was first there, by the word of whoever signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// For what.
    pub of: ReceiptKind,
    /// When.
    pub received_on: Timestamp,
    /// Who brought it, where the server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl Receipt {
    /// The statement.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn statement(&self) -> Result<Statement, GateError> {
        let subject = match &self.of {
            ReceiptKind::Proposal { of } | ReceiptKind::Review { of, .. } | ReceiptKind::Use { of, .. } => {
                crate::approval::subject_of(of)
            }
            ReceiptKind::Envelope { envelope } => ResourceDescriptor::named("envelope", sha256(envelope.as_bytes())),
        };
        Statement::new(vec![subject], RECEIPT, self).map_err(|e| GateError::malformed("the receipt", e))
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(statement: &Statement) -> Result<Self, GateError> {
        predicate_of(statement, RECEIPT, "the receipt")
    }
}
