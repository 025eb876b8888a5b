//! The order in which AITER looks at the rows of a manifest.
//!
//! AITER keeps a manifest in a `std::unordered_map` keyed by architecture and kernel name, walks it, and lets the
//! first of two equally good rows win. So its choice among them depends on libstdc++'s hash table. This is that
//! order for a library built for gfx950 alone: MurmurHash64A with libstdc++'s seed, bucket counts that grow to the
//! next prime beyond double, new buckets at the front of the chain and new entries at the front of their bucket.

/// What libstdc++ hashes strings with.
const SEED: u64 = 0xc70f_6907;
const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;

/// The bucket counts of a growing libstdc++ table. The last is used for all larger manifests too: then the order
/// is no longer AITER's, but still a fixed one. No manifest has a tenth of these rows.
const BUCKETS: [usize; 7] = [13, 29, 59, 127, 257, 541, 1109];

/// The indices of `names` in the order of AITER's walk. Of equal names only the first counts.
pub(crate) fn walk<'a>(names: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let mut buckets = BUCKETS[0];
    let mut chain: Vec<Entry> = Vec::new();
    for (index, name) in names.enumerate() {
        let entry = Entry { index, hash: hash(format!("gfx950{name}").as_bytes()), name };
        if chain.iter().any(|other| other.name == name) {
            continue;
        }
        if chain.len() == buckets
            && let Some(&larger) = BUCKETS.iter().find(|&&count| count > buckets)
        {
            buckets = larger;
            let old = std::mem::take(&mut chain);
            old.into_iter().for_each(|entry| insert(&mut chain, entry, buckets));
        }
        insert(&mut chain, entry, buckets);
    }
    chain.into_iter().map(|entry| entry.index).collect()
}

struct Entry<'a> {
    index: usize,
    hash: u64,
    name: &'a str,
}

fn insert<'a>(chain: &mut Vec<Entry<'a>>, entry: Entry<'a>, buckets: usize) {
    let bucket = |entry: &Entry<'_>| entry.hash % buckets as u64;
    let place = chain.iter().position(|other| bucket(other) == bucket(&entry)).unwrap_or(0);
    chain.insert(place, entry);
}

fn hash(bytes: &[u8]) -> u64 {
    let mix = |value: u64| value ^ (value >> 47);
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        let data = mix(u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
        hash = (hash ^ data).wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let data = tail.iter().rev().fold(0, |data, &byte| data << 8 | u64::from(byte));
        hash = (hash ^ data).wrapping_mul(MULTIPLIER);
    }
    mix(mix(hash).wrapping_mul(MULTIPLIER))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The expected values were printed by a C++ program of ours, built with GCC 12's libstdc++.

    #[test]
    fn the_hash_is_libstdcxxs() {
        assert_eq!(hash(b"gfx950abc"), 12_299_520_037_984_982_551);
        assert_eq!(hash(b"gfx950_ZN5aiter"), 14_879_000_220_337_427_713);
    }

    #[test]
    fn a_small_table_is_walked_as_libstdcxx_walks_it() {
        let names = ["a", "b", "kernel_c", "d", "ee", "f"];
        assert_eq!(walk(names.into_iter()), [4, 2, 1, 5, 3, 0]);
        assert_eq!(walk(["a", "a"].into_iter()), [0]);
        assert!(walk(std::iter::empty()).is_empty());
    }

    #[test]
    fn a_table_that_grew_twice_is_walked_as_libstdcxx_walks_it() {
        let names: Vec<String> = (0..40).map(|index| format!("k{index}")).collect();
        assert_eq!(walk(names.iter().map(String::as_str)), EXPECTED);
    }

    const EXPECTED: [usize; 40] = [
        39, 38, 36, 34, 33, 32, 37, 31, 30, 29, 10, 5, 27, 35, 7, 13, 26, 3, 6, 2, 1, 15, 8, 18, 0, 19, 14,
        16, 23, 25, 17, 9, 20, 21, 12, 22, 24, 4, 11, 28,
    ];
}
