//! Where sealing goes on after a stop: the tree as it was before the file being sealed.

use super::SealError;
use crate::merkle::{Frontier, digest};
use crate::store::Store;

/// Its name in the store of the tree.
pub(super) const NAME: &str = "resume";
const HEAD: [u8; 10] = *b"RASTRORS\0\x01";

/// The tree before the first entry of a spool file; all its full tiles are durable.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resume {
    pub(super) seq: u64,
    pub(super) frontier: Frontier,
}

impl Resume {
    /// Reads it; `None` if nothing was ever sealed.
    pub(super) fn load(store: &dyn Store) -> Result<Option<Resume>, SealError> {
        let Some(bytes) = store.read(NAME).map_err(SealError::store(NAME))? else { return Ok(None) };
        decode(&bytes).map(Some).ok_or(SealError::Missing { name: NAME.to_owned() })
    }

    /// Writes it, durably.
    pub(super) fn save(&self, store: &mut dyn Store) -> Result<(), SealError> {
        store.write_durable(NAME, &self.encode()).map_err(SealError::store(NAME))
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = HEAD.to_vec();
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.frontier.size().to_be_bytes());
        for level in 0..self.frontier.height() {
            let hashes = self.frontier.partial(level);
            out.push(hashes.len() as u8);
            out.extend_from_slice(&hashes.concat());
        }
        let check = digest(&[&out]);
        out.extend_from_slice(&check);
        out
    }
}

fn decode(bytes: &[u8]) -> Option<Resume> {
    let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if digest(&[body]) != *check {
        return None;
    }
    let (seq, rest) = body.strip_prefix(&HEAD)?.split_first_chunk::<8>()?;
    let (size, mut rest) = rest.split_first_chunk::<8>()?;
    let mut levels = Vec::new();
    while let Some((width, tail)) = rest.split_first() {
        let (hashes, tail) = tail.split_at_checked(usize::from(*width) * 32)?;
        levels.push(hashes.as_chunks::<32>().0.to_vec());
        rest = tail;
    }
    let frontier = Frontier::from_tiles(u64::from_be_bytes(*size), levels)?;
    Some(Resume { seq: u64::from_be_bytes(*seq), frontier })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resume_is_read_back_and_damage_is_noticed() {
        let mut frontier = Frontier::new();
        for i in 0..70_003u32 {
            frontier.push(digest(&[&i.to_be_bytes()]), |_, _| {});
        }
        let resume = Resume { seq: 9, frontier };
        let bytes = resume.encode();
        assert_eq!(decode(&bytes), Some(resume));
        for at in [0, 9, 17, 30, bytes.len() - 1] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(decode(&other), None, "{at}");
        }
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode(&[]), None);
    }
}
