//! Every entry of every layer once, in order; and the merged tree that comes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read};
use std::ops::ControlFlow;

use provost_formats::layer::Header;
use provost_model::{Digest, human_bytes};

use crate::entry::{AUFS, Entry, EntryId, EntryKind};
use crate::error::Error;
use crate::image::{At, Image, Layer};
use crate::keep::Kept;
use crate::problem::{Problems, What, shown};
use crate::rootfs;
use crate::stream::LayerStream;
use crate::tree::{Builder, TOO_MUCH_WORK, Tree};

/// What is done with each entry: its content, where its kind has one, can be read as far as wanted. `Break` ends the walk.
/// Until the walk is over, nothing that it hands out has been held against its digest.
pub type Sink<'s> = dyn FnMut(&Entry, Option<&mut dyn Read>) -> ControlFlow<()> + 's;

/// Which files' contents are kept for the merged view: asked for every file that has a place.
pub type Keep<'k> = dyn FnMut(&Entry) -> bool + 'k;

/// What a walk gave.
#[derive(Debug)]
pub struct Walked {
    /// The merged file system.
    pub tree: Tree,
    /// What is wrong with the image, what was found when it was opened included.
    pub problems: Problems,
    /// What was read of each layer.
    pub layers: Vec<LayerReport>,
    kept: Kept,
}

impl Walked {
    /// True when every layer was read whole, every digest was right, and every entry has its place.
    pub fn is_complete(&self) -> bool {
        self.problems.is_complete()
    }

    /// The content of a file of the merged view, when it was kept. Symbolic links are followed within the root.
    pub fn content(&self, path: impl AsRef<[u8]>) -> Option<&[u8]> {
        let (_, node) = self.tree.resolve(path).ok()?;
        self.kept.content(node.content?)
    }

    /// The content of an entry, when it was kept.
    pub fn content_of(&self, entry: EntryId) -> Option<&[u8]> {
        self.kept.content(entry)
    }
}

/// What was read of a layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerReport {
    /// Entries.
    pub entries: u64,
    /// Bytes of its blob.
    pub packed: u64,
    /// Bytes of its tar file.
    pub unpacked: u64,
    /// Digest of the blob, computed; none when it was not read to its end.
    pub digest: Option<Digest>,
    /// Digest of the uncompressed tar file, computed; none when it was not read to its end.
    pub diff_id: Option<Digest>,
}

impl Image {
    /// Reads every layer once, from the lowest to the highest.
    ///
    /// # Errors
    /// Something cannot be read, or is not what its digest says. What the sink saw is then worth nothing. Limits, broken
    /// tar files and hostile names are no errors but [problems](Walked::problems).
    pub fn walk(&self, keep: &mut Keep<'_>, sink: &mut Sink<'_>) -> Result<Walked, Error> {
        let limits = &self.limits;
        let mut walker = Walker {
            image: self,
            keep,
            sink,
            builder: Builder::new(limits.links, limits.steps),
            kept: Kept::new(limits.kept),
            problems: self.problems.clone(),
            entries: 0,
            unpacked: limits.unpacked,
            content: limits.unpacked,
            over: None,
        };
        let mut layers = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            walker.builder.begin(number);
            layers.push(walker.layer(number, layer)?);
        }
        let Walker { builder, kept, problems, .. } = walker;
        Ok(Walked { tree: builder.finish(), problems, layers, kept })
    }

    /// Reads the contents of some files again, from the layers that hold them: for what only the merged view told to be of
    /// interest. Each at most [`kept_file`](crate::Limits::kept_file) bytes, all at most [`kept`](crate::Limits::kept); what
    /// is larger, or not there, is left out.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn contents(&self, wanted: &BTreeSet<EntryId>) -> Result<BTreeMap<EntryId, Vec<u8>>, Error> {
        let mut found = BTreeMap::new();
        let mut room = self.limits.kept;
        for (number, layer) in self.layers.iter().enumerate() {
            if !wanted.iter().any(|entry| entry.layer == number) || matches!(layer.at, At::Nowhere(_)) {
                continue;
            }
            let mut at = 0;
            let mut one = |header: &Header, content: Option<&mut dyn Read>| -> io::Result<()> {
                let id = EntryId { layer: number, number: at };
                at = at.saturating_add(1);
                let (true, Some(content)) = (wanted.contains(&id), content) else { return Ok(()) };
                if header.size > self.limits.kept_file.min(room) {
                    return Ok(());
                }
                let mut bytes = Vec::new();
                content.take(header.size).read_to_end(&mut bytes)?;
                room = room.saturating_sub(bytes.len() as u64);
                found.insert(id, bytes);
                Ok(())
            };
            if let At::Directory(root) = &layer.at {
                let mut problems = Problems::new(0);
                rootfs::walk(root, &self.limits, &mut problems, &mut |header, content| {
                    let _ = one(&header, content);
                    ControlFlow::Continue(())
                })?;
                continue;
            }
            let mut stream = LayerStream::open(self, number, layer, self.limits.unpacked)?;
            while let Ok(Some(header)) = stream.tar.next() {
                let content: Option<&mut dyn Read> =
                    if header.kind.has_content() { Some(&mut stream.tar) } else { None };
                if one(&header, content).is_err() {
                    break;
                }
            }
            stream.finish(layer)?;
        }
        Ok(found)
    }
}

struct Walker<'w, 'k, 's> {
    image: &'w Image,
    keep: &'w mut Keep<'k>,
    sink: &'w mut Sink<'s>,
    builder: Builder,
    kept: Kept,
    problems: Problems,
    entries: usize,
    /// Bytes that may still come out of layers.
    unpacked: u64,
    /// Bytes that may still be read of files, holes included.
    content: u64,
    /// Why nothing more is read.
    over: Option<String>,
}

impl Walker<'_, '_, '_> {
    fn layer(&mut self, number: usize, layer: &Layer) -> Result<LayerReport, Error> {
        if let Some(why) = &self.over {
            let why = format!("not read: {why}");
            self.problems.add(What::Gap, Some(number), None, why);
            return Ok(LayerReport::default());
        }
        if let At::Nowhere(why) = &layer.at {
            self.problems.add(What::Gap, Some(number), None, why.clone());
            return Ok(LayerReport::default());
        }
        if let At::Directory(root) = &layer.at {
            return self.directory(number, root);
        }
        let mut stream = match LayerStream::open(self.image, number, layer, self.unpacked) {
            Ok(stream) => stream,
            Err(Error::Missing { .. }) if !layer.elsewhere.is_empty() => {
                let why = format!("it lies elsewhere and was not fetched: {}", layer.elsewhere.join(", "));
                self.problems.add(What::Gap, Some(number), None, why);
                return Ok(LayerReport::default());
            }
            Err(error) => return Err(error),
        };
        if stream.is_mislabelled(layer) {
            let why = "it is compressed otherwise than its media type says";
            self.problems.add(What::Odd, Some(number), None, why);
        }
        let mut count = 0;
        let (mut broken, mut stopped) = (None, None);
        loop {
            let header = match stream.tar.next() {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(error) => {
                    broken = Some(error.to_string());
                    break;
                }
            };
            let content: Option<&mut dyn Read> = if header.kind.has_content() { Some(&mut stream.tar) } else { None };
            if let ControlFlow::Break(why) = self.entry(number, &mut count, header, content) {
                stopped = Some(why);
                break;
            }
        }
        let ending = match stopped {
            Some(why) => {
                self.over = Some(why.clone());
                stream.abandon(format!("not read to its end: {why}"))
            }
            // A limit on what comes out: reading on would be no use.
            None => match stream.unpacked.stopped() {
                Some(why) => stream.abandon(format!("not read to its end: {why}")),
                None => stream.finish(layer)?,
            },
        };
        self.unpacked = self.unpacked.saturating_sub(ending.unpacked);
        if let Some(why) = ending.broken.or(broken) {
            self.problems.add(What::Gap, Some(number), None, why);
        }
        Ok(LayerReport {
            entries: count.into(),
            packed: ending.packed,
            unpacked: ending.unpacked,
            digest: ending.digest,
            diff_id: ending.diff_id,
        })
    }

    fn directory(&mut self, number: usize, root: &std::path::Path) -> Result<LayerReport, Error> {
        let limits = self.image.limits.clone();
        let mut problems = Problems::new(limits.problems);
        let mut count = 0;
        let mut bytes = 0_u64;
        let mut stopped = None;
        rootfs::walk(root, &limits, &mut problems, &mut |header, content| {
            bytes = bytes.saturating_add(header.size);
            match self.entry(number, &mut count, header, content) {
                ControlFlow::Continue(()) => ControlFlow::Continue(()),
                ControlFlow::Break(why) => {
                    stopped = Some(why);
                    ControlFlow::Break(())
                }
            }
        })?;
        for problem in problems.listed {
            let place = problem.place.as_deref().map(str::as_bytes);
            self.problems.add(problem.what, Some(number), place, problem.why);
        }
        if let Some(why) = stopped {
            self.problems.add(What::Gap, Some(number), None, format!("not read to its end: {why}"));
        }
        Ok(LayerReport { entries: count.into(), packed: bytes, unpacked: bytes, digest: None, diff_id: None })
    }

    /// One entry. `Break` says why nothing more is read.
    fn entry(
        &mut self,
        layer: usize,
        count: &mut u32,
        header: Header,
        content: Option<&mut dyn Read>,
    ) -> ControlFlow<String> {
        let limits = &self.image.limits;
        if self.entries >= limits.entries || *count == u32::MAX {
            return ControlFlow::Break(format!("more than {} entries", limits.entries));
        }
        self.entries += 1;
        let id = EntryId { layer, number: *count };
        *count += 1;
        let odd = header.odd.clone();
        let entry = Entry::new(id, header, self.image.whiteouts, limits);
        let placing = self.builder.place(&entry);
        for why in odd.into_iter().chain(placing.odd) {
            self.problems.add(What::Odd, Some(layer), Some(&entry.path), why);
        }
        for lost in placing.lost {
            self.kept.forget(lost);
        }
        if let Some(why) = placing.refused {
            let what = match why {
                TOO_MUCH_WORK => What::Gap,
                AUFS => What::Odd,
                _ => What::Refused,
            };
            self.problems.add(what, Some(layer), Some(&entry.path), why);
        }
        let Some(content) = content else { return self.hand_over(&entry, None) };
        let mut content = Content { inner: content, left: &mut self.content, over: false };
        let is_wanted = entry.kind == EntryKind::File && placing.refused.is_none() && (self.keep)(&entry);
        if is_wanted && (entry.size > limits.kept_file || !self.kept.has_room(entry.size)) {
            let why = format!("it was not kept to be read: it has {}", human_bytes(entry.size));
            self.problems.add(What::Gap, Some(layer), Some(&entry.path), why);
        } else if is_wanted {
            let mut bytes = Vec::new();
            // A failure is the layer's: the next header tells.
            let result = (&mut content).take(entry.size).read_to_end(&mut bytes);
            let over = content.over;
            let flow = (self.sink)(&entry, Some(&mut Cursor::new(&bytes)));
            if result.is_ok() {
                self.kept.insert(entry.id, bytes);
            }
            return Self::after(flow, over);
        }
        let flow = (self.sink)(&entry, Some(&mut content));
        let over = content.over;
        Self::after(flow, over)
    }

    fn hand_over(&mut self, entry: &Entry, content: Option<&mut dyn Read>) -> ControlFlow<String> {
        let flow = (self.sink)(entry, content);
        Self::after(flow, false)
    }

    fn after(flow: ControlFlow<()>, over: bool) -> ControlFlow<String> {
        if over {
            ControlFlow::Break("more content than allowed, holes of sparse files included".to_owned())
        } else if flow.is_break() {
            ControlFlow::Break("the walk was ended".to_owned())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Content of a file, counted against what may be read in all.
struct Content<'c> {
    inner: &'c mut dyn Read,
    left: &'c mut u64,
    over: bool,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let room = buffer.len().min(usize::try_from(*self.left).unwrap_or(usize::MAX));
        if room == 0 {
            // At the very end of the last file nothing is missing.
            let mut one = [0];
            if self.inner.read(&mut one)? == 0 {
                return Ok(0);
            }
            self.over = true;
            return Err(io::Error::other("more content than allowed"));
        }
        let n = self.inner.read(&mut buffer[..room])?;
        *self.left -= n as u64;
        Ok(n)
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.names.iter().map(|name| shown(name.as_bytes())).collect::<Vec<_>>();
        f.debug_struct("Image")
            .field("kind", &self.kind)
            .field("names", &names)
            .field("digest", &self.digest)
            .field("id", &self.id)
            .field("layers", &self.layers.len())
            .finish_non_exhaustive()
    }
}
