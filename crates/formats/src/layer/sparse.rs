//! Sparse files: where their data stand in them.

use std::io::{self, Read};

use super::pax::decimal;

/// Pieces of data: offset in the file and length.
pub(super) type Map = Vec<(i64, i64)>;

/// A sparse file that is being read.
#[derive(Debug)]
pub(super) struct Sparse {
    /// Pieces of data: begin and end.
    pieces: Vec<(u64, u64)>,
    /// The piece that is being read, or comes next.
    piece: usize,
    at: u64,
    size: u64,
}

pub(super) enum Room {
    End,
    Hole(usize),
    Data(usize),
}

impl Sparse {
    /// Holds a map against the size of the file (as Go's `validateSparseEntries`).
    pub(super) fn new(map: Map, size: u64) -> Result<Self, &'static str> {
        let wrong = "the map of a sparse file is not sound";
        let mut pieces = Vec::with_capacity(map.len());
        let mut last = 0;
        for (offset, length) in map {
            let begin = u64::try_from(offset).map_err(|_| wrong)?;
            let end = u64::try_from(length).ok().and_then(|length| begin.checked_add(length)).ok_or(wrong)?;
            if begin < last || end > size {
                return Err(wrong);
            }
            last = end;
            if begin < end {
                pieces.push((begin, end));
            }
        }
        Ok(Self { pieces, piece: 0, at: 0, size })
    }

    /// Bytes of data that it has.
    pub(super) fn data(&self) -> u64 {
        self.pieces.iter().map(|(begin, end)| end - begin).sum()
    }

    /// What comes next, at most so many bytes of it.
    pub(super) fn room(&mut self, wanted: usize) -> Room {
        while self.pieces.get(self.piece).is_some_and(|&(_, end)| end <= self.at) {
            self.piece += 1;
        }
        let up_to = |end: u64| wanted.min(usize::try_from(end - self.at).unwrap_or(usize::MAX));
        match self.pieces.get(self.piece) {
            Some(&(begin, end)) if begin <= self.at => Room::Data(up_to(end)),
            _ if self.at >= self.size || wanted == 0 => Room::End,
            Some(&(begin, _)) => Room::Hole(up_to(begin)),
            None => Room::Hole(up_to(self.size)),
        }
    }

    pub(super) fn forward(&mut self, bytes: usize) {
        self.at += bytes as u64;
    }
}

pub(super) enum MapError {
    Read(io::Error),
    Unsound(&'static str),
}

/// The map of version 1.0: decimal numbers, a line each, in whole blocks before the data.
pub(super) fn map_1_0(source: &mut dyn Read, limit: usize) -> Result<Map, MapError> {
    let wrong = MapError::Unsound("the map of a sparse file is not sound");
    let mut block = [0; 512];
    let mut at = block.len();
    let mut next = || -> Result<u64, MapError> {
        let mut digits = Vec::new();
        loop {
            if at == block.len() {
                source.read_exact(&mut block).map_err(MapError::Read)?;
                at = 0;
            }
            let byte = block[at];
            at += 1;
            if byte == b'\n' {
                break;
            }
            if digits.len() > 20 {
                return Err(MapError::Unsound("the map of a sparse file is not sound"));
            }
            digits.push(byte);
        }
        decimal(&digits).ok_or(MapError::Unsound("the map of a sparse file is not sound"))
    };
    let number = next()?;
    if number > limit as u64 {
        return Err(MapError::Unsound("a sparse file of too many pieces"));
    }
    let mut map = Map::new();
    for _ in 0..number {
        let (offset, length) = (i64::try_from(next()?), i64::try_from(next()?));
        let (Ok(offset), Ok(length)) = (offset, length) else { return Err(wrong) };
        map.push((offset, length));
    }
    Ok(map)
}
