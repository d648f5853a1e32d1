//! A layer of an image: a tar file, read as container runtimes read it.
//!
//! Runtimes are written in Go, so what a layer holds is what Go's `archive/tar` says it holds: ustar, pax (POSIX.1-2001),
//! GNU, STAR and V7 headers, GNU's and pax's sparse files. Readers that differ in one of these (pax sizes that do not
//! count, global headers that do) see other files than are run; see also CVE-2025-62518. Where Go refuses a header, so does
//! this reader. What stands after the end is read too, and marked: no runtime sees it, and everyone who has the layer does.

mod header;
mod pax;
mod sparse;

use std::io::{self, Read, Seek, SeekFrom};

use header::{BLOCK, Block};
pub use header::{Header, Kind};
use sparse::Sparse;

/// What a layer's headers may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one pax header, long name or sparse map; Go's reader has the same limit. 1 MiB.
    pub header: u64,
    /// Headers of any kind in a row that belong to no file. 16.
    pub headers: usize,
    /// Pieces of one sparse file. 65,536.
    pub pieces: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header: 1 << 20, headers: 16, pieces: 65_536 }
    }
}

/// Why a layer cannot be read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The bytes cannot be had.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// It ends within a header or a file.
    #[error("it ends within a file, at byte {at}")]
    Truncated {
        /// Bytes read.
        at: u64,
    },
    /// A header is not sound.
    #[error("the header at byte {at} is not sound: {why}")]
    Header {
        /// Where it begins.
        at: u64,
        /// Why.
        why: &'static str,
    },
    /// What stands after the end of the archive is not one, nor zeros.
    #[error("after the end of the archive, at byte {at}, stands something else")]
    Trailing {
        /// Where it begins.
        at: u64,
    },
}

/// Bytes one after another, some of which may be skipped.
pub trait Bytes: Read {
    /// Goes on by so many bytes. Returns how many it were: fewer at the end only.
    ///
    /// # Errors
    /// They cannot be read.
    fn skip(&mut self, bytes: u64) -> io::Result<u64>;
}

/// Bytes that have to be read to be skipped.
#[derive(Debug)]
pub struct Stream<R>(pub R);

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Bytes for Stream<R> {
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let mut buffer = [0; 16 << 10];
        let mut left = bytes;
        while left > 0 {
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match self.0.read(&mut buffer[..room]) {
                Ok(0) => break,
                Ok(n) => left -= n as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(bytes - left)
    }
}

/// Bytes of a file: those skipped are not read.
#[derive(Debug)]
pub struct Seekable<R> {
    reader: R,
    at: u64,
    length: u64,
}

impl<R: Read + Seek> Seekable<R> {
    /// From the beginning.
    ///
    /// # Errors
    /// It cannot be sought.
    pub fn new(mut reader: R) -> io::Result<Self> {
        let length = reader.seek(SeekFrom::End(0))?;
        reader.rewind()?;
        Ok(Self { reader, at: 0, length })
    }
}

impl<R: Read> Read for Seekable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl<R: Read + Seek> Bytes for Seekable<R> {
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let bytes = bytes.min(self.length.saturating_sub(self.at));
        self.reader.seek(SeekFrom::Start(self.at + bytes))?;
        self.at += bytes;
        Ok(bytes)
    }
}

/// Reads a layer header by header. Between two calls of [`next`](Self::next) it can be read as the content of the file
/// whose header came last.
pub struct Layer<B> {
    source: B,
    limits: Limits,
    /// Bytes of the archive that were read.
    at: u64,
    /// Bytes of the file's content in the archive that are left.
    left: u64,
    /// Bytes that fill up the last block.
    padding: u64,
    sparse: Option<Sparse>,
    /// The end of the archive was seen.
    ended: bool,
    /// Nothing can be read any more.
    over: bool,
}

impl<B: Bytes> Layer<B> {
    /// Reads from the beginning of the archive.
    pub fn new(source: B, limits: Limits) -> Self {
        Self { source, limits, at: 0, left: 0, padding: 0, sparse: None, ended: false, over: false }
    }

    /// Bytes of the archive read so far: after [`next`](Self::next), where the content of its file begins.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// True when bytes and content are the same: the file is not sparse.
    pub fn is_contiguous(&self) -> bool {
        self.sparse.is_none()
    }

    /// True when the mark of the end was seen.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The bytes that it reads from.
    pub fn into_inner(self) -> B {
        self.source
    }

    /// The next file; `None` at the end of the bytes.
    ///
    /// # Errors
    /// It cannot be read on: no later call gives anything.
    #[allow(clippy::should_implement_trait)] // Its content is read from `self`.
    pub fn next(&mut self) -> Result<Option<Header>, LayerError> {
        if self.over {
            return Ok(None);
        }
        let result = self.advance();
        self.over = !matches!(result, Ok(Some(_)));
        result
    }

    fn advance(&mut self) -> Result<Option<Header>, LayerError> {
        let mut long_name = None;
        let mut long_link = None;
        let mut records = None;
        let mut odd = Vec::new();
        let mut late = None;
        for _ in 0..=self.limits.headers {
            self.finish()?;
            let ended = self.ended;
            let Some((at, block)) = self.block()? else {
                return match late {
                    // After the end, of no file: nobody sees it.
                    Some(at) => Err(LayerError::Trailing { at }),
                    None => Ok(None),
                };
            };
            late = late.or(self.ended.then_some(at));
            if self.ended != ended {
                // What was said of the next file before the end is not said of one after it.
                (long_name, long_link, records) = (None, None, None);
            }
            let unsound = |why| LayerError::Header { at, why };
            let raw = match block.header() {
                Ok(raw) => raw,
                Err(_) if self.ended => return Err(LayerError::Trailing { at }),
                Err(why) => return Err(unsound(why)),
            };
            let size = |size: i64| u64::try_from(size).map_err(|_| unsound("a size below zero"));
            self.content(if raw.kind.has_content() { size(raw.claimed)? } else { 0 });
            match raw.flag {
                b'x' => records = Some(pax::records(&self.special(at)?).map_err(unsound)?),
                b'g' => {
                    // Go hands these over as files, and forgets what was said of the next one; runtimes ignore them. GNU
                    // tar and others obey them.
                    (long_name, long_link) = (None, None);
                    if records.take().is_some() {
                        odd.push("a global header stands between it and its own: some readers obey that all the same");
                    }
                    let global = pax::records(&self.special(at)?).map_err(unsound)?;
                    if global.changes_files() {
                        odd.push("a global header names paths or sizes: some readers obey it");
                    }
                }
                b'L' => long_name = Some(header::text(&self.special(at)?).to_vec()),
                b'K' => long_link = Some(header::text(&self.special(at)?).to_vec()),
                _ => {
                    let mut header = raw;
                    let by_header = header.claimed;
                    if let Some(records) = &records {
                        records.apply(&mut header).map_err(unsound)?;
                    }
                    if let Some(name) = long_name.take().filter(|name| !name.is_empty()) {
                        if records.as_ref().is_some_and(|records| records.path.is_some()) {
                            odd.push("it has a GNU long name and a pax path");
                        }
                        header.name = name;
                    }
                    if let Some(link) = long_link.take().filter(|link| !link.is_empty()) {
                        header.link = link;
                    }
                    if header.flag == 0 {
                        header.kind = if header.name.ends_with(b"/") { Kind::Directory } else { Kind::File };
                    }
                    if header.kind.has_content() {
                        if by_header != header.claimed && by_header != 0 {
                            odd.push("its pax size is not the size of its header");
                        }
                        header.size = size(header.claimed)?;
                    } else if header.claimed != 0 {
                        odd.push("it claims content and is of a kind that has none");
                    }
                    // None for an old directory, told by the slash: it was taken for a file above.
                    self.content(header.size);
                    self.sparse(at, &block, &mut header, records.as_ref())?;
                    header.after_end = self.ended;
                    header.odd.append(&mut odd);
                    return Ok(Some(header));
                }
            }
        }
        Err(LayerError::Header { at: self.at, why: "too many headers that belong to no file" })
    }

    /// The content that follows has so many bytes in the archive.
    fn content(&mut self, size: u64) {
        self.left = size;
        self.padding = size.checked_next_multiple_of(BLOCK as u64).map_or(0, |whole| whole - size);
        self.sparse = None;
    }

    fn sparse(
        &mut self,
        at: u64,
        block: &Block,
        header: &mut Header,
        records: Option<&pax::Records>,
    ) -> Result<(), LayerError> {
        let unsound = |why| LayerError::Header { at, why };
        let limit = self.limits.pieces;
        let map = if header.flag == b'S' {
            let (mut map, mut more, size) = block.sparse(limit).map_err(unsound)?;
            while more {
                let mut next = Block::default();
                if self.fill(&mut next.0)? < BLOCK {
                    return Err(LayerError::Truncated { at: self.at });
                }
                // These blocks stand before the content and are no part of its size.
                more = next.more_sparse(&mut map, limit).map_err(unsound)?;
            }
            header.size = size;
            Some(map)
        } else {
            match records.map(|records| records.sparse(limit)).transpose().map_err(unsound)?.flatten() {
                None => None,
                Some(found) => {
                    if let Some(name) = found.name {
                        header.name = name;
                    }
                    if let Some(size) = found.size {
                        header.size = size;
                    }
                    Some(match found.map {
                        Some(map) => map,
                        None => sparse::map_1_0(&mut *self, limit).map_err(|error| match error {
                            sparse::MapError::Read(error) => self.cut(error),
                            sparse::MapError::Unsound(why) => unsound(why),
                        })?,
                    })
                }
            }
        };
        if let Some(map) = map {
            if !header.kind.has_content() {
                return Err(unsound("a sparse file of a kind that has no content"));
            }
            let sparse = Sparse::new(map, header.size).map_err(unsound)?;
            // Go tells when it comes to read them; whoever does not read would not be told.
            if sparse.data() > self.left {
                return Err(unsound("a sparse file has less data than its map"));
            }
            if sparse.data() < self.left {
                header.odd.push("a sparse file has more data than its map: nobody reads the rest");
            }
            self.sparse = Some(sparse);
        }
        Ok(())
    }

    /// The content of a header that belongs to another.
    fn special(&mut self, at: u64) -> Result<Vec<u8>, LayerError> {
        if self.left > self.limits.header {
            return Err(LayerError::Header { at, why: "it is longer than any reader takes" });
        }
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(|error| self.cut(error))?;
        Ok(bytes)
    }

    /// Skips what is left of a file.
    fn finish(&mut self) -> Result<(), LayerError> {
        self.sparse = None;
        let rest = self.left.saturating_add(self.padding);
        let skipped = self.source.skip(rest)?;
        self.at += skipped;
        // The padding of the last file may be missing: Go's reader does not mind.
        if skipped < self.left {
            return Err(LayerError::Truncated { at: self.at });
        }
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    /// The next block that is not zeros, and where it begins.
    fn block(&mut self) -> Result<Option<(u64, Block)>, LayerError> {
        loop {
            let at = self.at;
            let mut block = Block::default();
            match self.fill(&mut block.0)? {
                0 => return Ok(None),
                BLOCK if block.0.iter().any(|&b| b != 0) => return Ok(Some((at, block))),
                // One block of zeros is no end for Go, but nor can what follows be read.
                BLOCK => self.ended = true,
                n if self.ended => {
                    if block.0[..n].iter().any(|&b| b != 0) {
                        return Err(LayerError::Trailing { at });
                    }
                    return Ok(None);
                }
                _ => return Err(LayerError::Truncated { at: self.at }),
            }
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.source.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }

    fn cut(&self, error: io::Error) -> LayerError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            LayerError::Truncated { at: self.at }
        } else {
            LayerError::Read(error)
        }
    }

    /// Reads content as it stands in the archive.
    fn read_raw(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        let n = self.source.read(&mut buffer[..room])?;
        if n == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the layer ends within a file"));
        }
        self.at += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}

impl<B: Bytes> Read for Layer<B> {
    /// The content of the file whose header came last, the holes of a sparse file as zeros.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut sparse) = self.sparse.take() else { return self.read_raw(buffer) };
        let result = match sparse.room(buffer.len()) {
            sparse::Room::End => Ok(0),
            sparse::Room::Hole(n) => {
                buffer[..n].fill(0);
                sparse.forward(n);
                Ok(n)
            }
            sparse::Room::Data(n) => match self.read_raw(&mut buffer[..n]) {
                Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a sparse file has less data than its map")),
                Ok(n) => {
                    sparse.forward(n);
                    Ok(n)
                }
                Err(error) => Err(error),
            },
        };
        self.sparse = Some(sparse);
        result
    }
}

#[cfg(test)]
mod tests;
