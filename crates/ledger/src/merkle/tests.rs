use proptest::prelude::*;

use super::*;

fn leaf(i: u64) -> Hash {
    hash_leaf(&i.to_be_bytes())
}

fn leaves(n: u64) -> Vec<Hash> {
    (0..n).map(leaf).collect()
}

/// The definition of RFC 6962, section 2.1, word for word.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        _ => {
            let k = 1 << (leaves.len() - 1).ilog2();
            hash_node(&mth(&leaves[..k]), &mth(&leaves[k..]))
        }
    }
}

fn hex(hash: Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn roots_of_published_vectors_are_reproduced() {
    // The vectors of the Certificate Transparency reference implementation.
    let inputs: [&[u8]; 8] = [
        &[],
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        b"`abcdefghijklmno",
    ];
    let leaves: Vec<Hash> = inputs.iter().map(|input| hash_leaf(input)).collect();
    for (n, expected) in [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ] {
        assert_eq!(hex(merkle_root(&leaves[..n])), expected, "{n} leaves");
    }
}

#[test]
fn frontier_root_is_the_definition_at_every_size() {
    let mut frontier = Frontier::new();
    let all = leaves(1200);
    for n in 0..1200 {
        if n < 300 || n % 37 == 0 {
            assert_eq!(frontier.root(), mth(&all[..n]), "{n} leaves");
        }
        frontier.push(all[n], |_, _| {});
    }
}

#[test]
fn tiles_of_a_tree_of_70000_are_those_the_specification_counts() {
    let mut full = std::collections::BTreeMap::new();
    let mut frontier = Frontier::new();
    for i in 0..70_000 {
        frontier.push(leaf(i), |id, hashes| assert!(full.insert(id, hashes.to_vec()).is_none()));
    }
    let count = |level| full.keys().filter(|id| id.level == level).count();
    assert_eq!([count(0), count(1), count(2)], [273, 1, 0]);
    assert_eq!([0, 1, 2].map(|level| frontier.partial(level).len()), [112, 17, 1]);
    assert_eq!([0, 1, 2].map(|level| TileId::partial_width(70_000, level)), [112, 17, 1]);
    let of_level_1 = &full[&TileId { level: 1, index: 0, width: 256 }];
    assert_eq!(of_level_1[255], mth(&leaves(65_536)[65_280..]));
    let levels = (0..3).map(|level| frontier.partial(level).to_vec()).collect();
    assert_eq!(Frontier::from_tiles(70_000, levels).as_ref(), Some(&frontier));
    assert_eq!(Frontier::from_tiles(70_001, vec![]), None);
}

#[test]
fn tile_paths_are_as_published() {
    let path = |level, index, width| TileId { level, index, width }.path();
    assert_eq!(path(0, 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(path(1, 0, 17), "tile/1/000.p/17");
    assert_eq!(TileId { level: 0, index: 1000, width: 3 }.bundle_path(), "tile/entries/x001/000.p/3");
}

#[test]
fn inclusion_and_consistency_hold_for_every_pair_of_small_sizes() {
    let all = leaves(40);
    for new in 1..=40u64 {
        let nodes = &all[..new as usize];
        let root = mth(nodes);
        for index in 0..new {
            let Ok(path) = prove_inclusion(nodes, index, new);
            assert_eq!(verify_inclusion(&all[index as usize], index, new, &path, &root), Ok(()));
            assert!(verify_inclusion(&all[index as usize], index + 1, new, &path, &root).is_err());
            assert!(verify_inclusion(&leaf(99), index, new, &path, &root).is_err());
        }
        for old in 0..=new {
            let Ok(proof) = prove_consistency(nodes, old, new);
            let old_root = mth(&all[..old as usize]);
            assert_eq!(verify_consistency(old, new, &proof, &old_root, &root), Ok(()), "{old} {new}");
            if old > 0 {
                assert!(verify_consistency(old, new, &proof, &leaf(9), &root).is_err());
            }
            if 0 < old && old < new {
                assert!(verify_consistency(old, new, &proof, &old_root, &leaf(9)).is_err());
                assert!(verify_consistency(old, new, &proof[1..], &old_root, &root).is_err());
            }
        }
    }
}

proptest! {
    #[test]
    fn prop_altered_proof_is_rejected(size in 2u64..300, at in any::<u64>(), byte in 0usize..32, bit in 0u8..8,
                                      step in any::<usize>()) {
        let all = leaves(size);
        let root = mth(&all);
        let index = at % size;
        let Ok(mut path) = prove_inclusion(all.as_slice(), index, size);
        let step = step % path.len();
        path[step][byte] ^= 1 << bit;
        prop_assert!(verify_inclusion(&leaf(index), index, size, &path, &root).is_err());
        let old = index.max(1);
        let Ok(mut proof) = prove_consistency(all.as_slice(), old, size);
        if !proof.is_empty() {
            let step = step % proof.len();
            proof[step][byte] ^= 1 << bit;
            let old_root = mth(&all[..old as usize]);
            prop_assert!(verify_consistency(old, size, &proof, &old_root, &root).is_err());
        }
    }

    #[test]
    fn prop_proofs_of_any_bytes_never_verify_or_panic(old in any::<u64>(), new in any::<u64>(),
                                                       n in 0usize..70) {
        let proof = vec![[7; 32]; n];
        prop_assert!(verify_inclusion(&[1; 32], old, new, &proof, &[2; 32]).is_err());
        if old != 0 {
            prop_assert!(verify_consistency(old, new, &proof, &[1; 32], &[2; 32]).is_err());
        }
    }

    #[test]
    fn prop_decode_bundle_inverts_encode(entries in prop::collection::vec(
        prop::collection::vec(any::<u8>(), 0..300), 0..256)) {
        let bundle = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
        prop_assert_eq!(decode_bundle(&bundle).unwrap(), entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
        if !bundle.is_empty() {
            prop_assert!(decode_bundle(&bundle[..bundle.len() - 1]).is_err());
        }
    }
}

proptest! {
    #[test]
    fn prop_digest_on_the_stack_is_sha_256(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..6)) {
        use sha2::Digest;
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let expected: Hash = sha2::Sha256::digest(parts.concat()).into();
        prop_assert_eq!(digest(&slices), expected);
    }
}
