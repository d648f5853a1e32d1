//! A decision as a statement: what a critical step needs before it runs.

use provost_attest::Statement;
use provost_model::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Answer, Binding, Decision, GateError, predicate_of};

/// The predicate type of verdicts.
pub const GATE_VERDICT: &str = "urn:provost:predicate:gate-verdict:v0.1";

/// The predicate of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateVerdict {
    /// What it is of.
    pub of: Binding,
    /// What may happen.
    pub answer: Answer,
    /// When it goes on by itself, where it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it was decided.
    pub decided_on: Timestamp,
    /// On whose word.
    pub time_source: String,
    /// After this it counts no more.
    pub expires: Timestamp,
    /// A random id: a verdict lets a step run once.
    pub id: String,
    /// The policy's name.
    pub policy_name: String,
    /// Its serial.
    pub policy_serial: u64,
    /// Envelopes of the approvals that counted.
    pub approvals: Vec<Digest>,
    /// Who broke the glass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_glass: Option<Vec<String>>,
    /// Every rule that spoke.
    pub rules: serde_json::Value,
}

impl GateVerdict {
    /// A decision as a verdict.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(
        of: Binding,
        policy: &provost_policy::Policy,
        decision: &Decision,
        now: (Timestamp, provost_policy::TimeSource),
        id: String,
    ) -> Result<Self, GateError> {
        let hours = i64::try_from(policy.access.gate.verdict_hours).unwrap_or(24).min(24 * 365);
        Ok(Self {
            of,
            answer: decision.answer,
            until: decision.until,
            decided_on: now.0,
            time_source: now.1.name().to_owned(),
            expires: now.0.plus_milliseconds(hours * 3_600_000),
            id,
            policy_name: policy.name.clone(),
            policy_serial: policy.serial,
            approvals: decision.approvals(),
            broken_glass: decision.broken_glass.clone(),
            rules: serde_json::to_value(&decision.rules).map_err(|e| GateError::malformed("the verdict", e))?,
        })
    }

    /// The statement; its subject is what was decided on.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn statement(&self) -> Result<Statement, GateError> {
        let subject = crate::approval::subject_of(&self.of);
        Statement::new(vec![subject], GATE_VERDICT, self).map_err(|e| GateError::malformed("the verdict", e))
    }

    /// Reads a verdict.
    ///
    /// # Errors
    /// It is none, or its subject is not what it says.
    pub fn parse(statement: &Statement) -> Result<Self, GateError> {
        let wrong = |why: String| GateError::malformed("the verdict", why);
        let verdict: Self = predicate_of(statement, GATE_VERDICT, "the verdict")?;
        if statement.subject.len() != 1 || statement.subject[0].sha256() != Some(verdict.of.digest()) {
            return Err(wrong("its subject is not what its predicate says".into()));
        }
        Ok(verdict)
    }
}
