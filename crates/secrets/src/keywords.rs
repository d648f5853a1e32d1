//! Finding keywords: thousands of them, in one pass over the raw bytes, without regard to ASCII case.
//!
//! An automaton over so many words does not fit into a processor's first cache, and every byte then waits for the one
//! before it. Here each position is looked up by itself: its next four bytes, folded and hashed, in a bitmap of 64 KiB.
//! Of each keyword only its rarest four bytes are in it; the whole keyword is compared where they are met.

use crate::value;

/// Bits of the bitmap's index.
const INDEX: u32 = 19;
/// Bits of the bucket's index: the upper ones of the bitmap's.
const BUCKET: u32 = 14;
/// Bytes of a piece.
const PIECE: usize = 4;

/// What a keyword is for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uses {
    /// Rules that have it, and the place that it has in their lists.
    pub rules: Vec<(u32, u32)>,
    /// True for names of the generic detector.
    pub generic: bool,
}

/// A keyword.
pub(crate) struct Keyword {
    pub text: Box<[u8]>,
    pub uses: Uses,
    /// Where its piece stands in it.
    offset: usize,
}

/// Keywords, ready to be found.
pub(crate) struct Keywords {
    list: Vec<Keyword>,
    bitmap: Vec<u64>,
    /// For each bucket, where its keywords begin in `entries`; one more for the end.
    buckets: Vec<u32>,
    entries: Vec<Entry>,
}

/// A keyword's piece: compared before the keyword is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    piece: u32,
    mask: u32,
    keyword: u32,
}

/// Letters lose their case; some other characters fall together, which the comparison sorts out.
const fn fold(piece: u32) -> u32 {
    piece | 0x2020_2020
}

const fn hash(folded: u32) -> usize {
    (folded.wrapping_mul(0x9e37_79b1) >> (32 - INDEX)) as usize
}

impl Keywords {
    /// `texts` are lower case, of at least three bytes, each once.
    pub(crate) fn new(texts: Vec<(Box<[u8]>, Uses)>) -> Self {
        let mut list = Vec::with_capacity(texts.len());
        let mut bitmap = vec![0_u64; 1 << (INDEX - 6)];
        let mut of_bucket: Vec<Vec<Entry>> = vec![Vec::new(); 1 << BUCKET];
        for (number, (text, uses)) in texts.into_iter().enumerate() {
            let rarest = text
                .windows(PIECE)
                .enumerate()
                .max_by(|a, b| value::surprise(a.1).total_cmp(&value::surprise(b.1)))
                .map_or(0, |(offset, _)| offset);
            let mask = if text.len() < PIECE { 0x00ff_ffff } else { u32::MAX };
            let mut add = |piece: [u8; 4]| {
                let folded = fold(u32::from_le_bytes(piece));
                let index = hash(folded);
                bitmap[index >> 6] |= 1 << (index & 63);
                let entry = Entry { piece: folded & mask, mask, keyword: number as u32 };
                let bucket = &mut of_bucket[index >> (INDEX - BUCKET)];
                if !bucket.contains(&entry) {
                    bucket.push(entry);
                }
            };
            match text.get(rarest..rarest + PIECE) {
                Some(piece) => add([piece[0], piece[1], piece[2], piece[3]]),
                // Of three bytes: whatever follows.
                None => (0..=255).for_each(|next| add([text[0], text[1], text[2], next])),
            }
            list.push(Keyword { text, uses, offset: rarest });
        }
        let mut buckets = Vec::with_capacity(of_bucket.len() + 1);
        let mut entries = Vec::new();
        for bucket in of_bucket {
            buckets.push(entries.len() as u32);
            entries.extend(bucket);
        }
        buckets.push(entries.len() as u32);
        Self { list, bitmap, buckets, entries }
    }

    /// Calls `found` with each keyword and where it begins, until it returns false.
    pub(crate) fn find(&self, bytes: &[u8], mut found: impl FnMut(&Keyword, usize) -> bool) {
        for (at, piece) in bytes.windows(PIECE).enumerate() {
            let folded = fold(u32::from_le_bytes([piece[0], piece[1], piece[2], piece[3]]));
            let index = hash(folded);
            if self.bitmap[index >> 6] >> (index & 63) & 1 == 1 && !self.at(bytes, at, folded, &mut found) {
                return;
            }
        }
        // A keyword of three bytes at the end.
        if let Some(at) = bytes.len().checked_sub(3) {
            let piece = [bytes[at], bytes[at + 1], bytes[at + 2], 0];
            self.at(bytes, at, fold(u32::from_le_bytes(piece)), &mut found);
        }
    }

    fn at(&self, bytes: &[u8], at: usize, folded: u32, found: &mut impl FnMut(&Keyword, usize) -> bool) -> bool {
        let bucket = hash(folded) >> (INDEX - BUCKET);
        for entry in &self.entries[self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize] {
            if folded & entry.mask != entry.piece {
                continue;
            }
            let keyword = &self.list[entry.keyword as usize];
            let Some(start) = at.checked_sub(keyword.offset) else { continue };
            let is_here =
                bytes.get(start..start + keyword.text.len()).is_some_and(|t| t.eq_ignore_ascii_case(&keyword.text));
            if is_here && !found(keyword, start) {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_keyword_is_found_wherever_it_is_and_once() {
        let texts = ["key", "ghp_", "authorization", "secret_key", "xox", "a-b", "-----begin"];
        let list = texts.iter().map(|text| (text.as_bytes().into(), Uses::default())).collect();
        let keywords = Keywords::new(list);
        for text in texts {
            for (before, after) in [("", ""), ("x", "y"), ("\u{0}", "\n"), ("abcdef", "[]")] {
                let hay = format!("{before}{}{after}", text.to_uppercase());
                let mut found = Vec::new();
                keywords.find(hay.as_bytes(), |keyword, start| {
                    found.push((keyword.text.clone(), start));
                    true
                });
                let wanted = (text.as_bytes().into(), before.len());
                assert_eq!(found.iter().filter(|f| **f == wanted).count(), 1, "{hay}: {found:?}");
            }
        }
    }
}
