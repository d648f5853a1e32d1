//! The events as the programs write them (`program.bpf.c`): bytes in, values out. Every length is checked.

/// Where the texts begin: `sizeof(struct event)`.
const HEADER: usize = 176;

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Fork,
    Execution,
    Exit,
    Call,
    /// An address as the kernel uses it, before the call that it belongs to returns.
    Address,
}

/// By the 32-bit or x32 entry.
pub(super) const COMPAT: u32 = 1;
/// By a process that a daemon made for whoever asked.
pub(super) const DELEGATED: u32 = 2;
/// A path is not whole.
pub(super) const CUT: u32 = 4;
/// The descriptor was not there any more when the call returned.
pub(super) const GONE: u32 = 16;
/// `other` is the process at the other end of a socket.
pub(super) const PEER: u32 = 32;

/// Bits of `file_mode` (linux/fs.h).
pub(super) const FMODE_READ: u32 = 1;
pub(super) const FMODE_WRITE: u32 = 2;
pub(super) const FMODE_CREATED: u32 = 1 << 20;

/// Counters, in the order of the programs.
pub(super) const COUNTERS: usize = 13;
pub(super) const SENT: u32 = 0;
pub(super) const LOST: u32 = 1;
pub(super) const OPENS: u32 = 2;
pub(super) const OPENS_FAILED: u32 = 3;
pub(super) const PATHS_CUT: u32 = 4;
pub(super) const TEXTS_UNREADABLE: u32 = 5;
pub(super) const DESCRIPTORS_GONE: u32 = 6;
pub(super) const COMPAT_CALLS: u32 = 7;
pub(super) const RING_SUBMISSIONS: u32 = 8;
pub(super) const NOT_FOLLOWED: u32 = 9;
pub(super) const CALLS: u32 = 10;
pub(super) const PATH_ONLY: u32 = 11;
pub(super) const REPEATED: u32 = 12;

/// A file as the kernel had it at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileState {
    /// Device, as `stat` writes it, and inode.
    pub(super) inode: (u64, u64),
    pub(super) size: u64,
    /// Time of its last change: seconds and nanoseconds.
    pub(super) changed: (i64, i64),
    /// How it was opened.
    pub(super) opened: u32,
    /// Type and permissions.
    pub(super) mode: u32,
    pub(super) links: u32,
}

/// One event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: Kind,
    pub(super) flags: u32,
    pub(super) process: i32,
    pub(super) thread: i32,
    /// Nanoseconds of the monotonic clock.
    pub(super) time: u64,
    pub(super) result: i64,
    pub(super) number: i32,
    pub(super) other: i32,
    pub(super) arguments: [u64; 8],
    pub(super) file: FileState,
    pub(super) family: i32,
    pub(super) socket_type: i32,
    texts: Vec<u8>,
    lengths: [usize; 4],
    /// The device as the kernel numbers it.
    device: u32,
}

impl Event {
    /// From the bytes of one record.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let half = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let mut arguments = [0; 8];
        for (at, argument) in arguments.iter_mut().enumerate() {
            *argument = word(40 + at * 8)?;
        }
        let mut lengths = [0; 4];
        for (at, length) in lengths.iter_mut().enumerate() {
            *length = half(160 + at * 4)? as usize;
        }
        let device = half(132)?;
        Some(Self {
            kind: match half(0)? {
                1 => Kind::Fork,
                2 => Kind::Execution,
                3 => Kind::Exit,
                4 => Kind::Call,
                5 => Kind::Address,
                _ => return None,
            },
            flags: half(4)?,
            process: half(8)?.cast_signed(),
            thread: half(12)?.cast_signed(),
            time: word(16)?,
            result: word(24)?.cast_signed(),
            number: half(32)?.cast_signed(),
            other: half(36)?.cast_signed(),
            arguments,
            file: FileState {
                // In the kernel twenty bits of a device's number are its minor one.
                inode: (nix::libc::makedev(device >> 20, device & 0xf_ffff), word(104)?),
                size: word(112)?,
                // The highest bit of the nanoseconds says that the time was asked for.
                changed: (word(120)?.cast_signed(), i64::from(half(128)? & 0x7fff_ffff)),
                opened: half(136)?,
                mode: half(140)?,
                links: half(144)?,
            },
            family: half(148)?.cast_signed(),
            socket_type: half(152)?.cast_signed(),
            texts: bytes.get(HEADER..)?.to_vec(),
            lengths,
            device,
        })
    }

    /// What says that a file is opened by the same name again, unchanged: `struct repeat`.
    pub(super) fn repeat(&self) -> [u64; 6] {
        let [.., dentry, mount, _, generation] = self.arguments;
        let parts = self.file.changed.1.cast_unsigned() | u64::from(self.device) << 32;
        [dentry, mount, self.file.inode.1, self.file.changed.0.cast_unsigned(), parts, generation]
    }

    /// The bytes of one of its texts; empty when it is not there.
    pub(super) fn bytes(&self, which: usize) -> &[u8] {
        let start: usize = self.lengths[..which].iter().sum();
        self.texts.get(start..start + self.lengths[which]).unwrap_or_default()
    }

    /// A text, without the zero at its end.
    pub(super) fn text(&self, which: usize) -> Option<&[u8]> {
        let bytes = self.bytes(which);
        (!bytes.is_empty()).then(|| bytes.split(|b| *b == 0).next().unwrap_or_default())
    }

    /// A path that was walked up from its end: the names, each with its zero, the last one first. `None` when it is
    /// not there or not whole.
    pub(super) fn walked(&self, which: usize) -> Option<Vec<u8>> {
        if self.flags & CUT != 0 {
            return None;
        }
        let mut path = Vec::with_capacity(self.lengths[which] + 1);
        for name in self.bytes(which).split(|b| *b == 0).rev().filter(|name| !name.is_empty()) {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Some(path)
    }

    /// True when it has a walked path with at least one name. (That of a pipe is empty.)
    pub(super) fn has_name(&self, which: usize) -> bool {
        self.bytes(which).iter().any(|b| *b != 0)
    }

    /// How much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.texts.len()
    }

    /// How long a text is, in bytes.
    pub(super) fn length(&self, which: usize) -> usize {
        self.lengths[which]
    }

    /// An argument as the number of a descriptor or process.
    pub(super) fn number_at(&self, which: usize) -> i32 {
        self.arguments[which] as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(texts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0_u8; HEADER];
        bytes[0] = 4;
        bytes[8..12].copy_from_slice(&77_u32.to_le_bytes());
        bytes[132..136].copy_from_slice(&((254_u32 << 20) | 3).to_le_bytes());
        bytes[128..132].copy_from_slice(&0x8000_0005_u32.to_le_bytes());
        for (at, text) in texts.iter().enumerate() {
            bytes[160 + at * 4..164 + at * 4].copy_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text);
        }
        bytes
    }

    #[test]
    fn paths_are_put_together_from_their_end() {
        let event = Event::parse(&sample(&[b"c\0b\0a\0", b"", b"/x y\0"])).expect("event");
        assert_eq!((event.kind, event.process), (Kind::Call, 77));
        assert_eq!(event.walked(0).as_deref(), Some(&b"/a/b/c"[..]));
        assert_eq!(event.walked(1).as_deref(), Some(&b"/"[..]));
        assert_eq!(event.text(2), Some(&b"/x y"[..]));
        assert_eq!(event.file.inode.0, nix::libc::makedev(254, 3));
        assert_eq!(event.file.changed.1, 5);
    }

    #[test]
    fn what_is_cut_off_is_no_event_and_no_text() {
        let whole = sample(&[b"name\0"]);
        assert!(Event::parse(&whole[..HEADER - 1]).is_none());
        let event = Event::parse(&whole[..HEADER + 2]).expect("event");
        assert!(event.bytes(0).is_empty() && event.text(0).is_none());
        let mut unknown = whole;
        unknown[0] = 9;
        assert!(Event::parse(&unknown).is_none());
    }
}
