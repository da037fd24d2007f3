/// A split-block Bloom filter: one cache line per question. Source: Putze, Sanders and Singler, "Cache-,
/// Hash- and Space-Efficient Bloom Filters"; the blocks are Parquet's.
#[derive(Debug, Default)]
pub(super) struct Filter {
    blocks: Vec<[u32; 8]>,
}

const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];
// Of 256 bits each; 11 bits for each value keep 44 million values below 64 MB.
const BITS_EACH: u64 = 11;

impl Filter {
    pub(super) fn with_room(values: u64) -> Filter {
        let blocks = (values.saturating_mul(BITS_EACH) / 256).saturating_add(1);
        Filter { blocks: vec![[0; 8]; usize::try_from(blocks).unwrap_or(1)] }
    }

    pub(super) fn bytes(&self) -> usize {
        self.blocks.len().saturating_mul(32)
    }

    #[inline]
    fn place(&self, hash: u64) -> usize {
        (((hash >> 32) * self.blocks.len() as u64) >> 32) as usize
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let place = self.place(hash);
        if let Some(block) = self.blocks.get_mut(place) {
            for (word, mask) in block.iter_mut().zip(masks(hash)) {
                *word |= mask;
            }
        }
    }

    #[inline]
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        let Some(block) = self.blocks.get(self.place(hash)) else { return false };
        block.iter().zip(masks(hash)).fold(0, |missing, (word, mask)| missing | (mask & !word)) == 0
    }

    pub(super) fn words(&self) -> impl Iterator<Item = u32> {
        self.blocks.iter().flatten().copied()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Filter {
        let (blocks, _) = bytes.as_chunks::<32>();
        let words = |block: &[u8; 32]| {
            let (words, _) = block.as_chunks::<4>();
            let mut made = [0; 8];
            for (to, from) in made.iter_mut().zip(words) {
                *to = u32::from_le_bytes(*from);
            }
            made
        };
        Filter { blocks: blocks.iter().map(words).collect() }
    }
}

#[inline]
fn masks(hash: u64) -> [u32; 8] {
    let low = hash as u32;
    SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27))
}
