//! 7z.

use std::io::Read;

use super::{ArchiveError, Member, ReadSeek, Visit};

/// So much of a member that nobody wanted is unpacked to reach the next one.
const PASSED_OVER: u64 = 1 << 30;

pub(super) fn members(source: &mut dyn ReadSeek, limit: usize, visit: &mut Visit<'_>) -> Result<(), ArchiveError> {
    let broken = |e: sevenz_rust2::Error| ArchiveError::Broken { kind: "7z", why: e.to_string() };
    let mut archive = sevenz_rust2::ArchiveReader::new(source, sevenz_rust2::Password::empty()).map_err(broken)?;
    let mut seen = 0;
    let mut too_many = false;
    archive
        .for_each_entries(&mut |entry: &sevenz_rust2::ArchiveEntry, reader: &mut dyn Read| {
            if entry.is_directory() || !entry.has_stream() {
                return Ok(true);
            }
            if seen == limit {
                too_many = true;
                return Ok(false);
            }
            seen += 1;
            let name: String = entry.name().chars().take(4096).collect();
            let member = Member { name, claimed: Some(entry.size()), special: None };
            let go_on = visit(&member, Ok(reader)).is_continue();
            if go_on {
                // Members of a block follow one another in one stream: what was not read has to be passed over. The
                // stream of a block ends where its members end.
                std::io::copy(&mut reader.take(PASSED_OVER), &mut std::io::sink())?;
            }
            Ok(go_on)
        })
        .map_err(broken)?;
    if too_many { Err(ArchiveError::Entries { limit }) } else { Ok(()) }
}
