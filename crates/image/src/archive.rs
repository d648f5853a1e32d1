//! A tar file on disk as a set of members that are read by their offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use provost_formats::archive::{self as containers, Kind as Container};
use provost_formats::layer::{Bytes, Kind, Layer, Seekable, Stream};

use crate::error::Error;
use crate::limits::Limits;
use crate::meter::{Meter, Shared, drain, fill};
use crate::name::{Name, clean};
use crate::open::open_file;
use crate::problem::shown;

/// A reader that owns what it reads from.
pub(crate) type Reader = Box<dyn Read + Send>;

/// A tar file with its members.
pub(crate) struct Archive {
    file: Arc<File>,
    length: u64,
    shown: String,
    compression: Option<Container>,
    held: Option<Arc<Vec<u8>>>,
    /// The stream of a compressed archive that was used last, and how far it is.
    last: Arc<Mutex<Option<(Reader, u64)>>>,
    members: BTreeMap<Vec<u8>, Member>,
    twice: BTreeSet<Vec<u8>>,
    /// Why not all members are known.
    pub(crate) cut: Option<String>,
    unpacked: u64,
    ratio: (u64, u64),
}

#[derive(Clone)]
enum Member {
    File {
        offset: u64,
        size: u64,
    },
    /// A small file of an archive that is not held: it would have to be unpacked again for it.
    Small(Arc<Vec<u8>>),
    Link(Vec<u8>),
    Other,
}

impl Archive {
    /// Reads the headers of all members; their content is skipped.
    pub(crate) fn open(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let shown = shown(path.as_os_str().as_encoded_bytes());
        let read = |error| Error::Read { what: shown.clone(), source: error };
        let file = Arc::new(open_file(path, true).map_err(read)?);
        let length = file.metadata().map_err(read)?.len();
        let mut head = [0; containers::SNIFF];
        let n = fill(&mut Slice { file: Arc::clone(&file), at: 0, end: length }, &mut head).map_err(read)?;
        let compression = containers::sniff(&head[..n]).filter(|kind| kind.is_single());
        let mut archive = Self {
            file,
            length,
            shown: shown.clone(),
            compression,
            held: None,
            last: Arc::default(),
            members: BTreeMap::new(),
            twice: BTreeSet::new(),
            cut: None,
            unpacked: limits.unpacked,
            ratio: (limits.ratio, limits.ratio_from),
        };
        if compression.is_none() {
            let source = Seekable::new(&*archive.file).map_err(read)?;
            archive.cut = index(source, limits, 0, &mut archive.members, &mut archive.twice);
            return Ok(archive);
        }
        // Small ones are unpacked once and kept.
        let mut all = Vec::new();
        let mut stream = archive.stream()?;
        (&mut stream).take(limits.in_memory.saturating_add(1)).read_to_end(&mut all).map_err(read)?;
        if all.len() as u64 <= limits.in_memory {
            let source = Seekable::new(Cursor::new(&all[..])).map_err(read)?;
            archive.cut = index(source, limits, 0, &mut archive.members, &mut archive.twice);
            archive.held = Some(Arc::new(all));
        } else {
            let source = Stream(Cursor::new(all).chain(stream));
            archive.cut = index(source, limits, limits.in_memory, &mut archive.members, &mut archive.twice);
        }
        Ok(archive)
    }

    /// True when there is a file of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// True when it has no members.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// True when two members have this name.
    pub(crate) fn is_twice(&self, name: &str) -> bool {
        self.twice.contains(name.as_bytes())
    }

    /// The content of a member, and its length.
    pub(crate) fn member(&self, name: &str) -> Result<(Reader, u64), Error> {
        let (offset, size) = match self.find(name)? {
            Member::File { offset, size } => (*offset, *size),
            Member::Small(bytes) => {
                let end = bytes.len() as u64;
                return Ok((Box::new(Held { bytes: Arc::clone(bytes), at: 0, end }), end));
            }
            Member::Link(_) | Member::Other => return Err(self.missing(name)),
        };
        if let Some(held) = &self.held {
            let end = offset.saturating_add(size).min(held.len() as u64);
            return Ok((Box::new(Held { bytes: Arc::clone(held), at: offset, end }), size));
        }
        if self.compression.is_none() {
            let end = offset.saturating_add(size).min(self.length);
            return Ok((Box::new(Slice { file: Arc::clone(&self.file), at: offset, end }), size));
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (mut stream, at) = match last {
            Some((stream, at)) if at <= offset => (stream, at),
            _ => (self.stream()?, 0),
        };
        drain(&mut (&mut stream).take(offset - at)).map_err(Error::read(&self.shown))?;
        Ok((Box::new(Piece { stream: Some(stream), at: offset, left: size, home: Arc::clone(&self.last) }), size))
    }

    fn find(&self, name: &str) -> Result<&Member, Error> {
        let Name::Within(mut path) = clean(name.as_bytes(), &Limits::default()) else { return Err(self.missing(name)) };
        // Old versions of `docker save` wrote links for layers that are the same.
        for _ in 0..8 {
            match self.members.get(&path) {
                Some(Member::Link(target)) => path.clone_from(target),
                Some(Member::Other) | None => break,
                Some(file) => return Ok(file),
            }
        }
        Err(self.missing(name))
    }

    fn missing(&self, name: &str) -> Error {
        Error::Missing { what: format!("{} in {}", shown(name.as_bytes()), self.shown) }
    }

    /// The unpacked archive from its beginning.
    fn stream(&self) -> Result<Reader, Error> {
        let packed = Shared::new(false, u64::MAX);
        let slice: Reader = Box::new(Slice { file: Arc::clone(&self.file), at: 0, end: self.length });
        let Some(kind) = self.compression else { return Ok(slice) };
        let unpacked = Shared::new(false, self.unpacked).held_against(&packed, self.ratio.0, self.ratio.1);
        let source: Reader = Box::new(Meter::new(slice, &packed));
        let stream = containers::unpacked(kind, source).map_err(Error::archive(&self.shown))?;
        Ok(Box::new(Meter::new(stream, &unpacked)))
    }
}

/// Names that tell what an archive is.
const MARKS: &[&[u8]] = &[b"oci-layout", b"index.json", b"manifest.json"];

/// Members of so many bytes are kept when the archive is not: documents, not layers.
const SMALL: u64 = 1 << 20;

/// Lists the members, and keeps small ones up to so many bytes. Returns why it ended before the end.
fn index(
    source: impl Bytes,
    limits: &Limits,
    mut room: u64,
    members: &mut BTreeMap<Vec<u8>, Member>,
    twice: &mut BTreeSet<Vec<u8>>,
) -> Option<String> {
    let mut tar = Layer::new(source, limits.headers.clone());
    let mut cut = None;
    loop {
        let header = match tar.next() {
            Ok(Some(header)) => header,
            Ok(None) => return cut,
            Err(error) => return Some(error.to_string()),
        };
        if header.after_end {
            return Some("something stands after its end".to_owned());
        }
        let Name::Within(name) = clean(&header.name, limits) else { continue };
        let link = |from_directory: bool| {
            let mut target = if from_directory { crate::name::split(&name).0.to_vec() } else { Vec::new() };
            target.extend(b"/");
            target.extend(&header.link);
            match clean(&target, limits) {
                Name::Within(target) => Member::Link(target),
                Name::Refused(..) => Member::Other,
            }
        };
        let member = match header.kind {
            Kind::File if tar.is_contiguous() && header.size <= SMALL.min(room) => {
                let mut bytes = Vec::new();
                match tar.read_to_end(&mut bytes) {
                    Ok(_) => room -= header.size,
                    Err(error) => return Some(error.to_string()),
                }
                Member::Small(Arc::new(bytes))
            }
            Kind::File if tar.is_contiguous() => Member::File { offset: tar.position(), size: header.size },
            Kind::Symlink => link(true),
            Kind::HardLink => link(false),
            _ => Member::Other,
        };
        // What kind of archive it is has to be known, however many members there are.
        if members.len() >= limits.members && !MARKS.contains(&&name[..]) {
            cut = Some(format!("more than {} members", limits.members));
            continue;
        }
        if header.kind != Kind::Directory && members.insert(name.clone(), member).is_some() {
            twice.insert(name);
        }
    }
}

/// A part of a file, read at its place: several can be read at once.
pub(crate) struct Slice {
    pub(crate) file: Arc<File>,
    pub(crate) at: u64,
    pub(crate) end: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let n = self.file.read_at(&mut buffer[..room], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

struct Held {
    bytes: Arc<Vec<u8>>,
    at: u64,
    end: u64,
}

impl Read for Held {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let range = usize::try_from(self.at).ok().zip(usize::try_from(self.end).ok());
        let mut rest = range.and_then(|(at, end)| self.bytes.get(at..end)).unwrap_or_default();
        let n = rest.read(buffer)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// A member of a compressed archive. Its stream goes home for the next.
struct Piece {
    stream: Option<Reader>,
    at: u64,
    left: u64,
    home: Arc<Mutex<Option<(Reader, u64)>>>,
}

impl Read for Piece {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(stream) = &mut self.stream else { return Ok(0) };
        let result = stream.read(&mut buffer[..room]);
        match result {
            Ok(n) => {
                self.at += n as u64;
                self.left -= n as u64;
            }
            Err(_) => self.stream = None,
        }
        result
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            *self.home.lock().unwrap_or_else(PoisonError::into_inner) = Some((stream, self.at));
        }
    }
}
