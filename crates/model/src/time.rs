//! Points in time, as RFC 3339 in UTC. No clock is read here: callers pass the time in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time with millisecond precision, between the years 0001 and 9998.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    milliseconds: i64,
}

/// Why a text is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an RFC 3339 time such as 2026-11-22T09:30:00Z")]
pub struct TimeError {
    /// The text as it was given, cut to 80 characters.
    pub text: String,
}

const EARLIEST: i64 = -62_135_596_800_000;
const LATEST: i64 = 253_370_764_799_000;

impl Timestamp {
    /// From milliseconds since 1970-01-01T00:00:00Z; values outside the supported years are clamped.
    pub fn from_milliseconds(milliseconds: i64) -> Self {
        Self { milliseconds: milliseconds.clamp(EARLIEST, LATEST) }
    }

    /// From seconds since 1970-01-01T00:00:00Z.
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_milliseconds(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn milliseconds(self) -> i64 {
        self.milliseconds
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> i64 {
        self.milliseconds.div_euclid(1000)
    }

    /// This time moved by some milliseconds.
    #[must_use]
    pub fn plus_milliseconds(self, milliseconds: i64) -> Self {
        Self::from_milliseconds(self.milliseconds.saturating_add(milliseconds))
    }

    /// This time moved by whole days.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Self {
        self.plus_milliseconds(days.saturating_mul(86_400_000))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.milliseconds) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => f.write_str("0001-01-01T00:00:00Z"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let wrong = || TimeError { text: text.chars().take(80).collect() };
        if text.len() > 64 {
            return Err(wrong());
        }
        let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
        Ok(Self::from_milliseconds(time.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_and_reads_utc() {
        let time = Timestamp::from_milliseconds(1_700_000_000_123);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!("2023-11-14T22:13:20.123Z".parse(), Ok(time));
        assert_eq!("2023-11-15T00:13:20.123+02:00".parse(), Ok(time));
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn extremes_do_not_panic() {
        for value in [i64::MIN, i64::MAX, EARLIEST, LATEST] {
            let time = Timestamp::from_milliseconds(value);
            assert_eq!(time.to_string().parse(), Ok(time));
            let _ = time.plus_days(i64::MAX).plus_days(i64::MIN);
        }
    }
}
