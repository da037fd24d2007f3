//! The right edge of a growing tree: what is needed to add leaves and to compute the root.

use super::{Hash, TILE_WIDTH, TileId, digest, hash_node, merkle_root};

/// Levels of tiles that 2^64 leaves need.
const LEVELS_MAX: usize = 8;

/// The tiles that are not full yet, one a level; at most 255 hashes of 32 bytes in each of 8 levels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Frontier {
    /// Returns the frontier of the empty tree.
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// Rebuilds a frontier from its partial tiles, lowest level first; `None` if their widths do not fit
    /// `size`.
    pub fn from_tiles(size: u64, levels: Vec<Vec<Hash>>) -> Option<Frontier> {
        let frontier = Frontier { size, levels };
        let fits = |level: usize| frontier.partial(level).len() == TileId::partial_width(size, level as u8);
        (frontier.levels.len() <= LEVELS_MAX && (0..LEVELS_MAX).all(fits)).then_some(frontier)
    }

    /// Returns the number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the hashes of the tile of `level` that is not full; empty if there is none.
    pub fn partial(&self, level: usize) -> &[Hash] {
        self.levels.get(level).map_or(&[], Vec::as_slice)
    }

    /// Returns how many levels have been begun.
    pub fn height(&self) -> usize {
        self.levels.len()
    }

    /// Adds a leaf; calls `full` with every tile that became full, lowest level first. Amortised one hash.
    pub fn push(&mut self, leaf: Hash, full: impl FnMut(TileId, &[Hash])) {
        self.size += 1;
        self.push_at(0, leaf, full);
    }

    /// Adds the 256 leaves of a full tile by their root; `false`, and nothing is added, unless the last tile
    /// is full.
    pub fn push_tile(&mut self, root: Hash) -> bool {
        let fits = self.partial(0).is_empty();
        if fits {
            self.size += TILE_WIDTH as u64;
            if self.levels.is_empty() {
                self.levels.push(Vec::with_capacity(TILE_WIDTH));
            }
            self.push_at(1, root, |_, _| {});
        }
        fits
    }

    fn push_at(&mut self, lowest: usize, mut hash: Hash, mut full: impl FnMut(TileId, &[Hash])) {
        for level in lowest..=LEVELS_MAX {
            if self.levels.len() <= level {
                self.levels.push(Vec::with_capacity(TILE_WIDTH));
            }
            let Some(tile) = self.levels.get_mut(level) else { return };
            tile.push(hash);
            if tile.len() < TILE_WIDTH {
                return;
            }
            let leaves_of_tile = 8 * (level as u32 + 1);
            let index = self.size.checked_shr(leaves_of_tile).unwrap_or(0).saturating_sub(1);
            full(TileId { level: level as u8, index, width: TILE_WIDTH }, tile);
            hash = merkle_root(tile);
            tile.clear();
        }
    }

    /// Returns the root of the tree. O(256 · levels) hashing.
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for tile in &self.levels {
            // Perfect subtrees of a level, largest first; the tree joins them from the right.
            let mut starts = Vec::new();
            let mut at = 0usize;
            for bit in (0..usize::BITS).rev() {
                let len = 1usize << bit;
                if tile.len() & len != 0 {
                    starts.push(tile.get(at..at + len).unwrap_or_default());
                    at += len;
                }
            }
            for subtree in starts.into_iter().rev() {
                let left = merkle_root(subtree);
                root = Some(root.map_or(left, |right| hash_node(&left, &right)));
            }
        }
        root.unwrap_or_else(|| digest(&[]))
    }
}
