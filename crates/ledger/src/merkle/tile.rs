//! Tiles and entry bundles as C2SP tlog-tiles lays them out.

use super::Hash;

/// Hashes in a full tile.
pub const TILE_WIDTH: usize = 256;
/// Bytes of a full tile.
pub const TILE_BYTES: usize = TILE_WIDTH * 32;

/// Which tile, and how many of its hashes are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// 0: hashes of leaves; each further level joins 256 of the one below.
    pub level: u8,
    /// Position in the level.
    pub index: u64,
    /// 1 to 256.
    pub width: usize,
}

impl TileId {
    /// Returns the width of the partial tile of `level` in a tree of `size` leaves; 0 if there is none.
    pub fn partial_width(size: u64, level: u8) -> usize {
        let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        (hashes % TILE_WIDTH as u64) as usize
    }

    /// Returns the tile of `level` with hash `position` in a tree of `size` leaves; `None` beyond its end.
    pub fn containing(level: u8, position: u64, size: u64) -> Option<TileId> {
        let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let index = position / TILE_WIDTH as u64;
        let width = hashes.checked_sub(index * TILE_WIDTH as u64)?.min(TILE_WIDTH as u64) as usize;
        (position < hashes).then_some(TileId { level, index, width })
    }

    /// Returns the path below the log's prefix, such as `tile/0/x001/234.p/7`.
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, self.numbered())
    }

    /// Returns the path of the bundle with the entries of this tile of level 0.
    pub fn bundle_path(&self) -> String {
        format!("tile/entries/{}", self.numbered())
    }

    fn numbered(&self) -> String {
        let mut path = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            path.insert_str(0, &format!("x{:03}/", rest % 1000));
            rest /= 1000;
        }
        if self.width < TILE_WIDTH {
            path.push_str(&format!(".p/{}", self.width));
        }
        path
    }
}

/// Returns the bytes of a tile.
pub fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.concat()
}

/// Returns the hashes of a tile of `width`; `None` unless the bytes are exactly so many.
pub fn decode_tile(bytes: &[u8], width: usize) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && hashes.len() == width).then(|| hashes.to_vec())
}

/// Why bytes are no entry bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// An entry has more than 65,535 bytes.
    #[error("entry of {bytes} bytes does not fit a bundle")]
    Long {
        /// Its length.
        bytes: usize,
    },
    /// The bytes end inside an entry.
    #[error("bundle ends inside an entry")]
    Short,
    /// More entries than a tile has leaves.
    #[error("bundle holds more than {TILE_WIDTH} entries")]
    Many,
}

/// Returns the bundle of `entries`: each with its length before it, 16 bits big-endian.
///
/// # Errors
/// `Long`, `Many`.
pub fn encode_bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
    let mut out = Vec::new();
    for (i, entry) in entries.into_iter().enumerate() {
        let len = u16::try_from(entry.len()).map_err(|_| BundleError::Long { bytes: entry.len() })?;
        if i >= TILE_WIDTH {
            return Err(BundleError::Many);
        }
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(entry);
    }
    Ok(out)
}

/// Returns the entries of a bundle.
///
/// # Errors
/// `Short`, `Many`.
pub fn decode_bundle(mut bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (len, rest) = bytes.split_first_chunk::<2>().ok_or(BundleError::Short)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (entry, rest) = rest.split_at_checked(len).ok_or(BundleError::Short)?;
        if entries.len() == TILE_WIDTH {
            return Err(BundleError::Many);
        }
        entries.push(entry);
        bytes = rest;
    }
    Ok(entries)
}
