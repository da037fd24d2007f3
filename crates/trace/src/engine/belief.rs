//! What is believed of each account before the first report.

use super::case::Case;
use crate::history::Slice;
use crate::numeric::{real, size};

/// No account is believed more than so many times the average on account of what it saw.
const TIMES_MEAN_MAX: f64 = 20.0;

/// Shares of the belief in a single route: part evenly by account; part by how many subjects each saw, because
/// a leaked record is as likely one as another; part by how many it saw without a reason, where reasons are known.
#[derive(Debug)]
pub(super) struct Belief {
    accounts: f64,
    exposed_mean: f64,
    unexplained_mean: f64,
    total: f64,
}

impl Belief {
    /// Divides the belief among the ordinary accounts that saw anybody.
    pub(super) fn new(case: &Case) -> Belief {
        let index = case.history.index();
        let mut belief = Belief { accounts: 0.0, exposed_mean: 0.0, unexplained_mean: 0.0, total: 0.0 };
        let ordinary = || {
            let all = (0..=u16::MAX).take(index.accounts());
            all.filter(|account| index.exposed(*account) > 0 && index.broad.binary_search(account).is_err())
        };
        for account in ordinary() {
            belief.accounts += 1.0;
            belief.exposed_mean += real(index.exposed(account));
            belief.unexplained_mean += unexplained(case, account);
        }
        belief.exposed_mean /= belief.accounts.max(1.0);
        belief.unexplained_mean /= belief.accounts.max(1.0);
        belief.total = ordinary().map(|account| belief.weight(case, account)).sum();
        belief
    }

    /// Returns how many accounts there are to believe it of.
    pub(super) fn accounts(&self) -> f64 {
        self.accounts
    }

    /// Returns the share of `account`; those of all accounts sum to 1.
    pub(super) fn share(&self, case: &Case, account: u16) -> f64 {
        (self.weight(case, account) / self.total.max(f64::MIN_POSITIVE))
            .max(1e-12 / size(1 + case.hits.len()))
    }

    fn weight(&self, case: &Case, account: u16) -> f64 {
        let times = |value: f64, mean: f64| if mean > 0.0 { (value / mean).min(TIMES_MEAN_MAX) } else { 1.0 };
        let exposed = times(real(case.history.index().exposed(account)), self.exposed_mean);
        1.0 + exposed + times(unexplained(case, account), self.unexplained_mean)
    }
}

fn unexplained(case: &Case, account: u16) -> f64 {
    case.history.index().weight(account, Slice { cohort: None, unexplained: true, by_exposure: false })
}
