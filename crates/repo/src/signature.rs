//! Signed objects (placeholder until the strict reader lands).

/// Kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureKind {
    /// SSHSIG.
    Ssh,
    /// OpenPGP.
    OpenPgp,
    /// CMS.
    X509,
}

/// What was signed, and the signature.
#[derive(Debug, Clone)]
pub struct SignedObject {
    /// Bytes.
    pub payload: Vec<u8>,
    /// Armour.
    pub signature: String,
    /// Kind.
    pub kind: SignatureKind,
}

/// Splits.
///
/// # Errors
/// Malformed.
pub fn signed_object(bytes: &[u8], sha256: bool) -> Result<Option<SignedObject>, String> {
    let header: &[u8] = if sha256 { b"gpgsig-sha256 " } else { b"gpgsig " };
    let end = bytes.windows(2).position(|w| w == b"\n\n").unwrap_or(bytes.len());
    let mut payload = Vec::new();
    let mut signature = Vec::new();
    let mut inside = false;
    for line in bytes[..end].split_inclusive(|b| *b == b'\n') {
        if let Some(rest) = line.strip_prefix(header) {
            signature.extend_from_slice(rest);
            inside = true;
        } else if inside && line.first() == Some(&b' ') {
            signature.extend_from_slice(&line[1..]);
        } else {
            inside = false;
            payload.extend_from_slice(line);
        }
    }
    let mut rest = bytes[end..].to_vec();
    if signature.is_empty() && bytes.starts_with(b"object ") {
        let marker = b"-----BEGIN SSH SIGNATURE-----";
        if let Some(at) = rest.windows(marker.len()).position(|w| w == marker) {
            signature = rest.split_off(at);
        }
    }
    if signature.is_empty() {
        return Ok(None);
    }
    payload.extend_from_slice(&rest);
    let signature = String::from_utf8(signature).map_err(|e| e.to_string())?;
    let kind = if signature.contains("SSH SIGNATURE") {
        SignatureKind::Ssh
    } else if signature.contains("PGP SIGNATURE") {
        SignatureKind::OpenPgp
    } else {
        SignatureKind::X509
    };
    Ok(Some(SignedObject { payload, signature, kind }))
}
