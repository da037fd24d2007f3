//! Checks that what is gone from entries was erased by the ledger's own hand.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{Listed, Redacted};
use super::report::Fault;
use super::{VerifyError, read_checkpoint};
use crate::erase::{Place, decode_list, list_name};
use crate::store::Store;

/// Returns how many places are gone, each listed by one of the signed `erasures` among the first `size` entries;
/// inside, the first that is not.
pub(super) fn count_erased(
    tree: &dyn Store,
    redacted: &[Redacted],
    erasures: &[Listed],
    size: u64,
) -> Result<Result<u64, Fault>, VerifyError> {
    let mut listed: BTreeMap<u64, BTreeSet<Place>> = BTreeMap::new();
    for erasure in erasures.iter().filter(|erasure| erasure.index < size) {
        let path = list_name(erasure.number);
        let bytes = read_checkpoint(tree, &path)?;
        let Some(places) = bytes.and_then(|bytes| decode_list(&bytes, &erasure.list)) else {
            return Ok(Err(Fault::Tile { path }));
        };
        places.into_iter().for_each(|place| {
            listed.entry(place.index).or_default().insert(place);
        });
    }
    let mut count = 0;
    for Redacted { index, file, sets, parts } in redacted.iter().filter(|r| r.index < size) {
        let places = listed.get(index).into_iter().flatten();
        let gone: Vec<&Place> = places.filter(|place| parts.contains(&place.part)).collect();
        // Places of one entry are in the order of their sets.
        if gone.len() != parts.len() || !gone.iter().map(|place| place.set).eq(sets.iter().copied()) {
            return Ok(Err(Fault::Redacted { index: *index, file: *file }));
        }
        count += gone.len() as u64;
    }
    Ok(Ok(count))
}
