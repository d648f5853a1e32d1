//! Encodings that secrets hide in: what can be decoded is decoded, and looked at again.

use crate::validate;

/// Percent encoding (RFC 3986, 2.1), as findings name it.
pub(crate) const PERCENT: &str = "percent encoding";

/// A run of base64 has to be so long; shorter ones hold no secret.
const BASE64: usize = 20;
/// The same of hexadecimal digits.
const HEX: usize = 32;
/// Bytes that one part of a longer text has in common with the next; a multiple of four.
const AGAIN: usize = 8 << 10;
/// Lines of base64 are joined when they are so long.
const LINE: usize = 40;
/// The longest text that is decoded as one, in bytes.
const LONGEST: usize = 1 << 20;

/// Something that was decoded.
pub(crate) struct Decoded {
    /// How.
    pub how: &'static str,
    /// Where it stood.
    pub start: usize,
    /// Its length there.
    pub length: usize,
    /// What came out.
    pub bytes: Vec<u8>,
}

/// Calls `found` with each text that can be decoded.
pub(crate) fn all(bytes: &[u8], mut found: impl FnMut(Decoded)) {
    runs(bytes, &mut found);
    escapes(bytes, &mut found);
    utf16(bytes, &mut found);
}

const fn table(extra: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        table[i] = b.is_ascii_alphanumeric();
        i += 1;
    }
    let mut i = 0;
    while i < extra.len() {
        table[extra[i] as usize] = true;
        i += 1;
    }
    table
}

const RUN: [bool; 256] = table(b"+/-_");

/// Runs of base64, base64url and hexadecimal digits.
fn runs(bytes: &[u8], found: &mut impl FnMut(Decoded)) {
    let is = |b: u8| RUN[usize::from(b)];
    let mut at = 0;
    // A run of BASE64 characters covers one of every BASE64th: most bytes are never looked at.
    while at + BASE64 <= bytes.len() {
        let probe = at + BASE64 - 1;
        if !is(bytes[probe]) {
            at = probe + 1;
            continue;
        }
        let mut start = probe;
        while start > at && is(bytes[start - 1]) {
            start -= 1;
        }
        if start > at {
            // Not long enough yet when it began later: look again from its beginning.
            at = start;
            if at + BASE64 > bytes.len() || !is(bytes[at + BASE64 - 1]) {
                continue;
            }
        }
        let mut end = probe + 1;
        while end < bytes.len() && is(bytes[end]) {
            end += 1;
        }
        at = run(bytes, start, end, found);
    }
}

/// Decodes the run from `start` to `end`; returns where what belongs to it ends.
fn run(bytes: &[u8], start: usize, mut end: usize, found: &mut impl FnMut(Decoded)) -> usize {
    if end - start > LONGEST {
        // Part by part, each a whole number of groups of four, with some of the part before.
        let mut from = start;
        while from < end {
            let to = (from + LONGEST).min(end);
            run(bytes, from, to, found);
            from += LONGEST - AGAIN;
        }
        return end;
    }
    let text = &bytes[start..end];
    let mut push = |how, end: usize, bytes: Vec<u8>| {
        if is_text(&bytes) {
            found(Decoded { how, start, length: end - start, bytes });
        }
    };
    if text.len() >= HEX && text.len().is_multiple_of(2) && text.iter().all(u8::is_ascii_hexdigit) {
        push("hexadecimal", end, unhex(text));
        return end;
    }
    // Paths and names decode to noise, which the first bytes show.
    let skip = text.iter().take_while(|b| matches!(b, b'/' | b'-' | b'_' | b'+')).count();
    let text = &text[skip..];
    let reads =
        |text: &[u8]| text.len() >= BASE64 && validate::decode(&text[..BASE64]).is_some_and(|bytes| is_text(&bytes));
    // At the beginning of a piece the run may have begun before it: where its groups of four begin is not known.
    let shifts = if start == 0 && text.len() > 4 * BASE64 { 4 } else { 1 };
    let Some(shift) = (0..shifts).find(|shift| reads(&text[*shift..])) else { return end };
    let text = &text[shift..];
    // Lines of base64 that follow one another (PEM, MIME, blocks of YAML) are one text: all of one length, the last shorter.
    let mut joined = text.to_vec();
    let width = text.len();
    while width >= LINE && width.is_multiple_of(4) && joined.len() < LONGEST {
        let rest = &bytes[end..];
        let gap = rest.iter().take(64).take_while(|b| b.is_ascii_whitespace()).count();
        let gap = if gap == 0 && rest.starts_with(br"\n") { 2 } else { gap };
        let more = rest[gap..].iter().take(width + 1).take_while(|b| RUN[usize::from(**b)]).count();
        if gap == 0 || more == 0 || more > width {
            break;
        }
        joined.extend_from_slice(&rest[gap..gap + more]);
        end += gap + more;
        if more < width {
            break;
        }
    }
    end += bytes[end..].iter().take(2).take_while(|b| **b == b'=').count();
    let decoded = validate::decode(&joined).or_else(|| validate::decode(&joined[..joined.len() / 4 * 4]));
    if let Some(decoded) = decoded {
        push("base64", end, decoded);
    }
    end
}

fn unhex(text: &[u8]) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).unwrap_or_default() as u8;
    text.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// True when it could be read: nine of ten bytes are printable.
fn is_text(bytes: &[u8]) -> bool {
    let printable = bytes.iter().filter(|b| matches!(b, b' '..=b'~' | b'\n' | b'\r' | b'\t')).count();
    // UTF-16 has every second byte zero.
    let zeros = bytes.iter().filter(|b| **b == 0).count();
    bytes.len() >= 8
        && (printable * 10 >= bytes.len() * 9 || (zeros * 2 >= bytes.len() - 2 && printable * 2 >= bytes.len() - 2))
}

/// The longest stretch that escapes are undone in.
const STRETCH: usize = 8192;

/// Percent encoding, `\uXXXX`, `\xXX`, octal escapes, `&#…;`: the stretch around them is undone as a whole.
fn escapes(bytes: &[u8], found: &mut impl FnMut(Decoded)) {
    let mut next = 0;
    while let Some(at) = memchr::memchr3(b'%', b'\\', b'&', &bytes[next..]).map(|at| next + at) {
        let Some((how, _, _)) = escape(&bytes[at..]) else {
            next = at + 1;
            continue;
        };
        let before = bytes[at.saturating_sub(256)..at].iter().rev().take_while(|b| is_in_word(**b)).count();
        let start = (at - before).max(next);
        let mut out = bytes[start..at].to_vec();
        let mut undone = 0;
        let mut i = at;
        while i < bytes.len() && i - start < STRETCH {
            if let Some((other, byte, length)) = escape(&bytes[i..])
                && other == how
            {
                undone += 1;
                out.extend_from_slice(byte.as_bytes());
                i += length;
            } else if is_in_word(bytes[i]) || bytes[i] == b' ' {
                out.push(bytes[i]);
                i += 1;
            } else {
                break;
            }
        }
        if undone >= 1 && out.len() >= 12 {
            found(Decoded { how, start, length: i - start, bytes: out });
        }
        next = i.max(at + 1);
    }
}

fn is_in_word(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>') || byte >= 0x80
}

/// An escape at the beginning: its kind, what it stands for, its length.
fn escape(bytes: &[u8]) -> Option<(&'static str, String, usize)> {
    let number = |digits: &[u8], radix| u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok();
    let hex = |from: usize, count: usize| {
        let digits = bytes.get(from..from + count)?;
        digits.iter().all(u8::is_ascii_hexdigit).then(|| number(digits, 16))?
    };
    let character = |code: u32| char::from_u32(code).filter(|c| c.is_ascii() && *c != '\0').map(String::from);
    match bytes {
        [b'%', ..] => Some((PERCENT, character(hex(1, 2)?)?, 3)),
        [b'\\', b'u', b'{', ..] => {
            let end = bytes.iter().take(12).position(|b| *b == b'}')?;
            Some(("escapes", character(number(&bytes[3..end], 16)?)?, end + 1))
        }
        [b'\\', b'u', ..] => Some(("escapes", character(hex(2, 4)?)?, 6)),
        [b'\\', b'x', ..] => Some(("escapes", character(hex(2, 2)?)?, 4)),
        [b'\\', b'0'..=b'1', ..] => {
            let digits = bytes.get(1..4)?;
            digits.iter().all(|b| matches!(b, b'0'..=b'7')).then_some(())?;
            Some(("escapes", character(number(digits, 8)?)?, 4))
        }
        [b'&', b'#', rest @ ..] => {
            let end = rest.iter().take(9).position(|b| *b == b';')?;
            let code = match &rest[..end] {
                [b'x' | b'X', digits @ ..] => number(digits, 16)?,
                digits => number(digits, 10)?,
            };
            Some(("HTML references", character(code)?, end + 3))
        }
        _ => None,
    }
}

/// UTF-16: runs of ASCII characters with zeros between them, in either order.
fn utf16(bytes: &[u8], found: &mut impl FnMut(Decoded)) {
    let mut next = 0;
    while let Some(zero) = memchr::memchr(0, &bytes[next..]).map(|at| next + at) {
        let is_character = |b: u8| matches!(b, b' '..=b'~' | b'\n' | b'\r' | b'\t');
        // The zero is the high half; it comes second in little endian, first in big endian.
        let little = zero > next && is_character(bytes[zero - 1]);
        let start = if little { zero - 1 } else { zero };
        let mut out = Vec::new();
        let mut at = start;
        while let Some(pair) = bytes.get(at..at + 2) {
            let (high, low) = if little { (pair[1], pair[0]) } else { (pair[0], pair[1]) };
            if high != 0 || !is_character(low) {
                break;
            }
            out.push(low);
            at += 2;
        }
        if out.len() >= 12 {
            found(Decoded { how: "UTF-16", start, length: at - start, bytes: out });
        }
        // Runs of zeros are long in binaries.
        next = at.max(zero + 1);
        if next == zero + 1 {
            next += bytes[next..].iter().take_while(|b| **b == 0).count().saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Vec<(&'static str, String)> {
        let mut list = Vec::new();
        all(bytes, |d| list.push((d.how, String::from_utf8_lossy(&d.bytes).into_owned())));
        list
    }

    #[test]
    fn each_encoding() {
        let secret = "token=h4Kq0zPx9WvT2mLr7Yd3";
        let wide: Vec<u8> = secret.bytes().flat_map(|b| [b, 0]).collect();
        let wide_big: Vec<u8> = secret.bytes().flat_map(|b| [0, b]).collect();
        assert_eq!(decoded(&wide), [("UTF-16", secret.to_owned())]);
        assert_eq!(decoded(&wide_big), [("UTF-16", secret.to_owned())]);
        let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
        assert_eq!(decoded(hex.as_bytes()), [("hexadecimal", secret.to_owned())]);
        let percent: String = secret.bytes().map(|b| format!("%{b:02X}")).collect();
        assert_eq!(decoded(percent.as_bytes()), [("percent encoding", secret.to_owned())]);
        let json: String = secret.bytes().map(|b| format!("\\u{b:04x}")).collect();
        assert_eq!(decoded(json.as_bytes()), [("escapes", secret.to_owned())]);
        let html: String = secret.bytes().map(|b| format!("&#{b};")).collect();
        assert_eq!(decoded(html.as_bytes()), [("HTML references", secret.to_owned())]);
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(secret);
        assert_eq!(decoded(format!("x: '{text}'").as_bytes()), [("base64", secret.to_owned())]);
        let longest = "word ".repeat(300_000) + secret;
        let text = base64::engine::general_purpose::STANDARD.encode(&longest);
        assert!(decoded(text.as_bytes()).iter().any(|(_, text)| text.ends_with(secret)));
        let cut = base64::engine::general_purpose::STANDARD.encode(&longest[longest.len() - 500..]);
        for shift in 0..4 {
            assert!(decoded(&cut.as_bytes()[shift..]).iter().any(|(_, text)| text.ends_with(secret)), "{shift}");
        }
        let long = "line of text that is long enough to be cut into pieces by an encoder of mail";
        let text = base64::engine::general_purpose::STANDARD.encode(long);
        let (first, second) = text.split_at(76);
        assert_eq!(decoded(format!("{first}\n{second}").as_bytes()), [("base64", long.to_owned())]);
    }
}
