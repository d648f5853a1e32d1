//! SSH's binary encoding (RFC 4251, section 5), read strictly and written.

/// Reads bytes, strings and numbers; every error says what is missing.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], String> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or_else(|| format!("it ends in the middle of {what}"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self, what: &str) -> Result<u8, String> {
        Ok(self.take(1, what)?[0])
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, String> {
        let bytes = self.take(4, what)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// Length and bytes.
    pub(super) fn string(&mut self, what: &str) -> Result<&'a [u8], String> {
        let length = self.u32(what)?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX), what)
    }

    /// A string that is UTF-8.
    pub(super) fn text(&mut self, what: &str) -> Result<&'a str, String> {
        std::str::from_utf8(self.string(what)?).map_err(|_| format!("{what} is not UTF-8"))
    }

    /// A positive number in its only encoding, without the leading zero byte.
    pub(super) fn positive(&mut self, what: &str) -> Result<&'a [u8], String> {
        match self.string(what)? {
            [0, tail @ ..] if tail.first().is_some_and(|byte| byte & 0x80 != 0) => Ok(tail),
            [0, ..] | [] => Err(format!("{what} is zero or not in its shortest form")),
            [first, ..] if first & 0x80 != 0 => Err(format!("{what} is negative")),
            bytes => Ok(bytes),
        }
    }

    /// Nothing may follow.
    pub(super) fn end(self, what: &str) -> Result<(), String> {
        if self.rest.is_empty() { Ok(()) } else { Err(format!("{} bytes follow {what}", self.rest.len())) }
    }
}

/// Appends length and bytes.
pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a positive number, given as big-endian bytes.
pub(super) fn put_positive(out: &mut Vec<u8>, number: &[u8]) {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let number = &number[start..];
    if number.first().is_some_and(|byte| byte & 0x80 != 0) {
        put_string(out, &[&[0], number].concat());
    } else {
        put_string(out, number);
    }
}

/// Two positive numbers as `r ‖ s`, each of `width` bytes.
pub(super) fn fixed_pair(signature: &[u8], width: usize) -> Result<Vec<u8>, String> {
    let mut reader = Reader::new(signature);
    let mut out = Vec::with_capacity(2 * width);
    for what in ["r", "s"] {
        let number = reader.positive(what)?;
        let zeros = width.checked_sub(number.len()).ok_or_else(|| format!("{what} is too large"))?;
        out.resize(out.len() + zeros, 0);
        out.extend_from_slice(number);
    }
    reader.end("the signature")?;
    Ok(out)
}

/// `r ‖ s` as two positive numbers.
pub(super) fn pair_from_fixed(signature: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (r, s) = signature.split_at(signature.len() / 2);
    put_positive(&mut out, r);
    put_positive(&mut out, s);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_encoding_for_each_number() {
        let read = |bytes: &[u8]| {
            let mut wire = Vec::new();
            put_string(&mut wire, bytes);
            Reader::new(&wire).positive("n").map(<[u8]>::to_vec)
        };
        assert_eq!(read(&[1]), Ok(vec![1]));
        assert_eq!(read(&[0, 0x80]), Ok(vec![0x80]));
        for wrong in [&[][..], &[0], &[0, 1], &[0, 0, 0x80], &[0x80]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_an_error() {
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]).string("x").is_err());
        assert!(Reader::new(&[0, 0, 0]).u32("x").is_err());
    }
}
