//! A strict reader of BER (X.690): what DER allows, and indefinite lengths, which gpgsm writes.

use super::CmsLimits;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
const CONSTRUCTED: u8 = 0x20;

/// The context-specific tag `[number]`, constructed.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// One value.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    /// Without tag, length, and the end of an indefinite length.
    pub(super) content: &'a [u8],
    /// With them.
    pub(super) whole: &'a [u8],
    /// True where the length is written, as DER has it.
    pub(super) definite: bool,
}

impl<'a> Element<'a> {
    pub(super) fn inside(&self) -> Reader<'a> {
        Reader { rest: self.content }
    }
}

/// Reads values one after the other.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next value's tag.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value, which has to have a tag.
    pub(super) fn take(&mut self, tag: u8, what: &str) -> Result<Element<'a>, String> {
        match self.peek() {
            Some(found) if found == tag => self.any(what),
            Some(found) => Err(format!("{what} has the tag {found:#04x}, not {tag:#04x}")),
            None => Err(format!("{what} is missing")),
        }
    }

    /// The next value, if it has a tag.
    pub(super) fn optional(&mut self, tag: u8, what: &str) -> Result<Option<Element<'a>>, String> {
        if self.peek() == Some(tag) { self.any(what).map(Some) } else { Ok(None) }
    }

    /// The next value.
    pub(super) fn any(&mut self, what: &str) -> Result<Element<'a>, String> {
        let (element, rest) = element(self.rest, 0).map_err(|why| format!("{what}: {why}"))?;
        self.rest = rest;
        Ok(element)
    }

    pub(super) fn end(&self, what: &str) -> Result<(), String> {
        if self.rest.is_empty() { Ok(()) } else { Err(format!("{} bytes follow {what}", self.rest.len())) }
    }
}

/// The only value in some bytes.
pub(super) fn only<'a>(bytes: &'a [u8], tag: u8, what: &str) -> Result<Element<'a>, String> {
    let mut reader = Reader::new(bytes);
    let element = reader.take(tag, what)?;
    reader.end(what)?;
    Ok(element)
}

/// A non-negative integer that fits; DER's shortest form.
pub(super) fn small(element: &Element<'_>, what: &str) -> Result<u64, String> {
    match element.content {
        [] => Err(format!("{what} is empty")),
        [first, ..] if first & 0x80 != 0 => Err(format!("{what} is negative")),
        [0, second, ..] if second & 0x80 == 0 => Err(format!("{what} is not in its shortest form")),
        bytes if bytes.len() > 8 => Err(format!("{what} is too large")),
        bytes => Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))),
    }
}

fn element(bytes: &[u8], depth: usize) -> Result<(Element<'_>, &[u8]), String> {
    let cut = || "it ends too early".to_owned();
    let [tag, length, tail @ ..] = bytes else { return Err(cut()) };
    if tag & 0x1f == 0x1f {
        return Err("a tag of more than one byte".into());
    }
    if *length == 0x80 {
        if tag & CONSTRUCTED == 0 {
            return Err("an indefinite length where none may be".into());
        }
        if depth >= CmsLimits::DEPTH {
            return Err(format!("indefinite lengths nest deeper than {}", CmsLimits::DEPTH));
        }
        let mut rest = tail;
        while !rest.starts_with(&[0, 0]) {
            rest = element(rest, depth + 1)?.1;
        }
        let content = &tail[..tail.len() - rest.len()];
        let rest = &rest[2..];
        let whole = &bytes[..bytes.len() - rest.len()];
        return Ok((Element { tag: *tag, content, whole, definite: false }, rest));
    }
    let (length, tail) = if *length < 0x80 {
        (usize::from(*length), tail)
    } else {
        let count = usize::from(length & 0x7f);
        if count > 4 {
            return Err("a length over 2^32".into());
        }
        let (digits, tail) = tail.split_at_checked(count).ok_or_else(cut)?;
        let length = digits.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        if length < 0x80 || digits.first() == Some(&0) {
            return Err("a length that is not in its shortest form".into());
        }
        (length, tail)
    };
    let (content, rest) = tail.split_at_checked(length).ok_or_else(cut)?;
    let whole = &bytes[..bytes.len() - rest.len()];
    Ok((Element { tag: *tag, content, whole, definite: true }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_depths() {
        assert!(only(&[0x30, 0x80, 0x02, 1, 5, 0, 0], SEQUENCE, "x").is_ok_and(|e| e.content == [2, 1, 5]));
        for wrong in [
            &[0x30, 0x81, 1, 0][..],
            &[0x30, 0x82, 0, 0x80],
            &[0x30, 0x85, 0, 0, 0, 0, 1],
            &[0x04, 0x80, 0, 0],
            &[0x30, 2, 0],
            &[0x30, 0x80, 2, 1, 5],
            &[0x3f, 1, 0],
            &[0x30, 0, 0],
        ] {
            assert!(only(wrong, wrong[0], "x").is_err(), "{wrong:?}");
        }
        let nested = |depth: usize| [[0x30, 0x80].repeat(depth), [0, 0].repeat(depth)].concat();
        assert!(only(&nested(CmsLimits::DEPTH), SEQUENCE, "x").is_ok());
        assert!(only(&nested(CmsLimits::DEPTH + 1), SEQUENCE, "x").is_err());
        assert!(only(&[0x30, 0x80].repeat(100_000), SEQUENCE, "x").is_err());
    }
}
