//! The body of an answer: limited in bytes and in patience.

use std::io::{self, Read};
use std::time::{Duration, Instant};

/// A body that is being received. Reading more than its limit, or too slowly, is an error.
pub struct Body {
    reader: Box<dyn Read + Send>,
    left: u64,
    limit: u64,
    received: u64,
    waited: Duration,
    patience: Duration,
    least: u64,
}

impl Body {
    pub(crate) fn new(reader: Box<dyn Read + Send>, limit: u64, patience: Duration, least: u64) -> Self {
        Self { reader, left: limit, limit, received: 0, waited: Duration::ZERO, patience, least }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // One byte more than allowed is asked for, to tell a whole answer from a cut one.
        let room = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX);
        let room = buffer.len().min(room);
        let begin = Instant::now();
        let n = self.reader.read(&mut buffer[..room])?;
        // Only waiting counts: whoever reads may be slow, too.
        self.waited += begin.elapsed();
        self.received = self.received.saturating_add(n as u64);
        if n as u64 > self.left {
            self.left = 0;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the answer has more than {} bytes", self.limit),
            ));
        }
        self.left -= n as u64;
        if self.waited > self.patience && n > 0 {
            let seconds = self.waited.as_secs().max(1);
            if self.received / seconds < self.least {
                let why = format!("the answer comes too slowly: {} bytes in {seconds} s", self.received);
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
        }
        Ok(n)
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("received", &self.received).field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Drip;
    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(Duration::from_millis(2));
            buffer[0] = 1;
            Ok(1)
        }
    }

    #[test]
    fn more_than_allowed_is_an_error_and_not_a_cut() {
        let body = |limit| Body::new(Box::new(&b"12345"[..]), limit, Duration::from_secs(60), 1);
        let mut out = Vec::new();
        assert_eq!(body(5).read_to_end(&mut out).ok(), Some(5));
        out.clear();
        assert!(body(4).read_to_end(&mut out).is_err());
    }

    #[test]
    fn dripping_is_an_error() {
        let mut body = Body::new(Box::new(Drip), u64::MAX, Duration::from_millis(20), 10_000);
        let error = io::copy(&mut body, &mut io::sink()).expect_err("too slow");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
