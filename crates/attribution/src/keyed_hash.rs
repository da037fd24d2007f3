//! SipHash-2-4 under a secret key: what the value index keeps of a value.

/// A secret of 128 bits; without it the hashes of an index say nothing about the values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey {
    k0: u64,
    k1: u64,
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

impl HashKey {
    /// Takes the key from 16 random bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> HashKey {
        let value = u128::from_le_bytes(bytes);
        HashKey { k0: low(value), k1: low(value >> 64) }
    }

    /// Hashes `bytes` in a space of its own for each `class`. Source: Aumasson and Bernstein, SipHash-2-4.
    #[inline]
    pub(crate) fn hash(&self, class: u8, bytes: &[u8]) -> u64 {
        let k0 = self.k0 ^ (u64::from(class) << 56);
        let mut state = [
            k0 ^ 0x736f_6d65_7073_6575,
            self.k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            self.k1 ^ 0x7465_6462_7974_6573,
        ];
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            absorb(&mut state, u64::from_le_bytes(*word));
        }
        let mut last = (bytes.len() as u64) << 56;
        for (place, byte) in tail.iter().enumerate() {
            last |= u64::from(*byte) << (8 * place);
        }
        absorb(&mut state, last);
        state[2] ^= 0xff;
        for _ in 0..4 {
            round(&mut state);
        }
        state[0] ^ state[1] ^ state[2] ^ state[3]
    }

    /// Derives the key of the checksum.
    pub(crate) fn checksum_key(&self) -> [u8; 32] {
        let mut bytes = [0; 16];
        let (low, high) = bytes.split_at_mut(8);
        low.copy_from_slice(&self.k0.to_le_bytes());
        high.copy_from_slice(&self.k1.to_le_bytes());
        blake3::derive_key("rastro value index checksum v1", &bytes)
    }
}

fn low(value: u128) -> u64 {
    (value & u128::from(u64::MAX)) as u64
}

#[inline]
fn absorb(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    round(state);
    state[0] ^= word;
}

#[inline]
fn round([v0, v1, v2, v3]: &mut [u64; 4]) {
    *v0 = v0.wrapping_add(*v1);
    *v1 = v1.rotate_left(13) ^ *v0;
    *v0 = v0.rotate_left(32);
    *v2 = v2.wrapping_add(*v3);
    *v3 = v3.rotate_left(16) ^ *v2;
    *v0 = v0.wrapping_add(*v3);
    *v3 = v3.rotate_left(21) ^ *v0;
    *v2 = v2.wrapping_add(*v1);
    *v1 = v1.rotate_left(17) ^ *v2;
    *v2 = v2.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_of_published_vector_is_as_published() {
        let key = HashKey::from_bytes(std::array::from_fn(|at| at as u8));
        let message: Vec<u8> = (0..15).collect();
        assert_eq!(key.hash(0, &message), 0xa129_ca61_49be_45e5);
        assert_ne!(key.hash(1, &message), key.hash(0, &message));
    }
}
