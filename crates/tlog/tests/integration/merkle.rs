//! RFC 6962 proofs: transparency-dev/merkle's vectors, and properties of our own trees.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use provost_model::Digest;
use provost_testkit::{files_below, vectors};
use provost_tlog::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// Some cases use short texts such as "don't care" for roots. Our types hold 32 bytes only, so those stand for
/// their SHA-256: equal texts stay equal, others differ.
fn digest(text: &str) -> Option<Digest> {
    let bytes = STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())?;
    Some(bytes.as_slice().try_into().map_or_else(|_| provost_model::sha256(&bytes), Digest::from_bytes))
}

fn proof(list: Option<Vec<String>>) -> Option<Vec<Digest>> {
    list.unwrap_or_default().iter().map(|text| digest(text)).collect()
}

fn inclusion_holds(case: Inclusion) -> Option<()> {
    let (leaf, root) = (digest(&case.leaf_hash)?, digest(&case.root)?);
    verify_inclusion(&leaf, case.leaf_idx, case.tree_size, &proof(case.proof)?, &root).ok()
}

fn consistency_holds(case: Consistency) -> Option<()> {
    let (old, new) = (digest(&case.root1)?, digest(&case.root2)?);
    verify_consistency(case.size1, case.size2, &old, &new, &proof(case.proof)?).ok()
}

#[test]
fn transparency_dev_vectors() {
    let Some(root) = vectors("merkle/testdata") else { return };
    let mut checked = 0;
    for file in files_below(&root.join("inclusion")) {
        let case: Inclusion = serde_json::from_slice(&std::fs::read(&file).expect("file")).expect("case");
        let want = !case.want_err;
        assert_eq!(inclusion_holds(case).is_some(), want, "{}", file.display());
        checked += 1;
    }
    for file in files_below(&root.join("consistency")) {
        let case: Consistency = serde_json::from_slice(&std::fs::read(&file).expect("file")).expect("case");
        let want = !case.want_err;
        assert_eq!(consistency_holds(case).is_some(), want, "{}", file.display());
        checked += 1;
    }
    assert!(checked > 100, "only {checked} cases were found");
}

fn leaves(size: u64) -> Vec<Digest> {
    (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

/// RFC 6962, section 2.1, written as the text has it: the judge of the faster ways.
fn recursive_root(leaves: &[Digest]) -> Digest {
    match leaves.len() {
        0 => empty_root(),
        1 => leaves[0],
        n => {
            let k = 1 << (n - 1).ilog2();
            node_hash(&recursive_root(&leaves[..k]), &recursive_root(&leaves[k..]))
        }
    }
}

#[test]
fn every_proof_of_small_trees() {
    let all = leaves(70);
    let nodes = LeafNodes(&all);
    let roots: Vec<Digest> = (0..=70).map(|n| recursive_root(&all[..n])).collect();
    for size in 0..=70_u64 {
        let root = roots[size as usize];
        assert_eq!(root_of(&all[..size as usize]), root);
        assert_eq!(subtree_root(&nodes, size).expect("root"), root);
        for index in 0..size {
            let proof = inclusion_proof(&nodes, index, size).expect("proof");
            verify_inclusion(&all[index as usize], index, size, &proof, &root).expect("included");
            assert!(verify_inclusion(&leaf_hash(b"no"), index, size, &proof, &root).is_err());
        }
        for old in 1..=size {
            let proof = consistency_proof(&nodes, old, size).expect("proof");
            verify_consistency(old, size, &roots[old as usize], &root, &proof).expect("consistent");
        }
    }
}

proptest! {
    #[test]
    fn any_flipped_bit_of_a_proof_is_refused(size in 2_u64..300, index in 0_u64..300, old in 1_u64..300, bit in 0_usize..256) {
        let (index, old) = (index % size, 1 + old % size);
        let all = leaves(size);
        let nodes = LeafNodes(&all);
        let root = root_of(&all);
        let flip = |proof: &[Digest], at: usize| {
            let mut proof = proof.to_vec();
            let mut bytes = *proof[at].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            proof[at] = Digest::from_bytes(bytes);
            proof
        };
        let proof = inclusion_proof(&nodes, index, size).expect("proof");
        for at in 0..proof.len() {
            prop_assert!(verify_inclusion(&all[index as usize], index, size, &flip(&proof, at), &root).is_err());
        }
        prop_assert!(verify_inclusion(&all[index as usize], index, size, &proof[..proof.len() - 1], &root).is_err());
        let longer = [&proof[..], &[root]].concat();
        prop_assert!(verify_inclusion(&all[index as usize], index, size, &longer, &root).is_err());
        let old_root = root_of(&all[..old as usize]);
        let proof = consistency_proof(&nodes, old, size).expect("proof");
        for at in 0..proof.len() {
            prop_assert!(verify_consistency(old, size, &old_root, &root, &flip(&proof, at)).is_err());
        }
    }
}

#[test]
fn sizes_that_cannot_be() {
    let (leaf, root) = (leaf_hash(b"a"), empty_root());
    assert!(verify_inclusion(&leaf, 0, 0, &[], &root).is_err());
    assert!(verify_inclusion(&leaf, u64::MAX, u64::MAX, &[], &root).is_err());
    assert!(verify_consistency(2, 1, &root, &root, &[]).is_err());
    assert!(verify_consistency(0, 1, &leaf, &root, &[]).is_err(), "a false root of the empty tree");
    assert!(verify_consistency(1, u64::MAX, &root, &root, &[]).is_err());
}
