//! pax headers: records of `length key=value\n` (POSIX.1-2001, pax interchange format).

use super::header::Header;
use super::sparse::Map;

/// What a pax header says of the next file. An empty value leaves the header's as it is.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<Vec<u8>>,
    uid: Option<Vec<u8>>,
    gid: Option<Vec<u8>>,
    /// Of change, access and status change; only the first is kept, and all must be times.
    times: [Option<Vec<u8>>; 3],
    capabilities: bool,
    sparse_major: Vec<u8>,
    sparse_minor: Vec<u8>,
    sparse_name: Option<Vec<u8>>,
    sparse_size: Option<Vec<u8>>,
    sparse_real_size: Option<Vec<u8>>,
    sparse_blocks: Vec<u8>,
    sparse_map: Vec<u8>,
    /// Version 0.0: offsets and lengths in turns, one record each.
    sparse_pairs: Vec<Vec<u8>>,
}

/// What pax records say of a sparse file.
pub(super) struct Found {
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// The map; `None` when it stands before the data.
    pub(super) map: Option<Map>,
}

/// Reads records, as strictly as Go's `parsePAX`.
pub(super) fn records(mut bytes: &[u8]) -> Result<Records, &'static str> {
    let mut records = Records::default();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|&b| b == b' ').ok_or("a pax record without a length")?;
        let length = decimal(&bytes[..space]).and_then(|n| usize::try_from(n).ok()).ok_or("a pax record's length")?;
        let record = bytes.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n"));
        let record = record.ok_or("a pax record does not end where it says")?;
        bytes = &bytes[length..];
        let equals = record.iter().position(|&b| b == b'=').ok_or("a pax record without a value")?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        let is_text = matches!(key, b"path" | b"linkpath" | b"uname" | b"gname");
        if key.is_empty() || if is_text { value } else { key }.contains(&0) {
            return Err("a pax record with a zero byte");
        }
        records.set(key, value)?;
    }
    Ok(records)
}

impl Records {
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        let some = Some(value.to_vec()).filter(|value| !value.is_empty());
        match key {
            b"path" => self.path = some,
            b"linkpath" => self.link = some,
            b"size" => self.size = some,
            b"uid" => self.uid = some,
            b"gid" => self.gid = some,
            b"mtime" => self.times[0] = some,
            b"atime" => self.times[1] = some,
            b"ctime" => self.times[2] = some,
            b"SCHILY.xattr.security.capability" => self.capabilities = some.is_some(),
            b"GNU.sparse.major" => self.sparse_major = value.to_vec(),
            b"GNU.sparse.minor" => self.sparse_minor = value.to_vec(),
            b"GNU.sparse.name" => self.sparse_name = some,
            b"GNU.sparse.size" => self.sparse_size = some,
            b"GNU.sparse.realsize" => self.sparse_real_size = some,
            b"GNU.sparse.numblocks" => self.sparse_blocks = value.to_vec(),
            b"GNU.sparse.map" => self.sparse_map = value.to_vec(),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                let is_offset = key == b"GNU.sparse.offset";
                if is_offset != self.sparse_pairs.len().is_multiple_of(2) || value.contains(&b',') {
                    return Err("pax records of a sparse file out of order");
                }
                self.sparse_pairs.push(value.to_vec());
            }
            _ => {}
        }
        Ok(())
    }

    /// True when it changes which files there are.
    pub(super) fn changes_files(&self) -> bool {
        self.path.is_some() || self.link.is_some() || self.size.is_some() || self.sparse_name.is_some()
    }

    /// Puts what they say into the header of the file.
    pub(super) fn apply(&self, header: &mut Header) -> Result<(), &'static str> {
        if let Some(path) = &self.path {
            header.name.clone_from(path);
        }
        if let Some(link) = &self.link {
            header.link.clone_from(link);
        }
        let unsigned = |value: &[u8]| signed(value).map(|n| u64::try_from(n).unwrap_or(u64::MAX));
        if let Some(size) = &self.size {
            header.claimed = signed(size).ok_or("a pax size that is no number")?;
        }
        if let Some(uid) = &self.uid {
            header.uid = unsigned(uid).ok_or("a pax owner that is no number")?;
        }
        if let Some(gid) = &self.gid {
            header.gid = unsigned(gid).ok_or("a pax group that is no number")?;
        }
        for (n, time) in self.times.iter().enumerate() {
            let Some(time) = time else { continue };
            let seconds = seconds(time).ok_or("a pax time that is no number")?;
            if n == 0 {
                header.modified = seconds;
            }
        }
        header.capabilities |= self.capabilities;
        Ok(())
    }

    /// What they say of a sparse file, when it is one (as Go's `readGNUSparsePAXHeaders`).
    pub(super) fn sparse(&self, limit: usize) -> Result<Option<Found>, &'static str> {
        let pairs = self.sparse_pairs.join(&b","[..]);
        let map = if pairs.is_empty() { &self.sparse_map } else { &pairs };
        let before_data = match (&self.sparse_major[..], &self.sparse_minor[..]) {
            (b"0", b"0" | b"1") => false,
            (b"1", b"0") => true,
            (b"", b"") if !map.is_empty() => false,
            _ => return Ok(None),
        };
        let size = self.sparse_size.as_ref().or(self.sparse_real_size.as_ref());
        let size = match size {
            Some(size) => Some(decimal(size).ok_or("the size of a sparse file is no number")?),
            None => None,
        };
        let map = if before_data { None } else { Some(pairs_of(map, &self.sparse_blocks, limit)?) };
        Ok(Some(Found { name: self.sparse_name.clone(), size, map }))
    }
}

fn pairs_of(text: &[u8], blocks: &[u8], limit: usize) -> Result<Map, &'static str> {
    let wrong = "the map of a sparse file is not sound";
    let blocks = decimal(blocks).ok_or(wrong)?;
    let mut map = Map::new();
    let mut numbers = text.split(|&b| b == b',');
    while !text.is_empty()
        && let Some(offset) = numbers.next()
    {
        let length = numbers.next().ok_or(wrong)?;
        if map.len() == limit {
            return Err("a sparse file of too many pieces");
        }
        map.push((signed(offset).ok_or(wrong)?, signed(length).ok_or(wrong)?));
    }
    if map.len() as u64 == blocks { Ok(map) } else { Err(wrong) }
}

/// Seconds of a time with parts of seconds, towards the past.
fn seconds(time: &[u8]) -> Option<i64> {
    let (whole, parts) = match time.iter().position(|&b| b == b'.') {
        Some(at) => (&time[..at], &time[at + 1..]),
        None => (time, &b""[..]),
    };
    let seconds = signed(whole)?;
    if !parts.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Nanoseconds count; what is smaller does not.
    let is_part = parts.iter().take(9).any(|&digit| digit != b'0');
    let before = i64::from(is_part && whole.starts_with(b"-"));
    Some(seconds.saturating_sub(before))
}

/// Digits, nothing else.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn signed(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
