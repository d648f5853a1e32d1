//! What binaries record of the packages they were built from: Go's build information, the list that cargo-auditable puts
//! into Rust's binaries, and the package notes of Linux distributions. Binaries may be large: only headers and the
//! sections in question are read.

mod go;
mod note;
mod object;
mod rust;
mod symbols;

use std::collections::HashSet;

use provost_model::{Completeness, Inventory};

pub use self::object::Format;
use self::object::{Bytes, Object};
pub use self::symbols::{GoSymbols, MAXIMUM_NAMES, MAXIMUM_SYMBOLS};
use crate::archive::ReadSeek;
use crate::lock::LockError;
use crate::system::problem;

/// Bytes that [`sniff`] wants to see.
pub const SNIFF: usize = 8;

/// Bytes of a binary that are searched at most, where no section tells the place.
pub const MAXIMUM_SEARCH: u64 = 1 << 30;

/// Bytes of one record of build information at most.
pub const MAXIMUM_RECORD: u64 = 16 << 20;

/// Bytes that a compressed record may unfold to.
pub const MAXIMUM_INFLATED: u64 = 8 << 20;

/// Recognises a binary by its first bytes (up to [`SNIFF`] of them).
pub fn sniff(head: &[u8]) -> Option<Format> {
    object::sniff(head)
}

/// The packages that a binary says it was built from. `None`: it is no binary, or it says nothing of them.
///
/// # Errors
/// Its headers are broken, or what it says cannot be read.
pub fn packages(source: &mut dyn ReadSeek) -> Option<Result<Inventory, LockError>> {
    let mut found: Option<Inventory> = None;
    let mut error = None;
    let done = each_object(source, &mut |bytes, object| {
        for read in [go::read, rust::read, note::read] {
            match read(bytes, object) {
                Some(Ok(inventory)) => found = Some(joined(found.take(), inventory)),
                Some(Err(why)) => error = error.take().or(Some(why)),
                None => {}
            }
        }
    });
    let error = error.or(done.err());
    match (found, error) {
        (Some(mut inventory), Some(error)) => {
            problem(&mut inventory, None, error.what);
            Some(Ok(inventory))
        }
        (Some(inventory), None) => Some(Ok(inventory)),
        (None, Some(error)) => Some(Err(error)),
        (None, None) => None,
    }
}

/// The functions of a Go binary, as advisories name them. They are there even in a stripped one: the runtime needs them.
/// `None`: it is no binary, or it has no table of Go functions.
///
/// # Errors
/// Its headers are broken, or the table cannot be read.
pub fn go_symbols(source: &mut dyn ReadSeek) -> Option<Result<GoSymbols, LockError>> {
    let mut found: Option<Result<GoSymbols, LockError>> = None;
    let done = each_object(source, &mut |bytes, object| {
        found = match (found.take(), symbols::read(bytes, object)) {
            (Some(Ok(mut before)), Some(Ok(more))) => {
                before.extend(more);
                Some(Ok(before))
            }
            (before @ Some(Ok(_)), _) => before,
            (before, now) => now.or(before),
        };
    });
    match (found, done) {
        (None, Err(error)) => Some(Err(error)),
        (found, _) => found,
    }
}

/// Every object of a file: one, but for Mach-O's universal binaries.
fn each_object(source: &mut dyn ReadSeek, visit: &mut dyn FnMut(&mut Bytes<'_>, &Object)) -> Result<(), LockError> {
    let mut bytes = Bytes::whole(source)?;
    let head = bytes.up_to(0, SNIFF)?;
    match object::sniff(&head) {
        None => Ok(()),
        Some(Format::Universal) => {
            let slices = object::slices(&mut bytes)?;
            let mut error = None;
            for (offset, size) in slices {
                let mut slice = bytes.slice(offset, size);
                match object::read(&mut slice) {
                    Ok(object) => visit(&mut slice, &object),
                    Err(why) => error = error.or(Some(why)),
                }
            }
            error.map_or(Ok(()), Err)
        }
        Some(_) => {
            let object = object::read(&mut bytes)?;
            visit(&mut bytes, &object);
            Ok(())
        }
    }
}

/// Two records of one file as one inventory: what both say, once.
fn joined(first: Option<Inventory>, mut second: Inventory) -> Inventory {
    let Some(mut first) = first else { return second };
    let known: HashSet<_> =
        first.packages.iter().map(|one| (one.ecosystem, one.name.clone(), one.version.clone())).collect();
    let offset = first.packages.len();
    if first.kind != second.kind {
        first.kind = format!("{}, {}", first.kind, second.kind);
        first.completeness = Completeness::List;
        for package in &mut second.packages {
            package.dependencies.iter_mut().for_each(|index| *index += offset);
        }
        for root in &mut second.roots {
            root.dependencies.iter_mut().for_each(|(index, _)| *index += offset);
        }
        first.packages.append(&mut second.packages);
        first.roots.append(&mut second.roots);
    } else {
        // The same program for another machine: what it has besides.
        for mut package in second.packages {
            if !known.contains(&(package.ecosystem, package.name.clone(), package.version.clone())) {
                package.dependencies.clear();
                first.packages.push(package);
            }
        }
    }
    first.problems.append(&mut second.problems);
    first
}

#[cfg(test)]
mod tests;
