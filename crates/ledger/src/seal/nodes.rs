//! The tree as its stored tiles give it.

use super::SealError;
use crate::merkle::{Hash, Nodes, TILE_WIDTH, TileId, merkle_root};
use crate::store::Store;

/// The nodes of a tree as its stored tiles give them.
pub struct StoredNodes<'a> {
    store: &'a dyn Store,
    size: u64,
}

impl<'a> StoredNodes<'a> {
    /// Reads the tree of `size` leaves, a size that a checkpoint had.
    pub fn new(store: &'a dyn Store, size: u64) -> StoredNodes<'a> {
        StoredNodes { store, size }
    }

    /// Returns the hashes of a tile; of a partial tile that has been filled meanwhile, as many as it had.
    ///
    /// # Errors
    /// The tile is missing or damaged.
    pub fn tile(&self, id: TileId) -> Result<Vec<Hash>, SealError> {
        let missing = || SealError::Missing { name: id.path() };
        for path in [id.path(), TileId { width: TILE_WIDTH, ..id }.path()] {
            if let Some(bytes) = self.store.read(&path).map_err(SealError::store(&path))? {
                let (hashes, rest) = bytes.as_chunks::<32>();
                let hashes = hashes.get(..id.width).filter(|_| rest.is_empty()).ok_or_else(missing)?;
                return Ok(hashes.to_vec());
            }
        }
        Err(missing())
    }
}

impl Nodes for StoredNodes<'_> {
    type Error = SealError;

    fn node(&self, height: u32, index: u64) -> Result<Hash, SealError> {
        let (level, within) = ((height / 8) as u8, height % 8);
        let first = index << within;
        let missing = || SealError::Missing { name: format!("tile/{level}") };
        let id = TileId::containing(level, first, self.size).ok_or_else(missing)?;
        let at = (first % 256) as usize;
        let hashes = self.tile(id)?;
        Ok(merkle_root(hashes.get(at..at + (1 << within)).ok_or_else(missing)?))
    }
}
