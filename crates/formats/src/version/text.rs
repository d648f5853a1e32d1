//! What the orderings share: numbers of any length, runs of characters, a list that stays off the heap while it is short.

use std::cmp::Ordering;

/// Compares two runs of digits as numbers, however long: leading zeros do not count, no digits are nought.
pub(super) fn compare_digits(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (without_zeros(a), without_zeros(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The digits without those that do not count.
pub(super) fn without_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

/// True for one digit or more, and nothing else.
pub(super) fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Cuts the longest start off whose bytes are all of a kind.
pub(super) fn take<'a>(rest: &mut &'a [u8], is: impl Fn(u8) -> bool) -> &'a [u8] {
    let end = rest.iter().position(|&byte| !is(byte)).unwrap_or(rest.len());
    let (head, tail) = rest.split_at(end);
    *rest = tail;
    head
}

/// Cuts a run of digits off.
pub(super) fn take_digits<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    take(rest, |byte| byte.is_ascii_digit())
}

/// Cuts one byte off where it is this one.
pub(super) fn take_byte(rest: &mut &[u8], byte: u8) -> bool {
    let there = rest.first() == Some(&byte);
    if there {
        *rest = &rest[1..];
    }
    there
}

/// Cuts a word off, letters of either case, where it stands next.
pub(super) fn take_word(rest: &mut &[u8], word: &[u8]) -> bool {
    match rest.get(..word.len()) {
        Some(start) if start.eq_ignore_ascii_case(word) => {
            *rest = &rest[word.len()..];
            true
        }
        _ => false,
    }
}

/// Text before and after the first of a byte; `None` without one.
pub(super) fn cut(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, text)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Text before and after the last of a byte; `None` without one.
pub(super) fn cut_last(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memrchr(byte, text)?;
    Some((&text[..at], &text[at + 1..]))
}

/// A list that needs no heap for its first `N` entries.
pub(super) struct Short<T, const N: usize> {
    first: [T; N],
    used: usize,
    all: Vec<T>,
}

impl<T: Copy, const N: usize> Short<T, N> {
    /// An empty one; `filler` stands where nothing is yet.
    pub(super) fn new(filler: T) -> Self {
        Self { first: [filler; N], used: 0, all: Vec::new() }
    }

    /// Adds an entry.
    pub(super) fn push(&mut self, entry: T) {
        if let Some(place) = self.first.get_mut(self.used) {
            *place = entry;
            self.used += 1;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.push(entry);
    }

    /// The entries.
    pub(super) fn entries(&self) -> &[T] {
        if self.all.is_empty() { &self.first[..self.used] } else { &self.all }
    }

    /// The entries, to change.
    pub(super) fn entries_mut(&mut self) -> &mut [T] {
        if self.all.is_empty() { &mut self.first[..self.used] } else { &mut self.all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_numbers_of_any_length() {
        assert_eq!(compare_digits(b"007", b"7"), Ordering::Equal);
        assert_eq!(compare_digits(b"", b"000"), Ordering::Equal);
        assert_eq!(compare_digits(b"10", b"9"), Ordering::Greater);
        let huge = "9".repeat(100_000);
        assert_eq!(compare_digits(huge.as_bytes(), b"1"), Ordering::Greater);
    }

    #[test]
    fn a_short_list_grows() {
        let mut list = Short::<usize, 3>::new(0);
        (0..10).for_each(|entry| list.push(entry));
        assert_eq!(list.entries(), (0..10).collect::<Vec<_>>());
    }
}
