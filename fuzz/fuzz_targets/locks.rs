//! Every reader of lockfiles and manifests, picked by the first byte: it ends, and what it hands out holds together.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_formats::lock::{Input, MAXIMUM_PACKAGES, READERS};

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let readers: Vec<_> = READERS.iter().flat_map(|group| group.iter()).collect();
    let Some(reader) = readers.get(usize::from(*first) % readers.len().max(1)) else { return };
    // What lies beside it is the same text, so that its reader is reached too.
    let input = Input { path: "directory/file", bytes, beside: &|_| Some(bytes.to_vec()) };
    let Ok(inventory) = (reader.read)(&input) else { return };
    assert!(inventory.packages.len() <= MAXIMUM_PACKAGES);
    let known = |index: &usize| *index < inventory.packages.len();
    assert!(inventory.packages.iter().all(|package| package.dependencies.iter().all(known)));
    assert!(inventory.roots.iter().all(|root| root.dependencies.iter().all(|(index, _)| known(index))));
});
