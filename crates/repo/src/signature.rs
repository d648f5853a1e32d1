//! Signed commits and tags: the bytes that were signed, the signature, and its kind.
//!
//! git signs an object without its signature. A commit's is in the header `gpgsig` (`gpgsig-sha256` in a repository of
//! SHA-256), a tag's at the end of its message. A header of the other hash's name is a signature over the object's other
//! form; git leaves it out of what it verifies, and so does this module.
//!
//! Only objects that can be read in one way are accepted: git's own readers stop at NUL, take the first of two headers,
//! or join two signatures, and what was verified would not be what people see.

use crate::RepoError;

/// Limits on signed objects.
pub struct SignatureLimits;

impl SignatureLimits {
    /// A signed object, in bytes.
    pub const OBJECT: usize = 16 * 1024 * 1024;
    /// A signature, in bytes.
    pub const SIGNATURE: usize = 64 * 1024;
}

/// The hash that names a repository's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectHash {
    /// SHA-1: 40 hexadecimal digits.
    Sha1,
    /// SHA-256: 64 hexadecimal digits.
    Sha256,
}

impl ObjectHash {
    fn digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha256 => 64,
        }
    }

    fn header(self) -> &'static [u8] {
        match self {
            Self::Sha1 => b"gpgsig",
            Self::Sha256 => b"gpgsig-sha256",
        }
    }
}

/// What made a signature, by its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureKind {
    /// SSHSIG (`gpg.format=ssh`); git's namespace is `git`.
    Ssh,
    /// OpenPGP.
    OpenPgp,
    /// CMS (`gpg.format=x509`).
    X509,
}

impl SignatureKind {
    const ALL: [Self; 3] = [Self::Ssh, Self::OpenPgp, Self::X509];

    /// The name in git's `gpg.format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::OpenPgp => "openpgp",
            Self::X509 => "x509",
        }
    }

    fn begin(self) -> &'static str {
        match self {
            Self::Ssh => "-----BEGIN SSH SIGNATURE-----",
            Self::OpenPgp => "-----BEGIN PGP SIGNATURE-----",
            Self::X509 => "-----BEGIN SIGNED MESSAGE-----",
        }
    }

    fn end(self) -> &'static str {
        match self {
            Self::Ssh => "-----END SSH SIGNATURE-----",
            Self::OpenPgp => "-----END PGP SIGNATURE-----",
            Self::X509 => "-----END SIGNED MESSAGE-----",
        }
    }
}

/// What was signed and by what. Nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedObject {
    /// The bytes that were signed: the object without its signature.
    pub payload: Vec<u8>,
    /// The signature in its armour.
    pub signature: String,
    /// Its kind.
    pub kind: SignatureKind,
}

/// The signature of a commit, from its bytes without git's `commit <size>` prefix; `None` for an unsigned one.
///
/// # Errors
/// The commit is signed, and there is a second way to read it: two signatures, headers twice or in an odd place, NUL, a
/// signature with something beside it; or it is over the limits.
pub fn of_commit(raw: &[u8], hash: ObjectHash) -> Result<Option<SignedObject>, RepoError> {
    commit(raw, hash).map_err(|why| RepoError::SignedObject { kind: "commit", why })
}

/// The signature of an annotated tag, from its bytes without git's `tag <size>` prefix; `None` for an unsigned one, and
/// for one that is signed in the other hash's form alone, as git has it.
///
/// # Errors
/// As [`of_commit`].
pub fn of_tag(raw: &[u8], hash: ObjectHash) -> Result<Option<SignedObject>, RepoError> {
    tag(raw, hash).map_err(|why| RepoError::SignedObject { kind: "tag", why })
}

/// Every prefix of a header's name that git takes for a signature's.
const SIGNATURE_HEADER: &[u8] = b"gpgsig";

fn commit(raw: &[u8], hash: ObjectHash) -> Result<Option<SignedObject>, String> {
    if !has_signature_header(raw) {
        return Ok(None);
    }
    check_bytes(raw)?;
    let (headers, body) = headers(raw)?;
    let mut rest = headers.as_slice();
    expect_id(&mut rest, b"tree", hash)?;
    while rest.first().is_some_and(|header| header.name == b"parent") {
        expect_id(&mut rest, b"parent", hash)?;
    }
    expect(&mut rest, b"author")?;
    expect(&mut rest, b"committer")?;
    no_repeats(rest, &[b"tree", b"parent", b"author", b"committer"], &[b"encoding"])?;
    let (payload, signatures) = without_signatures(&headers, body)?;
    let Some(signature) = signatures.of(hash) else { return Ok(None) };
    let kind = check_armour(&signature)?;
    Ok(Some(SignedObject { payload, signature, kind }))
}

fn tag(raw: &[u8], hash: ObjectHash) -> Result<Option<SignedObject>, String> {
    // git looks for the signature's first line everywhere, from the object's start.
    let starts: Vec<usize> = line_starts(raw).filter(|at| begins_signature(&raw[*at..])).collect();
    if starts.is_empty() && !has_signature_header(raw) {
        return Ok(None);
    }
    check_bytes(raw)?;
    let (signed, signature) = match starts.as_slice() {
        [] => return Ok(None),
        [at] => raw.split_at(*at),
        _ => return Err("it holds more than one signature".into()),
    };
    let (headers, body) = headers(signed)?;
    let mut rest = headers.as_slice();
    expect_id(&mut rest, b"object", hash)?;
    expect(&mut rest, b"type")?;
    expect(&mut rest, b"tag")?;
    if rest.first().is_some_and(|header| header.name == b"tagger") {
        expect(&mut rest, b"tagger")?;
    }
    if let Some(header) = rest.iter().find(|header| !header.name.starts_with(SIGNATURE_HEADER)) {
        return Err(format!("the header {} is not a tag's, or not in its place", shown(header.name)));
    }
    let (payload, signatures) = without_signatures(&headers, body)?;
    if signatures.of(hash).is_some() {
        return Err("it has a signature in its headers and one at its end".into());
    }
    let signature = text(signature)?;
    let kind = check_armour(&signature)?;
    Ok(Some(SignedObject { payload, signature, kind }))
}

/// A header with its lines as they stand, the last line break included.
struct Header<'a> {
    name: &'a [u8],
    lines: &'a [u8],
    continued: bool,
}

/// Splits at the blank line, which stays with the body.
fn headers(raw: &[u8]) -> Result<(Vec<Header<'_>>, &[u8]), String> {
    let mut found: Vec<Header<'_>> = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        if raw[at] == b'\n' {
            return Ok((found, &raw[at..]));
        }
        let end = raw[at..].iter().position(|b| *b == b'\n').ok_or("its headers do not end in a blank line")? + at + 1;
        let line = &raw[at..end];
        if line[0] == b' ' {
            let last = found.last_mut().ok_or("it begins with a blank")?;
            // Both are slices of `raw`, one after the other.
            let start = at - last.lines.len();
            last.lines = &raw[start..end];
            last.continued = true;
        } else {
            let blank = line.iter().position(|b| *b == b' ');
            let name =
                blank.map(|blank| &line[..blank]).ok_or_else(|| format!("the header {} has no value", shown(line)))?;
            if name.iter().any(|b| !b.is_ascii_graphic()) {
                return Err(format!("the header {} is named oddly", shown(name)));
            }
            found.push(Header { name, lines: line, continued: false });
        }
        at = end;
    }
    Err("its headers do not end in a blank line".into())
}

/// Takes a header that has to stand here, on one line.
fn expect<'a>(rest: &mut &'a [Header<'a>], name: &[u8]) -> Result<&'a [u8], String> {
    match rest.split_first() {
        Some((header, tail)) if header.name == name && !header.continued => {
            *rest = tail;
            Ok(&header.lines[name.len() + 1..header.lines.len() - 1])
        }
        Some((header, _)) => {
            Err(format!("the header {} stands where {} has to, on one line", shown(header.name), shown(name)))
        }
        None => Err(format!("the header {} is missing", shown(name))),
    }
}

fn expect_id<'a>(rest: &mut &'a [Header<'a>], name: &[u8], hash: ObjectHash) -> Result<(), String> {
    let id = expect(rest, name)?;
    let lower = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    if id.len() == hash.digits() && id.iter().all(lower) {
        Ok(())
    } else {
        Err(format!("the header {} names no object of {} hexadecimal digits", shown(name), hash.digits()))
    }
}

fn no_repeats(rest: &[Header<'_>], gone: &[&[u8]], once: &[&[u8]]) -> Result<(), String> {
    for (index, header) in rest.iter().enumerate() {
        let before = || rest[..index].iter().any(|other| other.name == header.name);
        if gone.contains(&header.name) || (once.contains(&header.name) && before()) {
            return Err(format!("the header {} stands there twice or in an odd place", shown(header.name)));
        }
    }
    Ok(())
}

/// The signatures in headers, by the hash that they are for.
#[derive(Default)]
struct Signatures {
    sha1: Option<String>,
    sha256: Option<String>,
}

impl Signatures {
    fn of(self, hash: ObjectHash) -> Option<String> {
        match hash {
            ObjectHash::Sha1 => self.sha1,
            ObjectHash::Sha256 => self.sha256,
        }
    }
}

/// The object without its signature headers, and these.
fn without_signatures(headers: &[Header<'_>], body: &[u8]) -> Result<(Vec<u8>, Signatures), String> {
    let mut payload = Vec::new();
    let mut found = Signatures::default();
    for header in headers {
        if !header.name.starts_with(SIGNATURE_HEADER) {
            payload.extend_from_slice(header.lines);
            continue;
        }
        let slot = match header.name {
            name if name == ObjectHash::Sha1.header() => &mut found.sha1,
            name if name == ObjectHash::Sha256.header() => &mut found.sha256,
            // git leaves these out of what it verifies: whatever they hold, nobody signed it.
            name => return Err(format!("the header {} is not one of git's", shown(name))),
        };
        if slot.is_some() {
            return Err(format!("it has two signatures in {}", shown(header.name)));
        }
        let value = &header.lines[header.name.len() + 1..];
        let mut unfolded = Vec::with_capacity(value.len());
        for (index, line) in value.split_inclusive(|b| *b == b'\n').enumerate() {
            unfolded.extend_from_slice(if index == 0 { line } else { &line[1..] });
        }
        let signature = text(&unfolded)?;
        // Also that of the other hash: it stays in the object unverified, so it has to be no more than a signature.
        check_armour(&signature)?;
        *slot = Some(signature);
    }
    payload.extend_from_slice(body);
    Ok((payload, found))
}

/// One block of a known kind, and nothing beside it but blank lines behind.
fn check_armour(signature: &str) -> Result<SignatureKind, String> {
    let mut lines = signature.trim_end_matches('\n').split('\n');
    let first = lines.next().unwrap_or_default();
    let kind = SignatureKind::ALL.into_iter().find(|kind| first == kind.begin()).ok_or_else(|| {
        format!("its signature begins with {}, which is no kind that is known", shown(first.as_bytes()))
    })?;
    if lines.next_back() != Some(kind.end()) {
        return Err(format!("its signature does not end with `{}`", kind.end()));
    }
    if lines.any(|line| line.starts_with("-----")) {
        return Err("it holds more than one signature".into());
    }
    Ok(kind)
}

fn has_signature_header(raw: &[u8]) -> bool {
    raw.split(|b| *b == b'\n').take_while(|line| !line.is_empty()).any(|line| line.starts_with(SIGNATURE_HEADER))
}

/// As git decides: by the line's beginning, the old form that wraps its message too.
fn begins_signature(line: &[u8]) -> bool {
    line.starts_with(b"-----BEGIN")
        && (line.starts_with(b"-----BEGIN PGP MESSAGE-----")
            || SignatureKind::ALL.iter().any(|kind| line.starts_with(kind.begin().as_bytes())))
}

fn line_starts(raw: &[u8]) -> impl Iterator<Item = usize> {
    let breaks = raw.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(breaks).filter(|at| *at < raw.len())
}

fn check_bytes(raw: &[u8]) -> Result<(), String> {
    if raw.len() > SignatureLimits::OBJECT {
        return Err(format!("it is over the limit of {} bytes", SignatureLimits::OBJECT));
    }
    if raw.contains(&0) {
        return Err("it holds a NUL: what follows one is signed, but git does not show it".into());
    }
    Ok(())
}

fn text(signature: &[u8]) -> Result<String, String> {
    if signature.len() > SignatureLimits::SIGNATURE {
        return Err(format!("its signature is over the limit of {} bytes", SignatureLimits::SIGNATURE));
    }
    let plain = |b: &u8| *b == b'\n' || *b == b'\t' || *b == b' ' || b.is_ascii_graphic();
    if !signature.iter().all(|b| plain(b) || *b == b'\r') {
        return Err("its signature holds other characters than printable ASCII".into());
    }
    String::from_utf8(signature.to_vec()).map_err(|_| "its signature is no text".into())
}

/// A few bytes for a message, without control characters.
fn shown(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]))
}
