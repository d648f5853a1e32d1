//! Windows of the week, in UTC.

use provost_model::Timestamp;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTE: i64 = 60_000;
const WEEK: i64 = 7 * 24 * 60;

/// From a minute of the week to another; it may lead over Sunday night.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weekly {
    from: i64,
    until: i64,
}

impl Weekly {
    /// Reads `fri 16:00 - mon 06:00`.
    ///
    /// # Errors
    /// It is not written like that.
    pub fn parse(text: &str) -> Result<Self, String> {
        let minute = |part: &str| {
            let (day, time) = part.trim().split_once(' ')?;
            let day = DAYS.iter().position(|d| d.eq_ignore_ascii_case(day.trim()))? as i64;
            let (hour, minute) = time.trim().split_once(':')?;
            let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
            ((0..24).contains(&hour) && (0..60).contains(&minute)).then_some(day * 1440 + hour * 60 + minute)
        };
        let read = text.split_once('-').and_then(|(from, until)| Some((minute(from)?, minute(until)?)));
        match read {
            Some((from, until)) if from != until => Ok(Self { from, until }),
            _ => Err(format!("`{text}` is no part of the week: write it like `fri 16:00 - mon 06:00`, in UTC")),
        }
    }

    /// When it ends, where a time lies in it.
    pub fn until(self, now: Timestamp) -> Option<Timestamp> {
        // The first of January 1970 was a Thursday.
        let minutes = now.milliseconds().div_euclid(MINUTE) + 3 * 1440;
        let at = minutes.rem_euclid(WEEK);
        let inside = if self.from < self.until {
            (self.from..self.until).contains(&at)
        } else {
            at >= self.from || at < self.until
        };
        let left = (self.until - at).rem_euclid(WEEK);
        inside.then(|| Timestamp::from_milliseconds((minutes - 3 * 1440 + left) * MINUTE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    #[test]
    fn over_the_weekend() {
        let weekend = Weekly::parse("fri 16:00 - mon 06:00").expect("window");
        // 2026-11-27 is a Friday.
        assert_eq!(weekend.until(at("2026-11-27T15:59:59Z")), None);
        assert_eq!(weekend.until(at("2026-11-27T16:00:00Z")), Some(at("2026-11-30T06:00:00Z")));
        assert_eq!(weekend.until(at("2026-11-29T23:59:00Z")), Some(at("2026-11-30T06:00:00Z")));
        assert_eq!(weekend.until(at("2026-11-30T06:00:00Z")), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "fri", "fri 16:00", "fri 25:00 - mon 06:00", "fri 16:00 - fri 16:00", "xyz 1:00 - mon 2:00"] {
            assert!(Weekly::parse(bad).is_err(), "{bad}");
        }
    }
}
