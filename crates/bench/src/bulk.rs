//! What the ledger takes for a harvest of random subjects, beside the entropy of the set.

use anyhow::Result;
use serde::Serialize;

use crate::catalogue::{AGENT, DATABASE, harvest_select};
use crate::options::{Plan, RouteKind};
use crate::route::Routes;
use crate::sample::settled_record;
use crate::session::Session;

/// One harvest through one route.
#[derive(Debug, Serialize)]
pub(crate) struct Harvest {
    pub(crate) route: RouteKind,
    pub(crate) subjects: u64,
    pub(crate) population: u64,
    pub(crate) recorded_bytes: u64,
    /// Bytes below which no code for sets of so many of so many can go on average.
    pub(crate) entropy_bytes: f64,
}

/// Takes an eighth of all customers, a random one, through each Rastro.
pub(crate) fn survey(plan: &Plan, routes: &Routes) -> Result<Vec<Harvest>> {
    let mut harvests = Vec::new();
    for route in [RouteKind::Group, RouteKind::Strict].into_iter().filter_map(|kind| routes.get(kind).ok()) {
        let before = settled_record(route)?.unwrap_or_default();
        let subjects =
            Session::open(route.port(), AGENT, DATABASE)?.run(&harvest_select(plan.seed), |_| {})?.rows;
        let after = settled_record(route)?.unwrap_or_default();
        harvests.push(Harvest {
            route: route.kind(),
            subjects,
            population: plan.customers,
            recorded_bytes: after.saturating_sub(before),
            entropy_bytes: entropy_bytes(subjects, plan.customers),
        });
    }
    Ok(harvests)
}

/// Returns the entropy of a random set of `taken` out of `all`, by the bound log2 C(n, k) ≈ n H(k/n).
fn entropy_bytes(taken: u64, all: u64) -> f64 {
    let share = taken as f64 / all as f64;
    if share <= 0.0 || share >= 1.0 {
        return 0.0;
    }
    let bits = -(share * share.log2() + (1.0 - share) * (1.0 - share).log2());
    bits * all as f64 / 8.0
}

#[cfg(test)]
mod tests {
    use super::entropy_bytes;

    #[test]
    fn entropy_of_120_000_of_12_million_is_121_kilobytes() {
        assert_eq!((entropy_bytes(120_000, 12_000_000) / 1000.0).round(), 121.0);
    }

    #[test]
    fn entropy_of_nothing_and_of_all_is_none() {
        assert_eq!((entropy_bytes(0, 9), entropy_bytes(9, 9)), (0.0, 0.0));
    }
}
