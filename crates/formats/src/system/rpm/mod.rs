//! rpm's databases.
use super::{LockError, Place};
use provost_model::Inventory;
pub(super) fn read(_places: &[Place<'_>]) -> Result<Inventory, LockError> {
    Err(LockError::new("not read"))
}
pub(super) fn manifest(_places: &[Place<'_>]) -> Inventory {
    Inventory::new("x", provost_model::Completeness::List)
}
