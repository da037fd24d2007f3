//! What the server said about the rows of each portal.

// Portals a transaction may hold open. With more, none is trusted without a description of its own making.
const PORTALS_MAX: usize = 256;

struct Described<P> {
    portal: u64,
    description: Box<[u8]>,
    plan: Option<P>,
    // The same portal was described in two ways: its rows may follow either.
    changed: bool,
}

/// Descriptions of the portals of the open transaction.
pub(super) struct Portals<P> {
    described: Vec<Described<P>>,
    // A description was forgotten, so a later one cannot be compared with it.
    forgotten: bool,
}

impl<P: Clone> Portals<P> {
    pub(super) fn new() -> Portals<P> {
        Portals { described: Vec::new(), forgotten: false }
    }

    /// Takes a description; empty bytes and no plan if there are no rows.
    pub(super) fn describe(&mut self, portal: u64, description: &[u8], plan: Option<P>) {
        if let Some(known) = self.described.iter_mut().find(|known| known.portal == portal) {
            if *known.description != *description {
                known.changed = true;
                known.description = description.into();
                known.plan = plan;
            }
            return;
        }
        if self.described.len() >= PORTALS_MAX {
            self.described.remove(0);
            self.forgotten = true;
        }
        self.described.push(Described { portal, description: description.into(), plan, changed: false });
    }

    /// Returns the plan of a portal (`None` within: it gives no rows) and whether it can be trusted.
    pub(super) fn plan(&self, portal: u64) -> Option<(Option<&P>, bool)> {
        let known = self.described.iter().rev().find(|known| known.portal == portal)?;
        Some((known.plan.as_ref(), !known.changed && !self.forgotten))
    }

    /// The portal is gone.
    pub(super) fn close(&mut self, portal: u64) {
        self.described.retain(|known| known.portal != portal);
    }

    /// The transaction ended, and its portals with it.
    pub(super) fn clear(&mut self) {
        self.described.clear();
        self.forgotten = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portal_described_in_two_ways_is_not_trusted() {
        let mut portals = Portals::new();
        portals.describe(1, b"a", Some('a'));
        portals.describe(1, b"a", Some('a'));
        assert_eq!(portals.plan(1), Some((Some(&'a'), true)));
        portals.describe(1, b"b", None);
        assert_eq!(portals.plan(1), Some((None, false)));
        portals.clear();
        assert_eq!(portals.plan(1), None);
    }

    #[test]
    fn nothing_is_trusted_once_a_description_was_forgotten() {
        let mut portals = Portals::new();
        for portal in 0..=PORTALS_MAX as u64 {
            portals.describe(portal, b"a", Some('a'));
        }
        assert_eq!(portals.plan(0), None);
        assert_eq!(portals.plan(9), Some((Some(&'a'), false)));
    }
}
