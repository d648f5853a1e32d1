//! What the gate puts into the log of the store: receipts, verdicts, the use of a verdict.

use anyhow::{Context as _, Result, bail};
use provost_attest::Statement;
use provost_evidence::{NewRecord, Store};
use provost_gate::{GateVerdict, Receipt};
use provost_keys::Signer;
use provost_policy::Policy;

use super::case::Case;
use super::ledger;
use crate::commands::Context;
use crate::home::Home;
use crate::judge;
use crate::signing::{self, Role};

/// The store with the keys that write into it.
pub(crate) struct Recorder {
    pub(crate) store: Store,
    signer: Box<dyn Signer + Send>,
    log_key: Box<dyn Signer + Send>,
}

/// The store of the case's project, to read; `None` where there is none.
///
/// # Errors
/// There is one, and it cannot be used.
pub(crate) fn store(context: &Context, case: &Case) -> Result<Option<Store>> {
    match &case.project {
        Some(project) => judge::store_if_there(&context.home, &project.store(&context.home)),
        None => Ok(None),
    }
}

impl Recorder {
    /// The store and keys of the case's project; `None` where there is no store.
    ///
    /// # Errors
    /// There is one, and it or the keys cannot be used.
    pub(crate) fn open(context: &Context, case: &Case) -> Result<Option<Self>> {
        if let Some(why) = &case.not_accepted {
            bail!("{why}");
        }
        let Some(project) = &case.project else { return Ok(None) };
        let Some(store) = store(context, case)? else { return Ok(None) };
        let signer = signing::load(Role::Builder, &context.home, project)?;
        let log_key = signing::load(Role::Log, &context.home, project)?;
        Ok(Some(Self { store, signer, log_key }))
    }

    /// Whether the policy takes this signer's word for times: as a server of the repository, or for verdicts.
    pub(crate) fn is_trusted(&self, policy: &Policy) -> bool {
        ledger::takes(policy, &ledger::gate_names(policy), self.signer.public_key(), crate::clock::now())
    }

    /// Whether the policy takes verdicts from this signer.
    pub(crate) fn gives_verdicts(&self, policy: &Policy) -> bool {
        ledger::takes(policy, &policy.access.gate.functionaries, self.signer.public_key(), crate::clock::now())
    }

    /// The signer's name for people.
    pub(crate) fn signer(&self) -> String {
        format!("{}…", self.signer.public_key().id().digest().short())
    }

    /// Logs receipts.
    ///
    /// # Errors
    /// They cannot be written.
    pub(crate) fn receipts(&self, home: &Home, receipts: &[Receipt]) -> Result<Vec<u64>> {
        let statements = receipts.iter().map(Receipt::statement).collect::<Result<Vec<_>, _>>()?;
        self.append(home, &statements)
    }

    /// Logs a verdict.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn verdict(&self, home: &Home, verdict: &GateVerdict) -> Result<u64> {
        let entries = self.append(home, &[verdict.statement()?])?;
        entries.first().copied().context("the log gave the verdict no place")
    }

    fn append(&self, home: &Home, statements: &[Statement]) -> Result<Vec<u64>> {
        append(home, &self.store, statements, self.signer.as_ref(), self.log_key.as_ref())
    }
}

/// Signs statements and logs them.
///
/// # Errors
/// They cannot be written.
pub(crate) fn append(
    home: &Home,
    store: &Store,
    statements: &[Statement],
    signer: &dyn Signer,
    log_key: &dyn Signer,
) -> Result<Vec<u64>> {
    if statements.is_empty() {
        return Ok(Vec::new());
    }
    let sign = |statement: &Statement| -> Result<NewRecord> {
        Ok(NewRecord { envelope: statement.sign(signer)?, key: signer.public_key().clone() })
    };
    let records = statements.iter().map(sign).collect::<Result<Vec<_>>>()?;
    let receipts = store.append(&records, log_key).context("the gate's record could not be kept")?;
    judge::remember_store(home, store)?;
    Ok(receipts.iter().map(|receipt| receipt.index).collect())
}
