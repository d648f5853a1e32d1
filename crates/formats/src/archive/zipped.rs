//! ZIP. The central directory decides what the members are; sizes in it are claims that the caller's budget checks.

use super::{ArchiveError, Member, ReadSeek, Visit, lossy};
use zip::result::ZipError;

pub(super) fn members(source: &mut dyn ReadSeek, limit: usize, visit: &mut Visit<'_>) -> Result<(), ArchiveError> {
    let mut archive =
        zip::ZipArchive::new(source).map_err(|e| ArchiveError::Broken { kind: "zip", why: e.to_string() })?;
    for index in 0..archive.len() {
        if index == limit {
            return Err(ArchiveError::Entries { limit });
        }
        let (name, size, directory) = match archive.by_index_raw(index) {
            Ok(file) => (lossy(file.name_raw()), file.size(), file.is_dir()),
            Err(e) => {
                let member = Member { name: format!("member {index}"), claimed: None, special: None };
                let error = ArchiveError::Broken { kind: "zip", why: e.to_string() };
                if visit(&member, Err(error)).is_break() {
                    return Ok(());
                }
                continue;
            }
        };
        if directory {
            continue;
        }
        let member = Member { name: name.clone(), claimed: Some(size), special: None };
        let go_on = match archive.by_index(index) {
            Ok(mut file) => visit(&member, Ok(&mut file)),
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                visit(&member, Err(ArchiveError::Encrypted { name }))
            }
            Err(ZipError::UnsupportedArchive(why) | ZipError::InvalidArchive(std::borrow::Cow::Borrowed(why))) => {
                visit(&member, Err(ArchiveError::Method { name, why: why.to_owned() }))
            }
            Err(e) => visit(&member, Err(ArchiveError::Broken { kind: "zip", why: e.to_string() })),
        };
        if go_on.is_break() {
            return Ok(());
        }
    }
    Ok(())
}
