//! Finds the first altered entry with the help of the stored tiles, as far as the signature vouches for them.

use super::VerifyError;
use super::file::Mismatch;
use super::report::Fault;
use crate::checkpoint::Checkpoint;
use crate::merkle::{Frontier, Hash, TILE_WIDTH, TileId, merkle_root};
use crate::seal::{SealError, StoredNodes};
use crate::store::Store;

const WIDTH: u64 = TILE_WIDTH as u64;

/// Returns the first entry that differs from what was signed, among the first `size` entries that were read.
/// `None` if they are all as signed.
pub(super) fn find_altered(
    tree: &dyn Store,
    checkpoint: &Checkpoint,
    tile_roots: &[Hash],
    mismatches: &[Mismatch],
    size: u64,
) -> Result<Option<Fault>, VerifyError> {
    let nodes = StoredNodes::new(tree, checkpoint.size);
    let first_mismatch = mismatches.iter().find(|m| m.index < checkpoint.size);
    let Some(stored) = authentic_roots(&nodes, checkpoint)? else {
        // The tiles were altered as well: nothing tells where the entries begin to differ.
        let read = size.min(checkpoint.size);
        let complete = read == checkpoint.size;
        let last = first_mismatch.map_or(read.saturating_sub(1), |m| m.index);
        return Ok((complete || first_mismatch.is_some()).then_some(Fault::AlteredWithin { first: 0, last }));
    };
    let differing = tile_roots.iter().zip(&stored).position(|(found, signed)| found != signed);
    let Some(tile) = differing.map(|tile| tile as u64) else {
        // All full tiles fit: what differs is in the tile that was read last.
        let read = tile_roots.len() as u64 * WIDTH;
        let Some(id) = TileId::containing(0, read, checkpoint.size) else { return Ok(None) };
        if id.width == TILE_WIDTH && !is_authentic(&nodes, id, stored.get(tile_roots.len()))? {
            return Ok(None);
        }
        let found = mismatches.iter().find(|m| m.index / WIDTH == id.index && m.index < checkpoint.size);
        return Ok(found.map(|m| Fault::Altered { index: m.index, file: m.file }));
    };
    let id = TileId { level: 0, index: tile, width: TILE_WIDTH };
    let authentic = is_authentic(&nodes, id, stored.get(tile as usize))?;
    Ok(Some(match mismatches.iter().find(|m| m.index / WIDTH == tile) {
        Some(m) if authentic => Fault::Altered { index: m.index, file: m.file },
        _ => Fault::AlteredWithin { first: tile * WIDTH, last: tile * WIDTH + WIDTH - 1 },
    }))
}

fn is_authentic(nodes: &StoredNodes<'_>, id: TileId, root: Option<&Hash>) -> Result<bool, VerifyError> {
    match nodes.tile(id) {
        Ok(hashes) => Ok(root.is_some_and(|root| merkle_root(&hashes) == *root)),
        Err(SealError::Missing { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Returns the roots of all full tiles of leaves as the stored tiles give them, if together with the last
/// tile of leaves they lead to the signed root.
fn authentic_roots(
    nodes: &StoredNodes<'_>,
    checkpoint: &Checkpoint,
) -> Result<Option<Vec<Hash>>, VerifyError> {
    let full = checkpoint.size / WIDTH;
    let mut roots = Vec::with_capacity(full as usize);
    let mut frontier = Frontier::new();
    let read = |id| match nodes.tile(id) {
        Ok(hashes) => Ok(Some(hashes)),
        Err(SealError::Missing { .. }) => Ok(None),
        Err(error) => Err(VerifyError::from(error)),
    };
    for first in (0..full).step_by(TILE_WIDTH) {
        let Some(id) = TileId::containing(1, first, checkpoint.size) else { return Ok(None) };
        let Some(hashes) = read(id)? else { return Ok(None) };
        for hash in &hashes {
            frontier.push_tile(*hash);
        }
        roots.extend(hashes);
    }
    if let Some(id) = TileId::containing(0, full * WIDTH, checkpoint.size) {
        let Some(hashes) = read(id)? else { return Ok(None) };
        hashes.into_iter().for_each(|hash| frontier.push(hash, |_, _| {}));
    }
    Ok((frontier.root() == checkpoint.root).then_some(roots))
}

/// Returns the first stored tile above the leaves that differs from the entries' own.
pub(super) fn find_altered_tile(
    tree: &dyn Store,
    checkpoint: &Checkpoint,
    tile_roots: &[Hash],
) -> Result<Option<TileId>, VerifyError> {
    let nodes = StoredNodes::new(tree, checkpoint.size);
    let full = (checkpoint.size / WIDTH) as usize;
    let mut hashes = tile_roots.get(..full).unwrap_or(tile_roots).to_vec();
    for level in 1..8 {
        if hashes.is_empty() {
            break;
        }
        let mut above = Vec::new();
        for (index, own) in hashes.chunks(TILE_WIDTH).enumerate() {
            let id = TileId { level, index: index as u64, width: own.len() };
            match nodes.tile(id) {
                Ok(stored) if stored == own => {}
                Ok(_) | Err(SealError::Missing { .. }) => return Ok(Some(id)),
                Err(error) => return Err(error.into()),
            }
            if own.len() == TILE_WIDTH {
                above.push(merkle_root(own));
            }
        }
        hashes = above;
    }
    Ok(None)
}
