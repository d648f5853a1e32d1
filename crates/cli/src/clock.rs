//! The clock: the one place where it is read.

use std::time::{SystemTime, UNIX_EPOCH};

use provost_model::Timestamp;

/// Now.
pub fn now() -> Timestamp {
    let milliseconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    Timestamp::from_milliseconds(milliseconds)
}

/// A random id of some bytes, in hexadecimal digits.
///
/// # Errors
/// The system has no randomness to give.
pub fn random_id(bytes: usize) -> anyhow::Result<String> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).map_err(|e| anyhow::anyhow!("the operating system gave no randomness: {e}"))?;
    Ok(hex::encode(buffer))
}
