//! One layer on its way: bytes of the blob, unpacked, as a tar file, with all digests.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};

use provost_formats::archive::{self, Kind as Container};
use provost_formats::layer::{Layer as Tar, Stream};
use provost_formats::oci::media;
use provost_model::Digest;

use crate::archive::Reader;
use crate::error::Error;
use crate::image::{Image, Layer};
use crate::meter::{Meter, Shared, drain, fill};

/// Bytes that are asked for at once.
const BUFFER: usize = 128 << 10;

/// A layer that is being read.
pub(crate) struct LayerStream {
    pub(crate) tar: Tar<Stream<BufReader<Meter<Reader>>>>,
    raw: Raw,
    packed: Shared,
    pub(crate) unpacked: Shared,
    length: Option<u64>,
    /// What the blob is compressed with.
    compression: Option<Container>,
    what: String,
}

/// How reading a layer ended.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// Bytes of the blob.
    pub(crate) packed: u64,
    /// Bytes unpacked.
    pub(crate) unpacked: u64,
    /// Digest of the blob, computed.
    pub(crate) digest: Option<Digest>,
    /// Digest of the uncompressed tar file, computed.
    pub(crate) diff_id: Option<Digest>,
    /// Why it could not be unpacked to its end.
    pub(crate) broken: Option<String>,
}

impl LayerStream {
    /// Begins to read a layer: at most so many bytes come out of it.
    pub(crate) fn open(image: &Image, number: usize, layer: &Layer, room: u64) -> Result<Self, Error> {
        let what = format!("layer {}", number + 1);
        let (mut reader, length) = image.bytes_of(layer)?;
        if let (Some(actual), Some(expected)) = (length, layer.size)
            && actual != expected
        {
            return Err(Error::Size { what, expected, actual });
        }
        let mut head = vec![0; archive::SNIFF];
        let n = fill(&mut reader, &mut head).map_err(Error::read(&what))?;
        head.truncate(n);
        let compression = archive::sniff(&head).filter(|kind| kind.is_single());
        // Without compression both digests are the same one.
        let packed = Shared::new(layer.digest.is_some() && compression.is_some(), layer.size.unwrap_or(u64::MAX));
        let limits = &image.limits;
        let unpacked = Shared::new(true, room).held_against(&packed, limits.ratio, limits.ratio_from);
        let whole: Reader = Box::new(Cursor::new(head).chain(reader));
        let raw = Raw(Arc::new(Mutex::new(RawState { reader: Meter::new(whole, &packed), failed: None })));
        let source: Reader = Box::new(BufReader::with_capacity(BUFFER, raw.clone()));
        let stream = match compression {
            Some(kind) => archive::unpacked(kind, source).unwrap_or_else(|error| Box::new(Unsound(error.to_string()))),
            None => source,
        };
        let buffered = BufReader::with_capacity(BUFFER, Meter::new(stream, &unpacked));
        let tar = Tar::new(Stream(buffered), limits.headers.clone());
        Ok(Self { tar, raw, packed, unpacked, length, compression, what })
    }

    /// True when the blob is compressed otherwise than its media type says.
    pub(crate) fn is_mislabelled(&self, layer: &Layer) -> bool {
        let said = layer.media_type.as_deref().and_then(media::layer);
        said.is_some_and(|said| said.compression != self.compression.map_or("", Container::name))
    }

    /// Reads what is left, and holds all digests against what was announced.
    pub(crate) fn finish(self, layer: &Layer) -> Result<Ending, Error> {
        let Self { tar, raw, packed, unpacked, length, compression, what } = self;
        let mut stream = tar.into_inner().0;
        let mut broken = drain(&mut stream).err().map(|error| error.to_string());
        drop(stream);
        // What stands after the compressed data belongs to the blob, too.
        let _ = drain(&mut raw.clone());
        let failed = raw.0.lock().unwrap_or_else(PoisonError::into_inner).failed.take();
        if let Some(expected) = layer.size.or(length)
            && packed.bytes() != expected
            && (failed.is_none() || packed.stopped().is_some())
        {
            return Err(Error::Size { what, expected, actual: packed.bytes() });
        }
        if let Some(error) = failed {
            return Err(Error::Read { what, source: error });
        }
        broken = unpacked.stopped().or(broken);
        let whole = unpacked.digest();
        let digest = if compression.is_some() { packed.digest() } else { whole };
        if let (Some(expected), Some(actual)) = (layer.digest, digest)
            && expected != actual
        {
            return Err(Error::Mismatch { what, expected, actual });
        }
        let diff_id = whole.filter(|_| broken.is_none());
        if let (Some(expected), Some(actual)) = (layer.diff_id, diff_id)
            && expected != actual
        {
            return Err(Error::Mismatch { what: format!("the content of {what}"), expected, actual });
        }
        Ok(Ending { packed: packed.bytes(), unpacked: unpacked.bytes(), digest, diff_id, broken })
    }

    /// Ends without reading the rest: no digest is known.
    pub(crate) fn abandon(self, why: String) -> Ending {
        Ending {
            packed: self.packed.bytes(),
            unpacked: self.unpacked.bytes(),
            digest: None,
            diff_id: None,
            broken: Some(why),
        }
    }
}

/// What cannot be unpacked from its first byte: told when it is read, as of what breaks later.
struct Unsound(String);

impl Read for Unsound {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::InvalidData, self.0.clone()))
    }
}

/// The bytes of a blob, readable by the one who unpacks them and by the one who reads what is left.
#[derive(Clone)]
struct Raw(Arc<Mutex<RawState>>);

struct RawState {
    reader: Meter<Reader>,
    failed: Option<io::Error>,
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.reader.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let told = io::Error::new(error.kind(), error.to_string());
                state.failed.get_or_insert(error);
                Err(told)
            }
            result => result,
        }
    }
}
