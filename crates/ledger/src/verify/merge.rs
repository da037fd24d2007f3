//! Joins the files' leaves into the tree, and says what is wrong first.

use super::VerifyError;
use super::file::{FileCheck, Listed, Mismatch, Piece, Redacted, Stop};
use super::locate::{find_altered, find_altered_tile};
use super::redacted::count_erased;
use super::report::{Fault, Report};
use super::trust::{Signed, Trust};
use crate::merkle::{Frontier, Hash, TILE_WIDTH, TileId, merkle_root};
use crate::seal::{SealError, StoredNodes};
use crate::store::Store;

/// What the entries come to so far.
pub(super) struct Merge<'a> {
    trust: &'a Trust,
    tree: &'a (dyn Store + Sync),
    frontier: Frontier,
    /// Roots of the full tiles of leaves.
    tile_roots: Vec<Hash>,
    mismatches: Vec<Mismatch>,
    missing_tile: Option<TileId>,
    /// Known checkpoints that the entries do not lead to.
    unfit: Vec<Signed>,
    redacted: Vec<Redacted>,
    erasures: Vec<Listed>,
    /// What ends the entries before their end.
    stop: Option<Fault>,
    /// Entries that have no leaf, at the end.
    unhashed: u64,
    /// A spool file between two others that is not there.
    pub(super) missing_file: Option<u64>,
}

impl<'a> Merge<'a> {
    /// Begins at the first entry that is kept; inside, the tile that is needed for that and not there.
    pub(super) fn new(
        trust: &'a Trust,
        tree: &'a (dyn Store + Sync),
    ) -> Result<Result<Merge<'a>, Fault>, VerifyError> {
        let first = trust.retained.as_ref().map_or(0, |retained| retained.first);
        let (frontier, tile_roots) = match stump(tree, first, trust.checkpoint.size) {
            Ok(stump) => stump,
            Err(SealError::Missing { name: path }) => return Ok(Err(Fault::Tile { path })),
            Err(error) => return Err(error.into()),
        };
        Ok(Ok(Merge {
            trust,
            tree,
            frontier,
            tile_roots,
            mismatches: Vec::new(),
            missing_tile: None,
            unfit: Vec::new(),
            redacted: Vec::new(),
            erasures: Vec::new(),
            stop: None,
            unhashed: 0,
            missing_file: None,
        }))
    }

    /// Adds the next file.
    pub(super) fn add(&mut self, check: FileCheck) {
        if self.stop.is_some() {
            return;
        }
        let index = self.frontier.size();
        let file = check.seq;
        let sealed = self.trust.checkpoint.size;
        let is_empty = check.pieces.is_empty() && check.unhashed == 0;
        if self.missing_file.is_some_and(|missing| missing < file) && index < sealed {
            let last = check.first_index.unwrap_or(sealed).max(index + 1) - 1;
            self.stop = Some(Fault::Missing { first: index, last });
            return;
        }
        match check.first_index {
            _ if is_empty => {}
            Some(first) if first == index => {}
            Some(first) if first > index && index < sealed => {
                self.stop = Some(Fault::Missing { first: index, last: first - 1 });
                return;
            }
            Some(_) if index < sealed => {
                self.stop = Some(Fault::Altered { index, file });
                return;
            }
            // Not sealed yet: nothing vouches for the order.
            _ => {}
        }
        self.redacted.extend(check.redacted);
        self.erasures.extend(check.erasures);
        self.mismatches.extend(check.mismatches);
        self.missing_tile = self.missing_tile.or(check.missing_tile);
        for piece in check.pieces {
            match piece {
                Piece::Leaves(leaves) => leaves.into_iter().for_each(|leaf| self.push_leaf(leaf)),
                Piece::Tiles(roots) => roots.into_iter().for_each(|root| self.push_tile(root)),
            }
        }
        self.unhashed += check.unhashed;
        let index = self.frontier.size();
        if index >= sealed {
            return;
        }
        self.stop = match check.stop {
            Some(Stop::Unreadable(why)) => Some(Fault::Unreadable { index, why }),
            Some(Stop::NoSalts) if check.unhashed > 0 => Some(Fault::Salts { index, file, what: "missing" }),
            Some(Stop::BadSalts) if check.unhashed > 0 => Some(Fault::Salts { index, file, what: "damaged" }),
            _ => None,
        };
    }

    fn push_leaf(&mut self, leaf: Hash) {
        let roots = &mut self.tile_roots;
        self.frontier.push(leaf, |id, hashes| {
            if id.level == 0 {
                roots.push(merkle_root(hashes));
            }
        });
        self.check_known();
    }

    fn push_tile(&mut self, root: Hash) {
        if self.frontier.push_tile(root) {
            self.tile_roots.push(root);
            self.check_known();
        }
    }

    fn check_known(&mut self) {
        let size = self.frontier.size();
        for signed in &self.trust.signed {
            if signed.size == size && signed.root != self.frontier.root() {
                self.unfit.push(signed.clone());
            }
        }
    }

    fn removed(&self) -> u64 {
        self.trust.retained.as_ref().map_or(0, |retained| retained.first)
    }

    /// Says what is wrong, if anything is.
    pub(super) fn finish(self) -> Result<Report, VerifyError> {
        let size = self.frontier.size();
        let checkpoint = self.trust.checkpoint.clone();
        let younger = size.saturating_sub(checkpoint.size) + self.unhashed;
        let mut fault = self.fault()?;
        let mut erased = 0;
        if fault.is_none() {
            match count_erased(self.tree, &self.redacted, &self.erasures, checkpoint.size)? {
                Ok(count) => erased = count,
                Err(found) => fault = Some(found),
            }
        }
        Ok(Report {
            erased,
            witnessed: self.trust.witnessed.clone(),
            entries: size.saturating_sub(self.removed()),
            removed: self.removed(),
            younger: if fault.is_none() { younger } else { 0 },
            key_changes: self.trust.key_changes,
            keys: self.trust.keys.clone(),
            checkpoint: Some(checkpoint),
            fault,
        })
    }

    fn fault(&self) -> Result<Option<Fault>, VerifyError> {
        let size = self.frontier.size();
        let checkpoint = &self.trust.checkpoint;
        if self.unfit.is_empty() && self.stop.is_none() && size >= checkpoint.size {
            if let Some(id) = self.missing_tile {
                return Ok(Some(Fault::Tile { path: id.path() }));
            }
            if let Some(first) = self.mismatches.iter().find(|m| m.index < checkpoint.size) {
                let id = TileId::containing(0, first.index, checkpoint.size);
                return Ok(id.map(|id| Fault::Tile { path: id.path() }));
            }
            let altered = find_altered_tile(self.tree, checkpoint, &self.tile_roots)?;
            return Ok(altered.map(|id| Fault::Tile { path: id.path() }));
        }
        if let Some(fault) = find_altered(self.tree, checkpoint, &self.tile_roots, &self.mismatches, size)? {
            return Ok(Some(fault));
        }
        // The entries fit the tree that was signed last, but not one known from before.
        if let Some(Signed { size, how, .. }) = self.unfit.first() {
            return Ok(Some(Fault::Rewritten { size: *size, how }));
        }
        if let Some(stop) = &self.stop {
            return Ok(Some(stop.clone()));
        }
        let (first, last) = (size, checkpoint.size - 1);
        Ok(Some(match &self.trust.witnessed {
            Some(witnessed) if size >= witnessed.size => {
                Fault::TruncatedAfterWitnessed { first, last, witnessed: witnessed.size }
            }
            _ => Fault::Missing { first, last },
        }))
    }
}

/// Returns the tree of the first `first` entries as the stored tiles give it. Whether they are to be trusted
/// shows at the end, when the entries behind lead to the signed root or do not.
fn stump(tree: &dyn Store, first: u64, sealed: u64) -> Result<(Frontier, Vec<Hash>), SealError> {
    let nodes = StoredNodes::new(tree, sealed);
    let missing = |id: TileId| SealError::Missing { name: id.path() };
    let width = TILE_WIDTH as u64;
    let mut frontier = Frontier::new();
    let mut roots = Vec::new();
    for at in (0..first / width).step_by(TILE_WIDTH) {
        let id = TileId::containing(1, at, sealed).ok_or(SealError::Missing { name: "tile/1".to_owned() })?;
        let wanted = (first / width - at).min(width) as usize;
        let hashes = nodes.tile(id)?;
        let hashes = hashes.get(..wanted).ok_or_else(|| missing(id))?;
        hashes.iter().for_each(|hash| {
            frontier.push_tile(*hash);
        });
        roots.extend_from_slice(hashes);
    }
    if !first.is_multiple_of(width) {
        let id = TileId::containing(0, first - 1, sealed)
            .ok_or(SealError::Missing { name: "tile/0".to_owned() })?;
        let hashes = nodes.tile(id)?;
        let wanted = (first % width) as usize;
        let hashes = hashes.get(..wanted).ok_or_else(|| missing(id))?;
        hashes.iter().for_each(|hash| frontier.push(*hash, |_, _| {}));
    }
    Ok((frontier, roots))
}
