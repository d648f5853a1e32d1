//! DNS messages (RFC 1035): questions are read, answers made and read. Every length is checked, compression pointers
//! only lead backwards.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A and AAAA.
pub(crate) const A: u16 = 1;
pub(crate) const AAAA: u16 = 28;

/// The longest message that is read, in bytes.
pub(crate) const LONGEST: usize = 4096;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The message's id.
    pub id: u16,
    /// The name in lower case, without the last dot; bytes that are not printable ASCII as `\DDD`.
    pub name: String,
    /// Type of record.
    pub record: u16,
    end: usize,
}

impl Question {
    /// The name of the type of record.
    pub fn record_name(&self) -> String {
        match self.record {
            A => "A".into(),
            AAAA => "AAAA".into(),
            5 => "CNAME".into(),
            12 => "PTR".into(),
            15 => "MX".into(),
            16 => "TXT".into(),
            33 => "SRV".into(),
            64 => "SVCB".into(),
            65 => "HTTPS".into(),
            255 => "ANY".into(),
            other => other.to_string(),
        }
    }
}

fn half(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?))
}

/// Reads a name at a place; the name and where what follows it begins.
fn name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut after = None;
    let mut limit = at;
    loop {
        let length = usize::from(*message.get(at)?);
        match length {
            0 => return Some((text, after.unwrap_or(at + 1))),
            1..=63 => {
                if !text.is_empty() {
                    text.push('.');
                }
                for byte in message.get(at + 1..at + 1 + length)? {
                    match byte.to_ascii_lowercase() {
                        b @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'*' | b'/' | b'+') => text.push(char::from(b)),
                        b => text.push_str(&format!("\\{b:03}")),
                    }
                }
                if text.len() > 1024 {
                    return None;
                }
                at += 1 + length;
            }
            0xc0..=0xff => {
                let target = usize::from(half(message, at)? & 0x3fff);
                after.get_or_insert(at + 2);
                // Backwards only: it ends.
                if target >= limit {
                    return None;
                }
                limit = target;
                at = target;
            }
            _ => return None,
        }
    }
}

/// Reads the question of a query with exactly one.
pub fn question(message: &[u8]) -> Option<Question> {
    let flags = half(message, 2)?;
    if flags & 0x8000 != 0 || half(message, 4)? != 1 {
        return None;
    }
    let (name, at) = name(message, 12)?;
    Some(Question { id: half(message, 0)?, name, record: half(message, at)?, end: at + 4 })
        .filter(|q| q.end <= message.len())
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// These addresses; none is an answer too: the name exists, but not with this type.
    Addresses(Vec<IpAddr>),
    /// NXDOMAIN.
    NoSuchName,
    /// SERVFAIL.
    Failed,
}

/// Makes the answer to a question.
pub(crate) fn answer(query: &[u8], question: &Question, answer: &Answer) -> Vec<u8> {
    let (code, addresses): (u16, &[IpAddr]) = match answer {
        Answer::Addresses(addresses) => (0, addresses),
        Answer::NoSuchName => (3, &[]),
        Answer::Failed => (2, &[]),
    };
    let mut out = Vec::with_capacity(128);
    out.extend(question.id.to_be_bytes());
    let asked = half(query, 2).unwrap_or(0) & 0x0100;
    out.extend((0x8080 | asked | code).to_be_bytes());
    out.extend([0, 1]);
    out.extend((addresses.len() as u16).to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out.extend_from_slice(query.get(12..question.end).unwrap_or_default());
    for address in addresses {
        out.extend([0xc0, 12]);
        let (record, bytes): (u16, Vec<u8>) = match address {
            IpAddr::V4(v4) => (A, v4.octets().to_vec()),
            IpAddr::V6(v6) => (AAAA, v6.octets().to_vec()),
        };
        out.extend(record.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend((bytes.len() as u16).to_be_bytes());
        out.extend(bytes);
    }
    out
}

/// Makes a query for a name; `None` when it is no name.
pub(crate) fn query(id: u16, name: &str, record: u16) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(64);
    out.extend(id.to_be_bytes());
    out.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for part in name.split('.') {
        if part.is_empty() || part.len() > 63 {
            return None;
        }
        out.push(part.len() as u8);
        out.extend(part.as_bytes());
    }
    if out.len() > 12 + 254 {
        return None;
    }
    out.push(0);
    out.extend(record.to_be_bytes());
    out.extend([0, 1]);
    Some(out)
}

/// The addresses in an answer to this query; `None` when it is no answer to it, `Err` for its error code, with
/// `Ok` empty when there are none.
pub fn addresses(message: &[u8], id: u16, asked: &str) -> Option<Result<Vec<IpAddr>, u16>> {
    if half(message, 0)? != id || half(message, 2)? & 0x8000 == 0 || half(message, 4)? != 1 {
        return None;
    }
    let (name_asked, mut at) = name(message, 12)?;
    if name_asked != asked {
        return None;
    }
    at += 4;
    let code = half(message, 2)? & 0xf;
    if code != 0 {
        return Some(Err(code));
    }
    let mut found = Vec::new();
    let mut wanted = asked.to_owned();
    for _ in 0..half(message, 6)?.min(64) {
        let (owner, rest) = name(message, at)?;
        let (record, length) = (half(message, rest)?, usize::from(half(message, rest + 8)?));
        let data = message.get(rest + 10..rest + 10 + length)?;
        if owner == wanted {
            match (record, data) {
                (A, data) if length == 4 => found.push(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?))),
                (AAAA, data) if length == 16 => {
                    found.push(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?)));
                }
                (5, _) => wanted = name(message, rest + 10)?.0,
                _ => {}
            }
        }
        at = rest + 10 + length;
    }
    Some(Ok(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_and_answered() {
        let query = query(7, "static.crates.io", A).expect("a name");
        let asked = question(&query).expect("a question");
        assert_eq!((asked.name.as_str(), asked.record, asked.id), ("static.crates.io", A, 7));
        let address: IpAddr = "198.18.0.1".parse().expect("address");
        let reply = answer(&query, &asked, &Answer::Addresses(vec![address]));
        assert_eq!(addresses(&reply, 7, "static.crates.io"), Some(Ok(vec![address])));
        assert_eq!(addresses(&reply, 8, "static.crates.io"), None);
        assert_eq!(addresses(&reply, 7, "other"), None);
        let none = answer(&query, &asked, &Answer::NoSuchName);
        assert_eq!(addresses(&none, 7, "static.crates.io"), Some(Err(3)));
    }

    #[test]
    fn aliases_are_followed_and_strangers_left_out() {
        let mut message = query(1, "a.example", A).expect("a name");
        message[2] = 0x81;
        message[7] = 3;
        // a.example CNAME b.example; b.example A 1.2.3.4; c.example A 6.6.6.6
        message.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'b', 0xc0, 14]);
        let b = message.len() - 4;
        message.extend([0xc0, b as u8, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4]);
        message.extend([1, b'c', 0xc0, 14, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 6, 6, 6, 6]);
        assert_eq!(addresses(&message, 1, "a.example"), Some(Ok(vec!["1.2.3.4".parse().expect("address")])));
    }

    #[test]
    fn loops_and_cuts_are_refused() {
        let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend([0xc0, 12, 0, 1, 0, 1]);
        assert_eq!(question(&message), None, "a pointer to itself");
        let query = query(7, "example.org", A).expect("a name");
        for length in 0..query.len() {
            assert_eq!(question(&query[..length]), None, "{length}");
        }
    }
}
