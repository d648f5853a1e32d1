//! Bytes counted, hashed and limited on their way.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard};

use provost_model::{Digest, Hasher, human_bytes};

/// What went through.
pub(crate) struct Flow {
    /// Bytes so far.
    pub(crate) bytes: u64,
    hasher: Option<Hasher>,
    limit: u64,
    /// Why nothing more is let through.
    pub(crate) stopped: Option<String>,
    ratio: Option<(Shared, u64, u64)>,
}

/// A flow that its owner looks at while a reader fills it.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Flow>>);

impl Shared {
    pub(crate) fn new(hashed: bool, limit: u64) -> Self {
        let hasher = hashed.then(Hasher::new);
        Self(Arc::new(Mutex::new(Flow { bytes: 0, hasher, limit, stopped: None, ratio: None })))
    }

    /// Not more than `ratio` times what goes through `packed`, beyond so many bytes.
    pub(crate) fn held_against(self, packed: &Self, ratio: u64, from: u64) -> Self {
        self.flow().ratio = Some((packed.clone(), ratio, from));
        self
    }

    pub(crate) fn flow(&self) -> MutexGuard<'_, Flow> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.flow().bytes
    }

    pub(crate) fn stopped(&self) -> Option<String> {
        self.flow().stopped.clone()
    }

    /// The digest of all that went through. Once only.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.flow().hasher.take().map(Hasher::finish)
    }

    fn pass(&self, bytes: &[u8]) -> io::Result<()> {
        let mut flow = self.flow();
        flow.bytes = flow.bytes.saturating_add(bytes.len() as u64);
        if let Some(hasher) = &mut flow.hasher {
            hasher.update(bytes);
        }
        if flow.bytes > flow.limit {
            flow.stopped = Some(format!("more than {} came out of it", human_bytes(flow.limit)));
        } else if let Some((packed, ratio, from)) = &flow.ratio
            && flow.bytes > *from
            && flow.bytes / ratio > packed.bytes().max(1)
        {
            flow.stopped = Some(format!("it unpacks to more than {ratio} times its size"));
        }
        match &flow.stopped {
            Some(why) => Err(io::Error::other(why.clone())),
            None => Ok(()),
        }
    }
}

/// Reads through a flow.
pub(crate) struct Meter<R> {
    inner: R,
    flow: Shared,
}

impl<R> Meter<R> {
    pub(crate) fn new(inner: R, flow: &Shared) -> Self {
        Self { inner, flow: flow.clone() }
    }
}

impl<R: Read> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(why) = self.flow.stopped() {
            return Err(io::Error::other(why));
        }
        let n = self.inner.read(buffer)?;
        self.flow.pass(&buffer[..n])?;
        Ok(n)
    }
}

/// Reads to the end and throws it away.
pub(crate) fn drain(reader: &mut dyn Read) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Fills a buffer as far as there are bytes.
pub(crate) fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
