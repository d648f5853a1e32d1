//! Zstandard (RFC 8878): frames one after another, skippable ones among them.

use std::io::{BufRead, BufReader, Error, Read, Result};

use ruzstd::decoding::FrameDecoder;

use super::ArchiveError;

/// Reads frame after frame as one stream.
pub(super) struct Frames<R> {
    source: BufReader<R>,
    decoder: FrameDecoder,
    /// A frame is being read.
    open: bool,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(source: R) -> std::result::Result<Self, ArchiveError> {
        let mut frames = Self { source: BufReader::new(source), decoder: FrameDecoder::new(), open: false };
        let broken = |why: Error| ArchiveError::Broken { kind: "zstd", why: why.to_string() };
        frames.open = frames.next().map_err(broken)?;
        Ok(frames)
    }

    /// Begins the next frame; false at the end.
    fn next(&mut self) -> Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(ruzstd::decoding::errors::FrameDecoderError::ReadFrameHeaderError(
                    ruzstd::decoding::errors::ReadFrameHeaderError::SkipFrame { length, .. },
                )) => {
                    std::io::copy(&mut (&mut self.source).take(u64::from(length)), &mut std::io::sink())?;
                }
                Err(error) => return Err(Error::other(error.to_string())),
            }
        }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        use ruzstd::decoding::BlockDecodingStrategy;
        while self.open && !buffer.is_empty() {
            if !self.decoder.is_finished() && self.decoder.can_collect() < buffer.len() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBytes(buffer.len()))
                    .map_err(|error| Error::other(error.to_string()))?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            if self.decoder.is_finished() {
                self.open = self.next()?;
            }
        }
        Ok(0)
    }
}
