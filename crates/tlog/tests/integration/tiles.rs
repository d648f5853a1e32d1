//! Tiles: Tessera's log, growth across tile borders, paths, and malformed tiles.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use provost_model::Digest;
use provost_tlog::*;

struct Folder(PathBuf);

impl TileReader for Folder {
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, TlogError> {
        std::fs::read(self.0.join(path.to_string()))
            .map_err(|e| TlogError::Unreadable { path: path.to_string(), why: e.to_string() })
    }
}

#[test]
fn tessera_log() {
    let Some(root) = provost_testkit::vectors("tlog/log") else { return };
    let folder = Folder(root);
    let mut checkpoints = BTreeMap::new();
    for size in 1..=15_u64 {
        let Ok(bytes) = std::fs::read(folder.0.join(format!("checkpoint.{size}"))) else { continue };
        let checkpoint = SignedCheckpoint::parse(&bytes).expect("checkpoint").unverified().clone();
        let nodes = TileNodes::new(&folder, size);
        assert_eq!(subtree_root(&nodes, size).expect("root"), checkpoint.root);
        let path = entry_tile_path(0, size).expect("path");
        let bytes = folder.tile(&path).expect("entries");
        let entries = decode_entries(&bytes).expect("decodes");
        assert_eq!(entries.len() as u64, size);
        for (index, entry) in entries.iter().enumerate() {
            let proof = inclusion_proof(&nodes, index as u64, size).expect("proof");
            verify_inclusion(&leaf_hash(entry), index as u64, size, &proof, &checkpoint.root).expect("included");
        }
        for (old, old_root) in &checkpoints {
            let proof = consistency_proof(&nodes, *old, size).expect("proof");
            verify_consistency(*old, size, old_root, &checkpoint.root, &proof).expect("consistent");
        }
        checkpoints.insert(size, checkpoint.root);
    }
    assert!(checkpoints.len() > 10);
}

#[derive(Default)]
struct Memory(RefCell<BTreeMap<TilePath, Vec<u8>>>);

impl TileReader for Memory {
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, TlogError> {
        let missing = TlogError::Unreadable { path: path.to_string(), why: "absent".into() };
        self.0.borrow().get(path).cloned().ok_or(missing)
    }
}

#[test]
fn growth_over_tile_borders() {
    // In one step, by odd steps, and one by one around the borders, the tree is the same.
    for steps in [vec![66_000], vec![255, 1, 1, 255, 300, 65_000 - 256, 278, 186], vec![65_535, 1, 1]] {
        let memory = Memory::default();
        let (mut size, mut all) = (0_u64, Vec::new());
        for step in steps {
            let new: Vec<Digest> = (size..size + step).map(|i| leaf_hash(&i.to_be_bytes())).collect();
            let growth = grow(&memory, size, &new).expect("grows");
            memory.0.borrow_mut().extend(growth.tiles);
            all.extend(new);
            size = growth.size;
            assert_eq!(size, all.len() as u64);
            assert_eq!(growth.root, root_of(&all), "at {size}");
            assert_eq!(subtree_root(&TileNodes::new(&memory, size), size).expect("root"), growth.root);
        }
        let nodes = TileNodes::new(&memory, size);
        let root = root_of(&all);
        for index in [0, 1, 255, 256, 65_279, 65_534, size - 1] {
            let proof = inclusion_proof(&nodes, index, size).expect("proof");
            verify_inclusion(&all[index as usize], index, size, &proof, &root).expect("included");
        }
        for old in [1, 255, 256, 257, 65_535, size - 1, size] {
            let proof = consistency_proof(&nodes, old, size).expect("proof");
            verify_consistency(old, size, &root_of(&all[..old as usize]), &root, &proof).expect("consistent");
        }
    }
}

#[test]
fn paths_have_one_spelling() {
    // C2SP tlog-tiles, "Merkle tree".
    let path = TilePath::hashes(0, 1_234_067, 256).expect("path");
    assert_eq!(path.to_string(), "tile/0/x001/x234/067");
    assert_eq!(TilePath::hashes(1, 273, 6).expect("path").to_string(), "tile/1/273.p/6");
    for good in ["tile/0/x001/x234/067", "tile/1/273.p/6", "tile/entries/000", "tile/entries/x001/000.p/255"] {
        assert_eq!(good.parse::<TilePath>().expect(good).to_string(), good);
    }
    for bad in [
        "tile/0/x000/067",
        "tile/0/67",
        "tile/0/001/067",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/8/000",
        "tile/00/000",
        "tile/entries/../../etc/passwd",
        "/tile/0/000",
        "tile/0/000/",
        "",
        "tile/-1/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert!(bad.parse::<TilePath>().is_err(), "{bad}");
    }
}

#[test]
fn malformed_tiles() {
    let mut tile = Vec::new();
    encode_entry(&mut tile, b"one").expect("fits");
    encode_entry(&mut tile, b"").expect("fits");
    assert_eq!(decode_entries(&tile).expect("decodes"), [&b"one"[..], b""]);
    for cut in [1, 2, 4, tile.len() - 1] {
        assert!(decode_entries(&tile[..cut]).is_err(), "cut at {cut}");
    }
    assert!(encode_entry(&mut tile, &vec![0; Limits::ENTRY + 1]).is_err());
    assert!(decode_entries(&[0_u8; 2 * 257]).is_err(), "257 empty entries");
    assert!(hashes_of_tile(&[0; 31]).is_err());
    assert!(hashes_of_tile(&[]).is_err());
    assert!(hashes_of_tile(&vec![0; 257 * 32]).is_err());
}
