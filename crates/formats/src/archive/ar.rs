//! Unix ar, in the System V and BSD forms of long names.

use std::io::Read;

use super::{ArchiveError, Member, Visit, lossy};

/// A table of long names may have so many bytes.
const NAMES: u64 = 4 << 20;

fn broken(why: &str) -> ArchiveError {
    ArchiveError::Broken { kind: "ar", why: why.to_owned() }
}

pub(super) fn members(source: &mut dyn Read, limit: usize, visit: &mut Visit<'_>) -> Result<(), ArchiveError> {
    let mut magic = [0; 8];
    source.read_exact(&mut magic).map_err(|e| broken(&e.to_string()))?;
    let mut names: Vec<u8> = Vec::new();
    let mut seen = 0;
    loop {
        let mut header = [0; 60];
        let got = fill(source, &mut header)?;
        if got == 0 {
            return Ok(());
        }
        if got < 60 || &header[58..] != b"`\n" {
            return Err(broken("a header is cut or has no end mark"));
        }
        let size = std::str::from_utf8(&header[48..58]).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let mut size = size.ok_or_else(|| broken("a member's size is no number"))?;
        let padding = size % 2;
        let field = header[..16].trim_ascii_end();
        if field == b"//" {
            names.clear();
            Read::take(&mut *source, size.min(NAMES)).read_to_end(&mut names).map_err(|e| broken(&e.to_string()))?;
            skip(source, size.saturating_sub(NAMES) + padding)?;
            continue;
        }
        let name = if let Some(length) = field.strip_prefix(b"#1/").and_then(number) {
            let mut name = Vec::new();
            let length = length.min(size).min(4096);
            Read::take(&mut *source, length).read_to_end(&mut name).map_err(|e| broken(&e.to_string()))?;
            size -= length;
            name.split(|&b| b == 0).next().unwrap_or_default().to_vec()
        } else if let Some(at) = field.strip_prefix(b"/").and_then(number) {
            let rest = usize::try_from(at).ok().and_then(|at| names.get(at..)).unwrap_or_default();
            rest.split(|&b| b == b'\n').next().unwrap_or_default().strip_suffix(b"/").unwrap_or_default().to_vec()
        } else if field.starts_with(b"/") || field.is_empty() {
            skip(source, size + padding)?; // the symbol table
            continue;
        } else {
            field.strip_suffix(b"/").unwrap_or(field).to_vec()
        };
        if seen == limit {
            return Err(ArchiveError::Entries { limit });
        }
        seen += 1;
        let member = Member { name: lossy(&name), claimed: Some(size), special: None };
        let mut content = Read::take(&mut *source, size);
        let go_on = visit(&member, Ok(&mut content));
        let left = content.limit();
        if go_on.is_break() {
            return Ok(());
        }
        skip(source, left + padding)?;
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
    let mut got = 0;
    while got < buffer.len() {
        match source.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(broken(&e.to_string())),
        }
    }
    Ok(got)
}

fn skip(source: &mut dyn Read, bytes: u64) -> Result<(), ArchiveError> {
    std::io::copy(&mut source.take(bytes), &mut std::io::sink()).map(|_| ()).map_err(|e| broken(&e.to_string()))
}
