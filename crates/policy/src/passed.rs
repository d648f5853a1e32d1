//! Signing as passed, only after the policy passed (SP 800-204D 5.1.3): a statement that says so can be signed only
//! with the proof in hand, and only over the digests that the proof is of.

use provost_attest::{Envelope, Statement};
use provost_keys::Signer;
use provost_model::{Digest, Outcome, Verdict};

use crate::PolicyError;

/// Proof that a policy passed for some digests. Only a verdict that is a pass gives one.
#[derive(Debug, Clone)]
pub struct Passed {
    subjects: Vec<Digest>,
}

impl Passed {
    /// Takes the proof from a verdict.
    ///
    /// # Errors
    /// The verdict is not a pass, or speaks of nothing.
    pub fn from_verdict(verdict: &Verdict) -> Result<Self, PolicyError> {
        // The outcome is recomputed from the rules: a verdict that was put together wrongly gives no proof.
        if verdict.outcome != Outcome::Passed || verdict.failures().next().is_some() {
            return Err(PolicyError::NotPassed("nothing is signed as passed: the policy did not pass".into()));
        }
        if verdict.subjects.is_empty() {
            return Err(PolicyError::NotPassed("nothing is signed as passed: the verdict names no artifact".into()));
        }
        Ok(Self { subjects: verdict.subjects.clone() })
    }

    /// Signs a statement whose every subject is one that passed.
    ///
    /// # Errors
    /// A subject is another digest, or the signer failed.
    pub fn sign(&self, statement: &Statement, signer: &dyn Signer) -> Result<Envelope, PolicyError> {
        for subject in &statement.subject {
            let digest = subject.sha256();
            if !digest.is_some_and(|digest| self.subjects.contains(&digest)) {
                return Err(PolicyError::NotPassed(format!(
                    "nothing is signed as passed: the policy passed for other artifacts than `{}`",
                    subject.name.as_deref().unwrap_or("(unnamed)")
                )));
            }
        }
        statement.sign(signer).map_err(|e| PolicyError::NotPassed(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_attest::{ResourceDescriptor, predicate};
    use provost_keys::{KeyAlgorithm, PrivateKey};
    use provost_model::{RuleResult, RuleState, Timestamp, sha256};

    fn verdict(outcome: Outcome, subjects: Vec<Digest>) -> Verdict {
        Verdict {
            outcome,
            subjects,
            policy: "p".into(),
            policy_digest: sha256(b"p"),
            judged_at: Timestamp::from_seconds(0),
            rules: Vec::new(),
        }
    }

    #[test]
    fn only_a_pass_for_the_same_digest_signs() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
        let statement = |digest| {
            Statement::new(vec![ResourceDescriptor::named("a", digest)], predicate::PROVENANCE, &()).expect("statement")
        };
        let passed = Passed::from_verdict(&verdict(Outcome::Passed, vec![sha256(b"a")])).expect("passed");
        assert!(passed.sign(&statement(sha256(b"a")), &key).is_ok());
        assert!(passed.sign(&statement(sha256(b"b")), &key).is_err(), "another digest");
        assert!(Passed::from_verdict(&verdict(Outcome::Failed, vec![sha256(b"a")])).is_err());
        assert!(Passed::from_verdict(&verdict(Outcome::Passed, Vec::new())).is_err());
        let mut forged = verdict(Outcome::Passed, vec![sha256(b"a")]);
        forged.rules.push(RuleResult {
            rule: "x".into(),
            step: None,
            state: RuleState::NoEvidence,
            enforced: true,
            reason: String::new(),
            hint: None,
            requirements: Vec::new(),
            statements: Vec::new(),
        });
        assert!(Passed::from_verdict(&forged).is_err(), "an outcome that its rules contradict");
    }
}
